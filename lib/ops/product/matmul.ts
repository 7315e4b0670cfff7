// matmul.ts: matrix products, plain and batched, in any transposition. Kernel: gemm.h.

import { DTypeError, GraphError, ShapeError } from '../../errors.ts';
import type { Node, Tensor, TensorLike } from '../../ir/graph.ts';
import type { OnnxValue } from '../../ir/onnx.ts';
import {
  bytesOf,
  f32,
  f64,
  type LowerContext,
  type OpDef,
  type RefArray,
  type Sample,
  sameShape,
  sizeOf,
  type TensorType,
  typeName,
} from '../../ir/op.ts';
import { isRows, type Lies, mixes, type SampleRules, type Samples } from '../../ir/samples.ts';
import { toBf16 } from '../../math/bf16.ts';
import { bool, options, signature } from '../../options/index.ts';
import { tensor } from '../args.ts';
import { mul } from '../elementwise/elementwise.ts';
import { ENDS, rowOf, SLOPED } from '../elementwise/maps.ts';
import { rowSquares } from '../gradient/row-squares.ts';
import { sum } from '../reduce/reduce.ts';
import { broadcastTo, reshape } from '../shape/shape.ts';
import { apart } from '../summands.ts';

export interface MatmulAttrs {
  readonly transA?: boolean;
  readonly transB?: boolean;
  /**
   * Applied to the product plus bias: one of `ENDS` of elementwise/maps.ts. Set by the compiler, as are the operands after the second: a
   * bias[n], and see `last`.
   */
  readonly act?: string;
  /** The last operand is of the shape of y and is added to, or multiplied with, what there is. */
  readonly last?: 'add' | 'mul';
  /** Operands are rounded to bf16, and summed in pairs (bf16.h of the kernels). Set by the graph, by its precision. */
  readonly bf16?: boolean;
  /** A second output: the derivative of `act` where it was applied; of those in `SLOPED`. */
  readonly slope?: boolean;
  /** One more output: the sum of squares of each tile of y, `f64[matmulStatBlocks(m, n, batch)]`. Set by the compiler. */
  readonly stats?: boolean;
}

const STAT_TILE = 64; // kStat in gemm.h

/** Number of partial sums of squares of a product of `batch` times [m, n]. */
export function matmulStatBlocks(m: number, n: number, batch: number): number {
  return batch * Math.ceil(m / STAT_TILE) * Math.ceil(n / STAT_TILE);
}

