// gru.ts: the GRU over time as one op, forward and backward. Kernels: gru.h.

import { GraphError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { f32, type OpDef, type RefArray, type Sample, type TensorType } from '../../ir/op.ts';
import { byItem } from '../../ir/samples.ts';
import { squareOf, tanh } from '../../math/index.ts';
import { options, signature } from '../../options/index.ts';
import { tensor } from '../args.ts';
import { matmul } from '../product/matmul.ts';
import { sum } from '../reduce/reduce.ts';
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
  sigmoid,
  sizesOf,
  timesOf,
} from './recurrent.ts';
import { KINDS, recurrentOnnx } from './recurrent-onnx.ts';

const GATES = 3;

/**
 * Inputs x[B,T,3H], h0[B,H], whh[3H,H], bias[3H], lengths; outputs hs[B,T,H], the last state [B,H], and what the backward pass needs:
 * gates[B,T,3H] (after their activations) and inner[B,T,H], the part of n before r multiplies it. Those two have no gradient.
 */
export const GRU: OpDef<RecurrentAttrs> = {
  name: 'gru',
  onnx(node, b) {
    const [x, h0, weight, bias, lengths = null] = node.ins as [Tensor, Tensor, Tensor, Tensor, Tensor?];
    return [...recurrentOnnx(node, b, KINDS.gru, { x, initial: [h0], weight, bias, lengths }), null, null];
  },
  multiplies: true,
  infer(ins, { lengths }) {
    const [x, h0, whh, bias] = ins as [TensorType, TensorType, TensorType, TensorType];
    const { batch, steps, hidden } = batchFirst('gru', 'the projected input', x, GATES);
    expectShape('gru', 'h0', h0, [batch, hidden]);
    expectShape('gru', 'the recurrent weight', whh, [GATES * hidden, hidden]);
    expectShape('gru', 'the recurrent bias', bias, [GATES * hidden]);
    expectRest('gru', ins, 4, [], lengths ? batch : null);
    const states = f32(batch, steps, hidden);
    return [states, f32(batch, hidden), x, states];
  },
  vjp(node, [dhs, dlast, ...own]) {
    const none = node.ins.map(() => null);
    if (own.some((d) => d)) throw new GraphError('gru: gates and inner are for its own backward pass; they have no gradient');
    if (!dhs && !dlast) return none;
    const [, h0, whh, , ...lengths] = node.ins as [Tensor, Tensor, Tensor, Tensor, ...Tensor[]];
    const [hs, , gates, inner] = node.outs as [Tensor, Tensor, Tensor, Tensor];
    const { batch, steps, hidden } = sizesOf(hs.type);
    const grads = [dhs, dlast].filter((d): d is Tensor => d !== null && d !== undefined);
    const attrs = { ...node.attrs, states: Boolean(dhs), last: Boolean(dlast) };
    const ins = [hs, h0, whh, gates, inner, ...grads, ...lengths];
    const [dx, dhh, dh0, before] = hs.graph.add(GRU_GRAD, ins, attrs).outs as [Tensor, Tensor, Tensor, Tensor];
    const flat = reshape(dhh, [batch * steps, GATES * hidden]);
    const dwhh = matmul(flat, reshape(before, [batch * steps, hidden]), { transA: true });
    return [dx, dh0, dwhh, sum(flat, { axes: 0 }), ...none.slice(4)];
  },
  lower: (node) => ({ ints: recurrentInts(sizesOf((node.outs[0] as Tensor).type), node.attrs) }),
  cost: (node) => recurrentCost(node, sizesOf((node.outs[0] as Tensor).type), GATES),
  inplace: () => [[2, 0]],
  ref([hs, last, gates, inner], [x, h0, whh, bias, lengths], node) {
    const sizes = sizesOf((node.outs[0] as Tensor).type);
    const { steps, hidden } = sizes;
    for (const out of [hs, gates, inner]) (out as RefArray).fill(0);
    const products = productsWith(whh as RefArray, node.attrs);
    timesOf(sizes, node.attrs, lengths).forEach((times, b) => {
      let h = rowOf(h0 as RefArray, b, hidden);
      for (const t of times) {
        const row = b * steps + t;
        const xs = rowOf(x as RefArray, row, GATES * hidden);
        const z = products.forward(h, GATES * hidden).map((v, j) => v + ((bias as RefArray)[j] as number));
        const both = z.map((v, j) => v + (xs[j] as number)).slice(0, 2 * hidden);
        const own = z.slice(2 * hidden);
        const ru = both.map(sigmoid);
        const n = own.map((v, j) => tanh((xs[2 * hidden + j] as number) + (ru[j] as number) * v));
        h = h.map((v, j) => (1 - (ru[hidden + j] as number)) * (n[j] as number) + (ru[hidden + j] as number) * v);
        (hs as RefArray).set(h, row * hidden);
        (inner as RefArray).set(own, row * hidden);
        (gates as RefArray).set([...ru, ...n], row * GATES * hidden);
      }
      (last as RefArray).set(h, b * hidden);
    });
  },
  samplesOf: { lies: byItem },
  samples: () => SAMPLE_SHAPES.map(sample),
};

