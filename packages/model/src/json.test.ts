import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeUtf8, parseJsonLossless } from './json.ts';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('parseJsonLossless', () => {
  test('whatever JSON.stringify writes is read as JSON.parse reads it', () => {
    const rounded = (value: unknown): unknown => {
      if (typeof value === 'bigint') return Number(value);
      if (Array.isArray(value)) return value.map(rounded);
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, rounded(part)]));
    };
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(rounded(parseJsonLossless(text))).toEqual(JSON.parse(text));
      }),
      { seed: 11, numRuns: 500 },
    );
  });

  test('every integer keeps its digits', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }), (value) => {
        const parsed = parseJsonLossless(`{"a":[${value}]}`) as { a: [number | bigint] };
        expect(BigInt(parsed.a[0])).toBe(value);
        expect(typeof parsed.a[0]).toBe(Number.isSafeInteger(Number(value)) ? 'number' : 'bigint');
      }),
      { seed: 12, numRuns: 500 },
    );
  });

  test.each([
    ['9007199254740991', 9007199254740991],
    ['9007199254740992', 9007199254740992n],
    ['9007199254740993', 9007199254740993n],
    ['-9007199254740993', -9007199254740993n],
    ['-0', -0],
    ['1e20', 1e20],
    ['12345678901234567890.0', Number('12345678901234567890')],
    ['0.1234567890123456789', Number('0.1234567890123456789')],
    ['"12345678901234567890"', '12345678901234567890'],
  ])('%s is %s', (text, value) => {
    expect(parseJsonLossless(text)).toBe(value);
  });

  test.each(['{"__proto__":{"polluted":true},"a":1}', '{"__proto__":{"polluted":true},"a":12345678901234567890}'])(
    'a __proto__ key never touches a prototype: %s',
    (text) => {
      const parsed = parseJsonLossless(text) as Record<string, unknown>;
      expect(Object.getPrototypeOf(parsed)).toBe(Object.prototype);
      expect(parsed['polluted']).toBeUndefined();
      expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
      expect(Object.keys(parsed)).toContain('a');
    },
  );

  test('64 levels are read and 65 are not', () => {
    const nested = (levels: number): string => '[{"a":'.repeat(levels / 2) + '1' + '}]'.repeat(levels / 2);
    expect(() => parseJsonLossless(nested(64))).not.toThrow();
    expect(() => parseJsonLossless(`[${nested(64)}]`)).toThrow(SyntaxError);
    expect(() => parseJsonLossless('['.repeat(1_000_000))).toThrow(SyntaxError);
  });

  test('brackets inside text are no levels', () => {
    const text = `\\"${'['.repeat(100)}\\\\`;
    expect(parseJsonLossless(`["${text}", 1]`)).toEqual([JSON.parse(`"${text}"`), 1]);
    expect(parseJsonLossless('["\\\\","["]')).toEqual(['\\', '[']);
  });

  test('siblings do not add up to depth', () => {
    expect(parseJsonLossless(`[${Array(200).fill('[]').join()}]`)).toHaveLength(200);
  });

  test.each([
    '',
    '{',
    '{"a":}',
    '[1,]',
    "{'a':1}",
    'NaN',
    '"unclosed',
    '"unclosed \\"',
    '[12345678901234567890',
    '\uFEFF\uFEFF1',
  ])('%j is refused without being quoted', (text) => {
    expect(() => parseJsonLossless(text)).toThrow(new SyntaxError('not JSON'));
  });

  test('an integer of absurd length is refused', () => {
    expect(() => parseJsonLossless(`[${'9'.repeat(401)}]`)).toThrow(SyntaxError);
    expect(parseJsonLossless(`[${'9'.repeat(400)}]`)).toEqual([BigInt('9'.repeat(400))]);
  });

  test('a lone surrogate is data', () => {
    expect(parseJsonLossless('"\\ud800"')).toBe('\uD800');
  });

  test('bytes are read as UTF-8, a byte order mark skipped', () => {
    expect(parseJsonLossless(utf8('\uFEFF{"å":"€"}'))).toEqual({ å: '€' });
    expect(parseJsonLossless('\uFEFF[1]')).toEqual([1]);
  });

  test('bytes that are not UTF-8 are refused', () => {
    expect(() => parseJsonLossless(new Uint8Array([0x22, 0xff, 0x22]))).toThrow(new SyntaxError('not UTF-8'));
  });
});

describe('decodeUtf8', () => {
  test('a cut character is refused', () => {
    expect(() => decodeUtf8(utf8('é').subarray(0, 1))).toThrow(TypeError);
  });
  test('only the first byte order mark is dropped', () => {
    expect(decodeUtf8(utf8('\uFEFF\uFEFFa'))).toBe('\uFEFFa');
  });
});
