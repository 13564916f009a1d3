import { HubError } from '@civex/errors';
import { PROOF_ALGORITHMS } from './algorithms.ts';
import { SHARE_DETAIL_TYPE } from './authorization-details.ts';
import type { IdentityOptions } from './options.ts';
import type { RefusalReason } from './refusal.ts';

const WELL_KNOWN = '/.well-known/oauth-protected-resource';
const PROOF_FAULTS: readonly unknown[] = ['PROOF', 'REPLAY'] satisfies readonly RefusalReason[];

/** What clients learn of a protected resource (RFC 9728). */
export interface ProtectedResourceMetadata {
  readonly resource: string;
  readonly authorization_servers: readonly string[];
  readonly bearer_methods_supported: readonly string[];
  readonly scopes_supported?: readonly string[];
  readonly authorization_details_types_supported: readonly string[];
  readonly dpop_signing_alg_values_supported: readonly string[];
  readonly dpop_bound_access_tokens_required: boolean;
  readonly tls_client_certificate_bound_access_tokens: boolean;
}

/** Where the metadata is expected: the well-known path between host and path of the resource (RFC 9728, 3.1). */
export function metadataUrl(resource: string): string {
  const { origin, pathname } = new URL(resource);
  return `${origin}${WELL_KNOWN}${pathname === '/' ? '' : pathname}`;
}

export function describeResource(
  options: Pick<IdentityOptions, 'resource' | 'issuers' | 'scopes'>,
): ProtectedResourceMetadata {
  const scopes = options.scopes ?? [];
  return {
    resource: options.resource,
    authorization_servers: options.issuers.map(({ issuer }) => issuer),
    bearer_methods_supported: ['header'],
    ...(scopes.length === 0 ? {} : { scopes_supported: scopes }),
    authorization_details_types_supported: [SHARE_DETAIL_TYPE],
    dpop_signing_alg_values_supported: PROOF_ALGORITHMS,
    // Open data needs no token at all, so a bound one is never a condition of the resource as a whole.
    dpop_bound_access_tokens_required: false,
    tls_client_certificate_bound_access_tokens: false,
  };
}

/**
 * The value of `WWW-Authenticate` for an error, one challenge for DPoP and one for Bearer (RFC 6750, 9449, 9728). Names
 * the error only when credentials were there: `invalid_token`, `invalid_dpop_proof`, `insufficient_scope`.
 */
export function challengeFor(resource: string, error: unknown): string {
  const code = error instanceof HubError ? error.code : null;
  const cause = error instanceof HubError ? error.cause : undefined;
  const hadCredentials = code === 'AUTH_REQUIRED' && typeof cause === 'string';
  const isScope = code === 'ACCESS_DENIED';
  const fault = isScope ? 'insufficient_scope' : hadCredentials ? 'invalid_token' : null;
  const proofFault = hadCredentials && PROOF_FAULTS.includes(cause) ? 'invalid_dpop_proof' : fault;
  const common = `resource_metadata="${metadataUrl(resource)}"`;
  const say = (name: string | null) => (name === null ? '' : `, error="${name}"`);
  return [
    `DPoP algs="${PROOF_ALGORITHMS.join(' ')}", ${common}${say(proofFault)}`,
    `Bearer ${common}${say(fault)}`,
  ].join(', ');
}
