import { startSandbox } from '@civex/sandbox';
import type { Sandbox } from '@civex/sandbox';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDpopProof } from '../../packages/cli/src/client-credentials.ts';
import { agree, ENERGY, INCIDENTS, startSharingHub } from '../sharing/support/sharing-hub.ts';
import type { Partner, SharingHub } from '../sharing/support/sharing-hub.ts';
import { ask } from '../test-support/test-hub.ts';
import type { GraphQLFault } from '../test-support/test-hub.ts';

/* What somebody would try who wants more than an agreement gives. */

let sandbox: Sandbox;
let hub: SharingHub;
let region: Partner;
let university: Partner;

const PURPOSE = { 'civex-purpose': 'energy-planning' };

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
        actions: ['QUERY', 'AGGREGATE', 'EXPORT'],
        masks: [
          { property: 'occupier', method: 'HIDE' },
          { property: 'kwh', method: 'ROUND', parameter: 100 },
          { property: 'geo_point_2d', method: 'GRID', parameter: 2_000 },
        ],
        rows: { property: 'fuel', eq: 'Electricity' },
        limits: { recordsPerRequest: 1_000 },
      },
    ],
  });
}, 60_000);
afterAll(async () => {
  await hub?.[Symbol.asyncDispose]();
  await sandbox?.close();
});

const COUNT = 'query ($id: ID!) { dataset(id: $id) { id records(first: 1) { totalCount nodes { values } } } }';
const codesOf = (errors: readonly GraphQLFault[] | undefined): readonly unknown[] =>
  errors?.map(({ extensions }) => extensions.code) ?? [];

describe('another spelling of an id', () => {
  const spell = (id: string): readonly string[] => {
    const [source = '', local = ''] = id.split(':');
    return [
      `${source}:${local.toUpperCase()}`,
      `${source}:${local[0]?.toUpperCase()}${local.slice(1)}`,
      `${source}:${local} `,
      `${source}: ${local}`,
      `${source}:${local}\u0000`,
      `${source}:${local}\u200b`,
      `${source}:${encodeURIComponent(local).replace('-', '%2D')}`,
      `${source}:${local}/`,
      `${source}:${local}?`,
      `${source}:${local}#x`,
      `${source}:./${local}`,
      `${source}:${local}"`,
      `${source}:${local.replace('e', 'ｅ')}`,
      `${source}:${local}@city-of-leicester`,
    ];
  };
  test.each([ENERGY, INCIDENTS])('of %s gives nothing', async (id) => {
    for (const spelling of spell(id)) {
      const answer = await university.ask(COUNT, { id: spelling }, PURPOSE);
      expect(answer.data?.dataset ?? null, spelling).toBeNull();
      const file = await university.get(`/exports/${encodeURIComponent(spelling)}.ndjson`, PURPOSE);
      expect([400, 404], spelling).toContain(file.status);
    }
  });
});

