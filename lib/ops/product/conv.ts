// conv.ts: convolution of images and of volumes and its gradients, the records. Kernels: conv.h, conv_weight.h. Public functions: convolve.ts.

import { GraphError, ShapeError } from '../../errors.ts';
import type { Node, Tensor } from '../../ir/graph.ts';
import type { OnnxAttributes } from '../../ir/onnx.ts';
import { bytesOf, type Cost, type OpDef, type RefArray, sizeOf, type TensorType } from '../../ir/op.ts';
import { byItem, isRows, type Lies, mixes, type SampleRules } from '../../ir/samples.ts';
import { toBf16 } from '../../math/bf16.ts';
import { add } from '../elementwise/elementwise.ts';
import { rowSquares } from '../gradient/row-squares.ts';
import { expectLine, LEAST_PLANE, lineInputs, normalizedRef, planeSumsRef, planeSumsType } from '../norm/normalize.ts';
import { sum } from '../reduce/reduce.ts';
import { concat } from '../shape/concat.ts';
import { broadcastTo, reshape, transpose } from '../shape/shape.ts';
import { slice } from '../shape/slice.ts';
import { apart } from '../summands.ts';
import type { ConvAttrs, ConvGradInputAttrs, ConvGradWeightAttrs } from './conv-attrs.ts';
import {
  checkBias,
  checkChannels,
  eachProduct,
  expectSpace,
  finishRef,
  ints,
  outSize,
  type Sizes,
  sizesOf,
  space,
  volume,
} from './conv-geometry.ts';
import { geometries, normalized } from './conv-samples.ts';

/** Attributes of convolutions of both directions in ONNX. */
const onnxAttributes = ({ stride, dilation, groups }: ConvAttrs, kernel: readonly number[]): OnnxAttributes => ({
  kernel_shape: kernel,
  strides: stride,
  dilations: dilation,
  group: groups,
});

const floats = ({ norm }: ConvAttrs): number[] => (norm ? [norm.eps] : []);

/** Inputs without those of a normalization, and those. */
function inputsOf<T>(ins: readonly T[], { norm }: ConvAttrs): [own: readonly T[], line: readonly T[]] {
  const own = ins.length - lineInputs(norm);
  return [ins.slice(0, own), ins.slice(own)];
}

/** An operand as it is multiplied. */
const operandRef = (x: RefArray, { bf16 }: ConvAttrs): RefArray => (bf16 ? Float32Array.from(x, toBf16) : x);
/** x as it is multiplied. */
function readRef(ins: readonly RefArray[], attrs: ConvAttrs, size: number): RefArray {
  const line = inputsOf(ins, attrs)[1];
  return operandRef(attrs.norm ? normalizedRef(ins[0]!, line, attrs.norm, size) : ins[0]!, attrs);
}

function costOf(node: Node, s: Sizes, groups: number): Cost {
  const bytes = [...node.ins, ...node.outs].reduce((total, t) => total + bytesOf(t.type), 0);
  const macs = s.n * groups * s.co * s.ci * volume(s.kernel) * volume(s.y);
  return { flops: 2 * macs, bytes, macs };
}

const attrsOf = ({ stride, padding, dilation, groups }: ConvAttrs): ConvAttrs => ({ stride, padding, dilation, groups });

function unfused(op: string, attrs: ConvAttrs): void {
  if (attrs.act || attrs.stats || attrs.norm) throw new GraphError(`${op}: the fused form is made after differentiation`);
}
/** A batch norm takes part in convolutions of images alone. */
function expectImages(op: string, dims: number, { stats, norm }: ConvAttrs): void {
  if (dims !== 2 && (stats || norm)) throw new GraphError(`${op}: the form fused with a batch norm is of images`);
}

/** Images know nothing of each other; a weight is the same for all. */
function convSamples(node: Node<ConvAttrs>, ins: readonly Lies[], count: number): readonly Lies[] {
  if (ins[1] !== null) throw mixes(node as Node);
  return byItem(node as Node, ins, count);
}

