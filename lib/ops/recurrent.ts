// recurrent.ts: the tanh RNN over time as one op, forward and backward. Kernels: recurrent.h.
import { DTypeError, ShapeError } from '../errors.ts';
import type { Node, Tensor, TensorLike } from '../ir/graph.ts';
import { type OpDef, type RefArray, type Sample, sameShape, type TensorType, typeName } from '../ir/op.ts';
import { moved } from './axes.ts';
import { matmul } from './matmul.ts';
import { reshape } from './shape.ts';

const f32 = (...shape: number[]): TensorType => ({ dtype: 'f32', shape });

interface Sizes {
  readonly batch: number;
  readonly steps: number;
  readonly hidden: number;
}
function sizesOf(states: Tensor): Sizes {
  const [batch, steps, hidden] = states.shape as [number, number, number];
  return { batch, steps, hidden };
}
const firstSizes = (node: Node): Sizes => sizesOf(node.ins[0] as Tensor);

function expectShape(op: string, what: string, got: TensorType, shape: readonly number[]): void {
  if (got.dtype !== 'f32') throw new DTypeError(`${op}: expected ${what} as f32, got ${typeName(got)}`);
  if (!sameShape(got.shape, shape)) throw new ShapeError(`${op}: expected ${what} as [${shape}], got [${got.shape}]`);
}

/** The three dimensions of `x`, checked. */
function batchFirst(op: string, what: string, x: TensorType): [number, number, number] {
  if (x.shape.length !== 3) throw new ShapeError(`${op}: expected ${what} as [batch, time, hidden], got [${x.shape}]`);
  expectShape(op, what, x, x.shape);
  return x.shape as [number, number, number];
}

function costOf(node: Node): { flops: number; bytes: number } {
  const { batch, steps, hidden } = firstSizes(node);
  return moved(node, batch * steps * hidden * (2 * hidden + 20));
}

/** Inputs x[B,T,H], h0[B,H], whh[H,H]; outputs hs[B,T,H] and the last state [B,H]. */
export const RNN: OpDef<Record<string, never>> = {
  name: 'rnn',
  infer(ins) {
    const [x, h0, whh] = ins as [TensorType, TensorType, TensorType];
    const [batch, steps, hidden] = batchFirst('rnn', 'the projected input', x);
    expectShape('rnn', 'h0', h0, [batch, hidden]);
    expectShape('rnn', 'the recurrent weight', whh, [hidden, hidden]);
    return [f32(batch, steps, hidden), f32(batch, hidden)];
  },
  vjp(node, [dhs, dlast]) {
    if (!dhs && !dlast) return [null, null, null];
    const [, h0, whh] = node.ins as [Tensor, Tensor, Tensor];
    const hs = node.outs[0] as Tensor;
    const { batch, steps, hidden } = sizesOf(hs);
    const grads = [dhs, dlast].filter((d): d is Tensor => d !== null && d !== undefined);
    const attrs = { states: Boolean(dhs), last: Boolean(dlast) };
    const [dz, dh0, before] = hs.graph.add(RNN_GRAD, [hs, h0, whh, ...grads], attrs).outs as [Tensor, Tensor, Tensor];
    // One product over batch and time, so that what follows a matmul (a sum of squares) can be fused into it.
    const rows = [batch * steps, hidden];
    const dwhh = matmul(reshape(dz, rows), reshape(before, rows), { transA: true });
    return [dz, dh0, dwhh];
  },
  lower(node) {
    const { batch, steps, hidden } = firstSizes(node);
    return { ints: [batch, steps, hidden] };
  },
  cost: costOf,
  inplace: () => [[0, 0]],
  ref([hs, last], [x, h0, whh], node) {
    const { batch, steps, hidden } = firstSizes(node);
    const [out, xs, w] = [hs, x, whh] as [RefArray, RefArray, RefArray];
    for (let b = 0; b < batch; b++) {
      let h = Array.from((h0 as RefArray).subarray(b * hidden, (b + 1) * hidden));
      for (let t = 0; t < steps; t++) {
        const row = (b * steps + t) * hidden;
        h = h.map((_, j) => Math.tanh((xs[row + j] as number) + h.reduce((s, v, k) => s + v * (w[j * hidden + k] as number), 0)));
        out.set(h, row);
      }
      (last as RefArray).set(h, b * hidden);
    }
  },
  samples: () => [
    sample(1, 1, 1),
    sample(3, 5, 7),
    sample(2, 3, 16),
    sample(5, 4, 33),
    sample(29, 2, 40, { noGradient: true }),
    sample(2, 12, 100, { noGradient: true }),
    sample(2, 0, 4),
  ],
};

function sample(batch: number, steps: number, hidden: number, rest: Partial<Sample<never>> = {}): Sample<Record<string, never>> {
  const scale = 1 / Math.sqrt(hidden);
  return {
    ins: [f32(batch, steps, hidden), f32(batch, hidden), f32(hidden, hidden)],
    attrs: {},
    fill: ['normal', [-1, 1], [-scale, scale]],
    tolerance: 1e-5,
    ...rest,
  };
}

