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

const boxPolygon = (west: number, south: number, east: number, north: number): GeoJsonGeometry => ({
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
});

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
  return booleanIntersects(asGeoJson(geometry), boxPolygon(west, south, east, north));
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

function hasPositions(value: unknown, depth: number, budget: { left: number }): boolean {
  if (--budget.left < 0) return false;
  if (depth === 0) return isPosition(value);
  return Array.isArray(value) && value.length > 0 && value.every((part) => hasPositions(part, depth - 1, budget));
}

/** True for an RFC 7946 geometry in degrees. `maxPositions` bounds its size; collections nest 4 deep at most. */
export function isGeometryObject(value: unknown, maxPositions: number, depth = 4): value is Geometry {
  if (typeof value !== 'object' || value === null || !('type' in value) || typeof value.type !== 'string') return false;
  if (value.type === 'GeometryCollection') {
    const parts: unknown = 'geometries' in value ? value.geometries : undefined;
    return (
      depth > 0 &&
      Array.isArray(parts) &&
      parts.length > 0 &&
      parts.length <= maxPositions &&
      parts.every((part) => isGeometryObject(part, maxPositions, depth - 1))
    );
  }
  const levels = Object.hasOwn(DEPTH, value.type) ? DEPTH[value.type] : undefined;
  if (levels === undefined || !('coordinates' in value)) return false;
  if (!hasPositions(value.coordinates, levels, { left: maxPositions })) return false;
  if (value.type === 'LineString') return (value.coordinates as unknown[]).length >= 2;
  const polygons = value.type === 'Polygon' ? [value.coordinates] : value.type === 'MultiPolygon' ? value.coordinates : [];
  return (polygons as unknown[][][]).every((rings) => rings.every((ring) => ring.length >= 4));
}
