import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import type { AddressInfo } from 'node:net';
import { createPacer } from '@civex/environment';
import type { Environment, Pacer } from '@civex/environment';
import { isHubError } from '@civex/errors';
import { GraphQLError } from 'graphql';
import type { ExecutionResult } from 'graphql';
import type { GraphQLParams } from 'graphql-yoga';
import type { Gateway } from './create-gateway.ts';
import { EXAMPLE_QUESTIONS } from './examples.ts';
import { createExportServer } from './export-server.ts';
import { OPEN_GATE, TOKEN_SERVICE_PATH } from './gatekeeper.ts';
import type { Gatekeeper } from './gatekeeper.ts';
import { stringifyData } from './projection.ts';
import { checkBodyValues } from './query-limits.ts';
import { Refusal } from './refusal.ts';

/** How long a caller may take over its side of a connection, in milliseconds. */
export interface ConnectionWaits {
  /** From the opening of a connection, or the first byte of its next request, to the end of the headers. Default 10,000. */
  readonly headersMs: number;
  /** From the first byte of a request to the end of its body. Default 30,000. */
  readonly requestMs: number;
  /** Between two requests. Default 15,000. */
  readonly idleMs: number;
  /** In which nothing of an answer is taken. Default 60,000. */
  readonly stalledMs: number;
  /** How often headers and requests are checked: they may take so much longer. Default 5,000. */
  readonly checkMs: number;
}

export const CONNECTION_WAITS: ConnectionWaits = {
  headersMs: 10_000,
  requestMs: 30_000,
  idleMs: 15_000,
  stalledMs: 60_000,
  checkMs: 5_000,
};

export interface ServerOptions {
  readonly gateway: Gateway;
  readonly host: string;
  readonly port: number;
  readonly graphiql: boolean;
  /** Bytes of one request body. */
  readonly bodyBytes: number;
  /** Questions one body may stand for: 1, and for a source server as many as a hub batches. Default 1. */
  readonly questions?: number;
  readonly concurrentRequests: number;
  readonly concurrentExports: number;
  readonly drainSeconds: number;
  /** Those left out are `CONNECTION_WAITS`. */
  readonly waits?: Partial<ConnectionWaits>;
  /** Text of `/metrics`, Prometheus exposition format. */
  readonly renderMetrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  /** Counts one GraphQL request. */
  readonly onRequest: (outcome: string, durationMs: number) => void;
  /** Counts one export. `outcome` is `ok` or an error code. */
  readonly onExport: (outcome: string, durationMs: number) => void;
  /** Who finds out who asks, made once the address is known. Default: nobody does. */
  readonly createGatekeeper?: ((url: string) => Promise<Gatekeeper>) | undefined;
  readonly environment: Pick<Environment, 'monotonicMs' | 'setTimer' | 'clearTimer'>;
}

export interface RunningServer {
  readonly url: string;
  readonly gate: Gatekeeper;
  /** Not ready at once, then waits for requests under way, at most `drainSeconds`. */
  close(): Promise<void>;
}

const JSON_TYPE = 'application/json; charset=utf-8';
/** What is told to somebody in particular is kept by nobody on the way. */
const PRIVATE = { 'cache-control': 'no-store' } as const;
const RESPONSE_TYPE = 'application/graphql-response+json; charset=utf-8';

function send(
  response: ServerResponse,
  status: number,
  type: string,
  body: string | Uint8Array | readonly Uint8Array[],
  headers: Readonly<Record<string, string>> = {},
): void {
  const pieces = typeof body === 'string' || body instanceof Uint8Array ? [body] : body;
  response.writeHead(status, {
    'content-type': type,
    'content-length': pieces.reduce((sum, piece) => sum + Buffer.byteLength(piece), 0),
    'x-content-type-options': 'nosniff',
    ...headers,
  });
  for (const piece of pieces.slice(0, -1)) response.write(piece);
  response.end(pieces.at(-1));
}

/** `application/json`, in UTF-8 or without a charset. Anything else a browser could send without asking first. */
function checkContentType(request: IncomingMessage): void {
  const value = request.headers['content-type'] ?? '';
  if (value === 'application/json' || /^application\/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?$/i.test(value)) return;
  throw new Refusal(415, 'INPUT_INVALID', 'Send the query as application/json in UTF-8.');
}

