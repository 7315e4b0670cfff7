// computing.test.ts: functions of a batch and the model that are given call by call: outputs by name, of any shape, with which weights and draws.
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { loss, type NdArray, nn, OptionError, ops, optim, ShapeError, type Tensor, Trainer } from '../../lib/index.ts';
import type { Batch } from '../../lib/train/feed/source.ts';
import { classifier, type MLP, points } from './models.ts';

const data = points(100);
const hex = ({ data, shape }: NdArray): string =>
  `${shape} ${Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex')}`;

class Autoencoder extends nn.Module {
  encoder: nn.Linear = new nn.Linear(6, 3);
  decoder: nn.Linear = new nn.Linear(3, 6);
  encode(x: Tensor): Tensor {
    return ops.tanh(this.encoder.forward(x));
  }
  forward(x: Tensor): Tensor {
    return this.decoder.forward(this.encode(x));
  }
}

it('encodes and decodes: what the one gives the other takes', async () => {
  using trainer = new Trainer({
    model: new Autoencoder(),
    loss: ({ x }, model) => loss.mse(model.forward(x), x),
    optimizer: optim.sgd({ lr: 0.1 }),
  });
  await trainer.fit({ x: data.x }, { epochs: 2 });
  const encode = ({ x }: Batch, model: Autoencoder): { latent: Tensor } => ({ latent: model.encode(x) });
  const decode = ({ latent }: { latent?: Tensor }, model: Autoencoder): Tensor => model.decoder.forward(latent!);
  const { latent } = await trainer.run(encode, data.x);
  expect(latent.shape).toEqual([100, 3]);
  const decoded = trainer.runSync(decode as never, { latent }) as NdArray;
  expect(hex(decoded)).toBe(hex(trainer.predictSync(data.x, { batchSize: 100 })));
  // By hand, in f64.
  const [w, b] = [trainer.model.encoder.weight.data, trainer.model.encoder.bias!.data];
  latent.data.forEach((v, i) => {
    const [row, k] = [Math.floor(i / 3), i % 3];
    let sum = b[k]!;
    for (let j = 0; j < 6; j++) sum += w[6 * k + j]! * data.x.data[6 * row + j]!;
    expect(v).toBeCloseTo(Math.tanh(sum), 5);
  });
  expect(hex(trainer.runSync(encode, data.x).latent)).toBe(hex(latent));
});

it('gives tensors of any shape and dtype: all rows at once, unless batchSize says how many', () => {
  using trainer = classifier();
  const all = ({ x }: Batch, model: MLP): Record<'mean' | 'products' | 'best' | 'rows', Tensor> => {
    const y = model.forward(x);
    return { mean: ops.mean(y), products: ops.matmul(y, y, { transB: true }), best: ops.argmax(y), rows: y };
  };
  const given = trainer.runSync(all, data.x);
  expect(Object.values(given).map(({ shape }) => shape)).toEqual([[], [100, 100], [100], [100, 2]]);
  expect(given.best.data).toBeInstanceOf(Int32Array);
  const y = given.rows.data;
  expect(given.mean.data[0]).toBeCloseTo([...y].reduce((sum, v) => sum + v, 0) / 200, 6);
  for (const [i, j] of [
    [0, 0],
    [3, 97],
    [99, 5],
  ] as const) {
    expect(given.products.data[100 * i + j]).toBeCloseTo(y[2 * i]! * y[2 * j]! + y[2 * i + 1]! * y[2 * j + 1]!, 5);
  }
  const rows = ({ x }: Batch, model: MLP): Tensor => model.forward(x);
  expect(hex(trainer.runSync(rows, data.x, { batchSize: 30 }))).toBe(hex(trainer.predictSync(data.x, { batchSize: 30 })));
  expect(() => trainer.runSync(all, data.x, { batchSize: 30 })).toThrow(
    new ShapeError('run: mean: expected one output row per input row (30), got []'),
  );
  // One row, which is told by what the model takes.
  expect(trainer.runSync(rows, data.x.data.slice(0, 6)).shape).toEqual([1, 2]);
});

it('of averages, with dropout, and with a seed', async () => {
  using trainer = classifier({ rate: 0.5, ema: { decay: 0.9 } });
  await trainer.fit(data, { steps: 10 });
  const rows = ({ x }: Batch, model: MLP): Tensor => model.forward(x);
  const ask = { batchSize: 32 };
  expect(hex(await trainer.run(rows, data.x, { ...ask, weights: 'ema' }))).toBe(
    hex(trainer.predictSync(data.x, { weights: 'ema' })),
  );
  const seeded = hex(await trainer.run(rows, data.x, { ...ask, dropout: true, seed: 4 }));
  expect(seeded).toBe(hex(trainer.predictSync(data.x, { ...ask, dropout: true, seed: 4 })));
  expect(seeded).not.toBe(hex(trainer.runSync(rows, data.x, ask)));
  const others = [0, 1, 2].map(() => hex(trainer.runSync(rows, data.x, { dropout: true })));
  expect(new Set(others).size).toBe(3);
});

it('has programs of the last functions alone, and the same results when they are compiled anew', () => {
  using trainer = classifier();
  const rows = ({ x }: Batch, model: MLP): Tensor => model.forward(x);
  const expected = hex(trainer.runSync(rows, data.x));
  let traced = 0;
  const counting = ({ x }: Batch, model: MLP): Tensor => {
    traced++;
    return model.forward(x);
  };
  for (let k = 0; k < 5; k++) trainer.runSync(counting, data.x);
  expect(traced).toBe(1);
  for (let k = 0; k < 40; k++) {
    const scaled = ({ x }: Batch, model: MLP): Tensor => ops.mul(model.forward(x), k);
    expect(trainer.runSync(scaled, data.x).data[0]).toBe(Math.fround(trainer.runSync(rows, data.x).data[0]! * k));
  }
  trainer.runSync(counting, data.x);
  expect(traced).toBe(2);
  expect(hex(trainer.runSync(rows, data.x))).toBe(expected);
});

it('between two steps of a fit', async () => {
  using trainer = classifier();
  const rows = ({ x }: Batch, model: MLP): Tensor => model.forward(x);
  const run = trainer.fit(data, { steps: 5_000_000, chunkSteps: 5_000_000 });
  await turn();
  expect(trainer.runSync(rows, data.x).shape).toEqual([100, 2]);
  expect((await trainer.run(rows, data.x)).shape).toEqual([100, 2]);
  run.stop();
  expect(await run).toMatchObject({ stopReason: 'stopped' });
});

it('refuses what is no function of a batch, and what gives no tensors', () => {
  using trainer = classifier();
  for (const wrong of [undefined, 5, 'x', loss.mse]) expect(() => trainer.runSync(wrong as never, data.x)).toThrow(OptionError);
  for (const wrong of [null, [], {}, 5, { a: 5 }]) {
    expect(() => trainer.runSync(() => wrong as never, data.x)).toThrow(
      'run: expected a Tensor, or an object of Tensors by name, got',
    );
  }
  expect(() => trainer.runSync(({ z }) => z!, data.x)).toThrow(OptionError);
  expect(() => trainer.runSync(({ x }) => x, data.x, { seed: 3 })).toThrow(
    'Trainer.runSync: option seed: it keys what is dropped',
  );
});
