// ranks.ts: what depends on the order of scores: the area under the ROC curve, exact and from histograms, and average precision.
import { OptionError, ShapeError } from '../errors.ts';
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { sameShape, sizeOf } from '../ir/op.ts';
import { type Fault, faultOf } from '../nn/loss/rows.ts';
import { cast, clamp, equal, floor, maximum, mul, sub, where } from '../ops/elementwise.ts';
import { scatterAdd } from '../ops/gather.ts';
import { sum } from '../ops/reduce.ts';
import { reshape } from '../ops/shape.ts';
import { checkNumber, checkOptions, show } from '../options.ts';
import { type Aggregate, type Checked, checked, type Values } from './aggregate.ts';
import { pairs } from './arrays.ts';
import { type Reading, Summing } from './streaming.ts';

/** Share of pairs of a positive and a negative in which the positive has the higher score; ties count half. */
function exactAuc(scores: ArrayLike<number>, targets: ArrayLike<number>): number {
  const [positive, negative] = split(scores, targets);
  if (hasNaN(positive) || hasNaN(negative)) return Number.NaN;
  let [below, upTo, wins] = [0, 0, 0];
  for (const s of positive) {
    while (below < negative.length && negative[below]! < s) below++;
    upTo = Math.max(upTo, below);
    while (upTo < negative.length && negative[upTo]! <= s) upTo++;
    wins += (below + upTo) / 2;
  }
  return wins / (positive.length * negative.length);
}

/** Sum over the thresholds, from the highest, of the growth of recall times the precision; 0 where there is nothing to find. */
function exactPrecision(scores: ArrayLike<number>, targets: ArrayLike<number>): number {
  const [positive, negative] = split(scores, targets);
  if (hasNaN(positive) || hasNaN(negative)) return Number.NaN;
  let total = 0;
  let [p, n] = [positive.length, negative.length];
  while (p > 0) {
    const s = positive[p - 1]!;
    const before = p;
    while (p > 0 && positive[p - 1] === s) p--;
    while (n > 0 && negative[n - 1]! >= s) n--;
    const found = positive.length - p;
    total += ((before - p) * found) / (found + negative.length - n);
  }
  return positive.length === 0 ? 0 : total / positive.length;
}

/** Scores of targets of 1 and of 0, ascending. */
function split(scores: ArrayLike<number>, targets: ArrayLike<number>): [Float64Array, Float64Array] {
  const sides: [number[], number[]] = [[], []];
  for (let i = 0; i < scores.length; i++) sides[targets[i] === 1 ? 0 : 1].push(scores[i]!);
  return [Float64Array.from(sides[0]).sort(), Float64Array.from(sides[1]).sort()];
}
// NaN is sorted to the end.
const hasNaN = (sorted: Float64Array): boolean => Number.isNaN(sorted.at(-1) ?? 0);

/** Of histograms of the scores of positives and negatives: scores in one bin count as ties. */
function binnedAuc(positive: Float64Array, negative: Float64Array): number {
  let [below, wins, total] = [0, 0, 0];
  for (const [i, count] of positive.entries()) {
    wins += count * (below + negative[i]! / 2);
    below += negative[i]!;
    total += count;
  }
  return wins / (total * below);
}

export interface ROCAUCOptions {
  /** Count scores in so many bins of equal width, in place of keeping all of them: memory no longer grows with the rows. Default: exact. */
  readonly bins?: number;
  /** What the bins cover; scores outside go to the first or last. Default [0, 1], for probabilities. */
  readonly range?: readonly [number, number];
}

function checkBins(op: string, options: ROCAUCOptions): { bins: number | null; low: number; width: number } {
  checkOptions(op, options, ['bins', 'range']);
  const { bins = null, range = [0, 1] } = options;
  if (!Array.isArray(range) || range.length !== 2) {
    throw new OptionError(`${op}: option range: expected two numbers, got ${show(range)}`, { option: 'range' });
  }
  const low = checkNumber(op, 'range[0]', range[0]);
  const high = checkNumber(op, 'range[1]', range[1], { above: low });
  if (bins !== null) checkNumber(op, 'bins', bins, { integer: true, min: 2 });
  return { bins, low, width: high - low };
}

