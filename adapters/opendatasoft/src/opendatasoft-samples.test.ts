import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCallTrace, wholeScan } from '@civex/adapter-contract';
import type { Call, SourceAdapter } from '@civex/adapter-contract';
import { createSystemEnvironment } from '@civex/environment';
import { createSourceHttp } from '@civex/http';
import type { SourceHttp } from '@civex/http';
import type { Dataset, HubRecord, Queryable, RecordValue } from '@civex/model';
import { createPredicate, splitFilter } from '@civex/query';
import type { Predicate, RecordFilter, ScalarValue } from '@civex/query';
import { startSandbox } from '@civex/sandbox';
import type { PortalTruth, Sandbox, SandboxPortal } from '@civex/sandbox';
import { createOpendatasoftAdapter } from './index.ts';

const PORTALS = [
  ['bordeaux', 'fr', 'Europe/Paris'],
  ['umea', 'sv', 'Europe/Stockholm'],
  ['leicester', 'en', 'Europe/London'],
] as const;

interface Connected {
  readonly portal: SandboxPortal;
  readonly adapter: SourceAdapter;
  readonly http: SourceHttp;
  readonly datasets: readonly Dataset[];
}

const createCall = (): Call => ({
  signal: new AbortController().signal,
  deadlineEpochMs: Date.now() + 60_000,
  requestId: 'test',
  trace: createCallTrace(),
});

let sandbox: Sandbox;
const connected = new Map<string, Connected>();

beforeAll(async () => {
  sandbox = await startSandbox();
  for (const [id, language, timeZone] of PORTALS) {
    const portal = sandbox.portal(id);
    const http = createSourceHttp(
      {
        source: id,
        baseUrls: [portal.baseUrl],
        headers: {},
        allowedPrivateCidrs: ['127.0.0.1/32'],
        limits: {
          connectTimeoutMs: 1_000,
          headersTimeoutMs: 5_000,
          totalTimeoutMs: 30_000,
          maxAnswerBytes: 20_000_000,
          maxStreamBytes: 100_000_000,
          maxConcurrent: 8,
          maxQueued: 100,
          retryBudget: 0,
          minBytesPerSecond: 0,
        },
        cache: { catalogSeconds: 60, recordsSeconds: 0, staleIfErrorSeconds: 0, maxBytes: 10_000_000 },
      },
      { ...createSystemEnvironment(), metrics: { upstream: () => {}, circuit: () => {} } },
    );
    const info = { source: id, kind: 'opendatasoft', title: id, homepage: portal.baseUrl, country: null, region: null };
    const adapter = createOpendatasoftAdapter(
      { info: { ...info, languages: [language] }, timeZone, options: { apiVersion: 'v2.1' } },
      { http, clock: createSystemEnvironment() },
    );
    const datasets: Dataset[] = [];
    let after: string | null = null;
    do {
      const page = await adapter.catalog.list({ size: 25, after, search: null }, createCall());
      datasets.push(...page.items);
      after = page.next;
      if (after === null) expect(datasets.length).toBe(page.total);
    } while (after !== null);
    connected.set(id, { portal, adapter, http, datasets });
  }
});
afterAll(async () => {
  for (const { http } of connected.values()) await http[Symbol.asyncDispose]();
  await sandbox?.close();
});

const of = (id: string): Connected => {
  const found = connected.get(id);
  if (found === undefined) throw new Error(`not connected: ${id}`);
  return found;
};
const truthOf = ({ portal }: Connected, { localId }: Dataset): PortalTruth => {
  const truth = portal.truth(localId);
  if (truth === null) throw new Error(`no such dataset: ${localId}`);
  return truth;
};
const scan = async ({ adapter }: Connected, dataset: Dataset, filter: RecordFilter | null): Promise<HubRecord[]> => {
  const found: HubRecord[] = [];
  if (adapter.records !== undefined)
    for await (const batch of adapter.records.scan(dataset, wholeScan(filter), createCall())) found.push(...batch);
  return found;
};

/** Everything but geometries and JSON, whose portal form differs from ours by design. */
const SCALARS: ReadonlySet<Queryable['type']> = new Set(['STRING', 'INTEGER', 'NUMBER', 'BOOLEAN', 'DATE', 'DATETIME']);
const scalarsOf = (dataset: Dataset): readonly Queryable[] =>
  (dataset.queryables ?? []).filter(({ type }) => SCALARS.has(type));
