import { describe, expect, test } from 'vitest';
import * as fc from 'fast-check';
import type { Bbox, Geometry } from '@civex/model';
import {
  geometriesIntersect,
  geometryIntersectsBbox,
  isGeometryObject,
  isGeometryValue,
  isWithinMetres,
} from './geometry.ts';

type Position = readonly [number, number];
/** A point, a line or a triangle, by its corners. */
interface Shape {
  readonly kind: 'point' | 'line' | 'triangle';
  readonly corners: readonly Position[];
}

const toGeometry = ({ kind, corners }: Shape): Geometry =>
  kind === 'point'
    ? { type: 'Point', coordinates: corners[0] }
    : kind === 'line'
      ? { type: 'LineString', coordinates: corners }
      : { type: 'Polygon', coordinates: [[...corners, corners[0]]] };

/** Exact for small whole numbers: which side of a-b the position c lies on. */
const side = (a: Position, b: Position, c: Position): number =>
  Math.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]));
const isBetween = (a: number, b: number, c: number): boolean => Math.min(a, b) <= c && c <= Math.max(a, b);
const isOn = (a: Position, b: Position, c: Position): boolean =>
  side(a, b, c) === 0 && isBetween(a[0], b[0], c[0]) && isBetween(a[1], b[1], c[1]);
const cross = (a: Position, b: Position, c: Position, d: Position): boolean =>
  side(a, b, c) * side(a, b, d) < 0 && side(c, d, a) * side(c, d, b) < 0;

type Segment = readonly [Position, Position];
function segmentsOf({ kind, corners }: Shape): readonly Segment[] {
  const path = kind === 'triangle' ? [...corners, corners[0]!] : corners;
  return path.length === 1 ? [[path[0]!, path[0]!]] : path.slice(1).map((to, index): Segment => [path[index]!, to]);
}
const sidesOf = ({ corners: [a, b, c] }: Shape, position: Position): readonly number[] => [
  side(a!, b!, position),
  side(b!, c!, position),
  side(c!, a!, position),
];
const isIn = (shape: Shape, position: Position, isStrict: boolean): boolean => {
  if (shape.kind !== 'triangle') return false;
  const sides = new Set(sidesOf(shape, position));
  return isStrict ? sides.size === 1 && !sides.has(0) : !(sides.has(1) && sides.has(-1));
};

/** True when two shapes share a point; `isStrict`: more than by touching. */
function doShare(a: Shape, b: Shape, isStrict: boolean): boolean {
  const isHit = segmentsOf(a).some(([p, q]) =>
    segmentsOf(b).some(
      ([r, s]) =>
        cross(p, q, r, s) || (!isStrict && (isOn(p, q, r) || isOn(p, q, s) || isOn(r, s, p) || isOn(r, s, q))),
    ),
  );
  return (
    isHit ||
    b.corners.some((corner) => isIn(a, corner, isStrict)) ||
    a.corners.some((corner) => isIn(b, corner, isStrict))
  );
}

const coordinate = fc.integer({ min: -4, max: 4 });
const position = fc.tuple(coordinate, coordinate);
const shape: fc.Arbitrary<Shape> = fc.oneof(
  position.map((corner): Shape => ({ kind: 'point', corners: [corner] })),
  fc
    .tuple(position, position)
    .filter(([a, b]) => a[0] !== b[0] || a[1] !== b[1])
    .map((corners): Shape => ({ kind: 'line', corners })),
  fc
    .tuple(position, position, position)
    .filter(([a, b, c]) => side(a, b, c) !== 0)
    .map((corners): Shape => ({ kind: 'triangle', corners })),
);

const point = (lon: number, lat: number): Geometry => ({ type: 'Point', coordinates: [lon, lat] });
const line = (...coordinates: readonly Position[]): Geometry => ({ type: 'LineString', coordinates });
const box = (west: number, south: number, east: number, north: number): Geometry => ({
  type: 'Polygon',
  coordinates: [[[west, south], [east, south], [east, north], [west, north], [west, south]]], // prettier-ignore
});
const HOLED: Geometry = {
  type: 'Polygon',
  coordinates: [
    [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]], // prettier-ignore
    [[2, 2], [2, 8], [8, 8], [8, 2], [2, 2]], // prettier-ignore
  ],
};

