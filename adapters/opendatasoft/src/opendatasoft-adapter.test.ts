import { describe, expect, test } from 'vitest';
import { createCallTrace, wholeScan } from '@civex/adapter-contract';
import type { Call, RecordScan, SourceAdapter } from '@civex/adapter-contract';
import { HubError } from '@civex/errors';
import type { HttpRequest, SourceHttp } from '@civex/http';
import type { Dataset, HubRecord } from '@civex/model';
import type { Predicate, RecordFilter } from '@civex/query';
import { createOpendatasoftAdapter, opendatasoftOptions } from './index.ts';
import type { OpendatasoftOptions } from './index.ts';

interface Scripted {
  readonly status?: number;
  /** A text is sent as it is, bytes too; anything else as JSON. */
  readonly body: unknown;
  /** Bytes of one chunk of a stream. */
  readonly chunk?: number;
}

/** A client without a network: every request is answered by `answer`. */
function createScriptedHttp(answer: (request: HttpRequest) => Scripted): {
  readonly http: SourceHttp;
  readonly requests: HttpRequest[];
} {
  const requests: HttpRequest[] = [];
  const toBytes = (body: unknown): Uint8Array =>
    body instanceof Uint8Array ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  const toAnswer = ({ status = 200, body }: Scripted) => ({
    status,
    mediaType: null,
    headers: {},
    body: toBytes(body),
  });
  return {
    requests,
    http: {
      read: async (request, parse) => {
        requests.push(request);
        return parse(toAnswer(answer(request)));
      },
      async *stream(request, onRefused) {
        requests.push(request);
        const scripted = answer(request);
        if ((scripted.status ?? 200) >= 300) throw onRefused(toAnswer(scripted));
        const bytes = toBytes(scripted.body);
        const size = scripted.chunk ?? 65_536;
        for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
      },
      state: () => ({ circuit: 'closed', inFlight: 0, queued: 0, limit: 1, cacheEntries: 0, cacheBytes: 0 }),
      async [Symbol.asyncDispose]() {},
    },
  };
}

const SECRET_TEXT = 'portal text that must not travel';

function setUp(
  answer: (request: HttpRequest) => Scripted,
  options: Partial<OpendatasoftOptions> = {},
  now: () => number = () => 1_000,
  client?: SourceHttp,
): { readonly adapter: SourceAdapter; readonly requests: HttpRequest[]; readonly call: Call } {
  const { http, requests } = createScriptedHttp(answer);
  const info = {
    source: 'bordeaux',
    kind: 'opendatasoft',
    title: 'Bordeaux',
    homepage: 'https://portal.example/pages/home',
    country: 'FR',
    region: null,
    languages: ['oc', 'fr'],
  };
  const config = { info, timeZone: 'Europe/Paris', options: { apiVersion: 'v2.1' as const, ...options } };
  const call: Call = {
    signal: new AbortController().signal,
    deadlineEpochMs: 10_000,
    requestId: 'r',
    trace: createCallTrace(),
  };
  return {
    adapter: createOpendatasoftAdapter(config, { http: client ?? http, clock: { now, monotonicMs: now } }),
    requests,
    call,
  };
}

const parameter = (request: HttpRequest | undefined, name: string): string | undefined =>
  request?.search?.find(([key]) => key === name)?.[1];
const codeOf = async (run: Promise<unknown>): Promise<string> => {
  try {
    await run;
    return 'no error';
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    expect(`${error.message}${JSON.stringify(error.facts)}`).not.toContain(SECRET_TEXT);
    return error.code;
  }
};

const idOf = (index: number): string => `d${String(index).padStart(5, '0')}`;
/** A catalog of `count` datasets that honours limit and offset. */
const catalogOf =
  (count: number) =>
  (request: HttpRequest): Scripted => {
    const offset = Number(parameter(request, 'offset') ?? 0);
    const limit = Number(parameter(request, 'limit'));
    const results = Array.from({ length: Math.max(0, Math.min(limit, count - offset)) }, (_, index) => ({
      dataset_id: idOf(offset + index),
    }));
    return { body: request.path.endsWith('/exports/json') ? results : { total_count: count, results } };
  };
const list = (
  adapter: SourceAdapter,
  call: Call,
  size: number,
  after: string | null = null,
  search: string | null = null,
) => adapter.catalog.list({ size, after, search }, call);
const cursorAt = (offset: number, anchor: string): string =>
  Buffer.from(JSON.stringify({ o: offset, a: anchor })).toString('base64url');

