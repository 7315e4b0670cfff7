// synced.test.ts: batch norm by the statistics of a whole step, cut into micro-batches as it may be: a training is that of plain batch norm on batches of all
// the rows. The processes of a group are one here, with all parts of a batch: of several, group.test.ts compares the bits.
import { describe, expect, it } from 'vitest';
import { grad } from '../../lib/autodiff/grad.ts';
import { clip, loss, nn, OptionError, ops, optim, type Tensor, Trainer } from '../../lib/index.ts';
import { Group } from '../../lib/mpi/group.ts';
import { thrown } from '../kit.ts';

const alone = (): Group => new Group(0, 1, 'none', {} as never);
const group = alone();
const wave = (n: number, by = 1.7): Float32Array => Float32Array.from({ length: n }, (_, i) => 2 * Math.sin(by * i) + i / n);

class Net extends nn.Module {
  conv = new nn.Conv2d(2, 4, 3, { padding: 1 });
  first = new nn.BatchNorm2d(4);
  flatten = new nn.Flatten();
  middle = new nn.Linear(4 * 9 * 8, 5);
  second: nn.BatchNorm1d;
  head = new nn.Linear(5, 1);
  constructor(options: nn.BatchNormOptions = {}) {
    super();
    this.second = new nn.BatchNorm1d(5, options);
  }
  forward(x: Tensor): Tensor {
    const y = this.flatten.forward(ops.relu(this.first.forward(this.conv.forward(x))));
    return this.head.forward(ops.tanh(this.second.forward(this.middle.forward(y))));
  }
}
const dataOf = (rows: number) => ({
  x: { data: wave(rows * 2 * 72), shape: [rows, 2, 9, 8] },
  y: { data: wave(rows, 0.3), shape: [rows, 1] },
});

type Any = never;
/** Weights and running statistics after some epochs on 13 rows, and the losses. */
async function trained(options: object, norm: nn.BatchNormOptions = {}, rows = 13) {
  const model = new Net(norm);
  const trainer = new Trainer({
    model,
    loss: ({ x, y }: { x: Tensor; y: Tensor }, m: Net) => loss.mse(m.forward(x), y),
    optimizer: optim.sgd({ lr: 0.05, momentum: 0.5 }),
    threads: 2,
    ...options,
  } as Any) as unknown as Trainer<Net>;
  const losses: number[] = [];
  for await (const step of trainer.fit(dataOf(rows), { epochs: 3 })) losses.push(step.loss);
  const values = new Map([...trainer.readParametersSync({ buffers: true })].map(([name, { data }]) => [name, [...data]]));
  const { loss: evaluated } = await trainer.evaluate(dataOf(rows), { batchSize: rows });
  trainer.dispose();
  return { losses: [...losses, evaluated], values };
}
type Trained = Awaited<ReturnType<typeof trained>>;

function expectClose(got: Trained, want: Trained, within = 2e-4): void {
  const pairs = [
    ['losses', got.losses, want.losses] as const,
    ...[...want.values].map(([n, v]) => [n, got.values.get(n)!, v] as const),
  ];
  for (const [name, a, b] of pairs) {
    expect(a, name).toHaveLength(b.length);
    for (const [i, v] of b.entries())
      expect(Math.abs(a[i]! - v), `${name} ${i}: ${a[i]} for ${v}`).toBeLessThan(within * Math.max(1, Math.abs(v)));
  }
}

describe('micro-batches that are normalized together', () => {
  it.each<[string, object, nn.BatchNormOptions]>([
    ['of one process', { batchSize: 2, accumulate: 4, syncBatchNorm: true }, {}],
    ['of a group', { batchSize: 8, shards: 4, group, syncBatchNorm: true }, {}],
    // Each row is a micro-batch: by itself none has a variance.
    ['of one row each', { batchSize: 8, shards: 8, group, syncBatchNorm: true }, {}],
    ['without weight and bias', { batchSize: 2, accumulate: 4, syncBatchNorm: true }, { affine: false }],
    ['without bias', { batchSize: 2, accumulate: 4, syncBatchNorm: true }, { bias: false, momentum: null }],
    ['without running statistics', { batchSize: 2, accumulate: 4, syncBatchNorm: true }, { trackRunningStats: false }],
  ])('%s: are one batch', async (_, options, norm) => {
    expectClose(await trained(options, norm), await trained({ batchSize: 8 }, norm));
  });

  it('by themselves are not', async () => {
    const [whole, parts] = [await trained({ batchSize: 8 }, {}, 16), await trained({ batchSize: 2, accumulate: 4 }, {}, 16)];
    expect(() => expectClose(parts, whole)).toThrow();
  });

  it('have the same bits in a group and without, and on any number of threads', async () => {
    const one = await trained({ batchSize: 2, accumulate: 4, syncBatchNorm: true });
    for (const threads of [1, 3, 8])
      expect(await trained({ batchSize: 8, shards: 4, group, syncBatchNorm: true, threads })).toEqual(one);
  });
});

