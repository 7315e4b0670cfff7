// parser.ts: a table out of chunks of its file: what the first line is, what the cells of each row are.
import { isUtf8 } from 'node:buffer';
import { DataError, OptionError } from '../../errors.ts';
import { nearest, show } from '../../options/index.ts';
import type { Parts } from '../file/pace.ts';
import { Column } from './column.ts';
import { RowCutter } from './cutter.ts';
import { parseDecimal } from './decimal.ts';
import { firstLine, isDecimal } from './guess.ts';
import { Labels } from './labels.ts';
import { type CSVOptions, checkTogether, type Table } from './options.ts';
import { Cells, cellText, shownCell } from './rows.ts';

/** Columns that are no features. */
export interface Aside {
  /** Whether that of option `label` is read. Default true. */
  readonly withLabels?: boolean;
  /** A column that is read as the last of the features, by name or index. Default none. */
  readonly weight?: string | number | null;
  /** Name of one that is not read, if it is there. Default none. */
  readonly without?: string | null;
}

/** Fixed by the first line. */
interface Layout {
  readonly width: number;
  readonly names: readonly string[] | null;
  readonly features: readonly number[];
  readonly label: number | null;
}

/** Given the chunks of a file, then `finish`. The readers of csv.ts are the way to it. */
export class CSVParser {
  readonly #file: string;
  readonly #options: CSVOptions;
  readonly #aside: Aside;
  readonly #cutter: RowCutter;
  /** Of the row that is being read. */
  #cells: Cells = new Cells();
  /** What stands before a fraction. */
  readonly #dot: number;
  #layout: Layout | null = null;
  #features: Column<Float32Array> | null = null;
  readonly #labels: Labels | null;
  #rows = 0;
  /** Where the first line counts: columns of which every number so far is written as a decimal. */
  #decimal: number[] | null = null;
  /** Nothing but the name of the labels makes a header of the first line, and it may be a row whose label is a word. */
  #namedByLabel = false;

