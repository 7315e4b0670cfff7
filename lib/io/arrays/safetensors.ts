// safetensors.ts: read and write tensors by name in the safetensors format, the one PyTorch users exchange weights in.

import { DataError } from '../../errors.ts';
import { ARRAYS, DTYPE_BYTES, type DType, sizeOf } from '../../ir/op.ts';
import { custom, type Field, list, options, record, show, signature } from '../../options/index.ts';
import { anyText, bytes, file, weightsBytes, weightsOptions } from '../fields.ts';
import { type ReadOptions, type TensorData, withFile } from '../file/file.ts';
import { atOnce } from '../file/pace.ts';
import { writeWhole } from '../file/write.ts';
import { type SafetensorsHeader, serializeHeader } from './safetensors-header.ts';
import { allocate, readHeader, type Safetensors, tensorsIn } from './safetensors-read.ts';
import { readTensors } from './safetensors-shards.ts';

export type { TensorData } from '../file/file.ts';
export type { Safetensors } from './safetensors-read.ts';

/** Tensors by name, in a Map or a plain object. */
export type NamedTensors = ReadonlyMap<string, TensorData> | Readonly<Record<string, TensorData>>;

/** Options of `io.parseSafetensors` and `io.readSafetensors`. */
export interface SafetensorsOptions extends ReadOptions {
  /**
   * Names of the tensors to read. Default all; those of a dtype that is not read here are an error, then. What is not asked for does not matter, and takes
   * no memory.
   */
  readonly tensors?: readonly string[];
}

const STORED_AS: Readonly<Record<DType, string>> = { f64: 'F64', f32: 'F32', i32: 'I32', u8: 'U8' };

const names = list(anyText).optional();
const safetensorsOptions = options<SafetensorsOptions>()({ tensors: names, maxBytes: weightsBytes });
const readReadSafetensors = signature('io.readSafetensors', { file }, safetensorsOptions);

/**
 * Read a file, or all those that an index names (`model.safetensors.index.json`, whose files lie beside it): the metadata is then that of the index.
 * F16 and BF16 become f32; BOOL becomes u8, and other whole numbers i32 where every value fits. The header is checked against the size of
 * the file before anything else is read: at most 100 MB, 16 MiB of metadata, 100,000 tensors of 64 dimensions, names of 4,096 bytes.
 * @throws OptionError
 * @throws DataError with `file`, `offset` and `tensor` for anything the format does not allow, for dtypes not read here, for names in option
 * `tensors` that are not there, and for a file above `maxBytes` (default 64 GiB). Another file that lies in its place is named.
 */
export async function readSafetensors(file: string, options: SafetensorsOptions = {}): Promise<Safetensors> {
  const { tensors: wanted, maxBytes } = readReadSafetensors(arguments);
  const { tensors, metadata, unread } = await readTensors(file, maxBytes, wanted && new Set(wanted));
  for (const error of unread.values()) throw error;
  checkThere(wanted, tensors, file);
  return { tensors, metadata };
}

const readInspectSafetensors = signature('io.inspectSafetensors', { file }, weightsOptions);

/**
 * Read the header alone: names, stored dtypes, shapes, metadata. Tensors of any dtype are listed.
 * @throws OptionError
 * @throws DataError as `readSafetensors`
 */
export async function inspectSafetensors(file: string, options: ReadOptions = {}): Promise<SafetensorsHeader> {
  const { maxBytes } = readInspectSafetensors(arguments);
  return withFile(file, (handle, size) => readHeader(handle, size, file), maxBytes);
}

const readParseSafetensors = signature(
  'io.parseSafetensors',
  { bytes, file: file.default('<bytes>') },
  options<Pick<SafetensorsOptions, 'tensors'>>()({ tensors: names }),
);

/**
 * Read a safetensors file that lies in memory. The result shares no memory with `bytes`.
 * @param file what errors call it; default `<bytes>`
 * @throws OptionError; DataError as `readSafetensors`
 */
export function parseSafetensors(
  bytes: Uint8Array,
  file = '<bytes>',
  options: Pick<SafetensorsOptions, 'tensors'> = {},
): Safetensors {
  const { tensors: wanted } = readParseSafetensors(arguments);
  const { tensors, metadata, unread } = atOnce(tensorsIn(bytes, file, wanted && new Set(wanted)));
  for (const error of unread.values()) throw error;
  checkThere(wanted, tensors, file);
  return { tensors, metadata };
}