interface Sizes {
  readonly lead: readonly number[];
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** Sizes of a product; throws where the operands do not fit. */
function sizesOf(ins: readonly TensorType[], { transA = false, transB = false }: MatmulAttrs): Sizes {
  const [a, b] = ins as [TensorType, TensorType];
  if (a.shape.length < 2 || b.shape.length < 2) {
    throw new ShapeError(
      `matmul: expected operands of 2 dimensions or more, got ${typeName(a)} and ${typeName(b)} (reshape them)`,
    );
  }
  if (a.dtype !== b.dtype || (a.dtype !== 'f32' && a.dtype !== 'f64')) {
    const hint = "; ops.cast(x, 'f32') converts, and so does a transform of the trainer's option preprocess";
    throw new DTypeError(`matmul: expected two f32 or two f64 tensors, got ${typeName(a)} and ${typeName(b)}${hint}`);
  }
  const lead = leadOf(a.shape);
  const [m, ka] = pair(a.shape, transA);
  const [kb, n] = pair(b.shape, transB);
  if (!sameShape(lead, leadOf(b.shape))) {
    throw new ShapeError(`matmul: expected equal batch dimensions, got ${typeName(a)} and ${typeName(b)}`);
  }
  if (ka !== kb) {
    const side = `${typeName(a)}${transA ? ' transposed' : ''} and ${typeName(b)}${transB ? ' transposed' : ''}`;
    throw new ShapeError(`matmul: expected equal inner dimensions, got ${ka} and ${kb} in ${side}`);
  }
  return { lead, batch: sizeOf(lead), m, n, k: ka };
}

const NO_LEAD: readonly number[] = [];
/** Dimensions of the batch. */
const leadOf = (shape: readonly number[]): readonly number[] => (shape.length === 2 ? NO_LEAD : shape.slice(0, -2));

function pair(shape: readonly number[], swap: boolean): [number, number] {
  const r = shape[shape.length - 2]!;
  const c = shape[shape.length - 1]!;
  return swap ? [c, r] : [r, c];
}

const nodeSizes = (node: { ins: readonly Tensor[]; attrs: MatmulAttrs }): Sizes =>
  sizesOf(
    node.ins.map((t) => t.type),
    node.attrs,
  );

/** The number that kernels know an activation by; none is 0. */
export const actIndex = (act: string | undefined, { mapIndex }: LowerContext): number => (act ? mapIndex(act) + 1 : 0);

/** The numbers that kernels know operands by. */
const KINDS = { f32: 0, f64: 1, bf16: 2 } as const;

const LAST: readonly MatmulAttrs['last'][] = [undefined, 'add', 'mul'];
/** The inputs after a and b. */
function extras<T>(ins: readonly T[], { last }: MatmulAttrs): { bias: T | undefined; other: T | undefined } {
  const [, , first, second] = ins;
  return last ? { bias: second && first, other: second ?? first } : { bias: first, other: undefined };
}

/** The axes that a product has of its operands: the own one of each, and the one that is summed over. */
function axesOf({
  ins: [a, b],
  attrs: { transA = false, transB = false },
}: Node<MatmulAttrs>): Record<'m' | 'ka' | 'kb' | 'n', number> {
  const [ra, rb] = [a!.shape.length, b!.shape.length];
  return { m: ra - (transA ? 1 : 2), ka: ra - (transA ? 2 : 1), kb: rb - (transB ? 1 : 2), n: rb - (transB ? 2 : 1) };
}

const productSamples: SampleRules<MatmulAttrs> = {
  lies(node, [a = null, b = null]) {
    const axes = axesOf(node);
    const rank = node.ins[0]!.shape.length;
    if (a === 'sum' || b === 'sum') {
      if (a === null || b === null) return ['sum'];
      throw mixes(node as Node);
    }
    if (a && b && a.each !== b.each) throw mixes(node as Node);
    // Of a product of what samples have and what all have: where the samples' own axis is.
    if (a?.axis === axes.m && !b) return [{ ...a, axis: rank - 2 }];
    if (b?.axis === axes.n && !a) return [{ ...b, axis: rank - 1 }];
    if ((!a || a.axis === axes.ka) && (!b || b.axis === axes.kb)) {
      if (!a && !b) return [null];
      if (rank > 2) throw mixes(node as Node);
      return ['sum'];
    }
    const lead = a ?? b!;
    if (lead.axis < rank - 2 && (!a || !b || a.axis === b.axis)) return [lead];
    throw mixes(node as Node);
  },
  summands(node, _, of) {
    const [a, b] = node.ins as [Tensor, Tensor];
    const { transA = false, transB = false } = node.attrs;
    if (of.lies(a) === 'sum' && of.lies(b) === null && !transA && b.shape.length === 2) {
      // One product of the rows of all.
      const rows = of.summands(a);
      const flat = reshape(rows, [sizeOf(rows.shape.slice(0, -1)), rows.shape.at(-1)!]);
      return reshape(matmul(flat, b, { transB }), [of.count, ...node.outs[0]!.shape]);
    }
    return a.graph.add(MATMUL, operandsOfSamples(node, of), node.attrs).outs[0]!;
  },
  // One outer product of each sample, or, of more, products of all pairs of positions, where these are less work than the summands.
  sampleNorm(node, _, of) {
    const { m, n, k } = nodeSizes(node);
    const [a, b] = node.ins as [Tensor, Tensor];
    const { transA = false, transB = false } = node.attrs;
    const lies: readonly Lies[] = [of.lies(a), of.lies(b)];
    if (a.shape.length > 2) return null;
    const each = lies.includes('sum') ? k : k / of.count;
    // What all samples have alike, they have the pairs of alike.
    const work = (width: number, i: 0 | 1): number => (lies.includes('sum') && lies[i] !== 'sum' ? 0 : width);
    // Summands are written, too, and as many as there are samples.
    if (each > 1 && each * (work(m, 0) + work(n, 1)) > 1.25 * m * n) return null;
    const side = (t: Tensor, i: 0 | 1): Tensor => (lies.includes('sum') && lies[i] === null ? t : ownRows(node, of, i));
    const [x, y] = [side(a, 0), side(b, 1)];
    if (each === 1 && !lies.includes('sum')) return mul(rowSquares(x), rowSquares(y));
    const pairs = (t: Tensor, positionsLast: boolean): Tensor => matmul(t, t, { transA: positionsLast, transB: !positionsLast });
    return sum(mul(pairs(x, !transA), pairs(y, transB)), { axes: [1, 2], dtype: 'f64' });
  },
  weighs: 0,
};

/** An operand with the samples in front. */
function ownRows(node: Node<MatmulAttrs>, of: Samples, i: 0 | 1): Tensor {
  const t = node.ins[i]!;
  const rows = node.ins.map((x) => of.lies(x)).find(isRows);
  const { ka, kb } = axesOf(node);
  if (rows) return apart(t, { axis: [ka, kb][i]!, each: rows.each }, of.count);
  return of.lies(t) === 'sum' ? of.summands(t) : broadcastTo(t, [of.count, ...t.shape]);
}

const operandsOfSamples = (node: Node<MatmulAttrs>, of: Samples): [Tensor, Tensor] => [
  ownRows(node, of, 0),
  ownRows(node, of, 1),
];

export const MATMUL: OpDef<MatmulAttrs> = {
  name: 'matmul',
  multiplies: true,
  infer(ins, attrs) {
    const { lead, m, n, batch } = sizesOf(ins, attrs);
    const { dtype } = ins[0] as TensorType;
    const shape = [...lead, m, n];
    const { bias, other } = extras(ins, attrs);
    if (other && !sameShape(other.shape, shape)) {
      throw new ShapeError(`matmul: expected a last operand ${dtype}[${shape}], got ${typeName(other)}`);
    }
    if (bias && (bias.dtype !== dtype || !sameShape(bias.shape, [n]))) {
      throw new ShapeError(`matmul: expected a bias ${dtype}[${n}], got ${typeName(bias)}`);
    }
    if (dtype === 'f64' && (attrs.act || attrs.stats || attrs.last)) {
      throw new DTypeError('matmul: expected f32 for the fused form, got f64');
    }
    const y: TensorType = { dtype, shape };
    const stats: TensorType = { dtype: 'f64', shape: [matmulStatBlocks(m, n, batch)] };
    return [y, ...(attrs.slope ? [y] : []), ...(attrs.stats ? [stats] : [])];
  },
  vjp(node, [dy]) {
    const { transA = false, transB = false, act, stats } = node.attrs;
    if (node.ins.length > 2 || act || stats) throw new GraphError('matmul: the fused form is made after differentiation');
    if (!dy) return [null, null];
    const [a, b] = node.ins as [Tensor, Tensor];
    // That of b first, as a rule a weight: a is read for the last time before the next gradient takes memory.
    const db = transB ? matmul(dy, a, { transA: true, transB: transA }) : matmul(a, dy, { transA: !transA });
    const da = transA ? matmul(b, dy, { transA: transB, transB: true }) : matmul(dy, b, { transB: !transB });
    return [da, db];
  },
  onnx(node, b) {
    const { transA = false, transB = false, act, last, stats } = node.attrs;
    if (node.ins.length > 2 || act || last || stats) b.refuse(node, 'the fused form is made by the compiler');
    const [x, w] = node.ins as [Tensor, Tensor];
    const rank = x.shape.length;
    if (rank === 2) return [b.node('Gemm', [b.value(x), b.value(w)], { transA: +transA, transB: +transB })];
    const perm = Array.from({ length: rank }, (_, i) => (i < rank - 2 ? i : 2 * rank - 3 - i));
    const side = (t: Tensor, swap: boolean): OnnxValue => (swap ? b.node('Transpose', [b.value(t)], { perm }) : b.value(t));
    return [b.node('MatMul', [side(x, transA), side(w, transB)])];
  },
  lower(node, context) {
    const { batch, m, n, k } = nodeSizes(node);
    const { transA = false, transB = false, act } = node.attrs;
    const kind = (node.outs[0] as Tensor).dtype === 'f64' ? KINDS.f64 : node.attrs.bf16 ? KINDS.bf16 : KINDS.f32;
    const { last, slope = false } = node.attrs;
    return { ints: [batch, m, n, k, +transA, +transB, actIndex(act, context), kind, LAST.indexOf(last), +slope] };
  },
  cost(node) {
    const { batch, m, n, k } = nodeSizes(node);
    const bytes = [...node.ins, ...node.outs].reduce((sum, t) => sum + bytesOf(t.type), 0);
    const macs = batch * m * n * k;
    return { flops: 2 * macs, bytes, macs };
  },
  ref([y, ...more], ins, node) {
    const { batch, m, n, k } = nodeSizes(node);
    const { transA, transB, act, last, slope, stats, bf16 } = node.attrs;
    const rounded = (x: RefArray): RefArray => (bf16 ? Float32Array.from(x, toBf16) : x);
    const [ya, aa, ba] = [y!, rounded(ins[0]!), rounded(ins[1]!)];
    const { bias, other } = extras(ins, node.attrs);
    for (let x = 0; x < batch; x++) {
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) {
          let sum = 0;
          for (let p = 0; p < k; p++) {
            const s = aa[x * m * k + (transA ? p * m + i : i * k + p)] as number;
            sum += s * (ba[x * k * n + (transB ? j * k + p : p * n + j)] as number);
          }
          if (bias) sum += bias[j] as number;
          const at = (x * m + i) * n + j;
          if (slope) more[0]![at] = rowOf(act!).slope!(sum);
          const value = act ? rowOf(act).of(sum, NaN, NaN) : sum;
          ya[at] = last === 'add' ? value + other![at]! : last === 'mul' ? value * other![at]! : value;
        }
      }
    }
    if (stats) tileSums(more.at(-1)!, ya, m, n);
  },
  samplesOf: productSamples,
  samples: () => [
    sample([3, 5], [5, 2]),
    sample([1, 1], [1, 1]),
    sample([5, 7], [3, 7], { transB: true }),
    sample([33, 2], [33, 1], { transA: true }),
    sample([9, 17], [35, 9], { transA: true, transB: true }),
    sample([2, 3, 4, 5], [2, 3, 6, 5], { transB: true }),
    sample([3, 6, 4], [3, 6, 20], { transA: true }),
    sample([2, 5, 3], [2, 4, 5], { transA: true, transB: true }),
    sample([2, 0], [0, 3]),
    sample([0, 2], [2, 3]),
    sample([1, 700], [700, 40]),
    sample([40, 450], [450, 1]),
    sample([70, 33], [130, 33], { transB: true }, 130),
    ...ENDS.map((act) => sample([15, 20], [20, 18], { act }, 18)),
    sample([130, 9], [9, 70], { stats: true, act: 'relu' }, 70),
    ...SLOPED.map((act) => sample([37, 20], [70, 20], { act, slope: true, transB: true }, 70)),
    sample([20, 300], [300, 35], { last: 'add' }),
    sample([3, 600], [40, 600], { last: 'add', transB: true, act: 'tanh' }, 40),
    sample([130, 9], [9, 70], { last: 'mul', slope: true, stats: true, act: 'silu' }, 70),
    sample([2, 5, 3], [2, 3, 4], { last: 'mul' }),
    sample([2, 66, 5], [2, 5, 3], { stats: true }),
    ...[1, 2, 7, 700].map((k) => sample([20, k], [k, 35], { bf16: true })),
    sample([3, 33, 9], [3, 70, 9], { bf16: true, transB: true }),
    sample([5, 40], [5, 33], { bf16: true, transA: true }),
    sample([17, 30], [17, 17], { bf16: true, transA: true, transB: true }),
    sample([130, 9], [9, 70], { bf16: true, last: 'add', slope: true, stats: true, act: 'silu' }, 70),
    { ...sample([9, 4], [9, 5], { transA: true }), ins: [f64(9, 4), f64(9, 5)] },
    { ...sample([2, 4, 3], [2, 3, 3], { transB: true }), ins: [f64(2, 4, 3), f64(2, 3, 3)] },
  ],
};

