// fields.ts: options that many policies have, and how a threshold is given.

import { Graph, type Tensor } from '../ir/graph.ts';
import { choice, custom, type Field, type NumberRule, number, type PerStep, perStep, whole } from '../options/index.ts';
import { type ClipContext, thresholdOf } from './clip.ts';
import type { NonFinite, NonFiniteRule } from './finite.ts';

/** A threshold as it is given to a policy: a number, or a value for each step. */
export interface Limit {
  /** Only measure: the threshold is Infinity in all steps. */
  readonly idle: boolean;
  /** Columns of the step row that it is read from; none where it is idle. */
  readonly columns: readonly string[];
  /**
   * What the norm is compared with in this step.
   * @shape scalar
   */
  at(c: ClipContext): Tensor;
}

/** A limit. @param name of the column of the step row that a policy reads it from, where it depends on the step */
export function limit(name: string = 'threshold', rule: NumberRule = { min: 0, infinite: true }): Field<PerStep, Limit> {
  return perStep(rule).map((value) => ({
    idle: value.fixed === Infinity,
    columns: value.fixed === Infinity ? [] : [name],
    at: (c) => thresholdOf(c, name, value.fixed ?? value),
  }));
}

/** What all policies take: see NonFiniteOptions. */
export const nonFiniteFields: {
  readonly nonFinite: Field<NonFinite, NonFinite, false>;
  readonly maxSkips: Field<number, number, false>;
} = {
  nonFinite: choice('skip', 'error', 'zero', 'propagate').default('skip'),
  maxSkips: whole({ min: 1, infinite: true }).default(10),
};

/** A decay rate of a running mean. */
export const decay: Field<number> = number({ min: 0, below: 1 });
/** What is added to a divisor. */
export const epsilon: Field<number> = number({ min: 0 });
/** Norms or losses that are remembered. */
export const windowOf = (min: number): Field<number> => whole({ min, max: 2 ** 24 });

/** What `build` of a policy is given. */
export const context: Field<ClipContext> = custom('the context that build is given', (value, place) => {
  const { graph, grads, perStep } = (value ?? {}) as Partial<ClipContext>;
  if (!(graph instanceof Graph) || !Array.isArray(grads) || typeof perStep !== 'function')
    throw place.wrong('the context that build is given', value);
  return value as ClipContext;
});
export const rules: Field<NonFiniteRule> = custom('what checkPolicy gives', (value, place) => {
  if (typeof (value as Partial<NonFiniteRule> | null)?.decide !== 'function') throw place.wrong('what checkPolicy gives', value);
  return value as NonFiniteRule;
});
