// graph.ts: symbolic nodes with static shapes. A graph is append-only, so `nodes` is always in topological order.
import { printAs } from '../errors/inspect.ts';
import { GraphError } from '../errors.ts';
import { bool, choice, custom, type Field, instance, list, object, options, signature, text, whole } from '../options/index.ts';
import { type Data, type DType, type OpDef, type Precision, sameType, sizeOf, type TensorType, typeName } from './op.ts';
import { notANumber, toPrimitive } from './traced.ts';

/** One output of a node: what models pass around while they are traced. */
export class Tensor {
  /** The node that gives it. */
  readonly node: Node;
  /** Its place among the outputs of the node. */
  readonly index: number;
  /** Its dtype and shape. */
  readonly type: TensorType;
  /** The first layer that gave it as its result, such as `linear fc1`, or the batch that has it: `batch x`. */
  origin: string | null = null;
  constructor(node: Node, index: number, type: TensorType) {
    this.node = node;
    this.index = index;
    this.type = type;
  }
  /** Its dimensions; [] is a scalar. */
  get shape(): readonly number[] {
    return this.type.shape;
  }
  /** Its element type. */
  get dtype(): DType {
    return this.type.dtype;
  }
  /** The graph that it is part of. */
  get graph(): Graph {
    return this.node.graph;
  }
  /** Tensor and Parameter are both operands of ops: anything with this method is. */
  toTensor(): Tensor {
    return this;
  }
  /** `Tensor f32[4,3] of linear fc1`: the layer that gave it, or the op that made it and the layer it was made in. */
  toString(): string {
    return `Tensor ${typeName(this.type)} of ${this.origin ?? made(this.node)}`;
  }
  /**
   * Its text where a text is asked for; as a number it has no value while a model is traced.
   * @throws GraphError for `x > 0`, `x * 2`, `+x`
   */
  [Symbol.toPrimitive](hint: string): string {
    return toPrimitive(hint, this.toString());
  }
  /**
   * It has no elements while a model is traced: `Float32Array.from` and a loop would make nothing of it.
   * @throws GraphError always
   */
  get length(): never {
    throw notANumber(this.toString(), 'is used as a list');
  }
  /** It has no values that could be written while a model is traced. @throws GraphError always */
  toJSON(): never {
    throw notANumber(this.toString(), 'is written as JSON');
  }
}

/** An op and where it was used: `add in blocks.0`. */
function made(node: Node): string {
  if (isOp(node, INPUT)) return `input ${node.attrs.name}`;
  if (isOp(node, STATE)) return node.attrs.state.name;
  const of = node.gradientOf ? `the gradient of ${node.gradientOf.op.name}` : node.op.name;
  return node.layer === '' ? of : `${of} in ${node.layer}`;
}

/** Anything an op accepts in place of a Tensor: a Parameter of a module, for one. */
export interface TensorLike {
  /** The tensor that an op takes in its place. */
  toTensor(): Tensor;
}

/**
 * `micro`: forward and backward, run once per micro-batch. `joint`: what all micro-batches have come to before any of them goes on, run once. `apply`: clip
 * and update, run once per step.
 */
export type Section = 'micro' | 'joint' | 'apply';

/** One application of an op. */
export class Node<A = unknown> {
  readonly graph: Graph;
  readonly id: number;
  readonly op: OpDef<A>;
  readonly ins: readonly Tensor[];
  readonly attrs: A;
  readonly outs: readonly Tensor[];
  readonly section: Section;
  /** Path of the layer whose `forward` added it; '' of the model itself, and where no model is traced. */
  readonly layer: string;
  /** In a backward pass: the node whose gradient it belongs to. */
  readonly gradientOf: Node | null;
  /** 0; of what a backward pass computes again: which time that is. Nodes of different rounds are never merged. */
  readonly round: number;
  constructor(graph: Graph, id: number, op: OpDef<A>, ins: readonly Tensor[], attrs: A, types: readonly TensorType[]) {
    this.graph = graph;
    this.id = id;
    this.op = op;
    this.ins = ins;
    this.attrs = attrs;
    this.section = graph.section;
    this.layer = graph.layer;
    this.gradientOf = graph.gradientOf;
    this.round = graph.round;
    this.outs = types.map((type, index) => new Tensor(this as Node, index, type));
  }
  /** The only output. */
  get out(): Tensor {
    return this.outs[0] as Tensor;
  }
  /** The same, with others as its operands and outputs: for who takes its gradient from them. */
  reading(ins: readonly Tensor[], outs: readonly Tensor[]): Node<A> {
    return Object.assign(Object.create(Node.prototype) as Node<A>, this, { ins, outs });
  }
}

