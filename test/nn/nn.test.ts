// nn.test.ts: layers and losses, traced and run by the ops' refs in f64, against PyTorch in f64 (golden/nn/nn.json, made by make_nn.py).
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { grad } from '../../lib/autodiff/grad.ts';
import { OptionError, ShapeError } from '../../lib/errors.ts';
import { Graph, type State, type Tensor } from '../../lib/ir/graph.ts';
import { type DType, type RefArray, sizeOf } from '../../lib/ir/op.ts';
import * as nn from '../../lib/nn/index.ts';
import { Module } from '../../lib/nn/index.ts';
import * as loss from '../../lib/nn/loss/index.ts';
import { bindParameters } from '../../lib/nn/module/module.ts';
import { add, relu, square, sum } from '../../lib/ops/index.ts';
import { interpret } from '../interpret.ts';

const losses = { ...loss };

interface Values {
  readonly shape: number[];
  readonly data: number[];
}
interface Golden {
  readonly losses: Readonly<
    Record<string, { x: Values; y: Values; cases: { options: object & { reduction?: string }; value: number; grad: number[] }[] }>
  >;
  readonly layers: Readonly<Record<string, { ins: Values[]; parameters: Record<string, Values>; outs: Values[] }>>;
}
const golden = JSON.parse(readFileSync(new URL('../golden/nn/nn.json', import.meta.url), 'utf8')) as Golden;

function close(got: ArrayLike<number>, want: readonly number[]): void {
  expect(got.length).toBe(want.length);
  for (const [i, w] of want.entries()) {
    if (!(Math.abs(got[i]! - w) <= 1e-10 * Math.max(1, Math.abs(w))))
      throw new Error(`element ${i}: expected ${w}, got ${got[i]}`);
  }
}

const initial = (state: State): Float32Array => {
  const data = new Float32Array(sizeOf(state.type.shape));
  state.init?.(data);
  return data;
};

/** Run a model or function of tensors on values, with the model's parameters bound; `mode` 'eval' unless said. */
function run(
  model: Module | null,
  ins: readonly (Values & { dtype?: DType })[],
  build: (...ins: Tensor[]) => readonly Tensor[],
  mode: 'train' | 'eval' = 'eval',
): { outs: Tensor[]; values: RefArray[] } {
  const graph = new Graph(mode);
  const tensors = ins.map((x, i) => graph.input(`x${i}`, { dtype: x.dtype ?? 'f32', shape: x.shape }, 'feed'));
  const unbind = model ? bindParameters(graph, model) : () => {};
  try {
    const outs = [...build(...tensors)];
    const inputs = Object.fromEntries(ins.map((x, i) => [`x${i}`, Float64Array.from(x.data)]));
    const values = interpret(graph, { inputs, states: initial, f64: true });
    return { outs, values: outs.map((t) => values.get(t)!) };
  } finally {
    unbind();
  }
}

/** Zeros, for shapes that are to be refused. */
const zeros = (...shape: number[]): Values => ({ shape, data: new Array(shape.reduce((n, d) => n * d, 1)).fill(0) });

