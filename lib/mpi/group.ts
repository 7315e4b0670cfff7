// group.ts: the processes that train together, as one of them sees them, and what they tell each other.
import { writeSync } from 'node:fs';
import { printAs } from '../errors/inspect.ts';
import { visible } from '../errors/visible.ts';
import type { NativeMpi } from '../native/addon.ts';
import { signature } from '../options/index.ts';
import { groupError } from './error.ts';

const readBarrier = signature('barrier', {});

/** What one process tells another, who does the same: now, or later. */
interface Exchange<T> {
  readonly now: () => T;
  readonly later: () => Promise<T>;
}

let nativeOf: (group: Group) => NativeMpi;

/**
 * The processes that a launcher of MPI started: what `mpi.init` gives, and option `group` of a trainer takes. Each of them runs the same program on the
 * same data, and takes its share of each batch.
 */
export class Group {
  /** Which one this process is, from 0. */
  readonly rank: number;
  /** How many there are. */
  readonly size: number;
  /** The library that they reach each other by: `Open MPI`, `MPICH` or `MPI ABI`; null: this process is alone, and there is none. */
  readonly library: string | null;
  readonly #mpi: NativeMpi;

  static {
    nativeOf = (group) => group.#mpi;
  }

  /** @param mpi of the add-on, opened */
  constructor(rank: number, size: number, library: string | null, mpi: NativeMpi) {
    this.rank = rank;
    this.size = size;
    this.library = library;
    this.#mpi = mpi;
  }

  /**
   * Wait until all processes of the group are here: such as before one reads what another has written. Not while a fit is on.
   * @throws (rejects) OptionError for any argument; GradclipError ERR_GROUP where another process is elsewhere
   */
  async barrier(): Promise<void> {
    readBarrier(arguments);
    await agree(this, 'barrier', { place: 'barrier' }).later();
  }
}

printAs(Group, function (inspect) {
  const { rank, size, library } = this;
  return `Group ${inspect({ rank, size, library })}`;
});

const NOTHING = new Uint8Array(0);
/** Bytes of a number. */
const HEAD = 8;

/** What each process gives, by rank. All of them must ask for it. */
export function gather(group: Group, own: Uint8Array): Exchange<readonly Uint8Array[]> {
  return exchange(group, () => gathering(group, own));
}

/** What each process gives, by rank, for process 0 alone; null: this is another one. All of them must ask for it. */
export function collect(group: Group, own: Uint8Array): Exchange<readonly Uint8Array[] | null> {
  return exchange(group, () => collecting(group, own));
}

/** A conversation with others, at once or waiting. */
function exchange<T>(group: Group, talk: () => Generator<Step, T, Uint8Array>): Exchange<T> {
  const mpi = nativeOf(group);
  return {
    now: () => {
      const steps = talk();
      let next = steps.next();
      while (!next.done) next = steps.next(new Uint8Array(mpi.exchangeSync(...next.value)));
      return next.value;
    },
    later: async () => {
      const steps = talk();
      let next = steps.next();
      while (!next.done) next = steps.next(new Uint8Array(await mpi.exchange(...next.value)));
      return next.value;
    },
  };
}

type Step = readonly [peer: number, out: Uint8Array, bytes: number];

/** Lengths first, since each receives as many bytes as it asks for. */
function* collecting({ rank, size }: Group, own: Uint8Array): Generator<Step, Uint8Array[] | null, Uint8Array> {
  if (rank > 0) {
    yield [0, numbers(own.length), 0];
    yield [0, own, 0];
    return null;
  }
  const parts = [own];
  for (let peer = 1; peer < size; peer++) {
    const [length] = numbersOf(yield [peer, NOTHING, HEAD]);
    parts.push(yield [peer, NOTHING, length!]);
  }
  return parts;
}

/** Process 0 takes all and gives them to all. */
function* gathering(group: Group, own: Uint8Array): Generator<Step, Uint8Array[], Uint8Array> {
  const { size } = group;
  const parts = yield* collecting(group, own);
  if (!parts) {
    const lengths = numbersOf(yield [0, NOTHING, HEAD * size]);
    const all = yield [0, NOTHING, lengths.reduce((a, b) => a + b, 0)];
    return cut(all, lengths);
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
 * End all processes of a group, this one too, since the others would wait for it without end. What went wrong is written to stderr first. A process that
 * is alone goes on: its error is thrown.
 */
export function abort(group: Group, error: unknown): void {
  if (group.size === 1) return;
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  writeSync(2, `process ${group.rank} of ${group.size}: ${visible(text, '\n')}\n`);
  nativeOf(group).abort(1);
}

/**
 * Whether all processes have the same facts.
 * @param facts of this process, by what they are
 * @throws GradclipError ERR_GROUP that names the first fact of which another process has another one
 */
export function agree(group: Group, where: string, facts: Readonly<Record<string, string>>): Exchange<void> {
  const all = gather(group, Buffer.from(JSON.stringify(facts)));
  const check = (given: readonly Uint8Array[]): void => {
    for (const [rank, bytes] of given.entries()) {
      const theirs = JSON.parse(Buffer.from(bytes).toString()) as Record<string, string>;
      const what = Object.keys({ ...facts, ...theirs }).find((name) => facts[name] !== theirs[name]);
      if (what === undefined) continue;
      const text = `${where}: process ${group.rank} has other ${what} than process ${rank}: ${facts[what]} and ${theirs[what]}`;
      throw groupError(`${text}; all processes of a group run the same program on the same data`, { what, rank });
    }
  };
  return { now: () => check(all.now()), later: async () => check(await all.later()) };
}

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
