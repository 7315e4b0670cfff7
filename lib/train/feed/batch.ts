// batch.ts: batches that come one after the other: what gives them, and the arrays of one.
import { isArray } from '../../data/arrays.ts';
import type { Graph } from '../../ir/graph.ts';
import { sizeOf, type TensorType } from '../../ir/op.ts';
import { isClass } from '../../options/index.ts';
import { dtypeOf, type Named, type NdArray, type Tensors } from './source.ts';

/** Batches, each named arrays whose first dimension is the batch: a list of them, a generator, a class of one's own. `N` are names that each has. */
export type Batches<N extends string = string> = OneByOne<Named<N>>;
type OneByOne<T> = AsyncIterable<T> | Iterable<T>;

/** Where a training stands in its data. */
export interface StreamPlace {
  /** Epochs that are over. */
  readonly epoch: number;
  /** The batch of this epoch that comes next, counted from 0. */
  readonly batch: number;
}

/** Where in a table a run begins. */
export interface TablePlace {
  /** Epochs that are over. */
  readonly epoch: number;
  /** The row of this epoch that is to come first, counted from 0. */
  readonly row: number;
}

/**
 * What can begin anew (a list, a class that gives an iterator whenever it is asked) does so in each epoch, as a function that gives batches is called.
 * Where a run goes on within an epoch, a function that takes the place begins there; of one that takes nothing, of a list or a class, the batches
 * that were drawn before are drawn once more and dropped, unless the first of them is another than it was. An iterator goes on where it is.
 */
export type Stream<N extends string = string> = InTurn<Named<N>>;
/** One after the other, or a function that gives them. */
export type InTurn<T> = OneByOne<T> | ((at: StreamPlace) => OneByOne<T>);

/** A function, or what gives one thing after the other. A list is one of batches if its first element has arrays by name. */
export function comesInTurn(data: unknown): data is Stream {
  if (Array.isArray(data)) return typeof data[0] === 'object' && data[0] !== null && !isArray(data[0]);
  if (typeof data !== 'object' || data === null) return typeof data === 'function' && !isClass(data);
  return (Symbol.asyncIterator in data || Symbol.iterator in data) && !(ArrayBuffer.isView(data) || data instanceof Map);
}

export type StreamBatch = ReadonlyMap<string, NdArray>;

/** Types of one row of each array of a batch. */
export function rowTypes(batch: StreamBatch): Map<string, TensorType> {
  return new Map([...batch].map(([name, a]) => [name, { dtype: dtypeOf(a.data, name), shape: a.shape.slice(1) }]));
}

/** Types of its arrays. */
export function typesOf(batch: StreamBatch): Map<string, TensorType> {
  return new Map([...batch].map(([name, { data, shape }]) => [name, { dtype: dtypeOf(data, name), shape }]));
}

export function rowsOfBatch(batch: StreamBatch): number {
  return [...batch.values()][0]!.shape[0]!;
}

/** Some of its rows, where they lie. */
export function rowsBetween(batch: StreamBatch, start: number, count: number): StreamBatch {
  return new Map(
    [...batch].map(([name, a]) => {
      const width = sizeOf(a.shape.slice(1));
      return [name, { data: a.data.subarray(start * width, (start + count) * width), shape: [count, ...a.shape.slice(1)] }];
    }),
  );
}

/** The batch's tensors, fed whole. */
export function traceRows(graph: Graph, types: ReadonlyMap<string, TensorType>, rows: number): Tensors {
  const entries = [...types].map(([name, t]) => {
    return [name, graph.input(name, { dtype: t.dtype, shape: [rows, ...t.shape] }, 'feed')] as const;
  });
  return Object.fromEntries(entries);
}

/** The source may use its arrays again for the next batch, or transfer them, while this one waits for its turn. */
export function copyOf(batch: StreamBatch): StreamBatch {
  return new Map([...batch].map(([name, a]) => [name, { data: a.data.slice(), shape: a.shape }]));
}
