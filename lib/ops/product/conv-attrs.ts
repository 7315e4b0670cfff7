// conv-attrs.ts: the attributes of convolutions and their gradients.
import type { Normalization } from '../norm/normalize.ts';

/** Of height, then of width; of volumes that of depth comes first. */
export interface ConvAttrs {
  readonly stride: readonly number[];
  /** Zeros before the first plane, row and column, then after the last: of images top, left, bottom, right. */
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
  readonly groups: number;
  /** Operands are rounded to bf16, and summed in pairs of channels or of pixels (conv.h, conv_weight.h). Set by the graph, by its precision. */
  readonly bf16?: boolean;
  /** Applied to the result plus bias. Set by the compiler, as are those that follow. */
  readonly act?: string;
  /** Another output: the sums of the planes of y that its batch norm is made of. Of images, forward only. */
  readonly stats?: boolean;
  /** x is normalized where it is read; mean, variance, weight and bias are the last inputs. Of images, forward, and in the gradient of the weight. */
  readonly norm?: Normalization;
}
export interface ConvGradInputAttrs extends ConvAttrs {
  /** Height and width of what is made, after its depth. */
  readonly size: readonly number[];
}
export interface ConvGradWeightAttrs extends ConvAttrs {
  /** Height and width of the kernel, after its depth. */
  readonly kernel: readonly number[];
  /** A second output: the gradient of a bias, the sum of dy of each channel. */
  readonly bias: boolean;
}
