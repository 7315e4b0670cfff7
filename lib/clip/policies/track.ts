// track.ts: thresholds that follow the norms: the quantile of Andrew et al., the running mean of Bengio et al.
import { add, div, exp, lessEqual, minimum, mul, sub } from '../../ops/elementwise/elementwise.ts';
import { mean } from '../../ops/reduce/reduce.ts';
import { choice, number, options, optionsOnly, signature, whole } from '../../options/index.ts';
import type { ClipPolicy } from '../clip.ts';
import { nonFiniteFields } from '../fields.ts';
import { type NonFiniteOptions, ruleOf } from '../finite.ts';
import { measure, remembered, scaled, scaleOf } from '../measure.ts';
import { bounded, boundOf, type CapOptions, cap, counted, type YoungOptions, youngFields } from '../young.ts';

/** Options of `clip.quantile`. */
export interface QuantileOptions extends NonFiniteOptions {
  /** Step of the threshold, which moves by a factor. Default 0.2. */
  readonly eta?: number;
  /** The fraction of norms that shall be at most the threshold. Default 0.5. */
  readonly gamma?: number;
  /** The threshold to begin with. Default 1. */
  readonly initial?: number;
  /**
   * `global`: the one norm of all gradients; `tensor`: each gradient clipped by its own norm, to a threshold for all.
   * Default 'global'.
   */
  readonly scope?: 'global' | 'tensor';
}

const readQuantile = optionsOnly(
  'clip.quantile',
  options<QuantileOptions>()({
    ...nonFiniteFields,
    eta: number({ min: 0 }).default(0.2),
    gamma: number({ min: 0, max: 1 }).default(0.5),
    initial: number({ above: 0 }).default(1),
    scope: choice('global', 'tensor').default('global'),
  }),
);

/**
 * The threshold C follows a quantile of the norms: after each step C *= exp(-eta (b - gamma)), b the fraction of
 * norms <= C. State: 1 number.
 * @throws OptionError
 * @see Andrew et al. 2019, Differentially Private Learning with Adaptive Clipping
 */
export function quantile(options: QuantileOptions = {}): ClipPolicy {
  const { eta, gamma, initial, scope, ...given } = readQuantile(arguments);
  const rules = ruleOf(given);
  const each = scope === 'tensor';
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

/** Options of `clip.runningMean`. */
export interface RunningMeanOptions extends NonFiniteOptions, YoungOptions, CapOptions {
  /** Steps that the mean looks back: of all until there are so many, then with a weight of 1 / `window` for each new one. Default 100;
   * Infinity: of all, as published. */
  readonly window?: number;
}

const readRunningMean = signature(
  'clip.runningMean',
  { threshold: number({ min: 0 }).default(1) },
  options<RunningMeanOptions>()({
    ...nonFiniteFields,
    ...youngFields,
    cap,
    window: whole({ min: 1, infinite: true }).default(100),
  }),
);

/**
 * globalNorm with a threshold that is a multiple of the mean of the norms so far, this step's among them. As
 * published with `{ warmup: 0, cap: Infinity, window: Infinity }`. State: 2 numbers.
 * @param threshold in means, >= 0. Default 1.
 * @throws OptionError
 * @see Bengio et al. 2012, Advances in Optimizing Recurrent Networks
 */
export function runningMean(threshold?: number, options: RunningMeanOptions = {}): ClipPolicy {
  const { threshold: factor, cap, window, warmup, absolute, max, ...given } = readRunningMean(arguments);
  const rules = ruleOf(given);
  const young = boundOf('clip.runningMean', { warmup, absolute, max });
  return {
    name: 'runningMean',
    maxSkips: rules.maxSkips,
    ...young.first,
    build(context) {
      const m = measure(context, rules);
      const steps = remembered(context, m, 'steps', []);
      const average = remembered(context, m, 'mean', []);
      const bounds = young.at(context, steps.now);
      const count = add(steps.now, 1);
      const norm = counted(m.total, average.now, cap, bounds.young);
      const next = add(average.now, div(sub(norm, average.now), window === Infinity ? count : minimum(count, window)));
      steps.next(count);
      average.next(next);
      const at = bounded(mul(factor, next), bounds.all);
      return scaled(context, m, scaleOf(m.total, at), { threshold: at });
    },
  };
}
