// grad.ts: reverse-mode differentiation, graph to graph: gradients are more nodes of the same graph.
import { GraphError, ShapeError } from '../errors.ts';
import { type Graph, type Node, Tensor } from '../ir/graph.ts';
import { sameType, typeName } from '../ir/op.ts';
import { originalOf, Recomputed } from '../ir/recompute.ts';
import { add } from '../ops/elementwise/elementwise.ts';
import { sumTo } from '../ops/reduce/reduce.ts';
import { broadcastTo } from '../ops/shape/shape.ts';
import { either, type Field, instance, list, number, options, signature } from '../options/index.ts';

const given: Field<Tensor> = instance('a Tensor', Tensor);
const readGrad = signature(
  'grad',
  { loss: given, wrt: list(given) },
  options<GradOptions>()({ seed: either(number(), given).optional() }),
);

/**
 * Gradients of a scalar with respect to tensors of its graph: more nodes of that graph.
 * @shape loss scalar -> a tensor [...] for each of `wrt`
 * @param loss f32 or f64
 * @param wrt tensors of the same graph (inputs, parameters or intermediate values)
 * @returns one tensor per entry of `wrt`, of its shape and dtype; zeros where the loss does not depend on it
 * @throws OptionError; ShapeError if the loss is not a scalar or the seed not one of its dtype; GraphError if an op on the way has no
 * gradient
 * @see torch.autograd.grad
 */
export function grad(loss: Tensor, wrt: readonly Tensor[], options: GradOptions = {}): Tensor[] {
  readGrad(arguments);
  return backward(loss, wrt, options).gradients.map((g, i) => g ?? zerosLike(wrt[i]!));
}

/** Options of `grad`. */
export interface GradOptions {
  /** The gradient of the loss itself: a number, or a scalar of its dtype. Loss scaling puts its factor here. Default 1. */
  readonly seed?: number | Tensor;
}

/** What `grad` gives, and why it gives zeros. */
export interface Backward {
  /** null: no path that can be differentiated leads from the loss to it. */
  readonly gradients: readonly (Tensor | null)[];
  /** Where such a path ended: ops that have a gradient and give none to an operand that depends on `wrt`. */
  readonly ends: readonly Node[];
}

/** What a backward pass reads in place of what there was. */
export interface Reading {
  /**
   * @param isShared whether an operand that is the same for all samples gets a gradient
   * @returns the node with other operands and outputs, and the gradients of its outputs
   */
  of(
    node: Node,
    dys: readonly (Tensor | null)[],
    isShared: (t: Tensor) => boolean,
  ): { node: Node; dys: readonly (Tensor | null)[] };
}

/** What goes on beside a backward pass. */
export interface Passing {
  readonly reading?: Reading;
  /** Called for each of `wrt` when its gradient is whole: what is made of it then is made while what it is made of is still there. */
  readonly whole?: (i: number, gradient: Tensor) => void;
}

