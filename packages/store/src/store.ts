import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Environment } from '@civex/environment';
import { HubError } from '@civex/errors';
import { Kysely, PostgresDialect, type Transaction } from 'kysely';
import type { PoolConfig } from 'pg';
import { createConnections, type Connections } from './connections.ts';
import { startEmbeddedServer, type EmbeddedServer } from './embedded-server.ts';
import { folderInUse, lockFolder, type FolderLock } from './folder-lock.ts';
import { migrate, type Migrations } from './migrations.ts';
import { checkServerVersion, isUnreachable, toStoreError } from './store-error.ts';

const READY_MS = 30_000;
const HEALTH_MS = 5000;
/** Together with the 8 s of the server: 10 s. */
const DRAIN_MS = 2000;
/** In the data folder while the server is ready: the folder of its socket. */
const SOCKET_FILE = 'server.socket';

/** `event` is a constant text of ours. */
export interface StoreLog {
  warn(event: string): void;
}

export interface StoreOptions {
  /** Absolute. Locked for this process when the embedded server is used. */
  readonly dataFolder: string;
  /** A PostgreSQL server from 15 on, used in place of the embedded one; several hubs may share it. Secret. */
  readonly databaseUrl?: string | undefined;
  /**
   * `attach`: for an operator's command. When a hub runs on the data folder, its server is used; otherwise one is started
   * for as long as this store is open. A database that has migrations is then never migrated, only compared. Default:
   * `own`, for a hub, which is refused when another runs on the data folder and waits for a command for up to 30 s.
   */
  readonly share?: 'own' | 'attach' | undefined;
  readonly migrations: Migrations;
  readonly environment: Environment;
  readonly log: StoreLog;
}

/** Storage and nothing but storage. Every call may throw HubError INTERNAL (`isStoreUnavailable`) when it cannot serve. */
export interface Store<Tables> extends AsyncDisposable {
  /** Single statements, each kept by itself. When it throws, `isOutcomeUnknown` tells whether a write may have been kept. */
  use<T>(work: (db: Kysely<Tables>) => Promise<T>): Promise<T>;
  /**
   * All or nothing; kept on disk once it resolves. When it throws, nothing was written, unless `isOutcomeUnknown`: the
   * connection was lost while the transaction was being committed.
   */
  transaction<T>(work: (db: Transaction<Tables>) => Promise<T>): Promise<T>;
  /** Resolves also when the server is down; within 10 s. */
  health(): Promise<{ readonly isUp: boolean }>;
  /** Of the embedded server started by this store; null while it is down and for any other server. */
  serverPid(): number | null;
  /** As `databaseUrl` for other processes of this machine and user. Secret when it was given as `databaseUrl`. */
  readonly address: string;
  /** Within 10 s; work still under way then loses its connection. */
  close(): Promise<void>;
}

interface Inner {
  readonly connections: Connections;
  readonly environment: Environment;
  readonly migrations: Migrations;
}
const inners = new WeakMap<object, Inner>();

/** What lies under a store, for the other files of this package. */
export function innerOf(store: object): Inner {
  const inner = inners.get(store);
  if (inner === undefined) throw new TypeError('Not a store made by openStore.');
  return inner;
}

const wait = (environment: Environment, ms: number): Promise<void> =>
  new Promise((done) => environment.setTimer(done, ms));

/** What a server elsewhere may have been set to, unlike the embedded one. */
async function checkServer(connections: Connections, options: StoreOptions): Promise<void> {
  const client = await connections.connect();
  try {
    const shown = await client.query<{ server_version_num: string }>('show server_version_num');
    checkServerVersion(Number(shown.rows[0]?.server_version_num));
    const settings = await client.query<{ encoding: string; sync: string; fsync: string }>(
      `select current_setting('server_encoding') as encoding, current_setting('synchronous_commit') as sync,
         current_setting('fsync') as fsync`,
    );
    const [row] = settings.rows;
    if (row?.encoding !== 'UTF8') {
      throw new HubError(
        'CONFIG_INVALID',
        'The database does not keep its text in UTF8. Create it with ENCODING UTF8.',
      );
    }
    if (row.sync === 'off' || row.fsync === 'off') {
      options.log.warn('store server may lose acknowledged writes: fsync or synchronous_commit is off');
    }
    await migrate(client, options.migrations, options.share === 'attach');
  } finally {
    client.release();
  }
}

