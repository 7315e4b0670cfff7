// gather.ts: rows by index (gather, embedding) and their gradient (scatterAdd). Kernels: gather.h.

import { DTypeError, ShapeError } from '../../errors.ts';
import type { Node, Tensor, TensorLike } from '../../ir/graph.ts';
import {
  ARRAYS,
  bytesOf,
  DTYPE_BYTES,
  type DType,
  f32,
  i32,
  type OpDef,
  type RefArray,
  sameShape,
  sizeOf,
  type TensorType,
  u8,
} from '../../ir/op.ts';
import { isRows, mixes, type Samples } from '../../ir/samples.ts';
import { options, signature, whole } from '../../options/index.ts';
import { checkPadding, paddingIdx, tensor } from '../args.ts';
import { add, cast, equal, mul, notEqual, where } from '../elementwise/elementwise.ts';
import { rowSquares } from '../gradient/row-squares.ts';
import { matmul } from '../product/matmul.ts';
import { sum } from '../reduce/reduce.ts';
import { moved, span } from '../shape/axes.ts';
import { broadcastTo, reshape } from '../shape/shape.ts';
import { apart } from '../summands.ts';
import { asIndices, expectIndices, wide } from './indices.ts';

const typeOf = (node: Node, i: number): TensorType => (node.ins[i] as Tensor).type;

export interface GatherAttrs {
  /** Lookups of this row give no gradient. */
  readonly padding?: number;
}
export const GATHER: OpDef<GatherAttrs> = {
  name: 'gather',
  infer(ins) {
    const [table, indices] = ins as [TensorType, TensorType];
    if (table.shape.length === 0) throw new ShapeError('gather: expected a table of at least 1 dimension, got a scalar');
    expectIndices('gather', 'indices', indices);
    return [{ dtype: table.dtype, shape: [...indices.shape, ...table.shape.slice(1)] }];
  },
  vjp(node, [dy]) {
    const [table, indices] = node.ins as [Tensor, Tensor];
    return [dy ? scatterAdd(dy, indices, { rows: table.shape[0] as number, ...node.attrs }) : null, null];
  },
  onnx({ ins: [table, indices] }, b) {
    return [b.node('Gather', [b.value(table!), wide(b, indices!)], { axis: 0 })];
  },
  lower(node) {
    const [table, indices] = [typeOf(node, 0), typeOf(node, 1)];
    const row = span(table.shape, 1) * DTYPE_BYTES[table.dtype];
    return { ints: [table.shape[0] as number, row, sizeOf(indices.shape), DTYPE_BYTES[indices.dtype]] };
  },
  cost: (node) => ({ flops: 0, bytes: 2 * bytesOf(node.out.type) + bytesOf(typeOf(node, 1)) }),
  indices: (node) => [{ input: 1, bound: typeOf(node, 0).shape[0]! }],
  ref([y], [table, indices], node) {
    const row = span(typeOf(node, 0).shape, 1);
    (indices as RefArray).forEach((v: number, k: number) => {
      for (let c = 0; c < row; c++) (y as RefArray)[k * row + c] = (table as RefArray)[v * row + c] as number;
    });
  },
  samplesOf: {
    lies(node, [table, indices]) {
      const { ins } = node;
      if (indices === 'sum' || table === 'sum' || (table && (indices || table.axis === 0))) throw mixes(node as Node);
      return [table ? { ...table, axis: table.axis - 1 + ins[1]!.shape.length } : (indices ?? null)];
    },
  },
  samples: () => [
    { ins: [f32(5, 3), i32(7)], attrs: {}, fill: ['normal', [0, 5]] },
    { ins: [f32(9, 33), u8(2, 6)], attrs: {}, fill: ['normal', [0, 9]] },
    {
      ins: [u8(6, 2, 3), i32(4)],
      attrs: {},
      fill: [
        [0, 255],
        [0, 6],
      ],
    },
    {
      ins: [i32(6), i32(2, 2)],
      attrs: {},
      fill: [
        [-9, 9],
        [0, 6],
      ],
    },
    { ins: [f32(4, 2), i32()], attrs: {}, fill: ['normal', [0, 4]] },
    { ins: [f32(4, 2), i32(0)], attrs: {}, fill: ['normal', [0, 4]] },
  ],
};

const readGather = signature('ops.gather', { table: tensor, indices: tensor });

