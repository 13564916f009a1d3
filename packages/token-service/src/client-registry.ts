import { createHash, createPublicKey, timingSafeEqual } from 'node:crypto';
import type { Environment } from '@civex/environment';
import { HubError } from '@civex/errors';
import type { OrganisationRole } from '@civex/identity';
import type { JWK } from 'jose';
import { isScope, type Scope } from './scopes.ts';
import type { ClientAuthentication, ClientRecord, TokenStorage } from './storage.ts';
import { createTag } from './token-ids.ts';

export interface NewClient {
  /** 1 to 64 of letters, digits, `.`, `_` and `-`. */
  readonly id: string;
  /** By its id in hub.yaml. */
  readonly organisation: string;
  /** Default `use`. */
  readonly roles?: readonly OrganisationRole[] | undefined;
  /** What its tokens may be asked for, at least one. */
  readonly scopes: readonly Scope[];
  readonly authentication: 'private_key_jwt' | 'client_secret_basic';
  /** Public keys, 1 to 4, for `private_key_jwt` only: P-256, Ed25519 or RSA from 2,048 bits. */
  readonly jwks?: { readonly keys: readonly JWK[] } | undefined;
  /** Organisations whose tokens it may exchange (RFC 8693). Default none. */
  readonly mayActFor?: readonly string[] | undefined;
}

/** A client without anything it proves itself with. */
export interface ClientSummary {
  readonly id: string;
  readonly organisation: string;
  readonly roles: readonly OrganisationRole[];
  readonly scopes: readonly Scope[];
  readonly mayActFor: readonly string[];
  readonly authentication: ClientAuthentication['method'];
  readonly createdAtEpochMs: number;
}

const CLIENT_ID = /^[A-Za-z0-9._-]{1,64}$/;
const ORGANISATION = /^[^\p{C}\s]{1,128}$/u;
const MAX_ORGANISATIONS = 64;
const MAX_KEYS = 4;
const MIN_RSA_BITS = 2048;
const SECRET_BYTES = 32;
const SALT_BYTES = 16;
/** Of private and of symmetric keys (RFC 7518). */
const SECRET_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'];
const PUBLIC_MEMBERS = ['kty', 'crv', 'x', 'y', 'n', 'e', 'kid'] as const;

const refuse = (message: string): HubError => new HubError('INPUT_INVALID', message);

/** What is left of a key is what it verifies with. */
function readKey(key: JWK): JWK {
  if (SECRET_MEMBERS.some((name) => name in key)) throw refuse('A key of the client is not public.');
  const kept: JWK = { kty: '' };
  for (const name of PUBLIC_MEMBERS) if (typeof key[name] === 'string') kept[name] = key[name];
  let details: { readonly type: string | undefined; readonly curve: string | undefined; readonly bits: number };
  try {
    const read = createPublicKey({ key: { ...kept }, format: 'jwk' });
    const { namedCurve, modulusLength } = read.asymmetricKeyDetails ?? {};
    details = { type: read.asymmetricKeyType, curve: namedCurve, bits: modulusLength ?? 0 };
  } catch {
    throw refuse('A key of the client is not a JSON Web Key.');
  }
  const isRight =
    details.type === 'ed25519' ||
    (details.type === 'ec' && details.curve === 'prime256v1') ||
    (details.type === 'rsa' && details.bits >= MIN_RSA_BITS && kept.e === 'AQAB');
  if (!isRight) throw refuse('A key of the client is not P-256, Ed25519 or RSA with 2,048 bits or more.');
  return { ...kept, use: 'sig' };
}

function checkNames(client: NewClient): void {
  if (!CLIENT_ID.test(client.id)) {
    throw refuse('The id of a client is 1 to 64 letters, digits, dots, underlines and hyphens.');
  }
  const organisations = [client.organisation, ...(client.mayActFor ?? [])];
  if (organisations.length > MAX_ORGANISATIONS || !organisations.every((text) => ORGANISATION.test(text))) {
    throw refuse('The organisations of a client are ids of hub.yaml, 64 at most.');
  }
  if (client.scopes.length === 0 || !client.scopes.every(isScope)) {
    throw refuse('A client needs at least one scope, and only those the hub knows.');
  }
  if (!(client.roles ?? []).every((role) => role === 'use' || role === 'manage')) {
    throw refuse('The roles of a client are use and manage.');
  }
}

const hashSecret = (salt: string, secret: string): Buffer => createHash('sha256').update(`${salt}.${secret}`).digest();

/** A fast hash is enough: what is hashed is 256 bits of randomness, never a word somebody chose. */
export function isSecret(secretHash: string, secret: string): boolean {
  const [salt = '', hash = ''] = secretHash.split('.');
  const held = Buffer.from(hash, 'base64url');
  const given = hashSecret(salt, secret);
  return held.length === given.length && timingSafeEqual(held, given);
}

/**
 * Registers a client. The secret of `client_secret_basic` is told here and never again.
 * @throws {HubError} INPUT_INVALID: the id is taken, or something is not as `NewClient` says.
 */
export async function addClient(
  storage: TokenStorage,
  environment: Pick<Environment, 'now' | 'randomBytes'>,
  client: NewClient,
): Promise<{ readonly secret: string | null }> {
  checkNames(client);
  const text = (size: number) => Buffer.from(environment.randomBytes(size)).toString('base64url');
  let authentication: ClientAuthentication;
  let secret: string | null = null;
  if (client.authentication === 'private_key_jwt') {
    const keys = client.jwks?.keys ?? [];
    if (keys.length === 0 || keys.length > MAX_KEYS) throw refuse('A client with private_key_jwt needs 1 to 4 keys.');
    authentication = { method: 'private_key_jwt', keys: keys.map(readKey) };
  } else {
    if (client.jwks !== undefined) throw refuse('A client with a secret has no keys.');
    secret = text(SECRET_BYTES);
    const salt = text(SALT_BYTES);
    authentication = {
      method: 'client_secret_basic',
      secretHash: `${salt}.${hashSecret(salt, secret).toString('base64url')}`,
    };
  }
  const isNew = await storage.addClient({
    id: client.id,
    organisation: client.organisation,
    roles: [...new Set(client.roles ?? ['use' as const])],
    scopes: [...new Set(client.scopes)],
    mayActFor: [...new Set(client.mayActFor)],
    authentication,
    tag: createTag(environment),
    createdAtEpochMs: environment.now(),
  });
  if (!isNew) throw refuse('There is a client of this id already.');
  return { secret };
}

export function summarise(client: ClientRecord): ClientSummary {
  const { id, organisation, roles, scopes, mayActFor, authentication, createdAtEpochMs } = client;
  return { id, organisation, roles, scopes, mayActFor, authentication: authentication.method, createdAtEpochMs };
}
