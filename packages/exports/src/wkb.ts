import type { Geometry } from '@civex/model';
import { malformed } from './malformed.ts';

const CODES: Readonly<Record<string, number>> = {
  Point: 1,
  LineString: 2,
  Polygon: 3,
  MultiPoint: 4,
  MultiLineString: 5,
  MultiPolygon: 6,
  GeometryCollection: 7,
};
const PARTS: Readonly<Record<string, string>> = {
  MultiPoint: 'Point',
  MultiLineString: 'LineString',
  MultiPolygon: 'Polygon',
};

type Position = readonly number[];

/** Bytes of byte order and type. */
const HEAD = 5;
const COUNT = 4;
const ORDINATE = 8;

/** Numbers of a position, which WKB wants the same all over a geometry. */
function dimensionsOf(geometry: Geometry): number {
  if (geometry.type === 'GeometryCollection') {
    const [first] = geometry.geometries ?? [];
    return first === undefined ? 2 : dimensionsOf(first);
  }
  let value: unknown = geometry.coordinates;
  while (Array.isArray(value) && Array.isArray(value[0])) value = value[0];
  return Array.isArray(value) ? value.length : 2;
}

/** Bytes of coordinates nested `levels` deep below counts; `head` bytes before each item of the outermost level. */
function sizeOf({ type, coordinates, geometries }: Geometry, dimensions: number): number {
  const positions = (line: unknown): number => COUNT + (line as readonly Position[]).length * dimensions * ORDINATE;
  const rings = (polygon: unknown): number =>
    (polygon as readonly unknown[]).reduce<number>((sum, ring) => sum + positions(ring), COUNT);
  // Callers checked the geometry: coordinates have the nesting of their type.
  const parts = coordinates as readonly unknown[];
  switch (type) {
    case 'Point':
      return HEAD + dimensions * ORDINATE;
    case 'LineString':
      return HEAD + positions(parts);
    case 'Polygon':
      return HEAD + rings(parts);
    case 'GeometryCollection':
      return (geometries ?? []).reduce((sum, part) => sum + sizeOf(part, dimensions), HEAD + COUNT);
    default:
      return parts.reduce<number>(
        (sum, part) => sum + sizeOf({ type: PARTS[type] ?? '', coordinates: part }, dimensions),
        HEAD + COUNT,
      );
  }
}

/**
 * A lawful geometry (`isGeometryValue`) as ISO WKB, little endian, lon lat or lon lat height. Members other than type,
 * coordinates and geometries have no place in it.
 *
 * @throws HubError `SOURCE_MALFORMED` for positions of four numbers, and of two and three in one geometry: WKB and
 * GeoParquet cannot hold them.
 */
export function toWkb(geometry: Geometry): Uint8Array {
  const dimensions = dimensionsOf(geometry);
  if (dimensions > 3) throw malformed('A geometry of this dataset has positions of four numbers; GeoParquet has none.');
  const bytes = new Uint8Array(sizeOf(geometry, dimensions));
  const view = new DataView(bytes.buffer);
  let at = 0;
  const count = (value: number): void => {
    view.setUint32(at, value, true);
    at += COUNT;
  };
  const position = (value: Position): void => {
    if (value.length !== dimensions)
      throw malformed('A geometry of this dataset mixes positions with and without height; GeoParquet cannot.');
    for (const ordinate of value) {
      view.setFloat64(at, ordinate, true);
      at += ORDINATE;
    }
  };
  const line = (positions: readonly Position[]): void => {
    count(positions.length);
    for (const value of positions) position(value);
  };
  const write = ({ type, coordinates, geometries }: Geometry): void => {
    bytes[at++] = 1;
    count((CODES[type] ?? 0) + (dimensions === 3 ? 1000 : 0));
    switch (type) {
      case 'Point':
        position(coordinates as Position);
        break;
      case 'LineString':
        line(coordinates as readonly Position[]);
        break;
      case 'Polygon': {
        const rings = coordinates as readonly (readonly Position[])[];
        count(rings.length);
        for (const ring of rings) line(ring);
        break;
      }
      case 'GeometryCollection':
        count(geometries?.length ?? 0);
        for (const part of geometries ?? []) write(part);
        break;
      default: {
        const parts = coordinates as readonly unknown[];
        count(parts.length);
        for (const part of parts) write({ type: PARTS[type] ?? '', coordinates: part });
      }
    }
  };
  write(geometry);
  return bytes;
}

/** As GeoParquet lists it: `Point`, `Polygon Z`. */
export const wkbTypeOf = (geometry: Geometry): string => `${geometry.type}${dimensionsOf(geometry) === 3 ? ' Z' : ''}`;
