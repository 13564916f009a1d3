import type { HubRecord, QueryableType, RecordValue } from '@civex/model';
import type { AggregateInput, GroupByInput, MeasureInput } from '@civex/query';
import { COLUMNS } from './fake-source.ts';

// A second implementation of aggregates, which shares no code with the one it is held against: numbers are whole
// multiples of 10^-450, times are looked up on a grid of quarter hours, groups are lists that are searched.

const UNIT = 450n;
const typeOf = (property: string): QueryableType => COLUMNS.find(([name]) => name === property)![1];

/** A number as a multiple of 10^-450, from its digits; null when it is none. */
function toUnits(value: RecordValue, type: QueryableType): bigint | null {
  if (typeof value === 'bigint') return value * 10n ** UNIT;
  if (typeof value === 'number' && !Number.isFinite(value)) return null;
  if (typeof value !== 'number' && !(typeof value === 'string' && type === 'NUMBER')) return null;
  const match = /^(-?)([0-9]+)(?:[.]([0-9]+))?(?:e([+-]?[0-9]+))?$/.exec(String(value));
  if (match === null) return null;
  const [, sign, whole = '', fraction = '', exponent = '0'] = match;
  const units = BigInt(whole + fraction) * 10n ** (UNIT + BigInt(exponent) - BigInt(fraction.length));
  return sign === '-' ? -units : units;
}

function unitsToText(units: bigint): string {
  const digits = (units < 0n ? -units : units).toString().padStart(Number(UNIT) + 1, '0');
  const whole = digits.slice(0, -Number(UNIT));
  const fraction = digits.slice(-Number(UNIT)).replace(/0+$/, '');
  return `${units < 0n ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`;
}

function present(units: bigint, type: QueryableType | null): number | string {
  const text = unitsToText(units);
  const number = Number(text);
  if (type === 'INTEGER' && !text.includes('.')) return Number.isSafeInteger(number) ? number : text;
  return toUnits(number, 'NUMBER') === units ? number : text;
}

/** Every double is a whole number of 2^-1074. */
function toBits(value: number): bigint {
  const bits = new BigUint64Array(Float64Array.of(Math.abs(value)).buffer)[0]!;
  const exponent = bits >> 52n;
  const fraction = bits & ((1n << 52n) - 1n);
  const magnitude = exponent === 0n ? fraction : (fraction | (1n << 52n)) << (exponent - 1n);
  return value < 0 ? -magnitude : magnitude;
}

const magnitudeOf = (value: bigint): bigint => (value < 0n ? -value : value);

/** The double nearest to units / count, by trying the neighbours of a guess. */
function nearestDouble(units: bigint, count: number): number {
  const divisor = 10n ** UNIT * BigInt(count);
  const isEven = (value: number): boolean => new BigUint64Array(Float64Array.of(value).buffer)[0]! % 2n === 0n;
  const distance = (value: number): bigint => magnitudeOf(toBits(value) * divisor - (units << 1_074n));
  const guess = Number(unitsToText(units / BigInt(count)));
  const bits = new BigInt64Array(Float64Array.of(Math.abs(guess)).buffer)[0]!;
  const candidates = [-2n, -1n, 0n, 1n, 2n]
    .filter((step) => bits + step >= 0n)
    .map((step) => new Float64Array(BigInt64Array.of(bits + step).buffer)[0]! * (units < 0n ? -1 : 1))
    .filter(Number.isFinite);
  let best = candidates[0]!;
  for (const candidate of candidates) {
    const difference = distance(candidate) - distance(best);
    if (difference < 0n || (difference === 0n && isEven(candidate))) best = candidate;
  }
  return best + 0;
}

/** units / count to 34 significant digits, half to even, by long division. */
function roundedTo34(units: bigint, count: number): bigint {
  const fine = 10n ** 80n;
  const quotient = (magnitudeOf(units) * fine) / BigInt(count);
  const isCut = (magnitudeOf(units) * fine) % BigInt(count) !== 0n;
  const digits = quotient.toString();
  if (digits.length <= 34) return units / BigInt(count);
  const step = 10n ** BigInt(digits.length - 34);
  const rest = quotient % step;
  let kept = quotient / step;
  const isAbove = rest * 2n > step || (rest * 2n === step && (isCut || kept % 2n === 1n));
  if (isAbove) kept++;
  const rounded = (kept * step) / fine;
  return units < 0n ? -rounded : rounded;
}

const INSTANT = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))$/;

/** Picoseconds since 1970. */
function toPicoseconds(value: RecordValue): bigint | null {
  const match = typeof value === 'string' ? INSTANT.exec(value) : null;
  if (match === null) return null;
  const [, year, month, day, hour, minute, second, fraction = '', sign = '+', hours = '0', minutes = '0'] = match;
  const shift = (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? 60_000 : -60_000);
  const ms =
    Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second)) + shift;
  return BigInt(ms) * 10n ** 9n + BigInt(fraction.slice(0, 12).padEnd(12, '0'));
}

