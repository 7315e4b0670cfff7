// rnn.ts: the RNN with tanh or relu over time as one op, forward and backward. Kernels: rnn.h.

import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { f32, type OpDef, type RefArray, type Sample, type TensorType } from '../../ir/op.ts';
import { byItem } from '../../ir/samples.ts';
import { tanh } from '../../math/index.ts';
import { choice, type Field, options, signature } from '../../options/index.ts';
import { tensor } from '../args.ts';
import { matmul } from '../product/matmul.ts';
import { reshape } from '../shape/shape.ts';
import {
  batchFirst,
  expectRest,
  expectShape,
  FILLS,
  productsWith,
  type RecurrentAttrs,
  type RecurrentOptions,
  type RecurrentStates,
  recurrentCost,
  recurrentFields,
  recurrentInts,
  rowOf,
  SAMPLE_SHAPES,
  type SampleShape,
  sizesOf,
  timesOf,
} from './recurrent.ts';
import { recurrentOnnx } from './recurrent-onnx.ts';

/** What an RNN puts around each sum. */
export type Nonlinearity = 'tanh' | 'relu';
export interface RNNAttrs extends RecurrentAttrs {
  readonly nonlinearity: Nonlinearity;
}
const relu = (attrs: RNNAttrs): boolean => attrs.nonlinearity === 'relu';

/** Inputs x[B,T,H], h0[B,H], whh[H,H], lengths; outputs hs[B,T,H] and the last state [B,H]. */
export const RNN: OpDef<RNNAttrs> = {
  name: 'rnn',
  onnx(node, b) {
    const [x, h0, weight, lengths = null] = node.ins as [Tensor, Tensor, Tensor, Tensor?];
    const attributes = { activations: [relu(node.attrs) ? 'Relu' : 'Tanh'] };
    return recurrentOnnx(node, b, { operator: 'RNN', gates: [0], attributes }, { x, initial: [h0], weight, bias: null, lengths });
  },
  multiplies: true,
  infer(ins, { lengths }) {
    const [x, h0, whh] = ins as [TensorType, TensorType, TensorType];
    const { batch, steps, hidden } = batchFirst('rnn', 'the projected input', x);
    expectShape('rnn', 'h0', h0, [batch, hidden]);
    expectShape('rnn', 'the recurrent weight', whh, [hidden, hidden]);
    expectRest('rnn', ins, 3, [], lengths ? batch : null);
    return [f32(batch, steps, hidden), f32(batch, hidden)];
  },
  vjp(node, [dhs, dlast]) {
    const none = node.ins.map(() => null);
    if (!dhs && !dlast) return none;
    const [, h0, whh, ...lengths] = node.ins as [Tensor, Tensor, Tensor, ...Tensor[]];
    const hs = node.outs[0] as Tensor;
    const { batch, steps, hidden } = sizesOf(hs.type);
    const grads = [dhs, dlast].filter((d): d is Tensor => d !== null && d !== undefined);
    const attrs = { ...node.attrs, states: Boolean(dhs), last: Boolean(dlast) };
    const [dz, dh0, before] = hs.graph.add(RNN_GRAD, [hs, h0, whh, ...grads, ...lengths], attrs).outs as [Tensor, Tensor, Tensor];
    // One product over batch and time, so that what follows a matmul (a sum of squares) can be fused into it.
    const rows = [batch * steps, hidden];
    const dwhh = matmul(reshape(dz, rows), reshape(before, rows), { transA: true });
    return [dz, dh0, dwhh, ...none.slice(3)];
  },
  lower: (node) => ({ ints: [...recurrentInts(sizesOf((node.outs[0] as Tensor).type), node.attrs), +relu(node.attrs)] }),
  cost: (node) => recurrentCost(node, sizesOf((node.outs[0] as Tensor).type), 1),
  inplace: () => [[0, 0]],
  ref([hs, last], [x, h0, whh, lengths], node) {
    const sizes = sizesOf((node.outs[0] as Tensor).type);
    const { steps, hidden } = sizes;
    const act = relu(node.attrs) ? (v: number) => Math.max(0, v) : tanh;
    (hs as RefArray).fill(0);
    const products = productsWith(whh as RefArray, node.attrs);
    timesOf(sizes, node.attrs, lengths).forEach((times, b) => {
      let h = rowOf(h0 as RefArray, b, hidden);
      for (const t of times) {
        const xs = rowOf(x as RefArray, b * steps + t, hidden);
        h = products.forward(h, hidden).map((z, j) => act(z + (xs[j] as number)));
        (hs as RefArray).set(h, (b * steps + t) * hidden);
      }
      (last as RefArray).set(h, b * hidden);
    });
  },
  samplesOf: { lies: byItem },
  samples: () => [...SAMPLE_SHAPES.map((s) => sample(s, 'tanh')), ...SAMPLE_SHAPES.slice(1, 5).map((s) => sample(s, 'relu'))],
};

function sample({ batch, steps, hidden, attrs }: SampleShape, nonlinearity: Nonlinearity): Sample<RNNAttrs> {
  return {
    ins: [
      f32(batch, steps, hidden),
      f32(batch, hidden),
      f32(hidden, hidden),
      ...(attrs.lengths ? [{ dtype: 'i32', shape: [batch] } as const] : []),
    ],
    attrs: { ...attrs, nonlinearity },
    fill: ['normal', FILLS.state, FILLS.weight(hidden), FILLS.lengths(steps)],
    tolerance: 1e-5,
    ...(batch * hidden > 1000 || nonlinearity === 'relu' || attrs.bf16 ? { noGradient: true } : {}),
  };
}

