import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { SandboxPortal } from '../portal.ts';
import type { CkanPackage } from './ckan-dataset.ts';
import { createCkanPortal } from './ckan-portal.ts';

const records = [
  { name: 'Zebra', size: 2.5, big: 9_007_199_254_740_993n, on: true, at: '2026-03-29T00:30:00' },
  { name: 'école', size: null, big: 1, on: false, at: '2026-03-29T01:30:00' },
  { name: 'Eclair', size: -1, big: null, on: null, at: null },
  { name: null, size: 10, big: 9_007_199_254_740_992n, on: true, at: '2025-12-31T23:30:00' },
  { name: 'zebra', size: 2.5, big: 0, on: false, at: '2026-01-01T00:00:00' },
];

const packages: CkanPackage[] = [
  {
    name: 'estaciones',
    title: 'Estaciones de bici',
    notes: 'Bicicletas',
    organization: 'semovi',
    groups: ['movilidad'],
    tags: ['velo', 'Bici "pública"'],
    licenseId: 'CC-BY-4.0-ESP',
    modified: '2026-10-01T00:00:00.000001',
    resources: [
      {
        id: 'table-1',
        name: 'Datos',
        format: 'CSV',
        table: {
          fields: [
            { id: 'name', type: 'text' },
            { id: 'size', type: 'numeric' },
            { id: 'big', type: 'int8' },
            { id: 'on', type: 'bool' },
            { id: 'at', type: 'timestamp' },
          ],
          records,
        },
      },
      {
        id: 'table-2',
        name: 'Largo',
        format: 'csv',
        table: {
          fields: [{ id: 'n', type: 'int4' }],
          records: () => Array.from({ length: 32_100 }, (_, n) => ({ n })),
        },
      },
    ],
  },
  {
    name: 'aire',
    title: 'Calidad del aire',
    tags: [],
    licenseId: 'cc-by',
    modified: '2026-09-01T00:00:00.000001',
    extras: { frequency: 'DAILY' },
  },
  { name: 'cosechador', title: 'Cosechador de bici', type: 'harvest', modified: '2026-08-01T00:00:00.000001' },
  ...Array.from({ length: 1005 }, (_, index): CkanPackage => ({
    name: `p-${String(index).padStart(4, '0')}`,
    title: `Paquete ${index}`,
    modified: '2020-01-01T00:00:00.000000',
  })),
];

let portal: SandboxPortal;
beforeAll(async () => {
  portal = await createCkanPortal({
    id: 'mx',
    title: 'Datos',
    language: 'es',
    packages,
    organizations: [{ name: 'semovi', title: 'SEMOVI' }],
    groups: [{ name: 'movilidad', title: 'Movilidad' }],
    licenses: [
      {
        id: 'cc-by',
        title: 'Creative Commons Attribution',
        url: 'https://example.org/cc-by',
        od_conformance: 'approved',
      },
    ],
  });
});
afterAll(() => portal.close());
afterEach(() => portal.setQuirks({}));

