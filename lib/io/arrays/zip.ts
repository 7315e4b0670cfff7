// zip.ts: the files in a zip archive, stored or deflated, with sizes of 64 bits (numpy writes those); no encryption, no parts.
import { crc32, createInflateRaw, inflateRawSync } from 'node:zlib';
import { DataError } from '../../errors.ts';
import { otherKind } from '../file/kinds.ts';
import { Pace, type Parts } from '../file/pace.ts';
import { MAX_NAME, MAX_TENSORS } from '../limits.ts';

const LOCAL = 0x04034b50;
const ENTRY = 0x02014b50;
const END = 0x06054b50;
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
const ONES = 0xffffffff;
/** Deflate cannot pack more than 1,032 bytes into one. */
const RATIO = 1032;
/** Entries, and bytes of a checksum, between two places where the event loop may have a turn. */
const PART = 512;
const CRC_PART = 1 << 22;

/** Bytes that zlib gives at once. */
const PIECE = 1 << 18;

/** One file of an archive, not unpacked yet. */
export interface ZipEntry {
  readonly name: string;
  readonly size: number;
  readonly deflated: boolean;
  readonly crc: number;
  readonly packed: Uint8Array;
  /** An error at this entry. */
  readonly fail: (why: string) => DataError;
}

/** An entry of the archive's list of files. */
interface Listed {
  readonly name: Buffer;
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  /** Where its local header begins. */
  readonly at: number;
}

type Fail = (why: string, offset: number) => DataError;

/**
 * The files of an archive in the order of its list, checked as far as can be without unpacking: each has a name and bytes of its own, and all
 * unpack to `maxBytes` at most.
 * @throws DataError with `file` and `offset` where it is malformed
 */
export function* zipEntries(bytes: Uint8Array, file: string, maxBytes: number): Parts<ZipEntry[]> {
  const zip = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const fail: Fail = (why, offset) => new DataError(`${file}: offset ${offset}: ${why}`, { file, offset });
  try {
    const { count, at } = findList(zip, fail);
    if (count > MAX_TENSORS) throw fail(`expected at most ${MAX_TENSORS} files in the archive, got ${count}`, at);
    const listed: Listed[] = [];
    const names = new Set<string>();
    let [next, unpacked] = [at, 0];
    for (let i = 0; i < count; i++) {
      const { entry, end } = listedAt(zip, next, `entry ${i} of ${count}`, fail);
      const name = entry.name.toString();
      if (names.has(name)) throw fail(`two files have the name ${name}`, next);
      names.add(name);
      unpacked += entry.size;
      if (unpacked > maxBytes) {
        throw fail(
          `${name}: the files before it and it unpack to ${unpacked} bytes, expected at most ${maxBytes} (option maxBytes)`,
          next,
        );
      }
      listed.push(entry);
      next = end;
      if (i % PART === 0) yield;
    }
    const found = listed.map((entry) => ({ ...located(zip, entry, fail), at: entry.at }));
    checkApart(found, at, fail);
    return found.map(({ entry }) => entry);
  } catch (cause) {
    // A number read beyond the end.
    if (!(cause instanceof RangeError)) throw cause;
    throw new DataError(`${file}: cut short: ${cause.message}`, { file }, { cause });
  }
}

/** Its bytes, not checked. */
export function unpack({ packed, size, deflated, fail }: ZipEntry): Uint8Array {
  if (!deflated) return packed;
  try {
    return inflateRawSync(packed, { maxOutputLength: Math.max(1, size) });
  } catch (cause) {
    throw fail(`corrupt data (${(cause as Error).message})`);
  }
}

/** The same on another thread, copied into its place piece by piece: zlib would join all pieces in one go. */
export async function unpackLater({ packed, size, deflated, fail }: ZipEntry): Promise<Uint8Array> {
  if (!deflated) return packed;
  const content = new Uint8Array(size);
  const pace = new Pace();
  let at = 0;
  try {
    const pieces = createInflateRaw({ chunkSize: Math.max(64, Math.min(PIECE, size)) });
    pieces.end(packed);
    for await (const piece of pieces as AsyncIterable<Uint8Array>) {
      if (at + piece.length > size) throw fail(`corrupt data (expected ${size} bytes, got more)`);
      content.set(piece, at);
      at += piece.length;
      if (pace.due) await pace.turn();
    }
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw fail(`corrupt data (${(cause as Error).message})`);
  }
  return content.subarray(0, at);
}

/** @throws DataError where unpacked bytes are not what was packed */
export function* checkUnpacked({ size, crc, fail }: ZipEntry, content: Uint8Array): Parts<void> {
  let sum = 0;
  for (let at = 0; at < content.length; at += CRC_PART) {
    sum = crc32(content.subarray(at, at + CRC_PART), sum);
    yield;
  }
  if (content.length !== size || sum !== crc) throw fail('damaged, its checksum is another');
}

