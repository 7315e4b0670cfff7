// inspect.test.ts: what trainer.inspect says of modules, beside plain loops and reports of steps; and that it leaves no trace.
import { describe, expect, test } from 'vitest';
import {
  type InspectedModule,
  loss,
  nn,
  type Objective,
  OptionError,
  ops,
  optim,
  type Tensor,
  Trainer,
} from '../../../lib/index.ts';
import { bits, points } from '../models.ts';

class Block extends nn.Module {
  fc: nn.Linear = new nn.Linear(6, 6);
  norm: nn.BatchNorm1d = new nn.BatchNorm1d(6);
  drop: nn.Dropout;
  constructor(rate: number) {
    super();
    this.drop = new nn.Dropout(rate);
  }
  forward(x: Tensor): Tensor {
    return ops.add(x, this.drop.forward(ops.relu(this.norm.forward(this.fc.forward(x)))));
  }
}

class Net extends nn.Module {
  blocks: Block[];
  head: nn.Linear = new nn.Linear(6, 2);
  constructor(rate = 0) {
    super();
    this.blocks = [new Block(rate), new Block(rate)];
  }
  forward(x: Tensor): Tensor {
    return this.head.forward(this.blocks.reduce((t, block) => block.forward(t), x));
  }
}

const crossEntropy: Objective<nn.Module & { forward(x: Tensor): Tensor }> = ({ x, y }, model) =>
  loss.crossEntropy(model.forward(x), y);
const data = points(40);
const trainer = (options: object = {}, rate = 0) =>
  new Trainer({
    model: new Net(rate),
    loss: crossEntropy,
    optimizer: optim.adamw({ lr: 1e-2 }),
    batchSize: 8,
    seed: 3,
    ...options,
  });
const paths = (modules: readonly InspectedModule[]): string[] => modules.map((m) => m.path);

test('which modules, in the order of their calls', async () => {
  const t = trainer();
  expect(paths((await t.inspect(data)).modules)).toEqual([
    '',
    ...[0, 1].flatMap((i) => [`blocks.${i}`, `blocks.${i}.fc`, `blocks.${i}.norm`, `blocks.${i}.drop`]),
    'head',
  ]);
  expect(paths((await t.inspect(data, { match: 'blocks.*.fc' })).modules)).toEqual(['blocks.0.fc', 'blocks.1.fc']);
  expect(paths((await t.inspect(data, { match: /^head$/ })).modules)).toEqual(['head']);
  await expect(t.inspect(data, { match: 'heat' })).rejects.toThrow(
    new OptionError('Trainer.inspect: option match: no module matches heat; did you mean head?'),
  );
  await expect(t.inspect(data, { mach: 'head' } as object)).rejects.toThrow(
    'Trainer.inspect: unknown option mach; did you mean match?',
  );
});

test('numbers: of the first layer by plain loops, of gradients as the next step reports them', async () => {
  const t = trainer({ optimizer: optim.sgd({ lr: 0.1 }), batchSize: 40 });
  const seen = await t.inspect(data);
  const fc = seen.modules.find((m) => m.path === 'blocks.0.fc')!;
  const [w, b] = [t.model.blocks[0]!.fc.weight.data.slice(), t.model.blocks[0]!.fc.bias!.data.slice()];
  const x = data.x.data;
  const out = Array.from({ length: 240 }, (_, i) => {
    const [row, o] = [Math.floor(i / 6), i % 6];
    return Array.from(w.subarray(6 * o, 6 * o + 6)).reduce((s, v, k) => s + v * x[6 * row + k]!, b[o]!);
  });
  const [input, output] = [fc.inputs[0]!, fc.outputs[0]!];
  expect(input).toMatchObject({ shape: [40, 6], nan: 0, infinite: 0, zeros: x.filter((v) => v === 0).length });
  expect(input.max).toBe(Math.max(...x));
  expect(output.min).toBeCloseTo(Math.min(...out), 6);
  expect(output.mean).toBeCloseTo(out.reduce((s, v) => s + v, 0) / 240, 6);
  expect(output.rms).toBeCloseTo(Math.sqrt(out.reduce((s, v) => s + v * v, 0) / 240), 6);
  expect(fc.parameters.weight).toMatchObject({ shape: [6, 6], values: [...w.subarray(0, 6)] });

  const report = t.fitSync(data, { steps: 1 }).last!;
  expect(seen.loss).toBeCloseTo(report.loss, 6);
  const gradients = seen.modules.flatMap((m) => Object.values(m.parameters).map((p) => p.gradient!.norm));
  expect(gradients.length).toBe(10);
  expect(Math.hypot(...gradients)).toBeCloseTo(report.norm, 6);
  // Plain gradient descent moves a weight by its gradient.
  const moved = w.map((v, i) => (v - t.model.blocks[0]!.fc.weight.data[i]!) / 0.1);
  expect(fc.parameters.weight!.gradient!.max).toBeCloseTo(Math.max(...moved), 4);
  // What a layer gives is what the next one gets, and so are the gradients.
  const norm = seen.modules.find((m) => m.path === 'blocks.0.norm')!;
  expect(norm.inputs[0]).toEqual(output);
  expect(seen.modules[0]!.inputs[0]!.gradient).toBeNull();
  expect(seen.firstNonFinite).toBeNull();
});

