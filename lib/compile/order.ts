// order.ts: the order in which nodes run, and which of them a skipped step leaves out.
import { GraphError } from '../errors.ts';
import { type Graph, isLeaf, type Node } from '../ir/graph.ts';
import { isPending } from '../ir/recompute.ts';

export interface Order {
  /** Nodes that make instructions or aliases, in order; leaves are left out. */
  readonly nodes: readonly Node[];
  /** nodes[0, microEnd) are the micro section, with what is joint. */
  readonly microEnd: number;
  /** Where it is cut, as `cuts` of a program. */
  readonly cuts: readonly number[];
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

/** What is done for each micro-batch, and then once, when all have come there. */
export interface StageNodes {
  readonly each: readonly Node[];
  readonly once: readonly Node[];
}

/**
 * The micro section in the order of construction, cut before each node that reads what is joint of the stage before. Leaves are left out.
 * @throws GraphError where a micro-batch reads a joint value that no state holds
 */
export function stagesOf({ nodes }: Graph): StageNodes[] {
  let stage = { each: [] as Node[], once: [] as Node[] };
  const stages = [stage];
  const open = new Set<Node>();
  for (const node of nodes) {
    if (isLeaf(node) || node.section === 'apply') continue;
    if (node.section === 'joint') {
      stage.once.push(node);
      open.add(node);
      continue;
    }
    for (const { node: read } of node.ins) {
      // Micro-batches have no arena in common.
      if (read.section === 'joint' && !read.ins.some(isPending))
        throw new GraphError(`order: ${node.op.name} reads ${read.op.name}, which is joint`);
    }
    if (node.ins.some((t) => open.has(t.node))) {
      stage = { each: [], once: [] };
      stages.push(stage);
      open.clear();
    }
    stage.each.push(node);
  }
  return stages;
}

/**
 * Micro section, then what of `apply` the skip decision may need, then what it lets pass. Within each part the order of construction:
 * a backward pass comes out with gradients freed as early as they can be.
 */
export function orderOf(graph: Graph): Order {
  const skippable = skippableNodes(graph);
  const free: Node[] = [];
  const kept: Node[] = [];
  for (const node of graph.nodes) {
    if (isLeaf(node)) continue;
    if (skippable.has(node)) {
      if (node.section !== 'apply')
        throw new GraphError(`order: ${node.op.name} is skippable but in the ${node.section} section`);
      kept.push(node);
    } else if (node.section === 'apply') free.push(node);
  }
  const stages = stagesOf(graph);
  const micro: Node[] = [];
  const cuts: number[] = [];
  for (const { each, once } of stages) {
    micro.push(...each);
    cuts.push(micro.length);
    micro.push(...once);
    cuts.push(micro.length);
  }
  // What follows the last joint nodes is for each micro-batch, however little it is.
  if (stages.at(-1)!.once.length === 0) cuts.splice(-2);
  if (graph.skip && skippable.has(graph.skip.node)) throw new GraphError('order: the skip decision depends on an update');
  for (const a of graph.assigns) {
    if (a.always && skippable.has(a.value.node))
      throw new GraphError(`order: ${a.state.name} is assigned always, from an update`);
  }
  return { nodes: [...micro, ...free, ...kept], microEnd: micro.length, cuts, skippableFrom: micro.length + free.length };
}