/**
 * Where an input comes from. `feed`: one row per micro-batch, from the caller or the loader. `step`: one row per applied step
 * (hyper-parameters, thresholds). `data`: a data set bound once, whole.
 */
export type InputRole = 'feed' | 'step' | 'data';
export interface InputAttrs {
  readonly name: string;
  readonly role: InputRole;
  readonly type: TensorType;
}

/** Memory that outlives a run, shared by all programs of a model: parameters, slots, policy state, accumulators. */
export interface State {
  /** Its name, for errors and checkpoints. */
  readonly name: string;
  /** Its dtype and shape. */
  readonly type: TensorType;
  /** First value; zeros if absent. */
  readonly init?: (out: Data) => void;
  /** Means nothing between steps (accumulators of micro-batches): it lies with a run's programs, and is in no checkpoint. */
  readonly transient?: boolean;
  /** Of a transient one: the smaller one that it is in place of, where a shape of batches needs more. */
  readonly replaces?: State;
  /** Means nothing between steps, though it lies with what does: it is in no checkpoint. */
  readonly scratch?: boolean;
  /**
   * Random bits of the system, which `init` draws: in no checkpoint and no copy. It has new ones wherever a trainer goes back to where it was, and in a
   * group those of process 0.
   */
  readonly secret?: boolean;
  /** It holds some elements of a larger tensor, from one on: the other processes of the group hold the others. */
  readonly part?: { readonly whole: TensorType; readonly from: number };
  /** A table whose gradient must stay rows that were looked up: it is not multiplied in their place. */
  readonly byRows?: boolean;
}
export interface Assign {
  readonly state: State;
  readonly value: Tensor;
  /** Takes effect even when the step is skipped (counters). */
  readonly always: boolean;
}

/** An output that is given to a listener. */
export interface Print {
  /** A step that is skipped computes nothing more of `apply`. */
  readonly section: Section;
  tell(numbers: Float64Array, batch: number): void;
}

const leaf = <A>(name: string, type: (attrs: A) => TensorType): OpDef<A> => ({
  name,
  infer: (_, attrs) => [type(attrs)],
  cost: () => ({ flops: 0, bytes: 0 }),
  ref: () => {
    throw new GraphError(`${name}: a leaf has no ref`);
  },
  samples: () => [],
});
/** Leaves. They make no instruction; planning gives them a place. */
export const INPUT: OpDef<InputAttrs> = leaf('input', (a) => a.type);
export const STATE: OpDef<{ readonly state: State }> = leaf('state', (a) => a.state.type);
export const CONSTANT: OpDef<{ readonly data: Data; readonly type: TensorType }> = leaf('constant', (a) => a.type);

/** Is this an application of `op`? Narrows the attributes' type. */
export function isOp<A>(node: Node, op: OpDef<A>): node is Node<unknown> & { readonly attrs: A } {
  return (node.op as unknown) === op;
}

export function isLeaf(node: Node): boolean {
  return isOp(node, INPUT) || isOp(node, STATE) || isOp(node, CONSTANT);
}

const NONE: readonly never[] = [];

let nodeAdded: ((node: Node) => void) | null = null;

/** Build something, and see each node that is added to a graph meanwhile. */
export function watchNodes<T>(seen: (node: Node) => void, build: () => T): T {
  const before = nodeAdded;
  nodeAdded = seen;
  try {
    return build();
  } finally {
    nodeAdded = before;
  }
}

