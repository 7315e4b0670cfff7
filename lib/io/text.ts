// text.ts: text files, and the vocabulary of characters that turns text into indices and back.
import { constants } from 'node:buffer';
import { DataError, IndexError } from '../errors.ts';
import { withSource } from './file.ts';

/**
 * Read a text file in UTF-8, plain or gzip. A byte order mark is dropped.
 * @throws DataError with `file` and `offset` of the first byte that is not UTF-8.
 */
export async function readText(file: string): Promise<string> {
  return withSource(file, async (source) => {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of source.chunks()) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > constants.MAX_STRING_LENGTH) {
        throw new DataError(`${file}: longer than the ${constants.MAX_STRING_LENGTH} bytes a string can have`, { file });
      }
    }
    const bytes = Buffer.concat(chunks);
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch (cause) {
      const offset = firstInvalid(bytes);
      const message = offset < 0 ? (cause as Error).message : `offset ${offset}: expected UTF-8, got byte ${bytes[offset]}`;
      throw new DataError(`${file}: ${message}`, { file, offset }, { cause });
    }
  });
}

/** A lenient decoder replaces what is not UTF-8, so text made into bytes again differs first where that begins. */
function firstInvalid(bytes: Buffer): number {
  const again = Buffer.from(bytes.toString('utf8'));
  return bytes.findIndex((byte, i) => byte !== again[i]);
}

/** The distinct characters (code points) of a text, sorted; a character's index is its place. Immutable. */
export class CharVocab {
  readonly chars: readonly string[];
  readonly #index: ReadonlyMap<string, number>;

  /** @param chars in the order of their indices; use `CharVocab.fromText` to make one. */
  constructor(chars: Iterable<string>) {
    this.chars = [...chars];
    this.#index = new Map(this.chars.map((c, i) => [c, i]));
    if (this.chars.length === 0) throw new DataError('vocabulary: expected at least one character, got none');
    if (this.#index.size !== this.chars.length || this.chars.some((c) => [...c].length !== 1)) {
      throw new DataError('vocabulary: expected distinct single characters');
    }
  }

  static fromText(text: string): CharVocab {
    return new CharVocab([...new Set(text)].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!));
  }

  /** What `toJSON` gave. */
  static fromJSON(json: unknown): CharVocab {
    if (!Array.isArray(json) || !json.every((c) => typeof c === 'string')) {
      throw new DataError('vocabulary: expected an array of characters');
    }
    return new CharVocab(json);
  }

  get size(): number {
    return this.chars.length;
  }

  toJSON(): readonly string[] {
    return this.chars;
  }

  /**
   * One index per code point of `text`: Uint8Array for up to 256 characters, else Int32Array.
   * @throws DataError with `position` (in UTF-16 units) and `character` where the vocabulary does not have it.
   */
  encode(text: string): Uint8Array | Int32Array {
    const out = this.size <= 256 ? new Uint8Array(text.length) : new Int32Array(text.length);
    let n = 0;
    let position = 0;
    for (const character of text) {
      const index = this.#index.get(character);
      if (index === undefined) {
        const message = `encode: position ${position}: ${JSON.stringify(character)} is not in the vocabulary of ${this.size} characters`;
        throw new DataError(message, { position, character });
      }
      out[n++] = index;
      position += character.length;
    }
    return n === out.length ? out : out.slice(0, n);
  }

  /** The text of `indices`. @throws IndexError where one is not an index of this vocabulary. */
  decode(indices: Iterable<number>): string {
    let text = '';
    let position = 0;
    for (const value of indices) {
      const character = this.chars[value];
      if (character === undefined) {
        const details = { op: 'decode', position, value, bound: this.size };
        throw new IndexError(`decode: position ${position}: expected an index below ${this.size}, got ${value}`, details);
      }
      text += character;
      position++;
    }
    return text;
  }
}
