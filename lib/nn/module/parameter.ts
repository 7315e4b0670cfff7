// parameter.ts: a tensor that training changes: its shape, how it is first filled, and its values.
import { printAs } from '../../errors/inspect.ts';
import { GraphError, OptionError, ShapeError } from '../../errors.ts';
import type { Graph, State, Tensor, TensorLike } from '../../ir/graph.ts';
import { sizeOf, typeName } from '../../ir/op.ts';
import { firstValues } from '../../ir/print.ts';
import { toPrimitive } from '../../ir/traced.ts';
import { bool, either, fn, instance, options as optionsOf, Place, signature, text } from '../../options/index.ts';
import { graph as graphField, seed as seedField, shape as shapeField, state as stateField } from '../fields.ts';
import { drawsFor } from './draws.ts';
import type { Initializer } from './init.ts';
import * as initializers from './init.ts';
import { register, Values } from './values.ts';

/** A shape that needs no initializer: of more dimensions `init` is wanted as second argument. */
export type ShapeWithDefaultInit = readonly [] | readonly [length: number];

/** Options of `nn.Parameter`. */
export interface ParameterOptions {
  /** false: not trained, as for fine-tuning. Default true. */
  readonly requiresGrad?: boolean;
  /** A table of which a step updates only the rows that it looked up; see `Embedding`. Default false. */
  readonly sparse?: boolean;
}

/** What makes initializers is none, however alike the two look to the compiler. */
const makers: ReadonlySet<unknown> = new Set(Object.values(initializers));
const initializer = fn<Initializer>('an initializer such as nn.init.zeros()').map((given, place) => {
  if (!makers.has(given)) return given;
  throw place.refuse(`expected an initializer, got the function that makes one: nn.init.${given.name}() with its parentheses`);
});
const readParameter = signature(
  'nn.Parameter',
  { shape: shapeField, init: either(initializer, instance('a Float32Array', Float32Array)).optional() },
  optionsOf<ParameterOptions>()({ requiresGrad: bool.default(true), sparse: bool.default(false) }),
);
const readInitialize = signature('nn.Parameter.initialize', { name: text, seed: seedField });
const readBind = signature('nn.Parameter.bind', { name: text, graph: graphField, state: stateField.optional() });

/**
 * A trainable f32 tensor of a Module. It is an operand of every op while a model is traced.
 * A parameter is made without values. They come from `Module.initialize(seed)`, which a Trainer calls, or are set by
 * hand (`parameter.data = values`) or from a file, and then `initialize` leaves them alone. They belong to the
 * module: whoever trains it changes them, and `data` is what they are now.
 * @throws OptionError
 */
export class Parameter implements TensorLike {
  /** Sizes of its dimensions. */
  readonly shape: readonly number[];
  /** Whether it is trained. What is set here takes effect at a trainer's next `fit`. */
  requiresGrad: boolean;
  /** Whether a step updates only the rows that it looked up. */
  readonly sparse: boolean;
  /** The state that stands for this parameter in every graph. */
  readonly state: State;
  #name = 'parameter';
  #init: Initializer;
  readonly #values: Values;
  #bound: { readonly graph: Graph; readonly state: State } | null = null;

