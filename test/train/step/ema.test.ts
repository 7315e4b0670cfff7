// ema.test.ts: averages of the weights against torch.optim.swa_utils, and what a trainer does with them.
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { clip, OptionError, optim, type TrainerOptions } from '../../../lib/index.ts';
import { bits, classifier, type MLP, points } from '../models.ts';

const N = 37;
const golden = JSON.parse(readFileSync(new URL('../../golden/optim/ema.json', import.meta.url), 'utf8')) as Record<
  string,
  (number[] | null)[]
>;
const options: Readonly<Record<string, optim.EMAOptions>> = {
  ema: { decay: 0.9 },
  low: { decay: () => 0.25 },
  late: { decay: 0.75, start: 3, every: 2 },
  mean: { decay: 'mean', start: 2, every: 3 },
};
const gradient = (t: number): Float32Array => Float32Array.from({ length: N }, (_, i) => (((i * 7 + t * 5) % 33) - 16) / 16);
const first = (): Float32Array => Float32Array.from({ length: N }, (_, i) => i / 8 - 2);

test.each(Object.keys(golden))('an optimizer by itself: %s as in PyTorch', (name) => {
  const start = first();
  const bound = optim.sgd({ lr: 0.5 }).bind({ w: start }, { ema: options[name]!, clip: clip.globalNorm(1e9) });
  for (const [t, want] of golden[name]!.entries()) {
    bound.step({ w: gradient(t) });
    const { w } = bound.average();
    for (const [i, x] of (want ?? first()).entries())
      expect(Math.abs(w![i]! - x), `step ${t}`).toBeLessThan(2e-7 * Math.max(1, Math.abs(x)));
    // A step that is skipped leaves it alone.
    expect(bound.step({ w: new Float32Array(N).fill(Number.NaN) }).skipped).toBe(true);
    expect(bound.average().w).toEqual(w);
  }
});

test.each<[string, optim.EMAOptions, (update: number) => number]>([
  ['a decay', { decay: 0.9, start: 'weights' }, () => 0.9],
  ['mean', { decay: 'mean', start: 'weights' }, (n) => n / (n + 1)],
  ['every second update', { decay: 0.5, start: 'weights', every: 2 }, (n) => (n % 2 === 1 ? 0.5 : 1)],
])('from the first weights: %s, beside plain loops', (_name, ema, keeps) => {
  const bound = optim.sgd({ lr: 0.5 }).bind({ w: first() }, { ema });
  const weights = Float64Array.from(first());
  const average = weights.slice();
  for (let t = 0; t < 7; t++) {
    bound.step({ w: gradient(t) });
    const kept = keeps(t + 1);
    for (const [i, g] of gradient(t).entries()) {
      weights[i]! -= 0.5 * g;
      average[i] = kept * average[i]! + (1 - kept) * weights[i]!;
    }
    for (const [i, x] of bound.average().w!.entries()) expect(Math.abs(x - average[i]!)).toBeLessThan(2e-6);
  }
});

test('the state of an optimizer by itself has it', () => {
  const make = () => optim.adamw({ lr: 0.1 }).bind([first(), first()], { ema: { decay: 0.5 } });
  const one = make();
  for (let t = 0; t < 3; t++) one.step([gradient(t), gradient(t + 1)]);
  const two = make();
  two.load(one.state());
  expect(two.average()).toEqual(one.average());
  expect(Object.keys(one.average())).toEqual(['0', '1']);
  expect(() => optim.sgd().bind([first()]).average()).toThrow(OptionError);
});