/** As `grad`, but with null for what the loss does not lead to. */
export function backward(loss: Tensor, wrt: readonly Tensor[], options: GradOptions & Passing = {}): Backward {
  if (loss.shape.length !== 0 || (loss.dtype !== 'f32' && loss.dtype !== 'f64')) {
    throw new ShapeError(`grad: expected a scalar loss of f32 or f64, got ${typeName(loss.type)}`);
  }
  const graph = loss.graph;
  // What another pass has computed again is one with what it repeats, so that gradients are sums of the same in the same order.
  const end = originalOf(loss);
  const wanted = new Set(wrt.map((t) => originalOf(t.toTensor())));
  // Nodes between `wrt` and the loss: only those need a gradient. Ids are in topological order.
  const onPath = new Uint8Array(end.node.id + 1);
  const leadsOn = (t: Tensor): boolean => onPath[originalOf(t).node.id] === 1;
  for (let id = 0; id <= end.node.id; id++) {
    const node = graph.nodes[id]!;
    if (node.round === 0 && (node.outs.some((t) => wanted.has(t)) || node.ins.some(leadsOn))) onPath[id] = 1;
  }
  const { seed = 1 } = options;
  if (typeof seed !== 'number' && !sameType(seed.type, loss.type)) {
    throw new ShapeError(`grad: expected a seed of ${typeName(loss.type)}, got ${typeName(seed.type)}`);
  }
  const gradients = new Map<Tensor, Tensor>([[end, typeof seed === 'number' ? graph.scalar(seed, loss.dtype) : seed]]);
  const recomputed = new Recomputed(graph);
  const ends: Node[] = [];
  const tellWhole = (i: number): void => {
    const gradient = gradients.get(originalOf(wrt[i]!.toTensor()));
    graph.gradientOf = null;
    graph.layer = '';
    if (gradient) options.whole!(i, gradient);
  };
  const firsts = options.whole ? firstUses(graph, end.node.id, wrt) : null;
  for (let id = end.node.id; id >= 0; id--) {
    // Nodes before have nothing to add to these.
    for (const i of firsts?.get(id + 1) ?? []) tellWhole(i);
    const node = graph.nodes[id]!;
    if (!onPath[id]) continue;
    const dys = node.outs.map((t) => gradients.get(t) ?? null);
    // Whatever uses them has come before: nothing is added to these any more.
    dys.forEach((dy, i) => {
      if (dy) for (const seen of graph.gradientWatchers(node.outs[i]!)) seen(dy);
    });
    if (!node.ins.some(leadsOn) || dys.every((dy) => dy === null)) continue;
    const saved = node.op.saved?.find((i) => dys[i]);
    if (saved !== undefined)
      throw new GraphError(`grad: output ${saved} of ${node.op.name} has no gradient`, { op: node.op.name });
    if (!node.op.vjp) throw withoutGradient(node);
    graph.gradientOf = node;
    graph.layer = node.layer;
    const read = { node: recomputed.of(node), dys };
    const { node: reads, dys: gives } = options.reading?.of(read.node, dys, leadsOn) ?? read;
    const given = node.op.vjp(reads, gives);
    const dxs = node.op.broadcasts ? given.map((dx, i) => dx && sumTo(dx, node.ins[i]!.shape)) : given;
    for (let i = 0; i < dxs.length; i++) {
      const dx = dxs[i]!;
      const input = originalOf(node.ins[i]!);
      if (!onPath[input.node.id]) continue;
      if (dx === null) {
        if (!ends.includes(node)) ends.push(node);
        continue;
      }
      if (!sameType(dx.type, input.type)) {
        throw new GraphError(
          `grad: ${node.op.name} gave ${typeName(dx.type)} as the gradient of input ${i}, which is ${typeName(input.type)}`,
        );
      }
      const sum = gradients.get(input);
      gradients.set(input, sum ? add(sum, dx) : dx);
    }
  }
  graph.gradientOf = null;
  graph.layer = '';
  return { gradients: wrt.map((x) => gradients.get(originalOf(x.toTensor())) ?? null), ends };
}

/** Of `wrt`, by the id of the first node that reads them. */
function firstUses(graph: Graph, last: number, wrt: readonly Tensor[]): Map<number, number[]> {
  const places = new Map<Tensor, number[]>();
  for (const [i, t] of wrt.entries()) places.set(originalOf(t.toTensor()), [...(places.get(originalOf(t.toTensor())) ?? []), i]);
  const found = new Map<number, number[]>();
  for (const node of graph.nodes.slice(0, last + 1)) {
    for (const t of node.round === 0 ? node.ins : []) {
      const of = places.get(originalOf(t));
      if (!of) continue;
      found.set(node.id, [...(found.get(node.id) ?? []), ...of]);
      places.delete(originalOf(t));
    }
  }
  return found;
}

/** Of an op that was not meant to be differentiated, or whose gradient was not: second derivatives do not pass through it. */
function withoutGradient({ op, gradientOf, layer }: Node): GraphError {
  const where = layer === '' ? '' : ` in ${layer}`;
  if (!gradientOf) return new GraphError(`grad: ${op.name}${where} has no gradient`, { op: op.name });
  const text = `grad: the gradient of ${gradientOf.op.name}${where} has no gradient of its own: second derivatives do not pass through it`;
  return new GraphError(text, { op: op.name });
}

/** The op that ends the paths from `t` to a loss, of those where paths end; null where the loss does not depend on `t` at all. */
export function endOf(t: Tensor, ends: readonly Node[]): Node | null {
  const after = new Set([t.node.id]);
  for (const node of t.graph.nodes.slice(t.node.id + 1)) if (node.ins.some((x) => after.has(x.node.id))) after.add(node.id);
  return ends.find((node) => after.has(node.id)) ?? null;
}

export function zerosLike(x: Tensor): Tensor {
  const t = x.toTensor();
  return broadcastTo(t.graph.scalar(0, t.dtype === 'f64' ? 'f64' : 'f32'), t.shape);
}
