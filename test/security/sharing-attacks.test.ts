import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startSandbox } from '@civex/sandbox';
import type { Sandbox } from '@civex/sandbox';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDpopProof, requestToken } from '../../packages/cli/src/client-credentials.ts';
import { agree, ENERGY, INCIDENTS, startSharingHub } from '../sharing/support/sharing-hub.ts';
import type { Partner, SharingHub } from '../sharing/support/sharing-hub.ts';
import { ask, NO_CACHE } from '../test-support/test-hub.ts';
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

describe('what is told of a restricted dataset beside its records', () => {
  const WORDS = ['themes', 'accrualPeriodicity', 'issued', 'modified', 'license', 'licenseUrl'];
  const DESCRIPTION = 'distributions { id } recordCount spatial { bbox centroid } provenance { raw }';

  test('names no file, no table, no size and no place of any record', async () => {
    const prosecutor = await hub.partner('prosecutor', 'fgj-cdmx');
    for (const [id, answer] of [
      [ENERGY, await ask(hub.hub.url, `{ dataset(id: "${ENERGY}") { ${DESCRIPTION} } }`)],
      [INCIDENTS, await prosecutor.ask(`{ dataset(id: "${INCIDENTS}") { ${DESCRIPTION} access { allowed } } }`)],
    ] as const) {
      const { distributions, recordCount, spatial, provenance } = answer.data['dataset'];
      expect([distributions, recordCount, spatial?.bbox ?? null, spatial?.centroid ?? null], id).toEqual([[], null, null, null]); // prettier-ignore
      expect(Object.keys(provenance.raw).filter((word) => !WORDS.includes(word)), id).toEqual([]); // prettier-ignore
    }
  });

  test('nor does it with records and groups, nor where they are refused', async () => {
    const question = `query ($id: ID!) { dataset(id: $id) {
      records(first: 1) { provenance { raw } } aggregate(measures: [{ as: "n", op: COUNT }], first: 1) { provenance { raw } } } }`;
    const { data } = await region.ask(question, { id: ENERGY }, PURPOSE);
    for (const { provenance } of [data.dataset.records, data.dataset.aggregate])
      expect(Object.keys(provenance.raw).filter((word) => !WORDS.includes(word))).toEqual([]);
    // An open dataset keeps all its portal's words.
    const open = await ask(hub.hub.url, '{ datasets(first: 200, filter: { catalogs: ["leicester"] }) { nodes { accessRights provenance { raw } } } }'); // prettier-ignore
    const { nodes } = open.data['datasets'];
    expect(nodes.some(({ accessRights, provenance }: { accessRights: string; provenance: { raw: object } }) => accessRights === 'PUBLIC' && 'fields' in provenance.raw)).toBe(true); // prettier-ignore
  });

  test('is told of the dataset that was asked for, whatever its fields are called', async () => {
    const asked = 'access { allowed actions hiddenProperties }';
    // A directive keeps a question from the short way.
    for (const way of ['', ' x: title @include(if: true)'])
      for (const names of [
        'id: title',
        'accessRights: title',
        'id: title accessRights: id',
        'title: id id: landingPage',
      ])
        for (const id of ['leicester:allotments-waiting-list', ENERGY]) {
          const { data } = await region.ask(`{ dataset(id: "${id}") { ${names}${way} ${asked} } plain: dataset(id: "${id}") { ${asked} } }`); // prettier-ignore
          expect(data.plain.access.allowed, names).toBe(true);
          expect(data.dataset.access, names).toEqual(data.plain.access);
        }
  });
});

