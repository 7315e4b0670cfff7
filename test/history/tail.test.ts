// tail.test.ts: the tail index of norms against scipy's on samples of known index, how often its interval holds it, and what has no tail.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { advise } from '../../lib/history/index.ts';
import { spreadOf, tailOf, tailText } from '../../lib/history/tail.ts';
import { between } from '../kit.ts';

interface Case extends Record<'index' | 'count' | 'above' | 'hill' | 'low' | 'high' | 'mean', number> {
  readonly name: string;
  readonly sample: readonly number[];
}
const golden = JSON.parse(readFileSync(new URL('../golden/history/tails.json', import.meta.url), 'utf8')) as {
  readonly cases: readonly Case[];
};
const list = (n: number, of: (i: number) => number): number[] => Array.from({ length: n }, (_, i) => of(i));
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return ((state >>> 8) + 0.5) / 2 ** 24;
  };
}

describe('the tail index', () => {
  it.each(golden.cases.map((c) => [c.name, c] as const))('%s: as scipy fits it, which is the index in the mean', (_, c) => {
    const found = tailOf(c.sample)!;
    expect(found.count).toBe(c.count);
    expect(found.above).toBe(c.above);
    expect(found.index / c.hill).toBeCloseTo(1, 7);
    // Of twenty degrees the quantiles are off by two parts in a thousand, of more by less.
    expect(found.low / c.low).toBeCloseTo(1, 2);
    expect(found.high / c.high).toBeCloseTo(1, 2);
    // Of a power law the estimate is 1 / (count - 1) too high in the mean; of Student's t it takes what is no tail yet for one, and is too low.
    expect(c.mean / c.index).toBeLessThan(1.13);
    expect(c.mean / c.index).toBeGreaterThan(c.name.startsWith('Student') ? 0.75 : 0.99);
  });

  it('lies within the interval in 95 of 100 samples', () => {
    const next = random(3);
    const held = list(2000, () => {
      const { low, high } = tailOf(list(150, () => next() ** (-1 / 2.5)))!;
      return Number(low < 2.5 && 2.5 < high);
    });
    // 95 %, and four standard deviations of 2,000 coins.
    expect(Math.abs(held.reduce((a, b) => a + b, 0) / 2000 - 0.95)).toBeLessThan(0.02);
  });

  it('does not depend on the unit, and is divided by a power', () => {
    const { sample } = golden.cases[1]!;
    const { index } = tailOf(sample)!;
    fc.assert(
      fc.property(between(-20, 20), between(0.2, 5), (unit, power) => {
        const found = tailOf(sample.map((x) => 2 ** Math.round(unit) * x ** power))!;
        expect(found.index * power).toBeCloseTo(index, 6);
      }),
    );
  });

  it('is null for few norms, for zeros and for norms that are all the same', () => {
    expect(tailOf(list(99, (i) => i + 1))).toBeNull();
    expect(tailOf(list(100, (i) => i + 1))).not.toBeNull();
    expect(tailOf(list(200, (i) => (i < 10 ? i : 0)))).toBeNull();
    expect(tailOf(list(200, () => 1))).toBeNull();
  });

  it('in words', () => {
    const text = (index: number, count: number): string =>
      tailText({ index, count, low: index * 0.8, high: index * 1.2, above: 2 });
    expect(text(1.5, 100)).toBe(
      'Of the 100 largest, twice as large is 2.83 times as rare (tail index 1.5, 1.2 to 1.8): so heavy that they have no finite variance.',
    );
    expect(text(0.8, 30)).toContain('so heavy that they have no mean');
    expect(text(8, 30)).toContain('): light.');
    expect(text(3, 30)).toContain('moderate');
  });
});

describe('the tail of an advice', () => {
  it('is of norms over the median of their time: those that fall have none', () => {
    const next = random(5);
    const noise = list(2000, () => 1 + next());
    const falling = noise.map((n, i) => n * 10 ** (-i / 20));
    // All of them together would look like a tail of no mean.
    expect(tailOf(falling)!.index).toBeLessThan(1);
    const slowly = noise.map((n, i) => n * 10 ** (-i / 400));
    expect(advise(slowly, { warmup: 0 }).tail!.low).toBeGreaterThan(5);
    expect(advise(slowly).warnings.map((w) => w.code)).toEqual(['falling']);
  });

  it('is that of the norms where they have no trend', () => {
    const { sample, index } = golden.cases[0]!;
    const { tail, warnings } = advise(sample, { warmup: 0 });
    expect(tail!.low).toBeLessThan(index);
    expect(tail!.high).toBeGreaterThan(index);
    expect(warnings).toMatchObject([{ code: 'heavyTail', level: 'remark', cure: { option: 'threshold' } }]);
  });

  it('by tenths, of which the last has what is left over', () => {
    const norms = list(105, (i) => i + 1);
    const spread = spreadOf(norms);
    expect(spread).toHaveLength(105);
    // Eleven each: the median of 1 to 11 is 6; the last one has 89 to 105, whose median is 97... of nine parts.
    expect(spread[0]).toBe(1 / 6);
    expect(spread[104]).toBe(105 / 97);
    expect(spreadOf([0, 0, 3])).toEqual([0, 0, Infinity]);
  });
});
