// batch-norm.ts: batch norm layers.
import { ShapeError } from '../../../errors.ts';
import type { Tensor, TensorLike } from '../../../ir/graph.ts';
import { sizeOf } from '../../../ir/op.ts';
import { eps } from '../../../ops/args.ts';
import { add, cast, div, maximum, mul, rsqrt, sub } from '../../../ops/elementwise/elementwise.ts';
import { type BatchNormed, batchNorm } from '../../../ops/norm/batch-norm.ts';
import { syncedBatchNorm } from '../../../ops/norm/synced-norm.ts';
import { reshape } from '../../../ops/shape/shape.ts';
import { bool, nullable, number, options, signature } from '../../../options/index.ts';
import { forwardOf, type ReadX, size } from '../../fields.ts';
import { Buffer } from '../../module/buffer.ts';
import { ones, zeros } from '../../module/init.ts';
import { Module, Parameter } from '../../module/module.ts';
import { withOptions } from '../../module/repr.ts';

/** Options of `nn.BatchNorm1d`, `nn.BatchNorm2d` and `nn.BatchNorm3d`. */
export interface BatchNormOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
  /** How much of a batch's statistics enters the running ones; null: those are the mean over all batches so far. Default 0.1. */
  readonly momentum?: number | null;
  /** Has a weight and, unless `bias` is false, a bias. Default true. */
  readonly affine?: boolean;
  /** Whether something is added. Default true. */
  readonly bias?: boolean;
  /** Keeps running statistics, for evaluation. Else the batch's own are used there too. Default true. */
  readonly trackRunningStats?: boolean;
}

const OPTIONS = options<BatchNormOptions>()({
  eps: eps.default(1e-5),
  momentum: nullable(number({ min: 0, max: 1 })).default(0.1),
  affine: bool.default(true),
  bias: bool.default(true),
  trackRunningStats: bool.default(true),
});
/** What a layer is made of. */
interface Made extends Required<BatchNormOptions> {
  readonly numFeatures: number;
}
/** One of the layers: which dimensions x may have, and its readers. */
interface Kind {
  readonly layer: string;
  readonly shapes: Readonly<Record<number, string>>;
  readonly made: (given: ArrayLike<unknown>) => Made;
  readonly forward: ReadX;
}
const kind = (layer: string, shapes: Kind['shapes']): Kind => ({
  layer,
  shapes,
  made: signature(`nn.${layer}`, { numFeatures: size }, OPTIONS),
  forward: forwardOf(layer),
});

/** What the batch norm layers share. */
abstract class BatchNorm extends Module {
  weight: Parameter | null;
  bias: Parameter | null;
  running_mean: Buffer | null;
  running_var: Buffer | null;
  /** Batches seen so far: f64, where PyTorch's is int64; either reads the other's. */
  num_batches_tracked: Buffer | null;
  readonly #kind: Kind;
  readonly #features: number;
  readonly #eps: number;
  readonly #momentum: number | null;

  constructor(kind: Kind, given: Made) {
    super();
    const { numFeatures, affine, bias, trackRunningStats: track } = given;
    this.#kind = kind;
    this.#features = numFeatures;
    this.#eps = given.eps;
    this.#momentum = given.momentum;
    this.weight = affine ? new Parameter([numFeatures], ones()) : null;
    this.bias = affine && bias ? new Parameter([numFeatures], zeros()) : null;
    this.running_mean = track ? new Buffer([numFeatures], { aggregation: 'mean' }) : null;
    this.running_var = track ? new Buffer([numFeatures], { fill: 1, aggregation: 'mean' }) : null;
    this.num_batches_tracked = track ? new Buffer([], { dtype: 'f64', aggregation: 'mean' }) : null;
  }

