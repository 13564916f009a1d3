import type { Call, SourceAdapter } from '@civex/adapter-contract';
import { createCallTrace, wholeScan } from '@civex/adapter-contract';
import type { SourceHttp } from '@civex/http';
import { createSystemEnvironment } from '@civex/environment';
import { createSourceHttp } from '@civex/http';
import type { Dataset, HubRecord, RecordValue } from '@civex/model';
import type { Predicate, RecordFilter, SortKey } from '@civex/query';
import { compareCodePoints, createPredicate, createRecordComparator, splitFilter } from '@civex/query';
import type { CkanPackage, SandboxPortal } from '@civex/sandbox';
import { createCkanPortal } from '@civex/sandbox';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createCkanAdapter } from './ckan-adapter.ts';
import { ckanOptions } from './ckan-config.ts';

/** Texts that every dialect finds hard. */
const NAMES = [
  'Coyoacán',
  'COYOACÁN',
  'coyoacan',
  "O'Higgins",
  '"Centro"',
  String.raw`a\b`,
  '100%',
  'a_b',
  '--',
  'línea\nnueva',
  '',
  ' ',
  'null',
  '7',
  '07',
  '東京',
  '😀',
  'x'.repeat(2_000),
  'x'.repeat(1_999) + 'y',
  null,
] as const;

// An alias: an interface is not assignable to an index signature.
type Row = {
  readonly nombre: string | null;
  readonly alcaldía: string | null;
  readonly plazas: number | null;
  readonly activa: boolean | null;
  readonly tasa: number | null;
  readonly 'fecha de alta': string | null;
  readonly dia: string | null;
  readonly geo_point_2d: string | null;
};

const pad = (value: number): string => String(value).padStart(2, '0');
const ROWS: readonly Row[] = Array.from({ length: 260 }, (_, n) => ({
  nombre: NAMES[n % NAMES.length] ?? null,
  alcaldía: n % 7 === 0 ? null : `Alcaldía ${n % 5}`,
  plazas: n % 11 === 0 ? null : (n * 37) % 50,
  activa: n % 13 === 0 ? null : n % 3 === 0,
  tasa: n % 17 === 0 ? null : ((n * 29) % 40) / 8,
  'fecha de alta': n % 19 === 0 ? null : `2026-02-${pad(1 + (n % 28))}T${pad(n % 24)}:30:00`,
  dia: n % 23 === 0 ? null : `2026-01-${pad(1 + ((n * 3) % 31))}`,
  geo_point_2d: n % 29 === 7 ? null : `${19 + n / 1_000}, ${-99 - n / 1_000}`,
}));

/** The rows as the hub must see them, written without any code of the adapter. Mexico City is at -06:00 all of 2026. */
const TRUTH: readonly HubRecord[] = ROWS.map((row, n) => ({
  id: String(n + 1).padStart(12, '0'),
  values: {
    ...row,
    'fecha de alta': row['fecha de alta'] === null ? null : `${row['fecha de alta']}-06:00`,
    geo_point_2d:
      row.geo_point_2d === null
        ? null
        : { type: 'Point', coordinates: [-99 - n / 1_000, 19 + n / 1_000] as RecordValue[] },
  },
}));

const FIELDS = [
  { id: 'nombre', type: 'text' },
  { id: 'alcaldía', type: 'text' },
  { id: 'plazas', type: 'int4', info: { label: 'Plazas', notes: 'Total de plazas' } },
  { id: 'activa', type: 'bool' },
  { id: 'tasa', type: 'numeric' },
  { id: 'fecha de alta', type: 'timestamp' },
  { id: 'dia', type: 'date' },
  { id: 'geo_point_2d', type: 'text' },
] as const;

const LARGE = Array.from({ length: 7_200 }, (_, n) => ({ viaje: n + 1, minutos: n % 90 }));

