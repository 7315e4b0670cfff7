// table.ts: tables of numbers and texts, read column by column: what a schema is learned from.
import { isUtf8 } from 'node:buffer';
import { DataError, OptionError } from '../../errors.ts';
import { choice, list, nearest, type OptionsField, options, record, show, signature, text, whole } from '../../options/index.ts';
import { anyText, file, maxBytes } from '../fields.ts';
import { type ReadOptions, withSource } from '../file/file.ts';
import { atOnce, inTurns, type Parts } from '../file/pace.ts';
import { MAX_COLUMNS, MAX_LINE } from '../limits.ts';
import { CellsColumn, type ColumnCells } from './cells-column.ts';
import { source } from './csv.ts';
import { RowCutter, type Written } from './cutter.ts';
import { firstLine } from './guess.ts';
import { checkTogether, delimiter } from './options.ts';
import { RowLines, tellOrigin } from './origin.ts';
import { type Cells, cellText } from './rows.ts';

/** Options of `io.readTable`. */
export interface ReadTableOptions extends ReadOptions {
  /** Columns to read, by name, in this order; others may hold anything. Default: all. */
  readonly columns?: readonly string[];
  /** What columns hold, by name. Default: numbers, where every cell that is not missing is one; else texts. */
  readonly types?: Readonly<Record<string, 'number' | 'text'>>;
  /**
   * Cells that stand for a missing value. Default: nothing, `?`, and what pandas takes for one: `NA`, `N/A`, `n/a`, `<NA>`, `#N/A`, `#N/A N/A`,
   * `#NA`, `NaN`, `nan`, `-NaN`, `-nan`, `1.#IND`, `1.#QNAN`, `-1.#IND`, `-1.#QNAN`, `NULL`, `null`, `None`.
   */
  readonly missing?: readonly string[];
  /**
   * One ASCII character. Default: the first of tab, bar, semicolon and comma that the first two lines have outside quotes, as often in one as in the
   * other; else the first that the first line has.
   */
  readonly delimiter?: string;
  /** What stands before a fraction. Default '.'. */
  readonly decimal?: '.' | ',';
  /** Most bytes of a line, and of a row whose quoted cells go over several: more is a DataError. Default 1 MiB. */
  readonly maxLine?: number;
  /** Most cells of a row, those that are not read too. Default 65,536. */
  readonly maxColumns?: number;
}

/** What `io.readTable` gives. */
export interface CellTable {
  /** How many there are. */
  readonly rows: number;
  /** By name, in the order of the file, or of option `columns`: numbers, in which NaN is a missing one, or texts, in which null is. */
  readonly columns: Readonly<Record<string, ColumnCells>>;
}

/** What pandas takes for a missing value, and a question mark. */
export const MISSING: readonly string[] = [
  ...['', '?', 'NA', 'N/A', 'n/a', '<NA>', '#N/A', '#N/A N/A', '#NA', 'NaN', 'nan', '-NaN', '-nan'],
  ...['1.#IND', '1.#QNAN', '-1.#IND', '-1.#QNAN', 'NULL', 'null', 'None'],
];

export const readTableOptions: OptionsField<ReadTableOptions, object> = options<ReadTableOptions>()({
  columns: list(text, { min: 1 }).optional(),
  types: record(choice('number', 'text'), "'number' or 'text' by column").optional(),
  missing: list(anyText).optional(),
  delimiter: delimiter.optional(),
  decimal: choice('.', ',').default('.'),
  maxLine: whole({ min: 1, infinite: true }).default(MAX_LINE),
  maxColumns: whole({ min: 1, infinite: true }).default(MAX_COLUMNS),
  maxBytes,
});
const readReadTable = signature('io.readTable', { file }, readTableOptions);

/**
 * Read a table whose first line names its columns, plain or gzip, in UTF-8: numbers, categories, dates, with gaps. `preprocess.schema` learns from
 * the columns what a model needs to know, and makes numbers of them; where it is given `columns` as they are, its errors name file and line.
 *
 * ```ts
 * const { columns } = await io.readTable('people.csv');
 * const schema = preprocess.schema(columns, { label: 'income' });
 * ```
 * @throws DataError with `file`, `line` and `column` (both from 1) for ragged rows, cells that are no numbers where they have to be, texts that are
 * no categories (more than 65,536 different ones, or of more than 1,024 characters) and an empty file
 * @throws OptionError for options that make no sense, or name a column that is not there
 */
export async function readTable(file: string, options: ReadTableOptions = {}): Promise<CellTable> {
  readReadTable(arguments);
  return (await readCells(file, options)).table;
}

const readParseTable = signature('io.parseTable', {
  text: source,
  options: readTableOptions.default({}),
  file: file.default('<text>'),
});

/**
 * Read a table that lies in memory: a text, or its bytes in UTF-8, not gzip.
 * @param file what errors call it; default `<text>`
 * @throws DataError and OptionError as `readTable`
 */
export function parseTable(text: string | Uint8Array, options: ReadTableOptions = {}, file = '<text>'): CellTable {
  readParseTable(arguments);
  const parser = new TableParser(file, options);
  parser.push(typeof text === 'string' ? Buffer.from(text) : text);
  return strict(file, atOnce(parser.finish()));
}

/** What is asked beside the options. */
export interface TableAside {
  readonly except?: readonly string[];
  readonly tolerant?: boolean;
}

/** Columns, and why others could not be read. */
export interface CellsRead {
  readonly table: CellTable;
  /** By name. */
  readonly unread: ReadonlyMap<string, string>;
}

/**
 * As `readTable`, for what a configuration says.
 * @param aside `except`: columns that are not read, but have to be there; `tolerant`: those whose texts are no categories are left out, and told
 */
