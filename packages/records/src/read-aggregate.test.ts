import { OPEN_VIEW } from '@civex/sharing';
import type { Call, RecordsFacet, SourceAdapter, SourceGroup } from '@civex/adapter-contract';
import { HubError } from '@civex/errors';
import type { HubRecord } from '@civex/model';
import type { AggregateInput } from '@civex/query';
import { describe, expect, test } from 'vitest';
import type { AggregateRequest } from './read-aggregate.ts';
import type { RecordDoorOptions } from './record-door.ts';
import { createRecordDoor } from './record-door.ts';
import { withAggregates } from './test-support/fake-aggregates.ts';
import {
  createAdapter,
  createCall,
  createDataset,
  createFakeSource,
  FULL_CAPABILITY,
  QUERYABLES,
} from './test-support/fake-source.ts';

/** More rows than the window that groups are held against. */
const ROWS: readonly HubRecord[] = Array.from({ length: 150 }, (_, index) => ({
  id: String(index),
  values: {
    s: `text ${index % 3}`,
    n: index / 4,
    i: index % 7 === 6 ? null : index % 7,
    b: index % 2 === 0,
    d: '2026-01-01',
    t: '2026-01-01T00:00:00Z',
    g: null,
    j: null,
  },
}));
const AGGREGATES = { groups: ['i', 'b'], measures: ['i', 'n'], window: 1_000 };
const COUNT: AggregateInput = { groupBy: [{ property: 'i' }], measures: [{ as: 'records', op: 'COUNT' }], sortBy: [] };

function setUp(options: Partial<RecordDoorOptions> = {}) {
  const lost: string[] = [];
  const door = createRecordDoor({
    scanRecords: 1_000,
    maxFirst: 100,
    onCapabilityLost: (_source, _dataset, op) => lost.push(op),
    ...options,
  });
  return { door, lost };
}

const source = () => withAggregates(createFakeSource(ROWS), ROWS, AGGREGATES);
const request = (adapter: SourceAdapter, change: Partial<AggregateRequest> = {}): AggregateRequest => ({
  adapter,
  dataset: createDataset(QUERYABLES),
  filter: null,
  cql: null,
  view: OPEN_VIEW,
  first: 100,
  ...COUNT,
  ...change,
});
/** The same source with a part of its facet replaced. */
const changed = (adapter: SourceAdapter, change: (right: RecordsFacet) => Partial<RecordsFacet>): SourceAdapter => {
  const right = adapter.records!;
  return createAdapter({ ...right, ...change(right) });
};
const EXPECTED = [0, 1, 2, 3, 4, 5, null].map((i) => ({
  key: { i },
  measures: { records: ROWS.filter(({ values }) => values['i'] === i).length },
}));

