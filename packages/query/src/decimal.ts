/** A decimal number, exactly: `coefficient` x 10^-`scale`. The scale may be negative. */
export interface Decimal {
  readonly coefficient: bigint;
  readonly scale: number;
}

/**
 * Bounds on one number, so that no sum grows without end: with these, a sum of any count of numbers has fewer than
 * 1,300 digits. Every double and every `numeric` a city writes lies far inside (doubles: 17 digits, exponents -324 to
 * 308).
 */
const DECIMAL_LIMITS = {
  /** Significant digits of one number. */
  digits: 400,
  /** Largest power of ten of its first digit, in either direction. */
  exponent: 400,
} as const;

/** Characters of a text that is read further than to see whether it is a number. */
const MAX_TEXT = 1_000;
const DECIMAL = /^([+-]?)(?:(\d+)(?:\.(\d*))?|\.(\d+))(?:e([+-]?\d+))?$/i;

const POWERS: bigint[] = [1n];
/** 10^n; n stays below 1,300 by the limits above. */
function powerOfTen(n: number): bigint {
  const known = POWERS[n];
  if (known !== undefined) return known;
  const power = 10n ** BigInt(n);
  POWERS[n] = power;
  return power;
}

/** Without trailing zeros, so that equal numbers have one form. */
function normaliseDecimal({ coefficient, scale }: Decimal): Decimal {
  if (coefficient === 0n) return { coefficient: 0n, scale: 0 };
  const text = coefficient.toString();
  let zeros = 0;
  while (text.charCodeAt(text.length - 1 - zeros) === 48) zeros++;
  return zeros === 0 ? { coefficient, scale } : { coefficient: coefficient / powerOfTen(zeros), scale: scale - zeros };
}

/**
 * The number a decimal text stands for, in its one form. Null: the text is no number (`NaN`, `Infinity` and the empty
 * text are none). `too-long`: it is one, beyond DECIMAL_LIMITS.
 */
export function readDecimal(text: string): Decimal | 'too-long' | null {
  const match = DECIMAL.exec(text);
  if (match === null) return null;
  if (text.length > MAX_TEXT) return 'too-long';
  const [, sign = '', whole = '', fraction = '', bare = '', exponent = '0'] = match;
  const decimals = fraction === '' ? bare : fraction;
  const written = `${whole}${decimals}`.replace(/^0+/, '');
  const digits = written.replace(/0+$/, '');
  if (digits === '') return { coefficient: 0n, scale: 0 };
  const scale = decimals.length - Number(exponent) - (written.length - digits.length);
  if (digits.length > DECIMAL_LIMITS.digits || Math.abs(digits.length - 1 - scale) > DECIMAL_LIMITS.exponent)
    return 'too-long';
  const coefficient = BigInt(digits);
  return { coefficient: sign === '-' ? -coefficient : coefficient, scale };
}

/**
 * The number a value stands for. A JSON number is what its shortest decimal text says: 0.1 is one tenth, not the binary
 * fraction next to it. Null: no number.
 */
export function toDecimal(value: number | bigint | string): Decimal | 'too-long' | null {
  if (typeof value === 'bigint') return normaliseDecimal({ coefficient: value, scale: 0 });
  return readDecimal(typeof value === 'number' ? String(value) : value);
}

/** -1, 0 or 1, by value. */
export function compareDecimals(a: Decimal, b: Decimal): number {
  const scale = Math.max(a.scale, b.scale);
  const x = a.coefficient * powerOfTen(scale - a.scale);
  const y = b.coefficient * powerOfTen(scale - b.scale);
  return x < y ? -1 : x > y ? 1 : 0;
}

/** One text for equal numbers: digits, a point where it is needed, no exponent, no zeros that say nothing. */
export function toDecimalText(decimal: Decimal): string {
  const { coefficient, scale } = normaliseDecimal(decimal);
  const sign = coefficient < 0n ? '-' : '';
  const digits = (coefficient < 0n ? -coefficient : coefficient).toString();
  if (scale <= 0) return `${sign}${digits}${'0'.repeat(-scale)}`;
  const padded = digits.padStart(scale + 1, '0');
  return `${sign}${padded.slice(0, -scale)}.${padded.slice(-scale)}`;
}

