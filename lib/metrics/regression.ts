// regression.ts: metrics of predicted numbers: mean absolute error, root mean square error, R2.
import { ShapeError } from '../errors.ts';
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { sameShape, sizeOf } from '../ir/op.ts';
import { size } from '../nn/fields.ts';
import { tensor } from '../ops/args.ts';
import { abs, add, cast, square, sub } from '../ops/elementwise/elementwise.ts';
import { mean, sum } from '../ops/reduce/reduce.ts';
import { reshape } from '../ops/shape/shape.ts';
import { slice } from '../ops/shape/slice.ts';
import { options, signature } from '../options/index.ts';
import { type Aggregate, type Checked, checked, type Sums, type Values } from './aggregate.ts';
import { pairs } from './arrays.ts';
import { type Kind, kind, type Reading, Streaming, Summing } from './streaming.ts';

/** Prediction and target as [rows, outputs], in f64. */
function outputs(op: string, x: Tensor, y: Tensor): [Tensor, Tensor] {
  if (!sameShape(x.shape, y.shape)) throw new ShapeError(`${op}: expected a target of [${x.shape}], got [${y.shape}]`);
  if (x.shape.length === 0) throw new ShapeError(`${op}: expected rows, got a scalar`);
  const rows = x.shape[0]!;
  return [x, y].map((t) => cast(reshape(t, [rows, sizeOf(t.shape.slice(1))]), 'f64')) as [Tensor, Tensor];
}

const OPERANDS = { prediction: tensor, target: tensor };
const readMae = signature('metrics.mae', OPERANDS);
const readRmse = signature('metrics.rmse', OPERANDS);
const readR2 = signature('metrics.r2', OPERANDS);

/**
 * Mean of |prediction - target| over all elements.
 * @shape prediction [...], target [...] -> one number for all rows
 * @throws OptionError; ShapeError unless both are of one shape
 * @see sklearn.metrics.mean_absolute_error
 */
export function mae(prediction: TensorLike, target: TensorLike): Aggregate {
  const { prediction: x, target: y } = readMae(arguments);
  return measureMae('mae', x, y);
}

function measureMae(op: string, prediction: Tensor, target: Tensor): Checked {
  const [x, y] = outputs(op, prediction, target);
  return meanOf(abs(sub(x, y)), (mean) => mean);
}

/**
 * The root of the mean of (prediction - target)^2 over all elements of the data set.
 * @shape prediction [...], target [...] -> one number for all rows
 * @throws OptionError; ShapeError unless both are of one shape
 * @see sklearn.metrics.root_mean_squared_error
 */
export function rmse(prediction: TensorLike, target: TensorLike): Aggregate {
  const { prediction: x, target: y } = readRmse(arguments);
  return measureRmse('rmse', x, y);
}

function measureRmse(op: string, prediction: Tensor, target: Tensor): Checked {
  const [x, y] = outputs(op, prediction, target);
  return meanOf(square(sub(x, y)), Math.sqrt);
}

function meanOf(values: Tensor, finish: (mean: number) => number): Checked {
  const count = values.graph.scalar(sizeOf(values.shape), 'f64');
  const summed = { total: sum(values), count };
  return checked({ summed, finish: ({ total, count }) => finish(total![0]! / count![0]!) }, []);
}

/**
 * 1 - (sum of squared errors) / (sum of squared deviations of the targets from their mean), over the whole data set;
 * the mean over outputs where there are several. Where all targets are equal it is 1 if they are met exactly, else 0;
 * NaN for fewer than 2 rows.
 * @shape prediction [rows, ...], target [rows, ...] -> one number for all rows
 * @throws OptionError; ShapeError unless both are of one shape
 * @see sklearn.metrics.r2_score
 */
export function r2(prediction: TensorLike, target: TensorLike): Aggregate {
  const { prediction: x, target: y } = readR2(arguments);
  return measureR2('r2', x, y);
}

interface CheckedR2 extends Checked {
  /** Sums of batches, joined. */
  moments(sums: Sums): Moments;
}

function measureR2(op: string, prediction: Tensor, target: Tensor): CheckedR2 {
  const [x, y] = outputs(op, prediction, target);
  const column = { axes: [0] } as const;
  const [rows, width] = x.shape as [number, number];
  // From the first target on, so that equal ones do not deviate from their mean by its rounding.
  const first = slice(y, { axis: 0, start: 0, end: Math.min(1, rows) });
  const from = sub(y, first);
  const shift = mean(from, { axes: [0], keepDims: true });
  const moments = ({ rows, error, mean, spread }: Sums): Moments => {
    const all = new Moments(width);
    for (const [b, n] of rows!.entries()) {
      const part = (a: Float64Array): Float64Array => a.subarray(b * width, (b + 1) * width);
      all.join(n, part(error!), part(mean!), part(spread!));
    }
    return all;
  };
  // Means of batches are not added up but joined, which loses no digits where the mean is large.
  const kept = {
    rows: x.graph.constant(Float64Array.of(rows), [1], 'f64'),
    error: sum(square(sub(x, y)), column),
    mean: reshape(add(first, shift), [width]),
    spread: sum(square(sub(from, shift)), column),
  };
  return { ...checked({ kept, finish: (sums) => moments(sums).r2() }, []), moments };
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
    if (this.rows < 2) return Number.NaN;
    const each = Array.from(this.error, (e, d) => {
      const spread = this.spread[d]!;
      return spread === 0 && e >= 0 ? Number(e === 0) : 1 - e / spread;
    });
    return each.reduce((a, b) => a + b, 0) / each.length;
  }
}

