// compile.ts: graph to program, pass by pass.
import type { Graph } from '../ir/graph.ts';
import type { LowerContext } from '../ir/op.ts';
import { fuse } from './fuse.ts';
import { beginSyncs, joinSyncs } from './join-syncs.ts';
import { keepRounded } from './keep.ts';
import { defaultLayout, type Layout } from './layout.ts';
import { lower } from './lower.ts';
import { orderOf } from './order.ts';
import { partSyncs } from './part-syncs.ts';
import { plan } from './plan.ts';
import type { Program } from './program.ts';
import { simplify } from './simplify.ts';

export interface CompileOptions extends LowerContext {
  /** Where states and data sets lie; default: a layout of this graph alone. */
  readonly layout?: Layout;
  /** Default true. Without, every node becomes its own instruction: to measure and to test what fusing does. */
  readonly fuse?: boolean;
}

/** The passes before planning. */
export function prepare(graph: Graph, { fuse: fuses = true }: Pick<CompileOptions, 'fuse'> = {}): Graph {
  const simple = partSyncs(joinSyncs(simplify(graph, fuses)));
  const keeps = graph.activations === 'bf16';
  const fused = fuses ? fuse(simple, !keeps) : simple;
  return beginSyncs(keeps ? keepRounded(fused) : fused);
}

/** Compile a graph. Pure: the same graph gives the same program. */
export function compile(graph: Graph, options: CompileOptions): Program {
  const layout = options.layout ?? defaultLayout(graph);
  const simple = prepare(graph, options);
  const order = orderOf(simple);
  return lower(simple, order, plan(simple, order, layout), layout, options);
}
