// keep.ts: activations as bf16 from the forward pass to the backward pass: what is read there was rounded, and takes half the memory meanwhile. What follows
// from other such values in little time is computed again of them, and not kept at all. Only in graphs whose `activations` ask for it.
import { type Graph, INPUT, isLeaf, isOp, type Node, type Tensor } from '../ir/graph.ts';
import { bytesOf, sizeOf } from '../ir/op.ts';
import { isPending } from '../ir/recompute.ts';
import { NARROW, WIDEN } from '../ops/elementwise/narrow.ts';
import { reshape } from '../ops/shape/shape.ts';
import { rewrite } from './rewrite.ts';
import { dropUnused } from './simplify.ts';

/** Elements below which a value is kept as it is: to convert it costs more than the memory is worth. */
const LEAST = 4096;
/** So many times the bytes of a value are written between two of its readers where the second has an f32 of its own. */
const APART = 4;

/** A value of the forward pass that the backward pass reads rounded. */
export interface Kept {
  readonly value: Tensor;
  /** Its readers there, in order: those of one group follow one another so closely that they share an f32 of it. */
  readonly groups: readonly (readonly Node[])[];
  /** Nothing of it is kept: each group has it computed again, of operands as the backward pass reads them. */
  readonly again: boolean;
}

/**
 * What of a forward pass is read rounded: f32 that lie idle while as many bytes are written in it after they were last read there; but no statistics of
 * rows. So the forward pass alone decides it, and with it what is computed.
 */
export class Keeping {
  /** By order of construction. */
  readonly kept: readonly Kept[];
  readonly #begins = new Map<Node, Kept[]>();
  readonly #reads = new Map<Node, Set<Tensor>>();

  /** @param nodes of the graph, those that count: what nothing needs would be a reader */
  constructor(graph: Graph, nodes: readonly Node[]) {
    this.kept = keptOf(graph, nodes);
    for (const one of this.kept) {
      for (const group of one.groups) {
        this.#begins.set(group[0]!, [...this.beginningAt(group[0]!), one]);
        for (const r of group) this.#reads.set(r, (this.#reads.get(r) ?? new Set()).add(one.value));
      }
    }
  }

  /** Of whose groups this node is the first, each after those that it is computed of. */
  beginningAt(node: Node): readonly Kept[] {
    return this.#begins.get(node) ?? [];
  }

  /** The value that a node reads rounded as this operand. */
  readAs(node: Node, t: Tensor): Tensor | null {
    const value = whole(t);
    return this.#reads.get(node)?.has(value) ? value : null;
  }
}

/** A graph that keeps these as bf16: written as such where they are made, and as f32 again before each group of readers. */
export function keepRounded(graph: Graph): Graph {
  const keeping = new Keeping(graph, graph.nodes);
  if (keeping.kept.length === 0) return graph;
  const narrowed = new Map<Tensor, Tensor | null>();
  for (const { value, again } of keeping.kept) if (!again) narrowed.set(value, null);
  /** The values as f32, as the backward pass reads them now. */
  const rounded = new Map<Tensor, Tensor>();
  const rewritten = rewrite(graph, (node, target, moved) => {
    for (const { value, again } of keeping.beginningAt(node)) {
      const operand = (t: Tensor): Tensor => (rounded.has(whole(t)) ? reshape(rounded.get(whole(t))!, t.shape) : moved(t));
      const now = again
        ? target.copy(value.node, value.node.ins.map(operand)).outs[value.index]!
        : target.add(WIDEN, [narrowed.get(value)!], {}).out;
      rounded.set(value, now);
    }
    const ins = node.ins.map((t) => {
      const value = keeping.readAs(node, t);
      return value ? reshape(rounded.get(value)!, t.shape) : moved(t);
    });
    const { outs } = target.copy(node, ins);
    for (const [i, t] of node.outs.entries()) if (narrowed.has(t)) narrowed.set(t, target.add(NARROW, [outs[i]!], {}).out);
    return outs;
  });
  return dropUnused(rewritten);
}

