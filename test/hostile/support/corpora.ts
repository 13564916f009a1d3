import { existsSync, readFileSync } from 'node:fs';

const FOLDER = new URL('../../../../shared/corpora/hostile/', import.meta.url);

/** False where the shared corpora are not beside the repository: what needs them is skipped, and says so. */
export const hasCorpora = existsSync(FOLDER);

/** A line of a title that says why a group of tests is skipped. */
export const titled = (title: string): string =>
  hasCorpora ? title : `${title} (skipped: the shared corpora are not beside the repository)`;

/** The rows of one JSON Lines file of the corpora; none where they are absent. */
export function readCorpus<Row>(name: string): readonly Row[] {
  if (!hasCorpora) return [];
  return readFileSync(new URL(name, FOLDER), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Row);
}

export const corpusFile = (name: string): URL => new URL(name, FOLDER);

/** Strings of the public lists; all of them are text. */
export const readStrings = (name: string): readonly { readonly id: string; readonly data: string }[] =>
  readCorpus<{ id: string | number; data: string }>(name).map(({ id, data }) => ({ id: String(id), data }));
