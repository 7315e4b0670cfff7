// decay.ts: schedules that lead from one value to another and stay there, or go on for ever; and the line up to the first value.
import { cos, pow } from '../../math/index.ts';
import { bool, number, options, optionsOnly, type PerStep, perStep, signature } from '../../options/index.ts';
import { type Length, length, milestones } from './length.ts';

/** A value for each step. Any function of the step is one. */
export type Schedule = (step: number) => number;

const initial = number();

/** Options of `optim.schedule.constant`. */
export interface ConstantOptions {
  /** Steps in which the value is multiplied by `factor`. Default 0. */
  readonly steps?: Length;
  /** What the value is multiplied by at first. Default 1 / 3. */
  readonly factor?: number;
}
const readConstant = signature(
  'optim.schedule.constant',
  { value: number({ infinite: true }) },
  options<ConstantOptions>()({ steps: length(0).default(0), factor: number({ min: 0 }).default(1 / 3) }),
);

/**
 * One value in every step, but `factor` times it in the first `steps`.
 * @throws OptionError
 * @see torch.optim.lr_scheduler.ConstantLR
 */
export function constant(value: number, options: ConstantOptions = {}): Schedule {
  const { steps, factor } = readConstant(arguments);
  return (at) => (at < steps() ? value * factor : value);
}

/** Options of `optim.schedule.linear`. */
export interface LinearOptions {
  /** Steps from the first factor to the last. */
  readonly steps: Length;
  /** Factor of step 0. Default 1 / 3. */
  readonly from?: number;
  /** Factor of step `steps` and all that follow. Default 1. */
  readonly to?: number;
}
const readLinear = signature(
  'optim.schedule.linear',
  { initial },
  options<LinearOptions>()({ steps: length(1), from: number({ min: 0 }).default(1 / 3), to: number({ min: 0 }).default(1) }),
);

/**
 * `initial` times a factor on a straight line between two.
 * @throws OptionError
 * @see torch.optim.lr_scheduler.LinearLR
 */
export function linear(initial: number, options: LinearOptions): Schedule {
  const { steps, from, to } = readLinear(arguments);
  return (at) => {
    const last = steps();
    return initial * (from + ((to - from) * Math.min(at, last)) / last);
  };
}

/** Options of `optim.schedule.exponential`. */
export interface ExponentialOptions {
  /** What the value is multiplied by in each step. */
  readonly gamma: number;
}
const readExponential = signature(
  'optim.schedule.exponential',
  { initial },
  options<ExponentialOptions>()({ gamma: number({ min: 0 }) }),
);

/**
 * A geometric decay, `initial * gamma^step`.
 * @throws OptionError
 * @see torch.optim.lr_scheduler.ExponentialLR
 */
export function exponential(initial: number, options: ExponentialOptions): Schedule {
  const { gamma } = readExponential(arguments);
  return (at) => initial * pow(gamma, at);
}

/** Options of `optim.schedule.step`. */
export interface StepOptions {
  /** Steps between two changes. */
  readonly size: Length;
  /** What the value is multiplied by each time. Default 0.1. */
  readonly gamma?: number;
}
const readStep = signature(
  'optim.schedule.step',
  { initial },
  options<StepOptions>()({ size: length(1), gamma: number({ min: 0 }).default(0.1) }),
);

/**
 * Falls in steps of one size: `initial * gamma^floor(step / size)`.
 * @throws OptionError
 * @see torch.optim.lr_scheduler.StepLR
 */
export function step(initial: number, options: StepOptions): Schedule {
  const { size, gamma } = readStep(arguments);
  return (at) => initial * pow(gamma, Math.floor(at / size()));
}

/** Options of `optim.schedule.multiStep`. */
export interface MultiStepOptions {
  /** Steps at which the value changes, in order; one that comes twice counts twice. */
  readonly milestones: readonly Length[];
  /** What the value is multiplied by each time. Default 0.1. */
  readonly gamma?: number;
}
const readMultiStep = signature(
  'optim.schedule.multiStep',
  { initial },
  options<MultiStepOptions>()({ milestones: milestones({ repeats: true }), gamma: number({ min: 0 }).default(0.1) }),
);

