// row-norm.ts: layer norm and RMS norm over the last dimensions, forward and backward. Kernels: row_norm.h.

import { DTypeError, ShapeError } from '../../errors.ts';
import type { Node, Tensor, TensorLike } from '../../ir/graph.ts';
import type { OnnxBuilder, OnnxValue } from '../../ir/onnx.ts';
import { f32, type OpDef, type RefArray, type Sample, sameShape, type TensorType, typeName } from '../../ir/op.ts';
import { besides, isRows, type Lies, mixes, type SampleRules } from '../../ir/samples.ts';
import { squareOf } from '../../math/index.ts';
import { options, signature, whole } from '../../options/index.ts';
import { eps, optionalTensor, tensor } from '../args.ts';
import { mul } from '../elementwise/elementwise.ts';
import { sum } from '../reduce/reduce.ts';
import { moved, span } from '../shape/axes.ts';
import { apart } from '../summands.ts';
import { normGradVjp } from './norm-grad.ts';

export interface RowNormAttrs {
  /** How many of the last dimensions are one row. */
  readonly dims: number;
  readonly eps: number;
  /** Which of weight and bias are among the inputs. */
  readonly weight: boolean;
  readonly bias: boolean;
}

interface Rows {
  readonly rows: number;
  readonly n: number;
}
function rowsOf({ shape }: { readonly shape: readonly number[] }, { dims }: RowNormAttrs): Rows {
  const first = shape.length - dims;
  return { rows: span(shape, 0, first), n: span(shape, first) };
}
const nodeRows = (node: Node<RowNormAttrs>): Rows => rowsOf(node.ins[0] as Tensor, node.attrs);

function ints(node: Node<RowNormAttrs>): number[] {
  const { rows, n } = nodeRows(node);
  return [rows, n, +node.attrs.weight, +node.attrs.bias];
}

function expect(op: string, what: string, got: TensorType | undefined, shape: readonly number[]): void {
  if (got?.dtype !== 'f32') throw new DTypeError(`${op}: expected ${what} as f32, got ${got ? typeName(got) : 'none'}`);
  if (!sameShape(got.shape, shape)) throw new ShapeError(`${op}: expected ${what} as [${shape}], got [${got.shape}]`);
}

/** Of each row of a layer norm: mean, 1 / deviation, and what rounding the mean lost, times that. Of an RMS norm: 1 / root mean square. */
const statsType = (x: TensorType, attrs: RowNormAttrs, centered: boolean): TensorType =>
  centered ? f32(rowsOf(x, attrs).rows, 3) : f32(rowsOf(x, attrs).rows);

/** The shape that weight and bias have. */
function checkRow(op: string, x: TensorType, { dims }: RowNormAttrs): readonly number[] {
  expect(op, 'x', x, x.shape);
  if (dims < 1 || dims > x.shape.length) {
    throw new ShapeError(`${op}: expected x of at least ${Math.max(1, dims)} dimensions, got [${x.shape}]`);
  }
  return x.shape.slice(x.shape.length - dims);
}

/** Rows of samples, and their statistics; weight and bias are the same for all. */
function rowSamples(node: Node<RowNormAttrs>, ins: readonly Lies[]): readonly Lies[] {
  const { dims } = node.attrs;
  const [x, ...line] = ins;
  if (line.some((lies) => lies !== null)) throw mixes(node as Node);
  const rank = node.ins[0]!.shape.length;
  const [lies = null] = besides(node as Node, [x ?? null], (axis) => axis >= rank - dims);
  if (!isRows(lies)) return [null, null];
  // Statistics are in the order of rows.
  if (span(node.ins[0]!.shape, 0, lies.axis) !== 1) throw mixes(node as Node);
  const behind = span(node.ins[0]!.shape, lies.axis + 1, rank - dims);
  return [lies, { axis: 0, each: lies.each * behind }];
}

