import { defaultHubConfig } from '@civex/config';
import { startSourceServer } from '@civex/gateway';
import { startSandbox } from '@civex/sandbox';
import type { Sandbox } from '@civex/sandbox';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { withoutTimes } from '../test-support/answers.ts';
import { startCountingProxy } from '../test-support/counting-proxy.ts';
import type { CountingProxy } from '../test-support/counting-proxy.ts';
import { createConfig, DATA_FOLDER, NO_CACHE, REPORT, startTestHub, toSourceInput } from '../test-support/test-hub.ts';
import type { Answer, GraphQLFault, Loose, TestHub, Variables } from '../test-support/test-hub.ts';

const DESCRIPTION = { homepage: 'https://opendata.umea.se', country: 'SE', region: 'Västerbotten' };

let sandbox: Sandbox;
let local: TestHub;
let server: { readonly url: string; close(): Promise<void> };
let proxy: CountingProxy;
/** The same sources, but umea is served by another process's worth of Civex behind the proxy. */
let federated: TestHub;

beforeAll(async () => {
  sandbox = await startSandbox();
  const config = createConfig(sandbox.portals, {
    source: (id) => ({ cache: NO_CACHE, ...(id === 'umea' ? DESCRIPTION : {}) }),
  });
  local = await startTestHub(config);
  server = await startSourceServer({ config, source: 'umea', log: () => {}, port: 0, host: '127.0.0.1' });
  proxy = await startCountingProxy(server.url);
  federated = await startTestHub(
    defaultHubConfig(
      sandbox.portals.map((portal) =>
        portal.id === 'umea'
          ? {
              id: 'umea',
              adapter: 'civex',
              url: proxy.url,
              privateNetwork: ['127.0.0.1/32'],
              limits: { totalTimeoutMs: 3_000 },
            }
          : toSourceInput(portal, { cache: NO_CACHE }),
      ),
      { server: { dataFolder: DATA_FOLDER, capabilityProbes: false } },
    ),
  );
});
afterAll(async () => {
  await federated[Symbol.asyncDispose]();
  await proxy[Symbol.asyncDispose]();
  await server.close();
  await local[Symbol.asyncDispose]();
  await sandbox.close();
});
beforeEach(() => {
  proxy.clear();
  proxy.setOpen(true);
  proxy.setAnswer(null);
});

const DATASET = `id catalog { id title country languages } identifier title titles description keywords themes publisher { name homepage type } contactPoint { name email url }
  license { status id uri title raw family } accessRights issued modified accrualPeriodicity languages spatial { bbox centroid label } temporal { start end } landingPage
  distributions { id title format mediaType accessURL downloadURL byteSize modified license { status } }
  queryables { name title description type unit pushdown } recordCount provenance { catalog dataset publisher license { id } modified fetchedAt attribution raw }`;
const RECORDS = `totalCount totalIsExact nodes { id values geometry } edges { cursor node { id } } pageInfo { hasNextPage endCursor }
  plan { pushed residual scannedRecords portalQuery } source { ${REPORT} } provenance { catalog dataset attribution }`;
const GROUPS = `groups { key measures } truncated plan { pushed residual scannedRecords portalQuery } source { ${REPORT} } provenance { catalog dataset attribution }`;
const CONNECTION = `totalCount totalIsExact nodes { id title catalog { id title } } edges { cursor node { id } } pageInfo { hasNextPage endCursor } sources { ${REPORT} }`;

const TWENTY = [
  'badplatser',
  'befolkningsfoeraendringar-helar',
  'busshallplatser',
  'bygglov-beslut',
  'bygglov-inkomna-arenden',
  'cykelrakning',
  'cykelstationer-umea',
  'cykelvagar',
  'detaljplaner-dokument',
  'elforbrukning-kommunala-fastigheter',
  'farthinder',
  'gop_lekparker',
  'kommunomraden',
  'laddplatser',
  'ortnamn',
  'parkeringsplatser',
  'roads_umea',
  'snorojning',
  'trafikfloden',
  'wifi-hotspots',
].map((localId) => `umea:${localId}`);

