// fuse.ts: bias and activation into products and convolutions, sums of squares into what produces a gradient, chains of elementwise ops
// into one pass. Only the files fuse*.ts of the compiler name concrete ops.
import { CONSTANT, type Graph, isOp, type Node, type Tensor } from '../ir/graph.ts';
import { type DType, type OpDef, sameShape, sizeOf } from '../ir/op.ts';
import { MAP_LIMITS, type MapArg, type MapStep } from '../ops/elementwise/chain.ts';
import { mul } from '../ops/elementwise/elementwise.ts';
import { CAST, MAP } from '../ops/elementwise/map.ts';
import { ENDS, SLOPED } from '../ops/elementwise/maps.ts';
import { STATISTIC } from '../ops/gradient/statistics.ts';
import { CONV2D, CONV2D_GRAD_INPUT, CONV3D, CONV3D_GRAD_INPUT } from '../ops/product/conv.ts';
import { MATMUL } from '../ops/product/matmul.ts';
import { SUM } from '../ops/reduce/reduce.ts';
import { SCATTER_ADD } from '../ops/rows/gather.ts';
import { SCATTER_ROWS } from '../ops/rows/scatter-rows.ts';
import { LOOKUP_ROWS } from '../ops/rows/sparse-rows.ts';
import { BROADCAST_TO, reshape } from '../ops/shape/shape.ts';
import { expand } from './expand.ts';
import { fuseBatchNorms } from './fuse-batch-norm.ts';
import { fuseLosses } from './fuse-losses.ts';
import { fuseNormalize } from './fuse-normalize.ts';
import { fuseRows } from './fuse-rows.ts';
import { fuseScalars } from './fuse-scalars.ts';
import { Readers, rewrite } from './rewrite.ts';
import { liveNodes } from './simplify.ts';

/** @param slopes whether products may leave the slope of their activation for the backward pass; else that computes it of what was activated */
export function fuse(graph: Graph, slopes: boolean): Graph {
  const whole = fuseEpilogues(fuseBatchNorms(fuseLosses(expand(graph))), slopes);
  return fuseMaps(fuseScalars(fuseStatistics(fuseRows(fuseNormalize(whole)))));
}

// ---- products + bias + activation + another operand ---------------------------------------------------------------

interface Epilogue {
  readonly product: Node;
  readonly bias: Tensor | null;
  readonly act: string | null;
  /** The gradients of `act`: each becomes a multiplication with a slope that the product leaves behind. */
  readonly gradients: readonly Node[];
  /** Of the shape of the product: added to it or multiplied with it at the end. Null: the slope that another product leaves behind. */
  readonly last: { readonly op: 'add' | 'mul'; readonly other: Tensor | null } | null;
}

/** The nodes that apply an activation to a tensor and differentiate it, in each backward pass, if these are all that read the tensor. */
function sloped(t: Tensor, readers: Readers): { readonly act: Node; readonly gradients: readonly Node[] } | null {
  const all = readers.of(t);
  const act = all.find((n) => n.op.map && SLOPED.includes(n.op.map));
  const gradients = all.filter((n) => act && n.op.map === `${act.op.map}Grad` && n.ins[0] === t && n.ins[1] !== t);
  return act && gradients.length > 0 && readers.uses(t) === 1 + gradients.length ? { act, gradients } : null;
}

/**
 * Follow a product through reshapes, one bias, one activation and one operand of its own shape, as long as nobody else reads what lies
 * between.
 */
function epilogueOf(
  product: Node,
  readers: Readers,
  ends: ReadonlyMap<Node, Epilogue>,
  gradients: ReadonlySet<Node>,
  slopes: boolean,
): [Node, Epilogue] | null {
  const isMatrix = isOp(product, MATMUL);
  let made: Epilogue = { product, bias: null, act: null, gradients: [], last: null };
  let last = product;
  let end = product;
  while (!made.last) {
    const slope = slopes && isMatrix && !made.act ? sloped(last.out, readers) : null;
    const node = slope ? slope.act : readers.only(last.out);
    if (!node || node.section !== product.section || slope?.gradients.some((n) => n.section !== node.section)) break;
    if (node.op.alias && node.out.shape.at(-1) === product.out.shape.at(-1)) {
      last = node;
      continue;
    }
    const { map } = node.op;
    if (isMatrix && (map === 'add' || map === 'mul')) {
      const other = node.ins[0] === last.out ? node.ins[1]! : node.ins[0]!;
      if (!sameShape(node.out.shape, last.out.shape)) break;
      if (map === 'add' && !made.bias && !made.act && other.shape.length === 1 && other.shape[0] === last.out.shape.at(-1)) {
        made = { ...made, bias: other };
      } else if (product.out.shape.length === 2 && sameShape(other.shape, last.out.shape) && !ends.has(node)) {
        made = { ...made, last: { op: map, other } };
      } else break;
    } else if (isMatrix && gradients.has(node) && node.ins[1] === last.out && product.out.shape.length === 2 && !ends.has(node)) {
      made = { ...made, last: { op: 'mul', other: null } };
    } else if (map && ENDS.includes(map) && !made.act) {
      made = { ...made, act: map, gradients: slope?.gradients ?? [] };
    } else break;
    last = node;
    end = node;
  }
  return end === product ? null : [end, made];
}

