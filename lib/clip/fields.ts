// fields.ts: options that many policies have, and how a threshold is given.

import type { Tensor } from '../ir/graph.ts';
import { type AtStep, choice, type Field, type NumberRule, number, type PerStep, perStep, whole } from '../options/index.ts';
import { type ClipContext, thresholdOf } from './clip.ts';
import type { NonFinite } from './finite.ts';

/** A threshold as it is given to a policy: a number, or a value for each step. */
export interface Limit {
  /** Only measure: the threshold is Infinity in all steps. */
  readonly idle: boolean;
  at(c: ClipContext): Tensor;
}

/** A limit that a policy reads from a column of the step row, which has the name of the option. */
export function limit(rule: NumberRule = { min: 0, infinite: true }): Field<PerStep, Limit> {
  return perStep(rule).map((value, { path }) => limitOf(path, value));
}

export function limitOf(name: string, value: AtStep): Limit {
  return { idle: value.fixed === Infinity, at: (c) => thresholdOf(c, name, value.fixed ?? value) };
}

/** What all policies take: see NonFiniteOptions. */
export const nonFiniteFields: {
  readonly nonFinite: Field<NonFinite, NonFinite, false>;
  readonly maxSkips: Field<number, number, false>;
} = {
  nonFinite: choice('skip', 'error', 'zero', 'propagate').default('skip'),
  maxSkips: whole({ min: 1, infinite: true }).default(10),
};

/** No threshold that is made of norms so far goes above it. */
export const max: Field<number, number, false> = number({ above: 0, infinite: true }).default(Number.POSITIVE_INFINITY);
/** A decay rate of a running mean. */
export const decay: Field<number> = number({ min: 0, below: 1 });
/** What is added to a divisor. */
export const epsilon: Field<number> = number({ min: 0 });
/** Norms or losses that are remembered. */
export const windowOf = (min: number): Field<number> => whole({ min, max: 2 ** 24 });
