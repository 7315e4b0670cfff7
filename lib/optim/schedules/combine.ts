// combine.ts: schedules made of others, and of functions.
import { OptionError } from '../../errors.ts';
import { checkNumber, checkOptions, checkPerStep, type PerStep, show } from '../../options.ts';
import { checkMilestones, type Length } from '../length.ts';
import type { Schedule } from './decay.ts';

/**
 * `initial` times what a function gives for the step. As torch's LambdaLR. (Any function of the step is a schedule: this one only
 * multiplies.) Throws OptionError, also where the function gives no number.
 */
export function lambda(initial: number, factor: (step: number) => number): Schedule {
  checkNumber('schedule.lambda', 'initial', initial);
  const f = checkFactor('schedule.lambda', factor);
  return (at) => initial * f(at);
}

/**
 * `initial` times the product of what a function gives for steps 1 to this one. As torch's MultiplicativeLR. A step later than the last
 * one asked for takes the product on from there; an earlier one takes it from the beginning. Throws OptionError.
 */
export function multiplicative(initial: number, factor: (step: number) => number): Schedule {
  checkNumber('schedule.multiplicative', 'initial', initial);
  const f = checkFactor('schedule.multiplicative', factor);
  let last = { at: 0, product: 1 };
  return (at) => {
    let { at: from, product } = at >= last.at ? last : { at: 0, product: 1 };
    while (from < at) product *= f(++from);
    last = { at, product };
    return initial * product;
  };
}

export interface SequentialOptions {
  /** Steps at which the next schedule takes over, one fewer than there are schedules. */
  readonly milestones: readonly Length[];
}
/** One schedule after the other; each sees its own step 0 when it takes over. As torch's SequentialLR. Throws OptionError. */
export function sequential(schedules: readonly PerStep[], options: SequentialOptions): Schedule {
  const name = 'schedule.sequential';
  checkOptions(name, options, ['milestones']);
  const parts = checkSchedules(name, schedules);
  const milestones = checkMilestones(name, options.milestones, { repeats: false });
  if (options.milestones.length !== parts.length - 1) {
    throw new OptionError(`${name}: option milestones: expected ${parts.length - 1} of them, got ${options.milestones.length}`);
  }
  return (at) => {
    const starts = milestones();
    const i = starts.filter((m) => m <= at).length;
    return parts[i]!(at - (i > 0 ? starts[i - 1]! : 0));
  };
}

/**
 * The product of schedules. As torch's ChainedScheduler of schedules that multiply: give the learning rate to one of them and 1 to the
 * others, `product([linear(0.1, { steps: 5 }), exponential(1, { gamma: 0.9 })])`. Throws OptionError.
 */
export function product(schedules: readonly PerStep[]): Schedule {
  const parts = checkSchedules('schedule.product', schedules);
  return (at) => parts.reduce((value, part) => value * part(at), 1);
}

function checkFactor(where: string, factor: unknown): Schedule {
  if (typeof factor !== 'function') throw new OptionError(`${where}: option factor: expected a function, got ${show(factor)}`);
  return checkPerStep(where, 'factor', factor);
}

function checkSchedules(where: string, schedules: unknown): Schedule[] {
  if (!Array.isArray(schedules) || schedules.length === 0) {
    throw new OptionError(`${where}: expected a list of schedules, got ${show(schedules)}`, { value: schedules });
  }
  return schedules.map((s, i) => checkPerStep(where, `schedules[${i}]`, s, { infinite: true }));
}
