import { existsSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createFakeSource } from './testing/fake-source.ts';
import { startTestHub } from './testing/test-hub.ts';
import type { Answer, TestHub } from './testing/test-hub.ts';

/*
 * A shared list of attacks, each sent to a listening hub. The texts are written for another schema: a field this hub
 * does not have is refused like any other unknown one, which is an answer too.
 */

const file = new URL('../../../shared/corpora/graphql/attacks.jsonl', import.meta.url);

interface Attack {
  readonly id: string;
  readonly class: string;
  readonly query?: string;
  readonly variables?: Readonly<Record<string, unknown>>;
  readonly variablesGen?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const attacks: readonly Attack[] = existsSync(file)
  ? readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Attack)
  : [];

/** Of the corpus's generators, which are program texts. */
const VARIABLES: Readonly<Record<string, () => Readonly<Record<string, unknown>>>> = {
  'list/ids-100k': () => ({ i: Array.from({ length: 100_000 }, (_, n) => `n${n}`) }),
  'vars/1M-ids': () => ({ i: Array.from({ length: 1_000_000 }, (_, n) => `n${n}`) }),
  'vars/or-5000': () => ({ w: { or: Array.from({ length: 5_000 }, (_, n) => ({ field: 'a', op: 'eq', value: n })) } }),
};

/** Harmless here: the answer, or null for what is not there. */
const ANSWERED: Readonly<Record<string, unknown>> = {
  'list/first-1000': { datasets: { edges: expect.arrayContaining([{ node: { id: 'a:d0' } }]) as unknown } },
  'introspection/full': { __schema: expect.anything() as unknown },
  'introspection/type-probe': { __type: { fields: expect.arrayContaining([{ name: 'grants' }]) as unknown } },
  'introspection/newline-trick': { __schema: expect.anything() as unknown },
  'introspection/in-fragment': { __schema: expect.anything() as unknown },
  'introspection/alias': { x: expect.anything() as unknown },
  'tokens/block-string': { dataset: null },
};

/** Refused by the field they are asked of: the answer has a place for it, so its status is 200. */
const REFUSED_AT_FIELD: ReadonlySet<string> = new Set(['list/first-0', 'list/first--1']);

const DOCUMENTS = new Set([
  'alias',
  'dup-field',
  'directive',
  'depth',
  'cycle',
  'fragment',
  'introspection',
  'suggest',
  'list',
  'vars',
  'tokens',
  'defer',
  'sub',
]);
const documents = attacks.filter((attack) => DOCUMENTS.has(attack.class) && attack.query !== undefined);

describe.skipIf(attacks.length === 0)('an attack by document', () => {
  let hub: TestHub;
  let lists = 0;
  const upstream = (): number => lists + hub.sources.reduce((sum, { batches }) => sum + batches.length, 0);

  beforeAll(async () => {
    hub = await startTestHub({
      createSource({ id }) {
        const fake = createFakeSource(id, 5);
        const { catalog } = fake.adapter;
        const list: typeof catalog.list = (page, call) => {
          lists++;
          return catalog.list(page, call);
        };
        return { ...fake, adapter: { ...fake.adapter, catalog: { ...catalog, list } } };
      },
    });
  });
  afterAll(() => hub.close());

  const send = (attack: Attack): Promise<Answer> =>
    hub.post(attack.query ?? '', VARIABLES[attack.id]?.() ?? attack.variables, {
      accept: 'application/graphql-response+json',
    });

  test('control: a question is answered and asks the sources', async () => {
    const before = upstream();
    const answer = await hub.post('{datasets(first:1){edges{node{id}}} dataset(id:"b:d1"){id}}');
    expect(answer.json).toEqual({ data: { datasets: { edges: [{ node: { id: 'a:d0' } }] }, dataset: { id: 'b:d1' } } });
    expect(upstream()).toBe(before + 3);
  });

  test('control: the list holds every class, and every generated body has its generator', () => {
    expect(new Set(documents.map((attack) => attack.class))).toEqual(DOCUMENTS);
    expect(
      documents.filter(({ id, variablesGen }) => variablesGen !== undefined && VARIABLES[id] === undefined),
    ).toEqual([]);
    expect(Object.keys(ANSWERED).filter((id) => !documents.some((attack) => attack.id === id))).toEqual([]);
  });

  test.each(documents.filter(({ id }) => ANSWERED[id] === undefined).map((attack) => [attack.id, attack] as const))(
    '%s is refused with a code, without a word to a source',
    async (_, attack) => {
      const before = upstream();
      const answer = await send(attack);
      if (REFUSED_AT_FIELD.has(attack.id)) {
        expect(answer.status).toBe(200);
        expect(answer.json?.data).toBeNull();
      } else {
        expect([400, 413]).toContain(answer.status);
        expect(answer.json?.data).toBeUndefined();
      }
      expect(answer.json?.errors?.length).toBeGreaterThan(0);
      expect(answer.json?.errors?.length).toBeLessThanOrEqual(50);
      for (const { extensions } of answer.json?.errors ?? []) {
        expect(Object.keys(extensions)).toEqual(['code']);
        expect(['INPUT_INVALID', 'INPUT_TOO_COSTLY']).toContain(extensions['code']);
      }
      expect(answer.text).not.toContain('stack');
      expect(answer.body.length).toBeLessThan(20_000);
      expect(upstream()).toBe(before);
    },
  );

  test.each(Object.entries(ANSWERED))('%s is answered', async (id, data) => {
    const answer = await send(documents.find((attack) => attack.id === id)!);
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({ data });
    expect(answer.body.length).toBeLessThan(200_000);
  });

  test.each(attacks.filter((attack) => attack.class === 'proto').map((attack) => [attack.id, attack] as const))(
    '%s names members of the answer and nothing else',
    async (_, attack) => {
      const answer = await hub.post((attack.query ?? '').replace('"1"', '"a:d1"'));
      const name = attack.id.replace('proto/alias-', '');
      expect(answer.text).toBe(`{"data":{"${name}":{"${name}":"a:d1"},"x":"Query"}}`);
      expect(Object.keys(Object.prototype)).toEqual([]);
      expect((await hub.post('{dataset(id:"a:d1"){id}}')).json).toEqual({ data: { dataset: { id: 'a:d1' } } });
    },
  );
});