describe('a token for a part of what its client may do', () => {
  /** Asks with a token of its own. */
  const askWith = async (
    question: Omit<Parameters<typeof requestToken>[1], 'dispatcher'>,
    query: string,
  ): Promise<{ data: Readonly<Record<string, never>> | null; errors?: readonly GraphQLFault[]; text: string }> => {
    const { accessToken } = await requestToken(region.credentials, question);
    const url = `${hub.hub.url}/graphql`;
    const answer = await request(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `DPoP ${accessToken}`,
        dpop: await createDpopProof(region.credentials, { method: 'POST', url, accessToken }),
      },
      body: JSON.stringify({ query }),
    });
    const text = await answer.body.text();
    return { text, ...(JSON.parse(text) as { data: null }) };
  };
  const NARROWED = { authorizationDetails: [{ type: 'urn:civex:data-share', locations: ['leicester:other'] }] };

  test('shows of agreements what it may be used for', async () => {
    const whole = await askWith(
      {},
      '{ viewer { agreements { grants { dataset } history { by } odrl pendingVersion } } }',
    );
    expect(whole.errors).toBeUndefined();
    expect(whole.text).toContain(ENERGY);
    const other = await askWith(NARROWED, `{ viewer { agreements { id grants { dataset } } } dataset(id: "${ENERGY}") { access { allowed agreement { id } } } }`); // prettier-ignore
    expect(other.errors).toBeUndefined();
    expect(other.data).toMatchObject({ viewer: { agreements: [] }, dataset: { access: { allowed: false, agreement: null } } }); // prettier-ignore
    for (const question of [
      { scope: 'catalog:read' },
      { authorizationDetails: [{ type: 'urn:civex:data-share', locations: [ENERGY] }] },
    ]) {
      const part = await askWith(question, '{ viewer { agreements { id grants { dataset } } } }');
      expect(part.text).toContain(ENERGY);
      for (const field of ['history { by }', 'odrl', 'pendingVersion', 'pending { version }']) {
        const { errors, data } = await askWith(question, `{ viewer { agreements { ${field} } } }`);
        expect(codesOf(errors), field).toEqual(['ACCESS_DENIED']);
        expect(JSON.stringify(data), field).not.toContain(ENERGY);
      }
    }
  });
});

test('a dataset that may not be noticed is told from none by nothing that can be asked about an id', async () => {
  const none = INCIDENTS.replace(/e$/, 'f');
  const terms = (dataset: string, more: object): object => ({
    provider: 'fgj-cdmx',
    consumer: 'emr-region',
    purposes: ['energy-planning'],
    validFrom: '2026-01-01T00:00:00Z',
    validUntil: '2030-01-01T00:00:00Z',
    grants: [{ dataset, actions: ['QUERY'], ...more }],
  });
  const questions: readonly (readonly [query: string, variables: (id: string) => Readonly<Record<string, unknown>>])[] =
    [
      ...[
        'title access { allowed }',
        'records(first: 1) { totalCount }',
        'records(first: 99999, cql: "((") { totalCount } access { actions }',
        'aggregate(filter: { property: "delito", eq: 1 }, measures: [{ as: "n", op: COUNT }], first: 1) { groups { measures } }',
        'queryables { name } provenance { raw }',
      ].flatMap((selection) => [
        [`query ($id: ID!) { dataset(id: $id) { ${selection} } }`, (id: string) => ({ id })] as const,
        [`query ($id: ID!) { datasetsById(ids: ["mexico-city:alcaldias", $id, $id]) { id ${selection} } }`, (id: string) => ({ id })] as const, // prettier-ignore
      ]),
      [
        'query ($query: String!, $variables: JSONObject) { explainAccess(query: $query, variables: $variables) { decision fields { outcome reason agreement } rowRules unlock { dataset provider } } }',
        (id) => ({
          query: 'query ($of: ID!) { dataset(id: $of) { ...part } } fragment part on Dataset { records(properties: ["delito"]) { totalCount } }', // prettier-ignore
          variables: { of: id },
        }),
      ],
      ...[
        {},
        { properties: ['delito'] },
        { rows: { property: 'delito', eq: 7 } },
        { masks: [{ property: 'edad_victima', method: 'ROUND', parameter: 5 }] },
      ].map(
        (more) =>
          [
            'mutation ($input: AgreementInput!) { proposeAgreement(input: $input) { state } }',
            (id: string) => ({ input: terms(id, more) }),
          ] as const,
      ),
      [
        'mutation ($id: ID!) { requestAccess(dataset: $id, actions: [QUERY], properties: ["delito"], purpose: "energy-planning", justification: "why not") { state } }',
        (id) => ({ id }),
      ],
    ];
  const bare = (text: string): string =>
    text.replaceAll(/detall[ef]/g, 'detall').replaceAll(/"fetchedAt":"[^"]*"/g, '');
  const tell = async (who: Partner | null, id: string): Promise<readonly string[]> => {
    const told: string[] = [];
    for (const [query, variables] of questions) {
      const { status, text } = who === null ? await ask(hub.hub.url, query, variables(id)) : await who.ask(query, variables(id), PURPOSE); // prettier-ignore
      told.push(`${status} ${bare(text)}`);
    }
    for (const file of ['csv', 'geojson?ids=true', 'metadata.json', 'ndjson?properties=delito', 'csv?filter=7']) {
      const path = `/exports/${encodeURIComponent(id)}.${file}`;
      const answer = who === null ? await request(`${hub.hub.url}${path}`) : null;
      const { status, text } = answer === null ? await who!.get(path, PURPOSE) : { status: answer.statusCode, text: await answer.body.text() }; // prettier-ignore
      told.push(`${status} ${bare(text)}`);
    }
    return told;
  };
  for (const who of [null, university, region]) {
    const told = await tell(who, INCIDENTS);
    expect(told).toEqual(await tell(who, none));
    expect(told.join()).not.toContain('INTERNAL');
  }
});

