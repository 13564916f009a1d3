/** `JSON.rawJSON` is in Node 22 and later; the library typings do not know it. */
const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => unknown };

const bigintAsDigits = (_key: string, value: unknown): unknown =>
  typeof value === 'bigint' ? rawJSON(value.toString()) : value;

/** JSON in which a bigint is written as its exact digits, as portals write their 64-bit integers. */
export function toJsonText(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return JSON.stringify(value, bigintAsDigits);
  }
}

/** A scalar as the text a facet or a word search sees; anything else as JSON. Null is the empty text. */
export function toPlainText(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return value;
  return typeof value === 'object' ? toJsonText(value) : String(value as number | bigint | boolean);
}

/** Parses JSON as portals written in Python do: whole numbers beyond 2^53 stay exact, as bigint. */
export function parseExactJson(text: string): unknown {
  // The third argument is in Node 22 and later; the library typings do not know it.
  const reviver = (_key: string, value: unknown, context?: { readonly source?: string }): unknown =>
    typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? '')
      ? BigInt(context?.source ?? value)
      : value;
  return JSON.parse(text, reviver);
}
