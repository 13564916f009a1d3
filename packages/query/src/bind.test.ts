import { describe, expect, test } from 'vitest';
import { HubError } from '@civex/errors';
import type { FilterInput, SortInput } from './bind.ts';
import { bindFilter, bindSort, FILTER_LIMITS } from './bind.ts';
import { QUERYABLES } from './test-support/arbitraries.ts';

const refusal = (act: () => unknown): HubError => {
  try {
    act();
  } catch (error) {
    if (error instanceof HubError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
};
const bind = (input: unknown) => bindFilter(input as FilterInput, QUERYABLES);
const ring = [[0, 0], [1, 0], [1, 1], [0, 0]]; // prettier-ignore

/** Each valid; the refusals below change one thing in one of them. */
const SPECIMEN = {
  text: { property: 'nom', eq: 'a' },
  integer: { property: 'nb vélos', eq: 5 },
  number: { property: 'ratio', lt: 0.5 },
  boolean: { property: 'is_open', ne: true },
  date: { property: 'date', gte: '2026-03-29' },
  datetime: { property: 'mdate', lte: '2026-03-29T02:30:00+01:00' },
  list: { property: 'nom', in: ['a', 'b'] },
  range: { property: 'ratio', between: [0, 1] },
  like: { property: 'nom', like: 'a%' },
  isNull: { property: 'raw', isNull: true },
  shape: { property: 'geo_shape', intersects: { type: 'Polygon', coordinates: [ring] } },
  box: { property: 'geo_shape', bbox: [-1, -1, 1, 1] },
  near: { property: 'geo_shape', withinMetres: { lon: 0, lat: 0, metres: 250 } },
  and: {
    and: [
      { property: 'nom', eq: 'a' },
      { property: 'ratio', gt: 1 },
    ],
  },
  or: { or: [{ property: 'nom', eq: 'a' }] },
  not: { not: { property: 'nom', eq: 'a' } },
} as const;

describe('bindFilter', () => {
  test.each(Object.entries(SPECIMEN))('the %s specimen is bound', (_name, input) => {
    expect(() => bind(input)).not.toThrow();
  });

  test('a bound filter names property, type and operator of CQL2', () => {
    expect(bind(SPECIMEN.and)).toEqual({
      op: 'and',
      args: [
        { op: '=', property: 'nom', type: 'STRING', value: 'a' },
        { op: '>', property: 'ratio', type: 'NUMBER', value: 1 },
      ],
    });
    expect(bind(SPECIMEN.near)).toEqual({ op: 'withinMetres', property: 'geo_shape', type: 'GEOMETRY', lon: 0, lat: 0, metres: 250 }); // prettier-ignore
    expect(bind({ property: 'raw', isNull: false })).toEqual({
      op: 'not',
      args: [{ op: 'isNull', property: 'raw', type: 'JSON' }],
    });
  });

  test('members that are undefined are not there', () => {
    expect(bind({ ...SPECIMEN.text, ne: undefined, and: undefined })).toEqual(bind(SPECIMEN.text));
  });

  test.each<readonly [unknown, unknown]>([
    [5, 5],
    ['5', 5],
    ['-9007199254740991', -9_007_199_254_740_991],
    ['9007199254740993', 9_007_199_254_740_993n],
    [-0, 0],
  ])('the integer %s is bound as %s', (eq, value) => {
    expect(bind({ ...SPECIMEN.integer, eq })).toMatchObject({ value });
  });

  test.each([
    ['2026', '2026-01-01'],
    ['2026-03', '2026-03-01'],
    ['2024-02-29', '2024-02-29'],
    ['0001-01-01', '0001-01-01'],
  ])('the date %s is bound as %s', (gte, value) => {
    expect(bind({ ...SPECIMEN.date, gte })).toMatchObject({ value });
  });

  test.each<readonly [string, unknown, string]>([
    ['null', null, 'filter: expected a filter object'],
    ['a list', [SPECIMEN.text], 'filter: expected a filter object'],
    ['a text', 'nom = 1', 'filter: expected a filter object'],
    ['nothing', {}, 'filter: exactly one of and, or, not, property is needed; found none'],
    ['two heads', { ...SPECIMEN.text, ...SPECIMEN.and }, 'found property, and'],
    ['a head with an operator', { ...SPECIMEN.and, eq: 5 }, 'and stands alone; move eq inside it'],
    ['an unknown operator', { property: 'nom', equals: 'a' }, 'unknown operator "equals"'],
    ['an operator of the prototype', { property: 'nom', constructor: 'a' }, 'unknown operator "constructor"'],
    ['no operator', { property: 'nom' }, 'found none'],
    ['two operators', { ...SPECIMEN.text, ne: 'b' }, 'found eq, ne'],
    ['a property that is no text', { ...SPECIMEN.text, property: 5 }, 'property must be a text'],
    ['an unknown property', { ...SPECIMEN.text, property: 'non' }, 'unknown property "non": did you mean "nom"'],
    ['a property of the prototype', { ...SPECIMEN.text, property: '__proto__' }, 'unknown property "__proto__"'],
    ['a number for a text', { ...SPECIMEN.text, eq: 5 }, 'filter.eq: property "nom" is STRING and takes a text'],
    ['null for a text', { ...SPECIMEN.text, eq: null }, 'filter.eq: null compares with nothing'],
    ['a text too long', { ...SPECIMEN.text, eq: 'a'.repeat(2_001) }, 'at most 2000 characters'],
    ['half a character', { ...SPECIMEN.text, eq: '\uD800' }, 'lone surrogate'],
    ['a fraction for an integer', { ...SPECIMEN.integer, eq: 5.5 }, 'is INTEGER'],
    ['an unsafe integer', { ...SPECIMEN.integer, eq: 2 ** 53 }, 'is INTEGER'],
    ['an integer in words', { ...SPECIMEN.integer, eq: '5e3' }, 'is INTEGER'],
    ['an integer beyond 64 bits', { ...SPECIMEN.integer, eq: '9'.repeat(20) }, 'is INTEGER'],
    ['a text for a number', { ...SPECIMEN.number, lt: '0.5' }, 'is NUMBER'],
    ['no number', { ...SPECIMEN.number, lt: Number.NaN }, 'is NUMBER'],
    ['an infinite number', { ...SPECIMEN.number, lt: Infinity }, 'is NUMBER'],
    ['a number for a boolean', { ...SPECIMEN.boolean, ne: 1 }, 'is BOOLEAN'],
    ['an order of booleans', { property: 'is_open', gt: true }, 'no order'],
    ['a range of booleans', { property: 'is_open', between: [false, true] }, 'no order'],
    ['a day that is none', { ...SPECIMEN.date, gte: '2026-02-30' }, '"2026-02-30" is not a day of the calendar'],
    ['a month that is none', { ...SPECIMEN.date, gte: '2026-13' }, 'not a day of the calendar'],
    ['an instant for a date', { ...SPECIMEN.date, gte: '2026-03-29T00:00:00Z' }, 'is DATE'],
    ['a year of three digits', { ...SPECIMEN.date, gte: '926' }, 'is DATE'],
    ['an instant without zone', { ...SPECIMEN.datetime, lte: '2026-03-29T02:30:00' }, 'is DATETIME'],
    ['an instant on no day', { ...SPECIMEN.datetime, lte: '2026-02-30T02:30:00Z' }, 'is DATETIME'],
    ['an instant in the 24th hour', { ...SPECIMEN.datetime, lte: '2026-03-29T24:00:00Z' }, 'is DATETIME'],
    ['a date for an instant', { ...SPECIMEN.datetime, lte: '2026-03-29' }, 'is DATETIME'],
    ['a value for JSON', { property: 'raw', eq: 'a' }, 'is JSON and cannot be compared'],
    ['a value for a geometry', { property: 'geo_shape', eq: 'a' }, 'is GEOMETRY and cannot be compared'],
    ['a list that is none', { ...SPECIMEN.list, in: 'a' }, 'filter.in: expected a list'],
    ['an empty list', { ...SPECIMEN.list, in: [] }, 'filter.in: needs at least 1 entry'],
    ['a list with a wrong entry', { ...SPECIMEN.list, in: ['a', 5] }, 'filter.in[1]: property "nom" is STRING'],
    ['a list with null', { ...SPECIMEN.list, in: ['a', null] }, 'filter.in[1]: null'],
    ['one bound', { ...SPECIMEN.range, between: [0] }, 'filter.between: needs at least 2 entries'],
    ['three bounds', { ...SPECIMEN.range, between: [0, 1, 2] }, 'exactly two values'],
    ['a wrong bound', { ...SPECIMEN.range, between: [0, '1'] }, 'filter.between[1]: property "ratio"'],
    ['like on a number', { property: 'ratio', like: '1%' }, 'filter.like: only STRING properties'],
    ['like of a number', { ...SPECIMEN.like, like: 5 }, 'is STRING'],
    ['a pattern that ends in an escape', { ...SPECIMEN.like, like: 'a\\' }, 'lone backslash'],
    ['a pattern that ends in three backslashes', { ...SPECIMEN.like, like: 'a\\\\\\' }, 'lone backslash'],
    ['isNull of a text', { ...SPECIMEN.isNull, isNull: 'true' }, 'filter.isNull: takes true or false'],
    ['a shape on a text', { ...SPECIMEN.shape, property: 'nom' }, 'filter.intersects: only GEOMETRY properties'],
    [
      'an open ring',
      { property: 'geo_shape', intersects: { type: 'Polygon', coordinates: [ring.slice(1)] } },
      'RFC 7946',
    ],
    [
      'a shape out of degrees',
      { property: 'geo_shape', intersects: { type: 'Point', coordinates: [0, 91] } },
      'degrees',
    ],
    ['a shape that is null', { ...SPECIMEN.shape, intersects: null }, 'RFC 7946'],
    [
      'a shape too large',
      { property: 'geo_shape', intersects: { type: 'MultiPoint', coordinates: Array(5_000).fill([0, 0]) } },
      'at most 5000 positions',
    ],
    ['a box of three numbers', { ...SPECIMEN.box, bbox: [0, 0, 1] }, 'four numbers'],
    ['a box of texts', { ...SPECIMEN.box, bbox: ['0', '0', '1', '1'] }, 'four numbers'],
    ['a box upside down', { ...SPECIMEN.box, bbox: [0, 1, 1, 0] }, 'south is greater than north'],
    ['a box out of degrees', { ...SPECIMEN.box, bbox: [0, 0, 200, 1] }, 'degrees'],
    ['a distance that is null', { ...SPECIMEN.near, withinMetres: null }, 'takes lon'],
    ['a distance from nowhere', { ...SPECIMEN.near, withinMetres: { lon: 0, metres: 1 } }, 'takes lon'],
    ['a distance from outside', { ...SPECIMEN.near, withinMetres: { lon: 181, lat: 0, metres: 1 } }, 'takes lon'],
    [
      'no number of metres',
      { ...SPECIMEN.near, withinMetres: { lon: 0, lat: 0, metres: Number.NaN } },
      'metres must be',
    ],
    ['a negative distance', { ...SPECIMEN.near, withinMetres: { lon: 0, lat: 0, metres: -1 } }, 'metres must be'],
    [
      'a distance beyond the globe',
      { ...SPECIMEN.near, withinMetres: { lon: 0, lat: 0, metres: 3e7 } },
      'metres must be',
    ],
    ['and of nothing', { and: [] }, 'filter.and: needs at least 1 entry'],
    ['and of no list', { and: SPECIMEN.text }, 'filter.and: expected a list'],
    ['a fault inside or', { or: [SPECIMEN.text, { property: 'x', eq: 1 }] }, 'filter.or[1]: unknown property "x"'],
    ['not of a list', { not: [SPECIMEN.text] }, 'filter.not: expected a filter object'],
    ['a fault inside not', { not: { property: 'nom', eq: 1 } }, 'filter.not.eq: property "nom"'],
  ])('%s is refused with the place and the way out', (_what, input, message) => {
    const error = refusal(() => bind(input));
    expect(error.code).toBe('INPUT_INVALID');
    expect(error.message).toContain(message);
  });

  const nested = (levels: number): unknown => {
    let node: unknown = SPECIMEN.text;
    for (let level = 1; level < levels; level++) node = { not: node };
    return node;
  };
  const wide = (conditions: number): unknown => ({ and: Array(conditions).fill(SPECIMEN.text) });
  const list = (entries: number): unknown => ({ property: 'nom', in: Array(entries).fill('a') });

  test.each([
    ['levels', nested, FILTER_LIMITS.depth],
    ['conditions', wide, FILTER_LIMITS.nodes - 1],
    ['list entries', list, FILTER_LIMITS.listLength],
  ])('the bound on %s is exact', (_what, build, most) => {
    expect(() => bind(build(most))).not.toThrow();
    expect(refusal(() => bind(build(most + 1))).code).toBe('INPUT_TOO_COSTLY');
  });

  test('a filter nested without end costs too much instead of overflowing the stack', () => {
    expect(refusal(() => bind(nested(100_000))).code).toBe('INPUT_TOO_COSTLY');
  });
});

describe('bindSort', () => {
  const by = (property: string, direction: SortInput['direction'] = 'ASC'): SortInput => ({ property, direction });

  test('keys keep their order and learn their type', () => {
    expect(bindSort([by('ratio', 'DESC'), by('nom')], QUERYABLES)).toEqual([
      { property: 'ratio', type: 'NUMBER', direction: 'DESC' },
      { property: 'nom', type: 'STRING', direction: 'ASC' },
    ]);
  });

  test.each<readonly [string, readonly SortInput[], string]>([
    ['an unknown property', [by('nom'), by('ratios')], 'sortBy[1]: unknown property "ratios": did you mean "ratio"'],
    ['a geometry', [by('geo_shape')], 'sortBy[0]: property "geo_shape" is GEOMETRY and has no order'],
    ['JSON', [by('raw')], 'is JSON and has no order'],
    ['a property named twice', [by('nom'), by('nom', 'DESC')], 'sortBy[1]: property "nom" is named twice'],
  ])('%s is refused', (_what, input, message) => {
    const error = refusal(() => bindSort(input, QUERYABLES));
    expect(error.code).toBe('INPUT_INVALID');
    expect(error.message).toContain(message);
  });

  test('more than eight keys cost too much', () => {
    const many = Array.from({ length: 9 }, (_, index) => ({ ...QUERYABLES[0]!, name: `p${index}` }));
    const keys = many.map(({ name }) => by(name));
    expect(() => bindSort(keys.slice(0, 8), many)).not.toThrow();
    expect(refusal(() => bindSort(keys, many)).code).toBe('INPUT_TOO_COSTLY');
  });
});
