// batch-norm.test.ts: batch norm against PyTorch in f64 (golden/nn/batch_norm.json, made by make_batch_norm.py): training, running statistics,
// evaluation; what the compiler fuses into it; group and instance norm by what they mean.
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { grad } from '../../lib/autodiff/grad.ts';
import { prepare } from '../../lib/compile/compile.ts';
import { OptionError, ShapeError } from '../../lib/errors.ts';
import { readSafetensors } from '../../lib/io/arrays/safetensors.ts';
import { Graph, type State, type Tensor, type TensorLike } from '../../lib/ir/graph.ts';
import { type RefArray, sizeOf } from '../../lib/ir/op.ts';
import { addon } from '../../lib/native/addon.ts';
import * as nn from '../../lib/nn/index.ts';
import { Module } from '../../lib/nn/index.ts';
import * as loss from '../../lib/nn/loss/index.ts';
import { bindParameters } from '../../lib/nn/module/module.ts';
import { add, mul, relu, sum, tanh } from '../../lib/ops/index.ts';
import { sgd } from '../../lib/optim/index.ts';
import type { Arrays } from '../../lib/train/feed/source.ts';
import { Trainer } from '../../lib/train/index.ts';
import { interpret } from '../interpret.ts';
import { runGraph } from '../run-graph.ts';

interface Golden {
  readonly initial: number[][];
  readonly x: number[];
  readonly y: number[];
  readonly runs: {
    readonly accumulate: number;
    readonly losses: number[];
    readonly state: Record<string, { shape: number[]; data: number[] }>;
    readonly evaluated: number[];
  }[];
}
const golden = JSON.parse(readFileSync(new URL('../golden/nn/batch_norm.json', import.meta.url), 'utf8')) as Golden;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gradclip-batch-norm-'));
});
afterAll(() => rm(folder, { recursive: true }));

function close(got: ArrayLike<number>, want: ArrayLike<number>, within = 1e-5): void {
  expect(got.length).toBe(want.length);
  for (let i = 0; i < want.length; i++) {
    if (!(Math.abs(got[i]! - want[i]!) <= within * Math.max(1, Math.abs(want[i]!)))) {
      expect.fail(`element ${i}: expected ${want[i]}, got ${got[i]}`);
    }
  }
}

class Net extends Module {
  bn1: nn.BatchNorm2d = new nn.BatchNorm2d(2);
  fc: nn.Linear = new nn.Linear(12, 3);
  bn2: nn.BatchNorm1d = new nn.BatchNorm1d(3, { momentum: null, eps: 1e-3 });
  out: nn.Linear = new nn.Linear(3, 1);
  forward(x: TensorLike): Tensor {
    const y = new nn.Flatten().forward(relu(this.bn1.forward(x)));
    return this.out.forward(this.bn2.forward(this.fc.forward(y)));
  }
}

describe('a network trained as by PyTorch', () => {
  test.each(golden.runs)('%# accumulating $accumulate', async ({ accumulate, losses, state, evaluated }) => {
    const model = new Net();
    for (const [k, p] of model.parameters().entries()) p.data = golden.initial[k]!;
    const trainer = new Trainer({
      model,
      loss: ({ x, y }, m) => loss.mse(m.forward(x), y),
      optimizer: sgd({ lr: 0.125, momentum: 0.5 }),
      batchSize: 6 / accumulate,
      accumulate,
      threads: 2,
    });
    const x = { data: Float32Array.from(golden.x), shape: [24, 2, 2, 3] };
    const rows = 6 / accumulate;
    async function* batches(): AsyncGenerator<Arrays> {
      for (let at = 0; at < 24; at += rows) {
        const y = { data: Float32Array.from(golden.y.slice(at, at + rows)), shape: [rows, 1] };
        yield { x: { data: x.data.slice(12 * at, 12 * (at + rows)), shape: [rows, 2, 2, 3] }, y };
      }
    }
    const got: number[] = [];
    const run = trainer.fit(batches, { epochs: 1 });
    for await (const step of run) got.push(step.loss);
    close(got, losses);
    const shapes = [...model.namedParameters(), ...model.namedBuffers()].map(([name, t]) => [name, t.shape] as const);
    expect(Object.fromEntries(shapes)).toEqual(Object.fromEntries(Object.entries(state).map(([name, t]) => [name, t.shape])));
    const file = join(folder, 'model.safetensors');
    await trainer.save(file, { weightsOnly: true });
    const { tensors } = await readSafetensors(file);
    for (const [name, { data }] of Object.entries(state)) close(tensors.get(name)!.data, data);
    close((await trainer.predict(x)).data, evaluated);
    trainer.dispose();
  });
});

