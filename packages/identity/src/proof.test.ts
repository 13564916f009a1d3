import { beforeAll, describe, expect, test } from 'vitest';
import { createMemoryReplayStore } from './replay-store.ts';
import {
  bindTo,
  claimsOf,
  createBench,
  createKey,
  issuerOf,
  NOW_MS,
  prove,
  sign,
  type TestKey,
} from './test-support/issuer.ts';
import { normaliseHtu } from './urls.ts';

const NOW = NOW_MS / 1_000;
let issuerKey: TestKey;
let holder: TestKey;
let thief: TestKey;
let token: string;

beforeAll(async () => {
  [issuerKey, holder, thief] = await Promise.all([createKey('k1'), createKey('holder'), createKey('thief')]);
  token = await sign(issuerKey, claimsOf(await bindTo(holder)));
});

const create = (changes: Parameters<typeof createBench>[2] = {}) =>
  createBench([issuerOf({ keys: { kind: 'fixed', jwks: { keys: [issuerKey.jwk] } } })], {}, changes);

type Change = (good: { readonly other: TestKey }) => Promise<string>;
const claim =
  (changes: Readonly<Record<string, unknown>>): Change =>
  () =>
    prove(holder, token, changes);
const header =
  (changes: Readonly<Record<string, unknown>>): Change =>
  () =>
    prove(holder, token, {}, changes);

