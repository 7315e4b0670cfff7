// group-norm.ts: group norm and instance norm: each example is normalized by itself, so training and evaluation are the same.
import { OptionError, ShapeError } from '../errors.ts';
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { sizeOf } from '../ir/op.ts';
import { add, mul } from '../ops/elementwise.ts';
import { layerNorm } from '../ops/row-norm.ts';
import { reshape } from '../ops/shape.ts';
import { checkBoolean, checkNumber, checkOptions } from '../options.ts';
import { ones, zeros } from './init.ts';
import { Module, Parameter } from './module.ts';

export interface GroupNormOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
  /** Has weight and bias. Default true; of instance norm false. */
  readonly affine?: boolean;
}

/** Neighboring channels of each example as rows, normalized; then a weight and a bias per channel. */
function normalized(
  where: string,
  x: Tensor,
  groups: number,
  eps: number,
  weight: Parameter | null,
  bias: Parameter | null,
): Tensor {
  const [batch, channels, ...space] = x.shape as [number, number, ...number[]];
  const n = (channels / groups) * sizeOf(space);
  if (n === 0) throw new ShapeError(`${where}: expected at least one value per channel, got [${x.shape}]`);
  const z = reshape(layerNorm(reshape(x, [batch * groups, n]), { eps }), x.shape);
  const across = (t: TensorLike): Tensor => reshape(t, [channels, ...space.map(() => 1)]);
  return weight && bias ? add(mul(z, across(weight)), across(bias)) : z;
}

/**
 * Normalizes groups of channels of each example, as `torch.nn.GroupNorm(numGroups, numChannels)`: x [batch, channels, ...]. `weight` and
 * `bias` [channels], 1 and 0 at first.
 */
export class GroupNorm extends Module {
  readonly numGroups: number;
  readonly numChannels: number;
  readonly eps: number;
  weight: Parameter | null;
  bias: Parameter | null;

  /** @throws OptionError if the groups do not divide the channels. */
  constructor(numGroups: number, numChannels: number, options: GroupNormOptions = {}) {
    super();
    this.numGroups = checkNumber('GroupNorm', 'numGroups', numGroups, { min: 1, integer: true });
    this.numChannels = checkNumber('GroupNorm', 'numChannels', numChannels, { min: 1, integer: true });
    checkOptions('GroupNorm', options, ['eps', 'affine']);
    if (numChannels % numGroups !== 0) {
      throw new OptionError(`GroupNorm: option numGroups: expected a divisor of numChannels ${numChannels}, got ${numGroups}`);
    }
    this.eps = checkNumber('GroupNorm', 'eps', options.eps ?? 1e-5, { min: 0 });
    const affine = checkBoolean('GroupNorm', 'affine', options.affine ?? true);
    this.weight = affine ? new Parameter([numChannels], ones()) : null;
    this.bias = affine ? new Parameter([numChannels], zeros()) : null;
  }

  /** @throws ShapeError if x has another number of channels. */
  forward(x: TensorLike): Tensor {
    const t = x.toTensor();
    if (t.shape.length < 2 || t.shape[1] !== this.numChannels) {
      throw new ShapeError(`GroupNorm: expected x [batch, ${this.numChannels}, ...], got [${t.shape}]`);
    }
    return normalized('GroupNorm', t, this.numGroups, this.eps, this.weight, this.bias);
  }
}

/** What the instance norm layers share. */
abstract class InstanceNorm extends Module {
  weight: Parameter | null;
  bias: Parameter | null;
  readonly #where: string;
  readonly #features: number;
  readonly #eps: number;
  readonly #rank: number;

  constructor(where: string, rank: number, numFeatures: number, options: GroupNormOptions) {
    super();
    checkNumber(where, 'numFeatures', numFeatures, { min: 1, integer: true });
    checkOptions(where, options, ['eps', 'affine']);
    this.#where = where;
    this.#rank = rank;
    this.#features = numFeatures;
    this.#eps = checkNumber(where, 'eps', options.eps ?? 1e-5, { min: 0 });
    const affine = checkBoolean(where, 'affine', options.affine ?? false);
    this.weight = affine ? new Parameter([numFeatures], ones()) : null;
    this.bias = affine ? new Parameter([numFeatures], zeros()) : null;
  }

  /** @throws ShapeError if x has another number of dimensions or channels. */
  forward(x: TensorLike): Tensor {
    const t = x.toTensor();
    if (t.shape.length !== this.#rank || t.shape[1] !== this.#features) {
      const space = this.#rank === 3 ? 'length' : 'height, width';
      throw new ShapeError(`${this.#where}: expected x [batch, ${this.#features}, ${space}], got [${t.shape}]`);
    }
    return normalized(this.#where, t, this.#features, this.#eps, this.weight, this.bias);
  }
}

/** Normalizes each channel of each example, as `torch.nn.InstanceNorm1d`, without running statistics: x [batch, features, length]. */
export class InstanceNorm1d extends InstanceNorm {
  constructor(numFeatures: number, options: GroupNormOptions = {}) {
    super('InstanceNorm1d', 3, numFeatures, options);
  }
}

/** The same over images, as `torch.nn.InstanceNorm2d`: x [batch, features, height, width]. */
export class InstanceNorm2d extends InstanceNorm {
  constructor(numFeatures: number, options: GroupNormOptions = {}) {
    super('InstanceNorm2d', 4, numFeatures, options);
  }
}
