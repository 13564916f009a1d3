import { MAX_TIMER_MS, type Connector, type Environment, type Socket, type Timer } from '@civex/environment';
import { Client, errors, type Dispatcher } from 'undici';

/** What is asked over one connection. */
export interface LinkRequest {
  readonly method: 'GET' | 'POST';
  /** Path and query. */
  readonly path: string;
  /** Name, value, name, value ... */
  readonly headers: string[];
  readonly body: string | null;
}

/** One connection to an origin: it is made when it is first asked over, and carries one exchange at a time. */
export interface Connection {
  /** True once the peer sent what is not HTTP, or more than its answer. */
  readonly hasFaulted: boolean;
  /** Calls back once, with the head of the answer and a body that is still arriving, or with what went wrong. */
  request(request: LinkRequest, callback: (error: Error | null, data: Dispatcher.ResponseData) => void): void;
  /**
   * The exchange is over to its last byte: the connection waits for another one.
   *
   * @param hint `keep-alive` header of the answer.
   */
  release(hint: string | undefined): void;
  /** Ends the connection in whatever state it is; an exchange under way fails with the reason. Idempotent. */
  destroy(reason: Error): void;
}

/** The connections to one origin. */
export interface Link {
  /** The connection that was used last and waits, else a new one. */
  take(): Connection;
  /** Ends all of them. Resolves when every socket is closed. */
  close(reason: Error): Promise<void>;
}

export interface LinkOptions {
  readonly origin: string;
  readonly connect: Connector;
  /** Whether the peer the socket reached is one the hub may talk to; undefined: it has gone again. */
  readonly isPeerAdmitted: (address: string | undefined) => boolean;
  readonly refuse: () => Error;
  readonly connectTimeoutMs: number;
  /** From the complete request to the complete head of the answer. */
  readonly headersTimeoutMs: number;
}

/** How long a connection waits for its next exchange, milliseconds: a little less than the usual 5 s of Node servers. */
const KEEP_ALIVE_MS = 4_000;
/** How much earlier than the peer said the hub lets go, and the longest it waits, milliseconds. */
const KEEP_ALIVE_HINT = { marginMs: 2_000, maxMs: 600_000 };

const connectErrors = new WeakSet<Error>();

/** True when the error came up before a connection stood: nothing was sent. */
export function isConnectError(error: Error): boolean {
  return connectErrors.has(error);
}

/** Bytes that belong to no request, or that the HTTP parser refused. */
export function isProtocolFault(error: Error): boolean {
  return (
    error instanceof errors.HTTPParserError || (error instanceof errors.SocketError && error.message === 'bad response')
  );
}

/** RFC 9112 appendix C.2.2 of old: `timeout=5, max=100`. @returns milliseconds, or null when it names no time. */
function parseKeepAlive(hint: string | undefined): number | null {
  const seconds = hint === undefined ? undefined : /(?:^|[\s,;])timeout\s*=\s*(\d{1,9})/i.exec(hint)?.[1];
  return seconds === undefined ? null : Number(seconds) * 1000;
}

/** Several addresses were tried and one of them did not answer: for the caller that is a time limit. */
function toConnectError(error: Error): Error {
  const isTimeout =
    error instanceof AggregateError &&
    error.errors.some((each: unknown) => each instanceof Error && 'code' in each && each.code === 'ETIMEDOUT');
  return isTimeout ? Object.assign(new errors.ConnectTimeoutError('connect timeout'), { cause: error }) : error;
}

const noop = () => {};

/**
 * A pool whose every wait is on the environment's clock: undici speaks HTTP here and keeps no time. Who takes a
 * connection knows which one it is, so a peer that breaks the protocol is told from its neighbours. How many there are is
 * up to the limiter.
 */
