// trainer.test.ts: training as users see it: bits, epochs and tails, accumulation, streams, validation, stopping, errors.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import * as clip from '../../lib/clip/index.ts';
import { AbortError, BusyError, DetachedError, IndexError, NonFiniteError, OptionError, ShapeError } from '../../lib/errors.ts';
import { accuracy } from '../../lib/metrics/index.ts';
import * as loss from '../../lib/nn/loss/index.ts';
import * as ops from '../../lib/ops/index.ts';
import type { Report } from '../../lib/optim/apply/report.ts';
import * as optim from '../../lib/optim/index.ts';
import { bits, type ClassifierOptions, classifier, points, stream } from './models.ts';

const data = points(100);
const folder = mkdtempSync(join(tmpdir(), 'gradclip-'));

describe('the same bits', () => {
  const train = async (options: ClassifierOptions, fit: object, sync = false): Promise<string> => {
    const trainer = classifier({ rate: 0.2, ...options });
    if (sync) trainer.fitSync(data, { steps: 60, ...fit });
    else await trainer.fit(data, { steps: 60, ...fit });
    return bits(trainer);
  };

  it('for any number of threads, sync or async, one step at a time or many', async () => {
    const reference = await train({ threads: 1 }, {});
    expect(await train({ threads: 2 }, {})).toBe(reference);
    expect(await train({ threads: 3 }, {})).toBe(reference);
    expect(await train({ threads: 1 }, { chunkSteps: 1 })).toBe(reference);
    expect(await train({ threads: 2 }, { chunkSteps: 50 })).toBe(reference);
    expect(await train({ threads: 2 }, {}, true)).toBe(reference);
    expect(await train({ seed: 4 }, {})).not.toBe(reference);
  });

  it('interrupted, saved and loaded, or not', async () => {
    const reference = classifier({ rate: 0.2 });
    await reference.fit(data, { steps: 100 });
    const first = classifier({ rate: 0.2 });
    await first.fit(data, { steps: 50 });
    const file = join(folder, 'half.safetensors');
    await first.save(file);
    const second = classifier({ rate: 0.2, seed: 99 });
    expect(await second.load(file)).toEqual({ missing: [], extra: [] });
    await second.fit(data, { steps: 50 });
    expect(await bits(second)).toBe(await bits(reference));
    expect(second.counters).toEqual(reference.counters);
  });

  it('with gradient accumulation', async () => {
    const reference = await train({ accumulate: 3, threads: 1 }, {});
    expect(await train({ accumulate: 3, threads: 2 }, { chunkSteps: 1 })).toBe(reference);
  });
});

describe('epochs', () => {
  it('trains the tail, unless told not to', async () => {
    const trainer = classifier();
    const result = await trainer.fit(data, { epochs: 2 });
    expect(result).toMatchObject({ stopReason: 'epochs', tried: 26, applied: 26 });
    expect(result.epochs).toMatchObject([
      { epoch: 1, steps: 13 },
      { epoch: 2, steps: 13 },
    ]);
    expect(trainer.counters).toEqual({ attempt: 26, step: 26, epoch: 2, batch: 0, skips: 0 });
    const without = classifier({ dropLast: true });
    expect((await without.fit(data, { epochs: 2 })).tried).toBe(24);
  });

  it('learns', async () => {
    const trainer = classifier({ metrics: { accuracy: ({ x, y }, model) => accuracy(model.forward(x), y) } });
    const before = await trainer.evaluate(data);
    await trainer.fit(data, { epochs: 20 });
    const after = trainer.evaluateSync(data, { batchSize: 33 });
    expect(after.loss).toBeLessThan(before.loss / 2);
    expect(after.accuracy).toBeGreaterThan(0.95);
    const again = await trainer.evaluate(data, { batchSize: 100 });
    expect(again.loss).toBeCloseTo(after.loss, 6);
  });

  it('takes metrics of integers, and of what a mean with weights becomes', async () => {
    const trainer = classifier({
      metrics: {
        right: ({ x, y }, model) => ops.sum(ops.equal(ops.argmax(model.forward(x)), y)),
        share: ({ x, y }, model) => ops.mean(ops.equal(ops.argmax(model.forward(x)), y)),
        halves: ({ y }) => ops.cast(ops.mul(loss.weightedMean(ops.add(ops.mul(y, 0), 3.75), ops.equal(y, y)), 2), 'i32'),
      },
    });
    const { right, share } = await trainer.evaluate(data, { batchSize: 100 });
    expect(right).toBe(Math.round(right));
    expect(share).toBeCloseTo(right / 100, 6);
    // Not a multiple of the mean any more: 7.5 became 7 in each batch.
    expect((await trainer.evaluate(data, { batchSize: 33 })).halves).toBe(7);
  });

  it('makes a step with fewer micro-batches of what is left of an epoch', async () => {
    const trainer = classifier({ accumulate: 5 });
    const result = await trainer.fit(data, { epochs: 1 });
    // 12 whole batches, and one of 4 rows: steps of 5, 5 and 3.
    expect(result.tried).toBe(3);
    expect(trainer.counters.attempt).toBe(13);
  });

  it('accumulating equals the larger batch', async () => {
    const one = classifier({ batchSize: 20, optimizer: optim.sgd({ lr: 0.1 }) });
    const many = classifier({ batchSize: 5, accumulate: 4, optimizer: optim.sgd({ lr: 0.1 }) });
    const a = (await one.fit(data, { steps: 5 })).last as Report;
    const b = (await many.fit(data, { steps: 5 })).last as Report;
    expect(b.loss).toBeCloseTo(a.loss, 5);
    expect(b.norm).toBeCloseTo(a.norm, 5);
  });
});