/** As a JSON number where a double's own text says exactly this number, else as its digits. */
export function toJsonNumber(decimal: Decimal): number | string {
  const text = toDecimalText(decimal);
  const number = Number(text);
  const back = readDecimal(String(number));
  return back !== null && back !== 'too-long' && compareDecimals(back, decimal) === 0 ? number : text;
}

/** Rounds a quotient to whole, half to even. The divisor is positive. */
function divideHalfEven(dividend: bigint, divisor: bigint): bigint {
  const isNegative = dividend < 0n;
  const size = isNegative ? -dividend : dividend;
  let quotient = size / divisor;
  const twice = (size % divisor) * 2n;
  if (twice > divisor || (twice === divisor && quotient % 2n === 1n)) quotient += 1n;
  return isNegative ? -quotient : quotient;
}

/** One text for equal numbers, whatever they are held in; null for what is no number, or too long to be reckoned with. */
export function toDecimalKey(value: unknown): string | null {
  if (typeof value !== 'number' && typeof value !== 'bigint' && typeof value !== 'string') return null;
  const decimal = toDecimal(value);
  return decimal === null || decimal === 'too-long' ? null : toDecimalText(decimal);
}

/**
 * The multiple of a step that is nearest to a number, the even one of two equally near. In a column of
 * whole numbers beyond 2^53 as a bigint; in others as a JSON number where that says it exactly, else as its digits.
 * Null for what is no number, or too long to be reckoned with.
 *
 * @param step above 0.
 */
export function roundToStep(value: unknown, step: number, type: 'INTEGER' | 'NUMBER'): number | bigint | string | null {
  const size = toDecimal(step);
  if (size === null || size === 'too-long' || size.coefficient <= 0n) return null;
  if (typeof value !== 'number' && typeof value !== 'bigint' && !(typeof value === 'string' && type === 'NUMBER'))
    return null;
  const decimal = toDecimal(value);
  if (decimal === null || decimal === 'too-long') return null;
  const scale = Math.max(decimal.scale, size.scale);
  const dividend = decimal.coefficient * powerOfTen(scale - decimal.scale);
  const divisor = size.coefficient * powerOfTen(scale - size.scale);
  const rounded = { coefficient: divideHalfEven(dividend, divisor) * size.coefficient, scale: size.scale };
  const text = toDecimalText(rounded);
  if (type === 'NUMBER' || text.includes('.')) return toJsonNumber(rounded);
  return Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text);
}

/** The quotient rounded once, half to even, to `digits` significant digits. The divisor is a positive whole number. */
export function divideDecimal({ coefficient, scale }: Decimal, divisor: bigint, digits: number): Decimal {
  if (coefficient === 0n) return { coefficient: 0n, scale: 0 };
  const size = coefficient < 0n ? -coefficient : coefficient;
  let shift = digits - (size.toString().length - divisor.toString().length);
  const shifted = (by: number): bigint => (by >= 0 ? size * powerOfTen(by) : size);
  const divided = (by: number): bigint => (by >= 0 ? divisor : divisor * powerOfTen(-by));
  // The lengths tell the number of digits of the quotient but for one.
  if (shifted(shift) >= divided(shift) * powerOfTen(digits)) shift--;
  const rounded = divideHalfEven(coefficient < 0n ? -shifted(shift) : shifted(shift), divided(shift));
  return normaliseDecimal({ coefficient: rounded, scale: scale + shift });
}

const bitLength = (value: bigint): number => {
  const text = value.toString(16);
  return (text.length - 1) * 4 + (32 - Math.clz32(Number.parseInt(text.charAt(0), 16)));
};

/** Exponent of the smallest double. */
const LEAST = 1_074;

