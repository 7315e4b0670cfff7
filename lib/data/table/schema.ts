// schema.ts: what is known of a table: what its columns hold, and how their cells become the numbers that a model reads.
import { printAs } from '../../errors/inspect.ts';
import { DataError, OptionError } from '../../errors.ts';
import type { Tensor } from '../../ir/graph.ts';
import { largestOf } from '../../math/index.ts';
import { nearest, show } from '../../options/index.ts';
import type { ArrayInput, NdArray } from '../arrays.ts';
import { checkRow, type Pipeline, type Transform, type TransformJSON } from '../transform.ts';
import {
  type Cell,
  dateOf,
  isMissing,
  numberOf,
  shown,
  type Table,
  type TableColumns,
  type TableRow,
  tableOf,
  textOf,
} from './cells.ts';
import { DATE_ORDERS, type DateOrder, type DatePart, parseDate, partOf } from './dates.ts';
import { isComma } from './written.ts';

/** A column of numbers. */
export interface KnownNumber {
  /** Its name. */
  readonly name: string;
  /** What it holds. */
  readonly type: 'number';
  /** Whether a missing cell is an error; else something stands in. */
  readonly required: boolean;
}

/** A column of categories. */
export interface KnownCategory {
  /** Its name. */
  readonly name: string;
  /** What it holds. */
  readonly type: 'category';
  /** The categories, by number. */
  readonly values: readonly string[];
  /** What becomes of a missing cell: a category of its own after the others, one of them by its number, as one that is not known, or an error. */
  readonly missing: 'own' | 'unknown' | 'error' | number;
  /** What becomes of a category that is not known. */
  readonly unknown: 'error' | 'ignore';
  /** Columns of 0 and 1, or one with the number. */
  readonly encode: 'oneHot' | 'index';
}

/** A column of dates. */
export interface KnownDate {
  /** Its name. */
  readonly name: string;
  /** What it holds. */
  readonly type: 'date';
  /** A column for each. */
  readonly parts: readonly DatePart[];
  /** In which order texts have them. */
  readonly order: DateOrder;
  /** Whether a missing cell is an error; else something stands in. */
  readonly required: boolean;
}

/** What is known of a column. */
export type KnownColumn = KnownNumber | KnownCategory | KnownDate;

/** The column that is to be predicted. */
export interface KnownLabel {
  /** Its name. */
  readonly name: string;
  /** Class i is `classes[i]`; null: labels are numbers. */
  readonly classes: readonly string[] | null;
}

/** Cells of a column that held a category which is not known. */
export interface UnknownCategories {
  /** Its name. */
  readonly column: string;
  /** How many cells. */
  readonly count: number;
  /** Some of them, each once: at most 5. */
  readonly values: readonly string[];
}

/** Rows of a table, as numbers. */
export interface Encoded {
  /** f32 [rows, inputs]: missing numbers are NaN, categories their numbers. The schema as a transform makes of it what a model reads. */
  readonly x: NdArray<Float32Array>;
  /** What was not known, and `unknown: 'ignore'` let pass. */
  readonly unknown: readonly UnknownCategories[];
}

/** Prediction of a row. */
export interface RowPrediction {
  /** The class of the largest number, by its name; where labels are classes. */
  readonly class?: string;
  /** What the model gives for each class, by name: probabilities where option `predict` of the trainer gives `ops.softmax`. */
  readonly scores?: Readonly<Record<string, number>>;
  /** What the model gives, where it is one number. */
  readonly value?: number;
  /** Columns whose category is not known, where the schema lets that pass. */
  readonly unknown?: readonly string[];
}

/** The number of what is not known, where it has columns of 0 and 1: it is none of them. */
const NONE = -1;

/** How many numbers a column with the number of a category may hold. */
export const sizeOfIndex = ({ values, missing, unknown }: KnownCategory): number =>
  values.length + (missing === 'own' ? 1 : 0) + (unknown === 'ignore' ? 1 : 0);

let encode: (schema: Schema, where: string, table: Table) => Encoded;

/** As `schema.encode`, with errors that begin with `where`. */
export const encodeAs = (schema: Schema, where: string, table: TableColumns): Encoded =>
  encode(schema, where, tableOf(where, table));

/** The same of a table that was looked at. */
export const encodeTable = (schema: Schema, where: string, table: Table): Encoded => encode(schema, where, table);

/**
 * What is known of a table, learned from the rows that train by `preprocess.schema`: what its columns hold, what stands in for missing cells, how
 * numbers are scaled. As the transform of `x` it is part of a trainer's graph and is saved with the weights.
 */
