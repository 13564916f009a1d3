import { startSandbox } from '@civex/sandbox';
import type { Sandbox, SandboxPortal } from '@civex/sandbox';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { canonicalRow, compareRows, decide, metresBetween, toRows } from '../test-support/reference.ts';
import type { Column, Filter, Row, Sort } from '../test-support/reference.ts';
import { NO_CACHE, startSandboxHub } from '../test-support/test-hub.ts';
import type { TestHub } from '../test-support/test-hub.ts';

interface Records {
  readonly totalCount: number | null;
  readonly totalIsExact: boolean;
  readonly nodes: readonly { readonly id: string; readonly values: Row; readonly geometry: unknown }[];
  readonly edges: readonly { readonly cursor: string }[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
  readonly plan: {
    readonly pushed: unknown;
    readonly residual: unknown;
    readonly requests: number;
    readonly scannedRecords: number;
    readonly portalQuery: readonly string[];
  };
  readonly source: { readonly catalog: string; readonly status: string; readonly requests: number };
  readonly provenance: { readonly catalog: string; readonly dataset: string };
}
interface Asked {
  readonly filter?: unknown;
  readonly cql?: string;
  readonly properties?: readonly string[];
  readonly sortBy?: readonly Sort[];
  readonly first?: number;
  readonly after?: string | null;
}

const RECORDS = `query ($id: ID!, $filter: FilterInput, $cql: String, $properties: [String!], $sortBy: [SortInput!], $first: Int! = 100, $after: String) {
  dataset(id: $id) { records(filter: $filter, cql: $cql, properties: $properties, sortBy: $sortBy, first: $first, after: $after) {
    totalCount totalIsExact nodes { id values geometry } edges { cursor } pageInfo { hasNextPage endCursor }
    plan { pushed residual requests scannedRecords portalQuery } source { catalog status requests } provenance { catalog dataset } } } }`;

/** More pages than any list here has. */
const MAX_PAGES = 200;

interface Table {
  readonly id: string;
  readonly portal: SandboxPortal;
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
}

let sandbox: Sandbox;
/** Every question reaches the portals. */
let hub: TestHub;
let tables: ReadonlyMap<string, Table>;

beforeAll(async () => {
  sandbox = await startSandbox();
  hub = await startSandboxHub(sandbox, { source: { cache: NO_CACHE } });
  const { data } = await hub.ask<{ datasets: { nodes: { id: string; queryables: Column[] | null }[] } }>(
    '{ datasets(first: 200) { nodes { id queryables { name type } } } }',
  );
  tables = new Map(
    data.datasets.nodes.flatMap(({ id, queryables }) => {
      if (queryables === null) return [];
      const portal = sandbox.portal(id.slice(0, id.indexOf(':')));
      const truth = portal.truth(id.slice(id.indexOf(':') + 1));
      if (truth?.records == null) throw new RangeError(`${id} has columns and no records`);
      return [[id, { id, portal, columns: queryables, rows: toRows(portal, truth, queryables) }] as const];
    }),
  );
});
afterAll(async () => {
  await hub[Symbol.asyncDispose]();
  await sandbox.close();
});

function tableOf(id: string): Table {
  const table = tables.get(id);
  if (table === undefined) throw new RangeError(`no records of ${id}`);
  return table;
}

async function read(id: string, asked: Asked, from: TestHub = hub): Promise<Records> {
  const { data, errors } = await from.ask<{ dataset: { records: Records } }>(RECORDS, { id, ...asked });
  expect(errors).toBeUndefined();
  return data.dataset.records;
}

/** Requests for records that reached the portal, decoded. */
const received = (portal: SandboxPortal): readonly string[] =>
  portal.requests
    .filter(({ path }) => /\/(records|exports\/\w+|datastore_search)$/.test(path))
    .map(({ path, search, body }) => (body === '' ? decodeURIComponent(path + search) : `datastore_search ${body}`));

/** The one question by which the columns of a CKAN table become known; it is no part of the query. */
const isDescription = (query: string): boolean =>
  /^datastore_search \{"resource_id":"[^"]+","sort":"_id asc","limit":5,"offset":0,"include_total":true\}$/.test(query);

/** Reads all pages; holds the plan of each against what its portal received. */
async function readAll(table: Table, asked: Asked, sizes: readonly number[]): Promise<Records['nodes']> {
  const nodes: Records['nodes'][number][] = [];
  let after: string | null = null;
  for (let step = 0; ; step++) {
    if (step === MAX_PAGES) throw new RangeError('the list does not end');
    table.portal.clearRequests();
    const first = sizes[step % sizes.length] ?? 100;
    const page: Records = await read(table.id, { ...asked, first, after });
    const sent = received(table.portal);
    expect(page.plan.requests).toBe(sent.length);
    expect(page.source).toEqual({ catalog: table.portal.id, status: 'OK', requests: sent.length });
    expect(page.plan.portalQuery).toEqual(
      table.portal.kind === 'ckan' ? sent.filter((query, index) => index > 0 || !isDescription(query)) : sent,
    );
    expect(page.provenance).toEqual({ catalog: table.portal.id, dataset: table.id });
    expect(page.nodes.length).toBeLessThanOrEqual(first);
    expect(page.plan.scannedRecords).toBeGreaterThanOrEqual(page.nodes.length);
    expect(page.pageInfo.endCursor).toBe(page.edges.at(-1)?.cursor ?? null);
    // Whatever the caller asked for is decided by somebody.
    if (asked.filter !== undefined && asked.filter !== null)
      expect(page.plan.pushed ?? page.plan.residual).not.toBeNull();
    nodes.push(...page.nodes);
    if (page.totalIsExact && page.totalCount !== null && !page.pageInfo.hasNextPage)
      expect(page.totalCount).toBe(nodes.length);
    if (!page.pageInfo.hasNextPage) return nodes;
    expect(page.pageInfo.endCursor).not.toBeNull();
    after = page.pageInfo.endCursor;
  }
}

const spell = (rows: readonly Row[], columns: readonly Column[]): readonly string[] =>
  rows.map((row) => canonicalRow(row, columns)).sort();

function expectRows(nodes: Records['nodes'], wanted: readonly Row[], { columns }: Table): void {
  expect(new Set(nodes.map(({ id }) => id)).size).toBe(nodes.length);
  expect(
    spell(
      nodes.map(({ values }) => values),
      columns,
    ),
  ).toEqual(spell(wanted, columns));
}

describe('records of all portals', () => {
  test('every record of every dataset is there once, with the portal’s values', async () => {
    expect(tables.size).toBeGreaterThan(80);
    for (const table of tables.values()) {
      if (table.rows.length > 5_000) continue;
      expectRows(await readAll(table, {}, [700, 1_000]), table.rows, table);
    }
  });
});

// ---------------------------------------------------------------- random questions

const ORDERED = new Set(['STRING', 'INTEGER', 'NUMBER', 'DATE', 'DATETIME']);
const TEXTS = [
  '',
  ' ',
  'Alpha',
  'alpha',
  "L'Aiguille",
  'Both \'single\' and "double"',
  '%',
  '_',
  'Ends in a backslash\\',
  '🚲',
  'e\u0301',
  '--',
  '*',
  'null',
  '42',
];
const PATTERNS = ['%', '_%', '%a%', 'A%', '%\\%%', '%\\_%', '%\\\\', "%'%", '%é%', '🚲%', '_', 'Caf_', ''];

/** Values a caller might compare a column with: the column's own, and hard ones of its type. */
function valuesOf({ rows }: Table, { name, type }: Column): fc.Arbitrary<unknown> {
  // What does not fit its type is shown and cannot be asked for.
  const fits = (value: unknown): boolean =>
    type === 'STRING'
      ? typeof value === 'string' && value.length <= 300
      : type === 'INTEGER'
        ? typeof value === 'bigint' || Number.isSafeInteger(value)
        : type === 'NUMBER'
          ? typeof value === 'number'
          : type === 'BOOLEAN'
            ? typeof value === 'boolean'
            : type === 'DATE'
              ? /^\d{4}-\d\d-\d\d$/.test(String(value))
              : !Number.isNaN(Date.parse(String(value)));
  const own = [...new Set(rows.map((row) => row[name]).filter((value) => value !== null && fits(value)))];
  const spoken = own.map((value) => (typeof value === 'bigint' ? value.toString() : value));
  const extra: Readonly<Record<string, readonly unknown[]>> = {
    STRING: TEXTS,
    INTEGER: [0, -1, 42, 7, '9007199254740993', '-9223372036854775808', '9223372036854775807'],
    NUMBER: [0, -0.5, 0.1, 0.3, 1e9],
    BOOLEAN: [true, false],
    DATE: ['2024-01-01', '2024-06', '2025', '1999-12-31'],
    DATETIME: ['2026-10-05T08:30:00Z', '2026-10-05T10:30:00+02:00', '2024-03-31T01:30:00Z', '2026-10-01T00:00:00.001Z'],
  };
  return fc.oneof(...(spoken.length > 0 ? [{ weight: 4, arbitrary: fc.constantFrom(...spoken) }] : []), {
    weight: 1,
    arbitrary: fc.constantFrom(...(extra[type] ?? [])),
  });
}

function predicates(table: Table): fc.Arbitrary<Filter> {
  const points = (name: string): readonly (readonly [number, number])[] =>
    table.rows.flatMap((row) => {
      const value = row[name] as { type: string; coordinates: [number, number] } | null;
      return value?.type === 'Point' ? [value.coordinates] : [];
    });
  const choices = table.columns.flatMap((column): fc.Arbitrary<Filter>[] => {
    const { name: property, type } = column;
    const isNull = fc.boolean().map((operand): Filter => ({ property, isNull: operand }));
    if (type === 'JSON') return [isNull];
    if (type === 'GEOMETRY') {
      const places = points(property);
      if (places.length === 0) return [isNull];
      const bbox = fc.tuple(fc.constantFrom(...places), fc.constantFrom(...places)).map(([a, b]): Filter => ({
        property,
        bbox: [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[0], b[0]), Math.max(a[1], b[1])],
      }));
      const near = fc.tuple(fc.constantFrom(...places), fc.constantFrom(...places)).map(([center, edge]): Filter => {
        // Halfway between two of the distances, so that no rounding decides.
        const distances = places.map((place) => metresBetween(center, place)).sort((a, b) => a - b);
        const index = distances.findIndex((distance) => distance >= metresBetween(center, edge));
        const metres = ((distances[index] ?? 0) + (distances[index + 1] ?? (distances[index] ?? 0) + 10)) / 2;
        return { property, withinMetres: { lon: center[0], lat: center[1], metres: metres + 0.001 } };
      });
      return [isNull, bbox, near];
    }
    const value = valuesOf(table, column);
    const operators = ORDERED.has(type) ? ['eq', 'ne', 'lt', 'lte', 'gt', 'gte'] : ['eq', 'ne'];
    const comparison = fc
      .tuple(fc.constantFrom(...operators), value)
      .map(([operator, operand]): Filter => ({ property, [operator]: operand }));
    const inList = fc
      .array(value, { minLength: 1, maxLength: 4 })
      .map((operand): Filter => ({ property, in: operand }));
    const between = fc.tuple(value, value).map((operand): Filter => ({ property, between: operand }));
    const like = fc.constantFrom(...PATTERNS).map((operand): Filter => ({ property, like: operand }));
    return [
      comparison,
      comparison,
      isNull,
      inList,
      ...(ORDERED.has(type) ? [between] : []),
      ...(type === 'STRING' ? [like] : []),
    ];
  });
  return fc.oneof(...choices);
}

