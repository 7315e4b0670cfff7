// learning.ts: whether a run learned, from its losses alone: they fell, they rose again, or they never fell by more than their noise.
import { log } from '../math/index.ts';
import { median } from './numbers.ts';

/** What the losses of a run say. */
export interface Learning {
  /** They fell and stayed low; null where nobody can tell. */
  readonly learned: boolean | null;
  /** `noLoss`: there is none; `few`: too few steps; `noisy`: noise would hide a fall; `late`: it neither fell nor rose, but what came before is not known. */
  readonly why: 'fell' | 'rose' | 'notFinite' | 'never' | 'noLoss' | 'few' | 'noisy' | 'late';
  /** The steps before this one are from before the losses rose: all where they did not, none where they never fell. */
  readonly until: number;
  /** Medians of the losses: of the first steps, of the best stretch, of the last steps; NaN where there are none. */
  readonly first: number;
  readonly least: number;
  readonly last: number;
}

/** Fewer losses than these tell nothing. */
const FEW = 20;
/** The first stretches have this many steps, and the last one no more than four times as many. */
const STRETCH = 5;
/** Standard errors by which two medians must differ: 64 comparisons of noise alone go wrong once in 500 runs. */
const SURE = 4;
/** A loss has not fallen that surely (by so many standard errors) fell by less than this part of it. */
const LIKELY = 3;
const FALL = 0.3;
/** A loss has risen that gave back this part of what it had fallen by, */
const GIVEN_BACK = 0.5;
/** or of its logarithm's fall, where it then is so many times the least: for losses that fall by powers of ten. */
const LOG_GIVEN_BACK = 2 / 3;
const TIMES = 10;
/** It was still near its best where it was no further above than this part of its fall. */
const NEAR = 0.25;
/** A loss that never fell and ends this many times above its first has risen. */
const ABOVE_FIRST = 1.2;

interface Stretch {
  readonly median: number;
  /** Standard error of the median. */
  readonly error: number;
}

/** @param begins the history has the first step of its run */
export function learningOf(loss: Float64Array, begins: boolean): Learning {
  const nothing = { first: Number.NaN, least: Number.NaN, last: Number.NaN };
  if (loss.every(Number.isNaN)) return { learned: null, why: 'noLoss', until: loss.length, ...nothing };
  // A loss that is no number is worse than any.
  const all = loss.map((l) => (Number.isNaN(l) ? Number.POSITIVE_INFINITY : l));
  if (all.length < FEW) return { learned: null, why: 'few', until: all.length, ...nothing };

  const { first, best, last, fell } = courseOf(all);
  const figures = { first: first.median, least: best.median, last: last.median };

  if (last.median === Number.POSITIVE_INFINITY) {
    return { learned: false, why: 'notFinite', until: fell ? nearUntil(all, figures) : 0, ...figures };
  }
  if (fell && isBelow(best, last) && isGivenBack(figures)) {
    return { learned: false, why: 'rose', until: nearUntil(all, figures), ...figures };
  }
  if (fell) return { learned: true, why: 'fell', until: all.length, ...figures };
  if (isBelow(first, last) && last.median > ABOVE_FIRST * first.median)
    return { learned: false, why: 'rose', until: 0, ...figures };
  if (!begins) return { learned: null, why: 'late', until: all.length, ...figures };
  if (isHidden(all)) return { learned: null, why: 'noisy', until: all.length, ...figures };
  return { learned: false, why: 'never', until: 0, ...figures };
}

/** Whether noise would hide a fall from the first steps to all others that is worth the name. */
function isHidden(loss: Float64Array): boolean {
  return [4 * STRETCH, 8 * STRETCH].every((count) => {
    if (2 * count > loss.length) return true;
    const [early, later] = [stretch(loss, 0, count), stretch(loss, count, loss.length)];
    const most = early.median - later.median + LIKELY * Math.sqrt(early.error * early.error + later.error * later.error);
    return !(most < FALL * Math.abs(early.median));
  });
}

