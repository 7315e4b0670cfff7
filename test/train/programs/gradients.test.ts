// gradients.test.ts: gradients without a step, beside plain loops and the steps that follow, to the bit; and that they leave no trace.
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import {
  BusyError,
  clip,
  type Gradients,
  IndexError,
  io,
  loss,
  nn,
  OptionError,
  ops,
  optim,
  preprocess,
  regularize,
  rows,
  type Tensor,
  Trainer,
  type TrainerOptions,
  windows,
} from '../../../lib/index.ts';
import { bits, classifier, points, tied, tiedData } from '../models.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

class Line extends nn.Module {
  fc: nn.Linear;
  /** Calls of forward: one for each program that is compiled. */
  traced = 0;
  constructor(width: number) {
    super();
    this.fc = new nn.Linear(width, 1);
  }
  forward(x: Tensor): Tensor {
    this.traced++;
    return this.fc.forward(x);
  }
}
const line = (width: number, options: Partial<TrainerOptions<Line>> = {}): Trainer<Line> =>
  new Trainer({
    model: new Line(width),
    loss: ({ x, y }, m) => loss.mse(ops.squeeze(m.forward(x), 1), y),
    optimizer: optim.sgd({ lr: 0.1 }),
    batchSize: 8,
    ...options,
  });
const targets = ({ shape: [n] }: { shape: number[] }) => Float32Array.from({ length: n! }, (_, i) => Math.sin(i));

/** Of the mean of (w x + b - y)^2, in f64. */
function slope(m: Line, x: Float32Array, y: Float32Array): { loss: number; weight: number[]; bias: number } {
  const [w, b] = [m.fc.weight.data, m.fc.bias!.data[0]!];
  const found = { loss: 0, weight: Array.from(w, () => 0), bias: 0 };
  for (const [i, wanted] of y.entries()) {
    const row = x.subarray(i * w.length, (i + 1) * w.length);
    let error = b - wanted;
    for (let k = 0; k < w.length; k++) error += w[k]! * row[k]!;
    found.loss += error ** 2 / y.length;
    found.bias += (2 * error) / y.length;
    for (let k = 0; k < w.length; k++) found.weight[k]! += (2 * error * row[k]!) / y.length;
  }
  return found;
}
const values = ({ gradients }: Gradients, name: string): number[] => [...gradients.get(name)!.data];
const close = (found: readonly number[], wanted: readonly number[]): void => {
  expect(found.length).toBe(wanted.length);
  for (const [i, v] of wanted.entries()) expect(found[i]).toBeCloseTo(v, 5);
};

test('the mean over all rows, of one batch and of several with a shorter last one, beside plain loops', async () => {
  const { x } = points(21);
  const y = targets(x);
  const t = line(6);
  const wanted = slope(t.model, x.data, y);
  for (const batchSize of [21, 100, 8, 1]) {
    const found = await t.gradients({ x, y }, { batchSize });
    close(values(found, 'fc.weight'), wanted.weight);
    close(values(found, 'fc.bias'), [wanted.bias]);
    expect([...found.gradients].map(([name, g]) => [name, g.shape])).toEqual([
      ['fc.weight', [1, 6]],
      ['fc.bias', [1]],
    ]);
    expect(found.loss).toBeCloseTo(wanted.loss, 6);
    expect(found.penalty).toBe(0);
    const squares = [...found.gradients.values()].map(({ data }) => data.reduce((s, v) => s + v * v, 0));
    expect(found.norm).toBeCloseTo(Math.sqrt(squares[0]! + squares[1]!), 12);
    expect(found.norms.get('fc.weight')).toBeCloseTo(Math.sqrt(squares[0]!), 12);
    expect(t.gradientsSync({ x, y }, { batchSize })).toEqual(found);
  }
});

test('data that are fed in several runs', async () => {
  // 4 MiB a row: four of them go in a run.
  const width = 1 << 20;
  const x = { data: new Float32Array(5 * width), shape: [5, width] };
  for (let i = 0; i < x.data.length; i++) x.data[i] = (i % 1009) / 1009 - 0.5;
  const y = targets(x);
  const t = line(width, { batchSize: 1 });
  const wanted = slope(t.model, x.data, y);
  const found = await t.gradients({ x, y });
  expect(found.loss).toBeCloseTo(wanted.loss, 4);
  close(values(found, 'fc.weight').slice(0, 50), wanted.weight.slice(0, 50));
});

