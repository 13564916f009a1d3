import { decodeJwt, importJWK, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  ACCESS_TOKEN,
  addClient,
  ask,
  DETAIL,
  exchange,
  newPair,
  now,
  RESOURCE,
  revoke,
  startServer,
  thumbprint,
  tokenOf,
  type Answer,
  type AskOptions,
  type Client,
  type Server,
} from './test-support/oauth.ts';

let server: Server;
/** Of the region, acts for nobody. */
let region: Client;
/** May act for the region. */
let contractor: Client;
/** May act for the region too, and so for its contractor's tokens. */
let second: Client;
let third: Client;
let stranger: Client;
beforeAll(async () => {
  server = await startServer();
  region = await addClient(server, 'region', { organisation: 'region', roles: ['use', 'manage'] });
  contractor = await addClient(server, 'contractor', {
    scopes: ['catalog:read', 'records:read'],
    mayActFor: ['region'],
  });
  second = await addClient(server, 'second', { mayActFor: ['region'] });
  third = await addClient(server, 'third', { mayActFor: ['region'] });
  stranger = await addClient(server, 'stranger', { mayActFor: ['other'] });
});
afterAll(() => server[Symbol.asyncDispose]());

const verdict = ({ status, body }: Answer): string => `${status} ${body.error ?? 'given'}`;
const isRevoked = async (at: Server, token: string): Promise<boolean> => {
  const { iss = '', jti = '', sub = '', client_id, iat = 0 } = decodeJwt(token);
  return await at.service.isRevoked({
    issuer: iss,
    tokenId: jti,
    subject: sub,
    clientId: String(client_id),
    issuedAtEpochMs: iat * 1000,
  });
};

describe('an exchanged token', () => {
  test('is the subject’s, acted upon by the client, bound to the key of the client', async () => {
    const token = await tokenOf(server, region, { scope: 'catalog:read records:read records:export' });
    const answer = await exchange(server, contractor, token);
    expect(answer.body).toMatchObject({
      issued_token_type: ACCESS_TOKEN,
      token_type: 'DPoP',
      scope: 'catalog:read records:read',
    });
    const given = decodeJwt(answer.body.access_token);
    expect(given).toMatchObject({
      sub: 'region',
      org: 'region',
      client_id: 'contractor',
      aud: RESOURCE,
      roles: ['use'],
      act: { sub: 'contractor', client_id: 'contractor', org: 'org-contractor' },
      cnf: { jkt: await thumbprint(contractor.dpop) },
    });
    expect(given.exp).toBeLessThanOrEqual(decodeJwt(token).exp ?? 0);
    expect(given['act']).not.toHaveProperty('act');
  });

  test('never outlives the one it comes from', async () => {
    await using short = await startServer({ tokenSeconds: 60 });
    await addClient(short, 'region', { organisation: 'region' }, region.auth);
    await addClient(short, 'contractor', { mayActFor: ['region'] }, contractor.auth);
    const token = await tokenOf(short, region);
    // The same storage, keys and issuer, but a service that gives longer tokens.
    await using long = await startServer({ storage: short.storage, issuer: short.issuer, tokenSeconds: 3600 });
    const answer = await exchange(long, contractor, token);
    const [before, after] = [decodeJwt(token).exp ?? 0, decodeJwt(answer.body.access_token).exp];
    expect(after).toBe(before);
    expect(answer.body.expires_in).toBeLessThanOrEqual(60);
    const longer = await tokenOf(long, region);
    expect((decodeJwt(longer).exp ?? 0) - before).toBeGreaterThan(3000);
  });

  test('may be exchanged once more, and the chain tells who acted', async () => {
    const first = await exchange(server, contractor, await tokenOf(server, region));
    const again = await exchange(server, second, first.body.access_token);
    expect(decodeJwt(again.body.access_token)).toMatchObject({
      sub: 'region',
      org: 'region',
      client_id: 'second',
      act: { sub: 'second', act: { sub: 'contractor', client_id: 'contractor', org: 'org-contractor' } },
    });
    expect(verdict(await exchange(server, third, again.body.access_token))).toBe('400 invalid_grant');
    // Not because of who asks.
    expect(verdict(await exchange(server, third, first.body.access_token))).toBe('200 given');
  });

  test('has only scopes that subject, registration and question have in common', async () => {
    const token = await tokenOf(server, region, { scope: 'catalog:read records:read agreements:write' });
    const scopes = async (actor: Client, parameters: Readonly<Record<string, string>>) => {
      const { body } = await exchange(server, actor, token, parameters);
      return body.error ?? body.scope;
    };
    expect(await scopes(contractor, {})).toBe('catalog:read records:read');
    expect(await scopes(second, {})).toBe('catalog:read records:read agreements:write');
    expect(await scopes(second, { scope: 'records:read records:export' })).toBe('records:read');
    expect(await scopes(second, { scope: 'records:export' })).toBe('invalid_scope');
    expect(await scopes(contractor, { scope: 'agreements:write' })).toBe('invalid_scope');
  });

  test('has the narrower of both details, also when only one side has any', async () => {
    const details = (value: readonly object[]) => ({ authorization_details: JSON.stringify(value) });
    const of = (token: string) => decodeJwt(token)['authorization_details'];
    const wide = await tokenOf(server, region);
    const narrow = await tokenOf(
      server,
      region,
      details([{ type: DETAIL, actions: ['QUERY', 'EXPORT'], locations: ['a:1'] }]),
    );
    const asked = details([{ type: DETAIL, actions: ['EXPORT', 'SUBSCRIBE'], purpose: 'heat' }]);
    const given = async (token: string, more = {}) =>
      of((await exchange(server, contractor, token, more)).body.access_token);
    expect(await given(wide)).toBeUndefined();
    expect(await given(wide, asked)).toEqual([{ type: DETAIL, actions: ['EXPORT', 'SUBSCRIBE'], purpose: 'heat' }]);
    expect(await given(narrow)).toEqual([{ type: DETAIL, actions: ['EXPORT', 'QUERY'], locations: ['a:1'] }]);
    expect(await given(narrow, asked)).toEqual([
      { type: DETAIL, actions: ['EXPORT'], locations: ['a:1'], purpose: 'heat' },
    ]);
    const nothing = details([{ type: DETAIL, locations: ['b:1'] }]);
    expect(verdict(await exchange(server, contractor, narrow, nothing))).toBe('400 invalid_authorization_details');
    const empty = { authorization_details: '[]' };
    expect(verdict(await exchange(server, contractor, narrow, empty))).toBe('400 invalid_authorization_details');
  });
});

