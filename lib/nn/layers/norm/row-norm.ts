// row-norm.ts: layer norm and RMS norm over the last dimensions.
import { ShapeError } from '../../../errors.ts';
import type { Tensor, TensorLike } from '../../../ir/graph.ts';
import { eps as epsField } from '../../../ops/args.ts';
import { layerNorm, rmsNorm } from '../../../ops/norm/row-norm.ts';
import { bool, either, type Field, list, options, signature } from '../../../options/index.ts';
import { forwardOf, size } from '../../fields.ts';
import { ones, zeros } from '../../module/init.ts';
import { Module, Parameter } from '../../module/module.ts';

/** Options of `nn.RMSNorm`. */
export interface RMSNormOptions {
  /** Added to the mean square. Default 2^-23, as PyTorch's `eps=None`. */
  readonly eps?: number;
  /** Has a weight. Default true. */
  readonly elementwiseAffine?: boolean;
}
/** Options of `nn.LayerNorm`. */
export interface LayerNormOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
  /** Has a weight and, unless `bias` is false, a bias. Default true. */
  readonly elementwiseAffine?: boolean;
  /** Whether something is added. Default true. */
  readonly bias?: boolean;
}

/** A size, or a shape of at least one dimension. */
const normalizedShape: Field<number | readonly number[], readonly number[]> = either(size, list(size, { min: 1 })).map((given) =>
  typeof given === 'number' ? [given] : given,
);
const elementwiseAffine = bool.default(true);
const readLayerNorm = signature(
  'nn.LayerNorm',
  { normalizedShape },
  options<LayerNormOptions>()({ eps: epsField.default(1e-5), elementwiseAffine, bias: bool.default(true) }),
);
const readLayerNormForward = forwardOf('LayerNorm');

function checkInput(where: string, x: Tensor, row: readonly number[]): void {
  const lead = x.shape.length - row.length;
  if (lead >= 0 && row.every((d, i) => d === x.shape[lead + i])) return;
  throw new ShapeError(`${where}: expected x [..., ${row}], got [${x.shape}]`);
}

/**
 * Normalizes over the last dimensions, with `weight` and `bias` of `normalizedShape`, 1 and 0 at first.
 * @shape x [..., ...normalizedShape] -> as x
 * @throws OptionError; ShapeError if the last dimensions of x are others; DTypeError unless x is f32
 * @see torch.nn.LayerNorm
 */
export class LayerNorm extends Module {
  /** The dimensions that are normalized over. */
  readonly normalizedShape: readonly number[];
  /** Added to variances. */
  readonly eps: number;
  /** Factors [...normalizedShape]; null without them. */
  weight: Parameter | null;
  /** What is added [...normalizedShape]; null without it. */
  bias: Parameter | null;

  constructor(normalizedShape: number | readonly number[], options: LayerNormOptions = {}) {
    super();
    const { normalizedShape: shape, eps, elementwiseAffine: affine, bias } = readLayerNorm(arguments);
    this.normalizedShape = shape;
    this.eps = eps;
    this.weight = affine ? new Parameter(this.normalizedShape, ones()) : null;
    this.bias = affine && bias ? new Parameter(this.normalizedShape, zeros()) : null;
  }

  forward(x: TensorLike): Tensor {
    const { normalizedShape, weight, bias, eps } = this;
    const { x: t } = readLayerNormForward(arguments);
    checkInput('LayerNorm', t, normalizedShape);
    return layerNorm(t, { dims: normalizedShape.length, weight, bias, eps });
  }
}

const readRMSNorm = signature(
  'nn.RMSNorm',
  { normalizedShape },
  options<RMSNormOptions>()({ eps: epsField.default(2 ** -23), elementwiseAffine }),
);
const readRMSNormForward = forwardOf('RMSNorm');

/**
 * Divides by the root of the mean square over the last dimensions, with `weight` of `normalizedShape`, 1 at first.
 * @shape x [..., ...normalizedShape] -> as x
 * @throws OptionError; ShapeError if the last dimensions of x are others; DTypeError unless x is f32
 * @see torch.nn.RMSNorm
 */
export class RMSNorm extends Module {
  /** The dimensions that are normalized over. */
  readonly normalizedShape: readonly number[];
  /** Added to mean squares. */
  readonly eps: number;
  /** Factors [...normalizedShape]; null without them. */
  weight: Parameter | null;

  constructor(normalizedShape: number | readonly number[], options: RMSNormOptions = {}) {
    super();
    const { normalizedShape: shape, eps, elementwiseAffine: affine } = readRMSNorm(arguments);
    this.normalizedShape = shape;
    this.eps = eps;
    this.weight = affine ? new Parameter(this.normalizedShape, ones()) : null;
  }

  forward(x: TensorLike): Tensor {
    const { normalizedShape, weight, eps } = this;
    const { x: t } = readRMSNormForward(arguments);
    checkInput('RMSNorm', t, normalizedShape);
    return rmsNorm(t, { dims: normalizedShape.length, weight, eps });
  }
}
