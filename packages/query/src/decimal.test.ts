import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addToSum,
  compareDecimals,
  createExactSum,
  divideDecimal,
  divideToDouble,
  readDecimal,
  sumOf,
  toDecimal,
  toDecimalText,
  toJsonNumber,
} from './decimal.ts';
import type { Decimal } from './decimal.ts';

const decimal = (text: string): Decimal => {
  const read = readDecimal(text);
  if (read === null || read === 'too-long') throw new Error(`no decimal: ${text}`);
  return read;
};

function addAll(values: readonly (number | bigint | string)[]): string {
  const sum = createExactSum();
  for (const value of values) expect(addToSum(sum, value)).toBe(true);
  return toDecimalText(sumOf(sum));
}

describe('a decimal text', () => {
  test.each([
    ['0', '0'],
    ['-0', '0'],
    ['0.10', '0.1'],
    ['-12.500', '-12.5'],
    ['+7', '7'],
    ['.5', '0.5'],
    ['5.', '5'],
    ['1e3', '1000'],
    ['1.25E-3', '0.00125'],
    ['12345678901234567890.123456789', '12345678901234567890.123456789'],
    ['000123', '123'],
    ['1200', '1200'],
  ])('%s stands for %s', (text, expected) => {
    expect(toDecimalText(decimal(text))).toBe(expected);
  });

  test.each(['', ' 1', '1 ', 'NaN', 'Infinity', '1,5', '0x10', '1e', '--1', '.', 'e5', '1_000', '١'])(
    '%j is no number',
    (text) => {
      expect(readDecimal(text)).toBeNull();
    },
  );

  test.each([
    ['401 digits', `1${'1'.repeat(400)}`],
    ['a large exponent', '1e401'],
    ['a small exponent', '1e-401'],
    ['many zeros', `0.${'0'.repeat(1_200)}1`],
    ['an exponent beyond doubles', '1e99999999999'],
  ])('beyond the limits is told apart from what is no number: %s', (_title, text) => {
    expect(readDecimal(text)).toBe('too-long');
  });

  test('is read in time that grows with its length only', () => {
    const started = performance.now();
    expect(readDecimal(`${'1'.repeat(2_000_000)}x`)).toBeNull();
    expect(readDecimal(`${'0'.repeat(2_000_000)}1`)).toBe('too-long');
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});

describe('a sum', () => {
  test.each([
    [[0.1, 0.2], '0.3'],
    [[1e16, 1, -1e16], '1'],
    [[9_007_199_254_740_993n, -9_007_199_254_740_992], '1'],
    [[Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 2], '18014398509481984'],
    [['12345678901234567.89', 0.01], '12345678901234567.9'],
    [[1e21, 1], '1000000000000000000001'],
    [[1e-7, 1], '1.0000001'],
    [[-0, 0], '0'],
    [[4.35, 4.35, -8.7], '0'],
  ] as const)('%s is %s', (values, expected) => {
    expect(addAll(values)).toBe(expected);
  });

  test('of a thousand tenths is a hundred', () => {
    expect(addAll(Array.from({ length: 1_000 }, () => 0.1))).toBe('100');
  });

  test('of the largest and the smallest double has all their digits and no more', () => {
    const text = addAll([Number.MAX_VALUE, Number.MIN_VALUE]);
    expect(text).toMatch(/^17976931348623157\d{292}\.0{323}5$/);
    expect(text.length).toBeLessThan(1_300);
  });

  test('takes no text that is no number', () => {
    const sum = createExactSum();
    expect(addToSum(sum, 'NaN')).toBe(false);
    expect(addToSum(sum, Number.NaN)).toBe(false);
    expect(addToSum(sum, Infinity)).toBe(false);
    expect(addToSum(sum, '1e500')).toBe('too-long');
    expect(toDecimalText(sumOf(sum))).toBe('0');
  });

  test('is the sum of the fractions the shortest texts stand for, in any order', () => {
    const value = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.integer({ min: -1_000_000, max: 1_000_000 }).map((cents) => cents / 100),
      fc.integer(),
      fc.maxSafeInteger(),
    );
    fc.assert(
      fc.property(fc.array(value, { maxLength: 12 }), (values) => {
        // As whole numbers of 10^-400, read off the digits without the code above.
        const toUnits = (number: number): bigint => {
          const [mantissa = '', exponent = '0'] = number.toExponential().split('e');
          const [whole = '', fraction = ''] = mantissa.split('.');
          return BigInt(whole + fraction) * 10n ** BigInt(400 + Number(exponent) - fraction.length);
        };
        const total = values.reduce((sum, number) => sum + toUnits(number), 0n);
        const sum = createExactSum();
        for (const number of values) addToSum(sum, number);
        const { coefficient, scale } = sumOf(sum);
        expect(coefficient * 10n ** BigInt(400 - scale)).toBe(total);
        expect(addAll(values.toReversed())).toBe(toDecimalText(sumOf(sum)));
      }),
      { numRuns: 1_000, seed: 20_270_104 },
    );
  });
});

describe('a quotient', () => {
  test.each([
    ['1', 3n, 0.3333333333333333],
    ['0.3', 2n, 0.15],
    ['2', 3n, 0.6666666666666666],
    ['-1', 3n, -0.3333333333333333],
    ['0', 7n, 0],
    ['9007199254740993', 1n, 9_007_199_254_740_992],
    ['9007199254740995', 1n, 9_007_199_254_740_996],
    ['4e-324', 2n, 0],
    ['5e-324', 2n, 5e-324],
    ['15e-324', 2n, 1e-323],
    ['1.7976931348623157e308', 1n, Number.MAX_VALUE],
  ])('%s by %s is the nearest double', (dividend, divisor, expected) => {
    expect(divideToDouble(decimal(dividend), divisor)).toBe(expected);
  });

  test('no double lies nearer to it, and of two as near the even one is taken', () => {
    const exactly = (value: number): { numerator: bigint; denominator: bigint } => {
      // Every double is a whole number of 2^-1074.
      const bits = new BigUint64Array(Float64Array.of(Math.abs(value)).buffer)[0]!;
      const exponent = bits >> 52n;
      const fraction = bits & ((1n << 52n) - 1n);
      const magnitude = exponent === 0n ? fraction : (fraction | (1n << 52n)) << (exponent - 1n);
      return { numerator: value < 0 ? -magnitude : magnitude, denominator: 1n << 1_074n };
    };
    const neighbour = (value: number, step: 1n | -1n): number => {
      const bits = new BigInt64Array(Float64Array.of(value).buffer)[0]!;
      return new Float64Array(BigInt64Array.of(bits + (value < 0 ? -step : step)).buffer)[0]!;
    };
    fc.assert(
      fc.property(
        fc.oneof(
          fc.double({ noNaN: true, noDefaultInfinity: true }),
          fc.double({ noNaN: true, min: 5e-324, max: 1e-305 }),
          fc.integer(),
        ),
        fc.integer({ min: 1, max: 1_000_000 }),
        (dividend, divisor) => {
          const given = decimal(String(dividend));
          const result = divideToDouble(given, BigInt(divisor));
          if (result === 0) return;
          const scale = 10n ** BigInt(Math.abs(given.scale));
          const numerator = given.scale < 0 ? given.coefficient * scale : given.coefficient;
          const denominator = BigInt(divisor) * (given.scale > 0 ? scale : 1n);
          const distance = (candidate: number): bigint => {
            const exact = exactly(candidate);
            const difference = exact.numerator * denominator - numerator * exact.denominator;
            return difference < 0n ? -difference : difference;
          };
          for (const step of [1n, -1n] as const) {
            const other = neighbour(result, step);
            if (!Number.isFinite(other)) continue;
            expect(distance(result) <= distance(other)).toBe(true);
            if (distance(result) === distance(other))
              expect(new BigUint64Array(Float64Array.of(result).buffer)[0]! % 2n).toBe(0n);
          }
        },
      ),
      { numRuns: 2_000, seed: 20_270_105 },
    );
  });

  test.each([
    ['1', 3n, '0.3333333333333333333333333333333333'],
    ['2', 3n, '0.6666666666666666666666666666666667'],
    ['10', 4n, '2.5'],
    ['-12345678901234567.89', 2n, '-6172839450617283.945'],
    ['0', 3n, '0'],
    ['99999999999999999999999999999999999999', 1n, '100000000000000000000000000000000000000'],
    ['1e300', 7n, `1428571428571428571428571428571429${'0'.repeat(266)}`],
  ])('%s by %s has 34 digits', (dividend, divisor, expected) => {
    expect(toDecimalText(divideDecimal(decimal(dividend), divisor, 34))).toBe(expected);
  });

  test.each([
    ['0.125', 2, '0.12'],
    ['0.375', 2, '0.38'],
    ['-0.125', 2, '-0.12'],
  ])('%s is rounded half to even: %i digits, %s', (text, digits, expected) => {
    expect(toDecimalText(divideDecimal(decimal(text), 1n, digits))).toBe(expected);
  });
});

describe('a JSON number', () => {
  test.each([
    ['0.3', 0.3],
    ['100', 100],
    ['1e300', 1e300],
    ['9007199254740993', '9007199254740993'],
    ['9007199254740994', 9_007_199_254_740_994],
    ['0.1000000000000000055511151231257827', '0.1000000000000000055511151231257827'],
    ['12345678901234567.89', '12345678901234567.89'],
  ])('%s leaves as %j', (text, expected) => {
    expect(toJsonNumber(decimal(text))).toBe(expected);
  });

  test('equal numbers are equal in whatever form they come', () => {
    const forms = [1, 1n, '1', '1.0', '1e0', '0.01e2'].map((value) => toDecimal(value) as Decimal);
    for (const a of forms) for (const b of forms) expect(compareDecimals(a, b)).toBe(0);
  });
});
