// samples.ts: which part each sample of a batch has in the tensors of a graph: gradients of one sample each, their norms, and sums by weights.
import { GraphError } from '../errors.ts';
import { type Graph, INPUT, isLeaf, isOp, type Node, type Tensor } from '../ir/graph.ts';
import { isRows, type Lies, type Samples } from '../ir/samples.ts';
import { mul } from '../ops/elementwise/elementwise.ts';
import { castTo } from '../ops/elementwise/map.ts';
import { rowSquares } from '../ops/gradient/row-squares.ts';
import { hideSamples } from '../ops/rows/hide-samples.ts';
import { reshape } from '../ops/shape/shape.ts';
import { across } from '../ops/summands.ts';
import type { Reading } from './grad.ts';

/** A graph whose inputs of role `feed` have rows of so many samples. */
export class SamplesOf implements Samples {
  readonly count: number;
  readonly #lies = new Map<Node, readonly Lies[]>();
  readonly #summands = new Map<Tensor, Tensor>();
  readonly #squares = new Map<Tensor, Tensor>();

  constructor(count: number) {
    this.count = count;
  }

  /** @throws GraphError where samples are mixed up, or an op has no rule */
  lies(t: Tensor): Lies {
    const known = this.#lies.get(t.node);
    if (known) return known[t.index] ?? null;
    // What it is made of that nobody has asked for, each after what it reads.
    const missing = new Set<Node>([t.node]);
    for (const node of missing) for (const { node: from } of node.ins) if (!this.#lies.has(from)) missing.add(from);
    for (const node of [...missing].sort((a, b) => a.id - b.id)) this.#lies.set(node, this.#ofNode(node));
    return this.#lies.get(t.node)![t.index] ?? null;
  }

  #ofNode(node: Node): readonly Lies[] {
    if (isLeaf(node)) return node.outs.map((t) => this.#ofLeaf(t));
    const ins = node.ins.map((t) => this.lies(t));
    if (node.op.samplesOf) return node.op.samplesOf.lies(node, ins, this.count);
    if (ins.every((lies) => lies === null)) return node.outs.map(() => null);
    throw withoutRule(node);
  }

  #ofLeaf({ node, shape }: Tensor): Lies {
    if (!isOp(node, INPUT) || node.attrs.role !== 'feed') return null;
    const each = (shape[0] ?? 0) / this.count;
    if (Number.isInteger(each) && each > 0) return { axis: 0, each };
    const text = `clip.perSample: expected rows of ${this.count} samples as batch ${node.attrs.name}, got [${shape}]`;
    throw new GraphError(text, { name: node.attrs.name });
  }

  summands(t: Tensor): Tensor {
    let found = this.#summands.get(t);
    if (!found) {
      const rules = t.node.op.samplesOf;
      if (this.lies(t) !== 'sum' || !rules?.summands) throw withoutRule(t.node);
      found = inLayer(t.node, () => rules.summands!(t.node, t.index, this));
      this.inFront(found);
      this.#summands.set(t, found);
    }
    return found;
  }

  squares(t: Tensor): Tensor {
    let found = this.#squares.get(t);
    if (!found) {
      const rules = t.node.op.samplesOf;
      if (this.lies(t) !== 'sum') throw withoutRule(t.node);
      found = inLayer(t.node, () => rules?.sampleNorm?.(t.node, t.index, this) ?? rowSquares(this.summands(t)));
      this.inFront(found);
      this.#squares.set(t, found);
    }
    return found;
  }

  /** Made of all samples, and has them in front: what is made of it is asked no further. */
  inFront({ node }: Tensor): void {
    if (!this.#lies.has(node))
      this.#lies.set(
        node,
        node.outs.map(() => ({ axis: 0, each: 1 })),
      );
  }

  /**
   * A sum over samples once more, of summands times numbers of their own; where that number is 0, nothing of the sample is read.
   * @param weights f64 [samples]
   */
  weighed(t: Tensor, weights: Tensor): Tensor {
    const { node } = t;
    const rules = node.op.samplesOf;
    const sums = node.ins.map((x) => this.lies(x) === 'sum');
    if (this.lies(t) !== 'sum' || !rules) throw withoutRule(node);
    return inLayer(node, () => {
      const ins = sums.some(Boolean)
        ? node.ins.map((x, i) => (sums[i] ? this.weighed(x, weights) : x))
        : node.ins.map((x, i) => this.hidden(i === rules.weighs ? this.#times(x, weights) : x, weights));
      if (!sums.some(Boolean) && rules.weighs === undefined) throw withoutRule(node);
      return node.graph.add(node.op, ins, node.attrs).outs[t.index]!;
    });
  }

  #times(x: Tensor, weights: Tensor): Tensor {
    const lies = this.lies(x);
    if (!isRows(lies)) throw withoutRule(x.node);
    const cut = across(x, lies, castTo(weights, x.dtype));
    return reshape(mul(cut.x, cut.of), x.shape);
  }

  /** Zeros in place of the rows of samples whose number is 0, whatever stood there; of what is no floats, and where samples have no rows, the same. */
  hidden(x: Tensor, weights: Tensor): Tensor {
    const lies = this.lies(x);
    if (!isRows(lies) || (x.dtype !== 'f32' && x.dtype !== 'f64')) return x;
    return hideSamples(x, lies, weights);
  }
}

/**
 * A backward pass by weights of the samples, in which one of weight 0 is not read: what its rows hold may be NaN, and 0 times NaN is no 0. Rows are looked
 * at where they meet what all samples share; from there on they are what is read.
 */
export class Leaving implements Reading {
  readonly #of: SamplesOf;
  readonly #weights: Tensor;
  readonly #hidden = new Map<Tensor, Tensor>();

  constructor(of: SamplesOf, weights: Tensor) {
    this.#of = of;
    this.#weights = weights;
  }

  of(
    node: Node,
    dys: readonly (Tensor | null)[],
    isShared: (t: Tensor) => boolean,
  ): { node: Node; dys: readonly (Tensor | null)[] } {
    const meets =
      node.ins.some((t) => isShared(t) && this.#of.lies(t) === null) && node.outs.some((t) => this.#of.lies(t) !== null);
    const read = (t: Tensor): Tensor => this.#hidden.get(t) ?? (meets ? this.#hide(t) : t);
    const given = dys.map((dy) => (dy && meets ? this.#hide(dy) : dy));
    return { node: node.reading(node.ins.map(read), node.outs.map(read)), dys: given };
  }

  #hide(t: Tensor): Tensor {
    const hidden = this.#of.hidden(t, this.#weights);
    if (hidden !== t) this.#hidden.set(t, hidden);
    return hidden;
  }
}

function withoutRule({ op, layer, gradientOf }: Node): GraphError {
  const what = gradientOf && gradientOf.op !== op ? `the gradient of ${gradientOf.op.name}` : op.name;
  const where = layer === '' ? '' : ` in ${layer}`;
  const text = `clip.perSample: ${what}${where} has no rule for gradients of one sample each`;
  return new GraphError(text, { op: op.name, layer });
}

/** What is added belongs to where the node does. */
function inLayer<T>({ graph, layer, gradientOf }: Node, build: () => T): T {
  const before = { layer: graph.layer, gradientOf: graph.gradientOf };
  Object.assign(graph satisfies Graph, { layer, gradientOf });
  try {
    return build();
  } finally {
    Object.assign(graph, before);
  }
}
