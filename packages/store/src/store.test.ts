import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createSystemEnvironment } from '@civex/environment';
import { sql, type Generated } from 'kysely';
import { afterAll, describe, expect, test } from 'vitest';
import { openStore, type Migrations } from './index.ts';
import { checkServerVersion, toStoreError } from './store-error.ts';

interface Tables {
  readonly note: { readonly id: Generated<number>; readonly text: string };
}
const FIRST: Migrations = {
  '0001-note': { statements: ['create table note (id serial primary key, text text not null)'] },
};
/** A hub in a process of its own, which writes one row, tells its server's pid and waits to be killed. */
const KILLED_HUB = `
import { createSystemEnvironment } from '@civex/environment';
import { openStore } from './store.ts';
const store = await openStore({
  dataFolder: process.argv[1],
  migrations: ${JSON.stringify(FIRST)},
  environment: createSystemEnvironment(),
  log: { warn: () => {} },
});
await store.use((db) => db.insertInto('note').values({ text: 'acknowledged' }).execute());
process.stdout.write(String(store.serverPid()));
`;
const folders: string[] = [];
function newFolder(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'store-test-'));
  chmodSync(folder, 0o755);
  folders.push(folder);
  return folder;
}
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));
const open = (dataFolder: string, migrations = FIRST, databaseUrl?: string) =>
  openStore<Tables>({
    dataFolder,
    migrations,
    databaseUrl,
    environment: createSystemEnvironment(),
    log: { warn: () => {} },
  });

describe('the embedded store', () => {
  test('keeps rows over a restart and undoes a failed transaction', async () => {
    const folder = newFolder();
    {
      await using store = await open(folder);
      await store.use((db) => db.insertInto('note').values({ text: 'kept' }).execute());
      await expect(
        store.transaction(async (db) => {
          await db.insertInto('note').values({ text: 'undone' }).execute();
          throw new Error('stop');
        }),
      ).rejects.toThrow('stop');
    }
    await using store = await open(folder);
    expect(await store.use((db) => db.selectFrom('note').select('text').execute())).toEqual([{ text: 'kept' }]);
    const settings = await store.use((db) => sql<{ fsync: string }>`show fsync`.execute(db));
    expect(settings.rows).toEqual([{ fsync: 'on' }]);
  });

  test('a second opener is refused with folder and pid, and the first goes on', async () => {
    const folder = newFolder();
    await using store = await open(folder);
    const refusal = expect(open(folder)).rejects;
    await refusal.toMatchObject({ code: 'CONFIG_INVALID' });
    await expect(open(folder)).rejects.toThrow(`${folder} is in use by another hub (process ${process.pid})`);
    expect(await store.health()).toEqual({ isUp: true });
  });

  test('changed, unknown and skipped migrations are refused, new ones applied', async () => {
    const folder = newFolder();
    const third = { ...FIRST, '0003-more': { statements: ['alter table note add column more text'] } };
    await (await open(folder, third)).close();
    await expect(open(folder, FIRST)).rejects.toThrow('0003-more, which this hub does not know');
    await expect(open(folder, { ...third, '0001-note': { statements: ['select 1'] } })).rejects.toThrow(
      '0001-note was changed',
    );
    await expect(open(folder, { ...third, '0002-late': { statements: ['select 1'] } })).rejects.toThrow(
      '0002-late is missing',
    );
    await (await open(folder, { ...third, '0004-new': { statements: ['select 1'] } })).close();
  });

  test('nothing acknowledged is lost when the server is killed, and it comes back', async () => {
    await using store = await open(newFolder());
    const acknowledged: string[] = [];
    const startTime = (): Promise<string | undefined> =>
      store.use(
        async (db) =>
          (await sql<{ at: string }>`select pg_postmaster_start_time()::text as at`.execute(db)).rows[0]?.at,
      );
    for (let kill = 0; kill < 3; kill += 1) {
      const before = await startTime();
      let isDown = false;
      const writers = [0, 1, 2].map(async (writer) => {
        for (let step = 0; !isDown; step += 1) {
          const text = `${kill}-${writer}-${step}`;
          try {
            await store.use((db) => db.insertInto('note').values({ text }).execute());
            acknowledged.push(text);
          } catch (error) {
            expect(error).toMatchObject({ code: 'INTERNAL' });
            isDown = true;
          }
          if (step === 20 && writer === 0) process.kill(store.serverPid() as number, 'SIGKILL');
        }
      });
      await Promise.all(writers);
      // Backends of a killed server may answer for a moment: only another start time is another server.
      await expect.poll(() => startTime().catch(() => before), { timeout: 15_000 }).not.toBe(before);
    }
    const kept = await store.use((db) => db.selectFrom('note').select('text').execute());
    const texts = kept.map((row) => row.text);
    expect(acknowledged.length).toBeGreaterThan(60);
    expect(acknowledged.filter((text) => !texts.includes(text))).toEqual([]);
    expect(new Set(texts).size).toBe(texts.length);
  });

  test('the server of a killed hub is stopped and its data kept', async () => {
    const folder = newFolder();
    const hub = spawn(process.execPath, ['--input-type=module', '-e', KILLED_HUB, folder], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const orphan = await new Promise<number>((done) => hub.stdout.once('data', (data) => done(Number(String(data)))));
    hub.kill('SIGKILL');
    await new Promise((done) => hub.once('exit', done));
    expect(existsSync(`/proc/${orphan}`)).toBe(true);
    await using store = await open(folder);
    expect(store.serverPid()).not.toBe(orphan);
    expect(existsSync(`/proc/${orphan}`)).toBe(false);
    expect(await store.use((db) => db.selectFrom('note').select('text').execute())).toEqual([{ text: 'acknowledged' }]);
  });
});

describe('errors', () => {
  test('servers before 15 are refused', () => {
    expect(() => checkServerVersion(140_022)).toThrow('PostgreSQL 14; 15 or newer is needed');
    expect(() => checkServerVersion(Number.NaN)).toThrow('15 or newer');
    expect(() => checkServerVersion(150_000)).not.toThrow();
  });

  test('a full disk is named', () => {
    expect(toStoreError(Object.assign(new Error('x'), { code: '53100' }))).toMatchObject({
      code: 'INTERNAL',
      message: 'The storage is full. Nothing was written.',
    });
  });

  test('a wrong address does not show its password', async () => {
    const error: unknown = await open(newFolder(), FIRST, 'postgres://u:s3cret@[bad/x').catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error)) + String((error as Error).cause)).not.toContain(
      's3cret',
    );
  });
});

