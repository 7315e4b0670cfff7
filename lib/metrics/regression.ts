// regression.ts: metrics of predicted numbers: mean absolute error, root mean square error, R2; and the perplexity of predicted classes.
import { ShapeError } from '../errors.ts';
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { sameShape, sizeOf } from '../ir/op.ts';
import { exp, log, squareOf } from '../math/index.ts';
import { crossEntropy } from '../nn/loss/labels.ts';
import { ratioOf } from '../nn/loss/reduction.ts';
import { abs, cast, square, sub } from '../ops/elementwise.ts';
import { mean, sum } from '../ops/reduce.ts';
import { reshape } from '../ops/shape.ts';
import { checkNumber, checkOptions } from '../options.ts';
import { type Aggregate, dataOf, type Metric, type Values } from './aggregate.ts';

/** Prediction and target as [rows, outputs], in f64. */
function outputs(op: string, prediction: TensorLike, target: TensorLike): [Tensor, Tensor] {
  const [x, y] = [prediction.toTensor(), target.toTensor()];
  if (!sameShape(x.shape, y.shape)) throw new ShapeError(`${op}: expected a target of [${x.shape}], got [${y.shape}]`);
  if (x.shape.length === 0) throw new ShapeError(`${op}: expected rows, got a scalar`);
  const rows = x.shape[0]!;
  return [x, y].map((t) => cast(reshape(t, [rows, sizeOf(t.shape.slice(1))]), 'f64')) as [Tensor, Tensor];
}

/** Metric: mean of |prediction - target| over all elements. */
export function mae(prediction: TensorLike, target: TensorLike): Tensor {
  const [x, y] = outputs('mae', prediction, target);
  return mean(abs(sub(x, y)), { dtype: 'f64' });
}

/** Metric: the root of the mean of (prediction - target)^2 over all elements of the data set. */
export function rmse(prediction: TensorLike, target: TensorLike): Aggregate {
  const [x, y] = outputs('rmse', prediction, target);
  const count = Float64Array.of(sizeOf(x.shape));
  return {
    summed: { squares: sum(square(sub(x, y)), { dtype: 'f64' }), count: x.graph.constant(count, [], 'f64') },
    finish: ({ squares, count }) => Math.sqrt(squares![0]! / count![0]!),
  };
}

/**
 * Metric: 1 - (sum of squared errors) / (sum of squared deviations of the targets from their mean), over the whole data set; the mean over outputs
 * where there are several. Where all targets are equal it is 1 if they are met exactly, else 0. As `sklearn.metrics.r2_score`.
 */
export function r2(prediction: TensorLike, target: TensorLike): Aggregate {
  const [x, y] = outputs('r2', prediction, target);
  const centre = mean(y, { axes: [0], keepDims: true });
  const column = { axes: [0], dtype: 'f64' } as const;
  const [rows, width] = x.shape as [number, number];
  return {
    // Means of batches are not added up but joined, which loses no digits where the mean is large.
    kept: {
      rows: x.graph.constant(Float64Array.of(rows), [1], 'f64'),
      error: sum(square(sub(x, y)), column),
      mean: reshape(centre, [width]),
      spread: sum(square(sub(y, centre)), column),
    },
    finish({ rows, error, mean, spread }) {
      const all = new Moments(width);
      for (const [b, n] of rows!.entries()) {
        const part = (a: Float64Array): Float64Array => a.subarray(b * width, (b + 1) * width);
        all.join(n, part(error!), part(mean!), part(spread!));
      }
      return all.r2();
    },
  };
}

/** Per output: the sum of squared errors, the mean of the targets, and their squared deviations from it. */
class Moments {
  rows = 0;
  readonly error: Float64Array;
  readonly mean: Float64Array;
  readonly spread: Float64Array;
  constructor(width: number) {
    this.error = new Float64Array(width);
    this.mean = new Float64Array(width);
    this.spread = new Float64Array(width);
  }
  /** Those of further rows (Chan, Golub and LeVeque 1979). */
  join(n: number, error: ArrayLike<number>, mean: ArrayLike<number>, spread: ArrayLike<number>): void {
    if (n === 0) return;
    const total = this.rows + n;
    for (let d = 0; d < this.mean.length; d++) {
      const gap = mean[d]! - this.mean[d]!;
      this.error[d]! += error[d]!;
      this.spread[d]! += spread[d]! + (gap * gap * this.rows * n) / total;
      this.mean[d]! += (gap * n) / total;
    }
    this.rows = total;
  }
  r2(): number {
    if (this.rows === 0) return Number.NaN;
    const each = Array.from(this.error, (e, d) => {
      const spread = this.spread[d]!;
      return spread > 0 ? 1 - e / spread : e === 0 ? 1 : 0;
    });
    return each.reduce((a, b) => a + b, 0) / each.length;
  }
}

export interface PerplexityOptions {
  /** Rows with this label do not count. */
  readonly ignoreIndex?: number;
}

/** Metric: e to the mean cross-entropy of logits [..., classes] against labels [...], over all rows of the data set. */
export function perplexity(logits: TensorLike, labels: TensorLike, options: PerplexityOptions = {}): Aggregate {
  checkOptions('perplexity', options, ['ignoreIndex']);
  const { graph } = logits.toTensor();
  const loss = crossEntropy(logits, labels, { ...options, reduction: options.ignoreIndex === undefined ? 'sum' : 'mean' });
  const count = sizeOf(labels.toTensor().shape);
  const { total, weight } = ratioOf(loss) ?? { total: loss, weight: graph.constant(Float64Array.of(count), [], 'f64') };
  return { summed: { total, weight }, finish: ({ total, weight }) => exp(total![0]! / weight![0]!) };
}

