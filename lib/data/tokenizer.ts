// tokenizer.ts: text as whole numbers and back: a number for each character of a text, or for each byte of UTF-8; with special tokens.
import { DataError, IndexError, OptionError } from '../errors.ts';
import {
  custom,
  type Field,
  list,
  nearest,
  oneOf,
  options,
  optionsOnly,
  Place,
  show,
  signature,
  text as someText,
} from '../options/index.ts';
import { anyText } from './fields.ts';

/** A tokenizer as plain JSON. */
export interface TokenizerJSON {
  /** Which tokenizer it is: `char` or `byte`. */
  readonly type: string;
  readonly [key: string]: unknown;
}

/** Turns text into tokens and back. Immutable. */
export interface Tokenizer {
  /** What a token stands for: a character of a text, or a byte of UTF-8. */
  readonly type: 'char' | 'byte';
  /** How many tokens there are. */
  readonly size: number;
  /** Names of the special tokens, the last of all. `encode` makes none of them but the one for unknown characters. */
  readonly specials: readonly string[];
  /**
   * The tokens of a text: a Uint8Array for up to 256 tokens, else an Int32Array.
   * @throws OptionError; DataError where the text has what no token stands for
   */
  encode(text: string): Uint8Array | Int32Array;
  /** The text of tokens; special ones as their names. @throws OptionError; IndexError where one is no token */
  decode(tokens: Iterable<number>): string;
  /** The number of a special token. @throws OptionError if there is none of this name */
  id(special: string): number;
  /** What `tokenizer.fromJSON` makes the same tokenizer of. */
  toJSON(): TokenizerJSON;
}

/** Options of `tokenizer.byte`. */
export interface ByteOptions {
  /** Names of special tokens, which get the numbers after all others: `['<bos>', '<eos>']`. Default []. */
  readonly specials?: readonly string[];
}

/** Options of `tokenizer.char`. */
export interface CharOptions extends ByteOptions {
  /**
   * The special token that a character becomes which the tokenizer does not have, by its name. Default: none, such a character is
   * an error.
   */
  readonly unknown?: string;
}

const names = list(someText).map((given, place) => {
  if (new Set(given).size === given.length) return given;
  throw place.refuse(`expected distinct names, got ${given.join(', ')}`, { value: given });
});
const specials = names.default([]);
const tokens: Field<Iterable<number>> = custom('a list of tokens', (value, place) => {
  if (typeof value !== 'object' || value === null || !(Symbol.iterator in value)) throw place.wrong('a list of tokens', value);
  return value as Iterable<number>;
});
const readEncode = signature('Tokenizer.encode', { text: anyText });
const readDecode = signature('Tokenizer.decode', { tokens });
const readId = signature('Tokenizer.id', { special: anyText });

/** What both kinds share: special tokens after `count` others. */
abstract class Base {
  readonly specials: readonly string[];
  readonly #count: number;

  constructor(count: number, specials: readonly string[]) {
    this.specials = [...specials];
    this.#count = count;
  }

  get size(): number {
    return this.#count + this.specials.length;
  }

  id(special: string): number {
    readId(arguments);
    const i = this.specials.indexOf(special);
    if (i >= 0) return this.#count + i;
    const near = nearest(String(special), this.specials);
    const there = this.specials.length === 0 ? '; there is none' : `; there are ${this.specials.join(', ')}`;
    throw new OptionError(`tokenizer: no special token ${show(special)}${near ? `; did you mean ${near}?` : there}`, { special });
  }

  protected room(length: number): Uint8Array | Int32Array {
    return this.size <= 256 ? new Uint8Array(length) : new Int32Array(length);
  }

  protected notThere(position: number, value: number): IndexError {
    const details = { op: 'decode', position, value, bound: this.size };
    return new IndexError(`decode: position ${position}: expected an index below ${this.size}, got ${value}`, details);
  }
}

/** One code point. Not by spreading the text, which may be long. */
function isCharacter(text: string): boolean {
  const code = text.codePointAt(0);
  return code !== undefined && text.length === (code > 0xffff ? 2 : 1);
}

/** Options of `char`, read. */
interface CharGiven {
  readonly specials: readonly string[];
  readonly unknown: string | undefined;
}

/** One token per character (code point), see `char`. */
export class CharTokenizer extends Base implements Tokenizer {
  /** A token stands for a character (code point). */
  readonly type = 'char';
  /** The characters in the order of their numbers: token i is `chars[i]`. */
  readonly chars: readonly string[];
  /** Name of the special token for unknown characters; null: they are an error. */
  readonly unknown: string | null;
  readonly #index: ReadonlyMap<string, number>;

  constructor(chars: Iterable<string>, { specials, unknown }: CharGiven) {
    const list = [...chars];
    super(list.length, specials);
    this.chars = list;
    this.#index = new Map(list.map((c, i) => [c, i]));
    if (list.length === 0) throw new DataError('tokenizer.char: expected at least one character, got none');
    if (this.#index.size !== list.length || !list.every(isCharacter)) {
      throw new DataError('tokenizer.char: expected distinct single characters');
    }
    this.unknown = unknown === undefined ? null : oneOf(specials).read(unknown, new Place('tokenizer.char', 'option', 'unknown'));
  }