const SYNCED = { batchSize: 8, shards: 4, group, syncBatchNorm: true };
const make = (options: object, model: nn.Module = new Net()): Any =>
  new Trainer({
    model,
    loss: ({ x, y }: { x: Tensor; y: Tensor }, m: Net) => loss.mse(m.forward(x), y),
    optimizer: optim.sgd({ lr: 0.05, momentum: 0.5 }),
    ...options,
  } as Any) as Any;
const bitsOf = (trainer: Any): unknown =>
  [...(trainer as Trainer<Net>).readParametersSync({ buffers: true })].map(([name, { data }]) => [name, [...data]]);
const fitted = async (trainer: Any, options: object, rows = 13): Promise<unknown> => {
  await (trainer as Trainer<Net>).fit(dataOf(rows), options as Any);
  return bitsOf(trainer);
};

describe('a run with such micro-batches', () => {
  it.each<[string, object]>([
    ['of bf16', { precision: 'bf16', activations: 'bf16' }],
    ['whose convolution is computed again', { checkpointed: 'conv' }],
    ['whose batch norm is computed again', { checkpointed: 'first' }],
    ['that is clipped, averaged and scaled', { clip: clip.globalNorm(0.3), ema: { decay: 0.9 }, lossScale: { init: 1024 } }],
    ['that accumulates beside', { accumulate: 2, batchSize: 4, shards: 2 }],
  ])('%s has the same bits step by step, by threads, blocking and resumed', async (_, options) => {
    const given = { ...SYNCED, ...options };
    const one = await fitted(make({ ...given, threads: 1 }), { epochs: 3 });
    expect(await fitted(make({ ...given, threads: 4 }), { epochs: 3, chunkSteps: 1 })).toEqual(one);
    const blocking = make({ ...given, threads: 2 }) as Trainer<Net>;
    blocking.fitSync(dataOf(13) as Any, { epochs: 3 });
    expect(bitsOf(blocking as Any)).toEqual(one);
    const first = make(given) as Trainer<Net>;
    await first.fit(dataOf(13) as Any, { epochs: 1 });
    const second = make(given) as Trainer<Net>;
    await second.load(await first.save());
    expect(await fitted(second as Any, { epochs: 2 })).toEqual(one);
  });

  it('computes again what it is told to, with the same bits', async () => {
    const plain = await fitted(make(SYNCED), { epochs: 2 });
    for (const checkpointed of ['conv', 'first', ['conv', 'first', 'second']])
      expect(await fitted(make({ ...SYNCED, checkpointed }), { epochs: 2 })).toEqual(plain);
  });

  it('leaves everything as it was in a step that is skipped', async () => {
    const trainer = make({ ...SYNCED, clip: clip.globalNorm(1) });
    const before = await fitted(trainer, { steps: 1 }, 8);
    const data = dataOf(8);
    data.x.data[100] = Number.NaN;
    expect((await (trainer as Trainer<Net>).fit(data as Any, { steps: 1 })).skipped).toBe(1);
    expect(bitsOf(trainer)).toEqual(before);
    expect(await fitted(trainer, { steps: 1 }, 8)).not.toEqual(before);
  });

  it('has memory of its own: another runs in between', async () => {
    const want = [await fitted(make(SYNCED), { epochs: 4 }), await fitted(make({ ...SYNCED, seed: 7 }), { epochs: 4 })];
    // A group has one fit at a time.
    const both = [make(SYNCED), make({ ...SYNCED, seed: 7, group: alone() })];
    expect(await Promise.all(both.map((t) => fitted(t, { epochs: 4, chunkSteps: 1 })))).toEqual(want);
  });

  it('is not misled by means that are large, or by values that are small', async () => {
    class Alone extends nn.Module {
      norm = new nn.BatchNorm1d(3, { affine: false, momentum: 1, eps: 0 });
      scale = new nn.Parameter([3], nn.init.ones());
      forward(x: Tensor): Tensor {
        return ops.mul(this.norm.forward(x), this.scale);
      }
    }
    for (const [by, level] of [
      [1, 1e4],
      [1e-12, 0],
      [1e15, -3e15],
    ] as const) {
      const x = Float32Array.from({ length: 24 }, (_, i) => level + by * Math.sin(2.1 * i));
      const seen: number[] = [];
      const model = new Alone();
      const trainer = new Trainer({
        model,
        loss: (({ x }: { x: Tensor }, m: Alone) => ops.mean(ops.square(m.forward(x)), { dtype: 'f64' })) as Any,
        optimizer: optim.sgd({ lr: 0 }),
        ...SYNCED,
      } as Any) as unknown as Trainer<Alone>;
      for await (const { loss } of trainer.fit({ x: { data: x, shape: [8, 3] } } as Any, { steps: 1 })) seen.push(loss);
      for (let c = 0; c < 3; c++) {
        const values = Array.from({ length: 8 }, (_, r) => x[3 * r + c]!);
        const mean = values.reduce((a, b) => a + b, 0) / 8;
        const variance = values.reduce((s, v) => s + (v - mean) ** 2, 0) / 7;
        expect(model.norm.running_mean!.data[c]! / (mean || 1)).toBeCloseTo(1, 5);
        expect(model.norm.running_var!.data[c]! / variance).toBeCloseTo(1, 5);
      }
      // What is normalized has variance 1.
      expect(seen[0]).toBeCloseTo(1, 5);
    }
  });

  it('may be of steps and batches of its own', async () => {
    const trainer = make({ batchSize: 2, accumulate: 4, syncBatchNorm: true }) as Trainer<Net>;
    const whole = make({ batchSize: 8 }) as Trainer<Net>;
    const { x, y } = dataOf(8);
    const part = (i: number) => ({
      x: { data: x.data.slice(288 * i, 288 * (i + 1)), shape: [2, 2, 9, 8] },
      y: { data: y.data.slice(2 * i, 2 * i + 2), shape: [2, 1] },
    });
    const [a, b] = [await trainer.step([0, 1, 2, 3].map(part) as Any), await whole.step(dataOf(8) as Any)];
    expect(a.loss).toBeCloseTo(b.loss, 5);
    expect(a.norm).toBeCloseTo(b.norm, 4);
    const probe = await trainer.probe(dataOf(32) as Any, { batches: 3 });
    const wanted = await whole.probe(dataOf(32) as Any, { batches: 3 });
    expect(probe.loss).toBeCloseTo(wanted.loss, 4);
  });
});

