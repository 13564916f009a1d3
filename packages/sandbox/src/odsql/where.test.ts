import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PortalQuirks } from '../portal.ts';
import { compileWhere } from './evaluate.ts';
import { OdsqlError } from './odsql-error.ts';
import { parseWhere } from './parse.ts';
import type { Column, OdsType, RowSchema } from './schema.ts';

type Row = Readonly<Record<string, unknown>>;

const column = (name: string, type: OdsType, isMultivalued = false): [string, Column<Row>] => [
  name,
  { name, type, isMultivalued, isFacet: false, isDisjunctive: false, get: (row) => row[name] ?? null },
];
const columns = new Map([
  column('id', 'int'),
  column('title', 'text'),
  column('size', 'double'),
  column('big', 'int'),
  column('on', 'boolean'),
  column('jour', 'date'),
  column('at', 'datetime'),
  column('tags', 'text', true),
  column('place', 'geo_point_2d'),
  column('shape', 'geo_shape'),
  column('group', 'text'),
  column('2e_nom', 'text'),
  column('12', 'int'),
]);
const schema: RowSchema<Row> = {
  columns,
  searched: [...columns.values()].filter(({ type }) => type === 'text'),
  forbidden: new Set(['hidden']),
};

const line = (coordinates: number[][]): unknown => ({
  type: 'Feature',
  geometry: { type: 'LineString', coordinates },
  properties: {},
});

const rows: readonly Row[] = [
  {
    id: 1,
    title: 'The Book of Secrets',
    size: 1.5,
    big: 9_007_199_254_740_993n,
    on: true,
    jour: '2019',
    at: '2020-01-01T00:30:00+00:00',
    tags: ['red', 'blue'],
    place: { lon: 2.3, lat: 48.8 },
    shape: line([
      [0, 0],
      [10, 10],
    ]),
    group: 'a',
    '2e_nom': 'x',
    12: 7,
  },
  {
    id: 2,
    title: 'Vélos électriques',
    size: 10,
    big: 9_007_199_254_740_992n,
    on: false,
    jour: '2020-02-29',
    at: '2019-12-31T23:30:00+00:00',
    tags: ['green'],
    place: { lon: 2.4, lat: 48.9 },
    shape: line([
      [20, 20],
      [30, 30],
    ]),
    group: 'B',
    '2e_nom': 'X',
    12: 8,
  },
  {
    id: 3,
    title: null,
    size: null,
    big: null,
    on: null,
    jour: null,
    at: null,
    tags: [],
    place: null,
    shape: null,
    group: null,
    '2e_nom': null,
    12: null,
  },
  {
    id: 4,
    title: 'SECRET défense "A"\\',
    size: -3,
    big: 5,
    on: true,
    jour: '1988-01',
    at: '2020-06-30T12:00:00.500000+00:00',
    tags: ['red'],
    place: { lon: -0.57, lat: 44.84 },
    shape: null,
    group: "it's",
    '2e_nom': '',
    12: 0,
  },
  {
    id: 5,
    title: '',
    size: 0,
    big: 0,
    on: false,
    jour: '2020-12-31',
    at: '2020-12-31T23:59:59+00:00',
    tags: ['Red', 'deep red'],
    place: { lon: -0.58, lat: 44.83 },
    shape: {
      type: 'Feature',
      geometry: {
        type: 'Polygon',
        coordinates: [
          [
            [0, 0],
            [4, 0],
            [4, 4],
            [0, 4],
            [0, 0],
          ],
        ],
      },
      properties: {},
    },
    group: 'line\nbreak',
    '2e_nom': 'y',
    12: 1,
  },
];

const NOW = Date.parse('2021-05-06T12:34:55.450Z');

function idsWhere(where: string, quirks: PortalQuirks = {}, timezone = 'UTC'): unknown[] {
  const context = { timezone, language: 'fr', nowMs: NOW, quirks };
  return rows.filter(compileWhere(parseWhere(where), schema, context)).map((row) => row['id']);
}

