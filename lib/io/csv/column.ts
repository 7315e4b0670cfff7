// column.ts: numbers of a table, collected while it is read.
import type { Parts } from '../file/pace.ts';

/** Rows of one column, or of several side by side, collected in blocks so that growing copies nothing. */
export class Column<T extends Float32Array | Float64Array | Int32Array | Uint8Array> {
  readonly #make: (length: number) => T;
  readonly #width: number;
  readonly #blockLength: number;
  readonly #blocks: T[] = [];
  #at: number;

  constructor(make: (length: number) => T, width: number) {
    this.#make = make;
    this.#width = width;
    this.#blockLength = width * Math.max(1, Math.floor((1 << 16) / width));
    this.#at = this.#blockLength;
  }

  /** Where the next row goes. */
  next(): { block: T; at: number } {
    if (this.#at === this.#blockLength) {
      this.#blocks.push(this.#make(this.#blockLength));
      this.#at = 0;
    }
    const at = this.#at;
    this.#at += this.#width;
    return { block: this.#blocks.at(-1)!, at };
  }

  /** All rows in one array. The blocks go as they are copied: there are no two of everything. */
  *join(): Parts<T> {
    const out = this.#make(this.#blocks.length === 0 ? 0 : (this.#blocks.length - 1) * this.#blockLength + this.#at);
    this.#blocks.reverse();
    for (let at = 0; this.#blocks.length > 0; at += this.#blockLength) {
      out.set(this.#blocks.pop()!.subarray(0, out.length - at), at);
      yield;
    }
    return out;
  }
}
