// exact.ts: computes tensors of a graph in f64 by the ops' plain loops, one after the other: the truth that f32 is compared with.
import { CONSTANT, INPUT, type InputAttrs, isLeaf, isOp, type Node, STATE, type State, type Tensor } from '../../ir/graph.ts';
import { interpretNode } from '../../ir/interpret.ts';
import { type RefArray, type RefContext, sizeOf } from '../../ir/op.ts';
import { type Effect, type Loop, perform } from '../flow/effect.ts';

/** Where the values of leaves come from. f32 values are taken as they are: f64 holds each of them. */
export interface Leaves {
  input(attrs: InputAttrs): RefArray;
  state(state: State): RefArray;
}

/** What is computed for some tensors, in order, and what that takes. */
export interface Plan {
  readonly nodes: readonly Node[];
  /** When a tensor was read for the last time: after which of the nodes. */
  readonly freed: ReadonlyMap<number, readonly Tensor[]>;
  readonly flops: number;
  /** The most that is held at a time. */
  readonly bytes: number;
}

/** Of the nodes that `wanted` depend on. */
export function planOf(wanted: readonly Tensor[]): Plan {
  const { graph } = wanted[0]!;
  const live = new Uint8Array(graph.nodes.length);
  for (const { node } of wanted) live[node.id] = 1;
  for (let id = graph.nodes.length - 1; id >= 0; id--) if (live[id]) for (const t of graph.nodes[id]!.ins) live[t.node.id] = 1;
  const nodes = graph.nodes.filter(({ id }) => live[id]);
  const last = new Map<Tensor, number>();
  for (const [i, node] of nodes.entries()) for (const t of [...node.ins, ...node.outs]) last.set(t, i);
  for (const t of wanted) last.delete(t);
  const freed = new Map<number, Tensor[]>();
  for (const [t, i] of last) freed.set(i, [...(freed.get(i) ?? []), t]);
  let [flops, held, bytes] = [0, 0, 0];
  for (const [i, node] of nodes.entries()) {
    if (!isLeaf(node)) flops += node.op.cost(node).flops;
    for (const t of node.outs) held += bytesOf(t);
    bytes = Math.max(bytes, held);
    for (const t of freed.get(i) ?? []) held -= bytesOf(t);
  }
  return { nodes, freed, flops, bytes };
}

/** Leaves are held by whoever gives them. */
const bytesOf = (t: Tensor): number => (isLeaf(t.node) ? 0 : 8 * sizeOf(t.shape));

/** Whoever waits for the event loop has a turn. */
const BREATH: Effect<void> = { now: () => {}, later: () => new Promise((resolve) => void setImmediate(resolve)) };
const BREATH_MS = 20;

/**
 * Compute them.
 * @param seen is called with each value when it is there, leaves included
 * @returns those values that the plan was made for
 */
export function* computeExactly(
  { nodes, freed }: Plan,
  leaves: Leaves,
  context: RefContext,
  seen: (t: Tensor, values: RefArray) => void,
): Loop<ReadonlyMap<Tensor, RefArray>> {
  const values = new Map<Tensor, RefArray>();
  let began = performance.now();
  for (const [i, node] of nodes.entries()) {
    if (isOp(node, STATE)) values.set(node.out, leaves.state(node.attrs.state));
    else if (isOp(node, INPUT)) values.set(node.out, leaves.input(node.attrs));
    else if (isOp(node, CONSTANT)) values.set(node.out, node.attrs.data);
    else interpretNode(node, values, context, true);
    for (const t of node.outs) seen(t, values.get(t)!);
    for (const t of freed.get(i) ?? []) values.delete(t);
    if (performance.now() - began < BREATH_MS) continue;
    yield* perform(BREATH);
    began = performance.now();
  }
  return values;
}
