import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import type { Environment, Timer } from '@civex/environment';
import { HubError } from '@civex/errors';
import {
  damaged,
  FORMAT,
  FORMAT_VERSION,
  readEntries,
  type Header,
  type Sequences,
  type Trailer,
} from './backup-format.ts';
import type { Connection } from './connections.ts';
import { fingerprint, MIGRATION_LOCK, type Migrations } from './migrations.ts';
import { prepareSession, readShape, type Shape, type Table } from './shape.ts';
import { innerOf } from './store.ts';

/** Of one statement of a backup or restore, and of one wait for the other end of the stream. */
const STEP_MS = 600_000;
/** What is held in memory of the rows under way, about. */
const BATCH_BYTES = 4 * 1024 * 1024;
const FIRST_BATCH_ROWS = 10;
const MAX_BATCH_ROWS = 5000;

export interface BackupOptions {
  /** Default: true for a path that ends in `.gz`, else false. */
  readonly isCompressed?: boolean | undefined;
}

export interface BackupSummary {
  /** By table. */
  readonly rows: Readonly<Record<string, number>>;
  /** Of the plain text before the trailer, hexadecimal. */
  readonly sha256: string;
}

async function* tableLines(client: Connection, table: Table): AsyncGenerator<{ text: string; count: number }> {
  if (table.columns.length === 0) throw new HubError('INTERNAL', `The table ${table.name} has no columns to keep.`);
  const order =
    table.key.length > 0
      ? table.columns
          .filter(({ name }) => table.key.includes(name))
          .toSorted((a, b) => table.key.indexOf(a.name) - table.key.indexOf(b.name))
          .map(({ quoted, isCollated }) => (isCollated ? `${quoted} collate "C"` : quoted))
      : table.columns.map(({ quoted }) => `${quoted}::text collate "C"`);
  const cells = table.columns.map(({ quoted }) => `${quoted}::text`).join(', ');
  await client.query(
    `declare backup_rows no scroll cursor for select to_json(array[${cells}])::text as line
     from ${table.isPartitioned ? '' : 'only '}${table.quoted} order by ${order.join(', ')}`,
  );
  let size = FIRST_BATCH_ROWS;
  for (;;) {
    const { rows } = await client.query<{ line: string }>(`fetch ${size} from backup_rows`);
    if (rows.length === 0) break;
    const text = `${rows.map(({ line }) => line).join('\n')}\n`;
    yield { text, count: rows.length };
    size = Math.max(1, Math.min(MAX_BATCH_ROWS, Math.floor((BATCH_BYTES * rows.length) / text.length)));
  }
  await client.query('close backup_rows');
}

async function* backupLines(
  client: Connection,
  migrations: Migrations,
  madeAt: string,
  hash: Hash,
  counts: Record<string, number>,
): AsyncGenerator<string> {
  await client.query('begin isolation level repeatable read read only');
  await prepareSession(client, STEP_MS);
  const { tables, sequences } = await readShape(client);
  const header: Header = {
    format: FORMAT,
    version: FORMAT_VERSION,
    madeAt,
    migrations: fingerprint(migrations),
    tables: tables.map(({ name, columns }) => ({
      name,
      columns: columns.map((column) => ({ name: column.name, type: column.type })),
    })),
  };
  const hashed = (text: string): string => {
    hash.update(text);
    return text;
  };
  yield hashed(`${JSON.stringify(header)}\n`);
  for (const table of tables) {
    yield hashed(`${JSON.stringify({ table: table.name })}\n`);
    counts[table.name] = 0;
    for await (const { text, count } of tableLines(client, table)) {
      counts[table.name] = (counts[table.name] ?? 0) + count;
      yield hashed(text);
    }
  }
  // Sequences are not part of a snapshot: read after it, so that they are never behind the rows.
  const values: [string, string, boolean][] = [];
  for (const sequence of sequences) {
    const { rows } = await client.query<{ value: string; is_called: boolean }>(
      `select last_value::text as value, is_called from ${sequence.quoted}`,
    );
    const [row] = rows;
    if (row !== undefined) values.push([sequence.name, row.value, row.is_called]);
  }
  yield hashed(`${JSON.stringify({ sequences: values } satisfies Sequences)}\n`);
  await client.query('commit');
  yield `${JSON.stringify({ rows: counts, sha256: hash.copy().digest('hex') } satisfies Trailer)}\n`;
}

