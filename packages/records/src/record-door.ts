import type { Call, RecordCapability } from '@civex/adapter-contract';
import { HubError } from '@civex/errors';
import type { Geometry, HubRecord, Queryable } from '@civex/model';
import type { Predicate, RecordFilter, SortInput, SortKey } from '@civex/query';
import { bindSort, splitFilter, toCql2Json } from '@civex/query';
import type { RecordQuestion, SeenQuestion } from './bind-question.ts';
import {
  answerThrough,
  bindProperties,
  bindQuestion,
  bindToView,
  checkFirst,
  factsOf,
  openView,
  RECORD_BYTES,
} from './bind-question.ts';
import { createCostMeter } from './cost-meter.ts';
import { digest } from './digest.ts';
import { explainFilter, reportPlan } from './explain.ts';
import type { NotPushed, Strategy } from './explain.ts';
import type { LostEntry, TrustedCapability } from './lost-capabilities.ts';
import type { RecordStream, StreamRequest } from './open-stream.ts';
import { openStream } from './open-stream.ts';
import type { RecordPlan } from './plan-records.ts';
import { planRecords } from './plan-records.ts';
import { presentRecord } from './present-record.ts';
import type { ProbeTarget, ProbeVerdict } from './probe-capability.ts';
import type { AggregateRequest, AggregateResult } from './read-aggregate.ts';
import { readAggregate } from './read-aggregate.ts';
import { readScan } from './read-scan.ts';
import type { WindowFetch } from './read-window.ts';
import { readWindow, windowAnchor } from './read-window.ts';
import { createRecheck } from './recheck.ts';
import type { CursorPlace, CursorSeal } from './record-cursor.ts';
import { createCursorCodec, PLAIN_SEAL } from './record-cursor.ts';
import { createStreamedWindow } from './streamed-window.ts';
import { createTrust } from './trust.ts';

export interface RecordDoorOptions {
  /** Records of one dataset the hub reads for one question before it refuses, 1 or more. Recommended: 50,000. */
  readonly scanRecords: number;
  /** Largest `first`, 1 or more. Recommended: 1,000. */
  readonly maxFirst: number;
  /** Records of one dataset the hub reads for one aggregate before it refuses, 1 or more. Default: 1,000,000. */
  readonly aggregateRecords?: number;
  /**
   * Told once for each thing a source was caught not doing as it claims: an operator of CQL2, or `sort`. The door stops
   * relying on it for that dataset, for as long as it lives (10,000 datasets at most).
   */
  readonly onCapabilityLost: (source: string, datasetId: string, op: string) => void;
  /**
   * With it, an operator of a source is relied on only when a probe has shown that the portal decides it (see
   * `probeCapability`). Default: the adapters' claims are taken on their word.
   */
  readonly probes?: { now(): number; monotonicMs(): number } | undefined;
  /** How cursors leave the hub. Default: base64url, readable and not authenticated. */
  readonly cursorSeal?: CursorSeal;
}

export interface RecordRequest extends RecordQuestion {
  /** Properties to return, null for all. */
  readonly properties: readonly string[] | null;
  readonly sortBy: readonly SortInput[];
  /** Records wanted, 1 to `maxFirst`. A page may hold fewer and still have a next one. */
  readonly first: number;
  /** A cursor of an earlier answer to the same question. */
  readonly after: string | null;
}

export interface RecordEntry {
  /** Values of the asked properties in queryable order; big integers as decimal strings. */
  readonly record: HubRecord;
  /** The first GEOMETRY queryable's value that is not null. */
  readonly geometry: Geometry | null;
  /** Continues right after this record. */
  readonly cursor: string;
}

/** What the source did for an answer, and what the hub did. */
export interface RecordPlanReport {
  /** Null when the source failed before anything was known. */
  readonly strategy: Strategy | null;
  /** CQL2 JSON of what the source decided, or null. */
  readonly pushed: unknown;
  /** CQL2 JSON of what the hub decided afterwards, or null. */
  readonly residual: unknown;
  /** What was left to the hub, and why; empty when the source did all. */
  readonly notPushed: readonly NotPushed[];
  /** Requests that left for the portal for this answer. */
  readonly requests: number;
  /** Answers of the source that could hold records, for this answer, repeated attempts included; an export is one. */
  readonly pages: number;
  /** Records the source returned for this answer, repeated attempts and what was only looked at included. */
  readonly scannedRecords: number;
  /** What the portal was asked, in its own words. */
  readonly portalQuery: readonly string[];
}