/** What weight and bias get of each sample. @param op the norm, which is computed without them once more */
function gradSamples(op: () => OpDef<RowNormAttrs>): SampleRules<RowNormAttrs> {
  return {
    lies(node, [x = null, , dy = null]) {
      const [lies] = besides(node as Node, [x, dy], (axis) => axis >= node.ins[0]!.shape.length - node.attrs.dims);
      return node.outs.map((_, i) => (i === 0 || !isRows(lies) ? (lies ?? null) : 'sum'));
    },
    summands(node, i, of) {
      const [x, , dy] = node.ins as [Tensor, Tensor, Tensor];
      const { dims, eps, weight } = node.attrs;
      const lies = [of.lies(dy), of.lies(x)].find(isRows)!;
      const normed = (): Tensor => x.graph.add(op(), [x], { dims, eps, weight: false, bias: false }).outs[0]!;
      const each = weight && i === 1 ? mul(dy, normed()) : dy;
      const own = apart(each, lies, of.count);
      const rows = own.shape.map((_, k) => k).slice(1, own.shape.length - dims);
      return sum(own, { axes: rows });
    },
    weighs: 2,
  };
}

function normOp(name: string, centered: boolean, gradient: () => OpDef<RowNormAttrs>): OpDef<RowNormAttrs> {
  return {
    name,
    infer(ins, attrs) {
      const [x, ...affine] = ins as [TensorType, ...TensorType[]];
      const row = checkRow(name, x, attrs);
      if (attrs.weight) expect(name, 'weight', affine[0], row);
      if (attrs.bias) expect(name, 'bias', affine[+attrs.weight], row);
      return [x, statsType(x, attrs, centered)];
    },
    vjp(node, [dy]) {
      if (!dy) return node.ins.map(() => null);
      const [x, weight] = node.ins as [Tensor, Tensor];
      const ins = [x, node.outs[1] as Tensor, dy, ...(node.attrs.weight ? [weight] : [])];
      return [...dy.graph.add(gradient(), ins, node.attrs).outs];
    },
    onnx: (node, b) => [centered ? layerNormOnnx(node, b) : rmsNormOnnx(node, b), null],
    lower: (node) => ({ ints: ints(node), floats: [node.attrs.eps] }),
    cost: (node) => moved(node, 8 * nodeRows(node).rows * nodeRows(node).n),
    inplace: () => [[0, 0]],
    saved: [1],
    light: true,
    ref([y, stats], [x, ...affine], node) {
      const { rows, n } = nodeRows(node);
      const { eps, weight, bias } = node.attrs;
      for (let r = 0; r < rows; r++) {
        const row = Array.from((x as RefArray).subarray(r * n, (r + 1) * n));
        const mean = centered ? row.reduce((a, b) => a + b, 0) / n : 0;
        const scale = 1 / Math.sqrt(row.reduce((a, b) => a + squareOf(b - mean), 0) / n + eps);
        const rounded = Math.fround(mean);
        (stats as RefArray).set(centered ? [rounded, scale, (rounded - mean) * scale] : [scale], centered ? 3 * r : r);
        row.forEach((v, c) => {
          const w = weight ? (affine[0]![c] as number) : 1;
          (y as RefArray)[r * n + c] = (v - mean) * scale * w + (bias ? (affine[+weight]![c] as number) : 0);
        });
      }
    },
    samplesOf: { lies: rowSamples },
    samples: () => SHAPES.map(([shape, attrs]) => sample(shape, attrs, centered)),
  };
}

/** The operator wants a weight. */
function layerNormOnnx(node: Node<RowNormAttrs>, b: OnnxBuilder): OnnxValue {
  const { dims, eps, weight, bias } = node.attrs;
  const [x, ...affine] = node.ins.map((t) => b.value(t)) as [OnnxValue, ...OnnxValue[]];
  const row = b.dims(node.ins[0]!).slice(-dims);
  const ones = (): OnnxValue => b.node('ConstantOfShape', [b.sizes(row)], { value: { tensor: Float32Array.of(1) } });
  const line = [weight ? affine[0]! : ones(), ...(bias ? [affine[+weight]!] : [])];
  return b.node('LayerNormalization', [x, ...line], { axis: -dims, epsilon: { float: eps } });
}

/** An operator of its own from this version on. */
const RMS_NORMALIZATION = 23;

function rmsNormOnnx(node: Node<RowNormAttrs>, b: OnnxBuilder): OnnxValue {
  const { dims, eps, weight, bias } = node.attrs;
  const [x, ...affine] = node.ins.map((t) => b.value(t)) as [OnnxValue, ...OnnxValue[]];
  const plus = (y: OnnxValue): OnnxValue => (bias ? b.node('Add', [y, affine[+weight]!]) : y);
  if (weight && b.opset >= RMS_NORMALIZATION) {
    return plus(b.node('RMSNormalization', [x, affine[0]!], { axis: -dims, epsilon: { float: eps } }));
  }
  const rank = node.ins[0]!.shape.length;
  const axes = Array.from({ length: dims }, (_, i) => rank - dims + i);
  const square = b.reduce('ReduceMean', b.node('Mul', [x, x]), axes, true);
  const y = b.node('Div', [x, b.node('Sqrt', [b.node('Add', [square, b.scalar('f32', eps)])])]);
  return plus(weight ? b.node('Mul', [y, affine[0]!]) : y);
}

