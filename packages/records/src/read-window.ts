import type { Call, RecordBatch, RecordFetch } from '@civex/adapter-contract';
import { HubError } from '@civex/errors';
import type { Dataset, HubRecord } from '@civex/model';
import type { SortKey } from '@civex/query';
import { compareValues, createRecordComparator } from '@civex/query';
import type { LostOp } from './lost-capabilities.ts';
import { LostCapability } from './lost-capabilities.ts';
import type { RecordPlan, WindowOrder } from './plan-records.ts';
import type { WindowAnchor } from './record-cursor.ts';
import { idDigest, orderDigest } from './record-cursor.ts';

/** Asks for `limit` records of the order from `offset` on. */
export type WindowFetch = (ask: RecordFetch) => Promise<RecordBatch>;

export interface WindowRead {
  readonly fetch: WindowFetch;
  /** With queryables not null. */
  readonly dataset: Dataset;
  readonly plan: Extract<RecordPlan, { readonly strategy: 'window' }>;
  /** Largest `limit` of one request, 2 or more. */
  readonly maxPageSize: number;
  readonly first: number;
  /** Records before the page, and who the last of them is; 0 and null for a first page. */
  readonly offset: number;
  readonly anchor: WindowAnchor | null;
  /** True when `fetch` was told to begin behind the anchor itself, whatever its offset: it cannot be read again. */
  readonly isSought: boolean;
  /** Names the operators that a record shows the source does not decide; empty for a record that may be here. */
  readonly recheck: (record: HubRecord) => ReadonlySet<LostOp>;
}

export type WindowOutcome =
  | {
      readonly kind: 'page';
      readonly records: readonly HubRecord[];
      readonly hasNextPage: boolean;
      readonly total: number | null;
      readonly totalIsExact: boolean;
      /** True when the page is shorter than what was read, because the source does not order what lies at its end. */
      readonly isCut: boolean;
    }
  /** No place in the page where it could end: the source orders none of its records against the next. */
  | { readonly kind: 'unordered'; readonly total: number | null };

type TieTest = (a: HubRecord, b: HubRecord) => boolean;

/** Whether the source's order leaves two neighbours free to change places. Always false for a unique order. */
function createTieTest(order: WindowOrder, dataset: Dataset): TieTest {
  if (order === 'unique') return () => false;
  const types = new Map(dataset.queryables?.map(({ name, type }) => [name, type]));
  return (a, b) =>
    order.every((property) => {
      const x = a.values[property];
      const y = b.values[property];
      const type = types.get(property);
      // What cannot be told apart, null and values without an order included, is not an order to rely on.
      if (type === undefined) return true;
      const areComparable = compareValues(x, x, type) !== null;
      const areBothComparable = areComparable && compareValues(y, y, type) !== null;
      return areBothComparable
        ? compareValues(x, y, type) === 0
        : areComparable === (compareValues(y, y, type) !== null);
    });
}

/**
 * Names the last record before a page. Under a unique order by its id; otherwise by what the source orders by, because
 * a record tied with the one before it may stand one place earlier next time.
 */
export function windowAnchor(record: HubRecord, order: WindowOrder): WindowAnchor {
  if (order === 'unique') return { kind: 'id', id: record.id };
  return { kind: 'key', record: orderedPart(record, order) };
}

const orderedPart = (record: HubRecord, order: readonly string[]): HubRecord => ({
  id: '',
  values: Object.fromEntries(order.map((property) => [property, record.values[property] ?? null])),
});

function isAt(anchor: WindowAnchor, record: HubRecord, order: WindowOrder, areTied: TieTest): boolean {
  switch (anchor.kind) {
    case 'key':
      return order !== 'unique' && areTied(anchor.record, record);
    case 'id':
      return order === 'unique' && anchor.id === record.id;
    case 'digest':
      return anchor.digest === (order === 'unique' ? idDigest(record.id) : orderDigest(orderedPart(record, order)));
  }
}

function createOrderCheck(sort: readonly SortKey[]): (a: HubRecord, b: HubRecord) => boolean {
  const compare = createRecordComparator(sort);
  // With equal ids the comparator says what the sort keys alone say.
  return (a, b) => compare({ id: '', values: a.values }, { id: '', values: b.values }) <= 0;
}

const MOVED = 'The data changed while it was being paged; start again without `after`.';

/**
 * Reads one page of the source's own order, in as many requests as the source's page size makes necessary.
 *
 * Trusts nothing it can check: every row is held against the filter and the order; every request but the first begins
 * at the last row already known and must find it there; a short answer is the end only when the source's total agrees
 * or when asking on finds nothing. It cannot see rows that the source leaves out of an otherwise consistent order, nor
 * the end a source invents by cutting an answer and stating the cut number as its total.
 *
 * @throws LostCapability when the source was caught, HubError `INPUT_INVALID` when the place of the cursor is gone, `SOURCE_MALFORMED` when the source contradicts
 * itself, and whatever the adapter throws.
 */
