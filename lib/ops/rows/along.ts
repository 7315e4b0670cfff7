// along.ts: elements by index along an axis (takeAlongAxis), and elements put where indices say (scatter). Kernels: along.h.

import { DTypeError, ShapeError } from '../../errors.ts';
import type { Node, Tensor, TensorLike } from '../../ir/graph.ts';
import { ARRAYS, DTYPE_BYTES, f32, i32, type OpDef, type RefArray, sameShape, sizeOf, type TensorType } from '../../ir/op.ts';
import { besides } from '../../ir/samples.ts';
import { choice, type OptionsField, options, signature } from '../../options/index.ts';
import { type AxisOptions, axis, axisOptions, tensor } from '../args.ts';
import { add, cast, equal, where } from '../elementwise/elementwise.ts';
import { moved, resolveAxis, span } from '../shape/axes.ts';
import { broadcastTo } from '../shape/shape.ts';
import { asIndices, expectIndices, wide } from './indices.ts';

export interface TakeAlongAttrs {
  readonly axis: number;
}
export interface PutAlongAttrs extends TakeAlongAttrs {
  /** Of the result along the axis. */
  readonly size: number;
  /** Of several elements for one place the last one; else their sum. */
  readonly last: boolean;
}

/** Throws unless both shapes are the same but for the axis. */
function checkAlong(op: string, x: TensorType, indices: TensorType, axis: number): void {
  expectIndices(op, 'indices', indices);
  const others = (t: TensorType): readonly number[] => t.shape.map((d, i) => (i === axis ? 1 : d));
  if (axis < 0 || axis >= x.shape.length || !sameShape(others(x), others(indices))) {
    throw new ShapeError(`${op}: expected indices as [${x.shape}] but for axis ${axis}, got [${indices.shape}]`);
  }
}

/** The shape of indices as [outer, count, inner]. */
function alongSizes({ shape }: Tensor, axis: number): readonly [outer: number, count: number, inner: number] {
  return [span(shape, 0, axis), shape[axis]!, span(shape, axis + 1)];
}

/** Call `visit` with each element of the indices: where it is, and where in [outer, size, inner] it says. */
function eachAlong(
  indices: RefArray,
  [, count, inner]: readonly number[],
  size: number,
  visit: (at: number, to: number) => void,
): void {
  indices.forEach((v: number, at: number) => {
    const outer = Math.floor(at / (count! * inner!));
    visit(at, (outer * size + v) * inner! + (at % inner!));
  });
}

/** Inputs x [...] and indices i32|u8 of its shape but for the axis; output of the shape of the indices. */
export const TAKE_ALONG: OpDef<TakeAlongAttrs> = {
  name: 'takeAlong',
  infer([x, indices], { axis }) {
    checkAlong('takeAlongAxis', x!, indices!, axis);
    return [{ dtype: x!.dtype, shape: indices!.shape }];
  },
  vjp({ ins: [x, indices], attrs: { axis } }, [dy]) {
    return [dy ? dy.graph.add(PUT_ALONG, [dy, indices!], { axis, size: x!.shape[axis]!, last: false }).out : null, null];
  },
  onnx: ({ ins: [x, indices], attrs: { axis } }, b) => [b.node('GatherElements', [b.value(x!), wide(b, indices!)], { axis })],
  lower({ ins: [x, indices], attrs: { axis } }) {
    const [outer, count, inner] = alongSizes(indices!, axis);
    return { ints: [outer, x!.shape[axis]!, count, inner, DTYPE_BYTES[indices!.dtype], DTYPE_BYTES[x!.dtype]] };
  },
  cost: (node) => moved(node),
  indices: ({ ins: [x], attrs: { axis } }) => [{ input: 1, bound: x!.shape[axis]! }],
  ref([y], [x, indices], { ins, attrs: { axis } }) {
    eachAlong(indices!, alongSizes(ins[1]!, axis), ins[0]!.shape[axis]!, (at, from) => {
      y![at] = x![from]!;
    });
  },
  samplesOf: { lies: (node, ins) => besides(node as Node, ins, (axis) => axis === node.attrs.axis) },
  samples: () => [
    { ins: [f32(3, 7), i32(3, 4)], attrs: { axis: 1 }, fill: ['normal', [0, 7]] },
    { ins: [f32(5, 3, 2), { dtype: 'u8', shape: [9, 3, 2] }], attrs: { axis: 0 }, fill: ['normal', [0, 5]] },
    { ins: [f32(3, 7), { dtype: 'u8', shape: [3, 9] }], attrs: { axis: 1 }, fill: ['normal', [0, 7]] },
    { ins: [f32(2, 6, 19), i32(2, 5, 19)], attrs: { axis: 1 }, fill: ['normal', [0, 6]] },
    { ins: [{ dtype: 'f64', shape: [4] }, i32(6)], attrs: { axis: 0 }, fill: ['normal', [0, 4]] },
    { ins: [{ dtype: 'u8', shape: [3, 5] }, i32(3, 2)], attrs: { axis: 1 }, fill: [[0, 255], [0, 5]] }, // biome-ignore format: pairs
    { ins: [f32(0, 4), i32(0, 2)], attrs: { axis: 1 }, fill: ['normal', [0, 4]] },
    { ins: [f32(2, 4), i32(2, 0)], attrs: { axis: 1 }, fill: ['normal', [0, 4]] },
  ],
};

