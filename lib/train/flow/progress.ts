// progress.ts: where a training run stands, and what it ends with.
import type { AutoDecision } from '../../clip/clip.ts';
import type { Data } from '../../ir/op.ts';
import type { GuardAction, Report } from '../../optim/apply/report.ts';
import type { EpochData } from './epoch-data.ts';
import type { Kept } from './kept.ts';
import type { Profile } from './profile.ts';
import type { TrainingWarning } from './warnings.ts';

/** All counters of a trainer. They are part of a checkpoint. */
export interface Counters {
  /** Batches drawn; keys the loader and all randomness. */
  readonly attempt: number;
  /** Updates applied; selects hyper-parameters and thresholds. */
  readonly step: number;
  /** Epoch of the loader, counted from 0. */
  readonly epoch: number;
  /** Batches drawn of this epoch. */
  readonly batch: number;
  /** Skipped steps in a row. */
  readonly skips: number;
}

export const START: Counters = { attempt: 0, step: 0, epoch: 0, batch: 0, skips: 0 };

/** How far a run has come, and how far it is to go. */
export interface RunExtent {
  /** Steps tried since the run began; of one that `resume` goes on with, since that began. */
  readonly tried: number;
  /** Steps that it will have tried at its end, if nothing ends it before; null where nobody knows. */
  readonly steps: number | null;
  /** Epochs that it is to have; null where something else ends it. */
  readonly epochs: number | null;
  /** Steps of an epoch; null of a stream. */
  readonly epochSteps: number | null;
  /** Rows of a step; null of a stream. The last step of an epoch may have fewer. */
  readonly rows: number | null;
  /** What is left of option `seconds`; null without it. */
  readonly secondsLeft: number | null;
}

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
  /** What the last run was trained on; null: nobody knows. */
  readonly data: EpochData | null;
  readonly kept: ReadonlyMap<string, Kept>;
  /** The weights that the last run left, where what is kept holds for no others; null: whichever there are. */
  readonly left: ReadonlyMap<string, Data> | null;
}

export const NO_COURSE: Course = {
  tried: 0,
  begin: { tried: 0, epoch: 0 },
  validated: 0,
  data: null,
  kept: new Map(),
  left: null,
};

/** Loss and metrics over a data set; `K` are the names of the trainer's metrics. */
export type Metrics<K extends string = never> = Readonly<Record<K, number>> & { readonly loss: number };

/**
 * What is known at the end of an epoch: `onEpoch` gets it, and the result of a fit lists it. `K` are the names of the metrics.
 */
export interface EpochEnd<K extends string = never> {
  /** Epochs finished, of all `fit` calls. */
  readonly epoch: number;
  /** Mean training loss over the steps of the epoch. */
  readonly loss: number;
  /** Steps tried in the epoch. */
  readonly steps: number;
  /** Steps of the epoch whose gradient the policy changed. */
  readonly clipped: number;
  /** Steps of the epoch that were left out. */
  readonly skipped: number;
  /** Loss and metrics over the validation set; null where there is none, and with option `validateEvery`. */
  readonly validation: Metrics<K> | null;
}

/** What a guard found, and did about it. */
export interface GuardEvent {
  /** Which guard it was: `guard.loss` and so on. */
  readonly guard: string;
  /** What the guard did about it. */
  readonly action: GuardAction;
  /** The parameter or module; `loss`, or `model`. */
  readonly name: string;
  /** What was measured; of outputs in a step of several micro-batches the mean over those where it was wrong; null where the step was not reported (`rollback`, `stop`). */
  readonly value: number | null;
  /** Batches drawn before the step. */
  readonly attempt: number;
  /** Updates applied before the step. */
  readonly step: number;
}

/** What `clip.auto` did in a training. */
export interface AutoResult {
  /** What was decided, of all fits of the training, in order; also what option `decisions` of `clip.auto` takes. */
  readonly decisions: readonly AutoDecision[];
  /** Steps of trials in all of them, with what validations of branches took. */
  readonly extra: number;
  /** What trials could be judged by, and the last race was: the validation set of the fit, or else batches; `given`: there were none. */
  readonly judgedBy: 'validation' | 'batches' | 'given';
}

/**
 * Why a run ended: `steps` or `epochs` were done, its `seconds` were over, `stop()` was called, the validation stopped improving, or the source of batches
 * ended.
 */
export type StopReason = 'steps' | 'epochs' | 'seconds' | 'stopped' | 'earlyStop' | 'endOfData';

/** What a fit ends with; `K` are the names of the metrics. */
export interface FitResult<K extends string = never> {
  /** Why the run ended. */
  readonly stopReason: StopReason;
  /** Steps tried in this run: those applied, and those skipped. */
  readonly tried: number;
  /** Steps of this run that updated the weights. */
  readonly applied: number;
  /** Steps of this run whose gradient the policy changed. */
  readonly clipped: number;
  /** Steps of this run that were left out. */
  readonly skipped: number;
  /**
   * Threads that the steps had: the most that any chunk got, 0 if there was none. Fewer than asked for where the model is too small to
   * share, where runs beside it had them, and where the system gave no more.
   */
  readonly threads: number;
  /** Names of tensors that had a non-finite gradient in a skipped step. */
  readonly nonFinite: readonly string[];
  /** The epochs that ended in this run, in order. */
  readonly epochs: readonly EpochEnd<K>[];
  /** The last step's report; null if there was none. */
  readonly last: Report | null;
  /** Best validation metrics, when there was early stopping; its weights are the model's now. */
  readonly best: Metrics<K> | null;
  /** What `clip.auto` has decided, and why. Absent without it. */
  readonly auto?: AutoResult;
  /** What guards found: the first 100 of it. Absent without guards. */
  readonly guards?: readonly GuardEvent[];
  /** What may not be as it was meant, each thing once. Told to the `logger` as it is found. */
  readonly warnings: readonly TrainingWarning[];
  /** With `profile: true`: where the time went, for each batch size that came up. */
  readonly profile?: readonly Profile[];
}
