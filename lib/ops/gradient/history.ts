// history.ts: the last numbers of each of several series, kept in a state, with quantiles and moments: what adaptive policies look back on.
// Kernels: history.h.
import { GraphError, ShapeError } from '../../errors.ts';
import type { Tensor } from '../../ir/graph.ts';
import { bytesOf, f64, type OpDef, type RefArray, type Sample, sizeOf, type TensorType, typeName } from '../../ir/op.ts';
import { squareOf } from '../../math/index.ts';

/**
 * The state of a history, all zeros at the start: f64 [series, 1 + capacity], or twice the capacity if quantiles are wanted. A row holds
 * how many numbers it was ever given, a ring of the last ones, and those in ascending order. What is not finite is never taken in.
 */
export function historyType(series: number, capacity: number, sorted: boolean): TensorType {
  return f64(series, 1 + capacity * (sorted ? 2 : 1));
}

function check(op: string, ins: readonly TensorType[], sorted: boolean): { series: number; capacity: number } {
  const [history, x] = ins as [TensorType, TensorType | undefined];
  const [series = 0, row = 0] = history.shape;
  const capacity = (row - 1) / (sorted ? 2 : 1);
  if (history.dtype !== 'f64' || history.shape.length !== 2 || series < 1 || !Number.isInteger(capacity) || capacity < 1) {
    throw new ShapeError(`${op}: expected a history, got ${typeName(history)}`);
  }
  if (x && (x.dtype !== 'f64' || sizeOf(x.shape) !== series)) {
    throw new ShapeError(`${op}: expected f64[${series}], one number per series, got ${typeName(x)}`);
  }
  return { series, capacity };
}

/** The numbers of a row that count, oldest first or not: as they lie in the ring. */
function ringOf(history: RefArray, series: number, row: number, capacity: number): number[] {
  const count = history[series * row]!;
  return Array.from(history.slice(series * row + 1, series * row + 1 + Math.min(count, capacity)));
}

/** A history in a sample is empty, as random numbers are none; histories with numbers in them have tests of their own. */
const empty = (series: number, capacity: number, sorted: boolean): TensorType => historyType(series, capacity, sorted);

export interface QuantileAttrs {
  /** In [0, 1]. */
  readonly q: number;
}
export const HISTORY_QUANTILE: OpDef<QuantileAttrs> = {
  name: 'historyQuantile',
  infer(ins) {
    check('historyQuantile', ins, true);
    return [{ dtype: 'f64', shape: ins[1]!.shape }];
  },
  lower({ ins, attrs: { q } }) {
    const { series, capacity } = check(
      'historyQuantile',
      ins.map((t) => t.type),
      true,
    );
    return { ints: [series, capacity], floats: [q] };
  },
  cost: ({ outs }) => ({ flops: 40 * sizeOf(outs[0]!.shape), bytes: 300 * sizeOf(outs[0]!.shape) }),
  ref([out], [history, x], { ins, attrs: { q } }) {
    const { series, capacity } = check(
      'historyQuantile',
      ins.map((t) => t.type),
      true,
    );
    for (let k = 0; k < series; k++) {
      const count = history![k * (1 + 2 * capacity)]!;
      const ring = ringOf(history!, k, 1 + 2 * capacity, capacity);
      if (ring.length === capacity) ring.splice(count % capacity, 1);
      const all = [...ring, x![k]!].sort((a, b) => a - b);
      const at = q * (all.length - 1);
      const low = all[Math.floor(at)]!;
      const value = low + (at - Math.floor(at)) * (all[Math.min(Math.floor(at) + 1, all.length - 1)]! - low);
      out![k] = Number.isFinite(x![k]!) ? value : Number.NaN;
    }
  },
  samples: () => [
    {
      ins: [empty(1, 4, true), f64()],
      attrs: { q: 0.1 },
      fill: [
        [0, 0],
        [1, 2],
      ],
    },
    {
      ins: [empty(3, 5, true), f64(3)],
      attrs: { q: 0.9 },
      fill: [
        [0, 0],
        [1, 2],
      ],
    },
  ],
};

