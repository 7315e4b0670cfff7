// safetensors.ts: read and write tensors by name in the safetensors format, the one PyTorch users exchange weights in.

import type { FileHandle } from 'node:fs/promises';
import { DataError } from '../errors.ts';
import { ARRAYS, type Data, DTYPE_BYTES, type DType, sizeOf } from '../ir/op.ts';
import { custom, type Field, record, show, signature } from '../options/index.ts';
import { file, ofBytes, ofFile } from './fields.ts';
import { type TensorData, withFile } from './file.ts';
import { halfToNumber } from './half.ts';
import {
  headerLength,
  malformed,
  parseHeader,
  type SafetensorsEntry,
  type SafetensorsHeader,
  STORED_BYTES,
  type StoredDType,
  serializeHeader,
} from './safetensors-header.ts';
import { writeWhole } from './write.ts';

export type { TensorData } from './file.ts';

/** What a file holds, in the order of its header. */
export interface Safetensors {
  readonly tensors: Map<string, TensorData>;
  readonly metadata: Readonly<Record<string, string>>;
}
export type NamedTensors = ReadonlyMap<string, TensorData> | Readonly<Record<string, TensorData>>;

/** dtypes that are read; F16 and BF16 are widened to f32, I64 is narrowed to i32 where every value fits. */
const READ_AS: Readonly<Record<StoredDType, DType>> = {
  F64: 'f64',
  F32: 'f32',
  F16: 'f32',
  BF16: 'f32',
  I64: 'i32',
  I32: 'i32',
  U8: 'u8',
};
const STORED_AS: Readonly<Record<DType, StoredDType>> = { f64: 'F64', f32: 'F32', i32: 'I32', u8: 'U8' };

const readReadSafetensors = ofFile('io.readSafetensors');

/**
 * Read a file. Only what the header says is read, and the header is checked against the size of the file before that.
 * @throws DataError with `file`, `offset` and `tensor` for anything the format does not allow, and for dtypes not read here.
 */
export async function readSafetensors(file: string): Promise<Safetensors> {
  readReadSafetensors(arguments);
  return withFile(file, async (handle, size) => {
    const { metadata, entries } = await readHeader(handle, size, file);
    for (const e of entries) checkReadable(e, file);
    const tensors = new Map<string, TensorData>();
    for (const e of entries) {
      const bytes = allocate(e, file);
      await readExactly(handle, bytes, e.begin, file);
      tensors.set(e.name, decode(e, bytes, file));
    }
    return { tensors, metadata };
  });
}

const readInspectSafetensors = ofFile('io.inspectSafetensors');

/** Read the header alone: names, stored dtypes, shapes, metadata. Tensors of any dtype are listed. */
export async function inspectSafetensors(file: string): Promise<SafetensorsHeader> {
  readInspectSafetensors(arguments);
  return withFile(file, (handle, size) => readHeader(handle, size, file));
}

const readParseSafetensors = ofBytes('io.parseSafetensors');

/** The same as readSafetensors, from memory. The result shares no memory with `bytes`. */
export function parseSafetensors(bytes: Uint8Array, file = '<bytes>'): Safetensors {
  readParseSafetensors(arguments);
  const length = headerLength(bytes, bytes.length, file);
  const { metadata, entries } = parseHeader(bytes.subarray(8, 8 + length), bytes.length, file);
  for (const e of entries) checkReadable(e, file);
  const tensors = new Map<string, TensorData>();
  for (const e of entries) tensors.set(e.name, decode(e, new Uint8Array(bytes.subarray(e.begin, e.end)), file));
  return { tensors, metadata };
}

const tensors: Field<NamedTensors> = custom('tensors by name', (value, place) => {
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value))
    return value as NamedTensors;
  throw place.wrong('tensors by name', value);
});
const metadata = record(
  custom<string>(
    'a text',
    (value, place) => {
      if (typeof value !== 'string') throw place.wrong('a text', value);
      return value;
    },
    { type: 'string' },
  ),
  'texts by name',
).default({});
const readSerialize = signature('io.serializeSafetensors', { tensors, metadata });

/**
 * The bytes of a file. The header keeps the order of `tensors`; in the data section wider dtypes come first, so that every
 * tensor is aligned to its element.
 * @throws DataError where a tensor's data does not fit its dtype and shape.
 */
export function serializeSafetensors(tensors: NamedTensors, metadata: Readonly<Record<string, string>> = {}): Uint8Array {
  readSerialize(arguments);
  return Buffer.concat(pieces(tensors, metadata));
}

