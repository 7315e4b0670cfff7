// arrays.ts: arrays that people hand in, in one form: what is taken for an array of numbers, and named arrays of as many rows.
import { DetachedError, DTypeError, OptionError, ShapeError } from '../errors.ts';
import { type Data, type DType, sizeOf } from '../ir/op.ts';
import { show } from '../options/index.ts';
import { isNested, listOf, type Nested, nestedOf } from './nested.ts';

/** An array with a shape; rows are the first dimension. */
export interface NdArray<D extends Data = Data> {
  /** The values in row-major order, as many as the shape says. */
  readonly data: D;
  /** The dimensions, rows first. */
  readonly shape: readonly number[];
}

/** Every typed array of numbers. Integers that are neither 8 bits without a sign nor 32 with one become 32 with one. */
export type Typed =
  | Data
  | Int8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/**
 * What is taken for an array of numbers: a typed array, one value a row; arrays in arrays, of which the outer ones are rows (`[[1, 2], [3, 4]]`, or
 * typed arrays as rows); or values in one list, with a shape. Numbers in plain arrays are f32, as in a Float32Array; true and false are 1 and 0.
 */
export type ArrayInput = NdArray | Typed | Nested | { readonly data: Typed | Nested; readonly shape: readonly number[] };

/** Named arrays with the same number of rows. */
export type Arrays = Readonly<Record<string, ArrayInput>>;

/** One part: its rows of every array, and which they were. A trainer takes it for its arrays. `N` are the arrays' names. */
export interface Share<N extends string = string> {
  /** The rows of this part, by the names of the arrays. */
  readonly arrays: Readonly<Record<N, NdArray>>;
  /** For each row of this part, its index in the arrays that were shared out. */
  readonly rows: Int32Array;
}

/** Whether it is one, by its form: one of another realm, or that was cloned, is one too. No arrays by name have such a form. */
export function isShare(data: unknown): data is Share {
  const { arrays, rows } = (data ?? {}) as Partial<Share>;
  if (typeof arrays !== 'object' || arrays === null || Array.isArray(arrays) || ArrayBuffer.isView(arrays)) return false;
  return rows instanceof Int32Array && Object.values(arrays).every((a) => ArrayBuffer.isView(a?.data) && Array.isArray(a.shape));
}

/** Whether it is one array, as far as its form tells. */
export function isArray(x: unknown): x is ArrayInput {
  return ArrayBuffer.isView(x) || Array.isArray(x) || (typeof x === 'object' && x !== null && 'data' in x && 'shape' in x);
}

export function dtypeOf(data: unknown, name = 'data'): DType {
  if (data instanceof Float32Array) return 'f32';
  if (data instanceof Float64Array) return 'f64';
  if (data instanceof Int32Array) return 'i32';
  if (data instanceof Uint8Array) return 'u8';
  throw new OptionError(`${name}: expected Float32Array, Float64Array, Int32Array or Uint8Array, got ${show(data)}`, { name });
}

/** Check one array and give it its shape. What has one of the four dtypes is not copied. */
export function ndarray(name: string, x: ArrayInput): NdArray {
  if (ArrayBuffer.isView(x)) {
    const data = dataOf(name, x);
    return { data, shape: [data.length] };
  }
  if (isNested(x)) return nestedOf(name, x, Float32Array);
  if (typeof x !== 'object' || x === null || !('data' in x && 'shape' in x)) {
    const hint = typeof (x as { then?: unknown } | null)?.then === 'function' ? '; is an await missing?' : '';
    throw new OptionError(`${name}: expected an array of numbers, or { data, shape }, got ${show(x)}${hint}`, { name });
  }
  const { shape } = x;
  const data = isNested(x.data) ? listOf(name, x.data, Float32Array) : dataOf(name, x.data);
  if (!Array.isArray(shape) || shape.length === 0 || shape.some((d) => !Number.isInteger(d) || d < 0)) {
    throw new ShapeError(`${name}: expected a shape of whole numbers with rows first, got [${shape}]`, { name, shape });
  }
  if (sizeOf(shape) !== data.length) {
    throw new ShapeError(`${name}: expected ${sizeOf(shape)} elements for [${shape}], got ${data.length}`, { name, shape });
  }
  return { data, shape: [...shape] };
}

