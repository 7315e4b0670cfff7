// classes.ts: metrics of predicted classes: accuracy, top-k, precision, recall, F1 and the confusion matrix.
import { OptionError, ShapeError } from '../errors.ts';
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { sameShape, sizeOf } from '../ir/op.ts';
import { classRows, accuracy as meanAccuracy, nll } from '../nn/loss/labels.ts';
import { cast, equal, less, mul, neg, notEqual, sub, where } from '../ops/elementwise.ts';
import { scatterAdd } from '../ops/gather.ts';
import { argmax, sum } from '../ops/reduce.ts';
import { reshape } from '../ops/shape.ts';
import { checkChoice, checkNumber, checkOptions } from '../options.ts';
import { type Aggregate, dataOf, type Metric, type Sums, type Values } from './aggregate.ts';
import { classesOf } from './regression.ts';

export interface IgnoreOptions {
  /** Rows with this label do not count. Default: none. */
  readonly ignoreIndex?: number;
}
export interface TopKOptions extends IgnoreOptions {
  /** How many of the largest logits count. Default 5. */
  readonly k?: number;
}
export interface ScoreOptions extends IgnoreOptions {
  /**
   * `binary`: of class 1; `micro`: of all rows together; `macro`: the mean over the classes that occur; `weighted`: that weighted by their rows.
   * Default: `binary` for one score a row, `macro` for logits of classes.
   */
  readonly average?: 'binary' | 'micro' | 'macro' | 'weighted';
  /** A row with one score is class 1 above it. Default 0, for logits; for probabilities give 0.5. */
  readonly threshold?: number;
}
export type Score = 'precision' | 'recall' | 'f1';

function checkIgnored(op: string, { ignoreIndex }: IgnoreOptions): number | null {
  return ignoreIndex === undefined ? null : checkNumber(op, 'ignoreIndex', ignoreIndex, { integer: true });
}
const checkK = (op: string, k = 5): number => checkNumber(op, 'k', k, { integer: true, min: 1 });
function checkScore(op: string, options: ScoreOptions): { ignored: number | null; threshold: number } {
  checkOptions(op, options, ['average', 'threshold', 'ignoreIndex']);
  if (options.average !== undefined) checkChoice(op, 'average', options.average, ['binary', 'micro', 'macro', 'weighted']);
  return { ignored: checkIgnored(op, options), threshold: checkNumber(op, 'threshold', options.threshold ?? 0) };
}

// ---- in the graph ------------------------------------------------------------------------------------------------

/** Labels that are classes all, f64 weights of the rows: 0 where they are ignored. */
function counted(labels: Tensor, ignored: number | null): { labels: Tensor; weight: Tensor | null } {
  if (ignored === null) return { labels, weight: null };
  const wide = cast(labels, 'f64');
  const weight = notEqual(wide, ignored);
  return { labels: cast(where(weight, wide, 0), 'i32'), weight };
}
const share = ({ hits, rows }: Sums): number => hits![0]! / rows![0]!;
const total = (x: Tensor): Tensor => sum(x, { dtype: 'f64' });

function shareOf(hits: Tensor, weight: Tensor | null): Aggregate {
  const rows = weight ? total(weight) : hits.graph.constant(Float64Array.of(sizeOf(hits.shape)), [], 'f64');
  return { summed: { hits: total(weight ? mul(hits, weight) : hits), rows }, finish: share };
}

/** Metric: share of rows of logits [..., classes] whose largest element is at the label [...]. NaN where no row counts. */
export function accuracy(logits: TensorLike, labels: TensorLike, options: IgnoreOptions = {}): Tensor | Aggregate {
  checkOptions('accuracy', options, ['ignoreIndex']);
  const ignored = checkIgnored('accuracy', options);
  if (ignored === null) return meanAccuracy(logits, labels);
  const { rows, of } = classRows('accuracy', logits, labels);
  const known = counted(of, ignored);
  return shareOf(equal(cast(argmax(rows, { axis: 1 }), 'f64'), cast(known.labels, 'f64')), known.weight);
}

/**
 * Metric: share of rows whose label is among the k largest logits. Of equal logits the first are the larger, so that k = 1 is the accuracy.
 * A label whose logit is NaN is never found.
 */
