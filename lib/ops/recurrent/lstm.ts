// lstm.ts: the LSTM over time as one op, forward and backward. Kernels: lstm.h.

import { GraphError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { f32, type OpDef, type RefArray, type Sample, type TensorType } from '../../ir/op.ts';
import { byItem } from '../../ir/samples.ts';
import { squareOf, tanh } from '../../math/index.ts';
import { options, signature } from '../../options/index.ts';
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
  sigmoid,
  sizesOf,
  timesOf,
} from './recurrent.ts';
import { KINDS, recurrentOnnx } from './recurrent-onnx.ts';

const GATES = 4;

/**
 * Inputs x[B,T,4H], h0[B,H], c0[B,H], whh[4H,H], lengths; outputs hs[B,T,H], the last state and cell [B,H], and what the backward
 * pass needs: gates[B,T,4H] (after their activations) and cells[B,T,H]. Those two have no gradient.
 */
export const LSTM: OpDef<RecurrentAttrs> = {
  name: 'lstm',
  onnx(node, b) {
    const [x, h0, c0, weight, lengths = null] = node.ins as [Tensor, Tensor, Tensor, Tensor, Tensor?];
    return [...recurrentOnnx(node, b, KINDS.lstm, { x, initial: [h0, c0], weight, bias: null, lengths }), null, null];
  },
  multiplies: true,
  infer(ins, { lengths }) {
    const [x, h0, c0, whh] = ins as [TensorType, TensorType, TensorType, TensorType];
    const { batch, steps, hidden } = batchFirst('lstm', 'the projected input', x, GATES);
    expectShape('lstm', 'h0', h0, [batch, hidden]);
    expectShape('lstm', 'c0', c0, [batch, hidden]);
    expectShape('lstm', 'the recurrent weight', whh, [GATES * hidden, hidden]);
    expectRest('lstm', ins, 4, [], lengths ? batch : null);
    const [states, row] = [f32(batch, steps, hidden), f32(batch, hidden)];
    return [states, row, row, x, states];
  },
  vjp(node, [dhs, dlast, dcell, ...inner]) {
    const none = node.ins.map(() => null);
    if (inner.some((d) => d)) throw new GraphError('lstm: gates and cells are for its own backward pass; they have no gradient');
    const given = [dhs, dlast, dcell];
    if (!given.some((d) => d)) return none;
    const [, h0, c0, whh, ...lengths] = node.ins as [Tensor, Tensor, Tensor, Tensor, ...Tensor[]];
    const [hs, , , gates, cells] = node.outs as [Tensor, Tensor, Tensor, Tensor, Tensor];
    const { batch, steps, hidden } = sizesOf(hs.type);
    const grads = given.filter((d): d is Tensor => d !== null && d !== undefined);
    const attrs = { ...node.attrs, states: Boolean(dhs), last: Boolean(dlast), cell: Boolean(dcell) };
    const ins = [hs, h0, c0, whh, gates, cells, ...grads, ...lengths];
    const [dz, dh0, dc0, before] = hs.graph.add(LSTM_GRAD, ins, attrs).outs as [Tensor, Tensor, Tensor, Tensor];
    const flat = reshape(dz, [batch * steps, GATES * hidden]);
    const dwhh = matmul(flat, reshape(before, [batch * steps, hidden]), { transA: true });
    return [dz, dh0, dc0, dwhh, ...none.slice(4)];
  },
  lower: (node) => ({ ints: recurrentInts(sizesOf((node.outs[0] as Tensor).type), node.attrs) }),
  cost: (node) => recurrentCost(node, sizesOf((node.outs[0] as Tensor).type), GATES),
  inplace: () => [[3, 0]],
  ref([hs, last, lastCell, gates, cells], [x, h0, c0, whh, lengths], node) {
    const sizes = sizesOf((node.outs[0] as Tensor).type);
    const { steps, hidden } = sizes;
    for (const out of [hs, gates, cells]) (out as RefArray).fill(0);
    const products = productsWith(whh as RefArray, node.attrs);
    timesOf(sizes, node.attrs, lengths).forEach((times, b) => {
      let h = rowOf(h0 as RefArray, b, hidden);
      let c = rowOf(c0 as RefArray, b, hidden);
      for (const t of times) {
        const row = b * steps + t;
        const xs = rowOf(x as RefArray, row, GATES * hidden);
        const z = products.forward(h, GATES * hidden).map((v, j) => v + (xs[j] as number));
        const gate = z.map((v, j) => (Math.floor(j / hidden) === 2 ? tanh(v) : sigmoid(v)));
        const of = (g: number, j: number): number => gate[g * hidden + j] as number;
        c = c.map((v, j) => of(1, j) * v + of(0, j) * of(2, j));
        h = c.map((v, j) => of(3, j) * tanh(v));
        (hs as RefArray).set(h, row * hidden);
        (cells as RefArray).set(c, row * hidden);
        (gates as RefArray).set(gate, row * GATES * hidden);
      }
      (last as RefArray).set(h, b * hidden);
      (lastCell as RefArray).set(c, b * hidden);
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
      f32(batch, hidden),
      f32(GATES * hidden, hidden),
      ...(attrs.lengths ? [{ dtype: 'i32', shape: [batch] } as const] : []),
    ],
    attrs,
    fill: ['normal', FILLS.state, 'normal', weight, FILLS.lengths(steps)],
    tolerance: 1e-5,
    noGradient: true, // of gates and cells there is none: recurrent.test.ts checks the others
  };
}

/** Which of the outputs of `lstm` a gradient reaches. */
export interface LSTMGradAttrs extends RecurrentAttrs {
  readonly states: boolean;
  readonly last: boolean;
  readonly cell: boolean;
}
/**
 * Inputs hs, h0, c0, whh, gates, cells, then the gradients of states, last state and last cell as the attributes say, lengths.
 * Outputs dz[B,T,4H] (before the activations, so of x too), dh0, dc0, and the state before each step, [B,T,H]: the gradient of whh
 * is their product.
 */
export const LSTM_GRAD: OpDef<LSTMGradAttrs> = {
  name: 'lstmGrad',
  multiplies: true,
  infer(ins, { states, last, cell, lengths }) {
    const [hs, h0, c0, whh, gates, cells] = ins as TensorType[] as [
      TensorType,
      TensorType,
      TensorType,
      TensorType,
      TensorType,
      TensorType,
    ];
    const { batch, steps, hidden } = batchFirst('lstmGrad', 'the states', hs);
    const row = [batch, hidden];
    expectShape('lstmGrad', 'h0', h0, row);
    expectShape('lstmGrad', 'c0', c0, row);
    expectShape('lstmGrad', 'the recurrent weight', whh, [GATES * hidden, hidden]);
    expectShape('lstmGrad', 'the gates', gates, [batch, steps, GATES * hidden]);
    expectShape('lstmGrad', 'the cells', cells, hs.shape);
    const grads = [...(states ? [hs.shape] : []), ...(last ? [row] : []), ...(cell ? [row] : [])];
    expectRest('lstmGrad', ins, 6, grads, lengths ? batch : null);
    return [gates, h0, c0, hs];
  },
  lower({ attrs, ins }) {
    return { ints: [...recurrentInts(sizesOf((ins[0] as Tensor).type), attrs), +attrs.states, +attrs.last, +attrs.cell] };
  },
  cost: (node) => recurrentCost(node, sizesOf((node.ins[0] as Tensor).type), GATES),
  inplace: () => [
    [0, 4],
    [3, 0],
  ],
  ref([dz, dh0, dc0, before], [hs, h0, c0, whh, gates, cells, ...rest], node) {
    const sizes = sizesOf((node.ins[0] as Tensor).type);
    const { steps, hidden } = sizes;
    const { states, last, cell, lengths } = node.attrs;
    const dhs = states ? rest[0] : undefined;
    const dlast = last ? rest[+states] : undefined;
    const dcell = cell ? rest[+states + +last] : undefined;
    const zeros = new Array<number>(hidden).fill(0);
    (dz as RefArray).fill(0);
    (before as RefArray).fill(0);
    const products = productsWith(whh as RefArray, node.attrs);
    timesOf(sizes, node.attrs, lengths ? rest.at(-1) : undefined).forEach((times, b) => {
      let dh = dlast ? rowOf(dlast, b, hidden) : zeros;
      let dc = dcell ? rowOf(dcell, b, hidden) : zeros;
      for (let s = times.length - 1; s >= 0; s--) {
        const row = b * steps + (times[s] as number);
        const prior = s === 0 ? b : b * steps + (times[s - 1] as number);
        const gate = rowOf(gates as RefArray, row, GATES * hidden);
        const tc = rowOf(cells as RefArray, row, hidden).map(tanh);
        const from = rowOf((s === 0 ? c0 : cells) as RefArray, prior, hidden);
        const of = (g: number, j: number): number => gate[g * hidden + j] as number;
        const whole = dh.map((v, j) => v + (dhs?.[row * hidden + j] ?? 0));
        const total = dc.map((v, j) => v + (whole[j] as number) * of(3, j) * (1 - squareOf(tc[j] as number)));
        const slope = (v: number): number => v * (1 - v);
        const d = [
          ...total.map((v, j) => v * of(2, j) * slope(of(0, j))),
          ...total.map((v, j) => v * (from[j] as number) * slope(of(1, j))),
          ...total.map((v, j) => v * of(0, j) * (1 - squareOf(of(2, j)))),
          ...whole.map((v, j) => v * (tc[j] as number) * slope(of(3, j))),
        ];
        (dz as RefArray).set(d, row * GATES * hidden);
        (before as RefArray).set(rowOf((s === 0 ? h0 : hs) as RefArray, prior, hidden), row * hidden);
        dc = total.map((v, j) => v * of(1, j));
        dh = products.back(d, hidden);
      }
      (dh0 as RefArray).set(dh, b * hidden);
      (dc0 as RefArray).set(dc, b * hidden);
    });
  },
  samplesOf: { lies: byItem },
  samples: () =>
    SAMPLE_SHAPES.map((s, i) =>
      gradSample(s, { ...s.attrs, states: i % 3 !== 1, last: i % 3 !== 2, cell: i % 2 === 0 || i % 3 === 1 }),
    ),
};

function gradSample({ batch, steps, hidden }: SampleShape, attrs: LSTMGradAttrs): Sample<LSTMGradAttrs> {
  const [hs, row] = [f32(batch, steps, hidden), f32(batch, hidden)];
  const grads = [...(attrs.states ? [hs] : []), ...(attrs.last ? [row] : []), ...(attrs.cell ? [row] : [])];
  const [weight, lengths] = [FILLS.weight(hidden), FILLS.lengths(steps)];
  return {
    ins: [
      hs,
      row,
      row,
      f32(GATES * hidden, hidden),
      f32(batch, steps, GATES * hidden),
      hs,
      ...grads,
      ...(attrs.lengths ? [{ dtype: 'i32', shape: [batch] } as const] : []),
    ],
    attrs,
    fill: [FILLS.state, FILLS.state, 'normal', weight, FILLS.gate, 'normal', ...grads.map(() => 'normal' as const), lengths],
    tolerance: 1e-5,
  };
}

/** What `lstm` gives. */
export interface LSTMStates extends RecurrentStates {
  /** The cell state after the last valid step, [batch, hidden]. */
  readonly cell: Tensor;
}

const readLstm = signature(
  'ops.lstm',
  { x: tensor, h0: tensor, c0: tensor, whh: tensor },
  options<RecurrentOptions>()(recurrentFields),
);

/**
 * The LSTM over time: with i, f, g, o the quarters of z_t = x_t + whh h_(t-1), c_t = sigmoid(f) c_(t-1) + sigmoid(i)
 * tanh(g) and h_t = sigmoid(o) tanh(c_t). `x` is the input already projected, biases added; `whh` is `weight_hh_l0`
 * of PyTorch. The whole loop is one instruction. A length above time ends the run with an IndexError.
 * @shape x f32 [batch, time, 4 hidden], h0 and c0 [batch, hidden], whh [4 hidden, hidden] -> { states [batch,
 * time, hidden], last and cell [batch, hidden] }
 * @throws OptionError; ShapeError or DTypeError if the operands do not fit
 * @see torch.nn.LSTM
 */
export function lstm(x: TensorLike, h0: TensorLike, c0: TensorLike, whh: TensorLike, options: RecurrentOptions = {}): LSTMStates {
  const { x: t, h0: h, c0: c, whh: w, lengths, reverse } = readLstm(arguments);
  const ins = [t, h, c, w, ...(lengths ? [lengths] : [])];
  const [states, last, cell] = t.graph.add(LSTM, ins, { reverse, lengths: lengths !== null }).outs as [Tensor, Tensor, Tensor];
  return { states, last, cell };
}
