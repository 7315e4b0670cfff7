// conv.ts: convolutional layers.
import { OptionError } from '../errors.ts';
import type { Tensor, TensorLike } from '../ir/graph.ts';
import {
  CONV_OPTIONS,
  CONV_TRANSPOSE_OPTIONS,
  type Conv1dOptions,
  type Conv2dOptions,
  type ConvTranspose2dOptions,
  conv1d,
  conv2d,
  convTranspose2d,
  type Size2d,
  sizePair,
} from '../ops/convolve.ts';
import { checkBoolean, checkNumber, checkOptions } from '../options.ts';
import { kaimingUniform, uniform } from './init.ts';
import { Module, Parameter } from './module.ts';

export type { Size2d } from '../ops/convolve.ts';

/** What the layers take beside what the ops take. */
interface LayerOptions {
  /** Default true. */
  readonly bias?: boolean;
}
export interface Conv1dLayerOptions extends Conv1dOptions, LayerOptions {}
export interface Conv2dLayerOptions extends Conv2dOptions, LayerOptions {}
export interface ConvTranspose2dLayerOptions extends ConvTranspose2dOptions, LayerOptions {}

/** Weight and bias of a convolution, filled as PyTorch fills them: uniform within 1 / sqrt(what an output adds up). */
function parametersOf(
  where: string,
  options: LayerOptions & { readonly groups?: number },
  channels: { readonly inChannels: number; readonly outChannels: number },
  shapeOf: (groups: number) => number[],
): [Parameter, Parameter | null] {
  const groups = checkNumber(where, 'groups', options.groups ?? 1, { min: 1, integer: true });
  for (const [name, n] of Object.entries(channels)) {
    checkNumber(where, name, n, { min: 1, integer: true });
    if (n % groups !== 0) throw new OptionError(`${where}: option groups: expected a divisor of ${name} ${n}, got ${groups}`);
  }
  const shape = shapeOf(groups);
  const bound = 1 / Math.sqrt(shape.slice(1).reduce((a, b) => a * b, 1));
  const bias = checkBoolean(where, 'bias', options.bias ?? true);
  return [
    new Parameter(shape, kaimingUniform({ a: Math.sqrt(5) })),
    bias ? new Parameter([channels.outChannels], uniform(-bound, bound)) : null,
  ];
}

/** The options without `bias`. */
function opOptions<T extends LayerOptions>({ bias: _, ...rest }: T): Omit<T, 'bias'> {
  return rest;
}

/**
 * Convolution over images, as `torch.nn.Conv2d`: x [n, inChannels, h, w] -> [n, outChannels, oh, ow], with
 * oh = floor((h + 2 padding - dilation (kernelSize - 1) - 1) / stride) + 1. Padding is with zeros.
 * `weight` [outChannels, inChannels / groups, kh, kw], `bias` [outChannels].
 *
 * ```ts
 * new Conv2d(3, 16, 3, { padding: 'same', bias: false });
 * ```
 */
export class Conv2d extends Module {
  weight: Parameter;
  bias: Parameter | null;
  readonly #options: Conv2dOptions;

  /** @param kernelSize one number, or [height, width] */
  constructor(inChannels: number, outChannels: number, kernelSize: Size2d, options: Conv2dLayerOptions = {}) {
    super();
    checkOptions('Conv2d', options, [...CONV_OPTIONS, 'bias']);
    const kernel = sizePair('Conv2d', 'kernelSize', kernelSize, 1);
    const shape = (groups: number): number[] => [outChannels, inChannels / groups, ...kernel];
    [this.weight, this.bias] = parametersOf('Conv2d', options, { inChannels, outChannels }, shape);
    this.#options = opOptions(options);
  }

  forward(x: TensorLike): Tensor {
    return conv2d(x, this.weight, this.bias, this.#options);
  }
}

/**
 * Convolution over sequences, as `torch.nn.Conv1d`: x [n, inChannels, length] -> [n, outChannels, out]. Padding is with zeros.
 * `weight` [outChannels, inChannels / groups, k], `bias` [outChannels].
 */
export class Conv1d extends Module {
  weight: Parameter;
  bias: Parameter | null;
  readonly #options: Conv1dOptions;

  constructor(inChannels: number, outChannels: number, kernelSize: number, options: Conv1dLayerOptions = {}) {
    super();
    checkOptions('Conv1d', options, [...CONV_OPTIONS, 'bias']);
    checkNumber('Conv1d', 'kernelSize', kernelSize, { min: 1, integer: true });
    const shape = (groups: number): number[] => [outChannels, inChannels / groups, kernelSize];
    [this.weight, this.bias] = parametersOf('Conv1d', options, { inChannels, outChannels }, shape);
    this.#options = opOptions(options);
  }

  forward(x: TensorLike): Tensor {
    return conv1d(x, this.weight, this.bias, this.#options);
  }
}

/**
 * Transposed convolution, as `torch.nn.ConvTranspose2d`: x [n, inChannels, h, w] -> [n, outChannels, oh, ow], with
 * oh = (h - 1) stride - 2 padding + dilation (kernelSize - 1) + outputPadding + 1.
 * `weight` [inChannels, outChannels / groups, kh, kw], `bias` [outChannels].
 */
export class ConvTranspose2d extends Module {
  weight: Parameter;
  bias: Parameter | null;
  readonly #options: ConvTranspose2dOptions;

  /** @param kernelSize one number, or [height, width] */
  constructor(inChannels: number, outChannels: number, kernelSize: Size2d, options: ConvTranspose2dLayerOptions = {}) {
    super();
    checkOptions('ConvTranspose2d', options, [...CONV_TRANSPOSE_OPTIONS, 'bias']);
    const kernel = sizePair('ConvTranspose2d', 'kernelSize', kernelSize, 1);
    const shape = (groups: number): number[] => [inChannels, outChannels / groups, ...kernel];
    [this.weight, this.bias] = parametersOf('ConvTranspose2d', options, { inChannels, outChannels }, shape);
    this.#options = opOptions(options);
  }

  forward(x: TensorLike): Tensor {
    return convTranspose2d(x, this.weight, this.bias, this.#options);
  }
}
