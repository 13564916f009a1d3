import { HUB_ERROR_CODES, HubError } from '@civex/errors';
import { makeExecutableSchema } from '@graphql-tools/schema';
import { buildSchema, execute, GraphQLError, parse, validate } from 'graphql';
import type { ExecutionResult } from 'graphql';
import { describe, expect, test } from 'vitest';
import { createErrorBoundary, findHubError } from './error-boundary.ts';
import { createFakeSource } from './testing/fake-source.ts';
import { createTestGateway } from './testing/test-hub.ts';
import type { TestGateway } from './testing/test-hub.ts';

const SECRET = 'portal words at https://portal.invalid/?key=1';

interface Masked {
  readonly message: string;
  readonly path?: readonly (string | number)[];
  readonly extensions: Readonly<Record<string, unknown>>;
}

function mask(error: unknown): {
  readonly masked: Masked;
  readonly text: string;
  readonly reported: readonly unknown[];
} {
  const reported: unknown[] = [];
  const text = JSON.stringify(createErrorBoundary((raw) => reported.push(raw)).maskError(error));
  return { masked: JSON.parse(text) as Masked, text, reported };
}

/** As graphql-js hands over what a resolver threw. */
const located = (originalError: Error): GraphQLError =>
  new GraphQLError(originalError.message, { originalError, path: ['dataset'] });

describe('an error of the hub', () => {
  test.each(HUB_ERROR_CODES)('passes with its code, its words and its facts: %s', (code) => {
    const error = new HubError(
      code,
      'Our words.',
      { source: 'a', datasetId: 'a:1', retryAfterMs: 5 },
      new Error(SECRET),
    );
    const { masked, text, reported } = mask(located(error));
    expect(masked).toMatchObject({
      message: 'Our words.',
      path: ['dataset'],
      extensions: { code, source: 'a', datasetId: 'a:1', retryAfterMs: 5 },
    });
    expect(text).not.toContain('portal');
    expect(reported).toEqual([error]);
  });

  test('is found behind the layers of delegation, as many as eight', () => {
    const error = new HubError('SOURCE_TIMEOUT', 'Too slow.', { source: 'a' });
    const wrap = (layers: number): Error => (layers === 0 ? error : located(wrap(layers - 1)));
    expect(mask(wrap(8)).masked.extensions['code']).toBe('SOURCE_TIMEOUT');
    expect(findHubError(wrap(9))).toBeUndefined();
  });

  test('is found among several that delegation made one of, behind one nobody foresaw', () => {
    const denied = located(new HubError('ACCESS_DENIED', 'Not this.', { source: 'a' }));
    const { masked, text } = mask(located(new AggregateError([new Error(SECRET), denied, denied])));
    expect(masked).toMatchObject({ message: 'Not this.', extensions: { code: 'ACCESS_DENIED', source: 'a' } });
    expect(text).not.toContain('portal');
    expect(mask(located(new AggregateError([new Error(SECRET)]))).masked.extensions['code']).toBe('INTERNAL');
  });

  test('is not looked for without end', () => {
    const loop = located(new Error('x'));
    Object.defineProperty(loop, 'originalError', { value: loop });
    expect(mask(loop).masked.extensions['code']).toBe('INTERNAL');
  });

  test('is not looked for in causes: what lies behind an unforeseen error does not explain it', () => {
    const error = new Error('x', { cause: new HubError('SOURCE_TIMEOUT', 'Too slow.') });
    expect(mask(located(error)).masked.extensions).toEqual({ code: 'INTERNAL' });
  });

  test.each(HUB_ERROR_CODES)('%s carries no status', (code) => {
    expect(mask(new HubError(code, 'No.')).masked.extensions).toEqual({ code });
  });
});

