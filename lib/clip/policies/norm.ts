// norm.ts: clipping by a norm: of all gradients together (Pascanu et al. 2013), or of each tensor separately.
import type { Tensor } from '../../ir/graph.ts';
import { add, div, equal, minimum, mul, where } from '../../ops/elementwise/elementwise.ts';
import { choice, number, options, type PerStep, signature } from '../../options/index.ts';
import type { ClipContext, ClipPolicy } from '../clip.ts';
import { type Limit, limit, nonFiniteFields } from '../fields.ts';
import { type NonFiniteOptions, ruleOf } from '../finite.ts';
import { measure, measureOnly, perGradient, scaled, scaleOf, sizesOf } from '../measure.ts';
import { samples } from '../samples.ts';

/** Options of `clip.perTensorNorm`. */
export interface NormOptions extends NonFiniteOptions {
  /** The norm: 1, 2, Infinity or any p > 0. Default 2. */
  readonly p?: number;
}
/** Options of `clip.globalNorm`. */
export interface GlobalNormOptions extends NormOptions {
  /** `torch`: scale by min(1, threshold / (norm + 1e-6)), as clip_grad_norm_ does. Default `exact`. */
  readonly compat?: 'exact' | 'torch';
}

function torchScale(norm: Tensor, c: Tensor): Tensor {
  return where(equal(c, Infinity), 1, minimum(1, div(c, add(norm, 1e-6))));
}

const threshold = limit().default(1);
const normed = { ...nonFiniteFields, p: number({ above: 0, infinite: true }).default(2) };
const readGlobalNorm = signature(
  'clip.globalNorm',
  { threshold },
  options<GlobalNormOptions>()({ ...normed, compat: choice('exact', 'torch').default('exact') }),
);

/**
 * Scale all gradients by c / n where n, the norm of all of them together, exceeds c, the threshold; otherwise leave
 * them bit for bit alone. Unlike PyTorch's, nothing is added to n unless `compat` says so. Norm and scale are f64.
 * @param threshold >= 0, may depend on the step; 0 makes gradients 0 (moments and weight decay still act), Infinity
 * only measures. Default 1.
 * @throws OptionError
 * @see torch.nn.utils.clip_grad_norm_
 */
export function globalNorm(threshold?: PerStep, options: GlobalNormOptions = {}): ClipPolicy {
  const { threshold: limit, p, compat, ...given } = readGlobalNorm(arguments);
  const rules = ruleOf(given);
  const exact = compat === 'exact';
  return {
    name: 'globalNorm',
    maxSkips: rules.maxSkips,
    thresholds: limit.columns,
    build(context) {
      if (limit.idle) return measureOnly(context, rules, p);
      const at = limit.at(context);
      const m = measure(context, rules, p);
      return scaled(context, m, exact ? scaleOf(m.total, at) : torchScale(m.total, at), { threshold: at });
    },
  };
}

/** A policy that scales each gradient by t / n where n, its norm, exceeds t, which is the threshold times `factor` of its number of elements. */
function eachNorm(
  name: string,
  { threshold: limit, p = 2, ...given }: { readonly threshold: Limit; readonly p?: number } & Required<NonFiniteOptions>,
  factor: ((size: number) => number) | null,
): ClipPolicy {
  const rules = ruleOf(given);
  const limits = (context: ClipContext, at: Tensor): Tensor =>
    factor
      ? mul(
          at,
          perGradient(
            context,
            sizesOf(context).map((size) => factor(size)),
          ),
        )
      : at;
  return {
    name,
    maxSkips: rules.maxSkips,
    thresholds: limit.columns,
    build(context) {
      if (limit.idle) return measureOnly(context, rules, p);
      const at = limit.at(context);
      const m = measure(context, rules, p);
      return scaled(context, m, scaleOf(m.each, limits(context, at)), { threshold: at });
    },
  };
}

const readPerTensorNorm = signature('clip.perTensorNorm', { threshold }, options<NormOptions>()(normed));

/**
 * Scale each gradient by c / n where n, its own norm, exceeds c, the threshold, which is as in globalNorm. The
 * reported norms are of all gradients together, the reported scale is the smallest. Keras calls it `clipnorm`.
 * @param threshold >= 0, may depend on the step. Default 1.
 * @throws OptionError
 * @see tf.clip_by_norm
 */
export function perTensorNorm(threshold?: PerStep, options: NormOptions = {}): ClipPolicy {
  return eachNorm('perTensorNorm', readPerTensorNorm(arguments), null);
}

const readAverageNorm = signature('clip.averageNorm', { threshold }, options<NonFiniteOptions>()(nonFiniteFields));

/**
 * Scale each gradient by c / a where a, its 2-norm divided by its number of elements, exceeds c, the threshold.
 * @param threshold >= 0, may depend on the step. Default 1.
 * @throws OptionError
 * @see tf.compat.v1.clip_by_average_norm
 */
export function averageNorm(threshold?: PerStep, options: NonFiniteOptions = {}): ClipPolicy {
  return eachNorm('averageNorm', readAverageNorm(arguments), (size) => Math.max(1, size));
}

const readBlockRms = signature('clip.blockRms', { threshold }, options<NonFiniteOptions>()(nonFiniteFields));

/**
 * Scale each gradient by c / r where r, the root of the mean of its squares, exceeds c, the threshold.
 * @param threshold >= 0, may depend on the step. Default 1.
 * @throws OptionError
 * @see optax.clip_by_block_rms
 */
export function blockRms(threshold?: PerStep, options: NonFiniteOptions = {}): ClipPolicy {
  return eachNorm('blockRms', readBlockRms(arguments), (size) => Math.sqrt(Math.max(1, size)));
}

samples({
  globalNorm: (given) => globalNorm(1, given),
  'globalNorm 1': (given) => globalNorm(1, { p: 1, ...given }),
  'globalNorm inf': (given) => globalNorm(0.01, { p: Infinity, ...given }),
  'globalNorm 3': (given) => globalNorm(1, { p: 3, ...given }),
  perTensorNorm: (given) => perTensorNorm(0.5, given),
  averageNorm: (given) => averageNorm(1e-4, given),
  blockRms: (given) => blockRms(0.01, given),
});
