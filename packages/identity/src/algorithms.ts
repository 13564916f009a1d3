/** Signature algorithms an issuer may be allowed. No HMAC, no `none`, nothing with SHA-1. */
export const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

/** What issuers may use unless told otherwise. */
export const DEFAULT_ALGORITHMS: readonly Algorithm[] = ['RS256', 'PS256', 'ES256', 'EdDSA'];

/** What callers may sign proofs of possession with (RFC 9449). */
export const PROOF_ALGORITHMS: readonly Algorithm[] = ['ES256', 'ES384', 'EdDSA', 'Ed25519', 'PS256', 'RS256'];

/** The algorithms a kind of key can do, by `kty` and, for all but RSA, `crv`. */
export const ALGORITHMS_OF_KEY: ReadonlyMap<string, readonly Algorithm[]> = new Map<string, readonly Algorithm[]>([
  ['RSA', ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']],
  ['EC P-256', ['ES256']],
  ['EC P-384', ['ES384']],
  ['EC P-521', ['ES512']],
  ['OKP Ed25519', ['EdDSA', 'Ed25519']],
]);
