// protobuf-read.ts: messages of Protocol Buffers of unknown origin, field by field: nothing is taken that is not there.

// Wire types.
const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;
const BYTES_OF: Readonly<Record<number, number>> = { [FIXED64]: 8, [FIXED32]: 4 };

/** What is wrong, and at which byte of the whole. */
export type Fail = (why: string, at: number) => Error;

/** Reads the fields of a message, one after the other. Field by field `field` says its number, and one of the methods takes its value, or none does. */
export class ProtoReader {
  /** The number of the field that was come to last. */
  field = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #fail: Fail;
  /** Where the message begins in the whole. */
  readonly #start: number;
  #wire = 0;
  /** Where the value of the field begins, and ends. */
  #from = 0;
  #to = 0;

  /** @param fail makes the error that is thrown for what is malformed */
  constructor(bytes: Uint8Array, fail: Fail, start: number = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#fail = fail;
    this.#start = start;
  }

  /** Where the value of the field begins, in the whole. */
  get at(): number {
    return this.#start + this.#from;
  }

  /** Come to the next field. @returns false where there is none */
  next(): boolean {
    if (this.#to === this.#bytes.length) return false;
    this.#from = this.#to;
    const tag = this.#varint(0xffff_ffff);
    this.field = Math.floor(tag / 8);
    this.#wire = tag % 8;
    if (this.field === 0) throw this.#wrong('there is no field 0');
    if (this.#wire === VARINT) {
      this.#to = this.#from;
      while (this.#to < this.#bytes.length && this.#bytes[this.#to]! >= 128) this.#to++;
      this.#to++;
    } else if (this.#wire === LENGTH) {
      const length = this.#varint(Number.MAX_SAFE_INTEGER);
      this.#to = this.#from + length;
    } else {
      const width = BYTES_OF[this.#wire];
      if (width === undefined) throw this.#wrong(`there is no wire type ${this.#wire}`);
      this.#to = this.#from + width;
    }
    if (this.#to > this.#bytes.length) throw this.#wrong('a field is longer than what it is in');
    return true;
  }

  /** A whole number from 0 to `most`. */
  whole(most: number = Number.MAX_SAFE_INTEGER): number {
    if (this.#wire !== VARINT) throw this.#wrong('expected a whole number');
    const from = this.#from;
    const value = this.#varint(most);
    this.#from = from;
    return value;
  }

  /** Bytes, where they lie. */
  bytes(): Uint8Array {
    if (this.#wire !== LENGTH) throw this.#wrong('expected bytes');
    return this.#bytes.subarray(this.#from, this.#to);
  }

  /** A text of at most so many bytes. */
  text(most: number): string {
    const bytes = this.bytes();
    if (bytes.length > most) throw this.#wrong(`expected a text of at most ${most} bytes, got ${bytes.length}`);
    try {
      return UTF8.decode(bytes);
    } catch {
      throw this.#wrong('expected a text in UTF-8');
    }
  }

  /** A message within this one. */
  message(): ProtoReader {
    return new ProtoReader(this.bytes(), this.#fail, this.at);
  }

  /** Whole numbers, one or many, as they stand: `wholesIn` tells them. */
  wholes(): Uint8Array {
    if (this.#wire !== VARINT && this.#wire !== LENGTH) throw this.#wrong('expected whole numbers');
    return this.#bytes.subarray(this.#from, this.#to);
  }

  /** Numbers of 4 or 8 bytes, one or many, as bytes. */
  fixed(width: 4 | 8): Uint8Array {
    const wire = width === 4 ? FIXED32 : FIXED64;
    if (this.#wire !== wire && this.#wire !== LENGTH) throw this.#wrong(`expected numbers of ${width} bytes`);
    if ((this.#to - this.#from) % width !== 0) throw this.#wrong(`expected numbers of ${width} bytes each`);
    return this.#bytes.subarray(this.#from, this.#to);
  }

  /** What is wrong with the value of the field. */
  #wrong(why: string): Error {
    return this.#fail(why, this.at);
  }

  /** From `#from` on, which is moved behind it. */
  #varint(most: number): number {
    let [value, factor] = [0, 1];
    for (let i = 0; i < 10; i++) {
      if (this.#from >= this.#view.byteLength) break;
      const byte = this.#view.getUint8(this.#from++);
      value += (byte & 127) * factor;
      factor *= 128;
      if (byte >= 128) continue;
      if (value > most) throw this.#wrong(`expected a number up to ${most}`);
      return value;
    }
    throw this.#wrong('a number does not end');
  }
}

/**
 * The whole numbers that stand one after the other, as 64 bits without a sign.
 * @param fail makes the error that is thrown where the last one does not end
 */
export function* wholesIn(bytes: Uint8Array, fail: (why: string) => Error): Generator<bigint, void> {
  for (let at = 0; at < bytes.length; ) {
    let [value, shift] = [0n, 0n];
    for (;;) {
      const byte = bytes[at++];
      if (byte === undefined || shift > 63n) throw fail('a number does not end');
      value |= BigInt(byte & 127) << shift;
      shift += 7n;
      if (byte < 128) break;
    }
    yield BigInt.asUintN(64, value);
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });
