// follows.test.ts: thresholds that are made of earlier norms: norms that rise a hundredfold for good are followed within a stated number of steps, one
// spike hardly moves them, and a run that was stopped anywhere goes on to the bit.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clip, optim, replay } from '../../lib/index.ts';
import { f32 } from './kit.ts';

interface Follower {
  make(): clip.ClipPolicy;
  /** Steps after which a new level counts as the old one did. */
  readonly within: number;
  /** What a threshold may be multiplied by after a spike of a million. */
  readonly moved: number;
}
const FOLLOWERS: Readonly<Record<string, Follower>> = {
  autoClip: { make: () => clip.autoClip(10, { window: 300 }), within: 300, moved: 1.1 },
  'autoClip 90': { make: () => clip.autoClip(90, { window: 300 }), within: 300, moved: 1.1 },
  percentile: { make: () => clip.percentile(), within: 100, moved: 1.3 },
  runningMean: { make: () => clip.runningMean(), within: 500, moved: 1.1 },
  'runningMean 2, of 20': { make: () => clip.runningMean(2, { window: 20 }), within: 100, moved: 1.5 },
  'adaClip 0.99': { make: () => clip.adaClip({ decay: 0.99 }), within: 500, moved: 1.1 },
  spikeSkip: { make: () => clip.spikeSkip(), within: 128 + 5, moved: 1.01 },
  'spikeSkip ema': { make: () => clip.spikeSkip({ mode: 'ema' }), within: 500 + 5, moved: 1.01 },
  quantile: { make: () => clip.quantile(), within: 100, moved: 1.2 },
  'in a chain': { make: () => clip.chain(clip.spikeSkip(), clip.autoClip(10, { window: 300 })), within: 300 + 5, moved: 1.1 },
  'in groups': {
    make: () => clip.groups([{ match: '0', policy: clip.runningMean() }, { policy: clip.percentile() }]),
    within: 500,
    moved: 1.3,
  },
};
const names = Object.keys(FOLLOWERS);

/** Norms around 1, which repeat themselves: a spread of 30 %. */
const PERIOD = 120;
function noise(seed: number): number[] {
  let state = seed;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return Array.from({ length: PERIOD }, () => Math.exp(0.3 * Math.sqrt(-2 * Math.log(next())) * Math.cos(2 * Math.PI * next())));
}
const start = (policy: clip.ClipPolicy) => optim.sgd({ lr: 0 }).bind([f32(0, 0), f32(0)], { clip: policy });
const grads = (n: number): Float32Array[] => [f32(0.48 * n, 0.64 * n), f32(0.6 * n)];
// The bound of the warm-up is far above anything by then.
const SETTLED = 5 * PERIOD;

describe.each(names)('%s', (name) => {
  const { make, within, moved } = FOLLOWERS[name]!;

  test('a level a hundred times higher is clipped and skipped no more than the one before', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 }), fc.constantFrom(100, 7), (seed, rise) => {
        const bound = start(make());
        const shape = noise(seed);
        const rates = (from: number, level: number): { clipped: number; skipped: number } => {
          const found = { clipped: 0, skipped: 0 };
          for (let i = 0; i < PERIOD; i++) {
            const { clipped, skipped } = bound.step(grads(level * shape[(from + i) % PERIOD]!));
            found.clipped += Number(clipped);
            found.skipped += Number(skipped);
          }
          return found;
        };
        for (let i = 0; i < SETTLED; i++) bound.step(grads(shape[i % PERIOD]!));
        const before = rates(0, 1);
        for (let i = 0; i < within; i++) bound.step(grads(rise * shape[i % PERIOD]!));
        const after = rates(within, rise);
        bound.dispose();
        // The last of a mean's distance is worth a few steps in a hundred that lie at the limit: of 120 levels four at most were clipped more, and two skipped.
        expect(after.clipped).toBeLessThanOrEqual(before.clipped + 8);
        expect(after.skipped).toBeLessThanOrEqual(before.skipped + 4);
      }),
      { numRuns: 2 },
    );
  });

  const skips = name.includes('spikeSkip') || name === 'in a chain';

  test('one spike hardly moves it', () => {
    const [with1, without] = [true, false].map((spiked) => {
      const bound = start(make());
      const shape = noise(11);
      for (let i = 0; i < SETTLED; i++) bound.step(grads(shape[i % PERIOD]!));
      const spike = bound.step(grads(spiked ? 1e6 : 1));
      if (spiked) expect(spike.clipped || spike.skipped).toBe(true);
      // What is too large shows where the limit is.
      const { threshold, normAfter } = bound.step(grads(1e4));
      bound.dispose();
      return skips ? threshold : normAfter;
    });
    expect(with1! / without!).toBeLessThanOrEqual(moved);
    expect(with1! / without!).toBeGreaterThan(0.8);
  });

  test('stopped anywhere, after each step that was skipped too, it goes on to the bit', () => {
    const shape = noise(5);
    const norms = Array.from({ length: 260 }, (_, i) => {
      if (i % 41 === 17) return 1e6;
      if (i % 53 === 29) return Number.NaN;
      return (i > 180 ? 100 : 1) * shape[i % PERIOD]!;
    });
    const whole = start(make());
    let parts = start(make());
    for (const [i, n] of norms.entries()) {
      const [a, b] = [whole.step(grads(n)), parts.step(grads(n))];
      expect([b.threshold, b.scale, b.skipped, b.normAfter], `step ${i}`).toEqual([a.threshold, a.scale, a.skipped, a.normAfter]);
      if (!a.skipped && i % 20 > 0) continue;
      const state = parts.state();
      parts.dispose();
      parts = start(make());
      parts.load(state);
    }
    expect(parts.state()).toEqual(whole.state());
    whole.dispose();
    parts.dispose();
  });
});