/** Tells when nobody takes the next line for the length of a step. */
async function* watched(
  lines: AsyncIterable<string>,
  environment: Environment,
  onStall: () => void,
): AsyncGenerator<string> {
  let timer: Timer | null = null;
  try {
    for await (const line of lines) {
      timer = environment.setTimer(onStall, STEP_MS);
      yield line;
      environment.clearTimer(timer);
    }
  } finally {
    environment.clearTimer(timer);
  }
}

const notWritten = (error: unknown): unknown => {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (error instanceof Error && error.name === 'AbortError') {
    return new HubError('INTERNAL', 'The backup could not be written: nothing took it for 10 minutes.', {}, error);
  }
  if (error instanceof HubError || typeof code !== 'string' || !/^E[A-Z]+$/.test(code)) return error;
  const why = code === 'ENOSPC' || code === 'EDQUOT' ? 'there is no room' : `the system says ${code}`;
  return new HubError('INTERNAL', `The backup could not be written: ${why}.`, {}, error);
};

/**
 * Writes what the store held at one moment, while it goes on working. A file appears under its name only when it is whole
 * and on disk, readable by its owner alone; one of that name is replaced. A stream is ended (standard output is not).
 * Rows pass in pieces of about 4 MB; the slowest step may take 10 minutes.
 * @throws {HubError} INTERNAL: storage not reachable, or the file cannot be written. Nothing is left under the name.
 */
