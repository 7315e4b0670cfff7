// avg-pool.ts: average and adaptive average pooling and their gradient. Kernels: pool.h.

import { OptionError, ShapeError } from '../../errors.ts';
import type { Node, Tensor, TensorLike } from '../../ir/graph.ts';
import { f32, type OpDef, type RefArray, sizeOf, type TensorType } from '../../ir/op.ts';
import { besides } from '../../ir/samples.ts';
import { bool, either, type Field, list, nullable, type OptionsField, options, signature, whole } from '../../options/index.ts';
import { tensor } from '../args.ts';
import { mean } from '../reduce/reduce.ts';
import { moved } from '../shape/axes.ts';
import { reshape } from '../shape/shape.ts';
import type { AvgPoolAttrs, AvgPoolGradAttrs, Span } from './pool-attrs.ts';
import { avgPoolOnnx } from './pool-onnx.ts';
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

const ints = (planes: number, size: Pair, { rows, columns, divisor }: AvgPoolAttrs): number[] => [
  ...[planes, ...size, rows.length, columns.length, divisor],
  ...rows.flat(),
  ...columns.flat(),
];

/** Call `visit` with each output, each element of its window and what to divide by. */
function eachElement(
  node: Node<AvgPoolAttrs>,
  planes: number,
  size: Pair,
  visit: (out: number, from: number, divisor: number) => void,
): void {
  const { rows, columns, divisor } = node.attrs;
  for (let p = 0; p < planes; p++) {
    rows.forEach(([y0, y1, tall], r) => {
      columns.forEach(([x0, x1, wide], c) => {
        const out = (p * rows.length + r) * columns.length + c;
        for (let y = y0; y < y1; y++) {
          for (let x = x0; x < x1; x++) visit(out, (p * size[0] + y) * size[1] + x, divisor || tall * wide);
        }
      });
    });
  }
}

export const AVG_POOL: OpDef<AvgPoolAttrs> = {
  name: 'avgPool',
  onnx: avgPoolOnnx,
  infer([x], { rows, columns }) {
    expectPlanes('avgPool', x as TensorType);
    return [planesLike(x as TensorType, rows.length, columns.length)];
  },
  vjp(node, [dy]) {
    if (!dy) return [null];
    const { height, width } = planesOf((node.ins[0] as Tensor).type);
    return [dy.graph.add(AVG_POOL_GRAD, [dy], { ...node.attrs, size: [height, width] }).out];
  },
  lower(node) {
    const { planes, height, width } = planesOf((node.ins[0] as Tensor).type);
    return { ints: ints(planes, [height, width], node.attrs) };
  },
  cost: (node) => moved(node, sizeOf((node.ins[0] as Tensor).shape)),
  ref([y], [x], node) {
    const { planes, height, width } = planesOf((node.ins[0] as Tensor).type);
    const sums = new Float64Array((y as RefArray).length);
    const divisors = new Float64Array(sums.length).fill(1);
    eachElement(node, planes, [height, width], (out, from, divisor) => {
      sums[out] = (sums[out] as number) + ((x as RefArray)[from] as number);
      divisors[out] = divisor;
    });
    sums.forEach((s, i) => {
      (y as RefArray)[i] = s / (divisors[i] as number);
    });
  },
  samplesOf: { lies: (node, ins) => besides(node as Node, ins, (axis) => axis >= node.out.shape.length - 2) },
  samples: () => CASES.map(([shape, attrs]) => ({ ins: [f32(...shape)], attrs })),
};