describe('listing', () => {
  test('asks for exactly one page, in a fixed order, language and zone', async () => {
    const { adapter, requests, call } = setUp(catalogOf(3));
    const page = await list(adapter, call, 10, null, 'vélo "x"');
    expect(requests).toEqual([
      {
        method: 'GET',
        path: '/api/explore/v2.1/catalog/datasets',
        search: [
          ['where', 'search("vélo \\"x\\"")'],
          ['order_by', 'dataset_id'],
          ['limit', '10'],
          ['offset', '0'],
          ['lang', 'fr'],
          ['timezone', 'UTC'],
        ],
        cache: 'catalog',
      },
    ]);
    expect(page).toMatchObject({ next: null, total: 3 });
    expect(page.items[0]?.landingPage).toBe('https://portal.example/explore/dataset/d00000/');
  });

  test.each([1, 7, 99, 100])('in pages of %i gives every dataset once', async (size) => {
    const { adapter, call } = setUp(catalogOf(230));
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const page = await list(adapter, call, size, after);
      expect(page.items.length).toBeLessThanOrEqual(size);
      expect(page.cursors.length).toBe(page.items.length);
      seen.push(...page.items.map(({ localId }) => localId));
      after = page.next;
    } while (after !== null);
    expect(seen).toEqual(Array.from({ length: 230 }, (_, index) => idOf(index)));
  });

  test('continues right after any item', async () => {
    const { adapter, call } = setUp(catalogOf(20));
    const { cursors } = await list(adapter, call, 10);
    const page = await list(adapter, call, 2, cursors[4] ?? null);
    expect(page.items.map(({ localId }) => localId)).toEqual([idOf(5), idOf(6)]);
  });

  test('goes on beyond the window of the API', async () => {
    const { adapter, requests, call } = setUp(catalogOf(10_030));
    const page = await list(adapter, call, 20, cursorAt(9_990, idOf(9_989)));
    expect(page.items.map(({ localId }) => localId)).toEqual(
      Array.from({ length: 20 }, (_, index) => idOf(9_990 + index)),
    );
    expect(page.total).toBe(10_030);
    expect(requests.map(({ path }) => path.split('/catalog')[1])).toEqual(['/exports/json', '/datasets']);
    const last = await list(adapter, call, 50, page.next);
    expect(last.items.length).toBe(20);
    expect(last.next).toBeNull();
  });

  test('follows a portal that hands out shorter pages than asked for', async () => {
    const { adapter, call } = setUp((request) => {
      const { body } = catalogOf(5)(request) as { body: { results: unknown[] } };
      return { body: { ...body, results: body.results.slice(0, 3) } };
    });
    const first = await list(adapter, call, 10);
    const second = await list(adapter, call, 10, first.next);
    expect([...first.items, ...second.items].length).toBe(5);
    expect(second.next).toBeNull();
  });

  test('says that the catalog moved when the dataset before the cursor is another', async () => {
    const { adapter, call } = setUp(catalogOf(20));
    expect(await codeOf(list(adapter, call, 5, cursorAt(5, 'gone')))).toBe('INPUT_INVALID');
    expect(await codeOf(list(adapter, call, 5, cursorAt(25, idOf(24))))).toBe('INPUT_INVALID');
  });

  test.each([
    '',
    'x',
    '!!!',
    cursorAt(0, 'a'),
    cursorAt(1.5, 'a'),
    cursorAt(5, ''),
    cursorAt(5, 'a\nb'),
    'e30',
    'a'.repeat(5_000),
  ])('refuses the cursor %j without asking the portal', async (after) => {
    const { adapter, requests, call } = setUp(catalogOf(20));
    expect(await codeOf(list(adapter, call, 5, after))).toBe('INPUT_INVALID');
    expect(requests).toEqual([]);
  });

  const results = [{ dataset_id: 'a' }, { dataset_id: 'b' }];
  test.each([
    ['specimen', { total_count: 2, results }, 'no error'],
    ['no total', { results }, 'SOURCE_MALFORMED'],
    ['a total that is a text', { total_count: '2', results }, 'SOURCE_MALFORMED'],
    ['a total below what is listed', { total_count: 1, results }, 'SOURCE_MALFORMED'],
    ['an empty page before the end', { total_count: 2, results: [] }, 'SOURCE_MALFORMED'],
    ['a dataset twice', { total_count: 2, results: [results[0], results[0]] }, 'SOURCE_MALFORMED'],
    ['more than asked for', { total_count: 3, results: [...results, { dataset_id: 'c' }] }, 'SOURCE_MALFORMED'],
    ['a dataset without an id', { total_count: 2, results: [results[0], {}] }, 'SOURCE_MALFORMED'],
    ['no list', { total_count: 2 }, 'SOURCE_MALFORMED'],
    ['a list', results, 'SOURCE_MALFORMED'],
  ])('%s: %j ends as %s', async (_title, body, code) => {
    const { adapter, call } = setUp(() => ({ body }));
    expect(await codeOf(list(adapter, call, 2))).toBe(code);
  });

  test('a total that shrinks below the place of a page does not end the list', async () => {
    const { adapter, call } = setUp((request) => {
      const { body } = catalogOf(20)(request) as { body: object };
      return { body: parameter(request, 'offset') === '0' ? body : { ...body, total_count: 12 } };
    });
    const { next } = await list(adapter, call, 8);
    expect(await codeOf(list(adapter, call, 8, next))).toBe('SOURCE_MALFORMED');
  });

  test('an export that is shorter than the total is malformed', async () => {
    const { adapter, call } = setUp((request) => {
      const scripted = catalogOf(10_030)(request);
      return request.path.endsWith('/exports/json') ? { body: (scripted.body as unknown[]).slice(0, 5) } : scripted;
    });
    expect(await codeOf(list(adapter, call, 20, cursorAt(9_990, idOf(9_989))))).toBe('SOURCE_MALFORMED');
  });
});

