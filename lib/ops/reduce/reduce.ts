// reduce.ts: sum, mean, max, min and argmax over axes. Kernels: reduce.h. What is made of them: log-sum-exp.ts.

import { DTypeError, ShapeError } from '../../errors.ts';
import type { Node, Tensor, TensorLike } from '../../ir/graph.ts';
import { f32, f64, type OpDef, type RefArray, type Sample, sameShape, sizeOf, type TensorType } from '../../ir/op.ts';
import { besides, isRows, type Rows, type SampleRules } from '../../ir/samples.ts';
import { squareOf } from '../../math/index.ts';
import { bool, choice, type OptionsField, options, signature } from '../../options/index.ts';
import { type AxisOptions, axes, axisOptions, tensor } from '../args.ts';
import { cast, div, equal, mul } from '../elementwise/elementwise.ts';
import { castTo } from '../elementwise/map.ts';
import { exact, sumDtype } from '../elementwise/promote.ts';
import { moved, resolveAxes, resolveAxis, span } from '../shape/axes.ts';
import { broadcastTo, reshape } from '../shape/shape.ts';
import { apart } from '../summands.ts';

/** Neighboring axes, ascending. The public functions reduce other sets run by run. */
export interface ReduceAttrs {
  readonly axes: readonly number[];
}
export interface SumAttrs extends ReduceAttrs {
  readonly dtype: 'f32' | 'f64';
  /** Made by the compiler: a second output, the sum of squares of each block of outputs, f64[sumBlocks]. */
  readonly stats?: boolean;
}

/** The reduced axes as [outer, count, inner] -> [outer, inner]. */
function layout(x: TensorType, axes: readonly number[]): { outer: number; count: number; inner: number } {
  const first = axes[0] ?? x.shape.length;
  const end = first + axes.length;
  return { outer: span(x.shape, 0, first), count: span(x.shape, first, end), inner: span(x.shape, end) };
}

/** Outputs in a block of reduce.h: kReduceBlock. */
const BLOCK = 64;

/** Number of partial sums of squares that `sum` gives with `stats`. */
export function sumBlocks(x: TensorType, axes: readonly number[]): number {
  const { outer, inner } = layout(x, axes);
  return inner === 1 ? Math.ceil(outer / BLOCK) : outer * Math.ceil(inner / BLOCK);
}

function inferReduce(op: string, ins: readonly TensorType[], axes: readonly number[]): TensorType {
  const x = ins[0] as TensorType;
  if (x.dtype !== 'f32' && x.dtype !== 'f64') throw new DTypeError(`${op}: expected f32 or f64, got ${x.dtype}`);
  if (!axes.every((a, i) => a >= 0 && a < x.shape.length && (i === 0 || a === (axes[i - 1] as number) + 1))) {
    throw new ShapeError(`${op}: expected neighboring axes of [${x.shape}], got [${axes}]`);
  }
  return { dtype: x.dtype, shape: x.shape.filter((_, i) => !axes.includes(i)) };
}

const input = (node: Node): TensorType => (node.ins[0] as Tensor).type;

function ints(node: Node, axes: readonly number[]): number[] {
  const { outer, count, inner } = layout(input(node), axes);
  return [outer, count, inner, input(node).dtype === 'f64' ? 1 : 0];
}

/** Calls `visit(o, values)` for every output with the elements that are reduced to it. */
function eachOutput(node: Node, axes: readonly number[], x: RefArray, visit: (at: number, values: number[]) => void): void {
  const { outer, count, inner } = layout(input(node), axes);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const values = Array.from({ length: count }, (_, k) => x[(o * count + k) * inner + i] as number);
      visit(o * inner + i, values);
    }
  }
}

/** The shape of `x` with the reduced axes as dimensions of 1. */
const keep = (shape: readonly number[], axes: readonly number[]): number[] => shape.map((d, i) => (axes.includes(i) ? 1 : d));

