// simplify.ts: drop nodes nothing needs, and merge nodes that compute the same (common-subexpression elimination).
import { CONSTANT, type Graph, isLeaf, isOp, type Node } from '../ir/graph.ts';
import { attrsKey, numberText } from '../ir/print.ts';
import { rewrite, roots } from './rewrite.ts';

/** What outputs, states, effects and the skip decision need. */
export function liveNodes(graph: Graph): Set<Node> {
  const live = new Set<Node>();
  for (const root of roots(graph)) live.add(root.node);
  for (let id = graph.nodes.length - 1; id >= 0; id--) {
    const node = graph.nodes[id]!;
    if (node.op.effect) live.add(node);
    if (live.has(node)) for (const t of node.ins) live.add(t.node);
  }
  return live;
}

/** Keep only those. */
export function dropUnused(graph: Graph): Graph {
  const live = liveNodes(graph);
  if (live.size === graph.nodes.length) return graph;
  return rewrite(
    graph,
    () => null,
    graph.nodes.filter((node) => live.has(node)),
  );
}

/**
 * Merge equal nodes: same op, operands, attributes and section. Random ops carry a key in their attributes, so they stay apart; what a backward
 * pass computes again stays apart from what it repeats.
 */
export function cse(graph: Graph): Graph {
  const seen = new Map<string, Node>();
  const first = new Map<Node, Node>(); // of nodes that repeat an earlier one
  for (const node of graph.nodes) {
    if (node.op.effect || (isLeaf(node) && !isOp(node, CONSTANT))) continue;
    const key = keyOf(node, first);
    const known = key === null ? undefined : seen.get(key);
    if (known) first.set(node, known);
    else if (key !== null) seen.set(key, node);
  }
  if (first.size === 0) return graph;
  return rewrite(graph, (node, _target, moved) => first.get(node)?.outs.map(moved) ?? null);
}

function keyOf(node: Node, first: ReadonlyMap<Node, Node>): string | null {
  if (isOp(node, CONSTANT)) {
    const { data } = node.attrs;
    return data.length > 16 ? null : `constant ${node.out.dtype}[${node.out.shape}] ${Array.from(data, numberText)}`;
  }
  const operands = node.ins.map((t) => `${(first.get(t.node) ?? t.node).id}.${t.index}`).join(',');
  return `${node.section} ${node.round} ${node.op.name}(${operands}) ${attrsKey(node.attrs)}`;
}
