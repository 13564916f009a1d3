import { createCallTrace, wholeScan } from '@civex/adapter-contract';
import type { Call, SourceAdapter } from '@civex/adapter-contract';
import { createSystemEnvironment } from '@civex/environment';
import { createSourceHttp } from '@civex/http';
import type { Dataset, HubRecord } from '@civex/model';
import { SANDBOX_API_KEYS, startSandbox } from '@civex/sandbox';
import type { Sandbox, SandboxPortal } from '@civex/sandbox';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createCkanAdapter } from './ckan-adapter.ts';
import { ckanOptions } from './ckan-config.ts';

const VICTIMS = 'victimas-en-carpetas-de-investigacion-detalle';
const TOKEN = SANDBOX_API_KEYS['mexico-city'];

let sandbox: Sandbox;
let portal: SandboxPortal;
const closing: AsyncDisposable[] = [];
beforeAll(async () => {
  sandbox = await startSandbox();
  portal = sandbox.portal('mexico-city');
});
beforeEach(() => portal.clearRequests());
afterAll(async () => {
  for (const http of closing) await http[Symbol.asyncDispose]();
  await sandbox.close();
});

function connect(headers: Readonly<Record<string, string>>, includePrivate = true): SourceAdapter {
  const environment = createSystemEnvironment();
  const http = createSourceHttp(
    {
      source: 'cdmx',
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
  const info = { source: 'cdmx', kind: 'ckan', title: 'x', homepage: null, country: null, region: null };
  return createCkanAdapter(
    {
      info: { ...info, languages: ['es'] },
      baseUrl: portal.baseUrl,
      timeZone: 'America/Mexico_City',
      options: ckanOptions.parse({ includePrivate }),
    },
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
const withToken = () => connect({ authorization: TOKEN });

async function victimsOf(adapter: SourceAdapter): Promise<Dataset> {
  const [found] = await adapter.catalog.getMany([VICTIMS], createCall());
  if (found === null || found === undefined || !('localId' in found)) return expect.fail('not found');
  const queryables = (await adapter.records!.describe!(found, createCall())) ?? null;
  return { ...found, recordsState: 'described', queryables };
}

describe('a private package', () => {
  test.each([
    ['without a token', {}, true],
    ['with a token that is none', { authorization: 'guessed' }, true],
    ['that does not ask for private ones', { authorization: TOKEN }, false],
  ])('is no dataset to a hub %s', async (_title, headers, includePrivate) => {
    const adapter = connect(headers, includePrivate);
    expect(await adapter.catalog.getMany([VICTIMS], createCall())).toEqual([null]);
    for (const search of [null, 'víctimas']) {
      const { items } = await adapter.catalog.list({ size: 100, after: null, search }, createCall());
      expect(items.map(({ localId }) => localId)).not.toContain(VICTIMS);
    }
  });

  test('has no records for a hub without a token', async () => {
    const described = await victimsOf(withToken());
    const adapter = connect({});
    expect(await adapter.records!.describe!({ ...described, recordsState: 'undescribed' }, createCall())).toBeNull();
    const ask = { filter: null, sort: [], offset: 0, limit: 5 };
    await expect(adapter.records!.fetchWindow(described, ask, createCall())).rejects.toMatchObject({
      code: 'SOURCE_REJECTED',
    });
  });

  test('is listed as restricted to a hub with the token, one more than without', async () => {
    const all = async (adapter: SourceAdapter) =>
      (await adapter.catalog.list({ size: 100, after: null, search: null }, createCall())).items;
    const [open, keyed] = [await all(connect({})), await all(withToken())];
    const more = keyed.filter(({ localId }) => !open.some((dataset) => dataset.localId === localId));
    expect(more.map(({ localId, accessRights }) => [localId, accessRights])).toEqual([[VICTIMS, 'RESTRICTED']]);
    expect(open.every(({ accessRights }) => accessRights === 'PUBLIC')).toBe(true);
  });

  test('is read with the token of the hub in every request, its place as a geometry', async () => {
    const adapter = withToken();
    const dataset = await victimsOf(adapter);
    expect(dataset.queryables?.find(({ name }) => name === 'geo_point_2d')?.type).toBe('GEOMETRY');
    const all: HubRecord[] = [];
    for await (const batch of adapter.records!.scan(dataset, wholeScan(null), createCall())) all.push(...batch);
    const truth = portal.truth(VICTIMS)?.records ?? [];
    expect(all.map(({ values }) => values['edad_victima'])).toEqual(truth.map((row) => row['edad_victima']));
    for (const { headers } of portal.requests) expect(headers['authorization']).toBe(TOKEN);
    expect(portal.requests.length).toBeGreaterThanOrEqual(3);
  });

  test('hides at the portal what is not asked for: hidden columns leave in no answer', async () => {
    const adapter = withToken();
    const dataset = await victimsOf(adapter);
    portal.clearRequests();
    const properties = ['delito', 'alcaldia_hecho'];
    const scan = { ...wholeScan(null), properties };
    for await (const batch of adapter.records!.scan(dataset, scan, createCall()))
      for (const { values } of batch) expect(Object.keys(values).toSorted()).toEqual(properties.toSorted());
    const window = { filter: null, sort: [], offset: 0, limit: 50, properties };
    await adapter.records!.fetchWindow(dataset, window, createCall());
    await adapter.records!.aggregate!(dataset, { filter: null, groupBy: [], measures: [], fresh: true }, createCall());
    const asked = portal.requests.map(({ body }) => (JSON.parse(body) as { fields?: readonly string[] }).fields);
    expect(asked.length).toBeGreaterThanOrEqual(4);
    for (const fields of asked)
      expect(['_id', ...properties]).toEqual(expect.arrayContaining([...(fields ?? ['all'])]));
  });

  test('is asked for anew by every confidential call, and leaves nothing to open ones', async () => {
    const adapter = withToken();
    const dataset = await victimsOf(adapter);
    const window = { filter: null, sort: [], offset: 0, limit: 5 };
    const calls = [createCall(), createCall(), createCall(false), createCall(false), createCall()];
    for (const call of calls) await adapter.records!.fetchWindow(dataset, window, call);
    expect(calls.map(({ trace }) => trace.requests)).toEqual([1, 1, 1, 0, 1]);
  });
});
