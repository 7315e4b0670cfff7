// cutter.ts: rows of a table out of chunks of its file: lines cut into cells, those that a quoted cell goes over joined, the delimiter guessed.
import type { DataError } from '../../errors.ts';
import { otherKind } from '../file/kinds.ts';
import { MAX_COLUMNS, MAX_LINE } from '../limits.ts';
import { guessDelimiter } from './guess.ts';
import { LineCutter } from './lines.ts';
import type { CSVOptions } from './options.ts';
import { Cells, OPEN, OpenRow, STRAY } from './rows.ts';

/** Who is given the rows. */
export interface RowTaker {
  /** A row that is whole, the first line too: its cells lie in `bytes`, which are the caller's for the length of the call. */
  row(cells: Cells, bytes: Uint8Array, line: number): void;
  /** An error that names file, line and column (both from 1). @param name of the column; '': none; not given: what the taker knows of it */
  error(why: string, line: number, column: number, name?: string): DataError;
}

/** How a table is written. */
export type Written = Pick<CSVOptions, 'delimiter' | 'decimal' | 'maxLine' | 'maxColumns'>;

/** Given the chunks of a file, then `finish`. No meaning is given to a cell here. */
export class RowCutter {
  readonly #file: string;
  readonly #taker: RowTaker;
  readonly #lines: LineCutter;
  readonly #cells: Cells;
  readonly #decimal: '.' | ',';
  readonly #maxLine: number;
  /** The first line, while the second is waited for: both tell what the delimiter is. */
  #first: Uint8Array | null = null;
  #firstAt = 0;
  #delimiter: number | null;
  /** A row that goes on in the next line. */
  #open: OpenRow | null = null;
  #begun = false;

  constructor(
    file: string,
    { delimiter, decimal = '.', maxLine = MAX_LINE, maxColumns = MAX_COLUMNS }: Written,
    taker: RowTaker,
  ) {
    this.#file = file;
    this.#taker = taker;
    this.#maxLine = maxLine;
    this.#decimal = decimal;
    this.#cells = new Cells(maxColumns);
    this.#delimiter = delimiter?.charCodeAt(0) ?? null;
    this.#lines = new LineCutter(file, (bytes, from, to, line) => this.#line(bytes, from, to, line), maxLine, 'maxLine');
  }

  /** Lines seen so far, from 1. */
  get line(): number {
    return this.#lines.line;
  }

  push(chunk: Uint8Array): void {
    if (!this.#begun && chunk.length > 0) {
      this.#begun = true;
      const kind = otherKind(chunk);
      if (kind !== null) throw this.#taker.error(`expected a table in UTF-8, got ${kind}`, 1, 1);
    }
    this.#lines.push(chunk);
  }

  /** The last row, where nothing ends it. @throws DataError for a quoted cell that does not end */
  finish(): void {
    this.#lines.finish();
    this.#decide(null);
    if (this.#open) throw this.#open.error(OPEN);
  }

  #line(bytes: Uint8Array, from: number, to: number, line: number): void {
    if (this.#open) {
      const whole = this.#open.add(bytes, from, to, line, this.#delimiter!);
      if (!whole) return;
      const { line: begin } = this.#open;
      this.#open = null;
      this.#whole(whole, 0, whole.length, begin);
    } else if (from === to) return;
    else if (this.#delimiter !== null) this.#whole(bytes, from, to, line);
    else if (this.#first === null) [this.#first, this.#firstAt] = [bytes.slice(from, to), line];
    else {
      this.#decide(bytes.subarray(from, to));
      this.#line(bytes, from, to, line);
    }
  }

  /** What the delimiter is, by the first line and the second, if there are any. */
  #decide(second: Uint8Array | null): void {
    const first = this.#first;
    if (first === null) return;
    this.#first = null;
    this.#delimiter = guessDelimiter(first, second, this.#decimal).charCodeAt(0);
    this.#line(first, 0, first.length, this.#firstAt);
  }

  /** Cells of a row, or of the first line, whose begin at least is here. */
  #whole(bytes: Uint8Array, from: number, to: number, line: number): void {
    const cells = this.#cells;
    cells.cut(bytes, from, to, this.#delimiter!);
    if (cells.fault === 'open') {
      this.#open = new OpenRow(this.#file, bytes.slice(from, to), { line, column: cells.count }, this.#maxLine);
    } else if (cells.fault === 'stray') throw this.#taker.error(STRAY, line, cells.count);
    else if (cells.fault === 'surplus') {
      const why = `expected at most ${cells.count} cells (option maxColumns), got more`;
      throw this.#taker.error(why, line, cells.count + 1, '');
    } else this.#taker.row(cells, bytes, line);
  }
}
