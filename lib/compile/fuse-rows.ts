// fuse-rows.ts: the gradient of a table of which few rows were read stays a list of rows: it is measured and updated as such, and never
// written out among zeros. The update means the same, bit for bit: a row without a gradient has a gradient of zero. Of tables that are updated
// by rows (lookupRows), what is measured is read of the same rows.
import { type Graph, isOp, type Node, type Tensor } from '../ir/graph.ts';
import { sizeOf } from '../ir/op.ts';
import { keepsZeros } from '../ops/gradient/stage.ts';
import { STATISTIC } from '../ops/gradient/statistics.ts';
import { SCATTER_ADD, type ScatterAddAttrs } from '../ops/rows/gather.ts';
import { SCATTER_ROWS } from '../ops/rows/scatter-rows.ts';
import { LOOKUP_ROWS, type LookupRowsAttrs } from '../ops/rows/sparse-rows.ts';
import { span } from '../ops/shape/axes.ts';
import { isUpdate } from '../ops/update/update.ts';
import { Readers, rewrite } from './rewrite.ts';

// Shorter rows are cheaper dense: an update looks each of them up.
const LEAST_ROW = 16;

export function fuseRows(graph: Graph): Graph {
  const looked = lookups(graph);
  const few = graph.nodes.filter((node) => isOp(node, SCATTER_ADD) && (isFew(node) || looked.has(keyOf(node))));
  if (few.length === 0) return graph;
  const readers = new Readers(graph);
  const chosen = new Set<Tensor>();
  for (const { out } of few) if (onlyMeasuredAndApplied(out, readers)) chosen.add(out);
  if (chosen.size === 0) return graph;
  const at = new Map<Tensor, Tensor>();
  const found = new Map<string, readonly Tensor[]>();
  return rewrite(graph, (node, target, moved) => {
    const key = keyOf(node);
    if ((chosen.has(node.out) && looked.has(key)) || isOp(node, LOOKUP_ROWS)) {
      const outs = found.get(key) ?? target.add(LOOKUP_ROWS, node.ins.map(moved), looked.get(key)!.attrs as LookupRowsAttrs).outs;
      found.set(key, outs);
      return outs;
    }
    if (chosen.has(node.out)) {
      const { rows, padding } = node.attrs as ScatterAddAttrs;
      const { outs } = target.add(SCATTER_ROWS, node.ins.map(moved), { rows, padding });
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

/** The lookups of tables that are updated by rows, by what they read. */
function lookups(graph: Graph): Map<string, Node> {
  return new Map(graph.nodes.filter((node) => isOp(node, LOOKUP_ROWS)).map((node) => [keyOf(node), node]));
}
function keyOf({ ins, attrs }: Node): string {
  const { rows, padding } = (attrs ?? {}) as Partial<LookupRowsAttrs>;
  return [...ins.map((t) => `${t.node.id}.${t.index}`), rows, padding].join(' ');
}

/** Decided by shapes alone: at most half of the rows can have a gradient. */
function isFew(node: Node): boolean {
  const { dtype, shape } = node.out;
  return dtype === 'f32' && span(shape, 1) >= LEAST_ROW && 2 * sizeOf(node.ins[1]!.shape) <= (shape[0] as number);
}

/** Does everybody who reads the gradient get along with rows? A statistic must find nothing in a zero. */
function onlyMeasuredAndApplied(gradient: Tensor, readers: Readers): boolean {
  const own = readers.of(gradient);
  if (own.length === 0 || !readers.within(gradient, new Set(own))) return false;
  return own.every((r) => isUpdate(r) || (isOp(r, STATISTIC) && r.attrs.stages.every(keepsZeros)));
}
