// embedding-bag.ts: sums, means and maxima of bags of rows of a table. Kernels: embedding.h.

import { DTypeError, ShapeError } from '../../errors.ts';
import { CONSTANT, isOp, type Node, type Tensor, type TensorLike } from '../../ir/graph.ts';
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
import { isRows, type Lies, mixes, type Rows } from '../../ir/samples.ts';
import { choice, type Field, options, signature } from '../../options/index.ts';
import { checkPadding, paddingIdx, tensor } from '../args.ts';
import { cast, lessEqual, mul, where } from '../elementwise/elementwise.ts';
import { sum } from '../reduce/reduce.ts';
import { moved, span } from '../shape/axes.ts';
import { broadcastTo, reshape } from '../shape/shape.ts';
import { takeAlongAxis } from './along.ts';
import type { BagAttrs, BagMode } from './bag-attrs.ts';
import { embeddingBagOnnx } from './embedding-bag-onnx.ts';
import { gather, scatterAdd } from './gather.ts';
import { asIndices, expectIndices } from './indices.ts';

// The order is that of BagMode in embedding.h.
const MODES = ['sum', 'mean', 'max'] as const satisfies readonly BagMode[];
export const bagMode: Field<BagMode, BagMode, false> = choice<BagMode>(...MODES).default('mean');

interface BagGradAttrs extends BagAttrs {
  /** Of the table. */
  readonly rows: number;
}

function expectBags(op: string, indices: TensorType, offsets: TensorType, weights: TensorType | undefined): void {
  expectIndices(op, 'indices', indices);
  if (indices.shape.length !== 1) throw new ShapeError(`${op}: expected indices [n], got [${indices.shape}]`);
  if (offsets.dtype !== 'i32' || offsets.shape.length !== 1) {
    throw new DTypeError(`${op}: expected offsets as i32 [bags], got ${typeName(offsets)}`);
  }
  if (weights && (weights.dtype !== 'f32' || !sameShape(weights.shape, indices.shape))) {
    throw new ShapeError(`${op}: expected weights f32[${indices.shape}], got ${typeName(weights)}`);
  }
}

/** For each bag the positions that count. */
function eachBag(
  { padding }: BagAttrs,
  indices: ArrayLike<number>,
  offsets: ArrayLike<number>,
  visit: (bag: number, members: number[]) => void,
): void {
  for (let b = 0; b < offsets.length; b++) {
    const members: number[] = [];
    const end = b + 1 < offsets.length ? offsets[b + 1]! : indices.length;
    for (let k = offsets[b]!; k < end; k++) if (indices[k] !== padding) members.push(k);
    visit(b, members);
  }
}

/**
 * Inputs table f32 [rows, ...], indices i32|u8 [n], offsets i32 [bags] and, optional, weights f32 [n]; output f32 [bags, ...]; of a maximum a second,
 * the position that each element is of, i32, -1 for none.
 */
/** Bags of samples: with offsets that are known, and the indices of a sample in places of its own. */
function bagSamples(
  node: Node,
  table: Lies | undefined,
  [indices, bags, weights]: readonly Lies[],
  offsets: Tensor,
  count: number,
): Rows | null {
  if (table || bags || indices === 'sum' || weights === 'sum' || (weights && !indices)) throw mixes(node);
  if (!indices) return null;
  if (!isOp(offsets.node, CONSTANT)) throw mixes(node, 'give bags of one length as indices [batch, length]');
  const { data } = offsets.node.attrs;
  const each = data.length / count;
  const own =
    Number.isInteger(each) && Array.from({ length: count }, (_, s) => data[s * each] === s * indices.each).every(Boolean);
  if (!own) throw mixes(node);
  return { axis: 0, each };
}