/** The gradients of the weight of so many samples: the images of each become groups of channels of one image. */
function weightsOf(
  { attrs, outs }: Node<ConvGradWeightAttrs>,
  op: OpDef<ConvGradWeightAttrs>,
  [x, dy]: readonly [Tensor, Tensor],
  count: number,
): Tensor {
  const each = x.shape[0]! / count;
  const channels = (t: Tensor): Tensor => {
    const own = apart(t, { axis: 0, each }, count);
    const inFront = transpose(own, { axes: [1, 0, ...own.shape.map((_, k) => k).slice(2)] });
    return reshape(inFront, [each, count * t.shape[1]!, ...own.shape.slice(3)]);
  };
  const grouped = { ...attrs, groups: count * attrs.groups, bias: false };
  const [dw] = dy.graph.add(op, [channels(x), channels(dy)], grouped).outs;
  return reshape(dw!, [count, ...outs[0]!.shape]);
}

/** What a weight and a bias get of each sample. */
function weightSamples(op: () => OpDef<ConvGradWeightAttrs>): SampleRules<ConvGradWeightAttrs> {
  return {
    lies(node, ins) {
      const found = ins.filter(isRows);
      if (ins.includes('sum') || found.some(({ axis }) => axis !== 0)) throw mixes(node as Node);
      return node.outs.map(() => (found.length > 0 ? 'sum' : null));
    },
    summands(node, i, of) {
      const [x, dy] = node.ins as [Tensor, Tensor];
      const each = x.shape[0]! / of.count;
      if (i === 0) return weightsOf(node, op(), [x, dy], of.count);
      return sum(apart(dy, { axis: 0, each }, of.count), { axes: dy.shape.map((_, k) => k + 1).filter((k) => k !== 2) });
    },
    // Some samples after the others, so that their weights take no more room than their images.
    sampleNorm(node, i, of) {
      const [x, dy] = node.ins as [Tensor, Tensor];
      const room = of.count * sizeOf(node.outs[0]!.shape);
      const parts = Math.min(of.count, Math.ceil((4 * room) / Math.max(1, sizeOf(x.shape) + sizeOf(dy.shape))));
      if (i === 1 || parts === 1) return null;
      const each = x.shape[0]! / of.count;
      const bounds = Array.from({ length: parts + 1 }, (_, k) => Math.floor((k * of.count) / parts));
      const squares = bounds.slice(1).map((end, k) => {
        const own = (t: Tensor): Tensor => slice(t, { axis: 0, start: bounds[k]! * each, end: end * each });
        return rowSquares(weightsOf(node, op(), [own(x), own(dy)], end - bounds[k]!));
      });
      return concat(squares);
    },
    weighs: 1,
  };
}

/** The three ops over so many dimensions. */
interface Convolutions {
  readonly forward: OpDef<ConvAttrs>;
  /** Inputs dy and weight, and a bias of the channels of x where it is a layer of its own: output dx. */
  readonly gradInput: OpDef<ConvGradInputAttrs>;
  /** Inputs x and dy: outputs dw and, with `bias`, the sum of dy of each channel. */
  readonly gradWeight: OpDef<ConvGradWeightAttrs>;
}

