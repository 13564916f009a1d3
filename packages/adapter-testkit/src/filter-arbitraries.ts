import type { RecordCapability } from '@civex/adapter-contract';
import type { Geometry, Queryable, QueryableType, RecordValue } from '@civex/model';
import type { Fidelity, Predicate, RecordFilter, ScalarValue } from '@civex/query';
import * as fc from 'fast-check';
import type { TruthValues } from './contract-check.ts';

/** What every dialect finds hard: quotes, escapes, wildcards, comment marks, controls, look-alikes, order above U+FFFF. */
export const HARD_TEXTS: readonly string[] = [
  '',
  ' ',
  "'",
  '"',
  "L'Isle",
  'say "hi"',
  '\\',
  'back\\slash',
  '%',
  '100%',
  '_',
  '--',
  '/* */',
  ';',
  '(',
  'a\nb',
  'a\tb',
  'null',
  'true',
  '007',
  '1e3',
  '2024-01-01',
  'É',
  'é',
  'e\u0301',
  '\uffee',
  '𝄞',
  'x'.repeat(300),
];

const HARD: Readonly<Record<QueryableType, readonly ScalarValue[]>> = {
  STRING: HARD_TEXTS,
  INTEGER: [0, -1, 1, 2_147_483_648, 9_007_199_254_740_993n, -9_223_372_036_854_775_808n],
  NUMBER: [0, -1, 0.1, 1e21, 1e-7, -1e300],
  BOOLEAN: [true, false],
  DATE: ['0001-01-01', '1969-12-31', '2024-02-29', '9999-12-31'],
  DATETIME: [
    '1969-12-31T23:59:59.999Z',
    '2024-03-31T02:30:00+01:00',
    '2024-10-27T00:30:00.000001Z',
    '2024-02-29T23:59:59-11:30',
  ],
  GEOMETRY: [],
  JSON: [],
};

const isScalar = (value: RecordValue | undefined): value is ScalarValue =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean';

/**
 * A value of a record as filters spell it: a date of lower precision as the first day of its period. Null for what no
 * filter takes: lists, objects, null, and texts near the length filters are limited to.
 */
export function toFilterValue(value: RecordValue | undefined, type: QueryableType): ScalarValue | null {
  if (!isScalar(value) || (typeof value === 'string' && value.length > 1_000)) return null;
  if (type !== 'DATE' || typeof value !== 'string') return value;
  return value.length === 4 ? `${value}-01-01` : value.length === 7 ? `${value}-01` : value;
}

/** Up to 40 values of a column that really occur, so that filters hit, and the hard ones. */
function scalarsOf({ name, type }: Queryable, records: readonly TruthValues[]): readonly ScalarValue[] {
  const found = new Set<ScalarValue>();
  for (const values of records) {
    const value = toFilterValue(values[name], type);
    if (value !== null && found.size < 40) found.add(value);
  }
  return [...found, ...HARD[type]];
}

/** Bounded walk to the first position of a geometry. */
function firstPosition(value: unknown, depth = 6): readonly [number, number] | null {
  if (depth === 0 || !Array.isArray(value)) return null;
  const [lon, lat]: readonly unknown[] = value;
  return typeof lon === 'number' && typeof lat === 'number' ? [lon, lat] : firstPosition(lon, depth - 1);
}

function positionsOf({ name }: Queryable, records: readonly TruthValues[]): readonly (readonly [number, number])[] {
  const found = records.flatMap((values) => {
    const value = values[name];
    const coordinates =
      typeof value === 'object' && value !== null && !Array.isArray(value) && 'coordinates' in value
        ? value['coordinates']
        : null;
    const position = firstPosition(coordinates);
    return position === null ? [] : [position];
  });
  return [...found.slice(0, 20), [0, 0], [-75.5, 12.25]];
}

const box = (west: number, south: number, east: number, north: number): Geometry => ({
  type: 'Polygon',
  coordinates: [
    [
      [west, south],
      [east, south],
      [east, north],
      [west, north],
      [west, south],
    ],
  ],
});

const escapeLike = (text: string): string => text.replaceAll(/[\\%_]/g, String.raw`\$&`);

