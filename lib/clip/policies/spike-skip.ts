// spike-skip.ts: steps whose norm or loss lies far above the recent ones are left out, not clipped.
import { OptionError } from '../../errors.ts';
import type { Tensor } from '../../ir/graph.ts';
import { add, equal, less, lessEqual, maximum, minimum, mul, where } from '../../ops/elementwise/elementwise.ts';
import { historyMoments, historyPush, historyType } from '../../ops/gradient/history.ts';
import { reshape } from '../../ops/shape/shape.ts';
import { slice } from '../../ops/shape/slice.ts';
import { choice, number, options, optionsOnly, whole } from '../../options/index.ts';
import type { ClipContext, ClipPolicy, Clipped } from '../clip.ts';
import { decay, nonFiniteFields, windowOf } from '../fields.ts';
import { type NonFiniteOptions, ruleOf } from '../finite.ts';
import { type Measured, measure, remembered, scaled, scaleOf } from '../measure.ts';
import { samples } from '../samples.ts';
import { absolute, boundOf, max } from '../young.ts';

/** Options of `clip.spikeSkip`. */
export interface SpikeSkipOptions extends NonFiniteOptions {
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
  /** Steps to be seen before any is skipped; the gradients of these are clipped to `absolute`. Default half of `window`. */
  readonly warmup?: number;
  /**
   * Threshold of the norm in the warm-up: what exceeds it is scaled down to it. After the warm-up it grows by 2 % a step. Default 1;
   * Infinity: none, as published.
   */
  readonly absolute?: number;
  /** A step whose norm (or loss) is above this is always skipped. Default Infinity. */
  readonly max?: number;
  /** Decay of the running mean of `ema`. Default 0.99. */
  readonly decay?: number;
  /**
   * Steps skipped in a row after which spikes count as a new level: they are scaled down to the limit (where it is one of norms), not
   * skipped, and are remembered. Below `maxSkips`, or the run ends first. Default 5; Infinity: all are skipped, as published.
   */
  readonly patience?: number;
}

const readSpikeSkip = optionsOnly(
  'clip.spikeSkip',
  options<SpikeSkipOptions>()({
    ...nonFiniteFields,
    absolute,
    max,
    of: choice('norm', 'loss').default('norm'),
    mode: choice('window', 'ema').default('window'),
    threshold: number({ above: 0 }).optional(),
    window: windowOf(2).default(128),
    warmup: whole({ min: 1 }).optional(),
    decay: decay.default(0.99),
    patience: whole({ min: 1, infinite: true }).default(5),
  }),
);

/**
 * Skip a step whose norm (or loss) is a spike: parameters, moments and what is remembered of norms stay as they are.
 * After `patience` of them in a row those that follow are a new level; after `maxSkips` in a row the run ends with a
 * SkipError. State: the window, or 2 numbers, and how many were skipped in a row.
 * @throws OptionError
 * @see olmo_core.optim.SkipStepOptimizer, for norms and losses; axlearn.common.optimizers.skip_and_clip_by_global_norm
 */
