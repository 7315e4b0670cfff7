// running.ts: a run that is on: where it stands, how long it is to be, and how it is asked to end.
import type { RunResult } from '../../native/addon.ts';
import type { Wait } from './effect.ts';
import type { Halt } from './halt.ts';
import type { Kept } from './kept.ts';
import type { Counters, Course, GuardEvent } from './progress.ts';
import type { TimeLimit } from './time-limit.ts';
import type { Warnings } from './warnings.ts';

/** What a run is to be: how long, from where it began. */
export interface Plan {
  readonly steps: number;
  readonly epochs: number;
  /** Null: as long as steps and epochs take. */
  readonly time: TimeLimit | null;
  /** Steps from one validation to the next; null: between the steps of an epoch there is none. */
  readonly validateEvery: number | null;
  /** Nothing may wait. */
  readonly blocks: boolean;
  /** It goes on with one that was interrupted. */
  readonly resumed: boolean;
  /** Steps differ in micro-batches, and an epoch is so many steps: each is one batch of it. */
  readonly sampled: boolean;
}

/** Those who follow a run. */
export interface Company {
  readonly kept: ReadonlyMap<string, Kept>;
  /** What they were given is where it shall be. */
  flush(): Wait;
  tell(what: 'guard', event: GuardEvent): Wait;
}

/** Where a run is, and what keys what it draws. */
export interface Place {
  readonly seed: bigint;
  readonly counters: Counters;
  readonly course: Course;
}

export class Running implements Place {
  readonly halt: Halt;
  readonly warnings: Warnings;
  seed: bigint;
  counters: Counters;
  course: Course;
  /** Who follows it, once they have taken up what was kept of them. */
  watchers: Company | null = null;
  readonly #plan: Plan;

  constructor(plan: Plan, halt: Halt, warnings: Warnings, { seed, counters, course }: Place) {
    this.#plan = plan;
    this.halt = halt;
    this.warnings = warnings;
    this.seed = seed;
    this.counters = counters;
    this.course = course;
  }

  get blocks(): boolean {
    return this.#plan.blocks;
  }

  get resumed(): boolean {
    return this.#plan.resumed;
  }

  /** Go on from elsewhere, before the first step. */
  move({ seed, counters, course }: Place): void {
    this.seed = seed;
    this.counters = counters;
    this.course = course;
  }

  /** The epoch under way had other data than those of the run: of these it has nothing yet. */
  anew(): void {
    this.counters = { ...this.counters, batch: 0 };
  }

  /** Steps tried since it began. */
  get tried(): number {
    return this.course.tried - this.course.begin.tried;
  }

  /** As many as it is to have; null: something else ends it. */
  get epochs(): number | null {
    const { epochs } = this.#plan;
    return epochs === Number.POSITIVE_INFINITY ? null : epochs;
  }

  get time(): TimeLimit | null {
    return this.#plan.time;
  }

  /** As many as are to be tried, and fit into its time. */
  get stepsLeft(): number {
    return Math.min(this.#plan.steps - this.tried, this.time?.steps ?? Number.POSITIVE_INFINITY);
  }

  /**
   * What of its length has been reached. Of steps and epochs, steps: they are done before the epoch that they end is over; of these and the time, these: then
   * all is done.
   */
  get reached(): 'epochs' | 'steps' | 'seconds' | null {
    if (this.#plan.steps - this.tried <= 0) return 'steps';
    if (this.counters.epoch - this.course.begin.epoch >= this.#plan.epochs) return 'epochs';
    return this.time?.over ? 'seconds' : null;
  }

  /** Whether validations come at the ends of epochs alone. */
  get validatesEpochs(): boolean {
    return this.#plan.validateEvery === null;
  }

  /** Whether steps were tried since the last validation, as many as there are between two: whichever run tried them. */
  get validationDue(): boolean {
    const { validateEvery } = this.#plan;
    const { tried, validated } = this.course;
    return validateEvery !== null && tried % validateEvery === 0 && tried > validated;
  }

  get untilValidation(): number {
    const { validateEvery } = this.#plan;
    return validateEvery === null ? Number.POSITIVE_INFINITY : validateEvery - (this.course.tried % validateEvery);
  }

  /**
   * After how many steps tried, of all runs, it ends, if no step is left out; null: nobody knows.
   * @param epochSteps of an epoch; null: nobody knows
   * @param accumulate micro-batches of a step
   */
  endIn(epochSteps: number | null, accumulate: number): number | null {
    const { steps, epochs } = this.#plan;
    const { begin, tried } = this.course;
    const { epoch, batch } = this.counters;
    const here = epochSteps === null ? 0 : epochSteps - Math.ceil(batch / accumulate);
    const left = epochs - (epoch - begin.epoch);
    const inEpochs = epochSteps === null || epochs === Number.POSITIVE_INFINITY ? epochs : here + (left - 1) * epochSteps;
    const end = Math.min(begin.tried + steps, epochSteps === null ? Number.POSITIVE_INFINITY : tried + inEpochs);
    return end === Number.POSITIVE_INFINITY ? null : end;
  }

  /** Steps were run. */
  advance({ attempt, stepCount, skips, tried }: RunResult): void {
    const { counters, course } = this;
    const batch = counters.batch + (this.#plan.sampled ? tried : attempt - counters.attempt);
    const all = course.tried + tried;
    // Where no step is followed by a validation, none is due when a run begins that has some.
    this.course = { ...course, tried: all, validated: this.validatesEpochs ? all : course.validated };
    this.counters = { epoch: counters.epoch, attempt, step: stepCount, batch, skips };
  }

  /** A step was tried whose updates a guard took back. */
  undone(): void {
    this.course = { ...this.course, tried: this.course.tried + 1 };
  }

  /** A validation between two steps is done. */
  validated(): void {
    this.course = { ...this.course, validated: this.course.tried };
  }

  /** The epoch under way is over. @returns how many are */
  endEpoch(): number {
    const { counters, course } = this;
    const epoch = counters.epoch + 1;
    this.counters = { ...counters, epoch, batch: 0 };
    // What was over before the run began is none of its epochs.
    if (this.tried === 0) this.course = { ...course, begin: { ...course.begin, epoch } };
    return epoch;
  }
}
