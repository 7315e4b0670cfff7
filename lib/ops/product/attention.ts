// attention.ts: scaled dot-product attention as one op, forward and backward. Kernels: attention.h.

import { OptionError, ShapeError } from '../../errors.ts';
import type { Node, Tensor, TensorLike } from '../../ir/graph.ts';
import { type Cost, f32, type OpDef, type Sample, sameShape, type TensorType, u8 } from '../../ir/op.ts';
import { byItem } from '../../ir/samples.ts';
import { bool, number, options, signature, type ValuesOf, whole } from '../../options/index.ts';
import { optionalTensor, rate, tensor } from '../args.ts';
import { moved } from '../shape/axes.ts';
import { reshape } from '../shape/shape.ts';
import { attentionOnnx } from './attention-onnx.ts';
import { attentionGradRef, attentionRef, keptScale, threshold } from './attention-ref.ts';
import {
  type AttentionAttrs,
  type AttentionLayout,
  type AttentionSizes,
  maskStrides,
  OPERANDS,
  outputShape,
  sizesOf,
  type View,
} from './attention-shape.ts';

const types = (ins: readonly Tensor[]): TensorType[] => ins.map((t) => t.type);
const tensorsOf = (node: Node<AttentionAttrs>): Tensor[] => node.ins.slice(0, OPERANDS[node.attrs.layout]);
const gradTensors = (node: Node<AttentionAttrs>): Tensor[] => node.ins.slice(3, 3 + OPERANDS[node.attrs.layout]);

function lowered(
  node: Node<AttentionAttrs>,
  tensors: readonly Tensor[],
  views: (s: AttentionSizes) => readonly View[],
): { ints: number[]; floats: number[] } {
  const { attrs, ins, op } = node;
  const s = sizesOf(op.name, types(tensors), attrs);
  const mask = attrs.mask ? ins.at(-1)!.type : null;
  const strides = mask ? maskStrides(op.name, mask, attrs, s) : [0, 0, 0];
  const kind = mask ? (mask.dtype === 'u8' ? 2 : 1) : 0;
  const sizes = [s.batch, attrs.heads, attrs.kvHeads, s.queries, s.keys, s.dim, +attrs.causal, kind, ...strides];
  return {
    ints: [...sizes, attrs.key, threshold(attrs.rate), +Boolean(attrs.bf16), ...views(s).flat()],
    floats: [attrs.scale, keptScale(attrs.rate)],
  };
}

/** `products` of the queries with the keys that they see. */
function work(node: Node<AttentionAttrs>, tensors: readonly Tensor[], products: number): Cost {
  const { heads, causal } = node.attrs;
  const { batch, queries, keys, dim } = sizesOf(node.op.name, types(tensors), node.attrs);
  const scores = batch * heads * queries * keys;
  const cost = moved(node, (2 * products * dim + 20) * scores * (causal ? 0.5 : 1));
  return { ...cost, macs: products * dim * scores };
}

/** Inputs as the layout says, then the mask; outputs o, and statistics for the gradient: largest score and 1 / sum of each query. */
export const ATTENTION: OpDef<AttentionAttrs> = {
  name: 'attention',
  onnx: attentionOnnx,
  multiplies: true,
  infer(ins, attrs) {
    const s = sizesOf('attention', attrs.mask ? ins.slice(0, -1) : ins, attrs);
    if (attrs.mask) maskStrides('attention', ins.at(-1)!, attrs, s);
    return [f32(...outputShape(attrs, s)), f32(s.batch * attrs.heads, 2, s.queries)];
  },
  saved: [1],
  vjp(node, [dy]) {
    if (!dy) return node.ins.map(() => null);
    const grads = dy.graph.add(ATTENTION_GRAD, [...node.outs, dy, ...node.ins], node.attrs).outs;
    return node.attrs.mask ? [...grads, null] : [...grads];
  },
  lower: (node) => lowered(node, tensorsOf(node), ({ q, k, v, o }) => [q, k, v, o]),
  cost: (node) => work(node, tensorsOf(node), 2),
  ref: (outs, ins, node, context) => attentionRef(outs, ins, node, tensorsOf(node), context),
  samplesOf: { lies: byItem },
  samples: () => CASES.map((c) => sample(c)),
};

