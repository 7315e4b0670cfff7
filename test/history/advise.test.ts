// advise.test.ts: thresholds for a wanted rate against plain loops, and each warning with its figures, from histories made up to deserve it.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as clip from '../../lib/clip/index.ts';
import { OptionError } from '../../lib/errors.ts';
import { type Advice, advise, type Columns } from '../../lib/history/index.ts';
import type { Report } from '../../lib/optim/apply/report.ts';
import { sgd } from '../../lib/optim/index.ts';
import { between } from '../kit.ts';
import { classifier, points } from '../train/models.ts';

/** Norms in a fixed order without a trend: 0.5 to 1.5. */
const bulk = (n: number): number[] => Array.from({ length: n }, (_, i) => 0.5 + ((i * 617) % n) / n);
const clippedAt = (norm: readonly number[], c: number): Columns => ({
  norm,
  threshold: norm.map(() => c),
  clipped: norm.map((n) => n > c),
  scale: norm.map((n) => Math.min(1, c / n)),
  normAfter: norm.map((n) => Math.min(n, c)),
});
const codes = (a: Advice): string[] => a.warnings.map((w) => w.code);
const text = (a: Advice, code: string): string => a.warnings.find((w) => w.code === code)!.text;

describe('a threshold', () => {
  it('is exceeded by the wanted part of the steps', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 1e-6, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 300 }),
        between(0, 1),
        (norms, rate) => {
          const found = advise(norms, { rate, warmup: 0 });
          const order = [...norms].sort((a, b) => a - b);
          // Where no step is expected above it, there is none.
          if (norms.length < 10 || (rate > 0 && rate * norms.length < 1 - 1e-9)) {
            expect(found.threshold).toBeNull();
            return;
          }
          if (rate > 0 && rate * norms.length < 1) return;
          const threshold = found.threshold!;
          expect(found.clipRate).toBe(norms.filter((n) => n > threshold).length / norms.length);
          expect(found.clipRate).toBeLessThanOrEqual(rate + 1 / norms.length + 1e-9);
          expect(threshold).toBeGreaterThanOrEqual(order[Math.floor((1 - rate) * (norms.length - 1))]! * (1 - 1e-12));
          expect(found.norms.max).toBe(order.at(-1));
          // Any lower one of the norms would be exceeded by more.
          const below = order.findLast((n) => n < threshold);
          if (below !== undefined)
            expect(norms.filter((n) => n > below).length / norms.length).toBeGreaterThanOrEqual(rate - 1 / norms.length - 1e-9);
        },
      ),
    );
  });

  it('by each rule', () => {
    const norms = Array.from({ length: 101 }, (_, i) => i);
    const { rules, norms: figures, threshold } = advise(norms, { warmup: 0, k: 2, rate: 0.2 });
    expect(Object.fromEntries(rules.map((r) => [r.rule, r.threshold]))).toEqual({
      ...{ p50: 50, p80: 80, p90: 90, p95: 95, p99: 99 },
      'median + 2 MAD': 100,
    });
    expect(rules.find((r) => r.rule === 'p90')!.clipRate).toBe(10 / 101);
    expect(threshold).toBe(80);
    expect(figures).toEqual({ min: 0, median: 50, mean: 50, mad: 25, p90: 90, p95: 95, p99: 99, max: 100 });
  });

  it('leaves out the warm-up, and steps whose norm is not finite', () => {
    const norms = [...Array(20).fill(1000), ...bulk(180), Number.NaN, Number.POSITIVE_INFINITY];
    expect(advise(norms)).toMatchObject({ steps: 202, warmup: 20, used: 180 });
    expect(advise(norms).norms.max).toBeLessThan(2);
    expect(advise(norms, { warmup: 0 }).norms.max).toBe(1000);
  });

  it('is the same from norms, columns and reports', () => {
    const norms = bulk(200);
    const reports = norms.map((norm, i) => ({ ...EMPTY, attempt: i, step: i, norm, loss: 1 / (1 + i) }));
    const { threshold, rules } = advise(norms);
    for (const history of [Float64Array.from(norms), { norm: norms }, reports]) {
      expect(advise(history)).toMatchObject({ threshold, rules });
    }
  });

  it('by layer, where the history has them', () => {
    const norms = Float64Array.from(bulk(200).flatMap((n) => [3 * n, 4 * n]));
    const layers = { names: ['a', 'b'], shapes: [[7], [2, 5]], norms };
    const { layers: found } = advise({ norm: bulk(200).map((n) => 5 * n), layers });
    expect(found).toMatchObject([
      { name: 'a', elements: 7, share: expect.closeTo(0.36, 10) },
      { name: 'b', elements: 10, share: expect.closeTo(0.64, 10) },
    ]);
    expect(found![1]!.threshold / found![0]!.threshold).toBeCloseTo(4 / 3, 10);
  });

  it.each([
    [() => advise([]), 'expected steps with a finite norm, got none among 0'],
    [() => advise([Number.NaN, Number.NaN]), 'got none among 2'],
    [() => advise([1, 2], { warmup: 2 }), 'got none among 2, 2 of them warm-up'],
    [() => advise([1], { rate: 5 }), 'option rate'],
    [() => advise([1], { quantile: 0.9 } as never), 'unknown option quantile'],
    [() => advise('x' as never), 'expected norms, reports or a history'],
  ])('refuses %s', (call, message) => {
    expect(call).toThrow(OptionError);
    expect(call).toThrow(message);
  });
});

