export interface Random {
  /** From 0 up to but not including 1. */
  next(): number;
  /** A whole number from `low` to `high`, both included. */
  int(low: number, high: number): number;
  pick<T>(values: readonly T[]): T;
  chance(probability: number): boolean;
}

/** The entry at an index that is known to exist. */
export function entryAt<T>(values: readonly T[], index: number): T {
  if (index < 0 || index >= values.length) throw new RangeError(`no entry ${index} in a list of ${values.length}`);
  // Within the bounds an entry is a T, even where T includes undefined.
  return values[index] as T;
}

/** A small deterministic generator (mulberry32): the same seed gives the same sample data on every machine. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  const int = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  return {
    next,
    int,
    pick: (values) => entryAt(values, int(0, values.length - 1)),
    chance: (probability) => next() < probability,
  };
}

/** A stable 32-bit digest of a text (FNV-1a), for made-up identifiers. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** A UUID made from a text: the same text always gives the same one. */
export function uuidFrom(text: string): string {
  const random = createRandom(hashText(text));
  const hex = Array.from({ length: 32 }, () => random.int(0, 15).toString(16));
  hex[12] = '4';
  hex[16] = '89ab'.charAt(random.int(0, 3));
  const all = hex.join('');
  return `${all.slice(0, 8)}-${all.slice(8, 12)}-${all.slice(12, 16)}-${all.slice(16, 20)}-${all.slice(20)}`;
}