  override extraRepr(): string {
    return withOptions(super.extraRepr(), { eps: this.#eps, momentum: this.#momentum });
  }

  /** @throws ShapeError if x has another number of channels or, in training, one value per channel only. */
  forward(x: TensorLike): Tensor {
    const { layer, shapes, forward } = this.#kind;
    const { x: t } = forward(arguments);
    if (!(t.shape.length in shapes)) {
      throw new ShapeError(`${layer}: expected x ${Object.values(shapes).join(' or ')}, got [${t.shape}]`);
    }
    if (t.shape[1] !== this.#features) {
      throw new ShapeError(`${layer}: expected x [batch, ${this.#features}, ...], got [${t.shape}]`);
    }
    const [mean, variance] = [this.running_mean, this.running_var];
    const training = t.graph.mode === 'train';
    if (!training && mean && variance)
      return byRunning(t, { mean, variance, eps: this.#eps, weight: this.weight, bias: this.bias });
    const { weight } = this;
    const bias = this.bias ?? (weight && t.graph.constant(new Float32Array(this.#features), [this.#features], 'f32'));
    const { overStep } = t.graph;
    const count = sizeOf(t.shape) / this.#features;
    if (training && overStep) {
      const line = weight && bias ? ([weight.toTensor(), bias.toTensor()] as const) : ([null, null] as const);
      const normed = syncedBatchNorm(t, line, this.#eps, overStep);
      // Of one value there is no variance, corrected or not.
      this.#follow(normed, div(normed.count, maximum(sub(normed.count, 1), 1)));
      return normed.y;
    }
    if (training && count <= 1) {
      const less = 'a batch of more rows has them, as does option dropLast or syncBatchNorm of the trainer';
      throw new ShapeError(`${layer}: expected more than one value per channel in training, got [${t.shape}]: ${less}`);
    }
    const normed = batchNorm(t, weight, bias, { eps: this.#eps });
    if (training) this.#follow(normed, count / (count - 1));
    return normed.y;
  }

  /** Running statistics, where they are kept, take in those of a batch. */
  #follow(normed: BatchNormed, correction: Tensor | number): void {
    const [mean, variance] = [this.running_mean, this.running_var];
    if (!mean || !variance) return;
    const factor = this.#factor();
    follow(mean, normed.mean, factor);
    follow(variance, mul(normed.variance, correction), factor);
  }

  /** Counts the batch. How much of its statistics enters the running ones: an f64 scalar, or a number. */
  #factor(): Tensor | number {
    const seen = this.num_batches_tracked as Buffer;
    const next = add(seen, 1);
    seen.assign(next);
    return this.#momentum ?? div(1, next);
  }
}

/** What a layer has kept of what it has seen, and what it does then. */
interface Kept {
  readonly mean: Buffer;
  readonly variance: Buffer;
  readonly eps: number;
  readonly weight: Parameter | null;
  readonly bias: Parameter | null;
}

/** Each channel of x by running statistics. */
export function byRunning(x: Tensor, { mean, variance, eps, weight, bias }: Kept): Tensor {
  const [, channels, ...space] = x.shape as [number, number, ...number[]];
  const across = (t: TensorLike): Tensor => reshape(t, [channels, ...space.map(() => 1)]);
  const inverse = rsqrt(add(variance, eps));
  const scaled = mul(sub(x, across(mean)), across(weight ? mul(inverse, weight) : inverse));
  return bias ? add(scaled, across(bias)) : scaled;
}

/** running = (1 - factor) running + factor value, in f64. */
export function follow(running: Buffer, value: Tensor, factor: Tensor | number): void {
  const kept = mul(cast(running, 'f64'), typeof factor === 'number' ? 1 - factor : sub(1, factor));
  running.assign(cast(add(kept, mul(value, factor)), 'f32'));
}

const batchNorm1d = kind('BatchNorm1d', { 2: '[batch, features]', 3: '[batch, features, length]' });
const batchNorm2d = kind('BatchNorm2d', { 4: '[batch, features, height, width]' });
const batchNorm3d = kind('BatchNorm3d', { 5: '[batch, features, depth, height, width]' });

/**
 * Normalizes each channel over the batch. In training by the batch's mean and variance, which enter `running_mean`
 * and `running_var` (the latter unbiased); in evaluation by those. `weight` and `bias` [features], 1 and 0 at first.
 * A step that is skipped leaves the running statistics as they were; of the micro-batches of a step each counts, one after
 * the other or, where several processes train together, all at once: the statistics move to the mean of theirs. Option
 * `syncBatchNorm` of the trainer normalizes by those of all rows of a step.
 * @shape x [batch, features] or [batch, features, length] -> as x
 * @throws OptionError; ShapeError for another number of dimensions or features; DTypeError unless x is f32
 * @see torch.nn.BatchNorm1d
 */
export class BatchNorm1d extends BatchNorm {
  constructor(numFeatures: number, options: BatchNormOptions = {}) {
    super(batchNorm1d, batchNorm1d.made(arguments));
  }
}

/**
 * Normalizes each channel of images over the batch: statistics and parameters are those of `BatchNorm1d`.
 * @shape x [batch, features, height, width] -> as x
 * @throws OptionError; ShapeError for another number of dimensions or features; DTypeError unless x is f32
 * @see torch.nn.BatchNorm2d
 */
export class BatchNorm2d extends BatchNorm {
  constructor(numFeatures: number, options: BatchNormOptions = {}) {
    super(batchNorm2d, batchNorm2d.made(arguments));
  }
}

/**
 * Normalizes each channel of volumes over the batch: statistics and parameters are those of `BatchNorm1d`.
 * @shape x [batch, features, depth, height, width] -> as x
 * @throws OptionError; ShapeError for another number of dimensions or features; DTypeError unless x is f32
 * @see torch.nn.BatchNorm3d
 */
export class BatchNorm3d extends BatchNorm {
  constructor(numFeatures: number, options: BatchNormOptions = {}) {
    super(batchNorm3d, batchNorm3d.made(arguments));
  }
}
