// recurrent.test.ts: the RNN against a plain loop in f64, its bits across teams, ISAs and batches, and both ways to its gradient.
import { describe, expect, it } from 'vitest';
import { grad } from '../../lib/autodiff/grad.ts';
import { ShapeError } from '../../lib/errors.ts';
import { Graph, type Node, type Tensor } from '../../lib/ir/graph.ts';
import type { RefArray } from '../../lib/ir/op.ts';
import { addon } from '../../lib/native/addon.ts';
import * as ops from '../../lib/ops/index.ts';
import { RNN_GRAD } from '../../lib/ops/recurrent/rnn.ts';
import { interpret } from '../interpret.ts';
import { TEAMS } from '../kit.ts';
import { runGraph } from '../run-graph.ts';
import { runNode, sameBits } from '../run-node.ts';

const { isas } = addon();
const waves = (n: number, k: number, scale = 1): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => scale * Math.sin(k * i + i * i));

const PLAIN = { nonlinearity: 'tanh', reverse: false, lengths: false } as const;

interface RNN {
  readonly node: Node;
  readonly data: [x: Float32Array, h0: Float32Array, whh: Float32Array];
}
function rnnOf(batch: number, steps: number, hidden: number): RNN {
  const g = new Graph();
  const shapes = { x: [batch, steps, hidden], h0: [batch, hidden], whh: [hidden, hidden] };
  const [x, h0, whh] = Object.entries(shapes).map(([name, shape]) => g.input(name, { dtype: 'f32', shape }, 'feed')) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  return {
    node: ops.rnn(x, h0, whh).states.node,
    data: [waves(batch * steps * hidden, 1), waves(batch * hidden, 2), waves(hidden * hidden, 3, 1.5 / Math.sqrt(hidden))],
  };
}

/** PyTorch's definition, in f64, written apart from `ref`. */
function plain([x, h0, whh]: RNN['data'], batch: number, steps: number, hidden: number): Float64Array {
  const out = new Float64Array(x.length);
  for (let b = 0; b < batch; b++) {
    for (let t = 0; t < steps; t++) {
      for (let j = 0; j < hidden; j++) {
        let z = x[(b * steps + t) * hidden + j]!;
        for (let k = 0; k < hidden; k++) {
          const h = t === 0 ? h0[b * hidden + k]! : out[(b * steps + t - 1) * hidden + k]!;
          z += whh[j * hidden + k]! * h;
        }
        out[(b * steps + t) * hidden + j] = Math.tanh(z);
      }
    }
  }
  return out;
}

/** Largest |got - want| / max(1, |want|). */
function distance(got: RefArray, want: RefArray): number {
  let worst = 0;
  for (let i = 0; i < want.length; i++) worst = Math.max(worst, Math.abs(got[i]! - want[i]!) / Math.max(1, Math.abs(want[i]!)));
  return worst;
}

const SIZES: [number, number, number][] = [
  [32, 16, 128],
  [50, 3, 128],
  [3, 9, 17],
  [15, 4, 40],
  [1, 1, 1],
];

describe.each(isas)('%s', (isa) => {
  it.each(SIZES)('batch %i, %i steps, %i hidden: against a plain loop, for any team, in place', (batch, steps, hidden) => {
    const { node, data } = rnnOf(batch, steps, hidden);
    const [states, last] = runNode(node, data, { isa }) as [Float32Array, Float32Array];
    const want = plain(data, batch, steps, hidden);
    expect(distance(states, want)).toBeLessThan(2e-5);
    for (let b = 0; b < batch; b++) {
      const row = (b * steps + steps - 1) * hidden;
      expect(last.subarray(b * hidden, (b + 1) * hidden)).toEqual(states.subarray(row, row + hidden));
    }
    for (const threads of TEAMS) expect(sameBits(runNode(node, data, { isa, threads }), [states, last])).toBe(true);
    expect(sameBits(runNode(node, data, { isa, threads: 2, inplace: [0, 0] }), [states, last])).toBe(true);
  });

  it('a row does not depend on the batch it is in', () => {
    const whole = rnnOf(23, 5, 48);
    const alone = rnnOf(1, 5, 48);
    const states = runNode(whole.node, whole.data, { isa })[0]!;
    for (const b of [0, 13, 22]) {
      const ins = [whole.data[0].slice(b * 240, (b + 1) * 240), whole.data[1].slice(b * 48, (b + 1) * 48), whole.data[2]];
      expect(runNode(alone.node, ins, { isa })[0]!).toEqual(states.slice(b * 240, (b + 1) * 240));
    }
  });

  it('the gradient is the same in place and for any team', () => {
    const { node, data } = rnnOf(19, 6, 33);
    const states = runNode(node, data, { isa })[0]! as Float32Array;
    const [hs, last] = node.outs as [Tensor, Tensor];
    const gradient = node.graph.add(RNN_GRAD, [hs, node.ins[1]!, node.ins[2]!, hs, last], {
      ...PLAIN,
      states: true,
      last: true,
    }) as Node;
    const ins = [states, data[1], data[2], waves(states.length, 5), waves(19 * 33, 6)];
    const want = runNode(gradient, ins, { isa });
    for (const threads of TEAMS) expect(sameBits(runNode(gradient, ins, { isa, threads }), want)).toBe(true);
    for (const inplace of [
      [2, 0],
      [0, 3],
    ] as const)
      expect(sameBits(runNode(gradient, ins, { isa, inplace }), want)).toBe(true);
  });
});

