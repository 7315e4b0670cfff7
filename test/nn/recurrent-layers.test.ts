// recurrent-layers.test.ts: RNN, LSTM and GRU as layers against PyTorch: names, outputs, final states and gradients.
import { describe, expect, it } from 'vitest';
import { grad } from '../../lib/autodiff/grad.ts';
import { OptionError, ShapeError } from '../../lib/errors.ts';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import type { RefArray } from '../../lib/ir/op.ts';
import * as nn from '../../lib/nn/index.ts';
import { bindParameters } from '../../lib/nn/module/module.ts';
import * as ops from '../../lib/ops/index.ts';
import golden from '../golden/nn/recurrent.json' with { type: 'json' };
import { interpret } from '../interpret.ts';
import { runGraph } from '../run-graph.ts';

interface Numbers {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}
interface Golden {
  readonly kind: string;
  readonly options: { readonly num_layers?: number; readonly [name: string]: unknown };
  readonly lengths: readonly number[] | null;
  readonly ins: readonly Numbers[];
  readonly parameters: Readonly<Record<string, Numbers>>;
  readonly weights: readonly Numbers[];
  readonly outs: readonly Numbers[];
  readonly gradients: Readonly<Record<string, Numbers>>;
}
const cases = golden.cases as unknown as Readonly<Record<string, Golden>>;

type Recurrent = nn.RNN | nn.LSTM | nn.GRU;
function layerOf({ kind, options: { num_layers, ...options } }: Golden): Recurrent {
  const all = { ...options, ...(num_layers ? { numLayers: num_layers } : {}) };
  return kind === 'LSTM' ? new nn.LSTM(2, 3, all) : kind === 'GRU' ? new nn.GRU(2, 3, all) : new nn.RNN(2, 3, all);
}

function close(got: RefArray, want: Numbers, tolerance: number, what: string): void {
  expect(got.length, what).toBe(want.data.length);
  want.data.forEach((v, i) => {
    expect(Math.abs(got[i]! - v), `${what}, element ${i}: ${got[i]} and ${v}`).toBeLessThan(tolerance * Math.max(1, Math.abs(v)));
  });
}

describe('as PyTorch', () => {
  it.each(Object.keys(cases))('%s', (name) => {
    const wanted = cases[name]!;
    const layer = layerOf(wanted);
    const named = new Map(layer.namedParameters());
    expect([...named].map(([n, p]) => [n, p.shape])).toEqual(Object.entries(wanted.parameters).map(([n, p]) => [n, p.shape]));
    for (const [n, p] of named) p.data = wanted.parameters[n]!.data;
    const graph = new Graph();
    const input = (key: string, shape: readonly number[]): Tensor => graph.input(key, { dtype: 'f32', shape }, 'feed');
    const ins = wanted.ins.map(({ shape }, i) => input(`in ${i}`, shape));
    const [x, h, c] = ins;
    const lengths = wanted.lengths && graph.input('lengths', { dtype: 'i32', shape: [wanted.lengths.length] }, 'feed');
    const unbind = bindParameters(graph, layer);
    const given = { ...(h ? { h } : {}), ...(lengths ? { lengths } : {}) };
    const out = layer instanceof nn.LSTM ? layer.forward(x!, { ...given, ...(c ? { c } : {}) }) : layer.forward(x!, given);
    unbind();
    const outs = [out.output, out.h, ...('c' in out ? [out.c as Tensor] : [])];
    const terms = outs.map((t, i) => ops.sum(ops.mul(t, input(`w ${i}`, t.shape)), { dtype: 'f64' }));
    const states = [...named].map(([n, p]) => [n, graph.state(p.state)] as const);
    const wrt = new Map<string, Tensor>([...ins.map((t, i) => [`in ${i}`, t] as const), ...states]);
    const gradients = grad(
      terms.reduce((a, b) => ops.add(a, b)),
      [...wrt.values()],
    );
    const all = new Map<string, readonly [Tensor, Numbers]>([
      ...outs.map((t, i) => [`output ${i}`, [t, wanted.outs[i]!]] as const),
      ...[...wrt.keys()].map((n, i) => [n, [gradients[i]!, wanted.gradients[n]!]] as const),
    ]);
    for (const [key, [t]] of all) graph.output(key, t);
    const inputs: Record<string, RefArray> = lengths ? { lengths: Int32Array.from(wanted.lengths!) } : {};
    wanted.ins.forEach(({ data }, i) => {
      inputs[`in ${i}`] = Float64Array.from(data);
    });
    wanted.weights.forEach(({ data }, i) => {
      inputs[`w ${i}`] = Float64Array.from(data);
    });
    const initial = { states: (s: { init?: (out: Float32Array) => void; type: { shape: readonly number[] } }) => valuesOf(s) };
    const truth = interpret(graph, { inputs, f64: true, ...initial });
    const native = runGraph(graph, { inputs, threads: 2 });
    for (const [key, [t, want]] of all) {
      expect(t.shape, key).toEqual(want.shape);
      close(truth.get(t)!, want, 1e-10, key);
      close(native.get(key)!, want, 3e-6, `${key}, native`);
    }
    // The last layer's own state, as a classifier reads it.
    const directions = layer.directions;
    const states3 = wanted.outs[1]!;
    const tail = Array.from({ length: directions }, (_, d) => states3.shape[0]! - directions + d);
    const last = [0, 1, 2].flatMap((b) => tail.flatMap((d) => states3.data.slice((d * 3 + b) * 3, (d * 3 + b + 1) * 3)));
    close(truth.get(out.last)!, { shape: [3, 3 * directions], data: last }, 1e-10, 'last');
  });
});

