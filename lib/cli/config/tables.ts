// tables.ts: tables of numbers, categories and dates: read column by column, made numbers of by a schema that the rows which train have taught.
import { takeRows } from '../../data/split.ts';
import { type TableColumns, tableOf } from '../../data/table/cells.ts';
import { classesOf, learn } from '../../data/table/learn.ts';
import { encodeAs, labelsOf, MOST_SHOWN, type Schema, type UnknownCategories } from '../../data/table/schema.ts';
import { DataError, OptionError } from '../../errors.ts';
import { tellOriginOfSome } from '../../io/csv/origin.ts';
import { type CellTable, MISSING, type ReadTableOptions, readCells } from '../../io/csv/table.ts';
import { show } from '../../options/index.ts';
import { count } from '../../text/format.ts';
import type { NdArray } from '../../train/feed/source.ts';
import type { Split, TableData } from './sources.ts';

/** Rows of features [n, ...], their labels [n], and what they weigh [n]. */
export interface Table {
  readonly x: NdArray;
  readonly y: NdArray;
  readonly weight?: NdArray;
}

/** How labels are read. */
export interface LabelsRead {
  readonly type: 'i32' | 'f32';
  readonly classes: number | null;
}

/** Columns as they were read, before any row is given a use. */
export interface RawColumns {
  readonly kind: 'columns';
  readonly config: TableData;
  readonly file: string;
  readonly testFile: string | null;
  readonly table: CellTable;
  readonly test: CellTable | null;
  /** In the order of their numbers; null: labels are numbers. */
  readonly classNames: readonly string[] | null;
  readonly split: Split;
}

/** How a table is written. @param columns those to read; not given: all */
export function tableOptions(config: TableData, columns: readonly string[] | null): ReadTableOptions {
  const { delimiter, decimal, maxLine, maxColumns, maxBytes, missing } = config;
  return {
    ...{ decimal, maxLine, maxColumns, maxBytes, missing: missing ?? MISSING },
    ...(delimiter !== null && { delimiter }),
    ...(columns !== null && { columns }),
  };
}

/** @param labels `i32` for classes */
export async function readColumnData(
  config: TableData,
  file: string,
  testFile: string | null,
  { type, classes }: LabelsRead,
): Promise<RawColumns> {
  const { label, weight, columns } = config;
  const except = Object.entries(columns).flatMap(([name, column]) => (column.type === 'ignore' ? [name] : []));
  const types = Object.entries(columns).flatMap(([name, column]) =>
    column.type === 'ignore' ? [] : [[name, column.type === 'number' ? 'number' : 'text'] as const],
  );
  const options: ReadTableOptions = {
    ...tableOptions(config, null),
    types: Object.fromEntries([
      ...types,
      [label, type === 'i32' ? 'text' : 'number'] as const,
      ...(weight === null ? [] : [[weight, 'number'] as const]),
    ]),
  };
  const read = async (from: string): Promise<CellTable> => {
    try {
      return (await readCells(from, options, { except })).table;
    } catch (error) {
      if (!(error instanceof OptionError)) throw error;
      // Of a column that the configuration names.
      const why = error.message.replace(/^readTable: option \w+: /, '');
      throw new OptionError(`data: ${from}: ${why}`, { ...error.details, file: from }, { cause: error });
    }
  };
  const table = await read(file);
  const test = testFile === null ? null : await read(testFile);
  if (type === 'f32') return { kind: 'columns', config, file, testFile, table, test, classNames: null, split: config.split };
  const words = [table, ...(test ? [test] : [])].flatMap((one) => Array.from(one.columns[label] as ArrayLike<string | null>));
  const there = words.filter((word) => word !== null);
  const classNames = classesOf(there);
  if (classNames.length === 0) throw new DataError(`${file}: column ${label}: expected labels, got none`, { file });
  if (classNames.length === 1) {
    throw new DataError(`${file}: column ${label}: expected at least 2 classes, got only ${show(classNames[0])}`, { file });
  }
  if (classes !== null && classNames.length > classes) {
    const message = `${file}: column ${label}: expected at most ${classes} classes, as many as the model has outputs, got ${classNames.length}`;
    throw new DataError(message, { file, classes: classNames.length });
  }
  return { kind: 'columns', config, file, testFile, table, test, classNames, split: config.split };
}

