import { HubError } from '@civex/errors';
import type { HubRecord, RecordValue } from '@civex/model';
import { AGGREGATE_LIMITS } from './aggregate-bind.ts';
import type { BoundAggregate, GroupKey, GroupOrder, Measure } from './aggregate-bind.ts';
import { createInstantTruncation, instantText, truncateDate } from './aggregate-time.ts';
import { compareCodePoints, readInstant, toFullDate } from './compare.ts';
import {
  addToSum,
  compareDecimals,
  createExactSum,
  divideDecimal,
  divideToDouble,
  sumOf,
  toDecimal,
  toDecimalText,
  toJsonNumber,
} from './decimal.ts';
import type { Decimal, ExactSum } from './decimal.ts';

/** Significant digits of an AVG over numbers that no double holds, as in decimal128. */
const AVERAGE_DIGITS = 34;

/** A value that can be compared: what tells it from others, what orders it, and what callers see of it. */
interface Comparable {
  /** The same text for equal values of one type, and for no others. */
  readonly id: string;
  readonly order: Order;
  /** JSON-safe. */
  readonly shown: RecordValue;
}

/** What values of one type are ordered by; of the same kind for all values of a key or a measure. */
type Order =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'decimal'; readonly value: Decimal }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'instant'; readonly ms: number; readonly beyond: number };

const ZERO: Decimal = { coefficient: 0n, scale: 0 };

function toExact(order: Order): Decimal {
  if (order.kind === 'decimal') return order.value;
  const decimal = order.kind === 'number' ? toDecimal(order.value) : null;
  return decimal === null || decimal === 'too-long' ? ZERO : decimal;
}

function compareOrders(a: Order, b: Order): number {
  if (a.kind === 'number' && b.kind === 'number') return a.value - b.value;
  if (a.kind === 'text' && b.kind === 'text') return compareCodePoints(a.value, b.value);
  if (a.kind === 'instant' && b.kind === 'instant') return a.ms - b.ms || a.beyond - b.beyond;
  return compareDecimals(toExact(a), toExact(b));
}

const tooLong = (): HubError =>
  new HubError('SOURCE_MALFORMED', 'A number of this dataset has more digits than can be reckoned with.');

const isNumeric = (value: RecordValue, type: GroupKey['type']): value is number | bigint | string =>
  typeof value === 'number' || typeof value === 'bigint' || (typeof value === 'string' && type === 'NUMBER');

function toComparableNumber(value: number | bigint | string, type: GroupKey['type']): Comparable | null {
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) return null;
    // The shortest text of a double without an exponent is the one text of that number.
    const id = String(value);
    const isWide = type === 'INTEGER' && Number.isInteger(value) && !Number.isSafeInteger(value);
    if (!id.includes('e')) return { id, order: { kind: 'number', value }, shown: isWide ? id : value + 0 };
  }
  const decimal = toDecimal(value);
  if (decimal === null) return null;
  if (decimal === 'too-long') throw tooLong();
  const text = toDecimalText(decimal);
  const shown = type === 'INTEGER' && !text.includes('.') ? toWhole(BigInt(text)) : toJsonNumber(decimal);
  return { id: text, order: { kind: 'decimal', value: decimal }, shown };
}

/** Whole numbers beyond 2^53 leave as their digits. */
const toWhole = (value: bigint): number | string => {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
};

/** Null: the value is null or not of the type, which is the same to groups and measures. Agrees with `compareValues`. */
function toComparable(value: RecordValue | undefined, type: GroupKey['type']): Comparable | null {
  if (value === null || value === undefined) return null;
  switch (type) {
    case 'STRING':
      return typeof value === 'string' ? { id: value, order: { kind: 'text', value }, shown: value } : null;
    case 'INTEGER':
    case 'NUMBER':
      return isNumeric(value, type) ? toComparableNumber(value, type) : null;
    case 'BOOLEAN':
      return typeof value === 'boolean'
        ? { id: String(value), order: { kind: 'number', value: Number(value) }, shown: value }
        : null;
    case 'DATE': {
      const day = typeof value === 'string' ? toFullDate(value) : null;
      return day === null ? null : { id: day, order: { kind: 'text', value: day }, shown: day };
    }
    case 'DATETIME': {
      const instant = typeof value === 'string' ? readInstant(value) : null;
      if (instant === null) return null;
      const text = instantText(instant);
      return { id: text, order: { kind: 'instant', ...instant }, shown: text };
    }
    case 'GEOMETRY':
    case 'JSON':
      return null;
  }
}

