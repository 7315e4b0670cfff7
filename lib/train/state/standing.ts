// standing.ts: where a trainer stands, in a run or between two.

import { StepLog } from '../../history/log.ts';
import { Digest } from '../../history/run/digest.ts';
import type { RunResult } from '../../native/addon.ts';
import type { Halt } from '../flow/halt.ts';
import { keptNow } from '../flow/kept.ts';
import { type Counters, type Course, inBatchesOf, NO_COURSE, START } from '../flow/progress.ts';
import { type Plan, Running } from '../flow/running.ts';
import type { Warnings } from '../flow/warnings.ts';

export class Standing {
  /** The last steps. */
  readonly log: StepLog = new StepLog();
  /** All steps since the trainer was made, or brought elsewhere: what its page is drawn from. */
  digest: Digest = new Digest();
  seed: bigint;
  running: Running | null = null;
  #counters: Counters = START;
  #course: Course = NO_COURSE;
  /** Rows of the batches in which they count; and of those of the run that is on, null where they are a stream's. */
  #counted: number;
  #fed: number | null = null;

  /** @param batchSize rows of the trainer's batches */
  constructor(seed: bigint, batchSize: number) {
    this.seed = seed;
    this.#counted = batchSize;
  }

  get counters(): Counters {
    return this.running?.counters ?? this.#counters;
  }

  /** With what is kept of those who follow the run that is on. */
  get course(): Course {
    const { course, watchers } = this.running ?? { course: this.#course, watchers: null };
    return watchers ? { ...course, kept: keptNow(course.kept, watchers.kept), left: null } : course;
  }

  /** Rows of the batches in which the counters count. */
  get batchSize(): number {
    return (this.running && this.#fed) ?? this.#counted;
  }

  /** Rows of the batches in which the epoch that is under way was counted before the run; null: none was. */
  get within(): number | null {
    return this.#counters.batch > 0 ? this.#counted : null;
  }

  /** A run begins. @param batchSize rows of its batches; null where they are a stream's */
  begin(plan: Plan, halt: Halt, warnings: Warnings, batchSize: number | null): Running {
    this.#fed = batchSize;
    const { tried } = this.#course;
    const course = { ...this.#course, begin: { tried, epoch: this.#counters.epoch } };
    this.running = new Running(plan, halt, warnings, { seed: this.seed, counters: this.#countersFed, course });
    return this.running;
  }

  /** The run that is on has ended. */
  end(): void {
    this.#counters = this.running!.counters;
    this.#course = this.running!.course;
    this.#counted = this.#fed ?? this.#counted;
    this.running = null;
  }

  /** Steps were tried between two runs. They are of no epoch: the next fit goes on where the last one was. */
  stepped({ attempt, stepCount, skips, tried }: RunResult): void {
    const all = this.#course.tried + tried;
    this.#counters = { ...this.#counters, attempt, step: stepCount, skips };
    // As in a run without validations: of what was tried before a run has some, none is due.
    this.#course = { ...this.#course, tried: all, validated: all };
  }

  /** Be elsewhere. A run that has begun goes on from there. @param batchSize rows of the batches in which the counters count */
  move(seed: bigint, counters: Counters, course: Course, batchSize: number): void {
    this.seed = seed;
    this.#counters = counters;
    this.#course = course;
    this.#counted = batchSize;
    this.log.clear();
    this.digest = new Digest();
    this.running?.move({ seed, counters: this.#countersFed, course });
  }

  /** Counters in batches of the run. */
  get #countersFed(): Counters {
    return this.#fed === null ? this.#counters : inBatchesOf(this.#counters, this.#counted, this.#fed);
  }
}
