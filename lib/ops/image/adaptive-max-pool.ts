// adaptive-max-pool.ts: max pooling to a size, whatever the input's: windows of nearly equal size, each a max pool of its own where they differ.
import { ShapeError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { signature } from '../../options/index.ts';
import { tensor } from '../args.ts';
import { concat } from '../shape/concat.ts';
import { slice } from '../shape/slice.ts';
import { type AdaptiveSize, adaptiveSpans, type OutputSize, outputSize } from './avg-pool.ts';
import { MAX_POOL } from './max-pool.ts';
import { asPlanes, expectPlanes, type Pair, planesOf } from './windows.ts';

/** Adaptive max pooling to a size that was checked. */
export function adaptiveMaxPool(where: string, dims: 1 | 2, x: TensorLike, size: AdaptiveSize): Tensor {
  return asPlanes(where, x, dims, (t) => {
    expectPlanes(where, t.type);
    const { height, width } = planesOf(t.type);
    if (height === 0 || width === 0) throw new ShapeError(`${where}: expected planes with elements, got [${t.shape}]`);
    return maxOfPlanes(t, [size[0] ?? height, size[1] ?? width]);
  });
}

/** Of so many windows, rows and columns, of planes that have elements. */
export function maxOfPlanes(t: Tensor, [rows, columns]: Pair): Tensor {
  const [down, across] = [t.shape.length - 2, t.shape.length - 1];
  const eachWindow = (part: Tensor, of: number): Tensor =>
    inParts(part, across, columns, (cell, wide) => pooled(cell, [of, wide]));
  return inParts(t, down, rows, eachWindow);
}

/** Parts of a dimension of nearly equal size, each pooled: at once where all are equal. @param pool is given how long a window is */
function inParts(t: Tensor, axis: number, count: number, pool: (part: Tensor, window: number) => Tensor): Tensor {
  const length = t.shape[axis] as number;
  if (length % count === 0) return pool(t, length / count);
  const parts = adaptiveSpans(length, count).map(([start, end]) => pool(slice(t, { axis, start, end }), end - start));
  return concat(parts, axis);
}

function pooled(x: Tensor, kernel: Pair): Tensor {
  const attrs = { kernel, stride: kernel, padding: [0, 0], dilation: [1, 1], ceil: false, relu: false } as const;
  return x.graph.add(MAX_POOL, [x], attrs).outs[0] as Tensor;
}

const readAdaptiveMaxPool2d = signature('ops.adaptiveMaxPool2d', { x: tensor, outputSize: outputSize(2) });
const readAdaptiveMaxPool1d = signature('ops.adaptiveMaxPool1d', { x: tensor, outputSize: outputSize(1) });

/**
 * The largest element of each of so many windows of nearly equal size. Where several are equal, the gradient goes to the first; NaN is larger than all.
 * @shape x [batch, channels, height, width] -> [batch, channels, rows, columns], or both without batch
 * @param outputSize rows and columns, or one number for both; null: as many as x has
 * @throws OptionError; ShapeError for another number of dimensions; DTypeError unless x is f32
 * @see torch.nn.functional.adaptive_max_pool2d
 */
export function adaptiveMaxPool2d(x: TensorLike, outputSize: OutputSize): Tensor {
  const read = readAdaptiveMaxPool2d(arguments);
  return adaptiveMaxPool('adaptiveMaxPool2d', 2, read.x, read.outputSize);
}

/**
 * The largest element of each of so many windows of nearly equal size, over one dimension. Where several are equal, the gradient goes to the first; NaN is
 * larger than all.
 * @shape x [batch, channels, length] -> [batch, channels, outputSize], or both without batch
 * @param outputSize how many windows; null: as many as x has elements
 * @throws OptionError; ShapeError for another number of dimensions; DTypeError unless x is f32
 * @see torch.nn.functional.adaptive_max_pool1d
 */
export function adaptiveMaxPool1d(x: TensorLike, outputSize: OutputSize): Tensor {
  const read = readAdaptiveMaxPool1d(arguments);
  return adaptiveMaxPool('adaptiveMaxPool1d', 1, read.x, read.outputSize);
}
