// scores.ts: precision, recall, F1 and the confusion matrix, as functions and over arrays.
import { DataError, OptionError } from '../errors.ts';
import type { Tensor, TensorLike } from '../ir/graph.ts';
import {
  checkReading,
  type IgnoreOptions,
  type IgnoreRead,
  ignoreFields,
  type ReadingOptions,
  type ReadingRead,
  type Rows,
  readingFields,
  readRows,
} from '../nn/loss/rows.ts';
import { tensor } from '../ops/args.ts';
import { cast, equal, mul, sub, where } from '../ops/elementwise/elementwise.ts';
import { sum } from '../ops/reduce/reduce.ts';
import { scatterAdd } from '../ops/rows/gather.ts';
import { choice, custom, options, signature } from '../options/index.ts';
import { type Aggregate, type Checked, checked, type Sums, type Values } from './aggregate.ts';
import { classRows } from './arrays.ts';
import { type Kind, kind, type Reading, Streaming } from './streaming.ts';

/**
 * Options of `metrics.F1`, `metrics.Precision`, `metrics.Recall`, `metrics.f1`, `metrics.precision` and
 * `metrics.recall`.
 */
export interface ScoreOptions extends IgnoreOptions, ReadingOptions {
  /**
   * `binary`: of class 1, where there are no others than 0 and 1; `micro`: of all rows together; `macro`: the mean over the classes that occur;
   * `weighted`: that weighted by their rows. Default: `binary` for one score a row, else `macro`.
   */
  readonly average?: 'binary' | 'micro' | 'macro' | 'weighted';
  /** What a class has of which nothing was predicted (precision), none are (recall), or neither (F1). NaN leaves it out of means. Default 0. */
  readonly zeroDivision?: number;
}
export type Score = 'precision' | 'recall' | 'f1';
type Average = NonNullable<ScoreOptions['average']>;

/** The options as read. */
interface ScoreRead extends ReadingRead, IgnoreRead {
  readonly average: Average | undefined;
  readonly zeroDivision: number;
}
const zeroDivision = custom<number>('0, 1 or NaN', (value, place) => {
  if (value === 0 || value === 1 || Number.isNaN(value)) return value as number;
  throw place.wrong('0, 1 or NaN', value);
});
const scoreOptions = options<ScoreOptions>()({
  ...ignoreFields,
  ...readingFields,
  average: choice('binary', 'micro', 'macro', 'weighted').optional(),
  zeroDivision: zeroDivision.default(0),
});

/** `binary` is for two classes. */
function checkBinary(op: string, classes: number): void {
  if (classes > 2) {
    const message = `${op}: option average: expected another than binary for ${classes} classes`;
    throw new OptionError(message, { option: 'average' });
  }
}

/** For each row that counts the class predicted and the class it is; NaN where it does not count. */
function pairsOf({ predicted, labels }: Rows): Aggregate['kept'] & object {
  return { predicted, actual: labels.weight ? where(labels.weight, labels.of, Number.NaN) : labels.of };
}

function score(kind: Score, x: Tensor, y: Tensor, read: ScoreRead): Aggregate {
  const rows = readRows(kind, x, y, read);
  const { classes, predicted, labels, count } = rows;
  const average = read.average ?? (rows.single ? 'binary' : 'macro');
  if (average === 'binary') checkBinary(kind, classes ?? 2);
  if (classes === null) {
    const finish = (sums: Sums): number => new Counts().add(sums).score(kind, average, read);
    return checked({ kept: pairsOf(rows), finish }, rows.faults);
  }
  const { graph } = predicted;
  const ones = labels.weight ?? graph.constant(new Float64Array(count).fill(1), [count], 'f64');
  const known = equal(predicted, predicted);
  const there = cast(where(known, predicted, 0), 'i32');
  const per = (values: Tensor, index: Tensor): Tensor => scatterAdd(values, index, { rows: classes });
  return checked(
    {
      summed: {
        hits: per(mul(ones, equal(predicted, labels.of)), there),
        predicted: per(ones, there),
        actual: per(ones, cast(labels.of, 'i32')),
        unknown: sum(mul(ones, sub(1, known))),
      },
      finish: (sums) => scoreOf(kind, average, sums, read),
    },
    rows.faults,
  );
}

