// scan.ts: running sums and products along an axis (cumsum, cumprod), and the recurrence that their gradients are made of. Kernels: scan.h.

import { DTypeError, ShapeError } from '../../errors.ts';
import type { Node, Tensor, TensorLike } from '../../ir/graph.ts';
import { f32, f64, type OpDef, type RefArray, type Sample, sameType, sizeOf, type TensorType, typeName } from '../../ir/op.ts';
import { besides } from '../../ir/samples.ts';
import { bool, options, signature } from '../../options/index.ts';
import { type AxisOptions, axis, tensor } from '../args.ts';
import { mul } from '../elementwise/elementwise.ts';
import { castTo } from '../elementwise/map.ts';
import { exactDtype, sumDtype } from '../elementwise/promote.ts';
import { moved, resolveAxis, span } from '../shape/axes.ts';
import { concat } from '../shape/concat.ts';
import { broadcastTo } from '../shape/shape.ts';
import { slice } from '../shape/slice.ts';

export interface RecurAttrs {
  readonly axis: number;
  /** From the end on. */
  readonly reverse: boolean;
}
export interface ScanAttrs extends RecurAttrs {
  readonly product: boolean;
}

function expectAxis(op: string, x: TensorType, axis: number): void {
  if (x.dtype !== 'f32' && x.dtype !== 'f64') {
    throw new DTypeError(`${op}: expected f32 or f64, got ${x.dtype}; convert it with cast(x, 'f32')`);
  }
  if (axis < 0 || axis >= x.shape.length) throw new ShapeError(`${op}: expected an axis of [${x.shape}], got ${axis}`);
}
function ints({ ins: [x] }: Node, { axis, reverse }: RecurAttrs): number[] {
  const { shape, dtype } = x!;
  return [span(shape, 0, axis), shape[axis]!, span(shape, axis + 1), Number(dtype === 'f64'), Number(reverse)];
}

/** Call `visit` with each element along the axis, in order, and the one before it; -1: it is the first. */
function eachAlong({ shape }: Tensor, { axis, reverse }: RecurAttrs, visit: (at: number, before: number) => void): void {
  const [outer, count, inner] = [span(shape, 0, axis), shape[axis]!, span(shape, axis + 1)];
  for (let line = 0; line < outer * inner; line++) {
    const first = Math.floor(line / inner) * count * inner + (line % inner);
    for (let k = 0; k < count; k++) {
      const at = first + (reverse ? count - 1 - k : k) * inner;
      visit(at, k === 0 ? -1 : at + (reverse ? inner : -inner));
    }
  }
}

/** Each element at the place of the next one in the order of `reverse`; what is first is `value`, the last one is gone. */
function later(x: Tensor, { axis, reverse }: RecurAttrs, value: number): Tensor {
  const n = x.shape[axis]!;
  const one = x.shape.map((d, i) => (i === axis ? 1 : d));
  const first = broadcastTo(x.graph.scalar(value, x.dtype === 'f64' ? 'f64' : 'f32'), one);
  return reverse
    ? concat([slice(x, { axis, start: 1 }), first], axis)
    : concat([first, slice(x, { axis, start: 0, end: n - 1 })], axis);
}
const opposite = ({ axis, reverse }: RecurAttrs): RecurAttrs => ({ axis, reverse: !reverse });

/** Inputs f and b of one type: y_k = f_k y_(k-1) + b_k along the axis, from 0. */
export const RECUR: OpDef<RecurAttrs> = {
  name: 'recur',
  infer([f, b], { axis }) {
    expectAxis('recur', f!, axis);
    if (!sameType(f!, b!)) throw new ShapeError(`recur: expected ${typeName(f!)}, got ${typeName(b!)}`);
    return [f!];
  },
  vjp(node, [dy]) {
    const [f, b] = node.ins as [Tensor, Tensor];
    if (!dy) return [null, null];
    if (sizeOf(f.shape) === 0) return [f, b];
    const back = opposite(node.attrs);
    const db = dy.graph.add(RECUR, [later(f, back, 0), dy], back).out;
    return [mul(db, later(node.out, node.attrs, 0)), db];
  },
  lower: (node) => ({ ints: ints(node as Node, node.attrs) }),
  cost: (node) => moved(node as Node, 2 * sizeOf(node.out.shape)),
  inplace: () => [
    [0, 0],
    [0, 1],
  ],
  ref([y], [f, b], node) {
    // In f64, as the kernel has it, though outputs may be rounded.
    const exact = new Float64Array(y!.length);
    eachAlong(node.ins[0]!, node.attrs, (at, before) => {
      exact[at] = (before < 0 ? 0 : f![at]! * exact[before]!) + b![at]!;
    });
    (y as RefArray).set(exact);
  },
  samplesOf: { lies: (node, ins) => besides(node as Node, ins, (axis) => axis === node.attrs.axis) },
  samples: () =>
    SHAPES.map(({ type, axis, reverse }) => ({ ins: [type, type], attrs: { axis, reverse }, fill: [[-1, 1], 'normal'] })),
};

