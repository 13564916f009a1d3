import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bboxOf, latLonToPoint, toGeometry } from './geometry.ts';

const point = { type: 'Point', coordinates: [-0.57, 44.84] };
const ring = [
  [0, 0],
  [2, 0],
  [2, 1],
  [0, 0],
];
const nest = (levels: number): unknown =>
  Array.from({ length: levels }).reduce<unknown>((part) => ({ type: 'GeometryCollection', geometries: [part] }), point);

describe('toGeometry', () => {
  test.each([
    ['a geometry', point],
    ['a Feature', { type: 'Feature', properties: { type: 'x' }, geometry: point }],
    ['text of a geometry', JSON.stringify(point)],
    ['text of a Feature', ` ${JSON.stringify({ type: 'Feature', geometry: point, properties: {} })}`],
    ['an object of lon and lat', { lon: -0.57, lat: 44.84 }],
    ['numbers written as text', { lon: '-0.57', lat: ' 44.84' }],
    ['foreign members', { ...point, crs: { type: 'name' }, bbox: [0, 0, 0, 0] }],
  ])('%s becomes the geometry', (_what, value) => {
    expect(toGeometry(value)).toEqual(point);
  });

  test.each([
    { type: 'MultiPoint', coordinates: [[0, 0]] },
    { type: 'LineString', coordinates: ring },
    { type: 'MultiLineString', coordinates: [ring] },
    { type: 'Polygon', coordinates: [ring, ring] },
    { type: 'MultiPolygon', coordinates: [[ring]] },
    { type: 'Point', coordinates: [1, 2, 30] },
    { type: 'GeometryCollection', geometries: [point, point] },
  ])('$type stays as it is', (geometry) => {
    expect(toGeometry(geometry)).toEqual(geometry);
  });

  test.each([
    ['null', null],
    ['a number', 5],
    ['text', 'Point'],
    ['broken text', '{"type":"Point","coordinates":[1,2'],
    ['a list', [44.84, -0.57]],
    ['text of a list', '[44.84, -0.57]'],
    ['text of coordinates', '44.84, -0.57'],
    ['a Feature without geometry', { type: 'Feature', geometry: null, properties: {} }],
    ['a FeatureCollection', { type: 'FeatureCollection', features: [] }],
    ['an unknown type', { type: 'Circle', coordinates: [0, 0] }],
    ['a type of the prototype', { type: 'constructor', coordinates: [0, 0] }],
    ['a lone number', { type: 'Point', coordinates: [0] }],
    ['text as number', { type: 'Point', coordinates: ['0', '0'] }],
    ['not a number', { type: 'Point', coordinates: [Number.NaN, 0] }],
    ['a longitude out of degrees', { type: 'Point', coordinates: [417_000, 0] }],
    ['a latitude out of degrees', { type: 'Point', coordinates: [0, 90.5] }],
    ['lon and lat out of degrees', { lon: 417_000, lat: 6_400_000 }],
    ['lon without lat', { lon: 1 }],
    ['empty lon', { lon: '', lat: 1 }],
    ['too few levels', { type: 'Polygon', coordinates: ring }],
    ['too many levels', { type: 'Point', coordinates: ring }],
    ['a line of one position', { type: 'LineString', coordinates: [[0, 0]] }],
    ['a part line of one position', { type: 'MultiLineString', coordinates: [ring, [[0, 0]]] }],
    ['a ring of three', { type: 'Polygon', coordinates: [ring.slice(1)] }],
    ['an open ring', { type: 'MultiPolygon', coordinates: [[[[1, 1], ...ring.slice(1)]]] }],
    ['no polygon at all', { type: 'MultiPolygon', coordinates: [] }],
    ['an empty collection', { type: 'GeometryCollection', geometries: [] }],
    ['a collection with one bad part', { type: 'GeometryCollection', geometries: [point, {}] }],
    ['a collection nested too deep', nest(66)],
    ['a collection nested far too deep', nest(50_000)],
  ])('%s is no geometry', (_what, value) => {
    expect(toGeometry(value)).toBeNull();
  });

  test('collections are read to 64 levels', () => {
    expect(toGeometry(nest(64))).not.toBeNull();
  });

  test('any value gives null or a geometry that is read again', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        const geometry = toGeometry(value);
        if (geometry !== null) expect(toGeometry(geometry)).toEqual(geometry);
      }),
      { seed: 9, numRuns: 500 },
    );
  });
});

describe('latLonToPoint', () => {
  test.each([[[44.84, -0.57]], ['44.84, -0.57'], ['44.84,-0.57'], [' 44.84 -0.57 '], [['44.84', '-0.57']]])(
    '%j is a point, latitude first',
    (value) => {
      expect(latLonToPoint(value)).toEqual(point);
    },
  );
  test.each([[null], [[44.84]], [[1, 2, 3]], [[100, 0]], ['44.84'], ['a, b'], ['1, 2, 3'], ['44,84, -0,57'], [{}]])(
    '%j is no point',
    (value) => {
      expect(latLonToPoint(value)).toBeNull();
    },
  );
});

describe('bboxOf', () => {
  test.each([
    [point, [-0.57, 44.84, -0.57, 44.84]],
    [{ type: 'Polygon', coordinates: [ring] }, [0, 0, 2, 1]],
    [{ type: 'MultiPolygon', coordinates: [[ring], [[[5, -3]]]] }, [0, -3, 5, 1]],
    [
      { type: 'GeometryCollection', geometries: [point, { type: 'Polygon', coordinates: [ring] }] },
      [-0.57, 0, 2, 44.84],
    ],
  ])('%j lies in %j', (geometry, bbox) => {
    expect(bboxOf(geometry)).toEqual(bbox);
  });

  test.each([
    { type: 'MultiPoint', coordinates: [] },
    { type: 'Point' },
    { type: 'Point', coordinates: [417_000, 0] },
    { type: 'Point', coordinates: ['0', '0'] },
    { type: 'GeometryCollection' },
    nest(70) as { type: string },
    { type: 'Polygon', coordinates: JSON.parse(`${'['.repeat(500)}0,0${']'.repeat(500)}`) as unknown },
  ])('a geometry without lawful positions has none', (geometry) => {
    expect(bboxOf(geometry)).toBeNull();
  });

  test('every position lies in the box and touches it', () => {
    const position = fc.tuple(
      fc.double({ min: -180, max: 180, noNaN: true }),
      fc.double({ min: -90, max: 90, noNaN: true }),
    );
    fc.assert(
      fc.property(fc.array(position, { minLength: 1 }), (coordinates) => {
        const [west, south, east, north] = bboxOf({ type: 'MultiPoint', coordinates })!;
        const lons = coordinates.map(([lon]) => lon);
        const lats = coordinates.map(([, lat]) => lat);
        expect([west, south, east, north].map((edge) => edge + 0)).toEqual(
          [Math.min(...lons), Math.min(...lats), Math.max(...lons), Math.max(...lats)].map((edge) => edge + 0),
        );
      }),
      { seed: 10, numRuns: 300 },
    );
  });
});