/** Inputs o, the statistics and do, then those of the forward op; outputs the gradients of its tensors. */
export const ATTENTION_GRAD: OpDef<AttentionAttrs> = {
  name: 'attentionGrad',
  multiplies: true,
  infer(ins, attrs) {
    const tensors = ins.slice(3, 3 + OPERANDS[attrs.layout]);
    const s = sizesOf('attentionGrad', tensors, attrs);
    const shape = outputShape(attrs, s);
    const expected = [shape, [s.batch * attrs.heads, 2, s.queries], shape];
    if (!expected.every((d, i) => sameShape(d, ins[i]!.shape))) {
      throw new ShapeError(`attentionGrad: expected o and do as [${shape}], got [${ins[0]!.shape}] and [${ins[2]!.shape}]`);
    }
    if (attrs.mask) maskStrides('attentionGrad', ins.at(-1)!, attrs, s);
    return tensors;
  },
  lower(node) {
    const input = ([operand, ...place]: View, by: number): View => [operand + by, ...place];
    const views = ({ q, k, v, o }: AttentionSizes): View[] => [input(q, 3), input(k, 3), input(v, 3), o, input(o, 2), q, k, v];
    return lowered(node, gradTensors(node), views);
  },
  cost: (node) => work(node, gradTensors(node), 5),
  ref: (outs, ins, node, context) => attentionGradRef(outs, ins, node, gradTensors(node), context),
  samplesOf: { lies: byItem },
  samples: () => CASES.map((c) => gradSample(c)),
};

/** A case for the tests: batch, heads, heads of k and v, queries, keys, elements of a head. */
interface Case {
  readonly layout: AttentionLayout;
  readonly sizes: readonly [number, number, number, number, number, number];
  readonly causal?: boolean;
  readonly mask?: TensorType;
  readonly rate?: number;
  readonly bf16?: boolean;
}
const CASES: readonly Case[] = [
  { layout: 'heads', sizes: [1, 1, 1, 1, 1, 1] },
  { layout: 'heads', sizes: [2, 3, 3, 5, 7, 4] },
  { layout: 'heads', sizes: [1, 2, 2, 33, 70, 17], mask: f32(33, 70) },
  { layout: 'heads', sizes: [2, 2, 2, 6, 9, 3], mask: u8(2, 1, 6, 9) },
  { layout: 'heads', sizes: [2, 2, 2, 6, 9, 3], mask: f32(2, 2, 6, 9), causal: true },
  { layout: 'heads', sizes: [2, 4, 2, 5, 6, 3], causal: true },
  { layout: 'heads', sizes: [2, 1, 1, 0, 3, 2] },
  { layout: 'heads', sizes: [2, 1, 1, 3, 0, 2] },
  { layout: 'rows', sizes: [2, 3, 3, 5, 7, 4], mask: u8(2, 1, 1, 7) },
  { layout: 'rows', sizes: [1, 2, 1, 40, 35, 8], causal: true, rate: 0.3 },
  { layout: 'kv', sizes: [2, 2, 2, 4, 9, 5], mask: f32(2, 1, 1, 9) },
  { layout: 'qkv', sizes: [2, 2, 2, 70, 70, 33], causal: true },
  { layout: 'qkv', sizes: [2, 2, 2, 6, 6, 4], causal: true, rate: 0.5 },
  { layout: 'qkv', sizes: [1, 4, 2, 9, 9, 3] },
  { layout: 'heads', sizes: [1, 1, 1, 1, 1, 1], bf16: true },
  { layout: 'heads', sizes: [2, 2, 1, 5, 7, 3], bf16: true, rate: 0.3 },
  { layout: 'kv', sizes: [1, 1, 1, 33, 131, 35], bf16: true, mask: f32(131) },
  { layout: 'qkv', sizes: [2, 2, 2, 70, 70, 33], bf16: true, causal: true },
];
function operands({ layout, sizes: [b, h, kv, t, s, d] }: Case): TensorType[] {
  if (layout === 'heads') return [f32(b, h, t, d), f32(b, kv, s, d), f32(b, kv, s, d)];
  if (layout === 'rows') return [f32(b, t, h * d), f32(b, s, kv * d), f32(b, s, kv * d)];
  return layout === 'kv' ? [f32(b, t, h * d), f32(b, s, 2 * kv * d)] : [f32(b, t, (h + 2 * kv) * d)];
}
const attrsOf = ({ layout, sizes: [, heads, kvHeads, , , d], causal = false, mask, rate = 0, bf16 }: Case): AttentionAttrs => {
  const attrs = { layout, heads, kvHeads, causal, mask: Boolean(mask), scale: 1 / Math.sqrt(d), rate, key: 3 };
  return bf16 ? { ...attrs, bf16 } : attrs;
};
// In bf16 a score that differs in its last bit may have a weight that is rounded the other way.
const toleranceOf = ({ bf16 }: Case): number => (bf16 ? 2 ** -8 : 1e-5);
// What a mask of ones and zeros leaves out must not be all: a query that sees nothing is a test of its own.
const maskFill = (mask: TensorType): 'normal' | { exactly: readonly number[] } =>
  mask.dtype === 'f32'
    ? 'normal'
    : { exactly: Array.from({ length: mask.shape.reduce((a, b) => a * b, 1) }, (_, i) => (i % 3 ? 1 : 0)) };
