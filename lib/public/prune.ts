// prune.ts: what users have of pruning: `prune`.
export type { RowNorm } from '../ops/update/pruning.ts';
export {
  type MagnitudeOptions,
  magnitude,
  type Prune,
  type RowsOptions,
  rows,
  type SparsityOptions,
} from '../optim/weights/prune.ts';
