// cross-entropy-fused.ts: what the compiler makes of a cross-entropy and its gradient: both at once, and with the product that gave the logits,
// which then are never kept whole. Kernels: softmax.h, linear_cross_entropy.h.
import { DTypeError, GraphError, ShapeError } from '../../errors.ts';
import type { Node } from '../../ir/graph.ts';
import { f32, f64, i32, type OpDef, type RefArray, type Sample, sizeOf, type TensorType, typeName } from '../../ir/op.ts';
import { toBf16 } from '../../math/bf16.ts';
import { moved } from '../shape/axes.ts';
import {
  type CrossEntropyAttrs,
  eachLabel,
  expectClasses,
  expectLabels,
  expectLosses,
  type LabelAttrs,
  labelInts,
  SOFTMAX_CROSS_ENTROPY,
  SOFTMAX_CROSS_ENTROPY_GRAD,
} from './cross-entropy.ts';

/** Inputs labels [n] and, optional, class weights f32[classes]; output what each row's label weighs, f64[n]. */
export const LABEL_WEIGHTS: OpDef<LabelAttrs & { readonly classes: number }> = {
  name: 'labelWeights',
  madeOf: 'softmaxCrossEntropy',
  infer([labels, weight], { classes }) {
    const rows = labels!.shape[0] ?? 0;
    expectLabels('labelWeights', rows, classes, labels!, weight);
    return [f64(rows)];
  },
  lower: (node) => ({ ints: labelInts([node.out.shape[0]!, node.attrs.classes], node.ins[0]!, node.attrs) }),
  cost: (node) => moved(node as Node),
  indices: (node) => [{ input: 0, bound: node.attrs.classes, ignored: node.attrs.ignored }],
  ref([weights], [labels, weight], { attrs }) {
    eachLabel(labels!, weight, attrs, (r, _label, w) => {
      weights![r] = w;
    });
  },
  samples: () =>
    [
      { rows: 40, classes: 7, ignored: 3, weighed: false },
      { rows: 18, classes: 3, ignored: -100, weighed: true },
      { rows: 0, classes: 2, ignored: null, weighed: false },
    ].map(({ rows, classes, ignored, weighed }) => ({
      ins: [i32(rows), ...(weighed ? [f32(classes)] : [])],
      attrs: { ignored, classes },
      fill: [[0, classes], 'positive'],
    })),
};

/** Inputs as of the gradient: logits, labels, the gradient of each row's loss and, optional, class weights; outputs losses f64[n], and the gradient of the logits. */
export const SOFTMAX_CROSS_ENTROPY_BOTH: OpDef<CrossEntropyAttrs> = {
  name: 'softmaxCrossEntropyBoth',
  madeOf: 'softmaxCrossEntropy',
  infer([x, labels, dloss, weight]) {
    const op = 'softmaxCrossEntropyBoth';
    const [rows, classes] = expectClasses(op, x!);
    expectLabels(op, rows, classes, labels!, weight);
    expectLosses(op, dloss!, rows);
    return [f64(rows), x!];
  },
  lower: (node) => ({ ints: labelInts(node.ins[0]!.shape, node.ins[1]!, node.attrs), floats: [node.attrs.smoothing] }),
  cost: (node) => moved(node as Node, 24 * sizeOf(node.ins[0]!.shape)),
  inplace: () => [[1, 0]],
  indices: (node) => [{ input: 1, bound: node.ins[0]!.shape[1]!, ignored: node.attrs.ignored }],
  ref([loss, dx], ins, { attrs, ins: tensors }) {
    lossRef(loss!, dx!, ins, tensors, attrs);
  },
  samples: () => [
    both(5, 10, { smoothing: 0, ignored: null }),
    both(33, 65, { smoothing: 0.25, ignored: null }),
    both(1, 1, { smoothing: 0.5, ignored: null }),
    both(0, 3, { smoothing: 0, ignored: null }),
    both(20, 37, { smoothing: 0.1, ignored: 3 }),
    both(17, 16, { smoothing: 0, ignored: -100 }, true),
    both(20, 37, { smoothing: 0.2, ignored: 0 }, true),
  ],
};

