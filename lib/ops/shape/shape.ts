// shape.ts: the same elements under another shape: reshape, transpose, broadcastTo. Kernel: `copy` in shape.h.

import { ShapeError } from '../../errors.ts';
import type { Node, Tensor, TensorLike } from '../../ir/graph.ts';
import { asNode } from '../../ir/onnx.ts';
import { f32, type OpDef, type RefArray, sameShape, sizeOf, type TensorType } from '../../ir/op.ts';
import { byElement, isRows, mixes } from '../../ir/samples.ts';
import { list, options, signature, whole } from '../../options/index.ts';
import { axis, shape, tensor } from '../args.ts';
import { resolveAxis, span, stridesOf } from './axes.ts';
import { copyOp } from './copy.ts';

const one = (ins: readonly TensorType[]): TensorType => ins[0] as TensorType;

// ---- reshape -----------------------------------------------------------------------------------------------------
export interface ReshapeAttrs {
  readonly shape: readonly number[];
}
/** The same elements under another shape. No instruction is made. */
export const RESHAPE: OpDef<ReshapeAttrs> = {
  name: 'reshape',
  alias: true,
  infer(ins, { shape }) {
    const x = one(ins);
    if (!shape.every((d) => Number.isInteger(d) && d >= 0) || sizeOf(shape) !== sizeOf(x.shape)) {
      throw new ShapeError(`reshape: expected ${sizeOf(x.shape)} elements as in [${x.shape}], got [${shape}]`);
    }
    return [{ dtype: x.dtype, shape }];
  },
  vjp: (node, [dy]) => [dy ? reshape(dy, (node.ins[0] as Tensor).shape) : null],
  onnx: (node, b) => [
    b.reshape(
      b.value(node.ins[0]!),
      b.allAcross(node, ({ attrs }) => attrs.shape),
    ),
  ],
  cost: () => ({ flops: 0, bytes: 0 }),
  ref: ([y], [x]) => (y as RefArray).set(x as RefArray),
  samplesOf: {
    lies(node, [lies = null], count) {
      if (!isRows(lies)) return [lies];
      const from = node.ins[0]!.shape;
      const { shape } = node.attrs;
      // The samples stay the same distance apart, behind as many places as before.
      const before = span(from, 0, lies.axis);
      const axis = shape.findIndex((d, i) => span(shape, 0, i) === before && d % count === 0 && (d > 0 || count === 0));
      if (axis < 0) throw mixes(node as Node);
      return [{ axis, each: shape[axis]! / count }];
    },
    summands: (node, _, of) => reshape(of.summands(node.ins[0]!), [of.count, ...node.attrs.shape]),
    sampleNorm: (node, _, of) => of.squares(node.ins[0]!),
  },
  samples: () => [
    { ins: [f32(6)], attrs: { shape: [2, 3] } },
    { ins: [f32(1, 1)], attrs: { shape: [] } },
    { ins: [f32(0, 3)], attrs: { shape: [3, 0, 2] } },
  ],
};

const readReshape = signature('ops.reshape', { x: tensor, shape: list(whole({ min: -1 })) });

/**
 * Elements in the same order under another shape. One dimension may be -1: it is worked out.
 * @shape x [...] -> [...shape]
 * @throws OptionError; ShapeError if the number of elements differs
 * @see torch.reshape
 */
export function reshape(x: TensorLike, shape: readonly number[]): Tensor {
  const { x: t } = readReshape(arguments);
  const known = shape.reduce((n, d) => (d === -1 ? n : n * d), 1);
  const full = shape.map((d) => (d === -1 ? (known === 0 ? 0 : sizeOf(t.shape) / known) : d));
  if (shape.filter((d) => d === -1).length > 1) throw new ShapeError(`reshape: expected at most one -1, got [${shape}]`);
  return sameShape(full, t.shape) ? t : t.graph.add(RESHAPE, [t], { shape: full }).out;
}

const readExpandDims = signature('ops.expandDims', { x: tensor, axis });

/**
 * Insert a dimension of 1 before `axis` (negative: counted from the end of the result).
 * @shape x [..., ...] -> [..., 1, ...]
 * @throws OptionError; ShapeError if the result has no such dimension
 * @see torch.unsqueeze
 */
export function expandDims(x: TensorLike, axis: number): Tensor {
  const { x: t } = readExpandDims(arguments);
  const { shape } = t;
  const a = resolveAxis('expandDims', axis, shape.length + 1);
  return reshape(t, [...shape.slice(0, a), 1, ...shape.slice(a)]);
}

