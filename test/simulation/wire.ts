import { Duplex } from 'node:stream';
import type { ConnectTarget, Network, Timer, Timers } from '@civex/environment';

/** A request as it arrived at a simulated portal. */
export interface WireRequest {
  readonly method: string;
  /** Decoded, without the query. */
  readonly path: string;
  /** With its question mark, or the empty text. */
  readonly search: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What a portal writes, one piece after the other; a list that does not end the connection leaves it open. */
interface WireStep {
  readonly afterMs: number;
  readonly bytes?: Buffer;
  readonly ending?: 'end' | 'reset';
}

export type ConnectPlan =
  | { readonly kind: 'connected' | 'refused' | 'unresolved'; readonly afterMs: number }
  /** The name is never resolved; the connection never comes about. */
  | { readonly kind: 'never-resolved' | 'never-connected' };

/** The far side of one host name. */
export interface WireHost {
  readonly source: string;
  readonly address: string;
  planConnect(): ConnectPlan;
  /** `isHonest` false: the answer must not pass for a good one. Null: only the caller can tell, by giving up. */
  answer(request: WireRequest): {
    readonly steps: readonly WireStep[];
    readonly isHonest: boolean | null;
    readonly name: string;
  };
}

/** One try of the hub to get one answer. */
export interface Attempt {
  readonly source: string;
  /** When the hub began it: to connect, or to write on a connection that stood. */
  readonly startMs: number;
  /** What was asked; null when no request ever arrived. */
  request: WireRequest | null;
  /** When the request arrived. */
  arrivedMs: number | null;
  /** False when the portal failed it for certain, true when it answered well and completely. */
  wasGood: boolean | null;
  /** When the answer was complete, or the connection was given up. */
  endMs: number;
  name: string;
  /** `Retry-After` of a 429 that the hub was there to read. */
  quietMs: number | null;
}

export interface Wire {
  readonly network: Network;
  readonly attempts: readonly Attempt[];
  /** To be called once, before anything connects. */
  begin(clock: Timers & { monotonicMs(): number }): void;
  /** Connections the hub has not closed, and connects it still waits for. */
  openSockets(): number;
}

const failure = (code: string) => Object.assign(new Error(code), { code });

/** The hub's end of a connection. */
class WireSocket extends Duplex {
  readonly remoteAddress: string;
  readonly #far: { receive(bytes: Buffer): void; closed(): void };

  constructor(remoteAddress: string, far: { receive(bytes: Buffer): void; closed(): void }) {
    super({ allowHalfOpen: false });
    this.remoteAddress = remoteAddress;
    this.#far = far;
  }
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#far.receive(chunk);
    done();
  }
  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#far.closed();
    done(error);
  }
}

