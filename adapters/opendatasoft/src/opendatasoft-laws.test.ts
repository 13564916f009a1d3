import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createCallTrace, wholeScan } from '@civex/adapter-contract';
import type { Call, RecordsFacet, SourceAdapter } from '@civex/adapter-contract';
import { HubError } from '@civex/errors';
import { createSystemEnvironment } from '@civex/environment';
import { createSourceHttp } from '@civex/http';
import type { SourceHttp } from '@civex/http';
import type { Dataset, HubRecord, RecordValue } from '@civex/model';
import { createPredicate, createRecordComparator, splitFilter } from '@civex/query';
import type { Predicate, RecordFilter, SortKey } from '@civex/query';
import { createOpendatasoftPortal } from '@civex/sandbox';
import type { OpendatasoftDataset, PortalFault, SandboxPortal } from '@civex/sandbox';
import { createOpendatasoftAdapter } from './index.ts';

/** What every dialect finds hard: quotes, escapes, wildcards, letter case, number-like text, length, other scripts. */
const NASTY = [
  'Bordeaux',
  'bordeaux',
  "L'Isle",
  'say "hi"',
  'back\\slash',
  '100%',
  'a_b',
  '-- drop',
  '007',
  'Été',
  'été',
  '東京',
  '😀',
  'x'.repeat(300),
  ' padded ',
  'line\nbreak',
  '',
] as const;
const INSTANTS = [
  '2026-03-29T00:59:59+00:00',
  '2026-03-29T01:00:00+00:00',
  '2026-03-29T01:00:00.500000+00:00',
  '2025-12-31T23:00:00+00:00',
  '2026-10-25T00:30:00+00:00',
] as const;
const DAYS = ['2025-12-31', '2026-01-01', '2026-03-29', '2026-03-30'] as const;
const COUNT = 240;

const pick = <T>(values: readonly T[], index: number): T => values[index % values.length] as T;

interface Row {
  readonly portal: Record<string, unknown>;
  readonly truth: HubRecord;
}

/** Every column is null in some rows, each with a period of its own. */
function createRow(index: number): Row {
  const unless = <T>(period: number, value: T): T | null => (index % period === period - 1 ? null : value);
  const lon = -0.7 + (index % 30) * 0.01;
  const lat = 44.7 + Math.floor(index / 30) * 0.02;
  const scalars = {
    gid: index + 1,
    nom: unless(7, pick(NASTY, index)),
    code: unless(5, String(index % 12).padStart(3, '0')),
    n: unless(6, (index % 11) - 5),
    x: unless(4, pick([0, -1.5, 0.1, 0.30000000000000004, 1e-7, 12.25], index)),
    ok: unless(3, index % 2 === 0),
    jour: unless(8, pick(DAYS, index)),
    mdate: unless(9, pick(INSTANTS, index)),
  };
  const line = {
    type: 'LineString',
    coordinates: [
      [lon, lat],
      [lon + 0.03, lat + 0.01],
    ],
  };
  const hasPoint = index % 10 !== 9;
  const hasLine = index % 4 !== 3;
  return {
    portal: {
      ...scalars,
      pt: hasPoint ? { lon, lat } : null,
      shape: hasLine ? { type: 'Feature', geometry: line, properties: {} } : null,
    },
    truth: {
      id: String(index + 1),
      values: {
        ...scalars,
        pt: hasPoint ? ({ type: 'Point', coordinates: [lon, lat] } as unknown as RecordValue) : null,
        shape: hasLine ? (line as unknown as RecordValue) : null,
      },
    },
  };
}

const ROWS = Array.from({ length: COUNT }, (_, index) => createRow(index));
const TRUTH = ROWS.map(({ truth }) => truth);

const FIELDS: OpendatasoftDataset['fields'] = [
  { name: 'gid', type: 'int', annotations: { id: true } },
  { name: 'nom', type: 'text', annotations: { facet: true } },
  { name: 'code', type: 'text' },
  { name: 'n', type: 'int' },
  { name: 'x', type: 'double', annotations: { unit: 'kW' } },
  { name: 'ok', type: 'boolean' },
  { name: 'jour', type: 'date' },
  { name: 'mdate', type: 'datetime' },
  { name: 'pt', type: 'geo_point_2d' },
  { name: 'shape', type: 'geo_shape' },
];

