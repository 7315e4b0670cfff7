// pool.ts: pooling layers.
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { adaptiveMaxPool } from '../../ops/image/adaptive-max-pool.ts';
import {
  type AdaptiveSize,
  type AvgPool2dOptions,
  type AvgPoolOptions,
  type AvgPoolWindows,
  adaptiveAvgPool,
  avgPool,
  avgPool1dOptions,
  avgPool2dOptions,
  avgPoolWindows,
  type OutputSize,
  outputSize,
} from '../../ops/image/avg-pool.ts';
import { type MaxPoolOptions, maxPool, maxPool1dOptions, maxPool2dOptions, maxPoolAttrs } from '../../ops/image/max-pool.ts';
import type { MaxPoolAttrs } from '../../ops/image/pool-attrs.ts';
import {
  adaptiveAvgPoolVolumes,
  adaptiveMaxPoolVolumes,
  avgPool3dOptions,
  avgPoolVolumes,
  maxPool3dOptions,
  maxPoolVolumes,
  type VolumeWindows,
  volumeOutput,
  volumeSize,
  volumeWindows,
} from '../../ops/image/volume-pool.ts';
import { kernelSize, type PerDim } from '../../ops/image/windows.ts';
import { signature } from '../../options/index.ts';
import { forwardOf } from '../fields.ts';
import { Module } from '../module/module.ts';

const readMaxPool2d = signature('nn.MaxPool2d', { kernelSize: kernelSize(2) }, maxPool2dOptions);
const readMaxPool2dForward = forwardOf('MaxPool2d');

/**
 * The largest element of each window, where rows = floor((height + 2 padding - dilation (kernelSize - 1) - 1) /
 * stride) + 1.
 * @shape x [batch, channels, height, width] -> [batch, channels, rows, columns]
 * @throws OptionError; ShapeError where x is smaller than a window; DTypeError unless x is f32
 * @see torch.nn.MaxPool2d
 */
export class MaxPool2d extends Module {
  /** Size, stride, padding and dilation of the windows. */
  readonly attrs: MaxPoolAttrs;

  /** @param kernelSize of a window: [rows, columns], or one number for both */
  constructor(kernelSize: PerDim, options: MaxPoolOptions = {}) {
    super();
    this.attrs = maxPoolAttrs('nn.MaxPool2d', readMaxPool2d(arguments));
  }

  forward(x: TensorLike): Tensor {
    return maxPool('MaxPool2d', 2, readMaxPool2dForward(arguments).x, this.attrs);
  }
}

const readMaxPool1d = signature('nn.MaxPool1d', { kernelSize: kernelSize(1) }, maxPool1dOptions);
const readMaxPool1dForward = forwardOf('MaxPool1d');

/**
 * The largest element of each window over one dimension.
 * @shape x [batch, channels, length] -> [batch, channels, windows]
 * @throws OptionError; ShapeError where x is smaller than a window; DTypeError unless x is f32
 * @see torch.nn.MaxPool1d
 */
export class MaxPool1d extends Module {
  /** Size, stride, padding and dilation of the windows. */
  readonly attrs: MaxPoolAttrs;

  constructor(kernelSize: PerDim, options: MaxPoolOptions = {}) {
    super();
    this.attrs = maxPoolAttrs('nn.MaxPool1d', readMaxPool1d(arguments));
  }

  forward(x: TensorLike): Tensor {
    return maxPool('MaxPool1d', 1, readMaxPool1dForward(arguments).x, this.attrs);
  }
}

const readAvgPool2d = signature('nn.AvgPool2d', { kernelSize: kernelSize(2) }, avgPool2dOptions);
const readAvgPool2dForward = forwardOf('AvgPool2d');

/**
 * The mean of each window.
 * @shape x [batch, channels, height, width] -> [batch, channels, rows, columns]
 * @throws OptionError; ShapeError where x is smaller than a window; DTypeError unless x is f32
 * @see torch.nn.AvgPool2d
 */
export class AvgPool2d extends Module {
  /** Size, stride and padding of the windows. */
  readonly windows: AvgPoolWindows;

  /** @param kernelSize of a window: [rows, columns], or one number for both */
  constructor(kernelSize: PerDim, options: AvgPool2dOptions = {}) {
    super();
    this.windows = avgPoolWindows('nn.AvgPool2d', readAvgPool2d(arguments));
  }

  forward(x: TensorLike): Tensor {
    return avgPool('AvgPool2d', 2, readAvgPool2dForward(arguments).x, this.windows);
  }
}

const readAvgPool1d = signature('nn.AvgPool1d', { kernelSize: kernelSize(1) }, avgPool1dOptions);
const readAvgPool1dForward = forwardOf('AvgPool1d');

