// reduce.ts: sum over axes. Kernels: reduce.h.
import { DTypeError, ShapeError } from '../errors.ts';
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { type OpDef, type RefArray, sameShape, sizeOf, type TensorType } from '../ir/op.ts';
import { moved, resolveAxes, span } from './axes.ts';
import { broadcastTo, reshape } from './shape.ts';

const f32 = (...shape: number[]): TensorType => ({ dtype: 'f32', shape });

export interface ReduceAttrs {
  /** Neighbouring axes, ascending: the public functions reduce group by group. */
  readonly axes: readonly number[];
}

/** The reduced axes as [outer, count, inner]. */
function layout(x: TensorType, axes: readonly number[]): { outer: number; count: number; inner: number } {
  const first = axes[0] ?? x.shape.length;
  const end = first + axes.length;
  return { outer: span(x.shape, 0, first), count: span(x.shape, first, end), inner: span(x.shape, end) };
}

function inferReduce(op: string, ins: readonly TensorType[], axes: readonly number[]): TensorType {
  const x = ins[0] as TensorType;
  if (x.dtype !== 'f32' && x.dtype !== 'f64') throw new DTypeError(`${op}: expected f32 or f64, got ${x.dtype}`);
  if (
    !axes.every((a, i) => Number.isInteger(a) && a >= 0 && a < x.shape.length && (i === 0 || a === (axes[i - 1] as number) + 1))
  ) {
    throw new ShapeError(`${op}: expected neighbouring axes of [${x.shape}], got [${axes}]`);
  }
  return { dtype: x.dtype, shape: x.shape.filter((_, i) => !axes.includes(i)) };
}

/** `dy` with the reduced axes back, repeated. */
function spread(dy: Tensor, x: TensorType, axes: readonly number[]): Tensor {
  const kept = x.shape.map((d, i) => (axes.includes(i) ? 1 : d));
  return broadcastTo(reshape(dy, kept), x.shape);
}

export const SUM: OpDef<ReduceAttrs> = {
  name: 'sum',
  infer: (ins, { axes }) => [inferReduce('sum', ins, axes)],
  vjp: (node, [dy]) => [dy ? spread(dy, (node.ins[0] as Tensor).type, node.attrs.axes) : null],
  lower(node) {
    const { outer, count, inner } = layout((node.ins[0] as Tensor).type, node.attrs.axes);
    return { ints: [outer, count, inner] };
  },
  cost: (node) => moved(node, sizeOf((node.ins[0] as Tensor).shape)),
  ref([y], [x], node) {
    const { outer, count, inner } = layout((node.ins[0] as Tensor).type, node.attrs.axes);
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        let sum = 0;
        for (let k = 0; k < count; k++) sum += (x as RefArray)[(o * count + k) * inner + i] as number;
        (y as RefArray)[o * inner + i] = sum;
      }
    }
  },
  samples: () => [{ ins: [f32(5, 7)], attrs: { axes: [0] } }],
};

export interface ReduceOptions {
  /** Axes to reduce; negative ones count from the end. Default: all. */
  readonly axes?: readonly number[] | number;
  /** Keep the reduced axes as dimensions of 1. Default false. */
  readonly keepDims?: boolean;
}

/** Runs of neighbours in ascending `axes`, the last run first. */
function runs(axes: readonly number[]): number[][] {
  const out: number[][] = [];
  for (const a of axes) {
    const run = out[0];
    if (run && run[run.length - 1] === a - 1) run.push(a);
    else out.unshift([a]);
  }
  return out;
}

/** The sum over `axes`. Accumulates in f64. As `torch.sum`. */
export function sum(x: TensorLike, options: ReduceOptions = {}): Tensor {
  const t = x.toTensor();
  const axes = resolveAxes('sum', options.axes, t.shape.length);
  let y = t;
  for (const run of runs(axes)) y = y.graph.add(SUM, [y], { axes: run }).out;
  const kept = t.shape.map((d, i) => (axes.includes(i) ? 1 : d));
  return options.keepDims ? reshape(y, kept) : y;
}

/** Sum `x` down to `shape`, which broadcasts to the shape of `x`: what the gradient of a broadcast is. */
export function sumTo(x: TensorLike, shape: readonly number[]): Tensor {
  const t = x.toTensor();
  if (sameShape(t.shape, shape)) return t;
  const lead = t.shape.length - shape.length;
  const axes = t.shape.map((_, i) => i).filter((i) => i < lead || (shape[i - lead] === 1 && t.shape[i] !== 1));
  return reshape(sum(t, { axes }), shape);
}
