import { foldText, splitEntries } from './fold-text.ts';
import type { AccessRights } from './model.ts';

/**
 * Codes by their last part, folded: the EU authority table "access right", COAR access rights and info:eu-repo semantics,
 * Project Open Data's `accessLevel`, and plain words in English, French, Spanish, Swedish and German.
 */
const CODES: ReadonlyMap<string, AccessRights> = new Map(
  (
    [
      [
        'PUBLIC',
        'public | open | open access | openaccess | open data | public access | unrestricted | c abf2',
        'ouvert | ouverte | acces public | donnees ouvertes | abierto | abierta | publico | publica | datos abiertos',
        'oppen | oppet | oppna data | offentlig | offen | offentlich',
      ],
      ['RESTRICTED', 'restricted | restricted public | shared | registered | embargoed | c 16ec | c f1cf'],
      ['NON_PUBLIC', 'non public | nonpublic | not public | private | confidential | sensitive | secret | closed'],
    ] as const
  ).flatMap(([rights, ...words]) => splitEntries(words).map((word) => [word, rights] as const)),
);

const RANK: Readonly<Record<AccessRights, number>> = { PUBLIC: 0, RESTRICTED: 1, NON_PUBLIC: 2 };
/** Levels of lists and objects that are looked into. */
const DEEPEST = 4;

function rightsOf(value: unknown, levels: number): AccessRights | null {
  if (value === null || value === undefined || value === false) return null;
  if (typeof value === 'string') {
    const text = value.trim();
    if (text === '') return null;
    const code = foldText(
      text
        .replace(/[/#]+$/, '')
        .split(/[/#]/)
        .at(-1) ?? '',
    );
    const known = CODES.get(code);
    if (known !== undefined) return known;
    return /\b(?:non|not) public\b|\bconfidential\b/.test(foldText(text)) ? 'NON_PUBLIC' : 'RESTRICTED';
  }
  if (typeof value !== 'object' || levels === 0) return 'RESTRICTED';
  return strictest(Object.values(value), levels - 1);
}

function strictest(values: readonly unknown[], levels: number): AccessRights | null {
  let found: AccessRights | null = null;
  for (const value of values) {
    const rights = rightsOf(value, levels);
    if (rights !== null && (found === null || RANK[rights] > RANK[found])) found = rights;
  }
  return found;
}

/**
 * What a portal's access-rights fields say (dct:accessRights and its kin), the strictest of them when they differ; null
 * when they say nothing. A word nobody knows is `RESTRICTED`: nothing becomes public because it was not understood.
 *
 * @param values as they came from JSON: codes, their addresses, texts, lists or objects of them.
 */
export function readAccessRights(values: readonly unknown[]): AccessRights | null {
  return strictest(values, DEEPEST);
}
