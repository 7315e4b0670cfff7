// conv-attrs.ts: the attributes of convolutions and their gradients.
import type { Normalization } from '../norm/normalize.ts';

export type Pair = readonly [number, number];

/** Of height, then of width. */
export interface ConvAttrs {
  readonly stride: Pair;
  /** Zeros before the first row and column, then after the last: top, left, bottom, right. */
  readonly padding: readonly [number, number, number, number];
  readonly dilation: Pair;
  readonly groups: number;
  /** Operands are rounded to bf16, and summed in pairs of channels or of pixels (conv.h, conv_weight.h). Set by the graph, by its precision. */
  readonly bf16?: boolean;
  /** Applied to the result plus bias. Set by the compiler, as are those that follow. */
  readonly act?: string;
  /** Another output: the sums of the planes of y that its batch norm is made of. Forward only. */
  readonly stats?: boolean;
  /** x is normalized where it is read; mean, variance, weight and bias are the last inputs. Forward, and in the gradient of the weight. */
  readonly norm?: Normalization;
}
export interface ConvGradInputAttrs extends ConvAttrs {
  /** Height and width of what is made. */
  readonly size: Pair;
}
export interface ConvGradWeightAttrs extends ConvAttrs {
  /** Height and width of the kernel. */
  readonly kernel: Pair;
  /** A second output: the gradient of a bias, the sum of dy of each channel. */
  readonly bias: boolean;
}
