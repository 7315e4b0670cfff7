// fuse-losses.ts: a loss of labels and its gradient into one instruction, which takes each exponential once; and where the logits are the product of
// a last layer of very many classes, that and its two gradients too: then they are made some rows at a time, and never kept whole. The same bits.
import { type Graph, isOp, type Node, type Tensor } from '../ir/graph.ts';
import { sizeOf } from '../ir/op.ts';
import { MATMUL } from '../ops/product/matmul.ts';
import { type CrossEntropyAttrs, SOFTMAX_CROSS_ENTROPY, SOFTMAX_CROSS_ENTROPY_GRAD } from '../ops/reduce/cross-entropy.ts';
import { LABEL_WEIGHTS, LINEAR_CROSS_ENTROPY, SOFTMAX_CROSS_ENTROPY_BOTH } from '../ops/reduce/cross-entropy-fused.ts';
import { CTC_LOSS, CTC_LOSS_GRAD, type CtcAttrs } from '../ops/reduce/ctc.ts';
import { Readers, rewrite, type Visit } from './rewrite.ts';

/** So many logits and more are not kept whole: 64 MiB. */
const MANY = 2 ** 24;
/** Of those there are so many at a time, but rows enough that to read the weights costs little beside multiplying them. */
const AT_ONCE = 2 ** 23;
const LEAST_ROWS = 64;

/** A loss and what is computed along with it. */
interface Loss {
  readonly node: Node<CrossEntropyAttrs>;
  readonly gradient: Node | null;
  /** What depends on the loss and stands before the gradient. */
  readonly later: ReadonlySet<Node>;
  /** Whether the weights of the labels, its second output, are read. */
  readonly weighed: boolean;
  readonly head: Head | null;
}
/** The product x w^T that gives logits, and those that make gradients of x and of w of theirs. */
interface Head {
  readonly x: Tensor;
  readonly w: Tensor;
  readonly dx: Node | null;
  readonly dw: Node | null;
  /** Whether these products are of precision bf16. */
  readonly bf16: boolean;
  /** What has no value any more: the product, and what is a reshape of logits or of their gradient. */
  readonly gone: ReadonlySet<Node>;
}

export function fuseLosses(graph: Graph): Graph {
  for (let fused = fuseCtc(graph); ; ) {
    const loss = findLoss(fused);
    if (!loss) return fused;
    fused = loss.weighed ? apart(fused, loss.node) : together(fused, loss);
  }
}

/** Losses of sequences come with their gradients, where these are of the losses' rows and do not follow from the losses. */
function fuseCtc(graph: Graph): Graph {
  const readers = new Readers(graph);
  for (const node of graph.nodes) {
    if (!isOp(node, CTC_LOSS)) continue;
    const gradient = readers.of(node.ins[0]!).find((other) => isCtcGradient(other, node));
    const later = gradient && dependents(graph, node, gradient);
    if (!later) continue;
    let made: readonly Tensor[] = [];
    const visit: Visit = (at, target, moved) => {
      if (at === gradient) made = target.copy(at, at.ins.map(moved)).outs;
      return at === gradient ? made : at === node ? [made[1]!] : null;
    };
    return fuseCtc(rewrite(graph, visit, withLater(graph, node, gradient, later)));
  }
  return graph;
}
function isCtcGradient(node: Node, { ins, attrs, section }: Node<unknown> & { readonly attrs: CtcAttrs }): boolean {
  if (!isOp(node, CTC_LOSS_GRAD) || node.section !== section || !ins.every((t, i) => node.ins[i] === t)) return false;
  return node.attrs.blank === attrs.blank && node.attrs.zeroInfinity === attrs.zeroInfinity;
}

/** The weights of labels are made apart: they may divide the gradient of the loss, so they come before it. */
function apart(graph: Graph, loss: Node<CrossEntropyAttrs>): Graph {
  return rewrite(graph, (node, target, moved) => {
    if (node !== loss) return null;
    const [logits, labels, ...weight] = node.ins.map(moved) as [Tensor, Tensor, ...Tensor[]];
    const weights = target.add(LABEL_WEIGHTS, [labels, ...weight], { ignored: loss.attrs.ignored, classes: logits.shape[1]! });
    return [target.copy(node, [logits, labels, ...weight]).outs[0]!, weights.out];
  });
}

function together(graph: Graph, { node: loss, gradient, later, head }: Loss): Graph {
  const order = gradient ? withLater(graph, loss, gradient, later) : graph.nodes;
  let made: readonly Tensor[] = [];
  return rewrite(
    graph,
    (node, target, moved) => {
      if (node === (gradient ?? loss)) {
        const [, labels, ...weight] = loss.ins.map(moved) as [Tensor, Tensor, ...Tensor[]];
        const dloss = gradient ? [moved(gradient.ins[2]!)] : [];
        const { smoothing, ignored } = loss.attrs;
        if (!head) {
          made = target.add(SOFTMAX_CROSS_ENTROPY_BOTH, [moved(loss.ins[0]!), labels, ...dloss, ...weight], {
            smoothing,
            ignored,
          }).outs;
          return [made[1]!];
        }
        const rounded = head.bf16 ? { bf16: true } : {};
        const attrs = { smoothing, ignored, part: partOf(head), dx: head.dx !== null, dw: head.dw !== null, ...rounded };
        made = target.add(LINEAR_CROSS_ENTROPY, [moved(head.x), moved(head.w), labels, ...dloss, ...weight], attrs).outs;
        return gradient ? [] : [made[0]!];
      }
      if (node === loss) return [made[0]!];
      if (head?.gone.has(node)) return [];
      return node === head?.dx ? [made[1]!] : node === head?.dw ? [made.at(-1)!] : null;
    },
    order,
  );
}

