// rollback.ts: a copy of a trainer's state, taken every so many steps, and the way back to it when a guard says so.
import { GuardError } from '../../errors.ts';
import type { State } from '../../ir/graph.ts';
import type { Data } from '../../ir/op.ts';
import { type Field, options, Place, whole } from '../../options/index.ts';
import type { Effect } from '../loop/effect.ts';
import type { Counters } from '../loop/progress.ts';
import type { Store } from '../state/store.ts';

export interface RollbackOptions {
  /** Steps from one snapshot to the next; the first is taken when a `fit` begins. Default 100. */
  readonly every?: number;
  /** Roll-backs of one `fit`; one more ends it with a GuardError. Default 3. */
  readonly limit?: number;
}

/** As an option. */
export const rollback: Field<RollbackOptions, Required<RollbackOptions>> = options<RollbackOptions>()({
  every: whole({ min: 1 }).default(100),
  limit: whole({ min: 1 }).default(3),
});

interface RollbackContext {
  readonly store: Store;
  restore(values: ReadonlyMap<State, Data>): void;
}

/** The snapshot of one `fit`. */
export class Rollback {
  readonly #rule: Required<RollbackOptions>;
  readonly #setup: RollbackContext;
  readonly #turn: <T>(task: () => T | Promise<T>) => Promise<T>;
  #kept: { readonly values: ReadonlyMap<State, Data>; readonly step: number; readonly tried: number } | null = null;
  #count = 0;

  constructor(options: RollbackOptions, setup: RollbackContext, turn: <T>(task: () => T | Promise<T>) => Promise<T>) {
    this.#rule = rollback.read(options, new Place('Trainer', 'option', 'rollback'));
    this.#setup = setup;
    this.#turn = turn;
  }

  /** Steps until the next snapshot: chunks end there, so it does not depend on their length. */
  until(tried: number): number {
    const { every } = this.#rule;
    return every - (tried % every);
  }

  /** Is a snapshot to be taken now? */
  due(tried: number): boolean {
    return this.#kept === null || (tried % this.#rule.every === 0 && tried > this.#kept.tried);
  }

  keep(tried: number, { step }: Counters): Effect<void> {
    const { store } = this.#setup;
    const take = (values: ReadonlyMap<State, Data>): void => {
      this.#kept = { values, step, tried };
    };
    return {
      now: () => take(store.read(store.states)),
      later: () => this.#turn(async () => take(await store.snapshot(store.states))),
    };
  }

  /**
   * Put the snapshot back. The batches drawn since then stay drawn: the run goes on with the next one.
   * @param where the guard and what it found, for the error
   * @throws GuardError if that was done too often
   */
  back(running: { counters: Counters }, micros: number, where: { guard: string; name: string }): Effect<void> {
    const { limit } = this.#rule;
    const { attempt, step } = running.counters;
    if (++this.#count > limit) {
      throw new GuardError(`fit: ${where.guard}: ${where.name} at step ${step}, after ${limit} roll-backs in this run`, {
        ...where,
        action: 'rollback',
        attempt,
        step,
        rollbacks: limit,
      });
    }
    const now = (): void => {
      const { counters } = running;
      this.#setup.restore(this.#kept!.values);
      const [drawn, batch] = [counters.attempt + micros, counters.batch + micros];
      running.counters = { ...counters, attempt: drawn, batch, step: this.#kept!.step, skips: 0 };
    };
    return { now, later: () => this.#turn(now) };
  }
}
