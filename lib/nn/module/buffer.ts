// buffer.ts: a tensor of a module that is not trained but moves on with each step: running statistics, a carried hidden state.
import { printAs } from '../../errors/inspect.ts';
import { GraphError, ShapeError } from '../../errors.ts';
import type { Graph, State, Tensor, TensorLike } from '../../ir/graph.ts';
import { ARRAYS, type Data, sameType, sizeOf, typeName } from '../../ir/op.ts';
import { firstValues } from '../../ir/print.ts';
import { toPrimitive } from '../../ir/traced.ts';
import { tensor } from '../../ops/args.ts';
import { carry, leave } from '../../ops/step/accumulate.ts';
import { bool, choice, fn, nullable, number, options as optionsOf, signature, text } from '../../options/index.ts';
import { graph as graphField, shape as shapeField, state as stateField } from '../fields.ts';
import { register, Values } from './values.ts';

/** Options of `nn.Buffer`. */
export interface BufferOptions {
  /** Counts are `f64`: they may be loaded from integers. Default 'f32'. */
  readonly dtype?: 'f32' | 'f64';
  /** What every element is at first. Default 0. */
  readonly fill?: number;
  /** Belongs to the weights, under its PyTorch name, wherever they are written. Else to whole checkpoints only. Default true. */
  readonly persistent?: boolean;
  /** Takes its first values again when an epoch begins: what of the text before is not continued. Default false. */
  readonly eachEpoch?: boolean;
  /**
   * Where several processes train together, what all micro-batches of a step make of it, each from the value before the step: `mean`, the mean of what they
   * assign, weighed by their rows; `sum`, the value before with what each has added. Default 'none': a trainer with a group refuses the model.
   * @see tf.VariableAggregation
   */
  readonly aggregation?: 'none' | 'mean' | 'sum';
}

/** How one value is made of what the micro-batches of a step assign. */
export type Aggregation = NonNullable<BufferOptions['aggregation']>;

/** What all micro-batches of a step together make of a buffer that each of them assigns a value. */
export type Join = (buffer: Buffer, value: Tensor) => Tensor;

interface Bound {
  readonly graph: Graph;
  /** In a graph that accumulates: what micro-batches leave to the next. */
  readonly pending: State | null;
  /** In a graph whose micro-batches are those of several processes. */
  readonly join: Join | null;
  value: Tensor | null;
  assigned: boolean;
}

const readBuffer = signature(
  'nn.Buffer',
  { shape: shapeField },
  optionsOf<BufferOptions>()({
    dtype: choice('f32', 'f64').default('f32'),
    fill: number().default(0),
    persistent: bool.default(true),
    eachEpoch: bool.default(false),
    aggregation: choice('none', 'mean', 'sum').default('none'),
  }),
);
const readAssign = signature('nn.Buffer.assign', { value: tensor });
const readInitialize = signature('nn.Buffer.initialize', { name: text });
const readBind = signature('nn.Buffer.bind', {
  name: text,
  graph: graphField,
  pending: nullable(stateField),
  join: nullable(fn<Join>()).default(null),
});

/**
 * State of a Module that is not trained, as PyTorch's buffers. While a model is traced it is an operand of every op,
 * and `assign` gives it its next value, in training. A step that is skipped leaves it as it was; each micro-batch of
 * a step sees what the one before assigned or, where several processes train together, what the step before left.
 * @throws OptionError
 */
export class Buffer implements TensorLike {
  /** Sizes of its dimensions. */
  readonly shape: readonly number[];
  /** Whether checkpoints and files have it. */
  readonly persistent: boolean;
  /** Whether an epoch begins with its first values. */
  readonly eachEpoch: boolean;
  /** How one value is made of those that several processes assign. */
  readonly aggregation: NonNullable<BufferOptions['aggregation']>;
  /** The state that stands for this buffer in every graph. */
  readonly state: State;
  #name = 'buffer';
  readonly #values: Values;
  /** What it is at first, where somebody has set that. */
  #first: Data | null = null;
  #bound: Bound | null = null;

