import { OPEN_VIEW } from '@civex/sharing';
import { isHubError } from '@civex/errors';
import type { HubRecord, QueryableType, RecordValue } from '@civex/model';
import type { AggregateInput, GroupByInput, MeasureInput, RecordFilter } from '@civex/query';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRecordDoor } from './record-door.ts';
import type { AggregateResult } from './read-aggregate.ts';
import { referenceAggregate } from './test-support/aggregate-reference.ts';
import { capabilityArb, filterArb, liesArb } from './test-support/arbitraries.ts';
import type { AggregateLie, FakeAggregates } from './test-support/fake-aggregates.ts';
import { withAggregates } from './test-support/fake-aggregates.ts';
import type { FakeCapability, FakeSource } from './test-support/fake-source.ts';
import { COLUMNS, createCall, createFakeSource } from './test-support/fake-source.ts';
import { referenceTruth, toFilterInput } from './test-support/reference.ts';

// Small pools on purpose, of what goes wrong: equal values spelled differently, values of another type, the edges of
// doubles and of 64 bits, the hours in which clocks change.
const POOLS: Readonly<Record<QueryableType, readonly RecordValue[]>> = {
  STRING: ['', 'a', 'A', 'é', 'e\u0301', ' a', "'", '"', '\\', '\u0000', 'a:b', '2:ab', '\ufb01', '𝄞', '\uffee', 7],
  NUMBER: [
    0.1,
    0.2,
    0.3,
    0.30000000000000004,
    -1.5,
    0,
    -0,
    1,
    1e300,
    -1e300,
    5e-324,
    9_007_199_254_740_992,
    9_007_199_254_740_993n,
    '12345678901234567.89',
    '-0.00000000000000000001',
    '9007199254740993.0',
    'NaN',
    '1,5',
    19.99,
    4.35,
  ],
  INTEGER: [
    -5,
    0,
    1,
    7,
    9_007_199_254_740_991,
    9_007_199_254_740_992n,
    9_007_199_254_740_993n,
    9_223_372_036_854_775_807n,
    -9_223_372_036_854_775_808n,
    'x',
  ],
  BOOLEAN: [true, false],
  DATE: ['2024', '2024-01', '2024-01-01', '2024-02-29', '1999-12-31', '2024-12-30', '2021-01-03', '2024-02-31', 'soon'],
  DATETIME: [
    '2024-03-31T00:59:59.999Z',
    '2024-03-31T01:00:00Z',
    '2024-03-31T02:30:00+01:00',
    '2024-03-31T01:30:00.000000001Z',
    '2024-10-27T00:30:00Z',
    '2024-10-27T01:30:00Z',
    '2024-10-27T02:30:00+01:00',
    '2024-04-06T14:45:00Z',
    '2024-04-06T15:15:00Z',
    '2024-10-05T15:45:00Z',
    '2024-03-10T05:30:00Z',
    '2024-11-03T05:30:00Z',
    '2024-12-31T23:30:00-02:30',
    '1969-12-31T23:59:59.999Z',
    '2011-12-30T09:59:00Z',
    'tomorrow',
  ],
  GEOMETRY: [{ type: 'Point', coordinates: [2.35, 48.85] }],
  JSON: [{ a: [1, 12n] }, 'text'],
};
const ZONES = [
  'UTC',
  'Europe/Paris',
  'America/Havana',
  'America/St_Johns',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'Pacific/Apia',
];

/** Values no portal with typed columns holds. */
const STRANGE: readonly RecordValue[] = [7, 'NaN', '1,5', 'x', '2024-02-31', 'soon', 'tomorrow'];
/** What a portal that reckons in doubles can be relied on for. */
const SMALL: Readonly<Partial<Record<QueryableType, readonly RecordValue[]>>> = {
  INTEGER: [-5, 0, 1, 2, 1_000_000],
  NUMBER: [0.1, 0.2, -1.5, 0, -0, 4.35, 5e-324],
};

type Pool = 'hard' | 'typed' | 'small';
const poolOf = (type: QueryableType, pool: Pool): readonly RecordValue[] => {
  if (pool === 'hard') return POOLS[type];
  const small = pool === 'small' ? SMALL[type] : undefined;
  return (
    small ?? POOLS[type].filter((value) => !STRANGE.includes(value) && (type !== 'NUMBER' || typeof value === 'number'))
  );
};
const valueOf = (type: QueryableType, pool: Pool): fc.Arbitrary<RecordValue> =>
  fc.oneof(
    { weight: 1, arbitrary: fc.constant(null) },
    { weight: 4, arbitrary: fc.constantFrom(...poolOf(type, pool)) },
  );
