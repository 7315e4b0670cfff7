// results.ts: what runs wrote: those with --json, as one run, and the file in which a long run keeps its cells, to go on with.

import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs';
import { FileLock } from '../lib/io/file/lock.ts';
import type { Facts } from './facts.ts';
import type { Row } from './report.ts';

export interface Results {
  readonly facts: Facts;
  readonly rows: readonly Row[];
}

/** A cell that was measured to its end: its rows stand before it. */
interface Done {
  readonly cell: string;
  readonly threads: number;
  /** What it took, with all that it needed before it could be timed. */
  readonly seconds: number;
  /** Who did not take part, and why. */
  readonly faults: Readonly<Record<string, string>>;
}
type Line = { readonly facts?: Facts; readonly done?: Done } & Partial<Row>;

/** Of a cell that was measured several times, the latest rows count. @throws Error where a file holds no run of the suite */
export function readResults(files: readonly string[], suite: string): Results {
  const all = files.map((file) => {
    const { facts, rows } = contents(file);
    const own = rows.filter((row) => row.suite === suite);
    if (facts.length === 0 || own.length === 0) throw new Error(`--from: ${file} holds no run of suite ${suite}`);
    return { facts, rows: own };
  });
  all.sort((a, b) => (a.facts[0]!.date < b.facts[0]!.date ? -1 : 1));
  const cells = new Map<string, Row[]>();
  for (const { rows } of all) {
    const own = new Map<string, Row[]>();
    for (const row of rows) {
      const key = JSON.stringify([row.threads, row.workload, row.kind, row.place, row.name]);
      own.set(key, [...(own.get(key) ?? []), row]);
    }
    for (const [key, list] of own) cells.set(key, list);
  }
  return { facts: merge(all.flatMap((one) => one.facts)), rows: [...cells.values()].flat() };
}

/** What a file holds; a last line without an end was being written when the process ended, and is none. */
function contents(file: string): { facts: Facts[]; rows: Row[]; done: Done[] } {
  const text = readFileSync(file, 'utf8');
  const values = text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line);
  return {
    facts: values.flatMap(({ facts }) => facts ?? []),
    rows: values.filter((value): value is Row => value.suite !== undefined && value.peer !== undefined),
    done: values.flatMap(({ done }) => done ?? []),
  };
}

/** What must not change from one part of a run to the next. */
const SAME = ['cpu', 'available', 'memory', 'isa', 'node', 'gradclip'] as const;

/** The cells of a run that may be ended and begun again: each is appended when it has been measured. */
export class Keeper {
  readonly #file: string;
  readonly #lock: FileLock;
  readonly #done: ReadonlyMap<string, Done>;

  /** @throws Error where the file is of another machine or another state of the project, or while another process writes it */
  constructor(file: string, facts: Facts) {
    this.#file = file;
    this.#lock = FileLock.take(file);
    try {
      this.#done = this.#begin(facts);
    } catch (error) {
      this.#lock.release();
      throw error;
    }
  }

  #begin(facts: Facts): ReadonlyMap<string, Done> {
    const file = this.#file;
    const before = existsSync(file) ? contents(file) : { facts: [], done: [] };
    for (const earlier of before.facts) {
      const other = SAME.find((key) => earlier[key] !== facts[key]);
      if (other)
        throw new Error(`--results: ${file} was begun with ${other} ${earlier[other]}, this is ${facts[other]}: another file`);
      const peer = Object.keys(facts.peers).find((name) => (earlier.peers[name] ?? facts.peers[name]) !== facts.peers[name]);
      if (peer) throw new Error(`--results: ${file} was begun with ${peer} ${earlier.peers[peer]}, this is ${facts.peers[peer]}`);
    }
    if (existsSync(file)) this.#dropUndone();
    this.#append([{ facts }]);
    return new Map(before.done.map((done) => [keyOf(done.threads, done.cell), done]));
  }

  /** Seconds of a cell that is there; undefined where it is not. */
  seconds(threads: number, cell: string): number | undefined {
    return this.#done.get(keyOf(threads, cell))?.seconds;
  }

  add(done: Done, rows: readonly Row[]): void {
    this.#append([...rows, { done }]);
  }

  /** Rows of cells that were measured to the end. */
  results(suite: string): Results {
    return readResults([this.#file], suite);
  }

  close(): void {
    this.#lock.release();
  }

  #append(lines: readonly object[]): void {
    appendFileSync(this.#file, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);
  }

  /** Drops rows of a cell that was not measured to its end, and a line that was not written to its end. */
  #dropUndone(): void {
    const bytes = readFileSync(this.#file);
    const lines = bytes.toString('utf8', 0, bytes.lastIndexOf(10) + 1).split(/(?<=\n)/);
    const undone = lines.findLastIndex((line) => line.startsWith('{"done":') || line.startsWith('{"facts":'));
    truncateSync(this.#file, Buffer.byteLength(lines.slice(0, undone + 1).join('')));
  }
}

const keyOf = (threads: number, cell: string): string => `${threads} ${cell}`;

function merge(facts: readonly Facts[]): Facts {
  const [first, last] = [facts[0]!, facts.at(-1)!];
  if (first === last) return first;
  return {
    ...last,
    date: `${first.date} to ${last.date}`,
    command: facts.every(({ command }) => command === first.command)
      ? first.command
      : `${facts.length} runs, the first by ${first.command}`,
    threads: [...new Set(facts.flatMap((one) => one.threads))],
    load: Math.max(...facts.map((one) => one.load)),
    peers: Object.assign({}, ...facts.map((one) => one.peers)),
  };
}
