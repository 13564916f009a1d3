import type { Call } from '@civex/adapter-contract';
import { HubError, isHubError } from '@civex/errors';
import type { AggregateInput, AggregateOutcome, BoundAggregate, RecordFilter } from '@civex/query';
import { bindAggregate, createAggregator, splitFilter } from '@civex/query';
import { judgeSourceGroups, planSourceAggregate } from './aggregate-source.ts';
import type { RecordQuestion, SeenQuestion } from './bind-question.ts';
import { answerThrough, bindQuestion, bindToView, checkFirst, factsOf } from './bind-question.ts';
import { createCostMeter } from './cost-meter.ts';
import type { NotPushed, Strategy } from './explain.ts';
import { explainFilter, reportPlan } from './explain.ts';
import type { TrustedCapability } from './lost-capabilities.ts';
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
  readonly question: SeenQuestion;
  readonly aggregate: BoundAggregate;
  readonly first: number;
}

interface Answer extends AggregateOutcome {
  readonly strategy: Strategy;
  readonly notPushed: readonly NotPushed[];
  readonly pushed: RecordFilter | null;
  readonly residual: RecordFilter | null;
}

/** Why the source does not make the groups. */
interface Declined {
  readonly declined: NotPushed;
}
const decline = (reason: NotPushed['reason'], text: string, part: unknown = 'aggregate'): Declined => ({
  declined: { part: part === 'aggregate' ? { aggregate: true } : part, reason, text },
});

/** True when the portal answered, but not what it claims to answer: its records can still be read. */
const isUnable = (error: unknown): boolean =>
  isHubError(error) && (error.code === 'SOURCE_REJECTED' || error.code === 'SOURCE_MALFORMED');

/** True when one request cannot carry the question. */
const isTooLong = (error: unknown): boolean => isHubError(error) && error.code === 'INPUT_TOO_COSTLY';

const FEW: NotPushed = {
  part: { aggregate: true },
  reason: 'FILTER',
  text: 'All the records came in one answer, so nothing more was asked.',
};

/** Records of the window that groups are held against, at most. */
const WITNESSES = 100;

/**
 * A source that lets conditions pass by unread answers everything to `filter and not filter`, which is true of nothing.
 * Its groups would not show it: they are as many as its records.
 *
 * @throws LostCapability for every operator of such a filter.
 */
async function probeFilter({ question: { facet, dataset } }: Ask, filter: RecordFilter, call: Call): Promise<void> {
  const nothing: RecordFilter = { op: 'and', args: [filter, { op: 'not', args: [filter] }] };
  const { records, total } = await facet.fetchWindow(dataset, { filter: nothing, sort: [], offset: 0, limit: 1 }, call);
  if (records.length > 0 || (total ?? 0) > 0) throw new LostCapability(opsOf(filter));
}

/**
 * The aggregate as the source makes it, when all of it can be left to the source and its answer agrees with a window of
 * the same records; a window that holds all of them is the answer. Declined when the hub has to read the records.
 *
 * @throws LostCapability when a record or a probe shows that the source does not decide the filter, or when its groups
 * contradict the records twice in succession: once may be data that changed between two requests.
 */