/** Recipes in prose about slow or many connections, and about persisted queries, which this hub does not have. */
const RECIPES = new Set([
  'http/slow-headers',
  'http/slow-body',
  'http/2000-idle',
  'http/apq-poison',
  'http/apq-flood',
  'http/apq-cross-tenant',
  // Node refuses it before there is a request, and may reset the connection; see server.test.ts.
  'http/huge-header',
]);

/** Status by id; the others are refused with 400. */
const STATUS: Readonly<Record<string, number>> = {
  'http/get-mutation': 405,
  'http/get-query-no-header': 405,
  'http/get-content-type': 405,
  'http/proto-header': 405,
  'http/method-trace': 405,
  'http/method-put': 405,
  'http/options-cors': 405,
  'http/form': 415,
  'http/graphql-ct': 415,
  'http/multipart': 415,
  'http/text-plain': 415,
  'http/ct-charset': 415,
  'http/gzip-body': 415,
  'http/body-26MB': 413,
  'http/accept-mixed': 406,
  'http/graphiql': 405,
  // Answered in GraphQL: `{__typename}`, or a mutation nobody serves.
  'http/host-header': 200,
  'http/x-forwarded-for': 200,
  'http/dup-key': 200,
  'http/op-name': 200,
  'http/apq-hash-mismatch': 200,
};

const generated = (body: string): string | Uint8Array => {
  if (body.startsWith('GEN:26MB')) return Buffer.alloc(26_000_000, 'x');
  if (body.startsWith('GEN:gzip')) return gzipSync(Buffer.alloc(10_000_000));
  return body;
};

describe.skipIf(attacks.length === 0)('an attack by HTTP', () => {
  let hub: TestHub;
  beforeAll(async () => {
    hub = await startTestHub({ graphiql: false });
  });
  afterAll(() => hub.close());

  const rows = attacks.filter((attack) => attack.class === 'http' && !RECIPES.has(attack.id));

  test('control: the list holds every row named here', () => {
    const known = new Set(attacks.map(({ id }) => id));
    expect([...RECIPES, ...Object.keys(STATUS)].filter((id) => !known.has(id))).toEqual([]);
  });

  test.each(rows.map((attack) => [attack.id, attack] as const))(
    '%s',
    async (id, { method = 'POST', headers = {}, body = '' }) => {
      const isRead = method === 'GET';
      const answer = await hub.send({
        method,
        path: `/graphql${isRead ? body : ''}`,
        headers: {
          ...headers,
          ...(id === 'http/proto-header' ? { ['__proto__']: 'x' } : {}),
        },
        ...(isRead || body === '' ? {} : { body: generated(body) }),
      });
      expect(answer.status).toBe(STATUS[id] ?? 400);
      expect(answer.headers['access-control-allow-origin']).toBeUndefined();
      expect(answer.headers['location']).toBeUndefined();
      expect(answer.text).not.toMatch(/INTERNAL|stack|evil\.example|JSON at position/);
      // Node itself refuses headers that are too large, before there is a request.
      if (answer.status === 431) return;
      if (id === 'http/host-header' || id === 'http/x-forwarded-for')
        expect(answer.json).toEqual({ data: { __typename: 'Query' } });
      else
        expect(answer.json?.errors?.map(({ extensions }) => extensions['code'])).toEqual(
          ['INPUT_INVALID'].map((code) => (answer.status === 413 ? 'INPUT_TOO_COSTLY' : code)),
        );
    },
  );
});