export function topK(logits: TensorLike, labels: TensorLike, options: TopKOptions = {}): Aggregate {
  checkOptions('topK', options, ['k', 'ignoreIndex']);
  const k = checkK('topK', options.k);
  const { rows, of } = classRows('topK', logits, labels);
  const { labels: known, weight } = counted(of, checkIgnored('topK', options));
  const [n, classes] = rows.shape as [number, number];
  const own = reshape(cast(neg(nll(rows, known, { reduction: 'none' })), 'f32'), [n, 1]);
  const number = rows.graph.constant(
    Float32Array.from({ length: classes }, (_, c) => c),
    [classes],
    'f32',
  );
  const before = less(number, reshape(cast(known, 'f32'), [n, 1]));
  // Ahead of the label: what is not smaller, without its equals from the label on.
  const ahead = sub(sub(1, less(rows, own)), mul(equal(rows, own), sub(1, before)));
  return shareOf(less(sum(ahead, { axes: [1], dtype: 'f64' }), k), weight);
}

/** Counts of each class: rows that are and were predicted, rows that were predicted, rows that are. */
function score(kind: Score, predictions: TensorLike, targets: TensorLike, options: ScoreOptions): Aggregate {
  const { ignored, threshold } = checkScore(kind, options);
  const [x, y] = [predictions.toTensor(), targets.toTensor()];
  const single = sameShape(x.shape, y.shape);
  const average = options.average ?? (single ? 'binary' : 'macro');
  let [predicted, rows, labels, classes] = [x, 0, y, 2];
  if (single) {
    rows = sizeOf(x.shape);
    predicted = cast(less(threshold, reshape(x, [rows])), 'i32');
    labels = cast(reshape(y, [rows]), 'i32');
  } else {
    const of = classRows(kind, x, y);
    [rows, classes] = of.rows.shape as [number, number];
    if (average === 'binary' && classes !== 2) {
      throw new OptionError(`${kind}: option average: expected another than binary for ${classes} classes`, {
        option: 'average',
      });
    }
    predicted = argmax(of.rows, { axis: 1 });
    labels = of.of;
  }
  const known = counted(labels, ignored);
  const ones = known.weight ?? x.graph.constant(new Float64Array(rows).fill(1), [rows], 'f64');
  const hit = mul(ones, equal(cast(predicted, 'f64'), cast(known.labels, 'f64')));
  const per = (value: Tensor, index: Tensor): Tensor => scatterAdd(value, index, { rows: classes });
  return {
    summed: { hits: per(hit, predicted), predicted: per(ones, predicted), actual: per(ones, known.labels) },
    finish: (sums) => scoreOf(kind, average, sums),
  };
}

/**
 * Metric: of the rows predicted as a class, how many are of it. Predictions are logits [..., classes] with labels [...], or one score a row with targets
 * 0 and 1 of the same shape. 0 where nothing was predicted. As `sklearn.metrics.precision_score`.
 */
export const precision = (predictions: TensorLike, targets: TensorLike, options: ScoreOptions = {}): Aggregate =>
  score('precision', predictions, targets, options);
/** Metric: of the rows of a class, how many were predicted as such. Else as `precision`. */
export const recall = (predictions: TensorLike, targets: TensorLike, options: ScoreOptions = {}): Aggregate =>
  score('recall', predictions, targets, options);
/** Metric: the harmonic mean of precision and recall of each class. Else as `precision`. */
export const f1 = (predictions: TensorLike, targets: TensorLike, options: ScoreOptions = {}): Aggregate =>
  score('f1', predictions, targets, options);

/** What the counts make. Classes of which there is nothing, predicted or not, are left out of a mean. */
function scoreOf(kind: Score, average: NonNullable<ScoreOptions['average']>, { hits, predicted, actual }: Sums): number {
  const of = (h: number, p: number, a: number): number => {
    const [above, below] = kind === 'precision' ? [h, p] : kind === 'recall' ? [h, a] : [2 * h, p + a];
    return below === 0 ? 0 : above / below;
  };
  const add = (xs: Float64Array): number => xs.reduce((a, b) => a + b, 0);
  if (average === 'binary') return of(hits![1]!, predicted![1]!, actual![1]!);
  if (average === 'micro') return of(add(hits!), add(predicted!), add(actual!));
  let [sumOf, weights] = [0, 0];
  hits!.forEach((h, c) => {
    const weight = average === 'weighted' ? actual![c]! : Number(predicted![c]! + actual![c]! > 0);
    sumOf += weight * of(h, predicted![c]!, actual![c]!);
    weights += weight;
  });
  return weights === 0 ? 0 : sumOf / weights;
}

