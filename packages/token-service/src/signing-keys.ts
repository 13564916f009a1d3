import { createHash, generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import type { Environment } from '@civex/environment';
import type { JWK } from 'jose';
import type { KeyRecord, TokenStorage } from './storage.ts';

/** Tolerance of others towards our clock, milliseconds: hubs allow 30 s, and so much again. */
const SKEW_MS = 60_000;

export interface PublicKeys {
  readonly keys: readonly JWK[];
}

export interface SigningKeys {
  /** The key that signs at this moment. */
  current(): Promise<KeyRecord>;
  /** What others verify with: the signing key, those before it whose tokens may still be valid, and the next one. */
  published(): Promise<PublicKeys>;
  rotate(): Promise<void>;
}

const generate = promisify(generateKeyPair);

async function createKey(signsFromEpochMs: number): Promise<KeyRecord> {
  const { privateKey } = await generate('ec', { namedCurve: 'P-256' });
  const { crv, x, y, d } = privateKey.export({ format: 'jwk' });
  if (crv === undefined || x === undefined || y === undefined || d === undefined) throw new TypeError('no P-256 key');
  // RFC 7638: the members in this order.
  const kid = createHash('sha256')
    .update(JSON.stringify({ crv, kty: 'EC', x, y }))
    .digest('base64url');
  return { kid, privateKey: { kty: 'EC', crv, x, y, d, kid, alg: 'ES256', use: 'sig' }, signsFromEpochMs };
}

function publicPart({ kid, privateKey }: KeyRecord): JWK {
  const { crv, x, y } = privateKey;
  if (crv === undefined || x === undefined || y === undefined) throw new TypeError('not a P-256 key');
  return { kty: 'EC', crv, x, y, kid, alg: 'ES256', use: 'sig' };
}

/** Oldest first; two of one moment by their ids, so that every process has the same order. */
const inOrder = (keys: readonly KeyRecord[]): readonly KeyRecord[] =>
  keys.toSorted((a, b) => a.signsFromEpochMs - b.signsFromEpochMs || (a.kid < b.kid ? -1 : 1));

/**
 * @param tokenSeconds Longest life of a token.
 * @param overlapSeconds How long a new key is published before it signs.
 */
export function createSigningKeys(
  storage: TokenStorage,
  environment: Pick<Environment, 'now'>,
  tokenSeconds: number,
  overlapSeconds: number,
): SigningKeys {
  /** A key is of no use once the tokens signed before its successor began have ended. */
  const isOver = (keys: readonly KeyRecord[], index: number, now: number): boolean => {
    const next = keys[index + 1];
    return next !== undefined && next.signsFromEpochMs + tokenSeconds * 1000 + SKEW_MS <= now;
  };
  const list = async (): Promise<readonly KeyRecord[]> => {
    const now = environment.now();
    const keys = inOrder(await storage.listKeys());
    if (keys.some((key) => key.signsFromEpochMs <= now)) return keys;
    // Of two processes that begin at once both add one: both are published, the later one signs.
    const key = await createKey(now);
    await storage.addKey(key);
    return inOrder([...keys, key]);
  };
  return {
    async current() {
      const now = environment.now();
      const keys = await list();
      const key = keys.findLast((one) => one.signsFromEpochMs <= now) ?? keys[0];
      if (key === undefined) throw new TypeError('no signing key');
      return key;
    },
    async published() {
      const now = environment.now();
      const keys = await list();
      return { keys: keys.filter((_, index) => !isOver(keys, index, now)).map(publicPart) };
    },
    async rotate() {
      const now = environment.now();
      const keys = await list();
      const over = keys.filter((_, index) => isOver(keys, index, now)).map(({ kid }) => kid);
      if (over.length > 0) await storage.removeKeys(over);
      // One that waits already is the next one.
      if (keys.some((key) => key.signsFromEpochMs > now)) return;
      await storage.addKey(await createKey(now + overlapSeconds * 1000));
    },
  };
}