// ---- sum and mean ------------------------------------------------------------------------------------------------
const total = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** Rows that are reduced are what a sum over samples is made of; others stay where they are, less far behind. */
function sumSamples(divisor: (count: number) => number): SampleRules<SumAttrs> {
  return {
    lies(node, [lies = null]) {
      const { axes } = node.attrs;
      if (!isRows(lies)) return [lies];
      return [axes.includes(lies.axis) ? 'sum' : withoutAxes(lies, axes)];
    },
    summands(node, _, of) {
      const x = node.ins[0]!;
      const { axes, dtype } = node.attrs;
      const lies = of.lies(x);
      const rows = isRows(lies) ? apart(x, lies, of.count) : of.summands(x);
      const behind = axes.map((axis) => axis + 1);
      const n = divisor(layout(x.type, axes).count);
      const summed = sumAlong(rows, behind, dtype);
      return n === 1 ? summed : div(summed, n);
    },
    weighs: 0,
  };
}

/** Over these axes, of which those of one element are no work. */
function sumAlong(x: Tensor, axes: readonly number[], dtype: 'f32' | 'f64'): Tensor {
  const real = axes.filter((axis) => x.shape[axis] !== 1);
  const rest = x.shape.filter((_, i) => !axes.includes(i));
  return reshape(real.length === 0 ? castTo(x, dtype) : sum(x, { axes: real, dtype }), rest);
}

const withoutAxes = ({ axis, each }: Rows, axes: readonly number[]): Rows => ({
  axis: axis - axes.filter((a) => a < axis).length,
  each,
});

/** The same of what is no sum. */
const extremeSamples: SampleRules<ReduceAttrs> = {
  lies(node, ins) {
    const { axes } = node.attrs;
    const [lies] = besides(node as Node, ins, (axis) => axes.includes(axis));
    return [isRows(lies) ? withoutAxes(lies, axes) : null];
  },
};

function sumOp(name: string, operator: 'ReduceSum' | 'ReduceMean', divisor: (count: number) => number): OpDef<SumAttrs> {
  return {
    name,
    kernel: 'sum',
    infer(ins, { axes, dtype, stats }) {
      const y = { ...inferReduce(name, ins, axes), dtype };
      return stats ? [y, f64(sumBlocks(ins[0] as TensorType, axes))] : [y];
    },
    vjp(node, [dy]) {
      if (!dy) return [null];
      const x = input(node);
      const { axes } = node.attrs;
      const n = divisor(layout(x, axes).count);
      const row = cast(n === 1 ? dy : div(dy, n), x.dtype);
      return [broadcastTo(reshape(row, keep(x.shape, axes)), x.shape)];
    },
    onnx(node, b) {
      const { axes, dtype } = node.attrs;
      const from = input(node).dtype;
      // Where either is f64, it is summed in f64, as here it always is.
      const type = dtype === 'f64' || from === 'f64' ? 'f64' : 'f32';
      const sum = b.reduce(operator, b.cast(b.value(node.ins[0]!), from, type), axes);
      return [b.cast(sum, type, dtype)];
    },
    lower(node) {
      const { axes, dtype } = node.attrs;
      return { ints: [...ints(node, axes), dtype === 'f64' ? 1 : 0], floats: [divisor(layout(input(node), axes).count)] };
    },
    cost: (node) => moved(node, sizeOf(input(node).shape)),
    ref([y, squares], [x], node) {
      const { axes, stats } = node.attrs;
      eachOutput(node, axes, x as RefArray, (at, values) => {
        (y as RefArray)[at] = total(values) / divisor(values.length);
      });
      if (!stats) return;
      const { outer, inner } = layout(input(node), axes);
      const row = inner === 1 ? outer : inner;
      const blocks = Math.ceil(row / BLOCK);
      (squares as RefArray).fill(0);
      for (let i = 0; i < (y as RefArray).length; i++) {
        const block = Math.floor(i / row) * blocks + Math.floor((i % row) / BLOCK);
        (squares as RefArray)[block] = ((squares as RefArray)[block] as number) + squareOf((y as RefArray)[i] as number);
      }
    },
    samplesOf: sumSamples(divisor),
    samples: () => [
      { ins: [f32(37)], attrs: { axes: [0], dtype: 'f32' } },
      { ins: [f32(1)], attrs: { axes: [0], dtype: 'f64' } },
      { ins: [f32(33, 70)], attrs: { axes: [0], dtype: 'f32' } },
      { ins: [f32(5, 19)], attrs: { axes: [1], dtype: 'f32' } },
      { ins: [f64(3, 4, 5)], attrs: { axes: [1], dtype: 'f64' } },
      { ins: [f64(4, 6)], attrs: { axes: [0, 1], dtype: 'f32' } },
      { ins: [f32(2, 3, 1, 5)], attrs: { axes: [1, 2], dtype: 'f64' } },
      { ins: [f32(600, 3)], attrs: { axes: [0], dtype: 'f32' }, tolerance: 1e-5, noGradient: true },
      { ins: [f32(2, 4500)], attrs: { axes: [1], dtype: 'f32' }, tolerance: 1e-5, noGradient: true },
      { ins: [f32(2, 130)], attrs: { axes: [0], dtype: 'f32', stats: true }, tolerance: 1e-4, noGradient: true },
      { ins: [f32(3, 2, 70)], attrs: { axes: [1], dtype: 'f32', stats: true }, tolerance: 1e-4, noGradient: true },
      { ins: [f32(2, 0)], attrs: { axes: [0], dtype: 'f32' } },
    ],
  };
}
export const SUM: OpDef<SumAttrs> = sumOp('sum', 'ReduceSum', () => 1);
export const MEAN: OpDef<SumAttrs> = sumOp('mean', 'ReduceMean', (count) => count);

