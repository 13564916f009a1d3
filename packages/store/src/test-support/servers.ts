import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createSystemEnvironment, type Environment } from '@civex/environment';
import { sql, type Generated } from 'kysely';
import { openStore, type Migrations, type Store, type StoreOptions } from '../index.ts';

export interface Tables {
  readonly note: { readonly id: Generated<number>; readonly text: string };
}
export const FIRST: Migrations = {
  '0001-note': { statements: ['create table note (id serial primary key, text text not null)'] },
};
/** PostgreSQL refuses to run as root. */
export const UNPRIVILEGED = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

const folders: string[] = [];
export function newFolder(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'store-test-'));
  chmodSync(folder, 0o755);
  folders.push(folder);
  return folder;
}
export function removeFolders(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

/** The system's, whose waits are over `factor` times as soon. */
export function hastyEnvironment(factor: number): Environment {
  const environment = createSystemEnvironment();
  return {
    ...environment,
    setTimer: (callback, delayMs, options) => environment.setTimer(callback, delayMs / factor, options),
  };
}

export const open = async <T = Tables>(
  dataFolder: string,
  migrations: Migrations = FIRST,
  more: Partial<StoreOptions> = {},
): Promise<Store<T>> =>
  await openStore<T>({
    dataFolder,
    migrations,
    environment: createSystemEnvironment(),
    log: { warn: () => {} },
    ...more,
  });

const debianBin = existsSync('/usr/lib/postgresql')
  ? readdirSync('/usr/lib/postgresql')
      .map((version) => `/usr/lib/postgresql/${version}/bin`)
      .find((bin) => existsSync(`${bin}/initdb`) && existsSync(`${bin}/postgres`))
  : undefined;

export interface TestServer {
  /** Of a new, empty database. */
  newDatabase(): Promise<string>;
  stop(): Promise<void>;
}

function databasesOf(store: Store<unknown>, stop: () => Promise<void>): TestServer {
  let count = 0;
  return {
    newDatabase: async () => {
      count += 1;
      const name = `test_${count}`;
      await store.use((db) => sql.raw(`create database ${name}`).execute(db));
      const address = new URL(store.address);
      address.pathname = `/${name}`;
      return address.href;
    },
    stop,
  };
}

async function startEmbedded(): Promise<TestServer> {
  const store = await open<unknown>(newFolder(), {});
  return databasesOf(store, () => store.close());
}

async function startDebian(): Promise<TestServer> {
  const folder = newFolder();
  chmodSync(folder, 0o777);
  const cluster = path.join(folder, 'c');
  const how = { ...UNPRIVILEGED, cwd: '/', stdio: 'ignore' } as const;
  spawnSync(`${debianBin}/initdb`, ['-D', cluster, '-U', 'u', '--auth=trust', '-E', 'UTF8', '--locale=C.UTF-8'], how);
  const server: ChildProcess = spawn(
    `${debianBin}/postgres`,
    ['-D', cluster, '-k', folder, '-c', 'listen_addresses='],
    how,
  );
  const databaseUrl = `postgres://u@localhost/postgres?host=${encodeURIComponent(folder)}`;
  const end = Date.now() + 20_000;
  for (;;) {
    try {
      const store = await open<unknown>(folder, {}, { databaseUrl });
      return databasesOf(store, async () => {
        await store.close();
        const over = new Promise((done) => server.once('exit', done));
        server.kill('SIGINT');
        await over;
      });
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((done) => setTimeout(done, 50));
    }
  }
}

/** What the storage tests run on; Debian's is left out, visibly, where it is not installed. */
export const SERVERS = [
  { name: 'the embedded server', isHere: true, start: startEmbedded },
  { name: "Debian's PostgreSQL", isHere: debianBin !== undefined, start: startDebian },
] as const;
