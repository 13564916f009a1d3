import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Environment } from '@civex/environment';
import { HubError } from '@civex/errors';
import type { Revocations } from '@civex/identity';
import { addClient, summarise, type ClientSummary, type NewClient } from './client-registry.ts';
import type { GrantContext } from './grants.ts';
import { describeServer } from './metadata.ts';
import type { Handler, TokenServiceLog } from './provider.ts';
import { createSigningKeys, type PublicKeys } from './signing-keys.ts';
import type { TokenStorage } from './storage.ts';
import { revocableIds } from './token-ids.ts';

export interface TokenServiceOptions {
  /** The `iss` of its tokens and the address of its endpoints, such as `https://hub.example/oauth`; no slash at the end. */
  readonly issuer: string;
  /** The `aud` of its tokens (RFC 8707): the hub's own identifier. */
  readonly resource: string;
  readonly storage: TokenStorage;
  /** The library reads the wall clock of the process by itself; both must show the same time. */
  readonly environment: Pick<Environment, 'now' | 'randomBytes' | 'setTimer' | 'clearTimer'>;
  readonly log: TokenServiceLog;
  /** Life of a token, seconds, 60 to 3,600. Default 600. */
  readonly tokenSeconds?: number | undefined;
  /** How long a new key is published before it signs, seconds, 0 to 86,400. Default 600. */
  readonly keyOverlapSeconds?: number | undefined;
}

/** An OAuth 2 authorization server in the process of the hub: client credentials and token exchange, nothing else. */
export interface TokenService extends Revocations {
  /** Answers requests below the path of the issuer, and its two RFC 8414 addresses. Never rejects. */
  handle(req: IncomingMessage, res: ServerResponse): Promise<void>;
  /** What others verify its tokens with. */
  jwks(): Promise<PublicKeys>;
  /** The same as bytes: the `read` of an issuer's keys of the kind `supplied`. */
  readKeys(): Promise<Uint8Array>;
  /** A new key, published at once, signs after the overlap; the old one stays published until its last token has ended. */
  rotateKeys(): Promise<void>;
  /** @throws {HubError} INPUT_INVALID */
  addClient(client: NewClient): Promise<{ readonly secret: string | null }>;
  listClients(): Promise<readonly ClientSummary[]>;
  /** Ends its tokens too, and those exchanged from them. False when there is no such client. */
  removeClient(id: string): Promise<boolean>;
  close(): void;
}

const DEFAULT_TOKEN_SECONDS = 600;
const DEFAULT_OVERLAP_SECONDS = 600;
const PRUNE_MS = 300_000;
/** After a start: the hub answers first. */
const LOAD_MS = 500;
/** Beyond the life of a token: an answer under way while its client is removed. */
const REMOVAL_MARGIN_MS = 3_600_000;

type Route = 'metadata' | 'jwks' | 'token' | 'revocation';
const METHODS: Readonly<Record<Route, readonly string[]>> = {
  metadata: ['GET', 'HEAD'],
  jwks: ['GET', 'HEAD'],
  token: ['POST'],
  revocation: ['POST'],
};

function checkOptions(options: TokenServiceOptions): URL {
  const issuer = URL.parse(options.issuer);
  if (issuer === null || !/^https?:$/.test(issuer.protocol) || /[?#]|\/$/.test(options.issuer)) {
    throw new HubError(
      'CONFIG_INVALID',
      'The issuer of the token service is not an address without query and last slash.',
    );
  }
  const { tokenSeconds = DEFAULT_TOKEN_SECONDS, keyOverlapSeconds = DEFAULT_OVERLAP_SECONDS } = options;
  const isWithin = (value: number, least: number, most: number) =>
    Number.isSafeInteger(value) && value >= least && value <= most;
  if (!isWithin(tokenSeconds, 60, 3600) || !isWithin(keyOverlapSeconds, 0, 86_400)) {
    throw new HubError('CONFIG_INVALID', 'The times of the token service are out of range.');
  }
  return issuer;
}

function routesOf(issuer: URL): ReadonlyMap<string, Route> {
  const base = issuer.pathname === '/' ? '' : issuer.pathname;
  const names = ['oauth-authorization-server', 'openid-configuration'];
  return new Map<string, Route>([
    [`${base}/token`, 'token'],
    [`${base}/token/revocation`, 'revocation'],
    [`${base}/jwks`, 'jwks'],
    // RFC 8414 puts the issuer's path behind, OpenID Connect Discovery before.
    ...names.flatMap((name) =>
      [`${base}/.well-known/${name}`, `/.well-known/${name}${base}`].map((path) => [path, 'metadata'] as const),
    ),
  ]);
}

function send(req: IncomingMessage, res: ServerResponse, status: number, body: unknown, headers: object = {}): void {
  const text = JSON.stringify(body);
  res.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    ...headers,
  });
  res.end(req.method === 'HEAD' ? undefined : text);
}

