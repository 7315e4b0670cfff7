// rewrite.ts: what all passes share: copy a graph while replacing nodes, and count uses.
import { CONSTANT, Graph, INPUT, inSection, isOp, type Node, STATE, type Tensor } from '../ir/graph.ts';

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
    for (const t of new Set(node.ins)) {
      const list = found.get(t);
      if (list) list.push(node);
      else found.set(t, [node]);
    }
  }
  return found;
}

/**
 * What a visitor gives for a node: its outputs in the new graph (none, if others took over what it does), or null to copy the node
 * as it is. `moved` gives the new tensor for any earlier one.
 */
export type Visit = (node: Node, ins: Tensor[], target: Graph, moved: (t: Tensor) => Tensor) => readonly Tensor[] | null;

/**
 * A copy of the graph in which `visit` may replace each node. Nodes outside `keep` are dropped. `ins` are the node's operands in the
 * new graph; those of a node without outputs there are undefined and must not be used.
 */
export function rewrite(graph: Graph, visit: Visit, keep?: ReadonlySet<Node>): Graph {
  const target = new Graph(graph.mode);
  const moved = new Map<Tensor, Tensor>();
  for (const node of graph.nodes) {
    if (keep && !keep.has(node)) continue;
    const ins = node.ins.map((t) => moved.get(t)!);
    inSection(target, node.section, () => {
      const outs = visit(node, ins, target, (t) => moved.get(t)!) ?? copyNode(node, ins, target);
      for (const [i, t] of outs.entries()) if (i < node.outs.length) moved.set(node.outs[i]!, t);
    });
  }
  for (const [name, t] of graph.outputs) target.output(name, moved.get(t)!);
  for (const a of graph.assigns) target.assign(a.state, moved.get(a.value)!, { always: a.always });
  if (graph.skip) target.skip = moved.get(graph.skip)!;
  return target;
}

/** The node itself in another graph. Leaves keep their identity there: one node per state and input. */
export function copyNode(node: Node, ins: readonly Tensor[], target: Graph): readonly Tensor[] {
  if (isOp(node, STATE)) return [target.state(node.attrs.state)];
  if (isOp(node, INPUT)) return [target.input(node.attrs.name, node.attrs.type, node.attrs.role)];
  if (isOp(node, CONSTANT)) return [target.constant(node.attrs.data, node.attrs.type.shape, node.attrs.type.dtype)];
  return target.add(node.op, ins, node.attrs).outs;
}
