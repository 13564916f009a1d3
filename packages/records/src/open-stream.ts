import type { Call, RecordCapability } from '@civex/adapter-contract';
import { HubError } from '@civex/errors';
import type { HubRecord, Queryable } from '@civex/model';
import type { RecordFilter, SortInput, SortKey } from '@civex/query';
import { bindSort, splitFilter } from '@civex/query';
import type { BoundQuestion, RecordQuestion } from './bind-question.ts';
import { bindProperties, bindQuestion, factsOf } from './bind-question.ts';
import { createCostMeter } from './cost-meter.ts';
import { LostCapability } from './lost-capabilities.ts';
import { readMatches } from './read-matches.ts';
import { readScan } from './read-scan.ts';
import { createRecheck } from './recheck.ts';
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
}

/** How the source's order, the hub's, or none is kept; decided before anything is read. */
function chooseOrder(
  request: StreamRequest,
  { dataset }: BoundQuestion,
  sort: readonly SortKey[],
  capability: RecordCapability,
): { readonly by: 'source' | 'hub'; readonly order: readonly SortKey[] | null } {
  const isResumable = capability.scanOrder === 'resumable';
  if (sort.length > 0) {
    if (request.after !== null)
      throw new HubError('INPUT_INVALID', 'after: only an export without sortBy can be continued.', factsOf(dataset));
    const isPushable =
      capability.scanOrder !== 'none' &&
      capability.sourceOrder?.unique === true &&
      sort.every(({ property }) => capability.sortsExactly(property));
    return isPushable ? { by: 'source', order: sort } : { by: 'hub', order: sort };
  }
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
  const question = await bindQuestion(request, call);
  const columns = bindProperties(request.properties, question.queryables, dataset);
  const sort = bindSort(request.sortBy, question.queryables);
  const geometryColumns = (request.geometry ? question.queryables : columns)
    .filter(({ type }) => type === 'GEOMETRY')
    .map(({ name }) => name);
  const measureCost = createCostMeter(call.trace);

  const open = async (capability: RecordCapability): Promise<Opened> => {
    const { by, order } = chooseOrder(request, question, sort, capability);
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
  const { first, rest, split, isResumable } = await trust.answer(question, open, call);

  async function* batches(): AsyncGenerator<readonly HubRecord[]> {
    try {
      if (first !== null) yield first;
      yield* rest;
    } catch (error) {
      if (!(error instanceof LostCapability)) throw error;
      trust.lose(question.dataset, error.ops);
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
    isResumable,
    split,
    scannedRecords: () => measureCost().scannedRecords,
    batches: batches(),
  };
}
