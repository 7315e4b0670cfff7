// arrays.ts: named arrays with shapes, as data sets and the functions here take them, and their checks.
import { DetachedError, OptionError, ShapeError } from '../errors.ts';
import { type Data, type DType, sizeOf } from '../ir/op.ts';

/** An array with a shape; rows are the first dimension. */
export interface NdArray {
  readonly data: Data;
  readonly shape: readonly number[];
}

/** Named arrays with the same number of rows. A bare typed array is one value a row. */
export type Arrays = Readonly<Record<string, NdArray | Data>>;

export function dtypeOf(data: unknown, name = 'data'): DType {
  if (data instanceof Float32Array) return 'f32';
  if (data instanceof Float64Array) return 'f64';
  if (data instanceof Int32Array) return 'i32';
  if (data instanceof Uint8Array) return 'u8';
  const given = data === null ? 'null' : typeof data === 'object' ? (data.constructor?.name ?? 'object') : typeof data;
  throw new OptionError(`${name}: expected Float32Array, Float64Array, Int32Array or Uint8Array, got ${given}`, { name });
}

/** Check one array and give it its shape. */
export function ndarray(name: string, x: NdArray | Data): NdArray {
  const array: NdArray = ArrayBuffer.isView(x) ? { data: x as Data, shape: [(x as Data).length] } : x;
  dtypeOf(array?.data, name);
  const { data, shape } = array;
  if (isDetached(data)) throw new DetachedError(`${name}: the array has no memory: it was transferred`, { name });
  if (!Array.isArray(shape) || shape.length === 0 || shape.some((d) => !Number.isInteger(d) || d < 0)) {
    throw new ShapeError(`${name}: expected a shape of whole numbers with rows first, got [${shape}]`, { name, shape });
  }
  if (sizeOf(shape) !== data.length) {
    throw new ShapeError(`${name}: expected ${sizeOf(shape)} elements for [${shape}], got ${data.length}`, { name, shape });
  }
  return array;
}

function isDetached({ buffer, length }: Data): boolean {
  if (length > 0) return false;
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
      throw new ShapeError(`${name}: expected ${first[1].shape[0]} rows as ${first[0]} has, got ${a.shape[0]}`, { name });
    }
  }
  return new Map(entries);
}
