// instance-norm.ts: instance norm: each channel of each example is normalized, by its own statistics or, in evaluation, by those that were kept.
import { ShapeError } from '../../../errors.ts';
import type { Tensor, TensorLike } from '../../../ir/graph.ts';
import { sizeOf } from '../../../ir/op.ts';
import { eps as epsField } from '../../../ops/args.ts';
import { mul } from '../../../ops/elementwise/elementwise.ts';
import { batchNorm } from '../../../ops/norm/batch-norm.ts';
import { mean as meanOf } from '../../../ops/reduce/reduce.ts';
import { reshape } from '../../../ops/shape/shape.ts';
import { bool, number, options, signature } from '../../../options/index.ts';
import { forwardOf, type ReadX, size } from '../../fields.ts';
import { Buffer } from '../../module/buffer.ts';
import { ones, zeros } from '../../module/init.ts';
import { Module, Parameter } from '../../module/module.ts';
import { byRunning, follow } from './batch-norm.ts';
import { normalized } from './group-norm.ts';

/** Options of `nn.InstanceNorm1d`, `nn.InstanceNorm2d` and `nn.InstanceNorm3d`. */
export interface InstanceNormOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
  /** Has a weight and, unless `bias` is false, a bias. Default false. */
  readonly affine?: boolean;
  /** Whether something is added. Default true. */
  readonly bias?: boolean;
  /** Keeps running statistics, by which evaluation goes: the means of those of the examples of a batch. Default false. */
  readonly trackRunningStats?: boolean;
  /** How much of a batch's statistics enters the running ones. Default 0.1. */
  readonly momentum?: number;
}

const OPTIONS = options<InstanceNormOptions>()({
  eps: epsField.default(1e-5),
  affine: bool.default(false),
  bias: bool.default(true),
  trackRunningStats: bool.default(false),
  momentum: number({ min: 0, max: 1 }).default(0.1),
});

/** One of the layers: the dimensions of x, and its readers. */
interface Kind {
  readonly layer: string;
  readonly rank: number;
  readonly made: (given: ArrayLike<unknown>) => Required<InstanceNormOptions> & { readonly numFeatures: number };
  readonly forward: ReadX;
}
const kind = (layer: string, rank: number): Kind => ({
  layer,
  rank,
  made: signature(`nn.${layer}`, { numFeatures: size }, OPTIONS),
  forward: forwardOf(layer),
});

/** What the instance norm layers share. */
abstract class InstanceNorm extends Module {
  weight: Parameter | null;
  bias: Parameter | null;
  running_mean: Buffer | null;
  running_var: Buffer | null;
  /** Stays 0, as PyTorch leaves it: it is there since files have it. */
  num_batches_tracked: Buffer | null;
  readonly #kind: Kind;
  readonly #features: number;
  readonly #eps: number;
  readonly #momentum: number;

  constructor(kind: Kind, { numFeatures, eps, affine, bias, trackRunningStats: track, momentum }: ReturnType<Kind['made']>) {
    super();
    this.#kind = kind;
    this.#features = numFeatures;
    this.#eps = eps;
    this.#momentum = momentum;
    this.weight = affine ? new Parameter([numFeatures], ones()) : null;
    this.bias = affine && bias ? new Parameter([numFeatures], zeros()) : null;
    this.running_mean = track ? new Buffer([numFeatures], { aggregation: 'mean' }) : null;
    this.running_var = track ? new Buffer([numFeatures], { fill: 1, aggregation: 'mean' }) : null;
    this.num_batches_tracked = track ? new Buffer([], { dtype: 'f64', aggregation: 'mean' }) : null;
  }

  /** @throws ShapeError if x has another number of dimensions or channels, or, where statistics are kept, one value per channel only. */
  forward(x: TensorLike): Tensor {
    const { layer, rank, forward } = this.#kind;
    const { x: t } = forward(arguments);
    if (t.shape.length !== rank || t.shape[1] !== this.#features) {
      const space = rank === 3 ? 'length' : rank === 4 ? 'height, width' : 'depth, height, width';
      throw new ShapeError(`${layer}: expected x [batch, ${this.#features}, ${space}], got [${t.shape}]`);
    }
    const [mean, variance, eps] = [this.running_mean, this.running_var, this.#eps];
    if (mean && variance) {
      if (t.graph.mode !== 'train') return byRunning(t, { mean, variance, eps, weight: this.weight, bias: this.bias });
      this.#follow(t, mean, variance);
    }
    return normalized(layer, t, this.#features, eps, this.weight, this.bias);
  }

  /** The mean over the examples of what each channel of an example has. */
  #follow(t: Tensor, mean: Buffer, variance: Buffer): void {
    const [batch, channels, ...space] = t.shape as [number, number, ...number[]];
    const count = sizeOf(space);
    if (count <= 1) {
      throw new ShapeError(`${this.#kind.layer}: expected more than one value per channel in training, got [${t.shape}]`);
    }
    const each = batchNorm(reshape(t, [1, batch * channels, ...space]), null, null, { eps: this.#eps });
    const over = (of: Tensor): Tensor => meanOf(reshape(of, [batch, channels]), { axes: 0 });
    follow(mean, over(each.mean), this.#momentum);
    follow(variance, mul(over(each.variance), count / (count - 1)), this.#momentum);
  }
}

const instanceNorm1d = kind('InstanceNorm1d', 3);
const instanceNorm2d = kind('InstanceNorm2d', 4);
const instanceNorm3d = kind('InstanceNorm3d', 5);

/**
 * Normalizes each channel of each example. With `trackRunningStats`, evaluation goes by the mean of the statistics that training has seen.
 * @shape x [batch, features, length] -> as x
 * @throws OptionError; ShapeError for another number of dimensions or features; DTypeError unless x is f32
 * @see torch.nn.InstanceNorm1d
 */
export class InstanceNorm1d extends InstanceNorm {
  constructor(numFeatures: number, options: InstanceNormOptions = {}) {
    super(instanceNorm1d, instanceNorm1d.made(arguments));
  }
}

/**
 * Normalizes each channel of each image. With `trackRunningStats`, evaluation goes by the mean of the statistics that training has seen.
 * @shape x [batch, features, height, width] -> as x
 * @throws OptionError; ShapeError for another number of dimensions or features; DTypeError unless x is f32
 * @see torch.nn.InstanceNorm2d
 */
export class InstanceNorm2d extends InstanceNorm {
  constructor(numFeatures: number, options: InstanceNormOptions = {}) {
    super(instanceNorm2d, instanceNorm2d.made(arguments));
  }
}

/**
 * Normalizes each channel of each volume. With `trackRunningStats`, evaluation goes by the mean of the statistics that training has seen.
 * @shape x [batch, features, depth, height, width] -> as x
 * @throws OptionError; ShapeError for another number of dimensions or features; DTypeError unless x is f32
 * @see torch.nn.InstanceNorm3d
 */
export class InstanceNorm3d extends InstanceNorm {
  constructor(numFeatures: number, options: InstanceNormOptions = {}) {
    super(instanceNorm3d, instanceNorm3d.made(arguments));
  }
}