describe('a trainer', () => {
  const data = points(100);
  const folder = mkdtempSync(join(tmpdir(), 'gradclip-'));
  const trainer = (more: Partial<TrainerOptions<MLP>> = {}) => classifier({ rate: 0.2, ema: { decay: 0.9 }, ...more });
  const average = (t: ReturnType<typeof trainer>) => bits(t, { weights: 'ema' });

  test('the same bits on any number of threads, async or not, resumed or not; training does not see it', async () => {
    const reference = trainer({ threads: 1 });
    await reference.fit(data, { steps: 60 });
    const without = classifier({ rate: 0.2 });
    await without.fit(data, { steps: 60 });
    expect(await bits(reference)).toBe(await bits(without));
    expect(await average(reference)).not.toBe(await bits(reference));
    const other = trainer({ threads: 3 });
    other.fitSync(data, { steps: 60, chunkSteps: 7 });
    expect(await average(other)).toBe(await average(reference));
    const half = trainer();
    await half.fit(data, { steps: 30 });
    const file = join(folder, 'half.safetensors');
    await half.save(file);
    const resumed = trainer();
    expect(await resumed.load(file)).toEqual({ missing: [], extra: [] });
    await resumed.fit(data, { steps: 30 });
    expect(await average(resumed)).toBe(await average(reference));
  });

  test('evaluates, predicts, reads and saves with it', async () => {
    const one = trainer();
    await one.fit(data, { steps: 40 });
    const file = join(folder, 'average.safetensors');
    await one.save(file, { weightsOnly: true, weights: 'ema' });
    const two = classifier();
    await two.load(file);
    expect(await bits(two)).toBe(await average(one));
    expect(await one.evaluate(data, { weights: 'ema' })).toEqual(await two.evaluate(data));
    expect(one.evaluateSync(data, { weights: 'ema' })).not.toEqual(await one.evaluate(data));
    expect(await one.predict(data.x, { weights: 'ema' })).toEqual(await two.predict(data.x));
    expect(one.predictSync(data.x)).not.toEqual(two.predictSync(data.x));
    // Weights alone: the average begins with them.
    const three = trainer();
    await three.load(file);
    expect(await average(three)).toBe(await average(one));
  });

  test('follows from the weights, and leaves frozen ones and skipped steps alone', async () => {
    const seen: Float32Array[] = [];
    const frozen = trainer({ optimizer: optim.sgd({ lr: 0.1 }) });
    frozen.model.setRequiresGrad('fc1.*', false);
    const one = trainer({ model: frozen.model, optimizer: optim.sgd({ lr: 0.1 }) });
    for (let t = 0; t < 12; t++) {
      await one.fit(data, { steps: 1 });
      seen.push((await one.readParameters()).get('fc2.weight')!.data as Float32Array);
    }
    const want = Float64Array.from(seen[0]!);
    for (const now of seen.slice(1)) for (const [i, v] of now.entries()) want[i] = 0.9 * want[i]! + 0.1 * v;
    const got = await one.readParameters({ weights: 'ema' });
    for (const [i, v] of (got.get('fc2.weight')!.data as Float32Array).entries())
      expect(Math.abs(v - want[i]!)).toBeLessThan(1e-6);
    expect(got.get('fc1.weight')).toEqual((await one.readParameters()).get('fc1.weight'));
    const bad = points(8);
    bad.x.data.fill(Number.NaN);
    const before = await average(one);
    expect((await one.fit(bad, { steps: 1 })).skipped).toBe(1);
    expect(await average(one)).toBe(before);
  });

  test('validation and the best weights may be those of the average', async () => {
    const validation = points(64, 6, 9);
    const one = trainer({ optimizer: optim.sgd({ lr: 30 }), clip: clip.none() });
    const fit = { epochs: 50, validation, validateWeights: 'ema', earlyStop: { patience: 2 } } as const;
    const { stopReason, best } = await one.fit(data, fit);
    expect(stopReason).toBe('earlyStop');
    expect(await one.evaluate(validation, { weights: 'ema' })).toEqual(best);
  });

  test('wrong options', async () => {
    expect(() => trainer({ ema: { decay: 1.5 } })).toThrow(/option ema.decay: expected a finite number >= 0 and <= 1, got 1.5/);
    expect(() => trainer({ ema: { decay: 'average' as never } })).toThrow(/or "mean", got "average"/);
    expect(() => trainer({ ema: { dacay: 1 } as object })).toThrow(/did you mean decay/);
    expect(() => classifier().predictSync(data.x, { weights: 'ema' })).toThrow(/needs the trainer's option ema/);
    expect(() => classifier().fitSync(data, { steps: 1, validateWeights: 'ema' })).toThrow(OptionError);
    expect(() => trainer().evaluateSync(data, { weights: 'swa' as never })).toThrow(/expected one of model, ema/);
    await expect(trainer().save(join(folder, 'x'), { weights: 'ema' })).rejects.toThrow(/goes with weightsOnly/);
  });
});
