import type { Call, RecordsFacet } from '@civex/adapter-contract';
import { HubError } from '@civex/errors';
import type { Dataset, HubRecord } from '@civex/model';
import type { RecordFilter, SortKey } from '@civex/query';
import type { WindowFetch } from './read-window.ts';

export interface StreamedWindowOptions {
  readonly facet: RecordsFacet;
  /** With queryables not null. */
  readonly dataset: Dataset;
  readonly pushed: RecordFilter | null;
  readonly sort: readonly SortKey[];
  /** Begin behind the record with this id instead of reading up to the first `offset`; null to read up to it. */
  readonly seek: string | null;
  /** Records read and passed over at most before the first one that is handed out. */
  readonly maxSkipped: number;
}

/** Windows of an order that a source hands out only as a whole. Windows are asked in succession. */
export interface StreamedWindow extends AsyncDisposable {
  readonly fetch: WindowFetch;
}

/** Reads the ordered whole once, up to where the last window ends, and stops the source when disposed. */
export function createStreamedWindow(options: StreamedWindowOptions, call: Call): StreamedWindow {
  const { facet, dataset, pushed, sort, seek, maxSkipped } = options;
  const batches = facet
    .scan(dataset, { filter: pushed, order: sort, after: seek, properties: null, ids: true }, call)
    [Symbol.asyncIterator]();
  /** Records that were read and not handed out. */
  let waiting: readonly HubRecord[] = [];
  /** Number of records of the order before `waiting`; null before the first window. */
  let position: number | null = null;
  let last: HubRecord | null = null;
  let isEnded = false;
  /** Of everything read so far, `maxSkipped` and a page at most: pages of one chain know nothing of each other. */
  const seen = new Set<string>();

  /** @returns at most `count` records; fewer only at the end. */
  async function take(count: number): Promise<HubRecord[]> {
    const taken: HubRecord[] = [];
    while (taken.length < count) {
      if (waiting.length === 0) {
        if (isEnded) break;
        const { done, value } = await batches.next();
        if (done === true) isEnded = true;
        else {
          for (const { id } of value) {
            if (seen.has(id))
              throw new HubError(
                'SOURCE_MALFORMED',
                'The source returned a record twice while its records were paged.',
                {
                  source: dataset.source,
                  datasetId: dataset.id,
                },
              );
            seen.add(id);
          }
          waiting = value;
        }
        continue;
      }
      const part = waiting.slice(0, count - taken.length);
      waiting = waiting.slice(part.length);
      taken.push(...part);
    }
    return taken;
  }

  async function skip(count: number): Promise<void> {
    if (count > maxSkipped)
      throw new HubError(
        'INPUT_TOO_COSTLY',
        `This page lies behind more than ${maxSkipped.toLocaleString('en-US')} records; add a condition, or export the dataset.`,
        { source: dataset.source, datasetId: dataset.id },
      );
    const step = 1_000;
    for (let skipped = 0; skipped < count; skipped += step) {
      call.signal.throwIfAborted();
      const wanted = Math.min(step, count - skipped);
      const passed = await take(wanted);
      if (passed.length < wanted) return;
    }
  }

  return {
    async fetch({ offset, limit }) {
      if (position === null) {
        if (seek === null) await skip(offset);
        position = offset;
      }
      // A window may begin with the record the last one ended with.
      const repeated = last !== null && offset === position - 1 ? [last] : [];
      if (offset !== position - repeated.length)
        throw new HubError('INTERNAL', 'Internal error.', { source: dataset.source });
      const fresh = await take(limit - repeated.length);
      position += fresh.length;
      last = fresh.at(-1) ?? last;
      // A source ends a scan only when it has handed out all; what was passed over before the first window is all too.
      const isWhole = isEnded && waiting.length === 0;
      return { records: [...repeated, ...fresh], total: isWhole && seek === null ? position : null };
    },
    async [Symbol.asyncDispose]() {
      await batches.return?.();
    },
  };
}