export interface RecordResult {
  readonly records: readonly RecordEntry[];
  readonly hasNextPage: boolean;
  /** Cursor of the last record; null for an empty page. */
  readonly endCursor: string | null;
  /** Records that match; null when nobody can say. */
  readonly totalCount: number | null;
  /** False when `totalCount` is what the source says and the hub has not seen. */
  readonly totalIsExact: boolean;
  /**
   * Records the source returned again while it was read, and the hub dropped. Where some come twice others may be
   * missing, so an answer with any is not known to be whole.
   */
  readonly duplicates: number;
  readonly plan: RecordPlanReport;
}

/** What is there of a dataset's columns. */
export interface SeenColumns {
  readonly queryables: readonly Queryable[];
  /** Names of columns that are not there. */
  readonly hidden: readonly string[];
  readonly capability: RecordCapability;
}

/** The one place where records are read. */
export interface RecordDoor {
  /**
   * One page of the records of one dataset: the same answer whatever the source can do itself, or an error.
   *
   * @throws HubError `CAPABILITY_MISSING` for a dataset without queryable records, or when the source's own order ends
   * paging; `INPUT_INVALID` for a bad `first`, filter, sort, property or cursor, and when the data moved under a cursor;
   * `INPUT_TOO_COSTLY` beyond `scanRecords`, the filter limits, or what the source lets be paged; `SOURCE_MALFORMED` when
   * the source contradicts itself; SOURCE_* of the adapter. Rejects with the signal's reason when `call.signal` aborts.
   */
  query(request: RecordRequest, call: Call): Promise<RecordResult>;
  /**
   * Every record of an answer as one stream in constant memory: the same records a chain of pages has.
   *
   * @throws HubError as `query`; `INPUT_TOO_COSTLY` when the hub has to sort more than `scanRecords` records;
   * `CAPABILITY_MISSING` when ids or a continuation are asked of records without ids of their own.
   */
  stream(request: StreamRequest, call: Call): Promise<RecordStream>;
  /**
   * The records of one dataset, grouped and measured: the same answer whatever the source can do itself, or an error.
   * No record is left out: what would cost too much is refused.
   *
   * @throws HubError as `query`; `INPUT_TOO_COSTLY` beyond `aggregateRecords` and AGGREGATE_LIMITS; `SOURCE_MALFORMED`
   * for a number with more digits than can be reckoned with.
   */
  aggregate(request: AggregateRequest, call: Call): Promise<AggregateResult>;
  /**
   * The columns of a dataset as a caller sees them, and what its source claims to do with them, without what it was
   * caught at. Null when it has no records that can be queried.
   *
   * @throws HubError `ACCESS_DENIED` when the view does not fit the dataset; SOURCE_* of the adapter.
   */
  columns(question: Pick<RecordQuestion, 'adapter' | 'dataset' | 'view'>, call: Call): Promise<SeenColumns | null>;
  /** What a source claims for a dataset with queryables, without what it was caught at. */
  claims(target: ProbeTarget): RecordCapability;
  /** What a source was caught at, oldest first, for as long as the door lives. */
  lost(source: string): readonly LostEntry[];
  /** Whether a source was shown to decide an operator on a type of property; probes it unless that is known. */
  prove(target: ProbeTarget, claim: Pick<Predicate, 'op' | 'property' | 'type'>, call: Call): Promise<ProbeVerdict>;
}

interface Question extends SeenQuestion {
  readonly sort: readonly SortKey[];
  readonly first: number;
  readonly place: CursorPlace | null;
}

type Page = Omit<RecordResult, 'records' | 'endCursor' | 'plan'> & {
  readonly records: readonly HubRecord[];
  readonly cursorOf: (record: HubRecord, index: number) => string;
  readonly split: { readonly pushed: RecordFilter | null; readonly residual: RecordFilter | null };
  readonly strategy: Strategy;
  readonly notPushed: readonly NotPushed[];
};