/** Inputs x f32|f64 and indices of its shape; output of that shape but for the axis: sums, in f64, or the last; 0 where no index says. */
export const PUT_ALONG: OpDef<PutAlongAttrs> = {
  name: 'putAlong',
  infer([x, indices], { axis, size }) {
    if (x!.dtype !== 'f32' && x!.dtype !== 'f64') throw new DTypeError(`scatter: expected f32 or f64, got ${x!.dtype}`);
    checkAlong('scatter', x!, indices!, axis);
    if (!sameShape(x!.shape, indices!.shape)) {
      throw new ShapeError(`scatter: expected values of the shape of the indices, [${indices!.shape}], got [${x!.shape}]`);
    }
    return [{ dtype: x!.dtype, shape: x!.shape.map((d, i) => (i === axis ? size : d)) }];
  },
  vjp(node, [dy]) {
    const { axis, last } = node.attrs;
    const [x, indices] = node.ins as [Tensor, Tensor];
    if (!dy) return [null, null];
    const { graph } = dy;
    const taken = graph.add(TAKE_ALONG, [dy, indices], { axis }).out;
    if (!last) return [taken, null];
    // One that another was put over has none: each place is asked whose it is.
    const count = x.shape[axis]!;
    const line = Float64Array.from({ length: count }, (_, k) => k);
    const shape = x.shape.slice(axis).map((_, i) => (i === 0 ? count : 1));
    const own = broadcastTo(graph.constant(line, shape, 'f64'), x.shape);
    const whose = graph.add(PUT_ALONG, [own, indices], node.attrs).out;
    return [where(cast(equal(graph.add(TAKE_ALONG, [whose, indices], { axis }).out, own), x.dtype), taken, 0), null];
  },
  onnx(node, b) {
    const { axis, last } = node.attrs;
    const [x, indices] = node.ins as [Tensor, Tensor];
    const size = b.across(node, ({ attrs }) => attrs.size);
    const dims = b.dims(x).map((d, i) => (i === axis ? size : d));
    const zeros = b.node('ConstantOfShape', [b.sizes(dims)], { value: { tensor: new ARRAYS[x.dtype](1) } });
    const at = b.cast(b.value(indices), indices.dtype, 'i64');
    return [b.node('ScatterElements', [zeros, at, b.value(x)], { axis, reduction: last ? 'none' : 'add' })];
  },
  lower({ ins: [x, indices], attrs: { axis, size, last } }) {
    const [outer, count, inner] = alongSizes(indices!, axis);
    return { ints: [outer, size, count, inner, DTYPE_BYTES[indices!.dtype], Number(x!.dtype === 'f64'), Number(last)] };
  },
  cost: (node) => moved(node, sizeOf(node.ins[0]!.shape)),
  indices: ({ attrs: { size } }) => [{ input: 1, bound: size }],
  ref([y], [x, indices], { ins, attrs: { axis, size, last } }) {
    const sums = new Float64Array(y!.length);
    eachAlong(indices!, alongSizes(ins[1]!, axis), size, (at, to) => {
      sums[to] = last ? x![at]! : sums[to]! + x![at]!;
    });
    y!.set(sums);
  },
  samplesOf: { lies: (node, ins) => besides(node as Node, ins, (axis) => axis === node.attrs.axis) },
  samples: () => [
    { ins: [f32(3, 9), i32(3, 9)], attrs: { axis: 1, size: 5, last: false }, fill: ['normal', [0, 5]] },
    { ins: [f32(6, 37), i32(6, 37)], attrs: { axis: 0, size: 4, last: true }, fill: ['normal', [0, 4]] },
    { ins: [f32(3, 9), { dtype: 'u8', shape: [3, 9] }], attrs: { axis: 1, size: 5, last: true }, fill: ['normal', [0, 5]] },
    {
      ins: [f32(2, 8, 3), { dtype: 'u8', shape: [2, 8, 3] }],
      attrs: { axis: 1, size: 9, last: false },
      fill: ['normal', [0, 9]],
    },
    { ins: [{ dtype: 'f64', shape: [11] }, i32(11)], attrs: { axis: 0, size: 7, last: true }, fill: ['normal', [0, 7]] },
    { ins: [f32(3, 0), i32(3, 0)], attrs: { axis: 1, size: 2, last: false }, fill: ['normal', [0, 2]] },
    { ins: [f32(0, 2), i32(0, 2)], attrs: { axis: 1, size: 3, last: true }, fill: ['normal', [0, 3]] },
  ],
};

