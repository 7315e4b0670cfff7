// conv.ts: two-dimensional convolution and its gradients, the records. Kernels: conv.h, conv_weight.h. Public functions: convolve.ts.
import { DTypeError, GraphError, ShapeError } from '../../errors.ts';
import type { Node, Tensor } from '../../ir/graph.ts';
import type { OnnxAttributes } from '../../ir/onnx.ts';
import {
  bytesOf,
  type Cost,
  type LowerContext,
  type OpDef,
  type RefArray,
  sameShape,
  type TensorType,
  typeName,
} from '../../ir/op.ts';
import { toBf16 } from '../../math/bf16.ts';
import { add } from '../elementwise/elementwise.ts';
import { rowOf } from '../elementwise/maps.ts';
import { expectLine, LEAST_PLANE, lineInputs, normalizedRef, planeSumsRef, planeSumsType } from '../norm/normalize.ts';
import { sum } from '../reduce/reduce.ts';
import { broadcastTo, reshape } from '../shape/shape.ts';
import type { ConvAttrs, ConvGradInputAttrs, ConvGradWeightAttrs, Pair } from './conv-attrs.ts';
import { geometries, normalized } from './conv-samples.ts';
import { actIndex } from './matmul.ts';

/** x[n, groups * ci, h, w], weight[groups * co, ci, kh, kw], y[n, groups * co, oh, ow]. */
interface Sizes {
  readonly n: number;
  readonly ci: number;
  readonly co: number;
  readonly h: number;
  readonly w: number;
  readonly oh: number;
  readonly ow: number;
  readonly kh: number;
  readonly kw: number;
}
type Shape4 = readonly [number, number, number, number];

/** Rows (or columns) of the output of a convolution over `size`; below 1 where the kernel is larger than what it runs over. */
export function convOut(size: number, before: number, after: number, kernel: number, stride: number, dilation: number): number {
  return Math.floor((size + before + after - dilation * (kernel - 1) - 1) / stride) + 1;
}

function check4(op: string, what: string, t: TensorType): Shape4 {
  if (t.dtype !== 'f32') throw new DTypeError(`${op}: expected ${what} in f32, got ${typeName(t)}; ops.cast(x, 'f32') converts`);
  if (t.shape.length !== 4) throw new ShapeError(`${op}: expected ${what} of 4 dimensions, got ${typeName(t)}`);
  return t.shape as Shape4;
}

/** Output height and width of x under a kernel. */
function outSize(op: string, [h, w]: Pair, [kh, kw]: Pair, { stride, padding, dilation }: ConvAttrs): [number, number] {
  const [top, left, bottom, right] = padding;
  const oh = convOut(h, top, bottom, kh, stride[0], dilation[0]);
  const ow = convOut(w, left, right, kw, stride[1], dilation[1]);
  if (kh < 1 || kw < 1 || oh < 1 || ow < 1) {
    const reach = [dilation[0] * (kh - 1) + 1, dilation[1] * (kw - 1) + 1];
    const padded = [h + top + bottom, w + left + right];
    throw new ShapeError(
      `${op}: expected a kernel within the padded input of ${padded.join('x')}, got one of ${reach.join('x')}`,
    );
  }
  return [oh, ow];
}

function checkChannels(op: string, groups: number, x: Shape4, w: Shape4): void {
  if (x[1] !== w[1] * groups || w[0] % groups !== 0) {
    const per = groups === 1 ? '' : ` in ${groups} groups`;
    const last =
      x[3] === w[1] * groups ? '; images are [n, channels, height, width]: ops.transpose(x, { axes: [0, 3, 1, 2] })' : '';
    throw new ShapeError(
      `${op}: expected x of ${w[1] * groups} channels and a multiple of ${groups} filters for a weight [${w}]${per}, got x [${x}]${last}`,
    );
  }
}

function checkBias(op: string, bias: TensorType | undefined, channels: number): void {
  if (bias && (bias.dtype !== 'f32' || !sameShape(bias.shape, [channels]))) {
    throw new ShapeError(`${op}: expected a bias f32[${channels}], got ${typeName(bias)}`);
  }
}

