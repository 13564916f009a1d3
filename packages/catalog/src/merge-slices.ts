import type { DatasetOrder, Rank } from './rank.ts';
import { compareRanks } from './rank.ts';

interface Ranked {
  readonly rank: Rank;
  /** Continues right after this item, at its source. */
  readonly cursor: string;
}

/** What the merge needs of one source's answer, wherever it was computed. */
export interface SourceSlice<Item extends Ranked> {
  readonly source: string;
  readonly items: readonly Item[];
  readonly hasNextPage: boolean;
}

export interface MergedItem<Item extends Ranked> {
  readonly source: string;
  readonly item: Item;
}

export interface MergedPage<Item extends Ranked> {
  readonly items: readonly MergedItem<Item>[];
  readonly hasNextPage: boolean;
}

/**
 * Merges the sources' slices, each already in the asked order, into one page of at most `first`. Equal ranks go by the
 * order in which the sources are given, so the result does not depend on which portal answered first.
 */
export function mergeSlices<Item extends Ranked>(
  slices: readonly SourceSlice<Item>[],
  orderBy: DatasetOrder,
  first: number,
): MergedPage<Item> {
  const taken = slices.map(() => 0);
  const items: MergedItem<Item>[] = [];
  while (items.length < first) {
    let best = -1;
    let leader: Item | undefined;
    let blind = false;
    for (const [index, slice] of slices.entries()) {
      const candidate = slice.items[taken[index] ?? 0];
      if (candidate === undefined) {
        // What this source has next is not known, so nobody can say what comes next overall.
        if (slice.hasNextPage) blind = true;
        continue;
      }
      if (leader === undefined || compareRanks(candidate.rank, leader.rank, orderBy) < 0) {
        best = index;
        leader = candidate;
      }
    }
    const slice = slices[best];
    if (blind || slice === undefined || leader === undefined) break;
    taken[best] = (taken[best] ?? 0) + 1;
    items.push({ source: slice.source, item: leader });
  }
  const hasNextPage = slices.some((slice, index) => slice.hasNextPage || (taken[index] ?? 0) < slice.items.length);
  return { items, hasNextPage };
}

/** Where each source stands after the item at `index`: the start positions, overlaid by what the page has taken. */
export function positionsAfter<Item extends Ranked>(
  page: MergedPage<Item>,
  index: number,
  start: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const positions: Record<string, string> = { ...start };
  for (const { source, item } of page.items.slice(0, index + 1)) positions[source] = item.cursor;
  return positions;
}
