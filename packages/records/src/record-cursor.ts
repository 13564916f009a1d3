import type { HubRecord, RecordValue } from '@civex/model';
import type { SortKey } from '@civex/query';
import { compareValues } from '@civex/query';
import { digest } from './digest.ts';

/** Characters of a cursor, sealed. Longer ones are refused unread. */
export const MAX_CURSOR_LENGTH = 4_096;

/** Characters of a cursor before it is sealed; the rest of the 4,096 is for base64url and a seal of up to 300. */
const MAX_PLAIN_LENGTH = 2_800;

/** Turns the hub's own text into what callers hold, and back. */
export interface CursorSeal {
  /** May add a third to the length and 300 characters. */
  seal(plain: string): string;
  /** @returns null for anything `seal` did not produce. Never throws. */
  unseal(cursor: string): string | null;
}

/** Encodes and proves nothing: whoever reads a cursor sees the sort values of one record they were given. */
export const PLAIN_SEAL: CursorSeal = {
  seal: (plain) => Buffer.from(plain).toString('base64url'),
  unseal(cursor) {
    if (!/^[A-Za-z0-9_-]+$/.test(cursor)) return null;
    return Buffer.from(cursor, 'base64url').toString();
  },
};

/** A sort value as JSON: big integers tagged, values that sort with the nulls as null. */
type KeyPart = null | boolean | number | string | { readonly i: string };

/** Where a page of a scan begins: behind these sort values and this id, or behind the record with this digest. */
export type ScanPosition =
  | { readonly kind: 'key'; readonly record: HubRecord }
  | { readonly kind: 'digest'; readonly digest: string };

/**
 * Names the last record before a page of a window: by its id under a unique order, or, where the source's order leaves
 * neighbours free to change places, by the values it is ordered by (a record without id). By a digest of either when
 * that is too long.
 */
export type WindowAnchor =
  | { readonly kind: 'digest'; readonly digest: string }
  | { readonly kind: 'id'; readonly id: string }
  | { readonly kind: 'key'; readonly record: HubRecord };

export type CursorPlace =
  /** `offset` records lie before the page. */
  | { readonly mode: 'window'; readonly offset: number; readonly anchor: WindowAnchor }
  | { readonly mode: 'scan'; readonly position: ScanPosition };

/** Lists and objects have no order and become null. */
const toKeyPart = (value: RecordValue | undefined): KeyPart => {
  if (typeof value === 'bigint') return { i: value.toString() };
  return typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string' ? value : null;
};

const INTEGER = /^-?\d{1,40}$/;

/** @returns undefined for what `toKeyPart` does not write. */
function fromKeyPart(part: unknown): RecordValue | undefined {
  if (part === null || typeof part === 'boolean' || typeof part === 'number' || typeof part === 'string') return part;
  if (typeof part !== 'object' || !('i' in part)) return undefined;
  return typeof part.i === 'string' && INTEGER.test(part.i) ? BigInt(part.i) : undefined;
}

const keyParts = (record: HubRecord, sort: readonly SortKey[]): readonly KeyPart[] =>
  sort.map(({ property, type }) => {
    const value = record.values[property];
    // What is not comparable sorts with the nulls, so null stands for it.
    return compareValues(value, value, type) === null ? null : toKeyPart(value);
  });

/** Names one record of a scan when its sort values are too long for a cursor. */
export function scanDigest(record: HubRecord, sort: readonly SortKey[]): string {
  return digest(['record', record.id, keyParts(record, sort)]);
}

/** Names one record of a window under a unique order. */
export function idDigest(id: string): string {
  return digest(['id', id]);
}

/** Names one record of a window by what the source orders by. */
export function orderDigest(record: HubRecord): string {
  return digest(['order', Object.entries(record.values).map(([property, value]) => [property, toKeyPart(value)])]);
}

/** @returns null unless every entry is a name and a key part. */
function fromEntries(id: string, entries: readonly unknown[]): HubRecord | null {
  const values: [string, RecordValue][] = [];
  for (const entry of entries) {
    const [property, part]: readonly unknown[] = Array.isArray(entry) ? entry : [];
    const value = fromKeyPart(part);
    if (typeof property !== 'string' || value === undefined) return null;
    values.push([property, value]);
  }
  return { id, values: Object.fromEntries(values) };
}

/** Writes and reads cursors of one question. `question` is a digest of dataset, filter and sort. */
export interface CursorCodec {
  window(offset: number, anchor: WindowAnchor): string;
  scan(record: HubRecord): string;
  /** @returns null for anything this codec did not write: forged, cut, or of another question. Never throws. */
  read(cursor: string): CursorPlace | null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // Not JSON: no cursor of ours. Anything but a syntax error would be a fault of this file.
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

export function createCursorCodec(question: string, sort: readonly SortKey[], seal: CursorSeal): CursorCodec {
  const write = (fields: object): string => JSON.stringify({ v: 1, q: question, ...fields });
  /** What is too long for a cursor is named by a digest. Bytes count, because base64url grows by bytes. */
  const sealShort = (fields: object, toDigest: () => object): string => {
    const plain = write(fields);
    return seal.seal(Buffer.byteLength(plain) <= MAX_PLAIN_LENGTH ? plain : write(toDigest()));
  };
  return {
    window(offset, anchor) {
      if (anchor.kind === 'digest') return seal.seal(write({ m: 'w', o: offset, a: anchor.digest }));
      if (anchor.kind === 'id')
        return sealShort({ m: 'w', o: offset, i: anchor.id }, () => ({ m: 'w', o: offset, a: idDigest(anchor.id) }));
      const k = Object.entries(anchor.record.values).map(([property, value]) => [property, toKeyPart(value)]);
      return sealShort({ m: 'w', o: offset, k }, () => ({ m: 'w', o: offset, a: orderDigest(anchor.record) }));
    },
    scan: (record) =>
      sealShort({ m: 's', k: keyParts(record, sort), i: record.id }, () => ({ m: 's', d: scanDigest(record, sort) })),
    read(cursor) {
      if (cursor.length > MAX_CURSOR_LENGTH) return null;
      const plain = seal.unseal(cursor);
      const value = plain === null ? null : parseJson(plain);
      if (typeof value !== 'object' || value === null) return null;
      // Read-only look at unknown members; each is checked before use.
      const { v, q, m, o, a, k, i, d } = value as Readonly<Record<string, unknown>>;
      if (v !== 1 || q !== question) return null;
      if (m === 'w') {
        if (typeof o !== 'number' || !Number.isSafeInteger(o) || o < 1) return null;
        if (typeof a === 'string') return { mode: 'window', offset: o, anchor: { kind: 'digest', digest: a } };
        if (typeof i === 'string') return { mode: 'window', offset: o, anchor: { kind: 'id', id: i } };
        const record = Array.isArray(k) ? fromEntries('', k) : null;
        return record === null ? null : { mode: 'window', offset: o, anchor: { kind: 'key', record } };
      }
      if (m !== 's') return null;
      if (typeof d === 'string') return { mode: 'scan', position: { kind: 'digest', digest: d } };
      if (typeof i !== 'string' || !Array.isArray(k) || k.length !== sort.length) return null;
      const record = fromEntries(
        i,
        sort.map(({ property }, index) => [property, k[index]]),
      );
      return record === null ? null : { mode: 'scan', position: { kind: 'key', record } };
    },
  };
}
