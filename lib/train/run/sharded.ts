// sharded.ts: what feeds a process of a group whose data are its own: for how many steps all of them have batches, and when an epoch ends for all.
import { groupError } from '../../mpi/error.ts';
import { type Group, largest, share } from '../../mpi/group.ts';
import { known } from '../../mpi/words.ts';
import type { Chunk, Feeder, Within } from '../feed/feeder.ts';
import { type Effect, type Loop, perform } from '../flow/effect.ts';
import type { EpochData } from '../flow/epoch-data.ts';
import type { Counters } from '../flow/progress.ts';
import type { Running } from '../flow/running.ts';

/** What a feeder says in place of a chunk. */
const ENDS = ['endOfEpoch', 'endOfData', 'otherData'] as const;
type End = (typeof ENDS)[number];

/** Rows of one step. */
const rowsOf = ({ parts }: Chunk): number => parts.reduce((sum, { micros, shape }) => sum + micros * shape.rows, 0);

export class Sharded implements Feeder {
  readonly data: Feeder['data'];
  readonly kind: string;
  readonly of: EpochData;
  readonly anew: boolean;
  readonly close: Effect<void>;
  /** Of the process that has the fewest. */
  epochSteps: number | null;
  readonly #own: Feeder;
  readonly #group: Group;
  readonly #where: string;
  readonly #running: Running;
  /** Of the steps that were looked at. */
  #within: Within | null = null;
  /** What all processes find in place of a step. */
  #end: End | null = null;

  /** @param own gives the batches of this process */
  constructor(own: Feeder, group: Group, where: string, running: Running) {
    const { data, kind, of, anew, close, epochSteps } = own;
    this.data = data;
    this.kind = kind;
    this.of = of;
    this.anew = anew;
    this.close = close;
    this.epochSteps = epochSteps;
    this.#own = own;
    this.#group = group;
    this.#where = where;
    this.#running = running;
  }

  /** An epoch has as many steps as the process with the fewest has. */
  *begin(): Loop<void> {
    const own = this.#own.epochSteps;
    if (own === null) return;
    const [least, most] = yield* perform(largest(this.#group, this.#where, [-own, own]));
    this.epochSteps = -least!;
    if (-least! !== most)
      this.#warn(`an epoch has ${-least!} steps, as the process with the fewest rows has, and others have ${most}`);
  }

  /**
   * For how many steps all have batches, at most so many: 0 where the epoch or the data end for all; null where the run ends before that is known, as it may
   * for a process that is alone.
   * @throws GradclipError ERR_GROUP where the epoch under way had other data in some of them alone
   */
  *look(most: number, counters: Counters): Loop<number | null> {
    const next = this.#own.next(most, this.#countersOf(counters));
    const { halt } = this.#running;
    const found = yield* perform({ now: next.now, later: () => halt.or(next.later()) });
    if (found === null) return null;
    const chunk = typeof found === 'string' ? null : found;
    const end = typeof found === 'string' ? 1 + ENDS.indexOf(found) : 0;
    const [steps, micros, rows] = chunk ? [chunk.steps, chunk.micros, rowsOf(chunk)] : [0, 0, 0];
    const own = [end, -end, -steps, micros, -micros, micros, rows];
    const all = yield* perform(largest(this.#group, this.#where, own, 2));
    // It is drawn when its turn comes.
    chunk?.giveBack?.(0);
    if (all[0]! > 0) {
      yield* this.#endAll(ENDS[all[0]! - 1]!, all[0] === -all[1]!, chunk !== null);
      return 0;
    }
    const base = all[3] === -all[4]! ? this.#group.rank * micros : yield* this.#before(micros);
    this.#within = { base, micros: all[5]!, rows: all[6]! };
    return -all[2]!;
  }

  /** Whether the epoch ends for any process. @param own whether it does for this one */
  *endsFor(own: boolean): Loop<boolean> {
    const [any, all] = yield* perform(largest(this.#group, this.#where, [Number(own), -Number(own)]));
    if (any && !all) yield* this.#cutShort(!own);
    return any === 1;
  }

  /** What was looked at, some of it, or how it ended. */
  next(most: number, counters: Counters): Effect<Chunk | End> {
    const end = this.#end;
    if (end) {
      this.#end = null;
      return { now: () => end, later: async () => end };
    }
    const { now, later } = this.#own.next(most, this.#countersOf(counters));
    const within = this.#within!;
    const of = (found: Chunk | End): Chunk | End => (typeof found === 'string' ? found : { ...found, within });
    return { now: () => of(now()), later: async () => of(await later()) };
  }

  /** As far as this process knows. */
  ends(counters: Counters): Effect<boolean> {
    return this.#own.ends(this.#countersOf(counters));
  }

  /** Micro-batches of processes before this one. */
  *#before(micros: number): Loop<number> {
    const facts = { place: 'the last step of an epoch' };
    const all = yield* perform(share(this.#group, this.#where, { facts, bytes: Buffer.from(`${micros}`) }));
    return all.slice(0, this.#group.rank).reduce((sum, bytes) => sum + Number(Buffer.from(bytes).toString()), 0);
  }

  *#endAll(end: End, alike: boolean, left: boolean): Loop<void> {
    if (!alike && end === 'otherData') {
      const text = `${this.#where}: the epoch under way had other data in some processes: begin it anew in all, or give all of them the data they had`;
      throw known(groupError(text));
    }
    this.#end = end;
    if (!alike) yield* this.#cutShort(left);
  }

  /** The epoch ends, since it does for another process. @param left whether this one has batches left */
  *#cutShort(left: boolean): Loop<void> {
    this.#warn(
      'the data of one process ended before those of others: an epoch ends for all of them with the first that has no batch left',
    );
    if (left && this.#own.cut) yield* perform(this.#own.cut);
  }

  #warn(text: string): void {
    const { warnings, counters } = this.#running;
    warnings.add('unevenShards', `${this.#where}: ${text}`, { name: 'data', step: counters.step });
  }

  /** As if there were no others: each has as many batches as the next. */
  #countersOf(counters: Counters): Counters {
    const { size } = this.#group;
    return { ...counters, attempt: Math.floor(counters.attempt / size), batch: Math.floor(counters.batch / size) };
  }
}
