import { HubError, isRetryable } from '@civex/errors';
import { decodeDatasetId } from '@civex/model';
import { getBatchingExecutor } from '@graphql-tools/batch-execute';
import type { Subschema, SubschemaConfig } from '@graphql-tools/delegate';
import { stitchSchemas } from '@graphql-tools/stitch';
import { MapperKind, mapSchema } from '@graphql-tools/utils';
import type { ExecutionRequest, Executor } from '@graphql-tools/utils';
import { defaultFieldResolver, execute, isObjectType, parse } from 'graphql';
import type {
  ExecutionArgs,
  ExecutionResult,
  GraphQLError,
  GraphQLFieldResolver,
  GraphQLResolveInfo,
  GraphQLSchema,
} from 'graphql';
import type { HubContext, HubSource } from './context.ts';
import { pickSources, readDatasetConnection } from './dataset-connection.ts';
import type { ConnectionWays } from './dataset-connection.ts';
import { DatasetNode } from './dataset-node.ts';
import { delegateDataset } from './delegate-dataset.ts';
import type { SourceDelegation } from './delegate-dataset.ts';
import { findHubError } from './error-boundary.ts';
import { createFastExecute } from './fast-execute.ts';
import type { OwnResolvers } from './fast-execute.ts';
import { createOwnSelectionCheck } from './own-selection.ts';
import { PARTIAL_EXTENSION } from './partial-errors.ts';
import { readRemoteSlice } from './remote-source.ts';
import { readHealth } from './source-health.ts';
import { scalarResolvers } from './scalars.ts';
import { settleSelections } from './settle-selections.ts';
import type { SliceArgs } from './source-slice.ts';
import { createSourceSchema, HUB_SDL, loadDatasetNode, SHARED_SDL } from './source-schema.ts';

/** Root fields and types by which the hub asks its sources. They stay out of the public schema. */
const INTERNAL_ROOT = /^source[A-Z]/;
const INTERNAL_TYPES: ReadonlySet<string> = new Set(['SourceInfo', 'SourceSlice', 'SourceKey']);

interface CatalogRef {
  readonly id: string;
}

function sourceOf({ id }: CatalogRef, context: HubContext): HubSource {
  const source = context.sources.get(id);
  if (source === undefined) throw new HubError('INTERNAL', 'Internal error.', {}, 'a catalog without a source');
  return source;
}

/** Datasets asked of a remote source in one request, at most. */
export const REMOTE_BATCH = 50;

/**
 * Runs a delegated document at the source named by the delegation: through the source schema in this process, or at
 * the remote server. One subschema stands for all sources, so adding or dropping a source needs no re-stitching.
 */
function createSourceExecutor(sourceSchema: GraphQLSchema) {
  return async (request: ExecutionRequest<Record<string, unknown>, HubContext, SourceDelegation>) => {
    const { context, rootValue: delegation } = request;
    const source = delegation === undefined ? undefined : context?.sources.get(delegation.source);
    if (context === undefined || delegation === undefined || source === undefined)
      throw new HubError('INTERNAL', 'Internal error.', {}, 'a delegation without its source');
    if (source.kind === 'remote') {
      const send = getBatchingExecutor(context, source.execute as Executor, { maxBatchSize: REMOTE_BATCH });
      const { partial, result } = splitPartial((await send(request)) as ExecutionResult);
      delegation.onPartialErrors(partial);
      return result;
    }
    const partialErrors: GraphQLError[] = [];
    const result = await execute({
      schema: sourceSchema,
      document: request.document,
      variableValues: request.variables ?? {},
      contextValue: { ...context, partialErrors } satisfies HubContext,
    });
    delegation.onPartialErrors(partialErrors);
    return result;
  };
}

function splitPartial(result: ExecutionResult): {
  readonly partial: readonly GraphQLError[];
  readonly result: ExecutionResult;
} {
  const { errors, ...rest } = result;
  if (errors === undefined) return { partial: [], result };
  const partial = errors.filter((error) => error.extensions[PARTIAL_EXTENSION] === true);
  const whole = errors.filter((error) => error.extensions[PARTIAL_EXTENSION] !== true);
  return { partial, result: whole.length === 0 ? rest : { ...rest, errors: whole } };
}

export interface PublicSchemaOptions {
  /** Subschemas beside the sources. What they add to `Dataset` is merged on `id`, however a dataset was reached. */
  readonly extensions?: readonly SubschemaConfig[];
  /**
   * Fields of `Dataset` that extensions add and this process can tell itself of its own sources' datasets, by name: what
   * is asked of a hundred of them need not be a hundred delegations.
   */
  readonly datasetFields?: DatasetFields;
  readonly fastLane: boolean;
}

type DatasetFields = Readonly<Record<string, (dataset: DatasetNode, args: never, context: HubContext) => unknown>>;

export interface PublicSchema {
  readonly schema: GraphQLSchema;
  /** Executes a validated question on `schema`, by the short way where there is one. */
  readonly execute: (args: ExecutionArgs) => unknown;
}

