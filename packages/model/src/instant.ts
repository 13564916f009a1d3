const FORMATS = new Map<string, Intl.DateTimeFormat>();
/** Zones kept ready. There are some 600 of them, and their names may be written in any case. */
const MOST_FORMATS = 1_000;

function formatOf(timeZone: string): Intl.DateTimeFormat | null {
  const known = FORMATS.get(timeZone);
  if (known !== undefined) return known;
  if (timeZone.length > 64 || !/^[A-Za-z]/.test(timeZone)) return null;
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      calendar: 'iso8601',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  } catch (error) {
    // Intl's own word for an unknown zone.
    if (error instanceof RangeError) return null;
    throw error;
  }
  if (FORMATS.size >= MOST_FORMATS) FORMATS.clear();
  FORMATS.set(timeZone, format);
  return format;
}

/** True for a name of the IANA time zone database, such as `Europe/Stockholm` or `UTC`. Offsets are not names. */
export function isTimeZone(name: string): boolean {
  return formatOf(name) !== null;
}

/** Not Date.UTC, which takes years below 100 for the 20th century. */
function utcMs(year: number, month: number, day: number, hour = 0, minute = 0, second = 0): number {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return date.setUTCHours(hour, minute, second);
}

/** Milliseconds the zone is ahead of UTC at an instant. */
function offsetAt(format: Intl.DateTimeFormat, epochMs: number): number {
  const wall: Partial<Record<Intl.DateTimeFormatPartTypes, string>> = {};
  for (const { type, value } of format.formatToParts(epochMs)) wall[type] = value;
  const year = Number(wall.year);
  const wallMs = utcMs(
    wall.era?.startsWith('B') === true ? 1 - year : year,
    Number(wall.month),
    Number(wall.day),
    Number(wall.hour),
    Number(wall.minute),
    Number(wall.second),
  );
  return wallMs - Math.floor(epochMs / 1_000) * 1_000;
}

/**
 * How far a zone of the IANA database is ahead of UTC, in milliseconds, by instant (epoch milliseconds); null for a name
 * the database does not have.
 */
export function createZoneOffset(timeZone: string): ((epochMs: number) => number) | null {
  const format = formatOf(timeZone);
  return format === null ? null : (epochMs) => offsetAt(format, epochMs);
}

const DAY_MS = 86_400_000;

/** Offset of a wall-clock time, with Temporal's "compatible" choice: the earlier of two, before the gap in a gap. */
function offsetOfWall(format: Intl.DateTimeFormat, wallMs: number): number {
  // No zone changes its offset twice within two days, so these two are the only candidates.
  const before = offsetAt(format, wallMs - DAY_MS);
  const after = offsetAt(format, wallMs + DAY_MS);
  if (before === after) return before;
  const isBeforeValid = offsetAt(format, wallMs - before) === before;
  const isAfterValid = offsetAt(format, wallMs - after) === after;
  // In a fold both hold, and the offset before the change gives the earlier instant; in a gap none does.
  return isAfterValid && !isBeforeValid ? after : before;
}

const pad = (value: number, digits = 2): string => String(value).padStart(digits, '0');

function offsetText(offsetMs: number): string {
  const minutes = Math.round(offsetMs / 60_000);
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
}

interface Wall {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly fraction: string;
}

function isReal({ year, month, day, hour, minute, second }: Wall): boolean {
  if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59) return false;
  return day <= new Date(utcMs(year, month + 1, 0)).getUTCDate();
}

const wallText = ({ year, month, day, hour, minute, second, fraction }: Wall): string =>
  `${pad(year, 4)}-${pad(month)}-${pad(day)}T${pad(hour)}:${pad(minute)}:${pad(second)}${fraction === '' ? '' : `.${fraction}`}`;

const TIME = String.raw`(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,18}))?)?`;
const ISO = new RegExp(String.raw`^(\d{4})-(\d{2})-(\d{2})(?:[Tt ]${TIME}\s?(Z|[+-]\d{2}(?::?\d{2})?)?)?$`, 'i');
/** What the rest of this file gives back as it came. Days from the 29th on are looked up in the calendar. */
const CANONICAL =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;
const DOTTED = new RegExp(String.raw`^(\d{1,2})\.(\d{1,2})\.(\d{4})(?:,?\s+${TIME})?$`);
const SLASHED = new RegExp(
  String.raw`^(?:(\p{L}{2,12})\.?,?\s+)?(\d{1,2})/(\d{1,2})/(\d{4})(?:(?:,|\s-)?\s+${TIME})?$`,
  'u',
);
const EPOCH = /^(\d{10})(\d{3})?(?:\.(\d{1,18}))?$/;