/** The double nearest to a quotient, half to even: rounded once, from the exact value. The divisor is positive. */
export function divideToDouble({ coefficient, scale }: Decimal, divisor: bigint): number {
  if (coefficient === 0n) return 0;
  const size = coefficient < 0n ? -coefficient : coefficient;
  const dividend = scale < 0 ? size * powerOfTen(-scale) : size;
  const whole = scale > 0 ? divisor * powerOfTen(scale) : divisor;
  // 64 bits or more of the quotient, or as many as there are down to the smallest double.
  let shift = Math.min(LEAST, 66 - (bitLength(dividend) - bitLength(whole)));
  const top = shift >= 0 ? dividend << BigInt(shift) : dividend;
  const bottom = shift >= 0 ? whole : whole << BigInt(-shift);
  let quotient = top / bottom;
  if (quotient < 2n ** 53n) quotient = divideHalfEven(top, bottom);
  else {
    // A last bit that stands for everything cut off keeps the conversion below from seeing a tie that is none.
    quotient = (quotient << 2n) | (top % bottom === 0n ? 0n : 1n);
    shift += 2;
  }
  // In two steps, because 2^-1076 is no double.
  const half = Math.trunc(shift / 2);
  const magnitude = Number(quotient) * 2 ** -half * 2 ** -(shift - half);
  return coefficient < 0n ? -magnitude : magnitude;
}

/** A running sum without rounding. Small numbers are added up as whole doubles of one scale, which costs least. */
export interface ExactSum {
  /** A whole number below 2^53 in size, at `laneScale`. */
  lane: number;
  laneScale: number;
  coefficient: bigint;
  scale: number;
  /** True once a number was added that no double holds. */
  isWide: boolean;
}

export function createExactSum(): ExactSum {
  return { lane: 0, laneScale: 0, coefficient: 0n, scale: 0, isWide: false };
}

const isSafe = Number.isSafeInteger;

function addWide(sum: ExactSum, { coefficient, scale }: Decimal): void {
  const common = Math.max(sum.scale, scale);
  sum.coefficient = sum.coefficient * powerOfTen(common - sum.scale) + coefficient * powerOfTen(common - scale);
  sum.scale = common;
}

function addSmall(sum: ExactSum, whole: number, scale: number): void {
  const most = Math.max(scale, sum.laneScale);
  const lane = sum.lane * 10 ** (most - sum.laneScale);
  const added = whole * 10 ** (most - scale);
  const total = lane + added;
  // Powers beyond 10^22 are no exact doubles, but then the products are not safe either.
  if (isSafe(lane) && isSafe(added) && isSafe(total)) {
    sum.lane = total;
    sum.laneScale = most;
    return;
  }
  addWide(sum, { coefficient: BigInt(sum.lane), scale: sum.laneScale });
  sum.lane = whole;
  sum.laneScale = scale;
}

/** Adds a value; false and nothing added when it is no number, `too-long` when it is beyond DECIMAL_LIMITS. */
export function addToSum(sum: ExactSum, value: number | bigint | string): boolean | 'too-long' {
  if (typeof value === 'number') {
    if (isSafe(value)) {
      addSmall(sum, value, 0);
      return true;
    }
    const text = String(value);
    const point = text.indexOf('.');
    if (point >= 0 && !text.includes('e')) {
      const whole = Number(text.slice(0, point) + text.slice(point + 1));
      if (isSafe(whole)) {
        addSmall(sum, whole, text.length - point - 1);
        return true;
      }
    }
  }
  const decimal = toDecimal(value);
  if (decimal === null) return false;
  if (decimal === 'too-long') return 'too-long';
  if (typeof value !== 'number') sum.isWide = true;
  addWide(sum, decimal);
  return true;
}

export function sumOf(sum: ExactSum): Decimal {
  const scale = Math.max(sum.scale, sum.laneScale);
  return normaliseDecimal({
    coefficient: sum.coefficient * powerOfTen(scale - sum.scale) + BigInt(sum.lane) * powerOfTen(scale - sum.laneScale),
    scale,
  });
}
