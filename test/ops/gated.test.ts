// gated.test.ts: RNN, LSTM and GRU as ops: gradients against finite differences, bits across teams and ISAs where threads share
// columns, in place, and lengths out of range.
import { describe, expect, it } from 'vitest';
import { grad } from '../../lib/autodiff/grad.ts';
import { Graph, type Node, type Tensor } from '../../lib/ir/graph.ts';
import { type Data, f32, type RefArray, sizeOf } from '../../lib/ir/op.ts';
import { addon } from '../../lib/native/addon.ts';
import * as ops from '../../lib/ops/index.ts';
import { interpret } from '../interpret.ts';
import { SOME_TEAMS } from '../kit.ts';
import { runGraph } from '../run-graph.ts';
import { refNode, runNode, sameBits } from '../run-node.ts';

const { isas } = addon();
const waves = (n: number, k: number, scale = 1): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => scale * Math.sin(k * i + i * i));

interface Variant {
  readonly gates: number;
  /** Operands beside x, h0 and whh, as [batch, hidden] or [gates * hidden]. */
  readonly more: 'cell' | 'bias' | 'none';
  readonly build: (ins: readonly Tensor[], options: ops.RecurrentOptions) => { states: Tensor; last: Tensor; cell?: Tensor };
  /** The gradient op's in place pairs. */
  readonly inplace: readonly (readonly [number, number])[];
}
const VARIANTS: Record<string, Variant> = {
  'rnn tanh': { gates: 1, more: 'none', build: ([x, h, w], o) => ops.rnn(x!, h!, w!, o), inplace: [[2, 0]] },
  'rnn relu': {
    gates: 1,
    more: 'none',
    build: ([x, h, w], o) => ops.rnn(x!, h!, w!, { ...o, nonlinearity: 'relu' }),
    inplace: [[2, 0]],
  },
  lstm: {
    gates: 4,
    more: 'cell',
    build: ([x, h, w, c], o) => ops.lstm(x!, h!, c!, w!, o),
    inplace: [
      [0, 4],
      [3, 0],
    ],
  },
  gru: {
    gates: 3,
    more: 'bias',
    build: ([x, h, w, b], o) => ops.gru(x!, h!, w!, b!, o),
    inplace: [
      [0, 3],
      [3, 0],
    ],
  },
};
const OPTIONS = [
  { reverse: false, lengths: null },
  { reverse: true, lengths: null },
  { reverse: false, lengths: [3, 0, 1] },
  { reverse: true, lengths: [2, 4, 0] },
];

interface Case {
  readonly graph: Graph;
  readonly ins: readonly Tensor[];
  readonly data: readonly Float32Array[];
  readonly lengths: Int32Array | null;
  readonly outs: { states: Tensor; last: Tensor; cell?: Tensor };
}
function caseOf(name: string, batch: number, steps: number, hidden: number, reverse: boolean, lengths: number[] | null): Case {
  const { gates, more, build } = VARIANTS[name]!;
  const graph = new Graph();
  const types = [f32(batch, steps, gates * hidden), f32(batch, hidden), f32(gates * hidden, hidden)];
  if (more !== 'none') types.push(more === 'cell' ? f32(batch, hidden) : f32(gates * hidden));
  const ins = types.map((type, i) => graph.input(`x${i}`, type, 'feed'));
  const given = lengths ? graph.input('lengths', { dtype: 'i32', shape: [batch] }, 'feed') : null;
  const data = types.map((type, i) => waves(sizeOf(type.shape), i + 1, i === 2 ? 1.2 / Math.sqrt(hidden) : 0.8));
  const outs = build(ins, { reverse, lengths: given });
  return { graph, ins, data, lengths: lengths ? Int32Array.from(lengths) : null, outs };
}
/** A loss that depends on every output element with its own weight. */
function lossOf({ graph, outs }: Case): { loss: Tensor; weights: Record<string, Float64Array> } {
  const weights: Record<string, Float64Array> = {};
  const terms = Object.values(outs).map((t: Tensor, i) => {
    const w = graph.input(`w${i}`, t.type, 'feed');
    weights[`w${i}`] = Float64Array.from({ length: sizeOf(t.shape) }, (_, k) => Math.cos(1 + 0.7 * (i + 1) * k));
    return ops.sum(ops.mul(t, w), { dtype: 'f64' });
  });
  return { loss: terms.reduce((a, b) => ops.add(a, b)), weights };
}

