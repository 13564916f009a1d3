import type { Call, SourceAdapter } from '@civex/adapter-contract';
import { createCallTrace, wholeScan } from '@civex/adapter-contract';
import { HubError } from '@civex/errors';
import type { HttpAnswer, HttpRequest, SourceHttp } from '@civex/http';
import type { Dataset, HubRecord } from '@civex/model';
import { describe, expect, test } from 'vitest';
import { createCkanAdapter } from './ckan-adapter.ts';
import type { CkanOptions } from './ckan-config.ts';
import { ckanOptions } from './ckan-config.ts';

type Json = Record<string, unknown>;
type Answer = { readonly status: number; readonly body: string };
type Portal = (action: string, body: Json) => Answer;

const ok = (result: unknown): Answer => ({ status: 200, body: JSON.stringify({ help: 'x', success: true, result }) });
const fail = (status: number, type: string): Answer => ({
  status,
  body: JSON.stringify({ success: false, error: { __type: type, message: 'Secreto del portal' } }),
});

interface Asked {
  readonly action: string;
  readonly body: Json;
  readonly request: HttpRequest;
}

/** An outbound client without network: the portal is a function. No cache, so that every request is seen. */
function setUp(
  portal: Portal,
  options: Partial<CkanOptions> = {},
  clock: { ms: number } = { ms: 1_000_000 },
): { adapter: SourceAdapter; asked: Asked[]; call: Call } {
  const asked: Asked[] = [];
  const http: SourceHttp = {
    read: async (request, parse, call) => {
      const action = request.path.split('/').at(-1) ?? '';
      // A body must survive the wire.
      const body = JSON.parse(JSON.stringify(request.body)) as Json;
      asked.push({ action, body, request });
      call.signal.throwIfAborted();
      const { status, body: text } = portal(action, body);
      const answer: HttpAnswer = {
        status,
        mediaType: 'application/json',
        headers: {},
        body: new TextEncoder().encode(text),
      };
      return parse(answer);
    },
    stream: () => expect.fail('nothing is streamed'),
    state: () => expect.fail('nobody asks'),
    [Symbol.asyncDispose]: () => Promise.reject(new Error('the client is not the adapter\u2019s to close')),
  };
  const adapter = createCkanAdapter(
    {
      info: {
        source: 'cdmx',
        kind: 'ckan',
        title: 'CDMX',
        homepage: null,
        country: 'MX',
        region: null,
        languages: ['es'],
      },
      baseUrl: 'https://datos.example.mx',
      timeZone: 'America/Mexico_City',
      options: ckanOptions.parse(options),
    },
    { http, clock: { now: () => clock.ms, monotonicMs: () => clock.ms } },
  );
  const call: Call = {
    signal: new AbortController().signal,
    deadlineEpochMs: Infinity,
    requestId: 'r',
    trace: createCallTrace(),
  };
  return { adapter, asked, call };
}

