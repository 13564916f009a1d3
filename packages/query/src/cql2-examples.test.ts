import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Queryable, QueryableType } from '@civex/model';
import { parseCql2Json } from './cql2-json.ts';
import { parseCql2Text } from './cql2-text.ts';

/** The examples published with OGC 21-065r2, kept beside the repository. */
const FOLDER = new URL('../../../../shared/captures/ogc/cql2-examples/', import.meta.url);
const isPresent = existsSync(FOLDER);

const PROPERTIES: Readonly<Record<string, QueryableType>> = {
  city: 'STRING',
  cityName: 'STRING',
  name: 'STRING',
  owner: 'STRING',
  material: 'STRING',
  beamMode: 'STRING',
  swathDirection: 'STRING',
  polarization: 'STRING',
  road_class: 'STRING',
  etat_vol: 'STRING',
  id: 'STRING',
  'landsat:scene_id': 'STRING',
  'eo:instrument': 'STRING',
  'geophys:SURVEY_NAME': 'STRING',
  'landsat:wrs_path': 'INTEGER',
  'landsat:wrs_row': 'INTEGER',
  'eo:cloud_cover': 'NUMBER',
  balance: 'NUMBER',
  windSpeed: 'NUMBER',
  depth: 'NUMBER',
  vehicle_height: 'NUMBER',
  bridge_clearance: 'NUMBER',
  taxes: 'NUMBER',
  value: 'NUMBER',
  foo: 'NUMBER',
  bar: 'NUMBER',
  x: 'NUMBER',
  category: 'INTEGER',
  floors: 'INTEGER',
  swimming_pool: 'BOOLEAN',
  updated: 'DATE',
  updated_at: 'DATETIME',
  built: 'DATE',
  event_time: 'DATETIME',
  touchdown: 'DATETIME',
  liftOff: 'DATETIME',
  starts_at: 'DATETIME',
  ends_at: 'DATETIME',
  geometry: 'GEOMETRY',
  footprint: 'GEOMETRY',
  location: 'GEOMETRY',
  road: 'GEOMETRY',
  values: 'JSON',
  'layer:ids': 'JSON',
};

/** The examples give one name different types. */
const OTHERWISE: Readonly<Record<string, Readonly<Record<string, QueryableType>>>> = {
  example03: { 'landsat:wrs_path': 'STRING' },
  example40: { value: 'STRING' },
};

const UNSUPPORTED: Readonly<Record<string, string>> = {
  clause6_01: 'function',
  clause6_02b: 'function',
  clause6_02c: 'arithmetic',
  clause7_04: 'case-insensitive comparison',
  clause7_05: 'accent-insensitive comparison',
  clause7_10: 'spatial predicate S_CROSSES',
  clause7_12: 'temporal predicate',
  clause7_13: 'temporal predicate',
  clause7_15: 'array predicate',
  clause7_16: 'spatial predicate S_CROSSES',
  clause7_17: 'temporal predicate',
  clause7_18: 'spatial predicate S_WITHIN',
  clause7_19: 'arithmetic',
  example20: 'temporal predicate',
  example21: 'temporal predicate',
  example22: 'temporal predicate',
  example23: 'spatial predicate S_WITHIN',
  example25: 'spatial predicate S_WITHIN',
  example26: 'case-insensitive comparison',
  example27: 'accent-insensitive comparison',
  example28: 'case-insensitive comparison',
  example45: 'box with heights',
  example46: 'spatial predicate S_EQUALS',
  example47: 'spatial predicate S_DISJOINT',
  example48: 'spatial predicate S_TOUCHES',
  example49: 'spatial predicate S_WITHIN',
  example50: 'spatial predicate S_OVERLAPS',
  example51: 'spatial predicate S_CROSSES',
  example52: 'spatial predicate S_CONTAINS',
  ...Object.fromEntries(Array.from({ length: 15 }, (_, index) => [`example${53 + index}`, 'temporal predicate'])),
  example68: 'function',
  example69: 'function',
  example70: 'accent-insensitive comparison',
  example71: 'case-insensitive comparison',
  ...Object.fromEntries(Array.from({ length: 7 }, (_, index) => [`example${72 + index}`, 'arithmetic'])),
  example79: 'array predicate',
  example80: 'array predicate',
  example81: 'array predicate',
  example82: 'array predicate',
  example83: 'spatial predicate S_EQUALS',
  example84: 'spatial predicate S_EQUALS',
  example85: 'arithmetic',
  example86: 'case-insensitive comparison',
};

const queryablesOf = (name: string): readonly Queryable[] =>
  Object.entries({ ...PROPERTIES, ...OTHERWISE[name] }).map(([property, type]) => ({
    name: property,
    type,
    titles: {},
    descriptions: {},
    unit: null,
  }));

const namesIn = (folder: string, extension: string): readonly string[] =>
  isPresent
    ? readdirSync(new URL(folder, FOLDER))
        .filter((file) => file.endsWith(extension))
        .map((file) => file.slice(0, -extension.length))
    : [];
const textOf = (name: string): string => readFileSync(new URL(`text/${name}.txt`, FOLDER), 'utf8');
const jsonOf = (name: string): unknown => JSON.parse(readFileSync(new URL(`json/${name}.json`, FOLDER), 'utf8'));
const baseOf = (name: string): string => name.replace(/-alt\d+$/, '');

describe.skipIf(!isPresent)('the examples of the CQL2 standard', () => {
  const texts = namesIn('text/', '.txt');
  const jsons = namesIn('json/', '.json');

  test('are all here, in both notations', () => {
    expect(texts.length).toBeGreaterThan(100);
    expect(new Set(texts.map(baseOf))).toEqual(new Set(jsons));
    expect(Object.keys(UNSUPPORTED).filter((name) => !jsons.includes(name))).toEqual([]);
  });

  test.each(texts.filter((name) => UNSUPPORTED[baseOf(name)] === undefined))(
    '%s means the same in text and in JSON',
    (name) => {
      const queryables = queryablesOf(baseOf(name));
      expect(parseCql2Text(textOf(name), queryables)).toEqual(parseCql2Json(jsonOf(baseOf(name)), queryables));
    },
  );

  test.each(
    texts.filter((name) => UNSUPPORTED[baseOf(name)] !== undefined).map((name) => [name, UNSUPPORTED[baseOf(name)]]),
  )('%s is refused in text: %s', (name) => {
    expect(() => parseCql2Text(textOf(name ?? ''), queryablesOf(baseOf(name ?? '')))).toThrow(
      expect.objectContaining({ code: 'INPUT_INVALID', message: expect.stringMatching(/^position \d+: .*not supported/) as string }) as Error, // prettier-ignore
    );
  });

  test.each(Object.entries(UNSUPPORTED))('%s is refused in JSON: %s', (name) => {
    expect(() => parseCql2Json(jsonOf(name), queryablesOf(name))).toThrow(
      expect.objectContaining({ code: 'INPUT_INVALID', message: expect.stringMatching(/^filter.*not supported/) as string }) as Error, // prettier-ignore
    );
  });
});
