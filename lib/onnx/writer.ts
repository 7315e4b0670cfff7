// writer.ts: nodes of ONNX, one after the other, as ops' entries ask for them: values by name, constants once, sizes that the inputs tell.
import { GraphError } from '../errors.ts';
import { CONSTANT, INPUT, isLeaf, isOp, type Node, STATE, type State, type Tensor } from '../ir/graph.ts';
import { isKnown, type OnnxAttributes, type OnnxBuilder, type OnnxType, type OnnxValue, type Size, termsOf } from '../ir/onnx.ts';
import type { Data } from '../ir/op.ts';
import type { OnnxNode, OnnxPort, OnnxTensor } from './model.ts';
import { bytesOf, ELEMENT } from './proto.ts';
import type { Twins } from './twins.ts';

/** What a weight is called, and its values. */
export interface Weight {
  readonly name: string;
  readonly data: Data;
}

/** What constants are called: no weight has such a name, so that who reads weights can leave them out. */
const CONSTANT_NAME = 'gradclip.constant';

const ARRAYS = {
  f32: Float32Array,
  f64: Float64Array,
  i32: Int32Array,
  u8: Uint8Array,
  bool: Uint8Array,
} as const;

export class Writer implements OnnxBuilder {
  readonly opset: number;
  readonly nodesWritten: OnnxNode[] = [];
  /** Weights and constants by their names in the file. */
  readonly tensors: Map<string, OnnxTensor> = new Map();
  readonly #twins: Twins;
  readonly #inputs: readonly OnnxPort[];
  readonly #weightOf: (state: State) => Weight;
  /** Names of values that are taken. */
  readonly #taken: Set<string>;
  readonly #values = new Map<Tensor, OnnxValue | null>();
  /** Constants of a type and shape. */
  readonly #constants = new Map<string, OnnxTensor[]>();
  readonly #made = new Map<string, OnnxValue>();
  /** Nodes whose numbers were looked at for all sizes. */
  readonly #looked = new Set<Node>();
  /** That which is being written. */
  #node: Node | null = null;

  /** @param taken names of values that are not to be given to others: those of inputs and outputs */
  constructor(
    opset: number,
    twins: Twins,
    inputs: readonly OnnxPort[],
    weightOf: (state: State) => Weight,
    taken: Iterable<string>,
  ) {
    this.opset = opset;
    this.#twins = twins;
    this.#inputs = inputs;
    this.#weightOf = weightOf;
    this.#taken = new Set(taken);
  }

  /** Write what these tensors are made of. */
  write(outputs: Iterable<Tensor>): void {
    const { graph } = this.#twins.first;
    const live = new Set<Node>(Array.from(outputs, (t) => t.node));
    for (const node of [...graph.nodes].reverse()) {
      if (live.has(node)) for (const t of node.ins) live.add(t.node);
    }
    for (const node of graph.nodes) if (live.has(node) && !isLeaf(node)) this.#write(node);
  }

