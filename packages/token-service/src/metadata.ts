import { SHARE_DETAIL_TYPE } from '@civex/identity';
import { ASSERTION_ALGORITHMS, AUTHENTICATION_METHODS, EXCHANGE_GRANT, PROOF_ALGORITHMS } from './capabilities.ts';
import { SCOPES } from './scopes.ts';

/**
 * RFC 8414, read by those who ask for OpenID Connect Discovery as well. `subject_types_supported` and
 * `id_token_signing_alg_values_supported` are there because some clients refuse a document without them; there are no ID
 * tokens.
 */
export function describeServer(issuer: string): Readonly<Record<string, unknown>> {
  return {
    issuer,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/jwks`,
    revocation_endpoint: `${issuer}/token/revocation`,
    grant_types_supported: ['client_credentials', EXCHANGE_GRANT],
    response_types_supported: [],
    scopes_supported: SCOPES,
    token_endpoint_auth_methods_supported: AUTHENTICATION_METHODS,
    token_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
    revocation_endpoint_auth_methods_supported: AUTHENTICATION_METHODS,
    revocation_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
    dpop_signing_alg_values_supported: PROOF_ALGORITHMS,
    authorization_details_types_supported: [SHARE_DETAIL_TYPE],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256'],
  };
}
