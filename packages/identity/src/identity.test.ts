import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { SHARE_DETAIL_TYPE } from './authorization-details.ts';
import type { IssuerConfig } from './options.ts';
import {
  bindTo,
  claimsOf,
  createBench,
  createKey,
  ISSUER,
  issuerOf,
  NOW_MS,
  prove,
  RESOURCE,
  sign,
  type TestBench,
  type TestKey,
} from './test-support/issuer.ts';

const NOW = NOW_MS / 1_000;
let key: TestKey;
let stranger: TestKey;

beforeAll(async () => {
  key = await createKey('k1');
  stranger = await createKey('k1');
});

const fixed = (changes: Partial<IssuerConfig> = {}) =>
  createBench([issuerOf({ keys: { kind: 'fixed', jwks: { keys: [key.jwk] } }, ...changes })]);
const REFUSED = { code: 'AUTH_REQUIRED', message: 'The access token is missing, expired or not accepted.' };

describe('an access token', () => {
  test('that is right says who the caller is', async () => {
    const bench = await fixed({ managers: [{ claim: 'groups', values: ['stewards'] }] });
    const token = await sign(key, claimsOf({ groups: ['staff', 'stewards'] }));
    await expect(bench.bearer(token)).resolves.toEqual({
      issuer: ISSUER,
      subject: 'svc:water',
      clientId: 'water-app',
      tokenId: 'jti-1',
      organisation: 'water',
      roles: new Set(['use', 'manage']),
      scopes: new Set(['catalog:read', 'records:read']),
      actor: null,
      details: null,
      isBound: false,
      mustBeBound: true,
      expiresAtEpochMs: NOW_MS + 630_000,
    });
  });

  test.each<readonly [string, Readonly<Record<string, unknown>>]>([
    ['issued by another', { iss: 'https://other.example.test' }],
    ['for another resource', { aud: 'urn:other' }],
    ['for a list with something else than texts', { aud: ['urn:urban-hub', 1] }],
    ['without a client', { client_id: undefined }],
    ['without an id', { jti: undefined }],
    ['without a subject', { sub: undefined }],
    ['of a subject with an invisible mark', { sub: 'svc:\u202ewater' }],
    ['of a subject with a quote', { sub: 'svc:"water"' }],
    ['of a subject too long', { sub: 'x'.repeat(256) }],
    ['expired', { exp: NOW - 30 }],
    ['issued ahead of time though valid already', { iat: NOW + 31, nbf: NOW, exp: NOW + 600 }],
    ['issued ahead of time', { iat: NOW + 31, exp: NOW + 600 }],
    ['not valid yet', { nbf: NOW + 31 }],
    ['meant to live over an hour', { iat: NOW, exp: NOW + 3_601 }],
    ['that ends before it begins', { iat: NOW + 20, exp: NOW + 10 }],
    ['with scopes in a list', { scope: ['catalog:read'] }],
    ['bound in a way nobody can prove', { cnf: { 'x5t#S256': 'x'.repeat(43) } }],
    ['bound in two ways', { cnf: { jkt: 'x'.repeat(43), 'x5t#S256': 'x'.repeat(43) } }],
    ['bound to no thumbprint', { cnf: { jkt: 'short' } }],
    ['bound to nothing', { cnf: null }],
    ['with an actor that is a text', { act: 'svc' }],
    ['with an actor nobody knows by name', { act: { client_id: 'x' } }],
    ['with a chain of three actors', { act: { sub: 'a', act: { sub: 'b', act: { sub: 'c' } } } }],
    ['with details that are no list', { authorization_details: {} }],
    ['with details without a type', { authorization_details: [{ identifier: 'a' }] }],
    ['with details of ours with an unknown member', { authorization_details: [{ type: SHARE_DETAIL_TYPE, rows: 1 }] }],
    [
      'with details of ours of a wrong type',
      { authorization_details: [{ type: SHARE_DETAIL_TYPE, actions: 'QUERY' }] },
    ],
    ['with details of ours for no text', { authorization_details: [{ type: SHARE_DETAIL_TYPE, purpose: null }] }],
    ['with too many details', { authorization_details: Array.from({ length: 65 }, () => ({ type: 'x' })) }],
  ])('%s is refused', async (_, changes) => {
    const bench = await fixed();
    await expect(bench.bearer(await sign(key, claimsOf()))).resolves.not.toBeNull();
    await expect(bench.bearer(await sign(key, claimsOf(changes)))).rejects.toMatchObject(REFUSED);
  });

  test.each<readonly [string, Readonly<Record<string, unknown>>]>([
    ['of another type', { typ: 'JWT' }],
    ['of no type', { typ: undefined }],
    ['with a key of an unknown name', { kid: 'k2' }],
    ['with a nameless key', { kid: undefined }],
    ['with its own key', { jwk: {} }],
    ['with an address of a certificate', { x5u: 'https://idp.example.test/x' }],
  ])('%s is refused by its header', async (_, header) => {
    const bench = await fixed();
    await expect(bench.bearer(await sign(key, claimsOf(), header))).rejects.toMatchObject(REFUSED);
    expect(bench.fetched).toEqual([]);
  });

  test('signed by a stranger with a key of the same name is refused', async () => {
    const bench = await fixed();
    const refused = bench.bearer(await sign(stranger, claimsOf()));
    await expect(refused).rejects.toMatchObject({ ...REFUSED, cause: 'SIGNATURE' });
  });

  test('signed with an algorithm the issuer is not allowed is refused', async () => {
    const p384 = await createKey('k1', 'ES384');
    const jwks = { keys: [p384.jwk, key.jwk] };
    const other = await createKey('k2', 'ES384');
    const bench = await fixed({ keys: { kind: 'fixed', jwks: { keys: [...jwks.keys.slice(1), other.jwk] } } });
    await expect(bench.bearer(await sign(other, claimsOf()))).rejects.toMatchObject(REFUSED);
    const allowed = await fixed({ keys: { kind: 'fixed', jwks: { keys: [other.jwk] } }, algorithms: ['ES384'] });
    await expect(allowed.bearer(await sign(other, claimsOf()))).resolves.toMatchObject({ subject: 'svc:water' });
  });

  test('older than a day is refused however long it may live', async () => {
    const bench = await fixed({ maxLifetimeSeconds: 86_400 });
    const dayOld = (age: number) => sign(key, claimsOf({ iat: NOW - age, exp: NOW - age + 86_400 }));
    await expect(bench.bearer(await dayOld(86_400))).resolves.not.toBeNull();
    await expect(bench.bearer(await dayOld(86_401))).rejects.toMatchObject({ ...REFUSED, cause: 'TIME' });
  });

  test('with any bit of it changed is refused', async ({ task }) => {
    const bench = await fixed();
    const token = await sign(key, claimsOf());
    const bits = fc.integer({ min: 0, max: token.length * 7 - 1 });
    let count = 0;
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(bits, async (bit) => {
        const at = Math.floor(bit / 7);
        const flipped = String.fromCharCode(token.charCodeAt(at) ^ (1 << (bit % 7)));
        const changed = token.slice(0, at) + flipped + token.slice(at + 1);
        count++;
        const code = await bench.bearer(changed).then(
          () => 'accepted',
          (error: { code?: string }) => error.code,
        );
        if (code !== 'AUTH_REQUIRED') accepted++;
        expect(code).toBe('AUTH_REQUIRED');
      }),
      { seed: 12, numRuns: 2_000 },
    );
    await expect(bench.bearer(token)).resolves.not.toBeNull();
    task.meta.figures = [
      {
        point: 12,
        what: 'tokens with one bit changed that are accepted',
        value: `${accepted}/${count}`,
        target: '0',
        isMet: accepted === 0 && count >= 2_000,
      },
    ];
  });

  test('of one issuer is no token of another with a key of the same name', async () => {
    const OTHER = 'https://other.example.test';
    const bench = await createBench([
      issuerOf({ keys: { kind: 'fixed', jwks: { keys: [key.jwk] } } }),
      issuerOf({ issuer: OTHER, keys: { kind: 'fixed', jwks: { keys: [stranger.jwk] } } }),
    ]);
    await expect(bench.bearer(await sign(stranger, claimsOf({ iss: OTHER })))).resolves.toMatchObject({
      issuer: OTHER,
    });
    await expect(bench.bearer(await sign(key, claimsOf({ iss: OTHER })))).rejects.toMatchObject(REFUSED);
    await expect(bench.bearer(await sign(stranger, claimsOf()))).rejects.toMatchObject(REFUSED);
  });

  test('once verified is refused from the moment it has expired', async () => {
    const bench = await fixed();
    const token = await sign(key, claimsOf({ exp: NOW + 10 }));
    await expect(bench.bearer(token)).resolves.not.toBeNull();
    await bench.environment.advance(39_999);
    await expect(bench.bearer(token)).resolves.not.toBeNull();
    await bench.environment.advance(1);
    await expect(bench.bearer(token)).rejects.toMatchObject(REFUSED);
  });

  test('once verified is refused from the moment it is revoked', async () => {
    const revoked = new Set<string>();
    const bench = await createBench(
      [issuerOf({ keys: { kind: 'fixed', jwks: { keys: [key.jwk] } } })],
      {},
      { revocations: { isRevoked: async ({ issuer, tokenId }) => revoked.has(`${issuer} ${tokenId}`) } },
    );
    const token = await sign(key, claimsOf());
    await expect(bench.bearer(token)).resolves.not.toBeNull();
    revoked.add(`${ISSUER} jti-1`);
    await expect(bench.bearer(token)).rejects.toMatchObject({ ...REFUSED, cause: 'REVOKED' });
  });

  test.each<readonly [string, () => Promise<boolean>]>([
    ['fails', () => Promise.reject(new Error('no connection'))],
    ['says something else', () => Promise.resolve(undefined as unknown as boolean)],
    ['never answers', () => new Promise(() => {})],
  ])('is neither right nor wrong while the revocations %s', async (_, answerOf) => {
    const asked = Promise.withResolvers<void>();
    const isRevoked = (): Promise<boolean> => {
      asked.resolve();
      return answerOf();
    };
    const bench = await createBench(
      [issuerOf({ keys: { kind: 'fixed', jwks: { keys: [key.jwk] } } })],
      {},
      { revocations: { isRevoked } },
    );
    const answer = expect(bench.bearer(await sign(key, claimsOf()))).rejects.toMatchObject({
      code: 'AUTH_UNAVAILABLE',
      cause: 'REVOCATIONS',
    });
    // Signatures are checked on another thread, which no clock moves.
    await asked.promise;
    for (let turn = 0; turn < 20; turn++) await bench.environment.advance(1_000);
    await answer;
  });
});

