// norm.ts: clipping by norm: of all gradients together (Pascanu et al. 2013), or of each tensor by itself.
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { sizeOf } from '../ir/op.ts';
import { add, div, equal, less, lessEqual, maximum, minimum, mul, pow, sqrt, square, where } from '../ops/elementwise.ts';
import { max, min, sum } from '../ops/reduce.ts';
import * as stage from '../ops/stage.ts';
import { type Statistic, statistic } from '../ops/statistics.ts';
import { checkChoice, checkNumber, checkOptions, checkPerStep, type PerStep } from '../options.ts';
import { type ClipContext, type ClipPolicy, type Clipped, threshold } from './clip.ts';
import { guard, NON_FINITE_OPTIONS, type NonFiniteOptions } from './finite.ts';

export interface NormOptions extends NonFiniteOptions {
  /** The norm: 1, 2, Infinity or any p > 0. Default 2. */
  readonly p?: number;
}
export interface GlobalNormOptions extends NormOptions {
  /** `torch`: scale by min(1, c / (norm + 1e-6)), as clip_grad_norm_ does. Default `exact`. */
  readonly compat?: 'exact' | 'torch';
}

interface Norms {
  /** Of all tensors together, f64 []; and of each, f64 [n]. */
  readonly total: Tensor;
  readonly each: Tensor;
  /** What says which tensors are not finite. */
  readonly found: Statistic;
}

/** p-norms of tensors after `stages`, in f64. Finite gradients have a finite norm for p = 1, 2 and Infinity, whatever their size. */
function norms(xs: readonly TensorLike[], p: number, stages: readonly stage.Stage[]): Norms {
  if (p === 2) {
    const found = statistic(xs, { kind: 'sumSquares', stages });
    return { total: sqrt(found.total), each: sqrt(found.each), found };
  }
  const found = statistic(xs, { kind: p === 1 ? 'sumAbs' : 'maxAbs', stages });
  if (p === 1 || p === Infinity) return { total: found.total, each: found.each, found };
  const powers = statistic(xs, { kind: 'sumPow', p, max: found.each, stages });
  const each = mul(found.each, pow(powers.each, 1 / p));
  return { total: joined(each, p), each, found };
}

/** The p-norm of a vector of norms. */
function joined(each: Tensor, p: number): Tensor {
  if (p === 1) return sum(each);
  if (p === 2) return sqrt(sum(square(each)));
  const largest = max(each);
  if (p === Infinity) return largest;
  const ratio = where(equal(largest, 0), 0, div(each, largest));
  return mul(largest, pow(sum(pow(ratio, p)), 1 / p));
}

/** Exactly 1 up to the threshold, then c / n; NaN for a NaN norm, but 1 for a threshold of Infinity. */
function scaleOf(norm: Tensor, c: Tensor): Tensor {
  return where(maximum(lessEqual(norm, c), equal(c, Infinity)), 1, div(c, norm));
}

function torchScale(norm: Tensor, c: Tensor): Tensor {
  return where(equal(c, Infinity), 1, minimum(1, div(c, add(norm, 1e-6))));
}

interface Parsed {
  readonly p: number;
  readonly limit: number | ((step: number) => number);
}

function parse(name: string, c: PerStep, options: NormOptions, known: readonly string[]): Parsed {
  checkOptions(name, options, ['p', ...known, ...NON_FINITE_OPTIONS]);
  const limit = checkPerStep(name, 'c', c, { min: 0, infinite: true });
  return {
    p: checkNumber(name, 'p', options.p ?? 2, { above: 0, infinite: true }),
    limit: typeof c === 'number' ? c : limit,
  };
}

/** The gradients measured and left alone: clip.none, and a threshold of Infinity. */
export function measureOnly(context: ClipContext, p: number, rules: ReturnType<typeof guard>): Clipped {
  const n = norms(context.grads, p, [...context.stages, ...rules.stages]);
  const { skip, report } = rules.decide(n.found, context.stages);
  return { stages: rules.stages, skip, report: { norm: n.total, normAfter: n.total, ...report }, measure: false };
}

/**
 * Scale all gradients by c / n where n, the norm of all of them together, exceeds c; otherwise leave them bit for bit alone.
 * `c` >= 0 may depend on the step; 0 makes gradients 0 (moments and weight decay still act), Infinity only measures. As torch's
 * clip_grad_norm_, but for what `compat` says. Norm and scale are f64. Throws OptionError.
 */
export function globalNorm(c: PerStep = 1, options: GlobalNormOptions = {}): ClipPolicy {
  const name = 'clip.globalNorm';
  const { p, limit } = parse(name, c, options, ['compat']);
  const exact = checkChoice(name, 'compat', options.compat ?? 'exact', ['exact', 'torch']) === 'exact';
  const rules = guard(name, options);
  return {
    name: 'globalNorm',
    maxSkips: rules.maxSkips,
    build(context) {
      if (limit === Infinity) return measureOnly(context, p, rules);
      const at = threshold(context, 'c', limit);
      const { total, found } = norms(context.grads, p, [...context.stages, ...rules.stages]);
      const { skip, report } = rules.decide(found, context.stages);
      const scale = exact ? scaleOf(total, at) : torchScale(total, at);
      return {
        stages: [...rules.stages, stage.scale(scale)],
        skip,
        report: { norm: total, normAfter: mul(total, scale), scale, threshold: at, clipped: less(scale, 1), ...report },
        measure: false,
      };
    },
  };
}

/**
 * Scale each gradient by c / n where n, its own norm, exceeds c. `c` as in globalNorm. The reported norms are of all gradients together,
 * the reported scale is the smallest. As Keras' `clipnorm`. Throws OptionError.
 */
export function perTensorNorm(c: PerStep = 1, options: NormOptions = {}): ClipPolicy {
  const name = 'clip.perTensorNorm';
  const { p, limit } = parse(name, c, options, []);
  const rules = guard(name, options);
  return {
    name: 'perTensorNorm',
    maxSkips: rules.maxSkips,
    build(context) {
      if (limit === Infinity) return measureOnly(context, p, rules);
      const at = threshold(context, 'c', limit);
      const { total, each, found } = norms(context.grads, p, [...context.stages, ...rules.stages]);
      const { skip, report } = rules.decide(found, context.stages);
      const scales = scaleOf(each, at);
      const scale = min(scales);
      return {
        stages: [...rules.stages, stage.scale(scales)],
        skip,
        report: {
          norm: total,
          normAfter: joined(mul(each, scales), p),
          scale,
          threshold: at,
          clipped: less(scale, 1),
          clippedFraction: sum(mul(less(scales, 1), shares(context))),
          ...report,
        },
        measure: false,
      };
    },
  };
}

/** The fraction of all elements that each gradient has, f64 [n]. */
function shares({ graph, grads }: ClipContext): Tensor {
  const sizes = grads.map((g) => sizeOf(g.shape));
  const all = Math.max(
    1,
    sizes.reduce((a, b) => a + b, 0),
  );
  return graph.constant(new Float64Array(sizes.map((n) => n / all)), [sizes.length], 'f64');
}
