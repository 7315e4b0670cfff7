// cells-column.ts: a column of a table whose cells are numbers, or texts of which many are the same, collected while it is read.
import { isUtf8 } from 'node:buffer';
import type { Parts } from '../file/pace.ts';
import { MAX_CLASSES, MAX_WORD } from '../limits.ts';
import { Column } from './column.ts';
import { parseDecimal } from './decimal.ts';
import { cellText, shownCell } from './rows.ts';

/** What the cells of a column are, once all are read: numbers, in which NaN is a missing one, or texts, in which null is. */
export type ColumnCells = Float64Array | readonly (string | null)[];

const DOT = '.'.charCodeAt(0);
const COMMA = ','.charCodeAt(0);

/** Stands for a missing cell among the numbers of texts. */
const NONE = -1;

/**
 * Cells of one kind. Where nobody says which, they are numbers as long as every cell is one: until then both are kept, the texts as long as there
 * are few different ones.
 */
export class CellsColumn {
  /** Texts that stand for a missing cell. */
  readonly #missing: ReadonlySet<string>;
  /** What stands before a fraction. */
  readonly #dot: number;
  readonly #declared: 'number' | 'text' | null;
  #numbers: Column<Float64Array> | null = new Column((length) => new Float64Array(length), 1);
  #codes: Column<Int32Array> | null = new Column((length) => new Int32Array(length), 1);
  /** Texts by the number that stands for each in `#codes`. */
  #words = new Map<string, number>();
  /** The texts are too many, or one is too long: nothing is kept. */
  #fault: string | null = null;
  #rows = 0;

  constructor(declared: 'number' | 'text' | null, missing: ReadonlySet<string>, dot: number) {
    this.#declared = declared;
    this.#missing = missing;
    this.#dot = dot;
    if (declared === 'number') this.#codes = null;
    if (declared === 'text') this.#numbers = null;
  }

  /** Why it cannot be read, where its texts are no categories; null where they are, or it has numbers. */
  get fault(): string | null {
    return this.#fault;
  }

  /** Add the cell of a row. @returns what is wrong with it, null where nothing is */
  add(bytes: Uint8Array, from: number, to: number): string | null {
    if (this.#fault !== null) return null;
    this.#rows++;
    const number = this.#numbers ? parseDecimal(bytes, from, to, this.#dot) : Number.NaN;
    if (!this.#codes) return this.#number(bytes, from, to, number);
    const word = cellText(bytes, from, to);
    const isMissing = this.#missing.has(word);
    if (!isMissing && word.includes('\ufffd') && !isUtf8(bytes.subarray(from, to))) return 'expected a text in UTF-8';
    if (this.#numbers) {
      if (isMissing || Number.isFinite(number)) put(this.#numbers, number);
      else this.#numbers = null;
    }
    const known = isMissing ? NONE : this.#words.get(word);
    if (known === undefined && !this.#take(word)) return null;
    put(this.#codes!, known ?? this.#words.size - 1);
    return null;
  }

  /** All cells. */
  *join(): Parts<ColumnCells> {
    if (this.#numbers) {
      this.#codes = null;
      this.#words.clear();
      return yield* this.#numbers.join();
    }
    const codes = yield* this.#codes!.join();
    const words = [...this.#words.keys()];
    const texts = new Array<string | null>(codes.length);
    for (let i = 0; i < texts.length; i++) {
      texts[i] = codes[i] === NONE ? null : words[codes[i]!]!;
      if (i % 65_536 === 0) yield;
    }
    return texts;
  }

  #number(bytes: Uint8Array, from: number, to: number, number: number): string | null {
    if (!Number.isFinite(number) && !this.#missing.has(cellText(bytes, from, to))) {
      const some = this.#declared === null ? `, as the ${this.#rows - 1} rows above have` : '';
      return `expected a number${some}, got ${shownCell(bytes, from, to)}${this.#hint(bytes, from, to)}`;
    }
    put(this.#numbers!, number);
    return null;
  }

  /** It may be a number with the other decimal mark. */
  #hint(bytes: Uint8Array, from: number, to: number): string {
    const other = this.#dot === DOT ? COMMA : DOT;
    if (!Number.isFinite(parseDecimal(bytes, from, to, other))) return '';
    return other === COMMA ? "; option decimal ',' reads decimal commas" : "; option decimal is ','";
  }

  /** A text that is new. @returns whether there is a place for it; where there is none, its row is done */
  #take(word: string): boolean {
    const many = this.#words.size === MAX_CLASSES;
    if (!many && word.length <= MAX_WORD) {
      this.#words.set(word, this.#words.size);
      return true;
    }
    // Numbers need no texts.
    if (!this.#numbers) {
      this.#fault = many
        ? `expected categories, got more than ${MAX_CLASSES} different texts`
        : `expected categories of at most ${MAX_WORD} characters`;
    }
    this.#codes = null;
    this.#words.clear();
    return false;
  }
}

function put<T extends Float64Array | Int32Array>(column: Column<T>, value: number): void {
  const { block, at } = column.next();
  block[at] = value;
}