function likeArb(queryable: Queryable, scalars: readonly ScalarValue[]): fc.Arbitrary<Predicate> {
  const texts = scalars.filter((value) => typeof value === 'string');
  return fc
    .tuple(fc.constantFrom(...texts), fc.constantFrom('start', 'middle', 'one', 'whole'), fc.nat(20))
    .map(([text, shape, cut]): Predicate => {
      const characters = Array.from(text);
      const part = escapeLike(characters.slice(0, cut).join(''));
      const pattern =
        shape === 'start'
          ? `${part}%`
          : shape === 'middle'
            ? `%${part}%`
            : shape === 'one'
              ? `_${escapeLike(characters.slice(1).join(''))}`
              : escapeLike(text);
      return { op: 'like', property: queryable.name, type: queryable.type, pattern };
    });
}

function spatialArb({ name: property, type }: Queryable, records: readonly TruthValues[]): fc.Arbitrary<Predicate> {
  const size = fc.constantFrom(0.0007, 0.013, 0.9);
  return fc
    .tuple(
      fc.constantFrom(...positionsOf({ name: property, type, titles: {}, descriptions: {}, unit: null }, records)),
      size,
      fc.constantFrom('bbox', 'near', 'shape'),
    )
    .map(([[lon, lat], side, op]): Predicate => {
      // Off centre, so that no position lies on an edge, where rounding decides.
      const bounds = [lon - side * 0.31, lat - side * 0.29, lon + side * 0.73, lat + side * 0.67] as const;
      const [west, south, east, north] = [
        Math.max(-180, bounds[0]),
        Math.max(-90, bounds[1]),
        Math.min(180, bounds[2]),
        Math.min(90, bounds[3]),
      ];
      if (op === 'bbox') return { op: 'bbox', property, type, bbox: [west, south, east, north] };
      if (op === 'near') return { op: 'withinMetres', property, type, lon, lat, metres: side * 31_337 };
      return { op: 'intersects', property, type, geometry: box(west, south, east, north) };
    });
}

function predicateOf(queryable: Queryable, records: readonly TruthValues[]): fc.Arbitrary<Predicate> {
  const { name: property, type } = queryable;
  const isNull: fc.Arbitrary<Predicate> = fc.constant({ op: 'isNull', property, type });
  if (type === 'JSON') return isNull;
  if (type === 'GEOMETRY') return fc.oneof(isNull, spatialArb(queryable, records));
  const scalars = scalarsOf(queryable, records);
  const value = fc.constantFrom(...scalars);
  const base = { property: fc.constant(property), type: fc.constant(type) };
  const isIn: fc.Arbitrary<Predicate> = fc.record({
    op: fc.constant('in'),
    ...base,
    values: fc.array(value, { minLength: 1, maxLength: 4 }),
  });
  if (type === 'BOOLEAN') return fc.oneof(isNull, isIn, fc.record({ op: fc.constantFrom('=', '<>'), ...base, value }));
  const ordered: readonly fc.Arbitrary<Predicate>[] = [
    isNull,
    isIn,
    fc.record({ op: fc.constantFrom('=', '<>', '<', '<=', '>', '>='), ...base, value }),
    fc.record({ op: fc.constantFrom('=', '<>', '<', '<=', '>', '>='), ...base, value }),
    fc.record({ op: fc.constant('between'), ...base, lower: value, upper: value }),
  ];
  return type === 'STRING' ? fc.oneof(...ordered, likeArb(queryable, scalars)) : fc.oneof(...ordered);
}

/** Predicates over every column, with values that occur and values that are hard. */
function predicateArb(queryables: readonly Queryable[], records: readonly TruthValues[]): fc.Arbitrary<Predicate> {
  return fc.oneof(...queryables.map((queryable) => predicateOf(queryable, records)));
}

/** Whether 400 random predicates hold one of this grade. */
export function hasGrade(
  grade: Fidelity,
  queryables: readonly Queryable[],
  records: readonly TruthValues[],
  capability: RecordCapability,
): boolean {
  return fc
    .sample(predicateArb(queryables, records), { numRuns: 400, seed: 11 })
    .some((predicate) => capability.grade(predicate) === grade);
}