describe.each(Object.keys(VARIANTS))('%s', (name) => {
  it.each(OPTIONS)('gradient against finite differences: %o', ({ reverse, lengths }) => {
    const made = caseOf(name, 3, 4, 3, reverse, lengths);
    const { loss, weights } = lossOf(made);
    const gradients = grad(loss, [...made.ins]);
    const inputs: Record<string, RefArray> = { ...weights, ...(made.lengths ? { lengths: made.lengths } : {}) };
    made.data.forEach((d, i) => {
      inputs[`x${i}`] = Float64Array.from(d);
    });
    const lossAt = (): number => interpret(made.graph, { inputs, f64: true }).get(loss)![0]!;
    const values = interpret(made.graph, { inputs, f64: true });
    made.ins.forEach((_, k) => {
      const x = inputs[`x${k}`]!;
      for (let i = 0; i < x.length; i += Math.max(1, Math.floor(x.length / 30))) {
        const at = x[i]!;
        const slope = [1e-5, -1e-5].map((h) => {
          x[i] = at + h;
          return lossAt() / (2 * h);
        });
        x[i] = at;
        expect(Math.abs(slope[0]! + slope[1]! - values.get(gradients[k]!)![i]!), `operand ${k} element ${i}`).toBeLessThan(2e-7);
      }
    });
    // The whole graph natively: the same within f32.
    gradients.forEach((t, k) => {
      made.graph.output(`g${k}`, t);
    });
    const got = runGraph(made.graph, { inputs, threads: 2 });
    gradients.forEach((t, k) => {
      const want = values.get(t)!;
      got.get(`g${k}`)!.forEach((v: number, i: number) => {
        expect(Math.abs(v - want[i]!), `operand ${k} element ${i}`).toBeLessThan(1e-5);
      });
    });
  });

  // At hidden 128 and few rows threads share columns; at 70 rows they take them in turns.
  it.each([
    [4, 6, 128, false, null],
    [2, 5, 100, true, [5, 2]],
    [5, 3, 256, false, [3, 0, 2, 3, 1]],
    [70, 2, 40, true, null],
    [125, 3, 20, false, Array.from({ length: 125 }, (_, i) => i % 4)],
  ] as const)(
    'bits for any team and ISA, in place: batch %i, %i steps, %i hidden, reverse %s',
    (batch, steps, hidden, reverse, lengths) => {
      const made = caseOf(name, batch, steps, hidden, reverse, lengths ? [...lengths] : null);
      const { node } = made.outs.states;
      const byTensor = new Map<Tensor, Data>(made.ins.map((t, i) => [t, made.data[i]!]));
      const ins = node.ins.map((t) => byTensor.get(t) ?? made.lengths!);
      const want = refNode(node, ins);
      const gradient = gradientOf(made);
      const bits = new Map<string, Data[]>();
      for (const isa of isas) {
        const family = isa === 'x86_64' ? isa : 'fma';
        for (const threads of [1, ...SOME_TEAMS]) {
          const outs = runNode(node, ins, { isa, threads });
          outs.forEach((o, i) => {
            expect(distance(o, want[i]!), `${isa} x${threads} output ${i}`).toBeLessThan(2e-5);
          });
          const known = bits.get(family) ?? bits.set(family, outs).get(family)!;
          expect(sameBits(outs, known), `${isa} x${threads}`).toBe(true);
          const back = runNode(gradient, gradientOperands(gradient, made, outs, ins), { isa, threads });
          const knownBack = bits.get(`${family} back`) ?? bits.set(`${family} back`, back).get(`${family} back`)!;
          expect(sameBits(back, knownBack), `gradient on ${isa} x${threads}`).toBe(true);
        }
        const outs = bits.get(family)!;
        for (const inplace of VARIANTS[name]!.inplace) {
          const back = runNode(gradient, gradientOperands(gradient, made, outs, ins), { isa, threads: 2, inplace });
          expect(sameBits(back, bits.get(`${family} back`)!), `gradient on ${isa} in place ${inplace}`).toBe(true);
        }
      }
      const operands = gradientOperands(gradient, made, bits.get('fma') ?? want, ins);
      const truth = refNode(gradient, operands);
      for (const back of [bits.get('fma back'), bits.get('x86_64 back')]) {
        back?.forEach((o, i) => {
          expect(distance(o, truth[i]!), `gradient, output ${i}`).toBeLessThan(5e-5);
        });
      }
    },
  );

  it.each([[-1], [6]])('a length of %i of 5 steps ends the run', (length) => {
    const made = caseOf(name, 2, 5, 3, false, [5, length]);
    made.graph.output('states', made.outs.states);
    const inputs = { ...Object.fromEntries(made.data.map((d, i) => [`x${i}`, d])), lengths: made.lengths! };
    expect(() => runGraph(made.graph, { inputs })).toThrow(`expected an index from 0 to 5 at position 1, got ${length}`);
  });
});