/** A convolution has its bias from the start. */
const hasEpilogue = (node: Node): boolean =>
  [CONV2D, CONV2D_GRAD_INPUT, CONV3D, CONV3D_GRAD_INPUT].some((op) => isOp(node, op)) ||
  (isOp(node, MATMUL) && node.ins.length === 2 && node.out.dtype === 'f32');

function fuseEpilogues(graph: Graph, leavesSlopes: boolean): Graph {
  const readers = new Readers(graph);
  const ends = new Map<Node, Epilogue>();
  const gradients = new Set<Node>();
  for (const node of graph.nodes) {
    if (!hasEpilogue(node)) continue;
    const found = epilogueOf(node, readers, ends, gradients, leavesSlopes);
    if (!found) continue;
    ends.set(...found);
    for (const gradient of found[1].gradients) gradients.add(gradient);
  }
  if (ends.size === 0) return graph;
  const slopes = new Map<Node, Tensor>();
  const like = (t: Tensor, { shape }: Tensor): Tensor => (sameShape(t.shape, shape) ? t : reshape(t, shape));
  return rewrite(graph, (node, target, moved) => {
    const slope = slopes.get(node);
    const epilogue = ends.get(node);
    if (!epilogue) return slope ? [mul(moved(node.ins[1]!), like(slope, node.out))] : null;
    const { product, bias, act, gradients, last } = epilogue;
    const operands = [...product.ins, ...(bias ? [bias] : [])].map(moved);
    if (last) operands.push(like(last.other ? moved(last.other) : slope!, product.out));
    const extra = { ...(act && { act }), ...(gradients.length > 0 && { slope: true }), ...(last && { last: last.op }) };
    const fused = target.add(product.op, operands, { ...(product as Node<object>).attrs, ...extra }).outs;
    for (const gradient of gradients) slopes.set(gradient, fused[1]!);
    return [like(fused[0]!, node.out)];
  });
}

// ---- sums of squares where the gradient is written ---------------------------------------------------------------

/** The node that writes a tensor's memory, looking through reshapes, but not through what has less than it. */
function producer(t: Tensor): Node {
  return t.node.op.alias && !t.node.op.aliasAt ? producer(t.node.ins[0]!) : t.node;
}

// A small tensor is read again faster than what writes it sums up its squares.
const LEAST_MEASURED = 2048;

function canMeasure(node: Node): boolean {
  if (sizeOf(node.out.shape) < LEAST_MEASURED) return false;
  return (
    (isOp(node, MATMUL) || isOp(node, SUM) || isOp(node, SCATTER_ADD) || isOp(node, SCATTER_ROWS) || isOp(node, LOOKUP_ROWS)) &&
    node.out.dtype === 'f32'
  );
}

function fuseStatistics(graph: Graph): Graph {
  const measured = new Set<Node>();
  for (const node of graph.nodes) {
    if (!isOp(node, STATISTIC) || node.attrs.kind !== 'sumSquares' || node.attrs.stages.length > 0) continue;
    for (const t of node.ins) if (canMeasure(producer(t))) measured.add(producer(t));
  }
  if (measured.size === 0) return graph;
  const partials = new Map<Node, Tensor>();
  return rewrite(graph, (node, target, moved) => {
    if (measured.has(node)) {
      const outs = target.add(node.op, node.ins.map(moved), { ...(node.attrs as object), stats: true }).outs;
      partials.set(node, outs.at(-1)!);
      return outs;
    }
    if (!isOp(node, STATISTIC) || node.attrs.kind !== 'sumSquares' || node.attrs.stages.length > 0) return null;
    const ready = node.ins.map((t) => partials.get(producer(t)));
    const operands = node.ins.map((t, i) => ready[i] ?? moved(t));
    return target.add(STATISTIC, operands, { ...node.attrs, ready: ready.map((r) => r !== undefined) }).outs;
  });
}

// ---- chains of elementwise ops -----------------------------------------------------------------------------------

/** Computed by the `map` kernel, so it can be a step of a chain; a cast is a conversion where a chain reads or writes. */
const isMap = (node: Node): boolean => node.op.map !== undefined || isOp(node, CAST);

