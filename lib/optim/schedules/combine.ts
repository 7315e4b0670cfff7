// combine.ts: schedules made of others, and of functions.
import { OptionError } from '../../errors.ts';
import { custom, type Field, list, number, options, type PerStep, perStep, signature } from '../../options/index.ts';
import type { Schedule } from './decay.ts';
import { type Length, milestones } from './length.ts';

/** What a function gives is checked whenever it is called. */
const factor: Field<(step: number) => number> = custom('a function of the step', (value, place) => {
  if (typeof value !== 'function') throw place.wrong('a function of the step', value);
  return perStep().read(value, place);
});
const schedules = list(perStep({ infinite: true }), { min: 1 });

const readLambda = signature('optim.schedule.lambda', { initial: number(), factor });

/**
 * `initial` times what a function gives for the step. (Any function of the step is a schedule: this one only
 * multiplies.)
 * @throws OptionError, also where the function gives no number
 * @see torch.optim.lr_scheduler.LambdaLR
 */
export function lambda(initial: number, factor: (step: number) => number): Schedule {
  const { factor: f } = readLambda(arguments);
  return (at) => initial * f(at);
}

const readMultiplicative = signature('optim.schedule.multiplicative', { initial: number(), factor });

/**
 * `initial` times the product of what a function gives for steps 1 to this one. A step later than the last one asked
 * for takes the product on from there; an earlier one takes it from the beginning.
 * @throws OptionError, also where the function gives no number
 * @see torch.optim.lr_scheduler.MultiplicativeLR
 */
export function multiplicative(initial: number, factor: (step: number) => number): Schedule {
  const { factor: f } = readMultiplicative(arguments);
  let last = { at: 0, product: 1 };
  return (at) => {
    let { at: from, product } = at >= last.at ? last : { at: 0, product: 1 };
    while (from < at) product *= f(++from);
    last = { at, product };
    return initial * product;
  };
}

/** Options of `optim.schedule.sequential`. */
export interface SequentialOptions {
  /** Steps at which the next schedule takes over, one fewer than there are schedules. */
  readonly milestones: readonly Length[];
}
const readSequential = signature(
  'optim.schedule.sequential',
  { schedules },
  options<SequentialOptions>()({ milestones: milestones({ repeats: false }) }),
);

/**
 * One schedule after the other; each sees its own step 0 when it takes over.
 * @throws OptionError
 * @see torch.optim.lr_scheduler.SequentialLR
 */
export function sequential(schedules: readonly PerStep[], options: SequentialOptions): Schedule {
  const { schedules: parts, milestones } = readSequential(arguments);
  if (options.milestones.length !== parts.length - 1) {
    throw new OptionError(
      `optim.schedule.sequential: option milestones: expected ${parts.length - 1} of them, got ${options.milestones.length}`,
      { milestones: options.milestones },
    );
  }
  return (at) => {
    const starts = milestones();
    const i = starts.filter((m) => m <= at).length;
    return parts[i]!(at - (i > 0 ? starts[i - 1]! : 0));
  };
}

const readProduct = signature('optim.schedule.product', { schedules });

/**
 * The product of schedules. Give the learning rate to one of them and 1 to the others: `product([linear(0.1, { steps:
 * 5 }), exponential(1, { gamma: 0.9 })])`.
 * @throws OptionError
 * @see torch.optim.lr_scheduler.ChainedScheduler
 */
export function product(schedules: readonly PerStep[]): Schedule {
  const { schedules: parts } = readProduct(arguments);
  return (at) => parts.reduce((value, part) => value * part(at), 1);
}
