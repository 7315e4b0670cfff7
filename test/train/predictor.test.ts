// predictor.test.ts: a frozen copy of a trainer's weights: which weights it has when, with which bits, and that it waits for no fit.
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import {
  DisposedError,
  GraphError,
  loss,
  type NdArray,
  nn,
  OptionError,
  ops,
  optim,
  preprocess,
  ShapeError,
  type Tensor,
  Trainer,
} from '../../lib/index.ts';
import { child } from '../children/kit.ts';
import { classifier, points } from './models.ts';
import { VARIANTS } from './variants.ts';

const data = points(100);
const row = { data: data.x.data.slice(0, 6), shape: [1, 6] };
const hex = ({ data, shape }: NdArray): string =>
  `${shape} ${Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex')}`;
/** One chunk of these would take most of a minute. */
const LONG = { steps: 2_000_000, chunkSteps: 2_000_000 };

describe('the weights of the moment', () => {
  it.each(Object.entries(VARIANTS))('of %s: the bits of the trainer, before and after a fit', async (_, { data, options }) => {
    using trainer = new Trainer(options());
    const tokens = { data: Int32Array.from({ length: 20 * 8 }, (_, i) => (i * i) % 30), shape: [20, 8] };
    const x = 'trace' in data ? tokens : data.x!;
    const ask = { batchSize: 7 };
    const before = hex(trainer.predictSync({ x }, ask));
    using predictor = trainer.predictor();
    trainer.fitSync(data, { steps: 3 });
    expect(hex(predictor.predictSync({ x }, ask))).toBe(before);
    expect(hex(await predictor.predict({ x }, ask))).toBe(before);
    await predictor.update();
    const after = hex(trainer.predictSync({ x }, ask));
    expect(after).not.toBe(before);
    expect(hex(predictor.predictSync({ x }, ask))).toBe(after);
    trainer.fitSync(data, { steps: 1 });
    predictor.updateSync();
    expect(hex(await predictor.predict({ x }, ask))).toBe(hex(trainer.predictSync({ x }, ask)));
  });

  it('or their averages', async () => {
    using trainer = classifier({ ema: { decay: 0.9 } });
    using predictor = trainer.predictor({ weights: 'ema' });
    await trainer.fit(data, { steps: 20 });
    await predictor.update();
    expect(hex(predictor.predictSync(data.x))).toBe(hex(trainer.predictSync(data.x, { weights: 'ema' })));
    expect(hex(predictor.predictSync(data.x))).not.toBe(hex(trainer.predictSync(data.x)));
    expect(() => classifier().predictor({ weights: 'ema' })).toThrow("weights: 'ema' needs the trainer's option ema");
  });

  it('with the statistics that norms keep', async () => {
    using trainer = new Trainer({
      model: new nn.Sequential(new nn.Linear(6, 5), new nn.BatchNorm1d(5), new nn.Linear(5, 2)),
      loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
      optimizer: optim.sgd({ lr: 0.1 }),
      preprocess: { x: preprocess.standardize().fit(data.x) },
      batchSize: 10,
    });
    await trainer.fit(data, { steps: 3 });
    using predictor = trainer.predictor();
    const before = hex(trainer.predictSync(data.x));
    await trainer.fit(data, { steps: 3 });
    expect(hex(predictor.predictSync(data.x))).toBe(before);
    predictor.updateSync();
    expect(hex(predictor.predictSync(data.x))).toBe(hex(trainer.predictSync(data.x)));
  });

  it('stay when parameters are written, and when the trainer is disposed of', async () => {
    const trainer = classifier();
    using predictor = trainer.predictor();
    const before = hex(predictor.predictSync(data.x));
    trainer.model.fc1.weight.data.fill(0);
    expect(hex(predictor.predictSync(data.x))).toBe(before);
    await predictor.update();
    expect(hex(predictor.predictSync(data.x))).not.toBe(before);
    trainer.dispose();
    expect(predictor.predictSync(points(9).x).shape).toEqual([9, 2]);
    await expect(predictor.update()).rejects.toThrow(DisposedError);
    expect(() => predictor.updateSync()).toThrow(DisposedError);
    expect(hex(await predictor.predict(row))).toBe(hex(predictor.predictSync(row)));
  });

  it('of a model that has got another layer since: an error, until an update', async () => {
    using trainer = classifier();
    using predictor = trainer.predictor();
    predictor.predictSync(row);
    (trainer.model as { fc2: nn.Module }).fc2 = new nn.Sequential(new nn.Linear(16, 3), new nn.Linear(3, 2));
    expect(() => predictor.predictSync(data.x)).toThrow(GraphError);
    await predictor.update();
    expect(hex(predictor.predictSync(data.x))).toBe(hex(trainer.predictSync(data.x)));
  });

  it('of a model with other fields since: what was compiled answers by those of then, and nothing by others until an update', async () => {
    class Scaled extends nn.Module {
      readonly fc: nn.Linear = new nn.Linear(6, 2);
      scale = 1;
      forward(x: Tensor): Tensor {
        return ops.mul(this.fc.forward(x), this.scale);
      }
    }
    using trainer = new Trainer({
      model: new Scaled(),
      loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
      optimizer: optim.sgd({ lr: 0.1 }),
    });
    using predictor = trainer.predictor();
    const before = hex(predictor.predictSync(row));
    trainer.model.scale = 2;
    expect(hex(predictor.predictSync(row))).toBe(before);
    expect(() => predictor.predictSync(data.x)).toThrow(/predict: the model was changed since .* update\(\)/);
    expect(() => predictor.predictSync([1, 2, 3, 4, 5, 6, 7])).toThrow(GraphError);
    // Nor is anything remembered that was found out meanwhile: one row, though nobody has said so.
    expect(() => predictor.predictSync(new Float32Array(6), { dropout: true })).toThrow(GraphError);
    trainer.model.scale = 1;
    expect(predictor.predictSync(new Float32Array(6), { dropout: true }).shape).toEqual([1, 2]);
    trainer.model.scale = 2;
    // While a fit is on, too.
    await trainer.fit(data, {
      epochs: 2,
      onEpoch: async () => {
        trainer.model.scale++;
        await predictor.update();
        expect(hex(predictor.predictSync(points(3).x))).not.toBe(before);
      },
    });
    trainer.model.scale++;
    predictor.updateSync();
    expect(hex(predictor.predictSync(row))).toBe(hex(trainer.predictSync(row)));
    expect(hex(predictor.predictSync(data.x))).toBe(hex(trainer.predictSync(data.x)));
  });
});