const LARGE = 12_500;
/** No identity of its own, and every 500th row equal to another one. */
const LARGE_ROWS = Array.from({ length: LARGE }, (_, index) => {
  const n = index % 500 === 0 ? 0 : index;
  return { nom: `ligne ${n} "é"`, n, x: n / 8, mdate: INSTANTS[n % INSTANTS.length], pt: { lon: n / 1e5, lat: 44.5 } };
});
const LARGE_COLUMNS = ['nom', 'n', 'x', 'mdate', 'pt'];

const DATASETS: readonly OpendatasoftDataset[] = [
  { id: 'hard', title: 'Tout ce qui est difficile', fields: FIELDS, records: ROWS.map(({ portal }) => portal) },
  {
    id: 'large',
    title: 'Grand',
    fields: FIELDS.filter(({ name }) => LARGE_COLUMNS.includes(name)),
    records: LARGE_ROWS,
  },
  { id: 'hidden', title: 'Caché', fields: FIELDS, records: [], dataVisible: false },
  {
    id: 'files',
    title: 'Fichiers',
    attachments: [{ id: 'a', title: 'A.pdf', mimetype: 'application/pdf', url: 'odsfile://a.pdf' }],
  },
  ...Array.from({ length: 226 }, (_, index) => ({
    id: `jeu-${String(index).padStart(3, '0')}`,
    title: `Jeu vélo ${index}`,
  })),
];

let portal: SandboxPortal;
let http: SourceHttp;
let adapter: SourceAdapter;
let records: RecordsFacet;
let hard: Dataset;
let large: Dataset;

const createCall = (): Call => ({
  signal: new AbortController().signal,
  deadlineEpochMs: Date.now() + 20_000,
  requestId: 'test',
  trace: createCallTrace(),
});

/** A client as the hub configures it, without a cache, so that every question reaches the portal. */
const connect = (baseUrl: string): SourceHttp =>
  createSourceHttp(
    {
      source: 'bordeaux',
      baseUrls: [baseUrl],
      headers: {},
      allowedPrivateCidrs: ['127.0.0.1/32'],
      limits: {
        connectTimeoutMs: 1_000,
        headersTimeoutMs: 2_000,
        totalTimeoutMs: 20_000,
        maxAnswerBytes: 10_000_000,
        maxStreamBytes: 50_000_000,
        maxConcurrent: 8,
        maxQueued: 100,
        retryBudget: 0,
        minBytesPerSecond: 0,
      },
      cache: { catalogSeconds: 0, recordsSeconds: 0, staleIfErrorSeconds: 0, maxBytes: 1_000_000 },
    },
    { ...createSystemEnvironment(), metrics: { upstream: () => {}, circuit: () => {} } },
  );

const adapt = (client: SourceHttp, homepage: string): SourceAdapter =>
  createOpendatasoftAdapter(
    {
      info: {
        source: 'bordeaux',
        kind: 'opendatasoft',
        title: 'Bordeaux',
        homepage,
        country: 'FR',
        region: null,
        languages: ['fr'],
      },
      timeZone: 'Europe/Paris',
      options: { apiVersion: 'v2.1' },
    },
    { http: client, clock: createSystemEnvironment() },
  );

const datasetOf = async (localId: string): Promise<Dataset> => {
  const [outcome] = await adapter.catalog.getMany([localId], createCall());
  if (outcome === null || outcome === undefined || outcome instanceof HubError)
    throw new Error(`no dataset ${localId}`);
  return outcome;
};

beforeAll(async () => {
  portal = await createOpendatasoftPortal({ id: 'scnbdx', title: 'Bordeaux', language: 'fr', datasets: DATASETS });
  http = connect(portal.baseUrl);
  adapter = adapt(http, portal.baseUrl);
  if (adapter.records === undefined) throw new Error('no records');
  records = adapter.records;
  hard = await datasetOf('hard');
  large = await datasetOf('large');
});
afterAll(async () => {
  await adapter?.[Symbol.asyncDispose]();
  await http?.[Symbol.asyncDispose]();
  await portal?.close();
});
beforeEach(() => {
  portal.setFault(null);
  portal.setQuirks({});
  portal.clearRequests();
});

