import type { RecordFilter, SortKey } from '@civex/query';
import { splitFilter } from '@civex/query';
import type { NotPushed } from './explain.ts';
import type { TrustedCapability } from './lost-capabilities.ts';

/** `window`: the source filters, orders and cuts. `scan`: the hub reads every candidate and does all three. */
export type RecordStrategy = 'window' | 'scan';

/**
 * How far the source's order can be trusted to tell two neighbours apart. Keys: neighbours that are equal in all of
 * them may change places from one request to the next.
 */
export type WindowOrder = 'unique' | readonly string[];

export interface RecordPlanInput {
  readonly filter: RecordFilter | null;
  readonly sort: readonly SortKey[];
  /** Records of the order that lie before the page. 0 unless a window is continued. */
  readonly offset: number;
  readonly first: number;
  /** What the source may still be trusted with. */
  readonly capability: TrustedCapability;
  /** The strategy the chain of pages began with, or null for a first page. */
  readonly chain: RecordStrategy | null;
}

export type RecordPlan =
  | {
      readonly strategy: 'window';
      /** `stream`: the page lies beyond what the source lets through in windows, so its ordered whole is read up to it. */
      readonly via: 'window' | 'stream';
      readonly pushed: RecordFilter | null;
      readonly residual: null;
      readonly sort: readonly SortKey[];
      readonly order: WindowOrder;
      /** Records to ask for from `offset` on: one more than a page, so that the end is seen, where the window allows it. */
      readonly wanted: number;
    }
  | {
      readonly strategy: 'scan';
      readonly pushed: RecordFilter | null;
      readonly residual: RecordFilter | null;
      /** Why the source neither orders nor cuts; the reasons of the filter are not among them. */
      readonly why: readonly NotPushed[];
    }
  /** `order-gone`: the source is not trusted any more with what the chain relied on. `beyond-window`: nothing past it. */
  | { readonly strategy: 'refused'; readonly reason: 'order-gone' | 'beyond-window' };

type OrderChoice = { readonly order: WindowOrder } | { readonly order: null; readonly why: NotPushed };

function windowOrder({ sort, capability }: RecordPlanInput): OrderChoice {
  const { sourceOrder } = capability;
  const part = { sortBy: sort.map(({ property, direction }) => ({ property, direction })) };
  const hub = (reason: NotPushed['reason'], text: string): OrderChoice => ({
    order: null,
    why: { part, reason, text },
  });
  if (sourceOrder === null) return hub('NO_ORDER', 'The source hands out its records in no order that holds.');
  if (sort.length === 0) return { order: sourceOrder.unique ? 'unique' : sourceOrder.properties };
  const inexact = sort.find(({ property }) => !capability.sortsExactly(property));
  if (inexact !== undefined)
    return capability.isSortLost === true
      ? hub('LOST', 'The source was caught not ordering as it was asked.')
      : hub('SORT_INEXACT', `The source does not order "${inexact.property}" as the hub does.`);
  // Equal sort keys are told apart by the source's own order; unless that one is total, pages lose and repeat records.
  return sourceOrder.unique
    ? { order: 'unique' }
    : hub('TIES', 'The source does not order records with equal keys against each other.');
}

/**
 * Decides who filters, orders and cuts. Pure: no I/O, no clock.
 *
 * A window is left to the source only when nothing remains for the hub: the whole filter is exact, the order is the
 * asked one, and the page with one record more lies inside what the source lets through, or the source streams its
 * whole order. Everything else is a scan.
 * Pages of one chain keep its strategy, because the two break ties differently.
 */
export function planRecords(input: RecordPlanInput): RecordPlan {
  const { filter, capability, chain, offset, first } = input;
  const { pushed, residual } = splitFilter(filter, capability);
  const { sort } = input;
  const scan = (...why: readonly NotPushed[]): RecordPlan => ({ strategy: 'scan', pushed, residual, why });
  const page = { page: { offset, first } };
  if (chain === 'scan')
    return scan({ part: page, reason: 'CHAIN', text: 'The pages before were cut by the hub, in its own order.' });
  const choice = windowOrder(input);
  const { order } = choice;
  const room = capability.maxWindow === null ? Infinity : capability.maxWindow - offset;
  // Continuing reads the record before the page again to prove the place, so one request must hold two.
  const isStreamable = capability.scanOrder !== 'none';
  const isWindowable = residual === null && order !== null && capability.maxPageSize >= 2;
  if (chain === 'window') {
    if (!isWindowable || order === null) return { strategy: 'refused', reason: 'order-gone' };
    if (room < 1 && !isStreamable) return { strategy: 'refused', reason: 'beyond-window' };
  } else {
    if (order === null) return scan(choice.why);
    if (residual !== null)
      return scan({ part: page, reason: 'FILTER', text: 'The hub still has to decide a part of the filter, so it cuts the page.' }); // prettier-ignore
    if (!isWindowable)
      return scan({ part: page, reason: 'SOURCE_CANNOT', text: 'The source hands out single records.' });
    if (room < first + 1 && !isStreamable)
      return scan({ part: page, reason: 'BEYOND_WINDOW', text: 'The page reaches beyond what the source lets be paged.' }); // prettier-ignore
  }
  const via = room < first + 1 && isStreamable ? 'stream' : 'window';
  const wanted = via === 'stream' ? first + 1 : Math.min(first + 1, room);
  return { strategy: 'window', via, pushed, residual, sort, order, wanted };
}