/** @throws {HubError} CONFIG_INVALID for options out of range; whatever the storage throws. */
export async function createTokenService(options: TokenServiceOptions): Promise<TokenService> {
  const issuer = checkOptions(options);
  const { storage, environment, log, resource, tokenSeconds = DEFAULT_TOKEN_SECONDS } = options;
  const keys = createSigningKeys(
    storage,
    environment,
    tokenSeconds,
    options.keyOverlapSeconds ?? DEFAULT_OVERLAP_SECONDS,
  );
  const context: GrantContext = { issuer: options.issuer, resource, tokenSeconds, storage, keys, environment };
  const routes = routesOf(issuer);
  const metadata = describeServer(options.issuer);

  let made: { readonly kid: string; readonly handler: Promise<Handler> } | null = null;
  const currentHandler = async (): Promise<Handler> => {
    const key = await keys.current();
    if (made?.kid !== key.kid) {
      // The library is a fifth of what a hub loads, and a hub that was killed is to be back soon: it comes when it is used.
      const loaded = import('./provider.ts').then(({ createHandler }) => createHandler(context, log, key));
      made = { kid: key.kid, handler: loaded };
    }
    return await made.handler;
  };
  // What the storage cannot give is found now, and the first key made.
  await keys.current();
  const loading = environment.setTimer(
    () => void currentHandler().catch(() => log.warn('token service could not load')),
    LOAD_MS,
    { isBackground: true },
  );

  let isClosed = false;
  const prune = async (): Promise<void> => {
    try {
      await storage.prune(environment.now());
    } catch {
      // Nothing is lost: what should be forgotten is kept until the next time.
      log.warn('token service could not prune its storage');
    }
    if (!isClosed) timer = environment.setTimer(() => void prune(), PRUNE_MS, { isBackground: true });
  };
  let timer = environment.setTimer(() => void prune(), PRUNE_MS, { isBackground: true });

  const pass = async (req: IncomingMessage, res: ServerResponse, path: string): Promise<void> => {
    const handler = await currentHandler();
    // What the library makes URLs of (`htu` of a proof, `aud` of an assertion) is the issuer's, not what a caller names.
    req.headers['x-forwarded-host'] = issuer.host;
    req.headers['x-forwarded-proto'] = issuer.protocol.slice(0, -1);
    const base = issuer.pathname === '/' ? '' : issuer.pathname;
    const outer = req.url;
    Object.assign(req, { originalUrl: path });
    req.url = path.slice(base.length);
    try {
      await handler(req, res);
    } finally {
      req.url = outer;
    }
  };

  return {
    async handle(req, res) {
      try {
        const path = (req.url ?? '').replace(/[?#].*$/s, '');
        const route = routes.get(path);
        if (route === undefined) return send(req, res, 404, { error: 'not_found' });
        const methods = METHODS[route];
        if (!methods.includes(req.method ?? '')) {
          return send(req, res, 405, { error: 'invalid_request' }, { allow: methods.join(', ') });
        }
        if (route === 'metadata') return send(req, res, 200, metadata, { 'cache-control': 'public, max-age=300' });
        if (route === 'jwks') {
          return send(req, res, 200, await keys.published(), { 'cache-control': 'public, max-age=60' });
        }
        await pass(req, res, path);
      } catch (error) {
        log.warn(`token service failed: ${error instanceof Error ? error.name : 'unknown'}`);
        if (res.headersSent) res.destroy();
        else
          send(req, res, 503, {
            error: 'server_error',
            error_description: 'the token service cannot answer at the moment',
          });
      }
    },
    jwks: () => keys.published(),
    readKeys: async () => Buffer.from(JSON.stringify(await keys.published())),
    rotateKeys: () => keys.rotate(),
    async isRevoked(question) {
      if (question.issuer !== options.issuer) return false;
      const ids = revocableIds(question.tokenId);
      return ids === null || (await storage.isAnyRevoked(ids));
    },
    addClient: (client) => addClient(storage, environment, client),
    listClients: async () => (await storage.listClients()).map(summarise),
    removeClient: (id) => storage.removeClient(id, environment.now() + tokenSeconds * 1000 + REMOVAL_MARGIN_MS),
    close() {
      isClosed = true;
      environment.clearTimer(loading);
      environment.clearTimer(timer);
    },
  };
}