/** Elementwise nodes that end in `root` and are read by nobody outside, all of the shape and dtype of computation of the root. */
function groupOf(root: Node, compute: DType, readers: Readers): Set<Node> {
  const nodes = new Set([root]);
  for (let grown = true; grown; ) {
    grown = false;
    for (const t of inputsOf(nodes)) {
      const fits = t.node.op.map !== undefined && t.dtype === compute && sameShape(t.shape, root.out.shape);
      if (!fits || t.node.section !== root.section || nodes.size >= MAP_LIMITS.steps || !readers.within(t, nodes)) continue;
      nodes.add(t.node);
      if (inputsOf(nodes).size > MAP_LIMITS.inputs) nodes.delete(t.node);
      else grown = true;
    }
  }
  return nodes;
}

/** What nodes read of others. */
function inputsOf(nodes: ReadonlySet<Node>): Set<Tensor> {
  const found = new Set<Tensor>();
  for (const { ins } of nodes) for (const t of ins) if (!nodes.has(t.node)) found.add(t);
  return found;
}

/** What a chain that ends in `root` computes in; null for a cast of integers, which stays alone. */
function computeDtype(root: Node): 'f32' | 'f64' | null {
  const { dtype } = isOp(root, CAST) ? root.ins[0]! : root.out;
  return dtype === 'f32' || dtype === 'f64' ? dtype : null;
}

/** What takes the place of elementwise nodes: one node with these operands. */
interface Chain {
  readonly op: OpDef<never>;
  readonly ins: readonly Tensor[];
  readonly attrs: unknown;
}

function fuseMaps(graph: Graph): Graph {
  const readers = new Readers(graph);
  const groups = new Map<Node, readonly Node[]>();
  const inner = new Set<Node>();
  for (let id = graph.nodes.length - 1; id >= 0; id--) {
    const node = graph.nodes[id]!;
    const compute = isMap(node) && !inner.has(node) ? computeDtype(node) : null;
    if (!compute) continue;
    const nodes = groupOf(node, compute, readers);
    for (const n of nodes) if (n !== node) inner.add(n);
    groups.set(
      node,
      [...nodes].sort((a, b) => a.id - b.id),
    );
  }
  const chains = new Map<Node, Chain>();
  for (const [root, nodes] of groups) chains.set(root, chainOf(root, nodes, inner));
  // Numbers that were spread out, and casts, are read by no chain any more.
  const live = liveNodes(graph, (node) => chains.get(node)?.ins ?? node.ins);
  return rewrite(
    graph,
    (node, target, moved) => {
      const chain = chains.get(node);
      return chain ? target.add(chain.op, chain.ins.map(moved), chain.attrs as never).outs : null;
    },
    live,
  );
}

/** The value of a constant of one element, or of one spread out to a larger shape. */
function numberOf(t: Tensor): number | null {
  if (isOp(t.node, BROADCAST_TO)) return numberOf(t.node.ins[0]!);
  return isOp(t.node, CONSTANT) && sizeOf(t.shape) === 1 ? t.node.attrs.data[0]! : null;
}

/**
 * @param nodes of the chain, in order
 * @param inner what is computed within chains, this one or others: it is written nowhere
 */
function chainOf(root: Node, nodes: readonly Node[], inner: ReadonlySet<Node>): Chain {
  const dtype = computeDtype(root)!;
  const ins: Tensor[] = [];
  const steps: MapStep[] = [];
  const stepOf = new Map<Node, number>();
  // A number spread out is that number, where another operand has the shape of the result.
  const isWhole = (t: Tensor): boolean => sameShape(t.shape, root.out.shape) && !nodes.includes(t.node) && numberOf(t) === null;
  const isSpread = nodes.some((n) => n.ins.some(isWhole));
  const argOf = (t: Tensor): MapArg => {
    if (stepOf.has(t.node)) return { step: stepOf.get(t.node)! };
    const number = numberOf(t);
    if (number !== null && t.dtype === dtype && (t.shape.length === 0 || isSpread)) return number;
    // A cast is a conversion on reading, unless it ends a chain of its own: then there is nothing before it to read.
    const source = isOp(t.node, CAST) && t.dtype === dtype ? t.node.ins[0]! : null;
    const operand = source && !inner.has(source.node) ? source : t;
    const known = ins.indexOf(operand);
    return { in: known >= 0 ? known : ins.push(operand) - 1 };
  };
  for (const node of nodes) {
    if (node === root && isOp(root, CAST)) {
      // A cast alone stays one, unless its operand is a cast too: then the chain rounds as the first did, in its own dtype.
      const source = root.ins[0]!;
      const arg = argOf(source);
      if (typeof arg === 'number' || ('in' in arg && ins[0] === source))
        return { op: CAST as never, ins: [source], attrs: root.attrs };
      continue;
    }
    stepOf.set(node, steps.push({ map: node.op.map!, args: node.ins.map(argOf) }) - 1);
  }
  return { op: MAP as never, ins, attrs: { steps, dtype, outDtype: root.out.dtype } };
}
