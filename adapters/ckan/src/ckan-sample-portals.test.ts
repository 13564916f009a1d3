import type { Call, SourceAdapter } from '@civex/adapter-contract';
import { createCallTrace, wholeScan } from '@civex/adapter-contract';
import type { SourceHttp } from '@civex/http';
import { createSystemEnvironment } from '@civex/environment';
import { createSourceHttp } from '@civex/http';
import type { Dataset, HubRecord, RecordValue } from '@civex/model';
import { createPredicate } from '@civex/query';
import type { PortalTruth, SandboxPortal } from '@civex/sandbox';
import { startSandbox } from '@civex/sandbox';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCkanAdapter } from './ckan-adapter.ts';
import { ckanOptions } from './ckan-config.ts';

/** The zone each sample portal writes its times in. */
const ZONES: Readonly<Record<string, string>> = {
  'mexico-city': 'America/Mexico_City',
  'nouvelle-aquitaine': 'Europe/Paris',
};

interface City {
  readonly portal: SandboxPortal;
  readonly http: SourceHttp;
  readonly adapter: SourceAdapter;
  readonly datasets: readonly Dataset[];
}

let closeSandbox: () => Promise<void>;
const cities: City[] = [];

const newCall = (): Call => ({
  signal: new AbortController().signal,
  deadlineEpochMs: Date.now() + 20_000,
  requestId: 't',
  trace: createCallTrace(),
});

