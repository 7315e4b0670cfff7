// advise.ts: from the norms of steps that were run, a threshold for the rate of clipping that is wanted, and what looks wrong, in words.
import { OptionError } from '../errors.ts';
import { sizeOf } from '../ir/op.ts';
import { squareOf } from '../math/index.ts';
import { number, type OptionsField, options, signature, whole } from '../options/index.ts';
import { deadOf } from './dead.ts';
import { type History, type HistoryLike, historyLike, layerNorms, twoNorms } from './history.ts';
import { type Learning, learningOf } from './learning.ts';
import { mad, mean, quantile, sorted } from './numbers.ts';
import { type Probe, probeField } from './probe.ts';
import { withProbed } from './probe-warnings.ts';
import { hasHeavyTail, spreadOf, type Tail, tailOf } from './tail.ts';
import { percent, show, steps, type Warning } from './warning.ts';
import { warningsOf } from './warnings.ts';

/** Options of `Trainer.advise` and `advise`. */
export interface AdviseOptions {
  /**
   * The fraction of steps that shall be clipped. Default: 0.05, the 95th percentile of the norms; and 0.5, their median, where they have a heavy tail, for then it
   * is usual steps that have a direction, and rare ones that have noise.
   */
  readonly rate?: number;
  /** Of the rule `median + k MAD`: how many median distances from the median. Default 3. */
  readonly k?: number;
  /** First steps that are left out, when norms are not yet what they will be. Default: a tenth of those that the threshold may be made of, at most 100. */
  readonly warmup?: number;
  /**
   * What the optimizer adds to the root of its mean of squares, for the warning `epsFloor`. Default: that of the history's
   * header; without one the warning is not given.
   */
  readonly eps?: number;
  /** Number of elements of all parameters, for the warning `epsFloor`. Default: that of the history's header. */
  readonly elements?: number;
  /** What `trainer.probe` found at the weights of now: its warnings are added, and tell exactly what the record lets one estimate. Default: none. */
  readonly probe?: Probe;
}

/** A way to get a threshold from norms. */
export interface ThresholdRule {
  /** The rule in words: `p95`, `median + 3 MAD`. */
  readonly rule: string;
  /** What the rule gives for the norms of the steps looked at. */
  readonly threshold: number;
  /** The fraction of the steps looked at whose norm is above it. */
  readonly clipRate: number;
}

/** What the norms of one parameter were, over the steps looked at, and a threshold of its own. */
export interface LayerAdvice {
  /** Name of the parameter, as in `RecordHeader.parameters`. */
  readonly name: string;
  /** How many elements it has. */
  readonly elements: number;
  /** Median of the 2-norm of its gradient before the clip. */
  readonly median: number;
  /** Largest 2-norm of its gradient before the clip. */
  readonly max: number;
  /** For `clip.perTensorNorm`, at the wanted rate. */
  readonly threshold: number;
  /** Median of its part of the square of the global norm. */
  readonly share: number;
}

/** What a threshold rests on. */
export interface ThresholdEvidence {
  /** Whether the loss fell by more than its noise and stayed low; null where it is not known or cannot tell. */
  readonly learned: boolean | null;
  /** Steps of the history from the start up to which norms are looked at: all, or where the loss fell and rose again, those before that. */
  readonly until: number;
  /** Medians of the loss: of the first steps, of the best stretch, of the last steps; null where no loss is known or there are fewer than 20 steps. */
  readonly loss: { readonly first: number; readonly least: number; readonly last: number } | null;
  /** All of it in a sentence, for people; where there is no threshold, why. */
  readonly text: string;
}

/** What `advise` gives: a threshold, how others compare, and what looks wrong in how the run was clipped. */
export interface Advice {
  /** Steps in the history. */
  readonly steps: number;
  /** First steps that were left out. */
  readonly warmup: number;
  /** Steps looked at: those from the warm-up to `evidence.until` whose norm is finite. */
  readonly used: number;
  /** Of the norms before the clip, of the steps looked at. `mad`: median distance from the median. */
  readonly norms: Readonly<Record<'min' | 'median' | 'mean' | 'mad' | 'p90' | 'p95' | 'p99' | 'max', number>>;
  /** The fraction of steps that shall be clipped: as it was asked for, else 0.05, or 0.5 of norms with a heavy tail. */
  readonly rate: number;
  /** The threshold for that rate: the quantile 1 - `rate` of the norms looked at. Null where there is no evidence for one: `evidence` says why. */
  readonly threshold: number | null;
  /** The fraction of the steps looked at whose norm is above `threshold`: as near to `rate` as their number allows. Null without a threshold. */
  readonly clipRate: number | null;
  /** What the threshold rests on, or why there is none. */
  readonly evidence: ThresholdEvidence;
  /** How heavy the tail of the norms looked at is; null for fewer than 100, and where the largest are all the same. */
  readonly tail: Tail | null;
  /** Thresholds by other rules (percentiles, median + k MAD) of the same steps, each with the fraction that it would have clipped: those with evidence. */
  readonly rules: readonly ThresholdRule[];
  /** The fraction of the steps looked at that the policy of the run clipped. */
  readonly clipped: number;
  /** The fraction of all steps that were skipped. */
  readonly skipped: number;
  /** What looks wrong; empty if nothing does. */
  readonly warnings: readonly Warning[];
  /** By parameter, where the history has their norms. */
  readonly layers: readonly LayerAdvice[] | null;
}

