import { startSandbox } from '@civex/sandbox';
import type { Sandbox } from '@civex/sandbox';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fold, readPortal } from '../test-support/portal-truth.ts';
import type { PortalEntry } from '../test-support/portal-truth.ts';
import { DATA_FOLDER, NO_CACHE, startSandboxHub } from '../test-support/test-hub.ts';
import { createCursorForge } from '../test-support/cursor.ts';
import type { Answer, GraphQLFault, TestHub, Variables } from '../test-support/test-hub.ts';

interface Node {
  readonly id: string;
  readonly title: string;
  readonly modified: string | null;
}
interface Connection {
  readonly totalCount: number | null;
  readonly totalIsExact: boolean;
  readonly nodes: readonly Node[];
  readonly edges: readonly { readonly cursor: string; readonly node: { readonly id: string } }[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
  readonly sources: readonly { readonly catalog: string; readonly status: string }[];
}

interface Question {
  readonly search?: string;
  readonly filter?: Readonly<Record<string, unknown>>;
  readonly orderBy?: string;
}

const CONNECTION = `{ totalCount totalIsExact nodes { id title modified } edges { cursor node { id } } pageInfo { hasNextPage endCursor } sources { catalog status } }`;
const PAGE = `query ($search: String, $filter: DatasetFilterInput, $orderBy: DatasetOrder! = RELEVANCE, $first: Int!, $after: String) {
  datasets(search: $search, filter: $filter, orderBy: $orderBy, first: $first, after: $after) ${CONNECTION} }`;
const CATALOG_PAGE = `query ($catalog: ID!, $search: String, $filter: DatasetFilterInput, $orderBy: DatasetOrder! = RELEVANCE, $first: Int!, $after: String) {
  catalog(id: $catalog) { datasets(search: $search, filter: $filter, orderBy: $orderBy, first: $first, after: $after) ${CONNECTION} } }`;

/** More than any of these questions needs, so that a list without an end fails. */
const MAX_PAGES = 200;
const RUNS = { numRuns: 8, seed: 20_260_729 };
const sizes = fc.array(fc.integer({ min: 1, max: 45 }), { minLength: 1, maxLength: 6 });

let sandbox: Sandbox;
let hub: TestHub;
let entries: readonly PortalEntry[];

beforeAll(async () => {
  sandbox = await startSandbox();
  hub = await startSandboxHub(sandbox);
  entries = (await Promise.all(sandbox.portals.map((portal) => readPortal(portal)))).flat();
});
afterAll(async () => {
  await hub[Symbol.asyncDispose]();
  await sandbox.close();
});

async function readPage(
  question: Question,
  first: number,
  after: string | null,
  from: TestHub = hub,
): Promise<Connection> {
  const { data, errors } = await from.ask<{ datasets: Connection }>(PAGE, { ...question, first, after });
  expect(errors).toBeUndefined();
  return data.datasets;
}

/** Follows cursors to the end. With `edge`, sometimes from the middle of a page. */
async function walk(
  read: (first: number, after: string | null) => Promise<Connection>,
  pageSizes: readonly number[],
  useEdges: readonly boolean[] = [false],
): Promise<{ readonly nodes: readonly Node[]; readonly pages: readonly Connection[] }> {
  const nodes: Node[] = [];
  const pages: Connection[] = [];
  let after: string | null = null;
  for (let step = 0; ; step++) {
    if (step === MAX_PAGES) throw new RangeError('the list does not end');
    const first = pageSizes[step % pageSizes.length] ?? 1;
    const page: Connection = await read(first, after);
    expect(page.nodes.length).toBeLessThanOrEqual(first);
    expect(page.edges.map(({ node }) => node.id)).toEqual(page.nodes.map(({ id }) => id));
    expect(page.pageInfo.endCursor).toBe(page.edges.at(-1)?.cursor ?? null);
    pages.push(page);
    const half = Math.ceil(page.nodes.length / 2);
    if (useEdges[step % useEdges.length] === true && half > 0 && half < page.nodes.length) {
      nodes.push(...page.nodes.slice(0, half));
      after = page.edges[half - 1]?.cursor ?? null;
      continue;
    }
    nodes.push(...page.nodes);
    if (!page.pageInfo.hasNextPage) return { nodes, pages };
    // A page that promises more and gives no cursor to ask on with would end the list early.
    expect(page.pageInfo.endCursor).not.toBeNull();
    after = page.pageInfo.endCursor;
  }
}

const idsOf = (nodes: readonly { readonly id: string }[]): readonly string[] => nodes.map(({ id }) => id);
const sorted = (ids: readonly string[]): readonly string[] => [...ids].sort();

const isRising = (values: readonly (number | string | null)[], isBefore: (a: never, b: never) => boolean): boolean =>
  values.every((value, index) => index === 0 || isBefore(values[index - 1] as never, value as never));

/** By code point, as the hub orders folded titles. Plain `<` differs above U+FFFF; no title here reaches that far. */
const titlesRise = (nodes: readonly Node[]): boolean =>
  isRising(
    nodes.map(({ title }) => fold(title)),
    (a: string, b: string) => a <= b,
  );
const epoch = ({ modified }: Node): number | null => (modified === null ? null : Date.parse(modified));
const fallsNullsLast = (a: number | null, b: number | null): boolean => b === null || (a !== null && a >= b);
const risesNullsLast = (a: number | null, b: number | null): boolean => b === null || (a !== null && a <= b);

const since = Date.parse('2026-09-01T00:00:00Z');
const QUESTIONS: readonly (readonly [string, Question, ((entry: PortalEntry) => boolean) | null])[] = [
  ['without search', {}, () => true],
  ['by title', { orderBy: 'TITLE' }, () => true],
  ['newest first', { orderBy: 'MODIFIED_DESC' }, () => true],
  ['oldest first', { orderBy: 'MODIFIED_ASC' }, () => true],
  ['of one publisher', { filter: { publishers: ['umeå KOMMUN'] } }, ({ publisher }) => publisher === 'Umeå kommun'],
  [
    'without a licence',
    { filter: { licenses: ['NOT_STATED'] }, orderBy: 'TITLE' },
    ({ license }) => license === null || license === 'notspecified',
  ],
  ['with records', { filter: { hasRecords: true } }, ({ hasRecords }) => hasRecords],
  ['without records', { filter: { hasRecords: false }, orderBy: 'MODIFIED_DESC' }, ({ hasRecords }) => !hasRecords],
  [
    'changed lately',
    { filter: { modifiedSince: '2026-09-01T00:00:00Z' } },
    ({ modifiedEpochMs }) => modifiedEpochMs !== null && modifiedEpochMs >= since,
  ],
  [
    'of a keyword',
    { filter: { keywords: ['energy'] }, orderBy: 'TITLE' },
    ({ keywords }) => keywords.some((word) => fold(word) === 'energy'),
  ],
  [
    'of two catalogs',
    { filter: { catalogs: ['leicester', 'mexico-city'] } },
    ({ id }) => /^(leicester|mexico-city):/.test(id),
  ],
  ['of a theme', { filter: { themes: ['TRAN'] }, orderBy: 'MODIFIED_DESC' }, null],
  ['in a box', { filter: { bbox: [-1.5, 44, 0, 46] } }, null],
  ['with a geometry', { filter: { hasGeometry: true } }, null],
  ['of a search', { search: 'velo' }, null],
  ['of a search by title', { search: 'trafic', orderBy: 'TITLE' }, null],
  [
    'of a search in a theme, newest first',
    { search: 'energy', filter: { themes: ['ENVI'] }, orderBy: 'MODIFIED_DESC' },
    null,
  ],
];

describe('paging datasets of all catalogs with random page sizes', () => {
  test.each(QUESTIONS)('%s yields every dataset exactly once', async (_, question, belongs) => {
    const whole = await readPage(question, 1_000, null);
    const ids = idsOf(whole.nodes);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.length).toBeGreaterThan(2);
    expect(whole.pageInfo.hasNextPage).toBe(false);
    expect(whole).toMatchObject({ totalCount: ids.length, totalIsExact: true });
    if (belongs !== null) expect(sorted(ids)).toEqual(sorted(idsOf(entries.filter(belongs))));
    else expect(ids.length).toBeLessThan(entries.length);

    await fc.assert(
      fc.asyncProperty(sizes, fc.array(fc.boolean(), { minLength: 1, maxLength: 4 }), async (pageSizes, useEdges) => {
        const { nodes, pages } = await walk((first, after) => readPage(question, first, after), pageSizes, useEdges);
        expect(idsOf(nodes)).toEqual(ids);
        for (const { totalCount } of pages) expect(totalCount).toBe(ids.length);
        const isListed =
          question.search === undefined && question.filter === undefined && question.orderBy === undefined;
        // A hub that has only paged a portal's list has not counted it.
        if (!isListed && question.filter?.['catalogs'] === undefined)
          for (const { totalIsExact } of pages) expect(totalIsExact).toBe(true);
      }),
      RUNS,
    );
  });

  test('the total of a list that was only paged is not called exact', async () => {
    const page = await readPage({}, 5, null);
    expect(page).toMatchObject({ totalCount: entries.length, totalIsExact: false });
  });

  test('a search finds what each portal itself finds', async () => {
    for (const search of ['velo', 'trafic', 'energy', 'bus', 'nothing-of-the-kind']) {
      const { nodes } = await readPage({ search }, 1_000, null);
      const truth = (await Promise.all(sandbox.portals.map((portal) => readPortal(portal, search)))).flat();
      expect(sorted(idsOf(nodes)), search).toEqual(sorted(idsOf(truth)));
    }
  });

  test('the asked order holds over all catalogs, undated ones last', async () => {
    const byTitle = await walk((first, after) => readPage({ orderBy: 'TITLE' }, first, after), [7]);
    expect(titlesRise(byTitle.nodes)).toBe(true);
    const newest = await walk((first, after) => readPage({ orderBy: 'MODIFIED_DESC' }, first, after), [9]);
    expect(isRising(newest.nodes.map(epoch), fallsNullsLast)).toBe(true);
    const oldest = await walk((first, after) => readPage({ orderBy: 'MODIFIED_ASC' }, first, after), [9]);
    expect(isRising(oldest.nodes.map(epoch), risesNullsLast)).toBe(true);
    for (const nodes of [byTitle.nodes, newest.nodes]) {
      // Several catalogs among the first ten: the order is not catalog by catalog.
      expect(new Set(nodes.slice(0, 10).map(({ id }) => id.split(':')[0])).size).toBeGreaterThan(1);
    }
  });
});

