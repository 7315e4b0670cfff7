// npy.ts: numpy's arrays: one in a .npy file, several by name in a .npz file (a zip of them), of any numeric dtype and order.

import { readFile } from 'node:fs/promises';
import { DataError } from '../errors.ts';
import { type Data, type DType, sizeOf } from '../ir/op.ts';
import { ofBytes, ofFile } from './fields.ts';
import { fileError, type TensorData } from './file.ts';
import { halfToNumber } from './half.ts';
import { unzip } from './zip.ts';

interface Kind {
  readonly bytes: number;
  readonly dtype: DType;
  /** The values in bytes of this machine's order, in memory of their own. `where` is for errors. */
  readonly decode: (raw: ArrayBuffer, where: (why: string) => DataError) => Data;
}

/** Whole numbers that i32 may not hold. */
const narrowed: (values: ArrayLike<number | bigint>, where: (why: string) => DataError) => Int32Array = (values, where) => {
  const out = new Int32Array(values.length);
  for (let i = 0; i < out.length; i++) {
    out[i] = Number(values[i]);
    if (out[i] !== Number(values[i])) throw where(`value ${i}: expected a whole number within i32, got ${values[i]}`);
  }
  return out;
};

/** By what follows the byte order in `descr`. Whole numbers become i32, but for u1 and b1 (booleans); f2 becomes f32. */
const KINDS: Readonly<Record<string, Kind>> = {
  f4: { bytes: 4, dtype: 'f32', decode: (raw) => new Float32Array(raw) },
  f8: { bytes: 8, dtype: 'f64', decode: (raw) => new Float64Array(raw) },
  f2: { bytes: 2, dtype: 'f32', decode: (raw) => Float32Array.from(new Uint16Array(raw), halfToNumber) },
  u1: { bytes: 1, dtype: 'u8', decode: (raw) => new Uint8Array(raw) },
  b1: { bytes: 1, dtype: 'u8', decode: (raw) => new Uint8Array(raw) },
  i4: { bytes: 4, dtype: 'i32', decode: (raw) => new Int32Array(raw) },
  i1: { bytes: 1, dtype: 'i32', decode: (raw) => Int32Array.from(new Int8Array(raw)) },
  i2: { bytes: 2, dtype: 'i32', decode: (raw) => Int32Array.from(new Int16Array(raw)) },
  u2: { bytes: 2, dtype: 'i32', decode: (raw) => Int32Array.from(new Uint16Array(raw)) },
  u4: { bytes: 4, dtype: 'i32', decode: (raw, where) => narrowed(new Uint32Array(raw), where) },
  i8: { bytes: 8, dtype: 'i32', decode: (raw, where) => narrowed(new BigInt64Array(raw), where) },
  u8: { bytes: 8, dtype: 'i32', decode: (raw, where) => narrowed(new BigUint64Array(raw), where) },
};

const readReadNpy = ofFile('io.readNpy');

/**
 * Read a .npy file, as `numpy.save` writes it. Whole numbers become i32 (u1 and booleans u8), f2 becomes f32, other floats stay; arrays in
 * Fortran order are reordered.
 * @throws DataError with `file`, and `offset` where it is malformed: objects and texts, too, are refused
 */
export async function readNpy(file: string): Promise<TensorData> {
  readReadNpy(arguments);
  return parseNpy(await bytesOf(file), file);
}

const readReadNpz = ofFile('io.readNpz');

/** Read a .npz file, as `numpy.savez` and `numpy.savez_compressed` write it: arrays by name. @throws DataError as `readNpy` */
export async function readNpz(file: string): Promise<Map<string, TensorData>> {
  readReadNpz(arguments);
  return parseNpz(await bytesOf(file), file);
}

const readParseNpz = ofBytes('io.parseNpz');

/** The same from memory. */
export function parseNpz(bytes: Uint8Array, file = '<bytes>'): Map<string, TensorData> {
  readParseNpz(arguments);
  const entries = [...unzip(bytes, file)].map(([name, content]) => {
    return [name.replace(/\.npy$/, ''), parseNpy(content, `${file}: ${name}`)] as const;
  });
  return new Map(entries);
}