function picosecondsToText(picoseconds: bigint): string {
  const second = ((picoseconds % 10n ** 12n) + 10n ** 12n) % 10n ** 12n;
  const ms = Number((picoseconds - second) / 10n ** 9n);
  const fraction = second.toString().padStart(12, '0').replace(/0+$/, '');
  return `${new Date(ms).toISOString().slice(0, 19)}${fraction === '' ? '' : `.${fraction}`}Z`;
}

const QUARTER_MS = 900_000;
const formats = new Map<string, Intl.DateTimeFormat>();
const walls = new Map<string, { readonly text: string; readonly offset: string }>();

/** What clocks of the zone show: `2024-03-31 03:00:00`, and their offset in words. */
function wallAt(ms: number, timeZone: string): { readonly text: string; readonly offset: string } {
  const known = walls.get(`${ms} ${timeZone}`);
  if (known !== undefined) return known;
  let format = formats.get(timeZone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('sv-SE', {
      timeZone,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      timeZoneName: 'longOffset',
    });
    formats.set(timeZone, format);
  }
  const [, date = '', time = '', offset = ''] = /^(\S+) (\S+) (\S+)$/.exec(format.format(ms))!;
  const wall = { text: `${date} ${time}`, offset };
  walls.set(`${ms} ${timeZone}`, wall);
  return wall;
}

const MONTHS = { YEAR: 12, QUARTER: 3, MONTH: 1 } as const;

/** The first day of the unit a day lies in, counting days and months one by one. */
function firstDay(day: string, every: Exclude<GroupByInput['every'], null | undefined | 'HOUR'>): string {
  if (every === 'DAY') return day;
  if (every === 'WEEK') {
    const date = new Date(`${day}T00:00:00Z`);
    while (date.getUTCDay() !== 1) date.setUTCDate(date.getUTCDate() - 1);
    return date.toISOString().slice(0, 10);
  }
  let [year, month] = [day.slice(0, 4), Number(day.slice(5, 7))];
  while ((month - 1) % MONTHS[every] !== 0) month--;
  return `${year}-${String(month).padStart(2, '0')}-01`;
}

/** Epoch milliseconds of the unit's first quarter hour. */
function unitStart(ms: number, every: NonNullable<GroupByInput['every']>, timeZone: string): number {
  const quarter = Math.floor(ms / QUARTER_MS) * QUARTER_MS;
  const own = wallAt(quarter, timeZone);
  if (every === 'HOUR') {
    let start = quarter;
    for (let back = quarter; back >= quarter - 3_600_000; back -= QUARTER_MS) {
      const wall = wallAt(back, timeZone);
      if (wall.offset !== own.offset || wall.text.slice(0, 13) !== own.text.slice(0, 13)) break;
      start = back;
    }
    return start;
  }
  const day = firstDay(own.text.slice(0, 10), every);
  const noon = Date.parse(`${day}T12:00:00Z`);
  for (let at = noon - 30 * 3_600_000; at <= noon + 30 * 3_600_000; at += QUARTER_MS)
    if (wallAt(at, timeZone).text.startsWith(day)) return at;
  throw new Error(`no such day: ${day} in ${timeZone}`);
}

/** As the zone's clocks show it, with their offset. */
function startText(ms: number, timeZone: string): string {
  const { text, offset } = wallAt(ms, timeZone);
  const [, sign = '+', hours = '00', minutes = '00'] = /^GMT(?:([+-−])(\d\d):(\d\d))?$/u.exec(offset) ?? [];
  const zone = hours === '00' && minutes === '00' ? 'Z' : `${sign === '+' ? '+' : '-'}${hours}:${minutes}`;
  return `${text.replace(' ', 'T')}${zone}`;
}

/** A value of a key: `order` tells it apart and orders it. */
interface Key {
  readonly order: bigint | string | null;
  readonly shown: RecordValue;
}
const NULL_KEY: Key = { order: null, shown: null };

const isDay = (text: string): boolean =>
  new Date(`${text}T00:00:00Z`).getTime() > -1e16 && new Date(`${text}T00:00:00Z`).toISOString().startsWith(text);

function toKey(value: RecordValue, type: QueryableType, every: GroupByInput['every'], timeZone: string): Key {
  switch (type) {
    case 'STRING':
      return typeof value === 'string' ? { order: value, shown: value } : NULL_KEY;
    case 'BOOLEAN':
      return typeof value === 'boolean' ? { order: value ? 1n : 0n, shown: value } : NULL_KEY;
    case 'INTEGER':
    case 'NUMBER': {
      const units = toUnits(value, type);
      return units === null ? NULL_KEY : { order: units, shown: present(units, type) };
    }
    case 'DATE': {
      const match = typeof value === 'string' ? /^(\d{4})(-\d\d)?(-\d\d)?$/.exec(value) : null;
      if (match === null) return NULL_KEY;
      const day = `${match[1]}${match[2] ?? '-01'}${match[3] ?? '-01'}`;
      if (every == null) return { order: day, shown: day };
      if (every === 'HOUR' || !isDay(day)) return NULL_KEY;
      const first = firstDay(day, every);
      return { order: first, shown: first };
    }
    case 'DATETIME': {
      const at = toPicoseconds(value);
      if (at === null) return NULL_KEY;
      if (every == null) return { order: at, shown: picosecondsToText(at) };
      const rest = ((at % 10n ** 9n) + 10n ** 9n) % 10n ** 9n;
      const start = unitStart(Number((at - rest) / 10n ** 9n), every, timeZone);
      return { order: BigInt(start), shown: startText(start, timeZone) };
    }
    case 'GEOMETRY':
    case 'JSON':
      return NULL_KEY;
  }
}

