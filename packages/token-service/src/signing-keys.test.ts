import { createVirtualEnvironment } from '@civex/environment';
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { describe, expect, test } from 'vitest';
import { createSigningKeys } from './signing-keys.ts';
import { createMemoryTokenStorage } from './storage.ts';
import { addClient, startServer, tokenOf } from './test-support/oauth.ts';

const MINUTE = 60_000;

function world() {
  const environment = createVirtualEnvironment({ seed: 1 });
  const storage = createMemoryTokenStorage();
  const keys = createSigningKeys(storage, environment, 600, 300);
  const kids = async () => (await keys.published()).keys.map(({ kid }) => kid);
  const signing = async () => (await keys.current()).kid;
  return { environment, storage, keys, kids, signing };
}

describe('rotating the signing key', () => {
  test('publishes the next key before it signs and the old one until its last token has ended', async ({ task }) => {
    const { environment, keys, kids, signing, storage } = world();
    const first = await signing();
    expect(await kids()).toEqual([first]);
    await keys.rotate();
    const second = (await kids()).find((kid) => kid !== first);
    const steps: boolean[] = [];
    const expectAt = async (minutes: number, signs: string | undefined, published: readonly unknown[]) => {
      await environment.advance(minutes * MINUTE);
      const is = [await signing(), await kids()];
      steps.push(JSON.stringify(is) === JSON.stringify([signs, published]));
      expect(is).toEqual([signs, published]);
    };
    await expectAt(0, first, [first, second]);
    await expectAt(4.9, first, [first, second]);
    await expectAt(0.1, second, [first, second]);
    // The last token of the first key ends 10 minutes after the second began; hubs are a minute late at most.
    await expectAt(10.9, second, [first, second]);
    await expectAt(0.1, second, [second]);
    await keys.rotate();
    expect((await storage.listKeys()).map(({ kid }) => kid)).not.toContain(first);
    await expectAt(5, (await kids())[1], await kids());
    task.meta.figures = [
      {
        point: 13,
        what: 'moments of a key rotation with the right signing and published keys',
        value: steps.filter(Boolean).length,
        target: '6',
        isMet: steps.length === 6 && steps.every(Boolean),
      },
    ];
  });

  test('twice before the next key signs adds one key', async () => {
    const { keys, kids } = world();
    await keys.rotate();
    await keys.rotate();
    expect(await kids()).toHaveLength(2);
  });

  test('never shows a private part', async () => {
    const { keys } = world();
    await keys.rotate();
    for (const key of (await keys.published()).keys) {
      expect(Object.keys(key).toSorted()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
    }
  });

  test('processes that begin at once on an empty storage agree on the signing key and publish both', async () => {
    const { environment, storage } = world();
    const all = [1, 2].map(() => createSigningKeys(storage, environment, 600, 300));
    const begun = await Promise.all(all.map((keys) => keys.current()));
    expect(new Set(await Promise.all(all.map(async (keys) => (await keys.current()).kid))).size).toBe(1);
    const published = (await all[0]?.published())?.keys.map(({ kid }) => kid);
    for (const { kid } of begun) expect(published).toContain(kid);
  });

  test('a clock that steps back does not leave the service without a key', async () => {
    const { environment, keys, kids, signing } = world();
    const first = await signing();
    environment.step(-60 * MINUTE);
    const now = await signing();
    expect(await kids()).toEqual([now, first]);
    await keys.rotate();
    expect(await signing()).toBe(now);
  });
});

test('tokens of the old and of the new key verify with the published keys, in every process', async () => {
  await using server = await startServer({ keyOverlapSeconds: 0 });
  await using other = await startServer({ storage: server.storage, issuer: server.issuer });
  const client = await addClient(server, 'a');
  const before = await tokenOf(server, client);
  await server.service.rotateKeys();
  const tokens = [before, await tokenOf(server, client), await tokenOf(other, client)];
  const kids = tokens.map((token) => decodeProtectedHeader(token).kid);
  expect([kids[0] === kids[1], kids[1] === kids[2]]).toEqual([false, true]);
  const keys = createLocalJWKSet({ keys: [...(await other.service.jwks()).keys] });
  for (const token of tokens) await expect(jwtVerify(token, keys, { algorithms: ['ES256'] })).resolves.toBeDefined();
});