/** A graph of `build` on inputs of one shape, with the gradient of what it gives as the only use of its parameters. */
function traced(shape: readonly number[], model: Module, build: (x: Tensor, other: Tensor) => Tensor): Graph {
  const graph = new Graph('train');
  const x = graph.input('x', { dtype: 'f32', shape }, 'feed');
  const other = graph.input('other', { dtype: 'f32', shape }, 'feed');
  const unbind = bindParameters(graph, model.initialize(1));
  try {
    const y = build(x, other);
    const gradients = grad(sum(mul(y, tanh(y)), { dtype: 'f64' }), [x, other, ...model.parameters().map((p) => p.toTensor())]);
    graph.output('y', y);
    for (const [i, g] of gradients.entries()) graph.output(`d${i}`, g);
  } finally {
    unbind();
  }
  return graph;
}

describe('fused', () => {
  const shape = [3, 5, 4, 4];
  const wave = (k: number): Float64Array => Float64Array.from({ length: sizeOf(shape) }, (_, i) => Math.fround(Math.sin(i * k)));
  const inputs = { x: wave(1.7), other: wave(0.9) };
  const ops = (graph: Graph): string[] => prepare(graph).nodes.map((n) => n.op.name);
  class Two extends Module {
    a: nn.BatchNorm2d = new nn.BatchNorm2d(5, { trackRunningStats: false });
    b: nn.BatchNorm2d = new nn.BatchNorm2d(5, { trackRunningStats: false });
    forward(): void {}
  }
  const cases: Record<string, (m: Two, x: Tensor, other: Tensor) => Tensor> = {
    'with relu': ({ a }, x) => relu(a.forward(x)),
    'with a sum and relu': ({ a }, x, other) => relu(add(a.forward(x), other)),
    'with a sum on the left': ({ a }, x, other) => relu(add(other, a.forward(x))),
    'two that are added': ({ a, b }, x, other) => relu(add(a.forward(x), b.forward(other))),
    'one after the other': ({ a, b }, x, other) => relu(add(b.forward(relu(a.forward(x))), other)),
    'a residual chain': ({ a, b }, x) => {
      const y = relu(a.forward(x));
      return relu(add(b.forward(y), y));
    },
  };
  test.each(Object.keys(cases))('%s: the same bits in fewer instructions', (name) => {
    const model = new Two();
    for (const [k, p] of model.parameters().entries()) p.data = Array.from({ length: 5 }, (_, i) => Math.cos(i + k));
    const graph = traced(shape, model, (x, other) => cases[name]!(model, x, other));
    const [fused, apart] = [true, false].map((fuse) => runGraph(graph, { inputs, fuse, threads: 2 }));
    for (const [key, value] of apart!)
      expect(Buffer.from(fused!.get(key)!.buffer).equals(Buffer.from(value.buffer)), key).toBe(true);
    const states = (s: State): RefArray => {
      const data = new Float64Array(sizeOf(s.type.shape));
      s.init?.(data as never);
      return data;
    };
    const truth = interpret(graph, { inputs, states, f64: true });
    for (const [key, t] of graph.outputs) close(fused!.get(key)!, truth.get(t)!, 2e-5);
    expect(ops(graph)).not.toContain('relu');
  });

  test('a sum that is wanted by itself is left alone', () => {
    const model = new Two();
    const graph = traced(shape, model, (x, other) => {
      const y = add(model.a.forward(x), other);
      return mul(relu(y), y);
    });
    const norms = prepare(graph).nodes.filter((n) => n.op.name === 'batchNorm');
    expect(norms.map((n) => n.attrs)).toMatchObject([{ sum: true, relu: false }]);
  });
});