describe('an error of anybody else becomes INTERNAL without a word', () => {
  const shaped = {
    code: 'SOURCE_TIMEOUT',
    facts: { source: 'a' },
    extensions: { code: 'AUTH_REQUIRED', http: { status: 401 } },
  };

  test.each<[string, unknown]>([
    ['an unforeseen one', new TypeError(SECRET)],
    ['one shaped like ours', Object.assign(new Error(SECRET), shaped, { name: 'HubError' })],
    ['a plain object shaped like ours', { name: 'HubError', message: SECRET, ...shaped }],
    [
      'one of GraphQL from a portal, located',
      new GraphQLError(SECRET, { path: ['dataset'], extensions: shaped.extensions }),
    ],
    ['one of GraphQL that a resolver threw', located(new GraphQLError(SECRET, { extensions: shaped.extensions }))],
    ['one of GraphQL around an unforeseen one', new GraphQLError(SECRET, { originalError: new Error(SECRET) })],
    ['many at once', new AggregateError([new Error(SECRET)], SECRET)],
    ['a text', SECRET],
    ['null', null],
    ['nothing', undefined],
  ])('%s', (_, error) => {
    const { masked, text, reported } = mask(error);
    expect(masked.message).toBe('Internal error.');
    expect(masked.extensions).toEqual({ code: 'INTERNAL' });
    expect(text).not.toMatch(/portal|stack|AUTH|SOURCE/);
    expect(reported).toEqual([error]);
  });
});

describe('a fault of the caller’s document', () => {
  const schema = buildSchema('type Query { a(n: Int!): Int }');

  test('passes in the words of graphql-js, and is nothing to report', () => {
    const [error] = validate(schema, parse('{zzz}'));
    const { masked, reported } = mask(error);
    expect(masked).toMatchObject({
      message: 'Cannot query field "zzz" on type "Query".',
      locations: [{ line: 1, column: 2 }],
      extensions: { code: 'INPUT_INVALID' },
    });
    expect(reported).toEqual([]);
  });

  test('passes for variables, also when a scalar refused the value', async () => {
    const { errors } = (await execute({
      schema,
      document: parse('query($n:Int!){a(n:$n)}'),
      variableValues: { n: 'x' },
    })) as ExecutionResult;
    expect(errors?.[0]?.originalError).toBeDefined();
    expect(mask(errors?.[0]).masked).toMatchObject({
      message: expect.stringContaining('$n') as string,
      extensions: { code: 'INPUT_INVALID' },
    });
  });

  test('is not believed of a scalar that failed otherwise', async () => {
    const broken = makeExecutableSchema({
      typeDefs: 'scalar Odd type Query { a(n: Odd): Int }',
      resolvers: {
        Odd: {
          parseValue: () => {
            throw new TypeError(SECRET);
          },
        },
      },
    });
    const { errors } = (await execute({
      schema: broken,
      document: parse('query($n:Odd){a(n:$n)}'),
      variableValues: { n: 1 },
    })) as ExecutionResult;
    expect(mask(errors?.[0]).text).not.toContain('portal');
    expect(mask(errors?.[0]).masked.extensions).toEqual({ code: 'INTERNAL' });
  });

  test('keeps no extensions of its own and quotes a thousand characters at most', () => {
    const error = new GraphQLError('x'.repeat(5_000), {
      extensions: { code: 'OTHER', http: { status: 401 }, more: 1 },
    });
    const { masked } = mask(error);
    expect(masked.extensions).toEqual({ code: 'INPUT_INVALID' });
    expect(masked.message).toHaveLength(1_000);
  });
});

test('what was masked passes a second time as it is, and is reported once', () => {
  const reported: unknown[] = [];
  const { maskError } = createErrorBoundary((raw) => reported.push(raw));
  const once = maskError(located(new HubError('SOURCE_TIMEOUT', 'Too slow.')), { mark: true });
  expect(maskError(once)).toBe(once);
  expect(once.extensions).toEqual({ mark: true, code: 'SOURCE_TIMEOUT' });
  expect(reported).toHaveLength(1);
});

