import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HubError } from '@civex/errors';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, SignJWT, type CryptoKey, type JWK } from 'jose';
import { request, type Dispatcher } from 'undici';

/** What a partner keeps to ask for tokens and to use them. Holds private keys: in a file only its owner can read. */
export interface ClientCredentials {
  /** Absolute address; https, or http on loopback. */
  readonly tokenEndpoint: string;
  readonly clientId: string;
  /** The hub's own identifier (RFC 8707). */
  readonly resource: string;
  /** What the client may ask for: scopes, separated by spaces. */
  readonly scope: string;
  /** P-256, proves who the client is (RFC 7523). Its public part is registered. */
  readonly privateKey: JWK;
  /** P-256, tokens are bound to it (RFC 9449). Known to nobody else. */
  readonly dpopKey: JWK;
}

export interface TokenAnswer {
  readonly accessToken: string;
  readonly tokenType: 'DPoP' | 'Bearer';
  readonly expiresInSeconds: number;
  readonly scope: string;
}

export interface TokenQuestion {
  /** Scopes, separated by spaces. Default: those of the credentials. */
  readonly scope?: string | undefined;
  /** RFC 9396; sent as JSON. */
  readonly authorizationDetails?: readonly object[] | undefined;
  /** Another client's access token to act for it (RFC 8693). */
  readonly subjectToken?: string | undefined;
  /** Default undici's. */
  readonly dispatcher?: Dispatcher | undefined;
}

const ASSERTION_SECONDS = 60;
const TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 65_536;
const MAX_FILE_CHARACTERS = 16_384;
const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const EXCHANGE_GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token';
const KEY_MEMBERS = ['kty', 'crv', 'x', 'y', 'd'] as const;
const MEMBERS = ['tokenEndpoint', 'clientId', 'resource', 'scope', 'privateKey', 'dpopKey'];

const refuse = (message: string): HubError => new HubError('INPUT_INVALID', message);

async function newKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  return await exportJWK(privateKey);
}

const publicPart = ({ kty, crv, x, y }: JWK): JWK => JSON.parse(JSON.stringify({ kty, crv, x, y })) as JWK;

/** New keys, and the public one to register the client with. */
export async function createClientCredentials(about: {
  readonly tokenEndpoint: string;
  readonly clientId: string;
  readonly resource: string;
  readonly scope: string;
}): Promise<{ readonly credentials: ClientCredentials; readonly jwks: { readonly keys: readonly JWK[] } }> {
  const privateKey = await newKey();
  const { tokenEndpoint, clientId, resource, scope } = about;
  const key = publicPart(privateKey);
  return {
    credentials: { tokenEndpoint, clientId, resource, scope, privateKey, dpopKey: await newKey() },
    jwks: { keys: [{ ...key, kid: await calculateJwkThumbprint(key), alg: 'ES256', use: 'sig' }] },
  };
}

/** @throws {HubError} INPUT_INVALID: there is a file already, or none can be made. */
export async function writeCredentials(path: string, credentials: ClientCredentials): Promise<void> {
  let file;
  try {
    file = await open(path, 'wx', 0o600);
  } catch (error) {
    const isThere = error instanceof Error && 'code' in error && error.code === 'EEXIST';
    throw refuse(`${path}: ${isThere ? 'there is a file already' : 'cannot be written'}.`);
  }
  try {
    await file.writeFile(`${JSON.stringify(credentials, null, 2)}\n`);
    await file.sync();
  } catch {
    // Half a file would be found and not understood.
    await rm(path, { force: true });
    throw refuse(`${path}: cannot be written.`);
  } finally {
    await file.close();
  }
}

/**
 * Writes the file anew, and the folder it is in.
 * @throws {HubError} INPUT_INVALID: it cannot be made.
 */
export async function replaceCredentials(path: string, credentials: ClientCredentials): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await rm(path, { force: true });
  } catch {
    throw refuse(`${path}: cannot be written.`);
  }
  await writeCredentials(path, credentials);
}

