import assert from 'node:assert/strict';
import type { RecordScan } from '@civex/adapter-contract';
import { wholeScan } from '@civex/adapter-contract';
import type { HubRecord } from '@civex/model';
import { createRecordComparator } from '@civex/query';
import type { ContractCheck, ContractHarness } from './contract-check.ts';
import { sortableOf } from './record-checks.ts';
import type { Table } from './truth.ts';
import { assertSameRecords, readTables } from './truth.ts';

async function read(
  { facet, dataset }: Table,
  scan: Partial<RecordScan>,
  { call }: ContractHarness,
): Promise<readonly HubRecord[]> {
  const all: HubRecord[] = [];
  for await (const batch of facet.scan(dataset, { ...wholeScan(null), ...scan }, call())) all.push(...batch);
  return all;
}

const withScanOrder = async (harness: ContractHarness, need: 'ordered' | 'resumable'): Promise<readonly Table[]> =>
  (await readTables(harness)).filter(
    ({ capability: { scanOrder } }) => scanOrder === 'resumable' || (need === 'ordered' && scanOrder === 'ordered'),
  );

export const scanChecks: readonly ContractCheck[] = [
  {
    title: 'a scan in an order is complete and in that order, nulls last in both directions',
    needs: ['records', 'ordered'],
    async run(harness) {
      for (const table of await withScanOrder(harness, 'ordered'))
        for (const key of sortableOf(table))
          for (const direction of ['ASC', 'DESC'] as const) {
            const order = [{ ...key, direction }];
            const got = await read(table, { order }, harness);
            assertSameRecords(got, table.records, table, `scan by ${key.property} ${direction}`);
            const compare = createRecordComparator(order);
            for (const [index, { values }] of got.slice(1).entries())
              assert.ok(
                compare({ id: '', values: got[index]?.values ?? {} }, { id: '', values }) <= 0,
                `${key.property} ${direction}`,
              );
          }
    },
  },
  {
    title: 'a scan that begins behind a record holds exactly what follows it in the order of the source',
    needs: ['records', 'ordered', 'resumable'],
    async run(harness) {
      for (const table of await withScanOrder(harness, 'resumable')) {
        const ids = (await read(table, { order: [] }, harness)).map(({ id }) => id);
        for (const place of new Set([0, ids.length >> 1, ids.length - 2, ids.length - 1])) {
          const after = ids[place];
          if (after === undefined) continue;
          const rest = await read(table, { order: [], after }, harness);
          assert.deepEqual(
            rest.map(({ id }) => id),
            ids.slice(place + 1),
            `behind record ${place + 1} of ${ids.length}`,
          );
        }
      }
    },
  },
  {
    title: 'a scan of some properties has their values',
    needs: ['records'],
    async run(harness) {
      for (const table of await readTables(harness)) {
        const names = Object.keys(table.records[0] ?? {});
        const properties = names.filter((_, index) => index % 2 === 0);
        const some = table.records.map((values) =>
          Object.fromEntries(properties.map((name) => [name, values[name] ?? null])),
        );
        const got = await read(table, { properties }, harness);
        assertSameRecords(got, some, { ...table, records: some }, `scan of ${properties.join(', ')}`);
      }
    },
  },
];

/** Whether the portal has a table whose scans keep an order, or can begin behind a record. */
export async function hasScanOrder(harness: ContractHarness, need: 'ordered' | 'resumable'): Promise<boolean> {
  return harness.adapter.records !== undefined && (await withScanOrder(harness, need)).length > 0;
}
