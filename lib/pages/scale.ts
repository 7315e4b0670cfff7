// scale.ts: from values to places on a chart, with round ticks; and series thinned to what a chart can show.
import { exp, log as ln, log10, pow } from '../math/index.ts';

export interface Scale {
  readonly log: boolean;
  readonly min: number;
  readonly max: number;
  /** 0 at min, 1 at max; beyond them outside [0, 1]. */
  at(value: number): number;
  readonly ticks: readonly number[];
}

/** What is beyond these has no place on a scale: round numbers around it are none of f64. */
const LEAST = 1e-290;
const MOST = 1e300;

/** Whether a value has a place on a scale. */
export const isDrawn = (value: number, log: boolean): boolean => Math.abs(value) <= MOST && !(log && value < LEAST);

/** From `min` to `max`, which are widened to round numbers; about `wanted` ticks. */
export function linearScale(min: number, max: number, wanted: number): Scale {
  // Values that differ by less than ticks can tell are one.
  const told = max - min > Math.max(1e-10 * Math.max(Math.abs(min), Math.abs(max)), LEAST);
  const span = told ? max - min : Math.abs(min) > LEAST ? Math.abs(min) : 1;
  const raw = span / Math.max(1, wanted);
  const power = pow(10, Math.floor(log10(raw)));
  const step = power * ([1, 2, 5].find((f) => f * power >= raw * (1 - 1e-9)) ?? 10);
  const first = Math.floor(min / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil((min + span) / step - 1e-9));
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
  const [lo, hi] = [ticks[0]!, ticks.at(-1)!];
  return { log: false, min: lo, max: hi, ticks, at: (value) => (value - lo) / (hi - lo) };
}

/** Around positive `min` and `max`, widened to 1, 2 or 5 times a power of ten. Ticks are those where about `wanted` are enough, else powers of ten. */
export function logScale(min: number, max: number, wanted: number): Scale {
  const first = Math.floor(log10(min) + 1e-9);
  const last = Math.max(first + 1, Math.ceil(log10(max) - 1e-9));
  const all: number[] = [];
  for (let e = first; e <= last; e++) for (const f of [1, 2, 5]) all.push(Number(`${f}e${e}`));
  const lo = all.findLast((tick) => tick <= min * (1 + 1e-9)) ?? all[0]!;
  const hi = all.find((tick) => tick >= max * (1 - 1e-9) && tick > lo) ?? all.at(-1)!;
  const within = all.filter((tick) => tick >= lo && tick <= hi);
  const stride = Math.max(1, Math.ceil((last - first) / Math.max(1, wanted)));
  const powers = within.filter((tick) => /^1e/.test(tick.toExponential()) && Math.round(log10(tick) - first) % stride === 0);
  const ticks = within.length <= 1.5 * wanted || powers.length < 2 ? within : powers;
  const [from, span] = [log10(lo), log10(hi) - log10(lo)];
  return { log: true, min: lo, max: hi, ticks, at: (value) => (log10(value) - from) / span };
}

/** A tick as text: 0.02, 500, 1e6. */
export function tickText(tick: number): string {
  const size = Math.abs(tick);
  return size !== 0 && (size >= 1e4 || size < 1e-3) ? tick.toExponential().replace('e+', 'e') : String(tick);
}

/** Least and greatest of all values that have a place on a scale (positive ones only where `log`); null if there is none. */
export function extent(series: readonly (readonly number[])[], log = false): readonly [number, number] | null {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const values of series) {
    for (const value of values) {
      if (!isDrawn(value, log)) continue;
      min = Math.min(min, value);
      max = Math.max(max, value);
    }
  }
  return min <= max ? [min, max] : null;
}

/** Median over a window centered on each value, which single spikes do not move. Values that are not finite are left out. */
export function smooth(values: readonly number[], window: number): number[] {
  const half = Math.floor(window / 2);
  // The window in order, of which one value leaves and another comes at each step.
  const near: number[] = [];
  const come = (value: number | undefined): void => {
    if (value !== undefined && Number.isFinite(value)) near.splice(placeIn(near, value), 0, value);
  };
  for (let i = 0; i < half; i++) come(values[i]);
  return values.map((_, i) => {
    come(values[i + half]);
    const gone = values[i - half - 1];
    if (gone !== undefined && Number.isFinite(gone)) near.splice(placeIn(near, gone), 1);
    return near.length > 0 ? near[near.length >> 1]! : Number.NaN;
  });
}

/** Index of the first of sorted values that is not below `value`. */
function placeIn(sorted: readonly number[], value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** One value for each of `cells` equal parts of [0, total): the mean of the finite ones that fall into it, else NaN. */
export function cellMeans(values: readonly number[], total: number, cells: number, log = false): number[] {
  return Array.from({ length: cells }, (_, cell) => {
    const from = Math.floor((cell * total) / cells);
    const to = Math.max(from + 1, Math.floor(((cell + 1) * total) / cells));
    let sum = 0;
    let n = 0;
    for (let i = from; i < Math.min(to, values.length); i++) {
      const value = log ? ln(values[i]!) : values[i]!;
      if (!Number.isFinite(value)) continue;
      sum += value;
      n++;
    }
    return n === 0 ? Number.NaN : log ? exp(sum / n) : sum / n;
  });
}
