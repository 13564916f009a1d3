import type { HubRecord, Queryable, QueryableType, RecordValue } from '@civex/model';
import * as fc from 'fast-check';
import type { Comparison, Predicate, RecordFilter, ScalarValue, TextFold } from '../filter.ts';

const queryable = (name: string, type: QueryableType): Queryable => ({
  name,
  type,
  titles: {},
  descriptions: {},
  unit: null,
});

/** One property of each type, with names that need quoting or look like words of CQL2. */
export const QUERYABLES: readonly Queryable[] = [
  queryable('nom', 'STRING'),
  queryable('nb vélos', 'INTEGER'),
  queryable('ratio', 'NUMBER'),
  queryable('is_open', 'BOOLEAN'),
  queryable('date', 'DATE'),
  queryable('mdate', 'DATETIME'),
  queryable('geo_shape', 'GEOMETRY'),
  queryable('raw', 'JSON'),
];

// Small pools, so that equal values, hits and nulls are common.
const TEXTS = [
  '',
  'a',
  'A',
  'ab',
  "l'eau",
  'a"b',
  '100%',
  '50_',
  'C:\\',
  'é',
  'É',
  'straße',
  'STRASSE',
  'e\u0301',
  '𝄞',
  '\uFF61',
  'a\nb',
  'AND',
  "''",
];
const INTEGERS = [0, 1, -1, 42, 9_007_199_254_740_991, 9_007_199_254_740_993n, -9_223_372_036_854_775_808n];
const NUMBERS = [0, 1, -1.5, 0.1, 1e-7, 1e21, -2.5e300, 9_007_199_254_740_992];
const DATES = ['2026-03-29', '2026-03-30', '1999-12-31', '0001-01-01'];
const INSTANTS = [
  '2026-03-29T02:30:00+01:00',
  '2026-03-29T01:30:00Z',
  '2026-03-29T01:30:00.000000001Z',
  '2026-03-29T01:30:00.1Z',
  '1969-12-31T23:59:59-05:00',
];
const SCALARS: Readonly<Record<string, readonly ScalarValue[]>> = {
  STRING: TEXTS,
  INTEGER: INTEGERS,
  NUMBER: NUMBERS,
  BOOLEAN: [true, false],
  DATE: DATES,
  DATETIME: INSTANTS,
};

const point = (lon: number, lat: number) => ({ type: 'Point', coordinates: [lon, lat] });
const GEOMETRIES = [
  point(0, 0),
  point(1, 1),
  point(179.99, 0),
  { type: 'LineString', coordinates: [[-1, -1], [1, 1]] }, // prettier-ignore
  { type: 'MultiPoint', coordinates: [[0, 0], [5, 5]] }, // prettier-ignore
  { type: 'Polygon', coordinates: [[[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]] }, // prettier-ignore
  { type: 'GeometryCollection', geometries: [point(5, 5), point(-5, -5)] },
];

const PATTERNS = ['', '%', '_', 'a%', '%a', '_b', '100\\%', '50\\_', 'C:\\\\', "l'%", '%\\\\', '__', '%é%'];
const COMPARISONS = ['=', '<>', '<', '<=', '>', '>='] as const;

const scalarOf = (type: QueryableType): fc.Arbitrary<ScalarValue> => fc.constantFrom(...(SCALARS[type] ?? []));

function predicateOn({ name: property, type }: Queryable): fc.Arbitrary<Predicate> {
  const base = { property, type };
  const isNull = fc.constant<Predicate>({ ...base, op: 'isNull' });
  if (type === 'JSON') return isNull;
  if (type === 'GEOMETRY')
    return fc.oneof(
      isNull,
      fc.constantFrom(...GEOMETRIES).map((geometry): Predicate => ({ ...base, op: 'intersects', geometry })),
      fc
        .constantFrom<readonly [number, number, number, number]>([-1, -1, 1, 1], [170, -10, -170, 10], [4, 4, 6, 6])
        .map((bbox): Predicate => ({ ...base, op: 'bbox', bbox })),
      fc
        .tuple(fc.constantFrom(0, 1, -180, 180), fc.constantFrom(0, 1), fc.constantFrom(0, 0.5, 200_000))
        .map(([lon, lat, metres]): Predicate => ({ ...base, op: 'withinMetres', lon, lat, metres })),
    );
  const scalar = scalarOf(type);
  const equality = fc
    .tuple(fc.constantFrom(...COMPARISONS.slice(0, type === 'BOOLEAN' ? 2 : 6)), scalar)
    .map(([op, value]): Predicate => ({ ...base, op, value }));
  const list = fc
    .array(scalar, { minLength: 1, maxLength: 4 })
    .map((values): Predicate => ({ ...base, op: 'in', values }));
  if (type === 'BOOLEAN') return fc.oneof(isNull, equality, list);
  const range = fc.tuple(scalar, scalar).map(([lower, upper]): Predicate => ({ ...base, op: 'between', lower, upper }));
  if (type !== 'STRING') return fc.oneof(isNull, equality, list, range);
  const like = fc.constantFrom(...PATTERNS).map((pattern): Predicate => ({ ...base, op: 'like', pattern }));
  const written = fc.oneof(equality, list, range, like);
  const folded = fc
    .tuple(written, fc.constantFrom<TextFold>('case', 'accent', 'case and accent'))
    .map(([predicate, fold]): Predicate => ({ ...(predicate as Comparison), fold }));
  return fc.oneof(isNull, { weight: 4, arbitrary: written }, { weight: 2, arbitrary: folded });
}

const predicates: fc.Arbitrary<Predicate> = fc.oneof(...QUERYABLES.map(predicateOn));

/** Trees within FILTER_LIMITS whose `and` and `or` have two parts or more, as CQL2 writes them. */
export const filters: fc.Arbitrary<RecordFilter> = fc.letrec<{ node: RecordFilter }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4, depthIdentifier: 'filter', withCrossShrink: true },
    { weight: 3, arbitrary: predicates },
    {
      weight: 2,
      arbitrary: fc
        .tuple(fc.constantFrom<'and' | 'or'>('and', 'or'), fc.array(tie('node'), { minLength: 2, maxLength: 3 }))
        .map(([op, args]): RecordFilter => ({ op, args })),
    },
    { weight: 1, arbitrary: tie('node').map((arg): RecordFilter => ({ op: 'not', args: [arg] })) },
  ),
})).node;

const valueOf = (type: QueryableType): fc.Arbitrary<RecordValue> =>
  type === 'GEOMETRY' ? fc.constantFrom(...GEOMETRIES) : type === 'JSON' ? fc.constant({ a: [1] }) : scalarOf(type);

export const records: fc.Arbitrary<HubRecord> = fc
  .tuple(
    fc.string({ minLength: 1, maxLength: 3 }),
    fc.record(
      Object.fromEntries(
        QUERYABLES.map(({ name, type }) => [name, fc.oneof({ weight: 1, arbitrary: fc.constant(null) }, { weight: 4, arbitrary: valueOf(type) })]), // prettier-ignore
      ),
    ),
  )
  .map(([id, values]) => ({ id, values }));
