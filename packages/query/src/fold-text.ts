import type { Predicate, RecordFilter, ScalarValue, TextFold } from './filter.ts';
import { isPredicate } from './filter.ts';

/** Unicode full case folding (CaseFolding.txt, statuses C and F), put together from the case mappings of the platform. */
function foldCase(text: string): string {
  // The one letter whose upper case folds to another letter: a dotless i is no i.
  if (text.includes('\u0131')) return text.split('\u0131').map(foldCase).join('\u0131');
  // Lower case first, because the capital sharp s has no upper case; a sigma at the end of a word is a sigma.
  return text.toLowerCase().toUpperCase().toLowerCase().replaceAll('\u03C2', '\u03C3');
}

/** Blocks of combining diacritical marks. Vowel signs of other scripts are letters and stay. */
const MARKS =
  /(?:[\u{300}-\u{36F}]|[\u{1AB0}-\u{1AFF}]|[\u{1DC0}-\u{1DFF}]|[\u{20D0}-\u{20FF}]|[\u{FE20}-\u{FE2F}])+/gu;

const foldAccents = (text: string): string => text.normalize('NFD').replaceAll(MARKS, '').normalize('NFC');

/**
 * The text as CASEI and ACCENTI of CQL2 compare it. Case: Unicode full case folding, so that ß is ss; without regard to
 * any language. Accent: without combining diacritical marks, in NFC; letters that Unicode does not take apart (ø, ł, æ)
 * stay. Folding twice changes nothing.
 */
export function foldText(text: string, fold: TextFold): string {
  switch (fold) {
    case 'case':
      return foldCase(text);
    case 'accent':
      return foldAccents(text);
    case 'case and accent':
      // Accents come first, because case folding makes letters of some marks, and last, because it makes marks.
      return foldAccents(foldCase(foldAccents(text)));
  }
}

/** A pattern of `like`, its literal parts folded; wildcards and what is escaped keep their meaning. */
export function foldPattern(pattern: string, fold: TextFold): string {
  let folded = '';
  let literal = '';
  const flush = (): void => {
    folded += foldText(literal, fold).replaceAll(/[\\%_]/g, String.raw`\$&`);
    literal = '';
  };
  let isEscaped = false;
  for (const character of pattern) {
    if (!isEscaped && character === '\\') isEscaped = true;
    else if (!isEscaped && (character === '%' || character === '_')) {
      flush();
      folded += character;
    } else {
      literal += character;
      isEscaped = false;
    }
  }
  flush();
  return folded;
}

/** Both foldings at once; in either order they come to the same. */
export const bothFolds = (a: TextFold | null, b: TextFold | null): TextFold | null =>
  a === null || a === b ? b : b === null ? a : 'case and accent';

/**
 * The predicate with its property and its values folded; one folding for each value, in their order. A test for null is
 * the same folded or not.
 */
export function foldPredicate(
  filter: RecordFilter,
  property: TextFold | null,
  values: readonly (TextFold | null)[],
): RecordFilter {
  const foldValue = (value: ScalarValue, index: number): ScalarValue => {
    const fold = values[index] ?? null;
    return typeof value === 'string' && fold !== null ? foldText(value, fold) : value;
  };
  const of = property === null ? {} : { fold: property };
  const folded = (predicate: Predicate): Predicate => {
    switch (predicate.op) {
      case 'in':
        return { ...predicate, ...of, values: predicate.values.map(foldValue) };
      case 'between':
        return { ...predicate, ...of, lower: foldValue(predicate.lower, 0), upper: foldValue(predicate.upper, 1) };
      case 'like': {
        const [fold = null] = values;
        return {
          ...predicate,
          ...of,
          pattern: fold === null ? predicate.pattern : foldPattern(predicate.pattern, fold),
        };
      }
      case '=':
      case '<>':
      case '<':
      case '<=':
      case '>':
      case '>=':
        return { ...predicate, ...of, value: foldValue(predicate.value, 0) };
      case 'isNull':
      case 'intersects':
      case 'bbox':
      case 'withinMetres':
        return predicate;
    }
  };
  return isPredicate(filter) ? folded(filter) : filter;
}