describe('getMany', () => {
  const answer = (request: HttpRequest): Scripted => {
    const known = ['a', 'b', 'c"d'];
    const results = known
      .filter((id) => parameter(request, 'where')?.includes(JSON.stringify(id)) === true)
      .toReversed()
      .map((dataset_id) => ({ dataset_id }));
    return { body: { total_count: results.length, results } };
  };

  test('asks once and answers in order, duplicates and absences included', async () => {
    const { adapter, requests, call } = setUp(answer);
    const outcomes = await adapter.catalog.getMany(['b', 'nope', 'a', 'b', 'a\nb', '', '..', 'c"d'], call);
    expect(outcomes.map((outcome) => (outcome as Dataset | null)?.localId ?? null)).toEqual([
      'b',
      null,
      'a',
      'b',
      null,
      null,
      null,
      'c"d',
    ]);
    expect(requests.length).toBe(1);
    expect(parameter(requests[0], 'where')).toBe('dataset_id in ("b", "nope", "a", "c\\"d")');
    expect(parameter(requests[0], 'limit')).toBe('4');
  });

  test('of nothing that can exist asks nothing', async () => {
    const { adapter, requests, call } = setUp(answer);
    expect(await adapter.catalog.getMany(['', 'a\u0000'], call)).toEqual([null, null]);
    expect(await adapter.catalog.getMany([], call)).toEqual([]);
    expect(requests).toEqual([]);
  });

  test('of long ids stays below the length of a request line', async () => {
    const { adapter, requests, call } = setUp(() => ({ body: { total_count: 0, results: [] } }));
    const ids = Array.from({ length: 50 }, (_, index) => `${'é'.repeat(250)}${index}`);
    expect(await adapter.catalog.getMany(ids, call)).toEqual(ids.map(() => null));
    expect(requests.length).toBeGreaterThan(10);
    for (const request of requests) {
      expect(new URLSearchParams(request.search?.map(([name, value]) => [name, value])).toString().length).toBeLessThan(
        6_000,
      );
    }
  });

  test.each([
    ['a dataset nobody asked for', { total_count: 1, results: [{ dataset_id: 'z' }] }],
    ['a dataset twice', { total_count: 2, results: [{ dataset_id: 'a' }, { dataset_id: 'a' }] }],
    ['fewer than it found', { total_count: 2, results: [{ dataset_id: 'a' }] }],
    ['no total while one is missing', { results: [{ dataset_id: 'a' }] }],
  ])('%s is malformed', async (_title, body) => {
    const { adapter, call } = setUp(() => ({ body }));
    expect(await codeOf(adapter.catalog.getMany(['a', 'b'], call))).toBe('SOURCE_MALFORMED');
  });
});

const FIELDS = [
  { name: 'gid', type: 'int', annotations: { id: true } },
  { name: 'nom', type: 'text' },
  { name: 'n', type: 'int' },
  { name: 'pt', type: 'geo_point_2d' },
];

/** A dataset as the adapter itself lists it. */
async function datasetOf(fields: readonly unknown[] = FIELDS): Promise<Dataset> {
  const { adapter, call } = setUp(() => ({
    body: { total_count: 1, results: [{ dataset_id: 'ds', has_records: true, fields }] },
  }));
  const [dataset] = (await list(adapter, call, 1)).items;
  if (dataset === undefined) throw new Error('no dataset');
  return dataset;
}

const ask = { filter: null, sort: [], offset: 0, limit: 10 } as const;
const fetchWindow = (adapter: SourceAdapter, dataset: Dataset, call: Call, changes: object = {}) =>
  adapter.records!.fetchWindow(dataset, { ...ask, ...changes }, call);
const scanAll = async (adapter: SourceAdapter, dataset: Dataset, call: Call, filter: RecordFilter | null = null) => {
  const records: HubRecord[] = [];
  for await (const batch of adapter.records!.scan(dataset, wholeScan(filter), call)) {
    expect(batch.length).toBeLessThanOrEqual(1_000);
    records.push(...batch);
  }
  return records;
};