/** Inputs x, the statistics, dy, and the weight if there is one; outputs dx, then the gradients of weight and bias, if there are such. */
function normGradOp(name: string, centered: boolean): OpDef<RowNormAttrs> {
  return {
    name,
    infer(ins, attrs) {
      const [x, stats, dy, weight] = ins as [TensorType, TensorType, TensorType, TensorType | undefined];
      const row = checkRow(name, x, attrs);
      expect(name, 'the statistics', stats, statsType(x, attrs, centered).shape);
      expect(name, 'dy', dy, x.shape);
      if (attrs.weight) expect(name, 'weight', weight, row);
      return [x, ...(attrs.weight ? [f32(...row)] : []), ...(attrs.bias ? [f32(...row)] : [])];
    },
    vjp(node, [gx = null, ...rest]) {
      const [x, , dy, weight = null] = node.ins as [Tensor, Tensor, Tensor, Tensor?];
      const { dims, eps, weight: hasWeight, bias } = node.attrs;
      const gw = hasWeight ? rest[0]! : null;
      const gb = bias ? rest[+hasWeight]! : null;
      const axes = Array.from({ length: dims }, (_, i) => i - dims);
      const made = normGradVjp({ x, dy, weight, axes, eps, centered }, [gx, gw, gb]);
      return [made.x, null, made.dy, ...(hasWeight ? [made.weight] : [])];
    },
    lower: (node) => ({ ints: ints(node) }),
    cost: (node) => moved(node, 14 * nodeRows(node).rows * nodeRows(node).n),
    inplace: () => [
      [0, 0],
      [0, 2],
    ],
    ref([dx, ...affine], ins, node) {
      const [x, stats, dy, weight] = ins as [RefArray, RefArray, RefArray, RefArray];
      const { rows, n } = nodeRows(node);
      const { attrs } = node;
      for (const d of affine) d.fill(0);
      for (let r = 0; r < rows; r++) {
        const [mean, scale, lost] = centered ? stats.subarray(3 * r, 3 * r + 3) : [0, stats[r]!, 0];
        const z = Array.from(x.subarray(r * n, (r + 1) * n), (v) => (v - mean!) * scale! + lost!);
        const d = Array.from(dy.subarray(r * n, (r + 1) * n));
        const g = d.map((v, c) => v * (attrs.weight ? (weight[c] as number) : 1));
        const mg = centered ? g.reduce((a, b) => a + b, 0) / n : 0;
        const mz = g.reduce((a, b, c) => a + b * (z[c] as number), 0) / n;
        (dx as RefArray).set(
          g.map((v, c) => scale! * (v - mg - (z[c] as number) * mz)),
          r * n,
        );
        d.forEach((v, c) => {
          if (attrs.weight) (affine[0] as RefArray)[c]! += v * (z[c] as number);
          if (attrs.bias) (affine[+attrs.weight] as RefArray)[c]! += v;
        });
      }
    },
    samplesOf: gradSamples(() => (centered ? LAYER_NORM : RMS_NORM)),
    samples: () =>
      SHAPES.map(([shape, attrs]): Sample<RowNormAttrs> => {
        const x = f32(...shape);
        const row = f32(...shape.slice(shape.length - attrs.dims));
        return {
          ins: [x, statsType(x, attrs, centered), x, ...(attrs.weight ? [row] : [])],
          attrs,
          fill: ['normal', [0.5, 1.5], 'normal'],
          tolerance: 1e-5,
          // Its gradient knows that the statistics are those of x; differences hold them. That of the gradient of the norm: test/kernels/second.test.ts.
          noGradient: true,
        };
      }),
  };
}

