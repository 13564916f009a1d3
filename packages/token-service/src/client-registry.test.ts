import { generateKeyPairSync } from 'node:crypto';
import { createSystemEnvironment } from '@civex/environment';
import { describe, expect, test } from 'vitest';
import { createMemoryTokenStorage, createTokenService, type NewClient } from './index.ts';
import { newPair, RESOURCE, startServer } from './test-support/oauth.ts';

const jwkOf = (bits: number, exponent = 65_537) =>
  generateKeyPairSync('rsa', { modulusLength: bits, publicExponent: exponent }).publicKey.export({ format: 'jwk' });

const SPECIMEN = {
  id: 'a-client_1.0',
  organisation: 'org-a',
  scopes: ['catalog:read'],
  authentication: 'private_key_jwt',
} as const;

describe('registering a client', () => {
  test('keeps the public part of its keys alone and tells nothing it proves itself with', async () => {
    await using server = await startServer();
    const { jwk } = await newPair();
    const added = await server.service.addClient({
      ...SPECIMEN,
      jwks: { keys: [{ ...jwk, kid: 'k', x5u: 'https://evil.example', alg: 'none', key_ops: ['sign'] }] },
      mayActFor: ['org-b', 'org-b'],
    });
    expect(added).toEqual({ secret: null });
    expect((await server.storage.findClient(SPECIMEN.id))?.authentication).toEqual({
      method: 'private_key_jwt',
      keys: [{ ...jwk, kid: 'k', use: 'sig' }],
    });
    expect(await server.service.listClients()).toEqual([
      {
        id: SPECIMEN.id,
        organisation: 'org-a',
        roles: ['use'],
        scopes: ['catalog:read'],
        mayActFor: ['org-b'],
        authentication: 'private_key_jwt',
        createdAtEpochMs: expect.any(Number),
      },
    ]);
    await server.service.addClient({ ...SPECIMEN, id: 'rsa', jwks: { keys: [jwkOf(2048)] } });
  });

  test.each<[string, () => Promise<object>]>([
    ['the id of another', async () => ({ id: 'taken' })],
    ['no id', async () => ({ id: '' })],
    ['an id with a colon', async () => ({ id: 'a:b' })],
    ['an id of 65 characters', async () => ({ id: 'a'.repeat(65) })],
    ['no organisation', async () => ({ organisation: '' })],
    ['an organisation with a line break', async () => ({ organisation: 'a\nb' })],
    ['an organisation to act for with a space', async () => ({ mayActFor: ['a b'] })],
    ['no scope', async () => ({ scopes: [] })],
    ['an unknown scope', async () => ({ scopes: ['catalog:read', 'admin'] })],
    ['an unknown role', async () => ({ roles: ['owner'] })],
    ['no key', async () => ({ jwks: undefined })],
    ['an empty list of keys', async () => ({ jwks: { keys: [] } })],
    ['five keys', async () => ({ jwks: { keys: Array.from({ length: 5 }, () => jwkOf(2048)) } })],
    [
      'a private key',
      async () => ({ jwks: { keys: [generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })] } }),
    ],
    ['a symmetric key', async () => ({ jwks: { keys: [{ kty: 'oct', k: 'AAAA' }] } })],
    ['an RSA key of 1,024 bits', async () => ({ jwks: { keys: [jwkOf(1024)] } })],
    ['an RSA key with the exponent 3', async () => ({ jwks: { keys: [jwkOf(2048, 3)] } })],
    ['a key of another curve', async () => ({ jwks: { keys: [(await newPair('ES384')).jwk] } })],
    ['a key off the curve', async () => ({ jwks: { keys: [{ ...(await newPair()).jwk, x: 'AAAA' }] } })],
    ['keys beside a secret', async () => ({ authentication: 'client_secret_basic' })],
  ])('with %s is refused and registers nothing', async (_, change) => {
    await using server = await startServer();
    const jwks = { keys: [(await newPair()).jwk] };
    await server.service.addClient({ ...SPECIMEN, id: 'taken', jwks });
    const client = { ...SPECIMEN, jwks, ...(await change()) } as NewClient;
    await expect(server.service.addClient(client)).rejects.toMatchObject({ code: 'INPUT_INVALID' });
    expect((await server.service.listClients()).map(({ id }) => id)).toEqual(['taken']);
  });
});

describe('a token service is not made', () => {
  test.each([
    ['with an issuer that is no address', { issuer: 'hub' }],
    ['with an issuer of another protocol', { issuer: 'ftp://hub.example/oauth' }],
    ['with an issuer with a slash at the end', { issuer: 'https://hub.example/oauth/' }],
    ['with an issuer with a query', { issuer: 'https://hub.example/oauth?x' }],
    ['with tokens of 59 s', { tokenSeconds: 59 }],
    ['with tokens of more than an hour', { tokenSeconds: 3601 }],
    ['with half a second', { tokenSeconds: 600.5 }],
    ['with an overlap below 0', { keyOverlapSeconds: -1 }],
  ])('%s', async (_, change) => {
    const options = {
      issuer: 'https://hub.example/oauth',
      resource: RESOURCE,
      storage: createMemoryTokenStorage(),
      environment: createSystemEnvironment(),
      log: { warn: () => {} },
    };
    await expect(createTokenService({ ...options, ...change })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    (await createTokenService(options)).close();
  });
});
