import { createCallTrace, wholeScan } from '@civex/adapter-contract';
import type { Call, SourceAdapter } from '@civex/adapter-contract';
import { createSystemEnvironment } from '@civex/environment';
import { createSourceHttp } from '@civex/http';
import type { Dataset, HubRecord } from '@civex/model';
import { SANDBOX_API_KEYS, startSandbox } from '@civex/sandbox';
import type { Sandbox, SandboxPortal } from '@civex/sandbox';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createOpendatasoftAdapter } from './index.ts';

const METERS = 'energy-meter-readings-council-buildings';

let sandbox: Sandbox;
let portal: SandboxPortal;
const closing: AsyncDisposable[] = [];
beforeAll(async () => {
  sandbox = await startSandbox();
  portal = sandbox.portal('leicester');
});
beforeEach(() => portal.clearRequests());
afterAll(async () => {
  for (const http of closing) await http[Symbol.asyncDispose]();
  await sandbox.close();
});

function connect(headers: Readonly<Record<string, string>>): SourceAdapter {
  const environment = createSystemEnvironment();
  const http = createSourceHttp(
    {
      source: 'leicester',
      baseUrls: [portal.baseUrl],
      headers,
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
      cache: { catalogSeconds: 60, recordsSeconds: 60, staleIfErrorSeconds: 60, maxBytes: 10_000_000 },
    },
    { ...environment, metrics: { upstream: () => {}, circuit: () => {} } },
  );
  closing.push(http);
  const info = { source: 'leicester', kind: 'opendatasoft', title: 'x', homepage: null, country: null, region: null };
  return createOpendatasoftAdapter(
    { info: { ...info, languages: ['en'] }, timeZone: 'Europe/London', options: { apiVersion: 'v2.1' } },
    { http, clock: environment },
  );
}

const createCall = (isConfidential = true): Call => ({
  signal: new AbortController().signal,
  deadlineEpochMs: Date.now() + 60_000,
  requestId: 'test',
  trace: createCallTrace(),
  isConfidential,
});
const withKey = () => connect({ authorization: `Apikey ${SANDBOX_API_KEYS.leicester}` });

async function metersOf(adapter: SourceAdapter): Promise<Dataset> {
  const [found] = await adapter.catalog.getMany([METERS], createCall());
  if (found === null || found === undefined || !('localId' in found)) return expect.fail('not found');
  return found;
}

async function scanAll(adapter: SourceAdapter, dataset: Dataset, properties: readonly string[] | null) {
  const all: HubRecord[] = [];
  const scan = { ...wholeScan(null), properties };
  for await (const batch of adapter.records!.scan(dataset, scan, createCall())) all.push(...batch);
  return all;
}

describe('a restricted dataset', () => {
  test('is no dataset to a hub without a key, listed, searched or asked for', async () => {
    const adapter = connect({});
    expect(await adapter.catalog.getMany([METERS], createCall())).toEqual([null]);
    for (const search of [null, 'meter readings']) {
      const { items } = await adapter.catalog.list({ size: 100, after: null, search }, createCall());
      expect(items.map(({ localId }) => localId)).not.toContain(METERS);
    }
    const described = await metersOf(withKey());
    const ask = { filter: null, sort: [], offset: 0, limit: 5 };
    await expect(adapter.records!.fetchWindow(described, ask, createCall())).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  test('is listed as restricted to a hub with the key, one more than without', async () => {
    const all = async (adapter: SourceAdapter) =>
      (await adapter.catalog.list({ size: 100, after: null, search: null }, createCall())).items;
    const [open, keyed] = [await all(connect({})), await all(withKey())];
    const more = keyed.filter(({ localId }) => !open.some((dataset) => dataset.localId === localId));
    expect(more.map(({ localId, accessRights }) => [localId, accessRights])).toEqual([[METERS, 'RESTRICTED']]);
    // The metadata of hidden data is listed for everybody.
    for (const { accessRights, recordsState } of open)
      expect(accessRights === 'PUBLIC' || recordsState === 'none').toBe(true);
  });

  test('is read in windows, exports and groups, every request with the key of the hub', async () => {
    const adapter = withKey();
    const dataset = await metersOf(adapter);
    const truth = portal.truth(METERS)?.records ?? [];
    const records = await scanAll(adapter, dataset, null);
    expect(records.map(({ values }) => values['meter_number'])).toEqual(truth.map((row) => row['meter_number']));
    const window = { filter: null, sort: [], offset: 0, limit: 50 };
    expect((await adapter.records!.fetchWindow(dataset, window, createCall())).total).toBe(600);
    const counted = { filter: null, groupBy: [], measures: [], fresh: false };
    expect((await adapter.records!.aggregate!(dataset, counted, createCall()))?.[0]?.count).toBe(600);
    expect(portal.requests.length).toBeGreaterThanOrEqual(5);
    for (const { headers } of portal.requests)
      expect(headers['authorization']).toBe(`Apikey ${SANDBOX_API_KEYS.leicester}`);
  });

  test('hides at the portal what is not asked for: hidden columns leave in no answer', async () => {
    const adapter = withKey();
    const dataset = await metersOf(adapter);
    portal.clearRequests();
    const properties = ['ward', 'kwh'];
    const rows = await scanAll(adapter, dataset, properties);
    const window = { filter: null, sort: [], offset: 0, limit: 50, properties };
    const { records } = await adapter.records!.fetchWindow(dataset, window, createCall());
    expect([rows.length, records.length]).toEqual([600, 50]);
    for (const { values } of [...rows, ...records])
      expect(Object.keys(values).toSorted()).toEqual(['kwh', 'reading_id', 'ward']);
    expect(records.map(({ id }) => id)).toEqual(rows.slice(0, 50).map(({ id }) => id));
    const selects = portal.requests.map(({ search }) => new URLSearchParams(search).get('select'));
    expect(selects).toEqual(Array(selects.length).fill('`reading_id`,`ward`,`kwh`'));
  });

  test('is asked for anew by every confidential call, and leaves nothing to open ones', async () => {
    const adapter = withKey();
    const dataset = await metersOf(adapter);
    const window = { filter: null, sort: [], offset: 0, limit: 5 };
    portal.clearRequests();
    const calls = [createCall(), createCall(), createCall(false), createCall(false), createCall()];
    for (const call of calls) await adapter.records!.fetchWindow(dataset, window, call);
    expect(calls.map(({ trace }) => trace.requests)).toEqual([1, 1, 1, 0, 1]);
    expect(portal.requests).toHaveLength(4);
  });

  test('is a fault of the source under a key that is wrong', async () => {
    const adapter = connect({ authorization: 'Apikey guessed' });
    await expect(adapter.catalog.getMany([METERS], createCall())).rejects.toMatchObject({ code: 'SOURCE_REJECTED' });
    expect(await adapter.checkHealth(createCall())).toMatchObject({ state: 'DOWN', reason: 'SOURCE_REJECTED' });
  });
});