export const EMBEDDING_BAG: OpDef<BagAttrs> = {
  name: 'embeddingBag',
  onnx: embeddingBagOnnx,
  infer([table, indices, offsets, weights], { mode }) {
    if (table!.dtype !== 'f32') throw new DTypeError(`embeddingBag: expected f32, got ${table!.dtype}`);
    if (table!.shape.length === 0) throw new ShapeError('embeddingBag: expected a table, got a scalar');
    expectBags('embeddingBag', indices!, offsets!, weights);
    const shape = [offsets!.shape[0]!, ...table!.shape.slice(1)];
    return mode === 'max' ? [f32(...shape), i32(...shape)] : [f32(...shape)];
  },
  vjp(node, [dy]) {
    const [table, indices, offsets, weights] = node.ins as [Tensor, Tensor, Tensor, Tensor?];
    if (!dy) return node.ins.map(() => null);
    const { graph } = table;
    const rows = table.shape[0]!;
    const attrs = { ...node.attrs, rows };
    const at = node.outs.slice(1);
    const each = graph.add(EMBEDDING_BAG_GRAD, [dy, ...at, indices, offsets, ...(weights ? [weights] : [])], attrs).out;
    const padding = node.attrs.padding ?? undefined;
    const dtable = scatterAdd(each, indices, { rows, ...(padding !== undefined && { padding }) });
    if (!weights) return [dtable, null, null];
    const spread = graph.add(EMBEDDING_BAG_GRAD, [dy, indices, offsets], attrs).out;
    const flat = [indices.shape[0]!, span(table.shape, 1)];
    return [dtable, null, null, sum(mul(reshape(gather(table, indices), flat), reshape(spread, flat)), { axes: [1] })];
  },
  lower({ ins, attrs }) {
    const [table, indices, offsets] = ins as [Tensor, Tensor, Tensor];
    return { ints: bagInts(table.shape[0]!, span(table.shape, 1), indices, offsets, attrs, ins.length > 3) };
  },
  cost(node) {
    const row = span(node.ins[0]!.shape, 1);
    const elements = sizeOf(node.ins[1]!.shape) * row;
    return { flops: elements, bytes: 4 * elements + bytesOf(node.ins[1]!.type) + bytesOf(node.out.type) };
  },
  indices: ({ ins }) => [
    { input: 1, bound: ins[0]!.shape[0]! },
    { input: 2, bound: ins[1]!.shape[0]! + 1 },
  ],
  ref([y, at], [table, indices, offsets, weights], node) {
    const row = span(node.ins[0]!.shape, 1);
    const { mode } = node.attrs;
    eachBag(node.attrs, indices!, offsets!, (b, members) => {
      for (let c = 0; c < row; c++) {
        const x = members.map((k) => table![indices![k]! * row + c]!);
        if (mode === 'max') {
          const best = x.reduce((i, v, j) => (v > x[i]! ? j : i), 0);
          y![b * row + c] = members.length > 0 ? x[best]! : 0;
          at![b * row + c] = members[best] ?? -1;
          continue;
        }
        const total = x.reduce((s, v, j) => s + v * (weights?.[members[j]!] ?? 1), 0);
        y![b * row + c] = mode === 'mean' ? total / Math.max(1, members.length) : total;
      }
    });
  },
  samplesOf: {
    lies: (node, ins, count) => node.outs.map(() => bagSamples(node as Node, ins[0], ins.slice(1), node.ins[2]!, count)),
  },
  samples: () => [
    bagSample('sum', f32(9, 3), 12, [0, 3, 3, 7]),
    bagSample('sum', f32(30, 37), 40, [0, 1, 30], { weighted: true }),
    bagSample('sum', f32(5, 2, 8), 11, [0, 4], { weighted: true, padding: 2, dtype: 'u8' }),
    bagSample('mean', f32(7, 16), 20, [0, 5, 5, 6, 20], { padding: 3 }),
    bagSample('mean', f32(6, 1), 9, [0, 2]),
    bagSample('max', f32(40, 20), 17, [0, 8, 8], { padding: 1 }),
    bagSample('max', f32(4, 3), 2, [0, 1]),
    bagSample('sum', f32(3, 4), 0, [0, 0]),
    bagSample('mean', f32(3, 4), 2, []),
  ],
};

/**
 * Inputs the gradient of the bags [bags, ...], of a maximum also the positions that embeddingBag gave, indices, offsets and, optional, weights; output
 * what each position gets, f32 [n, ...].
 */