/**
 * The mean of each window over one dimension.
 * @shape x [batch, channels, length] -> [batch, channels, windows]
 * @throws OptionError; ShapeError where x is smaller than a window; DTypeError unless x is f32
 * @see torch.nn.AvgPool1d
 */
export class AvgPool1d extends Module {
  /** Size, stride and padding of the windows. */
  readonly windows: AvgPoolWindows;

  constructor(kernelSize: PerDim, options: AvgPoolOptions = {}) {
    super();
    this.windows = avgPoolWindows('nn.AvgPool1d', readAvgPool1d(arguments));
  }

  forward(x: TensorLike): Tensor {
    return avgPool('AvgPool1d', 1, readAvgPool1dForward(arguments).x, this.windows);
  }
}

const readAdaptiveAvgPool2d = signature('nn.AdaptiveAvgPool2d', { outputSize: outputSize(2) });
const readAdaptiveAvgPool2dForward = forwardOf('AdaptiveAvgPool2d');

/**
 * The means of `outputSize` windows of nearly equal size, whatever the size of x.
 * @shape x [batch, channels, height, width] -> [batch, channels, rows, columns]
 * @throws OptionError; ShapeError for another number of dimensions; DTypeError unless x is f32
 * @see torch.nn.AdaptiveAvgPool2d
 */
export class AdaptiveAvgPool2d extends Module {
  /** How many rows and columns of windows; null: as many as x has. */
  readonly outputSize: AdaptiveSize;

  /** @param outputSize [rows, columns], or one number for both; null: as many as x has */
  constructor(outputSize: OutputSize) {
    super();
    this.outputSize = readAdaptiveAvgPool2d(arguments).outputSize;
  }

  forward(x: TensorLike): Tensor {
    return adaptiveAvgPool('AdaptiveAvgPool2d', 2, readAdaptiveAvgPool2dForward(arguments).x, this.outputSize);
  }
}

const readAdaptiveAvgPool1d = signature('nn.AdaptiveAvgPool1d', { outputSize: outputSize(1) });
const readAdaptiveAvgPool1dForward = forwardOf('AdaptiveAvgPool1d');

/**
 * The means of `outputSize` windows of nearly equal size over one dimension, whatever the length of x.
 * @shape x [batch, channels, length] -> [batch, channels, outputSize]
 * @throws OptionError; ShapeError for another number of dimensions; DTypeError unless x is f32
 * @see torch.nn.AdaptiveAvgPool1d
 */
export class AdaptiveAvgPool1d extends Module {
  /** How many windows; null: as many as x has elements. */
  readonly outputSize: AdaptiveSize;

  constructor(outputSize: OutputSize) {
    super();
    this.outputSize = readAdaptiveAvgPool1d(arguments).outputSize;
  }

  forward(x: TensorLike): Tensor {
    return adaptiveAvgPool('AdaptiveAvgPool1d', 1, readAdaptiveAvgPool1dForward(arguments).x, this.outputSize);
  }
}

const readAdaptiveMaxPool2d = signature('nn.AdaptiveMaxPool2d', { outputSize: outputSize(2) });
const readAdaptiveMaxPool2dForward = forwardOf('AdaptiveMaxPool2d');

/**
 * The largest elements of `outputSize` windows of nearly equal size, whatever the size of x. Quickest where the windows are equal.
 * @shape x [batch, channels, height, width] -> [batch, channels, rows, columns]
 * @throws OptionError; ShapeError for another number of dimensions; DTypeError unless x is f32
 * @see torch.nn.AdaptiveMaxPool2d
 */
export class AdaptiveMaxPool2d extends Module {
  /** How many rows and columns of windows; null: as many as x has. */
  readonly outputSize: AdaptiveSize;

  /** @param outputSize [rows, columns], or one number for both; null: as many as x has */
  constructor(outputSize: OutputSize) {
    super();
    this.outputSize = readAdaptiveMaxPool2d(arguments).outputSize;
  }

  forward(x: TensorLike): Tensor {
    return adaptiveMaxPool('AdaptiveMaxPool2d', 2, readAdaptiveMaxPool2dForward(arguments).x, this.outputSize);
  }
}

const readAdaptiveMaxPool1d = signature('nn.AdaptiveMaxPool1d', { outputSize: outputSize(1) });
const readAdaptiveMaxPool1dForward = forwardOf('AdaptiveMaxPool1d');

/**
 * The largest elements of `outputSize` windows of nearly equal size over one dimension, whatever the length of x.
 * @shape x [batch, channels, length] -> [batch, channels, outputSize]
 * @throws OptionError; ShapeError for another number of dimensions; DTypeError unless x is f32
 * @see torch.nn.AdaptiveMaxPool1d
 */
export class AdaptiveMaxPool1d extends Module {
  /** How many windows; null: as many as x has elements. */
  readonly outputSize: AdaptiveSize;