interface Envelope {
  help: string;
  success: boolean;
  result: Result;
  error: { __type: string; message?: string };
}
/** Everything an action may answer with; each test reads its part. */
interface Result extends Readonly<Record<number, Readonly<Record<string, unknown>>>> {
  readonly id: string;
  readonly name: string;
  readonly count: number;
  readonly total: number;
  readonly limit: number;
  readonly results: readonly { readonly name: string }[];
  readonly records: readonly { readonly _id: number }[];
  readonly fields: readonly unknown[];
  readonly facets: unknown;
  readonly search_facets: { readonly groups: { readonly items: unknown } };
  readonly extras: unknown;
  readonly datastore_active: boolean;
  readonly meta: { readonly count: number };
  readonly _links: { readonly next: string };
}
async function get(
  action: string,
  parameters: Record<string, string> = {},
): Promise<{ status: number; body: Envelope }> {
  const response = await fetch(`${portal.baseUrl}/api/3/action/${action}?${new URLSearchParams(parameters)}`);
  expect(response.headers.get('content-type')).toBe('application/json;charset=utf-8');
  return { status: response.status, body: (await response.json()) as Envelope };
}
async function post(action: string, body: unknown): Promise<{ status: number; body: Envelope }> {
  const response = await fetch(`${portal.baseUrl}/api/3/action/${action}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Envelope };
}
const names = async (parameters: Record<string, string>): Promise<string[]> => {
  const { status, body } = await get('package_search', parameters);
  expect(status, JSON.stringify(body)).toBe(200);
  return body.result.results.map((entry) => entry.name);
};

describe('package_search', () => {
  test('finds by words, by exact fields and by both, and counts before the page', async () => {
    expect(await names({ q: 'bici' })).toEqual(['estaciones', 'cosechador']);
    expect(await names({ q: 'bici', fq: 'dataset_type:dataset' })).toEqual(['estaciones']);
    expect(await names({ fq: 'tags:"Bici \\"pública\\""' })).toEqual(['estaciones']);
    expect(await names({ fq: 'organization:semovi AND groups:movilidad AND res_format:CSV' })).toEqual(['estaciones']);
    expect(await names({ q: 'title:calidad' })).toEqual(['aire']);
    expect(await names({ fq: 'metadata_modified:[2026-08-15T00:00:00Z TO *]' })).toEqual(['estaciones', 'aire']);
    const { body } = await get('package_search', { q: '*:*', rows: '0' });
    expect(body.result).toMatchObject({ count: 1008, results: [], sort: 'score desc, metadata_modified desc' });
  });

  test('rows are ten by default and clamped to a thousand without a word', async () => {
    expect(await names({})).toHaveLength(10);
    expect(await names({ rows: '5000', q: '*:*' })).toHaveLength(1000);
    expect(await names({ rows: '5000', start: '1000', sort: 'id asc' })).toHaveLength(8);
  });

  test('sorts exact fields by bytes', async () => {
    expect((await names({ sort: 'name asc', rows: '3' })).slice(0, 3)).toEqual(['aire', 'cosechador', 'estaciones']);
    expect((await names({ sort: 'title_string asc', rows: '1' }))[0]).toBe('aire');
    expect((await names({ sort: 'metadata_modified desc', rows: '1' }))[0]).toBe('estaciones');
  });

  test('facets count and carry titles', async () => {
    const { body } = await get('package_search', { rows: '0', 'facet.field': '["groups","dataset_type"]' });
    expect(body.result.facets).toEqual({ groups: { movilidad: 1 }, dataset_type: { dataset: 1007, harvest: 1 } });
    expect(body.result.search_facets.groups.items).toEqual([
      { name: 'movilidad', display_name: 'Movilidad', count: 1 },
    ]);
  });

  test('a batch by id over POST comes without the missing ones', async () => {
    const ids = packages.slice(0, 3).map(({ name }) => `"${name}"`);
    const { body } = await post('package_search', { q: '*:*', fq: `name:(${ids.join(' OR ')} OR "nope")`, rows: 10 });
    expect(body.result.count).toBe(3);
  });

  test('a package carries an unregistered licence as its own title and no address', async () => {
    const { body } = await get('package_show', { id: 'estaciones' });
    expect(body.result).toMatchObject({
      license_id: 'CC-BY-4.0-ESP',
      license_title: 'CC-BY-4.0-ESP',
      isopen: false,
      num_resources: 2,
    });
    expect(body.result).not.toHaveProperty('license_url');
    const byId = await get('package_show', { id: body.result.id });
    expect(byId.body.result.name).toBe('estaciones');
  });
});

describe('refusals', () => {
  test('the specimen of the refusals below is answered', async () => {
    expect((await get('package_search', { q: 'bici', rows: '1', start: '0', sort: 'id asc', fq: 'id:x' })).status).toBe(
      200,
    );
    expect(
      (await get('datastore_search', { resource_id: 'table-1', limit: '1', filters: '{"name":"x"}', sort: 'name' }))
        .status,
    ).toBe(200);
  });

  test.each<[string, Record<string, string>, number, string]>([
    ['package_search', { cursorMark: '*' }, 400, 'Search Query Error'],
    ['package_search', { sort: 'nope asc' }, 400, 'Search Query Error'],
    ['package_search', { sort: 'title asc' }, 400, 'Search Query Error'],
    ['package_search', { q: '{!lucene}x' }, 400, 'Search Query Error'],
    ['package_search', { qf: 'title^9' }, 400, 'Search Query Error'],
    ['package_search', { fq: 'nope:x' }, 409, 'Search Error'],
    ['package_search', { fq: 'id:(' }, 409, 'Search Error'],
    ['package_search', { rows: '-1' }, 409, 'Validation Error'],
    ['package_search', { rows: 'x' }, 409, 'Validation Error'],
    ['package_show', { id: 'nope' }, 404, 'Not Found Error'],
    ['package_show', {}, 409, 'Validation Error'],
    ['organization_show', { id: 'nope' }, 404, 'Not Found Error'],
    ['datastore_search', { resource_id: 'nope' }, 404, 'Not Found Error'],
    ['datastore_search', { resource_id: 'table-1', limit: '-1' }, 409, 'Validation Error'],
    ['datastore_search', { resource_id: 'table-1', limit: 'x' }, 409, 'Validation Error'],
    ['datastore_search', { resource_id: 'table-1', filters: '{"nope":1}' }, 409, 'Validation Error'],
    ['datastore_search', { resource_id: 'table-1', filters: '{"size":"big"}' }, 409, 'Validation Error'],
    ['datastore_search', { resource_id: 'table-1', filters: '{"name":1}' }, 409, 'Validation Error'],
    ['datastore_search', { resource_id: 'table-1', filters: '{bad' }, 409, 'Validation Error'],
    ['datastore_search', { resource_id: 'table-1', filters: '{"size":{"gt":1}}' }, 409, 'Validation Error'],
    ['datastore_search', { resource_id: 'table-1', sort: 'nope desc' }, 409, 'Validation Error'],
    ['datastore_search', { resource_id: 'table-1', fields: 'nope' }, 409, 'Validation Error'],
    ['datastore_search', { resource_id: 'table-1', where: 'x' }, 409, 'Validation Error'],
    ['datastore_search', { resource_id: 'table-1', records_format: 'tsv' }, 409, 'Validation Error'],
  ])('%s %o', async (action, parameters, status, type) => {
    const answer = await get(action, parameters);
    expect([answer.status, answer.body.success, answer.body.error.__type]).toEqual([status, false, type]);
    expect(answer.body).not.toHaveProperty('result');
  });

  test('messages are localised and the parameter is named as Python would', async () => {
    expect((await get('package_show', { id: 'nope' })).body.error).toEqual({
      __type: 'Not Found Error',
      message: 'No encontrado',
    });
    expect((await get('package_search', { foo: '1' })).body.error.message).toBe(
      `Search Query is invalid: "Invalid search parameters: ['foo']"`,
    );
    expect((await get('package_show')).body.error).toEqual({ __type: 'Validation Error', id: ['Falta un valor'] });
  });

  test('an unknown action and an unreadable body are bare texts', async () => {
    expect(await get('datastore_search_sql')).toEqual({
      status: 400,
      body: 'Bad request: Action name not known: datastore_search_sql',
    });
    const bad = await post('package_show', '{bad');
    expect([bad.status, typeof bad.body]).toEqual([400, 'string']);
    expect((await post('package_show', '[1]')).status).toBe(400);
    expect((await get('constructor')).status).toBe(400);
  });

  test('a repeated fq is refused, not joined', async () => {
    const response = await fetch(`${portal.baseUrl}/api/3/action/package_search?fq=id:a&fq=id:b`);
    expect(response.status).toBe(400);
  });
});

describe('other reads', () => {
  test('lists, registers and the status', async () => {
    expect((await get('package_list', { limit: '2' })).body.result).toEqual(['aire', 'cosechador']);
    expect((await get('organization_list')).body.result).toEqual(['semovi']);
    expect((await get('group_list', { all_fields: 'true' })).body.result[0]).toMatchObject({
      name: 'movilidad',
      package_count: 1,
    });
    expect((await get('organization_show', { id: 'semovi' })).body.result).toMatchObject({
      title: 'SEMOVI',
      package_count: 1,
    });
    expect((await get('license_list')).body.result[0]?.['id']).toBe('cc-by');
    expect((await get('status_show')).body.result).toMatchObject({ ckan_version: '2.11.5', locale_default: 'es' });
    expect((await get('resource_show', { id: 'table-1' })).body.result.datastore_active).toBe(true);
  });

  test('a form body and the unversioned path are accepted', async () => {
    const response = await fetch(`${portal.baseUrl}/api/action/package_show`, {
      method: 'POST',
      body: new URLSearchParams({ id: 'aire' }),
    });
    expect(((await response.json()) as Envelope).result.extras).toEqual([{ key: 'frequency', value: 'DAILY' }]);
  });
});

describe('datastore', () => {
  const search = async (parameters: Record<string, unknown>): Promise<Result> => {
    const { status, body } = await post('datastore_search', { resource_id: 'table-1', ...parameters });
    expect(status, JSON.stringify(body)).toBe(200);
    return body.result;
  };
  const rowIds = async (parameters: Record<string, unknown>): Promise<number[]> =>
    (await search(parameters)).records.map((row) => row._id);

  test('a page has the shape of a live answer', async () => {
    const result = await search({ limit: 2, offset: 1 });
    expect(Object.keys(result).sort()).toEqual(
      [
        '_links',
        'fields',
        'include_total',
        'limit',
        'offset',
        'records',
        'records_format',
        'resource_id',
        'total',
        'total_estimation_threshold',
        'total_was_estimated',
      ].sort(),
    );
    expect(result.fields.slice(0, 2)).toEqual([
      { id: '_id', type: 'int' },
      { id: 'name', type: 'text' },
    ]);
    expect(result.records[0]).toEqual({
      _id: 2,
      name: 'école',
      size: null,
      big: 1,
      on: false,
      at: '2026-03-29T01:30:00',
    });
    expect(result._links.next).toBe('/api/3/action/datastore_search?resource_id=table-1&limit=2&offset=3');
    expect(result.total).toBe(5);
  });

  test('integers beyond 2^53 arrive as their exact digits', async () => {
    const response = await fetch(`${portal.baseUrl}/api/3/action/datastore_search?resource_id=table-1&limit=1`);
    expect(await response.text()).toContain('"big":9007199254740993');
  });

  test.each<[Record<string, unknown>, number[]]>([
    [{ filters: { name: 'Zebra' } }, [1]],
    [{ filters: { name: ['Zebra', 'zebra', 'x'] } }, [1, 5]],
    [{ filters: { name: null } }, []],
    [{ filters: { name: [null, 'Zebra'] } }, [1]],
    [{ filters: { size: 2.5, on: true } }, [1]],
    [{ filters: { size: '2.50' } }, [1, 5]],
    [{ filters: { big: '9007199254740993' } }, [1]],
    [{ filters: '{"big": 9007199254740993}' }, [1]],
    [{ filters: '{"big": [9007199254740992, 1]}' }, [2, 4]],
    [{ filters: { at: '2026-01-01T00:00:00-06:00' } }, [5]],
    [{ filters: { on: 'f' } }, [2, 5]],
    [{ filters: { at: '2026-01-01 00:00' } }, [5]],
    [{ filters: { _id: [2, 4] } }, [2, 4]],
    [{ filters: {} }, [1, 2, 3, 4, 5]],
    [{ q: 'zebra' }, [1, 5]],
    [{ q: { name: 'zebra' }, filters: { on: true } }, [1]],
    [{ sort: 'size' }, [3, 5, 1, 4, 2]],
    [{ sort: 'size desc' }, [2, 4, 5, 1, 3]],
    [{ sort: 'size desc nulls last' }, [4, 5, 1, 3, 2]],
    [{ sort: 'size asc nulls first, _id desc' }, [2, 3, 5, 1, 4]],
    [{ sort: '"name"' }, [3, 2, 5, 1, 4]],
    [{ sort: 'name desc' }, [4, 1, 5, 2, 3]],
    [{ sort: 'at desc nulls last' }, [2, 1, 5, 4, 3]],
  ])('%o', async (parameters, expected) => {
    expect(await rowIds(parameters)).toEqual(expected);
  });

  test('fields, distinct, lists and a total on request', async () => {
    const result = await search({ fields: 'size', distinct: true, sort: 'size' });
    expect(result.records).toEqual([{ size: -1 }, { size: 2.5 }, { size: 10 }, { size: null }]);
    expect(result.total).toBe(4);
    const lists = await search({ fields: ['_id', 'on'], records_format: 'lists', limit: 1, include_total: false });
    expect(lists.records).toEqual([[1, true]]);
    expect(lists).not.toHaveProperty('total');
  });

  test('a page is a hundred rows by default and clamped to 32,000 without a word', async () => {
    expect((await search({ resource_id: 'table-2' })).records).toHaveLength(100);
    const clamped = await search({ resource_id: 'table-2', limit: 50_000 });
    expect([clamped.records.length, clamped.limit, clamped.total]).toEqual([32_000, 32_000, 32_100]);
    expect((await search({ resource_id: 'table-2', offset: 40_000 }))._links.next).toContain('offset=40100');
  });

  test('the dump holds everything', async () => {
    const csv = await (await fetch(`${portal.baseUrl}/datastore/dump/table-1?format=csv`)).text();
    expect(csv.split('\r\n').slice(0, 3)).toEqual([
      '_id,name,size,big,on,at',
      '1,Zebra,2.5,9007199254740993,True,2026-03-29T00:30:00',
      '2,école,,1,False,2026-03-29T01:30:00',
    ]);
    const dumped = (await (await fetch(`${portal.baseUrl}/datastore/dump/table-2?format=json`)).json()) as {
      records: unknown[];
    };
    expect(dumped.records).toHaveLength(32_100);
    expect((await fetch(`${portal.baseUrl}/datastore/dump/nope`)).status).toBe(404);
  });

  test('the info names columns without _id', async () => {
    const { body } = await get('datastore_info', { resource_id: 'table-1' });
    expect(body.result.meta.count).toBe(5);
    expect(body.result.fields[0]).toMatchObject({ id: 'name', type: 'text', schema: { native_type: 'text' } });
  });

  test('each quirk changes one thing', async () => {
    portal.setQuirks({ capsSilentlyAt: 2 });
    expect(await rowIds({ limit: 5 })).toEqual([1, 2]);
    portal.setQuirks({ wrongTotal: -2 });
    expect((await search({})).total).toBe(3);
    portal.setQuirks({ repeatsPages: true });
    expect(await rowIds({ limit: 2, offset: 2 })).toEqual([1, 2]);
    portal.setQuirks({ foldsCase: true });
    expect(await rowIds({ filters: { name: 'ZEBRA' } })).toEqual([1, 5]);
    portal.setQuirks({ ignoresUnknownWhere: true });
    expect(await rowIds({ filters: { nope: 1 } })).toEqual([1, 2, 3, 4, 5]);
  });

  test('the truth is found by package and by resource', () => {
    expect(portal.truth('estaciones')?.records).toHaveLength(5);
    expect(portal.truth('table-2')?.records).toHaveLength(32_100);
    expect(portal.truth('aire')).toMatchObject({ title: 'Calidad del aire', records: null });
  });
});