type Ref = (outs: RefArray[], ins: readonly RefArray[], node: Node<CrossEntropyAttrs>) => void;
/** Losses and gradients of rows of logits, by the refs of the two ops. `ins`: logits, labels, dloss, class weights. */
function lossRef(
  loss: RefArray,
  dx: RefArray | null,
  ins: readonly RefArray[],
  tensors: readonly { readonly shape: readonly number[] }[],
  attrs: CrossEntropyAttrs,
): void {
  const node = { attrs, ins: tensors } as unknown as Node<CrossEntropyAttrs>;
  const [x, labels, dloss, ...weight] = ins as [RefArray, RefArray, RefArray, ...RefArray[]];
  (SOFTMAX_CROSS_ENTROPY.ref as Ref)([loss], [x, labels, ...weight], node);
  if (dx) (SOFTMAX_CROSS_ENTROPY_GRAD.ref as Ref)([dx], [x, labels, dloss, ...weight], node);
}

function both(n: number, c: number, attrs: CrossEntropyAttrs, weighed = false): Sample<CrossEntropyAttrs> {
  const ins = [f32(n, c), i32(n), f64(n), ...(weighed ? [f32(c)] : [])];
  return { ins, attrs, fill: [[-4, 4], [0, c], 'normal', 'positive'], tolerance: 4e-6 };
}

export interface LinearCrossEntropyAttrs extends CrossEntropyAttrs {
  /** Rows whose logits there are at a time. */
  readonly part: number;
  /** Which gradients there are. */
  readonly dx: boolean;
  readonly dw: boolean;
  /** As of matmul: of the products. A part is of whole pairs of rows then. */
  readonly bf16?: boolean;
}

/**
 * Inputs x f32[n, d], w f32[classes, d], labels, where there are gradients that of each row's loss f64[n], and, optional, class weights; outputs
 * the losses of the logits x w^T, f64[n], and the gradients of x and of w.
 */
