export { createDatasetMatcher, parseDatasetFilter } from './dataset-filter.ts';
export type { DatasetFilter, DatasetFilterInput } from './dataset-filter.ts';
export { compareRanks, foldText } from './rank.ts';
export type { DatasetOrder, Rank } from './rank.ts';
export { readSlice } from './read-slice.ts';
export type { CatalogQuery, CatalogSlice, SliceItem, SliceLimits, Visibility } from './read-slice.ts';
export { mergeSlices, positionsAfter } from './merge-slices.ts';
export type { MergedItem, MergedPage, SourceSlice } from './merge-slices.ts';
