import { HubError } from '@civex/errors';
import { defaultHubConfig } from '@civex/config';
import fc from 'fast-check';
import { getIntrospectionQuery, getOperationAST, parse } from 'graphql';
import type { DocumentNode, OperationDefinitionNode } from 'graphql';
import { describe, expect, test } from 'vitest';
import { EXAMPLE_QUESTIONS } from './examples.ts';
import { createPublicSchema } from './public-schema.ts';
import { checkBodyValues, checkBrackets, checkNulls, checkShape, checkVariables, costOf } from './query-limits.ts';
import type { QueryLimits } from './query-limits.ts';

const { limits: DEFAULTS } = defaultHubConfig([{ id: 'a', adapter: 'fake', url: 'https://portal.invalid' }]);
const LIMITS: QueryLimits = { ...DEFAULTS, queryDepth: 4, aliases: 3, rootFields: 5 };
const { schema } = createPublicSchema({ fastLane: true });

const tooCostly = expect.objectContaining({ code: 'INPUT_TOO_COSTLY' }) as Error;
const repeat = (count: number, text: (n: number) => string): string =>
  Array.from({ length: count }, (_, n) => text(n)).join(' ');
const check =
  (query: string, limits: QueryLimits = LIMITS) =>
  (): void =>
    checkShape(parse(query), limits);
const operationOf = (document: DocumentNode, name?: string): OperationDefinitionNode =>
  getOperationAST(document, name)!;

describe('brackets', () => {
  test.each([
    ['(', ')'],
    ['[', ']'],
    ['{', '}'],
  ])('nest 100 deep and no deeper: %s', (open, close) => {
    expect(() => checkBrackets(open.repeat(100) + close.repeat(100))).not.toThrow();
    expect(() => checkBrackets(open.repeat(101) + close.repeat(101))).toThrow(tooCostly);
    expect(() => checkBrackets(open.repeat(101))).toThrow(tooCostly);
  });

  test('of all kinds count together, and closed ones no more', () => {
    expect(() => checkBrackets('([{'.repeat(33))).not.toThrow();
    expect(() => checkBrackets('([{'.repeat(34))).toThrow(tooCostly);
    expect(() => checkBrackets('{}'.repeat(10_000))).not.toThrow();
  });

  const deep = '['.repeat(101);
  test.each<[string, string]>([
    ['a string', `"${deep}"`],
    ['a string with an escaped quote', `"\\"${deep}"`],
    ['a string that ends in a backslash', `"\\\\" "${deep}"`],
    ['a block string', `"""\n"${deep}" \\""" ${deep}"""`],
    ['an empty string before another', `"" "${deep}"`],
    ['a comment', `# "${deep}`],
  ])('in %s do not count', (_, text) => {
    expect(() => checkBrackets(text)).not.toThrow();
    expect(() => checkBrackets(`${text}\n${deep}`)).toThrow(tooCostly);
  });

  test.each<[string, string]>([
    ['a string', '"]]]]"'],
    ['a block string', '"""]]]]"""'],
    ['a comment', '#]]]]\n'],
    ['a comment ended by a carriage return', '#]]]]\r'],
    ['an unfinished string', '"]]]]\n'],
  ])('are not closed by %s', (_, closers) => {
    expect(() => checkBrackets(`[ ${closers} `.repeat(101))).toThrow(tooCostly);
    expect(() => checkBrackets(`[ ${closers} `.repeat(100))).not.toThrow();
  });

  test('of what the parser takes are counted as the parser nests them', () => {
    const value = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 6 },
        fc
          .string({ unit: fc.constantFrom('[', ']', '{', '"', '\\', '#', ' ', 'x') })
          .map((text) => ({ text: JSON.stringify(text), depth: 0 })),
        fc
          .string({ unit: fc.constantFrom('[', ']', '{', '#', ' ', 'x') })
          .map((text) => ({ text: `"""${text}"""`, depth: 0 })),
        fc.string({ unit: fc.constantFrom('[', ']', '"', '#') }).map((text) => ({ text: `#${text}\n1`, depth: 0 })),
        fc.array(tie('value'), { maxLength: 3 }).map((parts) => {
          const values = parts as { text: string; depth: number }[];
          return {
            text: `[${values.map(({ text }) => text).join(' ')}]`,
            depth: 1 + Math.max(0, ...values.map(({ depth }) => depth)),
          };
        }),
      ),
    })).value as fc.Arbitrary<{ text: string; depth: number }>;
    fc.assert(
      fc.property(value, ({ text, depth }) => {
        // Two brackets of the document and 98 minus `depth` around the value make exactly a hundred.
        const around = 98 - depth;
        const query = (more: number): string =>
          `{a(b:${'['.repeat(around + more)}${text}${']'.repeat(around + more)})}`;
        parse(query(0));
        expect(() => checkBrackets(query(0))).not.toThrow();
        expect(() => checkBrackets(query(1))).toThrow(tooCostly);
      }),
      { seed: 61, numRuns: 300 },
    );
  });
});

