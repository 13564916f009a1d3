import { existsSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { startSandbox } from '@civex/sandbox';
import type { Sandbox } from '@civex/sandbox';
import { buildClientSchema, getIntrospectionQuery, parse, validate } from 'graphql';
import type { GraphQLSchema, IntrospectionQuery } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { measureBlock, startWatchedHub } from './support/watch-hub.ts';
import type { Reading, Reply, Sent, WatchedHub } from './support/watch-hub.ts';

/*
 * A shared list of attacks, each sent by HTTP to a hub in a process of its own. What is right follows from the row: a
 * limit is a limit; a field this hub does not have is refused like any other unknown one; what it has is answered.
 */

const file = new URL('../../../shared/corpora/graphql/attacks.jsonl', import.meta.url);

interface Row {
  readonly id: string;
  readonly class: string;
  readonly expect: string;
  readonly query?: string;
  readonly variables?: Readonly<Record<string, unknown>>;
  readonly variablesGen?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const rows: readonly Row[] = existsSync(file)
  ? readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Row)
  : [];

/** Milliseconds the event loop may be held up by one request. */
const MAX_BLOCK_MS = 50;

const numbered = <Item>(count: number, make: (index: number) => Item): readonly Item[] =>
  Array.from({ length: count }, (_, index) => make(index));

/** Of the list's generators, which are program texts. */
const VARIABLES: Readonly<Record<string, () => Readonly<Record<string, unknown>>>> = {
  'list/ids-100k': () => ({ i: numbered(100_000, (n) => `n${n}`) }),
  'vars/1M-ids': () => ({ i: numbered(1_000_000, (n) => `n${n}`) }),
  'vars/or-5000': () => ({ w: { or: numbered(5_000, (n) => ({ field: 'a', op: 'eq', value: n })) } }),
};

/** Rows in prose: about connections, which slow-clients.test.ts opens, or about what this hub does not have. */
const RECIPES: Readonly<Record<string, string>> = {
  'http/slow-headers': 'slow-clients.test.ts',
  'http/slow-body': 'slow-clients.test.ts',
  'http/2000-idle': 'slow-clients.test.ts',
  'http/apq-poison': 'no document is kept by its hash',
  'http/apq-flood': 'no document is kept by its hash; 2,000 distinct ones in graphql-fuzz.test.ts',
  'http/apq-cross-tenant': 'no document is kept by its hash',
};

/** What has another status than the row names, and why. */
const OTHER_STATUS: Readonly<Record<string, { readonly status: number; readonly why: string }>> = {
  'http/get-content-type': { status: 405, why: 'GET is not served whatever it carries' },
  'http/graphiql': { status: 405, why: 'switched off, GET is not served at all' },
  'http/get-query-no-header': { status: 405, why: 'GET is not served at all' },
  'http/proto-header': { status: 405, why: 'GET is not served at all' },
  'http/options-cors': { status: 405, why: 'no page of another origin may ask' },
  'http/host-header': { status: 200, why: 'answers hold no link made of it' },
  'http/x-forwarded-for': { status: 200, why: 'nothing is decided by it' },
  'http/dup-key': { status: 200, why: 'the last one wins, and is a mutation nobody serves' },
  'http/op-name': { status: 200, why: 'the document holds an operation nobody serves' },
  'http/accept-mixed': { status: 406, why: 'answers come whole' },
  'http/apq-hash-mismatch': { status: 200, why: 'the hash is not looked at; the text is invalid' },
  'http/apq-prefix': { status: 400, why: 'a request without a text is none' },
};

const INTROSPECTION = expect.objectContaining({ types: expect.anything() as unknown }) as unknown;

/** What this hub has: what it answers, in place of a refusal. */
const ANSWERED: Readonly<Record<string, unknown>> = {
  // The contract is public, and so is the list of its types.
  'introspection/full': { __schema: INTROSPECTION },
  'introspection/newline-trick': { __schema: INTROSPECTION },
  'introspection/in-fragment': { __schema: INTROSPECTION },
  'introspection/alias': { x: INTROSPECTION },
  // The largest page there is.
  'list/first-1000': { datasets: { edges: expect.arrayContaining([{ node: { id: 'umea:badplatser' } }]) as unknown } },
  // No dataset has such an id, and a source is asked only for ids that could be its own.
  'tokens/block-string': { dataset: null },
  'authz/validation-cache': { dataset: null },
  'authz/id-path': { dataset: null },
};

/** A type the caller may look up, or null for one that the contract does not have. */
const TYPE_PROBE = 'introspection/type-probe';

/** Refused by the field they are asked of: the answer has a place for it, so its status is 200. */
const REFUSED_AT_FIELD: ReadonlySet<string> = new Set(['list/first-0', 'list/first--1']);

const AS_JSON = { 'content-type': 'application/json', accept: 'application/graphql-response+json' };

function toRequest(row: Row): Sent {
  if (row.query !== undefined) {
    const variables = VARIABLES[row.id]?.() ?? row.variables;
    return {
      headers: AS_JSON,
      body: JSON.stringify({ query: row.query, ...(variables === undefined ? {} : { variables }) }),
    };
  }
  const { method = 'POST', headers = {}, body = '' } = row;
  if (method === 'GET')
    return {
      method,
      path: `/graphql${body}`,
      headers: { ...headers, ...(row.id === 'http/proto-header' ? { ['__proto__']: 'x' } : {}) },
    };
  if (row.id === 'http/huge-header') return { method, headers: { authorization: 'x'.repeat(65_536) }, body };
  const bytes = body.startsWith('GEN:26MB')
    ? Buffer.alloc(26_000_000, 'x')
    : body.startsWith('GEN:gzip')
      ? gzipSync(Buffer.alloc(10_000_000))
      : body;
  return { method, headers, ...(bytes === '' ? {} : { body: bytes }) };
}

/** Ours, written for fields this hub has: each as large as the body or one of the limits lets it be. */
const OWN: readonly (readonly [string, string, Readonly<Record<string, unknown>>])[] = [
  ['100,000 ids', 'query($i:[ID!]!){datasetsById(ids:$i){id}}', { i: numbered(100_000, (n) => `n${n}`) }],
  ['4,900 ids', 'query($i:[ID!]!){datasetsById(ids:$i){id}}', { i: numbered(4_900, (n) => `umea:n${n}`) }],
  ['4,900 ids that are none', 'query($i:[ID!]!){datasetsById(ids:$i){id}}', { i: numbered(4_900, () => ({})) }],
  ['100,000 catalogs', 'query($i:[ID!]!){catalogs(ids:$i){id}}', { i: numbered(100_000, (n) => `n${n}`) }],
  ['80,000 members', '{__typename}', Object.fromEntries(numbered(80_000, (n) => [`k${n}`, 0]))],
  ['300,000 lists', '{__typename}', { a: numbered(300_000, () => []) }],
  ['a text of 900,000 characters', '{__typename}', { a: 'é"\\'.repeat(150_000) }],
  ...(
    [
      ['20,000 conditions', { or: numbered(20_000, (n) => ({ property: 'a', eq: n })) }],
      ['1,600 conditions', { or: numbered(1_600, (n) => ({ property: 'a', eq: n })) }],
      ['2,400 conditions that are none', { or: numbered(2_400, () => ({ xx: 1 })) }],
      ['4,900 empty conditions', { or: numbered(4_900, () => ({})) }],
      ['4,900 values', { property: 'namn', in: numbered(4_900, (n) => `n${n}`) }],
      ['90 levels of not', numbered(90, () => 0).reduce<object>((not) => ({ not }), { property: 'namn', eq: 'a' })],
      ['a value of 900,000 characters', { property: 'namn', eq: 'x'.repeat(900_000) }],
      ['a pattern of stars', { property: 'namn', like: '%a'.repeat(400_000) }],
    ] as const
  ).map(
    ([title, filter]) =>
      [
        title,
        'query($f:FilterInput){dataset(id:"umea:badplatser"){records(filter:$f){totalCount}}}',
        { f: filter },
      ] as const,
  ),
  ...(
    [
      ['30,000 words', numbered(30_000, (n) => `name = 'n${n}'`).join(' OR ')],
      ['6,000 words', numbered(6_000, (n) => `name = 'n${n}'`).join(' OR ')],
      ['190,000 brackets', '('.repeat(190_000)],
      ['190,000 closing brackets', ')'.repeat(190_000)],
      ['45,000 nots', 'NOT '.repeat(45_000)],
      ['a number of 190,000 digits', `name = ${'9'.repeat(190_000)}`],
      ['190,000 quotes', "'".repeat(190_000)],
    ] as const
  ).map(
    ([title, cql]) =>
      [
        `CQL2 of ${title}`,
        'query($c:String){dataset(id:"umea:badplatser"){records(cql:$c){totalCount}}}',
        { c: cql },
      ] as const,
  ),
  ['900,000 characters to search', 'query($s:String){datasets(search:$s){totalCount}}', { s: 'velo '.repeat(180_000) }],
  ['a cursor of 900,000 characters', 'query($s:String){datasets(after:$s){totalCount}}', { s: 'A'.repeat(900_000) }],
  ['an id of 900,000 characters', 'query($i:ID!){dataset(id:$i){id}}', { i: `umea:${'A'.repeat(900_000)}` }],
  ['300,000 lines', `{${'\n'.repeat(300_000)}nothing}`, {}],
  ['a comment of 450,000 quotes', `{__typename #${'"'.repeat(450_000)}\n}`, {}],
  ['450,000 fields', `{${'a '.repeat(450_000)}}`, {}],
  ['a name of 900,000 characters', `{${'x'.repeat(900_000)}}`, {}],
  ['a number of 900,000 digits', `{datasets(first:${'9'.repeat(900_000)}){totalCount}}`, {}],
];

describe.skipIf(rows.length === 0)('attacks by GraphQL', () => {
  let sandbox: Sandbox;
  let hub: WatchedHub;
  let schema: GraphQLSchema;
  let first: Reading;
  const blocks: { readonly id: string; readonly blockedMs: number }[] = [];
  const wrong: string[] = [];
  let largestRss = 0;

  const upstream = (): number => sandbox.portals.reduce((sum, { requests }) => sum + requests.length, 0);
  const warmUp = async (): Promise<void> => {
    for (let round = 0; round < 25; round++) {
      await hub.post('{datasets(first:3){nodes{id title}} dataset(id:"umea:badplatser"){records(first:2){nodes{id}}}}');
      await hub.post(
        `query($i:[ID!]!,$f:FilterInput){datasetsById(ids:$i){id} nothing(f:$f) ${'n '.repeat(round * 150)}}`,
        {
          i: numbered(200 * round, (n) => `n${n}`),
          f: { or: numbered(60 * round, (n) => ({ property: 'a', eq: n })) },
        },
      );
    }
  };

  /** Sends, and holds what is true of every answer to an attack. */
  const attack = async (id: string, sent: Sent): Promise<Reply> => {
    const { reply, reading, blockedMs } = await measureBlock(hub, MAX_BLOCK_MS, () => hub.send(sent));
    blocks.push({ id, blockedMs });
    largestRss = Math.max(largestRss, reading.rssBytes);
    wrong.push(id);
    expect(reply.status).toBeLessThan(500);
    expect(reading.prototypes).toBe(first.prototypes);
    expect(reply.text).not.toMatch(/INTERNAL|"stack"|evil\.example|JSON at position|node_modules/);
    expect(blockedMs).toBeLessThanOrEqual(MAX_BLOCK_MS);
    return reply;
  };
  const isRight = (): void => void wrong.pop();

  const expectRefusal = (reply: Reply): void => {
    expect(reply.json?.data).toBeUndefined();
    expectCodes(reply);
  };
  const expectCodes = (reply: Reply): void => {
    const errors = reply.json?.errors ?? [];
    expect(errors.length).toBeGreaterThan(0);
    expect(errors.length).toBeLessThanOrEqual(51);
    for (const { extensions } of errors) expect(['INPUT_INVALID', 'INPUT_TOO_COSTLY']).toContain(extensions['code']);
    expect(reply.text.length).toBeLessThan(100_000);
  };

  beforeAll(async () => {
    sandbox = await startSandbox();
    hub = await startWatchedHub({ portals: sandbox.portals });
    const { json } = await hub.post(getIntrospectionQuery());
    schema = buildClientSchema(json?.data as unknown as IntrospectionQuery);
    await warmUp();
    await hub.post('{datasets(first:1000){edges{node{id}}}}');
    first = await hub.read();
  });
  afterAll(async () => {
    await hub[Symbol.asyncDispose]();
    await sandbox.close();
  });

  test('control: the list is whole, and every generated body has its generator', () => {
    expect(rows.length).toBeGreaterThanOrEqual(149);
    expect(rows.filter(({ id, variablesGen }) => variablesGen !== undefined && VARIABLES[id] === undefined)).toEqual(
      [],
    );
    const known = new Set(rows.map(({ id }) => id));
    const named = [RECIPES, OTHER_STATUS, ANSWERED, VARIABLES].flatMap((table) => Object.keys(table));
    expect([...named, ...REFUSED_AT_FIELD, TYPE_PROBE].filter((id) => !known.has(id))).toEqual([]);
  });

  test('control: a hub that is held up is seen to be', async () => {
    await hub.reset();
    await hub.block(500);
    expect((await hub.read()).blockedMs).toBeGreaterThan(450);
    await hub.reset();
    expect((await hub.read()).blockedMs).toBeLessThan(450);
  });

  test('control: a question that is none of them asks the portals', async () => {
    const before = upstream();
    const reply = await hub.post('{datasets(search:"badplatser",first:5){nodes{id}}}');
    expect(reply.json?.errors).toBeUndefined();
    expect(upstream()).toBeGreaterThan(before);
  });

  const documents = rows.filter((row) => row.query !== undefined && row.class !== 'proto');
  test.each(documents.map((row) => [row.id, row] as const))('%s', async (id, row) => {
    const before = upstream();
    const reply = await attack(id, toRequest(row));
    if (id === TYPE_PROBE) {
      expect(reply.status).toBe(200);
      const hasType = schema.getType('Agreement') !== undefined;
      expect(reply.json).toEqual({ data: { __type: hasType ? expect.anything() : null } });
    } else if (REFUSED_AT_FIELD.has(id)) {
      expect(reply.status).toBe(200);
      expect(reply.json?.data).toBeNull();
      expectCodes(reply);
    } else if (ANSWERED[id] !== undefined) {
      expect(validate(schema, parse(row.query ?? ''))).toEqual([]);
      expect([reply.status, reply.json]).toEqual([200, { data: ANSWERED[id] }]);
      // What is answered is told apart from what is refused by its own line above, not by whether a portal was asked.
      isRight();
      return;
    } else {
      expect([400, 413]).toContain(reply.status);
      expectRefusal(reply);
    }
    expect(upstream()).toBe(before);
    isRight();
  });

  test.each(rows.filter((row) => row.class === 'proto').map((row) => [row.id, row] as const))(
    '%s names members of the answer and nothing else',
    async (id, row) => {
      const reply = await attack(id, {
        headers: AS_JSON,
        body: JSON.stringify({ query: (row.query ?? '').replace('"1"', '"umea:badplatser"') }),
      });
      const name = id.replace('proto/alias-', '');
      expect(reply.text).toBe(`{"data":{"${name}":{"${name}":"umea:badplatser"},"x":"Query"}}`);
      const { text } = await hub.post('{dataset(id:"umea:badplatser"){id}}');
      expect(text).toBe('{"data":{"dataset":{"id":"umea:badplatser"}}}');
      isRight();
    },
  );

  const byHttp = rows.filter((row) => row.class === 'http' && RECIPES[row.id] === undefined);
  describe('by HTTP', () => {
    let plain: WatchedHub;
    beforeAll(async () => {
      plain = hub;
      hub = await startWatchedHub({ portals: sandbox.portals, graphiql: false });
      await warmUp();
      await hub.reset();
    });
    afterAll(async () => {
      await hub[Symbol.asyncDispose]();
      hub = plain;
    });

    test.each(byHttp.map((row) => [row.id, row] as const))('%s', async (id, row) => {
      const before = upstream();
      const reply = await attack(id, toRequest(row));
      const named = [...row.expect.matchAll(/\b[2-4]\d\d\b/g)].map(([status]) => Number(status));
      expect(OTHER_STATUS[id] === undefined ? named : [OTHER_STATUS[id].status]).toContain(reply.status);
      expect(reply.headers['access-control-allow-origin']).toBeUndefined();
      expect(reply.headers['location']).toBeUndefined();
      expect(upstream()).toBe(before);
      if (id === 'http/host-header' || id === 'http/x-forwarded-for')
        expect(reply.json).toEqual({ data: { __typename: 'Query' } });
      // Node itself refuses headers that are too large, before there is a request.
      else if (reply.status !== 431) expectRefusal(reply);
      isRight();
    });
  });

  test.each(OWN)('%s: answered or refused, and nobody waits for it', async (title, query, variables) => {
    const reply = await attack(title, { headers: AS_JSON, body: JSON.stringify({ query, variables }) });
    expect([200, 400]).toContain(reply.status);
    if (reply.json?.errors !== undefined) expectCodes(reply);
    isRight();
  });

  test('no row was wrong, none held the event loop up, and memory stayed what it was', ({ task }) => {
    const worst = blocks.reduce((most, block) => (block.blockedMs > most.blockedMs ? block : most));
    const growth = Math.round((largestRss - first.rssBytes) / 1e6);
    const tried = rows.filter(
      ({ id, query, body }) => RECIPES[id] === undefined && (query !== undefined || body !== undefined),
    );
    task.meta.figures = [
      {
        point: 18,
        what: 'GraphQL attacks by HTTP: rows of the corpus sent, wrong or 5xx',
        value: `${tried.length} rows and ${OWN.length} of our own, ${wrong.length} wrong`,
        target: '0 wrong',
        isMet: wrong.length === 0 && blocks.length === tried.length + OWN.length,
      },
      {
        point: 18,
        what: `event loop held up longest by one attack (${worst.id}), ms`,
        value: Math.round(worst.blockedMs * 10) / 10,
        target: '<= 50',
        isMet: worst.blockedMs <= MAX_BLOCK_MS,
      },
      {
        point: 18,
        what: 'memory of the process grown over all attacks, MB',
        value: growth,
        target: '<= 200',
        isMet: growth <= 200,
      },
    ];
    expect(wrong).toEqual([]);
    expect(blocks).toHaveLength(tried.length + OWN.length);
    expect(worst.blockedMs).toBeLessThanOrEqual(MAX_BLOCK_MS);
    expect(growth).toBeLessThanOrEqual(200);
  });
});
