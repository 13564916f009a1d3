import { OdsqlError } from './odsql-error.ts';

export type Token = { readonly at: number; readonly end: number } & (
  | { readonly kind: 'word'; readonly text: string; readonly quoted: boolean }
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'date'; readonly text: string }
  | { readonly kind: 'geom'; readonly text: string }
  | { readonly kind: 'symbol'; readonly text: string }
  | { readonly kind: 'end'; readonly text: '' }
);

/** Characters of one clause; a longer one is refused. Far beyond any URL. */
const MAX_LENGTH = 200_000;

const SPACE = /\s+/y;
const NUMBER = /\d+(?:\.\d+)?/y;
// Dots join the template and the name of a catalog field; two dots are a range.
const WORD = /[A-Za-z0-9_]+(?:\.[A-Za-z_][A-Za-z0-9_]*)*/y;
const SYMBOL = /\.\.|>=|<=|[()[\],:=<>*+\-/]/y;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f' };

function match(pattern: RegExp, source: string, at: number): string | null {
  pattern.lastIndex = at;
  return pattern.exec(source)?.[0] ?? null;
}

/** Reads a quoted text that begins at `at`; backslash escapes as in JSON, any other escaped character is itself. */
function readQuoted(source: string, at: number): { text: string; end: number } {
  const quote = source[at];
  let text = '';
  for (let i = at + 1; i < source.length; i++) {
    const character = source[i];
    if (character === quote) return { text, end: i + 1 };
    if (character !== '\\') {
      text += character;
      continue;
    }
    const escaped = source[++i] ?? '';
    const hex = escaped === 'u' ? source.slice(i + 1, i + 5) : '';
    if (/^[0-9a-fA-F]{4}$/.test(hex)) {
      text += String.fromCharCode(Number.parseInt(hex, 16));
      i += 4;
    } else text += ESCAPES[escaped] ?? escaped;
  }
  throw new OdsqlError(`Syntax error: unterminated literal at position ${at}`);
}

export function tokenize(source: string): Token[] {
  if (source.length > MAX_LENGTH) throw new OdsqlError('Syntax error: the expression is too long');
  const tokens: Token[] = [];
  let at = 0;
  while (at < source.length) {
    at += match(SPACE, source, at)?.length ?? 0;
    const character = source[at];
    if (character === undefined) break;
    if (character === '"' || character === "'") {
      const { text, end } = readQuoted(source, at);
      tokens.push({ kind: 'string', text, at, end });
      at = end;
      continue;
    }
    if (character === '`') {
      const { text, end } = readQuoted(source, at);
      tokens.push({ kind: 'word', text, quoted: true, at, end });
      at = end;
      continue;
    }
    const number = match(NUMBER, source, at);
    const word = match(WORD, source, at);
    if (number !== null && (word === null || word.length <= number.length || number.includes('.'))) {
      tokens.push({ kind: 'number', text: number, at, end: at + number.length });
      at += number.length;
      continue;
    }
    if (word !== null) {
      const end = at + word.length;
      const literal = word.toLowerCase();
      const next = source[end];
      if ((literal === 'date' || literal === 'geom') && (next === "'" || next === '"')) {
        // GeoJSON holds double quotes and WKT none: what stands between the quotes is taken as it is.
        const close = source.indexOf(next, end + 1);
        if (close < 0) throw new OdsqlError(`Syntax error: unterminated literal at position ${end}`);
        tokens.push({ kind: literal, text: source.slice(end + 1, close), at, end: close + 1 });
        at = close + 1;
        continue;
      }
      tokens.push({ kind: 'word', text: word, quoted: false, at, end });
      at = end;
      continue;
    }
    const symbol = match(SYMBOL, source, at);
    if (symbol === null) throw new OdsqlError(`Syntax error: unexpected character at position ${at}`);
    tokens.push({ kind: 'symbol', text: symbol, at, end: at + symbol.length });
    at += symbol.length;
  }
  tokens.push({ kind: 'end', text: '', at: source.length, end: source.length });
  return tokens;
}
