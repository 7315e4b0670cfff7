// warnings.ts: what a training run does that nobody may have meant, though it is no error: collected for the result, told to a logger.

import { visible } from '../../errors/visible.ts';

/** What a warning of a run is about, for programs. */
export type TrainingWarningCode =
  /** Every step of the run was skipped. */
  | 'nothingApplied'
  /** The gradient was 0 in every step of the run. */
  | 'zeroGradient'
  /** The loss cannot move a parameter that is trained. */
  | 'unreached'
  /** What was not finite in the first such step. */
  | 'nonFinite'
  /** What a validation measured is NaN: early stopping and plateaus take that for no improvement. */
  | 'metricNaN'
  /** Steps had fewer threads than the trainer was asked to take. */
  | 'fewerThreads'
  /** The precision of products is emulated: this processor has no instructions for it. */
  | 'emulated'
  /** Products have a precision, and the model has no products. */
  | 'noProducts'
  /** Activations are to be kept as bf16, and none of the run's are. */
  | 'nothingKept'
  /** A learning rate was 0 in every step of the run. */
  | 'zeroRate'
  /** A learning rate fell below 1e-12 of what it was. */
  | 'vanishedRate'
  /** `clip.auto` has no validation set to judge trials by. */
  | 'autoByBatches'
  /** `clip.auto` does not know how long the run is. */
  | 'autoOfUnknownLength'
  /** A checkpoint was not written, since the loss was not finite. */
  | 'noCheckpoint'
  /** A checkpoint to resume from is not whole: one before it was taken. */
  | 'brokenCheckpoint'
  /** A run that goes on has other data than the epoch that was under way. */
  | 'otherData'
  /** Processes of a group have data of their own, and some have fewer batches. */
  | 'unevenShards'
  /** Noise is added to batches of a fixed size, for which what Poisson sampling gives in privacy does not hold. */
  | 'fixedBatches'
  /** What a callback has to say, such as that a file takes no more. */
  | 'callback';

/** Something about a run that may not be what was meant. */
export interface TrainingWarning {
  /** Stable, for programs. */
  readonly code: TrainingWarningCode;
  /** For people: names the thing, and says what can be done. */
  readonly message: string;
  /** The values concerned, and what else belongs to the code. */
  readonly details: WarningDetails;
}

/** What a warning is about, in values. */
export interface WarningDetails {
  /** What it is about, such as a parameter; each code warns about a name once. */
  readonly name: string;
  /** Updates applied before it was seen. */
  readonly step: number;
  readonly [detail: string]: unknown;
}

/** Who gets warnings: a function is given the warning, an object such as `console` or a logger's its message, by its method `warn`. */
export type Logger = ((warning: TrainingWarning) => void) | { warn(message: string): void };

/** The warnings of one run: each once for the same thing. */
export class Warnings {
  readonly #logger: Logger | null;
  readonly #found = new Map<string, TrainingWarning>();
  /** Hears of each as it is found, after the logger; null: nobody does. */
  follower: ((warning: TrainingWarning) => void) | null = null;

  constructor(logger: Logger | null = null) {
    this.#logger = logger;
  }

  /** In the order in which they were found. */
  get list(): readonly TrainingWarning[] {
    return [...this.#found.values()];
  }

  /** Take in a warning, and tell it; nothing happens if there was one about `details.name` before. */
  add(code: TrainingWarningCode, message: string, details: WarningDetails): void {
    const key = `${code} ${details.name}`;
    if (this.#found.has(key)) return;
    const warning = { code, message: visible(message), details };
    this.#found.set(key, warning);
    if (typeof this.#logger === 'function') this.#logger(warning);
    else this.#logger?.warn(warning.message);
    this.follower?.(warning);
  }
}