export const SCAN: OpDef<ScanAttrs> = {
  name: 'scan',
  infer([x], { axis, product }) {
    expectAxis(product ? 'cumprod' : 'cumsum', x!, axis);
    return [x!];
  },
  vjp(node, [dy]) {
    const { attrs } = node;
    const x = node.ins[0]!;
    if (!dy) return [null];
    const back = opposite(attrs);
    if (!attrs.product) return [dy.graph.add(SCAN, [dy], { ...back, product: false }).out];
    if (sizeOf(x.shape) === 0) return [dy];
    // The product before each element, times what the elements after it make of it: no division, so zeros are elements as any other.
    const rest = dy.graph.add(RECUR, [later(x, back, 0), dy], back).out;
    return [mul(later(node.out, attrs, 1), rest)];
  },
  onnx(node, b) {
    const { axis, reverse, product } = node.attrs;
    if (product) b.refuse(node, 'ONNX has no running product');
    return [b.node('CumSum', [b.value(node.ins[0]!), b.scalar('i64', axis)], { exclusive: 0, reverse: +reverse })];
  },
  lower: (node) => ({ ints: [...ints(node as Node, node.attrs), Number(node.attrs.product)] }),
  cost: (node) => moved(node as Node, sizeOf(node.out.shape)),
  inplace: () => [[0, 0]],
  ref([y], [x], node) {
    const exact = new Float64Array(y!.length);
    eachAlong(node.ins[0]!, node.attrs, (at, before) => {
      const so = before < 0 ? (node.attrs.product ? 1 : 0) : exact[before]!;
      exact[at] = node.attrs.product ? so * x![at]! : so + x![at]!;
    });
    (y as RefArray).set(exact);
  },
  samplesOf: { lies: (node, ins) => besides(node as Node, ins, (axis) => axis === node.attrs.axis) },
  samples: () =>
    SHAPES.flatMap(({ type, axis, reverse }): Sample<ScanAttrs>[] => [
      { ins: [type], attrs: { axis, reverse, product: false }, tolerance: 1e-5 },
      { ins: [type], attrs: { axis, reverse, product: true }, fill: [[-1.5, 1.5]] },
    ]),
};

const SHAPES: readonly (RecurAttrs & { readonly type: TensorType })[] = [
  { type: f32(7), axis: 0, reverse: false },
  { type: f32(6, 19), axis: 1, reverse: true },
  { type: f32(5, 35), axis: 0, reverse: false },
  { type: f32(2, 6, 17), axis: 1, reverse: true },
  { type: f64(3, 9), axis: 1, reverse: false },
  { type: f64(4, 2, 3), axis: 0, reverse: true },
  { type: f32(1), axis: 0, reverse: false },
  { type: f32(2, 0, 3), axis: 1, reverse: false },
];

/** Of integers an i32. */
function scanned(t: Tensor, attrs: ScanAttrs): Tensor {
  const out = sumDtype(t.dtype);
  return castTo(t.graph.add(SCAN, [castTo(t, exactDtype(out))], attrs).out, out);
}

/** Options of `ops.cumsum` and `ops.cumprod`. */
export interface ScanOptions extends AxisOptions {
  /** From the end on: each element with all after it. Default false. */
  readonly reverse?: boolean;
}
const scanOptions = options<ScanOptions>()({ axis: axis.default(-1), reverse: bool.default(false) });
const readCumsum = signature('ops.cumsum', { x: tensor }, scanOptions);
const readCumprod = signature('ops.cumprod', { x: tensor }, scanOptions);

/**
 * The sum of each element and all before it along `axis` (default -1). Adds in f64, one after the other.
 * @shape x [...] -> [...]
 * @throws OptionError; ShapeError if x has no such dimension
 * @see torch.cumsum
 */
export function cumsum(x: TensorLike, options: ScanOptions = {}): Tensor {
  const { x: t, reverse, ...read } = readCumsum(arguments);
  const axis = resolveAxis('cumsum', read.axis, t.shape.length);
  return scanned(t, { axis, reverse, product: false });
}

/**
 * The product of each element and all before it along `axis` (default -1). Multiplies in f64, one after the other; its
 * gradient is right where elements are 0, too.
 * @shape x [...] -> [...]
 * @throws OptionError; ShapeError if x has no such dimension
 * @see torch.cumprod
 */
export function cumprod(x: TensorLike, options: ScanOptions = {}): Tensor {
  const { x: t, reverse, ...read } = readCumprod(arguments);
  const axis = resolveAxis('cumprod', read.axis, t.shape.length);
  return scanned(t, { axis, reverse, product: true });
}

/** The records of this file. */
// biome-ignore lint/suspicious/noExplicitAny: as in index.ts
export const SCANS: readonly OpDef<any>[] = [SCAN, RECUR];
