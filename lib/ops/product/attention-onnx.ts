// attention-onnx.ts: attention in ONNX, of products, masks and softmax: an operator of its own comes late, with other masks.
import type { Node, Tensor } from '../../ir/graph.ts';
import { type OnnxBuilder, type OnnxValue, type Size, sizeText } from '../../ir/onnx.ts';
import { type AttentionAttrs, OPERANDS } from './attention-shape.ts';

/** What hides a key: the weight of so small a score is 0, and nothing becomes infinite. */
const HIDDEN = -3.4028234663852886e38;

/** Heads as [batch, heads, rows, elements]; where some share keys and values as [batch, kv heads, heads that share one, rows, elements]. */
interface Heads {
  readonly value: OnnxValue;
  readonly rows: Size;
}

export function attentionOnnx(node: Node<AttentionAttrs>, b: OnnxBuilder): (OnnxValue | null)[] {
  const { layout, heads, kvHeads, causal, scale, rate } = node.attrs;
  if (rate > 0) b.refuse(node, 'it drops weights at random');
  const tensors = node.ins.slice(0, OPERANDS[layout]);
  const share = heads / kvHeads;
  const [q, k, v] = headsOf(tensors, b, node.attrs) as [Heads, Heads, Heads];
  const [batch] = b.dims(tensors[0]!) as [Size];
  const scaled = b.node('Mul', [q.value, b.scalar('f32', scale)]);
  const keys = b.node('Transpose', [k.value], { perm: share === 1 ? [0, 1, 3, 2] : [0, 1, 2, 4, 3] });
  let scores = b.node('MatMul', [scaled, keys]);
  const mask = node.attrs.mask ? node.ins.at(-1)! : null;
  const grouped = mask && maskOf(mask, b, kvHeads, share);
  // Where there is a mask, a query may see no key at all: then its weights are 0.
  let visible: OnnxValue | null = null;
  if (causal) visible = causalMask(b, q.rows, k.rows);
  if (mask && grouped !== null) {
    const seen = mask.dtype === 'u8' ? b.cast(grouped, 'u8', 'bool') : b.node('Greater', [grouped, b.scalar('f32', -Infinity)]);
    visible = visible ? b.node('And', [visible, seen]) : seen;
    if (mask.dtype === 'f32') scores = b.node('Add', [scores, grouped]);
  }
  if (visible) scores = b.node('Where', [visible, scores, b.scalar('f32', HIDDEN)]);
  let weights = b.node('Softmax', [scores], { axis: -1 });
  if (visible && mask) weights = b.node('Mul', [weights, b.cast(visible, 'bool', 'f32')]);
  const product = b.node('MatMul', [weights, v.value]);
  const o = share === 1 ? product : b.reshape(product, [batch, heads, q.rows, dimOf(tensors, b, node.attrs)]);
  if (layout === 'heads') return [o, null];
  const rows = b.node('Transpose', [o], { perm: [0, 2, 1, 3] });
  return [b.reshape(rows, b.dims(node.outs[0]!)), null];
}

/** Elements of a head. */
function dimOf(tensors: readonly Tensor[], b: OnnxBuilder, { layout, heads, kvHeads }: AttentionAttrs): number {
  const width = b.dims(tensors[0]!).at(-1)! as number;
  if (layout === 'heads') return width;
  return width / (layout === 'qkv' ? heads + 2 * kvHeads : heads);
}

/** Queries, keys and values, each where it lies. */
function headsOf(tensors: readonly Tensor[], b: OnnxBuilder, attrs: AttentionAttrs): Heads[] {
  const { layout, heads, kvHeads } = attrs;
  const dim = dimOf(tensors, b, attrs);
  const counts = [heads, kvHeads, kvHeads];
  const grouped = (value: OnnxValue, dims: readonly Size[], count: number): Heads => {
    const [batch, , rows] = dims as [Size, Size, Size];
    if (kvHeads === heads) return { value, rows };
    return { value: b.reshape(value, [batch, kvHeads, count / kvHeads, rows, dim]), rows };
  };
  if (layout === 'heads') return tensors.map((t, i) => grouped(b.value(t), b.dims(t), counts[i]!));
  // Which operand holds which, from where on.
  const width = kvHeads * dim;
  const places = {
    rows: [
      [0, 0],
      [1, 0],
      [2, 0],
    ],
    kv: [
      [0, 0],
      [1, 0],
      [1, width],
    ],
    qkv: [
      [0, 0],
      [0, heads * dim],
      [0, heads * dim + width],
    ],
  }[layout] as [number, number][];
  return places.map(([operand, start], i) => {
    const t = tensors[operand]!;
    const [batch, rows, all] = b.dims(t) as [Size, Size, number];
    const own = counts[i]! * dim;
    const part = own === all ? b.value(t) : b.slice(b.value(t), 2, start, start + own);
    const split = b.reshape(part, [batch, rows, counts[i]!, dim]);
    return grouped(b.node('Transpose', [split], { perm: [0, 2, 1, 3] }), [batch, counts[i]!, rows, dim], counts[i]!);
  });
}

/** A mask that broadcasts to [batch, heads, queries, keys], as one that does to the scores. */
function maskOf(mask: Tensor, b: OnnxBuilder, kvHeads: number, share: number): OnnxValue {
  if (share === 1) return b.value(mask);
  const dims = b.dims(mask);
  const full: Size[] = [...new Array<Size>(4 - dims.length).fill(1), ...dims];
  const [batch, heads, queries, keys] = full as [Size, Size, Size, Size];
  const grouped: Size[] = heads === 1 ? [batch, 1, 1, queries, keys] : [batch, kvHeads, share, queries, keys];
  return b.reshape(b.value(mask), grouped);
}

/** Which keys each query sees: [queries, keys]. */
function causalMask(b: OnnxBuilder, queries: Size, keys: Size): OnnxValue {
  return b.once(`causal ${sizeText(queries)} ${sizeText(keys)}`, () => {
    const rows = b.reshape(b.range('i32', queries), [queries, 1]);
    return b.node('GreaterOrEqual', [rows, b.reshape(b.range('i32', keys), [1, keys])]);
  });
}
