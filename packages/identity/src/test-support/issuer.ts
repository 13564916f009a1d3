import { createHash } from 'node:crypto';
import { createVirtualEnvironment, type VirtualEnvironment } from '@civex/environment';
import { calculateJwkThumbprint, CompactSign, exportJWK, generateKeyPair, type CryptoKey, type JWK } from 'jose';
import { createIdentity, type Identity } from '../identity.ts';
import type { IdentityOptions, IssuerConfig } from '../options.ts';
import { createMemoryReplayStore } from '../replay-store.ts';

export const NOW_MS: number = Date.UTC(2026, 0, 1);
export const ISSUER = 'https://idp.example.test';
export const RESOURCE = 'https://hub.example.test/graphql';
const AUDIENCE = 'urn:urban-hub';
export const KEY_SET_URL: string = `${ISSUER}/jwks.json`;

export interface TestKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

export async function createKey(kid: string, alg = 'ES256'): Promise<TestKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

/** A claim set that is accepted; undefined members are left out. */
export function claimsOf(changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const now = NOW_MS / 1_000;
  return {
    iss: ISSUER,
    aud: AUDIENCE,
    sub: 'svc:water',
    client_id: 'water-app',
    scope: 'catalog:read records:read',
    iat: now - 60,
    exp: now + 600,
    jti: 'jti-1',
    org: 'water-board',
    ...changes,
  };
}

export async function sign(
  key: TestKey,
  payload: unknown,
  header: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const bytes = new TextEncoder().encode(typeof payload === 'string' ? payload : JSON.stringify(payload));
  return new CompactSign(bytes)
    .setProtectedHeader({ typ: 'at+jwt', alg: key.alg, kid: key.kid, ...header })
    .sign(key.privateKey);
}

export async function prove(
  key: TestKey,
  token: string,
  changes: Readonly<Record<string, unknown>> = {},
  header: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const { kid: _, alg: __, use: ___, ...jwk } = key.jwk;
  const ath = createHash('sha256').update(token).digest('base64url');
  const claims = { jti: 'proof-1', htm: 'POST', htu: RESOURCE, iat: NOW_MS / 1_000, ath, ...changes };
  return new CompactSign(new TextEncoder().encode(JSON.stringify(claims)))
    .setProtectedHeader({ typ: 'dpop+jwt', alg: key.alg, jwk, ...header })
    .sign(key.privateKey);
}

export const bindTo = async (key: TestKey): Promise<{ readonly cnf: { readonly jkt: string } }> => ({
  cnf: { jkt: await calculateJwkThumbprint(key.jwk) },
});

export const issuerOf = (changes: Partial<IssuerConfig> = {}): IssuerConfig => ({
  issuer: ISSUER,
  keys: { kind: 'jwksUri', uri: KEY_SET_URL },
  audience: AUDIENCE,
  organisationClaim: 'org',
  organisations: new Map([['water-board', 'water']]),
  ...changes,
});

export interface TestBench {
  readonly identity: Identity;
  readonly environment: VirtualEnvironment;
  /** Addresses that were fetched. */
  readonly fetched: string[];
  /** What is published where. A function is called, an Error is thrown. */
  readonly documents: Map<string, unknown>;
  bearer(token: string): Promise<Awaited<ReturnType<Identity['authenticate']>>>;
  bound(token: string, ...proofs: readonly string[]): Promise<Awaited<ReturnType<Identity['authenticate']>>>;
}

/** A hub's identity with documents, time and stores in the hands of the test. */
export async function createBench(
  issuers: readonly IssuerConfig[],
  documents: Readonly<Record<string, unknown>> = {},
  changes: Partial<IdentityOptions> = {},
): Promise<TestBench> {
  const environment = createVirtualEnvironment({ seed: 1, startEpochMs: NOW_MS });
  const published = new Map(Object.entries(documents));
  const fetched: string[] = [];
  const identity = await createIdentity({
    resource: RESOURCE,
    issuers,
    environment,
    fetchDocument: async (url) => {
      fetched.push(url);
      const found = published.get(url);
      const document: unknown = typeof found === 'function' ? await (found as () => unknown)() : found;
      if (document instanceof Error) throw document;
      if (document === undefined) return { status: 404, body: new Uint8Array() };
      return { status: 200, body: document instanceof Uint8Array ? document : Buffer.from(JSON.stringify(document)) };
    },
    replay: createMemoryReplayStore(environment),
    revocations: { isRevoked: async () => false },
    ...changes,
  });
  const present = (scheme: string, token: string, dpop: readonly string[]) =>
    identity.authenticate({ authorization: [`${scheme} ${token}`], dpop, method: 'POST', url: RESOURCE });
  return {
    identity,
    environment,
    fetched,
    documents: published,
    bearer: (token) => present('Bearer', token, []),
    bound: (token, ...proofs) => present('DPoP', token, proofs),
  };
}
