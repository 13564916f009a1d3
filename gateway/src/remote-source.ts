import { decodeDatasetId } from '@civex/model';
import { createCallTrace } from '@civex/adapter-contract';
import type { SourceHealth, SourceInfo } from '@civex/adapter-contract';
import { HUB_ERROR_CODES, HubError } from '@civex/errors';
import type { HubErrorCode } from '@civex/errors';
import type { HttpEnvironment, SourceHttp } from '@civex/http';
import type { ExecutionRequest } from '@graphql-tools/utils';
import { GraphQLError, print } from 'graphql';
import type { DocumentNode, ExecutionResult } from 'graphql';
import { createCall } from './context.ts';
import type { HubContext, RemoteSource } from './context.ts';
import { isSourceFailure } from './dataset-node.ts';
import { PARTIAL_EXTENSION } from './partial-errors.ts';
import { rememberHealth } from './remember-health.ts';
import { createSourceReport } from './source-report.ts';
import type { SourceReport } from './source-report.ts';
import { checkSliceArgs, failedSlice } from './source-slice.ts';
import type { SliceArgs, SliceKey, SourceSliceResult } from './source-slice.ts';

const CODES: ReadonlySet<string> = new Set(HUB_ERROR_CODES);
/** Codes a remote may say of its part. Any other would decide over the whole answer: its HTTP status, the other sources. */
const PASSED_ON: ReadonlySet<string> = new Set(
  HUB_ERROR_CODES.filter((code) => /^(SOURCE|INPUT)_/.test(code) || code === 'CAPABILITY_MISSING'),
);
const PRINTED = new WeakMap<DocumentNode, string>();

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * An error of a remote Civex as an error of ours. It says why in our own words; only what a caller got wrong is passed
 * on as the remote worded it (shortened, no control characters), because only the remote knows what it was.
 */
function toHubError(error: unknown, source: string): HubError {
  const extensions = isObject(error) && isObject(error['extensions']) ? error['extensions'] : {};
  const code = String(extensions['code']);
  const known = PASSED_ON.has(code) ? (code as HubErrorCode) : 'SOURCE_UNAVAILABLE';
  const wording =
    known.startsWith('INPUT_') && isObject(error) && typeof error['message'] === 'string'
      ? error['message'].replace(/\p{C}/gu, ' ').slice(0, 500)
      : 'The source could not answer.';
  const retryAfterMs = extensions['retryAfterMs'];
  return new HubError(known, wording, { source, ...(typeof retryAfterMs === 'number' ? { retryAfterMs } : {}) });
}

const isPath = (value: unknown): value is readonly (string | number)[] =>
  Array.isArray(value) && value.every((part) => typeof part === 'string' || typeof part === 'number');

function parseResult(text: string, source: string): ExecutionResult {
  const malformed = (): HubError =>
    new HubError('SOURCE_MALFORMED', 'The source gave an answer that is not a GraphQL result.', { source });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    if (cause instanceof SyntaxError) throw malformed();
    throw cause;
  }
  if (!isObject(value)) throw malformed();
  const { data, errors } = value;
  if (data !== undefined && data !== null && !isObject(data)) throw malformed();
  if (errors === undefined) {
    if (data === undefined) throw malformed();
    return { data };
  }
  if (!Array.isArray(errors)) throw malformed();
  return {
    ...(data === undefined ? {} : { data }),
    errors: errors.map((error: unknown) => {
      const originalError = toHubError(error, source);
      const partial =
        isObject(error) && isObject(error['extensions']) && error['extensions'][PARTIAL_EXTENSION] === true;
      return new GraphQLError(originalError.message, {
        originalError,
        path: isObject(error) && isPath(error['path']) ? error['path'] : null,
        extensions: partial ? { [PARTIAL_EXTENSION]: true } : {},
      });
    }),
  };
}

const INFO = `query ($source: ID!) { sourceInfo(source: $source) { title homepage country region languages adapter datasetCount
  health { state checkedAt reason latencyMs lostCapabilities { dataset capability since } } } }`;
const SLICE = `query ($source: ID!, $search: String, $filter: DatasetFilterInput, $orderBy: DatasetOrder!, $first: Int!, $after: String) {
  sourceSlice(source: $source, search: $search, filter: $filter, orderBy: $orderBy, first: $first, after: $after) {
    keys { id rank cursor } hasNextPage total totalIsExact
    report { catalog status fetchedAt age requests durationMs error { code message retryAfterMs } } } }`;