// ---- streaming ---------------------------------------------------------------------------------------------------

abstract class Errors implements Metric {
  protected total = 0;
  protected count = 0;
  protected abstract of(error: number): number;
  abstract result(): number;
  update(predictions: Values, targets: Values): this {
    const [x, y] = [dataOf(predictions), dataOf(targets)];
    expectSame(this.constructor.name, x, y);
    for (let i = 0; i < x.length; i++) this.total += this.of(x[i]! - y[i]!);
    this.count += x.length;
    return this;
  }
  reset(): this {
    this.total = 0;
    this.count = 0;
    return this;
  }
  merge(other: this): this {
    this.total += other.total;
    this.count += other.count;
    return this;
  }
}

function expectSame(op: string, x: ArrayLike<number>, y: ArrayLike<number>): void {
  if (x.length !== y.length) throw new ShapeError(`${op}: expected ${x.length} targets, got ${y.length}`);
}

/** Mean absolute error, streaming. */
export class Mae extends Errors {
  protected of(error: number): number {
    return Math.abs(error);
  }
  result(): number {
    return this.total / this.count;
  }
}

/** Root of the mean square error, streaming. */
export class Rmse extends Errors {
  protected of(error: number): number {
    return error * error;
  }
  result(): number {
    return Math.sqrt(this.total / this.count);
  }
}

/** R2, streaming; see `r2`. Give `outputs` where a row has several. */
export class R2 implements Metric {
  readonly #outputs: number;
  #moments: Moments;

  /** @throws OptionError */
  constructor(options: { readonly outputs?: number } = {}) {
    checkOptions('R2', options, ['outputs']);
    this.#outputs = checkNumber('R2', 'outputs', options.outputs ?? 1, { integer: true, min: 1 });
    this.#moments = new Moments(this.#outputs);
  }

  update(predictions: Values, targets: Values): this {
    const [x, y] = [dataOf(predictions), dataOf(targets)];
    expectSame('R2', x, y);
    const width = this.#outputs;
    if (x.length % width !== 0) throw new ShapeError(`R2: expected rows of ${width} outputs, got ${x.length} values`);
    const batch = { error: new Float64Array(width), mean: new Float64Array(width), spread: new Float64Array(width) };
    const rows = x.length / width;
    for (let i = 0; i < x.length; i++) {
      batch.mean[i % width]! += y[i]! / rows;
      batch.error[i % width]! += squareOf(x[i]! - y[i]!);
    }
    for (let i = 0; i < x.length; i++) batch.spread[i % width]! += squareOf(y[i]! - batch.mean[i % width]!);
    this.#moments.join(rows, batch.error, batch.mean, batch.spread);
    return this;
  }

  result(): number {
    return this.#moments.r2();
  }

  reset(): this {
    this.#moments = new Moments(this.#outputs);
    return this;
  }

  merge(other: this): this {
    if (other.#outputs !== this.#outputs)
      throw new ShapeError(`R2: merge: expected ${this.#outputs} outputs, got ${other.#outputs}`);
    const { rows, error, mean, spread } = other.#moments;
    this.#moments.join(rows, error, mean, spread);
    return this;
  }
}

/** Perplexity of logits (rows of classes) against labels, streaming; see `perplexity`. */
export class Perplexity implements Metric {
  readonly #ignored: number | undefined;
  #total = 0;
  #count = 0;

  /** @throws OptionError */
  constructor(options: PerplexityOptions = {}) {
    checkOptions('Perplexity', options, ['ignoreIndex']);
    this.#ignored = options.ignoreIndex;
    if (this.#ignored !== undefined) checkNumber('Perplexity', 'ignoreIndex', this.#ignored, { integer: true });
  }

  update(logits: Values, labels: Values): this {
    const [x, y] = [dataOf(logits), dataOf(labels)];
    const classes = classesOf('Perplexity', x, y);
    for (let r = 0; r < y.length; r++) {
      if (y[r] === this.#ignored) continue;
      const row = Array.from({ length: classes }, (_, c) => x[r * classes + c]!);
      if (!(y[r]! in row)) throw new ShapeError(`Perplexity: expected labels from 0 to ${classes - 1}, got ${y[r]}`);
      const top = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
      this.#total += top + log(row.reduce((s, v) => s + exp(v - top), 0)) - row[y[r]!]!;
      this.#count++;
    }
    return this;
  }

  result(): number {
    return exp(this.#total / this.#count);
  }

  reset(): this {
    this.#total = 0;
    this.#count = 0;
    return this;
  }

  merge(other: this): this {
    this.#total += other.#total;
    this.#count += other.#count;
    return this;
  }
}

/** How many classes rows of logits have. */
export function classesOf(op: string, logits: ArrayLike<number>, labels: ArrayLike<number>): number {
  if (labels.length === 0 && logits.length === 0) return 1;
  const classes = logits.length / labels.length;
  if (Number.isInteger(classes) && classes >= 1) return classes;
  throw new ShapeError(`${op}: expected a row of logits for each of ${labels.length} labels, got ${logits.length} values`);
}
