import { suggestName } from './suggest.ts';

/** What of CQL2 is refused, by what it begins with or is called, and the way out. Lower case. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/^s_/, 'this spatial predicate is not supported; use S_INTERSECTS or S_DWITHIN.'],
  [
    /^t_/,
    'there is no such temporal predicate; use T_AFTER, T_BEFORE, T_DURING, T_INTERSECTS, or compare with =, <, >.',
  ],
  [/^a_/, 'array predicates are not supported.'],
  [
    /^interval$/,
    'an interval stands only in a temporal predicate, such as T_INTERSECTS; compare with two bounds or BETWEEN.',
  ],
  [/^(\+|-|\*|\/|%|\^|div)$/, 'arithmetic is not supported; write the value itself.'],
];

/** What a mistyped name may have meant. */
const KNOWN = ['CASEI', 'ACCENTI', 'DATE', 'TIMESTAMP', 'S_INTERSECTS', 'S_DWITHIN', 'BBOX'];

/** Why a construct of CQL2 is refused: its name as the caller wrote it, and the way out. */
export function explainUnsupported(construct: string): string {
  const lower = construct.toLowerCase();
  const shown = construct.slice(0, 40);
  const known = REASONS.find(([pattern]) => pattern.test(lower))?.[1];
  if (known !== undefined) return `${shown}: ${known}`;
  const near = suggestName(construct, KNOWN);
  const hint = near === null || near.toLowerCase() === lower ? '' : ` Did you mean ${near}?`;
  return `${shown}: functions are not supported.${hint}`;
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