/** What helps a caller whose question needs too many records. */
function scanAdvice(question: Question, capability: TrustedCapability): string {
  const { filter, sort, first } = question;
  const condition = 'add a condition the source can decide (see queryables.pushdown)';
  if (sort.length === 0) return `${condition}.`;
  const unsorted = planRecords({ filter, sort: [], offset: 0, first, capability, chain: null });
  return unsorted.strategy === 'window'
    ? `${condition}, or leave out sortBy: the source pages this filter in its own order.`
    : `${condition}.`;
}

/** What the source says is the number of records that match; null when it does not say. */
async function statedTotal(plan: { readonly pushed: RecordFilter | null }, fetch: WindowFetch): Promise<number | null> {
  const { total } = await fetch({ filter: plan.pushed, sort: [], offset: 0, limit: 1 });
  return total;
}

/** A page beyond windows is read up to through this many times `scanRecords` records, of which only the ids are kept. */
const MAX_SKIPPED = 10;

export function createRecordDoor(options: RecordDoorOptions): RecordDoor {
  const { scanRecords, maxFirst, aggregateRecords = 1_000_000, cursorSeal = PLAIN_SEAL } = options;
  const trust = createTrust({ onCapabilityLost: options.onCapabilityLost, clock: options.probes ?? null });

  async function answer(
    question: Question,
    capability: TrustedCapability,
    codec: ReturnType<typeof createCursorCodec>,
    call: Call,
  ): Promise<Page> {
    const { facet, dataset, filter, sort, first, place } = question;
    const facts = factsOf(dataset);
    const offset = place?.mode === 'window' ? place.offset : 0;

    const scan = async (split: Extract<RecordPlan, { strategy: 'scan' }>): Promise<Page> => {
      const { records, hasNextPage, total, duplicates } = await readScan(
        {
          facet,
          dataset,
          filter,
          pushed: split.pushed,
          sort,
          first,
          position: place?.mode === 'scan' ? place.position : null,
          maxRecords: scanRecords,
          advice: scanAdvice(question, capability),
          recheck: createRecheck(split.pushed, capability),
        },
        call,
      );
      const cursorOf = (record: HubRecord): string => codec.scan(record);
      return {
        records,
        hasNextPage,
        totalCount: total,
        totalIsExact: duplicates === 0,
        duplicates,
        cursorOf,
        split,
        strategy: 'SCAN',
        notPushed: [...explainFilter(filter, capability), ...split.why],
      };
    };

    const plan = planRecords({ filter, sort, offset, first, capability, chain: place?.mode ?? null });
    switch (plan.strategy) {
      case 'refused':
        throw plan.reason === 'order-gone'
          ? new HubError(
              'INPUT_INVALID',
              'The order this cursor belongs to is gone; start again without `after`.',
              facts,
            )
          : new HubError(
              'INPUT_TOO_COSTLY',
              `The source lets only the first ${offset.toLocaleString('en-US')} records of an order be paged; add a condition.`,
              facts,
            );
      case 'scan':
        return scan(plan);
      case 'window': {
        const anchor = place?.mode === 'window' ? place.anchor : null;
        const isSeekable = plan.via === 'stream' && capability.scanOrder === 'resumable' && sort.length === 0;
        const seek = isSeekable && anchor?.kind === 'id' ? anchor.id : null;
        await using streamed =
          plan.via === 'stream'
            ? createStreamedWindow(
                { facet, dataset, pushed: plan.pushed, sort, seek, maxSkipped: MAX_SKIPPED * scanRecords },
                call,
              )
            : null;
        const fetchWindow: WindowFetch = (ask) => facet.fetchWindow(dataset, ask, call);
        const outcome = await readWindow(
          {
            fetch: streamed?.fetch ?? fetchWindow,
            dataset,
            plan,
            maxPageSize: capability.maxPageSize,
            first,
            offset,
            anchor,
            isSought: seek !== null,
            recheck: createRecheck(plan.pushed, capability),
          },
          call,
        );
        const isAffordable = outcome.total !== null && outcome.total <= scanRecords;
        const isUnstable = outcome.kind === 'unordered' || (outcome.isCut && isAffordable);
        // The hub's own order is total. Only a chain that has not begun may take it.
        if (isUnstable && place === null) {
          const text = 'The source does not order the records at the end of this page against each other.';
          const why: NotPushed = { part: { page: { offset, first } }, reason: 'TIES', text };
          return scan({ strategy: 'scan', ...splitFilter(filter, capability), why: [why] });
        }
        if (outcome.kind === 'unordered')
          throw new HubError(
            'CAPABILITY_MISSING',
            'The source does not order its next records against each other, or lets no more of its own order be paged; sort by a property, or add a condition.',
            facts,
          );
        const { records, hasNextPage, totalIsExact } = outcome;
        // A stream does not say how much it holds in all; a window does.
        const stated = streamed === null || outcome.total !== null ? null : await statedTotal(plan, fetchWindow);
        const total = outcome.total ?? (stated !== null && stated >= offset + records.length ? stated : null);
        const cursorOf = (record: HubRecord, index: number): string =>
          codec.window(offset + index + 1, windowAnchor(record, plan.order));
        return {
          records,
          hasNextPage,
          totalCount: total,
          totalIsExact,
          duplicates: 0,
          cursorOf,
          split: plan,
          strategy: plan.via === 'stream' ? 'ORDERED_STREAM' : 'WINDOW',
          notPushed: [],
        };
      }
    }
  }

  return {
    stream: (request, call) => openStream(request, { trust, scanRecords }, call),
    async columns(question, call) {
      const opened = await openView(question, call);
      if (opened === null) return null;
      const { target, view } = opened;
      const { capability } = view.through(trust.claims(target), scanRecords);
      return { queryables: view.queryables, hidden: [...view.hidden], capability };
    },
    claims: (target) => trust.claims(target),
    lost: (source) => trust.lost(source),
    prove: (target, claim, call) => trust.prove(target, claim, call),
    aggregate: (request, call) => readAggregate(request, { trust, maxFirst, aggregateRecords }, call),

    async query(request, call) {
      const { dataset, first, after } = request;
      const facts = factsOf(dataset);
      call.signal.throwIfAborted();
      const measureCost = createCostMeter(call.trace);
      if (!Number.isSafeInteger(first) || first < 1 || first > maxFirst)
        throw new HubError('INPUT_INVALID', `first: from 1 to ${maxFirst.toLocaleString('en-US')}.`, facts);
      const bound = await bindQuestion(request, call);
      const { queryables, filter, access } = bound;
      checkFirst(first, access, dataset);
      const shown = bindToView(bound, (columns) => bindProperties(request.properties, columns, dataset));
      const sort = bindToView(bound, (columns) => bindSort(request.sortBy, columns));
      const keys = sort.map(({ property, direction }) => [property, direction]);
      const codec = createCursorCodec(
        digest([dataset.id, filter === null ? null : toCql2Json(filter), keys, access.fingerprint]),
        sort,
        cursorSeal,
      );
      const place = after === null ? null : codec.read(after);
      if (after !== null && place === null)
        throw new HubError('INPUT_INVALID', 'This cursor belongs to another question.', facts);

      const page = await answerThrough(
        bound,
        trust,
        scanRecords,
        async (seen, question) => {
          const made = await answer({ ...question, sort, first, place }, seen.capability, codec, call);
          return { ...made, seen };
        },
        call,
      );
      await call.pace?.(page.records.length * RECORD_BYTES);
      await access.release({ records: page.records.length, isFirst: true });
      const { shownId } = page.seen;
      const records = page.records.map((record, index): RecordEntry => ({
        ...presentRecord({ id: shownId(record.id), values: record.values }, queryables, shown),
        // Made when it is looked at: few callers take more than the last one.
        get cursor() {
          return page.cursorOf(record, index);
        },
      }));
      return {
        records,
        hasNextPage: page.hasNextPage,
        endCursor: records.at(-1)?.cursor ?? null,
        totalCount: page.totalCount,
        totalIsExact: page.totalIsExact,
        duplicates: page.duplicates,
        plan: reportPlan(page, bound, page.seen, measureCost()),
      };
    },
  };
}