export async function readWindow(read: WindowRead, call: Call): Promise<WindowOutcome> {
  const { dataset, plan, first, offset, recheck, maxPageSize, isSought } = read;
  const facts = { source: dataset.source, datasetId: dataset.id };
  const malformed = (message: string): HubError => new HubError('SOURCE_MALFORMED', message, facts);
  const areTied = createTieTest(plan.order, dataset);
  const isInOrder = plan.sort.length === 0 ? () => true : createOrderCheck(plan.sort);
  // Four times what honest answers need; a source that hands out single rows is stopped here.
  const maxRequests = Math.max(64, 4 * Math.ceil((plan.wanted + 1) / (maxPageSize - 1)));

  const rows: HubRecord[] = [];
  const seen = new Set<string>();
  let expected = read.anchor;
  let last: HubRecord | null = null;
  let lowestTotal: number | null = null;
  let highestTotal: number | null = null;
  let isEnded = false;
  let isTorn = false;
  let mayOverlap = !isSought;
  for (let request = 0; rows.length < plan.wanted && !isEnded && !isTorn; request++) {
    if (request >= maxRequests) throw malformed('The source hands out its records in pieces too small to be read.');
    call.signal.throwIfAborted();
    const position = offset + rows.length;
    const overlap: 0 | 1 = expected !== null && mayOverlap ? 1 : 0;
    const limit = Math.min(maxPageSize, plan.wanted - rows.length + overlap);
    const ask = { filter: plan.pushed, sort: plan.sort, offset: position - overlap, limit };
    const { records, total } = await read.fetch(ask);
    if (records.length > limit) throw malformed('The source returned more records than were asked for.');
    if (total !== null && Number.isSafeInteger(total) && total >= 0) {
      lowestTotal = Math.min(total, lowestTotal ?? total);
      highestTotal = Math.max(total, highestTotal ?? total);
    }
    for (const record of records) {
      const lost = recheck(record);
      if (lost.size > 0) throw new LostCapability(lost);
    }
    const fresh: readonly HubRecord[] = overlap === 1 ? records.slice(1) : records;
    if (overlap === 1) {
      const [repeated] = records;
      if (repeated === undefined || expected === null || !isAt(expected, repeated, plan.order, areTied)) {
        if (request === 0) throw new HubError('INPUT_INVALID', MOVED, facts);
        throw malformed('The records of this source changed places while they were read.');
      }
      last = repeated;
      if (request === 0) seen.add(repeated.id);
    }
    const [next] = fresh;
    if (last !== null && next !== undefined && areTied(last, next)) {
      if (request === 0)
        throw new HubError(
          'INPUT_INVALID',
          'This cursor stands between records that the source does not order; continue from an `endCursor`.',
          facts,
        );
      isTorn = true;
      break;
    }
    for (const record of fresh) {
      if (seen.has(record.id)) throw malformed('The source returned a record twice while its records were paged.');
      seen.add(record.id);
      if (last !== null && !isInOrder(last, record)) throw new LostCapability(new Set(['sort']));
      last = record;
      rows.push(record);
    }
    const reached = offset + rows.length;
    if (last !== null && fresh.length > 0) expected = windowAnchor(last, plan.order);
    const doTotalsAgree = lowestTotal === reached && highestTotal === reached;
    if (records.length < limit && doTotalsAgree) isEnded = true;
    else if (fresh.length === 0 && overlap === 0) {
      if (highestTotal !== null && highestTotal > reached)
        throw malformed('The source ended its records before the number it states.');
      isEnded = true;
    }
    // An answer that only repeats the known row may be one that was cut to a single row: ask without the overlap.
    mayOverlap = fresh.length > 0;
  }

  const hasMore = !isEnded || rows.length > first;
  const total =
    lowestTotal === highestTotal && highestTotal !== null && highestTotal >= offset + rows.length ? highestTotal : null;
  const whole = Math.min(first, rows.length);
  let end = whole;
  if (hasMore && plan.order !== 'unique') {
    const isOrderedAt = (place: number): boolean => {
      const [before, after] = [rows[place - 1], rows[place]];
      return before !== undefined && after !== undefined && !areTied(before, after);
    };
    while (end > 0 && !isOrderedAt(end)) end--;
    if (end === 0) return { kind: 'unordered', total };
  }
  return {
    kind: 'page',
    records: rows.slice(0, end),
    hasNextPage: hasMore,
    // A place that was sought is behind the right record, but how many lie before it was not seen.
    total: isSought ? null : hasMore ? total : offset + rows.length,
    totalIsExact: !hasMore && !isSought,
    isCut: end < whole,
  };
}