const pack = (n: number, changes: Json = {}): Json => ({
  id: `u${String(n).padStart(3, '0')}`,
  name: `p${n}`,
  title: `Conjunto ${n}`,
  license_id: 'CC-BY-4.0',
  license_url: 'https://creativecommons.org/licenses/by/4.0/',
  resources: [],
  ...changes,
});
const nested = (levels: number): unknown => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`);
const packs = (count: number): Json[] => Array.from({ length: count }, (_, n) => pack(n));

/** A portal with these packages, answering at most `most` rows. */
const catalogOf =
  (all: readonly Json[], most = 1_000): Portal =>
  (_action, { start, rows, fq }) => {
    const names = [...String(fq).matchAll(/"([^"]+)"/g)].map(([, name]) => name);
    const found = names.length === 0 ? all : all.filter(({ name }) => names.includes(String(name)));
    return ok({
      count: found.length,
      results: found.slice(Number(start), Number(start) + Math.min(Number(rows), most)),
    });
  };

async function listAll(adapter: SourceAdapter, call: Call, size: number): Promise<string[]> {
  const found: string[] = [];
  let after: string | null = null;
  for (let pages = 0; pages < 100; pages++) {
    const page = await adapter.catalog.list({ size, after, search: null }, call);
    found.push(...page.items.map(({ localId }) => localId));
    if (page.next === null) return found;
    after = page.next;
  }
  return expect.fail('the list does not end');
}

const names = (count: number): string[] => Array.from({ length: count }, (_, n) => `p${n}`);

describe('list', () => {
  test.each([1, 3, 7, 12, 13, 250])('pages of %i hold every dataset once', async (size) => {
    const { adapter, call } = setUp(catalogOf(packs(12)));
    expect(await listAll(adapter, call, size)).toEqual(names(12));
  });

  test('a portal that answers fewer rows than asked for is read to its end', async () => {
    const { adapter, call } = setUp(catalogOf(packs(12), 2));
    expect(await listAll(adapter, call, 10)).toEqual(names(12));
  });

  test('a portal that answers single rows is not taken to have ended', async () => {
    const { adapter, call } = setUp(catalogOf(packs(12), 1));
    await expect(listAll(adapter, call, 10)).rejects.toMatchObject({ code: 'SOURCE_MALFORMED' });
  });

  test('the first page asks for exactly its size, of datasets only, in the order of ids', async () => {
    const { adapter, asked, call } = setUp(catalogOf(packs(3)));
    await adapter.catalog.list({ size: 2, after: null, search: null }, call);
    expect(asked.map(({ body, request }) => [request.method, request.path, request.cache, body])).toEqual([
      [
        'POST',
        '/api/3/action/package_search',
        'catalog',
        { q: '*:*', fq: 'dataset_type:dataset', sort: 'id asc', rows: 2, start: 0 },
      ],
    ]);
  });

  test('options change the path and switch the type filter off', async () => {
    const { adapter, asked, call } = setUp(catalogOf(packs(1)), {
      actionPath: '/data/en/api/3/action',
      datasetTypeFilter: null,
    });
    await adapter.catalog.list({ size: 2, after: null, search: null }, call);
    expect(asked[0]?.request.path).toBe('/data/en/api/3/action/package_search');
    expect(asked[0]?.body).not.toHaveProperty('fq');
  });

  test.each([true, false])('private packages are asked for when the source has a right to them: %s', async (has) => {
    const { adapter, asked, call } = setUp(catalogOf(packs(3)), { includePrivate: has });
    await adapter.catalog.list({ size: 3, after: null, search: null }, call);
    await adapter.catalog.getMany(['p1'], call);
    await adapter.checkHealth(call);
    expect(asked.map(({ body }) => body['include_private'])).toEqual(Array(3).fill(has ? true : undefined));
  });

  test('every item has the cursor that continues right after it', async () => {
    const { adapter, call } = setUp(catalogOf(packs(6)));
    const page = await adapter.catalog.list({ size: 4, after: null, search: null }, call);
    expect(page.cursors).toHaveLength(4);
    const next = await adapter.catalog.list({ size: 4, after: page.cursors[1] ?? null, search: null }, call);
    expect(next.items.map(({ localId }) => localId)).toEqual(['p2', 'p3', 'p4', 'p5']);
    expect([page.total, next.total, next.next]).toEqual([6, 6, null]);
  });

  test.each([
    ['a dataset was added before', [pack(0, { id: 'a', name: 'new' }), ...packs(6)]],
    ['a dataset was removed before', packs(6).slice(1)],
    ['the list is gone', []],
  ])('a cursor is refused when %s', async (_title, later) => {
    let all = packs(6);
    const { adapter, call } = setUp((action, body) => catalogOf(all)(action, body));
    const { next } = await adapter.catalog.list({ size: 3, after: null, search: null }, call);
    all = later;
    await expect(adapter.catalog.list({ size: 3, after: next, search: null }, call)).rejects.toMatchObject({
      code: 'INPUT_INVALID',
    });
  });

  test('a cursor nobody issued is refused without a request', async () => {
    const { adapter, asked, call } = setUp(catalogOf(packs(1)));
    await expect(adapter.catalog.list({ size: 3, after: 'x', search: null }, call)).rejects.toMatchObject({
      code: 'INPUT_INVALID',
    });
    expect(asked).toEqual([]);
  });

  test('a search travels as words', async () => {
    const { adapter, asked, call } = setUp(catalogOf(packs(1)));
    await adapter.catalog.list({ size: 3, after: null, search: 'title:x OR *' }, call);
    expect(asked[0]?.body['q']).toBe('title x or');
  });

  test('a search without a word finds nothing and asks nothing', async () => {
    const { adapter, asked, call } = setUp(catalogOf(packs(1)));
    const page = await adapter.catalog.list({ size: 3, after: null, search: '*:*' }, call);
    expect(page).toEqual({ items: [], cursors: [], next: null, total: 0 });
    expect(asked).toEqual([]);
  });

  test.each<[string, unknown]>([
    ['no result', null],
    ['no count', { results: [] }],
    ['a count in a text', { count: '3', results: packs(3) }],
    ['no results', { count: 3 }],
    ['fewer rows than none', { count: 3, results: [] }],
    ['more rows than asked for', { count: 9, results: packs(4) }],
    ['more rows than its count', { count: 2, results: packs(3) }],
    ['rows in another order', { count: 3, results: packs(3).toReversed() }],
    ['a row twice', { count: 3, results: [pack(0), pack(1), pack(1)] }],
    ['a name twice', { count: 3, results: [pack(0), pack(1), pack(2, { name: 'p1' })] }],
    ['a row that nests deeper than any', { count: 3, results: [pack(0), pack(1), pack(2, { deep: nested(40) })] }],
    ['a row that is no package', { count: 3, results: [pack(0), pack(1), 7] }],
  ])('%s is malformed', async (_title, result) => {
    const { adapter, call } = setUp(() => ok(result));
    await expect(adapter.catalog.list({ size: 3, after: null, search: null }, call)).rejects.toMatchObject({
      code: 'SOURCE_MALFORMED',
    });
  });

  test('JSON in a text that nests deeper than any is a text', async () => {
    const deep = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`;
    const { adapter, call } = setUp(() => ok({ count: 1, results: [pack(0, { keywords: deep, theme: deep })] }));
    const { items } = await adapter.catalog.list({ size: 3, after: null, search: null }, call);
    expect(items[0]?.keywords).toEqual([deep]);
  });

  test('the same page without a fault is read', async () => {
    const { adapter, call } = setUp(() => ok({ count: 3, results: packs(3) }));
    expect((await adapter.catalog.list({ size: 3, after: null, search: null }, call)).items).toHaveLength(3);
  });
});

