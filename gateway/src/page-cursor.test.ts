import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createCursorSeal, CURSOR_KEY_BYTES } from './cursor-seal.ts';
import { decodePageCursor, digestQuestion, encodePageCursor } from './page-cursor.ts';

const cursorSeal = createCursorSeal(new Uint8Array(CURSOR_KEY_BYTES), 'datasets');
const seal = (value: unknown): string => cursorSeal.seal(JSON.stringify(value));

const digest = digestQuestion(['velo', { themes: ['TRAN'] }, 'TITLE', ['a', 'b']]);
const positions = { a: 'r["x","1"]', b: 'l20' };
const cursor = encodePageCursor(digest, positions, cursorSeal);

test('a cursor gives back the positions it holds', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.stringMatching(/^[a-z][a-z0-9-]{0,30}$/), fc.string({ unit: 'binary' })), (held) => {
      expect({ ...decodePageCursor(encodePageCursor(digest, held, cursorSeal), digest, cursorSeal) }).toEqual({
        ...held,
      });
    }),
    { seed: 41, numRuns: 300 },
  );
});

describe('a cursor of another question is refused', () => {
  test('control: that of this question is taken', () => {
    expect(decodePageCursor(cursor, digest, cursorSeal)).toEqual(positions);
  });

  test.each<[string, unknown]>([
    ['search', ['eau', { themes: ['TRAN'] }, 'TITLE', ['a', 'b']]],
    ['no search', [null, { themes: ['TRAN'] }, 'TITLE', ['a', 'b']]],
    ['filter', ['velo', { themes: ['ENVI'] }, 'TITLE', ['a', 'b']]],
    ['order', ['velo', { themes: ['TRAN'] }, 'RELEVANCE', ['a', 'b']]],
    ['sources', ['velo', { themes: ['TRAN'] }, 'TITLE', ['a']]],
    ['order of the sources', ['velo', { themes: ['TRAN'] }, 'TITLE', ['b', 'a']]],
  ])('%s', (_, question) => {
    expect(() => decodePageCursor(cursor, digestQuestion(question), cursorSeal)).toThrow(
      expect.objectContaining({ code: 'INPUT_INVALID' }),
    );
  });
});

describe('what is no cursor is refused with one text', () => {
  test.each<[string, string]>([
    ['nothing', ''],
    ['no base64', '***'],
    ['what the hub did not seal', Buffer.from(JSON.stringify([1, digest, positions])).toString('base64url')],
    ['no list', seal({ 0: 1, 1: digest, 2: positions, length: 3 })],
    ['another version', seal([2, digest, positions])],
    ['a part too few', seal([1, digest])],
    ['a part too many', seal([1, digest, positions, 0])],
    ['positions that are null', seal([1, digest, null])],
    ['positions that are a list', seal([1, digest, ['x']])],
    ['a position that is no text', seal([1, digest, { a: 1 }])],
    ['a cursor longer than any the hub issues', encodePageCursor(digest, { a: 'x'.repeat(160_000) }, cursorSeal)],
  ])('%s', (_, text) => {
    expect(() => decodePageCursor(text, digest, cursorSeal)).toThrow(
      expect.objectContaining({
        code: 'INPUT_INVALID',
        message: 'after: this cursor was not issued for this question.',
      }),
    );
  });

  test('any text at all is refused, never another error', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.base64String(),
          fc.json().map((json) => Buffer.from(json).toString('base64url')),
        ),
        (text) => {
          expect(() => decodePageCursor(text, digest, cursorSeal)).toThrow(
            expect.objectContaining({ code: 'INPUT_INVALID' }),
          );
        },
      ),
      { seed: 42, numRuns: 500 },
    );
  });

  test('names of object members in a cursor change nothing', () => {
    const text = cursorSeal.seal(`[1,"${digest}",{"__proto__":"x","constructor":"y"}]`);
    expect(Object.entries(decodePageCursor(text, digest, cursorSeal))).toEqual([['constructor', 'y']]);
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });
});