export const HISTORY_MOMENTS: OpDef<Record<string, never>> = {
  name: 'historyMoments',
  infer(ins) {
    const { series } = check('historyMoments', ins, false);
    return [f64(series), f64(series), f64(series)];
  },
  lower({ ins }) {
    const { series, capacity } = check(
      'historyMoments',
      ins.map((t) => t.type),
      false,
    );
    return { ints: [series, capacity] };
  },
  cost: ({ ins }) => ({ flops: 3 * sizeOf(ins[0]!.shape), bytes: 2 * bytesOf(ins[0]!.type) }),
  ref([mean, sd, filled], [history], { ins }) {
    const { series, capacity } = check(
      'historyMoments',
      ins.map((t) => t.type),
      false,
    );
    for (let k = 0; k < series; k++) {
      const ring = ringOf(history!, k, 1 + capacity, capacity);
      const average = ring.length > 0 ? ring.reduce((a, b) => a + b, 0) / ring.length : 0;
      const squares = ring.reduce((s, v) => s + squareOf(v - average), 0);
      mean![k] = average;
      sd![k] = ring.length > 1 ? Math.sqrt(squares / (ring.length - 1)) : 0;
      filled![k] = ring.length;
    }
  },
  samples: () => [{ ins: [empty(2, 7, false)], attrs: {}, fill: [[0, 5]] }],
};

export interface PushAttrs {
  readonly sorted: boolean;
}
export const HISTORY_PUSH: OpDef<PushAttrs> = {
  name: 'historyPush',
  skippable: true,
  infer(ins, { sorted }) {
    check('historyPush', ins, sorted);
    return [ins[0]!];
  },
  lower({ ins, attrs: { sorted } }) {
    const { series, capacity } = check(
      'historyPush',
      ins.map((t) => t.type),
      sorted,
    );
    return { ints: [series, capacity, Number(sorted)] };
  },
  cost: ({ ins }) => ({ flops: sizeOf(ins[1]!.shape), bytes: bytesOf(ins[0]!.type) }),
  inplace: () => [[0, 0]],
  ref([out], [history, x], { ins, attrs: { sorted } }) {
    const { series, capacity } = check(
      'historyPush',
      ins.map((t) => t.type),
      sorted,
    );
    const row = 1 + capacity * (sorted ? 2 : 1);
    out!.set(history!);
    for (let k = 0; k < series; k++) {
      if (!Number.isFinite(x![k]!)) continue;
      const count = history![k * row]!;
      out![k * row + 1 + (count % capacity)] = x![k]!;
      out![k * row] = count + 1;
      if (!sorted) continue;
      const order = ringOf(out!, k, row, capacity).sort((a, b) => a - b);
      out!.set(order, k * row + 1 + capacity);
    }
  },
  samples: (): Sample<PushAttrs>[] =>
    [true, false].map((sorted) => ({
      ins: [empty(2, 6, sorted), f64(2)],
      attrs: { sorted },
      fill: [
        [0, 0],
        [1, 2],
      ],
    })),
};

/** Per series, the quantile `q` of its last numbers with `x` as the newest among them, interpolated linearly (as numpy.percentile). */
export function historyQuantile(history: Tensor, x: Tensor, q: number): Tensor {
  if (!(q >= 0 && q <= 1)) throw new GraphError(`historyQuantile: expected a quantile in [0, 1], got ${q}`);
  return history.graph.add(HISTORY_QUANTILE, [history, x], { q }).out;
}

/** Per series: mean, standard deviation of a sample (0 for fewer than two numbers), and how many numbers there are. f64 [series]. */
export function historyMoments(history: Tensor): { mean: Tensor; sd: Tensor; filled: Tensor } {
  const [mean, sd, filled] = history.graph.add(HISTORY_MOMENTS, [history], {}).outs as [Tensor, Tensor, Tensor];
  return { mean, sd, filled };
}

/** The history with `x` as its newest numbers; to be assigned to its state. A skipped step leaves it alone. */
export function historyPush(history: Tensor, x: Tensor, options: { readonly sorted: boolean }): Tensor {
  return history.graph.add(HISTORY_PUSH, [history, x], { sorted: options.sorted }).out;
}