describe('geometriesIntersect', () => {
  test('shapes that cross or hold one another intersect, shapes apart do not', () => {
    fc.assert(
      fc.property(shape, shape, (a, b) => {
        const isFound = geometriesIntersect(toGeometry(a), toGeometry(b));
        if (doShare(a, b, true)) expect(isFound).toBe(true);
        if (!doShare(a, b, false)) expect(isFound).toBe(false);
      }),
      { seed: 31, numRuns: 5_000 },
    );
  });

  test.each<readonly [string, Geometry, Geometry, boolean]>([
    ['lines that share a corner', line([0, 0], [2, 0]), line([2, 0], [3, 5]), true],
    ['a line on a line', line([0, 0], [4, 0]), line([1, 0], [3, 0]), true],
    ['neighbours that share an edge', box(0, 0, 1, 1), box(1, 0, 2, 1), true],
    ['neighbours that share a corner', box(0, 0, 1, 1), box(1, 1, 2, 2), true],
    ['a polygon and itself', box(0, 0, 1, 1), box(0, 0, 1, 1), true],
    ['a line through a polygon', line([-1, 0.5], [3, 0.5]), box(0, 0, 1, 1), true],
    ['a line inside a polygon', line([0.2, 0.5], [0.3, 0.5]), box(0, 0, 1, 1), true],
    ['a polygon in the hole of another', box(4, 4, 5, 5), HOLED, false],
    ['a line in a hole', line([4, 4], [5, 5]), HOLED, false],
    ['a point with height', { type: 'Point', coordinates: [1, 1, 30] }, box(0, 0, 2, 2), true],
    [
      'collections that share one point',
      { type: 'GeometryCollection', geometries: [point(9, 9), line([0, 0], [1, 1])] },
      { type: 'GeometryCollection', geometries: [point(8, 8), point(0.5, 0.5)] },
      true,
    ],
    ['a polygon that crosses itself, far away', line([0, 0], [2, 2], [2, 0], [0, 2]), box(5, 5, 6, 6), false],
  ])('%s', (_what, a, b, answer) => {
    expect(geometriesIntersect(a, b)).toBe(answer);
    expect(geometriesIntersect(b, a)).toBe(answer);
  });
});

describe('geometryIntersectsBbox', () => {
  test('a shape intersects a box, even one without area, when they share a point', () => {
    fc.assert(
      fc.property(shape, coordinate, coordinate, coordinate, coordinate, (given, x1, y1, x2, y2) => {
        const bbox: Bbox = [Math.min(x1, x2), Math.min(y1, y2), Math.max(x1, x2), Math.max(y1, y2)];
        const [west, south, east, north] = bbox;
        const halves: readonly Shape[] = [
          { kind: 'triangle', corners: [[west, south], [east, south], [east, north]] }, // prettier-ignore
          { kind: 'triangle', corners: [[west, south], [east, north], [west, north]] }, // prettier-ignore
        ];
        const isFlat = west === east || south === north;
        const parts: readonly Shape[] = isFlat ? [{ kind: 'line', corners: [[west, south], [east, north]] }] : halves; // prettier-ignore
        expect(geometryIntersectsBbox(toGeometry(given), bbox)).toBe(parts.some((part) => doShare(given, part, false)));
      }),
      { seed: 32, numRuns: 5_000 },
    );
  });

  test.each<readonly [string, Geometry, Bbox, boolean]>([
    ['a point just west of the antimeridian', point(179, 0), [170, -10, -170, 10], true],
    ['a point just east of the antimeridian', point(-179, 0), [170, -10, -170, 10], true],
    ['a point on the antimeridian', point(180, 0), [170, -10, -170, 10], true],
    ['a point on the western edge', point(170, 0), [170, -10, -170, 10], true],
    ['a point on the far side of the world', point(0, 0), [170, -10, -170, 10], false],
    ['a point north of the box', point(179, 11), [170, -10, -170, 10], false],
    ['a polygon east of the antimeridian', box(-176, -1, -175, 1), [170, -10, -170, 10], true],
    ['a polygon beyond the eastern edge', box(-169, -1, -168, 1), [170, -10, -170, 10], false],
    ['a polygon beside a box that starts at 180', box(-176, -1, -175, 1), [180, -10, -170, 10], true],
    ['a line over the whole world', line([-180, 0], [180, 0]), [170, -10, -170, 10], true],
    ['a box inside a hole', HOLED, [4, 4, 5, 5], false],
    ['a box around a hole', HOLED, [1, 1, 9, 9], true],
    ['a box of no size on a line', line([0, 0], [2, 2]), [1, 1, 1, 1], true],
  ])('%s', (_what, geometry, bbox, answer) => {
    expect(geometryIntersectsBbox(geometry, bbox)).toBe(answer);
  });
});

