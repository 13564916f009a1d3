import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { PortalFault, PortalQuirks, PortalRequest, PortalTruth, SandboxPortal } from './portal.ts';

/** An answer before it is sent. A list of chunks is streamed without a content-length, as exports are. */
export interface PortalAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer | readonly string[];
}

export interface PortalServerOptions {
  readonly id: string;
  readonly kind: 'opendatasoft' | 'ckan';
  readonly title: string;
  readonly language: string;
  /** 0 picks a free port. */
  readonly port?: number | undefined;
  readonly now?: (() => number) | undefined;
  /** Milliseconds between the request and the first byte of a healthy answer. */
  readonly latencyMs?: number | undefined;
  readonly answer: (request: PortalRequest, quirks: PortalQuirks, contentType: string) => PortalAnswer;
  /** What this kind of portal says for a spent quota and for a server error. */
  readonly failure: (status: 429 | 500) => PortalAnswer;
  readonly truth: (datasetId: string) => PortalTruth | null;
}

/** Requests kept for inspection. A count. */
const KEPT_REQUESTS = 20_000;
/** Bytes of a request body; more is answered with 413. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

const CHALLENGE_PAGE = `<!DOCTYPE html><html lang="en-US"><head><title>Just a moment...</title>
<meta name="robots" content="noindex,nofollow"></head><body><div class="main-wrapper" role="main">
<noscript><div class="h2"><span id="challenge-error-text">Enable JavaScript and cookies to continue</span></div></noscript>
</div></body></html>`;
const MAINTENANCE_PAGE = `<!DOCTYPE html><html><head><title>Maintenance</title></head>
<body><h1>We will be back soon</h1><p>{"total_count": 0, "results": []}</p></body></html>`;

const html = (status: number, body: string, headers: Readonly<Record<string, string>> = {}): PortalAnswer => ({
  status,
  headers: { 'content-type': 'text/html; charset=UTF-8', ...headers },
  body,
});

function faulty(fault: Exclude<PortalFault, 'hang' | 'cut' | object>, options: PortalServerOptions): PortalAnswer {
  switch (fault) {
    case 'html-403':
      return html(403, CHALLENGE_PAGE, { server: 'cloudflare', 'cf-mitigated': 'challenge' });
    case 'html-200':
      return html(200, MAINTENANCE_PAGE);
    case '429':
      return options.failure(429);
    case '500':
      return options.failure(500);
    case 'garbage':
      return {
        status: 200,
        headers: { 'content-type': 'application/json; charset=utf-8' },
        body: '{"total_count": 3, "results": [{"a": 1}, {"a":, ]',
      };
  }
}

async function readBody(message: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  // Without setEncoding a message yields Buffers; the stream type cannot say so.
  for await (const chunk of message as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function send(response: ServerResponse, answer: PortalAnswer, cut: boolean): void {
  const { body } = answer;
  if (cut) {
    const whole = Buffer.from(typeof body === 'string' || Buffer.isBuffer(body) ? body : body.join(''));
    response.writeHead(answer.status, { ...answer.headers, 'content-length': whole.length });
    response.write(whole.subarray(0, whole.length >> 1), () => response.destroy());
    return;
  }
  if (typeof body === 'string' || Buffer.isBuffer(body)) {
    response.writeHead(answer.status, { ...answer.headers, 'content-length': Buffer.byteLength(body) });
    response.end(body);
    return;
  }
  response.writeHead(answer.status, answer.headers);
  for (const chunk of body) response.write(chunk);
  response.end();
}

/** Starts a portal's listener and gives it the switches every stand-in shares. */
export async function startPortalServer(options: PortalServerOptions): Promise<SandboxPortal> {
  const now = options.now ?? Date.now;
  let requests: PortalRequest[] = [];
  let fault: PortalFault | null = null;
  let faultWhen: ((request: PortalRequest) => boolean) | undefined;
  let quirks: PortalQuirks = {};
  let running = true;

  const respond = (request: PortalRequest, contentType: string, response: ServerResponse): void => {
    const active = fault !== null && (faultWhen === undefined || faultWhen(request)) ? fault : null;
    if (active === 'hang') return;
    if (active !== null && active !== 'cut' && typeof active !== 'object') {
      send(response, faulty(active, options), false);
      return;
    }
    const answer = options.answer(request, quirks, contentType);
    const delayMs = active !== null && typeof active === 'object' ? active.slowMs : (options.latencyMs ?? 0);
    if (delayMs === 0) {
      send(response, answer, active === 'cut');
      return;
    }
    const timer = setTimeout(() => send(response, answer, false), delayMs);
    response.once('close', () => clearTimeout(timer));
  };

  const receive = async (message: IncomingMessage, response: ServerResponse): Promise<void> => {
    const target = message.url ?? '/';
    const cut = target.indexOf('?');
    const rawPath = cut < 0 ? target : target.slice(0, cut);
    const method = message.method ?? 'GET';
    const body = method === 'GET' || method === 'HEAD' ? '' : await readBody(message);
    if (body === null) {
      send(response, { status: 413, headers: { connection: 'close' }, body: '' }, false);
      return;
    }
    let path = rawPath;
    try {
      path = decodeURIComponent(rawPath);
    } catch {
      // A path that is not valid UTF-8 stays as sent and matches nothing.
    }
    const request: PortalRequest = {
      method,
      path,
      search: cut < 0 ? '' : target.slice(cut),
      body,
      headers: message.headers,
      atMs: now(),
    };
    requests.push(request);
    if (requests.length > 2 * KEPT_REQUESTS) requests = requests.slice(-KEPT_REQUESTS);
    respond(request, message.headers['content-type'] ?? '', response);
  };

  const server = createServer({ keepAliveTimeout: 30_000 }, (message, response) => {
    receive(message, response).catch((error: unknown) => {
      // A defect of the stand-in must be loud: an answer no adapter can take for data.
      if (!response.headersSent) {
        const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
        send(response, { status: 599, headers: { 'content-type': 'text/plain' }, body: text }, false);
      } else response.destroy();
    });
  });

  const listen = (port: number): Promise<void> =>
    new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => {
        server.off('error', reject);
        resolve();
      });
    });
  await listen(options.port ?? 0);
  // A TCP server that listens has an AddressInfo; the union is for pipes.
  const { port } = server.address() as AddressInfo;

  const stop = (): Promise<void> => {
    if (!running) return Promise.resolve();
    running = false;
    return new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  };

  return {
    id: options.id,
    kind: options.kind,
    title: options.title,
    language: options.language,
    baseUrl: `http://127.0.0.1:${port}`,
    port,
    get requests() {
      return requests.length > KEPT_REQUESTS ? requests.slice(-KEPT_REQUESTS) : requests;
    },
    clearRequests: () => {
      requests = [];
    },
    setFault: (next, when) => {
      fault = next;
      faultWhen = when;
    },
    setQuirks: (next) => {
      quirks = next;
    },
    stop,
    restart: async () => {
      if (running) return;
      await listen(port);
      running = true;
    },
    close: stop,
    truth: options.truth,
  };
}