describe('getMany', () => {
  test('one request answers a batch in its order, duplicates and absences included', async () => {
    const { adapter, asked, call } = setUp(catalogOf(packs(5)));
    const found = await adapter.catalog.getMany(['p3', 'nope', 'p1', 'p3'], call);
    expect(found.map((outcome) => (outcome as Dataset | null)?.localId ?? null)).toEqual(['p3', null, 'p1', 'p3']);
    expect(asked.map(({ body }) => body)).toEqual([
      { q: '*:*', fq: 'name:("p3" OR "nope" OR "p1") AND dataset_type:dataset', sort: 'id asc', rows: 3, start: 0 },
    ]);
  });

  test('ids that can be no name are absent without a request', async () => {
    const { adapter, asked, call } = setUp(catalogOf(packs(5)));
    expect(await adapter.catalog.getMany(['a\u0000b', ''], call)).toEqual([null, null]);
    expect(asked).toEqual([]);
  });

  test.each<[string, unknown]>([
    ['a package nobody asked for', { count: 1, results: [pack(9)] }],
    ['fewer packages than it counts', { count: 2, results: [pack(1)] }],
    ['a package twice', { count: 2, results: [pack(1), pack(1)] }],
  ])('%s is malformed, not absent', async (_title, result) => {
    const { adapter, call } = setUp(() => ok(result));
    await expect(adapter.catalog.getMany(['p1', 'p2'], call)).rejects.toMatchObject({ code: 'SOURCE_MALFORMED' });
  });
});

