// compose.ts: the privacy loss of many steps together: the law of a sum, by FFT. It is tilted first, which puts its middle where epsilon will be: so what
// is computed there is exact to many digits however small delta is, and what lies outside of the window is next to nothing.
import { exp, expm1, log } from '../math/index.ts';
import { forward, inverse, multiply, raise } from './fft.ts';

/** Logs of masses, each above 0, at losses of `at` widths from the origin, of one step; and how many such steps there are. */
export interface Part {
  readonly origin: number;
  readonly at: Float64Array;
  readonly logs: Float64Array;
  readonly steps: number;
}

/** A transform is never longer. */
export const LONGEST: number = 2 ** 20;
/** As a part of delta, what may lie outside of the window; and what may be lost by rounding, more where the transform would be too long else. */
const OUTSIDE = 1e-8;
const ROUNDED = [1e-5, 1e-3, 0.03];
/** What rounding may take from one number in each stage of a transform, as a part of the largest that it may have. */
const ROUNDING = 5 * 2 ** -53;

interface Moments {
  readonly log: number;
  readonly mean: number;
  readonly variance: number;
}

/** Of the sum over all steps: the log of its moment generating function at t, and mean and variance of the law tilted by it. */
function momentsOf(parts: readonly Part[], width: number, t: number): Moments {
  let whole = 0;
  let mean = 0;
  let variance = 0;
  for (const { origin, at, logs, steps } of parts) {
    const by = t * width;
    let most = -Infinity;
    for (let i = 0; i < at.length; i++) {
      const power = by * at[i]! + logs[i]!;
      if (power > most) most = power;
    }
    let sum = 0;
    let first = 0;
    let second = 0;
    for (let i = 0; i < at.length; i++) {
      const power = by * at[i]! + logs[i]! - most;
      if (power < -40) continue;
      const x = at[i]! * width;
      const w = exp(power);
      sum += w;
      first += w * x;
      second += w * x * x;
    }
    const middle = first / sum;
    whole += steps * (t * origin + most + log(sum));
    mean += steps * (origin + middle);
    variance += steps * Math.max(0, second / sum - middle * middle);
  }
  return { log: whole, mean, variance };
}

/** The tilt whose law has its middle about at epsilon: there the divergence is about delta, by a saddle point. */
function tiltFor(parts: readonly Part[], width: number, delta: number, guess: number): number {
  const aim = log(delta);
  const below = (t: number): boolean => {
    const { log: whole, mean, variance } = momentsOf(parts, width, t);
    return whole - t * mean - log(Math.max(1, t * (1 + t) * Math.sqrt(2 * Math.PI * variance))) > aim;
  };
  let [low, high] = [0, guess];
  for (; below(high) && high < 1e6; high *= 2) low = high;
  for (let i = 0; i < 30 && (i < 6 || low === 0); i++) {
    const middle = low === 0 ? high / 4 : (low + high) / 2;
    if (below(middle)) low = middle;
    else high = middle;
  }
  return high;
}

/** Of a tilted law, the places between which nearly all lies: beyond each is at most `outside` of it. */
interface Window {
  readonly tilt: number;
  readonly here: Moments;
  readonly low: number;
  readonly high: number;
  readonly outside: number;
}

/** By Chernoff. @param rest the log of `outside`, below 0 */
function windowOf(parts: readonly Part[], width: number, tilt: number, here: Moments, rest: number): Window {
  const best = Math.sqrt((-2 * rest) / Math.max(here.variance, 1e-300));
  let [low, high] = [-Infinity, Infinity];
  for (let s = 2 * best; s > best / 200; s /= 2) {
    high = Math.min(high, (momentsOf(parts, width, tilt + s).log - here.log - rest) / s);
    low = Math.max(low, -(momentsOf(parts, width, tilt - s).log - here.log - rest) / s);
  }
  return { tilt, here, low, high, outside: exp(rest) };
}

/**
 * The tilt with the smallest window, of those up to `most`: where few steps have large losses, those make a law wide that is tilted much. One that is tilted
 * too little leaves nothing of delta but rounding.
 */
function smallestWindow(
  parts: readonly Part[],
  width: number,
  delta: number,
  most: number,
  hint: number | null,
  rounded: number,
): Window {
  const steps = parts.reduce((sum, part) => sum + part.steps, 0);
  let best: Window | null = null;
  let epsilon = hint; // less than it will be
  for (let i = 0, tilt = most; i < 20; i++, tilt /= 1.25) {
    const here = momentsOf(parts, width, tilt);
    epsilon ??= Math.max(0, here.mean / 2);
    // What of the law's divergence beyond epsilon is delta.
    const share = log(delta) - (here.log - tilt * epsilon);
    const rounding = log((20 * ROUNDING * steps) / Math.min(1, tilt * Math.sqrt(here.variance)));
    if (best && rounding > log(rounded) + share) break;
    const window = windowOf(parts, width, tilt, here, log(OUTSIDE) + Math.min(0, share));
    // Where tails are light, less of a tilt changes little.
    if (best && window.high - window.low > 0.97 * (best.high - best.low)) break;
    best = window;
  }
  return best!;
}