export const AVG_POOL_GRAD: OpDef<AvgPoolGradAttrs> = {
  name: 'avgPoolGrad',
  infer: ([dy], { size }) => [planesLike(dy as TensorType, ...size)],
  vjp({ attrs: { rows, columns, divisor } }, [g]) {
    return [g ? g.graph.add(AVG_POOL, [g], { rows, columns, divisor }).out : null];
  },
  lower: (node) => ({ ints: ints(planesOf(node.out.type).planes, node.attrs.size, node.attrs) }),
  cost: (node) => moved(node, sizeOf(node.out.shape)),
  ref([dx], [dy], node) {
    const out = dx as RefArray;
    out.fill(0);
    eachElement(node, planesOf(node.out.type).planes, node.attrs.size, (at, to, divisor) => {
      out[to] = (out[to] as number) + ((dy as RefArray)[at] as number) / divisor;
    });
  },
  samplesOf: { lies: (node, ins) => besides(node as Node, ins, (axis) => axis >= node.out.shape.length - 2) },
  samples: () =>
    CASES.map(([shape, attrs]) => ({
      ins: [f32(...shape.slice(0, -2), attrs.rows.length, attrs.columns.length)],
      attrs: { ...attrs, size: shape.slice(-2) as unknown as Pair },
    })),
};

/** Options of `nn.AvgPool1d` and `ops.avgPool1d`. */
export interface AvgPoolOptions {
  /** Distance of the windows. Default: their size. */
  readonly stride?: PerDim;
  /** Rows and columns of zeros around each plane; at most half a window. Default 0. */
  readonly padding?: PerDim;
  /** Windows that lie partly beyond the end count too. Default false. */
  readonly ceilMode?: boolean;
  /** The zeros of the padding count as elements. Default true. */
  readonly countIncludePad?: boolean;
}
/** Options of `nn.AvgPool2d`, `nn.AvgPool3d`, `ops.avgPool2d` and `ops.avgPool3d`. */
export interface AvgPool2dOptions extends AvgPoolOptions {
  /** What to divide the sums by, in place of the number of elements; at least 1. Default: that number. */
  readonly divisorOverride?: number;
}

/** How a pooling layer cuts a plane, once its size is known. */
export interface AvgPoolWindows {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Pair;
  readonly ceil: boolean;
  readonly countPadding: boolean;
  readonly divisor: number;
}

/** The options as they are read. */
export interface AvgPoolRead {
  readonly stride: Pair | undefined;
  readonly padding: Pair;
  readonly ceilMode: boolean;
  readonly countIncludePad: boolean;
  readonly divisorOverride?: number | undefined;
}
const fields = (dims: 1 | 2) => ({
  stride: perDim(dims, 1, 1).optional(),
  padding: perDim(dims, 0, 0).default(0),
  ceilMode: bool.default(false),
  countIncludePad: bool.default(true),
});
export const avgPool1dOptions: OptionsField<AvgPoolOptions, AvgPoolRead> = options<AvgPoolOptions>()(fields(1));
export const avgPool2dOptions: OptionsField<AvgPool2dOptions, AvgPoolRead> = options<AvgPool2dOptions>()({
  ...fields(2),
  divisorOverride: whole({ min: 1, max: 2 ** 31 - 1 }).optional(),
});

/** What was read of a pooling layer or function `where`, as windows. */
export function avgPoolWindows(where: string, read: AvgPoolRead & { readonly kernelSize: Pair }): AvgPoolWindows {
  const { kernelSize: kernel, stride = kernel, padding } = read;
  for (const d of [0, 1] as const) {
    if (padding[d] * 2 <= kernel[d]) continue;
    throw new OptionError(`${where}: option padding: expected at most half a window of ${kernel[d]}, got ${padding[d]}`);
  }
  const { ceilMode: ceil, countIncludePad: countPadding, divisorOverride: divisor = 0 } = read;
  return { kernel, stride, padding, ceil, countPadding, divisor };
}

function spans(where: string, size: number, d: 0 | 1, { ceil, countPadding, ...of }: AvgPoolWindows): Span[] {
  return spansOf(where, size, { kernel: of.kernel[d], stride: of.stride[d], padding: of.padding[d], ceil, countPadding });
}

