import { describe, expect, test } from 'vitest';
import { mergeSlices, positionsAfter } from './merge-slices.ts';
import type { SourceSlice } from './merge-slices.ts';
import type { Rank } from './rank.ts';

interface Entry {
  readonly rank: Rank;
  readonly cursor: string;
}

const slice = (source: string, ranks: readonly Rank[], hasNextPage = false): SourceSlice<Entry> => ({
  source,
  items: ranks.map((rank, index) => ({ rank, cursor: `${source}${index}` })),
  hasNextPage,
});

const merged = (slices: readonly SourceSlice<Entry>[], first: number, orderBy: 'TITLE' | 'RELEVANCE' = 'TITLE') => {
  const { items, hasNextPage } = mergeSlices(slices, orderBy, first);
  return { entries: items.map(({ item }) => item.cursor), hasNextPage };
};

describe('merging', () => {
  test('takes the next of all sources, equal ones in the order in which the sources are given', () => {
    expect(merged([slice('b', ['a', 'c']), slice('a', ['a', 'b'])], 9)).toEqual({
      entries: ['b0', 'a0', 'a1', 'b1'],
      hasNextPage: false,
    });
  });

  test('takes one source after the other when nothing ranks', () => {
    expect(merged([slice('x', [0, 0]), slice('y', [0])], 9, 'RELEVANCE').entries).toEqual(['x0', 'x1', 'y0']);
  });

  test('stops at the page size and says that more follows', () => {
    expect(merged([slice('a', ['a', 'b']), slice('b', ['c'])], 2)).toEqual({
      entries: ['a0', 'a1'],
      hasNextPage: true,
    });
    expect(merged([slice('a', ['a', 'b'])], 2)).toEqual({ entries: ['a0', 'a1'], hasNextPage: false });
    expect(merged([slice('a', ['a', 'b'], true)], 2)).toEqual({ entries: ['a0', 'a1'], hasNextPage: true });
  });

  test('stops before the unseen rest of a source could come first', () => {
    expect(merged([slice('a', ['a'], true), slice('b', ['a', 'b'])], 9)).toEqual({
      entries: ['a0'],
      hasNextPage: true,
    });
    expect(merged([slice('a', ['a'], false), slice('b', ['a', 'b'])], 9).entries).toEqual(['a0', 'b0', 'b1']);
  });

  test('of no sources, or of empty ones, is an empty page', () => {
    expect(merged([], 5)).toEqual({ entries: [], hasNextPage: false });
    expect(merged([slice('a', []), slice('b', [])], 5)).toEqual({ entries: [], hasNextPage: false });
  });
});

describe('positions', () => {
  const page = mergeSlices([slice('a', ['a', 'c']), slice('b', ['b'])], 'TITLE', 9);

  test.each([
    [0, { a: 'a0' }],
    [1, { a: 'a0', b: 'b0' }],
    [2, { a: 'a1', b: 'b0' }],
  ])('after entry %i hold what was taken up to it', (index, positions) => {
    expect(positionsAfter(page, index, {})).toEqual(positions);
  });

  test('keep where a source stood that the page took nothing from', () => {
    expect(positionsAfter(page, 0, { a: 'old', b: 'old', c: 'old' })).toEqual({ a: 'a0', b: 'old', c: 'old' });
  });
});
