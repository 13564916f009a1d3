import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { SandboxPortal } from '../portal.ts';
import type { OpendatasoftDataset, OpendatasoftRow } from './opendatasoft-dataset.ts';
import { createOpendatasoftPortal } from './opendatasoft-portal.ts';

const rows: OpendatasoftRow[] = [
  {
    id: 1,
    name: 'Zebra',
    size: 2.5,
    big: 9_007_199_254_740_993n,
    at: '2026-03-29T00:30:00+00:00',
    year: '2019',
    tags: ['a', 'b'],
    place: { lon: -0.57, lat: 44.83 },
    shape: null,
  },
  {
    id: 2,
    name: 'école',
    size: null,
    big: 1,
    at: '2026-03-29T01:30:00+00:00',
    year: '2020',
    tags: ['b'],
    place: null,
    shape: {
      type: 'Feature',
      geometry: {
        type: 'LineString',
        coordinates: [
          [0, 0],
          [1, 1],
        ],
      },
      properties: {},
    },
  },
  {
    id: 3,
    name: 'Eclair',
    size: -1,
    big: null,
    at: null,
    year: null,
    tags: [],
    place: { lon: 0, lat: 0 },
    shape: null,
  },
  {
    id: 4,
    name: null,
    size: 10,
    big: 9_007_199_254_740_992n,
    at: '2025-12-31T23:30:00+00:00',
    year: '2020',
    tags: ['a'],
    place: { lon: 1, lat: 1 },
    shape: null,
  },
  {
    id: 5,
    name: 'zebra',
    size: 2.5,
    big: 0,
    at: '2026-01-01T00:00:00+00:00',
    year: '2021',
    tags: ['c "quoted"; x'],
    place: { lon: 2, lat: 2 },
    shape: null,
  },
];

const datasets: OpendatasoftDataset[] = [
  {
    id: 'things',
    title: 'Choses à vélo',
    description: '<p>Un petit jeu&nbsp;.</p>',
    theme: ['Mobilité, Transport'],
    keyword: ['vélo'],
    license: null,
    modified: '2026-03-01T00:00:00+00:00',
    fields: [
      { name: 'id', type: 'int', label: 'Identifiant' },
      { name: 'name', type: 'text', label: 'Nom', annotations: { facet: true } },
      { name: 'size', type: 'double' },
      { name: 'big', type: 'int' },
      { name: 'at', type: 'datetime', annotations: { facet: true } },
      { name: 'year', type: 'date', annotations: [{ name: 'facet' }] },
      { name: 'tags', type: 'text', annotations: { facet: [], multivalued: [','] } },
      { name: 'place', type: 'geo_point_2d' },
      { name: 'shape', type: 'geo_shape' },
    ],
    records: rows,
  },
  {
    id: 'many',
    title: 'Beaucoup',
    theme: ['Autre'],
    modified: '2026-01-01T00:00:00+00:00',
    fields: [
      { name: 'n', type: 'int' },
      { name: 'parity', type: 'text', annotations: { facet: true, disjunctive: true } },
    ],
    records: () =>
      Array.from({ length: 10_050 }, (_, n) => ({ n, parity: n % 3 === 0 ? 'x' : n % 3 === 1 ? 'y' : 'z' })),
  },
  { id: 'secret', title: 'Secret', dataVisible: false, fields: [{ name: 'n', type: 'int' }], records: [{ n: 1 }] },
  {
    id: 'papers',
    title: 'Documents',
    attachments: [{ id: 'a', title: 'a.pdf', mimetype: 'application/pdf', url: 'odsfile://a' }],
  },
];

let portal: SandboxPortal;
beforeAll(async () => {
  portal = await createOpendatasoftPortal({ id: 'test', title: 'Test', language: 'fr', datasets });
});
afterAll(() => portal.close());
afterEach(() => {
  portal.setFault(null);
  portal.setQuirks({});
});

