import type { Dataset } from '@civex/model';
import fc from 'fast-check';
import { parse } from 'graphql';
import type { ExecutionResult } from 'graphql';
import { expect, test } from 'vitest';
import { createHubContext } from './context.ts';
import { markProjected, rememberProjection, stringifyData } from './projection.ts';
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

test('a large answer is made in pieces, and they are its text', () => {
  const leaf = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constant(undefined), fc.string({ unit: 'binary' }));
  const long = fc.constantFrom('x', 'é"\n', '\u2028').map((text) => text.repeat(40_000));
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { depthSize: 'small' },
      leaf,
      long,
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.array(leaf, { maxLength: 6 }).map((parts) => Array.from({ length: 6_000 }, (_, at) => parts[at % 6])),
      fc.dictionary(fc.oneof(fc.string(), fc.constant('__proto__')), tie('tree'), { maxKeys: 4 }),
    ),
  }));
  let [whole, inPieces] = [0, 0];
  fc.assert(
    fc.property(fc.dictionary(fc.string(), tree, { maxKeys: 3 }), fc.boolean(), (data, isProjected) => {
      const part = { ...data };
      const answer = isProjected ? { part, parts: [part, part], ...data } : data;
      if (isProjected) {
        rememberProjection({} as Dataset, {}, part);
        markProjected(answer);
      }
      for (const _ of [1, 2]) {
        const text = stringifyData(answer);
        if (typeof text === 'string') whole++;
        else inPieces++;
        expect(typeof text === 'string' ? text : [...text].join('')).toBe(JSON.stringify(answer));
      }
    }),
    { seed: 20261123, numRuns: 200 },
  );
  expect(whole).toBeGreaterThan(50);
  expect(inPieces).toBeGreaterThan(50);
});
