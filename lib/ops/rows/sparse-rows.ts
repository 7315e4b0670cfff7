// sparse-rows.ts: updates of those rows of a table alone that were looked up: which they are and their gradients, taking them out, putting them
// back. Kernels: scatter_rows.h, embedding.h.
import { DTypeError, ShapeError } from '../../errors.ts';
import type { Node, Tensor } from '../../ir/graph.ts';
import {
  bytesOf,
  DTYPE_BYTES,
  f32,
  i32,
  type OpDef,
  type Sample,
  sameShape,
  sizeOf,
  type TensorType,
  typeName,
} from '../../ir/op.ts';
import { moved, span } from '../shape/axes.ts';
import { blockRows, checkScatter, scatterAddBlocks, scatterShape } from './gather.ts';

export interface LookupRowsAttrs {
  /** Rows of the table. */
  readonly rows: number;
  /** Positions with this index are left out. */
  readonly padding?: number | undefined;
  /** A third output: the sum of squares of each block of rows, f64[scatterAddBlocks]. */
  readonly stats?: boolean;
}

/**
 * Inputs as of scatterAdd. Outputs: the sums of distinct rows f32 [n, ...] in the order in which their indices first appear, zeros behind them, n the
 * number of indices; and i32 [n], their rows in the table, -1 behind them. Nothing is as large as the table.
 */
export const LOOKUP_ROWS: OpDef<LookupRowsAttrs> = {
  name: 'lookupRows',
  infer(ins, { rows, stats }) {
    const [x, indices] = ins as [TensorType, TensorType];
    checkScatter('lookupRows', ins, rows, ['f32']);
    const lead = indices.shape.length;
    const count = sizeOf(indices.shape);
    const outs: TensorType[] = [f32(count, ...x.shape.slice(lead)), i32(count)];
    return stats ? [...outs, { dtype: 'f64', shape: [scatterAddBlocks(count, span(x.shape, lead))] }] : outs;
  },
  lower(node) {
    const { row, count } = scatterShape(node as Node);
    return { ints: [node.attrs.rows, row, count, DTYPE_BYTES[node.ins[1]!.dtype], node.attrs.padding ?? -1] };
  },
  cost: (node) => moved(node as Node, sizeOf(node.ins[0]!.shape)),
  ref([values, ids, squares], [x, indices], node) {
    const { row } = scatterShape(node as Node);
    const sums = new Float64Array(values!.length);
    const place = new Map<number, number>();
    ids!.fill(-1);
    indices!.forEach((v: number, k: number) => {
      if (v === node.attrs.padding) return;
      const u = place.get(v) ?? place.size;
      place.set(v, u);
      ids![u] = v;
      for (let c = 0; c < row; c++) sums[u * row + c]! += x![k * row + c]!;
    });
    values!.set(sums);
    if (!node.attrs.stats) return;
    squares!.fill(0);
    const block = blockRows(row) * row;
    values!.forEach((v: number, i: number) => {
      squares![Math.floor(i / block)]! += v * v;
    });
  },
  samples: () => [
    lookupSample(f32(7, 3), i32(7), { rows: 30 }),
    lookupSample(f32(90, 64), i32(90), { rows: 50, stats: true }),
    lookupSample(f32(3, 20, 33), { dtype: 'u8', shape: [3, 20] }, { rows: 200, padding: 5, stats: true }),
    lookupSample(f32(40, 300), i32(40), { rows: 7, padding: 0, stats: true }),
    lookupSample(f32(0, 4), i32(0), { rows: 6, stats: true }),
    { ...lookupSample(f32(40, 5), i32(40), { rows: 7, padding: 7 }), fill: ['normal', [0, 8]] },
  ],
};
function lookupSample(x: TensorType, indices: TensorType, attrs: LookupRowsAttrs): Sample<LookupRowsAttrs> {
  return { ins: [x, indices], attrs, fill: ['normal', [0, attrs.rows]], noGradient: true, tolerance: 1e-4 };
}

type NoAttrs = Record<string, never>;

/** Rows of the tables, elements of a row, number of ids. */
function someRows(op: string, ids: TensorType, tables: readonly TensorType[], rows: readonly TensorType[] = []): number[] {
  if (ids.dtype !== 'i32' || ids.shape.length !== 1) throw new ShapeError(`${op}: expected ids as i32 [n], got ${typeName(ids)}`);
  const shape = tables[0]?.shape ?? [];
  if (shape.length === 0) throw new ShapeError(`${op}: expected tables, got ${tables[0] ? 'a scalar' : 'none'}`);
  for (const x of [...tables, ...rows]) if (x.dtype !== 'f32') throw new DTypeError(`${op}: expected f32, got ${x.dtype}`);
  const taken = [ids.shape[0]!, ...shape.slice(1)];
  for (const x of tables) if (!sameShape(x.shape, shape)) throw new ShapeError(`${op}: expected [${shape}], got [${x.shape}]`);
  for (const x of rows) if (!sameShape(x.shape, taken)) throw new ShapeError(`${op}: expected [${taken}], got [${x.shape}]`);
  return [shape[0]!, span(shape, 1), ids.shape[0]!];
}
const typesOf = (ins: readonly Tensor[]): TensorType[] => ins.map((t) => t.type);