const PACKAGES: readonly CkanPackage[] = [
  {
    name: 'estaciones',
    title: 'Estaciones de Ecobici',
    tags: ['bicicletas'],
    licenseId: 'cc-by',
    resources: [
      {
        name: 'Diccionario de datos',
        format: 'XLSX',
        table: { fields: [{ id: 'columna', type: 'text' }], records: [{ columna: 'nombre' }] },
      },
      { name: 'Estaciones', format: 'CSV', table: { fields: FIELDS, records: ROWS } },
    ],
  },
  {
    name: 'viajes',
    title: 'Viajes',
    resources: [
      {
        name: 'Viajes',
        format: 'CSV',
        table: {
          fields: [
            { id: 'viaje', type: 'int4' },
            { id: 'minutos', type: 'int4' },
          ],
          records: LARGE,
        },
      },
    ],
  },
  { name: 'origen', title: 'Un origen de cosecha', type: 'harvest' },
  ...Array.from({ length: 45 }, (_, n): CkanPackage => ({
    name: `conjunto-${n}`,
    title: `Conjunto ${n}`,
    notes: n === 7 ? 'agua: potable (norte)' : '',
  })),
];
const DATASET_NAMES = PACKAGES.filter(({ type }) => type === undefined).map(({ name }) => name);

let portal: SandboxPortal;
let http: SourceHttp;
let adapter: SourceAdapter;
let requestId = 0;

const newCall = (): Call => ({
  signal: new AbortController().signal,
  deadlineEpochMs: Date.now() + 20_000,
  requestId: `t${++requestId}`,
  trace: createCallTrace(),
});

beforeAll(async () => {
  portal = await createCkanPortal({ id: 'cdmx', title: 'CDMX', language: 'es', packages: PACKAGES });
  http = createSourceHttp(
    {
      source: 'cdmx',
      baseUrls: [portal.baseUrl],
      headers: {},
      allowedPrivateCidrs: ['127.0.0.1/32'],
      limits: {
        connectTimeoutMs: 2_000,
        headersTimeoutMs: 5_000,
        totalTimeoutMs: 10_000,
        maxAnswerBytes: 16_000_000,
        maxStreamBytes: 16_000_000,
        maxConcurrent: 4,
        maxQueued: 100,
        retryBudget: 0,
        minBytesPerSecond: 0,
      },
      cache: { catalogSeconds: 0, recordsSeconds: 0, staleIfErrorSeconds: 0, maxBytes: 1_000_000 },
    },
    { ...createSystemEnvironment(), metrics: { upstream: () => {}, circuit: () => {} } },
  );
  adapter = createCkanAdapter(
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
      baseUrl: portal.baseUrl,
      timeZone: 'America/Mexico_City',
      options: ckanOptions.parse({ licenseRegister: 'none' }),
    },
    { http, clock: createSystemEnvironment() },
  );
});

afterEach(() => {
  portal.setFault(null);
  portal.setQuirks({});
});

afterAll(async () => {
  await adapter[Symbol.asyncDispose]();
  await http[Symbol.asyncDispose]();
  await portal.close();
});

async function describeDataset(name: string): Promise<Dataset> {
  const [outcome] = await adapter.catalog.getMany([name], newCall());
  if (outcome === null || outcome === undefined || outcome instanceof Error) return expect.fail(`no ${name}`);
  const queryables = (await adapter.records?.describe?.(outcome, newCall())) ?? null;
  return { ...outcome, recordsState: queryables === null ? 'none' : 'described', queryables };
}

async function scan(dataset: Dataset, filter: RecordFilter | null): Promise<HubRecord[]> {
  const found: HubRecord[] = [];
  for await (const page of adapter.records?.scan(dataset, wholeScan(filter), newCall()) ?? []) found.push(...page);
  return found;
}