export async function backupStore(
  store: object,
  target: string | Writable,
  options: BackupOptions = {},
): Promise<BackupSummary> {
  const { connections, environment, migrations } = innerOf(store);
  const hash = createHash('sha256');
  const rows: Record<string, number> = {};
  const client = await connections.connect(STEP_MS + 2000);
  try {
    const madeAt = new Date(environment.now()).toISOString();
    const stalled = new AbortController();
    const lines = Readable.from(
      watched(backupLines(client, migrations, madeAt, hash, rows), environment, () => stalled.abort()),
      { objectMode: true, highWaterMark: 1 },
    );
    const isCompressed = options.isCompressed ?? (typeof target === 'string' && target.endsWith('.gz'));
    const run = async (to: Writable): Promise<void> =>
      await (isCompressed
        ? pipeline(lines, createGzip(), to, { signal: stalled.signal })
        : pipeline(lines, to, { signal: stalled.signal }));
    if (typeof target !== 'string') {
      await run(target);
    } else {
      const mark = Buffer.from(environment.randomBytes(6)).toString('hex');
      const draft = `${target}.${mark}.draft`;
      try {
        const file = await open(draft, 'wx', 0o600);
        try {
          // It is synced and closed below, so the stream must end without closing it.
          const sink = new Writable({
            write: (chunk: Buffer, _encoding, done) => void file.appendFile(chunk).then(() => done(), done),
          });
          await run(sink);
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(draft, target);
        await using folder = await open(path.dirname(path.resolve(target)), 'r');
        await folder.sync();
      } catch (error) {
        await rm(draft, { force: true });
        throw error;
      }
    }
    return { rows, sha256: hash.digest('hex') };
  } catch (error) {
    throw notWritten(error);
  } finally {
    await client.query('rollback').catch(() => undefined);
    client.release();
  }
}

/** The plain bytes, whether compressed or not: told by the first two. */
async function* plainBytes(source: Readable): AsyncGenerator<Buffer> {
  const chunks: AsyncIterator<unknown> = source[Symbol.asyncIterator]();
  const next = async (): Promise<Buffer | null> => {
    const result = await chunks.next();
    if (result.done === true) return null;
    const chunk: unknown = result.value;
    return Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
  };
  let head = Buffer.alloc(0);
  while (head.length < 2) {
    const chunk = await next();
    if (chunk === null) break;
    head = Buffer.concat([head, chunk]);
  }
  async function* all(): AsyncGenerator<Buffer> {
    if (head.length > 0) yield head;
    for (let chunk = await next(); chunk !== null; chunk = await next()) yield chunk;
  }
  if (head[0] !== 0x1f || head[1] !== 0x8b) {
    yield* all();
    return;
  }
  const gunzip = createGunzip();
  const flow = pipeline(Readable.from(all()), gunzip);
  // Heard below, on reading.
  flow.catch(() => undefined);
  try {
    for await (const chunk of gunzip) yield chunk as Buffer;
    await flow;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    throw code.startsWith('Z_') ? damaged(error) : error;
  }
}

/** Takes off what looks at rows one by one, and answers the statements that put it on again. */
async function loosen(client: Connection, shape: Shape): Promise<readonly string[]> {
  const again: string[] = [];
  for (const { quoted } of shape.tables) {
    const keys = await client.query<{ name: string; definition: string }>(
      `select quote_ident(conname) as name, pg_get_constraintdef(oid) as definition from pg_constraint
       where contype = 'f' and conrelid = $1::regclass and conparentid = 0 order by conname`,
      [quoted],
    );
    for (const { name, definition } of keys.rows) {
      await client.query(`alter table ${quoted} drop constraint ${name}`);
      again.push(`alter table ${quoted} add constraint ${name} ${definition}`);
    }
    const triggers = await client.query<{ name: string; is_always: boolean }>(
      `select quote_ident(tgname) as name, tgenabled = 'A' as is_always from pg_trigger
       where tgrelid = $1::regclass and not tgisinternal and tgparentid = 0 and tgenabled in ('O', 'A') order by tgname`,
      [quoted],
    );
    for (const { name, is_always } of triggers.rows) {
      await client.query(`alter table ${quoted} disable trigger ${name}`);
      again.push(`alter table ${quoted} enable ${is_always ? 'always ' : ''}trigger ${name}`);
    }
  }
  return again;
}

async function checkTarget(client: Connection, header: Header, shape: Shape, migrations: Migrations): Promise<void> {
  if (JSON.stringify(header.migrations) !== JSON.stringify(fingerprint(migrations))) {
    throw new HubError(
      'INPUT_INVALID',
      'The backup was made by another version of the hub. Restore it with that version and start this one after.',
    );
  }
  const own = shape.tables.map(({ name, columns }) => ({
    name,
    columns: columns.map((column) => ({ name: column.name, type: column.type })),
  }));
  if (JSON.stringify(header.tables) !== JSON.stringify(own)) {
    throw new HubError(
      'INPUT_INVALID',
      'The tables of the backup are not those of the database. Nothing was restored.',
    );
  }
  if (shape.tables.length > 0) {
    await client.query(`lock table ${shape.tables.map(({ quoted }) => quoted).join(', ')} in access exclusive mode`);
  }
  for (const { name, quoted } of shape.tables) {
    const found = await client.query(`select 1 from ${quoted} limit 1`);
    if (found.rows.length > 0) {
      throw new HubError('INPUT_INVALID', `The database is not empty (table ${name}). Restore into a new one.`);
    }
  }
}

function insertStatement({ quoted, columns }: Table): string {
  const names = columns.map((column) => column.quoted).join(', ');
  const values = columns.map(({ type }, index) => `(line ->> ${index})::${type}`).join(', ');
  return `insert into ${quoted} (${names}) overriding system value
    select ${values} from json_array_elements($1::json) with ordinality as lines (line, place) order by place`;
}

async function load(
  client: Connection,
  source: Readable,
  migrations: Migrations,
): Promise<Readonly<Record<string, number>>> {
  const counts: Record<string, number> = {};
  let shape: Shape | null = null;
  let again: readonly string[] = [];
  let table: Table | null = null;
  let sequences: Sequences['sequences'] | null = null;
  let isWhole = false;
  let batch: string[] = [];
  let size = 0;
  const flush = async (): Promise<void> => {
    if (table === null || batch.length === 0) return;
    const { rowCount } = await client.query(insertStatement(table), [`[${batch.join(',')}]`]);
    if (rowCount !== batch.length) {
      throw new HubError('INTERNAL', `The database did not take all rows of ${table.name}. Nothing was restored.`);
    }
    counts[table.name] = (counts[table.name] ?? 0) + rowCount;
    batch = [];
    size = 0;
  };
  for await (const entry of readEntries(plainBytes(source))) {
    if (entry.kind === 'header') {
      if (shape !== null) throw damaged();
      shape = await readShape(client);
      await checkTarget(client, entry.header, shape, migrations);
      again = await loosen(client, shape);
      continue;
    }
    if (shape === null) throw damaged();
    if (entry.kind === 'row') {
      if (table === null || entry.width !== table.columns.length) throw damaged();
      batch.push(entry.line);
      size += entry.line.length;
      if (size >= BATCH_BYTES || batch.length >= MAX_BATCH_ROWS) await flush();
      continue;
    }
    await flush();
    if (entry.kind === 'section') {
      table = shape.tables.find(({ name }) => name === entry.table) ?? null;
      if (table === null || Object.hasOwn(counts, table.name)) throw damaged();
      counts[table.name] = 0;
    } else if (entry.kind === 'sequences') {
      sequences = entry.sequences;
    } else {
      const names = shape.tables.map(({ name }) => name);
      const isSame = names.every((name) => counts[name] !== undefined && counts[name] === entry.rows[name]);
      if (!isSame || Object.keys(entry.rows).length !== names.length || sequences === null) throw damaged();
      isWhole = true;
    }
  }
  if (!isWhole || shape === null || sequences === null) throw damaged();
  await client.query('set constraints all immediate');
  for (const statement of again) await client.query(statement);
  if (sequences.length !== shape.sequences.length) throw damaged();
  for (const [name, value, isCalled] of sequences) {
    const sequence = shape.sequences.find((each) => each.name === name);
    if (sequence === undefined) throw damaged();
    // Not undone with the transaction: last, and harmless in an empty database.
    await client.query('select setval($1::regclass, $2::bigint, $3)', [sequence.quoted, value, isCalled]);
  }
  return counts;
}

/**
 * Fills an empty store from a backup, compressed or plain, wholly or not at all. Other hubs on the store wait meanwhile.
 * @param source a path, or the bytes.
 * @throws {HubError} INPUT_INVALID: the store has rows, the backup is of other migrations, is cut short or was changed.
 *   INTERNAL: the storage or the file cannot be used; see `isOutcomeUnknown`.
 */
export async function restoreStore(store: object, source: string | Readable): Promise<BackupSummary['rows']> {
  const { connections, migrations } = innerOf(store);
  const stream = typeof source === 'string' ? createReadStream(source) : source;
  // It may fail before anybody reads it; whoever does hears of it then.
  stream.on('error', () => undefined);
  const client = await connections.connect(STEP_MS + 2000);
  try {
    await client.query('begin');
    await client.query('select pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
    await prepareSession(client, STEP_MS);
    const rows = await load(client, stream, migrations);
    await client.query('commit');
    return rows;
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (/^E[A-Z]+$/.test(code)) throw new HubError('INTERNAL', `The backup could not be read: ${code}.`, {}, error);
    // What the database refuses in a row (a broken reference) was not written by a backup of it.
    if (/^2[23]/.test(code)) throw damaged(error);
    throw error;
  } finally {
    stream.destroy();
    client.release();
  }
}