describe('while a fit is on', () => {
  it('calls wait for no chunk, synchronous or not', async () => {
    using trainer = classifier();
    using predictor = trainer.predictor();
    const before = hex(predictor.predictSync(data.x));
    const run = trainer.fit(data, LONG);
    await turn();
    for (let k = 0; k < 20; k++) {
      expect(hex(predictor.predictSync(data.x))).toBe(before);
      const both = predictor.predict(data.x, { batchSize: 9 });
      expect(hex(predictor.predictSync(data.x, { batchSize: 9 }))).toBe(before);
      expect(hex(await both)).toBe(before);
    }
    run.stop();
    // Had one of them waited, the chunk would have been done.
    expect(await run).toMatchObject({ stopReason: 'stopped' });
    expect(trainer.counters.step).toBeLessThan(LONG.steps);
  });

  it('update takes the weights of the end of a step', async () => {
    const steps = 120;
    const known: string[] = [];
    using plain = classifier();
    for (let k = 0; k <= steps; k++) {
      known.push(hex(plain.predictSync(data.x)));
      plain.fitSync(data, { steps: 1 });
    }
    using trainer = classifier({ threads: 2 });
    using predictor = trainer.predictor();
    const seen: number[] = [];
    let on = true;
    const run = trainer.fit(data, { steps, chunkSteps: 1 });
    run.finally(() => {
      on = false;
    });
    while (on) {
      await predictor.update();
      seen.push(known.indexOf(hex(predictor.predictSync(data.x))));
      seen.push(known.indexOf(hex(await predictor.predict(data.x))));
    }
    await run;
    await predictor.update();
    expect(known.indexOf(hex(predictor.predictSync(data.x)))).toBe(steps);
    expect(seen).not.toContain(-1);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(new Set(seen).size).toBeGreaterThan(2);
  });

  it('several updates and predictions at once: each prediction is of one set of weights', async () => {
    using trainer = classifier();
    using predictor = trainer.predictor();
    // Batches of equal rows.
    const many = { data: Float32Array.from({ length: 64 * 60 * 6 }, (_, i) => data.x.data[i % (64 * 6)]!), shape: [64 * 60, 6] };
    const run = trainer.fit(data, { steps: 400, chunkSteps: 1 });
    const predict = async (): Promise<string[]> => {
      const { data } = await predictor.predict(many, { batchSize: 64 });
      return Array.from({ length: 60 }, (_, i) => hex({ data: data.slice(128 * i, 128 * (i + 1)), shape: [] }));
    };
    const seen: string[][] = [];
    for (let k = 0; k < 5; k++) {
      const [a, , b, , c] = await Promise.all([predict(), predictor.update(), predict(), predictor.update(), predict()]);
      seen.push(a, b, c);
    }
    await run;
    for (const batches of seen) expect(new Set(batches).size).toBe(1);
    expect(new Set(seen.flat()).size).toBeGreaterThan(1);
  });
});

