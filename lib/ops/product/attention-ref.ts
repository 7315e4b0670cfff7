// attention-ref.ts: the meaning of attention and of its gradient, head by head, query by query.
import type { Node, Tensor } from '../../ir/graph.ts';
import type { RefArray, RefContext } from '../../ir/op.ts';
import { PHILOX_TAG, philox4x32, philoxKey } from '../../ir/philox.ts';
import { toBf16 } from '../../math/bf16.ts';
import { exp } from '../../math/index.ts';
import { type AttentionAttrs, type AttentionSizes, maskStrides, sizesOf, type View } from './attention-shape.ts';

/** The largest score of a query that sees no key. */
const LOWEST = -3.4028234663852886e38;
/** An element is dropped when the upper 24 bits of its random word lie below this. */
export const threshold = (rate: number): number => Math.ceil(rate * 2 ** 24);
export const keptScale = (rate: number): number => Math.fround(1 / (1 - rate));

const rowOf = (x: RefArray, [, offset, b, h, t]: View, batch: number, head: number, row: number, dim: number): RefArray => {
  const at = offset + batch * b + head * h + row * t;
  return x.subarray(at, at + dim);
};
export const dot = (a: RefArray, b: RefArray): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
};
/** What a product reads of x; in bf16 the products of scores read queries `factor` times. */
export const operand = (x: RefArray, bf16: boolean | undefined, factor = 1): RefArray =>
  bf16 ? Float32Array.from(x, (v) => toBf16(v * Math.fround(factor))) : x;
/** Keys are taken up so many at a time: in bf16 the weights of a block are rounded before later ones are known. */
const BLOCK = 64;
/** exp of scores less the largest, times `keep`, as a product reads them; what was rounded is scaled to the largest of all later. */
export function weights(
  scores: readonly number[],
  top: number,
  bf16: boolean | undefined,
  keep: readonly number[] = [],
): number[] {
  if (!bf16) return scores.map((v, j) => exp(v - top) * (keep[j] ?? 1));
  let most = LOWEST;
  return scores.map((v, j) => {
    if (j % BLOCK === 0) most = Math.max(most, ...scores.slice(j, j + BLOCK));
    return toBf16(exp(v - most) * (keep[j] ?? 1)) * exp(most - top);
  });
}
export const addTo = (to: RefArray, x: RefArray, factor: number): void => {
  for (let i = 0; i < to.length; i++) to[i]! += factor * (x[i] as number);
};

/** One query of one head. */
interface Query {
  readonly b: number;
  readonly h: number;
  /** Its head of k and v. */
  readonly kv: number;
  readonly t: number;
  /** Where its largest score stands in the statistics; 1 / the sum is `queries` further on. */
  readonly at: number;
  readonly scores: readonly number[];
  /** Factors of dropout, per key. */
  readonly keep: readonly number[];
}