const scan = async (dataset: Dataset, filter: RecordFilter | null): Promise<HubRecord[]> => {
  const found: HubRecord[] = [];
  for await (const batch of records.scan(dataset, wholeScan(filter), createCall())) found.push(...batch);
  return found;
};
const sortedIds = (found: readonly HubRecord[]): string[] => found.map(({ id }) => id).toSorted();

describe('the catalog', () => {
  test.each([13, 100])('listed in pages of %i is complete and in order', async (size) => {
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const page = await adapter.catalog.list({ size, after, search: null }, createCall());
      expect(page.total).toBe(DATASETS.length);
      seen.push(...page.items.map(({ localId }) => localId));
      after = page.next;
    } while (after !== null);
    expect(seen).toEqual(DATASETS.map(({ id }) => id).toSorted());
  });

  test('searched gives the hits of the portal', async () => {
    const page = await adapter.catalog.list({ size: 100, after: null, search: 'difficile' }, createCall());
    expect(page.items.map(({ localId }) => localId)).toEqual(['hard']);
    expect(page).toMatchObject({ total: 1, next: null });
  });

  test('searched for a hostile text neither fails nor finds more', async () => {
    const find = async (search: string): Promise<number | null> =>
      (await adapter.catalog.list({ size: 5, after: null, search }, createCall())).total;
    for (const search of ['") or search("vélo', "nope' OR 1=1 --", 'nope") or has_records is true or search("'])
      expect(await find(search)).toBe(0);
    for (const search of ['"', '\\', '*', '` or `']) expect(await find(search)).not.toBeNull();
    expect(await find('vélo')).toBe(226);
  });

  test('asked for many datasets asks the portal once', async () => {
    const outcomes = await adapter.catalog.getMany(['large', 'nope', 'hard', 'large', 'a"b', 'files'], createCall());
    expect(
      outcomes.map((outcome) => (outcome instanceof HubError ? outcome.code : (outcome?.localId ?? null))),
    ).toEqual(['large', null, 'hard', 'large', null, 'files']);
    expect(portal.requests.length).toBe(1);
  });

  test('says which datasets have records', async () => {
    const [hidden, files] = [await datasetOf('hidden'), await datasetOf('files')];
    expect(hidden).toMatchObject({ recordsState: 'none', accessRights: 'RESTRICTED', distributions: [] });
    expect(files).toMatchObject({
      recordsState: 'none',
      accessRights: 'PUBLIC',
      distributions: [{ id: 'attachment:a' }],
    });
    expect(hard).toMatchObject({ recordsState: 'described', recordCount: COUNT });
    expect(hard.queryables?.find(({ name }) => name === 'x')?.unit).toBe('kW');
  });
});