describe('dispose', () => {
  it('ends it: later calls are an error, what is under way ends first', async () => {
    using trainer = classifier();
    const predictor = trainer.predictor();
    const expected = hex(predictor.predictSync(data.x));
    const running = predictor.predict(data.x);
    await turn();
    predictor.dispose();
    const ended = await running.then(hex, (error: unknown) => error);
    if (ended instanceof Error) expect(ended).toBeInstanceOf(DisposedError);
    else expect(ended).toBe(expected);
    predictor.dispose();
    for (const call of [() => predictor.predict(row), () => predictor.update()])
      await expect(call()).rejects.toThrow(DisposedError);
    for (const call of [() => predictor.predictSync(row), () => predictor.updateSync()]) expect(call).toThrow(DisposedError);
    expect(String(predictor)).toBe('Predictor of MLP, disposed');
    trainer.dispose();
    expect(() => trainer.predictor()).toThrow(DisposedError);
  });

  it('while an update waits: that is an error, and the fit goes on', async () => {
    using trainer = classifier();
    const predictor = trainer.predictor();
    const run = trainer.fit(data, { steps: 30 });
    const update = predictor.update();
    predictor.dispose();
    await expect(update).rejects.toThrow(DisposedError);
    expect(await run).toMatchObject({ tried: 30 });
  });
});

describe('outputs', () => {
  class Autoencoder extends nn.Module {
    encoder = new nn.Linear(6, 3);
    decoder = new nn.Linear(3, 6);
    forward(x: Tensor): Tensor {
      return this.decoder.forward(ops.tanh(this.encoder.forward(x)));
    }
  }
  const make = () =>
    new Trainer({
      model: new Autoencoder(),
      loss: ({ x }, model) => loss.mse(model.forward(x), x),
      optimizer: optim.sgd({ lr: 0.1 }),
    });

  it('may have names', async () => {
    using trainer = make();
    using predictor = trainer.predictor({
      outputs: ({ x }, model) => {
        const latent = ops.tanh(model.encoder.forward(x));
        return { latent, best: ops.argmax(latent), y: model.decoder.forward(latent) };
      },
    });
    const given = predictor.predictSync(data.x, { batchSize: 30 });
    expect(Object.keys(given)).toEqual(['latent', 'best', 'y']);
    expect(hex(given.y)).toBe(hex(trainer.predictSync(data.x)));
    // By hand, in f64.
    const [w, b] = [trainer.model.encoder.weight.data, trainer.model.encoder.bias!.data];
    for (let i = 0; i < 100; i++) {
      const own = Array.from({ length: 3 }, (_, k) => {
        let sum = b[k]!;
        for (let j = 0; j < 6; j++) sum += w[6 * k + j]! * data.x.data[6 * i + j]!;
        return Math.tanh(sum);
      });
      for (let k = 0; k < 3; k++) expect(given.latent.data[3 * i + k]).toBeCloseTo(own[k]!, 5);
      expect(given.best.data[i]).toBe(own.indexOf(Math.max(...own)));
    }
    expect(given.best.data).toBeInstanceOf(Int32Array);
    expect(hex((await predictor.predict(data.x)).latent)).toBe(hex(given.latent));
    // One row that is none: a row is told by what the outputs are.
    expect(predictor.predictSync(data.x.data.slice(0, 6)).latent.shape).toEqual([1, 3]);
  });

  it('have a row for each row, and are tensors', () => {
    using trainer = make();
    const of = (outputs: unknown) => trainer.predictor({ outputs: outputs as never }).predictSync(row);
    expect(() => of(({ x }: never) => ({ ok: x, sum: ops.sum(x) }))).toThrow(
      new ShapeError('outputs: sum: expected one output row per input row (1), got []'),
    );
    for (const wrong of [null, {}, [1], { a: 1 }, 'x', Promise.resolve({})]) {
      expect(() => of(() => wrong)).toThrow('outputs: expected a Tensor, or an object of Tensors by name, got');
    }
    expect(() => trainer.predictor({ outputs: 5 as never })).toThrow(OptionError);
  });
});

