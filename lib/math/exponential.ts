// exponential.ts: exp, expm1, log, log1p, log10, pow and tanh made of + - * / alone, since JavaScript leaves the last bits of its own to the engine.
// Tables as in Tang 1989 and 1990. Inside, a number is a head and a `tail`: errors stay below .55 units in the last place.
import { anySumRest, productRest, sumRest } from './double.ts';
import { LN2, LN2_32, LOG10_E, LOGS, POWERS_OF_2 } from './tables.ts';

const float = new Float64Array(1);
const words = new Uint32Array(float.buffer);

/** The second part of what `logarithm` or `exponential` returned last, and the latter's power of two. */
let tail = 0;
let power = 0;

/** 2^k, k = -1022 to 1023. */
function binary(k: number): number {
  words[0] = 0;
  words[1] = (k + 1023) << 20;
  return float[0]!;
}

/** 1/3 - r/4 + r^2/5 - ... + r^8/11: log(1 + r) = r - r^2 / 2 + r^3 * this, |r| <= 2^-6. */
function cubic(r: number): number {
  const end = 1 / 9 - r * (1 / 10 - r / 11);
  return 1 / 3 - r * (1 / 4 - r * (1 / 5 - r * (1 / 6 - r * (1 / 7 - r * (1 / 8 - r * end)))));
}

/** log x of a finite x > 0, to 2^-66. */
function logarithm(x: number): number {
  float[0] = x;
  let k = 0;
  if (words[1]! < 0x100000) {
    float[0] = x * 2 ** 54; // a subnormal number
    k = -54;
  }
  const e = (words[1]! - 0x3fe6a09e) >> 20; // x = z * 2^e, z from the root of 1/2 to that of 2
  words[1] = words[1]! - (e << 20);
  k += e;
  const z = float[0]!;
  const at = 3 * (Math.floor(64 * z) - 45);
  const inverse = LOGS[at]!;
  // z / c = 1 + r + low, exactly: 1 / c has 9 bits.
  const high = Math.fround(z);
  const a = high * inverse - 1;
  const b = (z - high) * inverse;
  const r = a + b;
  const low = anySumRest(a, b, r);
  const square = r * r;
  const whole = k * LN2[0]! + LOGS[at + 1]!; // exact: both are multiples of 2^-42
  const first = whole + r;
  const head = first - square / 2;
  let rest = low - productRest(r, r, square) / 2 - r * low + square * r * cubic(r) + (k * LN2[1]! + LOGS[at + 2]!);
  rest += anySumRest(whole, r, first) + anySumRest(first, -square / 2, head);
  const sum = head + rest;
  tail = sumRest(head, rest, sum);
  return sum;
}

const PER_LN2_32 = 1 / LN2_32[0]!;

/** exp(x + rest) = (head + tail) * 2^power for |x| < 750, to 2^-59; the head is from .98 to 2. */
function exponential(x: number, rest: number): number {
  const n = Math.round(x * PER_LN2_32);
  const a = x - n * LN2_32[0]!; // exact
  const b = n * LN2_32[1]! - rest;
  const r = a - b;
  const low = sumRest(a, -b, r);
  const series = 1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720 + r / 5040))));
  const grown = r + (low + r * r * series);
  const at = 2 * (n & 31);
  power = n >> 5;
  const first = POWERS_OF_2[at]!;
  const change = POWERS_OF_2[at + 1]! + first * grown;
  const head = first + change;
  tail = sumRest(first, change, head);
  return head;
}

/** (head + tail) * 2^power, rounded once. */
function rounded(head: number): number {
  if (power >= 0) return (head + tail) * binary(power - 1) * 2;
  if (power > (head < 1 ? -1022 : -1023)) return (head + tail) * binary(power);
  // Subnormal: added to a number whose last place has the worth of the least f64.
  const base = binary(-1022 - power);
  let sum = base + head;
  sum += sumRest(base, head, sum) + tail;
  return (sum - base) * binary(power + 200) * 2 ** -200;
}

/** e^x. */
export function exp(x: number): number {
  if (!(x < 710)) return x * Infinity; // NaN too
  if (x < -746) return 0;
  return rounded(exponential(x, 0));
}

