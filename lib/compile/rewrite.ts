// rewrite.ts: what all passes share: copy a graph while replacing nodes, and who reads what.
import { CONSTANT, Graph, isOp, type Node, type Tensor } from '../ir/graph.ts';

/** Every tensor that must be computed: outputs, next states, the skip decision, inputs of effects. */
export function roots(graph: Graph): Tensor[] {
  const found = [...graph.outputs.values(), ...graph.assigns.map((a) => a.value)];
  if (graph.skip) found.push(graph.skip);
  for (const node of graph.nodes) if (node.op.effect) found.push(...node.ins);
  return found;
}

/** The tensors of a graph, numbered: what passes keep of each lies in arrays, since maps of large graphs take long. */
export class Numbers {
  /** How many there are. */
  readonly count: number;
  /** By the id of a node: the number of its first output. */
  readonly #first: Int32Array;

  constructor({ nodes }: Graph) {
    this.#first = new Int32Array(nodes.length);
    let count = 0;
    for (let id = 0; id < nodes.length; id++) {
      this.#first[id] = count;
      count += nodes[id]!.outs.length;
    }
    this.count = count;
  }

  of(t: Tensor): number {
    return this.#first[t.node.id]! + t.index;
  }
}

/** Who reads the tensors of a graph. */
export class Readers {
  readonly #numbers: Numbers;
  /** By the number of a tensor: how often it is used, as an operand or as a root. */
  readonly #uses: Int32Array;
  /** By the number of a tensor: where its readers begin among all, each node once. */
  readonly #begin: Int32Array;
  readonly #readers: Node[];

  constructor(graph: Graph) {
    const { nodes } = graph;
    this.#numbers = new Numbers(graph);
    const { count } = this.#numbers;
    this.#uses = new Int32Array(count);
    this.#begin = new Int32Array(count + 1);
    this.#each(nodes, (at, repeated) => {
      this.#uses[at]!++;
      if (!repeated) this.#begin[at + 1]!++;
    });
    for (let at = 0; at < count; at++) this.#begin[at + 1]! += this.#begin[at]!;
    this.#readers = new Array<Node>(this.#begin[count]!);
    const filled = this.#begin.slice();
    this.#each(nodes, (at, repeated, node) => {
      if (!repeated) this.#readers[filled[at]!++] = node;
    });
    for (const t of graph.outputs.values()) this.#uses[this.#at(t)]!++;
    for (const a of graph.assigns) this.#uses[this.#at(a.value)]!++;
    if (graph.skip) this.#uses[this.#at(graph.skip)]!++;
  }

  /** How often a tensor is used, as an operand or as a root. */
  uses(t: Tensor): number {
    return this.#uses[this.#at(t)]!;
  }

  /** The nodes that read it, each once, in order. */
  of(t: Tensor): readonly Node[] {
    const at = this.#at(t);
    return this.#readers.slice(this.#begin[at]!, this.#begin[at + 1]!);
  }

  /** The node that alone reads it, as one operand, where it is no root. */
  only(t: Tensor): Node | undefined {
    const at = this.#at(t);
    // A root that no node reads is used once, too.
    return this.#uses[at] === 1 && this.#begin[at]! < this.#begin[at + 1]! ? this.#readers[this.#begin[at]!] : undefined;
  }

  /** Whether nodes alone use it, all of them among these, and no output or next state. */
  within(t: Tensor, nodes: ReadonlySet<Node>): boolean {
    const at = this.#at(t);
    let left = this.#uses[at]!;
    for (let i = this.#begin[at]!; i < this.#begin[at + 1]!; i++) {
      const reader = this.#readers[i]!;
      if (!nodes.has(reader)) return false;
      for (const x of reader.ins) if (x === t) left--;
    }
    return left === 0;
  }

  #at(t: Tensor): number {
    return this.#numbers.of(t);
  }

  /** Each operand of each node: the number of its tensor, and whether an operand before it of the same node is the same. */
  #each(nodes: readonly Node[], see: (at: number, repeated: boolean, node: Node) => void): void {
    for (let id = 0; id < nodes.length; id++) {
      const node = nodes[id]!;
      const { ins } = node;
      for (let i = 0; i < ins.length; i++) see(this.#at(ins[i]!), ins.indexOf(ins[i]!) < i, node);
    }
  }
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
    target.gradientOf = node.gradientOf;
    outs[node.id] = visit(node, target, moved) ?? target.copy(node, node.ins.map(moved)).outs;
  }
  for (const [name, t] of graph.outputs) target.output(name, moved(t));
  for (const a of graph.assigns) target.copyAssign(a, moved(a.value));
  if (graph.skip) target.skip = moved(graph.skip);
  return target;
}
