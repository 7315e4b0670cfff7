// kept.test.ts: what is kept of those who follow a run: for which weights it holds, in which files, and who is told when of what was undone.
import fs, { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Arrays, CheckpointError, DataError, guard, io, optim, type Trainer } from '../../../lib/index.ts';
import { bits, classifier, type MLP, points } from '../models.ts';

const folder = mkdtempSync(join(tmpdir(), 'kept-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const file = (): string => join(folder, `${files++}.safetensors`);

const data = points(56);
const validation = points(24);
/** Seven steps an epoch. */
const make = (more: object = {}): Trainer<MLP> => classifier({ batchSize: 8, optimizer: optim.adamw({ lr: 0.05 }), ...more });

/** Save, and load in another trainer. */
async function moved(trainer: Trainer<MLP>): Promise<Trainer<MLP>> {
  const path = file();
  await trainer.save(path);
  const next = make();
  await next.load(path);
  return next;
}

describe('best weights', () => {
  const options = { steps: 10, validation, earlyStop: { patience: 50 } };
  const set = (trainer: Trainer<MLP>): void => {
    trainer.model.fc1.weight.data.forEach((_, i, all) => {
      (all as Float32Array)[i] = 0.01 * (i % 7);
    });
  };

  it.each(['before the save', 'after the load'])('are not put in place of weights that were set, %s', async (when) => {
    const [stays, goes] = [make(), make()];
    for (const trainer of [stays, goes]) await trainer.fit(data, options);
    if (when === 'before the save') set(goes);
    const gone = await moved(goes);
    if (when === 'after the load') set(gone);
    set(stays);
    const results = [await stays.fit(data, options), await gone.fit(data, options)];
    expect(results[1]!.best).toEqual(results[0]!.best);
    expect(await bits(gone)).toBe(await bits(stays));
  });

  it('of a run that has ended are those of one that goes on with more patience, and finds no better ones', async () => {
    const checkpoint = { file: file() };
    const rates = (before: number, then: number) => ({ optimizer: optim.sgd({ lr: (step) => (step < 14 ? before : then) }) });
    const run = (patience: number) => ({ epochs: 30, validation, earlyStop: { patience }, checkpoint });
    const one = make(rates(0.1, 100));
    const first = await one.fit(data, run(2));
    expect(first.stopReason).toBe('earlyStop');
    const two = make(rates(0.1, 100));
    const second = await two.fit(data, { ...run(4), resume: 'auto' });
    expect(second).toMatchObject({ stopReason: 'earlyStop', tried: 14, best: first.best });
    expect(await bits(two)).toBe(await bits(one));
  });

  it('of the averages are none of the weights', async () => {
    const trainer = make({ ema: { decay: 0.99 } });
    const averages = { ...options, validateWeights: 'ema' } as const;
    const { best } = await trainer.fit(data, options);
    const other = await trainer.fit(data, { ...averages, steps: 7 });
    expect(best!.loss).toBeLessThan(other.epochs[0]!.validation!.loss);
    expect(other.best).toEqual(other.epochs[0]!.validation);
  });
});

describe('a step that a guard has undone', () => {
  const bad = { ...data, x: { ...data.x, data: data.x.data.slice().fill(1e4, 48, 96) } };
  const undoing = (limit: number) =>
    make({ guards: [guard.loss({ max: 5, action: 'rollback' })], rollback: { every: 2, limit } });

  it('is told before the next one begins, which waits for that', async () => {
    const told: string[] = [];
    const follow = {
      onSteps: (steps: { length: number }) => void told.push(`${steps.length} steps`),
      async onGuard(): Promise<void> {
        told.push('guard');
        await new Promise((resolve) => setTimeout(resolve, 5));
        told.push('waited');
      },
    };
    await undoing(9).fit(bad, { steps: 7, chunkSteps: 1, shuffle: false, callbacks: [follow] });
    expect(told).toEqual(['1 steps', 'guard', 'waited', ...Array(5).fill('1 steps')]);
  });

  it.each(['fit', 'fitSync'] as const)('ends the run there where that fails, and counts: %s', async (fit) => {
    const trainer = undoing(9);
    const onGuard = (): never => {
      throw new Error('mine');
    };
    await expect((async () => trainer[fit](bad, { shuffle: false, callbacks: [{ onGuard }] }))()).rejects.toThrow('mine');
    // Of 7: one was trained on, one undone.
    expect((await trainer.fit(bad, { shuffle: false })).tried).toBe(5);
  });

  it('is told once, whoever saves meanwhile', async () => {
    const saved: string[] = [];
    let seen = 0;
    const count = {
      name: 'count',
      onGuard: () => void seen++,
      state: () => seen,
      restore(n: unknown) {
        seen = n as number;
      },
    };
    const trainer = undoing(9);
    const run = trainer.fit(bad, { chunkSteps: 1, shuffle: false, callbacks: [count] });
    let on = true;
    const saving = (async () => {
      while (on) {
        saved.push(file());
        await trainer.save(saved.at(-1)!);
      }
    })();
    await run;
    on = false;
    await saving;
    for (const path of saved) {
      const next = undoing(9);
      seen = 0;
      await next.load(path);
      await next.fit(bad, { chunkSteps: 1, shuffle: false, callbacks: [count] });
      const { metadata } = await io.inspectSafetensors(path);
      const { epoch } = JSON.parse(metadata['gradclip.counters']!) as { epoch: number };
      expect(seen).toBe(epoch + 1);
    }
  });
});

it('a run that steps and epochs end at once ends by steps, gone on with or not', async () => {
  const options = { steps: 14, epochs: 2, validation, checkpoint: file() };
  expect(await make().fit(data, options)).toMatchObject({ stopReason: 'steps', tried: 14 });
  expect(await make().fit(data, { ...options, resume: 'auto' })).toMatchObject({ stopReason: 'steps', tried: 0 });
});

it('steps of a run without validations are followed by none in the next one', async () => {
  const told: string[] = [];
  const trainer = make();
  await trainer.fit(data, { steps: 12 });
  const follow = {
    onSteps: (s: { length: number }) => void told.push(`${s.length}`),
    onValidation: () => void told.push('validation'),
  };
  await trainer.fit(data, { steps: 4, chunkSteps: 4, validation, validateEvery: 4, callbacks: [follow] });
  expect(told).toEqual(['2', '2', 'validation']);
});

describe('files of checkpoints', () => {
  const step = async (path: string): Promise<number> =>
    (JSON.parse((await io.inspectSafetensors(path)).metadata['gradclip.counters']!) as { step: number }).step;
  const named = (path: string): string[] => [path, path.replace(/(?=\.safe)/, '.1'), path.replace(/(?=\.safe)/, '.2')];
  const steps = (path: string) => Promise.all(named(path).map(step));

  it('through a link: each is a file of its own', async () => {
    const [target, path] = [file(), file()];
    writeFileSync(target, '');
    symlinkSync(target, path);
    await make().fit(data, { steps: 6, checkpoint: { file: path, every: { steps: 2 }, keep: 3 } });
    expect(await steps(path)).toEqual([6, 4, 2]);
    expect(await step(target)).toBe(6);
  });

  it('stay where a run that goes on has nothing to do, or is told to end before it has done anything', async () => {
    const path = file();
    const checkpoint = { file: path, every: { steps: 2 }, keep: 3 };
    await make().fit(data, { steps: 6, checkpoint });
    for (const options of [{ steps: 6 }, { steps: 9, signal: AbortSignal.abort() }]) {
      await make()
        .fit(data, { ...options, checkpoint, resume: 'auto' })
        .catch((error) => expect(String(error)).toContain('aborted'));
      expect(await steps(path)).toEqual([6, 4, 2]);
    }
    // Where there is none, there is one then.
    const other = file();
    await make().fit(data, { steps: 6, checkpoint: other, resume: path });
    expect(await step(other)).toBe(6);
  });

  it('on a slow disk: a run that is told to end writes its last one, and not the one that was due as well', async () => {
    const { fsync } = fs;
    const path = file();
    let goOn!: () => void;
    const slow = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    let flushed = 0;
    // Each checkpoint flushes its file and the folder: the second one waits.
    fs.fsync = ((fd, done) => {
      void (++flushed === 3 ? slow : Promise.resolve()).then(() => fsync(fd, done));
    }) as typeof fsync;
    syncBuiltinESMExports();
    let told = 0;
    const stop = (_: unknown, run: { stop(): void }): void => {
      if (++told < 3) return;
      // The third one is due by then.
      setImmediate(() => {
        run.stop();
        goOn();
      });
    };
    try {
      const checkpoint = { file: path, every: { steps: 1 }, keep: 3 };
      expect(await make().fit(data, { steps: 30, chunkSteps: 1, checkpoint, callbacks: [{ onSteps: stop }] })).toMatchObject({
        tried: 3,
      });
    } finally {
      fs.fsync = fsync;
      syncBuiltinESMExports();
    }
    expect(await steps(path)).toEqual([3, 2, 1]);
  });

  it('that cannot be written are told before the first step', async () => {
    let seen = 0;
    const onSteps = (): void => void seen++;
    await expect(make().fit(data, { checkpoint: join(folder, 'none', 'a'), callbacks: [{ onSteps }] })).rejects.toThrow(
      DataError,
    );
    await expect(make().fit(data, { checkpoint: folder, callbacks: [{ onSteps }] })).rejects.toThrow('folder');
    expect(seen).toBe(0);
    const metadata = { 'gradclip.seed': '1' };
    const text = 'Trainer.fit: option checkpoint.metadata.gradclip.seed: names that start with gradclip. are taken';
    expect(() => make().fit(data, { checkpoint: { file: file(), metadata } })).toThrow(text);
    await expect(make().save(file(), { metadata })).rejects.toThrow('Trainer.save: option metadata.gradclip.seed');
  });

  it('of weights alone are none to go on from', async () => {
    const path = file();
    await make().save(path, { weightsOnly: true });
    await expect(make().fit(data, { checkpoint: path, resume: 'auto' })).rejects.toThrow(CheckpointError);
    expect((await io.inspectSafetensors(path)).metadata).not.toHaveProperty('gradclip.counters');
    expect(existsSync(path.replace('.safe', '.1.safe'))).toBe(false);
  });
});

it('an iterator that several fits go on with gives no batch that none of them trains on', () => {
  const { x, y } = data;
  let given = 0;
  const iterator: IterableIterator<Arrays> = {
    next() {
      const k = given++ % 7;
      const batch = { x: { data: x.data.slice(48 * k, 48 * k + 48), shape: [8, 6] }, y: y.slice(8 * k, 8 * k + 8) };
      return { done: false, value: batch };
    },
    [Symbol.iterator]: () => iterator,
  };
  const [parts, whole] = [make(), make()];
  for (let k = 0; k < 5; k++) parts.fitSync(iterator, { steps: 1 });
  expect(given).toBe(5);
  given = 0;
  whole.fitSync(iterator, { steps: 5 });
  expect(parts.counters).toEqual(whole.counters);
});

it.each(['fit', 'fitSync'] as const)(
  'a source that fails within a step leaves the steps before, and no part of that one: %s',
  async (fit) => {
    const { x, y } = data;
    const batches = Array.from({ length: 7 }, (_, k) => ({
      x: { data: x.data.slice(48 * k, 48 * k + 48), shape: [8, 6] },
      y: y.slice(8 * k, 8 * k + 8),
    }));
    const whole = make({ accumulate: 2 });
    whole.fitSync(batches, { epochs: 2 });
    for (const at of [1, 3, 6]) {
      let fails = true;
      const failing = function* (): Generator<Arrays> {
        for (const [k, batch] of batches.entries()) {
          if (k === at && fails) throw new Error('mine');
          yield batch;
        }
      };
      const trainer = make({ accumulate: 2 });
      await expect((async () => trainer[fit](failing, { epochs: 2 }))()).rejects.toThrow('mine');
      expect(trainer.counters.step).toBe(Math.floor(at / 2));
      fails = false;
      await trainer[fit](failing, { epochs: 2 });
      expect(trainer.counters).toEqual(whole.counters);
      expect(await bits(trainer)).toBe(await bits(whole));
    }
  },
);
