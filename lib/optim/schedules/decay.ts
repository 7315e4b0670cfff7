// decay.ts: schedules that lead from one value to another and stay there, or go on for ever; and the line up to the first value.
import { cos, pow } from '../../math/index.ts';
import { checkBoolean, checkNumber, checkOptions, checkPerStep, type PerStep } from '../../options.ts';
import { checkLength, checkMilestones, type Length } from '../length.ts';

/** A value for each step. Any function of the step is one. */
export type Schedule = (step: number) => number;

export interface ConstantOptions {
  /** Steps in which the value is multiplied by `factor`. Default 0. */
  readonly steps?: Length;
  /** Default 1 / 3. */
  readonly factor?: number;
}
/** The same value in every step, but `factor` times it in the first `steps`. As torch's ConstantLR. Throws OptionError. */
export function constant(value: number, options: ConstantOptions = {}): Schedule {
  checkOptions('schedule.constant', options, ['steps', 'factor']);
  const fixed = checkNumber('schedule.constant', 'value', value, { infinite: true });
  const steps = checkLength('schedule.constant', 'steps', options.steps ?? 0, 0);
  const factor = checkNumber('schedule.constant', 'factor', options.factor ?? 1 / 3, { min: 0 });
  return (at) => (at < steps() ? fixed * factor : fixed);
}

export interface LinearOptions {
  /** Steps from the first factor to the last. */
  readonly steps: Length;
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
  const steps = checkLength(name, 'steps', options.steps, 1);
  const from = checkNumber(name, 'from', options.from ?? 1 / 3, { min: 0 });
  const to = checkNumber(name, 'to', options.to ?? 1, { min: 0 });
  return (at) => {
    const last = steps();
    return initial * (from + ((to - from) * Math.min(at, last)) / last);
  };
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
  readonly size: Length;
  /** What the value is multiplied by each time. Default 0.1. */
  readonly gamma?: number;
}
/** `initial * gamma^floor(step / size)`. As torch's StepLR. Throws OptionError. */
export function step(initial: number, options: StepOptions): Schedule {
  checkOptions('schedule.step', options, ['size', 'gamma']);
  checkNumber('schedule.step', 'initial', initial);
  const size = checkLength('schedule.step', 'size', options.size, 1);
  const gamma = checkNumber('schedule.step', 'gamma', options.gamma ?? 0.1, { min: 0 });
  return (at) => initial * pow(gamma, Math.floor(at / size()));
}

export interface MultiStepOptions {
  /** Steps at which the value changes, in order; one that comes twice counts twice. */
  readonly milestones: readonly Length[];
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
  return (at) => initial * pow(gamma, milestones().filter((m) => m <= at).length);
}

export interface PolynomialOptions {
  /** Steps from the initial value to 0. */
  readonly steps: Length;
  /** Default 1: a straight line. */
  readonly power?: number;
}
/** `initial * (1 - step / steps)^power`, then 0. As torch's PolynomialLR. Throws OptionError. */
export function polynomial(initial: number, options: PolynomialOptions): Schedule {
  const name = 'schedule.polynomial';
  checkOptions(name, options, ['steps', 'power']);
  checkNumber(name, 'initial', initial);
  const steps = checkLength(name, 'steps', options.steps, 1);
  const power = checkNumber(name, 'power', options.power ?? 1, { above: 0 });
  return (at) => {
    const last = steps();
    return initial * pow(1 - Math.min(at, last) / last, power);
  };
}

export interface CosineOptions {
  /** Steps from the initial value to the least. */
  readonly steps: Length;
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
  const steps = checkLength('schedule.cosine', 'steps', options.steps, 1);
  const min = checkNumber('schedule.cosine', 'min', options.min ?? 0);
  const repeat = checkBoolean('schedule.cosine', 'repeat', options.repeat ?? false);
  return (at) => {
    const last = steps();
    return at >= last && !repeat ? min : min + ((initial - min) * (1 + cos((Math.PI * at) / last))) / 2;
  };
}

export interface InverseSqrtOptions {
  /** Steps of a straight line up to the value; step `warmup - 1` has it. */
  readonly warmup: Length;
}
/**
 * A straight line up to `peak`, then `peak * sqrt(warmup / (step + 1))` (Vaswani et al. 2017, without the factor of the model's
 * width). Throws OptionError.
 */
export function inverseSqrt(peak: number, options: InverseSqrtOptions): Schedule {
  checkOptions('schedule.inverseSqrt', options, ['warmup']);
  checkNumber('schedule.inverseSqrt', 'peak', peak);
  const warmup = checkLength('schedule.inverseSqrt', 'warmup', options.warmup, 1);
  return (at) => {
    const rise = warmup();
    return peak * Math.min((at + 1) / rise, Math.sqrt(rise / (at + 1)));
  };
}

export interface WarmupOptions {
  /** Steps until the full value is reached: step `steps - 1` has it. */
  readonly steps: Length;
  /** The value, or the schedule that follows; it sees its own step 0 after the warm-up. */
  readonly to: PerStep;
  /** Where the line starts, before the first step. Default 0. */
  readonly from?: number;
}
/** A straight line from `from` up to the first value of what follows (Goyal et al. 2017), which then takes over. */
export function warmup(options: WarmupOptions): Schedule {
  checkOptions('schedule.warmup', options, ['steps', 'to', 'from']);
  const steps = checkLength('schedule.warmup', 'steps', options.steps, 1);
  const from = checkNumber('schedule.warmup', 'from', options.from ?? 0);
  const next = checkPerStep('schedule.warmup', 'to', options.to, { infinite: true });
  return (at) => {
    const rise = steps();
    return at < rise ? from + ((next(0) - from) * (at + 1)) / rise : next(at - rise);
  };
}
