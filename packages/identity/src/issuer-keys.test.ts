import { beforeAll, describe, expect, test, vi } from 'vitest';
import type { IssuerConfig } from './options.ts';
import {
  claimsOf,
  createBench,
  createKey,
  ISSUER,
  issuerOf,
  KEY_SET_URL,
  NOW_MS,
  sign,
  type TestBench,
  type TestKey,
} from './test-support/issuer.ts';

const HOUR_MS = 3_600_000;
const DISCOVERY_URL = `${ISSUER}/.well-known/openid-configuration`;
let first: TestKey;
let second: TestKey;

beforeAll(async () => {
  [first, second] = await Promise.all([createKey('k1'), createKey('k2')]);
});

const setOf = (...keys: readonly TestKey[]) => ({ keys: keys.map(({ jwk }) => jwk) });
const start = (published: unknown = setOf(first), changes: Partial<IssuerConfig> = {}) =>
  createBench([issuerOf(changes)], { [KEY_SET_URL]: published });
/** A token made at the bench's own time. */
const tokenAt = (bench: TestBench, key: TestKey, header: Readonly<Record<string, unknown>> = {}) => {
  const now = Math.floor(bench.environment.now() / 1_000);
  return sign(key, claimsOf({ iat: now, exp: now + 600 }), header);
};
const present = async (bench: TestBench, key: TestKey, header: Readonly<Record<string, unknown>> = {}) =>
  bench.bearer(await tokenAt(bench, key, header)).then(
    () => 'accepted',
    (error: { code?: string }) => error.code,
  );
const health = (bench: TestBench) => bench.identity.health().issuers[0]!;
/** Lets time pass in steps; between them what was begun comes to its end (keys are imported outside of virtual time). */
const pass = async (bench: TestBench, ms: number, stepMs = 10_000) => {
  for (let passed = 0; passed < ms; passed += stepMs) {
    const fetched = bench.fetched.length;
    await bench.environment.advance(Math.min(stepMs, ms - passed));
    if (bench.fetched.length > fetched) await settle(bench);
  }
};
const settle = (bench: TestBench) =>
  vi.waitFor(() => expect(bench.environment.pendingTimers()).toBe(1), { interval: 1 });

describe('the keys of an issuer', () => {
  test('are loaded before anybody asks and then used without a packet', async () => {
    const bench = await start();
    await settle(bench);
    expect(bench.fetched).toEqual([KEY_SET_URL]);
    for (let turn = 0; turn < 10; turn++) await expect(present(bench, first)).resolves.toBe('accepted');
    expect(bench.fetched).toHaveLength(1);
    expect(health(bench)).toEqual({
      issuer: ISSUER,
      state: 'ok',
      keys: 1,
      skippedKeys: 0,
      lastRefreshEpochMs: NOW_MS,
    });
    await bench.identity.close();
  });

  test('a new key is usable within 60 seconds of its publication', async ({ task }) => {
    const bench = await start();
    await settle(bench);
    // Somebody has just made us look.
    await expect(present(bench, first, { kid: 'nobody' })).resolves.toBe('AUTH_REQUIRED');
    bench.documents.set(KEY_SET_URL, setOf(first, second));
    let usableAfterMs = 0;
    while ((await present(bench, second)) !== 'accepted' && usableAfterMs < 120_000) {
      await pass(bench, 1_000, 1_000);
      usableAfterMs += 1_000;
    }
    task.meta.figures = [
      {
        point: 12,
        what: 'seconds until a published key is usable, while a caller with unknown keys makes us look',
        value: usableAfterMs / 1_000,
        target: '60 or less',
        isMet: usableAfterMs <= 60_000,
      },
    ];
    expect(usableAfterMs).toBeLessThanOrEqual(60_000);
    await bench.identity.close();
  });

  test('a key taken back is refused within 5 minutes, verified tokens included', async () => {
    const bench = await start(setOf(first, second));
    await expect(present(bench, first)).resolves.toBe('accepted');
    bench.documents.set(KEY_SET_URL, setOf(second));
    await pass(bench, 230_000);
    const token = await tokenAt(bench, first);
    await expect(bench.bearer(token)).resolves.not.toBeNull();
    await pass(bench, 60_000);
    await expect(bench.bearer(token)).rejects.toMatchObject({ code: 'AUTH_REQUIRED', cause: 'KEY' });
    await expect(present(bench, second)).resolves.toBe('accepted');
    await bench.identity.close();
  });

  test('a key replaced under its name is trusted no longer, verified tokens included', async () => {
    const bench = await start();
    const token = await tokenAt(bench, first);
    await expect(bench.bearer(token)).resolves.not.toBeNull();
    const replaced = { ...second, kid: 'k1', jwk: { ...second.jwk, kid: 'k1' } };
    bench.documents.set(KEY_SET_URL, setOf(replaced));
    await pass(bench, 250_000);
    await expect(bench.bearer(token)).resolves.not.toBeNull();
    await pass(bench, 40_000);
    await expect(bench.bearer(token)).rejects.toMatchObject({ code: 'AUTH_REQUIRED', cause: 'SIGNATURE' });
    await expect(present(bench, replaced)).resolves.toBe('accepted');
    await bench.identity.close();
  });

  test('ten thousand names nobody knows make us look once', async ({ task }) => {
    const bench = await start();
    await settle(bench);
    const claims = claimsOf();
    const [header = '', ...rest] = (await sign(first, claims)).split('.');
    const parsed = JSON.parse(Buffer.from(header, 'base64url').toString()) as object;
    const codes = await Promise.all(
      Array.from({ length: 10_000 }, (_, index) => {
        const strange = Buffer.from(JSON.stringify({ ...parsed, kid: `r${index}` })).toString('base64url');
        return bench.bearer([strange, ...rest].join('.')).then(
          () => 'accepted',
          (error: { code?: string }) => error.code,
        );
      }),
    );
    const packets = bench.fetched.length - 1;
    task.meta.figures = [
      {
        point: 12,
        what: 'fetches for 10,000 tokens with random key names',
        value: packets,
        target: '1',
        isMet: packets === 1,
      },
    ];
    expect(new Set(codes)).toEqual(new Set(['AUTH_REQUIRED']));
    expect(packets).toBe(1);
    await expect(present(bench, first)).resolves.toBe('accepted');
    await bench.identity.close();
  });

  test('names nobody knows make us look every 30 seconds at most', async () => {
    const bench = await start();
    await settle(bench);
    for (let second_ = 0; second_ < 200; second_++) {
      await present(bench, first, { kid: `r${second_}` });
      await pass(bench, 1_000, 1_000);
    }
    expect(bench.fetched.length - 1).toBeLessThanOrEqual(7);
    expect(bench.fetched.length - 1).toBeGreaterThanOrEqual(6);
    await bench.identity.close();
  });
});

