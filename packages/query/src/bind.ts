import { HubError } from '@civex/errors';
import type { Bbox, Queryable, QueryableType } from '@civex/model';
import { compareValues } from './compare.ts';
import type { Predicate, RecordFilter, ScalarValue, SortKey, TextFold } from './filter.ts';
import { isPredicate } from './filter.ts';
import { bothFolds, foldPredicate } from './fold-text.ts';
import { isGeometryObject } from './geometry.ts';
import { suggestName } from './suggest.ts';

/** Bounds on what a caller may send. Counts, not bytes. */
export const FILTER_LIMITS = {
  /** Levels of and/or/not. */
  depth: 12,
  /** Connectives and predicates together. */
  nodes: 100,
  /** Values of one `in`. */
  listLength: 500,
  /** Characters of one text value. */
  textLength: 2_000,
  /** Positions and lists of positions of one geometry. */
  positions: 5_000,
  /** Characters of one filter written in CQL2 Text. */
  cql2Length: 200_000,
  /** Words, literals and signs of it: reading takes time by their number. */
  cql2Tokens: 60_000,
  sortKeys: 8,
} as const;

/** `FilterInput` of the GraphQL contract, as it arrives: nothing is trusted yet. */
export type FilterInput = Readonly<Record<string, unknown>>;
export interface SortInput {
  readonly property: string;
  readonly direction: 'ASC' | 'DESC';
}

const COMPARISONS = { eq: '=', ne: '<>', lt: '<', lte: '<=', gt: '>', gte: '>=' } as const;
const OPERATORS = [
  ...Object.keys(COMPARISONS),
  'in',
  'between',
  'like',
  'isNull',
  'intersects',
  'bbox',
  'withinMetres',
];
const CONNECTIVES = ['and', 'or', 'not'];
const FOLDS = { caseInsensitive: 'case', accentInsensitive: 'accent' } as const satisfies Record<string, TextFold>;
const KEYS = new Set([...CONNECTIVES, 'property', ...OPERATORS, ...Object.keys(FOLDS)]);

export const refuse = (where: string, what: string): never => {
  throw new HubError('INPUT_INVALID', `${where}: ${what}`);
};

const EXAMPLE: Readonly<Record<QueryableType, string>> = {
  STRING: 'a text, such as "CONNECTEE"',
  INTEGER: 'a whole number (beyond 2^53 as a decimal string)',
  NUMBER: 'a number',
  BOOLEAN: 'true or false',
  DATE: 'a date, such as "2026-03-29"',
  DATETIME: 'an RFC 3339 instant with a zone, such as "2026-03-29T02:30:00+01:00" or "...Z"',
  GEOMETRY: 'a geometry',
  JSON: 'nothing but isNull',
};