const EMPTY: Report = {
  ...{ attempt: 0, step: 0, loss: 1, norm: 1, scale: 1, normAfter: 1, threshold: Infinity, clipped: false },
  ...{ clippedFraction: 0, skipped: false, nonFinite: null, nonFiniteCount: 0 },
};

describe('warnings', () => {
  it('none for a run that is as it should be', () => {
    expect(codes(advise(clippedAt(bulk(400), 1.45)))).toEqual([]);
  });

  it('clipsMost: more than half of the steps', () => {
    const found = advise(clippedAt(bulk(400), 0.6));
    expect(codes(found)).toEqual(['clipsMost']);
    expect(found.clipped).toBeCloseTo(0.9, 2);
    expect(text(found, 'clipsMost')).toMatch(/active in (89|90)[.\d]* % of 360 steps, .*acts as a learning rate/);
    expect(codes(advise(clippedAt(bulk(400), 1.05)))).toEqual([]);
  });

  it('neverClips: with a threshold that nothing reached', () => {
    const found = advise(clippedAt(bulk(400), 50));
    expect(codes(found)).toEqual(['neverClips']);
    expect(found.warnings[0]!.figures).toMatchObject({ threshold: 50, largest: found.norms.max });
    expect(codes(advise(bulk(400)))).toEqual([]);
  });

  it('farAbove: n / c above 10', () => {
    const norms = bulk(400);
    norms[200] = 30;
    const found = advise(clippedAt(norms, 1.4));
    expect(codes(found)).toEqual(['farAbove']);
    expect(found.warnings[0]!.figures).toMatchObject({ steps: 1, largest: 30 / 1.4 });
    norms[200] = 13;
    expect(codes(advise(clippedAt(norms, 1.4)))).toEqual([]);
  });

  it('epsFloor: after the clip an element is no larger than eps', () => {
    // 1e6 elements: a norm of 1 is 1e-3 an element; clipped to 1e-5 it is 1e-8.
    const found = advise(clippedAt(bulk(400), 1e-5), { eps: 1e-8, elements: 1e6 });
    const warning = found.warnings.find((w) => w.code === 'epsFloor')!;
    expect(warning.figures).toMatchObject({
      rms: expect.closeTo(1e-8, 15),
      eps: 1e-8,
      part: expect.closeTo(0.5, 9),
      least: expect.closeTo(9e-5, 12),
    });
    expect(warning.text).toContain('makes 50 % of the update it would without. The clip does that');
    expect(codes(advise(clippedAt(bulk(400), 1e-4), { eps: 1e-8, elements: 1e6 }))).not.toContain('epsFloor');
    expect(codes(advise(clippedAt(bulk(400), 1e-5)))).not.toContain('epsFloor');
    // Small gradients that no clip made small.
    const small = advise(
      bulk(400).map((n) => n * 1e-6),
      { eps: 1e-8, elements: 1e6 },
    );
    expect(text(small, 'epsFloor')).toContain('without the clip too');
  });

  it('heavyTail: the 99th percentile far above the median', () => {
    const norms = bulk(400).map((n, i) => (i % 50 === 7 ? 12 * n : n));
    expect(codes(advise(norms))).toEqual(['heavyTail']);
    expect(text(advise(norms), 'heavyTail')).toMatch(/one in a hundred is above 9\.76 times .*tail index 1\.27, 0\.753 to 1\.92/);
  });

  it('falling and rising: the last third against the first, the warm-up left out', () => {
    const falling = bulk(400).map((n, i) => n * Math.exp(-i / 200));
    const found = advise(falling);
    expect(codes(found)).toEqual(['falling']);
    const { from, to, threshold } = found.warnings[0]!.figures as Record<string, number>;
    expect(from! / to!).toBeGreaterThan(1.5);
    expect(threshold).toBeLessThan(found.threshold!);
    expect(codes(advise(falling.toReversed()))).toEqual(['rising']);
    // Of ten steps a third the median says something.
    const falls = (n: number): string[] =>
      codes(
        advise(
          falling.slice(0, n * 10).filter((_, i) => i % 10 === 0),
          { warmup: 0 },
        ),
      );
    expect([falls(30), falls(29)].map((of) => of.includes('falling'))).toEqual([true, false]);
    // All that falls is the warm-up.
    expect(codes(advise(bulk(400).map((n, i) => (i < 40 ? 100 : n))))).toEqual([]);
  });

  it('oneLayer: a parameter that is the norm by itself', () => {
    const norm = bulk(200);
    const layers = {
      names: ['a', 'b'],
      shapes: [[7], [5]],
      norms: Float64Array.from(norm.flatMap((n) => [0.99 * n, Math.sqrt(1 - 0.99 ** 2) * n])),
    };
    const found = advise({ norm, layers });
    expect(found.warnings).toMatchObject([{ code: 'oneLayer', figures: { name: 'a', share: expect.closeTo(0.98, 2) } }]);
  });

  it('skips: steps that were left out, and for which tensor', () => {
    const norm = bulk(200);
    norm[100] = Number.NaN;
    const history = { norm, skipped: norm.map(Number.isNaN), nonFinite: norm.map((n) => (Number.isNaN(n) ? 'fc.weight' : null)) };
    expect(advise(history).warnings).toMatchObject([{ code: 'skips', figures: { steps: 1, tensor: 'fc.weight' } }]);
    expect(advise(history).skipped).toBe(1 / 200);
  });

  it('fewSteps: a rate that hardly a step stands behind', () => {
    expect(codes(advise(bulk(60)))).toEqual(['fewSteps']);
    expect(codes(advise(bulk(60), { rate: 0.2 }))).toEqual([]);
    expect(codes(advise(bulk(400), { rate: 0.005 }))).toEqual(['fewSteps']);
    expect(codes(advise(bulk(100), { rate: 0.05, warmup: 0 }))).toEqual([]);
    expect(codes(advise(bulk(99), { rate: 0.05, warmup: 0 }))).toEqual(['fewSteps']);
  });
});

