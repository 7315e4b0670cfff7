// list.ts: every workload of the laboratory by its name.
import type { LabWorkload } from '../workload.ts';

const ALL: readonly LabWorkload[] = [];

/** By name, in the order of tables. */
export const WORKLOADS: ReadonlyMap<string, LabWorkload> = new Map(ALL.map((workload) => [workload.name, workload]));