async function listAll(size: number, search: string | null = null): Promise<string[]> {
  const found: string[] = [];
  let after: string | null = null;
  for (let pages = 0; pages < 200; pages++) {
    const page = await adapter.catalog.list({ size, after, search }, newCall());
    found.push(...page.items.map(({ localId }) => localId));
    if (page.next === null) return found;
    after = page.next;
  }
  return expect.fail('the list does not end');
}

const sorted = (texts: readonly string[]): string[] => texts.toSorted(compareCodePoints);

describe('catalog', () => {
  test.each([1, 7, 250])('pages of %i list every dataset once and no harvest source', async (size) => {
    expect(sorted(await listAll(size))).toEqual(sorted(DATASET_NAMES));
  });

  test('a silently capped portal is listed to its end', async () => {
    portal.setQuirks({ capsSilentlyAt: 3 });
    expect(sorted(await listAll(20))).toEqual(sorted(DATASET_NAMES));
  });

  test('a portal that repeats its first page is never taken for a complete list', async () => {
    portal.setQuirks({ repeatsPages: true });
    await expect(listAll(10)).rejects.toMatchObject({ code: 'INPUT_INVALID' });
  });

  test('a count that is too high is not believed at the end', async () => {
    portal.setQuirks({ wrongTotal: 5 });
    await expect(listAll(10)).rejects.toMatchObject({ code: 'SOURCE_MALFORMED' });
  });

  test('a search finds what the portal finds, whatever signs it carries', async () => {
    expect(await listAll(10, 'agua')).toEqual(['conjunto-7']);
    expect(await listAll(10, 'agua: (potable)')).toEqual(['conjunto-7']);
    expect(await listAll(10, '"agua')).toEqual(['conjunto-7']);
    expect(await listAll(10, '*:*')).toEqual([]);
  });

  test('a batch of ids is one request', async () => {
    portal.clearRequests();
    const call = newCall();
    const found = await adapter.catalog.getMany(['viajes', 'nada', 'estaciones', 'origen', 'viajes'], call);
    expect(found.map((outcome) => (outcome as Dataset | null)?.localId ?? null)).toEqual([
      'viajes',
      null,
      'estaciones',
      null,
      'viajes',
    ]);
    expect(portal.requests).toHaveLength(1);
    expect(call.trace.requests).toBe(1);
  });

  test('a batch of which the portal keeps a part back is malformed, not absent', async () => {
    portal.setQuirks({ capsSilentlyAt: 1 });
    await expect(adapter.catalog.getMany(['viajes', 'estaciones'], newCall())).rejects.toMatchObject({
      code: 'SOURCE_MALFORMED',
    });
  });
});

