// together.ts: how the processes of a group keep together in a fit: what they must have alike, how many steps they run until they agree anew, and when they
// end. Between two agreements none ends, whatever it is asked: so all of them end after the same step.
import { createHash } from 'node:crypto';
import type { State } from '../../ir/graph.ts';
import { groupError } from '../../mpi/error.ts';
import { agree, type Group, largest, share } from '../../mpi/group.ts';
import { known } from '../../mpi/words.ts';
import type { Access } from '../flow/access.ts';
import { type Loop, perform } from '../flow/effect.ts';
import type { Running } from '../flow/running.ts';
import { digest } from '../programs/digest.ts';
import type { Setup } from '../state/setup.ts';
import type { Sharded } from './sharded.ts';

/** Steps from one look at the weights to the next, where nobody says another number. */
export const COMPARE_EVERY = 100;

interface TogetherInit {
  readonly group: Group;
  /** The trainer's method. */
  readonly where: string;
  readonly running: Running;
  readonly access: Access;
  readonly setup: Pick<Setup, 'store' | 'weights' | 'named'>;
  /** Steps from one comparison of the weights to the next. */
  readonly every: number;
  /** Where the data of each process are its own. */
  readonly sharded: Sharded | null;
}

/** A weight, and 16 digits of what it holds. */
type Print = readonly [name: string, digits: string];

export class Together {
  readonly #init: TogetherInit;
  /** Steps of those agreed on that are left. */
  #left = 0;
  /** They have seen for how many of these all have batches. */
  #looked = false;
  /** After which step tried the weights were compared. */
  #compared: number;

  constructor(init: TogetherInit) {
    this.#init = init;
    this.#compared = init.running.course.tried;
  }

  /** Whether the data of each process are its own. */
  get sharded(): boolean {
    return this.#init.sharded !== null;
  }

  get group(): Group {
    return this.#init.group;
  }

  /** Steps that may be run before they agree anew. */
  get left(): number {
    return this.#left;
  }

  /**
   * Before the next batches are drawn: no more steps than all have batches for.
   * @returns false: the run ends before that is known
   */
  *look(): Loop<boolean> {
    const { running, sharded } = this.#init;
    if (!sharded || this.#looked) return true;
    this.#looked = true;
    const most = Math.min(this.#left, running.stepsLeft, running.untilValidation);
    const steps = yield* sharded.look(most, running.counters);
    this.#left = steps ?? 0;
    return steps !== null;
  }

  /** Whether an epoch has ended. @param own for this process */
  *ends(own: boolean): Loop<boolean> {
    const { sharded } = this.#init;
    return sharded ? yield* sharded.endsFor(own) : own;
  }

  /** Steps were tried. */
  ran(tried: number): void {
    this.#left -= tried;
  }

  /** All are here, and have these facts alike. @throws GradclipError ERR_GROUP */
  *alike(facts: Readonly<Record<string, string>>): Loop<void> {
    yield* perform(agree(this.group, this.#init.where, facts));
  }

  /**
   * Where all steps of the last agreement are done: how many come next, or that the run ends.
   * @param steps that process 0 would have
   * @throws GradclipError ERR_GROUP where weights have come apart
   */
  *agree(steps: number): Loop<void> {
    if (this.#left > 0) return;
    const { group, where, running } = this.#init;
    const { halt, time } = running;
    const { tried } = running.course;
    const [stop, aborted] = [halt.asked.stop ? 1 : 0, halt.asked.abort ? group.rank + 1 : 0];
    // One clock, and one pace.
    const first = group.rank === 0;
    const [over, most] = first ? [time?.passed ? 1 : 0, Math.min(steps, time?.fitting ?? steps)] : [0, 0];
    const compares = tried - this.#compared >= this.#init.every;
    const prints = compares ? yield* this.#prints() : [];
    const [high, low] = halves(prints);
    const own = [stop, aborted, over, most, tried, -tried, high, -high, low, -low];
    const all = yield* perform(largest(group, where, own));
    if (all[4] !== -all[5]!) {
      throw known(groupError(`${where}: processes are at different steps: ${-all[5]!} and ${all[4]}`));
    }
    if (compares) {
      this.#compared = tried;
      if (all[6] !== -all[7]! || all[8] !== -all[9]!) yield* this.#tellApart(prints);
    }
    if (all[0] || all[1]) halt.agree(all[1]! > 0 ? all[1]! - 1 : null);
    if (all[2]) time?.agree();
    this.#left = all[3]!;
    this.#looked = false;
  }

  /** Whether all have the same weights. @throws GradclipError ERR_GROUP that names the first that differs, and whose it is */
  *compare(): Loop<void> {
    const prints = yield* this.#prints();
    const [high, low] = halves(prints);
    const all = yield* perform(largest(this.group, this.#init.where, [high, -high, low, -low]));
    if (all[0] !== -all[1]! || all[2] !== -all[3]!) yield* this.#tellApart(prints);
  }

  *#prints(): Loop<readonly Print[]> {
    const { access, group, running, setup } = this.#init;
    if (group.size === 1) return [];
    const { store, weights, named } = setup;
    const values = yield* perform(access.inTurn(() => (running.blocks ? store.read(weights) : store.snapshot(weights))));
    const names = new Map([...named.states()].map(([name, state]): [State, string] => [state, name]));
    return weights.map((state) => [names.get(state) ?? state.name, digest([values.get(state)!])]);
  }

  *#tellApart(own: readonly Print[]): Loop<never> {
    const { group, where, running } = this.#init;
    const bytes = Buffer.from(JSON.stringify(own));
    const all = yield* perform(share(group, where, { facts: { place: 'weights that differ' }, bytes }));
    const found = apart(all.map((b) => JSON.parse(Buffer.from(b).toString()) as Print[]));
    const { step } = running.counters;
    const text = `${where}: process ${found.rank} has other values of ${found.name} than process ${found.than} after ${step} updates: whatever writes weights must do so in all processes alike`;
    throw known(groupError(text, { name: found.name, rank: found.rank, step }));
  }
}

/** The first weight that differs, and the first process that has it otherwise than most. */
export function apart(all: readonly (readonly Print[])[]): {
  readonly name: string;
  readonly rank: number;
  readonly than: number;
} {
  for (const [i, [name]] of all[0]!.entries()) {
    const given = all.map((prints) => prints[i]?.[1]);
    if (given.every((digits) => digits === given[0])) continue;
    const count = (digits: string | undefined): number => given.filter((d) => d === digits).length;
    // Where as many have it either way, that of process 0.
    const usual = given.reduce((a, b) => (count(b) > count(a) ? b : a));
    return { name, rank: given.findIndex((d) => d !== usual), than: given.indexOf(usual) };
  }
  return { name: 'weights', rank: 1, than: 0 };
}

/** 64 bits of all, as two numbers. */
function halves(prints: readonly Print[]): [number, number] {
  const bytes = createHash('sha256').update(JSON.stringify(prints)).digest();
  return [bytes.readUInt32LE(0), bytes.readUInt32LE(4)];
}