function sample(c: Case): Sample<AttentionAttrs> {
  const ins = operands(c);
  return {
    ins: [...ins, ...(c.mask ? [c.mask] : [])],
    attrs: attrsOf(c),
    fill: [...ins.map(() => 'normal' as const), ...(c.mask ? [maskFill(c.mask)] : [])],
    tolerance: toleranceOf(c),
    ...((c.bf16 || c.mask?.dtype === 'f32') && { noGradient: true }),
  };
}
function gradSample(c: Case): Sample<AttentionAttrs> {
  const attrs = attrsOf(c);
  const ins = operands(c);
  const [b, h, , t] = c.sizes;
  const o = f32(...outputShape(attrs, sizesOf('attentionGrad', ins, attrs)));
  return {
    ins: [o, f32(b * h, 2, t), o, ...ins, ...(c.mask ? [c.mask] : [])],
    attrs,
    // Any statistics will do, as long as no score lies far above the largest.
    fill: [
      'normal',
      [4, 5],
      'normal',
      ...ins.map(() => [-1, 1] as const),
      ...(c.mask ? [c.mask.dtype === 'f32' ? ([-1, 1] as const) : maskFill(c.mask)] : []),
    ],
    tolerance: toleranceOf(c),
  };
}

// ---- the public functions ----------------------------------------------------------------------------------------
/** Options of `ops.attention`. */
export interface AttentionOptions {
  /** Query t sees keys 0 .. t only. Default false. */
  readonly causal?: boolean;
  /**
   * Broadcasts to [batch, heads, queries, keys], its last dimension whole: f32, added to the scores, or u8, where 0
   * hides a key. No gradient goes to it. A query that sees no key gives 0. Default null: none.
   */
  readonly mask?: TensorLike | null;
  /** Factor of the scores. Default: 1 / sqrt(d). */
  readonly scale?: number;
  /** Probability, in [0, 1), that a weight is dropped while training. Default 0. */
  readonly dropout?: number;
}
/** For tensors whose rows hold all heads, one after the other. */
export interface HeadsOptions extends AttentionOptions {
  /** How many heads lie in a row of q. */
  readonly heads: number;
  /** Heads of k and v, fewer than `heads`: neighbors among the heads share one. Default `heads`. */
  readonly kvHeads?: number;
}
const OPTIONS = { causal: bool.default(false), mask: optionalTensor, scale: number().optional(), dropout: rate.default(0) };
const readAttention = signature('ops.attention', { q: tensor, k: tensor, v: tensor }, options<AttentionOptions>()(OPTIONS));
const count = whole({ min: 1 });
const readHeadsAttention = signature(
  'ops.headsAttention',
  { q: tensor, k: optionalTensor, v: optionalTensor },
  options<HeadsOptions>()({ ...OPTIONS, heads: count, kvHeads: count.optional() }),
);

