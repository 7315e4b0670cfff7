// rows.ts: cut lines into cells, and join lines that a quoted cell goes over. No meaning is given to a cell here.
import { DataError } from '../../errors.ts';

const END = Uint8Array.of(10);
const SPACE = 32;
const TAB = 9;
const QUOTE = 34;

/** The cells of one line, as pairs of positions in `places`. Blanks around a cell and the quotes around it are not part of it. */
export class Cells {
  readonly places: number[] = [];
  /** How many there are. */
  count = 0;
  /** Of the last one: its quote has not ended, more than the delimiter follows it, or it is one more than there may be. */
  fault: 'open' | 'stray' | 'surplus' | null = null;
  readonly #most: number;

  constructor(most: number = Number.POSITIVE_INFINITY) {
    this.#most = most;
  }

  cut(bytes: Uint8Array, from: number, to: number, delimiter: number): void {
    const { places } = this;
    let at = from;
    this.fault = null;
    for (this.count = 0; ; at++) {
      while (at < to && isBlank(bytes[at]!, delimiter)) at++;
      if (this.count === this.#most) {
        this.fault = 'surplus';
        return;
      }
      const i = 2 * this.count++;
      if (at < to && bytes[at] === QUOTE) {
        const close = closingQuote(bytes, at + 1, to);
        places[i] = at + 1;
        places[i + 1] = close < 0 ? to : close;
        at = close < 0 ? to : afterBlanks(bytes, close + 1, to, delimiter);
        if (close < 0) this.fault = 'open';
        else if (at < to && bytes[at] !== delimiter) this.fault = 'stray';
        if (this.fault) return;
      } else {
        places[i] = at;
        while (at < to && bytes[at] !== delimiter) at++;
        let end = at;
        while (end > places[i]! && isBlank(bytes[end - 1]!, delimiter)) end--;
        places[i + 1] = end;
      }
      if (at >= to) return;
    }
  }
}

/** What lies in a file at a line and a column, both from 1. */
interface Begin {
  readonly line: number;
  readonly column: number;
}

/** A row of which a quoted cell goes on in the next line. Each line is looked at once; ends of lines within a cell are \n. */
export class OpenRow {
  /** Line of the row's begin. */
  readonly line: number;
  /** Where the quote began that is open. */
  begin: Begin;
  readonly #file: string;
  readonly #maxLine: number;
  /** Room for what has come so far, and often for what is to come. */
  #room: Buffer;
  #bytes = 0;
  readonly #cells = new Cells();

  constructor(file: string, bytes: Uint8Array, begin: Begin, maxLine: number) {
    this.#file = file;
    this.#maxLine = maxLine;
    this.line = begin.line;
    this.begin = begin;
    this.#room = Buffer.alloc(2 * bytes.length);
    this.#keep(bytes);
  }

  /** Go on with the next line. @returns all of the row, once it has ended. @throws DataError for a quoted cell that is too long, or goes on after its end */
  add(bytes: Uint8Array, from: number, to: number, line: number, delimiter: number): Uint8Array | null {
    if (this.#bytes + 1 + to - from > this.#maxLine) {
      throw this.error(`a quote that begins here does not end within ${this.#maxLine} bytes (option maxLine)`);
    }
    this.#keep(END);
    this.#keep(bytes.subarray(from, to));
    const close = closingQuote(bytes, from, to);
    if (close < 0) return null;
    const next = afterBlanks(bytes, close + 1, to, delimiter);
    if (next === to) return this.#whole();
    if (bytes[next] !== delimiter) throw this.error(STRAY);
    this.#cells.cut(bytes, next + 1, to, delimiter);
    if (this.#cells.fault === null) return this.#whole();
    this.begin = { line, column: this.begin.column + this.#cells.count };
    if (this.#cells.fault === 'stray') throw this.error(STRAY);
    return null;
  }

  #keep(bytes: Uint8Array): void {
    const wanted = this.#bytes + bytes.length;
    if (wanted > this.#room.length) {
      const room = Buffer.alloc(2 * wanted);
      room.set(this.#room.subarray(0, this.#bytes));
      this.#room = room;
    }
    this.#room.set(bytes, this.#bytes);
    this.#bytes = wanted;
  }

  #whole(): Uint8Array {
    return this.#room.subarray(0, this.#bytes);
  }

  error(why: string): DataError {
    const { line, column } = this.begin;
    return new DataError(`${this.#file}:${line}: column ${column}: ${why}`, { file: this.#file, line, column });
  }
}

export const OPEN = 'a quoted cell that begins here does not end';
export const STRAY = 'a quoted cell goes on after its end';

/** A cell as text: doubled quotes become one. */
export function cellText(bytes: Uint8Array, from: number, to: number): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('utf8');
  return bytes[from - 1] === QUOTE ? text.replaceAll('""', '"') : text;
}

/** A cell as errors tell it. */
export function shownCell(bytes: Uint8Array, from: number, to: number): string {
  // More than is shown of it, whatever its characters.
  const text = cellText(bytes, from, Math.min(to, from + 200));
  return text === '' ? 'an empty cell' : JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text);
}

function closingQuote(bytes: Uint8Array, from: number, to: number): number {
  // Not by indexOf, which would look beyond the line, again for each of them.
  for (let at = from; at < to; at++) {
    if (bytes[at] !== QUOTE) continue;
    if (at + 1 < to && bytes[at + 1] === QUOTE) at++;
    else return at;
  }
  return -1;
}

function afterBlanks(bytes: Uint8Array, from: number, to: number, delimiter: number): number {
  let at = from;
  while (at < to && isBlank(bytes[at]!, delimiter)) at++;
  return at;
}

function isBlank(byte: number, delimiter: number): boolean {
  return (byte === SPACE || byte === TAB) && byte !== delimiter;
}
