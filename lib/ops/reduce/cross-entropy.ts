// cross-entropy.ts: losses on integer labels: softmaxCrossEntropy, nll and their gradients, with class weights and a label that is ignored.
// Kernels: softmax.h.

import { DTypeError, ShapeError } from '../../errors.ts';
import type { Node, Tensor, TensorLike } from '../../ir/graph.ts';
import {
  DTYPE_BYTES,
  f32,
  f64,
  i32,
  type OpDef,
  type RefArray,
  type Sample,
  sameShape,
  sizeOf,
  type TensorType,
  typeName,
} from '../../ir/op.ts';
import { byItem } from '../../ir/samples.ts';
import { exp } from '../../math/index.ts';
import { add, cast, mul, notEqual } from '../elementwise/elementwise.ts';
import { asIndices, expectIndices } from '../rows/indices.ts';
import { moved } from '../shape/axes.ts';
import { broadcastTo, reshape } from '../shape/shape.ts';
import { sum } from './reduce.ts';
import { rowLogSumExp, SOFTMAX_GRAD, softmax } from './softmax.ts';

export interface LabelAttrs {
  /** Rows with this label weigh nothing; null: every label must be a class. */
  readonly ignored: number | null;
}
export interface CrossEntropyAttrs extends LabelAttrs {
  /** What of each row's weight is spread over all classes. */
  readonly smoothing: number;
}

export function expectLabels(
  op: string,
  rows: number,
  classes: number,
  labels: TensorType,
  weight: TensorType | undefined,
): void {
  expectIndices(op, 'labels', labels);
  if (!sameShape(labels.shape, [rows])) throw new ShapeError(`${op}: expected labels [${rows}], got [${labels.shape}]`);
  if (weight && (weight.dtype !== 'f32' || !sameShape(weight.shape, [classes]))) {
    throw new ShapeError(`${op}: expected class weights f32[${classes}], got ${typeName(weight)}`);
  }
}
export function expectClasses(op: string, x: TensorType): [number, number] {
  if (x.dtype !== 'f32') throw new DTypeError(`${op}: expected f32, got ${x.dtype}`);
  if (x.shape.length !== 2) throw new ShapeError(`${op}: expected [n, classes], got [${x.shape}]`);
  return x.shape as [number, number];
}
export function expectLosses(op: string, dloss: TensorType, rows: number): void {
  if (dloss.dtype === 'f64' && sameShape(dloss.shape, [rows])) return;
  throw new ShapeError(`${op}: expected f64[${rows}], got ${typeName(dloss)}`);
}

/** Integers of LabelRows in softmax.h. */
export function labelInts([rows, classes]: readonly number[], labels: Tensor, { ignored }: LabelAttrs): number[] {
  return [rows!, classes!, DTYPE_BYTES[labels.dtype], Number(ignored !== null), ignored ?? 0];
}

/** For each row its label, or null where it is ignored; and the weight. */
export function eachLabel(
  labels: RefArray,
  weight: RefArray | undefined,
  { ignored }: LabelAttrs,
  visit: (row: number, label: number | null, weight: number) => void,
): void {
  labels.forEach((v: number, r: number) => {
    const label = v === ignored ? null : v;
    visit(r, label, label === null ? 0 : (weight?.[label] ?? 1));
  });
}

const isWeighed = (ins: readonly unknown[], attrs: LabelAttrs, most: number): boolean =>
  ins.length === most || attrs.ignored !== null;
const shapeOf = (node: Node): readonly number[] => node.ins[0]!.shape;

// ---- softmaxCrossEntropy -----------------------------------------------------------------------------------------

/**
 * Inputs logits f32[n,c], labels i32|u8[n] and, optional, class weights f32[c]; outputs f64[n], and where there are weights or an ignored
 * label, the weight of each row's label, f64[n].
 */
