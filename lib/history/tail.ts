// tail.ts: how heavy the tail of norms is: Hill's estimate of its index, with an interval.
import { log, pow } from '../math/index.ts';
import { median, sorted } from './numbers.ts';
import { show } from './warning.ts';

/**
 * How the largest norms are spread, each over the median of its tenth of the steps, so that norms that fall or rise are no tail: of those beyond a large x, the fraction beyond t x is about t^-index. Of an index up to 2 the variance is infinite, up to 1
 * the mean as well; of a normal distribution it is above 6 and grows with the number of steps.
 */
export interface Tail {
  /** Hill's estimate (1975): 1 over the mean of ln(norm / `above`) of the `count` largest norms. */
  readonly index: number;
  /** The interval that holds the index in 95 of 100 runs of a power law, where steps do not depend on each other; they do a little. */
  readonly low: number;
  /** Upper end of the interval. */
  readonly high: number;
  /** How many of the largest norms it is from: the root of the number of steps. */
  readonly count: number;
  /** What those are above, in medians. */
  readonly above: number;
}

/** Fewer steps than these have no tail to speak of: it would be an estimate from fewer than ten. */
export const TAIL_STEPS = 100;
// The normal distribution's quantile for 95 of 100.
const Z = 1.959964;

/**
 * The number of norms is a choice between noise (too few) and bias (so many that they are no tail). The root of the number of steps is usual: of a power law it
 * has no bias, of Student's t with 4 degrees and 1,600 steps it gives 3.5 in the mean.
 * @returns null for fewer than 100 norms, and where those in the tail are all the same or 0
 */
export function tailOf(norms: ArrayLike<number> & Iterable<number>): Tail | null {
  const order = sorted(norms);
  if (order.length < TAIL_STEPS) return null;
  const count = Math.floor(Math.sqrt(order.length));
  const above = order[order.length - 1 - count]!;
  if (!(above > 0)) return null;
  let sum = 0;
  for (let i = order.length - count; i < order.length; i++) sum += log(order[i]! / above);
  if (!(sum > 0)) return null;
  const index = count / sum;
  // sum * index has a gamma distribution of `count`, half of a chi-square of twice as many degrees.
  return { index, low: index * chiSquare(2 * count, -Z), high: index * chiSquare(2 * count, Z), count, above };
}

/** A quantile of chi-square over its degrees of freedom, by Wilson and Hilferty (1931): off by less than 1e-3 for 20 and more. */
function chiSquare(degrees: number, z: number): number {
  const part = 2 / (9 * degrees);
  const root = 1 - part + z * Math.sqrt(part);
  return root * root * root;
}

/** Norms over the median of their tenth of the steps; what is left over joins the last one. */
export function spreadOf(norms: readonly number[]): number[] {
  const size = Math.max(10, Math.ceil(norms.length / 10));
  const parts = Math.max(1, Math.floor(norms.length / size));
  return Array.from({ length: parts }, (_, p) => norms.slice(p * size, p === parts - 1 ? norms.length : (p + 1) * size)).flatMap(
    (part) => {
      const middle = median(part);
      return part.map((n) => (n === 0 ? 0 : n / middle));
    },
  );
}

/** Norms beyond this many medians are far out; an exponential distribution has 3 in a hundred there, a smooth run none. */
export const FAR_OUT = 5;
/** A tail index below it means that the variance of all norms there could be is infinite. */
const NO_VARIANCE = 2;

/** Whether one norm in a hundred, and five at least, is far out, or the index says that they have no variance. */
export function hasHeavyTail(spread: readonly number[], tail: Tail | null): boolean {
  const far = spread.filter((x) => x > FAR_OUT).length;
  return far >= Math.max(5, spread.length / 100) || (tail !== null && tail.high < NO_VARIANCE);
}

/** The index in words. */
export function tailText({ index, low, high, count }: Tail): string {
  const kind =
    high < 1
      ? 'so heavy that they have no mean'
      : high < 2
        ? 'so heavy that they have no finite variance'
        : low > 4
          ? 'light'
          : 'moderate';
  return `Of the ${count} largest, twice as large is ${show(pow(2, index))} times as rare (tail index ${show(index)}, ${show(low)} to ${show(high)}): ${kind}.`;
}
