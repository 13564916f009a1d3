import { HubError } from '@civex/errors';

/**
 * `name`: an identifier as written, reserved words included. `quoted`: an identifier in double quotes. `text`: a
 * character literal. `number`: an unsigned numeric literal. `sign`: an operator or a mark of punctuation.
 */
export interface Token {
  readonly kind: 'name' | 'quoted' | 'text' | 'number' | 'sign' | 'end';
  /** Without quotes, escapes resolved. */
  readonly text: string;
  /** Index of the first character in the filter, in UTF-16 units. */
  readonly at: number;
}

/** What cannot be read as a token. */
export interface TokenFault {
  readonly at: number;
  readonly what: string;
}

/** White space of the CQL2 grammar. */
const SPACE = /[\t-\r \u0085\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000]+/y;
/** OGC 21-065r2, production `identifier`. */
const START = String.raw`:_A-Za-z\u{C0}-\u{D6}\u{D8}-\u{F6}\u{F8}-\u{2FF}\u{370}-\u{37D}\u{37F}-\u{1FFE}\u{200C}\u{200D}\u{2070}-\u{218F}\u{2C00}-\u{2FEF}\u{3001}-\u{D7FF}\u{F900}-\u{FDCF}\u{FDF0}-\u{FFFD}\u{10000}-\u{EFFFF}`;
const NAME = new RegExp(String.raw`[${START}][${START}.\d\u{300}-\u{36F}\u{203F}\u{2040}]*`, 'uy');
const NUMBER = /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y;
const SIGN = /<>|<=|>=|[=<>(),+\-*/%^]/y;

/**
 * Cuts a CQL2 Text filter into tokens, the last of which is `end`. A quote in a character literal is written `''`, one
 * in a quoted name `""`. The grammar's second spelling, `\'`, is not understood: with it no text could end in a
 * backslash, which LIKE patterns and file paths do.
 *
 * @throws HubError `INPUT_TOO_COSTLY` for more than `maxTokens` of them.
 */
export function readTokens(filter: string, maxTokens: number): readonly Token[] | TokenFault {
  const tokens: Token[] = [];
  let at = 0;
  const take = (pattern: RegExp): string | null => {
    pattern.lastIndex = at;
    return pattern.exec(filter)?.[0] ?? null;
  };

  while (at < filter.length) {
    if (tokens.length > maxTokens)
      throw new HubError('INPUT_TOO_COSTLY', `filter: at most ${maxTokens} words and signs.`);
    const space = take(SPACE);
    if (space !== null) {
      at += space.length;
      continue;
    }
    const mark = filter[at];
    if (mark === "'" || mark === '"') {
      const start = at;
      let text = '';
      for (at++; ; at++) {
        const character = filter[at];
        if (character === undefined) {
          const isEscaped = tokens.some((token) => token.kind === 'text' && token.text.endsWith('\\'));
          const hint = isEscaped ? " A quote inside a text is written ''." : '';
          return { at: start, what: `this ${mark === "'" ? 'text' : 'name'} has no closing ${mark}.${hint}` };
        }
        if (character === mark) {
          if (filter[at + 1] !== mark) break;
          at++;
        }
        text += character;
      }
      at++;
      tokens.push({ kind: mark === "'" ? 'text' : 'quoted', text, at: start });
      continue;
    }
    const name = take(NAME);
    const number = name === null ? take(NUMBER) : null;
    const sign = name === null && number === null ? take(SIGN) : null;
    const text = name ?? number ?? sign;
    if (text === null) {
      const character = String.fromCodePoint(filter.codePointAt(at) ?? 0);
      const hint = mark === '!' ? ' "not equal" is <>.' : '';
      return { at, what: `the character ${JSON.stringify(character)} has no meaning here.${hint}` };
    }
    tokens.push({ kind: name !== null ? 'name' : number !== null ? 'number' : 'sign', text, at });
    at += text.length;
    // "5x" or "1.2.3" is neither a number nor two words.
    if (number !== null) {
      const glued = take(NAME) ?? take(NUMBER);
      if (glued !== null) return { at, what: `unexpected "${glued.slice(0, 40)}" right after a number.` };
    }
  }
  tokens.push({ kind: 'end', text: '', at });
  return tokens;
}
