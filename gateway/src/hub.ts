import type { HubConfig, SourcesDiff } from '@civex/config';
import { createSystemEnvironment } from '@civex/environment';
import type { Environment } from '@civex/environment';
import { isHubError } from '@civex/errors';
import { createLogger, createMetrics } from '@civex/telemetry';
import type { ExecutionResult } from 'graphql';
import { createTokenService } from '@civex/token-service';
import type { TokenService } from '@civex/token-service';
import type { AgreementStorage } from './storage/agreement-storage.ts';
import { checkRestrictions } from './check-restrictions.ts';
import { createGateway } from './create-gateway.ts';
import type { Gateway } from './create-gateway.ts';
import { readCursorKey } from './data-folder.ts';
import { createGatekeeper } from './gatekeeper.ts';
import { openHubStore } from './storage/hub-store.ts';
import { listCapabilities } from './list-capabilities.ts';
import type { SourceCapabilities } from './list-capabilities.ts';
import { REMOTE_BATCH } from './public-schema.ts';
import { startServer } from './server.ts';
import type { ConnectionWaits } from './server.ts';
import { readHealth } from './source-health.ts';
import type { ReportedHealth } from './source-health.ts';

export interface HubSourceState {
  readonly id: string;
  readonly adapter: string;
  readonly title: string;
  readonly state: 'UP' | 'DEGRADED' | 'DOWN' | 'UNKNOWN';
  /** One of our error codes. */
  readonly reason: string | null;
  readonly datasets: number | null;
  readonly latencyMs: number | null;
  readonly lostCapabilities: ReportedHealth['lostCapabilities'];
}

/** What a hub that knows its callers keeps. */
interface HubSharing {
  readonly agreements: AgreementStorage;
  /** Null: this hub issues no tokens itself. */
  readonly tokenService: TokenService | null;
}

export interface RunningHub {
  readonly url: string;
  /** Null: a hub of open data alone. */
  readonly sharing: HubSharing | null;
  /** Asks every source for its health, all at once. */
  sources(): Promise<readonly HubSourceState[]>;
  /** How each source decides each operator, probed. Sources served by other processes are asked there. */
  capabilities(): Promise<readonly SourceCapabilities[]>;
  execute(query: string, variables?: Readonly<Record<string, unknown>>): Promise<ExecutionResult>;
  /** Takes over the sources of a new configuration without dropping requests under way. Server settings need a restart. */
  reload(config: HubConfig): Promise<SourcesDiff>;
  close(): Promise<void>;
}

export interface StartHubOptions {
  readonly config: HubConfig;
  /** One line of structured log. */
  readonly log: (line: string) => void;
  readonly port?: number;
  readonly host?: string;
  /** How long callers may take; those left out as `CONNECTION_WAITS` of server.ts. */
  readonly waits?: Partial<ConnectionWaits>;
  /** A PostgreSQL server for what the hub keeps, from 15 on. Secret. Default: the embedded one. */
  readonly databaseUrl?: string | undefined;
  /** Clocks, timers, chance and network. Default: this machine's. */
  readonly environment?: Environment;
}

