// statistics.ts: whether a difference is more than noise: Student's distribution, paired differences, several of them together, and the bootstrap.
import { OptionError } from '../errors.ts';
import { mean, quantile, sorted } from '../history/numbers.ts';
import { uniformIntegers } from '../ir/draws.ts';
import { exp, log } from '../math/index.ts';

/** Log of the gamma function of x > 0: Stirling's series where it is good, the recurrence below. To 1e-13. */
export function logGamma(x: number): number {
  let below = 1;
  let z = x;
  while (z < 12) below *= z++;
  const square = z * z;
  const tail = 1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / (1188 * square)) / square) / square) / square;
  return (z - 0.5) * log(z) - z + 0.5 * log(2 * Math.PI) + tail / z - log(below);
}

/** The regularized incomplete beta function, by its continued fraction (Lentz's method, as in Numerical Recipes). */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * log(x) + b * log(1 - x)) / a;
  const TINY = 1e-300;
  const away = (v: number): number => (Math.abs(v) < TINY ? TINY : v);
  let c = 1;
  let d = 1 / away(1 - ((a + b) * x) / (a + 1));
  let value = d;
  for (let m = 1; m < 10_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away(1 + even * d);
    c = away(1 + even / c);
    value *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away(1 + odd * d);
    c = away(1 + odd / c);
    value *= d * c;
    if (Math.abs(d * c - 1) < 1e-15) break;
  }
  return front * value;
}

/** Probability that Student's t of so many degrees of freedom is beyond t on either side. */
export function studentP(t: number, degrees: number): number {
  if (Number.isNaN(t)) return Number.NaN;
  if (Math.abs(t) === Infinity) return 0;
  return incompleteBeta(degrees / (degrees + t * t), degrees / 2, 0.5);
}

/** The t that Student's distribution is beyond, on either side, with probability p. By bisection, to the last bits. */
export function studentT(p: number, degrees: number): number {
  let [low, high] = [0, 1];
  while (studentP(high, degrees) > p && high < 1e300) high *= 2;
  for (let i = 0; i < 200 && low < high; i++) {
    const middle = low + (high - low) / 2;
    if (middle === low || middle === high) break;
    if (studentP(middle, degrees) > p) low = middle;
    else high = middle;
  }
  return high;
}

/** What the differences of pairs tell. */
export interface PairedTest {
  /** Pairs. */
  readonly n: number;
  /** Mean of a - b. */
  readonly mean: number;
  /** Where the mean of all such pairs lies, with the confidence that was asked for. From -Infinity to Infinity of a single pair. */
  readonly interval: readonly [low: number, high: number];
  /** Probability of a difference as large where there is none: Student's paired test, two-sided. NaN of a single pair, and of pairs that are all equal. */
  readonly p: number;
}

/**
 * The paired test of a - b: same seed, same data, so that what seeds have in common drops out.
 * @param confidence of the interval
 */
export function pairedTest(a: readonly number[], b: readonly number[], confidence: number = 0.95): PairedTest {
  const n = a.length;
  if (n === 0 || b.length !== n) throw new OptionError(`pairedTest: expected pairs, got ${n} and ${b.length} values`);
  const differences = a.map((x, i) => x - b[i]!);
  const middle = mean(differences);
  if (n === 1) return { n, mean: middle, interval: [-Infinity, Infinity], p: Number.NaN };
  const squares = differences.map((d) => (d - middle) * (d - middle)).reduce((x, y) => x + y, 0);
  const error = Math.sqrt(squares / (n - 1) / n);
  const away = studentT(1 - confidence, n - 1) * error;
  return { n, mean: middle, interval: [middle - away, middle + away], p: studentP(middle / error, n - 1) };
}

/** P values of several tests that were made together, each as large as it must be so that none is believed by chance (Holm 1979). NaN stays. */
export function holm(ps: readonly number[]): number[] {
  const order = ps
    .map((p, i) => [p, i] as const)
    .filter(([p]) => !Number.isNaN(p))
    .sort((a, b) => a[0] - b[0]);
  const adjusted = ps.map(() => Number.NaN);
  let most = 0;
  order.forEach(([p, i], rank) => {
    most = Math.max(most, Math.min(1, p * (order.length - rank)));
    adjusted[i] = most;
  });
  return adjusted;
}

export interface BootstrapOptions {
  /** Samples that are drawn. Default 2,000. */
  readonly samples?: number;
  readonly confidence?: number;
  readonly seed?: bigint;
}

/**
 * Where a statistic lies, by drawing as many units as there are, with replacement, again and again (Efron 1979, percentile intervals).
 * @param units what is drawn: numbers, pairs, workloads with all their seeds
 */
export function bootstrap<T>(
  units: readonly T[],
  statistic: (drawn: readonly T[]) => number,
  { samples = 2000, confidence = 0.95, seed = 0n }: BootstrapOptions = {},
): { readonly value: number; readonly interval: readonly [low: number, high: number] } {
  const chosen = new Int32Array(units.length);
  const values = Array.from({ length: samples }, (_, i) => {
    uniformIntegers(chosen, units.length, seed, i);
    return statistic(Array.from(chosen, (at) => units[at]!));
  });
  const inOrder = sorted(values);
  const tail = (1 - confidence) / 2;
  return { value: statistic(units), interval: [quantile(inOrder, tail), quantile(inOrder, 1 - tail)] };
}
