import { setImmediate as nextTurn } from 'node:timers/promises';
import type {
  AggregateFetch,
  Call,
  RecordCapability,
  RecordsFacet,
  SourceAdapter,
  SourceGroup,
  SourceMeasure,
} from '@civex/adapter-contract';
import { createCallTrace } from '@civex/adapter-contract';
import { HubError } from '@civex/errors';
import type { Dataset, HubRecord, Queryable, QueryableType, RecordValue } from '@civex/model';
import { encodeDatasetId } from '@civex/model';
import type { Predicate, RecordFilter, SortKey } from '@civex/query';
import { compareValues, createPredicate, createRecordComparator, isPredicate } from '@civex/query';
import type { ContractHarness } from '../contract-check.ts';
import { HARD_TEXTS } from '../filter-arbitraries.ts';

const SOURCE = 'memory';
const COLUMNS: readonly (readonly [string, QueryableType])[] = [
  ['name', 'STRING'],
  ['height', 'NUMBER'],
  ['serial', 'INTEGER'],
  ['open', 'BOOLEAN'],
  ['since', 'DATE'],
  ['seen', 'DATETIME'],
  ['place', 'GEOMETRY'],
  ['extra', 'JSON'],
];
const QUERYABLES: readonly Queryable[] = COLUMNS.map(([name, type]) => ({
  name,
  titles: { und: name },
  descriptions: {},
  type,
  unit: null,
}));

/** Duplicates, nulls in every column, equal keys, and everything dialects find hard. */
const ROWS: readonly HubRecord[] = Array.from({ length: 30 }, (_, index) => ({
  id: `r${(index * 7) % 30}`,
  values: {
    name: index % 9 === 4 ? null : (HARD_TEXTS[(index * 5) % HARD_TEXTS.length] ?? null),
    height: index % 7 === 3 ? null : (index % 5) - 1.5,
    serial: index % 8 === 2 ? null : index % 6 === 0 ? 9_007_199_254_740_993n : index % 4,
    open: index % 5 === 2 ? null : index % 2 === 0,
    since: index % 6 === 5 ? null : ['2024', '2024-02', '2024-02-29', '1999-12-31'][index % 4]!,
    seen:
      index % 7 === 6
        ? null
        : ['2024-03-31T01:30:00Z', '2024-03-31T02:30:00+01:00', '2024-10-27T00:30:00.000001Z'][index % 3]!,
    place: index % 4 === 3 ? null : { type: 'Point', coordinates: [2 + (index % 3), 48] },
    extra: index % 2 === 0 ? null : { deep: [1n, 'x'] },
  },
}));

const TITLES = [
  'Bicycle Parking',
  'Parking spaces',
  'Street trees',
  'Trees of parks',
  'Air quality',
  'Noise',
  'Markets',
  'Counters',
];
const LOCAL_IDS = TITLES.map((_, index) => `set-${index}`);
/** Rows by local id; the others have none. */
const TABLES: Readonly<Record<string, number>> = { 'set-1': 30, 'set-2': 3, 'set-4': 12, 'set-6': 2 };
const rowsOf = (localId: string): readonly HubRecord[] | null => {
  const count = TABLES[localId];
  return count === undefined ? null : ROWS.slice(0, count);
};

function createDataset(localId: string, index: number): Dataset {
  const rows = rowsOf(localId);
  // One of the tables is described on request only, as catalogs without columns do it.
  const isUndescribed = localId === 'set-4';
  return {
    id: encodeDatasetId({ source: SOURCE, localId }),
    source: SOURCE,
    localId,
    identifier: null,
    titles: { en: TITLES[index] ?? localId },
    descriptions: {},
    keywords: [],
    themes: [],
    publisher: null,
    contactPoint: null,
    license: { status: 'NOT_STATED', id: null, uri: null, title: null, raw: null, family: null },
    accessRights: 'PUBLIC',
    issued: null,
    modified: null,
    accrualPeriodicity: null,
    languages: [],
    spatial: null,
    temporal: null,
    landingPage: null,
    distributions: [],
    recordsState: rows === null ? 'none' : isUndescribed ? 'undescribed' : 'described',
    queryables: rows === null || isUndescribed ? null : QUERYABLES,
    recordCount: rows?.length ?? null,
    raw: {},
  };
}

