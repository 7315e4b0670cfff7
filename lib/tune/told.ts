// told.ts: what a search tells while it goes on.
import type { Params } from './pool.ts';

/** A training that has come to its rung: what `onTrial` gets. */
export interface TuneEvent<P = Params> {
  /** Number of the trial. */
  readonly trial: number;
  /** Its parameters. */
  readonly params: P;
  /** Seed of the training. */
  readonly seed: number;
  /** Steps that it has had with this seed. */
  readonly step: number;
  /** Steps of a whole training of it. */
  readonly length: number;
  /** Of the metric, on the validation set; NaN where it diverged or failed. */
  readonly value: number;
  /** Why it ended before its time; null where it did not. */
  readonly reason: string | null;
  /** Whether trials are still sought, or finalists trained to the end. */
  readonly stage: 'search' | 'finals';
  /** Steps of all trials so far. */
  readonly steps: number;
  /** Seconds so far. */
  readonly seconds: number;
}

/** Who gets the warnings of a search: a function, or an object with a method `warn`, such as `console`. */
export type TuneLogger = ((message: string) => void) | { warn(message: string): void };
