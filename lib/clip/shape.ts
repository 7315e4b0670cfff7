// shape.ts: policies that change each element by itself: smooth limits, the sign, suppression; and a norm's smooth limit.
import type { Tensor } from '../ir/graph.ts';
import { add, div, equal, maximum, where } from '../ops/elementwise.ts';
import * as stage from '../ops/stage.ts';
import { checkChoice, checkNumber, type PerStep } from '../options.ts';
import type { ClipPolicy } from './clip.ts';
import type { NonFiniteOptions } from './finite.ts';
import { checkLimit, checkPolicy, measure, measureOnly, scaled, shaped } from './measure.ts';

/** A policy with one limit, which a stage applies to each element. */
function elementwise(name: string, threshold: PerStep, options: NonFiniteOptions, make: (at: Tensor) => stage.Stage): ClipPolicy {
  const rules = checkPolicy(`clip.${name}`, options, []);
  const limit = checkLimit(`clip.${name}`, 'threshold', threshold);
  return {
    name,
    maxSkips: rules.maxSkips,
    build(context) {
      if (limit.idle) return measureOnly(context, rules);
      const at = limit.at(context);
      return shaped(measure(context, rules), [make(at)], { threshold: at });
    },
  };
}

/** Each element becomes g / (1 + |g| / threshold), which stays within (-threshold, threshold): every element shrinks. `threshold` >= 0 may depend on the step. */
export const soft = (threshold: PerStep = 1, options: NonFiniteOptions = {}): ClipPolicy =>
  elementwise('soft', threshold, options, stage.soft);

/** Each element becomes threshold tanh(g / threshold): every element shrinks. `threshold` >= 0 may depend on the step. */
export const tanh = (threshold: PerStep = 1, options: NonFiniteOptions = {}): ClipPolicy =>
  elementwise('tanh', threshold, options, stage.tanh);

/** Elements with |g| > threshold become 0 ("gradient inhibition"). `threshold` >= 0 may depend on the step; Infinity only measures. */
export const suppress = (threshold: PerStep = 1, options: NonFiniteOptions = {}): ClipPolicy =>
  elementwise('suppress', threshold, options, (at) => stage.shrinkAbove(at, 0));

/** All gradients times threshold / (threshold + n), n their norm: the smooth form of globalNorm; every gradient shrinks. `threshold` >= 0 may depend on the step. */
export function softNorm(threshold: PerStep = 1, options: NonFiniteOptions = {}): ClipPolicy {
  const rules = checkPolicy('clip.softNorm', options, []);
  const limit = checkLimit('clip.softNorm', 'threshold', threshold);
  return {
    name: 'softNorm',
    maxSkips: rules.maxSkips,
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

/** The sign of each element: -1, 0 or 1 (signSGD, Bernstein et al. 2018). */
export function sign(options: NonFiniteOptions = {}): ClipPolicy {
  const rules = checkPolicy('clip.sign', options, []);
  return {
    name: 'sign',
    maxSkips: rules.maxSkips,
    build: (context) => shaped(measure(context, rules), [stage.sign()]),
  };
}

export interface NormalizeOptions extends NonFiniteOptions {
  /** What the norm becomes: s. Default 1; may depend on the step. */
  readonly to?: PerStep;
  /** Added to the norm. Default 1e-6. */
  readonly eps?: number;
  /** `global`: by the norm of all gradients (default); `tensor`: each by its own. */
  readonly scope?: 'global' | 'tensor';
}

/** Gradients times s / (n + eps), n their norm, small ones too. As optax.normalize_by_update_norm (global). Throws OptionError. */
export function normalize(options: NormalizeOptions = {}): ClipPolicy {
  const name = 'clip.normalize';
  const rules = checkPolicy(name, options, ['to', 'eps', 'scope']);
  const to = checkLimit(name, 'to', options.to ?? 1, { min: 0 });
  const eps = checkNumber(name, 'eps', options.eps ?? 1e-6, { min: 0 });
  const each = checkChoice(name, 'scope', options.scope ?? 'global', ['global', 'tensor']) === 'tensor';
  return {
    name: 'normalize',
    maxSkips: rules.maxSkips,
    build(context) {
      const at = to.at(context);
      const m = measure(context, rules);
      const n = each ? m.each : m.total;
      return scaled(context, m, where(equal(n, 0), 1, div(at, add(n, eps))), { threshold: at });
    },
  };
}