const affine = (dims: number, weight: boolean, bias: boolean): RowNormAttrs => ({ dims, eps: 1e-5, weight, bias });
const SHAPES: readonly (readonly [readonly number[], RowNormAttrs])[] = [
  [[3, 7], affine(1, true, true)],
  [[2, 3, 16], affine(1, true, true)],
  [[70, 33], affine(1, true, true)],
  [[4, 3, 5], affine(2, true, true)],
  [[5, 19], affine(1, true, false)],
  [[5, 19], affine(1, false, true)],
  [[2, 40], affine(1, false, false)],
  [[1, 1], affine(1, true, true)],
  [[5], affine(1, true, true)],
  [[0, 4], affine(1, true, true)],
];

function sample(shape: readonly number[], attrs: RowNormAttrs, centered: boolean): Sample<RowNormAttrs> {
  const row = f32(...shape.slice(shape.length - attrs.dims));
  return {
    ins: [f32(...shape), ...(attrs.weight ? [row] : []), ...(attrs.bias ? [row] : [])],
    attrs,
    tolerance: 1e-5,
    // A row of one element is a step function of nothing.
    ...(centered && row.shape.length === 1 && row.shape[0] === 1 && { noGradient: true }),
  };
}

export const LAYER_NORM: OpDef<RowNormAttrs> = normOp('layerNorm', true, () => LAYER_NORM_GRAD);
export const RMS_NORM: OpDef<RowNormAttrs> = normOp('rmsNorm', false, () => RMS_NORM_GRAD);
export const LAYER_NORM_GRAD: OpDef<RowNormAttrs> = normGradOp('layerNormGrad', true);
export const RMS_NORM_GRAD: OpDef<RowNormAttrs> = normGradOp('rmsNormGrad', false);

/** Options of `ops.rmsNorm`. */
export interface RMSNormOptions {
  /** How many of the last dimensions make a row. Default: those of `weight`, else 1. */
  readonly dims?: number;
  /** Factors, of the row's shape. Default null: 1 each. */
  readonly weight?: TensorLike | null;
  /** Added to the mean square. Default 2^-23, the distance from 1 to the next f32, as PyTorch has it. */
  readonly eps?: number;
}
/** Options of `ops.layerNorm`. */
export interface LayerNormOptions extends RMSNormOptions {
  /** What is added, of the row's shape. Default null: nothing. */
  readonly bias?: TensorLike | null;
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
}

const FIELDS = { dims: whole({ min: 1 }).optional(), weight: optionalTensor };
const readLayerNorm = signature(
  'ops.layerNorm',
  { x: tensor },
  options<LayerNormOptions>()({ ...FIELDS, bias: optionalTensor, eps: eps.default(1e-5) }),
);
const readRmsNorm = signature('ops.rmsNorm', { x: tensor }, options<RMSNormOptions>()({ ...FIELDS, eps: eps.default(2 ** -23) }));

function apply(op: OpDef<RowNormAttrs>, read: ReturnType<typeof readLayerNorm>): Tensor {
  const { x: t, weight, bias, eps, dims = Math.max(1, (weight ?? bias)?.shape.length ?? 1) } = read;
  const ins = [t, ...(weight ? [weight] : []), ...(bias ? [bias] : [])];
  return t.graph.add(op, ins, { dims, eps, weight: Boolean(weight), bias: Boolean(bias) }).outs[0] as Tensor;
}

/**
 * `(x - mean) / sqrt(variance + eps) * weight + bias` over the last dimensions of an f32 tensor.
 * @shape x [..., ...row] -> [..., ...row]
 * @throws OptionError; ShapeError if weight or bias has not the shape of a row; DTypeError unless all are f32
 * @see torch.nn.functional.layer_norm
 */
export function layerNorm(x: TensorLike, options: LayerNormOptions = {}): Tensor {
  return apply(LAYER_NORM, readLayerNorm(arguments));
}

/**
 * `x / sqrt(mean(x^2) + eps) * weight` over the last dimensions of an f32 tensor.
 * @shape x [..., ...row] -> [..., ...row]
 * @throws OptionError; ShapeError if the weight has not the shape of a row; DTypeError unless both are f32
 * @see torch.nn.functional.rms_norm
 */
export function rmsNorm(x: TensorLike, options: RMSNormOptions = {}): Tensor {
  return apply(RMS_NORM, { ...readRmsNorm(arguments), bias: null });
}

/** The records of this file. */
export const ROW_NORMS: readonly OpDef<RowNormAttrs>[] = [LAYER_NORM, LAYER_NORM_GRAD, RMS_NORM, RMS_NORM_GRAD];
