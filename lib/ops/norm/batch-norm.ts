// batch-norm.ts: batch norm by the statistics of the batch, forward and backward. Kernels: batch_norm.h.

import { DTypeError, GraphError, OptionError, ShapeError } from '../../errors.ts';
import type { Node, Tensor, TensorLike } from '../../ir/graph.ts';
import type { OnnxValue } from '../../ir/onnx.ts';
import { f32, f64, type OpDef, type RefArray, type Sample, sameShape, type TensorType, typeName } from '../../ir/op.ts';
import { mixes } from '../../ir/samples.ts';
import { squareOf } from '../../math/index.ts';
import { nullable, options, signature } from '../../options/index.ts';
import { eps, tensor } from '../args.ts';
import { moved, span } from '../shape/axes.ts';
import { reshape } from '../shape/shape.ts';
import { normGradVjp } from './norm-grad.ts';

export interface BatchNormAttrs {
  readonly eps: number;
  /** Weight and bias are inputs. */
  readonly affine: boolean;
  /** Made by the compiler: another input is added, and relu taken. */
  readonly sum: boolean;
  readonly relu: boolean;
}
export interface BatchNormGradAttrs {
  readonly eps: number;
  readonly affine: boolean;
  /** Made by the compiler: dy passes where relu of the normalized x does ('own'), or where an output that is an input does ('output'). */
  readonly mask: 'all' | 'own' | 'output';
}
const MASKS = ['all', 'own', 'output'] as const;

interface Sizes {
  readonly batch: number;
  readonly channels: number;
  readonly space: number;
}
const sizesOf = ({ shape }: { readonly shape: readonly number[] }): Sizes => ({
  batch: shape[0] as number,
  channels: shape[1] as number,
  space: span(shape, 2),
});
const nodeSizes = (node: Node): Sizes => sizesOf(node.ins[0] as Tensor);
/** Batch, channels and space of the first input. */
export const firstInts = (node: Node): number[] => {
  const { batch, channels, space } = nodeSizes(node);
  return [batch, channels, space];
};

export function expectType(op: string, what: string, got: TensorType | undefined, want: TensorType): void {
  if (got?.dtype !== want.dtype)
    throw new DTypeError(`${op}: expected ${what} as ${want.dtype}, got ${got ? typeName(got) : 'none'}`);
  if (!sameShape(got.shape, want.shape)) throw new ShapeError(`${op}: expected ${what} as [${want.shape}], got [${got.shape}]`);
}
export function expectX(op: string, x: TensorType): Sizes {
  expectType(op, 'x', x, f32(...x.shape));
  if (x.shape.length < 2) throw new ShapeError(`${op}: expected x as [batch, channels, ...], got [${x.shape}]`);
  return sizesOf(x);
}

/** The elements of channel `c`, as places in x. */
function* channel({ batch, channels, space }: Sizes, c: number): Iterable<number> {
  for (let n = 0; n < batch; n++) for (let k = 0; k < space; k++) yield (n * channels + c) * space + k;
}

