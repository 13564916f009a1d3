import type { Queryable, QueryableType, RecordValue } from '@civex/model';
import type { Predicate } from '@civex/query';
import * as fc from 'fast-check';
import { cellArea, getHexagonEdgeLengthAvg, greatCircleDistance, latLngToCell, UNITS } from 'h3-js';
import { describe, expect, test } from 'vitest';
import type { Mask, MaskMethod } from './agreement.ts';
import { MASK_METHODS } from './agreement.ts';
import type { ColumnMask } from './mask-value.ts';
import { createColumnMask, gridResolution, maskableTypes } from './mask-value.ts';

const TYPES: readonly QueryableType[] = ['STRING', 'INTEGER', 'NUMBER', 'BOOLEAN', 'DATE', 'DATETIME', 'GEOMETRY', 'JSON']; // prettier-ignore
const SHOWING = MASK_METHODS.filter((method) => method !== 'HIDE');
const PARAMETERS: Partial<Record<MaskMethod, number>> = { GRID: 500, PREFIX: 3, ROUND: 10 };
const KEY = new Uint8Array(32).fill(1);
const RUNS = { seed: 20_261_123, numRuns: 500 } as const;

const column = (type: QueryableType): Queryable => ({ name: 'x', type, titles: {}, descriptions: {}, unit: null });
function maskOf(method: MaskMethod, type: QueryableType, parameter?: number, key = KEY): ColumnMask {
  const mask: Mask = { property: 'x', method, parameter: parameter ?? PARAMETERS[method] ?? null };
  const made = createColumnMask(mask, column(type), key);
  if (made === null) throw new TypeError(`${method} does not fit ${type}`);
  return made;
}
const point = (lon: number, lat: number): RecordValue => ({ type: 'Point', coordinates: [lon, lat] });
/** What is asked of a column, as far as masks look at it. */
const asks = (parts: { readonly op: Predicate['op']; readonly [part: string]: unknown }): Predicate => ({ property: 'x', type: 'STRING', ...parts }) as unknown as Predicate; // prettier-ignore
const equals = (value: string | number): Predicate => asks({ op: '=', value });

describe('a method', () => {
  test.each(SHOWING)('%s fits the types it says, and no others', (method) => {
    const fitting = maskableTypes(method);
    for (const type of TYPES) {
      const made = createColumnMask(
        { property: 'x', method, parameter: PARAMETERS[method] ?? null },
        column(type),
        KEY,
      );
      expect(made !== null).toBe(fitting.includes(type));
    }
  });

  test('HIDE shows nothing, and one without its parameter does not either', () => {
    for (const type of TYPES) expect(createColumnMask({ property: 'x', method: 'HIDE', parameter: null }, column(type), KEY)).toBeNull(); // prettier-ignore
    for (const [method, type] of [
      ['GRID', 'GEOMETRY'],
      ['PREFIX', 'STRING'],
      ['ROUND', 'NUMBER'],
    ] as const)
      // prettier-ignore
      expect(createColumnMask({ property: 'x', method, parameter: null }, column(type), KEY)).toBeNull();
  });

  test('never shows a value that is not of the column’s type', () => {
    const strange: fc.Arbitrary<RecordValue> = fc.oneof(
      fc.string(),
      fc.integer(),
      fc.double(),
      fc.bigInt(),
      fc.boolean(),
      fc.constant(null),
      fc.array(fc.string(), { maxLength: 3 }),
      fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 }),
      fc.constantFrom<RecordValue>('2026-13-01', '2026-03', 'Infinity', '1e3', ' 12', '2026-03-29T02:30:00'),
    );
    const isOf: Readonly<Record<QueryableType, (value: RecordValue) => boolean>> = {
      STRING: (value) => typeof value === 'string',
      INTEGER: (value) => typeof value !== 'boolean' && value !== null && typeof value !== 'object',
      NUMBER: (value) => typeof value !== 'boolean' && value !== null && typeof value !== 'object',
      BOOLEAN: (value) => typeof value === 'boolean',
      DATE: (value) => typeof value === 'string',
      DATETIME: (value) => typeof value === 'string',
      GEOMETRY: (value) => typeof value === 'object' && value !== null,
      JSON: () => false,
    };
    fc.assert(
      fc.property(fc.constantFrom(...SHOWING), strange, (method, value) => {
        for (const type of maskableTypes(method)) {
          const seen = maskOf(method, type).apply(value);
          if (!isOf[type](value)) expect(seen).toBeNull();
        }
      }),
      RUNS,
    );
  });
});

