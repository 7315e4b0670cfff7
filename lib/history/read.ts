// read.ts: a record of a run, as `fit` writes it, line by line to whoever takes it, or as a history.
import type { AutoDecision } from '../clip/clip.ts';
import { DataError } from '../errors.ts';
import { Column } from '../io/csv/column.ts';
import { LineCutter } from '../io/csv/lines.ts';
import { file, readOptions } from '../io/fields.ts';
import { type ReadOptions, withSource } from '../io/file/file.ts';
import { otherKind } from '../io/file/kinds.ts';
import { inTurns, type Parts } from '../io/file/pace.ts';
import { MAX_RECORD_LINE } from '../io/limits.ts';
import { signature } from '../options/index.ts';
import { type History, NUMBERS, type NumberColumn, type RecordHeader } from './history.ts';
import { parseLine, type StepRow } from './line.ts';
import type { RunEvent } from './run/events.ts';

const NAMES = Object.keys(NUMBERS) as NumberColumn[];

const readReadRecord = signature('readRecord', { file }, readOptions);

/**
 * Read a record that `fit(data, { record })` wrote; `.gz` is read as it is. A last line without its end is one that is being written, or that was when
 * the run was killed: it is left out, and `torn` tells its bytes. Where the run was resumed with other settings, the header is that of the last part.
 * A line has at most 4 MiB.
 * @throws OptionError
 * @throws DataError for a line that is none of a record's: fields `file` and `line`
 */
export async function readRecord(file: string, options: ReadOptions = {}): Promise<History> {
  const { maxBytes } = readReadRecord(arguments) as { readonly maxBytes: number };
  const rows = new Rows();
  const torn = await readRecordTo(file, rows, maxBytes);
  return inTurns(rows.history(torn));
}

/** Who takes the lines of a record, one after the other. */
export interface RecordTaker {
  header(header: RecordHeader): void;
  step(row: StepRow): void;
  decision(decision: AutoDecision): void;
  event(event: RunEvent): void;
}

/** Read all of a record. @returns bytes at its end that are part of a line @throws DataError as `readRecord` */
export async function readRecordTo(file: string, taker: RecordTaker, maxBytes: number): Promise<number> {
  const lines = new RecordLines(file, taker);
  const read = async (chunks: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const piece of chunks) lines.push(piece);
  };
  await withSource(file, (source) => read(source.chunks()), maxBytes);
  lines.check();
  return lines.pending;
}

/** Cuts what is read of a record into lines, looks whether each follows those before it, and gives it on. */
export class RecordLines {
  readonly #file: string;
  readonly #taker: RecordTaker;
  readonly #lines: LineCutter;
  #header: RecordHeader | null = null;
  /** Batches drawn before the last step. */
  #attempt = -1;
  #line = 0;

  /** @param file for errors */
  constructor(file: string, taker: RecordTaker) {
    this.#file = file;
    this.#taker = taker;
    const each = (bytes: Uint8Array, from: number, to: number): void => {
      this.#add(Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString());
    };
    this.#lines = new LineCutter(file, each, MAX_RECORD_LINE);
  }

  /** @throws DataError for a line that is none of a record's */
  push(piece: Uint8Array): void {
    const kind = this.#header === null && this.#lines.pending === 0 ? otherKind(piece, 'JSON') : null;
    if (kind !== null) throw this.#wrong(`expected a record, got ${kind}`);
    this.#lines.push(piece);
  }

  /** Bytes of a line that has not ended. */
  get pending(): number {
    return this.#lines.pending;
  }

