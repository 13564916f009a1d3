import { createCkanAdapter, ckanOptions } from '@civex/adapter-ckan';
import { createCallTrace } from '@civex/adapter-contract';
import type { Call, SourceAdapter } from '@civex/adapter-contract';
import { createOpendatasoftAdapter, opendatasoftOptions } from '@civex/adapter-opendatasoft';
import { createSystemEnvironment } from '@civex/environment';
import { createSourceHttp } from '@civex/http';
import type { SourceHttp } from '@civex/http';
import type { Dataset, HubRecord, RecordValue } from '@civex/model';
import type { AggregateInput, GroupByInput, MeasureInput, RecordFilter } from '@civex/query';
import { createRecordDoor, OPEN_VIEW } from '@civex/records';
import type { AggregateResult } from '@civex/records';
import { createCkanPortal, createOpendatasoftPortal } from '@civex/sandbox';
import type { PortalQuirks, SandboxPortal } from '@civex/sandbox';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
// The second implementation of aggregates, which the record door is held against as well.
import { referenceAggregate } from '../../packages/records/src/test-support/aggregate-reference.ts';
import { referenceTruth, toFilterInput } from '../../packages/records/src/test-support/reference.ts';

const pick = <T>(values: readonly T[], index: number): T => values[index % values.length] as T;

const TEXTS = ['Bordeaux', 'bordeaux', 'BORDEAUX', 'é', 'e\u0301', '', ' a', 'a', "O'Neill", 'say "hi"', 'back\\slash'];
const MONEY = [0.1, 0.2, 19.99, 4.35, -8.7, 1234.56, 0.30000000000000004, 1e-7, 100];
const DAYS = ['2025-12-31', '2026-01-01', '2026-01-04', '2026-02-28', '2026-03-29', '2026-07-01'];
const INSTANTS = [
  '2026-03-29T00:59:59+00:00',
  '2026-03-29T01:00:00+00:00',
  '2026-10-25T00:30:00+00:00',
  '2026-10-25T01:30:00+00:00',
  '2025-12-31T23:30:00+00:00',
  '2026-01-01T00:00:00+00:00',
];
const COUNT = 420;

/** Every column is null in some rows, each with a period of its own; more rows than one window holds. */
const ROWS = Array.from({ length: COUNT }, (_, index) => {
  const unless = <T>(period: number, value: T): T | null => (index % period === period - 1 ? null : value);
  return {
    key: index + 1,
    s: unless(7, pick(TEXTS, index)),
    n: unless(6, pick(MONEY, index * 5)),
    i: unless(5, (index * 7) % 23),
    b: unless(4, index % 3 === 0),
    d: unless(8, pick(DAYS, index * 3)),
    t: unless(9, pick(INSTANTS, index * 11)),
  };
});
/** As `ROWS`, with whole numbers beyond 2^53. */
const HUGE = ROWS.map((row, index) => ({
  ...row,
  i: row.i === null ? null : index % 2 === 0 ? 9_007_199_254_740_993n + BigInt(row.i) : row.i,
}));
/** More groups than one answer of the portal holds. */
const WIDE = Array.from({ length: 20_500 }, (_, index) => ({ key: index + 1, i: index, s: `${index % 5}` }));

type Row = Readonly<Record<string, RecordValue>>;
const toTruth = (rows: readonly Row[]): readonly HubRecord[] =>
  rows.map((values) => ({ id: JSON.stringify(values['key']), values }));

const ODS_FIELDS = [
  { name: 'key', type: 'int', annotations: { id: true } },
  { name: 's', type: 'text' },
  { name: 'n', type: 'double' },
  { name: 'i', type: 'int' },
  { name: 'b', type: 'boolean' },
  { name: 'd', type: 'date' },
  { name: 't', type: 'datetime' },
] as const;

interface City {
  readonly portal: SandboxPortal;
  readonly adapter: SourceAdapter;
  readonly http: SourceHttp;
}
let ods: City;
let ckan: City;

