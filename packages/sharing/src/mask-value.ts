import { createHmac } from 'node:crypto';
import type { Geometry, Queryable, QueryableType, RecordValue } from '@civex/model';
import { bboxOf } from '@civex/model';
import type { Predicate, ScalarValue } from '@civex/query';
import { isGeometryValue, readInstant, roundToStep, toDecimalKey, toFullDate } from '@civex/query';
import { cellToLatLng, cellToParent, getHexagonEdgeLengthAvg, latLngToCell, UNITS } from 'h3-js';
import type { Mask, MaskMethod } from './agreement.ts';

/** Replaces a value of a column. What cannot be masked becomes null, never itself. */
export type MaskValue = (value: RecordValue) => RecordValue;

export interface ColumnMask {
  /** Type of the masked values. */
  readonly type: QueryableType;
  readonly apply: MaskValue;
  /** Whether a condition asks for what masked values can be, and not for what lies behind them. */
  readonly admits: (predicate: Predicate) => boolean;
  /** What they can be, for people. */
  readonly values: string;
}

/** Characters of a HASH: 128 bits, base64url. */
const HASH_LENGTH = 22;
const FINEST = 15;

/**
 * The finest resolution of the H3 grid whose hexagons are at least `metres` across on average, between parallel sides;
 * the coarsest there is when none are.
 */
export function gridResolution(metres: number): number {
  for (let resolution = FINEST; resolution > 0; resolution--)
    if (getHexagonEdgeLengthAvg(resolution, UNITS.m) * Math.sqrt(3) >= metres) return resolution;
  return 0;
}

/** A point that stands for a geometry: the middle of its box. Null when it has none on the globe. */
function pointOf(value: Geometry): readonly [lon: number, lat: number] | null {
  const box = bboxOf(value);
  if (box === null) return null;
  const [west, south, east, north] = box;
  const [lon, lat] = [(west + east) / 2, (south + north) / 2];
  return Number.isFinite(lon) && Number.isFinite(lat) && Math.abs(lon) <= 180 && Math.abs(lat) <= 90
    ? [lon, lat]
    : null;
}

/** Degrees with six decimals: a tenth of a metre, and the same text on every machine. */
const toDegrees = (value: number): number => Math.round(value * 1e6) / 1e6;

function createGrid(metres: number): MaskValue {
  const resolution = gridResolution(metres);
  return (value) => {
    const point = isGeometryValue(value) ? pointOf(value) : null;
    if (point === null) return null;
    const [lat, lon] = cellToLatLng(cellToParent(latLngToCell(point[1], point[0], FINEST), resolution));
    return { type: 'Point', coordinates: [toDegrees(lon), toDegrees(lat)] };
  };
}

/** One text for equal values of a type, as `compareValues` has it; null for what is not of the type. */
function canonicalText(value: RecordValue, type: QueryableType): string | null {
  switch (type) {
    case 'STRING':
      return typeof value === 'string' ? `s${value}` : null;
    case 'INTEGER':
    case 'NUMBER': {
      const key = toDecimalKey(value);
      return key === null ? null : `n${key}`;
    }
    case 'BOOLEAN':
      return typeof value === 'boolean' ? `b${value}` : null;
    case 'DATE': {
      const date = typeof value === 'string' ? toFullDate(value) : null;
      return date === null ? null : `d${date}`;
    }
    case 'DATETIME': {
      const instant = typeof value === 'string' ? readInstant(value) : null;
      return instant === null ? null : `t${instant.ms} ${instant.beyond}`;
    }
    case 'GEOMETRY':
    case 'JSON':
      return null;
  }
}

function createHash(type: QueryableType, key: Uint8Array): MaskValue {
  return (value) => {
    const text = canonicalText(value, type);
    return text === null
      ? null
      : createHmac('sha256', key).update('civex mask\0').update(text).digest('base64url').slice(0, HASH_LENGTH);
  };
}

/** The first `length` characters of a date or time as it is written: year, or year and month. */
function createPeriod(type: QueryableType, length: 4 | 7): MaskValue {
  return (value) => {
    if (typeof value !== 'string') return null;
    const full = type === 'DATE' ? toFullDate(value) : readInstant(value) === null ? null : value.slice(0, 10);
    return full === null ? null : full.slice(0, length);
  };
}

