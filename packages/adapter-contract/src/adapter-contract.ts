import type { HubError } from '@civex/errors';
import type { Dataset, HubRecord, Queryable, RecordValue } from '@civex/model';
import type { Doubt, Fidelity, GroupKey, Predicate, RecordFilter, SortKey } from '@civex/query';

/**
 * What happened at the portal for one part of one answer. Written by the outbound client, read by whoever builds the
 * `SourceReport`. Belongs to one call chain; never shared between callers.
 */
export interface CallTrace {
  /** Requests that really left for the portal, retries included. */
  requests: number;
  /** Age of the oldest answer taken from a cache; null when everything came from the portal just now. */
  maxAgeMs: number | null;
  /** True when an answer past its freshness was used because the portal failed. */
  stale: boolean;
  /** When the oldest used answer was fetched. */
  fetchedAtEpochMs: number | null;
  /** What the portal was asked for records, in its own words, `path?query` decoded. */
  portalQueries: string[];
  /** Records in what the portal answered, those included that the adapter only looked at. Counted by the adapter. */
  records: number;
  /** Answers that could hold records; a bulk export is one. Counted by the adapter. */
  pages: number;
}

/** What one call may use. Holds no token: an adapter never learns who the caller is. */
export interface Call {
  readonly signal: AbortSignal;
  /**
   * Time after which nobody waits for the answer any more, on the environment's monotonic clock (`monotonicMs`). Never
   * compare it with the wall clock, which may step.
   */
  readonly deadlineEpochMs: number;
  readonly requestId: string;
  readonly trace: CallTrace;
  /**
   * True when the answer holds data not everybody may see: it comes from the portal and goes to this call alone. It is
   * not taken from a cache, not kept in one, not shared with an equal request under way, and no earlier answer stands in
   * for it. Default: false.
   */
  readonly isConfidential?: boolean | undefined;
  /**
   * To be waited for before records of this size, in bytes, are looked at, where many calls may do so at once; see `Pacer`
   * of the environment. Default: nothing waits.
   */
  readonly pace?: ((size: number) => Promise<void> | undefined) | undefined;
}

export type Outcome<T> = T | null | HubError;

export interface SourceInfo {
  /** Source key from hub.yaml. */
  readonly source: string;
  readonly kind: string;
  readonly title: string;
  readonly homepage: string | null;
  readonly country: string | null;
  readonly region: string | null;
  readonly languages: readonly string[];
}

/** One city portal behind one interface. A facet that is absent is a capability the portal lacks. */
export interface SourceAdapter extends AsyncDisposable {
  readonly info: SourceInfo;
  readonly catalog: CatalogFacet;
  readonly records?: RecordsFacet;
  /** Resolves even when the portal is down; rejects only when `call.signal` aborts. */
  checkHealth(call: Call): Promise<SourceHealth>;
}

export interface SourceHealth {
  readonly state: 'UP' | 'DEGRADED' | 'DOWN';
  readonly checkedAt: string;
  /** One of our own error codes, never portal text. */
  readonly reason: string | null;
  readonly latencyMs: number | null;
  readonly datasetCount: number | null;
  /** What another hub that serves the source found out about its portal; adapters have nothing to say here. */
  readonly lostCapabilities?: readonly {
    readonly dataset: string;
    readonly capability: string;
    readonly since: string;
  }[];
}

export interface CatalogPage {
  readonly items: readonly Dataset[];
  /** Same length as `items`: the cursor that continues right after that item. */
  readonly cursors: readonly string[];
  /** Continues after the last item; null when the list has ended. */
  readonly next: string | null;
  /** What the portal says is the number of datasets in the whole list; null when it does not say. */
  readonly total: number | null;
}

