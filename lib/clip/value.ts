// value.ts: clipping element by element.
import { OptionError } from '../errors.ts';
import { limit } from '../ops/stage.ts';
import { checkPerStep, type PerStep, show } from '../options.ts';
import { type ClipPolicy, thresholdOf } from './clip.ts';
import type { NonFiniteOptions } from './finite.ts';
import { checkPolicy, measure, measureOnly, shaped } from './measure.ts';

export interface ValueOptions extends NonFiniteOptions {
  /** Clamp to [-threshold, threshold]. */
  readonly threshold?: PerStep;
  /** Or clamp to these; the one left out is without bound. */
  readonly lower?: PerStep;
  readonly upper?: PerStep;
}

/**
 * Clamp every element of every gradient to [-threshold, threshold], or to [lower, upper]. `threshold` >= 0 may depend on the step; 0 makes gradients 0,
 * Infinity only measures. The norms reported are Euclidean and, like the fraction of elements changed, measured in the update
 * itself. As torch's clip_grad_value_. Throws OptionError.
 */
export function value(threshold: PerStep | ValueOptions, options: NonFiniteOptions = {}): ClipPolicy {
  const name = 'clip.value';
  const given: ValueOptions =
    typeof threshold === 'object' && threshold !== null
      ? { ...threshold, ...options }
      : { ...options, threshold: threshold as PerStep };
  const rules = checkPolicy(name, given, ['threshold', 'lower', 'upper']);
  const [lower, upper] = bounds(name, given);
  const largest = (step: number): number => Math.max(Math.abs(lower.at(step)), Math.abs(upper.at(step)));
  return {
    name: 'value',
    maxSkips: rules.maxSkips,
    build(context) {
      if (lower.fixed === -Infinity && upper.fixed === Infinity) return measureOnly(context, rules);
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

function bounds(name: string, { threshold: v, lower, upper }: ValueOptions): [Bound, Bound] {
  const fixed = (x: PerStep): number | null => (typeof x === 'number' ? x : null);
  if (v !== undefined) {
    if (lower !== undefined || upper !== undefined)
      throw new OptionError(`${name}: expected threshold, or lower and upper, got both`);
    const at = checkPerStep(name, 'threshold', v, { min: 0, infinite: true });
    const size = fixed(v);
    // 0 - x, so that a bound of 0 is not -0.
    return [
      { at: (step) => 0 - at(step), fixed: size === null ? null : 0 - size },
      { at, fixed: size },
    ];
  }
  if (lower === undefined && upper === undefined)
    throw new OptionError(`${name}: expected threshold, lower or upper, got none of them`);
  const low = checkPerStep(name, 'lower', lower ?? -Infinity, { infinite: true });
  const high = checkPerStep(name, 'upper', upper ?? Infinity, { infinite: true });
  const check = (step: number): void => {
    if (low(step) > high(step)) {
      throw new OptionError(`${name}: option lower: expected a number <= upper, got ${show(low(step))} and ${show(high(step))}`);
    }
  };
  const [a, b] = [fixed(lower ?? -Infinity), fixed(upper ?? Infinity)];
  if (a !== null && b !== null) check(0);
  return [
    {
      at: (step) => {
        check(step);
        return low(step);
      },
      fixed: a,
    },
    { at: high, fixed: b },
  ];
}