describe('dropout', () => {
  it('on when asked: keyed by the seed, else another draw each time', async () => {
    const rate = 0.5;
    using trainer = classifier({ rate });
    using predictor = trainer.predictor();
    const plain = hex(predictor.predictSync(data.x));
    const one = hex(predictor.predictSync(data.x, { dropout: true, seed: 5 }));
    expect(one).not.toBe(plain);
    expect(hex(await predictor.predict(data.x, { dropout: true, seed: 5n }))).toBe(one);
    expect(hex(trainer.predictSync(data.x, { dropout: true, seed: 5 }))).toBe(one);
    expect(hex(predictor.predictSync(data.x, { dropout: true, seed: 6 }))).not.toBe(one);
    const draws = Array.from({ length: 6 }, () => hex(predictor.predictSync(data.x, { dropout: true })));
    expect(new Set([plain, one, ...draws]).size).toBe(8);
    expect(hex(predictor.predictSync(data.x))).toBe(plain);
    // Again, from the same beginning.
    using again = trainer.predictor();
    expect(hex(again.predictSync(data.x, { dropout: true }))).toBe(draws[0]);
    expect(() => predictor.predictSync(data.x, { seed: 1 })).toThrow('option seed: it keys what is dropped');
  });

  it('drops as many, and scales the others, as in training; each batch its own', () => {
    class Dropping extends nn.Module {
      drop = new nn.Dropout(0.25);
      scale = new nn.Parameter([1], nn.init.ones());
      forward(x: Tensor): Tensor {
        return ops.mul(this.drop.forward(x), this.scale);
      }
    }
    using trainer = new Trainer({
      model: new Dropping(),
      loss: ({ x }, model) => loss.mse(model.forward(x), x),
      optimizer: optim.sgd({ lr: 0.1 }),
    });
    const ones = { data: new Float32Array(40_000).fill(1), shape: [4000, 10] };
    const { data } = trainer.predictSync(ones, { dropout: true, seed: 3, batchSize: 1000 });
    const kept = data.filter((v) => v !== 0);
    expect(new Set(kept)).toEqual(new Set([Math.fround(4 / 3)]));
    // Within 5 standard deviations of the share.
    expect(Math.abs(kept.length / 40_000 - 0.75)).toBeLessThan(5 * Math.sqrt((0.75 * 0.25) / 40_000));
    const [first, second] = [0, 1].map((i) => hex({ data: data.slice(10_000 * i, 10_000 * (i + 1)), shape: [] }));
    expect(first).not.toBe(second);
  });
});

// A sanitized build keeps what was freed.
it.skipIf(process.env.GRADCLIP_PREBUILD !== undefined)('memory stays flat over 240 updates', async () => {
  const ended = await child('memory.js', ['updates'], { node: ['--expose-gc'], env: { GRADCLIP_POISON: '0' } });
  expect(ended).toMatchObject({ code: 0, errors: '' });
  const { before, after } = ended.lines[0] as { before: number; after: number };
  expect(after - before).toBeLessThan(24);
});

it('in workers that are terminated meanwhile', async () => {
  expect(await child('process.js', ['predictors'])).toMatchObject({ code: 0, lines: [{ same: [true, true] }], errors: '' });
});
