// decider.ts: the contract of who decides which factors are tried, which branch goes on, and when; and what it learns of them.
import type { AutoDecision } from '../../clip/clip.ts';
import type { Measured } from './race.ts';

/** What comes next. Branches are counted from 0 within a race; outside of one, branch 0 is the run. */
export type TunerAction =
  /** Run the batches of the next steps under this factor, tell what came of it, and put all back. */
  | { readonly kind: 'scout'; readonly factor: number; readonly steps: number }
  /** From the values of now, go on under each of these. */
  | { readonly kind: 'race'; readonly factors: readonly number[]; readonly main: number }
  | { readonly kind: 'measure'; readonly validate: boolean }
  | { readonly kind: 'drop'; readonly branches: readonly number[]; readonly main: number }
  | { readonly kind: 'set'; readonly branch: number; readonly factor: number };

/** What some steps of a branch told. */
export interface BranchFacts {
  readonly losses: ArrayLike<number>;
  /** Norms of the gradients before the policy, and after it. */
  readonly norms: ArrayLike<number>;
  readonly after: ArrayLike<number>;
  /** How many of the steps the policy changed. */
  readonly clipped: number;
  /** It cannot go on. */
  readonly failed: boolean;
}

/** What was decided, before anybody knows which threshold that is. */
export type Decision = Omit<AutoDecision, 'threshold'>;

/** Who decides. Nothing of it depends on how steps are cut into chunks, and all it knows is in its state. Steps are those tried, of all runs of the trainer. */
export interface Decider {
  /** Steps until it wants to be asked. */
  until(tried: number): number;
  /** Asked until it gives null, between two chunks and once more where the run ends. `measure` and `scout` are asked for until it has their outcome. */
  before(tried: number): TunerAction | null;
  measured(found: Measured): void;
  scouted(facts: BranchFacts): void;
  /** The steps of a chunk; outside of a race the run is branch 0. */
  ran(branch: number, facts: BranchFacts): void;
  /** Trials may take so many steps in all. Called again and again where the budget is one of seconds. */
  readonly allow?: (steps: number) => void;
  /** JSON. */
  state(): unknown;
  readonly decisions: readonly Decision[];
  /** Steps of trials so far. */
  readonly extra: number;
}
