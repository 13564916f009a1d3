import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createSystemEnvironment } from '@civex/environment';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import {
  createMemoryTokenStorage,
  createTokenService,
  SCOPES,
  type NewClient,
  type TokenService,
  type TokenServiceOptions,
  type TokenStorage,
} from '../index.ts';

export const RESOURCE = 'https://hub.example/';
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
export const DETAIL = 'urn:civex:data-share';

export interface Pair {
  readonly alg: string;
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

export async function newPair(alg = 'ES256'): Promise<Pair> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { alg, privateKey, jwk: await exportJWK(publicKey) };
}

export const now = (): number => Math.floor(Date.now() / 1000);

/** What of an answer's JSON the tests look at; whatever is there is checked by them. */
interface AnswerBody {
  readonly access_token: string;
  readonly authorization_details?: unknown;
  readonly error?: string;
  readonly expires_in: number;
  readonly jwks_uri: string;
  readonly scope?: string;
  readonly token_endpoint: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: AnswerBody;
}

export interface Server extends AsyncDisposable {
  readonly issuer: string;
  readonly service: TokenService;
  readonly storage: TokenStorage;
  readonly events: string[];
  readonly send: (path: string, init?: RequestInit) => Promise<Answer>;
}

/** The handler behind a real listener, mounted under a path, as the gateway does. */
export async function startServer(options: Partial<TokenServiceOptions> = {}): Promise<Server> {
  let service: TokenService | null = null;
  const server = createServer((req, res) => void service?.handle(req, res));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const issuer = `http://127.0.0.1:${port}/oauth`;
  const storage = options.storage ?? createMemoryTokenStorage();
  const events: string[] = [];
  const made = await createTokenService({
    issuer,
    resource: RESOURCE,
    storage,
    environment: createSystemEnvironment(),
    log: { warn: (event) => events.push(event) },
    ...options,
  });
  service = made;
  return {
    issuer: options.issuer ?? issuer,
    service: made,
    storage,
    events,
    send: async (path, init) => {
      const answer = await fetch(new URL(path, issuer), init);
      const text = await answer.text();
      let body = {} as AnswerBody;
      try {
        body = JSON.parse(text) as AnswerBody;
      } catch {
        // Some answers have no JSON.
      }
      return { status: answer.status, headers: answer.headers, text, body };
    },
    async [Symbol.asyncDispose]() {
      made.close();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

export interface Client {
  readonly id: string;
  readonly auth: Pair;
  readonly dpop: Pair;
}

export async function addClient(
  server: Server,
  id: string,
  more: Partial<NewClient> = {},
  auth?: Pair,
): Promise<Client> {
  const pair = auth ?? (await newPair());
  await server.service.addClient({
    id,
    organisation: `org-${id}`,
    scopes: SCOPES,
    authentication: 'private_key_jwt',
    jwks: { keys: [pair.jwk] },
    ...more,
  });
  return { id, auth: pair, dpop: await newPair() };
}

export interface AssertionChanges {
  readonly header?: object;
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly key?: CryptoKey;
}

export async function assertion(server: Server, client: Client, changes: AssertionChanges = {}): Promise<string> {
  const claims = {
    iss: client.id,
    sub: client.id,
    aud: server.issuer,
    jti: randomUUID(),
    iat: now(),
    exp: now() + 60,
    ...changes.claims,
  };
  return await new SignJWT(JSON.parse(JSON.stringify(claims)))
    .setProtectedHeader({ alg: client.auth.alg, ...changes.header })
    .sign(changes.key ?? client.auth.privateKey);
}

export interface ProofChanges {
  readonly header?: object;
  readonly claims?: Readonly<Record<string, unknown>>;
}

export async function proof(server: Server, pair: Pair, changes: ProofChanges = {}): Promise<string> {
  const claims = { htm: 'POST', htu: `${server.issuer}/token`, jti: randomUUID(), iat: now(), ...changes.claims };
  return await new SignJWT(JSON.parse(JSON.stringify(claims)))
    .setProtectedHeader({ alg: pair.alg, typ: 'dpop+jwt', jwk: pair.jwk, ...changes.header })
    .sign(pair.privateKey);
}

export interface AskOptions {
  /** Null: no proof. */
  readonly dpop?: string | null;
  readonly assertion?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly path?: string;
}

/** One request to the token endpoint, well formed but for what is said. */
export async function ask(
  server: Server,
  client: Client,
  parameters: Readonly<Record<string, string>>,
  options: AskOptions = {},
): Promise<Answer> {
  const dpop = options.dpop === undefined ? await proof(server, client.dpop) : options.dpop;
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: options.assertion ?? (await assertion(server, client)),
    ...parameters,
  });
  return await server.send(options.path ?? '/oauth/token', {
    method: 'POST',
    body,
    headers: { ...(dpop === null ? {} : { DPoP: dpop }), ...options.headers },
  });
}

export async function exchange(
  server: Server,
  actor: Client,
  subjectToken: string,
  parameters: Readonly<Record<string, string>> = {},
  options: AskOptions = {},
): Promise<Answer> {
  return await ask(
    server,
    actor,
    { grant_type: EXCHANGE, subject_token: subjectToken, subject_token_type: ACCESS_TOKEN, ...parameters },
    options,
  );
}

export async function tokenOf(
  server: Server,
  client: Client,
  parameters: Readonly<Record<string, string>> = {},
): Promise<string> {
  const answer = await ask(server, client, { scope: 'catalog:read records:read', ...parameters });
  if (answer.status !== 200) throw new Error(`no token: ${answer.text}`);
  return answer.body.access_token;
}

export async function revoke(server: Server, client: Client, token: string, more: AskOptions = {}): Promise<Answer> {
  return await ask(server, client, { token }, { path: '/oauth/token/revocation', dpop: null, ...more });
}

export const thumbprint = (pair: Pair): Promise<string> => calculateJwkThumbprint(pair.jwk);
