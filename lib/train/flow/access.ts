// access.ts: who may use a trainer when: its own calls take turns, and other trainers of the same values wait until they are done.
import { BusyError, DisposedError } from '../../errors.ts';
import { holdAll, type Memory } from '../../nn/module/values.ts';
import type { Effect, Wait } from './effect.ts';
import { Turns } from './turns.ts';

export class Access {
  readonly #turns: Turns = new Turns();
  /** Where the model's values lie. */
  readonly #memories: () => readonly Memory[];
  #fitting = false;
  /** Steps that wait or are under way. */
  #steps = 0;
  /** Calls that change values and wait or are under way, those of a fit aside. */
  #writing = 0;
  #disposed = false;

  constructor(memories: () => readonly Memory[]) {
    this.#memories = memories;
  }

  /** @throws BusyError while a call waits or is under way, a fit between two chunks aside */
  checkIdle(what: string): void {
    if (!this.#turns.free) throw new BusyError(`${what}: another call of this trainer is not done; await it first`);
  }

  /** Whether a fit is on. */
  get fitting(): boolean {
    return this.#fitting;
  }

  /** Whether neither a fit nor another call is under way, or waits. */
  get idle(): boolean {
    return !this.#fitting && this.#turns.free;
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  dispose(): void {
    this.#disposed = true;
  }

  /** @throws DisposedError; BusyError while a fit is on, of this trainer or another of its values */
  checkFree(what: string): void {
    this.#checkUsable(what);
    if (this.#fitting) throw new BusyError(`${what}: a fit of this trainer is running; await it or stop it first`);
    this.#hold(what, false)();
  }

  /** Before a call that reads at once what no run may change meanwhile. @throws as checkFree, and while a call is not done that changes values */
  checkStill(what: string): void {
    this.checkFree(what);
    if (this.#writing > 0)
      throw new BusyError(`${what}: a call of this trainer that changes weights is not done; await it first`);
  }

  /**
   * Before a call that reads and blocks this thread. While a fit is on, its run ends early, and what the call runs comes after it: between two steps.
   * @throws DisposedError; BusyError while a fit of another trainer of the values is on
   */
  checkBetween(what: string): void {
    this.#checkUsable(what);
    this.#hold(what, false)();
    this.#turns.hurry();
  }

  /** For what is run next, whoever has the turn: the run of a fit that is on ends after its step. */
  hurry(): void {
    if (this.#fitting) this.#turns.hurry();
  }

  /** @throws BusyError also while a call of another trainer of the values is not done */
  checkAlone(what: string): void {
    this.checkFree(what);
    this.#hold(what, true)();
  }

  /** A fit is on until the returned function is called. @throws as checkAlone */
  begin(what: string): () => void {
    this.checkFree(what);
    if (this.#steps > 0) throw new BusyError(`${what}: a step of this trainer is not done; await it first`);
    const release = this.#hold(what, true);
    this.#fitting = true;
    return () => {
      this.#fitting = false;
      release();
    };
  }

  /**
   * Run a task when its turn comes: while a fit is on, after the step that is being run.
   * @param writes it changes values
   */
  async use<T>(what: string, task: () => T | Promise<T>, writes: boolean = false): Promise<T> {
    this.#checkUsable(what);
    const release = this.#hold(what, writes);
    if (writes) this.#writing++;
    try {
      return await this.#turns.take(() => {
        this.#checkUsable(what);
        return task();
      });
    } finally {
      if (writes) this.#writing--;
      release();
    }
  }

  /** Run a step when its turn comes. @throws (rejects) BusyError while a fit is on, which does not begin before the step is done */
  async step<T>(what: string, task: () => Promise<T>): Promise<T> {
    this.checkFree(what);
    this.#steps++;
    try {
      return await this.use(what, task, true);
    } finally {
      this.#steps--;
    }
  }

  /** The same for what belongs to a fit, whether or not the trainer was disposed of meanwhile. */
  take<T>(task: () => T | Promise<T>): Promise<T> {
    return this.#turns.take(task);
  }

  /** As an effect of its loop. A fit that blocks waits for nobody: it began when no call was under way. */
  inTurn<T>(task: () => Wait<T>): Effect<T> {
    return { now: task as () => T, later: () => this.take(task) };
  }

  /** Wait for a turn of a fit; what it gives ends it. @param endEarly asks the run that is on to end: somebody waits */
  turn(endEarly: () => void): Effect<() => void> {
    return { now: () => () => {}, later: () => this.#turns.begin(endEarly) };
  }

  /** Within such a turn: whether somebody waits already, before there is a run that could be asked. */
  get wanted(): boolean {
    return this.#turns.wanted;
  }

  #checkUsable(what: string): void {
    if (this.#disposed) throw new DisposedError(`${what}: the trainer was disposed`);
  }

  #hold(what: string, writes: boolean): () => void {
    return holdAll(this.#memories(), what, this, writes);
  }
}