describe('a cursor', () => {
  const PAGE =
    'query ($id: ID!, $after: String) { dataset(id: $id) { records(first: 5, after: $after) { nodes { id } pageInfo { endCursor } } } }';
  const pageAs = (who: Partner, after: string | null) => who.ask(PAGE, { id: ENERGY, after }, PURPOSE);

  test('of one caller is none for another, of the same organisation or not, nor for nobody', async () => {
    const { data } = await pageAs(region, null);
    const after = data.dataset.records.pageInfo.endCursor;
    expect((await pageAs(region, after)).errors).toBeUndefined();
    const colleague = await hub.partner('region-colleague', 'emr-region');
    expect((await pageAs(colleague, null)).errors).toBeUndefined();
    expect(codesOf((await pageAs(colleague, after)).errors)).toEqual(['INPUT_INVALID']);
    expect(codesOf((await pageAs(university, after)).errors)).toEqual(['ACCESS_DENIED']);
    const nobody = await ask(hub.hub.url, PAGE, { id: ENERGY, after });
    expect(codesOf(nobody.errors)).toEqual(['AUTH_REQUIRED']);
  });

  test('is as long for every record', async () => {
    const { data } = await region.ask('query ($id: ID!) { dataset(id: $id) { records(first: 400) { edges { cursor } } } }', { id: ENERGY }, PURPOSE); // prettier-ignore
    const lengths = data.dataset.records.edges.map(({ cursor }: { cursor: string }) => cursor.length);
    expect(new Set(lengths).size).toBe(1);
  });
});