/** Inputs x, then weight and bias, then what is added. Outputs y, and the mean and the variance (that of the batch itself) of each channel. */
export const BATCH_NORM: OpDef<BatchNormAttrs> = {
  name: 'batchNorm',
  infer([x, ...rest], { affine, sum }) {
    const { batch, channels, space } = expectX('batchNorm', x as TensorType);
    if (batch * space === 0) throw new ShapeError(`batchNorm: expected at least one value per channel, got [${x?.shape}]`);
    if (affine) for (const [i, what] of ['weight', 'bias'].entries()) expectType('batchNorm', what, rest[i], f32(channels));
    if (sum) expectType('batchNorm', 'what is added', rest.at(-1), x as TensorType);
    return [x as TensorType, f64(channels), f64(channels)];
  },
  vjp(node, [dy]) {
    const { eps, affine } = node.attrs;
    if (!dy) return node.ins.map(() => null);
    const [x, ...line] = node.ins as [Tensor, ...Tensor[]];
    const [, mean, variance] = node.outs as [Tensor, Tensor, Tensor];
    return [...dy.graph.add(BATCH_NORM_GRAD, [x, mean, variance, dy, ...line], { eps, affine, mask: 'all' }).outs];
  },
  onnx(node, b) {
    const { eps, affine, sum, relu } = node.attrs;
    if (sum || relu) b.refuse(node, 'the fused form is made by the compiler');
    const [x, weight, bias] = node.ins as [Tensor, Tensor?, Tensor?];
    const axes = x.shape.map((_, i) => i).filter((i) => i !== 1);
    const centered = b.node('Sub', [b.value(x), b.reduce('ReduceMean', b.value(x), axes, true)]);
    const variance = b.reduce('ReduceMean', b.node('Mul', [centered, centered]), axes, true);
    const y = b.node('Div', [centered, b.node('Sqrt', [b.node('Add', [variance, b.scalar('f32', eps)])])]);
    if (!affine) return [y, null, null];
    const across = (t: Tensor): OnnxValue => b.reshape(b.value(t), [...b.dims(t), ...x.shape.slice(2).map(() => 1)]);
    return [b.node('Add', [b.node('Mul', [y, across(weight!)]), across(bias!)]), null, null];
  },
  lower: (node) => ({
    ints: [...firstInts(node), +node.attrs.affine, +node.attrs.sum, +node.attrs.relu],
    floats: [node.attrs.eps],
  }),
  cost: (node) => moved(node, 7 * span(node.out.shape, 0)),
  inplace: ({ attrs: { affine, sum } }) =>
    sum
      ? [
          [0, 0],
          [0, affine ? 3 : 1],
        ]
      : [[0, 0]],
  saved: [1, 2],
  ref([y, mean, variance], [x, ...rest], node) {
    const sizes = nodeSizes(node);
    const { eps, affine, sum, relu } = node.attrs;
    for (let c = 0; c < sizes.channels; c++) {
      const at = [...channel(sizes, c)];
      const m = at.reduce((s, i) => s + (x as RefArray)[i]!, 0) / at.length;
      const v = at.reduce((s, i) => s + squareOf((x as RefArray)[i]! - m), 0) / at.length;
      (mean as RefArray)[c] = m;
      (variance as RefArray)[c] = v;
      for (const i of at) {
        const z = ((x as RefArray)[i]! - m) / Math.sqrt(v + eps);
        const value = (affine ? z * rest[0]![c]! + rest[1]![c]! : z) + (sum ? rest.at(-1)![i]! : 0);
        (y as RefArray)[i] = relu && value < 0 ? 0 : value;
      }
    }
  },
  samplesOf: {
    lies(node) {
      throw mixes(node as Node, 'take nn.GroupNorm in its place');
    },
  },
  samples: () => [
    ...SHAPES.flatMap((shape) => [true, false].map((affine) => sample(shape, { affine, sum: false, relu: false }))),
    { ...sample([6, 3, 4, 5], { affine: true, sum: true, relu: true }), noGradient: true },
    { ...sample([6, 33], { affine: false, sum: true, relu: false }), noGradient: true },
    { ...sample([6, 20], { affine: true, sum: false, relu: true }), noGradient: true },
    // Few channels, many parts.
    { ...sample([70, 2, 19, 20], { affine: true, sum: true, relu: true }), noGradient: true },
    { ...sample([1100, 5], { affine: true, sum: false, relu: false }), noGradient: true },
    // A mean far from 0, and no variance.
    { ...sample([5, 2, 9], { affine: false, sum: false, relu: false }), fill: [[1000, 1001]], tolerance: 1e-3, noGradient: true },
    { ...sample([4, 1, 3], { affine: true, sum: false, relu: false }), fill: [[7, 7], 'normal', 'normal'] },
  ],
};

