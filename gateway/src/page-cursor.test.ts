import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodePageCursor, digestQuestion, encodePageCursor } from './page-cursor.ts';

const seal = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

const digest = digestQuestion(['velo', { themes: ['TRAN'] }, 'TITLE', ['a', 'b']]);
const positions = { a: 'r["x","1"]', b: 'l20' };
const cursor = encodePageCursor(digest, positions);

test('a cursor gives back the positions it holds', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.stringMatching(/^[a-z][a-z0-9-]{0,30}$/), fc.string({ unit: 'binary' })), (held) => {
      expect({ ...decodePageCursor(encodePageCursor(digest, held), digest) }).toEqual({ ...held });
    }),
    { seed: 41, numRuns: 300 },
  );
});

describe('a cursor of another question is refused', () => {
  test('control: that of this question is taken', () => {
    expect(decodePageCursor(cursor, digest)).toEqual(positions);
  });

  test.each<[string, unknown]>([
    ['search', ['eau', { themes: ['TRAN'] }, 'TITLE', ['a', 'b']]],
    ['no search', [null, { themes: ['TRAN'] }, 'TITLE', ['a', 'b']]],
    ['filter', ['velo', { themes: ['ENVI'] }, 'TITLE', ['a', 'b']]],
    ['order', ['velo', { themes: ['TRAN'] }, 'RELEVANCE', ['a', 'b']]],
    ['sources', ['velo', { themes: ['TRAN'] }, 'TITLE', ['a']]],
    ['order of the sources', ['velo', { themes: ['TRAN'] }, 'TITLE', ['b', 'a']]],
  ])('%s', (_, question) => {
    expect(() => decodePageCursor(cursor, digestQuestion(question))).toThrow(
      expect.objectContaining({ code: 'INPUT_INVALID' }),
    );
  });
});

describe('what is no cursor is refused with one text', () => {
  test.each<[string, string]>([
    ['nothing', ''],
    ['no base64', '***'],
    ['no JSON', Buffer.from('{"a"').toString('base64url')],
    ['no list', seal({ 0: 1, 1: digest, 2: positions, length: 3 })],
    ['another version', seal([2, digest, positions])],
    ['a part too few', seal([1, digest])],
    ['a part too many', seal([1, digest, positions, 0])],
    ['positions that are null', seal([1, digest, null])],
    ['positions that are a list', seal([1, digest, ['x']])],
    ['a position that is no text', seal([1, digest, { a: 1 }])],
    ['a cursor longer than any the hub issues', encodePageCursor(digest, { a: 'x'.repeat(160_000) })],
  ])('%s', (_, text) => {
    expect(() => decodePageCursor(text, digest)).toThrow(
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
          expect(() => decodePageCursor(text, digest)).toThrow(expect.objectContaining({ code: 'INPUT_INVALID' }));
        },
      ),
      { seed: 42, numRuns: 500 },
    );
  });

  test('names of object members in a cursor change nothing', () => {
    const text = Buffer.from(`[1,"${digest}",{"__proto__":"x","constructor":"y"}]`).toString('base64url');
    expect(Object.entries(decodePageCursor(text, digest))).toEqual([['constructor', 'y']]);
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });
});
