// protobuf.ts: messages of Protocol Buffers as they are written: TensorBoard's events and ONNX's models are some.

// Wire types: how the value behind a tag is written.
const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;

/** Bytes from which on a part is kept as it is, not copied. */
const LARGE = 4096;
/** Bytes of the first block that small values are put into. */
const FIRST = 128;
/** Bytes of the longest varint: 64 bits, 7 in each byte. */
const VARINT_BYTES = 10;
const TWO_32 = 2 ** 32;

/**
 * Writes the fields of a message, in the order of the calls; what is called twice is a repeated field. Nothing is left out: a field that has its
 * default is written too. Large bytes are not copied, so they must not change until the message is used.
 */
export class ProtoWriter {
  /** What is complete, and then what of `#block` is filled from `#start` to `#at`. */
  readonly #parts: Uint8Array[] = [];
  #block: Uint8Array = new Uint8Array(FIRST);
  #view: DataView = viewOf(this.#block);
  #start = 0;
  #at = 0;
  /** Bytes of `#parts`. */
  #done = 0;

  /** Bytes so far. */
  get size(): number {
    return this.#done + this.#at - this.#start;
  }

  /** uint32, uint64, enums. @throws RangeError for what is no whole number from 0 to 2^64 - 1 */
  uint(field: number, value: number | bigint): this {
    this.#tag(field, VARINT);
    this.#unsigned(value);
    return this;
  }

  /** int32, int64: a number below 0 takes 10 bytes. @throws RangeError for what is no whole number of 64 bits */
  int(field: number, value: number | bigint): this {
    this.#tag(field, VARINT);
    this.#signed(value);
    return this;
  }

  /** A boolean: 1 or 0. */
  bool(field: number, value: boolean): this {
    return this.uint(field, value ? 1 : 0);
  }

  /** A number of 32 bits: the nearest to `value`. */
  float(field: number, value: number): this {
    this.#tag(field, FIXED32);
    this.#room(4);
    this.#view.setFloat32(this.#at, value, true);
    this.#at += 4;
    return this;
  }

  /** A number of 64 bits. */
  double(field: number, value: number): this {
    this.#tag(field, FIXED64);
    this.#room(8);
    this.#view.setFloat64(this.#at, value, true);
    this.#at += 8;
    return this;
  }

  /** A text, in UTF-8; half of a surrogate pair becomes U+FFFD, since readers refuse it. */
  string(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value, 'utf8'));
  }

  /** Bytes, or parts of them, one after the other. */
  bytes(field: number, value: Uint8Array | readonly Uint8Array[]): this {
    const parts = value instanceof Uint8Array ? [value] : value;
    this.#length(field, sizeOf(parts));
    for (const part of parts) this.#append(part);
    return this;
  }

  /** A message within this one: what `write` puts into the writer that it gets. */
  message(field: number, write: (inner: ProtoWriter) => void): this {
    const inner = new ProtoWriter();
    write(inner);
    return this.bytes(field, inner.chunks());
  }

  /** A repeated uint32 or uint64, packed. @throws RangeError as `uint` */
  packedUints(field: number, values: Iterable<number | bigint>): this {
    return this.message(field, (inner) => {
      for (const value of values) inner.#unsigned(value);
    });
  }

  /** A repeated int32 or int64, packed. @throws RangeError as `int` */
  packedInts(field: number, values: Iterable<number | bigint>): this {
    return this.message(field, (inner) => {
      for (const value of values) inner.#signed(value);
    });
  }

  /** A repeated float, packed. */
  packedFloats(field: number, values: ArrayLike<number>): this {
    const bytes = new Uint8Array(values.length * 4);
    const view = viewOf(bytes);
    for (let i = 0; i < values.length; i++) view.setFloat32(i * 4, values[i]!, true);
    return this.bytes(field, bytes);
  }

  /** A repeated double, packed. */
  packedDoubles(field: number, values: ArrayLike<number>): this {
    const bytes = new Uint8Array(values.length * 8);
    const view = viewOf(bytes);
    for (let i = 0; i < values.length; i++) view.setFloat64(i * 8, values[i]!, true);
    return this.bytes(field, bytes);
  }

  /** The message as one. */
  finish(): Uint8Array {
    const chunks = this.chunks();
    if (chunks.length === 1) return chunks[0]!;
    const all = new Uint8Array(this.size);
    let at = 0;
    for (const chunk of chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }

  /** The message in parts, for a file: large bytes are those that were given. */
  chunks(): Uint8Array[] {
    this.#close();
    return [...this.#parts];
  }

  #tag(field: number, type: number): void {
    if (!Number.isSafeInteger(field) || field < 1 || field >= 2 ** 29) throw new RangeError(`there is no field ${field}`);
    this.#small(field * 8 + type);
  }

  #length(field: number, size: number): void {
    this.#tag(field, LENGTH);
    this.#small(size);
  }

  #unsigned(value: number | bigint): void {
    const fits = typeof value === 'bigint' ? value >= 0n && value < 2n ** 64n : Number.isSafeInteger(value) && value >= 0;
    if (!fits) throw new RangeError(`expected a whole number from 0 to 2^64 - 1, got ${value}`);
    if (typeof value === 'number') this.#small(value);
    else this.#large(value);
  }

  #signed(value: number | bigint): void {
    const fits = typeof value === 'bigint' ? BigInt.asIntN(64, value) === value : Number.isSafeInteger(value);
    if (!fits) throw new RangeError(`expected a whole number of 64 bits, got ${value}`);
    if (typeof value === 'number' && value >= 0) this.#small(value);
    else this.#large(BigInt.asUintN(64, BigInt(value)));
  }

  /** A varint below 2^53. */
  #small(value: number): void {
    this.#room(VARINT_BYTES);
    let rest = value;
    // Bits are of 32-bit numbers alone: above them one divides.
    while (rest >= TWO_32) {
      this.#block[this.#at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    rest >>>= 0;
    while (rest >= 128) {
      this.#block[this.#at++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    this.#block[this.#at++] = rest;
  }

  /** A varint of up to 64 bits. */
  #large(value: bigint): void {
    this.#room(VARINT_BYTES);
    let rest = value;
    while (rest >= 128n) {
      this.#block[this.#at++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    this.#block[this.#at++] = Number(rest);
  }

  #append(part: Uint8Array): void {
    if (part.length >= LARGE) {
      this.#close();
      this.#parts.push(part);
      this.#done += part.length;
      return;
    }
    this.#room(part.length);
    this.#block.set(part, this.#at);
    this.#at += part.length;
  }

  /** So that `bytes` more fit into the block. */
  #room(bytes: number): void {
    if (this.#at + bytes <= this.#block.length) return;
    const used = this.#block.subarray(this.#start, this.#at);
    const next = new Uint8Array(Math.max(FIRST, 2 * (used.length + bytes)));
    next.set(used);
    this.#block = next;
    this.#view = viewOf(next);
    this.#at = used.length;
    this.#start = 0;
  }

  /** What of the block is filled becomes a part; the rest of it is for what follows. */
  #close(): void {
    if (this.#at === this.#start) return;
    this.#parts.push(this.#block.subarray(this.#start, this.#at));
    this.#done += this.#at - this.#start;
    this.#start = this.#at;
  }
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const sizeOf = (parts: readonly Uint8Array[]): number => parts.reduce((sum, part) => sum + part.length, 0);
