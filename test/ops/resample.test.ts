// resample.test.ts: padding and upsampling against PyTorch in f64 (golden/nn/resample.json, made by make_resample.py), and what they refuse.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { grad } from '../../lib/autodiff/grad.ts';
import { OptionError } from '../../lib/errors.ts';
import { Graph, type Tensor, type TensorLike } from '../../lib/ir/graph.ts';
import { sizeOf } from '../../lib/ir/op.ts';
import * as nn from '../../lib/nn/index.ts';
import { mul, sum } from '../../lib/ops/index.ts';
import { runGraph } from '../run-graph.ts';

interface Case {
  readonly name: string;
  readonly shape: number[];
  readonly arguments: unknown[];
  readonly x: number[];
  readonly y: { readonly shape: number[]; readonly data: number[] };
  readonly grad: number[];
}
const golden = JSON.parse(readFileSync(new URL('../golden/nn/resample.json', import.meta.url), 'utf8')) as { cases: Case[] };
type Made = new (...given: unknown[]) => { forward(x: TensorLike): Tensor };

function close(got: ArrayLike<number>, want: readonly number[]): void {
  expect(got.length).toBe(want.length);
  for (const [i, w] of want.entries()) {
    if (!(Math.abs(got[i]! - w) <= 2e-6 * Math.max(1, Math.abs(w)))) expect.fail(`element ${i}: expected ${w}, got ${got[i]}`);
  }
}

describe('as in PyTorch: shape, value, gradient', () => {
  test.each(golden.cases.map((c) => [`${c.name} ${JSON.stringify(c.arguments)} [${c.shape}]`, c] as const))('%s', (_, c) => {
    const layer = new (nn as unknown as Record<string, Made>)[c.name]!(...c.arguments);
    const graph = new Graph('train');
    const x = graph.input('x', { dtype: 'f32', shape: c.shape }, 'feed');
    const y = layer.forward(x);
    expect(y.shape).toEqual(c.y.shape);
    const weights = Float32Array.from({ length: sizeOf(y.shape) }, (_, i) => (i % 7) + 1);
    const [dx] = grad(sum(mul(y, graph.constant(weights, y.shape, 'f32')), { dtype: 'f64' }), [x]);
    graph.output('y', y);
    graph.output('dx', dx!);
    const got = runGraph(graph, { inputs: { x: Float64Array.from(c.x) }, threads: 2 });
    close(got.get('y')!, c.y.data);
    close(got.get('dx')!, c.grad);
  });
});

test('wrong use', () => {
  const x = (...shape: number[]): Tensor => new Graph().input('x', { dtype: 'f32', shape }, 'feed');
  expect(() => new nn.ZeroPad2d([1, 2])).toThrow(/nn.ZeroPad2d: argument padding: expected a list of 4, got an array of 2/);
  expect(() => new nn.ZeroPad1d(-1)).toThrow(
    /nn.ZeroPad1d: argument padding: expected a whole number >= 0 and <= 2147483647, got -1/,
  );
  expect(() => new nn.ReflectionPad1d(3).forward(x(1, 1, 3))).toThrow(
    /ReflectionPad1d: expected at least 4 elements along axis 2, got \[1,1,3\]/,
  );
  expect(() => new nn.CircularPad1d([0, 4]).forward(x(1, 1, 3))).toThrow(/CircularPad1d: expected at least 4 elements/);
  expect(() => new nn.ReplicationPad2d(1).forward(x(2, 3))).toThrow(
    /ReplicationPad2d: expected x \[batch, channels, height, width\]/,
  );
  expect(() => new nn.Upsample({})).toThrow(/Upsample: expected either option size or option scaleFactor/);
  expect(() => new nn.Upsample({ size: 2, scaleFactor: 2 })).toThrow(OptionError);
  expect(() => new nn.Upsample({ size: 2, alignCorners: true })).toThrow(
    /expected mode linear, bilinear or trilinear, got nearest/,
  );
  expect(() => new nn.Upsample({ size: 2, mode: 'bicubic' as 'nearest' })).toThrow(
    /option mode: expected one of nearest, linear/,
  );
  expect(() => new nn.Upsample({ size: [2, 2] }).forward(x(1, 1, 3))).toThrow(
    /Upsample: expected x \[batch, channels, length or/,
  );
  expect(() => new nn.Upsample({ scaleFactor: 2, mode: 'bilinear' }).forward(x(1, 1, 3))).toThrow(/got \[1,1,3\]/);
  expect(() => new nn.Upsample({ scaleFactor: 0.1 }).forward(x(1, 1, 3))).toThrow(/expected at least one element each way/);
});
