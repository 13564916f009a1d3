import assert from 'node:assert/strict';
import type { Fidelity, Predicate, RecordFilter, SortKey } from '@civex/query';
import { compareValues, createRecordComparator } from '@civex/query';
import { createRecordDoor, OPEN_VIEW } from '@civex/records';
import * as fc from 'fast-check';
import type { ContractCheck, ContractHarness } from './contract-check.ts';
import {
  exactFilterArb,
  filterArb,
  hasGrade,
  inexactFilterArb,
  toFilterInput,
  toFilterValue,
} from './filter-arbitraries.ts';
import { sortableOf } from './record-checks.ts';
import type { Table } from './truth.ts';
import { assertHolds, assertSameRecords, matching, readScan, readTables } from './truth.ts';

const SEED = 20_261_123;

/** Tables with a predicate of the grade. */
const graded = (tables: readonly Table[], grade: Fidelity): readonly Table[] =>
  tables.filter(({ columns, records, capability }) => hasGrade(grade, columns, records, capability));

async function forAll<T>(
  harness: ContractHarness,
  tables: readonly Table[],
  arbitraryOf: (table: Table) => fc.Arbitrary<T>,
  law: (table: Table, drawn: T) => Promise<void>,
): Promise<void> {
  const numRuns = Math.ceil((harness.lawRuns ?? 150) / Math.max(1, tables.length));
  for (const table of tables)
    await fc.assert(
      fc.asyncProperty(arbitraryOf(table), (drawn) => law(table, drawn)),
      // Shrinking asks the portal again and again; its time is bounded in milliseconds.
      { numRuns, seed: SEED, interruptAfterTimeLimit: 20_000 },
    );
}

/** Columns of each type the sweep takes; the type decides how a dialect spells a value. */
const SWEPT_COLUMNS = 2;

/**
 * Each comparison at the least, the middle and the greatest value that occurs, for some columns of each type: where
 * `<` and `<=` differ, and which random questions may miss.
 */
function sweep({ columns, records, capability }: Table): readonly Predicate[] {
  const taken = new Map<string, number>();
  return columns.flatMap(({ name: property, type }) => {
    const count = taken.get(type) ?? 0;
    if (type === 'GEOMETRY' || type === 'JSON' || count >= SWEPT_COLUMNS) return [];
    taken.set(type, count + 1);
    const values = records
      .flatMap((record) => toFilterValue(record[property], type) ?? [])
      .sort((a, b) => compareValues(a, b, type) ?? 0);
    const chosen = new Set([values[0], values[Math.floor(values.length / 2)], values.at(-1)]);
    const ops = type === 'BOOLEAN' ? (['=', '<>'] as const) : (['=', '<>', '<', '<=', '>', '>='] as const);
    return [...chosen]
      .flatMap((value) => (value === undefined ? [] : ops.map((op): Predicate => ({ op, property, type, value }))))
      .filter((predicate) => capability.grade(predicate) === 'exact');
  });
}

/** What the two ways of reading make of a filter, the window as far as one answer reaches. */
async function assertDecidesExactly(table: Table, filter: RecordFilter, harness: ContractHarness): Promise<void> {
  const { facet, dataset, capability } = table;
  const wanted = matching(table, filter);
  assertSameRecords(await readScan(table, filter, harness), wanted, table, 'scan');
  if (capability.sourceOrder === null) return;
  const limit = Math.min(capability.maxPageSize, capability.maxWindow ?? Infinity, wanted.length + 1);
  const { records, total } = await facet.fetchWindow(dataset, { filter, sort: [], offset: 0, limit }, harness.call());
  assert.ok(total === null || total === wanted.length, `the window states ${total} of ${wanted.length} matches`);
  if (wanted.length < limit) assertSameRecords(records, wanted, table, 'window');
}

interface DoorQuestion {
  readonly filter: RecordFilter;
  readonly sort: readonly SortKey[];
  readonly first: number;
}

