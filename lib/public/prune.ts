// prune.ts: what users have of pruning: `prune`.
export type { RowNorm } from '../ops/update/pruning.ts';
export {
  type MagnitudeOptions,
  magnitude,
  type Prune,
  type PruneSchedule,
  type RowsOptions,
  rows,
} from '../optim/weights/prune.ts';
