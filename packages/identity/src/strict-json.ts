/** What JSON can say. Objects have no prototype: a member is there only when the text has it. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: JsonValue | undefined;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isJsonArray(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

export function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((member) => typeof member === 'string');
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const BLANK = /[\t\n\r ]*/y;
const WORDS: readonly (readonly [string, JsonValue])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
];

/** Leaves the scanner; never leaves this file. */
class Unreadable extends Error {}

/**
 * Reads JSON two readers cannot understand differently: fatal UTF-8 without a byte order mark, no member twice (also not
 * spelled with escapes), no `__proto__`, no lone surrogate, no number beyond a double, no more than `maxDepth` arrays and
 * objects inside each other. Answers undefined for everything else. Does not bound the bytes: the caller has.
 */
export function decodeStrictJson(bytes: Uint8Array, maxDepth: number): JsonValue | undefined {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined; // Not UTF-8.
  }
  try {
    return readDocument(text, maxDepth);
  } catch (error) {
    if (error instanceof Unreadable || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function readDocument(text: string, maxDepth: number): JsonValue {
  let at = 0;

  const match = (pattern: RegExp): string | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0] ?? null;
    at += found?.length ?? 0;
    return found;
  };
  const take = (mark: string): boolean => {
    match(BLANK);
    if (text[at] !== mark) return false;
    at++;
    return true;
  };
  const expect = (mark: string): void => {
    if (!take(mark)) throw new Unreadable();
  };

  const readText = (): string => {
    const start = at;
    for (at++; text[at] !== '"'; at++) {
      if (text[at] === '\\') at++;
      if (at >= text.length) throw new Unreadable();
    }
    at++;
    // Escapes and control characters are the platform's to judge: JSON.parse is strict about both.
    const value: unknown = JSON.parse(text.slice(start, at));
    if (typeof value !== 'string' || !value.isWellFormed()) throw new Unreadable();
    return value;
  };

  const readObject = (depth: number): JsonObject => {
    const members: { [name: string]: JsonValue } = Object.create(null);
    if (take('}')) return members;
    do {
      match(BLANK);
      if (text[at] !== '"') throw new Unreadable();
      const name = readText();
      if (name === '__proto__' || name in members) throw new Unreadable();
      expect(':');
      members[name] = readValue(depth);
    } while (take(','));
    expect('}');
    return members;
  };

  const readArray = (depth: number): JsonValue[] => {
    const members: JsonValue[] = [];
    if (take(']')) return members;
    do {
      members.push(readValue(depth));
    } while (take(','));
    expect(']');
    return members;
  };

  const readValue = (depth: number): JsonValue => {
    match(BLANK);
    const mark = text[at];
    if (mark === '"') return readText();
    if (mark === '{' || mark === '[') {
      if (depth >= maxDepth) throw new Unreadable();
      at++;
      return mark === '{' ? readObject(depth + 1) : readArray(depth + 1);
    }
    for (const [word, value] of WORDS)
      if (text.startsWith(word, at)) {
        at += word.length;
        return value;
      }
    const number = Number(match(NUMBER) ?? Number.NaN);
    if (!Number.isFinite(number)) throw new Unreadable();
    return number;
  };

  const value = readValue(0);
  match(BLANK);
  if (at !== text.length) throw new Unreadable();
  return value;
}
