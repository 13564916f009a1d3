import type { Column, Row } from '../../test-support/reference.ts';

/*
 * What portals hold in these laws. Values straddle what dialects, indexes and number formats are known to get wrong;
 * sizes straddle the pages and windows.
 */

const LONG = 'x'.repeat(49);

export const TEXTS: readonly string[] = [
  '',
  ' ',
  ' a',
  'a',
  'a ',
  'A',
  'Bordeaux',
  'bordeaux',
  'É',
  'é',
  'e\u0301',
  'E',
  "L'Isle",
  "''",
  'say "hi"',
  '"',
  '\\',
  'back\\slash',
  '\\%',
  '%',
  '100%',
  '_',
  'a_b',
  'axb',
  '--',
  ';',
  'null',
  '007',
  '7',
  'a\nb',
  'a\tb',
  'a\u0007b',
  '\u{1d11e}',
  '\uffee',
  `${LONG}a`,
  `${LONG}b`,
  `${LONG}ab`,
  `${LONG}ac`,
  'y'.repeat(249),
  'y'.repeat(250),
  'y'.repeat(251),
];

export const INTEGERS: readonly (number | bigint)[] = [
  0,
  -1,
  1,
  2,
  7,
  2_147_483_647,
  2_147_483_648,
  9_007_199_254_740_990,
  9_007_199_254_740_991,
  9_007_199_254_740_992n,
  9_007_199_254_740_993n,
  -9_007_199_254_740_993n,
  9_223_372_036_854_775_807n,
];

export const NUMBERS: readonly number[] = [0, -1, 0.1, 0.2, 0.30000000000000004, 0.3, 1e-7, 1.5, -8.7, 1e15, 1e21, 99];

export const DAYS: readonly string[] = [
  '1969-12-31',
  '2024-02-29',
  '2025-12-31',
  '2026-01-01',
  '2026-03-29',
  '2026-10-25',
];

/** Wall clocks of Paris around both clock changes, and the instants they are; of an hour that comes twice the first. */
export const TIMES: readonly { readonly wall: string; readonly instant: string }[] = [
  { wall: '2026-03-29T01:59:59', instant: '2026-03-29T00:59:59Z' },
  { wall: '2026-03-29T03:00:00', instant: '2026-03-29T01:00:00Z' },
  { wall: '2026-10-25T01:59:59', instant: '2026-10-24T23:59:59Z' },
  { wall: '2026-10-25T02:00:00', instant: '2026-10-25T00:00:00Z' },
  { wall: '2026-10-25T02:30:00', instant: '2026-10-25T00:30:00Z' },
  { wall: '2026-10-25T03:00:00', instant: '2026-10-25T02:00:00Z' },
  { wall: '2026-01-01T00:30:00', instant: '2025-12-31T23:30:00Z' },
  { wall: '2026-07-01T12:00:00', instant: '2026-07-01T10:00:00Z' },
];

export const PLACES: readonly (readonly [lon: number, lat: number])[] = [
  [-0.57, 44.84],
  [-0.58, 44.85],
  [0, 0],
  [179.999, -16.5],
  [2.35, 48.86],
];

/** `key` tells records apart and counts from 1; `g` is left out where a portal has no geometry column. */
export const COLUMNS: readonly Column[] = [
  { name: 'key', type: 'INTEGER' },
  { name: 's', type: 'STRING' },
  { name: 'n', type: 'NUMBER' },
  { name: 'i', type: 'INTEGER' },
  { name: 'b', type: 'BOOLEAN' },
  { name: 'd', type: 'DATE' },
  { name: 't', type: 'DATETIME' },
  { name: 'g', type: 'GEOMETRY' },
];

/** How one table is made and what is known of it. */
export interface TableSpec {
  readonly id: string;
  readonly size: number;
  /** True: a unique number the portal declares, so that records have ids and a total order. */
  readonly isUnique: boolean;
  /** True: every record is there twice, equal in all its values. */
  readonly isTwin: boolean;
  /** Among 1,000 questions, how many ask this table. */
  readonly weight: number;
}

export const TABLES: readonly TableSpec[] = [
  { id: 'none', size: 0, isUnique: true, isTwin: false, weight: 15 },
  { id: 'one', size: 1, isUnique: true, isTwin: false, weight: 15 },
  { id: 'small', size: 41, isUnique: true, isTwin: false, weight: 400 },
  { id: 'plain', size: 37, isUnique: false, isTwin: false, weight: 300 },
  { id: 'twins', size: 24, isUnique: false, isTwin: true, weight: 150 },
  // One less, as many, and one more than a page of records holds.
  { id: 'page-1', size: 99, isUnique: true, isTwin: false, weight: 22 },
  { id: 'page', size: 100, isUnique: true, isTwin: false, weight: 22 },
  { id: 'page+1', size: 101, isUnique: true, isTwin: false, weight: 22 },
  { id: 'pages', size: 203, isUnique: false, isTwin: false, weight: 15 },
  // More than the window of Opendatasoft, 10,000.
  { id: 'window', size: 10_003, isUnique: true, isTwin: false, weight: 1 },
];

/** A stored value that is null in every `period`-th record. */
function drawn<T>(values: readonly T[], index: number, step: number, period: number): T | null {
  return index % period === period - 1
    ? null
    : (values[(index * step + Math.floor(index / values.length)) % values.length] ?? null);
}

/** One record as the hub is to see it, and its wall-clock time for portals that store no zone. */
export interface LawRow {
  readonly values: Row;
  readonly wall: string | null;
}

export function makeRows({ size, isTwin }: TableSpec): readonly LawRow[] {
  return Array.from({ length: size }, (_, place): LawRow => {
    const index = isTwin ? place >> 1 : place;
    // Two of three have none: reading a wall clock costs the hub more than all other values of a record.
    const time = index % 3 === 0 ? drawn(TIMES, index / 3, 3, 9) : null;
    const position = drawn(PLACES, index, 2, 8);
    return {
      wall: time?.wall ?? null,
      values: {
        key: isTwin ? index + 1 : place + 1,
        s: drawn(TEXTS, index, 1, 7),
        n: drawn(NUMBERS, index, 5, 6),
        i: drawn(INTEGERS, index, 4, 5),
        b: index % 4 === 3 ? null : index % 3 === 0,
        d: drawn(DAYS, index, 5, 10),
        t: time?.instant ?? null,
        g: position === null ? null : { type: 'Point', coordinates: [...position] },
      },
    };
  });
}
