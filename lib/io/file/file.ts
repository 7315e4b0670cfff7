// file.ts: the one way to open a file for reading: regular files only, no more bytes than asked for, errors that name the file; and what the readers
// share: bytes in chunks, plain or gzip, and typed data.
import { constants, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { DataError, GradclipError } from '../../errors.ts';
import type { Data, DType } from '../../ir/op.ts';
import { MAX_BYTES } from '../limits.ts';
import { Pace } from './pace.ts';

/** A tensor outside a program: what files hold. Row-major. */
export interface TensorData<D extends Data = Data> {
  /** What `data` holds. */
  readonly dtype: DType;
  /** The dimensions; [] is a scalar. */
  readonly shape: readonly number[];
  /** The values, as many as the shape says. */
  readonly data: D;
}

/** How much of a file a reader takes. */
export interface ReadOptions {
  /**
   * Most bytes of the file, and of all that is unpacked of it (gzip, zip): more is a DataError, and memory for no more is taken.
   * Infinity: whatever comes. Default 4 GiB; 64 GiB of a safetensors file.
   */
  readonly maxBytes?: number;
}

/** An open file, read from the start. */
export interface Source {
  /** As given by the caller, for errors. */
  readonly file: string;
  /** `chunks` gives no more than this many bytes: the size of a plain file; for gzip the most its size can unpack to; never more than is allowed. */
  readonly maxBytes: number;
  /** Small pieces, with a turn of the event loop every 10 ms. @throws DataError after `maxBytes` */
  chunks(): AsyncIterable<Uint8Array>;
}

const CHUNK = 1 << 18;
/** What is handed on at once: parsing it takes a millisecond or two. */
const PIECE = 1 << 16;
/** deflate cannot pack more than 1,032 bytes into one. */
const GZIP_RATIO = 1032;

/**
 * Open `file`, plain or gzip, hand it to `use`, close it. Whatever goes wrong with the file is a DataError that names it.
 * @param maxBytes of the file, and of what is unpacked of it
 */
export async function withSource<T>(file: string, use: (source: Source) => Promise<T>, maxBytes: number = MAX_BYTES): Promise<T> {
  return withFile(
    file,
    async (handle, size) => {
      const magic = await firstBytes(handle, 2);
      const gzip = magic.length === 2 && magic[0] === 0x1f && magic[1] === 0x8b;
      const chunks = (): AsyncIterable<Uint8Array> => pieces(gzip ? gunzip(handle, file) : plain(handle), file, maxBytes);
      // A size of 0 is what the system gives for files that it makes while they are read.
      const most = gzip ? size * GZIP_RATIO : size || maxBytes;
      return use({ file, maxBytes: Math.min(most, maxBytes), chunks });
    },
    maxBytes,
  );
}

/** All bytes of a file. @throws DataError if it has more than `maxBytes` */
export async function readBytes(file: string, maxBytes: number = MAX_BYTES): Promise<Buffer> {
  return withFile(
    file,
    async (handle, size) => {
      // A size of 0 is what the system gives for files that it makes while they are read.
      const parts: Uint8Array[] = [];
      const whole = Buffer.from(new ArrayBuffer(size));
      let filled = 0;
      for await (const piece of pieces(plain(handle), file, maxBytes)) {
        if (parts.length > 0 || filled + piece.length > size) parts.push(piece);
        else {
          whole.set(piece, filled);
          filled += piece.length;
        }
      }
      const read = whole.subarray(0, filled);
      return parts.length > 0 ? Buffer.concat([read, ...parts]) : read;
    },
    maxBytes,
  );
}

// A pipe without a writer keeps open() waiting for one, and a terminal would become that of the process.
const READ = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);

/**
 * Open a regular file for reading, hand it to `use` with its size in bytes, close it.
 * @throws DataError at once for folders, pipes, devices and sockets, and for a size above `maxBytes`
 */
export async function withFile<T>(
  file: string,
  use: (handle: FileHandle, size: number) => Promise<T>,
  maxBytes: number = Number.POSITIVE_INFINITY,
): Promise<T> {
  try {
    const handle = await open(file, READ);
    try {
      const stat = await handle.stat();
      if (!stat.isFile()) throw notRegular(file, stat);
      if (stat.size > maxBytes) throw tooLong(file, maxBytes, stat.size);
      return await use(handle, stat.size);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fileError(file, error);
  }
}

/** The first `length` bytes of a file, or all there are. */
export async function firstBytes(handle: FileHandle, length: number): Promise<Buffer> {
  const head = Buffer.alloc(length);
  const { bytesRead } = await handle.read(head, 0, length, 0);
  return head.subarray(0, bytesRead);
}

/** What a path leads to that holds no bytes of its own. */
export function notRegular(file: string, stat: Stats): DataError {
  const what = stat.isDirectory() ? 'a folder' : stat.isFIFO() ? 'a pipe' : stat.isSocket() ? 'a socket' : 'a device';
  return new DataError(`${file}: expected a regular file, got ${what}`, { file, ...(stat.isDirectory() && { code: 'EISDIR' }) });
}

/** Of more bytes than are read. @param size not given: it turned out while it was unpacked */
export function tooLong(file: string, maxBytes: number, size?: number): DataError {
  const got = size === undefined ? 'got more, unpacked' : `got ${size}`;
  return new DataError(`${file}: expected at most ${maxBytes} bytes (option maxBytes), ${got}`, { file, maxBytes });
}

const SAID: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  // What opening a socket says.
  ENXIO: 'expected a regular file, got a socket or a device',
};

/** Errors of the system become DataErrors with their code and the cause kept; those of this library pass, and so does anything unforeseen. */
export function fileError(file: string, error: unknown): unknown {
  if (error instanceof GradclipError || !(error instanceof Error)) return error;
  const code = (error as NodeJS.ErrnoException).code;
  if (code === undefined) return error;
  return new DataError(`${file}: ${SAID[code] ?? error.message}`, { file, code }, { cause: error });
}

/** Small pieces, `maxBytes` in all, with turns of the event loop between them. */
async function* pieces(chunks: AsyncIterable<Uint8Array>, file: string, maxBytes: number): AsyncIterable<Uint8Array> {
  const pace = new Pace();
  let total = 0;
  for await (const chunk of chunks) {
    total += chunk.length;
    if (total > maxBytes) throw tooLong(file, maxBytes);
    for (let at = 0; at < chunk.length; at += PIECE) {
      yield chunk.subarray(at, at + PIECE);
      if (pace.due) await pace.turn();
    }
  }
}

function plain(handle: FileHandle): AsyncIterable<Uint8Array> {
  return handle.createReadStream({ start: 0, autoClose: false, highWaterMark: CHUNK });
}

async function* gunzip(handle: FileHandle, file: string): AsyncIterable<Uint8Array> {
  const unzip = createGunzip({ chunkSize: CHUNK });
  // Errors of either stream come out of the iteration below; the callback only keeps them from being unhandled.
  pipeline(plain(handle), unzip, () => {});
  let offset = 0;
  try {
    for await (const chunk of unzip) {
      yield chunk as Uint8Array;
      offset += (chunk as Uint8Array).length;
    }
  } catch (cause) {
    if (!(cause as NodeJS.ErrnoException).code?.startsWith('Z_')) throw cause;
    const message = `${file}: corrupt gzip data (${(cause as Error).message}) after ${offset} unpacked bytes`;
    throw new DataError(message, { file, offset }, { cause: cause as Error });
  }
}
