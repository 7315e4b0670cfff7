// window.ts: what the steps from one point of a curve to the next come to.
import type { StepReports } from '../train/watch/callback.ts';

/** Sums, and how many numbers are in them: of those that are finite. */
interface Sums {
  steps: number;
  loss: number;
  losses: number;
  norm: number;
  norms: number;
  largest: number;
  after: number;
  afters: number;
  clipped: number;
  skipped: number;
  seconds: number;
  threshold: number;
}

const NONE: Readonly<Sums> = {
  ...{ steps: 0, loss: 0, losses: 0, norm: 0, norms: 0, largest: 0, after: 0, afters: 0, clipped: 0, skipped: 0, seconds: 0 },
  threshold: Number.NaN,
};

/** What a window takes of the steps of a chunk. */
export interface StepColumns {
  readonly length: number;
  /** Of one step. */
  readonly seconds: number;
  readonly loss: Float64Array;
  readonly norm: Float64Array;
  readonly normAfter: Float64Array;
  readonly threshold: Float64Array;
  readonly clipped: Float64Array;
  readonly skipped: Float64Array;
}

export function columnsOf(steps: StepReports): StepColumns {
  const { length, seconds } = steps;
  return {
    length,
    seconds: seconds / length,
    ...{ loss: steps.numbers('loss'), norm: steps.numbers('norm'), normAfter: steps.numbers('normAfter') },
    ...{ threshold: steps.numbers('threshold'), clipped: steps.numbers('clipped'), skipped: steps.numbers('skipped') },
  };
}

export class StepWindow {
  #sums: Sums = { ...NONE };

  get steps(): number {
    return this.#sums.steps;
  }

  /** The i-th step of a chunk. */
  add(columns: StepColumns, i: number): void {
    const [loss, norm, after] = [columns.loss[i]!, columns.norm[i]!, columns.normAfter[i]!];
    const skipped = columns.skipped[i] === 1;
    const sums = this.#sums;
    sums.steps++;
    sums.seconds += columns.seconds;
    if (Number.isFinite(loss)) {
      sums.loss += loss;
      sums.losses++;
    }
    if (Number.isFinite(norm)) {
      sums.norm += norm;
      sums.norms++;
      sums.largest = Math.max(sums.largest, norm);
    }
    // Of a skipped step the optimizer got nothing.
    if (!skipped && Number.isFinite(after)) {
      sums.after += after;
      sums.afters++;
    }
    sums.threshold = columns.threshold[i]!;
    if (columns.clipped[i] === 1) sums.clipped++;
    if (skipped) sums.skipped++;
  }

  /** What they come to; what was not measured is left out. A loss that was not finite in any of them is NaN. */
  get means(): Readonly<Record<string, number>> {
    const { steps, loss, losses, norm, norms, largest, after, afters, clipped, skipped, seconds, threshold } = this.#sums;
    return {
      loss: losses > 0 ? loss / losses : Number.NaN,
      ...(norms > 0 && { grad_norm: norm / norms, grad_norm_max: largest }),
      ...(afters > 0 && { grad_norm_clipped: after / afters }),
      ...(Number.isFinite(threshold) && { threshold }),
      clipped_share: clipped / steps,
      skipped_share: skipped / steps,
      ...(seconds > 0 && { steps_per_second: steps / seconds }),
    };
  }

  clear(): void {
    this.#sums = { ...NONE };
  }

  /** As a checkpoint may hold it. */
  toJSON(): Readonly<Sums> {
    return { ...this.#sums };
  }

  /** @returns null for what `toJSON` does not give */
  static from(given: unknown): StepWindow | null {
    const sums = given as Readonly<Record<string, unknown>> | null | undefined;
    if (!Object.keys(NONE).every((key) => typeof sums?.[key] === 'number')) return null;
    const made = new StepWindow();
    made.#sums = Object.fromEntries(Object.keys(NONE).map((key) => [key, sums![key]])) as unknown as Sums;
    return made;
  }
}