describe('an outage of an issuer', () => {
  test.each<readonly [string, () => unknown]>([
    ['an error', () => new Error('connection refused')],
    ['a page of another kind', () => Buffer.from('<html>login</html>')],
    ['an empty set', () => ({ keys: [] })],
    ['a set over the size', () => Buffer.concat([Buffer.alloc(300_000, ' '), Buffer.from('{"keys":[]}')])],
    [
      'more keys than we read',
      () => ({ keys: Array.from({ length: 51 }, (_, at) => ({ ...second.jwk, kid: `x${at}` })) }),
    ],
    ['silence', () => () => new Promise(() => {})],
  ])('that shows as %s leaves known keys usable for 24 hours and no longer', async (_, failure) => {
    const bench = await start();
    await expect(present(bench, first)).resolves.toBe('accepted');
    await pass(bench, 60_000);
    bench.documents.set(KEY_SET_URL, failure());
    await pass(bench, 300_000);
    const fetched = bench.fetched.length;
    for (const hour of [1, 12, 23.9]) {
      await bench.environment.advance(NOW_MS + 60_000 + hour * HOUR_MS - bench.environment.now());
      await expect(present(bench, first)).resolves.toBe('accepted');
      await expect(present(bench, second)).resolves.toBe('AUTH_REQUIRED');
      expect(health(bench)).toMatchObject({ state: 'stale', keys: 1, lastRefreshEpochMs: NOW_MS });
    }
    expect(bench.fetched.length).toBeGreaterThan(fetched);
    await bench.environment.advance(0.3 * HOUR_MS);
    await expect(present(bench, first)).resolves.toBe('AUTH_UNAVAILABLE');
    expect(health(bench)).toMatchObject({ state: 'down', keys: 0 });
    bench.documents.set(KEY_SET_URL, setOf(second));
    await bench.environment.advance(40_000);
    await vi.waitFor(async () => expect(await present(bench, second)).toBe('accepted'), { interval: 1 });
    await bench.identity.close();
  });

  test('from the start is no fault of the token', async () => {
    const bench = await start(new Error('connection refused'));
    await expect(present(bench, first)).resolves.toBe('AUTH_UNAVAILABLE');
    const fetched = bench.fetched.length;
    for (let turn = 0; turn < 100; turn++) await expect(present(bench, first)).resolves.toBe('AUTH_UNAVAILABLE');
    expect(bench.fetched).toHaveLength(fetched);
    bench.documents.set(KEY_SET_URL, setOf(first));
    await pass(bench, 10_000);
    await expect(present(bench, first)).resolves.toBe('accepted');
    await bench.identity.close();
  });

  test('does not let anybody wait for a name nobody knows', async () => {
    const bench = await start();
    await settle(bench);
    bench.documents.set(KEY_SET_URL, () => new Promise(() => {}));
    await bench.environment.advance(300_000);
    expect(health(bench).state).toBe('stale');
    // Time stands still: whoever waited for the fetch would wait for ever.
    await expect(present(bench, second)).resolves.toBe('AUTH_REQUIRED');
    await expect(present(bench, first)).resolves.toBe('accepted');
    await bench.identity.close();
  });

  test('of one issuer leaves the others alone', async () => {
    const OTHER = 'https://other.example.test';
    const bench = await createBench(
      [issuerOf(), issuerOf({ issuer: OTHER, keys: { kind: 'jwksUri', uri: `${OTHER}/jwks` } })],
      { [KEY_SET_URL]: setOf(first) },
    );
    await expect(present(bench, first)).resolves.toBe('accepted');
    await expect(bench.bearer(await sign(first, claimsOf({ iss: OTHER })))).rejects.toMatchObject({
      code: 'AUTH_UNAVAILABLE',
    });
    expect(bench.identity.health().issuers.map(({ state }) => state)).toEqual(['ok', 'down']);
    await bench.identity.close();
  });
});

