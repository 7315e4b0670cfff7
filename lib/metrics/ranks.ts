// ranks.ts: what depends on the order of scores: the area under the ROC curve, exact and from histograms, and average precision.
import { OptionError, ShapeError } from '../errors.ts';
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { sameShape, sizeOf } from '../ir/op.ts';
import { cast, clamp, floor, mul, sub } from '../ops/elementwise.ts';
import { scatterAdd } from '../ops/gather.ts';
import { reshape } from '../ops/shape.ts';
import { checkNumber, checkOptions, show } from '../options.ts';
import { type Aggregate, dataOf, type Metric, type Values } from './aggregate.ts';

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

/** Sum over the thresholds, from the highest, of the growth of recall times the precision. */
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
  return total / positive.length;
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

export interface RocAucOptions {
  /** Count scores in so many bins of equal width, in place of keeping all of them: memory no longer grows with the rows. Default: exact. */
  readonly bins?: number;
  /** What the bins cover; scores outside go to the first or last. Default [0, 1], for probabilities. */
  readonly range?: readonly [number, number];
}

function checkBins(op: string, options: RocAucOptions): { bins: number | null; low: number; width: number } {
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

/** Scores and targets of one shape, flat, in f64. */
function flat(op: string, scores: TensorLike, targets: TensorLike): [Tensor, Tensor] {
  const [x, y] = [scores.toTensor(), targets.toTensor()];
  if (!sameShape(x.shape, y.shape)) throw new ShapeError(`${op}: expected targets [${x.shape}], got [${y.shape}]`);
  return [x, y].map((t) => cast(reshape(t, [sizeOf(t.shape)]), 'f64')) as [Tensor, Tensor];
}

/**
 * Metric: area under the ROC curve of scores against targets 1 and 0 of the same shape, over all rows. Exact (ties count half), or from histograms
 * with `bins`. NaN where there are only positives or only negatives. As `sklearn.metrics.roc_auc_score`.
 */
export function rocAuc(scores: TensorLike, targets: TensorLike, options: RocAucOptions = {}): Aggregate {
  const { bins, low, width } = checkBins('rocAuc', options);
  const [x, y] = flat('rocAuc', scores, targets);
  if (bins === null) return { kept: { x, y }, finish: ({ x, y }) => exactAuc(x!, y!) };
  const place = clamp(floor(mul(sub(x, low), bins / width)), { min: 0, max: bins - 1 });
  const count = (of: Tensor): Tensor => scatterAdd(of, cast(place, 'i32'), { rows: bins });
  return {
    summed: { positive: count(y), negative: count(sub(1, y)) },
    finish: ({ positive, negative }) => binnedAuc(positive!, negative!),
  };
}

/** Metric: average precision of scores against targets 1 and 0, exact. NaN without positives. As `sklearn.metrics.average_precision_score`. */
export function averagePrecision(scores: TensorLike, targets: TensorLike): Aggregate {
  const [x, y] = flat('averagePrecision', scores, targets);
  return { kept: { x, y }, finish: ({ x, y }) => exactPrecision(x!, y!) };
}

abstract class Kept implements Metric {
  protected scores: number[] = [];
  protected targets: number[] = [];
  update(scores: Values, targets: Values): this {
    const [x, y] = [dataOf(scores), dataOf(targets)];
    expectSame(this.constructor.name, x, y);
    for (let i = 0; i < x.length; i++) {
      this.scores.push(x[i]!);
      this.targets.push(y[i]!);
    }
    return this;
  }
  abstract result(): number;
  reset(): this {
    this.scores = [];
    this.targets = [];
    return this;
  }
  merge(other: this): this {
    return this.update(other.scores.slice(), other.targets.slice());
  }
}

function expectSame(op: string, x: ArrayLike<number>, y: ArrayLike<number>): void {
  if (x.length !== y.length) throw new ShapeError(`${op}: expected ${x.length} targets, got ${y.length}`);
}

/** Average precision, streaming; see `averagePrecision`. Keeps all scores. */
export class AveragePrecision extends Kept {
  result(): number {
    return exactPrecision(this.scores, this.targets);
  }
}

/** Area under the ROC curve, streaming; see `rocAuc`. Exact, keeping all scores, or with `bins`. */
export class RocAuc extends Kept {
  readonly #bins: ReturnType<typeof checkBins>;
  readonly #positive: Float64Array;
  readonly #negative: Float64Array;

  /** @throws OptionError */
  constructor(options: RocAucOptions = {}) {
    super();
    this.#bins = checkBins('RocAuc', options);
    this.#positive = new Float64Array(this.#bins.bins ?? 0);
    this.#negative = new Float64Array(this.#bins.bins ?? 0);
  }

  override update(scores: Values, targets: Values): this {
    const { bins, low, width } = this.#bins;
    if (bins === null) return super.update(scores, targets);
    const [x, y] = [dataOf(scores), dataOf(targets)];
    expectSame('RocAuc', x, y);
    for (let i = 0; i < x.length; i++) {
      const at = Math.max(0, Math.min(bins - 1, Math.floor((x[i]! - low) * (bins / width))));
      const side = y[i] === 1 ? this.#positive : this.#negative;
      side[at]! += 1;
    }
    return this;
  }

  result(): number {
    return this.#bins.bins === null ? exactAuc(this.scores, this.targets) : binnedAuc(this.#positive, this.#negative);
  }

  override reset(): this {
    this.#positive.fill(0);
    this.#negative.fill(0);
    return super.reset();
  }

  override merge(other: this): this {
    const [a, b] = [this.#bins, other.#bins];
    if (a.bins !== b.bins || a.low !== b.low || a.width !== b.width) {
      throw new OptionError('RocAuc: merge: expected one with the same bins');
    }
    for (let i = 0; i < this.#positive.length; i++) {
      this.#positive[i]! += other.#positive[i]!;
      this.#negative[i]! += other.#negative[i]!;
    }
    return super.merge(other);
  }
}
