// ranks.ts: what depends on the order of scores: the area under the ROC curve, exact and from histograms, and average precision.
import { ShapeError } from '../errors.ts';
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { sameShape, sizeOf } from '../ir/op.ts';
import { type Fault, faultOf } from '../nn/loss/rows.ts';
import { tensor } from '../ops/args.ts';
import { cast, clamp, equal, floor, maximum, mul, sub, where } from '../ops/elementwise/elementwise.ts';
import { sum } from '../ops/reduce/reduce.ts';
import { scatterAdd } from '../ops/rows/gather.ts';
import { reshape } from '../ops/shape/shape.ts';
import { number, type OptionsField, options, pair, signature, whole } from '../options/index.ts';
import { type Aggregate, type Checked, checked } from './aggregate.ts';
import { pairs } from './arrays.ts';
import { kind, Summing } from './streaming.ts';

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

/** Options of `metrics.ROCAUC` and `metrics.rocAuc`. */
export interface ROCAUCOptions {
  /** Count scores in so many bins of equal width, in place of keeping all of them: memory no longer grows with the rows. Default: exact. */
  readonly bins?: number;
  /** What the bins cover; scores outside go to the first or last. Default [0, 1], for probabilities. */
  readonly range?: readonly [number, number];
}

/** The options as read. */
interface Bins {
  readonly bins: number | undefined;
  readonly range: readonly [number, number];
}
const range = pair(number(), number()).map(([low, high], place): readonly [number, number] => [
  low,
  number({ above: low }).read(high, place.item(1)),
]);
const aucOptions: OptionsField<ROCAUCOptions, Bins> = options<ROCAUCOptions>()({
  // A count for each of them is kept.
  bins: whole({ min: 2, max: 2 ** 24 }).optional(),
  range: range.default([0, 1]),
});

/** Scores and targets of one shape, flat, in f64. Targets are 0 or 1. */
function flat(op: string, x: Tensor, y: Tensor): { x: Tensor; y: Tensor; fault: Fault } {
  if (!sameShape(x.shape, y.shape)) throw new ShapeError(`${op}: expected targets [${x.shape}], got [${y.shape}]`);
  const [wide, of] = [x, y].map((t) => cast(reshape(t, [sizeOf(t.shape)]), 'f64')) as [Tensor, Tensor];
  const valid = maximum(equal(of, 0), equal(of, 1));
  return { x: wide, y: of, fault: faultOf(op, 'targets of 0 and 1', of, valid, 2) };
}

const OPERANDS = { scores: tensor, targets: tensor };
const readRocAuc = signature('metrics.rocAuc', OPERANDS, aucOptions);
const readAveragePrecision = signature('metrics.averagePrecision', OPERANDS);

/**
 * Area under the ROC curve of scores against targets 1 and 0, over all rows. Exact (ties count half), or from
 * histograms with `bins`. NaN where there are only positives or only negatives, or a score is NaN.
 * @shape scores [...], targets [...] -> one number for all rows
 * @throws OptionError; ShapeError unless both are of one shape
 * @see sklearn.metrics.roc_auc_score
 */
export function rocAuc(scores: TensorLike, targets: TensorLike, options: ROCAUCOptions = {}): Aggregate {
  const { scores: x, targets: y, ...read } = readRocAuc(arguments);
  return measureAuc('rocAuc', x, y, read);
}

function measureAuc(op: string, scores: Tensor, targets: Tensor, { bins, range: [low, high] }: Bins): Checked {
  const width = high - low;
  const { x, y, fault } = flat(op, scores, targets);
  if (bins === undefined) return checked({ kept: { x, y }, finish: ({ x, y }) => exactAuc(x!, y!) }, [fault]);
  const known = equal(x, x);
  const place = clamp(floor(mul(sub(where(known, x, low), low), bins / width)), { min: 0, max: bins - 1 });
  const count = (of: Tensor): Tensor => scatterAdd(of, cast(place, 'i32'), { rows: bins });
  const finish: Aggregate['finish'] = ({ positive, negative, unknown }) =>
    unknown![0]! > 0 ? Number.NaN : binnedAuc(positive!, negative!);
  return checked({ summed: { positive: count(y), negative: count(sub(1, y)), unknown: sum(sub(1, known)) }, finish }, [fault]);
}

/**
 * Average precision of scores against targets 1 and 0, exact. 0 without positives, NaN where a score is NaN.
 * @shape scores [...], targets [...] -> one number for all rows
 * @throws OptionError; ShapeError unless both are of one shape
 * @see sklearn.metrics.average_precision_score
 */
export function averagePrecision(scores: TensorLike, targets: TensorLike): Aggregate {
  const { scores: x, targets: y } = readAveragePrecision(arguments);
  return measurePrecision('averagePrecision', x, y);
}

function measurePrecision(op: string, scores: Tensor, targets: Tensor): Checked {
  const { x, y, fault } = flat(op, scores, targets);
  return checked({ kept: { x, y }, finish: ({ x, y }) => exactPrecision(x!, y!) }, [fault]);
}

const averagePrecisionKind = kind('AveragePrecision', options<Record<never, never>>()({}));

/**
 * Average precision over arrays; see `averagePrecision`. Keeps all scores.
 * @shape scores [...], targets [...] -> a number
 * @throws OptionError; ShapeError of `update` if shapes do not fit
 * @see sklearn.metrics.average_precision_score
 */
export class AveragePrecision extends Summing {
  /** @throws OptionError */
  constructor(options: Record<string, never> = {}) {
    const read = averagePrecisionKind.made(arguments);
    super(averagePrecisionKind, read, (op, scores, targets) => ({
      batch: pairs(op, scores, targets, () => 1),
      build: (x, y) => measurePrecision(op, x, y),
    }));
  }
}

const aucKind = kind('ROCAUC', aucOptions);

/**
 * Area under the ROC curve over arrays; see `rocAuc`. Exact, keeping all scores, or with `bins`.
 * @shape scores [...], targets [...] -> a number
 * @throws OptionError; ShapeError of `update` if shapes do not fit
 * @see sklearn.metrics.roc_auc_score
 */
export class ROCAUC extends Summing {
  /** @throws OptionError */
  constructor(options: ROCAUCOptions = {}) {
    const read = aucKind.made(arguments);
    super(aucKind, read, (op, scores, targets) => ({
      batch: pairs(op, scores, targets, () => 1),
      build: (x, y) => measureAuc(op, x, y, read),
    }));
  }
}