/**
 * Falls at each milestone: `initial * gamma^(milestones reached)`.
 * @throws OptionError
 * @see torch.optim.lr_scheduler.MultiStepLR
 */
export function multiStep(initial: number, options: MultiStepOptions): Schedule {
  const { milestones, gamma } = readMultiStep(arguments);
  return (at) => initial * pow(gamma, milestones().filter((m) => m <= at).length);
}

/** Options of `optim.schedule.polynomial`. */
export interface PolynomialOptions {
  /** Steps from the initial value to 0. */
  readonly steps: Length;
  /** Exponent of what is left; 1 is a straight line. Default 1. */
  readonly power?: number;
}
const readPolynomial = signature(
  'optim.schedule.polynomial',
  { initial },
  options<PolynomialOptions>()({ steps: length(1), power: number({ above: 0 }).default(1) }),
);

/**
 * Down to 0 in a number of steps: `initial * (1 - step / steps)^power`.
 * @throws OptionError
 * @see torch.optim.lr_scheduler.PolynomialLR
 */
export function polynomial(initial: number, options: PolynomialOptions): Schedule {
  const { steps, power } = readPolynomial(arguments);
  return (at) => {
    const last = steps();
    return initial * pow(1 - Math.min(at, last) / last, power);
  };
}

/** Options of `optim.schedule.cosine`. */
export interface CosineOptions {
  /** Steps from the initial value to the least. */
  readonly steps: Length;
  /** The least value. Default 0. */
  readonly min?: number;
  /** After `steps` go up again as the cosine does, and down, for ever. Default false: keep the least value. */
  readonly repeat?: boolean;
}
const readCosine = signature(
  'optim.schedule.cosine',
  { initial },
  options<CosineOptions>()({ steps: length(1), min: number().default(0), repeat: bool.default(false) }),
);

/**
 * Half a cosine from `initial` down to `min` (Loshchilov and Hutter 2016). PyTorch's goes up again: that is `repeat:
 * true`.
 * @throws OptionError
 * @see torch.optim.lr_scheduler.CosineAnnealingLR
 */
export function cosine(initial: number, options: CosineOptions): Schedule {
  const { steps, min, repeat } = readCosine(arguments);
  return (at) => {
    const last = steps();
    return at >= last && !repeat ? min : min + ((initial - min) * (1 + cos((Math.PI * at) / last))) / 2;
  };
}

/** Options of `optim.schedule.inverseSqrt`. */
export interface InverseSqrtOptions {
  /** Steps of a straight line up to the value; step `warmup - 1` has it. */
  readonly warmup: Length;
}
const readInverseSqrt = signature(
  'optim.schedule.inverseSqrt',
  { peak: initial },
  options<InverseSqrtOptions>()({ warmup: length(1) }),
);

/**
 * A straight line up to `peak`, then `peak * sqrt(warmup / (step + 1))`, without the paper's factor of the model's
 * width.
 * @throws OptionError
 * @see Vaswani et al. 2017, Attention Is All You Need
 */
export function inverseSqrt(peak: number, options: InverseSqrtOptions): Schedule {
  const { warmup } = readInverseSqrt(arguments);
  return (at) => {
    const rise = warmup();
    return peak * Math.min((at + 1) / rise, Math.sqrt(rise / (at + 1)));
  };
}

/** Options of `optim.schedule.warmup`. */
export interface WarmupOptions {
  /** Steps until the full value is reached: step `steps - 1` has it. */
  readonly steps: Length;
  /** The value, or the schedule that follows; it sees its own step 0 after the warm-up. */
  readonly to: PerStep;
  /** Where the line starts, before the first step. Default 0. */
  readonly from?: number;
}
const readWarmup = optionsOnly(
  'optim.schedule.warmup',
  options<WarmupOptions>()({ steps: length(1), to: perStep({ infinite: true }), from: number().default(0) }),
);

/**
 * A straight line from `from` up to the first value of what follows, which then takes over.
 * @throws OptionError
 * @see Goyal et al. 2017, Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour
 */
export function warmup(options: WarmupOptions): Schedule {
  const { steps, to, from } = readWarmup(arguments);
  return (at) => {
    const rise = steps();
    return at < rise ? from + ((to(0) - from) * (at + 1)) / rise : to(at - rise);
  };
}