/** 1/6 + x/24 + ...: e^x - 1 - x - x^2 / 2 is x^3 times this, |x| < .35. */
function afterSquare(x: number): number {
  const end = 1 / 39916800 + x * (1 / 479001600 + x * (1 / 6227020800 + x / 87178291200));
  const rest = 1 / 40320 + x * (1 / 362880 + x * (1 / 3628800 + x * end));
  return 1 / 6 + x * (1 / 24 + x * (1 / 120 + x * (1 / 720 + x * (1 / 5040 + x * rest))));
}

/** e^x - 1. */
export function expm1(x: number): number {
  if (Math.abs(x) < 0.35) {
    if (Math.abs(x) < 2 ** -30) return x === 0 ? x : x + (x * x) / 2;
    const square = x * x;
    const head = x + square / 2;
    return head + (sumRest(x, square / 2, head) + productRest(x, x, square) / 2 + x * square * afterSquare(x));
  }
  if (!(x < 710)) return x * Infinity; // NaN too
  if (x < -40) return -1;
  const head = exponential(x, 0);
  if (power > 60) return rounded(head);
  const scale = binary(power);
  const less = scale * head - 1;
  return less + (anySumRest(scale * head, -1, less) + scale * tail);
}

/** The natural logarithm. */
export function log(x: number): number {
  if (!(x > 0 && x < Infinity)) return x === 0 ? -Infinity : x > 0 ? x : Number.NaN;
  return logarithm(x);
}

/** log(1 + x). */
export function log1p(x: number): number {
  if (Math.abs(x) < 2 ** -6) return x === 0 ? x : x + x * x * (x * cubic(x) - 0.5);
  if (!(x > -1 && x < Infinity)) return x === -1 ? -Infinity : x > 0 ? x : Number.NaN;
  const sum = 1 + x;
  return logarithm(sum) + (tail + anySumRest(1, x, sum) / sum);
}

/** The logarithm to base 10; exact for powers of 10. */
export function log10(x: number): number {
  if (!(x > 0 && x < Infinity)) return log(x);
  const ln = logarithm(x);
  const head = ln * LOG10_E[0]!;
  return head + (productRest(ln, LOG10_E[0]!, head) + ln * LOG10_E[1]! + tail * LOG10_E[0]!);
}

/** x^y. As IEEE 754 has it: 1 for an x of 1 and a y of 0 whatever the other is, NaN too, and for an x of -1 and an infinite y. */
export function pow(x: number, y: number): number {
  if (y === 0 || x === 1) return 1;
  if (Number.isNaN(x) || Number.isNaN(y)) return Number.NaN;
  const base = Math.abs(x);
  if (base === 1 && Math.abs(y) === Infinity) return 1;
  const sign = (x < 0 || Object.is(x, -0)) && Math.abs(y % 2) === 1 ? -1 : 1;
  const most = base > 1 === y > 0 ? Infinity : 0;
  if (base === 0 || base === Infinity || Math.abs(y) === Infinity) return sign * most;
  if (x < 0 && y % 1 !== 0) return Number.NaN;
  if (base === 1) return sign;
  if (Math.abs(y) > 2 ** 63) return most; // |log x| is 2^-53 at least
  if (Math.abs(y) < 2 ** -64) return 1;
  const ln = logarithm(base);
  const head = ln * y;
  if (head > 710 || head < -746) return sign * most;
  return sign * rounded(exponential(head, productRest(ln, y, head) + tail * y));
}

/** The hyperbolic tangent. */
export function tanh(x: number): number {
  const a = Math.abs(x);
  if (a < 2 ** -27 || Number.isNaN(x)) return x;
  if (a > 20) return Math.sign(x);
  if (a < 0.35) {
    // Lambert's continued fraction: x / (1 + x^2 / (3 + x^2 / (5 + ...))).
    let f = 0;
    for (let n = 17; n > 1; n -= 2) f = (x * x) / (n + f);
    return x - (x * f) / (1 + f);
  }
  // 1 - 2 / (e^(2a) + 1)
  const head = exponential(2 * a, 0);
  const scale = binary(power);
  const n = scale * head + 1;
  const rest = sumRest(scale * head, 1, n) + scale * tail;
  const q = 2 / n;
  const back = q * n;
  const wrong = (2 - back - productRest(q, n, back) - q * rest) / n;
  const first = 1 - q;
  return Math.sign(x) * (first + (sumRest(1, -q, first) - wrong));
}
