import type { Call, RecordCapability } from '@civex/adapter-contract';
import { HubError, isHubError } from '@civex/errors';
import type { AggregateInput, AggregateOutcome, BoundAggregate, RecordFilter } from '@civex/query';
import { bindAggregate, createAggregator, splitFilter, toCql2Json } from '@civex/query';
import { judgeSourceGroups, planSourceAggregate } from './aggregate-source.ts';
import type { BoundQuestion, RecordQuestion } from './bind-question.ts';
import { bindQuestion, factsOf } from './bind-question.ts';
import { LostCapability } from './lost-capabilities.ts';
import { readMatches } from './read-matches.ts';
import { createRecheck, opsOf } from './recheck.ts';
import type { RecordPlanReport } from './record-door.ts';
import type { Trust } from './trust.ts';

export interface AggregateRequest extends RecordQuestion, AggregateInput {
  /** Groups wanted, 1 to `maxFirst`. */
  readonly first: number;
}

export interface AggregateResult extends AggregateOutcome {
  readonly plan: RecordPlanReport;
}

export interface AggregateOptions {
  readonly trust: Trust;
  readonly maxFirst: number;
  /** Records the hub reads of one dataset for one aggregate at most. */
  readonly aggregateRecords: number;
}

interface Ask {
  readonly question: BoundQuestion;
  readonly aggregate: BoundAggregate;
  readonly first: number;
  readonly onRows: (count: number) => void;
}

interface Answer extends AggregateOutcome {
  readonly pushed: RecordFilter | null;
  readonly residual: RecordFilter | null;
}

/** True when the portal answered, but not what it claims to answer: its records can still be read. */
const isUnable = (error: unknown): boolean =>
  isHubError(error) && (error.code === 'SOURCE_REJECTED' || error.code === 'SOURCE_MALFORMED');

/** True when one request cannot carry the question. */
const isTooLong = (error: unknown): boolean => isHubError(error) && error.code === 'INPUT_TOO_COSTLY';

/** Records of the window that groups are held against, at most. */
const WITNESSES = 100;

/**
 * A source that lets conditions pass by unread answers everything to `filter and not filter`, which is true of nothing.
 * Its groups would not show it: they are as many as its records.
 *
 * @throws LostCapability for every operator of such a filter.
 */
async function probeFilter(
  { question: { facet, dataset }, onRows }: Ask,
  filter: RecordFilter,
  call: Call,
): Promise<void> {
  const nothing: RecordFilter = { op: 'and', args: [filter, { op: 'not', args: [filter] }] };
  const { records, total } = await facet.fetchWindow(dataset, { filter: nothing, sort: [], offset: 0, limit: 1 }, call);
  onRows(records.length);
  if (records.length > 0 || (total ?? 0) > 0) throw new LostCapability(opsOf(filter));
}

/**
 * The aggregate as the source makes it, when all of it can be left to the source and its answer agrees with a window of
 * the same records; a window that holds all of them is the answer. Null when the hub has to read the records.
 *
 * @throws LostCapability when a record or a probe shows that the source does not decide the filter, or when its groups
 * contradict the records twice in succession: once may be data that changed between two requests.
 */