/** The best of our two types the client takes; null when it takes neither. */
function negotiate(accept: string | undefined): string | null {
  if (accept === undefined || accept === '' || accept === '*/*' || accept === 'application/json') return JSON_TYPE;
  let best: { readonly type: string; readonly quality: number } | null = null;
  for (const part of accept.slice(0, 2_000).split(',')) {
    const [range = '', ...parameters] = part.split(';').map((piece) => piece.trim().toLowerCase());
    const type =
      range === 'application/graphql-response+json'
        ? RESPONSE_TYPE
        : range === 'application/json' || range === 'application/*' || range === '*/*'
          ? JSON_TYPE
          : null;
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    const quality = weight === undefined ? 1 : Number(weight.slice(2));
    if (type !== null && quality > 0 && (best === null || quality > best.quality)) best = { type, quality };
  }
  return best?.type ?? null;
}

/** Bytes of bodies that are not whole yet, over all requests. */
interface UnreadBodies {
  bytes: number;
  readonly maxBytes: number;
}

const busy = (): Refusal =>
  new Refusal(503, 'SOURCE_OVERLOADED', 'The hub is busy; try again shortly.', { 'retry-after': '1' });

/** Reads a body up to the limit. The connection is closed on a caller who sends more. */
function readBody(request: IncomingMessage, maxBytes: number, unread: UnreadBodies): Promise<Buffer> {
  const tooLarge = (): Refusal =>
    new Refusal(413, 'INPUT_TOO_COSTLY', `The request body is larger than ${maxBytes} bytes.`, { connection: 'close' });
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return Promise.reject(tooLarge());
  if (request.headers['content-encoding'] !== undefined && request.headers['content-encoding'] !== 'identity')
    return Promise.reject(new Refusal(415, 'INPUT_INVALID', 'Send the body without a content encoding.'));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let held = 0;
    const release = (): void => {
      unread.bytes -= held;
      held = 0;
    };
    const give = (refusal: Refusal): void => {
      request.removeAllListeners('data');
      release();
      reject(refusal);
    };
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) return give(tooLarge());
      held += chunk.length;
      unread.bytes += chunk.length;
      if (unread.bytes > unread.maxBytes) return give(busy());
      chunks.push(chunk);
    });
    request.on('end', () => {
      release();
      resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, size));
    });
    request.on('error', (error) => {
      release();
      reject(error);
    });
  });
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** @throws Refusal 400 for what is not a GraphQL request. Parser details are not echoed. */
function parseParams(body: Buffer, questions: number): GraphQLParams {
  let value: unknown;
  try {
    checkBodyValues(body, questions);
    value = JSON.parse(UTF8.decode(body));
  } catch (cause) {
    if (cause instanceof SyntaxError || cause instanceof TypeError)
      throw new Refusal(400, 'INPUT_INVALID', 'The body is not valid JSON.');
    if (isHubError(cause)) throw new Refusal(400, cause.code, cause.message);
    throw cause;
  }
  if (Array.isArray(value))
    throw new Refusal(400, 'INPUT_INVALID', 'Batched requests are not served; send one request.');
  if (!isObject(value)) throw new Refusal(400, 'INPUT_INVALID', 'The body must be a JSON object with a query.');
  const { query, variables, operationName, extensions } = value;
  if (typeof query !== 'string') throw new Refusal(400, 'INPUT_INVALID', 'query: a text is needed.');
  if (variables !== undefined && variables !== null && !isObject(variables))
    throw new Refusal(400, 'INPUT_INVALID', 'variables: an object is needed.');
  if (operationName !== undefined && operationName !== null && typeof operationName !== 'string')
    throw new Refusal(400, 'INPUT_INVALID', 'operationName: a text is needed.');
  if (extensions !== undefined && extensions !== null && !isObject(extensions))
    throw new Refusal(400, 'INPUT_INVALID', 'extensions: an object is needed.');
  return {
    query,
    ...(isObject(variables) ? { variables } : {}),
    ...(typeof operationName === 'string' ? { operationName } : {}),
  };
}

/** GraphQL over HTTP: with the older media type a well-formed request is always 200. */
function statusOf(result: ExecutionResult, type: string): number {
  for (const error of result.errors ?? []) {
    const http = error.extensions?.['http'];
    if (isObject(http) && typeof http['status'] === 'number') return http['status'];
  }
  return type === RESPONSE_TYPE && !('data' in result) ? 400 : 200;
}