describe('an exchange is refused', () => {
  const forge = async (change: (claims: Record<string, unknown>) => void): Promise<string> => {
    const token = await tokenOf(server, region);
    const claims = { ...decodeJwt(token) };
    change(claims);
    const [key] = await server.storage.listKeys();
    return await new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: key?.kid ?? '' })
      .sign(await importJWK(key?.privateKey ?? { kty: 'EC' }, 'ES256'));
  };
  const rows: readonly (readonly [string, () => Promise<Answer>, string])[] = [
    [
      'to a client that may not act for the organisation',
      async () => exchange(server, stranger, await tokenOf(server, region)),
      '400 invalid_grant',
    ],
    ['to the client itself', async () => exchange(server, region, await tokenOf(server, region)), '400 invalid_grant'],
    [
      'without a proof',
      async () => exchange(server, contractor, await tokenOf(server, region), {}, { dpop: null }),
      '400 invalid_dpop_proof',
    ],
    ['without a subject token', async () => exchange(server, contractor, ''), '400 invalid_request'],
    ['of something that is no token', async () => exchange(server, contractor, 'x.y.z'), '400 invalid_grant'],
    [
      'of a token that is too long',
      async () => exchange(server, contractor, `${await tokenOf(server, region)}${'A'.repeat(9000)}`),
      '400 invalid_grant',
    ],
    [
      'of a token that has ended',
      async () => exchange(server, contractor, await forge((claims) => (claims['exp'] = now() - 1))),
      '400 invalid_grant',
    ],
    [
      'of a token for another resource',
      async () => exchange(server, contractor, await forge((claims) => (claims['aud'] = 'https://other.example/'))),
      '400 invalid_grant',
    ],
    [
      'of a token of another issuer',
      async () => exchange(server, contractor, await forge((claims) => (claims['iss'] = 'https://other.example/'))),
      '400 invalid_grant',
    ],
    [
      'of a token with an id of another form',
      async () => exchange(server, contractor, await forge((claims) => (claims['jti'] = 'x'))),
      '400 invalid_grant',
    ],
    [
      'of a token with details nobody knows',
      async () =>
        exchange(server, contractor, await forge((claims) => (claims['authorization_details'] = [{ type: 'x' }]))),
      '400 invalid_grant',
    ],
    [
      'of a token with a signature of another key',
      async () => {
        const token = await tokenOf(server, region);
        const { privateKey } = await newPair();
        const forged = await new SignJWT(decodeJwt(token))
          .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt' })
          .sign(privateKey);
        return exchange(server, contractor, forged);
      },
      '400 invalid_grant',
    ],
    [
      'of a token whose type is said to be another',
      async () =>
        exchange(server, contractor, await tokenOf(server, region), {
          subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
        }),
      '400 invalid_request',
    ],
    [
      'of a token whose type is not said',
      async () => exchange(server, contractor, await tokenOf(server, region), { subject_token_type: '' }),
      '400 invalid_request',
    ],
    [
      'for an ID token',
      async () =>
        exchange(server, contractor, await tokenOf(server, region), {
          requested_token_type: 'urn:ietf:params:oauth:token-type:id_token',
        }),
      '400 invalid_request',
    ],
    [
      'for another audience',
      async () => exchange(server, contractor, await tokenOf(server, region), { audience: 'https://other.example/' }),
      '400 invalid_target',
    ],
    [
      'for another resource',
      async () => exchange(server, contractor, await tokenOf(server, region), { resource: 'https://other.example/' }),
      '400 invalid_target',
    ],
    [
      'with an actor token of somebody else',
      async () =>
        exchange(server, contractor, await tokenOf(server, region), {
          actor_token: await tokenOf(server, second),
          actor_token_type: ACCESS_TOKEN,
        }),
      '400 invalid_grant',
    ],
    [
      'with an actor token without its type',
      async () =>
        exchange(server, contractor, await tokenOf(server, region), { actor_token: await tokenOf(server, contractor) }),
      '400 invalid_request',
    ],
    [
      'with the type of an actor token without the token',
      async () => exchange(server, contractor, await tokenOf(server, region), { actor_token_type: ACCESS_TOKEN }),
      '400 invalid_request',
    ],
    [
      'of a revoked token',
      async () => {
        const token = await tokenOf(server, region);
        await revoke(server, region, token);
        return exchange(server, contractor, token);
      },
      '400 invalid_grant',
    ],
    [
      'to an unknown client',
      async () => exchange(server, { ...contractor, id: 'nobody' }, await tokenOf(server, region)),
      '401 invalid_client',
    ],
  ];
  const right: boolean[] = [];

  test.each(rows)('%s', async (_, send, expected) => {
    const answer = await send();
    right.push(verdict(answer) === expected);
    expect(verdict(answer)).toBe(expected);
    expect(answer.body).not.toHaveProperty('access_token');
  });

  test('and given when nothing is wrong, with an actor token and our own audience too', async ({ task }) => {
    const more = {
      actor_token: await tokenOf(server, contractor),
      actor_token_type: ACCESS_TOKEN,
      requested_token_type: ACCESS_TOKEN,
      audience: RESOURCE,
      resource: RESOURCE,
    };
    expect(verdict(await exchange(server, contractor, await tokenOf(server, region), more))).toBe('200 given');
    task.meta.figures = [
      {
        point: 13,
        what: 'token exchanges that must be refused, refused with the right code',
        value: right.filter(Boolean).length,
        target: String(rows.length),
        isMet: right.length === rows.length && right.every(Boolean),
      },
    ];
  });
});

