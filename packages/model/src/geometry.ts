import { parseJsonLossless } from './json.ts';
import type { Bbox, Geometry } from './model.ts';

/** Levels of collections, and of arrays inside coordinates, that are looked into. */
const DEEPEST = 64;

/** Array levels of `coordinates` above a position. */
const LEVELS: Readonly<Record<string, number>> = {
  Point: 0,
  MultiPoint: 1,
  LineString: 1,
  MultiLineString: 2,
  Polygon: 2,
  MultiPolygon: 3,
};

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isLon = (value: unknown): value is number => typeof value === 'number' && Math.abs(value) <= 180;
const isLat = (value: unknown): value is number => typeof value === 'number' && Math.abs(value) <= 90;

const isPosition = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.length >= 2 &&
  value.length <= 4 &&
  isLon(value[0]) &&
  isLat(value[1]) &&
  value.every((part) => typeof part === 'number' && Number.isFinite(part));

function hasPositions(value: unknown, levels: number): boolean {
  if (levels === 0) return isPosition(value);
  return Array.isArray(value) && value.length > 0 && value.every((part) => hasPositions(part, levels - 1));
}

const isRing = (ring: readonly unknown[]): boolean => {
  const first: unknown = ring[0];
  const last: unknown = ring.at(-1);
  return (
    ring.length >= 4 &&
    Array.isArray(first) &&
    Array.isArray(last) &&
    first.length === last.length &&
    first.every((part, index) => part === last[index])
  );
};

/** `coordinates` has been proven to be arrays of positions of the type's depth. */
function hasLawfulLines(type: string, coordinates: unknown): boolean {
  switch (type) {
    case 'LineString':
      return (coordinates as readonly unknown[]).length >= 2;
    case 'MultiLineString':
      return (coordinates as readonly (readonly unknown[])[]).every((line) => line.length >= 2);
    case 'Polygon':
      return (coordinates as readonly (readonly unknown[])[]).every(isRing);
    case 'MultiPolygon':
      return (coordinates as readonly (readonly (readonly unknown[])[])[]).every((rings) => rings.every(isRing));
    default:
      return true;
  }
}

function readGeometry(value: unknown, depth: number): Geometry | null {
  if (depth > DEEPEST || !isObject(value) || typeof value['type'] !== 'string') return null;
  const { type, coordinates, geometries } = value;
  if (type === 'GeometryCollection') {
    if (!Array.isArray(geometries) || geometries.length === 0) return null;
    const parts = geometries.map((part) => readGeometry(part, depth + 1));
    return parts.every((part) => part !== null) ? { type, geometries: parts } : null;
  }
  const levels = typeof type === 'string' && Object.hasOwn(LEVELS, type) ? LEVELS[type] : undefined;
  if (typeof type !== 'string' || levels === undefined || !hasPositions(coordinates, levels)) return null;
  return hasLawfulLines(type, coordinates) ? { type, coordinates } : null;
}

const NUMBER = /^[+-]?(\d{1,20}(\.\d{0,40})?|\.\d{1,40})$/;

/** A number, also written as text: old Opendatasoft records have `"lon": "-99.18675199999999847"`. */
function toNumber(value: unknown): number | null {
  if (typeof value === 'number') return value;
  return typeof value === 'string' && NUMBER.test(value.trim()) ? Number(value) : null;
}

function toPoint(lon: unknown, lat: unknown): Geometry | null {
  const x = toNumber(lon);
  const y = toNumber(lat);
  return isLon(x) && isLat(y) ? { type: 'Point', coordinates: [x, y] } : null;
}

/**
 * A portal's spatial value as an RFC 7946 geometry in degrees: a geometry, a Feature (its geometry), `{ lon, lat }`, or
 * the JSON text of one of these. Members other than `type`, `coordinates` and `geometries` are left behind. Null for
 * anything else: out of degrees, open rings, empty, deeper than 64 levels, and pairs of bare numbers, whose order this
 * function cannot know (`latLonToPoint`). Never throws.
 */
export function toGeometry(value: unknown): Geometry | null {
  if (typeof value === 'string') {
    if (!/^\s*\{/.test(value)) return null;
    let parsed: unknown;
    try {
      parsed = parseJsonLossless(value);
    } catch (error) {
      // The only error it has: the text is no JSON.
      if (error instanceof SyntaxError) return null;
      throw error;
    }
    return typeof parsed === 'string' ? null : toGeometry(parsed);
  }
  if (!isObject(value)) return null;
  if (value['type'] === 'Feature') return readGeometry(value['geometry'], 0);
  if ('type' in value) return readGeometry(value, 0);
  return toPoint(value['lon'], value['lat']);
}

/**
 * A pair written latitude first, `[lat, lon]` or the text "lat, lon" (Opendatasoft's `geo_point_2d`), as a Point. Null
 * when it is none, or out of degrees. Only for fields known to be in this order. Never throws.
 */
export function latLonToPoint(value: unknown): Geometry | null {
  const pair: unknown = typeof value === 'string' ? value.trim().split(/\s*,\s*|\s+/) : value;
  return Array.isArray(pair) && pair.length === 2 ? toPoint(pair[1], pair[0]) : null;
}

/**
 * The smallest box, edges on the least and greatest coordinates, that holds the geometry. A geometry on both sides of
 * the antimeridian gets the long way round: a box that holds it, wider than it need be. Null when there is no position,
 * or one is out of degrees, or the nesting is deeper than 64 levels. Never throws.
 */
export function bboxOf(geometry: Geometry): Bbox | null {
  let west = Infinity;
  let south = Infinity;
  let east = -Infinity;
  let north = -Infinity;
  const take = (value: unknown, depth: number): boolean => {
    if (depth > DEEPEST || !Array.isArray(value)) return false;
    if (typeof value[0] !== 'number') return value.every((part) => take(part, depth + 1));
    const [lon, lat]: readonly unknown[] = value;
    if (!isLon(lon) || !isLat(lat)) return false;
    west = Math.min(west, lon);
    east = Math.max(east, lon);
    south = Math.min(south, lat);
    north = Math.max(north, lat);
    return true;
  };
  const takeGeometry = ({ type, coordinates, geometries }: Geometry, depth: number): boolean => {
    if (depth > DEEPEST) return false;
    if (type === 'GeometryCollection') return geometries?.every((part) => takeGeometry(part, depth + 1)) ?? false;
    return take(coordinates, 0);
  };
  return takeGeometry(geometry, 0) && west <= east ? [west, south, east, north] : null;
}
