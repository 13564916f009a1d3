import type { Fidelity, Predicate, RecordFilter } from './filter.ts';
import { foldOf, isPredicate } from './filter.ts';

/** Why a source is not relied on for a predicate that it might decide. */
export interface Doubt {
  /** `LOST`: it was caught not deciding this. `UNPROVEN`: nothing shows that it does. */
  readonly reason: 'SOURCE_CANNOT' | 'LOST' | 'UNPROVEN' | 'MASKED';
  /** For people; nothing a portal wrote. */
  readonly text: string;
}

/** The part of a dataset's capability the planner needs. */
export interface PushdownGrades {
  grade(predicate: Predicate): Fidelity | 'none';
  readonly connectives: { readonly and: boolean; readonly or: boolean; readonly not: boolean };
  /** Why a predicate is graded `inexact` or `none`; null when there is nothing particular to say. */
  readonly explain?: ((predicate: Predicate) => Doubt | null) | undefined;
}

/**
 * Why a part of a filter is decided by the hub. `FOLDED`: no dialect folds texts as the hub does. `INEXACT`: the source
 * narrows, and the hub decides. `INEXACT_BELOW_NOT`: a source that lets too much through would lose records below a
 * negation. `CONNECTIVE`: the source has no such connective. `OPERAND`: an operand stays with the hub, and this
 * connective cannot be taken apart.
 */
export type NotPushedReason = Doubt['reason'] | 'FOLDED' | 'INEXACT' | 'INEXACT_BELOW_NOT' | 'CONNECTIVE' | 'OPERAND';

export interface NotPushedFilter {
  readonly part: RecordFilter;
  readonly reason: NotPushedReason;
  readonly text: string;
}

/** `pushed` goes to the source; `residual` is what the hub still has to decide. Null: nothing. */
export interface FilterSplit {
  readonly pushed: RecordFilter | null;
  readonly residual: RecordFilter | null;
}

type Grade = Fidelity | 'none';

function judgePredicate(predicate: Predicate, can: PushdownGrades, why: NotPushedFilter[] | null): Grade {
  // No dialect folds texts as Unicode does, so no adapter is asked.
  if (foldOf(predicate) !== null) {
    why?.push({ part: predicate, reason: 'FOLDED', text: 'Texts are folded by the hub: no portal folds them alike.' });
    return 'none';
  }
  const grade = can.grade(predicate);
  if (grade === 'exact' || why === null) return grade;
  const doubt = can.explain?.(predicate) ?? null;
  if (grade === 'inexact')
    why.push({
      part: predicate,
      reason: doubt !== null && doubt.reason !== 'SOURCE_CANNOT' ? doubt.reason : 'INEXACT',
      text: doubt?.text ?? 'The source narrows this down, and the hub decides it again.',
    });
  else
    why.push({
      part: predicate,
      reason: doubt?.reason ?? 'SOURCE_CANNOT',
      text: doubt?.text ?? 'The source does not decide this as the hub does.',
    });
  return grade;
}

/** The grade of a whole filter; `why` is told the reasons when it is not exact. */
function judge(filter: RecordFilter, can: PushdownGrades, why: NotPushedFilter[] | null): Grade {
  if (isPredicate(filter)) return judgePredicate(filter, can, why);
  if (!can.connectives[filter.op]) {
    why?.push({
      part: filter,
      reason: 'CONNECTIVE',
      text: `The source cannot be asked with ${filter.op.toUpperCase()}.`,
    });
    return 'none';
  }
  let worst: Grade = 'exact';
  for (const arg of filter.args) {
    const grade = judge(arg, can, why);
    if (grade === 'none') worst = 'none';
    else if (grade === 'inexact' && worst !== 'none') worst = 'inexact';
    if (worst === 'none' && why === null) return 'none';
  }
  if (worst === 'none') {
    why?.push({
      part: filter,
      reason: 'OPERAND',
      text: `What stays with the hub keeps this ${filter.op.toUpperCase()} with it.`,
    });
    return 'none';
  }
  // Extra rows under a negation become missing rows, so an inexact operand cannot be pushed there.
  if (filter.op === 'not' && worst === 'inexact') {
    why?.push({
      part: filter,
      reason: 'INEXACT_BELOW_NOT',
      text: 'The source would let too much through below NOT, and records would be lost.',
    });
    return 'none';
  }
  return worst;
}

const allOf = (parts: readonly RecordFilter[]): RecordFilter | null => {
  const [first] = parts;
  return first === undefined ? null : parts.length === 1 ? first : { op: 'and', args: parts };
};

function split(filter: RecordFilter, can: PushdownGrades, why: NotPushedFilter[] | null): FilterSplit {
  const reasons: NotPushedFilter[] | null = why === null ? null : [];
  const grade = judge(filter, can, reasons);
  if (grade === 'exact') return { pushed: filter, residual: null };
  if (grade === 'inexact' || filter.op !== 'and') {
    why?.push(...(reasons ?? []));
    return { pushed: grade === 'inexact' ? filter : null, residual: filter };
  }
  const parts = filter.args.map((arg) => split(arg, can, why));
  const pushed = parts.flatMap((part) => part.pushed ?? []);
  const residual = allOf(parts.flatMap((part) => part.residual ?? []));
  // Without a conjunction in the dialect only one part can travel; the hub decides the others.
  if (!can.connectives.and && pushed.length > 1) {
    why?.push({ part: filter, reason: 'CONNECTIVE', text: 'The source can be asked one condition at a time.' });
    return { pushed: pushed[0] ?? null, residual: filter };
  }
  return { pushed: allOf(pushed), residual };
}

/**
 * Splits a filter into what the source evaluates and what the hub evaluates afterwards. An inexact part appears in
 * both. Pure: no I/O, no clock.
 */
export function splitFilter(filter: RecordFilter | null, can: PushdownGrades): FilterSplit {
  return filter === null ? { pushed: null, residual: null } : split(filter, can, null);
}

/** Why `splitFilter` leaves what it leaves to the hub: the same decisions, told. Empty when nothing is left. */
export function explainSplit(filter: RecordFilter | null, can: PushdownGrades): readonly NotPushedFilter[] {
  const why: NotPushedFilter[] = [];
  if (filter !== null) split(filter, can, why);
  return why;
}