const rowsArb: fc.Arbitrary<readonly HubRecord[]> = fc
  .constantFrom<Pool>('hard', 'typed', 'small', 'small')
  .chain((pool) =>
    fc
      .array(fc.record(Object.fromEntries(COLUMNS.map(([name, type]) => [name, valueOf(type, pool)]))), {
        maxLength: 25,
      })
      .map((drawn) => drawn.map((values, index) => ({ id: `${(index * 7) % 31}`, values }))),
  );
/** False when a column holds values that are not of its type, or numbers that a portal's doubles do not hold. */
const isTyped = (rows: readonly HubRecord[]): boolean =>
  !rows.some(
    ({ values }) =>
      STRANGE.some((strange) => Object.values(values).includes(strange)) ||
      !['number', 'object'].includes(typeof values['n']),
  );

const KEYS = ['s', 'n', 'i', 'b', 'd', 't'] as const;
const UNITS = ['HOUR', 'DAY', 'WEEK', 'MONTH', 'QUARTER', 'YEAR'] as const;
const keyArb: fc.Arbitrary<GroupByInput> = fc.constantFrom(...KEYS).chain((property): fc.Arbitrary<GroupByInput> => {
  if (property === 'd') return fc.option(fc.constantFrom(...UNITS.slice(1))).map((every) => ({ property, every }));
  if (property !== 't') return fc.constant({ property });
  return fc
    .record({
      every: fc.option(fc.constantFrom(...UNITS), { freq: 4 }),
      timeZone: fc.oneof(fc.constant(null), fc.constantFrom(...ZONES)),
    })
    .map(({ every, timeZone }) => ({ property, every, timeZone: every === null ? null : timeZone }));
});
const TAKES: Readonly<Record<Exclude<MeasureInput['op'], 'COUNT'>, readonly string[]>> = {
  COUNT_DISTINCT: KEYS,
  SUM: ['n', 'i'],
  AVG: ['n', 'i'],
  MIN: ['s', 'n', 'i', 'd', 't'],
  MAX: ['s', 'n', 'i', 'd', 't'],
};
const measureArb: fc.Arbitrary<Omit<MeasureInput, 'as'>> = fc.oneof(
  fc.constant({ op: 'COUNT' as const }),
  fc.constantFrom(...COLUMNS).map(([property]) => ({ op: 'COUNT' as const, property })),
  fc
    .constantFrom('COUNT_DISTINCT', 'SUM', 'SUM', 'AVG', 'AVG', 'MIN', 'MAX')
    .chain((op) => fc.constantFrom(...TAKES[op]).map((property) => ({ op, property }))),
);
const sourceMeasureArb: fc.Arbitrary<Omit<MeasureInput, 'as'>> = fc.oneof(
  fc.constant({ op: 'COUNT' as const }),
  fc.constantFrom('n', 'i', 'b', 'd', 't').map((property) => ({ op: 'COUNT' as const, property })),
  fc.constantFrom('SUM', 'AVG').map((op) => ({ op, property: 'i' })),
  fc
    .tuple(fc.constantFrom('MIN', 'MAX'), fc.constantFrom('n', 'i', 'd', 't'))
    .map(([op, property]) => ({ op, property })),
);
const measuresArb = fc.oneof(
  fc.array(measureArb, { minLength: 1, maxLength: 5 }),
  fc.array(sourceMeasureArb, { minLength: 1, maxLength: 3 }),
);
const askArb: fc.Arbitrary<AggregateInput & { readonly first: number }> = fc
  .record({
    groupBy: fc.uniqueArray(keyArb, { maxLength: 3, selector: ({ property }) => property }),
    measures: measuresArb.map((drawn) =>
      drawn.map((measure, index): MeasureInput => ({ ...measure, as: `m${index}` })),
    ),
    first: fc.oneof(fc.constant(100), fc.integer({ min: 1, max: 6 })),
    dice: fc.array(fc.tuple(fc.nat(), fc.constantFrom('ASC', 'DESC')), { maxLength: 3 }),
  })
  .map(({ groupBy, measures, first, dice }) => {
    const names = [...groupBy.map(({ property }) => property), ...measures.map(({ as }) => as)];
    const sortBy = new Map(dice.map(([number, direction]) => [names[number % names.length]!, direction]));
    return {
      groupBy,
      measures,
      first,
      sortBy: [...sortBy].map(([property, direction]) => ({ property, direction })),
    };
  });
