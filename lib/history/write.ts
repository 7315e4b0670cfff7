// write.ts: the record of a run as it is written: whole lines, behind the training's back, and cut where a resumed run begins.
import { closeSync, fstatSync, openSync } from 'node:fs';
import { resolve } from 'node:path';
import type { AutoDecision } from '../clip/clip.ts';
import { DataError, GradclipError } from '../errors.ts';
import { Appender, cut, endOfLines, readAt, wholeLines } from '../io/file/append.ts';
import { writeError } from '../io/file/write.ts';
import { MAX_RECORD_LINE } from '../io/limits.ts';
import { LAYER_NORMS, type Reports } from '../optim/apply/report.ts';
import type { RecordHeader } from './history.ts';
import { decisionLine, FORMAT, headerLine, parseLine, stepLine } from './line.ts';
import { sameParameters } from './read.ts';
import { eventLine, type RunEvent } from './run/events.ts';

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
  /** Where it is, whatever folder the program works in later. */
  readonly #place: string;
  readonly #lines: Appender;
  readonly #perLayer: boolean;
  readonly #header: string;
  readonly #events: boolean;
  /** Events that the file has after its last step, which a run that goes on there may tell again. */
  readonly #known: Set<string>;

  constructor(options: RecorderOptions) {
    const { file, header, sync } = options;
    this.#place = resolve(file);
    this.#header = headerLine(header);
    this.#perLayer = header.perLayer;
    this.#events = header.events === true;
    const named = (error: unknown): unknown => recordError(file, error);
    let fd: number;
    try {
      fd = openSync(file, 'a+');
    } catch (error) {
      throw named(error);
    }
    try {
      const { size } = fstatSync(fd);
      const { end, last, events } = keptPart(file, fd, size, options);
      this.#known = new Set(events);
      if (end < size) cut(file, fd, end);
      this.#lines = new Appender({ place: this.#place, fd, position: end, sync, whole: wholeLines, error: named });
      // A header in part would make the file none of ours: where it cannot be written to its end, nothing of it stays.
      if (last === null || !sameRun(last, header)) this.#lines.addNow(this.#header);
    } catch (error) {
      closeSync(fd);
      throw named(error);
    }
  }

  /**
   * The steps of a chunk. Written later, while the next one is computed.
   * @param rates of each step the learning rate of each group; null in a record without events
   */
  add(reports: Reports, rates: readonly (readonly number[])[] | null = null): void {
    if (reports.length === 0) return;
    this.#known.clear();
    this.#lines.add(() => this.#linesOf(reports, this.#events ? rates : null));
  }

  /** What was decided before the steps to come. */
  addDecision(index: number, decision: AutoDecision): void {
    const line = decisionLine(index, decision);
    this.#lines.add(() => line);
  }

  /** What has happened after the steps so far. What the file has of it stays as it is. */
  addEvent(event: RunEvent): void {
    if (!this.#events) return;
    const line = eventLine(event);
    if (!this.#known.delete(line)) this.#lines.add(() => line);
  }

  /** Whether the disk is far behind, or a write has failed. */
  get isBehind(): boolean {
    return this.#lines.isBehind;
  }

  /** Wait if it is. @throws DataError if a write failed */
  caughtUp(): Promise<void> {
    return this.#lines.caughtUp();
  }

  /** Wait until all is written. @throws DataError if a write failed */
  flush(): Promise<void> {
    return this.#lines.flush();
  }

  /** Write what is left. @throws DataError if this or an earlier write failed */
  async close(): Promise<void> {
    try {
      await this.#lines.close();
    } finally {
      this.#closed();
    }
  }

  closeSync(): void {
    try {
      this.#lines.closeSync();
    } finally {
      this.#closed();
    }
  }

  #closed(): void {
    written.set(this.#place, { size: this.#lines.position, header: this.#header });
  }

  #linesOf(reports: Reports, rates: readonly (readonly number[])[] | null): string {
    let lines = '';
    let i = 0;
    for (const report of reports) {
      lines += stepLine(report, this.#perLayer ? reports.vector(LAYER_NORMS, i) : null, rates && rates[i]!);
      i++;
    }
    return lines;
  }
}

function recordError(file: string, error: unknown): unknown {
  if (error instanceof GradclipError) return error;
  const named = writeError(file, error);
  return named instanceof DataError ? new DataError(`record: ${named.message}`, named.details, { cause: error }) : named;
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
  const stays = (line: string): boolean => {
    const parsed = lineAt(file, line);
    return 'row' in parsed && parsed.row.attempt < attempt;
  };
  const end = endOfLines(fd, size, MAX_RECORD_LINE, stays, () => tooLong(file));
  const events = end === 0 ? [] : eventsFrom(file, fd, end, size, attempt);
  return { end: end + events.reduce((n, line) => n + Buffer.byteLength(line), 0), events };
}

/** Lines of the events that come from a byte on, as far as they are of the run up to there. */
function eventsFrom(file: string, fd: number, from: number, size: number, attempt: number): string[] {
  for (let bytes = BLOCK; ; bytes *= 4) {
    const block = readAt(fd, from, Math.min(size - from, bytes));
    const events: string[] = [];
    for (let start = 0; ; ) {
      const end = block.indexOf(10, start) + 1;
      if (end === 0) {
        // What has no end in the file is no line.
        if (from + block.length < size) break;
        return events;
      }
      const line = block.toString('utf8', start, end);
      const parsed = lineAt(file, line);
      if (!('event' in parsed) || parsed.event.attempt > attempt) return events;
      events.push(line);
      start = end;
    }
  }
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
