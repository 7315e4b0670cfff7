// decay.ts: schedules that lead from one value to another and stay there, or go on for ever; and the line up to the first value.
import { OptionError } from '../../errors.ts';
import { cos, pow } from '../../math/index.ts';
import { checkBoolean, checkNumber, checkOptions, checkPerStep, type PerStep, show } from '../../options.ts';

/** A value for each step. Any function of the step is one. */
export type Schedule = (step: number) => number;

export interface ConstantOptions {
  /** Steps in which the value is multiplied by `factor`. Default 0. */
  readonly steps?: number;
  /** Default 1 / 3. */
  readonly factor?: number;
}
/** The same value in every step, but `factor` times it in the first `steps`. As torch's ConstantLR. Throws OptionError. */
export function constant(value: number, options: ConstantOptions = {}): Schedule {
  checkOptions('schedule.constant', options, ['steps', 'factor']);
  const fixed = checkNumber('schedule.constant', 'value', value, { infinite: true });
  const steps = checkNumber('schedule.constant', 'steps', options.steps ?? 0, { min: 0, integer: true });
  const factor = checkNumber('schedule.constant', 'factor', options.factor ?? 1 / 3, { min: 0 });
  return (at) => (at < steps ? fixed * factor : fixed);
}

export interface LinearOptions {
  /** Steps from the first factor to the last. */
  readonly steps: number;
  /** Factor of step 0. Default 1 / 3. */
  readonly from?: number;
  /** Factor of step `steps` and all that follow. Default 1. */
  readonly to?: number;
}
/** `initial` times a factor on a straight line between two. As torch's LinearLR. Throws OptionError. */
export function linear(initial: number, options: LinearOptions): Schedule {
  const name = 'schedule.linear';
  checkOptions(name, options, ['steps', 'from', 'to']);
  checkNumber(name, 'initial', initial);
  const steps = checkNumber(name, 'steps', options.steps, { min: 1, integer: true });
  const from = checkNumber(name, 'from', options.from ?? 1 / 3, { min: 0 });
  const to = checkNumber(name, 'to', options.to ?? 1, { min: 0 });
  return (at) => initial * (from + ((to - from) * Math.min(at, steps)) / steps);
}

export interface ExponentialOptions {
  /** What the value is multiplied by in each step. */
  readonly gamma: number;
}
/** `initial * gamma^step`. As torch's ExponentialLR. Throws OptionError. */
export function exponential(initial: number, options: ExponentialOptions): Schedule {
  checkOptions('schedule.exponential', options, ['gamma']);
  checkNumber('schedule.exponential', 'initial', initial);
  const gamma = checkNumber('schedule.exponential', 'gamma', options.gamma, { min: 0 });
  return (at) => initial * pow(gamma, at);
}

export interface StepOptions {
  /** Steps between two changes. */
  readonly size: number;
  /** What the value is multiplied by each time. Default 0.1. */
  readonly gamma?: number;
}
/** `initial * gamma^floor(step / size)`. As torch's StepLR. Throws OptionError. */
export function step(initial: number, options: StepOptions): Schedule {
  checkOptions('schedule.step', options, ['size', 'gamma']);
  checkNumber('schedule.step', 'initial', initial);
  const size = checkNumber('schedule.step', 'size', options.size, { min: 1, integer: true });
  const gamma = checkNumber('schedule.step', 'gamma', options.gamma ?? 0.1, { min: 0 });
  return (at) => initial * pow(gamma, Math.floor(at / size));
}

export interface MultiStepOptions {
  /** Steps at which the value changes, in order; one that comes twice counts twice. */
  readonly milestones: readonly number[];
  /** What the value is multiplied by each time. Default 0.1. */
  readonly gamma?: number;
}
/** `initial * gamma^(milestones reached)`. As torch's MultiStepLR. Throws OptionError. */
export function multiStep(initial: number, options: MultiStepOptions): Schedule {
  const name = 'schedule.multiStep';
  checkOptions(name, options, ['milestones', 'gamma']);
  checkNumber(name, 'initial', initial);
  const milestones = checkMilestones(name, options.milestones, { repeats: true });
  const gamma = checkNumber(name, 'gamma', options.gamma ?? 0.1, { min: 0 });
  return (at) => initial * pow(gamma, milestones.filter((m) => m <= at).length);
}

