import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FIRST, open, removeFolders, SERVERS, type TestServer } from './test-support/servers.ts';

afterAll(removeFolders);

describe.each(SERVERS)('on $name', ({ isHere, start }) => {
  let server: TestServer;
  beforeAll(async () => {
    if (isHere) server = await start();
  }, 30_000);
  afterAll(async () => {
    if (isHere) await server.stop();
  });
  const openAt = async (databaseUrl: string, migrations = FIRST) => await open('/unused', migrations, { databaseUrl });

  test.skipIf(!isHere)('a failed transaction is undone', async () => {
    await using store = await openAt(await server.newDatabase());
    await expect(
      store.transaction(async (db) => {
        await db.insertInto('note').values({ text: 'undone' }).execute();
        throw new Error('stop');
      }),
    ).rejects.toThrow('stop');
    expect(await store.use((db) => db.selectFrom('note').selectAll().execute())).toEqual([]);
  });

  test.skipIf(!isHere)('a transaction that swallows the error of a statement does not resolve', async () => {
    await using store = await openAt(await server.newDatabase());
    await expect(
      store.transaction(async (db) => {
        await db.insertInto('note').values({ text: 'lost' }).execute();
        await sql`select 1 / 0`.execute(db).catch(() => undefined);
      }),
    ).rejects.toThrow();
    expect(await store.use((db) => db.selectFrom('note').selectAll().execute())).toEqual([]);
  });

  test.skipIf(!isHere)('two hubs that start together migrate once and share what they write', async () => {
    const databaseUrl = await server.newDatabase();
    const [one, two] = await Promise.all([openAt(databaseUrl), openAt(databaseUrl)]);
    await one.use((db) => db.insertInto('note').values({ text: 'shared' }).execute());
    expect(await two.use((db) => db.selectFrom('note').select('text').execute())).toEqual([{ text: 'shared' }]);
    await Promise.all([one.close(), two.close()]);
  });

  test.skipIf(!isHere)('changed, unknown and skipped migrations are refused, new ones applied', async () => {
    const databaseUrl = await server.newDatabase();
    const third = { ...FIRST, '0003-more': { statements: ['alter table note add column more text'] } };
    await (await openAt(databaseUrl, third)).close();
    await expect(openAt(databaseUrl, FIRST)).rejects.toThrow('0003-more, which this hub does not know');
    await expect(openAt(databaseUrl, { ...third, '0001-note': { statements: ['select 1'] } })).rejects.toThrow(
      '0001-note was changed',
    );
    await expect(openAt(databaseUrl, { ...third, '0002-late': { statements: ['select 1'] } })).rejects.toThrow(
      '0002-late is missing',
    );
    await (await openAt(databaseUrl, { ...third, '0004-new': { statements: ['select 1'] } })).close();
  });

  test.skipIf(!isHere)('a migration that fails leaves nothing behind', async () => {
    const databaseUrl = await server.newDatabase();
    const broken = { ...FIRST, '0002-broken': { statements: ['create table half (id int)', 'select 1 / 0'] } };
    await expect(openAt(databaseUrl, broken)).rejects.toThrow('division by zero');
    await using store = await openAt(databaseUrl, {});
    const tables = await store.use((db) =>
      sql`select 1 from pg_tables where schemaname = 'public' and tablename <> 'civex_migration'`.execute(db),
    );
    expect(tables.rows).toEqual([]);
  });

  test.skipIf(!isHere)('migrations that a backup could not hold are refused', async () => {
    const databaseUrl = await server.newDatabase();
    await expect(
      openAt(databaseUrl, { '0001-a': { statements: ['create schema s', 'create table s.t (id int)'] } }),
    ).rejects.toThrow("s.t outside the hub's schema");
    await expect(
      openAt(databaseUrl, { '0001-a': { statements: ['create table t (id int)', 'insert into t values (1)'] } }),
    ).rejects.toThrow('write rows into the new table t');
  });

  test.skipIf(!isHere)('text that is not kept in UTF8 is refused', async () => {
    const databaseUrl = new URL(await server.newDatabase());
    await using store = await open<unknown>('/unused', {}, { databaseUrl: databaseUrl.href });
    const name = `ascii_${databaseUrl.pathname.slice(1)}`;
    await store.use((db) =>
      sql.raw(`create database ${name} encoding 'SQL_ASCII' template template0 locale 'C'`).execute(db),
    );
    databaseUrl.pathname = `/${name}`;
    await expect(openAt(databaseUrl.href)).rejects.toThrow('does not keep its text in UTF8');
  });
});
