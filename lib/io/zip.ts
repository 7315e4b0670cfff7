// zip.ts: the files in a zip archive, stored or deflated, with sizes of 64 bits (numpy writes those); no encryption, no parts.
import { crc32, inflateRawSync } from 'node:zlib';
import { DataError } from '../errors.ts';

const LOCAL = 0x04034b50;
const ENTRY = 0x02014b50;
const END = 0x06054b50;
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
/** Deflate cannot pack more than 1,032 bytes into one. */
const RATIO = 1032;

/** What a zip says of one of its files. */
interface Entry {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  /** Where its local header begins. */
  readonly at: number;
}

/** Files by name, in the order of the archive's list. @throws DataError with `file` and `offset` where it is malformed or damaged */
export function unzip(bytes: Uint8Array, file: string): Map<string, Uint8Array> {
  const zip = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const fail = (why: string, offset: number): DataError => new DataError(`${file}: offset ${offset}: ${why}`, { file, offset });
  const files = new Map<string, Uint8Array>();
  try {
    for (const entry of entriesOf(zip, fail)) {
      if (files.has(entry.name)) throw fail(`two files have the name ${entry.name}`, entry.at);
      files.set(entry.name, contentOf(zip, entry, fail));
    }
  } catch (cause) {
    // A number read beyond the end.
    if (!(cause instanceof RangeError)) throw cause;
    throw new DataError(`${file}: cut short: ${cause.message}`, { file }, { cause });
  }
  return files;
}

type Fail = (why: string, offset: number) => DataError;

function entriesOf(zip: Buffer, fail: Fail): Entry[] {
  // The end record is the last 22 bytes, but for a comment of up to 65,535.
  let end = zip.length - 22;
  while (end >= Math.max(0, zip.length - 22 - 65535) && zip.readUInt32LE(end) !== END) end--;
  if (end < 0 || zip.readUInt32LE(end) !== END) throw fail('expected a zip archive with its list at the end', 0);
  let [count, at] = [zip.readUInt16LE(end + 10), zip.readUInt32LE(end + 16)];
  if (end >= 20 && zip.readUInt32LE(end - 20) === LOCATOR_64) {
    const end64 = safe(zip.readBigUInt64LE(end - 12), fail, end);
    if (zip.readUInt32LE(end64) !== END_64) throw fail('expected the end record of a zip64', end64);
    [count, at] = [safe(zip.readBigUInt64LE(end64 + 32), fail, end64), safe(zip.readBigUInt64LE(end64 + 48), fail, end64)];
  }
  const entries: Entry[] = [];
  for (let i = 0; i < count; i++) {
    if (zip.readUInt32LE(at) !== ENTRY) throw fail(`expected entry ${i} of ${count} of the archive's list`, at);
    const [named, extra, comment] = [zip.readUInt16LE(at + 28), zip.readUInt16LE(at + 30), zip.readUInt16LE(at + 32)];
    const name = zip.toString('utf8', at + 46, at + 46 + named);
    if (zip.readUInt16LE(at + 8) & 1) throw fail(`${name} is encrypted`, at);
    const short = { size: zip.readUInt32LE(at + 24), packed: zip.readUInt32LE(at + 20), at: zip.readUInt32LE(at + 42) };
    const sizes = long(short, zip.subarray(at + 46 + named, at + 46 + named + extra), fail, at);
    entries.push({ name, method: zip.readUInt16LE(at + 10), crc: zip.readUInt32LE(at + 16), ...sizes });
    at += 46 + named + extra + comment;
  }
  return entries;
}

type Sizes = Pick<Entry, 'size' | 'packed' | 'at'>;

/** Those that are all ones stand in the extra field 1, in this order, in 64 bits. */
function long(short: Sizes, extra: Buffer, fail: Fail, offset: number): Sizes {
  const sizes = { ...short };
  for (let i = 0; i + 4 <= extra.length; i += 4 + extra.readUInt16LE(i + 2)) {
    if (extra.readUInt16LE(i) !== 1) continue;
    let from = i + 4;
    for (const key of ['size', 'packed', 'at'] as const) {
      if (short[key] !== 0xffffffff) continue;
      sizes[key] = safe(extra.readBigUInt64LE(from), fail, offset);
      from += 8;
    }
  }
  return sizes;
}

function contentOf(zip: Buffer, { name, method, crc, packed, size, at }: Entry, fail: Fail): Uint8Array {
  if (zip.readUInt32LE(at) !== LOCAL) throw fail(`expected the header of ${name}`, at);
  const start = at + 30 + zip.readUInt16LE(at + 26) + zip.readUInt16LE(at + 28);
  if (start + packed > zip.length) throw fail(`${name}: expected ${packed} bytes, the archive ends`, start);
  const raw = zip.subarray(start, start + packed);
  if (method !== 0 && method !== 8) throw fail(`${name}: packed by method ${method}, expected 0 (stored) or 8 (deflate)`, at);
  if (method === 0 ? size !== packed : size > packed * RATIO) throw fail(`${name}: ${packed} bytes cannot unpack to ${size}`, at);
  const content = method === 0 ? raw : inflated(raw, size, (why) => fail(`${name}: ${why}`, start));
  if (content.length !== size || crc32(content) !== crc) throw fail(`${name} is damaged: its checksum is another`, start);
  return content;
}

function inflated(raw: Buffer, size: number, fail: (why: string) => DataError): Buffer {
  try {
    return inflateRawSync(raw, { maxOutputLength: Math.max(1, size) });
  } catch (cause) {
    throw fail(`corrupt data (${(cause as Error).message})`);
  }
}

function safe(value: bigint, fail: Fail, offset: number): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw fail(`a size of ${value}`, offset);
  return Number(value);
}