async function askSource(ask: Ask, capability: TrustedCapability, call: Call): Promise<Answer | Declined> {
  const { question, aggregate, first } = ask;
  const { facet, dataset, filter } = question;
  const split = splitFilter(filter, capability);
  const { pushed } = split;
  if (split.residual !== null)
    return decline('FILTER', 'The hub still has to decide a part of the filter, so it makes the groups.');
  if (capability.isAggregateLost === true) return decline('LOST', 'The source was caught grouping wrongly.');
  const plan = planSourceAggregate(aggregate, capability);
  if ('declined' in plan) return plan;
  if (facet.aggregate === undefined) return decline('SOURCE_CANNOT', 'The source makes no groups.');
  const isProbable = pushed === null || (capability.connectives.and && capability.connectives.not);
  if (!isProbable)
    return decline('UNPROVEN', 'The source cannot be asked for the contrary, which would show that it decides the filter.'); // prettier-ignore
  const recheck = createRecheck(pushed, capability);
  const limit = Math.min(WITNESSES, capability.maxPageSize, capability.maxWindow ?? WITNESSES);
  const asked = { filter: pushed, groupBy: aggregate.groupBy, measures: plan.measures };
  for (const fresh of [false, true]) {
    call.signal.throwIfAborted();
    const window = await facet.fetchWindow(dataset, { filter: pushed, sort: [], offset: 0, limit, fresh }, call);
    // Nobody would count the records but the groups themselves.
    if (window.total === null) return decline('UNPROVEN', 'The source does not say how many records there are.');
    for (const record of window.records) {
      const lost = recheck(record);
      if (lost.size > 0) throw new LostCapability(lost);
    }
    // A full window may have been cut, and the total with it.
    if (window.records.length === window.total && window.records.length < limit) {
      const aggregator = createAggregator(aggregate);
      for (const { values } of window.records) aggregator.add(values);
      return { ...aggregator.finish(first), ...split, strategy: 'HUB_AGGREGATE', notPushed: [FEW] };
    }
    if (pushed !== null && !fresh) await probeFilter(ask, pushed, call);
    const groups = await facet.aggregate(dataset, { ...asked, fresh }, call).catch((error: unknown) => {
      throw isUnable(error) ? new LostCapability(new Set(['aggregate'])) : error;
    });
    if (groups === null) return decline('BEYOND_WINDOW', 'There are more groups than the source answers with.');
    const verdict = judgeSourceGroups(groups, window, aggregate, plan.measures);
    if (verdict.kind === 'unproven')
      return decline('UNPROVEN', 'A number is too large to have come through the source unrounded.');
    if (verdict.kind === 'sound')
      return { ...verdict.aggregator.finish(first), ...split, strategy: 'SOURCE_AGGREGATE', notPushed: [] };
  }
  throw new LostCapability(new Set(['aggregate']));
}

/** The aggregate of every record that matches, read one after the other; none are kept. */
async function readRecords(
  { question, aggregate, first }: Ask,
  capability: TrustedCapability,
  maxRecords: number,
  call: Call,
): Promise<Answer> {
  let rows = 0;
  const countRows = (count: number): void => {
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
  const { filter } = question;
  return {
    ...aggregator.finish(first),
    ...splitFilter(filter, capability),
    strategy: 'HUB_AGGREGATE',
    notPushed: explainFilter(filter, capability),
  };
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
  const measureCost = createCostMeter(call.trace);
  if (!Number.isSafeInteger(first) || first < 1 || first > maxFirst)
    throw new HubError('INPUT_INVALID', `first: from 1 to ${maxFirst.toLocaleString('en-US')}.`, factsOf(dataset));
  const bound = await bindQuestion(request, call);
  checkFirst(first, bound.access, dataset);
  const aggregate = bindToView(bound, (columns) => bindAggregate(request, columns));
  const made = await answerThrough(
    bound,
    trust,
    aggregateRecords,
    async (seen, question) => {
      const { capability } = seen;
      const ask: Ask = { question, aggregate, first };
      const asked = await askSource(ask, capability, call).catch((error: unknown): Declined => {
        if (isTooLong(error)) return decline('TOO_LONG', 'One request cannot carry the question.');
        throw error;
      });
      if (!('declined' in asked)) return { ...asked, seen };
      const read = await readRecords(ask, capability, aggregateRecords, call);
      return { ...read, notPushed: [...read.notPushed, asked.declined], seen };
    },
    call,
  );
  const { groups, truncated, pushed, residual, strategy, notPushed, seen } = made;
  await bound.access.release({ records: groups.length, isFirst: true });
  const plan = reportPlan({ strategy, notPushed, split: { pushed, residual } }, bound, seen, measureCost());
  return { groups, truncated, plan };
}