test.each(['bordeaux', 'umea', 'leicester', 'mexico-city', 'nouvelle-aquitaine'])(
  'paging the datasets of %s alone yields each of its datasets once, in every order',
  async (catalog) => {
    const own = entries.filter(({ id }) => id.startsWith(`${catalog}:`));
    const read =
      (question: Question) =>
      async (first: number, after: string | null): Promise<Connection> => {
        const { data, errors } = await hub.ask<{ catalog: { datasets: Connection } }>(CATALOG_PAGE, {
          catalog,
          ...question,
          first,
          after,
        });
        expect(errors).toBeUndefined();
        return data.catalog.datasets;
      };
    for (const orderBy of ['RELEVANCE', 'TITLE', 'MODIFIED_DESC'])
      await fc.assert(
        fc.asyncProperty(sizes, async (pageSizes) => {
          const { nodes, pages } = await walk(read({ orderBy }), pageSizes, [false, true]);
          expect(sorted(idsOf(nodes))).toEqual(sorted(idsOf(own)));
          for (const page of pages) {
            expect(page.totalCount).toBe(own.length);
            expect(page.sources.map((source) => source.catalog)).toEqual([catalog]);
          }
        }),
        { ...RUNS, numRuns: 4 },
      );
  },
);

describe('a cursor', () => {
  const refusal = async (
    question: Question,
    after: string,
    catalog: string | null = null,
  ): Promise<GraphQLFault | undefined> => {
    const query = catalog === null ? PAGE : CATALOG_PAGE;
    const { data, errors, status } = await hub.ask<{ datasets?: unknown } | null>(query, {
      ...question,
      first: 5,
      after,
      catalog,
    });
    expect(status).toBe(200);
    expect(JSON.stringify(data)).not.toContain('"nodes"');
    return errors?.[0];
  };
  const cursorOf = async (question: Question): Promise<string> =>
    (await readPage(question, 5, null)).pageInfo.endCursor ?? '';
  const forge = (cursor: string, change: (parts: [number, string, Record<string, unknown>]) => unknown): string => {
    const forged = createCursorForge(DATA_FOLDER, 'datasets');
    return forged.seal(JSON.stringify(change(JSON.parse(forged.open(cursor)))));
  };

  test('continues the question it was issued for', async () => {
    const first = await readPage({}, 5, null);
    const second = await readPage({}, 5, first.pageInfo.endCursor);
    expect(new Set([...idsOf(first.nodes), ...idsOf(second.nodes)]).size).toBe(10);
  });

  const base: Question = { orderBy: 'TITLE', filter: { themes: ['TRAN'] } };
  test.each<[string, Question]>([
    ['another order', { ...base, orderBy: 'MODIFIED_DESC' }],
    ['another filter', { ...base, filter: { themes: ['ENVI'] } }],
    ['no filter', { orderBy: 'TITLE' }],
    ['a search', { ...base, search: 'velo' }],
    ['fewer catalogs', { ...base, filter: { themes: ['TRAN'], catalogs: ['umea'] } }],
  ])('is refused for %s', async (_, question) => {
    const cursor = await cursorOf(base);
    expect((await readPage(base, 5, cursor)).nodes).toHaveLength(5);
    expect(await refusal(question, cursor)).toMatchObject({
      path: ['datasets'],
      extensions: { code: 'INPUT_INVALID' },
    });
  });

  test('of one catalog is refused by another', async () => {
    const { data } = await hub.ask<{ catalog: { datasets: Connection } }>(CATALOG_PAGE, { catalog: 'umea', first: 5 });
    const cursor = data.catalog.datasets.pageInfo.endCursor ?? '';
    expect(await refusal({}, cursor, 'leicester')).toMatchObject({ extensions: { code: 'INPUT_INVALID' } });
    expect(await refusal({}, cursor)).toMatchObject({ extensions: { code: 'INPUT_INVALID' } });
  });

  test.each<[string, Question, (cursor: string) => string]>([
    ['empty', {}, () => ''],
    ['not base64', {}, () => '%%%'],
    ['not sealed', {}, () => Buffer.from('{').toString('base64url')],
    ['not JSON', {}, () => createCursorForge(DATA_FOLDER, 'datasets').seal('{')],
    ['a cursor of records', {}, () => createCursorForge(DATA_FOLDER, 'records').seal('[1,"",{}]')],
    ['cut', {}, (cursor) => cursor.slice(0, -8)],
    ['of another version', {}, (cursor) => forge(cursor, ([, digest, places]) => [2, digest, places])],
    [
      'of another question',
      {},
      (cursor) => forge(cursor, ([version, , places]) => [version, 'AAAAAAAAAAAAAAAA', places]),
    ],
    ['a list of places', {}, (cursor) => forge(cursor, ([version, digest]) => [version, digest, []])],
    [
      'places that are numbers',
      {},
      (cursor) => forge(cursor, ([version, digest]) => [version, digest, { bordeaux: 7 }]),
    ],
    ['a made-up place', {}, (cursor) => forge(cursor, ([version, digest]) => [version, digest, { bordeaux: 'x' }])],
    [
      'a made-up place in a list',
      {},
      (cursor) => forge(cursor, ([version, digest]) => [version, digest, { bordeaux: 'lx' }]),
    ],
    [
      'a place of another source',
      {},
      (cursor) =>
        forge(cursor, ([version, digest, places]) => [version, digest, { 'mexico-city': places['bordeaux'] }]),
    ],
    [
      'a place without an order',
      { orderBy: 'TITLE' },
      (cursor) => forge(cursor, ([version, digest]) => [version, digest, { umea: 'r[{},"x"]' }]),
    ],
    [
      'a rank of another order',
      { orderBy: 'TITLE' },
      (cursor) => forge(cursor, ([version, digest]) => [version, digest, { umea: 'r[5,"x"]' }]),
    ],
    ['very long', {}, (cursor) => cursor + 'A'.repeat(300_000)],
  ])('that is %s is refused', async (_, question, change) => {
    const cursor = await cursorOf(question);
    const fault = await refusal(question, change(cursor));
    expect(fault).toMatchObject({ extensions: { code: 'INPUT_INVALID' } });
    expect(fault?.message.length).toBeLessThan(200);
  });
});