const QUESTIONS: readonly (readonly [string, string, Variables])[] = [
  [
    'all catalogs',
    '{ catalogs { id title homepage country region languages datasetCount health { state reason } } }',
    {},
  ],
  ['everything of one dataset', `{ dataset(id: "umea:laddplatser") { ${DATASET} } }`, {}],
  [
    'a dataset in a language',
    '{ dataset(id: "umea:laddplatser") { title(lang: "en") description(lang: "sv-SE") queryables { title(lang: "sv") } } }',
    {},
  ],
  [
    'a dataset that does not exist',
    '{ dataset(id: "umea:gone") { id } umea: dataset(id: "umea:badplatser") { id } }',
    {},
  ],
  ['a list over all catalogs', `{ datasets(first: 60) { ${CONNECTION} } }`, {}],
  [
    'a list of whole datasets',
    `{ datasets(first: 100, filter: { themes: ["TRAN"] }, orderBy: TITLE) { totalCount nodes { ${DATASET} } } }`,
    {},
  ],
  ['a search', `{ datasets(search: "cykel", first: 30) { ${CONNECTION} } }`, {}],
  ['a search without hits', `{ datasets(search: "qqqqqq", first: 30) { ${CONNECTION} } }`, {}],
  ['the newest datasets', `{ datasets(first: 25, orderBy: MODIFIED_DESC) { ${CONNECTION} } }`, {}],
  [
    'a filter on columns',
    `{ catalog(id: "umea") { datasets(filter: { hasGeometry: true, licenses: ["CC0-1.0"] }, first: 7) { ${CONNECTION} } } }`,
    {},
  ],
  [
    'a filter that leaves the remote catalog out',
    `{ datasets(filter: { catalogs: ["leicester"] }, first: 5) { ${CONNECTION} } }`,
    {},
  ],
  [
    'many by id',
    `query ($ids: [ID!]!) { datasetsById(ids: $ids) { ${DATASET} } }`,
    { ids: [...TWENTY.slice(0, 6), 'bordeaux:ci_vcub_p', 'umea:gone', 'umea:badplatser', 'leicester:bus-stops'] },
  ],
  [
    'records with a filter the portal decides',
    `{ dataset(id: "umea:cykelstationer-umea") { records(filter: { property: "lediga_cyklar", gt: 3 }, first: 5) { ${RECORDS} } } }`,
    {},
  ],
  [
    'records with a filter the hub decides',
    `{ dataset(id: "umea:ortnamn") { records(filter: { property: "libelle", like: "%a%" }, sortBy: [{ property: "libelle", direction: DESC }], first: 9) { ${RECORDS} } } }`,
    {},
  ],
  ['records of hard values', `{ dataset(id: "umea:ortnamn") { records(first: 100) { ${RECORDS} } } }`, {}],
  [
    'records in CQL2, with some columns',
    `{ dataset(id: "umea:laddplatser") { records(cql: "number_charging_points > 2 OR number_charging_points IS NULL", first: 4) { nodes { id values } totalCount } } }`,
    {},
  ],
  [
    'records of two datasets at once',
    `{ a: dataset(id: "umea:badplatser") { records(first: 2) { ${RECORDS} } } b: dataset(id: "umea:farthinder") { records(first: 2) { ${RECORDS} } } c: dataset(id: "bordeaux:ci_vcub_p") { records(first: 2) { ${RECORDS} } } }`,
    {},
  ],
  [
    'records of a dataset that has none',
    `{ dataset(id: "umea:snorojning") { title queryables { name } records(first: 2) { ${RECORDS} } } }`,
    {},
  ],
  [
    'records with an unknown property',
    '{ dataset(id: "umea:badplatser") { title records(filter: { property: "nam", eq: "x" }) { nodes { id } } } x: dataset(id: "leicester:bus-stops") { id } }',
    {},
  ],
  ['records with a bad cursor', '{ dataset(id: "umea:badplatser") { records(after: "abc") { nodes { id } } } }', {}],
  [
    'a value that was not asked for',
    '{ dataset(id: "umea:badplatser") { records(first: 1, properties: ["namn"]) { nodes { id value(property: "nope") } } } }',
    {},
  ],
  [
    'aggregates the portal makes and the hub makes',
    `{ a: dataset(id: "umea:cykelstationer-umea") { aggregate(groupBy: [{ property: "lediga_cyklar" }], measures: [{ as: "n", op: COUNT }], first: 3) { ${GROUPS} } }
       b: dataset(id: "umea:ortnamn") { aggregate(groupBy: [{ property: "libelle" }], measures: [{ as: "n", op: COUNT }], sortBy: [{ property: "n", direction: DESC }], first: 5) { ${GROUPS} } } }`,
    {},
  ],
  [
    'an aggregate with an unknown property',
    '{ dataset(id: "umea:badplatser") { title aggregate(measures: [{ as: "n", op: SUM, property: "nope" }]) { truncated } } x: dataset(id: "leicester:bus-stops") { id } }',
    {},
  ],
  ['datasets with a bad theme', '{ datasets(filter: { themes: ["NOPE"] }) { nodes { id } } }', {}],
  ['datasets with a bad cursor', '{ datasets(first: 5, after: "abc") { nodes { id } } }', {}],
  [
    'a list with records inside',
    `{ datasets(filter: { catalogs: ["umea"], hasRecords: true }, first: 4) { nodes { id records(first: 1) { nodes { id } totalCount } } } }`,
    {},
  ],
];

