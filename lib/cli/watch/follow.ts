// follow.ts: a record that is being written: what was added is taken in, and where it is another file, or a shorter one, it is taken in anew.
import { type FileHandle, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DataError } from '../../errors.ts';
import { RecordLines } from '../../history/read.ts';
import { Digest } from '../../history/run/digest.ts';
import { fileError, notRegular } from '../../io/file/file.ts';

/** What is read at once, and of one look at the file: other things have their turn in between. */
const PIECE = 1 << 18;
const MOST = 1 << 23;
/** Bytes at the begin, and before the place up to which the file is read, by which it is known again. */
const HEAD = 4096;
const TAIL = 256;

export type FollowState = 'waiting' | 'following' | 'gone';

export class Following {
  digest: Digest = new Digest();
  /** `waiting`: the file has not been there yet; `gone`: it was. */
  state: FollowState = 'waiting';
  readonly #file: string;
  #lines: RecordLines;
  #position = 0;
  #inode = 0;
  #head: Buffer = Buffer.alloc(0);
  #tail: Buffer = Buffer.alloc(0);
  /** The last look has failed at what was added: perhaps the file was cut and written anew in that moment. */
  #doubted = false;
  /** When the steps that were there at first had been read. */
  #since: number | null = null;

  constructor(file: string) {
    this.#file = file;
    this.#lines = new RecordLines(file, this.digest);
  }

  /**
   * Take in what was added since the last look.
   * @returns whether anything was, and whether there is more
   * @throws DataError for what is no record, or cannot be read
   */
  async look(): Promise<{ readonly changed: boolean; readonly more: boolean }> {
    const handle = await this.#open();
    if (!handle) return { changed: this.#gone(), more: false };
    try {
      const { size, ino } = await handle.stat();
      let changed = this.state !== 'following';
      this.state = 'following';
      if (ino !== this.#inode || size < this.#position || !(await this.#isSame(handle))) {
        changed ||= this.#position > 0;
        this.#anew(ino);
      }
      const before = this.#position;
      await this.#read(handle, Math.min(size, before + MOST));
      if (this.#position >= size) this.#time();
      return { changed: changed || this.#position > before, more: this.#position < size };
    } finally {
      await handle.close();
    }
  }

  async #open(): Promise<FileHandle | null> {
    try {
      // First, since opening a pipe would wait for who writes it.
      const stats = await stat(this.#file);
      if (!stats.isFile()) throw notRegular(this.#file, stats);
      return await open(this.#file, 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw fileError(this.#file, error);
    }
  }

  #gone(): boolean {
    const changed = this.state === 'following';
    if (changed) this.state = 'gone';
    return changed;
  }

  #anew(inode: number): void {
    this.#inode = inode;
    this.#position = 0;
    this.#head = Buffer.alloc(0);
    this.#tail = Buffer.alloc(0);
    this.#since = null;
    this.digest = new Digest();
    this.#lines = new RecordLines(this.#file, this.digest);
  }

  /** Whether the bytes at the begin and before the place are still there: a file that was cut may be as long again by now. */
  async #isSame(handle: FileHandle): Promise<boolean> {
    const is = async (known: Buffer, from: number): Promise<boolean> => {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(known.length), 0, known.length, from);
      return bytesRead === known.length && buffer.equals(known);
    };
    if (this.#position === 0) return true;
    return (await is(this.#tail, this.#position - this.#tail.length)) && is(this.#head, 0);
  }

  async #read(handle: FileHandle, end: number): Promise<void> {
    while (this.#position < end) {
      const wanted = Math.min(PIECE, end - this.#position);
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(wanted), 0, wanted, this.#position);
      if (bytesRead === 0) return;
      const piece = buffer.subarray(0, bytesRead);
      try {
        this.#lines.push(piece);
      } catch (error) {
        if (this.#doubted || this.#position === 0 || !(error instanceof DataError)) throw error;
        this.#doubted = true;
        this.#anew(this.#inode);
        return;
      }
      this.#doubted = false;
      this.#position += bytesRead;
      if (this.#head.length < HEAD) this.#head = Buffer.concat([this.#head, piece.subarray(0, HEAD - this.#head.length)]);
      this.#tail = Buffer.concat([this.#tail, piece]).subarray(-TAIL);
    }
  }

  /** A record without a clock tells no time: steps are timed as they come. */
  #time(): void {
    if (this.digest.hasClock) return;
    const now = performance.now();
    if (this.#since === null) {
      this.#since = now;
      this.digest.untimed = this.digest.length;
    } else this.digest.time(now - this.#since);
  }
}

/** A file that is not there yet may come; in a folder that is not there it would not. */
export async function checkFolder(file: string): Promise<void> {
  const folder = dirname(file);
  const there = await stat(folder).catch(() => null);
  if (!there?.isDirectory()) throw new DataError(`${folder}: no such folder`, { file: folder });
}
