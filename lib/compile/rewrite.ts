// rewrite.ts: what all passes share: copy a graph while replacing nodes, and count uses.
import { CONSTANT, Graph, isOp, type Node, type Tensor } from '../ir/graph.ts';

/** Every tensor that must be computed: outputs, next states, the skip decision, inputs of effects. */
export function roots(graph: Graph): Tensor[] {
  const found = [...graph.outputs.values(), ...graph.assigns.map((a) => a.value)];
  if (graph.skip) found.push(graph.skip);
  for (const node of graph.nodes) if (node.op.effect) found.push(...node.ins);
  return found;
}

/** How often each tensor is used, as an operand or as a root. */
export function useCounts(graph: Graph): Map<Tensor, number> {
  const counts = new Map<Tensor, number>();
  const use = (t: Tensor): void => void counts.set(t, (counts.get(t) ?? 0) + 1);
  for (const node of graph.nodes) for (const t of node.ins) use(t);
  for (const t of graph.outputs.values()) use(t);
  for (const a of graph.assigns) use(a.value);
  if (graph.skip) use(graph.skip);
  return counts;
}

/** Operand nodes per tensor. */
export function consumers(graph: Graph): Map<Tensor, Node[]> {
  const found = new Map<Tensor, Node[]>();
  for (const node of graph.nodes) {
    for (const t of node.ins) {
      const list = found.get(t);
      if (!list) found.set(t, [node]);
      else if (list.at(-1) !== node) list.push(node);
    }
  }
  return found;
}

/**
 * What a visitor gives for a node: its outputs in the new graph (none, if others took over what it does), or null to copy the node
 * as it is. `moved` gives the new tensor for any earlier one, such as an operand; undefined where the visitor gave none.
 */
export type Visit = (node: Node, target: Graph, moved: (t: Tensor) => Tensor) => readonly Tensor[] | null;

/**
 * A copy of the graph in which `visit` may replace each of `nodes`, which come after what they read; others are dropped, and so are
 * constants that nobody asks for.
 */
export function rewrite(graph: Graph, visit: Visit, nodes: readonly Node[] = graph.nodes): Graph {
  const target = new Graph(graph.mode);
  const outs: (readonly Tensor[])[] = new Array(graph.nodes.length); // in the target, by the id of the node
  const moved = (t: Tensor): Tensor => {
    const { id } = t.node;
    if (outs[id] === undefined && isOp(t.node, CONSTANT)) outs[id] = target.copy(t.node, []).outs;
    return outs[id]?.[t.index] as Tensor;
  };
  for (const node of nodes) {
    if (isOp(node, CONSTANT)) continue;
    target.section = node.section;
    target.round = node.round;
    outs[node.id] = visit(node, target, moved) ?? target.copy(node, node.ins.map(moved)).outs;
  }
  for (const [name, t] of graph.outputs) target.output(name, moved(t));
  for (const a of graph.assigns) target.copyAssign(a, moved(a.value));
  if (graph.skip) target.skip = moved(graph.skip);
  return target;
}