// ---- what users of a graph give it -------------------------------------------------------------------------------
const ARRAYS = { f32: Float32Array, f64: Float64Array, i32: Int32Array, u8: Uint8Array } as const;
const dtype = choice('f32', 'f64', 'i32', 'u8');
const shape = list(whole({ min: 0 }));
const type = object<TensorType>({ dtype, shape });
const name = text;
const tensor: Field<Tensor> = instance('a Tensor', Tensor);
const array: Field<Data> = custom('a typed array of the dtype', (value, place) => {
  if (Object.values(ARRAYS).some((type) => value instanceof type)) return value as Data;
  throw place.wrong('a Float32Array, Float64Array, Int32Array or Uint8Array', value);
});
/** Infinities and NaN are numbers of a graph, too. */
const anyNumber: Field<number> = custom('a number', (value, place) => {
  if (typeof value === 'number') return value;
  throw place.wrong('a number', value);
});
const state: Field<State> = custom('a state { name, type }', (value, place) => {
  const given = (value ?? {}) as Partial<State>;
  text.read(given.name, place.key('name'));
  type.read(given.type, place.key('type'));
  return value as State;
});
const readGraph = signature('Graph', { mode: choice('train', 'eval').default('eval') });
const readInput = signature('Graph.input', { name, type, role: choice('feed', 'step', 'data') });
const readState = signature('Graph.state', { state });
const readAssign = signature('Graph.assign', { state, value: tensor }, options<AssignOptions>()({ always: bool.default(false) }));
const readConstant = signature('Graph.constant', { data: array, shape, dtype });
const readScalar = signature('Graph.scalar', { value: anyNumber, dtype: choice('f32', 'f64').default('f32') });
const readOutput = signature('Graph.output', { name, value: tensor });

/** Options of `Graph.assign`. */
export interface AssignOptions {
  /** In a step that is skipped, too. Default false. */
  readonly always?: boolean;
}

/**
 * A graph under construction: nodes with static shapes, which its methods and the functions of `ops` add.
 * @throws OptionError for a mode other than `train` and `eval`, and for what its methods do not take
 */
export class Graph {
  /** All nodes, each after those that it reads. */
  readonly nodes: Node[] = [];
  /** What the graph is for: layers that differ between training and evaluation (dropout) read it. Default `eval`. */
  readonly mode: 'train' | 'eval';
  /** The inputs by name, each a tensor of the shape it was declared with. */
  readonly inputs: Map<string, Tensor> = new Map();
  /** The next values of states, in the order in which they were given. */
  readonly assigns: Assign[] = [];
  /**
   * Named results, of any shape. In a training graph they are columns of the report; in an evaluate or predict graph, what is
   * returned.
   */
  readonly outputs: Map<string, Tensor> = new Map();
  /** The part of a step that nodes are added to now. Default `micro`. */
  section: Section = 'micro';
  /** Whether what drops at random in training (dropout, that of attention) does so here. Default: in a graph that trains. */
  dropout: boolean;
  /** What products that are added now take their operands as. Default `f32`. */
  precision: Precision = 'f32';
  /** What of a forward pass lies idle until a backward pass reads it is kept as. Default `f32`. */
  activations: Precision = 'f32';
  /**
   * Whether the graph is written down for any number of rows: then no layer takes a way that is cheaper for as many as there are. Default false.
   */
  forAnyRows = false;
  /**
   * The sum of a tensor over all micro-batches of the step, which then wait for each other, for layers that normalize by all of its rows. Default: null, none
   * knows of the others.
   * @shape x [...] -> [...]
   */
  overStep: ((x: Tensor) => Tensor) | null = null;
  /** Path of the layer whose `forward` is being traced. */
  layer = '';
  /** The node whose gradient is being added. */
  gradientOf: Node | null = null;
  /** The round of nodes that are added now. Default 0; see `Node.round`. */
  round = 0;
  /** f64 scalar, non-zero to skip the step; its node must be in `apply`. */
  skip: Tensor | null = null;
  /** Outputs that are given to a listener when they have been computed, by their names. */
  readonly prints: Map<string, Print> = new Map();
  #gradientWatchers = new Map<Tensor, ((gradient: Tensor) => void)[]>();
  #states = new Map<State, Tensor>();
  #assigned = new Set<State>();
  #scalars = new Map<string, Tensor>();
  #randomKeys = 0;

