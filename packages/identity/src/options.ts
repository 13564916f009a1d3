import type { Clock, Timers, Environment } from '@civex/environment';
import type { Algorithm } from './algorithms.ts';
import type { ReplayStore } from './replay-store.ts';

/** Where an issuer's public keys come from. */
export type IssuerKeySource =
  /** OpenID Connect Discovery: `<issuer>/.well-known/openid-configuration`; its `issuer` must be equal. */
  | { readonly kind: 'discovery' }
  /** A JSON Web Key Set by its address. */
  | { readonly kind: 'jwksUri'; readonly uri: string }
  /** A JSON Web Key Set written down in the configuration. Never fetched, never refreshed. */
  | { readonly kind: 'fixed'; readonly jwks: unknown }
  /** A JSON Web Key Set this process can read itself, such as that of an embedded issuer; kept like a fetched one. */
  | { readonly kind: 'supplied'; readonly read: () => Promise<Uint8Array> };

/**
 * Which shape an issuer's access tokens have. `at+jwt`: RFC 9068. `keycloak`: header `typ` JWT or at+jwt and claim `typ`
 * Bearer, or DPoP when bound; the client is `azp`. `entra`: Microsoft Entra ID, `ver` 2.0, `scp`, `azp` (or `appid`), `uti`
 * for the missing `jti`.
 */
export type TokenType = 'at+jwt' | 'keycloak' | 'entra';

/** Where a claim is: names separated by dots, or, for names with dots in them, a list of names. */
export type ClaimPath = string | readonly string[];

export interface IssuerConfig {
  /** The `iss` claim, byte for byte. */
  readonly issuer: string;
  readonly keys: IssuerKeySource;
  /** Default RS256, PS256, ES256, EdDSA. */
  readonly algorithms?: readonly Algorithm[] | undefined;
  /** Default `at+jwt`. */
  readonly tokenType?: TokenType | undefined;
  /** What `aud` must contain. Default the resource. */
  readonly audience?: string | undefined;
  /** A text, or a list of texts of which exactly one organisation is mapped. Null: this issuer's callers have none. */
  readonly organisationClaim: ClaimPath | null;
  /** Value of the claim to id of the organisation. Compared byte for byte. */
  readonly organisations: ReadonlyMap<string, string>;
  /** Claims (a text or a list of texts) and the values of which any gives the role `manage`. Default none. */
  readonly managers?: readonly { readonly claim: ClaimPath; readonly values: readonly string[] }[] | undefined;
  /** Default `scope`; for `entra` `scp`. */
  readonly scopeClaim?: ClaimPath | undefined;
  /** Whether restricted data needs a bound token of this issuer. Default `required`. */
  readonly dpop?: 'required' | 'optional' | undefined;
  /** Longest `exp - iat`, seconds, 60 to 86,400. Default 3,600; for `entra` 7,200, which issues up to 90 minutes. */
  readonly maxLifetimeSeconds?: number | undefined;
  /** True: this issuer's documents may come by http from a loopback address. For development. Default false. */
  readonly mayUseLoopbackHttp?: boolean | undefined;
}

export interface FetchLimits {
  /** Bytes after decompression. */
  readonly maxBytes: number;
  /** For the whole exchange, milliseconds. */
  readonly timeoutMs: number;
}

/** GETs a document of an issuer. Guards against addresses inside, follows no redirect, stops at the limits by rejecting. */
export type FetchDocument = (
  url: string,
  limits: FetchLimits,
) => Promise<{ readonly status: number; readonly body: Uint8Array }>;

/** What a revocation can be about. Never the text of the token: one token has many spellings. */
export interface RevocationQuestion {
  readonly issuer: string;
  readonly tokenId: string;
  readonly subject: string;
  readonly clientId: string;
  readonly issuedAtEpochMs: number;
}

export interface Revocations {
  /** Asked for every request. Rejects when it cannot tell: the caller is then answered AUTH_UNAVAILABLE. */
  isRevoked(question: RevocationQuestion): Promise<boolean>;
}

export type IdentityEnvironment = Clock & Timers & Pick<Environment, 'random'>;

export interface IdentityOptions {
  /** Our own identifier (RFC 8707, RFC 9728): an absolute https URL without query and fragment; http on loopback only. */
  readonly resource: string;
  /** At most one for each `iss`. */
  readonly issuers: readonly IssuerConfig[];
  readonly environment: IdentityEnvironment;
  readonly fetchDocument: FetchDocument;
  readonly replay: ReplayStore;
  readonly revocations: Revocations;
  /** Scopes to name in the metadata. Default none. */
  readonly scopes?: readonly string[] | undefined;
}
