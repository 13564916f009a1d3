/** Levels of arrays and objects. A filter of the greatest depth has fewer. */
const DEEPEST = 64;

function writeText(text: string): string {
  if (!text.isWellFormed()) throw new TypeError('canonical JSON holds no lone surrogates');
  return JSON.stringify(text);
}

function write(value: unknown, depth: number): string {
  if (depth > DEEPEST) throw new TypeError(`canonical JSON of more than ${DEEPEST} levels`);
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return writeText(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError('canonical JSON holds finite numbers only');
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${Array.from(value, (entry) => write(entry, depth + 1)).join(',')}]`;
  if (typeof value !== 'object') throw new TypeError(`canonical JSON holds no ${typeof value}`);
  const members = Object.entries(value)
    // The order of RFC 8785 section 3.2.3 is that of UTF-16 code units, as `<` compares.
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => `${writeText(name)}:${write(member, depth + 1)}`);
  return `{${members.join(',')}}`;
}

/**
 * JSON with one spelling for one value: RFC 8785 (JCS).
 *
 * @throws TypeError for what JSON cannot say (undefined, bigint, NaN, functions, lone surrogates) and for more than 64
 * levels.
 */
export const toCanonicalJson = (value: unknown): string => write(value, 0);