const pair = (shape: readonly number[]): Pair => [shape[2] as number, shape[3] as number];

/** Attributes of convolutions of both directions in ONNX. */
const onnxAttributes = ({ stride, dilation, groups }: ConvAttrs, kernel: Pair): OnnxAttributes => ({
  kernel_shape: kernel,
  strides: stride,
  dilations: dilation,
  group: groups,
});

/** The sizes of a node of any of the three ops, whichever of x, weight and y it makes. */
function sizesOf(x: readonly number[], weight: readonly number[], y: readonly number[], groups: number): Sizes {
  const [n, , h, w] = x as Shape4;
  const [filters, ci, kh, kw] = weight as Shape4;
  return { n, ci, co: filters / groups, h, w, oh: y[2] as number, ow: y[3] as number, kh, kw };
}

function ints(s: Sizes, attrs: ConvAttrs, context: LowerContext): number[] {
  const { stride, padding, dilation, groups, act, stats = false, norm, bf16 = false } = attrs;
  const sizes = [s.n, groups, s.ci, s.co, s.h, s.w, s.oh, s.ow, s.kh, s.kw];
  const fused = [actIndex(act, context), +stats, norm ? 1 + +norm.relu : 0];
  return [...sizes, ...stride, ...dilation, padding[0], padding[1], ...fused, +bf16];
}
const floats = ({ norm }: ConvAttrs): number[] => (norm ? [norm.eps] : []);

/** Inputs without those of a normalization, and those. */
function inputsOf<T>(ins: readonly T[], { norm }: ConvAttrs): [own: readonly T[], line: readonly T[]] {
  const own = ins.length - lineInputs(norm);
  return [ins.slice(0, own), ins.slice(own)];
}

/** An operand as it is multiplied. */
const operandRef = (x: RefArray, { bf16 }: ConvAttrs): RefArray => (bf16 ? Float32Array.from(x, toBf16) : x);
/** x as it is multiplied. */
function readRef(ins: readonly RefArray[], attrs: ConvAttrs, space: number): RefArray {
  const line = inputsOf(ins, attrs)[1];
  return operandRef(attrs.norm ? normalizedRef(ins[0]!, line, attrs.norm, space) : ins[0]!, attrs);
}

function costOf(node: Node, s: Sizes, groups: number): Cost {
  const bytes = [...node.ins, ...node.outs].reduce((total, t) => total + bytesOf(t.type), 0);
  const macs = s.n * groups * s.co * s.ci * s.kh * s.kw * s.oh * s.ow;
  return { flops: 2 * macs, bytes, macs };
}

/** Calls `visit` with the positions in x, weight and y of every product that a convolution adds up. */
function eachProduct(s: Sizes, attrs: ConvAttrs, visit: (x: number, w: number, y: number) => void): void {
  const { stride, padding, dilation, groups } = attrs;
  const filters = groups * s.co;
  const taps = s.ci * s.kh * s.kw;
  for (let row = 0; row < s.n * filters * s.oh; row++) {
    const [image, o, i] = [Math.floor(row / (filters * s.oh)), Math.floor(row / s.oh) % filters, row % s.oh];
    for (let tap = 0; tap < taps; tap++) {
      const [c, ky, kx] = [Math.floor(tap / (s.kh * s.kw)), Math.floor(tap / s.kw) % s.kh, tap % s.kw];
      const r = i * stride[0] + ky * dilation[0] - padding[0];
      if (r < 0 || r >= s.h) continue;
      const plane = (image * groups + Math.floor(o / s.co)) * s.ci + c;
      for (let j = 0; j < s.ow; j++) {
        const q = j * stride[1] + kx * dilation[1] - padding[1];
        if (q >= 0 && q < s.w) visit((plane * s.h + r) * s.w + q, o * taps + tap, row * s.ow + j);
      }
    }
  }
}