describe('each bound of the shape holds, with a control just below it', () => {
  test.each<[string, string, string]>([
    ['depth', '{a{b{c{d}}}}', '{a{b{c{d{e}}}}}'],
    ['depth through inline fragments', '{a{...{b{c{d}}}}}', '{a{...{b{c{d{e}}}}}}'],
    ['depth through fragments', '{a{...F}} fragment F on T{b{c{d}}}', '{a{...F}} fragment F on T{b{c{d{e}}}}'],
    ['aliases', '{a:x b:x c:x}', '{a:x b:x c:x d:x}'],
    [
      'aliases of meta fields',
      '{a:__typename b:__typename c:__typename}',
      '{a:__typename b:__typename c:__typename d:__typename}',
    ],
    [
      'aliases through fragments',
      '{...F x{...F}} fragment F on T{a:x}',
      '{...F x{...F} y{...F ...F}} fragment F on T{a:x}',
    ],
    ['root fields', '{a b c d e}', '{a b c d e f}'],
    [
      'root fields through fragments',
      '{a b ...{c} ...F} fragment F on Query{d e}',
      '{a b ...{c} ...F} fragment F on Query{d e f}',
    ],
    ['fields', `{a{${repeat(1_999, () => 'b')}}}`, `{a{${repeat(2_000, () => 'b')}}}`],
    [
      'fields through fragments',
      `{a{${repeat(99, () => '...F')}}} fragment F on T{${repeat(20, () => 'b')}}`,
      `{a{${repeat(100, () => '...F')}}} fragment F on T{${repeat(20, () => 'b')}}`,
    ],
    ['directives of fields', `{a ${repeat(50, () => '@x')}}`, `{a ${repeat(51, () => '@x')}}`],
    ['directives below fields', `{a{b ${repeat(50, () => '@x')}}}`, `{a{b ${repeat(51, () => '@x')}}}`],
    [
      'directives of spreads',
      `{...F ${repeat(50, () => '@x')}} fragment F on Query{a}`,
      `{...F ${repeat(51, () => '@x')}} fragment F on Query{a}`,
    ],
    ['directives of inline fragments', `{...${repeat(50, () => '@x')}{a}}`, `{...${repeat(51, () => '@x')}{a}}`],
    [
      'directives of fragments',
      `{...F} fragment F on Query ${repeat(50, () => '@x')}{a}`,
      `{...F} fragment F on Query ${repeat(51, () => '@x')}{a}`,
    ],
    ['directives of the operation', `query ${repeat(50, () => '@x')}{a}`, `query ${repeat(51, () => '@x')}{a}`],
    [
      'directives of variables',
      `query($v:Int ${repeat(50, () => '@x')}){a}`,
      `query($v:Int ${repeat(51, () => '@x')}){a}`,
    ],
    [
      'definitions',
      `{a} ${repeat(49, (n) => `fragment F${n} on T{a}`)}`,
      `{a} ${repeat(50, (n) => `fragment F${n} on T{a}`)}`,
    ],
    [
      'depth of introspection',
      `{__schema${'{a'.repeat(20)}${'}'.repeat(20)}}`,
      `{__schema${'{a'.repeat(21)}${'}'.repeat(21)}}`,
    ],
    [
      'depth of introspection in a fragment',
      `{...F} fragment F on Query{__type${'{a'.repeat(20)}${'}'.repeat(20)}}`,
      `{...F} fragment F on Query{__type${'{a'.repeat(21)}${'}'.repeat(21)}}`,
    ],
  ])('%s', (_, below, beyond) => {
    expect(check(below)).not.toThrow();
    expect(check(beyond)).toThrow(tooCostly);
  });

  test('what is skipped counts', () => {
    expect(check('{a:x b:x c:x}')).not.toThrow();
    expect(check('{a:x b:x c:x d:x @skip(if:true)}')).toThrow(tooCostly);
  });

  test('every operation of a document is held to them, not only the first', () => {
    expect(check('query A{a} query B{a b c d e}')).not.toThrow();
    expect(check('query A{a} query B{a b c d e f}')).toThrow(tooCostly);
  });

  test('a document that stands for many questions may have as many times of each, but nests no deeper', () => {
    const limits = { ...LIMITS, questions: 2 };
    expect(check('{a:x b:x c:x d:x e:x f:x}', limits)).not.toThrow();
    expect(check('{a:x b:x c:x d:x e:x f:x g:x}', limits)).toThrow(tooCostly);
    expect(check('{a{b{c{d{e}}}}}', limits)).toThrow(tooCostly);
  });

  test('the introspection query of GraphiQL passes', () => {
    for (const options of [
      {},
      {
        inputValueDeprecation: true,
        specifiedByUrl: true,
        directiveIsRepeatable: true,
        schemaDescription: true,
        oneOf: true,
      },
    ]) {
      const document = parse(getIntrospectionQuery(options));
      expect(() => checkShape(document, DEFAULTS)).not.toThrow();
      expect(costOf(schema, document, operationOf(document), {}, 4)).toBeLessThan(DEFAULTS.cost);
    }
  });
});