function ask(path: string, parameters: Record<string, string | string[]> = {}): Promise<Response> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) for (const one of [value].flat()) query.append(name, one);
  return fetch(`${portal.baseUrl}/api/explore/v2.1${path}?${query}`);
}
interface Row {
  readonly id: number;
  readonly at: string;
  readonly year: unknown;
  readonly dataset_id: string;
  readonly metas: { readonly default: { readonly title: string } };
}
/** Everything a page, an entry or an export may hold; each test reads its part. */
interface Body {
  readonly total_count: number;
  readonly results: readonly Row[];
  readonly facets: unknown;
  readonly features: readonly {
    readonly geometry: { readonly type: string } | null;
    readonly properties: { readonly place: unknown };
  }[];
  readonly dataset_uid: string;
  readonly fields: readonly unknown[];
  readonly metas: {
    readonly default: {
      readonly records_count: number;
      readonly bbox: { readonly geometry: { readonly type: string } };
    };
  };
}
async function json<T = Body>(path: string, parameters: Record<string, string | string[]> = {}): Promise<T> {
  const response = await ask(path, parameters);
  expect(response.status, await response.clone().text()).toBe(200);
  return (await response.json()) as T;
}
const RECORDS = '/catalog/datasets/things/records';
const ids = async (parameters: Record<string, string | string[]>): Promise<unknown> =>
  (await json(RECORDS, parameters)).results.map((row) => row.id);

describe('records', () => {
  test('rows are flat, hold every field and show null explicitly', async () => {
    const body = await json(RECORDS, { limit: '1', offset: '1' });
    expect(body).toEqual({ total_count: 5, results: [{ ...rows[1] }] });
  });

  test('the default page holds ten rows and -1 a hundred', async () => {
    expect((await json('/catalog/datasets/many/records')).results).toHaveLength(10);
    const all = await json('/catalog/datasets/many/records', { limit: '-1' });
    expect(all.results).toHaveLength(100);
    expect(all.total_count).toBe(10_050);
  });

  test('integers beyond 2^53 arrive as their exact digits', async () => {
    const text = await (await ask(RECORDS, { where: 'id = 1' })).text();
    expect(text).toContain('"big":9007199254740993');
    expect(await (await ask(RECORDS, { select: 'big as b', where: 'id = 1' })).text()).toContain(
      '"b":9007199254740993',
    );
  });

  test.each([
    ['size', [3, 1, 5, 4, 2]],
    ['size desc', [4, 1, 5, 3, 2]],
    ['size desc, id desc', [4, 5, 1, 3, 2]],
    ['name', [3, 2, 5, 1, 4]],
    ['name desc', [1, 5, 2, 3, 4]],
    ['at desc', [2, 1, 5, 4, 3]],
    ["distance(place, geom'POINT(1 1)')", [4, 5, 3, 1, 2]],
  ])('order_by %s puts nulls last and texts by language', async (order_by, expected) => {
    expect(await ids({ order_by })).toEqual(expected);
  });

  test('random order is the same for the same seed and differs for another', async () => {
    const shuffle = async (seed: number): Promise<string> =>
      JSON.stringify(
        (await json('/catalog/datasets/many/records', { order_by: `random(${seed})`, limit: '50' })).results,
      );
    expect(await shuffle(1)).toBe(await shuffle(1));
    expect(await shuffle(1)).not.toBe(await shuffle(2));
  });

  test('several where parameters are all required', async () => {
    expect(await ids({ where: ['size > 0', 'id > 1'] })).toEqual([4, 5]);
  });

  test('the zone shifts instants at both sides of the clock change', async () => {
    const body = await json(RECORDS, { timezone: 'Europe/Paris', limit: '2' });
    expect(body.results.map((row) => row.at)).toEqual(['2026-03-29T01:30:00+01:00', '2026-03-29T03:30:00+02:00']);
  });

  test('select renames, computes, includes and excludes', async () => {
    const body = await json(RECORDS, { select: 'id as key, size * 2 as twice, year(at) as y', limit: '1' });
    expect(body.results).toEqual([{ key: 1, twice: 5, y: 2026 }]);
    const some = await json(RECORDS, { select: 'include(s*), exclude(shape)', limit: '1' });
    expect(some.results).toEqual([{ size: 2.5 }]);
  });

  test('an aggregate without groups has one result and the number of rows as its total', async () => {
    expect(
      await json(RECORDS, { select: 'count(*) as total, sum(size), max(at) as last, avg(size) as a', where: 'id < 3' }),
    ).toEqual({
      total_count: 2,
      results: [{ total: 2, 'sum(size)': 2.5, last: '2026-03-29T01:30:00+00:00', a: 2.5 }],
    });
  });

  test('groups come by key with the null group, first by default and last when ordered', async () => {
    const query = { select: 'count(*) as n', group_by: '`year`' };
    expect((await json(RECORDS, query)).results).toEqual([
      { year: null, n: 1 },
      { year: '2019-01-01', n: 1 },
      { year: '2020-01-01', n: 2 },
      { year: '2021-01-01', n: 1 },
    ]);
    const ordered = await json(RECORDS, { ...query, order_by: '`year` desc' });
    expect(ordered.results.map((row) => row.year)).toEqual(['2021-01-01', '2020-01-01', '2019-01-01', null]);
    expect(ordered.total_count).toBe(4);
  });

  test('groups may be functions, ranges and values of lists, and sort by their aggregates', async () => {
    expect(
      (await json(RECORDS, { select: 'count(*) as n', group_by: 'tags', order_by: 'n desc, tags' })).results,
    ).toEqual([
      { tags: 'a', n: 2 },
      { tags: 'b', n: 2 },
      { tags: 'c "quoted"; x', n: 1 },
      { tags: null, n: 1 },
    ]);
    expect(
      (await json(RECORDS, { select: 'count(*) as n', group_by: 'range(size, *, 0, 5, *) as r' })).results,
    ).toEqual([
      { r: '[*, 0[', n: 1 },
      { r: '[0, 5[', n: 2 },
      { r: '[5, *[', n: 1 },
    ]);
    expect((await json(RECORDS, { select: 'count(*) as n', group_by: 'range(at, 1 month) as m' })).results).toEqual([
      { m: '[2025-12-01T00:00:00.000Z, 2026-01-01T00:00:00.000Z[', n: 1 },
      { m: '[2026-01-01T00:00:00.000Z, 2026-02-01T00:00:00.000Z[', n: 1 },
      { m: '[2026-03-01T00:00:00.000Z, 2026-04-01T00:00:00.000Z[', n: 2 },
    ]);
    expect(
      (await json(RECORDS, { select: 'count(*)', group_by: 'year(at) as y', where: 'at is not null' })).results,
    ).toEqual([
      { y: 2025, 'count(*)': 1 },
      { y: 2026, 'count(*)': 3 },
    ]);
  });

  test('refine is a conjunction on plain facets, a disjunction on disjunctive ones, and knows parts of dates', async () => {
    expect(await ids({ refine: 'tags:a' })).toEqual([1, 4]);
    expect(await ids({ refine: ['tags:a', 'tags:b'] })).toEqual([1]);
    expect(await ids({ refine: 'name:"Zebra"' })).toEqual([1]);
    expect(await ids({ refine: 'at:2026/03' })).toEqual([1, 2]);
    expect(await ids({ exclude: 'tags:b' })).toEqual([3, 4, 5]);
    const many = await json('/catalog/datasets/many/records', { refine: ['parity:x', 'parity:y'] });
    expect(many.total_count).toBe(6700);
  });

  test('unknown parameters are ignored, a trailing slash is accepted', async () => {
    const response = await fetch(`${portal.baseUrl}/api/explore/v2.1${RECORDS}/?nonsense=1&limit=2`);
    expect(((await response.json()) as { results: unknown[] }).results).toHaveLength(2);
  });
});

