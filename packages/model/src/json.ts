/** Levels of arrays and objects. Portal answers have ten at most; deeper ones are an attack on whoever walks them. */
const DEEPEST = 64;
/** Digits of one integer. Longer ones cost quadratic time and mean nothing. */
const MOST_DIGITS = 400;

/**
 * UTF-8 to text, without a leading byte order mark.
 *
 * @throws TypeError for bytes that are not UTF-8.
 */
export function decodeUtf8(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Before parsing, because the parser's own recursion is what a deep text attacks. */
function assertShallow(text: string): void {
  // One record without lists and objects in it: what most texts are.
  if (!text.includes('{', 1) && !text.includes('[', 1)) return;
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case QUOTE: {
        // To the closing quote: one with an even number of backslashes before it.
        for (;;) {
          i = text.indexOf('"', i + 1);
          if (i < 0) return;
          let slashes = 0;
          while (text.charCodeAt(i - 1 - slashes) === BACKSLASH) slashes++;
          if (slashes % 2 === 0) break;
        }
        break;
      }
      case 0x5b:
      case 0x7b:
        if (++depth > DEEPEST) throw new SyntaxError(`JSON nested deeper than ${DEEPEST} levels`);
        break;
      case 0x5d:
      case 0x7d:
        depth--;
        break;
      default:
    }
  }
}

const INTEGER = /^-?\d+$/;

/** TypeScript's library does not know the reviver's third argument yet. */
type SourceReviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;

const reviveBigInt: SourceReviver = (_key, value, { source }) => {
  if (typeof value !== 'number' || Number.isSafeInteger(value) || source === undefined || !INTEGER.test(source))
    return value;
  if (source.length > MOST_DIGITS) throw new SyntaxError(`JSON integer longer than ${MOST_DIGITS} digits`);
  return BigInt(source);
};

/** A member under one of these names that is a number a double may not hold becomes its text. */
const reviveDecimals =
  (names: ReadonlySet<string>): SourceReviver =>
  (key, value, context) => {
    const { source } = context;
    const isDecimal = typeof value === 'number' && source !== undefined && !INTEGER.test(source) && names.has(key);
    return isDecimal && String(value) !== source ? source : reviveBigInt(key, value, context);
  };

const parseWith = (text: string, reviver: SourceReviver): unknown =>
  JSON.parse(text, reviver as Parameters<typeof JSON.parse>[1]);

/** True when a number may have lost digits as a double: an integer beyond 2^53, or one too large for any double. */
function holdsUnsafe(value: unknown): boolean {
  if (typeof value === 'number') return value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER;
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) {
    for (const part of value) if (holdsUnsafe(part)) return true;
    return false;
  }
  const members = value as Readonly<Record<string, unknown>>;
  for (const key in members) if (holdsUnsafe(members[key])) return true;
  return false;
}

const NO_NAMES: ReadonlySet<string> = new Set();

/**
 * JSON.parse that keeps integers beyond 2^53 exact, as `bigint`. Numbers with a fraction or an exponent stay numbers.
 * A key `__proto__` becomes an own property, as in JSON.parse; no prototype is ever touched. A leading byte order mark is
 * skipped. Takes text or UTF-8 bytes.
 *
 * Numbers with a fraction that are the member `decimals` names, at any depth, become their text as it is written, unless
 * that is how a double is written: for columns that hold more digits than doubles do. (Such columns write no exponents.)
 *
 * @throws SyntaxError for anything that is not JSON or not UTF-8, nests deeper than 64 levels, or has an integer of more
 * than 400 digits. Its message never quotes the text; the parser's own is in `cause`.
 */
export function parseJsonLossless(
  input: string | Uint8Array,
  { decimals = NO_NAMES }: { readonly decimals?: ReadonlySet<string> } = {},
): unknown {
  let text: string;
  try {
    text = typeof input === 'string' ? input : decodeUtf8(input);
  } catch (cause) {
    throw new SyntaxError('not UTF-8', { cause });
  }
  if (text.startsWith('\uFEFF')) text = text.slice(1);
  assertShallow(text);
  try {
    // Doubles hold every number of 15 digits: only a longer run can be one they do not.
    if (decimals.size > 0 && /[\d.]{16}/.test(text)) return parseWith(text, reviveDecimals(decimals));
    const value: unknown = JSON.parse(text);
    // A second reading costs more than looking at what the first one found; few texts need it.
    return holdsUnsafe(value) ? parseWith(text, reviveBigInt) : value;
  } catch (cause) {
    if (cause instanceof SyntaxError && cause.message.startsWith('JSON integer')) throw cause;
    throw new SyntaxError('not JSON', { cause });
  }
}
