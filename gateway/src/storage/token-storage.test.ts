import { mkdtempSync, rmSync, chmodSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createSystemEnvironment } from '@civex/environment';
import { openStore, type Store } from '@civex/store';
import { createMemoryTokenStorage, type ClientRecord, type KeyRecord, type TokenStorage } from '@civex/token-service';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createTokenStorage, TOKEN_MIGRATION, type TokenTables } from './token-storage.ts';

let folder = '';
let store: Store<TokenTables>;
beforeAll(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'token-storage-'));
  chmodSync(folder, 0o755);
  store = await openStore<TokenTables>({
    dataFolder: folder,
    migrations: { '0001-token-service': TOKEN_MIGRATION },
    environment: createSystemEnvironment(),
    log: { warn: () => {} },
  });
}, 40_000);
afterAll(async () => {
  await store?.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  for (const table of ['oauth_client', 'oauth_key', 'oauth_item', 'oauth_revoked'] as const) {
    await store.use((db) => db.deleteFrom(table).execute());
  }
});

const CLIENT: ClientRecord = {
  id: 'energy',
  organisation: "o'hara",
  roles: ['use'],
  scopes: ['catalog:read'],
  mayActFor: ['région'],
  authentication: { method: 'client_secret_basic', secretHash: 'salt.hash' },
  tag: 'tag-of-client',
  createdAtEpochMs: 1_795_000_000_123,
};
const KEY: KeyRecord = { kid: 'k1', privateKey: { kty: 'EC', d: 'secret' }, signsFromEpochMs: 1_795_000_000_123 };

describe.each<readonly [string, () => TokenStorage]>([
  ['in memory', createMemoryTokenStorage],
  ['in PostgreSQL', () => createTokenStorage(store)],
])('token storage %s', (_, create) => {
  test('gives back a client as it was added, and of two with one id takes the first', async () => {
    const storage = create();
    const added = await Promise.all(['a', 'b', 'c', 'd'].map((tag) => storage.addClient({ ...CLIENT, tag })));
    expect(added.filter(Boolean)).toHaveLength(1);
    const tag = ['a', 'b', 'c', 'd'][added.indexOf(true)];
    expect(await storage.findClient('energy')).toEqual({ ...CLIENT, tag });
    expect(await storage.findClient('Energy')).toBeNull();
    await storage.addClient({ ...CLIENT, id: 'a-client' });
    expect((await storage.listClients()).map(({ id }) => id)).toEqual(['a-client', 'energy']);
  });

  test('removing a client revokes its tag in one', async () => {
    const storage = create();
    await storage.addClient(CLIENT);
    expect(await storage.removeClient('nobody', 10)).toBe(false);
    expect([await storage.isAnyRevoked([CLIENT.tag]), await storage.removeClient('energy', 10)]).toEqual([false, true]);
    expect([await storage.findClient('energy'), await storage.isAnyRevoked(['x', CLIENT.tag])]).toEqual([null, true]);
    expect(await storage.removeClient('energy', 10)).toBe(false);
  });

  test('keeps keys whole and removes the named ones', async () => {
    const storage = create();
    await storage.addKey(KEY);
    await storage.addKey({ ...KEY, kid: 'k2' });
    await storage.removeKeys([]);
    await storage.removeKeys(['k1', 'k9']);
    expect(await storage.listKeys()).toEqual([{ ...KEY, kid: 'k2' }]);
  });

  test('of many at once one is the first to add an id', async () => {
    const storage = create();
    const added = await Promise.all(Array.from({ length: 20 }, () => storage.addOnce('proof', 1000)));
    expect(added.filter(Boolean)).toHaveLength(1);
    expect(await storage.addOnce('other', 1000)).toBe(true);
  });

  test('revokes until the later moment and forgets what is over', async () => {
    const storage = create();
    await storage.revoke('t', 2000);
    await storage.revoke('t', 1000);
    await storage.addOnce('p', 1000);
    expect([await storage.isAnyRevoked([]), await storage.isAnyRevoked(['a', 't'])]).toEqual([false, true]);
    await storage.prune(1000);
    expect([await storage.isAnyRevoked(['t']), await storage.addOnce('p', 1)]).toEqual([true, true]);
    await storage.prune(2000);
    expect(await storage.isAnyRevoked(['t'])).toBe(false);
  });
});

test('what the store cannot tell is an error, never an answer', async () => {
  const down = createTokenStorage({
    use: () => Promise.reject(new Error('down')),
    transaction: () => Promise.reject(new Error('down')),
  });
  await expect(down.isAnyRevoked(['t'])).rejects.toThrow('down');
  await expect(down.addOnce('t', 1)).rejects.toThrow('down');
  await expect(down.revoke('t', 1)).rejects.toThrow('down');
  await expect(down.findClient('t')).rejects.toThrow('down');
});