describe('between convolutions', () => {
  const shape = [3, 3, 9, 8];
  const wave = (k: number): Float64Array => Float64Array.from({ length: sizeOf(shape) }, (_, i) => Math.fround(Math.sin(i * k)));
  const inputs = { x: wave(1.7), other: wave(0.9) };
  class Between extends Module {
    first: nn.Conv2d;
    norm: nn.BatchNorm2d;
    second: nn.Conv2d = new nn.Conv2d(6, 3, 3, { padding: 1 });
    constructor(affine: boolean, groups: number) {
      super();
      this.first = new nn.Conv2d(3, 6, 3, { padding: 1, bias: affine, groups });
      this.norm = new nn.BatchNorm2d(6, { trackRunningStats: false, affine });
    }
    forward(): void {}
  }
  interface Case {
    readonly build: (m: Between, x: Tensor, other: Tensor) => Tensor;
    /** What is left of the batch norm beside its statistics. */
    readonly left: readonly string[];
  }
  const cases: Record<string, Case> = {
    'read by a convolution': { build: (m, x) => m.second.forward(relu(m.norm.forward(m.first.forward(x)))), left: [] },
    'without relu': { build: (m, x) => m.second.forward(m.norm.forward(m.first.forward(x))), left: [] },
    'with a sum': {
      build: (m, x, other) => m.second.forward(relu(add(m.norm.forward(m.first.forward(x)), m.first.forward(other)))),
      left: ['normalize'],
    },
    'read by others too': {
      build: (m, x) => {
        const y = relu(m.norm.forward(m.first.forward(x)));
        return add(m.second.forward(y), m.second.forward(tanh(y)));
      },
      left: ['normalize'],
    },
    'after relu': { build: (m, x) => m.second.forward(m.norm.forward(relu(m.first.forward(x)))), left: [] },
  };
  const all = Object.keys(cases).flatMap((name) => [
    [name, true, 1] as const,
    [name, false, 1] as const,
    [name, true, 3] as const,
  ]);
  test.each(all)('%s (affine %s, %i groups): the same bits, and nothing written in between', (name, affine, groups) => {
    const { build, left } = cases[name]!;
    const model = new Between(affine, groups);
    const graph = traced(shape, model, (x, other) => build(model, x, other));
    const states = (s: State): RefArray => {
      const data = new Float64Array(sizeOf(s.type.shape));
      s.init?.(data as never);
      return data;
    };
    const truth = interpret(graph, { inputs, states, f64: true });
    for (const isa of addon().isas) {
      const apart = runGraph(graph, { inputs, isa, fuse: false });
      for (const [key, t] of graph.outputs) close(apart.get(key)!, truth.get(t)!, 5e-5);
      for (const threads of [1, 5]) {
        const fused = runGraph(graph, { inputs, isa, threads });
        for (const [key, value] of apart)
          expect(Buffer.from(fused.get(key)!.buffer).equals(Buffer.from(value.buffer)), `${key} on ${isa}`).toBe(true);
      }
    }
    const ops = prepare(graph).nodes.map((n) => n.op.name);
    expect(ops.filter((op) => ['batchNorm', 'normalize'].includes(op))).toEqual(left);
    expect(ops).toContain('batchStatistics');
  });

  test('planes of less than 64 are left to the batch norm', () => {
    const model = new Between(true, 1);
    const graph = traced([3, 3, 7, 9], model, (x) => model.second.forward(relu(model.norm.forward(model.first.forward(x)))));
    expect(prepare(graph).nodes.map((n) => n.op.name)).toContain('batchNorm');
  });
});

