import type { NotPushedReason } from '@civex/query';
import { explainSplit, toCql2Json } from '@civex/query';
import type { PushdownGrades, RecordFilter } from '@civex/query';

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