describe('capability', () => {
  test('orders by the marked whole number, else by everything that can be ordered', async () => {
    const { adapter } = setUp(() => ({ body: {} }));
    const plain = await datasetOf(FIELDS.map(({ name, type }) => ({ name, type })));
    expect(adapter.records!.capability(await datasetOf()).sourceOrder).toEqual({ unique: true, properties: ['gid'] });
    expect(adapter.records!.capability(plain).sourceOrder).toEqual({ unique: false, properties: ['gid', 'nom', 'n'] });
    expect(adapter.records!.capability(await datasetOf([{ name: 'pt', type: 'geo_shape' }])).sourceOrder).toBeNull();
  });

  test('says what its ids are made of', async () => {
    const { adapter } = setUp(() => ({ body: {} }));
    const idsOf = async (fields?: readonly unknown[]) => adapter.records!.capability(await datasetOf(fields)).recordIds;
    expect(await idsOf()).toEqual({ kind: 'property', property: 'gid' });
    expect(await idsOf(FIELDS.map(({ name, type }) => ({ name, type })))).toEqual({ kind: 'digest' });
    // A text may be missing, and repeat: then other columns tell the records apart.
    expect(await idsOf([{ name: 'code', type: 'text', annotations: { id: true } }])).toEqual({ kind: 'digest' });
  });

  test('sorts numbers and times exactly, texts and booleans never', async () => {
    const { adapter } = setUp(() => ({ body: {} }));
    const types = ['int', 'double', 'date', 'datetime', 'text', 'boolean', 'geo_point_2d', 'file'];
    const can = adapter.records!.capability(await datasetOf(types.map((type) => ({ name: type, type }))));
    expect(types.filter((type) => can.sortsExactly(type))).toEqual(['int', 'double', 'date', 'datetime']);
    expect(can.sortsExactly('nope')).toBe(false);
    expect(can).toMatchObject({ maxPageSize: 100, maxWindow: 10_000 });
  });

  test('knows a copy of a dataset, and the older API by its fewer functions', async () => {
    const dataset = await datasetOf();
    const near: Predicate = { op: 'withinMetres', property: 'pt', type: 'GEOMETRY', lon: 0, lat: 45, metres: 5 };
    const body = { total_count: 0, results: [] };
    for (const [apiVersion, name] of [
      ['v2.1', 'within_distance'],
      ['v2.0', 'in_bbox'],
    ] as const) {
      const { adapter, requests, call } = setUp(() => ({ body }), { apiVersion });
      await fetchWindow(adapter, { ...dataset }, call, { filter: near });
      expect(requests[0]?.path).toBe(`/api/explore/${apiVersion}/catalog/datasets/ds/records`);
      expect(parameter(requests[0], 'where')?.startsWith(name)).toBe(true);
    }
  });
});

describe('a window of records', () => {
  test('is one request in a total order', async () => {
    const { adapter, requests, call } = setUp(() => ({
      body: { total_count: 50, results: [{ gid: 7, nom: 'a', n: null, pt: { lon: 1, lat: 2 } }] },
    }));
    const batch = await fetchWindow(adapter, await datasetOf(), call, {
      filter: { op: '>', property: 'n', type: 'INTEGER', value: 5 },
      sort: [{ property: 'n', type: 'INTEGER', direction: 'DESC' }],
      offset: 20,
      limit: 1,
    });
    expect(requests).toEqual([
      {
        method: 'GET',
        path: '/api/explore/v2.1/catalog/datasets/ds/records',
        search: [
          ['where', '`n` > 5'],
          ['order_by', '`n` desc,`gid`'],
          ['limit', '1'],
          ['offset', '20'],
          ['lang', 'fr'],
          ['timezone', 'UTC'],
        ],
        cache: 'records',
      },
    ]);
    expect(batch).toEqual({
      total: 50,
      records: [{ id: '7', values: { gid: 7, nom: 'a', n: null, pt: { type: 'Point', coordinates: [1, 2] } } }],
    });
    expect(call.trace.portalQueries).toEqual([
      '/api/explore/v2.1/catalog/datasets/ds/records?where=`n` > 5&order_by=`n` desc,`gid`&limit=1&offset=20&lang=fr&timezone=UTC',
    ]);
  });

  const unmarked = FIELDS.map(({ name, type }) => ({ name, type }));
  test.each([
    ['all columns', FIELDS, {}, undefined],
    ['all columns by name', FIELDS, { properties: ['pt', 'n', 'nom', 'gid'] }, undefined],
    ['some columns, and the one of the ids', FIELDS, { properties: ['nom'] }, '`gid`,`nom`'],
    ['some columns, and the one that has to be unique', FIELDS, { properties: ['nom'], ids: false }, '`gid`,`nom`'],
    ['all columns for an id that is a digest of them', unmarked, { properties: ['nom'] }, undefined],
    ['some columns without ids', unmarked, { properties: ['n', 'nom'], ids: false }, '`nom`,`n`'],
    ['no column', unmarked, { properties: [], ids: false }, '`gid`'],
  ])('asks for %s', async (_title, fields, changes, select) => {
    const names = select?.replaceAll('`', '').split(',') ?? ['gid', 'nom', 'n', 'pt'];
    const whole: Record<string, unknown> = { gid: 7, nom: 'a', n: null, pt: null };
    const { adapter, requests, call } = setUp(() => ({
      body: { total_count: 1, results: [Object.fromEntries(names.map((name) => [name, whole[name]]))] },
    }));
    const { records } = await fetchWindow(adapter, await datasetOf(fields), call, changes);
    expect(parameter(requests[0], 'select')).toBe(select);
    expect(records).toHaveLength(1);
    if (fields === FIELDS) expect(records[0]?.id).toBe('7');
    else if ('ids' in changes) expect(records[0]?.id).toBe('');
  });

  const row = (gid: number | null): object => ({ gid, nom: null, n: null, pt: null });
  test.each([
    ['specimen', { total_count: 9, results: [row(1), row(2)] }, 'no error'],
    ['more than asked for', { total_count: 9, results: [row(1), row(2), row(3)] }, 'SOURCE_MALFORMED'],
    ['a unique value twice', { total_count: 9, results: [row(1), row(1)] }, 'SOURCE_MALFORMED'],
    ['no unique value', { total_count: 9, results: [row(null), row(1)] }, 'SOURCE_MALFORMED'],
    ['no total', { results: [row(1), row(2)] }, 'SOURCE_MALFORMED'],
    ['a row that is no object', { total_count: 9, results: [row(1), 2] }, 'SOURCE_MALFORMED'],
    [
      'a row without a column of the dataset',
      { total_count: 9, results: [row(1), { gid: 2, nom: 'a', n: 1 }] },
      'SOURCE_MALFORMED',
    ],
  ])('%s: %j ends as %s', async (_title, body, code) => {
    const { adapter, call } = setUp(() => ({ body }));
    expect(await codeOf(fetchWindow(adapter, await datasetOf(), call, { limit: 2 }))).toBe(code);
  });

  test('keeps integers beyond 2^53', async () => {
    const { adapter, call } = setUp(() => ({
      body: '{"total_count":1,"results":[{"gid":9007199254740993,"nom":null,"n":null,"pt":null}]}',
    }));
    const { records } = await fetchWindow(adapter, await datasetOf(), call);
    expect(records[0]).toMatchObject({ id: '9007199254740993', values: { gid: 9_007_199_254_740_993n } });
  });

  test('of the older API may leave out what is null', async () => {
    const body = { total_count: 1, records: [{ record: { fields: { gid: 1 } } }] };
    const { adapter, call } = setUp(() => ({ body }), { apiVersion: 'v2.0' });
    const { records } = await fetchWindow(adapter, await datasetOf(), call);
    expect(records[0]?.values).toEqual({ gid: 1, nom: null, n: null, pt: null });
  });

  test('beyond its limits is our own fault', async () => {
    const { adapter, requests, call } = setUp(() => ({ body: {} }));
    expect(await codeOf(fetchWindow(adapter, await datasetOf(), call, { limit: 101 }))).toBe('INTERNAL');
    expect(await codeOf(fetchWindow(adapter, await datasetOf(), call, { offset: 9_991 }))).toBe('INTERNAL');
    expect(requests).toEqual([]);
  });
});

