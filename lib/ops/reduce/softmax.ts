// softmax.ts: softmax, logSoftmax and their gradients. Kernels: softmax.h.

import { DTypeError, ShapeError } from '../../errors.ts';
import type { Node, Tensor, TensorLike } from '../../ir/graph.ts';
import { asNode } from '../../ir/onnx.ts';
import { f32, type OpDef, type RefArray, type Sample, sameShape, sizeOf, type TensorType, typeName } from '../../ir/op.ts';
import { besides } from '../../ir/samples.ts';
import { exp, log } from '../../math/index.ts';
import { signature } from '../../options/index.ts';
import { type AxisOptions, axisOptions, tensor } from '../args.ts';
import { exp as expOf, mul, neg, sub } from '../elementwise/elementwise.ts';
import { moved, resolveAxis, span } from '../shape/axes.ts';
import { transpose } from '../shape/shape.ts';
import { sum } from './reduce.ts';

type NoAttrs = Record<string, never>;

/** The first input as rows over its last dimension. */
function rowsOf(node: Node): { rows: number; n: number } {
  const { shape } = node.ins[0] as Tensor;
  return { rows: span(shape, 0, shape.length - 1), n: shape.at(-1) as number };
}
const rowInts = (node: Node): { ints: number[] } => ({ ints: [rowsOf(node).rows, rowsOf(node).n] });
const cost = (node: Node): { flops: number; bytes: number } => moved(node, 20 * sizeOf((node.ins[0] as Tensor).shape));

function eachRow(node: Node, visit: (at: number, end: number, row: number) => void): void {
  const { rows, n } = rowsOf(node);
  for (let r = 0; r < rows; r++) visit(r * n, (r + 1) * n, r);
}

function expectRows(op: string, ins: readonly TensorType[]): TensorType {
  const [x, ...rest] = ins as [TensorType, ...TensorType[]];
  if (x.dtype !== 'f32') throw new DTypeError(`${op}: expected f32, got ${x.dtype}`);
  if (x.shape.length === 0) throw new ShapeError(`${op}: expected at least 1 dimension, got a scalar`);
  for (const other of rest) {
    if (other.dtype !== 'f32' || !sameShape(other.shape, x.shape)) {
      throw new ShapeError(`${op}: expected ${typeName(x)}, got ${typeName(other)}`);
    }
  }
  return x;
}

const total = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const ROW_SHAPES: readonly (readonly number[])[] = [[3, 10], [2, 65], [1, 1], [2, 3, 16], [17], [0, 4]];

/** log(sum(exp(x))) of a row, for `ref`s. The op is in log-sum-exp.ts. */
export function rowLogSumExp(x: RefArray): number {
  const values = Array.from(x);
  const top = Math.max(...values);
  return top + log(total(values.map((v) => exp(v - top))));
}

// ---- softmax and logSoftmax --------------------------------------------------------------------------------------
function rowOp(
  name: string,
  operator: string,
  gradient: () => OpDef<NoAttrs>,
  f: (v: number, lse: number) => number,
): OpDef<NoAttrs> {
  return {
    name,
    infer: (ins) => [expectRows(name, ins)],
    vjp: (node, [dy]) => [dy ? dy.graph.add(gradient(), [node.out, dy], {}).out : null],
    onnx: asNode(operator, () => ({ axis: -1 })),
    lower: rowInts,
    cost,
    inplace: () => [[0, 0]],
    ref([y], [x], node) {
      eachRow(node, (at, end) => {
        const row = (x as RefArray).slice(at, end);
        const lse = rowLogSumExp(row);
        (y as RefArray).set(
          Array.from(row, (v) => f(v, lse)),
          at,
        );
      });
    },
    samplesOf: { lies: (node, ins) => besides(node as Node, ins, (axis) => axis === node.out.shape.length - 1) },
    samples: () => ROW_SHAPES.map((shape) => ({ ins: [f32(...shape)], attrs: {}, fill: [[-4, 4]] })),
  };
}

