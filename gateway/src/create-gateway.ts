import { diffSources } from '@civex/config';
import type { HubConfig, SourceConfig, SourcesDiff } from '@civex/config';
import { createPacer, createUuid } from '@civex/environment';
import { HubError } from '@civex/errors';
import type { HttpEnvironment } from '@civex/http';
import { createRecordDoor } from '@civex/records';
import type { SubschemaConfig } from '@graphql-tools/delegate';
import { execute as executeOrdinarily, getOperationAST, parse } from 'graphql';
import type { ExecutionResult, GraphQLSchema } from 'graphql';
import { createYoga } from 'graphql-yoga';
import type { GraphQLParams, Plugin, YogaServerInstance } from 'graphql-yoga';
import { createHubContext } from './context.ts';
import { createCursorSeal, CURSOR_KEY_BYTES } from './cursor-seal.ts';
import { readAccessRules } from './access.ts';
import type { Asker } from './access.ts';
import type { HubContext, HubServices, HubSource, SourceSet } from './context.ts';
import { createErrorBoundary } from './error-boundary.ts';
import { openExport } from './exports.ts';
import type { ExportQuestion, OpenExport } from './exports.ts';
import { PARTIAL_EXTENSION } from './partial-errors.ts';
import { createPublicSchema, REMOTE_BATCH } from './public-schema.ts';
import type { PublicSchema } from './public-schema.ts';
import { checkBrackets, checkNulls, checkShape, checkVariables, costOf } from './query-limits.ts';
import type { QueryLimits } from './query-limits.ts';
import { createSourceSchema } from './source-schema.ts';
import { createSharingSubschema, readAccess } from './sharing-schema.ts';
import { createHubSource } from './sources.ts';
import type { AgreementStorage } from './storage/agreement-storage.ts';

export interface GatewayOptions {
  readonly config: HubConfig;
  readonly environment: HttpEnvironment;
  /** Subschemas beside the sources; see public-schema.ts. */
  readonly extensions?: readonly SubschemaConfig[];
  /** Default true. */
  readonly fastLane?: boolean;
  /** `hub`: the public schema. `source`: the source schema, for `civex serve-source`. Default `hub`. */
  readonly serves?: 'hub' | 'source';
  /** Everything the boundary masks, for the operator's log. */
  readonly reportError: (error: unknown) => void;
  /** How a configured source becomes one that can be asked. Default: by its adapter kind. */
  readonly createSource?: (config: SourceConfig, environment: HttpEnvironment) => HubSource;
  /** `CURSOR_KEY_BYTES` bytes that cursors are sealed with. Default: made up, so that cursors end with the gateway. */
  readonly cursorKey?: Uint8Array;
  /** Where agreements are kept. Default: nowhere, so that only open data is served. */
  readonly agreements?: AgreementStorage | undefined;
  readonly onCapabilityLost: (source: string, datasetId: string, op: string) => void;
}

/** Assembled and not listening: what a server, a test or a command asks. */
export interface Gateway {
  readonly schema: GraphQLSchema;
  readonly sources: () => SourceSet;
  /** Runs one GraphQL request through every plugin, as the server does. */
  execute(
    params: GraphQLParams,
    request: { readonly requestId?: string; readonly signal?: AbortSignal; readonly asker?: Asker },
  ): Promise<ExecutionResult>;
  /**
   * Opens an export and hands it to `send`; the sources it reads from stay until `send` has ended.
   *
   * @throws HubError as `openExport`, and whatever `send` throws.
   */
  withExport(
    question: ExportQuestion,
    request: { readonly signal: AbortSignal; readonly asker?: Asker },
    send: (opened: OpenExport) => Promise<void>,
  ): Promise<void>;
  createContext(signal?: AbortSignal, asker?: Asker): HubContext;
  /** Replaces the sources; requests under way finish on the ones they began with. */
  replaceSources(config: HubConfig): SourcesDiff;
  readonly yoga: YogaServerInstance<object, object>;
  close(): Promise<void>;
}