it('gives the same bits on every ISA with fma', () => {
  const { node, data } = rnnOf(32, 20, 72);
  const bits = isas.filter((isa) => isa !== 'x86_64').map((isa) => runNode(node, data, { isa, threads: 2 }));
  for (const b of bits) expect(sameBits(b, bits[0]!)).toBe(true);
});

it('the gradient through the last state is that through a slice of all states', () => {
  const { node, data } = rnnOf(4, 7, 20);
  const [x, h0, whh] = node.ins as [Tensor, Tensor, Tensor];
  const { states, last } = ops.rnn(x, h0, whh);
  const loss = (h: Tensor): Tensor => ops.sum(ops.mul(h, ops.add(h, 0.3)), { dtype: 'f64' });
  const sliced = ops.reshape(ops.slice(states, { axis: 1, start: 6 }), [4, 20]);
  const pairs = [loss(last), loss(sliced)].map((l) => grad(l, [x, h0, whh]));
  pairs.forEach((gradients, i) => {
    gradients.forEach((t, k) => {
      x.graph.output(`${i} ${k}`, t);
    });
  });
  const inputs = { x: data[0], h0: data[1], whh: data[2] };
  const got = runGraph(x.graph, { inputs, threads: 2 });
  const want = interpret(x.graph, { inputs, f64: true });
  for (let k = 0; k < 3; k++) {
    const truth = want.get(pairs[0]![k]!)!;
    for (const i of [0, 1]) {
      expect(distance(got.get(`${i} ${k}`)!, truth)).toBeLessThan(2e-5);
    }
  }
});

it('refuses operands that do not fit', () => {
  const g = new Graph();
  const t = (name: string, ...shape: number[]): Tensor => g.input(name, { dtype: 'f32', shape }, 'feed');
  const x = t('x', 2, 3, 4);
  expect(() => ops.rnn(x, t('h', 2, 5), t('w', 4, 4))).toThrow('rnn: expected h0 as [2,4], got [2,5]');
  expect(() => ops.rnn(x, t('h1', 2, 4), t('w1', 4, 3))).toThrow(ShapeError);
  expect(() => ops.rnn(t('flat', 6, 4), t('h2', 2, 4), t('w2', 4, 4))).toThrow(
    'rnn: expected the projected input as [batch, time, hidden]',
  );
});

it('a gradient that vanishes over time comes out as 0, not as denormals', () => {
  const { node, data } = rnnOf(2, 200, 16);
  const whh = data[2].map((v) => v * 0.2);
  const states = runNode(node, [data[0], data[1], whh])[0]!;
  const [hs, last] = node.outs as [Tensor, Tensor];
  const gradient = node.graph.add(RNN_GRAD, [hs, node.ins[1]!, node.ins[2]!, last], {
    ...PLAIN,
    states: false,
    last: true,
  }) as Node;
  const [dz, dh0] = runNode(gradient, [states, data[1], whh, new Float32Array(32).fill(1)]) as [Float32Array, Float32Array];
  expect(dz.every((v) => v === 0 || Math.abs(v) >= 2 ** -100)).toBe(true);
  expect(dz.some((v) => v !== 0)).toBe(true);
  expect([...dh0]).toEqual(new Array(32).fill(0));
});