const OPERANDS = { predicted: tensor, targets: tensor };
const readPrecision = signature('metrics.precision', OPERANDS, scoreOptions);
const readRecall = signature('metrics.recall', OPERANDS, scoreOptions);
const readF1 = signature('metrics.f1', OPERANDS, scoreOptions);

/**
 * Of the rows predicted as a class, how many are of it. Predictions are logits; one score a row, with labels 0 and 1;
 * or classes, i32 or u8. NaN where a score is NaN, or no row counts.
 * @shape predicted [..., classes], [..., 1] or [...], targets [...] -> one number for all rows
 * @throws OptionError; ShapeError if the shapes do not fit
 * @see sklearn.metrics.precision_score
 */
export function precision(predicted: TensorLike, targets: TensorLike, options: ScoreOptions = {}): Aggregate {
  const { predicted: x, targets: y, ...read } = readPrecision(arguments);
  return score('precision', x, y, read);
}
/**
 * Of the rows of a class, how many were predicted as such. Else as `precision`.
 * @shape predicted [..., classes], [..., 1] or [...], targets [...] -> one number for all rows
 * @throws OptionError; ShapeError if the shapes do not fit
 * @see sklearn.metrics.recall_score
 */
export function recall(predicted: TensorLike, targets: TensorLike, options: ScoreOptions = {}): Aggregate {
  const { predicted: x, targets: y, ...read } = readRecall(arguments);
  return score('recall', x, y, read);
}
/**
 * The harmonic mean of precision and recall of each class. Else as `precision`.
 * @shape predicted [..., classes], [..., 1] or [...], targets [...] -> one number for all rows
 * @throws OptionError; ShapeError if the shapes do not fit
 * @see sklearn.metrics.f1_score
 */
export function f1(predicted: TensorLike, targets: TensorLike, options: ScoreOptions = {}): Aggregate {
  const { predicted: x, targets: y, ...read } = readF1(arguments);
  return score('f1', x, y, read);
}

/** What counts of each class make: rows that are and were predicted, rows that were predicted, rows that are. Classes that do not occur are left out. */
function scoreOf(kind: Score, average: Average, sums: Sums, { zeroDivision }: { readonly zeroDivision: number }): number {
  const { hits, predicted, actual, unknown } = sums as Record<keyof ClassSums, Float64Array>;
  const add = (xs: Float64Array): number => xs.reduce((a, b) => a + b, 0);
  if (unknown[0]! > 0 || add(actual) === 0) return Number.NaN;
  const of = (h: number, p: number, a: number): number => {
    const [above, below] = kind === 'precision' ? [h, p] : kind === 'recall' ? [h, a] : [2 * h, p + a];
    return below === 0 ? zeroDivision : above / below;
  };
  if (average === 'binary') return of(hits[1]!, predicted[1]!, actual[1]!);
  if (average === 'micro') return of(add(hits), add(predicted), add(actual));
  let [sumOf, weights] = [0, 0];
  hits.forEach((h, c) => {
    const value = of(h, predicted[c]!, actual[c]!);
    const weight = average === 'weighted' ? actual[c]! : Number(predicted[c]! + actual[c]! > 0);
    if (weight === 0 || Number.isNaN(value)) return;
    sumOf += weight * value;
    weights += weight;
  });
  return sumOf / weights;
}

type ClassSums = Record<'hits' | 'predicted' | 'actual' | 'unknown', Float64Array>;

/** How often a row of a class was predicted as another: classes may be any, and few of many. */
class Counts {
  readonly #cells = new Map<number, Map<number, number>>();
  /** One more than the largest class that occurred. */
  classes = 0;
  /** Rows whose score is NaN. */
  unknown = 0;