/** Options of `ops.logSumExp`, `ops.max` and `ops.min`. */
export interface ReduceOptions {
  /** Axes to reduce; negative ones count from the end. Default: all. */
  readonly axes?: readonly number[] | number;
  /** Keep the reduced axes as dimensions of 1. Default false. */
  readonly keepDims?: boolean;
}
/** As they are read. */
export interface Reduce {
  readonly axes: readonly number[] | number | undefined;
  readonly keepDims: boolean;
}
const REDUCE = { axes: axes.optional(), keepDims: bool.default(false) };
export const reduceOptions: OptionsField<ReduceOptions, Reduce> = options<ReduceOptions>()(REDUCE);

/** Options of `ops.mean` and `ops.sum`. */
export interface SumOptions extends ReduceOptions {
  /** Of the result. Default: that of `x`; of integers i32 for `sum`, f32 for `mean`. */
  readonly dtype?: 'f32' | 'f64';
}

/** Runs of neighbors in ascending `axes`, the last run first. */
function runs(axes: readonly number[]): number[][] {
  const out: number[][] = [];
  for (const a of axes) {
    const run = out[0];
    if (run && run[run.length - 1] === a - 1) run.push(a);
    else out.unshift([a]);
  }
  return out;
}

const sumOptions = options<SumOptions>()({ ...REDUCE, dtype: choice('f32', 'f64').optional() });
const readSum = signature('ops.sum', { x: tensor }, sumOptions);
const readMean = signature('ops.mean', { x: tensor }, sumOptions);

function sumOver(op: OpDef<SumAttrs>, { x, keepDims, ...given }: ReturnType<typeof readSum>, ofIntegers: 'f32' | 'f64'): Tensor {
  const t = exact(x);
  const axes = resolveAxes(op.name, given.axes, t.shape.length);
  const dtype = given.dtype ?? (x.dtype === 'f32' || x.dtype === 'f64' ? x.dtype : ofIntegers);
  const groups = axes.length === 0 ? [[]] : runs(axes);
  let y = t;
  groups.forEach((run, i) => {
    y = y.graph.add(op, [y], { axes: run, dtype: i === groups.length - 1 ? dtype : 'f64' }).out;
  });
  return keepDims ? reshape(y, keep(t.shape, axes)) : y;
}

/**
 * The sum over `axes`. Accumulates in f64; the sum of nothing is 0. That of integers is an i32, and one that is beyond
 * its range the end of that.
 * @shape x [...] -> scalar, or without the dimensions of `axes`
 * @throws OptionError
 * @see torch.sum
 */