  #write(node: Node): void {
    this.#node = node;
    const { op } = node;
    if (!op.onnx) this.refuse(node, 'it has no form there');
    const values = op.onnx(node, this);
    if (!this.#looked.has(node) && !this.#twins.sameAttributes(node)) {
      this.refuse(node, 'what it does follows from sizes that are open: give numbers for them');
    }
    for (const [i, t] of node.outs.entries()) this.#values.set(t, values[i] ?? null);
    this.#node = null;
  }

  value(t: Tensor): OnnxValue {
    const known = this.#values.get(t);
    if (known !== undefined && known !== null) return known;
    const { node } = t;
    if (known === null || !isLeaf(node)) return this.refuse(node, `nothing but its gradient reads output ${t.index}`);
    const value = this.#leaf(t);
    this.#values.set(t, value);
    return value;
  }

  #leaf(t: Tensor): OnnxValue {
    const { node } = t;
    if (isOp(node, INPUT)) return node.attrs.name;
    if (isOp(node, STATE)) {
      const { name, data } = this.#weightOf(node.attrs.state);
      return this.#add(this.#nameOf(name), t.dtype, t.shape, bytesOf(data));
    }
    if (isOp(node, CONSTANT)) return this.#constantOf(t);
    return this.refuse(node, 'nothing is known of it');
  }

  /** Numbers of the graph: the same for all sizes, or one number everywhere. */
  #constantOf(t: Tensor): OnnxValue {
    const all = this.#dataOf(t);
    const [first] = all as [Data];
    const dims = this.dims(t);
    if (dims.every(isKnown) && all.every((data) => data.every((v, i) => Object.is(v, first[i])))) {
      return this.constant(t.dtype, t.shape, first);
    }
    const value = first[0];
    if (value === undefined || !all.every((data) => data.every((v) => Object.is(v, value)))) {
      const where = this.#node ?? t.node;
      return this.refuse(where, 'numbers that it reads follow from sizes that are open: give numbers for them');
    }
    return this.node('ConstantOfShape', [this.sizes(dims)], { value: { tensor: first.slice(0, 1) } });
  }

  #dataOf(t: Tensor): readonly Data[] {
    return this.#twins.all(t.node).map(({ attrs }) => (attrs as { readonly data: Data }).data);
  }

  isZero(t: Tensor): boolean {
    return isOp(t.node, CONSTANT) && this.#dataOf(t).every((data) => data.every((v) => v === 0));
  }

  node(op: string, ins: readonly (OnnxValue | null)[], attributes: OnnxAttributes = {}): OnnxValue {
    return this.nodes(op, ins, 1, attributes)[0]!;
  }

  nodes(op: string, ins: readonly (OnnxValue | null)[], outputs: number, attributes: OnnxAttributes = {}): OnnxValue[] {
    const layer = this.#node?.layer ?? '';
    const name = this.#nameOf(layer === '' ? op : `${layer}/${op}`);
    const outs = [name, ...Array.from({ length: outputs - 1 }, (_, i) => this.#nameOf(`${name}:${i + 1}`))];
    // What is left out at the end is not there at all.
    const given = ins.slice(0, ins.findLastIndex((value) => value !== null) + 1).map((value) => value ?? '');
    this.nodesWritten.push({ name, op, ins: given, outs, attributes });
    return outs;
  }

  constant(type: OnnxType, shape: readonly number[], values: ArrayLike<number>): OnnxValue {
    const make: { from(values: ArrayLike<number>): Data } = ARRAYS[type === 'i64' ? 'u8' : type];
    const data = type === 'i64' ? BigInt64Array.from(Array.from(values), (v) => BigInt(v)) : make.from(values);
    const bytes = bytesOf(data);
    const key = `${type} ${shape}`;
    const alike = this.#constants.get(key) ?? [];
    this.#constants.set(key, alike);
    const same = alike.find((c) => Buffer.compare(c.bytes, bytes) === 0);
    if (same) return same.name;
    const name = this.#add(this.#nameOf(CONSTANT_NAME), type, shape, bytes);
    alike.push(this.tensors.get(name)!);
    return name;
  }

  scalar(type: OnnxType, value: number): OnnxValue {
    return this.constant(type, [], [value]);
  }

  sizes(list: readonly Size[]): OnnxValue {
    if (list.every(isKnown)) return this.constant('i64', [list.length], list);
    return this.node(
      'Concat',
      list.map((size) => this.size('i64', size)),
      { axis: 0 },
    );
  }

  size(type: OnnxType, size: Size): OnnxValue {
    if (isKnown(size)) return this.constant(type, [1], [size]);
    const factor = (n: number): OnnxValue => this.constant('i64', [1], [n]);
    const terms = termsOf(size).map(({ names, factor: n }) => {
      const values = [...names.map((name) => this.#named(name)), ...(n === 1 && names.length > 0 ? [] : [factor(n)])];
      return values.reduce((a, b) => this.node('Mul', [a, b]));
    });
    return this.cast(
      terms.reduce((a, b) => this.node('Add', [a, b])),
      'i64',
      type,
    );
  }

  /** A size of an input, as a list of one number. */
  #named(name: string): OnnxValue {
    return this.once(`size ${name}`, () => {
      const found = this.#inputs.flatMap((port) => {
        const axis = port.shape.findIndex((size) => !isKnown(size) && isName(size, name));
        return axis < 0 ? [] : [{ port, axis }];
      })[0]!;
      const shape = this.once(`shape ${found.port.name}`, () => this.node('Shape', [found.port.name]));
      return this.node('Gather', [shape, this.constant('i64', [1], [found.axis])], { axis: 0 });
    });
  }

  range(type: OnnxType, size: Size): OnnxValue {
    const limit = isKnown(size)
      ? this.scalar(type, size)
      : this.node('Squeeze', [this.size(type, size), this.constant('i64', [1], [0])]);
    return this.node('Range', [this.scalar(type, 0), limit, this.scalar(type, 1)]);
  }

  dims(t: Tensor): Size[] {
    return t.shape.map((_, axis) => {
      const size = this.#twins.across(t.node, ({ outs }) => outs[t.index]!.shape[axis]!);
      return size ?? this.refuse(t.node, `dimension ${axis} of what it gives is no sum of products of the sizes that are open`);
    });
  }

  across<A>(node: Node<A>, of: (node: Node<A>) => number): Size {
    this.#looked.add(node as Node);
    const size = this.#twins.across(node, of);
    return size ?? this.refuse(node, 'a number that it has is no sum of products of the sizes that are open');
  }

  allAcross<A>(node: Node<A>, of: (node: Node<A>) => readonly number[]): Size[] {
    return of(node).map((_, i) => this.across(node, (twin) => of(twin)[i]!));
  }

  known<A>(node: Node<A>, size: Size): number {
    if (isKnown(size)) return size;
    return this.refuse(node, 'it wants sizes that are open: give numbers for them');
  }

  reshape(x: OnnxValue, dims: readonly Size[]): OnnxValue {
    const open = dims.filter((d) => !isKnown(d) || d < 0).length;
    // One that is not known follows from the others, where there is anything at all.
    const shape = open === 1 && !dims.includes(0) ? dims.map((d) => (isKnown(d) ? d : -1)) : dims;
    return this.node('Reshape', [x, this.sizes(shape)], dims.includes(0) ? { allowzero: 1 } : {});
  }

  slice(x: OnnxValue, axis: number, start: Size, end: Size, step: number = 1): OnnxValue {
    const one = (size: Size): OnnxValue => this.size('i64', size);
    return this.node('Slice', [x, one(start), one(end), one(axis), one(step)]);
  }

  cast(x: OnnxValue, from: OnnxType, to: OnnxType): OnnxValue {
    return from === to ? x : this.node('Cast', [x], { to: ELEMENT[to] });
  }

  reduce(op: string, x: OnnxValue, axes: readonly number[], keep: boolean = false): OnnxValue {
    if (axes.length === 0) return x;
    // What the axes are comes as an input from these versions on.
    const asInput = this.opset >= (op === 'ReduceSum' ? 13 : 18);
    const keepdims = +keep;
    if (asInput) return this.node(op, [x, this.constant('i64', [axes.length], axes)], { keepdims });
    return this.node(op, [x], { axes, keepdims });
  }

  once(key: string, make: () => OnnxValue): OnnxValue {
    const known = this.#made.get(key);
    if (known !== undefined) return known;
    const value = make();
    this.#made.set(key, value);
    return value;
  }

  refuse<A>({ op, layer }: Node<A>, why: string): never {
    const text = `exportOnnx: ${layer === '' ? '' : `${layer}: `}${op.name} cannot be written in ONNX: ${why}`;
    throw new GraphError(text, { op: op.name, layer });
  }

  #add(name: string, type: OnnxType, shape: readonly number[], bytes: Uint8Array): string {
    this.tensors.set(name, { name, type, shape, bytes });
    return name;
  }

  /** One that no other value has. */
  #nameOf(wanted: string): string {
    let name = wanted;
    for (let i = 1; this.#taken.has(name); i++) name = `${wanted}_${i}`;
    this.#taken.add(name);
    return name;
  }
}

const isName = (size: Size, name: string): boolean => {
  const [term, ...others] = termsOf(size);
  return others.length === 0 && term!.factor === 1 && term!.names.length === 1 && term!.names[0] === name;
};