/** Bias and activation over a finished [n, channels, ...]. */
function finishRef(y: RefArray, bias: RefArray | undefined, act: string | undefined, plane: number, channels: number): void {
  for (let e = 0; e < y.length; e++) {
    const v = (y[e] as number) + (bias ? (bias[Math.floor(e / plane) % channels] as number) : 0);
    y[e] = act ? rowOf(act).of(v, NaN, NaN) : v;
  }
}

const attrsOf = ({ stride, padding, dilation, groups }: ConvAttrs): ConvAttrs => ({ stride, padding, dilation, groups });

function unfused(op: string, attrs: ConvAttrs): void {
  if (attrs.act || attrs.stats || attrs.norm) throw new GraphError(`${op}: the fused form is made after differentiation`);
}

// ---- forward -----------------------------------------------------------------------------------------------------
const forwardSizes = (node: Node<ConvAttrs>): Sizes =>
  sizesOf(node.ins[0]!.shape, node.ins[1]!.shape, node.out.shape, node.attrs.groups);

export const CONV2D: OpDef<ConvAttrs> = {
  name: 'conv2d',
  multiplies: true,
  infer(ins, attrs) {
    const [[x, w, bias], line] = inputsOf(ins, attrs);
    const [xs, ws] = [check4('conv2d', 'x', x!), check4('conv2d', 'a weight', w!)];
    checkChannels('conv2d', attrs.groups, xs, ws);
    checkBias('conv2d', bias, ws[0]);
    expectLine('conv2d', line, xs[1]);
    const [oh, ow] = outSize('conv2d', pair(xs), pair(ws), attrs);
    const y: TensorType = { dtype: 'f32', shape: [xs[0], ws[0], oh, ow] };
    if (attrs.stats && oh * ow < LEAST_PLANE)
      throw new ShapeError(`conv2d: expected planes of ${LEAST_PLANE} or more, got [${oh},${ow}]`);
    return attrs.stats ? [y, planeSumsType(xs[0], ws[0])] : [y];
  },
  vjp(node, [dy]) {
    unfused('conv2d', node.attrs);
    if (!dy) return node.ins.map(() => null);
    const [x, w, bias] = node.ins as [Tensor, Tensor, Tensor | undefined];
    const attrs = attrsOf(node.attrs);
    const dx = dy.graph.add(CONV2D_GRAD_INPUT, [dy, w], { ...attrs, size: pair(x.shape) }).out;
    const dw = dy.graph.add(CONV2D_GRAD_WEIGHT, [x, dy], { ...attrs, kernel: pair(w.shape), bias: bias !== undefined }).outs;
    return [dx, ...dw];
  },
  onnx(node, b) {
    if (node.attrs.act || node.attrs.stats || node.attrs.norm) b.refuse(node, 'the fused form is made by the compiler');
    const { padding } = node.attrs;
    return [
      b.node(
        'Conv',
        node.ins.map((t) => b.value(t)),
        { ...onnxAttributes(node.attrs, pair(node.ins[1]!.shape)), pads: padding },
      ),
    ];
  },
  lower: (node, context) => ({ ints: ints(forwardSizes(node), node.attrs, context), floats: floats(node.attrs) }),
  cost: (node) => costOf(node, forwardSizes(node), node.attrs.groups),
  ref([y, sums], ins, node) {
    const s = forwardSizes(node);
    const [[, w, bias]] = inputsOf(ins, node.attrs);
    const [ya, xa, wa] = [y!, readRef(ins, node.attrs, s.h * s.w), operandRef(w!, node.attrs)];
    ya.fill(0);
    eachProduct(s, node.attrs, (xi, wi, yi) => {
      ya[yi] = (ya[yi] as number) + (xa[xi] as number) * (wa[wi] as number);
    });
    finishRef(ya, bias, node.attrs.act, s.oh * s.ow, s.co * node.attrs.groups);
    if (sums) planeSumsRef(sums, ya, s.co * node.attrs.groups, s.oh * s.ow);
  },
  samples: () => [
    ...geometries(CONV2D.infer).map((g) => ({ ...g.rest, ins: [g.x, g.w, ...g.bias], attrs: { ...g.attrs, ...g.act } })),
    ...normalized(CONV2D.infer, ({ x, w, bias }) => [x, w, ...bias]).map((s, i) => ({
      ...s,
      attrs: { ...s.attrs, stats: i !== 1 },
    })),
  ],
};

