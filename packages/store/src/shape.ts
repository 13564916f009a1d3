import type { Column } from './backup-format.ts';
import type { Connection } from './connections.ts';

export interface Table {
  readonly name: string;
  /** Quoted, with its schema. */
  readonly quoted: string;
  /** A partitioned table's rows lie in its partitions. */
  readonly isPartitioned: boolean;
  /** Without generated ones. */
  readonly columns: readonly (Column & { readonly quoted: string; readonly isCollated: boolean })[];
  /** Names of its primary key's columns, in order; empty without one. */
  readonly key: readonly string[];
}

export interface Shape {
  readonly tables: readonly Table[];
  readonly sequences: readonly { readonly name: string; readonly quoted: string }[];
}

/** Tables and sequences beside that of the migrations, without those of extensions. */
const OURS = `c.relnamespace = (select relnamespace from pg_class where oid = 'civex_migration'::regclass)
  and not exists (select 1 from pg_depend d
    where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')`;

/** How values are written as text, and how long things may take, alike for writing and reading a backup. */
export async function prepareSession(client: Connection, boundMs: number): Promise<void> {
  const settings: Readonly<Record<string, string>> = {
    datestyle: 'ISO, YMD',
    intervalstyle: 'postgres',
    timezone: 'UTC',
    extra_float_digits: '3',
    bytea_output: 'hex',
    lc_monetary: 'C',
    // An error in place of rows left out.
    row_security: 'off',
    lock_timeout: '10s',
    statement_timeout: String(boundMs),
    idle_in_transaction_session_timeout: String(boundMs),
  };
  for (const [name, value] of Object.entries(settings)) {
    await client.query('select set_config($1, $2, true)', [name, value]);
  }
}

export async function readShape(client: Connection): Promise<Shape> {
  const found = await client.query<{
    name: string;
    quoted: string;
    kind: string;
    columns: { name: string; quoted: string; type: string; isCollated: boolean }[] | null;
    key: string[] | null;
  }>(
    `select c.relname as name, c.relkind as kind,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname) as quoted,
       (select json_agg(json_build_object('name', a.attname, 'quoted', quote_ident(a.attname),
            'type', format_type(a.atttypid, a.atttypmod), 'isCollated', a.attcollation <> 0) order by a.attnum)
          from pg_attribute a
          where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '') as columns,
       (select json_agg(a.attname order by k.place)
          from pg_index i
          cross join lateral unnest(i.indkey::int2[]) with ordinality as k (attnum, place)
          join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
          where i.indrelid = c.oid and i.indisprimary and k.place <= i.indnkeyatts) as key
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where ${OURS} and c.relkind in ('r', 'p') and not c.relispartition and c.relname <> 'civex_migration'
     order by c.relname collate "C"`,
  );
  const sequences = await client.query<{ name: string; quoted: string }>(
    `select c.relname as name, quote_ident(n.nspname) || '.' || quote_ident(c.relname) as quoted
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where ${OURS} and c.relkind = 'S' order by c.relname collate "C"`,
  );
  return {
    tables: found.rows.map(({ name, quoted, kind, columns, key }) => ({
      name,
      quoted,
      isPartitioned: kind === 'p',
      columns: columns ?? [],
      key: key ?? [],
    })),
    sequences: sequences.rows,
  };
}