  constructor(outputSize: OutputSize) {
    super();
    this.outputSize = readAdaptiveMaxPool1d(arguments).outputSize;
  }

  forward(x: TensorLike): Tensor {
    return adaptiveMaxPool('AdaptiveMaxPool1d', 1, readAdaptiveMaxPool1dForward(arguments).x, this.outputSize);
  }
}

const readMaxPool3d = signature('nn.MaxPool3d', { kernelSize: volumeSize }, maxPool3dOptions);
const readMaxPool3dForward = forwardOf('MaxPool3d');

/**
 * The largest element of each window of volumes.
 * @shape x [batch, channels, depth, height, width] -> [batch, channels, planes, rows, columns]
 * @throws OptionError; ShapeError where x is smaller than a window; DTypeError unless x is f32
 * @see torch.nn.MaxPool3d
 */
export class MaxPool3d extends Module {
  /** Size, stride, padding and dilation of the windows. */
  readonly windows: VolumeWindows;

  /** @param kernelSize of a window: [depth, rows, columns], or one number for all */
  constructor(kernelSize: PerDim, options: MaxPoolOptions = {}) {
    super();
    this.windows = volumeWindows('nn.MaxPool3d', readMaxPool3d(arguments));
  }

  forward(x: TensorLike): Tensor {
    return maxPoolVolumes('MaxPool3d', readMaxPool3dForward(arguments).x, this.windows);
  }
}

const readAvgPool3d = signature('nn.AvgPool3d', { kernelSize: volumeSize }, avgPool3dOptions);
const readAvgPool3dForward = forwardOf('AvgPool3d');

/**
 * The mean of each window of volumes.
 * @shape x [batch, channels, depth, height, width] -> [batch, channels, planes, rows, columns]
 * @throws OptionError; ShapeError where x is smaller than a window; DTypeError unless x is f32
 * @see torch.nn.AvgPool3d
 */
export class AvgPool3d extends Module {
  /** Size, stride and padding of the windows. */
  readonly windows: VolumeWindows;

  /** @param kernelSize of a window: [depth, rows, columns], or one number for all */
  constructor(kernelSize: PerDim, options: AvgPool2dOptions = {}) {
    super();
    this.windows = volumeWindows('nn.AvgPool3d', readAvgPool3d(arguments));
  }

  forward(x: TensorLike): Tensor {
    return avgPoolVolumes('AvgPool3d', readAvgPool3dForward(arguments).x, this.windows);
  }
}

const readAdaptiveAvgPool3d = signature('nn.AdaptiveAvgPool3d', { outputSize: volumeOutput });
const readAdaptiveAvgPool3dForward = forwardOf('AdaptiveAvgPool3d');

/**
 * The means of `outputSize` windows of nearly equal size, whatever the size of the volumes.
 * @shape x [batch, channels, depth, height, width] -> [batch, channels, planes, rows, columns]
 * @throws OptionError; ShapeError for another number of dimensions; DTypeError unless x is f32
 * @see torch.nn.AdaptiveAvgPool3d
 */
export class AdaptiveAvgPool3d extends Module {
  /** How many windows along depth, height and width; null: as many as x has. */
  readonly outputSize: readonly (number | null)[];

  /** @param outputSize [depth, rows, columns], or one number for all; null: as many as x has */
  constructor(outputSize: OutputSize) {
    super();
    this.outputSize = readAdaptiveAvgPool3d(arguments).outputSize;
  }

  forward(x: TensorLike): Tensor {
    return adaptiveAvgPoolVolumes('AdaptiveAvgPool3d', readAdaptiveAvgPool3dForward(arguments).x, this.outputSize);
  }
}

const readAdaptiveMaxPool3d = signature('nn.AdaptiveMaxPool3d', { outputSize: volumeOutput });
const readAdaptiveMaxPool3dForward = forwardOf('AdaptiveMaxPool3d');

/**
 * The largest elements of `outputSize` windows of nearly equal size, whatever the size of the volumes. Quickest where the windows are equal.
 * @shape x [batch, channels, depth, height, width] -> [batch, channels, planes, rows, columns]
 * @throws OptionError; ShapeError for another number of dimensions; DTypeError unless x is f32
 * @see torch.nn.AdaptiveMaxPool3d
 */
export class AdaptiveMaxPool3d extends Module {
  /** How many windows along depth, height and width; null: as many as x has. */
  readonly outputSize: readonly (number | null)[];

  /** @param outputSize [depth, rows, columns], or one number for all; null: as many as x has */
  constructor(outputSize: OutputSize) {
    super();
    this.outputSize = readAdaptiveMaxPool3d(arguments).outputSize;
  }

  forward(x: TensorLike): Tensor {
    return adaptiveMaxPoolVolumes('AdaptiveMaxPool3d', readAdaptiveMaxPool3dForward(arguments).x, this.outputSize);
  }
}
