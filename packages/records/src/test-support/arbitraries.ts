import type { HubRecord, QueryableType, RecordValue } from '@civex/model';
import type { Fidelity, Predicate, PredicateOp, RecordFilter, ScalarValue, SortInput } from '@civex/query';
import * as fc from 'fast-check';
import type { FakeCapability, FakeLies } from './fake-source.ts';
import { COLUMNS } from './fake-source.ts';

// Small pools on purpose: equal keys, duplicates and hits must be common.
const TEXTS = [
  '',
  'a',
  'A',
  'aa',
  'b',
  '10',
  '9',
  'é',
  'e\u0301',
  '%',
  '_',
  '\\',
  "'",
  '"',
  '--',
  'a\nb',
  '\ufb01',
  '𝄞',
  'x'.repeat(40),
];
const NUMBERS = [-1.5, -1, 0, 0.1, 1, 2, 9_007_199_254_740_992, 1e300];
const INTEGERS: readonly (number | bigint)[] = [
  -5,
  0,
  1,
  7,
  9_007_199_254_740_991,
  9_007_199_254_740_993n,
  9_007_199_254_740_994n,
  -9_223_372_036_854_775_807n,
];
const DATES = ['2024', '2024-01', '2024-01-01', '2024-02-29', '1999-12-31'];
const FULL_DATES = ['2024-01-01', '2024-02-29', '1999-12-31', '2024'];
const INSTANTS = [
  '2024-03-31T01:30:00Z',
  '2024-03-31T02:30:00+01:00',
  '2024-03-31T01:30:00.000000001Z',
  '2024-03-31T01:30:00.5Z',
  '2024-03-30T23:00:00-02:30',
  '1969-12-31T23:59:59.999Z',
];
const POINTS: readonly RecordValue[] = [
  { type: 'Point', coordinates: [0, 0] },
  { type: 'Point', coordinates: [2.35, 48.85] },
  { type: 'Point', coordinates: [2.36, 48.85] },
  { type: 'Point', coordinates: [-179.5, -10] },
];
const OBJECTS: readonly RecordValue[] = [{ a: [1, 12_345_678_901_234_567_890n] }, 'text', [null, true], 0];

const POOLS: Readonly<Record<QueryableType, readonly RecordValue[]>> = {
  STRING: TEXTS,
  NUMBER: NUMBERS,
  INTEGER: INTEGERS,
  BOOLEAN: [true, false],
  DATE: DATES,
  DATETIME: INSTANTS,
  GEOMETRY: POINTS,
  JSON: OBJECTS,
};
const SCALARS: Readonly<
  Record<'STRING' | 'NUMBER' | 'INTEGER' | 'BOOLEAN' | 'DATE' | 'DATETIME', readonly ScalarValue[]>
> = {
  STRING: TEXTS,
  NUMBER: NUMBERS,
  INTEGER: INTEGERS,
  BOOLEAN: [true, false],
  DATE: FULL_DATES,
  DATETIME: INSTANTS,
};

const valueOf = (type: QueryableType): fc.Arbitrary<RecordValue> =>
  fc.oneof({ weight: 1, arbitrary: fc.constant(null) }, { weight: 3, arbitrary: fc.constantFrom(...POOLS[type]) });

const ID_PREFIXES = ['', 'a', 'Z', 'é', '𝄞', '\uffee', '"'];

/** Up to 30 records with unique, hard ids, in a random order of the source. */
export const rowsArb: fc.Arbitrary<readonly HubRecord[]> = fc
  .array(
    fc.tuple(
      fc.constantFrom(...ID_PREFIXES),
      fc.record(Object.fromEntries(COLUMNS.map(([name, type]) => [name, valueOf(type)]))),
    ),
    { maxLength: 30 },
  )
  .map((drawn) => drawn.map(([prefix, values], index) => ({ id: `${prefix}${(index * 7) % 31}`, values })));

type ScalarType = keyof typeof SCALARS;
const SCALAR_COLUMNS = COLUMNS.filter((column): column is readonly [string, ScalarType] => column[1] in SCALARS);
const ORDERED_COLUMNS = SCALAR_COLUMNS.filter(([, type]) => type !== 'BOOLEAN');

