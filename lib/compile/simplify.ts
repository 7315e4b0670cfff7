// simplify.ts: drop nodes nothing needs, merge nodes that compute the same (common-subexpression elimination), and fold what follows from constants.
import { CONSTANT, type Graph, isLeaf, isOp, type Node, type Tensor } from '../ir/graph.ts';
import { attrsKey, numberText } from '../ir/print.ts';
import { folder } from './fold.ts';
import { rewrite, roots } from './rewrite.ts';

/**
 * What outputs, states, effects and the skip decision need, in order.
 * @param reads the operands that count of a node; default: all
 */
export function liveNodes(graph: Graph, reads: (node: Node) => readonly Tensor[] = ({ ins }) => ins): Node[] {
  const { nodes } = graph;
  const live = new Uint8Array(nodes.length);
  for (const { node } of roots(graph)) live[node.id] = 1;
  for (let id = nodes.length - 1; id >= 0; id--) {
    const node = nodes[id]!;
    if (node.op.effect) live[id] = 1;
    if (live[id]) for (const t of reads(node)) live[t.node.id] = 1;
  }
  return nodes.filter(({ id }) => live[id]);
}

/** Keep only those. */
export function dropUnused(graph: Graph): Graph {
  const live = liveNodes(graph);
  return live.length === graph.nodes.length ? graph : rewrite(graph, () => null, live);
}

/** Drop what nothing needs, merge what is the same, and, where that is asked for, compute what follows from constants. */
export function simplify(graph: Graph, folds: boolean): Graph {
  const live = liveNodes(graph);
  const first = repeats(live);
  const sameAs = (t: Tensor): Tensor => first.get(t.node)?.outs[t.index] ?? t;
  const fold = folds ? folder(new Set(roots(graph).map(sameAs))) : null;
  return rewrite(graph, (node, target, moved) => first.get(node)?.outs.map(moved) ?? fold?.(node, target, moved) ?? null, live);
}

/**
 * Of nodes that repeat an earlier one, that one: same op, operands, attributes and section. Random ops carry a key in their attributes, so they stay
 * apart; what a backward pass computes again stays apart from what it repeats.
 */
function repeats(nodes: readonly Node[]): Map<Node, Node> {
  const first = new Map<Node, Node>();
  // By all but attributes, whose text takes long: null where there are several, of which that one decides.
  const alike = new Map<string, Node | null>();
  const seen = new Map<string, Node>();
  for (const node of nodes) {
    if (node.op.effect || (isLeaf(node) && !isOp(node, CONSTANT))) continue;
    const key = keyOf(node, first);
    if (key === null) continue;
    const before = alike.get(key);
    if (before === undefined) {
      alike.set(key, node);
      continue;
    }
    const full = (of: Node): string => `${key} ${isOp(of, CONSTANT) ? '' : attrsKey(of.attrs)}`;
    if (before) seen.set(full(before), before);
    alike.set(key, null);
    const known = seen.get(full(node));
    if (known) first.set(node, known);
    else seen.set(full(node), node);
  }
  return first;
}

function keyOf(node: Node, first: ReadonlyMap<Node, Node>): string | null {
  if (isOp(node, CONSTANT)) {
    const { data } = node.attrs;
    return data.length > 16 ? null : `constant ${node.out.dtype}[${node.out.shape}] ${Array.from(data, numberText)}`;
  }
  let operands = '';
  for (const t of node.ins) operands += `${(first.get(t.node) ?? t.node).id}.${t.index},`;
  return `${node.section} ${node.round} ${node.op.name}(${operands})`;
}
