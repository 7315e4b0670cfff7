// fuse-normalize.ts: a batch norm after a convolution in two: the convolution sums up the planes that it has just written, and where
// convolutions alone read what comes out, they normalize it as they read: then it is never written.
import { type Graph, isOp, type Node, type Tensor } from '../ir/graph.ts';
import { BATCH_NORM, type BatchNormAttrs } from '../ops/norm/batch-norm.ts';
import { BATCH_STATISTICS, LEAST_PLANE, NORMALIZE } from '../ops/norm/normalize.ts';
import { CONV2D, CONV2D_GRAD_WEIGHT } from '../ops/product/conv.ts';
import type { ConvAttrs } from '../ops/product/conv-attrs.ts';
import { span } from '../ops/shape/axes.ts';
import { Readers, rewrite } from './rewrite.ts';
import { dropUnused } from './simplify.ts';

export function fuseNormalize(whole: Graph): Graph {
  // What passes before this one left unread would count as a reader.
  const graph = dropUnused(whole);
  const norms = graph.nodes.filter((node): node is Node<BatchNormAttrs> => isOp(node, BATCH_NORM) && isSummedBefore(node));
  if (norms.length === 0) return graph;
  const readers = new Readers(graph);
  /** Convolutions that leave sums of their planes behind. */
  const summed = new Set(norms.map((node) => node.ins[0]!.node));
  const read = new Map(norms.filter((node) => isReadByConvolutions(node, readers)).map((node) => [node.outs[0]!, node]));
  const sums = new Map<Node, Tensor>();
  return rewrite(graph, (node, target, moved) => {
    if (isOp(node, BATCH_NORM) && summed.has(node.ins[0]!.node) && isSummedBefore(node)) {
      const [x, ...rest] = node.ins as readonly [Tensor, ...Tensor[]];
      const statistics = target.add(BATCH_STATISTICS, [sums.get(x.node)!], { space: span(x.shape, 2) }).outs;
      if (read.has(node.outs[0]!)) return [moved(x), ...statistics];
      return [target.add(NORMALIZE, [moved(x), ...statistics, ...rest.map(moved)], node.attrs).out, ...statistics];
    }
    const norm = isOp(node, CONV2D) || isOp(node, CONV2D_GRAD_WEIGHT) ? read.get(node.ins[0]!) : undefined;
    if (!norm && !summed.has(node)) return null;
    const line = norm ? [norm.outs[1]!, norm.outs[2]!, ...norm.ins.slice(1)].map(moved) : [];
    const { eps, affine, relu } = norm?.attrs ?? {};
    const attrs = {
      ...(node.attrs as ConvAttrs),
      ...(summed.has(node) && { stats: true }),
      ...(norm && { norm: { eps, affine, relu } }),
    };
    const outs = target.add(node.op, [...node.ins.map(moved), ...line], attrs).outs;
    if (summed.has(node)) sums.set(node, outs.at(-1)!);
    return outs;
  });
}

/** Whether a convolution can sum up what this batch norm reads. */
function isSummedBefore({ ins: [x], section }: Node): boolean {
  return isOp(x!.node, CONV2D) && x!.node.section === section && span(x!.shape, 2) >= LEAST_PLANE;
}

/** Whether nobody reads what this batch norm gives but convolutions, as their x. */
function isReadByConvolutions(node: Node<BatchNormAttrs>, all: Readers): boolean {
  const y = node.outs[0]!;
  const readers = all.of(y);
  const isX = (r: Node): boolean => (isOp(r, CONV2D) || isOp(r, CONV2D_GRAD_WEIGHT)) && r.ins[0] === y && r.ins[1] !== y;
  return (
    !node.attrs.sum &&
    readers.length > 0 &&
    readers.length === all.uses(y) &&
    readers.every((r) => isX(r) && r.section === node.section)
  );
}
