import { describe, expect, test } from 'vitest';
import * as fc from 'fast-check';
import { toCanonicalJson } from './canonical-json.ts';

/** RFC 8785 appendix B: the bits of a double and how it is written. */
const NUMBERS: readonly (readonly [bits: string, text: string])[] = [
  ['0000000000000000', '0'],
  ['8000000000000000', '0'],
  ['0000000000000001', '5e-324'],
  ['8000000000000001', '-5e-324'],
  ['7fefffffffffffff', '1.7976931348623157e+308'],
  ['ffefffffffffffff', '-1.7976931348623157e+308'],
  ['4340000000000000', '9007199254740992'],
  ['c340000000000000', '-9007199254740992'],
  ['4430000000000000', '295147905179352830000'],
  ['44b52d02c7e14af5', '9.999999999999997e+22'],
  ['44b52d02c7e14af6', '1e+23'],
  ['44b52d02c7e14af7', '1.0000000000000001e+23'],
  ['444b1ae4d6e2ef4e', '999999999999999700000'],
  ['444b1ae4d6e2ef4f', '999999999999999900000'],
  ['444b1ae4d6e2ef50', '1e+21'],
  ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
  ['3eb0c6f7a0b5ed8d', '0.000001'],
  ['41b3de4355555553', '333333333.3333332'],
  ['41b3de4355555554', '333333333.33333325'],
  ['41b3de4355555555', '333333333.3333333'],
  ['41b3de4355555556', '333333333.3333334'],
  ['41b3de4355555557', '333333333.33333343'],
  ['becbf647612f3696', '-0.0000033333333333333333'],
  ['43143ff3c1cb0959', '1424953923781206.2'],
];

describe('canonical JSON', () => {
  test.each(NUMBERS)('writes the double %s as RFC 8785 does: %s', (bits, text) => {
    expect(toCanonicalJson(Buffer.from(bits, 'hex').readDoubleBE())).toBe(text);
  });

  test('writes the example of RFC 8785 section 3.2.2', () => {
    const value: unknown = JSON.parse(
      String.raw`{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}`,
    );
    expect(toCanonicalJson(value)).toBe(
      String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
    );
  });

  test('sorts members by UTF-16 code units, as RFC 8785 section 3.2.3 does', () => {
    const value = { '\u20ac': 1, '\r': 2, '\ufb33': 3, 1: 4, '\u{1F600}': 5, '\u0080': 6, '\u00f6': 7 };
    expect(Object.values(JSON.parse(toCanonicalJson(value)) as object)).toHaveLength(7);
    expect(toCanonicalJson(value)).toBe('{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\u{1F600}":5,"\ufb33":3}');
  });

  test.each<[string, unknown]>([
    ['undefined', { a: undefined }],
    ['a hole in a list', Array(1)],
    ['NaN', Number.NaN],
    ['infinity', [Number.NEGATIVE_INFINITY]],
    ['bigint', 1n],
    ['a function', () => 1],
    ['a lone surrogate', 'a\uD800'],
    ['a lone surrogate in a name', { '\uDC00': 1 }],
    ['more than 64 levels', JSON.parse('['.repeat(66) + ']'.repeat(66))],
  ])('refuses %s', (_, value) => {
    expect(() => toCanonicalJson(value)).toThrow(TypeError);
  });

  test('reads back as the same value, whatever the order of its members', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4, noUnicodeString: false }), (value) => {
        fc.pre(JSON.stringify(value).isWellFormed());
        const text = toCanonicalJson(value);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(toCanonicalJson(JSON.parse(text))).toBe(text);
      }),
      { seed: 8_785, numRuns: 1_000 },
    );
  });
});
