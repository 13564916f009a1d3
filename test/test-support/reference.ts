import type { PortalTruth, SandboxPortal } from '@civex/sandbox';
import { ZONES } from './test-hub.ts';

/*
 * What a filter means, written once more from the contract (SQL three-valued logic over the portal's own rows), so that
 * the hub's evaluator, planner and adapters are not judged by themselves.
 */

export interface Column {
  readonly name: string;
  readonly type: 'STRING' | 'INTEGER' | 'NUMBER' | 'BOOLEAN' | 'DATE' | 'DATETIME' | 'GEOMETRY' | 'JSON';
}
export type Row = Readonly<Record<string, unknown>>;

/** `FilterInput` of the contract. */
export type Filter =
  | { readonly and: readonly Filter[] }
  | { readonly or: readonly Filter[] }
  | { readonly not: Filter }
  | ({ readonly property: string } & Readonly<Record<string, unknown>>);

type Truth = boolean | null;

// ---------------------------------------------------------------- rows

const offsets = new Map<string, Intl.DateTimeFormat>();

/** Milliseconds a zone is ahead of UTC at an instant. */
function offsetAt(zone: string, epochMs: number): number {
  let format = offsets.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' });
    offsets.set(zone, format);
  }
  return Date.parse(`${format.format(epochMs).replace(' ', 'T')}Z`) - epochMs;
}

/** The earlier instant of a wall-clock time that occurs twice. No time of the sample data falls into a gap. */
function instantOfWall(wall: string, zone: string): number {
  const ms = Date.parse(`${wall}Z`);
  const [before, after] = [offsetAt(zone, ms - 86_400_000), offsetAt(zone, ms + 86_400_000)];
  return offsetAt(zone, ms - before) === before ? ms - before : ms - after;
}

/** As RFC 3339 in UTC; what is no time stays what it is. */
function toInstantText(value: unknown, zone: string): unknown {
  if (typeof value !== 'string') return value;
  const epochMs = /(Z|[+-]\d\d:?\d\d)$/i.test(value) ? Date.parse(value) : instantOfWall(value, zone);
  return Number.isNaN(epochMs) ? value : new Date(epochMs).toISOString();
}

function toPoint(value: unknown): unknown {
  if (typeof value === 'string') {
    const [lat, lon, ...rest] = value.split(',').map(Number);
    return rest.length === 0 && lat !== undefined && lon !== undefined && !Number.isNaN(lat + lon)
      ? { type: 'Point', coordinates: [lon, lat] }
      : null;
  }
  if (typeof value !== 'object' || value === null) return null;
  if ('lon' in value && 'lat' in value) return { type: 'Point', coordinates: [value.lon, value.lat] };
  if (Array.isArray(value)) return { type: 'Point', coordinates: [value[1], value[0]] };
  return null;
}

function toGeometry(value: unknown): unknown {
  if (typeof value === 'string' && value.startsWith('{')) return toGeometry(JSON.parse(value));
  if (typeof value === 'object' && value !== null && 'geometry' in value) return value.geometry;
  if (typeof value === 'object' && value !== null && 'coordinates' in value) return value;
  return toPoint(value);
}

function toHubValue(value: unknown, type: Column['type'], zone: string): unknown {
  if (value === null || value === undefined) return null;
  switch (type) {
    case 'STRING':
      return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean'
        ? String(value)
        : value;
    case 'INTEGER':
      return typeof value === 'string' && /^-?\d+$/.test(value)
        ? Number.isSafeInteger(Number(value))
          ? Number(value)
          : BigInt(value)
        : value;
    case 'NUMBER':
      return typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value) && value.replaceAll(/\D/g, '').length <= 15
        ? Number(value)
        : value;
    case 'DATETIME':
      return toInstantText(value, zone);
    case 'GEOMETRY':
      return toGeometry(value) ?? value;
    case 'BOOLEAN':
    case 'DATE':
    case 'JSON':
      return value;
  }
}

