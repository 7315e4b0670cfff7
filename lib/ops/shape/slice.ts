// slice.ts: slice and pad, each of which is the other's gradient. Kernels: `copy` in shape.h, `concat` in concat.h.

import { ShapeError } from '../../errors.ts';
import type { Node, Tensor, TensorLike } from '../../ir/graph.ts';
import { type OnnxValue, plus, type Size, times } from '../../ir/onnx.ts';
import { f32, type OpDef, type RefArray, sizeOf, type TensorType } from '../../ir/op.ts';
import { besides, type SampleRules } from '../../ir/samples.ts';
import { options, signature, whole } from '../../options/index.ts';
import { axis, tensor } from '../args.ts';
import { moved, resolveAxis, span, stridesOf } from './axes.ts';
import { concatInts, copyOp, type Part } from './copy.ts';

/** What acts along one axis, and is linear. */
const alongAxis = <A extends { readonly axis: number }>(again: (x: Tensor, attrs: A) => Tensor): SampleRules<A> => ({
  lies: (node, ins) => (ins[0] === 'sum' ? ['sum'] : besides(node as Node, ins, (axis) => axis === node.attrs.axis)),
  summands: (node, _, of) => again(of.summands(node.ins[0]!), node.attrs),
});

// ---- slice -------------------------------------------------------------------------------------------------------
export interface SliceAttrs {
  readonly axis: number;
  /** In [0, size]. */
  readonly start: number;
  /** In [start, size]; exclusive. */
  readonly end: number;
  readonly step: number;
}
export const SLICE: OpDef<SliceAttrs> = copyOp<SliceAttrs>(
  'slice',
  (x, { axis, start, end, step }) => {
    const strides = stridesOf(x.shape);
    const stride = strides[axis] as number;
    const shape = x.shape.map((d, i) => (i === axis ? Math.ceil((end - start) / step) : d));
    strides[axis] = stride * step;
    return { offset: sizeOf(shape) === 0 ? 0 : start * stride, shape, strides };
  },
  {
    check(x, { axis, start, end, step }) {
      const size = x.shape[resolveAxis('slice', axis, x.shape.length)] as number;
      const whole = [start, end, step].every(Number.isInteger);
      if (!whole || axis < 0 || start < 0 || end < start || end > size || step < 1) {
        throw new ShapeError(`slice: expected 0 <= start <= end <= ${size} and step >= 1, got ${start}:${end}:${step}`);
      }
    },
    vjp(node, [dy]) {
      if (!dy) return [null];
      const { axis, start, step } = node.attrs;
      const size = (node.ins[0] as Tensor).shape[axis] as number;
      const n = dy.shape[axis] as number;
      const after = n === 0 ? size - start : size - start - ((n - 1) * step + 1);
      return [pad(dy, { axis, before: start, after, step })];
    },
    onnx(node, b) {
      const { axis, step } = node.attrs;
      const start = b.across(node, ({ attrs }) => attrs.start);
      const end = b.across(node, ({ attrs }) => attrs.end);
      return [b.slice(b.value(node.ins[0]!), axis, start, end, step)];
    },
    samplesOf: alongAxis((x, { axis, ...attrs }) => x.graph.add(SLICE, [x], { ...attrs, axis: axis + 1 }).out),
    samples: () => [
      { ins: [f32(7)], attrs: { axis: 0, start: 2, end: 6, step: 1 } },
      { ins: [f32(7)], attrs: { axis: 0, start: 1, end: 7, step: 3 } },
      { ins: [f32(3, 9)], attrs: { axis: 1, start: 4, end: 9, step: 1 } },
      { ins: [f32(3, 9, 2)], attrs: { axis: 1, start: 0, end: 9, step: 2 } },
      { ins: [f32(4, 3)], attrs: { axis: 0, start: 3, end: 4, step: 1 } },
      { ins: [{ dtype: 'i32', shape: [5, 4] }], attrs: { axis: 1, start: 1, end: 4, step: 2 }, fill: [[-9, 9]] },
      { ins: [f32(4, 3)], attrs: { axis: 1, start: 3, end: 3, step: 1 } },
    ],
  },
);

