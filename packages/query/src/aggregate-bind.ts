import { HubError } from '@civex/errors';
import { isTimeZone } from '@civex/model';
import type { Queryable, QueryableType } from '@civex/model';
import { TIME_UNITS } from './aggregate-time.ts';
import type { TimeUnit } from './aggregate-time.ts';
import { FILTER_LIMITS, findQueryable, refuse } from './bind.ts';
import type { SortInput } from './bind.ts';
import { suggestName } from './suggest.ts';

/** Bounds on one aggregate, as counts. */
export const AGGREGATE_LIMITS = {
  /** Keys a group has. */
  groupKeys: 5,
  measures: 20,
  /** Groups held while the answer is made. */
  groups: 100_000,
  /** Different values held for all COUNT_DISTINCT of one answer together. */
  distinctValues: 1_000_000,
  /** Characters of all keys and values held, in UTF-16 units. */
  heldCharacters: 50_000_000,
} as const;

const MEASURE_OPS = ['COUNT', 'COUNT_DISTINCT', 'SUM', 'AVG', 'MIN', 'MAX'] as const;
export type MeasureOp = (typeof MEASURE_OPS)[number];

/** `GroupByInput` of the GraphQL contract. */
export interface GroupByInput {
  readonly property: string;
  readonly every?: TimeUnit | null;
  readonly timeZone?: string | null;
}

/** `MeasureInput` of the GraphQL contract. */
export interface MeasureInput {
  readonly as: string;
  readonly op: MeasureOp;
  readonly property?: string | null;
}

/** A property whose values make groups: by value, or by the calendar unit they lie in. */
export interface GroupKey {
  readonly property: string;
  readonly type: QueryableType;
  /** Only for DATE and DATETIME. */
  readonly every: TimeUnit | null;
  /** IANA zone of the calendar. `UTC` unless `every` cuts a DATETIME. */
  readonly timeZone: string;
}

export type Measure = { readonly as: string } & (
  | { readonly op: 'COUNT'; readonly property: null; readonly type: null }
  | { readonly op: MeasureOp; readonly property: string; readonly type: QueryableType }
);

/** A key or a measure of the groups by which they are sorted. */
export interface GroupOrder {
  readonly of: 'key' | 'measure';
  /** Place in `groupBy` or `measures`. */
  readonly index: number;
  readonly direction: 'ASC' | 'DESC';
}

export interface BoundAggregate {
  readonly groupBy: readonly GroupKey[];
  readonly measures: readonly Measure[];
  readonly sort: readonly GroupOrder[];
  /** Every property that is looked at, each once. */
  readonly properties: readonly string[];
}

export interface AggregateInput {
  readonly groupBy: readonly GroupByInput[];
  readonly measures: readonly MeasureInput[];
  readonly sortBy: readonly SortInput[];
}

const NAME = /^(?!__)[A-Za-z_]\w{0,63}$/;
const ALL_TYPES: readonly QueryableType[] = [
  'STRING',
  'INTEGER',
  'NUMBER',
  'BOOLEAN',
  'DATE',
  'DATETIME',
  'GEOMETRY',
  'JSON',
];
const ORDERED: readonly QueryableType[] = ['STRING', 'INTEGER', 'NUMBER', 'DATE', 'DATETIME'];
const COMPARABLE: readonly QueryableType[] = [...ORDERED, 'BOOLEAN'];

/** Which properties an operation takes. What is refused here has no meaning that two portals share. */
const TAKES: Readonly<Record<MeasureOp, readonly QueryableType[]>> = {
  COUNT: ALL_TYPES,
  COUNT_DISTINCT: COMPARABLE,
  SUM: ['INTEGER', 'NUMBER'],
  AVG: ['INTEGER', 'NUMBER'],
  MIN: ORDERED,
  MAX: ORDERED,
};

const tooMany = (what: string, most: number): HubError => new HubError('INPUT_TOO_COSTLY', `${what}: at most ${most}.`);

