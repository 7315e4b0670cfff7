// trigonometric.ts: sin and cos made of + - * / alone: a table of 64 angles around the circle and short series between them. Errors stay
// below .55 units in the last place, whatever the angle: of large ones whole turns are taken away in integers (Payne and Hanek 1983).
import { productRest, sumRest } from './double.ts';
import { INVERSE_PI_32, PI_32, SINES } from './tables.ts';

const float = new Float64Array(1);
const bits = new BigUint64Array(float.buffer);

const STEP = Math.PI / 32;
const PER_STEP = 32 / Math.PI;
const STEP_REST = 1.2246467991473532e-16 / 32; // pi less Math.PI

/** sin(j pi / 32) in two parts, j = 0 to 79: a turn, and a quarter more for cosines. */
const CIRCLE = Float64Array.from({ length: 160 }, (_, i) => {
  const k = (i >> 1) & 31;
  return (i & 64 ? -1 : 1) * SINES[2 * (k <= 16 ? k : 32 - k) + (i & 1)]!;
});

/** The sine of x radians. NaN for what is not finite. */
export const sin = (x: number): number => (Math.abs(x) < 2 ** -27 ? x : turned(x, 0));

/** The cosine of x radians. NaN for what is not finite. */
export const cos = (x: number): number => turned(x, 16);

/** sin(x + shift pi / 32). */
function turned(x: number, shift: number): number {
  if (!(Math.abs(x) < Infinity)) return Number.NaN;
  if (Math.abs(x) > 1e5) return turnedFar(x, shift);
  const n = Math.round(x * PER_STEP);
  if (n === 0) return between(shift, x, 0);
  // In three parts: the first two products and the first difference are exact.
  const first = x - n * PI_32[0]!;
  const second = n * PI_32[1]!;
  const sum = first - second;
  const rest = first - sum - second - n * PI_32[2]!;
  const r = sum + rest;
  if (Math.abs(r) < 2 ** -20) return turnedFar(x, shift); // too much was lost
  return between(n + shift, r, sumRest(sum, rest, r));
}

/** The same for any x that is not 0. */
function turnedFar(x: number, shift: number): number {
  float[0] = Math.abs(x);
  const exponent = Number(bits[0]! >> 52n) - 1075;
  const mantissa = (bits[0]! & 0xfffffffffffffn) | 0x10000000000000n;
  // |x| / (pi / 32) in units of 2^-192, the nearest whole number, and what is left.
  const steps = (mantissa * INVERSE_PI_32) >> BigInt(1088 - exponent);
  const n = (steps + (1n << 191n)) >> 192n;
  const left = steps - (n << 192n);
  const high = Number(left);
  const a = high * 2 ** -192;
  const b = Number(left - BigInt(high)) * 2 ** -192;
  const r = a * STEP;
  const rest = productRest(a, STEP, r) + a * STEP_REST + b * STEP;
  return x < 0 ? between(shift - Number(n & 63n), -r, -rest) : between(shift + Number(n & 63n), r, rest);
}

/** sin(j pi / 32 + r + rest), |r| <= pi / 64. */
function between(j: number, r: number, rest: number): number {
  const at = 2 * (j & 63);
  const sine = CIRCLE[at]!;
  const sineRest = CIRCLE[at + 1]!;
  const cosine = CIRCLE[at + 32]!;
  const cosineRest = CIRCLE[at + 33]!;
  const s = r * r;
  const less = r * s * (-1 / 6 + s * (1 / 120 + s * (-1 / 5040 + s / 362880))); // sin r - r
  const below = s * (-1 / 2 + s * (1 / 24 + s * (-1 / 720 + s / 40320))); // cos r - 1
  const product = cosine * r;
  const sum = sine + product;
  const small = productRest(cosine, r, product) + sineRest + cosineRest * r + cosine * rest + (sine * below + cosine * less);
  return sum + (sumRest(sine, product, sum) + small);
}
