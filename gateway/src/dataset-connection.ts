import { mergeSlices, positionsAfter } from '@civex/catalog';
import { HubError } from '@civex/errors';
import { suggestName } from '@civex/query';
import type { GraphQLResolveInfo } from 'graphql';
import type { HubContext, HubSource, RemoteSource } from './context.ts';
import { DatasetNode } from './dataset-node.ts';
import { decodePageCursor, digestQuestion, encodePageCursor } from './page-cursor.ts';
import { reportPartial } from './partial-errors.ts';
import { checkSliceArgs, readLocalSlice } from './source-slice.ts';
import type { SliceArgs, SliceKey, SourceSliceResult } from './source-slice.ts';

export interface ConnectionWays {
  /** True when everything selected comes from the hub and its sources. */
  readonly isDirect: boolean;
  readRemoteSlice(source: RemoteSource, args: SliceArgs, context: HubContext): Promise<SourceSliceResult>;
  delegate(id: string, context: HubContext, info: GraphQLResolveInfo): Promise<unknown>;
}

/** A place for a dataset in a list: the object itself, or a method by which graphql-js has it delegated. */
type NodePlace = DatasetNode | ((args: unknown, context: HubContext, info: GraphQLResolveInfo) => Promise<unknown>);

/** @throws HubError `INPUT_INVALID` naming an unknown catalog. Sources in the order of hub.yaml, whatever was asked. */
export function pickSources(ids: readonly string[] | null | undefined, context: HubContext): readonly HubSource[] {
  if (ids === null || ids === undefined) return [...context.sources.values()];
  for (const id of ids)
    if (!context.sources.has(id)) {
      const near = suggestName(id, context.sources.keys());
      throw new HubError(
        'INPUT_INVALID',
        `Unknown catalog "${id.slice(0, 40)}"${near === null ? '' : `: did you mean "${near}"`}.`,
      );
    }
  return [...context.sources.values()].filter(({ info }) => ids.includes(info.source));
}

/**
 * `DatasetConnection` over any number of sources: all are asked at once, what comes back is merged by one measure, and
 * every source has its report. A source that fails takes nothing from the others; it is named in `sources` and, with
 * its place in the answer, in `errors`.
 */
export async function readDatasetConnection(
  sources: readonly HubSource[],
  args: SliceArgs,
  context: HubContext,
  info: GraphQLResolveInfo,
  ways: ConnectionWays,
): Promise<object> {
  const search = checkSliceArgs(args, context);
  const digest = digestQuestion([
    search,
    args.filter ?? null,
    args.orderBy,
    sources.map((source) => source.info.source),
  ]);
  const start = args.after == null ? {} : decodePageCursor(args.after, digest, context.services.cursorSeal);
  const results = await Promise.all(
    sources.map((source) => {
      const sliceArgs: SliceArgs = {
        ...args,
        after: Object.hasOwn(start, source.info.source) ? (start[source.info.source] ?? null) : null,
      };
      return source.kind === 'local'
        ? readLocalSlice(source, sliceArgs, context)
        : ways.readRemoteSlice(source, sliceArgs, context);
    }),
  );
  for (const { failure } of results) if (failure !== null) reportPartial(context, info, failure);
  const page = mergeSlices(
    results.map(({ keys, hasNextPage }, index) => ({
      source: sources[index]?.info.source ?? '',
      items: keys,
      hasNextPage,
    })),
    args.orderBy,
    args.first,
  );
  const fetchedAt = new Map(
    sources.map((source, index) => [source.info.source, results[index]?.fetchedAtEpochMs ?? 0]),
  );
  const place = (source: string, { id, dataset }: SliceKey): NodePlace => {
    const owner = context.sources.get(source);
    if (ways.isDirect && dataset !== undefined && owner?.kind === 'local')
      return new DatasetNode(dataset, owner, fetchedAt.get(source) ?? 0);
    return (_, hubContext, nodeInfo) => ways.delegate(id, hubContext, nodeInfo);
  };
  const places = page.items.map(({ source, item }) => place(source, item));
  const cursorAfter = (index: number): string =>
    encodePageCursor(digest, positionsAfter(page, index, start), context.services.cursorSeal);
  const totals = results.map(({ total }) => total);
  const known = totals.filter((total) => total !== null);
  return {
    nodes: (_: unknown, hubContext: HubContext, nodesInfo: GraphQLResolveInfo) =>
      places.map((node, index) =>
        typeof node === 'function'
          ? node({}, hubContext, { ...nodesInfo, path: { prev: nodesInfo.path, key: index, typename: undefined } })
          : node,
      ),
    edges: () => places.map((node, index) => ({ node, cursor: cursorAfter(index) })),
    pageInfo: {
      // A source that failed may have more. Only said while pages bring something, so that a reader who follows the
      // cursor meets the source again and still comes to an end when it stays away.
      hasNextPage: page.hasNextPage || (places.length > 0 && results.some(({ failure }) => failure !== null)),
      endCursor: () => (places.length === 0 ? null : cursorAfter(places.length - 1)),
    },
    totalCount: known.length === 0 ? null : known.reduce((sum, total) => sum + total, 0),
    totalIsExact: results.every(({ totalIsExact }) => totalIsExact),
    sources: results.map(({ report }) => report),
  };
}
