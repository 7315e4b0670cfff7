// share.test.ts: the micro-batches of a step are shared out whole, and those of one process among 2^k are a subtree of the tree that sums them.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { placeInTree } from '../../lib/ops/step/tree.ts';
import { shareOf } from '../../lib/train/group/share.ts';

const sharesOf = (size: number, micros: number) => Array.from({ length: size }, (_, rank) => shareOf(rank, size, micros));

it("each micro-batch is one process's, in their order", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(200), (size, micros) => {
      let next = 0;
      const counts: number[] = [];
      for (const { base, share } of sharesOf(size, micros)) {
        if (share > 0) expect(base).toBe(next);
        next += share;
        counts.push(share);
      }
      expect(next).toBe(micros);
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    }),
  );
});

/** How the micro-batches [first, first + n) are summed, as text. */
function treeOf(first: number, n: number): string {
  const sums: string[] = [];
  for (let micro = 0; micro < n; micro++) {
    const { joins } = placeInTree(micro, n);
    let sum = `${first + micro}`;
    for (let k = 0; k < joins; k++) sum = `(${sums.pop()} ${sum})`;
    sums.push(sum);
  }
  expect(sums).toHaveLength(1);
  return sums[0]!;
}

it('2^k processes sum what one would sum, in the same order', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 1, max: 200 }), (k, micros) => {
      // Pairs of processes in the order of their ranks, then pairs of pairs: what sync does. One without any adds nothing.
      let sums = sharesOf(2 ** k, micros).map(({ base, share }) => (share > 0 ? treeOf(base, share) : null));
      while (sums.length > 1) {
        sums = Array.from({ length: sums.length / 2 }, (_, i) => {
          const [a, b] = [sums[2 * i]!, sums[2 * i + 1]!];
          return a && b ? `(${a} ${b})` : (a ?? b);
        });
      }
      expect(sums[0]).toBe(treeOf(0, micros));
    }),
  );
});