test('nothing is changed, before, between and during fits', async () => {
  const plain = trainer({ accumulate: 2 }, 0.3);
  await plain.fit(data, { epochs: 2 });
  const watched = trainer({ accumulate: 2 }, 0.3);
  const first = await watched.inspect(data);
  expect(await watched.inspect(data)).toEqual(first);
  await watched.fit(data, { epochs: 1 });
  await watched.inspect(data, { match: 'blocks.*' });
  const run = watched.fit(data, { epochs: 1, chunkSteps: 1 });
  const during = watched.inspect(data);
  await run;
  await during;
  expect(await bits(watched)).toBe(await bits(plain));
  expect(watched.counters).toEqual(plain.counters);
  for (const [i, b] of [...watched.model.namedBuffers()].entries())
    expect(b[1].data).toEqual([...plain.model.namedBuffers()][i]![1].data);
});

describe('the first place that is not finite', () => {
  class Broken extends nn.Module {
    a: nn.Linear = new nn.Linear(6, 4);
    b: nn.Linear = new nn.Linear(4, 4);
    c: nn.Linear = new nn.Linear(4, 2);
    inner: nn.Module & { forward(x: Tensor): Tensor };
    constructor(between: (x: Tensor) => Tensor) {
      super();
      const Between = class Between extends nn.Module {
        forward(x: Tensor): Tensor {
          return between(x);
        }
      };
      this.inner = new Between();
    }
    forward(x: Tensor): Tensor {
      return this.c.forward(this.inner.forward(this.b.forward(this.a.forward(x))));
    }
  }
  const inspect = async (between: (x: Tensor) => Tensor, change: (model: Broken, x: Float32Array) => unknown, options = {}) => {
    const model = new Broken(between);
    const t = new Trainer({ model, loss: crossEntropy, optimizer: optim.sgd(), batchSize: 8, seed: 3 });
    const batch = { ...data, x: { ...data.x, data: data.x.data.slice() } };
    change(model, batch.x.data);
    return t.inspect(batch, options);
  };
  const same = (x: Tensor): Tensor => x;

  test('in the data', async () => {
    const seen = await inspect(same, (_, x) => x.fill(Number.NaN, 6 * 7 + 2, 6 * 7 + 3));
    expect(seen.firstNonFinite).toEqual({ module: '', what: 'input', which: 0, index: [7, 2] });
    expect(String(seen)).toContain('first not finite: input 0 of the model at [7,2]');
  });
  test('in a weight', async () => {
    const seen = await inspect(same, (m) => m.b.weight.data.fill(Infinity, 5, 6));
    expect(seen.firstNonFinite).toEqual({ module: 'b', what: 'parameter', which: 'weight', index: [1, 1] });
  });
  test('in what a layer computes', async () => {
    const seen = await inspect(
      (x) => ops.log(x),
      () => {},
    );
    expect(seen.firstNonFinite).toMatchObject({ module: 'inner', what: 'output', which: 0 });
    // The first element of its input that is negative.
    const { values } = seen.modules.find((m) => m.path === 'inner')!.inputs[0]!;
    expect(values.some((v) => v < 0)).toBe(true);
    const at = values.findIndex((v) => v < 0);
    expect(seen.firstNonFinite!.index).toEqual([Math.floor(at / 4), at % 4]);
  });
  test('in a gradient alone: the root of 0', async () => {
    const seen = await inspect(
      (x) => ops.sqrt(ops.mul(x, 0)),
      () => {},
    );
    expect(seen.firstNonFinite).toMatchObject({ module: 'inner', what: 'gradient of input', which: 0, index: [0, 0] });
    const only = await inspect(
      (x) => ops.sqrt(ops.mul(x, 0)),
      () => {},
      { match: 'a' },
    );
    expect(only.firstNonFinite).toMatchObject({ module: 'a', what: 'gradient of output' });
  });
});

test('several inputs and outputs, a layer that is called twice', async () => {
  class Pair extends nn.Module {
    lstm: nn.LSTM = new nn.LSTM(2, 3);
    fc: nn.Linear = new nn.Linear(3, 2);
    forward(x: Tensor): Tensor {
      const { output, h } = this.lstm.forward(ops.reshape(x, [x.shape[0]!, 3, 2]));
      return ops.add(this.fc.forward(ops.sum(output, { axes: [1] })), this.fc.forward(ops.squeeze(h, 0)));
    }
  }
  const t = new Trainer({ model: new Pair(), loss: crossEntropy, optimizer: optim.sgd(), batchSize: 8 });
  const seen = await t.inspect(data);
  expect(paths(seen.modules)).toEqual(['', 'lstm', 'fc', 'fc']);
  expect(seen.modules[1]!.outputs.map((o) => o.shape)).toEqual([
    [40, 3, 3],
    [1, 40, 3],
    [40, 3],
    [1, 40, 3],
  ]);
  expect(seen.modules[1]!.outputs.map((o) => o.gradient !== null)).toEqual([true, true, true, false]);
  expect(String(seen)).toMatch(/\n {2}output 1 /);
});