const toKey = (values: Readonly<Record<string, unknown>>, columns: readonly Queryable[]): string =>
  columns
    .map(({ name }) => {
      const value = values[name] ?? null;
      return typeof value === 'bigint' ? `${value}n` : JSON.stringify(value);
    })
    .join('|');

describe.each(PORTALS)('the sample portal of %s', (id, language) => {
  test('lists what it holds, in its own language', () => {
    const city = of(id);
    expect(city.datasets.length).toBeGreaterThan(5);
    for (const dataset of city.datasets) {
      const truth = truthOf(city, dataset);
      expect(dataset.titles).toEqual({ [language]: truth.title });
      if (dataset.recordsState === 'described') expect(dataset.recordCount).toBe(truth.records?.length);
    }
  });

  test('answers all its datasets at once, as it lists them', async () => {
    const { adapter, datasets, portal } = of(id);
    portal.clearRequests();
    const ids = datasets.slice(0, adapter.catalog.maxBatchKeys).map(({ localId }) => localId);
    expect(await adapter.catalog.getMany(ids, createCall())).toEqual(datasets.slice(0, ids.length));
    expect(portal.requests.length).toBe(1);
  });

  test('gives all records of every dataset, with unique ids', async () => {
    const city = of(id);
    let total = 0;
    for (const dataset of city.datasets.filter(({ recordsState }) => recordsState === 'described')) {
      const columns = scalarsOf(dataset);
      const found = await scan(city, dataset, null);
      const { records } = truthOf(city, dataset);
      expect(found.map(({ values }) => toKey(values, columns)).toSorted()).toEqual(
        (records ?? []).map((row) => toKey(row, columns)).toSorted(),
      );
      expect(new Set(found.map((record) => record.id)).size).toBe(found.length);
      total += found.length;
    }
    expect(total).toBeGreaterThan(1_000);
  });

  test('filters as the hub does, whatever is pushed', async () => {
    const city = of(id);
    const can = city.adapter.records;
    if (can === undefined) throw new Error('no records');
    const subjects = city.datasets
      .filter(({ recordsState, recordCount }) => recordsState === 'described' && (recordCount ?? 0) <= 500)
      .map((dataset) => ({
        dataset,
        columns: scalarsOf(dataset),
        rows: (truthOf(city, dataset).records ?? []).map(
          // The double shows scalars in the form of the hub's values.
          (values, index): HubRecord => ({ id: String(index), values: values as Record<string, RecordValue> }),
        ),
      }))
      .filter(({ columns, rows }) => columns.length > 0 && rows.length > 0);
    const choice = fc.record({
      subject: fc.constantFrom(...subjects),
      column: fc.nat(),
      rows: fc.tuple(fc.nat(), fc.nat()),
      op: fc.constantFrom('=', '<>', '<', '<=', '>', '>=', 'in', 'between', 'isNull', 'not'),
    });
    let pushedFilters = 0;
    await fc.assert(
      fc.asyncProperty(choice, async ({ subject: { dataset, columns, rows }, column, rows: places, op }) => {
        const { name: property, type } = columns[column % columns.length] as Queryable;
        const [a, b] = places.map((place) => rows[place % rows.length]?.values[property] ?? null);
        const isScalar = (value: RecordValue | undefined): value is ScalarValue =>
          value !== null && typeof value !== 'object';
        const on = { property, type };
        const test: Predicate =
          !isScalar(a) || !isScalar(b) || op === 'isNull'
            ? { ...on, op: 'isNull' }
            : op === 'in'
              ? { ...on, op, values: [a, b] }
              : op === 'between'
                ? { ...on, op, lower: a, upper: b }
                : { ...on, op: op === 'not' ? '>' : op, value: a };
        const filter: RecordFilter = op === 'not' ? { op: 'not', args: [test] } : test;
        const { pushed, residual } = splitFilter(filter, can.capability(dataset));
        if (pushed !== null) pushedFilters++;
        const found = (await scan(city, dataset, pushed)).filter(createPredicate(residual));
        expect(found.map(({ values }) => toKey(values, columns)).toSorted()).toEqual(
          rows
            .filter(createPredicate(filter))
            .map(({ values }) => toKey(values, columns))
            .toSorted(),
        );
      }),
      { seed: 21, numRuns: 120 },
    );
    expect(pushedFilters).toBeGreaterThan(40);
  });
});

test('the 12,500 payments of Leicester are read to the last one', async () => {
  const city = of('leicester');
  const large = city.datasets.find(({ recordCount }) => recordCount === 12_500);
  if (large === undefined) throw new Error('no large dataset');
  expect((await scan(city, large, null)).length).toBe(12_500);
});