function connect(portal: SandboxPortal, source: string): SourceHttp {
  return createSourceHttp(
    {
      source,
      baseUrls: [portal.baseUrl],
      headers: {},
      allowedPrivateCidrs: ['127.0.0.1/32'],
      limits: {
        connectTimeoutMs: 2_000,
        headersTimeoutMs: 10_000,
        totalTimeoutMs: 20_000,
        maxAnswerBytes: 20_000_000,
        maxStreamBytes: 100_000_000,
        maxConcurrent: 8,
        maxQueued: 100,
        retryBudget: 0,
        minBytesPerSecond: 0,
      },
      // Every question reaches the portal.
      cache: { catalogSeconds: 60, recordsSeconds: 0, staleIfErrorSeconds: 0, maxBytes: 1_000_000 },
    },
    { ...createSystemEnvironment(), metrics: { upstream: () => {}, circuit: () => {} } },
  );
}
const infoOf = (source: string, kind: string) => ({
  source,
  kind,
  title: source,
  homepage: null,
  country: null,
  region: null,
  languages: ['fr'],
});

beforeAll(async () => {
  const clock = createSystemEnvironment();
  const datasets = [
    { id: 'rows', title: 'Lignes', fields: ODS_FIELDS, records: ROWS },
    { id: 'huge', title: 'Grands nombres', fields: ODS_FIELDS, records: HUGE },
    {
      id: 'wide',
      title: 'Large',
      fields: ODS_FIELDS.filter(({ name }) => name === 'key' || name === 'i' || name === 's'),
      records: WIDE,
    },
  ];
  const odsPortal = await createOpendatasoftPortal({ id: 'ods', title: 'ODS', language: 'fr', datasets });
  const odsHttp = connect(odsPortal, 'ods');
  ods = {
    portal: odsPortal,
    http: odsHttp,
    adapter: createOpendatasoftAdapter(
      { info: infoOf('ods', 'opendatasoft'), timeZone: 'UTC', options: opendatasoftOptions.parse({}) },
      { http: odsHttp, clock },
    ),
  };
  const tableOf = (rows: readonly Row[]) => ({
    fields: [
      { id: 'key', type: 'int4' as const },
      { id: 's', type: 'text' as const },
      { id: 'n', type: 'numeric' as const },
      { id: 'i', type: 'int8' as const },
      { id: 'b', type: 'bool' as const },
      { id: 'd', type: 'date' as const },
      { id: 't', type: 'timestamp' as const },
    ],
    // Timestamps of the DataStore have no zone.
    records: rows.map((row) => ({ ...row, t: typeof row['t'] === 'string' ? row['t'].slice(0, 19) : null })),
  });
  const ckanPortal = await createCkanPortal({
    id: 'ckan',
    title: 'CKAN',
    language: 'es',
    packages: [
      { name: 'rows', title: 'Filas', resources: [{ name: 'Datos', format: 'CSV', table: tableOf(ROWS) }] },
      { name: 'huge', title: 'Grandes', resources: [{ name: 'Datos', format: 'CSV', table: tableOf(HUGE) }] },
    ],
  });
  const ckanHttp = connect(ckanPortal, 'ckan');
  ckan = {
    portal: ckanPortal,
    http: ckanHttp,
    adapter: createCkanAdapter(
      {
        info: infoOf('ckan', 'ckan'),
        baseUrl: ckanPortal.baseUrl,
        timeZone: 'UTC',
        options: ckanOptions.parse({}),
      },
      { http: ckanHttp, clock },
    ),
  };
});
afterAll(async () => {
  for (const { portal, http } of [ods, ckan]) {
    await http[Symbol.asyncDispose]();
    await portal.close();
  }
});

const call = (): Call => ({
  signal: new AbortController().signal,
  deadlineEpochMs: Number.MAX_SAFE_INTEGER,
  requestId: 'aggregate',
  trace: createCallTrace(),
});

type Ask = AggregateInput & { readonly first: number; readonly filter: RecordFilter | null };

