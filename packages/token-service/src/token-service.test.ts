import { createHmac, randomUUID } from 'node:crypto';
import net from 'node:net';
import { createSystemEnvironment } from '@civex/environment';
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createMemoryTokenStorage, createTokenService, SCOPES } from './index.ts';
import {
  addClient,
  ask,
  assertion,
  DETAIL,
  newPair,
  now,
  proof,
  RESOURCE,
  startServer,
  thumbprint,
  type Answer,
  type AskOptions,
  type AssertionChanges,
  type Client,
  type ProofChanges,
  type Server,
} from './test-support/oauth.ts';

let server: Server;
let client: Client;
beforeAll(async () => {
  server = await startServer();
  client = await addClient(server, 'energy', { organisation: 'org-a', roles: ['use', 'manage'] });
});
afterAll(() => server[Symbol.asyncDispose]());

const SPECIMEN = { scope: 'catalog:read records:read' };
const verdict = ({ status, body }: Answer): string => `${status} ${body.error ?? 'given'}`;
/** Refusals seen by all tests of this file, for the figure. */
const seen: boolean[] = [];
function expectRefusal(answer: Answer, expected: string): void {
  seen.push(verdict(answer) === expected);
  expect(verdict(answer)).toBe(expected);
  expect(answer.body).not.toHaveProperty('access_token');
}

test('the first token comes whether or not the library was loaded before', async () => {
  const timers: (() => void)[] = [];
  const environment = createSystemEnvironment();
  const setTimer: typeof environment.setTimer = (callback, _delayMs, options) => {
    timers.push(callback);
    return environment.setTimer(() => {}, 0, options);
  };
  for (const isLoaded of [false, true]) {
    timers.length = 0;
    await using other = await startServer({ environment: { ...environment, setTimer } });
    // The earliest of its timers loads the library.
    if (isLoaded) timers[0]?.();
    const answer = await ask(other, await addClient(other, 'energy'), { scope: 'catalog:read' });
    expect([answer.status, other.events]).toEqual([200, []]);
  }
});

test('a signing key is there once the service is made, and a storage that is down is found then', async () => {
  const storage = createMemoryTokenStorage();
  await using other = await startServer({ storage });
  expect(await storage.listKeys()).toHaveLength(1);
  const down = { ...storage, listKeys: () => Promise.reject(new Error('down')) };
  const names = { issuer: other.issuer, resource: RESOURCE };
  const environment = createSystemEnvironment();
  await expect(createTokenService({ ...names, storage: down, environment, log: { warn: () => {} } })).rejects.toThrow(
    'down',
  );
});

describe('an access token', () => {
  test('is exactly what RFC 9068 says, bound to the key of the proof', async () => {
    const answer = await ask(server, client, SPECIMEN);
    expect(answer.body).toEqual({
      access_token: expect.any(String),
      expires_in: 600,
      scope: 'catalog:read records:read',
      token_type: 'DPoP',
    });
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'no-store']);
    const { payload, protectedHeader } = await jwtVerify(
      answer.body.access_token,
      createRemoteJWKSet(new URL(`${server.issuer}/jwks`)),
      { issuer: server.issuer, audience: RESOURCE, typ: 'at+jwt', algorithms: ['ES256'] },
    );
    expect(protectedHeader).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: (await server.service.jwks()).keys[0]?.kid });
    const { iat, exp, ...claims } = payload;
    expect(claims).toEqual({
      iss: server.issuer,
      aud: RESOURCE,
      sub: 'energy',
      client_id: 'energy',
      jti: expect.stringMatching(/^[A-Za-z0-9_-]{12}\.[A-Za-z0-9_-]{22}$/),
      scope: 'catalog:read records:read',
      org: 'org-a',
      roles: ['use', 'manage'],
      cnf: { jkt: await thumbprint(client.dpop) },
    });
    expect([Number(exp) - Number(iat), Math.abs(Number(iat) - now()) < 5]).toEqual([600, true]);
  });

  test('for the catalog alone may be a bearer token', async () => {
    const answer = await ask(server, client, { scope: 'catalog:read' }, { dpop: null });
    expect(answer.body).toMatchObject({ token_type: 'Bearer', scope: 'catalog:read' });
    expect(decodeJwt(answer.body.access_token)).not.toHaveProperty('cnf');
  });

  test.each(SCOPES)('for %s is bound where the scope reaches restricted data', async (scope) => {
    const answer = await ask(server, client, { scope }, { dpop: null });
    const isOpen = ['catalog:read', 'agreements:read'].includes(scope);
    expect(verdict(answer)).toBe(isOpen ? '200 given' : '400 invalid_dpop_proof');
  });

  test('carries what authorization_details narrow it to, as granted', async () => {
    const asked = [
      {
        type: DETAIL,
        identifier: 'agr-1',
        actions: ['QUERY', 'EXPORT', 'QUERY'],
        locations: ['b:1', 'a:1'],
        purpose: 'heat',
      },
      { type: DETAIL, actions: ['AGGREGATE'] },
    ];
    const answer = await ask(server, client, { ...SPECIMEN, authorization_details: JSON.stringify(asked) });
    const granted = [{ ...asked[0], actions: ['EXPORT', 'QUERY'], locations: ['a:1', 'b:1'] }, asked[1]];
    expect(answer.body.authorization_details).toEqual(granted);
    expect(decodeJwt(answer.body.access_token)['authorization_details']).toEqual(granted);
  });

  test('lives as long as it is told to', async () => {
    await using other = await startServer({ tokenSeconds: 60 });
    const answer = await ask(other, await addClient(other, 'a'), SPECIMEN);
    const { iat = 0, exp = 0 } = decodeJwt(answer.body.access_token);
    expect([answer.body.expires_in, exp - iat]).toEqual([60, 60]);
  });
});

