// columns.ts: tables that come part by part, as columns or as rows: batches of them for a fit, or all of their rows.
import type { NdArray } from '../../data/arrays.ts';
import { printed } from '../../errors/inspect.ts';
import { DataError, OptionError } from '../../errors.ts';
import { Pace } from '../../io/file/pace.ts';
import { ARRAYS } from '../../ir/op.ts';
import { choice, either, type Field, list, options, record, signature, text, whole } from '../../options/index.ts';
import type { Stream, StreamBatch, StreamPlace, TablePlace } from './batch.ts';
import { type BatchStream, inTurn } from './batches.ts';
import { type Cut, Cutting, type TableRule, type Taken } from './cutting.ts';
import { BATCH_SIZE } from './shape.ts';
import { type Arrays, dtypeOf } from './source.ts';
import { type Opened, openStream } from './stream.ts';

export type { ColumnValues } from '../../data/tabular.ts';

type OneByOne = AsyncIterable<object> | Iterable<object>;
/**
 * A table that comes part by part: parts one after the other, or a function that gives them. A part is columns by name, of any length (`{ age: Float64Array,
 * town: Int32Array }`), rows as objects in a list, or a single row.
 */
export type TableSource = OneByOne | ((at: TablePlace) => OneByOne);

/** Columns that become one array. */
export interface ColumnsOf {
  /** Names of the columns: one alone gives a number for each row, a list gives rows in its order. Default: all but `except`. */
  readonly columns?: string | readonly string[];
  /** All columns but these, in the order in which they come. Default: `columns` says which. */
  readonly except?: readonly string[];
  /** Dtype of the array: i32 and u8 have whole numbers alone, and any other value is an error. Default `f32`. */
  readonly dtype?: 'f32' | 'i32' | 'u8';
}

/** Columns by the names of the arrays that are made of them. `N` are these names. */
export type ColumnsByArray<N extends string = string> = Readonly<Record<N, string | readonly string[] | ColumnsOf>>;

/** Options of `columns`. */
export interface ColumnsOptions {
  /**
   * Rows of a window. The rows of a window are shuffled by the trainer's seed, anew in each epoch, and come before those of the next one; a window is in
   * memory. Default 0: rows come in the order of the table.
   */
  readonly shuffle?: number;
  /** What becomes of null in a list of values: an error, or NaN. Default `refuse`. */
  readonly missing?: 'refuse' | 'nan';
  /**
   * How many rows the table has, where that is known: then schedules may take epochs. Any other number is an error. Default: nobody knows.
   */
  readonly rows?: number;
}

/** Options of `readColumns`. */
export interface ReadColumnsOptions extends Pick<ColumnsOptions, 'missing'> {
  /** Rows to read at most; then the table is closed. Default Infinity. */
  readonly limit?: number;
}

const names = either(text, list(text, { min: 1 }));
const columnsOf = options<ColumnsOf>()({
  columns: names.optional(),
  except: list(text).optional(),
  dtype: choice('f32', 'i32', 'u8').default('f32'),
});
/** As read. */
interface ReadColumnsOf {
  readonly columns: string | readonly string[] | undefined;
  readonly except: readonly string[] | undefined;
  readonly dtype: Taken['dtype'];
}
const isNames = (x: unknown): x is string | readonly string[] => typeof x === 'string' || Array.isArray(x);

const byArray: Field<ColumnsByArray, readonly Taken[]> = record(
  either(names, columnsOf),
  'names of columns by the names of arrays',
).map((given, place) => {
  const taken = Object.entries(given).map(([name, one]): Taken => {
    const { columns, except, dtype }: ReadColumnsOf = isNames(one) ? { columns: one, except: undefined, dtype: 'f32' } : one;
    const at = place.key(name);
    if ((columns === undefined) === (except === undefined))
      throw at.refuse('expected one of two: columns, or except, which names those that are not taken', { value: one });
    const own = columns === undefined ? null : typeof columns === 'string' ? [columns] : columns;
    const twice = own?.find((column, i) => own.indexOf(column) !== i);
    if (twice !== undefined) throw at.refuse(`column ${twice} is named twice`, { value: columns });
    return { name, columns: own, except: except ?? [], dtype, flat: typeof columns === 'string' };
  });
  if (taken.length === 0) throw place.wrong('columns of at least one array, such as { x: ["age", "income"], y: "price" }', given);
  return taken;
}) as Field<ColumnsByArray, readonly Taken[]>;

const table = inTurn('parts of a table') as unknown as Field<TableSource, Stream>;
const missing = choice('refuse', 'nan').default('refuse');
const readCall = signature(
  'columns',
  { table, arrays: byArray },
  options<ColumnsOptions>()({ shuffle: whole({ min: 0, max: 2 ** 30 }).default(0), missing, rows: whole({ min: 1 }).optional() }),
);
const readCallOfAll = signature(
  'readColumns',
  { table, arrays: byArray },
  options<ReadColumnsOptions>()({ limit: whole({ min: 1, infinite: true }).default(Number.POSITIVE_INFINITY), missing }),
);

