// faults.test.ts: mistakes of published implementations: each formula as it was published beside ours, on what tells them apart.
import { expect, test } from 'vitest';
import * as clip from '../../lib/clip/index.ts';
import { OptionError } from '../../lib/errors.ts';
import * as optim from '../../lib/optim/index.ts';
import { f32, type Grads, norm, seenBy } from './kit.ts';

/** Norms after the policy, of one gradient after the other. */
function normsOf(policy: clip.ClipPolicy, steps: readonly Grads[]): number[] {
  const params = steps[0]!.map((g) => new Float32Array(g.length));
  const bound = optim.sgd({ lr: 1 }).bind(params, { clip: policy });
  return steps.map((g) => bound.step(g).normAfter);
}

test('AdaGC: the warm-up remembers the norm, not its square', () => {
  // Norms of 0.5 in the warm-up, then of 5.
  const warmup = 3;
  const steps = [...Array<Grads>(warmup).fill([f32(0.3, 0.4)]), [f32(3, 4)]];
  const after = normsOf(clip.adaGc({ warmup }), steps).at(-1)!;
  const squared = 1.04 * 0.5 ** 2;
  expect(after).toBeCloseTo(1.04 * 0.5, 6);
  expect(Math.abs(after - squared)).toBeGreaterThan(0.2);
});

test('AdaClip: corrected by the steps that its own mean has seen', () => {
  const decay = 0.999;
  const steps = Array.from({ length: 30 }, (_, t): Grads => [f32(t === 29 ? 50 : 1, 0.5)]);
  const after = normsOf(clip.adaClip({ decay, warmup: 0, cap: Infinity }), steps).at(-1)!;
  let m = 0;
  for (let t = 1; t <= 30; t++) m = decay * m + (1 - decay) * (t === 30 ? 50 : 1);
  const limit = m / (1 - decay ** 30);
  expect(after).toBeCloseTo(Math.hypot(limit, 0.5), 4);
  // A counter that began anew with the moments, when this mean did not: the limit is 30 times too high, and cuts nothing.
  const shared = (count: number): number => m / (1 - decay ** count);
  expect(shared(1)).toBeGreaterThan(50);
  expect(Math.hypot(Math.min(50, shared(1)), 0.5)).toBeGreaterThan(10 * after);
});

test('the norm of a million elements is summed in f64', () => {
  const n = 1_000_000;
  const g = new Float32Array(n).fill(0.1);
  const exact = Math.fround(0.1) * Math.sqrt(n);
  let sum = 0;
  for (const v of g) sum = Math.fround(sum + Math.fround(v * v));
  const { report } = seenBy(clip.globalNorm(1), [g]);
  expect(Math.abs(report.norm / exact - 1)).toBeLessThan(1e-12);
  expect(Math.abs(Math.sqrt(sum) / exact - 1)).toBeGreaterThan(1e-5);
});

test('squares that f32 does not hold: neither a norm of infinity nor one of 0', () => {
  for (const size of [1e30, 1e-30]) {
    const g = [f32(3 * size, 4 * size)];
    const { seen, report } = seenBy(clip.globalNorm(size), g);
    const single = g[0]!.reduce((s, v) => Math.fround(s + Math.fround(v * v)), 0);
    expect([0, Infinity]).toContain(single);
    expect(report.norm / norm(g)).toBeCloseTo(1, 12);
    expect(seen[0]![0]! / (0.6 * size)).toBeCloseTo(1, 6);
  }
});

