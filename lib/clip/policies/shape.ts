// shape.ts: policies that change each element independently: smooth limits, the sign, suppression; and a norm's smooth limit.
import type { Tensor } from '../../ir/graph.ts';
import { add, div, equal, maximum, where } from '../../ops/elementwise/elementwise.ts';
import * as stage from '../../ops/gradient/stage.ts';
import { choice, options, optionsOnly, type PerStep, signature } from '../../options/index.ts';
import type { ClipPolicy } from '../clip.ts';
import { epsilon, type Limit, limit, nonFiniteFields } from '../fields.ts';
import { type NonFiniteOptions, ruleOf } from '../finite.ts';
import { measure, measureOnly, scaled, shaped } from '../measure.ts';
import { samples } from '../samples.ts';

const threshold = limit().default(1);
const onlyNonFinite = options<NonFiniteOptions>()(nonFiniteFields);

interface Given extends Required<NonFiniteOptions> {
  readonly threshold: Limit;
}

/** A policy with one limit, which a stage applies to each element. */
function elementwise(name: string, { threshold: limit, ...given }: Given, make: (c: Tensor) => stage.Stage): ClipPolicy {
  const rules = ruleOf(given);
  return {
    name,
    maxSkips: rules.maxSkips,
    thresholds: limit.columns,
    build(context) {
      if (limit.idle) return measureOnly(context, rules);
      const at = limit.at(context);
      return shaped(measure(context, rules), [make(at)], { threshold: at });
    },
  };
}

const readSoft = signature('clip.soft', { threshold }, onlyNonFinite);

/**
 * Each element becomes g / (1 + |g| / c), which stays within (-c, c): every element shrinks. c, the threshold, >= 0,
 * may depend on the step.
 * @param threshold >= 0, may depend on the step. Default 1.
 * @throws OptionError
 * @see gradclip: g / (1 + |g| / c)
 */
export function soft(threshold?: PerStep, options: NonFiniteOptions = {}): ClipPolicy {
  return elementwise('soft', readSoft(arguments), (at) => stage.soft(at));
}

const readTanh = signature('clip.tanh', { threshold }, onlyNonFinite);

/**
 * Each element becomes c tanh(g / c): every element shrinks. c, the threshold, >= 0, may depend on the step.
 * @param threshold >= 0, may depend on the step. Default 1.
 * @throws OptionError
 * @see gradclip: c tanh(g / c)
 */
export function tanh(threshold?: PerStep, options: NonFiniteOptions = {}): ClipPolicy {
  return elementwise('tanh', readTanh(arguments), (at) => stage.tanh(at));
}

const readSuppress = signature('clip.suppress', { threshold }, onlyNonFinite);

/**
 * Elements with |g| above the threshold become 0 ("gradient inhibition"). It is >= 0 and may depend on the step;
 * Infinity only measures.
 * @throws OptionError
 * @see gradclip: elements above a threshold become 0
 */
export function suppress(threshold?: PerStep, options: NonFiniteOptions = {}): ClipPolicy {
  return elementwise('suppress', readSuppress(arguments), (at) => stage.shrinkAbove(at, 0));
}

const readSoftNorm = signature('clip.softNorm', { threshold }, onlyNonFinite);

/**
 * All gradients times c / (c + n), n their norm: the smooth form of globalNorm; every gradient shrinks. c, the
 * threshold, >= 0, may depend on the step.
 * @param threshold >= 0, may depend on the step. Default 1.
 * @throws OptionError
 * @see gradclip: g c / (c + n)
 */
export function softNorm(threshold?: PerStep, options: NonFiniteOptions = {}): ClipPolicy {
  const { threshold: limit, ...given } = readSoftNorm(arguments);
  const rules = ruleOf(given);
  return {
    name: 'softNorm',
    maxSkips: rules.maxSkips,
    thresholds: limit.columns,
    build(context) {
      if (limit.idle) return measureOnly(context, rules);
      const at = limit.at(context);
      const m = measure(context, rules);
      // A norm of 0 stays, with a threshold of 0 too; Infinity in this step leaves all alone.
      const scale = where(maximum(equal(m.total, 0), equal(at, Infinity)), 1, div(at, add(at, m.total)));
      return scaled(context, m, scale, { threshold: at });
    },
  };
}

const readSign = optionsOnly('clip.sign', onlyNonFinite);

/**
 * The sign of each element: -1, 0 or 1.
 * @throws OptionError
 * @see Bernstein et al. 2018, signSGD
 */
export function sign(options: NonFiniteOptions = {}): ClipPolicy {
  const rules = ruleOf(readSign(arguments));
  return {
    name: 'sign',
    maxSkips: rules.maxSkips,
    build: (context) => shaped(measure(context, rules), [stage.sign()]),
  };
}

/** Options of `clip.normalize`. */
export interface NormalizeOptions extends NonFiniteOptions {
  /** What the norm becomes: s. Default 1; may depend on the step. */
  readonly to?: PerStep;
  /** Added to the norm. Default 1e-6. */
  readonly eps?: number;
  /** `global`: by the norm of all gradients; `tensor`: each by its own. Default 'global'. */
  readonly scope?: 'global' | 'tensor';
}

const readNormalize = optionsOnly(
  'clip.normalize',
  options<NormalizeOptions>()({
    ...nonFiniteFields,
    to: limit('to', { min: 0 }).default(1),
    eps: epsilon.default(1e-6),
    scope: choice('global', 'tensor').default('global'),
  }),
);

/**
 * Gradients times s / (n + eps), n their norm, small ones too.
 * @throws OptionError
 * @see optax.normalize_by_update_norm
 */
export function normalize(options: NormalizeOptions = {}): ClipPolicy {
  const { to, eps, scope, ...given } = readNormalize(arguments);
  const rules = ruleOf(given);
  const each = scope === 'tensor';
  return {
    name: 'normalize',
    maxSkips: rules.maxSkips,
    thresholds: to.columns,
    build(context) {
      const at = to.at(context);
      const m = measure(context, rules);
      const n = each ? m.each : m.total;
      return scaled(context, m, where(equal(n, 0), 1, div(at, add(n, eps))), { threshold: at });
    },
  };
}

samples({
  soft: (given) => soft(0.01, given),
  softNorm: (given) => softNorm(1, given),
  tanh: (given) => tanh(0.01, given),
  suppress: (given) => suppress(0.01, given),
  normalize: (given) => normalize(given),
  'normalize tensor': (given) => normalize({ scope: 'tensor', ...given }),
});