describe('when a source fails on a later page', () => {
  test.each<[string, Question]>([
    ['without search', {}],
    ['by title', { orderBy: 'TITLE' }],
    ['of a search', { search: 'transport' }],
  ])('%s, nothing of the others is lost or repeated, and it goes on where it stood', async (_, question) => {
    const own = await startSandboxHub(sandbox, { source: { cache: NO_CACHE } });
    const portal = sandbox.portal('leicester');
    try {
      const whole = idsOf((await readPage(question, 1_000, null, own)).nodes);
      let after: string | null = null;
      const got: string[] = [];
      for (let page = 1; page <= MAX_PAGES; page++) {
        portal.setFault(page === 2 ? '500' : null);
        const asked: Variables = { ...question, first: 4, after };
        const { data, errors }: Answer<{ datasets: Connection }> = await own.ask<{ datasets: Connection }>(PAGE, asked);
        const { nodes, pageInfo, sources, totalIsExact }: Connection = data.datasets;
        const failed = sources.filter(({ status }) => status === 'FAILED').map(({ catalog }) => catalog);
        expect(failed).toEqual(page === 2 ? ['leicester'] : []);
        expect(errors?.length ?? 0).toBe(page === 2 ? 1 : 0);
        if (page === 2) {
          expect(totalIsExact).toBe(false);
          expect(nodes).toHaveLength(4);
          expect(idsOf(nodes).filter((id) => id.startsWith('leicester:'))).toEqual([]);
        }
        got.push(...idsOf(nodes));
        if (!pageInfo.hasNextPage) break;
        after = pageInfo.endCursor;
      }
      expect(sorted(got)).toEqual(sorted(whole));
      expect(new Set(got).size).toBe(got.length);
    } finally {
      portal.setFault(null);
      await own[Symbol.asyncDispose]();
    }
  });
});

