import { request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { defaultHubConfig } from '@civex/config';
import type { HubConfig, HubLimits, SourceConfig } from '@civex/config';
import { createSystemEnvironment } from '@civex/environment';
import { createGateway } from '../create-gateway.ts';
import type { Gateway, GatewayOptions } from '../create-gateway.ts';
import { startServer } from '../server.ts';
import type { ServerOptions } from '../server.ts';
import { createFakeSource } from './fake-source.ts';
import type { FakeSource } from './fake-source.ts';

const NOW = 1_772_323_200_000;
/** Both clocks stand still. */
const ENVIRONMENT = { ...createSystemEnvironment(), now: () => NOW, monotonicMs: () => NOW };

export function testConfig(ids: readonly string[], limits: Partial<HubLimits> = {}): HubConfig {
  const config = defaultHubConfig(ids.map((id) => ({ id, adapter: 'fake', url: 'https://portal.invalid' })));
  return { ...config, limits: { ...config.limits, ...limits } };
}

export interface TestGateway {
  readonly gateway: Gateway;
  /** The sources in the order in which they were created. */
  readonly sources: FakeSource[];
  /** What the boundary masked. */
  readonly masked: unknown[];
}

export interface TestGatewayOptions extends Partial<
  Pick<GatewayOptions, 'cursorKey' | 'extensions' | 'fastLane' | 'serves'>
> {
  /** Default `a` and `b`, five datasets each. */
  readonly config?: HubConfig;
  readonly createSource?: (config: SourceConfig) => FakeSource;
}

/** A gateway over sources in memory: every plugin, no socket. */
export function createTestGateway(options: TestGatewayOptions = {}): TestGateway {
  const { config = testConfig(['a', 'b']), createSource = ({ id }) => createFakeSource(id, 5), ...rest } = options;
  const sources: FakeSource[] = [];
  const masked: unknown[] = [];
  const gateway = createGateway({
    ...rest,
    config,
    environment: { ...ENVIRONMENT, metrics: { upstream() {}, circuit() {} } },
    reportError: (error) => masked.push(error),
    onCapabilityLost() {},
    createSource(sourceConfig) {
      const source = createSource(sourceConfig);
      sources.push(source);
      return source;
    },
  });
  return { gateway, sources, masked };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
  /** The body as JSON; undefined when it is none. */
  readonly json: GraphQLBody | undefined;
}

interface GraphQLBody {
  readonly data?: Readonly<Record<string, unknown>> | null;
  readonly errors?: readonly {
    readonly message: string;
    readonly path?: readonly (string | number)[];
    readonly locations?: readonly unknown[];
    readonly extensions: Readonly<Record<string, unknown>>;
  }[];
}

export interface SendOptions {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | Uint8Array;
}

export interface TestHub extends TestGateway {
  readonly url: string;
  readonly port: number;
  /** Outcome of every GraphQL request, as counted. */
  readonly outcomes: string[];
  send(options: SendOptions): Promise<Answer>;
  /** One GraphQL request as most clients send it. */
  post(query: string, variables?: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  /** A bare connection. Its text is collected; `until` waits for a part of it, or for the end. */
  open(): RawConnection;
  close(): Promise<void>;
}

interface RawConnection {
  readonly socket: Socket;
  readonly received: () => string;
  /** Resolves when the text holds `part`, or with what came before the other side closed. */
  readonly until: (part: string | null) => Promise<string>;
}

export type TestHubOptions = TestGatewayOptions &
  Partial<Pick<ServerOptions, 'graphiql' | 'bodyBytes' | 'concurrentRequests' | 'drainSeconds' | 'renderMetrics'>>;

function readJson(text: string): GraphQLBody | undefined {
  try {
    return JSON.parse(text) as GraphQLBody;
  } catch {
    // Pages and health answers are no JSON.
    return undefined;
  }
}

/** A hub over sources in memory, listening on a free port of this machine. */
export async function startTestHub(options: TestHubOptions = {}): Promise<TestHub> {
  const { graphiql, bodyBytes, concurrentRequests, drainSeconds, renderMetrics, ...rest } = options;
  const built = createTestGateway(rest);
  const outcomes: string[] = [];
  const server = await startServer({
    gateway: built.gateway,
    host: '127.0.0.1',
    port: 0,
    graphiql: graphiql ?? true,
    bodyBytes: bodyBytes ?? 1_000_000,
    concurrentRequests: concurrentRequests ?? 200,
    concurrentExports: 8,
    onExport() {},
    drainSeconds: drainSeconds ?? 20,
    renderMetrics: renderMetrics ?? (() => Promise.resolve({ contentType: 'text/plain', text: 'up 1\n' })),
    onRequest: (outcome) => outcomes.push(outcome),
    environment: ENVIRONMENT,
  });
  const port = Number(new URL(server.url).port);

  const send = ({ method = 'POST', path = '/graphql', headers = {}, body }: SendOptions): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const request = httpRequest(
        { host: '127.0.0.1', port, method, path, headers: headers as Record<string, string>, agent: false },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const whole = Buffer.concat(chunks);
            const text = whole.toString('utf8');
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: whole,
              text,
              json: readJson(text),
            });
          });
        },
      );
      request.on('error', reject);
      request.end(body);
    });

  return {
    ...built,
    url: server.url,
    port,
    outcomes,
    send,
    post: (query, variables, headers = {}) =>
      send({
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ query, ...(variables === undefined ? {} : { variables }) }),
      }),
    open() {
      const socket = connect(port, '127.0.0.1');
      let received = '';
      let ended = false;
      const watchers = new Set<() => void>();
      const notify = (): void => watchers.forEach((watcher) => watcher());
      socket.setEncoding('utf8');
      socket.on('data', (chunk: string) => {
        received += chunk;
        notify();
      });
      const end = (): void => {
        ended = true;
        notify();
      };
      socket.on('close', end);
      // A reset is an end like any other here.
      socket.on('error', end);
      return {
        socket,
        received: () => received,
        until: (part) =>
          new Promise((resolve) => {
            const check = (): void => {
              if (!ended && (part === null || !received.includes(part))) return;
              watchers.delete(check);
              resolve(received);
            };
            watchers.add(check);
            check();
          }),
      };
    },
    async close() {
      await server.close();
      await built.gateway.close();
    },
  };
}

