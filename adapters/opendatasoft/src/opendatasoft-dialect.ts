import { HubError } from '@civex/errors';
import type { Geometry, QueryableType } from '@civex/model';
import { isPredicate } from '@civex/query';
import type { Fidelity, Predicate, RecordFilter, ScalarValue, SortKey } from '@civex/query';

/** What the dialect must know of a property beyond its name. */
export interface DialectField {
  readonly name: string;
  readonly type: QueryableType;
  /** `point` only where the portal declares a `geo_point_2d`; every other geometry is treated as a shape. */
  readonly geo: 'point' | 'shape' | null;
}

export interface DialectOptions {
  /** `within_distance` and `intersects` exist from Explore v2.1 on. */
  readonly hasGeoFunctions: boolean;
}

export interface Dialect {
  grade(predicate: Predicate): Fidelity | 'none';
  /**
   * The ODSQL `where` of a filter.
   *
   * @throws HubError `INTERNAL` for a filter that `grade` does not admit: our fault, never the caller's.
   */
  toWhere(filter: RecordFilter): string;
  /** An `order_by` list: the sort keys, then the tie breakers that are not among them and still fit. */
  toOrderBy(sort: readonly SortKey[], tieBreakers: readonly string[]): string;
}

/**
 * Percent-encoded characters. Portals sit behind proxies that refuse request lines of about 8,000 characters; where,
 * order_by, path and the other parameters together stay below that.
 */
export const DIALECT_LIMITS = {
  where: 4_500,
  orderBy: 1_500,
  predicate: 2_000,
  /** A longer exact predicate is only claimed inexact, so that no window depends on a filter that may have to be cut. */
  exactPredicate: 400,
  orderByFields: 40,
  /** Characters. A value the portal's index may have left out for its length must not be looked up there. */
  text: 250,
  fieldName: 128,
} as const;

interface Spelling {
  readonly text: string;
  readonly fidelity: Fidelity;
}

const CONTROL = /\p{Cc}/u;

export const encodedLength = (text: string): number => encodeURIComponent(text).length;

