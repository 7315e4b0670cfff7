// append.ts: a file that grows: what is added goes to its end in order, behind the caller's back or at once, and where a write fails, whole parts stay.
import { closeSync, ftruncateSync, readSync, truncateSync, write as writeFile, writeSync } from 'node:fs';

// Parts that may wait to be written before whoever adds them should wait.
const BEHIND = 16;
// What is read at once of a file, from its end.
const BLOCK = 1 << 16;

export interface AppendOptions {
  /** Where it is, whatever folder the program works in later. */
  readonly place: string;
  /** Open for appending; closed by `close`. */
  readonly fd: number;
  /** Where its last whole part ends, which is its end. */
  readonly position: number;
  /** Write within the call. */
  readonly sync: boolean;
  /** Of the bytes of several parts whose first `done` were written: how many of these are whole parts. */
  readonly whole: (bytes: Buffer, done: number) => number;
  /** What is thrown of what the system reports. */
  readonly error: (error: unknown) => unknown;
}

/** Of parts that are lines. */
export const wholeLines = (bytes: Buffer, done: number): number => bytes.subarray(0, done).lastIndexOf(10) + 1;

/** A write that fails ends in one error, thrown by whatever is called next, and what was written of a part is cut off. What is added then is dropped. */
export class Appender {
  readonly #options: AppendOptions;
  #queue: (() => string | Uint8Array)[] = [];
  #position: number;
  #working: Promise<void> | null = null;
  #failure: { readonly error: unknown } | null = null;

  constructor(options: AppendOptions) {
    this.#options = options;
    this.#position = options.position;
  }

  /** Where the last whole part ends that was written. */
  get position(): number {
    return this.#position;
  }

  /**
   * Add a part.
   * @param part makes it: later, while the caller goes on, but for one that is written within the call
   * @throws where it is written within the call, and that fails
   */
  add(part: () => string | Uint8Array): void {
    if (this.#failure) return;
    if (!this.#options.sync) {
      this.#queue.push(part);
      this.#working ??= this.#work();
      return;
    }
    this.addNow(part());
  }

  /** Write a part within the call: nothing may wait to be written. @throws if that fails */
  addNow(part: string | Uint8Array): void {
    const bytes = Buffer.from(part as Uint8Array);
    let done = 0;
    try {
      while (done < bytes.length) done += writeSync(this.#options.fd, bytes, done);
    } catch (error) {
      this.#position += this.#options.whole(bytes, done);
      this.#failed(error);
      this.#check();
    }
    this.#position += done;
  }

  /** Whether the disk is far behind, or a write has failed. */
  get isBehind(): boolean {
    return this.#queue.length > BEHIND || this.#failure !== null;
  }

  /** Wait if it is. @throws if a write has failed */
  async caughtUp(): Promise<void> {
    while (this.#queue.length > BEHIND && this.#working) await this.#working;
    this.#check();
  }

  /** Wait until all is written. @throws if a write has failed */
  async flush(): Promise<void> {
    while (this.#working) await this.#working;
    this.#check();
  }

  /** Write what is left. @throws if this or an earlier write failed */
  async close(): Promise<void> {
    while (this.#working) await this.#working;
    this.closeSync();
  }

  closeSync(): void {
    closeSync(this.#options.fd);
    this.#check();
  }

  #check(): void {
    if (this.#failure) throw this.#failure.error;
  }

  async #work(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        // First let the training hand over its next chunk: making text takes time on the thread that does so.
        await new Promise((resolve) => setImmediate(resolve));
        const queue = this.#queue;
        this.#queue = [];
        await this.#write(joined(queue.map((part) => part())));
      }
    } catch (error) {
      this.#queue = [];
      this.#failed(error);
    } finally {
      this.#working = null;
    }
  }

  async #write(bytes: Buffer): Promise<void> {
    let done = 0;
    try {
      while (done < bytes.length) {
        done += await new Promise<number>((resolve, reject) => {
          writeFile(this.#options.fd, bytes, done, bytes.length - done, null, (error, n) => (error ? reject(error) : resolve(n)));
        });
      }
    } finally {
      this.#position += done === bytes.length ? done : this.#options.whole(bytes, done);
    }
  }

  /** Part of a part may have been written: it goes away again, if the file lets it. */
  #failed(error: unknown): void {
    this.#failure = { error: this.#options.error(error) };
    try {
      cut(this.#options.place, this.#options.fd, this.#position);
    } catch {}
  }
}

function joined(parts: readonly (string | Uint8Array)[]): Buffer {
  if (parts.every((part) => typeof part === 'string')) return Buffer.from(parts.join(''));
  return Buffer.concat(parts.map((part) => Buffer.from(part as Uint8Array)));
}

/** Let a file that is open for appending end there. */
export function cut(place: string, fd: number, size: number): void {
  // What is open for appending may do nothing else on Windows.
  if (process.platform === 'win32') truncateSync(place, size);
  else ftruncateSync(fd, size);
}

export function readAt(fd: number, from: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const n = readSync(fd, bytes, done, length - done, from + done);
    if (n === 0) break;
    done += n;
  }
  return bytes.subarray(0, done);
}

/**
 * Where the last line ends that stays, looked for from the end of a file; 0 where none does. What has no end is no line.
 * @param longest bytes that a line may have
 * @param stays whether a line does, which is given without its end
 * @param tooLong thrown where a line is longer
 */
export function endOfLines(
  fd: number,
  size: number,
  longest: number,
  stays: (line: string) => boolean,
  tooLong: () => Error,
): number {
  for (let bytes = BLOCK; ; bytes *= 4) {
    const from = Math.max(0, size - bytes);
    const block = readAt(fd, from, size - from);
    // Whole lines only: none that the block begins within.
    const begin = from === 0 ? 0 : block.indexOf(10) + 1;
    const whole = block.lastIndexOf(10) + 1;
    if (block.length - whole > longest) throw tooLong();
    for (let end = whole; end > begin; ) {
      // A place below 0 would be one from the end.
      const start = end < 2 ? 0 : block.lastIndexOf(10, end - 2) + 1;
      if (stays(block.toString('utf8', start, end - 1))) return from + end;
      end = start;
    }
    if (from === 0) return 0;
  }
}
