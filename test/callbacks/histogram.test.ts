// histogram.test.ts: counts of numbers by their size are those that plain comparisons give, in buckets that are narrow enough, whatever the numbers are.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Histogram } from '../../lib/callbacks/histogram.ts';

const numbers = fc.array(
  fc.oneof(
    fc.float(),
    fc.float({ min: -4, max: 4 }),
    fc.constantFrom(
      ...[0, -0, 1, -1, 1.125, 2 ** -149, -(2 ** -149), 2 ** -126, 3.4028234663852886e38, -3.4028234663852886e38, Infinity, NaN],
    ),
  ),
  { maxLength: 200 },
);

it('each number is in the bucket that it lies in, and sums are sums', () => {
  fc.assert(
    fc.property(numbers, fc.nat({ max: 200 }), (given, cut) => {
      const values = Float32Array.from(given);
      const [all, each] = [new Histogram(), new Histogram()];
      all.addAll(values, 0, Math.min(cut, values.length));
      all.addAll(values, Math.min(cut, values.length));
      for (const value of values) each.add(value);
      const finite = [...values].filter(Number.isFinite);
      for (const histogram of [all, each, Histogram.ofNumbers(JSON.parse(JSON.stringify(finiteOf(all))))]) {
        expect([histogram.count, histogram.nonFinite]).toEqual([finite.length, values.length - finite.length]);
        expect(histogram.sum).toBe(finite.reduce((a, b) => a + b, 0));
        expect(histogram.squares).toBe(finite.reduce((a, b) => a + b * b, 0));
        if (finite.length > 0)
          expect([histogram.min + 0, histogram.max + 0]).toEqual([Math.min(...finite) + 0, Math.max(...finite) + 0]);
        const { limits, counts } = histogram.buckets;
        expect(limits.every((limit, i) => i === 0 || limit > limits[i - 1]!)).toBe(true);
        expect(counts.reduce((a, b) => a + b, 0)).toBe(finite.length);
        // Below each end lies what lies below it: an end itself may be counted on either side.
        let below = 0;
        for (const [i, limit] of limits.entries()) {
          below += counts[i]!;
          expect(below).toBeGreaterThanOrEqual(finite.filter((v) => v < limit).length);
          expect(below).toBeLessThanOrEqual(finite.filter((v) => v <= limit).length);
          const from = limits[i - 1];
          // An eighth of a power of two at most, where numbers are not so small that they have fewer digits.
          if (counts[i]! > 0 && from !== undefined && Math.abs(from) >= 2 ** -126 && from * limit > 0)
            expect(Math.max(limit / from, from / limit)).toBeLessThanOrEqual(1.125);
        }
      }
    }),
  );
});

/** Numbers of a histogram as JSON takes them: an empty one has infinite ends, which checkpoints write in their own way. */
const finiteOf = (histogram: Histogram): number[] =>
  histogram.toNumbers().map((n) => (Math.abs(n) === Infinity ? Math.sign(n) * 1e308 : n));

it('what is no histogram is refused', () => {
  for (const wrong of [null, [], [1, 2, 3], [0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, '0'], {}]) {
    expect(() => Histogram.ofNumbers(wrong)).toThrow(TypeError);
  }
});