export const SOFTMAX_CROSS_ENTROPY: OpDef<CrossEntropyAttrs> = {
  name: 'softmaxCrossEntropy',
  infer(ins, attrs) {
    const op = 'softmaxCrossEntropy';
    const [rows, classes] = expectClasses(op, ins[0]!);
    expectLabels(op, rows, classes, ins[1]!, ins[2]);
    return isWeighed(ins, attrs, 3) ? [f64(rows), f64(rows)] : [f64(rows)];
  },
  vjp(node, [dloss]) {
    const [x, labels, ...weight] = node.ins as [Tensor, Tensor, ...Tensor[]];
    const dx = dloss ? x.graph.add(SOFTMAX_CROSS_ENTROPY_GRAD, [x, labels, dloss, ...weight], node.attrs).out : null;
    return [dx, null, ...weight.map(() => null)];
  },
  lower: (node) => ({ ints: labelInts(shapeOf(node as Node), node.ins[1]!, node.attrs), floats: [node.attrs.smoothing] }),
  cost: (node) => moved(node as Node, 20 * sizeOf(shapeOf(node as Node))),
  indices: (node) => [{ input: 1, bound: shapeOf(node as Node)[1]!, ignored: node.attrs.ignored }],
  ref([loss, weights], [x, labels, weight], { attrs, ins }) {
    const { smoothing } = attrs;
    const n = ins[0]!.shape[1]!;
    eachLabel(labels!, weight, attrs, (r, label, w) => {
      const row = Array.from(x!.slice(r * n, (r + 1) * n));
      const lse = rowLogSumExp(Float64Array.from(row));
      const spread = smoothing === 0 ? 0 : row.reduce((sum, v, c) => sum + (weight?.[c] ?? 1) * (lse - v), 0) / n;
      loss![r] = label === null ? 0 : (1 - smoothing) * w * (lse - row[label]!) + smoothing * spread;
      if (weights) weights[r] = w;
    });
  },
  samplesOf: { lies: byItem },
  samples: () => [
    sample(5, 10, 'u8', { smoothing: 0, ignored: null }),
    sample(33, 65, 'i32', { smoothing: 0, ignored: null }),
    sample(1, 1, 'i32', { smoothing: 0.5, ignored: null }),
    sample(0, 3, 'i32', { smoothing: 0.5, ignored: null }),
    sample(20, 37, 'i32', { smoothing: 0.1, ignored: null }),
    sample(19, 5, 'i32', { smoothing: 0.1, ignored: 2 }),
    sample(17, 21, 'u8', { smoothing: 0, ignored: 7 }),
    sample(18, 21, 'i32', { smoothing: 0, ignored: -100 }, true),
    sample(40, 33, 'i32', { smoothing: 0.3, ignored: 1 }, true),
    sample(3, 1, 'i32', { smoothing: 0, ignored: 0 }, true),
  ],
};

/** Inputs logits, labels, the gradient of each row's loss f64[n] and, optional, class weights; output the gradient of the logits. */
export const SOFTMAX_CROSS_ENTROPY_GRAD: OpDef<CrossEntropyAttrs> = {
  name: 'softmaxCrossEntropyGrad',
  infer(ins) {
    const op = 'softmaxCrossEntropyGrad';
    const [rows, classes] = expectClasses(op, ins[0]!);
    expectLabels(op, rows, classes, ins[1]!, ins[3]);
    expectLosses(op, ins[2]!, rows);
    return [ins[0]!];
  },
  // dx = dloss (p total - share), where `total` is the sum of a row's shares.
  vjp(node, [g]) {
    const [x, labels, dloss, ...weight] = node.ins as [Tensor, Tensor, Tensor, ...Tensor[]];
    if (!g) return node.ins.map(() => null);
    const [rows, classes] = x.shape as [number, number];
    const ones = broadcastTo(x.graph.scalar(1, 'f64'), [rows]);
    const each = x.graph.add(SOFTMAX_CROSS_ENTROPY_GRAD, [x, labels, ones, ...weight], node.attrs).out;
    const along = sum(mul(g, each), { axes: 1, dtype: 'f64' });
    const factor = reshape(cast(mul(dloss, totalShare(node, rows, classes)), 'f32'), [rows, 1]);
    const p = softmax(x);
    return [mul(x.graph.add(SOFTMAX_GRAD, [p, g], {}).out, factor), null, along, ...weight.map(() => null)];
  },
  lower: (node) => ({ ints: labelInts(shapeOf(node as Node), node.ins[1]!, node.attrs), floats: [node.attrs.smoothing] }),
  cost: (node) => moved(node as Node, 20 * sizeOf(shapeOf(node as Node))),
  inplace: () => [[0, 0]],
  ref([dx], [x, labels, dloss, weight], { attrs, ins }) {
    const { smoothing } = attrs;
    const n = ins[0]!.shape[1]!;
    eachLabel(labels!, weight, attrs, (r, label, w) => {
      const row = x!.slice(r * n, (r + 1) * n);
      const lse = rowLogSumExp(row);
      const share = (c: number): number => (c === label ? (1 - smoothing) * w : 0) + (smoothing / n) * (weight?.[c] ?? 1);
      const total = label === null ? 0 : Array.from(row, (_, c) => share(c)).reduce((a, b) => a + b, 0);
      row.forEach((v: number, c: number) => {
        dx![r * n + c] = label === null ? 0 : (exp(v - lse) * total - share(c)) * dloss![r]!;
      });
    });
  },
  samplesOf: { lies: byItem },
  samples: () => [
    gradSample(5, 10, { smoothing: 0, ignored: null }),
    gradSample(3, 65, { smoothing: 0.25, ignored: null }),
    gradSample(20, 37, { smoothing: 0.1, ignored: null }),
    gradSample(1, 1, { smoothing: 0.5, ignored: null }),
    gradSample(0, 3, { smoothing: 0, ignored: null }),
    gradSample(20, 37, { smoothing: 0.1, ignored: 3 }),
    gradSample(17, 16, { smoothing: 0, ignored: -100 }, true),
    gradSample(20, 37, { smoothing: 0.2, ignored: 0 }, true),
  ],
};

