// max-pool.ts: max pooling and its gradient. Kernels: pool.h.

import { OptionError, ShapeError } from '../../errors.ts';
import type { Node, Tensor, TensorLike } from '../../ir/graph.ts';
import { f32, type OpDef, type RefArray, type Sample, sizeOf, type TensorType } from '../../ir/op.ts';
import { besides } from '../../ir/samples.ts';
import { bool, type OptionsField, options, signature } from '../../options/index.ts';
import { tensor } from '../args.ts';
import { add, cast, div, floor, mul, notEqual, sub, where } from '../elementwise/elementwise.ts';
import { takeAlongAxis } from '../rows/along.ts';
import { moved } from '../shape/axes.ts';
import { reshape } from '../shape/shape.ts';
import type { MaxPoolAttrs, MaxPoolGradAttrs } from './pool-attrs.ts';
import { maxPoolOnnx } from './pool-onnx.ts';
import {
  asPlanes,
  expectPlanes,
  kernelSize,
  type Pair,
  type PerDim,
  perDim,
  planesLike,
  planesOf,
  windowCount,
} from './windows.ts';

/** Places in a window, `none` beside, fit into a byte. */
const isSmall = ({ kernel: [h, w] }: MaxPoolAttrs): boolean => h * w < 256;
/** The place that stands for none. */
const none = (attrs: MaxPoolAttrs): number => (isSmall(attrs) ? 255 : -1);

function pooledSize(attrs: MaxPoolAttrs, size: Pair): Pair {
  const count = (d: 0 | 1): number =>
    windowCount(size[d], {
      kernel: attrs.kernel[d],
      stride: attrs.stride[d],
      padding: attrs.padding[d],
      dilation: attrs.dilation[d],
      ceil: attrs.ceil,
    });
  return [count(0), count(1)];
}

function ints(planes: number, attrs: MaxPoolAttrs, size: Pair, out: Pair): number[] {
  const { kernel, stride, padding, dilation, relu } = attrs;
  return [planes, ...size, ...out, ...kernel, ...stride, ...padding, ...dilation, relu ? 1 : 0];
}

/** Call `visit` with each window and the elements in it that lie in x: their place in the window, and in the plane. */
function eachWindow(attrs: MaxPoolAttrs, size: Pair, visit: (at: number, taps: (readonly [number, number])[]) => void): void {
  const [oh, ow] = pooledSize(attrs, size);
  const { kernel, stride, padding, dilation } = attrs;
  for (let at = 0; at < oh * ow; at++) {
    const taps: (readonly [number, number])[] = [];
    for (let k = 0; k < kernel[0] * kernel[1]; k++) {
      const y = Math.floor(at / ow) * stride[0] - padding[0] + Math.floor(k / kernel[1]) * dilation[0];
      const x = (at % ow) * stride[1] - padding[1] + (k % kernel[1]) * dilation[1];
      if (y >= 0 && y < size[0] && x >= 0 && x < size[1]) taps.push([k, y * size[1] + x]);
    }
    visit(at, taps);
  }
}

