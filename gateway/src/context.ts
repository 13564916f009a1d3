import { createCallTrace } from '@civex/adapter-contract';
import type { Call, CallTrace, SourceAdapter, SourceHealth, SourceInfo } from '@civex/adapter-contract';
import type { Pacer } from '@civex/environment';
import { isHubError } from '@civex/errors';
import type { Dataset } from '@civex/model';
import type { CursorSeal, RecordDoor } from '@civex/records';
import type { SliceLimits } from '@civex/catalog';
import type { ExecutionRequest, ExecutionResult } from '@graphql-tools/utils';
import DataLoader from 'dataloader';
import type { GraphQLError } from 'graphql';
import { ANONYMOUS, createRequestAccess } from './access.ts';
import type { AccessRules, Asker, RequestAccess } from './access.ts';
import type { AgreementStorage } from './storage/agreement-storage.ts';

/** A source whose adapter runs in this process. */
export interface LocalSource {
  readonly kind: 'local';
  readonly info: SourceInfo;
  readonly adapter: SourceAdapter;
  describe(context: HubContext): SourceInfo | Promise<SourceInfo>;
  /** Answered from the last check when that is at most `healthSeconds` old. */
  health(context: HubContext): Promise<SourceHealth>;
  close(): Promise<void>;
}

/** A source served by another Civex process (`civex serve-source`) and asked over HTTP. */
export interface RemoteSource {
  readonly kind: 'remote';
  readonly info: SourceInfo;
  readonly execute: (request: ExecutionRequest<Record<string, unknown>, HubContext>) => Promise<ExecutionResult>;
  describe(context: HubContext): SourceInfo | Promise<SourceInfo>;
  health(context: HubContext): Promise<SourceHealth>;
  close(): Promise<void>;
}

export type HubSource = LocalSource | RemoteSource;

/** The configured sources in the order of hub.yaml. Replaced as a whole on reload; a request keeps the one it began with. */
export type SourceSet = ReadonlyMap<string, HubSource>;

interface HubLimits extends SliceLimits {
  readonly requestTimeoutMs: number;
  readonly maxFirst: number;
  /** Ids of one `datasetsById`. */
  readonly maxIds: number;
}

export interface HubServices {
  readonly door: RecordDoor;
  readonly limits: HubLimits;
  /** For cursors of lists of datasets. */
  readonly cursorSeal: CursorSeal;
  /** Wall clock, epoch milliseconds: for what people read. */
  now(): number;
  /** The clock of deadlines and durations, milliseconds; never steps. */
  monotonicMs(): number;
  /** What hub.yaml says of restricted data, at this moment. */
  accessRules(): AccessRules;
  /** Null: this hub keeps no agreements. */
  readonly agreements: AgreementStorage | null;
  /** Bytes nobody can foresee. */
  randomBytes(size: number): Uint8Array;
  /** Spreads work that is there at once; in bytes. */
  readonly pacer: Pacer;
  /** False sends every question through delegation; for tests that compare both ways. */
  readonly fastLane: boolean;
}

export interface LoadedDataset {
  readonly dataset: Dataset;
  readonly fetchedAtEpochMs: number;
}

/**
 * Everything that belongs to one request and dies with it: loaders, traces, delegation batches. Never shared, never
 * reused: two callers must not meet in it.
 */
export interface HubContext {
  readonly requestId: string;
  readonly signal: AbortSignal;
  /** On the monotonic clock. */
  readonly deadlineEpochMs: number;
  readonly sources: SourceSet;
  readonly services: HubServices;
  /** What the caller may know and read. */
  readonly access: RequestAccess;
  readonly datasetLoaders: Map<string, DataLoader<string, LoadedDataset | null>>;
  /** Located errors of fields that have a value all the same; see partial-errors.ts. */
  readonly partialErrors: GraphQLError[];
}

let neverAborted: AbortSignal | undefined;

export function createHubContext(
  services: HubServices,
  sources: SourceSet,
  request: {
    readonly requestId: string;
    readonly signal?: AbortSignal | undefined;
    /** Default: nobody in particular. */
    readonly asker?: Asker | undefined;
    /** Default: that of a GraphQL request. */
    readonly timeoutMs?: number;
  },
): HubContext {
  neverAborted ??= new AbortController().signal;
  return {
    requestId: request.requestId,
    signal: request.signal ?? neverAborted,
    deadlineEpochMs: services.monotonicMs() + (request.timeoutMs ?? services.limits.requestTimeoutMs),
    sources,
    services,
    access: createRequestAccess(request.asker ?? ANONYMOUS, services.accessRules(), services.agreements, () =>
      services.now(),
    ),
    datasetLoaders: new Map(),
    partialErrors: [],
  };
}

/** Built field by field: passing the context itself would type-check and hand the adapter the whole request. */
export function createCall(context: HubContext, trace: CallTrace): Call {
  const { signal, deadlineEpochMs, requestId, services } = context;
  return { signal, deadlineEpochMs, requestId, trace, pace: (size) => services.pacer.pass(size) };
}

/** The loader of one source in one request: every id asked in a tick travels in one upstream request, and once only. */
export function datasetLoader(context: HubContext, source: LocalSource): DataLoader<string, LoadedDataset | null> {
  const known = context.datasetLoaders.get(source.info.source);
  if (known !== undefined) return known;
  const { adapter } = source;
  const loader = new DataLoader<string, LoadedDataset | null>(
    async (localIds) => {
      const trace = createCallTrace();
      const outcomes = await adapter.catalog.getMany(localIds, createCall(context, trace));
      const fetchedAtEpochMs = trace.fetchedAtEpochMs ?? context.services.now();
      return Promise.all(
        outcomes.map(async (outcome) => {
          if (outcome === null || isHubError(outcome)) return outcome;
          const dataset = await context.access.disclose(outcome);
          // One that may not be known of is none.
          return dataset === null ? null : { dataset, fetchedAtEpochMs };
        }),
      );
    },
    { maxBatchSize: adapter.catalog.maxBatchKeys },
  );
  context.datasetLoaders.set(source.info.source, loader);
  return loader;
}