/** A typed array as one of the four dtypes. */
function dataOf(name: string, given: unknown): Data {
  if (ArrayBuffer.isView(given) && isDetached(given)) {
    throw new DetachedError(`${name}: the array has no memory: it was transferred`, { name });
  }
  if (given instanceof Uint8ClampedArray) return new Uint8Array(given.buffer, given.byteOffset, given.length);
  if (given instanceof Int8Array || given instanceof Int16Array || given instanceof Uint16Array) return Int32Array.from(given);
  if (given instanceof Uint32Array || given instanceof BigInt64Array || given instanceof BigUint64Array)
    return narrow(name, given);
  if (isHalf(given)) return Float32Array.from(given);
  const known = [Float32Array, Float64Array, Int32Array, Uint8Array].some((type) => given instanceof type);
  if (known) return given as Data;
  const hint = given instanceof ArrayBuffer || given instanceof DataView ? '; new Float32Array(buffer) reads it' : '';
  throw new OptionError(`${name}: expected an array of numbers, got ${show(given)}${hint}`, { name });
}

/** Float16Array, where the engine has it. */
function isHalf(x: unknown): x is ArrayLike<number> {
  return ArrayBuffer.isView(x) && x.constructor.name === 'Float16Array';
}

function narrow(name: string, given: Uint32Array | BigInt64Array | BigUint64Array): Int32Array {
  const out = new Int32Array(given.length);
  for (let i = 0; i < out.length; i++) {
    out[i] = Number(given[i]);
    if (BigInt(out[i]!) !== BigInt(given[i]!)) {
      const text = `${name}: expected whole numbers from -2147483648 to 2147483647, got ${given[i]} at position ${i}`;
      throw new DTypeError(text, { name, position: i });
    }
  }
  return out;
}

/** Whether its memory was taken from it. */
export function isDetached({ buffer, byteLength }: ArrayBufferView): boolean {
  if (byteLength > 0) return false;
  try {
    new Uint8Array(buffer);
    return false;
  } catch {
    return true;
  }
}

/** Check named arrays and their common number of rows. */
export function ndarrays(arrays: Arrays): Map<string, NdArray> {
  const entries = Object.entries(arrays).map(([name, x]) => [name, ndarray(name, x)] as const);
  const first = entries[0];
  if (!first) throw new OptionError('data: expected at least one named array, got none');
  for (const [name, a] of entries) {
    if (a.shape[0] !== first[1].shape[0]) {
      const text = `${name}: expected ${first[1].shape[0]} rows as ${first[0]} has, got ${a.shape[0]}`;
      throw new ShapeError(text + flatHint(arrays, [first, [name, a]]), { name });
    }
  }
  return new Map(entries);
}

/** Of two arrays that differ in rows: whether the longer one has no shape, and with one would have the rows of the other. */
function flatHint(arrays: Arrays, two: readonly (readonly [name: string, array: NdArray])[]): string {
  const [short, long] = two.map(([name, { shape }]) => ({ name, rows: shape[0]! })).sort((a, b) => a.rows - b.rows) as [
    { name: string; rows: number },
    { name: string; rows: number },
  ];
  if (!ArrayBuffer.isView(arrays[long.name]) || short.rows === 0 || long.rows % short.rows !== 0) return '';
  const shape = `[${short.rows}, ${long.rows / short.rows}]`;
  return `; ${long.name} is ${show(arrays[long.name])} without a shape, one value a row: { data: ${long.name}, shape: ${shape} } has ${short.rows} rows`;
}

/** An array as a model reads it: it computes in f32, so f64 becomes that. */
export function narrowed({ data, shape }: NdArray): NdArray {
  return { data: data instanceof Float64Array ? Float32Array.from(data) : data, shape };
}

/** Named arrays as a model reads them. */
export function modelArrays(arrays: Arrays): Map<string, NdArray> {
  return new Map([...ndarrays(arrays)].map(([name, a]) => [name, narrowed(a)]));
}

/** One value a row, as whole numbers: u8 and i32 as they are. @throws ShapeError, DTypeError */
export function integers(name: string, x: ArrayInput): Uint8Array | Int32Array {
  const { data, shape } = ndarray(name, x);
  if (shape.length !== 1) throw new ShapeError(`${name}: expected one value after the other, got the shape [${shape}]`, { name });
  if (data instanceof Uint8Array || data instanceof Int32Array) return data;
  const out = Int32Array.from(data);
  const wrong = data.findIndex((v: number, i: number) => out[i] !== v);
  if (wrong < 0) return out;
  throw new DTypeError(`${name}: expected whole numbers, got ${data[wrong]} at position ${wrong}`, { name, position: wrong });
}