describe('licence register', () => {
  const vague = { license_id: 'CC-BY-4.0-ESP', license_title: 'CC-BY-4.0-ESP', license_url: undefined };
  const register = [
    { id: 'CC-BY-4.0-ESP', title: 'CC BY', url: 'https://creativecommons.org/licenses/by/4.0/deed.es' },
  ];
  const portal =
    (answer: Answer, changes: Json = vague): Portal =>
    (action) =>
      action === 'license_list' ? answer : ok({ count: 1, results: [pack(1, changes)] });
  const licenseOf = async ({ adapter, call }: ReturnType<typeof setUp>): Promise<unknown> => {
    const [dataset] = await adapter.catalog.getMany(['p1'], call);
    return (dataset as Dataset).license.id;
  };

  test('an ordinary licence costs no further request', async () => {
    const set = setUp(portal(ok(register), {}));
    expect(await licenseOf(set)).toBe('CC-BY-4.0');
    expect(set.asked.map(({ action }) => action)).toEqual(['package_search']);
  });

  test('an id that says nothing is looked up once a day', async () => {
    const clock = { ms: 0 };
    const set = setUp(portal(ok(register)), {}, clock);
    expect([await licenseOf(set), await licenseOf(set)]).toEqual(['CC-BY-4.0', 'CC-BY-4.0']);
    expect(set.asked.map(({ action }) => action)).toEqual(['package_search', 'license_list', 'package_search']);
  });

  test.each<[string, Answer]>([
    ['refused', fail(403, 'Authorization Error')],
    ['down', fail(500, 'Internal Server Error')],
    ['no list', ok({})],
  ])('a register that is %s leaves the licence unrecognised, and is left alone for a while', async (_title, answer) => {
    const clock = { ms: 0 };
    const set = setUp(portal(answer), {}, clock);
    expect([await licenseOf(set), await licenseOf(set)]).toEqual([null, null]);
    expect(set.asked.filter(({ action }) => action === 'license_list')).toHaveLength(1);
    clock.ms += 15 * 60_000;
    await licenseOf(set);
    expect(set.asked.filter(({ action }) => action === 'license_list')).toHaveLength(2);
  });

  test('none is asked when the source has none', async () => {
    const set = setUp(portal(ok(register)), { licenseRegister: 'none' });
    expect(await licenseOf(set)).toBeNull();
    expect(set.asked).toHaveLength(1);
  });
});

const FIELDS = [
  { id: '_id', type: 'int' },
  { id: 'alcaldia', type: 'text' },
  { id: 'plazas', type: 'int4' },
  { id: 'alta', type: 'timestamp' },
];
const rowOf = (id: number): Json => ({
  _id: id,
  alcaldia: id % 2 === 0 ? 'Coyoacán' : 'Tlalpan',
  plazas: id * 2,
  alta: '2022-07-01T10:00:00',
});
const rowsOf = (count: number): Json[] => Array.from({ length: count }, (_, n) => rowOf(n + 1));

const tableOf =
  (rows: readonly Json[], most = 32_000): Portal =>
  (_action, { offset, limit }) => {
    const from = Number(offset);
    return ok({
      resource_id: 'r',
      fields: FIELDS,
      records: rows.slice(from, from + Math.min(Number(limit), most)),
      total: rows.length,
      limit: Math.min(Number(limit), most),
      _links: { next: '/always' },
    });
  };

const undescribed = (adapter: SourceAdapter): Promise<Dataset> =>
  Promise.resolve({
    ...({ source: adapter.info.source, localId: 'ecobici' } as Dataset),
    recordsState: 'undescribed',
    queryables: null,
    raw: { recordsResource: 'r-1' },
  });

async function described(set: ReturnType<typeof setUp>): Promise<Dataset> {
  const dataset = await undescribed(set.adapter);
  const queryables = (await set.adapter.records?.describe?.(dataset, set.call)) ?? null;
  set.asked.length = 0;
  return { ...dataset, recordsState: 'described', queryables };
}

async function scanAll(set: ReturnType<typeof setUp>, dataset: Dataset): Promise<HubRecord[]> {
  const found: HubRecord[] = [];
  for await (const page of set.adapter.records?.scan(dataset, wholeScan(null), set.call) ?? []) found.push(...page);
  return found;
}

