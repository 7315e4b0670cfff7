// conv.ts: convolutional layers.
import { OptionError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import {
  type Conv1dOptions,
  type Conv2dOptions,
  type Conv3dOptions,
  type ConvTranspose1dOptions,
  type ConvTranspose2dOptions,
  type ConvTranspose3dOptions,
  conv1d,
  conv1dFields,
  conv2d,
  conv2dFields,
  conv3d,
  conv3dFields,
  convTranspose1d,
  convTranspose1dFields,
  convTranspose2d,
  convTranspose2dFields,
  convTranspose3d,
  convTranspose3dFields,
  type Size2d,
  type Size3d,
  size1d,
  size2d,
  size3d,
} from '../../ops/product/convolve.ts';
import { bool, options, signature } from '../../options/index.ts';
import { forwardOf, size } from '../fields.ts';
import { kaimingUniform, uniform } from '../module/init.ts';
import { Module, Parameter } from '../module/module.ts';

/** What the layers take beside what the ops take. */
interface LayerOptions {
  /** Default true. */
  readonly bias?: boolean;
}
/** Options of `nn.Conv1d`. */
export interface Conv1dLayerOptions extends Conv1dOptions, LayerOptions {}
/** Options of `nn.Conv2d`. */
export interface Conv2dLayerOptions extends Conv2dOptions, LayerOptions {}
/** Options of `nn.Conv3d`. */
export interface Conv3dLayerOptions extends Conv3dOptions, LayerOptions {}
/** Options of `nn.ConvTranspose1d`. */
export interface ConvTranspose1dLayerOptions extends ConvTranspose1dOptions, LayerOptions {}
/** Options of `nn.ConvTranspose2d`. */
export interface ConvTranspose2dLayerOptions extends ConvTranspose2dOptions, LayerOptions {}
/** Options of `nn.ConvTranspose3d`. */
export interface ConvTranspose3dLayerOptions extends ConvTranspose3dOptions, LayerOptions {}

/** What decides the shapes of weight and bias, as read. */
interface Channels {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly groups: number;
  readonly bias: boolean;
}

/** Weight and bias of a convolution, filled as PyTorch fills them: uniform within 1 / sqrt(what an output adds up). */
function parametersOf(where: string, read: Channels, shape: readonly number[]): [Parameter, Parameter | null] {
  for (const name of ['inChannels', 'outChannels'] as const) {
    if (read[name] % read.groups === 0) continue;
    throw new OptionError(`${where}: option groups: expected a divisor of ${name} ${read[name]}, got ${read.groups}`);
  }
  const bound = 1 / Math.sqrt(shape.slice(1).reduce((a, b) => a * b, 1));
  return [
    new Parameter(shape, kaimingUniform({ a: Math.sqrt(5) })),
    read.bias ? new Parameter([read.outChannels], uniform(-bound, bound)) : null,
  ];
}
/** [out, in / groups] of a convolution. */
const weightOf = ({ inChannels, outChannels, groups }: Channels): number[] => [outChannels, inChannels / groups];

const bias = bool.default(true);
const channels = { inChannels: size, outChannels: size };
const readConv2d = signature(
  'nn.Conv2d',
  { ...channels, kernelSize: size2d(1) },
  options<Conv2dLayerOptions>()({ ...conv2dFields, bias }),
);
const readConv2dForward = forwardOf('Conv2d');

/**
 * Convolution over images, with oh = floor((h + 2 padding - dilation (kernelSize - 1) - 1) / stride) + 1. Padding is
 * with zeros. `weight` [outChannels, inChannels / groups, kh, kw], `bias` [outChannels].
 * ```ts
 * new Conv2d(3, 16, 3, { padding: 'same', bias: false });
 * ```
 * @shape x [n, inChannels, h, w] -> [n, outChannels, oh, ow]
 * @throws OptionError; ShapeError for another number of channels, or where x is smaller than the kernel; DTypeError
 * unless x is f32
 * @see torch.nn.Conv2d
 */
export class Conv2d extends Module {
  /** Kernels [outChannels, inChannels / groups, kh, kw]. */
  weight: Parameter;
  /** Added to each channel [outChannels]; null without one. */
  bias: Parameter | null;
  /** Step from one output to the next, height and width. */
  readonly stride: Size2d;
  /** Zeros around the input. */
  readonly padding: Size2d | 'same' | 'valid';
  /** Distance between the elements that a kernel reads. */
  readonly dilation: Size2d;
  /** Groups of channels, each convolved separately. */
  readonly groups: number;

  /** @param kernelSize one number, or [height, width] */
  constructor(inChannels: number, outChannels: number, kernelSize: Size2d, options: Conv2dLayerOptions = {}) {
    super();
    const read = readConv2d(arguments);
    [this.weight, this.bias] = parametersOf('nn.Conv2d', read, [...weightOf(read), ...read.kernelSize]);
    this.stride = read.stride;
    this.padding = read.padding;
    this.dilation = read.dilation;
    this.groups = read.groups;
  }

  forward(x: TensorLike): Tensor {
    const { stride, padding, dilation, groups } = this;
    return conv2d(readConv2dForward(arguments).x, this.weight, this.bias, { stride, padding, dilation, groups });
  }
}

const readConv1d = signature(
  'nn.Conv1d',
  { ...channels, kernelSize: size1d(1) },
  options<Conv1dLayerOptions>()({ ...conv1dFields, bias }),
);
const readConv1dForward = forwardOf('Conv1d');

/**
 * Convolution over sequences, with out = floor((length + 2 padding - dilation (kernelSize - 1) - 1) / stride) + 1.
 * Padding is with zeros. `weight` [outChannels, inChannels / groups, kernelSize], `bias` [outChannels].
 * @shape x [n, inChannels, length] -> [n, outChannels, out]
 * @throws OptionError; ShapeError for another number of channels, or where x is smaller than the kernel; DTypeError
 * unless x is f32
 * @see torch.nn.Conv1d
 */
export class Conv1d extends Module {
  /** Kernels [outChannels, inChannels / groups, kernelSize]. */
  weight: Parameter;
  /** Added to each channel [outChannels]; null without one. */
  bias: Parameter | null;
  /** Step from one output to the next. */
  readonly stride: number;
  /** Zeros around the input. */
  readonly padding: number | 'same' | 'valid';
  /** Distance between the elements that a kernel reads. */
  readonly dilation: number;
  /** Groups of channels, each convolved separately. */
  readonly groups: number;

  constructor(inChannels: number, outChannels: number, kernelSize: number, options: Conv1dLayerOptions = {}) {
    super();
    const read = readConv1d(arguments);
    [this.weight, this.bias] = parametersOf('nn.Conv1d', read, [...weightOf(read), read.kernelSize]);
    this.stride = read.stride;
    this.padding = read.padding;
    this.dilation = read.dilation;
    this.groups = read.groups;
  }

  forward(x: TensorLike): Tensor {
    const { stride, padding, dilation, groups } = this;
    return conv1d(readConv1dForward(arguments).x, this.weight, this.bias, { stride, padding, dilation, groups });
  }
}

const readConvTranspose2d = signature(
  'nn.ConvTranspose2d',
  { ...channels, kernelSize: size2d(1) },
  options<ConvTranspose2dLayerOptions>()({ ...convTranspose2dFields, bias }),
);
const readConvTranspose2dForward = forwardOf('ConvTranspose2d');

/**
 * Transposed convolution, with oh = (h - 1) stride - 2 padding + dilation (kernelSize - 1) + outputPadding + 1.
 * `weight` [inChannels, outChannels / groups, kh, kw], `bias` [outChannels].
 * @shape x [n, inChannels, h, w] -> [n, outChannels, oh, ow]
 * @throws OptionError; ShapeError for another number of channels; DTypeError unless x is f32
 * @see torch.nn.ConvTranspose2d
 */
export class ConvTranspose2d extends Module {
  /** Kernels [inChannels, outChannels / groups, kh, kw]. */
  weight: Parameter;
  /** Added to each channel [outChannels]; null without one. */
  bias: Parameter | null;
  /** Step from one output to the next, height and width. */
  readonly stride: Size2d;
  /** Taken off each side of the output. */
  readonly padding: Size2d;
  /** Distance between the elements that a kernel reads. */
  readonly dilation: Size2d;
  /** Groups of channels, each convolved separately. */
  readonly groups: number;
  /** Added at the end of the output. */
  readonly outputPadding: Size2d;

  /** @param kernelSize one number, or [height, width] */
  constructor(inChannels: number, outChannels: number, kernelSize: Size2d, options: ConvTranspose2dLayerOptions = {}) {
    super();
    const read = readConvTranspose2d(arguments);
    [this.weight, this.bias] = parametersOf('nn.ConvTranspose2d', read, [
      inChannels,
      outChannels / read.groups,
      ...read.kernelSize,
    ]);
    this.stride = read.stride;
    this.padding = read.padding;
    this.dilation = read.dilation;
    this.groups = read.groups;
    this.outputPadding = read.outputPadding;
  }

  forward(x: TensorLike): Tensor {
    const { stride, padding, dilation, groups, outputPadding } = this;
    return convTranspose2d(readConvTranspose2dForward(arguments).x, this.weight, this.bias, {
      stride,
      padding,
      dilation,
      groups,
      outputPadding,
    });
  }
}

const readConvTranspose1d = signature(
  'nn.ConvTranspose1d',
  { ...channels, kernelSize: size1d(1) },
  options<ConvTranspose1dLayerOptions>()({ ...convTranspose1dFields, bias }),
);
const readConvTranspose1dForward = forwardOf('ConvTranspose1d');

/**
 * Transposed convolution over sequences, with out = (length - 1) stride - 2 padding + dilation (kernelSize - 1) + outputPadding + 1. `weight` [inChannels,
 * outChannels / groups, kernelSize], `bias` [outChannels].
 * @shape x [n, inChannels, length] -> [n, outChannels, out]
 * @throws OptionError; ShapeError for another number of channels; DTypeError unless x is f32
 * @see torch.nn.ConvTranspose1d
 */
export class ConvTranspose1d extends Module {
  /** Kernels [inChannels, outChannels / groups, kernelSize]. */
  weight: Parameter;
  /** Added to each channel [outChannels]; null without one. */
  bias: Parameter | null;
  /** Step from one output to the next. */
  readonly stride: number;
  /** Taken off each side of the output. */
  readonly padding: number;
  /** Distance between the elements that a kernel reads. */
  readonly dilation: number;
  /** Groups of channels, each convolved separately. */
  readonly groups: number;
  /** Added at the end of the output. */
  readonly outputPadding: number;

  constructor(inChannels: number, outChannels: number, kernelSize: number, options: ConvTranspose1dLayerOptions = {}) {
    super();
    const read = readConvTranspose1d(arguments);
    const shape = [inChannels, outChannels / read.groups, read.kernelSize];
    [this.weight, this.bias] = parametersOf('nn.ConvTranspose1d', read, shape);
    this.stride = read.stride;
    this.padding = read.padding;
    this.dilation = read.dilation;
    this.groups = read.groups;
    this.outputPadding = read.outputPadding;
  }

  forward(x: TensorLike): Tensor {
    const { stride, padding, dilation, groups, outputPadding } = this;
    const given = { stride, padding, dilation, groups, outputPadding };
    return convTranspose1d(readConvTranspose1dForward(arguments).x, this.weight, this.bias, given);
  }
}

const readConv3d = signature(
  'nn.Conv3d',
  { ...channels, kernelSize: size3d(1) },
  options<Conv3dLayerOptions>()({ ...conv3dFields, bias }),
);
const readConv3dForward = forwardOf('Conv3d');

/**
 * Convolution over volumes, with out = floor((size + 2 padding - dilation (kernelSize - 1) - 1) / stride) + 1 along each dimension. Padding
 * is with zeros. `weight` [outChannels, inChannels / groups, kd, kh, kw], `bias` [outChannels].
 * @shape x [n, inChannels, d, h, w] -> [n, outChannels, od, oh, ow]
 * @throws OptionError; ShapeError for another number of channels, or where x is smaller than the kernel; DTypeError
 * unless x is f32
 * @see torch.nn.Conv3d
 */
export class Conv3d extends Module {
  /** Kernels [outChannels, inChannels / groups, kd, kh, kw]. */
  weight: Parameter;
  /** Added to each channel [outChannels]; null without one. */
  bias: Parameter | null;
  /** Step from one output to the next: depth, height and width. */
  readonly stride: Size3d;
  /** Zeros around the input. */
  readonly padding: Size3d | 'same' | 'valid';
  /** Distance between the elements that a kernel reads. */
  readonly dilation: Size3d;
  /** Groups of channels, each convolved separately. */
  readonly groups: number;

  /** @param kernelSize one number, or [depth, height, width] */
  constructor(inChannels: number, outChannels: number, kernelSize: Size3d, options: Conv3dLayerOptions = {}) {
    super();
    const read = readConv3d(arguments);
    [this.weight, this.bias] = parametersOf('nn.Conv3d', read, [...weightOf(read), ...read.kernelSize]);
    this.stride = read.stride;
    this.padding = read.padding;
    this.dilation = read.dilation;
    this.groups = read.groups;
  }

  forward(x: TensorLike): Tensor {
    const { stride, padding, dilation, groups } = this;
    return conv3d(readConv3dForward(arguments).x, this.weight, this.bias, { stride, padding, dilation, groups });
  }
}

const readConvTranspose3d = signature(
  'nn.ConvTranspose3d',
  { ...channels, kernelSize: size3d(1) },
  options<ConvTranspose3dLayerOptions>()({ ...convTranspose3dFields, bias }),
);
const readConvTranspose3dForward = forwardOf('ConvTranspose3d');

/**
 * Transposed convolution over volumes, with out = (size - 1) stride - 2 padding + dilation (kernelSize - 1) + outputPadding + 1 along each
 * dimension. `weight` [inChannels, outChannels / groups, kd, kh, kw], `bias` [outChannels].
 * @shape x [n, inChannels, d, h, w] -> [n, outChannels, od, oh, ow]
 * @throws OptionError; ShapeError for another number of channels; DTypeError unless x is f32
 * @see torch.nn.ConvTranspose3d
 */
export class ConvTranspose3d extends Module {
  /** Kernels [inChannels, outChannels / groups, kd, kh, kw]. */
  weight: Parameter;
  /** Added to each channel [outChannels]; null without one. */
  bias: Parameter | null;
  /** Step from one output to the next: depth, height and width. */
  readonly stride: Size3d;
  /** Taken off each side of the output. */
  readonly padding: Size3d;
  /** Distance between the elements that a kernel reads. */
  readonly dilation: Size3d;
  /** Groups of channels, each convolved separately. */
  readonly groups: number;
  /** Added at the end of the output. */
  readonly outputPadding: Size3d;

  /** @param kernelSize one number, or [depth, height, width] */
  constructor(inChannels: number, outChannels: number, kernelSize: Size3d, options: ConvTranspose3dLayerOptions = {}) {
    super();
    const read = readConvTranspose3d(arguments);
    const shape = [inChannels, outChannels / read.groups, ...read.kernelSize];
    [this.weight, this.bias] = parametersOf('nn.ConvTranspose3d', read, shape);
    this.stride = read.stride;
    this.padding = read.padding;
    this.dilation = read.dilation;
    this.groups = read.groups;
    this.outputPadding = read.outputPadding;
  }

  forward(x: TensorLike): Tensor {
    const { stride, padding, dilation, groups, outputPadding } = this;
    const given = { stride, padding, dilation, groups, outputPadding };
    return convTranspose3d(readConvTranspose3dForward(arguments).x, this.weight, this.bias, given);
  }
}