describe('records', () => {
  test('read as a whole are the truth', async () => {
    const found = await scan(hard, null);
    const byId = new Map(found.map((record) => [record.id, record]));
    expect(found.length).toBe(COUNT);
    for (const truth of TRUTH) expect(byId.get(truth.id)).toEqual(truth);
  });

  test('of a large dataset without an identity are all there, with unique ids that windows repeat', async () => {
    const found = await scan(large, null);
    const asText = ({ values }: HubRecord): string => JSON.stringify([values['nom'], values['n'], values['x']]);
    expect(found.map(asText).toSorted()).toEqual(
      LARGE_ROWS.map(({ nom, n, x }) => JSON.stringify([nom, n, x])).toSorted(),
    );
    const ids = new Set(found.map(({ id }) => id));
    expect(ids.size).toBe(LARGE);
    const window = await records.fetchWindow(
      large,
      { filter: null, sort: [], offset: 9_900, limit: 100 },
      createCall(),
    );
    expect(window).toMatchObject({ total: LARGE });
    expect(window.records.length).toBe(100);
    for (const { id } of window.records) expect(ids.has(id)).toBe(true);
  });

  test('paged by the source order are all there once', async () => {
    const { sourceOrder } = records.capability(hard);
    expect(sourceOrder).toEqual({ unique: true, properties: ['gid'] });
    const found: HubRecord[] = [];
    for (let offset = 0; offset < COUNT; offset += 37)
      found.push(
        ...(await records.fetchWindow(hard, { filter: null, sort: [], offset, limit: 37 }, createCall())).records,
      );
    expect(found.map(({ id }) => id)).toEqual(TRUTH.map(({ id }) => id));
  });

  test.each(['n', 'x', 'jour', 'mdate'] as const)(
    'sorted by %s come as the hub sorts them, nulls last both ways',
    async (property) => {
      const type = hard.queryables?.find(({ name }) => name === property)?.type ?? 'JSON';
      expect(records.capability(hard).sortsExactly(property)).toBe(true);
      for (const direction of ['ASC', 'DESC'] as const) {
        const sort: SortKey[] = [{ property, type, direction }];
        const found: HubRecord[] = [];
        for (let offset = 0; offset < COUNT; offset += 100)
          found.push(
            ...(await records.fetchWindow(hard, { filter: null, sort, offset, limit: 100 }, createCall())).records,
          );
        const valueOf = (record: HubRecord): RecordValue => record.values[property] ?? null;
        expect(found.map(valueOf)).toEqual(TRUTH.toSorted(createRecordComparator(sort)).map(valueOf));
        expect(new Set(found.map(({ id }) => id)).size).toBe(COUNT);
      }
    },
  );
});

const oneOf = <const T>(...values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
const comparison = oneOf('=', '<>', '<', '<=', '>', '>=');
const texts = fc.oneof(
  oneOf(...NASTY),
  fc.string({ unit: 'binary', maxLength: 8 }),
  oneOf('003', '3', 'BORDEAUX', 'Ete'),
);
const whole = fc.oneof(fc.integer({ min: -7, max: 7 }), fc.integer(), oneOf(9_007_199_254_740_993n));
const real = fc.oneof(oneOf(0, -0, -1.5, 0.1, 0.3, 0.30000000000000004, 1e-7, 12.25), fc.double({ noNaN: true }));
const days = fc.oneof(oneOf(...DAYS), oneOf('2026', '2026-03', '2025-12-30', '0001-01-01', '9999-12-31'));
const instants = fc.oneof(
  oneOf(...INSTANTS),
  oneOf('2026-03-29T03:00:00+02:00', '2026-03-29T01:00:00.4Z', '2026-03-29T01:00:00.5Z', '2026-03-28T23:00:00-02:00'),
);
const lons = fc.oneof(fc.double({ min: -0.75, max: -0.3, noNaN: true }), oneOf(-0.7, -0.69, -0.66, -180, 180));
const lats = fc.oneof(fc.double({ min: 44.6, max: 44.95, noNaN: true }), oneOf(44.7, 44.72, 44.73, -90, 90));

const scalarPredicate = <T extends string | number | bigint | boolean>(
  property: string,
  type: Predicate['type'],
  value: fc.Arbitrary<T>,
): fc.Arbitrary<Predicate> =>
  fc.oneof(
    fc.record({ op: comparison, value }).map(({ op, value: given }) => ({ op, property, type, value: given })),
    fc.array(value, { minLength: 1, maxLength: 4 }).map((values) => ({ op: 'in' as const, property, type, values })),
    fc.tuple(value, value).map(([lower, upper]) => ({ op: 'between' as const, property, type, lower, upper })),
    oneOf({ op: 'isNull' as const, property, type }),
  );

const geometryPredicate: fc.Arbitrary<Predicate> = fc
  .record({
    property: oneOf('pt', 'shape'),
    a: lons,
    b: lons,
    c: lats,
    d: lats,
    metres: fc.integer({ min: 0, max: 20_000 }),
    op: fc.nat(3),
  })
  .map(({ property, a, b, c, d, metres, op }) => {
    const on = { property, type: 'GEOMETRY' as const };
    const [south, north] = [Math.min(c, d), Math.max(c, d)];
    if (op === 0) return { ...on, op: 'isNull' };
    if (op === 1) return { ...on, op: 'bbox', bbox: [a, south, b, north] };
    if (op === 2) return { ...on, op: 'withinMetres', lon: a, lat: c, metres };
    const coordinates = [
      [
        [a, south],
        [b, south],
        [b, north],
        [a, south],
      ],
    ];
    return {
      ...on,
      op: 'intersects',
      geometry: a === b || south === north ? { type: 'Point', coordinates: [a, c] } : { type: 'Polygon', coordinates },
    };
  });

const predicate: fc.Arbitrary<Predicate> = fc.oneof(
  scalarPredicate('nom', 'STRING', texts),
  scalarPredicate('code', 'STRING', texts),
  scalarPredicate('n', 'INTEGER', whole),
  scalarPredicate('x', 'NUMBER', real),
  fc
    .record({ op: oneOf('=', '<>'), value: fc.boolean() })
    .map(({ op, value }): Predicate => ({ op, property: 'ok', type: 'BOOLEAN', value })),
  oneOf<Predicate>(
    { op: 'isNull', property: 'ok', type: 'BOOLEAN' },
    { op: 'in', property: 'ok', type: 'BOOLEAN', values: [true, false] },
    { op: 'like', property: 'nom', type: 'STRING', pattern: '%a%' },
  ),
  scalarPredicate('jour', 'DATE', days),
  scalarPredicate('mdate', 'DATETIME', instants),
  geometryPredicate,
);

const { filter: anyFilter } = fc.letrec<{ filter: RecordFilter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    { weight: 4, arbitrary: predicate },
    {
      weight: 2,
      arbitrary: fc
        .record({ op: oneOf('and', 'or'), args: fc.array(tie('filter'), { minLength: 1, maxLength: 3 }) })
        .map(({ op, args }): RecordFilter => ({ op, args })),
    },
    { weight: 1, arbitrary: tie('filter').map((arg): RecordFilter => ({ op: 'not', args: [arg] })) },
  ),
}));

