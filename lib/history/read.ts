// read.ts: a record of a run, as `fit` writes it, becomes a history.
import { DataError } from '../errors.ts';
import { file } from '../io/fields.ts';
import { withSource } from '../io/file.ts';
import { signature } from '../options/index.ts';
import { type History, type HistoryLike, historyOf, NUMBERS, type NumberColumn, type RecordHeader } from './history.ts';
import { parseLine, type StepRow } from './line.ts';

const NAMES = Object.keys(NUMBERS) as NumberColumn[];

const readReadRecord = signature('readRecord', { file });

/**
 * Read a record that `fit(data, { record })` wrote; `.gz` is read as it is. A last line without its end is one that is being written, and is
 * left out. Where the run was resumed with other settings, the header is that of the last part.
 *
 * @throws DataError for a line that is none of a record's: fields `file` and `line`
 */
export async function readRecord(file: string): Promise<History> {
  readReadRecord(arguments);
  const rows = new Rows(file);
  await withSource(file, async (source) => {
    const decoder = new TextDecoder();
    let rest = '';
    for await (const chunk of source.chunks()) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = lines.pop()!;
      for (const line of lines) rows.add(line);
    }
  });
  return rows.history();
}

class Rows {
  readonly #file: string;
  readonly #columns: Record<NumberColumn, number[]> = Object.fromEntries(NAMES.map((n) => [n, []])) as never;
  readonly #clipped: boolean[] = [];
  readonly #skipped: boolean[] = [];
  readonly #nonFinite: (string | null)[] = [];
  readonly #layers: number[] = [];
  #header: RecordHeader | null = null;
  #line = 0;

  constructor(file: string) {
    this.#file = file;
  }

  add(line: string): void {
    this.#line++;
    let parsed: ReturnType<typeof parseLine>;
    try {
      parsed = parseLine(line);
    } catch (error) {
      throw this.#wrong((error as Error).message);
    }
    if ('header' in parsed) this.#begin(parsed.header);
    else this.#step(parsed.row);
  }

  history(): History {
    const header = this.#header;
    if (!header) throw new DataError(`${this.#file}: expected a record, got an empty file`, { file: this.#file, line: 1 });
    const { parameters } = header;
    const layers = {
      names: parameters.map((p) => p.name),
      shapes: parameters.map((p) => p.shape),
      norms: Float64Array.from(this.#layers),
    };
    const columns = {
      ...this.#columns,
      clipped: this.#clipped,
      skipped: this.#skipped,
      nonFinite: this.#nonFinite,
      layers: header.perLayer ? layers : null,
      header,
    } as HistoryLike;
    return historyOf(this.#file, columns);
  }

  #begin(header: RecordHeader): void {
    const known = this.#header;
    if (known && !sameParameters(known, header)) throw this.#wrong('parameters: another model than in the lines before');
    if (known && known.perLayer !== header.perLayer) throw this.#wrong('perLayer: differs from the lines before');
    this.#header = header;
  }

  #step(row: StepRow): void {
    if (!this.#header) throw this.#wrong('expected the header of a record');
    const last = this.#columns.attempt.at(-1);
    if (last !== undefined && !(row.attempt > last)) throw this.#wrong(`attempt: expected more than ${last}, got ${row.attempt}`);
    const { parameters, perLayer } = this.#header;
    const layers = perLayer ? parameters.length : 0;
    if ((row.layers?.length ?? 0) !== layers) {
      throw this.#wrong(`layers: expected ${layers} norms, got ${row.layers?.length ?? 'none'}`);
    }
    for (const name of NAMES) this.#columns[name].push(row[name]);
    this.#clipped.push(row.clipped);
    this.#skipped.push(row.skipped);
    this.#nonFinite.push(row.nonFinite);
    for (const norm of row.layers ?? []) this.#layers.push(norm);
  }

  #wrong(message: string): DataError {
    return new DataError(`${this.#file}: line ${this.#line}: ${message}`, { file: this.#file, line: this.#line });
  }
}

export function sameParameters(a: RecordHeader, b: RecordHeader): boolean {
  const key = ({ parameters }: RecordHeader): string => JSON.stringify(parameters.map((p) => [p.name, p.shape]));
  return key(a) === key(b);
}