/** The schema the hub serves: sources, hub questions and extensions stitched into one. */
export function createPublicSchema({
  extensions = [],
  datasetFields = {},
  fastLane,
}: PublicSchemaOptions): PublicSchema {
  const sourceSchema = createSourceSchema();
  const sources: SubschemaConfig = {
    name: 'sources',
    schema: sourceSchema,
    executor: createSourceExecutor(sourceSchema) as NonNullable<SubschemaConfig['executor']>,
    merge: {
      Dataset: {
        // Under a name of its own: a caller may call anything else `id`.
        selectionSet: '{ civexKey: id }',
        key: ({ civexKey }: { civexKey: string }) => civexKey,
        resolve: (_original, context, info, subschema, selectionSet, key) =>
          delegateDataset(String(key), context as HubContext, info, subschema, selectionSet),
      },
    },
  };
  const foreignFields = collectForeignFields(extensions, sourceSchema, Object.keys(datasetFields));
  const isOwn = createOwnSelectionCheck(foreignFields);
  const isDirect = (info: GraphQLResolveInfo): boolean => fastLane && isOwn(info);

  const delegate = (id: string, context: HubContext, info: GraphQLResolveInfo): Promise<unknown> => {
    const stitching = info.schema.extensions['stitchingInfo'] as { subschemaMap: Map<unknown, Subschema> } | undefined;
    // Delegating to the bare config would work and silently never merge what other subschemas add.
    const subschema = stitching?.subschemaMap.get(sources);
    if (subschema === undefined) throw new HubError('INTERNAL', 'Internal error.', {}, 'sources are not stitched');
    return delegateDataset(id, context, info, subschema);
  };
  const ways = (info: GraphQLResolveInfo): ConnectionWays => ({ isDirect: isDirect(info), readRemoteSlice, delegate });

  const resolveDataset = async (id: string, context: HubContext, info: GraphQLResolveInfo): Promise<unknown> => {
    const ref = decodeDatasetId(id);
    const source = ref === null ? undefined : context.sources.get(ref.source);
    if (ref === null || source === undefined) return null;
    return source.kind === 'local' && isDirect(info)
      ? loadDatasetNode(source, ref.localId, context)
      : delegate(id, context, info);
  };

  const ofInfo = (field: 'title' | 'homepage' | 'country' | 'region' | 'languages' | 'kind') => ({
    selectionSet: '{ id }',
    resolve: async (ref: CatalogRef, _: unknown, context: HubContext) =>
      (await sourceOf(ref, context).describe(context))[field],
  });

  const resolvers = {
    ...scalarResolvers,
    Query: {
      catalogs: (_: unknown, { ids }: { ids?: readonly string[] | null }, context: HubContext) =>
        pickSources(ids, context).map(({ info }) => ({ id: info.source })),
      catalog: (_: unknown, { id }: { id: string }, context: HubContext) => (context.sources.has(id) ? { id } : null),
      datasets: (_: unknown, args: SliceArgs, context: HubContext, info: GraphQLResolveInfo) =>
        readDatasetConnection(pickSources(args.filter?.catalogs, context), args, context, info, ways(info)),
      dataset: (_: unknown, { id }: { id: string }, context: HubContext, info: GraphQLResolveInfo) =>
        resolveDataset(id, context, info),
      datasetsById: (
        _: unknown,
        { ids }: { ids: readonly string[] },
        context: HubContext,
        info: GraphQLResolveInfo,
      ) => {
        const { maxIds } = context.services.limits;
        if (ids.length > maxIds) throw new HubError('INPUT_TOO_COSTLY', `ids: at most ${maxIds}.`);
        const told = new Set<unknown>();
        return ids.map((id, index) =>
          resolveDataset(id, context, {
            ...info,
            path: { prev: info.path, key: index, typename: undefined },
          }).catch((error: unknown) => {
            // One failure of a source is one error, at the first entry it took away. A batch that failed here is one
            // error object; a remote source that cannot be reached says the same for each entry.
            const cause = findHubError(error);
            const { source } = decodeDatasetId(id) ?? {};
            const remote = source !== undefined && context.sources.get(source)?.kind === 'remote';
            const failure = remote && isRetryable(cause) ? `${source} ${cause?.code}` : (cause ?? error);
            if (told.has(failure)) return null;
            told.add(failure);
            throw error;
          }),
        );
      },
    },
    Catalog: {
      title: ofInfo('title'),
      homepage: ofInfo('homepage'),
      country: ofInfo('country'),
      region: ofInfo('region'),
      languages: ofInfo('languages'),
      adapter: ofInfo('kind'),
      datasetCount: {
        selectionSet: '{ id }',
        resolve: async (ref: CatalogRef, _: unknown, context: HubContext) =>
          // The portal counts what must not be noticed, too.
          context.access.mayConceal(ref.id) ? null : (await sourceOf(ref, context).health(context)).datasetCount,
      },
      health: {
        selectionSet: '{ id }',
        resolve: (ref: CatalogRef, _: unknown, context: HubContext) => readHealth(sourceOf(ref, context), context),
      },
      datasets: {
        selectionSet: '{ id }',
        resolve: (ref: CatalogRef, args: SliceArgs, context: HubContext, info: GraphQLResolveInfo) => {
          const asked = args.filter?.catalogs;
          const source = sourceOf(ref, context);
          // A filter that leaves this catalog out leaves nothing of it, as in `datasets`.
          const chosen = asked == null || pickSources(asked, context).includes(source) ? [source] : [];
          return readDatasetConnection(chosen, args, context, info, ways(info));
        },
      },
    },
  };

  const stitched = stitchSchemas<Record<string, unknown>>({
    subschemas: [sources, ...extensions],
    typeDefs: [SHARED_SDL, HUB_SDL],
    resolvers,
  });
  const own: OwnResolvers = {
    Query: resolvers.Query,
    Catalog: Object.fromEntries(Object.entries(resolvers.Catalog).map(([name, { resolve }]) => [name, resolve])),
    Dataset: datasetFields,
  };
  const schema = mapSchema(stitched, {
    [MapperKind.ROOT_FIELD]: (field, name) =>
      INTERNAL_ROOT.test(name) ? null : withResolver(field, own['Query']?.[name]),
    [MapperKind.TYPE]: (type) => (INTERNAL_TYPES.has(type.name) ? null : type),
    [MapperKind.OBJECT_FIELD]: (field, name, typeName) =>
      typeName === 'Dataset'
        ? withNodeResolver(field, datasetFields[name])
        : withResolver(field, own[typeName]?.[name] ?? PLAIN[typeName]?.[name]),
  });
  const executeStitched = (args: ExecutionArgs): ReturnType<typeof execute> =>
    execute({ ...args, document: settleSelections(args.document, args.variableValues ?? {}, args.operationName) });
  if (!fastLane) return { schema, execute: executeStitched };
  const executeFast = createFastExecute(schema, own, foreignFields);
  return { schema, execute: (args) => executeFast(args, executeStitched) };
}

