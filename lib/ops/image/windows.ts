// windows.ts: windows that slide over the last one or two dimensions: their options, and how many there are. Pooling uses it.
import { DTypeError, ShapeError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { type TensorType, typeName } from '../../ir/op.ts';
import { either, type Field, list, whole } from '../../options/index.ts';
import { reshape } from '../shape/shape.ts';

/** One number per spatial dimension, or one for all. */
export type PerDim = number | readonly number[];

/** [height, width]; the height is 1 dimension of 1 where there is one spatial dimension only. */
export type Pair = readonly [number, number];

/** A size of each spatial dimension, or one for all, as for a kernel of two dimensions: where there is one only, the other's is `filler`. */
export function perDim(dims: 1 | 2, least: number, filler: number): Field<PerDim, Pair> {
  const one = whole({ min: least, max: 2 ** 31 - 1 });
  return either(one, list(one, { min: dims, max: dims })).map((value): Pair => {
    const [first, last] = typeof value === 'number' ? [value, value] : [value[0]!, value.at(-1)!];
    return dims === 1 ? [filler, last] : [first, last];
  });
}
/** The size of a window. */
export const kernelSize = (dims: 1 | 2): Field<PerDim, Pair> => perDim(dims, 1, 1);

/** [..., H, W] as planes of H x W. */
export interface Planes {
  readonly planes: number;
  readonly height: number;
  readonly width: number;
}
export function planesOf(type: TensorType): Planes {
  const [height, width] = type.shape.slice(-2) as [number, number];
  return { planes: type.shape.slice(0, -2).reduce((n, d) => n * d, 1), height, width };
}

/** The type of planes of another size. */
export const planesLike = (x: TensorType, height: number, width: number): TensorType => ({
  dtype: x.dtype,
  shape: [...x.shape.slice(0, -2), height, width],
});

/** f32 with at least a channel and two spatial dimensions, as the ops see it. */
export function expectPlanes(op: string, x: TensorType): void {
  if (x.dtype !== 'f32') throw new DTypeError(`${op}: expected f32, got ${typeName(x)}; convert it with cast(x, 'f32')`);
  if (x.shape.length < 2) throw new ShapeError(`${op}: expected [..., height, width], got [${x.shape}]`);
}

/** Call `f` with x as [..., height, width]: x itself for two spatial dimensions, with a height of 1 for one. */
export function asPlanes(where: string, x: TensorLike, dims: 1 | 2, f: (x: Tensor) => Tensor): Tensor {
  const t = x.toTensor();
  const { shape } = t;
  if (shape.length !== dims + 1 && shape.length !== dims + 2) {
    const spatial = dims === 1 ? 'length' : 'height, width';
    throw new ShapeError(`${where}: expected [batch, channels, ${spatial}] or [channels, ${spatial}], got [${shape}]`);
  }
  if (dims === 2) return f(t);
  const y = f(reshape(t, [...shape.slice(0, -1), 1, shape.at(-1) as number]));
  return reshape(y, [...shape.slice(0, -1), y.shape.at(-1) as number]);
}

export interface Window {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
  readonly ceil: boolean;
}

/** How many windows fit into `size`. The last one may begin neither in the padding after nor beyond it. */
export function windowCount(size: number, { kernel, stride, padding, dilation, ceil }: Window): number {
  const left = size + 2 * padding - dilation * (kernel - 1) - 1;
  if (left < 0 && !(ceil && left > -stride)) return 0;
  const count = (ceil ? Math.ceil(left / stride) : Math.floor(left / stride)) + 1;
  return ceil && (count - 1) * stride >= size + padding ? count - 1 : count;
}