const readSqueeze = signature('ops.squeeze', { x: tensor, axis: axis.optional() });

/**
 * Remove dimension `axis`, which must be 1; without `axis`, all dimensions of 1. Unlike PyTorch's, another dimension
 * is refused.
 * @shape x [..., 1, ...] -> [..., ...]
 * @throws OptionError; ShapeError if the dimension is not 1
 * @see torch.squeeze
 */
export function squeeze(x: TensorLike, axis?: number): Tensor {
  const { x: t } = readSqueeze(arguments);
  const { shape } = t;
  if (axis === undefined) {
    return reshape(
      t,
      shape.filter((d) => d !== 1),
    );
  }
  const a = resolveAxis('squeeze', axis, shape.length);
  if (shape[a] !== 1) throw new ShapeError(`squeeze: expected dimension ${axis} of [${shape}] to be 1, got ${shape[a]}`);
  return reshape(t, [...shape.slice(0, a), ...shape.slice(a + 1)]);
}

// ---- transpose ---------------------------------------------------------------------------------------------------
export interface TransposeAttrs {
  /** Dimension d of the output is dimension axes[d] of the input. */
  readonly axes: readonly number[];
}
export const TRANSPOSE: OpDef<TransposeAttrs> = copyOp<TransposeAttrs>(
  'transpose',
  (x, { axes }) => {
    const strides = stridesOf(x.shape);
    return { offset: 0, shape: axes.map((a) => x.shape[a] as number), strides: axes.map((a) => strides[a] as number) };
  },
  {
    check(x, { axes }) {
      if (axes.length !== x.shape.length || !x.shape.every((_, i) => axes.includes(i))) {
        throw new ShapeError(`transpose: expected a permutation of ${x.shape.length} axes, got [${axes}]`);
      }
    },
    vjp: (node, [dy]) => [dy ? transpose(dy, { axes: node.attrs.axes.map((_, i) => node.attrs.axes.indexOf(i)) }) : null],
    onnx: asNode('Transpose', ({ axes }) => ({ perm: axes })),
    samplesOf: {
      lies: ({ attrs }, [lies = null]) => [isRows(lies) ? { ...lies, axis: attrs.axes.indexOf(lies.axis) } : lies],
      summands: ({ ins: [x], attrs }, _, of) => transpose(of.summands(x!), { axes: [0, ...attrs.axes.map((axis) => axis + 1)] }),
      sampleNorm: ({ ins: [x] }, _, of) => of.squares(x!),
    },
    samples: () => [
      { ins: [f32(3, 5)], attrs: { axes: [1, 0] } },
      { ins: [f32(37, 21)], attrs: { axes: [1, 0] } },
      { ins: [f32(2, 3, 4, 5)], attrs: { axes: [0, 2, 1, 3] } },
      { ins: [f32(2, 3, 4, 5)], attrs: { axes: [3, 1, 0, 2] } },
      { ins: [f32(2, 17, 18)], attrs: { axes: [0, 2, 1] } },
      { ins: [f32(5, 7, 19)], attrs: { axes: [1, 2, 0] } },
      { ins: [{ dtype: 'u8', shape: [19, 33] }], attrs: { axes: [1, 0] }, fill: [[0, 255]] },
      { ins: [{ dtype: 'f64', shape: [9, 6] }], attrs: { axes: [1, 0] } },
      { ins: [f32(0, 4)], attrs: { axes: [1, 0] } },
      { ins: [f32(1, 1)], attrs: { axes: [1, 0] } },
    ],
  },
);

/** Options of `ops.transpose`. */
export interface TransposeOptions {
  /** All dimensions in their new order. Default: the last two change places. */
  readonly axes?: readonly number[];
}
const readTranspose = signature('ops.transpose', { x: tensor }, options<TransposeOptions>()({ axes: list(axis).optional() }));

/**
 * Reorder dimensions: dimension d of the result is dimension `axes[d]` of `x`. Without `axes` the last two are
 * swapped (`x.mT` of PyTorch).
 * @shape x [..., m, n] -> [..., n, m], or as `axes` say
 * @throws OptionError; ShapeError if `axes` are not its dimensions, each once
 * @see torch.permute
 */