/** First letters of the days from Sunday on, in English, French, Spanish, Swedish and German; accents folded. */
const WEEKDAYS: readonly RegExp[] = [
  /^(sun|dim|dom|son|so$)/,
  /^(mon|lun|man|mo$)/,
  /^(tue|mar|tis|die|di$)/,
  /^(wed|mer|mie|ons|mit|mi$)/,
  /^(thu|jeu|jue|tor|don|do$)/,
  /^(fri|ven|vie|fre|fr$)/,
  /^(sat|sam|sab|lor|sa$)/,
];

/** One reading of `a/b/yyyy`, or null when both orders are possible days and nothing tells them apart. */
function readSlashed(
  weekday: string | undefined,
  a: number,
  b: number,
  rest: Omit<Wall, 'day' | 'month'>,
): Wall | null {
  let readings = [
    { ...rest, day: a, month: b },
    { ...rest, day: b, month: a },
  ].filter(isReal);
  if (a === b) readings = readings.slice(0, 1);
  if (weekday !== undefined) {
    const word = weekday
      .normalize('NFD')
      .replaceAll(/\p{Mn}/gu, '')
      .toLowerCase();
    readings = readings.filter(({ year, month, day }) =>
      WEEKDAYS[new Date(utcMs(year, month, day)).getUTCDay()]?.test(word),
    );
  }
  const [only] = readings;
  return readings.length === 1 && only !== undefined ? only : null;
}

const num = (text: string | undefined): number => Number(text ?? '0');

function toTime(hour?: string, minute?: string, second?: string, fraction = ''): Omit<Wall, 'year' | 'month' | 'day'> {
  return { hour: num(hour), minute: num(minute), second: num(second), fraction };
}

/**
 * What a portal calls a time, as an RFC 3339 instant with an offset; null when it cannot be told.
 *
 * Zoned ISO 8601 keeps its digits and its offset. Naive input is read in `timeZone` (an IANA name): its digits stay and
 * the offset of that place and time is added; in a gap or a fold of summer time the choice is Temporal's "compatible".
 * A date alone is its midnight. `dd.mm.yyyy [HH:MM[:SS]]` is understood; `19/12/2019 - 03:00`, with or without a
 * weekday before it, only when the day and the month cannot be confused. Ten digits are epoch seconds, thirteen epoch
 * milliseconds, both given in UTC. Offsets are in minutes, so local mean times before the railways lose their seconds.
 * Naive input in an unknown zone gives null. Never throws.
 */
export function toInstant(raw: string, timeZone: string): string | null {
  if (CANONICAL.test(raw)) return raw;
  const text = raw.trim();
  if (text.length > 80) return null;

  const epoch = EPOCH.exec(text);
  if (epoch !== null) {
    const [, seconds = '', millis = '', beyond = ''] = epoch;
    return `${new Date(Number(seconds) * 1_000).toISOString().slice(0, 19)}${`${millis}${beyond}` === '' ? '' : `.${millis}${beyond}`}Z`;
  }

  let wall: Wall | null = null;
  let zone: string | undefined;
  const iso = ISO.exec(text);
  const dotted = DOTTED.exec(text);
  const slashed = SLASHED.exec(text);
  if (iso !== null) {
    const [, year, month, day, hour, minute, second, fraction, offset] = iso;
    zone = offset;
    wall = { year: num(year), month: num(month), day: num(day), ...toTime(hour, minute, second, fraction) };
  } else if (dotted !== null) {
    const [, day, month, year, hour, minute, second, fraction] = dotted;
    wall = { year: num(year), month: num(month), day: num(day), ...toTime(hour, minute, second, fraction) };
  } else if (slashed !== null) {
    const [, weekday, a, b, year, hour, minute, second, fraction] = slashed;
    wall = readSlashed(weekday, num(a), num(b), { year: num(year), ...toTime(hour, minute, second, fraction) });
  }
  if (wall === null || !isReal(wall)) return null;

  if (zone !== undefined) {
    if (/^z$/i.test(zone)) return `${wallText(wall)}Z`;
    const digits = zone.slice(1).replace(':', '').padEnd(4, '0');
    if (Number(digits.slice(0, 2)) > 23 || Number(digits.slice(2)) > 59) return null;
    return `${wallText(wall)}${zone.slice(0, 1)}${digits.slice(0, 2)}:${digits.slice(2)}`;
  }
  const format = formatOf(timeZone);
  if (format === null) return null;
  const wallMs = utcMs(wall.year, wall.month, wall.day, wall.hour, wall.minute, wall.second);
  return `${wallText(wall)}${offsetText(offsetOfWall(format, wallMs))}`;
}