/** An entry that is not of the form, or not about a dataset of the source's form, is left out. */
function toLost(entry: unknown): NonNullable<SourceHealth['lostCapabilities']> {
  if (!isObject(entry)) return [];
  const { dataset, capability, since } = entry;
  const isSound =
    typeof dataset === 'string' &&
    decodeDatasetId(dataset) !== null &&
    typeof capability === 'string' &&
    /^[<>=a-zA-Z]{1,20}$/.test(capability) &&
    typeof since === 'string' &&
    Number.isFinite(Date.parse(since));
  return isSound ? [{ dataset, capability, since: new Date(since).toISOString() }] : [];
}

/** Reads of one remote, kept apart from the interface so that the slice can be asked with the trace of its own call. */
interface RemoteAsk {
  ask(query: string, variables: Readonly<Record<string, unknown>>, context: HubContext): Promise<ExecutionResult>;
}
const asks = new WeakMap<RemoteSource, RemoteAsk>();

/** A source served by another Civex process. Its schema is the source schema; its answers are checked, then stitched. */
export function createRemoteSource(
  info: SourceInfo,
  connect: () => SourceHttp,
  environment: HttpEnvironment,
): RemoteSource {
  const { source } = info;
  let http: SourceHttp | undefined;
  let described: SourceInfo | undefined;

  const ask: RemoteAsk['ask'] = (query, variables, context) => {
    http ??= connect();
    return http.read(
      { method: 'POST', path: '/graphql', body: { query, variables }, cache: 'none' },
      ({ status, mediaType, body }) => {
        if (mediaType !== 'application/json' && mediaType !== 'application/graphql-response+json')
          throw new HubError(
            status >= 400 ? 'SOURCE_UNAVAILABLE' : 'SOURCE_MALFORMED',
            'The source did not answer in GraphQL.',
            { source },
          );
        return parseResult(new TextDecoder('utf-8', { fatal: true }).decode(body), source);
      },
      createCall(context, createCallTrace()),
    );
  };

  const readInfo = async (context: HubContext): Promise<Readonly<Record<string, unknown>>> => {
    const { data, errors } = await ask(INFO, { source }, context);
    const value = data?.['sourceInfo'];
    if (!isObject(value))
      throw (
        errors?.[0]?.originalError ??
        new HubError('SOURCE_MALFORMED', 'The source did not describe itself.', { source })
      );
    return value;
  };

  const remote: RemoteSource = {
    kind: 'remote',
    info,
    execute(request: ExecutionRequest<Record<string, unknown>, HubContext>) {
      const { context, document, variables } = request;
      if (context === undefined) throw new HubError('INTERNAL', 'Internal error.', { source });
      let text = PRINTED.get(document);
      if (text === undefined) {
        text = print(document);
        PRINTED.set(document, text);
      }
      return ask(text, variables ?? {}, context);
    },
    async describe(context) {
      if (described !== undefined) return described;
      let value: Readonly<Record<string, unknown>>;
      try {
        value = await readInfo(context);
      } catch (error) {
        if (!isSourceFailure(error)) throw error;
        // Titles are never null: while the remote does not answer, what hub.yaml says of it stands in.
        return info;
      }
      const text = (key: string): string | null => (typeof value[key] === 'string' ? value[key] : null);
      const languages: unknown = value['languages'];
      described = {
        source,
        kind: text('adapter') ?? info.kind,
        title: text('title') ?? info.title,
        homepage: text('homepage'),
        country: text('country'),
        region: text('region'),
        languages: Array.isArray(languages) ? languages.filter((tag) => typeof tag === 'string') : [],
      };
      return described;
    },
    health: rememberHealth(environment, async (context): Promise<SourceHealth> => {
      const startedAt = environment.monotonicMs();
      try {
        const { health, datasetCount } = await readInfo(context);
        if (!isObject(health))
          throw new HubError('SOURCE_MALFORMED', 'The source did not tell its health.', { source });
        const { state, reason, latencyMs, lostCapabilities } = health;
        return {
          state: state === 'UP' || state === 'DEGRADED' ? state : 'DOWN',
          checkedAt: new Date(environment.now()).toISOString(),
          reason: typeof reason === 'string' && CODES.has(reason) ? reason : null,
          latencyMs: typeof latencyMs === 'number' ? latencyMs : null,
          datasetCount: typeof datasetCount === 'number' ? datasetCount : null,
          lostCapabilities: Array.isArray(lostCapabilities) ? lostCapabilities.flatMap(toLost) : [],
        };
      } catch (error) {
        if (!isSourceFailure(error)) throw error;
        return {
          state: 'DOWN',
          checkedAt: new Date(environment.now()).toISOString(),
          reason: error.code,
          latencyMs: environment.monotonicMs() - startedAt,
          datasetCount: null,
        };
      }
    }),
    async close() {
      await http?.[Symbol.asyncDispose]();
    },
  };
  asks.set(remote, { ask });
  return remote;
}

