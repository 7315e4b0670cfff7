// elementwise.test.ts: gradients where finite differences say nothing: kinks, ties, bounds, zeros, as PyTorch 2.13 gives them.
import { describe, expect, it } from 'vitest';
import { grad } from '../../lib/autodiff/grad.ts';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import type { RefArray } from '../../lib/ir/op.ts';
import * as ops from '../../lib/ops/index.ts';
import { interpret } from '../interpret.ts';
import { runGraph } from '../run-graph.ts';

/** Gradients of sum(f(...xs)) through the compiled program (fused), checked against the interpreted graph. */
function gradients(f: (...xs: Tensor[]) => Tensor, ...xs: number[][]): number[][] {
  const g = new Graph();
  const ins = xs.map((x, i) => g.input(`x${i}`, { dtype: 'f32', shape: [x.length] }, 'feed'));
  const dxs = grad(ops.cast(ops.sum(f(...ins)), 'f64'), ins);
  for (const [i, dx] of dxs.entries()) g.output(`d${i}`, dx!);
  const inputs = Object.fromEntries(xs.map((x, i) => [`x${i}`, Float32Array.from(x) as RefArray]));
  const values = interpret(g, { inputs });
  const run = runGraph(g, { inputs });
  return dxs.map((dx, i) => {
    const got = [...run.get(`d${i}`)!];
    for (const [e, want] of values.get(dx!)!.entries()) {
      if (Number.isFinite(want)) expect(got[e]).toBeCloseTo(want, 5);
      else expect(got[e]).toBe(want);
    }
    return got;
  });
}

describe('gradients at kinks', () => {
  it.each<[string, (...xs: Tensor[]) => Tensor, number[][], number[][]]>([
    ['relu', ops.relu, [[-1, 0, 2, NaN]], [[0, 0, 1, 1]]],
    ['abs', ops.abs, [[-1, 0, 2]], [[-1, 0, 1]]],
    ['maximum at a tie', ops.maximum, [[1, 1, 2], [1, 2, 1]], [[0.5, 0, 1], [0.5, 1, 0]]], // biome-ignore format: pairs
    ['minimum at a tie', ops.minimum, [[1, 1, 2], [1, 2, 1]], [[0.5, 1, 0], [0.5, 0, 1]]], // biome-ignore format: pairs
    ['clamp at the bounds', (x) => ops.clamp(x, { min: -1, max: 2 }), [[-1.5, -1, 0, 2, 2.5]], [[0, 1, 1, 1, 0]]],
    ['clamp below only', (x) => ops.clamp(x, { min: 0 }), [[-1, 0, 1]], [[0, 1, 1]]],
    ['clamp to tensors', (x, lo) => ops.clamp(x, { min: lo }), [[-1, 0, 3], [0, 0, 2]], [[0, 1, 1], [1, 0, 0]]], // biome-ignore format: pairs
    ['sqrt at 0', ops.sqrt, [[0, 4]], [[Infinity, 0.25]]],
    ['pow at base and exponent 0', ops.pow, [[0, 0, 2, 0], [0, 2, 0, 1]], [[0, 0, 0, 1], [0, 0, Math.fround(Math.LN2), 0]]], // biome-ignore format: pairs
    ['where', (c, a, b) => ops.where(c, a, b), [[0, 1, NaN], [1, 2, 3], [4, 5, 6]], [[0, 0, 0], [0, 1, 1], [1, 0, 0]]], // biome-ignore format: triples
    ['round', ops.round, [[0.4, 2.5]], [[0, 0]]],
    ['silu and gelu far out', (x) => ops.add(ops.silu(x), ops.gelu(x)), [[-200, 100]], [[0, 2]]],
  ])('%s', (_, f, xs, want) => {
    expect(gradients(f, ...xs).map((d) => d.map((v) => v + 0))).toEqual(want);
  });
});

it('a chain may write over its input', () => {
  const g = new Graph();
  const x = g.input('x', { dtype: 'f32', shape: [3000] }, 'feed');
  // Twice the same tensor, once through a broadcast of its sum, so that only some of the reads may share memory with the output.
  const y = ops.add(ops.mul(x, x), 1);
  const z = ops.div(ops.sub(ops.exp(ops.neg(y)), y), ops.sum(y));
  g.output('z', ops.mul(z, ops.tanh(z)));
  const inputs = { x: Float32Array.from({ length: 3000 }, (_, i) => Math.sin(i)) };
  const [want] = [...interpret(g, { inputs, f64: true })].at(-1)!.slice(1) as [RefArray];
  const got = runGraph(g, { inputs }).get('z')!;
  expect(Math.max(...got.map((v, i) => Math.abs(v - want[i]!)))).toBeLessThan(1e-6);
});

it('a cast of a cast rounds twice, and a constant may be cast', () => {
  const g = new Graph();
  const x = g.input('x', { dtype: 'f64', shape: [2] }, 'feed');
  g.output('y', ops.cast(ops.cast(x, 'f32'), 'f64'));
  g.output('u', ops.cast(ops.cast(x, 'u8'), 'f64'));
  g.output('c', ops.cast(g.scalar(0.1, 'f64'), 'f32'));
  const run = runGraph(g, { inputs: { x: Float64Array.of(0.1, 2.7) } });
  expect([...run.get('y')!]).toEqual([Math.fround(0.1), Math.fround(2.7)]);
  expect([...run.get('u')!]).toEqual([0, 2]);
  expect([...run.get('c')!]).toEqual([Math.fround(0.1)]);
});
