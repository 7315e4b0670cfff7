// group-norm.ts: group norm and instance norm: each example is normalized separately, so training and evaluation are the same.
import { OptionError, ShapeError } from '../../../errors.ts';
import type { Tensor, TensorLike } from '../../../ir/graph.ts';
import { sizeOf } from '../../../ir/op.ts';
import { eps as epsField } from '../../../ops/args.ts';
import { add, mul } from '../../../ops/elementwise/elementwise.ts';
import { layerNorm } from '../../../ops/norm/row-norm.ts';
import { reshape } from '../../../ops/shape/shape.ts';
import { bool, options, signature } from '../../../options/index.ts';
import { forwardOf, type ReadX, size } from '../../fields.ts';
import { ones, zeros } from '../../module/init.ts';
import { Module, Parameter } from '../../module/module.ts';

/** Options of `nn.GroupNorm`, `nn.InstanceNorm1d` and `nn.InstanceNorm2d`. */
export interface GroupNormOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
  /** Has weight and bias. Default true; of instance norm false. */
  readonly affine?: boolean;
}

const optionsOf = (affine: boolean) => options<GroupNormOptions>()({ eps: epsField.default(1e-5), affine: bool.default(affine) });

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

const readGroupNorm = signature('nn.GroupNorm', { numGroups: size, numChannels: size }, optionsOf(true));
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
    const { eps, affine } = readGroupNorm(arguments);
    this.numGroups = numGroups;
    this.numChannels = numChannels;
    this.eps = eps;
    if (numChannels % numGroups !== 0) {
      throw new OptionError(
        `nn.GroupNorm: argument numGroups: expected a divisor of numChannels ${numChannels}, got ${numGroups}`,
      );
    }
    this.weight = affine ? new Parameter([numChannels], ones()) : null;
    this.bias = affine ? new Parameter([numChannels], zeros()) : null;
  }

  forward(x: TensorLike): Tensor {
    const { x: t } = readGroupNormForward(arguments);
    if (t.shape.length < 2 || t.shape[1] !== this.numChannels) {
      throw new ShapeError(`GroupNorm: expected x [batch, ${this.numChannels}, ...], got [${t.shape}]`);
    }
    return normalized('GroupNorm', t, this.numGroups, this.eps, this.weight, this.bias);
  }
}

/** One of the instance norm layers: the dimensions of x, and its readers. */
interface Kind {
  readonly layer: string;
  readonly rank: number;
  readonly made: (given: ArrayLike<unknown>) => Required<GroupNormOptions> & { readonly numFeatures: number };
  readonly forward: ReadX;
}
const kind = (layer: string, rank: number): Kind => ({
  layer,
  rank,
  made: signature(`nn.${layer}`, { numFeatures: size }, optionsOf(false)),
  forward: forwardOf(layer),
});

/** What the instance norm layers share. */
abstract class InstanceNorm extends Module {
  weight: Parameter | null;
  bias: Parameter | null;
  readonly #kind: Kind;
  readonly #features: number;
  readonly #eps: number;

  constructor(kind: Kind, { numFeatures, eps, affine }: ReturnType<Kind['made']>) {
    super();
    this.#kind = kind;
    this.#features = numFeatures;
    this.#eps = eps;
    this.weight = affine ? new Parameter([numFeatures], ones()) : null;
    this.bias = affine ? new Parameter([numFeatures], zeros()) : null;
  }

  /** @throws ShapeError if x has another number of dimensions or channels. */
  forward(x: TensorLike): Tensor {
    const { layer, rank, forward } = this.#kind;
    const { x: t } = forward(arguments);
    if (t.shape.length !== rank || t.shape[1] !== this.#features) {
      const space = rank === 3 ? 'length' : 'height, width';
      throw new ShapeError(`${layer}: expected x [batch, ${this.#features}, ${space}], got [${t.shape}]`);
    }
    return normalized(layer, t, this.#features, this.#eps, this.weight, this.bias);
  }
}

const instanceNorm1d = kind('InstanceNorm1d', 3);
const instanceNorm2d = kind('InstanceNorm2d', 4);

/**
 * Normalizes each channel of each example, without running statistics.
 * @shape x [batch, features, length] -> as x
 * @throws OptionError; ShapeError for another number of dimensions or features; DTypeError unless x is f32
 * @see torch.nn.InstanceNorm1d
 */
export class InstanceNorm1d extends InstanceNorm {
  constructor(numFeatures: number, options: GroupNormOptions = {}) {
    super(instanceNorm1d, instanceNorm1d.made(arguments));
  }
}

/**
 * Normalizes each channel of each image, without running statistics.
 * @shape x [batch, features, height, width] -> as x
 * @throws OptionError; ShapeError for another number of dimensions or features; DTypeError unless x is f32
 * @see torch.nn.InstanceNorm2d
 */
export class InstanceNorm2d extends InstanceNorm {
  constructor(numFeatures: number, options: GroupNormOptions = {}) {
    super(instanceNorm2d, instanceNorm2d.made(arguments));
  }
}
