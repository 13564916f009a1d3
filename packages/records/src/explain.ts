import type { NotPushedReason } from '@civex/query';
import { explainSplit, toCql2Json } from '@civex/query';
import type { PushdownGrades, RecordFilter } from '@civex/query';
import type { BoundQuestion } from './bind-question.ts';
import type { Cost } from './cost-meter.ts';
import type { RecordPlanReport } from './record-door.ts';
import type { SeenSource } from './record-view.ts';

/**
 * Who did what for an answer. `WINDOW`: the source filtered, ordered and cut. `ORDERED_STREAM`: it filtered and ordered,
 * and was read up to the page. `SCAN`: the hub read every candidate. `SOURCE_AGGREGATE`: the source made the groups.
 * `HUB_AGGREGATE`: the hub made them of every record.
 */
export type Strategy = 'WINDOW' | 'ORDERED_STREAM' | 'SCAN' | 'SOURCE_AGGREGATE' | 'HUB_AGGREGATE';

/** Why something was left to the hub. Those of filters are explained at `NotPushedReason`. */
type Reason =
  | NotPushedReason
  /** The source has no order, does not order this property exactly, or does not tell equal keys apart. */
  | 'NO_ORDER'
  | 'SORT_INEXACT'
  | 'TIES'
  /** The hub has to tell the rows of an agreement apart first. */
  | 'ROW_RULE'
  /** The hub has to decide a part of the filter first. */
  | 'FILTER'
  | 'BEYOND_WINDOW'
  /** The pages before were cut by the hub. */
  | 'CHAIN'
  /** One request cannot carry the question. */
  | 'TOO_LONG';

export interface NotPushed {
  /** A part of the filter as CQL2 JSON, or `{ sortBy }`, `{ page }`, `{ groupBy }`, `{ measure }`, `{ aggregate }`. */
  readonly part: unknown;
  readonly reason: Reason;
  /** For people; nothing a portal wrote. */
  readonly text: string;
}

/** Why parts of a filter stay with the hub. */
export const explainFilter = (filter: RecordFilter | null, can: PushdownGrades): readonly NotPushed[] =>
  explainSplit(filter, can).map(({ part, reason, text }) => ({ part: toCql2Json(part), reason, text }));

const conjoin = (rule: unknown, own: RecordFilter | null): unknown => {
  const asked = own === null ? null : toCql2Json(own);
  return rule === null ? asked : asked === null ? rule : { op: 'and', args: [rule, asked] };
};

/**
 * The plan as the caller may see it. Under an agreement it says what the rule of its rows adds, and counts only what the
 * caller may see: how much was read besides would tell how much there is.
 */
export function reportPlan(
  made: {
    readonly strategy: Strategy;
    readonly notPushed: readonly NotPushed[];
    readonly split: { readonly pushed: RecordFilter | null; readonly residual: RecordFilter | null };
  },
  { view }: BoundQuestion,
  { rule, meter }: SeenSource,
  cost: Cost,
): RecordPlanReport {
  const { strategy, notPushed, split } = made;
  return {
    strategy,
    notPushed:
      rule.residual === null
        ? notPushed
        : [...notPushed, { part: rule.residual, reason: 'ROW_RULE', text: 'The hub tells the rows of the agreement apart, so it does what follows, too.' }], // prettier-ignore
    pushed: conjoin(rule.pushed, split.pushed),
    residual: conjoin(rule.residual, split.residual),
    ...(view.isOpen
      ? cost
      : { requests: meter.questions, pages: meter.questions, scannedRecords: meter.records, portalQuery: [] }),
  };
}