/** Errors of one answer at most, for each question a document stands for. */
const MAX_ERRORS = 50;

/** Bytes of portals' answers looked at in one turn of the event loop: a few milliseconds of work. */
const TURN_BYTES = 131_072;

export function createGateway(options: GatewayOptions): Gateway {
  const pacer = createPacer(options.environment, TURN_BYTES);
  const environment: HttpEnvironment = { ...options.environment, pacer };
  const { limits } = options.config;
  const createSource = options.createSource ?? createHubSource;
  const isHub = options.serves !== 'source';
  /** A hub batches what it asks a source, so one document may stand for many questions. */
  const questions = isHub ? 1 : REMOTE_BATCH;
  const queryLimits: QueryLimits = { ...limits, questions };
  const cursorKey = options.cursorKey ?? environment.randomBytes(CURSOR_KEY_BYTES);
  const services: HubServices = {
    door: createRecordDoor({
      scanRecords: limits.scanRecords,
      maxFirst: limits.maxFirst,
      aggregateRecords: limits.aggregateRecords,
      onCapabilityLost: options.onCapabilityLost,
      probes: options.config.server.capabilityProbes ? environment : undefined,
      cursorSeal: createCursorSeal(cursorKey, 'records'),
    }),
    limits: {
      requestTimeoutMs: limits.requestTimeoutMs,
      maxFirst: limits.maxFirst,
      maxIds: 500,
      maxScanned: 20_000,
      maxDescribed: 200,
    },
    cursorSeal: createCursorSeal(cursorKey, 'datasets'),
    now: () => environment.now(),
    monotonicMs: () => environment.monotonicMs(),
    accessRules: () => rules,
    agreements: options.agreements ?? null,
    randomBytes: (size) => environment.randomBytes(size),
    pacer,
    fastLane: options.fastLane ?? true,
  };
  const { schema, execute }: PublicSchema = isHub
    ? createPublicSchema({
        fastLane: services.fastLane,
        datasetFields: { access: (dataset, _, context) => readAccess(dataset, context) },
        extensions: [createSharingSubschema((): GraphQLSchema => schema, queryLimits), ...(options.extensions ?? [])],
      })
    : { schema: createSourceSchema(), execute: executeOrdinarily };

  let config = options.config;
  let rules = readAccessRules(config);
  let sources: SourceSet = new Map(config.sources.map((source) => [source.id, createSource(source, environment)]));
  /** Requests under way, by the set of sources they began with. */
  const users = new Map<SourceSet, number>();
  /** Dropped by a reload; closed when no request under way can still ask them. */
  const dropped = new Set<HubSource>();

  const closeDropped = (): void => {
    for (const source of dropped) {
      if ([...users.keys()].some((set) => set.get(source.info.source) === source)) continue;
      dropped.delete(source);
      source.close().catch(options.reportError);
    }
  };

  const occupy = (set: SourceSet): void => {
    users.set(set, (users.get(set) ?? 0) + 1);
  };

  const release = (set: SourceSet): void => {
    const left = (users.get(set) ?? 1) - 1;
    if (left > 0) users.set(set, left);
    else {
      users.delete(set);
      if (dropped.size > 0) closeDropped();
    }
  };

  const boundary = createErrorBoundary(options.reportError);

  const limitPlugin: Plugin = {
    onParse({ setParseFn }) {
      setParseFn((source, parseOptions) => {
        const text = typeof source === 'string' ? source : source.body;
        checkBrackets(text);
        const document = parse(source, { ...parseOptions, maxTokens: queryLimits.queryTokens * questions });
        checkShape(document, queryLimits);
        return document;
      });
    },
    onExecute({ args, setExecuteFn, setResultAndStopExecution }) {
      setExecuteFn(execute as Parameters<typeof setExecuteFn>[0]);
      const operation = getOperationAST(args.document, args.operationName);
      if (operation === null || operation === undefined) return;
      const variables = (args.variableValues ?? {}) as Record<string, unknown>;
      try {
        checkVariables(variables, questions);
        checkNulls(schema, args.document, operation, variables);
        const cost = costOf(schema, args.document, operation, variables, sources.size);
        const limit = queryLimits.cost * questions;
        if (cost > limit)
          throw new HubError(
            'INPUT_TOO_COSTLY',
            `This query would cost about ${Math.round(cost)}, the limit is ${limit}: ask for fewer entries (first), fewer fields with records, or in several requests.`,
          );
      } catch (error) {
        setResultAndStopExecution({ errors: [boundary.maskError(error)] });
      }
    },
  };

  /** Adds the located errors of fields that have a value all the same. */
  const errorsPlugin: Plugin = {
    onExecute({ args }) {
      return {
        onExecuteDone({ result, setResult }) {
          const { partialErrors } = args.contextValue as unknown as HubContext;
          if (partialErrors.length === 0 || Symbol.asyncIterator in result) return;
          const mark = isHub ? {} : { [PARTIAL_EXTENSION]: true };
          const partial = partialErrors.map((error) => boundary.maskError(error, mark));
          setResult({ ...result, errors: [...(result.errors ?? []), ...partial] });
        },
      };
    },
  };

  const yoga = createYoga({
    schema,
    graphqlEndpoint: '/graphql',
    batching: false,
    multipart: false,
    cors: false,
    logging: false,
    landingPage: false,
    graphiql: false,
    healthCheckEndpoint: '/__unused',
    maskedErrors: { maskError: (error) => boundary.maskError(error), errorMessage: 'Internal error.' },
    plugins: [boundary.plugin, limitPlugin, errorsPlugin],
  });

  const createContext = (signal?: AbortSignal, asker?: Asker, requestId = createUuid(environment)): HubContext =>
    createHubContext(services, sources, { requestId, signal, asker });

  return {
    schema,
    sources: () => sources,
    yoga,
    createContext,
    async withExport(question, { signal, asker }, send) {
      const context = createHubContext(services, sources, {
        requestId: createUuid(environment),
        signal,
        asker,
        timeoutMs: limits.exportSeconds * 1_000,
      });
      occupy(context.sources);
      try {
        await send(await openExport(question, context));
      } catch (error) {
        // Not the caller's doing, and the answer may have begun: the operator learns of it here.
        if (!signal.aborted) options.reportError(error);
        throw error;
      } finally {
        release(context.sources);
      }
    },
    async execute(params, { requestId, signal, asker }) {
      const context = createContext(signal, asker, requestId);
      occupy(context.sources);
      try {
        const result = (await yoga.getResultForParams(
          { params, request: PLACEHOLDER_REQUEST },
          { ...context },
        )) as ExecutionResult;
        if (result.errors === undefined) return result;
        // Faults of validation come as graphql-js made them; what the boundary made passes as it is.
        const errors = result.errors.slice(0, MAX_ERRORS * questions).map((error) => boundary.maskError(error));
        return { ...result, errors };
      } finally {
        release(context.sources);
      }
    },
    replaceSources(next) {
      const diff = diffSources(config, next);
      const renewed = new Set([...diff.added, ...diff.changed]);
      const before = sources;
      sources = new Map(
        next.sources.map((source) => {
          const running = renewed.has(source.id) ? undefined : before.get(source.id);
          return [source.id, running ?? createSource(source, environment)];
        }),
      );
      config = next;
      rules = readAccessRules(next);
      for (const [id, source] of before) if (sources.get(id) !== source) dropped.add(source);
      closeDropped();
      return diff;
    },
    async close() {
      await yoga.dispose();
      pacer.close();
      await Promise.all([...sources.values(), ...dropped].map((source) => source.close()));
    },
  };
}

/** Plugins may look at a request; the hub's own never do: what matters of it is in the context. */
const PLACEHOLDER_REQUEST = new Request('http://hub.invalid/graphql', { method: 'POST' });
