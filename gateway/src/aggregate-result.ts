import type { FilterInput, GroupByInput, MeasureInput, SortInput } from '@civex/query';
import type { AggregateResult, RecordPlanReport } from '@civex/records';
import type { SourceReport } from './source-report.ts';

/** Arguments of `Dataset.aggregate`, as the schema has checked them. */
export interface AggregateArgs {
  readonly filter?: FilterInput | null;
  readonly cql?: string | null;
  readonly groupBy?: readonly GroupByInput[] | null;
  readonly measures: readonly MeasureInput[];
  readonly sortBy?: readonly SortInput[] | null;
  readonly first: number;
}

/** What a source that failed did. */
export const NO_PLAN: RecordPlanReport = {
  strategy: null,
  pushed: null,
  residual: null,
  notPushed: [],
  requests: 0,
  pages: 0,
  scannedRecords: 0,
  portalQuery: [],
};

/** What a source that failed leaves. Its `source` says FAILED, so that nobody takes it for a dataset without records. */
export const NO_GROUPS: AggregateResult = {
  groups: [],
  truncated: false,
  plan: NO_PLAN,
};

/** `AggregateResult` of the contract. */
export function createAggregateResult(result: AggregateResult, source: SourceReport, provenance: object): object {
  const { groups, truncated, plan } = result;
  return { groups, truncated, plan, source, provenance };
}
