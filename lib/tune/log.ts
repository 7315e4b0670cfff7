// log.ts: the file of a search: what it is, then a line for each job that is done; and beside it a folder with the state of trials that may go on.
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, truncate } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DataError, OptionError } from '../errors.ts';
import { readBytes } from '../io/file/file.ts';
import { FileLock } from '../io/file/lock.ts';
import { writeError, writeWhole } from '../io/file/write.ts';
import { parseJson } from '../io/json.ts';
import { MAX_RECORD_LINE } from '../io/limits.ts';
import type { Job } from './halving.ts';
import type { Params } from './pool.ts';
import type { Measured } from './trial.ts';

/** What the lines of a file are only good for: a search of the same. */
export interface LogHeader {
  readonly space: Readonly<Record<string, unknown>>;
  readonly first: readonly Params[];
  readonly seed: number;
  readonly metric: string;
  readonly mode: string;
  /** What `make` makes, where JSON can say that: a configuration. */
  readonly of: unknown;
}

export interface LogLine extends Job {
  readonly params: Params;
  readonly measured: Measured;
  /** Seconds of the search when it was written. */
  readonly at: number;
}

const FORMAT = 'gradclip tune';
const VERSION = 1;

const keyOf = ({ trial, repeat, from, to }: Job): string => `${trial} ${repeat} ${from} ${to}`;

/** Written as jobs end: whatever kills the process, lines are whole but for the last. */
export class TuneLog {
  readonly file: string;
  readonly #fd: number;
  readonly #lock: FileLock;
  readonly #folder: string;
  readonly #known: ReadonlyMap<string, LogLine>;
  /** Seconds that were spent before. */
  readonly seconds: number;

  private constructor(file: string, lock: FileLock, fd: number, known: ReadonlyMap<string, LogLine>) {
    this.file = file;
    this.#lock = lock;
    this.#fd = fd;
    this.#folder = `${file}.states`;
    this.#known = known;
    this.seconds = Math.max(0, ...Array.from(known.values(), ({ at }) => at));
  }

