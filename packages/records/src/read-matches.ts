import type { Call, RecordCapability } from '@civex/adapter-contract';
import { HubError } from '@civex/errors';
import type { HubRecord } from '@civex/model';
import type { RecordFilter, SortKey } from '@civex/query';
import { createPredicate, createRecordComparator, isPredicate, splitFilter } from '@civex/query';
import type { SeenQuestion } from './bind-question.ts';
import { factsOf, RECORD_BYTES } from './bind-question.ts';
import { LostCapability } from './lost-capabilities.ts';
import { createRecheck } from './recheck.ts';

export interface MatchRead {
  readonly question: SeenQuestion;
  /** What the source may still be relied on for. */
  readonly capability: RecordCapability;
  /** As in `RecordScan`: null for no particular order. */
  readonly order: readonly SortKey[] | null;
  /** As in `RecordScan`. */
  readonly after: string | null;
  /** Values the reader needs; those of filter and order are read besides. Null: all. */
  readonly properties: readonly string[] | null;
  readonly ids: boolean;
  /** Told how many rows each batch of the source held. */
  readonly onRows?: (count: number) => void;
}

function collectProperties(filter: RecordFilter | null, into: Set<string>): void {
  if (filter === null) return;
  if (isPredicate(filter)) into.add(filter.property);
  else for (const arg of filter.args) collectProperties(arg, into);
}

/**
 * Every record that matches the question, in batches as the source sends them: nothing is kept, so memory does not grow
 * with the answer. The source decides what it can, each row is held against what it promised, and the hub decides the
 * rest. Under an order, rows are held against it; a record that comes twice in succession is refused.
 *
 * @throws LostCapability when the source was caught, at any point: what was yielded before is right all the same, since
 * a source can only be caught with rows too many or out of order. HubError `SOURCE_MALFORMED`, and whatever the adapter
 * throws.
 */
export async function* readMatches(read: MatchRead, call: Call): AsyncGenerator<readonly HubRecord[]> {
  const { question, capability, order, after, ids } = read;
  const { facet, dataset, filter } = question;
  const { pushed } = splitFilter(filter, capability);
  const isMatch = createPredicate(filter);
  const recheck = createRecheck(pushed, capability);
  const compare = order === null || order.length === 0 ? null : createRecordComparator(order);
  let properties: readonly string[] | null = null;
  if (read.properties !== null) {
    const needed = new Set(read.properties);
    collectProperties(filter, needed);
    for (const { property } of order ?? []) needed.add(property);
    properties = [...needed];
  }
  let last: HubRecord | null = null;
  call.signal.throwIfAborted();
  for await (const batch of facet.scan(dataset, { filter: pushed, order, after, properties, ids }, call)) {
    await call.pace?.(batch.length * RECORD_BYTES);
    call.signal.throwIfAborted();
    read.onRows?.(batch.length);
    if (order !== null)
      for (const record of batch) {
        if (last !== null) {
          if (ids && record.id === last.id)
            throw new HubError(
              'SOURCE_MALFORMED',
              'The source returned a record twice in succession.',
              factsOf(dataset),
            );
          // With equal ids the comparator says what the sort keys alone say.
          if (compare !== null && compare({ id: '', values: last.values }, { id: '', values: record.values }) > 0)
            throw new LostCapability(new Set(['sort']));
        }
        last = record;
      }
    if (filter === null) {
      yield batch;
      continue;
    }
    const matches: HubRecord[] = [];
    for (const record of batch) {
      if (isMatch(record)) matches.push(record);
      else {
        const lost = recheck(record);
        if (lost.size > 0) throw new LostCapability(lost);
      }
    }
    if (matches.length > 0) yield matches;
  }
}
