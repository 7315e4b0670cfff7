// budget.ts: a norm shared out greedily among gradients, and a norm clipped with a probability.
import { div, less, lessEqual, pow, where } from '../../ops/elementwise/elementwise.ts';
import { greedyBudget as greedy } from '../../ops/gradient/lists.ts';
import { uniformNumber } from '../../ops/random.ts';
import { number, options, type PerStep, signature } from '../../options/index.ts';
import type { ClipPolicy } from '../clip.ts';
import { limit, nonFiniteFields } from '../fields.ts';
import { type NonFiniteOptions, ruleOf } from '../finite.ts';
import { measure, measureOnly, scaled, scaleOf } from '../measure.ts';
import { samples } from '../samples.ts';

const threshold = limit().default(1);
const readGreedyBudget = signature('clip.greedyBudget', { threshold }, options<NonFiniteOptions>()(nonFiniteFields));

/**
 * A norm of c, the threshold, for all gradients, shared out from the last parameter to the first, as a backward pass
 * meets them: each keeps what is left of it, r = c^2 at the start, s_i = min(1, sqrt(r) / n_i), r -= (s_i n_i)^2. The
 * first ones may become 0. The threshold is as in globalNorm.
 * @param threshold >= 0, may depend on the step. Default 1.
 * @throws OptionError
 * @see gradclip: a norm that is shared out in the order of a backward pass
 */
export function greedyBudget(threshold?: PerStep, options: NonFiniteOptions = {}): ClipPolicy {
  const { threshold: limit, ...given } = readGreedyBudget(arguments);
  const rules = ruleOf(given);
  return {
    name: 'greedyBudget',
    maxSkips: rules.maxSkips,
    thresholds: limit.columns,
    build(context) {
      if (limit.idle) return measureOnly(context, rules);
      const at = limit.at(context);
      const m = measure(context, rules);
      // Where the budget is enough for all, rounding in the shares must not change a bit.
      const scales = where(lessEqual(m.total, at), 1, greedy(m.each, at));
      return scaled(context, m, scales, { threshold: at });
    },
  };
}

/** Options of `clip.stochastic`. */
export interface StochasticOptions extends NonFiniteOptions {
  /** In (0, 1]: a norm n is clipped with probability b^(threshold / n), so larger norms more often; 1 always clips. Default 0.5. */
  readonly b?: number;
}

const readStochastic = signature(
  'clip.stochastic',
  { threshold },
  options<StochasticOptions>()({ ...nonFiniteFields, b: number({ above: 0, max: 1 }).default(0.5) }),
);

/**
 * globalNorm(c), c the threshold, in some steps: with probability b^(c / n). Draws are keyed by seed and batch, so
 * that a resumed run repeats them.
 * @param threshold >= 0, may depend on the step. Default 1.
 * @throws OptionError
 * @see gradclip: globalNorm in steps that are drawn
 */
export function stochastic(threshold?: PerStep, options: StochasticOptions = {}): ClipPolicy {
  const { threshold: limit, b, ...given } = readStochastic(arguments);
  const rules = ruleOf(given);
  return {
    name: 'stochastic',
    maxSkips: rules.maxSkips,
    thresholds: limit.columns,
    build(context) {
      if (limit.idle) return measureOnly(context, rules);
      const at = limit.at(context);
      const m = measure(context, rules);
      const chosen = less(uniformNumber(context.graph), pow(b, div(at, m.total)));
      return scaled(context, m, where(chosen, scaleOf(m.total, at), 1), { threshold: at });
    },
  };
}

samples({
  stochastic: (given) => stochastic(1, given),
  greedyBudget: (given) => greedyBudget(1, given),
});
