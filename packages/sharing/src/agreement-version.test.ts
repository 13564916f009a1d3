import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { AgreementTerms } from './agreement.ts';
import { createVersion, verifyVersion } from './agreement-version.ts';
import { parseTerms } from './check-terms.ts';
import { SPECIMEN } from './test-support/terms.ts';

const terms: AgreementTerms = parseTerms(SPECIMEN);

describe('a version', () => {
  test('has the SHA-256 of the canonical JSON of id, version and terms', () => {
    const small = { provider: 'p', consumer: 'c' } as AgreementTerms;
    const text = '{"id":"dsa:1","terms":{"consumer":"c","provider":"p"},"version":3}';
    expect(createVersion('dsa:1', 3, small)).toEqual({
      version: 3,
      hash: `sha256:${createHash('sha256').update(text).digest('hex')}`,
      terms: small,
    });
  });

  test('verifies, also after a way through JSON that changes the order of members', () => {
    const version = createVersion('dsa:1', 1, terms);
    const turned = Object.fromEntries(Object.entries(terms).toReversed()) as unknown as AgreementTerms;
    expect(verifyVersion('dsa:1', version)).toBe(true);
    expect(verifyVersion('dsa:1', { ...version, terms: turned })).toBe(true);
  });

  test.each<[string, (version: ReturnType<typeof createVersion>) => boolean]>([
    ['another agreement', (version) => verifyVersion('dsa:2', version)],
    ['another number', (version) => verifyVersion('dsa:1', { ...version, version: 2 })],
    ['other terms', (version) => verifyVersion('dsa:1', { ...version, terms: { ...terms, purposes: ['x'] } })],
    ['another hash', (version) => verifyVersion('dsa:1', { ...version, hash: version.hash.toUpperCase() })],
  ])('does not verify for %s', (_, verify) => {
    expect(verify(createVersion('dsa:1', 1, terms))).toBe(false);
  });
});
