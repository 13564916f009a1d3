import type { Fidelity, Predicate, RecordFilter } from './filter.ts';
import { foldOf, isPredicate } from './filter.ts';

/** The part of a dataset's capability the planner needs. */
export interface PushdownGrades {
  grade(predicate: Predicate): Fidelity | 'none';
  readonly connectives: { readonly and: boolean; readonly or: boolean; readonly not: boolean };
}

/** `pushed` goes to the source; `residual` is what the hub still has to decide. Null: nothing. */
export interface FilterSplit {
  readonly pushed: RecordFilter | null;
  readonly residual: RecordFilter | null;
}

function gradeOf(filter: RecordFilter, can: PushdownGrades): Fidelity | 'none' {
  // No dialect folds texts as Unicode does, so no adapter is asked.
  if (isPredicate(filter)) return foldOf(filter) === null ? can.grade(filter) : 'none';
  if (!can.connectives[filter.op]) return 'none';
  let worst: Fidelity = 'exact';
  for (const arg of filter.args) {
    const grade = gradeOf(arg, can);
    if (grade === 'none') return 'none';
    if (grade === 'inexact') worst = 'inexact';
  }
  // Extra rows under a negation become missing rows, so an inexact operand cannot be pushed there.
  return filter.op === 'not' && worst === 'inexact' ? 'none' : worst;
}

const allOf = (parts: readonly RecordFilter[]): RecordFilter | null => {
  const [first] = parts;
  return first === undefined ? null : parts.length === 1 ? first : { op: 'and', args: parts };
};

/**
 * Splits a filter into what the source evaluates and what the hub evaluates afterwards. An inexact part appears in
 * both. Pure: no I/O, no clock.
 */
export function splitFilter(filter: RecordFilter | null, can: PushdownGrades): FilterSplit {
  if (filter === null) return { pushed: null, residual: null };
  const grade = gradeOf(filter, can);
  if (grade === 'exact') return { pushed: filter, residual: null };
  if (grade === 'inexact') return { pushed: filter, residual: filter };
  if (filter.op !== 'and') return { pushed: null, residual: filter };
  const parts = filter.args.map((arg) => splitFilter(arg, can));
  const pushed = parts.flatMap((part) => part.pushed ?? []);
  const residual = allOf(parts.flatMap((part) => part.residual ?? []));
  // Without a conjunction in the dialect only one part can travel; the hub decides the others.
  if (!can.connectives.and && pushed.length > 1) return { pushed: pushed[0] ?? null, residual: filter };
  return { pushed: allOf(pushed), residual };
}
