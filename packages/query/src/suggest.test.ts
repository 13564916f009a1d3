import { expect, test } from 'vitest';
import { suggestName } from './suggest.ts';

test.each<readonly [string, readonly string[], string | null]>([
  ['nomm', ['nom', 'mdate'], 'nom'],
  ['NBVELO', ['nbvelos', 'nbplaces'], 'nbvelos'],
  ['eta', ['etat', 'nom'], 'etat'],
  ['zzzz', ['nom', 'etat'], null],
  ['x', [], null],
  ['nbplace', ['nbplaces', 'nbplace2'], 'nbplaces'],
])('for %s among %j the suggestion is %s', (name, known, suggestion) => {
  expect(suggestName(name, known)).toBe(suggestion);
});

test('looks at 200 names at most', () => {
  const known = [...Array.from({ length: 200 }, (_, index) => `column_${index}_of_many`), 'nom'];
  expect(suggestName('nomm', known)).toBeNull();
  expect(suggestName('nomm', known.slice(1))).toBe('nom');
});

test('a very long name costs no more than its first 64 characters', () => {
  expect(suggestName('a'.repeat(1_000_000), ['a'.repeat(64)])).toBe('a'.repeat(64));
});
