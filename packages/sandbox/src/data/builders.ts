import type { OpendatasoftAnnotations, OpendatasoftField } from '../opendatasoft/opendatasoft-dataset.ts';
import type { OdsType } from '../odsql/schema.ts';
import { entryAt } from '../random.ts';
import type { Random } from '../random.ts';

/** A field in one line: name, type, label, annotations, description. */
export function field(
  name: string,
  type: OdsType,
  label?: string,
  annotations: OpendatasoftAnnotations = {},
  description: string | null = null,
): OpendatasoftField {
  return { name, type, annotations, description, ...(label === undefined ? {} : { label }) };
}

/** Flags as live portals write them. */
export const FACET = { facet: true, sortable: true };
/** Flags as portals of 2022 wrote them. */
export const OLD_FACET = { facet: [], disjunctive: [] };
/** Flags as the first version of the API wrote them. */
export const V1_FACET = [{ name: 'facet' }, { name: 'sortable' }];

export interface LonLat {
  readonly lon: number;
  readonly lat: number;
}

const round = (value: number, digits = 6): number => Number(value.toFixed(digits));

/** A place up to `spread` degrees from a center. */
export function placeNear(random: Random, center: LonLat, spread: number): LonLat {
  return {
    lon: round(center.lon + (random.next() * 2 - 1) * spread),
    lat: round(center.lat + (random.next() * 2 - 1) * spread * 0.7),
  };
}

export const pointFeature = ({ lon, lat }: LonLat): unknown => ({
  type: 'Feature',
  geometry: { type: 'Point', coordinates: [lon, lat] },
  properties: {},
});

/** A line of a few vertices that begins at a place. */
export function lineFeature(random: Random, from: LonLat, vertices: number): unknown {
  const coordinates: [number, number][] = [[from.lon, from.lat]];
  for (let i = 1; i < vertices; i++) {
    const [lon, lat] = coordinates[i - 1] ?? [0, 0];
    coordinates.push([round(lon + (random.next() - 0.3) * 0.003), round(lat + (random.next() - 0.5) * 0.002)]);
  }
  return { type: 'Feature', geometry: { type: 'LineString', coordinates }, properties: {} };
}

/** A rectangle around a place, closed. */
export function boxFeature(center: LonLat, width: number, height: number): unknown {
  const [w, e] = [round(center.lon - width / 2), round(center.lon + width / 2)];
  const [s, n] = [round(center.lat - height / 2), round(center.lat + height / 2)];
  const ring = [
    [w, s],
    [e, s],
    [e, n],
    [w, n],
    [w, s],
  ];
  return { type: 'Feature', geometry: { type: 'Polygon', coordinates: [ring] }, properties: {} };
}

/** The instant `minutes` before the moment the sample data was "taken", as Opendatasoft writes it. */
export function instantBefore(minutes: number): string {
  return new Date(Date.UTC(2026, 9, 5, 8, 30) - minutes * 60_000).toISOString().replace('.000Z', '+00:00');
}

/** The same without a zone, as CKAN's DataStore writes it. */
export const naiveBefore = (minutes: number): string => instantBefore(minutes).slice(0, 19);

/** A day of 2024 and later: `index` 0 is 1 January 2024. */
export function dayAt(index: number): string {
  return new Date(Date.UTC(2024, 0, 1 + index)).toISOString().slice(0, 10);
}

/** The first `size` results of a function of the index. */
export function times<T>(size: number, make: (index: number) => T): T[] {
  return Array.from({ length: size }, (_, index) => make(index));
}

/** Entry `index` of a list that repeats for ever. */
export function cycle<T>(values: readonly T[], index: number): T {
  return entryAt(values, index % values.length);
}

const LONG = `${'Lorem ipsum dolor sit amet, consectetur adipiscing elit. '.repeat(60)}Fin.`;
const FIFTY = 'Aire de jeux et jardin public du quartier de la gare';

/** Texts every dialect finds hard. Null and the empty text are among them, and duplicates. */
export const HARD_TEXTS: readonly (string | null)[] = [
  'Alpha',
  'alpha',
  'ALPHA',
  null,
  '',
  ' ',
  'Rue "des" Menuts',
  "L'Aiguille",
  'Both \'single\' and "double"',
  'Place\\du\\Marché',
  'Ends in a backslash\\',
  '100 %',
  '50%_mixed',
  'under_score',
  'under-score',
  'First line\nSecond line',
  'Tab\there',
  'Caf\u00e9',
  'Cafe\u0301',
  'Cafe',
  '🚲 Vélo',
  '🚲',
  '\uff5e wide tilde',
  LONG,
  `${LONG} `,
  `${FIFTY} nord`,
  `${FIFTY} sud`,
  '42',
  '042',
  '4.2e1',
  '-1',
  'null',
  'NULL',
  'true',
  '-- comment',
  '/* comment */',
  "'; DROP TABLE toponymes; --",
  '<b>gras</b> &amp; &nbsp;',
  '`back` quotes',
  '{"json": ["text"]}',
  '[1..10]',
  'a:b AND c*?',
  '(unbalanced',
  'Straße',
  'STRASSE',
  'İzmir',
  'ızgara',
  'Zürich',
  'zürich',
  'Ångström',
  'Östersund',
  'Ärlig',
  'Älv',
  'Zebra',
  'École',
  'Eclair',
  'Beta',
  'beta',
  'Beta',
  'Omega',
];

/** Integers around and beyond 2^53, and the ends of 64 bits. */
export const HARD_INTEGERS: readonly (number | bigint | null)[] = [
  0,
  -1,
  null,
  9_007_199_254_740_991,
  9_007_199_254_740_992n,
  9_007_199_254_740_993n,
  -9_007_199_254_740_993n,
  9_223_372_036_854_775_807n,
  -9_223_372_036_854_775_808n,
  42,
  42,
];