const codePoints = (text: string): readonly number[] => Array.from(text, (character) => character.codePointAt(0) ?? 0);

function compareKeys(a: Key, b: Key, direction: 'ASC' | 'DESC'): number {
  if (a.order === null || b.order === null) return a.order === b.order ? 0 : a.order === null ? 1 : -1;
  let order: number;
  if (typeof a.order === 'string' && typeof b.order === 'string') {
    const [x, y] = [codePoints(a.order), codePoints(b.order)];
    const place = [...x, -1].findIndex((part, index) => part !== (y[index] ?? -1));
    order = place < 0 ? 0 : (x[place] ?? -1) - (y[place] ?? -1);
  } else order = a.order < b.order ? -1 : a.order > b.order ? 1 : 0;
  return direction === 'ASC' ? order : -order;
}

function measure({ op, property }: MeasureInput, rows: readonly HubRecord[]): Key {
  const whole = (count: number): Key => ({ order: BigInt(count), shown: count });
  if (property == null) return whole(rows.length);
  const type = typeOf(property);
  const values = rows.map(({ values: own }) => own[property] ?? null).filter((value) => value !== null);
  if (op === 'COUNT') return whole(values.length);
  const keys = values.map((value) => toKey(value, type, null, 'UTC')).filter(({ order }) => order !== null);
  if (op === 'COUNT_DISTINCT') return whole(new Set(keys.map(({ order }) => order)).size);
  const sorted = keys.toSorted((a, b) => compareKeys(a, b, 'ASC'));
  if (op === 'MIN') return sorted[0] ?? NULL_KEY;
  if (op === 'MAX') return sorted.at(-1) ?? NULL_KEY;
  if (keys.length === 0) return NULL_KEY;
  const total = values.reduce<bigint>((sum, value) => sum + (toUnits(value, type) ?? 0n), 0n);
  if (op === 'SUM') return { order: total, shown: present(total, type) };
  const isWide = values.some((value) => typeof value !== 'number' && toUnits(value, type) !== null);
  if (isWide) {
    const average = roundedTo34(total, keys.length);
    return { order: average, shown: present(average, null) };
  }
  const average = nearestDouble(total, keys.length);
  return { order: toUnits(average, 'NUMBER'), shown: average };
}

export interface ReferenceGroup {
  readonly key: Readonly<Record<string, RecordValue>>;
  readonly measures: Readonly<Record<string, RecordValue>>;
}

/** Every group of the rows, in the asked order. */
export function referenceAggregate(
  rows: readonly HubRecord[],
  { groupBy, measures, sortBy }: AggregateInput,
): readonly ReferenceGroup[] {
  const groups: { readonly keys: readonly Key[]; readonly rows: HubRecord[] }[] = [];
  if (groupBy.length === 0) groups.push({ keys: [], rows: [...rows] });
  else
    for (const row of rows) {
      const keys = groupBy.map(({ property, every, timeZone }) =>
        toKey(row.values[property] ?? null, typeOf(property), every, timeZone ?? 'UTC'),
      );
      const group = groups.find((known) => known.keys.every(({ order }, index) => order === keys[index]!.order));
      if (group === undefined) groups.push({ keys, rows: [row] });
      else group.rows.push(row);
    }
  const measured = groups.map((group) => ({
    keys: group.keys,
    results: measures.map((asked) => measure(asked, group.rows)),
  }));
  const placeOf = (name: string): readonly ['keys' | 'results', number] => {
    const key = groupBy.findIndex(({ property }) => property === name);
    return key >= 0 ? ['keys', key] : ['results', measures.findIndex(({ as }) => as === name)];
  };
  const orders = [
    ...sortBy.map(({ property, direction }) => ({ place: placeOf(property), direction })),
    ...groupBy.map((_, index) => ({ place: ['keys', index] as const, direction: 'ASC' as const })),
  ];
  measured.sort((a, b) => {
    for (const { place, direction } of orders) {
      const order = compareKeys(a[place[0]][place[1]]!, b[place[0]][place[1]]!, direction);
      if (order !== 0) return order;
    }
    return 0;
  });
  return measured.map(({ keys, results }) => ({
    key: Object.fromEntries(groupBy.map(({ property }, index) => [property, keys[index]!.shown])),
    measures: Object.fromEntries(measures.map(({ as }, index) => [as, results[index]!.shown])),
  }));
}