function toKey(value: unknown, source: string): SliceKey {
  if (
    !isObject(value) ||
    typeof value['id'] !== 'string' ||
    typeof value['cursor'] !== 'string' ||
    !value['id'].startsWith(`${source}:`)
  )
    throw new HubError('SOURCE_MALFORMED', 'The source listed something that is not one of its datasets.', { source });
  const rank = value['rank'];
  if (rank !== null && typeof rank !== 'number' && typeof rank !== 'string')
    throw new HubError('SOURCE_MALFORMED', 'The source ranked a dataset by something that has no order.', { source });
  return { id: value['id'], rank, cursor: value['cursor'] };
}

const STATUSES: ReadonlySet<unknown> = new Set(['OK', 'STALE', 'PARTIAL', 'FAILED', 'SKIPPED']);

/** A remote source's next datasets: their keys; the datasets are asked by id, with what the caller selects of them. */
export async function readRemoteSlice(
  remote: RemoteSource,
  args: SliceArgs,
  context: HubContext,
): Promise<SourceSliceResult> {
  const { source } = remote.info;
  const search = checkSliceArgs(args, context);
  const { services } = context;
  const startedAt = services.monotonicMs();
  const { catalogs: _, ...filter } = args.filter ?? {};
  const ownReport = (failure: { readonly error: unknown } | null): SourceReport =>
    createSourceReport(source, { ...createCallTrace(), requests: 1 }, services.monotonicMs() - startedAt, failure);
  try {
    const asked = asks.get(remote);
    if (asked === undefined) throw new HubError('INTERNAL', 'Internal error.', { source });
    const { data, errors } = await asked.ask(
      SLICE,
      { source, search, filter, orderBy: args.orderBy, first: args.first, after: args.after ?? null },
      context,
    );
    const slice = data?.['sourceSlice'];
    if (!isObject(slice))
      throw errors?.[0]?.originalError ?? new HubError('SOURCE_MALFORMED', 'The source gave no list.', { source });
    const { keys, total, report } = slice;
    if (
      !Array.isArray(keys) ||
      !isObject(report) ||
      !STATUSES.has(report['status']) ||
      keys.length > args.first ||
      (keys.length === 0 && slice['hasNextPage'] === true)
    )
      throw new HubError('SOURCE_MALFORMED', 'The source gave a list that is not one.', { source });
    const told = isObject(report['error']) ? toHubError({ extensions: report['error'] }, source) : null;
    const fetchedAt = typeof report['fetchedAt'] === 'string' ? Date.parse(report['fetchedAt']) : Number.NaN;
    return {
      keys: keys.map((key: unknown) => toKey(key, source)),
      hasNextPage: slice['hasNextPage'] === true,
      total: typeof total === 'number' ? total : null,
      totalIsExact: slice['totalIsExact'] === true,
      report: {
        catalog: source,
        status: report['status'] as SourceReport['status'],
        fetchedAt: Number.isNaN(fetchedAt) ? null : new Date(fetchedAt).toISOString(),
        age: typeof report['age'] === 'string' && /^PT[\d.]+S$/.test(report['age']) ? report['age'] : null,
        requests: typeof report['requests'] === 'number' ? report['requests'] : 1,
        durationMs: services.monotonicMs() - startedAt,
        error:
          told === null
            ? null
            : { code: told.code, message: told.message, retryAfterMs: told.facts.retryAfterMs ?? null },
      },
      fetchedAtEpochMs: Number.isNaN(fetchedAt) ? services.now() : fetchedAt,
      failure: told,
    };
  } catch (error) {
    if (!isSourceFailure(error)) throw error;
    return failedSlice(ownReport({ error }), error);
  }
}
