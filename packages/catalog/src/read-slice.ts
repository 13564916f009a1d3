import type { Call, CatalogPage, SourceAdapter } from '@civex/adapter-contract';
import { HubError, isHubError } from '@civex/errors';
import type { Dataset } from '@civex/model';
import { compareCodePoints } from '@civex/query';
import type { DatasetFilter } from './dataset-filter.ts';
import { createDatasetMatcher } from './dataset-filter.ts';
import type { DatasetOrder, Rank } from './rank.ts';
import { compareRanks, createRanker, isRankOf } from './rank.ts';

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
  /** False when `total` is what the source says and the hub has not counted. */
  readonly totalIsExact: boolean;
}

export interface SliceLimits {
  /** Datasets the hub reads of one source to rank or filter them; beyond it the question is refused. */
  readonly maxScanned: number;
  /** Datasets whose columns the hub asks for one by one to decide `hasGeometry`. */
  readonly maxDescribed: number;
}

/** What the reader of a list may know of. */
export interface Visibility {
  /** The dataset as it may be known, or null when it must not be noticed. */
  disclose(dataset: Dataset): Dataset | null | Promise<Dataset | null>;
  /** False: nothing of this source has to go unnoticed, so that its own totals and ends of pages can be told. */
  readonly mayConceal: boolean;
}

/**
 * Datasets of one source that the plain list reads for the sake of those it leaves out: 20 requests at most of a portal
 * that lists 100 at once.
 */
const MAX_KNOWN = 2_000;

/** Pages without a dataset that a source may give in a row while it says that more follow. */
const MAX_EMPTY_PAGES = 100;

/**
 * The pages of a source from `after` on, `size()` datasets each, until the list or its reader ends.
 *
 * @throws HubError of the adapter; `SOURCE_UNAVAILABLE` when the catalog changes between two of these pages, which is no
 * fault of the caller's; `SOURCE_MALFORMED` for a list that goes on without datasets.
 */
async function* readPages(
  adapter: SourceAdapter,
  {
    search,
    after,
    size,
  }: { readonly search: string | null; readonly after: string | null; readonly size: () => number },
  call: Call,
): AsyncGenerator<CatalogPage, void, undefined> {
  const { source } = adapter.info;
  let empty = 0;
  let total = 0;
  for (let next = after, isFirst = true; isFirst || next !== null; isFirst = false) {
    let page: CatalogPage;
    try {
      page = await adapter.catalog.list(
        { size: Math.min(size(), adapter.catalog.maxPageSize), after: next, search },
        call,
      );
    } catch (error) {
      if (isFirst || !isHubError(error) || error.code !== 'INPUT_INVALID') throw error;
      throw new HubError('SOURCE_UNAVAILABLE', 'The catalog changed while it was being read.', { source }, error);
    }
    // The list ends where its total says: one that shrinks on the way may end it before its end.
    if (page.total !== null && page.total < total)
      throw new HubError('SOURCE_UNAVAILABLE', 'The catalog changed while it was being read.', { source });
    total = page.total ?? total;
    empty = page.items.length === 0 ? empty + 1 : 0;
    if (empty > MAX_EMPTY_PAGES)
      throw new HubError('SOURCE_MALFORMED', 'The source lists on without naming a dataset.', { source });
    yield page;
    ({ next } = page);
  }
}