/** Sums of squares of the tiles of y[batch, m, n]. */
function tileSums(stats: RefArray, y: RefArray, m: number, n: number): void {
  const across = Math.ceil(n / STAT_TILE);
  stats.fill(0);
  y.forEach((v: number, e: number) => {
    const row = Math.floor(e / n);
    const tileRow = Math.floor(row / m) * Math.ceil(m / STAT_TILE) + Math.floor((row % m) / STAT_TILE);
    const t = tileRow * across + Math.floor((e % n) / STAT_TILE);
    stats[t] = (stats[t] as number) + v * v;
  });
}

function sample(a: number[], b: number[], attrs: MatmulAttrs = {}, bias?: number): Sample<MatmulAttrs> {
  const k = (attrs.transA ? a.at(-2) : a.at(-1)) as number;
  const fused = bias !== undefined || Object.keys(attrs).some((key) => !key.startsWith('trans'));
  const y = [...a.slice(0, -2), attrs.transA ? a.at(-1)! : a.at(-2)!, attrs.transB ? b.at(-2)! : b.at(-1)!];
  const ins = [f32(...a), f32(...b), ...(bias === undefined ? [] : [f32(bias)]), ...(attrs.last ? [f32(...y)] : [])];
  return { ins, attrs, tolerance: 2e-6 * Math.sqrt(Math.max(1, k)), ...(fused ? { noGradient: true } : {}) };
}

