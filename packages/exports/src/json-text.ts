import type { RecordValue } from '@civex/model';
import { malformed } from './malformed.ts';

/** Levels of lists and objects inside one value; the readers of portal answers have the same bound. */
const MAX_DEPTH = 64;

/** @throws HubError `SOURCE_MALFORMED` for infinities, which is what a number like 1e999 is read as. */
export function assertFinite(value: number): number {
  if (!Number.isFinite(value)) throw malformed('A number of this dataset is too large to be carried exactly.');
  return value;
}

/**
 * The value, or a copy of it, that `JSON.stringify` writes as the hub's GraphQL answers it: big integers are strings of
 * digits, because most readers round JSON numbers beyond 2^53. What needs no change is not copied.
 *
 * @throws HubError `SOURCE_MALFORMED` for numbers that are not finite and for nesting deeper than 64 levels.
 */
export function toJsonSafe(value: RecordValue, depth = 0): RecordValue {
  if (typeof value === 'number') return assertFinite(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= MAX_DEPTH) throw malformed(`A value of this dataset is nested deeper than ${MAX_DEPTH} levels.`);
  if (Array.isArray(value)) {
    for (const part of value as readonly RecordValue[])
      if (toJsonSafe(part, depth + 1) !== part) return value.map((each: RecordValue) => toJsonSafe(each, depth + 1));
    return value;
  }
  const members = value as { readonly [key: string]: RecordValue };
  for (const key in members)
    if (toJsonSafe(members[key] ?? null, depth + 1) !== members[key])
      // `fromEntries` defines own members, so a portal's `__proto__` stays a name like any other.
      return Object.fromEntries(Object.entries(members).map(([name, part]) => [name, toJsonSafe(part, depth + 1)]));
  return value;
}

/** A value as JSON on one line. Half a surrogate pair becomes an escape, as in the portal's own answer. */
export const jsonText = (value: RecordValue): string => JSON.stringify(toJsonSafe(value));

/** Ends of lines for readers that go by Unicode. JSON allows them in strings, and nowhere else. */
const LINE_ENDS = ['\x85', '\u2028', '\u2029'] as const;

/** The same JSON without line ends but LF, so that every reader of lines sees the same lines. */
export function escapeLineEnds(json: string): string {
  let text = json;
  for (const end of LINE_ENDS)
    if (text.includes(end)) text = text.replaceAll(end, `\\u${end.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return text;
}
