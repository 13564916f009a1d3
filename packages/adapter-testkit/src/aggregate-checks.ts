import assert from 'node:assert/strict';
import type { AggregateFetch, SourceGroup } from '@civex/adapter-contract';
import type { QueryableType, RecordValue } from '@civex/model';
import type { AggregateInput, GroupKey, RecordFilter } from '@civex/query';
import { bindAggregate, compareValues, createAggregator } from '@civex/query';
import { createRecordDoor, OPEN_VIEW } from '@civex/records';
import type { ContractCheck, ContractHarness } from './contract-check.ts';
import { assertRejectsSoon, turns } from './promises.ts';
import type { Table } from './truth.ts';
import { matching, readTables } from './truth.ts';

const UNITS = ['HOUR', 'DAY', 'WEEK', 'MONTH', 'QUARTER', 'YEAR'] as const;
const NUMERIC: ReadonlySet<QueryableType> = new Set(['INTEGER', 'NUMBER']);
const GROUPED: ReadonlySet<QueryableType> = new Set(['STRING', 'INTEGER', 'NUMBER', 'BOOLEAN', 'DATE', 'DATETIME']);

/** Every key the columns can make: by value, and times by unit. */
const keysOf = ({ columns }: Table): readonly GroupKey[] =>
  columns.flatMap(({ name: property, type }): readonly GroupKey[] => {
    if (!GROUPED.has(type)) return [];
    const byValue: GroupKey = { property, type, every: null, timeZone: 'UTC' };
    if (type !== 'DATE' && type !== 'DATETIME') return [byValue];
    const units = UNITS.filter((every) => type === 'DATETIME' || every !== 'HOUR');
    return [byValue, ...units.map((every): GroupKey => ({ ...byValue, every }))];
  });

/** What the source claims to do itself, for one table. */
interface Claims {
  readonly keys: readonly GroupKey[];
  readonly measures: AggregateFetch['measures'];
}

function claimsOf(table: Table): Claims | null {
  const { facet, capability, columns } = table;
  const { aggregates } = capability;
  if (facet.aggregate === undefined || aggregates === undefined) return null;
  const measures = columns.flatMap(({ name: property }) =>
    (['COUNT', 'SUM', 'MIN', 'MAX'] as const)
      .map((op) => ({ op, property }))
      .filter((measure) => aggregates.measures(measure)),
  );
  return { keys: keysOf(table).filter((key) => aggregates.groups(key)), measures };
}

/** Measures of one question; more may not fit into a request. */
const MOST_MEASURES = 4;

const toInput = ({ property, type, every }: GroupKey): AggregateInput['groupBy'][number] => ({
  property,
  every,
  timeZone: type === 'DATETIME' && every !== null ? 'UTC' : null,
});

/** The groups as the hub would put them together from what the source said, and from the portal's own rows. */
function assertSameGroups(table: Table, ask: AggregateFetch, groups: readonly SourceGroup[], message: string): void {
  const measures = ask.measures.map(({ op, property }, index) => ({ as: `m${index}`, op, property }));
  const aggregate = bindAggregate(
    { groupBy: ask.groupBy.map(toInput), measures: [{ as: 'n', op: 'COUNT' }, ...measures], sortBy: [] },
    table.queryables,
  );
  const told = createAggregator(aggregate);
  for (const group of groups)
    told.addPart({
      keys: group.keys,
      measures: [
        { op: 'COUNT', count: group.count },
        ...ask.measures.map(({ op }, index) => toPart(op, group.measures[index] ?? null)),
      ],
    });
  const wanted = createAggregator(aggregate);
  for (const values of matching(table, ask.filter)) wanted.add(values);
  assert.deepEqual(told.finish(100_000), wanted.finish(100_000), message);
}

function toPart(op: AggregateFetch['measures'][number]['op'], value: RecordValue) {
  const number = typeof value === 'number' || typeof value === 'bigint' ? value : null;
  switch (op) {
    case 'COUNT':
      return { op, count: Number(number ?? 0) } as const;
    case 'SUM':
      return { op, sum: number, count: number === null ? 0 : 1 } as const;
    case 'MIN':
    case 'MAX':
      return { op, value } as const;
  }
}

/** False when a number that was added, or came out, may have been changed by doubles; then the contract promises nothing. */
function isWithinDoubles({ records, columns }: Table, { measures, groupBy }: AggregateFetch): boolean {
  const named = new Set([...measures, ...groupBy].map(({ property }) => property));
  const numeric = columns.filter(({ name, type }) => named.has(name) && NUMERIC.has(type));
  return numeric.every(({ name }) => {
    let sum = 0;
    for (const values of records) {
      const value = values[name] ?? null;
      if (value === null) continue;
      if (typeof value !== 'number') return false;
      sum += Math.abs(value);
    }
    return sum < Number.MAX_SAFE_INTEGER;
  });
}

/** Filters that are exact, one for each column that has one, besides none at all. */
function filtersOf({ columns, records, capability }: Table): readonly (RecordFilter | null)[] {
  const filters = columns.flatMap(({ name: property, type }): readonly RecordFilter[] => {
    const values = records
      .map((record) => record[property] ?? null)
      .filter((value) => compareValues(value, value, type) !== null);
    const middle = values[Math.floor(values.length / 2)];
    if (typeof middle !== 'number' && typeof middle !== 'boolean' && typeof middle !== 'string') return [];
    const predicate = { op: '=', property, type, value: middle } as const;
    return capability.grade(predicate) === 'exact' ? [predicate] : [];
  });
  return [null, ...filters.slice(0, 3)];
}

