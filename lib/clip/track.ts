// track.ts: thresholds that follow the norms: the quantile of Andrew et al., the running mean of Bengio et al.
import { add, div, exp, lessEqual, mul, sub } from '../ops/elementwise.ts';
import { mean } from '../ops/reduce.ts';
import { checkChoice, checkNumber } from '../options.ts';
import type { ClipPolicy } from './clip.ts';
import type { NonFiniteOptions } from './finite.ts';
import { checkMax, checkPolicy, type MaxOptions, measure, remembered, scaled, scaleOf } from './measure.ts';

export interface QuantileOptions extends NonFiniteOptions {
  /** Step of the threshold, which moves by a factor. Default 0.2. */
  readonly eta?: number;
  /** The fraction of norms that shall be at most the threshold. Default 0.5. */
  readonly gamma?: number;
  /** The threshold to begin with. Default 1. */
  readonly initial?: number;
  /** `global`: the one norm of all gradients (default); `tensor`: each gradient clipped by its own norm, to a threshold for all. */
  readonly scope?: 'global' | 'tensor';
}

/**
 * The threshold C follows a quantile of the norms (Andrew et al. 2019): after each step C *= exp(-eta (b - gamma)), b the fraction of norms
 * <= C. State: 1 number. Throws OptionError.
 */
export function quantile(options: QuantileOptions = {}): ClipPolicy {
  const name = 'clip.quantile';
  const rules = checkPolicy(name, options, ['eta', 'gamma', 'initial', 'scope']);
  const eta = checkNumber(name, 'eta', options.eta ?? 0.2, { min: 0 });
  const gamma = checkNumber(name, 'gamma', options.gamma ?? 0.5, { min: 0, max: 1 });
  const initial = checkNumber(name, 'initial', options.initial ?? 1, { above: 0 });
  const each = checkChoice(name, 'scope', options.scope ?? 'global', ['global', 'tensor']) === 'tensor';
  return {
    name: 'quantile',
    maxSkips: rules.maxSkips,
    build(context) {
      const m = measure(context, rules);
      const c = remembered(context, m, 'threshold', [], initial);
      const n = each ? m.each : m.total;
      const below = lessEqual(n, c.now);
      c.next(mul(c.now, exp(mul(-eta, sub(each ? mean(below) : below, gamma)))));
      return scaled(context, m, scaleOf(n, c.now), { threshold: c.now });
    },
  };
}

/**
 * globalNorm with `threshold` times the mean of all norms so far, this step's among them (Bengio et al. 2012). State: 2 numbers.
 * @param threshold how many times the mean; >= 0, default 1
 */
export function runningMean(threshold = 1, options: NonFiniteOptions & MaxOptions = {}): ClipPolicy {
  const name = 'clip.runningMean';
  const rules = checkPolicy(name, options, ['max']);
  const { of, first } = checkMax(name, options);
  const factor = checkNumber(name, 'threshold', threshold, { min: 0 });
  return {
    name: 'runningMean',
    maxSkips: rules.maxSkips,
    ...first,
    build(context) {
      const m = measure(context, rules);
      const steps = remembered(context, m, 'steps', []);
      const average = remembered(context, m, 'mean', []);
      const count = add(steps.now, 1);
      const next = add(average.now, div(sub(m.total, average.now), count));
      steps.next(count);
      average.next(next);
      const at = of(mul(factor, next));
      return scaled(context, m, scaleOf(m.total, at), { threshold: at });
    },
  };
}
