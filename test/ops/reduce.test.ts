// reduce.test.ts: accuracy of long sums, bits that depend on neither team nor ISA, NaN, ties, and several runs of axes.
import { describe, expect, it } from 'vitest';
import { grad } from '../../lib/autodiff/grad.ts';
import { ShapeError } from '../../lib/errors.ts';
import { Graph, type Node, type Tensor } from '../../lib/ir/graph.ts';
import { type DType, sizeOf } from '../../lib/ir/op.ts';
import { addon } from '../../lib/native/addon.ts';
import * as ops from '../../lib/ops/index.ts';
import { interpret } from '../interpret.ts';
import { TEAMS } from '../kit.ts';
import { runGraph } from '../run-graph.ts';
import { refNode, runNode, sameBits } from '../run-node.ts';

const { isas } = addon();
const input = (shape: readonly number[], dtype: DType = 'f32'): Tensor => new Graph().input('x', { dtype, shape }, 'feed');

/** Numbers of mixed size and sign, the same every time. */
function noise(n: number): Float32Array {
  let s = 12345;
  return Float32Array.from({ length: n }, () => {
    s = (Math.imul(s, 1103515245) + 12345) & 0x7fffffff;
    return (s / 0x40000000 - 1) * 10 ** ((s % 7) - 3);
  });
}

/** y = op(x) through graph, compiler and kernels. */
function evaluate(shape: readonly number[], x: Float32Array, build: (x: Tensor) => Tensor, isa?: string): number[] {
  const t = input(shape);
  t.graph.output('y', build(t));
  return [...runGraph(t.graph, { inputs: { x }, ...(isa ? { isa } : {}) }).get('y')!];
}

describe.each(isas)('%s', (isa) => {
  it('sums 1e7 numbers with the error of one rounding', () => {
    const n = 10_000_000;
    const x = new Float32Array(n).fill(0.1);
    const node = ops.sum(input([n]), { dtype: 'f64' }).node;
    const got = runNode(node, [x], { isa, threads: 2 })[0]![0]!;
    expect(Math.abs(got / (Math.fround(0.1) * n) - 1)).toBeLessThan(1e-14);
    const single = runNode(ops.sum(input([n])).node, [x], { isa })[0]![0]!;
    expect(single).toBe(Math.fround(Math.fround(0.1) * n));
  });

  const shapes: [number[], number][] = [
    [[1, 40_001], 1],
    [[3, 9000], 1],
    [[1100, 67], 0],
    [[2, 1030, 70], 1],
    [[64, 256], 0],
  ];
  it.each(shapes)('the same bits for 1 to 4 threads: %s over axis %i', (shape, axis) => {
    const x = noise(sizeOf(shape));
    for (const op of [ops.sum, ops.mean, ops.max, ops.min]) {
      const { node } = op(input(shape), { axes: [axis] });
      const want = runNode(node, [x], { isa, threads: 1 })[0]!;
      for (const threads of TEAMS) expect(sameBits([runNode(node, [x], { isa, threads })[0]!], [want])).toBe(true);
      const ref = refNode(node, [x])[0]!;
      // Relative to what was summed: noise cancels.
      const errors = want.map((w: number, i: number) => Math.abs(w - ref[i]!) / Math.max(1000, Math.abs(ref[i]!)));
      expect(Math.max(...errors)).toBeLessThan(1e-6);
    }
  });

  it('max, min and argmax meet NaN as PyTorch does', () => {
    const x = new Float32Array(70).fill(1);
    x[37] = NaN;
    for (const [shape, axis] of [
      [[70], 0],
      [[2, 35], 0],
    ] as [number[], number][]) {
      for (const op of [ops.max, ops.min]) {
        const node = op(input(shape), { axes: [axis] }).node;
        expect(runNode(node, [x], { isa })[0]!).toEqual(refNode(node, [x])[0]!);
      }
    }
    expect(runNode(ops.argmax(input([70])).node, [x], { isa })[0]![0]).toBe(37);
    expect(runNode(ops.max(input([70])).node, [x], { isa })[0]![0]).toBeNaN();
  });

  it('argmax takes the first among equals', () => {
    const { node } = ops.argmax(input([2, 4]));
    expect([...runNode(node, [new Float32Array([1, 3, 3, 2, -5, -5, -5, -6])], { isa })[0]!]).toEqual([1, 0]);
  });
});

it('gives the same bits on every ISA with fma', () => {
  const x = noise(3 * 2000 * 67);
  const nodes: Node[] = [
    ops.sum(input([3, 2000, 67]), { axes: 1 }),
    ops.sum(input([402_000])),
    ops.mean(input([6, 67_000]), { axes: 1 }),
  ].map((t) => t.node);
  for (const node of nodes) {
    const bits = isas.filter((isa) => isa !== 'x86_64').map((isa) => runNode(node, [x], { isa, threads: 2 }));
    for (const b of bits) expect(sameBits(b, bits[0]!)).toBe(true);
  }
});

it('reduces axes that are no neighbors, keeps dimensions, and takes negative axes', () => {
  const x = Float32Array.from({ length: 24 }, (_, i) => i);
  const apart = evaluate([2, 3, 4], x, (t) => ops.sum(t, { axes: [0, 2] }));
  expect(apart).toEqual([0, 1, 2].map((r) => [0, 1, 2, 3, 12, 13, 14, 15].reduce((s, v) => s + v + 4 * r, 0)));
  expect(evaluate([2, 3, 4], x, (t) => ops.mean(t, { axes: [0, -1] }))).toEqual(apart.map((v) => v / 8));
  expect(evaluate([2, 3, 4], x, (t) => ops.max(t, { axes: [-3, -1] }))).toEqual([15, 19, 23]);
  expect(ops.sum(input([2, 3, 4]), { axes: [0, 2], keepDims: true }).shape).toEqual([1, 3, 1]);
  expect(ops.min(input([2, 3]), { keepDims: true }).shape).toEqual([1, 1]);
  expect(ops.sum(input([2, 3]), { dtype: 'f64' }).dtype).toBe('f64');
});

it('the gradient of max is shared by equals', () => {
  const t = input([2, 3]);
  const [dx] = grad(ops.sum(ops.max(t, { axes: [1] }), { dtype: 'f64' }), [t]);
  expect([...interpret(t.graph, { inputs: { x: new Float32Array([5, 5, 1, 0, 2, 1]) } }).get(dx!)!]).toEqual([
    0.5, 0.5, 0, 0, 1, 0,
  ]);
});

it('sums and means of nothing, and what is refused', () => {
  const none = new Float32Array(0);
  expect([...runNode(ops.sum(input([0, 2]), { axes: [0] }).node, [none])[0]!]).toEqual([0, 0]);
  expect([...runNode(ops.mean(input([0, 2]), { axes: [0] }).node, [none])[0]!]).toEqual([NaN, NaN]);
  expect(() => ops.max(input([0, 2]), { axes: [0] })).toThrow('max: expected at least one element, got none');
  expect(() => ops.sum(input([3]), { axes: [1] })).toThrow('sum: expected an axis in [-1, 1), got 1');
  expect(() => ops.sum(input([3, 2]), { axes: [0, -2] })).toThrow(ShapeError);
});
