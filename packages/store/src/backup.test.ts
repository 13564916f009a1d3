import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Readable, Writable } from 'node:stream';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { backupStore, restoreStore, type Migrations, type Store } from './index.ts';
import { newFolder, open, removeFolders, SERVERS, type TestServer } from './test-support/servers.ts';

const RUNS = Number(process.env['STORE_BACKUP_RUNS'] ?? 15);
afterAll(removeFolders);

/** Every kind of column that a text form could bend, and every kind of thing that looks at rows one by one. */
const MIGRATIONS: Migrations = {
  '0001-all': {
    statements: [
      `create type mood as enum ('good', 'it''s bad')`,
      `create table "Odd ""name" (
         id bigint generated always as identity primary key,
         "a column" text, bytes bytea, document jsonb, raw json, at timestamptz, day date, span interval, big int8,
         exact numeric, half float8, is_on boolean, texts text[], numbers int8[], feeling mood, short varchar(5),
         fixed char(4), octets bytea[], doubled int8 generated always as (big / 2) stored)`,
      // Without a key, with references to itself, with a trigger, and in partitions.
      `create table loose (a text, b int)`,
      `create table tree (id int primary key, parent int references tree (id))`,
      `create function refuse() returns trigger language plpgsql as $$ begin raise 'the trigger ran'; end $$`,
      `create table marked (id text primary key, odd bigint references "Odd ""name" (id))`,
      `create trigger refuse before insert on marked for each row execute function refuse()`,
      `create table split (id int, day date) partition by range (day)`,
      `create table split_old partition of split for values from (minvalue) to ('2020-01-01')`,
      `create table split_new partition of split for values from ('2020-01-01') to (maxvalue)`,
      `create sequence ticket increment by 5`,
    ],
  },
};

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }).map((value) => value.replaceAll('\0', '')),
  fc.constantFrom('', 'NULL', 'null', '\\N', '"', '\\', '{}', '[', "'", '\n', '\r\n', '\t', '\u2028', '😀', '\u0001'),
);
const int8 = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  fc.constantFrom('9223372036854775807', '-9223372036854775808'),
);
const bytes = fc.uint8Array({ maxLength: 20 }).map((value) => Buffer.from(value));
const micros = fc
  .tuple(fc.integer({ min: 1, max: 9999 }), fc.nat(999_999))
  .map(([year, micro]) => `${String(year).padStart(4, '0')}-07-31 23:59:59.${String(micro).padStart(6, '0')}+05:45`);
const row = fc.record({
  text: fc.option(text),
  bytes: fc.option(bytes),
  document: fc.option(fc.jsonValue({ maxDepth: 2 })),
  at: fc.option(fc.oneof(micros, fc.constantFrom('infinity', '-infinity', '0044-03-15 12:00:00 BC'))),
  span: fc.option(fc.constantFrom('1 year -2 days 03:04:05.000006', '-1 microsecond', '0')),
  big: fc.option(int8),
  exact: fc.option(
    fc.oneof(
      int8.map((value) => `${value}.000000000000000000010`),
      fc.constantFrom('NaN', 'Infinity', '1e-300'),
    ),
  ),
  half: fc.option(fc.oneof(fc.double().map(String), fc.constantFrom('NaN', '-0', '5e-324'))),
  isOn: fc.option(fc.boolean()),
  texts: fc.option(fc.array(fc.option(text), { maxLength: 3 })),
  numbers: fc.option(fc.array(fc.option(int8), { maxLength: 3 })),
  feeling: fc.option(fc.constantFrom('good', "it's bad")),
  short: fc.option(fc.constantFrom('', 'abcde', ' a ', 'é')),
  octets: fc.option(fc.array(bytes, { maxLength: 2 })),
});
type Sample = typeof row extends fc.Arbitrary<infer T> ? T : never;

