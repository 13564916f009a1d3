/** Plane geometry on lon lat degrees, boundaries included. Written for the stand-ins alone. */

export type Position = readonly [number, number];
export interface Shape {
  readonly points: readonly Position[];
  readonly lines: readonly (readonly Position[])[];
  /** Each polygon is its rings, the outer one first. */
  readonly polygons: readonly (readonly (readonly Position[])[])[];
}

/** Metres. The mean radius spherical geometry is computed with. */
const EARTH_RADIUS_METRES = 6_371_008.8;

const isNumberPair = (value: unknown): value is Position =>
  Array.isArray(value) && value.length >= 2 && typeof value[0] === 'number' && typeof value[1] === 'number';
const isPositionList = (value: unknown): value is Position[] => Array.isArray(value) && value.every(isNumberPair);
const isRingList = (value: unknown): value is Position[][] => Array.isArray(value) && value.every(isPositionList);
const isPolygonList = (value: unknown): value is Position[][][] => Array.isArray(value) && value.every(isRingList);

/** Reads a GeoJSON geometry or Feature. Null when it is neither or has no geometry. */
export function toShape(value: unknown): Shape | null {
  if (typeof value !== 'object' || value === null) return null;
  const { type, coordinates, geometry, geometries, lon, lat } = value as Readonly<Record<string, unknown>>;
  const empty: Shape = { points: [], lines: [], polygons: [] };
  if (typeof lon === 'number' && typeof lat === 'number') return { ...empty, points: [[lon, lat]] };
  switch (type) {
    case 'Feature':
      return toShape(geometry);
    case 'Point':
      return isNumberPair(coordinates) ? { ...empty, points: [coordinates] } : null;
    case 'MultiPoint':
      return isPositionList(coordinates) ? { ...empty, points: coordinates } : null;
    case 'LineString':
      return isPositionList(coordinates) ? { ...empty, lines: [coordinates] } : null;
    case 'MultiLineString':
      return isRingList(coordinates) ? { ...empty, lines: coordinates } : null;
    case 'Polygon':
      return isRingList(coordinates) && coordinates.length > 0 ? { ...empty, polygons: [coordinates] } : null;
    case 'MultiPolygon':
      return isPolygonList(coordinates) ? { ...empty, polygons: coordinates } : null;
    case 'GeometryCollection': {
      if (!Array.isArray(geometries)) return null;
      const parts = geometries.map(toShape);
      return parts.every((part) => part !== null)
        ? {
            points: parts.flatMap((part) => part.points),
            lines: parts.flatMap((part) => part.lines),
            polygons: parts.flatMap((part) => part.polygons),
          }
        : null;
    }
    default:
      return null;
  }
}

const WKT = /^\s*(multi)?(point|linestring|polygon)\s*(\(.*\))\s*$/is;

/** Reads two-dimensional WKT, lon before lat. Null for anything else, WKB included. */
export function parseWkt(text: string): Shape | null {
  const match = WKT.exec(text);
  if (match === null) return null;
  const multi = match[1] !== undefined;
  const kind = (match[2] ?? '').toLowerCase();
  // The nesting of WKT becomes the nesting of GeoJSON once every "x y" is a pair.
  const numbers = /(-?\d+(?:\.\d+)?)\s+(-?\d+(?:\.\d+)?)/g;
  const nested = (match[3] ?? '').replace(numbers, '[$1,$2]').replace(/\(/g, '[').replace(/\)/g, ']');
  let value: unknown;
  try {
    value = JSON.parse(nested);
  } catch {
    return null;
  }
  if (!Array.isArray(value)) return null;
  if (kind === 'point') {
    const points = multi
      ? value.map((entry) => (Array.isArray(entry) && isNumberPair(entry[0]) ? entry[0] : entry))
      : value;
    return !multi && points.length !== 1 ? null : toShape({ type: 'MultiPoint', coordinates: points });
  }
  const type = `${multi ? 'Multi' : ''}${kind === 'linestring' ? 'LineString' : 'Polygon'}`;
  return toShape({ type, coordinates: value });
}

function orientation(a: Position, b: Position, c: Position): number {
  return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
}

function isOnSegment(point: Position, a: Position, b: Position): boolean {
  return (
    orientation(a, b, point) === 0 &&
    point[0] >= Math.min(a[0], b[0]) &&
    point[0] <= Math.max(a[0], b[0]) &&
    point[1] >= Math.min(a[1], b[1]) &&
    point[1] <= Math.max(a[1], b[1])
  );
}

function segmentsTouch(a: Position, b: Position, c: Position, d: Position): boolean {
  const side = (p: Position, q: Position, r: Position): number => Math.sign(orientation(p, q, r));
  if (side(a, b, c) * side(a, b, d) < 0 && side(c, d, a) * side(c, d, b) < 0) return true;
  return isOnSegment(c, a, b) || isOnSegment(d, a, b) || isOnSegment(a, c, d) || isOnSegment(b, c, d);
}

type Segment = readonly [Position, Position];

