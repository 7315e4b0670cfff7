// watcher.ts: the contract of whatever follows a run, and how those who follow one are called. The loop knows nobody by name: what each must know to
// go on after a stop is kept for it, and is in every checkpoint.

import { OptionError } from '../../errors.ts';
import type { State } from '../../ir/graph.ts';
import type { Data } from '../../ir/op.ts';
import type { RunResult } from '../../native/addon.ts';
import type { Reports } from '../../optim/apply/report.ts';
import type { Chunk } from '../feed/feeder.ts';
import type { Access } from '../flow/access.ts';
import { after, type Effect, inOrder, type Loop, type Wait } from '../flow/effect.ts';
import type { Kept } from '../flow/kept.ts';
import type { EpochEnd, FitResult, GuardEvent, Metrics, StopReason } from '../flow/progress.ts';
import type { TrainingWarning } from '../flow/warnings.ts';

/** How a run ended. */
export type Ending =
  | { readonly result: FitResult<string>; readonly error: null }
  | { readonly result: null; readonly error: unknown };

/** What a chunk had. */
export interface ChunkFacts {
  /** Threads that its steps had, and how many they were to have. */
  readonly threads: number;
  readonly asked: number;
  /** Steps tried with these, of all runs; updates before them. */
  readonly tried: number;
  readonly step: number;
}

/** What came of a chunk that was run. */
export interface Ran {
  readonly reports: Reports;
  readonly result: RunResult;
}

/**
 * Who follows a run. What changes its state is called within the turn of the event, and counters and weights are then of the same step:
 * so a checkpoint, whenever it is made, has all of it or none. In a fit that blocks nothing may wait.
 */
export interface Watcher {
  /** Under which it is kept. */
  readonly name: string;
  readonly key?: string;
  /** Take up what was kept; before `start`. */
  restore?(kept: Kept): void;
  /** In the turn of the run's first step, before it. */
  start?(): Wait;
  /** Why the run shall end, if it shall; asked before each chunk. */
  stop?(): StopReason | null;
  /** Steps until a chunk must end. `tried` are the steps tried so far. */
  until?(tried: number): number;
  /** What is to be done before the next chunk, in a turn; null: nothing. */
  before?(tried: number): (() => Wait) | null;
  /** The steps of a chunk are done. */
  steps?(reports: Reports, facts: ChunkFacts): void;
  /** Outside of turns, when all have had its steps: look at a chunk, repair what it has done, or throw what ends the run. */
  examine?(chunk: Chunk, ran: Ran): Loop<void>;
  validation?(metrics: Metrics<string>): Wait;
  /** A guard has found something. */
  guard?(event: GuardEvent): void;
  /** What may not be as it was meant, at any moment of the run. */
  warning?(warning: TrainingWarning): void;
  epoch?(end: EpochEnd<string>): Wait;
  /** Outside of turns: everybody has had all that was done, the next chunk has not begun. */
  settled?(): Wait;
  /** Outside of turns, before a checkpoint takes its place: what it was given is where it shall be, or this throws. */
  flush?(): Wait;
  /** The run has ended, in whatever way; in a turn. */
  end?(ending: Ending): Wait;
  /** After that, outside of turns; also where an `end` has failed. */
  close?(ending: Ending): Wait;
  /** Null: there is nothing to be kept. */
  state?(): Omit<Kept, 'key'> | null;
}

/** Those that belong to users: called in the turn, but what they wait for is waited for after it, since it may be another turn. */
export interface Follower extends Watcher {
  readonly where: string;
}

type Hook = Exclude<keyof Watcher, 'name' | 'key'>;
type With<W extends Watcher, H extends Hook> = W & { readonly [K in H]-?: NonNullable<W[K]> };
type Having<W extends Watcher = Watcher> = <H extends Hook>(hook: H) => readonly With<W, H>[];

function having<W extends Watcher>(all: readonly W[]): Having<W> {
  const found = new Map<Hook, readonly W[]>();
  return (hook) => {
    let list = found.get(hook);
    if (!list) {
      list = all.filter((w) => w[hook] !== undefined);
      found.set(hook, list);
    }
    return list as never;
  };
}

type Told = 'validation' | 'guard' | 'warning' | 'epoch' | 'end' | 'start' | 'steps';

/** All that follow one run. */
export class Watchers {
  readonly #all: readonly Watcher[];
  readonly #access: Access;
  readonly #sync: boolean;
  /** Those that have a function, ours first: most chunks concern few. */
  readonly #own: Having;
  readonly #followers: Having<Follower>;
  readonly #either: Having;
  /** What followers wait for, or have failed with, since `told` was last waited for. */
  #pending: Promise<unknown>[] = [];
  #failure: { readonly error: unknown } | null = null;

