// norm.ts: clipping by a norm: of all gradients together (Pascanu et al. 2013), or of each tensor by itself.
import type { Tensor } from '../ir/graph.ts';
import { add, div, equal, minimum, mul, where } from '../ops/elementwise.ts';
import { checkChoice, checkNumber, type PerStep } from '../options.ts';
import type { ClipContext, ClipPolicy } from './clip.ts';
import type { NonFiniteOptions } from './finite.ts';
import { checkLimit, checkPolicy, measure, measureOnly, perGradient, scaled, scaleOf, sizesOf } from './measure.ts';

export interface NormOptions extends NonFiniteOptions {
  /** The norm: 1, 2, Infinity or any p > 0. Default 2. */
  readonly p?: number;
}
export interface GlobalNormOptions extends NormOptions {
  /** `torch`: scale by min(1, threshold / (norm + 1e-6)), as clip_grad_norm_ does. Default `exact`. */
  readonly compat?: 'exact' | 'torch';
}

function torchScale(norm: Tensor, c: Tensor): Tensor {
  return where(equal(c, Infinity), 1, minimum(1, div(c, add(norm, 1e-6))));
}

const checkP = (where: string, options: NormOptions): number =>
  checkNumber(where, 'p', options.p ?? 2, { above: 0, infinite: true });

/**
 * Scale all gradients by threshold / n where n, the norm of all of them together, exceeds it; otherwise leave them bit for bit alone.
 * `threshold` >= 0 may depend on the step; 0 makes gradients 0 (moments and weight decay still act), Infinity only measures. As torch's
 * clip_grad_norm_, but for what `compat` says. Norm and scale are f64. Throws OptionError.
 */
export function globalNorm(threshold: PerStep = 1, options: GlobalNormOptions = {}): ClipPolicy {
  const where = 'clip.globalNorm';
  const rules = checkPolicy(where, options, ['p', 'compat']);
  const limit = checkLimit(where, 'threshold', threshold);
  const p = checkP(where, options);
  const exact = checkChoice(where, 'compat', options.compat ?? 'exact', ['exact', 'torch']) === 'exact';
  return {
    name: 'globalNorm',
    maxSkips: rules.maxSkips,
    build(context) {
      if (limit.idle) return measureOnly(context, rules, p);
      const at = limit.at(context);
      const m = measure(context, rules, p);
      return scaled(context, m, exact ? scaleOf(m.total, at) : torchScale(m.total, at), { threshold: at });
    },
  };
}

/** A policy that scales each gradient by t / n where n, its norm, exceeds t, which is `threshold` times `factor` of its number of elements. */
function eachNorm(
  name: string,
  threshold: PerStep,
  options: NormOptions,
  known: readonly string[],
  factor: ((size: number) => number) | null,
): ClipPolicy {
  const rules = checkPolicy(`clip.${name}`, options, known);
  const limit = checkLimit(`clip.${name}`, 'threshold', threshold);
  const p = checkP(`clip.${name}`, options);
  const limits = (context: ClipContext, at: Tensor): Tensor =>
    factor ? mul(at, perGradient(context, sizesOf(context).map(factor))) : at;
  return {
    name,
    maxSkips: rules.maxSkips,
    build(context) {
      if (limit.idle) return measureOnly(context, rules, p);
      const at = limit.at(context);
      const m = measure(context, rules, p);
      return scaled(context, m, scaleOf(m.each, limits(context, at)), { threshold: at });
    },
  };
}

/**
 * Scale each gradient by threshold / n where n, its own norm, exceeds it. `threshold` as in globalNorm. The reported norms are of all gradients together,
 * the reported scale is the smallest. As Keras' `clipnorm` and tf.clip_by_norm. Throws OptionError.
 */
export function perTensorNorm(threshold: PerStep = 1, options: NormOptions = {}): ClipPolicy {
  return eachNorm('perTensorNorm', threshold, options, ['p'], null);
}

/** Scale each gradient by threshold / a where a, its 2-norm divided by its number of elements, exceeds it. As TF 1's clip_by_average_norm. */
export function averageNorm(threshold: PerStep = 1, options: NonFiniteOptions = {}): ClipPolicy {
  return eachNorm('averageNorm', threshold, options, [], (size) => Math.max(1, size));
}

/** Scale each gradient by threshold / r where r, the root of the mean of its squares, exceeds it. As optax.clip_by_block_rms. */
export function blockRms(threshold: PerStep = 1, options: NonFiniteOptions = {}): ClipPolicy {
  return eachNorm('blockRms', threshold, options, [], (size) => Math.sqrt(Math.max(1, size)));
}