  constructor(file: string, options: CSVOptions, aside: Aside = {}) {
    const { withLabels = true } = aside;
    checkTogether(options);
    this.#aside = aside;
    this.#file = file;
    this.#options = options;
    this.#dot = (options.decimal ?? '.').charCodeAt(0);
    this.#labels = withLabels && options.label !== undefined ? new Labels(options, this.#dot) : null;
    this.#cutter = new RowCutter(file, options, {
      row: (cells, bytes, line) => {
        this.#cells = cells;
        if (this.#layout) this.#row(this.#layout, bytes, line);
        else this.#firstLine(bytes, line);
      },
      error: (...told) => this.#error(...told),
    });
  }

  push(chunk: Uint8Array): void {
    this.#cutter.push(chunk);
  }

  *finish(): Parts<Table> {
    this.#cutter.finish();
    const layout = this.#layout;
    if (!layout) throw this.#error('the file is empty', 1, 1);
    if (this.#rows === 0) throw this.#error('no rows after the header', this.#cutter.line + 1, 1, '');
    if (this.#decimal?.length === 0) this.#ambiguous('0, 1, 2, ... may name the columns or be a row', 1);
    const n = layout.features.length;
    const { data: labels, classes } = this.#labels ? yield* this.#labels.join() : { data: null, classes: null };
    return {
      columns: layout.names && layout.features.map((c) => layout.names![c]!),
      features: { dtype: 'f32', shape: [this.#rows, n], data: yield* this.#features!.join() },
      labels: labels && { dtype: this.#labels!.dtype, shape: [this.#rows], data: labels },
      classes,
    };
  }

  #firstLine(bytes: Uint8Array, line: number): void {
    const o = this.#options;
    const { count: width, places } = this.#cells;
    const texts = Array.from({ length: width }, (_, i) => cellText(bytes, places[2 * i]!, places[2 * i + 1]!));
    const { weight: weighing = null, without = null } = this.#aside;
    const byName = [o.label, weighing, ...(o.columns ?? [])].some((c) => typeof c === 'string');
    const header = o.header ?? 'auto';
    if (byName && header === false) throw new OptionError('readCsv: columns by name need a header', { header });
    const names = header === true || byName ? texts : null;
    const label = o.label === undefined ? null : findColumn('label', o.label, width, names);
    const weight = weighing === null ? null : findColumn('weight', weighing, width, names);
    if (weight !== null && weight === label)
      throw new OptionError('readCsv: option weight: the column is that of the label', { option: 'weight' });
    const features = o.columns
      ? o.columns.map((c) => findColumn('columns', c, width, names))
      : texts.map((_, i) => i).filter((i) => i !== label && i !== weight && (without === null || texts[i] !== without));
    if (features.length === 0) throw this.#error('no column of features beside the label', line, 1);
    if (weight !== null) features.push(weight);
    const read = label === null || !this.#labels ? features : [...features, label];
    const kind = names ? 'header' : header === 'auto' ? firstLine(texts, read, this.#dot) : 'row';
    if (kind === 'mixed') this.#ambiguous('names beside numbers may name the columns or be a row', line);
    const named = kind === 'row' ? null : texts;
    const unreadable = named ? read.find((c) => !isUtf8(bytes.subarray(places[2 * c]!, places[2 * c + 1]!))) : undefined;
    if (unreadable !== undefined) throw this.#error(LATIN, line, unreadable + 1, '');
    if (named && !o.columns && texts[0] === '' && features.includes(0)) {
      throw this.#error('has no name, as the index of a data frame: name the columns to read, or write it without', line, 1);
    }
    if (kind === 'counts') this.#decimal = read;
    this.#namedByLabel = !names && kind === 'header' && firstLine(texts, features, this.#dot) !== 'header';
    this.#layout = { width, names: named, features, label };
    this.#features = new Column((length) => new Float32Array(length), features.length);
    if (!named) this.#row(this.#layout, bytes, line);
  }

  #row({ width, features, label }: Layout, bytes: Uint8Array, line: number): void {
    const { count, places } = this.#cells;
    if (count !== width) throw this.#error(`expected ${width} cells, got ${count}`, line, Math.min(count, width) + 1);
    const { block, at } = this.#features!.next();
    for (let i = 0; i < features.length; i++) block[at + i] = this.#number(bytes, features[i]!, line);
    if (this.#decimal) {
      this.#decimal = this.#decimal.filter((c) => isDecimal(bytes, places[2 * c]!, places[2 * c + 1]!, this.#dot));
    }
    if (label !== null && this.#labels) {
      const fault = this.#labels.add(bytes, places[2 * label]!, places[2 * label + 1]!);
      if (this.#labels.areWords && this.#namedByLabel)
        this.#ambiguous('numbers beside a word may name the columns or be a row', 1);
      if (fault !== null) throw this.#error(fault, line, label + 1);
    }
    this.#rows++;
  }

  #number(bytes: Uint8Array, column: number, line: number): number {
    const { places } = this.#cells;
    const value = parseDecimal(bytes, places[2 * column]!, places[2 * column + 1]!, this.#dot);
    // Number.isFinite(Math.fround(x)) is false for NaN as for what is too large for f32.
    if (!Number.isFinite(Math.fround(value))) {
      const what = Number.isNaN(value) ? 'a number' : 'a number within f32';
      const text = this.#text(bytes, column);
      throw this.#error(`expected ${what}, got ${text}${this.#hint(text)}`, line, column + 1);
    }
    return value;
  }

  /** What may help where a cell is no number. */
  #hint(text: string): string {
    const { delimiter, decimal = '.' } = this.#options;
    if (decimal === '.' && /^"[+-]?\d+,\d+"$/.test(text)) return "; option decimal ',' reads a decimal comma";
    const guessed = this.#layout!.width === 1 && delimiter === undefined;
    return guessed && /[^\w.+-]/.test(text) ? '; option delimiter says what stands between cells' : '';
  }

  #text(bytes: Uint8Array, column: number): string {
    const { places } = this.#cells;
    return shownCell(bytes, places[2 * column]!, places[2 * column + 1]!);
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

const LATIN = 'expected a name in UTF-8: iconv -f latin1 -t utf-8 converts the file, where it is in Latin-1 or Windows-1252';

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
