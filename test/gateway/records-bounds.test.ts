import { startSandbox } from '@civex/sandbox';
import type { Sandbox } from '@civex/sandbox';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NO_CACHE, startSandboxHub } from '../test-support/test-hub.ts';
import type { GraphQLFault, Loose, TestHub } from '../test-support/test-hub.ts';

interface Records {
  readonly totalCount: number | null;
  readonly totalIsExact: boolean;
  readonly nodes: readonly { readonly id: string; readonly values: Readonly<Record<string, Loose>> }[];
  readonly edges: readonly { readonly cursor: string }[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
  readonly plan: {
    readonly pushed: Loose;
    readonly residual: Loose;
    readonly requests: number;
    readonly scannedRecords: number;
  };
}
type Asked = Readonly<Record<string, unknown>>;

const RECORDS = `query ($id: ID!, $filter: FilterInput, $cql: String, $properties: [String!], $sortBy: [SortInput!], $first: Int! = 100, $after: String) {
  dataset(id: $id) { id records(filter: $filter, cql: $cql, properties: $properties, sortBy: $sortBy, first: $first, after: $after) {
    totalCount totalIsExact nodes { id values } edges { cursor } pageInfo { hasNextPage endCursor } plan { pushed residual requests scannedRecords } } } }`;

let sandbox: Sandbox;
let hub: TestHub;

beforeAll(async () => {
  sandbox = await startSandbox();
  hub = await startSandboxHub(sandbox, { source: { cache: NO_CACHE } });
});
afterAll(async () => {
  await hub[Symbol.asyncDispose]();
  await sandbox.close();
});

const ask = (id: string, asked: Asked, from: TestHub = hub) =>
  from.ask<{ dataset: { id: string; records: Records } | null } | null>(RECORDS, { id, ...asked });

async function read(id: string, asked: Asked, from: TestHub = hub): Promise<Records> {
  const { data, errors } = await ask(id, asked, from);
  expect(errors).toBeUndefined();
  if (data?.dataset == null) throw new RangeError(`no ${id}`);
  return data.dataset.records;
}

async function refusalOf(id: string, asked: Asked, from: TestHub = hub): Promise<GraphQLFault | undefined> {
  const { data, errors, status } = await ask(id, asked, from);
  expect(status).toBe(200);
  expect(data?.dataset?.records.nodes ?? []).toEqual([]);
  expect(errors).toHaveLength(1);
  return errors?.[0];
}

const truthOf = (id: string): readonly Readonly<Record<string, Loose>>[] => {
  const [source = '', localId = ''] = id.split(':');
  return sandbox.portal(source).truth(localId)?.records ?? [];
};

describe('a dataset with more records than its portal lets one page through', () => {
  const SPENDING = 'leicester:expenditure-exceeding-ps500-2024';

  test('holds more than one window', () => {
    expect(truthOf(SPENDING)).toHaveLength(12_500);
  });

  test('is paged to its end in an order of the hub, each record once', async () => {
    const seen = new Map<string, number>();
    let after: string | null = null;
    do {
      const page: Records = await read(SPENDING, {
        first: 1_000,
        after,
        properties: ['unique_id', 'amount'],
        sortBy: [{ property: 'amount', direction: 'DESC' }],
      });
      expect(page).toMatchObject({ totalCount: 12_500, totalIsExact: true });
      for (const { values } of page.nodes) seen.set(values['unique_id'], values['amount']);
      after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
    } while (after !== null);
    expect(seen.size).toBe(12_500);
    for (const row of truthOf(SPENDING)) expect(seen.get(row['unique_id'])).toBe(row['amount']);
    const amounts = [...seen.values()];
    expect(amounts).toEqual([...amounts].sort((a, b) => b - a));
  });

  test('in the portal’s own order is paged to its end as well, each record once', async () => {
    const seen = new Set<string>();
    let after: string | null = null;
    do {
      const page: Records = await read(SPENDING, { first: 1_000, after, properties: ['unique_id'] });
      expect(page.totalCount).toBe(12_500);
      for (const { values } of page.nodes) {
        expect(seen.has(values['unique_id'])).toBe(false);
        seen.add(values['unique_id']);
      }
      after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
    } while (after !== null);
    expect(seen.size).toBe(12_500);
  });

  test('under a filter that leaves more than a window is complete as well', async () => {
    const asked = {
      filter: { property: 'department', ne: 'Housing' },
      properties: ['unique_id', 'department'],
      first: 1_000,
    };
    const wanted = truthOf(SPENDING).filter((row) => row['department'] !== 'Housing');
    expect(wanted.length).toBeGreaterThan(10_000);
    const seen = new Set<string>();
    let after: string | null = null;
    do {
      const page: Records = await read(SPENDING, { ...asked, after });
      expect(page).toMatchObject({ totalCount: wanted.length, totalIsExact: true });
      for (const { values } of page.nodes) seen.add(values['unique_id']);
      after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
    } while (after !== null);
    expect([...seen].sort()).toEqual(wanted.map((row) => String(row['unique_id'])).sort());
  });

  test('is refused, with advice, when the hub may not read that many records', async () => {
    const small = await startSandboxHub(sandbox, { limits: { scanRecords: 10_000 }, source: { cache: NO_CACHE } });
    try {
      const fault = await refusalOf(
        SPENDING,
        { sortBy: [{ property: 'beneficiary', direction: 'ASC' }], first: 5 },
        small,
      );
      expect(fault?.extensions).toMatchObject({ code: 'INPUT_TOO_COSTLY', source: 'leicester', datasetId: SPENDING });
      expect(fault?.message).toMatch(/10,000.*condition.*leave out sortBy/);
      expect(fault?.path).toEqual(['dataset', 'records']);
      const narrow = {
        filter: { property: 'amount', gt: 89_000 },
        sortBy: [{ property: 'beneficiary', direction: 'ASC' }],
        first: 1_000,
      };
      const wanted = truthOf(SPENDING).filter((row) => row['amount'] > 89_000);
      expect((await read(SPENDING, narrow, small)).totalCount).toBe(wanted.length);
    } finally {
      await small[Symbol.asyncDispose]();
    }
  });
});

describe('CQL2 text', () => {
  const STATIONS = 'bordeaux:ci_vcub_p';
  const ids = ({ nodes }: Records): readonly string[] => nodes.map(({ id }) => id);

  test.each<[string, unknown]>([
    [
      "nbvelos > 0 AND etat = 'CONNECTEE'",
      {
        and: [
          { property: 'nbvelos', gt: 0 },
          { property: 'etat', eq: 'CONNECTEE' },
        ],
      },
    ],
    ['nbvelos BETWEEN 3 AND 5', { property: 'nbvelos', between: [3, 5] }],
    [
      "NOT (nbvelos < 10 OR etat <> 'CONNECTEE')",
      {
        not: {
          or: [
            { property: 'nbvelos', lt: 10 },
            { property: 'etat', ne: 'CONNECTEE' },
          ],
        },
      },
    ],
    [
      "nom LIKE 'G%' AND nbplaces IS NOT NULL",
      {
        and: [
          { property: 'nom', like: 'G%' },
          { property: 'nbplaces', isNull: false },
        ],
      },
    ],
    ['nbvelos IN (1, 2, 3)', { property: 'nbvelos', in: [1, 2, 3] }],
  ])('%s asks the same as the structured filter', async (cql, filter) => {
    const structured = await read(STATIONS, { filter, first: 1_000 });
    const text = await read(STATIONS, { cql, first: 1_000 });
    expect(structured.nodes.length).toBeGreaterThan(0);
    expect(structured.nodes.length).toBeLessThan(190);
    expect(ids(text)).toEqual(ids(structured));
    expect(text.plan.pushed).toEqual(structured.plan.pushed);
  });

  test('beside a structured filter narrows it', async () => {
    const both = await read(STATIONS, { cql: 'nbvelos > 5', filter: { property: 'nbplaces', gt: 5 }, first: 1_000 });
    const wanted = truthOf(STATIONS).filter((row) => row['nbvelos'] > 5 && row['nbplaces'] > 5);
    expect(both.nodes).toHaveLength(wanted.length);
    expect(wanted.length).toBeGreaterThan(0);
  });
});

describe('the plan', () => {
  test('says what the portal decides and what the hub decides, and the portal sends no more than it was asked for', async () => {
    const pushed = await read('bordeaux:ci_vcub_p', { filter: { property: 'nbvelos', gt: 5 }, first: 3 });
    expect(pushed.plan).toMatchObject({ pushed: { op: '>' }, residual: null, requests: 1 });
    expect(pushed.plan.scannedRecords).toBeLessThanOrEqual(4);

    const mixed = await read('bordeaux:ci_vcub_p', {
      filter: {
        and: [
          { property: 'nbvelos', gt: 5 },
          { property: 'nom', like: '%a%' },
        ],
      },
      first: 3,
    });
    expect(mixed.plan).toMatchObject({ pushed: { op: '>' }, residual: { op: 'like' } });
    // A first answer of 100 says how many there are; the export has them all.
    const candidates = truthOf('bordeaux:ci_vcub_p').filter((row) => row['nbvelos'] > 5).length;
    expect(mixed.plan.scannedRecords).toBe(100 + candidates);

    const own = await read('mexico-city:estaciones-de-ecobici', {
      filter: { property: 'capacidad', gt: 20 },
      first: 3,
    });
    expect(own.plan).toMatchObject({ pushed: null, residual: { op: '>' } });
    // Five more to learn the columns from.
    expect(own.plan.scannedRecords).toBe(5 + truthOf('mexico-city:estaciones-de-ecobici').length);
  });

  test('the same question pushed and not pushed has the same answer', async () => {
    const wanted = truthOf('bordeaux:ci_vcub_p').filter((row) => row['nbvelos'] > 5);
    const pushed = await read('bordeaux:ci_vcub_p', { filter: { property: 'nbvelos', gt: 5 }, first: 1_000 });
    // A condition that is always true and that no portal can decide keeps the whole filter at the hub.
    const always = {
      or: [
        { property: 'nbvelos', gt: 5 },
        {
          and: [
            { property: 'nom', like: 'x' },
            { property: 'nom', isNull: true },
          ],
        },
      ],
    };
    const kept = await read('bordeaux:ci_vcub_p', { filter: always, first: 1_000 });
    expect(pushed.plan.residual).toBeNull();
    expect(kept.plan).toMatchObject({ pushed: null });
    expect(kept.nodes.map(({ id }) => id).sort()).toEqual(pushed.nodes.map(({ id }) => id).sort());
    expect(pushed.nodes).toHaveLength(wanted.length);
  });
});

describe('records are shown', () => {
  test('with the asked properties only, in the dataset’s order, and their geometry all the same', async () => {
    const { data, errors } = await hub.ask(
      '{ dataset(id: "bordeaux:ci_vcub_p") { records(first: 2, properties: ["nom", "gid"]) { nodes { values geometry nom: value(property: "nom") } } } }',
    );
    expect(errors).toBeUndefined();
    for (const node of data['dataset'].records.nodes) {
      expect(Object.keys(node.values)).toEqual(['gid', 'nom']);
      expect(node.nom).toBe(node.values.nom);
      expect(node.geometry.type).toBe('Point');
    }
  });

  test('with integers beyond 2^53 as digits, on both kinds of portal', async () => {
    for (const id of ['bordeaux:met_toponymes', 'mexico-city:toponimia']) {
      const wanted = truthOf(id).filter((row) => row['identifiant_long'] === 9_007_199_254_740_993n).length;
      const { nodes } = await read(id, { filter: { property: 'identifiant_long', eq: '9007199254740993' } });
      expect(wanted).toBeGreaterThan(0);
      expect(nodes).toHaveLength(wanted);
      for (const { values } of nodes) expect(values['identifiant_long']).toBe('9007199254740993');
    }
  });
});

describe('a dataset without records', () => {
  test.each([
    'bordeaux:ci_chantier',
    'umea:snorojning',
    'leicester:roadworks',
    'leicester:city-plan-documents',
    'mexico-city:ciclovias',
    'nouvelle-aquitaine:bordeaux-metropole-trafic-routier',
  ])('%s has no columns, which is no error', async (id) => {
    const { data, errors } = await hub.ask('query ($id: ID!) { dataset(id: $id) { title queryables { name } } }', {
      id,
    });
    expect(errors).toBeUndefined();
    expect(data['dataset'].queryables).toBeNull();
    const fault = await refusalOf(id, {});
    expect(fault).toMatchObject({ path: ['dataset', 'records'], extensions: { code: 'CAPABILITY_MISSING' } });
  });
});

describe('a question for records is refused', () => {
  const STATIONS = 'bordeaux:ci_vcub_p';
  const SPECIMEN = {
    filter: { property: 'nbvelos', gt: 3 },
    sortBy: [{ property: 'nbvelos', direction: 'DESC' }],
    properties: ['nom', 'nbvelos'],
    first: 10,
  };

  test('control: the specimen is answered', async () => {
    expect((await read(STATIONS, SPECIMEN)).nodes).toHaveLength(10);
  });

  test.each<[string, Asked, RegExp]>([
    ['for a misspelt property', { filter: { property: 'nbvelo', gt: 3 } }, /did you mean "nbvelos"/],
    ['for a value of another type', { filter: { property: 'nbvelos', gt: 'three' } }, /INTEGER/],
    ['for null as a value', { filter: { property: 'nbvelos', eq: null } }, /null/],
    ['for two operators at once', { filter: { property: 'nbvelos', gt: 3, lt: 5 } }, /exactly one operator/],
    ['for no operator', { filter: { property: 'nbvelos' } }, /exactly one operator/],
    ['for an empty list', { filter: { property: 'nbvelos', in: [] } }, /in/],
    ['for an empty conjunction', { filter: { and: [] } }, /and/],
    ['for a pattern on a number', { filter: { property: 'nbvelos', like: '1%' } }, /like/],
    ['for a box around a text', { filter: { property: 'nom', bbox: [0, 0, 1, 1] } }, /bbox/],
    ['for a day that does not exist', { filter: { property: 'mdate', gt: '2026-02-30T00:00:00Z' } }, /mdate/],
    ['for a misspelt order', { sortBy: [{ property: 'nbvelo', direction: 'ASC' }] }, /did you mean "nbvelos"/],
    ['for an order by places', { sortBy: [{ property: 'geo_point_2d', direction: 'ASC' }] }, /no order/],
    [
      'for an order named twice',
      {
        sortBy: [
          { property: 'nom', direction: 'ASC' },
          { property: 'nom', direction: 'DESC' },
        ],
      },
      /twice/,
    ],
    ['for a misspelt column', { properties: ['nbvelo'] }, /did you mean "nbvelos"/],
    ['for a column named twice', { properties: ['nom', 'nom'] }, /twice/],
    ['for a page of none', { first: 0 }, /first/],
    ['for too large a page', { first: 1_001 }, /first/],
    ['for broken CQL2', { cql: "nom = 'open" }, /./],
    ['for CQL2 with an unknown property', { cql: 'nbvelo > 1' }, /nbvelos/],
    ['for a made-up cursor', { after: 'abc' }, /cursor/],
    ['for an empty cursor', { after: '' }, /cursor/],
  ])('%s', async (_, change, message) => {
    const fault = await refusalOf(STATIONS, { ...SPECIMEN, ...change });
    expect(fault?.extensions.code).toBe('INPUT_INVALID');
    expect(fault?.message).toMatch(message);
    expect(fault?.path).toEqual(['dataset', 'records']);
  });

  test.each<[string, Asked]>([
    ['another filter', { filter: { property: 'nbvelos', gt: 4 } }],
    ['another order', { sortBy: [{ property: 'nbvelos', direction: 'ASC' }] }],
    ['no filter', { filter: null }],
    ['a filter more', { cql: 'nbplaces > 1' }],
  ])('with the cursor of a page of %s', async (_, change) => {
    const cursor = (await read(STATIONS, SPECIMEN)).pageInfo.endCursor;
    expect((await read(STATIONS, { ...SPECIMEN, after: cursor })).nodes).toHaveLength(10);
    expect(await refusalOf(STATIONS, { ...SPECIMEN, ...change, after: cursor })).toMatchObject({
      extensions: { code: 'INPUT_INVALID' },
    });
  });

  test('with the cursor of another dataset', async () => {
    const asked = { first: 5 };
    const cursor = (await read('umea:laddplatser', asked)).pageInfo.endCursor;
    expect(await refusalOf('umea:badplatser', { ...asked, after: cursor })).toMatchObject({
      extensions: { code: 'INPUT_INVALID' },
    });
  });

  test('by a portal that is never asked for it', async () => {
    sandbox.portal('bordeaux').clearRequests();
    await refusalOf(STATIONS, { ...SPECIMEN, filter: { property: 'nbvelo', gt: 3 } });
    expect(sandbox.portal('bordeaux').requests.filter(({ path }) => path.includes('/records'))).toEqual([]);
  });
});