/** Answers pages and exports of `rows`; `totals` are what successive counts say. */
const recordsOf = (
  rows: readonly object[],
  totals: readonly number[] = [rows.length],
  lines: string | null = null,
  chunk = 65_536,
) => {
  let counts = 0;
  return (request: HttpRequest): Scripted => {
    if (request.path.endsWith('/exports/jsonl'))
      return { body: lines ?? rows.map((row) => `${JSON.stringify(row)}\n`).join(''), chunk };
    const total = totals[Math.min(counts++, totals.length - 1)] ?? 0;
    return { body: { total_count: total, results: rows.slice(0, Number(parameter(request, 'limit'))) } };
  };
};
const rowsOf = (count: number): { gid: number; nom: string; n: null; pt: null }[] =>
  Array.from({ length: count }, (_, index) => ({
    gid: index,
    nom: `é"\\${'😀'.repeat(index % 3)}`,
    n: null,
    pt: null,
  }));

describe('a scan', () => {
  test('of few records is one request', async () => {
    const { adapter, requests, call } = setUp(recordsOf(rowsOf(99)));
    expect((await scanAll(adapter, await datasetOf(), call)).length).toBe(99);
    expect(requests.length).toBe(1);
  });

  test('asks for the columns it needs only, from its first page on', async () => {
    const count = 250;
    const rows = Array.from({ length: count }, (_, gid) => ({ gid, nom: `n${gid}` }));
    const { adapter, requests, call } = setUp((request) =>
      request.path.endsWith('/records')
        ? { body: { total_count: count, results: rows.slice(0, 100) } }
        : { body: rows.map((one) => `${JSON.stringify(one)}\n`).join('') },
    );
    const records: HubRecord[] = [];
    const scan = { ...wholeScan(null), properties: ['nom'], ids: false };
    for await (const batch of adapter.records!.scan(await datasetOf(), scan, call)) records.push(...batch);
    expect(requests.map((request) => parameter(request, 'select'))).toEqual(['`gid`,`nom`', '`gid`,`nom`']);
    expect(records.map(({ values }) => values['nom'])).toEqual(rows.map(({ nom }) => nom));
  });

  test.each<[string, Partial<RecordScan>]>([
    ['orders by', { order: [{ property: 'n', type: 'INTEGER', direction: 'ASC' }] }],
    [
      'decides by itself',
      {
        order: null,
        filter: {
          op: 'and',
          args: Array.from(
            { length: 900 },
            (_, value) => ({ op: '<>', property: 'n', type: 'INTEGER', value }) as const,
          ),
        },
      },
    ],
  ])('has what it %s among the columns it asks for', async (_title, changes) => {
    const rows = [
      { gid: 5, n: 1_001 },
      { gid: 7, n: 1_002 },
      { gid: 3, n: 1_003 },
    ];
    const sorted = changes.order === null ? rows.toSorted((a, b) => a.gid - b.gid) : rows;
    const { adapter, requests, call } = setUp(() => ({ body: { total_count: 3, results: sorted } }));
    const scan = { ...wholeScan(null), properties: [], ids: false, ...changes };
    const ids: string[] = [];
    for await (const batch of adapter.records!.scan(await datasetOf(), scan, call))
      ids.push(...batch.map(({ id }) => id));
    expect(parameter(requests[0], 'select')).toBe('`gid`,`n`');
    expect(ids).toEqual(sorted.map(({ gid }) => String(gid)));
  });

  test('believes no total that a full page may have been cut to', async () => {
    const { adapter, requests, call } = setUp(recordsOf(rowsOf(100)));
    expect((await scanAll(adapter, await datasetOf(), call)).length).toBe(100);
    expect(requests.map(({ path }) => path.split('/ds')[1])).toEqual(['/records', '/exports/jsonl']);
  });

  test('of none yields none', async () => {
    const { adapter, call } = setUp(recordsOf([]));
    expect(await scanAll(adapter, await datasetOf(), call)).toEqual([]);
  });

  test('of many is an export under the same filter', async () => {
    const { adapter, requests, call } = setUp(recordsOf(rowsOf(2_500)));
    const filter: RecordFilter = { op: '>=', property: 'gid', type: 'INTEGER', value: 0 };
    const records = await scanAll(adapter, await datasetOf(), call, filter);
    expect(records.map(({ values }) => values)).toEqual(rowsOf(2_500));
    expect(requests.map(({ path }) => path.split('/ds')[1])).toEqual(['/records', '/exports/jsonl']);
    expect(requests.map((request) => parameter(request, 'where'))).toEqual(['`gid` >= 0', '`gid` >= 0']);
    expect(call.trace.portalQueries.length).toBe(2);
  });

  describe('of records with a number of their own', () => {
    const many = rowsOf(150);
    const scanned = async (
      rows: readonly object[],
      ask: Partial<Parameters<NonNullable<SourceAdapter['records']>['scan']>[1]>,
    ): Promise<readonly unknown[]> => {
      const { adapter, call } = setUp(recordsOf(rows));
      const gids: unknown[] = [];
      const scan = adapter.records!.scan(await datasetOf(), { ...wholeScan(null), ...ask }, call);
      for await (const batch of scan) gids.push(...batch.map(({ values }) => values['gid']));
      return gids;
    };
    const malformed = { code: 'SOURCE_MALFORMED' };
    const byName = [{ property: 'n', type: 'NUMBER', direction: 'ASC' }] as const;

    test('refuses one that comes twice, whatever was asked for', async () => {
      const twice = [...many.slice(0, -1), many[20]!];
      await expect(scanned(twice, {})).rejects.toMatchObject(malformed);
      await expect(scanned(twice, { ids: false, properties: ['nom'] })).rejects.toMatchObject(malformed);
      await expect(scanned(twice, { order: [] })).rejects.toMatchObject(malformed);
    });

    test('refuses one that lies before the place it was asked to begin behind', async () => {
      const behind = { order: [], after: String(many[9]!['gid']) };
      await expect(scanned(many.slice(10), behind)).resolves.toHaveLength(140);
      await expect(scanned(many, behind)).rejects.toMatchObject(malformed);
    });

    test('refuses, in another order, one that comes twice among its equals, and keeps none of them', async () => {
      const equal = many.map((row) => ({ ...row, n: 1 }));
      await expect(scanned(equal, { order: byName })).resolves.toHaveLength(150);
      await expect(scanned([...equal.slice(0, 100), equal[99]!, ...equal.slice(101)], { order: byName })).rejects.toMatchObject(malformed); // prettier-ignore
      await expect(scanned([...equal.slice(0, 100), equal[20]!, ...equal.slice(101)], { order: byName })).rejects.toMatchObject(malformed); // prettier-ignore
      // Equal numbers in different records of the order are no repeats.
      const steps = many.map((row, index) => ({ ...row, n: index }));
      await expect(scanned(steps.toReversed(), { order: byName })).resolves.toHaveLength(150);
    });
  });

  test.each([1, 2, 3, 7, 64])('reads an export that arrives in pieces of %i bytes', async (chunk) => {
    const { adapter, call } = setUp(recordsOf(rowsOf(120), [120], null, chunk));
    const records = await scanAll(adapter, await datasetOf(), call);
    expect(records.map(({ values }) => values['nom'])).toEqual(rowsOf(120).map(({ nom }) => nom));
  });

  test('stops asking when the reader stops', async () => {
    const { adapter, call } = setUp(recordsOf(rowsOf(5_000), [5_000], null, 1_000));
    for await (const batch of adapter.records!.scan(await datasetOf(), wholeScan(null), call)) {
      expect(batch.length).toBeLessThan(100);
      break;
    }
    expect(call.trace.portalQueries.length).toBe(2);
  });

  test.each([
    ['the count holds', 150, [150], 'no error'],
    ['the data grew before the export', 150, [149, 150], 'no error'],
    ['the data grew after the export', 150, [150, 151], 'no error'],
    ['the export is short', 150, [151, 151], 'SOURCE_MALFORMED'],
    ['the export is long', 150, [149, 149], 'SOURCE_MALFORMED'],
    ['a page says fewer than it holds', 100, [95], 'SOURCE_MALFORMED'],
  ])('%s: %i records under the counts %j end as %s', async (_title, count, totals, code) => {
    const { adapter, call } = setUp(recordsOf(rowsOf(count), totals));
    expect(await codeOf(scanAll(adapter, await datasetOf(), call))).toBe(code);
  });

  test('of a portal that caps its pages unseen is complete', async () => {
    const rows = rowsOf(80);
    const { adapter, call } = setUp((request) => {
      const scripted = recordsOf(rows)(request);
      if (request.path.endsWith('/exports/jsonl')) return scripted;
      return { body: { total_count: 80, results: rows.slice(0, 20) } };
    });
    expect((await scanAll(adapter, await datasetOf(), call)).length).toBe(80);
  });

  const whole = rowsOf(150)
    .map((row) => JSON.stringify(row))
    .join('\n');
  test.each([
    ['specimen without a last line break', whole, 'no error'],
    ['specimen with empty lines', whole.replaceAll('\n', '\r\n\r\n'), 'no error'],
    ['a cut last line', whole.slice(0, -3), 'SOURCE_MALFORMED'],
    ['a column that was renamed on the way', whole.replace(/("gid":99,.*)"n":/, '$1"m":'), 'SOURCE_MALFORMED'],
    ['a line that is a list', `${whole}\n[]`, 'SOURCE_MALFORMED'],
    ['a page for people', '<html>', 'SOURCE_MALFORMED'],
    ['bytes that are not UTF-8', Buffer.from([0x7b, 0xff, 0x7d, 0x0a]), 'SOURCE_MALFORMED'],
    ['an error as a line', `{"error_code":"ForbiddenAccess","message":"${SECRET_TEXT}"}`, 'SOURCE_REJECTED'],
  ])('%s ends as %s', async (_title, lines, code) => {
    const { adapter, call } = setUp(recordsOf(rowsOf(150), [150], lines as string));
    expect(await codeOf(scanAll(adapter, await datasetOf(), call))).toBe(code);
  });

  test('stops at a line that does not end', async () => {
    let pulled = 0;
    const { http } = createScriptedHttp(() => ({ body: { total_count: 500, results: [] } }));
    const endless: SourceHttp = {
      ...http,
      async *stream() {
        for (let count = 0; count < 1_000; count++) {
          pulled += 65_536;
          yield new Uint8Array(65_536).fill(0x20);
        }
      },
    };
    const { adapter, call } = setUp(
      () => ({ body: {} }),
      {},
      () => 0,
      endless,
    );
    expect(await codeOf(scanAll(adapter, await datasetOf(), call))).toBe('SOURCE_MALFORMED');
    expect(pulled).toBeLessThan(5 * 1024 * 1024);
  });

  test('under a filter too long for one request is still exact, a window is refused', async () => {
    const rows = rowsOf(150);
    const { adapter, requests, call } = setUp(recordsOf(rows));
    const dataset = await datasetOf();
    const names: RecordFilter[] = Array.from({ length: 60 }, (_, index) => ({
      op: 'in',
      property: 'nom',
      type: 'STRING',
      values: ['é"\\', 'x'.repeat(240), `y${index}`],
    }));
    const filter: RecordFilter = { op: 'and', args: names };
    expect(names.every((name) => adapter.records!.capability(dataset).grade(name as Predicate) !== 'none')).toBe(true);
    const records = await scanAll(adapter, dataset, call, filter);
    expect(records.map(({ id }) => id)).toEqual(rows.filter(({ nom }) => nom === 'é"\\').map(({ gid }) => String(gid)));
    for (const request of requests)
      expect(encodeURIComponent(parameter(request, 'where') ?? '').length).toBeLessThan(4_600);
    expect(parameter(requests[0], 'where')).toContain('y0');
    expect(await codeOf(fetchWindow(adapter, dataset, call, { filter }))).toBe('INPUT_TOO_COSTLY');
  });
});

