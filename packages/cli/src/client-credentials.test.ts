import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { calculateJwkThumbprint, createLocalJWKSet, decodeProtectedHeader, EmbeddedJWK, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  createClientCredentials,
  createDpopProof,
  readCredentials,
  requestToken,
  writeCredentials,
  type ClientCredentials,
} from './client-credentials.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'credentials-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const ABOUT = {
  tokenEndpoint: 'https://hub.example/oauth/token',
  clientId: 'energy',
  resource: 'https://hub.example/',
  scope: 'catalog:read records:read',
};
let files = 0;
const newFile = () => path.join(folder, `${++files}.json`);

describe('a credentials file', () => {
  test('is read as it was written, by its owner alone', async () => {
    const { credentials } = await createClientCredentials(ABOUT);
    const file = newFile();
    await writeCredentials(file, credentials);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await readCredentials(file)).toEqual(credentials);
    await expect(writeCredentials(file, credentials)).rejects.toMatchObject({ code: 'INPUT_INVALID' });
    expect(await readCredentials(file)).toEqual(credentials);
    for (const mode of [0o640, 0o604, 0o644]) {
      chmodSync(file, mode);
      await expect(readCredentials(file)).rejects.toThrow('others can read');
    }
  });

  test('that cannot be written leaves nothing behind', async () => {
    const { credentials } = await createClientCredentials(ABOUT);
    const before = readdirSync(folder);
    await expect(writeCredentials(path.join(folder, 'none', 'x.json'), credentials)).rejects.toMatchObject({
      code: 'INPUT_INVALID',
    });
    expect(readdirSync(folder)).toEqual(before);
  });

  test.each<[string, (specimen: ClientCredentials) => unknown]>([
    ['with another member', (value) => ({ ...value, more: 1 })],
    ['without a key', (value) => ({ ...value, dpopKey: undefined })],
    [
      'with a public key in place of a private one',
      (value) => ({ ...value, privateKey: { ...value.privateKey, d: undefined } }),
    ],
    ['with a key of another curve', (value) => ({ ...value, dpopKey: { ...value.dpopKey, crv: 'P-384' } })],
    ['with an endpoint without TLS', (value) => ({ ...value, tokenEndpoint: 'http://hub.example/oauth/token' })],
    ['with a password in the endpoint', (value) => ({ ...value, tokenEndpoint: 'https://a:b@hub.example/' })],
    ['with a resource without TLS', (value) => ({ ...value, resource: 'http://hub.example/graphql' })],
    ['without scopes', (value) => ({ ...value, scope: undefined })],
    ['with a number for a name', (value) => ({ ...value, clientId: 1 })],
    ['that is a list', (value) => [value]],
  ])('%s is refused without a word of its content', async (_, change) => {
    const { credentials } = await createClientCredentials(ABOUT);
    const file = newFile();
    writeFileSync(file, JSON.stringify(change(credentials)), { mode: 0o600 });
    const error: unknown = await readCredentials(file).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'INPUT_INVALID', message: `${file}: not a credentials file of a client.` });
  });

  test('that is not there, no JSON, or too long is refused', async () => {
    await expect(readCredentials(newFile())).rejects.toThrow('cannot be read');
    for (const text of ['{', ' '.repeat(20_000)]) {
      const file = newFile();
      writeFileSync(file, text, { mode: 0o600 });
      await expect(readCredentials(file)).rejects.toThrow('not a credentials file');
    }
  });

  test('has two keys, of which the registered one has no private part', async () => {
    const { credentials, jwks } = await createClientCredentials(ABOUT);
    const { kty, crv, x, y, d } = credentials.privateKey;
    expect(jwks.keys).toEqual([{ kty, crv, x, y, kid: expect.any(String), alg: 'ES256', use: 'sig' }]);
    expect(typeof d).toBe('string');
    expect(credentials.dpopKey.x).not.toBe(x);
  });
});

