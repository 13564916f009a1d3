import type { Call } from '@civex/adapter-contract';
import { HubError } from '@civex/errors';
import type { HubRecord, Queryable } from '@civex/model';
import type { RecordFilter, SortInput, SortKey } from '@civex/query';
import { bindSort, splitFilter } from '@civex/query';
import type { BoundQuestion, RecordQuestion, SeenQuestion } from './bind-question.ts';
import { answerThrough, bindProperties, bindQuestion, bindToView, factsOf } from './bind-question.ts';
import { createCostMeter } from './cost-meter.ts';
import { LostCapability } from './lost-capabilities.ts';
import { readMatches } from './read-matches.ts';
import { readScan } from './read-scan.ts';
import { createRecheck } from './recheck.ts';
import type { SeenSource } from './record-view.ts';
import type { Trust } from './trust.ts';

export interface StreamRequest extends RecordQuestion {
  /** Properties to hand out, null for all. */
  readonly properties: readonly string[] | null;
  readonly sortBy: readonly SortInput[];
  /** True: values of all GEOMETRY columns are read as well, asked for or not. */
  readonly geometry: boolean;
  /** True: the records carry their ids, and a later stream can begin behind any of them. */
  readonly ids: boolean;
  /** Begin behind the record with this id, in the source's own order; null for the beginning. */
  readonly after: string | null;
}

/** All records of an answer, in constant memory. */
export interface RecordStream {
  /** The asked columns in the dataset's order. Records may carry more values. */
  readonly columns: readonly Queryable[];
  /** Names of the GEOMETRY columns, in the dataset's order: those read, asked for or because of `geometry`. */
  readonly geometryColumns: readonly string[];
  /** True: the order is the source's own unique one, so a stream that broke off can be continued behind its last record. */
  readonly isResumable: boolean;
  /** The parts of the filter the source and the hub decide. */
  readonly split: { readonly pushed: RecordFilter | null; readonly residual: RecordFilter | null };
  /** Rows the source returned so far. */
  readonly scannedRecords: () => number;
  /**
   * The records, pulled as they are read, to be read once. Ends only when all were handed out; whatever is wrong later
   * rejects. Values are the source's own (big integers, geometries); ids are empty unless they were asked for.
   */
  readonly batches: AsyncIterable<readonly HubRecord[]>;
  /**
   * Looks once more whether the view still holds; for whoever keeps records back, and before saying that all are there.
   *
   * @throws HubError as `AccessView.release`.
   */
  readonly confirm: () => Promise<void>;
}

/** How the source's order, the hub's, or none is kept; decided before anything is read. */
function chooseOrder(
  request: StreamRequest,
  { dataset, view }: BoundQuestion,
  sort: readonly SortKey[],
  { capability, hidesOrder }: SeenSource,
): { readonly by: 'source' | 'hub'; readonly order: readonly SortKey[] | null } {
  const isResumable = capability.scanOrder === 'resumable';
  if (hidesOrder && sort.length === 0 && !request.ids && request.after === null) return { by: 'hub', order: sort };
  if (sort.length > 0) {
    if (request.after !== null)
      throw new HubError('INPUT_INVALID', 'after: only an export without sortBy can be continued.', factsOf(dataset));
    const isPushable =
      capability.scanOrder !== 'none' &&
      capability.sourceOrder?.unique === true &&
      sort.every(({ property }) => capability.sortsExactly(property));
    return isPushable ? { by: 'source', order: sort } : { by: 'hub', order: sort };
  }
  // Ids of a view are not those of its source, so there is no place to begin behind.
  if (!view.isOpen && request.after !== null)
    throw new HubError(
      'CAPABILITY_MISSING',
      'after: an export under an agreement cannot be continued; it begins anew.',
      factsOf(dataset),
    );
  if (!isResumable && (request.ids || request.after !== null))
    throw new HubError(
      'CAPABILITY_MISSING',
      'The records of this dataset have no id of their own, so an export can neither carry ids nor be continued.',
      factsOf(dataset),
    );
  return { by: 'source', order: isResumable ? [] : null };
}

/** Records of one batch where the hub has them all. */
const BATCH = 1_000;

async function* inBatches(records: readonly HubRecord[]): AsyncGenerator<readonly HubRecord[]> {
  for (let start = 0; start < records.length; start += BATCH) yield records.slice(start, start + BATCH);
}