/**
 * The epsilon at which the hockey-stick divergence of the sum is delta. @param up whether what is not known counts against privacy, so that the true one is no
 * larger; else it is no smaller
 * @param delta in which nothing is kept for what the parts leave out
 * @param guess the tilt to begin with: an order of Rényi less 1
 * @param hint about what it will be, or less
 * @returns null where that would take a transform that is too long
 */
export function solve(
  parts: readonly Part[],
  width: number,
  delta: number,
  up: boolean,
  guess: number,
  hint: number | null,
): number | null {
  let tilt = tiltFor(parts, width, delta, guess);
  let rounded = 0;
  for (let i = 0; i < 20; i++) {
    const window = smallestWindow(parts, width, delta, tilt, hint, ROUNDED[rounded]!);
    const found = within(parts, width, delta, up, window);
    if (typeof found === 'number') return found;
    if (found === 'below') tilt = window.tilt / 1.5;
    else if (++rounded === ROUNDED.length) return null;
  }
  return up ? Infinity : 0;
}

function within(parts: readonly Part[], width: number, delta: number, up: boolean, window: Window): number | 'below' | 'long' {
  const { tilt: t, here, low, high, outside } = window;
  const origin = parts.reduce((sum, part) => sum + part.steps * part.origin, 0);
  const all = parts.map(({ at, steps }) => [Math.min(...ends(at)) * steps, Math.max(...ends(at)) * steps] as const);
  const least = all.reduce((sum, [low]) => sum + low, 0);
  const most = all.reduce((sum, [, high]) => sum + high, 0);
  const first = Math.max(least, Math.floor((low - origin) / width) - 1);
  const last = Math.min(most, Math.ceil((high - origin) / width) + 1);
  let [length, stages] = [2, 1];
  for (; length < last - first + 1; stages++) length *= 2;
  if (length > LONGEST) return 'long';
  const cut = first > least || last < most;

  // The transform of each part's tilted law, whose masses are 1 together, to the power of its steps.
  const re = new Float64Array(length).fill(1);
  const im = new Float64Array(length);
  for (const { at, logs, steps } of parts) {
    const [x, y] = [new Float64Array(length), new Float64Array(length)];
    const norm = momentsOf([{ origin: 0, at, logs, steps: 1 }], width, t).log;
    for (let i = 0; i < at.length; i++) {
      const place = wrap(at[i]!, length);
      x[place] = x[place]! + exp(t * at[i]! * width + logs[i]! - norm);
    }
    forward(x, y);
    raise(x, y, steps);
    multiply(re, im, x, y);
  }
  let sizes = 0;
  for (let i = 0; i < length; i++) sizes += Math.sqrt(re[i]! * re[i]! + im[i]! * im[i]!);
  inverse(re, im);

  // What one mass may be wrong by, and with it what all beyond a loss may be, at the weight of that loss.
  const steps = parts.reduce((sum, part) => sum + part.steps, 0);
  const wrong = ROUNDING * (stages + 2) * (steps + parts.length) * (sizes / length);
  const doubt = (cut ? 2 * outside : 0) + wrong * Math.min(length, 1 / -expm1(-t * width));

  // Everything is over exp(here.log - t * center), from the largest loss down. `beyond` is the mass above, `stick` what it has of the divergence.
  const center = here.mean;
  const aim = exp(log(delta) - (here.log - t * center));
  const sign = up ? 1 : -1;
  const lossAt = (place: number): number => origin + place * width;
  const doubtAt = (place: number): number => doubt * exp(-t * (lossAt(place) - center));
  const fade = exp(-width);
  let beyond = 0;
  let stick = 0;
  for (let place = last; place >= first; place--) {
    // Here `stick` is of this place, and `beyond` of all above.
    const total = stick + sign * doubtAt(place);
    if (place === last && total > aim) return up ? Infinity : 0; // the doubt alone is more
    const mass = Math.max(0, re[wrap(place, length)]!) * exp(-t * (lossAt(place) - center));
    const nextBeyond = beyond + mass;
    const nextStick = stick * fade - expm1(-width) * nextBeyond;
    if (place - 1 >= first && nextStick + sign * doubtAt(place - 1) > aim) {
      // Between this place and the one before, the divergence is linear in e^epsilon: `nextBeyond - e^(epsilon - place) (nextBeyond - stick)`.
      const know = aim - sign * doubtAt(place - 1);
      const ratio = (nextBeyond - know) / (nextBeyond - stick);
      const off = ratio > 0 ? Math.min(0, Math.max(-width, log(ratio))) : -width;
      return Math.max(0, lossAt(place) + off);
    }
    if (lossAt(place) <= 0) return 0;
    beyond = nextBeyond;
    stick = nextStick;
  }
  return lossAt(first) <= 0 || !cut ? 0 : 'below';
}

const ends = (at: Float64Array): [number, number] => [Math.min(at[0]!, at.at(-1)!), Math.max(at[0]!, at.at(-1)!)];
const wrap = (at: number, length: number): number => ((at % length) + length) % length;