describe('records', () => {
  test('the columns of the data are described, not those of its dictionary', async () => {
    const dataset = await describeDataset('estaciones');
    expect(dataset.queryables?.map(({ name, type }) => [name, type])).toEqual([
      ['nombre', 'STRING'],
      ['alcaldía', 'STRING'],
      ['plazas', 'INTEGER'],
      ['activa', 'BOOLEAN'],
      ['tasa', 'NUMBER'],
      ['fecha de alta', 'DATETIME'],
      ['dia', 'DATE'],
      ['geo_point_2d', 'GEOMETRY'],
    ]);
  });

  test('a scan yields the whole table, naive times in the zone of the city', async () => {
    expect(await scan(await describeDataset('estaciones'), null)).toEqual(TRUTH);
  });

  test('a scan of the largest table yields every row once', async () => {
    const found = await scan(await describeDataset('viajes'), null);
    expect(found.map(({ values }) => values['viaje'])).toEqual(LARGE.map(({ viaje }) => viaje));
  });

  test('a silently capped table is scanned to its end', async () => {
    portal.setQuirks({ capsSilentlyAt: 100 });
    expect(await scan(await describeDataset('estaciones'), null)).toEqual(TRUTH);
  });

  test('a table whose pages repeat is malformed', async () => {
    const dataset = await describeDataset('viajes');
    portal.setQuirks({ repeatsPages: true });
    await expect(scan(dataset, null)).rejects.toMatchObject({ code: 'SOURCE_MALFORMED' });
  });

  test.each([-3, 3])('a total that is wrong by %i fails the scan', async (wrongTotal) => {
    const dataset = await describeDataset('estaciones');
    portal.setQuirks({ wrongTotal });
    await expect(scan(dataset, null)).rejects.toMatchObject({ code: 'SOURCE_MALFORMED' });
  });

  const idsOf = (records: readonly HubRecord[]): string[] => records.map(({ id }) => id);
  const text = (property: string): fc.Arbitrary<Predicate> =>
    fc.oneof(
      fc
        .constantFrom(...NAMES.filter((name) => name !== null), 'Alcaldía 1', 'alcaldía 1', 'Alcaldía 4')
        .map((value): Predicate => ({ op: '=', property, type: 'STRING', value })),
      fc
        .array(fc.constantFrom(...NAMES.filter((name) => name !== null), 'Alcaldía 2', 'Alcaldía 3'), {
          minLength: 1,
          maxLength: 4,
        })
        .map((values): Predicate => ({ op: 'in', property, type: 'STRING', values })),
    );
  const whole = fc.integer({ min: -1, max: 51 });
  const predicate: fc.Arbitrary<Predicate> = fc.oneof(
    text('nombre'),
    text('alcaldía'),
    fc
      .tuple(fc.constantFrom('=', '<', '<>' as const), whole)
      .map(([op, value]): Predicate => ({ op: op as '=', property: 'plazas', type: 'INTEGER', value })),
    fc
      .array(whole, { minLength: 1, maxLength: 6 })
      .map((values): Predicate => ({ op: 'in', property: 'plazas', type: 'INTEGER', values })),
    fc.boolean().map((value): Predicate => ({ op: '=', property: 'activa', type: 'BOOLEAN', value })),
    fc.constantFrom(0, 1.5, 2).map((value): Predicate => ({ op: '=', property: 'tasa', type: 'NUMBER', value })),
    fc.constant<Predicate>({ op: 'isNull', property: 'plazas', type: 'INTEGER' }),
    fc.constant<Predicate>({ op: 'like', property: 'nombre', type: 'STRING', pattern: '%o%' }),
    fc
      .constantFrom('2026-02-03T02:30:00-06:00')
      .map((value): Predicate => ({ op: '=', property: 'fecha de alta', type: 'DATETIME', value })),
  );
  const filters = fc.letrec<{ filter: RecordFilter }>((tie) => ({
    filter: fc.oneof(
      { maxDepth: 3 },
      predicate,
      fc.array(tie('filter'), { minLength: 1, maxLength: 3 }).map((args): RecordFilter => ({ op: 'and', args })),
      fc.array(tie('filter'), { minLength: 1, maxLength: 2 }).map((args): RecordFilter => ({ op: 'or', args })),
      tie('filter').map((arg): RecordFilter => ({ op: 'not', args: [arg] })),
    ),
  })).filter;
  const conjunctions = fc
    .array(fc.oneof({ arbitrary: predicate, weight: 3 }, { arbitrary: filters, weight: 1 }), {
      minLength: 1,
      maxLength: 4,
    })
    .map((args): RecordFilter => ({ op: 'and', args }));

  test('what is pushed selects exactly the rows the evaluator selects', async () => {
    const dataset = await describeDataset('estaciones');
    const capability = adapter.records?.capability(dataset) ?? expect.fail('no records');
    let pushes = 0;
    await fc.assert(
      fc.asyncProperty(fc.oneof(conjunctions, filters), async (filter) => {
        const { pushed, residual } = splitFilter(filter, capability);
        if (pushed !== null) pushes++;
        const found = await scan(dataset, pushed);
        // An exact push may not return one row more, nor one less.
        expect(idsOf(found)).toEqual(idsOf(TRUTH.filter(createPredicate(pushed))));
        expect(idsOf(found.filter(createPredicate(residual)))).toEqual(idsOf(TRUTH.filter(createPredicate(filter))));
      }),
      { seed: 20_260_829, numRuns: 300 },
    );
    expect(pushes).toBeGreaterThan(100);
  });

  test.each(['plazas', 'tasa', 'activa', 'dia'])(
    'sorted by %s the portal\u2019s pages are the hub\u2019s',
    async (property) => {
      const dataset = await describeDataset('estaciones');
      const records = adapter.records ?? expect.fail('no records');
      expect(records.capability(dataset).sortsExactly(property)).toBe(true);
      const type = dataset.queryables?.find(({ name }) => name === property)?.type ?? 'JSON';
      for (const direction of ['ASC', 'DESC'] as const) {
        const sort: SortKey[] = [{ property, type, direction }];
        const found: HubRecord[] = [];
        for (let offset = 0; offset < TRUTH.length; offset += 100) {
          const batch = await records.fetchWindow(dataset, { filter: null, sort, offset, limit: 100 }, newCall());
          expect(batch.total).toBe(TRUTH.length);
          found.push(...batch.records);
        }
        expect(found).toEqual(TRUTH.toSorted(createRecordComparator(sort)));
      }
    },
  );

  test('a window of a filter is counted and cut by the portal', async () => {
    const dataset = await describeDataset('estaciones');
    const filter: RecordFilter = { op: '=', property: 'nombre', type: 'STRING', value: "O'Higgins" };
    const sort: SortKey[] = [{ property: 'plazas', type: 'INTEGER', direction: 'DESC' }];
    const expected = TRUTH.filter(createPredicate(filter)).toSorted(createRecordComparator(sort));
    portal.clearRequests();
    const call = newCall();
    const batch = await adapter.records?.fetchWindow(dataset, { filter, sort, offset: 2, limit: 4 }, call);
    expect(batch).toEqual({ records: expected.slice(2, 6), total: expected.length });
    expect(portal.requests).toHaveLength(1);
    expect(call.trace.portalQueries).toHaveLength(1);
  });

  test('text and local times are not sorted by the portal', async () => {
    const capability = adapter.records?.capability(await describeDataset('estaciones')) ?? expect.fail('no records');
    const properties = ['nombre', 'fecha de alta', 'geo_point_2d', 'nada'];
    expect(properties.filter((property) => capability.sortsExactly(property))).toEqual([]);
  });
});