/** Which of the outputs of `rnn` a gradient reaches. */
export interface RNNGradAttrs extends RNNAttrs {
  readonly states: boolean;
  readonly last: boolean;
}
/**
 * Inputs hs, h0, whh, then dhs and dlast as the attributes say, lengths. Outputs dz[B,T,H] (before the activation, so of x too),
 * dh0[B,H], and the state before each step, [B,T,H]: the gradient of whh is their product.
 */
export const RNN_GRAD: OpDef<RNNGradAttrs> = {
  name: 'rnnGrad',
  multiplies: true,
  infer(ins, { states, last, lengths }) {
    const [hs, h0, whh] = ins as [TensorType, TensorType, TensorType];
    const { batch, steps, hidden } = batchFirst('rnnGrad', 'the states', hs);
    expectShape('rnnGrad', 'h0', h0, [batch, hidden]);
    expectShape('rnnGrad', 'the recurrent weight', whh, [hidden, hidden]);
    expectRest('rnnGrad', ins, 3, [...(states ? [hs.shape] : []), ...(last ? [[batch, hidden]] : [])], lengths ? batch : null);
    return [f32(batch, steps, hidden), f32(batch, hidden), f32(batch, steps, hidden)];
  },
  lower({ attrs, outs }) {
    return { ints: [...recurrentInts(sizesOf((outs[0] as Tensor).type), attrs), +relu(attrs), +attrs.states, +attrs.last] };
  },
  cost: (node) => recurrentCost(node, sizesOf((node.outs[0] as Tensor).type), 1),
  inplace: ({ attrs }) => [[2, 0], ...(attrs.states ? [[0, 3] as const] : [])],
  ref([dz, dh0, before], [hs, h0, whh, ...rest], node) {
    const sizes = sizesOf((node.outs[0] as Tensor).type);
    const { steps, hidden } = sizes;
    const { states, last, lengths } = node.attrs;
    const dhs = states ? rest[0] : undefined;
    const dlast = last ? rest[+states] : undefined;
    (dz as RefArray).fill(0);
    (before as RefArray).fill(0);
    const products = productsWith(whh as RefArray, node.attrs);
    timesOf(sizes, node.attrs, lengths ? rest.at(-1) : undefined).forEach((times, b) => {
      let dh = dlast ? rowOf(dlast, b, hidden) : new Array<number>(hidden).fill(0);
      for (let s = times.length - 1; s >= 0; s--) {
        const row = b * steps + (times[s] as number);
        const y = rowOf(hs as RefArray, row, hidden);
        const slope = (v: number): number => (relu(node.attrs) ? +(v > 0) : 1 - v * v);
        const d = dh.map((v, j) => (v + (dhs?.[row * hidden + j] ?? 0)) * slope(y[j] as number));
        (dz as RefArray).set(d, row * hidden);
        const from =
          s === 0 ? rowOf(h0 as RefArray, b, hidden) : rowOf(hs as RefArray, b * steps + (times[s - 1] as number), hidden);
        (before as RefArray).set(from, row * hidden);
        dh = products.back(d, hidden);
      }
      (dh0 as RefArray).set(dh, b * hidden);
    });
  },
  samplesOf: { lies: byItem },
  samples: () =>
    SAMPLE_SHAPES.flatMap((s, i) => [
      gradSample(s, { ...s.attrs, nonlinearity: i % 2 ? 'relu' : 'tanh', states: i % 3 !== 1, last: i % 3 !== 2 }),
    ]),
};

function gradSample({ batch, steps, hidden }: SampleShape, attrs: RNNGradAttrs): Sample<RNNGradAttrs> {
  const hs = f32(batch, steps, hidden);
  const grads = [...(attrs.states ? [hs] : []), ...(attrs.last ? [f32(batch, hidden)] : [])];
  return {
    ins: [
      hs,
      f32(batch, hidden),
      f32(hidden, hidden),
      ...grads,
      ...(attrs.lengths ? [{ dtype: 'i32', shape: [batch] } as const] : []),
    ],
    attrs,
    fill: [FILLS.state, 'normal', FILLS.weight(hidden), ...grads.map(() => 'normal' as const), FILLS.lengths(steps)],
    tolerance: 1e-5,
  };
}

/** Options of `ops.rnn`. */
export interface RNNOptions extends RecurrentOptions {
  /** What is put around each sum. Default 'tanh'. */
  readonly nonlinearity?: Nonlinearity;
}

export const nonlinearity: Field<Nonlinearity, Nonlinearity, false> = choice<Nonlinearity>('tanh', 'relu').default('tanh');
const readRnn = signature(
  'ops.rnn',
  { x: tensor, h0: tensor, whh: tensor },
  options<RNNOptions>()({ ...recurrentFields, nonlinearity }),
);

/**
 * The RNN over time: h_t = tanh(x_t + whh h_(t-1)), from h_0 = `h0`. `x` is the input already projected, biases added
 * (a matmul over all steps at once); `whh` is `weight_hh_l0` of PyTorch. The whole loop is one instruction. A length
 * above time ends the run with an IndexError.
 * @shape x f32 [batch, time, hidden], h0 [batch, hidden], whh [hidden, hidden] -> { states [batch, time,
 * hidden], last [batch, hidden] }
 * @throws OptionError; ShapeError or DTypeError if the operands do not fit
 * @see torch.nn.RNN
 */
export function rnn(x: TensorLike, h0: TensorLike, whh: TensorLike, options: RNNOptions = {}): RecurrentStates {
  const { x: t, h0: h, whh: w, lengths, reverse, nonlinearity } = readRnn(arguments);
  const ins = [t, h, w, ...(lengths ? [lengths] : [])];
  const [states, last] = t.graph.add(RNN, ins, { reverse, lengths: lengths !== null, nonlinearity }).outs as [Tensor, Tensor];
  return { states, last };
}