// ---- streaming ---------------------------------------------------------------------------------------------------

/** Where row r of logits is largest; the first of equals. */
function largest(x: ArrayLike<number>, r: number, classes: number): number {
  let best = 0;
  for (let c = 1; c < classes; c++) if (x[r * classes + c]! > x[r * classes + best]!) best = c;
  return best;
}

const isClasses = (x: ArrayLike<number>): boolean =>
  x instanceof Int32Array || x instanceof Uint8Array || Array.from({ length: x.length }, (_, i) => x[i]!).every(Number.isInteger);

/** A class for each row, from logits, classes, or scores above a threshold. */
function predictedClasses(
  op: string,
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  threshold: number | null,
): (r: number) => number {
  const classes = classesOf(op, x, y);
  if (classes > 1) return (r) => largest(x, r, classes);
  if (threshold === null || x instanceof Int32Array || x instanceof Uint8Array) {
    if (!isClasses(x))
      throw new ShapeError(`${op}: expected logits of several classes a row, or classes, got one fraction a row`);
    return (r) => x[r]!;
  }
  return (r) => Number(x[r]! > threshold);
}

function checkClass(op: string, value: number): number {
  if (Number.isInteger(value) && value >= 0) return value;
  throw new ShapeError(`${op}: expected classes as whole numbers from 0, got ${value}`);
}

abstract class Share implements Metric {
  protected readonly ignored: number | null;
  #hits = 0;
  #rows = 0;
  constructor(op: string, options: IgnoreOptions) {
    this.ignored = checkIgnored(op, options);
  }
  protected abstract hit(x: ArrayLike<number>, y: ArrayLike<number>): (r: number) => boolean;
  update(predictions: Values, labels: Values): this {
    const [x, y] = [dataOf(predictions), dataOf(labels)];
    const hit = this.hit(x, y);
    for (let r = 0; r < y.length; r++) {
      if (y[r] === this.ignored) continue;
      this.#hits += Number(hit(r));
      this.#rows++;
    }
    return this;
  }
  result(): number {
    return this.#hits / this.#rows;
  }
  reset(): this {
    this.#hits = 0;
    this.#rows = 0;
    return this;
  }
  merge(other: this): this {
    this.#hits += other.#hits;
    this.#rows += other.#rows;
    return this;
  }
}

/** Share of rows that are predicted right, streaming: logits or classes against labels. */
export class Accuracy extends Share {
  /** @throws OptionError */
  constructor(options: IgnoreOptions = {}) {
    checkOptions('Accuracy', options, ['ignoreIndex']);
    super('Accuracy', options);
  }
  protected hit(x: ArrayLike<number>, y: ArrayLike<number>): (r: number) => boolean {
    const of = predictedClasses('Accuracy', x, y, null);
    return (r) => of(r) === y[r];
  }
}

/** Share of rows whose label is among the k largest logits, streaming; see `topK`. */
export class TopK extends Share {
  readonly #k: number;
  /** @throws OptionError */
  constructor(options: TopKOptions = {}) {
    checkOptions('TopK', options, ['k', 'ignoreIndex']);
    super('TopK', options);
    this.#k = checkK('TopK', options.k);
  }
  protected hit(x: ArrayLike<number>, y: ArrayLike<number>): (r: number) => boolean {
    const classes = classesOf('TopK', x, y);
    return (r) => {
      const label = checkClass('TopK', y[r]!);
      const own = x[r * classes + label]!;
      let ahead = 0;
      for (let c = 0; c < classes; c++) {
        const v = x[r * classes + c]!;
        if (!(v < own) && !(v === own && c >= label)) ahead++;
      }
      return ahead < this.#k;
    };
  }
}

