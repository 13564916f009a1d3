import { foldText } from '../text-search.ts';

/** A query the search engine refuses. */
export class SolrSyntaxError extends Error {
  override readonly name = 'SolrSyntaxError';
}

/** What a document offers to the search engine. */
export interface SolrDocument {
  /** Exact, case-sensitive fields. */
  readonly strings: Readonly<Record<string, readonly string[]>>;
  /** Analysed fields: their tokens after `analyse`. */
  readonly texts: Readonly<Record<string, readonly string[]>>;
  /** Milliseconds since 1970. */
  readonly dates: Readonly<Record<string, number>>;
}

export interface SolrSchema {
  readonly strings: ReadonlySet<string>;
  readonly texts: ReadonlySet<string>;
  readonly dates: ReadonlySet<string>;
  /** The field a bare term looks into. */
  readonly defaultField: string;
  readonly nowMs: number;
}

export type SolrTest = (document: SolrDocument) => boolean;

/** Levels of parentheses. */
const MAX_DEPTH = 50;
/** `maxBooleanClauses` of a stock engine. */
const MAX_CLAUSES = 1024;

/** A rough English stemmer: plural and -ing, enough that "bikes" finds "bike" and "parking" finds "parkings". */
function stem(token: string): string {
  if (token.length > 4 && token.endsWith('ies')) return `${token.slice(0, -3)}i`;
  if (token.length > 3 && token.endsWith('s') && !token.endsWith('ss')) return token.slice(0, -1);
  return token;
}

/** The tokens of an analysed field: split on case changes and everything but letters and digits, folded, stemmed. */
export function analyse(text: string): string[] {
  const split = text.normalize('NFC').replace(/(\p{Ll})(\p{Lu})/gu, '$1 $2');
  return (foldText(split).match(/[\p{L}\p{N}]+/gu) ?? []).map(stem);
}

type Clause = { readonly test: SolrTest; occur: 'must' | 'should' | 'not' };

/** Lucene's boolean query: all musts, no nots, and one should where there is no must. Only nots match nothing. */
function combine(clauses: readonly Clause[], isTop: boolean): SolrTest {
  const musts = clauses.filter(({ occur }) => occur === 'must');
  const shoulds = clauses.filter(({ occur }) => occur === 'should');
  const nots = clauses.filter(({ occur }) => occur === 'not');
  if (musts.length === 0 && shoulds.length === 0 && !isTop) return () => false;
  return (document) =>
    musts.every(({ test }) => test(document)) &&
    !nots.some(({ test }) => test(document)) &&
    (musts.length > 0 || shoulds.length === 0 || shoulds.some(({ test }) => test(document)));
}

function wildcardToRegExp(pattern: string): RegExp {
  let source = '';
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern.charAt(i);
    if (character === '\\') source += escapeRegExp(pattern.charAt(++i));
    else if (character === '*') source += '[\\s\\S]*';
    else if (character === '?') source += '[\\s\\S]';
    else source += escapeRegExp(character);
  }
  return new RegExp(`^${source}$`, 'u');
}

const escapeRegExp = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
const unescape = (text: string): string => text.replace(/\\([\s\S])/g, '$1');

const DATE_MATH = /^NOW(?:([+-]\d{1,6})(YEAR|MONTH|DAY|HOUR|MINUTE|SECOND)S?)?$/;
const UNIT_MS: Readonly<Record<string, number>> = {
  YEAR: 365.25 * 86_400_000,
  MONTH: 30.44 * 86_400_000,
  DAY: 86_400_000,
  HOUR: 3_600_000,
  MINUTE: 60_000,
  SECOND: 1000,
};

function toDate(text: string, nowMs: number): number {
  const math = DATE_MATH.exec(text);
  if (math !== null) return nowMs + Number(math[1] ?? 0) * (UNIT_MS[math[2] ?? 'DAY'] ?? 0);
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$/.test(text) || Number.isNaN(Date.parse(text)))
    throw new SolrSyntaxError(`Invalid Date String:'${text}'`);
  return Date.parse(text);
}

const compareCodePoints = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

