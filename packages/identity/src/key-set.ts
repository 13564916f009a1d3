import type { Algorithm } from './algorithms.ts';
import { readPublicKey, type VerificationKey } from './public-key.ts';
import { decodeStrictJson, isJsonArray, isJsonObject, type JsonObject } from './strict-json.ts';

/** Bounds on a published key set. */
export const MAX_KEY_SET_BYTES = 262_144;
const MAX_KEYS = 50;
const MAX_DEPTH = 8;
const KEY_ID = /^[^\p{C}]{1,128}$/u;

/** A name of a key as tokens and key sets may spell it: 1 to 128 characters, none of them invisible. */
export function isKeyId(value: unknown): value is string {
  return typeof value === 'string' && KEY_ID.test(value);
}

export interface KeySet {
  /** By `kid`. Keys without one are never used. */
  readonly keys: ReadonlyMap<string, VerificationKey>;
  /** Keys of the document that are not used. */
  readonly skipped: number;
  /** Public members of keys whose private half was published: no key set may use them any more. */
  readonly exposed: readonly string[];
}

/**
 * Reads a JSON Web Key Set (RFC 7517). A key that is not fit is skipped, and so are all keys that share a `kid`. Null when
 * the document as a whole is not to be believed: over 256 KiB, not strict JSON, over 50 keys.
 */
export async function readKeySet(bytes: Uint8Array, allowed: readonly Algorithm[]): Promise<KeySet | null> {
  if (bytes.byteLength > MAX_KEY_SET_BYTES) return null;
  const document = decodeStrictJson(bytes, MAX_DEPTH);
  const members = isJsonObject(document) ? document['keys'] : undefined;
  if (!isJsonArray(members) || members.length > MAX_KEYS) return null;
  const keys = new Map<string, VerificationKey>();
  const seen = new Set<string>();
  const exposed: string[] = [];
  for (const member of members) {
    if (!isJsonObject(member)) continue;
    const kid = member['kid'];
    const key = await readPublicKey(member, allowed);
    if (key === 'PRIVATE') {
      const half = await readPublicKey(withoutPrivateHalf(member), allowed);
      if (typeof half !== 'string') exposed.push(half.thumbprint);
    }
    if (!isKeyId(kid)) continue;
    if (seen.has(kid)) keys.delete(kid);
    else if (typeof key !== 'string') keys.set(kid, key);
    seen.add(kid);
  }
  for (const [kid, key] of keys) if (exposed.includes(key.thumbprint)) keys.delete(kid);
  return { keys, skipped: members.length - keys.size, exposed };
}

function withoutPrivateHalf({ kty, crv, x, y, n, e }: JsonObject): JsonObject {
  return { kty, crv, x, y, n, e };
}
