// stream.ts: batches from an asynchronous source, pulled ahead while a run is on, so that data larger than memory can be trained on.
import { DataError, OptionError, ShapeError } from '../errors.ts';
import type { Graph } from '../ir/graph.ts';
import { sameShape, type TensorType } from '../ir/op.ts';
import { type Arrays, type Batch, dtypeOf, type NdArray, ndarrays } from './source.ts';

/** Batches, each named arrays whose first dimension is the batch. A function is called anew for each epoch. */
export type Stream = AsyncIterable<Arrays> | (() => AsyncIterable<Arrays>);

export type StreamBatch = ReadonlyMap<string, NdArray>;

/** Types of one row of each array of a batch. */
export function rowTypes(batch: StreamBatch): Map<string, TensorType> {
  return new Map([...batch].map(([name, a]) => [name, { dtype: dtypeOf(a.data, name), shape: a.shape.slice(1) }]));
}

export function rowsOfBatch(batch: StreamBatch): number {
  return [...batch.values()][0]!.shape[0]!;
}

/** The batch's tensors, fed whole. */
export function traceRows(graph: Graph, types: ReadonlyMap<string, TensorType>, rows: number): Batch {
  const entries = [...types].map(([name, t]) => {
    return [name, graph.input(name, { dtype: t.dtype, shape: [rows, ...t.shape] }, 'feed')] as const;
  });
  return Object.fromEntries(entries);
}

/** Refuse a batch whose arrays differ from the first batch's in name, dtype or row shape. */
export function checkRowTypes(types: ReadonlyMap<string, TensorType>, batch: StreamBatch, where: string): void {
  const given = rowTypes(batch);
  for (const [name, t] of types) {
    const g = given.get(name);
    if (!g) throw new DataError(`${where}: expected an array named ${name}, got ${[...given.keys()].join(', ')}`, { name });
    if (g.dtype !== t.dtype || !sameShape(g.shape, t.shape)) {
      throw new ShapeError(`${where}: ${name}: expected rows of ${t.dtype}[${t.shape}], got ${g.dtype}[${g.shape}]`, { name });
    }
  }
}

/** Pulls batches ahead, at most `limit` of them, and hands them out in order. Errors of the source come out where they occurred. */
export class Prefetcher {
  readonly #iterator: AsyncIterator<Arrays>;
  readonly #ready: StreamBatch[] = [];
  readonly #limit: number;
  #pending: Promise<void> | null = null;
  #ended = false;
  #failure: { readonly error: unknown } | null = null;

  constructor(stream: AsyncIterable<Arrays>, limit: number) {
    if (typeof stream?.[Symbol.asyncIterator] !== 'function') {
      throw new OptionError('fit: expected data to be arrays, a source, or an async iterable of batches');
    }
    this.#iterator = stream[Symbol.asyncIterator]();
    this.#limit = limit;
    this.#pull();
  }

  /** The first batch without taking it; undefined if there is none. */
  async first(): Promise<StreamBatch | undefined> {
    await this.#until(() => this.#ready.length > 0);
    if (this.#ready.length === 0 && this.#failure) throw this.#failure.error;
    return this.#ready[0];
  }

  /**
   * Up to `most` batches of equal rows, waiting until there are `least` of them or no more of that size can follow.
   * A multiple of `least` if there are as many. Empty at the end.
   */
  async take(most: number, least: number): Promise<StreamBatch[]> {
    const equal = (): number => {
      const other = this.#ready.findIndex((b) => rowsOfBatch(b) !== rowsOfBatch(this.#ready[0]!));
      return other < 0 ? this.#ready.length : other;
    };
    await this.#until(() => equal() >= least || equal() < this.#ready.length);
    if (this.#ready.length === 0 && this.#failure) throw this.#failure.error;
    const there = Math.min(most, equal());
    const taken = this.#ready.splice(0, there >= least ? there - (there % least) : there);
    this.#pull();
    return taken;
  }

  /** Tell the source that no more is wanted. */
  async close(): Promise<void> {
    this.#ended = true;
    await this.#iterator.return?.();
  }

  async #until(enough: () => boolean): Promise<void> {
    while (!enough() && this.#pending) await this.#pending;
  }

  #pull(): void {
    if (this.#pending || this.#ended || this.#failure || this.#ready.length >= this.#limit) return;
    this.#pending = this.#receive();
  }

  async #receive(): Promise<void> {
    try {
      const result = await this.#iterator.next();
      if (result.done) this.#ended = true;
      else this.#ready.push(ndarrays(result.value));
    } catch (error) {
      this.#failure = { error };
    }
    this.#pending = null;
    this.#pull();
  }
}
