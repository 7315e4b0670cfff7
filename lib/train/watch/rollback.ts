// rollback.ts: a copy of a trainer's state, taken every so many steps, and the way back to it when a guard says so.

import { GuardError } from '../../errors.ts';
import type { State } from '../../ir/graph.ts';
import type { Data } from '../../ir/op.ts';
import { type Field, options, Place, whole } from '../../options/index.ts';
import { after, type Wait } from '../flow/effect.ts';
import type { Kept } from '../flow/kept.ts';
import { unreadable } from '../flow/kept.ts';
import type { Counters } from '../flow/progress.ts';
import type { Host, Watcher } from './watcher.ts';

/** When weights go back to earlier ones: `rollback` of a trainer. */
export interface RollbackOptions {
  /** Steps from one snapshot to the next; the first is taken when a training begins. Default 100. */
  readonly every?: number;
  /** Roll-backs of one training, however many fits it takes; one more ends it with a GuardError. Default 3. */
  readonly limit?: number;
}

/** As an option. */
export const rollback: Field<RollbackOptions, Required<RollbackOptions>> = options<RollbackOptions>()({
  every: whole({ min: 1 }).default(100),
  limit: whole({ min: 1 }).default(3),
});

/** All of a trainer's state, and how it is put back. */
interface RolledBack {
  readonly store: { readonly lasting: readonly State[] };
  restore(values: ReadonlyMap<State, Data>): void;
}

/** Where a snapshot was taken, and roll-backs so far. */
interface Standing {
  readonly step: number;
  readonly tried: number;
  readonly count: number;
}

const isStanding = (state: unknown): state is Standing =>
  ['step', 'tried', 'count'].every((key) => Number.isSafeInteger((state as Record<string, unknown> | null)?.[key]));

export class Rollback implements Watcher {
  readonly name = 'rollback';
  readonly key: string;
  readonly #rule: Required<RollbackOptions>;
  readonly #setup: RolledBack;
  readonly #host: Host;
  readonly #running: { counters: Counters };
  #standing: Standing | null = null;
  #values: ReadonlyMap<State, Data> | null = null;

  constructor(options: RollbackOptions, setup: RolledBack, host: Host, running: { counters: Counters }) {
    this.#rule = rollback.read(options, new Place('Trainer', 'option', 'rollback'));
    this.key = String(this.#rule.every);
    this.#setup = setup;
    this.#host = host;
    this.#running = running;
  }

  restore({ state, values }: Kept): void {
    const found = values?.snapshot && this.#host.found(values.snapshot, this.#setup.store.lasting);
    if (!found) return;
    if (!isStanding(state)) throw unreadable(this.name);
    this.#standing = state;
    this.#values = found;
  }

  /** Chunks end where a snapshot is taken, so it does not depend on their length. */
  until(tried: number): number {
    const { every } = this.#rule;
    return every - (tried % every);
  }

  before(tried: number): (() => Wait) | null {
    const last = this.#standing;
    if (last && (tried % this.#rule.every !== 0 || tried <= last.tried)) return null;
    return () =>
      after(this.#host.read(this.#setup.store.lasting), (values) => {
        this.#values = values;
        this.#standing = { step: this.#running.counters.step, tried, count: last?.count ?? 0 };
      });
  }

  state(): Omit<Kept, 'key'> | null {
    return this.#values && { state: this.#standing, values: { snapshot: this.#host.named(this.#values) } };
  }

  /**
   * Put the snapshot back. The batches drawn since then stay drawn: the run goes on with the next one.
   * @param where the guard and what it found, for the error
   * @throws GuardError if that was done too often; the next run counts anew
   */
  back(micros: number, where: { guard: string; name: string }): void {
    const { limit } = this.#rule;
    const { counters } = this.#running;
    const { attempt, step } = counters;
    const standing = this.#standing!;
    if (standing.count >= limit) {
      this.#standing = null;
      this.#values = null;
      throw new GuardError(`fit: ${where.guard}: ${where.name} at step ${step}, after ${limit} roll-backs in this run`, {
        ...where,
        action: 'rollback',
        attempt,
        step,
        rollbacks: limit,
      });
    }
    this.#standing = { ...standing, count: standing.count + 1 };
    this.#setup.restore(this.#values!);
    const [drawn, batch] = [attempt + micros, counters.batch + micros];
    this.#running.counters = { ...counters, attempt: drawn, batch, step: standing.step, skips: 0 };
  }
}