describe('credentials', () => {
  test('that are not there make nobody', async () => {
    const bench = await fixed();
    const request = { authorization: [], dpop: [], method: 'POST', url: RESOURCE };
    await expect(bench.identity.authenticate(request)).resolves.toBeNull();
  });

  test.each<readonly [string, readonly string[], readonly string[]]>([
    ['of another scheme', ['Basic dXNlcjpwYXNz'], []],
    ['that are empty', [''], []],
    ['without a token', ['Bearer '], []],
    ['that are twice there', ['Bearer x.y.z', 'Bearer x.y.z'], []],
    ['two in a line', ['Bearer x.y.z, Bearer x.y.z'], []],
    ['that are a proof alone', [], ['x.y.z']],
    ['bound without a proof', ['DPoP x.y.z'], []],
    ['bound with two proofs', ['DPoP x.y.z'], ['x.y.z', 'x.y.z']],
  ])('%s are refused, not overlooked', async (_, authorization, dpop) => {
    const bench = await fixed();
    const answer = bench.identity.authenticate({ authorization, dpop, method: 'POST', url: RESOURCE });
    await expect(answer).rejects.toMatchObject({ ...REFUSED, cause: 'CREDENTIALS' });
  });

  test('name their scheme in any case', async () => {
    const bench = await fixed();
    const token = await sign(key, claimsOf());
    const request = { authorization: [`bEARER ${token}`], dpop: [], method: 'POST', url: RESOURCE };
    await expect(bench.identity.authenticate(request)).resolves.toMatchObject({ subject: 'svc:water' });
  });
});

