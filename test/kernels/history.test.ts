// history.test.ts: rings of the last numbers, their quantiles and moments, against plain lists; on every ISA.
import { expect, test } from 'vitest';
import { Graph, type Node } from '../../lib/ir/graph.ts';
import { addon } from '../../lib/native/addon.ts';
import { historyType } from '../../lib/ops/gradient/history.ts';
import { historyMoments, historyPush, historyQuantile } from '../../lib/ops/list.ts';
import { refNode, runNode, sameBits } from '../run-node.ts';

const SERIES = 3;
const noise = (n: number): number => Math.sin(n * 12.9898) * 43758.5453 - Math.floor(Math.sin(n * 12.9898) * 43758.5453);

function nodes(capacity: number, sorted: boolean, q: number): { push: Node; query: Node } {
  const g = new Graph('train');
  const history = g.input('history', historyType(SERIES, capacity, sorted), 'data');
  const x = g.input('x', { dtype: 'f64', shape: [SERIES] }, 'data');
  return {
    push: historyPush(history, x, { sorted }).node,
    query: (sorted ? historyQuantile(history, x, q) : historyMoments(history).mean).node,
  };
}

/** numpy.percentile. */
function percentile(xs: readonly number[], q: number): number {
  const s = [...xs].sort((a, b) => a - b);
  const at = q * (s.length - 1);
  const low = Math.floor(at);
  return s[low]! + (at - low) * ((s[low + 1] ?? s[low]!) - s[low]!);
}

test.each([1, 2, 7, 64])('quantiles and moments of the last %i numbers, those that are not finite left out', (capacity) => {
  for (const q of [0, 0.1, 0.5, 0.77, 1]) {
    for (const isa of addon().isas) {
      const sorted = nodes(capacity, true, q);
      const plain = nodes(capacity, false, q);
      let ring = new Float64Array(SERIES * (1 + 2 * capacity));
      let bare = new Float64Array(SERIES * (1 + capacity));
      const given: number[][] = Array.from({ length: SERIES }, () => []);
      for (let step = 0; step < 3 * capacity + 5; step++) {
        // Equal numbers too, and some that are not finite.
        const x = Float64Array.from({ length: SERIES }, (_, k) => {
          const v = Math.floor(20 * noise(step * SERIES + k)) / 4;
          return v === 2 ? NaN : v === 3 ? Infinity : v;
        });
        const [asked] = runNode(sorted.query, [ring, x], { isa });
        const moments = runNode(plain.query, [bare], { isa, threads: 3 });
        for (let k = 0; k < SERIES; k++) {
          const last = given[k]!.slice(-capacity);
          expect(moments[2]![k]).toBe(last.length);
          const mean = last.reduce((a, b) => a + b, 0) / Math.max(1, last.length);
          const variance = last.reduce((s, v) => s + (v - mean) ** 2, 0) / Math.max(1, last.length - 1);
          expect(moments[0]![k]).toBeCloseTo(mean, 12);
          expect(moments[1]![k]).toBeCloseTo(Math.sqrt(variance), 12);
          if (!Number.isFinite(x[k]!)) {
            expect(asked![k]).toBeNaN();
            continue;
          }
          given[k]!.push(x[k]!);
          expect(asked![k]).toBeCloseTo(percentile(given[k]!.slice(-capacity), q), 12);
        }
        const [next] = runNode(sorted.push, [ring, x], { isa, threads: 2, inplace: [0, 0] });
        expect(sameBits([next!], refNode(sorted.push, [ring, x]))).toBe(true);
        ring = next as Float64Array<ArrayBuffer>;
        const [rest] = runNode(plain.push, [bare, x], { isa });
        expect(sameBits([rest!], refNode(plain.push, [bare, x]))).toBe(true);
        bare = rest as Float64Array<ArrayBuffer>;
        expect(asked).toEqual(refNode(sorted.query, [before(given, x, capacity), x])[0]);
      }
    }
  }
});

/** The history as it was before the last numbers came: made anew from what was given. */
function before(given: readonly number[][], x: Float64Array, capacity: number): Float64Array {
  const kept = given.map((g, k) => (Number.isFinite(x[k]!) ? g.slice(0, -1) : g));
  const out = new Float64Array(SERIES * (1 + 2 * capacity));
  kept.forEach((g, k) => {
    const at = k * (1 + 2 * capacity);
    out[at] = g.length;
    g.forEach((v, i) => {
      if (i >= g.length - capacity) out[at + 1 + (i % capacity)] = v;
    });
    out.set(
      g.slice(-capacity).sort((a, b) => a - b),
      at + 1 + capacity,
    );
  });
  return out;
}

test('a history that a file made up reads and writes nothing but itself', () => {
  const { push, query } = nodes(4, true, 0.5);
  for (const count of [-1, NaN, Infinity, 1e300, 2.5, 3]) {
    const ring = Float64Array.from({ length: SERIES * 9 }, (_, i) => (i % 9 === 0 ? count : NaN));
    const x = Float64Array.of(1, 2, 3);
    expect(runNode(query, [ring, x])[0]).toHaveLength(SERIES);
    expect(runNode(push, [ring, x])[0]).toHaveLength(SERIES * 9);
  }
});
