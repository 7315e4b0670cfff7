// fuse-rows.ts: the gradient of a table of which few rows were read stays a list of rows: it is measured and updated as such, and never
// written out among zeros. The update means the same, bit for bit: a row without a gradient has a gradient of zero.
import { type Graph, isOp, type Node, type Tensor } from '../ir/graph.ts';
import { sizeOf } from '../ir/op.ts';
import { span } from '../ops/axes.ts';
import { SCATTER_ADD } from '../ops/gather.ts';
import { SCATTER_ROWS } from '../ops/scatter-rows.ts';
import { keepsZeros } from '../ops/stage.ts';
import { STATISTIC } from '../ops/statistics.ts';
import { isUpdate } from '../ops/update.ts';
import { consumers, rewrite, useCounts } from './rewrite.ts';

// Shorter rows are cheaper dense: an update looks each of them up.
const LEAST_ROW = 16;

export function fuseRows(graph: Graph): Graph {
  const few = graph.nodes.filter((node) => isOp(node, SCATTER_ADD) && isFew(node));
  if (few.length === 0) return graph;
  const uses = useCounts(graph);
  const next = consumers(graph);
  const chosen = new Set<Tensor>();
  for (const { out } of few) if (onlyMeasuredAndApplied(out, next.get(out) ?? [], uses)) chosen.add(out);
  if (chosen.size === 0) return graph;
  const at = new Map<Tensor, Tensor>();
  return rewrite(graph, (node, target, moved) => {
    if (chosen.has(node.out)) {
      const { outs } = target.add(SCATTER_ROWS, node.ins.map(moved), { rows: node.out.shape[0] as number });
      at.set(node.out, outs[1]!);
      return outs;
    }
    if (!isUpdate(node)) return null;
    const { count } = node.attrs;
    const grads = node.ins.slice(count, 2 * count);
    const places = grads.flatMap((g) => at.get(g) ?? []);
    if (places.length === 0) return null;
    return target.add(node.op, [...node.ins.map(moved), ...places], { ...node.attrs, sparse: grads.map((g) => at.has(g)) }).outs;
  });
}

/** Decided by shapes alone: at most half of the rows can have a gradient. */
function isFew(node: Node): boolean {
  const { dtype, shape } = node.out;
  return dtype === 'f32' && span(shape, 1) >= LEAST_ROW && 2 * sizeOf(node.ins[1]!.shape) <= (shape[0] as number);
}

/** Does everybody who reads the gradient get along with rows? A statistic must find nothing in a zero. */
function onlyMeasuredAndApplied(gradient: Tensor, readers: readonly Node[], uses: ReadonlyMap<Tensor, number>): boolean {
  const operands = readers.reduce((n, r) => n + r.ins.filter((t) => t === gradient).length, 0);
  if (operands === 0 || operands !== uses.get(gradient)) return false;
  return readers.every((r) => isUpdate(r) || (isOp(r, STATISTIC) && r.attrs.stages.every(keepsZeros)));
}
