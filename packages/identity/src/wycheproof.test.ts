import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ALGORITHMS } from './algorithms.ts';
import { decodeCompactJws } from './compact-jws.ts';
import { isSignedBy, readPublicKey } from './public-key.ts';
import { decodeStrictJson, isJsonObject } from './strict-json.ts';

const CORPUS = new URL('../../../../shared/corpora/jwt/', import.meta.url);
const isThere = existsSync(CORPUS);
const readFile = <Shape>(name: string): Shape => JSON.parse(readFileSync(new URL(name, CORPUS), 'utf8')) as Shape;

interface Vector {
  readonly tcId: number;
  readonly result: 'valid' | 'invalid' | 'acceptable';
}
interface JwsGroup {
  readonly public?: unknown;
  readonly tests: readonly (Vector & { readonly jws: unknown; readonly comment: string })[];
}
interface PrimitiveGroup {
  readonly publicKeyJwk?: Record<string, string>;
  readonly publicKey: { readonly wx?: string; readonly wy?: string };
  readonly keyJwk?: Record<string, string>;
  readonly tests: readonly (Vector & { readonly msg: string; readonly sig: string })[];
}

/** Vectors that call themselves valid and are refused, with the reason. Anything else refused or accepted is a fault. */
const REFUSED_VALID: ReadonlyMap<number, string> = new Map([
  ...[1, 348, 352, 357, 358, 359, 376, 377].map((id) => [id, 'HMAC'] as const),
  ...[346, 350].map((id) => [id, 'the key is pinned to another algorithm than the header names'] as const),
  ...[347, 351].map((id) => [id, 'the key is pinned to ES521, which is no algorithm'] as const),
  ...[372, 373].map((id) => [id, 'characters outside base64url, under HMAC besides'] as const),
]);

async function isAccepted(jwk: unknown, token: unknown): Promise<boolean> {
  const strict = decodeStrictJson(Buffer.from(JSON.stringify(jwk) ?? ''), 8);
  const jws = typeof token === 'string' ? decodeCompactJws(token, ['alg', 'typ', 'kid']) : null;
  if (!isJsonObject(strict) || jws === null) return false;
  const algorithm = ALGORITHMS.find((name) => name === jws.header['alg']);
  const key = await readPublicKey(strict, ALGORITHMS);
  return algorithm !== undefined && typeof key !== 'string' && (await isSignedBy(jws, algorithm, key));
}

/** Vectors whose key is refused: the public exponent is 3. */
const REFUSED_KEYS: readonly string[] = ['RS256 258', 'RS256 259'];

/** The key of a group. Those of EC come as numbers, which a JWK spells in full length (RFC 7518, 6.2.1.2). */
function keyOf(group: PrimitiveGroup, crv: string | null, length: number): Readonly<Record<string, string>> {
  const toCoordinate = (hex = ''): string =>
    Buffer.from(hex.replace(/^0+/, '').padStart(length * 2, '0'), 'hex').toString('base64url');
  if (crv === null) return group.publicKeyJwk ?? group.keyJwk ?? {};
  return { kty: 'EC', crv, x: toCoordinate(group.publicKey.wx), y: toCoordinate(group.publicKey.wy) };
}

describe.skipIf(!isThere)('the vectors of Project Wycheproof', () => {
  test('signatures of JOSE: none invalid accepted, the valid ones but the listed accepted', async ({ task }) => {
    const { testGroups } = readFile<{ testGroups: readonly JwsGroup[] }>('json_web_signature_test.public.json');
    const acceptedInvalid: number[] = [];
    const refusedValid: number[] = [];
    let count = 0;
    for (const group of testGroups)
      for (const vector of group.tests) {
        count++;
        const isGood = await isAccepted(group.public, vector.jws);
        if (isGood && vector.result !== 'valid') acceptedInvalid.push(vector.tcId);
        if (!isGood && vector.result === 'valid') refusedValid.push(vector.tcId);
      }
    const unlisted = refusedValid.filter((id) => !REFUSED_VALID.has(id)).length;
    task.meta.figures = [
      {
        point: 12,
        what: 'Wycheproof JWS vectors, invalid ones accepted',
        value: `${acceptedInvalid.length}/${count}`,
        target: '0',
        isMet: acceptedInvalid.length === 0 && count === 401,
      },
      {
        point: 12,
        what: `Wycheproof JWS vectors, valid ones refused beyond the ${REFUSED_VALID.size} listed`,
        value: unlisted,
        target: '0',
        isMet: unlisted === 0,
      },
    ];
    expect(acceptedInvalid).toEqual([]);
    expect(refusedValid).toEqual([...REFUSED_VALID.keys()].toSorted((a, b) => a - b));
  });

  test.each([
    ['ecdsa_secp256r1_sha256_p1363_test', 'ES256', { name: 'ECDSA', hash: 'SHA-256' }, 'P-256', 32],
    ['ecdsa_secp384r1_sha384_p1363_test', 'ES384', { name: 'ECDSA', hash: 'SHA-384' }, 'P-384', 48],
    ['ecdsa_secp521r1_sha512_p1363_test', 'ES512', { name: 'ECDSA', hash: 'SHA-512' }, 'P-521', 66],
    ['ed25519_test', 'EdDSA', { name: 'Ed25519' }, null, 0],
    ['rsa_pss_2048_sha256_mgf1_32_test', 'PS256', { name: 'RSA-PSS', saltLength: 32 }, null, 0],
    ['rsa_signature_2048_sha256_test', 'RS256', { name: 'RSASSA-PKCS1-v1_5' }, null, 0],
  ] as const)(
    'raw signatures of %s are judged right by the keys we read',
    async (name, algorithm, how, crv, length) => {
      const { testGroups } = readFile<{ testGroups: readonly PrimitiveGroup[] }>(`wycheproof-primitives/${name}.json`);
      const wrong: string[] = [];
      const refusedKeys: string[] = [];
      let verified = 0;
      for (const group of testGroups) {
        const jwk = keyOf(group, crv, length);
        const key = await readPublicKey(jwk, [algorithm]);
        const cryptoKey = typeof key === 'string' ? undefined : key.byAlgorithm.get(algorithm);
        for (const { tcId, msg, sig, result } of group.tests) {
          if (cryptoKey === undefined) {
            refusedKeys.push(`${algorithm} ${tcId}`);
            continue;
          }
          verified++;
          const [signature, message] = [Buffer.from(sig, 'hex'), Buffer.from(msg, 'hex')];
          const isGood = await crypto.subtle.verify(how, cryptoKey, signature, message);
          if (isGood !== (result === 'valid')) wrong.push(`${tcId}: ${result}`);
        }
      }
      expect(wrong).toEqual([]);
      expect(refusedKeys).toEqual(REFUSED_KEYS.filter((entry) => entry.startsWith(algorithm)));
      expect(verified).toBeGreaterThan(100);
    },
  );
});