describe('what is asked', () => {
  test('is answered by the source where it can, from a window and its groups', async () => {
    const { adapter, asked, served } = source();
    const { groups, truncated, plan } = await setUp().door.aggregate(request(adapter), createCall());
    expect(groups).toEqual(EXPECTED);
    expect(truncated).toBe(false);
    expect(plan).toEqual({
      strategy: 'SOURCE_AGGREGATE',
      notPushed: [],
      pushed: null,
      residual: null,
      requests: 2,
      pages: 1,
      scannedRecords: 100,
      portalQuery: ['window 0 100', 'groups 1'],
    });
    expect([asked.count, served.scan]).toEqual([1, 0]);
  });

  test('is read by the hub where the source cannot, and the plan says so', async () => {
    const { adapter, asked } = source();
    const { groups, plan } = await setUp().door.aggregate(
      request(adapter, { groupBy: [{ property: 's' }], filter: { property: 'b', eq: true } }),
      createCall(),
    );
    expect(groups).toEqual([0, 1, 2].map((n) => ({ key: { s: `text ${n}` }, measures: { records: 25 } })));
    expect(plan).toMatchObject({ pushed: { op: '=' }, residual: null, scannedRecords: 75 });
    expect(asked.count).toBe(0);
  });

  test('of a filter the source does not decide whole is read by the hub', async () => {
    const { adapter, asked } = withAggregates(
      createFakeSource(ROWS, { ...FULL_CAPABILITY, grades: { ...FULL_CAPABILITY.grades, '=': 'inexact' } }),
      ROWS,
      AGGREGATES,
    );
    const { groups, plan } = await setUp().door.aggregate(
      request(adapter, { groupBy: [], filter: { property: 'b', eq: true } }),
      createCall(),
    );
    expect(groups).toEqual([{ key: {}, measures: { records: 75 } }]);
    expect(plan.residual).not.toBeNull();
    expect(asked.count).toBe(0);
  });

  test('reads only what it needs, and no ids', async () => {
    const asks: unknown[] = [];
    const { adapter } = createFakeSource(ROWS);
    const listening = changed(adapter, (right) => ({
      scan(dataset, ask, call) {
        asks.push({ properties: ask.properties, ids: ask.ids, order: ask.order });
        return right.scan(dataset, ask, call);
      },
    }));
    await setUp().door.aggregate(
      request(listening, {
        measures: [{ as: 'm', op: 'SUM', property: 'n' }],
        cql: "s LIKE '%1' OR b = TRUE",
      }),
      createCall(),
    );
    expect(asks).toEqual([{ properties: ['i', 'n', 's', 'b'], ids: false, order: null }]);
  });

  test.each([0, -1, 1.5, 101, Number.NaN])('for %s groups is refused', async (first) => {
    await expect(setUp().door.aggregate(request(source().adapter, { first }), createCall())).rejects.toMatchObject({
      code: 'INPUT_INVALID',
    });
  });

  test('of an unknown property is refused before the portal is asked', async () => {
    const { adapter, served } = source();
    await expect(
      setUp().door.aggregate(request(adapter, { groupBy: [{ property: 'x' }] }), createCall()),
    ).rejects.toMatchObject({ code: 'INPUT_INVALID' });
    expect(served.requests).toBe(0);
  });

  test('of a dataset without records is a capability that is missing', async () => {
    const asked = request(source().adapter, { dataset: createDataset(null) });
    await expect(setUp().door.aggregate(asked, createCall())).rejects.toMatchObject({ code: 'CAPABILITY_MISSING' });
  });
});

describe('the bound on records', () => {
  const read = (aggregateRecords: number) =>
    setUp({ aggregateRecords }).door.aggregate(request(createFakeSource(ROWS).adapter), createCall());

  test('lets as many be read', async () => {
    expect((await read(150)).groups).toEqual(EXPECTED);
  });

  test('refuses one more, and names what helps', async () => {
    await expect(read(149)).rejects.toMatchObject({
      code: 'INPUT_TOO_COSTLY',
      message: expect.stringContaining('more than 149 records'),
    });
  });

  test('stops the source', async () => {
    let isStopped = false;
    const { adapter } = createFakeSource(ROWS, { ...FULL_CAPABILITY, scanPage: 10 });
    const listening = changed(adapter, (right) => ({
      async *scan(dataset, ask, call) {
        try {
          yield* right.scan(dataset, ask, call);
        } finally {
          isStopped = true;
        }
      },
    }));
    const { door } = setUp({ aggregateRecords: 20 });
    await expect(door.aggregate(request(listening), createCall())).rejects.toMatchObject({ code: 'INPUT_TOO_COSTLY' });
    expect(isStopped).toBe(true);
  });
});

