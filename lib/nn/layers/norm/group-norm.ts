// group-norm.ts: group norm: each example is normalized separately, so training and evaluation are the same.
import { OptionError, ShapeError } from '../../../errors.ts';
import type { Tensor, TensorLike } from '../../../ir/graph.ts';
import { sizeOf } from '../../../ir/op.ts';
import { eps as epsField } from '../../../ops/args.ts';
import { add, mul } from '../../../ops/elementwise/elementwise.ts';
import { layerNorm } from '../../../ops/norm/row-norm.ts';
import { reshape } from '../../../ops/shape/shape.ts';
import { bool, options, signature } from '../../../options/index.ts';
import { forwardOf, size } from '../../fields.ts';
import { ones, zeros } from '../../module/init.ts';
import { Module, Parameter } from '../../module/module.ts';

/** Options of `nn.GroupNorm`. */
export interface GroupNormOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
  /** Has a weight and, unless `bias` is false, a bias. Default true. */
  readonly affine?: boolean;
  /** Whether something is added. Default true. */
  readonly bias?: boolean;
}

/** Neighboring channels of each example as rows, normalized; then a weight and a bias per channel. */
export function normalized(
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
  const scaled = weight ? mul(z, across(weight)) : z;
  return bias ? add(scaled, across(bias)) : scaled;
}

const readGroupNorm = signature(
  'nn.GroupNorm',
  { numGroups: size, numChannels: size },
  options<GroupNormOptions>()({ eps: epsField.default(1e-5), affine: bool.default(true), bias: bool.default(true) }),
);
const readGroupNormForward = forwardOf('GroupNorm');

/**
 * Normalizes groups of channels of each example. `weight` and `bias` [channels], 1 and 0 at first.
 * @shape x [batch, channels, ...] -> as x
 * @throws OptionError; ShapeError for another number of channels; DTypeError unless x is f32
 * @see torch.nn.GroupNorm
 */
export class GroupNorm extends Module {
  /** How many groups the channels make. */
  readonly numGroups: number;
  /** How many channels x has. */
  readonly numChannels: number;
  /** Added to variances. */
  readonly eps: number;
  /** Factors of channels [numChannels]; null without them. */
  weight: Parameter | null;
  /** Added to channels [numChannels]; null without it. */
  bias: Parameter | null;

  /** @throws OptionError if the groups do not divide the channels. */
  constructor(numGroups: number, numChannels: number, options: GroupNormOptions = {}) {
    super();
    const { eps, affine, bias } = readGroupNorm(arguments);
    this.numGroups = numGroups;
    this.numChannels = numChannels;
    this.eps = eps;
    if (numChannels % numGroups !== 0) {
      throw new OptionError(
        `nn.GroupNorm: argument numGroups: expected a divisor of numChannels ${numChannels}, got ${numGroups}`,
      );
    }
    this.weight = affine ? new Parameter([numChannels], ones()) : null;
    this.bias = affine && bias ? new Parameter([numChannels], zeros()) : null;
  }

  forward(x: TensorLike): Tensor {
    const { x: t } = readGroupNormForward(arguments);
    if (t.shape.length < 2 || t.shape[1] !== this.numChannels) {
      throw new ShapeError(`GroupNorm: expected x [batch, ${this.numChannels}, ...], got [${t.shape}]`);
    }
    return normalized('GroupNorm', t, this.numGroups, this.eps, this.weight, this.bias);
  }
}