describe('refusals', () => {
  const json = (error_code: string): object => ({ error_code, message: SECRET_TEXT });
  const quota = { errorcode: 10_002, error: SECRET_TEXT, call_limit: 10_000 };
  const page = `<html><title>Just a moment... ${SECRET_TEXT}</title></html>`;
  const rows: readonly (readonly [status: number, body: unknown, onRecords: string, onCatalog: string])[] = [
    [400, json('ODSQLError'), 'SOURCE_REJECTED', 'SOURCE_REJECTED'],
    [400, json('InvalidRESTParameterError'), 'SOURCE_REJECTED', 'SOURCE_REJECTED'],
    [401, json('Unauthorized'), 'SOURCE_REJECTED', 'SOURCE_REJECTED'],
    [403, json('ForbiddenAccess'), 'SOURCE_REJECTED', 'SOURCE_REJECTED'],
    [200, json('ForbiddenAccess'), 'SOURCE_REJECTED', 'SOURCE_REJECTED'],
    [404, json('NotFoundResource'), 'NOT_FOUND', 'SOURCE_REJECTED'],
    [410, json('Gone'), 'SOURCE_REJECTED', 'SOURCE_REJECTED'],
    [409, quota, 'SOURCE_OVERLOADED', 'SOURCE_OVERLOADED'],
    [200, quota, 'SOURCE_OVERLOADED', 'SOURCE_OVERLOADED'],
    [500, json('InternalError'), 'SOURCE_UNAVAILABLE', 'SOURCE_UNAVAILABLE'],
    [403, page, 'SOURCE_UNAVAILABLE', 'SOURCE_UNAVAILABLE'],
    [404, page, 'SOURCE_UNAVAILABLE', 'SOURCE_UNAVAILABLE'],
    [500, page, 'SOURCE_UNAVAILABLE', 'SOURCE_UNAVAILABLE'],
    [200, page, 'SOURCE_MALFORMED', 'SOURCE_MALFORMED'],
    [200, '', 'SOURCE_MALFORMED', 'SOURCE_MALFORMED'],
    [304, '', 'SOURCE_MALFORMED', 'SOURCE_MALFORMED'],
    [399, json('ForbiddenAccess'), 'SOURCE_MALFORMED', 'SOURCE_MALFORMED'],
    [200, '{"total_count":1,"results":[', 'SOURCE_MALFORMED', 'SOURCE_MALFORMED'],
    [200, Buffer.from([0xff]), 'SOURCE_MALFORMED', 'SOURCE_MALFORMED'],
    [200, '['.repeat(100_000), 'SOURCE_MALFORMED', 'SOURCE_MALFORMED'],
  ];
  test.each(rows)('%i with %j', async (status, body, onRecords, onCatalog) => {
    const { adapter, call } = setUp(() => ({ status, body }));
    const dataset = await datasetOf();
    expect(await codeOf(fetchWindow(adapter, dataset, call))).toBe(onRecords);
    expect(await codeOf(scanAll(adapter, dataset, call))).toBe(onRecords);
    expect(await codeOf(list(adapter, call, 5))).toBe(onCatalog);
    expect(await codeOf(adapter.catalog.getMany(['a'], call))).toBe(onCatalog);
  });

  test('of an export has the code of its answer', async () => {
    const { adapter, call } = setUp((request) =>
      request.path.endsWith('/exports/jsonl')
        ? { status: 403, body: json('ForbiddenAccess') }
        : { body: { total_count: 500, results: [] } },
    );
    expect(await codeOf(scanAll(adapter, await datasetOf(), call))).toBe('SOURCE_REJECTED');
  });

  test('a dataset with a column named error_code is read', async () => {
    const dataset = await datasetOf([{ name: 'error_code', type: 'text' }]);
    const rows = Array.from({ length: 120 }, (_, index) => ({ error_code: `E${index}` }));
    const { adapter, call } = setUp(recordsOf(rows));
    expect((await scanAll(adapter, dataset, call)).length).toBe(120);
  });
});

