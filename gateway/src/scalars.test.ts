import { graphqlSync } from 'graphql';
import { makeExecutableSchema } from '@graphql-tools/schema';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { scalarResolvers } from './scalars.ts';

const schema = makeExecutableSchema({
  typeDefs: `
    scalar DateTime scalar Duration scalar URL scalar JSON scalar JSONObject scalar GeoJSON
    type Query { json(value: JSON): JSON object(value: JSONObject): JSONObject time(value: DateTime): DateTime }`,
  resolvers: {
    ...scalarResolvers,
    Query: {
      json: (_: unknown, { value }: { value: unknown }) => value,
      object: (_: unknown, { value }: { value: unknown }) => value,
      time: (_: unknown, { value }: { value: unknown }) => value,
    },
  },
});

/** The value a resolver was given, or the messages of the refusal. */
function read(source: string, variableValues: Record<string, unknown> = {}): unknown {
  const { data, errors } = graphqlSync({ schema, source, variableValues });
  return errors === undefined ? Object.values(data ?? {})[0] : errors.map(({ message }) => message);
}

const asLiteral = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(asLiteral).join(' ')}]`;
  if (typeof value === 'object' && value !== null)
    return `{${Object.entries(value)
      .map(([key, part]) => `${key}: ${asLiteral(part)}`)
      .join(' ')}}`;
  return JSON.stringify(value);
};

test('a JSONObject is an object, in the document and in variables', () => {
  expect(read('{ object(value: { a: 1 }) }')).toEqual({ a: 1 });
  for (const value of ['"x"', '[1]', '1']) {
    expect(read(`{ object(value: ${value}) }`)).toEqual([expect.stringContaining('A JSON object is needed.')]);
    expect(read('query ($v: JSONObject) { object(value: $v) }', { v: JSON.parse(value) })).toEqual([
      expect.stringContaining('A JSON object is needed.'),
    ]);
  }
});

describe('JSON', () => {
  const json = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.constant(null),
      fc.boolean(),
      fc.maxSafeInteger(),
      fc.string(),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.stringMatching(/^[_a-z][_a-zA-Z0-9]{0,8}$/), tie('value'), { maxKeys: 3 }),
    ),
  })).value;

  test('a literal and a variable are the same value', () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(read('query ($v: JSON) { json(value: $v) }', { v: value })).toEqual(value);
        expect(read(`{ json(value: ${asLiteral(value)}) }`)).toEqual(value);
      }),
      { seed: 51, numRuns: 200 },
    );
  });

  test('variables within a literal are filled in', () => {
    expect(read('query ($v: JSON) { json(value: [1 {a: $v}]) }', { v: { b: [2] } })).toEqual([1, { a: { b: [2] } }]);
  });

  test('a whole number beyond 2^53 is refused instead of rounded', () => {
    expect(read('{ json(value: 9007199254740991) }')).toBe(9_007_199_254_740_991);
    expect(read('{ json(value: [9007199254740992]) }')).toEqual([expect.stringContaining('2^53')]);
    expect(read('{ json(value: "9007199254740993") }')).toBe('9007199254740993');
  });

  test('values nest 64 levels, as literals and as variables', () => {
    const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
    expect(Array.isArray(read(`{ json(value: ${nested(64)}) }`))).toBe(true);
    expect(read(`{ json(value: ${nested(66)}) }`)).toEqual([expect.stringContaining('deeper than 64')]);
    expect(Array.isArray(read('query ($v: JSON) { json(value: $v) }', { v: JSON.parse(nested(64)) }))).toBe(true);
    expect(read('query ($v: JSON) { json(value: $v) }', { v: JSON.parse(nested(66)) })).toEqual([
      expect.stringContaining('deeper than 64'),
    ]);
  });

  test('a member called __proto__ is an ordinary member', () => {
    const value = read('{ json(value: {__proto__: {polluted: 1}}) }') as object;
    expect(Object.hasOwn(value, '__proto__')).toBe(true);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect('polluted' in value).toBe(false);
  });
});

describe('DateTime', () => {
  test.each([
    '2026-03-01T00:00:00Z',
    '2026-03-01t00:00:00z',
    '2024-02-29T23:59:59.123456789+05:30',
    '2000-02-29T00:00:00Z',
    '2026-12-31T00:00:00-12:00',
  ])('control: %s is taken as it is', (text) => {
    expect(read('query ($v: DateTime) { time(value: $v) }', { v: text })).toBe(text);
    expect(read(`{ time(value: "${text}") }`)).toBe(text);
  });

  test.each<[string, unknown]>([
    ['no zone', '2026-03-01T00:00:00'],
    ['a date alone', '2026-03-01'],
    ['a month that is none', '2026-13-01T00:00:00Z'],
    ['a day that is none', '2026-02-30T00:00:00Z'],
    ['a leap day of a common year', '2026-02-29T00:00:00Z'],
    ['the leap day of 1900', '1900-02-29T00:00:00Z'],
    ['day zero', '2026-03-00T00:00:00Z'],
    ['an hour that is none', '2026-03-01T25:00:00Z'],
    ['a zone that is none', '2026-03-01T00:00:00+99:99'],
    ['words', 'yesterday'],
    ['a year of five digits', '12026-03-01T00:00:00Z'],
    ['a text around it', ' 2026-03-01T00:00:00Z'],
    ['a number', 1_772_323_200_000],
    ['a list', ['2026-03-01T00:00:00Z']],
  ])('%s is refused', (_, value) => {
    expect(read('query ($v: DateTime) { time(value: $v) }', { v: value })).toEqual([
      expect.stringContaining('RFC 3339'),
    ]);
    if (typeof value !== 'object')
      expect(read(`{ time(value: ${JSON.stringify(value)}) }`)).toEqual([expect.stringContaining('RFC 3339')]);
  });
});