export interface PolynomialOptions {
  /** Steps from the initial value to 0. */
  readonly steps: number;
  /** Default 1: a straight line. */
  readonly power?: number;
}
/** `initial * (1 - step / steps)^power`, then 0. As torch's PolynomialLR. Throws OptionError. */
export function polynomial(initial: number, options: PolynomialOptions): Schedule {
  const name = 'schedule.polynomial';
  checkOptions(name, options, ['steps', 'power']);
  checkNumber(name, 'initial', initial);
  const steps = checkNumber(name, 'steps', options.steps, { min: 1, integer: true });
  const power = checkNumber(name, 'power', options.power ?? 1, { above: 0 });
  return (at) => initial * pow(1 - Math.min(at, steps) / steps, power);
}

export interface CosineOptions {
  /** Steps from the initial value to the least. */
  readonly steps: number;
  /** The least value. Default 0. */
  readonly min?: number;
  /** After `steps` go up again as the cosine does, and down, for ever. Default false: keep the least value. */
  readonly repeat?: boolean;
}
/**
 * Half a cosine from `initial` down to `min` (Loshchilov and Hutter 2016). As torch's CosineAnnealingLR, which goes up again: that is
 * `repeat: true`. Throws OptionError.
 */
export function cosine(initial: number, options: CosineOptions): Schedule {
  checkOptions('schedule.cosine', options, ['steps', 'min', 'repeat']);
  checkNumber('schedule.cosine', 'initial', initial);
  const steps = checkNumber('schedule.cosine', 'steps', options.steps, { min: 1, integer: true });
  const min = checkNumber('schedule.cosine', 'min', options.min ?? 0);
  const repeat = checkBoolean('schedule.cosine', 'repeat', options.repeat ?? false);
  return (at) => (at >= steps && !repeat ? min : min + ((initial - min) * (1 + cos((Math.PI * at) / steps))) / 2);
}

export interface InverseSqrtOptions {
  /** Steps of a straight line up to the value; step `warmup - 1` has it. */
  readonly warmup: number;
}
/**
 * A straight line up to `peak`, then `peak * sqrt(warmup / (step + 1))` (Vaswani et al. 2017, without the factor of the model's
 * width). Throws OptionError.
 */
export function inverseSqrt(peak: number, options: InverseSqrtOptions): Schedule {
  checkOptions('schedule.inverseSqrt', options, ['warmup']);
  checkNumber('schedule.inverseSqrt', 'peak', peak);
  const warmup = checkNumber('schedule.inverseSqrt', 'warmup', options.warmup, { min: 1, integer: true });
  return (at) => peak * Math.min((at + 1) / warmup, Math.sqrt(warmup / (at + 1)));
}

export interface WarmupOptions {
  /** Steps until the full value is reached: step `steps - 1` has it. */
  readonly steps: number;
  /** The value, or the schedule that follows; it sees its own step 0 after the warm-up. */
  readonly to: PerStep;
  /** Where the line starts, before the first step. Default 0. */
  readonly from?: number;
}
/** A straight line from `from` up to the first value of what follows (Goyal et al. 2017), which then takes over. */
export function warmup(options: WarmupOptions): Schedule {
  checkOptions('schedule.warmup', options, ['steps', 'to', 'from']);
  const steps = checkNumber('schedule.warmup', 'steps', options.steps, { min: 1, integer: true });
  const from = checkNumber('schedule.warmup', 'from', options.from ?? 0);
  const next = checkPerStep('schedule.warmup', 'to', options.to, { infinite: true });
  return (at) => (at < steps ? from + ((next(0) - from) * (at + 1)) / steps : next(at - steps));
}

/** Steps in rising order. */
export function checkMilestones(where: string, value: unknown, rule: { readonly repeats: boolean }): readonly number[] {
  const wrong = new OptionError(`${where}: option milestones: expected whole numbers in rising order, got ${show(value)}`, {
    where,
    option: 'milestones',
    value,
  });
  if (!Array.isArray(value)) throw wrong;
  for (const [i, m] of value.entries()) {
    checkNumber(where, `milestones[${i}]`, m, { min: 0, integer: true });
    if (i > 0 && (rule.repeats ? m < value[i - 1] : m <= value[i - 1])) throw wrong;
  }
  return [...value];
}