abstract class Scores implements Metric {
  readonly #kind: Score;
  readonly #average: ScoreOptions['average'];
  readonly #checked: { ignored: number | null; threshold: number };
  readonly #counts = new ConfusionMatrix();
  #single = true;
  constructor(kind: Score, options: ScoreOptions) {
    this.#kind = kind;
    this.#checked = checkScore(kind, options);
    this.#average = options.average;
  }
  update(predictions: Values, targets: Values): this {
    const [x, y] = [dataOf(predictions), dataOf(targets)];
    const { ignored, threshold } = this.#checked;
    const of = predictedClasses(this.#kind, x, y, threshold);
    this.#single &&= classesOf(this.#kind, x, y) === 1 && !(x instanceof Int32Array || x instanceof Uint8Array);
    for (let r = 0; r < y.length; r++) if (y[r] !== ignored) this.#counts.add(of(r), y[r]!);
    return this;
  }
  result(): number {
    const size = Math.max(2, this.#counts.classes);
    const sums = { hits: new Float64Array(size), predicted: new Float64Array(size), actual: new Float64Array(size) };
    for (const [actual, predicted, n] of this.#counts.cells()) {
      sums.actual[actual]! += n;
      sums.predicted[predicted]! += n;
      if (actual === predicted) sums.hits[actual]! += n;
    }
    return scoreOf(this.#kind, this.#average ?? (this.#single ? 'binary' : 'macro'), sums);
  }
  reset(): this {
    this.#counts.reset();
    this.#single = true;
    return this;
  }
  merge(other: this): this {
    this.#counts.merge(other.#counts);
    this.#single &&= other.#single;
    return this;
  }
}

/** Precision, streaming: logits, scores or classes against labels; see `precision`. */
export class Precision extends Scores {
  /** @throws OptionError */
  constructor(options: ScoreOptions = {}) {
    super('precision', options);
  }
}
/** Recall, streaming; see `recall`. */
export class Recall extends Scores {
  /** @throws OptionError */
  constructor(options: ScoreOptions = {}) {
    super('recall', options);
  }
}
/** F1, streaming; see `f1`. */
export class F1 extends Scores {
  /** @throws OptionError */
  constructor(options: ScoreOptions = {}) {
    super('f1', options);
  }
}

/** How often a row of class i was predicted as class j: `result()[i][j]`. Logits or classes against labels. */
export class ConfusionMatrix implements Metric<number[][]> {
  #counts = new Map<number, number>();
  #classes = 0;
  // Pairs are keyed by one number: classes are below it.
  static readonly #most = 2 ** 26;

  /** Count one row. */
  add(predicted: number, actual: number): void {
    const most = ConfusionMatrix.#most;
    const key = checkClass('ConfusionMatrix', actual) * most + checkClass('ConfusionMatrix', predicted);
    if (actual >= most || predicted >= most) throw new ShapeError(`ConfusionMatrix: expected classes below ${most}`);
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    this.#classes = Math.max(this.#classes, actual + 1, predicted + 1);
  }
  update(predictions: Values, labels: Values): this {
    const [x, y] = [dataOf(predictions), dataOf(labels)];
    const of = predictedClasses('ConfusionMatrix', x, y, null);
    for (let r = 0; r < y.length; r++) this.add(of(r), y[r]!);
    return this;
  }
  /** A row for each class up to the largest that occurred. */
  result(): number[][] {
    const n = this.#classes;
    const matrix = Array.from({ length: n }, () => new Array<number>(n).fill(0));
    for (const [actual, predicted, count] of this.cells()) matrix[actual]![predicted] = count;
    return matrix;
  }
  /** The cells that are not 0: the class, what it was predicted as, how often. */
  *cells(): Generator<readonly [actual: number, predicted: number, count: number]> {
    const most = ConfusionMatrix.#most;
    for (const [key, count] of this.#counts) yield [Math.floor(key / most), key % most, count];
  }
  /** One more than the largest class that occurred. */
  get classes(): number {
    return this.#classes;
  }
  reset(): this {
    this.#counts.clear();
    this.#classes = 0;
    return this;
  }
  merge(other: this): this {
    for (const [key, count] of other.#counts) this.#counts.set(key, (this.#counts.get(key) ?? 0) + count);
    this.#classes = Math.max(this.#classes, other.#classes);
    return this;
  }
}
