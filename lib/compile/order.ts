// order.ts: the order in which nodes run, and which of them a skipped step leaves out.
import { GraphError } from '../errors.ts';
import { type Graph, isLeaf, type Node } from '../ir/graph.ts';

export interface Order {
  /** Nodes that make instructions or aliases, in order; leaves are left out. */
  readonly nodes: readonly Node[];
  /** nodes[0, microEnd) are the micro section. */
  readonly microEnd: number;
  /** The skip decision is taken before nodes[skippableFrom]; from there on instructions do nothing in a skipped step. */
  readonly skippableFrom: number;
}

/** What a skipped step leaves out: updates, and what depends on them. */
export function skippableNodes(graph: Graph): Set<Node> {
  const skippable = new Set<Node>();
  for (const node of graph.nodes) {
    if (node.op.skippable || node.ins.some((t) => skippable.has(t.node))) skippable.add(node);
  }
  return skippable;
}

/**
 * Micro section, then what of `apply` the skip decision may need, then what it lets pass. Within each part the order of construction:
 * a backward pass comes out with gradients freed as early as they can be.
 */
export function orderOf(graph: Graph): Order {
  const skippable = skippableNodes(graph);
  const micro: Node[] = [];
  const free: Node[] = [];
  const kept: Node[] = [];
  for (const node of graph.nodes) {
    if (isLeaf(node)) continue;
    if (skippable.has(node)) {
      if (node.section === 'micro') throw new GraphError(`order: ${node.op.name} is skippable but in the micro section`);
      kept.push(node);
    } else if (node.section === 'micro') micro.push(node);
    else free.push(node);
  }
  if (graph.skip && skippable.has(graph.skip.node)) throw new GraphError('order: the skip decision depends on an update');
  for (const a of graph.assigns) {
    if (a.always && skippable.has(a.value.node))
      throw new GraphError(`order: ${a.state.name} is assigned always, from an update`);
  }
  return { nodes: [...micro, ...free, ...kept], microEnd: micro.length, skippableFrom: micro.length + free.length };
}
