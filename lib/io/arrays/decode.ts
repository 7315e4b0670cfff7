// decode.ts: numbers as files store them become arrays of the library's dtypes, exactly or not at all; in parts, so that large ones block nobody.

import type { DataError } from '../../errors.ts';
import { ARRAYS, type Data, type DType } from '../../ir/op.ts';
import type { Parts } from '../file/pace.ts';
import { halfToNumber } from './half.ts';

/** Elements between two places where the event loop may have a turn: half a millisecond of the slowest. */
const PART = 1 << 14;
/** The same in bytes that are swapped, or copied. */
const SWAP_PART = 1 << 20;

/** What is wrong with value `i`. */
export type Wrong = (expected: string, value: number | bigint, i: number) => DataError;

/** One type of numbers in files. */
export interface Stored {
  readonly bytes: number;
  readonly dtype: DType;
  /** `raw` holds the values in the order of bytes of this machine; where the width stays, the result is a view of it. */
  readonly decode: (raw: ArrayBuffer, wrong: Wrong) => Parts<Data>;
}

/** What the library has itself. */
function same(bytes: number, dtype: DType): Stored {
  return {
    bytes,
    dtype,
    // biome-ignore lint/correctness/useYield: there is nothing to do
    *decode(raw) {
      return new ARRAYS[dtype](raw);
    },
  };
}

type Source = Int8Array | Int16Array | Uint8Array | Uint16Array | Uint32Array | BigInt64Array | BigUint64Array;

/** What is wider here. `convert` gives undefined for what does not fit. */
function converted(
  Source: { new (raw: ArrayBuffer): Source; readonly BYTES_PER_ELEMENT: number },
  dtype: DType,
  convert: (value: number) => number | undefined,
  expected: string = 'a whole number within i32',
): Stored {
  return {
    bytes: Source.BYTES_PER_ELEMENT,
    dtype,
    *decode(raw, wrong) {
      const values = new Source(raw);
      const out = new ARRAYS[dtype](values.length);
      for (let from = 0; from < out.length; from += PART) {
        const to = Math.min(out.length, from + PART);
        for (let i = from; i < to; i++) {
          // What f64 rounds lies beyond i32 anyway.
          const value = convert(Number(values[i]!));
          if (value === undefined) throw wrong(expected, values[i]!, i);
          out[i] = value;
        }
        yield;
      }
      return out;
    },
  };
}

const itself = (value: number): number => value;
const withinI32 = (value: number): number | undefined => ((value | 0) === value ? value : undefined);
const truth = (value: number): number | undefined => (value <= 1 ? value : undefined);

const BITS = new Uint32Array(1);
const FLOAT = new Float32Array(BITS.buffer);
function bfloatToNumber(bits: number): number {
  BITS[0] = bits << 16;
  return FLOAT[0]!;
}

type Kind = 'f64' | 'f32' | 'f16' | 'bf16' | 'i64' | 'u64' | 'i32' | 'u32' | 'i16' | 'u16' | 'i8' | 'u8' | 'bool';

/** Floats of 16 bits become f32, whole numbers i32 where every value fits; u8 stays, booleans are u8. */
export const STORED: Readonly<Record<Kind, Stored>> = {
  f64: same(8, 'f64'),
  f32: same(4, 'f32'),
  f16: converted(Uint16Array, 'f32', halfToNumber),
  bf16: converted(Uint16Array, 'f32', bfloatToNumber),
  i64: converted(BigInt64Array, 'i32', withinI32),
  u64: converted(BigUint64Array, 'i32', withinI32),
  i32: same(4, 'i32'),
  u32: converted(Uint32Array, 'i32', withinI32),
  i16: converted(Int16Array, 'i32', itself),
  u16: converted(Uint16Array, 'i32', itself),
  i8: converted(Int8Array, 'i32', itself),
  u8: same(1, 'u8'),
  bool: converted(Uint8Array, 'u8', truth, 'a boolean, 0 or 1'),
};

/** Numbers of `width` bytes in the other order, in place. */
export function* swap(bytes: Buffer, width: number): Parts<void> {
  for (let at = 0; at < bytes.length && width > 1; at += SWAP_PART) {
    const part = bytes.subarray(at, at + SWAP_PART);
    width === 2 ? part.swap16() : width === 4 ? part.swap32() : part.swap64();
    yield;
  }
}

/** The same bytes in memory of their own. */
export function* copied(bytes: Uint8Array): Parts<ArrayBuffer> {
  const out = new Uint8Array(bytes.length);
  for (let at = 0; at < bytes.length; at += SWAP_PART) {
    out.set(bytes.subarray(at, at + SWAP_PART), at);
    yield;
  }
  return out.buffer;
}
