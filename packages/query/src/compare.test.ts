import { describe, expect, test } from 'vitest';
import * as fc from 'fast-check';
import type { HubRecord, QueryableType, RecordValue } from '@civex/model';
import { compareCodePoints, compareRecordIds, compareValues, createRecordComparator } from './compare.ts';
import type { SortKey } from './filter.ts';
import { QUERYABLES, records } from './test-support/arbitraries.ts';

const codePoints = (text: string): readonly number[] => Array.from(text, (character) => character.codePointAt(0) ?? 0);

function compareLists(a: readonly number[], b: readonly number[]): number {
  for (const [index, value] of a.entries()) {
    const other = b[index];
    if (other === undefined) return 1;
    if (value !== other) return value - other;
  }
  return a.length - b.length;
}

describe('compareCodePoints', () => {
  test('orders as the lists of code points do', () => {
    const text = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc
        .array(fc.constantFrom('a', 'é', '\uD7FF', '\uE000', '\uFFFD', '𝄞', '\u{10FFFF}'))
        .map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(Math.sign(compareCodePoints(a, b))).toBe(Math.sign(compareLists(codePoints(a), codePoints(b))));
      }),
      { seed: 41, numRuns: 2_000 },
    );
  });

  test('is a total order even over lone surrogates', () => {
    const text = fc.string({ unit: fc.constantFrom('\uD800', '\uDC00', '\uE000', 'a'), maxLength: 4 });
    fc.assert(
      fc.property(text, text, text, (a, b, c) => {
        expect(Math.sign(compareCodePoints(a, b))).toBe(-Math.sign(compareCodePoints(b, a)) + 0);
        expect(compareCodePoints(a, b) === 0).toBe(a === b);
        if (compareCodePoints(a, b) <= 0 && compareCodePoints(b, c) <= 0)
          expect(compareCodePoints(a, c)).toBeLessThanOrEqual(0);
      }),
      { seed: 42, numRuns: 2_000 },
    );
  });
});

describe('compareRecordIds', () => {
  test('puts whole numbers in the order of their values, before other texts', () => {
    const ids = ['-10', '-9', '-0', '0', '00', '7', '007a', '9', '10', '12345678901234567890123', 'a', 'é'];
    const ordered = ['-10', '-9', '-0', '0', '00', '7', '9', '10', '12345678901234567890123', '007a', 'a', 'é'];
    expect(ids.toSorted().toSorted(compareRecordIds)).toEqual(ordered);
  });

  test('is a total order in which only equal ids are equal', () => {
    const id = fc.oneof(
      fc.string({ unit: fc.constantFrom('0', '1', '-', 'a'), maxLength: 4 }),
      fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }).map(String),
    );
    fc.assert(
      fc.property(id, id, id, (a, b, c) => {
        expect(Math.sign(compareRecordIds(a, b))).toBe(-Math.sign(compareRecordIds(b, a)) + 0);
        expect(compareRecordIds(a, b) === 0).toBe(a === b);
        if (compareRecordIds(a, b) <= 0 && compareRecordIds(b, c) <= 0)
          expect(compareRecordIds(a, c)).toBeLessThanOrEqual(0);
      }),
      { seed: 43, numRuns: 3_000 },
    );
  });
});

