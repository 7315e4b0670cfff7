// group.ts: the processes that train together, as one of them sees them.
import { writeSync } from 'node:fs';
import { printAs } from '../errors/inspect.ts';
import { visible } from '../errors/visible.ts';
import type { NativeMpi } from '../native/addon.ts';
import { groupError } from './error.ts';

/** Bytes that each process gives. */
const NOTHING = new Uint8Array(0);
const HEAD = 8;

/** What one process tells another, who does the same: now, or later. */
export interface Exchange<T> {
  readonly now: () => T;
  readonly later: () => Promise<T>;
}

/**
 * The processes that a launcher of MPI started: what `mpi.init` gives, and option `group` of a trainer takes. Each of them runs the same program on the
 * same data, and takes its share of each batch.
 */
export class Group {
  /** Which one this process is, from 0. */
  readonly rank: number;
  /** How many there are. */
  readonly size: number;
  /** The library that they reach each other by: `Open MPI`, `MPICH` or `MPI ABI`. */
  readonly library: string;
  readonly #mpi: NativeMpi;

  /** @param mpi of the add-on, opened */
  constructor(rank: number, size: number, library: string, mpi: NativeMpi) {
    this.rank = rank;
    this.size = size;
    this.library = library;
    this.#mpi = mpi;
  }

  /**
   * Wait until all processes are here.
   * @throws (rejects) GradclipError ERR_GROUP after the group was left
   */
  async barrier(): Promise<void> {
    await this.gather(NOTHING).later();
  }

  /** What each process gives, by rank. All of them must ask for it. */
  gather(own: Uint8Array): Exchange<readonly Uint8Array[]> {
    return {
      now: () => {
        const steps = this.#gathering(own);
        let next = steps.next();
        while (!next.done) next = steps.next(new Uint8Array(this.#mpi.exchangeSync(...next.value)));
        return next.value;
      },
      later: async () => {
        const steps = this.#gathering(own);
        let next = steps.next();
        while (!next.done) next = steps.next(new Uint8Array(await this.#mpi.exchange(...next.value)));
        return next.value;
      },
    };
  }

  /** Lengths first, since each receives as many bytes as it asks for. Process 0 takes all and gives them to all. */
  *#gathering(own: Uint8Array): Generator<readonly [number, Uint8Array, number], Uint8Array[], Uint8Array> {
    const { rank, size } = this;
    if (size === 1) return [own];
    if (rank > 0) {
      yield [0, numbers(own.length), 0];
      yield [0, own, 0];
      const lengths = numbersOf(yield [0, NOTHING, HEAD * size]);
      const all = yield [0, NOTHING, lengths.reduce((a, b) => a + b, 0)];
      return cut(all, lengths);
    }
    const parts = [own];
    for (let peer = 1; peer < size; peer++) {
      const [length] = numbersOf(yield [peer, NOTHING, HEAD]);
      parts.push(yield [peer, NOTHING, length!]);
    }
    const lengths = parts.map((part) => part.length);
    const all = joined(parts);
    for (let peer = 1; peer < size; peer++) {
      yield [peer, numbers(...lengths), 0];
      yield [peer, all, 0];
    }
    return parts;
  }

  /**
   * End all processes of the group, this one too, since the others would wait for it without end. What went wrong is written to stderr first.
   * @param error what the user sees
   */
  abort(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    writeSync(2, `process ${this.rank} of ${this.size}: ${visible(text, '\n')}\n`);
    this.#mpi.abort(1);
  }

  /**
   * Whether all processes have the same facts.
   * @param facts of this process, by what they are
   * @throws GradclipError ERR_GROUP that names the first fact of which another process has another one
   */
  agree(where: string, facts: Readonly<Record<string, string>>): Exchange<void> {
    const all = this.gather(Buffer.from(JSON.stringify(facts)));
    const check = (given: readonly Uint8Array[]): void => {
      for (const [rank, bytes] of given.entries()) {
        const theirs = JSON.parse(Buffer.from(bytes).toString()) as Record<string, string>;
        const what = Object.keys({ ...facts, ...theirs }).find((name) => facts[name] !== theirs[name]);
        if (what === undefined) continue;
        const text = `${where}: process ${this.rank} has other ${what} than process ${rank}: ${facts[what]} and ${theirs[what]}`;
        throw groupError(`${text}; all processes of a group run the same program on the same data`, { what, rank });
      }
    };
    return { now: () => check(all.now()), later: async () => check(await all.later()) };
  }
}

printAs(Group, function (inspect) {
  const { rank, size, library } = this;
  return `Group ${inspect({ rank, size, library })}`;
});

const numbers = (...values: readonly number[]): Uint8Array => new Uint8Array(Float64Array.from(values).buffer);
const numbersOf = (bytes: Uint8Array): number[] => [...new Float64Array(bytes.slice().buffer)];

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function cut(all: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  let at = 0;
  return lengths.map((length) => {
    at += length;
    return all.slice(at - length, at);
  });
}
