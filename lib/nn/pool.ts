// pool.ts: pooling layers.
import type { Tensor, TensorLike } from '../ir/graph.ts';
import {
  type AvgPool2dOptions,
  type AvgPoolOptions,
  type AvgPoolWindows,
  adaptiveAvgPool,
  adaptiveSize,
  avgPool,
  avgPoolWindows,
  type OutputSize,
} from '../ops/avg-pool.ts';
import { type MaxPoolAttrs, type MaxPoolOptions, maxPool, maxPoolAttrs } from '../ops/max-pool.ts';
import type { PerDim } from '../ops/windows.ts';
import { Module } from './module.ts';

/**
 * The largest element of each window: x [batch, channels, height, width] -> [batch, channels, rows, columns], where
 * rows = floor((height + 2 padding - dilation (kernelSize - 1) - 1) / stride) + 1. As `torch.nn.MaxPool2d`.
 */
export class MaxPool2d extends Module {
  readonly attrs: MaxPoolAttrs;

  /** @param kernelSize of a window: [rows, columns], or one number for both */
  constructor(kernelSize: PerDim, options: MaxPoolOptions = {}) {
    super();
    this.attrs = maxPoolAttrs('MaxPool2d', 2, kernelSize, options);
  }

  /** @throws ShapeError where x is smaller than a window. */
  forward(x: TensorLike): Tensor {
    return maxPool('MaxPool2d', 2, x, this.attrs);
  }
}

/** The largest element of each window: x [batch, channels, length] -> [batch, channels, windows]. As `torch.nn.MaxPool1d`. */
export class MaxPool1d extends Module {
  readonly attrs: MaxPoolAttrs;

  constructor(kernelSize: PerDim, options: MaxPoolOptions = {}) {
    super();
    this.attrs = maxPoolAttrs('MaxPool1d', 1, kernelSize, options);
  }

  forward(x: TensorLike): Tensor {
    return maxPool('MaxPool1d', 1, x, this.attrs);
  }
}

/** The mean of each window: x [batch, channels, height, width] -> [batch, channels, rows, columns]. As `torch.nn.AvgPool2d`. */
export class AvgPool2d extends Module {
  readonly windows: AvgPoolWindows;

  /** @param kernelSize of a window: [rows, columns], or one number for both */
  constructor(kernelSize: PerDim, options: AvgPool2dOptions = {}) {
    super();
    this.windows = avgPoolWindows('AvgPool2d', 2, kernelSize, options);
  }

  /** @throws ShapeError where x is smaller than a window. */
  forward(x: TensorLike): Tensor {
    return avgPool('AvgPool2d', 2, x, this.windows);
  }
}

/** The mean of each window: x [batch, channels, length] -> [batch, channels, windows]. As `torch.nn.AvgPool1d`. */
export class AvgPool1d extends Module {
  readonly windows: AvgPoolWindows;

  constructor(kernelSize: PerDim, options: AvgPoolOptions = {}) {
    super();
    this.windows = avgPoolWindows('AvgPool1d', 1, kernelSize, options);
  }

  forward(x: TensorLike): Tensor {
    return avgPool('AvgPool1d', 1, x, this.windows);
  }
}

/** The means of `outputSize` windows of nearly equal size, whatever the size of x. As `torch.nn.AdaptiveAvgPool2d`. */
export class AdaptiveAvgPool2d extends Module {
  readonly outputSize: readonly (number | null)[];

  /** @param outputSize [rows, columns], or one number for both; null: as many as x has */
  constructor(outputSize: OutputSize) {
    super();
    this.outputSize = adaptiveSize('AdaptiveAvgPool2d', 2, outputSize);
  }

  forward(x: TensorLike): Tensor {
    return adaptiveAvgPool('AdaptiveAvgPool2d', 2, x, this.outputSize);
  }
}

/** The same over one dimension: x [batch, channels, length]. As `torch.nn.AdaptiveAvgPool1d`. */
export class AdaptiveAvgPool1d extends Module {
  readonly outputSize: readonly (number | null)[];

  constructor(outputSize: OutputSize) {
    super();
    this.outputSize = adaptiveSize('AdaptiveAvgPool1d', 1, outputSize);
  }

  forward(x: TensorLike): Tensor {
    return adaptiveAvgPool('AdaptiveAvgPool1d', 1, x, this.outputSize);
  }
}
