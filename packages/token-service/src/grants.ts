import type { Environment } from '@civex/environment';
import type { OrganisationRole } from '@civex/identity';
import type { Provider, TokenEndpointGrantContext } from 'oidc-provider';
import * as errors from 'oidc-provider/lib/helpers/errors.js';
import {
  buildTokenResponse,
  checkDpopReplay,
  resolveRequestedResources,
  validateDpop,
} from 'oidc-provider/lib/helpers/grants.js';
import { readIssuedToken, type ActClaim, type IssuedToken } from './access-token.ts';
import { EXCHANGE_GRANT } from './capabilities.ts';
import { isScope, mustBeBound, type Scope } from './scopes.ts';
import { intersectShareDetails, readShareDetails, type GrantedDetail } from './share-details.ts';
import type { SigningKeys } from './signing-keys.ts';
import type { ClientRecord, TokenStorage } from './storage.ts';
import { createTokenId, revocableIds } from './token-ids.ts';

const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token';
const CLIENT_CREDENTIALS_PARAMETERS = ['scope', 'resource', 'authorization_details'];
const EXCHANGE_PARAMETERS = [
  ...CLIENT_CREDENTIALS_PARAMETERS,
  'subject_token',
  'subject_token_type',
  'actor_token',
  'actor_token_type',
  'requested_token_type',
  'audience',
];
/** As hubs have it; the library alone would take 300 s. */
const PROOF_AGE_SECONDS = 60;
/** `act` within `act` once (RFC 8693). */
const MAX_ACTORS = 2;

export interface GrantContext {
  readonly issuer: string;
  readonly resource: string;
  readonly tokenSeconds: number;
  readonly storage: TokenStorage;
  readonly keys: SigningKeys;
  readonly environment: Pick<Environment, 'now' | 'randomBytes'>;
}

/** The claims that are not the library's. */
export interface OwnClaims {
  readonly jti: string;
  readonly sub: string;
  readonly org: string;
  readonly roles: readonly OrganisationRole[];
  readonly act: ActClaim | null;
}

/** What is to be issued, apart from what every token has. */
interface Grant {
  readonly claims: Omit<OwnClaims, 'jti'>;
  readonly scopes: readonly Scope[];
  readonly details: readonly GrantedDetail[] | undefined;
  readonly exchangedFrom: IssuedToken | null;
}

type GrantRequest = TokenEndpointGrantContext<Readonly<Record<string, string | undefined>>>;

/** RFC 6749: an `invalid_grant` whose text is ours, in place of the library's one for all. */
class GrantRefused extends errors.InvalidGrant {
  override readonly error_description: string;

  constructor(description: string) {
    super();
    this.error_description = description;
  }
}

function readAskedScopes(text: string | undefined, client: ClientRecord): readonly Scope[] | null {
  if (text === undefined) return null;
  const asked = [...new Set(text.split(' '))];
  const known = asked.filter(isScope).filter((scope) => client.scopes.includes(scope));
  if (known.length < asked.length) {
    throw new errors.CustomOIDCProviderError(
      'invalid_scope',
      'a requested scope is unknown or not registered for this client',
    );
  }
  return known;
}

function readAskedDetails(ctx: GrantRequest): readonly GrantedDetail[] | undefined {
  const text = ctx.oidc.params.authorization_details;
  if (text === undefined) {
    // The library takes an empty list for none at all; but it would allow nothing, and no list everything.
    const raw: unknown = ctx.oidc.body?.['authorization_details'];
    if (raw === undefined || raw === '') return undefined;
    throw new errors.InvalidAuthorizationDetails('authorization_details is an empty list');
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new errors.InvalidAuthorizationDetails('authorization_details is not JSON');
  }
  const details = readShareDetails(value);
  if (details === null) {
    throw new errors.InvalidAuthorizationDetails('authorization_details has unknown or wrong members, or is too long');
  }
  return details;
}

/** Thumbprint of the key the caller has proven to hold; null without a proof. */
async function readProof(provider: Provider, context: GrantContext, ctx: GrantRequest): Promise<string | null> {
  const proof = await validateDpop(provider, ctx);
  if (proof === undefined) return null;
  if (Math.abs(context.environment.now() / 1000 - proof.iat) > PROOF_AGE_SECONDS) {
    throw new errors.InvalidDpopProof('DPoP proof iat is not recent enough');
  }
  await checkDpopReplay(provider, ctx, proof, ctx.oidc.client.clientId, errors.InvalidDpopProof);
  return proof.thumbprint;
}

async function clientOf(context: GrantContext, ctx: GrantRequest): Promise<ClientRecord> {
  const client = await context.storage.findClient(ctx.oidc.client.clientId);
  // Removed since it was authenticated.
  if (client === null) throw new errors.InvalidClientAuth();
  return client;
}

async function checkResource(provider: Provider, ctx: GrantRequest): Promise<void> {
  // Any other resource than ours is refused by `getResourceServerInfo`.
  const resources = await resolveRequestedResources(provider, ctx);
  if (resources.length !== 1) throw new errors.InvalidTarget('one resource');
}

