import { HubError } from '@civex/errors';
import type { ExecutionResult } from 'graphql';
import { describe, expect, test } from 'vitest';
import { createFakeSource } from './testing/fake-source.ts';
import { createTestGateway, testConfig } from './testing/test-hub.ts';
import type { TestGateway } from './testing/test-hub.ts';

interface Page {
  readonly nodes: readonly { readonly id: string }[];
  readonly edges: readonly { readonly cursor: string; readonly node: { readonly id: string } }[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
  readonly totalCount: number | null;
  readonly totalIsExact: boolean;
  readonly sources: readonly { readonly catalog: string; readonly status: string }[];
}

const SELECTION =
  '{ nodes { id } edges { cursor node { id } } pageInfo { hasNextPage endCursor } totalCount totalIsExact sources { catalog status } }';

/** Gateways of one key read each other's cursors. */
const CURSOR_KEY = new Uint8Array(32).fill(7);

const build = (counts: Readonly<Record<string, number>>, fastLane = true): TestGateway =>
  createTestGateway({
    fastLane,
    config: testConfig(Object.keys(counts)),
    cursorKey: CURSOR_KEY,
    createSource: ({ id }) => createFakeSource(id, counts[id] ?? 0),
  });

async function ask(
  { gateway }: TestGateway,
  args: string,
  after: string | null = null,
): Promise<{ readonly page: Page; readonly result: ExecutionResult }> {
  const query = `query($after:String){datasets(after:$after ${args})${SELECTION}}`;
  const result = JSON.parse(
    JSON.stringify(await gateway.execute({ query, variables: { after } }, {})),
  ) as ExecutionResult;
  return { page: result.data?.['datasets'] as Page, result };
}

const ids = ({ nodes }: Page): readonly string[] => nodes.map(({ id }) => id);

async function readAll(built: TestGateway, args: string): Promise<readonly string[]> {
  const seen: string[] = [];
  let after: string | null = null;
  for (let turn = 0; turn < 50; turn++) {
    const { page } = await ask(built, args, after);
    seen.push(...ids(page));
    after = page.pageInfo.endCursor;
    if (!page.pageInfo.hasNextPage) return seen;
  }
  throw new Error('fifty pages and no end');
}

describe('a list over several sources', () => {
  const counts = { a: 5, b: 0, c: 3 };

  test.each(['', 'orderBy:TITLE', 'orderBy:MODIFIED_DESC', 'search:"titre"', 'filter:{themes:["TRAN"]}'])(
    'is the same in pages as at once, by the fast lane and by delegation: %s',
    async (args) => {
      const whole = ids((await ask(build(counts), `first:100 ${args}`)).page);
      expect(new Set(whole).size).toBe(whole.length);
      expect(whole.length).toBe(args.startsWith('filter') ? 3 : 8);
      for (const fastLane of [true, false])
        for (const first of [1, 3])
          expect(await readAll(build(counts, fastLane), `first:${first} ${args}`)).toEqual(whole);
    },
  );

  test('goes on after any edge', async () => {
    const { page } = await ask(build(counts), 'first:6 orderBy:TITLE');
    for (const [index, { cursor }] of page.edges.entries())
      expect(ids((await ask(build(counts), 'first:2 orderBy:TITLE', cursor)).page)[0]).toBe(
        page.nodes[index + 1]?.id ?? 'c:d1',
      );
  });

  test('a source whose name is a member of every object pages like any other', async () => {
    expect(await readAll(build({ constructor: 3, a: 2 }), 'first:2 orderBy:TITLE')).toHaveLength(5);
    expect(await readAll(build({ a: 2, constructor: 3 }), 'first:1')).toHaveLength(5);
  });

  test('counts exactly what the hub has seen, and says so when it is only a source’s word', async () => {
    expect((await ask(build(counts), 'first:100')).page).toMatchObject({ totalCount: 8, totalIsExact: true });
    expect((await ask(build(counts), 'first:2')).page).toMatchObject({ totalCount: 8, totalIsExact: false });
    expect((await ask(build(counts), 'first:2 orderBy:TITLE')).page).toMatchObject({
      totalCount: 8,
      totalIsExact: true,
    });
  });

  test('asks only the catalogs that are named, in the order of the configuration', async () => {
    const { page } = await ask(build(counts), 'filter:{catalogs:["c","a"]} first:100');
    expect(page.sources.map(({ catalog }) => catalog)).toEqual(['a', 'c']);
    const none = await ask(build(counts), 'filter:{catalogs:[]}');
    expect(none.page).toMatchObject({ nodes: [], totalCount: null, sources: [] });
    const { result } = await ask(build(counts), 'filter:{catalogs:["aa"]}');
    expect(result.errors?.[0]).toMatchObject({
      message: expect.stringContaining('Unknown catalog "aa"') as string,
      extensions: { code: 'INPUT_INVALID' },
    });
  });

  test('a source that fails on one page is asked again from where it stood', async () => {
    const built = build(counts);
    const first = await ask(built, 'first:4');
    expect(ids(first.page)).toEqual(['a:d0', 'a:d1', 'a:d2', 'a:d3']);
    built.sources[0]!.fault = new HubError('SOURCE_TIMEOUT', 'Too slow.', { source: 'a' });
    const second = await ask(built, 'first:2', first.page.pageInfo.endCursor);
    expect(ids(second.page)).toEqual(['c:d0', 'c:d1']);
    expect(second.page.sources.map(({ status }) => status)).toEqual(['FAILED', 'OK', 'OK']);
    expect(second.page.totalIsExact).toBe(false);
    expect(second.result.errors?.[0]).toMatchObject({
      path: ['datasets'],
      extensions: { code: 'SOURCE_TIMEOUT', source: 'a' },
    });
    built.sources[0]!.fault = null;
    expect(ids((await ask(built, 'first:5', second.page.pageInfo.endCursor)).page)).toEqual(['a:d4', 'c:d2']);
  });

  test.each<[string, string, string]>([
    ['another order', 'first:2 orderBy:TITLE', 'first:2 orderBy:MODIFIED_ASC'],
    ['another search', 'first:2 search:"a"', 'first:2 search:"b"'],
    ['a filter', 'first:2', 'first:2 filter:{themes:["TRAN"]}'],
    ['other catalogs', 'first:2', 'first:2 filter:{catalogs:["a","c"]}'],
  ])('a cursor is refused for a question with %s, and taken for its own with another size', async (_, issued, used) => {
    const built = build({ a: 9, b: 9, c: 9 });
    const { page } = await ask(built, issued);
    const { result } = await ask(built, used, page.pageInfo.endCursor);
    expect(result.errors?.map(({ message, extensions }) => [message, extensions?.['code']])).toEqual([
      ['after: this cursor was not issued for this question.', 'INPUT_INVALID'],
    ]);
    expect(
      (await ask(built, issued.replace('first:2', 'first:7'), page.pageInfo.endCursor)).result.errors,
    ).toBeUndefined();
  });

  test.each([
    ['first:0', 'first: from 1 to 1000.'],
    ['first:-1', 'first: from 1 to 1000.'],
    ['first:1001', 'first: from 1 to 1000.'],
    [`search:"${'x'.repeat(201)}"`, 'search: at most 200 characters.'],
  ])('%s is refused', async (args, message) => {
    const { result } = await ask(build(counts), args);
    expect(result.errors?.map((error) => [error.message, error.extensions?.['code']])).toEqual([
      [message, 'INPUT_INVALID'],
    ]);
  });

  test.each(['first:1', 'first:1000', `search:"${'x'.repeat(200)}"`, 'search:"  "'])(
    'control: %s is taken',
    async (args) => {
      expect((await ask(build(counts), args)).result.errors).toBeUndefined();
    },
  );
});
