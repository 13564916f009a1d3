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
  // Days.
  example53: { updated_at: 'DATE' },
  example57: { starts_at: 'DATE', ends_at: 'DATE' },
  example58: { updated_at: 'DATE' },
  example62: { starts_at: 'DATE', ends_at: 'DATE' },
};

/** What is refused, and why: a part of the message in both notations. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  clause6_01: 'functions are not supported',
  clause6_02b: 'functions are not supported',
  clause6_02c: 'arithmetic is not supported',
  clause7_10: 'spatial predicate is not supported',
  clause7_15: 'array predicates are not supported',
  clause7_16: 'spatial predicate is not supported',
  // Two literals say the same of every record.
  clause7_17: 'one side must be a property',
  clause7_18: 'spatial predicate is not supported',
  clause7_19: 'arithmetic is not supported',
  example23: 'spatial predicate is not supported',
  example25: 'spatial predicate is not supported',
  example45: 'a box with heights is not supported',
  ...Object.fromEntries([46, 47, 48, 49, 50, 51, 52].map((n) => [`example${n}`, 'spatial predicate is not supported'])),
  // A day beside an instant: when it begins depends on a zone that nobody names.
  example60: 'takes an RFC 3339 instant with a zone',
  example63: 'takes an RFC 3339 instant with a zone',
  example68: 'functions are not supported',
  example69: 'functions are not supported',
  ...Object.fromEntries([72, 73, 74, 75, 76, 77, 78, 85].map((n) => [`example${n}`, 'arithmetic is not supported'])),
  ...Object.fromEntries([79, 80, 81, 82].map((n) => [`example${n}`, 'array predicates are not supported'])),
  example83: 'spatial predicate is not supported',
  example84: 'spatial predicate is not supported',
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

  const refused = (why: string, place: RegExp): Error =>
    expect.objectContaining({
      code: 'INPUT_INVALID',
      message: expect.stringMatching(new RegExp(`^${place.source}.*${why}`)) as string,
    }) as Error;

  test.each(texts.filter((name) => UNSUPPORTED[baseOf(name)] !== undefined))('%s is refused in text', (name) => {
    expect(() => parseCql2Text(textOf(name), queryablesOf(baseOf(name)))).toThrow(
      refused(UNSUPPORTED[baseOf(name)] ?? '', /position \d+: /),
    );
  });

  test.each(Object.entries(UNSUPPORTED))('%s is refused in JSON: %s', (name, why) => {
    expect(() => parseCql2Json(jsonOf(name), queryablesOf(name))).toThrow(refused(why, /filter/));
  });

  test('mean the same or are listed, every one', ({ task }) => {
    const same = texts.filter((name) => UNSUPPORTED[baseOf(name)] === undefined).length;
    const listed = texts.length - same;
    task.meta.figures = [
      {
        point: 1,
        what: `CQL2 examples of the standard: the same tree from text and JSON (${listed} more refused alike, with a reason)`,
        value: same,
        target: String(texts.length - listed),
        isMet: same + listed === texts.length && same >= 70,
      },
    ];
    expect(same).toBeGreaterThanOrEqual(70);
  });
});