function* segmentsOf(line: readonly Position[]): Generator<Segment> {
  for (let i = 1; i < line.length; i++) {
    const from = line[i - 1];
    const to = line[i];
    if (from !== undefined && to !== undefined) yield [from, to];
  }
}

function linesTouch(a: readonly Position[], b: readonly Position[]): boolean {
  for (const [p, q] of segmentsOf(a)) for (const [r, s] of segmentsOf(b)) if (segmentsTouch(p, q, r, s)) return true;
  return false;
}

function isOnLine(point: Position, line: readonly Position[]): boolean {
  for (const [a, b] of segmentsOf(line)) if (isOnSegment(point, a, b)) return true;
  return false;
}

function isInRing(point: Position, ring: readonly Position[]): boolean {
  let inside = false;
  for (const [a, b] of segmentsOf(ring)) {
    if (a[1] > point[1] !== b[1] > point[1]) {
      const x = ((b[0] - a[0]) * (point[1] - a[1])) / (b[1] - a[1]) + a[0];
      if (point[0] < x) inside = !inside;
    }
  }
  return inside;
}

function isInPolygon(point: Position, rings: readonly (readonly Position[])[]): boolean {
  if (rings.some((ring) => isOnLine(point, ring))) return true;
  const [outer, ...holes] = rings;
  return outer !== undefined && isInRing(point, outer) && !holes.some((hole) => isInRing(point, hole));
}

const covers = (shape: Shape, point: Position): boolean =>
  shape.points.some((own) => own[0] === point[0] && own[1] === point[1]) ||
  shape.lines.some((line) => isOnLine(point, line)) ||
  shape.polygons.some((rings) => isInPolygon(point, rings));

const vertices = (shape: Shape): Position[] => [...shape.points, ...shape.lines.flat(), ...shape.polygons.flat(2)];
const edges = (shape: Shape): (readonly Position[])[] => [...shape.lines, ...shape.polygons.flat()];

export function shapesIntersect(a: Shape, b: Shape): boolean {
  if (vertices(a).some((point) => covers(b, point)) || vertices(b).some((point) => covers(a, point))) return true;
  return edges(a).some((line) => edges(b).some((other) => linesTouch(line, other)));
}

/** True when every vertex of `inner` lies in `outer` and the middle of every edge does as well. */
export function isShapeWithin(inner: Shape, outer: Shape): boolean {
  const all = vertices(inner);
  if (all.length === 0 || !all.every((point) => covers(outer, point))) return false;
  return edges(inner).every((line) => {
    for (const [a, b] of segmentsOf(line)) if (!covers(outer, [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2])) return false;
    return true;
  });
}

/** Contained as a whole, edges included. */
export function isInBox(shape: Shape, box: { west: number; south: number; east: number; north: number }): boolean {
  const all = vertices(shape);
  return (
    all.length > 0 &&
    all.every(([lon, lat]) => lon >= box.west && lon <= box.east && lat >= box.south && lat <= box.north)
  );
}

const toRadians = (degrees: number): number => (degrees * Math.PI) / 180;

/** Great-circle distance in metres. */
function haversineMetres(a: Position, b: Position): number {
  const dLat = toRadians(b[1] - a[1]);
  const dLon = toRadians(b[0] - a[0]);
  const h = Math.sin(dLat / 2) ** 2 + Math.cos(toRadians(a[1])) * Math.cos(toRadians(b[1])) * Math.sin(dLon / 2) ** 2;
  return 2 * EARTH_RADIUS_METRES * Math.asin(Math.min(1, Math.sqrt(h)));
}

/** Metres from a point to the nearest part of a shape; 0 inside a polygon. Edges are straight on the local plane. */
export function distanceMetres(shape: Shape, center: Position): number {
  if (shape.polygons.some((rings) => isInPolygon(center, rings))) return 0;
  let least = Infinity;
  for (const point of vertices(shape)) least = Math.min(least, haversineMetres(point, center));
  const squeeze = Math.cos(toRadians(center[1]));
  for (const line of edges(shape)) {
    for (const [a, b] of segmentsOf(line)) {
      const dx = (b[0] - a[0]) * squeeze;
      const dy = b[1] - a[1];
      const length = dx * dx + dy * dy;
      if (length === 0) continue;
      const t = ((center[0] - a[0]) * squeeze * dx + (center[1] - a[1]) * dy) / length;
      if (t <= 0 || t >= 1) continue;
      least = Math.min(least, haversineMetres([a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])], center));
    }
  }
  return least;
}

/** The GeoJSON polygon around all shapes; null around nothing. */
export function boundingPolygon(shapes: readonly Shape[]): unknown {
  const all = shapes.flatMap(vertices);
  if (all.length === 0) return null;
  let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [lon, lat] of all) {
    west = Math.min(west, lon);
    east = Math.max(east, lon);
    south = Math.min(south, lat);
    north = Math.max(north, lat);
  }
  const ring = [
    [west, south],
    [east, south],
    [east, north],
    [west, north],
    [west, south],
  ];
  return { type: 'Polygon', coordinates: [ring] };
}
