// recompute.ts: what a backward pass computes again in place of keeping it: the nodes that a checkpointed call has added.
import { type Graph, isLeaf, isOp, type Node, STATE, type Tensor } from './graph.ts';

/** One checkpointed call: the nodes that it has added, by id. */
interface Segment {
  readonly first: number;
  readonly end: number;
}

/** What is known of a graph's checkpointed calls. */
interface Calls {
  /** Those that have returned, in order: gradients that a call takes itself are made of its own nodes. */
  readonly done: Segment[];
  /** One is being traced. */
  open: boolean;
  /** Recomputations so far. */
  rounds: number;
}

const calls = new WeakMap<Graph, Calls>();
const originals = new WeakMap<Tensor, Tensor>();

/**
 * Have backward passes compute again what `build` adds to the graph, so that nothing of it is kept but what it reads and gives. A call within
 * another is a part of that one.
 */
export function checkpoint<T>(graph: Graph, build: () => T): T {
  const of = calls.get(graph) ?? { done: [], open: false, rounds: 0 };
  if (of.open) return build();
  calls.set(graph, of);
  const first = graph.nodes.length;
  of.open = true;
  try {
    return build();
  } finally {
    of.open = false;
    of.done.push({ first, end: graph.nodes.length });
  }
}

/** What `t` repeats, where a backward pass has computed it again: a gradient with respect to the one is that of the other. */
export function originalOf(t: Tensor): Tensor {
  return originals.get(t) ?? t;
}

/** What one backward pass computes again: each segment once, where its first gradient is made. */
export class Recomputed {
  readonly #calls: Calls | undefined;
  readonly #copies = new Map<Segment, ReadonlyMap<Node, Node>>();

  constructor(graph: Graph) {
    this.#calls = calls.get(graph);
  }

  /** The node of whose operands and outputs the gradient of `node` is made. */
  of(node: Node): Node {
    const segment = this.#calls && segmentOf(this.#calls.done, node.id);
    if (!segment) return node;
    let copies = this.#copies.get(segment);
    if (!copies) {
      copies = recompute(node.graph, segment, ++this.#calls!.rounds);
      this.#copies.set(segment, copies);
    }
    return copies.get(node) ?? node;
  }
}

function segmentOf(done: readonly Segment[], id: number): Segment | undefined {
  let [low, high] = [0, done.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (done[middle]!.end > id) high = middle;
    else low = middle + 1;
  }
  const found = done[low];
  return found && found.first <= id ? found : undefined;
}

/** The nodes of a segment once more, where the graph ends now. */
function recompute(graph: Graph, { first, end }: Segment, round: number): ReadonlyMap<Node, Node> {
  const copies = new Map<Node, Node>();
  const { section, layer, gradientOf } = graph;
  for (const node of graph.nodes.slice(first, end)) {
    if (isLeaf(node) || node.op.effect || node.ins.some(isPending)) continue;
    Object.assign(graph, { section: node.section, layer: node.layer, gradientOf: node.gradientOf, round });
    const ins = node.ins.map((t) => copies.get(t.node)?.outs[t.index] ?? t);
    const copy = graph.copy(node, ins);
    for (const [i, t] of copy.outs.entries()) originals.set(t, originalOf(node.outs[i]!));
    copies.set(node, copy);
  }
  Object.assign(graph, { section, layer, gradientOf, round: 0 });
  return copies;
}

/** A micro-batch's forward pass leaves another value in it: what read it is kept. */
export const isPending = ({ node }: Tensor): boolean => isOp(node, STATE) && node.attrs.state.transient === true;