export interface MemoryPortal {
  isStopped: boolean;
  isHanging: boolean;
  requests: number;
  /** One request: takes a turn, and fails, hangs or is aborted like a real one. */
  ask(call: Call): Promise<void>;
}

function createPortal(): MemoryPortal {
  const portal: MemoryPortal = {
    isStopped: false,
    isHanging: false,
    requests: 0,
    async ask({ signal }) {
      signal.throwIfAborted();
      portal.requests++;
      if (portal.isStopped) throw new HubError('SOURCE_UNAVAILABLE', 'The source does not answer.', { source: SOURCE });
      if (portal.isHanging)
        await new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(new HubError('CANCELLED', 'Cancelled.'))),
        );
      await nextTurn();
      signal.throwIfAborted();
    },
  };
  return portal;
}

/** `like` may return more; `intersects` is left to the hub; the rest is exact. */
const grade = ({ op }: Predicate): 'exact' | 'inexact' | 'none' =>
  op === 'like' ? 'inexact' : op === 'intersects' ? 'none' : 'exact';

const CAPABILITY: RecordCapability = {
  grade,
  connectives: { and: true, or: true, not: true },
  sortsExactly: (property) => property !== 'place' && property !== 'extra',
  sourceOrder: { unique: true, properties: [] },
  recordIds: { kind: 'own' },
  maxPageSize: 40,
  maxWindow: null,
  scanOrder: 'resumable',
  aggregates: {
    // Texts are left to the hub, as real portals leave them.
    groups: ({ type }) => type !== 'STRING',
    measures: ({ op, property }) =>
      op === 'COUNT' ||
      (property === 'serial' && op === 'SUM') ||
      (op !== 'SUM' && ['height', 'serial', 'since', 'seen'].includes(property)),
  },
};

const isNumber = (value: unknown): value is number | bigint => typeof value === 'number' || typeof value === 'bigint';

/** One measure over the rows of a group, in doubles, as portals reckon. */
function measureRows(rows: readonly HubRecord[], { op, property }: SourceMeasure): RecordValue {
  const type = COLUMNS.find(([name]) => name === property)?.[1] ?? 'JSON';
  const values = rows.flatMap(({ values: own }) => {
    const value = own[property] ?? null;
    return value === null ? [] : [value];
  });
  if (op === 'COUNT') return values.length;
  if (values.length === 0) return null;
  if (op === 'SUM') return values.reduce<number>((sum, value) => sum + (isNumber(value) ? Number(value) : 0), 0);
  const sign = op === 'MIN' ? 1 : -1;
  return values.reduce((best, value) => ((compareValues(value, best, type) ?? 0) * sign < 0 ? value : best));
}

/** Inexact: a text shorter than 3 characters is not looked at. */
function loosen(filter: RecordFilter): RecordFilter {
  if (!isPredicate(filter)) return filter.op === 'not' ? filter : { op: filter.op, args: filter.args.map(loosen) };
  if (filter.op !== 'like') return filter;
  return { op: 'or', args: [filter, { op: '<', property: filter.property, type: filter.type, value: 'C' }] };
}

function selectRows(localId: string, filter: RecordFilter | null): readonly HubRecord[] {
  return (rowsOf(localId) ?? []).filter(createPredicate(filter === null ? null : loosen(filter)));
}

const BATCH = 7;

/** By the sort keys, then in the order of `ROWS`, which is the source's own. */
function arrange(rows: readonly HubRecord[], sort: readonly SortKey[]): readonly HubRecord[] {
  const places = new Map(ROWS.map(({ id }, index) => [id, index]));
  const compare = createRecordComparator(sort);
  return rows.toSorted(
    (a, b) =>
      compare({ id: '', values: a.values }, { id: '', values: b.values }) ||
      (places.get(a.id) ?? 0) - (places.get(b.id) ?? 0),
  );
}

function groupRows(localId: string, { filter, groupBy, measures }: AggregateFetch): readonly SourceGroup[] {
  const rows = selectRows(localId, filter);
  const groups = new Map<string, { readonly keys: readonly RecordValue[]; readonly rows: HubRecord[] }>();
  if (groupBy.length === 0) groups.set('', { keys: [], rows: [...rows] });
  else
    for (const row of rows) {
      const keys = groupBy.map(({ property }) => row.values[property] ?? null);
      const id = keys.map((key) => `${typeof key} ${typeof key === 'bigint' ? key : JSON.stringify(key)}`).join('|');
      const group = groups.get(id);
      if (group === undefined) groups.set(id, { keys, rows: [row] });
      else group.rows.push(row);
    }
  return [...groups.values()].map((group) => ({
    keys: group.keys,
    count: group.rows.length,
    measures: measures.map((measure) => measureRows(group.rows, measure)),
  }));
}

