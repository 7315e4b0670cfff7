// join-syncs.ts: one exchange for all that processes sum together at one place of a step; of the last what is large begins to travel before the backward
// pass ends.
import { type Graph, inSection, isLeaf, isOp, type Node, type Tensor } from '../ir/graph.ts';
import { bytesOf } from '../ir/op.ts';
import { ACCUMULATE, HEAD } from '../ops/step/accumulate.ts';
import { SMALL, SYNC, SYNC_BEGIN, type SyncAttrs } from '../ops/step/sync.ts';
import { stagesOf } from './order.ts';
import { Readers, rewrite } from './rewrite.ts';

/** What is summed, and what its sum is divided by. */
interface Summed {
  readonly of: Tensor;
  readonly by: Tensor | null;
  /** It travels as bf16. */
  readonly rounded: boolean;
}

/** Micro-batches before the step's end, and what all of them wait for behind what it is made of. */
const inSections = (graph: Graph): Node[] => [
  ...graph.nodes.filter(isLeaf),
  ...stagesOf(graph).flatMap(({ each, once }) => [...each, ...once]),
  ...graph.nodes.filter((n) => n.section === 'apply' && !isLeaf(n)),
];

/** Those of one place, as one. */
class Joined {
  readonly #places: ReadonlyMap<Node, readonly number[]>;
  readonly #all: Summed[] = [];
  readonly #by: readonly number[];
  #outs: readonly Tensor[] | null = null;

  constructor(syncs: readonly Node<SyncAttrs>[]) {
    const summedBy = ({ ins, attrs: { by, rounded } }: Node<SyncAttrs>): number[] =>
      ins.map((of, k) => this.#placeOf({ of, by: by[k]! < 0 ? null : ins[by[k]!]!, rounded: rounded[k]! }));
    this.#places = new Map(syncs.map((node) => [node as Node, summedBy(node)]));
    this.#by = this.#all.map((s) => (s.by ? this.#placeOf({ of: s.by, by: null, rounded: false }) : -1));
  }

  #placeOf(given: Summed): number {
    const at = this.#all.findIndex((s) => s.of === given.of && s.by === given.by);
    return at >= 0 ? at : this.#all.push(given) - 1;
  }

  outsOf(node: Node, target: Graph, moved: (t: Tensor) => Tensor): readonly Tensor[] {
    this.#outs ??= inSection(target, node.section, () => {
      const ins = this.#all.map(({ of }) => moved(of));
      const none = this.#by.map(() => false);
      const attrs = { by: this.#by, begun: none, rounded: this.#all.map((s) => s.rounded), part: none };
      return target.add(SYNC, ins, attrs).outs;
    });
    return this.#places.get(node)!.map((k) => this.#outs![k]!);
  }
}

/** What is summed over processes are sums over micro-batches, so that none depends on another of its place: all are there where what is done once begins. */
export function joinSyncs(graph: Graph): Graph {
  if (!graph.nodes.some((node) => isOp(node, SYNC))) return graph;
  const joined = new Map<Node, Joined>();
  const apply = graph.nodes.filter((node) => node.section === 'apply');
  for (const once of [...stagesOf(graph).map((stage) => stage.once), apply]) {
    const syncs = once.filter((node): node is Node<SyncAttrs> => isOp(node, SYNC));
    const all = new Joined(syncs);
    for (const node of syncs) joined.set(node as Node, all);
  }
  return rewrite(graph, (node, target, moved) => joined.get(node)?.outsOf(node, target, moved) ?? null, inSections(graph));
}

/**
 * Sums over micro-batches are made where what they add is there, in place of at the end of the backward pass; and of a large one the sum over processes
 * begins right behind it, unless micro-batches wait for each other. The order of those that begin is that of the program, the same in all processes.
 */