/** The gradients of a step, as an optimizer gets them: the first moments of Adam where these remember nothing. */
async function ofStep(t: Trainer<nn.Module>, data: Parameters<typeof t.fit>[0], name: string): Promise<Float32Array> {
  await t.fit(data as never, { steps: 1, shuffle: false });
  const file = join(tmpdir(), `gradclip gradients ${process.pid}.safetensors`);
  try {
    await t.save(file);
    const { tensors } = await io.readSafetensors(file);
    return tensors.get(`gradclip.optim.${name}.exp_avg`)!.data as Float32Array;
  } finally {
    rmSync(file);
  }
}
const forgetful = { optimizer: optim.adamw({ lr: 0.01, betas: [0, 0.9] }), clip: clip.none() };

test.each([1, 2, 3])(
  'to the bit those of the step that follows, of %i micro-batches: dropout, loss and norms too',
  async (accumulate) => {
    const data = points(8 * accumulate - 3);
    for (const threads of [1, 4, 9]) {
      const t = classifier({ ...forgetful, accumulate, rate: 0.5, threads });
      // Not the first step: its dropout is that of the next attempt.
      await t.fit(data, { steps: 2 });
      const found = await t.gradients(data);
      expect(t.gradientsSync(data)).toEqual(found);
      const step = t.counters.attempt;
      const wanted = await ofStep(t as never, data, 'fc1.weight');
      expect(t.counters.attempt).toBe(step + accumulate);
      expect(found.gradients.get('fc1.weight')!.data).toEqual(wanted);
      expect(found.norms.get('fc1.weight')).toBeGreaterThan(0);
    }
  },
);

class Carrying extends nn.Module {
  rnn: nn.RNN = new nn.RNN(2, 4, { carry: 3 });
  head: nn.Linear = new nn.Linear(4, 2);
  forward(x: Tensor): Tensor {
    return this.head.forward(ops.squeeze(this.rnn.forward(ops.reshape(x, [-1, 3, 2])).h, 0));
  }
}

test('what recurrent layers carry goes from one micro-batch to the next, and no further', async () => {
  const data = points(9);
  const t = new Trainer({
    model: new Carrying(),
    loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
    ...forgetful,
    batchSize: 3,
    accumulate: 3,
  });
  await t.fit(data, { epochs: 2, shuffle: false });
  await t.resetCarried();
  const found = await t.gradients(data);
  expect(await t.gradients(data)).toEqual(found);
  expect(found.gradients.get('rnn.weight_hh_l0')!.data).toEqual(await ofStep(t as never, data, 'rnn.weight_hh_l0'));
});

test('loss and norm as the report of the step has them, with penalties', async () => {
  const data = points(30);
  const t = classifier({ batchSize: 30, regularize: [regularize.l2(0.01), regularize.l1(1e-3)], clip: clip.globalNorm(0.1) });
  const [whole, alone] = [await t.gradients(data), await t.gradients(data, { penalties: false })];
  const last = t.fitSync(data, { steps: 1, shuffle: false }).last!;
  expect(whole).toMatchObject({ loss: last.loss, norm: last.norm, penalty: last.penalty });
  expect(alone).toMatchObject({ loss: last.loss, penalty: 0 });
  expect(alone.norm).not.toBe(whole.norm);
  expect(last.clipped).toBe(true);
});

class Normed extends nn.Module {
  fc: nn.Linear = new nn.Linear(6, 5);
  norm: nn.BatchNorm1d = new nn.BatchNorm1d(5);
  drop: nn.Dropout = new nn.Dropout(0.5);
  head: nn.Linear = new nn.Linear(5, 2);
  forward(x: Tensor): Tensor {
    return this.head.forward(this.drop.forward(ops.relu(this.norm.forward(this.fc.forward(x)))));
  }
}
const normed = (): Trainer<Normed> =>
  new Trainer({
    model: new Normed(),
    loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
    optimizer: optim.adamw({ lr: 0.01 }),
    ema: { decay: 0.9 },
    batchSize: 8,
    accumulate: 2,
    seed: 5,
  });

test('no weight, counter, slot or running statistic changes, before, between and during fits', async () => {
  const data = points(30);
  const [plain, watched] = [normed(), normed()];
  await plain.fit(data, { epochs: 2 });
  const first = await watched.gradients(data);
  expect(await watched.gradients(data)).toEqual(first);
  await watched.fit(data, { epochs: 1 });
  watched.gradientsSync(data, { batchSize: 7 });
  const run = watched.fit(data, { epochs: 1, chunkSteps: 1 });
  const during = watched.gradients(data);
  expect(() => watched.gradientsSync(data)).toThrow(BusyError);
  await run;
  expect((await during).norm).toBeGreaterThan(0);
  expect(await bits(watched as never)).toBe(await bits(plain as never));
  expect(watched.counters).toEqual(plain.counters);
  const buffers = ({ model }: Trainer<Normed>): unknown[] => Array.from(model.namedBuffers(), ([, b]) => b.data);
  expect(buffers(watched)).toEqual(buffers(plain));
});