interface Given {
  readonly rate: number | undefined;
  readonly k: number;
  readonly warmup: number | undefined;
  readonly eps: number | undefined;
  readonly elements: number | undefined;
  readonly probe: Probe | undefined;
}
export const adviseOptions: OptionsField<AdviseOptions, Given> = options<AdviseOptions>()({
  rate: number({ min: 0, max: 1 }).optional(),
  k: number({ min: 0 }).default(3),
  warmup: whole({ min: 0 }).optional(),
  eps: number({ min: 0 }).optional(),
  elements: whole({ min: 1 }).optional(),
  probe: probeField.optional(),
});
const readAdvise = signature('advise', { history: historyLike }, adviseOptions);

/** Parts of the steps that are clipped where no other is asked for. */
const USUAL_RATE = 0.05;
const HEAVY_RATE = 0.5;
/** Of fewer steps no quantile is worth a word. */
const LEAST_STEPS = 10;

/**
 * Advise on a threshold. It is the quantile of the recorded norms (before the clip) that a wanted fraction of steps exceeds: what would
 * have clipped that many of the steps that were run, not a promise for those to come. Where the loss fell and then rose or became NaN, only
 * the steps before count; where it never fell, where most weights lost their gradient, where norms are 0 or steps too few, there is no threshold. Pure: the same history gives
 * the same advice.
 *
 * @param history what `readRecord` gives, reports of steps, or norms
 * @throws OptionError also where no norm is finite
 * @see Hill 1975, A Simple General Approach to Inference About the Tail of a Distribution
 */
export function advise(history: HistoryLike, options: AdviseOptions = {}): Advice {
  const { k, eps, elements, probe, ...given } = readAdvise(arguments);
  const all = measured(given.history);
  const learning = learningOf(all.loss, !(all.attempt[0]! > 0));
  const { warmup, until, at } = stepsOf(all, learning, given.warmup);
  const norms = at.map((i) => all.norm[i]!);
  const order = sorted(norms);
  const spread = spreadOf(norms);
  const tail = tailOf(spread);
  const isHeavy = hasHeavyTail(spread, tail);
  const rate = given.rate ?? (isHeavy ? HEAVY_RATE : USUAL_RATE);
  const middle = quantile(order, 0.5);
  const away = mad(norms, middle);
  const above = (c: number): number => norms.filter((n) => n > c).length / norms.length;
  const rule = (name: string, threshold: number): ThresholdRule => ({ rule: name, threshold, clipRate: above(threshold) });
  const wanted = quantile(order, 1 - rate);
  const reason = whyNone(learning, at.length, rate, wanted, order, deadOf(all, at).most);
  const isFit = reason === null || reason.of === 'rate';
  const threshold = reason === null ? wanted : null;
  const percentiles = [...new Set([50, 90, 95, 99, Number((100 * (1 - rate)).toPrecision(6))])].sort((a, b) => a - b);
  const stoodBehind = percentiles.filter((p) => p === 100 || enough(at.length, 1 - p / 100));
  const rules = [
    ...stoodBehind.map((p) => rule(`p${p}`, quantile(order, p / 100))),
    rule(`median + ${k} MAD`, middle + k * away),
  ];
  const figures = {
    min: order[0]!,
    median: middle,
    mean: mean(norms),
    mad: away,
    p90: quantile(order, 0.9),
    p95: quantile(order, 0.95),
    p99: quantile(order, 0.99),
    max: order.at(-1)!,
  };
  const seen = { history: all, at, rate, norms: figures, spread, tail, isHeavy, learning, wanted, threshold, eps, elements };
  const warnings = warningsOf(seen);
  return {
    steps: all.length,
    warmup,
    used: at.length,
    norms: figures,
    rate,
    threshold,
    clipRate: threshold === null ? null : above(threshold),
    evidence: evidenceOf(learning, until, reason?.text ?? restsOn(learning, at.length, isHeavy && given.rate === undefined)),
    tail,
    rules: isFit ? rules.filter((r) => r.threshold > 0) : [],
    clipped: at.filter((i) => all.clipped[i]).length / at.length,
    skipped: all.skipped.filter(Boolean).length / all.length,
    warnings: probe ? withProbed(warnings, probe) : warnings,
    layers: all.layers && layersOf(all, at, rate),
  };
}