describe('trainer.advise', () => {
  const data = points(64);
  it('is the advice on the steps that it has run', async () => {
    using trainer = classifier({ clip: clip.globalNorm(0.25) });
    expect(() => trainer.advise()).toThrow('got none among 0');
    const reports: Report[] = [];
    for await (const report of trainer.fit(data, { epochs: 20 })) reports.push(report);
    const own = trainer.advise();
    expect(own).toEqual(advise(reports));
    expect(own.steps).toBe(160);
    // It knows the optimizer: 146 elements, eps 1e-8.
    const tiny = classifier({ clip: clip.globalNorm(1e-8) });
    await tiny.fit(data, { epochs: 20 });
    expect(codes(tiny.advise())).toContain('epsFloor');
    tiny.dispose();
    const plain = classifier({ clip: clip.globalNorm(1e-8), optimizer: sgd({ lr: 0.1 }) });
    plain.fitSync(data, { epochs: 20 });
    expect(codes(plain.advise())).not.toContain('epsFloor');
    plain.dispose();
  });

  it('sees skipped steps as the reports tell them', async () => {
    const bad = points(64);
    bad.x.data[0] = Number.NaN;
    using trainer = classifier({ clip: clip.value(0.01) });
    const reports: Report[] = [];
    for await (const report of trainer.fit(bad, { epochs: 20 })) reports.push(report);
    expect(trainer.advise()).toEqual(advise(reports));
    expect(codes(trainer.advise())).toContain('skips');
  });

  it('keeps the last steps only, in memory of a fixed size', async () => {
    using trainer = classifier({ threads: 1, batchSize: 64 });
    const norms: number[] = [];
    for await (const { norm } of trainer.fit(data, { steps: 17_000 })) norms.push(norm);
    const own = trainer.advise({ warmup: 0 });
    expect(own.steps).toBe(16_384);
    const last = advise(norms.slice(-16_384), { warmup: 0 });
    expect([own.norms, own.threshold, own.rules]).toEqual([last.norms, last.threshold, last.rules]);
  });
});
