// cells.ts: tables that people hand in, by column or by row, and what a cell of them is.
import { DataError, OptionError } from '../../errors.ts';
import { originOf } from '../../io/csv/origin.ts';
import { nearest, show } from '../../options/index.ts';
import { type DateOrder, parseDate } from './dates.ts';

/** A cell of a table. A text without a character, NaN, null and undefined are missing ones. */
export type Cell = string | number | bigint | boolean | Date | null | undefined;

/** A row: its cells by the names of their columns. Further names may be there. */
export type TableRow = Readonly<Record<string, Cell>>;

/** Columns by name, all of one length: typed arrays, or lists of cells. */
export type TableColumns = Readonly<Record<string, ArrayLike<Cell>>>;

/** A table, whoever it came from. */
export interface Table {
  readonly rows: number;
  readonly names: readonly string[];
  /** @throws DataError, naming the nearest, where a row does not have it */
  column(name: string): (row: number) => Cell;
  /** Where a cell is, for errors: in its file, if it is known, else its row. */
  at(row: number, name: string): CellPlace;
}

/** Begins an error, and what its details say. */
export interface CellPlace {
  readonly text: string;
  readonly details: Readonly<Record<string, unknown>>;
}

const byNumber =
  (where: string): Table['at'] =>
  (row, name) => ({ text: `${where}: row ${row}, column ${name}`, details: { row, column: name } });

/** As a reader of the file would say it. */
function inFile(where: string, columns: object, rows: number): Table['at'] {
  const [origin, plain] = [originOf(columns), byNumber(where)];
  // Somebody may have put others in their place.
  if (origin?.rows !== rows) return plain;
  return (row, name) => {
    const place = origin.place(name);
    if (place === 0) return plain(row, name);
    const [{ file }, line] = [origin, origin.line(row)];
    const text = `${file === where ? '' : `${where}: `}${file}:${line}: column ${place} (${name})`;
    return { text, details: { file, line, row, column: name } };
  };
}

const isObject = (x: unknown): x is object => typeof x === 'object' && x !== null;

/** Whether it is rows with names, as far as the first one tells; no array of numbers has that form. */
export function isRows(given: unknown): given is readonly TableRow[] {
  return Array.isArray(given) && given.length > 0 && isRow(given[0]);
}

const isRow = (x: unknown): x is TableRow =>
  isObject(x) && !Array.isArray(x) && !ArrayBuffer.isView(x) && !(x instanceof Date) && !('data' in x && 'shape' in x);

/** @throws OptionError for what is no table; DataError for columns of another length than the first */
export function tableOf(where: string, given: unknown): Table {
  if (Array.isArray(given)) return byRow(where, given);
  const plain = isObject(given) && !ArrayBuffer.isView(given) && !(given instanceof Map);
  if (!plain) throw new OptionError(`${where}: expected columns by name, or rows in a list, got ${show(given)}`, { where });
  const columns = Object.entries(given);
  if (columns.length === 0) throw new OptionError(`${where}: expected at least one column, got none`, { where });
  for (const [name, cells] of columns) {
    const fits = Array.isArray(cells) || (ArrayBuffer.isView(cells) && 'length' in cells);
    if (!fits) throw new OptionError(`${where}: column ${name}: expected a list of cells, got ${show(cells)}`, { where, name });
  }
  const [first, { length }] = columns[0] as [string, ArrayLike<Cell>];
  for (const [name, cells] of columns as [string, ArrayLike<Cell>][]) {
    if (cells.length === length) continue;
    const message = `${where}: column ${name}: expected ${length} cells as ${first} has, got ${cells.length}`;
    throw new DataError(message, { column: name });
  }
  const all = new Map(columns as [string, ArrayLike<Cell>][]);
  const names = [...all.keys()];
  return {
    rows: length,
    names,
    column(name) {
      const cells = all.get(name);
      if (!cells) throw new DataError(`${where}: no column ${show(name)}${hint(name, names)}`, { column: name, known: names });
      return (row) => cells[row];
    },
    at: inFile(where, given, length),
  };
}

function byRow(where: string, given: readonly unknown[]): Table {
  const rows = given as readonly TableRow[];
  for (const [i, row] of rows.entries()) {
    if (!isRow(row))
      throw new OptionError(`${where}: row ${i}: expected an object of cells by name, got ${show(row)}`, { row: i });
  }
  return {
    rows: rows.length,
    names: Object.keys(rows[0] ?? {}),
    column: (name) => (i) => {
      const row = rows[i]!;
      if (Object.hasOwn(row, name)) return row[name];
      const message = `${where}: row ${i}: no cell named ${show(name)}${hint(name, Object.keys(row))}`;
      throw new DataError(message, { row: i, column: name });
    },
    at: byNumber(where),
  };
}

function hint(name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  const few = known.length <= 20 ? `; there are ${known.join(', ')}` : '';
  return near === undefined ? few : `; did you mean ${near}?`;
}

export const isMissing = (cell: Cell): boolean =>
  cell === null || cell === undefined || cell === '' || (typeof cell === 'number' && Number.isNaN(cell));

const DECIMAL = /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i;

/** The number of a cell that is not missing; NaN for what is none. */
export function numberOf(cell: Cell): number {
  if (typeof cell === 'number') return cell;
  if (typeof cell === 'string') return DECIMAL.test(cell) ? Number(cell) : Number.NaN;
  return typeof cell === 'bigint' || typeof cell === 'boolean' ? Number(cell) : Number.NaN;
}

/** The text of a cell that is not missing: 1 and '1' are one category. */
export const textOf = (cell: Cell): string => (cell instanceof Date ? isoOf(cell) : String(cell));

const isoOf = (date: Date): string => (Number.isNaN(date.getTime()) ? String(date) : date.toISOString());

/** A date as ms since 1970; NaN for what is none. Numbers are such already. */
export function dateOf(cell: Cell, order: DateOrder): number {
  if (cell instanceof Date) return cell.getTime();
  if (typeof cell === 'string') return parseDate(cell, order);
  const ms = typeof cell === 'number' || typeof cell === 'bigint' ? Number(cell) : Number.NaN;
  // What no Date can be.
  return Math.abs(ms) <= 8.64e15 ? ms : Number.NaN;
}

export const shown = (cell: Cell): string => (isMissing(cell) ? 'nothing' : cell instanceof Date ? isoOf(cell) : show(cell));
