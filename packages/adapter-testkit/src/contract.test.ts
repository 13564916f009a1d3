import type { Call, CatalogFacet, RecordsFacet, SourceAdapter } from '@civex/adapter-contract';
import { createCallTrace } from '@civex/adapter-contract';
import { HubError } from '@civex/errors';
import type { HubRecord } from '@civex/model';
import type { RecordFilter } from '@civex/query';
import { createPredicate, isPredicate } from '@civex/query';
import { describe, expect, test } from 'vitest';
import { adapterContract, findMissingNeed } from './adapter-contract-suite.ts';
import { describeAdapterContract } from './describe-adapter-contract.ts';
import { brokenAggregates } from './test-support/broken-aggregates.ts';
import type { MemoryPortal } from './test-support/memory-harness.ts';
import { createMemoryHarness } from './test-support/memory-harness.ts';

type Break = (adapter: SourceAdapter, portal: MemoryPortal) => SourceAdapter;

const catalog =
  (change: (right: CatalogFacet, portal: MemoryPortal) => Partial<CatalogFacet>): Break =>
  (adapter, portal) => ({ ...adapter, catalog: { ...adapter.catalog, ...change(adapter.catalog, portal) } });
const records =
  (change: (right: RecordsFacet, portal: MemoryPortal) => Partial<RecordsFacet>): Break =>
  (adapter, portal) => ({ ...adapter, records: { ...adapter.records!, ...change(adapter.records!, portal) } });

/** The same call, deaf to its signal. */
const deaf = (call: Call): Call => ({ ...call, signal: new AbortController().signal });
/** Hears a signal that was aborted before, and no other. */
const hardOfHearing = (call: Call): Call => {
  call.signal.throwIfAborted();
  return deaf(call);
};
/** Hears a signal that is aborted later, but not one that was aborted before. */
const late = (call: Call): Call => (call.signal.aborted ? deaf(call) : call);

const idOf = (record: HubRecord, id: string): HubRecord => ({ ...record, id });
/** The filter with one kind of predicate replaced by another. */
function rewrite(filter: RecordFilter, change: (predicate: RecordFilter) => RecordFilter): RecordFilter {
  if (isPredicate(filter)) return change(filter);
  const args = filter.args.map((arg) => rewrite(arg, change));
  return filter.op === 'not' ? { op: 'not', args: [args[0]!] } : { op: filter.op, args };
}
const answering = (change: (predicate: RecordFilter) => RecordFilter): Break =>
  records((right) => ({
    scan: (dataset, ask, call) =>
      right.scan(dataset, { ...ask, filter: ask.filter === null ? null : rewrite(ask.filter, change) }, call),
  }));

/** Reorders only what a chain of pages that begins again gets to see. */
function createFickleList(right: CatalogFacet): Partial<CatalogFacet> {
  let starts = 0;
  return {
    async list({ size, after, search }, call) {
      if (after === null && search === null) starts++;
      const isTurned = after === null ? search === null && starts % 2 === 0 : after.startsWith('t');
      const plain = after === null ? null : after.replace(/^t/, '');
      const all = (await right.list({ size: 100, after: null, search }, call)).items;
      const order = isTurned ? all.toReversed() : all;
      // The right adapter refuses what it did not issue.
      if (plain !== null) await right.list({ size: 1, after: plain, search }, call);
      const start = plain === null ? 0 : Number(plain.slice(1));
      const items = order.slice(start, start + size);
      const cursors = items.map((_, index) => `${isTurned ? 't' : ''}c${start + index + 1}`);
      return { items, cursors, next: start + size >= order.length ? null : cursors.at(-1)!, total: all.length };
    },
  };
}

const THROWS = Symbol('throws');
const brokenWindow = (
  isHit: (ask: Parameters<RecordsFacet['fetchWindow']>[1]) => boolean,
  change: (rows: readonly HubRecord[]) => readonly HubRecord[] | typeof THROWS,
): Break =>
  records((right) => ({
    async fetchWindow(dataset, ask, call) {
      const batch = await right.fetchWindow(dataset, ask, call);
      const rows = isHit(ask) ? change(batch.records) : batch.records;
      if (rows === THROWS) throw new HubError('SOURCE_REJECTED', 'Refused.');
      return { ...batch, records: rows };
    },
  }));