/** The sum of the shares of each row: f64 [rows], 0 where it is ignored. */
function totalShare({ ins, attrs }: Node<CrossEntropyAttrs>, rows: number, classes: number): Tensor | number {
  const [, labels, , weight] = ins as [Tensor, Tensor, Tensor, Tensor?];
  const { graph } = labels;
  const counts = attrs.ignored === null ? null : notEqual(cast(labels, 'f64'), attrs.ignored);
  if (!weight) return counts ?? 1;
  // Minus the log-likelihood under "probabilities" of -1: the weight of each label.
  const ones = broadcastTo(graph.scalar(-1), [rows, classes]);
  const [own] = graph.add(NLL, [ones, labels, weight], { ignored: attrs.ignored }).outs;
  const spread = mul(sum(weight, { dtype: 'f64' }), attrs.smoothing / classes);
  return add(mul(own!, 1 - attrs.smoothing), counts ? mul(counts, spread) : spread);
}

// ---- nll ---------------------------------------------------------------------------------------------------------

/** Inputs log-probabilities f32[n,c], labels, and, optional, class weights; outputs f64[n], and the weight of each row's label, f64[n]. */
export const NLL: OpDef<LabelAttrs> = {
  name: 'nll',
  infer(ins) {
    const [rows, classes] = expectClasses('nll', ins[0]!);
    expectLabels('nll', rows, classes, ins[1]!, ins[2]);
    return [f64(rows), f64(rows)];
  },
  vjp(node, [dloss]) {
    const [x, labels, ...weight] = node.ins as [Tensor, Tensor, ...Tensor[]];
    const attrs = { ...node.attrs, classes: x.shape[1]! };
    return [dloss ? x.graph.add(NLL_GRAD, [labels, dloss, ...weight], attrs).out : null, null, ...weight.map(() => null)];
  },
  lower: (node) => ({ ints: labelInts(shapeOf(node as Node), node.ins[1]!, node.attrs) }),
  cost: (node) => ({ flops: 0, bytes: 24 * shapeOf(node as Node)[0]! }),
  indices: (node) => [{ input: 1, bound: shapeOf(node as Node)[1]!, ignored: node.attrs.ignored }],
  ref([loss, weights], [x, labels, weight], { attrs, ins }) {
    const n = ins[0]!.shape[1]!;
    eachLabel(labels!, weight, attrs, (r, label, w) => {
      loss![r] = label === null ? 0 : -w * x![r * n + label]!;
      weights![r] = w;
    });
  },
  samplesOf: { lies: byItem },
  samples: () => [
    sample(5, 10, 'u8', { ignored: null }),
    sample(33, 6, 'i32', { ignored: 4 }),
    sample(0, 3, 'i32', { ignored: null }),
    sample(7, 3, 'i32', { ignored: -1 }, true),
  ],
};

