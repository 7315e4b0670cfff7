// windows.ts: windows that slide over the last one or two dimensions: their options, and how many there are. Pooling uses it.
import { DTypeError, OptionError, ShapeError } from '../errors.ts';
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { type TensorType, typeName } from '../ir/op.ts';
import { checkNumber, show } from '../options.ts';
import { reshape } from './shape.ts';

/** One number per spatial dimension, or one for all. */
export type PerDim = number | readonly number[];

/** [height, width]; the height is 1 dimension of 1 where there is one spatial dimension only. */
export type Pair = readonly [number, number];

/** `value` for a 2d kernel: given for `dims` spatial dimensions, the other one is `filler`. */
export function perDim(where: string, option: string, value: unknown, dims: 1 | 2, least: number, filler: number): Pair {
  const list = Array.isArray(value) ? (value as readonly unknown[]) : new Array<unknown>(dims).fill(value);
  if (list.length !== dims) {
    const what = dims === 1 ? 'a number' : 'a number or two';
    throw new OptionError(`${where}: option ${option}: expected ${what}, got ${show(value)}`, { where, option, value });
  }
  const rule = { min: least, integer: true };
  const name = (i: number): string => (Array.isArray(value) ? `${option}[${i}]` : option);
  const checked = list.map((v, i) => checkNumber(where, name(i), v, rule));
  return (dims === 1 ? [filler, checked[0]] : checked) as unknown as Pair;
}

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