/** Places of datasets in lists: values or methods of the hub's own objects. */
const PLAIN: Readonly<Record<string, Readonly<Record<string, typeof defaultFieldResolver>>>> = {
  DatasetConnection: { nodes: defaultFieldResolver },
  DatasetEdge: { node: defaultFieldResolver },
};

/**
 * Stitching wraps the hub's resolvers to complete what they return from other subschemas, by comparing each value with
 * the selection. The hub decides that itself (fast lane or delegation), so its resolvers run bare.
 */
function withResolver<Field extends { resolve?: unknown }>(field: Field, resolve: unknown): Field {
  return resolve === undefined ? field : { ...field, resolve };
}

/** The same for a field that another subschema tells of what does not come from this process. */
function withNodeResolver<Field extends { resolve?: unknown }>(
  field: Field,
  resolve: DatasetFields[string] | undefined,
): Field {
  if (resolve === undefined) return field;
  // Whatever stands in a schema as a resolver is one.
  const otherwise = (field.resolve ?? defaultFieldResolver) as GraphQLFieldResolver<unknown, HubContext>;
  return {
    ...field,
    resolve: (parent: unknown, args: never, context: HubContext, info: GraphQLResolveInfo): unknown =>
      parent instanceof DatasetNode ? resolve(parent, args, context) : otherwise(parent, args, context, info),
  };
}

/** Types the hub's own text defines. */
const HUB_TYPES: ReadonlySet<string> = new Set(
  [SHARED_SDL, HUB_SDL].flatMap((text) =>
    parse(text).definitions.flatMap((definition) => ('name' in definition ? (definition.name?.value ?? []) : [])),
  ),
);

/** Fields that subschemas beside the sources add to types of the hub. */
function collectForeignFields(
  extensions: readonly SubschemaConfig[],
  sourceSchema: GraphQLSchema,
  datasetFields: readonly string[],
): ReadonlyMap<string, ReadonlySet<string>> {
  const foreign = new Map<string, Set<string>>();
  for (const { schema } of extensions)
    for (const type of Object.values(schema.getTypeMap())) {
      if (!isObjectType(type) || type.name.startsWith('__') || type === schema.getQueryType()) continue;
      const own = sourceSchema.getType(type.name);
      // What one of them alone has is met behind a field of its own only.
      const isTheirs = extensions.filter((other) => other.schema.getType(type.name) !== undefined).length === 1;
      if (own === undefined && isTheirs && !HUB_TYPES.has(type.name)) continue;
      const fields = Object.keys(type.getFields()).filter(
        (name) =>
          (!isObjectType(own) || own.getFields()[name] === undefined) &&
          !(type.name === 'Dataset' && datasetFields.includes(name)),
      );
      if (fields.length > 0) foreign.set(type.name, new Set([...(foreign.get(type.name) ?? []), ...fields]));
    }
  return foreign;
}