  add({ predicted, actual }: Sums): this {
    for (const [r, a] of actual!.entries()) {
      if (Number.isNaN(a)) continue;
      const p = predicted![r]!;
      if (Number.isNaN(p)) this.unknown++;
      else this.#count(a, p, 1);
    }
    return this;
  }
  #count(actual: number, predicted: number, n: number): void {
    const row = this.#cells.get(actual) ?? new Map<number, number>();
    this.#cells.set(actual, row.set(predicted, (row.get(predicted) ?? 0) + n));
    this.classes = Math.max(this.classes, actual + 1, predicted + 1);
  }
  join(other: Counts): void {
    this.unknown += other.unknown;
    for (const [actual, predicted, n] of [...other.cells()]) this.#count(actual, predicted, n);
  }
  *cells(): Generator<readonly [actual: number, predicted: number, count: number]> {
    for (const [actual, row] of this.#cells) for (const [predicted, n] of row) yield [actual, predicted, n];
  }
  score(kind: Score, average: Average, read: { readonly zeroDivision: number }): number {
    if (average === 'binary') checkBinary(kind, this.classes);
    // Classes that occur, side by side; 0 and 1 stand first.
    const at = new Map([0, 1].map((c) => [c, c]));
    const place = (c: number): number => at.get(c) ?? at.set(c, at.size).size - 1;
    const cells = Array.from(this.cells(), ([a, p, n]) => [place(a), place(p), n] as const);
    const zeros = (): Float64Array => new Float64Array(at.size);
    const sums: ClassSums = { hits: zeros(), predicted: zeros(), actual: zeros(), unknown: Float64Array.of(this.unknown) };
    for (const [a, p, n] of cells) {
      sums.actual[a]! += n;
      sums.predicted[p]! += n;
      if (a === p) sums.hits[a]! += n;
    }
    return scoreOf(kind, average, sums, read);
  }
}

// ---- over arrays -------------------------------------------------------------------------------------------------

interface Counted extends Checked {
  readonly rows: Rows;
}

