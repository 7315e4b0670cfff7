// log-sum-exp.test.ts: values and gradients as PyTorch's, in f32 and f64; and no function of `ops` that gives numbers where tensors are meant.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { grad } from '../../lib/autodiff/grad.ts';
import { OptionError, ShapeError } from '../../lib/errors.ts';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import { addon } from '../../lib/native/addon.ts';
import * as ops from '../../lib/ops/index.ts';
import { runGraph } from '../run-graph.ts';

type Text = readonly (number | string)[];
interface Case {
  readonly shape: readonly number[];
  readonly x: Text;
  readonly axes: readonly number[];
  readonly keepDims: boolean;
  readonly out: readonly number[];
  readonly y: Text;
  readonly grad: Text;
}
const golden = JSON.parse(readFileSync(new URL('../golden/ops/log-sum-exp.json', import.meta.url), 'utf8')) as { cases: Case[] };
const numbers = (given: Text): number[] => given.map((v) => (typeof v === 'number' ? v : Number(v.replace('inf', 'Infinity'))));

/** y and the gradient of sum((1 + i) y[i]) as arrays. */
function run(c: Omit<Case, 'out' | 'y' | 'grad'>, dtype: 'f32' | 'f64', isa: string) {
  const graph = new Graph('train');
  const x = graph.input('x', { dtype, shape: c.shape }, 'feed');
  const y = ops.logSumExp(x, { axes: c.axes, keepDims: c.keepDims });
  const n = y.shape.reduce((a, b) => a * b, 1);
  const weights = graph.constant(
    Float64Array.from({ length: n }, (_, i) => i + 1),
    y.shape,
    'f64',
  );
  const [dx] = grad(ops.sum(ops.mul(ops.cast(y, 'f64'), weights)), [x]) as [Tensor];
  graph.output('y', y);
  graph.output('dx', dx);
  const out = runGraph(graph, { inputs: { x: Float64Array.from(numbers(c.x)) }, isa });
  return { shape: y.shape, dtype: y.dtype, y: out.get('y')!, dx: out.get('dx')! };
}

function close(got: ArrayLike<number>, want: readonly number[], tolerance: number, what: string): void {
  expect(got.length, what).toBe(want.length);
  want.forEach((w, i) => {
    const fits = Object.is(got[i]! + 0, w + 0) || Math.abs(got[i]! - w) <= tolerance * Math.max(1, Math.abs(w));
    expect(fits, `${what}[${i}]: ${got[i]} for ${w}`).toBe(true);
  });
}

describe.each(addon().isas)('%s', (isa) => {
  it.each(
    golden.cases.map((c) => [`[${c.shape}] over [${c.axes}]${c.keepDims ? ', kept' : ''}: ${c.x.slice(0, 2)}`, c] as const),
  )('%s', (_, c) => {
    for (const [dtype, tolerance] of [
      ['f32', 2e-7],
      ['f64', 1e-14],
    ] as const) {
      const got = run(c, dtype, isa);
      expect([got.shape, got.dtype]).toEqual([c.out, dtype]);
      close(got.y, numbers(c.y), tolerance, `${dtype} y`);
      // PyTorch's is exp(x - y), and y has the absolute error of its size.
      close(got.dx, numbers(c.grad), dtype === 'f32' ? 4e-7 : 1e-12, `${dtype} gradient`);
    }
  });
});

it('ties at 1e30 share the gradient, where y rounds to x', () => {
  const c = { shape: [2, 2], x: [1e30, 1e30, -1e30, -1e30], axes: [1], keepDims: false };
  for (const dtype of ['f32', 'f64'] as const) {
    const { y, dx } = run(c, dtype, addon().isas[0]!);
    expect([...dx]).toEqual([0.5, 0.5, 1, 1]);
    const top = dtype === 'f32' ? Math.fround(1e30) : 1e30;
    expect([...y]).toEqual([top, -top]);
  }
});

it('refuses what it cannot reduce', () => {
  const x = new Graph('eval').input('x', { dtype: 'f32', shape: [2, 3] }, 'feed');
  expect(() => ops.logSumExp(x, { axes: [2] })).toThrow(ShapeError);
  expect(() => ops.logSumExp(x, { axis: 1 } as object)).toThrow(OptionError);
});

describe('given a tensor, no function of ops gives a number', () => {
  const functions = Object.entries(ops).filter(([, f]) => typeof f === 'function') as [string, (...args: unknown[]) => unknown][];
  it.each(functions)('%s', (_, f) => {
    const graph = new Graph('train');
    const tensor = (name: string): Tensor => graph.input(name, { dtype: 'f32', shape: [3, 4] }, 'feed');
    const [x, y, z] = [tensor('x'), tensor('y'), tensor('z')];
    for (const args of [[x], [x, {}], [x, 1], [x, [1]], [x, { axes: [0] }], [x, y], [x, y, z], [[x]], [[x, y]]]) {
      let given: unknown;
      try {
        given = f(...args);
      } catch {
        continue;
      }
      expect(typeof given).not.toBe('number');
    }
  });
});
