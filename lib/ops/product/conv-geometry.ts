// conv-geometry.ts: the sizes of convolutions of images and volumes: what fits, what is lowered, and every product that is added up.
import { DTypeError, ShapeError } from '../../errors.ts';
import { type LowerContext, type RefArray, sameShape, type TensorType, typeName } from '../../ir/op.ts';
import { rowOf } from '../elementwise/maps.ts';
import type { ConvAttrs } from './conv-attrs.ts';
import { actIndex } from './matmul.ts';

/** Along depth, height and width; images have a depth of 1. */
type Extent = readonly [depth: number, height: number, width: number];
/** x[n, groups * ci, ...x], weight[groups * co, ci, ...kernel], y[n, groups * co, ...y]. */
export interface Sizes {
  readonly n: number;
  readonly ci: number;
  readonly co: number;
  readonly x: Extent;
  readonly y: Extent;
  readonly kernel: Extent;
}

/** What dimensions of x are called. */
export const spaceOf = (dims: number): string[] => (dims === 1 ? ['length'] : ['depth', 'height', 'width'].slice(3 - dims));
/** Of the dimensions after batch and channels. */
export const space = (shape: readonly number[]): number[] => shape.slice(2);
/** The same with a depth. */
const extent = (of: readonly number[], filler: number): Extent => (of.length === 3 ? of : [filler, ...of]) as unknown as Extent;
export const volume = (of: Extent): number => of[0] * of[1] * of[2];

/** Places of a kernel along a dimension of `size`; below 1 where the kernel is larger than what it runs over. */
export function convOut(size: number, before: number, after: number, kernel: number, stride: number, dilation: number): number {
  return Math.floor((size + before + after - dilation * (kernel - 1) - 1) / stride) + 1;
}

/** The shape of an operand in f32 of so many dimensions. */
export function expectSpace(op: string, what: string, t: TensorType, dims: number): readonly number[] {
  if (t.dtype !== 'f32') throw new DTypeError(`${op}: expected ${what} in f32, got ${typeName(t)}; ops.cast(x, 'f32') converts`);
  if (t.shape.length !== dims + 2) throw new ShapeError(`${op}: expected ${what} of ${dims + 2} dimensions, got ${typeName(t)}`);
  return t.shape;
}

/** How far y reaches in each dimension of x under a kernel. */
export function outSize(op: string, x: readonly number[], kernel: readonly number[], attrs: ConvAttrs): number[] {
  const { stride, padding, dilation } = attrs;
  const after = padding.slice(x.length);
  const y = x.map((size, i) => convOut(size, padding[i]!, after[i]!, kernel[i]!, stride[i]!, dilation[i]!));
  if (kernel.some((k) => k < 1) || y.some((size) => size < 1)) {
    const reach = kernel.map((k, i) => dilation[i]! * (k - 1) + 1);
    const padded = x.map((size, i) => size + padding[i]! + after[i]!);
    throw new ShapeError(
      `${op}: expected a kernel within the padded input of ${padded.join('x')}, got one of ${reach.join('x')}`,
    );
  }
  return y;
}

export function checkChannels(op: string, groups: number, x: readonly number[], w: readonly number[]): void {
  const [channels, filters] = [w[1]! * groups, w[0]!];
  if (x[1] === channels && filters % groups === 0) return;
  const per = groups === 1 ? '' : ` in ${groups} groups`;
  const dims = x.length - 2;
  const axes = [0, dims + 1, ...Array.from({ length: dims }, (_, i) => i + 1)];
  const layout = `${dims === 3 ? 'volumes' : 'images'} are [${['n', 'channels', ...spaceOf(dims)].join(', ')}]`;
  const last = x.at(-1) === channels ? `; ${layout}: ops.transpose(x, { axes: [${axes.join(', ')}] })` : '';
  throw new ShapeError(
    `${op}: expected x of ${channels} channels and a multiple of ${groups} filters for a weight [${w}]${per}, got x [${x}]${last}`,
  );
}

