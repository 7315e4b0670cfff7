// inputs.ts: what the trainer's functions are given, checked and in one form.

import { isArray, isShare, type Share } from '../../data/arrays.ts';
import { DataError, OptionError } from '../../errors.ts';
import { Tensor } from '../../ir/graph.ts';
import { Module } from '../../nn/module/module.ts';
import { show } from '../../options/index.ts';
import { FROM_FIRST, type FromFirst } from '../flow/epoch-data.ts';
import { comesInTurn, copyOf, rowsOfBatch, type Stream, type StreamBatch, typesOf } from './batch.ts';
import { type BatchStream, type Came, isBatchStream, Shapes } from './batches.ts';
import { cutOf, isColumns, tableOf } from './columns.ts';
import { dataFeeder, type Feeder, type FeedOptions, streamFeeder } from './feeder.ts';
import { checkedSource } from './own-source.ts';
import { streamOf } from './same-data.ts';
import { isSequences, type Sequences } from './sequences.ts';
import { fed, type Shape } from './shape.ts';
import { type ArrayInput, type Arrays, modelArrays, rows, type Source } from './source.ts';
import { inOneTable, inTables, inTablesByShape, type Tables } from './tables.ts';

/** What is to be predicted of. */
export interface Inputs {
  /** Rows of one shape, or, of sequences, those of each bucket. */
  readonly parts: readonly InputPart[];
  /** Whether somebody has said the shape of an array. */
  readonly shaped: boolean;
}
export interface InputPart {
  readonly arrays: StreamBatch;
  /** For each row, which example it is; null: it has that number. */
  readonly examples: Int32Array | null;
  /** They are one batch, of this shape; null: rows, as many at a time as are wanted. */
  readonly shape: Shape | null;
}

/** Batches one after the other, whatever they may differ in. */
export function isStream(data: unknown): data is Stream | BatchStream {
  return isBatchStream(data) || comesInTurn(data);
}

/**
 * What feeds a fit.
 * @throws OptionError for data that are none, and where their order is not to be chosen
 */
export function feederOf(
  where: string,
  data: DataGiven | Stream | BatchStream,
  shuffle: boolean | undefined,
  options: Omit<FeedOptions, 'shuffle'>,
): Feeder {
  const order = (what: string): OptionError =>
    new OptionError(`${where}: option shuffle: ${what} come in an order of their own`, { option: 'shuffle' });
  if (isStream(data)) {
    const blocks = where.endsWith('Sync');
    const { before = null } = options;
    const within = options.place.batch > 0;
    if (isColumns(data)) {
      if (shuffle !== undefined) throw order('rows of columns (whose option shuffle is a number of rows)');
      const of = streamOf(tableOf(data), before, within, false);
      const cut = cutOf(data, { ...options, blocks, first: of.stream!.first });
      return streamFeeder(cut.stream, null, options, of, blocks, cut);
    }
    if (shuffle !== undefined) throw order('batches of a stream');
    const declared = isBatchStream(data) ? data : null;
    const given = declared?.stream ?? (data as Stream);
    const own = (given as Partial<FromFirst>)[FROM_FIRST];
    const of = streamOf(own?.given ?? given, before, within, own === undefined);
    return streamFeeder(own ? (own.stream(of.stream!.first) as Stream) : given, declared, options, of, blocks);
  }
  const tables = asTables(where, data);
  if (shuffle === false && tables.all.some(({ source }) => !source.byRow)) throw order('rows of a source');
  return dataFeeder(tables, { ...options, shuffle: shuffle ?? true });
}

/**
 * The micro-batches of a step that is given them.
 * @param copy whoever gave them may change them before they are read
 * @throws OptionError for more than `most`; ShapeError, DataError for a batch that is none
 */
export function stepBatches(where: string, given: unknown, most: number, copy: boolean): Came[] {
  const differ = isBatchStream(given) ? given : null;
  const all = differ ? differ.stream : given;
  const list = Array.isArray(all) && isStream(all) ? (all as readonly unknown[]) : [all];
  if (list.length > most) {
    const text = `${where}: expected one batch, or as many as option accumulate of the trainer (${most}), got ${list.length}`;
    throw new OptionError(text, { option: 'accumulate', value: list.length });
  }
  const shapes = differ && new Shapes(differ);
  // One object for each: micro-batches that follow each other with one shape are one run.
  const known = new Map<string, Shape>();
  return list.map((one) => {
    const named = namedArrays(where, 'named arrays, such as { x, y }', one);
    if (shapes) return shapes.received(named, where);
    const arrays = modelArrays(named);
    const rows = rowsOfBatch(arrays);
    if (rows === 0) throw new DataError(`${where}: expected at least one row in a batch, got 0`);
    const made = fed(typesOf(arrays), rows, 2);
    const shape = known.get(made.name) ?? made;
    known.set(shape.name, shape);
    return { arrays: copy ? copyOf(arrays) : arrays, shape };
  });
}

