// attention-shape.ts: the layouts of attention: how q, k, v and a mask lie, as views of the operands.
import { DTypeError, ShapeError } from '../../errors.ts';
import { sameShape, type TensorType, typeName } from '../../ir/op.ts';
import { stridesOf } from '../shape/axes.ts';

/**
 * How q, k and v lie. `heads`: [B, H, T, d] each, and so the output. Else the output is [B, T, H d], and `rows`: [B, T, H d] each;
 * `kv`: q, and k and v side by side [B, S, 2 H d]; `qkv`: all three side by side [B, T, 3 H d].
 */
export type AttentionLayout = 'heads' | 'rows' | 'kv' | 'qkv';
export interface AttentionAttrs {
  readonly layout: AttentionLayout;
  readonly heads: number;
  /** Heads of k and v, which divides `heads`: neighbors among the heads share one. */
  readonly kvHeads: number;
  readonly causal: boolean;
  /** Has a mask as last input. */
  readonly mask: boolean;
  readonly scale: number;
  /** Of dropout. */
  readonly rate: number;
  readonly key: number;
  /** Operands of all products are rounded to bf16 (attention.h). Set by the graph, by its precision. */
  readonly bf16?: boolean;
}

/** Where the rows of a head lie: operand, offset, strides of batch, head and row; the elements of a row are neighbors. */
export type View = readonly [operand: number, offset: number, batch: number, head: number, row: number];
export interface AttentionSizes {
  readonly batch: number;
  readonly queries: number;
  readonly keys: number;
  readonly dim: number;
  readonly q: View;
  readonly k: View;
  readonly v: View;
  /** Of an output or its gradient, as operand 0. */
  readonly o: View;
}

/** Tensors of a layout. */
export const OPERANDS: Readonly<Record<AttentionLayout, number>> = { heads: 3, rows: 3, kv: 2, qkv: 1 };

/** Sizes and places; throws where the operands do not fit together. */
export function sizesOf(op: string, tensors: readonly TensorType[], attrs: AttentionAttrs): AttentionSizes {
  const { layout, heads, kvHeads } = attrs;
  for (const t of tensors) if (t.dtype !== 'f32') throw new DTypeError(`${op}: expected f32, got ${typeName(t)}`);
  const list = tensors.map((t) => `[${t.shape}]`).join(', ');
  const rank = layout === 'heads' ? 4 : 3;
  if (tensors.length !== OPERANDS[layout] || tensors.some((t) => t.shape.length !== rank)) {
    throw new ShapeError(`${op}: expected ${OPERANDS[layout]} tensors of ${rank} dimensions, got ${list}`);
  }
  if (heads < 1 || kvHeads < 1 || heads % kvHeads !== 0) {
    throw new ShapeError(`${op}: expected heads of k and v that divide those of q, got ${kvHeads} and ${heads}`);
  }
  const shapes = tensors.map((t) => t.shape) as [number[], number[], number[]];
  const [first, second, third] = shapes;
  const batch = first[0]!;
  if (layout === 'heads') {
    const [, , queries, dim] = first as [number, number, number, number];
    const keys = second[2]!;
    const kv = [batch, kvHeads, keys, dim];
    if (first[1] !== heads || dim < 1 || !sameShape(second, kv) || !sameShape(third, kv)) {
      throw new ShapeError(`${op}: expected q [B, H, T, d], k and v [B, H, S, d] with d >= 1, got ${list}`);
    }
    const [q, k] = [stridesOf(first), stridesOf(second)] as [[number, number, number], [number, number, number]];
    const of = (i: number, s: [number, number, number]): View => [i, 0, s[0], s[1], s[2]];
    return { batch, queries, keys, dim, q: of(0, q), k: of(1, k), v: of(2, k), o: of(0, q) };
  }
  const parts = layout === 'qkv' ? heads + 2 * kvHeads : heads;
  const dim = first[2]! / parts;
  const width = kvHeads * dim;
  const queries = first[1]!;
  const source = layout === 'qkv' ? first : second;
  const keys = source[1]!;
  const expected = { rows: width, kv: 2 * width, qkv: first[2]! }[layout];
  const fits = Number.isInteger(dim) && dim >= 1 && sameShape(source, [batch, keys, expected]);
  if (!fits || (layout === 'rows' && !sameShape(second, third))) {
    const want = { rows: 'q [B, T, H d], k and v [B, S, H d]', kv: 'q [B, T, H d], kv [B, S, 2 H d]', qkv: 'qkv [B, T, 3 H d]' };
    throw new ShapeError(
      `${op}: expected ${want[layout]} with ${heads} heads${kvHeads < heads ? ` of q, ${kvHeads} of k and v` : ''}, got ${list}`,
    );
  }
  const at = (operand: number, offset: number, rows: number, length: number): View => [
    operand,
    offset,
    rows * length,
    dim,
    length,
  ];
  const row = source[2]!;
  const [k, v] = { rows: [1, 2], kv: [1, 1], qkv: [0, 0] }[layout] as [number, number];
  const start = layout === 'qkv' ? heads * dim : 0;
  return {
    ...{ batch, queries, keys, dim },
    q: at(0, 0, queries, first[2]!),
    k: at(k, start, keys, row),
    v: at(v, layout === 'rows' ? 0 : start + width, keys, row),
    o: at(0, 0, queries, heads * dim),
  };
}

export const outputShape = ({ layout, heads }: AttentionAttrs, { batch, queries, dim }: AttentionSizes): number[] =>
  layout === 'heads' ? [batch, heads, queries, dim] : [batch, queries, heads * dim];

/** Strides of batch, head and query of a mask [..., T, S] that broadcasts to [B, H, T, S]. */
export function maskStrides(
  op: string,
  mask: TensorType,
  { heads }: AttentionAttrs,
  { batch, queries, keys }: AttentionSizes,
): number[] {
  const { shape } = mask;
  if (mask.dtype !== 'f32' && mask.dtype !== 'u8')
    throw new DTypeError(`${op}: expected a mask of f32 or u8, got ${typeName(mask)}`);
  const full = [...new Array<number>(Math.max(0, 4 - shape.length)).fill(1), ...shape];
  const whole = [batch, heads, queries, keys];
  if (full.length !== 4 || full[3] !== keys || !full.every((d, i) => d === 1 || d === whole[i])) {
    throw new ShapeError(`${op}: expected a mask that broadcasts to [${whole}], its last dimension whole, got [${shape}]`);
  }
  const strides = stridesOf(full);
  return [0, 1, 2].map((i) => (full[i] === 1 ? 0 : strides[i]!));
}
