// list.ts: the workloads that were held out, by name.
import type { LabWorkload } from '../../workload.ts';
import { AUTOENCODER } from './autoencoder.ts';
import { COUNTS } from './counts.ts';
import { CRITIC } from './critic.ts';
import { MIXTURE_DENSITY } from './mixture-density.ts';
import { MULTI_TASK } from './multi-task.ts';
import { QUANTILES } from './quantiles.ts';
import { RATINGS } from './ratings.ts';
import { RECALL } from './recall.ts';
import { REVERSING } from './reversing.ts';
import { SEGMENTATION } from './segmentation.ts';
import { SIAMESE } from './siamese.ts';
import { TAGGER } from './tagger.ts';

const ALL: readonly LabWorkload[] = [
  ...[AUTOENCODER, SIAMESE, MIXTURE_DENSITY, QUANTILES, MULTI_TASK, COUNTS],
  ...[CRITIC, SEGMENTATION, TAGGER, REVERSING, RECALL, RATINGS],
];

/** By name, in the order of tables. */
export const HELD_OUT: ReadonlyMap<string, LabWorkload> = new Map(ALL.map((workload) => [workload.name, workload]));