// [make, what the published code remembers after a NaN]: NaN, with which no comparison is true, so that nothing is clipped any more.
test.each([
  ['zclip', () => clip.zclip({ warmup: 3, max: Infinity }), (xs: number[]) => xs.reduce((m, x) => 0.97 * m + 0.03 * x)],
  ['autoClip', () => clip.autoClip(50), (xs: number[]) => xs.reduce((s, x) => s + x, 0)],
  ['runningMean', () => clip.runningMean(), (xs: number[]) => xs.reduce((s, x) => s + x, 0)],
  ['percentile', () => clip.percentile(50), (xs: number[]) => Math.max(...xs)],
  ['adaClip', () => clip.adaClip({ decay: 0.5 }), (xs: number[]) => xs.reduce((m, x) => 0.5 * m + 0.5 * x)],
  ['adaGn', () => clip.adaGn(), (xs: number[]) => xs.reduce((m, x) => 0.7 * m + 0.3 * x)],
  ['quantile', () => clip.quantile({ initial: 2 }), (xs: number[]) => Math.exp(xs.reduce((s, x) => s + x, 0))],
] as const)('%s: one NaN does not end clipping for good', (_, make, published) => {
  const usual: Grads[] = Array.from({ length: 8 }, (_, t) => [f32(1 + 0.1 * (t % 3), 0.5)]);
  const spike: Grads = [f32(300, 400)];
  const steps = [...usual, [f32(NaN, 1)], ...usual, spike];
  expect(published(steps.map((g) => g[0]!.reduce((s, v) => s + v, 0)))).toBeNaN();
  const after = normsOf(make(), steps);
  expect(after[8]).toBe(0);
  expect(after.at(-1)).toBeGreaterThan(0);
  expect(after.at(-1)).toBeLessThan(300);
  // As if there had been none.
  expect(after.at(-1)).toBe(normsOf(make(), [...usual, ...usual, spike]).at(-1));
});

test('what RMSprop remembers is the clipped gradient', () => {
  const p = [f32(0)];
  const bound = optim.rmsprop({ lr: 0.01, alpha: 0.9 }).bind(p, { clip: clip.value(1) });
  bound.step([f32(100)]);
  const cache = Object.entries(bound.state().tensors).find(([name]) => name.startsWith('optim.'))![1][0]!;
  expect(cache).toBeCloseTo(0.1, 6);
  const unclipped = 0.1 * 100 ** 2;
  expect(unclipped / cache).toBeGreaterThan(1e3);
  expect(p[0]![0]).toBeCloseTo(-0.01 / Math.sqrt(0.1), 4);
});

test('a gradient of 0 and a threshold of 0: no NaN', () => {
  expect((0 / 0) * 0).toBeNaN();
  for (const policy of [
    clip.globalNorm(0),
    clip.perTensorNorm(0),
    clip.softNorm(0),
    clip.normalize({ to: 0, eps: 0 }),
    clip.soft(0),
    clip.tanh(0),
  ]) {
    expect(seenBy(policy, [f32(0, 0), f32(0)]).seen, policy.name).toEqual([f32(0, 0), f32(0)]);
  }
});

test('a threshold below 0 is refused, where c / n would turn every gradient around', () => {
  const n = norm([f32(3, 4)]);
  expect(Math.min(1, -1 / (n + 1e-6)) * 3).toBeLessThan(0);
  expect(() => clip.globalNorm(-1)).toThrow(OptionError);
});

test('an infinite element: a scale of c / n would make NaN of it and 0 of the others', () => {
  expect(Infinity * (1 / Infinity)).toBeNaN();
  expect(seenBy(clip.globalNorm(1), [f32(Infinity, 4)]).report).toMatchObject({ skipped: true, nonFinite: '0' });
  expect(seenBy(clip.globalNorm(1, { nonFinite: 'zero' }), [f32(Infinity, 4)]).seen).toEqual([f32(0, 1)]);
  expect(seenBy(clip.globalNorm(Infinity, { nonFinite: 'propagate' }), [f32(Infinity, 4)]).seen).toEqual([f32(Infinity, 4)]);
});

test('a norm that is the threshold changes nothing, where 1e-6 in the denominator would', () => {
  const g = [f32(3, 4)];
  expect(Math.fround(3 * (5 / (5 + 1e-6)))).not.toBe(3);
  expect(seenBy(clip.globalNorm(5), g).seen).toEqual(g);
});