/** Which of the outputs of `rnn` a gradient reaches. */
export interface RnnGradAttrs {
  readonly states: boolean;
  readonly last: boolean;
}
/**
 * Inputs hs, h0, whh, then dhs and dlast as the attributes say. Outputs dz[B,T,H] (before the tanh, so of x too), dh0[B,H], and the
 * state before each step, [B,T,H]: the gradient of whh is their product.
 */
export const RNN_GRAD: OpDef<RnnGradAttrs> = {
  name: 'rnnGrad',
  infer(ins, { states, last }) {
    const [hs, h0, whh, ...grads] = ins as [TensorType, TensorType, TensorType, ...TensorType[]];
    const [batch, steps, hidden] = batchFirst('rnnGrad', 'the states', hs);
    expectShape('rnnGrad', 'h0', h0, [batch, hidden]);
    expectShape('rnnGrad', 'the recurrent weight', whh, [hidden, hidden]);
    const expected = [...(states ? [hs.shape] : []), ...(last ? [[batch, hidden]] : [])];
    if (grads.length !== expected.length) {
      throw new ShapeError(`rnnGrad: expected ${expected.length} gradients, got ${grads.length}`);
    }
    grads.forEach((g, i) => {
      expectShape('rnnGrad', 'a gradient', g, expected[i] as readonly number[]);
    });
    return [f32(batch, steps, hidden), f32(batch, hidden), f32(batch, steps, hidden)];
  },
  lower(node) {
    const { batch, steps, hidden } = firstSizes(node);
    const { states, last } = node.attrs;
    return { ints: [batch, steps, hidden, states ? 1 : 0, last ? 1 : 0] };
  },
  cost: costOf,
  inplace: (node) =>
    node.attrs.states
      ? [
          [2, 0],
          [0, 3],
        ]
      : [[2, 0]],
  ref([dz, dh0, before], [hs, h0, whh, ...grads], node) {
    const { batch, steps, hidden } = firstSizes(node);
    const { states, last } = node.attrs;
    const [out, h, w] = [dz, hs, whh] as [RefArray, RefArray, RefArray];
    const dhs = states ? grads[0] : undefined;
    const dlast = last ? grads[states ? 1 : 0] : undefined;
    for (let b = 0; b < batch; b++) {
      let carry = Array.from({ length: hidden }, (_, j) => dlast?.[b * hidden + j] ?? 0);
      for (let t = steps - 1; t >= 0; t--) {
        const row = (b * steps + t) * hidden;
        const d = carry.map((c, j) => (c + (dhs?.[row + j] ?? 0)) * (1 - (h[row + j] as number) ** 2));
        out.set(d, row);
        carry = carry.map((_, k) => d.reduce((s, v, j) => s + v * (w[j * hidden + k] as number), 0));
        const from = t === 0 ? (h0 as RefArray).subarray(b * hidden, (b + 1) * hidden) : h.subarray(row - hidden, row);
        (before as RefArray).set(from, row);
      }
      (dh0 as RefArray).set(carry, b * hidden);
    }
  },
  samples: () => [
    gradSample(1, 1, 1, { states: true, last: true }),
    gradSample(3, 5, 7, { states: true, last: false }),
    gradSample(17, 4, 33, { states: false, last: true }),
    gradSample(2, 6, 100, { states: true, last: true }),
    gradSample(2, 0, 4, { states: true, last: true }),
  ],
};

function gradSample(batch: number, steps: number, hidden: number, attrs: RnnGradAttrs): Sample<RnnGradAttrs> {
  const scale = 1 / Math.sqrt(hidden);
  const hs = f32(batch, steps, hidden);
  return {
    ins: [
      hs,
      f32(batch, hidden),
      f32(hidden, hidden),
      ...(attrs.states ? [hs] : []),
      ...(attrs.last ? [f32(batch, hidden)] : []),
    ],
    attrs,
    fill: [
      [-1, 1],
      'normal',
      [-scale, scale],
      ...Array.from({ length: Number(attrs.states) + Number(attrs.last) }, () => 'normal' as const),
    ],
    tolerance: 1e-5,
  };
}

/** What `rnn` gives. */
export interface RnnStates {
  /** All states, [batch, time, hidden]. */
  readonly states: Tensor;
  /** The last one, [batch, hidden]. Cheaper than a slice of `states`, above all in the backward pass. */
  readonly last: Tensor;
}

/**
 * The tanh RNN over time: h_t = tanh(x_t + whh h_(t-1)), from h_0 = `h0`. `x` is the input already projected, biases added
 * (a matmul over all steps at once), [batch, time, hidden]; `h0` [batch, hidden]; `whh` [hidden, hidden] as `weight_hh_l0` of
 * `torch.nn.RNN`. All f32. The whole loop is one instruction.
 * @throws ShapeError or DTypeError if the operands do not fit.
 */
export function rnnStates(x: TensorLike, h0: TensorLike, whh: TensorLike): RnnStates {
  const t = x.toTensor();
  const [states, last] = t.graph.add(RNN, [t, h0.toTensor(), whh.toTensor()], {}).outs as [Tensor, Tensor];
  return { states, last };
}

/** All states of `rnnStates`, [batch, time, hidden]. */
export function rnn(x: TensorLike, h0: TensorLike, whh: TensorLike): Tensor {
  return rnnStates(x, h0, whh).states;
}