/** Filters of exact predicates only, with the connectives the source spells. `hasGrade` must have said there are some. */
export function exactFilterArb(
  queryables: readonly Queryable[],
  records: readonly TruthValues[],
  capability: RecordCapability,
): fc.Arbitrary<RecordFilter> {
  const exact = predicateArb(queryables, records).filter((predicate) => capability.grade(predicate) === 'exact');
  const { and, or, not } = capability.connectives;
  const { filter } = fc.letrec<{ readonly filter: RecordFilter }>((tie) => {
    const args = fc.array(tie('filter'), { minLength: 1, maxLength: 3 });
    const shapes: fc.Arbitrary<RecordFilter>[] = [exact, exact];
    if (and) shapes.push(fc.record({ op: fc.constant('and'), args }));
    if (or) shapes.push(fc.record({ op: fc.constant('or'), args }));
    if (not) shapes.push(fc.record({ op: fc.constant('not'), args: fc.tuple(tie('filter')) }));
    return { filter: fc.oneof({ maxDepth: 2 }, ...shapes) };
  });
  return filter;
}

/** An inexact predicate, alone or beside an exact one. */
export function inexactFilterArb(
  queryables: readonly Queryable[],
  records: readonly TruthValues[],
  capability: RecordCapability,
): fc.Arbitrary<RecordFilter> {
  const inexact = predicateArb(queryables, records).filter((predicate) => capability.grade(predicate) === 'inexact');
  const shapes: fc.Arbitrary<RecordFilter>[] = [inexact];
  const pair = fc.tuple(inexact, inexact);
  if (capability.connectives.and) shapes.push(fc.record({ op: fc.constant('and'), args: pair }));
  if (capability.connectives.or) shapes.push(fc.record({ op: fc.constant('or'), args: pair }));
  return fc.oneof(...shapes);
}

/** Any filter over the columns, up to three levels. */
export function filterArb(
  queryables: readonly Queryable[],
  records: readonly TruthValues[],
): fc.Arbitrary<RecordFilter> {
  const predicate = predicateArb(queryables, records);
  const { filter } = fc.letrec<{ readonly filter: RecordFilter }>((tie) => ({
    filter: fc.oneof(
      { maxDepth: 2 },
      predicate,
      predicate,
      fc.record({ op: fc.constantFrom('and', 'or'), args: fc.array(tie('filter'), { minLength: 1, maxLength: 3 }) }),
      fc.record({ op: fc.constant('not'), args: fc.tuple(tie('filter')) }),
    ),
  }));
  return filter;
}

/** The filter as a caller of the hub writes it. */
export function toFilterInput(filter: RecordFilter): Readonly<Record<string, unknown>> {
  const plain = (value: ScalarValue): unknown => (typeof value === 'bigint' ? value.toString() : value);
  switch (filter.op) {
    case 'and':
    case 'or':
      return { [filter.op]: filter.args.map(toFilterInput) };
    case 'not':
      return { not: toFilterInput(filter.args[0]) };
    case 'in':
      return { property: filter.property, in: filter.values.map(plain) };
    case 'between':
      return { property: filter.property, between: [plain(filter.lower), plain(filter.upper)] };
    case 'like':
      return { property: filter.property, like: filter.pattern };
    case 'isNull':
      return { property: filter.property, isNull: true };
    case 'bbox':
      return { property: filter.property, bbox: filter.bbox };
    case 'withinMetres':
      return { property: filter.property, withinMetres: { lon: filter.lon, lat: filter.lat, metres: filter.metres } };
    case 'intersects':
      return { property: filter.property, intersects: filter.geometry };
    case '=':
    case '<>':
    case '<':
    case '<=':
    case '>':
    case '>=': {
      const names = { '=': 'eq', '<>': 'ne', '<': 'lt', '<=': 'lte', '>': 'gt', '>=': 'gte' } as const;
      return { property: filter.property, [names[filter.op]]: plain(filter.value) };
    }
  }
}