/** Inputs x, mean, variance, dy, then weight and bias, then y where it is the mask. Outputs dx, then the gradients of weight and bias. */
export const BATCH_NORM_GRAD: OpDef<BatchNormGradAttrs> = {
  name: 'batchNormGrad',
  infer(ins, { affine, mask }) {
    const [x, mean, variance, dy, ...rest] = ins as [TensorType, TensorType, TensorType, TensorType, ...TensorType[]];
    const { channels } = expectX('batchNormGrad', x);
    expectType('batchNormGrad', 'the mean', mean, f64(channels));
    expectType('batchNormGrad', 'the variance', variance, f64(channels));
    expectType('batchNormGrad', 'dy', dy, x);
    if (affine) for (const [i, what] of ['weight', 'bias'].entries()) expectType('batchNormGrad', what, rest[i], f32(channels));
    if (mask === 'output') expectType('batchNormGrad', 'y', rest.at(-1), x);
    return affine ? [x, f32(channels), f32(channels)] : [x];
  },
  vjp(node, [gx = null, gw = null, gb = null]) {
    const { eps, affine, mask } = node.attrs;
    if (mask !== 'all') throw new GraphError('batchNormGrad: the fused form is made after differentiation');
    const [x, , , dy, weight] = node.ins as [Tensor, Tensor, Tensor, Tensor, Tensor?];
    const axes = x.shape.map((_, i) => i).filter((i) => i !== 1);
    const across = (t: Tensor | null): Tensor | null => t && reshape(t, [t.shape[0]!, ...x.shape.slice(2).map(() => 1)]);
    const given = [gx, across(gw), across(gb)] as const;
    const made = normGradVjp({ x, dy, weight: across(weight ?? null), axes, eps, centered: true }, given);
    const line = affine ? [made.weight && reshape(made.weight, [x.shape[1]!]), null] : [];
    return [made.x, null, null, made.dy, ...line];
  },
  lower: (node) => ({
    ints: [...firstInts(node), +node.attrs.affine, MASKS.indexOf(node.attrs.mask)],
    floats: [node.attrs.eps],
  }),
  cost: (node) => moved(node, 12 * span(node.out.shape, 0)),
  inplace: ({ ins, attrs: { mask } }) => [[0, 0], [0, 3], ...(mask === 'output' ? [[0, ins.length - 1] as const] : [])],
  ref([dx, dweight, dbias], ins, node) {
    const [x, mean, variance, dy, ...rest] = ins as [RefArray, RefArray, RefArray, RefArray, ...RefArray[]];
    const sizes = nodeSizes(node);
    const { eps, affine, mask } = node.attrs;
    for (let c = 0; c < sizes.channels; c++) {
      const at = [...channel(sizes, c)];
      const scale = 1 / Math.sqrt(variance[c]! + eps);
      const weight = affine ? rest[0]![c]! : 1;
      const z = at.map((i) => (x[i]! - mean[c]!) * scale);
      const passes = (i: number, k: number): boolean =>
        mask === 'all' || !((mask === 'own' ? z[k]! * weight + (affine ? rest[1]![c]! : 0) : rest.at(-1)![i]!) <= 0);
      const g = at.map((i, k) => (passes(i, k) ? dy[i]! : 0));
      const sum = g.reduce((a, b) => a + b, 0);
      const product = g.reduce((a, b, k) => a + b * z[k]!, 0);
      at.forEach((i, k) => {
        (dx as RefArray)[i] = weight * scale * (g[k]! - sum / at.length - (z[k]! * product) / at.length);
      });
      if (!affine) continue;
      (dweight as RefArray)[c] = product;
      (dbias as RefArray)[c] = sum;
    }
  },
  samplesOf: {
    lies(node) {
      throw mixes(node as Node, 'take nn.GroupNorm in its place');
    },
  },
  samples: () => [
    ...SHAPES.flatMap((shape) => [true, false].map((affine) => gradSample(shape, { affine, mask: 'all' }))),
    gradSample([6, 3, 4, 5], { affine: true, mask: 'own' }),
    gradSample([6, 3, 4, 5], { affine: true, mask: 'output' }),
    gradSample([6, 33], { affine: false, mask: 'output' }),
    gradSample([6, 20], { affine: false, mask: 'own' }),
    gradSample([70, 2, 19, 20], { affine: true, mask: 'output' }),
    gradSample([1100, 5], { affine: true, mask: 'own' }),
  ],
};