async function askCity(
  { adapter }: City,
  localId: string,
  { filter, ...ask }: Ask,
  onLost = (_op: string): void => {},
): Promise<AggregateResult> {
  const door = createRecordDoor({
    scanRecords: 1_000,
    maxFirst: 100_000,
    onCapabilityLost: (_source, _dataset, op) => onLost(op),
  });
  const [outcome] = await adapter.catalog.getMany([localId], call());
  // getMany of an id the portal has.
  const dataset = outcome as Dataset;
  const input = filter === null ? null : toFilterInput(filter);
  return door.aggregate({ adapter, dataset, filter: input, cql: null, view: OPEN_VIEW, ...ask }, call());
}

const expected = (rows: readonly Row[], { filter, ...ask }: Ask) =>
  referenceAggregate(
    toTruth(rows).filter((row) => filter === null || referenceTruth(filter, row) === true),
    ask,
  );

const UNITS = ['DAY', 'WEEK', 'MONTH', 'QUARTER', 'YEAR'] as const;
const keyArb: fc.Arbitrary<GroupByInput> = fc.oneof(
  fc.constantFrom('s', 'n', 'i', 'b', 'd', 't').map((property) => ({ property })),
  fc.constantFrom(...UNITS).map((every) => ({ property: 'd', every })),
  fc
    .tuple(fc.constantFrom('HOUR', ...UNITS), fc.constantFrom(null, 'UTC', 'Europe/Paris'))
    .map(([every, timeZone]) => ({ property: 't', every, timeZone })),
);
const measureArb: fc.Arbitrary<Omit<MeasureInput, 'as'>> = fc.oneof(
  fc.constant({ op: 'COUNT' as const }),
  fc.constantFrom('s', 'n', 'i', 'b', 'd', 't').map((property) => ({ op: 'COUNT' as const, property })),
  fc.tuple(fc.constantFrom('SUM', 'AVG'), fc.constantFrom('n', 'i', 'i')).map(([op, property]) => ({ op, property })),
  fc
    .tuple(fc.constantFrom('MIN', 'MAX'), fc.constantFrom('n', 'i', 'd', 't', 's'))
    .map(([op, property]) => ({ op, property })),
  fc.constantFrom('s', 'i', 'n').map((property) => ({ op: 'COUNT_DISTINCT' as const, property })),
);
const filterArb: fc.Arbitrary<RecordFilter | null> = fc.option(
  fc.oneof<fc.Arbitrary<RecordFilter>[]>(
    fc.constantFrom('=', '<>').map((op) => ({ op, property: 'b', type: 'BOOLEAN', value: true })),
    fc
      .tuple(fc.constantFrom('<', '>=', '='), fc.integer({ min: 0, max: 23 }))
      .map(([op, value]) => ({ op, property: 'i', type: 'INTEGER', value })),
    fc.constantFrom(0.2, 19.99).map((value) => ({ op: '<=', property: 'n', type: 'NUMBER', value })),
    fc.constant({ op: 'not', args: [{ op: 'isNull', property: 'd', type: 'DATE' }] }),
    fc.constant({ op: '=', property: 's', type: 'STRING', value: 'bordeaux' }),
  ),
);
const askArb: fc.Arbitrary<Ask> = fc
  .record({
    groupBy: fc.uniqueArray(keyArb, { maxLength: 2, selector: ({ property }) => property }),
    measures: fc.array(measureArb, { minLength: 1, maxLength: 3 }),
    filter: filterArb,
    first: fc.constantFrom(3, 1_000),
    direction: fc.constantFrom('ASC', 'DESC'),
  })
  .map(({ groupBy, measures, filter, first, direction }) => ({
    groupBy,
    measures: measures.map((measure, index): MeasureInput => ({ ...measure, as: `m${index}` })),
    sortBy: [{ property: 'm0', direction }],
    filter,
    first,
  }));

const isPushed = ({ plan }: AggregateResult): boolean => plan.scannedRecords <= 110;