describe('refusals', () => {
  test('the specimen of the refusals below is answered', async () => {
    await json('/catalog/datasets/many/records', {
      limit: '100',
      offset: '9900',
      where: 'n >= 0',
      order_by: 'n',
      select: 'n',
    });
  });

  test.each<[string, Record<string, string>, string, string]>([
    [
      'a limit above 100',
      { limit: '101' },
      'InvalidRESTParameterError',
      'Invalid value for limit API parameter: 101 was found but -1 <= limit <= 100 is expected.',
    ],
    [
      'a limit below -1',
      { limit: '-2' },
      'InvalidRESTParameterError',
      'Invalid value for limit API parameter: -2 was found but -1 <= limit <= 100 is expected.',
    ],
    [
      'a limit that is no number',
      { limit: 'ten' },
      'InvalidRESTParameterError',
      'Invalid value for limit API parameter: ten was found but an integer is expected.',
    ],
    [
      'a window beyond 10,000',
      { limit: '100', offset: '9901' },
      'InvalidRESTParameterError',
      'Invalid value for offset API parameter: 9901 was found but 0 <= offset <= 9900 is expected.',
    ],
    [
      'a negative offset',
      { offset: '-1' },
      'InvalidRESTParameterError',
      'Invalid value for offset API parameter: -1 was found but 0 <= offset <= 9990 is expected.',
    ],
    [
      'a grouped limit above 20,000',
      { group_by: 'parity', limit: '20001' },
      'InvalidRESTParameterError',
      'Invalid value for limit API parameter: 20001 was found but -1 <= limit <= 20000 is expected.',
    ],
    [
      'an unknown field in select',
      { select: 'no_such_field' },
      'ODSQLError',
      'ODSQL query is malformed: Unknown field: no_such_field. Clause(s) containing the error(s): select.',
    ],
    [
      'an unknown field in where',
      { where: 'nope = 1' },
      'ODSQLError',
      'ODSQL query is malformed: Unknown field: nope. Clause(s) containing the error(s): where.',
    ],
    [
      'an unknown field in order_by',
      { order_by: 'nope' },
      'ODSQLError',
      'ODSQL query is malformed: Unknown field: nope. Clause(s) containing the error(s): order_by.',
    ],
    [
      'an unknown facet',
      { refine: 'n:1' },
      'ODSQLError',
      'ODSQL query is malformed: Unknown facet: n. Clause(s) containing the error(s): refine.',
    ],
    ['a field outside its group', { group_by: 'parity', select: 'n' }, 'ODSQLError', ''],
    [
      'an aggregate after a field in order_by',
      { group_by: 'parity', select: 'count(*) as c', order_by: 'parity, c' },
      'ODSQLError',
      '',
    ],
    ['a syntax error', { where: 'n =' }, 'ODSQLError', ''],
    ['an unknown zone', { timezone: 'Mars/Olympus' }, 'InvalidRESTParameterError', ''],
    ['an unknown language', { lang: 'xx' }, 'InvalidRESTParameterError', ''],
    ['links, which are not evaluated', { include_links: 'true' }, 'InvalidRESTParameterError', ''],
    ['geo_cluster, which is not evaluated', { group_by: 'geo_cluster(n, 5)', select: 'count(*)' }, 'ODSQLError', ''],
  ])("%s is a 400 with the portal's envelope", async (_title, parameters, code, message) => {
    const response = await ask('/catalog/datasets/many/records', parameters);
    expect(response.status).toBe(400);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(response.headers.has('x-ratelimit-limit')).toBe(false);
    const text = await response.text();
    expect(text.startsWith('{\n  "error_code"')).toBe(true);
    const body = JSON.parse(text) as { error_code: string; message: string };
    expect(body.error_code).toBe(code);
    if (message !== '') expect(body.message).toBe(message);
  });

  test.each([
    ['/catalog/datasets/does-not-exist', 404, 'NotFoundResource'],
    ['/catalog/datasets/does-not-exist/records', 404, 'NotFoundResource'],
    ['/catalog/datasets/papers/records', 404, 'NotFoundResource'],
    ['/catalog/datasets/things/records/abc', 404, 'NotFoundResource'],
    ['/catalog/datasets/secret/records', 403, 'ForbiddenAccess'],
    ['/catalog/datasets/secret/exports/json', 403, 'ForbiddenAccess'],
    ['/catalog/datasets/secret/facets', 403, 'ForbiddenAccess'],
    ['/catalog/datasets/things/aggregates', 410, 'GoneResource'],
    ['/catalog/datasets/things/exports/xlsx', 400, 'InvalidRESTParameterError'],
    ['/catalog/exports/dcat', 400, 'InvalidRESTParameterError'],
    ['/nothing', 404, 'NotFoundResource'],
  ])('%s answers %i', async (path, status, code) => {
    const response = await ask(path);
    expect(response.status).toBe(status);
    expect(((await response.json()) as { error_code: string }).error_code).toBe(code);
  });

  test('a missing dataset is named', async () => {
    const body = await (await ask('/catalog/datasets/does-not-exist')).json();
    expect(body).toEqual({
      error_code: 'NotFoundResource',
      message: 'The requested dataset does-not-exist does not exist.',
    });
  });
});