describe('records', () => {
  test('the columns come from one request of the catalog\u2019s class', async () => {
    const set = setUp(tableOf(rowsOf(9)));
    const queryables = await set.adapter.records?.describe?.(await undescribed(set.adapter), set.call);
    expect(queryables?.map(({ name, type }) => [name, type])).toEqual([
      ['alcaldia', 'STRING'],
      ['plazas', 'INTEGER'],
      ['alta', 'DATETIME'],
    ]);
    expect(set.asked.map(({ action, request }) => [action, request.cache])).toEqual([['datastore_search', 'catalog']]);
  });

  test.each<[string, Answer]>([
    ['gone', fail(404, 'Not Found Error')],
    ['private', fail(403, 'Authorization Error')],
    ['of another kind', fail(409, 'Validation Error')],
  ])('a table that is %s means no records', async (_title, answer) => {
    const { adapter, call } = setUp(() => answer);
    expect(await adapter.records?.describe?.(await undescribed(adapter), call)).toBeNull();
  });

  test('a portal that is down is not a dataset without records', async () => {
    const { adapter, call } = setUp(() => fail(500, 'Internal Server Error'));
    await expect(adapter.records?.describe?.(await undescribed(adapter), call)).rejects.toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
    });
  });

  test('a window is one request, and the trace shows it in the portal\u2019s words', async () => {
    const set = setUp(tableOf(rowsOf(9)));
    const dataset = await described(set);
    const batch = await set.adapter.records?.fetchWindow(
      dataset,
      {
        filter: { op: '=', property: 'alcaldia', type: 'STRING', value: 'Coyoacán' },
        sort: [{ property: 'plazas', type: 'INTEGER', direction: 'DESC' }],
        offset: 2,
        limit: 3,
      },
      set.call,
    );
    expect(batch?.total).toBe(9);
    expect(batch?.records.map(({ id }) => id)).toEqual(['000000000003', '000000000004', '000000000005']);
    expect(batch?.records[0]?.values['alta']).toBe('2022-07-01T10:00:00-05:00');
    const body = {
      resource_id: 'r-1',
      filters: { alcaldia: 'Coyoacán' },
      sort: '"plazas" desc nulls last, _id asc',
      limit: 3,
      offset: 2,
      include_total: true,
    };
    expect(set.asked.map((asked) => [asked.body, asked.request.cache])).toEqual([[body, 'records']]);
    expect(set.call.trace.portalQueries).toEqual([`datastore_search ${JSON.stringify(body)}`]);
  });

  test('ids are the row key of the portal, which orders records and is no column', async () => {
    const set = setUp(tableOf(rowsOf(9)));
    const dataset = await described(set);
    expect(set.adapter.records?.capability(dataset)).toMatchObject({
      recordIds: { kind: 'own' },
      sourceOrder: { unique: true, properties: ['_id'] },
    });
    expect(dataset.queryables?.map(({ name }) => name)).not.toContain('_id');
  });

  /** As the portal answers `fields`. */
  const narrow: Portal = (action, body) => {
    const wanted = (body['fields'] as string[] | undefined) ?? FIELDS.map(({ id }) => id);
    const { result } = JSON.parse(tableOf(rowsOf(9))(action, body).body) as { result: { records: Json[] } };
    return ok({
      ...result,
      fields: FIELDS.filter(({ id }) => wanted.includes(id)),
      records: result.records.map((row) => Object.fromEntries(wanted.map((name) => [name, row[name]]))),
    });
  };

  test.each<[string, string[] | null, unknown]>([
    ['all columns', null, undefined],
    ['all columns by name', ['alta', 'plazas', 'alcaldia'], undefined],
    ['some columns', ['plazas'], ['_id', 'plazas']],
    ['no column', [], ['_id']],
  ])('a window and a scan ask for %s', async (_title, properties, fields) => {
    const set = setUp(narrow);
    const dataset = await described(set);
    const ask = { filter: null, sort: [], offset: 0, limit: 3, properties, ids: false };
    const batch = await set.adapter.records?.fetchWindow(dataset, ask, set.call);
    const scanned: HubRecord[] = [];
    const scan = { ...wholeScan(null), properties, ids: false };
    for await (const page of set.adapter.records?.scan(dataset, scan, set.call) ?? []) scanned.push(...page);
    expect(set.asked.map(({ body }) => body['fields'])).toEqual([fields, fields]);
    expect(scanned).toHaveLength(9);
    expect(batch?.records).toEqual(scanned.slice(0, 3));
    for (const { values } of scanned)
      expect(Object.keys(values).toSorted()).toEqual((properties ?? ['alcaldia', 'alta', 'plazas']).toSorted());
  });

  test('a column that is asked for and not sent is an answer in no form that is known', async () => {
    const set = setUp(narrow);
    const dataset = await described(set);
    const broken = setUp((action, body) => narrow(action, { ...body, fields: ['_id'] }));
    const ask = { filter: null, sort: [], offset: 0, limit: 3, properties: ['plazas'] };
    await expect(broken.adapter.records?.fetchWindow(dataset, ask, broken.call)).rejects.toMatchObject({
      code: 'SOURCE_MALFORMED',
    });
  });

  test('conditions that contradict each other find nothing and ask nothing', async () => {
    const set = setUp(tableOf(rowsOf(9)));
    const dataset = await described(set);
    const filter = {
      op: 'and',
      args: [
        { op: '=', property: 'plazas', type: 'INTEGER', value: 2 },
        { op: '=', property: 'plazas', type: 'INTEGER', value: 4 },
      ],
    } as const;
    expect(
      await set.adapter.records?.fetchWindow(dataset, { filter, sort: [], offset: 0, limit: 5 }, set.call),
    ).toEqual({ records: [], total: 0 });
    expect(set.asked).toEqual([]);
  });

  test('an estimated total is none', async () => {
    const set = setUp(() => ok({ fields: FIELDS, records: rowsOf(2), total: 1_000, total_was_estimated: true }));
    const dataset = await described(set);
    const batch = await set.adapter.records?.fetchWindow(
      dataset,
      { filter: null, sort: [], offset: 0, limit: 5 },
      set.call,
    );
    expect(batch?.total).toBeNull();
  });

  test.each<[string, Json]>([
    ['more rows than asked for', { records: rowsOf(6) }],
    ['truncated rows', { records_truncated: true }],
    ['no total', { total: undefined }],
    ['a negative total', { total: -1 }],
    ['no fields', { fields: undefined }],
    ['rows that are no objects', { records: [[1, 'a']] }],
    ['a row without an id', { records: [{ alcaldia: 'x' }] }],
    ['a column less', { fields: FIELDS.slice(0, 3) }],
    [
      'a column of another type',
      { fields: FIELDS.map((field) => (field.id === 'plazas' ? { ...field, type: 'text' } : field)) },
    ],
  ])('%s is malformed', async (_title, changes) => {
    let isBroken = false;
    const set = setUp(() => ok({ fields: FIELDS, records: rowsOf(2), total: 2, ...(isBroken ? changes : {}) }));
    const dataset = await described(set);
    const ask = { filter: null, sort: [], offset: 0, limit: 5 } as const;
    expect((await set.adapter.records?.fetchWindow(dataset, ask, set.call))?.records).toHaveLength(2);
    isBroken = true;
    await expect(set.adapter.records?.fetchWindow(dataset, ask, set.call)).rejects.toMatchObject({
      code: 'SOURCE_MALFORMED',
    });
  });

  test.each([0, 1, 999, 1_000, 1_001, 12_345])('a scan of %i rows yields each once', async (count) => {
    const set = setUp(tableOf(rowsOf(count)));
    const found = await scanAll(set, await described(set));
    expect(found.map(({ id }) => Number(id))).toEqual(rowsOf(count).map(({ _id }) => _id));
  });

  test('a scan goes on where a portal answers fewer rows than asked for', async () => {
    const set = setUp(tableOf(rowsOf(100), 7));
    expect(await scanAll(set, await described(set))).toHaveLength(100);
  });

  test('a scan asks for nothing before it is pulled and stops when its reader stops', async () => {
    const set = setUp(tableOf(rowsOf(20_000)));
    const dataset = await described(set);
    const pages = set.adapter.records?.scan(dataset, wholeScan(null), set.call)[Symbol.asyncIterator]();
    expect(set.asked).toHaveLength(0);
    await pages?.next();
    await pages?.return?.();
    expect(set.asked).toHaveLength(1);
  });

  const faults: readonly [string, (page: number, rows: readonly Json[]) => Json][] = [
    ['an empty page before the end', (page, rows) => (page === 0 ? {} : { records: rows.slice(0, 0) })],
    ['a page that repeats the one before', (page) => (page === 0 ? {} : { records: rowsOf(1_000) })],
    ['a total that moves meanwhile, though it fits in the end', (page) => ({ total: page === 0 ? 3_001 : 3_000 })],
    ['a total below what came', () => ({ total: 500 })],
  ];
  test.each(faults)('%s fails the scan', async (_title, change) => {
    let page = -1;
    const set = setUp((action, body) => {
      const answer = JSON.parse(tableOf(rowsOf(3_000))(action, body).body) as { result: Json };
      return ok({
        ...answer.result,
        ...(page < 0 ? {} : change(page, answer.result['records'] as Json[])),
        ...(page++, {}),
      });
    });
    const dataset = await described(set);
    page = 0;
    await expect(scanAll(set, dataset)).rejects.toMatchObject({ code: 'SOURCE_MALFORMED' });
  });

  test('pages of a scan grow and shrink with the bytes of their rows', async () => {
    const set = setUp(tableOf(rowsOf(3_000).map((row) => ({ ...row, alcaldia: 'x'.repeat(8_000) }))));
    await scanAll(set, await described(set));
    expect(set.asked[0]?.body['limit']).toBe(1_000);
    expect(set.asked.length).toBeGreaterThan(2);
    for (const { body } of set.asked.slice(1)) expect(Number(body['limit']) * 8_000).toBeLessThan(4_200_000);
  });

  test('integers beyond 2^53 arrive exactly', async () => {
    const set = setUp(() => ({
      status: 200,
      body: '{"success":true,"result":{"fields":[{"id":"_id","type":"int"},{"id":"n","type":"int8"}],"records":[{"_id":1,"n":9007199254740993}],"total":1}}',
    }));
    const [record] = await scanAll(set, await described(set));
    expect(record?.values['n']).toBe(9_007_199_254_740_993n);
  });
});