describe('what is asked for', () => {
  test.each<[string, Readonly<Record<string, string>>, string]>([
    ['no scope', { scope: '' }, '400 invalid_scope'],
    ['an unknown scope', { scope: 'catalog:read admin' }, '400 invalid_scope'],
    ['a scope of OpenID Connect', { scope: 'catalog:read openid' }, '400 invalid_scope'],
    ['a scope with two spaces', { scope: 'catalog:read  records:read' }, '400 invalid_scope'],
    ['another resource', { resource: 'https://other.example/' }, '400 invalid_target'],
    ['our resource spelled otherwise', { resource: 'https://hub.example' }, '400 invalid_target'],
    ['a resource that is no address', { resource: 'hub' }, '400 invalid_target'],
    ['another grant', { grant_type: 'authorization_code' }, '400 unsupported_grant_type'],
    ['a password', { grant_type: 'password', username: 'a', password: 'b' }, '400 unsupported_grant_type'],
    ['a refresh token', { grant_type: 'refresh_token', refresh_token: 'a' }, '400 unsupported_grant_type'],
    ['the implicit grant', { grant_type: 'implicit' }, '400 unsupported_grant_type'],
    ...(
      [
        ['that are no JSON', '{'],
        ['that are no list', '{}'],
        ['that are an empty list', '[]'],
        ['that are an empty list behind a space', ' [ ]'],
        ['of an unknown type', '[{"type":"payment"}]'],
        ['without a type', '[{"actions":["QUERY"]}]'],
        ['of a known and an unknown type', `[{"type":"${DETAIL}"},{"type":"payment"}]`],
        ['with an unknown member', `[{"type":"${DETAIL}","datatypes":["x"]}]`],
        ['with a member of the prototype', `[{"type":"${DETAIL}","__proto__":{"x":1}}]`],
        ['with an empty list of actions', `[{"type":"${DETAIL}","actions":[]}]`],
        ['with one action that is no list', `[{"type":"${DETAIL}","actions":"QUERY"}]`],
        ['with a purpose that is a list', `[{"type":"${DETAIL}","purpose":["heat"]}]`],
        ['with a number for an identifier', `[{"type":"${DETAIL}","identifier":1}]`],
        ['with an identifier that is null', `[{"type":"${DETAIL}","identifier":null}]`],
        ['with a line break in the purpose', `[{"type":"${DETAIL}","purpose":"a\\nb"}]`],
        [
          'longer than a token may be',
          JSON.stringify([
            { type: DETAIL, locations: Array.from({ length: 60 }, (_, i) => `source:${'x'.repeat(60)}${i}`) },
          ]),
        ],
        [
          'more than there may be',
          JSON.stringify(Array.from({ length: 17 }, (_, i) => ({ type: DETAIL, identifier: `a${i}` }))),
        ],
      ] as const
    ).map(
      ([title, authorization_details]) =>
        [`details ${title}`, { authorization_details }, '400 invalid_authorization_details'] as [
          string,
          Readonly<Record<string, string>>,
          string,
        ],
    ),
  ])('%s is refused', async (_, parameters, expected) => {
    expectRefusal(await ask(server, client, { ...SPECIMEN, ...parameters }), expected);
  });

  test('the same with nothing changed is given, also when it names our resource', async () => {
    expect(verdict(await ask(server, client, { ...SPECIMEN, resource: RESOURCE }))).toBe('200 given');
  });

  test('a known scope the client is not registered for is refused', async () => {
    const reader = await addClient(server, 'reader', { scopes: ['catalog:read'] });
    expectRefusal(await ask(server, reader, SPECIMEN), '400 invalid_scope');
    expect(verdict(await ask(server, reader, { scope: 'catalog:read' }, { dpop: null }))).toBe('200 given');
  });

  test.each([
    ['scope', 'catalog:read', '400 invalid_request'],
    ['grant_type', 'client_credentials', '400 invalid_request'],
    ['authorization_details', `[{"type":"${DETAIL}"}]`, '400 invalid_request'],
    ['resource', 'https://other.example/', '400 invalid_target'],
  ])('%s given twice is refused', async (name, value, expected) => {
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      ...SPECIMEN,
      resource: RESOURCE,
      authorization_details: `[{"type":"${DETAIL}"}]`,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: await assertion(server, client),
    });
    body.append(name, value);
    const headers = { DPoP: await proof(server, client.dpop) };
    expectRefusal(await server.send('/oauth/token', { method: 'POST', body, headers }), expected);
  });

  test.each([
    ['JSON', 'application/json', JSON.stringify({ grant_type: 'client_credentials' })],
    ['too long', 'application/x-www-form-urlencoded', `scope=${'x'.repeat(60_000)}`],
  ])('a body that is %s is refused', async (_, type, body) => {
    const answer = await server.send('/oauth/token', { method: 'POST', body, headers: { 'content-type': type } });
    expectRefusal(answer, '400 invalid_request');
  });
});

