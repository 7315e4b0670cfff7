// pool.test.ts: pooling against PyTorch in f64 (golden/nn/pool.json, made by make_pool.py), and what its layers refuse.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { grad } from '../../lib/autodiff/grad.ts';
import { OptionError, ShapeError } from '../../lib/errors.ts';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import { type RefArray, sizeOf } from '../../lib/ir/op.ts';
import * as nn from '../../lib/nn/index.ts';
import { mul, relu, reshape, sum } from '../../lib/ops/index.ts';
import { interpret } from '../interpret.ts';
import { runGraph } from '../run-graph.ts';

interface Case {
  readonly name: string;
  readonly shape: number[];
  readonly size: number & (number | null)[];
  readonly options: Record<string, never>;
  readonly x: number[];
  readonly y: { readonly shape: number[]; readonly data: number[] };
  readonly grad: number[];
}
const golden = JSON.parse(readFileSync(new URL('../golden/nn/pool.json', import.meta.url), 'utf8')) as { cases: Case[] };

const layers: Readonly<Record<string, (c: Case) => nn.Layer & nn.Module>> = {
  max_pool2d: (c) => new nn.MaxPool2d(c.size, c.options),
  max_pool1d: (c) => new nn.MaxPool1d(c.size, c.options),
  avg_pool2d: (c) => new nn.AvgPool2d(c.size, c.options),
  avg_pool1d: (c) => new nn.AvgPool1d(c.size, c.options),
  adaptive_avg_pool2d: (c) => new nn.AdaptiveAvgPool2d(c.size),
  max_pool3d: (c) => new nn.MaxPool3d(c.size, c.options),
  avg_pool3d: (c) => new nn.AvgPool3d(c.size, c.options),
  adaptive_avg_pool3d: (c) => new nn.AdaptiveAvgPool3d(c.size),
  adaptive_max_pool3d: (c) => new nn.AdaptiveMaxPool3d(c.size),
  adaptive_avg_pool1d: (c) => new nn.AdaptiveAvgPool1d(c.size),
};

/** y and the gradient of the sum of y times 1, 2, 3 .. */
function trace(shape: readonly number[], forward: (x: Tensor) => Tensor): { graph: Graph; y: Tensor; dx: Tensor } {
  const graph = new Graph('train');
  const x = graph.input('x', { dtype: 'f32', shape }, 'feed');
  const y = forward(x);
  const weights = graph.constant(
    Float32Array.from({ length: sizeOf(y.shape) }, (_, i) => i + 1),
    y.shape,
    'f32',
  );
  const [dx] = grad(sum(mul(y, weights), { dtype: 'f64' }), [x]);
  return { graph, y, dx: dx! };
}

function close(got: RefArray, want: readonly number[], within: number): void {
  expect(got.length).toBe(want.length);
  for (const [i, w] of want.entries()) {
    if (!(Math.abs(got[i]! - w) <= within * Math.max(1, Math.abs(w)))) expect.fail(`element ${i}: expected ${w}, got ${got[i]}`);
  }
}

describe('as in PyTorch: shape, value, gradient', () => {
  const named = golden.cases.map((c) => [`${c.name} [${c.shape}] ${c.size} ${JSON.stringify(c.options)}`, c] as const);
  test.each(named)('%s', (_, c) => {
    const layer = layers[c.name]!(c);
    const { graph, y, dx } = trace(c.shape, (x) => (layer as nn.MaxPool2d).forward(x));
    expect(y.shape).toEqual(c.y.shape);
    const values = interpret(graph, { inputs: { x: Float64Array.from(c.x) }, f64: true });
    close(values.get(y)!, c.y.data, 1e-9);
    close(values.get(dx)!, c.grad, 1e-9);
    graph.output('y', y);
    graph.output('dx', dx);
    const got = runGraph(graph, { inputs: { x: Float64Array.from(c.x) }, threads: 2 });
    close(got.get('y')!, c.y.data, 1e-6);
    close(got.get('dx')!, c.grad, 1e-6);
  });
});

test.each([
  ['images', [2, 3, 6, 10], () => new nn.MaxPool2d(2)],
  ['volumes', [2, 2, 4, 6, 10], () => new nn.MaxPool3d(2)],
] as const)('relu before max pooling of %s is done within it, and means the same', (_, shape, layer) => {
  const x = Float64Array.from({ length: sizeOf(shape) }, (_, i) => Math.fround(Math.sin(i * 1.7) - 0.4));
  const pooled = (hidden: boolean): { values: Map<string, RefArray>; ops: string[] } => {
    // A reshape between the two hides the relu.
    const between = (t: Tensor): Tensor => (hidden ? reshape(reshape(t, [x.length]), shape) : t);
    const { graph, y, dx } = trace(shape, (t) => layer().forward(between(relu(t))));
    graph.output('y', y);
    graph.output('dx', dx);
    return { values: runGraph(graph, { inputs: { x } }), ops: graph.nodes.map((n) => n.op.name) };
  };
  const [within, apart] = [pooled(false), pooled(true)];
  expect(within.ops).not.toContain('reluGrad');
  expect(apart.ops).toContain('reluGrad');
  for (const name of ['y', 'dx']) expect(within.values.get(name)).toEqual(apart.values.get(name));
});