// ---- gradient of the input, and transposed convolution -----------------------------------------------------------
const inputSizes = (node: Node<ConvGradInputAttrs>): Sizes =>
  sizesOf(node.out.shape, node.ins[1]!.shape, node.ins[0]!.shape, node.attrs.groups);

/** Inputs dy and weight, and a bias of the channels of x where it is a layer of its own: output dx. */
export const CONV2D_GRAD_INPUT: OpDef<ConvGradInputAttrs> = {
  name: 'conv2dGradInput',
  multiplies: true,
  infer([dy, w, bias], attrs) {
    const op = 'conv2dGradInput';
    const [ys, ws] = [check4(op, 'dy', dy!), check4(op, 'a weight', w!)];
    const [oh, ow] = outSize(op, attrs.size, pair(ws), attrs);
    if (ys[1] !== ws[0] || ws[0] % attrs.groups !== 0 || ys[2] !== oh || ys[3] !== ow) {
      throw new ShapeError(`${op}: expected dy [${ys[0]},${ws[0]},${oh},${ow}] for a weight [${ws}], got [${ys}]`);
    }
    checkBias(op, bias, ws[1] * attrs.groups);
    return [{ dtype: 'f32', shape: [ys[0], ws[1] * attrs.groups, ...attrs.size] }];
  },
  vjp(node, [ddx]) {
    unfused('conv2dGradInput', node.attrs);
    if (!ddx) return node.ins.map(() => null);
    const [dy, w, bias] = node.ins as [Tensor, Tensor, Tensor | undefined];
    const attrs = attrsOf(node.attrs);
    const weight = dy.graph.add(CONV2D_GRAD_WEIGHT, [ddx, dy], { ...attrs, kernel: pair(w.shape), bias: false }).out;
    const ddy = dy.graph.add(CONV2D, [ddx, w], attrs).out;
    return [ddy, weight, ...(bias ? [sum(ddx, { axes: [0, 2, 3] })] : [])];
  },
  onnx(node, b) {
    if (node.attrs.act) b.refuse(node, 'the fused form is made by the compiler');
    const { stride, dilation, padding, size } = node.attrs;
    const [y, w] = node.ins as [Tensor, Tensor];
    // How far what the last window reaches lies beyond the end.
    const beyond = ([0, 1] as const).map((i) => {
      return (y.shape[2 + i]! - 1) * stride[i] + dilation[i] * (w.shape[2 + i]! - 1) + 1 - padding[i] - size[i];
    });
    const pads = [padding[0], padding[1], ...beyond.map((n) => Math.max(0, n))];
    const extra = beyond.map((n) => Math.max(0, -n));
    const [values, bias] = [node.ins.slice(0, 2).map((t) => b.value(t)), node.ins[2]];
    const attributes = { ...onnxAttributes(node.attrs, pair(w.shape)), pads };
    if (extra.every((n, i) => n < stride[i]!)) {
      return [b.node('ConvTranspose', [...values, ...(bias ? [b.value(bias)] : [])], { ...attributes, output_padding: extra })];
    }
    // onnxruntime takes no more than a stride of what no window reaches: such is added after it.
    const reached = b.node('ConvTranspose', values, attributes);
    const padded = b.node('Pad', [reached, b.sizes([0, 0, 0, 0, 0, 0, ...extra]), b.scalar('f32', 0)], { mode: 'constant' });
    return [bias ? b.node('Add', [padded, b.reshape(b.value(bias), [1, bias.shape[0]!, 1, 1])]) : padded];
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
    finishRef(xa, bias, node.attrs.act, s.h * s.w, s.ci * node.attrs.groups);
  },
  samples: () =>
    geometries(CONV2D.infer).map(({ rest, y, w, x, act, ...g }, i) => {
      const bias: TensorType[] = i % 2 ? [{ dtype: 'f32', shape: [x.shape[1]!] }] : [];
      return { ...rest, ins: [y, w, ...bias], attrs: { ...g.attrs, ...act, size: pair(x.shape) } };
    }),
};

