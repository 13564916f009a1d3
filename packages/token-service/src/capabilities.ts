/** ES256, EdDSA under both of its names, RS256, PS256. */
export const ASSERTION_ALGORITHMS = ['ES256', 'EdDSA', 'Ed25519', 'RS256', 'PS256'] as const;
export const PROOF_ALGORITHMS = ['ES256', 'EdDSA', 'Ed25519'] as const;
export const AUTHENTICATION_METHODS = ['private_key_jwt', 'client_secret_basic'] as const;
/** RFC 8693. */
export const EXCHANGE_GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange';
