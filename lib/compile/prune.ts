// prune.ts: drop nodes nothing needs, and merge nodes that compute the same (common-subexpression elimination).
import { CONSTANT, type Graph, isLeaf, isOp, type Node, type Tensor } from '../ir/graph.ts';
import { attrsKey, numberText } from '../ir/print.ts';
import { copyNode, rewrite, roots } from './rewrite.ts';

/** Keep only what outputs, states, effects and the skip decision need. */
export function prune(graph: Graph): Graph {
  const live = new Set<Node>();
  for (const root of roots(graph)) live.add(root.node);
  for (let id = graph.nodes.length - 1; id >= 0; id--) {
    const node = graph.nodes[id]!;
    if (node.op.effect) live.add(node);
    if (live.has(node)) for (const t of node.ins) live.add(t.node);
  }
  return rewrite(graph, () => null, live);
}

/** Merge equal nodes: same op, operands, attributes and section. Random ops carry a key in their attributes, so they stay apart. */
export function cse(graph: Graph): Graph {
  const seen = new Map<string, readonly Tensor[]>();
  return rewrite(graph, (node, ins, target) => {
    if (node.op.effect || (isLeaf(node) && !isOp(node, CONSTANT))) return null;
    const key = keyOf(node, ins);
    if (key === null) return null;
    const known = seen.get(key);
    if (known) return known;
    const outs = copyNode(node, ins, target);
    seen.set(key, outs);
    return outs;
  });
}

function keyOf(node: Node, ins: readonly Tensor[]): string | null {
  if (isOp(node, CONSTANT)) {
    const { data } = node.attrs;
    return data.length > 16 ? null : `constant ${node.out.dtype}[${node.out.shape}] ${Array.from(data, numberText)}`;
  }
  const operands = ins.map((t) => `${t.node.id}.${t.index}`).join(',');
  return `${node.section} ${node.op.name}(${operands}) ${attrsKey(node.attrs)}`;
}