export function checkBias(op: string, bias: TensorType | undefined, channels: number): void {
  if (bias && (bias.dtype !== 'f32' || !sameShape(bias.shape, [channels]))) {
    throw new ShapeError(`${op}: expected a bias f32[${channels}], got ${typeName(bias)}`);
  }
}

/** The sizes of a node of any of the three ops, whichever of x, weight and y it makes. */
export function sizesOf(x: readonly number[], weight: readonly number[], y: readonly number[], groups: number): Sizes {
  const [n, filters, ci] = [x[0]!, weight[0]!, weight[1]!];
  return { n, ci, co: filters / groups, x: extent(space(x), 1), y: extent(space(y), 1), kernel: extent(space(weight), 1) };
}

/** Stride, dilation and zeros before the first, with those of the depth. */
function steps({ stride, dilation, padding }: ConvAttrs): readonly [stride: Extent, dilation: Extent, before: Extent] {
  return [extent(stride, 1), extent(dilation, 1), extent(padding.slice(0, stride.length), 0)];
}

/** In the order of conv_plan.h: what images have, then the depth. */
export function ints(s: Sizes, attrs: ConvAttrs, context: LowerContext): number[] {
  const { groups, act, stats = false, norm, bf16 = false } = attrs;
  const [stride, dilation, before] = steps(attrs);
  const [x, y, kernel] = [s.x, s.y, s.kernel].map((of) => of.slice(1)) as [number[], number[], number[]];
  const plane = [s.n, groups, s.ci, s.co, ...x, ...y, ...kernel, ...stride.slice(1), ...dilation.slice(1), ...before.slice(1)];
  const fused = [actIndex(act, context), +stats, norm ? 1 + +norm.relu : 0, +bf16];
  return [...plane, ...fused, s.x[0], s.y[0], s.kernel[0], stride[0], dilation[0], before[0]];
}

/** Calls `visit` with the positions in x, weight and y of every product that a convolution adds up. */
export function eachProduct(s: Sizes, attrs: ConvAttrs, visit: (x: number, w: number, y: number) => void): void {
  const [stride, dilation, before] = steps(attrs);
  const { groups } = attrs;
  const [[d, h, w], [od, oh, ow], [kd, kh, kw]] = [s.x, s.y, s.kernel];
  const filters = groups * s.co;
  const taps = s.ci * kd * kh * kw;
  for (let row = 0; row < s.n * filters * od * oh; row++) {
    const [z, i] = [Math.floor(row / oh) % od, row % oh];
    const o = Math.floor(row / (oh * od)) % filters;
    const image = Math.floor(row / (oh * od * filters));
    for (let tap = 0; tap < taps; tap++) {
      const [kx, ky, kz] = [tap % kw, Math.floor(tap / kw) % kh, Math.floor(tap / (kw * kh)) % kd];
      const c = Math.floor(tap / (kw * kh * kd));
      const p = z * stride[0] + kz * dilation[0] - before[0];
      const r = i * stride[1] + ky * dilation[1] - before[1];
      if (p < 0 || p >= d || r < 0 || r >= h) continue;
      const plane = ((image * groups + Math.floor(o / s.co)) * s.ci + c) * d + p;
      for (let j = 0; j < ow; j++) {
        const q = j * stride[2] + kx * dilation[2] - before[2];
        if (q >= 0 && q < w) visit((plane * h + r) * w + q, o * taps + tap, row * ow + j);
      }
    }
  }
}

/** Bias and activation over a finished [n, channels, ...], of which `size` elements are of a channel. */
export function finishRef(
  y: RefArray,
  bias: RefArray | undefined,
  act: string | undefined,
  size: number,
  channels: number,
): void {
  for (let e = 0; e < y.length; e++) {
    const v = (y[e] as number) + (bias ? (bias[Math.floor(e / size) % channels] as number) : 0);
    y[e] = act ? rowOf(act).of(v, NaN, NaN) : v;
  }
}