/** The portal's stored rows in the hub's words. */
export function toRows(portal: SandboxPortal, truth: PortalTruth, columns: readonly Column[]): readonly Row[] {
  const zone = ZONES[portal.id] ?? 'UTC';
  return (truth.records ?? []).map((record) =>
    Object.fromEntries(columns.map(({ name, type }) => [name, toHubValue(record[name], type, zone)])),
  );
}

// ---------------------------------------------------------------- comparing values

function byCodePoint(a: string, b: string): number {
  const [x, y] = [Array.from(a), Array.from(b)];
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const difference = (x[i]?.codePointAt(0) ?? 0) - (y[i]?.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return x.length - y.length;
}

/** Null: cannot be compared. Whole numbers beyond 2^53 may be texts of digits, as the hub writes them. */
function compare(a: unknown, b: unknown, type: Column['type']): number | null {
  if (a === null || b === null || a === undefined || b === undefined) return null;
  switch (type) {
    case 'STRING':
      return typeof a === 'string' && typeof b === 'string' ? byCodePoint(a, b) : null;
    case 'INTEGER': {
      const whole = (value: unknown): bigint | null =>
        typeof value === 'bigint'
          ? value
          : (typeof value === 'number' && Number.isInteger(value)) ||
              (typeof value === 'string' && /^-?\d+$/.test(value))
            ? BigInt(value)
            : null;
      const [x, y] = [whole(a), whole(b)];
      return x === null || y === null ? null : x < y ? -1 : x > y ? 1 : 0;
    }
    case 'NUMBER':
      return typeof a === 'number' && typeof b === 'number' ? a - b : null;
    case 'BOOLEAN':
      return typeof a === 'boolean' && typeof b === 'boolean' ? Number(a) - Number(b) : null;
    case 'DATE': {
      const day = (value: unknown): string | null =>
        typeof value === 'string' && /^\d{4}(-\d\d(-\d\d)?)?$/.test(value) ? `${value}-01-01`.slice(0, 10) : null;
      const [x, y] = [day(a), day(b)];
      return x === null || y === null ? null : x < y ? -1 : x > y ? 1 : 0;
    }
    case 'DATETIME': {
      const difference = typeof a === 'string' && typeof b === 'string' ? Date.parse(a) - Date.parse(b) : Number.NaN;
      return Number.isNaN(difference) ? null : difference;
    }
    case 'GEOMETRY':
    case 'JSON':
      return null;
  }
}

function isLike(text: string, pattern: string): boolean {
  let source = '';
  let isEscaped = false;
  for (const character of pattern) {
    if (isEscaped || !'%_\\'.includes(character)) {
      source += character.replaceAll(/[\\^$.*+?()[\]{}|/]/gu, '\\$&');
      isEscaped = false;
    } else if (character === '\\') isEscaped = true;
    else source += character === '%' ? '[^]*' : '[^]';
  }
  return new RegExp(`^${source}$`, 'u').test(text);
}

const pointOf = (value: unknown): readonly [number, number] | null =>
  typeof value === 'object' && value !== null && 'type' in value && value.type === 'Point' && 'coordinates' in value
    ? (value.coordinates as [number, number])
    : null;

/** Great-circle distance on the sphere, metres. */
export function metresBetween(
  [lon1, lat1]: readonly [number, number],
  [lon2, lat2]: readonly [number, number],
): number {
  const rad = Math.PI / 180;
  const h =
    Math.sin(((lat2 - lat1) * rad) / 2) ** 2 +
    Math.cos(lat1 * rad) * Math.cos(lat2 * rad) * Math.sin(((lon2 - lon1) * rad) / 2) ** 2;
  return 2 * 6_371_008.8 * Math.asin(Math.sqrt(h));
}

// ---------------------------------------------------------------- deciding filters

function decideOperator(value: unknown, operator: string, operand: unknown, type: Column['type']): Truth {
  const test = (holds: (order: number) => boolean): Truth => {
    const order = compare(value, operand, type);
    return order === null ? null : holds(order);
  };
  switch (operator) {
    case 'isNull':
      return (value === null) === operand;
    case 'eq':
      return test((order) => order === 0);
    case 'ne':
      return test((order) => order !== 0);
    case 'lt':
      return test((order) => order < 0);
    case 'lte':
      return test((order) => order <= 0);
    case 'gt':
      return test((order) => order > 0);
    case 'gte':
      return test((order) => order >= 0);
    case 'in': {
      const orders = (operand as readonly unknown[]).map((one) => compare(value, one, type));
      return orders.includes(0) ? true : orders.includes(null) ? null : false;
    }
    case 'between': {
      const [low, high] = operand as readonly [unknown, unknown];
      const [a, b] = [compare(value, low, type), compare(value, high, type)];
      return a === null || b === null ? null : a >= 0 && b <= 0;
    }
    case 'like':
      return typeof value === 'string' ? isLike(value, operand as string) : null;
    case 'bbox': {
      const point = pointOf(value);
      const [west, south, east, north] = operand as readonly [number, number, number, number];
      return point === null ? null : point[0] >= west && point[0] <= east && point[1] >= south && point[1] <= north;
    }
    case 'withinMetres': {
      const point = pointOf(value);
      const { lon, lat, metres } = operand as { lon: number; lat: number; metres: number };
      return point === null ? null : metresBetween(point, [lon, lat]) <= metres;
    }
    default:
      throw new RangeError(`the reference does not know ${operator}`);
  }
}

export function decide(filter: Filter, row: Row, columns: readonly Column[]): Truth {
  if ('and' in filter || 'or' in filter) {
    const [parts, decisive] =
      'and' in filter ? [filter.and as readonly Filter[], false] : [filter.or as readonly Filter[], true];
    const truths = parts.map((part) => decide(part, row, columns));
    return truths.includes(decisive) ? decisive : truths.includes(null) ? null : !decisive;
  }
  if ('not' in filter) {
    const truth = decide(filter.not as Filter, row, columns);
    return truth === null ? null : !truth;
  }
  const { property, ...operators } = filter;
  const [[operator, operand] = ['', null]] = Object.entries(operators);
  const type = columns.find(({ name }) => name === property)?.type ?? 'JSON';
  return decideOperator(row[property as string] ?? null, operator, operand, type);
}

export interface Sort {
  readonly property: string;
  readonly direction: 'ASC' | 'DESC';
}

/** What the sort keys alone say of two rows: nulls last in both directions. */
export function compareRows(a: Row, b: Row, sort: readonly Sort[], columns: readonly Column[]): number {
  for (const { property, direction } of sort) {
    const type = columns.find(({ name }) => name === property)?.type ?? 'JSON';
    const [x, y] = [a[property], b[property]];
    const [xIsLast, yIsLast] = [compare(x, x, type) === null, compare(y, y, type) === null];
    if (xIsLast !== yIsLast) return xIsLast ? 1 : -1;
    const order = xIsLast ? 0 : (compare(x, y, type) ?? 0);
    if (order !== 0) return direction === 'ASC' ? order : -order;
  }
  return 0;
}

/** One spelling of a row, whoever wrote it: big integers as digits, times in UTC, members of objects sorted. */
export function canonicalRow(row: Row, columns: readonly Column[]): string {
  const canonical = (value: unknown): unknown => {
    if (typeof value === 'bigint') return value.toString();
    if (Array.isArray(value)) return value.map(canonical);
    if (typeof value === 'object' && value !== null)
      return Object.entries(value)
        .map(([key, part]) => [key, canonical(part)] as const)
        .sort(([a], [b]) => (a < b ? -1 : 1));
    return value;
  };
  return JSON.stringify(
    columns.map(({ name, type }) => {
      const value = row[name] ?? null;
      return canonical(type === 'DATETIME' ? toInstantText(value, 'UTC') : value);
    }),
  );
}
