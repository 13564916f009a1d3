import { readShareDetails } from './authorization-details.ts';
import type { ClaimPath, IssuerConfig, TokenType } from './options.ts';
import { refuse } from './refusal.ts';
import { isJsonObject, isTexts, type JsonObject, type JsonValue } from './strict-json.ts';
import type { Actor, OrganisationRole, Subject } from './subject.ts';

/** Tolerance towards clocks of others, seconds. */
const SKEW_SECONDS = 30;
/** Oldest `iat`, seconds. */
const MAX_AGE_SECONDS = 86_400;
/** Longest chain of `act` (RFC 8693). */
const MAX_ACTORS = 2;
/** What names may be made of: letters and digits of any script and printable marks; no space, quote or angle bracket. */
const NAME = /^[\p{L}\p{M}\p{N}!#$%&'()*+,\-./:;=?@[\]^_{|}~]{1,255}$/u;
/** RFC 6749, 3.3. */
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]{1,255}$/;
const THUMBPRINT = /^[A-Za-z0-9_-]{43}$/;
/** Claims of ID tokens that access tokens never have. */
const ID_TOKEN_CLAIMS = ['nonce', 'at_hash', 'c_hash'];

const DEFAULT_LIFETIME_SECONDS: Readonly<Record<TokenType, number>> = {
  'at+jwt': 3_600,
  keycloak: 3_600,
  entra: 7_200,
};
const HEADER_TYPES: Readonly<Record<TokenType, readonly string[]>> = {
  'at+jwt': ['at+jwt', 'application/at+jwt'],
  keycloak: ['jwt', 'at+jwt', 'application/at+jwt'],
  entra: ['jwt'],
};

/** What a token says, before anybody has looked whether it is bound and proven to be held. */
export interface TokenClaims {
  readonly subject: Omit<Subject, 'isBound'>;
  readonly issuedAtEpochMs: number;
  /** Thumbprint of the key the token is bound to; null when it is not. */
  readonly boundTo: string | null;
}

/** Whether the header's `typ` is one the issuer's access tokens have. Media types compare without case. */
export function isAccessTokenType(type: TokenType, headerType: JsonValue | undefined): boolean {
  return typeof headerType === 'string' && HEADER_TYPES[type].includes(headerType.toLowerCase());
}

/**
 * Reads the claims of an access token of this issuer (RFC 9068, RFC 8725). Claims that are not asked for give nothing and
 * take nothing. Does not look at `iss`, by which the issuer was found, nor verify the signature, the revocation or the binding.
 *
 * @throws HubError AUTH_REQUIRED
 */
export function readClaims(
  config: IssuerConfig,
  audience: string,
  nowEpochMs: number,
  claims: JsonObject,
): TokenClaims {
  const type = config.tokenType ?? 'at+jwt';
  if (!isFor(audience, claims['aud'])) throw refuse('CLAIMS');
  const boundTo = readBinding(claims['cnf']);
  const subject = readName(claims['sub']);
  const clientId = readClientId(type, claims, boundTo);
  const tokenId = readName(claims[type === 'entra' && claims['jti'] === undefined ? 'uti' : 'jti']);
  const { issuedAt, expiresAt } = readTimes(config, type, nowEpochMs / 1_000, claims);
  const organisation = readOrganisation(config, claims);
  return {
    subject: {
      issuer: config.issuer,
      subject,
      clientId,
      tokenId,
      organisation,
      roles: readRoles(config, organisation, claims),
      scopes: readScopes(config.scopeClaim ?? (type === 'entra' ? 'scp' : 'scope'), claims),
      actor: readActor(config, claims['act']),
      details: readShareDetails(claims['authorization_details']),
      mustBeBound: (config.dpop ?? 'required') === 'required',
      expiresAtEpochMs: Math.floor((expiresAt + SKEW_SECONDS) * 1_000),
    },
    issuedAtEpochMs: Math.floor(issuedAt * 1_000),
    boundTo,
  };
}

function isFor(audience: string, claim: JsonValue | undefined): boolean {
  return claim === audience || (isTexts(claim) && claim.includes(audience));
}

function readName(claim: JsonValue | undefined): string {
  if (typeof claim !== 'string' || !NAME.test(claim)) throw refuse('CLAIMS');
  return claim;
}

function readNumber(claim: JsonValue | undefined): number {
  if (typeof claim !== 'number' || claim < 0) throw refuse('CLAIMS');
  return claim;
}