describe('group and instance norm', () => {
  const shape = [2, 6, 3, 2];
  const data = Float64Array.from({ length: sizeOf(shape) }, (_, i) => Math.fround(Math.sin(i * 2.1) * 3 + 1));
  function run(layer: { forward(x: TensorLike): Tensor } & Module): RefArray {
    const graph = new Graph('train');
    const x = graph.input('x', { dtype: 'f32', shape }, 'feed');
    for (const [k, p] of layer.parameters().entries()) p.data = Array.from({ length: 6 }, (_, i) => i - k);
    const unbind = bindParameters(graph, layer);
    graph.output('y', layer.forward(x));
    unbind();
    return runGraph(graph, { inputs: { x: data } }).get('y')!;
  }
  /** Groups of `size` channels, by the definition. */
  const meant = (size: number, affine: boolean): number[] => {
    const n = size * 6;
    return Array.from(data, (v, i) => {
      const group = data.subarray(Math.floor(i / n) * n, (Math.floor(i / n) + 1) * n);
      const m = group.reduce((a, b) => a + b, 0) / n;
      const z = (v - m) / Math.sqrt(group.reduce((a, b) => a + (b - m) ** 2, 0) / n + 1e-5);
      const c = Math.floor(i / 6) % 6;
      return affine ? z * c + c - 1 : z;
    });
  };
  test('group norm', () => {
    close(run(new nn.GroupNorm(2, 6)), meant(3, true));
    close(run(new nn.GroupNorm(3, 6, { affine: false })), meant(2, false));
    expect(() => new nn.GroupNorm(4, 6)).toThrow(/nn.GroupNorm: argument numGroups: expected a divisor of numChannels 6, got 4/);
    expect(() => run(new nn.GroupNorm(1, 5, { affine: false }))).toThrow(
      /GroupNorm: expected x \[batch, 5, \.\.\.\], got \[2,6,3,2\]/,
    );
  });
  test('instance norm', () => {
    close(run(new nn.InstanceNorm2d(6)), meant(1, false));
    close(run(new nn.InstanceNorm2d(6, { affine: true })), meant(1, true));
    expect(() => run(new nn.InstanceNorm1d(6))).toThrow(/InstanceNorm1d: expected x \[batch, 6, length\], got \[2,6,3,2\]/);
  });
});

test('wrong use', () => {
  expect(() => new nn.BatchNorm2d(0)).toThrow(OptionError);
  expect(() => new nn.BatchNorm2d(3, { momentum: 2 })).toThrow(
    /BatchNorm2d: option momentum: expected a finite number >= 0 and <= 1, got 2/,
  );
  expect(() => new nn.BatchNorm2d(3, { momentum: '0.1' } as object)).toThrow(
    /option momentum: expected a finite number >= 0 and <= 1, or null, got "0.1"/,
  );
  expect(() => new nn.BatchNorm1d(3, { track: false } as object)).toThrow(/unknown option track/);
  const refuse = (layer: nn.BatchNorm1d | nn.BatchNorm2d, ...shape: number[]) =>
    expect(() => traced(shape, layer, (x) => layer.forward(x)));
  refuse(new nn.BatchNorm2d(3), 2, 3, 4).toThrow(/BatchNorm2d: expected x \[batch, features, height, width\], got \[2,3,4\]/);
  refuse(new nn.BatchNorm1d(3), 2, 3, 4, 5).toThrow(/BatchNorm1d: expected x \[batch, features\] or \[batch, features, length\]/);
  refuse(new nn.BatchNorm2d(3), 2, 4, 5, 5).toThrow(/BatchNorm2d: expected x \[batch, 3, \.\.\.\], got \[2,4,5,5\]/);
  refuse(new nn.BatchNorm1d(3), 1, 3).toThrow(ShapeError);
  refuse(new nn.BatchNorm1d(3), 1, 3).toThrow(/expected more than one value per channel in training, got \[1,3\]/);
});