describe('refused', () => {
  const CASES: Record<string, [() => unknown, string]> = {
    debug: [
      () => make({ batchSize: 2, accumulate: 4, syncBatchNorm: true, debug: true }),
      'Trainer: option debug: it runs micro-batches one after the other, and with syncBatchNorm they wait for each other',
    ],
    carried: [
      () => {
        class Carried extends nn.Module {
          lstm = new nn.LSTM(3, 2, { carry: 2 });
          forward(x: Tensor): Tensor {
            return this.lstm.forward(x).last;
          }
        }
        return make({ batchSize: 2, accumulate: 4, syncBatchNorm: true }, new Carried());
      },
      'Trainer: option syncBatchNorm: buffer lstm.carried.h is carried from one micro-batch to the next, which are not one after the other',
    ],
    kind: [() => make({ syncBatchNorm: 1 }), 'Trainer: option syncBatchNorm: expected true or false, got 1'],
  };
  it.each(Object.keys(CASES))('%s', (name) => {
    const error = thrown(CASES[name]![0]) as OptionError;
    expect(error).toBeInstanceOf(OptionError);
    expect(error.message).toBe(CASES[name]![1]);
  });

  it('gradients of several micro-batches, but not of one', async () => {
    const trainer = make({ batchSize: 2, accumulate: 4, syncBatchNorm: true }) as Trainer<Net>;
    await expect(trainer.gradients(dataOf(8) as Any)).rejects.toThrow(
      'gradients: option batchSize: with syncBatchNorm batch norms go by all 8 rows: give them as one batch, got 2',
    );
    const { norm } = await trainer.gradients(dataOf(8) as Any, { batchSize: 8 });
    const whole = await (make({ batchSize: 8 }) as Trainer<Net>).gradients(dataOf(8) as Any);
    expect(norm).toBeCloseTo(whole.norm, 5);
    const evaluated = await trainer.gradients(dataOf(8) as Any, { mode: 'eval' });
    expect(evaluated.norm).toBeGreaterThan(0);
  });

  it('gradients of gradients', async () => {
    const trainer = new Trainer({
      model: new Net(),
      loss: (({ x }: { x: Tensor }, m: Net) => {
        const y = ops.sum(ops.square(m.forward(x)));
        return ops.mean(ops.square(grad(y, [x])[0]!));
      }) as Any,
      optimizer: optim.sgd(),
      ...SYNCED,
    } as Any);
    await expect(trainer.fit(dataOf(8) as Any)).rejects.toThrow(/second derivatives do not pass through it|has no gradient/);
  });
});