async function askSource(ask: Ask, capability: RecordCapability, call: Call): Promise<Answer | null> {
  const { question, aggregate, first, onRows } = ask;
  const { facet, dataset, filter } = question;
  const split = splitFilter(filter, capability);
  const { pushed } = split;
  const plan = split.residual === null ? planSourceAggregate(aggregate, capability) : null;
  const isProbable = pushed === null || (capability.connectives.and && capability.connectives.not);
  if (plan === null || facet.aggregate === undefined || !isProbable) return null;
  const recheck = createRecheck(pushed, capability);
  const limit = Math.min(WITNESSES, capability.maxPageSize, capability.maxWindow ?? WITNESSES);
  const asked = { filter: pushed, groupBy: aggregate.groupBy, measures: plan.measures };
  for (const fresh of [false, true]) {
    call.signal.throwIfAborted();
    const window = await facet.fetchWindow(dataset, { filter: pushed, sort: [], offset: 0, limit, fresh }, call);
    onRows(window.records.length);
    // Nobody would count the records but the groups themselves.
    if (window.total === null) return null;
    for (const record of window.records) {
      const lost = recheck(record);
      if (lost.size > 0) throw new LostCapability(lost);
    }
    // A full window may have been cut, and the total with it.
    if (window.records.length === window.total && window.records.length < limit) {
      const aggregator = createAggregator(aggregate);
      for (const { values } of window.records) aggregator.add(values);
      return { ...aggregator.finish(first), ...split };
    }
    if (pushed !== null && !fresh) await probeFilter(ask, pushed, call);
    const groups = await facet.aggregate(dataset, { ...asked, fresh }, call).catch((error: unknown) => {
      throw isUnable(error) ? new LostCapability(new Set(['aggregate'])) : error;
    });
    if (groups === null) return null;
    const verdict = judgeSourceGroups(groups, window, aggregate, plan.measures);
    if (verdict.kind === 'unproven') return null;
    if (verdict.kind === 'sound') return { ...verdict.aggregator.finish(first), ...split };
  }
  throw new LostCapability(new Set(['aggregate']));
}

/** The aggregate of every record that matches, read one after the other; none are kept. */
async function readRecords(
  { question, aggregate, first, onRows }: Ask,
  capability: RecordCapability,
  maxRecords: number,
  call: Call,
): Promise<Answer> {
  let rows = 0;
  const countRows = (count: number): void => {
    onRows(count);
    rows += count;
    if (rows > maxRecords)
      throw new HubError(
        'INPUT_TOO_COSTLY',
        `This aggregate needs more than ${maxRecords.toLocaleString('en-US')} records of one dataset read by the hub: add a condition the source can decide (see queryables.pushdown).`,
        factsOf(question.dataset),
      );
  };
  const aggregator = createAggregator(aggregate);
  const { properties } = aggregate;
  const matches = readMatches(
    { question, capability, order: null, after: null, properties, ids: false, onRows: countRows },
    call,
  );
  for await (const batch of matches) for (const { values } of batch) aggregator.add(values);
  return { ...aggregator.finish(first), ...splitFilter(question.filter, capability) };
}

/**
 * Groups and measures the records of one dataset: the same answer whatever the source can do itself.
 *
 * @throws HubError as `RecordDoor.aggregate`.
 */
export async function readAggregate(
  request: AggregateRequest,
  { trust, maxFirst, aggregateRecords }: AggregateOptions,
  call: Call,
): Promise<AggregateResult> {
  const { dataset, first } = request;
  call.signal.throwIfAborted();
  const requestsBefore = call.trace.requests;
  const queriesBefore = call.trace.portalQueries.length;
  if (!Number.isSafeInteger(first) || first < 1 || first > maxFirst)
    throw new HubError('INPUT_INVALID', `first: from 1 to ${maxFirst.toLocaleString('en-US')}.`, factsOf(dataset));
  const question = await bindQuestion(request, call);
  const aggregate = bindAggregate(request, question.queryables);
  let scannedRecords = 0;
  const ask: Ask = {
    question,
    aggregate,
    first,
    onRows(count) {
      scannedRecords += count;
    },
  };
  const { groups, truncated, pushed, residual } = await trust.answer(
    question,
    async (capability) => {
      const made = await askSource(ask, capability, call).catch((error: unknown) => {
        if (isTooLong(error)) return null;
        throw error;
      });
      return made ?? readRecords(ask, capability, aggregateRecords, call);
    },
    call,
  );
  return {
    groups,
    truncated,
    plan: {
      pushed: pushed === null ? null : toCql2Json(pushed),
      residual: residual === null ? null : toCql2Json(residual),
      requests: call.trace.requests - requestsBefore,
      scannedRecords,
      portalQuery: call.trace.portalQueries.slice(queriesBefore),
    },
  };
}