export interface CatalogFacet {
  /** Largest `size` the portal answers in one request, 1 or more. */
  readonly maxPageSize: number;
  /** Most ids one `getMany` turns into a single request. The caller chunks. */
  readonly maxBatchKeys: number;
  /**
   * Datasets in a stable order of the source. What is listed from first page to last is complete or the call throws:
   * it never ends early. `search` narrows to the portal's own full-text hits, in the same stable order.
   *
   * @throws HubError `INPUT_INVALID` for a cursor this source did not issue or that no longer fits its catalog;
   * `INPUT_TOO_COSTLY` when the list goes on beyond what the portal lets one page through.
   */
  list(
    page: { readonly size: number; readonly after: string | null; readonly search: string | null },
    call: Call,
  ): Promise<CatalogPage>;
  /**
   * One outcome per id, same length and order, duplicates allowed: the dataset, null when the portal has none, or why
   * it is unknown. A fault of the whole request rejects. At most `maxBatchKeys` distinct ids.
   */
  getMany(localIds: readonly string[], call: Call): Promise<readonly Outcome<Dataset>[]>;
}

/**
 * What the id of a record says about its values. `own`: nothing, it is the portal's own row key, which is no value of a
 * column. `property`: it is the value of this column. `digest`: it may depend on every column, asked for or not.
 */
export type RecordIds =
  | { readonly kind: 'own' }
  | { readonly kind: 'property'; readonly property: string }
  | { readonly kind: 'digest' };

/** What one dataset's records can be asked for at the portal. Pure data and pure functions. */
export interface RecordCapability {
  /**
   * How faithfully the portal decides this predicate on this dataset. `exact`: the same rows as our evaluator, nulls,
   * case, collation, zone and number text included. `inexact`: may return extra rows, never fewer. `none`: not pushed.
   */
  grade(predicate: Predicate): Fidelity | 'none';
  /** Why a predicate is not graded `exact`, for people; null when there is nothing particular to say. No portal text. */
  explain?: ((predicate: Predicate) => Doubt | null) | undefined;
  /** Which connectives the portal's dialect can spell, with three-valued logic for `exact`. */
  readonly connectives: { readonly and: boolean; readonly or: boolean; readonly not: boolean };
  /** True when the portal sorts by this property as the hub does: by value, nulls last in both directions. */
  sortsExactly(property: string): boolean;
  /**
   * The source's own total order, used when the caller asks for none, or null when it has none. `properties` are all
   * the portal orders by, in that order; one that is not among the queryables is the portal's own row key (CKAN's
   * `_id`). `unique`: no two records are equal in them. Otherwise neighbours that are equal in all of them are not
   * ordered against each other.
   */
  readonly sourceOrder: { readonly unique: boolean; readonly properties: readonly string[] } | null;
  readonly recordIds: RecordIds;
  /** Largest `limit` of one windowed request. */
  readonly maxPageSize: number;
  /** Largest `offset + limit` of a windowed request; null when there is no bound. */
  readonly maxWindow: number | null;
  /**
   * Whether `scan` can keep an order: the source's own (when it has one) and sort keys that are `sortsExactly`, equal
   * ones told apart by the source's own. `resumable`: a scan in the source's own unique order can also begin behind a
   * record. `none`: only in no particular order.
   */
  readonly scanOrder: 'none' | 'ordered' | 'resumable';
  /** What `RecordsFacet.aggregate` answers exactly; absent when it has none. */
  readonly aggregates?: AggregateCapability | undefined;
}

/** A measure a source may be asked for. `SUM` only of INTEGER; `COUNT` of values that are not null. */
export interface SourceMeasure {
  readonly op: 'COUNT' | 'SUM' | 'MIN' | 'MAX';
  readonly property: string;
}

/** What the portal aggregates as the hub would, from the same records. When in doubt: false. */
export interface AggregateCapability {
  /**
   * True when the portal tells the values of this key apart as the hub does, with the records without one as a group of
   * their own. For a key with a unit of time it may also make smaller units, which the hub puts together.
   */
  groups(key: GroupKey): boolean;
  /**
   * True when every value of the property is of its type at the portal, and the answer is exact as long as no number of
   * it reaches 2^53 in size.
   */
  measures(measure: SourceMeasure): boolean;
}