const debian = existsSync('/usr/lib/postgresql')
  ? readdirSync('/usr/lib/postgresql')
      .map((version) => `/usr/lib/postgresql/${version}/bin`)
      .find((bin) => existsSync(`${bin}/initdb`))
  : undefined;

test.skipIf(debian === undefined)('two stores share a server given by its address', async () => {
  const folder = newFolder();
  const identity = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  chmodSync(folder, 0o777);
  const cluster = path.join(folder, 'c');
  expect(
    spawnSync(`${debian}/initdb`, ['-D', cluster, '-U', 'u', '--auth=trust'], { ...identity, cwd: '/' }).status,
  ).toBe(0);
  const server = spawn(`${debian}/postgres`, ['-D', cluster, '-k', folder, '-c', 'listen_addresses='], {
    ...identity,
    cwd: '/',
    stdio: 'ignore',
  });
  try {
    const url = `postgres://u@/postgres?host=${encodeURIComponent(folder)}`;
    await expect.poll(() => existsSync(path.join(folder, '.s.PGSQL.5432')), { timeout: 10_000 }).toBe(true);
    await expect
      .poll(
        async () =>
          await open(folder, FIRST, url).then(
            async (store) => (await store.close(), true),
            () => false,
          ),
        { timeout: 10_000 },
      )
      .toBe(true);
    const [one, two] = await Promise.all([open(folder, FIRST, url), open(folder, FIRST, url)]);
    await one.use((db) => db.insertInto('note').values({ text: 'shared' }).execute());
    expect(await two.use((db) => db.selectFrom('note').select('text').execute())).toEqual([{ text: 'shared' }]);
    await Promise.all([one.close(), two.close()]);
  } finally {
    server.kill('SIGINT');
    await new Promise((done) => server.once('exit', done));
  }
});