describe('a client proves itself by its key', () => {
  const other = newPair();
  test.each<[string, (specimen: Client) => Promise<AssertionChanges>, string]>([
    ['signed by another key', async () => ({ key: (await other).privateKey }), '401 invalid_client'],
    ['of another issuer', async () => ({ claims: { iss: 'somebody' } }), '401 invalid_client'],
    ['of another subject', async () => ({ claims: { sub: 'somebody' } }), '401 invalid_client'],
    ['for another server', async () => ({ claims: { aud: 'https://other.example/token' } }), '401 invalid_client'],
    [
      'for this server and another',
      async () => ({ claims: { aud: [server.issuer, 'https://other.example'] } }),
      '401 invalid_client',
    ],
    ['without an audience', async () => ({ claims: { aud: undefined } }), '401 invalid_client'],
    ['without an end', async () => ({ claims: { exp: undefined } }), '401 invalid_client'],
    ['that has ended', async () => ({ claims: { exp: now() - 60 } }), '401 invalid_client'],
    ['that lives too long', async () => ({ claims: { exp: now() + 400 } }), '401 invalid_client'],
    ['that is not valid yet', async () => ({ claims: { nbf: now() + 100 } }), '401 invalid_client'],
    ['without an id', async () => ({ claims: { jti: undefined } }), '401 invalid_client'],
    ['with a critical header nobody knows', async () => ({ header: { crit: ['x'], x: 1 } }), '401 invalid_client'],
  ])('an assertion %s is refused', async (_, change, expected) => {
    const text = await assertion(server, client, await change(client)).catch(() => null);
    // The signer refuses to write a critical header it does not know, so one is forged.
    const forged = text ?? 'eyJhbGciOiJFUzI1NiIsImNyaXQiOlsieCJdLCJ4IjoxfQ.eyJzdWIiOiJlbmVyZ3kifQ.AAAA';
    expectRefusal(await ask(server, client, SPECIMEN, { assertion: forged }), expected);
  });

  test('an assertion without a signature or signed with the public key as a secret is refused', async () => {
    const [, payload] = (await assertion(server, client)).split('.');
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const none = `${encode({ alg: 'none' })}.${payload}.`;
    const head = `${encode({ alg: 'HS256' })}.${payload}`;
    const mac = createHmac('sha256', JSON.stringify(client.auth.jwk)).update(head).digest('base64url');
    for (const forged of [none, `${head}.${mac}`]) {
      expectRefusal(await ask(server, client, SPECIMEN, { assertion: forged }), '401 invalid_client');
    }
  });

  test('an assertion serves once, of twenty requests at the same time just one', async () => {
    const text = await assertion(server, client);
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => ask(server, client, SPECIMEN, { assertion: text })),
    );
    const given = answers.filter(({ status }) => status === 200);
    const refused = answers.filter((answer) => verdict(answer) === '401 invalid_client');
    expect([given.length, refused.length]).toEqual([1, 19]);
    expectRefusal(await ask(server, client, SPECIMEN, { assertion: text }), '401 invalid_client');
  });

  test.each(['EdDSA', 'RS256', 'PS256'])('with %s as well', async (alg) => {
    const one = await addClient(server, `with-${alg}`, {}, await newPair(alg));
    expect(verdict(await ask(server, one, SPECIMEN))).toBe('200 given');
  });

  test('an unknown client and a removed one are refused', async () => {
    const one = await addClient(server, 'short-lived');
    expect(verdict(await ask(server, one, SPECIMEN))).toBe('200 given');
    expect([
      await server.service.removeClient('short-lived'),
      await server.service.removeClient('short-lived'),
    ]).toEqual([true, false]);
    expectRefusal(await ask(server, one, SPECIMEN), '401 invalid_client');
    expectRefusal(await ask(server, { ...client, id: 'nobody' }, SPECIMEN), '401 invalid_client');
  });
});