describe('losses as in PyTorch: values and gradients', () => {
  const cases = Object.entries(golden.losses).flatMap(([name, g]) =>
    g.cases.map((c) => [name, JSON.stringify(c.options), g, c] as const),
  );
  test.each(cases)('%s %s', (name, _, { x, y }, { options, value, grad: want }) => {
    const dtype: DType = name === 'crossEntropy' ? 'i32' : 'f32';
    const f = losses[name as 'mse'];
    const { outs, values } = run(null, [x, { ...y, dtype }], (a, b) => {
      const out = f(a, b, options as loss.LossOptions);
      return [out, ...grad(out, [a])];
    });
    expect(outs[0]!.type).toEqual({ dtype: 'f64', shape: [] });
    close(values[0]!, [value]);
    close(values[1]!, want);
  });

  test('labels may be u8', () => {
    const { x, y, cases } = golden.losses.crossEntropy!;
    const { values } = run(null, [x, { ...y, dtype: 'u8' }], (a, b) => [loss.crossEntropy(a, b)]);
    close(values[0]!, [cases[0]!.value]);
  });

  test('bceWithLogits keeps its digits far out', () => {
    const x = { shape: [4], data: [-40, 40, 300, -300] };
    const y = { shape: [4], data: [0, 1, 0, 1] };
    const { values } = run(null, [x, y], (a, b) => [loss.bceWithLogits(a, b, { reduction: 'sum' })]);
    close(values[0]!, [600 + 2 * Math.log1p(Math.exp(-40))]);
  });

  test('clamp keeps outputs in bounds: what lies outside counts as the bound and gets no gradient', () => {
    const x = { shape: [4], data: [-7, -1, 2, 50] };
    const y = { shape: [4], data: [1, 1, 1, 1] };
    const { values } = run(null, [x, y], (a, b) => {
      const out = loss.mse(a, b, { clamp: 3, reduction: 'sum' });
      return [out, ...grad(out, [a])];
    });
    close(values[0]!, [16 + 4 + 1 + 4]);
    close(values[1]!, [0, -4, 2, 0]);
    const within = (clamp: readonly [number, number]) =>
      run(null, [x, y], (a, b) => [loss.bceWithLogits(a, b, { clamp, reduction: 'sum' })]).values[0]!;
    const each = (v: number): number => Math.log1p(Math.exp(-v));
    close(within([-2, 4]), [each(-2) + each(-1) + each(2) + each(4)]);
    const logits = { shape: [1, 3], data: [100, 0, -100] };
    const { values: ce } = run(null, [logits, { shape: [1], data: [2], dtype: 'i32' }], (a, b) => [
      loss.crossEntropy(a, b, { clamp: 5 }),
    ]);
    close(ce[0]!, [Math.log(Math.exp(5) + 1 + Math.exp(-5)) + 5]);
  });

  test('shapes that do not fit are refused, not broadcast', () => {
    const refuse = (f: (a: Tensor, b: Tensor) => Tensor, a: number[], b: number[], dtype: DType = 'f32') =>
      expect(() => run(null, [zeros(...a), { ...zeros(...b), dtype }], (x, y) => [f(x, y)]));
    for (const name of ['mse', 'l1', 'huber', 'bceWithLogits'] as const) {
      const text = `${name}: expected a target of [4,1], got [4]: ops.reshape(outputs, [-1]) has the shape of the target`;
      refuse(losses[name], [4, 1], [4]).toThrow(new ShapeError(text));
      refuse(losses[name], [2, 3], [4]).toThrow(new ShapeError(`${name}: expected a target of [2,3], got [4]`));
    }
    refuse(loss.crossEntropy, [4, 3], [3], 'i32').toThrow(
      new ShapeError('crossEntropy: expected labels [4] for logits [4,3], got [3]'),
    );
    refuse(loss.crossEntropy, [4, 3], [4, 3], 'i32').toThrow(ShapeError);
    refuse(loss.crossEntropy, [], [], 'i32').toThrow(ShapeError);
  });

  test('options are checked', () => {
    const bad = (f: (a: Tensor, b: Tensor) => Tensor) => expect(() => run(null, [zeros(2), zeros(2)], (x, y) => [f(x, y)]));
    bad((x, y) => loss.mse(x, y, { reduction: 'max' } as object)).toThrow(
      /mse: option reduction: expected one of mean, sum, none/,
    );
    bad((x, y) => loss.huber(x, y, { delta: 0 })).toThrow(/huber: option delta: expected a finite number > 0, got 0/);
    bad((x, y) => loss.huber(x, y, { beta: 1 } as object)).toThrow(OptionError);
    bad((x, y) => loss.l1(x, y, { delta: 1 } as object)).toThrow(/unknown option delta/);
    bad((x, y) => loss.l1(x, y, { clamp: 0 })).toThrow(/l1: option clamp: expected a finite number > 0, got 0/);
    bad((x, y) => loss.mse(x, y, { clamp: [1, 1] })).toThrow(/option clamp\[1\]: expected a finite number > 1, got 1/);
    bad((x, y) => loss.mse(x, y, { clamp: [1] as never })).toThrow(/option clamp: expected two values, got an array of 1/);
    bad((x, y) => loss.crossEntropy(x, y, { labelSmoothing: 1.5 })).toThrow(
      /labelSmoothing: expected a finite number >= 0 and <= 1/,
    );
  });
});