  /**
   * @param resume go on with what the file has, if there is one
   * @throws OptionError where it is there and is not to be resumed, or is of another search; DataError for what is no such file; BusyError if
   * another search writes it
   */
  static async open(given: string, header: LogHeader, resume: boolean): Promise<TuneLog> {
    const file = resolve(given);
    const lock = FileLock.take(file);
    try {
      return await TuneLog.#opened(file, lock, header, resume);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  static async #opened(file: string, lock: FileLock, header: LogHeader, resume: boolean): Promise<TuneLog> {
    const bytes = await readBytes(file).catch((error: unknown) => {
      if (error instanceof DataError && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') return null;
      throw error;
    });
    if (bytes !== null && bytes.length > 0 && !resume) {
      throw new OptionError(`tune: option file: ${file} is there: option resume goes on with it`, { option: 'file', file });
    }
    const line = `${JSON.stringify({ format: FORMAT, version: VERSION, ...header })}\n`;
    const { known, length } = bytes === null ? { known: new Map<string, LogLine>(), length: 0 } : read(file, bytes, header);
    try {
      if (bytes !== null && bytes.length > length) await truncate(file, length);
      const fd = openSync(file, 'a');
      if (length === 0) writeSync(fd, line);
      return new TuneLog(file, lock, fd, known);
    } catch (error) {
      throw writeError(file, error);
    }
  }

  /** What came of a job before, if it was done with these parameters. */
  known(job: Job, params: Params): Measured | null {
    const line = this.#known.get(keyOf(job));
    return line && JSON.stringify(line.params) === JSON.stringify(params) ? line.measured : null;
  }

  /** Lines that there were. */
  get lines(): number {
    return this.#known.size;
  }

  /** The state first, so that a line that is there has one. */
  async write(line: LogLine, state: Uint8Array | null): Promise<void> {
    if (state) {
      await mkdir(this.#folder, { recursive: true }).catch((error: unknown) => {
        throw writeError(this.#folder, error);
      });
      await writeWhole(this.#stateFile(line.trial, line.repeat, line.to), [state]);
    }
    const { trial, repeat, from, to, params, at, measured } = line;
    // JSON has no infinity: what is null there is read as that.
    const text = `${JSON.stringify({ trial, repeat, from, to, params, ...measured, at: Number(at.toFixed(3)) })}\n`;
    try {
      writeSync(this.#fd, text);
      fsyncSync(this.#fd);
    } catch (error) {
      throw writeError(this.file, error);
    }
    if (from > 0) await this.forget(trial, repeat, from);
  }

  /** The state of a trial after so many steps; null where it is not there. */
  async state({ trial, repeat, from }: Job): Promise<Uint8Array | null> {
    const bytes = await readFile(this.#stateFile(trial, repeat, from)).catch(() => null);
    return bytes && new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  async forget(trial: number, repeat: number, step: number): Promise<void> {
    await rm(this.#stateFile(trial, repeat, step), { force: true }).catch(() => {});
  }

  /** @param done no trial goes on any more: the folder of states goes, unless somebody put something else into it */
  async close(done: boolean): Promise<void> {
    closeSync(this.#fd);
    if (done) await this.#removeStates();
    this.#lock.release();
  }

  async #removeStates(): Promise<void> {
    const names = await readdir(this.#folder).catch(() => []);
    await Promise.all(names.filter((name) => STATE.test(name)).map((name) => rm(join(this.#folder, name), { force: true })));
    if (names.every((name) => STATE.test(name))) await rm(this.#folder, { recursive: true, force: true }).catch(() => {});
  }

  #stateFile(trial: number, repeat: number, step: number): string {
    return join(this.#folder, `${trial}-${repeat}-${step}.safetensors`);
  }
}

/** Files of states, and what is left of writing them. */
const STATE = /^\.?\d+-\d+-\d+\.safetensors/;

/** Lines up to the last whole one. */
function read(file: string, bytes: Buffer, header: LogHeader): { known: Map<string, LogLine>; length: number } {
  const length = bytes.lastIndexOf(10) + 1;
  // A torn first line is one of a file that was just made; another file has no line at all.
  if (length === 0 && !`{"format":"${FORMAT}"`.startsWith(bytes.toString('latin1', 0, FORMAT.length + 12))) {
    throw new DataError(`${file}: line 1: expected the file of a search, as tune writes it`, { file, line: 1 });
  }
  const [first, ...rest] = bytes.toString('utf8', 0, length).split('\n').slice(0, -1);
  if (first === undefined) return { known: new Map(), length: 0 };
  checkHeader(file, parsed(file, first, 1), header);
  const lines = rest.map((line, i) => lineOf(file, parsed(file, line, i + 2), i + 2));
  return { known: new Map(lines.map((line) => [keyOf(line), line])), length };
}

function parsed(file: string, line: string, number: number): Record<string, unknown> {
  try {
    if (line.length > MAX_RECORD_LINE) throw new SyntaxError(`longer than ${MAX_RECORD_LINE} characters`);
    const value = parseJson(line);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
    throw new SyntaxError('not an object');
  } catch (cause) {
    const text = `${file}: line ${number}: expected a line of a search, as tune writes it: ${(cause as Error).message}`;
    throw new DataError(text, { file, line: number }, { cause });
  }
}

function checkHeader(file: string, found: Record<string, unknown>, header: LogHeader): void {
  if (found.format !== FORMAT)
    throw new DataError(`${file}: line 1: expected the file of a search, as tune writes it`, { file, line: 1 });
  if (found.version !== VERSION) {
    throw new DataError(`${file}: line 1: is of version ${found.version}; this one reads ${VERSION}`, { file, line: 1 });
  }
  for (const [key, value] of Object.entries(header)) {
    if (JSON.stringify(found[key] ?? null) === JSON.stringify(value ?? null)) continue;
    const what = key === 'of' ? 'configuration' : key;
    throw new OptionError(`tune: option resume: ${file} is of a search with another ${what}`, { option: 'resume', file, key });
  }
}

function lineOf(file: string, found: Record<string, unknown>, number: number): LogLine {
  const { trial, repeat, from, to, params, at, score, steps, over, metrics, reason, clipped, seconds } = found;
  const counts = [trial, repeat, from, to, steps, clipped].every((x) => Number.isSafeInteger(x) && (x as number) >= 0);
  const fits = counts && (from as number) < (to as number) && [at, seconds].every((x) => typeof x === 'number' && x >= 0);
  const texts = (reason === null || typeof reason === 'string') && typeof over === 'boolean';
  const objects =
    typeof params === 'object' && params !== null && typeof metrics === 'object' && (metrics === null) === (score === null);
  if (!(fits && texts && objects && (score === null || typeof score === 'number'))) {
    throw new DataError(`${file}: line ${number}: expected a job of a search, as tune writes it`, { file, line: number });
  }
  const values =
    metrics === null ? null : Object.entries(metrics as Record<string, number | null>).map(([key, x]) => [key, x ?? Number.NaN]);
  const measured = {
    score: score === null ? Infinity : score,
    metrics: values && Object.fromEntries(values),
    cut: false,
    ...{ steps, over, reason, clipped, seconds },
  };
  return { ...({ trial, repeat, from, to } as Job), params: params as Params, at: at as number, measured: measured as Measured };
}
