import { fork } from 'node:child_process';
import { request } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import process from 'node:process';
import type { SourceInput } from '@civex/config';
import type { StartHubOptions } from '@civex/gateway';
import type { SandboxPortal } from '@civex/sandbox';
import type { ConfigOptions } from '../../test-support/test-hub.ts';

type Portal = Pick<SandboxPortal, 'id' | 'kind' | 'title' | 'baseUrl'>;

export interface WatchOptions {
  readonly portals: readonly Portal[];
  readonly config?: Pick<ConfigOptions, 'limits'> & { readonly source?: Partial<SourceInput> };
  /** Default true. */
  readonly graphiql?: boolean;
  readonly waits?: StartHubOptions['waits'];
}

export type Asked =
  | ({ readonly ask: 'start' } & WatchOptions)
  | { readonly ask: 'reset' | 'read' | 'close' }
  | { readonly ask: 'block'; readonly ms: number };

export interface Reading {
  /** The longest time since the last reset in which the event loop took nothing new. Milliseconds. */
  readonly blockedMs: number;
  readonly rssBytes: number;
  /** Open connections of callers. */
  readonly callers: number;
  /** Names of all members of the language's prototypes. */
  readonly prototypes: string;
}

export type Told =
  | { readonly tell: 'started'; readonly url: string }
  | { readonly tell: 'log'; readonly line: string }
  | { readonly tell: 'reset' }
  | ({ readonly tell: 'read' } & Reading);

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as GraphQL's; undefined when it is no JSON. */
  readonly json: GraphQLReply | undefined;
}

interface GraphQLReply {
  readonly data?: Readonly<Record<string, unknown>> | null;
  readonly errors?: readonly { readonly message: string; readonly extensions: Readonly<Record<string, unknown>> }[];
}

export interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export interface WatchedHub extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly log: readonly string[];
  reset(): Promise<void>;
  read(): Promise<Reading>;
  /** Holds the event loop up: shows that a reading sees it. */
  block(ms: number): Promise<void>;
  send(sent: Sent): Promise<Reply>;
  /** One question by the media type whose status tells refusals apart. */
  post(query: string, variables?: unknown): Promise<Reply>;
}

/** Bytes of a body sent at once. */
const PIECE_BYTES = 65_536;

/** Longest wait for the hub's process. Milliseconds. */
const PATIENCE_MS = 30_000;

function readJson(text: string): GraphQLReply | undefined {
  try {
    return JSON.parse(text) as GraphQLReply;
  } catch {
    // A page, or nothing.
    return undefined;
  }
}

export async function startWatchedHub({ portals, ...options }: WatchOptions): Promise<WatchedHub> {
  const child = fork(new URL('./watched-hub.ts', import.meta.url), {
    execArgv: [],
    env: Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/^(CIVEX_|VITEST|NODE_OPTIONS)/.test(name)),
    ),
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const log: string[] = [];
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
  });

  const ask = <Kind extends Told['tell']>(asked: Asked, kind: Kind): Promise<Extract<Told, { tell: Kind }>> =>
    new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        child.off('message', onMessage).off('exit', onExit);
      };
      const onMessage = (told: Told): void => {
        if (told.tell !== kind) return;
        settle();
        resolve(told as Extract<Told, { tell: Kind }>);
      };
      const onExit = (): void => {
        settle();
        reject(new Error(`the hub's process ended at "${asked.ask}"`));
      };
      const timer = setTimeout(() => {
        settle();
        reject(new Error(`the hub's process did not answer "${asked.ask}"`));
      }, PATIENCE_MS);
      child.on('message', onMessage).once('exit', onExit);
      child.send(asked);
    });

  child.on('message', (told: Told) => {
    if (told.tell === 'log') log.push(told.line);
  });
  const { url } = await ask(
    {
      ask: 'start',
      portals: portals.map(({ id, kind, title, baseUrl }) => ({ id, kind, title, baseUrl })),
      ...options,
    },
    'started',
  );
  const port = Number(new URL(url).port);

  const send = ({ method = 'POST', path: target = '/graphql', headers = {}, body }: Sent): Promise<Reply> =>
    new Promise((resolve, reject) => {
      const outgoing = request({ host: '127.0.0.1', port, method, path: target, headers, agent: false }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('error', reject);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: readJson(text) }),
        );
      });
      // A server that has refused a body takes no more of it: its answer is there and the rest is not wanted.
      let isAnswered = false;
      outgoing.once('response', () => {
        isAnswered = true;
      });
      outgoing.on('error', (error) => {
        if (!isAnswered) reject(error);
      });
      const bytes = Buffer.from(body ?? '');
      if (bytes.length <= PIECE_BYTES) return void outgoing.end(bytes);
      outgoing.setHeader('content-length', bytes.length);
      const write = (from: number): void => {
        if (isAnswered || outgoing.destroyed) return;
        if (from >= bytes.length) return void outgoing.end();
        outgoing.write(bytes.subarray(from, from + PIECE_BYTES), () => setImmediate(write, from + PIECE_BYTES));
      };
      write(0);
    });

  /** A refusal and the reset after it may arrive together, and the answer is lost: the connection's doing, not the hub's. */
  const sendSurely = async (sent: Sent): Promise<Reply> => {
    for (let attempt = 1; ; attempt++)
      try {
        return await send(sent);
      } catch (error) {
        if (attempt === 5) throw error;
      }
  };

  return {
    url,
    port,
    log,
    send: sendSurely,
    async reset() {
      await ask({ ask: 'reset' }, 'reset');
    },
    read: () => ask({ ask: 'read' }, 'read'),
    async block(ms) {
      await ask({ ask: 'block', ms }, 'reset');
    },
    post: (query, variables) =>
      sendSurely({
        headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
        body: JSON.stringify({ query, ...(variables === undefined ? {} : { variables }) }),
      }),
    async [Symbol.asyncDispose]() {
      if (child.connected) child.send({ ask: 'close' } satisfies Asked);
      const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}

/** A request that holds the event loop up longer is asked again, so often: a collection of garbage or a busy machine is no fault of its. */
const ATTEMPTS = 4;

/** Sends until the event loop was held up no longer than `limitMs`, a few times at most; the shortest hold-up counts. */
export async function measureBlock(
  hub: WatchedHub,
  limitMs: number,
  send: () => Promise<Reply>,
): Promise<{ readonly reply: Reply; readonly reading: Reading; readonly blockedMs: number }> {
  let blockedMs = Infinity;
  for (let attempt = 1; ; attempt++) {
    await hub.reset();
    const reply = await send();
    const reading = await hub.read();
    blockedMs = Math.min(blockedMs, reading.blockedMs);
    if (blockedMs <= limitMs || attempt === ATTEMPTS) return { reply, reading, blockedMs };
  }
}