describe('pushdown', () => {
  test('of a single predicate gives the same records when exact, never fewer when inexact', async () => {
    const can = records.capability(hard);
    const tally = { exact: 0, inexact: 0, none: 0 };
    await fc.assert(
      fc.asyncProperty(predicate, async (given) => {
        const grade = can.grade(given);
        tally[grade]++;
        if (grade === 'none') return;
        const wanted = TRUTH.filter(createPredicate(given));
        const found = await scan(hard, given);
        if (grade === 'exact') expect(sortedIds(found)).toEqual(sortedIds(wanted));
        else expect(sortedIds(found)).toEqual(expect.arrayContaining(sortedIds(wanted)));
      }),
      { seed: 11, numRuns: 300 },
    );
    // The law is empty when nothing is pushed.
    expect(Math.min(tally.exact, tally.inexact)).toBeGreaterThan(50);
  });

  test('of any filter changes its cost and never its answer', async () => {
    let pushedFilters = 0;
    let decided = 0;
    await fc.assert(
      fc.asyncProperty(anyFilter, async (given) => {
        const { pushed, residual } = splitFilter(given, records.capability(hard));
        if (pushed !== null) pushedFilters++;
        if (pushed !== null && residual === null) decided++;
        const found = (await scan(hard, pushed)).filter(createPredicate(residual));
        expect(sortedIds(found)).toEqual(sortedIds(TRUTH.filter(createPredicate(given))));
      }),
      { seed: 12, numRuns: 300 },
    );
    expect(pushedFilters).toBeGreaterThan(100);
    expect(decided).toBeGreaterThan(30);
  });

  test('finds more under a portal that ignores case, never fewer', async () => {
    portal.setQuirks({ foldsCase: true });
    const given: Predicate = { op: '=', property: 'nom', type: 'STRING', value: 'bordeaux' };
    const found = await scan(hard, given);
    expect(sortedIds(found)).toEqual(expect.arrayContaining(sortedIds(TRUTH.filter(createPredicate(given)))));
    expect(found.some(({ values }) => values['nom'] === 'Bordeaux')).toBe(true);
  });
});