async function prepare(connections: Connections, options: StoreOptions, isEmbedded: boolean): Promise<void> {
  const end = options.environment.monotonicMs() + (isEmbedded ? READY_MS : 0);
  for (;;) {
    try {
      await checkServer(connections, options);
      return;
    } catch (error) {
      if (!isUnreachable(error) || options.environment.monotonicMs() >= end) throw error;
      await wait(options.environment, 20);
    }
  }
}

type Place =
  | { readonly lock: Extract<FolderLock, { isTaken: true }>; readonly socketFolder: null }
  | { readonly lock: null; readonly socketFolder: string };

/** The folder for ourselves, or the socket of whoever has it. */
async function takeFolder(folder: string, options: StoreOptions): Promise<Place> {
  const role = options.share === 'attach' ? 'command' : 'hub';
  const end = options.environment.monotonicMs() + READY_MS;
  for (;;) {
    const lock = await lockFolder(folder, process.pid, role);
    if (lock.isTaken) return { lock, socketFolder: null };
    if (role === 'command') {
      const socketFolder = (await readFile(path.join(folder, SOCKET_FILE), 'utf8').catch(() => '')).trim();
      if (socketFolder !== '') return { lock: null, socketFolder };
    } else if (lock.role === 'hub') {
      throw folderInUse(folder, lock);
    }
    if (options.environment.monotonicMs() >= end) throw folderInUse(folder, lock);
    await wait(options.environment, 50);
  }
}

const embeddedConfig = (socketFolder: string): PoolConfig => ({
  host: socketFolder,
  user: 'civex',
  database: 'postgres',
});

/**
 * Opens the storage and brings it to the given migrations. Bounds: 10 connections, 5 s to get one, 15 s per statement (17 s
 * when the server does not keep to that), 30 s for the embedded server to be ready.
 * @throws {HubError} CONFIG_INVALID: folder in use, server or data of another version, wrong migrations. INTERNAL: not
 *   reachable or full.
 */
export async function openStore<Tables>(options: StoreOptions): Promise<Store<Tables>> {
  const { databaseUrl, environment } = options;
  const folder = path.resolve(options.dataFolder);
  const socketFile = path.join(folder, SOCKET_FILE);
  let place: Place | null = null;
  let server: EmbeddedServer | null = null;
  let connections: Connections | null = null;
  let closing: Promise<void> | null = null;
  let address = databaseUrl ?? '';
  const close = (): Promise<void> => {
    closing ??= (async () => {
      if (place?.lock) await rm(socketFile, { force: true });
      await connections?.end(DRAIN_MS);
      await server?.stop();
      await place?.lock?.release();
    })();
    return closing;
  };
  try {
    let config: PoolConfig = { connectionString: databaseUrl };
    if (databaseUrl === undefined) {
      place = await takeFolder(folder, options);
      if (place.lock !== null) {
        // Of a hub that was killed.
        await rm(socketFile, { force: true });
        server = await startEmbeddedServer(folder, environment, () => options.log.warn('store server ended'));
      }
      const socketFolder = server?.socketFolder ?? place.socketFolder ?? '';
      config = embeddedConfig(socketFolder);
      address = `postgres://civex@localhost/postgres?host=${encodeURIComponent(socketFolder)}`;
    }
    connections = createConnections(config, environment, () => options.log.warn('store connection lost'));
    await prepare(connections, place?.lock ? { ...options, share: 'own' } : options, databaseUrl === undefined);
    if (server !== null) {
      // Only now: whoever reads it finds a server that is ready and migrated.
      await writeFile(`${socketFile}.draft`, server.socketFolder, { mode: 0o600 });
      await rename(`${socketFile}.draft`, socketFile);
    }
  } catch (error) {
    await close();
    throw toStoreError(error, 'CONNECT');
  }
  const ready = connections;
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: ready.forKysely }) });
  const store: Store<Tables> = {
    use: (work) => work(db),
    transaction: (work) => db.transaction().execute(work),
    health: async () => {
      try {
        const client = await ready.connect(HEALTH_MS);
        try {
          await client.query('select 1');
        } finally {
          client.release();
        }
        return { isUp: true };
      } catch {
        return { isUp: false };
      }
    },
    serverPid: () => server?.pid() ?? null,
    address,
    close,
    [Symbol.asyncDispose]: close,
  };
  inners.set(store, { connections: ready, environment, migrations: options.migrations });
  return store;
}
