// fields.ts: options that many optimizers have.
import { type Field, number, type PerStep, pair, perStep } from '../options/index.ts';

/** A learning rate. */
export const rate: Field<PerStep, (step: number) => number> = perStep({ min: 0 });
/** A decay rate of a running mean. */
export const momentum: Field<number> = number({ min: 0, below: 1 });
export const betas: Field<readonly [number, number], readonly [number, number]> = pair(momentum, momentum);
/** Weight decay. */
export const decay: Field<number> = number({ min: 0 });
/** What is added to a divisor. */
export const epsilon: Field<number> = number({ min: 0 });