async function fill(store: Store<unknown>, samples: readonly Sample[]): Promise<void> {
  await store.transaction(async (db) => {
    for (const [index, each] of samples.entries()) {
      const document = each.document === null ? null : JSON.stringify(each.document).replaceAll('\\u0000', '');
      await sql`insert into "Odd ""name" ("a column", bytes, document, raw, at, day, span, big, exact, half, is_on, texts,
        numbers, feeling, short, fixed, octets) values (${each.text}, ${each.bytes}, ${document}::jsonb, ${document}::json,
        ${each.at}::timestamptz, ${each.at}::timestamptz::date, ${each.span}::interval, ${each.big}::int8,
        ${each.exact}::numeric, ${each.half}::float8, ${each.isOn}, ${each.texts}::text[], ${each.numbers}::int8[],
        ${each.feeling}::mood, ${each.short}, ${each.short?.slice(0, 4) ?? null}, ${each.octets}::bytea[])`.execute(db);
      await sql`insert into loose values (${each.text}, ${index % 3}), (null, null)`.execute(db);
      await sql`insert into split values (${index}, ${index % 2 === 0 ? '2019-12-31' : '2020-01-01'}::date)`.execute(
        db,
      );
      await sql`select nextval('ticket')`.execute(db);
    }
    // The parent follows its child in the order of the key.
    await sql`insert into tree values (2, null), (1, 2), (3, 3)`.execute(db);
  });
  await store.transaction(async (db) => {
    await sql`alter table marked disable trigger user`.execute(db);
    await sql`insert into marked select 'm', min(id) from "Odd ""name"`.execute(db);
    await sql`alter table marked enable trigger user`.execute(db);
  });
}

async function dump(store: Store<unknown>): Promise<string> {
  const chunks: Buffer[] = [];
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      chunks.push(Buffer.from(chunk));
      done();
    },
  });
  await backupStore(store, sink);
  return Buffer.concat(chunks).toString('utf8');
}
/** Without the time it was made at and the hash over it. */
const body = (backup: string): string =>
  backup.replace(/"madeAt":"[^"]*"/, '"madeAt":""').replace(/"sha256":"\w*"/, '"sha256":""');
const restore = (store: Store<unknown>, backup: string | Buffer): Promise<unknown> =>
  restoreStore(store, Readable.from([Buffer.from(backup)]));

