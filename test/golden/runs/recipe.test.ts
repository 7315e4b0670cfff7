// recipe.test.ts: the recipe of the golden runs makes, in TypeScript, what it made in Python.
import { expect, it } from 'vitest';
import { charBatch, type GoldenName, golden, mlpBatch, weights } from './recipe.ts';

it.each<GoldenName>(['mlp-sgd', 'mlp-adamw', 'char-rnn-sgd'])('%s', (name) => {
  const made = golden(name);
  const initial = weights(made);
  for (const [parameter, [shape, first]] of Object.entries(made.probe.parameters)) {
    const values = initial.get(parameter)!;
    expect(values.length, parameter).toBe(shape.reduce((a, b) => a * b, 1));
    expect([...values.subarray(0, 3)], parameter).toEqual(first);
  }
  // The sums cover every element, those of a batch in the middle of the run too.
  for (const [step, sum] of Object.entries(made.probe.sums)) {
    const { x, y } = name.startsWith('mlp') ? mlpBatch(Number(step)) : charBatch(Number(step));
    expect([...x].reduce((a, b) => a + b, 0)).toBeCloseTo(sum[0], 8);
    expect([...y].reduce((a, b, i) => a + b * (i % 7), 0)).toBe(sum[1]);
  }
  expect(made.f32.loss).toHaveLength(200);
});

it('PyTorch in f32 stays with PyTorch in f64 as closely as the goldens ask of us', () => {
  const far = (a: readonly number[], b: readonly number[], from: number, to: number): number =>
    Math.max(...b.slice(from, to).map((v, i) => Math.abs(a[from + i]! - v) / v));
  for (const name of ['mlp-sgd', 'mlp-adamw', 'char-rnn-sgd'] as const) {
    const { f32, f64 } = golden(name);
    expect(far(f32.loss, f64.loss, 0, 10), name).toBeLessThan(1e-6);
    expect(far(f32.loss, f64.loss, 0, 100), name).toBeLessThan(1e-5);
    expect(far(f32.norm, f64.norm, 0, 10), name).toBeLessThan(1e-5);
    expect(far(f32.norm, f64.norm, 0, 200), name).toBeLessThan(1e-3);
  }
});