/** Scores and targets of one shape, flat, in f64. Targets are 0 or 1. */
function flat(op: string, scores: TensorLike, targets: TensorLike): { x: Tensor; y: Tensor; fault: Fault } {
  const [x, y] = [scores.toTensor(), targets.toTensor()];
  if (!sameShape(x.shape, y.shape)) throw new ShapeError(`${op}: expected targets [${x.shape}], got [${y.shape}]`);
  const [wide, of] = [x, y].map((t) => cast(reshape(t, [sizeOf(t.shape)]), 'f64')) as [Tensor, Tensor];
  const valid = maximum(equal(of, 0), equal(of, 1));
  return { x: wide, y: of, fault: faultOf(op, 'targets of 0 and 1', of, valid, 2) };
}

/**
 * Metric: area under the ROC curve of scores against targets 1 and 0 of the same shape, over all rows. Exact (ties count half), or from histograms
 * with `bins`. NaN where there are only positives or only negatives, or a score is NaN. As `sklearn.metrics.roc_auc_score`.
 */
export const rocAuc = (scores: TensorLike, targets: TensorLike, options: ROCAUCOptions = {}): Aggregate =>
  measureAuc('rocAuc', scores, targets, options);

function measureAuc(op: string, scores: TensorLike, targets: TensorLike, options: ROCAUCOptions): Checked {
  const { bins, low, width } = checkBins(op, options);
  const { x, y, fault } = flat(op, scores, targets);
  if (bins === null) return checked({ kept: { x, y }, finish: ({ x, y }) => exactAuc(x!, y!) }, [fault]);
  const known = equal(x, x);
  const place = clamp(floor(mul(sub(where(known, x, low), low), bins / width)), { min: 0, max: bins - 1 });
  const count = (of: Tensor): Tensor => scatterAdd(of, cast(place, 'i32'), { rows: bins });
  const finish: Aggregate['finish'] = ({ positive, negative, unknown }) =>
    unknown![0]! > 0 ? Number.NaN : binnedAuc(positive!, negative!);
  return checked({ summed: { positive: count(y), negative: count(sub(1, y)), unknown: sum(sub(1, known)) }, finish }, [fault]);
}

/**
 * Metric: average precision of scores against targets 1 and 0, exact. 0 without positives, NaN where a score is NaN.
 * As `sklearn.metrics.average_precision_score`.
 */
export const averagePrecision = (scores: TensorLike, targets: TensorLike): Aggregate =>
  measurePrecision('averagePrecision', scores, targets);

function measurePrecision(op: string, scores: TensorLike, targets: TensorLike): Checked {
  const { x, y, fault } = flat(op, scores, targets);
  return checked({ kept: { x, y }, finish: ({ x, y }) => exactPrecision(x!, y!) }, [fault]);
}

/** Average precision over arrays; see `averagePrecision`. Keeps all scores. */
export class AveragePrecision extends Summing {
  /** @throws OptionError */
  constructor(options: Record<string, never> = {}) {
    super('AveragePrecision', options);
    checkOptions('AveragePrecision', options, []);
  }
  protected read(scores: Values, targets: Values): Reading {
    return { batch: pairs(this.op, scores, targets, () => 1), build: (x, y) => measurePrecision(this.op, x, y) };
  }
}

/** Area under the ROC curve over arrays; see `rocAuc`. Exact, keeping all scores, or with `bins`. */
export class ROCAUC extends Summing {
  readonly #options: ROCAUCOptions;
  /** @throws OptionError */
  constructor(options: ROCAUCOptions = {}) {
    super('ROCAUC', options);
    checkBins('ROCAUC', options);
    this.#options = options;
  }
  protected read(scores: Values, targets: Values): Reading {
    return { batch: pairs(this.op, scores, targets, () => 1), build: (x, y) => measureAuc(this.op, x, y, this.#options) };
  }
}
