import type { HubRecord, QueryableType, RecordValue } from '@civex/model';
import { compareDecimals, toDecimal } from './decimal.ts';
import type { SortKey } from './filter.ts';

/** Orders text by code point. JavaScript's own `<` orders by UTF-16 unit, which differs above U+FFFF. */
export function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    // A surrogate stands for a code point above every other unit.
    const xSurrogate = (x & 0xf800) === 0xd800;
    const ySurrogate = (y & 0xf800) === 0xd800;
    if (xSurrogate !== ySurrogate) return xSurrogate ? 1 : -1;
    return x < y ? -1 : 1;
  }
  return a.length - b.length;
}

/** A point in time: whole milliseconds since 1970, and what lies beyond. */
export interface Instant {
  readonly ms: number;
  /** Digits beyond the millisecond, right-padded to 9, as a number. */
  readonly beyond: number;
}

/** RFC 3339 has no 24th hour, which Date.parse takes for the next day. Seconds and the offset's colon may be missing. */
const RFC3339 = /^\d{4}-\d{2}-\d{2}[Tt ](?:[01]\d|2[0-3]):\d{2}(?::\d{2}(?:\.(\d+))?)?(?:[Zz]|[+-]\d{2}:?\d{2})$/;

/** The instant of an RFC 3339 text with an offset; null for any other text. */
export function readInstant(text: string): Instant | null {
  const match = RFC3339.exec(text);
  if (match === null) return null;
  const fraction = match[1] ?? '';
  const ms = Date.parse(fraction.length > 3 ? text.replace(`.${fraction}`, `.${fraction.slice(0, 3)}`) : text);
  if (Number.isNaN(ms)) return null;
  return { ms, beyond: fraction.length > 3 ? Number(fraction.slice(3, 12).padEnd(9, '0')) : 0 };
}

const DATE = /^(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?$/;

/** `YYYY-MM-DD`: a date of lower precision stands for the first day of its period. Null for any other text. */
export function toFullDate(text: string): string | null {
  const match = DATE.exec(text);
  return match === null ? null : `${match[1]}-${match[2] ?? '01'}-${match[3] ?? '01'}`;
}

/** Texts of digits are numbers in NUMBER columns only: there a portal may hold more digits than a double does. */
const isNumeric = (value: RecordValue, type: 'INTEGER' | 'NUMBER'): value is number | bigint | string =>
  typeof value === 'number' || typeof value === 'bigint' || (typeof value === 'string' && type === 'NUMBER');

const isBelowLimit = (value: number | bigint | string): value is number | bigint =>
  typeof value === 'bigint' || (typeof value === 'number' && Math.abs(value) <= Number.MAX_SAFE_INTEGER);

function compareNumbers(a: number | bigint | string, b: number | bigint | string): number | null {
  if (Number.isNaN(a) || Number.isNaN(b)) return null;
  if (typeof a === 'number' && typeof b === 'number') return a < b ? -1 : a > b ? 1 : 0;
  // Below 2^53 a double and its text lie between the same whole numbers.
  if (isBelowLimit(a) && isBelowLimit(b)) return a < b ? -1 : a > b ? 1 : 0;
  // An infinite one has no digits; it is beyond whatever has some.
  if (a === Infinity || b === -Infinity) return toDecimal(a === Infinity ? b : a) === null ? null : 1;
  if (a === -Infinity || b === Infinity) return toDecimal(a === -Infinity ? b : a) === null ? null : -1;
  const x = toDecimal(a);
  const y = toDecimal(b);
  return x === null || y === null || x === 'too-long' || y === 'too-long' ? null : compareDecimals(x, y);
}

/**
 * Compares two values of one type. Null when they cannot be compared: one is null, or is not of the type at all.
 * Text by code point, times as instants, numbers by value: exactly, a JSON number being what its shortest text says.
 */
export function compareValues(
  a: RecordValue | undefined,
  b: RecordValue | undefined,
  type: QueryableType,
): number | null {
  if (a === null || b === null || a === undefined || b === undefined) return null;
  switch (type) {
    case 'STRING':
      return typeof a === 'string' && typeof b === 'string' ? compareCodePoints(a, b) : null;
    case 'INTEGER':
    case 'NUMBER':
      return isNumeric(a, type) && isNumeric(b, type) ? compareNumbers(a, b) : null;
    case 'BOOLEAN':
      return typeof a === 'boolean' && typeof b === 'boolean' ? Number(a) - Number(b) : null;
    case 'DATE': {
      if (typeof a !== 'string' || typeof b !== 'string') return null;
      const x = toFullDate(a);
      const y = toFullDate(b);
      return x === null || y === null ? null : x < y ? -1 : x > y ? 1 : 0;
    }
    case 'DATETIME': {
      if (typeof a !== 'string' || typeof b !== 'string') return null;
      const x = readInstant(a);
      const y = readInstant(b);
      return x === null || y === null ? null : x.ms - y.ms || x.beyond - y.beyond;
    }
    case 'GEOMETRY':
    case 'JSON':
      return null;
  }
}

/** True when a value takes part in comparisons of its type; others sort with the nulls. */
function isComparable(value: RecordValue | undefined, type: QueryableType): boolean {
  return compareValues(value, value, type) !== null;
}

const WHOLE_NUMBER = /^(-?)0*(\d+)$/;

/**
 * Order of record ids: whole numbers by value and before all other texts, as portals order by their numeric keys; other
 * texts by code point. Total: only equal ids compare equal.
 */
export function compareRecordIds(a: string, b: string): number {
  const x = WHOLE_NUMBER.exec(a);
  const y = WHOLE_NUMBER.exec(b);
  if (x === null || y === null) return x !== null ? -1 : y !== null ? 1 : compareCodePoints(a, b);
  const [, xSign = '', xDigits = ''] = x;
  const [, ySign = '', yDigits = ''] = y;
  if (xSign !== ySign) return xSign === '-' ? -1 : 1;
  const order = xDigits.length - yDigits.length || compareCodePoints(xDigits, yDigits);
  return (xSign === '-' ? -order : order) || compareCodePoints(a, b);
}

/** Total order of records: the sort keys, nulls last in both directions, then the record id (`compareRecordIds`). */
export function createRecordComparator(sort: readonly SortKey[]): (a: HubRecord, b: HubRecord) => number {
  return (a, b) => {
    for (const { property, type, direction } of sort) {
      const x = a.values[property];
      const y = b.values[property];
      const order = compareValues(x, y, type);
      if (order === null) {
        const xLast = !isComparable(x, type);
        const yLast = !isComparable(y, type);
        if (xLast !== yLast) return xLast ? 1 : -1;
      } else if (order !== 0) {
        return direction === 'ASC' ? order : -order;
      }
    }
    return compareRecordIds(a.id, b.id);
  };
}
