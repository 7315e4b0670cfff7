// tally.ts: sums over the steps of a run, and of the epoch that is under way, whichever runs it takes.

import type { Report, Reports } from '../../optim/apply/report.ts';
import type { Kept } from '../flow/kept.ts';
import { unreadable } from '../flow/kept.ts';
import type { EpochEnd, Metrics } from '../flow/progress.ts';
import type { ChunkFacts, Watcher } from './watcher.ts';

/** Of an epoch so far: the sum of its finite losses and their number, and counts of steps. */
interface Part {
  readonly loss: number;
  readonly losses: number;
  readonly steps: number;
  readonly clipped: number;
  readonly skipped: number;
}

const isPart = (state: unknown): state is Part =>
  Object.keys(NONE).every((key) => typeof (state as Record<string, unknown> | null)?.[key] === 'number');

const NONE: Part = { loss: 0, losses: 0, steps: 0, clipped: 0, skipped: 0 };

export class Tally implements Watcher {
  readonly name = 'epoch';
  tried = 0;
  applied = 0;
  clipped = 0;
  skipped = 0;
  threads = 0;
  /** Whether a gradient was measured that is not 0, or one was not measured. */
  moved = false;
  last: Report | null = null;
  /** The first step of the last chunk that was skipped for a gradient, or has a loss, that is not finite; -1: there is none. */
  bad = -1;
  readonly nonFinite: Set<string> = new Set();
  readonly epochs: EpochEnd<string>[] = [];
  /** What earlier runs had of the current epoch. */
  #before: Part = NONE;
  /** Of this run's part of it: sum and number of finite losses, and the counts before it. */
  // In an array: a number that changes in a field is a new object each time.
  readonly #epochLoss = new Float64Array(1);
  #epochLosses = 0;
  #start = { tried: 0, clipped: 0, skipped: 0 };

  restore({ state }: Kept): void {
    if (!isPart(state)) throw unreadable(this.name);
    this.#before = state;
    // Added to, not added up apart: the same bits as in one run.
    this.#epochLoss[0] = this.#before.loss;
  }

  steps(reports: Reports, { threads }: ChunkFacts): void {
    this.bad = -1;
    if (reports.length === 0) return;
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
    this.bad = bad < reports.length ? bad : -1;
  }

  /** A step that a guard has ended before its end. */
  addUndone(): void {
    this.tried++;
    this.skipped++;
  }

  /** Whether any step of the epoch under way was seen. */
  get begun(): boolean {
    return this.#before.steps + this.tried > this.#start.tried;
  }

  /** The epoch under way begins anew. */
  forgetEpoch(): void {
    this.#before = NONE;
    this.#epochLoss[0] = 0;
    this.#epochLosses = 0;
    this.#start = { tried: this.tried, clipped: this.clipped, skipped: this.skipped };
  }

  /** The epoch under way ends: what it came to. */
  endEpoch(epoch: number, validation: Metrics<string> | null): EpochEnd<string> {
    const { loss, losses, ...counts } = this.#part;
    const end = { epoch, loss: loss / losses, ...counts, validation };
    this.epochs.push(end);
    this.forgetEpoch();
    return end;
  }

  state(): Omit<Kept, 'key'> {
    return { state: this.#part };
  }

  get #part(): Part {
    const [before, start] = [this.#before, this.#start];
    return {
      loss: this.#epochLoss[0]!,
      losses: before.losses + this.#epochLosses,
      steps: before.steps + this.tried - start.tried,
      clipped: before.clipped + this.clipped - start.clipped,
      skipped: before.skipped + this.skipped - start.skipped,
    };
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
