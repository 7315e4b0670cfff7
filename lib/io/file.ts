// file.ts: what the readers share: bytes of a file (plain or gzip) in chunks, typed data, and errors that name the file.
import { type FileHandle, open } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { DataError, GradclipError } from '../errors.ts';
import type { Data, DType } from '../ir/op.ts';

/** A tensor outside a program: what files hold. Row-major. */
export interface TensorData {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Data;
}

/** An open file, read from the start. */
export interface Source {
  /** As given by the caller, for errors. */
  readonly file: string;
  /** `chunks` gives no more than this many bytes: the size of a plain file; for gzip the most its size can unpack to. */
  readonly maxBytes: number;
  chunks(): AsyncIterable<Uint8Array>;
}

const CHUNK = 1 << 18;
/** deflate cannot pack more than 1,032 bytes into one. */
const GZIP_RATIO = 1032;

/** Open `file`, hand it to `use`, close it. Whatever goes wrong with the file is a DataError that names it. */
export async function withSource<T>(file: string, use: (source: Source) => Promise<T>): Promise<T> {
  return withFile(file, async (handle, size) => {
    const magic = new Uint8Array(2);
    const { bytesRead } = await handle.read(magic, 0, 2, 0);
    const gzip = bytesRead === 2 && magic[0] === 0x1f && magic[1] === 0x8b;
    if (!gzip) return use({ file, maxBytes: size, chunks: () => plain(handle) });
    return use({ file, maxBytes: size * GZIP_RATIO, chunks: () => gunzip(handle, file) });
  });
}

/** Open `file` for reading, hand it to `use` with its size in bytes, close it. */
export async function withFile<T>(file: string, use: (handle: FileHandle, size: number) => Promise<T>): Promise<T> {
  try {
    const handle = await open(file, 'r');
    try {
      const stat = await handle.stat();
      if (!stat.isFile()) throw new DataError(`${file}: expected a regular file`, { file });
      return await use(handle, stat.size);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fileError(file, error);
  }
}

/** Errors of the system become DataErrors with the cause kept; those of this library pass, and so does anything unforeseen. */
export function fileError(file: string, error: unknown): unknown {
  if (error instanceof GradclipError || !(error instanceof Error)) return error;
  const code = (error as NodeJS.ErrnoException).code;
  if (code === undefined) return error;
  const why = code === 'ENOENT' ? 'no such file' : error.message;
  return new DataError(`${file}: ${why}`, { file }, { cause: error });
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