/**
 * Rows of a table of any dtype at whole numbers of any dtype. Unlike PyTorch's indexing, indices count from 0 only:
 * one outside [0, n) ends the run with an IndexError.
 * @shape table [n, ...], indices [...] -> [..., ...]
 * @throws OptionError; ShapeError if the table has no dimension
 * @see torch.Tensor.__getitem__
 */
export function gather(table: TensorLike, indices: TensorLike): Tensor {
  const { table: t, indices: at } = readGather(arguments);
  return t.graph.add(GATHER, [t, asIndices(at)], {}).out;
}

/** Options of `ops.embedding`. */
export interface LookupOptions {
  /** Lookups of this row give no gradient. Default: none. */
  readonly paddingIdx?: number;
}
const readEmbedding = signature(
  'ops.embedding',
  { indices: tensor, table: tensor },
  options<LookupOptions>()({ paddingIdx: paddingIdx.optional() }),
);

/**
 * Vectors by index: `gather(table, indices)`, with the arguments in PyTorch's order. An index outside [0, n) ends the
 * run with an IndexError.
 * @shape indices [...], table [n, ...] -> [..., ...]
 * @param options.paddingIdx lookups of this row give no gradient
 * @throws OptionError; ShapeError if the table has no dimension
 * @see torch.nn.functional.embedding
 */
export function embedding(indices: TensorLike, table: TensorLike, options: LookupOptions = {}): Tensor {
  const { table: t, indices: at, paddingIdx: padding } = readEmbedding(arguments);
  if (padding === undefined) return gather(t, at);
  checkPadding('ops.embedding', padding, t.shape[0] ?? 0);
  return t.graph.add(GATHER, [t, asIndices(at)], { padding }).out;
}

export interface ScatterAddAttrs {
  readonly rows: number;
  /** Positions with this index are left out. */
  readonly padding?: number;
  /** Made by the compiler: a second output, the sum of squares of each block of rows, f64[scatterAddBlocks]. */
  readonly stats?: boolean;
}

/** Rows in a block of gather.h: kScatterBlock elements, at least one row. */
export const blockRows = (row: number): number => (row < 1 ? 256 : Math.max(1, Math.floor(256 / row)));

/** Number of partial sums of squares that `scatterAdd` gives with `stats`, for rows of `row` elements. */
export function scatterAddBlocks(rows: number, row: number): number {
  return Math.ceil(rows / blockRows(row));
}

/** Elements of a row, and number of indices. */
export function scatterShape({ ins }: Node): { row: number; count: number } {
  const [x, indices] = ins as readonly [Tensor, Tensor];
  return { row: span(x.shape, indices.shape.length), count: sizeOf(indices.shape) };
}

/** Throws unless values and indices fit together and into a table of so many rows. */
export function checkScatter(op: string, ins: readonly TensorType[], rows: number, dtypes: readonly DType[]): void {
  const [x, indices] = ins as readonly [TensorType, TensorType];
  expectIndices(op, 'indices', indices);
  if (!dtypes.includes(x.dtype)) throw new DTypeError(`${op}: expected ${dtypes.join(' or ')}, got ${x.dtype}`);
  if (!sameShape(x.shape.slice(0, indices.shape.length), indices.shape)) {
    throw new ShapeError(`${op}: expected values [${indices.shape}, ...] as the indices, got [${x.shape}]`);
  }
  if (!Number.isInteger(rows) || rows < 0) throw new ShapeError(`${op}: expected rows >= 0, got ${rows}`);
}

/** Values and indices of each sample, [samples, ...]: what is left out has a value of 0 and the first row's index. */
function lookups({ ins, attrs: { padding } }: Node<ScatterAddAttrs>, of: Samples): { values: Tensor; indices: Tensor } {
  const [x, at] = ins as [Tensor, Tensor];
  const lead = at.shape.length;
  const lies = [of.lies(x), of.lies(at)];
  const rows = lies.find(isRows);
  // What all samples have alike is at places of its own in each, where it lies among their rows.
  const own = (t: Tensor, i: number): Tensor => {
    if (rows) return apart(t, rows, of.count);
    return i === 0 ? of.summands(t) : broadcastTo(t, [of.count, ...t.shape]);
  };
  const [values, indices] = [own(x, 0), own(at, 1)];
  if (padding === undefined) return { values, indices };
  const counts = notEqual(cast(indices, 'f64'), padding);
  const wide = reshape(cast(counts, values.dtype), [...indices.shape, ...x.shape.slice(lead).map(() => 1)]);
  return { values: where(wide, values, 0), indices: cast(mul(cast(indices, 'f64'), counts), 'i32') };
}

