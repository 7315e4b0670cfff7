// layout.ts: which block of memory each state and data set lies in. All programs of a trainer share one layout.
import { type Graph, INPUT, isOp, type State } from '../ir/graph.ts';
import { bytesOf } from '../ir/op.ts';

/** Alignment of everything that has an address of its own: a cache line and an AVX-512 register. */
export const ALIGN = 64;

export function alignUp(bytes: number, to: number = ALIGN): number {
  return Math.ceil(bytes / to) * to;
}

export interface Layout {
  readonly blocks: readonly { readonly name: string; readonly bytes: number }[];
  readonly states: ReadonlyMap<State, { readonly block: number; readonly offset: number }>;
  /** Block number per data input's name. */
  readonly data: ReadonlyMap<string, number>;
}

/** A block that is there already, and the states that lie in it. */
export interface Given {
  readonly name: string;
  readonly bytes: number;
  readonly states: ReadonlyMap<State, number>;
}

/** States one after the other in a block named `state`; then blocks that are there already; then a block for each data input. */
export function layoutOf(
  states: readonly State[],
  data: readonly { name: string; bytes: number }[],
  given: readonly Given[] = [],
): Layout {
  const places = new Map<State, { block: number; offset: number }>();
  let bytes = 0;
  for (const state of states) {
    places.set(state, { block: 0, offset: bytes });
    bytes += alignUp(bytesOf(state.type));
  }
  for (const [i, g] of given.entries()) {
    for (const [state, offset] of g.states) places.set(state, { block: 1 + i, offset });
  }
  return {
    blocks: [{ name: 'state', bytes }, ...given.map((g) => ({ name: g.name, bytes: g.bytes })), ...data],
    states: places,
    data: new Map(data.map((d, i) => [d.name, 1 + given.length + i])),
  };
}

/** The layout of a graph that stands alone. */
export function defaultLayout(graph: Graph): Layout {
  const data = [...graph.inputs.values()].flatMap((t) =>
    isOp(t.node, INPUT) && t.node.attrs.role === 'data' ? [{ name: t.node.attrs.name, bytes: bytesOf(t.type) }] : [],
  );
  return layoutOf(graph.states, data);
}
