import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isOutcomeUnknown, isStoreUnavailable, type Store } from './index.ts';
import { checkServerVersion, toStoreError } from './store-error.ts';
import { startFakeServer, type FakeAnswer } from './test-support/fake-server.ts';
import { FIRST, hastyEnvironment, newFolder, open, removeFolders, type Tables } from './test-support/servers.ts';

afterAll(removeFolders);
const thrownBy = async (work: Promise<unknown>): Promise<unknown> =>
  await work.then(
    () => expect.unreachable('it resolved'),
    (error: unknown) => error,
  );

describe('a server that misbehaves', () => {
  let real: Store<Tables>;
  beforeAll(async () => {
    real = await open(newFolder());
  });
  afterAll(async () => await real.close());
  const texts = async (): Promise<readonly string[]> =>
    (await real.use((db) => db.selectFrom('note').select('text').execute())).map(({ text }) => text);
  /** A store whose connection does `answer` on the statement that holds `word`. */
  const openBehind = async (word: string, answer: FakeAnswer) => {
    let isOn = false;
    const fake = await startFakeServer(
      (statement) => (isOn && statement.toLowerCase().includes(word) ? answer : 'pass'),
      real.address,
    );
    const store = await open('/unused', FIRST, { databaseUrl: fake.databaseUrl, environment: hastyEnvironment(20) });
    isOn = true;
    return {
      store,
      heal: () => (isOn = false),
      [Symbol.asyncDispose]: async () => {
        await store.close();
        await fake.stop();
      },
    };
  };
  const write = (store: Store<Tables>, text: string): Promise<unknown> =>
    store.transaction((db) => db.insertInto('note').values({ text }).execute());

  test.each(['cut', 'cut-after', 'hang'] as const)('a commit that is %s has an unknown outcome', async (answer) => {
    await using behind = await openBehind('commit', answer);
    const text = `commit ${answer}`;
    const error = await thrownBy(write(behind.store, text));
    expect(error).toMatchObject({ code: 'INTERNAL', message: expect.stringContaining('may or may not be kept') });
    expect(isOutcomeUnknown(error) && isStoreUnavailable(error)).toBe(true);
    // Both are possible: which one, only the database knows.
    expect(await texts()).toEqual(
      answer === 'cut-after' ? expect.arrayContaining([text]) : expect.not.arrayContaining([text]),
    );
    behind.heal();
    await write(behind.store, `after ${text}`);
    expect(await texts()).toContain(`after ${text}`);
  });

  test.each(['cut', 'hang'] as const)(
    'a transaction that is %s before its commit says that nothing was written',
    async (answer) => {
      await using behind = await openBehind('select 42', answer);
      const text = `before ${answer}`;
      const error = await thrownBy(
        behind.store.transaction(async (db) => {
          await db.insertInto('note').values({ text }).execute();
          // Without parameters it is one message, which the server between them reads.
          await db.selectNoFrom((eb) => eb.lit(42).as('n')).execute();
        }),
      );
      expect(error).toMatchObject({ message: expect.stringContaining('Nothing was written') });
      expect(isStoreUnavailable(error)).toBe(true);
      expect(isOutcomeUnknown(error)).toBe(false);
      expect(await texts()).not.toContain(text);
    },
  );

  test('a single statement without an answer has an unknown outcome', async () => {
    await using behind = await openBehind('default values', 'cut');
    const error = await thrownBy(behind.store.use((db) => db.insertInto('note').defaultValues().execute()));
    expect(isOutcomeUnknown(error)).toBe(true);
  });

  test('closing does not wait for work under way longer than its bound', async () => {
    const behind = await openBehind('select 42', 'hang');
    // 2 s divided by 20; the statement itself would be given up after 17 s divided by 20.
    const work = thrownBy(behind.store.use((db) => db.selectNoFrom((eb) => eb.lit(42).as('n')).execute()));
    await behind.store.close();
    expect(isStoreUnavailable(await work)).toBe(true);
    expect(isStoreUnavailable(await thrownBy(write(behind.store, 'after the end')))).toBe(true);
    await behind[Symbol.asyncDispose]();
  });

  test('when every connection is taken, the next one is refused after 5 s', async () => {
    await using store = await open('/unused', FIRST, { databaseUrl: real.address });
    const { promise: gate, resolve: openGate } = Promise.withResolvers<void>();
    const holders = Array.from({ length: 10 }, () => store.transaction(async () => await gate));
    const error = await thrownBy(write(store, 'one too many'));
    expect(isStoreUnavailable(error) && !isOutcomeUnknown(error)).toBe(true);
    openGate();
    await Promise.all(holders);
    await write(store, 'room again');
  }, 10_000);
});

describe('a server that is not ours', () => {
  test('before 15 is refused with its version', async () => {
    const fake = await startFakeServer((statement) =>
      statement === 'show server_version_num' ? { text: ['140022'], names: ['server_version_num'] } : 'hang',
    );
    const error = await thrownBy(open('/unused', FIRST, { databaseUrl: fake.databaseUrl }));
    expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
    expect(String(error)).toContain('PostgreSQL 14; 15 or newer');
    await fake.stop();
    expect(() => checkServerVersion(Number.NaN)).toThrow('15 or newer');
    expect(() => checkServerVersion(150_000)).not.toThrow();
  });

  test('that cannot be reached is named as such', async () => {
    const error = await thrownBy(
      open('/unused', FIRST, { databaseUrl: `postgres://u@localhost/x?host=${newFolder()}` }),
    );
    expect(error).toMatchObject({ code: 'INTERNAL', facts: { retryAfterMs: 1000 } });
    expect(isStoreUnavailable(error)).toBe(true);
  });

  test('a wrong address does not show its password', async () => {
    const error = await thrownBy(open('/unused', FIRST, { databaseUrl: 'postgres://u:s3cret@[bad/x' }));
    expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error)) + String((error as Error).cause)).not.toContain(
      's3cret',
    );
  });
});

describe('what an error of the server says of the write', () => {
  const of = (severity: string, code: string) => Object.assign(new Error('x'), { severity, code });

  test.each([
    ['ERROR', '53100', 'COMMIT', 'The storage is full. Nothing was written.'],
    ['PANIC', '53100', 'COMMIT', 'may or may not be kept'],
    ['PANIC', '53100', 'TRANSACTION', 'Nothing was written'],
    ['ERROR', '57014', 'STATEMENT', 'took too long and was stopped. Nothing was written.'],
    ['FEHLER', '57014', 'STATEMENT', 'may or may not be kept'],
    ['FATAL', '57P01', 'STATEMENT', 'may or may not be kept'],
    ['FATAL', '57P01', 'TRANSACTION', 'not reachable at the moment. Nothing was written.'],
    ['FATAL', '57P03', 'CONNECT', 'not reachable at the moment. Nothing was written.'],
  ] as const)('%s %s while %s', (severity, code, phase, text) => {
    const error = toStoreError(of(severity, code), phase);
    expect(error).toMatchObject({ code: 'INTERNAL', message: expect.stringContaining(text) });
    expect(isStoreUnavailable(error)).toBe(true);
  });

  test('an error about the statement comes back as it is', () => {
    const error = of('ERROR', '23505');
    expect(toStoreError(error, 'COMMIT')).toBe(error);
    expect(isStoreUnavailable(error)).toBe(false);
  });
});