const tensors: Field<NamedTensors> = custom('tensors by name', (value, place) => {
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value))
    return value as NamedTensors;
  throw place.wrong('tensors by name', value);
});
const metadata = record(anyText, 'texts by name').default({});
const readSerialize = signature('io.serializeSafetensors', { tensors, metadata });

/**
 * The bytes of a file. The header keeps the order of `tensors`; in the data section wider dtypes come first, so that every
 * tensor is aligned to its element.
 * @throws OptionError
 * @throws DataError where a tensor's data does not fit its dtype and shape, and for what `readSafetensors` would refuse (its
 * limits).
 */
export function serializeSafetensors(tensors: NamedTensors, metadata: Readonly<Record<string, string>> = {}): Uint8Array {
  readSerialize(arguments);
  return joined(safetensorsParts(tensors, metadata));
}

/** As one array, with memory of its own. @param what for errors @throws DataError where there is none */
export function joined(parts: readonly Uint8Array[], what: string = 'safetensors'): Uint8Array<ArrayBuffer> {
  const whole = allocate({ begin: 0, end: parts.reduce((sum, { length }) => sum + length, 0) }, what);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const readWrite = signature('io.writeSafetensors', { file, tensors, metadata });

/**
 * Write a file: beside its place under another name, flushed, then renamed, and the folder flushed. So whatever happens, `file` holds either what it
 * held before or all of the new. Of a file that is replaced mode and owner stay (the latter where the system allows it), a link is followed, other
 * hard links keep the old content. Calls for one file are done in their order. What processes that are dead left of writing this file is removed.
 * The arrays must not change until the promise is settled.
 * @throws OptionError
 * @throws DataError with `file` and the system's `code` (ENOSPC, EACCES, ...), whose error is the cause; the file is as it was,
 * then.
 */
export async function writeSafetensors(
  file: string,
  tensors: NamedTensors,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  readWrite(arguments);
  await writeWhole(file, safetensorsParts(tensors, metadata));
}

/** The header and the tensors' bytes in the order of the file. */
export function safetensorsParts(tensors: NamedTensors, metadata: Readonly<Record<string, string>>): Uint8Array[] {
  const named: [string, TensorData][] =
    tensors instanceof Map ? [...tensors] : Object.entries(tensors as Readonly<Record<string, TensorData>>);
  const begin = new Map<string, number>();
  const data: Uint8Array[] = [];
  let at = 0;
  for (const [name, t] of named) checkWritable(name, t);
  for (const [name, t] of [...named].sort(([, a], [, b]) => DTYPE_BYTES[b.dtype] - DTYPE_BYTES[a.dtype])) {
    begin.set(name, at);
    data.push(new Uint8Array(t.data.buffer, t.data.byteOffset, t.data.byteLength));
    at += t.data.byteLength;
  }
  const entries = named.map(([name, t]) => ({ name, dtype: STORED_AS[t.dtype], shape: t.shape, begin: begin.get(name)! }));
  return [serializeHeader(entries, metadata), ...data];
}

function checkWritable(name: string, t: TensorData): void {
  const bad = (why: string): DataError => new DataError(`safetensors: tensor ${JSON.stringify(name)}: ${why}`, { tensor: name });
  if (typeof t !== 'object' || t === null || !Array.isArray(t.shape))
    throw bad(`expected { dtype, shape, data }, got ${show(t)}`);
  if (name === '__metadata__') throw bad('the format keeps this name for itself');
  if (!t.shape.every((d) => Number.isSafeInteger(d) && d >= 0)) {
    throw bad(`expected a shape of whole numbers from 0, got [${t.shape.map((d) => show(d))}]`);
  }
  const array = Object.hasOwn(ARRAYS, t.dtype) ? ARRAYS[t.dtype] : undefined;
  if (!array || !(t.data instanceof array)) throw bad(`expected ${array?.name ?? 'a known dtype'} for dtype ${t.dtype}`);
  if (t.data.length !== sizeOf(t.shape)) throw bad(`expected ${sizeOf(t.shape)} elements for [${t.shape}], got ${t.data.length}`);
}

function checkThere(wanted: readonly string[] | undefined, tensors: ReadonlyMap<string, TensorData>, file: string): void {
  const lost = wanted?.find((name) => !tensors.has(name));
  if (lost !== undefined) throw new DataError(`${file}: no tensor has the name ${show(lost)}`, { file, tensor: lost });
}
