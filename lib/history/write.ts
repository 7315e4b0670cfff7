// write.ts: the record of a run as it is written: whole lines, behind the training's back, and cut where a resumed run begins.
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, truncateSync, write as writeFile, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import type { AutoDecision } from '../clip/clip.ts';
import { DataError, GradclipError } from '../errors.ts';
import { writeError } from '../io/file/write.ts';
import { MAX_RECORD_LINE } from '../io/limits.ts';
import { LAYER_NORMS, type Reports } from '../optim/apply/report.ts';
import type { RecordHeader } from './history.ts';
import { decisionLine, FORMAT, headerLine, parseLine, stepLine } from './line.ts';
import { sameParameters } from './read.ts';
import { eventLine, type RunEvent } from './run/events.ts';

// Chunks of steps that may wait to be written before training waits for the disk.
const BEHIND = 16;
// What is read at once of a record that goes on.
const BLOCK = 1 << 16;

export interface RecorderOptions {
  readonly file: string;
  readonly header: RecordHeader;
  /** Batches drawn before the first step to come: what the file has from there on is of a run that was given up. */
  readonly attempt: number;
  /** Write within the call, for `fitSync`. */
  readonly sync: boolean;
}

/** Opened by the constructor. A write that fails ends in one DataError, thrown by whatever is called next, and leaves whole lines. */
export class Recorder {
  readonly #file: string;
  /** Where it is, whatever folder the program works in later. */
  readonly #place: string;
  readonly #fd: number;
  readonly #perLayer: boolean;
  readonly #sync: boolean;
  readonly #header: string;
  readonly #events: boolean;
  #queue: (Chunk | string)[] = [];
  /** Events that the file has after its last step, which a run that goes on there may tell again. */
  readonly #known: Set<string>;
  /** Where the last whole line ends. */
  #position = 0;
  #working: Promise<void> | null = null;
  #failure: unknown = null;

