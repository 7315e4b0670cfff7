// snapshot.test.ts: all state in memory: what is refused, what it does not depend on. test/resume has every kind of state that there is.
import { describe, expect, it } from 'vitest';
import { BusyError, CheckpointError, clip, OptionError, optim, preprocess, type Snapshot } from '../../../lib/index.ts';
import { bits, classifier, MLP, points } from '../models.ts';

const data = points(40);

describe('a snapshot', () => {
  it('is restored as often as one likes, whatever became of the trainer', async () => {
    const trainer = classifier({ clip: clip.autoClip(50), ema: { decay: 0.9 }, plateau: { factor: 0.5, patience: 0 } });
    const how = { validation: data, steps: 5 } as const;
    await trainer.fit(data, how);
    const snapshot = await trainer.snapshot();
    expect(snapshot.counters).toEqual(trainer.counters);
    const [weights, averages] = [await bits(trainer), await bits(trainer, { weights: 'ema' })];
    await trainer.fit(data, how);
    const after = [await bits(trainer), await bits(trainer, { weights: 'ema' }), trainer.counters, trainer.rateFactor];
    for (let k = 0; k < 3; k++) {
      trainer.writeParametersSync({ 'fc1.bias': new Float32Array(16) });
      if (k === 1) trainer.restoreSync(snapshot);
      else await trainer.restore(snapshot);
      expect([await bits(trainer), await bits(trainer, { weights: 'ema' })]).toEqual([weights, averages]);
      expect(trainer.counters).toEqual(snapshot.counters);
      await trainer.fit(data, how);
      expect([await bits(trainer), await bits(trainer, { weights: 'ema' }), trainer.counters, trainer.rateFactor]).toEqual(after);
    }
  });

  it('is of a moment of a fit that is on, and begins another trainer there', async () => {
    const [trainer, other] = [classifier({ rate: 0.5 }), classifier({ rate: 0.5, seed: 8 })];
    const run = trainer.fit(data, { steps: 60, chunkSteps: 2 });
    expect(() => trainer.snapshotSync()).toThrow(BusyError);
    const snapshot = await trainer.snapshot();
    await expect(trainer.restore(snapshot)).rejects.toThrow(BusyError);
    expect(() => trainer.restoreSync(snapshot)).toThrow(BusyError);
    await run;
    const { step } = snapshot.counters;
    expect(step).toBeLessThan(60);
    await other.restore(snapshot);
    await other.fit(data, { steps: 60 - step });
    expect(await bits(other)).toBe(await bits(trainer));
    expect(other.counters).toEqual(trainer.counters);
  });

  it('outlives its trainer', () => {
    const [trainer, other] = [classifier(), classifier()];
    trainer.fitSync(data, { steps: 3 });
    const snapshot = trainer.snapshotSync();
    // Weights, two moments of each, and counters of the optimizer's and policy's own.
    expect(snapshot.bytes).toBeGreaterThanOrEqual(3 * 4 * (6 * 16 + 16 + 32 + 2));
    trainer.fitSync(data, { steps: 3 });
    trainer.dispose();
    other.restoreSync(snapshot);
    other.fitSync(data, { steps: 3 });
    expect(other.counters.step).toBe(6);
    expect(other.model.fc1.weight.data).toEqual(trainer.model.fc1.weight.data);
    expect(() => trainer.snapshotSync()).toThrow('the trainer was disposed');
    expect(() => trainer.restoreSync(snapshot)).toThrow('the trainer was disposed');
  });

  it('leaves options that were changed since', async () => {
    const [trainer, other] = [classifier(), classifier()];
    for (const t of [trainer, other]) await t.fit(data, { steps: 3 });
    const snapshot = trainer.snapshotSync();
    await trainer.fit(data, { steps: 3 });
    for (const t of [trainer, other]) t.change({ lr: 0.5 });
    trainer.restoreSync(snapshot);
    for (const t of [trainer, other]) await t.fit(data, { steps: 3 });
    expect(await bits(trainer)).toBe(await bits(other));
    trainer.change({ optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }) });
    expect(() => trainer.restoreSync(snapshot)).toThrow(CheckpointError);
    trainer.change({ optimizer: optim.adamw({ lr: 0.1 }), freeze: 'fc1.*' });
    expect(() => trainer.restoreSync(snapshot)).toThrow(/extra gradclip.optim.fc1.weight.exp_avg/);
  });

  it('has transforms', async () => {
    const scaled = (x: number): object =>
      preprocess.standardize().fit({ data: new Float32Array(12).map((_, i) => i * x), shape: [2, 6] });
    const [a, b] = [1, 2].map((x) => classifier({ preprocess: { x: scaled(x) as never } }));
    b!.writeParametersSync(a!);
    expect(await b!.predict(data.x)).not.toEqual(await a!.predict(data.x));
    await b!.restore(await a!.snapshot());
    expect(await b!.predict(data.x)).toEqual(await a!.predict(data.x));
    expect(b!.preprocess.x).toBe(a!.preprocess.x);
  });
});

describe('what is refused, and changes nothing', () => {
  const others: Readonly<Record<string, [() => ReturnType<typeof classifier>, RegExp]>> = {
    'another shape': [() => classifier({ model: new MLP([6, 8, 2]) }), /fc1.weight: expected f32\[16,6\], got f32\[8,6\]/],
    'another optimizer': [
      () => classifier({ optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }) }),
      /missing gradclip.optim.fc1.weight.exp_avg/,
    ],
    'another policy': [() => classifier({ clip: clip.autoClip(50) }), /extra gradclip.clip/],
    averages: [() => classifier({ ema: { decay: 0.9 } }), /extra gradclip.ema.fc1.weight/],
  };
  it.each(Object.entries(others))('%s', async (_, [make, message]) => {
    const [trainer, other] = [classifier(), make()];
    await trainer.fit(data, { steps: 3 });
    const before = await bits(trainer);
    const snapshot = await other.snapshot();
    const refused = trainer.restore(snapshot);
    await expect(refused).rejects.toThrow(CheckpointError);
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.toThrow(
      /^restore: the snapshot: .*; a snapshot is for a trainer of the model, optimizer and options/,
    );
    expect(() => trainer.restoreSync(snapshot)).toThrow(CheckpointError);
    expect(await bits(trainer)).toBe(before);
    expect(trainer.counters.step).toBe(3);
  });

  it('what is none', async () => {
    const trainer = classifier();
    const wrong = [undefined, null, trainer, { counters: trainer.counters, bytes: 4 }, trainer.snapshot()];
    for (const value of wrong as unknown as Snapshot[]) {
      await expect(trainer.restore(value)).rejects.toThrow(OptionError);
      expect(() => trainer.restoreSync(value)).toThrow(/argument snapshot: expected what snapshot\(\) gives/);
    }
    await expect(trainer.restore(trainer.snapshot() as never)).rejects.toThrow('is an await missing?');
  });

  it('while a call of another trainer of the model is on', async () => {
    const trainer = classifier();
    const second = classifier({ model: trainer.model });
    const snapshot = trainer.snapshotSync();
    const predicts = second.predict(data.x);
    await expect(trainer.restore(snapshot)).rejects.toThrow(BusyError);
    await predicts;
    await trainer.restore(snapshot);
  });
});
