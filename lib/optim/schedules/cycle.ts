// cycle.ts: schedules that go up and down: warm restarts, one cycle, many cycles.
import { cos, pow } from '../../math/index.ts';
import { checkBoolean, checkChoice, checkNumber, checkOptions } from '../../options.ts';
import { checkLength, type Length } from '../length.ts';
import type { Schedule } from './decay.ts';

export interface RestartsOptions {
  /** Steps of the first period (torch's T_0). */
  readonly steps: Length;
  /** How many times as long each period is as the one before (torch's T_mult), a whole number. Default 1. */
  readonly factor?: number;
  /** The value that each period would end at. Default 0. */
  readonly min?: number;
}
/**
 * Half a cosine from `initial` towards `min`, again and again (SGDR, Loshchilov and Hutter 2016). As torch's
 * CosineAnnealingWarmRestarts. Throws OptionError.
 */
export function cosineRestarts(initial: number, options: RestartsOptions): Schedule {
  const name = 'schedule.cosineRestarts';
  checkOptions(name, options, ['steps', 'factor', 'min']);
  checkNumber(name, 'initial', initial);
  const steps = checkLength(name, 'steps', options.steps, 1);
  const factor = checkNumber(name, 'factor', options.factor ?? 1, { min: 1, integer: true });
  const min = checkNumber(name, 'min', options.min ?? 0);
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
export interface OneCycleOptions extends CycleShape {
  /** The first value is `max / divide`. Default 25. */
  readonly divide?: number;
  /** The last value is the first one divided by this. Default 1e4. */
  readonly finalDivide?: number;
}
/**
 * Up from `max / divide` to `max`, then down below where it began (Smith and Topin 2017); kept after `steps`. As torch's OneCycleLR,
 * which ends with an error there. Throws OptionError.
 */
export function oneCycle(max: number, options: OneCycleOptions): Schedule {
  const name = 'schedule.oneCycle';
  checkOptions(name, options, [...CYCLE_OPTIONS, 'divide', 'finalDivide']);
  checkNumber(name, 'max', max);
  const first = max / checkNumber(name, 'divide', options.divide ?? 25, { above: 0 });
  const last = first / checkNumber(name, 'finalDivide', options.finalDivide ?? 1e4, { above: 0 });
  return phases(name, options, options.threePhase ? [first, max, first, last] : [first, max, last]);
}

export interface OneCycleMomentumOptions extends CycleShape {
  /** Where the learning rate is highest. Default 0.85. */
  readonly low?: number;
  /** Where the learning rate begins and ends. Default 0.95. */
  readonly high?: number;
}
/** The momentum that goes with `oneCycle` of the same shape: down while the learning rate goes up. As torch's OneCycleLR. Throws OptionError. */
export function oneCycleMomentum(options: OneCycleMomentumOptions): Schedule {
  const name = 'schedule.oneCycleMomentum';
  checkOptions(name, options, [...CYCLE_OPTIONS, 'low', 'high']);
  const low = checkNumber(name, 'low', options.low ?? 0.85, { min: 0, below: 1 });
  const high = checkNumber(name, 'high', options.high ?? 0.95, { min: 0, below: 1 });
  return phases(name, options, options.threePhase ? [high, low, high, high] : [high, low, high]);
}

const CYCLE_OPTIONS = ['steps', 'rise', 'anneal', 'threePhase'] as const;

/** From each value to the next; one value more than there are phases. */
function phases(name: string, options: CycleShape, values: readonly number[]): Schedule {
  const steps = checkLength(name, 'steps', options.steps, 1);
  const rise = checkNumber(name, 'rise', options.rise ?? 0.3, { min: 0, max: 1 });
  const anneal = checkChoice(name, 'anneal', options.anneal ?? 'cos', ['cos', 'linear']);
  const three = checkBoolean(name, 'threePhase', options.threePhase ?? false);
  return (at) => {
    const whole = steps();
    // The last step of each phase, as torch reckons it: not a whole number in general.
    const ends = three ? [rise * whole - 1, 2 * rise * whole - 2, whole - 1] : [rise * whole - 1, whole - 1];
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
/**
 * Straight lines from `base` to `max` and back, again and again (Smith 2015). As torch's CyclicLR; its momentum, which goes the other way
 * round, is `cyclic(0.9, { max: 0.8, ... })`. Throws OptionError.
 */
export function cyclic(base: number, options: CyclicOptions): Schedule {
  const name = 'schedule.cyclic';
  checkOptions(name, options, ['max', 'up', 'down', 'mode', 'gamma']);
  checkNumber(name, 'base', base);
  const max = checkNumber(name, 'max', options.max);
  const up = checkLength(name, 'up', options.up ?? 2000, 1);
  const down = options.down === undefined ? up : checkLength(name, 'down', options.down, 1);
  const mode = checkChoice(name, 'mode', options.mode ?? 'triangular', ['triangular', 'triangular2', 'expRange']);
  const gamma = checkNumber(name, 'gamma', options.gamma ?? 1, { min: 0 });
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
