// distributions.ts: probabilities of what tests of ranks come to: chi-square, Fisher's F, the normal distribution, the studentized range.
import { erfc, exp, log } from '../../math/index.ts';
import { incompleteBeta, logGamma } from '../../tune/statistics.ts';

/** The probability that a normal number is below z. */
export function normalBelow(z: number): number {
  return 0.5 * erfcOf(-z / Math.SQRT2);
}

/** Twice the way to either side. */
const erfcOf = (x: number): number => (x < 0 ? 2 - erfc(-x) : erfc(x));

/** The probability that a sum of squares of `degrees` normal numbers is above x. */
export function chiSquareP(x: number, degrees: number): number {
  return x <= 0 ? 1 : upperGamma(degrees / 2, x / 2);
}

/** The regularized incomplete gamma function Q(a, x): a series for small x, else a continued fraction (Numerical Recipes). */
function upperGamma(a: number, x: number): number {
  const front = exp(a * log(x) - x - logGamma(a));
  if (x < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let n = 1; n < 10_000 && term > sum * 1e-16; n++) {
      term *= x / (a + n);
      sum += term;
    }
    return Math.max(0, 1 - front * sum);
  }
  let b = x + 1 - a;
  let c = 1e300;
  let d = 1 / b;
  let value = d;
  for (let n = 1; n < 10_000; n++) {
    const step = -n * (n - a);
    b += 2;
    d = 1 / (step * d + b);
    c = b + step / c;
    value *= c * d;
    if (Math.abs(c * d - 1) < 1e-16) break;
  }
  return front * value;
}

/** The probability that a ratio of mean squares, of so many degrees of freedom above and below, is above f. */
export function fisherP(f: number, above: number, below: number): number {
  if (f === Infinity) return 0;
  return f <= 0 ? 1 : incompleteBeta(below / (below + above * f), below / 2, above / 2);
}

/**
 * The probability that the range of `count` normal numbers, whose variance is known to be 1, is above q: the studentized range with endless degrees of
 * freedom. An integral over where the least of them lies, by the trapezoidal rule, which is exact to rounding for such functions.
 */
export function rangeP(q: number, count: number): number {
  if (q <= 0) return 1;
  const STEP = 1 / 32;
  let sum = 0;
  for (let z = -9; z <= 9; z += STEP) {
    const within = normalBelow(z) - normalBelow(z - q);
    let power = 1;
    for (let i = 1; i < count; i++) power *= within;
    sum += (exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * power;
  }
  return Math.min(1, Math.max(0, 1 - count * sum * STEP));
}

/** The range that is exceeded with probability p. By bisection. */
export function rangeQ(p: number, count: number): number {
  let [low, high] = [0, 40];
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (rangeP(middle, count) > p) low = middle;
    else high = middle;
  }
  return high;
}
