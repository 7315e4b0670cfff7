// idx.ts: the IDX format of MNIST and its kin (https://yann.lecun.com/exdb/mnist): one tensor, big-endian, plain or gzip.

import { DataError } from '../../errors.ts';
import { sizeOf } from '../../ir/op.ts';
import { signature } from '../../options/index.ts';
import { file, ofBytes, readOptions } from '../fields.ts';
import { type ReadOptions, type TensorData, withSource } from '../file/file.ts';
import { otherKind } from '../file/kinds.ts';
import { atOnce, inTurns, type Parts } from '../file/pace.ts';
import { MAX_RANK } from '../limits.ts';
import { STORED, type Stored, swap } from './decode.ts';

/** By the third byte of a file. */
const CODES: Readonly<Record<number, Stored>> = {
  8: STORED.u8,
  9: STORED.i8,
  11: STORED.i16,
  12: STORED.i32,
  13: STORED.f32,
  14: STORED.f64,
};

const readReadIdx = signature('io.readIdx', { file }, readOptions);

/**
 * Read an IDX file, plain or gzip: u8 and f32 and f64 and i32 as they are, i8 and i16 widened to i32. At most 64 dimensions.
 * The length is checked against the header before memory is taken.
 * @throws OptionError
 * @throws DataError with `file` and `offset` (in the unpacked data) where the file is malformed, cut short or too long, and for more than
 * `maxBytes` of the file or of what it unpacks to (default 4 GiB). Another file that lies in its place is named.
 */
export async function readIdx(file: string, options: ReadOptions = {}): Promise<TensorData> {
  const { maxBytes } = readReadIdx(arguments);
  return withSource(
    file,
    async (source) => {
      const parser = new IDXParser(file, source.maxBytes);
      for await (const chunk of source.chunks()) parser.push(chunk);
      return inTurns(parser.finish());
    },
    maxBytes,
  );
}

const readParseIdx = ofBytes('io.parseIdx');

/**
 * Read an IDX file that lies in memory, not gzip. The result does not share memory with `bytes`.
 * @param file what errors call it; default `<bytes>`
 * @throws OptionError; DataError as `readIdx`
 */
export function parseIdx(bytes: Uint8Array, file = '<bytes>'): TensorData {
  readParseIdx(arguments);
  const parser = new IDXParser(file, bytes.length);
  parser.push(bytes);
  return atOnce(parser.finish());
}

class IDXParser {
  readonly #file: string;
  readonly #maxBytes: number;
  #head: Buffer = Buffer.alloc(0);
  #code: Stored | null = null;
  #shape: number[] = [];
  #data: Buffer<ArrayBuffer> | null = null;
  #filled = 0;

  constructor(file: string, maxBytes: number) {
    this.#file = file;
    this.#maxBytes = maxBytes;
  }

  push(chunk: Uint8Array): void {
    let rest = chunk;
    if (!this.#data) {
      this.#head = Buffer.concat([this.#head, chunk]);
      const length = this.#readHead();
      if (length === 0) return;
      rest = this.#head.subarray(length);
      this.#head = this.#head.subarray(0, length);
    }
    const data = this.#data!;
    if (rest.length > data.length - this.#filled) {
      const end = this.#head.length + data.length;
      throw this.#error(`expected ${end} bytes for ${this.#what()}, got more`, end);
    }
    data.set(rest, this.#filled);
    this.#filled += rest.length;
  }

  *finish(): Parts<TensorData> {
    if (!this.#data) {
      throw this.#error(`expected an IDX header, the file ends after ${this.#head.length} bytes`, this.#head.length);
    }
    if (this.#filled < this.#data.length) {
      const end = this.#head.length + this.#filled;
      throw this.#error(`expected ${this.#head.length + this.#data.length} bytes for ${this.#what()}, got ${end}`, end);
    }
    const code = this.#code!;
    yield* swap(this.#data, code.bytes);
    // Every value of these types fits.
    const data = yield* code.decode(this.#data.buffer, (expected) => this.#error(`expected ${expected}`, 4));
    return { dtype: code.dtype, shape: this.#shape, data };
  }

  /** Length of the header, 0 while more bytes are needed. Takes the memory for the data. */
  #readHead(): number {
    const head = this.#head;
    for (let i = 0; i < Math.min(2, head.length); i++) {
      if (head[i] !== 0) {
        const got = otherKind(head) ?? `byte ${head[i]}`;
        throw this.#error(`expected an IDX file (two zero bytes first), got ${got}`, i);
      }
    }
    if (head.length < 4) return 0;
    const code = CODES[head[2]!];
    if (!code) throw this.#error(`unknown IDX dtype code ${head[2]}`, 2);
    if (head[3]! > MAX_RANK) throw this.#error(`expected at most ${MAX_RANK} dimensions, got ${head[3]}`, 3);
    const length = 4 + 4 * head[3]!;
    if (head.length < length) return 0;
    this.#code = code;
    this.#shape = Array.from({ length: head[3]! }, (_, i) => head.readUInt32BE(4 + 4 * i));
    const bytes = code.bytes * sizeOf(this.#shape);
    if (!(length + bytes <= this.#maxBytes)) {
      throw this.#error(`expected ${length + bytes} bytes for ${this.#what()}, the file has at most ${this.#maxBytes}`, 4);
    }
    // From an ArrayBuffer of its own, not the pool: the result is a view of it.
    this.#data = Buffer.from(this.#allocate(bytes));
    return length;
  }

  #allocate(bytes: number): ArrayBuffer {
    try {
      return new ArrayBuffer(bytes);
    } catch (cause) {
      throw this.#error(`no memory for ${bytes} bytes of ${this.#what()}`, 4, cause);
    }
  }

  #what(): string {
    return `[${this.#shape}] of ${this.#code!.bytes} bytes each`;
  }

  #error(why: string, offset: number, cause?: unknown): DataError {
    const options = cause === undefined ? undefined : { cause };
    return new DataError(`${this.#file}: offset ${offset}: ${why}`, { file: this.#file, offset }, options);
  }
}
