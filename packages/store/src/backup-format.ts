import { createHash } from 'node:crypto';
import { HubError } from '@civex/errors';

export const FORMAT = 'civex-backup';
export const FORMAT_VERSION = 1;
/** A longer line is refused: 256 MiB, a quarter of what PostgreSQL takes for one value. */
const MAX_LINE_BYTES = 256 * 1024 * 1024;
const LINE_FEED = 0x0a;

export interface Column {
  readonly name: string;
  /** As PostgreSQL writes it: `numeric(10,2)`, `text[]`. */
  readonly type: string;
}

export interface Header {
  readonly format: typeof FORMAT;
  readonly version: typeof FORMAT_VERSION;
  /** ISO 8601, UTC. */
  readonly madeAt: string;
  readonly migrations: readonly (readonly [name: string, hash: string])[];
  readonly tables: readonly { readonly name: string; readonly columns: readonly Column[] }[];
}

export interface Sequences {
  readonly sequences: readonly (readonly [name: string, value: string, isCalled: boolean])[];
}

export interface Trailer {
  readonly rows: Readonly<Record<string, number>>;
  /** Of every byte before this line, hexadecimal. */
  readonly sha256: string;
}

export type Entry =
  | { readonly kind: 'header'; readonly header: Header }
  | { readonly kind: 'section'; readonly table: string }
  | { readonly kind: 'row'; readonly line: string; readonly width: number }
  | { readonly kind: 'sequences'; readonly sequences: Sequences['sequences'] }
  /** Checked: the hash is that of the bytes read. */
  | { readonly kind: 'trailer'; readonly rows: Trailer['rows'] };

export const damaged = (cause?: unknown): HubError =>
  new HubError('INPUT_INVALID', 'The backup is cut short or was changed. Nothing was restored.', {}, cause);

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function toEntry(line: Buffer, digest: () => string): Entry {
  const text = line.toString('utf8');
  const value: unknown = JSON.parse(text);
  if (Array.isArray(value)) {
    if (!value.every((cell) => cell === null || typeof cell === 'string')) throw damaged();
    return { kind: 'row', line: text, width: value.length };
  }
  if (!isObject(value)) throw damaged();
  if (value['format'] === FORMAT) {
    if (value['version'] !== FORMAT_VERSION) {
      throw new HubError(
        'INPUT_INVALID',
        'The backup was made by another version of the hub, in a form not known here.',
      );
    }
    if (!Array.isArray(value['migrations']) || !Array.isArray(value['tables'])) throw damaged();
    // Only compared with what the database has, member by member; never used by itself.
    return { kind: 'header', header: value as unknown as Header };
  }
  if (typeof value['table'] === 'string') return { kind: 'section', table: value['table'] };
  if (Array.isArray(value['sequences'])) {
    const sequences: unknown[] = value['sequences'];
    const isRight = (each: unknown): each is [string, string, boolean] =>
      Array.isArray(each) && typeof each[0] === 'string' && typeof each[1] === 'string' && typeof each[2] === 'boolean';
    if (!sequences.every(isRight)) throw damaged();
    return { kind: 'sequences', sequences };
  }
  const rows = value['rows'];
  if (!isObject(rows) || value['sha256'] !== digest()) throw damaged();
  if (!Object.values(rows).every((count) => Number.isSafeInteger(count))) throw damaged();
  return { kind: 'trailer', rows: rows as Trailer['rows'] };
}

/**
 * The lines of a backup, checked one by one; nothing may follow the trailer. Whoever reads must see the trailer before
 * believing anything.
 * @throws {HubError} INPUT_INVALID when the bytes are not those that were written.
 */
export async function* readEntries(source: AsyncIterable<Buffer>): AsyncGenerator<Entry> {
  const hash = createHash('sha256');
  const digest = (): string => hash.copy().digest('hex');
  let parts: Buffer[] = [];
  let size = 0;
  let isOver = false;
  for await (const chunk of source) {
    let rest = chunk;
    for (;;) {
      if (rest.length > 0 && isOver) throw damaged();
      const end = rest.indexOf(LINE_FEED);
      const part = end === -1 ? rest : rest.subarray(0, end);
      parts.push(part);
      size += part.length;
      if (size > MAX_LINE_BYTES) throw new HubError('INPUT_INVALID', 'A line of the backup is longer than 256 MiB.');
      if (end === -1) break;
      rest = rest.subarray(end + 1);
      const line = Buffer.concat(parts);
      parts = [];
      size = 0;
      let entry: Entry;
      try {
        entry = toEntry(line, digest);
      } catch (error) {
        throw error instanceof HubError ? error : damaged(error);
      }
      hash.update(line).update('\n');
      isOver = entry.kind === 'trailer';
      yield entry;
    }
  }
  if (!isOver) throw damaged();
}
