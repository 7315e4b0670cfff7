// list.ts: every workload of the laboratory by its name.
import type { LabWorkload } from '../workload.ts';
import { CLASS_IMBALANCE } from './dense/class-imbalance.ts';
import { DEEP_TANH } from './dense/deep-tanh.ts';
import { HEAVY_TAILS } from './dense/heavy-tails.ts';
import { MLP_LARGE } from './dense/mlp-large.ts';
import { MLP_SMALL } from './dense/mlp-small.ts';
import { MLP_TINY } from './dense/mlp-tiny.ts';
import { RARE_HUGE_INPUTS } from './dense/rare-huge-inputs.ts';
import { SMALL_BATCH } from './dense/small-batch.ts';

const ALL: readonly LabWorkload[] = [
  MLP_TINY,
  MLP_SMALL,
  MLP_LARGE,
  DEEP_TANH,
  HEAVY_TAILS,
  CLASS_IMBALANCE,
  RARE_HUGE_INPUTS,
  SMALL_BATCH,
];

/** By name, in the order of tables. */
export const WORKLOADS: ReadonlyMap<string, LabWorkload> = new Map(ALL.map((workload) => [workload.name, workload]));
