// fields.ts: options that many optimizers have.
import { type AtStep, bool, type Field, number, type PerStep, pair, perStep } from '../options/index.ts';
import { LARGEST } from './limits.ts';

/** A learning rate. */
export const rate: Field<PerStep, AtStep> = perStep({ min: 0 });
/** A decay rate of a running mean. */
export const momentum: Field<number> = number({ min: 0, below: 1 });
export const betas: Field<readonly [number, number], readonly [number, number]> = pair(momentum, momentum);
/** Weight decay. */
export const decay: Field<number> = number({ min: 0 });
/** What is added to a divisor, which is f32. */
export const epsilon: Field<number> = number({ min: 0, max: LARGEST });
/** What a divisor is at least. */
export const divisor: Field<number> = number({ above: 0, max: LARGEST });
/** What something is scaled down to; Infinity: nothing is. */
export const bound: Field<number> = number({ above: 0, infinite: true });

/** An option of every optimizer that has a rate. */
export interface Maximize {
  /** Go up the gradient, rather than down: weights still decay. Default false. */
  readonly maximize?: boolean;
}
/** Whether to go up the gradient. */
export const ascent: Field<boolean, boolean, false> = bool.default(false);