  constructor(options: RecorderOptions) {
    const { file, header, sync } = options;
    const line = headerLine(header);
    this.#file = file;
    this.#place = resolve(file);
    this.#perLayer = header.perLayer;
    this.#sync = sync;
    this.#events = header.events === true;
    try {
      this.#fd = openSync(file, 'a+');
    } catch (error) {
      throw recordError(file, error);
    }
    let opened = false;
    try {
      const { size } = fstatSync(this.#fd);
      const { end, last, events } = keptPart(file, this.#fd, size, options);
      this.#known = new Set(events);
      if (end < size) cut(file, this.#fd, end);
      this.#position = end;
      opened = true;
      this.#header = line;
      if (last === null || !sameRun(last, header)) this.#writeNow(line);
    } catch (error) {
      // Nothing that was not there before: a header in part would make the file none of ours.
      if (opened) this.#cut();
      closeSync(this.#fd);
      throw recordError(file, error);
    }
  }

  /**
   * The steps of a chunk. Written later, while the next one is computed.
   * @param rates of each step the learning rate of each group; null in a record without events
   */
  add(reports: Reports, rates: readonly (readonly number[])[] | null = null): void {
    if (reports.length === 0) return;
    this.#known.clear();
    this.#take({ reports, rates: this.#events ? rates : null });
  }

  /** What was decided before the steps to come. */
  addDecision(index: number, decision: AutoDecision): void {
    this.#take(decisionLine(index, decision));
  }

  /** What has happened after the steps so far. What the file has of it stays as it is. */
  addEvent(event: RunEvent): void {
    if (!this.#events) return;
    const line = eventLine(event);
    if (!this.#known.delete(line)) this.#take(line);
  }

  #take(given: Chunk | string): void {
    if (this.#failure) return;
    if (this.#sync) {
      try {
        this.#writeNow(this.#linesOf(given));
      } catch (error) {
        this.#failed(error);
        throw this.#failure;
      }
      return;
    }
    this.#queue.push(given);
    this.#working ??= this.#work();
  }

  /** Whether the disk is far behind, or a write has failed. */
  get isBehind(): boolean {
    return this.#queue.length > BEHIND || this.#failure !== null;
  }

  /** Wait if it is. @throws DataError if a write failed */
  async caughtUp(): Promise<void> {
    while (this.#queue.length > BEHIND && this.#working) await this.#working;
    if (this.#failure) throw this.#failure;
  }

  /** Wait until all is written. @throws DataError if a write failed */
  async flush(): Promise<void> {
    while (this.#working) await this.#working;
    if (this.#failure) throw this.#failure;
  }

  /** Write what is left. @throws DataError if this or an earlier write failed */
  async close(): Promise<void> {
    while (this.#working) await this.#working;
    this.closeSync();
  }

  closeSync(): void {
    closeSync(this.#fd);
    written.set(this.#place, { size: this.#position, header: this.#header });
    if (this.#failure) throw this.#failure;
  }

  async #work(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        // First let the training hand over its next chunk: making text takes time on the thread that does so.
        await new Promise((resolve) => setImmediate(resolve));
        const queue = this.#queue;
        this.#queue = [];
        await this.#write(Buffer.from(queue.map((given) => this.#linesOf(given)).join('')));
      }
    } catch (error) {
      this.#queue = [];
      this.#failed(error);
    } finally {
      this.#working = null;
    }
  }

  #linesOf(given: Chunk | string): string {
    if (typeof given === 'string') return given;
    const { reports, rates } = given;
    let lines = '';
    let i = 0;
    for (const report of reports) {
      lines += stepLine(report, this.#perLayer ? reports.vector(LAYER_NORMS, i) : null, rates && rates[i]!);
      i++;
    }
    return lines;
  }

  async #write(bytes: Buffer): Promise<void> {
    let done = 0;
    try {
      while (done < bytes.length) {
        done += await new Promise<number>((resolve, reject) => {
          writeFile(this.#fd, bytes, done, bytes.length - done, null, (error, n) => (error ? reject(error) : resolve(n)));
        });
      }
    } finally {
      this.#position += wholeLines(bytes, done);
    }
  }

  #writeNow(lines: string): void {
    const bytes = Buffer.from(lines);
    let done = 0;
    try {
      while (done < bytes.length) done += writeSync(this.#fd, bytes, done);
    } finally {
      this.#position += wholeLines(bytes, done);
    }
  }

  /** Part of a line may have been written: it goes away again, if the file lets it. */
  #cut(): void {
    try {
      cut(this.#place, this.#fd, this.#position);
    } catch {}
  }

  #failed(error: unknown): void {
    this.#failure = recordError(this.#file, error);
    this.#cut();
  }
}

function cut(file: string, fd: number, size: number): void {
  // What is open for appending may do nothing else on Windows.
  if (process.platform === 'win32') truncateSync(file, size);
  else ftruncateSync(fd, size);
}

/** How many of the first bytes are whole lines. */
const wholeLines = (bytes: Buffer, done: number): number => bytes.subarray(0, done).lastIndexOf(10) + 1;

function recordError(file: string, error: unknown): unknown {
  if (error instanceof GradclipError) return error;
  const named = writeError(file, error);
  return named instanceof DataError ? new DataError(`record: ${named.message}`, named.details, { cause: error }) : named;
}

/** Steps that wait to be written, with their learning rates. */
interface Chunk {
  readonly reports: Reports;
  readonly rates: readonly (readonly number[])[] | null;
}

interface Kept {
  /** Bytes of the file that stay. */
  readonly end: number;
  /** The last header among them. */
  readonly last: RecordHeader | null;
  /** Lines of the events after the last step. */
  readonly events: readonly string[];
}

const NOTHING: Kept = { end: 0, last: null, events: [] };

// What this process wrote last to a file, so that a fit that goes on at once need not look for it.
const written = new Map<string, { readonly size: number; readonly header: string }>();

/** What stays of the file: the steps before the first one to come. A run from its very start keeps none; a file of another kind is left alone. */
function keptPart(file: string, fd: number, size: number, { header, attempt }: RecorderOptions): Kept {
  if (size === 0 || isTornHeader(fd, size)) return NOTHING;
  const first = headerOf(file, fd, size);
  if (attempt === 0) return NOTHING;
  if (!sameParameters(first, header)) {
    throw new DataError(`record: ${file}: it has the steps of a model with other parameters`, { file });
  }
  if (first.perLayer !== header.perLayer) {
    throw new DataError(`record: ${file}: its steps have perLayer ${first.perLayer}, this run ${header.perLayer}`, { file });
  }
  const known = written.get(resolve(file));
  const { end, events } = endOfSteps(file, fd, size, attempt);
  if (known?.size === size && end === size) {
    return { end, last: (parseLine(known.header) as { header: RecordHeader }).header, events };
  }
  return { end, last: end === 0 ? null : lastHeader(file, fd, end), events };
}

/** Where the lines of the steps before `attempt` end, with the events that come between the last of them and the next; searched from the end of the file. */
function endOfSteps(file: string, fd: number, size: number, attempt: number): Omit<Kept, 'last'> {
  for (let bytes = BLOCK; ; bytes *= 4) {
    const from = Math.max(0, size - bytes);
    const block = readAt(fd, from, size - from);
    // Whole lines only: none that the block begins within, and none without an end.
    const begin = from === 0 ? 0 : block.indexOf(10) + 1;
    const whole = block.lastIndexOf(10) + 1;
    if (block.length - whole > MAX_RECORD_LINE) throw tooLong(file);
    for (let end = whole; end > begin; ) {
      const start = block.lastIndexOf(10, end - 2) + 1;
      const parsed = lineAt(file, block.toString('utf8', start, end));
      if ('row' in parsed && parsed.row.attempt < attempt) {
        const events = eventsFrom(file, block.subarray(end, whole), attempt);
        return { end: from + end + events.reduce((n, line) => n + Buffer.byteLength(line), 0), events };
      }
      end = start;
    }
    if (from === 0) return NOTHING;
  }
}

/** Lines of the events that lines begin with, as far as they are of the run up to there. */
function eventsFrom(file: string, lines: Buffer, attempt: number): string[] {
  const events: string[] = [];
  for (let from = 0; from < lines.length; ) {
    const end = lines.indexOf(10, from) + 1;
    const line = lines.toString('utf8', from, end);
    const parsed = lineAt(file, line);
    if (!('event' in parsed) || parsed.event.attempt > attempt) break;
    events.push(line);
    from = end;
  }
  return events;
}

const HEADER_BEGINS = '{"format":';
const FIRST_LINE_BEGINS = `${HEADER_BEGINS}${JSON.stringify(FORMAT)},`;

function lastHeader(file: string, fd: number, end: number): RecordHeader {
  for (let to = end; to > 0; ) {
    // Blocks overlap by the few bytes that a header may be cut at.
    const from = Math.max(0, to - BLOCK * 16);
    const block = readAt(fd, from, Math.min(end, to + HEADER_BEGINS.length) - from);
    const at = block.lastIndexOf(`\n${HEADER_BEGINS}`);
    if (at >= 0) return headerOf(file, fd, end, from + at + 1);
    to = from;
  }
  return headerOf(file, fd, end);
}

/** A run was killed while it wrote the first line, so there is no step to go on from. */
function isTornHeader(fd: number, size: number): boolean {
  if (size > MAX_RECORD_LINE) return false;
  const begin = readAt(fd, 0, Math.min(size, FIRST_LINE_BEGINS.length)).toString();
  return begin === FIRST_LINE_BEGINS && !readAt(fd, 0, size).includes(10);
}

function tooLong(file: string): DataError {
  return new DataError(`record: ${file}: expected lines of at most ${MAX_RECORD_LINE} bytes to go on with`, { file });
}

/** The header that begins at byte `at`. */
function headerOf(file: string, fd: number, size: number, at = 0): RecordHeader {
  for (let bytes = BLOCK; ; bytes *= 4) {
    const block = readAt(fd, at, Math.min(size - at, bytes));
    const end = block.indexOf(10);
    if (end < 0 && block.length > MAX_RECORD_LINE) throw tooLong(file);
    if (end < 0 && at + bytes < size && block.toString('utf8', 0, HEADER_BEGINS.length) === HEADER_BEGINS) continue;
    const parsed = end < 0 ? null : lineAt(file, block.toString('utf8', 0, end));
    if (parsed && 'header' in parsed) return parsed.header;
    throw new DataError(`record: ${file}: expected a record of gradclip to go on with, got another file`, { file });
  }
}

/** Threads change nothing that is written, so the same run with more of them goes on in the same words; and its weights are further now. */
function sameRun(a: RecordHeader, b: RecordHeader): boolean {
  const told = (h: RecordHeader): string =>
    headerLine({ ...h, threads: 0, parameters: h.parameters.map(({ rms: _, ...p }) => p) });
  return told(a) === told(b);
}

function lineAt(file: string, line: string): ReturnType<typeof parseLine> {
  try {
    return parseLine(line);
  } catch (error) {
    throw new DataError(`record: ${file}: expected a record of gradclip to go on with: ${(error as Error).message}`, { file });
  }
}

function readAt(fd: number, from: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const n = readSync(fd, bytes, done, length - done, from + done);
    if (n === 0) break;
    done += n;
  }
  return bytes.subarray(0, done);
}
