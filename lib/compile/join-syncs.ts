// join-syncs.ts: one exchange for all that processes sum together, of which what is large begins to travel before the backward pass ends.
import { type Graph, inSection, isLeaf, isOp, type Node, type Tensor } from '../ir/graph.ts';
import { bytesOf } from '../ir/op.ts';
import { ACCUMULATE, HEAD } from '../ops/step/accumulate.ts';
import { SMALL, SYNC, SYNC_BEGIN } from '../ops/step/sync.ts';
import { Readers, rewrite } from './rewrite.ts';

/** What is summed, and what its sum is divided by. */
interface Summed {
  readonly of: Tensor;
  readonly by: Tensor | null;
}

/** Micro-batches before the step's end. */
const inSections = ({ nodes }: Graph): Node[] => [
  ...nodes.filter((n) => n.section === 'micro'),
  ...nodes.filter((n) => n.section === 'apply'),
];

/** What is summed over processes are sums over micro-batches, so that none depends on another: all are there where `apply` begins. */
export function joinSyncs(graph: Graph): Graph {
  const syncs = graph.nodes.filter((node) => isOp(node, SYNC));
  if (syncs.length === 0) return graph;
  const all: Summed[] = [];
  const placeOf = ({ of, by }: Summed): number => {
    const at = all.findIndex((s) => s.of === of && s.by === by);
    return at >= 0 ? at : all.push({ of, by }) - 1;
  };
  const summedBy = ({ ins, attrs }: (typeof syncs)[number]): number[] =>
    ins.map((of, k) => placeOf({ of, by: attrs.by[k]! < 0 ? null : ins[attrs.by[k]!]! }));
  const places = new Map<Node, number[]>(syncs.map((node) => [node as Node, summedBy(node)]));
  const by = all.map((s) => (s.by ? placeOf({ of: s.by, by: null }) : -1));
  let outs: readonly Tensor[] | null = null;
  return rewrite(
    graph,
    (node, target, moved) => {
      if (!isOp(node, SYNC)) return null;
      outs ??= inSection(target, 'apply', () => {
        const ins = all.map(({ of }) => moved(of));
        return target.add(SYNC, ins, { by, begun: by.map(() => false) }).outs;
      });
      return places.get(node as Node)!.map((k) => outs![k]!);
    },
    inSections(graph),
  );
}

/**
 * Sums over micro-batches are made where what they add is there, in place of at the end of the backward pass; and of a large one the sum over processes
 * begins right behind it. The order of those that begin is that of the program, the same in all processes.
 */
export function beginSyncs(graph: Graph): Graph {
  const sync = graph.nodes.find((node) => isOp(node, SYNC));
  if (!sync || !isOp(sync, SYNC)) return graph;
  const readers = new Readers(graph);
  const { by } = sync.attrs;
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
        const [begins, next] = inSection(target, 'micro', () => target.add(SYNC_BEGIN, ins, {}).outs);
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
        { by: order.map((k) => (by[k]! < 0 ? -1 : order.indexOf(by[k]!))), begun: order.map((k) => begun.has(k)) },
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
