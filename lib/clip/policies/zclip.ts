// zclip.ts: ZClip (Kumar et al. 2025): norms far above their running mean are scaled down to what their distance allows.
import { add, div, equal, less, minimum, mul, square, sub, where } from '../../ops/elementwise/elementwise.ts';
import { sqrt } from '../../ops/index.ts';
import { choice, number, options, optionsOnly, whole } from '../../options/index.ts';
import type { ClipPolicy } from '../clip.ts';
import { decay, epsilon, nonFiniteFields } from '../fields.ts';
import { type NonFiniteOptions, ruleOf } from '../finite.ts';
import { measure, remembered, scaled, scaleOf } from '../measure.ts';

/** Options of `clip.zclip`. */
export interface ZClipOptions extends NonFiniteOptions {
  /** Decay of the running mean and variance. Default 0.97. */
  readonly decay?: number;
  /** Distance, in standard deviations above the mean, from which on a norm is clipped. Default 2.5. */
  readonly zThreshold?: number;
  /** No norm goes above this; Infinity: no such limit. Default 1. */
  readonly max?: number;
  /** Added to the standard deviation. Default 1e-6. */
  readonly eps?: number;
  /** Multiplies the threshold. Default 1. */
  readonly factor?: number;
  /** Steps that only collect the mean and variance to begin with. Default 25. */
  readonly warmup?: number;
  /** Threshold of the warm-up, where it is less than `max`. Default Infinity: `max` is it. */
  readonly absolute?: number;
  /** What a spike is scaled to: `adaptive`, mean + z_t^2 sd / z, or the `mean`. Default 'adaptive'. */
  readonly to?: 'adaptive' | 'mean';
}

const readZclip = optionsOnly(
  'clip.zclip',
  options<ZClipOptions>()({
    ...nonFiniteFields,
    decay: decay.default(0.97),
    zThreshold: number({ above: 0 }).default(2.5),
    max: number({ min: 0, infinite: true }).default(1),
    eps: epsilon.default(1e-6),
    factor: number({ above: 0 }).default(1),
    warmup: whole({ min: 1 }).default(25),
    absolute: number({ min: 0, infinite: true }).default(Number.POSITIVE_INFINITY),
    to: choice('adaptive', 'mean').default('adaptive'),
  }),
);

/**
 * ZClip: after the warm-up, a norm n with z = (n - mean) / (sd + eps) above zThreshold is scaled to `to`; none
 * exceeds `max`. The mean and variance then take in that threshold, else n. State: 3 numbers.
 * @throws OptionError
 * @see Kumar et al. 2025, ZClip: Adaptive Spike Mitigation for LLM Pre-Training
 */
export function zclip(options: ZClipOptions = {}): ClipPolicy {
  const { decay, zThreshold: limit, max, eps, factor, warmup, absolute, to, ...given } = readZclip(arguments);
  const rules = ruleOf(given);
  const adaptive = to === 'adaptive';
  return {
    name: 'zclip',
    followsNorms: true,
    maxSkips: rules.maxSkips,
    build(context) {
      const m = measure(context, rules);
      const steps = remembered(context, m, 'steps', []);
      const mean = remembered(context, m, 'mean', []);
      // In the warm-up the sum of squared distances from the mean (Welford 1962), afterwards the variance.
      const spread = remembered(context, m, 'variance', []);
      const n = m.total;
      const warm = less(steps.now, warmup);
      const count = add(steps.now, 1);

      const sd = sqrt(spread.now);
      const z = div(sub(n, mean.now), add(sd, eps));
      const target = mul(adaptive ? add(mean.now, div(mul(limit * limit, sd), z)) : mean.now, factor);
      const spike = where(warm, 0, less(limit, z));
      const at = minimum(where(warm, absolute, where(spike, target, Infinity)), max);

      const taken = where(spike, target, n);
      const first = add(mean.now, div(sub(n, mean.now), count));
      const later = add(mul(decay, mean.now), mul(1 - decay, taken));
      const squares = add(spread.now, mul(sub(n, mean.now), sub(n, first)));
      mean.next(where(warm, first, later));
      spread.next(
        where(
          warm,
          where(equal(count, warmup), div(squares, warmup), squares),
          add(mul(decay, spread.now), mul(1 - decay, square(sub(taken, later)))),
        ),
      );
      steps.next(minimum(count, warmup));
      return scaled(context, m, scaleOf(n, at), { threshold: at });
    },
  };
}
