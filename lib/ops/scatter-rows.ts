// scatter-rows.ts: scatterAdd that keeps only the rows it was given. Made by the compiler (fuse-rows.ts). Kernel: scatter_rows.h.
import { DTypeError, ShapeError } from '../errors.ts';
import type { Node, Tensor } from '../ir/graph.ts';
import { DTYPE_BYTES, type OpDef, type RefArray, sameShape, sizeOf, type TensorType } from '../ir/op.ts';
import { moved, span } from './axes.ts';
import { blockRows, expectIndices, scatterAddBlocks } from './gather.ts';

export interface ScatterRowsAttrs {
  /** Rows of the table. */
  readonly rows: number;
  /** A third output: the sum of squares of each block of rows, f64[scatterAddBlocks]. */
  readonly stats?: boolean;
}

function sizes({ ins }: Node): { row: number; count: number } {
  const [x, indices] = ins as readonly [Tensor, Tensor];
  return { row: span(x.shape, indices.shape.length), count: sizeOf(indices.shape) };
}

/**
 * Inputs: values f32 [..., ...] and indices (i32 or u8) [...], as of scatterAdd. Outputs: the sums of distinct rows f32 [n, ...] in the order
 * in which their indices first appear, zeros behind them, n the number of indices; and i32 [rows], for each row of the table its row
 * among them, -1 for none.
 */
export const SCATTER_ROWS: OpDef<ScatterRowsAttrs> = {
  name: 'scatterRows',
  infer(ins, { rows, stats }) {
    const [x, indices] = ins as [TensorType, TensorType];
    const lead = indices.shape.length;
    expectIndices('scatterRows', 'indices', indices);
    if (x.dtype !== 'f32') throw new DTypeError(`scatterRows: expected f32, got ${x.dtype}`);
    if (!sameShape(x.shape.slice(0, lead), indices.shape)) {
      throw new ShapeError(`scatterRows: expected values [${indices.shape}, ...] as the indices, got [${x.shape}]`);
    }
    if (!Number.isInteger(rows) || rows < 0) throw new ShapeError(`scatterRows: expected rows >= 0, got ${rows}`);
    const count = sizeOf(indices.shape);
    const outs: TensorType[] = [
      { dtype: 'f32', shape: [count, ...x.shape.slice(lead)] },
      { dtype: 'i32', shape: [rows] },
    ];
    return stats ? [...outs, { dtype: 'f64', shape: [scatterAddBlocks(count, span(x.shape, lead))] }] : outs;
  },
  lower(node) {
    const { row, count } = sizes(node);
    return { ints: [node.attrs.rows, row, count, DTYPE_BYTES[node.ins[1]!.dtype]] };
  },
  cost: (node) => moved(node, sizeOf(node.ins[0]!.shape)),
  ref([values, at, squares], [x, indices], node) {
    const { row } = sizes(node);
    const sums = new Float64Array((values as RefArray).length);
    let used = 0;
    (at as RefArray).fill(-1);
    (indices as RefArray).forEach((v: number, k: number) => {
      const place = at as RefArray;
      if (place[v] === -1) place[v] = used++;
      for (let c = 0; c < row; c++) sums[place[v]! * row + c]! += (x as RefArray)[k * row + c] as number;
    });
    (values as RefArray).set(sums);
    if (!node.attrs.stats) return;
    (squares as RefArray).fill(0);
    const block = blockRows(row) * row;
    (values as RefArray).forEach((v: number, i: number) => {
      (squares as RefArray)[Math.floor(i / block)]! += v * v;
    });
  },
  samples: () => {
    const f32 = (...shape: number[]): TensorType => ({ dtype: 'f32', shape });
    const i32 = (...shape: number[]): TensorType => ({ dtype: 'i32', shape });
    const sample = (x: TensorType, indices: TensorType, rows: number, stats: boolean) => ({
      ins: [x, indices],
      attrs: { rows, stats },
      fill: ['normal', [0, rows]] as ['normal', [number, number]],
      noGradient: true,
      tolerance: 1e-4,
    });
    return [
      sample(f32(7, 3), i32(7), 30, false),
      sample(f32(9, 64), i32(9), 5, true),
      sample(f32(3, 20, 33), { dtype: 'u8', shape: [3, 20] }, 200, true),
      sample(f32(40, 300), i32(40), 1000, true),
      sample(f32(0, 4), i32(0), 6, true),
    ];
  },
};