describe('a question for datasets is refused', () => {
  test('control: the specimen is answered', async () => {
    expect((await readPage({ filter: { themes: ['TRAN'] } }, 5, null)).nodes).toHaveLength(5);
  });

  test.each<[string, Question & { readonly first?: number }, RegExp]>([
    ['for an unknown catalog', { filter: { catalogs: ['bordaux'] } }, /did you mean "bordeaux"/],
    ['for an unknown theme', { filter: { themes: ['TRAM'] } }, /theme/],
    ['for an empty list', { filter: { keywords: [] } }, /empty list/],
    ['for a box of three numbers', { filter: { bbox: [1, 2, 3] } }, /bbox/],
    ['for a box upside down', { filter: { bbox: [0, 50, 1, 40] } }, /bbox/],
    ['for a page of none', { first: 0 }, /first/],
    ['for too large a page', { first: 1_001 }, /first/],
    ['for a search text too long', { search: 'x'.repeat(201) }, /search/],
    ['for a day that does not exist', { filter: { modifiedSince: '2026-02-30T00:00:00Z' } }, /DateTime|modifiedSince/],
    ['for a filter property that does not exist', { filter: { theme: ['TRAN'] } }, /theme/],
  ])('%s', async (_, question, message) => {
    const { data, errors } = await hub.ask(PAGE, { first: 5, ...question });
    expect(data ?? null).toBeNull();
    expect(errors).toHaveLength(1);
    expect(errors?.[0]?.extensions.code).toBe('INPUT_INVALID');
    expect(errors?.[0]?.message).toMatch(message);
  });
});