export function sum(x: TensorLike, options: SumOptions = {}): Tensor {
  const given = readSum(arguments);
  const { dtype } = given.x;
  const y = sumOver(SUM, given, 'f64');
  return given.dtype === undefined ? castTo(y, sumDtype(dtype)) : y;
}

/**
 * The mean over `axes`; that of integers is an f32. Accumulates in f64; the mean of nothing is NaN.
 * @shape x [...] -> scalar, or without the dimensions of `axes`
 * @throws OptionError
 * @see torch.mean
 */
export function mean(x: TensorLike, options: SumOptions = {}): Tensor {
  return sumOver(MEAN, readMean(arguments), 'f32');
}

/** Sum `x` down to `shape`, which broadcasts to the shape of `x`: what the gradient of a broadcast is. */
export function sumTo(x: TensorLike, shape: readonly number[]): Tensor {
  const t = x.toTensor();
  if (sameShape(t.shape, shape)) return t;
  const lead = t.shape.length - shape.length;
  const axes = t.shape.map((_, i) => i).filter((i) => i < lead || (shape[i - lead] === 1 && t.shape[i] !== 1));
  return reshape(axes.length === 0 ? t : sum(t, { axes }), shape);
}

// ---- max, min, argmax --------------------------------------------------------------------------------------------
/** `better(a, b)`: a replaces b. A NaN is never replaced, as in PyTorch. */
function extremeOp(
  name: string,
  operator: 'ReduceMax' | 'ReduceMin',
  better: (a: number, b: number) => boolean,
): OpDef<ReduceAttrs> {
  return {
    name,
    infer(ins, { axes }) {
      const y = inferReduce(name, ins, axes);
      if (layout(ins[0] as TensorType, axes).count === 0)
        throw new ShapeError(`${name}: expected at least one element, got none`);
      return [y];
    },
    // As torch.amax: equal elements share the gradient equally.
    vjp(node, [dy]) {
      if (!dy) return [null];
      const x = node.ins[0] as Tensor;
      const { axes } = node.attrs;
      const shape = keep(x.shape, axes);
      const mask = equal(x, reshape(node.out, shape));
      const share = div(reshape(dy, shape), sum(mask, { axes, keepDims: true }));
      return [mul(mask, share)];
    },
    onnx: (node, b) => [b.reduce(operator, b.value(node.ins[0]!), node.attrs.axes)],
    lower(node) {
      return { ints: [...ints(node, node.attrs.axes), input(node).dtype === 'f64' ? 1 : 0], floats: [1] };
    },
    cost: (node) => moved(node, sizeOf(input(node).shape)),
    ref([y], [x], node) {
      eachOutput(node, node.attrs.axes, x as RefArray, (at, values) => {
        (y as RefArray)[at] = values.reduce((a, b) => (Number.isNaN(b) || better(b, a) ? b : a));
      });
    },
    samplesOf: extremeSamples,
    samples: (): Sample<ReduceAttrs>[] => [
      { ins: [f32(37)], attrs: { axes: [0] } },
      { ins: [f32(1)], attrs: { axes: [0] } },
      { ins: [f32(3, 70)], attrs: { axes: [0] } },
      { ins: [f32(5, 19)], attrs: { axes: [1] } },
      { ins: [f64(3, 4, 5)], attrs: { axes: [1] } },
      { ins: [f32(600, 3)], attrs: { axes: [0] }, noGradient: true },
      { ins: [f32(2, 4500)], attrs: { axes: [1] }, noGradient: true },
    ],
  };
}
export const MAX: OpDef<ReduceAttrs> = extremeOp('max', 'ReduceMax', (a, b) => a > b);
export const MIN: OpDef<ReduceAttrs> = extremeOp('min', 'ReduceMin', (a, b) => a < b);
/** `max` as a number that only keeps others in range: it has no gradient. */
export const SHIFT: OpDef<ReduceAttrs> = {
  ...extremeOp('shift', 'ReduceMax', (a, b) => a > b),
  kernel: 'max',
  vjp: () => [null],
  samples: () => MAX.samples().map((sample) => ({ ...sample, noGradient: true })),
};

