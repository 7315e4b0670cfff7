// csv.ts: tables of numbers in text form, plain or gzip, read in one pass over chunks of the file.
import { DataError, OptionError } from '../errors.ts';
import {
  bool,
  choice,
  custom,
  either,
  type Field,
  list,
  nearest,
  options,
  show,
  signature,
  text,
  whole,
} from '../options/index.ts';
import { Column } from './csv-column.ts';
import { firstLine, guessDelimiter, isDecimal } from './csv-guess.ts';
import { Labels } from './csv-labels.ts';
import { cellText, cutCells, LineCutter, shownCell } from './csv-rows.ts';
import { parseDecimal } from './decimal.ts';
import { file } from './fields.ts';
import { type TensorData, withSource } from './file.ts';

export interface CSVOptions {
  /**
   * Whether the first line names the columns. Default 'auto': it does if one of its cells that are read is a name, and no number (nor what stands for
   * a missing one, such as NA). A line 0, 1, 2, ..., which a data frame writes above columns without names, does if the numbers below in some
   * column are all written with a dot or an exponent. Where that does not tell, this option has to.
   */
  readonly header?: boolean | 'auto';
  /** One ASCII character. Default: tab, bar or semicolon if the first line has one outside quotes, else comma. */
  readonly delimiter?: string;
  /** Columns to read, by name or index (negative from the end), in this order. Default all but the label. Others may hold anything. */
  readonly columns?: readonly (string | number)[];
  /** The column of labels, by name or index (negative from the end). Default none. */
  readonly label?: string | number;
  /** 'i32' (default) for classes: integers, or words. 'f32' for regression. */
  readonly labelType?: 'i32' | 'f32';
  /**
   * How many classes there are: labels are from 0 to one less, or as many words. Or the words themselves, class 0 first, as `classes` of another
   * table has them: labels are words then, and no others. Default: any.
   */
  readonly classes?: number | readonly string[];
}

/** What was read. */
export interface Table {
  /** Names of the features' columns; null where the file has no header. */
  readonly columns: readonly string[] | null;
  /** f32 [rows, columns]. */
  readonly features: TensorData;
  /** i32 or f32 [rows]; null unless the option `label` is given. */
  readonly labels: TensorData | null;
  /** Where labels are words: those, in the order of their code points, or of option `classes`: label i is `classes[i]`. Else null. */
  readonly classes: readonly string[] | null;
}

/** What was read with option `label`. */
export interface LabeledTable extends Table {
  /** i32 or f32 [rows]. */
  readonly labels: TensorData;
}

