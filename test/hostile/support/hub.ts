import { defaultHubConfig } from '@civex/config';
import type { HubConfig, HubLimits, SourceInput } from '@civex/config';
import { createSystemEnvironment } from '@civex/environment';
import type { Environment, ResolvedAddress, Timer } from '@civex/environment';
import { isHubError } from '@civex/errors';
import { adapterOptionSchemas, createGateway } from '@civex/gateway';
import type { Gateway } from '@civex/gateway';
import { createLogger } from '@civex/telemetry';
import type { GraphQLFault, Loose, Variables } from '../../test-support/test-hub.ts';

/** How much faster the hub's clocks run than the machine's: its limits of seconds pass in quarters of them. */
export const SPEED = 4;

/** What a name resolves to; an error stands for what a resolver says, null for one that never answers. */
export type Resolution = readonly ResolvedAddress[] | Error | null;
export const LOOPBACK: readonly ResolvedAddress[] = [{ address: '127.0.0.1', family: 4 }];

/** What lies behind the names of a test. */
export interface Names {
  resolve(hostname: string): Resolution;
  /** The port that really listens behind a name; null: a SYN that nobody answers. */
  port(hostname: string, port: number): number | null;
}

export interface CountingEnvironment extends Environment {
  liveTimers(): number;
  openSockets(): number;
}

/** This machine's environment, with clocks that run faster, names of the test's own, and everything counted. */
export function createCountingEnvironment(names: Names, speed = SPEED): CountingEnvironment {
  const system = createSystemEnvironment();
  const startMs = system.monotonicMs();
  const startEpochMs = system.now();
  const timers = new Set<Timer>();
  let sockets = 0;
  const passedMs = (): number => Math.floor((performance.timeOrigin + performance.now() - startMs) * speed);
  return {
    now: () => startEpochMs + passedMs(),
    monotonicMs: () => startMs + passedMs(),
    setTimer(callback, delayMs, options) {
      const timer = system.setTimer(
        () => {
          timers.delete(timer);
          callback();
        },
        Math.ceil(delayMs / speed),
        options,
      );
      timers.add(timer);
      return timer;
    },
    clearTimer(timer) {
      if (timer !== null && timer !== undefined) timers.delete(timer);
      system.clearTimer(timer);
    },
    random: () => system.random(),
    randomBytes: (size) => system.randomBytes(size),
    network: {
      resolve(hostname, done) {
        const found = names.resolve(hostname);
        if (found === null) return;
        setImmediate(() => (found instanceof Error ? done(found, []) : done(null, found)));
      },
      createConnector(options) {
        const connect = system.network.createConnector(options);
        return (target, done) => {
          const port = names.port(target.hostname, target.port);
          if (port === null) {
            sockets += 1;
            return {
              destroy() {
                sockets -= 1;
              },
            };
          }
          let isCounted = true;
          sockets += 1;
          const discount = (): void => {
            if (isCounted) sockets -= 1;
            isCounted = false;
          };
          const pending = connect({ ...target, port }, (error, socket) => {
            if (socket === null) discount();
            else socket.once('close', discount);
            done(error, socket);
          });
          return {
            destroy() {
              discount();
              pending.destroy();
            },
          };
        };
      },
    },
    liveTimers: () => timers.size,
    openSockets: () => sockets,
  };
}

export const NO_CACHE = { catalogSeconds: 0, recordsSeconds: 0, staleIfErrorSeconds: 0, maxBytes: 0 } as const;

/** Milliseconds of the hub's clock. */
export const LIMITS = {
  connectTimeoutMs: 2_000,
  headersTimeoutMs: 3_000,
  totalTimeoutMs: 4_000,
  requestTimeoutMs: 5_000,
  exportSeconds: 10,
} as const;

/** Sent to every portal as its key, and to nobody else. */
export const SECRET = 'canary-secret-7f3a';

export interface HubPlan {
  readonly sources: readonly SourceInput[];
  readonly names: Names;
  readonly limits?: Partial<HubLimits>;
}

