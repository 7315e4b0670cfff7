// concat.ts: concat, stack and pad: outputs put together from parts and zeros. Kernel: `concat` in concat.h.
import { DTypeError, ShapeError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { DTYPE_BYTES, f32, type OpDef, type RefArray, type TensorType } from '../../ir/op.ts';
import { list, options, signature, whole } from '../../options/index.ts';
import { axis, tensor } from '../args.ts';
import { moved, resolveAxis, span } from './axes.ts';
import { expandDims, slice } from './shape.ts';

/** A part of each row that the `concat` kernel writes: `blocks` blocks from input `source` (-1: zeros), `gap` zeros between. */
type Part = readonly [source: number, blocks: number, block: number, gap: number];
const concatInts = (type: TensorType, outer: number, parts: readonly Part[]): { ints: number[] } => ({
  ints: [DTYPE_BYTES[type.dtype], outer, ...parts.flat()],
});

export interface ConcatAttrs {
  readonly axis: number;
}
export const CONCAT: OpDef<ConcatAttrs> = {
  name: 'concat',
  infer(ins, { axis }) {
    const first = ins[0];
    if (!first) throw new ShapeError('concat: expected at least one tensor, got none');
    const at = resolveAxis('concat', axis, first.shape.length);
    let size = 0;
    for (const x of ins) {
      if (x.dtype !== first.dtype) throw new DTypeError(`concat: expected ${first.dtype}, got ${x.dtype}`);
      if (x.shape.length !== first.shape.length || !x.shape.every((d, i) => i === at || d === first.shape[i])) {
        throw new ShapeError(`concat: expected [${first.shape}] but for axis ${at}, got [${x.shape}]`);
      }
      size += x.shape[at] as number;
    }
    return [{ dtype: first.dtype, shape: first.shape.map((d, i) => (i === at ? size : d)) }];
  },
  vjp(node, [dy]) {
    const { axis } = node.attrs;
    let start = 0;
    return node.ins.map((x) => {
      const end = start + (x.shape[axis] as number);
      const dx = dy ? slice(dy, { axis, start, end }) : null;
      start = end;
      return dx;
    });
  },
  lower(node) {
    const { axis } = node.attrs;
    const parts = node.ins.map((x, i): Part => [i, 1, span(x.shape, axis), 0]);
    return concatInts(node.out.type, span(node.out.shape, 0, axis), parts);
  },
  cost: moved,
  ref([y], ins, node) {
    const outer = span(node.out.shape, 0, node.attrs.axis);
    let at = 0;
    for (let o = 0; o < outer; o++) {
      for (const x of ins) {
        const n = x.length / outer;
        for (let i = 0; i < n; i++) (y as RefArray)[at++] = x[o * n + i] as number;
      }
    }
  },
  samples: () => [
    { ins: [f32(2, 3), f32(2, 5)], attrs: { axis: 1 } },
    { ins: [f32(2, 3), f32(4, 3), f32(1, 3)], attrs: { axis: 0 } },
    { ins: [f32(2, 1, 3), f32(2, 0, 3), f32(2, 4, 3)], attrs: { axis: 1 } },
    { ins: [f32(7)], attrs: { axis: 0 } },
    {
      ins: [
        { dtype: 'u8', shape: [3, 5] },
        { dtype: 'u8', shape: [3, 2] },
      ],
      attrs: { axis: 1 },
      fill: [
        [0, 255],
        [0, 255],
      ],
    },
  ],
};

const parts = { xs: list(tensor, { min: 1 }), axis: axis.default(0) };
const readConcat = signature('ops.concat', parts);
const readStack = signature('ops.stack', parts);

/**
 * Join tensors along an existing axis (default 0). They must agree in dtype and in every other dimension. As
 * `torch.cat`.
 * @shape xs [..., n1, ...], [..., n2, ...], ... -> [..., n1 + n2 + ..., ...]
 * @throws OptionError; ShapeError unless other dimensions agree; DTypeError unless all are of one dtype
 * @see torch.cat
 */
export function concat(xs: readonly TensorLike[], axis = 0): Tensor {
  const { xs: ts } = readConcat(arguments);
  const first = ts[0]!;
  if (ts.length === 1) return first;
  return first.graph.add(CONCAT, ts, { axis: resolveAxis('concat', axis, first.shape.length) }).out;
}

/**
 * Join tensors of one shape along a new axis (default 0).
 * @shape xs [...], [...], ... -> [n, ...], with the n tensors along `axis`
 * @throws OptionError; ShapeError unless all are of one shape; DTypeError unless all are of one dtype
 * @see torch.stack
 */
export function stack(xs: readonly TensorLike[], axis = 0): Tensor {
  const { xs: ts } = readStack(arguments);
  return concat(
    ts.map((t) => expandDims(t, axis)),
    resolveAxis('stack', axis, ts[0]!.shape.length + 1),
  );
}

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