describe('what a token says about its caller', () => {
  const read = async (changes: Readonly<Record<string, unknown>>, config: Partial<IssuerConfig> = {}) =>
    (await fixed(config)).bearer(await sign(key, claimsOf(changes)));

  test.each<readonly [string, unknown, Partial<IssuerConfig>, string | null]>([
    ['a text that is mapped', 'water-board', {}, 'water'],
    ['a text that is not', 'Water-Board', {}, null],
    ['a list with one that is', ['x', 'water-board'], {}, 'water'],
    ['a list with two that are', ['police', 'water-board'], {}, null],
    ['a number', 1, {}, null],
    ['the name of something every object has', 'constructor', {}, null],
  ])('its organisation is found from %s', async (_, org, config, organisation) => {
    const organisations = new Map([
      ['water-board', 'water'],
      ['police', 'police'],
    ]);
    await expect(read({ org }, { organisations, ...config })).resolves.toMatchObject({ organisation });
  });

  test('a claim inside claims is found by its path, also when its name has dots', async () => {
    const claims = {
      resource_access: { hub: { org: 'water-board' } },
      'https://hub/org': 'water-board',
      org: undefined,
    };
    const nested = { organisationClaim: 'resource_access.hub.org' };
    await expect(read(claims, nested)).resolves.toMatchObject({ organisation: 'water' });
    await expect(read(claims, { organisationClaim: ['https://hub/org'] })).resolves.toMatchObject({
      organisation: 'water',
    });
    await expect(read(claims)).resolves.toMatchObject({ organisation: null, roles: new Set() });
  });

  test('nobody without an organisation manages one', async () => {
    const managers = [{ claim: 'groups', values: ['stewards'] }];
    await expect(read({ groups: 'stewards', org: 'x' }, { managers })).resolves.toMatchObject({ roles: new Set() });
    await expect(read({ groups: 'steward' }, { managers })).resolves.toMatchObject({ roles: new Set(['use']) });
  });

  test('the outermost actor acts', async () => {
    const act = { sub: 'svc:contractor', org: 'water-board', act: { sub: 'svc:first', org: 'police' } };
    const actor = { subject: 'svc:contractor', organisation: 'water' };
    await expect(read({ act, may_act: { sub: 'anyone' } })).resolves.toMatchObject({ actor });
  });

  test.each<readonly [string, unknown, unknown]>([
    ['no details', undefined, null],
    ['an empty list', [], []],
    ['details of others only', [{ type: 'payment', amount: 1 }], null],
    [
      'details of ours beside others',
      [
        { type: 'payment' },
        { type: SHARE_DETAIL_TYPE, identifier: 'a1', actions: [], locations: ['s:d'], purpose: 'p' },
      ],
      [{ agreement: 'a1', actions: [], datasets: ['s:d'], purpose: 'p' }],
    ],
    [
      'an entry of ours that says nothing',
      [{ type: SHARE_DETAIL_TYPE }],
      [{ agreement: null, actions: null, datasets: null, purpose: null }],
    ],
  ])('%s narrow to what they say', async (_, claim, details) => {
    expect((await read({ authorization_details: claim }))?.details).toEqual(details);
  });

  test('scopes are split at single spaces and nothing else', async () => {
    const scopes = new Set(['catalog:read', 'x']);
    await expect(read({ scope: ' catalog:read  a\tadmin x ré' })).resolves.toMatchObject({ scopes });
  });
});