/** The nodes of a graph, where a loss and what depends on it come after its gradient. */
function withLater(graph: Graph, loss: Node<unknown>, gradient: Node, later: ReadonlySet<Node>): Node[] {
  const order = graph.nodes.filter((node) => node !== loss && !later.has(node));
  order.splice(order.indexOf(gradient) + 1, 0, loss as Node, ...later);
  return order;
}

/** Rows of a part: parts are as equal as can be; in bf16, whose terms come in pairs, they are of whole pairs. */
function partOf({ x, w, bf16 }: Head): number {
  const rows = x.shape[0]!;
  const most = Math.max(LEAST_ROWS, Math.floor(AT_ONCE / w.shape[0]!));
  const part = Math.ceil(rows / Math.ceil(rows / most));
  return bf16 ? part + (part % 2) : part;
}

function findLoss(graph: Graph): Loss | null {
  const losses = graph.nodes.filter((node) => isOp(node, SOFTMAX_CROSS_ENTROPY)) as Node<CrossEntropyAttrs>[];
  if (losses.length === 0) return null;
  const readers = new Readers(graph);
  for (const node of losses) {
    const logits = node.ins[0]!;
    const gradients = readers.of(logits).filter((n) => isGradient(n, node));
    const gradient = gradients[0] ?? null;
    if (gradients.length > 1 || (gradient && gradient.section !== node.section)) continue;
    const later = gradient ? dependents(graph, node, gradient) : new Set<Node>();
    const head = later && sizeOf(logits.shape) >= MANY ? headOf(node, gradient, readers) : null;
    const weighed = node.outs.length > 1 && readers.uses(node.outs[1]!) > 0;
    if (later && (head || gradient)) return { node, gradient, later, weighed, head };
  }
  return null;
}

/** Whether a node is the gradient of a loss, and not of another one of the same logits. */
function isGradient(node: Node, { ins: [logits, labels, weight], attrs }: Node<CrossEntropyAttrs>): boolean {
  if (!isOp(node, SOFTMAX_CROSS_ENTROPY_GRAD) || node.ins[0] !== logits || node.ins[1] !== labels || node.ins[3] !== weight)
    return false;
  return node.attrs.smoothing === attrs.smoothing && node.attrs.ignored === attrs.ignored;
}

/** What depends on a loss and stands before its gradient; null if the gradient is of it. */
function dependents(graph: Graph, loss: Node<unknown>, gradient: Node): Set<Node> | null {
  const found = new Set<Node>();
  for (const node of graph.nodes.slice(loss.id + 1, gradient.id)) {
    if (node.ins.some((t) => t === loss.outs[0] || found.has(t.node))) found.add(node);
  }
  return gradient.ins.some((t) => t === loss.outs[0] || found.has(t.node)) ? null : found;
}

function headOf(loss: Node, gradient: Node | null, readers: Readers): Head | null {
  const gone = new Set<Node>();
  let product = loss.ins[0]!.node;
  while (product.op.alias) product = product.ins[0]!.node;
  if (!isOp(product, MATMUL) || product.ins.length > 2 || product.out.shape.length !== 2 || product.out.dtype !== 'f32')
    return null;
  if (product.section !== loss.section || product.attrs.transA || !product.attrs.transB || product.attrs.act) return null;
  /** Who reads a tensor or its reshapes, which are gone then; null where it is wanted as it is. */
  const readersOf = (t: Tensor): Node[] | null => {
    const of = readers.of(t);
    if (!readers.within(t, new Set(of))) return null;
    const all = of.map((r) => {
      if (!r.op.alias) return [r];
      gone.add(r);
      return readersOf(r.out);
    });
    return all.includes(null) ? null : (all.flat() as Node[]);
  };
  gone.add(product);
  const [x, w] = product.ins as [Tensor, Tensor];
  if (!readersOf(product.out)?.every((r) => r === loss || r === gradient)) return null;
  const bf16 = product.attrs.bf16 ?? false;
  if (!gradient) return { x, w, dx: null, dw: null, bf16, gone };
  const products = readersOf(gradient.out);
  const find = (transA: boolean, other: Tensor): Node[] =>
    (products ?? []).filter(
      (n) =>
        isOp(n, MATMUL) &&
        n.ins.length === 2 &&
        n.ins[1] === other &&
        Boolean(n.attrs.transA) === transA &&
        !n.attrs.transB &&
        (n.attrs.bf16 ?? false) === bf16,
    );
  const [dx, dw] = [find(false, w), find(true, x)];
  if (dx.length > 1 || dw.length > 1 || products?.length !== dx.length + dw.length) return null;
  return { x, w, dx: dx[0] ?? null, dw: dw[0] ?? null, bf16, gone };
}
