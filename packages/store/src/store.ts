import path from 'node:path';
import type { Environment } from '@civex/environment';
import { HubError } from '@civex/errors';
import { Kysely, PostgresDialect, type Transaction } from 'kysely';
import { Pool } from 'pg';
import { startEmbeddedServer, type EmbeddedServer } from './embedded-server.ts';
import { lockFolder, type FolderLock } from './folder-lock.ts';
import { migrate, type Migrations } from './migrations.ts';
import { checkServerVersion, toStoreError } from './store-error.ts';

const READY_MS = 30_000;
const CONNECT_MS = 5000;
const STATEMENT_MS = 15_000;
const POOL_SIZE = 10;

/** `event` is a constant text of ours. */
export interface StoreLog {
  warn(event: string): void;
}

export interface StoreOptions {
  /** Absolute. Locked for this process when the embedded server is used. */
  readonly dataFolder: string;
  /** A PostgreSQL server from 15 on, used in place of the embedded one; several hubs may share it. Secret. */
  readonly databaseUrl?: string | undefined;
  readonly migrations: Migrations;
  readonly environment: Environment;
  readonly log: StoreLog;
}

/** Storage and nothing but storage. Every call may throw HubError INTERNAL while the server is down or full. */
export interface Store<Tables> extends AsyncDisposable {
  /** Single statements. When it throws for a lost connection, a write may or may not have been kept. */
  use<T>(work: (db: Kysely<Tables>) => Promise<T>): Promise<T>;
  /** All or nothing; kept on disk once it resolves. */
  transaction<T>(work: (db: Transaction<Tables>) => Promise<T>): Promise<T>;
  /** Resolves also when the server is down. */
  health(): Promise<{ readonly isUp: boolean }>;
  /** Of the embedded server; null while it is down and for a server elsewhere. */
  serverPid(): number | null;
  close(): Promise<void>;
}

function createPool(options: StoreOptions, server: EmbeddedServer | null): Pool {
  const bounds = {
    max: POOL_SIZE,
    connectionTimeoutMillis: CONNECT_MS,
    statement_timeout: STATEMENT_MS,
    idle_in_transaction_session_timeout: STATEMENT_MS,
  };
  if (server !== null) return new Pool({ ...bounds, host: server.socketFolder, user: 'civex', database: 'postgres' });
  return new Pool({ ...bounds, connectionString: options.databaseUrl });
}

async function prepare(pool: Pool, options: StoreOptions, isEmbedded: boolean): Promise<void> {
  const end = options.environment.monotonicMs() + (isEmbedded ? READY_MS : 0);
  for (;;) {
    try {
      const client = await pool.connect();
      try {
        const shown = await client.query<{ server_version_num: string }>('show server_version_num');
        checkServerVersion(Number(shown.rows[0]?.server_version_num));
        await migrate(client, options.migrations);
        return;
      } finally {
        client.release();
      }
    } catch (error) {
      const mapped = toStoreError(error);
      const isDown = mapped instanceof HubError && mapped.facts.retryAfterMs !== undefined;
      if (!isDown || options.environment.monotonicMs() >= end) throw mapped;
      await new Promise<void>((done) => options.environment.setTimer(done, 20));
    }
  }
}

/**
 * Opens the storage and brings it to the given migrations. Bounds: 10 connections, 5 s to connect, 15 s per statement,
 * 30 s for the embedded server to be ready.
 * @throws {HubError} CONFIG_INVALID: folder in use, server or data of another version, wrong migrations. INTERNAL: not
 *   reachable or full.
 */
export async function openStore<Tables>(options: StoreOptions): Promise<Store<Tables>> {
  const isEmbedded = options.databaseUrl === undefined;
  const folder = path.resolve(options.dataFolder);
  let lock: FolderLock | null = null;
  let server: EmbeddedServer | null = null;
  let pool: Pool | null = null;
  let closing: Promise<void> | null = null;
  const close = (): Promise<void> => {
    closing ??= (async () => {
      await pool?.end();
      await server?.stop();
      await lock?.release();
    })();
    return closing;
  };
  try {
    if (isEmbedded) {
      lock = await lockFolder(folder, process.pid);
      server = await startEmbeddedServer(folder, options.environment, () => options.log.warn('store server ended'));
    }
    pool = createPool(options, server);
    pool.on('error', () => options.log.warn('store connection lost'));
    // A connection in use reports its loss on itself as well; unheard, that would end the process.
    pool.on('connect', (client) => client.on('error', () => undefined));
    await prepare(pool, options, isEmbedded);
  } catch (error) {
    await close();
    throw toStoreError(error);
  }
  const ready = pool;
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: ready }) });
  const guard = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw toStoreError(error);
    }
  };
  return {
    use: (work) => guard(() => work(db)),
    transaction: (work) => guard(() => db.transaction().execute(work)),
    health: async () => {
      try {
        await ready.query('select 1');
        return { isUp: true };
      } catch {
        return { isUp: false };
      }
    },
    serverPid: () => server?.pid() ?? null,
    close,
    [Symbol.asyncDispose]: close,
  };
}
