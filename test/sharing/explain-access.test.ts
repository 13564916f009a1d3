import { startSandbox } from '@civex/sandbox';
import type { Sandbox } from '@civex/sandbox';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask } from '../test-support/test-hub.ts';
import { agree, ENERGY, INCIDENTS, startSharingHub } from './support/sharing-hub.ts';
import type { Partner, SharingHub } from './support/sharing-hub.ts';

let sandbox: Sandbox;
let hub: SharingHub;
let region: Partner;
let university: Partner;

const PURPOSE = { 'civex-purpose': 'energy-planning' };
const MISSING = 'mexico-city:no-such-dataset';

beforeAll(async () => {
  sandbox = await startSandbox();
  hub = await startSharingHub(sandbox);
  const council = await hub.partner('council-office', 'leicester-city-council', ['use', 'manage']);
  region = await hub.partner('region-dashboard', 'emr-region', ['use', 'manage']);
  university = await hub.partner('university', 'uni', ['use']);
  await agree(council, region, {
    provider: 'leicester-city-council',
    consumer: 'emr-region',
    purposes: ['energy-planning'],
    validFrom: '2026-01-01T00:00:00Z',
    validUntil: '2030-01-01T00:00:00Z',
    grants: [
      {
        dataset: ENERGY,
        actions: ['QUERY', 'AGGREGATE'],
        properties: ['reading_id', 'meter_number', 'site_name', 'site_ref', 'postcode', 'fuel', 'period', 'kwh', 'cost', 'geo_point_2d'], // prettier-ignore
        masks: [
          { property: 'meter_number', method: 'HASH' },
          { property: 'occupier', method: 'HIDE' },
          { property: 'postcode', method: 'PREFIX', parameter: 3 },
          { property: 'period', method: 'YEAR' },
          { property: 'kwh', method: 'ROUND', parameter: 10 },
          { property: 'cost', method: 'NULL' },
          { property: 'geo_point_2d', method: 'GRID', parameter: 500 },
        ],
        rows: { property: 'fuel', eq: 'Electricity' },
        limits: { recordsPerRequest: 50 },
      },
    ],
  });
}, 60_000);
afterAll(async () => {
  await hub?.[Symbol.asyncDispose]();
  await sandbox?.close();
});

const EXPLAIN =
  'query ($query: String!, $variables: JSONObject) { explainAccess(query: $query, variables: $variables) { decision fields { path outcome reason agreement } rowRules unlock { dataset missing properties provider } } }';

interface Explanation {
  readonly decision: string;
  readonly fields: readonly { readonly path: string; readonly outcome: string; readonly reason: string | null }[];
  readonly unlock: readonly { readonly properties: readonly string[] }[];
}

