import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { HubError, isHubError } from '@civex/errors';
import { ALGORITHMS, DEFAULT_ALGORITHMS, type Algorithm } from './algorithms.ts';
import { isAccessTokenType, readClaims, type TokenClaims } from './claims.ts';
import { decodeClaims, decodeCompactJws, type CompactJws } from './compact-jws.ts';
import { withDeadline } from './deadline.ts';
import { createFixedKeys, createIssuerKeys, type IssuerHealth, type IssuerKeys } from './issuer-keys.ts';
import { isKeyId, readKeySet } from './key-set.ts';
import type { IdentityOptions, IssuerConfig } from './options.ts';
import { verifyProof } from './proof.ts';
import { challengeFor, describeResource, metadataUrl, type ProtectedResourceMetadata } from './protected-resource.ts';
import { isSignedBy } from './public-key.ts';
import { refuse, unavailable, type OutageReason, type RefusalReason } from './refusal.ts';
import type { Subject } from './subject.ts';
import { isFetchable } from './urls.ts';

/** How long a verified signature is not verified again, milliseconds. */
const CACHE_MS = 60_000;
const MAX_CACHED = 10_000;
/** For one question to the revocations or the replay store, milliseconds. */
const STORE_MS = 5_000;
const CREDENTIALS = /^(bearer|dpop) +([A-Za-z0-9._~+/=-]+)$/i;

/** What a request presents. */
export interface AuthenticationRequest {
  /** Every `Authorization` header line. */
  readonly authorization: readonly string[];
  /** Every `DPoP` header line. */
  readonly dpop: readonly string[];
  readonly method: string;
  /** As the caller addressed it, behind whatever proxies. */
  readonly url: string;
}

export interface IdentityHealth {
  readonly issuers: readonly IssuerHealth[];
  /** How far the wall clock has stepped since the start, milliseconds: beyond ±30 s tokens are misjudged. */
  readonly clockStepMs: number;
}

export interface Identity {
  /**
   * Who the caller is; null without any credentials. Credentials that are there and not right are refused, never
   * overlooked.
   *
   * @throws HubError AUTH_REQUIRED: refused, one text for all reasons; `cause` is a `RefusalReason`.
   * @throws HubError AUTH_UNAVAILABLE: keys, revocations or replay store cannot be had; `cause` is an `OutageReason`.
   */
  authenticate(request: AuthenticationRequest): Promise<Subject | null>;
  /**
   * What a token is worth to whoever proves to hold it, for those who help its bearer. A token whose time is over, or has
   * not come, is read as of the moment it was issued. Everything else is as with `authenticate`.
   *
   * @throws HubError AUTH_REQUIRED, AUTH_UNAVAILABLE
   */
  inspect(token: string): Promise<{ readonly subject: Subject; readonly isInTime: boolean }>;
  /** RFC 9728. */
  metadata(): ProtectedResourceMetadata;
  /** Where the metadata belongs, RFC 9728, 3.1. */
  readonly metadataUrl: string;
  /** The value of `WWW-Authenticate` for an error of `authenticate`, or for one thrown because nobody was there. */
  challenge(error: unknown): string;
  health(): IdentityHealth;
  /** Ends the refreshing. */
  close(): Promise<void>;
}

interface Issuer {
  readonly config: IssuerConfig;
  readonly algorithms: readonly Algorithm[];
  readonly audience: string;
  readonly keys: IssuerKeys;
}

/**
 * Verifies access tokens (RFC 9068) and proofs of possession (RFC 9449) for one resource under the strict profile of
 * README.md. Begins to load the issuers' keys and does not wait for them.
 *
 * @throws HubError CONFIG_INVALID
 */