/** A gate that is shut until it is opened. */
interface Gate {
  readonly passed: Promise<void>;
  open(): void;
}

function createGate(): Gate {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { passed: promise, open: resolve };
}

export interface HeldSource extends FakeSource {
  /** Passed when the first `getMany` has arrived. */
  readonly asked: Gate;
  /** Holds every `getMany` until it is opened or the call is aborted. */
  readonly gate: Gate;
  /** Signals of every `getMany`. */
  readonly signals: AbortSignal[];
  readonly isClosed: () => boolean;
}

/** A source in memory that answers datasets by id when its gate is opened. */
export function createHeldSource(id: string, count = 5): HeldSource {
  const fake = createFakeSource(id, count);
  const signals: AbortSignal[] = [];
  const asked = createGate();
  const gate = createGate();
  let closed = false;
  return {
    ...fake,
    asked,
    gate,
    signals,
    isClosed: () => closed,
    close() {
      closed = true;
      return Promise.resolve();
    },
    adapter: {
      ...fake.adapter,
      catalog: {
        ...fake.adapter.catalog,
        async getMany(ids, call) {
          signals.push(call.signal);
          asked.open();
          const { promise: aborted, reject } = Promise.withResolvers<never>();
          call.signal.addEventListener('abort', () => reject(call.signal.reason), { once: true });
          await Promise.race([gate.passed, aborted]);
          return fake.adapter.catalog.getMany(ids, call);
        },
      },
    },
  };
}
