import { randomBytes } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createCursorSeal, CURSOR_KEY_BYTES } from './cursor-seal.ts';

const KEY = randomBytes(CURSOR_KEY_BYTES);
const seal = createCursorSeal(KEY, 'records');

describe('a sealed cursor', () => {
  test('is read by every process with the key, and is the same text each time', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (plain) => {
        const sealed = seal.seal(plain);
        expect(createCursorSeal(Uint8Array.from(KEY), 'records').unseal(sealed)).toBe(plain);
        expect(seal.seal(plain)).toBe(sealed);
      }),
      { seed: 7, numRuns: 300 },
    );
  });

  test('is read neither with another key nor for another purpose', () => {
    const sealed = seal.seal('place');
    expect(createCursorSeal(randomBytes(CURSOR_KEY_BYTES), 'records').unseal(sealed)).toBeNull();
    expect(createCursorSeal(KEY, 'datasets').unseal(sealed)).toBeNull();
  });

  test('is refused when any one of its bits is changed', () => {
    const bytes = Buffer.from(seal.seal('{"v":1,"m":"w","o":3}'), 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const forged = Buffer.from(bytes);
      forged[bit >> 3]! ^= 1 << (bit & 7);
      expect(seal.unseal(forged.toString('base64url'))).toBeNull();
    }
  });

  test.each([
    ['nothing', ''],
    ['a cut cursor', seal.seal('place').slice(0, -2)],
    ['a longer cursor', `${seal.seal('place')}AAAA`],
    ['padding', `${seal.seal('place')}=`],
    ['a line break', `${seal.seal('place')}\n`],
    ['the other base64 alphabet', '+/+/'],
    ['plain JSON', Buffer.from('{"v":1,"m":"w","o":3}').toString('base64url')],
    ['text beyond Latin-1', '語'.repeat(40)],
  ])('is refused: %s', (_name, cursor) => {
    expect(seal.unseal(cursor)).toBeNull();
  });

  test('is as long for a place further on', () => {
    const lengths = [0, 9, 10, 99_999, 1e12].map((offset) => seal.seal(JSON.stringify({ v: 1, offset })).length);
    expect(new Set(lengths).size).toBe(1);
  });

  test('says nothing of the place in it', () => {
    const sealed = Buffer.from(seal.seal('Rue de la Paix'), 'base64url').toString('latin1');
    expect(sealed).not.toContain('Paix');
  });
});