function parseRequest(bytes: Buffer): { readonly request: WireRequest; readonly length: number } | null {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const [start = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  const length = end + 4 + Number(headers['content-length'] ?? 0);
  if (bytes.length < length) return null;
  const [method = '', target = ''] = start.split(' ');
  const mark = target.indexOf('?');
  const body = bytes.subarray(end + 4, length).toString('utf8');
  const path = decodeURIComponent(mark < 0 ? target : target.slice(0, mark));
  return { request: { method, path, search: mark < 0 ? '' : target.slice(mark), headers, body }, length };
}

/** Connections in memory, byte for byte, on the clock of the environment. */
export function createWire(hosts: ReadonlyMap<string, WireHost>, log: (source: string, text: string) => void): Wire {
  const attempts: Attempt[] = [];
  let clock: (Timers & { monotonicMs(): number }) | null = null;
  let open = 0;
  const later = (callback: () => void, afterMs: number): Timer => {
    if (clock === null) throw new Error('the wire has no clock');
    return clock.setTimer(callback, Math.max(1, afterMs));
  };
  const startAttempt = (source: string): Attempt => {
    const startMs = clock?.monotonicMs() ?? 0;
    const attempt = {
      source,
      startMs,
      request: null,
      arrivedMs: null,
      wasGood: null,
      endMs: Infinity,
      name: 'connect',
      quietMs: null,
    };
    attempts.push(attempt);
    return attempt;
  };

  function serve(host: WireHost, first: Attempt): WireSocket {
    let timer: Timer | null = null;
    let pending = Buffer.alloc(0);
    /** Set while this connection waits for its first request. */
    let next: Attempt | null = first;
    let isOpen = true;
    let current: Attempt = first;
    open += 1;
    const socket = new WireSocket(host.address, {
      receive(bytes) {
        pending = Buffer.concat([pending, bytes]);
        const parsed = parseRequest(pending);
        if (parsed === null) return;
        pending = pending.subarray(parsed.length);
        const attempt = next ?? startAttempt(host.source);
        next = null;
        current = attempt;
        attempt.request = parsed.request;
        attempt.arrivedMs = clock?.monotonicMs() ?? 0;
        const { steps, isHonest, name } = host.answer(parsed.request);
        attempt.name = name;
        attempt.wasGood = isHonest === false ? false : null;
        log(
          host.source,
          `${name} <- ${parsed.request.method} ${parsed.request.path}${parsed.request.search} ${parsed.request.body}`,
        );
        const play = (at: number) => {
          const step = steps[at];
          if (step === undefined) {
            if (isHonest === true) attempt.wasGood = true;
            if (steps.length > 0) attempt.endMs = clock?.monotonicMs() ?? 0;
            return;
          }
          timer = later(() => {
            if (!isOpen) return;
            if (step.bytes !== undefined) {
              const wait = /^HTTP\/1\.1 429[^]*?\r\nretry-after: (\d+)\r\n/i.exec(
                step.bytes.toString('latin1', 0, 300),
              );
              if (wait !== null) attempt.quietMs = Number(wait[1]) * 1_000;
              socket.push(step.bytes);
            }
            if (step.ending === 'end') socket.push(null);
            if (step.ending === 'reset') socket.destroy(failure('ECONNRESET'));
            else play(at + 1);
          }, step.afterMs);
        };
        play(0);
      },
      closed() {
        if (!isOpen) return;
        isOpen = false;
        open -= 1;
        current.endMs = Math.min(current.endMs, clock?.monotonicMs() ?? 0);
        clock?.clearTimer(timer);
      },
    });
    return socket;
  }

  const hostOf = (name: string) => hosts.get(name);

  return {
    attempts,
    begin(given) {
      clock = given;
    },
    openSockets: () => open,
    network: {
      resolve(hostname, done) {
        const host = hostOf(hostname);
        if (host === undefined) later(() => done(failure('ENOTFOUND'), []), 1);
        else later(() => done(null, [{ address: host.address, family: 4 }]), 1);
      },
      createConnector:
        ({ lookup }) =>
        (target: ConnectTarget, done) => {
          const host = hostOf(target.hostname);
          let isOver = false;
          let timer: Timer | null = null;
          open += 1;
          const finish = (): boolean => {
            if (isOver) return false;
            isOver = true;
            open -= 1;
            clock?.clearTimer(timer);
            return true;
          };
          const attempt = startAttempt(host?.source ?? target.hostname);
          const plan: ConnectPlan = host?.planConnect() ?? { kind: 'unresolved', afterMs: 1 };
          attempt.name = plan.kind;
          if (plan.kind !== 'connected') attempt.wasGood = false;
          const fail = (code: string) => {
            log(attempt.source, `connect: ${code}`);
            attempt.endMs = clock?.monotonicMs() ?? 0;
            if (finish()) done(failure(code), null);
          };
          const connect = () => {
            if (plan.kind === 'never-resolved' || plan.kind === 'unresolved') return;
            lookup(target.hostname, { all: true }, (error) => {
              if (isOver) return;
              if (error !== null) {
                if (finish()) done(error, null);
                return;
              }
              if (plan.kind !== 'connected' && plan.kind !== 'refused') return;
              const { kind, afterMs } = plan;
              timer = later(() => {
                if (kind === 'refused') fail('ECONNREFUSED');
                else if (host !== undefined && finish()) done(null, serve(host, attempt));
              }, afterMs);
            });
          };
          if (plan.kind === 'unresolved') timer = later(() => fail('EAI_AGAIN'), plan.afterMs);
          else connect();
          return {
            destroy() {
              if (finish()) attempt.endMs = clock?.monotonicMs() ?? 0;
            },
          };
        },
    },
  };
}

/** An HTTP/1.1 message with the right length, unless `headers` say otherwise; null leaves a header out. */
export function toMessage(
  status: number,
  headers: Readonly<Record<string, string | null>>,
  body: Buffer,
): { readonly head: Buffer; readonly body: Buffer } {
  const all: Record<string, string | null> = { 'content-length': String(body.length), ...headers };
  const lines = Object.entries(all).flatMap(([name, value]) => (value === null ? [] : [`${name}: ${value}\r\n`]));
  return { head: Buffer.from(`HTTP/1.1 ${status} X\r\n${lines.join('')}\r\n`, 'latin1'), body };
}

/** The same body in chunks, with its last one. */
export function toChunks(parts: readonly Buffer[]): Buffer {
  const pieces = parts
    .filter((part) => part.length > 0)
    .flatMap((part) => [Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]);
  return Buffer.concat([...pieces, Buffer.from('0\r\n\r\n')]);
}