describe('asking for a token', () => {
  let answers: ((res: ServerResponse) => void)[] = [];
  let asked: { readonly headers: IncomingHttpHeaders; readonly form: URLSearchParams }[] = [];
  const server = createServer((req, res) => {
    let body = '';
    req.on('data', (chunk) => (body += String(chunk)));
    req.on('end', () => {
      asked.push({ headers: req.headers, form: new URLSearchParams(body) });
      const answer = answers.shift();
      if (answer === undefined) res.destroy();
      else answer(res);
    });
  });
  let tokenEndpoint = '';
  beforeAll(async () => {
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    tokenEndpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/oauth/token`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  const json =
    (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}) =>
    (res: ServerResponse): void => {
      res.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body));
    };
  const GIVEN = { access_token: 'a.b.c', token_type: 'DPoP', expires_in: 600, scope: 'records:read' };
  const begin = async (...next: readonly ((res: ServerResponse) => void)[]) => {
    answers = [...next];
    asked = [];
    return await createClientCredentials({ ...ABOUT, tokenEndpoint });
  };

  test('proves the client by its key and binds the token to the other key', async () => {
    const { credentials, jwks } = await begin(json(200, GIVEN));
    const details = [{ type: 'urn:civex:data-share', actions: ['QUERY'] }];
    expect(await requestToken(credentials, { scope: 'records:read', authorizationDetails: details })).toEqual({
      accessToken: 'a.b.c',
      tokenType: 'DPoP',
      expiresInSeconds: 600,
      scope: 'records:read',
    });
    const { client_assertion, ...form } = Object.fromEntries(asked[0]!.form);
    expect(form).toEqual({
      grant_type: 'client_credentials',
      scope: 'records:read',
      resource: 'https://hub.example/',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      authorization_details: JSON.stringify(details),
    });
    const { payload } = await jwtVerify(client_assertion ?? '', createLocalJWKSet({ keys: [...jwks.keys] }), {
      algorithms: ['ES256'],
      issuer: 'energy',
      subject: 'energy',
      audience: tokenEndpoint,
      requiredClaims: ['jti', 'iat', 'exp'],
    });
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(60);
    const proof = String(asked[0]!.headers['dpop']);
    const verified = await jwtVerify(proof, EmbeddedJWK, { algorithms: ['ES256'], typ: 'dpop+jwt' });
    expect(verified.payload).toMatchObject({ htm: 'POST', htu: tokenEndpoint });
    expect(decodeProtectedHeader(proof).jwk).not.toHaveProperty('d');
  });

  test('proves anew with the nonce of the server, once', async () => {
    const refusal = json(400, { error: 'use_dpop_nonce' }, { 'dpop-nonce': 'n-1' });
    const { credentials } = await begin(refusal, json(200, GIVEN));
    await requestToken(credentials, { scope: 'records:read' });
    const proofs = await Promise.all(
      asked.map(async ({ headers }) => (await jwtVerify(String(headers['dpop']), EmbeddedJWK)).payload),
    );
    expect(proofs.map(({ nonce }) => nonce)).toEqual([undefined, 'n-1']);
    expect(new Set(proofs.map(({ jti }) => jti)).size).toBe(2);
    expect(new Set(asked.map(({ form }) => form.get('client_assertion'))).size).toBe(2);
    const again = await begin(refusal, refusal, json(200, GIVEN));
    await expect(requestToken(again.credentials, { scope: 'a' })).rejects.toThrow('use_dpop_nonce');
    expect(asked).toHaveLength(2);
  });

  test('for another client is an exchange', async () => {
    const { credentials } = await begin(json(200, GIVEN));
    await requestToken(credentials, { scope: 'records:read', subjectToken: 's.t.u' });
    expect(Object.fromEntries(asked[0]!.form)).toMatchObject({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: 's.t.u',
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    });
  });

  test.each<[string, (res: ServerResponse) => void, string, string]>([
    [
      'a refusal',
      json(401, { error: 'invalid_client', error_description: 'EVIL' }),
      'AUTH_REQUIRED',
      'refuses: invalid_client.',
    ],
    ['a refusal with a strange code', json(400, { error: 'EVIL\n' }), 'AUTH_REQUIRED', 'refuses: no reason given.'],
    ['a server error', json(500, { error: 'server_error' }), 'AUTH_UNAVAILABLE', 'gives no token'],
    ['a page', json(200, '<html>'), 'AUTH_UNAVAILABLE', 'does not answer'],
    ['a redirect', json(302, GIVEN, { location: 'https://evil.example/' }), 'AUTH_UNAVAILABLE', 'gives no token'],
    ['a token with a line break', json(200, { ...GIVEN, access_token: 'a\nb' }), 'AUTH_UNAVAILABLE', 'gives no token'],
    ['a token of another type', json(200, { ...GIVEN, token_type: 'mac' }), 'AUTH_UNAVAILABLE', 'gives no token'],
    ['an endless answer', json(200, 'x'.repeat(100_000)), 'AUTH_UNAVAILABLE', 'does not answer'],
    ['no answer', (res) => res.destroy(), 'AUTH_UNAVAILABLE', 'does not answer'],
  ])('%s is an error without the server’s words', async (_, answer, code, message) => {
    const { credentials } = await begin(answer);
    const error: unknown = await requestToken(credentials, { scope: 'a' }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code, message: expect.stringContaining(message) });
    expect(String(error)).not.toContain('EVIL');
  });
});

test('a proof for using a token names the address without query and the hash of the token', async () => {
  const { credentials } = await createClientCredentials(ABOUT);
  const about = { method: 'POST', url: 'https://hub.example/graphql?x=1#y', accessToken: 'a.b.c' };
  const proofs = [await createDpopProof(credentials, about), await createDpopProof(credentials, about)];
  const verified = await Promise.all(
    proofs.map((proof) => jwtVerify(proof, EmbeddedJWK, { algorithms: ['ES256'], typ: 'dpop+jwt' })),
  );
  expect(verified[0]?.payload).toEqual({
    htm: 'POST',
    htu: 'https://hub.example/graphql',
    ath: createHash('sha256').update('a.b.c').digest('base64url'),
    jti: expect.any(String),
    iat: expect.any(Number),
  });
  expect(verified[0]?.payload.jti).not.toBe(verified[1]?.payload.jti);
  const { jwk } = decodeProtectedHeader(proofs[0] ?? '');
  expect(await calculateJwkThumbprint(jwk ?? { kty: '' })).toBe(await calculateJwkThumbprint(credentials.dpopKey));
});

test('no private part of a key is in what is sent', async () => {
  const { credentials } = await createClientCredentials(ABOUT);
  const file = newFile();
  await writeCredentials(file, credentials);
  const held = readFileSync(file, 'utf8');
  const proof = await createDpopProof(credentials, { method: 'GET', url: 'https://hub.example/' });
  const header = Buffer.from(proof.split('.')[0] ?? '', 'base64url').toString();
  expect([held.includes(credentials.dpopKey.d ?? '-'), header.includes(credentials.dpopKey.d ?? '-')]).toEqual([
    true,
    false,
  ]);
});
