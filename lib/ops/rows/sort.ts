// sort.ts: the elements along an axis in order, or the first of them, and where they stood. Kernels: sort.h.

import { DTypeError, OptionError, ShapeError } from '../../errors.ts';
import type { Node, Tensor, TensorLike } from '../../ir/graph.ts';
import type { OnnxBuilder, OnnxValue } from '../../ir/onnx.ts';
import { f32, f64, i32, type OpDef, type RefArray, type Sample, sizeOf, type TensorType } from '../../ir/op.ts';
import { besides } from '../../ir/samples.ts';
import { bool, options, signature, whole } from '../../options/index.ts';
import { type AxisOptions, axis, tensor } from '../args.ts';
import { castTo } from '../elementwise/map.ts';
import { exact } from '../elementwise/promote.ts';
import { moved, resolveAxis, span } from '../shape/axes.ts';
import { transpose } from '../shape/shape.ts';
import { PUT_ALONG } from './along.ts';

export interface SortAttrs {
  readonly descending: boolean;
}
export interface TopKAttrs extends SortAttrs {
  readonly k: number;
}

function expectRows(op: string, x: TensorType): void {
  if (x.dtype !== 'f32' && x.dtype !== 'f64') {
    throw new DTypeError(`${op}: expected f32 or f64, got ${x.dtype}; convert it with cast(x, 'f32')`);
  }
  if (x.shape.length === 0) throw new ShapeError(`${op}: expected at least 1 dimension, got a scalar`);
}

/** Places of a row in order: NaN is above all, equal ones stay in their order. */
function orderOf(row: RefArray, descending: boolean): number[] {
  const above = (a: number, b: number): boolean => (Number.isNaN(a) ? !Number.isNaN(b) : a > b);
  const places = Array.from(row, (_, i) => i);
  return places.sort((i, j) => {
    const [a, b] = descending ? [row[j]!, row[i]!] : [row[i]!, row[j]!];
    return above(a, b) ? 1 : above(b, a) ? -1 : i - j;
  });
}

/** The first `taken` of each row of the first input. */
function orderedRef(outs: readonly RefArray[], x: RefArray, node: Node, taken: number, descending: boolean): void {
  const n = node.ins[0]!.shape.at(-1)!;
  for (let r = 0; r * n < x.length; r++) {
    const row = x.slice(r * n, (r + 1) * n);
    for (const [k, i] of orderOf(row, descending).slice(0, taken).entries()) {
      outs[0]![r * taken + k] = row[i]!;
      outs[1]![r * taken + k] = i;
    }
  }
}

/** The gradient of values that were taken from the last dimension of x. */
function back({ ins: [x], outs: [, indices] }: Node, dy: Tensor | null): (Tensor | null)[] {
  const axis = x!.shape.length - 1;
  return [dy ? dy.graph.add(PUT_ALONG, [dy, indices!], { axis, size: x!.shape[axis]!, last: false }).out : null];
}

function ordered(node: Node, b: OnnxBuilder, taken: OnnxValue, largest: boolean): OnnxValue[] {
  const [values, places] = b.nodes('TopK', [b.value(node.ins[0]!), taken], 2, { axis: -1, largest: +largest, sorted: 1 });
  return [values!, b.cast(places!, 'i64', 'i32')];
}

const rowInts = ({ ins: [x] }: Node): number[] => {
  return [span(x!.shape, 0, x!.shape.length - 1), x!.shape.at(-1)!, Number(x!.dtype === 'f64')];
};