const GET_MANY = 'getMany answers each id in its own place';
const TWICE = 'getMany answers an id that is asked twice in both places';
const MISSING = 'getMany answers null for an id the portal does not have, and knows the others';
const NOTHING = 'getMany of no ids answers nothing';
const SPELLING = 'getMany does not fail for ids that are hard to spell';
const DATASET_ID = 'a dataset id is the source and the local id';
const LIST = 'list yields every dataset once, then ends';
const ORDER = 'list keeps its order whenever and in whatever pages it is read';
const CURSOR = 'the cursor of an item continues right behind it';
const FOREIGN = 'list refuses a cursor it did not issue';
const TOTAL = 'list states the number of datasets or nothing';
const SEARCH = 'a search lists its hits once, in the order of the whole list';
const HEALTHY = 'checkHealth says that a portal that answers is not down';
const DOWN = 'checkHealth resolves when the portal is down, and says why in our words';
const SOURCE_ERROR = 'a portal that is down is an error of the source';
const COLUMNS = 'a dataset has columns exactly when it has records to query';
const VALUES = 'a record has one value for each column and no other';
const SCAN = 'scan yields every record as the portal has it';
const KEEPS_ID = 'a record has an id of its own and keeps it';
const LAZY = 'scan asks nothing before it is read and nothing after the reader stopped';
const WINDOWS = 'windows put together are the whole order of the source, whatever their size';
const WINDOW_TOTAL = 'a window states the number of matching records or nothing';
const SORTED = 'sorted windows are in the order of the hub, nulls last in both directions, and complete';
const SAME_ID = 'a record has the same id in a scan and in a window';
const SOME_WINDOW = 'a window of some properties has their values, and the ids of the whole window';
const ID_VALUE = 'an id that is said to be the value of a column is that value';
const EXACT = 'an exact filter means what the hub means by it';
const INEXACT = 'an inexact filter may return more records and never fewer';
const SCAN_ORDER = 'a scan in an order is complete and in that order, nulls last in both directions';
const RESUMED = 'a scan that begins behind a record holds exactly what follows it in the order of the source';
const SOME_VALUES = 'a scan of some properties has their values';
const PUSHDOWN = 'pushdown changes the cost of a question, never its answer';
const before = (method: string): string => `${method} rejects when its call was aborted before`;
const hanging = (method: string): string => `${method} rejects when its call is aborted while the portal hangs`;

