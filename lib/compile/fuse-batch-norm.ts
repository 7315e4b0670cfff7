// fuse-batch-norm.ts: what follows a batch norm into it: the sum with another tensor, relu; and where relu lets a gradient pass into the
// gradient of the batch norm before it. So each of a residual network's large tensors is read and written once less.
import { type Graph, isOp, type Node, type Tensor } from '../ir/graph.ts';
import { sameShape } from '../ir/op.ts';
import { BATCH_NORM, BATCH_NORM_GRAD, type BatchNormGradAttrs } from '../ops/norm/batch-norm.ts';
import { Readers, rewrite } from './rewrite.ts';

interface Tail {
  readonly other: Tensor | null;
  readonly relu: boolean;
}

export function fuseBatchNorms(graph: Graph): Graph {
  if (!graph.nodes.some((node) => isOp(node, BATCH_NORM))) return graph;
  const readers = new Readers(graph);
  const only = (t: Tensor, section: string): Node | undefined => {
    const node = readers.only(t);
    return node?.section === section ? node : undefined;
  };
  const tails = new Map<Node, Tail>();
  /** Nodes that a batch norm took over; its y is theirs. */
  const taken = new Map<Node, Node>();
  for (const node of graph.nodes) {
    if (!isOp(node, BATCH_NORM) || node.attrs.sum || node.attrs.relu) continue;
    let y = node.outs[0] as Tensor;
    let other: Tensor | null = null;
    const sum = only(y, node.section);
    if (sum?.op.map === 'add') {
      const operand = (sum.ins[0] === y ? sum.ins[1] : sum.ins[0]) as Tensor;
      // Of two batch norms that are added, the later one adds.
      if (sameShape(operand.shape, y.shape) && operand.node.id < node.id) {
        other = operand;
        taken.set(sum, node);
        y = sum.out;
      }
    }
    const last = only(y, node.section);
    const relu = last?.op.map === 'relu';
    if (relu) taken.set(last, node);
    // Relu is read by the backward pass too, so the sum or the batch norm before it must not be.
    if (other || relu) tails.set(node, { other, relu });
  }
  const masks = masksOf(graph, readers);
  return rewrite(graph, (node, target, moved) => {
    const by = taken.get(node);
    if (by) return [moved(by.outs[0] as Tensor)];
    const tail = tails.get(node);
    if (tail && isOp(node, BATCH_NORM)) {
      const ins = [...node.ins, ...(tail.other ? [tail.other] : [])].map(moved);
      return target.add(BATCH_NORM, ins, { ...node.attrs, sum: tail.other !== null, relu: tail.relu }).outs;
    }
    const mask = masks.get(node);
    if (!mask) return null;
    const { eps, affine } = node.attrs as BatchNormGradAttrs;
    const [x, mean, variance, , ...line] = node.ins as readonly Tensor[];
    const [y, dy] = mask.ins as readonly [Tensor, Tensor];
    const own = y.node.op.map === 'relu' && isOwn(y.node.ins[0] as Tensor, mean as Tensor);
    const ins = [x!, mean!, variance!, dy, ...line, ...(own ? [] : [y])].map(moved);
    return target.add(BATCH_NORM_GRAD, ins, { eps, affine, mask: own ? 'own' : 'output' }).outs;
  });
}

/** Whether `v` is what the batch norm with this mean gave. */
const isOwn = (v: Tensor, mean: Tensor): boolean => v.index === 0 && v.node === mean.node;

/**
 * The gradients of batch norms whose dy is a gradient of relu, which they then read through. Where something that is no elementwise chain
 * wants that gradient too, it is written anyway, and read.
 */
function masksOf(graph: Graph, readers: Readers): Map<Node, Node> {
  const found = new Map<Node, Node>();
  for (const node of graph.nodes) {
    if (!isOp(node, BATCH_NORM_GRAD) || node.attrs.mask !== 'all') continue;
    const dy = node.ins[3] as Tensor;
    if (dy.node.op.map !== 'reluGrad' || dy.node.section !== node.section) continue;
    const own = readers.of(dy);
    const chains = own.filter((r) => !isOp(r, BATCH_NORM_GRAD));
    if (!readers.within(dy, new Set(own)) || chains.length > 1 || chains.some((r) => r.op.map === undefined)) continue;
    found.set(node, dy.node);
  }
  return found;
}