export class Schema implements Transform {
  /** Which transform it is. */
  readonly type = 'schema';
  /** What is known of each column, in the order of `inputs`. */
  readonly columns: readonly KnownColumn[];
  /** What is to be predicted; null: none was named. */
  readonly label: KnownLabel | null;
  /** Names of the numbers of a row of `encode`: of a date one for each part. */
  readonly inputs: readonly string[];
  /** Names of the numbers of a row that a model reads: `age`, `town=Bonn`, `age missing`. */
  readonly outputs: readonly string[];
  readonly #steps: Pipeline;
  readonly #numbers: readonly ReadonlyMap<string, number>[];

  static {
    encode = (schema, where, table) => schema.#encode(where, table);
  }

  /** @param steps what makes of rows of `inputs` rows of `outputs` */
  constructor(columns: readonly KnownColumn[], label: KnownLabel | null, steps: Pipeline, outputs: readonly string[]) {
    this.columns = columns;
    this.label = label;
    this.inputs = columns.flatMap(inputsOf);
    this.outputs = outputs;
    this.#steps = steps;
    this.#numbers = columns.map((c) => new Map(c.type === 'category' ? c.values.map((value, i) => [value, i]) : []));
  }

  /**
   * Rows of a table as numbers, for `predict` or `fit`.
   * @param table columns by name, or rows in a list; what is not known of it is left out
   * @throws DataError that names row and column, for a column that is not there, a cell that is not what it should be, and a category that is not known
   */
  encode(table: TableColumns | readonly TableRow[]): Encoded {
    return this.#encode('schema.encode', tableOf('schema.encode', table));
  }