const filters = (table: Table): fc.Arbitrary<Filter> =>
  fc.letrec<{ filter: Filter }>((tie) => ({
    filter: fc.oneof(
      { maxDepth: 2, withCrossShrink: true },
      predicates(table),
      fc.array(tie('filter'), { minLength: 1, maxLength: 3 }).map((and): Filter => ({ and })),
      fc.array(tie('filter'), { minLength: 1, maxLength: 3 }).map((or): Filter => ({ or })),
      tie('filter').map((not): Filter => ({ not })),
    ),
  })).filter;

const sorts = ({ columns }: Table): fc.Arbitrary<readonly Sort[]> =>
  fc.uniqueArray(
    fc.record({
      property: fc.constantFrom(
        ...columns.filter(({ type }) => type !== 'GEOMETRY' && type !== 'JSON').map(({ name }) => name),
      ),
      direction: fc.constantFrom('ASC' as const, 'DESC' as const),
    }),
    { maxLength: 2, selector: ({ property }) => property },
  );

/** Two of every portal: the one with hard values and one of another shape. */
const ASKED: readonly (readonly [string, number])[] = [
  ['bordeaux:met_toponymes', 40],
  ['bordeaux:ci_vcub_p', 25],
  ['umea:ortnamn', 25],
  ['umea:laddplatser', 25],
  ['leicester:place-names', 25],
  ['leicester:deprivation-in-leicester-2025', 15],
  ['mexico-city:toponimia', 40],
  ['mexico-city:estaciones-de-ecobici', 15],
  ['nouvelle-aquitaine:toponymes-regionaux', 25],
  ['nouvelle-aquitaine:arrets-des-cars-regionaux', 15],
];

describe('random filters, orders and page sizes', () => {
  test.each(ASKED)('of %s give exactly the records that match, in the order asked for', async (id, numRuns) => {
    const table = tableOf(id);
    const smallest = Math.ceil(table.rows.length / 12);
    let matches = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.option(filters(table), { freq: 6 }),
        sorts(table),
        fc.array(fc.integer({ min: smallest, max: 8 * smallest }), { minLength: 1, maxLength: 3 }),
        async (filter, sortBy, sizes) => {
          const wanted = table.rows.filter((row) => filter === null || decide(filter, row, table.columns) === true);
          matches += wanted.length;
          const nodes = await readAll(table, { filter, sortBy }, sizes);
          expectRows(nodes, wanted, table);
          const values = nodes.map((node) => node.values);
          for (const [index, value] of values.entries())
            if (index > 0)
              expect(compareRows(values[index - 1] ?? {}, value, sortBy, table.columns)).toBeLessThanOrEqual(0);
        },
      ),
      { numRuns, seed: 20_261_005 },
    );
    // Filters that never match would prove nothing.
    expect(matches).toBeGreaterThan(numRuns);
  });
});
