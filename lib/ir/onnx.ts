// onnx.ts: what an op is given to say how it is written in ONNX: values by name, nodes, constants, and sizes that are known when the file is run only.
import type { Node, Tensor } from './graph.ts';
import type { Data, DType } from './op.ts';

/** Types of elements of ONNX that are written. */
export type OnnxType = DType | 'i64' | 'bool';

/** A value of the file, by its name. */
export type OnnxValue = string;

/** Attributes of a node. Plain numbers are whole ones; a float says that it is one. */
export type OnnxAttribute =
  | number
  | string
  | readonly number[]
  | readonly string[]
  | { readonly float: number }
  | { readonly tensor: Data };
export type OnnxAttributes = Readonly<Record<string, OnnxAttribute>>;

/** A product of sizes of the inputs, by their names, times a factor; of none of them: the factor. */
export interface Term {
  readonly names: readonly string[];
  readonly factor: number;
}
/** A size that follows from those of the inputs: the sum of some products. */
export interface Varying {
  readonly terms: readonly Term[];
}
/** A size: known now, or when the file is run. */
export type Size = number | Varying;

/** What an op writes itself with. */
export interface OnnxBuilder {
  /** The version of the operators. */
  readonly opset: number;
  /** What stands for a tensor of the graph. */
  value(t: Tensor): OnnxValue;
  /** Whether it is a constant of zeros. */
  isZero(t: Tensor): boolean;
  /** Append a node of one output. null: an input that is left out. */
  node(op: string, ins: readonly (OnnxValue | null)[], attributes?: OnnxAttributes): OnnxValue;
  /** Append a node of several outputs. */
  nodes(op: string, ins: readonly (OnnxValue | null)[], outputs: number, attributes?: OnnxAttributes): OnnxValue[];
  /** Numbers that the file has; those that are the same are there once. */
  constant(type: OnnxType, shape: readonly number[], values: ArrayLike<number>): OnnxValue;
  /** A single number. */
  scalar(type: OnnxType, value: number): OnnxValue;
  /** A list of sizes, i64. */
  sizes(list: readonly Size[]): OnnxValue;
  /** The dimensions of a tensor. */
  dims(t: Tensor): Size[];
  /** A number that the node has, which may follow from sizes of the inputs: `of` is asked of the node as it is for several of them. */
  across<A>(node: Node<A>, of: (node: Node<A>) => number): Size;
  /** As many numbers that it has. */
  allAcross<A>(node: Node<A>, of: (node: Node<A>) => readonly number[]): Size[];
  /** A size that an operator wants to know now. @throws GraphError where it follows from sizes of the inputs */
  known<A>(node: Node<A>, size: Size): number;
  /** The same elements under other dimensions. */
  reshape(x: OnnxValue, dims: readonly Size[]): OnnxValue;
  /** A size, as a list of one number. */
  size(type: OnnxType, size: Size): OnnxValue;
  /** The numbers from 0 to below a size. */
  range(type: OnnxType, size: Size): OnnxValue;
  /** Elements from `start` to below `end` along an axis. */
  slice(x: OnnxValue, axis: number, start: Size, end: Size, step?: number): OnnxValue;
  /** In another type; itself, where it has that one. */
  cast(x: OnnxValue, from: OnnxType, to: OnnxType): OnnxValue;
  /** Reduced over axes, which are gone then, or dimensions of 1 with `keep`. */
  reduce(
    op: 'ReduceSum' | 'ReduceMean' | 'ReduceMax' | 'ReduceMin',
    x: OnnxValue,
    axes: readonly number[],
    keep?: boolean,
  ): OnnxValue;
  /** What has been made before under this key, else what `make` makes. */
  once(key: string, make: () => OnnxValue): OnnxValue;
  /** @throws GraphError that names op and layer, and says why the node cannot be written */
  refuse<A>(node: Node<A>, why: string): never;
}

/** Writes a node; gives the values of its outputs, null for those that nothing but a gradient reads. */
export type OnnxOf<A> = (node: Node<A>, b: OnnxBuilder) => readonly (OnnxValue | null)[];

/** Of an op that is one of ONNX on the same operands. */
export const asNode =
  <A>(op: string, attributes: (attrs: A) => OnnxAttributes = () => ({})): OnnxOf<A> =>
  (node, b) => [
    b.node(
      op,
      node.ins.map((t) => b.value(t)),
      attributes(node.attrs),
    ),
  ];

/** Whether it is known now. */
export const isKnown = (size: Size): size is number => typeof size === 'number';

/** Terms of a size. */
export const termsOf = (size: Size): readonly Term[] => (isKnown(size) ? [{ names: [], factor: size }] : size.terms);

/** The product of sizes. */
export function times(...sizes: readonly Size[]): Size {
  if (sizes.every(isKnown)) return sizes.reduce((a, b) => a * b, 1);
  const terms = sizes.reduce<readonly Term[]>(
    (product, size) =>
      product.flatMap((p) => termsOf(size).map((q) => ({ names: [...p.names, ...q.names].sort(), factor: p.factor * q.factor }))),
    [{ names: [], factor: 1 }],
  );
  return collected(terms);
}

/** The sum of sizes. */
export const plus = (...sizes: readonly Size[]): Size => collected(sizes.flatMap(termsOf));

/** Terms of the same names together, in one order, without those that come to nothing. */
export function collected(terms: readonly Term[]): Size {
  const by = new Map<string, Term>();
  for (const { names, factor } of terms) {
    const key = names.join('*');
    by.set(key, { names, factor: (by.get(key)?.factor ?? 0) + factor });
  }
  const left = [...by].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, term]) => (term.factor === 0 ? [] : [term]));
  if (left.every(({ names }) => names.length === 0)) return left[0]?.factor ?? 0;
  return { terms: left };
}

/** `2 * batch * time + 1`, as a dimension without a name of its own is called in the file. */
export function sizeText(size: Size): string {
  if (isKnown(size)) return String(size);
  const one = ({ names, factor }: Term): string => [...(factor === 1 && names.length > 0 ? [] : [factor]), ...names].join('*');
  return size.terms.map(one).join('+');
}

/** Whether two sizes are the same, whatever the inputs. */
export const sameSize = (a: Size, b: Size): boolean => sizeText(a) === sizeText(b);