export const EMBEDDING_BAG_GRAD: OpDef<BagGradAttrs> = {
  name: 'embeddingBagGrad',
  infer(ins, { mode }) {
    const [dy, ...rest] = ins as [TensorType, ...TensorType[]];
    const at = mode === 'max' ? rest.shift() : null;
    const [indices, offsets, weights] = rest as [TensorType, TensorType, TensorType?];
    expectBags('embeddingBagGrad', indices, offsets, weights);
    if (dy.dtype !== 'f32' || dy.shape[0] !== offsets.shape[0] || (at && !sameShape(at.shape, dy.shape))) {
      throw new ShapeError(`embeddingBagGrad: expected f32[${offsets.shape[0]}, ...], got ${typeName(dy)}`);
    }
    return [f32(indices.shape[0]!, ...dy.shape.slice(1))];
  },
  vjp(node, [g]) {
    const { attrs, ins } = node;
    if (!g) return ins.map(() => null);
    const { graph } = g;
    const dy = ins[0]!;
    if (attrs.mode === 'max') {
      // Each element of a bag is one of the column's: the one at its position, or none.
      const at = ins[1]!;
      const [bags, row] = [dy.shape[0]!, span(dy.shape, 1)];
      const some = lessEqual(0, cast(at, 'f64'));
      const taken = takeAlongAxis(reshape(g, [g.shape[0]!, row]), reshape(cast(mul(cast(at, 'f64'), some), 'i32'), [bags, row]), {
        axis: 0,
      });
      return [where(cast(some, 'f32'), reshape(taken, dy.shape), 0), ...ins.slice(1).map(() => null)];
    }
    const [indices, offsets, weights] = ins.slice(1) as [Tensor, Tensor, Tensor?];
    const n = g.shape[0]!;
    const rest = [indices, offsets, ...(weights ? [weights] : [])];
    // What each position weighs in its bag, which a gradient of ones tells: nothing, where it is left out.
    const ones = broadcastTo(graph.scalar(1), [dy.shape[0]!, 1]);
    const weigh = graph.add(EMBEDDING_BAG_GRAD, [ones, ...rest], attrs).out;
    const order = graph.constant(
      Int32Array.from({ length: n }, (_, k) => k),
      [n],
      'i32',
    );
    const rows = mul(reshape(g, [n, span(g.shape, 1)]), weigh);
    const [bags] = graph.add(EMBEDDING_BAG, [rows, order, offsets], { mode: 'sum', padding: null }).outs;
    const gdy = reshape(bags!, dy.shape);
    if (!weights) return [gdy, null, null];
    const spread = graph.add(EMBEDDING_BAG_GRAD, [dy, indices, offsets], attrs).out;
    const flat = [n, span(g.shape, 1)];
    return [gdy, null, null, sum(mul(reshape(g, flat), reshape(spread, flat)), { axes: [1] })];
  },
  lower({ ins, attrs }) {
    const first = attrs.mode === 'max' ? 2 : 1;
    const [indices, offsets] = ins.slice(first) as [Tensor, Tensor];
    return { ints: bagInts(attrs.rows, span(ins[0]!.shape, 1), indices, offsets, attrs, ins.length > first + 2) };
  },
  cost: (node) => moved(node as Node, sizeOf(node.out.shape)),
  ref([dx], ins, node) {
    const { mode } = node.attrs;
    const first = mode === 'max' ? 2 : 1;
    const [indices, offsets, weights] = ins.slice(first);
    const row = span(node.ins[0]!.shape, 1);
    const [dy, at] = [ins[0]!, ins[1]!];
    dx!.fill(0);
    eachBag(node.attrs, indices!, offsets!, (b, members) => {
      for (const k of members) {
        for (let c = 0; c < row; c++) {
          const d = dy[b * row + c]!;
          if (mode === 'max') dx![k * row + c] = at[b * row + c] === k ? d : 0;
          else dx![k * row + c] = mode === 'mean' ? d / members.length : d * (weights?.[k] ?? 1);
        }
      }
    });
  },
  samplesOf: {
    lies(node, ins, count) {
      const first = node.attrs.mode === 'max' ? 2 : 1;
      const bags = ins.slice(0, first).find(isRows);
      const lies = bagSamples(node as Node, null, ins.slice(first), node.ins[first + 1]!, count);
      if (bags && (bags.axis !== 0 || !lies || bags.each !== lies.each)) throw mixes(node as Node);
      return [lies ? { axis: 0, each: node.out.shape[0]! / count } : null];
    },
  },
  samples: () => [
    gradSample('sum', [4, 3], 12, [0, 3, 3, 7]),
    gradSample('sum', [3, 37], 40, [2, 5, 30], true),
    gradSample('mean', [5, 16], 20, [0, 5, 5, 6, 20]),
    gradSample('max', [2, 9], 7, [0, 4]),
    gradSample('sum', [0, 4], 3, []),
  ],
};

function bagInts(rows: number, row: number, indices: Tensor, offsets: Tensor, attrs: BagAttrs, weighted: boolean): number[] {
  const { mode, padding } = attrs;
  const sizes = [rows, row, indices.shape[0]!, offsets.shape[0]!, DTYPE_BYTES[indices.dtype]];
  return [...sizes, MODES.indexOf(mode), padding ?? -1, Number(weighted)];
}