/** Metres on a sphere of 6,371,008.8 m, by the haversine formula. */
function metresBetween([lon1, lat1]: Position, [lon2, lat2]: Position): number {
  const radians = (degrees: number): number => (degrees * Math.PI) / 180;
  const h =
    Math.sin(radians(lat2 - lat1) / 2) ** 2 +
    Math.cos(radians(lat1)) * Math.cos(radians(lat2)) * Math.sin(radians(lon2 - lon1) / 2) ** 2;
  return 2 * 6_371_008.8 * Math.asin(Math.min(1, Math.sqrt(h)));
}

describe('isWithinMetres', () => {
  const near = fc.tuple(
    fc.double({ min: -0.6, max: -0.5, noNaN: true }),
    fc.double({ min: 44.8, max: 44.9, noNaN: true }),
  );

  test('a point is as far as the sphere says', () => {
    fc.assert(
      fc.property(near, near, (from, to) => {
        const metres = metresBetween(from, to);
        const [lon, lat] = from;
        expect(isWithinMetres(point(...to), { lon, lat, metres: metres * 1.000001 + 0.001 })).toBe(true);
        expect(isWithinMetres(point(...to), { lon, lat, metres: metres * 0.999999 - 0.001 })).toBe(false);
      }),
      { seed: 33, numRuns: 500 },
    );
  });

  test('a line is as far as the nearest of its points', () => {
    fc.assert(
      fc.property(near, near, near, ([lon, lat], a, b) => {
        let metres = Infinity;
        for (let step = 0; step <= 1_000; step++) {
          const part = step / 1_000;
          metres = Math.min(
            metres,
            metresBetween([lon, lat], [a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part]),
          );
        }
        // Ten metres: between two samples, and between the straight line in degrees and the great circle.
        expect(isWithinMetres(line(a, b), { lon, lat, metres: metres + 10 })).toBe(true);
        if (metres > 10) expect(isWithinMetres(line(a, b), { lon, lat, metres: metres - 10 })).toBe(false);
      }),
      { seed: 34, numRuns: 300 },
    );
  });

  test.each<readonly [string, Geometry, readonly [number, number, number], boolean]>([
    ['the same point', point(1, 2), [1, 2, 0], true],
    ['the corner of a line', line([1, 2], [3, 4]), [1, 2, 0], true],
    ['a point inside a polygon', box(0, 0, 1, 1), [0.5, 0.5, 0], true],
    ['a point in a hole, too far from its edge', HOLED, [5, 5, 300_000], false],
    ['a point in a hole, near enough to its edge', HOLED, [5, 5, 340_000], true],
    ['a point across the antimeridian', point(-179.9, 0), [179.9, 0, 23_000], true],
    ['a line across the antimeridian', line([-179.9, -1], [-179.9, 1]), [179.9, 0, 23_000], true],
    ['a line across the antimeridian, too far', line([-179.9, -1], [-179.9, 1]), [179.9, 0, 22_000], false],
    ['a point over the pole', point(170, 89.99), [-10, 89.99, 2_300], true],
    ['one of several points', { type: 'MultiPoint', coordinates: [[50, 50], [1, 2]] }, [1, 2, 1], true], // prettier-ignore
    ['none of several points', { type: 'MultiPoint', coordinates: [[50, 50], [1, 2]] }, [1, 3, 1], false], // prettier-ignore
    [
      'a part of a collection',
      { type: 'GeometryCollection', geometries: [point(50, 50), line([0, 0], [1, 1])] },
      [0.5, 0.5, 10],
      true,
    ],
    ['half the globe', point(180, 0), [0, 0, 20_100_000], true],
  ])('%s', (_what, geometry, [lon, lat, metres], answer) => {
    expect(isWithinMetres(geometry, { lon, lat, metres })).toBe(answer);
  });
});