/** Where the list of files begins, and how many they are. */
function findList(zip: Buffer, fail: Fail): { readonly count: number; readonly at: number } {
  // The end record is the last 22 bytes, but for a comment of up to 65,535 that goes to the end of the file.
  const first = Math.max(0, zip.length - 22 - 65535);
  const isEnd = (at: number): boolean => zip.readUInt32LE(at) === END && at + 22 + zip.readUInt16LE(at + 20) === zip.length;
  let end = zip.length - 22;
  while (end >= first && !isEnd(end)) end--;
  if (end < first) {
    const other = otherKind(zip, 'a zip archive');
    throw fail(`expected a zip archive with its list at the end${other === null ? '' : `, got ${other}`}`, 0);
  }
  const parts = zip.readUInt16LE(end + 4);
  if (parts !== 0 && parts !== 0xffff) throw fail('expected a whole archive, got the last of its parts', end);
  if (end < 20 || zip.readUInt32LE(end - 20) !== LOCATOR_64) {
    return { count: zip.readUInt16LE(end + 10), at: zip.readUInt32LE(end + 16) };
  }
  const end64 = safe(zip.readBigUInt64LE(end - 12), fail, end);
  if (zip.readUInt32LE(end64) !== END_64) throw fail('expected the end record of a zip64', end64);
  return { count: safe(zip.readBigUInt64LE(end64 + 32), fail, end64), at: safe(zip.readBigUInt64LE(end64 + 48), fail, end64) };
}

function listedAt(zip: Buffer, at: number, what: string, fail: Fail): { readonly entry: Listed; readonly end: number } {
  if (zip.readUInt32LE(at) !== ENTRY) throw fail(`expected ${what} of the archive's list`, at);
  const [named, extra, comment] = [zip.readUInt16LE(at + 28), zip.readUInt16LE(at + 30), zip.readUInt16LE(at + 32)];
  if (named > MAX_NAME) throw fail(`expected a name of at most ${MAX_NAME} bytes, got ${named}`, at);
  const end = at + 46 + named + extra + comment;
  if (end > zip.length) throw fail(`${what} of the archive's list goes beyond the end`, at);
  const name = zip.subarray(at + 46, at + 46 + named);
  if (zip.readUInt16LE(at + 8) & 1) throw fail(`${name} is encrypted: unpack it, and pack it without a password`, at);
  const short = { size: zip.readUInt32LE(at + 24), packed: zip.readUInt32LE(at + 20), at: zip.readUInt32LE(at + 42) };
  const sizes = long(short, zip.subarray(at + 46 + named, at + 46 + named + extra), fail, at);
  return { entry: { name, method: zip.readUInt16LE(at + 10), crc: zip.readUInt32LE(at + 16), ...sizes }, end };
}

type Sizes = Pick<Listed, 'size' | 'packed' | 'at'>;

/** Those that are all ones stand in the extra field 1, in this order, in 64 bits. */
function long(short: Sizes, extra: Buffer, fail: Fail, offset: number): Sizes {
  const sizes = { ...short };
  for (let i = 0; i + 4 <= extra.length; i += 4 + extra.readUInt16LE(i + 2)) {
    if (extra.readUInt16LE(i) !== 1) continue;
    let from = i + 4;
    for (const key of ['size', 'packed', 'at'] as const) {
      if (short[key] !== ONES) continue;
      sizes[key] = safe(extra.readBigUInt64LE(from), fail, offset);
      from += 8;
    }
    break;
  }
  return sizes;
}

/** A file's bytes, by its local header, of which the list knows better how long they are: writers that stream have them after the bytes. */
function located(
  zip: Buffer,
  { name: listed, method, crc, packed, size, at }: Listed,
  fail: Fail,
): { entry: ZipEntry; end: number } {
  const name = listed.toString();
  if (zip.readUInt32LE(at) !== LOCAL) throw fail(`expected the header of ${name}`, at);
  const named = zip.readUInt16LE(at + 26);
  const start = at + 30 + named + zip.readUInt16LE(at + 28);
  if (!zip.subarray(at + 30, at + 30 + named).equals(listed)) throw fail(`${name} has another name in its own header`, at);
  if (start + packed > zip.length) throw fail(`${name}: expected ${packed} bytes, the archive ends`, start);
  if (method !== 0 && method !== 8) throw fail(`${name}: packed by method ${method}, expected 0 (stored) or 8 (deflate)`, at);
  if (method === 0 ? size !== packed : size > packed * RATIO) throw fail(`${name}: ${packed} bytes cannot unpack to ${size}`, at);
  const raw = zip.subarray(start, start + packed);
  const entry = { name, size, crc, deflated: method === 8, packed: raw, fail: (why: string) => fail(`${name}: ${why}`, start) };
  return { entry, end: start + packed };
}

/** A block that many files share unpacks to as much as all of them. */
function checkApart(
  found: readonly { readonly entry: ZipEntry; readonly at: number; readonly end: number }[],
  list: number,
  fail: Fail,
): void {
  let free = 0;
  for (const { entry, at, end } of [...found].sort((a, b) => a.at - b.at)) {
    if (at < free) throw fail(`${entry.name} shares bytes with the file before it`, at);
    if (end > list) throw fail(`${entry.name} shares bytes with the archive's list`, at);
    free = end;
  }
}

function safe(value: bigint, fail: Fail, offset: number): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw fail(`a size of ${value}`, offset);
  return Number(value);
}
