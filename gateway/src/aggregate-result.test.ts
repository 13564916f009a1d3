import { HubError } from '@civex/errors';
import { execute, parse } from 'graphql';
import type { ExecutionResult } from 'graphql';
import { describe, expect, test } from 'vitest';
import { createHubContext } from './context.ts';
import { createPublicSchema } from './public-schema.ts';
import type { PublicSchema } from './public-schema.ts';
import { createFakeServices, createFakeSource } from './testing/fake-source.ts';

const compiled = createPublicSchema({ fastLane: true });
const fast: PublicSchema = { schema: compiled.schema, execute };
const slow = createPublicSchema({ fastLane: false });

const COUNT = `aggregate(groupBy: [{ property: "n" }], measures: [{ as: "count", op: COUNT }])
  { groups { key measures } truncated plan { requests portalQuery } source { catalog status error { code } } provenance { dataset } }`;

async function ask(schema: PublicSchema, query: string, fault: (id: string) => HubError | null = () => null) {
  const sources = [createFakeSource('a', 5)];
  const context = createHubContext(
    createFakeServices(schema !== slow, fault),
    new Map(sources.map((source) => [source.info.source, source])),
    { requestId: 'r' },
  );
  const result = (await schema.execute({
    schema: schema.schema,
    document: parse(query),
    contextValue: context,
  })) as ExecutionResult;
  return {
    data: JSON.parse(JSON.stringify(result.data)) as unknown,
    errors: result.errors,
    partial: context.partialErrors,
  };
}

describe.each([
  ['compiled', compiled],
  ['in the fast lane', fast],
  ['delegated', slow],
])('an aggregate, %s', (_way, schema) => {
  test('has keys and measures as the door made them', async () => {
    const { data, errors } = await ask(schema, `{ dataset(id: "a:d1") { ${COUNT} } }`);
    expect(errors).toBeUndefined();
    expect(data).toEqual({
      dataset: {
        aggregate: {
          groups: [{ key: { n: null }, measures: { count: 1, sum: '9007199254740993' } }],
          truncated: false,
          plan: { requests: 1, portalQuery: ['q'] },
          source: { catalog: 'a', status: 'OK', error: null },
          provenance: { dataset: 'a:d1' },
        },
      },
    });
  });

  test('of a portal that fails is empty, says so, and leaves its siblings alone', async () => {
    const { data, errors, partial } = await ask(
      schema,
      `{ x: dataset(id: "a:d1") { title ${COUNT} } y: dataset(id: "a:d3") { ${COUNT} } }`,
      (id) => (id === 'a:d1' ? new HubError('SOURCE_TIMEOUT', 'Too slow.') : null),
    );
    expect(errors).toBeUndefined();
    expect(data).toMatchObject({
      x: {
        title: 'Titre d1',
        aggregate: { groups: [], source: { status: 'FAILED', error: { code: 'SOURCE_TIMEOUT' } } },
      },
      y: { aggregate: { groups: [{}], source: { status: 'OK' } } },
    });
    expect(partial.map(({ path }) => path)).toEqual([['x', 'aggregate']]);
  });

  test('that the caller got wrong is an error at its field', async () => {
    const { data, errors } = await ask(
      schema,
      `{ dataset(id: "a:d1") { ${COUNT} } }`,
      () => new HubError('INPUT_INVALID', 'measures: no.'),
    );
    expect(data).toEqual({ dataset: null });
    expect(errors?.map(({ path }) => path)).toEqual([['dataset', 'aggregate']]);
  });

  test('is made anew each time the same question is asked', async () => {
    const query = `{ dataset(id: "a:d1") { title ${COUNT} } }`;
    const sources = createFakeSource('a', 5);
    const statuses: unknown[] = [];
    for (const fault of [null, new HubError('SOURCE_TIMEOUT', 'Too slow.'), null]) {
      const context = createHubContext(
        createFakeServices(schema !== slow, () => fault),
        new Map([['a', sources]]),
        {
          requestId: 'r',
        },
      );
      const { data } = (await schema.execute({
        schema: schema.schema,
        document: parse(query),
        contextValue: context,
      })) as ExecutionResult;
      statuses.push(JSON.parse(JSON.stringify(data)).dataset.aggregate.source.status);
    }
    expect(statuses).toEqual(['OK', 'FAILED', 'OK']);
  });
});
