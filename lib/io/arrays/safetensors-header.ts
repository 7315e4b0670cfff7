// safetensors-header.ts: the header of a safetensors file, read strictly and written. Names, dtypes, shapes, places; no data.
import { DataError } from '../../errors.ts';
import { sizeOf } from '../../ir/op.ts';
import { show } from '../../options/index.ts';
import { otherKind } from '../file/kinds.ts';
import type { Parts } from '../file/pace.ts';
import { JsonCursor } from '../json-cursor.ts';
import { MAX_HEADER, MAX_METADATA, MAX_NAME, MAX_RANK, MAX_TENSORS } from '../limits.ts';

/** Bits of one element, by the names the format uses. Files with other dtypes can be inspected. */
const BITS: Readonly<Record<string, number>> = {
  ...{ F64: 64, F32: 32, F16: 16, BF16: 16, C64: 64 },
  ...{ I64: 64, I32: 32, I16: 16, I8: 8, U64: 64, U32: 32, U16: 16, U8: 8, BOOL: 8 },
  ...{ F8_E4M3: 8, F8_E5M2: 8, F8_E8M0: 8, F8_E4M3FNUZ: 8, F8_E5M2FNUZ: 8, F6_E2M3: 6, F6_E3M2: 6, F4: 4 },
};

/** One tensor as the header describes it. */
export interface SafetensorsEntry {
  /** Name of the tensor. */
  readonly name: string;
  /** The dtype as stored: any name the format's writers use, so that files with other dtypes can be inspected. */
  readonly dtype: string;
  /** The dimensions; [] is a scalar. */
  readonly shape: readonly number[];
  /** Its first byte, from the start of the file. */
  readonly begin: number;
  /** The byte after its last one, from the start of the file. */
  readonly end: number;
}

/** What the header of a file says. */
export interface SafetensorsHeader {
  /** The pairs of texts that its writer left; {} if there are none. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The tensors in the order of the header. */
  readonly entries: readonly SafetensorsEntry[];
}

const PREFIX = 8;

/**
 * Length in bytes of the JSON that follows the first 8 bytes.
 * @param head the first bytes of the file, `HEAD` of them or all there are
 * @param size of the whole file
 */
export function headerLength(head: Uint8Array, size: number, file: string): number {
  // Nearly always another file that lies in its place: what it is says more than what is wrong with its first bytes.
  const other = otherKind(head, 'a safetensors file');
  if (other !== null) throw malformed(file, 0, `expected a safetensors file, got ${other}`);
  if (head.length < PREFIX) throw malformed(file, 0, `expected 8 bytes of header length, the file has ${head.length}`);
  const length = new DataView(head.buffer, head.byteOffset, PREFIX).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER)) {
    const why = `expected a header of at most ${MAX_HEADER} bytes, got ${length}: this is no safetensors file`;
    throw malformed(file, 0, why);
  }
  if (Number(length) > size - PREFIX) {
    throw malformed(file, 0, `expected a header of ${length} bytes, the file has ${size - PREFIX} after the first 8`);
  }
  return Number(length);
}

/** Tensors of the header between two places where the event loop may have a turn. */
const PART = 512;

/**
 * Check everything the header says against the size of the file: unique names, known fields, ranges that tile the data exactly.
 * @param bytes the JSON alone
 * @param size of the whole file
 */
export function* parseHeader(bytes: Uint8Array, size: number, file: string): Parts<SafetensorsHeader> {
  const json = new JsonCursor(bytes, (why, at) => malformed(file, PREFIX + at, `the header is not JSON in UTF-8: ${why}`));
  if (bytes[0] !== 0x7b) throw malformed(file, PREFIX, 'expected the header to begin with {');
  const dataStart = PREFIX + bytes.length;
  let metadata: Record<string, string> | null = null;
  const entries = new Map<string, SafetensorsEntry>();
  const twice = (name: string): DataError =>
    malformed(file, PREFIX + json.at, `the header has the key ${JSON.stringify(name)} twice`);
  for (const name of json.keys(MAX_NAME)) {
    if (name === '__metadata__') {
      if (metadata !== null) throw twice(name);
      metadata = yield* metadataAt(json, file);
      continue;
    }
    if (entries.has(name)) throw twice(name);
    if (entries.size === MAX_TENSORS)
      throw malformed(file, PREFIX + json.at, `expected at most ${MAX_TENSORS} tensors, got more`);
    entries.set(name, entryAt(json, name, dataStart, file));
    if (entries.size % PART === 0) yield;
  }
  if (json.peek() !== '') throw json.wrong('the end');
  const all = [...entries.values()];
  checkTiling(all, dataStart, size, file);
  return { metadata: metadata ?? {}, entries: all };
}

/**
 * The first 8 bytes and the JSON, padded with spaces so that the data begins at a multiple of 8. Offsets are those of `entries`.
 * @throws DataError for what `parseHeader` would refuse
 */
