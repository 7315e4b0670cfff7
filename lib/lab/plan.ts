// plan.ts: which runs there are, in which order, and which of them are a shard's.
import { Cell, type PlannedWorkload } from './cell.ts';
import { keyOf, type LabKey, type LabLine, type LabOptimizer, madeOf } from './line.ts';
import { type LabLevel, type LabPolicy, REFERENCE } from './policies.ts';

/** What is tried with what. */
export interface LabPlan {
  readonly workloads: readonly PlannedWorkload[];
  readonly optimizers: readonly LabOptimizer[];
  readonly policies: readonly LabPolicy[];
  readonly seeds: readonly number[];
}

/** One run to be made. */
export interface PlannedRun {
  readonly key: LabKey;
  readonly policy: LabPolicy;
  readonly level: LabLevel;
}

/** One workload with one optimizer, and its runs, those of a seed together. */
export interface PlannedCell {
  readonly workload: PlannedWorkload;
  readonly optimizer: LabOptimizer;
  readonly runs: readonly PlannedRun[];
}

/** All runs by their cells: those of the reference first, since no score is without them. A run that is of both is there once. */
export function cellsOf({ workloads, optimizers, policies, seeds }: LabPlan): PlannedCell[] {
  return workloads.flatMap((workload) =>
    workload.optimizers
      .filter((one) => one === 'own' || optimizers.includes(one))
      .map((optimizer): PlannedCell => {
        const runs = seeds.flatMap((seed) => {
          const bySeed = new Map<string, PlannedRun>();
          for (const policy of [REFERENCE, ...policies]) {
            for (const level of policy.levels) {
              const named = { workload: workload.name, optimizer, policy: policy.name, level: level.name };
              const key: LabKey = { ...named, seed, ...madeOf(workload, policy) };
              if (!bySeed.has(keyOf(key))) bySeed.set(keyOf(key), { key, policy, level });
            }
          }
          return [...bySeed.values()];
        });
        return { workload, optimizer, runs };
      }),
  );
}

/** A part of the work: shard `index` of `count`, from 1. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/**
 * The cells of a shard. Where there are enough of them, whole ones, since each is compiled once; they are dealt to and fro, so that each shard has as many
 * of either optimizer. Else each cell's seeds are dealt.
 */
export function shardOf(cells: readonly PlannedCell[], { index, count }: Shard): PlannedCell[] {
  const dealt = (i: number): boolean => {
    const [turn, place] = [Math.floor(i / count), i % count];
    return (turn % 2 === 0 ? place : count - 1 - place) === index - 1;
  };
  if (cells.length >= count) return cells.filter((_, i) => dealt(i));
  return cells.flatMap((cell, c) => {
    const seeds = [...new Set(cell.runs.map(({ key }) => key.seed))];
    const runs = cell.runs.filter(({ key }) => dealt(c * seeds.length + seeds.indexOf(key.seed)));
    return runs.length > 0 ? [{ ...cell, runs }] : [];
  });
}

/** Those that are not there yet. */
export function left(cells: readonly PlannedCell[], done: ReadonlySet<string>): PlannedCell[] {
  return cells.flatMap((cell) => {
    const runs = cell.runs.filter(({ key }) => !done.has(keyOf(key)));
    return runs.length > 0 ? [{ ...cell, runs }] : [];
  });
}

/**
 * Make the runs, one after the other.
 * @param each called with each as it is done; what it waits for is waited for. Whoever gives false ends the work
 */
export async function runCells(
  cells: readonly PlannedCell[],
  each: (line: LabLine, cell: PlannedCell) => Promise<boolean> | boolean,
): Promise<void> {
  for (const planned of cells) {
    using cell = new Cell(planned.workload, planned.optimizer);
    for (const { policy, level, key } of planned.runs) {
      const line = cell.run(policy, level, key.seed);
      if (!(await each(line, planned))) return;
    }
  }
}
