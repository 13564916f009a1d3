import type { HubRecord } from '@civex/model';
import type { PredicateOp, PushdownGrades, RecordFilter } from '@civex/query';
import { createPredicate, evaluateFilter, isPredicate } from '@civex/query';

const isExact = (filter: RecordFilter, can: PushdownGrades): boolean =>
  isPredicate(filter) ? can.grade(filter) === 'exact' : filter.args.every((arg) => isExact(arg, can));

/**
 * What a record must satisfy if the source keeps its word: inexact predicates count as true, because the source may
 * return extra rows for them. Null: nothing is promised.
 */
function promisedPart(filter: RecordFilter, can: PushdownGrades): RecordFilter | null {
  if (isPredicate(filter) || filter.op === 'not') return isExact(filter, can) ? filter : null;
  const kept = filter.args.flatMap((arg) => promisedPart(arg, can) ?? []);
  if (kept.length === 0) return null;
  // One operand that may be true of any row makes the whole disjunction promise nothing.
  return filter.op === 'or' && kept.length < filter.args.length ? null : { op: filter.op, args: kept };
}

function collectOps(filter: RecordFilter, into: Set<PredicateOp>): void {
  if (isPredicate(filter)) into.add(filter.op);
  else for (const arg of filter.args) collectOps(arg, into);
}

/** Every operator of a filter. */
export function opsOf(filter: RecordFilter): ReadonlySet<PredicateOp> {
  const ops = new Set<PredicateOp>();
  collectOps(filter, ops);
  return ops;
}

/** Under `and` only the operands that do not hold are at fault; under `or` and `not` nobody can tell them apart. */
function collectBlamed(filter: RecordFilter, record: HubRecord, into: Set<PredicateOp>): void {
  if (!isPredicate(filter) && filter.op === 'and') {
    for (const arg of filter.args) if (evaluateFilter(arg, record) !== true) collectBlamed(arg, record, into);
  } else collectOps(filter, into);
}

/**
 * Holds what a source returned against what it was asked. The result names the operators the source did not decide as
 * it claims, empty when the record keeps the promise. It cannot see records that are missing.
 */
export function createRecheck(
  pushed: RecordFilter | null,
  capability: PushdownGrades,
): (record: HubRecord) => ReadonlySet<PredicateOp> {
  const promised = pushed === null ? null : promisedPart(pushed, capability);
  const nothing: ReadonlySet<PredicateOp> = new Set();
  if (promised === null) return () => nothing;
  const holds = createPredicate(promised);
  return (record) => {
    if (holds(record)) return nothing;
    const blamed = new Set<PredicateOp>();
    collectBlamed(promised, record, blamed);
    return blamed;
  };
}
