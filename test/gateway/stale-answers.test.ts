import { createSystemEnvironment } from '@civex/environment';
import { startSandbox } from '@civex/sandbox';
import type { PortalFault, Sandbox } from '@civex/sandbox';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { withoutTimes } from '../test-support/answers.ts';
import { REPORT, startSandboxHub } from '../test-support/test-hub.ts';
import type { Report, TestHub } from '../test-support/test-hub.ts';

const CATALOG_SECONDS = 5;
const RECORDS_SECONDS = 2;
const STALE_SECONDS = 600;
const START = Date.parse('2026-10-05T08:00:00Z');

interface Data {
  readonly datasets: {
    readonly totalCount: number | null;
    readonly totalIsExact: boolean;
    readonly nodes: readonly { readonly id: string }[];
    readonly sources: readonly Report[];
  };
}
const QUESTION = `{ datasets(search: "cykel", first: 50) { totalCount totalIsExact nodes { id title provenance { fetchedAt } } sources { ${REPORT} } } }`;

let sandbox: Sandbox;
let hub: TestHub;
let nowMs = START;

beforeAll(async () => {
  sandbox = await startSandbox();
});
afterAll(() => sandbox.close());
beforeEach(async () => {
  nowMs = START;
  const options = {
    source: {
      cache: { catalogSeconds: CATALOG_SECONDS, recordsSeconds: RECORDS_SECONDS, staleIfErrorSeconds: STALE_SECONDS },
      limits: { totalTimeoutMs: 1_000 },
    },
  };
  // The clocks alone: timers, and with them every time limit, stay real.
  const clocks = { now: () => nowMs, monotonicMs: () => nowMs };
  hub = await startSandboxHub(sandbox, options, { ...createSystemEnvironment(), ...clocks });
  // Nothing of what is asked here may be slow for being first.
  const warm = await startSandboxHub(sandbox);
  await warm.ask(QUESTION);
  await warm[Symbol.asyncDispose]();
});
afterEach(async () => {
  await hub[Symbol.asyncDispose]();
  sandbox.portal('umea').setFault(null);
  await sandbox.portal('umea').restart();
});

const at = (seconds: number): void => {
  nowMs = START + seconds * 1_000;
};
const reportOf = ({ datasets }: Data, id = 'umea'): Report | undefined =>
  datasets.sources.find(({ catalog }) => catalog === id);

describe('catalog answers', () => {
  test('are reused while fresh, with their age told', async () => {
    const first = await hub.ask<Data>(QUESTION);
    expect(reportOf(first.data)).toMatchObject({
      status: 'OK',
      requests: 1,
      age: null,
      fetchedAt: '2026-10-05T08:00:00.000Z',
    });
    at(4);
    const second = await hub.ask<Data>(QUESTION);
    expect(reportOf(second.data)).toMatchObject({
      status: 'OK',
      requests: 0,
      age: 'PT4S',
      fetchedAt: '2026-10-05T08:00:00.000Z',
    });
    expect(withoutTimes(second.data)).toEqual(withoutTimes(first.data));
    at(6);
    const third = await hub.ask<Data>(QUESTION);
    expect(reportOf(third.data)).toMatchObject({
      status: 'OK',
      requests: 1,
      age: null,
      fetchedAt: '2026-10-05T08:00:06.000Z',
    });
  });

  test('stand in for a portal that stopped, marked STALE with their age, and give way when it is back', async () => {
    const fresh = await hub.ask<Data>(QUESTION);
    await sandbox.portal('umea').stop();
    at(90);
    const stale = await hub.ask<Data>(QUESTION);
    expect(stale.errors).toBeUndefined();
    expect(reportOf(stale.data)).toMatchObject({
      status: 'STALE',
      age: 'PT90S',
      fetchedAt: '2026-10-05T08:00:00.000Z',
      error: null,
    });
    expect(stale.data.datasets.nodes.map(({ id }) => id)).toEqual(fresh.data.datasets.nodes.map(({ id }) => id));
    for (const { id, provenance } of stale.data.datasets.nodes as readonly {
      id: string;
      provenance: { fetchedAt: string };
    }[])
      expect(provenance.fetchedAt).toBe(
        id.startsWith('umea:') ? '2026-10-05T08:00:00.000Z' : '2026-10-05T08:01:30.000Z',
      );
    expect(reportOf(stale.data, 'bordeaux')).toMatchObject({ status: 'OK', age: null });

    await sandbox.portal('umea').restart();
    at(91);
    const back = await hub.ask<Data>(QUESTION);
    expect(reportOf(back.data)).toMatchObject({
      status: 'OK',
      age: null,
      fetchedAt: '2026-10-05T08:01:31.000Z',
      requests: 1,
    });
  });

  test.each<[PortalFault]>([['hang'], ['500'], ['429'], ['html-403'], ['html-200'], ['garbage'], ['cut']])(
    'stand in for a portal that fails by %s',
    async (fault) => {
      await hub.ask<Data>(QUESTION);
      sandbox.portal('umea').setFault(fault);
      at(30);
      const { data, errors } = await hub.ask<Data>(QUESTION);
      expect(errors).toBeUndefined();
      expect(reportOf(data)).toMatchObject({ status: 'STALE', age: 'PT30S' });
    },
  );

  test('stand in no longer than configured', async () => {
    await hub.ask<Data>(QUESTION);
    await sandbox.portal('umea').stop();
    at(CATALOG_SECONDS + STALE_SECONDS);
    expect(reportOf((await hub.ask<Data>(QUESTION)).data)).toMatchObject({ status: 'STALE', age: 'PT605S' });
    at(CATALOG_SECONDS + STALE_SECONDS + 1);
    const { data, errors } = await hub.ask<Data>(QUESTION);
    expect(reportOf(data)).toMatchObject({
      status: 'FAILED',
      age: null,
      fetchedAt: null,
      error: { code: 'SOURCE_UNAVAILABLE' },
    });
    expect(errors).toHaveLength(1);
    expect(data.datasets.totalIsExact).toBe(false);
  });

  test('of another question do not stand in', async () => {
    await hub.ask<Data>(QUESTION);
    await sandbox.portal('umea').stop();
    at(30);
    const { data } = await hub.ask<Data>(QUESTION.replace('cykel', 'cyke'));
    expect(reportOf(data)).toMatchObject({ status: 'FAILED' });
  });
});