export function spikeSkip(options: SpikeSkipOptions = {}): ClipPolicy {
  const { of, mode, window, decay, absolute, max, patience, ...rest } = readSpikeSkip(arguments);
  const windowed = mode === 'window';
  const { threshold: k = windowed ? 6 : 2, warmup = Math.ceil(window / 2), ...given } = rest;
  const name = 'clip.spikeSkip';
  const rules = ruleOf(given);
  if (windowed && warmup > window) {
    throw new OptionError(`${name}: option warmup: expected a number <= window, got ${warmup} and ${window}`, { warmup, window });
  }
  const young = boundOf(name, { warmup, absolute, max: Infinity });
  const own = windowed ? byWindow(k, window, warmup) : byMean(k, decay, warmup);
  return {
    name: 'spikeSkip',
    maxSkips: rules.maxSkips,
    ...boundOf(name, { warmup, absolute, max }).first,
    build(context) {
      const m = measure(context, rules);
      const byNorm = of === 'norm';
      if (!byNorm && !context.loss) {
        throw new OptionError(`${name}: option of: the loss is not known where gradients come from elsewhere`, { of });
      }
      const x = byNorm ? m.total : context.loss!;
      // A loss that is not finite is nothing to learn from either.
      const known = where(equal(x, x), m.finite, 0);
      const { limit, spike, steps } = own(context, x, known);
      const left = patience === Infinity ? spike : mul(spike, stillPatient(context, known, spike, patience));
      const above = max === Infinity ? left : maximum(left, less(max, x));
      const skip = m.skip ? add(m.skip, above) : above;
      const at = max === Infinity ? limit : minimum(limit, max);
      const bound = young.at(context, steps).young;
      const scales = [...(bound ? [bound] : []), ...(byNorm && patience < Infinity ? [limit] : [])];
      const threshold = byNorm ? { threshold: at } : {};
      if (scales.length === 0) return unscaled(m, skip, threshold);
      const least = scales.reduce((a, b) => minimum(a, b));
      // Of a step that is skipped nothing is scaled.
      const scale = where(above, 1, scaleOf(m.total, least));
      return { ...scaled(context, m, scale, byNorm ? { threshold: minimum(at, least) } : { threshold: least }), skip };
    },
  };
}

function unscaled(m: Measured, skip: Tensor, threshold: { readonly threshold?: Tensor }): Clipped {
  return { stages: m.stages, skip, report: { norm: m.total, normAfter: m.total, ...threshold, ...m.report }, measure: false };
}

/** 0 once `patience` spikes in a row were skipped. Counted in skipped steps, too: they are what is counted. */
function stillPatient(c: ClipContext, known: Tensor, spike: Tensor, patience: number): Tensor {
  const state = c.state('spikes', { dtype: 'f64', shape: [] });
  const before = c.graph.state(state);
  c.graph.assign(state, where(known, where(spike, add(before, 1), 0), before), { always: true });
  return less(before, patience);
}

/** What is a spike: where it begins, whether this step is one, and how many steps were taken in before. */
type Spikes = (
  c: ClipContext,
  x: Tensor,
  known: Tensor,
) => { readonly limit: Tensor; readonly spike: Tensor; readonly steps: Tensor };

function byWindow(k: number, window: number, warmup: number): Spikes {
  return (context, x, known) => {
    const { graph } = context;
    const state = context.state('window', historyType(1, window, false));
    const history = graph.state(state);
    const { mean, sd, filled } = historyMoments(history);
    const value = reshape(where(known, x, Number.NaN), [1]);
    graph.assign(state, historyPush(history, value, { sorted: false }));
    const limit = reshape(where(lessEqual(warmup, filled), add(mean, mul(k, sd)), Infinity), []);
    return { limit, spike: less(limit, x), steps: reshape(slice(history, { axis: 1, start: 0, end: 1 }), []) };
  };
}

function byMean(k: number, decay: number, warmup: number): Spikes {
  return (context, x, known) => {
    const steps = remembered(context, { finite: known }, 'steps', []);
    const mean = remembered(context, { finite: known }, 'mean', []);
    const ema = add(mul(decay, mean.now), mul(1 - decay, x));
    mean.next(where(equal(steps.now, 0), x, ema));
    steps.next(add(steps.now, 1));
    // k - 1 times the mean's size above it, since a loss may lie below 0; what is no more than the mean is no spike, and a mean may be 0.
    const above = mul(where(less(mean.now, 0), 2 - k, k), mean.now);
    const limit = where(lessEqual(warmup, steps.now), above, Infinity);
    const spike = where(equal(limit, Infinity), 0, mul(lessEqual(limit, x), less(mean.now, x)));
    return { limit, spike, steps: steps.now };
  };
}

samples({
  spikeSkip: (given) => spikeSkip(given),
  'spikeSkip ema': (given) => spikeSkip({ mode: 'ema', ...given }),
});