const comparisonArb: fc.Arbitrary<Predicate> = fc.constantFrom(...SCALAR_COLUMNS).chain(([property, type]) =>
  fc.record({
    op: type === 'BOOLEAN' ? fc.constantFrom('=', '<>') : fc.constantFrom('=', '<>', '<', '<=', '>', '>='),
    property: fc.constant(property),
    type: fc.constant(type),
    value: fc.constantFrom(...SCALARS[type]),
  }),
);
const betweenArb: fc.Arbitrary<Predicate> = fc.constantFrom(...ORDERED_COLUMNS).chain(([property, type]) =>
  fc.record({
    op: fc.constant('between'),
    property: fc.constant(property),
    type: fc.constant(type),
    lower: fc.constantFrom(...SCALARS[type]),
    upper: fc.constantFrom(...SCALARS[type]),
  }),
);
const inArb: fc.Arbitrary<Predicate> = fc.constantFrom(...SCALAR_COLUMNS).chain(([property, type]) =>
  fc.record({
    op: fc.constant('in'),
    property: fc.constant(property),
    type: fc.constant(type),
    values: fc.array(fc.constantFrom(...SCALARS[type]), { minLength: 1, maxLength: 4 }),
  }),
);
const isNullArb: fc.Arbitrary<Predicate> = fc
  .constantFrom(...COLUMNS)
  .map(([property, type]): Predicate => ({ op: 'isNull', property, type }));
const likeArb: fc.Arbitrary<Predicate> = fc
  .array(fc.constantFrom('%', '_', 'a', 'b', 'é', '\\%', '\\\\', '𝄞'), { maxLength: 4 })
  .map((parts): Predicate => ({ op: 'like', property: 's', type: 'STRING', pattern: parts.join('') }));
const spatialArb: fc.Arbitrary<Predicate> = fc.constantFrom<Predicate>(
  { op: 'bbox', property: 'g', type: 'GEOMETRY', bbox: [2, 48, 3, 49] },
  { op: 'bbox', property: 'g', type: 'GEOMETRY', bbox: [-180, -20, 0, 0] },
  { op: 'withinMetres', property: 'g', type: 'GEOMETRY', lon: 2.35, lat: 48.85, metres: 100 },
  { op: 'withinMetres', property: 'g', type: 'GEOMETRY', lon: 2.35, lat: 48.85, metres: 5_000 },
);

const predicateArb = fc.oneof(
  { weight: 4, arbitrary: comparisonArb },
  { weight: 1, arbitrary: betweenArb },
  { weight: 1, arbitrary: inArb },
  { weight: 1, arbitrary: isNullArb },
  { weight: 1, arbitrary: likeArb },
  { weight: 1, arbitrary: spatialArb },
);

const { filter } = fc.letrec<{ readonly filter: RecordFilter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    predicateArb,
    fc.record({ op: fc.constantFrom('and', 'or'), args: fc.array(tie('filter'), { minLength: 1, maxLength: 3 }) }),
    fc.record({ op: fc.constant('not'), args: fc.tuple(tie('filter')) }),
  ),
}));
export const filterArb: fc.Arbitrary<RecordFilter | null> = fc.option(filter, { freq: 4 });

const someSortArb: fc.Arbitrary<readonly SortInput[]> = fc.uniqueArray(
  fc.record({
    property: fc.constantFrom(...SCALAR_COLUMNS.map(([name]) => name)),
    direction: fc.constantFrom('ASC', 'DESC'),
  }),
  { maxLength: 3, selector: ({ property }) => property },
);

export const sortArb: fc.Arbitrary<readonly SortInput[]> = fc.oneof(someSortArb, fc.constant([]));

export const propertiesArb: fc.Arbitrary<readonly string[] | null> = fc.option(
  fc.uniqueArray(fc.constantFrom(...COLUMNS.map(([name]) => name)), { maxLength: 4 }),
);