function readTimes(
  config: IssuerConfig,
  type: TokenType,
  now: number,
  claims: JsonObject,
): { readonly issuedAt: number; readonly expiresAt: number } {
  const issuedAt = readNumber(claims['iat']);
  const expiresAt = readNumber(claims['exp']);
  const validFrom = claims['nbf'] === undefined ? issuedAt : readNumber(claims['nbf']);
  const lifetime = expiresAt - issuedAt;
  const isRight =
    lifetime > 0 &&
    lifetime <= (config.maxLifetimeSeconds ?? DEFAULT_LIFETIME_SECONDS[type]) &&
    now < expiresAt + SKEW_SECONDS &&
    issuedAt <= now + SKEW_SECONDS &&
    validFrom <= now + SKEW_SECONDS &&
    now - issuedAt <= MAX_AGE_SECONDS;
  if (!isRight) throw refuse('TIME');
  return { issuedAt, expiresAt };
}

/** `cnf` (RFC 7800) may name one key by its thumbprint; another kind of binding is one we cannot prove. */
function readBinding(claim: JsonValue | undefined): string | null {
  if (claim === undefined) return null;
  const thumbprint = isJsonObject(claim) && Object.keys(claim).length === 1 ? claim['jkt'] : undefined;
  if (typeof thumbprint !== 'string' || !THUMBPRINT.test(thumbprint)) throw refuse('CLAIMS');
  return thumbprint;
}

function readClientId(type: TokenType, claims: JsonObject, boundTo: string | null): string {
  if (type === 'at+jwt') return readName(claims['client_id']);
  if (ID_TOKEN_CLAIMS.some((name) => name in claims)) throw refuse('CLAIMS');
  if (type === 'keycloak') {
    const kind = claims['typ'];
    if (kind !== 'Bearer' && !(kind === 'DPoP' && boundTo !== null)) throw refuse('CLAIMS');
    const clientId = readName(claims['azp'] ?? claims['client_id']);
    if (claims['client_id'] !== undefined && claims['client_id'] !== clientId) throw refuse('CLAIMS');
    return clientId;
  }
  // Entra's ID tokens have neither of these; app-only tokens have `roles` in place of `scp`.
  if (claims['ver'] !== '2.0' || (claims['scp'] === undefined && claims['roles'] === undefined)) throw refuse('CLAIMS');
  return readName(claims['azp'] ?? claims['appid']);
}

function claimAt(path: ClaimPath, claims: JsonObject): JsonValue | undefined {
  let value: JsonValue | undefined = claims;
  const names = typeof path === 'string' ? path.split('.') : path;
  for (const name of names) value = isJsonObject(value) ? value[name] : undefined;
  return value;
}

function textsAt(path: ClaimPath, claims: JsonObject): readonly string[] {
  const value = claimAt(path, claims);
  if (typeof value === 'string') return [value];
  return isTexts(value) ? value : [];
}

/** Of several organisations the caller is none: which one is meant nobody could say. */
function readOrganisation(config: IssuerConfig, claims: JsonObject): string | null {
  if (config.organisationClaim === null) return null;
  const organisations = new Set<string>();
  for (const value of textsAt(config.organisationClaim, claims)) {
    const organisation = config.organisations.get(value);
    if (organisation !== undefined) organisations.add(organisation);
  }
  const [only = null] = organisations;
  return organisations.size === 1 ? only : null;
}

function readRoles(config: IssuerConfig, organisation: string | null, claims: JsonObject): Set<OrganisationRole> {
  if (organisation === null) return new Set();
  const isManager = (config.managers ?? []).some(({ claim, values }) =>
    textsAt(claim, claims).some((value) => values.includes(value)),
  );
  return new Set(isManager ? ['use', 'manage'] : ['use']);
}

/** Split at single spaces; what RFC 6749 does not allow in a scope gives nothing. */
function readScopes(path: ClaimPath, claims: JsonObject): Set<string> {
  const claim = claimAt(path, claims);
  if (claim === undefined) return new Set();
  if (typeof claim !== 'string') throw refuse('CLAIMS');
  return new Set(claim.split(' ').filter((scope) => SCOPE_TOKEN.test(scope)));
}

/** The outermost `act` decides; those inside are history, of which there may be one. */
function readActor(config: IssuerConfig, claim: JsonValue | undefined): Actor | null {
  if (claim === undefined) return null;
  let depth = 0;
  for (let act: JsonValue | undefined = claim; act !== undefined; act = act['act']) {
    if (!isJsonObject(act) || ++depth > MAX_ACTORS) throw refuse('CLAIMS');
    readName(act['sub']);
  }
  if (!isJsonObject(claim)) throw refuse('CLAIMS');
  return { subject: readName(claim['sub']), organisation: readOrganisation(config, claim) };
}