  /** @throws DataError where nothing has come that is a record */
  check(): void {
    if (this.#header) return;
    const got = this.pending === 0 ? 'an empty file' : 'no whole line';
    throw new DataError(`${this.#file}: expected a record, got ${got}`, { file: this.#file, line: 1 });
  }

  #add(line: string): void {
    this.#line++;
    let parsed: ReturnType<typeof parseLine>;
    try {
      parsed = parseLine(line);
    } catch (error) {
      throw this.#wrong((error as Error).message);
    }
    if ('header' in parsed) this.#begin(parsed.header);
    else if ('decision' in parsed) this.#decided(parsed.decision);
    else if ('event' in parsed) this.#event(parsed.event);
    else this.#step(parsed.row);
  }

  #begin(header: RecordHeader): void {
    const known = this.#header;
    if (known && !sameParameters(known, header)) throw this.#wrong('parameters: another model than in the lines before');
    if (known && known.perLayer !== header.perLayer) throw this.#wrong('perLayer: differs from the lines before');
    this.#header = header;
    this.#taker.header(header);
  }

  #decided(decision: AutoDecision): void {
    if (!this.#header?.auto) throw this.#wrong('auto: expected the header of a record whose policy finds its threshold');
    this.#taker.decision(decision);
  }

  #event(event: RunEvent): void {
    if (!this.#header?.events) throw this.#wrong('event: expected the header of a record that has events');
    if (event.attempt <= this.#attempt) throw this.#wrong(`attempt: expected more than ${this.#attempt}, got ${event.attempt}`);
    this.#taker.event(event);
  }

  #step(row: StepRow): void {
    if (!this.#header) throw this.#wrong('expected the header of a record');
    const last = this.#attempt;
    if (row.attempt <= last) throw this.#wrong(`attempt: expected more than ${last}, got ${row.attempt}`);
    this.#attempt = row.attempt;
    const { parameters, perLayer } = this.#header;
    const layers = perLayer ? parameters.length : 0;
    if ((row.layers?.length ?? 0) !== layers) {
      throw this.#wrong(`layers: expected ${layers} norms, got ${row.layers?.length ?? 'none'}`);
    }
    this.#taker.step(row);
  }

  #wrong(message: string): DataError {
    return new DataError(`${this.#file}: line ${this.#line}: ${message}`, { file: this.#file, line: this.#line });
  }
}

/** Most groups of parameters whose learning rates are kept. */
const MOST_GROUPS = 256;

/** All lines, as columns. */
class Rows implements RecordTaker {
  readonly #columns = Object.fromEntries(NAMES.map((n) => [n, new Column((k) => new Float64Array(k), 1)])) as Readonly<
    Record<NumberColumn, Column<Float64Array>>
  >;
  readonly #clipped = new Column((k) => new Uint8Array(k), 1);
  readonly #skipped = new Column((k) => new Uint8Array(k), 1);
  readonly #nonFinite: (string | null)[] = [];
  #layers: Column<Float64Array> | null = null;
  /** By group; each begins with the step that first has it. */
  readonly #rates: { readonly from: number; readonly values: Column<Float64Array> }[] = [];
  readonly #decisions: AutoDecision[] = [];
  readonly #events: RunEvent[] = [];
  #header: RecordHeader | null = null;

  *history(torn: number): Parts<History> {
    const header = this.#header!;
    const { parameters } = header;
    const names = parameters.map((p) => p.name);
    const shapes = parameters.map((p) => p.shape);
    const columns = {} as Record<NumberColumn, Float64Array>;
    for (const name of NAMES) columns[name] = yield* this.#columns[name].join();
    const norms = this.#layers ? yield* this.#layers.join() : new Float64Array(0);
    const { length } = this.#nonFinite;
    const rates: Float64Array[] = [];
    for (const { from, values } of this.#rates) {
      const column = new Float64Array(length).fill(Number.NaN, 0, from);
      column.set(yield* values.join(), from);
      rates.push(column);
    }
    return {
      ...columns,
      clipped: yield* this.#clipped.join(),
      skipped: yield* this.#skipped.join(),
      nonFinite: this.#nonFinite,
      length,
      layers: header.perLayer ? { names, shapes, norms } : null,
      ...(header.auto && { decisions: this.#decisions }),
      ...(header.events && { rates, events: this.#events }),
      header,
      torn,
    };
  }

  header(header: RecordHeader): void {
    this.#header = header;
    if (header.perLayer) this.#layers ??= new Column((k) => new Float64Array(k), Math.max(1, header.parameters.length));
  }

  decision(decision: AutoDecision): void {
    this.#decisions.push(decision);
  }

  event(event: RunEvent): void {
    this.#events.push(event);
  }

  step(row: StepRow): void {
    for (const name of NAMES) put(this.#columns[name], [row[name]]);
    put(this.#clipped, [Number(row.clipped)]);
    put(this.#skipped, [Number(row.skipped)]);
    this.#rate(row.rates);
    this.#nonFinite.push(row.nonFinite);
    if (this.#layers && row.layers) put(this.#layers, row.layers);
    this.#events.push(...row.findings);
  }

  #rate(rates: readonly number[]): void {
    const from = this.#nonFinite.length;
    while (this.#rates.length < Math.min(rates.length, MOST_GROUPS)) {
      this.#rates.push({ from, values: new Column((k) => new Float64Array(k), 1) });
    }
    for (const [g, { values }] of this.#rates.entries()) put(values, [rates[g] ?? Number.NaN]);
  }
}

function put(column: Column<Float64Array | Uint8Array>, values: readonly number[]): void {
  const { block, at } = column.next();
  for (let i = 0; i < values.length; i++) block[at + i] = values[i]!;
}

export function sameParameters(a: RecordHeader, b: RecordHeader): boolean {
  const key = ({ parameters }: RecordHeader): string => JSON.stringify(parameters.map((p) => [p.name, p.shape]));
  return key(a) === key(b);
}
