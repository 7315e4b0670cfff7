// advise.ts: from the norms of steps that were run, a threshold for the rate of clipping that is wanted, and what looks wrong, in words.
import { OptionError } from '../errors.ts';
import { sizeOf } from '../ir/op.ts';
import { squareOf } from '../math/index.ts';
import { number, type OptionsField, options, signature, whole } from '../options/index.ts';
import { type History, type HistoryLike, historyLike, layerNorms, twoNorms } from './history.ts';
import { mad, mean, quantile, sorted } from './numbers.ts';
import { type Warning, warningsOf } from './warnings.ts';

/** Options of `Trainer.advise` and `advise`. */
export interface AdviseOptions {
  /** The fraction of steps that shall be clipped. Default 0.05: the threshold is then the 95th percentile of the norms. */
  readonly rate?: number;
  /** Of the rule `median + k MAD`: how many median distances from the median. Default 3. */
  readonly k?: number;
  /** First steps that are left out, when norms are not yet what they will be. Default: a tenth of them, at most 100. */
  readonly warmup?: number;
  /**
   * What the optimizer adds to the root of its mean of squares, for the warning `epsFloor`. Default: that of the history's
   * header; without one the warning is not given.
   */
  readonly eps?: number;
  /** Number of elements of all parameters, for the warning `epsFloor`. Default: that of the history's header. */
  readonly elements?: number;
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

/** What `advise` gives: a threshold, how others compare, and what looks wrong in how the run was clipped. */
export interface Advice {
  /** Steps in the history. */
  readonly steps: number;
  /** First steps that were left out. */
  readonly warmup: number;
  /** Steps looked at: those after the warm-up whose norm is finite. */
  readonly used: number;
  /** Of the norms before the clip, of the steps looked at. `mad`: median distance from the median. */
  readonly norms: Readonly<Record<'min' | 'median' | 'mean' | 'mad' | 'p90' | 'p95' | 'p99' | 'max', number>>;
  /** The fraction of steps that shall be clipped, as it was asked for. */
  readonly rate: number;
  /** The threshold for that rate: the quantile 1 - `rate` of the norms looked at. */
  readonly threshold: number;
  /** The fraction of the steps looked at whose norm is above `threshold`: as near to `rate` as their number allows. */
  readonly clipRate: number;
  /** Thresholds by other rules (percentiles, median + k MAD), each with the fraction of steps that it would have clipped. */
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
  readonly rate: number;
  readonly k: number;
  readonly warmup: number | undefined;
  readonly eps: number | undefined;
  readonly elements: number | undefined;
}
export const adviseOptions: OptionsField<AdviseOptions, Given> = options<AdviseOptions>()({
  rate: number({ min: 0, max: 1 }).default(0.05),
  k: number({ min: 0 }).default(3),
  warmup: whole({ min: 0 }).optional(),
  eps: number({ min: 0 }).optional(),
  elements: whole({ min: 1 }).optional(),
});
const readAdvise = signature('advise', { history: historyLike }, adviseOptions);

/**
 * Advise on a threshold. It is the quantile of the recorded norms (before the clip) that a wanted fraction of steps exceeds: what would
 * have clipped that many of the steps that were run, not a promise for those to come. Pure: the same history gives the same advice.
 *
 * @param history what `readRecord` gives, reports of steps, or norms
 * @throws OptionError also where no norm is finite
 */
export function advise(history: HistoryLike, options: AdviseOptions = {}): Advice {
  const { rate, k, eps, elements, ...given } = readAdvise(arguments);
  const all = measured(given.history);
  const { warmup = Math.min(100, Math.floor(all.length / 10)) } = given;
  const at = Array.from({ length: Math.max(0, all.length - warmup) }, (_, i) => warmup + i).filter((i) =>
    Number.isFinite(all.norm[i]!),
  );
  if (at.length === 0) {
    throw new OptionError(`advise: expected steps with a finite norm, got none among ${all.length}, ${warmup} of them warm-up`, {
      steps: all.length,
      warmup,
    });
  }
  const norms = at.map((i) => all.norm[i]!);
  const order = sorted(norms);
  const middle = quantile(order, 0.5);
  const away = mad(norms, middle);
  const above = (c: number): number => norms.filter((n) => n > c).length / norms.length;
  const rule = (name: string, threshold: number): ThresholdRule => ({ rule: name, threshold, clipRate: above(threshold) });
  const percentiles = [...new Set([50, 90, 95, 99, Number((100 * (1 - rate)).toPrecision(6))])].sort((a, b) => a - b);
  const threshold = quantile(order, 1 - rate);
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
  return {
    steps: all.length,
    warmup: Math.min(warmup, all.length),
    used: at.length,
    norms: figures,
    rate,
    threshold,
    clipRate: above(threshold),
    rules: [...percentiles.map((p) => rule(`p${p}`, quantile(order, p / 100))), rule(`median + ${k} MAD`, middle + k * away)],
    clipped: at.filter((i) => all.clipped[i]).length / at.length,
    skipped: all.skipped.filter(Boolean).length / all.length,
    warnings: warningsOf({ history: all, at, rate, norms: figures, threshold, eps, elements }),
    layers: all.layers && layersOf(all, at, rate),
  };
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
