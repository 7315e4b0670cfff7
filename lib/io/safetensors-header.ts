// safetensors-header.ts: the header of a safetensors file, read strictly and written. Names, dtypes, shapes, places; no data.
import { DataError } from '../errors.ts';
import { sizeOf } from '../ir/op.ts';

/** Bytes of one element, by the names the format uses. */
export const STORED_BYTES = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, U8: 1 } as const;
export type StoredDType = keyof typeof STORED_BYTES;

/** One tensor as the header describes it. */
export interface SafetensorsEntry {
  readonly name: string;
  /** As stored; any name the format's writers use, so that files with other dtypes can be inspected. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** First byte, and the one after the last, from the start of the file. */
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly metadata: Readonly<Record<string, string>>;
  /** In the order of the header; names that are plain integers first. */
  readonly entries: readonly SafetensorsEntry[];
}

/** Larger headers are refused, as the format's own reader does. */
const MAX_HEADER = 100_000_000;
const PREFIX = 8;

/**
 * Length in bytes of the JSON that follows the first 8 bytes.
 * @param prefix at least the first 8 bytes of the file, or all there is
 * @param size of the whole file
 */
export function headerLength(prefix: Uint8Array, size: number, file: string): number {
  if (prefix.length < PREFIX) throw malformed(file, 0, `expected 8 bytes of header length, the file has ${prefix.length}`);
  const length = new DataView(prefix.buffer, prefix.byteOffset, PREFIX).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER)) throw malformed(file, 0, `expected a header of at most ${MAX_HEADER} bytes, got ${length}`);
  if (Number(length) > size - PREFIX) {
    throw malformed(file, 0, `expected a header of ${length} bytes, the file has ${size - PREFIX} after the first 8`);
  }
  return Number(length);
}

/**
 * Check everything the header says against the size of the file: unique names, known fields, ranges that tile the data exactly.
 * @param bytes the JSON alone
 * @param size of the whole file
 */
export function parseHeader(bytes: Uint8Array, size: number, file: string): SafetensorsHeader {
  const json = parseJson(bytes, file);
  const dataStart = PREFIX + bytes.length;
  let metadata: Record<string, string> = {};
  const entries: SafetensorsEntry[] = [];
  for (const [name, value] of Object.entries(json)) {
    if (name === '__metadata__') metadata = checkMetadata(value, file);
    else entries.push(checkEntry(name, value, dataStart, file));
  }
  checkTiling(entries, dataStart, size, file);
  return { metadata, entries };
}

/** The first 8 bytes and the JSON, padded with spaces so that the data begins at a multiple of 8. Offsets are those of `entries`. */
export function serializeHeader(
  entries: readonly Omit<SafetensorsEntry, 'end'>[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const fields = entries.map((e) => {
    const bytes = sizeOf(e.shape) * STORED_BYTES[e.dtype as StoredDType];
    return [e.name, { dtype: e.dtype, shape: e.shape, data_offsets: [e.begin, e.begin + bytes] }] as const;
  });
  // Written entry by entry: an object would move names like "0" to the front, and lose one named __proto__.
  const all = Object.keys(metadata).length > 0 ? [['__metadata__', metadata] as const, ...fields] : fields;
  const json = `{${all.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`;
  const text = Buffer.from(json);
  const padded = Math.ceil(text.length / 8) * 8;
  const out = Buffer.alloc(PREFIX + padded, ' ');
  out.writeBigUInt64LE(BigInt(padded), 0);
  out.set(text, PREFIX);
  return out;
}

function parseJson(bytes: Uint8Array, file: string): Record<string, unknown> {
  let text: string;
  let json: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    json = JSON.parse(text);
  } catch (cause) {
    throw malformed(file, PREFIX, `the header is not JSON in UTF-8 (${(cause as Error).message})`, cause);
  }
  if (text[0] !== '{') throw malformed(file, PREFIX, 'expected the header to begin with {');
  const twice = duplicateKey(text);
  if (twice) {
    const offset = PREFIX + Buffer.byteLength(text.slice(0, twice.index));
    throw malformed(file, offset, `the header has the key ${JSON.stringify(twice.key)} twice`);
  }
  return json as Record<string, unknown>;
}

/** The first key that stands twice in one object of valid JSON: JSON.parse silently keeps the last. */
function duplicateKey(text: string): { key: string; index: number } | null {
  const open: Set<string>[] = [];
  for (const token of text.matchAll(/[{}]|("(?:[^"\\]|\\.)*")(\s*:)?/g)) {
    if (token[0] === '{') open.push(new Set());
    else if (token[0] === '}') open.pop();
    else if (token[2] !== undefined) {
      const key = JSON.parse(token[1]!) as string;
      const keys = open.at(-1)!;
      if (keys.has(key)) return { key, index: token.index };
      keys.add(key);
    }
  }
  return null;
}

function checkMetadata(value: unknown, file: string): Record<string, string> {
  if (!isObject(value)) throw malformed(file, PREFIX, 'expected __metadata__ to be an object of strings');
  for (const [key, v] of Object.entries(value)) {
    if (typeof v !== 'string') throw malformed(file, PREFIX, `expected __metadata__.${key} to be a string, got ${typeof v}`);
  }
  return value as Record<string, string>;
}

function checkEntry(name: string, value: unknown, dataStart: number, file: string): SafetensorsEntry {
  const bad = (why: string): DataError => malformed(file, PREFIX, `tensor ${JSON.stringify(name)}: ${why}`, undefined, name);
  if (!isObject(value)) throw bad('expected an object');
  const { dtype, shape, data_offsets: range } = value;
  if (typeof dtype !== 'string') throw bad('expected dtype to be a string');
  if (!Array.isArray(shape) || !shape.every(isCount)) throw bad('expected shape to be an array of non-negative integers');
  if (!Array.isArray(range) || range.length !== 2 || !range.every(isCount) || range[0] > range[1]) {
    throw bad('expected data_offsets to be [begin, end]');
  }
  const [begin, end] = range as [number, number];
  const width = Object.hasOwn(STORED_BYTES, dtype) ? STORED_BYTES[dtype as StoredDType] : undefined;
  // `!(a === b)` and not `a !== b` for sizes that overflow to NaN.
  if (width !== undefined && !(sizeOf(shape) * width === end - begin)) {
    throw bad(`expected ${sizeOf(shape) * width} bytes for ${dtype}[${shape}], got ${end - begin}`);
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

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** A DataError with `file`, `offset` and, where one is concerned, `tensor`. */
export function malformed(file: string, offset: number, why: string, cause?: unknown, tensor?: string): DataError {
  const details = { file, offset, ...(tensor === undefined ? {} : { tensor }) };
  return new DataError(`${file}: offset ${offset}: ${why}`, details, cause === undefined ? undefined : { cause });
}