describe('catalog', () => {
  test('a dataset has the structure of a live portal', async () => {
    const body = await json('/catalog/datasets/things');
    expect(Object.keys(body)).toEqual([
      'visibility',
      'dataset_id',
      'dataset_uid',
      'has_records',
      'features',
      'attachments',
      'alternative_exports',
      'data_visible',
      'fields',
      'metas',
    ]);
    expect(body.dataset_uid).toMatch(/^da_[0-9a-z]{6}$/);
    expect(body.metas.default.records_count).toBe(5);
    expect(body.metas.default.bbox.geometry.type).toBe('Polygon');
    expect(body.fields[0]).toEqual({
      name: 'id',
      description: null,
      annotations: {},
      label: 'Identifiant',
      type: 'int',
    });
  });

  test.each<[Record<string, string>, string[]]>([
    [{ where: 'search("velo")' }, ['things']],
    [{ where: 'dataset_id in ("many", "papers", "nope")' }, ['many', 'papers']],
    [{ where: 'dataset_id = "many" or dataset_id = "secret"' }, ['many', 'secret']],
    [{ where: 'title like "choses"' }, ['things']],
    [{ where: 'theme = "Mobilité, Transport"' }, ['things']],
    [{ where: '"vélo" in keyword' }, ['things']],
    [{ where: 'not has_records' }, ['papers']],
    [{ where: "modified < date'2026-02-01'" }, ['many']],
    [{ where: 'default.title = "Secret"' }, ['secret']],
    [{ refine: 'theme:Autre' }, ['many']],
    [{ order_by: 'dataset_id' }, ['many', 'papers', 'secret', 'things']],
    [{ order_by: 'title desc' }, ['secret', 'papers', 'things', 'many']],
    [{ order_by: 'dataset_id', limit: '2', offset: '1' }, ['papers', 'secret']],
  ])('%o selects datasets', async (parameters, expected) => {
    const body = await json('/catalog/datasets', parameters);
    expect(body.results.map((entry) => entry.dataset_id)).toEqual(expected);
  });

  test('select names fields and drops parts, but not metas', async () => {
    expect((await json('/catalog/datasets', { select: 'dataset_id, title', limit: '1' })).results).toEqual([
      { dataset_id: 'things', title: 'Choses à vélo' },
    ]);
    const light = await json('/catalog/datasets', { select: 'exclude(fields),exclude(attachments)', limit: '1' });
    expect(Object.keys(light.results[0] ?? {})).not.toContain('fields');
    expect(light.results[0]?.metas.default.title).toBe('Choses à vélo');
    const refused = await ask('/catalog/datasets', { select: 'metas' });
    expect(((await refused.json()) as { message: string }).message).toBe(
      'ODSQL query is malformed: Unknown field: metas. Clause(s) containing the error(s): select.',
    );
  });

  test('data_visible may not be filtered on', async () => {
    const response = await ask('/catalog/datasets', { where: 'data_visible=true' });
    expect(response.status).toBe(400);
    expect(((await response.json()) as { message: string }).message).toContain(
      'Field data_visible is not allowed in the current clause.',
    );
  });

  test('the json export is a bare list of everything', async () => {
    const body = await json<readonly Row[]>('/catalog/exports/json');
    expect(body).toHaveLength(4);
    expect(body[0]?.dataset_id).toBe('things');
  });

  test('facets count values and unfold refined dates', async () => {
    const body = await json('/catalog/facets', { facet: ['theme', 'modified'], refine: 'modified:2026/03' });
    expect(body.facets).toEqual([
      {
        name: 'theme',
        facets: [{ name: 'Mobilité, Transport', count: 1, state: 'displayed', value: 'Mobilité, Transport' }],
      },
      {
        name: 'modified',
        facets: [
          {
            name: '2026',
            count: 1,
            state: 'refined',
            value: '2026',
            facets: [
              {
                name: '03',
                count: 1,
                state: 'refined',
                value: '2026/03',
                facets: [{ name: '01', count: 1, state: 'displayed', value: '2026/03/01' }],
              },
            ],
          },
        ],
      },
    ]);
    const tags = await json('/catalog/datasets/things/facets', { facet: 'facet(name="tags", sort="-count", limit=1)' });
    expect(tags.facets).toEqual([{ name: 'tags', facets: [{ name: 'a', count: 2, state: 'displayed', value: 'a' }] }]);
  });
});

