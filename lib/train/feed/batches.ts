// batches.ts: what batches that come one after the other may differ in: rows, and, where it is declared, anything else of their shapes.
import { ndarray } from '../../data/arrays.ts';
import { printed } from '../../errors/inspect.ts';
import { DataError, ShapeError } from '../../errors.ts';
import { sameShape, type TensorType, typeName } from '../../ir/op.ts';
import { custom, type Field, options, show, signature, text, whole } from '../../options/index.ts';
import { comesInTurn, copyOf, type InTurn, rowsOfBatch, type Stream, type StreamBatch, typesOf } from './batch.ts';
import { fed, type Shape } from './shape.ts';
import { type ArrayInput, type Arrays, dtypeOf, modelArrays, type NdArray, narrowed } from './source.ts';

/** Options of `batches`. */
export interface BatchesOptions<N extends string = string> {
  /**
   * Name of the array whose rows are those of the batch, where arrays differ in rows: nodes and edges of graphs, elements of sets. Batches of a data set and
   * micro-batches of a step weigh by them. Default: all arrays of a batch have as many rows.
   */
  readonly rows?: N;
  /** How many shapes the batches may have, beside the number of their rows: a program is compiled for each. Default 64. */
  readonly shapes?: number;
}

/** Batches whose shapes may differ, as `batches` and `sequences` give them. `N` are the names of a batch's tensors. */
export interface BatchStream<N extends string = string> {
  /** The batches, one after the other. */
  readonly stream: InTurn<Readonly<Record<N, ArrayInput>>>;
  /** Name of the array whose rows count; null: any, they have as many. */
  readonly rows: string | null;
  /** How many shapes they may have. */
  readonly shapes: number;
}

/** What gives things one after the other. */
export function inTurn(what: string): Field<Stream> {
  const expected = `${what} one after the other, or a function that gives them`;
  return custom(expected, (value, place) => {
    if (Array.isArray(value) || comesInTurn(value)) return value as Stream;
    throw place.wrong(expected, value);
  });
}

const readBatches = signature(
  'batches',
  { stream: inTurn('batches') },
  options<BatchesOptions>()({ rows: text.optional(), shapes: whole({ min: 1 }).default(64) }),
);

/**
 * Batches one after the other that differ in more than their number of rows: sequences of other lengths, or arrays that have rows of their own (nodes and
 * edges of a graph, elements of sets). They are for `fit`, and those of a list for `evaluate`, `predict` and `step` too. For each shape a program is
 * compiled, so there should be few: arrays are filled up to a few sizes.
 *
 * ```ts
 * // Graphs side by side: nodes x, edges from and to, a label y for each graph.
 * await trainer.fit(batches(graphs, { rows: 'y', shapes: 8 }), { epochs: 10 });
 * ```
 * @param stream what `fit` takes as batches: a list, a generator, an async one, a function that gives one
 * @throws OptionError; (by the fit) ShapeError, DataError for batches that differ in names, dtypes or dimensions, or have more shapes than that
 */
export function batches<N extends string = string>(stream: Stream<N>, options: BatchesOptions<NoInfer<N>> = {}): BatchStream<N> {
  const { stream: given, rows, shapes } = readBatches(arguments);
  return declared(given as InTurn<Readonly<Record<N, ArrayInput>>>, rows ?? null, shapes);
}

export function declared<N extends string>(
  stream: BatchStream<N>['stream'],
  rows: string | null,
  shapes: number,
): BatchStream<N> {
  return printed({ stream, rows, shapes }, () => `Batches of up to ${shapes} shapes`);
}

/** Whether it is one, by its form. */
export function isBatchStream(data: unknown): data is BatchStream {
  const { stream, shapes } = (data ?? {}) as Partial<BatchStream>;
  return typeof shapes === 'number' && stream !== undefined;
}

/** A batch that has come, with its shape. */
export interface Came {
  readonly arrays: StreamBatch;
  readonly shape: Shape;
}

/** What is known of a stream. */
export type Differ = Pick<BatchStream, 'rows' | 'shapes'>;

