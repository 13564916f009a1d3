import { createLocalJWKSet, jwtVerify } from 'jose';
import type { OrganisationRole } from '@civex/identity';
import { isScope, type Scope } from './scopes.ts';
import { readShareDetails, type GrantedDetail } from './share-details.ts';
import type { PublicKeys } from './signing-keys.ts';
import { revocableIds } from './token-ids.ts';

/** RFC 8693: who acts, and for whom before. */
export interface ActClaim {
  readonly sub: string;
  readonly client_id: string;
  readonly org: string;
  readonly act?: ActClaim;
}

/** What an access token of ours says. */
export interface IssuedToken {
  readonly tokenId: string;
  readonly subject: string;
  readonly clientId: string;
  readonly organisation: string;
  readonly roles: readonly OrganisationRole[];
  readonly scopes: readonly Scope[];
  readonly details: readonly GrantedDetail[] | undefined;
  readonly act: ActClaim | null;
  /** Seconds since 1970. */
  readonly expiresAt: number;
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

function readAct(value: unknown): ActClaim | null {
  if (typeof value !== 'object' || value === null) return null;
  const { sub, client_id, org, act } = Object.fromEntries(Object.entries(value));
  if (!isText(sub) || !isText(client_id) || !isText(org)) return null;
  if (act === undefined) return { sub, client_id, org };
  const inner = readAct(act);
  return inner === null ? null : { sub, client_id, org, act: inner };
}

/** Null when the text is not an access token of ours that is valid at this moment; does not look at revocations. */
export async function readIssuedToken(
  text: string,
  expected: {
    readonly issuer: string;
    readonly resource: string;
    readonly keys: PublicKeys;
    readonly nowEpochMs: number;
    readonly toleranceSeconds?: number;
  },
): Promise<IssuedToken | null> {
  let payload: Readonly<Record<string, unknown>>;
  try {
    const verified = await jwtVerify(text, createLocalJWKSet({ keys: [...expected.keys.keys] }), {
      algorithms: ['ES256'],
      typ: 'at+jwt',
      issuer: expected.issuer,
      audience: expected.resource,
      requiredClaims: ['jti', 'iat', 'exp', 'sub', 'client_id', 'org'],
      currentDate: new Date(expected.nowEpochMs),
      clockTolerance: expected.toleranceSeconds ?? 0,
    });
    payload = verified.payload;
  } catch {
    // Whatever is wrong with it: it is not ours, or not any more.
    return null;
  }
  const { jti, sub, client_id, org, exp, scope, roles, authorization_details, act } = payload;
  if (!isText(jti) || revocableIds(jti) === null || !isText(sub) || !isText(client_id) || !isText(org)) return null;
  if (typeof exp !== 'number' || !isText(scope)) return null;
  const details = authorization_details === undefined ? undefined : readShareDetails(authorization_details);
  const actor = act === undefined ? null : readAct(act);
  if (details === null || (act !== undefined && actor === null)) return null;
  return {
    tokenId: jti,
    subject: sub,
    clientId: client_id,
    organisation: org,
    roles: Array.isArray(roles)
      ? roles.filter((role): role is OrganisationRole => role === 'use' || role === 'manage')
      : [],
    scopes: scope.split(' ').filter(isScope),
    details,
    act: actor,
    expiresAt: exp,
  };
}
