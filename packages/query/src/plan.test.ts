import { describe, expect, test } from 'vitest';
import * as fc from 'fast-check';
import { createPredicate, evaluateFilter } from './evaluate.ts';
import type { Fidelity, Predicate, RecordFilter } from './filter.ts';
import { foldOf, isPredicate, toCql2Json } from './filter.ts';
import type { NotPushedReason, PushdownGrades } from './plan.ts';
import { explainSplit, splitFilter } from './plan.ts';
import { filters, records } from './test-support/arbitraries.ts';

/** A number from 0 to 96 that depends on the text alone. */
const hash = (text: string): number => {
  let value = 7;
  for (let i = 0; i < text.length; i++) value = (value * 31 + text.charCodeAt(i)) % 9_973;
  return value % 97;
};
const keyOf = (filter: RecordFilter): string => JSON.stringify(toCql2Json(filter));

/** Grades each predicate by its text and a seed: as arbitrary as a portal, and the same each time. */
const capabilities = fc
  .record({ seed: fc.nat(), and: fc.boolean(), or: fc.boolean(), not: fc.boolean() })
  .map(({ seed, ...connectives }): PushdownGrades => {
    const grades: readonly (Fidelity | 'none')[] = ['exact', 'inexact', 'none'];
    return { connectives, grade: (predicate) => grades[hash(`${seed}${keyOf(predicate)}`) % 3] ?? 'none' };
  });

/**
 * The portal: what it was asked, decided its own way. Exact predicates as the hub decides them; inexact ones are true
 * for some records where they are false or unknown. It refuses what it declared it cannot do.
 */
function decideAtPortal(
  filter: RecordFilter,
  can: PushdownGrades,
  given: Parameters<typeof evaluateFilter>[1],
): boolean | null {
  if (isPredicate(filter)) {
    if (foldOf(filter) !== null) throw new Error('pushed a folded text, which no portal decides');
    const grade = can.grade(filter);
    if (grade === 'none') throw new Error('pushed what the source cannot decide');
    const truth = evaluateFilter(filter, given);
    return truth === true || grade === 'exact' ? truth : hash(`${given.id}${keyOf(filter)}`) % 2 === 0 ? true : truth;
  }
  if (!can.connectives[filter.op]) throw new Error('pushed a connective the source cannot spell');
  const parts = filter.args.map((arg) => decideAtPortal(arg, can, given));
  if (filter.op === 'not') return parts[0] === null || parts[0] === undefined ? null : !parts[0];
  const decisive = filter.op === 'or';
  return parts.includes(decisive) ? decisive : parts.includes(null) ? null : !decisive;
}

const predicatesOf = (filter: RecordFilter | null): readonly Predicate[] =>
  filter === null ? [] : isPredicate(filter) ? [filter] : filter.args.flatMap((arg) => predicatesOf(arg));