/**
 * The path says where an error belongs. What the remote alone knows of it, its place in the text of the question and
 * the wording of what its portal failed to do, does not travel.
 */
const essence = (errors: readonly GraphQLFault[] | undefined): unknown =>
  errors
    ?.map(({ message, path, extensions: { code } }) => ({
      path,
      code,
      ...(code?.startsWith('INPUT_') === true ? { message } : {}),
    }))
    .sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)));

async function askBoth(query: string, variables: Variables = {}): Promise<readonly [Answer<Loose>, Answer<Loose>]> {
  return [await local.ask<Loose>(query, variables), await federated.ask<Loose>(query, variables)];
}

describe('a hub with one source served by another Civex answers as a hub of its own', () => {
  test.each(QUESTIONS)('%s', async (_, query, variables) => {
    const [wanted, got] = await askBoth(query, variables);
    expect(got.status).toBe(wanted.status);
    expect(essence(got.errors)).toEqual(essence(wanted.errors));
    expect(withoutTimes(got.data)).toEqual(withoutTimes(wanted.data));
  });

  test('so that the questions that fail are few', async () => {
    const failing: string[] = [];
    for (const [title, query, variables] of QUESTIONS)
      if ((await local.ask(query, variables)).errors !== undefined) failing.push(title);
    expect(failing).toEqual([
      'records of a dataset that has none',
      'records with an unknown property',
      'records with a bad cursor',
      'a value that was not asked for',
      'an aggregate with an unknown property',
      'datasets with a bad theme',
      'datasets with a bad cursor',
    ]);
  });

  test.each<[string, Variables]>([
    ['without search', {}],
    ['by title', { orderBy: 'TITLE' }],
    ['of a search', { search: 'energi' }],
  ])('page by page, %s, cursors included', async (_, question) => {
    const query = `query ($search: String, $orderBy: DatasetOrder! = RELEVANCE, $after: String) { datasets(search: $search, orderBy: $orderBy, first: 13, after: $after) { ${CONNECTION} } }`;
    let after: string | null = null;
    for (let page = 0; page < 20; page++) {
      const [wanted, got]: readonly [Answer<Loose>, Answer<Loose>] = await askBoth(query, { ...question, after });
      expect(withoutTimes(got.data)).toEqual(withoutTimes(wanted.data));
      const { pageInfo } = got.data.datasets;
      if (!pageInfo.hasNextPage) return;
      after = pageInfo.endCursor;
    }
    throw new RangeError('the list does not end');
  });

  test('and records page by page, where a cursor of one hub continues at the other', async () => {
    const query = `query ($after: String) { dataset(id: "umea:bygglov-inkomna-arenden") { records(first: 200, after: $after) { ${RECORDS} } } }`;
    const seen = new Set<string>();
    let after: string | null = null;
    do {
      const [wanted, got]: readonly [Answer<Loose>, Answer<Loose>] = await askBoth(query, { after });
      expect(withoutTimes(got.data)).toEqual(withoutTimes(wanted.data));
      for (const { id } of got.data.dataset.records.nodes) seen.add(id);
      const { pageInfo } = wanted.data.dataset.records;
      after = pageInfo.hasNextPage ? pageInfo.endCursor : null;
    } while (after !== null);
    expect(seen.size).toBe(640);
  });
});

