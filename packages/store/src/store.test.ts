import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { sql } from 'kysely';
import { afterAll, describe, expect, test } from 'vitest';
import { isStoreUnavailable } from './index.ts';
import { FIRST, newFolder, open, removeFolders, UNPRIVILEGED } from './test-support/servers.ts';

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
afterAll(removeFolders);

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
    // What is acknowledged is on disk, and what is read again after a crash has a bound.
    const shown = await store.use((db) =>
      sql<{
        name: string;
        setting: string;
      }>`select name, current_setting(name) as setting from pg_settings where name in
        ('checkpoint_timeout', 'max_wal_size', 'fsync', 'synchronous_commit', 'full_page_writes')`.execute(db),
    );
    expect(Object.fromEntries(shown.rows.map(({ name, setting }) => [name, setting]))).toEqual({
      checkpoint_timeout: '1min',
      max_wal_size: '64MB',
      fsync: 'on',
      synchronous_commit: 'on',
      full_page_writes: 'on',
    });
  });

  test('a second hub is refused with folder and pid while commands use the running server', async () => {
    const folder = newFolder();
    await using store = await open(folder);
    await expect(open(folder)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(`${folder} is in use by another hub (process ${process.pid})`),
    });
    {
      await using command = await open(folder, FIRST, { share: 'attach' });
      await command.use((db) => db.insertInto('note').values({ text: 'by a command' }).execute());
      expect(command.serverPid()).toBeNull();
    }
    expect(await store.use((db) => db.selectFrom('note').select('text').execute())).toEqual([{ text: 'by a command' }]);
    expect(await store.health()).toEqual({ isUp: true });
    expect(statSync(path.join(folder, 'server.socket')).mode & 0o777).toBe(0o600);
    await using other = await open('/unused', FIRST, { databaseUrl: store.address });
    expect(await other.use((db) => db.selectFrom('note').select('text').execute())).toEqual([{ text: 'by a command' }]);
    // A command of another version leaves the database of the running hub as it is.
    const newer = { ...FIRST, '0002-more': { statements: ['create table more (id int)'] } };
    await expect(open(folder, newer, { share: 'attach' })).rejects.toThrow('does not have the migration 0002-more');
    expect(existsSync(path.join(folder, 'server.socket'))).toBe(true);
  });

  test('a command starts the server when no hub runs, and a hub waits until the command has ended', async () => {
    const folder = newFolder();
    const command = await open(folder, FIRST, { share: 'attach' });
    expect(command.serverPid()).not.toBeNull();
    await command.use((db) => db.insertInto('note').values({ text: 'before' }).execute());
    let isClosed = false;
    const hub = open(folder).then((store) => {
      expect(isClosed).toBe(true);
      return store;
    });
    await new Promise((done) => setTimeout(done, 300));
    isClosed = true;
    await command.close();
    expect(existsSync(path.join(folder, 'server.socket'))).toBe(false);
    await using store = await hub;
    expect(await store.use((db) => db.selectFrom('note').select('text').execute())).toEqual([{ text: 'before' }]);
  });

  test('data of another major version is refused and left as it is', async () => {
    const folder = newFolder();
    await (await open(folder)).close();
    const file = path.join(folder, 'cluster', 'PG_VERSION');
    writeFileSync(file, '17\n');
    await expect(open(folder)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('was written by PostgreSQL 17; this hub needs 18'),
    });
    expect(readFileSync(file, 'utf8')).toBe('17\n');
    expect(readdirSync(folder)).not.toContain('hub.lock');
    writeFileSync(file, '18\n');
    await (await open(folder)).close();
  });

  test('nothing acknowledged is lost when the server is killed, and it comes back', async ({ task }) => {
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
            expect(isStoreUnavailable(error)).toBe(true);
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
    const lost = acknowledged.filter((text) => !texts.includes(text)).length;
    const doubled = texts.length - new Set(texts).size;
    task.meta.figures = [
      {
        point: 11,
        what: `acknowledged rows lost or doubled, 3 kills of the server, ${acknowledged.length} acknowledged`,
        value: lost + doubled,
        target: '0',
        isMet: lost + doubled === 0,
      },
    ];
    expect(lost).toBe(0);
    expect(doubled).toBe(0);
  });

  /** A hub that was killed, and the server it leaves behind. */
  const killHub = async (folder: string): Promise<number> => {
    const hub = spawn(process.execPath, ['--input-type=module', '-e', KILLED_HUB, folder], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const orphan = await new Promise<number>((done) => hub.stdout.once('data', (data) => done(Number(String(data)))));
    hub.kill('SIGKILL');
    await new Promise((done) => hub.once('exit', done));
    return orphan;
  };
  const isRunning = (pid: number): boolean => {
    const stat = existsSync(`/proc/${pid}`) ? readFileSync(`/proc/${pid}/stat`, 'latin1') : '';
    return stat !== '' && !/\) Z/.test(stat);
  };

  test('the server of a killed hub is stopped and its data kept', async () => {
    const folder = newFolder();
    const orphan = await killHub(folder);
    expect(isRunning(orphan)).toBe(true);
    await using store = await open(folder);
    expect(store.serverPid()).not.toBe(orphan);
    expect(isRunning(orphan)).toBe(false);
    expect(await store.use((db) => db.selectFrom('note').select('text').execute())).toEqual([{ text: 'acknowledged' }]);
  });

  test('whatever has the number of a killed server is left alone, and the server starts', async () => {
    const folder = newFolder();
    process.kill(await killHub(folder), 'SIGKILL');
    const pidFile = path.join(folder, 'cluster', 'postmaster.pid');
    const [, ...rest] = readFileSync(pidFile, 'utf8').split('\n');
    /** With the pid file of a server naming another process. Refused by PostgreSQL, it would be started a second time. */
    const expectStart = async (pid: number): Promise<void> => {
      writeFileSync(pidFile, [pid, ...rest].join('\n'));
      const warnings: string[] = [];
      await using store = await open(folder, FIRST, { log: { warn: (text) => warnings.push(text) } });
      const kept = await store.use((db) => db.selectFrom('note').select('text').execute());
      expect(kept).toEqual([{ text: 'acknowledged' }]);
      expect(warnings).toEqual([]);
    };
    // Whoever does not ask after its child leaves it a number.
    const parent = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 60'], { ...UNPRIVILEGED, stdio: ['ignore', 'pipe', 'inherit'] }); // prettier-ignore
    try {
      const child = await new Promise<number>((done) =>
        parent.stdout.once('data', (data) => done(Number(String(data)))),
      );
      await expect.poll(() => existsSync(`/proc/${child}`) && !isRunning(child)).toBe(true);
      await expectStart(child);
      await expectStart(parent.pid as number);
      expect([isRunning(parent.pid as number), existsSync(`/proc/${child}`)]).toEqual([true, true]);
    } finally {
      parent.kill('SIGKILL');
    }
  });
});