const OPS: readonly PredicateOp[] = [
  '=',
  '<>',
  '<',
  '<=',
  '>',
  '>=',
  'in',
  'between',
  'like',
  'isNull',
  'bbox',
  'withinMetres',
];

/** Of different temperaments, so that windows are as common as scans. */
const gradesArb: fc.Arbitrary<Readonly<Partial<Record<PredicateOp, Fidelity>>>> = fc
  .constantFrom<readonly (Fidelity | undefined)[]>(
    ['exact'],
    ['exact'],
    ['exact', 'exact', 'exact', 'inexact'],
    ['exact', 'inexact', undefined],
  )
  .chain((grades) => fc.tuple(...OPS.map((op) => fc.constantFrom(...grades).map((grade) => [op, grade] as const))))
  .map((entries) => Object.fromEntries(entries.filter(([, grade]) => grade !== undefined)));

const mostly = fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) });
const SORTABLE = SCALAR_COLUMNS.map(([name]) => name);

export const capabilityArb: fc.Arbitrary<FakeCapability> = fc
  .record({
    grades: gradesArb,
    connectives: fc.record({ and: mostly, or: mostly, not: mostly }),
    sortable: fc.oneof(
      { weight: 2, arbitrary: fc.constant(SORTABLE) },
      { weight: 1, arbitrary: fc.subarray(SORTABLE) },
    ),
    sourceOrder: fc.oneof(
      { weight: 3, arbitrary: fc.constant<'unique'>('unique') },
      { weight: 2, arbitrary: fc.subarray([...SORTABLE, 'g'], { minLength: 1, maxLength: 3 }) },
      { weight: 1, arbitrary: fc.constant(null) },
    ),
    maxPageSize: fc.oneof(
      { weight: 3, arbitrary: fc.integer({ min: 2, max: 9 }) },
      { weight: 1, arbitrary: fc.constantFrom(1, 100) },
    ),
    maxWindow: fc.oneof(
      { weight: 2, arbitrary: fc.constant(null) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 40 }) },
      // Most answers are shorter than that; these reach beyond.
      { weight: 1, arbitrary: fc.integer({ min: 2, max: 6 }) },
    ),
    silentCap: fc.oneof(
      { weight: 3, arbitrary: fc.constant(null) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 5 }) },
    ),
    statesTotal: fc.boolean(),
    scanPage: fc.integer({ min: 1, max: 12 }),
    scanOrder: fc.constantFrom<FakeCapability['scanOrder']>('none', 'ordered', 'resumable'),
  })
  .map((can) => {
    // A scan keeps only an order there is, and begins only behind what a unique order tells apart.
    if (can.sourceOrder === null) return { ...can, scanOrder: 'none' };
    return {
      ...can,
      scanOrder: can.sourceOrder !== 'unique' && can.scanOrder === 'resumable' ? 'ordered' : can.scanOrder,
    };
  });

/** One lie each. Cutting answers and misstating the total at once cannot be seen, so totals lie only uncut. */
export const liesArb: fc.Arbitrary<FakeLies> = fc.oneof(
  fc.constantFrom(...OPS).map((ignores) => ({ ignores })),
  fc.integer({ min: 1, max: 4 }).map((mixesIn) => ({ mixesIn })),
  fc.constantFrom('reversed', 'nulls-first').map((order) => ({ order })),
  fc.constant({ ignoresOffset: true }),
  fc.constant({ ignoresLimit: true }),
  fc.integer({ min: 0, max: 20 }).map((emptyFrom) => ({ emptyFrom })),
  fc.constantFrom(-1, 0, 1, 2, 5, 13, 1_000_000, 0.5, Number.NaN).map((total) => ({ total })),
  fc.constant({ scanRepeatsBatch: true }),
);

/** Page sizes, and how much of each page is used before its cursor is followed, in turn. */
export const paceArb: fc.Arbitrary<readonly { readonly first: number; readonly used: number }[]> = fc.array(
  fc.record({
    first: fc.integer({ min: 1, max: 12 }),
    used: fc.oneof(
      { weight: 4, arbitrary: fc.constant(1) },
      { weight: 1, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }) },
    ),
  }),
  { minLength: 1, maxLength: 5 },
);
