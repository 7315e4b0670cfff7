// statistics.test.ts: norms are f64-exact however large, small or many the elements are; bits do not depend on threads or ISA.
import { expect, test } from 'vitest';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import type { Data } from '../../lib/ir/op.ts';
import { addon } from '../../lib/native/addon.ts';
import * as stage from '../../lib/ops/gradient/stage.ts';
import type { StatisticKind, StatisticOptions } from '../../lib/ops/gradient/statistics.ts';
import { statistic } from '../../lib/ops/list.ts';
import { TEAMS } from '../kit.ts';
import { runNode } from '../run-node.ts';

const ISAS = addon().isas;
/** Reproducible values without any pattern that blocks of a power of two could hide. */
function noise(n: number, scale = 1): Float32Array {
  let s = 12345;
  return Float32Array.from({ length: n }, () => {
    s = (Math.imul(s, 1103515245) + 12345) | 0;
    return (scale * s) / 2 ** 31;
  });
}

function measure(
  xs: readonly Float32Array[],
  options: Omit<StatisticOptions, 'max' | 'stages'> & { max?: number; stages?: (g: Graph) => StatisticOptions['stages'] },
  run: { isa?: string; threads?: number } = {},
): { each: number[]; total: number; firstBad: number; badCount: number } {
  const g = new Graph();
  const tensors = xs.map((x, i) => g.input(`x${i}`, { dtype: 'f32', shape: [x.length] }, 'data'));
  const max = options.max === undefined ? undefined : g.scalar(options.max, 'f64');
  const stages = options.stages?.(g) ?? [];
  const { each } = statistic(tensors, { kind: options.kind, p: options.p ?? 2, stages, ...(max && { max }) });
  const values = new Map<Tensor, Data>(tensors.map((t, i) => [t, xs[i]!]));
  const ins = each.node.ins.map((t) => values.get(t) ?? (t.node.attrs as { data: Data }).data);
  const [out, total, firstBad, badCount] = runNode(each.node, ins, run);
  return { each: Array.from(out!), total: total![0]!, firstBad: firstBad![0]!, badCount: badCount![0]! };
}

const truth: Record<Exclude<StatisticKind, 'sumPow'>, (x: Float32Array) => number> = {
  // Kahan's sum in f64: an order of its own, far more exact than what is tested.
  sumSquares: (x) => kahan(x, (v) => v * v),
  sumAbs: (x) => kahan(x, Math.abs),
  maxAbs: (x) => x.reduce((m, v) => Math.max(m, Math.abs(v)), 0),
};
function kahan(x: Float32Array, f: (v: number) => number): number {
  let sum = 0;
  let c = 0;
  for (const v of x) {
    const y = f(v) - c;
    const t = sum + y;
    c = t - sum - y;
    sum = t;
  }
  return sum;
}

test.each(['sumSquares', 'sumAbs', 'maxAbs'] as const)('%s of tensors of all sizes', (kind) => {
  const xs = [0, 1, 15, 16, 17, 31, 33, 1023, 1025, 4095, 4096, 4097, 10_000].map((n) => noise(n));
  for (const isa of ISAS) {
    const got = measure(xs, { kind }, { isa });
    xs.forEach((x, i) => {
      expect(got.each[i]).toBeCloseTo(truth[kind](x), 9);
    });
    const all = xs.map(truth[kind]);
    expect(got.total).toBeCloseTo(kind === 'maxAbs' ? Math.max(...all) : all.reduce((a, b) => a + b), 8);
    expect([got.firstBad, got.badCount]).toEqual([-1, 0]);
  }
});

test('a norm over 10 million elements is exact to the last digits of f64', () => {
  const x = noise(10_000_000);
  const want = truth.sumSquares(x);
  expect(Math.abs(measure([x], { kind: 'sumSquares' }, { threads: 2 }).total / want - 1)).toBeLessThan(1e-13);
});

test('finite elements have a finite norm, whatever their size', () => {
  const largest = Math.fround(3.4028234663852886e38);
  const smallest = 2 ** -149;
  const big = measure([new Float32Array(1000).fill(largest)], { kind: 'sumSquares' });
  expect(big.total / (1000 * largest * largest)).toBeCloseTo(1, 14);
  expect(big.badCount).toBe(0);
  expect(measure([new Float32Array(1000).fill(smallest)], { kind: 'sumSquares' }).total).toBe(1000 * smallest * smallest);
  expect(measure([new Float32Array([1e30, -1e30])], { kind: 'sumAbs' }).total).toBe(2 * Math.fround(1e30));
});

test('powers of large elements do not overflow', () => {
  const x = Float32Array.from([3e38, -1.5e38, 0, 1e30]);
  const max = x[0]!;
  for (const p of [0.5, 3, 7.5, 100]) {
    const want = Array.from(x).reduce((s, v) => s + Math.abs(v / max) ** p, 0);
    expect(measure([x], { kind: 'sumPow', p, max }).total / want).toBeCloseTo(1, 13);
  }
  expect(measure([new Float32Array(5)], { kind: 'sumPow', p: 3, max: 0 }).total).toBe(0);
});

test.each(['sumSquares', 'sumAbs', 'maxAbs'] as const)('%s finds the tensors that are not finite', (kind) => {
  const bad = [NaN, Infinity, -Infinity];
  for (const isa of ISAS) {
    for (const value of bad) {
      for (const at of [0, 20, 4095, 5000]) {
        const xs = [noise(5001), noise(5001), new Float32Array(0), noise(5001), noise(3)];
        xs[1]![at] = value;
        xs[3]![at] = value;
        const got = measure(xs, { kind }, { isa });
        expect([got.firstBad, got.badCount]).toEqual([1, 2]);
        expect(Number.isFinite(got.total)).toBe(false);
        if (Number.isNaN(value)) expect(got.each[1]).toBeNaN();
        expect(Number.isFinite(got.each[4])).toBe(true);
      }
    }
  }
});

test('zeroNonFinite measures the rest and still says which tensors were bad', () => {
  const xs = [noise(2000), noise(2000)];
  xs[1]![7] = NaN;
  xs[1]![1999] = -Infinity;
  const clean = xs.map((x) => x.map((v) => (Number.isFinite(v) ? v : 0)));
  const got = measure(xs, { kind: 'sumSquares', stages: () => [stage.zeroNonFinite()] });
  expect(got.each).toEqual(measure(clean, { kind: 'sumSquares' }).each);
  expect([got.firstBad, got.badCount]).toEqual([1, 1]);
});

test('stages are applied in order', () => {
  const x = Float32Array.from([-4, -1, 0.25, 3]);
  const limit = stage.limit(-2, 1);
  const halve = (g: Graph) => stage.scale(g.scalar(0.5, 'f64'));
  const sum = (stages: (g: Graph) => StatisticOptions['stages']): number => measure([x], { kind: 'sumAbs', stages }).total;
  expect(sum((g) => [limit, halve(g)])).toBe(1 + 0.5 + 0.125 + 0.5);
  expect(sum((g) => [halve(g), limit])).toBe(2 + 0.5 + 0.125 + 1);
});

test('the same bits for any number of threads, and on every ISA that has fma', () => {
  const xs = [noise(50_001, 1e5), noise(7), noise(123_457, 1e-5)];
  for (const kind of ['sumSquares', 'sumAbs', 'maxAbs'] as const) {
    const want = measure(xs, { kind });
    for (const threads of TEAMS) expect(measure(xs, { kind }, { threads })).toEqual(want);
    for (const isa of ISAS.filter((i) => i !== 'x86_64')) expect(measure(xs, { kind }, { isa })).toEqual(want);
  }
});