describe('exports', () => {
  const EXPORTS = '/catalog/datasets/things/exports';

  test('csv has a byte order mark, semicolons, quoted cells, points as lat lon and lists with commas', async () => {
    const response = await ask(`${EXPORTS}/csv`);
    expect(response.headers.get('content-disposition')).toBe('attachment; filename="things.csv"');
    const text = Buffer.from(await response.arrayBuffer()).toString('utf8');
    const lines = text.split('\r\n');
    expect(lines[0]).toBe('\uFEFFid;name;size;big;at;year;tags;place;shape');
    expect(lines[1]).toBe('1;Zebra;2.5;9007199254740993;2026-03-29T00:30:00+00:00;2019;a,b;44.83, -0.57;');
    expect(lines[2]).toBe(
      '2;école;;1;2026-03-29T01:30:00+00:00;2020;b;;"{""type"":""LineString"",""coordinates"":[[0,0],[1,1]]}"',
    );
    expect(lines[5]).toContain(';"c ""quoted""; x";');
    const plain = await (
      await ask(`${EXPORTS}/csv`, { with_bom: 'false', use_labels: 'true', delimiter: ',', select: 'id,name' })
    ).text();
    expect(plain.split('\r\n')[0]).toBe('Identifiant,Nom');
  });

  test('json, jsonl and geojson hold every row beyond the window of pages', async () => {
    const all = await (await ask('/catalog/datasets/many/exports/json')).json();
    expect(all).toHaveLength(10_050);
    const lines = (await (await ask('/catalog/datasets/many/exports/jsonl', { where: 'n > 10' })).text())
      .trimEnd()
      .split('\n');
    expect(lines).toHaveLength(10_039);
    expect(JSON.parse(lines[0] ?? '')).toEqual({ n: 11, parity: 'z' });
    const collection = await json(`${EXPORTS}/geojson`);
    expect(collection.features.map((feature) => feature.geometry?.type ?? null)).toEqual([
      'Point',
      'LineString',
      'Point',
      'Point',
      'Point',
    ]);
    expect(collection.features[0]?.properties).not.toHaveProperty('shape');
    expect(collection.features[0]?.properties.place).toEqual({ lon: -0.57, lat: 44.83 });
  });

  test('order, limit, groups and compression apply to exports, an offset does not', async () => {
    expect(await json(`${EXPORTS}/json`, { order_by: 'id desc', limit: '2', select: 'id' })).toEqual([
      { id: 5 },
      { id: 4 },
    ]);
    expect(await json('/catalog/datasets/many/exports/json', { select: 'count(*) as n', group_by: 'parity' })).toEqual([
      { parity: 'x', n: 3350 },
      { parity: 'y', n: 3350 },
      { parity: 'z', n: 3350 },
    ]);
    const packed = await ask(`${EXPORTS}/jsonl`, { compressed: 'true', select: 'id' });
    expect(gunzipSync(await packed.arrayBuffer()).toString()).toBe(
      '{"id":1}\n{"id":2}\n{"id":3}\n{"id":4}\n{"id":5}\n',
    );
    expect((await ask(`${EXPORTS}/json`, { offset: '0' })).status).toBe(400);
  });
});