describe.each(SERVERS)('a backup on $name', ({ name, isHere, start }) => {
  let server: TestServer;
  beforeAll(async () => {
    if (isHere) server = await start();
  }, 30_000);
  afterAll(async () => {
    if (isHere) await server.stop();
  });
  const openNew = async (migrations = MIGRATIONS): Promise<Store<unknown>> =>
    await open<unknown>('/unused', migrations, { databaseUrl: await server.newDatabase() });

  test.skipIf(!isHere)(
    'of random rows is the same after it was restored',
    async ({ task }) => {
      let differences = 0;
      let rows = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 30 }), async (samples) => {
          await using one = await openNew();
          await using two = await openNew();
          await fill(one, samples);
          const first = await dump(one);
          await restore(two, first);
          const second = await dump(two);
          rows += samples.length;
          if (body(second) !== body(first)) differences += 1;
          expect(body(second)).toBe(body(first));
          // What was taken off for the rows is on again, and numbers go on where they were.
          await expect(two.use((db) => sql`insert into marked values ('x', null)`.execute(db))).rejects.toThrow(
            'the trigger ran',
          );
          await expect(two.use((db) => sql`insert into tree values (9, 8)`.execute(db))).rejects.toThrow(
            'tree_parent_fkey',
          );
          const next = (store: Store<unknown>) => store.use((db) => sql`select nextval('ticket') as n`.execute(db));
          expect((await next(two)).rows).toEqual((await next(one)).rows);
        }),
        { numRuns: RUNS, seed: 20_261_123 },
      );
      task.meta.figures = [
        {
          point: 11,
          what: `backups that differ after restore on ${name}, ${RUNS} databases of every column type, ${rows} random rows`,
          value: differences,
          target: '0',
          isMet: differences === 0,
        },
      ];
    },
    120_000,
  );

  test.skipIf(!isHere)(
    'that is cut or changed anywhere restores nothing',
    async ({ task }) => {
      await using one = await openNew();
      await fill(one, fc.sample(row, { numRuns: 5, seed: 7 }));
      const good = Buffer.from(await dump(one));
      const zipped = gzipSync(good);
      const lines = good.toString('utf8').split('\n');
      const bad: Buffer[] = [];
      for (let step = 0; step < 40; step += 1) {
        bad.push(good.subarray(0, Math.floor((good.length * step) / 40)));
        const changed = Buffer.from(good);
        const place = Math.floor((good.length * (step + 0.5)) / 40);
        changed[place] = (changed[place] ?? 0) ^ 0x01;
        bad.push(changed, zipped.subarray(0, Math.floor((zipped.length * step) / 40)));
      }
      bad.push(
        good.subarray(0, good.length - 1),
        zipped.subarray(0, zipped.length - 1),
        Buffer.concat([good, Buffer.from('\n')]),
      );
      for (let line = 0; line < lines.length - 1; line += 1) bad.push(Buffer.from(lines.toSpliced(line, 1).join('\n')));
      await using two = await openNew();
      let accepted = 0;
      for (const each of bad) {
        const isTaken = await restore(two, each).then(
          () => true,
          (error: unknown) => {
            expect(error).toMatchObject({ code: 'INPUT_INVALID' });
            return false;
          },
        );
        accepted += isTaken ? 1 : 0;
      }
      task.meta.figures = [
        {
          point: 11,
          what: `damaged backups taken on ${name}, of ${bad.length}`,
          value: accepted,
          target: '0',
          isMet: accepted === 0,
        },
      ];
      expect(accepted).toBe(0);
      // Nothing of them stayed: the good one is restored into the same database.
      await restore(two, zipped);
      expect(body(await dump(two))).toBe(body(good.toString('utf8')));
    },
    60_000,
  );

  test.skipIf(!isHere)('is one moment, though writers go on', async () => {
    const migrations = {
      '0001-pair': { statements: ['create table a (id serial primary key)', 'create table z (id int primary key)'] },
    };
    await using store = await openNew(migrations);
    await store.use((db) => sql`insert into a select from generate_series(1, 20000)`.execute(db));
    await store.use((db) => sql`insert into z select id from a`.execute(db));
    let isOver = false;
    const writer = (async () => {
      while (!isOver) {
        await store.transaction(async (db) => {
          const added = await sql<{ id: number }>`insert into a default values returning id`.execute(db);
          await sql`insert into z values (${added.rows[0]?.id})`.execute(db);
        });
      }
    })();
    const backup = await dump(store);
    isOver = true;
    await writer;
    const counts = (JSON.parse(backup.trimEnd().split('\n').at(-1) ?? '') as { rows: Record<string, number> }).rows;
    expect(counts['a']).toBe(counts['z']);
    await using other = await openNew(migrations);
    await restore(other, backup);
    await other.use((db) => sql`insert into a default values`.execute(db));
  });

  test.skipIf(!isHere)('is refused where there are rows, and by other migrations', async () => {
    await using one = await openNew();
    await using two = await openNew();
    const backup = await dump(one);
    await two.use((db) => sql`insert into loose values ('here', 1)`.execute(db));
    await expect(restore(two, backup)).rejects.toThrow('not empty (table loose)');
    await using three = await openNew({ ...MIGRATIONS, '0002-more': { statements: ['select 1'] } });
    await expect(restore(three, backup)).rejects.toThrow('made by another version');
  });
});

describe('a backup file', () => {
  let store: Store<unknown>;
  beforeAll(async () => {
    store = await open<unknown>(newFolder(), MIGRATIONS);
    await fill(store, fc.sample(row, { numRuns: 5, seed: 8 }));
  });
  afterAll(async () => await store.close());

  test('is whole, private, compressed by its name, and replaces an older one', async () => {
    const folder = newFolder();
    const file = path.join(folder, 'hub.gz');
    writeFileSync(file, 'older');
    const summary = await backupStore(store, file);
    expect(summary.rows['loose']).toBe(10);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(['hub.gz']);
    expect(gunzipSync(readFileSync(file)).toString('utf8')).toContain(summary.sha256);
    await using other = await open<unknown>(newFolder(), MIGRATIONS);
    expect(await restoreStore(other, file)).toEqual(summary.rows);
    await expect(restoreStore(other, path.join(folder, 'none'))).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  test('that cannot be put in its place leaves nothing behind, and the store goes on', async () => {
    const folder = newFolder();
    const file = path.join(folder, 'taken');
    mkdirSync(path.join(file, 'x'), { recursive: true });
    await expect(backupStore(store, file)).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(readdirSync(folder)).toEqual(['taken']);
    const broken = new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error('x'), { code: 'ENOSPC' })),
    });
    await expect(backupStore(store, broken)).rejects.toThrow('there is no room');
    expect(await store.health()).toEqual({ isUp: true });
  });
});