describe('where', () => {
  test.each<[string, number[]]>([
    ['id = 1', [1]],
    ['id: 1', [1]],
    ['ID', []],
    ['size > 0', [1, 2]],
    ['size >= 0', [1, 2, 5]],
    ['size < 0', [4]],
    ['size <= -3', [4]],
    ['size + 1 > 2', [1, 2]],
    ['2 * size = 3', [1]],
    ['size / 0 = 1', []],
    ['big = 9007199254740993', [1]],
    ['big > 9007199254740992', [1]],
    ['title = "The Book of Secrets"', [1]],
    ['title = "the book of secrets"', []],
    ['title = \'SECRET défense "A"\\\\\'', [4]],
    ['title = "SECRET d\\u00e9fense \\"A\\"\\\\"', [4]],
    ['title = ""', [5]],
    ["`group` = 'it\\'s'", [4]],
    ['`group` = "line\\nbreak"', [5]],
    ['2e_nom = "x"', [1]],
    ['`12` > 6', [1, 2]],
    ['title IN ("", "Vélos électriques")', [2, 5]],
    ['id IN (1, 3, 99)', [1, 3]],
    ['size IN [0..10]', [1, 2, 5]],
    ['size IN ]0..10[', [1]],
    ['size IN [0 TO 10[', [1, 5]],
    ['size in ]-3 to 0]', [5]],
    ['"red" IN tags', [1, 4]],
    ['tags = "red"', [1, 4]],
    ['title IS NULL', [3]],
    ['title is not null', [1, 2, 4, 5]],
    ['tags is null', [3]],
    ['on', [1, 4]],
    ['on is true', [1, 4]],
    ['on IS FALSE', [2, 5]],
    ['on is not true', [2, 3, 5]],
    ['on: FALSE', [2, 5]],
    ['not on', [2, 3, 5]],
    ['NOT title = "The Book of Secrets"', [2, 3, 4, 5]],
    ['NOT size > 0', [3, 4, 5]],
    ['NOT (size > 0 OR size IS NULL)', [4, 5]],
    ['NOT id = 1 AND id < 3', [2]],
    ['id = 1 or id = 2 and size > 100', [1]],
    ['(id = 1 or id = 2) and size > 5', [2]],
    ['size = null', []],
    ['title LIKE "secrets"', [1]],
    ['title LIKE "BOOK secrets"', [1]],
    ['title LIKE "secret"', [4]],
    ['title LIKE "secret*"', [1, 4]],
    ['title LIKE "velo*"', [2]],
    ['title like "ook"', []],
    ['tags like "red"', [1, 4, 5]],
    ['search(title, "bok of secret")', [1]],
    ['search("VELO")', [2]],
    ['search(*, "velo electriqes veloz")', []],
    ['search(title, "velos elec")', [2]],
    ['search(title, `group`, "book")', [1]],
    ['suggest(title, "sec")', [1, 4]],
    ['startswith(title, "SECRET")', [4]],
    ['startswith(title, "secret")', []],
    ['"secrets book"', [1]],
    ['"secrets" OR "velos"', [1, 2]],
    ['NOT "secrets"', [2, 3, 4, 5]],
    ["jour = date'2020-02-29'", [2]],
    ["jour > date'2019'", [2, 5]],
    ["jour >= date'2019'", [1, 2, 5]],
    ["jour <= date'1988/01/01'", [4]],
    ["jour IN [date'2019'..date'2020']", [1]],
    ["at < date'2020-01-01T00:00'", [2]],
    ["at = date'2020-06-30T14:00:00.5+02:00'", [4]],
    ['year(jour) = 2020', [2, 5]],
    ['month(at) = 6', [4]],
    ["date_format(at, 'dd') = '01'", [1]],
    ["date_format(jour, 'dd/MM/YYYY') = '29/02/2020'", [2]],
    ['length(title) = 17', [2]],
    ["lower(title) = 'vélos électriques'", [2]],
    ['ifnull(size, 7) = 7', [3]],
    ['at > now(years=-1)', [4, 5]],
    ['in_bbox(place, 48, 2, 49, 3)', [1, 2]],
    ['in_bbox(place, 49, 3, 48, 2)', [1, 2]],
    ['in_bbox(place, 2, 48, 3, 49)', []],
    ['in_bbox(shape, -1, -1, 11, 11)', [1, 5]],
    ['in_bbox(shape, -1, -1, 9, 9)', [5]],
    ["within_distance(place, geom'POINT(2.3 48.8)', 5km)", [1]],
    ["within_distance(place, geom'POINT(2.3 48.8)', 5000 m)", [1]],
    ["within_distance(place, geom'POINT(-0.57 44.84)', 1mi)", [4, 5]],
    ["distance(place, geom'POINT(48.8 2.3)', 5km)", []],
    ["intersects(shape, geom'POLYGON((1 1, 2 1, 2 2, 1 2, 1 1))')", [1, 5]],
    ["disjoint(shape, geom'POLYGON((1 1, 2 1, 2 2, 1 2, 1 1))')", [2]],
    ["within(shape, geom'POLYGON((-1 -1, 5 -1, 5 5, -1 5, -1 -1))')", [5]],
    ["geometry(shape, geom'LINESTRING(0 10, 10 0)', INTERSECTS)", [1]],
    ['intersects(place, geom\'{"type":"Polygon","coordinates":[[[2,48],[3,48],[3,49],[2,49],[2,48]]]}\')', [1, 2]],
  ])('%s', (where, expected) => {
    if (where === 'ID') expect(() => idsWhere(where)).toThrow(OdsqlError);
    else expect(idsWhere(where)).toEqual(expected);
  });

  test('a valid clause passes, so that the refusals below fail for their own reason', () => {
    expect(idsWhere('title = "x" and size > 1')).toEqual([]);
  });

  test.each([
    ['title =', 'Syntax error'],
    ['title = "x', 'Syntax error'],
    ['(title = "x"', 'Syntax error'],
    ['title == "x"', 'Syntax error'],
    ['title != "x"', 'Syntax error'],
    ['title <> "x"', 'Syntax error'],
    ['title = "x" size > 1', 'Syntax error'],
    ['group = "a"', 'Syntax error'],
    ['size > 1e5', 'literal is expected'],
    ['nope = 1', 'Unknown field: nope'],
    ['nope IS NULL', 'Unknown field: nope'],
    ['hidden = true', 'Field hidden is not allowed in the current clause'],
    ['title > "a"', 'not allowed on text'],
    ['title = 1', 'cannot be compared'],
    ['size = "1"', 'cannot be compared'],
    ['jour > "2020-01-01"', 'cannot be compared'],
    ['jour = 2020', 'cannot be compared'],
    ['on > true', 'not allowed on boolean'],
    ['title = size', 'literal is expected'],
    ['size NOT IN (1)', 'Syntax error'],
    ['title LIKE 5', 'Syntax error'],
    ['title LIKE "*ook"', 'wildcard'],
    ['size LIKE "1"', 'LIKE'],
    ['"red" IN title', 'multivalued'],
    ['size', 'boolean field'],
    ['place = 1', 'not allowed on this type'],
    ['in_bbox(place, 1, 2, 3)', 'Wrong number of arguments'],
    ['in_bbox(place, 100, 2, 101, 3)', 'in_bbox'],
    ['in_bbox(title, 1, 2, 3, 4)', 'geo fields'],
    ["within_distance(place, geom'POINT(1 1)', 5 parsecs)", 'unit'],
    ["within_distance(place, geom'LINESTRING(1 1, 2 2)', 5km)", 'point'],
    ["intersects(shape, geom'CIRCLE(1 1)')", 'geometry literal'],
    ["jour = date'2021-02-29'", 'Invalid date'],
    ["jour = date'yesterday'", 'Invalid date'],
    ["at > now() - interval '1 year'", 'Syntax error'],
    ['now(century=1) = at', 'now'],
    ['nofunction(title) = "x"', 'Unknown function'],
    ['count(*) > 1', 'not allowed in the current clause'],
    ["date_format(jour, 'QQ') = '1'", 'Invalid date format'],
    [`${'('.repeat(200)}on${')'.repeat(200)}`, 'nested too deeply'],
  ])('refuses %s', (where, message) => {
    expect(() => idsWhere(where)).toThrow(OdsqlError);
    expect(() => idsWhere(where)).toThrow(message);
  });

  test('the zone of the request moves instants and not days', () => {
    expect(idsWhere('year(at) = 2019')).toEqual([2]);
    expect(idsWhere('year(at) = 2020', {}, 'Europe/Paris')).toEqual([1, 2, 4]);
    expect(idsWhere("jour = date'2020-12-31'", {}, 'UTC')).toEqual([5]);
    expect(idsWhere('day(jour) = 31', {}, 'America/Mexico_City')).toEqual([5]);
  });

  test('quirks change equality and negation', () => {
    expect(idsWhere('title = "the book of secrets"', { foldsCase: true })).toEqual([1]);
    expect(idsWhere('NOT size > 0', { twoValuedNot: false })).toEqual([4, 5]);
    expect(idsWhere('NOT (size > 0 AND id = 3)', { twoValuedNot: false })).toEqual([1, 2, 4, 5]);
    const long = 'x'.repeat(50);
    const test50 = compileWhere(parseWhere(`title = "${long}a"`), schema, {
      timezone: 'UTC',
      language: 'fr',
      nowMs: NOW,
      quirks: { compares50Characters: true },
    });
    expect(test50({ title: `${long}b` })).toBe(true);
    expect(test50({ title: `y${long}` })).toBe(false);
  });

  const leaf = fc.constantFrom(
    'size > 0',
    'title = "Vélos électriques"',
    'on',
    'tags = "red"',
    "jour > date'2019'",
    'size IS NULL',
    'search("secret")',
    'id IN (2, 3)',
    'in_bbox(place, 48, 2, 49, 3)',
  );
  const { condition } = fc.letrec<{ condition: string }>((tie) => ({
    condition: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc
        .tuple(tie('condition'), fc.constantFrom('AND', 'OR'), tie('condition'))
        .map(([a, op, b]) => `(${a} ${op} ${b})`),
      tie('condition').map((inner) => `NOT (${inner})`),
    ),
  }));

  test('NOT is the complement, AND the intersection and OR the union of the rows', () => {
    fc.assert(
      fc.property(condition, condition, (a, b) => {
        const all = rows.map((row) => row['id']);
        const [inA, inB] = [idsWhere(a), idsWhere(b)];
        expect(idsWhere(`NOT (${a})`)).toEqual(all.filter((id) => !inA.includes(id)));
        expect(idsWhere(`${a} AND ${b}`)).toEqual(all.filter((id) => inA.includes(id) && inB.includes(id)));
        expect(idsWhere(`${a} OR ${b}`)).toEqual(all.filter((id) => inA.includes(id) || inB.includes(id)));
      }),
      { seed: 11, numRuns: 150 },
    );
  });

  test('a text written as a JSON literal means itself', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (text, other) => {
        const condition = parseWhere(`title = ${JSON.stringify(text)}`);
        const matches = compileWhere(condition, schema, { timezone: 'UTC', language: 'fr', nowMs: NOW, quirks: {} });
        expect(matches({ title: text })).toBe(true);
        expect(matches({ title: other })).toBe(text === other);
      }),
      { seed: 12, numRuns: 300 },
    );
  });
});