async function issue(
  provider: Provider,
  context: GrantContext,
  own: WeakMap<object, OwnClaims>,
  ctx: GrantRequest,
  client: ClientRecord,
  grant: Grant,
): Promise<void> {
  if (grant.scopes.length === 0) throw new errors.CustomOIDCProviderError('invalid_scope', 'no scope is left to grant');
  const thumbprint = await readProof(provider, context, ctx);
  if (thumbprint === null && mustBeBound(grant.scopes)) {
    throw new errors.InvalidDpopProof('these scopes are granted only in tokens bound to a key: send a DPoP proof');
  }
  const now = Math.floor(context.environment.now() / 1000);
  const { exchangedFrom } = grant;
  const exp = Math.min(now + context.tokenSeconds, exchangedFrom?.expiresAt ?? Number.MAX_SAFE_INTEGER);
  const [resourceServer] = Object.values(ctx.oidc.resourceServers);
  const token = new provider.ClientCredentials({
    client: ctx.oidc.client,
    resourceServer,
    scope: grant.scopes.join(' '),
    rar: grant.details?.map((detail) => ({ ...detail })),
    iat: now,
    exp,
  });
  if (thumbprint !== null) token.setThumbprint('jkt', thumbprint);
  const jti = createTokenId(context.environment, client.tag, exchangedFrom?.tokenId ?? null);
  own.set(token, { ...grant.claims, jti });
  ctx.oidc.entity('ClientCredentials', token);
  ctx.body = buildTokenResponse(provider, {
    accessToken: await token.save(),
    authorizationDetails: token.rar,
    expiresIn: exp - now,
    issuedTokenType: exchangedFrom === null ? undefined : ACCESS_TOKEN_TYPE,
    scope: token.scope,
    tokenType: token.tokenType,
  });
}

/** A token of ours that is valid and not revoked. */
async function readTokenParameter(context: GrantContext, text: string | undefined): Promise<IssuedToken> {
  const token =
    text === undefined
      ? null
      : await readIssuedToken(text, {
          issuer: context.issuer,
          resource: context.resource,
          keys: await context.keys.published(),
          nowEpochMs: context.environment.now(),
        });
  const ids = token === null ? null : revocableIds(token.tokenId);
  if (token === null || ids === null || (await context.storage.isAnyRevoked(ids))) {
    throw new GrantRefused('a token of the request is not a valid access token of this server');
  }
  return token;
}

function checkExchangeParameters(context: GrantContext, ctx: GrantRequest): void {
  const { subject_token, subject_token_type, actor_token, actor_token_type, requested_token_type, audience } =
    ctx.oidc.params;
  if (subject_token === undefined || subject_token_type !== ACCESS_TOKEN_TYPE) {
    throw new errors.InvalidRequest('subject_token must be an access token and subject_token_type say so');
  }
  if (actor_token === undefined ? actor_token_type !== undefined : actor_token_type !== ACCESS_TOKEN_TYPE) {
    throw new errors.InvalidRequest('actor_token must be an access token and actor_token_type say so');
  }
  if (requested_token_type !== undefined && requested_token_type !== ACCESS_TOKEN_TYPE) {
    throw new errors.InvalidRequest('requested_token_type must be that of an access token');
  }
  if (audience !== undefined && audience !== context.resource) throw new errors.InvalidTarget('unknown audience');
}

const depthOf = (act: ActClaim | null | undefined): number => (act ? 1 + depthOf(act.act) : 0);

async function exchange(context: GrantContext, ctx: GrantRequest, actor: ClientRecord): Promise<Grant> {
  checkExchangeParameters(context, ctx);
  const subject = await readTokenParameter(context, ctx.oidc.params['subject_token']);
  if (ctx.oidc.params['actor_token'] !== undefined) {
    const token = await readTokenParameter(context, ctx.oidc.params['actor_token']);
    if (token.subject !== actor.id || token.act !== null) {
      throw new GrantRefused('the actor token is not one of the authenticated client itself');
    }
  }
  if (!actor.mayActFor.includes(subject.organisation)) {
    throw new GrantRefused('this client may not act for the organisation of the subject token');
  }
  if (depthOf(subject.act) >= MAX_ACTORS) throw new GrantRefused('the subject token was exchanged too often');
  const asked = readAskedScopes(ctx.oidc.params['scope'], actor);
  const scopes = subject.scopes.filter((scope) => actor.scopes.includes(scope) && (asked?.includes(scope) ?? true));
  const details = intersectShareDetails(subject.details, readAskedDetails(ctx));
  if (details === null) {
    throw new errors.InvalidAuthorizationDetails('the subject token allows nothing of authorization_details');
  }
  return {
    claims: {
      sub: subject.subject,
      org: subject.organisation,
      roles: subject.roles.filter((role) => actor.roles.includes(role)),
      act: {
        sub: actor.id,
        client_id: actor.id,
        org: actor.organisation,
        ...(subject.act === null ? {} : { act: subject.act }),
      },
    },
    scopes,
    details,
    exchangedFrom: subject,
  };
}

/** Registers the two grants there are. */
export function registerGrants(provider: Provider, context: GrantContext, own: WeakMap<object, OwnClaims>): void {
  provider.registerGrantType<Readonly<Record<string, string | undefined>>>(
    'client_credentials',
    async (ctx) => {
      const client = await clientOf(context, ctx);
      await checkResource(provider, ctx);
      const scopes = readAskedScopes(ctx.oidc.params['scope'], client);
      if (scopes === null) throw new errors.CustomOIDCProviderError('invalid_scope', 'name the scopes asked for');
      const claims = { sub: client.id, org: client.organisation, roles: client.roles, act: null };
      await issue(provider, context, own, ctx, client, {
        claims,
        scopes,
        details: readAskedDetails(ctx),
        exchangedFrom: null,
      });
    },
    CLIENT_CREDENTIALS_PARAMETERS,
  );
  provider.registerGrantType<Readonly<Record<string, string | undefined>>>(
    EXCHANGE_GRANT,
    async (ctx) => {
      const actor = await clientOf(context, ctx);
      await checkResource(provider, ctx);
      await issue(provider, context, own, ctx, actor, await exchange(context, ctx, actor));
    },
    EXCHANGE_PARAMETERS,
  );
}