/** Windows along one dimension. */
interface LineWindows {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly ceil: boolean;
  readonly countPadding: boolean;
}
export function spansOf(where: string, size: number, windows: LineWindows): Span[] {
  const { kernel, stride, padding } = windows;
  const count = windowCount(size, { kernel, stride, padding, dilation: 1, ceil: windows.ceil });
  if (count < 1) throw new ShapeError(`${where}: expected at least ${kernel - 2 * padding} elements along each row, got ${size}`);
  return Array.from({ length: count }, (_, i): Span => {
    const start = i * stride - padding;
    const last = Math.min(start + kernel, size + padding);
    const from = Math.min(Math.max(0, start), size);
    const end = Math.max(from, Math.min(last, size));
    return [from, end, windows.countPadding ? last - start : Math.max(1, end - from)];
  });
}

/** Average pooling by windows that were checked. */
export function avgPool(where: string, dims: 1 | 2, x: TensorLike, windows: AvgPoolWindows): Tensor {
  return asPlanes(where, x, dims, (t) => {
    const { height, width } = planesOf(t.type);
    const rows = spans(where, height, 0, windows);
    return t.graph.add(AVG_POOL, [t], { rows, columns: spans(where, width, 1, windows), divisor: windows.divisor }).out;
  });
}

const readAvgPool2d = signature('ops.avgPool2d', { x: tensor, kernelSize: kernelSize(2) }, avgPool2dOptions);
const readAvgPool1d = signature('ops.avgPool1d', { x: tensor, kernelSize: kernelSize(1) }, avgPool1dOptions);

/**
 * The mean of each window. Sums run in f64.
 * @shape x [batch, channels, height, width] -> [batch, channels, rows, columns], or both without batch
 * @param kernelSize of a window: rows and columns, or one number for both
 * @throws OptionError; ShapeError where x is smaller than a window; DTypeError unless x is f32
 * @see torch.nn.functional.avg_pool2d
 */
export function avgPool2d(x: TensorLike, kernelSize: PerDim, options: AvgPool2dOptions = {}): Tensor {
  const read = readAvgPool2d(arguments);
  return avgPool('avgPool2d', 2, read.x, avgPoolWindows('ops.avgPool2d', read));
}

/**
 * The mean of each window over one dimension. Sums run in f64.
 * @shape x [batch, channels, length] -> [batch, channels, windows], or both without batch
 * @param kernelSize of a window, in elements
 * @throws OptionError; ShapeError where x is smaller than a window; DTypeError unless x is f32
 * @see torch.nn.functional.avg_pool1d
 */
export function avgPool1d(x: TensorLike, kernelSize: PerDim, options: AvgPoolOptions = {}): Tensor {
  const read = readAvgPool1d(arguments);
  return avgPool('avgPool1d', 1, read.x, avgPoolWindows('ops.avgPool1d', read));
}

/** How many outputs per spatial dimension; null: as many as inputs. One for all, or a list. */
export type OutputSize = number | null | readonly (number | null)[];

/** Rows and columns that adaptive pooling gives; null stays. */
export type AdaptiveSize = readonly [number | null, number | null];
export function outputSize(dims: 1 | 2): Field<OutputSize, AdaptiveSize> {
  const one = nullable(whole({ min: 1, max: 65_535 }));
  return either(one, list(one, { min: dims, max: dims })).map((value): AdaptiveSize => {
    const [first, last] = typeof value === 'number' || value === null ? [value, value] : [value[0]!, value.at(-1)!];
    return dims === 1 ? [1, last] : [first, last];
  });
}

/** So many windows of nearly equal size: where each begins and ends, and how long it is. */
export const adaptiveSpans = (size: number, count: number): Span[] =>
  Array.from({ length: count }, (_, i): Span => {
    const [from, end] = [Math.floor((i * size) / count), Math.ceil(((i + 1) * size) / count)];
    return [from, end, end - from];
  });

/** Adaptive average pooling to a size that was checked. */
export function adaptiveAvgPool(where: string, dims: 1 | 2, x: TensorLike, size: AdaptiveSize): Tensor {
  return asPlanes(where, x, dims, (t) => {
    expectPlanes(where, t.type);
    const { height, width } = planesOf(t.type);
    if (height === 0 || width === 0) throw new ShapeError(`${where}: expected planes with elements, got [${t.shape}]`);
    const [oh, ow] = [size[0] ?? height, size[1] ?? width];
    if (oh === 1 && ow === 1) {
      const y = mean(reshape(t, [...t.shape.slice(0, -2), height * width]), { axes: -1 });
      return reshape(y, [...y.shape, 1, 1]);
    }
    const windows = { rows: adaptiveSpans(height, oh), columns: adaptiveSpans(width, ow), divisor: 0 };
    return t.graph.add(AVG_POOL, [t], windows).out;
  });
}

