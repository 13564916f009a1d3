import { wholeScan } from '@civex/adapter-contract';
import assert from 'node:assert/strict';
import type { ContractCheck, ContractHarness, Need } from './contract-check.ts';
import { assertRejectsSoon, turns } from './promises.ts';
import type { Table } from './truth.ts';
import { readTables } from './truth.ts';

type Act = (harness: ContractHarness, table: Table | null, signal: AbortSignal) => Promise<unknown>;

const onTable =
  (act: (table: Table, harness: ContractHarness, signal: AbortSignal) => Promise<unknown>): Act =>
  (harness, table, signal) => {
    assert.ok(table !== null);
    return act(table, harness, signal);
  };

const METHODS: readonly (readonly [string, readonly Need[], Act])[] = [
  [
    'list',
    [],
    ({ adapter, call }, _table, signal) => adapter.catalog.list({ size: 1, after: null, search: null }, call(signal)),
  ],
  [
    'getMany',
    [],
    ({ adapter, call, truth }, _table, signal) => adapter.catalog.getMany(truth.localIds.slice(0, 1), call(signal)),
  ],
  ['checkHealth', [], ({ adapter, call }, _table, signal) => adapter.checkHealth(call(signal))],
  [
    'scan',
    ['records'],
    onTable(async ({ facet, dataset }, { call }, signal) => {
      for await (const batch of facet.scan(dataset, wholeScan(null), call(signal))) assert.ok(Array.isArray(batch));
    }),
  ],
  [
    'fetchWindow',
    ['records', 'window'],
    onTable(({ facet, dataset }, { call }, signal) =>
      facet.fetchWindow(dataset, { filter: null, sort: [], offset: 0, limit: 1 }, call(signal)),
    ),
  ],
];

async function tableFor(harness: ContractHarness, needs: readonly Need[]): Promise<Table | null> {
  if (!needs.includes('records')) return null;
  const tables = await readTables(harness);
  return tables.find(({ capability }) => !needs.includes('window') || capability.sourceOrder !== null) ?? null;
}

export const abortChecks: readonly ContractCheck[] = METHODS.flatMap(
  ([method, needs, act]): readonly ContractCheck[] => [
    {
      title: `${method} rejects when its call was aborted before`,
      needs,
      async run(harness) {
        const table = await tableFor(harness, needs);
        await assertRejectsSoon(act(harness, table, AbortSignal.abort()), harness);
      },
    },
    {
      title: `${method} rejects when its call is aborted while the portal hangs`,
      needs: [...needs, 'hang'],
      async run(harness) {
        const table = await tableFor(harness, needs);
        await harness.portal.hang?.();
        const controller = new AbortController();
        const pending = act(harness, table, controller.signal);
        // Handled below; a rejection before that must not end the process.
        pending.catch(() => undefined);
        await turns(20);
        controller.abort();
        await assertRejectsSoon(pending, harness);
      },
    },
  ],
);