/** Outputs: the largest of each window, and its place in the window (row by row, from 0), in one byte where that is enough. */
export const MAX_POOL: OpDef<MaxPoolAttrs> = {
  name: 'maxPool',
  onnx: maxPoolOnnx,
  infer([x], attrs) {
    expectPlanes('maxPool', x as TensorType);
    const { height, width } = planesOf(x as TensorType);
    const [oh, ow] = pooledSize(attrs, [height, width]);
    if (oh < 1 || ow < 1) {
      const { kernel, padding, dilation } = attrs;
      const reach = kernel.map((k, d) => dilation[d as 0 | 1] * (k - 1) + 1 - 2 * padding[d as 0 | 1]);
      throw new ShapeError(`maxPool: expected at least ${reach[0]} x ${reach[1]} elements a plane, got [${x?.shape}]`);
    }
    const y = planesLike(x as TensorType, oh, ow);
    return [y, { dtype: isSmall(attrs) ? 'u8' : 'i32', shape: y.shape }];
  },
  vjp(node, [dy]) {
    if (!dy) return [null];
    const { height, width } = planesOf((node.ins[0] as Tensor).type);
    return [dy.graph.add(MAX_POOL_GRAD, [node.outs[1] as Tensor, dy], { ...node.attrs, size: [height, width] }).out];
  },
  lower(node) {
    const { planes, height, width } = planesOf((node.ins[0] as Tensor).type);
    return { ints: ints(planes, node.attrs, [height, width], node.out.shape.slice(-2) as unknown as Pair) };
  },
  cost: (node) => moved(node, sizeOf(node.out.shape) * node.attrs.kernel[0] * node.attrs.kernel[1]),
  ref([y, places], [x], node) {
    const { planes, height, width } = planesOf((node.ins[0] as Tensor).type);
    const { attrs } = node;
    const each = sizeOf(node.out.shape) / planes;
    for (let p = 0; p < planes; p++) {
      eachWindow(attrs, [height, width], (at, taps) => {
        let best = -Infinity;
        let place = none(attrs);
        for (const [k, from] of taps) {
          const v = (x as RefArray)[p * height * width + from] as number;
          if (!(v > best || Number.isNaN(v) || place === none(attrs))) continue;
          best = v;
          place = k;
        }
        (y as RefArray)[p * each + at] = attrs.relu && best < 0 ? 0 : best;
        (places as RefArray)[p * each + at] = attrs.relu && best <= 0 ? none(attrs) : place;
      });
    }
  },
  samplesOf: { lies: (node, ins) => besides(node as Node, ins, (axis) => axis >= node.out.shape.length - 2) },
  samples: () =>
    CASES.map(({ shape, attrs, values }) => ({
      ins: [f32(...shape)],
      attrs,
      ...(values && { fill: [{ exactly: values }], noGradient: true }),
    })),
};

/** Inputs: the places, and dy. */
export const MAX_POOL_GRAD: OpDef<MaxPoolGradAttrs> = {
  name: 'maxPoolGrad',
  infer([places, dy], attrs) {
    const [oh, ow] = pooledSize(attrs, attrs.size);
    const { height, width } = planesOf(dy as TensorType);
    if (`${places?.shape}` !== `${dy?.shape}` || height !== oh || width !== ow) {
      throw new ShapeError(
        `maxPoolGrad: expected places and dy as [..., ${oh}, ${ow}], got [${places?.shape}] and [${dy?.shape}]`,
      );
    }
    return [planesLike(dy as TensorType, ...attrs.size)];
  },
  vjp({ ins: [places], attrs }, [g]) {
    if (!g) return [null, null];
    const { kernel, stride, padding, dilation, size } = attrs;
    const [oh, ow] = pooledSize(attrs, size);
    const at = (o: number): number => {
      const [y, x] = [Math.floor(o / ow), o % ow];
      return (y * stride[0] - padding[0]) * size[1] + x * stride[1] - padding[1];
    };
    const starts = g.graph.constant(
      Float64Array.from({ length: oh * ow }, (_, o) => at(o)),
      [oh, ow],
      'f64',
    );
    const place = cast(places!, 'f64');
    const row = floor(div(add(place, 0.5), kernel[1]));
    const column = sub(place, mul(row, kernel[1]));
    const within = add(mul(row, dilation[0] * size[1]), mul(column, dilation[1]));
    const taken = notEqual(place, none(attrs));
    const planes = sizeOf(g.shape.slice(0, -2));
    const indices = reshape(cast(mul(add(starts, within), taken), 'i32'), [planes, oh * ow]);
    const there = takeAlongAxis(reshape(g, [planes, size[0] * size[1]]), indices, { axis: 1 });
    return [null, where(cast(taken, 'f32'), reshape(there, places!.shape), 0)];
  },
  lower(node) {
    const dy = node.ins[1] as Tensor;
    return { ints: ints(planesOf(dy.type).planes, node.attrs, node.attrs.size, dy.shape.slice(-2) as unknown as Pair) };
  },
  cost: (node) => moved(node, sizeOf((node.ins[1] as Tensor).shape)),
  ref([dx], [places, dy], node) {
    const { attrs } = node;
    const out = dx as RefArray;
    const { planes, height, width } = planesOf(node.out.type);
    const each = (dy as RefArray).length / planes;
    out.fill(0);
    for (let p = 0; p < planes; p++) {
      eachWindow(attrs, attrs.size, (at, taps) => {
        const to = taps.find(([k]) => k === (places as RefArray)[p * each + at])?.[1];
        if (to !== undefined)
          out[p * height * width + to] = (out[p * height * width + to] as number) + ((dy as RefArray)[p * each + at] as number);
      });
    }
  },
  samplesOf: { lies: (node, ins) => besides(node as Node, ins, (axis) => axis >= node.out.shape.length - 2) },
  samples: () =>
    CASES.map(({ shape, attrs }): Sample<MaxPoolGradAttrs> => {
      const size = shape.slice(-2) as unknown as Pair;
      const dy = [...shape.slice(0, -2), ...pooledSize(attrs, size)];
      // Places that lie in x, another one in each window.
      const exactly: number[] = [];
      for (let p = 0; p < sizeOf(shape.slice(0, -2)); p++) {
        eachWindow(attrs, size, (at, taps) => exactly.push(at % 7 === 6 ? none(attrs) : taps[(p + at) % taps.length]![0]));
      }
      const places: TensorType = { dtype: isSmall(attrs) ? 'u8' : 'i32', shape: dy };
      return { ins: [places, f32(...dy)], attrs: { ...attrs, size }, fill: [{ exactly }, 'normal'] };
    }),
};