describe('splitFilter', () => {
  test('what the portal lets through and the hub rechecks is what the filter admits', () => {
    fc.assert(
      fc.property(filters, capabilities, fc.array(records, { maxLength: 12 }), (filter, can, given) => {
        const { pushed, residual } = splitFilter(filter, can);
        const isKept = createPredicate(residual);
        const answer = given.filter(
          (one) => (pushed === null || decideAtPortal(pushed, can, one) === true) && isKept(one),
        );
        expect(answer).toEqual(given.filter(createPredicate(filter)));
      }),
      { seed: 61, numRuns: 3_000 },
    );
  });

  test('the portal is asked only what it declares', () => {
    fc.assert(
      fc.property(filters, capabilities, records, (filter, can, one) => {
        const { pushed } = splitFilter(filter, can);
        if (pushed !== null) decideAtPortal(pushed, can, one);
      }),
      { seed: 62, numRuns: 2_000 },
    );
  });

  test('a portal that can do everything exactly is asked everything and nothing is left', () => {
    const can: PushdownGrades = { grade: () => 'exact', connectives: { and: true, or: true, not: true } };
    const written = filters.filter((filter) => predicatesOf(filter).every((predicate) => foldOf(predicate) === null));
    fc.assert(
      fc.property(written, (filter) => {
        expect(splitFilter(filter, can)).toEqual({ pushed: filter, residual: null });
      }),
      { seed: 63, numRuns: 200 },
    );
  });

  test('every part that is left to the hub has a reason, and nothing else has', () => {
    fc.assert(
      fc.property(filters, capabilities, (filter, can) => {
        const { residual } = splitFilter(filter, can);
        const reasons = explainSplit(filter, can);
        expect(reasons.length === 0).toBe(residual === null);
        const told = new Set(reasons.flatMap(({ part }) => predicatesOf(part)).map((part) => keyOf(part)));
        // What the source decides alone may stay for the sake of what it does not.
        for (const predicate of predicatesOf(residual))
          if (foldOf(predicate) !== null || can.grade(predicate) !== 'exact')
            expect(told.has(keyOf(predicate)), keyOf(predicate)).toBe(true);
      }),
      { seed: 65, numRuns: 2_000 },
    );
  });

  test.each<[NotPushedReason, RecordFilter, Partial<PushdownGrades>]>([
    ['SOURCE_CANNOT', { op: '=', property: 'x', type: 'STRING', value: 'none' }, {}],
    ['INEXACT', { op: '=', property: 'x', type: 'STRING', value: 'inexact' }, {}],
    ['FOLDED', { op: '=', property: 'x', type: 'STRING', value: 'exact', fold: 'case' }, {}],
    ['INEXACT_BELOW_NOT', { op: 'not', args: [{ op: '=', property: 'x', type: 'STRING', value: 'inexact' }] }, {}],
    ['OPERAND', { op: 'not', args: [{ op: '=', property: 'x', type: 'STRING', value: 'none' }] }, {}],
    ['CONNECTIVE', { op: 'not', args: [{ op: '=', property: 'x', type: 'STRING', value: 'exact' }] }, { connectives: { and: true, or: true, not: false } }], // prettier-ignore
    ['LOST', { op: '=', property: 'x', type: 'STRING', value: 'none' }, { explain: () => ({ reason: 'LOST', text: 'Caught.' }) }], // prettier-ignore
    ['UNPROVEN', { op: '=', property: 'x', type: 'STRING', value: 'inexact' }, { explain: () => ({ reason: 'UNPROVEN', text: 'Not shown.' }) }], // prettier-ignore
  ])('%s is told', (reason, filter, changes) => {
    const grades: PushdownGrades = {
      grade: (predicate) => ('value' in predicate ? (predicate.value as Fidelity | 'none') : 'none'),
      connectives: { and: true, or: true, not: true },
      ...changes,
    };
    expect(explainSplit(filter, grades).at(-1)).toMatchObject({ part: filter, reason });
  });

  test('a folded text stays with the hub, whatever the portal claims', () => {
    const can: PushdownGrades = { grade: () => 'exact', connectives: { and: true, or: true, not: true } };
    const folded: Predicate = { op: '=', property: 'nom', type: 'STRING', value: 'ecole', fold: 'case and accent' };
    const plain: Predicate = { op: '=', property: 'nom', type: 'STRING', value: 'ecole' };
    expect(splitFilter({ op: 'and', args: [plain, folded] }, can)).toEqual({ pushed: plain, residual: folded });
    expect(splitFilter({ op: 'or', args: [plain, folded] }, can).pushed).toBeNull();
    expect(splitFilter({ op: 'not', args: [folded] }, can).pushed).toBeNull();
  });

  test('a portal that can do nothing is asked nothing', () => {
    const can: PushdownGrades = { grade: () => 'none', connectives: { and: true, or: true, not: true } };
    fc.assert(
      fc.property(filters, (filter) => {
        const { pushed, residual } = splitFilter(filter, can);
        expect(pushed).toBeNull();
        expect(predicatesOf(residual)).toEqual(predicatesOf(filter));
      }),
      { seed: 64, numRuns: 200 },
    );
  });

  const x = (value: string): Predicate => ({ op: '=', property: 'x', type: 'STRING', value });
  const [E, I, N] = [x('exact'), x('inexact'), x('none')];
  const can = (connectives: Partial<PushdownGrades['connectives']> = {}): PushdownGrades => ({
    grade: (predicate) => ('value' in predicate ? (predicate.value as Fidelity | 'none') : 'none'),
    connectives: { and: true, or: true, not: true, ...connectives },
  });
  const and = (...args: readonly RecordFilter[]): RecordFilter => ({ op: 'and', args });
  const or = (...args: readonly RecordFilter[]): RecordFilter => ({ op: 'or', args });
  const not = (arg: RecordFilter): RecordFilter => ({ op: 'not', args: [arg] });

  test.each<readonly [string, RecordFilter | null, PushdownGrades, RecordFilter | null, RecordFilter | null]>([
    ['nothing', null, can(), null, null],
    ['an exact predicate', E, can(), E, null],
    ['an inexact predicate', I, can(), I, I],
    ['an undecidable predicate', N, can(), null, N],
    ['a conjunction of all kinds', and(E, I, N), can(), and(E, I), and(I, N)],
    ['a conjunction with one part to push', and(E, N), can(), E, N],
    ['a disjunction with an undecidable part', or(E, N), can(), null, or(E, N)],
    ['a disjunction with an inexact part', or(E, I), can(), or(E, I), or(E, I)],
    ['a negated exact predicate', not(E), can(), not(E), null],
    ['a negated inexact predicate', not(I), can(), null, not(I)],
    ['an inexact predicate deep below a negation', not(and(E, or(E, I))), can(), null, not(and(E, or(E, I)))],
    ['an inexact predicate below two negations', not(not(I)), can(), null, not(not(I))],
    ['a negation the portal cannot spell', not(E), can({ not: false }), null, not(E)],
    ['a disjunction the portal cannot spell', or(E, E), can({ or: false }), null, or(E, E)],
    ['a conjunction the portal cannot spell', and(E, E), can({ and: false }), E, and(E, E)],
    ['a conjunction the portal cannot spell, one part', and(N, E), can({ and: false }), E, N],
    ['conjunctions in one another', and(and(E, N), E), can(), and(E, E), N],
  ])('%s', (_what, filter, capability, pushed, residual) => {
    expect(splitFilter(filter, capability)).toEqual({ pushed, residual });
  });
});