export interface AggregateFetch {
  /** Only what `grade` admits as exact, and `connectives` admit. */
  readonly filter: RecordFilter | null;
  /** Only what `groups` admits; empty for one group of all records. */
  readonly groupBy: readonly GroupKey[];
  /** Only what `measures` admits; may be empty, records are counted anyway. */
  readonly measures: readonly SourceMeasure[];
  /** True: not from a cache, because an earlier answer contradicted the records. */
  readonly fresh: boolean;
}

export interface SourceGroup {
  /** One for each key; null for records without a value. For a unit of time any value that lies in it. */
  readonly keys: readonly RecordValue[];
  /** Records of the group. */
  readonly count: number;
  /** One for each measure; null when the group has no value for it. */
  readonly measures: readonly RecordValue[];
}

export interface RecordScan {
  /** Only what `grade` and `connectives` admit. */
  readonly filter: RecordFilter | null;
  /**
   * Null: no particular order, whichever costs least. A list, when `scanOrder` admits it: these sort keys (only
   * properties for which `sortsExactly`), then the source's own order; an empty list is the source's own order alone.
   */
  readonly order: readonly SortKey[] | null;
  /** Begin behind the record with this id. Only under an empty `order` and when `scanOrder` is `resumable`. */
  readonly after: string | null;
  /**
   * Values that are needed; others may be missing from the records. Null: all. As far as the portal's language allows,
   * it is asked for no other columns than these, those of the order, and what ids and checks need.
   */
  readonly properties: readonly string[] | null;
  /** False: ids may be empty texts. Ids of some sources cost more than the records, and memory that grows with them. */
  readonly ids: boolean;
}

export interface RecordFetch {
  /** Only what `grade` and `connectives` admit. */
  readonly filter: RecordFilter | null;
  /** Only properties for which `sortsExactly`; empty: the source order, when there is one. */
  readonly sort: readonly SortKey[];
  readonly offset: number;
  readonly limit: number;
  /** True: not from a cache. Default: false. */
  readonly fresh?: boolean;
  /** As in `RecordScan`. Default: null. */
  readonly properties?: readonly string[] | null;
  /** False: ids may be empty texts. Default: true. */
  readonly ids?: boolean;
}

export interface RecordBatch {
  readonly records: readonly HubRecord[];
  /** Number of records that match the pushed filter, as the portal says; null when it does not. */
  readonly total: number | null;
}

export interface RecordsFacet {
  /**
   * Columns of the records of a dataset whose `recordsState` is `undescribed`, from one request (kept as long as a
   * catalog answer); null when its records cannot be queried after all, which is a normal state. The caller builds the
   * described dataset: `{ ...dataset, recordsState: 'described', queryables }`, or `'none'` with null. Absent when the
   * source's catalog always knows, that is when it never says `undescribed`. A fault of the portal rejects.
   */
  describe?(dataset: Dataset, call: Call): Promise<readonly Queryable[] | null>;
  /** Pure. The dataset is one of this source with `queryables` not null: `recordsState` is `described`. */
  capability(dataset: Dataset): RecordCapability;
  /** One windowed request: at most `limit` records of the requested order, from `offset`. */
  fetchWindow(dataset: Dataset, fetch: RecordFetch, call: Call): Promise<RecordBatch>;
  /**
   * Every record that matches `scan.filter` and lies behind `scan.after`, as batches of any size, pulled lazily; stops
   * when the reader stops. Yields all or throws: it never ends early. Record ids are the same as those of `fetchWindow`.
   *
   * @throws HubError `INPUT_INVALID` when `after` names no place in the order.
   */
  scan(dataset: Dataset, scan: RecordScan, call: Call): AsyncIterable<readonly HubRecord[]>;
  /**
   * The groups of the records that match, as the portal makes them: every one, in any order, none twice; without keys
   * one of all records, also when there are none. Null when the portal cannot make all of them, or the question is too
   * long for it: a normal state, the hub then reads the records. Absent when the portal groups nothing that can be
   * relied on.
   */
  aggregate?(dataset: Dataset, ask: AggregateFetch, call: Call): Promise<readonly SourceGroup[] | null>;
}
