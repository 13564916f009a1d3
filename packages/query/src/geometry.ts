import { booleanIntersects } from '@turf/boolean-intersects';
import { booleanPointInPolygon } from '@turf/boolean-point-in-polygon';
import { distance } from '@turf/distance';
import { flattenEach } from '@turf/meta';
import { pointToLineDistance } from '@turf/point-to-line-distance';
import { polygonToLine } from '@turf/polygon-to-line';
import type { Bbox, Geometry } from '@civex/model';
import type { Feature, Geometry as GeoJsonGeometry, LineString, MultiLineString } from 'geojson';

/** Our geometries are checked for shape on entry (`isGeometryObject`), so the wider GeoJSON type is safe here. */
const asGeoJson = (geometry: Geometry): GeoJsonGeometry => geometry as GeoJsonGeometry;

/** The box as a geometry of its own dimension: a polygon without area meets nothing in turf but what has a corner on it. */
function toBoxGeometry(west: number, south: number, east: number, north: number): GeoJsonGeometry {
  if (west === east && south === north) return { type: 'Point', coordinates: [west, south] };
  if (west === east || south === north)
    return {
      type: 'LineString',
      coordinates: [
        [west, south],
        [east, north],
      ],
    };
  return {
    type: 'Polygon',
    coordinates: [
      [
        [west, south],
        [east, south],
        [east, north],
        [west, north],
        [west, south],
      ],
    ],
  };
}

/** True when the two share a point. Planar in degrees, as RFC 7946 draws its lines. */
export function geometriesIntersect(a: Geometry, b: Geometry): boolean {
  return booleanIntersects(asGeoJson(a), asGeoJson(b));
}

/** True when the geometry shares a point with the box, edges included. */
export function geometryIntersectsBbox(geometry: Geometry, [west, south, east, north]: Bbox): boolean {
  if (west > east)
    return (
      geometryIntersectsBbox(geometry, [west, south, 180, north]) ||
      geometryIntersectsBbox(geometry, [-180, south, east, north])
    );
  if (geometry.type === 'Point') {
    const [lon, lat] = geometry.coordinates as [number, number];
    return lon >= west && lon <= east && lat >= south && lat <= north;
  }
  return booleanIntersects(asGeoJson(geometry), toBoxGeometry(west, south, east, north));
}

/** True when the geometry comes within the distance of the point, on a sphere of 6,371,008.8 m. */
export function isWithinMetres(
  geometry: Geometry,
  near: { readonly lon: number; readonly lat: number; readonly metres: number },
): boolean {
  const point = [near.lon, near.lat];
  let within = false;
  flattenEach(asGeoJson(geometry), (feature) => {
    if (within) return false;
    const part = feature.geometry;
    let metres = Infinity;
    if (part.type === 'Point') metres = distance(point, part, { units: 'meters' });
    else if (part.type === 'LineString') metres = pointToLineDistance(point, part, { units: 'meters' });
    else if (part.type === 'Polygon') {
      if (booleanPointInPolygon(point, part)) metres = 0;
      else {
        const rings = polygonToLine(part) as Feature<LineString | MultiLineString>;
        flattenEach(rings, (ring) => {
          metres = Math.min(metres, pointToLineDistance(point, ring as Feature<LineString>, { units: 'meters' }));
        });
      }
    }
    if (metres <= near.metres) within = true;
    return undefined;
  });
  return within;
}

const DEPTH: Readonly<Record<string, number>> = {
  Point: 0,
  MultiPoint: 1,
  LineString: 1,
  MultiLineString: 2,
  Polygon: 2,
  MultiPolygon: 3,
};

function isPosition(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.length >= 2 &&
    value.length <= 4 &&
    value.every((part) => typeof part === 'number' && Number.isFinite(part)) &&
    Math.abs(value[0]) <= 180 &&
    Math.abs(value[1]) <= 90
  );
}

interface Budget {
  left: number;
}

function hasPositions(value: unknown, depth: number, budget: Budget): boolean {
  if (--budget.left < 0) return false;
  if (depth === 0) return isPosition(value);
  return Array.isArray(value) && value.length > 0 && value.every((part) => hasPositions(part, depth - 1, budget));
}

const isRing = (ring: readonly unknown[]): boolean => {
  const [first] = ring;
  const last = ring.at(-1);
  return (
    ring.length >= 4 &&
    Array.isArray(first) &&
    Array.isArray(last) &&
    first.length === last.length &&
    first.every((part, index) => part === last[index])
  );
};

/** The lines and rings of coordinates whose nesting has been checked. */
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

function isLawful(value: unknown, budget: Budget, depth: number): value is Geometry {
  if (typeof value !== 'object' || value === null || !('type' in value) || typeof value.type !== 'string') return false;
  if (value.type === 'GeometryCollection') {
    const parts: unknown = 'geometries' in value ? value.geometries : undefined;
    return (
      depth > 0 &&
      Array.isArray(parts) &&
      parts.length > 0 &&
      parts.every((part) => --budget.left >= 0 && isLawful(part, budget, depth - 1))
    );
  }
  const levels = Object.hasOwn(DEPTH, value.type) ? DEPTH[value.type] : undefined;
  if (levels === undefined || !('coordinates' in value)) return false;
  return hasPositions(value.coordinates, levels, budget) && hasLawfulLines(value.type, value.coordinates);
}

/**
 * True for an RFC 7946 geometry in degrees: lines of two positions or more, rings of four or more that close.
 * `maxPositions` bounds positions and lists together, over the whole geometry; collections nest 4 deep at most.
 */
export function isGeometryObject(value: unknown, maxPositions: number): value is Geometry {
  return isLawful(value, { left: maxPositions }, 4);
}

/** True for a geometry of a record, whose size was bounded on its way in; collections nest 64 deep at most. */
export function isGeometryValue(value: unknown): value is Geometry {
  return isLawful(value, { left: Number.MAX_SAFE_INTEGER }, 64);
}