/** Every one is of a type its column takes, raw or masked: what is wrong in itself is no question of access. */
const leaf: fc.Arbitrary<Record<string, unknown>> = fc.constantFrom<Record<string, unknown>>(
  { property: 'fuel', eq: 'Gas' },
  { property: 'site_name', like: 'A%' },
  { property: 'occupier', eq: 'nobody at all' },
  { property: 'occupier', isNull: true },
  { property: 'ward', ne: 'Abbey' },
  { property: 'postcode', eq: 'LE1' },
  { property: 'postcode', eq: 'LE1 6TE' },
  { property: 'postcode', in: ['LE2', 'LE3 1AA'] },
  { property: 'postcode', like: 'LE%' },
  { property: 'meter_number', eq: '2200012345678' },
  { property: 'meter_number', eq: 'abcdefghijklmnopqrstuv' },
  { property: 'meter_number', lt: 'abcdefghijklmnopqrstuv' },
  { property: 'meter_number', isNull: false },
  { property: 'period', gte: '2025-01-01' },
  { property: 'period', eq: '2025-03-01' },
  { property: 'kwh', gt: 120 },
  { property: 'kwh', gt: 123 },
  { property: 'kwh', between: [100, 205] },
  { property: 'cost', isNull: true },
  { property: 'cost', gt: 10 },
  { property: 'geo_point_2d', bbox: [-1.2, 52.6, -1.1, 52.7] },
);
const filter = fc.oneof(
  leaf,
  fc.tuple(leaf, leaf).map(([a, b]) => ({ and: [a, { not: b }] })),
  fc.tuple(leaf, leaf).map(([a, b]) => ({ or: [{ and: [a] }, b] })),
);
const column = fc.constantFrom('fuel', 'site_name', 'ward', 'occupier', 'postcode', 'period', 'kwh', 'meter_number');
const question = fc.record({
  kind: fc.constantFrom('records', 'aggregate'),
  filter: fc.option(filter, { freq: 2 }),
  sortBy: fc.option(column, { freq: 2 }),
  groupBy: fc.option(column, { freq: 2 }),
  properties: fc.option(fc.uniqueArray(column, { minLength: 1, maxLength: 3 }), { freq: 2 }),
  first: fc.constantFrom(1, 5, 50, 51),
});
const QUERIES: Readonly<Record<string, string>> = {
  records:
    'query ($id: ID!, $filter: FilterInput, $sortBy: [SortInput!], $properties: [String!], $first: Int!) { dataset(id: $id) { records(filter: $filter, sortBy: $sortBy, properties: $properties, first: $first) { nodes { values } } } }',
  aggregate:
    'query ($id: ID!, $filter: FilterInput, $groupBy: [GroupByInput!], $first: Int!) { dataset(id: $id) { aggregate(filter: $filter, groupBy: $groupBy, measures: [{ as: "n", op: COUNT }], first: $first) { groups { key measures } } } }',
};

test('what is explained as refused is refused, and nothing else; and no portal is asked for an explanation', async ({
  task,
}) => {
  const asked = fc.sample(question, { seed: 20261123, numRuns: 120 });
  let [wrong, refusals, portalRequests] = [0, 0, 0];
  for (const { kind, sortBy, groupBy, ...rest } of asked) {
    const variables = {
      id: ENERGY,
      ...rest,
      ...(kind === 'records' ? { sortBy: sortBy === null ? null : [{ property: sortBy }] } : { properties: undefined, groupBy: groupBy === null ? null : [{ property: groupBy }] }), // prettier-ignore
    };
    const query = QUERIES[kind] ?? '';
    for (const portal of sandbox.portals) portal.clearRequests();
    const explained = await region.ask(EXPLAIN, { query, variables }, PURPOSE);
    expect(explained.errors).toBeUndefined();
    portalRequests += sandbox.portals.flatMap(({ requests }) => requests).length;
    const { fields, unlock } = explained.data.explainAccess as Explanation;
    // A hidden column nobody named is only left out.
    const denied = fields.filter(({ outcome, path }) => outcome === 'DENIED' && (rest.properties !== null || !path.includes('.values.'))); // prettier-ignore
    const answer = await region.ask(query, variables, PURPOSE);
    const code = answer.errors?.[0]?.extensions.code;
    const isRefused = code === 'ACCESS_DENIED' || (code === 'INPUT_TOO_COSTLY' && rest.first > 50);
    if (code !== undefined && !isRefused) {
      // A column that is not of this view at all is unknown to it.
      expect([code, answer.errors?.[0]?.message]).toEqual([]);
    }
    if (isRefused) refusals++;
    if (isRefused !== denied.length > 0) wrong++;
    if (!isRefused && kind === 'records') {
      const seen = new Set((answer.data.dataset.records.nodes as { values: object }[]).flatMap(({ values }) => Object.keys(values))); // prettier-ignore
      const named = fields.flatMap(({ path }) => /\.values\.(.+)$/.exec(path)?.[1] ?? []);
      if ([...seen].some((name) => !named.includes(name)) || seen.has('occupier')) wrong++;
    }
    if (denied.length > 0) expect(unlock.length > 0).toBe(denied.some(({ reason }) => !reason?.includes('records for one'))); // prettier-ignore
  }
  expect(refusals).toBeGreaterThan(20);
  expect(refusals).toBeLessThan(100);
  task.meta.figures = [
    { point: 16, what: 'questions whose explanation and answer disagree, of 120', value: wrong, target: '0', isMet: wrong === 0 }, // prettier-ignore
    { point: 16, what: 'requests to portals for 120 explanations', value: portalRequests, target: '0', isMet: portalRequests === 0 }, // prettier-ignore
  ];
  expect([wrong, portalRequests]).toEqual([0, 0]);
});