export async function createIdentity(options: IdentityOptions): Promise<Identity> {
  const { environment } = options;
  assertOptions(options);
  // Keys that are written down first: they can be wrong, and then nothing must have begun.
  const fixed = new Map<string, IssuerKeys>();
  for (const config of options.issuers)
    if (config.keys.kind === 'fixed') fixed.set(config.issuer, await readFixedKeys(config, config.keys.jwks));
  const issuers = new Map<string, Issuer>();
  for (const config of options.issuers) {
    const keys = fixed.get(config.issuer) ?? createKeys(options, config);
    const { algorithms = DEFAULT_ALGORITHMS, audience = options.resource } = config;
    issuers.set(config.issuer, { config, algorithms, audience, keys });
  }
  /** Signatures found right: digest of the token to the key and the moment. */
  const verified = new LRUCache<string, { readonly thumbprint: string; readonly atMs: number }>({ max: MAX_CACHED });
  const clockOffsetMs = environment.now() - environment.monotonicMs();

  const ask = async (reason: OutageReason, question: () => Promise<boolean>): Promise<boolean> => {
    let answer: unknown;
    try {
      answer = await withDeadline(environment, STORE_MS, question());
    } catch {
      throw unavailable(reason); // What a store says of its trouble may name keys of ours.
    }
    if (typeof answer !== 'boolean') throw unavailable(reason);
    return answer;
  };

  const assertSignature = async (issuer: Issuer, jws: CompactJws): Promise<void> => {
    const { alg, kid } = jws.header;
    const algorithm = issuer.algorithms.find((allowed) => allowed === alg);
    if (algorithm === undefined || !isKeyId(kid)) throw refuse('HEADER');
    const key = await issuer.keys.find(kid);
    if (key === null || !key.byAlgorithm.has(algorithm)) throw refuse('KEY');
    const digest = createHash('sha256').update(jws.text, 'ascii').digest('base64url');
    const entryKey = JSON.stringify([issuer.config.issuer, kid, digest]);
    const entry = verified.get(entryKey);
    const nowMs = environment.monotonicMs();
    if (entry?.thumbprint === key.thumbprint && nowMs - entry.atMs < CACHE_MS) return;
    if (!(await isSignedBy(jws, algorithm, key))) throw refuse('SIGNATURE');
    verified.set(entryKey, { thumbprint: key.thumbprint, atMs: nowMs });
  };

  const verifyToken = async (token: string, atEpochMs = environment.now()): Promise<TokenClaims> => {
    const jws = decodeCompactJws(token, ['alg', 'typ', 'kid']);
    if (jws === null) throw refuse('FORM');
    const payload = decodeClaims(jws.payload);
    if (payload === null) throw refuse('FORM');
    const iss = payload['iss'];
    const issuer = typeof iss === 'string' ? issuers.get(iss) : undefined;
    if (issuer === undefined) throw refuse('ISSUER');
    const { config, audience } = issuer;
    if (!isAccessTokenType(config.tokenType ?? 'at+jwt', jws.header['typ'])) throw refuse('HEADER');
    // Claims are cheap, keys and signatures are not; neither is believed before both were right.
    const claims = readClaims(config, audience, atEpochMs, payload);
    await assertSignature(issuer, jws);
    const { subject } = claims;
    const isRevoked = await ask('REVOCATIONS', () =>
      options.revocations.isRevoked({
        issuer: subject.issuer,
        tokenId: subject.tokenId,
        subject: subject.subject,
        clientId: subject.clientId,
        issuedAtEpochMs: claims.issuedAtEpochMs,
      }),
    );
    if (isRevoked) throw refuse('REVOKED');
    return claims;
  };

  return {
    authenticate: async (request) => {
      const [header] = request.authorization;
      if (header === undefined && request.dpop.length === 0) return null;
      const [, scheme = '', token = ''] = CREDENTIALS.exec(header ?? '') ?? [];
      if (request.authorization.length !== 1 || token === '') throw refuse('CREDENTIALS');
      const isProven = scheme.toLowerCase() === 'dpop';
      const [proof] = request.dpop;
      if (request.dpop.length > 1 || (isProven ? proof === undefined : proof !== undefined))
        throw refuse('CREDENTIALS');

      const { subject, boundTo } = await verifyToken(token);
      if (isProven !== (boundTo !== null)) throw refuse('BINDING');
      if (proof === undefined) return { ...subject, isBound: false };

      const { method, url } = request;
      const { thumbprint, replayKey, rememberUntilEpochMs } = await verifyProof(
        { proof, token, method, url },
        environment.now(),
      );
      if (thumbprint !== boundTo) throw refuse('BINDING');
      const isFirst = await ask('REPLAY_STORE', () => options.replay.claim(replayKey, rememberUntilEpochMs));
      if (!isFirst) throw refuse('REPLAY');
      return { ...subject, isBound: true };
    },
    inspect: async (token) => {
      const read = async (atEpochMs?: number): Promise<Subject> => {
        const { subject, boundTo } = await verifyToken(token, atEpochMs);
        return { ...subject, isBound: boundTo !== null };
      };
      try {
        return { subject: await read(), isInTime: true };
      } catch (error) {
        const issuedAt = decodeClaims(decodeCompactJws(token, ['alg', 'typ', 'kid'])?.payload ?? new Uint8Array())?.[
          'iat'
        ];
        if (!isHubError(error) || error.cause !== ('TIME' satisfies RefusalReason) || typeof issuedAt !== 'number')
          throw error;
        return { subject: await read(issuedAt * 1_000), isInTime: false };
      }
    },
    metadata: () => describeResource(options),
    metadataUrl: metadataUrl(options.resource),
    challenge: (error) => challengeFor(options.resource, error),
    health: () => ({
      issuers: [...issuers.values()].map(({ keys }) => keys.health()),
      clockStepMs: environment.now() - environment.monotonicMs() - clockOffsetMs,
    }),
    close: async () => {
      for (const { keys } of issuers.values()) keys.close();
    },
  };
}