/** Inputs labels, the gradient of each row's loss, f64[n], and, optional, class weights. */
export const NLL_GRAD: OpDef<LabelAttrs & { readonly classes: number }> = {
  name: 'nllGrad',
  infer([labels, dloss, weight], { classes }) {
    const rows = labels!.shape[0] ?? 0;
    expectLabels('nllGrad', rows, classes, labels!, weight);
    expectLosses('nllGrad', dloss!, rows);
    return [f32(rows, classes)];
  },
  vjp({ ins: [labels, , ...weight], attrs: { ignored } }, [g]) {
    return [null, g ? g.graph.add(NLL, [g, labels!, ...weight], { ignored }).outs[0]! : null, ...weight.map(() => null)];
  },
  lower: (node) => ({ ints: labelInts(node.out.shape, node.ins[0]!, node.attrs) }),
  cost: (node) => moved(node as Node),
  ref([dx], [labels, dloss, weight], { attrs }) {
    dx!.fill(0);
    eachLabel(labels!, weight, attrs, (r, label, w) => {
      if (label !== null) dx![r * attrs.classes + label] = -w * dloss![r]!;
    });
  },
  samplesOf: { lies: byItem },
  samples: () =>
    [
      { rows: 5, classes: 10, ignored: null, weighed: false },
      { rows: 18, classes: 3, ignored: 1, weighed: true },
      { rows: 0, classes: 2, ignored: null, weighed: false },
    ].map(({ rows, classes, ignored, weighed }) => ({
      ins: [i32(rows), f64(rows), ...(weighed ? [f32(classes)] : [])],
      attrs: { ignored, classes },
      fill: [[0, classes], 'normal', 'positive'],
      noGradient: weighed,
    })),
};

// Class weights are constants: finite differences know a gradient that is not wanted.
function sample<A extends LabelAttrs>(n: number, c: number, dtype: 'i32' | 'u8', attrs: A, weighed = false): Sample<A> {
  const ins = [f32(n, c), { dtype, shape: [n] }, ...(weighed ? [f32(c)] : [])];
  return { ins, attrs, fill: [[-9, 9], [0, c], 'positive'], noGradient: weighed };
}
function gradSample(n: number, c: number, attrs: CrossEntropyAttrs, weighed = false): Sample<CrossEntropyAttrs> {
  const ins = [f32(n, c), i32(n), f64(n), ...(weighed ? [f32(c)] : [])];
  return { ins, attrs, fill: [[-4, 4], [0, c], 'normal', 'positive'], tolerance: 4e-6, noGradient: weighed };
}

// ---- what losses call --------------------------------------------------------------------------------------------

export interface LabelOptions {
  /** f32 [classes]: what a row of each class weighs; a constant. Default: all 1. */
  readonly weight?: TensorLike;
  /** Rows with this label have no loss, no gradient and no weight. Default: none. PyTorch's is -100. */
  readonly ignoreIndex?: number;
}
/** What each row loses, f64 [n], and its label's weight, f64 [n]; null: all are 1. */
export interface LabelLoss {
  readonly loss: Tensor;
  readonly weight: Tensor | null;
}

/** `softmaxCrossEntropy` with the weight of each row's label. */
export function weighedCrossEntropy(
  logits: TensorLike,
  labels: TensorLike,
  options: LabelOptions & { readonly smoothing?: number } = {},
): LabelLoss {
  const { smoothing = 0, ignoreIndex: ignored = null } = options;
  const { graph } = logits.toTensor();
  const ins = [logits.toTensor(), asIndices(labels), ...(options.weight ? [options.weight.toTensor()] : [])];
  const [loss, weight = null] = graph.add(SOFTMAX_CROSS_ENTROPY, ins, { smoothing, ignored }).outs;
  return { loss: loss!, weight };
}

/**
 * The negative log-likelihood of each row's label under the softmax of its logits: logits f32 [n, classes], labels [n]
 * -> f64 [n]. As `torch.nn.functional.cross_entropy` with `reduction: 'none'`. A label outside [0, classes) ends the run with an
 * IndexError.
 * @param options.smoothing what of each row's weight is spread over all classes, its own too; default 0. PyTorch's `label_smoothing`.
 * @throws ShapeError or DTypeError if the operands do not fit
 */
export function softmaxCrossEntropy(
  logits: TensorLike,
  labels: TensorLike,
  options: LabelOptions & { readonly smoothing?: number } = {},
): Tensor {
  return weighedCrossEntropy(logits, labels, options).loss;
}

/** Minus the element of each row at its label, times its weight: log-probabilities f32 [n, classes], labels [n] -> f64 [n] twice. */
export function weighedNll(x: TensorLike, labels: TensorLike, options: LabelOptions = {}): { loss: Tensor; weight: Tensor } {
  const ins = [x.toTensor(), asIndices(labels), ...(options.weight ? [options.weight.toTensor()] : [])];
  const [loss, weight] = x.toTensor().graph.add(NLL, ins, { ignored: options.ignoreIndex ?? null }).outs;
  return { loss: loss!, weight: weight! };
}

/** The records of this file. */
// biome-ignore lint/suspicious/noExplicitAny: as in index.ts
export const CROSS_ENTROPIES: readonly OpDef<any>[] = [SOFTMAX_CROSS_ENTROPY, SOFTMAX_CROSS_ENTROPY_GRAD, NLL, NLL_GRAD];
