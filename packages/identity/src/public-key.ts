import { calculateJwkThumbprint, compactVerify, importJWK, type CryptoKey, type JWK } from 'jose';
import { ALGORITHMS_OF_KEY, type Algorithm } from './algorithms.ts';
import { decodeBase64Url, type CompactJws } from './compact-jws.ts';
import { isTexts, type JsonObject, type JsonValue } from './strict-json.ts';

/** A key that may verify, with the algorithms it is trusted for. */
export interface VerificationKey {
  /** RFC 7638, SHA-256. */
  readonly thumbprint: string;
  readonly byAlgorithm: ReadonlyMap<Algorithm, CryptoKey>;
}

/** Why a published key is not used. */
export type KeyFault = 'PRIVATE' | 'KIND' | 'PURPOSE' | 'ALGORITHM' | 'FORM' | 'WEAK';

const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];
const COORDINATE_BYTES: Readonly<Record<string, number>> = { 'P-256': 32, 'P-384': 48, 'P-521': 66, Ed25519: 32 };
const MIN_RSA_BITS = 2_048;
const MAX_RSA_BITS = 8_192;
/** FIPS 186-5, 5.4: 2^16 < e < 2^256. */
const MAX_EXPONENT_BITS = 256;

const PRIMES: readonly number[] = Array.from({ length: 166 }, (_, index) => index + 2).filter((candidate) => {
  for (let divisor = 2; divisor * divisor <= candidate; divisor++) if (candidate % divisor === 0) return false;
  return true;
});
/** The residues a modulus of the weak generator of CVE-2017-15361 (ROCA) has: powers of 65537 modulo small primes. */
const ROCA_RESIDUES: readonly (readonly [bigint, ReadonlySet<bigint>])[] = PRIMES.filter((prime) => prime > 2).map(
  (prime) => {
    const residues = new Set<number>();
    for (let power = 1; !residues.has(power); power = (power * 65_537) % prime) residues.add(power);
    return [BigInt(prime), new Set([...residues].map(BigInt))];
  },
);

const toInteger = (bytes: Uint8Array): bigint => BigInt(`0x0${Buffer.from(bytes).toString('hex')}`);
const countBits = (value: bigint): number => value.toString(2).length;

function isWeakRsa(modulusBytes: Uint8Array, exponentBytes: Uint8Array): boolean {
  const modulus = toInteger(modulusBytes);
  const exponent = toInteger(exponentBytes);
  const bits = countBits(modulus);
  if (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS) return true;
  if (exponent < 65_537n || exponent % 2n === 0n || countBits(exponent) > MAX_EXPONENT_BITS) return true;
  if (PRIMES.some((prime) => modulus % BigInt(prime) === 0n)) return true;
  return ROCA_RESIDUES.every(([prime, residues]) => residues.has(modulus % prime));
}

/** Canonical bytes of a JWK member without leading zeros when `length` is null, else of that length. */
function readBytes(value: JsonValue | undefined, length: number | null): Uint8Array | null {
  if (typeof value !== 'string' || value.length > 1_400) return null;
  const bytes = decodeBase64Url(value);
  if (bytes === null) return null;
  return (length === null ? (bytes[0] ?? 0) !== 0 : bytes.length === length) ? bytes : null;
}

/** The members that make the key, and nothing else of it. */
function readKeyMaterial(jwk: JsonObject): { readonly kind: string; readonly material: JWK } | KeyFault {
  const { kty, crv, x, y, n, e } = jwk;
  if (kty === 'RSA') {
    const modulus = readBytes(n, null);
    const exponent = readBytes(e, null);
    if (typeof n !== 'string' || typeof e !== 'string' || modulus === null || exponent === null) return 'FORM';
    return isWeakRsa(modulus, exponent) ? 'WEAK' : { kind: 'RSA', material: { kty, n, e } };
  }
  if ((kty !== 'EC' && kty !== 'OKP') || typeof crv !== 'string') return 'KIND';
  const length = Object.hasOwn(COORDINATE_BYTES, crv) ? COORDINATE_BYTES[crv] : undefined;
  if (length === undefined) return 'KIND';
  if (typeof x !== 'string' || readBytes(x, length) === null) return 'FORM';
  if (kty === 'OKP') return { kind: `OKP ${crv}`, material: { kty, crv, x } };
  if (typeof y !== 'string' || readBytes(y, length) === null) return 'FORM';
  return { kind: `EC ${crv}`, material: { kty, crv, x, y } };
}

/**
 * Reads one public JWK for verifying with some of `allowed`. Refused: private or symmetric material; another `use`,
 * `key_ops` or `alg`; members not in canonical base64url; RSA below 2,048 or above 8,192 bits, with an exponent outside
 * FIPS 186-5, with a small factor or of the ROCA generator; points not on their curve.
 */
export async function readPublicKey(
  jwk: JsonObject,
  allowed: readonly Algorithm[],
): Promise<VerificationKey | KeyFault> {
  if (PRIVATE_MEMBERS.some((name) => name in jwk)) return 'PRIVATE';
  if (jwk['use'] !== undefined && jwk['use'] !== 'sig') return 'PURPOSE';
  const operations = jwk['key_ops'];
  if (operations !== undefined && !(isTexts(operations) && operations.includes('verify'))) return 'PURPOSE';
  const read = readKeyMaterial(jwk);
  if (typeof read === 'string') return read;
  const algorithms = (ALGORITHMS_OF_KEY.get(read.kind) ?? []).filter(
    (algorithm) => allowed.includes(algorithm) && (jwk['alg'] === undefined || jwk['alg'] === algorithm),
  );
  if (algorithms.length === 0) return 'ALGORITHM';
  const byAlgorithm = new Map<Algorithm, CryptoKey>();
  try {
    for (const algorithm of algorithms) {
      const key = await importJWK(read.material, algorithm);
      if (!(key instanceof Uint8Array)) byAlgorithm.set(algorithm, key);
    }
  } catch {
    return 'FORM'; // The platform found no such key, a point off its curve for instance.
  }
  return { thumbprint: await calculateJwkThumbprint(read.material, 'sha256'), byAlgorithm };
}

/** Whether the signature over header and payload is right for this key and this algorithm. */
export async function isSignedBy(jws: CompactJws, algorithm: Algorithm, key: VerificationKey): Promise<boolean> {
  const cryptoKey = key.byAlgorithm.get(algorithm);
  if (cryptoKey === undefined) return false;
  try {
    await compactVerify(jws.text, cryptoKey, { algorithms: [algorithm] });
    return true;
  } catch {
    return false; // Whatever the reason: what could not be verified is not signed.
  }
}
