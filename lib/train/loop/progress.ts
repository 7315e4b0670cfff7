// progress.ts: where a training run stands, and what it ends with.
import type { Report, Reports } from '../../optim/report.ts';
import type { GuardEvent } from '../step/guarding.ts';
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

/** Sums over the steps of a run and of its current epoch. */
export class Tally {
  tried = 0;
  applied = 0;
  clipped = 0;
  skipped = 0;
  threads = 0;
  /** Whether a gradient was measured that is not 0, or one was not measured. */
  moved = false;
  last: Report | null = null;
  readonly nonFinite: Set<string> = new Set();
  readonly epochs: EpochEnd<string>[] = [];
  /** Of the current epoch: sum and number of finite losses, and the counts before it. */
  // In an array: a number that changes in a field is a new object each time.
  readonly #epochLoss = new Float64Array(1);
  #epochLosses = 0;
  #before = { tried: 0, clipped: 0, skipped: 0 };

  /**
   * Of a chunk that had so many threads.
   * @returns the first of its steps that was skipped for a gradient, or has a loss, that is not finite; -1: there is none
   */
  add(reports: Reports, threads: number): number {
    if (reports.length === 0) return -1;
    this.threads = Math.max(this.threads, threads);
    this.tried += reports.length;
    const skips = countSet(reports, 'skipped');
    this.skipped += skips;
    this.applied += reports.length - skips;
    this.clipped += countSet(reports, 'clipped');
    let bad = reports.length;
    if (skips > 0) {
      for (const [i, r] of [...reports].entries()) {
        if (!r.skipped || !r.nonFinite) continue;
        this.nonFinite.add(r.nonFinite);
        bad = Math.min(bad, i);
      }
    }
    const { values, start, stride } = reports.strided('loss');
    for (let at = start; at < values.length; at += stride) {
      if (!Number.isFinite(values[at]!)) {
        bad = Math.min(bad, (at - start) / stride);
        continue;
      }
      this.#epochLoss[0]! += values[at]!;
      this.#epochLosses++;
    }
    this.moved ||= isMoved(reports);
    this.last = reports.at(reports.length - 1);
    return bad < reports.length ? bad : -1;
  }

  /** A step that a guard has ended before its end. */
  addUndone(): void {
    this.tried++;
    this.skipped++;
  }

  endEpoch(epoch: number, validation: Metrics<string> | null): EpochEnd<string> {
    const { tried, clipped, skipped } = this;
    const end = {
      epoch,
      loss: this.#epochLoss[0]! / this.#epochLosses,
      steps: tried - this.#before.tried,
      clipped: clipped - this.#before.clipped,
      skipped: skipped - this.#before.skipped,
      validation,
    };
    this.epochs.push(end);
    this.#epochLoss[0] = 0;
    this.#epochLosses = 0;
    this.#before = { tried, clipped, skipped };
    return end;
  }
}

function isMoved(reports: Reports): boolean {
  const { values, start, stride } = reports.strided('norm');
  if (start >= values.length) return true;
  for (let at = start; at < values.length; at += stride) if (values[at] !== 0) return true;
  return false;
}

/** How many rows have this flag. */
function countSet(reports: Reports, flag: string): number {
  const { values, start, stride } = reports.strided(flag);
  let n = 0;
  for (let at = start; at < values.length; at += stride) if (values[at] === 1) n++;
  return n;
}
