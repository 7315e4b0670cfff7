// decider.ts: the contract of who decides which factors are tried, which branch goes on, and when; and what it learns of them.
import type { AutoDecision } from '../../clip/clip.ts';

/** What is known of a run when it begins. Steps are those tried, of all runs of the trainer. */
export interface TunerPlan {
  /** Where this run begins. */
  readonly begin: number;
  /** Where it ends; null: nobody knows. */
  readonly steps: number | null;
  /** Steps of trials, as a fraction of those of the run; Infinity where `allow` tells it in steps. */
  readonly budget: number;
  /** Whether branches can be measured on a validation set. */
  readonly validates: boolean;
  /** Steps that it counts as to measure one branch once: a third of one for each batch of the validation set. */
  readonly validationSteps: number;
  /** What thresholds are multiplied by where the run begins. */
  readonly factor: number;
  /** The threshold that the policy has of its own in the step after so many were tried, about: before any factor. */
  threshold(tried: number): number;
}

/** What is to be done before the next chunk. */
export type TunerAction =
  /** Branches start from the values of now, each with its factor. Branch `main` is what everybody else sees of the run; their numbers hold for the race. */
  | { readonly kind: 'race'; readonly factors: readonly number[]; readonly main: number }
  /** The loss of each branch over the validation set: then `measured`. */
  | { readonly kind: 'measure' }
  /** These branches are over. With one left the race is, also where the others have ended of their own: that one is the run, as branch 0. */
  | { readonly kind: 'drop'; readonly branches: readonly number[]; readonly main: number }
  /** Another factor for a branch from here on; outside of a race branch 0 is the run. */
  | { readonly kind: 'set'; readonly branch: number; readonly factor: number }
  /** The next steps once with gradients clipped to nothing, fewer where the epoch ends: then `scouted`. All values and batches come again. */
  | { readonly kind: 'scout'; readonly steps: number };

/** Steps of a branch, in order. */
export interface BranchFacts {
  readonly losses: Float64Array;
  /** Of the gradient before the clip; NaN where nothing measures it. */
  readonly norms: Float64Array;
  /** How many were clipped, and how many were skipped. */
  readonly clipped: number;
  readonly skipped: number;
}

/** Who decides. Nothing of it depends on how steps are cut into chunks, and all it knows is in its state. */
export interface Decider {
  /** Steps until it wants to be asked. */
  until(tried: number): number;
  /** Asked until it gives null, between two chunks and once more where the run ends. What it gives is done, or asked for again: `measure`, `scout`. */
  before(tried: number): TunerAction | null;
  /** By branch; NaN for those that are over. */
  measured(losses: readonly number[]): void;
  scouted(facts: BranchFacts): void;
  /** The steps of a chunk; outside of a race the run is branch 0. */
  ran(branch: number, facts: BranchFacts): void;
  /** A branch has ended, as a run does whose steps are skipped too often; `main` is what everybody sees now. */
  fell(branch: number, main: number): void;
  /** Trials may take so many steps in all, from now on. Called where the budget is one of seconds. */
  allow(steps: number): void;
  /** JSON. */
  state(): unknown;
  readonly decisions: readonly AutoDecision[];
  /** Steps of trials so far. */
  readonly extra: number;
}