const layers: Readonly<Record<string, () => Module & { forward(x: Tensor): Tensor | nn.Recurrent }>> = {
  Linear: () => new nn.Linear(3, 2),
  'Linear-vector': () => new nn.Linear(3, 2),
  Embedding: () => new nn.Embedding(5, 3),
  RNN: () => new nn.RNN(3, 4),
  'RNN-h0': () => new nn.RNN(3, 4, { bias: false }),
  Sequential: () =>
    new nn.Sequential(
      new nn.Flatten(),
      new nn.Linear(6, 5),
      relu,
      new nn.Linear(5, 4),
      new nn.Tanh(),
      new nn.Linear(4, 2, { bias: false }),
    ),
  GELU: () => new nn.GELU(),
  'GELU-tanh': () => new nn.GELU({ approximate: 'tanh' }),
  SiLU: () => new nn.SiLU(),
  Softplus: () => new nn.Softplus(),
  ReLU: () => new nn.ReLU(),
  Tanh: () => new nn.Tanh(),
  Sigmoid: () => new nn.Sigmoid(),
};

describe('layers as in PyTorch: names, shapes, values', () => {
  test.each(Object.keys(golden.layers))('%s', (name) => {
    const { ins, parameters, outs } = golden.layers[name]!;
    const layer = layers[name]!();
    const named = new Map(layer.namedParameters());
    expect([...named].map(([n, p]) => [n, p.shape])).toEqual(Object.entries(parameters).map(([n, p]) => [n, p.shape]));
    for (const [n, p] of named) p.data = parameters[n]!.data;
    const dtype: DType = name === 'Embedding' ? 'i32' : 'f32';
    const operands = ins.map((x) => ({ ...x, dtype }));
    const { outs: got, values } = run(layer, operands, (x, h) => {
      if (!(layer instanceof nn.RNN)) return [layer.forward(x) as Tensor];
      const out = layer.forward(x, h ? { h } : {});
      return [out.output, out.h];
    });
    for (const [i, want] of outs.entries()) {
      expect(got[i]!.shape).toEqual(want.shape);
      close(values[i]!, want.data);
    }
  });

  test('linear of rows of a smaller table multiplies the table: the same values, the same gradient', () => {
    const model = new nn.Sequential({ table: new nn.Embedding(4, 6), fc: new nn.Linear(6, 3) }).initialize(5);
    const [table, fc] = model.layers.map(([, layer]) => layer) as [nn.Embedding, nn.Linear];
    const indices: Values & { dtype: DType } = { shape: [3, 4], data: [0, 3, 1, 1, 2, 0, 3, 3, 1, 0, 0, 2], dtype: 'i32' };
    const { outs, values } = run(model, [indices], (x) => {
      const looked = fc.forward(table.forward(x));
      const multiplied = fc.forward(add(table.forward(x), 0));
      const wrt = model.parameters().map((p) => x.graph.state(p.state));
      const both = [looked, multiplied].map((y) => grad(sum(square(y), { dtype: 'f64' }), wrt));
      return [looked, multiplied, ...both.flat()];
    });
    const products = outs[0]!.graph.nodes.filter((n) => n.op.name === 'matmul').map((n) => n.out.shape);
    expect(products.slice(0, 2)).toEqual([
      [4, 3],
      [12, 3],
    ]);
    expect(values[0]).toEqual(values[1]);
    for (const k of [2, 3, 4]) close(values[k]!, [...values[k + 3]!]);
  });

  test('Sequential by key, nested', () => {
    const model = new nn.Sequential({
      body: new nn.Sequential(new nn.Linear(2, 2), relu),
      head: new nn.Linear(2, 1, { bias: false }),
    });
    expect(Array.from(model.namedParameters(), ([n]) => n)).toEqual(['body.0.weight', 'body.0.bias', 'head.weight']);
  });

  test('initial values are within the bounds of PyTorch', () => {
    const most = (p: nn.Parameter): number => p.data.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    const fc = new nn.Linear(400, 100).initialize(1);
    expect(most(fc.weight) / 0.05).toBeCloseTo(1, 2);
    expect(most(fc.bias!) / 0.05).toBeCloseTo(1, 1);
    const rnn = new nn.RNN(10, 100).initialize(1);
    for (const p of rnn.parameters()) expect(most(p) / 0.1).toBeCloseTo(1, 1);
    const table = new nn.Embedding(100, 100).initialize(1).weight.data;
    expect(table.reduce((s, v) => s + v * v, 0) / table.length).toBeCloseTo(1, 1);
  });

  test('dropout acts in training only', () => {
    const ones: Values = { shape: [1000], data: new Array(1000).fill(1) };
    const layer = new nn.Dropout(0.25);
    const forward = (mode: 'train' | 'eval') => run(layer, [ones], (x) => [layer.forward(x)], mode).values[0]!;
    expect(new Set(forward('eval'))).toEqual(new Set([1]));
    const kept = [...forward('train')].filter((v) => v !== 0);
    expect(kept.every((v) => Math.abs(v - 4 / 3) < 1e-6)).toBe(true);
    expect(Math.abs(kept.length - 750)).toBeLessThan(70);
  });

  test('tied weights are one state in the graph', () => {
    class Tied extends Module {
      embed: nn.Embedding = new nn.Embedding(5, 3);
      out: nn.Linear = new nn.Linear(3, 5, { bias: false });
      constructor() {
        super();
        this.out.weight = this.embed.weight;
      }
      forward(x: Tensor): Tensor {
        return this.out.forward(this.embed.forward(x));
      }
    }
    const model = new Tied().initialize(3);
    expect(model.parameters().length).toBe(1);
    const { outs, values } = run(model, [{ shape: [2], data: [1, 4], dtype: 'i32' }], (x) => [model.forward(x)]);
    expect(outs[0]!.graph.states).toEqual([model.embed.weight.state]);
    const w = model.embed.weight.data;
    const want = [1, 4].flatMap((r) =>
      Array.from({ length: 5 }, (_, c) => [0, 1, 2].reduce((s, k) => s + w[r * 3 + k]! * w[c * 3 + k]!, 0)),
    );
    close(values[0]!, want);
  });

  test('wrong use', () => {
    expect(() => new nn.Linear(0, 3)).toThrow(OptionError);
    expect(() => new nn.Linear(3, 2.5)).toThrow(/Linear: argument outFeatures/);
    expect(() => new nn.Linear(3, 2, { bais: false } as object)).toThrow(/did you mean bias/);
    expect(() => new nn.Embedding(5, -1)).toThrow(OptionError);
    expect(() => new nn.Dropout(1)).toThrow(/nn.Dropout: argument p: expected a finite number >= 0 and < 1, got 1/);
    expect(() => new nn.GELU({ approximate: 'tan' } as object)).toThrow(/did you mean tanh/);
    expect(() => new nn.Sequential(3 as unknown as nn.Layer)).toThrow(
      'nn.Sequential: argument layers[0]: expected a Module or a function, or an object of layers, got 3',
    );
    const fc = new nn.Linear(3, 2).initialize();
    expect(() => run(fc, [zeros(2, 4)], (x) => [fc.forward(x)])).toThrow(
      new ShapeError('linear: expected x [..., 3] for a weight of [2,3], got [2,4]'),
    );
    const rnn = new nn.RNN(3, 2).initialize();
    expect(() => run(rnn, [zeros(4, 3)], (x) => [rnn.forward(x).h])).toThrow(/RNN: expected x \[batch, time, 3\]/);
    expect(() => run(rnn, [zeros(4, 2, 5)], (x) => [rnn.forward(x).h])).toThrow(ShapeError);
    expect(() => run(rnn, [zeros(4, 2, 3), zeros(3, 2)], (x, h) => [rnn.forward(x, { h }).h])).toThrow(ShapeError);
  });
});