const CITIES = [
  { kind: 'opendatasoft', city: () => ods, leastPushed: 20 },
  { kind: 'ckan', city: () => ckan, leastPushed: 1 },
] as const;

describe('an aggregate through an adapter', () => {
  test.for(CITIES)('is what the reference makes of the rows of the portal: $kind', async (row, { task }) => {
    const seen = { right: 0, pushed: 0 };
    for (const [localId, rows] of [
      ['rows', ROWS],
      ['huge', HUGE],
    ] as const)
      await fc.assert(
        fc.asyncProperty(askArb, async (ask) => {
          const result = await askCity(row.city(), localId, ask, (op) => expect.unreachable(`lost ${op}`));
          const groups = expected(rows, ask);
          expect(result.groups).toEqual(groups.slice(0, ask.first));
          expect(result.truncated).toBe(groups.length > ask.first);
          seen.right++;
          if (isPushed(result)) seen.pushed++;
        }),
        { numRuns: 150, seed: 20_270_106 },
      );
    expect(seen.pushed, JSON.stringify(seen)).toBeGreaterThanOrEqual(row.leastPushed);
    expect(seen.right).toBe(300);
    task.meta.figures = [
      {
        point: 2,
        what: `aggregates as the reference has them, cases through the ${row.kind} adapter and its sandbox portal (${seen.pushed} left to the portal)`,
        value: seen.right,
        target: '300',
        isMet: seen.right >= 300,
      },
    ];
  });

  test('of whole numbers, days and truth values is left to Opendatasoft, and says so in its plan', async () => {
    const result = await askCity(ods, 'rows', {
      groupBy: [{ property: 't', every: 'MONTH' }, { property: 'b' }],
      measures: [
        { as: 'records', op: 'COUNT' },
        { as: 'mean', op: 'AVG', property: 'i' },
        { as: 'latest', op: 'MAX', property: 'd' },
      ],
      sortBy: [],
      first: 1_000,
      filter: { op: '>', property: 'i', type: 'INTEGER', value: 3 },
    });
    expect(result.plan).toMatchObject({ residual: null, requests: 3, scannedRecords: 100 });
    expect(result.plan.pushed).toEqual({ op: '>', args: [{ property: 'i' }, 3] });
    expect(result.plan.portalQuery.at(-1)).toBe(
      '/api/explore/v2.1/catalog/datasets/rows/records?select=count(*) as n, sum(`i`) as m0, count(`i`) as m1, min(`i`) as m2, max(`i`) as m3, max(`d`) as m4&where=`i` > 3&group_by=year(`t`) as k0_year, month(`t`) as k0_month, `b` as k1&limit=19999&lang=fr&timezone=UTC',
    );
  });

  test('that counts all records of CKAN asks for rows at the end of the table, and reads none else', async () => {
    const ask: Ask = { groupBy: [], measures: [{ as: 'n', op: 'COUNT' }], sortBy: [], first: 1, filter: null };
    const { groups, plan } = await askCity(ckan, 'rows', ask);
    expect(groups).toEqual([{ key: {}, measures: { n: COUNT } }]);
    // Five to learn the columns from, the window that the count is held against, the first row, the last, and the place behind.
    expect(plan).toMatchObject({ requests: 5, scannedRecords: 107 });
  });

  test('of numbers beyond 2^53 is read by the hub, whatever the portal makes of them', async () => {
    const ask: Ask = {
      groupBy: [],
      measures: [
        { as: 'total', op: 'SUM', property: 'i' },
        { as: 'top', op: 'MAX', property: 'i' },
      ],
      sortBy: [],
      first: 1,
      filter: null,
    };
    const { groups, plan } = await askCity(ods, 'huge', ask);
    expect(groups).toEqual(expected(HUGE, ask));
    expect(groups[0]?.measures['total']).toMatch(/^\d{19,}$/);
    expect(plan.scannedRecords).toBeGreaterThan(COUNT);
  });
});

