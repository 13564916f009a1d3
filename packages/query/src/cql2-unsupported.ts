/** What of CQL2 is refused, by what it begins with or is called, and the way out. Lower case. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/^(casei|accenti)$/, 'case- and accent-insensitive comparison is not supported; compare the text as it is written.'],
  [/^s_/, 'this spatial predicate is not supported; use S_INTERSECTS or S_DWITHIN.'],
  [/^t_/, 'temporal predicates are not supported; compare with =, <, <=, >, >= or BETWEEN.'],
  [/^a_/, 'array predicates are not supported.'],
  [/^interval$/, 'intervals are not supported; compare with two bounds or BETWEEN.'],
  [/^(\+|-|\*|\/|%|\^|div)$/, 'arithmetic is not supported; write the value itself.'],
];

/** Why a construct of CQL2 is refused: its name as the caller wrote it, and the way out. */
export function explainUnsupported(construct: string): string {
  const lower = construct.toLowerCase();
  const reason = REASONS.find(([pattern]) => pattern.test(lower))?.[1] ?? 'functions are not supported.';
  return `${construct.slice(0, 40)}: ${reason}`;
}

/** Spellings of the one unit of S_DWITHIN. */
export const METRES: ReadonlySet<string> = new Set(['metre', 'metres', 'meter', 'meters', 'm']);

/** The operator that says the same with its sides exchanged: `5 < a` is `a > 5`. In the words of `FilterInput`. */
export const MIRRORED = { eq: 'eq', ne: 'ne', lt: 'gt', lte: 'gte', gt: 'lt', gte: 'lte' } as const;

/** CQL2 comparison signs in the words of `FilterInput`. */
export const COMPARISON_WORDS: ReadonlyMap<string, keyof typeof MIRRORED> = new Map([
  ['=', 'eq'],
  ['<>', 'ne'],
  ['<', 'lt'],
  ['<=', 'lte'],
  ['>', 'gt'],
  ['>=', 'gte'],
]);
