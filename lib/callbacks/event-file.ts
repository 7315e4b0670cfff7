// event-file.ts: the file of events of a run of TensorBoard: made in its folder under a name that comes after those that are there, then appended to.
import { closeSync, fstatSync, mkdirSync, openSync, readdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { DataError, GradclipError } from '../errors.ts';
import { Appender } from '../io/file/append.ts';
import { writeError } from '../io/file/write.ts';
import { type EventValue, startEvent, summaryEvent, versionEvent, wholeRecords } from './events.ts';

const PREFIX = 'events.out.tfevents.';
/** Files that this thread has made. */
let made = 0;

const now = (): number => Date.now() / 1000;

export class EventFile {
  readonly place: string;
  readonly #events: Appender;

  private constructor(place: string, fd: number, position: number, sync: boolean) {
    this.place = place;
    this.#events = new Appender({ place, fd, position, sync, whole: wholeRecords, error: (error) => eventError(place, error) });
  }

  /** A new one in a folder, which is made where it is not there. @throws DataError */
  static make(folder: string, sync: boolean): EventFile {
    const place = resolve(folder);
    try {
      mkdirSync(place, { recursive: true });
      const [file, fd] = open(place);
      const events = new EventFile(file, fd, 0, sync);
      try {
        events.#events.addNow(versionEvent(now()));
      } catch (error) {
        closeSync(fd);
        throw error;
      }
      return events;
    } catch (error) {
      throw eventError(place, error);
    }
  }

  /** One that this process has made before; null where it is not as it was left. */
  static again({ place, size }: { readonly place: string; readonly size: number }, sync: boolean): EventFile | null {
    let fd: number;
    try {
      // Not made again, should it be gone.
      fd = openSync(place, 'r+');
      closeSync(fd);
      fd = openSync(place, 'a');
    } catch {
      return null;
    }
    if (fstatSync(fd).size === size) return new EventFile(place, fd, size, sync);
    closeSync(fd);
    return null;
  }

  /** Bytes that are written. */
  get size(): number {
    return this.#events.position;
  }

  /** From `step` on, what other files of the folder have does not count. */
  start(step: number): void {
    const time = now();
    this.#events.add(() => startEvent(time, step));
  }

  add(step: number, values: readonly EventValue[]): void {
    const time = now();
    if (values.length > 0) this.#events.add(() => summaryEvent(time, step, values));
  }

  /** Wait where the disk is far behind. @throws DataError if a write failed */
  get settled(): Promise<void> | undefined {
    return this.#events.isBehind ? this.#events.caughtUp() : undefined;
  }

  /** @throws DataError if a write failed */
  flush(): Promise<void> {
    return this.#events.flush();
  }

  /** @throws DataError if a write failed */
  close(): Promise<void> {
    return this.#events.close();
  }

  closeSync(): void {
    this.#events.closeSync();
  }
}

/** TensorBoard reads files in the order of their names, and goes on to the next when there is one. */
function open(folder: string): readonly [string, number] {
  const times = readdirSync(folder).map((name) => (name.startsWith(PREFIX) ? Number.parseInt(name.slice(PREFIX.length), 10) : 0));
  const last = times.reduce((most, time) => (time > most ? time : most), 0);
  const seconds = Math.max(Math.floor(now()), last + 1);
  const host = hostname().replaceAll(/[^\w.-]/g, '_');
  for (;;) {
    const file = join(folder, `${PREFIX}${String(seconds).padStart(10, '0')}.${host}.${process.pid}.${made++}`);
    try {
      return [file, openSync(file, 'ax')];
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

function eventError(place: string, error: unknown): unknown {
  if (error instanceof GradclipError) return error;
  const named = writeError(place, error);
  return named instanceof DataError ? new DataError(named.message, named.details, { cause: error }) : named;
}