/** One fault each, in front of an adapter that is right, and the one check that finds it. */
const broken: readonly (readonly [string, Break, string])[] = [
  [
    'answers getMany in the order of the portal',
    catalog((right) => ({
      getMany: async (ids, call) => {
        const got = await right.getMany(ids, call);
        return ids.length === new Set(ids).size && !got.includes(null)
          ? got.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
          : got;
      },
    })),
    GET_MANY,
  ],
  [
    'answers an id once',
    catalog((right) => ({ getMany: (ids, call) => right.getMany([...new Set(ids)], call) })),
    TWICE,
  ],
  [
    'drops ids the portal does not have',
    catalog((right) => ({
      getMany: async (ids, call) => {
        const got = await right.getMany(ids, call);
        return got.some((outcome) => outcome !== null) ? got.filter((outcome) => outcome !== null) : got;
      },
    })),
    MISSING,
  ],
  [
    'answers no ids with the first dataset',
    catalog((right) => ({ getMany: (ids, call) => right.getMany(ids.length === 0 ? ['set-0'] : ids, call) })),
    NOTHING,
  ],
  [
    'throws for a quote in an id',
    catalog((right) => ({
      getMany: async (ids, call) => {
        if (ids.some((id) => id.includes("'"))) throw new HubError('SOURCE_REJECTED', 'Refused.');
        return right.getMany(ids, call);
      },
    })),
    SPELLING,
  ],
  [
    'leaves the source out of the dataset id',
    catalog((right) => ({
      getMany: async (ids, call) =>
        (await right.getMany(ids, call)).map((outcome) =>
          outcome === null || outcome instanceof HubError ? outcome : { ...outcome, id: outcome.localId as never },
        ),
    })),
    DATASET_ID,
  ],
  [
    'ends the list one page early',
    catalog((right) => ({
      list: async (page, call) => {
        const got = await right.list(page, call);
        return page.size < 4 && page.search === null && got.next === 'c6' ? { ...got, next: null } : got;
      },
    })),
    LIST,
  ],
  ['changes the order of the list from one reading to the next', catalog(createFickleList), ORDER],
  [
    'has one cursor for a whole page',
    catalog((right) => ({
      list: async (page, call) => {
        const got = await right.list(page, call);
        return { ...got, cursors: got.items.map(() => got.cursors.at(-1)!) };
      },
    })),
    CURSOR,
  ],
  [
    'takes an unknown cursor for the start',
    catalog((right) => ({
      list: (page, call) => right.list(/^c\d+$/.test(page.after ?? '') ? page : { ...page, after: null }, call),
    })),
    FOREIGN,
  ],
  [
    'states the size of the page as total',
    catalog((right) => ({
      list: async (page, call) => {
        const got = await right.list(page, call);
        return { ...got, total: got.items.length };
      },
    })),
    TOTAL,
  ],
  [
    'lists hits by relevance',
    catalog((right) => ({
      list: async (page, call) => {
        const got = await right.list(page, call);
        return page.search === null ? got : { ...got, items: got.items.toReversed() };
      },
    })),
    SEARCH,
  ],
  [
    'says a working portal is down',
    (adapter, portal) => ({
      ...adapter,
      checkHealth: async (call) => ({
        ...(await adapter.checkHealth(call)),
        ...(!portal.isStopped && { state: 'DOWN' as const }),
      }),
    }),
    HEALTHY,
  ],
  [
    'rejects checkHealth when the portal is down',
    (adapter, portal) => ({
      ...adapter,
      checkHealth: async (call) => {
        await portal.ask(call);
        return adapter.checkHealth(call);
      },
    }),
    DOWN,
  ],
  [
    'gives the words of the portal as the reason',
    (adapter) => ({
      ...adapter,
      checkHealth: async (call) => ({ ...(await adapter.checkHealth(call)), reason: 'ECONNREFUSED 127.0.0.1' }),
    }),
    DOWN,
  ],
  [
    'lets errors of the network through',
    catalog((right) => ({
      list: (page, call) =>
        right.list(page, call).catch((error: unknown) => {
          throw error instanceof HubError && error.code === 'SOURCE_UNAVAILABLE' ? new Error('socket hang up') : error;
        }),
    })),
    SOURCE_ERROR,
  ],
  [
    'gives columns to datasets without records',
    catalog((right) => ({
      getMany: async (ids, call) =>
        (await right.getMany(ids, call)).map((outcome) =>
          outcome === null || outcome instanceof HubError || outcome.recordsState !== 'none'
            ? outcome
            : { ...outcome, recordsState: 'described', queryables: [] },
        ),
    })),
    COLUMNS,
  ],
  [
    'leaves values in that are no column',
    records((right) => ({
      async *scan(dataset, ask, call) {
        for await (const batch of right.scan(dataset, ask, call))
          yield ask.filter === null
            ? batch.map((record) => ({ ...record, values: { ...record.values, _rank: 1 } }))
            : batch;
      },
      async fetchWindow(dataset, ask, call) {
        const { records: rows, total } = await right.fetchWindow(dataset, ask, call);
        return { total, records: rows.map((record) => ({ ...record, values: { ...record.values, _rank: 1 } })) };
      },
    })),
    VALUES,
  ],
  [
    'leaves out a value that is null',
    brokenWindow(
      ({ filter, sort, limit }) => filter === null && sort.length === 0 && limit === 1,
      (rows) =>
        rows.map((record) => ({
          ...record,
          values: Object.fromEntries(Object.entries(record.values).filter(([, value]) => value !== null)),
        })),
    ),
    VALUES,
  ],
  [
    'loses the end of a scan of a small dataset',
    records((right) => ({
      async *scan(dataset, ask, call) {
        for await (const batch of right.scan(dataset, ask, call))
          yield dataset.localId === 'set-6' ? batch.slice(0, 1) : batch;
      },
    })),
    SCAN,
  ],
  [
    'makes up new ids for every scan',
    (() => {
      const scans = new WeakMap<RecordsFacet, number>();
      return records((right) => ({
        async *scan(dataset, ask, call) {
          if (ask.order !== null) return yield* right.scan(dataset, ask, call);
          const round = (scans.get(right) ?? 0) + 1;
          scans.set(right, round);
          for await (const batch of right.scan(dataset, ask, call))
            yield round === 4 ? batch.map((record) => idOf(record, `${record.id}-${round}`)) : batch;
        },
      }));
    })(),
    KEEPS_ID,
  ],
  [
    'reads ahead of its reader',
    records((right) => ({
      scan(dataset, ask, call) {
        const eager = (async () => {
          const all: HubRecord[][] = [];
          for await (const batch of right.scan(dataset, ask, call)) all.push([...batch]);
          return all;
        })();
        eager.catch(() => undefined);
        return (async function* () {
          yield* await eager;
        })();
      },
    })),
    LAZY,
  ],
  [
    'reads on when its reader has stopped',
    records((right, portal) => ({
      async *scan(dataset, ask, call) {
        try {
          yield* right.scan(dataset, ask, call);
        } finally {
          void (async () => {
            for (let more = 0; more < 3; more++) await portal.ask(call);
          })().catch(() => undefined);
        }
      },
    })),
    LAZY,
  ],
  [
    'ignores the offset',
    records((right) => ({
      fetchWindow: async (dataset, ask, call) => {
        const isPlain = ask.filter === null && ask.sort.length === 0;
        return right.fetchWindow(
          dataset,
          isPlain && ask.offset > 0 && ask.limit < 20 ? { ...ask, offset: ask.offset - 1 } : ask,
          call,
        );
      },
    })),
    WINDOWS,
  ],
  [
    'states the size of a window as total',
    records((right) => ({
      fetchWindow: async (dataset, ask, call) => {
        const batch = await right.fetchWindow(dataset, ask, call);
        return ask.filter === null && ask.limit === 2 ? { ...batch, total: batch.records.length } : batch;
      },
    })),
    WINDOW_TOTAL,
  ],
  [
    'sorts nulls first when descending',
    records((right) => ({
      async fetchWindow(dataset, ask, call) {
        const [key] = ask.sort;
        if (ask.filter !== null || key?.direction !== 'DESC') return right.fetchWindow(dataset, ask, call);
        const { records: all, total } = await right.fetchWindow(dataset, { ...ask, offset: 0, limit: 40 }, call);
        const nullsFirst = all.toSorted(
          (a, b) => Number(b.values[key.property] === null) - Number(a.values[key.property] === null),
        );
        return { records: nullsFirst.slice(ask.offset, ask.offset + ask.limit), total };
      },
    })),
    SORTED,
  ],
  [
    'has other ids in windows',
    brokenWindow(
      ({ filter }) => filter === null,
      (rows) => rows.map((record) => idOf(record, `w-${record.id}`)),
    ),
    SAME_ID,
  ],
  [
    'decides less than as less than or equal',
    records((right) => ({
      scan: (dataset, ask, call) =>
        right.scan(dataset, ask.filter?.op === '<' ? { ...ask, filter: { ...ask.filter, op: '<=' } } : ask, call),
    })),
    EXACT,
  ],
  [
    'takes null for false below a negation',
    records((right) => ({
      async *scan(dataset, ask, call) {
        const { filter } = ask;
        if (filter?.op !== 'not') return yield* right.scan(dataset, ask, call);
        const isDenied = createPredicate(filter.args[0]);
        for await (const batch of right.scan(dataset, { ...ask, filter: null }, call))
          yield batch.filter((row) => !isDenied(row));
      },
    })),
    EXACT,
  ],
  [
    'narrows an inexact filter too far',
    answering((predicate) =>
      predicate.op === 'like'
        ? { op: '=', property: predicate.property, type: predicate.type, value: predicate.pattern }
        : predicate,
    ),
    INEXACT,
  ],
  [
    'loses the last record of a sorted and filtered window',
    brokenWindow(
      ({ sort, filter }) => filter !== null && sort.length > 0,
      (rows) => rows.slice(0, -1),
    ),
    PUSHDOWN,
  ],
  [
    'lists for a call that was aborted',
    catalog((right) => ({ list: (page, call) => right.list(page, late(call)) })),
    before('list'),
  ],
  [
    'lists on when aborted',
    catalog((right) => ({ list: async (page, call) => right.list(page, hardOfHearing(call)) })),
    hanging('list'),
  ],
  [
    'gets for a call that was aborted',
    catalog((right) => ({ getMany: (ids, call) => right.getMany(ids, late(call)) })),
    before('getMany'),
  ],
  [
    'gets on when aborted',
    catalog((right) => ({ getMany: async (ids, call) => right.getMany(ids, hardOfHearing(call)) })),
    hanging('getMany'),
  ],
  [
    'checks health for a call that was aborted',
    (adapter) => ({ ...adapter, checkHealth: (call) => adapter.checkHealth(late(call)) }),
    before('checkHealth'),
  ],
  [
    'checks health on when aborted',
    (adapter) => ({ ...adapter, checkHealth: async (call) => adapter.checkHealth(hardOfHearing(call)) }),
    hanging('checkHealth'),
  ],
  [
    'scans for a call that was aborted',
    records((right) => ({ scan: (dataset, ask, call) => right.scan(dataset, ask, late(call)) })),
    before('scan'),
  ],
  [
    'scans on when aborted',
    records((right) => ({
      async *scan(dataset, ask, call) {
        yield* right.scan(dataset, ask, hardOfHearing(call));
      },
    })),
    hanging('scan'),
  ],
  [
    'fetches a window for a call that was aborted',
    records((right) => ({ fetchWindow: (dataset, ask, call) => right.fetchWindow(dataset, ask, late(call)) })),
    before('fetchWindow'),
  ],
  [
    'fetches a window on when aborted',
    records((right) => ({
      fetchWindow: async (dataset, ask, call) => right.fetchWindow(dataset, ask, hardOfHearing(call)),
    })),
    hanging('fetchWindow'),
  ],
  [
    'sorts scans in ascending order only',
    records((right) => ({
      scan: (dataset, ask, call) =>
        right.scan(
          dataset,
          { ...ask, order: ask.order?.map((key) => ({ ...key, direction: 'ASC' as const })) ?? null },
          call,
        ),
    })),
    SCAN_ORDER,
  ],
  [
    'begins a scan with the record it is to begin behind',
    records((right) => ({
      async *scan(dataset, ask, call) {
        if (ask.after === null) return yield* right.scan(dataset, ask, call);
        const all: HubRecord[] = [];
        for await (const batch of right.scan(dataset, { ...ask, after: null }, call)) all.push(...batch);
        yield all.slice(all.findIndex(({ id }) => id === ask.after));
      },
    })),
    RESUMED,
  ],
  [
    'begins again from the start',
    records((right) => ({ scan: (dataset, ask, call) => right.scan(dataset, { ...ask, after: null }, call) })),
    RESUMED,
  ],
  [
    'leaves a wanted value out of a scan that carries ids',
    records((right) => ({
      async *scan(dataset, ask, call) {
        for await (const batch of right.scan(dataset, ask, call))
          yield ask.properties === null || !ask.ids
            ? batch
            : batch.map(({ id, values }) => ({ id, values: { ...values, [ask.properties?.[0] ?? '']: null } }));
      },
    })),
    SOME_VALUES,
  ],
  [
    'leaves a wanted value out of a window',
    records((right) => ({
      async fetchWindow(dataset, ask, call) {
        const batch = await right.fetchWindow(dataset, ask, call);
        const [lost] = ask.properties ?? [];
        if (lost === undefined) return batch;
        return {
          ...batch,
          records: batch.records.map(({ id, values }) => ({ id, values: { ...values, [lost]: null } })),
        };
      },
    })),
    SOME_WINDOW,
  ],
  [
    'makes ids of the values that were asked for',
    records((right) => ({
      async fetchWindow(dataset, ask, call) {
        const batch = await right.fetchWindow(dataset, ask, call);
        const { properties } = ask;
        return properties === undefined || properties === null
          ? batch
          : { ...batch, records: batch.records.map((record) => idOf(record, `${record.id}:${properties.join('-')}`)) };
      },
    })),
    SOME_WINDOW,
  ],
  [
    'says that its ids are the values of a column when they are not',
    records((right) => ({
      capability: (dataset) => ({ ...right.capability(dataset), recordIds: { kind: 'property', property: 'serial' } }),
    })),
    ID_VALUE,
  ],
  ...brokenAggregates,
];

