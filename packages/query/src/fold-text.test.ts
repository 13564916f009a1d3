import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bindFilter } from './bind.ts';
import { evaluateFilter } from './evaluate.ts';
import type { TextFold } from './filter.ts';
import { foldPattern, foldText } from './fold-text.ts';
import { QUERYABLES } from './test-support/arbitraries.ts';

const FOLDS: readonly TextFold[] = ['case', 'accent', 'case and accent'];
/** Every code point that is a character, in one list of texts. */
const CHARACTERS = Array.from({ length: 0x11_00_00 }, (_, code) => code)
  .filter((code) => code < 0xd8_00 || code > 0xdf_ff)
  .map((code) => String.fromCodePoint(code));

describe('foldText', () => {
  test.each<[TextFold, string, string]>([
    ['case', 'Straße', 'STRASSE'],
    ['case', 'ẞ', 'ss'],
    ['case', 'ΟΔΟΣ', 'οδος'],
    ['case', 'Οδος', 'οδοσ'],
    ['case', 'ﬁn', 'FIN'],
    ['case', '\u212A', 'k'],
    ['case', 'ſ', 'S'],
    ['case', 'İ', 'i\u0307'],
    ['accent', 'débárquér', 'debarquer'],
    ['accent', 'e\u0301', 'e'],
    ['accent', 'Umeå', 'Umea'],
    ['accent', 'México', 'Mexico'],
    ['case and accent', 'MÉXICO', 'mexico'],
    ['case and accent', 'ÅNGSTRÖM', 'angstrom'],
  ])('%s: %j is %j', (fold, a, b) => {
    expect(foldText(a, fold)).toBe(foldText(b, fold));
  });

  test.each<[TextFold, string, string]>([
    ['case', 'é', 'e'],
    ['case', 'ı', 'i'],
    ['case', 'ı', 'I'],
    ['accent', 'É', 'é'],
    ['accent', 'ø', 'o'],
    ['accent', 'न', 'नि'],
    ['case and accent', 'ß', 's'],
  ])('%s: %j is not %j', (fold, a, b) => {
    expect(foldText(a, fold)).not.toBe(foldText(b, fold));
  });

  test('folding twice changes nothing, for every character and for texts of them', () => {
    for (const fold of FOLDS) {
      const wrong = CHARACTERS.filter((character) => {
        const once = foldText(character, fold);
        return foldText(once, fold) !== once;
      });
      expect(wrong, fold).toEqual([]);
    }
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 12 }), fc.constantFrom(...FOLDS), (text, fold) => {
        const once = foldText(text, fold);
        expect(foldText(once, fold)).toBe(once);
      }),
      { seed: 11, numRuns: 2_000 },
    );
  });

  test('case: a character and its other cases are one, as Unicode folds them', () => {
    const wrong = CHARACTERS.filter((character) => {
      const folded = foldText(character, 'case');
      return [character.toLowerCase(), character.toUpperCase()].some(
        (other) => character !== 'ı' && foldText(other, 'case') !== folded,
      );
    });
    expect(wrong).toEqual([]);
    // The platform's own table of simple foldings says of no two characters that they differ in more than case.
    const different = CHARACTERS.filter(
      (character) =>
        /\p{L}/u.test(character) &&
        foldText(character, 'case') !== character &&
        Array.from(foldText(character, 'case')).length === 1 &&
        !new RegExp(`^${foldText(character, 'case')}$`, 'iu').test(character),
    );
    expect(different).toEqual([]);
  });

  test('texts that are folded character by character come to the same', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 12 }), (text) => {
        expect(Array.from(text, (character) => foldText(character, 'case')).join('')).toBe(foldText(text, 'case'));
      }),
      { seed: 12, numRuns: 2_000 },
    );
  });
});

describe('foldPattern', () => {
  test.each<[TextFold, string, string]>([
    ['case', '%STRASSE_', '%strasse_'],
    ['case', String.raw`\%A\_\\B`, String.raw`\%a\_\\b`],
    ['case', String.raw`\ß`, 'ss'],
    ['accent', '\\\u0301%', '%'],
    ['accent', 'e\u0301%', 'e%'],
  ])('%s: %j becomes %j', (fold, pattern, folded) => {
    expect(foldPattern(pattern, fold)).toBe(folded);
  });

  test('a text without wildcards matches as the folded text does', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 8 }), fc.constantFrom(...FOLDS), (text, fold) => {
        const pattern = text.replaceAll(/[\\%_]/g, String.raw`\$&`);
        const like = evaluateFilter(
          { op: 'like', property: 'nom', type: 'STRING', pattern: foldPattern(pattern, fold), fold },
          { id: '1', values: { nom: text } },
        );
        expect(like).toBe(true);
      }),
      { seed: 13, numRuns: 1_000 },
    );
  });
});

describe('FilterInput', () => {
  const truth = (filter: object, nom: string | null): boolean | null =>
    evaluateFilter(bindFilter({ property: 'nom', ...filter }, QUERYABLES), { id: '1', values: { nom } });

  test.each<[object, string | null, boolean | null]>([
    [{ eq: 'Umeå' }, 'UMEÅ', false],
    [{ eq: 'Umeå', caseInsensitive: true }, 'UMEÅ', true],
    [{ eq: 'Umeå', caseInsensitive: true }, 'UMEA', false],
    [{ eq: 'Umeå', caseInsensitive: true, accentInsensitive: true }, 'UMEA', true],
    [{ eq: 'Umeå', caseInsensitive: false, accentInsensitive: null }, 'Umeå', true],
    [{ ne: 'Umeå', caseInsensitive: true }, 'UMEÅ', false],
    [{ in: ['a', 'STRASSE'], caseInsensitive: true }, 'straße', true],
    [{ between: ['B', 'D'], caseInsensitive: true }, 'c', true],
    [{ like: '%É%', accentInsensitive: true }, 'BEBE', true],
    [{ like: '%É%', accentInsensitive: true }, 'bebe', false],
    [{ eq: 'a', caseInsensitive: true }, null, null],
    [{ isNull: true, caseInsensitive: true }, null, true],
  ])('%j of %j is %j', (filter, value, expected) => {
    expect(truth(filter, value)).toBe(expected);
  });

  test.each([
    [{ property: 'ratio', eq: 5, caseInsensitive: true }, 'filter.caseInsensitive: only STRING properties; "ratio" is NUMBER.'], // prettier-ignore
    [{ property: 'nom', eq: 'a', accentInsensitive: 'yes' }, 'filter.accentInsensitive: takes true or false.'],
    [{ property: 'nom', eq: 'a', caseinsensitive: true }, 'filter: unknown operator "caseinsensitive": did you mean "caseInsensitive".'], // prettier-ignore
    [{ and: [{ property: 'nom', eq: 'a' }], caseInsensitive: true }, 'filter: and stands alone; move caseInsensitive inside it.'], // prettier-ignore
  ])('%j is refused', (filter, message) => {
    expect(() => bindFilter(filter, QUERYABLES)).toThrow(expect.objectContaining({ code: 'INPUT_INVALID', message }) as Error); // prettier-ignore
  });
});