// ---- gradient of the weight --------------------------------------------------------------------------------------
const weightSizes = (node: Node<ConvGradWeightAttrs>): Sizes =>
  sizesOf(node.ins[0]!.shape, node.outs[0]!.shape, node.ins[1]!.shape, node.attrs.groups);

/** Inputs x and dy: outputs dw and, with `bias`, the sum of dy of each channel. */
export const CONV2D_GRAD_WEIGHT: OpDef<ConvGradWeightAttrs> = {
  name: 'conv2dGradWeight',
  multiplies: true,
  infer([x, dy, ...line], attrs) {
    const op = 'conv2dGradWeight';
    const [xs, ys] = [check4(op, 'x', x!), check4(op, 'dy', dy!)];
    const [oh, ow] = outSize(op, pair(xs), attrs.kernel, attrs);
    if (xs[0] !== ys[0] || xs[1] % attrs.groups !== 0 || ys[1] % attrs.groups !== 0 || ys[2] !== oh || ys[3] !== ow) {
      throw new ShapeError(`${op}: expected dy [${xs[0]},*,${oh},${ow}] for x [${xs}] in ${attrs.groups} groups, got [${ys}]`);
    }
    expectLine(op, line, xs[1]);
    const dw: TensorType = { dtype: 'f32', shape: [ys[1], xs[1] / attrs.groups, ...attrs.kernel] };
    return attrs.bias ? [dw, { dtype: 'f32', shape: [ys[1]] }] : [dw];
  },
  vjp(node, [ddw, ddb]) {
    unfused('conv2dGradWeight', node.attrs);
    const [x, dy] = node.ins as [Tensor, Tensor];
    const attrs = attrsOf(node.attrs);
    const dx = ddw ? dy.graph.add(CONV2D_GRAD_INPUT, [dy, ddw], { ...attrs, size: pair(x.shape) }).out : null;
    const fromWeight = ddw ? dy.graph.add(CONV2D, [x, ddw], attrs).out : null;
    const fromBias = ddb ? broadcastTo(reshape(ddb, [1, ddb.shape[0]!, 1, 1]), dy.shape) : null;
    return [dx, fromWeight && fromBias ? add(fromWeight, fromBias) : (fromWeight ?? fromBias)];
  },
  lower: (node, context) => ({ ints: ints(weightSizes(node), node.attrs, context), floats: floats(node.attrs) }),
  cost: (node) => costOf(node, weightSizes(node), node.attrs.groups),
  ref([dw, db], ins, node) {
    const s = weightSizes(node);
    const [wa, xa, dy] = [dw!, readRef(ins, node.attrs, s.h * s.w), ins[1]!];
    const ya = operandRef(dy, node.attrs);
    wa.fill(0);
    eachProduct(s, node.attrs, (xi, wi, yi) => {
      wa[wi] = (wa[wi] as number) + (xa[xi] as number) * (ya[yi] as number);
    });
    db?.fill(0);
    if (db) {
      const plane = s.oh * s.ow;
      for (let e = 0; e < dy.length; e++) {
        const c = Math.floor(e / plane) % db.length;
        db[c] = (db[c] as number) + (dy[e] as number);
      }
    }
  },
  samples: () => [
    ...geometries(CONV2D.infer).map(({ rest, x, y, attrs, w }, i) => ({
      ...rest,
      ins: [x, y],
      attrs: { ...attrs, kernel: pair(w.shape), bias: i % 2 === 0 },
    })),
    ...normalized(CONV2D.infer, ({ x, y }) => [x, y]).map(({ attrs, w, ...s }) => ({
      ...s,
      attrs: { ...attrs, kernel: pair(w.shape), bias: false },
    })),
  ],
};