function questionArb(table: Table): fc.Arbitrary<DoorQuestion> {
  const sortable = [...sortableOf(table)];
  return fc.record({
    // Single predicates are the business of the checks above; what is asked here has parts and an order.
    filter: fc.record({
      op: fc.constantFrom('and', 'or'),
      args: fc.array(filterArb(table.columns, table.records), { minLength: 2, maxLength: 3 }),
    }),
    sort: fc
      .tuple(
        fc.subarray(sortable, { maxLength: Math.min(2, sortable.length) }),
        fc.constantFrom<SortKey['direction']>('ASC', 'DESC'),
      )
      .map(([keys, direction]) => keys.map((key) => ({ ...key, direction }))),
    first: fc.integer({
      min: Math.max(2, Math.ceil(table.records.length / 8)),
      max: Math.max(3, table.records.length),
    }),
  });
}

/** Pages a chain may take; the smallest `first` makes eight, and a source may cut a page where it does not order. */
const MAX_CHAIN = 100;

async function askDoor(harness: ContractHarness, { dataset }: Table, { filter, sort, first }: DoorQuestion) {
  const door = createRecordDoor({
    scanRecords: 1_000_000,
    maxFirst: 1_000_000,
    onCapabilityLost: (_source, _dataset, op) => assert.fail(`the source does not decide ${op} as it claims`),
  });
  const records = [];
  let after: string | null = null;
  for (let pages = 0; ; pages++) {
    assert.ok(pages < MAX_CHAIN, 'the pages do not end');
    const page = await door.query(
      {
        adapter: harness.adapter,
        dataset,
        filter: toFilterInput(filter),
        cql: null,
        view: OPEN_VIEW,
        properties: null,
        sortBy: sort.map(({ property, direction }) => ({ property, direction })),
        first,
        after,
      },
      harness.call(),
    );
    records.push(...page.records.map(({ record }) => record));
    if (!page.hasNextPage) return records;
    after = page.endCursor;
  }
}

/** As the door hands records out: big integers as text, also inside lists and objects. */
const asHandedOut = (values: Table['records'][number]): Table['records'][number] =>
  JSON.parse(JSON.stringify(values, (_key, part: unknown) => (typeof part === 'bigint' ? part.toString() : part)));

export const lawChecks: readonly ContractCheck[] = [
  {
    title: 'an exact filter means what the hub means by it',
    needs: ['records', 'exact'],
    async run(harness) {
      const tables = graded(await readTables(harness), 'exact');
      for (const table of tables)
        for (const predicate of sweep(table)) await assertDecidesExactly(table, predicate, harness);
      await forAll(
        harness,
        tables,
        ({ columns, records, capability }) => exactFilterArb(columns, records, capability),
        (table, filter) => assertDecidesExactly(table, filter, harness),
      );
    },
  },
  {
    title: 'an inexact filter may return more records and never fewer',
    needs: ['records', 'inexact'],
    run: async (harness) =>
      forAll(
        harness,
        graded(await readTables(harness), 'inexact'),
        ({ columns, records, capability }) => inexactFilterArb(columns, records, capability),
        async (table, filter) =>
          assertHolds(await readScan(table, filter, harness), matching(table, filter), table, 'scan'),
      ),
  },
  {
    title: 'pushdown changes the cost of a question, never its answer',
    needs: ['records'],
    run: async (harness) =>
      forAll(harness, await readTables(harness), questionArb, async (table, question) => {
        const got = await askDoor(harness, table, question);
        const handedOut = { ...table, records: table.records.map(asHandedOut) };
        assertSameRecords(got, matching(table, question.filter).map(asHandedOut), handedOut, 'pages put together');
        const compare = createRecordComparator(question.sort.filter(({ type }) => type !== 'INTEGER'));
        // Behind a big integer, which left as text, the order of the next keys cannot be read off.
        const isReadable = question.sort.every(({ type }) => type !== 'INTEGER');
        for (const [index, { values }] of got.slice(1).entries())
          if (isReadable)
            assert.ok(compare({ id: '', values: got[index]?.values ?? {} }, { id: '', values }) <= 0, 'the order');
      }),
  },
];

export async function hasGraded(harness: ContractHarness, grade: Fidelity): Promise<boolean> {
  return harness.adapter.records !== undefined && graded(await readTables(harness), grade).length > 0;
}
