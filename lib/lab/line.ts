// line.ts: what a run of the laboratory comes to: a line of the record, and what tells it from all others.
import type { LabKind } from './workload.ts';

/** The two optimizers of each workload of the list, and the one that a configuration says. */
export type LabOptimizer = 'sgd' | 'adam' | 'own';
export const OPTIMIZERS: readonly LabOptimizer[] = ['sgd', 'adam', 'own'];

/** What tells a run from all others: with these given, it has the same bits each time. */
export interface LabKey {
  readonly workload: string;
  readonly optimizer: LabOptimizer;
  readonly policy: string;
  readonly level: string;
  readonly seed: number;
  /** Of what files say about workload and policy, where they are from files. */
  readonly made?: string;
}

/** What the norms of a run were, before the clip. Null where there is none to tell. */
export interface LabNorms {
  readonly median: number | null;
  /** The 99th percentile over the median. */
  readonly p99: number | null;
  /** Hill's index of the tail, of norms over the median of their tenth of the run. */
  readonly tail: number | null;
  /** Median of the last quarter of the steps over that of the first. */
  readonly drift: number | null;
}

/** Why a run has no loss: its gradients were not finite, nothing but spikes was left, or the loss behind it is not finite. */
export type Diverged = 'gradient' | 'skips' | 'loss';

/** One run. */
export interface LabLine extends LabKey {
  readonly kind: LabKind;
  /** Whether the level is the one that who does not tune takes. */
  readonly usual: boolean;
  /** Steps asked for, and those that trials took beside them. */
  readonly steps: number;
  readonly extra: number;
  /** Shares of the steps that were tried. */
  readonly clipped: number;
  readonly skipped: number;
  /** Mean loss of the batches of the last tenth of the steps, and losses behind the run; null where it diverged. */
  readonly train: number | null;
  readonly validation: number | null;
  readonly test: number | null;
  readonly diverged: Diverged | null;
  /** Why policy and network do not go together: then there was no run. */
  readonly refused?: string;
  /** Loss on the test set of who knows nothing. */
  readonly ignorant: number;
  /** That of the last step; null where there is none. */
  readonly threshold: number | null;
  readonly norms: LabNorms;
  /** That the training took, of whatever the machine did beside it. */
  readonly seconds: number;
}

/** What files say about both; undefined where neither is from one. */
export function madeOf(...of: readonly { readonly made?: string }[]): { readonly made?: string } {
  const made = of.flatMap(({ made }) => (made === undefined ? [] : [made])).join(' ');
  return made === '' ? {} : { made };
}

/** As a key of maps. */
export function keyOf({ workload, optimizer, policy, level, seed, made = '' }: LabKey): string {
  return [workload, optimizer, policy, level, seed, made].join('\n');
}