export const LINEAR_CROSS_ENTROPY: OpDef<LinearCrossEntropyAttrs> = {
  name: 'linearCrossEntropy',
  madeOf: 'softmaxCrossEntropy',
  infer(ins, attrs) {
    const op = 'linearCrossEntropy';
    const { x, w, labels, dloss, weight } = operands(ins, attrs);
    if (x.dtype !== 'f32' || w.dtype !== 'f32') throw new DTypeError(`${op}: expected f32, got ${x.dtype} and ${w.dtype}`);
    if (x.shape.length !== 2 || w.shape.length !== 2 || x.shape[1] !== w.shape[1]) {
      throw new ShapeError(`${op}: expected x [n, d] and w [classes, d], got ${typeName(x)} and ${typeName(w)}`);
    }
    const rows = x.shape[0]!;
    if (attrs.part < 1 || (attrs.bf16 && attrs.part % 2 === 1 && attrs.part < rows)) {
      throw new GraphError(`${op}: expected rows of a part${attrs.bf16 ? ', in pairs' : ''}, got ${attrs.part}`);
    }
    expectLabels(op, rows, w.shape[0]!, labels, weight);
    if (dloss) expectLosses(op, dloss, rows);
    return [f64(rows), ...(attrs.dx ? [x] : []), ...(attrs.dw ? [w] : [])];
  },
  lower(node) {
    const { attrs } = node;
    const { x, w, labels } = operands(node.ins, attrs);
    const rows = labelInts([x.shape[0]!, w.shape[0]!], labels, attrs);
    return { ints: [...rows, x.shape[1]!, attrs.part, +attrs.dx, +attrs.dw, +(attrs.bf16 ?? false)], floats: [attrs.smoothing] };
  },
  cost(node) {
    const { attrs } = node;
    const { x, w } = operands(node.ins, attrs);
    const logits = x.shape[0]! * w.shape[0]!;
    const macs = (1 + +attrs.dx + +attrs.dw) * logits * x.shape[1]!;
    return { ...moved(node as Node, 2 * macs + 24 * logits), macs };
  },
  indices: (node) => [{ input: 2, bound: node.ins[1]!.shape[0]!, ignored: node.attrs.ignored }],
  ref(outs, ins, { attrs, ins: tensors }) {
    const [n, d] = tensors[0]!.shape as [number, number];
    const classes = tensors[1]!.shape[0]!;
    const { labels, dloss, weight, ...given } = operands(ins, attrs);
    const rounded = (values: RefArray): RefArray => (attrs.bf16 ? values.map(toBf16) : values);
    const [x, w] = [rounded(given.x), rounded(given.w)];
    const logits = new Float64Array(n * classes);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < classes; j++) for (let p = 0; p < d; p++) logits[i * classes + j]! += x[i * d + p]! * w[j * d + p]!;
    const dlogits = new Float64Array(n * classes);
    const back = dloss ?? new Float64Array(n);
    lossRef(outs[0]!, dlogits, [logits, labels, back, ...(weight ? [weight] : [])], [{ shape: [n, classes] }], attrs);
    for (const out of outs.slice(1)) out.fill(0);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < classes; j++)
        for (let p = 0; p < d; p++) {
          const g = attrs.bf16 ? toBf16(dlogits[i * classes + j]!) : dlogits[i * classes + j]!;
          if (attrs.dx) outs[1]![i * d + p]! += g * w[j * d + p]!;
          if (attrs.dw) outs.at(-1)![j * d + p]! += g * x[i * d + p]!;
        }
  },
  samples: () => [
    linear([5, 3, 4], { smoothing: 0, ignored: null, part: 2, dx: true, dw: true }),
    linear([40, 17, 33], { smoothing: 0.1, ignored: 2, part: 16, dx: true, dw: true }),
    linear([33, 40, 9], { smoothing: 0.1, ignored: -100, part: 7, dx: true, dw: true }, true),
    linear([20, 9, 5], { smoothing: 0, ignored: null, part: 20, dx: false, dw: true }),
    linear([20, 9, 5], { smoothing: 0, ignored: 1, part: 9, dx: true, dw: false }, true),
    linear([19, 9, 5], { smoothing: 0.3, ignored: null, part: 4, dx: false, dw: false }),
    linear([0, 9, 5], { smoothing: 0, ignored: null, part: 4, dx: true, dw: true }),
    linear([33, 40, 9], { smoothing: 0.1, ignored: null, part: 8, dx: true, dw: true, bf16: true }),
    linear([7, 5, 3], { smoothing: 0, ignored: 1, part: 7, dx: false, dw: true, bf16: true }, true),
    linear([1, 1, 1], { smoothing: 0, ignored: null, part: 1, dx: true, dw: true }),
  ],
};

interface Operands<T> {
  readonly x: T;
  readonly w: T;
  readonly labels: T;
  readonly dloss: T | undefined;
  readonly weight: T | undefined;
}
function operands<T>(ins: readonly T[], { dx, dw }: LinearCrossEntropyAttrs): Operands<T> {
  const [x, w, labels, third, fourth] = ins as [T, T, T, T | undefined, T | undefined];
  return dx || dw ? { x, w, labels, dloss: third, weight: fourth } : { x, w, labels, dloss: undefined, weight: third };
}

/** Gradients of logits that differ in their last bit may be rounded to different bf16. */
const ROUNDED = 2e-2;

function linear(
  [n, classes, d]: readonly [number, number, number],
  attrs: LinearCrossEntropyAttrs,
  weighed = false,
): Sample<LinearCrossEntropyAttrs> {
  const back = attrs.dx || attrs.dw;
  const ins: TensorType[] = [f32(n, d), f32(classes, d), i32(n), ...(back ? [f64(n)] : []), ...(weighed ? [f32(classes)] : [])];
  const fill: Sample<unknown>['fill'] = ['normal', 'normal', [0, classes], ...(back ? ['normal' as const] : []), 'positive'];
  return { ins, attrs, fill: fill.slice(0, ins.length), tolerance: attrs.bf16 ? ROUNDED : 2e-5 };
}

/** The records of this file. */
// biome-ignore lint/suspicious/noExplicitAny: as in list.ts
export const FUSED_CROSS_ENTROPIES: readonly OpDef<any>[] = [LABEL_WEIGHTS, SOFTMAX_CROSS_ENTROPY_BOTH, LINEAR_CROSS_ENTROPY];