function bagSample(
  mode: BagMode,
  table: TensorType,
  n: number,
  offsets: number[],
  { weighted = false, padding = null, dtype = 'i32' }: { weighted?: boolean; padding?: number | null; dtype?: 'i32' | 'u8' } = {},
): Sample<BagAttrs> {
  const ins: TensorType[] = [table, { dtype, shape: [n] }, i32(offsets.length), ...(weighted ? [f32(n)] : [])];
  const fill: Sample<BagAttrs>['fill'] = ['normal', [0, table.shape[0]!], { exactly: offsets }, 'normal'];
  return { ins, attrs: { mode, padding }, fill: fill.slice(0, ins.length), tolerance: 1e-5 };
}

function gradSample(mode: BagMode, shape: number[], n: number, offsets: number[], weighted = false): Sample<BagGradAttrs> {
  const at = mode === 'max' ? [i32(...shape)] : [];
  const ins = [f32(...shape), ...at, i32(n), i32(offsets.length), ...(weighted ? [f32(n)] : [])];
  const fill: Sample<BagGradAttrs>['fill'] = [
    'normal',
    ...at.map(() => [0, n] as const),
    [0, 9],
    { exactly: offsets },
    ...(weighted ? ['normal' as const] : []),
  ];
  return { ins, attrs: { mode, padding: 4, rows: 9 }, fill, noGradient: true };
}

/** Options of `ops.embeddingBag`. */
export interface EmbeddingBagOptions {
  /** Where each bag begins among the indices, i32 [bags], ascending from 0. Absent: the indices are [bags, length]. */
  readonly offsets?: TensorLike;
  /** What is made of the rows of a bag. Default `mean`. A bag of none is 0. */
  readonly mode?: BagMode;
  /** f32, of the shape of the indices: what each row is multiplied by; for `sum`. Default: 1 each. */
  readonly perSampleWeights?: TensorLike;
  /** Positions with this index are left out. Default: none is. */
  readonly paddingIdx?: number;
}

const readEmbeddingBag = signature(
  'ops.embeddingBag',
  { indices: tensor, table: tensor },
  options<EmbeddingBagOptions>()({
    offsets: tensor.optional(),
    mode: bagMode,
    perSampleWeights: tensor.optional(),
    paddingIdx: paddingIdx.optional(),
  }),
);

/**
 * The sum, mean or maximum of bags of rows of a table. Sums are made in f64. An index outside [0, rows), or offsets
 * that do not ascend, end the run with an IndexError.
 * @shape indices [n] with offsets [bags], or [bags, length], table f32 [rows, ...] -> f32 [bags, ...]
 * @throws OptionError; ShapeError if shapes do not fit; DTypeError unless the table is f32
 * @see torch.nn.functional.embedding_bag
 */
export function embeddingBag(indices: TensorLike, table: TensorLike, options: EmbeddingBagOptions = {}): Tensor {
  const op = 'embeddingBag';
  const { table: t, indices: at, mode, paddingIdx: padding = null, ...read } = readEmbeddingBag(arguments);
  const given = asIndices(at);
  if (padding !== null) checkPadding('ops.embeddingBag', padding, t.shape[0] ?? 0);
  const weights = read.perSampleWeights;
  if (weights && mode !== 'sum') throw new ShapeError(`${op}: perSampleWeights go with mode sum, got ${mode}`);
  if (weights && !sameShape(weights.shape, given.shape)) {
    throw new ShapeError(`${op}: expected perSampleWeights [${given.shape}], got [${weights.shape}]`);
  }
  if (!read.offsets && given.shape.length !== 2) {
    throw new ShapeError(`${op}: expected indices [bags, length], or [n] with offsets, got [${given.shape}]`);
  }
  const [bags, length] = given.shape as [number, number];
  const even = (): Tensor =>
    t.graph.constant(
      Int32Array.from({ length: bags }, (_, b) => b * length),
      [bags],
      'i32',
    );
  const offsets = read.offsets ?? even();
  const flat = (x: Tensor): Tensor => (read.offsets ? x : reshape(x, [bags * length]));
  return t.graph.add(EMBEDDING_BAG, [t, flat(given), offsets, ...(weights ? [flat(weights)] : [])], { mode, padding }).outs[0]!;
}
