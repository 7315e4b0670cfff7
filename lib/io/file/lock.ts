// lock.ts: a file that one process at a time appends to: who does is written beside it.
import { closeSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { BusyError } from '../../errors.ts';
import { writeError } from './write.ts';

/** Held by this process: another one of the past may have had its number. */
const held = new Set<string>();

/** While it is held, `take` of the same file is refused, here and in every other process of the machine. */
export class FileLock {
  readonly #place: string;

  private constructor(place: string) {
    this.#place = place;
  }

  /** What a process left that has ended is taken over. @throws BusyError while another one, or this one, has it; DataError where none can be made */
  static take(file: string): FileLock {
    const place = `${resolve(file)}.lock`;
    for (let tries = 0; ; tries++) {
      try {
        const fd = openSync(place, 'wx');
        writeSync(fd, String(process.pid));
        closeSync(fd);
        held.add(place);
        return new FileLock(place);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || tries > 1) throw writeError(file, error);
        const pid = holder(place);
        if (held.has(place) || (pid > 0 && pid !== process.pid && isAlive(pid))) {
          const text = `${file}: process ${pid} writes it; give another file, or remove ${place} where it does something else`;
          throw new BusyError(text, { file, pid });
        }
        remove(place);
      }
    }
  }

  release(): void {
    held.delete(this.#place);
    remove(this.#place);
  }
}

/** 0 where nobody says so. */
function holder(place: string): number {
  try {
    return Number(readFileSync(place, 'utf8').slice(0, 64)) || 0;
  } catch {
    return 0;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function remove(place: string): void {
  try {
    unlinkSync(place);
  } catch {}
}
