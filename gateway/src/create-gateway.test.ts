import { HubError } from '@civex/errors';
import type { SourceConfig } from '@civex/config';
import type { ExecutionResult } from 'graphql';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createFakeSource } from './testing/fake-source.ts';
import { createHeldSource, createTestGateway, testConfig } from './testing/test-hub.ts';
import type { HeldSource, TestGateway } from './testing/test-hub.ts';

const ask = async ({ gateway }: TestGateway, query: string): Promise<ExecutionResult> =>
  JSON.parse(JSON.stringify(await gateway.execute({ query }, {}))) as ExecutionResult;

describe('replacing the sources', () => {
  /** A gateway over sources that hold their answers, by id in the order of their creation. */
  function createHeldGateway(ids: readonly string[]) {
    const held = new Map<string, HeldSource[]>();
    const built = createTestGateway({
      config: testConfig(ids),
      createSource({ id }) {
        const source = createHeldSource(id);
        held.set(id, [...(held.get(id) ?? []), source]);
        return source;
      },
    });
    onTestFinished(() => built.gateway.close());
    const source = (id: string, n = 0): HeldSource => held.get(id)![n]!;
    return { ...built, source, created: () => [...held].map(([id, sources]) => `${id} ${sources.length}`) };
  }

  test('lets a request finish on a source that was removed, and closes the source only then', async () => {
    const built = createHeldGateway(['a', 'b']);
    const running = ask(built, '{a:dataset(id:"a:d1"){id} catalogs{id}}');
    await built.source('a').asked.passed;
    expect(built.gateway.replaceSources(testConfig(['b']))).toMatchObject({ removed: ['a'] });
    expect(built.source('a').isClosed()).toBe(false);
    // Those who come later do not see it.
    expect(await ask(built, '{a:dataset(id:"a:d1"){id} catalogs{id}}')).toEqual({
      data: { a: null, catalogs: [{ id: 'b' }] },
    });
    expect(built.source('a').isClosed()).toBe(false);
    built.source('a').gate.open();
    expect(await running).toEqual({ data: { a: { id: 'a:d1' }, catalogs: [{ id: 'a' }, { id: 'b' }] } });
    expect(built.source('a').isClosed()).toBe(true);
    expect(built.source('b').isClosed()).toBe(false);
  });

  test('closes a removed source at once when nobody asks it', () => {
    const built = createHeldGateway(['a', 'b']);
    built.gateway.replaceSources(testConfig(['b']));
    expect([built.source('a').isClosed(), built.source('b').isClosed()]).toEqual([true, false]);
  });

  test('waits for the last of several requests, of several reloads', async () => {
    const built = createHeldGateway(['a', 'b']);
    const first = ask(built, '{dataset(id:"a:d1"){id}}');
    await built.source('a').asked.passed;
    built.gateway.replaceSources(testConfig(['a', 'b', 'c']));
    const second = ask(built, '{dataset(id:"b:d1"){id}}');
    await built.source('b').asked.passed;
    built.gateway.replaceSources(testConfig(['c']));
    const states = (): readonly boolean[] => ['a', 'b', 'c'].map((id) => built.source(id).isClosed());
    expect(states()).toEqual([false, false, false]);
    built.source('a').gate.open();
    await first;
    // The second request began with `a` too, and could still ask it.
    expect(states()).toEqual([false, false, false]);
    built.source('b').gate.open();
    await second;
    expect(states()).toEqual([true, true, false]);
  });

  test('keeps the objects of sources that did not change, in the new order, and asks added ones', async () => {
    const built = createHeldGateway(['a', 'b']);
    const [a, b] = [built.gateway.sources().get('a'), built.gateway.sources().get('b')];
    expect(built.gateway.replaceSources(testConfig(['c', 'b', 'a']))).toEqual({
      added: ['c'],
      changed: [],
      removed: [],
    });
    expect([...built.gateway.sources().keys()]).toEqual(['c', 'b', 'a']);
    expect(built.gateway.sources().get('a')).toBe(a);
    expect(built.gateway.sources().get('b')).toBe(b);
    expect(built.created()).toEqual(['a 1', 'b 1', 'c 1']);
    built.source('c').gate.open();
    expect(await ask(built, '{dataset(id:"c:d1"){id}}')).toEqual({ data: { dataset: { id: 'c:d1' } } });
  });

  test('makes a changed source anew and closes the old one', async () => {
    const built = createHeldGateway(['a', 'b']);
    const next = testConfig(['a', 'b']);
    const changed: SourceConfig[] = next.sources.map((source) =>
      source.id === 'a' ? { ...source, title: 'New' } : source,
    );
    expect(built.gateway.replaceSources({ ...next, sources: changed })).toMatchObject({
      added: [],
      changed: ['a'],
      removed: [],
    });
    expect([built.source('a').isClosed(), built.source('b').isClosed()]).toEqual([true, false]);
    built.source('a', 1).gate.open();
    expect(await ask(built, '{dataset(id:"a:d1"){id}}')).toEqual({ data: { dataset: { id: 'a:d1' } } });
    expect([built.source('a').signals.length, built.source('a', 1).signals.length]).toEqual([0, 1]);
  });

  test('frees a source although its last request failed', async () => {
    const built = createHeldGateway(['a']);
    const gone = new AbortController();
    const running = built.gateway.execute({ query: '{dataset(id:"a:d1"){id}}' }, { signal: gone.signal });
    await built.source('a').asked.passed;
    built.gateway.replaceSources(testConfig(['b']));
    gone.abort(new HubError('CANCELLED', 'Gone.'));
    await running;
    expect(built.source('a').isClosed()).toBe(true);
  });

  test('a source that cannot be closed is told to the operator and harms nobody', async () => {
    const broken = new Error('cannot close');
    const built = createTestGateway({
      createSource: ({ id }) => ({ ...createFakeSource(id, 3), close: () => Promise.reject(broken) }),
    });
    built.gateway.replaceSources(testConfig(['b']));
    expect((await ask(built, '{dataset(id:"b:d1"){id}}')).data).toEqual({ dataset: { id: 'b:d1' } });
    expect(built.masked).toEqual([broken]);
  });

  test('closing the gateway closes every source, removed ones in use included', async () => {
    const built = createHeldGateway(['a', 'b']);
    const running = ask(built, '{dataset(id:"a:d1"){id}}');
    await built.source('a').asked.passed;
    built.gateway.replaceSources(testConfig(['b']));
    await built.gateway.close();
    expect([built.source('a').isClosed(), built.source('b').isClosed()]).toEqual([true, true]);
    built.source('a').gate.open();
    await running;
  });
});

