// record.ts: the laboratory's record: a line of JSON for each run, read, and continued.
import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, readSync, truncateSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { DataError, GradclipError, OptionError } from '../errors.ts';
import { LineCutter } from '../io/csv/lines.ts';
import { withSource } from '../io/file/file.ts';
import { otherKind } from '../io/file/kinds.ts';
import { FileLock } from '../io/file/lock.ts';
import { writeError } from '../io/file/write.ts';
import { parseJson } from '../io/json.ts';
import { MAX_LINE } from '../io/limits.ts';
import { readerOf, version } from '../native/package.ts';
import { bool, choice, nullable, number, object, Place, text, whole } from '../options/index.ts';
import { keyOf, type LabLine, type LabNorms, OPTIMIZERS } from './line.ts';
import { KINDS } from './workload.ts';

const FORMAT = 'gradclip lab';
const VERSION = 1;

/** What a record says before its first line. */
export interface LabHeader {
  /** Version of this library: another one may train to other bits. */
  readonly library: string;
  /** The machine that the record was begun on, in words. */
  readonly machine: string;
}

/** What a record holds. */
export interface LabRecord {
  readonly header: LabHeader;
  readonly lines: readonly LabLine[];
  /** Bytes of a last line that was not ended: of a run that was killed, or is being written. */
  readonly torn: number;
}

const part = number({ min: 0, max: 1 });
const loss = nullable(number({ min: 0 }));
const ratio = nullable(number({ min: 0 }));
const LINE = object<LabLine>({
  ...{ workload: text, optimizer: choice(...OPTIMIZERS), policy: text, level: text, seed: whole({ min: 0 }) },
  made: text.optional(),
  ...{ kind: choice(...KINDS), usual: bool, steps: whole({ min: 1 }), extra: number({ min: 0 }), clipped: part, skipped: part },
  ...{ train: nullable(number()), validation: loss, test: loss, diverged: nullable(choice('gradient', 'skips', 'loss')) },
  refused: text.optional(),
  ...{ ignorant: number({ above: 0 }), threshold: nullable(number()) },
  norms: object<LabNorms>({ median: ratio, p99: ratio, tail: ratio, drift: ratio }),
  seconds: number({ min: 0 }),
});
const HEADER = object<LabHeader & { readonly format: string; readonly version: number }>({
  ...{ format: choice(FORMAT), version: whole(), library: text, machine: text },
});
const HERE = new Place('', '', '');

/**
 * Read a record. A last line without its end is left out.
 * @throws DataError for a line that is none: fields `file` and `line`
 */
export async function readLab(file: string): Promise<LabRecord> {
  const lines: LabLine[] = [];
  const keys = new Set<string>();
  let header: LabHeader | null = null;
  const each = (bytes: Uint8Array, from: number, to: number): void => {
    const parsed = parsedLine(
      file,
      cutter.line,
      Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString(),
      header,
    );
    if ('library' in parsed) header = parsed;
    else if (keys.has(keyOf(parsed))) throw wrong(file, cutter.line, 'the run is there twice');
    else {
      keys.add(keyOf(parsed));
      lines.push(parsed);
    }
  };
  const cutter = new LineCutter(file, each, MAX_LINE);
  let first = true;
  await withSource(file, async (source) => {
    for await (const piece of source.chunks()) {
      const kind = first ? otherKind(piece, 'JSON') : null;
      if (kind !== null) throw wrong(file, 1, `expected a record of the laboratory, got ${kind}`);
      first = false;
      cutter.push(piece);
    }
  });
  if (header === null)
    throw wrong(file, 1, `expected a record of the laboratory, got ${first ? 'an empty file' : 'no whole line'}`);
  return { header, lines, torn: cutter.pending };
}

