import type { Dataset } from '@civex/model';

/*
 * A dataset object is immutable and stays the same while its portal says the same, so what one selection makes of it is
 * made once, and so is its JSON text. Only for selections that depend on nothing but the dataset itself.
 */

/** Selections remembered of one dataset. */
const MAX_SELECTIONS = 8;

const projections = new WeakMap<Dataset, Map<object, object>>();
/** Text of a projection; empty until it is first written. */
const texts = new WeakMap<object, string>();
/** Answers in which projections stand, directly or below. */
const answers = new WeakSet<object>();

/** What `selection` made of the dataset before. Callers must not change it. */
export function recallProjection(dataset: Dataset, selection: object): object | undefined {
  return projections.get(dataset)?.get(selection);
}

/** Keeps what `selection` made of the dataset. Only for what was made whole: an error left behind has to be told again. */
export function rememberProjection(dataset: Dataset, selection: object, made: object): void {
  let known = projections.get(dataset);
  if (known === undefined) projections.set(dataset, (known = new Map()));
  if (known.size >= MAX_SELECTIONS) {
    const [oldest] = known.keys();
    if (oldest !== undefined) known.delete(oldest);
  }
  known.set(selection, made);
  texts.set(made, '');
}

/** Tells `stringify` that projections stand in this answer. */
export function markProjected(data: object): void {
  answers.add(data);
}

function write(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const text = texts.get(value);
  if (text !== undefined) {
    if (text !== '') return text;
    const made = JSON.stringify(value);
    texts.set(value, made);
    return made;
  }
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`;
  let out = '';
  for (const [key, part] of Object.entries(value))
    if (part !== undefined) out += `${out === '' ? '' : ','}${JSON.stringify(key)}:${write(part)}`;
  return `{${out}}`;
}

/** What a value is reckoned to be as text, in characters; looks no further than `limit`. */
function weigh(value: unknown, limit: number): number {
  if (typeof value === 'string') return value.length + 2;
  if (typeof value !== 'object' || value === null) return 8;
  const text = texts.get(value);
  if (text !== undefined && text !== '') return text.length;
  let weight = 2;
  if (Array.isArray(value))
    for (let at = 0; at < value.length && weight <= limit; at++) weight += weigh(value[at], limit - weight) + 1; // prettier-ignore
  else
    for (const key in value) {
      if (weight > limit) break;
      weight += key.length + 4 + weigh((value as Readonly<Record<string, unknown>>)[key], limit - weight);
    }
  return weight;
}

/** Characters that are written in one go. */
const PIECE = 65_536;

function* inPieces(value: unknown, writeOne: (value: unknown) => string): Generator<string> {
  if (typeof value !== 'object' || value === null || weigh(value, PIECE) <= PIECE) {
    yield writeOne(value);
    return;
  }
  const isList = Array.isArray(value);
  let open = isList ? '[' : '{';
  for (const [key, part] of isList ? value.entries() : Object.entries(value)) {
    if (!isList && part === undefined) continue;
    yield isList ? open : `${open}${JSON.stringify(key)}:`;
    open = ',';
    yield* inPieces(part, writeOne);
  }
  if (open !== ',') yield open;
  yield isList ? ']' : '}';
}

/**
 * `JSON.stringify` for the data of an answer, with the texts of projections put in as they are: whole when it is small,
 * else in pieces, each made when it is asked for.
 */
export function stringifyData(data: unknown): string | Iterable<string> {
  const isProjected = typeof data === 'object' && data !== null && answers.has(data);
  const writeOne = isProjected ? write : (value: unknown): string => JSON.stringify(value) ?? 'null';
  return weigh(data, PIECE) <= PIECE ? writeOne(data) : inPieces(data, writeOne);
}