describe('NULL', () => {
  test('shows nothing of anything, and is asked for nothing else', () => {
    for (const type of TYPES) {
      const mask = maskOf('NULL', type);
      for (const value of ['a', 1, true, [1], point(1, 2), null] as RecordValue[]) expect(mask.apply(value)).toBeNull();
      expect(mask.type).toBe(type);
      expect(mask.admits(asks({ op: 'isNull' }))).toBe(true);
      expect(mask.admits(equals('a'))).toBe(false);
      expect(mask.admits(asks({ op: 'like', pattern: '%' }))).toBe(false);
    }
  });
});

describe('HASH', () => {
  const hash = (type: QueryableType, value: RecordValue, key = KEY): RecordValue => maskOf('HASH', type, undefined, key).apply(value); // prettier-ignore

  test('is a digest of 128 bits that is alike for equal values, and for no others', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
        const [seen, other] = [hash('STRING', a), hash('STRING', b)];
        expect(seen).toMatch(/^[A-Za-z0-9_-]{22}$/);
        expect(seen === other).toBe(a === b);
        expect(hash('STRING', a)).toBe(seen);
      }),
      RUNS,
    );
  });

  test('differs with the key of the agreement', () => {
    fc.assert(
      fc.property(fc.string(), fc.uint8Array({ minLength: 32, maxLength: 32 }), (value, key) => {
        fc.pre(key.some((byte) => byte !== 1));
        expect(hash('STRING', value, key)).not.toBe(hash('STRING', value));
      }),
      RUNS,
    );
  });

  test.each<readonly [QueryableType, RecordValue, RecordValue]>([
    ['NUMBER', 1, '1.0'],
    ['NUMBER', 1500, '1.5e3'],
    ['NUMBER', 0.1, '0.10'],
    ['INTEGER', 12, 12n],
    ['INTEGER', 9_007_199_254_740_993n, '9007199254740993'],
    ['DATETIME', '2026-03-29T02:30:00+01:00', '2026-03-29T01:30:00Z'],
    ['DATETIME', '2026-03-29T01:30:00.000Z', '2026-03-29T01:30:00Z'],
  ])('of %s is alike for %s and %s, which are equal', (type, a, b) => {
    expect(hash(type, a)).not.toBeNull();
    expect(hash(type, a)).toBe(hash(type, b));
  });

  test.each<readonly [QueryableType, RecordValue, RecordValue]>([
    ['INTEGER', 9_007_199_254_740_993n, 9_007_199_254_740_992n],
    ['STRING', 'a', 'A'],
    ['STRING', 'é', 'é'.normalize('NFD')],
    ['BOOLEAN', true, false],
    ['DATETIME', '2026-03-29T01:30:00.0001Z', '2026-03-29T01:30:00Z'],
  ])('of %s differs for %s and %s', (type, a, b) => {
    expect(hash(type, a)).not.toBe(hash(type, b));
  });

  test('of one type is not that of another', () => {
    const digests = [hash('STRING', '1'), hash('NUMBER', 1), hash('STRING', 'true'), hash('BOOLEAN', true), hash('STRING', '2026-03-29'), hash('DATE', '2026-03-29')]; // prettier-ignore
    expect(new Set(digests).size).toBe(digests.length);
  });

  test('is asked for by digests alone, for equality', () => {
    const { admits, type } = maskOf('HASH', 'INTEGER');
    const digest = 'abcdefghijklmnopqrstuv';
    expect(type).toBe('STRING');
    expect(admits(equals(digest))).toBe(true);
    expect(admits(asks({ op: 'in', values: [digest, digest] }))).toBe(true);
    expect(admits(asks({ op: 'isNull' }))).toBe(true);
    expect(admits(asks({ op: 'in', values: [digest, 'raw'] }))).toBe(false);
    for (const value of ['2200012345678', `${digest}x`, digest.slice(1), '', `${digest.slice(1)}=`]) expect(admits(equals(value))).toBe(false); // prettier-ignore
    expect(admits(asks({ op: '<', value: digest }))).toBe(false);
    expect(admits(asks({ op: 'like', pattern: 'a%' }))).toBe(false);
    expect(admits(asks({ op: 'between', lower: digest, upper: digest }))).toBe(false);
  });
});