interface Case {
  readonly shape: readonly number[];
  readonly attrs: MaxPoolAttrs;
  readonly values?: readonly number[];
}
function poolCase(shape: readonly number[], kernel: Pair, rest: Partial<MaxPoolAttrs> = {}, values?: readonly number[]): Case {
  const attrs = { kernel, stride: kernel, padding: [0, 0], dilation: [1, 1], ceil: false, relu: false, ...rest } as const;
  return { shape, attrs, ...(values && { values }) };
}
// Equal elements, zeros of both signs, NaN, nothing but -Infinity.
const AWKWARD = [0, -0, -1, 2, 2, NaN, 1, -1, 0, 3, 3, NaN, -2, -2, -5, -5].concat([-2, -2, -5, -4]);
const LOWEST = [-Infinity, -Infinity, 1, -Infinity, -Infinity, 1, -Infinity, 1, 1];
const CASES: readonly Case[] = [
  poolCase([2, 3, 6, 8], [2, 2]),
  poolCase([1, 2, 28, 28], [2, 2]),
  poolCase([3, 7, 75], [2, 2], { relu: true }),
  poolCase([1, 2, 2], [2, 2]),
  poolCase([0, 4, 4], [2, 2]),
  poolCase([2, 9, 40], [3, 3], { stride: [1, 1], padding: [1, 1] }),
  poolCase([2, 12, 35], [3, 3], { stride: [2, 2], padding: [1, 1], relu: true }),
  poolCase([2, 11, 13], [3, 2], { stride: [3, 4], padding: [1, 0], dilation: [2, 3], ceil: true }),
  poolCase([2, 1, 33], [1, 3], { stride: [1, 2], padding: [0, 1], ceil: true }),
  poolCase([2, 5, 7], [2, 2], { ceil: true }),
  poolCase([2, 20, 18], [17, 16], { stride: [1, 1] }),
  poolCase([1, 5, 4], [2, 2], { ceil: true }, AWKWARD),
  poolCase([1, 5, 4], [2, 2], {}, AWKWARD),
  poolCase([1, 5, 4], [2, 2], { relu: true }, AWKWARD),
  poolCase([1, 5, 4], [3, 2], { stride: [1, 1], padding: [1, 1] }, AWKWARD),
  poolCase([1, 3, 3], [2, 2], { stride: [1, 1] }, LOWEST),
];

/** Options of `nn.MaxPool1d`, `nn.MaxPool2d`, `nn.MaxPool3d` and their ops. */
export interface MaxPoolOptions {
  /** Distance of the windows. Default: their size. */
  readonly stride?: PerDim;
  /** Rows and columns of -Infinity around each plane; at most half a window. Default 0. */
  readonly padding?: PerDim;
  /** Distance of the elements of a window. Default 1. */
  readonly dilation?: PerDim;
  /** Windows that lie partly beyond the end count too. Default false. */
  readonly ceilMode?: boolean;
}

