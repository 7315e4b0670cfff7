// progress.ts: where a training run stands, and what it ends with.
import type { Data } from '../../ir/op.ts';
import type { GuardAction, Report } from '../../optim/apply/report.ts';
import type { Kept } from './kept.ts';
import type { Profile } from './profile.ts';
import type { TrainingWarning } from './warnings.ts';

/** All counters of a trainer. They are part of a checkpoint. */
export interface Counters {
  /** Batches drawn; keys the loader and all randomness. */
  readonly attempt: number;
  /** Updates applied; selects hyper-parameters and thresholds. */
  readonly step: number;
  /** Epoch of the loader, and the batch within it. */
  readonly epoch: number;
  readonly batch: number;
  /** Skipped steps in a row. */
  readonly skips: number;
}

export const START: Counters = { attempt: 0, step: 0, epoch: 0, batch: 0, skips: 0 };

/**
 * Counters whose place in the epoch was counted in batches of `before` rows, in batches of `now`: the one that has the next row, so that none is left
 * out, and a few may come twice.
 */
export function inBatchesOf(counters: Counters, before: number, now: number): Counters {
  return before === now ? counters : { ...counters, batch: Math.floor((counters.batch * before) / now) };
}

/** Where a trainer stands beside its counters, and what followed its runs. */
export interface Course {
  /** Steps tried, of all runs: what is done every so many steps counts them. */
  readonly tried: number;
  /** Where the run began that is on, or was the last: what a run that goes on counts its steps and epochs from. */
  readonly begin: { readonly tried: number; readonly epoch: number };
  /** After which step the last validation within an epoch was. */
  readonly validated: number;
  readonly kept: ReadonlyMap<string, Kept>;
  /** The weights that the last run left, where what is kept holds for no others; null: whichever there are. */
  readonly left: ReadonlyMap<string, Data> | null;
}

export const NO_COURSE: Course = { tried: 0, begin: { tried: 0, epoch: 0 }, validated: 0, kept: new Map(), left: null };

/** Loss and metrics over a data set; `K` are the names of the trainer's metrics. */
export type Metrics<K extends string = never> = Readonly<Record<K, number>> & { readonly loss: number };

export interface EpochEnd<K extends string = never> {
  /** Epochs finished, of all `fit` calls. */
  readonly epoch: number;
  /** Mean training loss over the steps of the epoch. */
  readonly loss: number;
  /** Steps tried, clipped and skipped in the epoch. */
  readonly steps: number;
  readonly clipped: number;
  readonly skipped: number;
  readonly validation: Metrics<K> | null;
}

/** What a guard found, and did about it. */
export interface GuardEvent {
  /** `guard.loss` and so on. */
  readonly guard: string;
  readonly action: GuardAction;
  /** The parameter or module; `loss`, or `model`. */
  readonly name: string;
  /** What was measured; of outputs in a step of several micro-batches the mean over those where it was wrong; null where the step was not reported (`rollback`, `stop`). */
  readonly value: number | null;
  /** Counters before the step. */
  readonly attempt: number;
  readonly step: number;
}

/**
 * Why a run ended: `steps` or `epochs` were done, `stop()` was called, the validation stopped improving, or the source of batches ended.
 */
export type StopReason = 'steps' | 'epochs' | 'stopped' | 'earlyStop' | 'endOfData';

export interface FitResult<K extends string = never> {
  readonly stopReason: StopReason;
  /** Steps tried, applied, clipped and skipped in this run. */
  readonly tried: number;
  readonly applied: number;
  readonly clipped: number;
  readonly skipped: number;
  /**
   * Threads that the steps had: the most that any chunk got, 0 if there was none. Fewer than asked for where the model is too small to
   * share, where runs beside it had them, and where the system gave no more.
   */
  readonly threads: number;
  /** Names of tensors that had a non-finite gradient in a skipped step. */
  readonly nonFinite: readonly string[];
  readonly epochs: readonly EpochEnd<K>[];
  /** The last step's report; null if there was none. */
  readonly last: Report | null;
  /** Best validation metrics, when there was early stopping; its weights are the model's now. */
  readonly best: Metrics<K> | null;
  /** What guards found: the first 100 of it. Absent without guards. */
  readonly guards?: readonly GuardEvent[];
  /** What may not be as it was meant, each thing once. Told to the `logger` as it is found. */
  readonly warnings: readonly TrainingWarning[];
  /** With `profile: true`: where the time went, for each batch size that came up. */
  readonly profile?: readonly Profile[];
}