test('of what may not be known of every explanation is that of what does not exist, to the byte', async ({ task }) => {
  const askers = [
    (variables: Record<string, unknown>) => ask(hub.hub.url, EXPLAIN, variables),
    (variables: Record<string, unknown>) => region.ask(EXPLAIN, variables, PURPOSE),
    (variables: Record<string, unknown>) => university.ask(EXPLAIN, variables),
  ];
  const queries = [
    ...Object.values(QUERIES),
    'query ($id: ID!) { a: dataset(id: $id) { title access { allowed } ...more } datasetsById(ids: [$id, "bordeaux:x"]) { id records { totalCount } } } fragment more on Dataset { records(cql: "delito = \'ROBO\'") { totalCount } }',
    'query ($id: ID!) { dataset(id: $id) { records(first: 100000, properties: ["edad", "latitud"]) { nodes { id } } } }',
  ];
  let different = 0;
  for (const explain of askers)
    for (const query of queries) {
      const [hidden, none] = await Promise.all(
        [INCIDENTS, MISSING].map((id) => explain({ query, variables: { id, first: 5 } })),
      );
      expect(hidden?.errors).toBeUndefined();
      const { date: _, ...headers } = hidden?.headers ?? {};
      const { date: __, ...noHeaders } = none?.headers ?? {};
      if (hidden?.text !== none?.text || JSON.stringify(headers) !== JSON.stringify(noHeaders)) different++;
    }
  task.meta.figures = [
    { point: 16, what: 'explanations that tell a concealed dataset from none, of 12 pairs', value: different, target: '0', isMet: different === 0 }, // prettier-ignore
  ];
  expect(different).toBe(0);
});

test('what a header mends is not asked of the provider', async () => {
  const variables = { query: QUERIES['records'], variables: { id: ENERGY, first: 5 } };
  const { data } = await region.ask(EXPLAIN, variables);
  expect(data.explainAccess).toMatchObject({ decision: 'DENY', unlock: [] });
  expect(data.explainAccess.fields[0].reason).toContain('Civex-Purpose');
  const stranger = await university.ask(EXPLAIN, variables, PURPOSE);
  expect(stranger.data.explainAccess.unlock).toEqual([{ dataset: ENERGY, missing: ['QUERY'], properties: [], provider: 'leicester-city-council' }]); // prettier-ignore
});

test('what is skipped is not explained, and agreements are explained as they are given', async () => {
  const query = `query ($id: ID!, $more: Boolean!) {
    agreements(first: 1) { nodes { id } }
    dataset(id: $id) { title @skip(if: $more) ... @include(if: $more) { records(first: 5, properties: ["occupier"]) { totalCount } } }
  }`;
  const explain = async (who: Partner | null, more: boolean): Promise<readonly (readonly [string, string])[]> => {
    const variables = { query, variables: { id: ENERGY, more } };
    const { data } = who === null ? await ask(hub.hub.url, EXPLAIN, variables) : await who.ask(EXPLAIN, variables, PURPOSE); // prettier-ignore
    return (data.explainAccess as Explanation).fields.map(({ path, outcome }) => [path, outcome]);
  };
  expect(await explain(region, false)).toEqual([
    ['agreements', 'ALLOWED'],
    ['dataset.title', 'ALLOWED'],
  ]);
  expect(await explain(region, true)).toEqual([
    ['agreements', 'ALLOWED'],
    ['dataset.records', 'ROW_FILTERED'],
    ['dataset.records.values.occupier', 'DENIED'],
  ]);
  expect(await explain(null, false)).toEqual([
    ['agreements', 'DENIED'],
    ['dataset.title', 'ALLOWED'],
  ]);
});
