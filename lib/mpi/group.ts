// group.ts: the processes that train together, as one of them sees them.
import { writeSync } from 'node:fs';
import { printAs } from '../errors/inspect.ts';
import { visible } from '../errors/visible.ts';
import { BusyError } from '../errors.ts';
import { addon } from '../native/addon.ts';
import { signature } from '../options/index.ts';
import {
  agree as agreePeers,
  collect as collectPeers,
  type Exchange,
  type Line,
  largest as largestPeers,
  type Peers,
  type Said,
  share as sharePeers,
} from './words.ts';

const readBarrier = signature('barrier', {});

/** The same, and how all are ended. */
interface Ending extends Line {
  abort(code: number): void;
}

let peersOf: (group: Group) => Peers & { readonly mpi: Ending };

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
  /** Threads of a trainer with this group, where its option `threads` is not given: those of the process, and its part of them where it shares a machine. */
  readonly threads: number;
  readonly #mpi: Ending;

  static {
    peersOf = (group) => ({ rank: group.rank, size: group.size, mpi: group.#mpi });
  }

  /** @param mpi of the add-on, opened */
  constructor(rank: number, size: number, library: string | null, mpi: Ending, threads: number = addon().threads.count) {
    this.rank = rank;
    this.size = size;
    this.library = library;
    this.threads = threads;
    this.#mpi = mpi;
  }

  /**
   * Wait until all processes of the group are here: such as before one reads what another has written. Not while a fit is on.
   * @throws (rejects) OptionError for any argument; BusyError while a fit of the group is on; GradclipError ERR_GROUP where another process is elsewhere
   */
  async barrier(): Promise<void> {
    readBarrier(arguments);
    const end = talk(this, 'barrier');
    try {
      await agree(this, 'barrier', { place: 'barrier' }).later();
    } finally {
      end();
    }
  }
}

printAs(Group, function (inspect) {
  const { rank, size, library } = this;
  return `Group ${inspect({ rank, size, library })}`;
});

/** What of this process is talking with the others, for longer than a call. */
const talking = new WeakMap<Group, string>();

/**
 * Talk with the others from here on, until what is given back is called.
 * @throws BusyError where another call does: what both say would be mixed up, in each process in another way
 */
export function talk(group: Group, where: string): () => void {
  const other = talking.get(group);
  if (other !== undefined) throw new BusyError(`${where}: a ${other} of this group is not done; await it first`);
  talking.set(group, where);
  return () => void talking.delete(group);
}

/** What each process gives, by rank, where all are at the same place. @throws GradclipError ERR_GROUP, as in words.ts */
export const share = (group: Group, where: string, said: Said): Exchange<readonly Uint8Array[]> =>
  sharePeers(peersOf(group), where, said);

/** Whether all processes have the same facts. @throws GradclipError ERR_GROUP that names the first of which another process has another one */
export const agree = (group: Group, where: string, facts: Said['facts']): Exchange<void> =>
  agreePeers(peersOf(group), where, facts);

/** Of each number the largest that any process gives, of the last `sums` their sum. @throws GradclipError ERR_GROUP where another process says something else */
export const largest = (group: Group, where: string, own: readonly number[], sums: number = 0): Exchange<readonly number[]> =>
  largestPeers(peersOf(group), where, own, sums);

/** What each process gives, by rank, for process 0 alone; null: this is another one. */
export const collect = (group: Group, where: string, own: Uint8Array): Exchange<readonly Uint8Array[] | null> =>
  collectPeers(peersOf(group), where, own);

/**
 * End all processes of a group, this one too, since the others would wait for it without end. What went wrong is written to stderr first. A process that
 * is alone goes on: its error is thrown.
 * @param code that they end with
 */
export const abort = (group: Group, error: unknown, code: number = 1): void => end(peersOf(group), error, code);

/** The same, of what is no group yet. */
export function end(
  { rank, size, mpi }: Pick<Peers, 'rank' | 'size'> & { readonly mpi: Ending },
  error: unknown,
  code: number,
): void {
  if (size === 1) return;
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  tell(`process ${rank} of ${size}: ${visible(text, '\n')}\n`);
  mpi.abort(code);
}

/** How long somebody may leave stderr unread, and the time from one look to the next. In ms. */
const PATIENCE = 1000;
const LOOK = 5;

/** All of a text on stderr, now: where that is a pipe which has no room, once there is some. A stderr that is closed ends nothing. */
function tell(text: string): void {
  const bytes = Buffer.from(text);
  const until = performance.now() + PATIENCE;
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(2, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || performance.now() > until) return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK);
    }
  }
}