describe('isGeometryObject', () => {
  const ring = [[0, 0], [1, 0], [1, 1], [0, 0]]; // prettier-ignore

  test.each([
    { type: 'Point', coordinates: [1, 2] },
    { type: 'MultiPoint', coordinates: [[1, 2]] },
    { type: 'LineString', coordinates: ring },
    { type: 'MultiLineString', coordinates: [ring] },
    { type: 'Polygon', coordinates: [ring] },
    { type: 'MultiPolygon', coordinates: [[ring]] },
    { type: 'GeometryCollection', geometries: [{ type: 'Point', coordinates: [1, 2] }] },
  ])('a $type is one', (value) => {
    expect(isGeometryObject(value, 100)).toBe(true);
    expect(isGeometryValue(value)).toBe(true);
  });

  test.each([
    ['null', null],
    ['a text', 'Point'],
    ['an unknown type', { type: 'Circle', coordinates: [1, 2] }],
    ['a type of the prototype', { type: 'toString', coordinates: [1, 2] }],
    ['no coordinates', { type: 'Point' }],
    ['one coordinate', { type: 'Point', coordinates: [1] }],
    ['text coordinates', { type: 'Point', coordinates: ['1', '2'] }],
    ['a longitude out of degrees', { type: 'Point', coordinates: [181, 0] }],
    ['a latitude out of degrees', { type: 'Point', coordinates: [0, 91] }],
    ['a line of one position', { type: 'LineString', coordinates: [[0, 0]] }],
    ['a part line of one position', { type: 'MultiLineString', coordinates: [ring, [[0, 0]]] }],
    ['a ring of three', { type: 'Polygon', coordinates: [[[0, 0], [1, 1], [0, 0]]] }], // prettier-ignore
    ['an open ring', { type: 'Polygon', coordinates: [[[0, 0], [1, 0], [1, 1], [0, 1]]] }], // prettier-ignore
    ['an open ring of several polygons', { type: 'MultiPolygon', coordinates: [[ring], [[...ring, [5, 5]]]] }],
    ['an empty collection', { type: 'GeometryCollection', geometries: [] }],
    ['a collection with a bad part', { type: 'GeometryCollection', geometries: [{ type: 'Point' }] }],
  ])('%s is none', (_what, value) => {
    expect(isGeometryObject(value, 100)).toBe(false);
    expect(isGeometryValue(value)).toBe(false);
  });

  test('the bound counts the positions of all parts together', () => {
    const part = { type: 'MultiPoint', coordinates: Array(50).fill([0, 0]) };
    const collection = { type: 'GeometryCollection', geometries: [part, part] };
    expect(isGeometryObject(part, 60)).toBe(true);
    expect(isGeometryObject(collection, 60)).toBe(false);
    expect(isGeometryObject(collection, 110)).toBe(true);
  });

  test('collections nest 4 deep in a filter and 64 deep in a record', () => {
    const nest = (levels: number): unknown =>
      Array.from({ length: levels }).reduce<unknown>(
        (part) => ({ type: 'GeometryCollection', geometries: [part] }),
        point(0, 0),
      );
    expect([4, 5].map((levels) => isGeometryObject(nest(levels), 100))).toEqual([true, false]);
    expect([64, 65, 50_000].map((levels) => isGeometryValue(nest(levels)))).toEqual([true, false, false]);
  });
});