describe('faults', () => {
  const faultOf = (): Promise<unknown> =>
    adapter.catalog.getMany(['viajes'], newCall()).then(
      () => null,
      (error: unknown) => error,
    );

  test.each([
    ['html-403', 'SOURCE_UNAVAILABLE'],
    ['html-200', 'SOURCE_MALFORMED'],
    ['500', 'SOURCE_UNAVAILABLE'],
    ['garbage', 'SOURCE_MALFORMED'],
    ['cut', 'SOURCE_MALFORMED'],
    ['429', 'SOURCE_OVERLOADED'],
  ] as const)('%s is %s, and a health check says so', async (fault, code) => {
    portal.setFault(fault);
    expect(await faultOf()).toMatchObject({ code, facts: { source: 'cdmx' } });
    expect(await adapter.checkHealth(newCall())).toMatchObject({ state: 'DOWN', datasetCount: null });
  });
});

describe('health', () => {
  test('a portal that answers is up and has its datasets', async () => {
    expect(DATASET_NAMES.length).toBe(47);
    expect(await adapter.checkHealth(newCall())).toMatchObject({
      state: 'UP',
      reason: null,
      datasetCount: DATASET_NAMES.length,
    });
  });

  test('a stopped portal is down', async () => {
    await portal.stop();
    expect(await adapter.checkHealth(newCall())).toMatchObject({ state: 'DOWN', reason: 'SOURCE_UNAVAILABLE' });
    await portal.restart();
  });
});