describe('revocation', () => {
  test('is effective at once, for the token and for all exchanged from it, in every process', async () => {
    await using other = await startServer({ storage: server.storage, issuer: server.issuer });
    const [token, sibling] = [await tokenOf(server, region), await tokenOf(server, region)];
    const child = (await exchange(server, contractor, token)).body.access_token;
    const grandchild = (await exchange(server, second, child)).body.access_token;
    const all = [token, child, grandchild, sibling];
    const states = () => Promise.all(all.flatMap((one) => [isRevoked(server, one), isRevoked(other, one)]));
    expect(await states()).toEqual(Array.from({ length: 8 }, () => false));
    expect(verdict(await revoke(server, contractor, child))).toBe('200 given');
    expect(await states()).toEqual([false, false, true, true, true, true, false, false]);
    expect((await revoke(server, region, token)).text).toBe('');
    expect(await states()).toEqual([true, true, true, true, true, true, false, false]);
    // Again is a success as well.
    expect(verdict(await revoke(server, region, token))).toBe('200 given');
    expect(verdict(await exchange(server, third, child))).toBe('400 invalid_grant');
  });

  test('of what is no token of ours is a success without effect', async () => {
    const foreign = await new SignJWT({ jti: 'x' })
      .setProtectedHeader({ alg: 'ES256' })
      .sign((await newPair()).privateKey);
    for (const token of ['x', 'x.y.z', 'a'.repeat(9000), foreign]) {
      expect(verdict(await revoke(server, region, token))).toBe('200 given');
    }
  });

  test('of a token of another client is refused and leaves it valid', async () => {
    const token = await tokenOf(server, region);
    expect(verdict(await revoke(server, contractor, token))).toBe('400 unauthorized_client');
    expect(await isRevoked(server, token)).toBe(false);
    const child = (await exchange(server, contractor, token)).body.access_token;
    expect(verdict(await revoke(server, region, child))).toBe('400 unauthorized_client');
  });

  test.each<[string, () => Promise<AskOptions>, string]>([
    ['by nobody', async () => ({ assertion: '' }), '400 invalid_request'],
    ['by somebody who is not proven', async () => ({ assertion: 'x.y.z' }), '400 invalid_request'],
  ])('%s is refused', async (_, options, expected) => {
    const token = await tokenOf(server, region);
    expect(verdict(await revoke(server, region, token, await options()))).toBe(expected);
    const elsewhere = { ...region, auth: await newPair() };
    expect(verdict(await revoke(server, elsewhere, token))).toBe('401 invalid_client');
    expect(await isRevoked(server, token)).toBe(false);
  });

  test('without a token is refused', async () => {
    expect(verdict(await ask(server, region, {}, { path: '/oauth/token/revocation', dpop: null }))).toBe(
      '400 invalid_request',
    );
  });

  test('holds for a token that has just ended, which hubs still take', async () => {
    const [key] = await server.storage.listKeys();
    const token = await tokenOf(server, region);
    const ended = await new SignJWT({ ...decodeJwt(token), exp: now() - 20 })
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: key?.kid ?? '' })
      .sign(await importJWK(key?.privateKey ?? { kty: 'EC' }, 'ES256'));
    await revoke(server, region, ended);
    expect(await isRevoked(server, token)).toBe(true);
  });

  test('a removed client’s tokens end, whoever acts with them, also when it is registered anew', async () => {
    const gone = await addClient(server, 'gone', { mayActFor: ['region'] });
    const own = await tokenOf(server, gone);
    const acted = (await exchange(server, gone, await tokenOf(server, region))).body.access_token;
    const further = (await exchange(server, second, acted)).body.access_token;
    const untouched = await tokenOf(server, second);
    expect(await server.service.removeClient('gone')).toBe(true);
    const states = () => Promise.all([own, acted, further, untouched].map((token) => isRevoked(server, token)));
    expect(await states()).toEqual([true, true, true, false]);
    await addClient(server, 'gone', {}, gone.auth);
    expect(await states()).toEqual([true, true, true, false]);
    expect(await isRevoked(server, await tokenOf(server, gone))).toBe(false);
  });

  test('says nothing about tokens of others, and ends what has no id of ours', async () => {
    const question = { tokenId: 'x', subject: 'a', clientId: 'a', issuedAtEpochMs: 0 };
    expect(await server.service.isRevoked({ ...question, issuer: 'https://other.example' })).toBe(false);
    expect(await server.service.isRevoked({ ...question, issuer: server.issuer })).toBe(true);
  });
});