/** Batches whose arrays nobody else has. */
export interface CutStream {
  readonly stream: Stream;
  /** Batches of an epoch; null: nobody knows. */
  readonly batches: number | null;
  /** Bytes of a batch; null: not known yet. */
  batchBytes(): number | null;
  /** Nobody looks at these any more. */
  release(batches: readonly StreamBatch[]): void;
}

/** On what `columns` made: batches, cut as a fit asks for them. */
const CUT: unique symbol = Symbol('cut');
interface Cuttable {
  readonly [CUT]: (cut: Cut) => CutStream;
  readonly [TABLE]: object;
}
/** And what the table comes from. */
const TABLE: unique symbol = Symbol('table');

/** Whether `columns` made it. */
export function isColumns(data: unknown): data is BatchStream & Cuttable {
  return typeof (data as Partial<Cuttable> | null | undefined)?.[CUT] === 'function';
}

/** What its rows come from. */
export function tableOf(data: Cuttable): object {
  return data[TABLE];
}

/** Its batches, cut so. */
export function cutOf(data: Cuttable, cut: Cut): CutStream {
  return data[CUT](cut);
}

/**
 * Batches for `fit` of a table that comes part by part, as from a database, or from a file of columns: it may be larger than memory. Columns become rows
 * natively. Batches have as many rows as the trainer's (`batchSize`), however many the parts have; the last one of an epoch may have fewer.
 *
 * ```ts
 * // Parts such as { age: Float64Array, income: Float32Array, price: BigInt64Array }.
 * await trainer.fit(columns(() => reader.parts(), { x: ['age', 'income'], y: 'price' }), { epochs: 3 });
 * ```
 * A function is called in each epoch. One that takes an argument gets `{ epoch, row }`, and begins with that row; else the rows before it are read once more
 * where a run goes on within an epoch. The next part is asked for when all rows of the one before were read, so its arrays may be used again. Whoever ends
 * a run early calls the iterator's `return`.
 * @param table parts one after the other: columns by name, rows as objects in a list, or single rows
 * @param arrays the columns that each array of a batch is made of: 'price' gives [rows], ['price'] gives [rows, 1], { except: ['id', 'price'] } all others
 * @throws OptionError; (by the fit) DataError for a column that is not there, for values that are no numbers, and for columns that differ in length
 */
export function columns<const A extends ColumnsByArray>(
  table: TableSource,
  arrays: A,
  options: ColumnsOptions = {},
): BatchStream<keyof A & string> {
  const { table: given, arrays: taken, shuffle, missing, rows = null } = readCall(arguments);
  if (shuffle === 1)
    throw new OptionError('columns: option shuffle: one row is not shuffled, got 1', { option: 'shuffle', value: 1 });
  const cuttable = cuttableOf(given, { taken, shuffle, missing, rows });
  const { stream } = cutOf(cuttable, { batchSize: BATCH_SIZE, dropLast: false, seed: 0n, blocks: false });
  const made: BatchStream = { stream, rows: null, shapes: 1, ...cuttable };
  return printed(made, () => `Columns: ${taken.map(told).join('; ')}`) as BatchStream<keyof A & string>;
}

function told({ name, columns, except }: Taken): string {
  return `${name} of ${columns ? columns.join(', ') : except.length > 0 ? `all but ${except.join(', ')}` : 'all'}`;
}

function cuttableOf(table: Stream, rule: TableRule): Cuttable {
  /** Where it is, and what has come of it. */
  let standing: { readonly opened: Opened; readonly cutting: Cutting } | null = null;
  const begin = (cut: Cut, { epoch, batch }: StreamPlace): void => {
    const cutting = new Cutting('columns', rule, cut, { epoch, row: batch * cut.batchSize });
    standing = { opened: openTable(table, cutting, epoch, 'columns'), cutting };
  };
  const cutStream = (cut: Cut, stream: unknown): CutStream => ({
    stream: stream as Stream,
    batches: countOf(rule, cut),
    batchBytes() {
      const bytes = standing?.cutting.rowBytes ?? null;
      return bytes === null ? null : bytes * cut.batchSize;
    },
    release(batches) {
      for (const batch of batches) standing?.cutting.release(batch.values().next().value!.data.buffer);
    },
  });
  if (typeof (table as Partial<Iterator<unknown>>).next !== 'function') {
    return {
      [TABLE]: table,
      [CUT]: (cut) =>
        cutStream(cut, (place: StreamPlace) => {
          begin(cut, place);
          return batchesOf(standing!, cut.blocks);
        }),
    };
  }
  return {
    [TABLE]: table,
    [CUT](cut) {
      // An iterator goes on where it is, with the rows that are in no batch yet.
      if (!standing) begin(cut, { epoch: 0, batch: 0 });
      standing!.cutting.recut(cut);
      return cutStream(cut, batchesOf(standing!, cut.blocks));
    },
  };
}

function countOf({ rows }: TableRule, { batchSize, dropLast }: Cut): number | null {
  return rows === null ? null : dropLast ? Math.floor(rows / batchSize) : Math.ceil(rows / batchSize);
}

