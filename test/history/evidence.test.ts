// evidence.test.ts: a threshold only with the evidence for it: runs that learned, rose again, became NaN or never fell, zeros, and too few steps.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Advice, advise } from '../../lib/history/index.ts';
import { learningOf } from '../../lib/history/learning.ts';
import { between } from '../kit.ts';

/** Uniform numbers from 0 to 1, always the same ones of a seed. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    // Of the low bits little is random.
    return ((state >>> 8) + 0.5) / 2 ** 24;
  };
}
function normal(seed: number): () => number {
  const next = random(seed);
  return () => Math.sqrt(-2 * Math.log(next())) * Math.cos(2 * Math.PI * next());
}
const list = (n: number, of: (i: number) => number): number[] => Array.from({ length: n }, (_, i) => of(i));
const learned = (loss: readonly number[]): unknown => learningOf(Float64Array.from(loss), true).learned;

describe('whether a run learned', () => {
  it('by a loss that falls, fast or slowly, however noisy', () => {
    const noise = normal(1);
    expect(learned(list(1000, (i) => 2.3 * Math.exp(-i / 300) + 0.2 + 0.3 * noise()))).toBe(true);
    // In the first twenty of ten thousand steps, and then no more.
    expect(learned(list(10_000, (i) => 0.1 + 2.2 * Math.exp(-i / 5) + 0.02 * noise()))).toBe(true);
    // By less than its noise, over all.
    expect(learned(list(3000, (i) => 2.3 - (0.3 * i) / 3000 + 0.3 * noise()))).toBe(true);
    // By powers of ten, with noise in proportion.
    expect(learned(list(500, (i) => 100 * Math.exp(-i / 40) * Math.exp(0.5 * noise())))).toBe(true);
    // Without noise.
    expect(learned(list(50, (i) => 1 / (1 + i)))).toBe(true);
    // A single spike at the end is none that rose.
    expect(learned(list(400, (i) => (i === 397 ? 1e6 : 2 * Math.exp(-i / 50))))).toBe(true);
  });

  it('not by noise alone', () => {
    const found = [0, 0];
    for (let seed = 1; seed <= 200; seed++) {
      const noise = normal(seed);
      const is = learned(list(20 + 7 * seed, () => 2.3 + 0.3 * noise()));
      if (is !== false) found[Number(is)]!++;
    }
    // Not known of the shortest ones, and wrong by chance.
    expect(found[0]).toBeLessThanOrEqual(6);
    expect(found[1]).toBeLessThanOrEqual(2);
    expect(learned(list(100, () => 2.3))).toBe(false);
  });

  it('not where it rose again, gave way or became NaN', () => {
    const noise = normal(2);
    const fall = (i: number): number => 0.2 + 2.1 * Math.exp(-i / 30) + 0.02 * noise();
    const rose = list(1000, (i) => (i < 600 ? fall(i) : 13.9 + noise()));
    expect(learningOf(Float64Array.from(rose), true)).toMatchObject({ learned: false, why: 'rose' });
    const { until, first, least, last } = learningOf(Float64Array.from(rose), true);
    expect(until).toBeGreaterThan(590);
    expect(until).toBeLessThanOrEqual(600);
    expect([first, least, last]).toEqual([expect.closeTo(2.2, 0), expect.closeTo(0.2, 1), expect.closeTo(13.9, 0)]);
    const nan = list(1000, (i) => (i < 980 ? fall(i) : Number.NaN));
    expect(learningOf(Float64Array.from(nan), true)).toMatchObject({ learned: false, why: 'notFinite' });
    // Losses of powers of ten: what was .001 is 3, of 100.
    expect(learned(list(600, (i) => (i < 400 ? 100 * Math.exp(-i / 30) : 3) * Math.exp(0.2 * noise())))).toBe(false);
    // From the first step on.
    expect(learningOf(Float64Array.from(list(100, (i) => 2.3 + i)), true)).toMatchObject({
      learned: false,
      why: 'rose',
      until: 0,
    });
    expect(learningOf(Float64Array.from(list(100, () => Number.NaN).fill(2.3, 0, 3)), true)).toMatchObject({ why: 'notFinite' });
  });

  it('not known where noise would hide a fall', () => {
    // Losses with heavy tails: one in three is ten times as large.
    const next = random(11);
    const loss = list(400, () => (next() < 1 / 3 ? 10 : 1) * (0.5 + next()));
    expect(learningOf(Float64Array.from(loss), true)).toMatchObject({ learned: null, why: 'noisy', until: 400 });
    expect(advise({ norm: list(400, (i) => 1 + (i % 7)), loss }).evidence.text).toContain(
      'the noise of the loss hides whether it fell',
    );
    // With a fifth of the noise nothing is hidden.
    expect(learned(list(400, () => 2 + 0.1 * next()))).toBe(false);
  });

  it('not known of norms alone, of a few steps, and where the history begins later', () => {
    expect(learningOf(new Float64Array(100).fill(Number.NaN), true)).toMatchObject({ learned: null, why: 'noLoss', until: 100 });
    expect(learned(list(19, (i) => -i))).toBe(null);
    expect(learningOf(new Float64Array(100).fill(1), false)).toMatchObject({ learned: null, why: 'late', until: 100 });
  });

  it('whatever unit the loss has', () => {
    const noise = normal(3);
    const loss = list(300, (i) => 1 + Math.exp(-i / 40) + 0.1 * noise());
    fc.assert(
      fc.property(between(-6, 6), (power) => {
        const { learned: is, until } = learningOf(
          Float64Array.from(loss, (l) => l * 10 ** power),
          true,
        );
        expect([is, until]).toEqual([true, 300]);
      }),
    );
  });
});

describe('the threshold', () => {
  const codes = (a: Advice): string[] => a.warnings.map((w) => w.code);
  const next = random(7);
  const norms = list(1000, () => 0.5 + next());

  it('is made of the steps before the loss rose, like all of the rules', () => {
    // The norms of a run that failed are 1,000 times as large.
    const bad = norms.map((n, i) => (i < 600 ? n : 1000 * n));
    const loss = list(1000, (i) => (i < 600 ? 2 / (1 + i) : 14));
    const found = advise({ norm: bad, loss });
    const before = advise({ norm: bad.slice(0, found.evidence.until), loss: loss.slice(0, found.evidence.until) });
    expect(found.evidence).toMatchObject({ learned: false, until: expect.any(Number) });
    expect(found.evidence.until).toBeGreaterThan(590);
    expect(found.evidence.until).toBeLessThanOrEqual(600);
    expect([found.threshold, found.rules, found.norms, found.used]).toEqual([
      before.threshold,
      before.rules,
      before.norms,
      before.used,
    ]);
    expect(found.norms.max).toBeLessThan(2);
    expect(codes(found)).toContain('notLearning');
    expect(found.evidence.text).toContain('before step 599: there the loss had fallen from 0.667 to');
    expect(codes(before)).not.toContain('notLearning');
  });

  it.each([
    ['all norms 0', { norm: list(100, () => 0), loss: list(100, (i) => 1 / (1 + i)) }, 'all 90 norms are 0', 0],
    ['a run that never learned', { norm: norms, loss: list(1000, () => 2.3) }, 'never fell by more than its noise', 0],
    ['a run that rose from its start', { norm: norms, loss: list(1000, (i) => i) }, 'the loss rose', 0],
    ['nine steps', list(10, () => 1), '9 steps with a finite norm, at least 10 are needed', 0],
    ['a rate beyond the steps', list(20, (i) => i + 1), 'take a rate of 0.056 or more', 3],
    ['zeros in most steps', { norm: list(200, (i) => (i % 40 === 0 ? 1 : 0)) }, 'would be 0', 1],
  ] as const)('is null for %s', (_, history, why, rules) => {
    const found = advise(history);
    expect(found).toMatchObject({ threshold: null, clipRate: null });
    expect(found.evidence.text).toMatch(/^No threshold: /);
    expect(found.evidence.text).toContain(why);
    // Those that steps stand behind and that are not 0: p50, p90 and median + MAD; p99.
    expect(found.rules).toHaveLength(rules);
  });

  it('is the median of norms with a heavy tail, unless another rate is asked for', () => {
    // Of index 1: no mean.
    const heavy = list(1000, () => 1 / next());
    const order = heavy.slice(100).sort((a, b) => a - b);
    const found = advise(heavy);
    expect(found).toMatchObject({ rate: 0.5, threshold: (order[449]! + order[450]!) / 2 });
    expect(found.evidence.text).toContain('Norms have a heavy tail, so the threshold is their median (rate 0.5).');
    expect(advise(heavy, { rate: 0.05 }).threshold).toBeGreaterThan(5);
    expect(advise(norms).rate).toBe(0.05);
    // Spikes: one in fifty, or four, which may be chance.
    const spiked = (every: number): Advice =>
      advise(
        norms.map((n, i) => (i % every === 0 ? 8 * n : n)),
        { warmup: 0 },
      );
    expect([spiked(50).rate, spiked(250).rate]).toEqual([0.5, 0.05]);
    // A clip that bites in most steps is what is meant there.
    const clipped = {
      norm: heavy,
      threshold: heavy.map(() => 1),
      clipped: heavy.map(() => true),
      scale: heavy.map((n) => 1 / n),
    };
    expect(advise(clipped).warnings.map((w) => [w.code, w.level])).toEqual([
      ['clipsMost', 'remark'],
      ['farAbove', 'remark'],
      ['heavyTail', 'remark'],
    ]);
  });

  it('says what it rests on', () => {
    expect(advise(norms).evidence).toEqual({
      ...{ learned: null, until: 1000, loss: null },
      text: 'From 900 steps; no loss is known, so whether the run learned is not.',
    });
    const found = advise({ norm: norms, loss: list(1000, (i) => 2 / (1 + i)) });
    expect(found.evidence.text).toBe('From 900 steps of a run that learned: the loss fell from 0.667 to 0.00202.');
    const late = advise({ norm: norms, loss: list(1000, () => 1), attempt: list(1000, (i) => 5000 + i) });
    expect(late.threshold).not.toBeNull();
    expect(late.evidence.text).toContain('neither fell nor rose');
  });
});
