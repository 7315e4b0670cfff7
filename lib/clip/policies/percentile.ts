// percentile.ts: thresholds that are percentiles of the norms so far: AutoClip for all gradients together, and one for each tensor.
import type { Tensor } from '../../ir/graph.ts';
import { where } from '../../ops/elementwise/elementwise.ts';
import { historyPush, historyQuantile, historyType } from '../../ops/gradient/history.ts';
import { reshape } from '../../ops/shape/shape.ts';
import { slice } from '../../ops/shape/slice.ts';
import { number, options, signature } from '../../options/index.ts';
import type { ClipContext, ClipPolicy } from '../clip.ts';
import { nonFiniteFields, windowOf } from '../fields.ts';
import { type NonFiniteOptions, ruleOf } from '../finite.ts';
import { type Measured, measure, scaled, scaleOf } from '../measure.ts';
import { bounded, boundOf, type YoungOptions, youngFields } from '../young.ts';

/** Options of `clip.autoClip` and `clip.percentile`. */
export interface PercentileOptions extends NonFiniteOptions, YoungOptions {
  /** Norms that are remembered, the last ones. Default 10,000 of `autoClip`, 100 of `percentile`. */
  readonly window?: number;
}

/**
 * The percentile of each series of norms with this step's among them, and how many steps came before; the history takes them in, unless one
 * is not finite. A percentile of a lasting level moves there unaided, and one spike is one rank.
 */
function percentileOf(c: ClipContext, m: Measured, norms: Tensor, q: number, window: number): { at: Tensor; steps: Tensor } {
  const series = norms.shape[0] ?? 1;
  const state = c.state('norms', historyType(series, window, true));
  const history = c.graph.state(state);
  const list = reshape(norms, [series]);
  c.graph.assign(state, historyPush(history, where(m.finite, list, Number.NaN), { sorted: true }));
  const begin = (t: Tensor, axis: number): Tensor => slice(t, { axis, start: 0, end: 1 });
  return {
    at: reshape(historyQuantile(history, list, q / 100), norms.shape),
    // All series have taken in the same steps.
    steps: reshape(begin(begin(history, 0), 1), []),
  };
}

interface Given extends Required<PercentileOptions> {
  readonly q: number;
}

function make(name: string, each: boolean, { q, window, warmup, absolute, max, ...given }: Given): ClipPolicy {
  const rules = ruleOf(given);
  const bound = boundOf(`clip.${name}`, { warmup, absolute, max });
  return {
    name,
    maxSkips: rules.maxSkips,
    ...bound.first,
    build(context) {
      const m = measure(context, rules);
      const norms = each ? m.each : m.total;
      const found = percentileOf(context, m, norms, q, window);
      const at = bounded(found.at, bound.at(context, found.steps).all);
      return scaled(context, m, scaleOf(norms, at), each ? {} : { threshold: at });
    },
  };
}

const percent = number({ min: 0, max: 100 });
const optionsOf = (window: number) =>
  options<PercentileOptions>()({ ...nonFiniteFields, ...youngFields, window: windowOf(1).default(window) });
const readAutoClip = signature('clip.autoClip', { q: percent.default(10) }, optionsOf(10_000));

/**
 * AutoClip: globalNorm with, as threshold, the percentile q of the norms so far, this step's among them, interpolated
 * linearly. State: the last `window` norms (default 10,000; 16 bytes each).
 * @param q in [0, 100]. Default 10.
 * @throws OptionError
 * @see Seetharaman et al. 2020, AutoClip: Adaptive Gradient Clipping for Source Separation Networks
 */
export function autoClip(q?: number, options: PercentileOptions = {}): ClipPolicy {
  return make('autoClip', false, readAutoClip(arguments));
}

const readPercentile = signature('clip.percentile', { q: percent.default(5) }, optionsOf(100));

/**
 * AutoClip for each gradient by its own norms. State: the last `window` norms of each (default 100; 16 bytes each). In
 * the first steps there are fewer of them, where bitsandbytes counts the first norm a hundred times.
 * @param q in [0, 100]. Default 5.
 * @throws OptionError
 * @see bitsandbytes.optim.Adam, `percentile_clipping`
 */
export function percentile(q?: number, options: PercentileOptions = {}): ClipPolicy {
  return make('percentile', true, readPercentile(arguments));
}