function createPrefix(characters: number): MaskValue {
  return (value) => (typeof value === 'string' ? Array.from(value).slice(0, characters).join('') : null);
}

const FITTING: Readonly<Record<Exclude<MaskMethod, 'HIDE'>, readonly QueryableType[]>> = {
  NULL: ['STRING', 'INTEGER', 'NUMBER', 'BOOLEAN', 'DATE', 'DATETIME', 'GEOMETRY', 'JSON'],
  HASH: ['STRING', 'INTEGER', 'NUMBER', 'BOOLEAN', 'DATE', 'DATETIME'],
  YEAR: ['DATE', 'DATETIME'],
  MONTH: ['DATE', 'DATETIME'],
  GRID: ['GEOMETRY'],
  PREFIX: ['STRING'],
  ROUND: ['INTEGER', 'NUMBER'],
};

/** Types of the columns a method can mask. */
export const maskableTypes = (method: Exclude<MaskMethod, 'HIDE'>): readonly QueryableType[] => FITTING[method];

/** The values a condition compares with. Patterns and geometries are not among them. */
function valuesOf(predicate: Predicate): readonly ScalarValue[] {
  switch (predicate.op) {
    case 'in':
      return predicate.values;
    case 'between':
      return [predicate.lower, predicate.upper];
    case 'like':
    case 'isNull':
    case 'intersects':
    case 'bbox':
    case 'withinMetres':
      return [];
    case '=':
    case '<>':
    case '<':
    case '<=':
    case '>':
    case '>=':
      return [predicate.value];
  }
}

const every =
  (test: (value: ScalarValue) => boolean): ColumnMask['admits'] =>
  (predicate) =>
    valuesOf(predicate).every(test);
const everyText = (test: (value: string) => boolean): ColumnMask['admits'] =>
  every((value) => typeof value === 'string' && test(value));

/** Digests have no order worth asking for. */
const EQUALITIES: ReadonlySet<string> = new Set(['=', '<>', 'in', 'isNull']);
const HASH_SHAPE = /^[A-Za-z0-9_-]{22}$/;

/**
 * What stands in a masked column in place of its values. Null when the method does not fit the column: such a column
 * must not be shown at all.
 *
 * YEAR and MONTH take the year and month as the portal writes them, in its own zone, and make DATE values of that
 * precision. HASH makes STRING values. A ROUND step that is no whole number makes NUMBER values.
 */
export function createColumnMask(mask: Mask, { type }: Queryable, key: Uint8Array): ColumnMask | null {
  const { method, parameter } = mask;
  if (method === 'HIDE' || !FITTING[method].includes(type)) return null;
  switch (method) {
    case 'NULL':
      return { type, apply: () => null, admits: ({ op }) => op === 'isNull', values: 'null' };
    case 'HASH': {
      const areHashes = everyText((value) => HASH_SHAPE.test(value));
      return {
        type: 'STRING',
        apply: createHash(type, key),
        admits: (predicate) => EQUALITIES.has(predicate.op) && areHashes(predicate),
        values: 'digests of its own, for equality',
      };
    }
    case 'YEAR':
      return {
        type: 'DATE',
        apply: createPeriod(type, 4),
        admits: everyText((value) => value.endsWith('-01-01')),
        values: 'years, such as "2026"',
      };
    case 'MONTH':
      return {
        type: 'DATE',
        apply: createPeriod(type, 7),
        admits: everyText((value) => value.endsWith('-01')),
        values: 'months, such as "2026-03"',
      };
    case 'GRID':
      return parameter === null ? null : { type, apply: createGrid(parameter), admits: () => true, values: 'places' };
    case 'PREFIX':
      return parameter === null
        ? null
        : {
            type,
            apply: createPrefix(parameter),
            admits: everyText((value) => Array.from(value).length <= parameter),
            values: `texts of at most ${parameter} characters`,
          };
    case 'ROUND': {
      if (parameter === null) return null;
      const kind = type === 'INTEGER' ? type : 'NUMBER';
      return {
        type: kind === 'INTEGER' && !Number.isInteger(parameter) ? 'NUMBER' : type,
        apply: (value) => roundToStep(value, parameter, kind),
        admits: every((value) => toDecimalKey(value) === toDecimalKey(roundToStep(value, parameter, 'NUMBER'))),
        values: `multiples of ${parameter}`,
      };
    }
  }
}