/** Characters of answers written in one turn of the event loop: a few milliseconds of work. */
const TURN_CHARACTERS = 131_072;

/** The body of an answer. A large one is made in turns, so that nobody waits for it but its caller. */
function serialise(result: ExecutionResult, pacer: Pacer): string | Promise<readonly Buffer[]> {
  const { errors, data, extensions } = result;
  const parts: string[] = [];
  if (errors !== undefined)
    parts.push(
      `"errors":${JSON.stringify(
        errors.map((error) => {
          const { http: _, ...rest } = error.extensions ?? {};
          return { ...(error instanceof GraphQLError ? error.toJSON() : error), extensions: rest };
        }),
      )}`,
    );
  const text = data === undefined ? null : stringifyData(data);
  const after = extensions === undefined ? '' : `${data === undefined && errors === undefined ? '' : ','}"extensions":${JSON.stringify(extensions)}`; // prettier-ignore
  if (text === null || typeof text === 'string') {
    if (text !== null) parts.push(`"data":${text}`);
    return `{${parts.join(',')}${after}}`;
  }
  parts.push('"data":');
  return gather(`{${parts.join(',')}`, text, `${after}}`, pacer);
}

/** Text of one buffer, in characters. */
const GATHERED = 65_536;

async function gather(
  before: string,
  pieces: Iterable<string>,
  after: string,
  pacer: Pacer,
): Promise<readonly Buffer[]> {
  const buffers: Buffer[] = [];
  let text = before;
  for (const piece of pieces) {
    text += piece;
    if (text.length < GATHERED) continue;
    buffers.push(Buffer.from(text));
    await pacer.pass(text.length);
    text = '';
  }
  buffers.push(Buffer.from(text + after));
  return buffers;
}

interface StaticPage {
  readonly html: Buffer;
  readonly gzipped: Buffer;
}

let graphiqlPage: Promise<StaticPage> | undefined;

/** Built when first asked for: the page carries GraphiQL whole, nine megabytes, so that it works without a network. */
async function buildGraphiql(): Promise<StaticPage> {
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql');
  const html = Buffer.from(
    renderGraphiQL({
      title: 'Civex',
      endpoint: '/graphql',
      defaultTabs: EXAMPLE_QUESTIONS.map(({ query }) => ({ query })),
      defaultQuery: EXAMPLE_QUESTIONS[0]?.query ?? '',
      shouldPersistHeaders: false,
    }),
  );
  return { html, gzipped: gzipSync(html, { level: 6 }) };
}