function convolutions(name: string, dims: 2 | 3): Convolutions {
  // ---- forward ---------------------------------------------------------------------------------------------------
  const forwardSizes = (node: Node<ConvAttrs>): Sizes =>
    sizesOf(node.ins[0]!.shape, node.ins[1]!.shape, node.out.shape, node.attrs.groups);

  const forward: OpDef<ConvAttrs> = {
    name,
    multiplies: true,
    infer(ins, attrs) {
      const [[x, w, bias], line] = inputsOf(ins, attrs);
      const [xs, ws] = [expectSpace(name, 'x', x!, dims), expectSpace(name, 'a weight', w!, dims)];
      checkChannels(name, attrs.groups, xs, ws);
      checkBias(name, bias, ws[0]!);
      expectImages(name, dims, attrs);
      expectLine(name, line, xs[1]!);
      const out = outSize(name, space(xs), space(ws), attrs);
      const y: TensorType = { dtype: 'f32', shape: [xs[0]!, ws[0]!, ...out] };
      if (attrs.stats && out[0]! * out[1]! < LEAST_PLANE)
        throw new ShapeError(`${name}: expected planes of ${LEAST_PLANE} or more, got [${out}]`);
      return attrs.stats ? [y, planeSumsType(xs[0]!, ws[0]!)] : [y];
    },
    vjp(node, [dy]) {
      unfused(name, node.attrs);
      if (!dy) return node.ins.map(() => null);
      const [x, w, bias] = node.ins as [Tensor, Tensor, Tensor | undefined];
      const attrs = attrsOf(node.attrs);
      const dx = dy.graph.add(gradInput, [dy, w], { ...attrs, size: space(x.shape) }).out;
      const dw = dy.graph.add(gradWeight, [x, dy], { ...attrs, kernel: space(w.shape), bias: bias !== undefined }).outs;
      return [dx, ...dw];
    },
    onnx(node, b) {
      if (node.attrs.act || node.attrs.stats || node.attrs.norm) b.refuse(node, 'the fused form is made by the compiler');
      const { padding } = node.attrs;
      return [
        b.node(
          'Conv',
          node.ins.map((t) => b.value(t)),
          { ...onnxAttributes(node.attrs, space(node.ins[1]!.shape)), pads: padding },
        ),
      ];
    },
    lower: (node, context) => ({ ints: ints(forwardSizes(node), node.attrs, context), floats: floats(node.attrs) }),
    cost: (node) => costOf(node, forwardSizes(node), node.attrs.groups),
    ref([y, sums], ins, node) {
      const s = forwardSizes(node);
      const [[, w, bias]] = inputsOf(ins, node.attrs);
      const [ya, xa, wa] = [y!, readRef(ins, node.attrs, volume(s.x)), operandRef(w!, node.attrs)];
      ya.fill(0);
      eachProduct(s, node.attrs, (xi, wi, yi) => {
        ya[yi] = (ya[yi] as number) + (xa[xi] as number) * (wa[wi] as number);
      });
      finishRef(ya, bias, node.attrs.act, volume(s.y), s.co * node.attrs.groups);
      if (sums) planeSumsRef(sums, ya, s.co * node.attrs.groups, volume(s.y));
    },
    samplesOf: { lies: convSamples },
    samples: () => [
      ...geometries(forward.infer, dims).map((g) => ({
        ...g.rest,
        ins: [g.x, g.w, ...g.bias],
        attrs: { ...g.attrs, ...g.act },
      })),
      ...normalized(forward.infer, dims, ({ x, w, bias }) => [x, w, ...bias]).map((s, i) => ({
        ...s,
        attrs: { ...s.attrs, stats: i !== 1 },
      })),
    ],
  };

  // ---- gradient of the input, and transposed convolution ---------------------------------------------------------
  const ofInput = `${name}GradInput`;
  const inputSizes = (node: Node<ConvGradInputAttrs>): Sizes =>
    sizesOf(node.out.shape, node.ins[1]!.shape, node.ins[0]!.shape, node.attrs.groups);

  const gradInput: OpDef<ConvGradInputAttrs> = {
    name: ofInput,
    multiplies: true,
    infer([dy, w, bias], attrs) {
      const [ys, ws] = [expectSpace(ofInput, 'dy', dy!, dims), expectSpace(ofInput, 'a weight', w!, dims)];
      expectImages(ofInput, dims, attrs);
      const out = outSize(ofInput, attrs.size, space(ws), attrs);
      if (ys[1] !== ws[0] || ws[0]! % attrs.groups !== 0 || out.some((size, i) => size !== ys[2 + i])) {
        throw new ShapeError(`${ofInput}: expected dy [${[ys[0], ws[0], ...out]}] for a weight [${ws}], got [${ys}]`);
      }
      checkBias(ofInput, bias, ws[1]! * attrs.groups);
      return [{ dtype: 'f32', shape: [ys[0]!, ws[1]! * attrs.groups, ...attrs.size] }];
    },
    vjp(node, [ddx]) {
      unfused(ofInput, node.attrs);
      if (!ddx) return node.ins.map(() => null);
      const [dy, w, bias] = node.ins as [Tensor, Tensor, Tensor | undefined];
      const attrs = attrsOf(node.attrs);
      const weight = dy.graph.add(gradWeight, [ddx, dy], { ...attrs, kernel: space(w.shape), bias: false }).out;
      const ddy = dy.graph.add(forward, [ddx, w], attrs).out;
      const axes = ddx.shape.map((_, i) => i).filter((i) => i !== 1);
      return [ddy, weight, ...(bias ? [sum(ddx, { axes })] : [])];
    },
    onnx(node, b) {
      if (node.attrs.act) b.refuse(node, 'the fused form is made by the compiler');
      const { stride, dilation, padding, size } = node.attrs;
      const [y, w] = node.ins as [Tensor, Tensor];
      // How far what the last window reaches lies beyond the end.
      const beyond = size.map((n, i) => {
        return (y.shape[2 + i]! - 1) * stride[i]! + dilation[i]! * (w.shape[2 + i]! - 1) + 1 - padding[i]! - n;
      });
      const pads = [...padding.slice(0, dims), ...beyond.map((n) => Math.max(0, n))];
      const extra = beyond.map((n) => Math.max(0, -n));
      const [values, bias] = [node.ins.slice(0, 2).map((t) => b.value(t)), node.ins[2]];
      const attributes = { ...onnxAttributes(node.attrs, space(w.shape)), pads };
      if (extra.every((n, i) => n < stride[i]!)) {
        return [b.node('ConvTranspose', [...values, ...(bias ? [b.value(bias)] : [])], { ...attributes, output_padding: extra })];
      }
      // onnxruntime takes no more than a stride of what no window reaches: such is added after it.
      const reached = b.node('ConvTranspose', values, attributes);
      const none = Array.from({ length: dims + 4 }, () => 0);
      const padded = b.node('Pad', [reached, b.sizes([...none, ...extra]), b.scalar('f32', 0)], { mode: 'constant' });
      const across = size.map(() => 1);
      return [bias ? b.node('Add', [padded, b.reshape(b.value(bias), [1, bias.shape[0]!, ...across])]) : padded];
    },
    lower: (node, context) => ({ ints: ints(inputSizes(node), node.attrs, context) }),
    cost: (node) => costOf(node, inputSizes(node), node.attrs.groups),
    ref([dx], [dy, w, bias], node) {
      const [xa, ya, wa] = [dx!, operandRef(dy!, node.attrs), operandRef(w!, node.attrs)];
      const s = inputSizes(node);
      xa.fill(0);
      eachProduct(s, node.attrs, (xi, wi, yi) => {
        xa[xi] = (xa[xi] as number) + (ya[yi] as number) * (wa[wi] as number);
      });
      finishRef(xa, bias, node.attrs.act, volume(s.x), s.ci * node.attrs.groups);
    },
    samplesOf: { lies: convSamples },
    samples: () =>
      geometries(forward.infer, dims).map(({ rest, y, w, x, act, ...g }, i) => {
        const bias: TensorType[] = i % 2 ? [{ dtype: 'f32', shape: [x.shape[1]!] }] : [];
        return { ...rest, ins: [y, w, ...bias], attrs: { ...g.attrs, ...act, size: space(x.shape) } };
      }),
  };

  // ---- gradient of the weight ------------------------------------------------------------------------------------
  const ofWeight = `${name}GradWeight`;
  const weightSizes = (node: Node<ConvGradWeightAttrs>): Sizes =>
    sizesOf(node.ins[0]!.shape, node.outs[0]!.shape, node.ins[1]!.shape, node.attrs.groups);

  const gradWeight: OpDef<ConvGradWeightAttrs> = {
    name: ofWeight,
    multiplies: true,
    infer([x, dy, ...line], attrs) {
      const [xs, ys] = [expectSpace(ofWeight, 'x', x!, dims), expectSpace(ofWeight, 'dy', dy!, dims)];
      const { groups } = attrs;
      expectImages(ofWeight, dims, attrs);
      const out = outSize(ofWeight, space(xs), attrs.kernel, attrs);
      if (xs[0] !== ys[0] || xs[1]! % groups !== 0 || ys[1]! % groups !== 0 || out.some((size, i) => size !== ys[2 + i])) {
        throw new ShapeError(`${ofWeight}: expected dy [${xs[0]},*,${out}] for x [${xs}] in ${groups} groups, got [${ys}]`);
      }
      expectLine(ofWeight, line, xs[1]!);
      const dw: TensorType = { dtype: 'f32', shape: [ys[1]!, xs[1]! / groups, ...attrs.kernel] };
      return attrs.bias ? [dw, { dtype: 'f32', shape: [ys[1]!] }] : [dw];
    },
    vjp(node, [ddw, ddb]) {
      unfused(ofWeight, node.attrs);
      const [x, dy] = node.ins as [Tensor, Tensor];
      const attrs = attrsOf(node.attrs);
      const dx = ddw ? dy.graph.add(gradInput, [dy, ddw], { ...attrs, size: space(x.shape) }).out : null;
      const fromWeight = ddw ? dy.graph.add(forward, [x, ddw], attrs).out : null;
      const across = space(dy.shape).map(() => 1);
      const fromBias = ddb ? broadcastTo(reshape(ddb, [1, ddb.shape[0]!, ...across]), dy.shape) : null;
      return [dx, fromWeight && fromBias ? add(fromWeight, fromBias) : (fromWeight ?? fromBias)];
    },
    lower: (node, context) => ({ ints: ints(weightSizes(node), node.attrs, context), floats: floats(node.attrs) }),
    cost: (node) => costOf(node, weightSizes(node), node.attrs.groups),
    ref([dw, db], ins, node) {
      const s = weightSizes(node);
      const [wa, xa, dy] = [dw!, readRef(ins, node.attrs, volume(s.x)), ins[1]!];
      const ya = operandRef(dy, node.attrs);
      wa.fill(0);
      eachProduct(s, node.attrs, (xi, wi, yi) => {
        wa[wi] = (wa[wi] as number) + (xa[xi] as number) * (ya[yi] as number);
      });
      db?.fill(0);
      if (db) {
        const size = volume(s.y);
        for (let e = 0; e < dy.length; e++) {
          const c = Math.floor(e / size) % db.length;
          db[c] = (db[c] as number) + (dy[e] as number);
        }
      }
    },
    samplesOf: weightSamples(() => gradWeight),
    samples: () => [
      ...geometries(forward.infer, dims).map(({ rest, x, y, attrs, w }, i) => ({
        ...rest,
        ins: [x, y],
        attrs: { ...attrs, kernel: space(w.shape), bias: i % 2 === 0 },
      })),
      ...normalized(forward.infer, dims, ({ x, y }) => [x, y]).map(({ attrs, w, ...s }) => ({
        ...s,
        attrs: { ...attrs, kernel: space(w.shape), bias: false },
      })),
    ],
  };
  return { forward, gradInput, gradWeight };
}

const images = convolutions('conv2d', 2);
const volumes = convolutions('conv3d', 3);
export const CONV2D: OpDef<ConvAttrs> = images.forward;
export const CONV2D_GRAD_INPUT: OpDef<ConvGradInputAttrs> = images.gradInput;
export const CONV2D_GRAD_WEIGHT: OpDef<ConvGradWeightAttrs> = images.gradWeight;
export const CONV3D: OpDef<ConvAttrs> = volumes.forward;
export const CONV3D_GRAD_INPUT: OpDef<ConvGradInputAttrs> = volumes.gradInput;

/** The records of this file. */
// biome-ignore lint/suspicious/noExplicitAny: as in index.ts
export const CONVOLUTIONS: readonly OpDef<any>[] = [images, volumes].flatMap((c) => [c.forward, c.gradInput, c.gradWeight]);
