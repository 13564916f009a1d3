import { parse } from 'graphql';
import type { ExecutionResult } from 'graphql';
import { expect, test } from 'vitest';
import { createHubContext } from './context.ts';
import { stringifyData } from './projection.ts';
import { createPublicSchema } from './public-schema.ts';
import { createFakeServices, createFakeSource } from './testing/fake-source.ts';
import type { FakeSource } from './testing/fake-source.ts';

const { schema, execute } = createPublicSchema({ fastLane: true });
const query = parse(`{
  datasetsById(ids: ["a:d1", "a:d0", "a:d1"]) { id title(lang: "en") publisher { name } distributions { id byteSize } recordCount }
  datasets(first: 2) { totalCount nodes { id titles } sources { catalog } }
}`);

async function ask(source: FakeSource): Promise<ExecutionResult> {
  const context = createHubContext(createFakeServices(true), new Map([[source.info.source, source]]), {
    requestId: 'r',
  });
  return (await execute({ schema, document: query, contextValue: context })) as ExecutionResult;
}

test('an answer made of remembered parts is the same text, key for key', async () => {
  const source = createFakeSource('a', 4);
  const first = await ask(source);
  const second = await ask(source);
  expect(first.errors).toBeUndefined();
  expect(stringifyData(second.data)).toBe(JSON.stringify(first.data));
  expect(stringifyData(second.data)).toBe(JSON.stringify(second.data));
  expect(stringifyData(first.data)).toBe(JSON.stringify(first.data));
});

test('a field that cannot be told is told as an error each time', async () => {
  const source = createFakeSource('a', 4, { recordCount: 2 ** 40 });
  for (const _ of [1, 2, 3]) {
    const { errors, data } = await ask(source);
    expect(errors?.map(({ path }) => path)).toEqual([
      ['datasetsById', 0, 'recordCount'],
      ['datasetsById', 1, 'recordCount'],
      ['datasetsById', 2, 'recordCount'],
    ]);
    expect(
      ((data?.['datasetsById'] ?? []) as { recordCount: unknown }[]).map(({ recordCount }) => recordCount),
    ).toEqual([null, null, null]);
  }
});

test('a source whose dataset has changed is told as it is', async () => {
  const before = await ask(createFakeSource('a', 4));
  const after = await ask(createFakeSource('a', 4, { recordCount: 7 }));
  expect(stringifyData(after.data)).toBe(JSON.stringify(after.data));
  expect(stringifyData(after.data)).not.toBe(stringifyData(before.data));
});