  /**
   * One token per code point.
   * @throws OptionError; DataError with `position` (in UTF-16 units) and `character` of one that is unknown
   */
  encode(text: string): Uint8Array | Int32Array {
    readEncode(arguments);
    const out = this.room(text.length);
    const unknown = this.unknown === null ? undefined : this.id(this.unknown);
    let n = 0;
    let position = 0;
    for (const character of text) {
      const index = this.#index.get(character) ?? unknown;
      if (index === undefined) {
        const message = `encode: position ${position}: ${JSON.stringify(character)} is none of the ${this.chars.length} characters of this tokenizer`;
        throw new DataError(`${message}; a special token for unknown ones takes it`, { position, character });
      }
      out[n++] = index;
      position += character.length;
    }
    return n === out.length ? out : out.slice(0, n);
  }

  /**
   * The text of tokens; special ones as their names.
   * @throws OptionError; IndexError with `position` and `value` of one that is no token
   */
  decode(tokens: Iterable<number>): string {
    readDecode(arguments);
    let text = '';
    let position = 0;
    for (const value of tokens) {
      const character = this.chars[value] ?? this.specials[value - this.chars.length];
      if (character === undefined) throw this.notThere(position, value);
      text += character;
      position++;
    }
    return text;
  }

  /** What `tokenizer.fromJSON` makes the same tokenizer of: its characters, special tokens and the unknown one. */
  toJSON(): TokenizerJSON {
    const { type, chars, specials, unknown } = this;
    return { type, chars, ...(specials.length > 0 && { specials }), ...(unknown !== null && { unknown }) };
  }
}

/** One token per byte of UTF-8, see `byte`. */
export class ByteTokenizer extends Base implements Tokenizer {
  /** A token stands for a byte of UTF-8. */
  readonly type = 'byte';

  constructor(specials: readonly string[]) {
    super(256, specials);
  }

  /** One token per byte of the text in UTF-8, in an Int32Array where there are special tokens. @throws OptionError */
  encode(text: string): Uint8Array | Int32Array {
    readEncode(arguments);
    const bytes = new TextEncoder().encode(text);
    return this.size <= 256 ? bytes : Int32Array.from(bytes);
  }

  /**
   * The text of tokens; special ones as their names. Bytes that are no UTF-8, as a model may write them, become U+FFFD.
   * @throws OptionError; IndexError with `position` and `value` of one that is no token
   */
  decode(tokens: Iterable<number>): string {
    readDecode(arguments);
    let text = '';
    let position = 0;
    let bytes: number[] = [];
    const flush = (): void => {
      text += new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes));
      bytes = [];
    };
    for (const value of tokens) {
      if (Number.isInteger(value) && value >= 0 && value < 256) bytes.push(value);
      else {
        const special = this.specials[value - 256];
        if (special === undefined) throw this.notThere(position, value);
        flush();
        text += special;
      }
      position++;
    }
    flush();
    return text;
  }

  /** What `tokenizer.fromJSON` makes the same tokenizer of: the names of its special tokens. */
  toJSON(): TokenizerJSON {
    return { type: this.type, ...(this.specials.length > 0 && { specials: this.specials }) };
  }
}

const charOptions = options<CharOptions>()({ specials, unknown: someText.optional() });
const readChar = signature('tokenizer.char', { text: anyText }, charOptions);

/**
 * A token for each distinct character (code point) of a text, in the order of code points.
 *
 * ```js
 * const chars = tokenizer.char(text, { specials: ['<unk>'], unknown: '<unk>' });
 * trainer.fit(windows(chars.encode(text), { length: 64 }), { steps: 1000 });
 * trainer.save('model.safetensors', { metadata: { tokenizer: JSON.stringify(chars) } });
 * ```
 * @throws OptionError, also for an `unknown` that is none of `specials`; DataError for a text without a character
 */
export function char(text: string, options: CharOptions = {}): CharTokenizer {
  const { specials, unknown } = readChar(arguments);
  const chars = [...new Set(text)].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!);
  return new CharTokenizer(chars, { specials, unknown });
}

const readByte = optionsOnly('tokenizer.byte', options<ByteOptions>()({ specials }));

/** A token for each of the 256 bytes of UTF-8: takes any text, and needs none to be made. @throws OptionError */
export function byte(options: ByteOptions = {}): ByteTokenizer {
  return new ByteTokenizer(readByte(arguments).specials);
}

const readFromJSON = signature('tokenizer.fromJSON', { json: custom('what toJSON gave', (json) => json) });

/** The tokenizer that `toJSON` gave this. @throws DataError for anything else; OptionError for more than one argument */
export function fromJSON(json: unknown): CharTokenizer | ByteTokenizer {
  readFromJSON(arguments);
  const { type, chars, ...options } = (typeof json === 'object' && json !== null ? json : {}) as Partial<TokenizerJSON>;
  try {
    if (type === 'byte') return byte(options as ByteOptions);
    if (type === 'char' && Array.isArray(chars) && chars.every((c) => typeof c === 'string')) {
      return new CharTokenizer(chars, charOptions.read(options, new Place('tokenizer.char', '', '')));
    }
  } catch (cause) {
    if (!(cause instanceof OptionError)) throw cause;
    throw new DataError(`tokenizer.fromJSON: ${cause.message}`, {}, { cause });
  }
  throw new DataError('tokenizer.fromJSON: expected an object of type char, with its characters, or of type byte');
}