describe('the contract catches an adapter that', () => {
  test.each(broken)('%s', async (_name, breakIt, caughtBy) => {
    const failed: string[] = [];
    for (const check of adapterContract) {
      await using harness = createMemoryHarness(breakIt);
      await check.run(harness).catch(() => failed.push(check.title));
    }
    expect(failed).toEqual([caughtBy]);
  });

  test('every check is proven by at least one of these', ({ task }) => {
    const proven = new Set(broken.map(([, , title]) => title));
    expect(proven).toEqual(new Set(adapterContract.map(({ title }) => title)));
    task.meta.figures = [
      {
        point: 6,
        what: `checks of the contract suite, each proven by a broken adapter that fails it and only it (${broken.length} broken adapters)`,
        value: proven.size,
        target: '25',
        isMet: proven.size >= 25,
      },
    ];
  });
});

describe('the runner', () => {
  test('misses nothing of an adapter and a portal that have everything', async () => {
    const missing = await Promise.all(adapterContract.map((check) => findMissingNeed(check, createMemoryHarness())));
    expect(missing.filter((need) => need !== null)).toEqual([]);
  });

  test('names the facet that an adapter without records lacks', async () => {
    const harness = createMemoryHarness(({ records: _records, ...adapter }) => adapter);
    const missing = await Promise.all(adapterContract.map((check) => findMissingNeed(check, harness)));
    expect(new Set(missing)).toEqual(new Set([null, 'records']));
    expect(missing.filter((need) => need === null).length).toBe(
      adapterContract.filter(({ needs = [] }) => !needs.includes('records')).length,
    );
  });

  test('names the control that a portal double lacks', async () => {
    const harness = { ...createMemoryHarness(), portal: {} };
    const missing = await Promise.all(adapterContract.map((check) => findMissingNeed(check, harness)));
    expect(new Set(missing)).toEqual(new Set([null, 'stop', 'hang', 'requestCount']));
  });

  test.each([
    ['window', { sourceOrder: null }],
    ['sort', { sortsExactly: () => false }],
    ['exact', { grade: () => 'inexact' as const }],
    ['inexact', { grade: () => 'exact' as const }],
    ['ordered', { scanOrder: 'none' as const }],
    ['resumable', { scanOrder: 'ordered' as const }],
    ['aggregate', { aggregates: undefined }],
  ])('names %s where no dataset has it', async (need, change) => {
    const harness = createMemoryHarness(
      records((right) => ({ capability: (dataset) => ({ ...right.capability(dataset), ...change }) })),
    );
    const missing = await Promise.all(adapterContract.map((check) => findMissingNeed(check, harness)));
    expect(new Set(missing)).toEqual(new Set([null, need]));
  });
});

describeAdapterContract('an adapter in memory', async () => createMemoryHarness());

// The double's own calls carry a trace, as the door's do.
test('a harness makes a new call each time', () => {
  const { call } = createMemoryHarness();
  expect(call().trace).not.toBe(call().trace);
  expect(call().trace).toEqual(createCallTrace());
});