async function start(
  { config, log, port, host, waits, databaseUrl, environment = createSystemEnvironment() }: StartHubOptions,
  serves: 'hub' | 'source',
): Promise<{
  readonly gateway: Gateway;
  /** To be called when another configuration was taken over. */
  readonly watchRestrictions: () => void;
  readonly url: string;
  readonly sharing: HubSharing | null;
  readonly close: () => Promise<void>;
}> {
  const logger = createLogger({ write: log, level: 'info', now: () => environment.now() });
  const metrics = createMetrics();
  const cursorKey = await readCursorKey(config.server.dataFolder, environment);
  const { issuers, tokenService } = config.identity;
  // Only who can be told apart from others can have agreements.
  const knowsCallers = serves === 'hub' && (issuers.length > 0 || tokenService);
  const store = knowsCallers
    ? await openHubStore({
        dataFolder: config.server.dataFolder,
        databaseUrl,
        environment,
        log: { warn: (event) => logger.warn(event) },
      })
    : null;
  const gateway = createGateway({
    config,
    agreements: store?.agreements,
    serves,
    cursorKey,
    environment: { ...environment, metrics },
    reportError: (error) => {
      if (isHubError(error) && error.code.startsWith('INPUT_')) return;
      logger.warn('request.error', { error });
    },
    onCapabilityLost: (source, datasetId, capability) => {
      metrics.capabilityLost(source, capability);
      logger.warn('source.capability-lost', { source, datasetId, capability });
    },
  });
  metrics.sourcesConfigured(config.sources.length);
  const server = await startServer({
    gateway,
    host: host ?? config.server.host,
    port: port ?? config.server.port,
    graphiql: config.server.graphiql && serves === 'hub',
    bodyBytes: config.limits.bodyBytes,
    questions: serves === 'hub' ? 1 : REMOTE_BATCH,
    concurrentRequests: config.limits.concurrentRequests,
    concurrentExports: config.limits.concurrentExports,
    drainSeconds: config.limits.drainSeconds,
    ...(waits === undefined ? {} : { waits }),
    renderMetrics: async () => ({ contentType: metrics.contentType, text: await metrics.render() }),
    onRequest: (outcome, durationMs) => metrics.graphql(outcome, durationMs),
    onExport: (outcome, durationMs) => metrics.export(outcome, durationMs),
    createGatekeeper:
      store === null
        ? undefined
        : (url) =>
            createGatekeeper({
              config,
              url,
              environment: { ...environment, metrics },
              replay: store.replay,
              createTokenService: tokenService
                ? (names) =>
                    createTokenService({
                      ...names,
                      storage: store.tokens,
                      environment,
                      log: { warn: (event) => logger.warn(event) },
                    })
                : null,
            }),
    environment,
  }).catch(async (error: unknown) => {
    await gateway.close();
    await store?.close();
    throw error;
  });
  const closing = new AbortController();
  /** A restricted dataset under a wrong id is an open one. Nobody waits for this. */
  const watchRestrictions = (): void => {
    checkRestrictions(gateway.createContext(closing.signal)).then(
      ({ missing, unchecked }) => {
        if (closing.signal.aborted) return;
        for (const datasetId of missing) logger.warn('sharing.restricted-dataset-missing', { datasetId });
        for (const datasetId of unchecked) logger.warn('sharing.restricted-dataset-unchecked', { datasetId });
      },
      (error: unknown) => logger.warn('request.error', { error }),
    );
  };
  watchRestrictions();
  return {
    gateway,
    watchRestrictions,
    url: server.url,
    sharing: store === null ? null : { agreements: store.agreements, tokenService: server.gate.tokenService },
    async close() {
      closing.abort();
      await server.close();
      await gateway.close();
      await store?.close();
    },
  };
}

/** Starts the hub of a configuration. @throws the socket's error when the address cannot be taken. */
export async function startHub(options: StartHubOptions): Promise<RunningHub> {
  const { gateway, watchRestrictions, url, sharing, close } = await start(options, 'hub');
  return {
    url,
    sharing,
    close,
    async sources() {
      const context = gateway.createContext();
      return Promise.all(
        [...gateway.sources().values()].map(async (source): Promise<HubSourceState> => {
          const { source: id, kind, title } = source.info;
          const health = await readHealth(source, context, () => true);
          return {
            id,
            adapter: kind,
            title,
            state: health.state,
            reason: health.reason,
            datasets: health.datasetCount,
            latencyMs: health.latencyMs,
            lostCapabilities: health.lostCapabilities,
          };
        }),
      );
    },
    async capabilities() {
      const lists: SourceCapabilities[] = [];
      // One after the other, each with a time of its own: it is many requests, and nobody is in a hurry.
      for (const source of gateway.sources().values())
        if (source.kind === 'local') lists.push(await listCapabilities(source, gateway.createContext()));
      return lists;
    },
    execute: (query, variables) => gateway.execute({ query, ...(variables === undefined ? {} : { variables }) }, {}),
    reload(config) {
      const diff = gateway.replaceSources(config);
      watchRestrictions();
      return Promise.resolve(diff);
    },
  };
}

/** Serves one source as a GraphQL process of its own, for a hub that names it with `adapter: civex`. */
export async function startSourceServer(
  options: StartHubOptions & { readonly source: string },
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const sources = options.config.sources.filter(({ id }) => id === options.source);
  const { url, close } = await start({ ...options, config: { ...options.config, sources } }, 'source');
  return { url, close };
}