/** The steps whose norms are looked at. Where those before the loss rose are too few to say anything, all are: for what went wrong, not for a threshold. */
function stepsOf(
  { norm, length }: History,
  { until }: Learning,
  given: number | undefined,
): { readonly warmup: number; readonly until: number; readonly at: readonly number[] } {
  const within = (end: number, usual: number = Math.min(100, Math.floor(end / 10))): ReturnType<typeof stepsOf> => {
    const warmup = Math.min(end, given ?? usual);
    const at = Array.from({ length: end - warmup }, (_, i) => warmup + i).filter((i) => Number.isFinite(norm[i]!));
    return { warmup, until: end, at };
  };
  const before = within(until);
  if (before.at.length >= Math.min(LEAST_STEPS, length) && length > 0) return before;
  // Of a run that failed at once the first steps are all there is.
  const found = [within(length), within(length, 0)].find((steps) => steps.at.length > 0);
  if (found) return found;
  const warmup = given ?? 0;
  throw new OptionError(`advise: expected steps with a finite norm, got none among ${length}, ${warmup} of them warm-up`, {
    steps: length,
    warmup,
  });
}

/** At least one step is expected above the quantile. */
const enough = (used: number, rate: number): boolean => used >= LEAST_STEPS && Math.round(1e9 * rate * used) >= 1e9;

/** Why there is no threshold for the wanted rate, or (`of: 'run'`) for any; null if there is one. */
function whyNone(
  { learned, why, until }: Learning,
  used: number,
  rate: number,
  wanted: number,
  order: Float64Array,
  isDead: boolean,
): { readonly of: 'run' | 'rate'; readonly text: string } | null {
  const none = (of: 'run' | 'rate', text: string): { of: 'run' | 'rate'; text: string } => ({
    of,
    text: `No threshold: ${text}`,
  });
  if (order.at(-1) === 0) return none('run', `all ${count(used)} norms are 0.`);
  if (used < LEAST_STEPS) return none('run', `${steps(used)} with a finite norm, at least ${LEAST_STEPS} are needed.`);
  if (learned === false && until < LEAST_STEPS) {
    const what = why === 'never' ? 'never fell by more than its noise' : why === 'rose' ? 'rose' : 'is not finite';
    return none('run', `the loss ${what}, and norms of a run that failed are no model.`);
  }
  if (isDead) {
    return none(
      'run',
      'most weights had a gradient at first and none in most of the steps, and norms of what is left are no model.',
    );
  }
  if (rate > 0 && !enough(used, rate)) {
    return none(
      'rate',
      `of ${steps(used)} less than one is expected above the threshold for a rate of ${percent(rate)}: run longer, or take a rate of ${show(Math.ceil(1e3 / used) / 1e3)} or more.`,
    );
  }
  if (!(wanted > 0))
    return none('rate', `the norm is 0 in so many steps that the threshold for a rate of ${percent(rate)} would be 0.`);
  return null;
}

const count = (n: number): string => n.toLocaleString('en-US');

/** What a threshold rests on, in words. */
function restsOn(learning: Learning, used: number, isMedian: boolean): string {
  const heavy = isMedian ? ' Norms have a heavy tail, so the threshold is their median (rate 0.5).' : '';
  return `${ofWhat(learning, used)}${heavy}`;
}

function ofWhat({ learned, why, first, least, last, until }: Learning, used: number): string {
  const from = `From ${steps(used)}`;
  if (learned === true) return `${from} of a run that learned: the loss fell from ${show(first)} to ${show(last)}.`;
  if (why === 'noLoss') return `${from}; no loss is known, so whether the run learned is not.`;
  if (why === 'few') return `${from}; too few to tell whether the run learned.`;
  if (why === 'noisy') return `${from}; the noise of the loss hides whether it fell from ${show(first)}.`;
  if (why === 'late') return `${from} in which the loss neither fell nor rose; what came before them is not known.`;
  const end = Number.isFinite(last) ? `was ${show(last)} at the end` : 'was not finite at the end';
  return `${from} before step ${count(until)}: there the loss had fallen from ${show(first)} to ${show(least)}, and it ${end}. Later norms are of a run that failed.`;
}

function evidenceOf({ learned, why, first, least, last }: Learning, until: number, text: string): ThresholdEvidence {
  return { learned, until, loss: why === 'noLoss' || why === 'few' ? null : { first, least, last }, text };
}

/** Where the policy of the run measured nothing, the norms that those of the layers give. */
function measured(history: History): History {
  return history.norm.every(Number.isNaN) ? { ...history, norm: twoNorms(history) ?? history.norm } : history;
}

function layersOf({ layers, norm }: History, at: readonly number[], rate: number): LayerAdvice[] {
  return layers!.names.map((name, k) => {
    const own = layerNorms(layers!, k);
    const order = sorted(at.map((i) => own[i]!));
    const shares = at.map((i) => (norm[i]! === 0 ? 0 : squareOf(own[i]! / norm[i]!)));
    return {
      name,
      elements: sizeOf(layers!.shapes[k]!),
      median: quantile(order, 0.5),
      max: order.at(-1)!,
      threshold: quantile(order, 1 - rate),
      share: quantile(sorted(shares), 0.5),
    };
  });
}