const INT64 = /^-?\d{1,19}$/;
const DATE = /^(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?$/;

function bindScalar(value: unknown, queryable: Queryable, where: string): ScalarValue {
  if (value === null) refuse(where, 'null compares with nothing; use isNull.');
  const wrong = (): never =>
    refuse(where, `property "${queryable.name}" is ${queryable.type} and takes ${EXAMPLE[queryable.type]}.`);
  switch (queryable.type) {
    case 'STRING':
      if (typeof value !== 'string') return wrong();
      if (value.length > FILTER_LIMITS.textLength)
        return refuse(where, `a text may have at most ${FILTER_LIMITS.textLength} characters.`);
      if (!value.isWellFormed()) return refuse(where, 'the text is not valid Unicode (a lone surrogate).');
      return value;
    case 'INTEGER':
      // A safe integer is one number only; -0 would be told apart from 0 where values are written out.
      if (typeof value === 'number' && Number.isSafeInteger(value)) return value + 0;
      if (typeof value === 'string' && INT64.test(value)) {
        const big = BigInt(value);
        return Number.isSafeInteger(Number(big)) ? Number(big) : big;
      }
      return wrong();
    case 'NUMBER':
      return typeof value === 'number' && Number.isFinite(value) ? value : wrong();
    case 'BOOLEAN':
      return typeof value === 'boolean' ? value : wrong();
    case 'DATE': {
      const match = typeof value === 'string' ? DATE.exec(value) : null;
      if (match === null) return wrong();
      // A date of lower precision stands for the first day of its period, as in comparisons.
      const day = `${match[1]}-${match[2] ?? '01'}-${match[3] ?? '01'}`;
      return isRealDay(day) ? day : refuse(where, `"${match[0]}" is not a day of the calendar.`);
    }
    case 'DATETIME':
      if (
        typeof value !== 'string' ||
        compareValues(value, value, 'DATETIME') === null ||
        !isRealDay(value.slice(0, 10))
      )
        return wrong();
      // One instant has one spelling of its fraction.
      return value.replace(/(\.\d*?)0+(?=\D)/, '$1').replace(/\.(?=\D)/, '');
    case 'GEOMETRY':
    case 'JSON':
      return refuse(where, `property "${queryable.name}" is ${queryable.type} and cannot be compared with a value.`);
  }
}

/** Date.parse accepts 30 February and rolls it over; the calendar does not. */
function isRealDay(text: string): boolean {
  const [year = 0, month = 1, day = 1] = text.split('-').map(Number);
  const date = new Date(Date.UTC(year, month - 1, day));
  date.setUTCFullYear(year);
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}

function bindBbox(value: unknown, where: string): Bbox {
  if (
    !Array.isArray(value) ||
    value.length !== 4 ||
    !value.every((part) => typeof part === 'number' && Number.isFinite(part))
  )
    return refuse(where, 'a bbox is four numbers: west, south, east, north.');
  const [west, south, east, north] = value as [number, number, number, number];
  if (Math.abs(west) > 180 || Math.abs(east) > 180 || Math.abs(south) > 90 || Math.abs(north) > 90)
    return refuse(where, 'a bbox is west, south, east, north in degrees: longitudes -180 to 180, latitudes -90 to 90.');
  if (south > north) return refuse(where, 'south is greater than north; the order is west, south, east, north.');
  return [west, south, east, north];
}

const TEXT_ONLY = new Set(['like']);
const GEOMETRY_ONLY = new Set(['intersects', 'bbox', 'withinMetres']);

/** Finds a property by its name. `at` says where the name stands, for the message. */
export function findQueryable(name: string, queryables: ReadonlyMap<string, Queryable>, at: string): Queryable {
  const queryable = queryables.get(name);
  if (queryable !== undefined) return queryable;
  const near = suggestName(name, queryables.keys());
  return refuse(at, `unknown property "${name.slice(0, 80)}"${near === null ? '' : `: did you mean "${near}"`}.`);
}

function bindList(value: unknown, at: string, least: number): readonly unknown[] {
  if (!Array.isArray(value)) return refuse(at, 'expected a list.');
  if (value.length < least) return refuse(at, `needs at least ${least} ${least === 1 ? 'entry' : 'entries'}.`);
  if (value.length > FILTER_LIMITS.listLength)
    throw new HubError('INPUT_TOO_COSTLY', `${at}: at most ${FILTER_LIMITS.listLength} entries.`);
  return value;
}

/**
 * One operator applied to one property, in the words of `FilterInput`. The three notations of a filter (GraphQL, CQL2
 * Text, CQL2 JSON) all end here, so that types, limits and messages are the same. `spot` names the place of the value,
 * or of one entry of it, for the message.
 */
export function bindOperator(
  operator: string,
  value: unknown,
  queryable: Queryable,
  spot: (entry?: number) => string,
): RecordFilter {
  const { name, type } = queryable;
  if (TEXT_ONLY.has(operator) && type !== 'STRING')
    return refuse(spot(), `only STRING properties; "${name}" is ${type}.`);
  if (GEOMETRY_ONLY.has(operator) && type !== 'GEOMETRY')
    return refuse(spot(), `only GEOMETRY properties; "${name}" is ${type}.`);
  switch (operator) {
    case 'isNull': {
      if (typeof value !== 'boolean') return refuse(spot(), 'takes true or false.');
      const test: Predicate = { op: 'isNull', property: name, type };
      return value ? test : { op: 'not', args: [test] };
    }
    case 'in':
      return {
        op: 'in',
        property: name,
        type,
        values: bindList(value, spot(), 1).map((entry, index) => bindScalar(entry, queryable, spot(index))),
      };
    case 'between': {
      const bounds = bindList(value, spot(), 2);
      if (bounds.length !== 2) return refuse(spot(), 'takes exactly two values, lower and upper.');
      if (type === 'BOOLEAN') return refuse(spot(), 'true and false have no order; test for equality.');
      return {
        op: 'between',
        property: name,
        type,
        lower: bindScalar(bounds[0], queryable, spot(0)),
        upper: bindScalar(bounds[1], queryable, spot(1)),
      };
    }
    case 'like': {
      const pattern = bindScalar(value, queryable, spot());
      if (typeof pattern !== 'string') return refuse(spot(), 'takes a text.');
      if (/(?<!\\)(\\\\)*\\$/.test(pattern))
        return refuse(spot(), 'the pattern ends in a lone backslash; write \\\\ for one.');
      return { op: 'like', property: name, type, pattern };
    }
    case 'intersects':
      if (!isGeometryObject(value, FILTER_LIMITS.positions))
        return refuse(
          spot(),
          `takes an RFC 7946 geometry in degrees (lon lat) with at most ${FILTER_LIMITS.positions} positions.`,
        );
      return { op: 'intersects', property: name, type, geometry: value };
    case 'bbox':
      return { op: 'bbox', property: name, type, bbox: bindBbox(value, spot()) };
    case 'withinMetres': {
      const near: Readonly<Record<string, unknown>> =
        typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
      const { lon, lat, metres } = near;
      if (typeof lon !== 'number' || typeof lat !== 'number' || !(Math.abs(lon) <= 180) || !(Math.abs(lat) <= 90))
        return refuse(spot(), 'takes lon (-180 to 180), lat (-90 to 90) and metres.');
      if (typeof metres !== 'number' || !(metres >= 0) || metres > 20_100_000)
        return refuse(spot(), 'metres must be from 0 to 20,100,000.');
      return { op: 'withinMetres', property: name, type, lon, lat, metres };
    }
    default: {
      const op = COMPARISONS[operator as keyof typeof COMPARISONS];
      if (type === 'BOOLEAN' && op !== '=' && op !== '<>')
        return refuse(spot(), 'true and false have no order; test for equality.');
      return { op, property: name, type, value: bindScalar(value, queryable, spot()) };
    }
  }
}

/** Levels of a tree: 1 for a predicate. */
export const depthOf = (filter: RecordFilter): number =>
  isPredicate(filter) ? 1 : 1 + Math.max(...filter.args.map((arg) => depthOf(arg)));

/** Counts what a filter is made of while it is read, whatever the notation. */
export function createNodeBudget(where: string): { take(depth: number): void } {
  let nodes = 0;
  return {
    take(depth) {
      if (++nodes > FILTER_LIMITS.nodes)
        throw new HubError('INPUT_TOO_COSTLY', `${where}: at most ${FILTER_LIMITS.nodes} conditions.`);
      if (depth > FILTER_LIMITS.depth)
        throw new HubError('INPUT_TOO_COSTLY', `${where}: nested deeper than ${FILTER_LIMITS.depth} levels.`);
    },
  };
}

/**
 * Turns a caller's filter into a tree bound to a dataset's queryables.
 *
 * @throws HubError `INPUT_INVALID` naming the place, the fault and the way out; `INPUT_TOO_COSTLY` beyond FILTER_LIMITS.
 */
export function bindFilter(input: FilterInput, queryables: readonly Queryable[], where = 'filter'): RecordFilter {
  const byName = new Map(queryables.map((queryable) => [queryable.name, queryable]));
  const budget = createNodeBudget(where);

  const bindPredicate = (given: FilterInput, keys: readonly string[], at: string): RecordFilter => {
    const name = given['property'];
    if (typeof name !== 'string') return refuse(at, 'property must be a text.');
    const queryable = findQueryable(name, byName, at);
    const operators = keys.filter((key) => key !== 'property' && !Object.hasOwn(FOLDS, key));
    const [operator] = operators;
    if (operator === undefined || operators.length > 1)
      return refuse(
        at,
        `with property exactly one operator is needed (${OPERATORS.join(', ')}); found ${operators.length === 0 ? 'none' : operators.join(', ')}.`,
      );
    const filter = bindOperator(
      operator,
      given[operator],
      queryable,
      (entry) => `${at}.${operator}${entry === undefined ? '' : `[${entry}]`}`,
    );
    const fold = readFold(given, queryable, at);
    return fold === null ? filter : foldPredicate(filter, fold, Array<TextFold>(FILTER_LIMITS.listLength).fill(fold));
  };

  const readFold = (given: FilterInput, queryable: Queryable, at: string): TextFold | null => {
    let fold: TextFold | null = null;
    for (const [key, kind] of Object.entries(FOLDS)) {
      const isWanted = given[key] ?? false;
      if (typeof isWanted !== 'boolean') return refuse(`${at}.${key}`, 'takes true or false.');
      if (!isWanted) continue;
      if (queryable.type !== 'STRING')
        return refuse(`${at}.${key}`, `only STRING properties; "${queryable.name}" is ${queryable.type}.`);
      fold = bothFolds(fold, kind);
    }
    return fold;
  };

  const bindNode = (given: unknown, at: string, depth: number): RecordFilter => {
    if (typeof given !== 'object' || given === null || Array.isArray(given))
      return refuse(at, 'expected a filter object.');
    budget.take(depth);
    const node = given as FilterInput;
    const keys = Object.keys(node).filter((key) => node[key] !== undefined);
    const unknown = keys.find((key) => !KEYS.has(key));
    if (unknown !== undefined) {
      const near = suggestName(unknown, KEYS);
      return refuse(
        at,
        `unknown operator "${unknown.slice(0, 40)}"${near === null ? '' : `: did you mean "${near}"`}.`,
      );
    }
    const heads = keys.filter((key) => key === 'and' || key === 'or' || key === 'not' || key === 'property');
    const [head] = heads;
    if (head === undefined || heads.length > 1)
      return refuse(
        at,
        `exactly one of and, or, not, property is needed; found ${heads.length === 0 ? 'none' : heads.join(', ')}.`,
      );
    if (head === 'property') return bindPredicate(node, keys, at);
    if (keys.length > 1)
      return refuse(at, `${head} stands alone; move ${keys.filter((key) => key !== head).join(', ')} inside it.`);
    if (head === 'not') return { op: 'not', args: [bindNode(node['not'], `${at}.not`, depth + 1)] };
    const op = head === 'and' ? 'and' : 'or';
    return {
      op,
      args: bindList(node[op], `${at}.${op}`, 1).map((entry, index) =>
        bindNode(entry, `${at}.${op}[${index}]`, depth + 1),
      ),
    };
  };

  return bindNode(input, where, 1);
}

/** @throws HubError `INPUT_INVALID` for unknown, unsortable or repeated properties. */
export function bindSort(input: readonly SortInput[], queryables: readonly Queryable[]): readonly SortKey[] {
  if (input.length > FILTER_LIMITS.sortKeys)
    throw new HubError('INPUT_TOO_COSTLY', `sortBy: at most ${FILTER_LIMITS.sortKeys} keys.`);
  const seen = new Set<string>();
  return input.map(({ property, direction }, index) => {
    const queryable = queryables.find(({ name }) => name === property);
    if (queryable === undefined) {
      const near = suggestName(
        property,
        queryables.map(({ name }) => name),
      );
      return refuse(
        `sortBy[${index}]`,
        `unknown property "${property.slice(0, 80)}"${near === null ? '' : `: did you mean "${near}"`}.`,
      );
    }
    if (queryable.type === 'GEOMETRY' || queryable.type === 'JSON')
      return refuse(`sortBy[${index}]`, `property "${property}" is ${queryable.type} and has no order.`);
    if (seen.has(property)) return refuse(`sortBy[${index}]`, `property "${property}" is named twice.`);
    seen.add(property);
    return { property, type: queryable.type, direction };
  });
}