const delimiter: Field<string> = custom(
  'one character such as , ; | or tab',
  (value, place) => {
    if (typeof value === 'string' && /^[\t !#$%&'*/:;<=>?@^_`|~,]$/.test(value)) return value;
    throw place.wrong('one character such as , ; | or tab', value);
  },
  { enum: [..."\t !#$%&'*/:;<=>?@^_`|~,"] },
);
const column = either(text, whole());
const csvOptions = options<CSVOptions>()({
  header: either(bool, choice('auto')).default('auto'),
  delimiter: delimiter.optional(),
  columns: list(column, { min: 1 }).optional(),
  label: column.optional(),
  labelType: choice('i32', 'f32').default('i32'),
  classes: either(whole({ min: 1 }), list(text, { min: 1 })).optional(),
});
const readReadCsv = signature('io.readCsv', { file }, csvOptions);

/**
 * Read a table of numbers. Cells may be quoted; blanks around them and empty lines are ignored. Every cell read must be a
 * finite number in decimal form, with a dot; there is no missing value. Lines end with \n, \r\n or \r. Labels that are words become classes,
 * numbered in the order of the words' code points.
 *
 * ```ts
 * const { features, labels, classes } = await io.readCsv('iris.csv', { label: 'kind' });
 * await trainer.fit({ x: features, y: labels }, { epochs: 50 });
 * const { data } = await trainer.predict(features); // where option predict gives ops.argmax of the logits
 * console.log(classes[data[0]]); // 'setosa'
 * ```
 * @throws DataError with `file`, `line` and `column` (both from 1) for ragged rows, cells that are no numbers, labels that are none, an empty
 * file, and a first line that may be a header or a row.
 * @throws OptionError for options that make no sense, or name a column that is not there.
 */
export function readCsv(file: string, options: CSVOptions & { readonly label: string | number }): Promise<LabeledTable>;
export function readCsv(file: string, options?: CSVOptions): Promise<Table>;
export async function readCsv(file: string, options: CSVOptions = {}): Promise<Table> {
  readReadCsv(arguments);
  return readTable(file, new CSVParser(file, options));
}

/** Its features alone: in column `label` may stand anything. */
export function readFeatures(file: string, options: CSVOptions): Promise<Table> {
  return readTable(file, new CSVParser(file, options, false));
}

function readTable(file: string, parser: CSVParser): Promise<Table> {
  return withSource(file, async (source) => {
    for await (const chunk of source.chunks()) parser.push(chunk);
    return parser.finish();
  });
}

const source: Field<string | Uint8Array> = custom('a text or a Uint8Array', (value, place) => {
  if (typeof value === 'string' || value instanceof Uint8Array) return value;
  throw place.wrong('a text or a Uint8Array', value);
});
const readParseCsv = signature('io.parseCsv', {
  text: source,
  options: csvOptions.default({}),
  file: file.default('<text>'),
});

/** The same from memory (text in UTF-8, not gzip). */
export function parseCsv(
  text: string | Uint8Array,
  options: CSVOptions & { readonly label: string | number },
  file?: string,
): LabeledTable;
export function parseCsv(text: string | Uint8Array, options?: CSVOptions, file?: string): Table;
export function parseCsv(text: string | Uint8Array, options: CSVOptions = {}, file = '<text>'): Table {
  readParseCsv(arguments);
  const parser = new CSVParser(file, options);
  parser.push(typeof text === 'string' ? Buffer.from(text) : text);
  return parser.finish();
}

/** Fixed by the first line. */
interface Layout {
  readonly delimiter: number;
  readonly width: number;
  readonly names: readonly string[] | null;
  readonly features: readonly number[];
  readonly label: number | null;
}

class CSVParser {
  readonly #file: string;
  readonly #options: CSVOptions;
  readonly #lines: LineCutter;
  readonly #cells: number[] = [];
  #layout: Layout | null = null;
  #features: Column<Float32Array> | null = null;
  readonly #labels: Labels | null;
  #rows = 0;
  /** Where the first line counts: columns of which every number so far is written as a decimal. */
  #decimal: number[] | null = null;
  /** Nothing but the name of the labels makes a header of the first line, and it may be a row whose label is a word. */
  #namedByLabel = false;

  constructor(file: string, options: CSVOptions, withLabels = true) {
    checkClasses(options);
    this.#file = file;
    this.#options = options;
    this.#labels = withLabels && options.label !== undefined ? new Labels(options) : null;
    this.#lines = new LineCutter(file, (bytes, from, to, line) => {
      if (this.#layout) this.#row(this.#layout, bytes, from, to, line);
      else this.#firstLine(bytes, from, to, line);
    });
  }

  push(chunk: Uint8Array): void {
    this.#lines.push(chunk);
  }

  finish(): Table {
    this.#lines.finish();
    const layout = this.#layout;
    if (!layout) throw this.#error('the file is empty', 1, 1);
    if (this.#rows === 0) throw this.#error('no rows after the header', this.#lines.line + 1, 1, '');
    if (this.#decimal?.length === 0) this.#ambiguous('0, 1, 2, ... may name the columns or be a row', 1);
    const n = layout.features.length;
    const { data: labels, classes } = this.#labels?.join() ?? { data: null, classes: null };
    return {
      columns: layout.names && layout.features.map((c) => layout.names![c]!),
      features: { dtype: 'f32', shape: [this.#rows, n], data: this.#features!.join() },
      labels: labels && { dtype: this.#labels!.dtype, shape: [this.#rows], data: labels },
      classes,
    };
  }

  #firstLine(bytes: Uint8Array, from: number, to: number, line: number): void {
    const o = this.#options;
    const delimiter = (o.delimiter ?? guessDelimiter(bytes, from, to)).charCodeAt(0);
    const width = this.#cut(bytes, from, to, delimiter, line);
    const texts = Array.from({ length: width }, (_, i) => cellText(bytes, this.#cells[2 * i]!, this.#cells[2 * i + 1]!));
    const byName = typeof o.label === 'string' || o.columns?.some((c) => typeof c === 'string');
    const header = o.header ?? 'auto';
    if (byName && header === false) throw new OptionError('readCsv: columns by name need a header', { header });
    const names = header === true || byName ? texts : null;
    const label = o.label === undefined ? null : findColumn('label', o.label, width, names);
    const features = o.columns
      ? o.columns.map((c) => findColumn('columns', c, width, names))
      : texts.map((_, i) => i).filter((i) => i !== label);
    if (features.length === 0) throw this.#error('no column of features beside the label', line, 1);
    const read = label === null || !this.#labels ? features : [...features, label];
    const kind = names ? 'header' : header === 'auto' ? firstLine(texts, read) : 'row';
    if (kind === 'mixed') this.#ambiguous('names beside numbers may name the columns or be a row', line);
    const named = kind === 'row' ? null : texts;
    if (named && !o.columns && texts[0] === '' && features.includes(0)) {
      throw this.#error('has no name, as the index of a data frame: name the columns to read, or write it without', line, 1);
    }
    if (kind === 'counts') this.#decimal = read;
    this.#namedByLabel = !names && kind === 'header' && firstLine(texts, features) !== 'header';
    this.#layout = { delimiter, width, names: named, features, label };
    this.#features = new Column((length) => new Float32Array(length), features.length);
    if (!named) this.#row(this.#layout, bytes, from, to, line);
  }

  #row(layout: Layout, bytes: Uint8Array, from: number, to: number, line: number): void {
    const { width, features, label } = layout;
    const count = this.#cut(bytes, from, to, layout.delimiter, line);
    if (count !== width) throw this.#error(`expected ${width} cells, got ${count}`, line, Math.min(count, width) + 1);
    const { block, at } = this.#features!.next();
    for (let i = 0; i < features.length; i++) block[at + i] = this.#number(bytes, features[i]!, line);
    if (this.#decimal) {
      this.#decimal = this.#decimal.filter((c) => isDecimal(bytes, this.#cells[2 * c]!, this.#cells[2 * c + 1]!));
    }
    if (label !== null && this.#labels) {
      const fault = this.#labels.add(bytes, this.#cells[2 * label]!, this.#cells[2 * label + 1]!);
      if (this.#labels.areWords && this.#namedByLabel)
        this.#ambiguous('numbers beside a word may name the columns or be a row', 1);
      if (fault !== null) throw this.#error(fault, line, label + 1);
    }
    this.#rows++;
  }

  #cut(bytes: Uint8Array, from: number, to: number, delimiter: number, line: number): number {
    const count = cutCells(bytes, from, to, delimiter, this.#cells);
    if (count < 0) throw this.#error('a quoted cell does not end on its line, or goes on after its end', line, -count);
    return count;
  }

  #number(bytes: Uint8Array, column: number, line: number): number {
    const value = parseDecimal(bytes, this.#cells[2 * column]!, this.#cells[2 * column + 1]!);
    // Number.isFinite(Math.fround(x)) is false for NaN as for what is too large for f32.
    if (!Number.isFinite(Math.fround(value))) {
      const what = Number.isNaN(value) ? 'a number' : 'a number within f32';
      const text = this.#text(bytes, column);
      const guessed = this.#layout!.width === 1 && this.#options.delimiter === undefined;
      const hint = guessed && /[^\w.+-]/.test(text) ? '; option delimiter says what stands between cells' : '';
      throw this.#error(`expected ${what}, got ${text}${hint}`, line, column + 1);
    }
    return value;
  }

  #text(bytes: Uint8Array, column: number): string {
    return shownCell(bytes, this.#cells[2 * column]!, this.#cells[2 * column + 1]!);
  }

  #ambiguous(why: string, line: number): never {
    throw this.#error(`${why}: option header says which, true or false`, line, 1, '');
  }

  #error(why: string, line: number, column: number, name = this.#layout?.names?.[column - 1]): DataError {
    return new DataError(`${this.#file}:${line}: column ${column}${name ? ` (${name})` : ''}: ${why}`, {
      file: this.#file,
      line,
      column,
    });
  }
}

/** @throws OptionError for options that do not go together */
function checkClasses({ classes, label, labelType = 'i32' }: CSVOptions): void {
  const listed = typeof classes === 'number' ? [] : (classes ?? []);
  const twice = listed.find((word, i) => listed.indexOf(word) !== i);
  if (twice !== undefined) throw new OptionError(`readCsv: option classes: ${show(twice)} is there twice`, { option: 'classes' });
  if (classes === undefined || (label !== undefined && labelType === 'i32')) return;
  throw new OptionError('readCsv: option classes: is for labels that are classes', { option: 'classes' });
}

function findColumn(option: string, column: string | number, width: number, names: readonly string[] | null): number {
  if (typeof column === 'number') {
    const index = column < 0 ? width + column : column;
    if (Number.isInteger(index) && index >= 0 && index < width) return index;
    const message = `readCsv: option ${option}: expected an index within ${width} columns, got ${column}`;
    throw new OptionError(message, { option, column, width });
  }
  const known = names ?? [];
  const index = known.indexOf(column);
  if (index < 0) {
    const near = nearest(column, known);
    const hint = near ? `; did you mean ${near}?` : '';
    throw new OptionError(`readCsv: option ${option}: no column ${show(column)}${hint}`, { option, column, known });
  }
  if (index !== known.lastIndexOf(column)) {
    throw new OptionError(`readCsv: option ${option}: two columns have the name "${column}"; give an index`, { option, column });
  }
  return index;
}