function eachQuery(
  node: Node<AttentionAttrs>,
  tensors: readonly Tensor[],
  arrays: readonly RefArray[],
  mask: RefArray | undefined,
  { seed, attempt }: RefContext,
  visit: (query: Query, s: AttentionSizes) => void,
): void {
  const { heads, kvHeads, causal, scale, rate, key, bf16 } = node.attrs;
  const s = sizesOf(
    node.op.name,
    tensors.map((t) => t.type),
    node.attrs,
  );
  const maskType = node.ins.at(-1)!.type;
  const strides = mask ? maskStrides(node.op.name, maskType, node.attrs, s) : [];
  const words = new Uint32Array(4);
  const tag = PHILOX_TAG.dropout ^ Math.floor(attempt / 2 ** 32);
  const kept = (row: number, j: number): number => {
    if (rate === 0) return 1;
    philox4x32(words, row * Math.ceil(s.keys / 4) + (j >> 2), attempt >>> 0, tag, key, ...philoxKey(seed));
    return words[j & 3]! >>> 8 >= threshold(rate) ? keptScale(rate) : 0;
  };
  const added = (b: number, h: number, t: number, j: number): number => {
    if (causal && j > t) return -Infinity;
    if (!mask) return 0;
    const m = mask[b * strides[0]! + h * strides[1]! + t * strides[2]! + j] as number;
    return maskType.dtype === 'f32' ? m : m ? 0 : -Infinity;
  };
  for (let row = 0; row < s.batch * heads * s.queries; row++) {
    const t = row % s.queries;
    const h = Math.floor(row / s.queries) % heads;
    const b = Math.floor(row / (s.queries * heads));
    const kv = Math.floor((h * kvHeads) / heads);
    const q = operand(rowOf(arrays[s.q[0]]!, s.q, b, h, t, s.dim), bf16, scale);
    const keys = Array.from({ length: s.keys }, (_, j) => j);
    const keyAt = (j: number): RefArray => operand(rowOf(arrays[s.k[0]]!, s.k, b, kv, j, s.dim), bf16);
    const scores = keys.map((j) => (bf16 ? 1 : scale) * dot(q, keyAt(j)) + added(b, h, t, j));
    visit({ b, h, kv, t, at: (b * heads + h) * 2 * s.queries + t, scores, keep: keys.map((j) => kept(row, j)) }, s);
  }
}

export function attentionRef(
  [o, stats]: readonly RefArray[],
  ins: readonly RefArray[],
  node: Node<AttentionAttrs>,
  tensors: readonly Tensor[],
  context: RefContext,
): void {
  const { bf16 } = node.attrs;
  o!.fill(0);
  eachQuery(node, tensors, ins, node.attrs.mask ? ins.at(-1) : undefined, context, ({ b, h, kv, t, at, scores, keep }, s) => {
    const top = Math.max(LOWEST, ...scores);
    const sum = scores.reduce((x, v) => x + exp(v - top), 0);
    const one = sum === 0 ? 0 : 1 / sum;
    stats![at] = top;
    stats![at + s.queries] = one;
    const to = rowOf(o!, s.o, b, h, t, s.dim);
    weights(scores, top, bf16, keep).forEach((w, j) => {
      addTo(to, operand(rowOf(ins[s.v[0]]!, s.v, b, kv, j, s.dim), bf16), w * one);
    });
  });
}

/** `ins`: o, the statistics, do, then those of the forward op; weights come from the statistics. */
export function attentionGradRef(
  outs: readonly RefArray[],
  ins: readonly RefArray[],
  node: Node<AttentionAttrs>,
  tensors: readonly Tensor[],
  context: RefContext,
): void {
  const [o, stats, dy, ...arrays] = ins as [RefArray, RefArray, RefArray, ...RefArray[]];
  for (const d of outs) d.fill(0);
  const { bf16, scale } = node.attrs;
  const rounded = (v: number): number => (bf16 ? toBf16(v) : v);
  const mask = node.attrs.mask ? ins.at(-1) : undefined;
  eachQuery(node, tensors, arrays, mask, context, ({ b, h, kv, t, at, scores, keep }, s) => {
    const g = operand(rowOf(dy, s.o, b, h, t, s.dim), bf16);
    const total = dot(g, rowOf(o, s.o, b, h, t, s.dim));
    const pair = (view: View, head: number, row: number): [RefArray, RefArray] => [
      operand(rowOf(arrays[view[0]]!, view, b, head, row, s.dim), bf16),
      rowOf(outs[view[0]]!, view, b, head, row, s.dim),
    ];
    const [q, dq] = pair(s.q, h, t);
    scores.forEach((score, j) => {
      const w = exp(score - stats[at]!) * stats[at + s.queries]!;
      const [k, dk] = pair(s.k, kv, j);
      const [v, dv] = pair(s.v, kv, j);
      const ds = rounded(w * scale * (dot(g, v) * keep[j]! - total));
      addTo(dq, k, ds);
      addTo(dk, q, ds);
      addTo(dv, g, rounded(w * keep[j]!));
    });
  });
}
