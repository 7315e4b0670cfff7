// print.test.ts: ops.print tells what a tensor is, beside plain loops over the same values, wherever a model runs; what is trained keeps its bits.
import { describe, expect, test, vi } from 'vitest';
import { GuardError, guard, loss, models, nn, type Objective, ops, optim, type Tensor, Trainer } from '../../../lib/index.ts';
import { Graph } from '../../../lib/ir/graph.ts';
import type { Data } from '../../../lib/ir/op.ts';
import { describedBy, describe as describeTensor } from '../../../lib/ops/reduce/describe.ts';
import type { Printed } from '../../../lib/ops/step/print.ts';
import { TEAMS } from '../../kit.ts';
import { runGraph } from '../../run-graph.ts';
import { bits, points } from '../models.ts';

/** The same by plain loops. */
function truth(data: Data) {
  const values = [...data].filter((v) => Number.isFinite(v));
  const sum = (f: (v: number) => number): number => values.reduce((s, v) => s + f(v), 0);
  const squares = sum((v) => v * v);
  return {
    min: values.length > 0 ? Math.min(...values) : Number.NaN,
    max: values.length > 0 ? Math.max(...values) : Number.NaN,
    mean: sum((v) => v) / values.length,
    rms: Math.sqrt(squares / values.length),
    norm: Math.sqrt(squares),
    zeros: [...data].filter((v) => v === 0).length,
    nan: [...data].filter((v) => Number.isNaN(v)).length,
    infinite: [...data].filter((v) => Math.abs(v) === Infinity).length,
  };
}

describe('statistics', () => {
  const mixed = Float32Array.from({ length: 1000 }, (_, i) => (i % 7 === 3 ? 0 : Math.sin(i) * 10 ** ((i % 60) - 30)));
  const bad = Float32Array.from(mixed, (v, i) => (i === 513 ? -Infinity : i === 700 || i === 999 ? Number.NaN : v));
  test.each<[string, Data, number[], number[] | null]>([
    ['f32', mixed, [10, 100], null],
    ['with what is not finite', bad, [10, 50, 2], [5, 6, 1]],
    ['nothing finite', Float32Array.of(Infinity, Number.NaN), [2], [0]],
    ['f64 beyond f32', Float64Array.of(1e150, -2e150, 0), [3], null],
    ['i32', Int32Array.of(-(2 ** 31), 7, 0, 2 ** 31 - 1), [2, 2], null],
    ['u8', Uint8Array.of(0, 255), [2], null],
    ['a scalar', Float32Array.of(-3.5), [], null],
    ['nothing', new Float32Array(0), [0, 3], null],
  ])('%s', (_, data, shape, first) => {
    const graph = new Graph();
    const dtype =
      data instanceof Float32Array ? 'f32' : data instanceof Float64Array ? 'f64' : data instanceof Int32Array ? 'i32' : 'u8';
    const x = graph.input('x', { dtype, shape }, 'data');
    graph.output('found', describeTensor(x));
    const found = describedBy(runGraph(graph, { inputs: { x: data } }).get('found') as Float64Array, x.type);
    for (const [key, want] of Object.entries(truth(data))) {
      const got = found[key as 'min'];
      if (Number.isNaN(want)) expect(got, key).toBeNaN();
      else expect(Math.abs(got - want), key).toBeLessThanOrEqual(1e-9 * Math.abs(want));
    }
    expect(found).toMatchObject({ dtype, shape, firstNonFinite: first, values: [...data].slice(0, 6) });
  });
});

type Told = (x: Tensor, label: string, options?: ops.PrintOptions) => Tensor;

class Net extends nn.Module {
  fc1: nn.Linear = new nn.Linear(6, 16);
  drop: nn.Dropout = new nn.Dropout(0.25);
  fc2: nn.Linear = new nn.Linear(16, 2);
  readonly #print: Told;
  constructor(print: Told) {
    super();
    this.#print = print;
  }
  forward(x: Tensor): Tensor {
    const h = this.#print(this.fc1.forward(x), 'h', { gradient: true });
    const active = this.#print(ops.relu(h), 'active');
    return this.#print(this.fc2.forward(this.drop.forward(active)), 'logits', { gradient: true });
  }
}