/** Counts how often the parts of a document are read, so that a bound on work needs no clock. */
function countReads<T extends object>(root: T): { readonly root: T; readonly reads: () => number } {
  let reads = 0;
  const wrapped = new WeakMap<object, object>();
  const wrap = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null) return value;
    const known = wrapped.get(value);
    if (known !== undefined) return known;
    const proxy = new Proxy(value, {
      get(target, key, receiver) {
        if (key === 'selections') reads++;
        // A bound on work that would else never end.
        if (reads > 100_000) throw new Error('read a hundred thousand selection sets');
        return wrap(Reflect.get(target, key, receiver));
      },
    });
    wrapped.set(value, proxy);
    return proxy;
  };
  return { root: wrap(root) as T, reads: () => reads };
}

describe('fragments that spread fragments', () => {
  const fan = (levels: number, spread: (next: string) => string, last: string, on: string): string =>
    `${repeat(levels, (n) => `fragment F${n} on ${on}{${spread(`...F${n + 1}`)}}`)} fragment F${levels} on ${on}{${last}}`;

  test.each<[string, string]>([
    ['twice, forty times over', `{...F0} ${fan(40, (next) => `${next} ${next}`, '__typename', 'Query')}`],
    [
      'below two fields, forty times over',
      `{dataset(id:"a:1"){...F0}} ${fan(40, (next) => `x{${next}} y{${next}}`, 'id', 'Dataset')}`,
    ],
    ['ten times, forty times over', `{...F0} ${fan(40, (next) => repeat(10, () => next), '__typename', 'Query')}`],
  ])('%s, are decided by reading each selection once', (_, query) => {
    const document = parse(query);
    const shape = countReads(document);
    expect(() => checkShape(shape.root, DEFAULTS)).toThrow(tooCostly);
    expect(shape.reads()).toBeLessThan(400);
    const cost = countReads(document);
    costOf(schema, cost.root, operationOf(cost.root), {}, 4);
    expect(cost.reads()).toBeLessThan(400);
  });

  test.each<[string, string]>([
    ['one in itself', '{...A} fragment A on Query{...A}'],
    ['two in each other', '{...A} fragment A on Query{...B} fragment B on Query{...A}'],
    ['below a field', '{catalogs{...A}} fragment A on Catalog{id datasets{nodes{catalog{...A}}}}'],
    ['one that is missing', '{...A}'],
  ])('%s: the walk ends, and validation decides', (_, query) => {
    const document = countReads(parse(query));
    expect(() => checkShape(document.root, DEFAULTS)).not.toThrow();
    expect(costOf(schema, document.root, operationOf(document.root), {}, 4)).toBeLessThan(DEFAULTS.cost);
    expect(document.reads()).toBeLessThan(100);
  });
});