function sample({ batch, steps, hidden, attrs }: SampleShape): Sample<RecurrentAttrs> {
  const weight = FILLS.weight(hidden);
  return {
    ins: [
      f32(batch, steps, GATES * hidden),
      f32(batch, hidden),
      f32(GATES * hidden, hidden),
      f32(GATES * hidden),
      ...(attrs.lengths ? [{ dtype: 'i32', shape: [batch] } as const] : []),
    ],
    attrs,
    fill: ['normal', FILLS.state, weight, FILLS.state, FILLS.lengths(steps)],
    tolerance: 1e-5,
    noGradient: true, // of gates and inner there is none: recurrent.test.ts checks the others
  };
}

/** Which of the outputs of `gru` a gradient reaches. */
export interface GRUGradAttrs extends RecurrentAttrs {
  readonly states: boolean;
  readonly last: boolean;
}
/**
 * Inputs hs, h0, whh, gates, inner, then the gradients of states and last state as the attributes say, lengths. Outputs dx[B,T,3H],
 * dhh[B,T,3H] (of whh h + bias: as dx, but r times it for n), dh0, and the state before each step, [B,T,H].
 */
export const GRU_GRAD: OpDef<GRUGradAttrs> = {
  name: 'gruGrad',
  multiplies: true,
  infer(ins, { states, last, lengths }) {
    const [hs, h0, whh, gates, inner] = ins as TensorType[] as [TensorType, TensorType, TensorType, TensorType, TensorType];
    const { batch, steps, hidden } = batchFirst('gruGrad', 'the states', hs);
    expectShape('gruGrad', 'h0', h0, [batch, hidden]);
    expectShape('gruGrad', 'the recurrent weight', whh, [GATES * hidden, hidden]);
    expectShape('gruGrad', 'the gates', gates, [batch, steps, GATES * hidden]);
    expectShape('gruGrad', 'inner', inner, hs.shape);
    expectRest('gruGrad', ins, 5, [...(states ? [hs.shape] : []), ...(last ? [h0.shape] : [])], lengths ? batch : null);
    return [gates, gates, h0, hs];
  },
  lower({ attrs, ins }) {
    return { ints: [...recurrentInts(sizesOf((ins[0] as Tensor).type), attrs), +attrs.states, +attrs.last] };
  },
  cost: (node) => recurrentCost(node, sizesOf((node.ins[0] as Tensor).type), GATES),
  inplace: () => [
    [0, 3],
    [3, 0],
  ],
  ref([dx, dhh, dh0, before], [hs, h0, whh, gates, inner, ...rest], node) {
    const sizes = sizesOf((node.ins[0] as Tensor).type);
    const { steps, hidden } = sizes;
    const { states, last, lengths } = node.attrs;
    const dhs = states ? rest[0] : undefined;
    const dlast = last ? rest[+states] : undefined;
    for (const out of [dx, dhh, before]) (out as RefArray).fill(0);
    const products = productsWith(whh as RefArray, node.attrs);
    timesOf(sizes, node.attrs, lengths ? rest.at(-1) : undefined).forEach((times, b) => {
      let dh = dlast ? rowOf(dlast, b, hidden) : new Array<number>(hidden).fill(0);
      for (let s = times.length - 1; s >= 0; s--) {
        const row = b * steps + (times[s] as number);
        const gate = rowOf(gates as RefArray, row, GATES * hidden);
        const of = (g: number, j: number): number => gate[g * hidden + j] as number;
        const from =
          s === 0 ? rowOf(h0 as RefArray, b, hidden) : rowOf(hs as RefArray, b * steps + (times[s - 1] as number), hidden);
        const whole = dh.map((v, j) => v + (dhs?.[row * hidden + j] ?? 0));
        const slope = (v: number): number => v * (1 - v);
        const dn = whole.map((v, j) => v * (1 - of(1, j)) * (1 - squareOf(of(2, j))));
        const dr = dn.map((v, j) => v * ((inner as RefArray)[row * hidden + j] as number) * slope(of(0, j)));
        const du = whole.map((v, j) => v * ((from[j] as number) - of(2, j)) * slope(of(1, j)));
        const back = [...dr, ...du, ...dn.map((v, j) => v * of(0, j))];
        (dx as RefArray).set([...dr, ...du, ...dn], row * GATES * hidden);
        (dhh as RefArray).set(back, row * GATES * hidden);
        (before as RefArray).set(from, row * hidden);
        dh = products.back(back, hidden).map((v, j) => v + (whole[j] as number) * of(1, j));
      }
      (dh0 as RefArray).set(dh, b * hidden);
    });
  },
  samplesOf: { lies: byItem },
  samples: () => SAMPLE_SHAPES.map((s, i) => gradSample(s, { ...s.attrs, states: i % 3 !== 1, last: i % 3 !== 2 })),
};

