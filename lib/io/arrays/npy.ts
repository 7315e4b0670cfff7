// npy.ts: numpy's arrays: one in a .npy file, several by name in a .npz file (a zip of them), of any numeric dtype and order.

import { DataError } from '../../errors.ts';
import { type Data, sizeOf } from '../../ir/op.ts';
import { list, options, show, signature } from '../../options/index.ts';
import { anyText, bytes, file, maxBytes, ofBytes, readOptions } from '../fields.ts';
import { type ReadOptions, readBytes, type TensorData } from '../file/file.ts';
import { atOnce, inTurns, Pace, type Parts } from '../file/pace.ts';
import { STORED, type Stored, swap } from './decode.ts';
import { type Fail, readNpyHeader } from './npy-header.ts';
import { checkUnpacked, unpack, unpackLater, type ZipEntry, zipEntries } from './zip.ts';

/** By what follows the byte order in `descr`. */
const KINDS: Readonly<Record<string, Stored>> = {
  ...{ f2: STORED.f16, f4: STORED.f32, f8: STORED.f64, b1: STORED.bool },
  ...{ i1: STORED.i8, i2: STORED.i16, i4: STORED.i32, i8: STORED.i64 },
  ...{ u1: STORED.u8, u2: STORED.u16, u4: STORED.u32, u8: STORED.u64 },
};

/** Options of `io.parseNpz` and `io.readNpz`. */
export interface NPZOptions extends ReadOptions {
  /** Names of the arrays to read. Default all. What is not asked for does not matter, and is not unpacked. */
  readonly arrays?: readonly string[];
}

const readReadNpy = signature('io.readNpy', { file }, readOptions);

/**
 * Read a .npy file of any version, as `numpy.save` writes it. Whole numbers become i32 where every value fits (u1 and booleans u8), f2 becomes f32,
 * other floats stay; arrays in Fortran order are reordered. At most 64 dimensions, and 64 KiB of header.
 * @throws OptionError
 * @throws DataError with `file`, and `offset` where it is malformed: objects and texts, too, are refused, and a file above `maxBytes` (default
 * 4 GiB). Another file that lies in its place is named.
 * @see numpy.load
 */
export async function readNpy(file: string, options: ReadOptions = {}): Promise<TensorData> {
  const { maxBytes } = readReadNpy(arguments);
  return inTurns(npyParts(await readBytes(file, maxBytes), file));
}

const npzOptions = options<NPZOptions>()({ arrays: list(anyText).optional(), maxBytes });
const readReadNpz = signature('io.readNpz', { file }, npzOptions);

/**
 * Read a .npz file, as `numpy.savez` and `numpy.savez_compressed` write it: arrays by name. At most 100,000 of them, each with bytes of its own, and
 * `maxBytes` (default 4 GiB) of the file and of all that is unpacked.
 * @throws OptionError
 * @throws DataError as `readNpy`; for an archive that is encrypted, in parts or damaged, and for names in option `arrays` that
 * are not there
 * @see numpy.load
 */
export async function readNpz(file: string, options: NPZOptions = {}): Promise<Map<string, TensorData>> {
  const { arrays, maxBytes } = readReadNpz(arguments);
  const bytes = await readBytes(file, maxBytes);
  const pace = new Pace();
  const read = new Map<string, TensorData>();
  for (const [name, entry] of wantedOf(await inTurns(zipEntries(bytes, file, maxBytes), pace), arrays, file)) {
    const content = await unpackLater(entry);
    await inTurns(checkUnpacked(entry, content), pace);
    read.set(name, await inTurns(npyParts(content, `${file}: ${entry.name}`), pace));
  }
  return read;
}

const readParseNpz = signature('io.parseNpz', { bytes, file: file.default('<bytes>') }, npzOptions);

/**
 * Read a .npz file that lies in memory. The result does not share memory with `bytes`.
 * @param file what errors call it; default `<bytes>`
 * @throws OptionError; DataError as `readNpz`
 * @see numpy.load
 */
export function parseNpz(bytes: Uint8Array, file = '<bytes>', options: NPZOptions = {}): Map<string, TensorData> {
  const { arrays, maxBytes } = readParseNpz(arguments);
  const read = new Map<string, TensorData>();
  for (const [name, entry] of wantedOf(atOnce(zipEntries(bytes, file, maxBytes)), arrays, file)) {
    const content = unpack(entry);
    atOnce(checkUnpacked(entry, content));
    read.set(name, atOnce(npyParts(content, `${file}: ${entry.name}`)));
  }
  return read;
}

/** Entries by the names of their arrays. */
function wantedOf(
  entries: readonly ZipEntry[],
  arrays: readonly string[] | undefined,
  file: string,
): ReadonlyMap<string, ZipEntry> {
  const all = new Map(entries.map((entry) => [entry.name.replace(/\.npy$/, ''), entry]));
  if (arrays === undefined) return all;
  const wanted = arrays.map((name): [string, ZipEntry] => {
    const entry = all.get(name);
    if (entry) return [name, entry];
    const there = [...all.keys()].slice(0, 8).join(', ');
    throw new DataError(`${file}: no array has the name ${show(name)}; there are ${there || 'none'}`, { file, name });
  });
  return new Map(wanted);
}

const readParseNpy = ofBytes('io.parseNpy');

/**
 * Read a .npy file that lies in memory. The result does not share memory with `bytes`.
 * @param file what errors call it; default `<bytes>`
 * @throws OptionError; DataError as `readNpy`
 * @see numpy.load
 */
export function parseNpy(bytes: Uint8Array, file = '<bytes>'): TensorData {
  readParseNpy(arguments);
  return atOnce(npyParts(bytes, file));
}

function* npyParts(bytes: Uint8Array, file: string): Parts<TensorData> {
  const fail: Fail = (why, offset) => new DataError(`${file}: offset ${offset}: ${why}`, { file, offset });
  const { start, descr, fortran, shape } = readNpyHeader(bytes, fail);
  const kind = Object.hasOwn(KINDS, descr.slice(1)) ? KINDS[descr.slice(1)] : undefined;
  if (!kind || !'<>|='.includes(descr[0]!)) {
    throw fail(`expected numbers or booleans, got dtype ${JSON.stringify(descr)}`, start);
  }
  const wanted = sizeOf(shape) * kind.bytes;
  if (bytes.length - start !== wanted) {
    throw fail(`expected ${wanted} bytes for [${shape}] of ${descr}, got ${bytes.length - start}`, start);
  }
  const raw = Buffer.from(new ArrayBuffer(wanted));
  for (let at = 0; at < wanted; at += COPIED) {
    raw.set(bytes.subarray(start + at, start + Math.min(wanted, at + COPIED)), at);
    yield;
  }
  if (descr[0] === '>') yield* swap(raw, kind.bytes);
  const data = yield* kind.decode(raw.buffer, (expected, value, i) => {
    return fail(`value ${i}: expected ${expected}, got ${value}`, start + i * kind.bytes);
  });
  return { dtype: kind.dtype, shape, data: fortran && shape.length > 1 ? yield* rowMajor(data, shape) : data };
}

/** Elements between two places where the event loop may have a turn, and bytes that are only copied. */
const PART = 1 << 15;
const COPIED = 1 << 22;

/** From column-major to row-major order. */
function* rowMajor(data: Data, shape: readonly number[]): Parts<Data> {
  const out = new (data.constructor as new (length: number) => Data)(data.length);
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let k = 0; k < shape.length; k++) {
    strides[k] = stride;
    stride *= shape[k]!;
  }
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
    if (i % PART === PART - 1) yield;
  }
  return out;
}
