// lifecycle.test.ts: fit, stop, abort, dispose, predict, save and sources in each other's way: nothing hangs, nothing stays busy.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { AbortError, BusyError, DataError, DisposedError } from '../../../lib/errors.ts';
import * as loss from '../../../lib/nn/loss/index.ts';
import type { Report } from '../../../lib/optim/apply/report.ts';
import type { Arrays, NdArray } from '../../../lib/train/feed/source.ts';
import { bits, classifier, points, stream } from '../models.ts';

const data = points(100);
const folder = mkdtempSync(join(tmpdir(), 'gradclip-'));

/** Gives `batches` batches, then nothing more, ever; says when it was closed. */
function stalling(batches: number): { source: AsyncIterable<Arrays>; closed: () => boolean } {
  let closed = false;
  const inner = stream(points(8 * batches), 8);
  const source: AsyncIterable<Arrays> = {
    [Symbol.asyncIterator]: () => ({
      async next() {
        const result = await inner.next();
        return result.done ? new Promise(() => {}) : result;
      },
      async return() {
        closed = true;
        return { done: true, value: undefined };
      },
    }),
  };
  return { source, closed: () => closed };
}

describe('a source that gives nothing', () => {
  it.each([0, 3])('after %i batches does not hold up predict, evaluate and save', async (batches) => {
    const trainer = classifier();
    const { source, closed } = stalling(batches);
    const run = trainer.fit(source);
    while (trainer.counters.step < batches) await sleep(5);
    expect((await trainer.predict(data.x)).shape).toEqual([100, 2]);
    expect(Number.isFinite((await trainer.evaluate(data)).loss)).toBe(true);
    await trainer.save(join(folder, 'stalled.safetensors'));
    run.stop();
    expect(await run).toMatchObject({ stopReason: 'stopped', tried: batches });
    expect(closed()).toBe(true);
    expect((await trainer.fit(data, { steps: 1 })).tried).toBe(1);
  });

  it.each([0, 3])('after %i batches can be aborted', async (batches) => {
    const trainer = classifier();
    const controller = new AbortController();
    const run = trainer.fit(stalling(batches).source, { signal: controller.signal });
    setTimeout(() => controller.abort(), 20);
    await expect(run).rejects.toThrow(AbortError);
    expect((await trainer.fit(data, { steps: 1 })).tried).toBe(1);
  });

  it('does not hold up the end after enough steps, nor dispose', async () => {
    const { source, closed } = stalling(3);
    expect(await classifier().fit(source, { steps: 3 })).toMatchObject({ stopReason: 'steps', tried: 3 });
    expect(closed()).toBe(true);
    const trainer = classifier();
    const run = trainer.fit(stalling(2).source);
    await sleep(20);
    trainer.dispose();
    expect((await run).stopReason).toBe('stopped');
    expect(() => trainer.fit(data)).toThrow(DisposedError);
  });
});