function apply(
  ins: readonly Tensor[],
  dim: number,
  attrs: Pick<AttentionAttrs, 'layout' | 'heads' | 'kvHeads'>,
  { causal, mask, scale, dropout }: ValuesOf<typeof OPTIONS>,
): Tensor {
  const { graph } = ins[0] as Tensor;
  const rate = graph.dropout ? dropout : 0;
  const all: AttentionAttrs = {
    ...attrs,
    causal,
    mask: Boolean(mask),
    scale: scale ?? 1 / Math.sqrt(dim),
    rate,
    key: rate > 0 ? graph.randomKey() : 0,
  };
  return graph.add(ATTENTION, [...ins, ...(mask ? [mask] : [])], all).outs[0] as Tensor;
}

/**
 * softmax(scale q k^T + mask) v, in f32. k and v may have fewer heads, a divisor of H: then neighbors among the heads
 * share one (grouped queries). Nothing of size T x S is kept. PyTorch calls the options `attn_mask`, `dropout_p`,
 * `is_causal`, `scale` and `enable_gqa`.
 * @shape q [B, H, T, d], k and v [B, H, S, d] -> [B, H, T, d]; or all without H
 * @throws ShapeError, DTypeError or OptionError for what does not fit
 * @see torch.nn.functional.scaled_dot_product_attention
 */
export function attention(q: TensorLike, k: TensorLike, v: TensorLike, options: AttentionOptions = {}): Tensor {
  const read = readAttention(arguments);
  const ins = [read.q, read.k, read.v];
  const flat = ins.every((t) => t.shape.length === 3);
  const full = flat ? ins.map((t) => reshape(t, [t.shape[0]!, 1, t.shape[1]!, t.shape[2]!])) : ins;
  const [heads, kvHeads] = [full[0]!.shape[1] ?? 1, full[1]!.shape[1] ?? 1];
  const o = apply(full, full[0]!.shape.at(-1) ?? 1, { layout: 'heads', heads, kvHeads }, read);
  return flat ? reshape(o, ins[0]!.shape) : o;
}

/**
 * `attention` on tensors as a product gives them, all heads in a row: nothing is transposed. Where k and v come out
 * of one product, give it as `k`, [B, S, 2 H d], and null as `v`; where all three do, give it as `q`, [B, T, 3 H d],
 * and null for the others.
 * @shape q [B, T, H d], k and v [B, S, H d] -> [B, T, H d]
 * @throws ShapeError, DTypeError or OptionError for what does not fit
 * @see torch.nn.functional.scaled_dot_product_attention
 */
export function headsAttention(q: TensorLike, k: TensorLike | null, v: TensorLike | null, options: HeadsOptions): Tensor {
  const read = readHeadsAttention(arguments);
  const { heads, kvHeads = heads } = read;
  if (kvHeads > heads) {
    throw new OptionError(`ops.headsAttention: option kvHeads: expected at most heads (${heads}), got ${kvHeads}`);
  }
  const ins = [read.q, read.k, read.v].filter((t) => t !== null);
  const layout = (['qkv', 'kv', 'rows'] as const)[ins.length - 1]!;
  const width = ins[0]!.shape.at(-1) ?? 0;
  return apply(ins, width / (layout === 'qkv' ? heads + 2 * kvHeads : heads), { layout, heads, kvHeads }, read);
}
