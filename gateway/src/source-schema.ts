import { readFileSync } from 'node:fs';
import { HubError } from '@civex/errors';
import { decodeDatasetId } from '@civex/model';
import { makeExecutableSchema } from '@graphql-tools/schema';
import type { GraphQLSchema } from 'graphql';
import { datasetLoader } from './context.ts';
import type { HubContext, LocalSource } from './context.ts';
import { DatasetNode } from './dataset-node.ts';
import { scalarResolvers } from './scalars.ts';
import { readLocalSlice } from './source-slice.ts';
import { readHealth } from './source-health.ts';
import type { SliceArgs } from './source-slice.ts';

const read = (file: string): string => readFileSync(new URL(`schema/${file}`, import.meta.url), 'utf8');

export const SHARED_SDL: string = read('types.graphql');
const SOURCE_SDL: string = read('source.graphql');
export const HUB_SDL: string = read('hub.graphql');

function servedSource(id: string, context: HubContext): LocalSource {
  const source = context.sources.get(id);
  if (source === undefined || source.kind !== 'local')
    throw new HubError('NOT_FOUND', 'No such source is served here.');
  return source;
}

/** A dataset of this process, by whole id. Null when the portal has none. */
export async function loadDatasetNode(
  source: LocalSource,
  localId: string,
  context: HubContext,
): Promise<DatasetNode | null> {
  const loaded = await datasetLoader(context, source).load(localId);
  return loaded === null ? null : new DatasetNode(loaded.dataset, source, loaded.fetchedAtEpochMs);
}

const sourceResolvers = {
  Query: {
    async sourceInfo(_: unknown, { source: id }: { source: string }, context: HubContext) {
      const source = servedSource(id, context);
      const health = await readHealth(source, context);
      return { ...source.info, adapter: source.info.kind, datasetCount: health.datasetCount, health };
    },
    sourceSlice(_: unknown, args: SliceArgs & { source: string }, context: HubContext) {
      return readLocalSlice(servedSource(args.source, context), args, context);
    },
    sourceDataset(_: unknown, { source: id, id: datasetId }: { source: string; id: string }, context: HubContext) {
      const source = servedSource(id, context);
      const ref = decodeDatasetId(datasetId);
      return ref === null || ref.source !== id ? null : loadDatasetNode(source, ref.localId, context);
    },
  },
};

/** The executable schema every source answers; what differs per source is the adapter its context leads to. */
export function createSourceSchema(): GraphQLSchema {
  return makeExecutableSchema<HubContext>({
    typeDefs: [SHARED_SDL, SOURCE_SDL],
    resolvers: { ...scalarResolvers, ...sourceResolvers },
  });
}