/** Inputs ids i32 [n] and tables f32 [rows, ...]; outputs the rows of each table, [n, ...], zeros where the id is none. */
export const TAKE_ROWS: OpDef<NoAttrs> = {
  name: 'takeRows',
  infer([ids, ...tables]) {
    someRows('takeRows', ids!, tables);
    return tables.map((t) => f32(ids!.shape[0]!, ...t.shape.slice(1)));
  },
  lower: ({ ins }) => ({ ints: someRows('takeRows', ins[0]!.type, typesOf(ins.slice(1))) }),
  cost: ({ outs }) => ({ flops: 0, bytes: 2 * outs.reduce((n, t) => n + bytesOf(t.type), 0) }),
  ref(outs, [ids, ...tables], node) {
    const [rows, row] = someRows('takeRows', node.ins[0]!.type, typesOf(node.ins.slice(1))) as [number, number];
    for (const [k, y] of outs.entries()) {
      ids!.forEach((v: number, u: number) => {
        for (let c = 0; c < row; c++) y[u * row + c] = v >= 0 && v < rows ? tables[k]![v * row + c]! : 0;
      });
    }
  },
  samples: () => [
    { ins: [i32(4), f32(9, 3)], attrs: {}, fill: [{ exactly: [8, -1, 0, 3] }, 'normal'], noGradient: true },
    { ins: [i32(3), f32(5, 2, 20), f32(5, 2, 20)], attrs: {}, fill: [{ exactly: [4, 1, 7] }], noGradient: true },
    { ins: [i32(0), f32(5, 2)], attrs: {}, noGradient: true },
  ],
};

/**
 * Inputs ids i32 [n], all different, k tables f32 [rows, ...] and for each new rows [n, ...]; outputs the tables with these rows in place of
 * theirs. An id that is no row puts nothing. Held back in a step that is skipped, and in place.
 */
export const PUT_ROWS: OpDef<NoAttrs> = {
  name: 'putRows',
  skippable: true,
  infer([ids, ...arrays]) {
    if (arrays.length % 2 !== 0) throw new ShapeError(`putRows: expected as many rows as tables, got ${arrays.length} arrays`);
    const tables = arrays.slice(0, arrays.length / 2);
    someRows('putRows', ids!, tables, arrays.slice(tables.length));
    return tables;
  },
  lower: ({ ins, outs }) => ({ ints: someRows('putRows', ins[0]!.type, typesOf(outs as Tensor[])) }),
  cost: ({ ins, outs }) => ({ flops: 0, bytes: 2 * ins.slice(1 + outs.length).reduce((n, t) => n + bytesOf(t.type), 0) }),
  inplace: ({ outs }) => outs.map((_, k) => [k, 1 + k] as const),
  ref(outs, [ids, ...arrays], node) {
    const [rows, row] = someRows('putRows', node.ins[0]!.type, typesOf(node.outs as Tensor[])) as [number, number];
    for (const [k, y] of outs.entries()) {
      y.set(arrays[k]!);
      ids!.forEach((v: number, u: number) => {
        for (let c = 0; c < row && v >= 0 && v < rows; c++) y[v * row + c] = arrays[outs.length + k]![u * row + c]!;
      });
    }
  },
  samples: () => [
    { ins: [i32(4), f32(9, 3), f32(4, 3)], attrs: {}, fill: [{ exactly: [8, -1, 0, 3] }], noGradient: true },
    {
      ins: [i32(3), f32(50, 20), f32(50, 20), f32(3, 20), f32(3, 20)],
      attrs: {},
      fill: [{ exactly: [49, 1, 50] }],
      noGradient: true,
    },
    { ins: [i32(0), f32(5, 2), f32(0, 2)], attrs: {}, noGradient: true },
  ],
};

/** The values and indices that a scatterAdd adds, of the gradient of a table. */
export interface Lookups {
  readonly values: Tensor;
  readonly indices: Tensor;
  readonly padding: number | undefined;
}

/** The rows that were looked up: their gradients and which they are. */
export function lookupRows({ values, indices, padding }: Lookups, rows: number): { values: Tensor; ids: Tensor } {
  const [found, ids] = values.graph.add(LOOKUP_ROWS, [values, indices], { rows, padding }).outs;
  return { values: found!, ids: ids! };
}
/** These rows of each table. */
export function takeRows(ids: Tensor, tables: readonly Tensor[]): readonly Tensor[] {
  return ids.graph.add(TAKE_ROWS, [ids, ...tables], {}).outs;
}
/** The tables with these rows in place of theirs. */
export function putRows(ids: Tensor, tables: readonly Tensor[], rows: readonly Tensor[]): readonly Tensor[] {
  return ids.graph.add(PUT_ROWS, [ids, ...tables, ...rows], {}).outs;
}