test('flatten, unflatten, identity', () => {
  const graph = new Graph();
  const x = graph.input('x', { dtype: 'f32', shape: [2, 3, 4, 5] }, 'feed');
  expect(new nn.Flatten().forward(x).shape).toEqual([2, 60]);
  expect(new nn.Flatten({ startDim: 0, endDim: 1 }).forward(x).shape).toEqual([6, 4, 5]);
  expect(new nn.Flatten({ startDim: -2 }).forward(x).shape).toEqual([2, 3, 20]);
  expect(new nn.Unflatten(2, [2, -1]).forward(x).shape).toEqual([2, 3, 2, 2, 5]);
  expect(new nn.Unflatten(-1, [5, 1]).forward(x).shape).toEqual([2, 3, 4, 5, 1]);
  expect(new nn.Identity().forward(x)).toBe(x);
  expect(() => new nn.Unflatten(1, [2, -1]).forward(x)).toThrow(ShapeError);
  expect(() => new nn.Flatten({ startDim: 3, endDim: 1 }).forward(x)).toThrow(
    /Flatten: expected startDim <= endDim, got 3 and 1/,
  );
  expect(() => new nn.Flatten({ startDm: 1 } as object)).toThrow(/unknown option startDm; did you mean startDim/);
});

test('wrong use', () => {
  expect(() => new nn.MaxPool2d(0)).toThrow(
    /nn.MaxPool2d: argument kernelSize: expected a whole number >= 1 and <= 2147483647, got 0/,
  );
  expect(() => new nn.MaxPool2d([2, 2, 2])).toThrow(/argument kernelSize: expected a list of 2, got an array of 3/);
  expect(() => new nn.MaxPool2d(2, { stide: 1 } as object)).toThrow(/did you mean stride/);
  expect(() => new nn.MaxPool2d(2, { padding: 2 })).toThrow(/option padding: expected at most half a window of 2, got 2/);
  expect(() => new nn.AvgPool2d(3, { padding: [1, 2] })).toThrow(/option padding: expected at most half a window of 3, got 2/);
  expect(() => new nn.AvgPool1d(3, { divisorOverride: 2 } as object)).toThrow(OptionError);
  expect(() => new nn.AvgPool2d(3, { divisorOverride: 0 })).toThrow(
    /divisorOverride: expected a whole number >= 1 and <= 2147483647, got 0/,
  );
  expect(() => new nn.AdaptiveAvgPool2d([1, 2, 3])).toThrow(/outputSize: expected a list of 2, got an array of 3/);
  expect(() => new nn.AdaptiveAvgPool1d(0)).toThrow(/outputSize: expected a whole number >= 1 and <= 65535, got 0/);
  const graph = new Graph();
  const x = (...shape: number[]): Tensor => graph.input(`x${shape}`, { dtype: 'f32', shape }, 'feed');
  expect(() => new nn.MaxPool2d(2).forward(x(2, 3))).toThrow(
    /MaxPool2d: expected \[batch, channels, height, width\] or \[channels, height, width\], got \[2,3\]/,
  );
  expect(() => new nn.MaxPool2d(4).forward(x(1, 3, 8))).toThrow(
    /maxPool: expected at least 4 x 4 elements a plane, got \[1,3,8\]/,
  );
  expect(() => new nn.AvgPool2d(4).forward(x(1, 8, 3))).toThrow(/AvgPool2d: expected at least 4 elements along each row, got 3/);
  expect(() => new nn.MaxPool3d([2, 2])).toThrow(/argument kernelSize: expected a list of 3, got an array of 2/);
  expect(() => new nn.MaxPool3d(2, { padding: [0, 2, 0] })).toThrow(/option padding: expected at most half a window of 2, got 2/);
  expect(() => new nn.AvgPool3d(2, { divisorOverride: 0 })).toThrow(/divisorOverride: expected a whole number >= 1/);
  expect(() => new nn.AdaptiveMaxPool3d([1, 2])).toThrow(/outputSize: expected/);
  expect(() => new nn.MaxPool3d(2).forward(x(2, 3, 4))).toThrow(
    /MaxPool3d: expected \[batch, channels, depth, height, width\] or \[channels, depth, height, width\], got \[2,3,4\]/,
  );
  expect(() => new nn.MaxPool3d([4, 1, 2]).forward(x(1, 3, 8, 8))).toThrow(
    /MaxPool3d: expected at least 4 x 1 x 2 elements a volume, got \[1,3,8,8\]/,
  );
  expect(() => new nn.AvgPool3d([2, 9, 2]).forward(x(1, 3, 8, 8))).toThrow(/AvgPool3d: expected at least 2 x 9 x 2 elements/);
  expect(() => new nn.AdaptiveAvgPool3d(2).forward(x(1, 8, 0, 2))).toThrow(/expected volumes with elements, got \[1,8,0,2\]/);
  expect(() => new nn.AdaptiveAvgPool2d(2).forward(x(1, 8, 0))).toThrow(/expected planes with elements, got \[1,8,0\]/);
});