/** What counts pairs of classes. */
abstract class Counting<R> extends Streaming<R, Counted> {
  protected counts: Counts = new Counts();
  readonly #options: ReadingRead & IgnoreRead;
  constructor(kind: Kind<object>, read: ReadingRead & IgnoreRead) {
    super(kind, read);
    checkReading(`metrics.${kind.name}`, read);
    this.#options = read;
  }
  protected read(predictions: Values, labels: Values): Reading<Counted> {
    const { batch, reading } = classRows(this.op, predictions, labels, this.#options);
    const build = (x: Tensor, y: Tensor): Counted => {
      const rows = readRows(this.op, x, y, { ...this.#options, ...reading });
      return { ...checked({ kept: pairsOf(rows), finish: () => Number.NaN }, rows.faults), rows };
    };
    return { batch, build };
  }
  protected take(sums: Sums, _: Counted): void {
    this.counts.add(sums);
  }
  reset(): this {
    this.kind.reset(arguments);
    this.counts = new Counts();
    return this;
  }
  protected join(other: this): void {
    this.counts.join(other.counts);
  }
}

abstract class Scores extends Counting<number> {
  readonly #score: Score;
  readonly #options: ScoreRead;
  #single = true;
  constructor(kind: Kind<object>, score: Score, read: ScoreRead) {
    super(kind, read);
    this.#score = score;
    this.#options = read;
  }
  protected override take(sums: Sums, measured: Counted): void {
    const { classes, single } = measured.rows;
    if (this.#options.average === 'binary') checkBinary(this.op, classes ?? 2);
    super.take(sums, measured);
    this.#single &&= single;
  }
  result(): number {
    this.kind.result(arguments);
    return this.counts.score(this.#score, this.#options.average ?? (this.#single ? 'binary' : 'macro'), this.#options);
  }
  override reset(): this {
    this.#single = true;
    return super.reset();
  }
  protected override join(other: this): void {
    super.join(other);
    this.#single &&= other.#single;
  }
}

const precisionKind = kind('Precision', scoreOptions);
const recallKind = kind('Recall', scoreOptions);
const f1Kind = kind('F1', scoreOptions);

/**
 * Precision over arrays: logits, scores or classes against labels; see `precision`.
 * @shape predictions [..., classes], [..., 1] or [...], labels [...] -> a number
 * @throws OptionError; ShapeError of `update` if shapes do not fit
 * @see sklearn.metrics.precision_score
 */
export class Precision extends Scores {
  /** @throws OptionError */
  constructor(options: ScoreOptions = {}) {
    super(precisionKind, 'precision', precisionKind.made(arguments));
  }
}
/**
 * Recall over arrays; see `recall`.
 * @shape predictions [..., classes], [..., 1] or [...], labels [...] -> a number
 * @throws OptionError; ShapeError of `update` if shapes do not fit
 * @see sklearn.metrics.recall_score
 */
export class Recall extends Scores {
  /** @throws OptionError */
  constructor(options: ScoreOptions = {}) {
    super(recallKind, 'recall', recallKind.made(arguments));
  }
}
/**
 * The harmonic mean of precision and recall over arrays; see `f1`.
 * @shape predictions [..., classes], [..., 1] or [...], labels [...] -> a number
 * @throws OptionError; ShapeError of `update` if shapes do not fit
 * @see sklearn.metrics.f1_score
 */
export class F1 extends Scores {
  /** @throws OptionError */
  constructor(options: ScoreOptions = {}) {
    super(f1Kind, 'f1', f1Kind.made(arguments));
  }
}

/** Options of `metrics.ConfusionMatrix`. */
export interface ConfusionMatrixOptions extends ReadingOptions, IgnoreOptions {}

// A matrix is made for this many classes at most.
const MOST_CLASSES = 1 << 13;

const matrixKind = kind('ConfusionMatrix', options<ConfusionMatrixOptions>()({ ...ignoreFields, ...readingFields }));
const readCells = signature('metrics.ConfusionMatrix.cells', {});

/**
 * How often a row of class i was predicted as class j: `result()[i][j]`. Logits, scores or classes against labels.
 * @shape predictions [..., classes], [..., 1] or [...], labels [...] -> [classes][classes]
 * @throws OptionError; ShapeError of `update` if shapes do not fit
 * @see sklearn.metrics.confusion_matrix
 */
export class ConfusionMatrix extends Counting<number[][]> {
  /** @throws OptionError */
  constructor(options: ConfusionMatrixOptions = {}) {
    super(matrixKind, matrixKind.made(arguments));
  }
  /** A row for each class up to the largest that occurred. @throws DataError where a score was NaN, or for more than 8192 classes */
  result(): number[][] {
    this.kind.result(arguments);
    const { classes: n, unknown } = this.counts;
    if (unknown > 0) throw new DataError(`ConfusionMatrix: the scores of ${unknown} rows are NaN`, { rows: unknown });
    if (n > MOST_CLASSES)
      throw new DataError(`ConfusionMatrix: expected at most ${MOST_CLASSES} classes, got ${n}`, { classes: n });
    const matrix = Array.from({ length: n }, () => new Array<number>(n).fill(0));
    for (const [actual, predicted, count] of this.counts.cells()) matrix[actual]![predicted] = count;
    return matrix;
  }
  /**
   * The cells that are not 0: the class, what it was predicted as, how often.
   * @throws OptionError; DataError where a score was NaN
   */
  cells(): Iterable<readonly [actual: number, predicted: number, count: number]> {
    readCells(arguments);
    return this.counts.cells();
  }
  /** One more than the largest class that occurred. */
  get classes(): number {
    return this.counts.classes;
  }
}
