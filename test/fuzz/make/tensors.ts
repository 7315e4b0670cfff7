// tensors.ts: shapes, and values of all kinds as files hold them, each with the number that it stands for.
import type { Random } from '../../torture/random.ts';

/** A kind of number: how it is stored, and what numbers there are. */
export interface Stored {
  readonly bytes: number;
  /** What it is read as. */
  readonly dtype: 'f32' | 'f64' | 'i32' | 'u8';
  /** A value to store, little-endian in `view` at 0. @returns the number that is read */
  put(r: Random, view: DataView): number;
}

const NUMBERS = [
  0,
  -0,
  1,
  -1,
  0.5,
  1 / 3,
  255,
  -1e-30,
  3.4e38,
  1e-45,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
];

type Put = Stored['put'];

/** Float values, as they come back from `read`. */
function floats(write: (view: DataView, value: number) => void, read: (view: DataView) => number): Put {
  return (r, view) => {
    write(view, r.chance(0.3) ? r.pick(NUMBERS) : (r.unit() - 0.5) * 20);
    return read(view);
  };
}

/** Any 16 bits, and what they stand for. */
function bits16(value: (bits: number) => number): Put {
  return (r, view) => {
    const bits = r.word() & 0xffff;
    view.setUint16(0, bits, true);
    return value(bits);
  };
}

/** Sign, exponent and mantissa of 16 bits as a number. */
function half(bits: number): number {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? (sign * fraction) / 2 ** 24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The upper half of an f32. */
function brain(bits: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, bits * 65536);
  return view.getFloat32(0);
}

/** Whole numbers, at the bounds now and then; of 64 bits those within i32. */
function whole(bytes: 1 | 2 | 4 | 8, least: number, most: number, dtype: 'i32' | 'u8' = 'i32'): Stored {
  const put: Put = (r, view) => {
    const value = r.chance(0.2) ? r.pick([least, most]) : r.between(Math.max(least, -1000), Math.min(most, 1000));
    if (bytes === 1) view.setInt8(0, value);
    else if (bytes === 2) view.setInt16(0, value, true);
    else if (bytes === 4) view.setInt32(0, value, true);
    else view.setBigInt64(0, BigInt(value), true);
    return value;
  };
  return { bytes, dtype, put };
}

const [LEAST, MOST] = [-(2 ** 31), 2 ** 31 - 1];

/** By names of our own. */
export type StoredName = 'f32' | 'f64' | 'f16' | 'bf16' | 'u8' | 'bool' | 'i8' | 'i16' | 'u16' | 'i32' | 'u32' | 'i64' | 'u64';
export const STORED: Readonly<Record<StoredName, Stored>> = {
  f32: {
    bytes: 4,
    dtype: 'f32',
    put: floats(
      (v, x) => v.setFloat32(0, x, true),
      (v) => v.getFloat32(0, true),
    ),
  },
  f64: {
    bytes: 8,
    dtype: 'f64',
    put: floats(
      (v, x) => v.setFloat64(0, x, true),
      (v) => v.getFloat64(0, true),
    ),
  },
  f16: { bytes: 2, dtype: 'f32', put: bits16(half) },
  bf16: { bytes: 2, dtype: 'f32', put: bits16(brain) },
  u8: whole(1, 0, 255, 'u8'),
  bool: whole(1, 0, 1, 'u8'),
  i8: whole(1, -128, 127),
  i16: whole(2, -(2 ** 15), 2 ** 15 - 1),
  u16: whole(2, 0, 2 ** 16 - 1),
  i32: whole(4, LEAST, MOST),
  u32: whole(4, 0, MOST),
  i64: whole(8, LEAST, MOST),
  u64: whole(8, 0, MOST),
};

export interface Values {
  readonly shape: readonly number[];
  /** Little-endian, row-major. */
  readonly bytes: Uint8Array;
  readonly numbers: readonly number[];
}

/** Mostly small, empty now and then, and up to as many dimensions as may be. */
export function shape(r: Random, mostRank = 6): number[] {
  const rank = r.chance(0.03) ? mostRank : r.between(0, Math.min(3, mostRank));
  const size = (): number => (r.chance(0.05) ? 0 : rank > 3 ? r.between(1, 2) : r.between(1, 5));
  return Array.from({ length: rank }, size);
}

export const sizeOf = (of: readonly number[]): number => of.reduce((a, b) => a * b, 1);

export function values(r: Random, { bytes: width, put }: Stored, of: readonly number[]): Values {
  const bytes = new Uint8Array(sizeOf(of) * width);
  const numbers = Array.from({ length: sizeOf(of) }, (_, i) => put(r, new DataView(bytes.buffer, i * width, width)));
  return { shape: of, bytes, numbers };
}

/** What a reader gives, as plain as what was drawn. */
export const plainTensor = ({
  dtype,
  shape,
  data,
}: {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}): unknown => ({
  dtype,
  shape: [...shape],
  numbers: Array.from(data),
});

/** Elements of `width` bytes in the other order of bytes. */
export function swapped(bytes: Uint8Array, width: number): Uint8Array {
  const out = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i += width) for (let k = 0; k < width; k++) out[i + k] = bytes[i + width - 1 - k]!;
  return out;
}
