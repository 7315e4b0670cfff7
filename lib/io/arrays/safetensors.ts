// safetensors.ts: read and write tensors by name in the safetensors format, the one PyTorch users exchange weights in.

import type { FileHandle } from 'node:fs/promises';
import { DataError } from '../../errors.ts';
import { ARRAYS, DTYPE_BYTES, type DType, sizeOf } from '../../ir/op.ts';
import { custom, type Field, list, options, record, show, signature } from '../../options/index.ts';
import { anyText, bytes, file, weightsBytes, weightsOptions } from '../fields.ts';
import { firstBytes, type ReadOptions, type TensorData, withFile } from '../file/file.ts';
import { HEAD } from '../file/kinds.ts';
import { atOnce, inTurns, Pace, type Parts } from '../file/pace.ts';
import { writeWhole } from '../file/write.ts';
import { MAX_WEIGHTS } from '../limits.ts';
import { STORED, type Stored, type Wrong } from './decode.ts';
import {
  headerLength,
  malformed,
  parseHeader,
  type SafetensorsEntry,
  type SafetensorsHeader,
  serializeHeader,
} from './safetensors-header.ts';

export type { TensorData } from '../file/file.ts';

/** What a file holds, in the order of its header. */
export interface Safetensors {
  /** The tensors by name. */
  readonly tensors: Map<string, TensorData>;
  /** The pairs of texts that its writer left; {} if there are none. */
  readonly metadata: Readonly<Record<string, string>>;
}
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

/** dtypes that are read, by the names of the format. */
const READ_AS: Readonly<Record<string, Stored>> = {
  ...{ F64: STORED.f64, F32: STORED.f32, F16: STORED.f16, BF16: STORED.bf16 },
  ...{ I64: STORED.i64, I32: STORED.i32, I16: STORED.i16, I8: STORED.i8 },
  ...{ U64: STORED.u64, U32: STORED.u32, U16: STORED.u16, U8: STORED.u8, BOOL: STORED.bool },
};
const STORED_AS: Readonly<Record<DType, string>> = { f64: 'F64', f32: 'F32', i32: 'I32', u8: 'U8' };

const names = list(anyText).optional();
const safetensorsOptions = options<SafetensorsOptions>()({ tensors: names, maxBytes: weightsBytes });
const readReadSafetensors = signature('io.readSafetensors', { file }, safetensorsOptions);

/**
 * Read a file. F16 and BF16 become f32; BOOL becomes u8, and other whole numbers i32 where every value fits. The header is checked against the size of
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

/** What of a file could not be read, and why, by name. */
export interface Unread {
  readonly unread: ReadonlyMap<string, DataError>;
}

/** Read a file for somebody to whom tensors that cannot be read may not matter. @param wanted names; not given: all */
export async function readTensors(
  file: string,
  maxBytes: number = MAX_WEIGHTS,
  wanted?: ReadonlySet<string>,
): Promise<Safetensors & Unread> {
  return withFile(
    file,
    async (handle, size) => {
      const { metadata, entries } = await readHeader(handle, size, file);
      const reading = new Reading(file, entries, wanted);
      const pace = new Pace();
      for (const block of blocksOf(reading.readable)) {
        const bytes = allocate(block, file);
        await readExactly(handle, bytes, block.begin, file);
        for (const e of block.entries) {
          const own = block.entries.length === 1 ? bytes : bytes.slice(e.begin - block.begin, e.end - block.begin);
          await inTurns(reading.decode(e, own), pace);
        }
      }
      return { metadata, ...reading.done() };
    },
    maxBytes,
  );
}

