// probe.ts: figures of the gradients of some batches at the present weights: how noisy they are, and what the clip does to their mean.

import { custom, type Field } from '../options/index.ts';
import type { Warning } from './warning.ts';

/** A number that was estimated, with an interval that holds it in about 95 of 100 cases, and in more where noise is most of the gradients. */
export interface Estimate {
  /** The estimate; a noise scale is Infinity where noise hides the gradient. Null where the batches cannot tell. */
  readonly value: number | null;
  /** Lower end of the interval. */
  readonly low: number;
  /** Upper end of the interval. */
  readonly high: number;
}

/** What a probe found of one parameter. */
export interface ProbedParameter {
  /** Its name. */
  readonly name: string;
  /** How many elements it has. */
  readonly elements: number;
  /** Root mean square of an element of its gradient, over the batches. */
  readonly rms: number;
  /** The part of the elements of its gradient that were 0, over the batches. */
  readonly zeros: number;
  /** Batches in which all of its gradient was 0. */
  readonly zeroBatches: number;
  /** Of the elements that the optimizer was given something for, the part that its update would leave as they are; null: there were none. */
  readonly unchanged: number | null;
}

/** Outputs of a rectifier, by unit: a feature, or a channel of a convolution. */
export interface ProbedUnits {
  /** Path of the module that calls it, such as `features.1`; '' of the model itself. A second one in the same module has ` (2)`. */
  readonly path: string;
  /** How many units. */
  readonly units: number;
  /** Those that were 0 for every row of all batches. */
  readonly dead: number;
}

/** What `trainer.probe` gives: the gradients of some batches at the present weights, in figures. */
export interface Probe {
  /** Updates before it. */
  readonly step: number;
  /** Batches that the figures are of: each what a step has, with all its micro-batches. */
  readonly batches: number;
  /** Further batches whose gradient was not finite, which are in none of the figures. */
  readonly nonFinite: number;
  /** Of `batches`, those that the policy would leave out. In the mean of the clipped gradients they are 0. */
  readonly skipped: number;
  /** Rows of a batch. */
  readonly rows: number;
  /** Mean loss. */
  readonly loss: number;
  /** 2-norm of the gradient of each batch, before the clip. */
  readonly norms: readonly number[];
  /** 2-norm of the mean of the gradients. */
  readonly meanNorm: number;
  /** Sum of the variances of the elements of a batch's gradient. */
  readonly variance: number;
  /** Square of the norm of the gradient of all rows there could be, without what noise adds to it; 0 or less where noise hides it. */
  readonly signal: number;
  /** The gradient noise scale tr(S) / |G|^2, in rows: of batches of so many, noise has as much of the square of the norm as the gradient. */
  readonly noiseScale: Estimate;
  /** What the clip policy does, from its present state. */
  readonly clip: {
    /** Its name. */
    readonly policy: string;
    /** Cosine of the mean clipped gradient and the mean gradient: without a bias of the clip 1. Null where noise hides one of them. */
    readonly cosine: Estimate;
    /** The same of the means of these batches, as they are: noise that both have brings it near 1. */
    readonly plainCosine: number;
    /** How much of the mean gradient is left along its own direction; null where noise hides it. */
    readonly length: number | null;
    /** The part of the batches that it changes. */
    readonly rate: number;
    /** How far it turns a batch's gradient: 1 - cosine with what it makes of it, mean over the batches. */
    readonly turn: number;
    /** The part of the elements that are not 0 which it changes otherwise than by one factor for all of their gradient: those at a bound. */
    readonly atBound: number;
    /** Its threshold, median over the batches; Infinity without one. */
    readonly threshold: number;
  };
  /** Learning rates of the next step, by group. */
  readonly rates: readonly number[];
  /** Of the elements that the optimizer was given something for, the part that its next update would leave as they are, to the bit; null: there were none. */
  readonly unchanged: number | null;
  /** By parameter, in the order in which policies see them. */
  readonly parameters: readonly ProbedParameter[];
  /** Rectifiers, in the order in which the model calls them. */
  readonly units: readonly ProbedUnits[];
  /** What looks wrong; empty if nothing does. `advise` has them with those of the record. */
  readonly warnings: readonly Warning[];
}

/** What a call is given of one. */
export const probeField: Field<Probe> = custom('what probe gives', (given, place) => {
  const { noiseScale, clip, units, warnings } = (given ?? {}) as Partial<Probe>;
  if (noiseScale && clip?.cosine && Array.isArray(units) && Array.isArray(warnings)) return given as Probe;
  throw place.wrong('what probe gives', given);
});

/** Products of the gradients g and clipped gradients c of one batch with each other and with their means over the batches, G and C. */
export interface Products {
  readonly gg: number;
  readonly cc: number;
  readonly gc: number;
  readonly gG: number;
  readonly gC: number;
  readonly cG: number;
  readonly cC: number;
}

