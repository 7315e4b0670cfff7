// young-policies.test.ts: policies whose thresholds come from earlier steps, in runs that explode in their first: held as they are made by default;
// without a bound, as published, the run ends, and the error says why and what to do.
import { expect, test } from 'vitest';
import { clip, GradclipError, nn, OptionError, ops, optim, Trainer } from '../../lib/index.ts';
import type { Tensor } from '../../lib/ir/graph.ts';
import { points } from '../train/models.ts';
import { f32, seenBy } from './kit.ts';

const young = {
  autoClip: (o: object) => clip.autoClip(10, o),
  percentile: (o: object) => clip.percentile(5, o),
  runningMean: (o: object) => clip.runningMean(1, o),
  adaClip: (o: object) => clip.adaClip(o),
  spikeSkip: (o: object) => clip.spikeSkip(o),
};
/** Nothing bounds their thresholds in the beginning. */
const published = (name: keyof typeof young): object => (name === 'spikeSkip' ? { absolute: Infinity } : { warmup: 0 });
const names = Object.keys(young) as (keyof typeof young)[];

/** Quartic: an update that is too long takes it where no f32 is. */
class Steep extends nn.Module {
  readonly p = new nn.Parameter([4], nn.init.constant(3));
  forward(x: Tensor): Tensor {
    return ops.add(ops.mul(ops.sum(ops.pow(this.p, 8), { dtype: 'f64' }), 1), ops.mul(ops.sum(x, { dtype: 'f64' }), 0));
  }
}
const run = async (policy: clip.ClipPolicy, steps = 40) => {
  const warnings: string[] = [];
  const logger = ({ message }: { message: string }): void => void warnings.push(message);
  const trainer = new Trainer({
    model: new Steep(),
    loss: ({ x }, m) => m.forward(x),
    optimizer: optim.sgd({ lr: 100 }),
    clip: policy,
    logger,
  });
  const ended = await trainer.fit(points(64), { steps }).then(
    (result) => result,
    (error: unknown) => error as GradclipError,
  );
  return { ended, warnings, step: trainer.counters.step };
};

test.each(names)('%s without a bound: the run is dead after one update, and told', async (name) => {
  const { ended, warnings, step } = await run(young[name](published(name)));
  expect(step).toBe(1);
  expect(ended).toBeInstanceOf(GradclipError);
  const advice = `; the clip policy had one step to make a threshold of: option max of clip.${name} bounds it from the first step on`;
  expect((ended as GradclipError).message).toContain(advice);
  expect(warnings[0]).toContain(advice);
});

test.each<[string, clip.ClipPolicy]>([
  ...names.map((name): [string, clip.ClipPolicy] => [name, young[name]({})]),
  ['zclip', clip.zclip()],
  ['adaGc', clip.adaGc()],
  ['chain', clip.chain(clip.globalNorm(1e-3), clip.autoClip())],
])('%s has a bound, and nothing is said of one', async (_, policy) => {
  expect((await run(policy)).warnings.join()).not.toContain('to make a threshold of');
});

test.each(names.filter((n) => n !== 'spikeSkip'))('%s with option max: held from the first step on', async (name) => {
  const { ended, warnings } = await run(young[name]({ ...published(name), max: 1e-3 }));
  expect(ended).toMatchObject({ stopReason: 'steps', applied: 40, skipped: 0 });
  expect(warnings).toEqual([]);
});

test.each(names)('%s with a warm-up: held from the first step on', async (name) => {
  const { ended, warnings } = await run(young[name]({ absolute: 1e-3 }));
  expect(ended).toMatchObject({ stopReason: 'steps', applied: 40, skipped: 0 });
  expect(warnings).toEqual([]);
});

test('max bounds what the policy found, and no more', () => {
  const g = [f32(3, 4), f32(0, 12)];
  expect(seenBy(clip.autoClip(100, { warmup: 0, max: 6.5 }), g).seen[0]).toEqual(f32(1.5, 2));
  expect(seenBy(clip.autoClip(100, { warmup: 0, max: 14 }), g).seen).toEqual(g);
  expect(seenBy(clip.percentile(50, { warmup: 0, max: 6 }), g).seen).toEqual([f32(3, 4), f32(0, 6)]);
  expect(seenBy(clip.runningMean(1, { warmup: 0, max: 6.5 }), g).seen[1]).toEqual(f32(0, 6));
  expect(seenBy(clip.runningMean(0.1, { warmup: 0, max: 6.5 }), g).seen[1]![1]).toBeCloseTo(1.2, 6);
  expect(seenBy(clip.adaClip({ warmup: 0, max: 3 }), g).seen).toEqual([f32(3, 3), f32(0, 3)]);
  const skipped = [6.5, 13.5].map((max) => seenBy(clip.spikeSkip({ absolute: Infinity, max }), g).report.skipped);
  expect(skipped).toEqual([true, false]);
  expect(seenBy(clip.spikeSkip({ absolute: Infinity, max: 6.5 }), g).report.threshold).toBe(6.5);
  expect(seenBy(clip.spikeSkip({ mode: 'ema', max: 6.5 }), g).report.skipped).toBe(true);
  for (const name of names)
    for (const option of ['max', 'absolute'])
      for (const value of [0, -1, Number.NaN, '1']) expect(() => young[name]({ [option]: value })).toThrow(OptionError);
});

test('the warm-up bounds thresholds, and is let go by 2 % a step', () => {
  const steps = (policy: clip.ClipPolicy): number[] => {
    const bound = optim.sgd({ lr: 0 }).bind([f32(0, 0)], { clip: policy });
    const norms = Array.from({ length: 6 }, () => bound.step([f32(30, 40)]).normAfter);
    bound.dispose();
    return norms;
  };
  const wanted = [2, 2, 2, 2 * 1.02, 2 * 1.02 ** 2, 2 * 1.02 ** 3];
  for (const [i, n] of steps(clip.autoClip(10, { warmup: 2, absolute: 2 })).entries()) expect(n).toBeCloseTo(wanted[i]!, 9);
  for (const [i, n] of steps(clip.percentile(10, { warmup: 2, absolute: 2 })).entries()) expect(n).toBeCloseTo(wanted[i]!, 9);
  // Means follow the bound from below.
  for (const [i, n] of steps(clip.runningMean(2, { warmup: 2, absolute: 2 })).entries()) expect(n).toBeCloseTo(wanted[i]!, 9);
  expect(steps(clip.spikeSkip({ warmup: 2, absolute: 2, window: 8 }))[2]).toBeCloseTo(2, 9);
  expect(steps(clip.zclip({ warmup: 2, absolute: 2, max: Infinity })).slice(0, 3)).toEqual([2, 2, 50]);
});
