import { createHash } from 'node:crypto';
import { HubError } from '@civex/errors';
import type { Connection } from './connections.ts';

/** SQL and not a function, so that its content can be hashed and an edited one is found. */
export interface Migration {
  readonly statements: readonly string[];
}

/** By name; applied in the order of the names (code units), so names begin with a number: `0001-agreements`. */
export type Migrations = Readonly<Record<string, Migration>>;

const NAME = /^\d{4}-[a-z0-9-]{1,80}$/;
/** Held by whoever changes the shape of the database, or fills it from a backup. */
export const MIGRATION_LOCK = 7_234_115_001;

const hashOf = (migration: Migration): string =>
  createHash('sha256').update(JSON.stringify(migration.statements)).digest('hex');

const refuse = (message: string): HubError => new HubError('CONFIG_INVALID', message);

/** Name and hash of each migration, in order: what a backup fits to. */
export function fingerprint(migrations: Migrations): readonly (readonly [name: string, hash: string])[] {
  return Object.entries(migrations)
    .map(([name, migration]) => [name, hashOf(migration)] as const)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/** On an empty database: what a backup would miss (a table of another schema), or could not be restored over (a row that is there already). */
async function checkFirstShape(client: Connection): Promise<void> {
  const made = await client.query<{ schema: string; name: string; quoted: string; is_here: boolean }>(
    `select n.nspname as schema, c.relname as name, c.oid::regclass::text as quoted,
       n.nspname = current_schema() as is_here
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p') and c.xmin = pg_current_xact_id()::xid and c.relname <> 'civex_migration'
       and n.nspname not like 'pg\\_%'`,
  );
  for (const table of made.rows) {
    if (!table.is_here) {
      throw refuse(`The migrations make the table ${table.schema}.${table.name} outside the hub's schema.`);
    }
    const filled = await client.query(`select 1 from ${table.quoted} limit 1`);
    if (filled.rows.length > 0) {
      throw refuse(
        `The migrations write rows into the new table ${table.name}. Rows are written by the hub, not by them.`,
      );
    }
  }
}

/**
 * Brings the database to what the code knows, all or nothing; never backwards. Hubs that start together wait for each
 * other (bounded by the connection's statement timeout).
 * @param isGuest true: a database that has migrations is only compared, since a hub may be running on it.
 * @throws {HubError} CONFIG_INVALID when an applied migration was changed, is unknown, or a missing one lies before it; when
 *   the migrations make tables outside the current schema, or put rows into them; for a guest, when one is missing.
 */
export async function migrate(client: Connection, migrations: Migrations, isGuest: boolean): Promise<void> {
  const names = Object.keys(migrations).toSorted((a, b) => (a < b ? -1 : 1));
  const bad = names.find((name) => !NAME.test(name));
  if (bad !== undefined) throw refuse(`The migration name ${bad} is not of the form 0001-words.`);
  await client.query('begin');
  try {
    await client.query('select pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
    await client.query(
      'create table if not exists civex_migration (name text primary key, hash text not null, applied_at timestamptz not null default now())',
    );
    const applied = await client.query<{ name: string; hash: string }>(
      'select name, hash from civex_migration order by name collate "C"',
    );
    const last = applied.rows.at(-1)?.name ?? '';
    for (const row of applied.rows) {
      const known = Object.hasOwn(migrations, row.name) ? migrations[row.name] : undefined;
      if (known === undefined) {
        throw refuse(`The database has the migration ${row.name}, which this hub does not know. Start a newer hub.`);
      }
      if (hashOf(known) !== row.hash) {
        throw refuse(`The migration ${row.name} was changed after it was applied. Undo the change and add a new one.`);
      }
    }
    const done = new Set(applied.rows.map((row) => row.name));
    for (const name of names) {
      const migration = migrations[name];
      if (migration === undefined || done.has(name)) continue;
      if (isGuest && done.size > 0) {
        throw refuse(`The database does not have the migration ${name}. Start the hub of this version first.`);
      }
      if (name < last) {
        throw refuse(`The migration ${name} is missing in the database, though the later ${last} was applied.`);
      }
      for (const statement of migration.statements) await client.query(statement);
      await client.query('insert into civex_migration (name, hash) values ($1, $2)', [name, hashOf(migration)]);
    }
    if (done.size === 0) await checkFirstShape(client);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    throw error;
  }
}