/** A file that is not there is no fault. */
export async function removeCredentials(path: string): Promise<void> {
  await rm(path, { force: true });
}

function readKey(value: unknown): JWK | null {
  if (typeof value !== 'object' || value === null) return null;
  const members = new Map<string, unknown>(Object.entries(value));
  const isRight = members.get('kty') === 'EC' && members.get('crv') === 'P-256';
  if (!isRight || !KEY_MEMBERS.every((name) => typeof members.get(name) === 'string')) return null;
  return JSON.parse(JSON.stringify(Object.fromEntries(KEY_MEMBERS.map((name) => [name, members.get(name)])))) as JWK;
}

function isEndpoint(text: unknown): text is string {
  const url = typeof text === 'string' ? URL.parse(text) : null;
  if (url === null || url.username !== '' || url.hash !== '') return false;
  const isLoopback = url.hostname === 'localhost' || url.hostname === '[::1]' || /^127(\.\d+){3}$/.test(url.hostname);
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback);
}

function parseCredentials(text: string): ClientCredentials | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const members = new Map<string, unknown>(Object.entries(value));
  const tokenEndpoint = members.get('tokenEndpoint');
  const clientId = members.get('clientId');
  const resource = members.get('resource');
  const scope = members.get('scope');
  const privateKey = readKey(members.get('privateKey'));
  const dpopKey = readKey(members.get('dpopKey'));
  if (![...members.keys()].every((name) => MEMBERS.includes(name)) || !isEndpoint(tokenEndpoint)) return null;
  if (typeof clientId !== 'string' || !isEndpoint(resource) || typeof scope !== 'string') return null;
  if (privateKey === null || dpopKey === null) return null;
  return { tokenEndpoint, clientId, resource, scope, privateKey, dpopKey };
}

/** @throws {HubError} INPUT_INVALID: not readable, readable by others than its owner, or not such a file. Never its content. */
export async function readCredentials(path: string): Promise<ClientCredentials> {
  let text: string;
  let mode: number;
  try {
    const file = await open(path, 'r');
    try {
      ({ mode } = await file.stat());
      text = await readFile(file, 'utf8');
    } finally {
      await file.close();
    }
  } catch {
    throw refuse(`${path}: cannot be read.`);
  }
  if ((mode & 0o077) !== 0) throw refuse(`${path}: others can read this file. Take that away: chmod 600.`);
  const credentials = text.length > MAX_FILE_CHARACTERS ? null : parseCredentials(text);
  if (credentials === null) throw refuse(`${path}: not a credentials file of a client.`);
  return credentials;
}

async function importKey(key: JWK): Promise<CryptoKey> {
  const imported = await importJWK(key, 'ES256');
  if (imported instanceof Uint8Array) throw refuse('The key of the credentials is not P-256.');
  return imported;
}

/** RFC 9449. With an access token the proof is for using it, without for asking for one. Good once, for 60 s. */
export async function createDpopProof(
  credentials: Pick<ClientCredentials, 'dpopKey'>,
  about: {
    readonly method: string;
    readonly url: string;
    readonly accessToken?: string | undefined;
    readonly nonce?: string | undefined;
  },
): Promise<string> {
  const { origin, pathname } = new URL(about.url);
  const hash = about.accessToken === undefined ? null : await sha256(about.accessToken);
  return await new SignJWT({
    htm: about.method,
    htu: `${origin}${pathname}`,
    jti: randomUUID(),
    ...(hash === null ? {} : { ath: hash }),
    ...(about.nonce === undefined ? {} : { nonce: about.nonce }),
  })
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: publicPart(credentials.dpopKey) })
    .setIssuedAt()
    .sign(await importKey(credentials.dpopKey));
}

async function sha256(text: string): Promise<string> {
  return Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(text))).toString('base64url');
}

async function createAssertion({ clientId, tokenEndpoint, privateKey }: ClientCredentials): Promise<string> {
  return await new SignJWT({})
    .setProtectedHeader({ alg: 'ES256', kid: await calculateJwkThumbprint(publicPart(privateKey)) })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(tokenEndpoint)
    .setJti(randomUUID())
    .setIssuedAt()
    .setExpirationTime(`${ASSERTION_SECONDS}s`)
    .sign(await importKey(privateKey));
}