describe('a client proves itself by its secret', () => {
  const basic = (id: string, secret: string) => ({
    authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
  });
  const form = async (headers: Readonly<Record<string, string>>, more: Readonly<Record<string, string>> = {}) =>
    await server.send('/oauth/token', {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'client_credentials', ...SPECIMEN, ...more }),
      headers: { DPoP: await proof(server, client.dpop), ...headers },
    });
  let secret = '';
  let held = '';
  beforeAll(async () => {
    const added = await server.service.addClient({
      id: 'by-secret',
      organisation: 'org-s',
      scopes: SCOPES,
      authentication: 'client_secret_basic',
    });
    secret = added.secret ?? '';
    const record = await server.storage.findClient('by-secret');
    held = record?.authentication.method === 'client_secret_basic' ? record.authentication.secretHash : '';
  });

  test('of 256 bits, which nobody keeps', async () => {
    expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
    expect(JSON.stringify(await server.storage.findClient('by-secret'))).not.toContain(secret);
    expect(verdict(await form(basic('by-secret', secret)))).toBe('200 given');
  });

  test.each<[string, () => Promise<Answer>, string]>([
    ['another one', () => form(basic('by-secret', 'x'.repeat(43))), '401 invalid_client'],
    ['an empty one', () => form(basic('by-secret', '')), '400 invalid_request'],
    ['what is kept of it', () => form(basic('by-secret', held)), '401 invalid_client'],
    ['that of another client', () => form(basic('energy', secret)), '401 invalid_client'],
    ['in the body', () => form({}, { client_id: 'by-secret', client_secret: secret }), '400 invalid_request'],
    ['none', () => form({}, { client_id: 'by-secret' }), '401 invalid_client'],
    ['none and no name', () => form({}), '400 invalid_request'],
    [
      'one and an assertion',
      async () =>
        form(basic('by-secret', secret), {
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          client_assertion: await assertion(server, client),
        }),
      '400 invalid_request',
    ],
  ])('%s is refused', async (title, send, expected) => {
    const answer = await send();
    if (title === 'none' || title === 'in the body') {
      // Which of the two the library says does not matter: there is no client that needs no proof.
      seen.push(answer.status >= 400);
      expect(['400 invalid_request', '401 invalid_client']).toContain(verdict(answer));
      return;
    }
    expectRefusal(answer, expected);
  });
});