/** Outputs: the elements of each row in order, and their places before, i32. */
export const SORT: OpDef<SortAttrs> = {
  name: 'sort',
  infer([x]) {
    expectRows('sort', x!);
    return [x!, i32(...x!.shape)];
  },
  vjp: (node, [dy]) => back(node as Node, dy ?? null),
  onnx: (node, b) => ordered(node as Node, b, b.sizes([b.dims(node.ins[0]!).at(-1)!]), node.attrs.descending),
  lower: (node) => ({ ints: [...rowInts(node as Node), Number(node.attrs.descending)] }),
  cost: (node) => moved(node as Node, 20 * sizeOf(node.ins[0]!.shape)),
  ref: (outs, [x], node) => orderedRef(outs, x!, node as Node, node.ins[0]!.shape.at(-1)!, node.attrs.descending),
  samplesOf: { lies: (node, ins) => besides(node as Node, ins, (axis) => axis === node.ins[0]!.shape.length - 1) },
  samples: () => SAMPLES.map(({ ins, fill, descending }) => ({ ins, attrs: { descending }, ...fill })),
};

/** The same of the first k alone. */
export const TOP_K: OpDef<TopKAttrs> = {
  name: 'topK',
  infer([x], { k }) {
    expectRows('topK', x!);
    const n = x!.shape.at(-1)!;
    if (!Number.isInteger(k) || k < 0 || k > n) throw new ShapeError(`topK: expected k in [0, ${n}], got ${k}`);
    const shape = [...x!.shape.slice(0, -1), k];
    return [{ dtype: x!.dtype, shape }, i32(...shape)];
  },
  vjp: (node, [dy]) => back(node as Node, dy ?? null),
  onnx: (node, b) => ordered(node as Node, b, b.sizes([b.across(node, ({ attrs }) => attrs.k)]), node.attrs.descending),
  lower: (node) => ({ ints: [...rowInts(node as Node), Number(node.attrs.descending), node.attrs.k] }),
  cost: (node) => moved(node as Node, 4 * sizeOf(node.ins[0]!.shape)),
  ref: (outs, [x], node) => orderedRef(outs, x!, node as Node, node.attrs.k, node.attrs.descending),
  samplesOf: { lies: (node, ins) => besides(node as Node, ins, (axis) => axis === node.ins[0]!.shape.length - 1) },
  samples: () => [
    ...SAMPLES.map(({ ins, fill, descending }) => {
      return { ins, attrs: { descending, k: Math.ceil(ins[0]!.shape.at(-1)! / 3) }, ...fill };
    }),
    { ins: [f32(2, 700)], attrs: { descending: true, k: 200 } },
    { ins: [f32(3, 700)], attrs: { descending: true, k: 3 } },
    { ins: [f64(2, 300)], attrs: { descending: false, k: 129 } },
    // More than are looked at together: random, each one above all before it, equal ones.
    { ins: [f32(2, 4200)], attrs: { descending: true, k: 150 }, noGradient: true },
    { ins: [f64(3001)], attrs: { descending: false, k: 200 }, noGradient: true },
    { ins: [f32(3000)], attrs: { descending: true, k: 131 }, fill: [{ exactly: RISING }], noGradient: true },
    {
      ins: [f32(4160)],
      attrs: { descending: true, k: 300 },
      fill: [{ exactly: Array(260).fill(AWKWARD).flat() }],
      noGradient: true,
    },
    { ins: [f32(2, 5)], attrs: { descending: true, k: 0 } },
    { ins: [f32(2, 5)], attrs: { descending: true, k: 5 } },
  ],
};

const RISING = Array.from({ length: 3000 }, (_, i) => i);
// Equal elements, zeros of both signs, infinities, NaN.
const AWKWARD = [0, -0, NaN, 1, -1, Infinity, 0, 1, -Infinity, NaN, -0, 2, -1, -1, 0, 0];
const SAMPLES: readonly {
  readonly ins: readonly TensorType[];
  readonly descending: boolean;
  readonly fill: Pick<Sample<unknown>, 'fill' | 'noGradient'>;
}[] = [
  { ins: [f32(7)], descending: false, fill: {} },
  { ins: [f32(3, 50)], descending: true, fill: {} },
  { ins: [f32(2, 2, 131)], descending: false, fill: {} },
  // So close that differences would change their order.
  { ins: [f32(2, 2300)], descending: true, fill: { noGradient: true } },
  { ins: [f64(2, 70)], descending: true, fill: {} },
  { ins: [f64(2300)], descending: false, fill: { noGradient: true } },
  { ins: [f32(2, 16)], descending: false, fill: { fill: [{ exactly: [...AWKWARD, ...AWKWARD] }], noGradient: true } },
  { ins: [f32(16)], descending: true, fill: { fill: [{ exactly: AWKWARD }], noGradient: true } },
  { ins: [f64(16)], descending: true, fill: { fill: [{ exactly: AWKWARD }], noGradient: true } },
  { ins: [f32(96)], descending: false, fill: { fill: [{ exactly: Array(6).fill(AWKWARD).flat() }], noGradient: true } },
  { ins: [f32(1)], descending: false, fill: {} },
  { ins: [f32(3, 0)], descending: false, fill: {} },
];