const aggregatesArb: fc.Arbitrary<FakeAggregates> = fc.record({
  groups: fc.oneof(fc.constant([...KEYS]), fc.constant(['i', 'b', 'd', 't']), fc.subarray([...KEYS])),
  measures: fc.oneof(
    { weight: 3, arbitrary: fc.constant([...KEYS]) },
    { weight: 1, arbitrary: fc.subarray([...KEYS]) },
  ),
  window: fc.oneof(
    { weight: 5, arbitrary: fc.constant(1_000) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 8 }) },
  ),
});

type Ask = AggregateInput & { readonly first: number };

function askDoor(
  { adapter, dataset }: FakeSource,
  ask: Ask,
  filter: RecordFilter | null,
  onLost = (_op: string): void => {},
) {
  const door = createRecordDoor({
    scanRecords: 1_000,
    maxFirst: 1_000,
    onCapabilityLost: (_source, _dataset, op) => onLost(op),
  });
  const input = filter === null ? null : toFilterInput(filter);
  return door.aggregate({ adapter, dataset, filter: input, cql: null, view: OPEN_VIEW, ...ask }, createCall());
}

function assertRight(result: AggregateResult, rows: readonly HubRecord[], ask: Ask, filter: RecordFilter | null): void {
  const matching = rows.filter((row) => filter === null || referenceTruth(filter, row) === true);
  const expected = referenceAggregate(matching, ask);
  expect(result.groups).toEqual(expected.slice(0, ask.first));
  expect(result.truncated).toBe(expected.length > ask.first);
}

/** Filters that the reference can decide: its own comparisons know no decimals in texts and no values of another type. */
const isDecidable = (filter: RecordFilter): boolean =>
  'args' in filter ? filter.args.every(isDecidable) : filter.op === 'isNull' || filter.property === 'b';

const whichArb = fc.oneof(
  { weight: 2, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: filterArb.filter((filter) => filter === null || isDecidable(filter)) },
);

const NO_AGGREGATES: FakeAggregates = { groups: [], measures: [], window: 1 };

/** A portal in order: aggregates are held against its windows. */
const orderedArb: fc.Arbitrary<FakeCapability> = capabilityArb.map((can) => ({
  ...can,
  sortable: [],
  sourceOrder: 'unique' as const,
  // Windows smaller than most answers, or they would be the answer.
  maxPageSize: 2 + (can.maxPageSize % 4),
  silentCap: null,
  statesTotal: true,
}));
const anyCapabilityArb = fc.oneof({ weight: 4, arbitrary: orderedArb }, { weight: 1, arbitrary: capabilityArb });
/** What the values of other types in hard columns mean to `<` and the like is not this file's business. */
const withoutOrder = (can: FakeCapability): FakeCapability => ({
  ...can,
  sortable: [],
  sourceOrder: can.sourceOrder === 'unique' ? 'unique' : null,
});
const isPushed = ({ plan }: AggregateResult): boolean =>
  plan.portalQuery.some((query) => query.startsWith('groups')) &&
  !plan.portalQuery.some((query) => query.startsWith('scan'));

