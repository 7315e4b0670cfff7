// source.ts: where batches come from. A source declares its part of the graph and fills the rows that a run is fed.

import { type ArrayInput, type Arrays, dtypeOf, integers, modelArrays, type NdArray } from '../../data/arrays.ts';
import { arrayInput, arrays as namedArrays } from '../../data/fields.ts';
import { printed } from '../../errors/inspect.ts';
import { DataError } from '../../errors.ts';
import { uniformIntegers } from '../../ir/draws.ts';
import type { Graph, Tensor } from '../../ir/graph.ts';
import { typeName } from '../../ir/op.ts';
import { permutation } from '../../ir/philox.ts';
import { gather } from '../../ops/rows/gather.ts';
import { windows as windowsOp } from '../../ops/rows/windows.ts';
import { slice } from '../../ops/shape/slice.ts';
import { bool, options, signature, whole } from '../../options/index.ts';

export { type ArrayInput, type Arrays, dtypeOf, modelArrays, type NdArray, narrowed, ndarray } from '../../data/arrays.ts';

/** Tensors by name, before anybody says which names there are. */
export type Tensors = Readonly<Record<string, Tensor>>;

/**
 * The tensors that a loss, a metric or `predict` sees, by the names of the data's arrays: `x` and `y` without further ado. Other names are given by
 * the type, `({ input, label }: Batch<'input' | 'label'>, model) => ...`: of the loss, the trainer then wants them in its data.
 */
// They are not given where N is string, nor where it is what the compiler finds in a loss that takes tensors, `loss.crossEntropy`.
export type Batch<N extends string = string> = 'toTensor' extends N
  ? Tensors & { readonly x: Tensor; readonly y: Tensor }
  : Readonly<Record<N, Tensor>>;

/** The tensors that `B` gives: of its names, where it has any, else those of a trainer whose batches have the names `N`. */
export type BatchOf<B, N extends string> = B extends ArrayInput
  ? Batch<N>
  : 'toTensor' extends keyof B
    ? Batch<N>
    : B extends Arrays
      ? { readonly [K in keyof B]: Tensor }
      : Batch<N>;

/** Named arrays of which these there must be; any, where the batch's names are not told. */
export type Named<N extends string = string> = 'toTensor' extends N ? Arrays : Arrays & Readonly<Record<N, Arrays[string]>>;

/** A data set that lies in memory and is bound once; batches are gathered natively by a row of indices. `N` are the names of a batch's tensors. */
export interface Source<N extends string = string> {
  /** Arrays to bind, by input name. */
  readonly data: ReadonlyMap<string, NdArray>;
  /** Rows of one pass in order. */
  readonly length: number;
  /** Indices are those of rows of all arrays in `data`. Default false. */
  readonly byRow?: boolean;
  /** Training batches of one epoch: whole ones, and rows of the shorter last one (0: none). */
  epoch(batchSize: number): { readonly whole: number; readonly tail: number };
  /** Build the batch's tensors from a feed of `rows` indices. @shape -> by name, each [rows, ...] */
  trace(graph: Graph, rows: number): Readonly<Record<N, Tensor>>;
  /** Write the indices of a training batch: batch `i` of epoch `epoch`, the `attempt`-th of all. `at` is used again for the next. */
  fill(row: Int32Array, at: { epoch: number; i: number; attempt: number; batchSize: number; seed: bigint }): void;
  /** Write the indices of rows [start, start + row.length) in order, for evaluation. */
  fillInOrder(row: Int32Array, start: number): void;
}

/** What a program is fed: the numbers of its rows. */
export const INDEX = '$rows';

/** Of each source of somebody's own, what names its graphs. */
const kinds = new WeakMap<Source, string>();

/** On what functions of this file made: that it was, and what names the graphs of all that are made alike. In the object, since a fit of one step makes one. */
const MADE = Symbol('made');
interface Made {
  [MADE]?: { readonly source: Source; readonly kind: string };
}
const madeOf = (source: Source): { readonly kind: string } | null => {
  const made = (source as Made)[MADE];
  // A copy with another part is another source.
  return made?.source === source ? made : null;
};
/** Was it made by a function of this file? */
export const isLibrarySource = (source: Source): boolean => madeOf(source) !== null;
/** Whether its batches are rows of its arrays, and nothing else. */
export const isRows = (source: Source): boolean => isLibrarySource(source) && source.byRow === true;

/** What names the graphs of a source: those of two sources of one kind are the same. */
export function kindOf(source: Source): string {
  return `${madeOf(source)?.kind ?? kinds.get(source) ?? ofItself(source)}: ${typesOf(source)}`;
}

function typesOf({ data }: Source): string {
  return Array.from(data, ([name, { data, shape }]) => `${name} ${typeName({ dtype: dtypeOf(data), shape })}`).join(', ');
}

let others = 0;
/** One of somebody's own is traced as it says: its graphs are those of no other. */
function ofItself(source: Source): string {
  const kind = `source ${others++}`;
  kinds.set(source, kind);
  return kind;
}

/** `made` is made of `source`, and has its graphs. */
export function likeSource(made: Source, source: Source): Source {
  kinds.set(made, kinds.get(source) ?? ofItself(source));
  return made;
}

function ofLibrary<N extends string>(kind: string, source: Source<N>): Source<N> {
  (source as Made)[MADE] = { source, kind };
  return printed(source, () => `Source of ${source.length} rows: ${typesOf(source)}`);
}

const readRows = signature('rows', { arrays: namedArrays });

/**
 * Rows of named arrays, shuffled anew in each epoch by the seed.
 * @throws OptionError
 * @throws ShapeError if the arrays differ in rows; DataError if there is no row
 */
