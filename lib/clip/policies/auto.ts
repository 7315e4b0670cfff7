// auto.ts: a threshold that finds itself: a factor on the thresholds of any policy, which a fit moves.
import { OptionError } from '../../errors.ts';
import type { State } from '../../ir/graph.ts';
import { mul } from '../../ops/elementwise/elementwise.ts';
import { custom, type Field, list, number, options, optionsOf, optionsOnly, whole } from '../../options/index.ts';
import { buildPolicy, policy } from '../build.ts';
import type { AutoStep, ClipPolicy } from '../clip.ts';
import { globalNorm } from './norm.ts';

/** Options of `clip.auto`. */
export interface AutoOptions {
  /** What clips: its thresholds are multiplied by what is found. Default: clip.globalNorm(1). */
  readonly policy?: ClipPolicy;
  /** Steps that trials may take, as a fraction of the steps of the run. Default 0.3. */
  readonly budget?: number;
  /** Seconds that trials may take, in place of `budget`: what is decided depends on the clock then. Default: `budget` says. */
  readonly seconds?: number;
  /** Make no trials, and do what another run has decided, `result.auto.decisions`: its bits come again. Default: trials are made. */
  readonly decisions?: readonly AutoStep[];
}

/** What trials may take, where nobody says. */
const BUDGET = 0.3;

const told = custom('anything', (given) => given, {}).optional();
/** What else a decision of a result or a record has is not read. */
const decision = optionsOf(
  {
    step: whole({ min: 0 }),
    factor: number({ above: 0 }),
    threshold: told,
    decided: told,
    reason: told,
    judgedBy: told,
    extra: told,
  },
  'a decision { step, factor }',
);
const decisions: Field<readonly AutoStep[]> = list(decision).map((steps, place) => {
  const found = steps as unknown as readonly AutoStep[];
  const at = found.findIndex(({ step }, i) => i > 0 && step < found[i - 1]!.step);
  if (at >= 0)
    throw place
      .item(at)
      .refuse(`expected decisions in the order of their steps, got ${found[at]!.step} after ${found[at - 1]!.step}`, {
        value: steps,
      });
  return found;
}) as Field<readonly AutoStep[]>;

/** Its options, but the policy. */
const beside = {
  budget: number({ above: 0, max: 100 }).optional(),
  seconds: number({ above: 0 }).optional(),
  decisions: decisions.optional(),
};

const readAuto = optionsOnly('clip.auto', options<AutoOptions>()({ policy: policy.default(globalNorm()), ...beside }));

/** Factors that policies have in graphs. */
const factors = new WeakSet<State>();

/** The factor among the states of a graph; null: no policy of it finds its threshold. */
export const factorIn = (states: readonly State[]): State | null => states.find((state) => factors.has(state)) ?? null;

/**
 * A threshold that finds itself: any policy that has one, whose thresholds are multiplied by a factor that a `fit` moves while it trains.
 * Trials go on from the state of the moment under several factors, on the same batches, and lose early; the best goes on. They are
 * judged by the loss over the validation set of the fit, or without one by that of batches to come. `result.auto` says what was decided, and
 * why. One of a trainer, also within `chain` and `groups`. State: 1 number.
 * @throws OptionError, also for a policy without a threshold, or with one that is Infinity, and so only measures
 * @see gradclip: thresholds by trials from the state of the moment
 */
export function auto(options: AutoOptions = {}): ClipPolicy {
  const { policy: inner, budget, seconds, decisions } = readAuto(arguments);
  const { thresholds = [] } = inner;
  if (inner.auto)
    throw new OptionError(`clip.auto: option policy: ${inner.name} finds its threshold already`, { policy: inner.name });
  if (inner.perSample) {
    throw new OptionError(
      `clip.auto: option policy: ${inner.name} weighs samples by its threshold, whose trials would look at what it is to hide`,
      {
        policy: inner.name,
      },
    );
  }
  if (thresholds.length === 0) {
    throw new OptionError(
      `clip.auto: option policy: expected a policy with a threshold, such as globalNorm, perTensorNorm, value or agc, and one that is not Infinity, got ${inner.name}`,
      { policy: inner.name },
    );
  }
  const given = Object.entries({ budget, seconds, decisions }).flatMap(([key, value]) => (value === undefined ? [] : [key]));
  if (given.length > 1)
    throw new OptionError(`clip.auto: expected one of budget, seconds and decisions, got ${given.join(' and ')}`);
  let own: (step: number) => number = () => Number.NaN;
  return {
    name: `auto(${inner.name})`,
    maxSkips: inner.maxSkips,
    ...(inner.unboundedAtFirst !== undefined && { unboundedAtFirst: inner.unboundedAtFirst }),
    auto: { budget: budget ?? BUDGET, seconds: seconds ?? null, decisions: decisions ?? null, own: (step) => own(step) },
    build(context) {
      const { graph } = context;
      const state = context.state('auto.factor', { dtype: 'f64', shape: [] }, (out) => out.fill(1));
      factors.add(state);
      const factor = graph.state(state);
      // What moves it is the fit: a step leaves it alone.
      graph.assign(state, factor);
      return buildPolicy(inner, {
        ...context,
        perStep(name, value) {
          if (name === thresholds[0]) own = value;
          const column = context.perStep(name, value);
          return thresholds.includes(name) ? mul(column, factor) : column;
        },
      });
    },
  };
}