export function createLink(options: LinkOptions, environment: Environment): Link {
  const { origin } = options;
  const url = new URL(origin);
  const protocol = url.protocol === 'https:' ? 'https:' : 'http:';
  const port = url.port === '' ? (protocol === 'https:' ? 443 : 80) : Number(url.port);
  const target = { protocol, hostname: url.hostname.replace(/^\[|\]$/g, ''), port } as const;
  const all = new Set<Waiting>();
  /** The last one has been used last. */
  const idle: Waiting[] = [];
  let sweepTimer: Timer | null = null;

  interface Waiting extends Connection {
    isUsable(): boolean;
    readonly untilMs: number;
    end(reason: Error): Promise<void>;
  }

  const forget = (connection: Waiting) => {
    const at = idle.indexOf(connection);
    if (at >= 0) idle.splice(at, 1);
  };

  const sweep = () => {
    sweepTimer = null;
    const now = environment.monotonicMs();
    for (const connection of idle.filter(({ untilMs }) => untilMs <= now)) connection.destroy(new Error('idle'));
    const nextMs = Math.min(...idle.map(({ untilMs }) => untilMs - now));
    if (idle.length > 0) sweepTimer = environment.setTimer(sweep, nextMs, { isBackground: true });
  };

  function create(): Waiting {
    let socket: Socket | null = null;
    let pending: { destroy(): void } | null = null;
    let connectTimer: Timer | null = null;
    let headersTimer: Timer | null = null;
    let isAwaitingHead = false;
    let hasFaulted = false;
    let untilMs = 0;

    const stopConnecting = () => {
      environment.clearTimer(connectTimer);
      connectTimer = null;
      pending = null;
    };
    const awaitHead = () => {
      environment.clearTimer(headersTimer);
      headersTimer = isAwaitingHead
        ? environment.setTimer(() => connection.destroy(new errors.HeadersTimeoutError()), options.headersTimeoutMs)
        : null;
    };

    const client = new Client(origin, {
      allowH2: false,
      pipelining: 1,
      // Everything that follows is kept by the environment's clock: these switch undici's own timers off, or so far away
      // that they are never reached.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: MAX_TIMER_MS,
      keepAliveMaxTimeout: MAX_TIMER_MS,
      keepAliveTimeoutThreshold: -MAX_TIMER_MS,
      connect(_options, callback) {
        environment.clearTimer(headersTimer);
        hasFaulted = false;
        let isOver = false;
        const fail = (error: Error) => {
          isOver = true;
          stopConnecting();
          connectErrors.add(error);
          callback(error, null);
        };
        connectTimer = environment.setTimer(() => {
          pending?.destroy();
          fail(new errors.ConnectTimeoutError('connect timeout'));
        }, options.connectTimeoutMs);
        pending = options.connect(target, (error, opened) => {
          if (isOver || opened === null || error !== null) {
            opened?.destroy();
            if (!isOver) fail(toConnectError(error ?? new Error('no connection')));
            return;
          }
          if (!options.isPeerAdmitted(opened.remoteAddress)) {
            opened.on('error', noop).destroy();
            fail(options.refuse());
            return;
          }
          isOver = true;
          stopConnecting();
          socket = opened;
          opened.on('error', (socketError: Error) => {
            if (socket === opened && isProtocolFault(socketError)) hasFaulted = true;
          });
          // undici's type names the classes of node:net; what it uses of them is a duplex stream.
          callback(null, opened as Parameters<typeof callback>[1] & Socket);
          // After undici's own listener: a client that is ended before it knows of the close would wait for it for ever.
          opened.on('close', () => {
            if (socket !== opened) return;
            socket = null;
            // A connection in use is ended by whoever uses it.
            if (idle.includes(connection)) connection.destroy(new Error('closed by the peer'));
          });
          awaitHead();
        });
      },
    });

    let ending: Promise<void> | null = null;
    const connection: Waiting = {
      get hasFaulted() {
        const errored = socket?.errored;
        return hasFaulted || (errored instanceof Error && isProtocolFault(errored));
      },
      get untilMs() {
        return untilMs;
      },
      isUsable: () => socket !== null && !socket.destroyed && environment.monotonicMs() < untilMs,
      request(request, callback) {
        isAwaitingHead = true;
        if (socket !== null) awaitHead();
        client.request(request, (error, data) => {
          isAwaitingHead = false;
          environment.clearTimer(headersTimer);
          callback(error, data);
        });
      },
      release(hint) {
        const hintMs = parseKeepAlive(hint);
        const waitMs =
          hintMs === null ? KEEP_ALIVE_MS : Math.min(hintMs - KEEP_ALIVE_HINT.marginMs, KEEP_ALIVE_HINT.maxMs);
        if (ending !== null) return;
        if (waitMs <= 0 || socket === null || socket.destroyed) {
          connection.destroy(new Error('not kept'));
          return;
        }
        untilMs = environment.monotonicMs() + waitMs;
        idle.push(connection);
        sweepTimer ??= environment.setTimer(sweep, waitMs, { isBackground: true });
      },
      destroy(reason) {
        void connection.end(reason);
      },
      end(reason) {
        if (ending !== null) return ending;
        forget(connection);
        environment.clearTimer(headersTimer);
        pending?.destroy();
        stopConnecting();
        ending = new Promise((resolve) => {
          client.destroy(reason, () => {
            all.delete(connection);
            resolve();
          });
        });
        return ending;
      },
    };
    all.add(connection);
    return connection;
  }

  return {
    take() {
      for (;;) {
        const connection = idle.pop();
        if (connection === undefined) return create();
        if (connection.isUsable()) return connection;
        connection.destroy(new Error('idle'));
      }
    },
    async close(reason) {
      environment.clearTimer(sweepTimer);
      sweepTimer = null;
      await Promise.all([...all].map((connection) => connection.end(reason)));
    },
  };
}