export function beginSyncs(graph: Graph): Graph {
  const sync = graph.nodes.find((node) => isOp(node, SYNC));
  // Between the stages of a backward pass others travel, one after the other.
  if (!sync || !isOp(sync, SYNC) || graph.nodes.some((node) => node.section === 'joint')) return graph;
  const readers = new Readers(graph);
  const { by, rounded, part } = sync.attrs;
  const isLarge = (k: number): boolean => bytesOf(sync.ins[k]!.type) > SMALL;
  /** By the node that gives some of its inputs, which of them those are. */
  const inputs = new Map<Node, number[]>();
  for (const [k, t] of sync.ins.entries()) {
    const begins = (isLarge(k) && readers.only(t) === sync) || by.some((of, j) => of === k && isLarge(j));
    if (begins && t.node.section === 'micro') inputs.set(t.node, [...(inputs.get(t.node) ?? []), k]);
  }
  const begun = new Map<number, Tensor>();
  let place: Tensor | null = null;
  return rewrite(
    graph,
    (node, target, moved) => {
      const begin = (k: number, x: Tensor): Tensor => {
        const divisor = by[k]! < 0 ? [] : [begun.get(by[k]!)!];
        const ins = [x, place ?? target.constant(new Int32Array(1), [], 'i32'), ...divisor];
        const [begins, next] = inSection(
          target,
          'micro',
          () => target.add(SYNC_BEGIN, ins, { rounded: rounded[k]!, part: part[k]! }).outs,
        );
        begun.set(k, begins!);
        place = next!;
        return begins!;
      };
      const some = inputs.get(node);
      if (some && !isLeaf(node)) {
        const outs = [...target.copy(node, node.ins.map(moved)).outs];
        for (const k of some) {
          const of = by[k]!;
          // How many rows there are is known from the start.
          if (of >= 0 && !begun.has(of) && isLeaf(sync.ins[of]!.node)) begin(of, moved(sync.ins[of]!));
          // What counts may be known later than what it divides: that waits for all others.
          if (of >= 0 && !begun.has(of)) continue;
          const { index } = sync.ins[k]!;
          const begins = begin(k, outs[index]!);
          if (isLarge(k)) outs[index] = begins;
        }
        return outs;
      }
      if (node !== sync) return null;
      // Those that have begun come first, in their order.
      const order = [...new Set([...begun.keys(), ...sync.ins.keys()])];
      const { outs } = target.add(
        SYNC,
        order.map((k) => begun.get(k) ?? moved(sync.ins[k]!)),
        {
          by: order.map((k) => (by[k]! < 0 ? -1 : order.indexOf(by[k]!))),
          begun: order.map((k) => begun.has(k)),
          rounded: order.map((k) => rounded[k]!),
          part: order.map((k) => part[k]!),
        },
      );
      return sync.ins.map((_, k) => outs[order.indexOf(k)]!);
    },
    early(inSections(graph), new Set([...inputs.keys()].flatMap(sumOf))),
  );
}

/** What makes a sum over micro-batches, where it is one. */
const sumOf = (node: Node): Node[] => (isOp(node, HEAD) && isOp(node.ins[0]!.node, ACCUMULATE) ? [node.ins[0]!.node, node] : []);

/** The same nodes, some of them as soon as what they read is there. */
function early(nodes: readonly Node[], some: ReadonlySet<Node>): Node[] {
  const order = nodes.filter(isLeaf);
  const there = new Set<Node>(order);
  let waiting = nodes.filter((node) => some.has(node));
  const add = (node: Node): void => {
    order.push(node);
    there.add(node);
    // What one of them gives may be what the next one waits for.
    for (let last = -1; last !== waiting.length; ) {
      last = waiting.length;
      waiting = waiting.filter((w) => {
        if (!w.ins.every((t) => there.has(t.node))) return true;
        order.push(w);
        there.add(w);
        return false;
      });
    }
  };
  for (const node of nodes) if (!some.has(node) && !there.has(node)) add(node);
  return [...order, ...waiting];
}