describe('requests to the served source', () => {
  test('20 of its datasets by id travel in one', async () => {
    const { data, errors } = await federated.ask<Loose>(
      `query ($ids: [ID!]!) { datasetsById(ids: $ids) { ${DATASET} } }`,
      { ids: TWENTY },
    );
    expect(errors).toBeUndefined();
    expect(data.datasetsById.map(({ id }: { id: string }) => id)).toEqual(TWENTY);
    // What the hub says of the catalog itself was asked before; the datasets are one question.
    const questions = proxy.bodies.filter((body) => !body.includes('sourceInfo'));
    expect(questions).toHaveLength(1);
  });

  test('20 of its datasets by id are one request to its portal', async () => {
    sandbox.portal('umea').clearRequests();
    await federated.ask('query ($ids: [ID!]!) { datasetsById(ids: $ids) { id title license { id } } }', {
      ids: TWENTY,
    });
    expect(sandbox.portal('umea').requests).toHaveLength(1);
  });

  test('carry nothing of the caller', async () => {
    await federated.ask(
      '{ dataset(id: "umea:badplatser") { id } }',
      {},
      { headers: { authorization: 'Bearer secret-of-the-caller', cookie: 'session=secret-of-the-caller' } },
    );
    for (const { headers } of sandbox.portal('umea').requests)
      expect(JSON.stringify(headers)).not.toContain('secret-of-the-caller');
    expect(proxy.bodies.join()).not.toContain('secret-of-the-caller');
  });
});