function createRecords(portal: MemoryPortal): RecordsFacet {
  return {
    async aggregate({ localId }, ask, call) {
      await portal.ask(call);
      return groupRows(localId, ask);
    },
    async describe({ localId }, call) {
      await portal.ask(call);
      return rowsOf(localId) === null ? null : QUERYABLES;
    },
    capability: () => CAPABILITY,
    async fetchWindow({ localId }, { filter, sort, offset, limit }, call) {
      await portal.ask(call);
      const selected = arrange(selectRows(localId, filter), sort);
      return { records: selected.slice(offset, offset + limit), total: selected.length };
    },
    async *scan({ localId }, { filter, order, after }, call) {
      const all = arrange(selectRows(localId, filter), order ?? []);
      const selected = after === null ? all : all.slice(all.findIndex(({ id }) => id === after) + 1);
      for (let start = 0; start === 0 || start < selected.length; start += BATCH) {
        await portal.ask(call);
        yield selected.slice(start, start + BATCH);
      }
    },
  };
}

/** An adapter that keeps the whole contract, its portal, and the harness around them. */
export function createMemoryHarness(
  breakIt: (adapter: SourceAdapter, portal: MemoryPortal) => SourceAdapter = (adapter) => adapter,
): ContractHarness {
  const portal = createPortal();
  const datasets = LOCAL_IDS.map(createDataset);
  const adapter: SourceAdapter = {
    info: {
      source: SOURCE,
      kind: 'memory',
      title: 'Memory',
      homepage: null,
      country: null,
      region: null,
      languages: [],
    },
    catalog: {
      maxPageSize: 5,
      maxBatchKeys: 10,
      async list({ size, after, search }, call) {
        if (after !== null && !/^c[1-9]\d{0,5}$/.test(after))
          throw new HubError('INPUT_INVALID', 'Unknown page cursor.', { source: SOURCE });
        await portal.ask(call);
        const start = after === null ? 0 : Number(after.slice(1));
        const hits = datasets
          .map((dataset, index) => ({ dataset, index }))
          .filter(({ dataset }) => search === null || (dataset.titles['en'] ?? '').includes(search));
        const page = hits.filter(({ index }) => index >= start).slice(0, size);
        const cursors = page.map(({ index }) => `c${index + 1}`);
        const isLast = page.at(-1) === undefined || page.at(-1) === hits.at(-1);
        return {
          items: page.map(({ dataset }) => dataset),
          cursors,
          next: isLast ? null : (cursors.at(-1) ?? null),
          total: hits.length,
        };
      },
      async getMany(localIds, call) {
        await portal.ask(call);
        return localIds.map((localId) => datasets.find((dataset) => dataset.localId === localId) ?? null);
      },
    },
    records: createRecords(portal),
    async checkHealth(call) {
      const checkedAt = '2026-11-23T00:00:00Z';
      try {
        await portal.ask(call);
        return { state: 'UP', checkedAt, reason: null, latencyMs: 1, datasetCount: datasets.length };
      } catch (error) {
        if (call.signal.aborted) throw error;
        return { state: 'DOWN', checkedAt, reason: 'SOURCE_UNAVAILABLE', latencyMs: null, datasetCount: null };
      }
    },
    async [Symbol.asyncDispose]() {},
  };
  return {
    adapter: breakIt(adapter, portal),
    truth: {
      localIds: LOCAL_IDS.toReversed(),
      records: (localId) => rowsOf(localId)?.map(({ values }) => values) ?? null,
    },
    portal: {
      stop: async () => {
        portal.isStopped = true;
      },
      hang: async () => {
        portal.isHanging = true;
      },
      requestCount: () => portal.requests,
    },
    call: (signal = new AbortController().signal) => ({
      signal,
      deadlineEpochMs: Number.MAX_SAFE_INTEGER,
      requestId: 'contract',
      trace: createCallTrace(),
    }),
    patienceMs: 150,
    lawRuns: 25,
    async [Symbol.asyncDispose]() {},
  };
}
