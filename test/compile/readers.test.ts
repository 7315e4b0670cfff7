// readers.test.ts: who reads a tensor of a graph, where outputs count as readers, too.
import { expect, it } from 'vitest';
import { Readers } from '../../lib/compile/rewrite.ts';
import { Graph } from '../../lib/ir/graph.ts';
import { f32 } from '../../lib/ir/op.ts';
import { abs, add, neg } from '../../lib/ops/elementwise/elementwise.ts';

it('a tensor that is an output alone is read by no node, least of all by that which reads the next one', () => {
  const graph = new Graph();
  const x = graph.input('x', f32(3), 'feed');
  const output = neg(x);
  const inner = abs(x);
  const both = add(inner, inner);
  const once = neg(both);
  graph.output('output', output);
  graph.output('once', once);
  graph.output('both', both);
  const readers = new Readers(graph);
  expect(readers.only(output)).toBeUndefined();
  expect(readers.of(output)).toEqual([]);
  expect(readers.uses(output)).toBe(1);
  expect(readers.only(inner)).toBeUndefined();
  expect(readers.of(inner)).toEqual([both.node]);
  expect(readers.only(both)).toBeUndefined();
  expect(readers.only(once)).toBeUndefined();
  graph.outputs.delete('both');
  expect(new Readers(graph).only(both)).toBe(once.node);
});