/** What `sort` and `topK` give. */
export interface Sorted {
  /** The elements in order [..., m, ...]. */
  readonly values: Tensor;
  /** Where each of them was along the axis, i32 [..., m, ...]. */
  readonly indices: Tensor;
}

/** A record that works on the last dimension, over any. */
function overAxis<A>(op: OpDef<A>, t: Tensor, given: number, attrs: A): Sorted {
  const rank = t.shape.length;
  if (rank === 0) throw new ShapeError(`${op.name}: expected at least 1 dimension, got a scalar`);
  const a = resolveAxis(op.name, given, rank);
  const axes = t.shape.map((_, i) => (i === a ? rank - 1 : i === rank - 1 ? a : i));
  const swap = (x: Tensor): Tensor => (a === rank - 1 ? x : transpose(x, { axes }));
  const [values, indices] = t.graph.add(op, [swap(exact(t))], attrs).outs;
  return { values: castTo(swap(values!), t.dtype), indices: swap(indices!) };
}

/** Options of `ops.sort`. */
export interface SortOptions extends AxisOptions {
  /** The largest first. Default false. */
  readonly descending?: boolean;
}
const readSort = signature(
  'ops.sort',
  { x: tensor },
  options<SortOptions>()({ axis: axis.default(-1), descending: bool.default(false) }),
);

/**
 * The elements along `axis` (default -1) in ascending order, and where each was. Equal elements stay in their order, in
 * descending order too; NaN is above all numbers.
 * @shape x [..., n, ...] -> { values and indices [..., n, ...] }
 * @throws OptionError; ShapeError if x has no such dimension
 * @see torch.sort
 */
export function sort(x: TensorLike, options: SortOptions = {}): Sorted {
  const { x: t, axis, descending } = readSort(arguments);
  return overAxis(SORT, t, axis, { descending });
}

/** Options of `ops.topK`. */
export interface TopKOptions extends AxisOptions {
  /** The largest, from the largest on; else the smallest, from the smallest on. Default true. */
  readonly largest?: boolean;
}
const readTopK = signature(
  'ops.topK',
  { x: tensor, k: whole({ min: 0 }) },
  options<TopKOptions>()({ axis: axis.default(-1), largest: bool.default(true) }),
);

/**
 * The `k` largest (or smallest) elements along `axis` (default -1), in order, and where each was. Of equal ones the
 * first are taken; NaN is above all numbers.
 * @shape x [..., n, ...] -> { values and indices [..., k, ...] }
 * @param k at most n
 * @throws OptionError; ShapeError if x has no such dimension
 * @see torch.topk
 */
export function topK(x: TensorLike, k: number, options: TopKOptions = {}): Sorted {
  const { x: t, axis, largest } = readTopK(arguments);
  const n = t.shape.at(axis);
  if (n !== undefined && k > n) {
    throw new OptionError(
      `ops.topK: argument k: expected at most the ${n} elements along axis ${axis} of [${t.shape}], got ${k}`,
    );
  }
  return overAxis(TOP_K, t, axis, { descending: largest, k });
}

/** The records of this file. */
// biome-ignore lint/suspicious/noExplicitAny: as in index.ts
export const SORTS: readonly OpDef<any>[] = [SORT, TOP_K];
