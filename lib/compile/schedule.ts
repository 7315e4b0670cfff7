// schedule.ts: the order in which nodes run, and which of them a skipped step leaves out.
import { GraphError } from '../errors.ts';
import { type Graph, isLeaf, type Node } from '../ir/graph.ts';

export interface Schedule {
  /** Nodes that make instructions or aliases, in order; leaves are left out. */
  readonly nodes: readonly Node[];
  /** nodes[0, microEnd) are the micro section. */
  readonly microEnd: number;
  /** The skip decision is taken before nodes[guardStart]; from there on instructions do nothing in a skipped step. */
  readonly guardStart: number;
}

/** What a skipped step leaves out: updates, and what depends on them. */
export function guardedNodes(graph: Graph): Set<Node> {
  const guarded = new Set<Node>();
  for (const node of graph.nodes) {
    if (node.op.guarded || node.ins.some((t) => guarded.has(t.node))) guarded.add(node);
  }
  return guarded;
}

/**
 * Micro section, then what of `apply` the skip decision may need, then what it guards. Within each part the order of construction:
 * a backward pass comes out with gradients freed as early as they can be.
 */
export function schedule(graph: Graph): Schedule {
  const guarded = guardedNodes(graph);
  const micro: Node[] = [];
  const free: Node[] = [];
  const kept: Node[] = [];
  for (const node of graph.nodes) {
    if (isLeaf(node)) continue;
    if (guarded.has(node)) {
      if (node.section === 'micro') throw new GraphError(`schedule: ${node.op.name} is guarded but in the micro section`);
      kept.push(node);
    } else if (node.section === 'micro') micro.push(node);
    else free.push(node);
  }
  if (graph.skip && guarded.has(graph.skip.node)) throw new GraphError('schedule: the skip decision depends on an update');
  for (const a of graph.assigns) {
    if (a.always && guarded.has(a.value.node))
      throw new GraphError(`schedule: ${a.state.name} is assigned always, from an update`);
  }
  return { nodes: [...micro, ...free, ...kept], microEnd: micro.length, guardStart: micro.length + free.length };
}
