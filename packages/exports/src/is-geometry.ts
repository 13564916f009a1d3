import type { Geometry, RecordValue } from '@civex/model';
import { isGeometryValue } from '@civex/query';

const isPoint = (value: object): boolean => {
  if (!('type' in value) || value.type !== 'Point' || !('coordinates' in value)) return false;
  const { coordinates } = value;
  if (!Array.isArray(coordinates) || coordinates.length !== 2) return false;
  const [lon, lat]: readonly unknown[] = coordinates;
  return typeof lon === 'number' && typeof lat === 'number' && Math.abs(lon) <= 180 && Math.abs(lat) <= 90;
};

/** As `isGeometryValue`, with a shorter way for what most geometries are. */
export function isGeometry(value: RecordValue): value is RecordValue & Geometry {
  return typeof value === 'object' && value !== null && (isPoint(value) || isGeometryValue(value));
}