  /** @param sync nothing may wait */
  constructor(own: readonly Watcher[], followers: readonly Follower[], access: Access, sync: boolean) {
    this.#access = access;
    this.#all = [...own, ...followers];
    this.#own = having(own);
    this.#followers = having(followers);
    this.#either = having(this.#all);
    this.#sync = sync;
  }

  /** Give each what is kept of it. `same`: the weights are those that were left. */
  restore(kept: ReadonlyMap<string, Kept>, same: boolean): void {
    for (const w of this.#all) {
      const found = kept.get(w.name);
      if (found && found.key === (w.key ?? '') && (same || !found.values)) w.restore?.(found);
    }
  }

  /** What is to be kept of each. */
  get kept(): Map<string, Kept> {
    const all = new Map<string, Kept>();
    for (const w of this.#all) {
      const state = w.state?.();
      if (state) all.set(w.name, { key: w.key ?? '', ...state });
    }
    return all;
  }

  until(tried: number): number {
    let least = Number.POSITIVE_INFINITY;
    for (const w of this.#either('until')) least = Math.min(least, w.until(tried));
    return least;
  }

  /** Why the run shall end, if it shall. */
  get stop(): StopReason | null {
    for (const w of this.#either('stop')) {
      const reason = w.stop();
      if (reason) return reason;
    }
    return null;
  }

  /** What is to be done before the next chunk; null: nothing. */
  before(tried: number): Effect<void> | null {
    const tasks: (() => Wait)[] = [];
    for (const w of this.#either('before')) {
      const task = w.before(tried);
      if (task) tasks.push(task);
    }
    return tasks.length === 0 ? null : this.#access.inTurn(() => inOrder(tasks, (task) => task()));
  }

  /** In a turn: what happened. `told` is to be waited for after it. */
  tell<H extends Told>(hook: H, ...args: Parameters<NonNullable<Watcher[H]>>): Wait {
    const call = (w: Watcher): Wait => (w[hook] as (...args: unknown[]) => Wait)(...args);
    const followers = this.#followers(hook);
    const own = inOrder(this.#own(hook), call);
    if (followers.length === 0) return own;
    return after(own, () => {
      // Each is called, also where one before it has failed: what they keep is of the same step.
      for (const f of followers) {
        try {
          const waits = call(f) as unknown;
          if (typeof (waits as PromiseLike<unknown> | undefined)?.then === 'function')
            this.#wait(f, waits as PromiseLike<unknown>);
        } catch (error) {
          this.#failure ??= { error };
        }
      }
    });
  }

  *examine(chunk: Chunk, ran: Ran): Loop<void> {
    for (const w of this.#own('examine')) yield* w.examine(chunk, ran);
  }

  /** Wait for followers that do. @throws what one of them failed with */
  told(): Wait {
    if (this.#pending.length === 0 && !this.#failure) return;
    const pending = this.#pending;
    this.#pending = [];
    const check = (): void => {
      const failure = this.#failure;
      this.#failure = null;
      if (failure) throw failure.error;
    };
    return pending.length === 0 ? check() : Promise.all(pending).then(check);
  }

  settled(): Wait {
    return inOrder(this.#either('settled'), (w) => w.settled());
  }

  flush(): Wait {
    return inOrder(this.#all, (w) => w.flush?.());
  }

  /** Close all, whatever fails: those after a failure are closed with that. @throws the first failure */
  close(ending: Ending): Wait {
    let failure: { readonly error: unknown } | null = null;
    const failed = (error: unknown): void => {
      failure ??= { error };
    };
    const closed = inOrder(this.#all, (w) => {
      try {
        const waits = w.close?.(failure ? { result: null, error: (failure as { readonly error: unknown }).error } : ending);
        return waits instanceof Promise ? waits.catch(failed) : undefined;
      } catch (error) {
        failed(error);
      }
    });
    return after(closed, () => {
      if (failure) throw (failure as { readonly error: unknown }).error;
    });
  }

  #wait(follower: Follower, waits: PromiseLike<unknown>): void {
    const settled = Promise.resolve(waits).catch((error: unknown) => {
      this.#failure ??= { error };
    });
    if (!this.#sync) this.#pending.push(settled);
    else this.#failure ??= { error: new OptionError(`fitSync: ${follower.where} gave a promise: what waits needs fit`) };
  }
}

/** What watchers may do with a trainer's state, in a turn. */
export interface Host {
  /** Values as of now: at once in a fit that blocks. */
  read(states: readonly State[]): Wait<ReadonlyMap<State, Data>>;
  write(values: ReadonlyMap<State, Data>): void;
  /** By names in files, and back: null where a state has no values of its type. */
  named(values: ReadonlyMap<State, Data>): Map<string, Data>;
  found(values: ReadonlyMap<string, Data>, states: readonly State[]): ReadonlyMap<State, Data> | null;
}