/** What follows of the products alone. */
export interface Noise {
  readonly meanNorm: number;
  readonly variance: number;
  readonly signal: number;
  readonly noiseScale: Estimate;
  readonly cosine: Estimate;
  readonly plainCosine: number;
  readonly length: number | null;
}

/** Sums over the batches from which products of means without their noise follow. */
interface Sums {
  readonly n: number;
  /** Products of the sums of all g and of all c. */
  readonly GG: number;
  readonly CC: number;
  readonly GC: number;
  /** Sums of the products within batches. */
  readonly gg: number;
  readonly cc: number;
  readonly gc: number;
}

const total = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/**
 * The noise scale, and the cosine of the mean clipped gradient and the mean gradient. Products of means are without bias: those of a batch with itself,
 * which have its noise twice, are left out of them. Intervals are of the jackknife: how the figures change where each batch in turn is left out.
 * @param products of each batch, at least three
 * @param rows of a batch
 */
export function noiseOf(products: readonly Products[], rows: number): Noise {
  const n = products.length;
  const sum = (key: keyof Products): number => total(products.map((p) => p[key]));
  const all: Sums = {
    n,
    GG: n * sum('gG'),
    CC: n * sum('cC'),
    GC: n * sum('cG'),
    ...{ gg: sum('gg'), cc: sum('cc'), gc: sum('gc') },
  };
  const without = products.map((p): Sums => {
    return {
      n: n - 1,
      GG: all.GG - 2 * n * p.gG + p.gg,
      CC: all.CC - 2 * n * p.cC + p.cc,
      GC: all.GC - n * (p.gC + p.cG) + p.gc,
      gg: all.gg - p.gg,
      cc: all.cc - p.cc,
      gc: all.gc - p.gc,
    };
  });
  const signal = apart(all, 'GG', 'gg');
  const variance = Math.max(0, all.gg / n - signal);
  // The part of the square of a batch's norm, which has no pole, neither where noise hides the gradient nor where there is none.
  const share = jackknife((s) => (s.gg > 0 ? apart(s, 'GG', 'gg') / (s.gg / s.n) : Number.NaN), all, without);
  const scale = (x: number): number => (x > 0 ? (rows * (1 - Math.min(1, x))) / x : Number.POSITIVE_INFINITY);
  const cosine = products.every((p) => p.gg === p.gc && p.gg === p.cc)
    ? { value: 1, low: 1, high: 1 }
    : jackknife(cosineOf, all, without, -1);
  return {
    meanNorm: Math.sqrt(Math.max(0, all.GG)) / n,
    variance,
    signal,
    noiseScale: { value: share.value === null ? null : scale(share.value), low: scale(share.high), high: scale(share.low) },
    cosine,
    plainCosine: all.GG > 0 && all.CC > 0 ? bounded(all.GC / Math.sqrt(all.GG * all.CC)) : 1,
    length: signal > 0 ? apart(all, 'GC', 'gc') / signal : null,
  };
}

/** The product of two means, without what their noise has in common. */
function apart(s: Sums, whole: 'GG' | 'CC' | 'GC', own: 'gg' | 'cc' | 'gc'): number {
  return (s[whole] - s[own]) / (s.n * (s.n - 1));
}

function cosineOf(s: Sums): number {
  const [g, c] = [apart(s, 'GG', 'gg'), apart(s, 'CC', 'cc')];
  return g > 0 && c > 0 ? apart(s, 'GC', 'gc') / Math.sqrt(g * c) : Number.NaN;
}

const bounded = (x: number): number => Math.max(-1, Math.min(1, x));

/** A figure of all batches, and an interval by how it changes where one is left out; within bounds, which an estimate of noisy numbers may leave. */
function jackknife(
  figure: (s: Sums) => number,
  all: Sums,
  without: readonly Sums[],
  least: number = -Infinity,
  most: number = 1,
): Estimate {
  const value = figure(all);
  const others = without.map(figure);
  const n = others.length;
  const within = (x: number): number => Math.max(least, Math.min(most, x));
  if (!Number.isFinite(value)) return { value: null, low: least, high: most };
  if (!others.every(Number.isFinite)) return { value: within(value), low: least, high: most };
  const mean = total(others) / n;
  const error = Math.sqrt(((n - 1) / n) * total(others.map((x) => (x - mean) * (x - mean))));
  const away = student(n - 1) * error;
  return { value: within(value), low: within(value - away), high: within(value + away) };
}

/** The 0.975 quantile of Student's distribution, by its expansion around that of the normal one: to 1 % from 3 degrees of freedom on. */
export function student(degrees: number): number {
  const z = 1.959964;
  const [z2, z3] = [z * z, z * z * z];
  const first = (z3 + z) / 4;
  const second = (5 * z3 * z2 + 16 * z3 + 3 * z) / 96;
  const third = (3 * z3 * z2 * z2 + 19 * z3 * z2 + 17 * z3 - 15 * z) / 384;
  return z + first / degrees + second / (degrees * degrees) + third / (degrees * degrees * degrees);
}