/** Options of `ops.slice`. */
export interface SliceOptions {
  /** The dimension; negative: counted from the last. Default 0. */
  readonly axis?: number;
  /** The first element that is taken. Default 0. */
  readonly start?: number;
  /** The first element that is not taken. Default Infinity: the rest of the dimension. */
  readonly end?: number;
  /** From one element to the next, at least 1. Default 1. */
  readonly step?: number;
}
const readSlice = signature(
  'ops.slice',
  { x: tensor },
  options<SliceOptions>()({
    axis: axis.default(0),
    start: whole().default(0),
    end: whole({ infinite: true }).default(Infinity),
    step: whole({ min: 1 }).default(1),
  }),
);

/**
 * Elements `start`, `start + step`, ... below `end` along one axis, as `x[start:end:step]` of Python: negative
 * `start` and `end` count from the end and both are cut to the dimension.
 * @shape x [..., n, ...] -> [..., ceil((end - start) / step), ...]
 * @throws OptionError; ShapeError if x has no such dimension
 * @see torch.Tensor.__getitem__
 */
export function slice(x: TensorLike, options: SliceOptions): Tensor {
  const { x: t, step, ...given } = readSlice(arguments);
  const axis = resolveAxis('slice', given.axis, t.shape.length);
  const size = t.shape[axis] as number;
  const place = (at: number): number => Math.min(size, Math.max(0, at < 0 ? at + size : at));
  const start = place(given.start);
  const end = Math.max(start, place(given.end));
  if (start === 0 && end === size && step === 1) return t;
  return t.graph.add(SLICE, [t], { axis, start, end, step }).out;
}

