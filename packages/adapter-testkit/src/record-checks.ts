import { wholeScan } from '@civex/adapter-contract';
import assert from 'node:assert/strict';
import type { HubRecord, RecordValue } from '@civex/model';
import type { RecordFilter, SortKey } from '@civex/query';
import { createRecordComparator } from '@civex/query';
import type { ContractCheck, ContractHarness, TruthValues } from './contract-check.ts';
import { turns } from './promises.ts';
import type { Table } from './truth.ts';
import { assertSameRecords, describeDataset, MAX_PAGES, readScan, readTables, recordsFacet } from './truth.ts';

/** Windows of `size`, one after the other, until one is empty. */
async function readWindows(
  { facet, dataset, capability, records }: Table,
  sort: readonly SortKey[],
  size: number,
  { call }: ContractHarness,
  filter: RecordFilter | null = null,
): Promise<readonly HubRecord[]> {
  const all: HubRecord[] = [];
  const reach = capability.maxWindow ?? Infinity;
  for (let pages = 0; all.length < reach; pages++) {
    assert.ok(pages < MAX_PAGES && all.length <= records.length, 'the windows do not end');
    const limit = Math.min(size, reach - all.length);
    const batch = await facet.fetchWindow(dataset, { filter, sort, offset: all.length, limit }, call());
    assert.ok(batch.records.length <= limit, 'a window holds more than was asked for');
    if (batch.records.length === 0) return all;
    all.push(...batch.records);
  }
  return all;
}

/** Tables with an order of their own, small enough to lie inside what the source lets through. */
const windowed = (tables: readonly Table[]): readonly Table[] =>
  tables.filter(({ capability }) => capability.sourceOrder !== null);

const isWhole = ({ capability, records }: Table): boolean =>
  capability.maxWindow === null || records.length < capability.maxWindow;

/** Window sizes, the largest first: as much as one answer holds, a part of that, and a third of the table. */
const sizesOf = ({ capability, records }: Table): readonly [number, ...number[]] => {
  const most = Math.min(capability.maxPageSize, Math.max(2, records.length));
  const others = [Math.ceil(most * 0.6), Math.min(most, Math.ceil(records.length / 3))];
  return [most, ...new Set(others.filter((size) => size >= 1 && size < most))];
};

export const sortableOf = ({ columns, capability }: Table): readonly SortKey[] =>
  columns
    .filter(({ name, type }) => type !== 'GEOMETRY' && type !== 'JSON' && capability.sortsExactly(name))
    .map(({ name, type }) => ({ property: name, type, direction: 'ASC' }));

