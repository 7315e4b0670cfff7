// batch-norm.ts: batch norm layers.
import { OptionError, ShapeError } from '../errors.ts';
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { sizeOf } from '../ir/op.ts';
import { batchNorm } from '../ops/batch-norm.ts';
import { add, cast, div, mul, rsqrt, sub } from '../ops/elementwise.ts';
import { reshape } from '../ops/shape.ts';
import { checkBoolean, checkNumber, checkOptions, show } from '../options.ts';
import { Buffer } from './buffer.ts';
import { ones, zeros } from './init.ts';
import { Module, Parameter } from './module.ts';
import { withOptions } from './repr.ts';

export interface BatchNormOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
  /** How much of a batch's statistics enters the running ones; null: those are the mean over all batches so far. Default 0.1. */
  readonly momentum?: number | null;
  /** Has weight and bias. Default true. */
  readonly affine?: boolean;
  /** Keeps running statistics, for evaluation. Else the batch's own are used there too. Default true. */
  readonly trackRunningStats?: boolean;
}

/** What the batch norm layers share; each says which shapes it takes. */
abstract class BatchNorm extends Module {
  weight: Parameter | null;
  bias: Parameter | null;
  running_mean: Buffer | null;
  running_var: Buffer | null;
  /** Batches seen so far: f64, where PyTorch's is int64; either reads the other's. */
  num_batches_tracked: Buffer | null;
  readonly #where: string;
  readonly #features: number;
  readonly #eps: number;
  readonly #momentum: number | null;

  constructor(where: string, numFeatures: number, options: BatchNormOptions) {
    super();
    checkNumber(where, 'numFeatures', numFeatures, { min: 1, integer: true });
    checkOptions(where, options, ['eps', 'momentum', 'affine', 'trackRunningStats']);
    const { momentum = 0.1 } = options;
    this.#where = where;
    this.#features = numFeatures;
    this.#eps = checkNumber(where, 'eps', options.eps ?? 1e-5, { min: 0 });
    if (momentum !== null && typeof momentum !== 'number') {
      throw new OptionError(`${where}: option momentum: expected a number or null, got ${show(momentum)}`);
    }
    this.#momentum = momentum === null ? null : checkNumber(where, 'momentum', momentum, { min: 0, max: 1 });
    const affine = checkBoolean(where, 'affine', options.affine ?? true);
    this.weight = affine ? new Parameter([numFeatures], ones()) : null;
    this.bias = affine ? new Parameter([numFeatures], zeros()) : null;
    const track = checkBoolean(where, 'trackRunningStats', options.trackRunningStats ?? true);
    this.running_mean = track ? new Buffer([numFeatures]) : null;
    this.running_var = track ? new Buffer([numFeatures], { fill: 1 }) : null;
    this.num_batches_tracked = track ? new Buffer([], { dtype: 'f64' }) : null;
  }

  override extraRepr(): string {
    return withOptions(super.extraRepr(), { eps: this.#eps, momentum: this.#momentum });
  }

  /** @throws ShapeError if x has another number of channels or, in training, one value per channel only. */
  forward(x: TensorLike): Tensor {
    const t = x.toTensor();
    this.checkShape(t.shape);
    if (t.shape[1] !== this.#features) {
      throw new ShapeError(`${this.#where}: expected x [batch, ${this.#features}, ...], got [${t.shape}]`);
    }
    const [mean, variance] = [this.running_mean, this.running_var];
    const training = t.graph.mode === 'train';
    if (!training && mean && variance) return this.#fixed(t, mean, variance);
    const count = sizeOf(t.shape) / this.#features;
    if (training && count <= 1) {
      throw new ShapeError(`${this.#where}: expected more than one value per channel in training, got [${t.shape}]`);
    }
    const normed = batchNorm(t, this.weight, this.bias, { eps: this.#eps });
    if (training && mean && variance) {
      const factor = this.#factor();
      follow(mean, normed.mean, factor);
      follow(variance, mul(normed.variance, count / (count - 1)), factor);
    }
    return normed.y;
  }

  /** @throws ShapeError for a shape the layer does not take. */
  protected abstract checkShape(shape: readonly number[]): void;

  /** Counts the batch. How much of its statistics enters the running ones: an f64 scalar, or a number. */
  #factor(): Tensor | number {
    const seen = this.num_batches_tracked as Buffer;
    const next = add(seen, 1);
    seen.assign(next);
    return this.#momentum ?? div(1, next);
  }

  /** By the running statistics. */
  #fixed(x: Tensor, mean: Buffer, variance: Buffer): Tensor {
    const across = (t: TensorLike): Tensor => reshape(t, [this.#features, ...new Array<number>(x.shape.length - 2).fill(1)]);
    const inverse = rsqrt(add(variance, this.#eps));
    const centered = sub(x, across(mean));
    const { weight, bias } = this;
    return weight && bias ? add(mul(centered, across(mul(inverse, weight))), across(bias)) : mul(centered, across(inverse));
  }
}

/** running = (1 - factor) running + factor value, in f64. */
function follow(running: Buffer, value: Tensor, factor: Tensor | number): void {
  const kept = mul(cast(running, 'f64'), typeof factor === 'number' ? 1 - factor : sub(1, factor));
  running.assign(cast(add(kept, mul(value, factor)), 'f32'));
}

/**
 * Normalizes each channel over the batch, as `torch.nn.BatchNorm1d(numFeatures)`: x [batch, features] or [batch, features, length].
 * In training by the batch's mean and variance, which enter `running_mean` and `running_var` (the latter unbiased); in evaluation by
 * those. `weight` and `bias` [features], 1 and 0 at first. A step that is skipped leaves the running statistics as they were; of the
 * micro-batches of a step each counts.
 */
export class BatchNorm1d extends BatchNorm {
  constructor(numFeatures: number, options: BatchNormOptions = {}) {
    super('BatchNorm1d', numFeatures, options);
  }

  protected override checkShape(shape: readonly number[]): void {
    if (shape.length !== 2 && shape.length !== 3) {
      throw new ShapeError(`BatchNorm1d: expected x [batch, features] or [batch, features, length], got [${shape}]`);
    }
  }
}

/** The same over images, as `torch.nn.BatchNorm2d(numFeatures)`: x [batch, features, height, width]. */
export class BatchNorm2d extends BatchNorm {
  constructor(numFeatures: number, options: BatchNormOptions = {}) {
    super('BatchNorm2d', numFeatures, options);
  }

  protected override checkShape(shape: readonly number[]): void {
    if (shape.length !== 4) {
      throw new ShapeError(`BatchNorm2d: expected x [batch, features, height, width], got [${shape}]`);
    }
  }
}