const readWrite = signature('io.writeSafetensors', { file, tensors, metadata });

/**
 * Write a file: beside its place under another name, flushed, then renamed, and the folder flushed. So whatever happens, `file` holds either what it
 * held before or all of the new. Of a file that is replaced mode and owner stay (the latter where the system allows it), a link is followed, other
 * hard links keep the old content. Calls for one file are done in their order. What processes that are dead left of writing this file is removed.
 * The arrays must not change until the promise is settled.
 * @throws DataError with `file` and the system's `code` (ENOSPC, EACCES, ...), whose error is the cause; the file is as it was, then.
 */
export async function writeSafetensors(
  file: string,
  tensors: NamedTensors,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  readWrite(arguments);
  await writeWhole(file, pieces(tensors, metadata));
}

/** The header and the tensors' bytes in the order of the file. */
function pieces(tensors: NamedTensors, metadata: Readonly<Record<string, string>>): Uint8Array[] {
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
  const array = ARRAYS[t.dtype] as (typeof ARRAYS)[DType] | undefined;
  if (!array || !(t.data instanceof array)) throw bad(`expected ${array?.name ?? 'a known dtype'} for dtype ${t.dtype}`);
  if (t.data.length !== sizeOf(t.shape)) throw bad(`expected ${sizeOf(t.shape)} elements for [${t.shape}], got ${t.data.length}`);
}

async function readHeader(handle: FileHandle, size: number, file: string): Promise<SafetensorsHeader> {
  const prefix = new Uint8Array(Math.min(8, size));
  await readExactly(handle, prefix, 0, file);
  const bytes = new Uint8Array(headerLength(prefix, size, file));
  await readExactly(handle, bytes, 8, file);
  return parseHeader(bytes, size, file);
}

/** Fill `out` from `position`. One read gives at most 2 GiB, and less when a signal comes. */
async function readExactly(handle: FileHandle, out: Uint8Array, position: number, file: string): Promise<void> {
  let done = 0;
  while (done < out.length) {
    const length = Math.min(out.length - done, 1 << 30);
    const { bytesRead } = await handle.read(out, done, length, position + done);
    if (bytesRead === 0) throw malformed(file, position + done, 'the file became shorter while it was read');
    done += bytesRead;
  }
}

function allocate(e: SafetensorsEntry, file: string): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(e.end - e.begin);
  } catch (cause) {
    throw malformed(file, e.begin, `no memory for the ${e.end - e.begin} bytes of tensor ${e.name}`, cause, e.name);
  }
}

function checkReadable(e: SafetensorsEntry, file: string): void {
  if (!Object.hasOwn(STORED_BYTES, e.dtype)) {
    const known = Object.keys(STORED_BYTES).join(', ');
    throw malformed(
      file,
      e.begin,
      `tensor ${JSON.stringify(e.name)}: expected dtype ${known}, got ${e.dtype}`,
      undefined,
      e.name,
    );
  }
}

/** `bytes` has an ArrayBuffer of its own; where the width stays, the result is a view of it. */
function decode(e: SafetensorsEntry, bytes: Uint8Array<ArrayBuffer>, file: string): TensorData {
  const stored = e.dtype as StoredDType;
  const dtype = READ_AS[stored];
  return { dtype, shape: e.shape, data: decodeAs(stored, bytes, e, file) };
}

function decodeAs(stored: StoredDType, { buffer }: Uint8Array<ArrayBuffer>, e: SafetensorsEntry, file: string): Data {
  switch (stored) {
    case 'F16':
      return new Float32Array(new Uint16Array(buffer)).map(halfToNumber);
    case 'BF16':
      return new Float32Array(new Uint32Array(new Uint16Array(buffer)).map((bits) => bits << 16).buffer);
    case 'I64':
      return narrow(new BigInt64Array(buffer), e, file);
    default:
      return new ARRAYS[READ_AS[stored]](buffer);
  }
}

function narrow(values: BigInt64Array, e: SafetensorsEntry, file: string): Int32Array {
  const out = new Int32Array(values.length);
  values.forEach((value, i) => {
    if (BigInt.asIntN(32, value) !== value) {
      const why = `tensor ${JSON.stringify(e.name)}: I64 is read as i32, and element ${i} is ${value}`;
      throw malformed(file, e.begin + 8 * i, why, undefined, e.name);
    }
    out[i] = Number(value);
  });
  return out;
}