test('a call that blocks in the middle of one that is awaited', async () => {
  const [one, two] = [points(100), points(61, 6, 2)];
  const t = classifier({ batchSize: 7 });
  const wanted = [await t.gradients(one), await t.gradients(two)];
  for (let k = 0; k < 5; k++) {
    let done = false;
    const awaited = t.gradients(one).finally(() => {
      done = true;
    });
    for (let turns = 0; !done; turns++) {
      if (turns % (k + 1) === 0) expect(t.gradientsSync(two)).toEqual(wanted[1]);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await awaited).toEqual(wanted[0]);
  }
});

test('mode eval: no dropout, running statistics, the loss of evaluate', async () => {
  const data = points(30);
  const t = normed();
  await t.fit(data, { epochs: 3 });
  const still = await t.gradients(data, { mode: 'eval' });
  expect(still.loss).toBeCloseTo((await t.evaluate(data)).loss, 12);
  expect((await t.gradients(data)).loss).not.toBeCloseTo(still.loss, 3);
  // By differences: the loss is smooth in the head.
  const head = t.model.head.bias!.data;
  const at = async (change: number): Promise<number> => {
    const before = head[0]!;
    head[0] = before + change;
    const { loss } = await t.evaluate(data);
    head[0] = before;
    return loss;
  };
  const h = 2 ** -8;
  expect(values(still, 'head.bias')[0]).toBeCloseTo(((await at(h)) - (await at(-h))) / (2 * h), 4);
});

test('a second call compiles nothing, of whatever rows of these shapes', async () => {
  vi.stubEnv('GRADCLIP_FEW_PROGRAMS', '0');
  const t = line(6);
  const of = (rows: number, seed = 1) => {
    const { x } = points(rows, 6, seed);
    return { x, y: targets(x) };
  };
  await t.gradients(of(40));
  await t.gradients(of(21));
  const tokens = windows(
    Int32Array.from({ length: 33 }, (_, i) => i % 5),
    { length: 4 },
  );
  const lookup = tied();
  let traces = 0;
  const { forward } = lookup.model;
  lookup.model.forward = function (this: typeof lookup.model, given) {
    traces++;
    return forward.call(this, given);
  };
  await lookup.gradients(tokens);
  const before = traces;
  await lookup.gradients(
    windows(
      Int32Array.from({ length: 33 }, (_, i) => i % 4),
      { length: 4 },
    ),
  );
  expect(traces).toBe(before);
  expect(before).toBeGreaterThan(0);

  const { traced } = t.model;
  await t.gradients(of(40, 2));
  await t.gradients(rows(of(21, 3)));
  t.gradientsSync(of(29, 4));
  expect(t.model.traced).toBe(traced);
});

test('parts of a split, sources, tied parameters, tables by rows, and what is frozen', async () => {
  const { x } = points(30);
  const { train } = preprocess.split({ x, y: targets(x) }, { test: 0.2, seed: 1 });
  const t = line(6);
  const part = await t.gradients(train);
  expect(part).toEqual(await t.gradients(train.arrays as never));
  t.model.fc.bias!.requiresGrad = false;
  t.fitSync(train, { steps: 1 });
  expect([...(await t.gradients(train)).gradients.keys()]).toEqual(['fc.weight']);

  const both = (await tied().gradients(tiedData)).gradients;
  expect(both.get('wte.weight')).toEqual(both.get('head.weight'));
  expect(both.size).toBe(4);

  const tokens = Uint8Array.from({ length: 33 }, (_, i) => (i * i + 1) % 5);
  const text = windows(tokens, { length: 4 });
  const all = { x: { data: tokens.slice(0, 32), shape: [8, 4] }, y: { data: tokens.slice(1), shape: [8, 4] } };
  expect(await tied().gradients(text)).toEqual(await tied().gradients(all));

  const table = (sparse: boolean) => {
    const model = new nn.Embedding(9, 3, { sparse });
    return new Trainer({
      model,
      loss: ({ x, y }, m) => loss.mse(ops.sum(m.forward(x), { axes: [1] }), ops.cast(y, 'f32')),
      optimizer: optim.sgd({ lr: 0.1 }),
    });
  };
  const looked = { x: Int32Array.of(1, 4, 1), y: Int32Array.of(1, 2, 3) };
  const sparse = await table(true).gradients(looked);
  expect(sparse).toEqual(await table(false).gradients(looked));
  expect(values(sparse, 'weight').slice(0, 3)).toEqual([0, 0, 0]);
});

