// follow.test.ts: what follows a run: callbacks, the ends of epochs, early stop and its best weights, checkpoints that a run writes by itself; each the same
// whether a run was interrupted or not.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  type Callback,
  CheckpointError,
  DataError,
  type EpochEnd,
  io,
  OptionError,
  optim,
  type Trainer,
} from '../../../lib/index.ts';
import { bits, classifier, type MLP, points } from '../models.ts';

const folder = mkdtempSync(join(tmpdir(), 'follow-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const file = (): string => join(folder, `${files++}.safetensors`);

/** The same kind of rows, other ones. */
function others(n: number, k: number): ReturnType<typeof points> {
  const { x, y } = points(n);
  return { x: { ...x, data: x.data.map((v) => v * (1 + 0.1 * k)) }, y };
}

const data = points(56);
const validation = points(24);
/** Seven steps an epoch. */
const make = (more: object = {}): Trainer<MLP> => classifier({ batchSize: 8, optimizer: optim.adamw({ lr: 0.05 }), ...more });

/** Save, and go on in another trainer. */
async function moved(trainer: Trainer<MLP>, more: object = {}): Promise<Trainer<MLP>> {
  const path = file();
  await trainer.save(path);
  trainer.dispose();
  const next = make(more);
  await next.load(path);
  return next;
}

describe('epochs that end where a run ends', () => {
  it('are validated and told once', async () => {
    const ends: EpochEnd[] = [];
    const plateau = { plateau: { factor: 0.5, patience: 0, threshold: 1e9 } };
    const one = make(plateau);
    await one.fit(data, { steps: 28, validation, onEpoch: (end) => ends.push(end) });
    expect(ends.map(({ epoch, steps }) => [epoch, steps])).toEqual([1, 2, 3, 4].map((epoch) => [epoch, 7]));
    for (const through of [moved, async (trainer: Trainer<MLP>) => trainer]) {
      const told: EpochEnd[] = [];
      let other = make(plateau);
      for (const steps of [7, 7, 3, 4, 7]) {
        other = await through(other, plateau);
        await other.fit(data, { steps, validation, onEpoch: (end) => told.push(end) });
      }
      expect(told).toEqual(ends);
      expect(other.rateFactor).toBe(one.rateFactor);
      expect(await bits(other)).toBe(await bits(one));
    }
  });

  it('of streams, which are told where to begin, or give once more what was drawn', async () => {
    const batches = Array.from({ length: 7 }, (_, i) => others(8, i));
    const places: unknown[] = [];
    const streams = {
      told: ({ epoch, batch }: { epoch: number; batch: number }) => {
        places.push([epoch, batch]);
        return batches.slice(batch);
      },
      again: () => batches.values(),
      async: async function* () {
        yield* batches;
      },
      list: batches,
    };
    const reference = make();
    await reference.fit(batches, { epochs: 2 });
    for (const [name, stream] of Object.entries(streams)) {
      const ends: number[] = [];
      let trainer = make();
      for (const steps of [3, 4, 6, 1]) {
        await trainer.fit(stream, { steps, onEpoch: ({ epoch }) => ends.push(epoch) });
        trainer = await moved(trainer);
      }
      expect(ends, name).toEqual([1, 2]);
      expect(await bits(trainer), name).toBe(await bits(reference));
    }
    expect(places).toEqual([
      [0, 0],
      [0, 3],
      [1, 0],
      [1, 6],
    ]);
  });
});

describe('early stop', () => {
  const earlyStop = { patience: 3, minDelta: 1e9 };

  it('counts on in another fit, and the best weights of before are not gone', async () => {
    const one = make();
    const { stopReason, epochs, best } = await one.fit(data, { epochs: 20, validation, earlyStop });
    expect([stopReason, epochs.length]).toEqual(['earlyStop', 4]);
    for (const through of [moved, async (trainer: Trainer<MLP>) => trainer]) {
      let other = make();
      let last = await other.fit(data, { steps: 9, validation, earlyStop });
      while (last.stopReason === 'steps') {
        other = await through(other);
        last = await other.fit(data, { steps: 9, validation, earlyStop });
      }
      expect(last).toMatchObject({ stopReason: 'earlyStop', best });
      expect(other.counters).toEqual(one.counters);
      expect(await bits(other)).toBe(await bits(one));
    }
    // It has ended a run: the next one begins afresh.
    expect((await one.fit(data, { epochs: 2, validation, earlyStop })).stopReason).toBe('epochs');
  });

  it('begins afresh with other validation rows, and with weights that were changed', async () => {
    for (const change of ['rows', 'weights'] as const) {
      const trainer = make();
      await trainer.fit(data, { epochs: 3, validation, earlyStop });
      if (change === 'weights') trainer.model.parameters()[0]!.data[0] = 0.5;
      const rows = change === 'rows' ? others(24, 5) : validation;
      const { stopReason, epochs } = await trainer.fit(data, { epochs: 3, validation: rows, earlyStop });
      expect([change, stopReason, epochs.length]).toEqual([change, 'epochs', 3]);
    }
  });

  it('gives the best weights back after an abort too', async () => {
    const one = make();
    await one.fit(data, { epochs: 1 });
    const controller = new AbortController();
    const two = make();
    const onEpoch = ({ epoch }: EpochEnd): void => {
      if (epoch === 3) controller.abort();
    };
    await expect(two.fit(data, { epochs: 9, validation, earlyStop, signal: controller.signal, onEpoch })).rejects.toThrow(
      'aborted',
    );
    expect(await bits(two)).toBe(await bits(one));
  });
});

describe('callbacks', () => {
  const counting = () => {
    const told: string[] = [];
    let seen = 0;
    const callback: Callback = {
      name: 'counting',
      onStart: () => told.push(`start ${seen}`),
      onSteps: (steps, { counters }) => {
        seen += steps.length;
        told.push(`${[...steps].length} steps to ${counters.step}`);
      },
      onValidation: ({ loss }) => told.push(`validation ${loss > 0}`),
      onEpoch: ({ epoch }) => told.push(`epoch ${epoch}`),
      onEnd: (result, error) => told.push(`end ${result?.stopReason} ${error}`),
      state: () => ({ seen }),
      restore: (state) => {
        seen = (state as { seen: number }).seen;
      },
    };
    return { callback, told, seen: () => seen };
  };

  it('are told in order, in both kinds of fit', async () => {
    const expected = ['start 0', '7 steps to 7', 'validation true', 'epoch 1', 'end epochs null'];
    const [a, b] = [counting(), counting()];
    await make().fit(data, { validation, callbacks: [a.callback], chunkSteps: 7 });
    make().fitSync(data, { validation, callbacks: [b.callback], chunkSteps: 7 });
    expect(a.told).toEqual(expected);
    expect(b.told).toEqual(expected);
  });

  it('are told of no validation that was due before there was any', async () => {
    const trainer = make();
    await trainer.fit(data, { steps: 4 });
    const seen: number[] = [];
    const onValidation = (_: unknown, run: { counters: { step: number } }): void => void seen.push(run.counters.step);
    await trainer.fit(data, { steps: 3, validation, validateEvery: 2, callbacks: [{ onValidation }] });
    expect(seen).toEqual([6]);
  });

  it('keep their state over a stop', async () => {
    const first = counting();
    const trainer = make();
    await trainer.fit(data, { steps: 5, callbacks: [first.callback] });
    const second = counting();
    const next = await moved(trainer);
    await next.fit(data, { steps: 4, callbacks: [second.callback] });
    expect(second.told[0]).toBe('start 5');
    expect(second.seen()).toBe(9);
    // Also where a fit in between knows nothing of them.
    await next.fit(data, { steps: 1 });
    const third = counting();
    await (await moved(next)).fit(data, { steps: 1, callbacks: [third.callback] });
    expect(third.told[0]).toBe('start 9');
  });

  it('get back what they gave, whatever numbers it has', async () => {
    const state = { a: [Number.NaN, Infinity, -Infinity, -0, 1e-320], b: { c: null, d: 'x', e: [[true]] }, f: undefined };
    let back: unknown;
    const keeping = { name: 'a', onStart() {}, state: () => state, restore: (given: unknown) => (back = given) };
    const trainer = make();
    await trainer.fit(data, { steps: 1, callbacks: [keeping] });
    await (await moved(trainer)).fit(data, { steps: 1, callbacks: [keeping] });
    const { f, ...rest } = state;
    expect(back).toEqual(rest);
    expect(Object.is((back as typeof state).a[3], -0)).toBe(true);
    const deep = { of: null as unknown };
    for (let i = 0, at = deep; i < 40; i++) at = at.of = { of: null } as typeof deep;
    for (const [bad, place] of [
      [new Map(), 'state: '],
      [{ at: new Date() }, 'state.at: '],
      [[new Float32Array(2)], /state\[0\]: .*got a Float32Array/],
      [Promise.resolve(1), 'state: '],
      [{ $number: '1' }, 'got a key $number'],
      [[undefined], 'state[0]: '],
      [deep, 'levels'],
    ] as const) {
      const callbacks = [{ ...keeping, state: () => bad }];
      await expect(make().fit(data, { steps: 1, callbacks })).rejects.toThrow(place);
      await expect(make().fit(data, { steps: 1, callbacks })).rejects.toThrow(OptionError);
    }
  });

  it('are waited for, may use the trainer, and stop it', async () => {
    const trainer = make();
    const log: string[] = [];
    const path = file();
    const result = await trainer.fit(data, {
      epochs: 9,
      callbacks: [
        {
          async onEpoch({ epoch }, run) {
            await trainer.save(path);
            log.push(`${epoch} ${(await trainer.evaluate(validation)).loss > 0}`);
            if (epoch === 2) run.stop();
          },
        },
      ],
      onEpoch: async ({ epoch }) => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        log.push(`plain ${epoch}`);
      },
    });
    expect(result.stopReason).toBe('stopped');
    expect(log.toSorted()).toEqual(['1 true', '2 true', 'plain 1', 'plain 2']);
    expect((await io.inspectSafetensors(path)).metadata['gradclip.counters']).toContain('"step":14');
  });

  it('that fail end the run, and what was trained stays', async () => {
    for (const onSteps of [
      () => Promise.reject(new Error('mine')),
      () => {
        throw new Error('mine');
      },
    ]) {
      const trainer = make();
      const told: unknown[] = [];
      const other = {
        onSteps: () => told.push('steps'),
        onEnd: (_: unknown, error: unknown) => told.push((error as Error).message),
      };
      await expect(trainer.fit(data, { steps: 3, chunkSteps: 1, callbacks: [{ onSteps }, other] })).rejects.toThrow('mine');
      expect(told).toEqual(['steps', 'mine']);
      expect(trainer.counters.step).toBe(1);
      expect((await trainer.fit(data, { steps: 1 })).tried).toBe(1);
    }
    await expect(make().fit(data, { onEpoch: () => Promise.reject(new Error('later')) })).rejects.toThrow('later');
  });

  it.each<[string, object, RegExp]>([
    ['an unknown hook', [{ onEpochEnd() {} }], /callbacks\[0\]: unknown function onEpochEnd; did you mean/],
    [
      'of a class',
      [
        new (class {
          onFit() {}
          onEpoch() {}
        })(),
      ],
      /unknown function onFit/,
    ],
    ['no hook', [{}], /expected an object with one of onStart/],
    ['a function', [() => {}], /expected an object with functions such as onEpoch, got a function/],
    ['a state without a name', [{ onStart() {}, state: () => 1 }], /callbacks\[0\].name: expected a name/],
    [
      'two of a name',
      [
        { name: 'a', onStart() {} },
        { name: 'a', onEnd() {} },
      ],
      /callbacks\[1\].name: another callback has the name/,
    ],
    ['no list', { onStart() {} }, /option callbacks: expected a list/],
  ])('refuse %s', async (_, callbacks, message) => {
    expect(() => make().fit(data, { callbacks: callbacks as never })).toThrow(message);
    expect(() => make().fit(data, { callbacks: callbacks as never })).toThrow(OptionError);
  });

  it('that wait are refused where nothing can', () => {
    const callbacks = [{ async onEpoch() {} }];
    expect(() => make().fitSync(data, { callbacks })).toThrow('fitSync: callbacks[0] gave a promise: what waits needs fit');
    const state = [{ name: 'a', onStart() {}, state: () => 1n }];
    expect(() => make().fitSync(data, { callbacks: state })).toThrow(/callbacks\[0\]: state: expected numbers, texts/);
  });
});

describe('checkpoints by themselves', () => {
  const numbers = async (path: string) =>
    JSON.parse((await io.inspectSafetensors(path)).metadata['gradclip.counters']!) as { step: number };

  it('every so many steps, the last ones kept, and one at the end', async () => {
    const path = file();
    const steps: number[] = [];
    const trainer = make();
    const checkpoint = { file: path, every: { steps: 3 }, keep: 3, metadata: { run: 'a' } };
    await trainer.fit(data, { steps: 10, checkpoint, callbacks: [{ onSteps: (s) => steps.push(s.length) }] });
    // Chunks end where a checkpoint is due.
    expect(steps.every((n) => n <= 3)).toBe(true);
    const names = [path, path.replace('.safetensors', '.1.safetensors'), path.replace('.safetensors', '.2.safetensors')];
    expect(await Promise.all(names.map(async (name) => (await numbers(name)).step))).toEqual([10, 9, 6]);
    expect((await io.inspectSafetensors(path)).metadata.run).toBe('a');
    expect(readdirSync(folder).filter((name) => name.includes('.tmp'))).toEqual([]);
    const other = make();
    await other.load(path);
    expect(await bits(other)).toBe(await bits(trainer));
  });

  it('an epoch that was over when a run began is none of its own', async () => {
    const trainer = classifier({ batchSize: 8 });
    const rows = points(40);
    const stop = (_: unknown, run: { stop(): void; counters: { step: number } }): void => {
      if (run.counters.step === 5) run.stop();
    };
    await trainer.fit(rows, { epochs: 9, chunkSteps: 1, callbacks: [{ onSteps: stop }] });
    expect(trainer.counters).toMatchObject({ epoch: 0, batch: 5 });
    expect((await trainer.fit(rows, { epochs: 1 })).tried).toBe(5);
    expect(trainer.counters).toMatchObject({ step: 10, epoch: 2, batch: 0 });
  });

  it('the call that was interrupted, made again, is the run that was not', async () => {
    const options = { epochs: 3, validation, earlyStop: { patience: 9 }, validateEvery: 4 };
    const one = make();
    const whole = await one.fit(data, options);
    for (const stop of [1, 6, 7, 8, 13, 20]) {
      const checkpoint = { file: file(), every: { steps: 2 } };
      const callbacks = [
        {
          onSteps: (_: unknown, run: { stop(): void; counters: { step: number } }) =>
            void (run.counters.step >= stop && run.stop()),
        },
      ];
      await make().fit(data, { ...options, checkpoint, resume: 'auto', callbacks, chunkSteps: 1 });
      const two = make();
      const result = await two.fit(data, { ...options, checkpoint, resume: 'auto' });
      expect(result).toMatchObject({ stopReason: 'epochs', best: whole.best });
      expect(two.counters).toEqual(one.counters);
      expect(await bits(two)).toBe(await bits(one));
      // And once more: it is over.
      const three = make();
      expect(await three.fit(data, { ...options, checkpoint, resume: 'auto' })).toMatchObject({ stopReason: 'epochs', tried: 0 });
      expect(await bits(three)).toBe(await bits(one));
    }
  });

  it('a run that is ended before it did anything leaves all files as they are', async () => {
    const path = file();
    const checkpoint = { file: path, every: { steps: 2 }, keep: 2 };
    await make().fit(data, { steps: 4, checkpoint });
    const files = [path, path.replace('.safetensors', '.1.safetensors')];
    const before = files.map((name) => readFileSync(name));
    const run = make().fit(data, { steps: 9, checkpoint, resume: 'auto', signal: AbortSignal.abort() });
    await expect(run).rejects.toThrow('aborted');
    expect(files.map((name, i) => readFileSync(name).equals(before[i]!))).toEqual([true, true]);
  });

  it('one that is not whole is told, and the one before it taken', async () => {
    const path = file();
    const checkpoint = { file: path, every: { steps: 2 }, keep: 2 };
    await make().fit(data, { steps: 4, checkpoint });
    truncateSync(path, 500);
    const trainer = make();
    const { tried, warnings } = await trainer.fit(data, { steps: 6, checkpoint, resume: 'auto' });
    expect([tried, warnings.map((w) => w.code)]).toEqual([4, ['brokenCheckpoint']]);
    for (const name of [path, path.replace('.safetensors', '.1.safetensors')]) truncateSync(name, 500);
    await expect(make().fit(data, { checkpoint, resume: 'auto' })).rejects.toThrow(DataError);
    await expect(make().fit(data, { checkpoint, resume: 'auto' })).rejects.toThrow(
      /no checkpoint is whole: to begin anew, remove/,
    );
    // Nothing was written over.
    expect(readFileSync(path).length).toBe(500);
    // A name that the system does not take is no checkpoint that is not whole.
    const long = { checkpoint: join(folder, 'x'.repeat(300)), resume: 'auto' } as const;
    await expect(make().fit(data, long)).rejects.toThrow(/^(?!.*no checkpoint is whole).*x{200}/);
    const quoted = { file: join(folder, `it's "my" run\n.v1.safetensors`), every: { steps: 2 }, keep: 2 };
    await make({ threads: 8 }).fit(data, { steps: 3, checkpoint: quoted });
    expect((await make({ threads: 1 }).fit(data, { steps: 5, checkpoint: quoted, resume: 'auto' })).tried).toBe(2);
  });

  it('also where more were kept before, and wherever the process stands by then', async () => {
    const path = file();
    await make().fit(data, { steps: 6, checkpoint: { file: path, every: { steps: 2 }, keep: 3 } });
    for (const name of [path, path.replace('.safetensors', '.1.safetensors')]) truncateSync(name, 500);
    expect((await make().fit(data, { steps: 6, checkpoint: path, resume: 'auto' })).tried).toBe(4);
    const record = path.replace('.safetensors', '.1.safetensors');
    expect(() => make().fit(data, { checkpoint: { file: path, keep: 2 }, record })).toThrow('is a file of option checkpoint');
  });

  it('from a file by its name, which must be of a training', async () => {
    const [path, weights] = [file(), file()];
    const trainer = make();
    await trainer.fit(data, { steps: 5 });
    await trainer.save(path);
    await trainer.save(weights, { weightsOnly: true });
    expect((await make().fit(data, { steps: 7, resume: path })).tried).toBe(2);
    await expect(make().fit(data, { resume: weights })).rejects.toThrow(CheckpointError);
    await expect(make().fit(data, { resume: join(folder, 'none') })).rejects.toThrow('no such file');
    expect(() => make().fit(data, { resume: 'auto' })).toThrow("resume: 'auto' looks for the files of option checkpoint");
    expect(() => make().fitSync(data, { resume: path })).toThrow('fitSync: option resume');
    expect(() => make().fit(data, { checkpoint: { file: path, every: { steps: 0 } } })).toThrow('option checkpoint.every.steps');
  });

  it('an abort keeps the state, a failure does not replace it', async () => {
    const path = file();
    const controller = new AbortController();
    const abort = { onSteps: () => controller.abort() };
    const fit = make().fit(data, { checkpoint: path, signal: controller.signal, callbacks: [abort], chunkSteps: 1 });
    await expect(fit).rejects.toThrow('aborted');
    expect((await numbers(path)).step).toBe(1);
    const fail = {
      onSteps: () => {
        throw new Error('mine');
      },
    };
    await expect(make().fit(data, { checkpoint: path, steps: 5, callbacks: [fail] })).rejects.toThrow('mine');
    expect((await numbers(path)).step).toBe(1);
  });

  it('a file that cannot be written ends the run with one error', async () => {
    const nowhere = join(folder, 'no', 'a.safetensors');
    await expect(make().fit(data, { checkpoint: { file: nowhere, every: { steps: 1 } } })).rejects.toThrow(/there is no folder/);
    expect(existsSync(join(folder, 'no'))).toBe(false);
    writeFileSync(join(folder, 'text'), 'text');
    await expect(make().fit(data, { checkpoint: join(folder, 'text'), resume: 'auto' })).rejects.toThrow(DataError);
    expect(readFileSync(join(folder, 'text'), 'utf8')).toBe('text');
  });
});

it('a course that somebody has changed is one error', async () => {
  const [path, changed] = [file(), file()];
  const options = { validation, earlyStop: { patience: 9 } };
  const trainer = make();
  await trainer.fit(data, { steps: 9, ...options });
  await trainer.save(path);
  const { tensors, metadata } = await io.readSafetensors(path);
  const course = metadata['gradclip.course']!;
  const parsed = JSON.parse(course) as { kept: unknown[][] };
  const of = (name: string): number => parsed.kept.findIndex(([n]) => n === name);
  const withState = (name: string, state: unknown): string =>
    JSON.stringify({ ...parsed, kept: parsed.kept.with(of(name), parsed.kept[of(name)]!.with(2, state)) });
  const courses = ['', 'null', '[]', '{', '7', '{"tried":-1}', '{"tried":1e300}', JSON.stringify({ ...parsed, begin: null })];
  courses.push(JSON.stringify({ ...parsed, kept: [1] }), JSON.stringify({ ...parsed, kept: [['a', 'b', 0, 1]] }));
  for (const state of [null, 1, 'x', [], {}, { best: 1 }, { best: { loss: 'x' }, misses: 1, done: false }]) {
    courses.push(withState('earlyStop', state), withState('epoch', state));
  }
  for (const text of courses) {
    await io.writeSafetensors(changed, tensors, { ...metadata, 'gradclip.course': text });
    const next = make();
    const loaded = next.load(changed).then(() => next.fit(data, { steps: 1, ...options }));
    await expect(loaded, text).rejects.toThrow(CheckpointError);
  }
  await io.writeSafetensors(changed, tensors, { ...metadata, 'gradclip.course': course });
  const whole = make();
  await whole.load(changed);
  await whole.fit(data, { steps: 1, ...options });
});