describe('a source server', () => {
  const served = (ids: readonly string[] = ['a']): TestGateway =>
    createTestGateway({
      config: testConfig(ids),
      serves: 'source',
      createSource: ({ id }) => createFakeSource(id, 60),
    });

  test('serves what hubs ask sources, and nothing that people ask hubs', async () => {
    const built = served();
    expect((await ask(built, '{sourceDataset(source:"a",id:"a:d1"){title}}')).data).toEqual({
      sourceDataset: { title: 'Titre d1' },
    });
    expect((await ask(built, '{datasets{nodes{id}}}')).errors?.[0]?.extensions).toEqual({ code: 'INPUT_INVALID' });
    expect((await ask(built, '{sourceDataset(source:"zz",id:"zz:d1"){title}}')).errors?.[0]?.extensions).toEqual({
      code: 'NOT_FOUND',
    });
  });

  test('takes the fifty questions that a hub puts into one document', async () => {
    const fields =
      'title description keywords themes publisher{name} license{status id title} distributions{format downloadURL} queryables{name type} records(first:5){nodes{id} totalCount}';
    const query = (count: number): string =>
      `{${Array.from({ length: count }, (_, n) => `_${n}_sourceDataset:sourceDataset(source:"a",id:"a:d${n}"){..._${n}_F}`).join(' ')}} ${Array.from({ length: count }, (_, n) => `fragment _${n}_F on Dataset{${fields}}`).join(' ')}`;
    // One definition is the operation; a hub that needs fifty fragments puts one less into a document.
    const { data, errors } = await ask(served(), query(50));
    expect((errors ?? []).filter(({ extensions }) => String(extensions?.['code']).startsWith('INPUT_'))).toEqual([]);
    expect(Object.keys(data ?? {})).toHaveLength(50);
    expect(
      (
        await ask(
          served(),
          `{${Array.from({ length: 1_001 }, (_, n) => `_${n}:sourceInfo(source:"a"){title}`).join(' ')}}`,
        )
      ).errors?.[0]?.extensions,
    ).toEqual({ code: 'INPUT_TOO_COSTLY' });
  });

  test('marks the errors of fields that have a value all the same', async () => {
    const built = served();
    const { data, errors } = await ask(built, '{sourceDataset(source:"a",id:"a:d2"){records{source{status}}}}');
    expect(data).toEqual({ sourceDataset: { records: { source: { status: 'FAILED' } } } });
    expect(errors?.map(({ path, extensions }) => [path, extensions])).toEqual([
      [
        ['sourceDataset', 'records'],
        { source: 'a', datasetId: 'a:d2', code: 'CAPABILITY_MISSING', civexPartial: true },
      ],
    ]);
    expect(
      (await ask(createTestGateway(), '{dataset(id:"a:d2"){records{source{status}}}}')).errors?.[0]?.extensions,
    ).toEqual({
      source: 'a',
      datasetId: 'a:d2',
      code: 'CAPABILITY_MISSING',
    });
  });
});

test('a request knows nothing of another: each has its own loaders and errors', async () => {
  const built = createTestGateway({ config: testConfig(['a']) });
  await Promise.all([ask(built, '{dataset(id:"a:d1"){id}}'), ask(built, '{dataset(id:"a:d1"){id}}')]);
  expect(built.sources[0]?.batches).toEqual([['d1'], ['d1']]);
  const [failing, fine] = await Promise.all([
    ask(built, '{dataset(id:"a:d2"){records{totalCount}}}'),
    ask(built, '{dataset(id:"a:d1"){id}}'),
  ]);
  expect(failing?.errors).toHaveLength(1);
  expect(fine?.errors).toBeUndefined();
});