describe('when the served source', () => {
  const QUESTION = `{ datasets(search: "cykel", first: 30) { totalCount totalIsExact nodes { id } sources { ${REPORT} } }
    datasetsById(ids: ["umea:badplatser", "bordeaux:ci_vcub_p", "umea:farthinder", "leicester:bus-stops"]) { id }
    umea: dataset(id: "umea:badplatser") { id }
    catalogs { id title datasetCount health { state reason } } }`;

  test.each<[string, () => void, string]>([
    ['cannot be reached', () => proxy.setOpen(false), 'SOURCE_UNAVAILABLE'],
    [
      'answers a page of HTML',
      () => proxy.setAnswer({ status: 200, type: 'text/html', body: '<title>MARKER-a1</title>' }),
      'SOURCE_MALFORMED',
    ],
    [
      'answers a fault in HTML',
      () => proxy.setAnswer({ status: 500, type: 'text/html', body: '<title>MARKER-a1</title>' }),
      'SOURCE_UNAVAILABLE',
    ],
    [
      'answers what is no GraphQL',
      () => proxy.setAnswer({ status: 200, type: 'application/json', body: '"MARKER-a1"' }),
      'SOURCE_MALFORMED',
    ],
    [
      'answers errors in its own words',
      () =>
        proxy.setAnswer({
          status: 200,
          type: 'application/json',
          body: '{"data":null,"errors":[{"message":"MARKER-a1","extensions":{"code":"MARKER-a1","http":{"status":418,"headers":{"x-marker":"MARKER-a1"}}}}]}',
        }),
      'SOURCE_UNAVAILABLE',
    ],
    [
      'claims to be the hub',
      () =>
        proxy.setAnswer({
          status: 200,
          type: 'application/json',
          body: '{"data":null,"errors":[{"message":"MARKER-a1","extensions":{"code":"SOURCE_TIMEOUT","stack":"MARKER-a1"}}]}',
        }),
      'SOURCE_TIMEOUT',
    ],
    // A code that is not about the source would decide over the whole answer, its status or the others' parts.
    ...[
      'AUTH_REQUIRED',
      'AUTH_UNAVAILABLE',
      'ACCESS_DENIED',
      'INTERNAL',
      'NOT_FOUND',
      'CANCELLED',
      'CONFIG_INVALID',
    ].map((code): [string, () => void, string] => [
      `says ${code}`,
      () =>
        proxy.setAnswer({
          status: 200,
          type: 'application/json',
          body: JSON.stringify({ data: null, errors: [{ message: 'MARKER-a1', extensions: { code } }] }),
        }),
      'SOURCE_UNAVAILABLE',
    ]),
  ])('%s, its part fails, located and coded, and the others are whole', async (_, fail, code) => {
    const healthy = await local.ask<Loose>(QUESTION);
    const own = await startTestHub(
      defaultHubConfig(
        sandbox.portals.map((portal) =>
          portal.id === 'umea'
            ? {
                id: 'umea',
                adapter: 'civex',
                url: proxy.url,
                privateNetwork: ['127.0.0.1/32'],
                limits: { totalTimeoutMs: 3_000 },
              }
            : toSourceInput(portal, { cache: NO_CACHE }),
        ),
      ),
    );
    try {
      fail();
      const { status, data, errors = [], text, headers } = await own.ask<Loose>(QUESTION);
      expect(status).toBe(200);
      expect(text).not.toContain('MARKER');
      expect(JSON.stringify(headers)).not.toContain('MARKER');
      const isOthers = ({ id }: { id: string }): boolean => !id.startsWith('umea');
      expect(data.datasets.nodes).toEqual(healthy.data.datasets.nodes.filter(isOthers));
      expect(data.datasets.totalIsExact).toBe(false);
      expect(data.datasets.sources[1]).toMatchObject({ catalog: 'umea', status: 'FAILED', error: { code } });
      expect(data.datasetsById).toEqual([null, { id: 'bordeaux:ci_vcub_p' }, null, { id: 'leicester:bus-stops' }]);
      expect(data.umea).toBeNull();
      expect(withoutTimes(data.catalogs.filter(isOthers))).toEqual(
        withoutTimes(healthy.data.catalogs.filter(isOthers)),
      );
      for (const { extensions } of errors) expect(extensions).toMatchObject({ code, source: 'umea' });
      const places = errors.map(({ path }) => path?.join('.'));
      expect(places).toEqual(expect.arrayContaining(['datasets', 'datasetsById.0', 'umea']));
      expect(places).not.toContain('datasetsById.2');
    } finally {
      await own[Symbol.asyncDispose]();
    }
  });

  test('lists what is not its own, that is refused', async () => {
    proxy.setAnswer({
      status: 200,
      type: 'application/json',
      body: JSON.stringify({
        data: {
          sourceSlice: {
            keys: [{ id: 'bordeaux:ci_vcub_p', rank: 99, cursor: 'x' }],
            hasNextPage: false,
            total: 1,
            totalIsExact: true,
            report: { catalog: 'umea', status: 'OK', requests: 1, durationMs: 1 },
          },
        },
      }),
    });
    const { data } = await federated.ask<Loose>(
      `{ datasets(search: "cykel", first: 30) { nodes { id } sources { ${REPORT} } } }`,
    );
    expect(data.datasets.sources[1]).toMatchObject({
      catalog: 'umea',
      status: 'FAILED',
      error: { code: 'SOURCE_MALFORMED' },
    });
    expect(
      data.datasets.nodes.filter(({ id }: { id: string }) => id === 'bordeaux:ci_vcub_p').length,
    ).toBeLessThanOrEqual(1);
  });

  test('loses its portal, the report says what happened to the portal', async () => {
    sandbox.portal('umea').setFault('500');
    try {
      const [wanted, got] = await askBoth(
        `{ datasets(search: "cykel", first: 30) { totalCount totalIsExact nodes { id } sources { catalog status error { code } } } }`,
      );
      expect(got.data).toEqual(wanted.data);
      expect(got.data.datasets.sources[1]).toMatchObject({ status: 'FAILED', error: { code: 'SOURCE_UNAVAILABLE' } });
      expect(essence(got.errors)).toEqual(essence(wanted.errors));
    } finally {
      sandbox.portal('umea').setFault(null);
    }
  });
});

describe('a served source', () => {
  test('answers for itself only', async () => {
    const { data, errors } = await (async () => {
      const answer = await fetch(`${server.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          query:
            '{ a: sourceDataset(source: "umea", id: "umea:badplatser") { id } b: sourceDataset(source: "bordeaux", id: "bordeaux:ci_vcub_p") { id } c: sourceDataset(source: "umea", id: "bordeaux:ci_vcub_p") { id } }',
        }),
      });
      return (await answer.json()) as { data: unknown; errors?: readonly GraphQLFault[] };
    })();
    expect(data).toEqual({ a: { id: 'umea:badplatser' }, b: null, c: null });
    expect(errors).toMatchObject([{ path: ['b'], extensions: { code: 'NOT_FOUND' } }]);
  });
});