describe('through the whole gateway', () => {
  const failing = (fault: Error): TestGateway =>
    createTestGateway({
      createSource({ id }) {
        const source = createFakeSource(id, 3);
        source.fault = fault as HubError;
        return source;
      },
    });
  const ask = async (built: TestGateway, query: string, variables: Record<string, unknown> = {}) => {
    const text = JSON.stringify(await built.gateway.execute({ query, variables }, {}));
    expect(text).not.toMatch(/stack|portal/);
    return JSON.parse(text) as { readonly data?: unknown; readonly errors?: readonly Masked[] };
  };

  const QUESTIONS = [
    '{dataset(id:"a:d1"){id}}',
    '{datasetsById(ids:["a:d1"]){id}}',
    '{datasets{nodes{id}}}',
    '{catalogs{datasets{nodes{id}}}}',
  ];

  test.each(QUESTIONS)('a portal’s own error never passes: %s', async (query) => {
    const shaped = Object.assign(new Error(SECRET), {
      name: 'HubError',
      code: 'SOURCE_TIMEOUT',
      facts: { source: SECRET },
      extensions: { code: SECRET },
    });
    for (const fault of [
      shaped,
      new GraphQLError(SECRET, { extensions: { code: 'SOURCE_TIMEOUT' } }),
      new GraphQLError(SECRET, { path: ['x'] }),
    ]) {
      const built = failing(fault);
      const { errors } = await ask(built, query);
      expect(errors?.length).toBeGreaterThan(0);
      for (const error of errors ?? [])
        expect([error.message, error.extensions]).toEqual(['Internal error.', { code: 'INTERNAL' }]);
      expect(built.masked.length).toBeGreaterThan(0);
    }
  });

  test.each(QUESTIONS)('an error of the hub passes with its place: %s', async (query) => {
    const { errors } = await ask(
      failing(new HubError('SOURCE_TIMEOUT', 'Too slow.', { source: 'a' }, new Error(SECRET))),
      query,
    );
    expect(errors?.[0]).toMatchObject({ message: 'Too slow.', extensions: { code: 'SOURCE_TIMEOUT', source: 'a' } });
    expect(errors?.[0]?.path?.length).toBeGreaterThan(0);
  });

  test.each<[string, string, Record<string, unknown>]>([
    ['does not parse', '{', {}],
    ['has too many tokens', `{${'a '.repeat(5_000)}}`, {}],
    ['asks an unknown field', '{nothing}', {}],
    ['changes something', 'mutation{a}', {}],
    ['has a variable of the wrong type', 'query($n:Int){datasets(first:$n){nodes{id}}}', { n: 'x' }],
    ['has a null variable where there is none', 'query($n:Int){datasets(first:$n){nodes{id}}}', { n: null }],
    ['lacks a variable', 'query($n:ID!){dataset(id:$n){id}}', {}],
    [
      'has a date that is none',
      'query($n:DateTime){datasets(filter:{modifiedSince:$n}){nodes{id}}}',
      { n: '2026-02-30T00:00:00Z' },
    ],
    ['has an order that is none', '{datasets(orderBy:BEST){nodes{id}}}', {}],
    [
      'has a whole number too large',
      '{dataset(id:"a:d1"){records(filter:{property:"n",eq:9007199254740993}){totalCount}}}',
      {},
    ],
    [
      'has a deep literal with a variable in it',
      `query($n:JSON){dataset(id:"a:d1"){records(filter:{property:"n",eq:${'['.repeat(80)}$n${']'.repeat(80)}}){totalCount}}}`,
      { n: 1 },
    ],
  ])('a document that %s is the caller’s fault, not the hub’s', async (_, query, variables) => {
    const built = createTestGateway();
    const { errors } = await ask(built, query, variables);
    expect(errors?.map(({ extensions }) => extensions)).toEqual([{ code: 'INPUT_INVALID' }]);
    expect(built.masked.filter((error) => findHubError(error)?.code !== 'INPUT_INVALID')).toEqual([]);
  });
});
