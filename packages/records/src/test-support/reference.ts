import type { HubRecord, QueryableType, RecordValue } from '@civex/model';
import type { Predicate, RecordFilter, SortKey } from '@civex/query';
import { isPredicate } from '@civex/query';

// A second implementation of what filters and sorts mean. It shares no code with the one it is held against, and is
// written for plainness, not for speed.

type Truth = boolean | null;

const codePoints = (text: string): readonly number[] => Array.from(text, (character) => character.codePointAt(0) ?? 0);

function compareLists(a: readonly number[], b: readonly number[]): number {
  const place = a.findIndex((part, index) => part !== b[index]);
  if (place < 0) return Math.sign(a.length - b.length);
  const other = b[place];
  return other === undefined ? 1 : Math.sign((a[place] ?? 0) - other);
}

function compareNumbers(a: number | bigint, b: number | bigint): number {
  if (typeof a === 'number' && typeof b === 'number') return Math.sign(a - b);
  if (typeof a === 'number') return -compareNumbers(b, a);
  if (typeof b === 'bigint') return a === b ? 0 : a > b ? 1 : -1;
  const floor = BigInt(Math.floor(b));
  if (a !== floor) return a > floor ? 1 : -1;
  return Number.isInteger(b) ? 0 : -1;
}

/** Nanoseconds since 1970 of an RFC 3339 text with an offset. */
function nanoseconds(text: string): bigint {
  const match = /^(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)(?:\.(\d+))?(?:(Z)|([+-])(\d+):(\d+))$/.exec(text);
  if (match === null) throw new Error(`not an instant of the tests: ${text}`);
  const [, year, month, day, hour, minute, second, fraction = '', , sign = '+', hours = '0', minutes = '0'] = match;
  const utc = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
  const shift = (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? 60_000 : -60_000);
  return BigInt(utc + shift) * 1_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
}

const fullDate = (text: string): string => {
  const [year = '', month = '01', day = '01'] = text.split('-');
  return `${year}-${month}-${day}`;
};

/** -1, 0 or 1; null when one of them is null. */
function referenceCompare(a: RecordValue | undefined, b: RecordValue | undefined, type: QueryableType): number | null {
  if (a === null || a === undefined || b === null || b === undefined) return null;
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b);
  if ((typeof a === 'number' || typeof a === 'bigint') && (typeof b === 'number' || typeof b === 'bigint'))
    return compareNumbers(a, b);
  if (typeof a !== 'string' || typeof b !== 'string') return null;
  if (type === 'DATE') return compareLists(codePoints(fullDate(a)), codePoints(fullDate(b)));
  if (type === 'DATETIME') return compareNumbers(nanoseconds(a), nanoseconds(b));
  return compareLists(codePoints(a), codePoints(b));
}

function like(text: readonly string[], pattern: readonly string[]): boolean {
  const [head, ...rest] = pattern;
  if (head === undefined) return text.length === 0;
  if (head === '%') return like(text, rest) || (text.length > 0 && like(text.slice(1), pattern));
  const wanted = head === '\\' ? rest[0] : head;
  const after = head === '\\' ? rest.slice(1) : rest;
  const [character] = text;
  if (character === undefined || (head !== '_' && character !== wanted)) return false;
  return like(text.slice(1), after);
}

function pointOf(value: RecordValue | undefined): readonly [number, number] | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const { coordinates } = value as { readonly coordinates?: RecordValue };
  if (!Array.isArray(coordinates)) return null;
  const [lon, lat] = coordinates as readonly RecordValue[];
  return typeof lon === 'number' && typeof lat === 'number' ? [lon, lat] : null;
}

function metresBetween([lon1, lat1]: readonly [number, number], lon2: number, lat2: number): number {
  const rad = Math.PI / 180;
  const a =
    Math.sin(((lat2 - lat1) * rad) / 2) ** 2 +
    Math.cos(lat1 * rad) * Math.cos(lat2 * rad) * Math.sin(((lon2 - lon1) * rad) / 2) ** 2;
  return 2 * 6_371_008.8 * Math.asin(Math.sqrt(a));
}

export function referencePredicate(predicate: Predicate, values: HubRecord['values']): Truth {
  const value = values[predicate.property] ?? null;
  if (predicate.op === 'isNull') return value === null;
  if (value === null) return null;
  const against = (other: RecordValue): number => referenceCompare(value, other, predicate.type) ?? Number.NaN;
  switch (predicate.op) {
    case '=':
      return against(predicate.value) === 0;
    case '<>':
      return against(predicate.value) !== 0;
    case '<':
      return against(predicate.value) < 0;
    case '<=':
      return against(predicate.value) <= 0;
    case '>':
      return against(predicate.value) > 0;
    case '>=':
      return against(predicate.value) >= 0;
    case 'in':
      return predicate.values.some((candidate) => against(candidate) === 0);
    case 'between':
      return against(predicate.lower) >= 0 && against(predicate.upper) <= 0;
    case 'like':
      return like(Array.from(typeof value === 'string' ? value : ''), Array.from(predicate.pattern));
    case 'bbox': {
      const point = pointOf(value);
      if (point === null) return null;
      const [west, south, east, north] = predicate.bbox;
      return point[0] >= west && point[0] <= east && point[1] >= south && point[1] <= north;
    }
    case 'withinMetres': {
      const point = pointOf(value);
      return point === null ? null : metresBetween(point, predicate.lon, predicate.lat) <= predicate.metres;
    }
    case 'intersects':
      throw new Error('the tests make no such filter');
  }
}

/** `decide` answers for one predicate; the default is the truth. */
export function referenceTruth(
  filter: RecordFilter,
  record: HubRecord,
  decide: (predicate: Predicate, record: HubRecord) => Truth = (predicate, { values }) =>
    referencePredicate(predicate, values),
): Truth {
  if (isPredicate(filter)) return decide(filter, record);
  const truths = filter.args.map((arg) => referenceTruth(arg, record, decide));
  if (filter.op === 'not') {
    const [truth = null] = truths;
    return truth === null ? null : !truth;
  }
  if (truths.includes(filter.op === 'or')) return filter.op === 'or';
  return truths.includes(null) ? null : filter.op === 'and';
}

/** The sort keys alone, nulls last in both directions. */
export function referenceKeyOrder(sort: readonly SortKey[], a: HubRecord, b: HubRecord): number {
  for (const { property, type, direction } of sort) {
    const x = a.values[property] ?? null;
    const y = b.values[property] ?? null;
    if (x === null && y === null) continue;
    if (x === null) return 1;
    if (y === null) return -1;
    const order = referenceCompare(x, y, type) ?? 0;
    if (order !== 0) return direction === 'ASC' ? order : -order;
  }
  return 0;
}

/** Order of records by id alone, by code point. */
/** Whole numbers first, by value; everything else, and equal numbers, by code point. */
export const referenceIdOrder = (a: HubRecord, b: HubRecord): number => {
  const [x, y] = [a.id, b.id].map((id) => (/^-?[0-9]+$/.test(id) ? BigInt(id) : null));
  if (typeof x === 'bigint' && typeof y === 'bigint' && x !== y) return x < y ? -1 : 1;
  if ((x === null) !== (y === null)) return x === null ? 1 : -1;
  return compareLists(codePoints(a.id), codePoints(b.id));
};

/** The filter as a caller writes it in GraphQL. */
export function toFilterInput(filter: RecordFilter): Readonly<Record<string, unknown>> {
  const plain = (value: unknown): unknown => (typeof value === 'bigint' ? value.toString() : value);
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