export const SCATTER_ADD: OpDef<ScatterAddAttrs> = {
  name: 'scatterAdd',
  infer(ins, { rows, stats }) {
    const [x, indices] = ins as [TensorType, TensorType];
    const lead = indices.shape.length;
    checkScatter('scatterAdd', ins, rows, ['f32', 'f64']);
    const y: TensorType = { dtype: x.dtype, shape: [rows, ...x.shape.slice(lead)] };
    return stats ? [y, { dtype: 'f64', shape: [scatterAddBlocks(rows, span(x.shape, lead))] }] : [y];
  },
  vjp(node, [dy]) {
    const { padding } = node.attrs;
    const [x, indices] = node.ins as [Tensor, Tensor];
    const dx = dy ? gather(dy, indices) : null;
    if (!dx || padding === undefined) return [dx, null];
    const counts = cast(notEqual(cast(indices, 'f64'), padding), x.dtype);
    const row = x.shape.slice(indices.shape.length).map(() => 1);
    return [where(reshape(counts, [...indices.shape, ...row]), dx, 0), null];
  },
  onnx(node, b) {
    const [x, indices] = node.ins as [Tensor, Tensor];
    const rows = b.across(node, ({ attrs }) => attrs.rows);
    const row = b.dims(x).slice(indices.shape.length);
    let values = b.value(x);
    let wanted = b.cast(b.value(indices), indices.dtype, 'i64');
    if (node.attrs.padding !== undefined) {
      const counts = b.node('Not', [b.node('Equal', [wide(b, indices), b.scalar('i32', node.attrs.padding)])]);
      const kept = b.reshape(b.cast(counts, 'bool', x.dtype), [...b.dims(indices), ...row.map(() => 1)]);
      values = b.node('Mul', [values, kept]);
      // What is left out need be no row: nothing is added to the first.
      wanted = b.node('Mul', [wanted, b.cast(counts, 'bool', 'i64')]);
    }
    const zeros = b.node('ConstantOfShape', [b.sizes([rows, ...row])], { value: { tensor: new ARRAYS[x.dtype](1) } });
    const at = b.reshape(wanted, [...b.dims(indices), 1]);
    return [b.node('ScatterND', [zeros, at, values], { reduction: 'add' })];
  },
  lower(node) {
    const { row, count } = scatterShape(node);
    const [x, indices] = [typeOf(node, 0), typeOf(node, 1)];
    return {
      ints: [node.attrs.rows, row, count, DTYPE_BYTES[indices.dtype], x.dtype === 'f64' ? 1 : 0, node.attrs.padding ?? -1],
    };
  },
  cost: (node) => moved(node, sizeOf(typeOf(node, 0).shape)),
  indices: ({ attrs }) => [{ input: 1, bound: attrs.rows, ignored: attrs.padding ?? null }],
  ref([y, squares], [x, indices], node) {
    const { row } = scatterShape(node);
    // In f64, rounded once.
    const sums = new Float64Array((y as RefArray).length);
    (indices as RefArray).forEach((v: number, k: number) => {
      if (v === node.attrs.padding) return;
      for (let c = 0; c < row; c++) sums[v * row + c] = (sums[v * row + c] as number) + ((x as RefArray)[k * row + c] as number);
    });
    (y as RefArray).set(sums);
    if (!node.attrs.stats) return;
    (squares as RefArray).fill(0);
    const block = blockRows(row) * row;
    (y as RefArray).forEach((v: number, i: number) => {
      const b = Math.floor(i / block);
      (squares as RefArray)[b] = ((squares as RefArray)[b] as number) + v * v;
    });
  },
  samplesOf: {
    lies(node, [values, indices]) {
      const lead = node.ins[1]!.shape.length;
      if (indices === 'sum' || (values === 'sum' && indices)) throw mixes(node as Node);
      if (values === 'sum') return ['sum'];
      if (!indices && values && values.axis >= lead) return [{ ...values, axis: values.axis - lead + 1 }];
      if (values && indices && (values.axis !== indices.axis || values.each !== indices.each)) throw mixes(node as Node);
      const rows = values ?? indices;
      if (rows && rows.axis >= lead) throw mixes(node as Node);
      return [rows ? 'sum' : null];
    },
    summands(node, _, of) {
      const { values, indices } = lookups(node, of);
      const { rows } = node.attrs;
      const [count, ...own] = indices.shape as [number, ...number[]];
      // A table for each sample, one behind the other.
      const first = Float64Array.from({ length: count }, (_, s) => s * rows);
      const table = values.graph.constant(first, [count, ...own.map(() => 1)], 'f64');
      const places = cast(add(cast(indices, 'f64'), table), 'i32');
      return reshape(scatterAdd(values, places, { rows: count * rows }), [count, ...node.outs[0]!.shape]);
    },
    sampleNorm(node, _, of) {
      const { row, count } = scatterShape(node as Node);
      const each = count / of.count;
      // Pairs of lookups of one row, where these are fewer numbers than a table.
      if (node.outs[0]!.dtype !== 'f32' || each * each > node.attrs.rows * row || of.lies(node.ins[0]!) === 'sum') return null;
      const { values, indices } = lookups(node, of);
      const rows = reshape(values, [of.count, each, row]);
      if (each === 1) return rowSquares(rows);
      const at = cast(reshape(indices, [of.count, each]), 'f32');
      const same = equal(reshape(at, [of.count, each, 1]), reshape(at, [of.count, 1, each]));
      return sum(mul(matmul(rows, rows, { transB: true }), same), { axes: [1, 2], dtype: 'f64' });
    },
    weighs: 0,
  },
  samples: () => [
    { ins: [f32(7, 3), i32(7)], attrs: { rows: 5 }, fill: ['normal', [0, 5]], tolerance: 1e-5 },
    { ins: [f32(2, 30, 33), u8(2, 30)], attrs: { rows: 12 }, fill: ['normal', [0, 12]], tolerance: 1e-5 },
    { ins: [f32(40), i32(40)], attrs: { rows: 300 }, fill: ['normal', [0, 300]] },
    { ins: [{ dtype: 'f64', shape: [9, 2] }, i32(9)], attrs: { rows: 3 }, fill: ['normal', [0, 3]] },
    { ins: [f32(2), i32()], attrs: { rows: 2 }, fill: ['normal', [0, 2]] },
    { ins: [f32(0, 4), i32(0)], attrs: { rows: 2 }, fill: ['normal', [0, 2]] },
    { ins: [f32(30, 5), i32(30)], attrs: { rows: 4, padding: 2 }, fill: ['normal', [0, 4]], tolerance: 1e-5 },
    // What is left out need be no row.
    { ins: [f32(30, 5), i32(30)], attrs: { rows: 4, padding: 4 }, fill: ['normal', [0, 5]], noGradient: true, tolerance: 1e-5 },
    {
      ins: [f32(60, 40), i32(60)],
      attrs: { rows: 25, stats: true },
      fill: ['normal', [0, 25]],
      noGradient: true,
      tolerance: 1e-4,
    },
    { ins: [f32(6, 300), i32(6)], attrs: { rows: 3, stats: true }, fill: ['normal', [0, 3]], noGradient: true, tolerance: 1e-4 },
    {
      ins: [f32(23, 1100), i32(23)],
      attrs: { rows: 3, stats: true },
      fill: ['normal', [0, 3]],
      noGradient: true,
      tolerance: 1e-4,
    },
  ],
};

