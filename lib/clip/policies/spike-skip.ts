// spike-skip.ts: steps whose norm or loss lies far above the recent ones are left out, not clipped.
import { OptionError } from '../../errors.ts';
import { add, equal, less, lessEqual, maximum, mul, where } from '../../ops/elementwise/elementwise.ts';
import { historyMoments, historyPush, historyType } from '../../ops/gradient/history.ts';
import { reshape } from '../../ops/shape/shape.ts';
import { choice, number, options, optionsOnly, whole } from '../../options/index.ts';
import type { ClipPolicy } from '../clip.ts';
import { decay, max, nonFiniteFields, windowOf } from '../fields.ts';
import { type NonFiniteOptions, ruleOf } from '../finite.ts';
import { boundOf, type MaxOptions, measure, remembered } from '../measure.ts';
import { samples } from '../samples.ts';

/** Options of `clip.spikeSkip`. */
export interface SpikeSkipOptions extends NonFiniteOptions, MaxOptions {
  /** What is watched: the `norm` of all gradients, or the `loss`. Default 'norm'. */
  readonly of?: 'norm' | 'loss';
  /**
   * `window`: above mean + `threshold` sd of the last ones (OLMo-core). `ema`: at least `threshold` times their
   * running mean (axlearn), which for a mean below 0 is `threshold` - 1 times its size above it. Default 'window'.
   */
  readonly mode?: 'window' | 'ema';
  /**
   * How far above the mean a spike begins, in standard deviations for `window`, in means for `ema`. Default: 6 for
   * `window`, 2 for `ema`.
   */
  readonly threshold?: number;
  /** Steps that `window` looks back. Default 128. */
  readonly window?: number;
  /** Steps to be seen before any is skipped. Default half of `window`. */
  readonly warmup?: number;
  /** Decay of the running mean of `ema`. Default 0.99. */
  readonly decay?: number;
}

const readSpikeSkip = optionsOnly(
  'clip.spikeSkip',
  options<SpikeSkipOptions>()({
    ...nonFiniteFields,
    max,
    of: choice('norm', 'loss').default('norm'),
    mode: choice('window', 'ema').default('window'),
    threshold: number({ above: 0 }).optional(),
    window: windowOf(2).default(128),
    warmup: whole({ min: 1 }).optional(),
    decay: decay.default(0.99),
  }),
);

/**
 * Skip a step whose norm (or loss) is a spike: parameters, moments and what is remembered stay as they are. After
 * `maxSkips` in a row the run ends with a SkipError, as it cannot go on. State: the window, or 2 numbers.
 * @throws OptionError
 * @see olmo_core.optim.SkipStepOptimizer, for norms and losses; axlearn.common.optimizers.skip_and_clip_by_global_norm
 */
export function spikeSkip(options: SpikeSkipOptions = {}): ClipPolicy {
  const { of, mode, window, decay, max, ...rest } = readSpikeSkip(arguments);
  const windowed = mode === 'window';
  const { threshold: k = windowed ? 6 : 2, warmup = Math.ceil(window / 2), ...given } = rest;
  const name = 'clip.spikeSkip';
  const rules = ruleOf(given);
  const bound = boundOf(name, max);
  if (windowed && warmup > window) {
    throw new OptionError(`${name}: option warmup: expected a number <= window, got ${warmup} and ${window}`, { warmup, window });
  }
  return {
    name: 'spikeSkip',
    maxSkips: rules.maxSkips,
    ...bound.first,
    build(context) {
      const { graph } = context;
      const m = measure(context, rules);
      if (of === 'loss' && !context.loss) {
        throw new OptionError(`${name}: option of: the loss is not known where gradients come from elsewhere`, { of });
      }
      const x = of === 'norm' ? m.total : context.loss!;
      // A loss that is not finite is nothing to learn from either.
      const known = where(equal(x, x), m.finite, 0);
      const own = windowed ? byWindow() : byMean();
      const limit = bound.of(own.limit);
      const spike = bound.max === Infinity ? own.spike : maximum(own.spike, less(bound.max, x));
      return {
        stages: m.stages,
        skip: m.skip ? add(m.skip, spike) : spike,
        report: { norm: m.total, normAfter: m.total, ...(of === 'norm' && { threshold: limit }), ...m.report },
        measure: false,
      };

      function byWindow() {
        const state = context.state('window', historyType(1, window, false));
        const history = graph.state(state);
        const { mean, sd, filled } = historyMoments(history);
        const value = reshape(where(known, x, Number.NaN), [1]);
        graph.assign(state, historyPush(history, value, { sorted: false }));
        const limit = reshape(where(lessEqual(warmup, filled), add(mean, mul(k, sd)), Infinity), []);
        return { limit, spike: less(limit, x) };
      }

      function byMean() {
        const steps = remembered(context, { finite: known }, 'steps', []);
        const mean = remembered(context, { finite: known }, 'mean', []);
        const ema = add(mul(decay, mean.now), mul(1 - decay, x));
        mean.next(where(equal(steps.now, 0), x, ema));
        steps.next(add(steps.now, 1));
        // k - 1 times the mean's size above it, since a loss may lie below 0; what is no more than the mean is no spike, and a mean may be 0.
        const above = mul(where(less(mean.now, 0), 2 - k, k), mean.now);
        const limit = where(lessEqual(warmup, steps.now), above, Infinity);
        return { limit, spike: where(equal(limit, Infinity), 0, mul(lessEqual(limit, x), less(mean.now, x))) };
      }
    },
  };
}

samples({
  spikeSkip: (given) => spikeSkip(given),
  'spikeSkip ema': (given) => spikeSkip({ mode: 'ema', ...given }),
});
