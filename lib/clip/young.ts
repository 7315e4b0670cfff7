// young.ts: bounds of thresholds that are made of earlier steps, while there are few of those: the first step is its own past.
import type { Tensor } from '../ir/graph.ts';
import { div, equal, less, minimum, mul, pow, sub, where } from '../ops/elementwise/elementwise.ts';
import { type Field, number, whole } from '../options/index.ts';
import type { ClipContext, ClipPolicy } from './clip.ts';

/** What the bound of the warm-up grows by in each step after it: let go at once, a run that still explodes would be lost. */
const GROWTH = 1.02;

/** Options of policies whose thresholds come from earlier steps: bounds that hold from the first one on. */
export interface YoungOptions {
  /** Steps to begin with, in which no threshold goes above `absolute`. Default 100; 0: none, as published. */
  readonly warmup?: number;
  /** What no threshold goes above in the warm-up. After it the bound grows by 2 % a step. Default 1; Infinity: no bound. */
  readonly absolute?: number;
  /** No threshold ever goes above this. Default Infinity. */
  readonly max?: number;
}

/** What no threshold of the warm-up goes above. */
export const absolute: Field<number, number, false> = number({ above: 0, infinite: true }).default(1);
/** No threshold that is made of norms so far goes above it. */
export const max: Field<number, number, false> = number({ above: 0, infinite: true }).default(Number.POSITIVE_INFINITY);

/** The fields of YoungOptions. */
export const youngFields: {
  readonly warmup: Field<number, number, false>;
  readonly absolute: Field<number, number, false>;
  readonly max: Field<number, number, false>;
} = { warmup: whole({ min: 0 }).default(100), absolute, max };

/** The option of policies whose thresholds are made of a mean, which one norm could move as far as it likes. */
export interface CapOptions {
  /** A norm counts as at most so many times the mean so far, and so one spike moves it little. Default 10; Infinity: as it is, as published. */
  readonly cap?: number;
}

/** The field of CapOptions. */
export const cap: Field<number, number, false> = number({ min: 1, infinite: true }).default(10);

/** A bound of thresholds that are made of what was. */
export interface Bound {
  readonly first: Pick<ClipPolicy, 'unboundedAtFirst' | 'followsNorms'>;
  /**
   * The bounds after so many `steps`, scalars; null: there is none.
   * @shape steps scalar -> scalars
   */
  at(c: ClipContext, steps: Tensor): Bounds;
}

/** What bounds a step. */
export interface Bounds {
  /** That of the warm-up: norms count as no more than it, for what exploded then is nothing to go by. */
  readonly young: Tensor | null;
  /** That of the threshold. */
  readonly all: Tensor | null;
}

/** @param name of the policy, as users write it */
export function boundOf(name: string, { warmup, absolute, max }: Required<YoungOptions>): Bound {
  const early = warmup > 0 && absolute < Infinity;
  return {
    first: { followsNorms: true, ...(early || max < Infinity ? {} : { unboundedAtFirst: `option max of ${name}` }) },
    at(c, steps) {
      const most = max < Infinity ? c.graph.scalar(max, 'f64') : null;
      if (!early) return { young: null, all: most };
      const young = where(less(steps, warmup), absolute, mul(absolute, pow(GROWTH, sub(steps, warmup))));
      return { young, all: most ? minimum(young, most) : young };
    },
  };
}

/** The lesser of the two, where there is a bound. */
export function bounded(x: Tensor, bound: Tensor | null): Tensor {
  return bound ? minimum(x, bound) : x;
}

/** What counts of a norm: no more than the bound and `cap` times the `mean` so far; a mean of 0 is none. */
export function counted(norm: Tensor, mean: Tensor, cap: number, bound: Tensor | null): Tensor {
  const capped = cap === Infinity ? norm : where(equal(mean, 0), norm, minimum(norm, mul(cap, mean)));
  return bounded(capped, bound);
}

/** A running mean that began at 0, corrected for that; 0 before the first step. */
export function corrected(mean: Tensor, decay: number, steps: Tensor): Tensor {
  return where(equal(steps, 0), 0, div(mean, sub(1, pow(decay, steps))));
}
