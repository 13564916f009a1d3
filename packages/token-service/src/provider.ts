import { createHash } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { SHARE_DETAIL_TYPE } from '@civex/identity';
import type { Adapter, AdapterPayload, KoaContextWithOIDC } from 'oidc-provider';
import * as errors from 'oidc-provider/lib/helpers/errors.js';
import { Provider } from 'oidc-provider/lib/provider.js';
import { readIssuedToken } from './access-token.ts';
import { ASSERTION_ALGORITHMS, AUTHENTICATION_METHODS, EXCHANGE_GRANT, PROOF_ALGORITHMS } from './capabilities.ts';
import { isSecret } from './client-registry.ts';
import { registerGrants, type GrantContext, type OwnClaims } from './grants.ts';
import { SCOPES } from './scopes.ts';
import type { ClientRecord, KeyRecord, TokenStorage } from './storage.ts';

/** Longest life of a client's assertion, from when it arrives, seconds. */
const MAX_ASSERTION_SECONDS = 300;
/**
 * The library remembers a proof for as long as it accepts old ones, but accepts ones from that far in the future too:
 * what is remembered is so much longer.
 */
const REPLAY_MARGIN_SECONDS = 360;
/** Hubs take tokens for 30 s after their end. */
const REVOCATION_TOLERANCE_SECONDS = 60;
/** A token issued while its revocation was kept may end that much later than said. */
const REVOCATION_MARGIN_MS = 120_000;

export interface TokenServiceLog {
  /** `event` is a constant text of ours and the name of an error's class: no token, claim, key or secret. */
  warn(event: string): void;
}

export type Handler = (req: IncomingMessage, res: ServerResponse) => Promise<void>;

function toMetadata({ id, authentication }: ClientRecord): AdapterPayload {
  const common: AdapterPayload = {
    client_id: id,
    grant_types: ['client_credentials', EXCHANGE_GRANT],
    response_types: [],
    redirect_uris: [],
    token_endpoint_auth_method: authentication.method,
    id_token_signed_response_alg: 'ES256',
    authorization_details_types: [SHARE_DETAIL_TYPE],
  };
  return authentication.method === 'private_key_jwt'
    ? { ...common, jwks: { keys: authentication.keys.map((key) => ({ ...key })) } }
    : // Only what `compareClientSecret` below compares with; it is not a secret that is accepted.
      { ...common, client_secret: authentication.secretHash };
}

/** Tokens are not stored, so clients are all the library ever looks for. */
function createAdapter(storage: TokenStorage, name: string): Adapter {
  const nothing = async (): Promise<undefined> => undefined;
  const refuse = async (): Promise<never> => {
    throw new TypeError('nothing is stored by the library');
  };
  return {
    find: async (id) => {
      if (name !== 'Client') return undefined;
      const client = await storage.findClient(id);
      return client === null ? undefined : toMetadata(client);
    },
    findByUid: nothing,
    findByUserCode: nothing,
    upsert: refuse,
    consume: refuse,
    destroy: refuse,
    revokeByGrantId: refuse,
  };
}

/** RFC 7523: one audience, and soon over. */
function checkAssertion(context: GrantContext, claims: Readonly<Record<string, unknown>>): void {
  const { aud, exp } = claims;
  const isLong = typeof exp !== 'number' || exp > context.environment.now() / 1000 + MAX_ASSERTION_SECONDS;
  if (isLong || (Array.isArray(aud) && aud.length !== 1)) throw new errors.InvalidClientAuth();
}

/**
 * RFC 7009. The library authenticates the client and then refuses JSON Web Tokens as ones it cannot revoke: from there on
 * it is ours. Revoking a token of ours that is not valid any more, and any other text, is a success without effect.
 */
async function revoke(context: GrantContext, ctx: KoaContextWithOIDC): Promise<void> {
  const text = ctx.oidc.params?.['token'];
  const client = ctx.oidc.client;
  const token =
    typeof text === 'string'
      ? await readIssuedToken(text, {
          issuer: context.issuer,
          resource: context.resource,
          keys: await context.keys.published(),
          nowEpochMs: context.environment.now(),
          toleranceSeconds: REVOCATION_TOLERANCE_SECONDS,
        })
      : null;
  if (token !== null && token.clientId !== client?.clientId) {
    ctx.status = 400;
    ctx.body = { error: 'unauthorized_client', error_description: 'the token was not issued to this client' };
    return;
  }
  if (token !== null) await context.storage.revoke(token.tokenId, token.expiresAt * 1000 + REVOCATION_MARGIN_MS);
  ctx.status = 200;
  ctx.body = '';
}