/** Every dataset of the source (or every hit of its search) that may be known of, complete or an error. */
async function readAll(
  adapter: SourceAdapter,
  search: string | null,
  limits: SliceLimits,
  visibility: Visibility,
  call: Call,
): Promise<readonly Dataset[]> {
  const all: Dataset[] = [];
  const seen = new Set<string>();
  for await (const page of readPages(adapter, { search, after: null, size: () => Infinity }, call)) {
    for (const dataset of page.items) {
      if (seen.has(dataset.localId))
        throw new HubError('SOURCE_MALFORMED', 'The source listed a dataset twice while its catalog was read.', {
          source: adapter.info.source,
        });
      seen.add(dataset.localId);
      const told = visibility.disclose(dataset);
      const disclosed = told instanceof Promise ? await told : told;
      if (disclosed !== null) all.push(disclosed);
    }
    if (seen.size > limits.maxScanned || (page.total ?? 0) > limits.maxScanned)
      throw new HubError(
        'INPUT_TOO_COSTLY',
        `This question needs more than ${limits.maxScanned} datasets of one catalog to be ranked or filtered; narrow the search.`,
        { source: adapter.info.source },
      );
  }
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

/** @throws HubError `INPUT_INVALID` also for a rank that this order cannot have: it would compare with none. */
function decodeRanked(cursor: string, orderBy: DatasetOrder, source: string): RankedPosition {
  let value: unknown;
  try {
    value = JSON.parse(cursor.slice(1));
  } catch (cause) {
    if (cause instanceof SyntaxError) throw badCursor(source);
    throw cause;
  }
  if (!Array.isArray(value) || value.length !== 2 || typeof value[1] !== 'string') throw badCursor(source);
  const rank: unknown = value[0];
  if (!isRankOf(orderBy, rank)) throw badCursor(source);
  return { rank, localId: value[1] };
}

/** A page of the source's own list, which is read whole. Cursors name a dataset. */
async function readKnown(
  adapter: SourceAdapter,
  { first, after }: Pick<CatalogQuery, 'first' | 'after'>,
  limits: SliceLimits,
  visibility: Visibility,
  call: Call,
): Promise<CatalogSlice> {
  const atMost = { ...limits, maxScanned: Math.min(limits.maxScanned, MAX_KNOWN) };
  const all = await readAll(adapter, null, atMost, visibility, call);
  const start = after === null ? 0 : all.findIndex(({ localId }) => localId === after.slice(1)) + 1;
  if (after !== null && start === 0) throw badCursor(adapter.info.source);
  return {
    items: all.slice(start, start + first).map((dataset) => ({ dataset, rank: 0, cursor: `k${dataset.localId}` })),
    hasNextPage: all.length > start + first,
    total: all.length,
    totalIsExact: true,
  };
}

/**
 * Reads the next `first` datasets of one source.
 *
 * Without search and filter and in the order RELEVANCE the source's own stable list is paged, so one request serves a
 * page; its total is then the source's own word, unless the page holds the whole list. Everything else reads the whole
 * list (or all hits of the source's search), filters and ranks it by the hub's own measure, and pages by position: exact
 * totals, and no dataset is lost or repeated however the portal orders ties.
 *
 * What must not be noticed is left out before anything else. Where there may be such datasets the plain list is read
 * whole as well: which of the source's pages were asked before, and are there at once, would tell where they are. Of a
 * list of more than 2,000 its pages are read all the same, without the source's own total, and one ends only where
 * another dataset that may be known of follows.
 *
 * @throws HubError `INPUT_INVALID` for a foreign cursor, `INPUT_TOO_COSTLY` beyond the limits, SOURCE_* of the adapter.
 */
export async function readSlice(
  adapter: SourceAdapter,
  query: CatalogQuery,
  limits: SliceLimits,
  visibility: Visibility,
  call: Call,
): Promise<CatalogSlice> {
  const { source } = adapter.info;
  const { search, filter, orderBy, first, after } = query;
  if (search === null && filter === null && orderBy === 'RELEVANCE') {
    if (visibility.mayConceal && (after === null || after.startsWith('k')))
      try {
        return await readKnown(adapter, { first, after }, limits, visibility, call);
      } catch (error) {
        if (after !== null || !isHubError(error) || error.code !== 'INPUT_TOO_COSTLY') throw error;
      }
    if (after !== null && !after.startsWith('l')) throw badCursor(source);
    const items: SliceItem[] = [];
    let total: number | null = null;
    let next: string | null = null;
    const start = after === null ? null : after.slice(1);
    // Where something may be left out, only a dataset behind the page shows that there is more.
    const wanted = visibility.mayConceal ? first + 1 : first;
    const size = (): number => Math.max(1, wanted - items.length);
    for await (const page of readPages(adapter, { search, after: start, size }, call)) {
      for (const [index, dataset] of page.items.entries()) {
        const told = visibility.disclose(dataset);
        const disclosed = told instanceof Promise ? await told : told;
        if (disclosed !== null) items.push({ dataset: disclosed, rank: 0, cursor: `l${page.cursors[index] ?? ''}` });
      }
      ({ total, next } = page);
      if (items.length >= wanted) break;
    }
    const hasNextPage = visibility.mayConceal ? items.length > first : next !== null;
    const isWhole = start === null && !hasNextPage;
    const stated = visibility.mayConceal ? null : total;
    return {
      items: items.slice(0, first),
      hasNextPage,
      total: isWhole ? items.length : stated,
      totalIsExact: isWhole,
    };
  }
  if (after !== null && !after.startsWith('r')) throw badCursor(source);
  const position = after === null ? null : decodeRanked(after, orderBy, source);
  const found = await keepMatching(
    adapter,
    await readAll(adapter, search, limits, visibility, call),
    filter,
    limits,
    call,
  );
  const rankOf = createRanker(orderBy, search);
  const compare = (a: RankedPosition, b: RankedPosition): number =>
    compareRanks(a.rank, b.rank, orderBy) || compareCodePoints(a.localId, b.localId);
  const ranked = found.map((dataset) => ({ dataset, rank: rankOf(dataset), localId: dataset.localId })).sort(compare);
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