test('op by op: the same up to rounding, and the first op that gives what is not finite is named', async () => {
  const data = points(20);
  const [plain, debug] = [classifier({ rate: 0.5 }), classifier({ rate: 0.5, debug: true })];
  const [wanted, found] = [await plain.gradients(data), debug.gradientsSync(data)];
  expect(found.loss).toBeCloseTo(wanted.loss, 6);
  for (const name of wanted.gradients.keys()) close(values(found, name), values(wanted, name));
  for (const t of [plain, debug]) t.model.fc1.weight.data[0] = Infinity;
  expect((await plain.gradients(data)).norm).toBeNaN();
  await expect(debug.gradients(data)).rejects.toThrow('debug: fc1.weight has Infinity at [0,0]');
});

test('what is wrong is named', async () => {
  const t = classifier();
  const data = points(10);
  await expect(t.gradients(data, { mod: 'eval' } as object)).rejects.toThrow(
    'Trainer.gradients: unknown option mod; did you mean mode?',
  );
  expect(() => t.gradientsSync(data, { mode: 'test' as 'eval' })).toThrow(OptionError);
  await expect(t.gradients([1, 2] as never)).rejects.toThrow('gradients: expected named arrays');
  const y = data.y.slice();
  y[9] = 7;
  await expect(t.gradients({ ...data, y })).rejects.toThrow(IndexError);
  await expect(t.gradients({ ...data, y })).rejects.toThrow('y: 7 at row 9');
  t.dispose();
  await expect(t.gradients(data)).rejects.toThrow('disposed');
});

test('of what the next fit would train, though nobody has trained it yet; what is kept of the others stays', async () => {
  const t = classifier();
  const data = points(16);
  await t.fit(data, { epochs: 1 });
  const kept = await t.save();
  t.model.setRequiresGrad('fc1.*', false);
  const { gradients, norm, norms } = await t.gradients(data);
  expect([...gradients.keys()]).toEqual(['fc2.weight', 'fc2.bias']);
  expect(norm).toBeCloseTo(Math.hypot(...norms.values()), 12);
  expect(t.gradientsSync(data)).toEqual({ ...(await t.gradients(data)) });
  const seen = await t.inspect(data);
  const graded = seen.modules.flatMap(({ path, parameters }) =>
    Object.entries(parameters).flatMap(([name, { gradient }]) => (gradient ? [`${path}.${name}`] : [])),
  );
  expect(graded).toEqual([...gradients.keys()]);
  t.model.setRequiresGrad('fc1.*', true);
  expect([...t.gradientsSync(data).gradients.keys()]).toEqual([...t.trained]);
  expect(await t.save()).toEqual(kept);
});

test('of a table that is updated by rows: as of one that is not, over several micro-batches too', async () => {
  const table = (sparse: boolean): Trainer<nn.Sequential> =>
    new Trainer({
      model: new nn.Sequential(new nn.Embedding(12, 4, { sparse }), new nn.Linear(4, 1)),
      loss: ({ x, y }, m) => loss.mse(m.forward(x), y),
      optimizer: optim.adam({ lr: 0.1 }),
      batchSize: 4,
    });
  const data = {
    x: Int32Array.from({ length: 9 }, (_, i) => (i * i) % 12),
    y: { data: Float32Array.from({ length: 9 }, (_, i) => Math.sin(i)), shape: [9, 1] },
  };
  const [sparse, dense] = [table(true), table(false)];
  expect(sparse.gradientsSync(data, { batchSize: 9 })).toEqual(await dense.gradients(data, { batchSize: 9 }));
  // Rows are summed in f64, tables in f32.
  for (const batchSize of [4, 1]) {
    const [rows, whole] = [sparse.gradientsSync(data, { batchSize }), await dense.gradients(data, { batchSize })];
    expect(rows.loss).toBe(whole.loss);
    expect(rows.norm / whole.norm).toBeCloseTo(1, 6);
    for (const [name, { data: values }] of whole.gradients) {
      for (const [i, v] of values.entries()) expect(rows.gradients.get(name)!.data[i], name).toBeCloseTo(v, 6);
    }
  }
});