function parsedLine(file: string, line: number, content: string, header: LabHeader | null): LabLine | LabHeader {
  let value: unknown;
  try {
    value = parseJson(content);
  } catch (error) {
    throw wrong(file, line, `not JSON: ${(error as Error).message}`);
  }
  const { format, version, library } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (header === null && format === FORMAT && version !== VERSION)
    throw wrong(file, line, `version: expected ${VERSION}, got ${JSON.stringify(version)}; ${readerOf(library)}`);
  try {
    if (header !== null) return withoutUndefined(LINE.read(value, HERE));
    const { library, machine } = HEADER.read(value, HERE);
    return { library, machine };
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    throw wrong(file, line, error.message);
  }
}

/** A key that is not there is not there. */
const withoutUndefined = <T extends object>(read: T): T =>
  Object.fromEntries(Object.entries(read).filter(([, value]) => value !== undefined)) as T;

const wrong = (file: string, line: number, message: string): DataError =>
  new DataError(`${file}: line ${line}: ${message}`, { file, line });

/**
 * A record that goes on. Each line is on its way to the disk when `add` returns; a line that a kill has cut is dropped by the next one who opens it. One process
 * at a time.
 */
export class LabRecorder {
  /** What is there already. */
  readonly done: readonly LabLine[];
  readonly #file: string;
  readonly #lock: FileLock;
  readonly #fd: number;

  private constructor(file: string, lock: FileLock, fd: number, done: readonly LabLine[]) {
    this.#file = file;
    this.#lock = lock;
    this.#fd = fd;
    this.done = done;
  }

  /**
   * @throws DataError where the file is no such record, or cannot be written; OptionError where another version has begun it; BusyError while another process
   * writes it
   */
  static async open(file: string, machine: string): Promise<LabRecorder> {
    const place = resolve(file);
    const lock = FileLock.take(file);
    let fd: number | null = null;
    try {
      fd = openSync(place, 'a+');
      const { size } = fstatSync(fd);
      const end = wholeLines(fd, size);
      if (end < size && (end > 0 || startsLikeOurs(fd, size))) cut(place, fd, end);
      const empty = end === 0 && fstatSync(fd).size === 0;
      if (empty) write(fd, headerLine({ library: version(), machine }));
      const { header, lines } = await readLab(place);
      if (header.library !== version()) {
        const text = `${file}: begun by gradclip ${header.library}, this is ${version()}: other versions may train to other bits; give another file`;
        throw new OptionError(text, { file, library: header.library });
      }
      return new LabRecorder(file, lock, fd, lines);
    } catch (error) {
      if (fd !== null) closeSync(fd);
      lock.release();
      throw error instanceof GradclipError ? error : writeError(file, error);
    }
  }

  /** @throws DataError where the disk does not take it; whole lines stay */
  add(line: LabLine): void {
    const { size } = fstatSync(this.#fd);
    try {
      write(this.#fd, `${JSON.stringify(line)}\n`);
    } catch (error) {
      try {
        cut(resolve(this.#file), this.#fd, size);
      } catch {}
      throw writeError(this.#file, error);
    }
  }

  close(): void {
    try {
      fsyncSync(this.#fd);
    } catch {}
    closeSync(this.#fd);
    this.#lock.release();
  }
}

const headerLine = (header: LabHeader): string => `${JSON.stringify({ format: FORMAT, version: VERSION, ...header })}\n`;

function write(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}

/** What is open for appending may do nothing else on Windows. */
function cut(place: string, fd: number, size: number): void {
  if (process.platform === 'win32') truncateSync(place, size);
  else ftruncateSync(fd, size);
}

/** Where the last line ends. */
function wholeLines(fd: number, size: number): number {
  const block = Buffer.alloc(1 << 16);
  for (let to = size; to > 0; ) {
    const from = Math.max(0, to - block.length);
    const n = readSync(fd, block, 0, to - from, from);
    const at = block.subarray(0, n).lastIndexOf(10);
    if (at >= 0) return from + at + 1;
    to = from;
  }
  return 0;
}

/** A first line that was cut; a file of another kind is left alone. */
function startsLikeOurs(fd: number, size: number): boolean {
  const begin = headerLine({ library: '', machine: '' }).slice(0, 20);
  const bytes = Buffer.alloc(Math.min(size, begin.length));
  readSync(fd, bytes, 0, bytes.length, 0);
  return begin.startsWith(bytes.toString());
}
