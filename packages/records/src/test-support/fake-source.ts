import type { Call, RecordCapability, RecordFetch, RecordsFacet, SourceAdapter } from '@civex/adapter-contract';
import { createCallTrace } from '@civex/adapter-contract';
import type { Dataset, HubRecord, Queryable, QueryableType } from '@civex/model';
import { encodeDatasetId } from '@civex/model';
import type { Fidelity, Predicate, PredicateOp, RecordFilter, SortKey } from '@civex/query';
import { isPredicate } from '@civex/query';
import { opsOf } from '../recheck.ts';
import { referenceKeyOrder, referencePredicate, referenceTruth } from './reference.ts';

/** What the fake portal can do, and declares. */
export interface FakeCapability {
  readonly grades: Readonly<Partial<Record<PredicateOp, Fidelity>>>;
  readonly connectives: { readonly and: boolean; readonly or: boolean; readonly not: boolean };
  readonly sortable: readonly string[];
  /** `unique`: the order of `rows`. Properties: by these, ties in a new random order for every request. */
  readonly sourceOrder: 'unique' | readonly string[] | null;
  readonly maxPageSize: number;
  readonly maxWindow: number | null;
  /** Rows one windowed answer really holds at most, undeclared; the contract allows it because totals tell. */
  readonly silentCap: number | null;
  readonly statesTotal: boolean;
  readonly scanPage: number;
  readonly scanOrder: RecordCapability['scanOrder'];
  /** Default: its own. */
  readonly recordIds?: RecordCapability['recordIds'];
}

/** What the fake portal does against its word. Each alone must lead to the right answer or to an error. */
export interface FakeLies {
  /** Also returns what it would return if this operator were true of everything. */
  readonly ignores?: PredicateOp;
  /** Finds nothing where this operator is asked, and says that nothing matches. */
  readonly loses?: PredicateOp;
  /** Mixes every n-th row that fails the filter into its answers. */
  readonly mixesIn?: number;
  readonly order?: 'reversed' | 'nulls-first';
  readonly ignoresOffset?: boolean;
  readonly ignoresLimit?: boolean;
  /** Answers with nothing from this offset on. */
  readonly emptyFrom?: number;
  readonly total?: number;
  readonly scanRepeatsBatch?: boolean;
}

export interface FakeSource {
  readonly adapter: SourceAdapter;
  readonly dataset: Dataset;
  /** Rows handed out so far, by which way. */
  readonly served: { window: number; scan: number; requests: number };
}

export const COLUMNS: readonly (readonly [string, QueryableType])[] = [
  ['s', 'STRING'],
  ['n', 'NUMBER'],
  ['i', 'INTEGER'],
  ['b', 'BOOLEAN'],
  ['d', 'DATE'],
  ['t', 'DATETIME'],
  ['g', 'GEOMETRY'],
  ['j', 'JSON'],
];

export const QUERYABLES: readonly Queryable[] = COLUMNS.map(([name, type]) => ({
  name,
  titles: { und: name },
  descriptions: {},
  type,
  unit: null,
}));

export const FULL_CAPABILITY: FakeCapability = {
  grades: {
    '=': 'exact',
    '<>': 'exact',
    '<': 'exact',
    '<=': 'exact',
    '>': 'exact',
    '>=': 'exact',
    in: 'exact',
    between: 'exact',
    like: 'exact',
    isNull: 'exact',
    bbox: 'exact',
    withinMetres: 'exact',
  },
  connectives: { and: true, or: true, not: true },
  sortable: ['s', 'n', 'i', 'b', 'd', 't'],
  sourceOrder: 'unique',
  maxPageSize: 100,
  maxWindow: null,
  silentCap: null,
  statesTotal: true,
  scanPage: 100,
  scanOrder: 'resumable',
};

export function createCall(signal: AbortSignal = new AbortController().signal): Call {
  return { signal, deadlineEpochMs: Number.MAX_SAFE_INTEGER, requestId: 'test', trace: createCallTrace() };
}