describe('more groups than the portal answers with', () => {
  const COUNTS = [{ as: 'n', op: 'COUNT' as const }];

  test('are made by the hub, all of them, and what first leaves out is said', async ({ task }) => {
    const grouped: Ask = { groupBy: [{ property: 'i' }], measures: COUNTS, sortBy: [], first: 100_000, filter: null };
    const whole = await askCity(ods, 'wide', { ...grouped, groupBy: [], first: 1 });
    const all = await askCity(ods, 'wide', grouped);
    expect(all.truncated).toBe(false);
    expect(all.groups).toHaveLength(WIDE.length);
    const total = all.groups.reduce((sum, { measures }) => sum + Number(measures['n']), 0);
    expect(total).toBe(whole.groups[0]?.measures['n']);
    const some = await askCity(ods, 'wide', { ...grouped, first: 1_000 });
    expect(some.truncated).toBe(true);
    expect(some.groups).toEqual(all.groups.slice(0, 1_000));
    task.meta.figures = [
      {
        point: 2,
        what: 'records of 20,500 that groups beyond the 20,000 window count',
        value: total,
        target: '20,500',
        isMet: total === 20_500,
      },
    ];
  });
});

describe('a portal that groups wrongly', () => {
  const ask: Ask = {
    groupBy: [{ property: 'd' }, { property: 'b' }],
    measures: [
      { as: 'records', op: 'COUNT' },
      { as: 'total', op: 'SUM', property: 'i' },
    ],
    sortBy: [{ property: 'records', direction: 'DESC' }],
    first: 1_000,
    filter: null,
  };
  const byText: Ask = { ...ask, groupBy: [{ property: 's' }] };
  const LIES: readonly {
    readonly what: string;
    readonly quirks: PortalQuirks;
    readonly asked: Ask;
    readonly outcome: 'caught' | 'neutralised';
  }[] = [
    { what: 'caps its groups silently', quirks: { capsSilentlyAt: 5 }, asked: ask, outcome: 'caught' },
    { what: 'drops the group of the nulls', quirks: { dropsNullGroup: true }, asked: ask, outcome: 'caught' },
    { what: 'counts groups wrongly', quirks: { miscountsGroups: true }, asked: ask, outcome: 'caught' },
    { what: 'folds the case of texts', quirks: { foldsCase: true }, asked: byText, outcome: 'neutralised' },
  ];

  test.for(LIES)('is answered rightly all the same: $what', async ({ quirks, asked, outcome, what }, { task }) => {
    // The specimen: without the lie the same question is right, and left to the portal unless it groups by text.
    const honest = await askCity(ods, 'rows', asked);
    expect(honest.groups).toEqual(expected(ROWS, asked));
    expect(isPushed(honest)).toBe(outcome === 'caught');
    ods.portal.setQuirks(quirks);
    try {
      const lost: string[] = [];
      const result = await askCity(ods, 'rows', asked, (op) => lost.push(op));
      expect(result.groups).toEqual(expected(ROWS, asked));
      const found = lost.includes('aggregate') ? 'caught' : 'neutralised';
      expect(found).toBe(outcome);
      task.meta.figures = [
        { point: 2, what: `sandbox portal ${what}`, value: found, target: outcome, isMet: found === outcome },
      ];
    } finally {
      ods.portal.setQuirks({});
    }
  });

  test.for(CITIES)('about how many records there are is refused: $kind', async ({ city }) => {
    const { portal } = city();
    portal.setQuirks({ wrongTotal: 3 });
    try {
      await expect(askCity(city(), 'rows', ask)).rejects.toMatchObject({ code: 'SOURCE_MALFORMED' });
      await expect(
        askCity(city(), 'rows', { ...ask, groupBy: [], measures: [{ as: 'n', op: 'COUNT' }], sortBy: [] }),
      ).rejects.toMatchObject({ code: 'SOURCE_MALFORMED' });
    } finally {
      portal.setQuirks({});
    }
  });
});
