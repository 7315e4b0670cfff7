// adagc.ts: AdaGC: each gradient is held near the running mean of its own norm.
import { add, div, less, maximum, minimum, mul, where } from '../ops/elementwise.ts';
import { checkNumber } from '../options.ts';
import type { ClipPolicy } from './clip.ts';
import type { NonFiniteOptions } from './finite.ts';
import { checkPolicy, measure, remembered, scaled, scaleOf } from './measure.ts';

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

/**
 * AdaGC (arXiv 2502.11034): in the first `warmup` steps globalNorm(absolute), and gamma_i becomes the least norm of gradient i so clipped;
 * then gradient i with a norm above r gamma_i is scaled by r gamma_i / (n_i + eps), and gamma_i is the running mean of the norms after
 * that. State: a number per gradient, and one. Throws OptionError.
 */
export function adaGc(options: AdaGCOptions = {}): ClipPolicy {
  const name = 'clip.adaGc';
  const rules = checkPolicy(name, options, ['relative', 'absolute', 'decay', 'eps', 'warmup']);
  const relative = checkNumber(name, 'relative', options.relative ?? 1.04, { above: 0 });
  const absolute = checkNumber(name, 'absolute', options.absolute ?? 1, { min: 0, infinite: true });
  const decay = checkNumber(name, 'decay', options.decay ?? 0.99, { min: 0, below: 1 });
  const eps = checkNumber(name, 'eps', options.eps ?? 1e-8, { min: 0 });
  const warmup = checkNumber(name, 'warmup', options.warmup ?? 100, { min: 1, integer: true });
  return {
    name: 'adaGc',
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