function keptOf(graph: Graph, nodes: readonly Node[]): Kept[] {
  const { readers, elsewhere } = readersOf(graph, nodes);
  const written = new Written(graph, nodes);
  const kept: Kept[] = [];
  // From the last one back: what is computed again reads its operands.
  for (const node of nodes.toReversed()) {
    if (!isComputed(node) || isBackward(node)) continue;
    for (const value of large(node)) {
      if (value.dtype !== 'f32' || elsewhere.has(value) || node.op.saved?.includes(value.index)) continue;
      const all = readers.get(value) ?? [];
      const last = all.findLast((r) => !isBackward(r)) ?? node;
      const later = all.filter((r) => r.id > last.id);
      if (later.length === 0 || written.forward(last, later[0]!) < bytesOf(value.type)) continue;
      const groups: Node[][] = [];
      for (const [i, r] of later.entries()) {
        const apart = i === 0 || written.all(later[i - 1]!, r) >= APART * bytesOf(value.type);
        if (apart) groups.push([r]);
        else groups.at(-1)!.push(r);
      }
      const again = isAgain(value, groups, readers);
      for (const x of again ? node.ins.map(whole) : []) {
        const of = new Set([...(readers.get(x) ?? []), ...groups.map(([first]) => first!)]);
        readers.set(
          x,
          [...of].sort((a, b) => a.id - b.id),
        );
      }
      kept.push({ value, groups, again });
    }
  }
  return kept.reverse();
}

/** The nodes of the micro section that read a value or reshapes of it, in order; and the values that others read, which live on as they are. */
function readersOf(graph: Graph, nodes: readonly Node[]): { readers: Map<Tensor, Node[]>; elsewhere: Set<Tensor> } {
  const readers = new Map<Tensor, Node[]>();
  const elsewhere = new Set(graph.skip ? [graph.skip] : []);
  for (const t of graph.outputs.values()) elsewhere.add(whole(t));
  for (const a of graph.assigns) elsewhere.add(whole(a.value));
  for (const node of nodes) {
    for (const t of new Set(node.ins.map(whole))) {
      if (node.section !== 'micro') elsewhere.add(t);
      else if (!isReshape(node)) readers.set(t, [...(readers.get(t) ?? []), node]);
    }
  }
  return { readers, elsewhere };
}

/** Bytes of large values that are written between two nodes, both excluded. */
class Written {
  /** By the id of a node: in all before it. */
  readonly #forward: Float64Array;
  readonly #all: Float64Array;

  constructor(graph: Graph, nodes: readonly Node[]) {
    this.#forward = new Float64Array(graph.nodes.length + 1);
    this.#all = new Float64Array(graph.nodes.length + 1);
    for (const node of nodes) {
      const bytes = isComputed(node) ? large(node).reduce((sum, t) => sum + bytesOf(t.type), 0) : 0;
      this.#all[node.id + 1] = bytes;
      this.#forward[node.id + 1] = isBackward(node) ? 0 : bytes;
    }
    for (const sums of [this.#forward, this.#all]) for (let id = 1; id < sums.length; id++) sums[id]! += sums[id - 1]!;
  }

  forward(after: Node, before: Node): number {
    return this.#forward[before.id]! - this.#forward[after.id + 1]!;
  }

  all(after: Node, before: Node): number {
    return this.#all[before.id]! - this.#all[after.id + 1]!;
  }
}

/** Whether to compute a value again takes nothing that is not there: its operands are leaves, batches, or read as late anyway. */
function isAgain(
  { node, index }: Tensor,
  groups: readonly (readonly Node[])[],
  readers: ReadonlyMap<Tensor, readonly Node[]>,
): boolean {
  if (!node.op.light || index > 0) return false;
  const latest = groups.at(-1)![0]!.id;
  const isThere = (t: Tensor): boolean =>
    isLeaf(t.node) || isBatch(t.node) ? !isPending(t) : readers.get(t)!.some((r) => r.id >= latest && isBackward(r));
  return node.ins.map(whole).every(isThere);
}

/** Whether it belongs to a backward pass, or to what that computes again of a checkpointed call. */
const isBackward = (node: Node): boolean => node.gradientOf !== null || node.round > 0;

const isComputed = (node: Node): boolean => node.section === 'micro' && !isLeaf(node) && !isReshape(node) && !isBatch(node);

/** Whether it takes a batch from a data set. That of a stream is an input itself, and neither is an activation. */
const isBatch = ({ ins }: Node): boolean => {
  const roles = ins.map(({ node }) => (isOp(node, INPUT) ? node.attrs.role : null));
  return roles.includes('data') && !roles.includes(null);
};

const large = (node: Node): readonly Tensor[] => node.outs.filter(({ shape }) => sizeOf(shape) >= LEAST);

/** The value that a tensor is, or is a reshape of. */
export function whole(t: Tensor): Tensor {
  let of = t;
  while (isReshape(of.node)) of = of.node.ins[0]!;
  return of;
}

/** Not every alias is one: the first of several tensors is less. */
const isReshape = ({ op, ins, outs }: Node): boolean => op.alias === true && sizeOf(ins[0]!.shape) === sizeOf(outs[0]!.shape);
