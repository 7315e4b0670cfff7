// write.ts: the one way to write a file that is whole or not there: beside its place, flushed, renamed, and the folder flushed.
import { constants, fsync, type Stats } from 'node:fs';
import { access, type FileHandle, open, readlink, realpath, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { DataError } from '../../errors.ts';
import { fileError, notRegular } from './file.ts';
import { insist, isOpenElsewhere } from './insist.ts';
import { InOrder } from './order.ts';
import { removeLeftovers, temporaryFor } from './temporary.ts';

/** To the disk. Handles of yarn's Plug and Play have no `sync`, though a file of the system's. */
const flush = ({ fd }: FileHandle): Promise<void> => promisify(fsync)(fd);

/** Links followed one after the other, as many as Linux does. */
const MAX_LINKS = 40;

/** Where the calls so far have found out which file they are for: one after the other, so that the order of calls is that of writes. */
let found: Promise<unknown> = Promise.resolve();
/** Writes that have not ended, by the file at the end of all links. */
const writes = new InOrder();

/**
 * Write a file. Whatever happens, it holds what it held before, or all of the new: the bytes go to a temporary file beside it and to the disk, then
 * it is renamed, then the folder goes to the disk. Mode and owner of a file that is replaced stay, the latter where the system allows it; links are
 * followed to their end. Of calls for one file, the last one's content stays. Temporary files that dead processes left of writing this file are
 * removed first.
 *
 * Windows replaces no file that another program has open: after 2 s the new one is left beside it, and `beside` of the error's details is its name.
 *
 * @param content text in UTF-8, or bytes in parts, which must not change until the promise is settled
 * @param ready done when the new file is complete beside its place, before it takes that
 * @throws DataError with `file` and the system's `code`
 */
export async function writeWhole(
  file: string,
  content: string | readonly Uint8Array[],
  ready: () => Promise<void> = async () => {},
): Promise<void> {
  const parts = typeof content === 'string' ? [Buffer.from(content)] : content;
  const target = found.then(() => targetOf(file));
  found = target.catch(() => {});
  try {
    const path = await target;
    await writes.run(path, () => replace(file, path, parts, ready));
  } catch (error) {
    throw writeError(file, error);
  }
}

/** Say now what `writeWhole` would say at the end of long work. @throws DataError if the file could not be written */
export async function checkWritable(file: string): Promise<void> {
  try {
    const target = await targetOf(file);
    await replaced(file, target);
    await access(dirname(target), constants.W_OK);
  } catch (error) {
    throw writeError(file, error);
  }
}

async function replace(file: string, target: string, parts: readonly Uint8Array[], ready: () => Promise<void>): Promise<void> {
  const old = await replaced(file, target);
  await removeLeftovers(target);
  // Opened first: where there are no more handles, that is known before anything has changed.
  const folder = await openFolder(dirname(target));
  try {
    const temporary = await temporaryFor(target);
    try {
      const handle = await open(temporary, 'wx', old ? 0o600 : 0o666);
      try {
        for (const part of parts) await handle.writeFile(part);
        if (old) await keepRights(handle, old);
        await flush(handle);
        await ready();
        await insist(() => rename(temporary, target)).catch(async (error: unknown) => {
          throw isOpenElsewhere(error) ? await leftBeside(file, target, temporary, error as NodeJS.ErrnoException) : error;
        });
      } finally {
        // Not before: an open file tells the other threads of this process that somebody writes it. What is flushed is not lost by closing.
        await handle.close().catch(() => {});
      }
    } catch (error) {
      if (!(error instanceof DataError && 'beside' in error.details)) await unlink(temporary).catch(() => {});
      throw error;
    }
    await unless(CANNOT_SYNC, folder ? flush(folder) : undefined);
  } finally {
    await folder?.close();
  }
}

/** The new file gets a name by which it is found, and which nobody takes for left over. */
async function leftBeside(file: string, target: string, temporary: string, cause: NodeJS.ErrnoException): Promise<DataError> {
  const named = `${target}.new`;
  const beside = await insist(() => rename(temporary, named)).then(
    () => named,
    () => temporary,
  );
  const text = `${file}: cannot be replaced: another program has it open. It is as it was, and the new one is ${beside}`;
  return new DataError(text, { file, code: cause.code, beside }, { cause });
}

/** The end of all links, be there a file or not. */
async function targetOf(file: string): Promise<string> {
  let path = resolve(file);
  for (let links = 0; links < MAX_LINKS; links++) {
    path = join(await realpath(dirname(path)), basename(path));
    const link = await readlink(path).catch(() => null);
    if (link === null) return path;
    path = resolve(dirname(path), link);
  }
  throw new DataError(`${file}: more than ${MAX_LINKS} links, one after the other`, { file, code: 'ELOOP' });
}

/** What is there already. @throws for what cannot be replaced, or is write-protected */
async function replaced(file: string, target: string): Promise<Stats | null> {
  const old = await stat(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (old && !old.isFile()) throw notRegular(file, old);
  if (process.platform === 'win32' && DEVICE.test(basename(target))) {
    throw new DataError(`${file}: expected a regular file, got the name of a device of Windows`, { file });
  }
  if (old) await access(target, constants.W_OK);
  return old;
}

/** In any folder, and with any extension; where Node.js gets round that, it makes a file that few programs can open. */
const DEVICE = /^(con|prn|aux|nul|(com|lpt)[1-9])(\.|$)/i;

/** Owner and mode of `old`. Where the group cannot be kept, the file's own group may do what all others may, and no more. */
async function keepRights(handle: FileHandle, old: Stats): Promise<void> {
  const now = await handle.stat();
  let mode = old.mode & 0o7777;
  if (now.uid !== old.uid) await handle.chown(old.uid, now.gid).catch(() => {});
  if (now.gid !== old.gid) {
    const { uid } = await handle.stat();
    await handle.chown(uid, old.gid).catch(() => {
      mode = (mode & ~0o2070) | ((mode & 0o7) << 3);
    });
  }
  await unless(NO_MODES, handle.chmod(mode));
}

/** File systems without modes, and those that cannot flush a folder: the file is whole without it. */
const NO_MODES: readonly string[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'];
const CANNOT_SYNC: readonly string[] = ['EINVAL', 'EPERM', 'EISDIR', 'EBADF', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'];

async function unless(codes: readonly string[], call: Promise<void> | undefined): Promise<void> {
  await call?.catch((error: NodeJS.ErrnoException) => {
    if (!codes.includes(error.code ?? '')) throw error;
  });
}

/** Null where a folder cannot be opened, as when one may write to it and not read it. */
async function openFolder(folder: string): Promise<FileHandle | null> {
  return open(folder, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EACCES' || error.code === 'EISDIR' || error.code === 'EPERM') return null;
    throw error;
  });
}

const SAID: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on the device',
  EDQUOT: 'the quota of the disk is used up',
  EROFS: 'the file system is read-only',
  EACCES: 'not allowed to write it, or to its folder',
  EPERM: 'not allowed to write it, or to its folder',
  EMFILE: 'this process has too many files open',
  ENFILE: 'the system has too many files open',
  EFBIG: 'larger than a file may be',
  ENAMETOOLONG: 'the name is too long',
};

/** What the system reports on writing `file`, as an error of the library. */
export function writeError(file: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (error instanceof DataError || !(error instanceof Error)) return error;
  const why = code === 'ENOENT' ? `there is no folder ${dirname(resolve(file))}` : SAID[code];
  if (why === undefined) return fileError(file, error);
  return new DataError(`${file}: cannot be written: ${why}`, { file, code }, { cause: error });
}