/** A field name between backquotes, or null when it cannot be spelled safely. */
export function spellField(name: string): string | null {
  if (name === '' || name.length > DIALECT_LIMITS.fieldName) return null;
  if (/[`\\]/.test(name) || CONTROL.test(name) || !name.isWellFormed()) return null;
  return `\`${name}\``;
}

/** One double-quoted string literal, or null when the text holds what no literal can safely hold. */
export function spellText(text: string): string | null {
  if (CONTROL.test(text) || !text.isWellFormed()) return null;
  return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}

/** A value that is compared with stored text must survive trimming, empty-as-null and normalisation at the portal. */
function spellTextValue(value: ScalarValue): string | null {
  if (typeof value !== 'string' || value === '' || value.length > DIALECT_LIMITS.text) return null;
  if (value.trim() !== value || value.normalize('NFC') !== value) return null;
  return spellText(value);
}

const MAX_NUMBER = 1e15;

/** The grammar documents integers and decimals, no exponents: the shortest text that reads back as the same double. */
export function spellNumber(value: ScalarValue): string | null {
  if (typeof value !== 'number' || !Number.isFinite(value)) return null;
  if (Number.isInteger(value)) return Number.isSafeInteger(value) ? String(value === 0 ? 0 : value) : null;
  if (Math.abs(value) >= MAX_NUMBER) return null;
  const text = String(value);
  const match = /^(-?)(\d)(?:\.(\d+))?e-(\d+)$/.exec(text);
  if (match === null) return text.includes('e') ? null : text;
  const [, sign = '', first = '', rest = '', exponent = ''] = match;
  if (Number(exponent) > 20) return null;
  return `${sign}0.${'0'.repeat(Number(exponent) - 1)}${first}${rest}`;
}

const DAY_MS = 86_400_000;

const spellDay = (epochMs: number): string => `date'${new Date(epochMs).toISOString().slice(0, 10)}'`;
const spellSecond = (epochMs: number): string => `date'${new Date(epochMs).toISOString().slice(0, 19)}'`;

interface TimeRange {
  readonly low: string;
  readonly high: string;
}

/**
 * Literals that surely lie before and after a value, however the portal rounds a literal of its precision. A day each
 * way for dates (a lower precision stands for its first day), a second each way for instants.
 */
function spellTimeRange(value: ScalarValue, type: 'DATE' | 'DATETIME'): TimeRange | null {
  if (typeof value !== 'string') return null;
  if (type === 'DATE') {
    const match = /^(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?$/.exec(value);
    if (match === null) return null;
    const day = Date.parse(`${match[1]}-${match[2] ?? '01'}-${match[3] ?? '01'}T00:00:00Z`);
    if (!isWithinCalendar(day)) return null;
    return { low: spellDay(day - DAY_MS), high: spellDay(day + DAY_MS) };
  }
  const instant = Date.parse(value);
  if (!isWithinCalendar(instant)) return null;
  return {
    low: spellSecond(Math.floor(instant / 1000) * 1000 - 1000),
    high: spellSecond(Math.floor(instant / 1000) * 1000 + 2000),
  };
}

/** Years 1000 to 9998: four digits whatever is added or taken away. */
function isWithinCalendar(epochMs: number): boolean {
  return epochMs >= Date.UTC(1000, 0, 2) && epochMs <= Date.UTC(9998, 11, 31);
}

type Box = readonly [west: number, south: number, east: number, north: number];

/** More than the rounding of any index of coordinates in degrees, less than a metre. */
const PADDING_DEGREES = 1e-6;

function padBox([west, south, east, north]: Box): Box {
  // Seven decimals take back a twentieth of the padding at most.
  const round = (degrees: number): number => Number(degrees.toFixed(7));
  return [
    round(Math.max(-180, west - PADDING_DEGREES)),
    round(Math.max(-90, south - PADDING_DEGREES)),
    round(Math.min(180, east + PADDING_DEGREES)),
    round(Math.min(90, north + PADDING_DEGREES)),
  ];
}

/** The box of a geometry's positions, or null when it has none or they are not numbers. */
function boxOf(geometry: Geometry): Box | null {
  let box: [number, number, number, number] | null = null;
  let sound = true;
  const visit = (value: unknown): void => {
    if (!Array.isArray(value)) return;
    const [lon, lat]: unknown[] = value;
    if (typeof lon === 'number' || typeof lat === 'number') {
      if (typeof lon !== 'number' || typeof lat !== 'number' || !Number.isFinite(lon) || !Number.isFinite(lat)) {
        sound = false;
        return;
      }
      box =
        box === null
          ? [lon, lat, lon, lat]
          : [Math.min(box[0], lon), Math.min(box[1], lat), Math.max(box[2], lon), Math.max(box[3], lat)];
      return;
    }
    for (const part of value) visit(part);
  };
  const visitGeometry = (part: Geometry, depth: number): void => {
    visit(part.coordinates);
    if (depth > 0) for (const child of part.geometries ?? []) visitGeometry(child, depth - 1);
    else if (part.geometries !== undefined) sound = false;
  };
  visitGeometry(geometry, 4);
  return sound ? box : null;
}

const EARTH_METRES = 6_371_008.8;
const toDegrees = (radians: number): number => (radians * 180) / Math.PI;
const toRadians = (degrees: number): number => (degrees * Math.PI) / 180;

/** The box around a circle on the sphere; null when it touches a pole or the antimeridian. */
function boxAround(lon: number, lat: number, metres: number): Box | null {
  const angle = metres / EARTH_METRES;
  const dLat = toDegrees(angle);
  if (Math.abs(lat) + dLat >= 89.9) return null;
  const dLon = toDegrees(Math.asin(Math.min(1, Math.sin(angle) / Math.cos(toRadians(lat)))));
  return lon - dLon < -180 || lon + dLon > 180 ? null : [lon - dLon, lat - dLat, lon + dLon, lat + dLat];
}

/** Wider boxes read as crossing the antimeridian in some engines. */
const MAX_BOX_WIDTH = 179;

function spellBox(field: string, geo: 'point' | 'shape', given: Box, can: DialectOptions): string | null {
  const box = padBox(given);
  const [west, south, east, north] = box.map(spellNumber);
  if (!west || !south || !east || !north) return null;
  if (geo === 'point') return `in_bbox(${field}, ${south}, ${west}, ${north}, ${east})`;
  // `in_bbox` is documented as containment: a shape that reaches out of the box would be lost.
  if (!can.hasGeoFunctions || box[2] - box[0] > MAX_BOX_WIDTH) return null;
  const ring = [
    [west, south],
    [east, south],
    [east, north],
    [west, north],
    [west, south],
  ];
  return `intersects(${field}, geom'POLYGON((${ring.map((position) => position.join(' ')).join(', ')}))')`;
}

const inexact = (text: string | null): Spelling | null => (text === null ? null : { text, fidelity: 'inexact' });
const exact = (text: string | null): Spelling | null => (text === null ? null : { text, fidelity: 'exact' });

const NEGATED = { '=': '<>', '<>': '=', '<': '>=', '<=': '>', '>': '<=', '>=': '<' } as const;

function spellNumeric(field: string, predicate: Predicate, isNegated: boolean): string | null {
  switch (predicate.op) {
    case 'in': {
      const numbers = predicate.values.map(spellNumber);
      if (numbers.length === 0 || numbers.includes(null)) return null;
      const unique = [...new Set(numbers)];
      if (!isNegated) return `${field} in (${unique.join(', ')})`;
      return `(${unique.map((number) => `(${field} < ${number} or ${field} > ${number})`).join(' and ')})`;
    }
    case 'between': {
      const lower = spellNumber(predicate.lower);
      const upper = spellNumber(predicate.upper);
      if (lower === null || upper === null) return null;
      return isNegated
        ? `(${field} < ${lower} or ${field} > ${upper})`
        : `(${field} >= ${lower} and ${field} <= ${upper})`;
    }
    case '=':
    case '<>':
    case '<':
    case '<=':
    case '>':
    case '>=': {
      const number = spellNumber(predicate.value);
      if (number === null) return null;
      const op = isNegated ? NEGATED[predicate.op] : predicate.op;
      // The language documents no `!=`, and its NOT keeps nulls.
      return op === '<>' ? `(${field} < ${number} or ${field} > ${number})` : `${field} ${op} ${number}`;
    }
    case 'isNull':
    case 'like':
    case 'intersects':
    case 'bbox':
    case 'withinMetres':
      return null;
  }
}

function spellBoolean(field: string, predicate: Predicate, isNegated: boolean): string | null {
  if (predicate.op !== '=' && predicate.op !== '<>' && predicate.op !== 'in') return null;
  const values = predicate.op === 'in' ? predicate.values : [predicate.value];
  if (values.length === 0 || values.some((value) => typeof value !== 'boolean')) return null;
  const wantsGiven = (predicate.op === '<>') === isNegated;
  const wanted = [true, false].filter((value) => values.includes(value) === wantsGiven);
  const tests = wanted.map((value) => `${field} is ${value}`);
  // Both: any value but null. Neither: no record at all.
  if (tests.length === 2) return `(${tests.join(' or ')})`;
  return tests[0] ?? `(${field} is true and ${field} is false)`;
}

function spellEquality(field: string, predicate: Predicate): string | null {
  if (predicate.op !== '=' && predicate.op !== 'in') return null;
  const values = (predicate.op === 'in' ? predicate.values : [predicate.value]).map(spellTextValue);
  if (values.length === 0 || values.includes(null)) return null;
  return values.length === 1 ? `${field} = ${values[0]}` : `${field} in (${values.join(', ')})`;
}

function spellTime(field: string, predicate: Predicate, type: 'DATE' | 'DATETIME'): string | null {
  switch (predicate.op) {
    case '=':
    case 'in': {
      const ranges = (predicate.op === 'in' ? predicate.values : [predicate.value]).map((value) =>
        spellTimeRange(value, type),
      );
      if (ranges.length === 0) return null;
      const tests: string[] = [];
      for (const range of ranges) {
        if (range === null) return null;
        tests.push(`(${field} >= ${range.low} and ${field} <= ${range.high})`);
      }
      return tests.length === 1 ? (tests[0] ?? null) : `(${tests.join(' or ')})`;
    }
    case '<>':
      return `${field} is not null`;
    case '<':
    case '<=': {
      const range = spellTimeRange(predicate.value, type);
      return range === null ? null : `${field} <= ${range.high}`;
    }
    case '>':
    case '>=': {
      const range = spellTimeRange(predicate.value, type);
      return range === null ? null : `${field} >= ${range.low}`;
    }
    case 'between': {
      const lower = spellTimeRange(predicate.lower, type);
      const upper = spellTimeRange(predicate.upper, type);
      if (lower === null || upper === null) return null;
      return `(${field} >= ${lower.low} and ${field} <= ${upper.high})`;
    }
    case 'isNull':
    case 'like':
    case 'intersects':
    case 'bbox':
    case 'withinMetres':
      return null;
  }
}

function spellGeometry(
  field: string,
  geo: 'point' | 'shape',
  predicate: Predicate,
  can: DialectOptions,
): string | null {
  switch (predicate.op) {
    case 'bbox': {
      const [west, , east] = predicate.bbox;
      return west > east ? null : spellBox(field, geo, predicate.bbox, can);
    }
    case 'intersects': {
      // The box of the literal: no ring that an engine could call invalid, and touching edges are not lost to rounding.
      const box = boxOf(predicate.geometry);
      return box === null ? null : spellBox(field, geo, box, can);
    }
    case 'withinMetres': {
      const metres = Math.ceil(predicate.metres * 1.005 + 10);
      if (!(metres <= 10_000_000)) return null;
      const lon = spellNumber(predicate.lon);
      const lat = spellNumber(predicate.lat);
      if (lon === null || lat === null) return null;
      if (geo === 'point' && can.hasGeoFunctions)
        return `within_distance(${field}, geom'POINT(${lon} ${lat})', ${metres}m)`;
      const box = boxAround(predicate.lon, predicate.lat, metres);
      return box === null ? null : spellBox(field, geo, box, can);
    }
    case '=':
    case '<>':
    case '<':
    case '<=':
    case '>':
    case '>=':
    case 'in':
    case 'between':
    case 'like':
    case 'isNull':
      return null;
  }
}

function spell(field: DialectField, predicate: Predicate, isNegated: boolean, can: DialectOptions): Spelling | null {
  const name = spellField(field.name);
  if (name === null || predicate.type !== field.type) return null;
  if (predicate.op === 'isNull') {
    const text = isNegated ? `${name} is not null` : `${name} is null`;
    switch (field.type) {
      case 'INTEGER':
      case 'NUMBER':
      case 'BOOLEAN':
      case 'DATE':
      case 'DATETIME':
        return exact(text);
      // An empty text, a shape the index refused and an unindexed document may all count as null there.
      case 'STRING':
      case 'GEOMETRY':
      case 'JSON':
        return isNegated ? null : inexact(text);
    }
  }
  switch (field.type) {
    case 'INTEGER':
    case 'NUMBER':
      return exact(spellNumeric(name, predicate, isNegated));
    case 'BOOLEAN':
      return exact(spellBoolean(name, predicate, isNegated));
    // What is inexact loses rows below a negation.
    case 'STRING':
      return isNegated ? null : inexact(spellEquality(name, predicate));
    case 'DATE':
    case 'DATETIME':
      return isNegated ? null : inexact(spellTime(name, predicate, field.type));
    case 'GEOMETRY':
      return isNegated ? null : inexact(spellGeometry(name, field.geo ?? 'shape', predicate, can));
    case 'JSON':
      return null;
  }
}

/** The dialect for one dataset. Pure: the grade and the spelling come from the same place and cannot disagree. */
export function createDialect(fields: ReadonlyMap<string, DialectField>, can: DialectOptions): Dialect {
  const spellChecked = (predicate: Predicate, isNegated: boolean): Spelling | null => {
    const field = fields.get(predicate.property);
    const spelling = field === undefined ? null : spell(field, predicate, isNegated, can);
    if (spelling === null) return null;
    const length = encodedLength(spelling.text);
    if (length > DIALECT_LIMITS.predicate) return null;
    return length > DIALECT_LIMITS.exactPredicate ? { ...spelling, fidelity: 'inexact' } : spelling;
  };

  // NOT is two-valued at the portals, so it is never sent: negation moves down to the predicates, whose complements are
  // false on null as well.
  const toText = (filter: RecordFilter, isNegated: boolean): string => {
    if (isPredicate(filter)) {
      const spelling = spellChecked(filter, isNegated);
      if (spelling === null) throw new HubError('INTERNAL', 'A filter reached a source that cannot spell it.');
      return spelling.text;
    }
    if (filter.op === 'not') return toText(filter.args[0], !isNegated);
    const parts = filter.args.map((arg) => toText(arg, isNegated));
    const connective = (filter.op === 'and') === isNegated ? 'or' : 'and';
    const [only] = parts;
    if (only === undefined) throw new HubError('INTERNAL', 'A filter without operands reached a source.');
    return parts.length === 1 ? only : `(${parts.join(` ${connective} `)})`;
  };

  return {
    grade: (predicate) => {
      const spelling = spellChecked(predicate, false);
      if (spelling === null) return 'none';
      // `exact` admits the predicate below a negation, so its complement must be as good.
      return spelling.fidelity === 'exact' && spellChecked(predicate, true)?.fidelity !== 'exact'
        ? 'inexact'
        : spelling.fidelity;
    },
    toWhere: (filter) => toText(filter, false),
    toOrderBy: (sort, tieBreakers) => {
      const named = new Set(sort.map(({ property }) => property));
      const keys = sort.map(({ property, direction }) => {
        const name = spellField(property);
        if (name === null) throw new HubError('INTERNAL', 'A sort key reached a source that cannot spell it.');
        return direction === 'ASC' ? name : `${name} desc`;
      });
      let length = encodedLength(keys.join(','));
      for (const property of tieBreakers) {
        if (named.has(property)) continue;
        const name = spellField(property);
        if (name === null) continue;
        length += encodedLength(`,${name}`);
        if (length > DIALECT_LIMITS.orderBy) break;
        keys.push(name);
      }
      return keys.join(',');
    },
  };
}

/** Properties that can be ordered by, can be spelled and fit into one `order_by`, in the given order. */
export function orderableProperties(fields: Iterable<DialectField>): readonly string[] {
  const properties: string[] = [];
  let length = 0;
  for (const { name, type } of fields) {
    if (type === 'GEOMETRY' || type === 'JSON') continue;
    const spelled = spellField(name);
    if (spelled === null) continue;
    length += encodedLength(`,${spelled}`);
    if (length > DIALECT_LIMITS.orderBy || properties.length >= DIALECT_LIMITS.orderByFields) break;
    properties.push(name);
  }
  return properties;
}

/** Characters of one search text. */
const MAX_SEARCH = 200;

/** The catalog's own full-text search, or null when nothing is left to search for. */
export function toCatalogSearch(text: string): string | null {
  const cleaned = text
    .toWellFormed()
    .replace(/\p{Cc}+/gu, ' ')
    .trim();
  const cut = Array.from(cleaned).slice(0, MAX_SEARCH).join('').trim();
  const literal = cut === '' ? null : spellText(cut);
  return literal === null ? null : `search(${literal})`;
}

/** Datasets by id. The ids have been checked: they hold nothing a literal cannot. */
export function toCatalogIds(localIds: readonly string[]): string {
  const literals = localIds.map((localId) => {
    const literal = spellText(localId);
    if (literal === null) throw new HubError('INTERNAL', 'A dataset id reached a source that cannot spell it.');
    return literal;
  });
  return `dataset_id in (${literals.join(', ')})`;
}
