import type { Call, RecordsFacet } from '@civex/adapter-contract';
import { wholeScan } from '@civex/adapter-contract';
import { HubError } from '@civex/errors';
import type { Dataset, HubRecord } from '@civex/model';
import type { RecordFilter, SortKey } from '@civex/query';
import { createPredicate, createRecordComparator } from '@civex/query';
import { RECORD_BYTES } from './bind-question.ts';
import type { LostOp } from './lost-capabilities.ts';
import { LostCapability } from './lost-capabilities.ts';
import type { ScanPosition } from './record-cursor.ts';
import { scanDigest } from './record-cursor.ts';

export interface ScanRead {
  readonly facet: RecordsFacet;
  /** With queryables not null. */
  readonly dataset: Dataset;
  /** The caller's whole filter. */
  readonly filter: RecordFilter | null;
  /** The part of it the source decides. */
  readonly pushed: RecordFilter | null;
  readonly sort: readonly SortKey[];
  readonly first: number;
  readonly position: ScanPosition | null;
  /** Records read of one dataset at most; one more and the question is refused. */
  readonly maxRecords: number;
  /** What the caller may do about a refusal. */
  readonly advice: string;
  /** Names the operators that a record shows the source does not decide; empty for a record that may be here. */
  readonly recheck: (record: HubRecord) => ReadonlySet<LostOp>;
}

export interface ScanPage {
  readonly records: readonly HubRecord[];
  readonly hasNextPage: boolean;
  /** Number of records that match the whole filter. */
  readonly total: number;
  /** Records the source handed out again under an id already met; dropped. Others may be missing in their place. */
  readonly duplicates: number;
}

/** Records kept beyond twice the page before they are sorted and cut; saves sorting for every batch. */
const SLACK = 1_000;

/**
 * Reads every candidate, decides the whole filter on each, and keeps the page behind `position` in the order of the
 * sort keys, ties by record id.
 *
 * @throws LostCapability when the source was caught, HubError `INPUT_TOO_COSTLY` beyond `maxRecords`,
 * `INPUT_INVALID` when the record of a digest cursor is gone, and whatever the adapter throws.
 */
export async function readScan(read: ScanRead, call: Call): Promise<ScanPage> {
  const { facet, dataset, filter, pushed, sort, first, position, maxRecords, recheck } = read;
  const facts = { source: dataset.source, datasetId: dataset.id };
  const isMatch = createPredicate(filter);
  const compare = createRecordComparator(sort);
  const seen = new Set<string>();
  let kept: HubRecord[] = [];
  let worst: HubRecord | null = null;
  let total = 0;
  let duplicates = 0;
  let rows = 0;

  call.signal.throwIfAborted();
  for await (const batch of facet.scan(dataset, wholeScan(pushed), call)) {
    await call.pace?.(batch.length * RECORD_BYTES);
    call.signal.throwIfAborted();
    rows += batch.length;
    if (rows > maxRecords)
      throw new HubError(
        'INPUT_TOO_COSTLY',
        `This question needs more than ${maxRecords.toLocaleString('en-US')} records of one dataset read by the hub: ${read.advice}`,
        facts,
      );
    for (const record of batch) {
      if (seen.has(record.id)) {
        duplicates++;
        continue;
      }
      seen.add(record.id);
      if (!isMatch(record)) {
        const lost = recheck(record);
        if (lost.size > 0) throw new LostCapability(lost);
        continue;
      }
      total++;
      if (position?.kind === 'key' && compare(record, position.record) <= 0) continue;
      if (worst !== null && compare(record, worst) > 0) continue;
      kept.push(record);
      // A digest names a place only once its record was met, so nothing may be dropped before.
      if (position?.kind !== 'digest' && kept.length > 2 * first + SLACK) {
        kept = kept.sort(compare).slice(0, first + 1);
        worst = kept.at(-1) ?? null;
      }
    }
  }
  kept.sort(compare);
  if (position?.kind === 'digest') {
    const place = kept.findIndex((record) => scanDigest(record, sort) === position.digest);
    if (place < 0)
      throw new HubError(
        'INPUT_INVALID',
        'The data changed while it was being paged; start again without `after`.',
        facts,
      );
    kept = kept.slice(place + 1);
  }
  return { records: kept.slice(0, first), hasNextPage: kept.length > first, total, duplicates };
}
