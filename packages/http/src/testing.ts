import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createSystemEnvironment, type Resolve } from '@civex/environment';
import { createSourceHttpWith, type Internals } from './source-http.ts';
import type { HttpAnswer, HttpCall, SourceHttp, SourceHttpOptions } from './types.ts';

/** A request as it arrived on a raw socket. */
export interface RawRequest {
  /** 0 for the first request this server saw. */
  readonly index: number;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface RawServer extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  readonly requests: RawRequest[];
  /** Connections made so far. */
  connections(): number;
  /** Connections that are open at the moment. */
  openSockets(): number;
  /** Closes every connection that is open. */
  closeSockets(): void;
  /** Resolves when no connection is open. */
  whenIdle(): Promise<void>;
}

/** A portal below HTTP: what it writes is up to the test, byte by byte. */
export async function serveRaw(answer: (socket: Socket, request: RawRequest) => void): Promise<RawServer> {
  const requests: RawRequest[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  let onClose: (() => void)[] = [];
  const server = createServer((socket) => {
    sockets.add(socket);
    connections += 1;
    socket.on('error', () => {});
    socket.on('close', () => {
      sockets.delete(socket);
      const waiting = onClose;
      onClose = [];
      for (const notify of waiting) notify();
    });
    let pending = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      for (;;) {
        const end = pending.indexOf('\r\n\r\n');
        if (end < 0) return;
        const [start = '', ...lines] = pending.subarray(0, end).toString('latin1').split('\r\n');
        const headers = Object.fromEntries(
          lines.map((line) => [
            line.slice(0, line.indexOf(':')).toLowerCase(),
            line.slice(line.indexOf(':') + 1).trim(),
          ]),
        );
        const bodyEnd = end + 4 + Number(headers['content-length'] ?? 0);
        if (pending.length < bodyEnd) return;
        const body = pending.subarray(end + 4, bodyEnd).toString('utf8');
        pending = pending.subarray(bodyEnd);
        const [method = '', path = ''] = start.split(' ');
        const request = { index: requests.length, method, path, headers, body };
        requests.push(request);
        answer(socket, request);
      }
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    requests,
    connections: () => connections,
    openSockets: () => sockets.size,
    closeSockets() {
      for (const socket of sockets) socket.destroy();
    },
    async whenIdle() {
      while (sockets.size > 0) await new Promise<void>((resolve) => onClose.push(resolve));
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A complete HTTP/1.1 message with the right length, unless `headers` say otherwise. */
export function message(
  body: string | Uint8Array,
  headers: Readonly<Record<string, string>> = {},
  status: number | string = 200,
): Buffer {
  const bytes = Buffer.from(body);
  const all: Record<string, string> = {
    'content-type': 'application/json',
    'content-length': String(bytes.length),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`HTTP/1.1 ${status} X\r\n${lines.join('')}\r\n`, 'latin1'), bytes]);
}

export function chunked(body: Uint8Array, headers: Readonly<Record<string, string>> = {}, size = 50): Buffer {
  const lines = Object.entries({ 'content-type': 'application/json', ...headers }).map(([n, v]) => `${n}: ${v}\r\n`);
  const parts = [Buffer.from(`HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n${lines.join('')}\r\n`)];
  for (let at = 0; at < body.length; at += size) {
    const part = body.subarray(at, at + size);
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), Buffer.from(part), Buffer.from('\r\n'));
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}

const START = Date.parse('2026-03-01T12:00:00Z');

export interface TestClock {
  readonly now: () => number;
  readonly monotonicMs: () => number;
  /** Time passes. */
  readonly advance: (ms: number) => void;
  /** The wall clock is set to another time. */
  readonly step: (ms: number) => void;
}

export function createTestClock(): TestClock {
  let at = START;
  let stepped = 0;
  return {
    now: () => at + stepped,
    monotonicMs: () => at,
    advance(ms) {
      at += ms;
    },
    step(ms) {
      stepped += ms;
    },
  };
}

export interface Overrides {
  readonly baseUrls?: readonly [string, ...string[]];
  readonly headers?: Readonly<Record<string, string>>;
  readonly allowedPrivateCidrs?: readonly string[];
  readonly limits?: Partial<SourceHttpOptions['limits']>;
  readonly cache?: Partial<SourceHttpOptions['cache']>;
}

export function optionsFor(url: string, overrides: Overrides = {}): SourceHttpOptions {
  return {
    source: 'paris',
    baseUrls: overrides.baseUrls ?? [url],
    headers: overrides.headers ?? {},
    allowedPrivateCidrs: overrides.allowedPrivateCidrs ?? ['127.0.0.1/32'],
    limits: {
      connectTimeoutMs: 2_000,
      headersTimeoutMs: 5_000,
      totalTimeoutMs: 10_000,
      maxAnswerBytes: 1_000_000,
      maxStreamBytes: 10_000_000,
      maxConcurrent: 20,
      maxQueued: 50,
      retryBudget: 0.1,
      minBytesPerSecond: 0,
      ...overrides.limits,
    },
    cache: {
      catalogSeconds: 60,
      recordsSeconds: 10,
      staleIfErrorSeconds: 600,
      maxBytes: 1_000_000,
      ...overrides.cache,
    },
  };
}

export interface Client {
  readonly http: SourceHttp;
  readonly clock: TestClock;
  /** `outcome` of each real request, in order. */
  readonly outcomes: string[];
  readonly circuits: string[];
}

const neverResolve: Resolve = (_hostname, done) =>
  done(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }), []);

/** Real timers and sockets, the test's clock, names as `resolve` says. */
export function createClient(
  url: string,
  overrides: Overrides = {},
  { resolve = neverResolve, rateTickMs = 1_000 }: Partial<Internals & { readonly resolve: Resolve }> = {},
): Client {
  const clock = createTestClock();
  const system = createSystemEnvironment();
  const outcomes: string[] = [];
  const circuits: string[] = [];
  const http = createSourceHttpWith(
    optionsFor(url, overrides),
    {
      ...system,
      now: clock.now,
      monotonicMs: clock.monotonicMs,
      random: () => 0,
      network: { ...system.network, resolve },
      metrics: {
        upstream: (_source, outcome) => outcomes.push(outcome),
        circuit: (_source, state) => circuits.push(state),
      },
    },
    { rateTickMs },
  );
  return { http, clock, outcomes, circuits };
}

export interface TestCall extends HttpCall {
  readonly abort: () => void;
}

export function callFor(clock: Pick<TestClock, 'monotonicMs'>, waitMs = 10_000): TestCall {
  const controller = new AbortController();
  return {
    signal: controller.signal,
    abort: () => controller.abort(),
    deadlineEpochMs: clock.monotonicMs() + waitMs,
    requestId: 'r1',
    trace: { requests: 0, maxAgeMs: null, stale: false, fetchedAtEpochMs: null },
  };
}

const decoder = new TextDecoder('utf-8', { fatal: true });

export function textOf(answer: HttpAnswer): string {
  return `${answer.status} ${decoder.decode(answer.body)}`;
}

export const GET = { method: 'GET', path: '/x', cache: 'none' } as const;