const SHAPES = [
  [2, 1],
  [5, 3],
  [7, 40],
  [3, 2, 16],
  [4, 3, 3, 3],
  [2, 17, 7, 7],
  [1, 3, 5],
];
function sample(shape: readonly number[], attrs: Omit<BatchNormAttrs, 'eps'>): Sample<BatchNormAttrs> {
  const line = attrs.affine ? [f32(shape[1]!), f32(shape[1]!)] : [];
  return {
    ins: [f32(...shape), ...line, ...(attrs.sum ? [f32(...shape)] : [])],
    attrs: { eps: 1e-5, ...attrs },
    tolerance: 1e-5,
  };
}
function gradSample(shape: readonly number[], attrs: Omit<BatchNormGradAttrs, 'eps'>): Sample<BatchNormGradAttrs> {
  const x = f32(...shape);
  const line = attrs.affine ? [f32(shape[1]!), f32(shape[1]!)] : [];
  return {
    ins: [x, f64(shape[1]!), f64(shape[1]!), x, ...line, ...(attrs.mask === 'output' ? [x] : [])],
    attrs: { eps: 1e-5, ...attrs },
    fill: ['normal', [-0.1, 0.1], [0.5, 1.5], 'normal'],
    tolerance: 1e-5,
    // Its gradient knows that the statistics are those of x; differences hold them. Of the whole: test/kernels/second.test.ts.
    noGradient: true,
  };
}

/** Options of `ops.batchNorm`. */
export interface EpsOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
}
const readBatchNorm = signature(
  'ops.batchNorm',
  { x: tensor, weight: nullable(tensor), bias: nullable(tensor) },
  options<EpsOptions>()({ eps: eps.default(1e-5) }),
);

/** What `batchNorm` gives. */
export interface BatchNormed {
  /** The normalized x [batch, channels, ...]. */
  readonly y: Tensor;
  /** Of each channel, f64 [channels]; of the batch itself (divided by the number of values). Not differentiable. */
  readonly mean: Tensor;
  /** Of the batch, not corrected [channels]. */
  readonly variance: Tensor;
}

/**
 * Batch norm by the statistics of the batch, as in training: y = (x - mean) / sqrt(variance + eps) * weight + bias,
 * each per channel. Statistics run in f64.
 * @shape x [batch, channels, ...], weight and bias [channels] -> { y [batch, channels, ...], mean and variance
 * [channels] }
 * @throws OptionError; ShapeError or DTypeError if the operands do not fit
 * @see torch.nn.functional.batch_norm
 */
export function batchNorm(
  x: TensorLike,
  weight: TensorLike | null,
  bias: TensorLike | null,
  options: EpsOptions = {},
): BatchNormed {
  const { x: t, eps, ...read } = readBatchNorm(arguments);
  const line = [read.weight, read.bias].filter((p) => p !== null);
  const affine = line.length === 2;
  if (line.length === 1) throw new OptionError('ops.batchNorm: expected weight and bias, or null for both, got one');
  const [y, mean, variance] = t.graph.add(BATCH_NORM, [t, ...line], { eps, affine, sum: false, relu: false }).outs;
  return { y: y as Tensor, mean: mean as Tensor, variance: variance as Tensor };
}

/** The records of this file. */
// biome-ignore lint/suspicious/noExplicitAny: as in index.ts
export const BATCH_NORMS: readonly OpDef<any>[] = [BATCH_NORM, BATCH_NORM_GRAD];
