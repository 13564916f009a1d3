import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeDatasetId, encodeDatasetId, isSourceKey } from './dataset-id.ts';

const source = fc.stringMatching(/^[a-z][a-z0-9-]{0,30}$/);

describe('dataset ids', () => {
  test('decoding gives back what was encoded', () => {
    fc.assert(
      fc.property(source, fc.string({ minLength: 1 }), (key, localId) => {
        expect(decodeDatasetId(encodeDatasetId({ source: key, localId }))).toEqual({ source: key, localId });
      }),
      { seed: 13, numRuns: 300 },
    );
  });

  test('encoding gives back what was decoded', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.tuple(source, fc.string()).map((parts) => parts.join(':')),
        ),
        (raw) => {
          const ref = decodeDatasetId(raw);
          if (ref !== null) expect(encodeDatasetId(ref)).toBe(raw);
        },
      ),
      { seed: 14, numRuns: 300 },
    );
  });

  test.each(['', 'bordeaux', ':x', 'bordeaux:', 'Bordeaux:x', '1a:x', 'a b:x', `${'a'.repeat(32)}:x`])(
    '%j is no dataset id',
    (raw) => {
      expect(decodeDatasetId(raw)).toBeNull();
    },
  );

  test('what cannot be decoded is not encoded', () => {
    expect(() => encodeDatasetId({ source: 'a:b', localId: 'x' })).toThrow(TypeError);
    expect(() => encodeDatasetId({ source: 'a', localId: '' })).toThrow(TypeError);
  });

  test.each([
    ['umea', true],
    ['mexico-city', true],
    ['a'.repeat(31), true],
    ['a'.repeat(32), false],
    ['-a', false],
    ['é', false],
    ['', false],
  ])('%j as a source key: %s', (key, answer) => {
    expect(isSourceKey(key)).toBe(answer);
  });
});
