// row-norm.ts: layer norm and RMS norm over the last dimensions.
import { ShapeError } from '../errors.ts';
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { layerNorm, rmsNorm } from '../ops/row-norm.ts';
import { checkBoolean, checkNumber, checkOptions } from '../options.ts';
import { ones, zeros } from './init.ts';
import { Module, Parameter } from './module.ts';

export interface RMSNormOptions {
  /** Added to the mean square. Default 2^-23, as PyTorch's `eps=None`. */
  readonly eps?: number;
  /** Has a weight. Default true. */
  readonly elementwiseAffine?: boolean;
}
export interface LayerNormOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
  /** Has a weight and, unless `bias` is false, a bias. Default true. */
  readonly elementwiseAffine?: boolean;
  /** Default true. */
  readonly bias?: boolean;
}

function rowShape(where: string, shape: number | readonly number[]): readonly number[] {
  const list = typeof shape === 'number' ? [shape] : shape;
  if (!Array.isArray(list) || list.length === 0) {
    throw new ShapeError(`${where}: expected a size, or a shape of at least one dimension, got [${shape}]`);
  }
  for (const d of list) checkNumber(where, 'normalizedShape', d, { min: 1, integer: true });
  return list;
}
function checkInput(where: string, x: Tensor, row: readonly number[]): void {
  const lead = x.shape.length - row.length;
  if (lead >= 0 && row.every((d, i) => d === x.shape[lead + i])) return;
  throw new ShapeError(`${where}: expected x [..., ${row}], got [${x.shape}]`);
}

/**
 * Normalizes over the last dimensions, as `torch.nn.LayerNorm(normalizedShape)`: x [..., normalizedShape] -> the same, with `weight`
 * and `bias` of that shape, 1 and 0 at first.
 * @throws ShapeError if the last dimensions of x are others.
 */
export class LayerNorm extends Module {
  readonly normalizedShape: readonly number[];
  readonly eps: number;
  weight: Parameter | null;
  bias: Parameter | null;

  constructor(normalizedShape: number | readonly number[], options: LayerNormOptions = {}) {
    super();
    checkOptions('LayerNorm', options, ['eps', 'elementwiseAffine', 'bias']);
    this.normalizedShape = rowShape('LayerNorm', normalizedShape);
    this.eps = checkNumber('LayerNorm', 'eps', options.eps ?? 1e-5, { min: 0 });
    const affine = checkBoolean('LayerNorm', 'elementwiseAffine', options.elementwiseAffine ?? true);
    const bias = checkBoolean('LayerNorm', 'bias', options.bias ?? true);
    this.weight = affine ? new Parameter(this.normalizedShape, ones()) : null;
    this.bias = affine && bias ? new Parameter(this.normalizedShape, zeros()) : null;
  }

  forward(x: TensorLike): Tensor {
    const { normalizedShape, weight, bias, eps } = this;
    checkInput('LayerNorm', x.toTensor(), normalizedShape);
    return layerNorm(x, { dims: normalizedShape.length, weight, bias, eps });
  }
}

/**
 * Divides by the root of the mean square over the last dimensions, as `torch.nn.RMSNorm(normalizedShape)`: x [..., normalizedShape] ->
 * the same, with `weight` of that shape, 1 at first.
 * @throws ShapeError if the last dimensions of x are others.
 */
export class RMSNorm extends Module {
  readonly normalizedShape: readonly number[];
  readonly eps: number;
  weight: Parameter | null;

  constructor(normalizedShape: number | readonly number[], options: RMSNormOptions = {}) {
    super();
    checkOptions('RMSNorm', options, ['eps', 'elementwiseAffine']);
    this.normalizedShape = rowShape('RMSNorm', normalizedShape);
    this.eps = checkNumber('RMSNorm', 'eps', options.eps ?? 2 ** -23, { min: 0 });
    const affine = checkBoolean('RMSNorm', 'elementwiseAffine', options.elementwiseAffine ?? true);
    this.weight = affine ? new Parameter(this.normalizedShape, ones()) : null;
  }

  forward(x: TensorLike): Tensor {
    const { normalizedShape, weight, eps } = this;
    checkInput('RMSNorm', x.toTensor(), normalizedShape);
    return rmsNorm(x, { dims: normalizedShape.length, weight, eps });
  }
}