describe('a proof of possession', () => {
  test('that is right binds the token', async () => {
    const bench = await create();
    await expect(bench.bound(token, await prove(holder, token))).resolves.toMatchObject({ isBound: true });
  });

  test.each(['ES256', 'ES384', 'EdDSA', 'PS256', 'RS256'])('may be signed with %s', async (alg) => {
    const bench = await create();
    const key = await createKey('h', alg);
    const bound = await sign(issuerKey, claimsOf(await bindTo(key)));
    await expect(bench.bound(bound, await prove(key, bound))).resolves.toMatchObject({ isBound: true });
  });

  test.each<readonly [string, Change]>([
    ['by another key', () => prove(thief, token)],
    ['of another type', header({ typ: 'JWT' })],
    ['of no type', header({ typ: undefined })],
    ['without its key', header({ jwk: undefined })],
    [
      'with the key of another',
      header({
        get jwk() {
          return { kty: 'EC', crv: 'P-256', x: thief.jwk.x, y: thief.jwk.y };
        },
      }),
    ],
    ['with a name of a key besides', header({ kid: 'holder' })],
    [
      'with the private half of its key',
      header({
        get jwk() {
          return { kty: 'EC', crv: 'P-256', x: holder.jwk.x, y: holder.jwk.y, d: holder.jwk.x };
        },
      }),
    ],
    ['for another method', claim({ htm: 'GET' })],
    ['for the method in another case', claim({ htm: 'post' })],
    ['for no method', claim({ htm: undefined })],
    ['for another path', claim({ htu: 'https://hub.example.test/graphql/' })],
    ['for another host', claim({ htu: 'https://hub.example.test.evil.example/graphql' })],
    ['for another port', claim({ htu: 'https://hub.example.test:8443/graphql' })],
    ['for http', claim({ htu: 'http://hub.example.test/graphql' })],
    ['for a user', claim({ htu: 'https://a@hub.example.test/graphql' })],
    ['for a backslash', claim({ htu: 'https:\\\\hub.example.test\\graphql' })],
    ['for no address', claim({ htu: 1 })],
    ['too old', claim({ iat: NOW - 61 })],
    ['ahead of time', claim({ iat: NOW + 31 })],
    ['with a time that is a text', claim({ iat: String(NOW) })],
    ['without a time', claim({ iat: undefined })],
    ['without a name', claim({ jti: undefined })],
    ['with an empty name', claim({ jti: '' })],
    ['with an endless name', claim({ jti: 'x'.repeat(257) })],
    ['for another token', claim({ ath: 'x'.repeat(43) })],
    ['for no token', claim({ ath: undefined })],
    ['that is no JWS', async () => 'x.y.z'],
    ['with its signature changed', async () => `${(await prove(holder, token)).slice(0, -8)}AAAAAAAA`],
  ])('%s is refused', async (_, change) => {
    const bench = await create();
    await expect(bench.bound(token, await change({ other: thief }))).rejects.toMatchObject({ code: 'AUTH_REQUIRED' });
    await expect(bench.bound(token, await prove(holder, token))).resolves.toMatchObject({ isBound: true });
  });

  test('by a weak key is refused', async () => {
    const { publicKey, privateKey } = await crypto.subtle.generateKey(
      { name: 'RSASSA-PKCS1-v1_5', modulusLength: 1_024, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' },
      true,
      ['sign', 'verify'],
    );
    const { n, e } = await crypto.subtle.exportKey('jwk', publicKey);
    const weak = { kid: 'w', alg: 'RS256', privateKey, jwk: { kty: 'RSA', n: n!, e: e! } };
    const bound = await sign(issuerKey, claimsOf(await bindTo(weak)));
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const right = (await prove(holder, bound)).split('.')[1]!;
    const input = `${encode({ typ: 'dpop+jwt', alg: 'RS256', jwk: weak.jwk })}.${right}`;
    const signature = await crypto.subtle.sign('RSASSA-PKCS1-v1_5', privateKey, Buffer.from(input));
    const proof = `${input}.${Buffer.from(signature).toString('base64url')}`;
    await expect((await create()).bound(bound, proof)).rejects.toMatchObject({ code: 'AUTH_REQUIRED', cause: 'PROOF' });
  });

  test('for the same address in another spelling is right', async () => {
    const bench = await create();
    const spellings = ['HTTPS://HUB.example.test:443/graphql', 'https://hub.example.test/x/../graph%71l?a=1#b'];
    for (const [index, htu] of spellings.entries())
      await expect(bench.bound(token, await prove(holder, token, { htu, jti: `p${index}` }))).resolves.not.toBeNull();
    expect(normaliseHtu('https://h/%c3%A5%2f')).toBe('https://h/%C3%A5%2F');
  });

  test('is right once', async () => {
    const bench = await create();
    const proof = await prove(holder, token);
    const answers = await Promise.allSettled([1, 2, 3, 4].map(() => bench.bound(token, proof)));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await bench.environment.advance(59_000);
    await expect(bench.bound(token, proof)).rejects.toMatchObject({ code: 'AUTH_REQUIRED', cause: 'REPLAY' });
    const again = await prove(holder, token, {}, { alg: 'ES256' });
    await expect(bench.bound(token, again)).rejects.toMatchObject({ cause: 'REPLAY' });
  });

  test('is right once although the clock is set back and forth', async () => {
    const bench = await create();
    const proof = await prove(holder, token);
    await bench.bound(token, proof);
    for (const ms of [300_000, -300_000, -30_000, 30_000]) {
      bench.environment.step(ms);
      await expect(bench.bound(token, proof)).rejects.toMatchObject({ code: 'AUTH_REQUIRED' });
    }
  });

  test('that is wrong uses up no name', async () => {
    const claimed: string[] = [];
    const bench = await create({ replay: { claim: async (key) => claimed.push(key) > 0 } });
    await expect(bench.bound(token, await prove(thief, token))).rejects.toMatchObject({ cause: 'BINDING' });
    expect(claimed).toEqual([]);
    await bench.bound(token, await prove(holder, token));
    expect(claimed).toHaveLength(1);
    expect(claimed[0]).toMatch(/^[\w-]{43}$/);
  });

  test('is neither right nor wrong while the replay store fails', async () => {
    const bench = await create({ replay: { claim: () => Promise.reject(new Error('down')) } });
    const answer = bench.bound(token, await prove(holder, token));
    await expect(answer).rejects.toMatchObject({ code: 'AUTH_UNAVAILABLE', cause: 'REPLAY_STORE' });
  });
});

describe('binding', () => {
  test('a bound token as Bearer is refused', async () => {
    await expect((await create()).bearer(token)).rejects.toMatchObject({ code: 'AUTH_REQUIRED', cause: 'BINDING' });
  });

  test('a token bound in a second way we cannot check is refused with a proof', async () => {
    const { cnf } = await bindTo(holder);
    const twice = await sign(issuerKey, claimsOf({ cnf: { ...cnf, 'x5t#S256': 'x'.repeat(43) } }));
    const answer = (await create()).bound(twice, await prove(holder, twice));
    await expect(answer).rejects.toMatchObject({ code: 'AUTH_REQUIRED', cause: 'CLAIMS' });
  });

  test('a token that is not bound is refused with a proof', async () => {
    const free = await sign(issuerKey, claimsOf());
    const answer = (await create()).bound(free, await prove(holder, free));
    await expect(answer).rejects.toMatchObject({ code: 'AUTH_REQUIRED', cause: 'BINDING' });
  });
});

describe('the replay store in memory', () => {
  test('refuses to forget: when it is full it says so, and goes on when names have ended', async () => {
    const { environment } = await create();
    const store = createMemoryReplayStore(environment, 3);
    for (const key of ['a', 'b', 'c']) await expect(store.claim(key, NOW_MS + 60_000)).resolves.toBe(true);
    await expect(store.claim('a', NOW_MS + 60_000)).resolves.toBe(false);
    await expect(store.claim('d', NOW_MS + 60_000)).rejects.toThrow('full');
    await environment.advance(60_000);
    await expect(store.claim('d', NOW_MS + 120_000)).resolves.toBe(true);
    await expect(store.claim('a', NOW_MS + 120_000)).resolves.toBe(true);
  });
});