describe('faults', () => {
  test.each<[Answer, string]>([
    [fail(403, 'Authorization Error'), 'SOURCE_REJECTED'],
    // A catalog is always there: NOT_FOUND would be about a dataset.
    [fail(404, 'Not Found Error'), 'SOURCE_REJECTED'],
    [fail(409, 'Search Error'), 'SOURCE_UNAVAILABLE'],
    [{ status: 400, body: '"Bad request: Action name not known: x"' }, 'SOURCE_REJECTED'],
    [{ status: 403, body: '<html>Secreto del portal</html>' }, 'SOURCE_UNAVAILABLE'],
    [{ status: 200, body: '<html>Secreto del portal</html>' }, 'SOURCE_MALFORMED'],
    [{ status: 200, body: '{"success": true, "result"' }, 'SOURCE_MALFORMED'],
  ])('%j is told in our own words', async (answer, code) => {
    const { adapter, call } = setUp(() => answer);
    const error: unknown = await adapter.catalog.getMany(['p1'], call).then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(HubError);
    expect(error).toMatchObject({ code, facts: { source: 'cdmx' } });
    expect((error as HubError).message).not.toMatch(/Secreto|html|Action/);
  });
});

describe('health', () => {
  test('a portal that counts its datasets is up', async () => {
    const { adapter, asked, call } = setUp(catalogOf(packs(4)));
    expect(await adapter.checkHealth(call)).toEqual({
      state: 'UP',
      checkedAt: '1970-01-01T00:16:40.000Z',
      reason: null,
      latencyMs: 0,
      datasetCount: 4,
    });
    expect(asked.map(({ body, request }) => [body['rows'], request.cache])).toEqual([[0, 'none']]);
  });

  test('a slow one is degraded', async () => {
    const clock = { ms: 0 };
    const { adapter, call } = setUp(
      (action, body) => {
        clock.ms += 3_001;
        return catalogOf(packs(4))(action, body);
      },
      {},
      clock,
    );
    expect(await adapter.checkHealth(call)).toMatchObject({ state: 'DEGRADED', latencyMs: 3_001 });
  });

  test('one that fails is down, with a code of ours', async () => {
    const { adapter, call } = setUp(() => fail(500, 'Internal Server Error'));
    expect(await adapter.checkHealth(call)).toMatchObject({
      state: 'DOWN',
      reason: 'SOURCE_UNAVAILABLE',
      datasetCount: null,
    });
  });

  test('an aborted check rejects', async () => {
    const { adapter, call } = setUp(catalogOf(packs(4)));
    await expect(adapter.checkHealth({ ...call, signal: AbortSignal.abort() })).rejects.toThrow();
  });

  test('closing the adapter leaves the client to its owner', async () => {
    const { adapter } = setUp(catalogOf([]));
    await expect(adapter[Symbol.asyncDispose]()).resolves.toBeUndefined();
  });
});

describe('options', () => {
  test('defaults are those of a stock portal', () => {
    expect(ckanOptions.parse({})).toEqual({
      actionPath: '/api/3/action',
      datasetTypeFilter: 'dataset',
      licenseRegister: 'license_list',
      includePrivate: false,
    });
  });

  test.each([
    { actionPath: 'api/3/action' },
    { actionPath: '/api/3/action/' },
    { actionPath: '/api/../admin' },
    { actionPath: '/api?x' },
    { datasetTypeFilter: 'a OR b' },
    { datasetTypeFilter: '' },
    { licenseRegister: 'file' },
    { unknown: true },
  ])('%j is refused', (options) => {
    expect(ckanOptions.safeParse(options).success).toBe(false);
  });
});
