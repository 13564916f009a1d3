import { createHash } from 'node:crypto';
import { HubError } from '@civex/errors';
import type { ClientBase } from 'pg';

/** SQL and not a function, so that its content can be hashed and an edited one is found. */
export interface Migration {
  readonly statements: readonly string[];
}

/** By name; applied in the order of the names (code units), so names begin with a number: `0001-agreements`. */
export type Migrations = Readonly<Record<string, Migration>>;

const NAME = /^\d{4}-[a-z0-9-]{1,80}$/;
const LOCK_KEY = 7_234_115_001;

const hashOf = (migration: Migration): string =>
  createHash('sha256').update(JSON.stringify(migration.statements)).digest('hex');

const refuse = (message: string): HubError => new HubError('CONFIG_INVALID', message);

/**
 * Brings the database to what the code knows, all or nothing; never backwards. Hubs that start together wait for each
 * other (bounded by the connection's statement timeout).
 * @throws {HubError} CONFIG_INVALID when an applied migration was changed, is unknown, or a missing one lies before it.
 */
export async function migrate(client: ClientBase, migrations: Migrations): Promise<void> {
  const names = Object.keys(migrations).toSorted((a, b) => (a < b ? -1 : 1));
  const bad = names.find((name) => !NAME.test(name));
  if (bad !== undefined) throw refuse(`The migration name ${bad} is not of the form 0001-words.`);
  await client.query('begin');
  try {
    await client.query('select pg_advisory_xact_lock($1)', [LOCK_KEY]);
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
      if (name < last) {
        throw refuse(`The migration ${name} is missing in the database, though the later ${last} was applied.`);
      }
      for (const statement of migration.statements) await client.query(statement);
      await client.query('insert into civex_migration (name, hash) values ($1, $2)', [name, hashOf(migration)]);
    }
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    throw error;
  }
}