describe('discovery', () => {
  const start_ = (document: unknown, changes: Partial<IssuerConfig> = {}) =>
    createBench([issuerOf({ keys: { kind: 'discovery' }, ...changes })], {
      [DISCOVERY_URL]: document,
      [KEY_SET_URL]: setOf(first),
      'http://127.0.0.1:9/jwks': setOf(first),
      'http://idp.example.test/jwks': setOf(first),
    });

  test('finds the keys', async () => {
    const bench = await start_({ issuer: ISSUER, jwks_uri: KEY_SET_URL, other: { a: [1] } });
    await expect(present(bench, first)).resolves.toBe('accepted');
    expect(bench.fetched).toEqual([DISCOVERY_URL, KEY_SET_URL]);
    await bench.identity.close();
  });

  test.each<readonly [string, unknown]>([
    ['of another issuer', { issuer: `${ISSUER}/`, jwks_uri: KEY_SET_URL }],
    ['without an issuer', { jwks_uri: KEY_SET_URL }],
    ['with keys by http', { issuer: ISSUER, jwks_uri: 'http://idp.example.test/jwks' }],
    ['with keys on loopback', { issuer: ISSUER, jwks_uri: 'http://127.0.0.1:9/jwks' }],
    ['with keys in a file', { issuer: ISSUER, jwks_uri: 'file:///etc/keys' }],
    ['that says it twice', Buffer.from(`{"issuer":"${ISSUER}","jwks_uri":"${KEY_SET_URL}","issuer":"${ISSUER}"}`)],
    ['over the size', { issuer: ISSUER, jwks_uri: KEY_SET_URL, pad: 'x'.repeat(65_536) }],
  ])('does not believe a document %s', async (_, document) => {
    const bench = await start_(document);
    await expect(present(bench, first)).resolves.toBe('AUTH_UNAVAILABLE');
    expect(new Set(bench.fetched)).toEqual(new Set([DISCOVERY_URL]));
    await bench.identity.close();
  });

  test('may find keys on loopback when the configuration says so', async () => {
    const document = { issuer: ISSUER, jwks_uri: 'http://127.0.0.1:9/jwks' };
    const bench = await start_(document, { mayUseLoopbackHttp: true });
    await expect(present(bench, first)).resolves.toBe('accepted');
    await bench.identity.close();
  });

  test('that fails later leaves the known address in use', async () => {
    const bench = await start_({ issuer: ISSUER, jwks_uri: KEY_SET_URL });
    await expect(present(bench, first)).resolves.toBe('accepted');
    bench.documents.set(DISCOVERY_URL, { issuer: 'https://evil.example', jwks_uri: 'https://evil.example/jwks' });
    bench.documents.set(KEY_SET_URL, setOf(second));
    await pass(bench, 290_000);
    await expect(present(bench, second)).resolves.toBe('accepted');
    expect(bench.fetched.filter((url) => url.includes('evil'))).toEqual([]);
    await bench.identity.close();
  });
});

describe('keys the process can read itself', () => {
  test('are kept like fetched ones', async () => {
    let published = setOf(first);
    const read = async () => Buffer.from(JSON.stringify(published));
    const bench = await createBench([issuerOf({ keys: { kind: 'supplied', read } })]);
    await expect(present(bench, first)).resolves.toBe('accepted');
    published = setOf(second);
    await expect(present(bench, second)).resolves.toBe('accepted');
    await expect(present(bench, first)).resolves.toBe('AUTH_REQUIRED');
    expect(bench.fetched).toEqual([]);
    await bench.identity.close();
  });
});

test('a closed identity asks nobody any more', async () => {
  const bench = await start();
  await settle(bench);
  await bench.identity.close();
  await bench.environment.advance(HOUR_MS);
  expect(bench.fetched).toHaveLength(1);
  expect(bench.environment.pendingTimers()).toBe(0);
});

test('a wall clock that steps is told', async () => {
  const bench = await start();
  await bench.environment.advance(10_000);
  expect(bench.identity.health().clockStepMs).toBe(0);
  bench.environment.step(-300_000);
  expect(bench.identity.health().clockStepMs).toBe(-300_000);
  await bench.identity.close();
});
