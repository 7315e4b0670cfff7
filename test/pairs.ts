// pairs.ts: a sum of products in bf16 as binding/kernels/bf16.h defines it, in exact arithmetic: what kernels must give to the bit.

const LEAST = 2 ** -126;
const wide = new Float64Array(1);
const wideBits = new BigInt64Array(wide.buffer);
const narrow = new Float32Array(1);
const narrowBits = new Uint32Array(narrow.buffer);

/** x as the nearest bf16, of two the even one; denormals of f32 are zeros of their sign. By comparing neighbors, apart from lib/math/bf16.ts. */
export function nearestBf16(x: number): number {
  narrow[0] = x;
  const single = narrow[0];
  if (Number.isNaN(single)) return Number.NaN;
  if (Math.abs(single) < LEAST) return Object.is(Math.sign(single), 0) || single > 0 ? 0 : -0;
  narrowBits[0] = narrowBits[0]! & 0xffff0000;
  const below = narrow[0];
  const even = (narrowBits[0] & 0x10000) === 0;
  if (below === single) return below;
  narrowBits[0] += 0x10000;
  // Beyond the largest number lies infinity, at the distance that the next number would have.
  const above = Number.isFinite(narrow[0]) ? narrow[0] : Math.sign(below) * 2 ** 128;
  const [down, up] = [Math.abs(single - below), Math.abs(above - single)];
  return down < up || (down === up && even) ? below : narrow[0];
}

/** a * b + c rounded once to f32, where a product of two numbers has no more digits than an f64; denormals are zeros, in c and out. */
function fused(a: number, b: number, c: number): number {
  const product = a * b;
  const from = Math.abs(c) < LEAST ? c * 0 : c;
  const sum = product + from;
  const back = sum - product;
  const lost = product - (sum - back) + (from - back);
  wide[0] = sum;
  // To odd: then the second rounding is as one of the exact sum.
  if (lost !== 0 && Number.isFinite(sum) && (wideBits[0]! & 1n) === 0n) wideBits[0]! += lost > 0 === sum > 0 ? 1n : -1n;
  const exact = wide[0];
  if (Math.abs(exact) >= 1) return Math.fround(exact);
  // Rounded as if exponents had no end, and then looked at.
  const rounded = Math.fround(exact * 2 ** 100) / 2 ** 100;
  return Math.abs(rounded) < LEAST ? rounded * 0 : rounded;
}

/** `sum` plus the products of a and b in their order: of each pair of terms the second first. An odd last term has 0 beside it. */
export function sumOfPairs(a: ArrayLike<number>, b: ArrayLike<number>, sum = 0): number {
  for (let k = 0; k < a.length; k += 2) {
    sum = fused(nearestBf16(a[k + 1] ?? 0), nearestBf16(b[k + 1] ?? 0), sum);
    sum = fused(nearestBf16(a[k]!), nearestBf16(b[k]!), sum);
  }
  return sum;
}