describe('a hidden column', () => {
  test.each<readonly [string, string]>([
    ['a filter', 'records(filter: { property: "occupier", like: "A%" }) { totalCount }'],
    ['a filter for null', 'records(filter: { not: { property: "occupier", isNull: true } }) { totalCount }'],
    ['CQL', `records(cql: "occupier LIKE 'A%'") { totalCount }`],
    ['an order', 'records(sortBy: [{ property: "occupier" }]) { totalCount }'],
    ['its properties', 'records(properties: ["occupier"]) { totalCount }'],
    ['a group', 'aggregate(groupBy: [{ property: "occupier" }], measures: [{ as: "n", op: COUNT }], first: 9) { groups { key } }'], // prettier-ignore
    ['a measure', 'aggregate(measures: [{ as: "n", op: COUNT_DISTINCT, property: "occupier" }], first: 9) { groups { measures } }'], // prettier-ignore
    ['an extreme', 'aggregate(measures: [{ as: "n", op: MAX, property: "occupier" }], first: 9) { groups { measures } }'], // prettier-ignore
    ['an aggregate’s filter', 'aggregate(filter: { property: "occupier", eq: "x" }, measures: [{ as: "n", op: COUNT }], first: 9) { groups { measures } }'], // prettier-ignore
  ])('is refused in %s, beside what is allowed', async (_, field) => {
    const { errors, text } = await region.ask(
      `query ($id: ID!) { dataset(id: $id) { hidden: ${field} ok: records(first: 1) { nodes { values } } } }`,
      { id: ENERGY },
      PURPOSE,
    );
    expect(codesOf(errors)).toEqual(['ACCESS_DENIED']);
    expect(text).not.toMatch(/Ltd|PLC|Trust/);
  });

  test.each([
    'filter={"property":"occupier","like":"A%25"}',
    'properties=occupier',
    'sortBy=occupier',
    'cql=occupier IS NULL',
  ])('is refused in an export by %s', async (question) => {
    const { status, text } = await region.get(`/exports/${encodeURIComponent(ENERGY)}.csv?${encodeURI(question).replaceAll('%2525', '%25')}`, PURPOSE); // prettier-ignore
    expect(status, text).toBe(403);
  });

  test('is not read out of a record, nor suggested to who gets its name nearly right', async () => {
    const one = await region.ask('query ($id: ID!) { dataset(id: $id) { records(first: 1) { nodes { value(property: "occupier") } } } }', { id: ENERGY }, PURPOSE); // prettier-ignore
    expect(codesOf(one.errors)).toEqual(['INPUT_INVALID']);
    for (const field of [
      'records(filter: { property: "occupie", eq: "x" }) { totalCount }',
      'records(properties: ["Occupier"]) { totalCount }',
      `records(cql: "occupierr = 'x'") { totalCount }`,
    ]) {
      const near = await region.ask(`query ($id: ID!) { dataset(id: $id) { ${field} } }`, { id: ENERGY }, PURPOSE);
      expect(codesOf(near.errors)).toEqual(['INPUT_INVALID']);
      expect(near.errors?.[0]?.message).not.toMatch(/did you mean "occupier"/i);
    }
  });
});

test('masked values are all there is: ordered, extreme, counted, drawn', async () => {
  const { data, errors } = await region.ask(
    `query ($id: ID!) { dataset(id: $id) {
      up: records(first: 1000, sortBy: [{ property: "kwh" }]) { nodes { values geometry } }
      most: aggregate(measures: [{ as: "max", op: MAX, property: "kwh" }, { as: "kinds", op: COUNT_DISTINCT, property: "kwh" }], first: 9) { groups { measures } }
    } }`,
    { id: ENERGY },
    PURPOSE,
  );
  expect(errors).toBeUndefined();
  const { up, most } = data.dataset;
  const values: readonly (number | null)[] = up.nodes.map(
    (node: { values: { kwh: number | null } }) => node.values.kwh,
  );
  const present = values.filter((value) => value !== null);
  expect(present.length).toBeGreaterThan(100);
  expect(present.every((value) => value % 100 === 0)).toBe(true);
  expect(present).toEqual(present.toSorted((a, b) => a - b));
  expect(most.groups[0].measures.max % 100).toBe(0);
  expect(most.groups[0].measures.kinds).toBeGreaterThanOrEqual(new Set(present).size);
  // A city a dozen kilometres wide has few cells of two.
  const drawn = new Set(up.nodes.map(({ geometry }: { geometry: unknown }) => JSON.stringify(geometry)));
  expect(drawn.size).toBeLessThan(40);
});

