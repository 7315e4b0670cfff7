// part-syncs.ts: of a gradient that processes sum, and of which each updates a part, that part alone is summed by each; what a policy measures of it, all
// of them measure together.
import { type Graph, isOp, type Node, type Tensor } from '../ir/graph.ts';
import { sizeOf } from '../ir/op.ts';
import { partStatistic } from '../ops/gradient/part-statistic.ts';
import { STATISTIC, type StatisticAttrs } from '../ops/gradient/statistics.ts';
import { LARGE, OWN_PART, type Ranked, sameRanked } from '../ops/step/parts.ts';
import { SYNC } from '../ops/step/sync.ts';
import { Readers, rewrite } from './rewrite.ts';

/** Whether block by block is how it is made: what others have of a block can be taken as it is. */
const isMeasure = (node: Node): node is Node<StatisticAttrs> =>
  isOp(node, STATISTIC) && node.attrs.kind !== 'sumPow' && node.attrs.stages.length === 0;

/** Whose part is read of a sum, where nothing else is. */
function partRead(t: Tensor, readers: Readers): Ranked | null {
  if (t.dtype !== 'f32' || sizeOf(t.shape) <= LARGE) return null;
  const all = readers.of(t);
  if (!readers.within(t, new Set(all))) return null;
  const parts = all.filter((node): node is Node<Ranked> => isOp(node, OWN_PART));
  const [first] = parts;
  if (!first || !all.every((node) => (isOp(node, OWN_PART) ? sameRanked(node.attrs, first.attrs) : isMeasure(node)))) return null;
  return first.attrs;
}

/**
 * Sums are the same bits in parts as whole (the tree is that of the processes for each element), and so are statistics of them, whose partial sums are
 * those of the same blocks.
 */
export function partSyncs(graph: Graph): Graph {
  const sync = graph.nodes.find((node) => isOp(node, SYNC) && node.section === 'apply');
  if (!sync || !isOp(sync, SYNC)) return graph;
  const readers = new Readers(graph);
  const read = sync.outs.map((t) => partRead(t, readers));
  const ranked = read.find((r) => r !== null);
  if (!ranked) return graph;
  const inParts = (t: Tensor): boolean => t.node === sync && read[t.index] !== null;
  return rewrite(graph, (node, target, moved) => {
    if (node === sync) {
      return target.add(SYNC, node.ins.map(moved), { ...sync.attrs, part: read.map((r) => r !== null) }).outs;
    }
    if (!isMeasure(node) || !node.ins.some(inParts)) return null;
    const apart = [...new Set(node.ins.filter(inParts))];
    const ready = partStatistic(apart.map(moved), node, ranked);
    const ins = node.ins.map((t) => (inParts(t) ? ready[apart.indexOf(t)]! : moved(t)));
    return target.add(STATISTIC, ins, { ...node.attrs, ready: node.ins.map((t, k) => node.attrs.ready[k]! || inParts(t)) }).outs;
  });
}