// ---- pad ---------------------------------------------------------------------------------------------------------
export interface PadAttrs {
  readonly axis: number;
  readonly before: number;
  readonly after: number;
  /** Distance in the output of neighbors in the input; 1 puts no zeros between them. */
  readonly step: number;
}
export const PAD: OpDef<PadAttrs> = {
  name: 'pad',
  kernel: 'concat',
  infer(ins, { axis, before, after, step }) {
    const x = ins[0] as TensorType;
    const at = resolveAxis('pad', axis, x.shape.length);
    if (![before, after, step].every(Number.isInteger) || before < 0 || after < 0 || step < 1) {
      throw new ShapeError(`pad: expected before >= 0, after >= 0 and step >= 1, got ${before}, ${after} and ${step}`);
    }
    const n = x.shape[at] as number;
    const size = before + after + (n === 0 ? 0 : (n - 1) * step + 1);
    return [{ dtype: x.dtype, shape: x.shape.map((d, i) => (i === at ? size : d)) }];
  },
  vjp(node, [dy]) {
    if (!dy) return [null];
    const { axis, before, after, step } = node.attrs;
    return [slice(dy, { axis, start: before, end: (dy.shape[axis] as number) - after, step })];
  },
  onnx(node, b) {
    const { axis, step } = node.attrs;
    const x = node.ins[0]!;
    const dims = b.dims(x);
    const before = b.across(node, ({ attrs }) => attrs.before);
    const after = b.across(node, ({ attrs }) => attrs.after);
    const padded = (value: OnnxValue, rank: number, from: Size, to: Size, at: number = axis): OnnxValue => {
      const pads = Array.from({ length: 2 * rank }, (_, i) => (i === at ? from : i === rank + at ? to : 0));
      return b.node('Pad', [value, b.sizes(pads), b.scalar(x.dtype, 0)], { mode: 'constant' });
    };
    let value = b.value(x);
    if (step > 1) {
      // Each element with the zeros after it is a row of its own; the last one has none.
      const n = dims[axis]!;
      const rows = b.reshape(value, [...dims.slice(0, axis + 1), 1, ...dims.slice(axis + 1)]);
      const spread = b.reshape(
        padded(rows, dims.length + 1, 0, step - 1, axis + 1),
        dims.map((d, i) => (i === axis ? times(n, step) : d)),
      );
      value = b.slice(spread, axis, 0, plus(times(n, step), 1 - step), 1);
    }
    return [padded(value, dims.length, before, after)];
  },
  lower(node) {
    const { axis, before, after, step } = node.attrs;
    const x = (node.ins[0] as Tensor).type;
    const n = x.shape[axis] as number;
    const inner = span(x.shape, axis + 1);
    const body: Part = step === 1 ? [0, 1, n * inner, 0] : [0, n, inner, (step - 1) * inner];
    return concatInts(x, span(x.shape, 0, axis), [[-1, 1, before * inner, 0], body, [-1, 1, after * inner, 0]]);
  },
  cost: moved,
  ref([y], [x], node) {
    const { axis, before, step } = node.attrs;
    const shape = (node.ins[0] as Tensor).shape;
    const n = shape[axis] as number;
    const inner = span(shape, axis + 1);
    const row = (node.out.shape[axis] as number) * inner;
    (y as RefArray).fill(0);
    for (let i = 0; i < (x as RefArray).length; i++) {
      const o = Math.floor(i / (n * inner));
      const k = Math.floor(i / inner) % n;
      (y as RefArray)[o * row + (before + k * step) * inner + (i % inner)] = (x as RefArray)[i] as number;
    }
  },
  samplesOf: {
    ...alongAxis<PadAttrs>((x, { axis, ...attrs }) => x.graph.add(PAD, [x], { ...attrs, axis: axis + 1 }).out),
    // Zeros add nothing.
    sampleNorm: (node, _, of) => of.squares(node.ins[0]!),
  },
  samples: () => [
    { ins: [f32(3)], attrs: { axis: 0, before: 2, after: 1, step: 1 } },
    { ins: [f32(2, 3)], attrs: { axis: 1, before: 0, after: 5, step: 1 } },
    { ins: [f32(2, 3, 2)], attrs: { axis: 1, before: 1, after: 1, step: 3 } },
    { ins: [f32(3, 2)], attrs: { axis: 0, before: 1, after: 0, step: 2 } },
    { ins: [f32(2, 0)], attrs: { axis: 1, before: 2, after: 1, step: 2 } },
    { ins: [{ dtype: 'u8', shape: [2, 3] }], attrs: { axis: 1, before: 1, after: 1, step: 1 }, fill: [[0, 255]] },
  ],
};

/** Options of `ops.pad`. */
export interface PadOptions {
  /** The dimension; negative: counted from the last. Default -1. */
  readonly axis?: number;
  /** How many zeros before the first element. Default 0. */
  readonly before?: number;
  /** How many zeros after the last element. Default 0. */
  readonly after?: number;
  /** From one element to the next, with zeros between. Default 1. */
  readonly step?: number;
}
const readPad = signature(
  'ops.pad',
  { x: tensor },
  options<PadOptions>()({
    axis: axis.default(-1),
    before: whole({ min: 0 }).default(0),
    after: whole({ min: 0 }).default(0),
    step: whole({ min: 1 }).default(1),
  }),
);

/**
 * Zeros before and after the elements along one axis, and `step - 1` zeros between neighbors: with `step`, the
 * opposite of `slice`.
 * @shape x [..., n, ...] -> [..., before + (n - 1) step + 1 + after, ...]
 * @throws OptionError; ShapeError if x has no such dimension
 * @see torch.nn.functional.pad
 */
export function pad(x: TensorLike, options: PadOptions): Tensor {
  const { x: t, before, after, step, ...given } = readPad(arguments);
  const axis = resolveAxis('pad', given.axis, t.shape.length);
  if (before === 0 && after === 0 && step === 1) return t;
  return t.graph.add(PAD, [t], { axis, before, after, step }).out;
}
