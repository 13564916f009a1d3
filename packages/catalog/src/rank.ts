import type { Dataset } from '@civex/model';
import { compareCodePoints } from '@civex/query';

export type DatasetOrder = 'RELEVANCE' | 'TITLE' | 'MODIFIED_DESC' | 'MODIFIED_ASC';

/** Where a dataset stands in the asked order: a score, a folded title, an instant; null stands last. */
export type Rank = string | number | null;

// oxlint-disable-next-line no-control-regex -- the whole of ASCII
const ASCII = /^[\x00-\x7f]*$/;

/** Lower case without accents, so that `Vélo` and `velo` meet. */
export function foldText(text: string): string {
  // Most text is ASCII, where there are no accents to look for.
  if (ASCII.test(text)) return text.toLowerCase();
  return text
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase();
}

/** True for a rank that a dataset can have in this order. */
export function isRankOf(order: DatasetOrder, rank: unknown): rank is Rank {
  switch (order) {
    case 'RELEVANCE':
      return typeof rank === 'number';
    case 'TITLE':
      return typeof rank === 'string';
    case 'MODIFIED_ASC':
    case 'MODIFIED_DESC':
      return rank === null || typeof rank === 'number';
  }
}

/** Characters of a title that order it. Cursors carry the rank, so it must not be as long as a portal likes. */
const MAX_TITLE_RANK = 300;

/** Ascending or descending as the order asks; null last in both. */
export function compareRanks(a: Rank, b: Rank, order: DatasetOrder): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  if (typeof a === 'string' && typeof b === 'string') return compareCodePoints(a, b);
  const difference = Number(a) - Number(b);
  return order === 'RELEVANCE' || order === 'MODIFIED_DESC' ? -difference : difference;
}

const terms = (search: string): readonly string[] =>
  foldText(search)
    .split(/[^\p{L}\p{N}]+/u)
    .filter((term) => term !== '')
    .slice(0, 20);

interface FoldedField {
  readonly text: string;
  readonly words: ReadonlySet<string>;
}

interface FoldedDataset {
  readonly titles: FoldedField;
  readonly keywords: FoldedField;
  readonly rest: FoldedField;
  readonly descriptions: string;
}

const foldField = (text: string): FoldedField => {
  const folded = foldText(text);
  return { text: folded, words: new Set(folded.split(/[^\p{L}\p{N}]+/u)) };
};

/** Folded once for each dataset object: the outbound cache hands out the same object while a portal says the same. */
const foldedDatasets = new WeakMap<Dataset, FoldedDataset>();

function foldDataset(dataset: Dataset): FoldedDataset {
  const known = foldedDatasets.get(dataset);
  if (known !== undefined) return known;
  const folded = {
    titles: foldField(Object.values(dataset.titles).join(' ')),
    keywords: foldField(dataset.keywords.join(' ')),
    rest: foldField(`${dataset.localId} ${dataset.publisher?.name ?? ''}`),
    descriptions: foldText(Object.values(dataset.descriptions).join(' ').slice(0, 10_000)),
  };
  foldedDatasets.set(dataset, folded);
  return folded;
}

function scoreField({ text, words }: FoldedField, term: string, whole: number, prefix: number, inside: number): number {
  if (words.has(term)) return whole;
  if (!text.includes(term)) return 0;
  for (const word of words) if (word.startsWith(term)) return prefix;
  return inside;
}

/**
 * How well a dataset fits a search, by one measure for all sources, so that their hits can be merged. What a portal
 * found by its own stemming or fuzziness and the hub does not see scores 0: it stays in the answer, at the end.
 */
function scoreOf(dataset: Dataset, searchTerms: readonly string[]): number {
  const { titles, keywords, rest, descriptions } = foldDataset(dataset);
  let score = 0;
  for (const term of searchTerms) {
    score += scoreField(titles, term, 8, 5, 3);
    score += scoreField(keywords, term, 6, 4, 2);
    score += scoreField(rest, term, 3, 2, 2);
    if (descriptions.includes(term)) score += 1;
  }
  return score;
}

/** A function that ranks datasets for one question. */
export function createRanker(order: DatasetOrder, search: string | null): (dataset: Dataset) => Rank {
  switch (order) {
    case 'RELEVANCE': {
      const searchTerms = search === null ? [] : terms(search);
      return searchTerms.length === 0 ? () => 0 : (dataset) => scoreOf(dataset, searchTerms);
    }
    case 'TITLE':
      return (dataset) => foldText(Object.values(dataset.titles)[0] ?? dataset.localId).slice(0, MAX_TITLE_RANK);
    case 'MODIFIED_ASC':
    case 'MODIFIED_DESC':
      return (dataset) => {
        const epochMs = dataset.modified === null ? Number.NaN : Date.parse(dataset.modified);
        return Number.isNaN(epochMs) ? null : epochMs;
      };
  }
}