/** @throws OptionError for batches that are in no list: nobody knows how many there will be */
function listed(where: string, given: BatchStream): Came[] {
  if (isColumns(given)) throw new OptionError(`${where}: expected arrays: columns are for fit, and readColumns reads them all`);
  const { stream, ...differ } = given;
  if (!Array.isArray(stream) || stream.length === 0) {
    throw new OptionError(
      `${where}: expected batches in a list, got ${show(stream)}: batches that come on their way are for fit`,
    );
  }
  const shapes = new Shapes(differ);
  return stream.map((one, i) => shapes.received(one as Arrays, `${where}: batch ${i}`));
}

/** What lies in memory. */
export type DataGiven = Arrays | Share | Source | Sequences;

/** @throws OptionError for data that are none */
export function asTables(where: string, data: DataGiven | BatchStream): Tables {
  if (isBatchStream(data)) return inTablesByShape(listed(where, data));
  return isSequences(data) ? inTables(data) : inOneTable(asSource(where, data));
}

/** @throws OptionError for data that are none, and where there are several shapes of rows */
export function asSource(where: string, data: Arrays | Share | Source): Source {
  if (isSequences(data))
    throw new OptionError(`${where}: expected rows of one shape, got ${show(data)}: each of its buckets has such`);
  if (isSource(data)) return checkedSource(where, data);
  return rows(namedArrays(where, 'named arrays, such as { x, y }, or a source, such as windows', data));
}

/** @param copy whoever gave them may change them before they are read */
export function inputsOf(where: string, inputs: ArrayInput | Arrays | Share | Sequences | BatchStream, copy: boolean): Inputs {
  const own = (arrays: StreamBatch): StreamBatch => (copy ? copyOf(arrays) : arrays);
  if (isSequences(inputs)) {
    const parts = inputs.buckets.map(({ arrays, rows }) => ({ arrays: own(modelArrays(arrays)), examples: rows, shape: null }));
    return { parts, shaped: true };
  }
  if (isBatchStream(inputs)) {
    let next = 0;
    const parts = listed(where, inputs).map(({ arrays, shape }) => {
      const examples = Int32Array.from({ length: shape.rows }, () => next++);
      return { arrays, examples, shape };
    });
    return { parts, shaped: true };
  }
  const named = isArray(inputs) ? { x: inputs } : namedArrays(where, 'an array of rows or named arrays', inputs);
  const shaped = Object.values(named).some((x) => !(ArrayBuffer.isView(x) || Array.isArray(x)));
  return { parts: [{ arrays: own(modelArrays(named)), examples: null, shape: null }], shaped };
}

const isSource = (data: unknown): data is Source => typeof (data as Partial<Source> | null | undefined)?.trace === 'function';

/** @throws OptionError for what has no arrays by name */
function namedArrays(where: string, expected: string, data: unknown): Arrays {
  if (isShare(data)) return data.arrays;
  if (data instanceof Map) return Object.fromEntries(data) as Arrays;
  const promise = typeof (data as { then?: unknown } | null)?.then === 'function';
  // Nobody waits for it: what it rejects with would end the process.
  if (promise) (data as PromiseLike<unknown>).then(undefined, () => {});
  const named = typeof data === 'object' && data !== null && !isArray(data) && !promise;
  const batches = isStream(data) || isSource(data);
  if (named && !(data instanceof Tensor || data instanceof Module || isSequences(data) || batches)) return data as Arrays;
  const hint = promise
    ? '; is an await missing?'
    : data instanceof Tensor
      ? ': what a model computes while it is traced has no values'
      : batches
        ? ': batches one after the other are for fit'
        : isSequences(data)
          ? ': each of its buckets has such'
          : typeof data === 'number'
            ? '; preprocess.split takes a part of the rows'
            : '';
  throw new OptionError(`${where}: expected ${expected}, got ${show(data)}${hint}`);
}