describe('a proof of possession', () => {
  test.each<[string, () => Promise<ProofChanges>]>([
    ['for another method', async () => ({ claims: { htm: 'GET' } })],
    ['for another address', async () => ({ claims: { htu: 'https://other.example/oauth/token' } })],
    ['for another path', async () => ({ claims: { htu: `${server.issuer}/token/revocation` } })],
    ['without an id', async () => ({ claims: { jti: undefined } })],
    ['without a moment', async () => ({ claims: { iat: undefined } })],
    ['of two minutes ago', async () => ({ claims: { iat: now() - 120 } })],
    ['of two minutes ahead', async () => ({ claims: { iat: now() + 120 } })],
    ['of another type', async () => ({ header: { typ: 'jwt' } })],
    ['with the key of another', async () => ({ header: { jwk: (await newPair()).jwk } })],
    ['without a key', async () => ({ header: { jwk: undefined } })],
  ])('%s is refused', async (_, change) => {
    const text = await proof(server, client.dpop, await change());
    expectRefusal(await ask(server, client, SPECIMEN, { dpop: text }), '400 invalid_dpop_proof');
  });

  test('that is no JSON Web Token is refused', async () => {
    expectRefusal(await ask(server, client, SPECIMEN, { dpop: 'x' }), '400 invalid_dpop_proof');
  });

  test('serves once, of twenty requests at the same time just one', async () => {
    const text = await proof(server, client.dpop);
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(server, client, SPECIMEN, { dpop: text })));
    expect(answers.map(verdict).toSorted()).toEqual([
      '200 given',
      ...Array.from({ length: 19 }, () => '400 invalid_dpop_proof'),
    ]);
  });

  test('is held against the address of the issuer, whatever host the caller names', async () => {
    const headers = { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' };
    const text = await proof(server, client.dpop, { claims: { htu: 'https://evil.example/oauth/token' } });
    expectRefusal(await ask(server, client, SPECIMEN, { dpop: text, headers }), '400 invalid_dpop_proof');
    expect(verdict(await ask(server, client, SPECIMEN, { headers }))).toBe('200 given');
  });

  test('is held against an issuer behind a proxy that ends TLS', async () => {
    await using far = await startServer({ issuer: 'https://hub.example/oauth' });
    const one = await addClient(far, 'a');
    expect(verdict(await ask(far, one, SPECIMEN))).toBe('200 given');
  });
});

describe('addresses', () => {
  test.each([
    '/oauth/.well-known/oauth-authorization-server',
    '/oauth/.well-known/openid-configuration',
    '/.well-known/oauth-authorization-server/oauth',
    '/.well-known/openid-configuration/oauth',
  ])('%s describes the server with addresses that answer', async (path) => {
    const answer = await server.send(path);
    expect(answer.headers.get('content-type')).toContain('application/json');
    expect(answer.body).toMatchObject({
      issuer: server.issuer,
      token_endpoint: `${server.issuer}/token`,
      jwks_uri: `${server.issuer}/jwks`,
      revocation_endpoint: `${server.issuer}/token/revocation`,
      grant_types_supported: ['client_credentials', 'urn:ietf:params:oauth:grant-type:token-exchange'],
      scopes_supported: SCOPES,
      authorization_details_types_supported: [DETAIL],
    });
    for (const name of [
      'authorization_endpoint',
      'registration_endpoint',
      'userinfo_endpoint',
      'introspection_endpoint',
    ]) {
      expect(answer.body).not.toHaveProperty(name);
    }
    expect((await server.send(answer.body.jwks_uri)).body).toEqual(await server.service.jwks());
    expect(JSON.parse(Buffer.from(await server.service.readKeys()).toString())).toEqual(await server.service.jwks());
    expect((await server.send(answer.body.token_endpoint, { method: 'POST' })).status).toBe(400);
  });

  test.each([
    '/',
    '/oauth',
    '/oauth/',
    '/oauth/auth',
    '/oauth/auth/x',
    '/oauth/reg',
    '/oauth/me',
    '/oauth/session/end',
    '/oauth/session/end/confirm',
    '/oauth/device',
    '/oauth/device/auth',
    '/oauth/token/introspection',
    '/oauth/request',
    '/oauth/backchannel',
    '/oauth/interaction/x',
    '/oauth/token/',
    '/oauth//token',
    '/oauth/TOKEN',
    '/oauth/%74oken',
    '/token',
    '/jwks',
    '/oauth/challenge',
    '/oauth/credential',
    '/oauth/.well-known/openid-credential-issuer',
  ])('%s is not found by any method', async (path) => {
    for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const answer = await server.send(path, { method, headers: { accept: 'text/html' } });
      expect([method, answer.status, answer.headers.get('content-type')]).toEqual([
        method,
        404,
        'application/json; charset=utf-8',
      ]);
    }
  });

  test('a known address refuses other methods and says which it takes', async () => {
    const answers = await Promise.all([
      server.send('/oauth/token'),
      server.send('/oauth/token/revocation', { method: 'PUT' }),
      server.send('/oauth/jwks', { method: 'POST' }),
    ]);
    expect(answers.map(({ status, headers }) => [status, headers.get('allow')])).toEqual([
      [405, 'POST'],
      [405, 'POST'],
      [405, 'GET, HEAD'],
    ]);
  });

  test('errors are JSON for browsers too', async () => {
    const options: AskOptions = { headers: { accept: 'text/html' } };
    const answer = await ask(server, client, { scope: 'x' }, options);
    expect([answer.status, answer.headers.get('content-type'), answer.body.error]).toEqual([
      400,
      'application/json; charset=utf-8',
      'invalid_scope',
    ]);
  });
});