  constructor(mode: 'train' | 'eval' = 'eval') {
    readGraph(arguments);
    this.mode = mode;
    this.dropout = mode === 'train';
  }

  /**
   * Append a node. Ops' public functions call this; models call those.
   * @shape ins [...] each -> outputs [...], as the op infers them
   * @throws GraphError if an operand comes from another graph; ShapeError and DTypeError if the op does not take operands of
   * these types
   */
  add<A>(op: OpDef<A>, ins: readonly Tensor[], attrs: A): Node<A> {
    for (const t of ins) {
      if (t.graph !== this) {
        const text = `${op.name}: an operand comes from another graph: a tensor was kept from an earlier trace, or made outside of this model`;
        throw new GraphError(text, { op: op.name });
      }
    }
    const types = op.infer(
      ins.map((t) => t.type),
      attrs,
    );
    const rounds = this.precision === 'bf16' && op.multiplies && types[0]?.dtype === 'f32';
    const node = new Node<A>(this, this.nodes.length, op, ins, rounds ? { ...attrs, bf16: true } : attrs, types);
    this.nodes.push(node as Node);
    nodeAdded?.(node as Node);
    return node;
  }

  /**
   * Append a node of another graph, on operands of the same types. A leaf keeps its identity: one node per state and input.
   * Nothing is checked again, since compiling copies every node several times.
   * @shape ins [...] each -> outputs [...] of the node's own types
   */
  copy(node: Node, ins: readonly Tensor[]): Node {
    if (isOp(node, STATE)) return this.#stateOf(node.attrs.state).node;
    if (isOp(node, INPUT)) return this.#inputOf(node.attrs).node;
    const types = node.outs.map((t) => t.type);
    const made = new Node(this, this.nodes.length, node.op, ins, node.attrs, types);
    this.nodes.push(made);
    return made;
  }