function gradSample({ batch, steps, hidden }: SampleShape, attrs: GRUGradAttrs): Sample<GRUGradAttrs> {
  const [hs, row] = [f32(batch, steps, hidden), f32(batch, hidden)];
  const grads = [...(attrs.states ? [hs] : []), ...(attrs.last ? [row] : [])];
  const [weight, lengths] = [FILLS.weight(hidden), FILLS.lengths(steps)];
  return {
    ins: [
      hs,
      row,
      f32(GATES * hidden, hidden),
      f32(batch, steps, GATES * hidden),
      hs,
      ...grads,
      ...(attrs.lengths ? [{ dtype: 'i32', shape: [batch] } as const] : []),
    ],
    attrs,
    fill: [FILLS.state, FILLS.state, weight, FILLS.gate, 'normal', ...grads.map(() => 'normal' as const), lengths],
    tolerance: 1e-5,
  };
}

const readGru = signature(
  'ops.gru',
  { x: tensor, h0: tensor, whh: tensor, bias: tensor },
  options<RecurrentOptions>()(recurrentFields),
);

/**
 * The GRU over time: with u_t = whh h_(t-1) + bias and the thirds r, z, n of x_t and u_t: r = sigmoid(x_r + u_r), z =
 * sigmoid(x_z + u_z), n = tanh(x_n + r u_n), h_t = (1 - z) n + z h_(t-1). `x` is the input already projected with its
 * own bias; `whh` and `bias` are `weight_hh_l0` and `bias_hh_l0` of PyTorch. The whole loop is one instruction. A
 * length above time ends the run with an IndexError.
 * @shape x f32 [batch, time, 3 hidden], h0 [batch, hidden], whh [3 hidden, hidden], bias [3 hidden] -> { states
 * [batch, time, hidden], last [batch, hidden] }
 * @throws OptionError; ShapeError or DTypeError if the operands do not fit
 * @see torch.nn.GRU
 */
export function gru(
  x: TensorLike,
  h0: TensorLike,
  whh: TensorLike,
  bias: TensorLike,
  options: RecurrentOptions = {},
): RecurrentStates {
  const { x: t, h0: h, whh: w, bias: b, lengths, reverse } = readGru(arguments);
  const ins = [t, h, w, b, ...(lengths ? [lengths] : [])];
  const [states, last] = t.graph.add(GRU, ins, { reverse, lengths: lengths !== null }).outs as [Tensor, Tensor];
  return { states, last };
}