/** dx = f(y, dy, sum over the row of term(y, dy)). */
function rowGradOp(
  name: string,
  f: (y: number, dy: number, sum: number) => number,
  term: (y: number, dy: number) => number,
  vjp: (y: Tensor, dy: Tensor, g: Tensor) => [Tensor, Tensor],
): OpDef<NoAttrs> {
  return {
    name,
    infer: (ins) => [expectRows(name, ins)],
    vjp: ({ ins: [y, dy] }, [g]) => (g ? vjp(y!, dy!, g) : [null, null]),
    lower: rowInts,
    cost,
    inplace: () => [
      [0, 0],
      [0, 1],
    ],
    ref([dx], [y, dy], node) {
      const [ys, dys] = [y, dy] as [RefArray, RefArray];
      eachRow(node, (at, end) => {
        let sum = 0;
        for (let i = at; i < end; i++) sum += term(ys[i] as number, dys[i] as number);
        for (let i = at; i < end; i++) (dx as RefArray)[i] = f(ys[i] as number, dys[i] as number, sum);
      });
    },
    samplesOf: { lies: (node, ins) => besides(node as Node, ins, (axis) => axis === node.out.shape.length - 1) },
    samples: () =>
      ROW_SHAPES.map(
        (shape): Sample<NoAttrs> => ({
          ins: [f32(...shape), f32(...shape)],
          attrs: {},
          fill: [[-2, 0], 'normal'],
          tolerance: 2e-5,
        }),
      ),
  };
}

export const SOFTMAX: OpDef<NoAttrs> = rowOp(
  'softmax',
  'Softmax',
  () => SOFTMAX_GRAD,
  (v, lse) => exp(v - lse),
);
export const LOG_SOFTMAX: OpDef<NoAttrs> = rowOp(
  'logSoftmax',
  'LogSoftmax',
  () => LOG_SOFTMAX_GRAD,
  (v, lse) => v - lse,
);
/** Inputs y (the softmax) and dy. */
export const SOFTMAX_GRAD: OpDef<NoAttrs> = rowGradOp(
  'softmaxGrad',
  (y, dy, sum) => y * (dy - sum),
  (y, dy) => y * dy,
  (y, dy, g) => [sub(mul(g, sub(dy, rowSum(mul(y, dy)))), mul(dy, rowSum(mul(g, y)))), y.graph.add(SOFTMAX_GRAD, [y, g], {}).out],
);
/** Inputs y (the log-softmax) and dy. */
export const LOG_SOFTMAX_GRAD: OpDef<NoAttrs> = rowGradOp(
  'logSoftmaxGrad',
  (y, dy, sum) => dy - exp(y) * sum,
  (_, dy) => dy,
  (y, dy, g) => {
    const p = expOf(y);
    return [neg(mul(mul(g, p), rowSum(dy))), sub(g, rowSum(mul(g, p)))];
  },
);

const rowSum = (x: Tensor): Tensor => sum(x, { axes: -1, keepDims: true });

function overAxis(op: OpDef<NoAttrs>, t: Tensor, axis: number): Tensor {
  const rank = t.shape.length;
  if (rank === 0) throw new ShapeError(`${op.name}: expected at least 1 dimension, got a scalar`);
  const a = resolveAxis(op.name, axis, rank);
  if (a === rank - 1) return t.graph.add(op, [t], {}).out;
  const axes = t.shape.map((_, i) => (i === a ? rank - 1 : i === rank - 1 ? a : i));
  return transpose(t.graph.add(op, [transpose(t, { axes })], {}).out, { axes });
}

const readSoftmax = signature('ops.softmax', { x: tensor }, axisOptions);
const readLogSoftmax = signature('ops.logSoftmax', { x: tensor }, axisOptions);

/**
 * exp(x) / sum(exp(x)) over `axis` (default -1), without overflow.
 * @shape x f32 [...] -> [...]
 * @throws OptionError; ShapeError if x has no such dimension; DTypeError unless x is f32
 * @see torch.softmax
 */
export function softmax(x: TensorLike, options: AxisOptions = {}): Tensor {
  const { x: t, axis } = readSoftmax(arguments);
  return overAxis(SOFTMAX, t, axis);
}

/**
 * x - log(sum(exp(x))) over `axis` (default -1), without overflow.
 * @shape x f32 [...] -> [...]
 * @throws OptionError; ShapeError if x has no such dimension; DTypeError unless x is f32
 * @see torch.log_softmax
 */
export function logSoftmax(x: TensorLike, options: AxisOptions = {}): Tensor {
  const { x: t, axis } = readLogSoftmax(arguments);
  return overAxis(LOG_SOFTMAX, t, axis);
}

/** The records of this file. */
// biome-ignore lint/suspicious/noExplicitAny: as in index.ts
export const SOFTMAXES: readonly OpDef<any>[] = [SOFTMAX, LOG_SOFTMAX, SOFTMAX_GRAD, LOG_SOFTMAX_GRAD];