describe('switches', () => {
  test('answers carry the headers of a live portal, with the odd reset', async () => {
    const { headers } = await ask(RECORDS);
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(headers.get('x-ratelimit-limit')).toBe('15000');
    expect(headers.get('x-ratelimit-reset')).toMatch(/^\d{4}-\d{2}-\d{2} 00:00:00\+00:00$/);
    expect(headers.has('etag')).toBe(false);
  });

  test('each quirk changes one thing', async () => {
    portal.setQuirks({ capsSilentlyAt: 2 });
    expect((await json(RECORDS, { limit: '5' })).results).toHaveLength(2);
    portal.setQuirks({ wrongTotal: 3 });
    expect((await json(RECORDS)).total_count).toBe(8);
    portal.setQuirks({ repeatsPages: true });
    expect(await ids({ limit: '2', offset: '2' })).toEqual([1, 2]);
    portal.setQuirks({ ignoresUnknownWhere: true });
    expect(await ids({ where: 'nope = 1' })).toEqual([1, 2, 3, 4, 5]);
    expect((await ask(RECORDS, { where: 'id =' })).status).toBe(400);
    portal.setQuirks({ foldsCase: true });
    expect(await ids({ where: 'name = "ZEBRA"' })).toEqual([1, 5]);
    portal.setQuirks({ twoValuedNot: false });
    expect(await ids({ where: 'NOT size > 5' })).toEqual([1, 3, 5]);
    portal.setQuirks({});
    expect(await ids({ where: 'NOT size > 5' })).toEqual([1, 2, 3, 5]);
  });

  test('the truth comes from the data and not from the protocol', () => {
    expect(portal.truth('things')?.records).toBe(rows);
    expect(portal.truth('papers')).toMatchObject({ fields: null, records: null });
    expect(portal.truth('nope')).toBeNull();
  });
});