interface Answer {
  readonly status: number;
  readonly nonce: string | undefined;
  readonly body: ReadonlyMap<string, unknown>;
}

async function post(
  credentials: ClientCredentials,
  question: TokenQuestion,
  nonce: string | undefined,
): Promise<Answer> {
  const { tokenEndpoint, resource } = credentials;
  const form = new URLSearchParams({
    scope: question.scope ?? credentials.scope,
    resource,
    client_assertion_type: ASSERTION_TYPE,
    client_assertion: await createAssertion(credentials),
    ...(question.subjectToken === undefined
      ? { grant_type: 'client_credentials' }
      : {
          grant_type: EXCHANGE_GRANT,
          subject_token: question.subjectToken,
          subject_token_type: ACCESS_TOKEN_TYPE,
        }),
  });
  if (question.authorizationDetails !== undefined) {
    form.set('authorization_details', JSON.stringify(question.authorizationDetails));
  }
  const answer = await request(tokenEndpoint, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      accept: 'application/json',
      dpop: await createDpopProof(credentials, { method: 'POST', url: tokenEndpoint, nonce }),
    },
    body: form.toString(),
    signal: AbortSignal.timeout(TIMEOUT_MS),
    ...(question.dispatcher === undefined ? {} : { dispatcher: question.dispatcher }),
  });
  let text = '';
  for await (const chunk of answer.body) {
    text += String(chunk);
    if (text.length > MAX_ANSWER_BYTES) throw new TypeError('answer too long');
  }
  const value: unknown = JSON.parse(text);
  const { 'dpop-nonce': given } = answer.headers;
  return {
    status: answer.statusCode,
    nonce: typeof given === 'string' ? given : undefined,
    body: new Map(typeof value === 'object' && value !== null ? Object.entries(value) : []),
  };
}

/**
 * Asks for an access token: the client proves itself by its key (RFC 7523) and has the token bound to its other key
 * (RFC 9449). Within 20 s. A server's nonce is honoured once.
 * @throws {HubError} AUTH_REQUIRED: refused, with the code of RFC 6749; AUTH_UNAVAILABLE: no answer, or none we understand.
 */
export async function requestToken(credentials: ClientCredentials, question: TokenQuestion): Promise<TokenAnswer> {
  let answer: Answer;
  try {
    answer = await post(credentials, question, undefined);
    if (answer.body.get('error') === 'use_dpop_nonce' && answer.nonce !== undefined) {
      answer = await post(credentials, question, answer.nonce);
    }
  } catch (error) {
    throw new HubError('AUTH_UNAVAILABLE', 'The token service does not answer.', {}, error);
  }
  const { status, body } = answer;
  if (status === 400 || status === 401) {
    const code = body.get('error');
    const name = typeof code === 'string' && /^[a-z_]{1,64}$/.test(code) ? code : 'no reason given';
    throw new HubError('AUTH_REQUIRED', `The token service refuses: ${name}.`);
  }
  const accessToken = body.get('access_token');
  const type = body.get('token_type');
  const expiresIn = body.get('expires_in');
  const scope = body.get('scope') ?? question.scope ?? credentials.scope;
  const tokenType = typeof type === 'string' && /^dpop$/i.test(type) ? 'DPoP' : 'Bearer';
  const isRight =
    status === 200 &&
    typeof accessToken === 'string' &&
    /^[\x21-\x7e]{1,16384}$/.test(accessToken) &&
    typeof type === 'string' &&
    /^(dpop|bearer)$/i.test(type);
  if (!isRight || typeof expiresIn !== 'number' || typeof scope !== 'string') {
    throw new HubError('AUTH_UNAVAILABLE', 'The token service gives no token.');
  }
  return { accessToken, tokenType, expiresInSeconds: expiresIn, scope };
}