// ---- over arrays -------------------------------------------------------------------------------------------------

const NONE = options<Record<never, never>>()({});
const maeKind = kind('MAE', NONE);
const rmseKind = kind('RMSE', NONE);

/**
 * Mean absolute error over arrays.
 * @shape predictions [...], targets [...] -> a number
 * @throws OptionError; ShapeError of `update` if shapes do not fit
 * @see sklearn.metrics.mean_absolute_error
 */
export class MAE extends Summing {
  /** @throws OptionError */
  constructor(options: Record<string, never> = {}) {
    super(maeKind, maeKind.made(arguments), (op, predictions, targets) => ({
      batch: pairs(op, predictions, targets, () => 1),
      build: (x, y) => measureMae(op, x, y),
    }));
  }
}

/**
 * Root of the mean square error over arrays.
 * @shape predictions [...], targets [...] -> a number
 * @throws OptionError; ShapeError of `update` if shapes do not fit
 * @see sklearn.metrics.root_mean_squared_error
 */
export class RMSE extends Summing {
  /** @throws OptionError */
  constructor(options: Record<string, never> = {}) {
    super(rmseKind, rmseKind.made(arguments), (op, predictions, targets) => ({
      batch: pairs(op, predictions, targets, () => 1),
      build: (x, y) => measureRmse(op, x, y),
    }));
  }
}

/** Options of `metrics.R2`. */
export interface R2Options {
  /** How many a row has, where the arrays have no shape that says it. Default 1. */
  readonly outputs?: number;
}

const r2Kind: Kind<{ readonly outputs: number | undefined }> = kind('R2', options<R2Options>()({ outputs: size.optional() }));

/** What R2 counts. */
abstract class Squares extends Streaming<number, CheckedR2> {
  readonly #outputs: number | null;
  #moments: Moments | null = null;

  constructor(read: { readonly outputs: number | undefined }) {
    super(r2Kind, read);
    this.#outputs = read.outputs ?? null;
  }

  protected read(predictions: Values, targets: Values): Reading<CheckedR2> {
    const width = (shape: readonly number[] | null): number => {
      const own = shape && sizeOf(shape.slice(1));
      const known = this.#outputs ?? own ?? 1;
      // A shape of one dimension says nothing of outputs.
      if (own !== null && own !== known && shape!.length > 1)
        throw new ShapeError(`R2: expected rows of ${known} outputs, got ${own}`);
      if (this.#moments && this.#moments.mean.length !== known) {
        throw new ShapeError(`R2: expected rows of ${this.#moments.mean.length} outputs as before, got ${known}`);
      }
      return known;
    };
    return { batch: pairs(this.op, predictions, targets, width), build: (x, y) => measureR2(this.op, x, y) };
  }
  protected take(sums: Sums, { moments }: CheckedR2): void {
    const batch = moments(sums);
    this.#moments ??= new Moments(batch.mean.length);
    this.#moments.join(batch.rows, batch.error, batch.mean, batch.spread);
  }
  result(): number {
    this.kind.result(arguments);
    return this.#moments?.r2() ?? Number.NaN;
  }
  reset(): this {
    this.kind.reset(arguments);
    this.#moments = null;
    return this;
  }
  protected join(other: this): void {
    if (!other.#moments) return;
    const { rows, error, mean, spread } = other.#moments;
    this.#moments ??= new Moments(mean.length);
    if (mean.length !== this.#moments.mean.length) {
      throw new ShapeError(`R2: merge: expected ${this.#moments.mean.length} outputs, got ${mean.length}`);
    }
    this.#moments.join(rows, error, mean, spread);
  }
}

/**
 * Coefficient of determination over arrays; see `r2`.
 * @shape predictions [rows, ...], targets [rows, ...] -> a number
 * @throws OptionError; ShapeError of `update` if shapes do not fit
 * @see sklearn.metrics.r2_score
 */
export class R2 extends Squares {
  /** @throws OptionError */
  constructor(options: R2Options = {}) {
    super(r2Kind.made(arguments));
  }
}
