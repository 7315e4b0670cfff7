// statistics.test.ts: Student's distribution, paired tests, Holm's correction and the bootstrap, against scipy.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { bootstrap, holm, logGamma, pairedTest, studentP, studentT } from '../../lib/tune/statistics.ts';

const golden = JSON.parse(readFileSync('test/golden/tune/statistics.json', 'utf8'));
const close = (got: number, want: number, relative = 1e-10): void =>
  expect(Math.abs(got - want), `${got}, not ${want}`).toBeLessThanOrEqual(relative * Math.abs(want) + 1e-300);

it('Student: probabilities and quantiles by scipy', () => {
  for (const { df, t, p } of golden.students) close(studentP(t, df), p, 1e-9);
  for (const { df, p, t } of golden.quantiles) close(studentT(p, df), t, 1e-8);
  for (const { x, value } of golden.gammas)
    expect(Math.abs(logGamma(x) - value)).toBeLessThan(1e-12 * Math.max(1, Math.abs(value)));
});

it('pairs: mean, interval and p by scipy', () => {
  for (const { a, b, confidence, mean, p, low, high } of golden.paired) {
    const got = pairedTest(a, b, confidence);
    close(got.mean, mean);
    close(got.p, p, 1e-8);
    close(got.interval[0], low, 1e-7);
    close(got.interval[1], high, 1e-7);
  }
});

it('pairs: a single one tells nothing, and neither do equal ones', () => {
  expect(pairedTest([1], [2])).toEqual({ n: 1, mean: -1, interval: [-Infinity, Infinity], p: Number.NaN });
  expect(pairedTest([1, 2], [1, 2])).toEqual({ n: 2, mean: 0, interval: [0, 0], p: Number.NaN });
  expect(pairedTest([2, 3], [1, 2]).p).toBe(0);
  expect(() => pairedTest([], [])).toThrow('expected pairs');
});

it('pairs: what both have in common drops out, and the order of the two turns the sign', () => {
  const values = fc.array(fc.tuple(fc.integer({ min: -99, max: 99 }), fc.integer({ min: -99, max: 99 })), {
    minLength: 2,
    maxLength: 9,
  });
  fc.assert(
    fc.property(values, fc.integer({ min: -1000, max: 1000 }), (pairs, common) => {
      const [a, b] = [pairs.map(([x]) => x), pairs.map(([, y]) => y)];
      const one = pairedTest(a, b);
      expect(
        pairedTest(
          a.map((x) => x + common),
          b.map((x) => x + common),
        ),
      ).toEqual(one);
      const turned = pairedTest(b, a);
      expect(turned.p).toBe(one.p);
      expect(turned.mean).toBe(one.mean === 0 ? 0 : -one.mean);
    }),
  );
});

it('several tests: Holm', () => {
  for (const { p, adjusted } of golden.holm) for (const [i, x] of holm(p).entries()) close(x, adjusted[i]);
  expect(holm([0.01, Number.NaN, 0.3])).toEqual([0.02, Number.NaN, 0.3]);
});

it('bootstrap: quantiles of all resamples of three numbers', () => {
  const { values, low, high } = golden.bootstrap;
  const mean = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0) / x.length;
  const got = bootstrap<number>(values, mean, { samples: 20_000, confidence: 0.9 });
  expect(got.value).toBe(5);
  expect(got.interval[0]).toBeCloseTo(low, 6);
  expect(got.interval[1]).toBeCloseTo(high, 6);
  expect(bootstrap<number>(values, mean, { seed: 1n })).toEqual(bootstrap<number>(values, mean, { seed: 1n }));
});