function createKeys(options: IdentityOptions, config: IssuerConfig): IssuerKeys {
  const source = config.keys;
  if (source.kind === 'fixed') throw new HubError('INTERNAL', 'Keys that are written down are not kept.');
  return createIssuerKeys({
    issuer: config.issuer,
    source,
    algorithms: config.algorithms ?? DEFAULT_ALGORITHMS,
    mayUseLoopbackHttp: config.mayUseLoopbackHttp ?? false,
    environment: options.environment,
    fetchDocument: options.fetchDocument,
  });
}

async function readFixedKeys(config: IssuerConfig, jwks: unknown): Promise<IssuerKeys> {
  const set = await readKeySet(Buffer.from(JSON.stringify(jwks) ?? ''), config.algorithms ?? DEFAULT_ALGORITHMS);
  if (set === null || set.keys.size === 0) throw invalid('An issuer has no usable key written down.');
  return createFixedKeys(config.issuer, set.keys, set.skipped);
}

function invalid(message: string): HubError {
  return new HubError('CONFIG_INVALID', message);
}

/** Values are not repeated in messages: an address may hold a secret. */
function assertOptions(options: IdentityOptions): void {
  const { resource, issuers } = options;
  if (!isFetchable(resource, true) || new URL(resource).search !== '')
    throw invalid('The resource is to be an https URL without query and fragment.');
  if (new Set(issuers.map(({ issuer }) => issuer)).size !== issuers.length)
    throw invalid('An issuer is configured twice.');
  for (const { issuer, keys, algorithms = DEFAULT_ALGORITHMS, mayUseLoopbackHttp = false, ...config } of issuers) {
    if (!isFetchable(issuer, mayUseLoopbackHttp) || new URL(issuer).search !== '')
      throw invalid('An issuer is to be an https URL without query and fragment.');
    if (keys.kind === 'jwksUri' && !isFetchable(keys.uri, mayUseLoopbackHttp))
      throw invalid('The address of a key set is to be an https URL.');
    if (algorithms.length === 0 || !algorithms.every((name) => ALGORITHMS.includes(name)))
      throw invalid('An issuer needs at least one algorithm, and only known ones.');
    const { maxLifetimeSeconds = 3_600 } = config;
    if (!(maxLifetimeSeconds >= 60 && maxLifetimeSeconds <= 86_400))
      throw invalid('The lifetime of tokens is to be between 60 and 86,400 seconds.');
  }
}