describe('tokens of other makers', () => {
  const KEYCLOAK = {
    typ: 'Bearer',
    azp: 'water-app',
    client_id: undefined,
    sid: 's',
    'allowed-origins': ['*'],
    realm_access: { roles: ['offline_access', 'stewards'] },
  };
  const ENTRA = {
    client_id: undefined,
    jti: undefined,
    scope: undefined,
    uti: 'uti-1',
    ver: '2.0',
    azp: '11111111-2222-3333-4444-555555555555',
    scp: 'records.read',
    tid: 'water-board',
    iat: NOW,
    nbf: NOW,
    exp: NOW + 5_400,
  };
  const read = async (config: Partial<IssuerConfig>, claims: object, typ = 'JWT') =>
    (await fixed(config)).bearer(await sign(key, claimsOf({ ...claims }), { typ }));

  test("Keycloak's are understood", async () => {
    const managers = [{ claim: 'realm_access.roles', values: ['stewards'] }];
    const subject = { clientId: 'water-app', tokenId: 'jti-1', roles: new Set(['use', 'manage']) };
    await expect(read({ tokenType: 'keycloak', managers }, KEYCLOAK)).resolves.toMatchObject(subject);
  });

  test.each<readonly [string, object]>([
    ['an ID token', { typ: 'ID' }],
    ['a refresh token', { typ: 'Refresh' }],
    ['a token of no kind', { typ: undefined }],
    ['a token said to be bound that is not', { typ: 'DPoP' }],
    ['a token with a nonce', { nonce: 'n' }],
    ['a token of two clients', { client_id: 'another' }],
  ])("of Keycloak's, %s is refused", async (_, changes) => {
    await expect(read({ tokenType: 'keycloak' }, { ...KEYCLOAK, ...changes })).rejects.toMatchObject(REFUSED);
  });

  test("Keycloak's bound tokens are understood", async () => {
    const bench = await fixed({ tokenType: 'keycloak' });
    const holder = await createKey('holder');
    const claims = claimsOf({ ...KEYCLOAK, typ: 'DPoP', ...(await bindTo(holder)) });
    const token = await sign(key, claims, { typ: 'JWT' });
    await expect(bench.bound(token, await prove(holder, token))).resolves.toMatchObject({ isBound: true });
  });

  test("Entra's are understood", async () => {
    const subject = { clientId: ENTRA.azp, tokenId: 'uti-1', organisation: 'water', scopes: new Set(['records.read']) };
    await expect(read({ tokenType: 'entra', organisationClaim: 'tid' }, ENTRA)).resolves.toMatchObject(subject);
    const appOnly = { ...ENTRA, scp: undefined, roles: ['records.read'], azp: undefined, appid: ENTRA.azp };
    await expect(read({ tokenType: 'entra' }, appOnly)).resolves.toMatchObject({
      clientId: ENTRA.azp,
      scopes: new Set(),
    });
  });

  test.each<readonly [string, object]>([
    ['a token of version 1', { ver: '1.0' }],
    ['an ID token', { scp: undefined, azp: undefined }],
    ['a token with a nonce', { nonce: 'n' }],
    ['a token without a name', { uti: undefined }],
    ['a token that lives too long', { exp: NOW + 7_201 }],
  ])("of Entra's, %s is refused", async (_, changes) => {
    await expect(read({ tokenType: 'entra' }, { ...ENTRA, ...changes })).rejects.toMatchObject(REFUSED);
  });

  test('each issuer has its own kind only', async () => {
    await expect(read({}, KEYCLOAK)).rejects.toMatchObject(REFUSED);
    await expect(read({ tokenType: 'entra' }, KEYCLOAK)).rejects.toMatchObject(REFUSED);
    await expect(read({ tokenType: 'keycloak' }, ENTRA)).rejects.toMatchObject(REFUSED);
    await expect(read({ tokenType: 'keycloak' }, KEYCLOAK, 'dpop+jwt')).rejects.toMatchObject(REFUSED);
  });
});