function createKeyReader({ type, every, timeZone }: GroupKey): (value: RecordValue | undefined) => Comparable | null {
  if (every === null) return (value) => toComparable(value, type);
  if (type === 'DATE')
    return (value) => {
      const day = truncateDate(value, every);
      return day === null ? null : { id: day, order: { kind: 'text', value: day }, shown: day };
    };
  const truncate = createInstantTruncation(every, timeZone);
  return (value) => {
    const start = truncate(value);
    if (start === null) return null;
    const { ms, text } = start;
    return { id: String(ms), order: { kind: 'instant', ms, beyond: 0 }, shown: text };
  };
}

/** What a measure has gathered of one group; which members it uses depends on its operation. */
interface State {
  count: number;
  sum: ExactSum | null;
  best: Comparable | null;
  readonly values: Set<string> | null;
}

/** What a source has gathered of a group for one measure. */
export type MeasurePart =
  | { readonly op: 'COUNT'; readonly count: number }
  /** `count`: values that were added up. */
  | { readonly op: 'SUM' | 'AVG'; readonly sum: number | bigint | null; readonly count: number }
  | { readonly op: 'MIN' | 'MAX'; readonly value: RecordValue };

/** A group, or a part of one, as a source has gathered it. */
export interface GroupPart {
  /** One value for each key of `groupBy`; those of a unit of time may be any that lies in it. */
  readonly keys: readonly RecordValue[];
  /** One for each measure, in their order. COUNT_DISTINCT cannot be put together from parts. */
  readonly measures: readonly MeasurePart[];
}

export interface AggregateGroup {
  /** By name of the property, JSON-safe. */
  readonly key: Readonly<Record<string, RecordValue>>;
  /** By the measures' own names, JSON-safe. */
  readonly measures: Readonly<Record<string, RecordValue>>;
}

export interface AggregateOutcome {
  readonly groups: readonly AggregateGroup[];
  /** True when there are more groups than `first`. */
  readonly truncated: boolean;
}

/** Groups records and measures the groups. One for each answer. */
export interface Aggregator {
  /** @throws HubError `INPUT_TOO_COSTLY` beyond AGGREGATE_LIMITS, `SOURCE_MALFORMED` for a number beyond DECIMAL_LIMITS. */
  add(values: HubRecord['values']): void;
  /** @throws as `add`. */
  addPart(part: GroupPart): void;
  /** False when this record cannot be among those that were added: its group is missing, or a measure leaves it out. */
  admits(values: HubRecord['values']): boolean;
  /** The first groups in the asked order, ties by their keys from the first on, nulls last. */
  finish(first: number): AggregateOutcome;
}

interface Group {
  readonly keys: readonly (Comparable | null)[];
  readonly states: readonly State[];
}

/** What a measure comes to. */
interface Result {
  readonly shown: RecordValue;
  readonly order: Order | null;
}

const NOTHING: Result = { shown: null, order: null };

const ofDecimal = (decimal: Decimal, shown: RecordValue): Result => ({
  shown,
  order: { kind: 'decimal', value: decimal },
});

function toAverage({ sum, count }: State): Result {
  if (sum === null || count === 0) return NOTHING;
  const total = sumOf(sum);
  if (!sum.isWide) {
    const value = divideToDouble(total, BigInt(count));
    const decimal = toDecimal(value);
    return decimal === null || decimal === 'too-long' ? NOTHING : ofDecimal(decimal, value + 0);
  }
  const average = divideDecimal(total, BigInt(count), AVERAGE_DIGITS);
  return ofDecimal(average, toJsonNumber(average));
}