/** The first, the best and the last stretch, and whether any is surely below the first. */
function courseOf(loss: Float64Array): Record<'first' | 'best' | 'last', Stretch> & { readonly fell: boolean } {
  const { length } = loss;
  const third = Math.floor(length / 3);
  const end = Math.max(STRETCH, Math.min(4 * STRETCH, Math.floor(length / 10)));
  const bounds = stretches(length);
  const look = (values: Float64Array): ReturnType<typeof courseOf> => {
    // The noise of five steps is that of the twenty around them: of five it is itself mostly chance.
    const of = bounds.map(([a, b]) => stretch(values, a, b, 4 * STRETCH));
    const first = started(of[0]!, values[0]!);
    const last = stretch(values, length - end, length, 4 * STRETCH);
    const best = of.reduce((a, b) => (b.median < a.median ? b : a));
    const fell = of.some((s) => isBelow(s, first)) || isBelow(stretch(values, length - third, length), stretch(values, 0, third));
    return { first, best, last, fell };
  };
  const found = look(loss);
  // Of losses over many powers of ten the first ones are noise beside which no fall is sure; their logarithms are not.
  if (found.fell || !loss.every((l) => l > 0)) return found;
  return { ...found, fell: look(loss.map(log)).fell };
}

/** The first stretch; of weights that the first updates have thrown over, the first loss alone: what comes down from there has not learned. */
function started(stretch: Stretch, loss: number): Stretch {
  return loss > 0 && stretch.median > TIMES * loss ? { ...stretch, median: loss, error: 0 } : stretch;
}

/** Short at the start, where losses fall fastest, then twice as long each, up to a tenth of the steps. */
function stretches(length: number): [number, number][] {
  const most = Math.max(STRETCH, Math.floor(length / 10));
  const found: [number, number][] = [];
  for (let from = 0; from < length; ) {
    const to = Math.min(length, from + Math.min(most, Math.max(STRETCH, from)));
    // What is left over joins the one before.
    if (to - from < STRETCH && found.length > 0) found.at(-1)![1] = to;
    else found.push([from, to]);
    from = to;
  }
  return found;
}

/** @param noise steps, at least, from whose differences the noise is estimated */
function stretch(loss: Float64Array, from: number, to: number, noise = 0): Stretch {
  const begin = Math.max(0, Math.min(from, loss.length - noise));
  const near = loss.subarray(begin, Math.max(to, begin + noise));
  // Differences of neighbors do not see a trend. 1.4826: from the median of distances to a standard deviation.
  const steps = Float64Array.from({ length: near.length - 1 }, (_, i) => difference(near[i + 1]!, near[i]!));
  const deviation = (1.4826 * median(steps)) / Math.SQRT2;
  // Of a normal distribution the median's error is 1.2533 times the mean's.
  return { median: median(loss.subarray(from, to)), error: (1.2533 * deviation) / Math.sqrt(to - from) };
}

const difference = (a: number, b: number): number => (a === b ? 0 : Math.abs(a - b));

function isBelow(low: Stretch, high: Stretch): boolean {
  if (high.median === Number.POSITIVE_INFINITY) return low.median < high.median;
  const error = Math.sqrt(low.error * low.error + high.error * high.error);
  return high.median - low.median > SURE * (Number.isFinite(error) ? error : 0) && high.median > low.median;
}

type Figures = Pick<Learning, 'first' | 'least' | 'last'>;

function isGivenBack({ first, least, last }: Figures): boolean {
  if (last - least > GIVEN_BACK * (first - least)) return true;
  return least > 0 && last > TIMES * least && log(last / least) > LOG_GIVEN_BACK * log(first / least);
}

/** The end of the last stretch of steps whose median loss was near the best, less what the median is late by. */
function nearUntil(loss: Float64Array, { first, least, last }: Figures): number {
  const fall = Number.isFinite(first) ? first - least : Math.abs(least);
  const linear = least + NEAR * fall;
  // Where the loss has risen by its logarithm only, near is meant so too.
  const isLinear = !(last - least <= GIVEN_BACK * fall);
  const level = isLinear ? linear : Math.min(linear, least * Math.sqrt(TIMES));
  for (let end = loss.length; end >= STRETCH; end--) {
    if (median(loss.subarray(end - STRETCH, end)) <= level) return Math.max(0, end - Math.ceil(STRETCH / 2));
  }
  return 0;
}
