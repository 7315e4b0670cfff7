// value.ts: clipping element by element.
import { OptionError } from '../../errors.ts';
import { limit } from '../../ops/gradient/stage.ts';
import { type AtStep, either, options, type PerStep, perStep, show, signature } from '../../options/index.ts';
import { type ClipPolicy, thresholdOf } from '../clip.ts';
import { nonFiniteFields } from '../fields.ts';
import { type NonFiniteOptions, ruleOf } from '../finite.ts';
import { measure, measureOnly, shaped } from '../measure.ts';
import { samples } from '../samples.ts';

/** Options of `clip.value`. */
export interface ValueOptions extends NonFiniteOptions {
  /** Clamp to [-threshold, threshold]. Default: `lower` and `upper` say it. */
  readonly threshold?: PerStep;
  /** The least value, in place of a threshold. Default: without bound. */
  readonly lower?: PerStep;
  /** The largest value, in place of a threshold. Default: without bound. */
  readonly upper?: PerStep;
}

const size = perStep({ min: 0, infinite: true });
const bound = perStep({ infinite: true });
const readValue = signature(
  'clip.value',
  {
    threshold: either(
      size,
      options<ValueOptions>()({
        threshold: size.optional(),
        lower: bound.optional(),
        upper: bound.optional(),
        // Options may stand beside the bounds, too.
        nonFinite: nonFiniteFields.nonFinite.or(undefined),
        maxSkips: nonFiniteFields.maxSkips.or(undefined),
      }),
    ),
  },
  options<NonFiniteOptions>()(nonFiniteFields),
);

/**
 * Clamp every element of every gradient to [-threshold, threshold], or to [lower, upper]. The norms reported are
 * Euclidean and, like the fraction of elements changed, measured in the update itself.
 * @param threshold >= 0, may depend on the step; 0 makes gradients 0, Infinity only measures. Or { lower, upper }
 * @throws OptionError
 * @see torch.nn.utils.clip_grad_value_
 */
export function value(threshold: PerStep | ValueOptions, options: NonFiniteOptions = {}): ClipPolicy {
  const { threshold: given, ...beside } = readValue(arguments);
  const limits = typeof given === 'function' ? { threshold: given } : given;
  const { nonFinite = beside.nonFinite, maxSkips = beside.maxSkips } = limits as NonFiniteOptions;
  const rules = ruleOf({ nonFinite, maxSkips });
  const [lower, upper] = bounds('clip.value', limits);
  const largest = (step: number): number => Math.max(Math.abs(lower.at(step)), Math.abs(upper.at(step)));
  const measures = lower.fixed === -Infinity && upper.fixed === Infinity;
  return {
    name: 'value',
    maxSkips: rules.maxSkips,
    thresholds: measures ? [] : ['threshold', 'lower', 'upper'],
    build(context) {
      if (measures) return measureOnly(context, rules);
      const fixed = lower.fixed !== null && upper.fixed !== null;
      const clamp = limit(
        thresholdOf(context, 'lower', lower.fixed ?? lower.at),
        thresholdOf(context, 'upper', upper.fixed ?? upper.at),
      );
      const at = { threshold: thresholdOf(context, 'threshold', fixed ? largest(0) : largest) };
      if (rules.mode === 'propagate') return { stages: [clamp], skip: null, report: at, measure: true };
      return shaped(measure(context, rules), [clamp], at);
    },
  };
}

interface Bound {
  readonly at: (step: number) => number;
  /** The value where it does not depend on the step. */
  readonly fixed: number | null;
}

interface Limits {
  readonly threshold?: AtStep | undefined;
  readonly lower?: AtStep | undefined;
  readonly upper?: AtStep | undefined;
}

const always = (value: number): AtStep => Object.assign(() => value, { fixed: value });

function bounds(name: string, { threshold: size, lower, upper }: Limits): [Bound, Bound] {
  if (size !== undefined) {
    if (lower !== undefined || upper !== undefined)
      throw new OptionError(`${name}: expected threshold, or lower and upper, got both`);
    // 0 - x, so that a bound of 0 is not -0.
    return [
      { at: (step) => 0 - size(step), fixed: size.fixed === null ? null : 0 - size.fixed },
      { at: size, fixed: size.fixed },
    ];
  }
  if (lower === undefined && upper === undefined)
    throw new OptionError(`${name}: expected threshold, lower or upper, got none of them`);
  const [low, high] = [lower ?? always(Number.NEGATIVE_INFINITY), upper ?? always(Number.POSITIVE_INFINITY)];
  const check = (step: number): void => {
    if (low(step) > high(step)) {
      throw new OptionError(`${name}: option lower: expected a number <= upper, got ${show(low(step))} and ${show(high(step))}`);
    }
  };
  if (low.fixed !== null && high.fixed !== null) check(0);
  return [
    {
      at: (step) => {
        check(step);
        return low(step);
      },
      fixed: low.fixed,
    },
    { at: high, fixed: high.fixed },
  ];
}

samples({
  value: (given) => value(0.01, given),
  'value unchecked': (given) => value(0.01, { nonFinite: 'propagate', ...given }),
});
