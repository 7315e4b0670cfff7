// scatter-rows.ts: scatterAdd that keeps only the rows it was given. Made by the compiler (fuse-rows.ts). Kernel: scatter_rows.h.
import { DTYPE_BYTES, f32, i32, type OpDef, type RefArray, sizeOf, type TensorType } from '../../ir/op.ts';
import { moved, span } from '../shape/axes.ts';
import { blockRows, checkScatter, scatterAddBlocks, scatterShape } from './gather.ts';

export interface ScatterRowsAttrs {
  /** Rows of the table. */
  readonly rows: number;
  /** Positions with this index are left out. */
  readonly padding?: number | undefined;
  /** A third output: the sum of squares of each block of rows, f64[scatterAddBlocks]. */
  readonly stats?: boolean;
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
    checkScatter('scatterRows', ins, rows, ['f32']);
    const count = sizeOf(indices.shape);
    const outs: TensorType[] = [
      { dtype: 'f32', shape: [count, ...x.shape.slice(lead)] },
      { dtype: 'i32', shape: [rows] },
    ];
    return stats ? [...outs, { dtype: 'f64', shape: [scatterAddBlocks(count, span(x.shape, lead))] }] : outs;
  },
  lower(node) {
    const { row, count } = scatterShape(node);
    return { ints: [node.attrs.rows, row, count, DTYPE_BYTES[node.ins[1]!.dtype], node.attrs.padding ?? -1] };
  },
  cost: (node) => moved(node, sizeOf(node.ins[0]!.shape)),
  ref([values, at, squares], [x, indices], node) {
    const { row } = scatterShape(node);
    const sums = new Float64Array((values as RefArray).length);
    let used = 0;
    (at as RefArray).fill(-1);
    (indices as RefArray).forEach((v: number, k: number) => {
      const place = at as RefArray;
      if (v === node.attrs.padding) return;
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
    const sample = (x: TensorType, indices: TensorType, rows: number, stats: boolean, padding?: number) => ({
      ins: [x, indices],
      attrs: { rows, stats, padding },
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
      sample(f32(30, 20), i32(30), 8, true, 3),
    ];
  },
};