  constructor(shape: readonly number[], options: BufferOptions = {}) {
    const { shape: dims, dtype, fill, persistent, eachEpoch, aggregation } = readBuffer(arguments);
    this.shape = dims;
    this.persistent = persistent;
    this.eachEpoch = eachEpoch;
    this.aggregation = aggregation;
    this.#values = new Values(dtype, sizeOf(dims));
    const buffer = this;
    this.state = {
      get name() {
        return buffer.#name;
      },
      type: { dtype, shape: this.shape },
      init: (out) => (buffer.#first ? out.set(buffer.#first) : out.fill(fill)),
    };
    register(this.state, this.#values);
  }

  /** Path within the module that was last traced, such as `bn1.running_mean`. */
  get name(): string {
    return this.#name;
  }

  /** The values as they are now, row-major: not a copy, but the memory that training changes, as `Parameter.data`. */
  get data(): Data {
    this.initialize(this.#name);
    return this.#values.view;
  }

  /**
   * Copies. One with `eachEpoch`, or that is not persistent, takes these values again where it begins anew.
   * @throws ShapeError if the number of values is another; BusyError while a `fit`, or another call, of a trainer that has the buffer is not done
   */
  set data(values: ArrayLike<number>) {
    const length = (values as ArrayLike<number> | undefined)?.length;
    const { dtype } = this.state.type;
    if (length !== sizeOf(this.shape)) {
      const wanted = `${sizeOf(this.shape)} values for [${this.shape}]`;
      throw new ShapeError(`${this.#name}: expected ${wanted}, got ${length}`);
    }
    this.#values.write(this.#name, values);
    if (this.eachEpoch || !this.persistent) this.#first = ARRAYS[dtype].from(values);
  }

  /** The tensor of the graph being traced: what was assigned last, else what the step before left. @throws GraphError outside a trace. */
  toTensor(): Tensor {
    const bound = this.#inTrace();
    const { graph, pending } = bound;
    bound.value ??= pending ? carry(graph, this.state, pending) : graph.state(this.state);
    return bound.value;
  }

  /**
   * Give it its next value.
   * @shape value [...shape]
   * @throws OptionError; GraphError outside a trace, and in a graph that does not train; ShapeError for another type
   */
  assign(value: TensorLike): void {
    const { value: next } = readAssign(arguments);
    const bound = this.#inTrace();
    if (bound.graph.mode !== 'train') throw new GraphError(`${this.#name}: buffers change in training only; look at graph.mode`);
    const { type } = this.state;
    if (!sameType(next.type, type)) {
      throw new ShapeError(`${this.#name}: expected ${typeName(type)} as next value, got ${typeName(next.type)}`);
    }
    bound.value = next;
    bound.assigned = true;
  }

  /** As `console.log` prints it: its type and name. */
  toString(): string {
    return `Buffer ${this.#name} ${typeName(this.state.type)}`;
  }

  /**
   * Text where text is wanted.
   * @throws GraphError where a number is wanted: ops compute with it
   */
  [Symbol.toPrimitive](hint: string): string {
    return toPrimitive(hint, this.toString());
  }

  /**
   * Take a name, and its first values if it has none. `Module.initialize` calls this.
   * @throws OptionError
   */
  initialize(name: string): void {
    readInitialize(arguments);
    this.#name = name;
    if (!this.#values.filled) this.#values.fill(name, (out) => this.state.init!(out));
  }

  /**
   * Take part in the trace of `graph` until the returned function is called, which assigns what there is to assign.
   * @param join what becomes of it, where several processes assign values
   * @shape the value that `join` is given [...shape] -> [...shape]
   * @throws OptionError; GraphError if it takes part in a trace already
   */
  bind(
    name: string,
    graph: Graph,
    pending: State | null,
    join: ((buffer: Buffer, value: Tensor) => Tensor) | null = null,
  ): () => void {
    readBind(arguments);
    const before = this.#bound;
    const bound: Bound = { graph, pending, join, value: null, assigned: false };
    this.#name = name;
    this.#bound = bound;
    return () => {
      this.#bound = before;
      if (!bound.assigned || !bound.value) return;
      if (pending) leave(graph, pending, bound.value);
      graph.assign(this.state, join ? join(this, bound.value) : bound.value);
    };
  }

  #inTrace(): Bound {
    if (this.#bound) return this.#bound;
    const why = 'not part of a model being traced; keep it in a public field, array or object of a Module, and use it in forward';
    throw new GraphError(`${this.#name}: ${why}`, { name: this.#name });
  }
}

/** With its first values. */
printAs(Buffer, function () {
  return `${this}: ${firstValues(this.data)}`;
});
