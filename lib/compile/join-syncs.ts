// join-syncs.ts: one exchange for all that processes sum together.
import { type Graph, inSection, isOp, type Tensor } from '../ir/graph.ts';
import { SYNC } from '../ops/step/sync.ts';
import { rewrite } from './rewrite.ts';

/** What is summed over processes are sums over micro-batches, so that none depends on another: all are there where `apply` begins. */
export function joinSyncs(graph: Graph): Graph {
  const syncs = graph.nodes.filter((node) => isOp(node, SYNC));
  if (syncs.length < 2) return graph;
  const ordered = [...graph.nodes.filter((n) => n.section === 'micro'), ...graph.nodes.filter((n) => n.section === 'apply')];
  let all: readonly Tensor[] | null = null;
  return rewrite(
    graph,
    (node, target, moved) => {
      if (!isOp(node, SYNC)) return null;
      all ??= inSection(
        target,
        'apply',
        () =>
          target.add(
            SYNC,
            syncs.map((s) => moved(s.ins[0]!)),
            {},
          ).outs,
      );
      return [all[syncs.indexOf(node)]!];
    },
    ordered,
  );
}
