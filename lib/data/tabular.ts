// tabular.ts: what the source of a table gives at a time: columns by name, rows as objects, or one row; as numbers that lie in memory.
import { DataError, DetachedError } from '../errors.ts';
import { nearest, show } from '../options/index.ts';
import { isDetached, type Typed } from './arrays.ts';
import type { Scalar } from './nested.ts';

/** Values of a column: a typed array of numbers; or a list of numbers, of true and false, of BigInts, in which null stands for a value that is missing. */
export type ColumnValues = Typed | readonly (Scalar | null | undefined)[];

/** Some rows of a table: the columns that are wanted of it. */
export interface TablePart {
  readonly count: number;
  /** In the order in which they were asked for. */
  readonly columns: readonly ColumnSlice[];
}
/** Values [from, from + count) of a column, from wherever they lie. */
type ColumnSlice = (from: number, count: number) => Typed | readonly unknown[];

type Named = Readonly<Record<string, unknown>>;
const isList = (x: unknown): x is readonly unknown[] => Array.isArray(x);
const isTyped = (x: unknown): x is Typed => ArrayBuffer.isView(x) && !(x instanceof DataView);
const isNamed = (x: unknown): x is Named =>
  typeof x === 'object' && x !== null && !isList(x) && !ArrayBuffer.isView(x) && !isPromise(x);
const isPromise = (x: unknown): boolean => typeof (x as { then?: unknown }).then === 'function';

/** @throws DataError for what is no part of a table: where it begins is in the error */
function named(where: string, given: unknown): Named {
  if (given instanceof Map) return Object.fromEntries(given) as Named;
  if (isNamed(given)) return given;
  const hint = given !== null && typeof given === 'object' && isPromise(given) ? '; is an await missing?' : '';
  throw new DataError(`${where}: expected columns by name, rows as objects, or one row, got ${show(given)}${hint}`);
}

/** Names of its columns, in their order. @throws DataError for what is no part of a table */
export function namesOf(where: string, given: unknown): string[] {
  if (!isList(given)) return Object.keys(named(where, given));
  return Object.keys(rowOf(where, given[0]));
}

/** Whether it is one row, an object of values. @param wanted names of columns */
export function isOneRow(given: unknown, [first]: readonly string[]): given is Named {
  return isNamed(given) && !(given instanceof Map) && !isList(given[first!]) && !ArrayBuffer.isView(given[first!]);
}

/** The values of one row. @throws DataError where it has no such column */
export function valuesOf(where: string, row: Named, wanted: readonly string[]): unknown[] {
  return wanted.map((name) => cellOf(where, row, name));
}

/**
 * Columns by name, or rows as objects in a list.
 * @param where as errors begin
 * @throws DataError for what is neither, where a column is not there, and where columns differ in length
 */
export function partOf(where: string, given: unknown, wanted: readonly string[]): TablePart {
  return isList(given) ? partOfRows(where, given, wanted) : partOfColumns(where, named(where, given), wanted);
}

function partOfColumns(where: string, given: Named, wanted: readonly string[]): TablePart {
  let count = -1;
  const columns = wanted.map((name): ColumnSlice => {
    const values = Object.hasOwn(given, name) ? given[name] : undefined;
    if (values === undefined) throw noColumn(where, name, Object.keys(given));
    if (!isTyped(values) && !isList(values))
      throw new DataError(`${where}: column ${name}: expected numbers in an array, got ${show(values)}`, { column: name });
    if (isTyped(values) && isDetached(values)) throw transferred(where, name);
    if (count < 0) count = values.length;
    if (values.length !== count) {
      const text = `${where}: column ${name}: expected ${count} values as ${wanted[0]} has, got ${values.length}`;
      throw new DataError(text, { column: name });
    }
    if (isList(values)) return (from, n) => values.slice(from, from + n);
    return (from, n) => {
      if (values.length >= from + n) return from === 0 && values.length === n ? values : values.subarray(from, from + n);
      throw transferred(where, name);
    };
  });
  return { count, columns };
}

function transferred(where: string, name: string): DetachedError {
  return new DetachedError(`${where}: column ${name}: the array has no memory: it was transferred`, { column: name });
}

function partOfRows(where: string, rows: readonly unknown[], wanted: readonly string[]): TablePart {
  const columns = wanted.map((name): ColumnSlice => {
    return (from, count) => {
      const values = new Array<unknown>(count);
      for (let i = 0; i < count; i++) values[i] = cellOf(where, rows[from + i], name);
      return values;
    };
  });
  return { count: rows.length, columns };
}

/** @throws DataError for what is no row, or one that does not have the column */
function cellOf(where: string, row: unknown, name: string): unknown {
  const value = (row as Named | null | undefined)?.[name];
  // A row that says that it has none is another thing than one that does not know of it.
  if (value === undefined && !(name in rowOf(where, row))) throw noColumn(where, name, Object.keys(row as Named));
  return value;
}

function rowOf(where: string, row: unknown): Named {
  if (isNamed(row)) return row;
  throw new DataError(`${where}: expected rows as objects, with values by the names of columns, got ${show(row)} in a list`);
}

/** The error of a column that there is not. */
export function noColumn(where: string, name: string, names: readonly string[]): DataError {
  const got = names.length === 0 ? 'none' : names.slice(0, 20).join(', ') + (names.length > 20 ? ', ...' : '');
  const near = nearest(name, names);
  const text = `${where}: expected a column named ${name}, got ${got}${near === undefined ? '' : `; did you mean ${near}?`}`;
  return new DataError(text, { column: name });
}

const KNOWN = /^\[object (Int8|Uint8|Uint8Clamped|Int16|Uint16|Int32|Uint32|Float32|Float64|BigInt64|BigUint64)Array\]$/;
const isKnown = (values: Typed): boolean => KNOWN.test(Object.prototype.toString.call(values));

/**
 * Values as a typed array of a kind that the add-on knows.
 * @param where of the value at a place, as errors begin
 * @param missing whether null stands for NaN
 * @throws DataError for what is no number
 */
export function numbersOf(values: Typed | readonly unknown[], where: (i: number) => string, missing: boolean): NodeJS.TypedArray {
  // Else it is a Float16Array, where the engine has it.
  if (!isList(values)) return isKnown(values) ? values : Float32Array.from(values as unknown as ArrayLike<number>);
  const out = new Float64Array(values.length);
  let big = 0;
  for (let i = 0; i < out.length; i++) {
    const x = values[i];
    if (typeof x === 'number') out[i] = x;
    else if (typeof x === 'boolean') out[i] = Number(x);
    else if (typeof x === 'bigint') {
      out[i] = Number(x);
      big++;
    } else if ((x === null || x === undefined) && missing) out[i] = Number.NaN;
    else throw notANumber(where(i), x);
  }
  // To be rounded once, to what is wanted.
  const whole = big === out.length && values.every((x) => BigInt.asIntN(64, x as bigint) === x);
  return whole ? BigInt64Array.from(values as readonly bigint[]) : out;
}

function notANumber(where: string, x: unknown): DataError {
  const missing = x === null || x === undefined;
  const hint = missing
    ? "; option missing: 'nan' takes it as NaN"
    : typeof x === 'string'
      ? ': text has to be made numbers first'
      : x instanceof Date
        ? ': its getTime() is one'
        : '';
  return new DataError(`${where}: expected a number, got ${show(x)}${hint}`, { value: x });
}
