// decider.ts: the contract of who decides which factors are tried, which branch goes on, and when; and what it learns of them.
import type { AutoDecision } from '../../clip/clip.ts';
import type { BranchFacts, Measured, TunerAction } from './tuner.ts';

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