export function serializeHeader(
  entries: readonly Omit<SafetensorsEntry, 'end'>[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const tooMuch = (what: string, most: number, got: number, tensor?: string): DataError =>
    new DataError(`safetensors: ${what}: expected at most ${most}, got ${got}`, tensor === undefined ? {} : { tensor });
  if (entries.length > MAX_TENSORS) throw tooMuch('tensors', MAX_TENSORS, entries.length);
  const fields = entries.map(({ name, dtype, shape, begin }) => {
    const written = JSON.stringify(name);
    const length = Buffer.byteLength(written) - 2;
    if (length > MAX_NAME) throw tooMuch(`bytes of the name ${show(name)}`, MAX_NAME, length, name);
    if (shape.length > MAX_RANK) throw tooMuch(`dimensions of ${show(name)}`, MAX_RANK, shape.length, name);
    const bytes = (sizeOf(shape) * BITS[dtype]!) / 8;
    return `${written}:${JSON.stringify({ dtype, shape, data_offsets: [begin, begin + bytes] })}`;
  });
  if (Object.keys(metadata).length > 0) {
    const written = JSON.stringify(metadata);
    const length = Buffer.byteLength(written);
    if (length > MAX_METADATA) throw tooMuch('bytes of metadata', MAX_METADATA, length);
    fields.unshift(`"__metadata__":${written}`);
  }
  // Written entry by entry: an object would move names like "0" to the front, and lose one named __proto__.
  const text = Buffer.from(`{${fields.join(',')}}`);
  const padded = Math.ceil(text.length / 8) * 8;
  if (padded > MAX_HEADER) throw tooMuch('bytes of the header', MAX_HEADER, padded);
  const out = Buffer.alloc(PREFIX + padded, ' ');
  out.writeBigUInt64LE(BigInt(padded), 0);
  out.set(text, PREFIX);
  return out;
}

/** Texts by name. Some writers say null where there are none. */
function* metadataAt(json: JsonCursor, file: string): Parts<Record<string, string>> {
  const from = json.at;
  const bad = (why: string): DataError => malformed(file, PREFIX + json.at, why);
  if (json.peek() === 'n') {
    json.skip(0);
    return {};
  }
  if (json.peek() !== '{') throw bad('expected __metadata__ to be an object of strings');
  const pairs = new Map<string, string>();
  for (const key of json.keys(MAX_METADATA)) {
    if (pairs.has(key)) throw bad(`the header has the key ${JSON.stringify(key)} twice`);
    if (json.peek() !== '"') throw bad(`expected __metadata__.${key} to be a string, got ${JSON.stringify(json.peek())}`);
    pairs.set(key, yield* json.longText(MAX_METADATA));
    if (json.at - from > MAX_METADATA) throw bad(`expected at most ${MAX_METADATA} bytes of metadata, got more`);
  }
  return Object.fromEntries(pairs);
}

/** Longest names of fields and dtypes. */
const MAX_WORD = 64;

function entryAt(json: JsonCursor, name: string, dataStart: number, file: string): SafetensorsEntry {
  const from = PREFIX + json.at;
  const bad = (why: string): DataError => malformed(file, from, `tensor ${JSON.stringify(name)}: ${why}`, undefined, name);
  if (json.peek() !== '{') throw bad('expected an object');
  let dtype: string | undefined;
  let shape: number[] | undefined;
  let range: number[] | undefined;
  const once = (key: string, before: unknown): void => {
    if (before !== undefined) throw bad(`the header has the key ${JSON.stringify(key)} twice`);
  };
  for (const key of json.keys(MAX_WORD)) {
    if (key === 'dtype') {
      once(key, dtype);
      if (json.peek() !== '"') throw bad('expected dtype to be a string');
      dtype = json.text(MAX_WORD);
    } else if (key === 'shape') {
      once(key, shape);
      shape = json.wholes(MAX_RANK) ?? undefined;
      if (!shape) throw bad(`expected shape to be an array of non-negative integers, at most ${MAX_RANK} of them`);
    } else if (key === 'data_offsets') {
      once(key, range);
      range = json.wholes(2) ?? undefined;
      if (range?.length !== 2 || range[0]! > range[1]!) throw bad('expected data_offsets to be [begin, end]');
    } else json.skip(MAX_NAME);
  }
  if (dtype === undefined) throw bad('expected dtype to be a string, it is missing');
  if (shape === undefined) throw bad('expected shape to be an array of non-negative integers, it is missing');
  if (range === undefined) throw bad('expected data_offsets to be [begin, end], they are missing');
  const [begin, end] = range as [number, number];
  const bits = Object.hasOwn(BITS, dtype) ? BITS[dtype]! : undefined;
  // `!(a === b)` and not `a !== b` for sizes that overflow to NaN.
  if (bits !== undefined && !(sizeOf(shape) * bits === (end - begin) * 8)) {
    throw bad(`expected ${(sizeOf(shape) * bits) / 8} bytes for ${dtype}[${shape}], got ${end - begin}`);
  }
  return { name, dtype, shape, begin: dataStart + begin, end: dataStart + end };
}

/** Each range must begin where the one before ends; the last must end with the file. */
function checkTiling(entries: readonly SafetensorsEntry[], dataStart: number, size: number, file: string): void {
  let at = dataStart;
  for (const e of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (e.begin !== at) {
      const what = e.begin < at ? 'overlaps the tensor before it' : `leaves ${e.begin - at} bytes unused before it`;
      throw malformed(file, e.begin, `tensor ${JSON.stringify(e.name)} ${what}`, undefined, e.name);
    }
    at = e.end;
  }
  if (at !== size) throw malformed(file, Math.min(at, size), `expected the file to end at ${at}, it has ${size} bytes`);
}

/** A DataError with `file`, `offset` and, where one is concerned, `tensor`. */
export function malformed(file: string, offset: number, why: string, cause?: unknown, tensor?: string): DataError {
  const details = { file, offset, ...(tensor === undefined ? {} : { tensor }) };
  return new DataError(`${file}: offset ${offset}: ${why}`, details, cause === undefined ? undefined : { cause });
}
