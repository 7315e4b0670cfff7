// adagc.ts: AdaGC: each gradient is held near the running mean of its own norm.
import { add, div, less, maximum, minimum, mul, where } from '../../ops/elementwise/elementwise.ts';
import { number, options, optionsOnly, whole } from '../../options/index.ts';
import type { ClipPolicy } from '../clip.ts';
import { decay, epsilon, nonFiniteFields } from '../fields.ts';
import { type NonFiniteOptions, ruleOf } from '../finite.ts';
import { measure, remembered, scaled, scaleOf } from '../measure.ts';

/** Options of `clip.adaGc`. */
export interface AdaGCOptions extends NonFiniteOptions {
  /** How far above its running mean a norm may go. Default 1.04. */
  readonly relative?: number;
  /** Threshold of the global norm in the warm-up. Default 1. */
  readonly absolute?: number;
  /** Decay of the running means. Default 0.99. */
  readonly decay?: number;
  /** Added to the norm that divides. Default 1e-8. */
  readonly eps?: number;
  /** Steps clipped by the global norm to begin with. Default 100. */
  readonly warmup?: number;
}

const readAdaGc = optionsOnly(
  'clip.adaGc',
  options<AdaGCOptions>()({
    ...nonFiniteFields,
    relative: number({ above: 0 }).default(1.04),
    absolute: number({ min: 0, infinite: true }).default(1),
    decay: decay.default(0.99),
    eps: epsilon.default(1e-8),
    warmup: whole({ min: 1 }).default(100),
  }),
);

/**
 * AdaGC: in the first `warmup` steps globalNorm(absolute), and gamma_i becomes the least norm of gradient i so
 * clipped; then gradient i with a norm above r gamma_i is scaled by r gamma_i / (n_i + eps), and gamma_i is the
 * running mean of the norms after that. State: a number per gradient, and one.
 * @throws OptionError
 * @see Wang et al. 2025, AdaGC: Improving Training Stability for Large Language Model Pretraining
 */
export function adaGc(options: AdaGCOptions = {}): ClipPolicy {
  const { relative, absolute, decay, eps, warmup, ...given } = readAdaGc(arguments);
  const rules = ruleOf(given);
  return {
    name: 'adaGc',
    followsNorms: true,
    maxSkips: rules.maxSkips,
    build(context) {
      const m = measure(context, rules);
      const steps = remembered(context, m, 'steps', []);
      const gamma = remembered(context, m, 'gamma', [context.grads.length], Infinity);
      const warm = less(steps.now, warmup);
      const all = scaleOf(m.total, context.graph.scalar(absolute, 'f64'));
      const limit = mul(relative, gamma.now);
      const own = where(less(limit, m.each), div(limit, maximum(add(m.each, eps), Number.MIN_VALUE)), 1);
      const scale = where(warm, all, own);
      const after = mul(m.each, scale);
      gamma.next(where(warm, minimum(gamma.now, after), add(mul(decay, gamma.now), mul(1 - decay, after))));
      steps.next(minimum(add(steps.now, 1), warmup));
      return scaled(context, m, scale);
    },
  };
}