describe('reports', () => {
  it('come one per step, in order', async () => {
    const trainer = classifier();
    const seen: Report[] = [];
    for await (const report of trainer.fit(data, { steps: 40 })) seen.push(report);
    expect(seen.map((r) => r.step)).toEqual(Array.from({ length: 40 }, (_, i) => i));
    for (const r of seen) {
      expect(r.clipped).toBe(r.norm > 0.5);
      expect(r.normAfter).toBeCloseTo(Math.min(r.norm, 0.5), 6);
      expect(r.threshold).toBe(0.5);
    }
  });

  it('leaving the loop stops the run', async () => {
    const trainer = classifier();
    for await (const report of trainer.fit(data, { steps: 1_000_000 })) if (report.step === 10) break;
    expect(trainer.counters.step).toBeGreaterThan(10);
    await trainer.fit(data, { steps: 1 });
  });

  it('a NaN in one batch is skipped, named and counted, and training goes on', async () => {
    const bad = points(100);
    bad.x.data[6 * 37] = Number.NaN;
    const trainer = classifier();
    const result = await trainer.fit(bad, { epochs: 1 });
    expect(result).toMatchObject({ tried: 13, applied: 12, skipped: 1 });
    expect(result.nonFinite).toEqual(['fc1.weight']);
    expect(trainer.counters).toMatchObject({ attempt: 13, step: 12, skips: 0 });
    for (const { data: values } of (await trainer.readParameters()).values()) expect(values.every(Number.isFinite)).toBe(true);
  });

  it('too many skips in a row end the run', async () => {
    const bad = points(100);
    bad.x.data.fill(Number.NaN);
    const trainer = classifier({ clip: clip.globalNorm(1, { maxSkips: 4 }) });
    await expect(trainer.fit(bad, { epochs: 1 })).rejects.toThrow(NonFiniteError);
    expect(trainer.counters).toMatchObject({ attempt: 4, step: 0, skips: 4 });
  });

  it('a gradient of 1e30 is clipped exactly', async () => {
    const trainer = classifier({
      optimizer: optim.sgd({ lr: 1 }),
      clip: clip.globalNorm(2),
      loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
    });
    const huge = points(8);
    huge.x.data.forEach((v, i) => {
      huge.x.data[i] = v * 1e30;
    });
    const { last } = await trainer.fit(huge, { steps: 1 });
    expect(last!.norm).toBeGreaterThan(1e28);
    expect(last!.skipped).toBe(false);
    expect(Math.abs(last!.normAfter - 2)).toBeLessThan(1e-6);
  });
});

describe('an async source', () => {
  it('trains as the same batches in memory would', async () => {
    const trainer = classifier();
    const result = await trainer.fit(stream(data, 8));
    expect(result).toMatchObject({ tried: 13, stopReason: 'epochs' });
  });

  it('is opened anew for each epoch when it is a function', async () => {
    let opened = 0;
    const trainer = classifier({ accumulate: 2 });
    const result = await trainer.fit(
      () => {
        opened++;
        return stream(data, 8);
      },
      { epochs: 3 },
    );
    // 12 whole batches make 6 steps, the tail one more.
    expect(result.tried).toBe(21);
    expect(opened).toBe(3);
  });

  it('passes on its error and leaves the trainer usable', async () => {
    const trainer = classifier();
    const failing = async function* () {
      yield* stream(points(16), 8);
      throw new Error('source broke');
    };
    await expect(trainer.fit(failing())).rejects.toThrow('source broke');
    expect(trainer.counters.step).toBe(2);
    await trainer.fit(data, { steps: 1 });
  });

  it('must not change its arrays', async () => {
    const trainer = classifier();
    const changing = async function* () {
      yield* stream(points(8), 8);
      yield* stream(points(8, 7), 8);
    };
    await expect(trainer.fit(changing())).rejects.toThrow(/x: expected rows of f32\[6\], got f32\[7\]/);
  });
});

