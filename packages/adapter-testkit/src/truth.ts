import assert from 'node:assert/strict';
import type { RecordCapability, RecordsFacet, SourceAdapter } from '@civex/adapter-contract';
import { wholeScan } from '@civex/adapter-contract';
import type { Dataset, HubRecord, Queryable, RecordValue } from '@civex/model';
import type { RecordFilter } from '@civex/query';
import { createPredicate } from '@civex/query';
import type { ContractHarness, TruthValues } from './contract-check.ts';

/** Longest list a check reads, in pages; an adapter that never ends is stopped here. */
export const MAX_PAGES = 1_000;

/** A dataset whose records can be queried, beside what the portal really holds. */
export interface Table {
  readonly facet: RecordsFacet;
  readonly dataset: Dataset;
  readonly queryables: readonly Queryable[];
  /** The queryables the truth knows; only about them can be asked. */
  readonly columns: readonly Queryable[];
  readonly capability: RecordCapability;
  readonly records: readonly TruthValues[];
}

export function recordsFacet(adapter: SourceAdapter): RecordsFacet {
  assert.ok(adapter.records !== undefined, 'the adapter has no records facet');
  return adapter.records;
}

export async function getDataset({ adapter, call }: ContractHarness, localId: string): Promise<Dataset> {
  const [outcome] = await adapter.catalog.getMany([localId], call());
  assert.ok(
    outcome !== null && outcome !== undefined && 'localId' in outcome,
    'getMany does not know a dataset of the portal',
  );
  return outcome;
}

/** The dataset with its columns, asked for when its catalog does not carry them. */
export async function describeDataset(harness: ContractHarness, localId: string): Promise<Dataset> {
  const dataset = await getDataset(harness, localId);
  if (dataset.recordsState !== 'undescribed') return dataset;
  const queryables = (await harness.adapter.records?.describe?.(dataset, harness.call())) ?? null;
  return { ...dataset, recordsState: queryables === null ? 'none' : 'described', queryables };
}

/** Tables a check about many questions reads at most: the largest of the portal. */
const MAX_TABLES = 3;

/** The largest tables of the portal, largest first. */
export async function readTables(harness: ContractHarness, maxTables: number = MAX_TABLES): Promise<readonly Table[]> {
  const { adapter, truth } = harness;
  const facet = recordsFacet(adapter);
  const largest = truth.localIds
    .flatMap((localId) => {
      const records = truth.records(localId);
      return records === null ? [] : [{ localId, records }];
    })
    .sort((a, b) => b.records.length - a.records.length)
    .slice(0, maxTables);
  assert.ok((largest[0]?.records.length ?? 0) >= 10, 'the harness needs a dataset with 10 records or more');
  return Promise.all(
    largest.map(async ({ localId, records }) => {
      const dataset = await describeDataset(harness, localId);
      assert.ok(dataset.queryables !== null, 'a dataset with records has no columns');
      const known = new Set(Object.keys(records[0] ?? {}));
      const columns = dataset.queryables.filter(({ name }) => known.has(name));
      assert.equal(columns.length, known.size, 'the truth has a column that is no queryable');
      return {
        facet,
        dataset,
        queryables: dataset.queryables,
        columns,
        capability: facet.capability(dataset),
        records,
      };
    }),
  );
}

/** A value in one spelling: instants in UTC, members of objects sorted, big integers as text. */
function canonical(value: RecordValue | undefined, type: Queryable['type'] | null): unknown {
  if (value === null || value === undefined) return null;
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'string' && type === 'DATETIME') {
    const beyond = /\.\d{3}(\d+)/.exec(value)?.[1]?.replace(/0+$/, '') ?? '';
    return `${new Date(value).toISOString()}+${beyond}`;
  }
  if (Array.isArray(value)) return value.map((part: RecordValue) => canonical(part, null));
  if (typeof value === 'object')
    return Object.entries(value)
      .map(([key, part]: readonly [string, RecordValue]) => [key, canonical(part, null)])
      .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
  return value;
}

const textOf = (values: TruthValues, names: readonly string[], queryables: readonly Queryable[]): string =>
  JSON.stringify(
    names.map((name) => [
      name,
      canonical(values[name], queryables.find((queryable) => queryable.name === name)?.type ?? null),
    ]),
  );

/** The same records on both sides, each as often, in any order; compared in the columns the truth has. */
export function assertSameRecords(
  got: readonly HubRecord[],
  wanted: readonly TruthValues[],
  table: Table,
  message: string,
): void {
  assert.deepEqual(...asTexts(got, wanted, table), message);
}

/** Every wanted record is there, as often as wanted; there may be more. */
export function assertHolds(
  got: readonly HubRecord[],
  wanted: readonly TruthValues[],
  table: Table,
  message: string,
): void {
  const [texts, wantedTexts] = asTexts(got, wanted, table);
  const left = new Map<string, number>();
  for (const text of texts) left.set(text, (left.get(text) ?? 0) + 1);
  for (const text of wantedTexts) {
    const count = left.get(text) ?? 0;
    assert.ok(count > 0, `${message}: missing ${text.slice(0, 500)}`);
    left.set(text, count - 1);
  }
}

function asTexts(
  got: readonly HubRecord[],
  wanted: readonly TruthValues[],
  { records, queryables }: Table,
): [string[], string[]] {
  const names = Object.keys(records[0] ?? {});
  const toText = (values: TruthValues): string => textOf(values, names, queryables);
  return [got.map(({ values }) => toText(values)).sort(), wanted.map(toText).sort()];
}

/** What the hub's own evaluator makes of the portal's data. */
export function matching({ records }: Table, filter: RecordFilter | null): readonly TruthValues[] {
  const isMatch = createPredicate(filter);
  return records.filter((values) => isMatch({ id: '', values }));
}

export async function readScan(
  { facet, dataset }: Table,
  filter: RecordFilter | null,
  { call }: ContractHarness,
): Promise<readonly HubRecord[]> {
  const all: HubRecord[] = [];
  for await (const batch of facet.scan(dataset, wholeScan(filter), call())) all.push(...batch);
  return all;
}
