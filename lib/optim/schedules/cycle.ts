// cycle.ts: schedules that go up and down: warm restarts, one cycle, many cycles.
import { cos, pow } from '../../math/index.ts';
import { bool, choice, number, options, optionsOnly, signature, type ValuesOf, whole } from '../../options/index.ts';
import type { Schedule } from './decay.ts';
import { type Length, length } from './length.ts';

/** Options of `optim.schedule.cosineRestarts`. */
export interface RestartsOptions {
  /** Steps of the first period (torch's T_0). */
  readonly steps: Length;
  /** How many times as long each period is as the one before (torch's T_mult), a whole number. Default 1. */
  readonly factor?: number;
  /** The value that each period would end at. Default 0. */
  readonly min?: number;
}
const readCosineRestarts = signature(
  'optim.schedule.cosineRestarts',
  { initial: number() },
  options<RestartsOptions>()({ steps: length(1), factor: whole({ min: 1 }).default(1), min: number().default(0) }),
);

/**
 * Half a cosine from `initial` toward `min`, again and again (SGDR, Loshchilov and Hutter 2016).
 * @throws OptionError
 * @see torch.optim.lr_scheduler.CosineAnnealingWarmRestarts
 */
export function cosineRestarts(initial: number, options: RestartsOptions): Schedule {
  const { steps, factor, min } = readCosineRestarts(arguments);
  return (at) => {
    let period = steps();
    let within = factor === 1 ? at % period : at;
    for (; within >= period; period *= factor) within -= period;
    return min + ((initial - min) * (1 + cos((Math.PI * within) / period))) / 2;
  };
}

interface CycleShape {
  /** Steps of the whole cycle. */
  readonly steps: Length;
  /** Part of them in which the value rises. Default 0.3. */
  readonly rise?: number;
  /** How the value goes from one end of a phase to the other. Default `cos`. */
  readonly anneal?: 'cos' | 'linear';
  /** Fall as long as it rose, then go on down to the least value, in place of one fall to it. Default false. */
  readonly threePhase?: boolean;
}
/** Options of `optim.schedule.oneCycle`. */
export interface OneCycleOptions extends CycleShape {
  /** The first value is `max / divide`. Default 25. */
  readonly divide?: number;
  /** The last value is the first one divided by this. Default 1e4. */
  readonly finalDivide?: number;
}
const cycleShape = {
  steps: length(1),
  rise: number({ min: 0, max: 1 }).default(0.3),
  anneal: choice('cos', 'linear').default('cos'),
  threePhase: bool.default(false),
} as const;
const divisor = number({ above: 0 });
const readOneCycle = signature(
  'optim.schedule.oneCycle',
  { max: number() },
  options<OneCycleOptions>()({ ...cycleShape, divide: divisor.default(25), finalDivide: divisor.default(1e4) }),
);

/**
 * Up from `max / divide` to `max`, then down below where it began (Smith and Topin 2017); kept after `steps`, where
 * PyTorch's ends with an error.
 * @throws OptionError
 * @see torch.optim.lr_scheduler.OneCycleLR
 */
export function oneCycle(max: number, options: OneCycleOptions): Schedule {
  const { divide, finalDivide, ...shape } = readOneCycle(arguments);
  const first = max / divide;
  const last = first / finalDivide;
  return phases(shape, shape.threePhase ? [first, max, first, last] : [first, max, last]);
}

/** Options of `optim.schedule.oneCycleMomentum`. */
export interface OneCycleMomentumOptions extends CycleShape {
  /** Where the learning rate is highest. Default 0.85. */
  readonly low?: number;
  /** Where the learning rate begins and ends. Default 0.95. */
  readonly high?: number;
}
const momentum = number({ min: 0, below: 1 });
const readOneCycleMomentum = optionsOnly(
  'optim.schedule.oneCycleMomentum',
  options<OneCycleMomentumOptions>()({ ...cycleShape, low: momentum.default(0.85), high: momentum.default(0.95) }),
);

/**
 * The momentum that goes with `oneCycle` of the same shape: down while the learning rate goes up.
 * @throws OptionError
 * @see torch.optim.lr_scheduler.OneCycleLR
 */
export function oneCycleMomentum(options: OneCycleMomentumOptions): Schedule {
  const { low, high, ...shape } = readOneCycleMomentum(arguments);
  return phases(shape, shape.threePhase ? [high, low, high, high] : [high, low, high]);
}

/** From each value to the next; one value more than there are phases. */
function phases({ steps, rise, anneal, threePhase }: ValuesOf<typeof cycleShape>, values: readonly number[]): Schedule {
  return (at) => {
    const whole = steps();
    // The last step of each phase, as torch reckons it: not a whole number in general.
    const ends = threePhase ? [rise * whole - 1, 2 * rise * whole - 2, whole - 1] : [rise * whole - 1, whole - 1];
    let start = 0;
    for (const [i, end] of ends.entries()) {
      const isLast = i === ends.length - 1;
      if (at <= end || isLast) {
        const part = end > start ? Math.min(1, (at - start) / (end - start)) : 1;
        const [a, b] = [values[i]!, values[i + 1]!];
        return anneal === 'cos' ? b + ((a - b) / 2) * (1 + cos(Math.PI * part)) : a + (b - a) * part;
      }
      start = end;
    }
    return values.at(-1)!;
  };
}

/** Options of `optim.schedule.cyclic`. */
export interface CyclicOptions {
  /** The other end of the cycle. Below `base` for a momentum. */
  readonly max: number;
  /** Steps from `base` to `max`. Default 2000. */
  readonly up?: Length;
  /** Steps back. Default `up`. */
  readonly down?: Length;
  /** What the height of a cycle is: always the same, halved after each cycle, or times `gamma^step`. Default `triangular`. */
  readonly mode?: 'triangular' | 'triangular2' | 'expRange';
  /** Of `expRange`. Default 1. */
  readonly gamma?: number;
}
const readCyclic = signature(
  'optim.schedule.cyclic',
  { base: number() },
  options<CyclicOptions>()({
    max: number(),
    up: length(1).default(2000),
    down: length(1).optional(),
    mode: choice('triangular', 'triangular2', 'expRange').default('triangular'),
    gamma: number({ min: 0 }).default(1),
  }),
);

/**
 * Straight lines from `base` to `max` and back, again and again (Smith 2015). PyTorch's momentum, which goes the
 * other way round, is `cyclic(0.9, { max: 0.8, ... })`.
 * @throws OptionError
 * @see torch.optim.lr_scheduler.CyclicLR
 */
export function cyclic(base: number, options: CyclicOptions): Schedule {
  const { max, up, down = up, mode, gamma } = readCyclic(arguments);
  return (at) => {
    const rise = up();
    const period = rise + down();
    const cycle = Math.floor(at / period);
    const within = at - cycle * period;
    const height = within <= rise ? within / rise : (period - within) / (period - rise);
    const times = mode === 'triangular' ? 1 : mode === 'triangular2' ? pow(0.5, cycle) : pow(gamma, at);
    return base + (max - base) * height * times;
  };
}
