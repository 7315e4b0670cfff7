// schedule.ts: learning rates and thresholds that depend on the step. Steps count from 0: the first update sees step 0.
import { checkNumber, checkOptions, checkPerStep, type PerStep } from '../options.ts';

/** A value for each step. Any function of the step is one. */
export type Schedule = (step: number) => number;

/** The same value in every step. */
export function constant(value: number): Schedule {
  const fixed = checkNumber('schedule.constant', 'value', value, { infinite: true });
  return () => fixed;
}

export interface StepOptions {
  /** Steps between two changes. */
  readonly size: number;
  /** What the value is multiplied by each time. Default 0.1. */
  readonly gamma?: number;
}
/** `initial * gamma^floor(step / size)`. As torch's StepLR. */
export function step(initial: number, options: StepOptions): Schedule {
  checkOptions('schedule.step', options, ['size', 'gamma']);
  checkNumber('schedule.step', 'initial', initial);
  const size = checkNumber('schedule.step', 'size', options.size, { min: 1, integer: true });
  const gamma = checkNumber('schedule.step', 'gamma', options.gamma ?? 0.1, { min: 0 });
  return (at) => initial * gamma ** Math.floor(at / size);
}

export interface CosineOptions {
  /** Steps from the initial value to the least. */
  readonly steps: number;
  /** The least value, kept from then on. Default 0. */
  readonly min?: number;
}
/** Half a cosine from `initial` down to `min`, which it keeps. As torch's CosineAnnealingLR, which goes up again after `steps`. */
export function cosine(initial: number, options: CosineOptions): Schedule {
  checkOptions('schedule.cosine', options, ['steps', 'min']);
  checkNumber('schedule.cosine', 'initial', initial);
  const steps = checkNumber('schedule.cosine', 'steps', options.steps, { min: 1, integer: true });
  const min = checkNumber('schedule.cosine', 'min', options.min ?? 0);
  return (at) => (at >= steps ? min : min + ((initial - min) * (1 + Math.cos((Math.PI * at) / steps))) / 2);
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