describe('a source', () => {
  const grouping = (
    answer: (groups: readonly SourceGroup[], call: number, fresh: boolean) => readonly SourceGroup[] | null,
  ): SourceAdapter => {
    let calls = 0;
    return changed(source().adapter, (right) => ({
      async aggregate(dataset, ask, call) {
        const groups = await right.aggregate?.(dataset, ask, call);
        return answer(groups ?? [], ++calls, ask.fresh);
      },
    }));
  };

  test('whose records changed between two requests is asked once more, past its caches', async () => {
    const { door, lost } = setUp();
    const fresh: boolean[] = [];
    const adapter = grouping((groups, call, isFresh) => {
      fresh.push(isFresh);
      return call === 1 ? groups.slice(1) : groups;
    });
    expect((await door.aggregate(request(adapter), createCall())).groups).toEqual(EXPECTED);
    expect(fresh).toEqual([false, true]);
    expect(lost).toEqual([]);
  });

  test('that contradicts its records twice is not asked again, and the hub reads them', async () => {
    const { door, lost } = setUp();
    let calls = 0;
    const adapter = grouping((groups) => {
      calls++;
      return groups.slice(1);
    });
    for (let round = 0; round < 2; round++)
      expect((await door.aggregate(request(adapter), createCall())).groups).toEqual(EXPECTED);
    expect(calls).toBe(2);
    expect(lost).toEqual(['aggregate']);
  });

  test('that gives a question up keeps its capability', async () => {
    const { door, lost } = setUp();
    expect((await door.aggregate(request(grouping(() => null)), createCall())).groups).toEqual(EXPECTED);
    expect(lost).toEqual([]);
  });

  test('that cannot be reached is an error, not a reason to read everything', async () => {
    const adapter = changed(source().adapter, () => ({
      aggregate: () => Promise.reject(new HubError('SOURCE_TIMEOUT', 'Too slow.')),
      scan: () => expect.unreachable('read'),
    }));
    await expect(setUp().door.aggregate(request(adapter), createCall())).rejects.toMatchObject({
      code: 'SOURCE_TIMEOUT',
    });
  });

  test('whose window is too short for the filter is read by the hub', async () => {
    const adapter = changed(source().adapter, () => ({
      fetchWindow: () => Promise.reject(new HubError('INPUT_TOO_COSTLY', 'Too long.')),
    }));
    expect((await setUp().door.aggregate(request(adapter), createCall())).groups).toEqual(EXPECTED);
  });

  test.each<[string, (groups: readonly SourceGroup[]) => readonly SourceGroup[]]>([
    ['a count that is none', ([first, ...rest]) => [{ ...first!, count: 1.5 }, ...rest]],
    ['a group of nothing', (groups) => [...groups, { keys: [99], count: 0, measures: groups[0]!.measures }]],
    ['a key of another type', ([first, ...rest]) => [{ ...first!, keys: ['x'] }, ...rest]],
    ['too few keys', ([first, ...rest]) => [{ ...first!, keys: [] }, ...rest]],
    [
      'a sum beyond its extremes',
      (groups) => groups.map((group) => ({ ...group, measures: [10_000, ...group.measures.slice(1)] })),
    ],
    [
      'extremes that are crossed',
      (groups) => groups.map((group) => ({ ...group, measures: [group.measures[0]!, group.measures[1]!, 9, -9] })),
    ],
    [
      'more values than records',
      (groups) =>
        groups.map((group) => ({ ...group, measures: [group.measures[0]!, 1_000, ...group.measures.slice(2)] })),
    ],
    [
      'no extremes of values',
      (groups) => groups.map((group) => ({ ...group, measures: [...group.measures.slice(0, 2), null, null] })),
    ],
  ])('that states %s is caught', async (_title, lie) => {
    const { door, lost } = setUp();
    const asked = request(grouping(lie), {
      groupBy: [{ property: 'b' }],
      measures: [{ as: 'sum', op: 'SUM', property: 'i' }],
    });
    const { groups } = await door.aggregate(asked, createCall());
    const sumOf = (b: boolean): number =>
      ROWS.filter(({ values }) => values['b'] === b).reduce((sum, { values }) => sum + Number(values['i']), 0);
    expect(groups).toEqual([false, true].map((b) => ({ key: { b }, measures: { sum: sumOf(b) } })));
    expect(lost).toEqual(['aggregate']);
  });

  test('whose sums may have been rounded is read by the hub, and keeps its capability', async () => {
    const { door, lost } = setUp();
    const rows = ROWS.map((row, index) => ({ ...row, values: { ...row.values, i: 2 ** 46 + index } }));
    const large = withAggregates(createFakeSource(rows), rows, AGGREGATES);
    const asked = request(large.adapter, { groupBy: [], measures: [{ as: 'sum', op: 'SUM', property: 'i' }] });
    const { groups, plan } = await door.aggregate(asked, createCall());
    expect(groups[0]?.measures['sum']).toBe(String(150n * 2n ** 46n + 149n * 75n));
    expect(plan.scannedRecords).toBe(250);
    expect(lost).toEqual([]);
  });
});

test('an abort ends the reading', async () => {
  const controller = new AbortController();
  const { adapter } = createFakeSource(ROWS, { ...FULL_CAPABILITY, scanPage: 10 });
  const call: Call = createCall(controller.signal);
  const listening = changed(adapter, (right) => ({
    async *scan(dataset, ask, given) {
      for await (const batch of right.scan(dataset, ask, given)) {
        yield batch;
        controller.abort();
      }
    },
  }));
  await expect(setUp().door.aggregate(request(listening), call)).rejects.toThrow('aborted');
});