describe('the cost', () => {
  const cost = (query: string, variables: Record<string, unknown> = {}, sources = 4): number => {
    const document = parse(query);
    return costOf(schema, document, operationOf(document), variables, sources);
  };

  test.each(EXAMPLE_QUESTIONS.map(({ title, query }) => [title, query]))(
    'of the example "%s" is far below the default limit',
    (_, query) => {
      expect(cost(query)).toBeLessThan(DEFAULTS.cost / 4);
    },
  );

  test.each<[string, string, Record<string, unknown>, number]>([
    ['one for an object', '{dataset(id:"a:1"){id}}', {}, 1],
    ['one for each entry of a list', '{datasets(first:7){nodes{id}}}', {}, 8],
    ['edges like nodes', '{datasets(first:7){edges{node{id}}}}', {}, 15],
    ['the default size', '{datasets{nodes{id}}}', {}, 21],
    ['a size from a variable', 'query($n:Int!){datasets(first:$n){nodes{id}}}', { n: 7 }, 8],
    ['a size from a default of a variable', 'query($n:Int=7){datasets(first:$n){nodes{id}}}', {}, 8],
    ['a variable that overrides its default', 'query($n:Int=7){datasets(first:$n){nodes{id}}}', { n: 9 }, 10],
    ['ids', '{datasetsById(ids:["a:1","a:2"]){id}}', {}, 2],
    ['ids from a variable', 'query($i:[ID!]!){datasetsById(ids:$i){id}}', { i: ['a:1', 'a:2', 'a:3'] }, 3],
    ['ids from a default of a variable', 'query($i:[ID!]!=["a:1","a:2"]){datasetsById(ids:$i){id}}', {}, 2],
    ['every catalog', '{catalogs{id}}', {}, 4],
    ['records ask a portal', '{dataset(id:"a:1"){records(first:10){nodes{id}}}}', {}, 1 + 50 + 1 + 10],
    [
      'aggregates may read a whole dataset, and have groups',
      '{dataset(id:"a:1"){aggregate(measures:[{as:"n",op:COUNT}],first:10){groups{key}}}}',
      {},
      1 + 500 + 1 + 10,
    ],
    [
      'aggregates have as many groups as they say themselves',
      '{dataset(id:"a:1"){aggregate(measures:[{as:"n",op:COUNT}]){groups{key}}}}',
      {},
      1 + 500 + 1 + 1_000,
    ],
    [
      'lists in lists multiply',
      '{catalogs{datasets(first:10){nodes{records(first:10){nodes{id}}}}}}',
      {},
      4 * (1 + 20 + 1 + 10 * (1 + 50 + 1 + 10)),
    ],
    ['inline fragments', '{datasets(first:7){... on DatasetConnection{nodes{... {id}}}}}', {}, 8],
    [
      'a fragment as often as it is spread',
      '{a:datasets(first:7){...F} b:datasets(first:7){...F}} fragment F on DatasetConnection{nodes{id}}',
      {},
      8 + 8,
    ],
    [
      'a fragment each time it is spread',
      '{a:datasets(first:7){...F} b:datasets(first:9){...F}} fragment F on DatasetConnection{nodes{id}}',
      {},
      8 + 10,
    ],
  ])('counts %s', (_, query, variables, expected) => {
    expect(cost(query, variables)).toBe(expected);
  });

  test.each<[string, string, Record<string, unknown>]>([
    [
      'negative sizes',
      '{a:datasets(first:-1000000000){nodes{id}} b:datasets(first:1000){nodes{records(first:1000){nodes{id}}}}}',
      {},
    ],
    [
      'negative sizes in variables',
      'query($n:Int!){a:datasets(first:$n){nodes{id}} b:datasets(first:1000){nodes{records(first:1000){nodes{id}}}}}',
      { n: -1e9 },
    ],
    ['defaults of variables', 'query($n:Int=1000){datasets(first:$n){nodes{records(first:$n){nodes{id}}}}}', {}],
    ['variables nobody declared', '{datasets(first:$n){nodes{records(first:1000){nodes{id}}}}}', { n: 0 }],
  ])('cannot be lowered by %s', (_, query, variables) => {
    expect(cost(query, variables)).toBeGreaterThan(DEFAULTS.cost);
  });
});

test.each(['{}', '{a{}}', '{a{b ...on A{}}}', '{...F} fragment F on Query{a{}}'])(
  '%s selects nothing somewhere and is refused',
  (query) => {
    expect(() => checkShape(parse(query), DEFAULTS)).toThrow(
      expect.objectContaining({ code: 'INPUT_INVALID' }) as Error,
    );
  },
);