export const recordChecks: readonly ContractCheck[] = [
  {
    title: 'a dataset has columns exactly when it has records to query',
    needs: ['records'],
    async run(harness) {
      const { truth } = harness;
      const some = truth.localIds.filter((localId) => truth.records(localId) !== null).slice(0, 5);
      const none = truth.localIds.filter((localId) => truth.records(localId) === null).slice(0, 5);
      for (const localId of [...some, ...none]) {
        const { recordsState, queryables } = await describeDataset(harness, localId);
        const isQueryable = truth.records(localId) !== null;
        assert.equal(recordsState, isQueryable ? 'described' : 'none', localId);
        assert.equal((queryables?.length ?? 0) > 0, isQueryable, localId);
      }
    },
  },
  {
    title: 'a record has one value for each column and no other',
    needs: ['records'],
    async run(harness) {
      for (const table of await readTables(harness)) {
        const names = table.queryables.map(({ name }) => name).toSorted();
        assert.equal(new Set(names).size, names.length, 'a column is named twice');
        for (const { values } of await readScan(table, null, harness))
          assert.deepEqual(Object.keys(values).toSorted(), names);
        if (table.capability.sourceOrder === null) continue;
        const { records } = await table.facet.fetchWindow(
          table.dataset,
          { filter: null, sort: [], offset: 0, limit: 1 },
          harness.call(),
        );
        for (const { values } of records) assert.deepEqual(Object.keys(values).toSorted(), names);
      }
    },
  },
  {
    title: 'scan yields every record as the portal has it',
    needs: ['records'],
    async run(harness) {
      for (const table of await readTables(harness, 12))
        assertSameRecords(await readScan(table, null, harness), table.records, table, table.dataset.localId);
    },
  },
  {
    title: 'a record has an id of its own and keeps it',
    needs: ['records'],
    async run(harness) {
      for (const table of await readTables(harness)) {
        const first = await readScan(table, null, harness);
        const ids = first.map(({ id }) => id).toSorted();
        assert.equal(new Set(ids).size, ids.length, 'two records share an id');
        const again = new Map((await readScan(table, null, harness)).map((record) => [record.id, record]));
        for (const record of first)
          assert.deepEqual(again.get(record.id)?.values, record.values, 'another record has its id');
      }
    },
  },
  {
    title: 'scan asks nothing before it is read and nothing after the reader stopped',
    needs: ['records', 'requestCount'],
    async run(harness) {
      const [table] = await readTables(harness);
      assert.ok(table !== undefined);
      const count = (): number => harness.portal.requestCount?.() ?? 0;
      const before = count();
      const iterator = table.facet.scan(table.dataset, wholeScan(null), harness.call())[Symbol.asyncIterator]();
      await turns(50);
      assert.equal(count(), before, 'asked before it was read');
      await iterator.next();
      await iterator.return?.();
      const stopped = count();
      await turns(50);
      assert.equal(count(), stopped, 'asked after the reader stopped');
      assert.equal((await iterator.next()).done, true, 'yields after the reader stopped');
    },
  },
  {
    title: 'windows put together are the whole order of the source, whatever their size',
    needs: ['records', 'window'],
    async run(harness) {
      for (const table of windowed(await readTables(harness))) {
        const [size, ...others] = sizesOf(table);
        const whole = await readWindows(table, [], size, harness);
        if (isWhole(table)) assertSameRecords(whole, table.records, table, `windows of ${size}`);
        const order = table.capability.sourceOrder;
        // Under an order that is not unique only what it orders by can be expected to stay.
        const keyOf = ({ id, values }: HubRecord): unknown =>
          order?.unique === true ? id : order?.properties.map((property) => values[property]);
        for (const other of others)
          assert.deepEqual(
            (await readWindows(table, [], other, harness)).map(keyOf),
            whole.map(keyOf),
            `windows of ${other}`,
          );
      }
    },
  },
  {
    title: 'a window states the number of matching records or nothing',
    needs: ['records', 'window'],
    async run(harness) {
      for (const { facet, dataset, records } of windowed(await readTables(harness))) {
        const { total } = await facet.fetchWindow(
          dataset,
          { filter: null, sort: [], offset: 0, limit: 2 },
          harness.call(),
        );
        assert.ok(total === null || total === records.length, `total ${total} of ${records.length}`);
      }
    },
  },
  {
    title: 'sorted windows are in the order of the hub, nulls last in both directions, and complete',
    needs: ['records', 'window', 'sort'],
    async run(harness) {
      for (const table of windowed(await readTables(harness)).filter(isWhole)) {
        for (const key of sortableOf(table)) {
          for (const direction of ['ASC', 'DESC'] as const) {
            const sort = [{ ...key, direction }];
            const got = await readWindows(table, sort, sizesOf(table).at(-1) ?? 1, harness);
            const compare = createRecordComparator(sort);
            for (const [index, record] of got.slice(1).entries()) {
              const previous = got[index]?.values ?? {};
              const order = compare({ id: '', values: previous }, { id: '', values: record.values });
              assert.ok(order <= 0, `${key.property} ${direction}`);
            }
            // Equal keys need a unique order beneath, or windows may repeat one and lose another.
            if (table.capability.sourceOrder?.unique === true)
              assertSameRecords(got, table.records, table, `${key.property} ${direction}`);
          }
        }
      }
    },
  },
  {
    title: 'a record has the same id in a scan and in a window',
    needs: ['records', 'window'],
    async run(harness) {
      for (const table of windowed(await readTables(harness)).filter(isWhole)) {
        const scanned = new Map((await readScan(table, null, harness)).map(({ id, values }) => [id, values]));
        const { records } = await table.facet.fetchWindow(
          table.dataset,
          { filter: null, sort: [], offset: 0, limit: Math.min(table.capability.maxPageSize, 5) },
          harness.call(),
        );
        assert.ok(records.length > 0, 'the window is empty');
        for (const { id, values } of records) assert.deepEqual(scanned.get(id), values, `record ${id}`);
      }
    },
  },
  {
    title: 'a window of some properties has their values, and the ids of the whole window',
    needs: ['records', 'window'],
    async run(harness) {
      for (const { facet, dataset, queryables, columns, capability } of windowed(await readTables(harness))) {
        const window = { filter: null, sort: [], offset: 0, limit: Math.min(capability.maxPageSize, 8) };
        const whole = await facet.fetchWindow(dataset, window, harness.call());
        assert.ok(whole.records.length > 0, 'the window is empty');
        const isUnique = capability.sourceOrder?.unique === true;
        for (const parity of [0, 1])
          for (const ids of [true, false]) {
            const properties = columns.map(({ name }) => name).filter((_, index) => index % 2 === parity);
            const valuesOf = ({ values }: HubRecord): TruthValues =>
              Object.fromEntries(properties.map((name) => [name, values[name] ?? null]));
            const some = await facet.fetchWindow(dataset, { ...window, properties, ids }, harness.call());
            const wanted = whole.records.map(valuesOf);
            assert.equal(some.records.length, wanted.length, 'another number of records');
            // Without a unique order another window may hold other records that are equal in what it orders by.
            if (!isUnique) continue;
            const table = { facet, dataset, queryables, columns, capability, records: wanted };
            assertSameRecords(some.records, wanted, table, `a window of ${properties.join(', ')}`);
            if (ids)
              assert.deepEqual(
                some.records.map(({ id }) => id),
                whole.records.map(({ id }) => id),
              );
          }
      }
    },
  },
  {
    title: 'an id that is said to be the value of a column is that value',
    needs: ['records'],
    async run(harness) {
      for (const table of await readTables(harness)) {
        const { recordIds } = table.capability;
        if (recordIds.kind !== 'property') continue;
        assert.ok(
          table.queryables.some(({ name }) => name === recordIds.property),
          'the column is no queryable',
        );
        for (const { id, values } of await readScan(table, null, harness)) {
          const value: RecordValue = values[recordIds.property] ?? null;
          assert.ok(typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint');
          assert.equal(id, String(value));
        }
      }
    },
  },
];

/** Whether the portal has a table for the checks about windows and order. */
export async function hasWindow(harness: ContractHarness, isSorted: boolean): Promise<boolean> {
  if (harness.adapter.records === undefined) return false;
  recordsFacet(harness.adapter);
  const tables = windowed(await readTables(harness));
  return isSorted ? tables.some((table) => isWhole(table) && sortableOf(table).length > 0) : tables.length > 0;
}