/** Indices spread to the shape of x but for the axis. */
function spread(op: string, x: Tensor, indices: Tensor, axis: number): Tensor {
  const shape = x.shape.map((d, i) => (i === axis ? indices.shape[axis]! : d));
  const fits = indices.shape.length === shape.length && indices.shape.every((d, i) => i === axis || d === 1 || d === shape[i]);
  if (!fits) {
    throw new ShapeError(`${op}: expected indices as [${x.shape}] but for axis ${axis}, or 1, got [${indices.shape}]`);
  }
  return broadcastTo(indices, shape);
}

const readTakeAlong = signature('ops.takeAlongAxis', { x: tensor, indices: tensor }, axisOptions);

/**
 * Elements of `x` along `axis` (default -1), each line by indices of its own, such as those of `sort`, `topK` or
 * `argmax`. Dimensions of 1 of the indices are repeated. An index outside [0, n) ends the run with an IndexError.
 * @shape x [..., n, ...], indices [..., m, ...] -> [..., m, ...]
 * @throws OptionError; ShapeError unless other dimensions agree
 * @see torch.take_along_dim
 */
export function takeAlongAxis(x: TensorLike, indices: TensorLike, options: AxisOptions = {}): Tensor {
  const { x: t, indices: given, ...read } = readTakeAlong(arguments);
  const axis = resolveAxis('takeAlongAxis', read.axis, t.shape.length);
  return t.graph.add(TAKE_ALONG, [t, spread('takeAlongAxis', t, asIndices(given), axis)], { axis }).out;
}

/** Options of `ops.scatter`. */
export interface ScatterOptions extends AxisOptions {
  /** Whether values take the place of what is there, the last of several for one place, or are added. Default 'replace'. */
  readonly reduce?: 'replace' | 'add';
}
const scatterOptions: OptionsField<ScatterOptions, Required<ScatterOptions>> = options<ScatterOptions>()({
  axis: axis.default(-1),
  reduce: choice('replace', 'add').default('replace'),
});
const readScatter = signature('ops.scatter', { x: tensor, indices: tensor, values: tensor }, scatterOptions);

/**
 * `x` with values put along `axis` (default -1) where indices say: the opposite of `takeAlongAxis`. Of several for one
 * place the last one stays, and it alone has a gradient; with `reduce: 'add'` all are added, in f64 in their order. An
 * index outside [0, n) ends the run with an IndexError.
 * @shape x [..., n, ...], indices [..., m, ...], values [..., m, ...] -> [..., n, ...]
 * @throws OptionError; ShapeError unless other dimensions agree; DTypeError unless x and values are both f32 or both f64
 * @see torch.scatter
 */
export function scatter(x: TensorLike, indices: TensorLike, values: TensorLike, options: ScatterOptions = {}): Tensor {
  const { x: t, indices: given, values: v, reduce, ...read } = readScatter(arguments);
  const axis = resolveAxis('scatter', read.axis, t.shape.length);
  if (v.dtype !== t.dtype) throw new DTypeError(`scatter: expected values of ${t.dtype} as x, got ${v.dtype}`);
  const at = spread('scatter', t, asIndices(given), axis);
  const put = (from: Tensor, last: boolean): Tensor => {
    return from.graph.add(PUT_ALONG, [from, at], { axis, size: t.shape[axis]!, last }).out;
  };
  if (reduce === 'add') return add(t, put(v, false));
  const ones = broadcastTo(t.graph.scalar(1, t.dtype === 'f64' ? 'f64' : 'f32'), at.shape);
  return where(put(ones, true), put(v, true), t);
}
