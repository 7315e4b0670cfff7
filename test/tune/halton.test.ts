// halton.test.ts: the points of a search: Halton's sequence by scipy where digits stay, and evenness where they are shuffled.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Halton, MAX_DIMENSIONS, radicalInverse } from '../../lib/tune/halton.ts';

it('digits in reverse order: the sequence by scipy', () => {
  const { halton } = JSON.parse(readFileSync('test/golden/tune/statistics.json', 'utf8'));
  const bases = [2, 3, 5, 7, 11, 13, 17, 19];
  for (const [i, point] of halton.entries())
    bases.forEach((base, d) => {
      expect(radicalInverse(i, base, (digit) => digit)).toBeCloseTo(point[d], 14);
    });
});

it('shuffled by any seed, the first b^k points have one number in each of b^k parts', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (seed) => {
      const halton = new Halton(4, seed);
      for (const [d, count] of [8, 9, 25, 49].entries()) {
        const parts = new Set(Array.from({ length: count }, (_, i) => Math.floor(halton.at(i)[d]! * count)));
        expect(parts.size).toBe(count);
      }
    }),
    { numRuns: 50 },
  );
});

it('seeds differ, one repeats, and all dimensions stay below 1', () => {
  const points = (seed: bigint): number[][] =>
    Array.from({ length: 200 }, (_, i) => new Halton(MAX_DIMENSIONS, seed).at(i)).slice(0, 5);
  expect(points(1n)).toEqual(points(1n));
  expect(points(1n)).not.toEqual(points(2n));
  const halton = new Halton(MAX_DIMENSIONS, 3n);
  for (let i = 0; i < 500; i++) expect(halton.at(i).every((u) => u >= 0 && u < 1)).toBe(true);
});
