// lines.ts: cut chunks of bytes into lines, with their numbers, none longer than is allowed.
import { DataError } from '../../errors.ts';

const LF = 10;
const CR = 13;

/** One line: bytes[from, to), without its end and without a byte order mark; `line` from 1. The bytes are the caller's for the length of the call. */
export type EachLine = (bytes: Uint8Array, from: number, to: number, line: number) => void;

/**
 * Lines of the data given to `push`, one call of `each` for every one, empty ones too. Line ends are \n or \r\n, or \r where the first one is.
 * Each byte is looked at once, whatever the chunks.
 */
export class LineCutter {
  /** Lines seen so far, from 1. */
  line = 0;
  readonly #file: string;
  readonly #each: EachLine;
  readonly #maxLine: number;
  readonly #option: string;
  /** The start of a line of which the end has not come yet. */
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  /** What ends lines, once one has ended; \r alone where it does. */
  #end: typeof LF | typeof CR | null = null;
  /** The data so far end with a \r, and the next byte decides its kind. */
  #afterCr = false;

  /** @param option by which the caller lets lines be longer, where one does */
  constructor(file: string, each: EachLine, maxLine: number, option?: string) {
    this.#file = file;
    this.#each = each;
    this.#maxLine = maxLine;
    this.#option = option === undefined ? '' : ` (option ${option})`;
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

  /** The last line, where nothing ends it. */
  finish(): void {
    if (this.#pendingBytes > 0) this.#flush();
  }

  /** Bytes of a line that has not ended. */
  get pending(): number {
    return this.#pendingBytes;
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
    this.#check(this.#pendingBytes);
  }

  #check(bytes: number): void {
    if (bytes <= this.#maxLine) return;
    const line = this.line + 1;
    const message = `${this.#file}:${line}: expected a line of at most ${this.#maxLine} bytes${this.#option}`;
    throw new DataError(message, { file: this.#file, line, maxLine: this.#maxLine });
  }

  #flush(): void {
    const whole = Buffer.concat(this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#emit(whole, 0, whole.length);
  }

  #emit(bytes: Uint8Array, from: number, to: number): void {
    this.#check(to - from);
    this.line++;
    const marked = this.line === 1 && bytes[from] === 0xef && bytes[from + 1] === 0xbb && bytes[from + 2] === 0xbf;
    const begin = marked ? Math.min(from + 3, to) : from;
    this.#each(bytes, begin, to > begin && bytes[to - 1] === CR ? to - 1 : to, this.line);
  }
}