/** What a source that says it groups is asked: each key alone, pairs of neighbours, none; with and without a filter. */
function asksOf(table: Table, { keys, measures }: Claims): readonly AggregateFetch[] {
  const pairs = keys.slice(1).flatMap((key, index) => {
    const before = keys[index];
    return before === undefined || before.property === key.property ? [] : [[before, key]];
  });
  const chunks = Array.from({ length: Math.ceil(measures.length / MOST_MEASURES) }, (_, index) =>
    measures.slice(index * MOST_MEASURES, (index + 1) * MOST_MEASURES),
  );
  const filters = filtersOf(table);
  return [[], ...keys.map((key) => [key]), ...pairs].flatMap((groupBy, place) => {
    const filter = filters[place % filters.length] ?? null;
    const chosen = chunks[place % Math.max(1, chunks.length)] ?? [];
    const ask = { groupBy, filter: null, measures: [], fresh: false };
    return [ask, { ...ask, filter, measures: chosen }];
  });
}

/** Tables whose source says that it aggregates something. */
const claiming = async (harness: ContractHarness): Promise<readonly (readonly [Table, Claims])[]> =>
  (await readTables(harness)).flatMap((table) => {
    const claims = claimsOf(table);
    return claims === null ? [] : [[table, claims] as const];
  });

async function firstTable(harness: ContractHarness): Promise<Table> {
  const [first] = await claiming(harness);
  assert.ok(first !== undefined, 'no table is aggregated');
  return first[0];
}

const everything = { filter: null, groupBy: [], measures: [], fresh: true };

export const aggregateChecks: readonly ContractCheck[] = [
  {
    title: 'the groups of a source are those the hub would make of its records',
    needs: ['records', 'aggregate'],
    async run(harness) {
      for (const [table, claims] of await claiming(harness))
        for (const ask of asksOf(table, claims)) {
          const groups = await table.facet.aggregate?.(table.dataset, ask, harness.call());
          // A source may give a question up; the hub then reads the records.
          if (groups == null || !isWithinDoubles(table, ask)) continue;
          const message = `${ask.groupBy.map(({ property, every }) => `${property} ${every ?? ''}`).join(', ')} of ${table.dataset.localId}`;
          assertSameGroups(table, ask, groups, message);
          const ids = groups.map(({ keys }) =>
            JSON.stringify(keys, (_key, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value)),
          );
          assert.equal(new Set(ids).size, ids.length, `${message}: a group comes twice`);
        }
    },
  },
  {
    title: 'an aggregate through the door is that of the records of the portal',
    needs: ['records'],
    async run(harness) {
      const door = createRecordDoor({
        scanRecords: 1_000_000,
        maxFirst: 1_000_000,
        onCapabilityLost: (_source, _dataset, op) => assert.fail(`the source does not ${op} as it claims`),
      });
      for (const table of await readTables(harness)) {
        const numeric = table.columns.find(({ type }) => NUMERIC.has(type));
        const keys = keysOf(table).filter(({ every }) => every === null);
        for (const key of [null, ...keys]) {
          const input: AggregateInput = {
            groupBy: key === null ? [] : [toInput(key)],
            measures: [
              { as: 'n', op: 'COUNT' },
              ...(numeric === undefined ? [] : [{ as: 'sum', op: 'SUM' as const, property: numeric.name }]),
            ],
            sortBy: [{ property: 'n', direction: 'DESC' }],
          };
          const { dataset } = table;
          const request = {
            adapter: harness.adapter,
            dataset,
            filter: null,
            cql: null,
            view: OPEN_VIEW,
            first: 100_000,
            ...input,
          };
          const { groups } = await door.aggregate(request, harness.call());
          const wanted = createAggregator(bindAggregate(input, table.queryables));
          for (const values of table.records) wanted.add(values);
          assert.deepEqual(groups, wanted.finish(100_000).groups, `${key?.property ?? 'all'} of ${dataset.localId}`);
        }
      }
    },
  },
  {
    title: 'aggregate rejects when its call was aborted before',
    needs: ['records', 'aggregate'],
    async run(harness) {
      const { facet, dataset } = await firstTable(harness);
      const pending = facet.aggregate?.(dataset, everything, harness.call(AbortSignal.abort()));
      await assertRejectsSoon(Promise.resolve(pending), harness);
    },
  },
  {
    title: 'aggregate rejects when its call is aborted while the portal hangs',
    needs: ['records', 'aggregate', 'hang'],
    async run(harness) {
      const { facet, dataset } = await firstTable(harness);
      await harness.portal.hang?.();
      const controller = new AbortController();
      const pending = Promise.resolve(facet.aggregate?.(dataset, everything, harness.call(controller.signal)));
      // Handled below; a rejection before that must not end the process.
      pending.catch(() => undefined);
      await turns(20);
      controller.abort();
      await assertRejectsSoon(pending, harness);
    },
  },
];

/** Whether the source says that it aggregates a table of the portal. */
export async function hasAggregate(harness: ContractHarness): Promise<boolean> {
  return harness.adapter.records !== undefined && (await claiming(harness)).length > 0;
}
