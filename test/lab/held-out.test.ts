// held-out.test.ts: the workloads that were held out are twelve of other names, and do what workloads do.
import { expect, test } from 'vitest';
import { numbersOf } from '../../lib/lab/data/ignorant.ts';
import { HELD_OUT } from '../../lib/lab/workloads/held-out/list.ts';
import { WORKLOADS } from '../../lib/lab/workloads/list.ts';
import { checkAll } from './workload-checks.ts';

test('twelve, of which none is among the others', () => {
  expect(HELD_OUT.size).toBe(12);
  expect([...HELD_OUT.keys()].filter((name) => WORKLOADS.has(name))).toEqual([]);
  for (const [name, workload] of HELD_OUT) expect(workload.name).toBe(name);
});

checkAll(HELD_OUT);

// Losses of a constant, written down again: the least of a grid of constants is what knowing nothing costs.
const mean = (values: ArrayLike<number>, of: (value: number, i: number) => number): number =>
  Array.from(values, of).reduce((a, b) => a + b, 0) / values.length;
const least = (from: number, to: number, of: (constant: number) => number): number =>
  Math.min(...Array.from({ length: 801 }, (_, k) => of(from + ((to - from) * k) / 800)));
const known = (name: string, array = 'y'): { readonly y: ArrayLike<number>; readonly ignorant: number } => {
  const workload = HELD_OUT.get(name)!;
  const data = workload.data(3);
  return { y: numbersOf(data.test, array), ignorant: workload.ignorant(data) };
};

test('counts: half of the deviance of one mean', () => {
  const { y, ignorant } = known('counts');
  const own = (v: number): number => (v > 0 ? v * Math.log(v) - v : 0);
  expect(least(0, 6, (z) => mean(y, (v) => Math.exp(z) - v * z + own(v)))).toBeCloseTo(ignorant, 2);
});

test('quantiles: one number for each level', () => {
  const { y, ignorant } = known('quantiles');
  const of = (q: number): number => least(-6, 6, (c) => mean(y, (v) => Math.max(q * (v - c), (q - 1) * (v - c))));
  expect((of(0.1) + of(0.5) + of(0.9)) / 3).toBeCloseTo(ignorant, 3);
});

test('critic: the same for all rows', () => {
  const { y, ignorant } = known('critic');
  expect(least(-4, 4, (c) => mean(y, (v) => Math.max(0, 1 - v * c)))).toBeCloseTo(ignorant, 6);
});

test('mixture-density: one normal distribution', () => {
  const { y, ignorant } = known('mixture-density');
  const middle = mean(y, (v) => v);
  const of = (sd: number): number => mean(y, (v) => 0.5 * Math.log(2 * Math.PI) + Math.log(sd) + 0.5 * ((v - middle) / sd) ** 2);
  expect(least(1, 12, of)).toBeCloseTo(ignorant, 4);
});

test('multi-task: of both heads', () => {
  const [kinds, sizes] = [known('multi-task'), known('multi-task', 'size')];
  const shares = [0, 1, 2, 3].map((kind) => mean(kinds.y, (v) => (v === kind ? 1 : 0)));
  const middle = mean(sizes.y, (v) => v);
  const both = shares.reduce((sum, p) => sum - p * Math.log(p), 0) + mean(sizes.y, (v) => (v - middle) ** 2);
  expect(both).toBeCloseTo(kinds.ignorant, 5);
});