  /**
   * An input: values that a run is given. One node per name; a second call with the same type and role gives the first one's.
   * @shape -> [...], the shape of `type`
   * @throws OptionError; GraphError if the name was declared with another type or role
   */
  input(name: string, type: TensorType, role: InputRole): Tensor {
    readInput(arguments);
    return this.#inputOf({ name, role, type });
  }
  #inputOf(attrs: InputAttrs): Tensor {
    const { name, type, role } = attrs;
    const known = this.inputs.get(name);
    if (known) {
      const a = known.node.attrs as InputAttrs;
      if (!sameType(a.type, type) || a.role !== role) {
        throw new GraphError(`input ${name}: declared twice, as ${typeName(a.type)} and ${typeName(type)}`, { name });
      }
      return known;
    }
    const t = this.add(INPUT, [], attrs).out;
    this.inputs.set(name, t);
    return t;
  }

  /**
   * The value of a state at the start of the step. One node per state and graph.
   * @shape -> [...], the shape of the state's type
   * @throws OptionError
   */
  state(state: State): Tensor {
    readState(arguments);
    return this.#stateOf(state);
  }
  #stateOf(state: State): Tensor {
    let t = this.#states.get(state);
    if (!t) {
      t = this.add(STATE, [], { state }).out;
      this.#states.set(state, t);
    }
    return t;
  }

  /** The states that the graph reads or assigns, in the order in which it met them. */
  get states(): readonly State[] {
    return [...this.#states.keys()];
  }

  /**
   * Give a state its next value. It takes effect at the end of the step, unless the step is skipped (see `always`).
   * @shape value [...], the shape of the state's type
   * @throws OptionError; GraphError if the value has another type than the state, or the state was assigned before
   */
  assign(state: State, value: Tensor, options: AssignOptions = {}): void {
    const { always } = readAssign(arguments);
    this.copyAssign({ state, always }, value);
  }

  /**
   * Take over the assignment of another graph, of its value here.
   * @shape value [...], the shape of the state's type
   * @throws GraphError if the value has another type than the state, or the state was assigned before
   */
  copyAssign({ state, always }: Omit<Assign, 'value'>, value: Tensor): void {
    if (!sameType(value.type, state.type)) {
      throw new GraphError(`assign ${state.name}: expected ${typeName(state.type)}, got ${typeName(value.type)}`);
    }
    if (this.#assigned.has(state)) throw new GraphError(`assign ${state.name}: assigned twice`);
    this.#assigned.add(state);
    this.#stateOf(state);
    this.assigns.push({ state, value, always });
  }

  /**
   * Values that are the same in every run.
   * @shape -> [...], `shape`
   * @param data the typed array of the dtype, as many elements as the shape says
   * @throws OptionError; GraphError if the array is of another dtype, or has another number of elements
   */
  constant(data: Data, shape: readonly number[], dtype: DType): Tensor {
    readConstant(arguments);
    if (!(data instanceof ARRAYS[dtype]))
      throw new GraphError(`constant: expected a ${ARRAYS[dtype].name} for ${dtype}, got a ${data.constructor.name}`);
    if (data.length !== sizeOf(shape)) {
      throw new GraphError(`constant: expected ${sizeOf(shape)} elements for [${shape}], got ${data.length}`);
    }
    return this.add(CONSTANT, [], { data, type: { dtype, shape } }).out;
  }

  /**
   * A scalar constant, one node per value and dtype.
   * @shape -> scalar
   * @param dtype `f32` (default) or `f64`
   * @throws OptionError
   */
  scalar(value: number, dtype: 'f32' | 'f64' = 'f32'): Tensor {
    readScalar(arguments);
    const key = `${dtype}:${Object.is(value, -0) ? '-0' : value}`;
    let t = this.#scalars.get(key);
    if (!t) {
      t = this.constant(dtype === 'f32' ? new Float32Array([value]) : new Float64Array([value]), [], dtype);
      this.#scalars.set(key, t);
    }
    return t;
  }

  /** A key for one random op; equal in every trace of the same model, so that runs can be resumed. */
  randomKey(): number {
    return this.#randomKeys++;
  }

  /**
   * Have a backward pass call a function with the gradient of `x`, if it computes one.
   * @shape x [...]; `seen` is given a gradient [...] of that shape
   */
  watchGradient(x: Tensor, seen: (gradient: Tensor) => void): void {
    this.#gradientWatchers.set(x, [...(this.#gradientWatchers.get(x) ?? []), seen]);
  }
  /** The functions that a backward pass calls with the gradient of `x`, in the order in which they were added. @shape x [...] */
  gradientWatchers(x: Tensor): readonly ((gradient: Tensor) => void)[] {
    return this.#gradientWatchers.get(x) ?? NONE;
  }

  /**
   * Name a result of the graph.
   * @shape value [...]
   * @throws OptionError; GraphError if there is an output of that name
   */
  output(name: string, value: Tensor): void {
    readOutput(arguments);
    if (this.outputs.has(name)) throw new GraphError(`output ${name}: set twice`);
    this.outputs.set(name, value);
  }
}

/** Run `build` with nodes recorded in `section`. */
export function inSection<T>(graph: Graph, section: Section, build: () => T): T {
  const before = graph.section;
  graph.section = section;
  try {
    return build();
  } finally {
    graph.section = before;
  }
}

printAs(Tensor, function () {
  return this.toString();
});

printAs(Node, function () {
  const types = (ts: readonly Tensor[]): string => ts.map((t) => typeName(t.type)).join(', ');
  return `Node ${made(this)}: ${types(this.ins)} -> ${types(this.outs)}`;
});

printAs(Graph, function () {
  const named = (ts: ReadonlyMap<string, Tensor>): string =>
    [...ts].map(([name, t]) => `${name} ${typeName(t.type)}`).join(', ') || 'none';
  return `Graph (${this.mode}) of ${this.nodes.length} nodes, inputs: ${named(this.inputs)}, outputs: ${named(this.outputs)}`;
});