describe('records', () => {
  const RECORDS = `{ dataset(id: "umea:cykelstationer-umea") { records(filter: { property: "lediga_cyklar", gt: 0 }, first: 5) { nodes { id values } plan { requests } source { ${REPORT} } } } }`;
  interface RecordData {
    readonly dataset: {
      readonly records: {
        readonly nodes: readonly unknown[];
        readonly plan: { readonly requests: number };
        readonly source: Report;
      };
    };
  }

  test('are kept for a shorter time, and stand in marked STALE as well', async () => {
    const fresh = await hub.ask<RecordData>(RECORDS);
    expect(fresh.data.dataset.records).toMatchObject({
      plan: { requests: 1 },
      source: { status: 'OK', requests: 1, age: null },
    });
    at(1);
    expect((await hub.ask<RecordData>(RECORDS)).data.dataset.records).toMatchObject({
      plan: { requests: 0 },
      source: { status: 'OK', age: 'PT1S' },
    });
    at(3);
    expect((await hub.ask<RecordData>(RECORDS)).data.dataset.records).toMatchObject({
      plan: { requests: 1 },
      source: { status: 'OK', age: null },
    });
    await sandbox.portal('umea').stop();
    at(43);
    const stale = await hub.ask<RecordData>(RECORDS);
    expect(stale.errors).toBeUndefined();
    expect(stale.data.dataset.records.source).toMatchObject({ status: 'STALE', age: 'PT40S' });
    expect(stale.data.dataset.records.nodes).toEqual(fresh.data.dataset.records.nodes);
  });
});

describe('health', () => {
  const HEALTH = '{ catalog(id: "umea") { datasetCount health { state reason checkedAt latencyMs } } }';

  test('is asked at most every ten seconds and follows the portal', async () => {
    const up = await hub.ask(HEALTH);
    expect(up.data['catalog']).toMatchObject({ datasetCount: 25, health: { state: 'UP', reason: null } });
    await sandbox.portal('umea').stop();
    at(9);
    expect((await hub.ask(HEALTH)).data['catalog'].health.state).toBe('UP');
    at(11);
    const down = await hub.ask(HEALTH);
    expect(down.data['catalog']).toMatchObject({
      datasetCount: null,
      health: { state: 'DOWN', reason: 'SOURCE_UNAVAILABLE', checkedAt: '2026-10-05T08:00:11.000Z' },
    });
    await sandbox.portal('umea').restart();
    at(22);
    expect((await hub.ask(HEALTH)).data['catalog'].health.state).toBe('UP');
  });
});
