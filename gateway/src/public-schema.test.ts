import { HubError } from '@civex/errors';
import { makeExecutableSchema } from '@graphql-tools/schema';
import fc from 'fast-check';
import { execute, getNamedType, isObjectType, parse } from 'graphql';
import type { ExecutionResult, GraphQLObjectType } from 'graphql';
import { describe, expect, test } from 'vitest';
import { createHubContext } from './context.ts';
import { createPublicSchema } from './public-schema.ts';
import type { PublicSchema } from './public-schema.ts';
import { createFakeServices, createFakeSource } from './testing/fake-source.ts';
import type { FakeSource } from './testing/fake-source.ts';

const notes = {
  schema: makeExecutableSchema({
    typeDefs: `
      type Query { notesById(ids: [ID!]!): [Dataset]! favourites: [Dataset!]! }
      type Dataset { id: ID! note: String }`,
    resolvers: {
      Query: {
        notesById: (_: unknown, { ids }: { ids: string[] }) => ids.map((id) => ({ id, note: `note on ${id}` })),
        favourites: () => ['a:d1', 'b:d1', 'b:d0'].map((id) => ({ id, note: `note on ${id}` })),
      },
    },
  }),
  merge: {
    Dataset: {
      selectionSet: '{ id }',
      fieldName: 'notesById',
      key: ({ id }: { id: string }) => id,
      argsFromKeys: (ids: readonly string[]) => ({ ids }),
    },
  },
};

/** The short way, the short way executed by graphql-js, and delegation for everything. */
const compiled = createPublicSchema({ fastLane: true, extensions: [notes] });
const fast: PublicSchema = { schema: compiled.schema, execute };
const slow = createPublicSchema({ fastLane: false, extensions: [notes] });
const WAYS = [compiled, fast, slow];

async function ask(
  query: string,
  options: {
    schema?: PublicSchema;
    sources?: readonly FakeSource[];
    recordFault?: (id: string) => HubError | null;
  } = {},
) {
  const sources = options.sources ?? [createFakeSource('a', 5), createFakeSource('b', 4)];
  const context = createHubContext(
    createFakeServices(options.schema !== slow, options.recordFault),
    new Map(sources.map((source) => [source.info.source, source])),
    { requestId: 'r' },
  );
  const way = options.schema ?? compiled;
  const result = (await way.execute({
    schema: way.schema,
    document: parse(query),
    contextValue: context,
  })) as ExecutionResult;
  return { result: JSON.parse(JSON.stringify(result)) as ExecutionResult, partial: context.partialErrors, sources };
}

test('the fields by which the hub asks its sources are not public', () => {
  expect(Object.keys(compiled.schema.getQueryType()!.getFields()).sort()).toEqual([
    'catalog',
    'catalogs',
    'dataset',
    'datasets',
    'datasetsById',
    'favourites',
    'notesById',
  ]);
  expect(compiled.schema.getType('SourceSlice')).toBeUndefined();
});

describe('a field that another subschema adds to Dataset merges when the dataset is reached', () => {
  test.each([
    ['by id', '{ dataset(id: "a:d1") { title note } }', 'dataset'],
    ['by ids', '{ datasetsById(ids: ["a:d1", "b:d1"]) { title note } }', 'datasetsById'],
    ['in a list', '{ datasets(first: 3) { nodes { title note } } }', 'datasets'],
    ['in the edges of a list', '{ datasets(first: 3) { edges { node { title note } } } }', 'datasets'],
    ['through its catalog', '{ catalogs { datasets(first: 2) { nodes { title note } } } }', 'catalogs'],
    ['through the other subschema', '{ favourites { note title catalog { title } } }', 'favourites'],
  ])('%s', async (_, query, field) => {
    const { result } = await ask(query);
    expect(result.errors).toBeUndefined();
    const text = JSON.stringify(result.data?.[field]);
    expect(text).toContain('"note":"note on a:d1"');
    expect(text).toContain('"title":"Titre d1"');
  });
});

test('many ids of several sources make one batch for each source, every way', async () => {
  for (const schema of WAYS) {
    const { result, sources } = await ask(
      '{ datasetsById(ids: ["a:d1", "b:d1", "a:d0", "a:d1", "b:nope", "zz:d0", "junk"]) { id } again: dataset(id: "a:d1") { title } }',
      { schema },
    );
    expect(result.data?.['datasetsById']).toEqual([
      { id: 'a:d1' },
      { id: 'b:d1' },
      { id: 'a:d0' },
      { id: 'a:d1' },
      null,
      null,
      null,
    ]);
    expect(sources.map(({ batches }) => batches)).toEqual([[['d1', 'd0']], [['d1', 'nope']]]);
  }
});

test('a failing source nulls its own entries only and adds one located error, every way', async () => {
  for (const schema of WAYS) {
    const sources = [createFakeSource('a', 5), createFakeSource('b', 4)];
    sources[0]!.fault = new HubError('SOURCE_TIMEOUT', 'The source did not answer in time.', { source: 'a' });
    const { result } = await ask('{ datasetsById(ids: ["b:d0", "a:d1", "b:d1", "a:d2"]) { id } }', { schema, sources });
    expect(result.data?.['datasetsById']).toEqual([{ id: 'b:d0' }, null, { id: 'b:d1' }, null]);
    expect(result.errors?.map(({ path, message }) => [path, message])).toEqual([
      [['datasetsById', 1], 'The source did not answer in time.'],
    ]);
  }
});