function parse(source: string, schema: SolrSchema): SolrTest {
  let at = 0;
  let depth = 0;
  let count = 0;

  const fail = (): never => {
    throw new SolrSyntaxError(`org.apache.solr.search.SyntaxError: Cannot parse '${source}'`);
  };
  const skipSpace = (): void => {
    while (at < source.length && /[\s\u3000]/.test(source.charAt(at))) at++;
  };
  const readWord = (pattern: RegExp): string | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(source)?.[0] ?? null;
    if (found !== null) at += found.length;
    return found;
  };
  const readPhrase = (): string => {
    const phrase = readWord(/"(?:[^"\\]|\\[\s\S])*"/y);
    return phrase === null ? fail() : unescape(phrase.slice(1, -1));
  };

  const assertField = (field: string): void => {
    if (!schema.strings.has(field) && !schema.texts.has(field) && !schema.dates.has(field))
      throw new SolrSyntaxError(`undefined field ${field}`);
  };

  const exact = (field: string, value: string, isPhrase: boolean): SolrTest => {
    if (schema.dates.has(field)) {
      const ms = toDate(value, schema.nowMs);
      return (document) => document.dates[field] === ms;
    }
    if (schema.strings.has(field)) return (document) => document.strings[field]?.includes(value) ?? false;
    const tokens = analyse(value);
    if (tokens.length === 0) return () => false;
    return (document) => {
      const own = document.texts[field] ?? [];
      if (!isPhrase && tokens.length === 1) return own.includes(tokens[0] ?? '');
      // Words glued by punctuation are searched as a phrase, like quoted ones.
      return own.some((_, from) => tokens.every((token, index) => own[from + index] === token));
    };
  };

  const wildcard = (field: string, pattern: string): SolrTest => {
    if (schema.dates.has(field)) return pattern === '*' ? (document) => field in document.dates : fail();
    if (schema.strings.has(field)) {
      if (pattern === '*') return (document) => (document.strings[field]?.length ?? 0) > 0;
      const expression = wildcardToRegExp(pattern);
      return (document) => document.strings[field]?.some((value) => expression.test(value)) ?? false;
    }
    if (pattern === '*') return (document) => (document.texts[field]?.length ?? 0) > 0;
    // Wildcards are folded, not stemmed.
    const expression = wildcardToRegExp(foldText(pattern));
    return (document) => document.texts[field]?.some((token) => expression.test(token)) ?? false;
  };

  const range = (field: string): SolrTest => {
    const lowerOpen = source[at] === '{';
    at++;
    skipSpace();
    const bound = (): string => {
      skipSpace();
      if (source[at] === '"') return readPhrase();
      const word = readWord(/(?:\\[\s\S]|[^\s\]}])+/y);
      return word === null ? fail() : word === '*' ? '*' : unescape(word);
    };
    const lower = bound();
    skipSpace();
    if (readWord(/TO(?=\s)/y) === null) fail();
    const upper = bound();
    skipSpace();
    const upperOpen = source[at] === '}';
    if (!upperOpen && source[at] !== ']') fail();
    at++;
    if (schema.dates.has(field)) {
      const low = lower === '*' ? -Infinity : toDate(lower, schema.nowMs);
      const high = upper === '*' ? Infinity : toDate(upper, schema.nowMs);
      return (document) => {
        const value = document.dates[field];
        if (value === undefined) return false;
        return (lowerOpen ? value > low : value >= low) && (upperOpen ? value < high : value <= high);
      };
    }
    return (document) =>
      (document.strings[field] ?? document.texts[field] ?? []).some((value) => {
        const low = lower === '*' ? 1 : compareCodePoints(value, lower);
        const high = upper === '*' ? -1 : compareCodePoints(value, upper);
        return (lowerOpen ? low > 0 : low >= 0) && (upperOpen ? high < 0 : high <= 0);
      });
  };

  const primary = (field: string): SolrTest => {
    if (++count > MAX_CLAUSES) throw new SolrSyntaxError('too many boolean clauses');
    skipSpace();
    const character = source[at];
    if (character === '(') {
      if (++depth > MAX_DEPTH) fail();
      at++;
      const inner = sequence(field, false);
      skipSpace();
      if (source[at] !== ')') fail();
      at++;
      depth--;
      return inner;
    }
    if (character === '[' || character === '{') return range(field);
    if (character === '"') {
      const phrase = readPhrase();
      if (/[~^]/.test(source.charAt(at))) fail();
      return exact(field, phrase, true);
    }
    const term = readWord(/(?:\\[\s\S]|[^\s"\\()[\]{}:^~!/])+/y);
    if (term === null) return fail();
    if (/[~^]/.test(source.charAt(at))) return fail();
    if (term === 'AND' || term === 'OR' || term === 'NOT') return fail();
    if (source[at] === ':') {
      at++;
      const name = unescape(term);
      skipSpace();
      if (name === '*' && source[at] === '*') {
        at++;
        return () => true;
      }
      assertField(name);
      return primary(name);
    }
    if (source[at] === '/') fail();
    return /(?:^|[^\\])(?:\\\\)*[*?]/.test(term) ? wildcard(field, term) : exact(field, unescape(term), false);
  };

  /** The classic parser's rules with AND as the default operator. */
  function sequence(field: string, isTop: boolean): SolrTest {
    const clauses: Clause[] = [];
    for (;;) {
      skipSpace();
      if (at >= source.length || source[at] === ')') break;
      const conjunction = readWord(/(?:AND|OR)(?=[\s(])|&&|\|\|/y);
      if (conjunction !== null && clauses.length === 0) fail();
      skipSpace();
      const modifier = readWord(/NOT(?=[\s(])|[+\-!]/y);
      const test = primary(field);
      const isOr = conjunction === 'OR' || conjunction === '||';
      const isAnd = conjunction === 'AND' || conjunction === '&&';
      const previous = clauses.at(-1);
      if (previous !== undefined && previous.occur !== 'not') {
        if (isAnd) previous.occur = 'must';
        else if (isOr) previous.occur = 'should';
      }
      const isNot = modifier === '-' || modifier === '!' || modifier === 'NOT';
      clauses.push({ test, occur: isNot ? 'not' : isOr ? 'should' : 'must' });
    }
    if (clauses.length === 0) return isTop ? () => true : fail();
    return combine(clauses, isTop);
  }

  const test = sequence(schema.defaultField, true);
  skipSpace();
  if (at < source.length) fail();
  return test;
}

/** Compiles a query in Lucene's classic syntax. Boosts, fuzzy and proximity terms and regular expressions are refused. */
export function compileLucene(source: string, schema: SolrSchema): SolrTest {
  return parse(source, schema);
}

/** Weights of `qf = name^4 title^4 tags^2 groups^2 text`. */
const WEIGHTS: readonly (readonly [string, number])[] = [
  ['name', 4],
  ['title', 4],
  ['tags', 2],
  ['groups', 2],
  ['text', 1],
];

function weigh(term: string, isPhrase: boolean, document: SolrDocument): number {
  const tokens = analyse(term);
  let best = 0;
  for (const [field, weight] of WEIGHTS) {
    if (weight <= best) continue;
    const exact = document.strings[field];
    if (exact !== undefined) {
      if (exact.includes(term)) best = weight;
      continue;
    }
    const own = document.texts[field] ?? [];
    const hit =
      tokens.length > 0 &&
      (tokens.length === 1 && !isPhrase
        ? own.includes(tokens[0] ?? '')
        : own.some((_, from) => tokens.every((token, index) => own[from + index] === token)));
    if (hit) best = weight;
  }
  return best;
}

/**
 * The dismax query of a text without a colon: how well each document matches, 0 for not at all. Special characters but
 * `+`, `-` and quotes mean nothing; with `mm = 2<-1 5<80%` longer texts may miss a term.
 */
export function compileDismax(source: string): (document: SolrDocument) => number {
  const terms: { term: string; isPhrase: boolean; mode: '' | '+' | '-' }[] = [];
  for (const match of source.matchAll(/([+-]?)(?:"([^"]*)"|([^\s"]+))/g)) {
    const term = match[2] ?? match[3] ?? '';
    const mode = match[1] === '+' ? '+' : match[1] === '-' ? '-' : '';
    if (analyse(term).length > 0) terms.push({ term, isPhrase: match[2] !== undefined, mode });
  }
  const wanted = terms.filter(({ mode }) => mode !== '-');
  const optional = terms.filter(({ mode }) => mode === '').length;
  const needed = optional <= 2 ? optional : optional <= 5 ? optional - 1 : Math.floor(optional * 0.8);
  return (document) => {
    let score = 0;
    let hits = 0;
    for (const { term, isPhrase, mode } of terms) {
      const weight = weigh(term, isPhrase, document);
      if (mode === '-' ? weight > 0 : mode === '+' && weight === 0) return 0;
      if (mode !== '-') score += weight;
      if (mode === '' && weight > 0) hits++;
    }
    return wanted.length === 0 || hits < needed ? 0 : score;
  };
}