/** One of the records above over any axes. */
export function extremeOver(op: OpDef<ReduceAttrs>, t: Tensor, given: Reduce): Tensor {
  const axes = resolveAxes(op.name, given.axes, t.shape.length);
  let y = t;
  for (const run of runs(axes)) y = y.graph.add(op, [y], { axes: run }).out;
  return given.keepDims ? reshape(y, keep(t.shape, axes)) : y;
}

const readMax = signature('ops.max', { x: tensor }, reduceOptions);
const readMin = signature('ops.min', { x: tensor }, reduceOptions);

/**
 * The largest element over `axes`; NaN where there is one. Equal elements share the gradient equally.
 * @shape x [...] -> scalar, or without the dimensions of `axes`
 * @throws OptionError; ShapeError if there is nothing to choose from
 * @see torch.amax
 */
export function max(x: TensorLike, options: ReduceOptions = {}): Tensor {
  const given = readMax(arguments);
  return castTo(extremeOver(MAX, exact(given.x), given), given.x.dtype);
}

/**
 * The smallest element over `axes`; NaN where there is one. Equal elements share the gradient equally.
 * @shape x [...] -> scalar, or without the dimensions of `axes`
 * @throws OptionError; ShapeError if there is nothing to choose from
 * @see torch.amin
 */
export function min(x: TensorLike, options: ReduceOptions = {}): Tensor {
  const given = readMin(arguments);
  return castTo(extremeOver(MIN, exact(given.x), given), given.x.dtype);
}

export interface ArgmaxAttrs {
  readonly axis: number;
}
export const ARGMAX: OpDef<ArgmaxAttrs> = {
  name: 'argmax',
  infer(ins, { axis }) {
    const { shape } = inferReduce('argmax', ins, [axis]);
    if ((ins[0] as TensorType).shape[axis] === 0) throw new ShapeError('argmax: expected at least one element, got none');
    return [{ dtype: 'i32', shape }];
  },
  vjp: () => [null],
  onnx: (node, b) => [b.cast(b.node('ArgMax', [b.value(node.ins[0]!)], { axis: node.attrs.axis, keepdims: 0 }), 'i64', 'i32')],
  lower: (node) => ({ ints: ints(node, [node.attrs.axis]) }),
  cost: (node) => moved(node, sizeOf(input(node).shape)),
  ref([y], [x], node) {
    eachOutput(node, [node.attrs.axis], x as RefArray, (at, values) => {
      const nan = values.findIndex(Number.isNaN);
      (y as RefArray)[at] = nan >= 0 ? nan : values.indexOf(Math.max(...values));
    });
  },
  samplesOf: {
    lies({ attrs: { axis }, ...node }, ins) {
      return extremeSamples.lies({ ...node, attrs: { axes: [axis] } } as never, ins, 0);
    },
  },
  samples: () => [
    ...[
      { ins: [f32(5, 10)], attrs: { axis: 1 } },
      { ins: [f32(5, 10)], attrs: { axis: 0 } },
      { ins: [f64(2, 3, 4)], attrs: { axis: 1 } },
      { ins: [f32(1)], attrs: { axis: 0 } },
      { ins: [f32(0, 3)], attrs: { axis: 1 } },
    ].map((sample) => ({ ...sample, noGradient: true })),
  ],
};

const readArgmax = signature('ops.argmax', { x: tensor }, axisOptions);

/**
 * The position (i32) of the largest element along `axis` (default -1): the first among equals; NaN is largest.
 * @shape x [..., n, ...] -> i32 [..., ...], without dimension `axis`
 * @throws OptionError; ShapeError if x has no such dimension, or no element along it
 * @see torch.argmax
 */
export function argmax(x: TensorLike, options: AxisOptions = {}): Tensor {
  const { x: t, axis } = readArgmax(arguments);
  return t.graph.add(ARGMAX, [exact(t)], { axis: resolveAxis('argmax', axis, t.shape.length) }).out;
}

/** The records of this file. */
// biome-ignore lint/suspicious/noExplicitAny: as in index.ts
export const REDUCTIONS: readonly OpDef<any>[] = [SUM, MEAN, MAX, MIN, SHIFT, ARGMAX];
