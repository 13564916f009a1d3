import process from 'node:process';
import { HubError } from '@civex/errors';
import { makeExecutableSchema } from '@graphql-tools/schema';
import { expect, onTestFinished, test } from 'vitest';
import { createFakeSource } from './testing/fake-source.ts';
import { createTestGateway } from './testing/test-hub.ts';

test.each([true, false])(
  'a question that fails at once in one field and later in another is refused, and nothing fails unseen (fast lane: %s)',
  async (fastLane) => {
    const unseen: unknown[] = [];
    const see = (error: unknown): void => void unseen.push(error);
    process.on('unhandledRejection', see);
    onTestFinished(() => void process.off('unhandledRejection', see));
    const { gateway } = createTestGateway({
      fastLane,
      createSource({ id }) {
        const source = createFakeSource(id, 3);
        if (id === 'b') source.fault = new HubError('SOURCE_TIMEOUT', 'Too slow.', { source: 'b' });
        return source;
      },
    });
    onTestFinished(() => gateway.close());
    for (const query of [
      '{datasets(filter:{themes:["NONE"]}){totalCount} catalogs(ids:["nowhere"]){id}}',
      '{a:datasets(first:0){totalCount} b:datasets(first:-1){totalCount} catalogs(ids:["nowhere"]){id}}',
      '{dataset(id:"b:d1"){id} x:datasetsById(ids:["a:d1","b:d1"]){id} catalogs(ids:["nowhere"]){id}}',
    ]) {
      const result = await gateway.execute({ query }, {});
      expect(result.data).toBeNull();
      expect(result.errors?.map(({ extensions }) => extensions['code'])).toContain('INPUT_INVALID');
    }
    // Rejections that nobody has taken are told when the queue of promises is empty.
    await new Promise((resolve) => setImmediate(resolve));
    expect(unseen).toEqual([]);
  },
);

test('thousands of wrong values in variables are refused with fifty errors at most', async () => {
  const { gateway } = createTestGateway();
  onTestFinished(() => gateway.close());
  const i = Array.from({ length: 4_900 }, () => ({}));
  const result = await gateway.execute({ query: 'query($i:[ID!]!){datasetsById(ids:$i){id}}', variables: { i } }, {});
  expect(result.data).toBeUndefined();
  expect(result.errors?.length).toBeLessThanOrEqual(50);
});

test.each([
  ['{weather{__typename}}', { __typename: 'Weather' }],
  ['{weather{...F}} fragment F on Weather{__typename}', { __typename: 'Weather' }],
  ['{weather{...on Weather{__typename}}}', { __typename: 'Weather' }],
  ['{weather{...on Weather@include(if:true){__typename}}}', { __typename: 'Weather' }],
  ['{weather{degrees}}', { degrees: 7 }],
  ['{weather{degrees@skip(if:true) degrees}}', { degrees: 7 }],
  ['{weather{degrees@include(if:false) sky a:degrees degrees}}', { sky: 'blue', a: 7, degrees: 7 }],
  ['{weather{...on Weather@skip(if:true){sky degrees} sky}}', { sky: 'blue' }],
  ['{weather{degrees@skip(if:true)}}', {}],
])('another subschema answers %s whole', async (query, weather) => {
  const { gateway } = createTestGateway({
    extensions: [
      {
        schema: makeExecutableSchema({
          typeDefs: 'type Query { weather: Weather! } type Weather { degrees: Int sky: String! }',
          resolvers: { Query: { weather: () => ({ degrees: 7, sky: 'blue' }) } },
        }),
      },
    ],
  });
  onTestFinished(() => gateway.close());
  expect(JSON.parse(JSON.stringify(await gateway.execute({ query }, {})))).toEqual({ data: { weather } });
});