/** The library with everything off but its token endpoint, which signs with one key. */
export function createHandler(context: GrantContext, log: TokenServiceLog, key: KeyRecord): Handler {
  const { issuer, resource, storage } = context;
  /** By token, from the grant until it is signed. */
  const own = new WeakMap<object, OwnClaims>();
  const provider = new Provider(issuer, {
    adapter: (name: string) => createAdapter(storage, name),
    jwks: { keys: [{ ...key.privateKey }] },
    scopes: [...SCOPES],
    claims: {},
    responseTypes: [],
    clientAuthMethods: [...AUTHENTICATION_METHODS],
    clientDefaults: {
      grant_types: [],
      response_types: [],
      redirect_uris: [],
      id_token_signed_response_alg: 'ES256',
    },
    enabledJWA: { clientAuthSigningAlgValues: [...ASSERTION_ALGORITHMS], dPoPSigningAlgValues: [...PROOF_ALGORITHMS] },
    clockTolerance: 15,
    ttl: { ClientCredentials: context.tokenSeconds },
    routes: { token: '/token', revocation: '/token/revocation' },
    formats: {
      customizers: {
        jwt: (_ctx, token, parts) => {
          const claims = own.get(token);
          if (claims === undefined) throw new TypeError('a token nobody granted');
          const { jti, sub, org, roles, act } = claims;
          parts.payload = { ...parts.payload, jti, sub, org, roles: [...roles], ...(act === null ? {} : { act }) };
        },
      },
    },
    assertJwtClientAuthClaimsAndHeader: (_ctx, claims) => checkAssertion(context, claims),
    // The library's own default prints a line.
    clientBasedCORS: () => false,
    renderError: (ctx, out) => {
      ctx.body = out;
    },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      revocation: { enabled: true, allowedPolicy: () => false },
      dPoP: { enabled: true },
      richAuthorizationRequests: {
        enabled: true,
        // What is within is read where it is granted.
        types: { [SHARE_DETAIL_TYPE]: { validate: () => undefined } },
        authorizationDetailsForGrantSource: () => undefined,
        authorizationDetailsForAccessToken: (_ctx, token) => token.rar,
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => resource,
        getResourceServerInfo: (_ctx, asked) => {
          if (asked !== resource) throw new errors.InvalidTarget();
          return {
            scope: SCOPES.join(' '),
            audience: resource,
            accessTokenFormat: 'jwt',
            accessTokenTTL: context.tokenSeconds,
            jwt: { sign: { alg: 'ES256', kid: key.kid } },
          };
        },
      },
    },
  });
  // URLs are those of the issuer, whatever is between the caller and us: see `handle` of the service.
  provider.proxy = true;
  provider.Client.prototype.compareClientSecret = async function compare(actual: string): Promise<boolean> {
    const client = await storage.findClient(this.clientId);
    const held = client?.authentication;
    return held?.method === 'client_secret_basic' && isSecret(held.secretHash, actual);
  };
  // The library looks first and writes then: of two at once, in one process or two, both would pass.
  provider.ReplayDetection.unique = async (client: string, tokenId: string, exp: number): Promise<boolean> => {
    const id = createHash('sha256')
      .update(JSON.stringify([client, tokenId]))
      .digest('base64url');
    return await storage.addOnce(id, (exp + REPLAY_MARGIN_SECONDS) * 1000);
  };
  registerGrants(provider, context, own);
  const fail = (error: unknown): void =>
    log.warn(`token service failed: ${error instanceof Error ? error.name : 'unknown'}`);
  // Koa's own event, without which it would print the error.
  const emitter: EventEmitter = provider;
  emitter.on('error', fail);
  provider.on('server_error', (_ctx, error) => fail(error));
  provider.use(async (ctx, next) => {
    await next();
    // The router gives every context of a known path this member.
    const known = ctx as KoaContextWithOIDC;
    const error = typeof ctx.body === 'object' && ctx.body !== null && 'error' in ctx.body ? ctx.body.error : undefined;
    if (known.oidc?.route === 'revocation' && error === 'unsupported_token_type') await revoke(context, known);
    else if (error === 'server_error') {
      ctx.body = { error, error_description: 'the token service cannot answer at the moment' };
    }
  });
  const answer = provider.callback();
  return async (req, res) => {
    await answer(req, res);
  };
}
