import { OdsqlError } from './odsql-error.ts';

export interface DateParts {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

const formatters = new Map<string, Intl.DateTimeFormat>();

/** @throws OdsqlError for a name that is no IANA zone. */
export function assertTimezone(zone: string): void {
  if (zone !== 'UTC') formatterOf(zone);
}

function formatterOf(zone: string): Intl.DateTimeFormat {
  const known = formatters.get(zone);
  if (known !== undefined) return known;
  try {
    const formatter = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' });
    formatters.set(zone, formatter);
    return formatter;
  } catch {
    throw new OdsqlError(`Unknown timezone: ${zone}`);
  }
}

const offsets = new Map<string, Map<number, number>>();

/** Minutes east of UTC at an instant. Zones change on full quarter hours, so one answer serves a quarter. */
function zoneOffsetMinutes(ms: number, zone: string): number {
  if (zone === 'UTC') return 0;
  const quarter = Math.floor(ms / 900_000);
  let byQuarter = offsets.get(zone);
  if (byQuarter === undefined || byQuarter.size > 50_000) offsets.set(zone, (byQuarter = new Map()));
  const known = byQuarter.get(quarter);
  if (known !== undefined) return known;
  const name = formatterOf(zone)
    .formatToParts(ms)
    .find((part) => part.type === 'timeZoneName')?.value;
  const match = /GMT(?:([+-])(\d{2}):(\d{2}))?/.exec(name ?? '');
  const size = Number(match?.[2] ?? 0) * 60 + Number(match?.[3] ?? 0);
  const minutes = match?.[1] === '-' ? -size : size;
  byQuarter.set(quarter, minutes);
  return minutes;
}

export function toDateParts(ms: number, zone: string): DateParts {
  const local = new Date(ms + zoneOffsetMinutes(ms, zone) * 60_000);
  return {
    year: local.getUTCFullYear(),
    month: local.getUTCMonth() + 1,
    day: local.getUTCDate(),
    hour: local.getUTCHours(),
    minute: local.getUTCMinutes(),
    second: local.getUTCSeconds(),
  };
}

const pad = (value: number, width = 2): string => String(value).padStart(width, '0');

/** `2026-06-27T04:00:00+01:00`, with the fraction the stored text has. */
export function renderDatetime(stored: string, zone: string): string {
  if (zone === 'UTC' && stored.endsWith('+00:00')) return stored;
  const ms = Date.parse(stored);
  if (Number.isNaN(ms)) return stored;
  const offset = zoneOffsetMinutes(ms, zone);
  const local = new Date(ms + offset * 60_000).toISOString().slice(0, 19);
  const fraction = /\.\d+/.exec(stored)?.[0] ?? '';
  const size = Math.abs(offset);
  return `${local}${fraction}${offset < 0 ? '-' : '+'}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
}

const DATE_LITERAL =
  /^(\d{4})(?:[-/](\d{1,2})(?:[-/](\d{1,2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?)?)?$/i;

/**
 * The instant a date literal names. Parts left out are the first of their kind; a literal without an offset is in the
 * zone of the request.
 *
 * @throws OdsqlError for a text that is no date.
 */
export function parseDateLiteral(text: string, zone: string): number {
  const match = DATE_LITERAL.exec(text.trim());
  if (match === null) throw new OdsqlError(`Invalid date literal: ${text}`);
  const [, year = '', month = '1', day = '1', hour = '0', minute = '0', second = '0', fraction = '', offset] = match;
  const local = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
  const check = new Date(local);
  if (check.getUTCMonth() + 1 !== Number(month) || check.getUTCDate() !== Number(day) || Number(hour) > 23)
    throw new OdsqlError(`Invalid date literal: ${text}`);
  const ms = local + (fraction === '' ? 0 : Math.floor(Number(fraction) * 1000));
  if (offset === undefined) return ms - zoneOffsetMinutes(ms, zone) * 60_000;
  if (/^z$/i.test(offset)) return ms;
  const minutes = Number(offset.slice(1, 3)) * 60 + Number(offset.slice(-2));
  return ms - (offset.startsWith('-') ? -minutes : minutes) * 60_000;
}

/** Formats by the symbols the reference lists; free text stands in single quotes. */
export function formatDate(ms: number, format: string, zone: string, language: string): string {
  const parts = toDateParts(ms, zone);
  const local = new Date(Date.UTC(parts.year, parts.month - 1, parts.day));
  const weekday = local.getUTCDay() === 0 ? 7 : local.getUTCDay();
  const dayOfYear = Math.round((local.getTime() - Date.UTC(parts.year, 0, 1)) / 86_400_000) + 1;
  const thursday = new Date(local.getTime() + (4 - weekday) * 86_400_000);
  const weekYear = thursday.getUTCFullYear();
  const week = Math.floor((thursday.getTime() - Date.UTC(weekYear, 0, 1)) / 86_400_000 / 7) + 1;
  const named = (options: Intl.DateTimeFormatOptions): string =>
    new Intl.DateTimeFormat(language, { ...options, timeZone: 'UTC' }).format(local);
  const symbols: Readonly<Record<string, string>> = {
    yyyy: pad(parts.year, 4),
    YYYY: pad(parts.year, 4),
    yy: pad(parts.year % 100),
    YY: pad(parts.year % 100),
    xxxx: pad(weekYear, 4),
    xx: pad(weekYear % 100),
    w: String(week),
    ww: pad(week),
    e: String(weekday),
    E: named({ weekday: 'short' }),
    EEEE: named({ weekday: 'long' }),
    D: String(dayOfYear),
    DDD: pad(dayOfYear, 3),
    M: String(parts.month),
    MM: pad(parts.month),
    MMMM: named({ month: 'long' }),
    d: String(parts.day),
    dd: pad(parts.day),
    H: String(parts.hour),
    HH: pad(parts.hour),
    m: String(parts.minute),
    mm: pad(parts.minute),
    s: String(parts.second),
    ss: pad(parts.second),
  };
  return format.replace(/''|'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']+/g, (run: string, quoted: string | undefined) => {
    if (run === "''") return "'";
    if (quoted !== undefined) return quoted.replaceAll("''", "'");
    if (!/[A-Za-z]/.test(run)) return run;
    const value = symbols[run];
    if (value === undefined) throw new OdsqlError(`Invalid date format: ${run}`);
    return value;
  });
}

const UNITS: Readonly<Record<string, 'year' | 'month' | 'day' | 'hour' | 'minute' | 'second' | 'microsecond'>> = {
  year: 'year',
  month: 'month',
  day: 'day',
  hour: 'hour',
  minute: 'minute',
  second: 'second',
  microsecond: 'microsecond',
};
const WEEKDAYS = ['mondays', 'tuesdays', 'wednesdays', 'thursdays', 'fridays', 'saturdays', 'sundays'];
const MS = { day: 86_400_000, hour: 3_600_000, minute: 60_000, second: 1000, microsecond: 0.001 } as const;

function withDate(date: Date, year: number, month: number, day: number): Date {
  const last = new Date(Date.UTC(year, month, 0)).getUTCDate();
  const moved = new Date(date);
  moved.setUTCFullYear(year, month - 1, Math.min(day, last));
  return moved;
}

/** `now(years=-1, month=3)`: singular names set a part, plural names add to it, the last use of a name counts. */
export function adjustNow(ms: number, parameters: ReadonlyMap<string, number>): number {
  let date = new Date(ms);
  for (const [name, value] of parameters) {
    const weekday = WEEKDAYS.indexOf(name);
    if (weekday >= 0) {
      const current = (date.getUTCDay() + 6) % 7;
      const step = value > 0 ? (weekday - current + 7) % 7 || 7 : -((current - weekday + 7) % 7 || 7);
      const weeks = value === 0 ? 0 : (Math.abs(value) - 1) * 7 * Math.sign(value) + step;
      date = new Date(date.getTime() + weeks * MS.day);
      continue;
    }
    if (name === 'weekday') {
      const current = (date.getUTCDay() + 6) % 7;
      date = new Date(date.getTime() + ((value - current + 7) % 7) * MS.day);
      continue;
    }
    const isPlural = name.endsWith('s');
    const unit = UNITS[isPlural ? name.slice(0, -1) : name];
    if (unit === undefined) throw new OdsqlError(`Unknown parameter for function now: ${name}`);
    const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()];
    if (unit === 'year') date = withDate(date, isPlural ? year + value : value, month, day);
    else if (unit === 'month') {
      const total = isPlural ? year * 12 + month - 1 + value : year * 12 + value - 1;
      date = withDate(date, Math.floor(total / 12), (((total % 12) + 12) % 12) + 1, day);
    } else if (isPlural) date = new Date(date.getTime() + value * MS[unit]);
    else if (unit === 'day') date = withDate(date, year, month, value);
    else if (unit === 'hour') date.setUTCHours(value);
    else if (unit === 'minute') date.setUTCMinutes(value);
    else if (unit === 'second') date.setUTCSeconds(value);
    else date.setUTCMilliseconds(Math.floor(value / 1000));
  }
  return date.getTime();
}