export function createDataset(queryables: readonly Queryable[] | null): Dataset {
  return {
    id: encodeDatasetId({ source: 'fake', localId: 'rows' }),
    source: 'fake',
    localId: 'rows',
    identifier: null,
    titles: { und: 'rows' },
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
    recordsState: queryables === null ? 'none' : 'described',
    queryables,
    recordCount: null,
    raw: {},
  };
}

function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Fails on whatever the declaration does not contain: a double that can do more hides over-pushing. */
function assertDeclared(filter: RecordFilter, can: FakeCapability, isNegated: boolean): void {
  if (isPredicate(filter)) {
    const grade = can.grades[filter.op];
    if (grade === undefined) throw new Error(`pushed ${filter.op}, which is not declared`);
    if (grade === 'inexact' && isNegated) throw new Error('pushed an inexact predicate below a negation');
    return;
  }
  if (!can.connectives[filter.op]) throw new Error(`pushed ${filter.op}, which is not declared`);
  for (const arg of filter.args) assertDeclared(arg, can, isNegated || filter.op === 'not');
}

/** A portal in memory that does what it declares, and, with `lies`, something else. */
export function createFakeSource(
  rows: readonly HubRecord[],
  can: FakeCapability = FULL_CAPABILITY,
  lies: FakeLies = {},
  seed = 1,
): FakeSource {
  const dataset = createDataset(QUERYABLES);
  const served = { window: 0, scan: 0, requests: 0 };
  const random = createRandom(seed);
  const places = new Map(rows.map(({ id }, index) => [id, index]));
  const placeOf = ({ id }: HubRecord): number => places.get(id) ?? 0;
  const lotOf = ({ id }: HubRecord): number =>
    Array.from(id).reduce((sum, letter) => sum + (letter.codePointAt(0) ?? 0), 0);

  const decide = (predicate: Predicate, record: HubRecord): boolean | null => {
    const truth = referencePredicate(predicate, record.values);
    if (can.grades[predicate.op] === 'exact' || truth === true) return truth;
    // Which rows it lets through besides depends on nothing but the row.
    return (lotOf(record) + predicate.op.length) % 3 === 0 ? true : truth;
  };
  const select = (filter: RecordFilter | null): readonly HubRecord[] => {
    if (filter === null) return rows;
    assertDeclared(filter, can, false);
    if (lies.loses !== undefined && opsOf(filter).has(lies.loses)) return [];
    let failing = 0;
    const ignore = (predicate: Predicate, record: HubRecord): boolean | null =>
      predicate.op === lies.ignores ? true : decide(predicate, record);
    return rows.filter(
      (row) =>
        referenceTruth(filter, row, decide) === true ||
        referenceTruth(filter, row, ignore) === true ||
        (lies.mixesIn !== undefined && failing++ % lies.mixesIn === 0),
    );
  };
  const arrange = (selected: readonly HubRecord[], sort: readonly SortKey[]): readonly HubRecord[] => {
    const byKeys = (a: HubRecord, b: HubRecord): number => {
      if (lies.order === 'nulls-first') {
        const [key] = sort;
        const [x, y] = key === undefined ? [0, 0] : [a.values[key.property], b.values[key.property]];
        if ((x === null) !== (y === null)) return x === null ? -1 : 1;
      }
      return referenceKeyOrder(sort, a, b) * (lies.order === 'reversed' ? -1 : 1);
    };
    if (can.sourceOrder === 'unique') return selected.toSorted((a, b) => byKeys(a, b) || placeOf(a) - placeOf(b));
    if (can.sourceOrder === null || sort.length > 0) throw new Error('asked for an order that is not declared');
    const own = can.sourceOrder.map((property): SortKey => {
      const type = COLUMNS.find(([name]) => name === property)?.[1] ?? 'JSON';
      return { property, type, direction: 'ASC' };
    });
    return selected
      .map((row) => ({ row, dice: random() }))
      .sort((a, b) => referenceKeyOrder(own, a.row, b.row) || a.dice - b.dice)
      .map(({ row }) => row);
  };
  const note = (call: Call, words: string): void => {
    call.signal.throwIfAborted();
    served.requests++;
    call.trace.requests++;
    call.trace.portalQueries.push(words);
  };

  const capability: RecordCapability = {
    grade: (predicate) => can.grades[predicate.op] ?? 'none',
    connectives: can.connectives,
    sortsExactly: (property) => can.sortable.includes(property),
    sourceOrder:
      can.sourceOrder === null
        ? null
        : can.sourceOrder === 'unique'
          ? { unique: true, properties: [] }
          : { unique: false, properties: can.sourceOrder },
    maxPageSize: can.maxPageSize,
    maxWindow: can.maxWindow,
    scanOrder: can.scanOrder,
    recordIds: can.recordIds ?? { kind: 'own' },
  };
  /** What was not asked for is not there. */
  const project = (
    { id, values }: HubRecord,
    properties: readonly string[] | null,
    ids: boolean,
    order: readonly SortKey[],
  ): HubRecord => {
    const wanted = properties === null ? null : new Set([...properties, ...order.map(({ property }) => property)]);
    const shown = Object.entries(values).filter(([name]) => wanted === null || wanted.has(name));
    return { id: ids ? id : '', values: Object.fromEntries(shown) };
  };
  const facet: RecordsFacet = {
    capability: () => capability,
    async fetchWindow(_dataset, { filter, sort, offset, limit, properties = null, ids = true }: RecordFetch, call) {
      note(call, `window ${offset} ${limit}`);
      if (limit < 1 || limit > can.maxPageSize)
        throw new Error(`asked for ${limit} rows of at most ${can.maxPageSize}`);
      if (offset < 0 || (can.maxWindow !== null && offset + limit > can.maxWindow))
        throw new Error(`asked for ${offset} + ${limit}, beyond ${can.maxWindow}`);
      for (const { property } of sort)
        if (!can.sortable.includes(property)) throw new Error(`sorted by ${property}, which is not declared`);
      const selected = arrange(select(filter), sort);
      const from = lies.ignoresOffset === true ? 0 : offset;
      const size = lies.ignoresLimit === true ? limit + 1 : Math.min(limit, can.silentCap ?? limit);
      const records = lies.emptyFrom !== undefined && offset >= lies.emptyFrom ? [] : selected.slice(from, from + size);
      served.window += records.length;
      call.trace.pages++;
      call.trace.records += records.length;
      const shown = records.map((row) => project(row, properties, ids, sort));
      return { records: shown, total: lies.total ?? (can.statesTotal ? selected.length : null) };
    },
    async *scan(_dataset, { filter, order, after, properties, ids }, call) {
      if (order !== null && can.scanOrder === 'none')
        throw new Error('asked for an ordered scan, which is not declared');
      if (after !== null && (can.scanOrder !== 'resumable' || order === null || order.length > 0))
        throw new Error('asked to begin a scan behind a record, which is not declared');
      const shuffled = (): readonly HubRecord[] =>
        select(filter)
          .map((row) => ({ row, dice: random() }))
          .sort((a, b) => a.dice - b.dice)
          .map(({ row }) => row);
      const all = order === null ? shuffled() : arrange(select(filter), order);
      const selected = after === null ? all : all.slice(all.findIndex(({ id }) => id === after) + 1);
      for (let start = 0; start < selected.length; start += can.scanPage) {
        note(call, `scan ${start}`);
        const batch = selected
          .slice(start, start + can.scanPage)
          .map((row) => project(row, properties, ids, order ?? []));
        served.scan += batch.length;
        for (let turn = 0; turn < (lies.scanRepeatsBatch === true ? 2 : 1); turn++) {
          call.trace.pages++;
          call.trace.records += batch.length;
          yield batch;
        }
      }
    },
  };
  return { adapter: createAdapter(facet), dataset, served };
}

export function createAdapter(records: RecordsFacet | undefined): SourceAdapter {
  const unused = (): never => {
    throw new Error('the records door has no business here');
  };
  return {
    info: { source: 'fake', kind: 'fake', title: 'Fake', homepage: null, country: null, region: null, languages: [] },
    catalog: { maxPageSize: 1, maxBatchKeys: 1, list: unused, getMany: unused },
    ...(records !== undefined && { records }),
    checkHealth: unused,
    async [Symbol.asyncDispose]() {},
  };
}
