import { createHash } from 'node:crypto';
import { HubError } from '@civex/errors';
import type { CursorSeal } from '@civex/records';

/** What a cursor of `datasets` holds: the question it belongs to and where each source stands. */
export type Positions = Readonly<Record<string, string>>;

const MAX_LENGTH = 200_000;

/** Identifies a question, so that a cursor cannot be used for another one. */
export function digestQuestion(question: unknown): string {
  return createHash('sha256').update(JSON.stringify(question)).digest('base64url').slice(0, 16);
}

export function encodePageCursor(digest: string, positions: Positions, seal: CursorSeal): string {
  return seal.seal(JSON.stringify([1, digest, positions]));
}

/** @throws HubError `INPUT_INVALID` for anything that is not a cursor of this very question. */
export function decodePageCursor(cursor: string, digest: string, seal: CursorSeal): Positions {
  const refuse = (): never => {
    throw new HubError('INPUT_INVALID', 'after: this cursor was not issued for this question.');
  };
  if (cursor.length > MAX_LENGTH) return refuse();
  const plain = seal.unseal(cursor);
  if (plain === null) return refuse();
  let value: unknown;
  try {
    value = JSON.parse(plain);
  } catch (cause) {
    if (cause instanceof SyntaxError) return refuse();
    throw cause;
  }
  if (!Array.isArray(value) || value.length !== 3 || value[0] !== 1 || value[1] !== digest) return refuse();
  const positions: unknown = value[2];
  if (typeof positions !== 'object' || positions === null || Array.isArray(positions)) return refuse();
  const checked: Record<string, string> = {};
  for (const [source, position] of Object.entries(positions)) {
    if (typeof position !== 'string') return refuse();
    checked[source] = position;
  }
  return checked;
}