  /**
   * Rows of a table with their labels, as `fit` and `evaluate` take them.
   * @param table columns by name, or rows in a list
   * @returns x f32 [rows, inputs]; y i32 [rows] of classes, f32 [rows] of numbers
   * @throws DataError as `encode`, and for labels that are missing, no numbers, or no class; OptionError if the schema has no label
   */
  arrays(table: TableColumns | readonly TableRow[]): { x: NdArray<Float32Array>; y: NdArray<Int32Array | Float32Array> } {
    const read = tableOf('schema.arrays', table);
    return { x: this.#encode('schema.arrays', read).x, y: { data: this.#labels('schema.arrays', read), shape: [read.rows] } };
  }

  /**
   * Columns of numbers by the names of `inputs`, and the labels by theirs where the table has them: what a source of column batches takes.
   * @param table columns by name, or rows in a list
   * @throws DataError as `arrays`
   */
  numbers(table: TableColumns | readonly TableRow[]): Readonly<Record<string, Float32Array | Int32Array>> {
    const where = 'schema.numbers';
    const read = tableOf(where, table);
    const { x } = this.#encode(where, read);
    const width = this.inputs.length;
    const columns = this.inputs.map((name, j) => {
      return [name, Float32Array.from({ length: read.rows }, (_, i) => x.data[i * width + j]!)] as const;
    });
    const labeled = this.label !== null && read.names.includes(this.label.name);
    return Object.fromEntries<Float32Array | Int32Array>([
      ...columns,
      ...(labeled ? [[this.label!.name, this.#labels(where, read)] as const] : []),
    ]);
  }

  /**
   * How many numbers a column of categories may hold where its `encode` is 'index': rows of an `nn.Embedding`.
   * @param name of the column
   * @throws OptionError for a column that is none of categories
   */
  size(name: string): number {
    const column = this.columns.find((one) => one.name === name);
    if (column?.type === 'category') return sizeOfIndex(column);
    throw new OptionError(`schema.size: expected a column of categories, got ${show(name)}`, { name });
  }

  /**
   * Predictions as rows with names.
   * @param outputs what a model gives for rows: a number for each class, numbers of classes, or values
   * @throws OptionError for what is no array with a shape, or has another number of classes
   */
  decode(outputs: NdArray): RowPrediction[] {
    const { data, shape } = (outputs ?? {}) as Partial<NdArray>;
    if (!ArrayBuffer.isView(data) || !Array.isArray(shape) || shape.length === 0) {
      throw new OptionError(`schema.decode: expected what predict gives, one tensor, got ${show(outputs)}`, { value: outputs });
    }
    const [n = 0, ...row] = shape;
    const width = n === 0 ? 1 : data.length / n;
    const classes = this.label?.classes ?? null;
    if (classes && row.length === 1 && width === classes.length && width > 1) return scored(data, classes);
    if (classes && width === 1 && data instanceof Int32Array) {
      return Array.from(data, (number) => ({ class: classes[number] ?? refuseClass(number, classes) }));
    }
    if (width === 1) return Array.from(data, (value) => ({ value: Number(value) }));
    const expected = classes ? `${classes.length} numbers a row, one for each class` : 'one number a row';
    throw new OptionError(`schema.decode: expected ${expected}, got rows of [${row}]`, { shape });
  }

  /**
   * Rows of `inputs` as a model reads them: rows of `outputs`.
   * @throws ShapeError for rows of another width
   */
  transform(x: ArrayInput): NdArray {
    return this.#steps.transform(x);
  }

  /**
   * Never gives rows: what stood in for missing cells is not known.
   * @throws OptionError
   */
  inverse(): NdArray {
    throw new OptionError('schema: has no inverse; decode gives predictions by name', { type: this.type });
  }

  /**
   * `transform`, as part of a graph.
   * @shape x [rows, inputs] -> [rows, outputs]
   * @throws ShapeError for rows of another width
   */
  build(x: Tensor): Tensor {
    checkRow(this.type, x.shape.slice(1), [this.inputs.length]);
    return this.#steps.build(x);
  }

  /**
   * Never gives a tensor: a schema is for x.
   * @shape y [rows, outputs] -> [rows, inputs]
   * @throws OptionError
   */
  buildInverse(): Tensor {
    throw new OptionError('schema: is for x, and has no inverse', { type: this.type });
  }

  /** What `preprocess.fromJSON` makes the same schema of. */
  toJSON(): TransformJSON {
    const { type, columns, label, outputs } = this;
    return { type, columns, label, outputs, steps: this.#steps.steps.map((step) => step.toJSON()) };
  }

  /** As `console.log` prints it: what it reads, and what it makes of that. */
  toString(): string {
    const of = this.label ? ` of ${this.label.name}` : '';
    return `Schema${of}: ${this.columns.length} columns, ${this.inputs.length} inputs, ${this.outputs.length} outputs`;
  }

  #encode(where: string, table: Table): Encoded {
    const [n, width] = [table.rows, this.inputs.length];
    const data = new Float32Array(n * width);
    const unknown: UnknownCategories[] = [];
    let at = 0;
    for (const [c, column] of this.columns.entries()) {
      const cell = table.column(column.name);
      const fault = (row: number, expected: string, value: Cell, hint = ''): DataError => {
        const { text, details } = table.at(row, column.name);
        return new DataError(`${text}: expected ${expected}, got ${shown(value)}${hint}`, { ...details, value });
      };
      if (column.type === 'number') {
        for (let i = 0; i < n; i++) data[i * width + at] = numberIn(column, cell(i), i, fault);
      } else if (column.type === 'date') {
        for (let i = 0; i < n; i++) {
          const ms = dateIn(column, cell(i), i, fault);
          for (const [k, part] of column.parts.entries()) data[i * width + at + k] = Number.isNaN(ms) ? ms : partOf(part, ms);
        }
      } else {
        const seen = new Seen();
        for (let i = 0; i < n; i++) data[i * width + at] = categoryIn(column, this.#numbers[c]!, cell(i), i, fault, seen);
        if (seen.count > 0) unknown.push({ column: column.name, count: seen.count, values: [...seen.values] });
      }
      at += inputsOf(column).length;
    }
    return { x: { data, shape: [n, width] }, unknown };
  }

  #labels(where: string, table: Table): Int32Array | Float32Array {
    if (!this.label) throw new OptionError(`${where}: the schema has no label: option label of preprocess.schema names it`);
    const { name, classes } = this.label;
    return labelsOf(name, classes, table);
  }
}

printAs(Schema, function () {
  return String(this);
});

/** At most so many categories that are not known are listed. */
export const MOST_SHOWN = 5;

/** Columns with a category that is not known. */
class Seen {
  count = 0;
  readonly values = new Set<string>();
  add(value: string): void {
    this.count++;
    if (this.values.size < MOST_SHOWN) this.values.add(value);
  }
}

type Fault = (row: number, expected: string, value: Cell, hint?: string) => DataError;

function numberIn({ required }: KnownNumber, cell: Cell, row: number, fault: Fault): number {
  if (isMissing(cell)) {
    if (required) throw fault(row, 'a number', cell);
    return Number.NaN;
  }
  const value = Math.fround(numberOf(cell));
  if (Number.isFinite(value)) return value;
  const hint = typeof cell === 'string' && isComma(cell) ? '; a number has a point before its fraction' : '';
  throw fault(row, Number.isNaN(value) ? 'a number' : 'a number within f32', cell, hint);
}

function dateIn({ required, order }: KnownDate, cell: Cell, row: number, fault: Fault): number {
  if (isMissing(cell)) {
    if (required) throw fault(row, 'a date', cell);
    return Number.NaN;
  }
  const ms = dateOf(cell, order);
  if (!Number.isNaN(ms)) return ms;
  const form = { ymd: '2024-12-31', dmy: '31.12.2024', mdy: '12/31/2024' }[order];
  const other = typeof cell === 'string' && DATE_ORDERS.find((one) => !Number.isNaN(parseDate(cell, one)));
  throw fault(row, `a date such as ${form}`, cell, other ? `; it is one by order '${other}', which option columns says` : '');
}

function categoryIn(
  column: KnownCategory,
  numbers: ReadonlyMap<string, number>,
  cell: Cell,
  row: number,
  fault: Fault,
  seen: Seen,
): number {
  const { values, missing, unknown } = column;
  const isGap = isMissing(cell);
  if (isGap && missing === 'error') throw fault(row, 'a category', cell);
  if (isGap && missing !== 'unknown') return missing === 'own' ? values.length : (missing as number);
  const text = isGap ? '' : textOf(cell);
  const known = isGap ? undefined : numbers.get(text);
  if (known !== undefined) return known;
  if (unknown === 'error') {
    const near = isGap ? undefined : nearest(text, values);
    const few = values.length <= 10 ? values.join(', ') : `${values.slice(0, 10).join(', ')}, ...`;
    throw fault(row, `one of ${few}`, cell, near === undefined ? '' : `; did you mean ${near}?`);
  }
  seen.add(text);
  return column.encode === 'index' ? sizeOfIndex(column) - 1 : NONE;
}

/** Labels of all rows. @throws DataError for one that is missing, no number, or no class */
export function labelsOf(name: string, classes: readonly string[] | null, table: Table): Int32Array | Float32Array {
  const cell = table.column(name);
  const fault = (row: number, expected: string): DataError => {
    const value = cell(row);
    const { text, details } = table.at(row, name);
    return new DataError(`${text}: expected ${expected} as label, got ${shown(value)}`, { ...details, value });
  };
  if (classes === null) {
    return Float32Array.from({ length: table.rows }, (_, i) => {
      const value = isMissing(cell(i)) ? Number.NaN : Math.fround(numberOf(cell(i)));
      if (!Number.isFinite(value)) throw fault(i, Number.isNaN(value) ? 'a number' : 'a number within f32');
      return value;
    });
  }
  const numbers = new Map(classes.map((value, i) => [value, i]));
  return Int32Array.from({ length: table.rows }, (_, i) => {
    const number = isMissing(cell(i)) ? undefined : numbers.get(textOf(cell(i)));
    if (number !== undefined) return number;
    const few = classes.length <= 10 ? classes.join(', ') : `${classes.slice(0, 10).join(', ')}, ...`;
    throw fault(i, `one of ${few}`);
  });
}

/** Names of the numbers that its cells become. */
export const inputsOf = (column: KnownColumn): string[] =>
  column.type === 'date' ? column.parts.map((part) => `${column.name}.${part}`) : [column.name];

function scored(data: ArrayLike<number>, classes: readonly string[]): RowPrediction[] {
  const width = classes.length;
  return Array.from({ length: data.length / width }, (_, i) => {
    const row = Array.from({ length: width }, (_, k) => Number(data[i * width + k]));
    return { class: classes[largestOf(row)]!, scores: Object.fromEntries(row.map((score, k) => [classes[k]!, score])) };
  });
}

function refuseClass(number: number, classes: readonly string[]): never {
  throw new OptionError(`schema.decode: expected classes from 0 to ${classes.length - 1}, got ${number}`, { value: number });
}

/** Columns of a row of `encode` whose category is not known. */
export function unknownIn({ columns }: Schema, x: NdArray, row: number): string[] {
  const width = x.shape[1]!;
  let at = row * width;
  const found: string[] = [];
  for (const column of columns) {
    if (column.type === 'category' && column.unknown === 'ignore') {
      const number = column.encode === 'index' ? sizeOfIndex(column) - 1 : NONE;
      if (x.data[at] === number) found.push(column.name);
    }
    at += inputsOf(column).length;
  }
  return found;
}
