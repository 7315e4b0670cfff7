// finite.ts: what policies do about NaN and infinities, in one place.
import type { Tensor } from '../ir/graph.ts';
import { type Stage, zeroNonFinite } from '../ops/gradient/stage.ts';
import type { Statistic } from '../ops/gradient/statistics.ts';
import { failIf } from '../ops/step/control.ts';
import { custom, options, Place, signature, text } from '../options/index.ts';
import type { ClipColumns } from './clip.ts';
import { nonFiniteFields } from './fields.ts';

/**
 * `skip`: the step changes nothing, and after `maxSkips` in a row the run ends with a NonFiniteError. `error`: the run ends at once,
 * before anything is updated. `zero`: such elements count as 0. `propagate`: nothing is done.
 */
export type NonFinite = 'skip' | 'error' | 'zero' | 'propagate';

/** What every policy takes: what happens where a norm is not finite. */
export interface NonFiniteOptions {
  /** What to do about a NaN or an infinity in a gradient. Default `skip`. */
  readonly nonFinite?: NonFinite;
  /** Skips in a row that end the run. Default 10; Infinity: never. */
  readonly maxSkips?: number;
}

/** One policy's way with what is not finite. */
export interface NonFiniteRule {
  /** What is done where a norm is not finite. */
  readonly mode: NonFinite;
  /** 0: never end the run. */
  readonly maxSkips: number;
  /** To be put before the policy's own stages, and before it measures. */
  readonly stages: readonly Stage[];
  /**
   * Act on what was measured behind `earlier` stages; once those have zeroed what is not finite, there is nothing
   * left to act on.
   * @shape { skip scalar, report of scalars }
   */
  decide(
    found: Statistic,
    earlier: readonly Stage[],
  ): { readonly skip: Tensor | null; readonly report: Pick<ClipColumns, 'firstBad' | 'badCount'> };
}

const readNonFiniteRule = signature('clip.parts.nonFiniteRule', {
  where: text,
  options: custom('an object of options', (given) => given),
});

/**
 * What a policy does where gradients are not finite, from the options that it was given.
 * @throws OptionError
 */
export function nonFiniteRule(where: string, options: NonFiniteOptions): NonFiniteRule {
  readNonFiniteRule(arguments);
  return ruleOf(nonFiniteOptions.read(options, new Place(where, '', '')));
}
const nonFiniteOptions = options<NonFiniteOptions>()(nonFiniteFields);

/** Of options that were read. */
export function ruleOf({ nonFinite: mode, maxSkips }: Required<NonFiniteOptions>): NonFiniteRule {
  return {
    mode,
    maxSkips: mode === 'skip' && Number.isFinite(maxSkips) ? maxSkips : 0,
    stages: mode === 'zero' ? [zeroNonFinite()] : [],
    decide({ firstBad, badCount }, earlier) {
      if (earlier.some((s) => s.kind === 'zeroNonFinite' && (s.at?.every((at) => at >= 0) ?? true)))
        return { skip: null, report: {} };
      if (mode === 'error') failIf(badCount, firstBad);
      return { skip: mode === 'skip' ? badCount : null, report: { firstBad, badCount } };
    },
  };
}
