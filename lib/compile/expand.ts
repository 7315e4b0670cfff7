// expand.ts: compounds (ops/elementwise/compounds.ts) become the operations that they are made of, and what only gradients look at is left out. After
// what is the same was merged: what forward and backward pass both compute of x, each computes for itself, since memory is slower.
import { type Graph, isOp, type Node, type Tensor } from '../ir/graph.ts';
import type { MapArg } from '../ops/elementwise/chain.ts';
import { partsOf } from '../ops/elementwise/compounds.ts';
import { apply } from '../ops/elementwise/maps.ts';
import { SYNCED_NORM } from '../ops/norm/synced-norm.ts';
import { STOP, STRAIGHT } from '../ops/step/stop.ts';
import { rewrite } from './rewrite.ts';
import { liveNodes } from './simplify.ts';

/** It is its first input. */
const isThat = (node: Node): boolean => isOp(node, STOP) || isOp(node, STRAIGHT) || isOp(node, SYNCED_NORM);

export function expand(graph: Graph): Graph {
  if (!graph.nodes.some((node) => node.op.compound || isThat(node))) return graph;
  const live = liveNodes(graph, (node) => (isThat(node) ? [node.ins[0]!] : node.ins));
  return rewrite(
    graph,
    (node, _, moved) => {
      if (isThat(node)) return [moved(node.ins[0]!)];
      if (!node.op.compound) return null;
      const ins = node.ins.map(moved);
      const made: Tensor[] = [];
      const read = (a: MapArg): Tensor | number => (typeof a === 'number' ? a : 'in' in a ? ins[a.in]! : made[a.step]!);
      for (const { map, args } of partsOf(node)) made.push(apply(map, ...args.map(read)));
      return [made.at(-1)!];
    },
    live,
  );
}
