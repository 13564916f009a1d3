import type { Call, SourceAdapter } from '@civex/adapter-contract';
import { HubError } from '@civex/errors';
import type { Dataset } from '@civex/model';
import { compareCodePoints } from '@civex/query';
import type { DatasetFilter } from './dataset-filter.ts';
import { createDatasetMatcher } from './dataset-filter.ts';
import type { DatasetOrder, Rank } from './rank.ts';
import { compareRanks, createRanker } from './rank.ts';

export interface CatalogQuery {
  readonly search: string | null;
  readonly filter: DatasetFilter | null;
  readonly orderBy: DatasetOrder;
  readonly first: number;
  /** A cursor of this source for this very question, or null for the start. */
  readonly after: string | null;
}

export interface SliceItem {
  readonly dataset: Dataset;
  readonly rank: Rank;
  /** Continues right after this item, at this source. */
  readonly cursor: string;
}

/** One source's next datasets in the asked order. */
export interface CatalogSlice {
  readonly items: readonly SliceItem[];
  readonly hasNextPage: boolean;
  readonly total: number | null;
  readonly totalIsExact: boolean;
}

export interface SliceLimits {
  /** Datasets the hub reads of one source to rank or filter them; beyond it the question is refused. */
  readonly maxScanned: number;
  /** Datasets whose columns the hub asks for one by one to decide `hasGeometry`. */
  readonly maxDescribed: number;
}

/** Every dataset of the source (or every hit of its search), complete or an error. */
async function readAll(
  adapter: SourceAdapter,
  search: string | null,
  limits: SliceLimits,
  call: Call,
): Promise<readonly Dataset[]> {
  const all: Dataset[] = [];
  const seen = new Set<string>();
  let after: string | null = null;
  do {
    const page = await adapter.catalog.list({ size: adapter.catalog.maxPageSize, after, search }, call);
    for (const dataset of page.items) {
      if (seen.has(dataset.localId))
        throw new HubError('SOURCE_MALFORMED', 'The source listed a dataset twice while its catalog was read.', {
          source: adapter.info.source,
        });
      seen.add(dataset.localId);
      all.push(dataset);
    }
    if (all.length > limits.maxScanned || (page.total ?? 0) > limits.maxScanned)
      throw new HubError(
        'INPUT_TOO_COSTLY',
        `This question needs more than ${limits.maxScanned} datasets of one catalog to be ranked or filtered; narrow the search.`,
        { source: adapter.info.source },
      );
    after = page.next;
  } while (after !== null);
  return all;
}

async function keepMatching(
  adapter: SourceAdapter,
  datasets: readonly Dataset[],
  filter: DatasetFilter | null,
  limits: SliceLimits,
  call: Call,
): Promise<readonly Dataset[]> {
  const matches = createDatasetMatcher(filter);
  const verdicts = datasets.map((dataset) => matches(dataset));
  if (verdicts.filter((verdict) => verdict === 'ask').length > limits.maxDescribed)
    throw new HubError(
      'INPUT_TOO_COSTLY',
      `filter.hasGeometry needs the columns of more than ${limits.maxDescribed} datasets of one catalog; narrow the filter.`,
      { source: adapter.info.source },
    );
  const kept: Dataset[] = [];
  for (const [index, dataset] of datasets.entries()) {
    const verdict = verdicts[index];
    if (verdict === true) kept.push(dataset);
    else if (verdict === 'ask') {
      const queryables = (await adapter.records?.describe?.(dataset, call)) ?? null;
      const hasGeometry = queryables?.some(({ type }) => type === 'GEOMETRY') ?? false;
      if (hasGeometry === filter?.hasGeometry) kept.push(dataset);
    }
  }
  return kept;
}

const badCursor = (source: string): HubError =>
  new HubError('INPUT_INVALID', 'This cursor was not issued for this question.', { source });

interface RankedPosition {
  readonly rank: Rank;
  readonly localId: string;
}

function decodeRanked(cursor: string, source: string): RankedPosition {
  let value: unknown;
  try {
    value = JSON.parse(cursor.slice(1));
  } catch (cause) {
    if (cause instanceof SyntaxError) throw badCursor(source);
    throw cause;
  }
  if (!Array.isArray(value) || value.length !== 2 || typeof value[1] !== 'string') throw badCursor(source);
  const rank: unknown = value[0];
  if (rank !== null && typeof rank !== 'number' && typeof rank !== 'string') throw badCursor(source);
  return { rank, localId: value[1] };
}

/**
 * Reads the next `first` datasets of one source.
 *
 * Without search and filter and in the order RELEVANCE the source's own stable list is paged, so one request serves a
 * page. Everything else reads the whole list (or all hits of the source's search), filters and ranks it by the hub's
 * own measure, and pages by position: exact totals, and no dataset is lost or repeated however the portal orders ties.
 *
 * @throws HubError `INPUT_INVALID` for a foreign cursor, `INPUT_TOO_COSTLY` beyond the limits, SOURCE_* of the adapter.
 */
export async function readSlice(
  adapter: SourceAdapter,
  query: CatalogQuery,
  limits: SliceLimits,
  call: Call,
): Promise<CatalogSlice> {
  const { source } = adapter.info;
  const { search, filter, orderBy, first, after } = query;
  if (search === null && filter === null && orderBy === 'RELEVANCE') {
    if (after !== null && !after.startsWith('l')) throw badCursor(source);
    const items: SliceItem[] = [];
    let total: number | null = null;
    let next: string | null = after === null ? null : after.slice(1);
    do {
      const size = Math.min(first - items.length, adapter.catalog.maxPageSize);
      const page = await adapter.catalog.list({ size, after: next, search: null }, call);
      total = page.total;
      for (const [index, dataset] of page.items.entries())
        items.push({ dataset, rank: 0, cursor: `l${page.cursors[index] ?? ''}` });
      next = page.next;
    } while (next !== null && items.length < first);
    return { items, hasNextPage: next !== null, total, totalIsExact: total !== null };
  }
  if (after !== null && !after.startsWith('r')) throw badCursor(source);
  const position = after === null ? null : decodeRanked(after, source);
  const found = await keepMatching(adapter, await readAll(adapter, search, limits, call), filter, limits, call);
  const rankOf = createRanker(orderBy, search);
  const compare = (a: RankedPosition, b: RankedPosition): number =>
    compareRanks(a.rank, b.rank, orderBy) || compareCodePoints(a.localId, b.localId);
  const ranked = found
    .map((dataset) => ({ dataset, rank: rankOf(dataset), localId: dataset.localId }))
    .sort(compare);
  const start = position === null ? 0 : ranked.findIndex((item) => compare(item, position) > 0);
  const rest = start < 0 ? [] : ranked.slice(start);
  return {
    items: rest
      .slice(0, first)
      .map(({ dataset, rank, localId }) => ({ dataset, rank, cursor: `r${JSON.stringify([rank, localId])}` })),
    hasNextPage: rest.length > first,
    total: ranked.length,
    totalIsExact: true,
  };
}