  /**
   * @param init how `initialize` fills it, or its values; default zeros for one dimension (a bias). What has more has no default: units that begin with
   * the same weights stay the same
   * @throws ShapeError if the shape is none, or the values are not as many; OptionError
   */
  constructor(shape: ShapeWithDefaultInit, init?: Initializer | Float32Array, options?: ParameterOptions);
  constructor(shape: readonly number[], init: Initializer | Float32Array, options?: ParameterOptions);
  constructor(shape: readonly number[], init?: Initializer | Float32Array, options: ParameterOptions = {}) {
    const read = readParameter(arguments);
    this.shape = read.shape;
    this.#values = new Values('f32', this.size);
    this.requiresGrad = read.requiresGrad;
    this.sparse = read.sparse;
    const parameter = this;
    this.state = {
      get name() {
        return parameter.#name;
      },
      type: { dtype: 'f32', shape: this.shape },
      byRows: this.sparse,
      init(out) {
        parameter.#check();
        // Whoever asks says who may read them now.
        out.set(parameter.#values.view);
      },
    };
    register(this.state, this.#values);
    if (init === undefined && shape.length > 1) {
      const wanted = `an initializer for [${shape}], such as nn.init.xavierUniform() or nn.init.zeros()`;
      throw new OptionError(`nn.Parameter: argument init: expected ${wanted}, got nothing`, { shape });
    }
    if (init instanceof Float32Array) {
      this.#init = initializers.zeros();
      this.data = init;
    } else this.#init = init ?? initializers.zeros();
  }

  /** Path within the module that was last traced or initialized, such as `fc1.weight`. */
  get name(): string {
    return this.#name;
  }

  /** How many elements it has. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** Whether it has values. */
  get initialized(): boolean {
    return this.#values.filled;
  }

  /**
   * The values, row-major: not a copy, but the memory that training changes. What is read or written here while a `fit` runs is from the middle of
   * it, in no order that can be relied on; `trainer.readParameters` gives the values as of the end of a step.
   * @throws GraphError before there are any
   */
  get data(): Float32Array {
    this.#check();
    return this.#values.view as Float32Array;
  }

  /**
   * Copies.
   * @throws ShapeError if the number of values is another; BusyError while a `fit`, or another call, of a trainer that has the parameter is not done
   */
  set data(values: ArrayLike<number>) {
    const length = (values as ArrayLike<number> | undefined)?.length;
    if (length !== this.size) {
      throw new ShapeError(`${this.#name}: expected ${this.size} values for [${this.shape}], got ${length}`);
    }
    this.#values.write(this.#name, values);
  }

  /** How `initialize` fills it. Assigning another drops values that are there. @throws BusyError as assigning `data` */
  get init(): Initializer {
    return this.#init;
  }

  set init(init: Initializer) {
    this.#init = initializer.read(init, new Place('nn.Parameter', 'option', 'init'));
    this.#values.drop(this.#name);
  }

  /** The tensor of the graph being traced. @throws GraphError outside a trace of its module. */
  toTensor(): Tensor {
    if (!this.#bound) {
      const why =
        'not part of a model being traced; keep it in a public field, array or object of a Module, and use it in forward';
      throw new GraphError(`${this.#name}: ${why}`, { name: this.#name });
    }
    return this.#bound.graph.state(this.#bound.state);
  }

  /** As `console.log` prints it: its type and name. */
  toString(): string {
    return `Parameter ${this.#name} ${typeName(this.state.type)}`;
  }

  /**
   * Text where text is wanted.
   * @throws GraphError where a number is wanted: ops compute with it
   */
  [Symbol.toPrimitive](hint: string): string {
    return toPrimitive(hint, this.toString());
  }

  /**
   * Take a name, and values if there are none: drawn from the seed and the name alone. `Module.initialize` calls
   * this.
   * @throws OptionError
   */
  initialize(name: string, seed: number | bigint): void {
    readInitialize(arguments);
    this.#name = name;
    if (this.initialized) return;
    this.#values.fill(name, (out) => {
      this.#init(out as Float32Array, this.shape, drawsFor(BigInt(seed), name));
      const at = out.findIndex((v) => !Number.isFinite(v));
      if (at >= 0)
        throw new OptionError(`${name}: its initializer gave ${out[at]} as value ${at} of ${out.length}`, { name, at });
    });
  }

  /**
   * Stand for a state of `graph`, its own or another (an average), until the returned function is called.
   * `bindParameters` calls this.
   * @throws OptionError; GraphError if it takes part in a trace already
   */
  bind(name: string, graph: Graph, state: State = this.state): () => void {
    readBind(arguments);
    const before = this.#bound;
    this.#name = name;
    this.#bound = { graph, state };
    return () => {
      this.#bound = before;
    };
  }

  #check(): void {
    if (this.initialized) return;
    throw new GraphError(`${this.#name}: has no values yet; call initialize(seed) on its module, or assign data`);
  }
}

/** With its first values. */
printAs(Parameter, function () {
  return `${this}${this.requiresGrad ? '' : ', not trained'}${this.initialized ? `: ${firstValues(this.data)}` : ', no values yet'}`;
});