const readAdaptiveAvgPool2d = signature('ops.adaptiveAvgPool2d', { x: tensor, outputSize: outputSize(2) });
const readAdaptiveAvgPool1d = signature('ops.adaptiveAvgPool1d', { x: tensor, outputSize: outputSize(1) });

/**
 * The mean of each of so many windows of nearly equal size.
 * @shape x [batch, channels, height, width] -> [batch, channels, rows, columns], or both without batch
 * @param outputSize rows and columns, or one number for both; null: as many as x has
 * @throws OptionError; ShapeError for another number of dimensions; DTypeError unless x is f32
 * @see torch.nn.functional.adaptive_avg_pool2d
 */
export function adaptiveAvgPool2d(x: TensorLike, outputSize: OutputSize): Tensor {
  const read = readAdaptiveAvgPool2d(arguments);
  return adaptiveAvgPool('adaptiveAvgPool2d', 2, read.x, read.outputSize);
}

/**
 * The mean of each of so many windows of nearly equal size, over one dimension.
 * @shape x [batch, channels, length] -> [batch, channels, outputSize], or both without batch
 * @param outputSize how many windows; null: as many as x has elements
 * @throws OptionError; ShapeError for another number of dimensions; DTypeError unless x is f32
 * @see torch.nn.functional.adaptive_avg_pool1d
 */
export function adaptiveAvgPool1d(x: TensorLike, outputSize: OutputSize): Tensor {
  const read = readAdaptiveAvgPool1d(arguments);
  return adaptiveAvgPool('adaptiveAvgPool1d', 1, read.x, read.outputSize);
}

const windowsOf = (shape: readonly number[], kernel: Pair, rest: Partial<AvgPoolWindows> = {}): AvgPoolAttrs => {
  const windows = { kernel, stride: kernel, padding: [0, 0], ceil: false, countPadding: true, divisor: 0, ...rest } as const;
  const [height, width] = shape.slice(-2) as [number, number];
  return { rows: spans('', height, 0, windows), columns: spans('', width, 1, windows), divisor: windows.divisor };
};
const sampleOf = (shape: readonly number[], kernel: Pair, rest?: Partial<AvgPoolWindows>) =>
  [shape, windowsOf(shape, kernel, rest)] as const;
const CASES: readonly (readonly [readonly number[], AvgPoolAttrs])[] = [
  sampleOf([2, 3, 6, 8], [2, 2]),
  sampleOf([2, 9, 40], [3, 3], { stride: [1, 1], padding: [1, 1] }),
  sampleOf([2, 12, 35], [3, 3], { stride: [2, 2], padding: [1, 1], countPadding: false }),
  sampleOf([2, 11, 13], [3, 2], { stride: [3, 4], padding: [1, 1], ceil: true }),
  sampleOf([2, 11, 13], [3, 2], { stride: [5, 1], divisor: 7 }),
  sampleOf([3, 1, 33], [1, 5]),
  // One window, behind which x goes on.
  sampleOf([2, 8, 3], [3, 3], { stride: [3, 3], padding: [1, 1], countPadding: false }),
  sampleOf([1, 1, 1], [1, 1]),
  sampleOf([0, 4, 4], [2, 2]),
  [[2, 7, 19], { rows: adaptiveSpans(7, 3), columns: adaptiveSpans(19, 8), divisor: 0 }],
  [[2, 3, 2], { rows: adaptiveSpans(3, 5), columns: adaptiveSpans(2, 2), divisor: 0 }],
];

/** The records of this file. */
// biome-ignore lint/suspicious/noExplicitAny: as in index.ts
export const AVG_POOLS: readonly OpDef<any>[] = [AVG_POOL, AVG_POOL_GRAD];