describe('faults', () => {
  const outcomeOf = async (run: () => Promise<unknown>): Promise<string> => {
    try {
      await run();
      return 'no error';
    } catch (error) {
      if (!(error instanceof HubError)) throw error;
      expect(error.message).not.toMatch(/ODSQL|<html|Just a moment|127\.0\.0\.1|error_code/);
      return error.code;
    }
  };
  const rows: readonly (readonly [PortalFault, string])[] = [
    ['html-403', 'SOURCE_UNAVAILABLE'],
    ['html-200', 'SOURCE_MALFORMED'],
    ['429', 'SOURCE_OVERLOADED'],
    ['500', 'SOURCE_UNAVAILABLE'],
    ['garbage', 'SOURCE_MALFORMED'],
    ['cut', 'SOURCE_MALFORMED'],
  ];

  test.each(rows)('%s ends as %s and leaves the portal down', async (fault, code) => {
    await using client = connect(portal.baseUrl);
    const fresh = adapt(client, portal.baseUrl);
    expect(await fresh.checkHealth(createCall())).toMatchObject({
      state: 'UP',
      reason: null,
      datasetCount: DATASETS.length,
    });
    portal.setFault(fault);
    const window = { filter: null, sort: [], offset: 0, limit: 5 };
    expect(await outcomeOf(() => fresh.catalog.list({ size: 5, after: null, search: null }, createCall()))).toBe(code);
    expect(await outcomeOf(async () => fresh.records?.fetchWindow(hard, window, createCall()))).toBe(code);
    expect(await fresh.checkHealth(createCall())).toMatchObject({ state: 'DOWN', reason: code, datasetCount: null });
  });

  test('an export that breaks off is not taken for the whole', async () => {
    portal.setFault('cut', ({ path }) => path.includes('/exports/'));
    expect(await outcomeOf(() => scan(large, null))).toMatch(/^SOURCE_/);
  });

  test('an export that does not fit the count is not taken for the whole', async () => {
    portal.setQuirks({ wrongTotal: 3 });
    expect(await outcomeOf(() => scan(large, null))).toBe('SOURCE_MALFORMED');
    expect(await outcomeOf(() => scan(hard, { op: '=', property: 'gid', type: 'INTEGER', value: 1 }))).toBe(
      'SOURCE_MALFORMED',
    );
  });

  test('pages that repeat themselves do not pass for a list', async () => {
    portal.setQuirks({ repeatsPages: true });
    const first = await adapter.catalog.list({ size: 50, after: null, search: null }, createCall());
    expect(
      await outcomeOf(() => adapter.catalog.list({ size: 50, after: first.next, search: null }, createCall())),
    ).toBe('INPUT_INVALID');
  });

  test('pages that are capped unseen still list everything', async () => {
    portal.setQuirks({ capsSilentlyAt: 20 });
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const page = await adapter.catalog.list({ size: 100, after, search: null }, createCall());
      seen.push(...page.items.map(({ localId }) => localId));
      after = page.next;
    } while (after !== null);
    expect(seen).toEqual(DATASETS.map(({ id }) => id).toSorted());
    expect((await scan(hard, null)).length).toBe(COUNT);
  });

  test('records that are not given out and records that do not exist are told apart', async () => {
    const asIfQueryable = (localId: string): Dataset => ({ ...hard, localId });
    expect(await outcomeOf(() => scan(asIfQueryable('hidden'), null))).toBe('SOURCE_REJECTED');
    expect(await outcomeOf(() => scan(asIfQueryable('nope'), null))).toBe('NOT_FOUND');
    expect(await outcomeOf(() => scan(asIfQueryable('..'), null))).toBe('NOT_FOUND');
  });

  test('a call that nobody waits for ends as cancelled', async () => {
    const controller = new AbortController();
    portal.setFault('hang');
    const pending = outcomeOf(() =>
      adapter.catalog.list({ size: 5, after: null, search: null }, { ...createCall(), signal: controller.signal }),
    );
    controller.abort();
    expect(await pending).toBe('CANCELLED');
  });
});