const readParseNpy = ofBytes('io.parseNpy');

/** The same from memory. The result does not share memory with `bytes`. */
export function parseNpy(bytes: Uint8Array, file = '<bytes>'): TensorData {
  readParseNpy(arguments);
  const fail = (why: string, offset: number): DataError => new DataError(`${file}: offset ${offset}: ${why}`, { file, offset });
  const { start, descr, fortran, shape } = readHead(bytes, fail);
  const kind = KINDS[descr.slice(1)];
  if (!kind || !'<>|='.includes(descr[0]!)) {
    throw fail(`expected numbers or booleans, got dtype ${JSON.stringify(descr)}`, start);
  }
  const wanted = sizeOf(shape) * kind.bytes;
  if (bytes.length - start !== wanted) {
    throw fail(`expected ${wanted} bytes for [${shape}] of ${descr}, got ${bytes.length - start}`, start);
  }
  const raw = Buffer.from(new ArrayBuffer(wanted));
  raw.set(bytes.subarray(start));
  if (descr[0] === '>' && kind.bytes > 1) kind.bytes === 2 ? raw.swap16() : kind.bytes === 4 ? raw.swap32() : raw.swap64();
  const data = kind.decode(raw.buffer, (why) => fail(why, start));
  return { dtype: kind.dtype, shape, data: fortran && shape.length > 1 ? rowMajor(data, shape) : data };
}

const MAGIC = Buffer.from('\x93NUMPY', 'latin1');

interface Head {
  /** Where the data begin. */
  readonly start: number;
  readonly descr: string;
  readonly fortran: boolean;
  readonly shape: readonly number[];
}

function readHead(bytes: Uint8Array, fail: (why: string, offset: number) => DataError): Head {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (!head.subarray(0, 6).equals(MAGIC)) throw fail('expected a .npy file (\\x93NUMPY first)', 0);
  const wide = head[6]! > 1;
  const from = wide ? 12 : 10;
  if (head.length < from || head[6]! < 1 || head[6]! > 3) throw fail(`expected format 1, 2 or 3, got ${head[6] ?? 'nothing'}`, 6);
  const start = from + (wide ? head.readUInt32LE(8) : head.readUInt16LE(8));
  if (start > head.length) throw fail(`expected a header of ${start} bytes, the file ends after ${head.length}`, 8);
  const text = head.toString('utf8', from, start);
  // A Python dict of exactly these keys, in any order.
  const take = (pattern: string): string | null => new RegExp(`^\\s*\\{.*?${pattern}`, 's').exec(text)?.[1] ?? null;
  const descr = take(`'descr'\\s*:\\s*'([^']*)'`);
  const fortran = take(`'fortran_order'\\s*:\\s*(True|False)`);
  const dims = take(`'shape'\\s*:\\s*\\(([0-9,\\sL]*)\\)`);
  if (descr === null || fortran === null || dims === null || !text.trimEnd().endsWith('}')) {
    throw fail(
      `expected descr of one number each, fortran_order and shape, got ${JSON.stringify(text.trim().slice(0, 120))}`,
      from,
    );
  }
  const shape = dims
    .split(',')
    .map((d) => d.trim().replace(/L$/, ''))
    .filter((d) => d !== '')
    .map(Number);
  if (!shape.every(Number.isSafeInteger) || !Number.isSafeInteger(sizeOf(shape)))
    throw fail(`a shape that makes no sense: (${dims})`, from);
  return { start, descr, fortran: fortran === 'True', shape };
}

/** From column-major to row-major order. */
function rowMajor(data: Data, shape: readonly number[]): Data {
  const out = data.slice();
  const strides = shape.map((_, k) => sizeOf(shape.slice(0, k)));
  const at = new Array<number>(shape.length).fill(0);
  let from = 0;
  for (let i = 0; i < out.length; i++) {
    out[i] = data[from]!;
    for (let k = shape.length - 1; k >= 0; k--) {
      from += strides[k]!;
      if (++at[k]! < shape[k]!) break;
      from -= strides[k]! * shape[k]!;
      at[k] = 0;
    }
  }
  return out;
}

async function bytesOf(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    throw fileError(file, error);
  }
}