function toResult({ op, type }: Measure, state: State): Result {
  switch (op) {
    case 'COUNT':
      return { shown: state.count, order: { kind: 'number', value: state.count } };
    case 'COUNT_DISTINCT': {
      const size = state.values?.size ?? 0;
      return { shown: size, order: { kind: 'number', value: size } };
    }
    case 'SUM': {
      if (state.sum === null || state.count === 0) return NOTHING;
      const total = sumOf(state.sum);
      const isWhole = type === 'INTEGER' && total.scale <= 0;
      return ofDecimal(total, isWhole ? toWhole(BigInt(toDecimalText(total))) : toJsonNumber(total));
    }
    case 'AVG':
      return toAverage(state);
    case 'MIN':
    case 'MAX':
      return state.best ?? NOTHING;
  }
}

/** What is held while groups are made, against its bounds. */
function createBudget(): { groups(): void; distinct(): void; characters(count: number): void } {
  let groups = 0;
  let distinct = 0;
  let characters = 0;
  const costly = (what: string, most: number): HubError =>
    new HubError(
      'INPUT_TOO_COSTLY',
      `This aggregate needs more than ${most.toLocaleString('en-US')} ${what}; add a condition, or group by less or by longer units of time.`,
    );
  return {
    groups() {
      if (++groups > AGGREGATE_LIMITS.groups) throw costly('groups', AGGREGATE_LIMITS.groups);
    },
    distinct() {
      if (++distinct > AGGREGATE_LIMITS.distinctValues)
        throw costly('different values', AGGREGATE_LIMITS.distinctValues);
    },
    characters(count) {
      characters += count;
      if (characters > AGGREGATE_LIMITS.heldCharacters)
        throw costly('characters of keys and values', AGGREGATE_LIMITS.heldCharacters);
    },
  };
}

/** A property may be called `constructor`; what objects inherit is no value. */
const ownValue = (values: HubRecord['values'], property: string): RecordValue =>
  Object.hasOwn(values, property) ? (values[property] ?? null) : null;

/** Nulls last in both directions. */
function compareNullable(a: Order | null, b: Order | null, direction: GroupOrder['direction']): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  const order = compareOrders(a, b);
  return direction === 'ASC' ? order : -order;
}

/**
 * Records become groups by the values of their keys: exactly, text by code point, numbers by value, times as instants or
 * by the unit of time they lie in. Nulls, and values that are not of their column's type, are one group (key null).
 *
 * COUNT counts records, or values that are not null, of whatever type. The other measures pass over nulls and values
 * that are not of their column's type (`NaN` and `Infinity` are no numbers), and are null when nothing is left; SUM and
 * AVG reckon without rounding, and AVG rounds once.
 */