/** Listens and serves until closed. @throws the socket's own error, EADDRINUSE among them. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { gateway, environment } = options;
  const waits: ConnectionWaits = { ...CONNECTION_WAITS, ...options.waits };
  const unread: UnreadBodies = { bytes: 0, maxBytes: options.concurrentRequests * options.bodyBytes };
  const pacer = createPacer(environment, TURN_CHARACTERS);
  let running = 0;
  let stopping = false;
  /** Nobody is answered before it is known who asks. */
  let isReady = false;
  let gate: Gatekeeper = OPEN_GATE;
  const answerExport = createExportServer({
    ...options,
    stalledMs: waits.stalledMs,
    admit: (request) => gate.admit(request),
  });

  /** A connection that stays open for more would keep a stopping server from ending. */
  const reply: typeof send = (response, ...answer) => {
    if (stopping) response.shouldKeepAlive = false;
    // An answer nobody takes would keep its connection and its bytes for ever.
    response.setTimeout(waits.stalledMs, () => response.destroy());
    send(response, ...answer);
  };

  async function answerGraphQL(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const startedAt = environment.monotonicMs();
    const type = negotiate(request.headers.accept);
    if (type === null)
      throw new Refusal(406, 'INPUT_INVALID', 'Accept application/graphql-response+json or application/json.');
    checkContentType(request);
    if (running >= options.concurrentRequests) throw busy();
    const asker = await gate.admit(request);
    let isRunning = false;
    let outcome = 'refused';
    try {
      const body = await readBody(request, options.bodyBytes, unread);
      // A place is for a request that is whole: callers who send slowly must not keep the others out.
      if (running >= options.concurrentRequests) throw busy();
      running++;
      isRunning = true;
      const params = parseParams(body, options.questions ?? 1);
      const gone = new AbortController();
      response.on('close', () => {
        if (!response.writableFinished) gone.abort();
      });
      const result = await gateway.execute(params, { signal: gone.signal, asker });
      outcome = result.errors === undefined ? 'ok' : 'data' in result ? 'partial' : 'error';
      if (response.destroyed) return;
      const serialised = serialise(result, pacer);
      const written = typeof serialised === 'string' ? serialised : await serialised;
      if (!response.destroyed)
        reply(response, statusOf(result, type), type, written, asker.caller === null ? {} : PRIVATE);
    } finally {
      if (isRunning) running--;
      options.onRequest(outcome, environment.monotonicMs() - startedAt);
    }
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    if (!isReady) throw busy();
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    switch (path) {
      case '/graphql':
        if (request.method === 'POST') return answerGraphQL(request, response);
        if (isRead && options.graphiql && (request.headers.accept ?? '').includes('text/html')) {
          const page = await (graphiqlPage ??= buildGraphiql());
          const zip = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
          reply(response, 200, 'text/html; charset=utf-8', zip ? page.gzipped : page.html, {
            vary: 'accept-encoding',
            'cache-control': 'no-cache',
            'x-frame-options': 'DENY',
            'referrer-policy': 'no-referrer',
            ...(zip ? { 'content-encoding': 'gzip' } : {}),
          });
          return;
        }
        throw new Refusal(405, 'INPUT_INVALID', 'Send queries as POST with application/json.', { allow: 'POST' });
      case '/':
        if (isRead && options.graphiql) {
          reply(response, 302, 'text/plain; charset=utf-8', 'See /graphql', { location: '/graphql' });
          return;
        }
        break;
      case '/healthz':
        if (isRead) return reply(response, 200, 'text/plain; charset=utf-8', 'ok\n');
        break;
      case '/readyz':
        if (isRead)
          return reply(
            response,
            stopping ? 503 : 200,
            'text/plain; charset=utf-8',
            stopping ? 'stopping\n' : 'ready\n',
          );
        break;
      case '/metrics':
        if (isRead) {
          const { contentType, text } = await options.renderMetrics();
          return reply(response, 200, contentType, text);
        }
        break;
      default: {
        if (path.startsWith('/exports/')) return answerExport(request, response);
        const metadata = isRead ? gate.metadata(path) : null;
        if (metadata !== null) return reply(response, 200, JSON_TYPE, JSON.stringify(metadata));
        const isTokenPath = path.startsWith(`${TOKEN_SERVICE_PATH}/`) || path.startsWith('/.well-known/');
        if (isTokenPath && gate.tokenService !== null) return gate.tokenService.handle(request, response);
        break;
      }
    }
    throw new Refusal(404, 'NOT_FOUND', 'Nothing is served here. Queries go to /graphql, exports to /exports.');
  }

  const server: Server = createServer(
    {
      requestTimeout: waits.requestMs,
      headersTimeout: waits.headersMs,
      connectionsCheckingInterval: waits.checkMs,
      keepAliveTimeout: waits.idleMs,
    },
    (request, response) => {
      answer(request, response).catch((error: unknown) => {
        if (response.headersSent || response.destroyed) return response.destroy();
        const refusal = error instanceof Refusal ? error : new Refusal(500, 'INTERNAL', 'Internal error.');
        const body = JSON.stringify({ errors: [{ message: refusal.message, extensions: { code: refusal.code } }] });
        reply(response, refusal.status, negotiate(request.headers.accept) ?? JSON_TYPE, body, refusal.headers);
        return undefined;
      });
    },
  );
  server.maxRequestsPerSocket = 10_000;

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  const url = `http://${host}:${port}`;
  try {
    gate = (await options.createGatekeeper?.(url)) ?? OPEN_GATE;
  } catch (error) {
    server.closeAllConnections();
    server.close();
    throw error;
  }
  isReady = true;

  return {
    url,
    gate,
    async close() {
      stopping = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const timer = environment.setTimer(() => server.closeAllConnections(), options.drainSeconds * 1_000);
      await closed;
      pacer.close();
      environment.clearTimer(timer);
      await gate.close();
    },
  };
}