/** The same of a file that lies in memory, and stays as it is until the end. */
export function* tensorsIn(bytes: Uint8Array, file: string, wanted?: ReadonlySet<string>): Parts<Safetensors & Unread> {
  const length = headerLength(bytes, bytes.length, file);
  const { metadata, entries } = yield* parseHeader(bytes.subarray(8, 8 + length), bytes.length, file);
  const reading = new Reading(file, entries, wanted);
  for (const e of reading.readable) yield* reading.decode(e, new Uint8Array(bytes.subarray(e.begin, e.end)));
  return { metadata, ...reading.done() };
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

/** As one array, with memory of its own. @throws DataError where there is none */
export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = allocate({ begin: 0, end: parts.reduce((sum, { length }) => sum + length, 0) }, 'safetensors');
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

async function readHeader(handle: FileHandle, size: number, file: string): Promise<SafetensorsHeader> {
  const bytes = new Uint8Array(headerLength(await firstBytes(handle, HEAD), size, file));
  await readExactly(handle, bytes, 8, file);
  return inTurns(parseHeader(bytes, size, file));
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

/** Tensors that lie side by side, read at once: a read costs more than many a tensor. */
interface Block {
  readonly entries: readonly SafetensorsEntry[];
  readonly begin: number;
  readonly end: number;
}
const BLOCK = 1 << 20;

function* blocksOf(entries: readonly SafetensorsEntry[]): Generator<Block> {
  const sorted = [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end);
  for (let i = 0; i < sorted.length; ) {
    const { begin } = sorted[i]!;
    let to = i + 1;
    while (to < sorted.length && sorted[to]!.end - begin <= BLOCK) to++;
    yield { entries: sorted.slice(i, to), begin, end: sorted[to - 1]!.end };
    i = to;
  }
}

function allocate({ begin, end }: Pick<Block, 'begin' | 'end'>, file: string): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(end - begin);
  } catch (cause) {
    throw malformed(file, begin, `no memory for ${end - begin} bytes of tensors`, cause);
  }
}

/** The tensors of one file, as they are decoded, and what cannot be. */
class Reading {
  readonly readable: readonly SafetensorsEntry[];
  readonly #file: string;
  readonly #wanted: readonly SafetensorsEntry[];
  readonly #tensors = new Map<string, TensorData>();
  readonly #unread = new Map<string, DataError>();

  constructor(file: string, entries: readonly SafetensorsEntry[], wanted: ReadonlySet<string> | undefined) {
    this.#file = file;
    this.#wanted = wanted ? entries.filter(({ name }) => wanted.has(name)) : entries;
    this.readable = this.#wanted.filter(({ dtype }) => Object.hasOwn(READ_AS, dtype));
  }

  /** `bytes` has an ArrayBuffer of its own; where the width stays, the result is a view of it. */
  *decode(e: SafetensorsEntry, { buffer }: Uint8Array<ArrayBuffer>): Parts<void> {
    const { dtype, bytes, decode } = READ_AS[e.dtype]!;
    const wrong: Wrong = (expected, value, i) => {
      const why = `tensor ${JSON.stringify(e.name)}: element ${i} of ${e.dtype}: expected ${expected}, got ${value}`;
      return malformed(this.#file, e.begin + bytes * i, why, undefined, e.name);
    };
    try {
      this.#tensors.set(e.name, { dtype, shape: e.shape, data: yield* decode(buffer, wrong) });
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      this.#unread.set(e.name, error);
    }
  }

  /** In the order of the header. */
  done(): Pick<Safetensors, 'tensors'> & Unread {
    const tensors = new Map<string, TensorData>();
    const unread = new Map<string, DataError>();
    for (const e of this.#wanted) {
      const t = this.#tensors.get(e.name);
      if (t) tensors.set(e.name, t);
      else unread.set(e.name, this.#unread.get(e.name) ?? this.#unknown(e));
    }
    return { tensors, unread };
  }

  #unknown(e: SafetensorsEntry): DataError {
    const known = Object.keys(READ_AS).join(', ');
    const why = `tensor ${JSON.stringify(e.name)}: expected dtype ${known}, got ${e.dtype}; option tensors names those to read`;
    return malformed(this.#file, e.begin, why, undefined, e.name);
  }
}

function checkThere(wanted: readonly string[] | undefined, tensors: ReadonlyMap<string, TensorData>, file: string): void {
  const lost = wanted?.find((name) => !tensors.has(name));
  if (lost !== undefined) throw new DataError(`${file}: no tensor has the name ${show(lost)}`, { file, tensor: lost });
}