test('a failing source leaves the others in a list, with its report and a located error', async () => {
  const sources = [createFakeSource('a', 5), createFakeSource('b', 2)];
  sources[0]!.fault = new HubError('SOURCE_UNAVAILABLE', 'The source cannot be reached.', { source: 'a' });
  const { result, partial } = await ask(
    '{ datasets { nodes { id } totalCount totalIsExact sources { catalog status error { code } } } }',
    { sources },
  );
  expect(result.data?.['datasets']).toEqual({
    nodes: [{ id: 'b:d0' }, { id: 'b:d1' }],
    totalCount: 2,
    totalIsExact: false,
    sources: [
      { catalog: 'a', status: 'FAILED', error: { code: 'SOURCE_UNAVAILABLE' } },
      { catalog: 'b', status: 'OK', error: null },
    ],
  });
  expect(partial.map(({ path }) => path)).toEqual([['datasets']]);
});

test('records that fail are located where the caller asked for them, every way', async () => {
  for (const schema of WAYS) {
    const { result, partial } = await ask(
      '{ x: datasetsById(ids: ["a:d1", "b:d1", "b:d3"]) { id r: records { nodes { id } source { status error { code } } } } }',
      {
        schema,
        recordFault: (id) => (id === 'b:d3' ? new HubError('SOURCE_TIMEOUT', 'Too slow.', { source: 'b' }) : null),
      },
    );
    expect(((result.data?.['x'] ?? []) as { r: unknown }[]).map(({ r }) => r)).toEqual([
      { nodes: [{ id: '1' }], source: { status: 'OK', error: null } },
      { nodes: [{ id: '1' }], source: { status: 'OK', error: null } },
      { nodes: [], source: { status: 'FAILED', error: { code: 'SOURCE_TIMEOUT' } } },
    ]);
    expect(partial.map(({ path, message }) => [path, message])).toEqual([[['x', 2, 'r'], 'Too slow.']]);
  }
});

test('a wrong argument is an error at its field, every way', async () => {
  for (const schema of WAYS) {
    const { result } = await ask('{ dataset(id: "a:d1") { id records { nodes { value(property: "x") } } } }', {
      schema,
    });
    expect(result.errors?.map(({ path }) => path)).toEqual([['dataset', 'records', 'nodes', 0, 'value']]);
  }
});

/** Random selections of a type: aliases, fragments, arguments, nested objects; fields chosen by number. */
function select(type: GraphQLObjectType, choose: () => number, depth: number): string {
  const fields = Object.values(type.getFields()).filter(({ name }) => name !== 'datasets' || depth > 3);
  const picked = Array.from({ length: 1 + (choose() % 4) }, () => fields[choose() % fields.length]!);
  const parts = picked.map((field, index) => {
    const inner = getNamedType(field.type);
    if (isObjectType(inner) && depth === 0) return '__typename';
    const alias = choose() % 3 === 0 ? `x${depth}_${index}_${choose() % 5}_${field.name}: ` : '';
    const args =
      field.name === 'value'
        ? `(property: "${choose() % 2 === 0 ? 'n' : 'absent'}")`
        : field.name === 'aggregate'
          ? `(measures: [{ as: "count", op: COUNT }], first: ${1 + (choose() % 9)})`
          : field.args.some(({ name }) => name === 'lang') && choose() % 2 === 0
            ? `(lang: "${['fr', 'en', 'sv'][choose() % 3]}")`
            : '';
    // The same response name must mean the same thing, or the document is not valid.
    const name = args === '' ? alias : `a${depth}_${index}_${choose()}: `;
    return `${name}${field.name}${args}${isObjectType(inner) ? ` ${select(inner, choose, depth - 1)}` : ''}`;
  });
  // Two plain picks of one object field would have to merge; give each its own name by keeping the first.
  const seen = new Set<string>();
  const unique = parts.filter((part) => {
    const response = part.split(/[ ({:]/, 1)[0]!;
    return seen.has(response) ? false : seen.add(response) !== undefined;
  });
  if (choose() % 4 === 0) return `{ ... on ${type.name} { ${unique.join(' ')} } __typename }`;
  return `{ ${unique.join(' ')} }`;
}

/** The same datasets for every question, so that remembered projections take part. */
const lasting = [createFakeSource('a', 5), createFakeSource('b', 4)];

test('the compiled way, the fast lane and delegation give the same answer to random questions', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(1_000), { minLength: 400, maxLength: 400 }), async (numbers) => {
      let at = 0;
      const choose = (): number => numbers[at++ % numbers.length]!;
      const dataset = select(compiled.schema.getType('Dataset') as GraphQLObjectType, choose, 3);
      const query = [
        `{ dataset(id: "a:d${choose() % 6}") ${dataset} }`,
        `{ datasetsById(ids: ["a:d1", "b:d${choose() % 5}", "a:d0"]) ${dataset} }`,
        `{ datasets(first: ${1 + (choose() % 8)}) { totalCount pageInfo { hasNextPage endCursor } nodes ${dataset} edges { cursor node ${dataset} } } }`,
        `{ catalogs { id datasets(first: 3) { nodes ${dataset} sources { catalog status } } } }`,
      ][choose() % 4]!;
      const recordFault = (id: string): HubError | null =>
        numbers[0]! % 2 === 0 && id.endsWith('d3') ? new HubError('SOURCE_TIMEOUT', 'Too slow.') : null;
      const quick = await ask(query, { schema: compiled, recordFault, sources: lasting });
      const places = (errors: readonly { path?: unknown; message: string }[] | undefined): unknown =>
        (errors ?? []).map(({ path, message }) => JSON.stringify([path, message])).sort();
      for (const schema of [fast, slow]) {
        const other = await ask(query, { schema, recordFault, sources: lasting });
        expect(JSON.stringify(other.result.data)).toBe(JSON.stringify(quick.result.data));
        expect(places(other.result.errors)).toEqual(places(quick.result.errors));
        expect(places(other.partial)).toEqual(places(quick.partial));
      }
    }),
    { numRuns: 300, seed: 11 },
  );
});