interface HubAnswer {
  readonly data: Loose;
  readonly errors: readonly GraphQLFault[];
  /** On the machine's clock. */
  readonly tookMs: number;
}

/** How an export ended. `code` is null for one that is complete. */
interface ExportEnd {
  readonly code: string | null;
  /** True when bytes had left before it failed. */
  readonly hasBegun: boolean;
  readonly text: string;
  readonly tookMs: number;
}

export interface TestHub extends AsyncDisposable {
  readonly gateway: Gateway;
  readonly environment: CountingEnvironment;
  readonly log: readonly string[];
  ask(query: string, variables?: Variables): Promise<HubAnswer>;
  export(datasetId: string, format?: 'csv' | 'ndjson' | 'geojson'): Promise<ExportEnd>;
}

/** A portal of a test as hub.yaml would have it. */
export const toSource = (id: string, kind: string, overrides: Partial<SourceInput> = {}): SourceInput => ({
  id,
  adapter: kind,
  url: `http://${id}.test`,
  languages: ['fr'],
  privateNetwork: ['127.0.0.1/32'],
  apiKeyEnv: 'PORTAL_KEY',
  apiKeyHeader: 'x-api-key',
  cache: NO_CACHE,
  ...overrides,
  limits: {
    connectTimeoutMs: LIMITS.connectTimeoutMs,
    headersTimeoutMs: LIMITS.headersTimeoutMs,
    totalTimeoutMs: LIMITS.totalTimeoutMs,
    maxAnswerBytes: 2_000_000,
    maxStreamBytes: 3_000_000,
    ...overrides.limits,
  },
});

function toConfig(sources: readonly SourceInput[], limits: Partial<HubLimits> = {}): HubConfig {
  const config = defaultHubConfig(sources, { adapters: adapterOptionSchemas, env: { PORTAL_KEY: SECRET } });
  return {
    ...config,
    // Each request is what is looked at.
    server: { ...config.server, capabilityProbes: false },
    limits: {
      ...config.limits,
      requestTimeoutMs: LIMITS.requestTimeoutMs,
      exportSeconds: LIMITS.exportSeconds,
      cost: 10_000_000,
      ...limits,
    },
  };
}

/** A hub without a listener: the real gateway over the real adapters, the real client and real sockets. */
export function createTestHub({ sources, names, limits }: HubPlan): TestHub {
  const environment = createCountingEnvironment(names);
  const log: string[] = [];
  const logger = createLogger({ write: (line) => log.push(line), level: 'info', now: () => environment.now() });
  const gateway = createGateway({
    config: toConfig(sources, limits),
    environment: { ...environment, metrics: { upstream() {}, circuit() {} } },
    reportError: (error) => logger.warn('request.error', { error }),
    onCapabilityLost: (source, datasetId, capability) =>
      logger.warn('source.capability-lost', { source, datasetId, capability }),
  });
  return {
    gateway,
    environment,
    log,
    async ask(query, variables = {}) {
      const startedAt = performance.now();
      const result = await gateway.execute({ query, variables: { ...variables } }, {});
      const tookMs = performance.now() - startedAt;
      // As it goes over the wire.
      const { data, errors = [] } = JSON.parse(JSON.stringify(result)) as {
        data: Loose;
        errors?: readonly GraphQLFault[];
      };
      return { data, errors, tookMs };
    },
    async export(datasetId, format = 'ndjson') {
      const startedAt = performance.now();
      const pieces: Uint8Array[] = [];
      let code: string | null = null;
      try {
        await gateway.withExport(
          { datasetId, format, filter: null, cql: null, properties: null, sortBy: [], ids: false, after: null },
          { signal: new AbortController().signal },
          async ({ chunks }) => {
            for await (const chunk of chunks) pieces.push(chunk);
          },
        );
      } catch (error) {
        code = isHubError(error) ? error.code : `INTERNAL (${String(error)})`;
      }
      const text = Buffer.concat(pieces).toString('utf8');
      return { code, hasBegun: pieces.length > 0, text, tookMs: performance.now() - startedAt };
    },
    [Symbol.asyncDispose]: () => gateway.close(),
  };
}