describe('a source', () => {
  const counted = (make: () => AsyncGenerator<Arrays>): { source: AsyncIterable<Arrays>; returns: () => number } => {
    let returns = 0;
    const inner = make();
    const source = {
      [Symbol.asyncIterator]: () => ({
        next: () => inner.next(),
        return: () => {
          returns++;
          return inner.return(undefined);
        },
      }),
    };
    return { source, returns: () => returns };
  };

  it('is closed when its first batch is of no use', async () => {
    const { source, returns } = counted(async function* () {
      yield { x: new Float32Array(3), y: new Int32Array(2) };
    });
    const trainer = classifier();
    await expect(trainer.fit(source)).rejects.toThrow('y: expected 3 rows as x has, got 2');
    expect(returns()).toBe(1);
    await trainer.fit(data, { steps: 1 });
  });

  it('whose clean-up fails leaves the trainer free, and the first error counts', async () => {
    const failing = (error: Error | null): AsyncIterable<Arrays> => {
      const inner = stream(data, 8);
      let count = 0;
      return {
        [Symbol.asyncIterator]: () => ({
          next: () => (error && ++count > 3 ? Promise.reject(error) : inner.next()),
          return: () => Promise.reject(new Error('clean-up')),
        }),
      };
    };
    const trainer = classifier();
    await expect(trainer.fit(failing(new Error('first')))).rejects.toThrow('first');
    await expect(trainer.fit(failing(null), { steps: 2 }).then(() => turn())).resolves.toBeUndefined();
    await trainer.fit(data, { steps: 1 });
  });

  it('may use one buffer for all of its batches', async () => {
    const x = new Float32Array(8 * 6);
    const y = new Int32Array(8);
    const batches: Arrays[] = [];
    for await (const batch of stream(points(800), 8)) batches.push(batch);
    const reusing = async function* (): AsyncGenerator<Arrays> {
      for (const batch of batches) {
        x.set((batch.x as NdArray).data);
        y.set(batch.y as Int32Array);
        yield { x: { data: x, shape: [8, 6] }, y };
      }
    };
    const fresh = async function* (): AsyncGenerator<Arrays> {
      yield* batches;
    };
    const [a, b] = [classifier(), classifier()];
    await a.fit(reusing());
    await b.fit(fresh());
    expect(await bits(a)).toBe(await bits(b));
  });

  it('without a batch, or with an empty one, is an error', async () => {
    const trainer = classifier();
    await expect(trainer.fit((async function* (): AsyncGenerator<Arrays> {})())).rejects.toThrow(DataError);
    const empty = async function* (): AsyncGenerator<Arrays> {
      yield { x: { data: new Float32Array(0), shape: [0, 6] }, y: new Int32Array(0) };
    };
    await expect(trainer.fit(empty())).rejects.toThrow(/at least one row/);
  });
});

describe('a reader', () => {
  it('gets every report, also those of a run that is over before it has read them', async () => {
    const seen: number[] = [];
    const run = classifier().fit(data, { steps: 10, chunkSteps: 1 });
    for await (const { step } of run) {
      if (step === 0) await run;
      seen.push(step);
    }
    expect(seen).toEqual(Array.from({ length: 10 }, (_, i) => i));
  });

  it('far behind may wait for predict', async () => {
    const trainer = classifier();
    let predictions = 0;
    for await (const report of trainer.fit(data, { steps: 400, chunkSteps: 1 })) {
      if (report.step === 0) await sleep(100);
      if (report.step % 100 === 0) predictions += (await trainer.predict(data.x)).shape[0]!;
    }
    expect(predictions).toBe(400);
  });

  it('that stops reading does not hold up stop and dispose', async () => {
    const trainer = classifier();
    const run = trainer.fit(data, { steps: 1_000_000, chunkSteps: 1 });
    const reader = run[Symbol.asyncIterator]();
    await reader.next();
    await sleep(50);
    run.stop();
    expect((await run).stopReason).toBe('stopped');
  });

  it('is alone', async () => {
    const run = classifier().fit(data, { steps: 50, chunkSteps: 1 });
    const [one, two] = [run[Symbol.asyncIterator](), run[Symbol.asyncIterator]()];
    await one.next();
    await expect(two.next()).rejects.toThrow(BusyError);
    await one.return();
    await run;
  });

  it('gets the steps before an error', async () => {
    const bad = points(100);
    bad.y[50] = 7;
    const trainer = classifier();
    const seen: Report[] = [];
    const reading = (async () => {
      for await (const report of trainer.fit(bad, { epochs: 1, chunkSteps: 100 })) seen.push(report);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'ERR_INDEX' });
    expect(seen.length).toBe(trainer.counters.step);
    expect(seen.length).toBeGreaterThan(0);
  });
});