/** Shapes of the batches of a stream: one object for all that have the same. */
export class Shapes {
  /** Null: batches differ in rows alone. */
  readonly #differ: Differ | null;
  readonly #copies: boolean;
  /** Of the arrays of the first batch. */
  #types: Map<string, TensorType> | null = null;
  readonly #known = new Map<string, Shape>();
  /** Shapes without the number of rows. */
  readonly #kinds = new Set<string>();

  /** @param copies whoever gives a batch may use its arrays again */
  constructor(differ: Differ | null, copies: boolean = true) {
    this.#differ = differ;
    this.#copies = copies;
  }

  /** Whether any batch has come. */
  get any(): boolean {
    return this.#types !== null;
  }

  /** @throws DataError, ShapeError for what is no batch, or one whose arrays differ from the first batch's in what they may not */
  received(given: Arrays, where: string): Came {
    if (typeof given !== 'object' || given === null) {
      throw new DataError(`fit: expected the source to give batches of named arrays, got ${show(given)}`);
    }
    const counting = this.#differ?.rows ?? null;
    const arrays = counting === null ? modelArrays(given) : eachOf(given, counting, where);
    const rows = counting === null ? rowsOfBatch(arrays) : arrays.get(counting)!.shape[0]!;
    if (rows === 0) throw new DataError('fit: expected at least one row in each batch of the source, got 0');
    return { shape: this.#of(arrays, rows, where), arrays: this.#copies ? copyOf(arrays) : arrays };
  }

  #of(batch: StreamBatch, rows: number, where: string): Shape {
    this.#types ??= typesOf(batch);
    let key = `${rows}`;
    for (const [name, t] of this.#types) {
      const a = batch.get(name);
      if (!a) throw new DataError(`${where}: expected an array named ${name}, got ${[...batch.keys()].join(', ')}`, { name });
      this.#check(name, t, a, where);
      if (this.#differ) key += ` ${a.shape}`;
    }
    let shape = this.#known.get(key);
    if (!shape) {
      const types = [...this.#types].map(([name, { dtype }]) => [name, { dtype, shape: batch.get(name)!.shape }] as const);
      this.#count(new Map(types), rows, where);
      shape = fed(new Map(types), rows, 2 * (this.#differ?.shapes ?? 1));
      this.#known.set(key, shape);
    }
    return shape;
  }

  #check(name: string, t: TensorType, { data, shape }: NdArray, where: string): void {
    const dtype = dtypeOf(data, name);
    if (!this.#differ) {
      const [expected, given] = [t.shape.slice(1), shape.slice(1)];
      if (dtype === t.dtype && sameShape(expected, given)) return;
      const hint =
        dtype === t.dtype ? ': gradclip.batches declares that shapes differ, sequences fills them up to few lengths' : '';
      throw new ShapeError(`${where}: ${name}: expected rows of ${t.dtype}[${expected}], got ${dtype}[${given}]${hint}`, {
        name,
      });
    }
    if (dtype === t.dtype && shape.length === t.shape.length) return;
    const got = `${dtype} of ${shape.length} dimensions`;
    throw new ShapeError(`${where}: ${name}: expected ${t.dtype} of ${t.shape.length} dimensions, got ${got}`, { name });
  }

  /** @throws DataError for one shape more than there may be */
  #count(types: ReadonlyMap<string, TensorType>, rows: number, where: string): void {
    if (!this.#differ) return;
    const free = this.#differ.rows === null;
    const kind = [...types.values()].map(({ shape }) => (free ? shape.slice(1) : shape).join()).join(' ');
    this.#kinds.add(kind);
    const { shapes } = this.#differ;
    if (this.#kinds.size <= shapes) return;
    const got = [...types].map(([name, t]) => `${name} ${typeName(t)}`).join(', ');
    const text = `${where}: expected at most ${shapes} shapes of batches, which option shapes declares, got another one of ${rows} rows: ${got}`;
    throw new DataError(text, { shapes });
  }
}

/** Arrays that need not have as many rows. @throws DataError if none has the name of the one that counts */
function eachOf(given: Arrays, counting: string, where: string): Map<string, NdArray> {
  if (!Object.hasOwn(given, counting)) {
    throw new DataError(`${where}: expected an array named ${counting}, whose rows count, got ${Object.keys(given).join(', ')}`, {
      name: counting,
    });
  }
  return new Map(Object.entries(given).map(([name, x]) => [name, narrowed(ndarray(name, x))]));
}