const crossEntropy: Objective<nn.Module & { forward(x: Tensor): Tensor }> = ({ x, y }, model) =>
  loss.crossEntropy(model.forward(x!), y!);
const silent: Told = (x) => x;
const collect = (): { said: Printed[]; print: Told } => {
  const said: Printed[] = [];
  return { said, print: (x, label, options) => ops.print(x, label, { ...options, to: (_, printed) => void said.push(printed) }) };
};
const trainer = (print: Told, options: object = {}) =>
  new Trainer({
    model: new Net(print),
    loss: crossEntropy,
    optimizer: optim.adamw({ lr: 1e-2 }),
    batchSize: 8,
    seed: 3,
    ...options,
  });
const data = points(36);

test('what is told in training, and that bits stay, on any team, sync and async', async () => {
  const plain = trainer(silent);
  await plain.fit(data, { epochs: 3 });
  const want = await bits(plain);
  const told: unknown[] = [];
  for (const threads of [1, ...TEAMS.slice(0, 4)]) {
    for (const sync of [true, false]) {
      const { said, print } = collect();
      const watched = trainer(print, { threads });
      if (sync) watched.fitSync(data, { epochs: 3 });
      else await watched.fit(data, { epochs: 3 });
      expect(await bits(watched)).toBe(want);
      expect(said.map((p) => `${p.gradient ? 'd ' : ''}${p.label} ${p.batch}`).slice(0, 10)).toEqual(
        [0, 1].flatMap((b) => [`h ${b}`, `active ${b}`, `logits ${b}`, `d logits ${b}`, `d h ${b}`]),
      );
      expect(said.length).toBe(5 * 3 * 5);
      // The last batch of an epoch has 4 rows.
      expect(said.filter((p) => p.label === 'h' && !p.gradient).map((p) => p.shape[0])).toEqual(
        Array(3).fill([8, 8, 8, 8, 4]).flat(),
      );
      told.push(said);
    }
  }
  for (const said of told) expect(said).toEqual(told[0]);
});

test('a convolutional network keeps its bits, too', async () => {
  const images = {
    x: { data: Float32Array.from({ length: 16 * 64 }, (_, i) => Math.sin(i)), shape: [16, 1, 8, 8] },
    y: points(16).y,
  };
  const run = async (print: Told): Promise<string> => {
    class Watched extends models.LeNet {
      override forward(x: Tensor): Tensor {
        const a = print(ops.relu(print(this.conv1.forward(x), 'conv', { gradient: true })), 'relu');
        const b = print(this.pool.forward(a), 'pool', { gradient: true });
        const c = this.pool.forward(ops.relu(this.conv2.forward(b)));
        return this.fc2.forward(ops.relu(print(this.fc1.forward(this.flatten.forward(c)), 'fc1', { gradient: true })));
      }
    }
    const net = new Trainer({
      model: new Watched({ size: 8, classes: 2 }),
      loss: crossEntropy,
      optimizer: optim.sgd({ lr: 0.1 }),
      batchSize: 8,
    });
    await net.fit(images, { epochs: 2 });
    return bits(net as never);
  };
  expect(await run(collect().print)).toBe(await run(silent));
});