type Batched = IterableIterator<Arrays> | AsyncIterableIterator<Arrays>;

/** The table from where the batches begin. */
function openTable(table: Stream, cutting: Cutting, epoch: number, where: string): Opened {
  const opened = openStream(table, { epoch, row: cutting.from }, where, 'parts of a table');
  cutting.drop(opened.before);
  return opened;
}

/**
 * Batches as the table comes. Whoever is done with them closes it.
 * @param blocks whoever asks for them does not wait
 */
function batchesOf({ opened, cutting }: { readonly opened: Opened; readonly cutting: Cutting }, blocks: boolean): Batched {
  const { iterator, waits } = opened;
  const closes = iterator.return && { return: () => iterator.return!() };
  const batches = blocks && !waits ? now(iterator as Iterator<unknown>, cutting, closes) : later(opened, cutting, closes);
  return batches as Batched;
}

function now(iterator: Iterator<unknown>, cutting: Cutting, closes: object | undefined): object {
  return {
    [Symbol.iterator]() {
      return this;
    },
    next() {
      let ours = true;
      try {
        for (;;) {
          const next = cutting.next();
          if (typeof next === 'object') return next;
          ours = false;
          const part = iterator.next();
          ours = true;
          cutting.take(part);
        }
      } catch (error) {
        // What is wrong with its rows a table does not know: it has to end.
        if (ours) quietly(() => iterator.return?.());
        throw error;
      }
    },
    ...closes,
  };
}

function later({ iterator, waits }: Opened, cutting: Cutting, closes: object | undefined): object {
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      const pace = new Pace();
      const due = (): boolean => pace.due;
      let ours = true;
      try {
        for (let parts = 1; ; parts++) {
          const next = cutting.next(due);
          if (typeof next === 'object') return next;
          if (next === 'part') {
            ours = false;
            const part = iterator.next() as IteratorResult<unknown>;
            const came = waits ? await part : part;
            ours = true;
            cutting.take(came);
          }
          // A clock takes as long as a row.
          if ((next === 'turn' || parts % 64 === 0) && pace.due) await pace.turn();
        }
      } catch (error) {
        if (ours) await quietly(() => iterator.return?.());
        throw error;
      }
    },
    ...closes,
  };
}

/** The error that has ended it matters more than one of its end. */
function quietly(end: () => unknown): unknown {
  try {
    const ended = end();
    return ended instanceof Promise ? ended.catch(() => {}) : ended;
  } catch {
    return undefined;
  }
}

/** Rows that are read at a time. */
const AT_ONCE = 4096;

/**
 * All rows of a table that comes part by part, in memory: for `evaluate`, `predict` and `validation`, and for transforms that learn from rows.
 *
 * ```ts
 * const parts = { x: ['age', 'income'], y: 'price' } as const;
 * const { x } = await readColumns(table, parts, { limit: 100_000 });
 * const scale = preprocess.standardize().fit(x);
 * ```
 * @shape -> by name, each [rows] or [rows, columns]
 * @param table as of `columns`
 * @param arrays as of `columns`
 * @throws (rejects) OptionError; DataError as of `columns`, and where there is no row
 */
export async function readColumns<const A extends ColumnsByArray>(
  table: TableSource,
  arrays: A,
  options: ReadColumnsOptions = {},
): Promise<Readonly<Record<keyof A & string, NdArray>>> {
  const { table: given, arrays: taken, limit, missing } = readCallOfAll(arguments);
  const cut = { batchSize: Math.min(AT_ONCE, limit), dropLast: false, seed: 0n, blocks: false };
  const cutting = new Cutting('readColumns', { taken, shuffle: 0, missing, rows: null }, cut, { epoch: 0, row: 0 });
  const read: (readonly NdArray[])[] = [];
  let rows = 0;
  const batches = batchesOf({ opened: openTable(given, cutting, 0, 'readColumns'), cutting }, false);
  for await (const batch of batches as AsyncIterable<unknown>) {
    const own = taken.map(({ name }) => (batch as Record<string, NdArray>)[name]!);
    read.push(own);
    rows += own[0]!.shape[0]!;
    if (rows >= limit) break;
  }
  if (rows === 0) throw new DataError('readColumns: expected at least one row, the table gave none');
  const all = taken.map(
    ({ name }, k) =>
      [
        name,
        joined(
          read.map((own) => own[k]!),
          Math.min(rows, limit),
        ),
      ] as const,
  );
  return Object.fromEntries(all) as Record<keyof A & string, NdArray>;
}

function joined(parts: readonly NdArray[], rows: number): NdArray {
  const { data: first, shape } = parts[0]!;
  const width = shape[1] ?? 1;
  const data = new ARRAYS[dtypeOf(first)](rows * width);
  let at = 0;
  for (const { data: part } of parts) {
    data.set(part.subarray(0, data.length - at), at);
    at += part.length;
  }
  return { data, shape: [rows, ...shape.slice(1)] };
}
