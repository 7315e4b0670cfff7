// softmax.test.ts: no overflow, masked elements, any axis, in place, and bits that depend on neither team nor ISA.
import { describe, expect, it } from 'vitest';
import { Graph, type Node, type Tensor } from '../../lib/ir/graph.ts';
import type { DType } from '../../lib/ir/op.ts';
import { addon } from '../../lib/native/addon.ts';
import * as ops from '../../lib/ops/index.ts';
import { softmaxCrossEntropy } from '../../lib/ops/list.ts';
import { SOFTMAX_CROSS_ENTROPY_GRAD } from '../../lib/ops/reduce/cross-entropy.ts';
import { SOFTMAX_GRAD } from '../../lib/ops/reduce/softmax.ts';
import { interpret } from '../interpret.ts';
import { TEAMS } from '../kit.ts';
import { runNode, sameBits } from '../run-node.ts';

const { isas } = addon();
const input = (shape: readonly number[], dtype: DType = 'f32'): Tensor => new Graph().input('x', { dtype, shape }, 'data');
function crossEntropy(n: number, c: number): Node {
  const x = input([n, c]);
  return softmaxCrossEntropy(x, x.graph.input('y', { dtype: 'i32', shape: [n] }, 'data')).node;
}
const waves = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => 8 * Math.sin(i * i));

describe.each(isas)('%s', (isa) => {
  it('does not overflow, and takes masked elements', () => {
    const row = (op: typeof ops.softmax, ...x: number[]): number[] => [
      ...runNode(op(input([x.length])).node, [new Float32Array(x)], { isa })[0]!,
    ];
    expect(row(ops.softmax, 1e30, 1e30, -1e30)).toEqual([0.5, 0.5, 0]);
    expect(row(ops.softmax, -Infinity, 3, -Infinity)).toEqual([0, 1, 0]);
    expect(row(ops.logSoftmax, -Infinity, 3, -1e30)).toEqual([-Infinity, 0, Math.fround(-1e30)]);
    // A quarter of exp(-87) lies below 2^-126.
    expect(row(ops.softmax, 0, 0, 0, 0, -87)).toEqual([0.25, 0.25, 0.25, 0.25, 0]);
    expect(row(ops.softmax, NaN, 3)).toEqual([NaN, NaN]);
    expect(row(ops.softmax, Infinity, 3)[0]).toBeNaN();
  });

  it('cross-entropy is exact where the label is certain or hopeless', () => {
    const node = crossEntropy(3, 2);
    const x = new Float32Array([1000, 0, 0, 1000, 7, 7]);
    const loss = [...runNode(node, [x, new Int32Array([0, 0, 1])], { isa })[0]!];
    expect(loss.slice(0, 2)).toEqual([0, 1000]);
    expect(loss[2]).toBeCloseTo(Math.LN2, 15);
  });

  it('is the same in place and for any team', () => {
    const x = waves(37 * 65);
    const labels = Int32Array.from({ length: 37 }, (_, i) => i);
    const loss = crossEntropy(37, 65);
    const dloss = Float64Array.from({ length: 37 }, (_, i) => 1 / (i + 1));
    const g = loss.graph;
    const gradient = g.add(SOFTMAX_CROSS_ENTROPY_GRAD, [...loss.ins, g.input('d', { dtype: 'f64', shape: [37] }, 'data')], {
      smoothing: 0,
      ignored: null,
    });
    const y = runNode(ops.softmax(input([37, 65])).node, [x], { isa })[0]! as Float32Array;
    const back = input([37, 65]);
    const nodes: [Node, Parameters<typeof runNode>[1]][] = [
      [ops.softmax(input([37, 65])).node, [x]],
      [ops.logSoftmax(input([37, 65])).node, [x]],
      [back.graph.add(SOFTMAX_GRAD, [back, back], {}) as Node, [y, y]],
      [gradient as Node, [x, labels, dloss]],
    ];
    for (const [node, ins] of nodes) {
      const want = runNode(node, ins, { isa, threads: 1 });
      for (const threads of TEAMS) expect(sameBits(runNode(node, ins, { isa, threads }), want)).toBe(true);
      expect(sameBits(runNode(node, ins, { isa, threads: 2, inplace: [0, 0] }), want)).toBe(true);
    }
  });
});

it('gives the same bits on every ISA with fma', () => {
  const x = waves(20 * 100);
  const labels = Int32Array.from({ length: 20 }, (_, i) => i * 5);
  const nodes: [Node, Parameters<typeof runNode>[1]][] = [
    [ops.softmax(input([20, 100])).node, [x]],
    [ops.logSoftmax(input([20, 100])).node, [x]],
    [crossEntropy(20, 100), [x, labels]],
  ];
  for (const [node, ins] of nodes) {
    const bits = isas.filter((isa) => isa !== 'x86_64').map((isa) => runNode(node, ins, { isa }));
    for (const b of bits) expect(sameBits(b, bits[0]!)).toBe(true);
  }
});

it('works over any axis', () => {
  const t = input([2, 3, 2]);
  const y = ops.softmax(t, { axis: 1 });
  const values = interpret(t.graph, { inputs: { x: waves(12) } }).get(y)!;
  for (const at of [0, 1, 6, 7]) expect(values[at]! + values[at + 2]! + values[at + 4]!).toBeCloseTo(1, 6);
});