describe('YEAR and MONTH', () => {
  const day = fc
    .record({ year: fc.integer({ min: 1, max: 9999 }), month: fc.integer({ min: 1, max: 12 }), day: fc.integer({ min: 1, max: 28 }) }) // prettier-ignore
    .map((part) => `${String(part.year).padStart(4, '0')}-${String(part.month).padStart(2, '0')}-${String(part.day).padStart(2, '0')}`); // prettier-ignore
  const time = fc.constantFrom('T00:00:00Z', 'T23:59:59.999+14:00', 'T00:30:00-12:00');

  test('keep the year and the month as they are written, and nothing more', () => {
    fc.assert(
      fc.property(day, time, (date, at) => {
        for (const [method, length] of [
          ['YEAR', 4],
          ['MONTH', 7],
        ] as const) {
          // prettier-ignore
          expect(maskOf(method, 'DATE').apply(date)).toBe(date.slice(0, length));
          expect(maskOf(method, 'DATETIME').apply(date + at)).toBe(date.slice(0, length));
          expect(maskOf(method, 'DATETIME').type).toBe('DATE');
        }
      }),
      RUNS,
    );
  });

  test('are asked for by their first days alone', () => {
    const [year, month] = [maskOf('YEAR', 'DATE'), maskOf('MONTH', 'DATETIME')];
    for (const value of ['2026-01-01', '1999-01-01']) expect([year.admits(equals(value)), month.admits(equals(value))]).toEqual([true, true]); // prettier-ignore
    expect([year.admits(equals('2026-03-01')), month.admits(equals('2026-03-01'))]).toEqual([false, true]);
    for (const value of ['2026-01-02', '2026-03-15', '2026-01-11']) expect([year.admits(equals(value)), month.admits(equals(value))]).toEqual([false, false]); // prettier-ignore
    const range = (upper: string): Predicate => asks({ op: 'between', lower: '2025-01-01', upper });
    expect([year.admits(range('2026-01-01')), year.admits(range('2026-01-31'))]).toEqual([true, false]);
  });
});

describe('GRID', () => {
  const place = fc.record({ lon: fc.double({ min: -180, max: 180, noNaN: true }), lat: fc.double({ min: -90, max: 90, noNaN: true }) }); // prettier-ignore
  const seenAs = (geometry: RecordValue, metres: number): readonly [number, number] | null => {
    const seen = maskOf('GRID', 'GEOMETRY', metres).apply(geometry) as { coordinates: [number, number] } | null;
    return seen?.coordinates ?? null;
  };

  test('has the finest cells that are at least so wide', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000_000 }), place, (metres, { lon, lat }) => {
        const resolution = gridResolution(metres);
        // A regular hexagon w wide has the area w² √3 / 2. Cells of one resolution differ by less than half.
        const widthOf = (at: number): number =>
          Math.sqrt((cellArea(latLngToCell(lat, lon, at), UNITS.m2) * 2) / Math.sqrt(3));
        expect(widthOf(resolution)).toBeGreaterThan(metres * 0.7);
        if (resolution < 15) expect(widthOf(resolution + 1)).toBeLessThan(metres * 1.3);
      }),
      RUNS,
    );
    expect([1, 500, 1_000, 1_000_000].map(gridResolution)).toEqual([15, 8, 7, 0]);
  });

  test('shows one point for a whole cell, which stands for itself', () => {
    fc.assert(
      fc.property(place, fc.constantFrom(100, 500, 5_000, 100_000), ({ lon, lat }, metres) => {
        const seen = seenAs(point(lon, lat), metres);
        expect(seen).not.toBeNull();
        const [east = Number.NaN, north = Number.NaN] = seen ?? [];
        expect(Math.abs(east)).toBeLessThanOrEqual(180);
        expect(Math.abs(north)).toBeLessThanOrEqual(90);
        expect(seenAs(point(east, north), metres)).toEqual(seen);
        // No further off than a corner of its cell and the fringe that H3's cells have within their parents.
        const edge = getHexagonEdgeLengthAvg(gridResolution(metres), UNITS.m);
        expect(greatCircleDistance([lat, lon], [north, east], UNITS.m)).toBeLessThan(edge * 1.5);
      }),
      RUNS,
    );
  });

  test('tells a place within a cell from no other of it', () => {
    const counts = new Map<string, number>();
    for (let step = 0; step < 2_000; step++) {
      const seen = seenAs(point(-1.1332 + (step % 50) * 1e-4, 52.6369 + Math.floor(step / 50) * 1e-4), 500);
      counts.set(String(seen), (counts.get(String(seen)) ?? 0) + 1);
    }
    // 340 m by 440 m, with a place each 7 m to 11 m.
    expect(counts.size).toBeLessThanOrEqual(6);
  });

  test('of a line or a surface is that of its middle', () => {
    const line: RecordValue = { type: 'LineString', coordinates: [[-1.2, 52.6], [-1.1, 52.7]] }; // prettier-ignore
    expect(seenAs(line, 500)).toEqual(seenAs(point(-1.15, 52.65), 500));
  });

  test.each<readonly [RecordValue]>([
    [point(200, 10)],
    [point(10, 91)],
    [{ type: 'Point', coordinates: [] }],
    [{ type: 'Nowhere', coordinates: [1, 2] }],
    ['POINT(1 2)'],
    [[1, 2]],
    [null],
  ])('of %j is nothing', (value) => {
    expect(maskOf('GRID', 'GEOMETRY').apply(value)).toBeNull();
  });
});