describe('credentials', () => {
  const post = async (headers: Readonly<Record<string, string | string[]>>, path = '/graphql') => {
    const answer = await request(`${hub.hub.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...PURPOSE, ...headers },
      body: JSON.stringify({ query: COUNT, variables: { id: ENERGY } }),
    });
    const text = await answer.body.text();
    return { status: answer.statusCode, text };
  };

  test('of a proof that was used are refused', async () => {
    const headers = await region.headersFor('POST', '/graphql');
    expect((await post(headers)).text).toContain('"totalCount"');
    const again = await post(headers);
    expect(again.status).toBe(401);
    expect(again.text).not.toContain('totalCount');
  });

  test.each<readonly [string, string, string]>([
    ['another method', 'GET', '/graphql'],
    ['another path', 'POST', '/exports/x.csv'],
  ])('of a proof for %s are refused', async (_, method, target) => {
    expect((await post(await region.headersFor(method, target))).status).toBe(401);
  });

  test('of one client with the key of another are refused', async () => {
    const { authorization = '' } = await region.headersFor('POST', '/graphql');
    const accessToken = authorization.slice('DPoP '.length);
    const dpop = await createDpopProof(university.credentials, { method: 'POST', url: `${hub.hub.url}/graphql`, accessToken }); // prettier-ignore
    expect((await post({ authorization, dpop })).status).toBe(401);
    // A bound token is none without its proof.
    expect((await post({ authorization })).status).toBe(401);
    expect((await post({ authorization: `Bearer ${accessToken}` })).status).toBe(401);
  });

  test('that are there twice, or in the address, are refused or not seen', async () => {
    const headers = await region.headersFor('POST', '/graphql');
    const { authorization = '' } = headers;
    expect((await post({ ...headers, authorization: [authorization, authorization] })).status).toBe(401);
    const token = authorization.slice('DPoP '.length);
    const inAddress = await post({}, `/graphql?access_token=${token}`);
    expect(inAddress.text).not.toContain('"totalCount"');
  });

  test('a purpose that is declared twice is none', async () => {
    const answer = await post({
      ...(await region.headersFor('POST', '/graphql')),
      'civex-purpose': ['energy-planning', 'audit'],
    });
    expect(answer.text).not.toContain('"totalCount"');
  });
});

test('a catalog with a dataset that may not be noticed counts and lists as one without it', async () => {
  const question = `{
    all: datasets(first: 200, filter: { catalogs: ["mexico-city"] }) { totalCount nodes { id } }
    found: datasets(first: 200, search: "victimas carpetas investigacion detalle", filter: { catalogs: ["mexico-city"] }) { totalCount nodes { id } }
    part: datasets(first: 3, filter: { catalogs: ["mexico-city"] }) { totalCount nodes { id } }
    catalog(id: "mexico-city") { datasetCount }
  }`;
  for (const answer of [await ask(hub.hub.url, question), await university.ask(question), await region.ask(question)]) {
    expect(answer.text).not.toContain('"errors"');
    const { all, found, part, catalog } = answer.data as Record<'all' | 'found' | 'part', Listed> & { catalog: { datasetCount: unknown } }; // prettier-ignore
    expect(answer.text).not.toContain(INCIDENTS);
    for (const { totalCount, nodes } of [all, found]) expect([null, nodes.length]).toContain(totalCount);
    expect([null, all.totalCount]).toContain(part.totalCount);
    expect(catalog.datasetCount).toBeNull();
  }
});

test('where a dataset is left out of a list, the requests to its portal do not tell', async () => {
  const requests = new Set<number>();
  for (let first = 1; first <= 12; first++)
    for (const rest of ['', ', search: "datos"', ', orderBy: TITLE']) {
      const { data, text } = await university.ask(`{ datasets(first: ${first}${rest}, filter: { catalogs: ["mexico-city"] }) { sources { requests } } plain: catalog(id: "mexico-city") { datasets(first: ${first}${rest}) { sources { requests } } } }`); // prettier-ignore
      expect(text).not.toContain('"errors"');
      for (const { sources } of [data.datasets, data.plain.datasets]) requests.add(sources[0].requests);
    }
  // None where the hub still knew the answer.
  expect([...requests].filter((count) => count > 1)).toEqual([]);
  expect(requests).toContain(1);
});

interface Listed {
  readonly totalCount: number | null;
  readonly nodes: readonly unknown[];
}