beforeAll(async () => {
  const sandbox = await startSandbox();
  closeSandbox = () => sandbox.close();
  for (const portal of sandbox.portals.filter(({ kind }) => kind === 'ckan')) {
    const http = createSourceHttp(
      {
        source: portal.id,
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
    const adapter = createCkanAdapter(
      {
        info: {
          source: portal.id,
          kind: 'ckan',
          title: portal.title,
          homepage: null,
          country: null,
          region: null,
          languages: [portal.language],
        },
        baseUrl: portal.baseUrl,
        timeZone: ZONES[portal.id] ?? expect.fail(`no zone for ${portal.id}`),
        options: ckanOptions.parse({}),
      },
      { http, clock: createSystemEnvironment() },
    );
    const datasets: Dataset[] = [];
    for (let after: string | null = null, pages = 0; pages === 0 || after !== null; pages++) {
      const page = await adapter.catalog.list({ size: 10, after, search: null }, newCall());
      datasets.push(...page.items);
      after = page.next;
    }
    cities.push({ portal, http, adapter, datasets });
  }
});

afterAll(async () => {
  await Promise.all(cities.map(({ http }) => http[Symbol.asyncDispose]()));
  await closeSandbox();
});

async function readAll(
  adapter: SourceAdapter,
  dataset: Dataset,
): Promise<readonly [Dataset, readonly HubRecord[]] | null> {
  const queryables = (await adapter.records?.describe?.(dataset, newCall())) ?? null;
  if (queryables === null) return null;
  const described: Dataset = { ...dataset, recordsState: 'described', queryables };
  const found: HubRecord[] = [];
  for await (const page of adapter.records?.scan(described, wholeScan(null), newCall()) ?? []) found.push(...page);
  return [described, found];
}

const TEXT_PAIR = /^(-?[\d.]+), (-?[\d.]+)$/;

/** The hub's value as the portal stores it, as far as the two can be compared without the adapter's own code. */
function toStored(value: RecordValue, type: string, isGeometry: boolean, stored: unknown): unknown {
  if (value === null) return null;
  // The instant must carry the wall clock the portal holds, to the second it prints.
  if (type === 'timestamp' && typeof value === 'string') return value.slice(0, 19);
  if (isGeometry && typeof stored === 'string') {
    const { coordinates } = value as { readonly coordinates: readonly [number, number] };
    return TEXT_PAIR.test(stored) ? `${coordinates[1]}, ${coordinates[0]}` : JSON.stringify(value);
  }
  return value;
}

function expectSame(truth: PortalTruth, dataset: Dataset, records: readonly HubRecord[]): void {
  const fields = (truth.fields ?? []).filter(({ name }) => name !== '_id');
  expect(dataset.queryables?.map(({ name }) => name)).toEqual(fields.map(({ name }) => name));
  expect(records).toHaveLength(truth.records?.length ?? -1);
  const geometries = new Set(dataset.queryables?.filter(({ type }) => type === 'GEOMETRY').map(({ name }) => name));
  for (const [index, record] of records.entries()) {
    const row = truth.records?.[index] ?? {};
    const stored = fields.map(({ name, type }) => {
      const value = row[name] ?? null;
      return type === 'timestamp' && typeof value === 'string' ? value.slice(0, 19).replace(' ', 'T') : value;
    });
    const seen = fields.map(({ name, type }) =>
      toStored(record.values[name] ?? null, type, geometries.has(name), row[name]),
    );
    expect(seen).toEqual(stored);
  }
}

describe('sample portals', () => {
  test('Mexico City is among them', () => {
    expect(cities.map(({ portal }) => portal.id)).toContain('mexico-city');
  });

  test('every dataset of every portal is listed once, in its own words', async () => {
    for (const { portal, adapter, datasets } of cities) {
      const { datasetCount } = await adapter.checkHealth(newCall());
      expect(new Set(datasets.map(({ localId }) => localId)).size).toBe(datasetCount);
      for (const dataset of datasets) {
        const truth = portal.truth(dataset.localId);
        expect(dataset.titles[portal.language]).toBe(truth?.title);
        expect(dataset.recordsState).toBe(truth?.records === null ? 'none' : 'undescribed');
      }
    }
  });

  test('no address of a machine inside a portal leaves it', () => {
    for (const { datasets } of cities)
      expect(JSON.stringify(datasets)).not.toMatch(/10\.80\.148\.134|127\.0\.0\.1:\d+\/dataset\/[^"]*\/resource/);
  });

  test('every table of every portal is read as it is stored', async () => {
    let tables = 0;
    for (const { portal, adapter, datasets } of cities) {
      for (const dataset of datasets) {
        const truth = portal.truth(dataset.localId);
        const read = await readAll(adapter, dataset);
        expect(read === null).toBe(truth?.records === null);
        if (read === null || truth === null) continue;
        expectSame(truth, ...read);
        tables++;
      }
    }
    expect(tables).toBeGreaterThan(10);
  });

  test('the bicycle stations of Mexico City have a place on the map', async () => {
    const { adapter, datasets } =
      cities.find(({ portal }) => portal.id === 'mexico-city') ?? expect.fail('no Mexico City');
    const stations = datasets.find(({ localId }) => localId === 'estaciones-de-ecobici') ?? expect.fail('no stations');
    const [described, records] = (await readAll(adapter, stations)) ?? expect.fail('no records');
    expect(described.queryables?.filter(({ type }) => type === 'GEOMETRY').map(({ name }) => name)).toEqual([
      'geo_point_2d',
      'geo_shape',
    ]);
    expect(
      records.filter(
        createPredicate({ op: 'bbox', property: 'geo_point_2d', type: 'GEOMETRY', bbox: [-99.4, 19.2, -98.9, 19.7] }),
      ).length,
    ).toBeGreaterThan(400);
  });

  test('every text of the hardest table is found by itself, and by nothing else', async () => {
    const { adapter, datasets } =
      cities.find(({ portal }) => portal.id === 'mexico-city') ?? expect.fail('no Mexico City');
    const names = datasets.find(({ localId }) => localId === 'toponimia') ?? expect.fail('no names');
    const [described, records] = (await readAll(adapter, names)) ?? expect.fail('no records');
    const facet = adapter.records ?? expect.fail('no records');
    const capability = facet.capability(described);
    let pushed = 0;
    for (const property of ['libelle', '2e_nom', 'date', 'group']) {
      for (const value of new Set(records.map(({ values }) => values[property] ?? null))) {
        if (typeof value !== 'string') continue;
        const filter = { op: '=', property, type: 'STRING', value } as const;
        if (capability.grade(filter) !== 'exact') continue;
        pushed++;
        const batch = await facet.fetchWindow(described, { filter, sort: [], offset: 0, limit: 500 }, newCall());
        const expected = records.filter(createPredicate(filter));
        expect(batch).toEqual({ records: expected, total: expected.length });
      }
    }
    expect(pushed).toBeGreaterThan(40);
  });
});