test('values are those of plain loops over weights and inputs; a gradient of a cross-entropy sums to 0', async () => {
  const { said, print } = collect();
  const model = new Net(print);
  model.drop = new nn.Dropout(0);
  const watched = new Trainer({ model, loss: crossEntropy, optimizer: optim.sgd({ lr: 1e-12 }), batchSize: 4 });
  const four = points(4);
  watched.fitSync(four, { steps: 1 });
  // Rows are shuffled, sums are not.
  const [w, b] = [model.fc1.weight.data, model.fc1.bias!.data];
  const h = Array.from({ length: 4 }, (_, r) =>
    Array.from(
      { length: 16 },
      (_, o) => b[o]! + four.x.data.subarray(6 * r, 6 * r + 6).reduce((s, v, k) => s + v * w[6 * o + k]!, 0),
    ),
  ).flat();
  const found = said.find((p) => p.label === 'h' && !p.gradient)!;
  const want = truth(Float64Array.from(h));
  for (const key of ['min', 'max', 'mean', 'norm'] as const) expect(Math.abs(found[key] - want[key])).toBeLessThan(1e-5);
  // The gradient of the mean loss with respect to logits: (softmax - one-hot) / rows; each row of it sums to 0.
  const logits = said.find((p) => p.label === 'logits' && p.gradient)!;
  expect(logits.shape).toEqual([4, 2]);
  expect(Math.abs(logits.mean)).toBeLessThan(1e-7);
  expect(logits.max).toBeCloseTo(-logits.min, 6);
});

test('evaluation, prediction, micro-batches and errors of a run', async () => {
  const { said, print } = collect();
  const watched = trainer(print, { accumulate: 2 });
  const labels = (): string[] => said.splice(0).map((p) => `${p.gradient ? 'd ' : ''}${p.label} ${p.batch}`);
  await watched.evaluate(data, { batchSize: 20 });
  expect(labels()).toEqual([0, 1].flatMap((k) => [`h ${k}`, `active ${k}`, `logits ${k}`]));
  const shown = await watched.predict(data.x, { batchSize: 20 });
  expect(labels()).toEqual([0, 1].flatMap((k) => [`h ${k}`, `active ${k}`, `logits ${k}`]));
  const plain = trainer(silent);
  expect(shown).toEqual(await plain.predict(data.x, { batchSize: 20 }));
  watched.evaluateSync(data);
  watched.predictSync(data.x);
  // Five batches of 8 rows and fewer, three tensors, twice.
  expect(labels().length).toBe(30);
  // Of a step of two micro-batches the second.
  await watched.fit(data, { steps: 2 });
  expect(labels()).toEqual([1, 3].flatMap((k) => [`h ${k}`, `active ${k}`, `logits ${k}`, `d logits ${k}`, `d h ${k}`]));
});

test('a step that ends the run is told', async () => {
  const { said, print } = collect();
  const x = { ...data.x, data: data.x.data.map((v, i) => (i === 3 ? Number.NaN : v)) };
  const watched = trainer(print, { guards: [guard.finite()] });
  await expect(watched.fit({ ...data, x }, { epochs: 1 })).rejects.toThrow(GuardError);
  expect(said.filter((p) => p.label === 'h' && !p.gradient).at(-1)).toMatchObject({ nan: 16, infinite: 0 });
});

test('console.log by default, every so many batches, a label of its own', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  try {
    class Plain extends nn.Module {
      fc: nn.Linear = new nn.Linear(6, 2);
      forward(x: Tensor): Tensor {
        return ops.print(this.fc.forward(ops.print(x, 'in', { every: 3 })));
      }
    }
    const net = new Trainer({ model: new Plain(), loss: crossEntropy, optimizer: optim.sgd({ lr: 0.1 }), batchSize: 8 });
    net.fitSync(data, { steps: 4 });
    const lines = log.mock.calls.map(([line]) => String(line));
    expect(lines.map((line) => line.split(':')[0])).toEqual([
      'in, batch 0',
      'linear fc, batch 0',
      'linear fc, batch 1',
      'linear fc, batch 2',
      'in, batch 3',
      'linear fc, batch 3',
    ]);
    expect(lines[1]).toMatch(
      /^linear fc, batch 0: f32\[8,2\] min \S+ max \S+ mean \S+ norm \S+; \S+ \S+ \S+ \S+ \S+ \S+ \.\.\. of 16$/,
    );
  } finally {
    log.mockRestore();
  }
});