export function createAggregator({ groupBy, measures, sort }: BoundAggregate): Aggregator {
  const readers = groupBy.map(createKeyReader);
  const groups = new Map<string, Group>();
  const budget = createBudget();

  const createState = ({ op }: Measure): State => ({
    count: 0,
    sum: op === 'SUM' || op === 'AVG' ? createExactSum() : null,
    best: null,
    values: op === 'COUNT_DISTINCT' ? new Set() : null,
  });

  const toId = (keys: readonly (Comparable | null)[]): string => {
    let id = '';
    for (const key of keys) id += key === null ? '-' : `${key.id.length}:${key.id}`;
    return id;
  };
  const keysOf = (values: HubRecord['values']): readonly (Comparable | null)[] =>
    groupBy.map(({ property }, index) => readers[index]?.(ownValue(values, property)) ?? null);

  const groupOf = (keys: readonly (Comparable | null)[]): Group => {
    const id = toId(keys);
    let group = groups.get(id);
    if (group === undefined) {
      budget.groups();
      budget.characters(2 * id.length);
      group = { keys, states: measures.map(createState) };
      groups.set(id, group);
    }
    return group;
  };

  // Without keys there is one group, of no records too.
  if (groupBy.length === 0) groupOf([]);

  const takeBest = (state: State, op: 'MIN' | 'MAX', value: Comparable): void => {
    const order = state.best === null ? -1 : compareOrders(value.order, state.best.order) * (op === 'MIN' ? 1 : -1);
    if (order >= 0) return;
    budget.characters(Math.max(0, value.id.length - (state.best?.id.length ?? 0)));
    state.best = value;
  };

  const addNumber = (state: State, value: RecordValue, type: GroupKey['type']): void => {
    if (state.sum === null || !isNumeric(value, type)) return;
    const added = addToSum(state.sum, value);
    if (added === 'too-long') throw tooLong();
    if (added) state.count++;
  };

  const addValue = (state: State, measure: Measure, values: HubRecord['values']): void => {
    if (measure.property === null) {
      state.count++;
      return;
    }
    const { op, type, property } = measure;
    const value = ownValue(values, property);
    if (value === null) return;
    switch (op) {
      case 'COUNT':
        state.count++;
        return;
      case 'COUNT_DISTINCT': {
        const id = toComparable(value, type)?.id;
        if (id === undefined || state.values === null || state.values.has(id)) return;
        budget.distinct();
        budget.characters(id.length);
        state.values.add(id);
        return;
      }
      case 'SUM':
      case 'AVG':
        addNumber(state, value, type);
        return;
      case 'MIN':
      case 'MAX': {
        const comparable = toComparable(value, type);
        if (comparable !== null) takeBest(state, op, comparable);
      }
    }
  };

  const addMeasurePart = (state: State, measure: Measure, part: MeasurePart | undefined): void => {
    if (part === undefined || part.op !== measure.op)
      throw new HubError('INTERNAL', 'Internal error.', {}, `a part of ${measure.op} that is none`);
    switch (part.op) {
      case 'COUNT':
        state.count += part.count;
        return;
      case 'SUM':
      case 'AVG':
        if (state.sum === null || part.sum === null) return;
        addToSum(state.sum, part.sum);
        state.count += part.count;
        return;
      case 'MIN':
      case 'MAX': {
        const comparable = measure.type === null ? null : toComparable(part.value, measure.type);
        if (comparable !== null) takeBest(state, part.op, comparable);
      }
    }
  };

  return {
    add(values) {
      const { states } = groupOf(keysOf(values));
      for (const [index, measure] of measures.entries()) {
        const state = states[index];
        if (state !== undefined) addValue(state, measure, values);
      }
    },
    addPart(part) {
      const { states } = groupOf(readers.map((read, index) => read(part.keys[index])));
      for (const [index, measure] of measures.entries()) {
        const state = states[index];
        if (state !== undefined) addMeasurePart(state, measure, part.measures[index]);
      }
    },
    admits(values) {
      const group = groups.get(toId(keysOf(values)));
      if (group === undefined) return false;
      return measures.every(({ op, property, type }, index) => {
        const state = group.states[index];
        if (property === null) return state !== undefined && state.count > 0;
        const value = ownValue(values, property);
        if (state === undefined || value === null) return true;
        if (op === 'COUNT') return state.count > 0;
        const comparable = op === 'MIN' || op === 'MAX' ? toComparable(value, type) : null;
        if (comparable === null) return true;
        if (state.best === null) return false;
        const order = compareOrders(comparable.order, state.best.order);
        return op === 'MIN' ? order >= 0 : order <= 0;
      });
    },
    finish(first) {
      const results = [...groups.values()].map(({ keys, states }) => ({
        keys,
        results: measures.map((measure, index) => {
          const state = states[index];
          return state === undefined ? NOTHING : toResult(measure, state);
        }),
      }));
      results.sort((a, b) => {
        for (const { of, index, direction } of sort) {
          const [x, y] = of === 'key' ? [a.keys[index], b.keys[index]] : [a.results[index], b.results[index]];
          const order = compareNullable(x?.order ?? null, y?.order ?? null, direction);
          if (order !== 0) return order;
        }
        for (const index of groupBy.keys()) {
          const order = compareNullable(a.keys[index]?.order ?? null, b.keys[index]?.order ?? null, 'ASC');
          if (order !== 0) return order;
        }
        return 0;
      });
      return {
        // `fromEntries` defines own members, so a portal's `__proto__` stays a name like any other.
        groups: results.slice(0, first).map((group) => ({
          key: Object.fromEntries(groupBy.map(({ property }, index) => [property, group.keys[index]?.shown ?? null])),
          measures: Object.fromEntries(measures.map(({ as }, index) => [as, group.results[index]?.shown ?? null])),
        })),
        truncated: results.length > first,
      };
    },
  };
}
