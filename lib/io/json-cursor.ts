// json-cursor.ts: a small part of JSON read byte by byte: objects and lists of texts and whole numbers. In one pass, whatever the bytes are, with no
// memory but for what is asked for: JSON.parse makes objects of everything first, and is silent about a key that comes twice.
import type { DataError } from '../errors.ts';
import type { Parts } from './file/pace.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const ZERO = 0x30;
const LETTER_U = 0x75;
/** Bytes of a long text that are read at once. */
const PIECE = 1 << 17;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A place in JSON. Each method takes what stands there, past blanks, and the cursor stands behind it. */
export class JsonCursor {
  at = 0;
  readonly #bytes: Buffer;
  readonly #fail: (why: string, at: number) => DataError;

  /** @param fail the error for what is not JSON, at a byte */
  constructor(bytes: Uint8Array, fail: (why: string, at: number) => DataError) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#fail = fail;
  }

  /** The byte that comes next as a character; '' at the end. */
  peek(): string {
    for (; this.at < this.#bytes.length; this.at++) {
      const byte = this.#bytes[this.at]!;
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return String.fromCharCode(byte);
    }
    return '';
  }

  /** Whether it comes next; then it is taken. */
  takes(character: string): boolean {
    if (this.peek() !== character) return false;
    this.at++;
    return true;
  }

  take(character: string): void {
    if (!this.takes(character)) throw this.wrong(JSON.stringify(character));
  }

  /** Each key of an object, with the cursor at its value, which must be taken before the next. @param limit as of `text` */
  *keys(limit: number): Generator<string, void, void> {
    this.take('{');
    if (this.takes('}')) return;
    do {
      const key = this.text(limit);
      this.take(':');
      yield key;
    } while (this.takes(','));
    this.take('}');
  }

  /** @param limit of its bytes as they are written */
  text(limit: number): string {
    const begin = this.#opened();
    const { text, ended } = this.#piece(limit, begin);
    if (!ended) throw this.#fail(`a text of more than ${limit} bytes`, begin);
    return text;
  }

  /** The same of a long one. */
  *longText(limit: number): Parts<string> {
    const begin = this.#opened();
    let whole = '';
    for (;;) {
      const { text, ended } = this.#piece(PIECE, begin);
      whole += text;
      if (ended) return whole;
      if (this.at - begin > limit) throw this.#fail(`a text of more than ${limit} bytes`, begin);
      yield;
    }
  }

  /** Past the quote that begins a text: where that is. */
  #opened(): number {
    if (this.peek() !== '"') throw this.wrong('a text');
    return this.at++;
  }

  /** `most` bytes of a text and as many more as its last character has, or the rest with the quote that ends it. */
  #piece(most: number, begin: number): { readonly text: string; readonly ended: boolean } {
    const bytes = this.#bytes;
    const from = this.at;
    let [plain, escaped] = [true, false];
    let at = from;
    for (; bytes[at] !== QUOTE; at++) {
      if (at >= bytes.length) throw this.#fail('a text without an end', begin);
      const byte = bytes[at]!;
      // A character of several bytes goes on with those whose first two bits are 1 and 0.
      if (at - from >= most && (byte & 0xc0) !== 0x80) break;
      if (byte < 0x20) throw this.#fail(`a control character (${byte}) in a text`, at);
      if (byte >= 0x80) plain = false;
      if (byte === BACKSLASH) {
        escaped = true;
        at += bytes[at + 1] === LETTER_U ? 5 : 1;
      }
    }
    const ended = bytes[at] === QUOTE;
    this.at = ended ? at + 1 : at;
    if (plain && !escaped) return { text: bytes.toString('latin1', from, at), ended };
    try {
      const text = decoder.decode(bytes.subarray(from, at));
      return { text: escaped ? (JSON.parse(`"${text}"`) as string) : text, ended };
    } catch (cause) {
      throw this.#fail((cause as Error).message, begin);
    }
  }

  /** A list of whole numbers >= 0; null for anything else, and for more than `most`. */
  wholes(most: number): number[] | null {
    const list: number[] = [];
    if (!this.takes('[')) return null;
    if (this.takes(']')) return list;
    do {
      const value = this.#whole();
      if (value === null || list.length === most) return null;
      list.push(value);
    } while (this.takes(','));
    return this.takes(']') ? list : null;
  }

  /** Pass a text, a number, true, false or null. */
  skip(limit: number): void {
    if (this.peek() === '"') this.text(limit);
    else {
      const found = /^(?:-?\d{1,32}(?:\.\d{1,32})?(?:[eE][+-]?\d{1,9})?|true|false|null)/.exec(
        this.#bytes.toString('latin1', this.at, this.at + 80),
      );
      if (!found) throw this.wrong('a text, a number, true, false or null');
      this.at += found[0].length;
    }
  }

  wrong(expected: string): DataError {
    const next = this.peek();
    return this.#fail(`expected ${expected}, ${next === '' ? 'it ends' : `got ${JSON.stringify(next)}`}`, this.at);
  }

  #whole(): number | null {
    this.peek();
    const from = this.at;
    let value = 0;
    for (; this.at - from < 17; this.at++) {
      const digit = this.#bytes[this.at]! - ZERO;
      if (!(digit >= 0 && digit <= 9)) break;
      value = value * 10 + digit;
    }
    const digits = this.at - from;
    const isWhole = digits > 0 && (digits === 1 || this.#bytes[from] !== ZERO) && Number.isSafeInteger(value);
    return isWhole ? value : null;
  }
}