/** The node that a gradient through states and last adds. */
function gradientOf(made: Case): Node {
  const { loss } = lossOf(made);
  grad(loss, [made.ins[0]!]);
  return made.graph.nodes.find((n) => n.op.name.endsWith('Grad') && n.ins.includes(made.outs.states))!;
}
/** Its operands: what the forward op took and gave, and made-up gradients. */
function gradientOperands(gradient: Node, made: Case, outs: readonly Data[], ins: readonly Data[]): Data[] {
  const { node } = made.outs.states;
  return gradient.ins.map((t, i) => {
    const [out, given] = [node.outs.indexOf(t), node.ins.indexOf(t)];
    return out >= 0 ? outs[out]! : given >= 0 ? ins[given]! : waves(sizeOf(t.shape), i + 3);
  });
}
/** Largest |got - want| / max(1, |want|). */
function distance(got: RefArray, want: RefArray): number {
  let worst = 0;
  for (let i = 0; i < want.length; i++) worst = Math.max(worst, Math.abs(got[i]! - want[i]!) / Math.max(1, Math.abs(want[i]!)));
  return worst;
}

it('refuses operands that do not fit', () => {
  const g = new Graph();
  const t = (name: string, ...shape: number[]): Tensor => g.input(name, f32(...shape), 'feed');
  const [h, w, x] = [t('h', 2, 4), t('w', 16, 4), t('x', 2, 3, 16)];
  expect(() => ops.lstm(t('odd', 2, 3, 6), h, h, w)).toThrow(
    'lstm: expected the projected input as [batch, time, 4 * hidden], got [2,3,6]',
  );
  expect(() => ops.lstm(x, h, t('c', 2, 5), w)).toThrow('lstm: expected c0 as [2,4], got [2,5]');
  expect(() => ops.lstm(x, h, h, t('w2', 12, 4))).toThrow('lstm: expected the recurrent weight as [16,4], got [12,4]');
  expect(() => ops.lstm(x, h, h, w, { lengths: t('l', 2) })).toThrow('lstm: expected lengths as i32, got f32[2]');
  const lengths = g.input('l3', { dtype: 'i32', shape: [3] }, 'feed');
  expect(() => ops.lstm(x, h, h, w, { lengths })).toThrow('lstm: expected lengths as [2], got [3]');
  const [x3, w3] = [t('x3', 2, 3, 12), t('w3', 12, 4)];
  expect(() => ops.gru(x3, h, w3, t('b', 4))).toThrow('gru: expected the recurrent bias as [12], got [4]');
});