test('what a rise does to the others: zclip and adaGc hold the level they have seen, adaGn has steps of one length', () => {
  const after = (policy: clip.ClipPolicy, steps = 1000): number => {
    const bound = start(policy);
    const shape = noise(3);
    for (let i = 0; i < SETTLED; i++) bound.step(grads(shape[i % PERIOD]!));
    for (let i = 0; i < steps; i++) bound.step(grads(100 * shape[i % PERIOD]!));
    const { normAfter } = bound.step(grads(100));
    bound.dispose();
    return normAfter;
  };
  expect(after(clip.zclip({ max: Infinity }))).toBeLessThan(3);
  expect(after(clip.zclip())).toBeLessThanOrEqual(1);
  // 0.04 % a step.
  expect(after(clip.adaGc(), 1000) / after(clip.adaGc(), 500)).toBeCloseTo(1.0004 ** 500, 2);
  // Two tensors, of length 1 each.
  expect(after(clip.adaGn(), 50) / Math.SQRT2).toBeCloseTo(1, 0);
});

test('spikeSkip: a new level costs as many steps as it is patient, then few are scaled', () => {
  const bound = start(clip.spikeSkip());
  const shape = noise(3);
  for (let i = 0; i < SETTLED; i++) bound.step(grads(shape[i % PERIOD]!));
  const steps = Array.from({ length: 40 }, () => bound.step(grads(100)));
  bound.dispose();
  expect(steps.map((r) => r.skipped).lastIndexOf(true)).toBe(4);
  expect(steps.findIndex((r) => !r.skipped && !r.clipped)).toBeLessThan(12);
  for (const r of steps) if (!r.skipped) expect(r.normAfter).toBeLessThanOrEqual(r.threshold * (1 + 1e-12));
});

test('a replay decides as a run does, patience and warm-ups among it', () => {
  const shape = noise(7);
  const norms = Array.from({ length: 900 }, (_, i) => (i > 600 ? 100 : i === 300 ? 1e5 : 1) * shape[i % PERIOD]!);
  const policies = {
    autoClip: () => clip.autoClip(),
    runningMean: () => clip.runningMean(),
    spikeSkip: () => clip.spikeSkip(),
    'spikeSkip ema': () => clip.spikeSkip({ mode: 'ema' }),
    chain: () => clip.chain(clip.spikeSkip(), clip.runningMean(2)),
  };
  for (const [name, make] of Object.entries(policies)) {
    const bound = optim.sgd({ lr: 0 }).bind([f32(0)], { clip: make() });
    const run = norms.map((n) => bound.step([f32(n)]));
    bound.dispose();
    const made = replay(norms.map(Math.fround), { [name]: make() }).policies[0]!;
    expect(made.exact, name).toBe(true);
    expect(made.isSkipped, name).toEqual(Uint8Array.from(run, (r) => Number(r.skipped)));
    // The second of a chain measures what the first has rounded to f32.
    const slack = name === 'chain' ? 2 ** -23 : 0;
    for (const [i, r] of run.entries()) {
      const error = Math.abs(made.scale[i]! - (r.skipped ? 0 : r.scale));
      expect(error, `${name}, step ${i}`).toBeLessThanOrEqual(slack);
    }
  }
});