describe('one after the other', () => {
  it('a prediction begun before a fit sees one set of weights', async () => {
    const trainer = classifier();
    const wide = points(5000);
    const expected = trainer.predictSync(wide.x, { batchSize: 64 });
    const prediction = trainer.predict(wide.x, { batchSize: 64 });
    const run = trainer.fit(data, { steps: 300, chunkSteps: 1 });
    expect(await prediction).toEqual(expected);
    await run;
  });

  it('fitSync waits for nobody', async () => {
    const trainer = classifier();
    const prediction = trainer.predict(data.x);
    expect(() => trainer.fitSync(data, { steps: 1 })).toThrow(BusyError);
    await prediction;
    trainer.fitSync(data, { steps: 1 });
  });

  it('early stop puts weights back while others read', async () => {
    const trainer = classifier();
    const run = trainer.fit(data, { epochs: 30, validation: points(64, 6, 9), earlyStop: { patience: 1 } });
    const reads = Array.from({ length: 20 }, (_, i) => sleep(i).then(() => trainer.predict(data.x)));
    await run;
    expect(await Promise.all(reads)).toHaveLength(20);
  });

  it('dispose during a fit: what waited is told, the run ends', async () => {
    const trainer = classifier();
    const run = trainer.fit(data, { steps: 1_000_000 });
    await sleep(10);
    const waiting = [trainer.predict(data.x), trainer.readParameters(), trainer.evaluate(data), trainer.save(join(folder, 'x'))];
    trainer.dispose();
    for (const task of waiting) await expect(task).rejects.toThrow(DisposedError);
    expect((await run).stopReason).toBe('stopped');
    for (const call of [() => trainer.predict(data.x), () => trainer.evaluate(data), () => trainer.load('x')]) {
      await expect(call()).rejects.toThrow(DisposedError);
    }
    for (const call of [() => trainer.predictSync(data.x), () => trainer.fit(data), () => trainer.fitSync(data)]) {
      expect(call).toThrow(DisposedError);
    }
  });

  it('what waits for a fit that fails is still done', async () => {
    const bad = points(100);
    bad.y.fill(9);
    const trainer = classifier();
    const run = trainer.fit(bad);
    const prediction = trainer.predict(data.x);
    await expect(run).rejects.toMatchObject({ code: 'ERR_INDEX' });
    expect((await prediction).shape).toEqual([100, 2]);
  });

  it('a signal that is aborted while a generator makes a batch ends the run before that batch', () => {
    const trainer = classifier();
    const controller = new AbortController();
    function* batches(): Generator<Arrays> {
      for (let k = 0; k < 6; k++) {
        if (k === 3) controller.abort();
        yield points(8);
      }
    }
    expect(() => trainer.fitSync(batches(), { signal: controller.signal, chunkSteps: 1 })).toThrow(AbortError);
    expect(trainer.counters).toMatchObject({ attempt: 3, step: 3 });
  });

  it('stop and abort end a long validation', async () => {
    const long = points(200_000);
    const trainer = classifier();
    const run = trainer.fit(data, { epochs: 1, validation: long });
    const controller = new AbortController();
    await sleep(15);
    run.stop();
    await run;
    const aborted = trainer.fit(data, { epochs: 2, validation: long, signal: controller.signal });
    setTimeout(() => controller.abort(), 15);
    await expect(aborted).rejects.toThrow(AbortError);
    expect(Number.isFinite((await trainer.evaluate(data)).loss)).toBe(true);
  });

  it('an error of the caller in onEpoch or in the loss ends the run, not the trainer', async () => {
    const trainer = classifier();
    const onEpoch = (): void => {
      throw new Error('mine');
    };
    await expect(trainer.fit(data, { epochs: 2, onEpoch })).rejects.toThrow('mine');
    expect(() => trainer.fitSync(data, { epochs: 1, onEpoch })).toThrow('mine');
    let fail = true;
    const picky = classifier({
      loss: ({ x, y }, model) => {
        if (fail) throw new Error('not now');
        return loss.crossEntropy(model.forward(x), y);
      },
    });
    await expect(picky.fit(data, { steps: 1 })).rejects.toThrow('not now');
    fail = false;
    await picky.fit(data, { steps: 1 });
  });
});

describe('epochs across calls', () => {
  it('an epoch that ended with the last call is not counted again', async () => {
    const ends: number[] = [];
    const trainer = classifier();
    await trainer.fit(data, { steps: 13 });
    const result = await trainer.fit(data, { epochs: 1, onEpoch: ({ epoch }) => ends.push(epoch) });
    expect(result).toMatchObject({ tried: 13, stopReason: 'epochs' });
    expect(result.epochs).toHaveLength(1);
    expect(ends).toEqual([2]);
  });
});
