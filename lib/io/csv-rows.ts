// csv-rows.ts: cut chunks of bytes into lines and lines into cells, with line numbers. No meaning is given to a cell here.
import { DataError } from '../errors.ts';

const LF = 10;
const CR = 13;
const SPACE = 32;
const TAB = 9;
const QUOTE = 34;
/** A longer line is taken for a file that is no CSV, rather than collected until memory ends. */
const MAX_LINE = 1 << 26;

/** Lines of the data given to `push`, one call of `each` for every line that is not empty. Line ends are \n or \r\n, or \r where the first one is. */
export class LineCutter {
  /** Lines seen so far, from 1. */
  line = 0;
  readonly #file: string;
  readonly #each: (bytes: Uint8Array, from: number, to: number, line: number) => void;
  /** The start of a line of which the end has not come yet. */
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  /** What ends lines, once one has ended; \r alone where it does. */
  #end: typeof LF | typeof CR | null = null;
  /** The data so far end with a \r, and the next byte tells of which kind it is. */
  #afterCr = false;

  constructor(file: string, each: (bytes: Uint8Array, from: number, to: number, line: number) => void) {
    this.#file = file;
    this.#each = each;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    const end = this.#end ?? this.#endIn(chunk);
    if (end === null) {
      this.#keep(chunk);
      return;
    }
    let from = 0;
    for (let to = chunk.indexOf(end); to >= 0; to = chunk.indexOf(end, from)) {
      if (this.#pendingBytes > 0) {
        this.#keep(chunk.subarray(from, to));
        this.#flush();
      } else this.#emit(chunk, from, to);
      from = to + 1;
    }
    if (from < chunk.length) this.#keep(chunk.subarray(from));
  }

  finish(): void {
    if (this.#pendingBytes > 0) this.#flush();
  }

  /** The end of the first line, null where it has not come. */
  #endIn(chunk: Uint8Array): typeof LF | typeof CR | null {
    const [cr, lf] = [chunk.indexOf(CR), chunk.indexOf(LF)];
    if (this.#afterCr) {
      this.#end = chunk[0] === LF ? LF : CR;
      // The line that ended before this chunk; its \r is no part of it.
      if (this.#end === CR) this.#flush();
    } else if (lf >= 0 && (cr < 0 || lf <= cr + 1)) this.#end = LF;
    else if (cr >= 0 && cr + 1 < chunk.length) this.#end = CR;
    this.#afterCr = cr === chunk.length - 1;
    return this.#end;
  }

  #keep(part: Uint8Array): void {
    this.#pending.push(part);
    this.#pendingBytes += part.length;
    if (this.#pendingBytes > MAX_LINE) {
      const line = this.line + 1;
      throw new DataError(`${this.#file}:${line}: longer than ${MAX_LINE} bytes`, { file: this.#file, line });
    }
  }

  #flush(): void {
    const whole = Buffer.concat(this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#emit(whole, 0, whole.length);
  }

  #emit(bytes: Uint8Array, from: number, to: number): void {
    this.line++;
    if (this.line === 1 && isUtf16(bytes, from)) {
      const message = `${this.#file}:1: column 1: expected UTF-8, got UTF-16`;
      throw new DataError(message, { file: this.#file, line: 1, column: 1 });
    }
    const begin =
      this.line === 1 && bytes[from] === 0xef && bytes[from + 1] === 0xbb && bytes[from + 2] === 0xbf ? from + 3 : from;
    const end = to > begin && bytes[to - 1] === CR ? to - 1 : to;
    if (end > begin) this.#each(bytes, begin, end, this.line);
  }
}

/**
 * The cells of one line, as pairs of positions in `cells`; returns how many, or -1 - cell where a quote is left open or followed
 * by more than the delimiter. Blanks around a cell and the quotes around it are not part of it.
 */
export function cutCells(bytes: Uint8Array, from: number, to: number, delimiter: number, cells: number[]): number {
  let count = 0;
  let at = from;
  while (true) {
    while (at < to && isBlank(bytes[at]!, delimiter)) at++;
    if (at < to && bytes[at] === QUOTE) {
      const close = closingQuote(bytes, at + 1, to);
      if (close < 0) return -1 - count;
      cells[2 * count] = at + 1;
      cells[2 * count + 1] = close;
      at = close + 1;
      while (at < to && isBlank(bytes[at]!, delimiter)) at++;
      if (at < to && bytes[at] !== delimiter) return -1 - count;
    } else {
      cells[2 * count] = at;
      while (at < to && bytes[at] !== delimiter) at++;
      let end = at;
      while (end > cells[2 * count]! && isBlank(bytes[end - 1]!, delimiter)) end--;
      cells[2 * count + 1] = end;
    }
    count++;
    if (at >= to) return count;
    at++;
  }
}

/** A cell as text: doubled quotes become one. */
export function cellText(bytes: Uint8Array, from: number, to: number): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('utf8');
  return bytes[from - 1] === QUOTE ? text.replaceAll('""', '"') : text;
}

/** A cell as errors tell it. */
export function shownCell(bytes: Uint8Array, from: number, to: number): string {
  const text = cellText(bytes, from, to);
  return text === '' ? 'an empty cell' : JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text);
}

/** A byte order mark of UTF-16, either way round. */
function isUtf16(bytes: Uint8Array, from: number): boolean {
  const [a, b] = [bytes[from], bytes[from + 1]];
  return (a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff);
}

function closingQuote(bytes: Uint8Array, from: number, to: number): number {
  for (let at = from; at < to; at++) {
    if (bytes[at] !== QUOTE) continue;
    if (at + 1 < to && bytes[at + 1] === QUOTE) at++;
    else return at;
  }
  return -1;
}

function isBlank(byte: number, delimiter: number): boolean {
  return (byte === SPACE || byte === TAB) && byte !== delimiter;
}