describe('trouble', () => {
  test('of the storage is a server error without detail, logged without secrets, and over when the storage is back', async () => {
    const storage = createMemoryTokenStorage();
    let isDown = false;
    const guarded = Object.fromEntries(
      Object.entries(storage).map(([name, method]) => [
        name,
        (...args: readonly unknown[]) =>
          isDown
            ? Promise.reject(new RangeError(`secret ${JSON.stringify(args)}`))
            : (method as (...all: unknown[]) => unknown)(...args),
      ]),
    ) as unknown as typeof storage;
    await using shaky = await startServer({ storage: guarded });
    const one = await addClient(shaky, 'shaky');
    const token = (await ask(shaky, one, SPECIMEN)).body.access_token;
    isDown = true;
    const answers = [await ask(shaky, one, SPECIMEN), await shaky.send('/oauth/jwks')];
    expect(answers.map(({ status, body }) => [status >= 500, body.error])).toEqual([
      [true, 'server_error'],
      [true, 'server_error'],
    ]);
    const { jti = '', iat = 0 } = decodeJwt(token);
    await expect(
      shaky.service.isRevoked({
        issuer: shaky.issuer,
        tokenId: jti,
        subject: 'a',
        clientId: 'a',
        issuedAtEpochMs: iat,
      }),
    ).rejects.toThrow();
    expect(shaky.events.length).toBeGreaterThan(0);
    expect(answers.map(({ text }) => text).join() + shaky.events.join()).not.toContain('secret');
    isDown = false;
    expect(verdict(await ask(shaky, one, SPECIMEN))).toBe('200 given');
  });

  test('of the library is logged by its name only', async () => {
    const storage = createMemoryTokenStorage();
    await using shaky = await startServer({
      storage: {
        ...storage,
        addOnce: () => Promise.reject(new RangeError('secret')),
      },
    });
    const one = await addClient(shaky, 'shaky');
    const answer = await ask(shaky, one, SPECIMEN);
    expect([answer.status, answer.body.error]).toEqual([500, 'server_error']);
    expect(shaky.events).toEqual(['token service failed: RangeError']);
    expect(answer.text).not.toContain('secret');
  });

  test('of a caller that goes away in the middle of its request ends with the request', async () => {
    await using calm = await startServer();
    const { port } = new URL(calm.issuer);
    await new Promise<void>((done) => {
      const socket = net.connect(Number(port), '127.0.0.1', () => {
        socket.write(
          'POST /oauth/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 100\r\n\r\ngrant',
        );
        setImmediate(() => socket.destroy());
      });
      socket.once('close', () => done());
    });
    expect(verdict(await ask(calm, await addClient(calm, randomUUID()), SPECIMEN))).toBe('200 given');
  });
});

describe('two hub processes', () => {
  test('with one storage share clients, keys and what was used once', async () => {
    const storage = createMemoryTokenStorage();
    await using first = await startServer({ storage, issuer: 'https://hub.example/oauth' });
    await using second = await startServer({ storage, issuer: 'https://hub.example/oauth' });
    const one = await addClient(first, 'a');
    const text = await assertion(first, one);
    const answers = await Promise.all(
      [first, second, first, second].map((hub) => ask(hub, one, SPECIMEN, { assertion: text })),
    );
    expect(answers.map(verdict).toSorted()).toEqual([
      '200 given',
      ...Array.from({ length: 3 }, () => '401 invalid_client'),
    ]);
    expect(await second.service.jwks()).toEqual(await first.service.jwks());
  });
});

test('every refusal of a request that differs in one thing from a good one was the right one', ({ task }) => {
  task.meta.figures = [
    {
      point: 13,
      what: 'requests to the token service that differ in one thing from a good one, refused with the right code',
      value: seen.filter(Boolean).length,
      target: String(seen.length),
      isMet: seen.length >= 70 && seen.every(Boolean),
    },
  ];
  expect(seen.length).toBeGreaterThanOrEqual(70);
});