describe('variables', () => {
  const nested = (levels: number): unknown => JSON.parse('{"a":['.repeat(levels / 2) + ']}'.repeat(levels / 2));

  test('nest 100 levels and no deeper, however deep a caller goes', () => {
    expect(() => checkVariables({ v: nested(100) })).not.toThrow();
    expect(() => checkVariables({ v: nested(102) })).toThrow(tooCostly);
    expect(() => checkVariables({ v: nested(200_000) })).toThrow(tooCostly);
  });

  test('hold 5,000 values and no more, times the questions of the document', () => {
    const values = (count: number): unknown => ({ v: Array.from({ length: count }, () => null) });
    // The variables and the list in them are values too.
    expect(() => checkVariables(values(4_998))).not.toThrow();
    expect(() => checkVariables(values(4_999))).toThrow(tooCostly);
    expect(() => checkVariables(values(9_998), 2)).not.toThrow();
    expect(() => checkVariables(values(9_999), 2)).toThrow(tooCostly);
    expect(() => checkVariables({ v: { a: values(2_000), b: [values(2_000), values(2_000)] } })).toThrow(tooCostly);
  });

  const nulls = (query: string, variables: Record<string, unknown>) => (): void => {
    const document = parse(query);
    checkNulls(schema, document, operationOf(document, 'Q'), variables);
  };

  test.each<[string, string]>([
    ['an argument with a default', 'query Q($v:Int){datasets(first:$v){nodes{id}}}'],
    ['an argument, by its own default', 'query Q($v:ID="a:1"){dataset(id:$v){id}}'],
    ['an entry of a list', 'query Q($v:ID="a:1"){datasetsById(ids:["a:2" $v]){id}}'],
    [
      'a field of an input object',
      'query Q($v:String="n"){dataset(id:"a:1"){records(sortBy:[{property:$v}]){totalCount}}}',
    ],
    ['a directive', 'query Q($v:Boolean=true){dataset(id:"a:1") @skip(if:$v){id}}'],
    ['an argument within a fragment', 'query Q($v:Int){...F} fragment F on Query{datasets(first:$v){nodes{id}}}'],
  ])('that are null are refused for %s, which is not nullable', (_, query) => {
    expect(nulls(query, { v: null })).toThrow(
      expect.objectContaining({ code: 'INPUT_INVALID', message: 'Variable "$v" must not be null here.' }) as HubError,
    );
    expect(nulls(query, {})).not.toThrow();
    expect(nulls(query, { v: 1 })).not.toThrow();
  });

  test('that are null are taken where null is a value', () => {
    expect(nulls('query Q($v:String){datasets(search:$v){nodes{id}}}', { v: null })).not.toThrow();
    expect(
      nulls('query Q{datasets{nodes{id}}} query R($v:Int){datasets(first:$v){nodes{id}}}', { v: null }),
    ).not.toThrow();
  });
});

describe('the bytes of a body', () => {
  const body = (json: unknown): Buffer => Buffer.from(typeof json === 'string' ? json : JSON.stringify(json));

  test.each<[string, (count: number) => string]>([
    ['entries', (count) => `[${'1,'.repeat(count - 1)}1]`],
    ['lists', (count) => '['.repeat(count)],
    ['objects', (count) => '{"a":'.repeat(count)],
    ['members', (count) => `{${'"a":1,'.repeat(count - 1)}"a":1}`],
  ])('hold 20,000 %s and no more, times the questions', (_, make) => {
    expect(() => checkBodyValues(body(make(20_000)))).not.toThrow();
    expect(() => checkBodyValues(body(make(20_001)))).toThrow(tooCostly);
    expect(() => checkBodyValues(body(make(40_000)), 2)).not.toThrow();
    expect(() => checkBodyValues(body(make(40_001)), 2)).toThrow(tooCostly);
  });

  test('are not counted inside texts, and a text ends where JSON ends it', () => {
    expect(() => checkBodyValues(body({ query: '[{,'.repeat(30_000) }))).not.toThrow();
    expect(() => checkBodyValues(body({ query: `\\"${'[{,"\\'.repeat(30_000)}` }))).not.toThrow();
    expect(() => checkBodyValues(body(`{"query":"\\\\","v":[${'1,'.repeat(30_000)}1]}`))).toThrow(tooCostly);
    expect(() => checkBodyValues(body(`{"query":"\\"","v":[${'1,'.repeat(30_000)}1]}`))).toThrow(tooCostly);
  });
});
