// twins.ts: graphs are traced with sizes that are numbers; a file is to take any. So the model is traced several times, and what differs between the
// graphs tells how it follows from the sizes of the inputs: dimensions of tensors, and numbers that nodes have.
import { GraphError, ShapeError } from '../errors.ts';
import { type Graph, isLeaf, type Node, type Tensor } from '../ir/graph.ts';
import { collected, type Size } from '../ir/onnx.ts';
import { attrsKey } from '../ir/print.ts';

/** A graph, and its tensors that are wanted. */
export interface Traced {
  readonly graph: Graph;
  /** By what they are called. */
  readonly outputs: ReadonlyMap<string, Tensor>;
}

/** Sizes by their names. */
export type Sizes = ReadonlyMap<string, number>;
export type Trace = (sizes: Sizes) => Traced;

/** A size that has a name. */
export interface Named {
  readonly name: string;
  /** One that the model takes; null: it counts rows, and any will do. */
  readonly usual: number | null;
}

// What rows are tried with.
const ROWS = [3, 5, 7] as const;
/** Below it, dimensions mean something else: one of 1 broadcasts. */
const LEAST = 2;

/** Names at most: there is a graph for each choice of one of two sizes for each. */
const MOST = 4;

export class Twins {
  /** The graph that is written. */
  readonly first: Traced;
  readonly #named: readonly Named[];
  /** The first and the second of the sizes that each name stood for. */
  readonly #tried: readonly (readonly [number, number, number])[];
  /** The i-th of them has the second size of each name whose bit in i is set. */
  readonly #corners: readonly Traced[];
  /** Of sizes that no corner has, by which it is seen whether what was found holds. */
  readonly #check: { readonly traced: Traced; readonly sizes: readonly number[] };

  private constructor(
    named: readonly Named[],
    tried: readonly (readonly [number, number, number])[],
    corners: readonly Traced[],
    check: { readonly traced: Traced; readonly sizes: readonly number[] },
  ) {
    this.first = corners[0]!;
    this.#named = named;
    this.#tried = tried;
    this.#corners = corners;
    this.#check = check;
  }

  /** @throws GraphError where graphs of other sizes are other graphs; what `trace` throws, where a size does not fit the model */
  static of(named: readonly Named[], trace: Trace): Twins {
    if (named.length > MOST) {
      const names = named.map(({ name }) => name).join(', ');
      throw new GraphError(`exportOnnx: expected at most ${MOST} sizes that are open, got ${names}: give numbers for some`);
    }
    const values = named.map(({ usual }): readonly [number, number, number] => {
      // The largest that there may be is a case of its own: nothing is cut off then.
      return usual === null ? ROWS : usual - 3 < LEAST ? [LEAST, LEAST + 1, LEAST + 2] : [usual - 1, usual - 2, usual - 3];
    });
    const traced = (of: readonly number[]): Traced => tracedWith(named, of, trace);
    const corners = Array.from({ length: 1 << named.length }, (_, c) => traced(values.map((v, k) => v[(c >> k) & 1]!)));
    const sizes = values.map((v) => v[2]);
    const check = { traced: named.length === 0 ? corners[0]! : traced(sizes), sizes };
    const differs = [...corners, check.traced].map((other) => differenceOf(corners[0]!, other)).find((d) => d !== '') ?? '';
    if (differs === '') return new Twins(named, values, corners, check);
    const names = named.map(({ name }) => name).join(' or ');
    const text = `exportOnnx: what the model computes is something else for another ${names}: ${differs}; give a number in place of the name`;
    throw new GraphError(text, { sizes: named.map(({ name }) => name) });
  }

  /** A node as it is for all the sizes that were tried. */
  all<A>(node: Node<A>): Node<A>[] {
    return [...this.#corners, this.#check.traced].map(({ graph }) => graph.nodes[node.id] as Node<A>);
  }

  /** Whether the attributes are the same for all of them. */
  sameAttributes(node: Node): boolean {
    const [first, ...others] = this.all(node).map(({ attrs }) => attrsKey(attrs));
    return others.every((key) => key === first);
  }

  /** A number that a node has; null: it does not follow from the sizes as a sum of their products. */
  across<A>(node: Node<A>, of: (node: Node<A>) => number): Size | null {
    const seen = this.all(node).map(of);
    const wanted = seen.pop()!;
    // Name by name: what does not grow with it, and what grows with it once.
    for (const [k, [a, b]] of this.#tried.entries()) {
      for (let i = 0; i < seen.length; i++) {
        if ((i >> k) & 1) continue;
        const slope = (seen[i + (1 << k)]! - seen[i]!) / (b - a);
        seen[i] = seen[i]! - slope * a;
        seen[i + (1 << k)] = slope;
      }
    }
    if (!seen.every(Number.isInteger)) return null;
    const products = seen.map((factor, i) => ({ factor, bits: this.#named.map((_, k) => (i >> k) & 1) }));
    const found = products.reduce((sum, { factor, bits }) => {
      return sum + bits.reduce((product, bit, k) => (bit ? product * this.#check.sizes[k]! : product), factor);
    }, 0);
    if (found !== wanted) return null;
    return collected(products.map(({ factor, bits }) => ({ factor, names: this.#namesOf(bits) })));
  }

  /** Of the sizes that these bits choose, in one order. */
  #namesOf(bits: readonly number[]): string[] {
    return this.#named
      .filter((_, k) => bits[k])
      .map(({ name }) => name)
      .sort();
  }
}

/** @throws what the model throws for such sizes, with them */
function tracedWith(named: readonly Named[], values: readonly number[], trace: Trace): Traced {
  try {
    return trace(new Map(named.map(({ name }, k) => [name, values[k]!])));
  } catch (cause) {
    if (!(cause instanceof ShapeError) || named.length === 0) throw cause;
    const sizes = named.map(({ name }, k) => `${name} ${values[k]}`).join(', ');
    const text = `${cause.message}; tried with ${sizes}: option sizes says which ones the model takes`;
    throw new ShapeError(text, { ...cause.details, sizes });
  }
}

/** What tells two graphs apart, in words; '' where they are the same but for sizes and numbers. */
function differenceOf(a: Traced, b: Traced): string {
  for (const [i, node] of a.graph.nodes.entries()) {
    const other = b.graph.nodes[i];
    const what = `${node.op.name}${node.layer === '' ? '' : ` of ${node.layer}`}`;
    if (!other) return `there is no ${what}`;
    const same = node.op === other.op && node.ins.length === other.ins.length && node.outs.length === other.outs.length;
    const wired = same && node.ins.every((t, k) => t.node.id === other.ins[k]!.node.id && t.index === other.ins[k]!.index);
    const typed =
      wired &&
      node.outs.every((t, k) => t.dtype === other.outs[k]!.dtype && t.shape.length === other.outs[k]!.shape.length) &&
      (!isLeaf(node) || sameLeaf(node, other));
    if (!typed) return same ? `${what} is of something else` : `${other.op.name} in place of ${what}`;
  }
  return a.graph.nodes.length === b.graph.nodes.length ? '' : `there is ${b.graph.nodes[a.graph.nodes.length]!.op.name} beside`;
}

/** Inputs and states by what they are; constants may differ. */
function sameLeaf(a: Node, b: Node): boolean {
  const of = ({ attrs }: Node): unknown => {
    const { name, state } = attrs as { name?: string; state?: object };
    return state ?? name ?? null;
  };
  return of(a) === of(b);
}