function bindGroupKey(
  { property, every = null, timeZone = null }: GroupByInput,
  at: string,
  byName: ReadonlyMap<string, Queryable>,
): GroupKey {
  const { type } = findQueryable(property, byName, at);
  if (!COMPARABLE.includes(type))
    return refuse(at, `property "${property}" is ${type}, whose values cannot be told equal.`);
  if (every !== null) {
    if (!TIME_UNITS.includes(every)) return refuse(`${at}.every`, `one of ${TIME_UNITS.join(', ')}.`);
    if (type !== 'DATE' && type !== 'DATETIME')
      return refuse(`${at}.every`, `only DATE and DATETIME properties; "${property}" is ${type}.`);
    if (type === 'DATE' && every === 'HOUR') return refuse(`${at}.every`, `"${property}" is a DATE and has no hours.`);
  }
  if (timeZone === null) return { property, type, every, timeZone: 'UTC' };
  if (every === null || type !== 'DATETIME')
    return refuse(`${at}.timeZone`, 'only together with every, on a DATETIME property.');
  if (!isTimeZone(timeZone))
    return refuse(`${at}.timeZone`, 'not a zone of the IANA database, such as "Europe/Paris" or "UTC".');
  return { property, type, every, timeZone };
}

function bindMeasure(
  { as, op, property = null }: MeasureInput,
  at: string,
  byName: ReadonlyMap<string, Queryable>,
): Measure {
  if (!NAME.test(as))
    return refuse(`${at}.as`, 'a letter or _, then letters, digits or _, at most 64, not beginning with __.');
  if (!MEASURE_OPS.includes(op)) return refuse(`${at}.op`, `one of ${MEASURE_OPS.join(', ')}.`);
  if (property === null) {
    if (op === 'COUNT') return { as, op, property, type: null };
    return refuse(at, `${op} needs a property; only COUNT goes without, and counts records.`);
  }
  const { type } = findQueryable(property, byName, at);
  if (!TAKES[op].includes(type)) return refuse(at, `${op} takes ${TAKES[op].join(', ')}; "${property}" is ${type}.`);
  return { as, op, property, type };
}

function bindOrder(
  sortBy: readonly SortInput[],
  groupBy: readonly GroupKey[],
  measures: readonly Measure[],
): readonly GroupOrder[] {
  if (sortBy.length > FILTER_LIMITS.sortKeys) throw tooMany('sortBy', FILTER_LIMITS.sortKeys);
  const seen = new Set<string>();
  return sortBy.map(({ property, direction }, position) => {
    const at = `sortBy[${position}]`;
    if (seen.has(property)) return refuse(at, `"${property.slice(0, 80)}" is named twice.`);
    seen.add(property);
    const key = groupBy.findIndex((candidate) => candidate.property === property);
    if (key >= 0) return { of: 'key', index: key, direction };
    const measure = measures.findIndex(({ as }) => as === property);
    if (measure >= 0) return { of: 'measure', index: measure, direction };
    const near = suggestName(property, [
      ...groupBy.map((candidate) => candidate.property),
      ...measures.map(({ as }) => as),
    ]);
    return refuse(
      at,
      `"${property.slice(0, 80)}" is neither a property of groupBy nor a measure${near === null ? '' : `: did you mean "${near}"`}.`,
    );
  });
}

/**
 * Holds an aggregate against the columns of its dataset.
 *
 * @throws HubError `INPUT_INVALID` naming the place, the fault and the way out; `INPUT_TOO_COSTLY` beyond
 * AGGREGATE_LIMITS.
 */
export function bindAggregate(input: AggregateInput, queryables: readonly Queryable[]): BoundAggregate {
  const byName = new Map(queryables.map((queryable) => [queryable.name, queryable]));
  if (input.groupBy.length > AGGREGATE_LIMITS.groupKeys) throw tooMany('groupBy', AGGREGATE_LIMITS.groupKeys);
  if (input.measures.length > AGGREGATE_LIMITS.measures) throw tooMany('measures', AGGREGATE_LIMITS.measures);
  if (input.measures.length === 0) return refuse('measures', 'needs at least 1 entry.');
  const names = new Set<string>();
  const groupBy = input.groupBy.map((given, index) => {
    const at = `groupBy[${index}]`;
    const key = bindGroupKey(given, at, byName);
    if (names.has(key.property)) return refuse(at, `property "${key.property}" is named twice.`);
    names.add(key.property);
    return key;
  });
  const measures = input.measures.map((given, index) => {
    const at = `measures[${index}]`;
    const measure = bindMeasure(given, at, byName);
    if (names.has(measure.as))
      return refuse(`${at}.as`, `"${measure.as}" already names a measure or a property of groupBy.`);
    names.add(measure.as);
    return measure;
  });
  const properties = new Set(groupBy.map(({ property }) => property));
  for (const { property } of measures) if (property !== null) properties.add(property);
  return { groupBy, measures, sort: bindOrder(input.sortBy, groupBy, measures), properties: [...properties] };
}