describe('health', () => {
  const clock = (...times: number[]): (() => number) => {
    let last = 0;
    return () => (last = times.shift() ?? last);
  };

  test('is up when the catalog answers, never from a cache', async () => {
    const { adapter, requests, call } = setUp(catalogOf(7), {}, clock(1_000, 1_250, 1_250));
    expect(await adapter.checkHealth(call)).toEqual({
      state: 'UP',
      checkedAt: '1970-01-01T00:00:01.250Z',
      reason: null,
      latencyMs: 250,
      datasetCount: 7,
    });
    expect(requests.map(({ cache }) => cache)).toEqual(['none']);
  });

  test('is degraded when the answer takes more than three seconds', async () => {
    const { adapter, call } = setUp(catalogOf(7), {}, clock(1_000, 4_001, 4_001));
    expect(await adapter.checkHealth(call)).toMatchObject({ state: 'DEGRADED', latencyMs: 3_001, datasetCount: 7 });
  });

  test('is down with our own code as the reason', async () => {
    const { adapter, call } = setUp(() => ({ status: 500, body: SECRET_TEXT }));
    expect(await adapter.checkHealth(call)).toMatchObject({
      state: 'DOWN',
      reason: 'SOURCE_UNAVAILABLE',
      datasetCount: null,
    });
  });

  test('rejects only when nobody waits any more', async () => {
    const { adapter, call } = setUp(() => ({ status: 500, body: '' }));
    await expect(adapter.checkHealth({ ...call, signal: AbortSignal.abort() })).rejects.toThrow();
  });
});

describe('options', () => {
  test('have their documented defaults', () => {
    expect(opendatasoftOptions.parse({})).toEqual({ apiVersion: 'v2.1' });
  });

  test.each([
    { apiVersion: 'v1' },
    { language: 'xx' },
    { publicUrl: 'ftp://x.example' },
    { publicUrl: 'x' },
    { other: 1 },
  ])('%j is refused', (given) => {
    expect(opendatasoftOptions.safeParse(given).success).toBe(false);
  });

  test('the language and the public address win over what the source says of itself', async () => {
    const { adapter, requests, call } = setUp(catalogOf(1), {
      language: 'en',
      publicUrl: 'https://open.example:8443/x/',
    });
    const { items } = await list(adapter, call, 1);
    expect(parameter(requests[0], 'lang')).toBe('en');
    expect(items[0]?.landingPage).toBe('https://open.example:8443/explore/dataset/d00000/');
  });
});
