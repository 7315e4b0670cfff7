// recurrent-precision.test.ts: RNN, LSTM and GRU of two layers in both directions, trained in bf16: the same weights by any way of running,
// near those of f32, and near what the ops say (`debug`).
import { expect, it } from 'vitest';
import { loss, nn, optim, Trainer, type TrainerOptions } from '../../lib/index.ts';
import type { Tensor } from '../../lib/ir/graph.ts';

const KINDS = ['RNN', 'LSTM', 'GRU'] as const;
const [ROWS, STEPS, INS, HIDDEN] = [10, 5, 3, 21];

class Model extends nn.Module {
  readonly recurrent: nn.RNN | nn.LSTM | nn.GRU;
  readonly head = new nn.Linear(2 * HIDDEN, 2);
  constructor(kind: (typeof KINDS)[number]) {
    super();
    this.recurrent = new nn[kind](INS, HIDDEN, { numLayers: 2, bidirectional: true });
  }
  forward(x: Tensor): Tensor {
    return this.head.forward(this.recurrent.forward(x).output);
  }
}
const waves = (n: number, k: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin(k * i + i * i));
const data = {
  x: { data: waves(ROWS * STEPS * INS, 1), shape: [ROWS, STEPS, INS] },
  y: { data: waves(ROWS * STEPS * 2, 2), shape: [ROWS, STEPS, 2] },
};
const make = (kind: (typeof KINDS)[number], options: Partial<TrainerOptions<Model>>): Trainer<Model> =>
  new Trainer({
    model: new Model(kind),
    loss: ({ x, y }, m) => loss.mse(m.forward(x), y),
    optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }),
    seed: 3,
    ...options,
  });
const weights = (trainer: Trainer<Model>): Float32Array =>
  Float32Array.from([...trainer.model.namedParameters()].flatMap(([, p]) => [...p.data]));
const distance = (a: Float32Array, b: Float32Array): number => a.reduce((most, v, i) => Math.max(most, Math.abs(v - b[i]!)), 0);

it.each(KINDS)('%s', async (kind) => {
  // Batches of 4, 4 and 2.
  const fit = { epochs: 2, batchSize: 4 };
  const whole = make(kind, { precision: 'bf16' });
  const { warnings } = await whole.fit(data, fit);
  expect(warnings.filter(({ code }) => code === 'noProducts')).toEqual([]);
  const want = weights(whole);

  const sync = make(kind, { precision: 'bf16', threads: 3 });
  sync.fitSync(data, fit);
  expect(distance(weights(sync), want)).toBe(0);

  const first = make(kind, { precision: 'bf16', threads: 2 });
  await first.fit(data, { ...fit, epochs: 1 });
  const second = make(kind, { precision: 'bf16' });
  await second.load(await first.save());
  await second.fit(data, { ...fit, epochs: 1 });
  expect(distance(weights(second), want)).toBe(0);

  // A state between two numbers of bf16 might be rounded to the other one there; in these trainings none is.
  const told = make(kind, { precision: 'bf16', debug: true });
  await told.fit(data, fit);
  expect(distance(weights(told), want)).toBeLessThan(1e-6);

  const exact = make(kind, { precision: 'f32' });
  await exact.fit(data, fit);
  expect(distance(weights(exact), want)).toBeGreaterThan(1e-5);
  expect(distance(weights(exact), want)).toBeLessThan(1e-3);
});
