import { createCallTrace } from '@civex/adapter-contract';
import { parseDatasetFilter, readSlice } from '@civex/catalog';
import type { DatasetFilterInput, DatasetOrder, Rank } from '@civex/catalog';
import { HubError } from '@civex/errors';
import type { Dataset } from '@civex/model';
import { createCall, datasetLoader } from './context.ts';
import type { HubContext, LocalSource } from './context.ts';
import { isSourceFailure } from './dataset-node.ts';
import { createSourceReport } from './source-report.ts';
import type { SourceReport } from './source-report.ts';

export interface SliceArgs {
  readonly search?: string | null;
  readonly filter?: (DatasetFilterInput & { readonly catalogs?: readonly string[] | null }) | null;
  readonly orderBy: DatasetOrder;
  readonly first: number;
  readonly after?: string | null;
}

export interface SliceKey {
  readonly id: string;
  readonly rank: Rank;
  readonly cursor: string;
  /** Present when the source is in this process. */
  readonly dataset?: Dataset;
}

/** One source's part in a list of datasets. A failed source has a report that says so and no keys. */
export interface SourceSliceResult {
  readonly keys: readonly SliceKey[];
  readonly hasNextPage: boolean;
  readonly total: number | null;
  readonly totalIsExact: boolean;
  readonly report: SourceReport;
  readonly fetchedAtEpochMs: number;
  readonly failure: HubError | null;
}

const MAX_SEARCH_LENGTH = 200;

/** @throws HubError `INPUT_INVALID` for a page size or a search text out of bounds, or a bad filter. */
export function checkSliceArgs(args: SliceArgs, context: HubContext): string | null {
  const { maxFirst } = context.services.limits;
  if (!(args.first >= 1 && args.first <= maxFirst))
    throw new HubError('INPUT_INVALID', `first: from 1 to ${maxFirst}.`);
  const search = args.search?.trim() ?? '';
  if (search.length > MAX_SEARCH_LENGTH)
    throw new HubError('INPUT_INVALID', `search: at most ${MAX_SEARCH_LENGTH} characters.`);
  return search === '' ? null : search;
}

/**
 * One source's next datasets. They are remembered in the request's loader, so asking them by id costs nothing.
 *
 * @throws HubError for what the caller got wrong; a source that fails is reported in the result.
 */
export async function readLocalSlice(
  source: LocalSource,
  args: SliceArgs,
  context: HubContext,
): Promise<SourceSliceResult> {
  const { services } = context;
  const search = checkSliceArgs(args, context);
  const filter = parseDatasetFilter(args.filter);
  const trace = createCallTrace();
  const startedAt = services.monotonicMs();
  const catalog = source.info.source;
  const mayConceal = context.access.mayConceal(catalog);
  const report = (failure: { readonly error: HubError } | null): SourceReport => {
    const made = createSourceReport(catalog, trace, services.monotonicMs() - startedAt, failure);
    // What is left out of a page is made up for by another request, which would tell of it.
    return mayConceal ? { ...made, requests: Math.min(1, made.requests) } : made;
  };
  try {
    const slice = await readSlice(
      source.adapter,
      { search, filter, orderBy: args.orderBy, first: args.first, after: args.after ?? null },
      services.limits,
      {
        disclose: (dataset) => context.access.disclose(dataset),
        mayConceal,
      },
      createCall(context, trace),
    );
    const fetchedAtEpochMs = trace.fetchedAtEpochMs ?? services.now();
    const loader = datasetLoader(context, source);
    for (const { dataset } of slice.items) loader.prime(dataset.localId, { dataset, fetchedAtEpochMs });
    return {
      keys: slice.items.map(({ dataset, rank, cursor }) => ({ id: dataset.id, rank, cursor, dataset })),
      hasNextPage: slice.hasNextPage,
      total: slice.total,
      totalIsExact: slice.totalIsExact,
      report: report(null),
      fetchedAtEpochMs,
      failure: null,
    };
  } catch (error) {
    if (!isSourceFailure(error)) throw error;
    return failedSlice(report({ error }), error);
  }
}

export function failedSlice(report: SourceReport, failure: HubError): SourceSliceResult {
  return { keys: [], hasNextPage: false, total: null, totalIsExact: false, report, fetchedAtEpochMs: 0, failure };
}