export async function readCells(
  file: string,
  options: ReadTableOptions,
  { except = [], tolerant = false }: TableAside = {},
): Promise<CellsRead> {
  const parser = new TableParser(file, options, except);
  const read = await withSource(
    file,
    async (source) => {
      for await (const piece of source.chunks()) parser.push(piece);
      return inTurns(parser.finish());
    },
    options.maxBytes,
  );
  return tolerant ? read : { ...read, table: strict(file, read) };
}

function strict(file: string, { table, unread }: CellsRead): CellTable {
  for (const [name, why] of unread) {
    const message = `${file}: column ${name}: ${why}; option columns names those to read`;
    throw new DataError(message, { file, column: name });
  }
  return table;
}

interface Chosen {
  readonly name: string;
  /** Place in a row. */
  readonly index: number;
  readonly cells: CellsColumn;
}

class TableParser {
  readonly #file: string;
  readonly #options: ReadTableOptions;
  readonly #cutter: RowCutter;
  readonly #except: readonly string[];
  readonly #missing: ReadonlySet<string>;
  readonly #dot: number;
  #names: readonly string[] | null = null;
  #chosen: readonly Chosen[] = [];
  readonly #lines = new RowLines();
  #rows = 0;

  constructor(file: string, options: ReadTableOptions, except: readonly string[] = []) {
    const { decimal = '.', missing = MISSING } = options;
    const written: Written = options;
    checkTogether(written, 'readTable');
    this.#file = file;
    this.#options = options;
    this.#except = except;
    this.#missing = new Set(missing);
    this.#dot = decimal.charCodeAt(0);
    this.#cutter = new RowCutter(file, written, {
      row: (...row) => {
        if (this.#names) this.#row(this.#names, ...row);
        else this.#header(...row);
      },
      error: (...told) => this.#error(...told),
    });
  }

  push(chunk: Uint8Array): void {
    this.#cutter.push(chunk);
  }

  *finish(): Parts<CellsRead> {
    this.#cutter.finish();
    if (!this.#names) throw this.#error('the file is empty', 1, 1);
    if (this.#rows === 0) throw this.#error('no rows after the header', this.#cutter.line + 1, 1, '');
    const columns: [string, ColumnCells][] = [];
    const unread = new Map<string, string>();
    for (const { name, cells } of this.#chosen) {
      if (cells.fault === null) columns.push([name, yield* cells.join()]);
      else unread.set(name, cells.fault);
    }
    const table = { rows: this.#rows, columns: Object.fromEntries(columns) };
    const [names, lines] = [this.#names, this.#lines];
    tellOrigin(table.columns, {
      file: this.#file,
      rows: table.rows,
      line: (row) => lines.of(row),
      place: (name) => names.indexOf(name) + 1,
    });
    return { table, unread };
  }

  #header({ count, places }: Cells, bytes: Uint8Array, line: number): void {
    const ends = (i: number): [number, number] => [places[2 * i]!, places[2 * i + 1]!];
    const names = Array.from({ length: count }, (_, i) => cellText(bytes, ...ends(i)));
    const { columns = names.filter((name) => !this.#except.includes(name)), types = {} } = this.#options;
    const place = (option: string, name: string): number => {
      const index = names.indexOf(name);
      if (index >= 0) return index;
      const near = nearest(name, names);
      const hint = near ? `; did you mean ${near}?` : '';
      const details = { option, column: name, known: names };
      throw new OptionError(`readTable: option ${option}: no column ${show(name)}${hint}`, details);
    };
    for (const name of Object.keys(types)) place('types', name);
    for (const name of this.#except) place('columns', name);
    const chosen = columns.map((name) => place('columns', name));
    const all = names.map((_, i) => i);
    if (!this.#options.columns && firstLine(names, all, this.#dot) === 'row') {
      throw this.#error('expected names of columns, got numbers: readCsv reads a table without a header', line, 1, '');
    }
    for (const i of chosen) {
      if (!isUtf8(bytes.subarray(...ends(i)))) throw this.#error('expected a name in UTF-8', line, i + 1, '');
      if (names[i] === '') {
        throw this.#error('has no name, as the index of a data frame: option columns names those to read', line, i + 1, '');
      }
      if (names.lastIndexOf(names[i]!) !== names.indexOf(names[i]!)) {
        throw this.#error(`two columns have the name ${show(names[i])}`, line, names.lastIndexOf(names[i]!) + 1, '');
      }
    }
    if (new Set(chosen).size !== chosen.length) {
      throw new OptionError('readTable: option columns: a name is there twice', { option: 'columns' });
    }
    this.#names = names;
    this.#chosen = chosen.map((index) => {
      const name = names[index]!;
      const declared = Object.hasOwn(types, name) ? types[name]! : null;
      return { name, index, cells: new CellsColumn(declared, this.#missing, this.#dot) };
    });
  }

  #row(names: readonly string[], { count, places }: Cells, bytes: Uint8Array, line: number): void {
    const width = names.length;
    if (count !== width) throw this.#error(`expected ${width} cells, got ${count}`, line, Math.min(count, width) + 1);
    for (const { index, cells } of this.#chosen) {
      const fault = cells.add(bytes, places[2 * index]!, places[2 * index + 1]!);
      if (fault !== null) throw this.#error(fault, line, index + 1);
    }
    this.#lines.add(line);
    this.#rows++;
  }

  #error(why: string, line: number, column: number, name = this.#names?.[column - 1]): DataError {
    return new DataError(`${this.#file}:${line}: column ${column}${name ? ` (${name})` : ''}: ${why}`, {
      file: this.#file,
      line,
      column,
    });
  }
}