export function transpose(x: TensorLike, options: TransposeOptions = {}): Tensor {
  const { x: t, axes: given } = readTranspose(arguments);
  const rank = t.shape.length;
  if (!given && rank < 2) throw new ShapeError(`transpose: expected at least 2 dimensions, got [${t.shape}]`);
  const swapped = t.shape.map((_, i) => (i === rank - 1 ? rank - 2 : i === rank - 2 ? rank - 1 : i));
  const axes = given?.map((a) => resolveAxis('transpose', a, rank)) ?? swapped;
  const real = axes.filter((a) => t.shape[a] !== 1);
  const still =
    axes.length === rank && new Set(axes).size === rank && real.every((a, i) => i === 0 || a > (real[i - 1] as number));
  if (still) {
    return reshape(
      t,
      axes.map((a) => t.shape[a] as number),
    );
  }
  return t.graph.add(TRANSPOSE, [t], { axes }).out;
}

// ---- broadcastTo -------------------------------------------------------------------------------------------------
export interface BroadcastToAttrs {
  readonly shape: readonly number[];
}
export const BROADCAST_TO: OpDef<BroadcastToAttrs> = {
  ...copyOp<BroadcastToAttrs>(
    'broadcastTo',
    (x, { shape }) => {
      const lead = shape.length - x.shape.length;
      const strides = stridesOf(x.shape);
      return {
        offset: 0,
        shape,
        strides: shape.map((_, i) => (i < lead || x.shape[i - lead] === 1 ? 0 : (strides[i - lead] as number))),
      };
    },
    {
      check(x, { shape }) {
        const lead = shape.length - x.shape.length;
        const whole = shape.every((d) => Number.isInteger(d) && d >= 0);
        if (lead < 0 || !whole || !x.shape.every((d, i) => d === 1 || d === shape[lead + i])) {
          throw new ShapeError(`broadcastTo: expected a shape that [${x.shape}] broadcasts to, got [${shape}]`);
        }
      },
      // Summed to the shape of the input.
      vjp: (_, [dy]) => [dy ?? null],
      samplesOf: {
        lies(node, ins) {
          const [lies = null] = ins;
          if (lies === 'sum') return [lies];
          const [to] = byElement(node as Node, ins);
          if (isRows(lies) && isRows(to) && node.ins[0]!.shape[lies.axis] !== node.attrs.shape[to.axis])
            throw mixes(node as Node);
          return [to ?? null];
        },
        summands({ ins: [x], attrs: { shape } }, _, of) {
          const [count, ...own] = of.summands(x!).shape as [number, ...number[]];
          const lead = Array.from({ length: shape.length - own.length }, () => 1);
          return broadcastTo(reshape(of.summands(x!), [count, ...lead, ...own]), [count, ...shape]);
        },
      },
      onnx(node, b) {
        const shape = b.allAcross(node, ({ attrs }) => attrs.shape);
        return [b.node('Expand', [b.value(node.ins[0]!), b.sizes(shape)])];
      },
      samples: () => [
        { ins: [f32()], attrs: { shape: [17] } },
        { ins: [f32(5)], attrs: { shape: [3, 5] } },
        { ins: [f32(3, 1)], attrs: { shape: [3, 7] } },
        { ins: [f32(2, 1, 3)], attrs: { shape: [4, 2, 5, 3] } },
        { ins: [{ dtype: 'u8', shape: [4, 1] }], attrs: { shape: [4, 9] }, fill: [[0, 255]] },
        { ins: [{ dtype: 'f64', shape: [1, 3] }], attrs: { shape: [2, 3] } },
        { ins: [f32(1, 2)], attrs: { shape: [0, 2] } },
      ],
    },
  ),
  broadcasts: true,
};

const readBroadcastTo = signature('ops.broadcastTo', { x: tensor, shape });

/**
 * Repeat dimensions of 1 (and missing leading ones) up to `shape`. Unlike PyTorch's, the result is memory of its own.
 * Elementwise ops broadcast their operands and need no call of this.
 * @shape x [...] -> [...shape]
 * @throws OptionError; ShapeError if x does not broadcast to `shape`
 * @see torch.broadcast_to
 */
export function broadcastTo(x: TensorLike, shape: readonly number[]): Tensor {
  const { x: t } = readBroadcastTo(arguments);
  if (sameShape(t.shape, shape)) return t;
  return t.graph.add(BROADCAST_TO, [t], { shape: [...shape] }).out;
}