test('a limit is not passed by aliases, nor by asking at once', async () => {
  const council = await hub.partner('council-limits', 'leicester-city-council', ['use', 'manage']);
  const limited = await hub.partner('limited', 'fgj-cdmx', ['use', 'manage']);
  await agree(council, limited, {
    provider: 'leicester-city-council',
    consumer: 'fgj-cdmx',
    purposes: ['energy-planning'],
    validFrom: '2026-01-01T00:00:00Z',
    validUntil: '2030-01-01T00:00:00Z',
    grants: [{ dataset: ENERGY, actions: ['QUERY', 'EXPORT'], limits: { requestsPerDay: 9, recordsPerRequest: 3 } }],
  });
  const records = 'records(first: 1) { nodes { id } }';
  const question = `query ($id: ID!) { a: dataset(id: $id) { x: ${records} } b: dataset(id: $id) { x: ${records} } c: dataset(id: $id) { x: ${records} } }`;
  const answers = await Promise.all(Array.from({ length: 5 }, () => limited.ask(question, { id: ENERGY }, PURPOSE)));
  const given = answers.flatMap(({ text }) => text.match(/"x":\{/g) ?? []);
  expect(given).toHaveLength(9);
  const refused = answers.flatMap(({ errors }) => codesOf(errors));
  expect(refused).toHaveLength(6);
  expect(new Set(refused)).toEqual(new Set(['LIMIT_REACHED']));
  const more = await limited.ask('query ($id: ID!) { dataset(id: $id) { records(first: 4) { nodes { id } } } }', { id: ENERGY }, PURPOSE); // prettier-ignore
  expect(codesOf(more.errors)).toEqual(['INPUT_TOO_COSTLY']);
  const file = await limited.get(`/exports/${encodeURIComponent(ENERGY)}.csv`, PURPOSE);
  expect(file.status).toBe(429);
});

test('a client that was removed is nobody from the next request on, with the token it has', async () => {
  const client = await hub.partner('short-lived', 'emr-region');
  const question = '{ viewer { organisation } }';
  expect((await client.ask(question)).data).toEqual({ viewer: { organisation: 'emr-region' } });
  await hub.hub.sharing?.tokenService?.removeClient('short-lived');
  expect((await client.ask(question)).status).toBe(401);
});

describe('a portal that is not any longer what the agreement was made for', () => {
  type Change = (text: string) => string;
  /** What becomes of a question's path and of the answer's text. */
  let change: { readonly asked: Change; readonly told: Change } = { asked: (path) => path, told: (text) => text };
  let drifting: SharingHub;
  let consumer: Partner;
  const between = createServer((from, to) => {
    const { baseUrl } = sandbox.portals.find(({ id }) => id === 'leicester')!;
    request(`${baseUrl}${change.asked(from.url ?? '')}`, {
      headers: { authorization: from.headers.authorization ?? '' },
    })
      .then(async ({ statusCode, headers, body }) => {
        const text = change.told(await body.text());
        to.writeHead(statusCode, { 'content-type': String(headers['content-type']) }).end(text);
      })
      .catch(() => to.destroy());
  });

  beforeAll(async () => {
    await new Promise<void>((resolve) => between.listen(0, '127.0.0.1', resolve));
    const { port } = between.address() as AddressInfo;
    const portals = sandbox.portals.flatMap(({ id, kind, title }) => id === 'leicester' ? [{ id, kind, title, baseUrl: `http://127.0.0.1:${port}` }] : []); // prettier-ignore
    drifting = await startSharingHub({ portals }, { restricted: [{ dataset: ENERGY, provider: 'leicester-city-council', discoverable: true }], source: { cache: NO_CACHE } }); // prettier-ignore
    const provider = await drifting.partner('council-office', 'leicester-city-council', ['use', 'manage']);
    consumer = await drifting.partner('region-dashboard', 'emr-region', ['use', 'manage']);
    await agree(provider, consumer, {
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
          ],
          // True of every row where the column is missing and nobody minds.
          rows: {
            or: [
              { property: 'fuel', isNull: true },
              { property: 'fuel', eq: 'Gas' },
            ],
          },
        },
      ],
    });
  }, 60_000);
  afterAll(async () => {
    await drifting?.[Symbol.asyncDispose]();
    between.close();
  });

  const READ = `query ($id: ID!) { dataset(id: $id) {
    records(first: 1000) { totalCount nodes { values } } aggregate(measures: [{ as: "n", op: COUNT }], first: 1) { groups { measures } } } }`;
  const read = () => consumer.ask(READ, { id: ENERGY }, PURPOSE);
  const rename = (from: string, to: string): typeof change => ({
    asked: (path) => path.replaceAll(to, from),
    told: (text) => text.replaceAll(`"${from}"`, `"${to}"`),
  });

  test('gives what was agreed on, and nothing where its columns have other names', async () => {
    change = { asked: (path) => path, told: (text) => text };
    const { data, errors } = await read();
    expect(errors).toBeUndefined();
    const { records, aggregate } = data.dataset;
    expect(records.totalCount).toBeGreaterThan(50);
    expect(aggregate.groups[0].measures.n).toBe(records.totalCount);
    for (const [from, to] of [
      ['occupier', 'occupant'],
      ['kwh', 'kilowatts'],
      ['fuel', 'carrier'],
    ] as const) {
      change = rename(from, to);
      const drifted = await read();
      expect(codesOf(drifted.errors), from).toEqual(['ACCESS_DENIED']);
      expect(drifted.text, from).not.toContain('"values"');
      const file = await consumer.get(`/exports/${encodeURIComponent(ENERGY)}.csv`, PURPOSE);
      expect(file.status, from).toBe(403);
      // With fields beside each other that fail, on the long way.
      const both = await consumer.ask('query ($id: ID!) { dataset(id: $id) { queryables { name } records(first: 1) { nodes { values } } access { allowed } title @include(if: true) } }', { id: ENERGY }, PURPOSE); // prettier-ignore
      expect(new Set(codesOf(both.errors)), from).toEqual(new Set(['ACCESS_DENIED']));
    }
  });

  test('gives no row whose column of the row rule it left out, and none it was told to leave out', async () => {
    change = { asked: (path) => path, told: (text) => text };
    const agreed = (await read()).data.dataset.records.totalCount;
    change = { asked: (path) => path, told: (text) => text.replaceAll(/"fuel":\s*(?:"[^"]*"|null),?/g, '') };
    const { data, errors } = await read();
    expect(codesOf(errors).length).toBeGreaterThan(0);
    expect(data?.dataset?.records.nodes ?? []).toEqual([]);
    change = { asked: (path) => (path.includes('/catalog/datasets?') ? path : path.replaceAll(/([?&])where=[^&]*&?/g, '$1')), told: (text) => text }; // prettier-ignore
    const ignored = await read();
    expect(ignored.errors).toBeUndefined();
    expect(ignored.data.dataset.records.totalCount).toBe(agreed);
    expect(ignored.data.dataset.aggregate.groups[0].measures.n).toBe(agreed);
    expect(ignored.text).not.toContain('Electricity');
  });
});

interface Listed {
  readonly totalCount: number | null;
  readonly nodes: readonly unknown[];
}