describe('an aggregate', () => {
  test('is the same whatever the source can do itself', async ({ task }) => {
    const seen = { pushed: 0, read: 0, filtered: 0, grouped: 0, truncated: 0, zoned: 0, refolded: 0 };
    let right = 0;
    await fc.assert(
      fc.asyncProperty(
        rowsArb,
        askArb,
        whichArb,
        anyCapabilityArb,
        aggregatesArb,
        fc.nat(),
        async (rows, ask, filter, can, aggregates, seed) => {
          const source = withAggregates(
            createFakeSource(rows, withoutOrder(can), {}, seed),
            rows,
            isTyped(rows) ? aggregates : NO_AGGREGATES,
          );
          const result = await askDoor(source, ask, filter, (op) => expect.unreachable(`lost ${op}`));
          assertRight(result, rows, ask, filter);
          seen[isPushed(result) ? 'pushed' : 'read']++;
          if (filter !== null) seen.filtered++;
          if (ask.groupBy.length > 0) seen.grouped++;
          if (result.truncated) seen.truncated++;
          if (ask.groupBy.some(({ timeZone }) => timeZone != null && timeZone !== 'UTC')) seen.zoned++;
          if (isPushed(result) && ask.groupBy.some(({ every }) => every != null)) seen.refolded++;
          right++;
        },
      ),
      { numRuns: 6_000, seed: 20_270_101 },
    );
    // The law says nothing where it was not tried.
    expect(Math.min(...Object.values(seen)), JSON.stringify(seen)).toBeGreaterThan(200);
    task.meta.figures = [
      {
        point: 2,
        what: 'aggregates as the reference has them, seeded cases at a source in memory',
        value: right,
        target: '5,000',
        isMet: right >= 5_000,
      },
    ];
  });

  test('counts over all groups come to the count without groups', async ({ task }) => {
    let checked = 0;
    await fc.assert(
      fc.asyncProperty(
        rowsArb,
        askArb,
        whichArb,
        anyCapabilityArb,
        aggregatesArb,
        async (rows, { groupBy }, filter, can, aggregates) => {
          const source = withAggregates(
            createFakeSource(rows, withoutOrder(can)),
            rows,
            isTyped(rows) ? aggregates : NO_AGGREGATES,
          );
          const measures = [{ as: 'records', op: 'COUNT' as const }];
          const grouped = await askDoor(source, { groupBy, measures, sortBy: [], first: 1_000 }, filter);
          const whole = await askDoor(source, { groupBy: [], measures, sortBy: [], first: 1 }, filter);
          expect(grouped.truncated).toBe(false);
          const total = grouped.groups.reduce((sum, group) => sum + Number(group.measures['records']), 0);
          expect(total).toBe(whole.groups[0]!.measures['records']);
          checked++;
        },
      ),
      { numRuns: 1_000, seed: 20_270_102 },
    );
    task.meta.figures = [
      {
        point: 2,
        what: 'totals test: counts over all groups equal to the count without groups, cases',
        value: checked,
        target: '1,000',
        isMet: checked >= 1_000,
      },
    ];
  });

  const LIES: readonly (readonly [lie: AggregateLie, isCaught: boolean])[] = [
    ['caps groups silently', true],
    ['drops the null group', true],
    ['counts one group wrongly', true],
    ['splits a group in two', true],
    ['ignores the filter', true],
    ['refuses to group', true],
    // No adapter leaves the grouping of texts to its portal.
    ['folds the case of texts', false],
  ];
  const groupable = ['n', 'i', 'b', 'd', 't'];

  test.each(LIES)('is right when a portal %s', async (lie, isCaught) => {
    const seen = { right: 0, caught: 0, pushed: 0 };
    await fc.assert(
      fc.asyncProperty(rowsArb, askArb, whichArb, orderedArb, async (rows, ask, filter, can) => {
        const aggregates = isTyped(rows) ? { groups: groupable, measures: groupable, window: 1_000 } : NO_AGGREGATES;
        const source = withAggregates(createFakeSource(rows, can), rows, aggregates, lie);
        const lost = new Set<string>();
        const result = await askDoor(source, ask, filter, (op) => lost.add(op));
        assertRight(result, rows, ask, filter);
        seen.right++;
        if (lost.size > 0) seen.caught++;
        if (isPushed(result)) seen.pushed++;
      }),
      { numRuns: 1_000, seed: 20_270_103 },
    );
    if (isCaught) expect(seen.caught, JSON.stringify(seen)).toBeGreaterThan(10);
    else expect(seen.caught).toBe(0);
    expect(seen.right).toBe(1_000);
  });

  test('is right or refused when a portal lies about its records', async () => {
    const seen = { right: 0, refused: 0 };
    // Batches that come twice are the adapter's business: without ids nobody else can tell them from equal records.
    const lies = liesArb.filter((lie) => lie.scanRepeatsBatch !== true);
    await fc.assert(
      fc.asyncProperty(
        rowsArb,
        askArb,
        whichArb,
        orderedArb,
        aggregatesArb,
        lies,
        async (rows, ask, filter, can, aggregates, lie) => {
          // Groups are made by their own portal, which does not know of these lies; a filter that is let pass in part
          // shows in records only.
          const isFilterLie = lie.ignores !== undefined || lie.mixesIn !== undefined;
          const declared = isFilterLie || !isTyped(rows) ? NO_AGGREGATES : aggregates;
          const source = withAggregates(createFakeSource(rows, can, lie), rows, declared);
          try {
            assertRight(await askDoor(source, ask, filter), rows, ask, filter);
            seen.right++;
          } catch (error) {
            if (!isHubError(error)) throw error;
            expect(error.code).toBe('SOURCE_MALFORMED');
            seen.refused++;
          }
        },
      ),
      { numRuns: 1_500, seed: 20_270_104 },
    );
    expect(seen.right).toBeGreaterThan(1_000);
  });
});
