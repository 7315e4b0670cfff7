// guard.ts: what users have of guards: `guard`.
export type { GuardAction, GuardHit } from '../optim/apply/report.ts';
export type { GuardEvent } from '../train/flow/progress.ts';
export {
  type DeadOptions,
  dead,
  type ExplodingOptions,
  exploding,
  finite,
  type Guard,
  type GuardKind,
  type GuardOptions,
  loss,
  type OutputsOptions,
  outputs,
  type RangeOptions,
  type VanishingOptions,
  vanishing,
} from '../train/step/guard.ts';