/** Options of `ops.scatterAdd`. */
export interface ScatterAddOptions {
  /** How many rows the result has. */
  readonly rows: number;
  /** Positions with this index are left out. Default: none. */
  readonly padding?: number;
}
const readScatterAdd = signature(
  'ops.scatterAdd',
  { values: tensor, indices: tensor },
  options<ScatterAddOptions>()({ rows: whole({ min: 0 }), padding: paddingIdx.optional() }),
);

/**
 * The sum, for each row of the result, of the values whose index is that row; zero where there is none: what the
 * gradient of `gather` is. Adds in f64 in the order of positions, so the result depends on nothing else. An index
 * outside [0, rows) ends the run with an IndexError.
 * @shape values [..., ...], indices [...] -> [rows, ...]
 * @param options.padding positions with this index are left out
 * @throws OptionError; ShapeError if the values do not begin with the shape of the indices; DTypeError unless the
 * values are f32
 * @see torch.Tensor.index_add
 */
export function scatterAdd(values: TensorLike, indices: TensorLike, options: ScatterAddOptions): Tensor {
  const { values: t, indices: at, rows, padding } = readScatterAdd(arguments);
  return t.graph.add(SCATTER_ADD, [t, asIndices(at)], { rows, ...(padding !== undefined && { padding }) }).out;
}