describe('compareValues', () => {
  test.each<readonly [QueryableType, RecordValue, RecordValue, number]>([
    ['STRING', 'a', 'b', -1],
    ['STRING', 'B', 'a', -1],
    ['STRING', '', 'a', -1],
    ['STRING', '\uFFFD', '𝄞', -1],
    ['STRING', 'e\u0301', 'é', -1],
    ['INTEGER', 9, 10, -1],
    ['INTEGER', 9_007_199_254_740_992n, 9_007_199_254_740_993n, -1],
    ['INTEGER', 9_007_199_254_740_993n, 9_007_199_254_740_992, 1],
    ['INTEGER', 5n, 5, 0],
    ['NUMBER', -0, 0, 0],
    ['NUMBER', 1e300, 10n ** 301n, -1],
    ['BOOLEAN', false, true, -1],
    ['DATE', '2026-03-29', '2026-03-30', -1],
    ['DATE', '2026', '2026-01-01', 0],
    ['DATE', '2026-02', '2026-01-31', 1],
    ['DATE', '0999-12-31', '1000-01-01', -1],
    ['DATETIME', '2026-03-29T02:30:00+01:00', '2026-03-29T01:30:00Z', 0],
    ['DATETIME', '2026-03-29T02:30:00+01:00', '2026-03-29T02:00:00Z', -1],
    ['DATETIME', '2026-03-29T02:30:00+0100', '2026-03-29 01:30Z', 0],
    ['DATETIME', '2026-03-29t01:30:00z', '2026-03-29T01:30:00Z', 0],
    ['DATETIME', '2026-03-29T01:30:00.0001Z', '2026-03-29T01:30:00.0002Z', -1],
    ['DATETIME', '2026-03-29T01:30:00.000000001Z', '2026-03-29T01:30:00Z', 1],
    ['DATETIME', '2026-03-29T01:30:00.1000Z', '2026-03-29T01:30:00.1Z', 0],
    ['DATETIME', '1969-12-31T23:59:59.9999Z', '1970-01-01T00:00:00Z', -1],
    ['DATETIME', '1969-12-31T23:59:59.9991Z', '1969-12-31T23:59:59.9992Z', -1],
  ])('%s: %s against %s', (type, a, b, order) => {
    expect(Math.sign(compareValues(a, b, type) ?? Number.NaN)).toBe(order);
    expect(Math.sign(compareValues(b, a, type) ?? Number.NaN)).toBe(-order + 0);
  });

  test.each<readonly [QueryableType, RecordValue | undefined]>([
    ['STRING', null],
    ['STRING', undefined],
    ['STRING', 5],
    ['STRING', ['a']],
    ['INTEGER', '5'],
    ['NUMBER', true],
    ['NUMBER', Number.NaN],
    ['BOOLEAN', 'true'],
    ['BOOLEAN', 1],
    ['DATE', 'yesterday'],
    ['DATE', '2026-03-29T00:00:00Z'],
    ['DATE', 20_260_329],
    ['DATETIME', '2026-03-29'],
    ['DATETIME', '2026-03-29T01:30:00'],
    ['DATETIME', '2026-03-29T24:00:00Z'],
    ['DATETIME', '2026-03-29T01:60:00Z'],
    ['DATETIME', '2026-13-29T01:30:00Z'],
    ['DATETIME', '2026-03-29T01:30:00+25:00'],
    ['GEOMETRY', { type: 'Point', coordinates: [0, 0] }],
    ['JSON', 'a'],
    ['JSON', 5],
  ])('%s: %s compares with nothing, itself included', (type, value) => {
    const pool = ['a', 5, true, '2026-03-29', '2026-03-29T01:30:00Z', value];
    for (const other of pool) expect(compareValues(value, other, type)).toBeNull();
  });
});

describe('createRecordComparator', () => {
  const sortable = QUERYABLES.filter(({ type }) => type !== 'GEOMETRY' && type !== 'JSON');
  const keys: fc.Arbitrary<readonly SortKey[]> = fc.uniqueArray(
    fc
      .tuple(fc.constantFrom(...sortable), fc.constantFrom<'ASC' | 'DESC'>('ASC', 'DESC'))
      .map(([{ name, type }, direction]): SortKey => ({ property: name, type, direction })),
    { selector: ({ property }) => property, maxLength: 3 },
  );

  test('is a total order', () => {
    fc.assert(
      fc.property(keys, records, records, records, (sort, a, b, c) => {
        const compare = createRecordComparator(sort);
        expect(Math.sign(compare(a, b))).toBe(-Math.sign(compare(b, a)) + 0);
        expect(compare(a, a)).toBe(0);
        if (compare(a, b) <= 0 && compare(b, c) <= 0) expect(compare(a, c)).toBeLessThanOrEqual(0);
        if (a.id !== b.id) expect(compare(a, b)).not.toBe(0);
      }),
      { seed: 43, numRuns: 2_000 },
    );
  });

  const record = (id: string, values: HubRecord['values']): HubRecord => ({ id, values });
  const order = (sort: readonly SortKey[], given: readonly HubRecord[]): string =>
    given.toSorted(createRecordComparator(sort)).map(({ id }) => id).join(''); // prettier-ignore

  test('nulls and values of another type come last in both directions', () => {
    const given = [record('n', { x: null }), record('w', { x: 'text' }), record('b', { x: 2 }), record('a', { x: 1 }), record('m', {})]; // prettier-ignore
    expect(order([{ property: 'x', type: 'NUMBER', direction: 'ASC' }], given)).toBe('abmnw');
    expect(order([{ property: 'x', type: 'NUMBER', direction: 'DESC' }], given)).toBe('bamnw');
  });

  test('the second key decides where the first is equal or absent, the id where all are', () => {
    const given = [
      record('d', { x: 1, y: 'b' }),
      record('c', { x: 1, y: 'a' }),
      record('b', { x: null, y: 'b' }),
      record('a', { x: null, y: 'b' }),
      record('e', { x: null, y: 'a' }),
    ];
    const sort: readonly SortKey[] = [
      { property: 'x', type: 'NUMBER', direction: 'ASC' },
      { property: 'y', type: 'STRING', direction: 'DESC' },
    ];
    expect(order(sort, given)).toBe('dcabe');
  });

  test('without keys the id decides, by code point', () => {
    expect(order([], [record('𝄞', {}), record('\uFFFD', {}), record('a', {})])).toBe('a\uFFFD𝄞');
  });
});