/** The options as they are read. */
export interface MaxPoolRead {
  readonly stride: Pair | undefined;
  readonly padding: Pair;
  readonly dilation: Pair;
  readonly ceilMode: boolean;
}
const maxPoolOptions = (dims: 1 | 2): OptionsField<MaxPoolOptions, MaxPoolRead> =>
  options<MaxPoolOptions>()({
    stride: perDim(dims, 1, 1).optional(),
    padding: perDim(dims, 0, 0).default(0),
    dilation: perDim(dims, 1, 1).default(1),
    ceilMode: bool.default(false),
  });
export const maxPool1dOptions: OptionsField<MaxPoolOptions, MaxPoolRead> = maxPoolOptions(1);
export const maxPool2dOptions: OptionsField<MaxPoolOptions, MaxPoolRead> = maxPoolOptions(2);

/** What was read of a pooling layer or function `where`, as attributes. */
export function maxPoolAttrs(where: string, read: MaxPoolRead & { readonly kernelSize: Pair }): MaxPoolAttrs {
  const { kernelSize: kernel, stride = kernel, padding, dilation, ceilMode: ceil } = read;
  for (const d of [0, 1] as const) {
    const reach = dilation[d] * (kernel[d] - 1) + 1;
    if (padding[d] * 2 <= reach) continue;
    throw new OptionError(`${where}: option padding: expected at most half a window of ${reach}, got ${padding[d]}`);
  }
  return { kernel, stride, padding, dilation, ceil, relu: false };
}

/** Max pooling by attributes that were checked. */
export function maxPool(where: string, dims: 1 | 2, x: TensorLike, attrs: MaxPoolAttrs): Tensor {
  return asPlanes(where, x, dims, (t) => {
    // The largest of relu(x) is relu of the largest of x: then relu neither reads nor writes all of x, forward and backward.
    const relu = t.node.op.map === 'relu';
    return t.graph.add(MAX_POOL, [relu ? (t.node.ins[0] as Tensor) : t], { ...attrs, relu }).outs[0] as Tensor;
  });
}

const readMaxPool2d = signature('ops.maxPool2d', { x: tensor, kernelSize: kernelSize(2) }, maxPool2dOptions);
const readMaxPool1d = signature('ops.maxPool1d', { x: tensor, kernelSize: kernelSize(1) }, maxPool1dOptions);

/**
 * The largest element of each window. Where several are equal, the gradient goes to the first; NaN is larger than
 * all.
 * @shape x [batch, channels, height, width] -> [batch, channels, rows, columns], or both without batch
 * @param kernelSize of a window: rows and columns, or one number for both
 * @throws OptionError; ShapeError where x is smaller than a window; DTypeError unless x is f32
 * @see torch.nn.functional.max_pool2d
 */
export function maxPool2d(x: TensorLike, kernelSize: PerDim, options: MaxPoolOptions = {}): Tensor {
  const read = readMaxPool2d(arguments);
  return maxPool('maxPool2d', 2, read.x, maxPoolAttrs('ops.maxPool2d', read));
}

/**
 * The largest element of each window over one dimension. Where several are equal, the gradient goes to the first; NaN
 * is larger than all.
 * @shape x [batch, channels, length] -> [batch, channels, windows], or both without batch
 * @param kernelSize of a window, in elements
 * @throws OptionError; ShapeError where x is smaller than a window; DTypeError unless x is f32
 * @see torch.nn.functional.max_pool1d
 */
export function maxPool1d(x: TensorLike, kernelSize: PerDim, options: MaxPoolOptions = {}): Tensor {
  const read = readMaxPool1d(arguments);
  return maxPool('maxPool1d', 1, read.x, maxPoolAttrs('ops.maxPool1d', read));
}

/** The records of this file. */
// biome-ignore lint/suspicious/noExplicitAny: as in index.ts
export const MAX_POOLS: readonly OpDef<any>[] = [MAX_POOL, MAX_POOL_GRAD];
