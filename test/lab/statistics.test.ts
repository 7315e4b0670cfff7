// statistics.test.ts: tests of ranks, profiles and grouped samples, against scipy, published examples and plain counting.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { GroupedSamples } from '../../lib/lab/statistics/bootstrap.ts';
import { chiSquareP, fisherP, rangeP, rangeQ } from '../../lib/lab/statistics/distributions.ts';
import { profilesOf, shareAt } from '../../lib/lab/statistics/profiles.ts';
import { friedman, groupsOf, nemenyi, ranksOf, spearman, wilcoxon } from '../../lib/lab/statistics/ranks.ts';

const golden = JSON.parse(readFileSync('test/golden/lab/statistics.json', 'utf8'));
const close = (got: number, want: number, relative = 1e-9): void =>
  expect(Math.abs(got - want), `${got}, not ${want}`).toBeLessThanOrEqual(relative * Math.abs(want) + 1e-13);

it('distributions by scipy', () => {
  for (const [x, degrees, p] of golden.chi) close(chiSquareP(x, degrees), p);
  for (const [f, above, below, p] of golden.fisher) close(fisherP(f, above, below), p);
  for (const [q, count, p] of golden.range) close(rangeP(q, count), p, 1e-7);
  for (const [p, count, q] of golden.quantiles) close(rangeQ(p, count), q, 1e-6);
});

it('ranks and Friedman by scipy, with ties and without', () => {
  for (const { costs, ranks, chi, p } of golden.tables) {
    const got = friedman(costs);
    for (const [i, rank] of ranks.entries()) close(got.ranks[i]!, rank);
    if (chi === undefined) continue;
    close(got.chiSquare, chi);
    close(got.p, p, 1e-8);
  }
});

it('pairs: Wilcoxon and Spearman by scipy', () => {
  for (const { a, b, w, p, rho } of golden.pairs) {
    close(wilcoxon(a, b).w, w);
    close(wilcoxon(a, b).p, p, 1e-8);
    close(spearman(a, b), rho);
  }
  expect(wilcoxon([1, 2], [1, 2])).toEqual({ w: 0, p: 1, n: 0 });
  expect(spearman([1, 1], [1, 2])).toBeNaN();
});

it('the worked example of Demsar 2006: F 3.69, critical difference 1.25, and his table of critical values', () => {
  // Table 6 of the paper: AUC of C4.5, with m, with cf, with both, on 14 data sets; costs are the negated areas.
  const areas = [
    ...[
      [0.763, 0.768, 0.771, 0.798],
      [0.599, 0.591, 0.59, 0.569],
      [0.954, 0.971, 0.968, 0.967],
      [0.628, 0.661, 0.654, 0.657],
    ],
    ...[
      [0.882, 0.888, 0.886, 0.898],
      [0.936, 0.931, 0.916, 0.931],
      [0.661, 0.668, 0.609, 0.685],
      [0.583, 0.583, 0.563, 0.625],
    ],
    ...[
      [0.775, 0.838, 0.866, 0.875],
      [1, 1, 1, 1],
      [0.94, 0.962, 0.965, 0.962],
      [0.619, 0.666, 0.614, 0.669],
    ],
    ...[
      [0.972, 0.981, 0.9751, 0.975],
      [0.957, 0.978, 0.946, 0.97],
    ],
  ];
  const got = friedman(areas.map((row) => row.map((x) => -x)));
  expect(got.ranks.map((rank) => Number(rank.toFixed(3)))).toEqual([3.143, 2, 2.893, 1.964]);
  expect(nemenyi(4, 14)).toBeCloseTo(1.25, 2);
  // The paper leaves ties uncorrected: 9.28 and 3.69; corrected both are a little larger.
  expect(got.chiSquare).toBeGreaterThan(9.28);
  expect(got.f).toBeGreaterThan(3.69);
  const table = [1.96, 2.343, 2.569, 2.728, 2.85, 2.949, 3.031, 3.102, 3.164];
  for (const [i, value] of table.entries()) expect(rangeQ(0.05, i + 2) / Math.SQRT2).toBeCloseTo(value, 2);
});

it('ranks are a permutation of 1 to n, but for ties, and follow the order', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 20 }), (values) => {
      const ranks = ranksOf(values);
      expect(ranks.reduce((a, b) => a + b, 0)).toBe((values.length * (values.length + 1)) / 2);
      for (const [i, value] of values.entries()) {
        const below = values.filter((v) => v < value).length;
        const same = values.filter((v) => v === value).length;
        expect(ranks[i]).toBe(below + (same + 1) / 2);
      }
    }),
  );
});

it('groups: the longest runs of ranks no further apart than the difference', () => {
  expect(groupsOf([1, 1.5, 3, 3.2, 5], 1.8)).toEqual([
    [0, 1],
    [1, 3],
    [3, 4],
  ]);
  expect(groupsOf([1, 3, 5], 1)).toEqual([]);
  expect(groupsOf([1, 2, 3], 5)).toEqual([[0, 2]]);
});

it('profiles: the share of problems within a factor of the best, counted', () => {
  const cost = fc.double({ min: 0.1, max: 10, noNaN: true });
  const table = fc
    .integer({ min: 1, max: 4 })
    .chain((k) => fc.array(fc.array(cost, { minLength: k, maxLength: k }), { minLength: 1, maxLength: 12 }));
  fc.assert(
    fc.property(table, fc.double({ min: 0.5, max: 20, noNaN: true }), (costs, ratio) => {
      for (const [j, profile] of profilesOf(costs).entries()) {
        const within = costs.filter((row) => row[j]! / Math.min(...row) <= ratio).length;
        expect(shareAt(profile, ratio)).toBeCloseTo(within / costs.length, 12);
      }
    }),
  );
});

it('grouped samples: as wide as groups differ, however many values each has', () => {
  // Groups that differ, values that do not: the mean of 8 groups, each of n alike, has the variance of 8 numbers.
  const centers = [0, 1, 2, 3, 4, 5, 6, 7];
  const width = (n: number): number => {
    const [low, high] = new GroupedSamples(
      centers.map(() => n),
      2000,
    ).interval(centers.flatMap((c) => new Array<number>(n).fill(c)));
    return high - low;
  };
  // The sd of such a mean is 2.29 / sqrt(8) = 0.81; 95 % lie within 3.92 of those.
  for (const n of [1, 20]) expect(Math.abs(width(n) - 3.92 * 0.81)).toBeLessThan(0.25);
  // Alike groups, values that differ: the more there are, the narrower.
  const alike = (n: number): number => {
    const [low, high] = new GroupedSamples([n, n, n, n], 2000).interval(Array.from({ length: 4 * n }, (_, i) => i % 2));
    return high - low;
  };
  expect(Math.abs(alike(100) - 3.92 * (0.5 / 20))).toBeLessThan(0.02);
  expect(new GroupedSamples([]).interval([])[0]).toBeNaN();
  expect(new GroupedSamples([2, 3]).interval([5, 5, 5, 5, 5])).toEqual([5, 5]);
});