function valuesOf({ init, type }: { init?: (out: Float32Array) => void; type: { shape: readonly number[] } }): Float32Array {
  const out = new Float32Array(type.shape.reduce((a, b) => a * b, 1));
  init?.(out);
  return out;
}

it('dropout acts between layers, in training only', () => {
  const layer = new nn.LSTM(4, 5, { numLayers: 3, dropout: 0.5 }).initialize(1);
  const count = (mode: 'train' | 'eval'): number => {
    const graph = new Graph(mode);
    const unbind = bindParameters(graph, layer);
    layer.forward(graph.input('x', { dtype: 'f32', shape: [2, 3, 4] }, 'feed'));
    unbind();
    return graph.nodes.filter((n) => n.op.name === 'dropout').length;
  };
  expect([count('train'), count('eval')]).toEqual([2, 0]);
});

it('wrong use', () => {
  expect(() => new nn.LSTM(0, 3)).toThrow('nn.LSTM: argument inputSize: expected a whole number >= 1, got 0');
  expect(() => new nn.GRU(2, 3, { layers: 2 } as object)).toThrow(OptionError);
  expect(() => new nn.GRU(2, 3, { dropout: 1 })).toThrow('GRU: option dropout: expected a finite number >= 0 and < 1, got 1');
  expect(() => new nn.RNN(2, 3, { nonlinearity: 'sigmoid' } as object)).toThrow('expected one of tanh, relu, got "sigmoid"');
  expect(() => new nn.LSTM(2, 3, { nonlinearity: 'relu' } as object)).toThrow('LSTM: unknown option nonlinearity');
  const layer = new nn.LSTM(2, 3, { numLayers: 2 }).initialize();
  const forward = (shape: number[], given: (t: (name: string, ...shape: number[]) => Tensor) => nn.LSTMInput = () => ({})) => {
    const graph = new Graph();
    const t = (name: string, ...s: number[]): Tensor => graph.input(name, { dtype: 'f32', shape: s }, 'feed');
    const unbind = bindParameters(graph, layer);
    try {
      layer.forward(t('x', ...shape), given(t));
    } finally {
      unbind();
    }
  };
  expect(() => forward([4, 2])).toThrow('LSTM: expected x [batch, time, 2] with at least one step, got [4,2]');
  expect(() => forward([4, 0, 2])).toThrow(ShapeError);
  expect(() => forward([4, 5, 3])).toThrow('got [4,5,3]');
  expect(() => forward([4, 5, 2], (t) => ({ h: t('h', 1, 4, 3) }))).toThrow('LSTM: expected h as f32[2,4,3], got f32[1,4,3]');
  expect(() => forward([4, 5, 2], (t) => ({ c: t('c', 2, 4, 4) }))).toThrow('LSTM: expected c as f32[2,4,3], got f32[2,4,4]');
  expect(() => forward([4, 5, 2], (t) => ({ lengths: t('l', 4) }))).toThrow('lstm: expected lengths as i32, got f32[4]');
  expect(() => forward([4, 5, 2], () => ({ hx: 1 }) as object)).toThrow('nn.LSTM.forward: unknown option hx');
});