describe('PREFIX', () => {
  test('is the first characters, whole ones', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 1, max: 12 }), (text, length) => {
        const mask = maskOf('PREFIX', 'STRING', length);
        const seen = mask.apply(text);
        if (typeof seen !== 'string') throw new TypeError('a text was masked by none');
        expect(Array.from(seen).length).toBe(Math.min(length, Array.from(text).length));
        expect(text.startsWith(seen)).toBe(true);
        expect(mask.apply(seen)).toBe(seen);
        expect(mask.admits(equals(seen))).toBe(true);
        if (seen !== text) expect(mask.admits(equals(text))).toBe(false);
      }),
      RUNS,
    );
    expect(maskOf('PREFIX', 'STRING', 2).apply('🚲🚲🚲')).toBe('🚲🚲');
  });
});

describe('ROUND', () => {
  test.each<readonly [number, QueryableType, RecordValue, RecordValue]>([
    [10, 'INTEGER', 14, 10],
    [10, 'INTEGER', -14, -10],
    [10, 'INTEGER', 16, 20],
    [5, 'NUMBER', 12.4, 10],
    [0.1, 'NUMBER', 0.34, 0.3],
    [1_000, 'INTEGER', 499, 0],
  ])('to %d makes of %s %s %s', (step, type, value, expected) => {
    const seen = maskOf('ROUND', type, step).apply(value);
    expect(Number(seen)).toBe(expected);
  });

  test('is a multiple of the step no further than half of it away, and stands for itself', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e9, max: 1e9 }), fc.integer({ min: 1, max: 10_000 }), (value, step) => {
        const mask = maskOf('ROUND', 'INTEGER', step);
        const seen = mask.apply(value);
        expect(Math.abs(Number(seen) % step)).toBe(0);
        expect(Math.abs(Number(seen) - value)).toBeLessThanOrEqual(step / 2);
        expect(mask.apply(seen)).toEqual(seen);
        expect(mask.admits(equals(Number(seen)))).toBe(true);
        if (value % step !== 0) expect(mask.admits(equals(value))).toBe(false);
      }),
      RUNS,
    );
  });

  test('of whole numbers by parts of one makes numbers', () => {
    expect(maskOf('ROUND', 'INTEGER', 0.5).type).toBe('NUMBER');
    expect(maskOf('ROUND', 'INTEGER', 5).type).toBe('INTEGER');
    expect(maskOf('ROUND', 'NUMBER', 5).type).toBe('NUMBER');
  });

  test('of a number beyond what a double holds is exact', () => {
    const seen = maskOf('ROUND', 'INTEGER', 10).apply(9_007_199_254_740_997n);
    expect(BigInt(seen as bigint | string)).toBe(9_007_199_254_741_000n);
  });
});