/** Options of `ops.matmul`. */
export interface MatmulOptions {
  /** Take `a` as [..., k, m]. Default false. */
  readonly transA?: boolean;
  /** Take `b` as [..., n, k], as the weight of a linear layer is stored. Default false. */
  readonly transB?: boolean;
}

const readMatmul = signature(
  'ops.matmul',
  { a: tensor, b: tensor },
  options<MatmulOptions>()({ transA: bool.default(false), transB: bool.default(false) }),
);

/**
 * The matrix product. Batch dimensions are equal; or `b` has none and multiplies every matrix of `a`. Each element
 * adds its k products in order, so the bits depend neither on threads nor on transposition; no copy is made of what
 * is transposed. Unlike PyTorch's, it takes two dimensions and more.
 * @shape a [..., m, k], b [..., k, n] -> [..., m, n]
 * @throws OptionError; ShapeError for operands of one dimension and for sizes that do not fit; DTypeError unless both
 * are f32 or both f64
 * @see torch.matmul
 */
export function matmul(a: TensorLike, b: TensorLike, options: MatmulOptions = {}): Tensor {
  const { a: x, b: w, transA, transB } = readMatmul(arguments);
  const attrs = { ...(transA ? { transA } : {}), ...(transB ? { transB } : {}) };
  const collapse = x.shape.length > 2 && w.shape.length === 2 && !transA;
  if (!collapse) return x.graph.add(MATMUL, [x, w], attrs).outs[0] as Tensor;
  const lead = x.shape.slice(0, -1);
  const flat = reshape(x, [sizeOf(lead), x.shape.at(-1) as number]);
  const y = x.graph.add(MATMUL, [flat, w], attrs).outs[0] as Tensor;
  return reshape(y, [...lead, y.shape[1] as number]);
}