describe('what callers are told', () => {
  const METADATA = 'https://hub.example.test/.well-known/oauth-protected-resource/graphql';

  test('the metadata say how to get a token', async () => {
    const bench = await createBench([issuerOf()], {}, { scopes: ['records:read'] });
    expect(bench.identity.metadata()).toEqual({
      resource: RESOURCE,
      authorization_servers: [ISSUER],
      bearer_methods_supported: ['header'],
      scopes_supported: ['records:read'],
      authorization_details_types_supported: [SHARE_DETAIL_TYPE],
      dpop_signing_alg_values_supported: ['ES256', 'ES384', 'EdDSA', 'Ed25519', 'PS256', 'RS256'],
      dpop_bound_access_tokens_required: false,
      tls_client_certificate_bound_access_tokens: false,
    });
    expect(bench.identity.metadataUrl).toBe(METADATA);
    await bench.identity.close();
  });

  const challengeAfter = async (act: (bench: TestBench) => Promise<unknown>): Promise<string> => {
    const bench = await fixed();
    const error: unknown = await act(bench).then(
      () => null,
      (reason: unknown) => reason,
    );
    return bench.identity.challenge(error);
  };
  const ALGS = 'algs="ES256 ES384 EdDSA Ed25519 PS256 RS256"';

  test('the challenge names an error only when a token was there', async () => {
    const bare = `DPoP ${ALGS}, resource_metadata="${METADATA}", Bearer resource_metadata="${METADATA}"`;
    await expect(challengeAfter(() => Promise.resolve())).resolves.toBe(bare);
    const bad = await challengeAfter((bench) => bench.bearer('x.y.z'));
    expect(bad).toBe(
      `DPoP ${ALGS}, resource_metadata="${METADATA}", error="invalid_token", ` +
        `Bearer resource_metadata="${METADATA}", error="invalid_token"`,
    );
  });

  test('a wrong proof is told from a wrong token', async () => {
    const holder = await createKey('holder');
    const token = await sign(key, claimsOf(await bindTo(holder)));
    const proof = await prove(holder, token, { htm: 'GET' });
    expect(await challengeAfter((bench) => bench.bound(token, proof))).toContain('error="invalid_dpop_proof", Bearer');
  });
});

describe('options', () => {
  test.each<readonly [string, Partial<IssuerConfig>]>([
    ['an issuer by http', { issuer: 'http://idp.example.test' }],
    ['an issuer by http on loopback', { issuer: 'http://127.0.0.1:9' }],
    ['an issuer with a query', { issuer: 'https://idp.example.test?x' }],
    ['a key set by http', { keys: { kind: 'jwksUri', uri: 'http://idp.example.test/jwks' } }],
    ['no algorithm', { algorithms: [] }],
    ['an algorithm of shared secrets', { algorithms: ['HS256' as 'RS256'] }],
    ['a lifetime of ages', { maxLifetimeSeconds: 86_401 }],
    ['keys written down of which none is good', { keys: { kind: 'fixed', jwks: { keys: [] } } }],
  ])('%s is no configuration', async (_, changes) => {
    await expect(createBench([issuerOf(changes)])).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  test('an issuer twice is no configuration', async () => {
    await expect(createBench([issuerOf(), issuerOf()])).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});
