// precision.test.ts: a graph's precision is that of the products that are added while it stands, and of what their gradients are made of.
import { expect, it } from 'vitest';
import { backward } from '../../lib/autodiff/grad.ts';
import { Graph } from '../../lib/ir/graph.ts';
import { f32, f64 } from '../../lib/ir/op.ts';
import { cast, mul } from '../../lib/ops/elementwise/elementwise.ts';
import { matmul } from '../../lib/ops/product/matmul.ts';
import { sum } from '../../lib/ops/reduce/reduce.ts';

it('marks products of f32, forward and backward, and nothing else', () => {
  const graph = new Graph('train');
  const w = graph.state({ name: 'w', type: f32(4, 3) });
  const x = graph.input('x', f32(2, 4), 'feed');
  const before = matmul(x, w);
  graph.precision = 'bf16';
  const after = matmul(x, w);
  matmul(graph.input('a', f64(2, 2), 'feed'), graph.input('b', f64(2, 2), 'feed'));
  const { gradients } = backward(cast(sum(mul(before, after)), 'f64'), [w]);
  graph.precision = 'f32';
  matmul(gradients[0]!, w, { transB: true });
  const marked = graph.nodes.filter((node) => 'bf16' in (node.attrs as object));
  const products = graph.nodes.filter((node) => node.op.multiplies);
  expect(products.map((node) => marked.includes(node))).toEqual([false, true, false, true, true, true, true, false]);
  expect(marked.every((node) => products.includes(node))).toBe(true);
});