interface Opened {
  readonly first: readonly HubRecord[] | null;
  readonly rest: AsyncGenerator<readonly HubRecord[]>;
  readonly split: RecordStream['split'];
  readonly isResumable: boolean;
}

/**
 * Opens the stream of an answer. What can be refused is refused here, the first batch included, so that nothing has
 * left when a question turns out to be wrong or a portal not to answer.
 *
 * @throws HubError as `RecordDoor.query`; `INPUT_TOO_COSTLY` when the hub has to sort more than `scanRecords` records;
 * `CAPABILITY_MISSING` when ids or a continuation are asked of records without ids of their own.
 */
export async function openStream(
  request: StreamRequest,
  options: { readonly trust: Trust; readonly scanRecords: number },
  call: Call,
): Promise<RecordStream> {
  const { trust, scanRecords } = options;
  const { dataset } = request;
  const bound = await bindQuestion(request, call);
  const { access, view } = bound;
  const columns = bindToView(bound, (known) => bindProperties(request.properties, known, dataset));
  const sort = bindToView(bound, (known) => bindSort(request.sortBy, known));
  const geometryColumns = (request.geometry ? bound.queryables : columns)
    .filter(({ type }) => type === 'GEOMETRY')
    .map(({ name }) => name);
  const measureCost = createCostMeter(call.trace);

  const open = async (seen: SeenSource, question: SeenQuestion): Promise<Opened> => {
    const { capability } = seen;
    const { by, order } = chooseOrder(request, question, sort, seen);
    const split = splitFilter(question.filter, capability);
    if (by === 'hub') {
      const { records, duplicates } = await readScan(
        {
          ...question,
          pushed: split.pushed,
          sort,
          first: scanRecords,
          position: null,
          maxRecords: scanRecords,
          advice:
            'add a condition the source can decide, or leave out sortBy: the source does not sort by these properties itself.',
          recheck: createRecheck(split.pushed, capability),
        },
        call,
      );
      if (duplicates > 0)
        throw new HubError(
          'SOURCE_MALFORMED',
          'The source returned a record twice while it was read.',
          factsOf(dataset),
        );
      return { first: null, rest: inBatches(records), split, isResumable: false };
    }
    const isResumable = order !== null && order.length === 0;
    const rest = readMatches(
      {
        question,
        capability,
        order,
        after: request.after,
        properties: [...new Set([...columns.map(({ name }) => name), ...geometryColumns])],
        ids: isResumable,
      },
      call,
    );
    const { done, value } = await rest.next();
    return { first: done === true ? null : value, rest, split, isResumable };
  };
  const { first, rest, split, isResumable, shownId } = await answerThrough(
    bound,
    trust,
    Infinity,
    async (seen, question) => ({ ...(await open(seen, question)), shownId: seen.shownId }),
    call,
  );

  let released = 0;
  const release = async (batch: readonly HubRecord[], isFirst: boolean): Promise<void> => {
    released += batch.length;
    if (access.maxRecords !== null && released > access.maxRecords)
      throw new HubError(
        'LIMIT_REACHED',
        `Agreement ${access.agreement} gives at most ${access.maxRecords.toLocaleString('en-US')} records for one request, and this export holds more: add a condition.`,
        factsOf(dataset),
      );
    await access.release({ records: batch.length, isFirst });
  };
  const show = (batch: readonly HubRecord[]): readonly HubRecord[] =>
    view.isOpen ? batch : batch.map(({ id, values }) => ({ id: shownId(id), values }));
  try {
    await release(first ?? [], true);
  } catch (error) {
    await rest.return(undefined);
    throw error;
  }

  async function* batches(): AsyncGenerator<readonly HubRecord[]> {
    try {
      if (first !== null) yield show(first);
      for await (const batch of rest) {
        await release(batch, false);
        yield show(batch);
      }
    } catch (error) {
      if (!(error instanceof LostCapability)) throw error;
      trust.lose(bound.dataset, error.ops);
      throw new HubError(
        'SOURCE_MALFORMED',
        'The source stopped answering as it was asked while it was read; ask again.',
        factsOf(dataset),
        error,
      );
    } finally {
      await rest.return(undefined);
    }
  }
  return {
    columns,
    geometryColumns,
    isResumable: isResumable && view.isOpen,
    split,
    scannedRecords: () => measureCost().scannedRecords,
    batches: batches(),
    confirm: () => (view.isOpen ? Promise.resolve() : access.release({ records: 0, isFirst: false })),
  };
}