describe('validation', () => {
  it('early stop brings the best weights back', async () => {
    const trainer = classifier({ optimizer: optim.sgd({ lr: 30 }), clip: clip.none() });
    const result = await trainer.fit(data, { epochs: 50, validation: points(64, 6, 9), earlyStop: { patience: 2 } });
    expect(result.stopReason).toBe('earlyStop');
    expect(await trainer.evaluate(points(64, 6, 9))).toEqual(result.best);
  });

  it('tells of every epoch', async () => {
    const ends: number[] = [];
    const result = await classifier().fit(data, { epochs: 3, validation: data, onEpoch: ({ epoch }) => ends.push(epoch) });
    expect(ends).toEqual([1, 2, 3]);
    expect(result.epochs.every(({ validation }) => Number.isFinite(validation!.loss))).toBe(true);
  });
});

describe('while a fit is on', () => {
  it('predict, evaluate and save work; a second fit and load do not', async () => {
    const trainer = classifier();
    const run = trainer.fit(data, { steps: 100_000 });
    expect(() => trainer.fit(data)).toThrow(BusyError);
    while (trainer.counters.step === 0) await sleep(1);
    const file = join(folder, 'during.safetensors');
    const [prediction, metrics] = await Promise.all([trainer.predict(data.x), trainer.evaluate(data), trainer.save(file)]);
    expect(prediction.shape).toEqual([100, 2]);
    expect(Number.isFinite(metrics.loss)).toBe(true);
    await expect(trainer.load(file)).rejects.toThrow(BusyError);
    run.stop();
    expect((await run).stopReason).toBe('stopped');
    await trainer.load(file);
    expect(trainer.counters.step).toBeGreaterThan(0);
  });

  it('abort rejects, and the trainer can go on', async () => {
    const trainer = classifier();
    const controller = new AbortController();
    const run = trainer.fit(data, { steps: 1_000_000, signal: controller.signal });
    setTimeout(() => controller.abort(new Error('enough')), 30);
    const error = await run.then(
      () => null,
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(AbortError);
    expect(error).toMatchObject({ code: 'ABORT_ERR', cause: { message: 'enough' } });
    expect((await trainer.fit(data, { steps: 3 })).tried).toBe(3);
  });

  it('the caller may transfer or change its arrays', async () => {
    const own = points(100);
    const one = classifier();
    const run = one.fit(own, { steps: 200 });
    const buffer = own.x.data.buffer as ArrayBuffer;
    structuredClone(buffer, { transfer: [buffer] });
    await run;
    const two = classifier();
    await two.fit(data, { steps: 200 });
    expect(await bits(one)).toBe(await bits(two));
    expect(() => one.fitSync(own)).toThrow(DetachedError);
  });
});

describe('wrong input', () => {
  it.each([
    ['an unknown option', () => classifier({ batchsize: 3 } as object), OptionError, 'did you mean batchSize'],
    ['a batch size of 0', () => classifier({ batchSize: 0 }), OptionError, 'batchSize'],
    [
      'rows that differ',
      () => classifier().fitSync({ x: data.x, y: new Int32Array(3) }),
      ShapeError,
      'expected 100 rows as x has, got 3',
    ],
    [
      'a wrong shape',
      () => classifier().fitSync({ ...data, x: { data: new Float32Array(700), shape: [100, 7] } }),
      ShapeError,
      'linear',
    ],
    ['an unknown fit option', () => classifier().fitSync(data, { epoch: 3 } as object), OptionError, 'did you mean epochs'],
    [
      'early stop without validation',
      () => classifier().fitSync(data, { earlyStop: { patience: 1 } }),
      OptionError,
      'validation',
    ],
  ])('%s', (_name, call, type, text) => {
    expect(call).toThrow(type as unknown as new () => Error);
    expect(call).toThrow(text as string);
  });

  it('a label out of range names op, position and value; the weights stay those of the last whole step', async () => {
    const bad = points(100);
    bad.y[50] = 7;
    const trainer = classifier();
    const error = await trainer.fit(bad, { epochs: 1 }).then(
      () => null,
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(IndexError);
    expect(error).toMatchObject({ code: 'ERR_INDEX', details: { value: 7, bound: 2 } });
    expect(trainer.counters.step).toBe(trainer.counters.attempt);
    for (const { data: values } of (await trainer.readParameters()).values()) expect(values.every(Number.isFinite)).toBe(true);
  });
});
