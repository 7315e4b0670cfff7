// embedding-bag-onnx.ts: bags of rows in ONNX, which has no operator for them: rows are looked up, and summed by what they belong to.
import { CONSTANT, isOp, type Node, type Tensor } from '../../ir/graph.ts';
import { type OnnxBuilder, type OnnxValue, plus, type Size, times } from '../../ir/onnx.ts';
import type { BagAttrs } from './bag-attrs.ts';
import { wide } from './indices.ts';

/** The least number of f32. */
const LOWEST = -3.4028234663852886e38;

export function embeddingBagOnnx(node: Node<BagAttrs>, b: OnnxBuilder): (OnnxValue | null)[] {
  const [table, , offsets] = node.ins as [Tensor, Tensor, Tensor];
  const length = evenLength(node, b);
  const bags = length === null ? ragged(node, b) : even(node, b, length);
  const y = b.reshape(bags, [...b.dims(offsets), ...b.dims(table).slice(1)]);
  return node.attrs.mode === 'max' ? [y, null] : [y];
}

/** How long all bags are, where offsets are numbers that say so, however many bags there are; else null. */
function evenLength(node: Node<BagAttrs>, b: OnnxBuilder): number | null {
  const length = b.across(node, ({ ins: [, indices, offsets] }) => {
    const bags = offsets!.shape[0]!;
    const length = indices!.shape[0]! / bags;
    if (!isOp(offsets!.node, CONSTANT) || !Number.isInteger(length)) return 0;
    return offsets!.node.attrs.data.every((at: number, i: number) => at === i * length) ? length : 0;
  });
  return typeof length === 'number' && length > 0 ? length : null;
}

/** Bags of one length: [bags, length, ...row], reduced over the second dimension. */
function even(node: Node<BagAttrs>, b: OnnxBuilder, length: number): OnnxValue {
  const [table, indices, offsets, weights] = node.ins as [Tensor, Tensor, Tensor, Tensor?];
  const { mode, padding } = node.attrs;
  const shape: Size[] = [...b.dims(offsets), length];
  const ones = table.shape.slice(1).map(() => 1);
  const across = (x: OnnxValue): OnnxValue => b.reshape(x, [...shape, ...ones]);
  const at = b.reshape(wide(b, indices), shape);
  const looked = b.node('Gather', [b.value(table), at], { axis: 0 });
  const rows = weights ? b.node('Mul', [looked, across(b.value(weights))]) : looked;
  if (padding === null) {
    const operators = { sum: 'ReduceSum', mean: 'ReduceMean', max: 'ReduceMax' } as const;
    return b.reduce(operators[mode], rows, [1]);
  }
  const counts = across(keptOf(b, at, padding));
  const counted = b.cast(counts, 'bool', 'f32');
  if (mode === 'max') {
    const visible = b.node('Where', [counts, rows, b.scalar('f32', LOWEST)]);
    return orZero(b, b.reduce('ReduceMax', visible, [1]), b.reduce('ReduceMax', counted, [1]));
  }
  const sum = b.reduce('ReduceSum', b.node('Mul', [rows, counted]), [1]);
  return mode === 'sum' ? sum : b.node('Div', [sum, atLeastOne(b, b.reduce('ReduceSum', counted, [1]))]);
}

/** Bags of any length: which positions are of which bag, [bags, n], as a matrix that rows are multiplied with. */
function ragged(node: Node<BagAttrs>, b: OnnxBuilder): OnnxValue {
  const [table, indices, offsets, weights] = node.ins as [Tensor, Tensor, Tensor, Tensor?];
  const { mode, padding } = node.attrs;
  const [n] = b.dims(indices) as [Size];
  const [bags] = b.dims(offsets) as [Size];
  const at = wide(b, indices);
  const flat: Size[] = [n, times(...b.dims(table).slice(1))];
  const rows = b.reshape(b.node('Gather', [b.value(table), at], { axis: 0 }), flat);
  const places = b.reshape(b.range('i32', n), [1, n]);
  const first = b.reshape(b.value(offsets), [bags, 1]);
  const borders = b.node('Concat', [b.value(offsets), b.size('i32', n)], { axis: 0 });
  const ends = b.slice(borders, 0, 1, plus(bags, 1));
  const within = [b.node('LessOrEqual', [first, places]), b.node('Less', [places, b.reshape(ends, [bags, 1])])];
  const inBag = b.node('And', within);
  const member = padding === null ? inBag : b.node('And', [inBag, b.reshape(keptOf(b, at, padding), [1, n])]);
  const counted = b.cast(member, 'bool', 'f32');
  if (mode === 'max') {
    const each = [b.reshape(member, [bags, n, 1]), b.reshape(rows, [1, ...flat]), b.scalar('f32', LOWEST)];
    return orZero(b, b.reduce('ReduceMax', b.node('Where', each), [1]), b.reduce('ReduceMax', counted, [1], true));
  }
  const weighed = weights ? b.node('Mul', [counted, b.reshape(b.value(weights), [1, n])]) : counted;
  const sum = b.node('MatMul', [weighed, rows]);
  return mode === 'sum' ? sum : b.node('Div', [sum, atLeastOne(b, b.reduce('ReduceSum', counted, [1], true))]);
}

/** What of the positions counts. */
const keptOf = (b: OnnxBuilder, at: OnnxValue, padding: number): OnnxValue =>
  b.node('Not', [b.node('Equal', [at, b.scalar('i32', padding)])]);

/** 0 where there is none. */
const orZero = (b: OnnxBuilder, x: OnnxValue, any: OnnxValue): OnnxValue =>
  b.node('Where', [b.cast(any, 'f32', 'bool'), x, b.scalar('f32', 0)]);

const atLeastOne = (b: OnnxBuilder, count: OnnxValue): OnnxValue => b.node('Max', [count, b.scalar('f32', 1)]);
