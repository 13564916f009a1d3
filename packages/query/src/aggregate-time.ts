import { createZoneOffset } from '@civex/model';
import type { RecordValue } from '@civex/model';
import { readInstant, toFullDate } from './compare.ts';
import type { Instant } from './compare.ts';

export const TIME_UNITS = ['HOUR', 'DAY', 'WEEK', 'MONTH', 'QUARTER', 'YEAR'] as const;
/** WEEK is the ISO week, from Monday on; QUARTER begins in January, April, July and October. */
export type TimeUnit = (typeof TIME_UNITS)[number];

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

const pad = (value: number, digits = 2): string => String(value).padStart(digits, '0');

/** Not Date.UTC, which takes years below 100 for the 20th century. */
function utcMs(year: number, month: number, day: number): number {
  return new Date(0).setUTCFullYear(year, month, day);
}

/** First day of the unit a wall-clock time lies in, both as milliseconds of a clock without a zone. */
function startOfUnit(wallMs: number, every: Exclude<TimeUnit, 'HOUR'>): number {
  const day = Math.floor(wallMs / DAY_MS);
  switch (every) {
    case 'DAY':
      return day * DAY_MS;
    case 'WEEK':
      // Day 0 was a Thursday.
      return (day - ((((day + 3) % 7) + 7) % 7)) * DAY_MS;
    case 'MONTH':
    case 'QUARTER':
    case 'YEAR': {
      const date = new Date(wallMs);
      const month = date.getUTCMonth();
      const first = every === 'YEAR' ? 0 : every === 'QUARTER' ? month - (month % 3) : month;
      return utcMs(date.getUTCFullYear(), first, 1);
    }
  }
}

const dateText = (epochMs: number): string => new Date(epochMs).toISOString().slice(0, 10);

/** First day of the unit a DATE lies in; null for what is no day of the calendar. */
export function truncateDate(value: RecordValue | undefined, every: TimeUnit): string | null {
  const full = typeof value === 'string' ? toFullDate(value) : null;
  if (full === null) return null;
  const [year = 0, month = 1, day = 1] = full.split('-').map(Number);
  const ms = utcMs(year, month - 1, day);
  if (dateText(ms) !== full) return null;
  const start = startOfUnit(ms, every === 'HOUR' ? 'DAY' : every);
  // The Monday of the first days of year 0 lies before it, where four digits end.
  return start < YEAR_ZERO_MS ? null : dateText(start);
}

const YEAR_ZERO_MS = utcMs(0, 0, 1);

/** An instant in one spelling: UTC, no zeros that say nothing, a picosecond at most. */
export function instantText({ ms, beyond }: Instant): string {
  const [head = '', millis = ''] = new Date(ms).toISOString().slice(0, -1).split('.');
  const fraction = `${millis}${beyond === 0 ? '' : pad(beyond, 9)}`.replace(/0+$/, '');
  return `${head}${fraction === '' ? '' : `.${fraction}`}Z`;
}

/** Days of which the offset is remembered, for one zone; some 1,400 years. */
const MOST_DAYS = 500_000;

/** The offset of a zone by instant, remembered for whole days in which it does not change. */
function rememberOffset(offsetOf: (epochMs: number) => number): (epochMs: number) => number {
  const steady = new Map<number, number | null>();
  return (epochMs) => {
    const day = Math.floor(epochMs / DAY_MS);
    let known = steady.get(day);
    if (known === undefined) {
      const from = offsetOf(day * DAY_MS);
      // No zone changes its offset twice within a day.
      known = from === offsetOf((day + 1) * DAY_MS) ? from : null;
      if (steady.size >= MOST_DAYS) steady.clear();
      steady.set(day, known);
    }
    return known ?? offsetOf(epochMs);
  };
}

/** The first instant in (before, after] whose offset is not that of `before`. */
function findTransition(before: number, after: number, offsetOf: (epochMs: number) => number): number {
  const old = offsetOf(before);
  let low = before;
  let high = after;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetOf(middle) === old) low = middle;
    else high = middle;
  }
  return high;
}

/** The first instant at which the clocks of the zone show a day's midnight or, where they skip it, what comes after. */
function instantOfMidnight(wallMs: number, offsetOf: (epochMs: number) => number): number {
  const early = offsetOf(wallMs - DAY_MS);
  const late = offsetOf(wallMs + DAY_MS);
  const candidates = [wallMs - early, wallMs - late].filter((ms) => ms + offsetOf(ms) === wallMs);
  if (candidates.length > 0) return Math.min(...candidates);
  return findTransition(wallMs - Math.max(early, late), wallMs - Math.min(early, late), offsetOf);
}

function zonedText(epochMs: number, offsetMs: number): string {
  // RFC 3339 has no offsets of less than a minute, which zones had before the railways.
  if (offsetMs === 0 || offsetMs % 60_000 !== 0) return instantText({ ms: epochMs, beyond: 0 });
  const minutes = Math.abs(offsetMs) / 60_000;
  const wall = new Date(epochMs + offsetMs).toISOString().slice(0, -1).replace('.000', '');
  return `${wall}${offsetMs < 0 ? '-' : '+'}${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}`;
}

/** Where a unit begins: its instant, and that instant as the clocks of the zone show it. */
export interface UnitStart {
  readonly ms: number;
  readonly text: string;
}

/** Starts of units remembered by one truncation. */
const MOST_STARTS = 100_000;

/**
 * Truncates DATETIME values to a unit of the calendar of a zone. A day is as long as it is there, 23 or 25 hours when
 * the clocks change; an hour that the clocks show twice is two hours. Null for what is no instant, and for units that
 * begin outside the years 0000 to 9999.
 */
export function createInstantTruncation(
  every: TimeUnit,
  timeZone: string,
): (value: RecordValue | undefined) => UnitStart | null {
  const zone = createZoneOffset(timeZone);
  const offsetOf = zone === null || timeZone === 'UTC' ? () => 0 : rememberOffset(zone);
  const starts = new Map<number, UnitStart>();
  const remember = (key: number, find: () => number): UnitStart => {
    const known = starts.get(key);
    if (known !== undefined) return known;
    const ms = find();
    const start = { ms, text: zonedText(ms, offsetOf(ms)) };
    if (starts.size >= MOST_STARTS) starts.clear();
    starts.set(key, start);
    return start;
  };
  return (value) => {
    const instant = typeof value === 'string' ? readInstant(value) : null;
    if (instant === null) return null;
    const { ms } = instant;
    const offset = offsetOf(ms);
    const wall = ms + offset;
    let start: UnitStart;
    if (every === 'HOUR') {
      const first = ms - (((wall % HOUR_MS) + HOUR_MS) % HOUR_MS);
      // Clocks that change in the middle of an hour begin it anew at the change.
      const begin = offsetOf(first) === offset ? first : findTransition(first, ms, offsetOf);
      start = remember(begin, () => begin);
    } else {
      const midnight = startOfUnit(wall, every);
      start = remember(midnight, () => instantOfMidnight(midnight, offsetOf));
    }
    return /^\d{4}-/.test(start.text) ? start : null;
  };
}
