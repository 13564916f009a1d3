import { beforeAll, describe, expect, test } from 'vitest';
import { ALGORITHMS } from './algorithms.ts';
import { readPublicKey } from './public-key.ts';
import type { JsonObject } from './strict-json.ts';
import { createKey } from './test-support/issuer.ts';

let rsa: Record<string, string>;
let ec: Record<string, string>;

beforeAll(async () => {
  const [{ jwk: rsaJwk }, { jwk: ecJwk }] = await Promise.all([createKey('r', 'RS256'), createKey('e', 'ES256')]);
  rsa = { kty: 'RSA', n: rsaJwk.n!, e: rsaJwk.e! };
  ec = { kty: 'EC', crv: 'P-256', x: ecJwk.x!, y: ecJwk.y! };
});

const read = async (jwk: JsonObject, allowed = ALGORITHMS as readonly (typeof ALGORITHMS)[number][]) => {
  const key = await readPublicKey(jwk, allowed);
  return typeof key === 'string' ? key : [...key.byAlgorithm.keys()];
};
const encode = (value: bigint): string => {
  const hex = value.toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString('base64url');
};

/** A number of the ROCA generator's shape: a power of 65537 modulo the product of small primes. */
function createRocaModulus(): bigint {
  let product = 1n;
  for (let candidate = 2n; candidate <= 167n; candidate++)
    if (product % candidate !== 0n) product = lcm(product, candidate);
  let power = 1n;
  for (let turn = 0; turn < 1_234; turn++) power = (power * 65_537n) % product;
  const factor = (1n << 2_047n) / product + 12_345n;
  return factor * product + power;
}
function lcm(a: bigint, b: bigint): bigint {
  const gcd = (x: bigint, y: bigint): bigint => (y === 0n ? x : gcd(y, x % y));
  return (a / gcd(a, b)) * b;
}

describe('a public key', () => {
  test('is good for what its kind can do, its own word and what is allowed', async () => {
    await expect(read(rsa)).resolves.toEqual(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']);
    await expect(read({ ...rsa, alg: 'PS256', use: 'sig', key_ops: ['verify'] })).resolves.toEqual(['PS256']);
    await expect(read(rsa, ['RS256', 'ES256'])).resolves.toEqual(['RS256']);
    await expect(read(ec)).resolves.toEqual(['ES256']);
    await expect(read(ec, ['RS256'])).resolves.toBe('ALGORITHM');
    await expect(read({ ...ec, alg: 'RS256' })).resolves.toBe('ALGORITHM');
  });

  test.each<readonly [string, () => JsonObject, string]>([
    ['with its private half', () => ({ ...ec, d: ec['x'] }), 'PRIVATE'],
    ['with a factor', () => ({ ...rsa, p: 'AQAB' }), 'PRIVATE'],
    ['that is a shared secret', () => ({ kty: 'oct', k: 'AAAA' }), 'PRIVATE'],
    ['for encryption', () => ({ ...ec, use: 'enc' }), 'PURPOSE'],
    ['for signing', () => ({ ...ec, key_ops: ['sign'] }), 'PURPOSE'],
    ['for operations that are no list', () => ({ ...ec, key_ops: 'verify' }), 'PURPOSE'],
    ['of an unknown curve', () => ({ ...ec, crv: 'secp256k1' }), 'KIND'],
    ['of a curve named like a method', () => ({ ...ec, crv: 'constructor' }), 'KIND'],
    ['off its curve', () => ({ ...ec, y: ec['x'] }), 'FORM'],
    ['with a short coordinate', () => ({ ...ec, x: 'AAAA' }), 'FORM'],
    ['in another spelling', () => ({ ...ec, x: `${ec['x']}=` }), 'FORM'],
    ['of RSA with an exponent of 1', () => ({ ...rsa, e: 'AQ' }), 'WEAK'],
    ['of RSA with an exponent of 3', () => ({ ...rsa, e: 'Aw' }), 'WEAK'],
    ['of RSA with an even exponent', () => ({ ...rsa, e: 'AQAC' }), 'WEAK'],
    ['of RSA with an endless exponent', () => ({ ...rsa, e: encode((1n << 257n) + 1n) }), 'WEAK'],
    ['of RSA that is short', () => ({ ...rsa, n: encode((1n << 2_046n) + 9n) }), 'WEAK'],
    ['of RSA that is endless', () => ({ ...rsa, n: encode((1n << 8_192n) + 9n) }), 'WEAK'],
    ['of RSA with a small factor', () => ({ ...rsa, n: encode((1n << 2_040n) * 167n * 3n + 501n) }), 'WEAK'],
    ['of RSA from the generator of ROCA', () => ({ ...rsa, n: encode(createRocaModulus()) }), 'WEAK'],
    [
      'of RSA with a zero before its number',
      () => ({
        ...rsa,
        n: Buffer.from(`00${Buffer.from(rsa['n']!, 'base64url').toString('hex')}`, 'hex').toString('base64url'),
      }),
      'FORM',
    ],
  ])('%s is not used', async (_, jwk, fault) => {
    await expect(read(jwk())).resolves.toBe(fault);
  });
});