export function rows<N extends string>(arrays: Readonly<Record<N, Arrays[string]>>): Source<N> {
  readRows(arguments);
  return rowsOf(modelArrays(arrays));
}

/** @param bound the name by which an array is bound: of all that are bound together, no other has it */
export function rowsOf<N extends string>(
  arrays: ReadonlyMap<string, NdArray>,
  bound: (name: string) => string = (name) => name,
): Source<N> {
  const length = [...arrays.values()][0]!.shape[0]!;
  if (length === 0) throw new DataError('data: expected at least one row, got 0');
  let order: { seed: bigint; epoch: number; rows: Int32Array } | null = null;
  return ofLibrary('rows', {
    data: new Map([...arrays].map(([name, a]) => [bound(name), a])),
    length,
    byRow: true,
    epoch: (size) => ({ whole: Math.floor(length / size), tail: length % size }),
    trace(graph, count) {
      const indices = graph.input(INDEX, { dtype: 'i32', shape: [count] }, 'feed');
      const entries = [...arrays].map(([name, a]) => {
        const table = graph.input(bound(name), { dtype: dtypeOf(a.data), shape: a.shape }, 'data');
        return [name, gather(table, indices)] as const;
      });
      return Object.fromEntries(entries) as Record<N, Tensor>;
    },
    fill(row, { epoch, i, batchSize, seed }) {
      if (order?.seed !== seed || order.epoch !== epoch) order = { seed, epoch, rows: permutation(length, seed, epoch) };
      const start = i * batchSize;
      for (let j = 0; j < row.length; j++) row[j] = order.rows[start + j]!;
    },
    fillInOrder(row, start) {
      for (let j = 0; j < row.length; j++) row[j] = start + j;
    },
  });
}

/** Options of `windows`. */
export interface WindowsOptions {
  /** Tokens of a window. */
  readonly length: number;
  /**
   * In training, row j of each batch goes on where row j of the batch before ended: the text is cut into as many parts as a batch has rows.
   * For recurrent layers with `carry`. Default false: starts are drawn at random.
   */
  readonly consecutive?: boolean;
}

const readWindows = signature(
  'windows',
  { tokens: arrayInput },
  options<WindowsOptions>()({ length: whole({ min: 1 }), consecutive: bool.default(false) }),
);

/**
 * Windows over one long sequence of tokens: `x` is [batch, length], `y` the same shifted by one. Training draws starts at random, or
 * goes through the text (`consecutive`); evaluation takes windows one after the other. An epoch is as many windows as lie side by side;
 * if consecutive, what does not fill a whole batch is left out, so all batches are of one size.
 *
 * @throws OptionError for a length below 1; DataError if there are not more tokens than that, or too few for one consecutive batch
 */
export function windows(tokens: ArrayInput, options: WindowsOptions): Source<'x' | 'y'> {
  const { length, consecutive } = readWindows(arguments);
  return windowsOf(integers('windows: tokens', tokens), length, consecutive);
}

function windowsOf(tokens: Uint8Array | Int32Array, length: number, consecutive: boolean): Source<'x' | 'y'> {
  if (tokens.length <= length) throw new DataError(`windows: expected more than ${length} tokens, got ${tokens.length}`);
  const sideBySide = Math.floor((tokens.length - 1) / length);
  const inEachRow = (size: number): number => {
    const count = Math.floor((tokens.length - 1) / size / length);
    if (count > 0) return count;
    const message = `windows: expected more than ${size * length} tokens for a consecutive batch of ${size} rows, got ${tokens.length}`;
    throw new DataError(message, { tokens: tokens.length, rows: size });
  };
  return ofLibrary(`windows of ${length}`, {
    data: new Map([['tokens', { data: tokens, shape: [tokens.length] }]]),
    length: sideBySide,
    epoch: (size) => ({ whole: consecutive ? inEachRow(size) : Math.ceil(sideBySide / size), tail: 0 }),
    trace(graph, count) {
      const text = graph.input('tokens', { dtype: dtypeOf(tokens), shape: [tokens.length] }, 'data');
      const starts = graph.input(INDEX, { dtype: 'i32', shape: [count] }, 'feed');
      const both = windowsOp(text, starts, { length: length + 1 });
      return {
        x: slice(both, { axis: 1, start: 0, end: length }),
        y: slice(both, { axis: 1, start: 1, end: length + 1 }),
      };
    },
    fill(row, { attempt, seed, i, batchSize }) {
      if (!consecutive) return uniformIntegers(row, tokens.length - length, seed, attempt);
      const part = inEachRow(batchSize) * length;
      for (let j = 0; j < row.length; j++) row[j] = j * part + i * length;
    },
    fillInOrder(row, start) {
      for (let j = 0; j < row.length; j++) row[j] = (start + j) * length;
    },
  });
}

// Elements of an array that tell it from another one.
const LOOKED_AT = 4096;

/** A text that tells a data set from others: its arrays, and a hash of elements spread over them. */
export function fingerprint({ data, length }: Source): string {
  return `${length} rows: ${fingerprintOfArrays(data)}`;
}

/** The same of arrays, as of a batch. */
export function fingerprintOfArrays(data: ReadonlyMap<string, NdArray>): string {
  const arrays = [...data].map(([name, { data, shape }]) => {
    // Of one that was transferred nothing is left: who binds it says so.
    const bytes = data.length === 0 ? new Uint8Array(0) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const stride = Math.max(1, Math.floor(bytes.length / LOOKED_AT)) | 1;
    // FNV-1a.
    let hash = 0x811c9dc5;
    for (let i = 0; i < bytes.length; i += stride) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
    return `${name} ${typeName({ dtype: dtypeOf(data), shape })} ${(hash >>> 0).toString(16)}`;
  });
  return arrays.join(', ');
}