/** Labels, and what rows weigh, of a table in the order of its file. */
export function labeled(
  file: string,
  { columns }: CellTable,
  { label, weight }: TableData,
  classNames: readonly string[] | null,
): Pick<Table, 'y' | 'weight'> {
  const table = tableOf(file, columns as TableColumns);
  const y: NdArray = { data: labelsOf(label, classNames, table), shape: [table.rows] };
  if (weight === null) return { y };
  const data = Float32Array.from(columns[weight] as Float64Array);
  return { y, weight: { data, shape: [table.rows] } };
}

/** Where what a row weighs stands, for errors. */
export function weightAt(file: string, { columns }: CellTable, { weight }: TableData): (row: number) => string {
  const table = tableOf(file, columns as TableColumns);
  return (row) => table.at(row, weight!).text;
}

/** A schema, and rows of numbers. */
export interface Shared {
  readonly schema: Schema;
  readonly table: Table;
  readonly test: Table | null;
  /** Categories that were not among the rows that train. */
  readonly unknown: readonly (UnknownCategories & { readonly file: string })[];
}

/**
 * What the rows that train teach, and all rows by it.
 * @param order of the rows: those that train come first
 * @param train how many
 */
export function learnFrom(
  { config, file, testFile, table, test, classNames }: RawColumns,
  own: Pick<Table, 'y' | 'weight'>,
  other: Pick<Table, 'y' | 'weight'> | null,
  order: Int32Array,
  train: number,
): Shared {
  const { label, weight, unknown } = config;
  const first = order.subarray(0, train);
  const taught = Object.fromEntries(
    Object.entries(table.columns).map(([name, cells]) => [name, Array.from(first, (row) => cells[row]!)] as const),
  );
  tellOriginOfSome(table.columns, taught, first);
  // Those that are left out were not read.
  const read = Object.entries(config.columns).filter(([, column]) => column.type !== 'ignore');
  const columns = { ...Object.fromEntries(read), ...(weight !== null && { [weight]: { type: 'ignore' } as const }) };
  const labels =
    classNames === null ? { labelType: 'number' as const, classes: undefined } : { labelType: undefined, classes: classNames };
  const schema = withHint(() => learn(file, taught, { label, ...labels, columns, unknown }));
  const encode = (from: string, { columns }: CellTable): ReturnType<typeof encodeAs> =>
    withHint(() => encodeAs(schema, from, columns as TableColumns));
  const all = encode(file, table);
  const tested = test && encode(testFile!, test);
  const of = (x: NdArray, { y, weight }: Pick<Table, 'y' | 'weight'>): Table => ({ x, y, ...(weight && { weight }) });
  const inOrder = of(all.x, own);
  return {
    schema,
    table: {
      x: takeRows(inOrder.x, order),
      y: takeRows(inOrder.y, order),
      ...(inOrder.weight && { weight: takeRows(inOrder.weight, order) }),
    },
    test: tested && of(tested.x, other!),
    unknown: [
      ...all.unknown.map((one) => ({ ...one, file })),
      ...(tested?.unknown ?? []).map((one) => ({ ...one, file: testFile! })),
    ],
  };
}

/** What of a configuration helps where a table is not as it says. */
function withHint<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof OptionError) throw new OptionError(`data: ${error.message}`, error.details, { cause: error });
    if (!(error instanceof DataError)) throw error;
    const unknown = /expected one of/.test(error.message)
      ? "; data.unknown 'ignore' counts what the rows that train do not have"
      : '';
    const option = error.message
      .replace('option columns', 'data.columns')
      .replace(/io\.readTable reads (.*) with decimal ','/, "data.decimal ',' reads $1");
    throw new DataError(`${option}${unknown}`, error.details, { cause: error });
  }
}

/** As people read it: that a column has categories which the rows that train do not have. */
export function unknownLine({ column, count: cells, values }: UnknownCategories): string {
  const some = values.map((value) => (value === '' ? 'nothing' : value)).join(', ');
  const which = `${some}${values.length < MOST_SHOWN ? '' : ', ...'}`;
  return `${count(cells)} ${cells === 1 ? 'cell' : 'cells'} of column ${column} that the rows which train do not have: ${which}`;
}
