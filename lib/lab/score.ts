// score.ts: what a run is worth: its test loss beside that of the best of ten fixed thresholds, of the same network, optimizer and seed.
import type { LabLine, LabOptimizer } from './line.ts';
import { LADDER, REFERENCE } from './policies.ts';
import type { LabKind } from './workload.ts';

/** Part of the loss of who knows nothing that is added to both losses: nobody sees a difference between 1e-6 and 1e-7 of it. */
export const FLOOR = 0.02;
/** Scores up to it count as good as the best fixed threshold. */
export const GOOD = 1.1;

/** One network with one optimizer and seed: what runs are compared within. */
export interface Problem {
  readonly workload: string;
  readonly kind: LabKind;
  readonly optimizer: LabOptimizer;
  readonly seed: number;
  /** Loss of who knows nothing. */
  readonly ignorant: number;
  /** The run of the ten thresholds whose validation loss is least. */
  readonly best: LabLine;
  /** By policy and level. */
  readonly runs: ReadonlyMap<string, LabLine>;
}

export const wayOf = (policy: string, level: string): string => `${policy}\n${level}`;

/**
 * A test loss as whoever trains has it: a network that diverged, or is worse than knowing nothing, is thrown away, and knowing nothing is left. So is no score
 * without an end, and one run that failed counts as that.
 */
export function lossOf({ test, ignorant }: Pick<LabLine, 'test' | 'ignorant'>): number {
  return Math.min(test ?? ignorant, ignorant);
}

/** Of several runs the one whose validation loss is least, the first of equal ones; those that diverged come last. */
export function chosen(lines: readonly LabLine[]): LabLine {
  const of = ({ validation }: LabLine): number => validation ?? Number.POSITIVE_INFINITY;
  return lines.reduce((best, line) => (of(line) < of(best) ? line : best));
}

/** The score of a run: 1 is as good as the best fixed threshold, 51 is knowing nothing where that is perfect. */
export function scoreOf({ best, ignorant }: Problem, line: LabLine): number {
  return (lossOf(line) + FLOOR * ignorant) / (lossOf(best) + FLOOR * ignorant);
}

/** All problems whose ten thresholds are there, and how many others there are. */
export function problemsOf(lines: readonly LabLine[]): { readonly problems: readonly Problem[]; readonly incomplete: number } {
  const groups = new Map<string, LabLine[]>();
  for (const line of lines) {
    if (line.refused !== undefined) continue;
    const key = [line.workload, line.optimizer, line.seed].join('\n');
    const group = groups.get(key);
    if (group) group.push(line);
    else groups.set(key, [line]);
  }
  const problems = [...groups.values()].flatMap((group): Problem[] => {
    const runs = new Map(group.map((line) => [wayOf(line.policy, line.level), line]));
    const reference = REFERENCE.levels.flatMap(({ name }) => runs.get(wayOf(REFERENCE.name, name)) ?? []);
    if (reference.length < LADDER.length) return [];
    const { workload, kind, optimizer, seed, ignorant } = group[0]!;
    return [{ workload, kind, optimizer, seed, ignorant, best: chosen(reference), runs }];
  });
  return { problems, incomplete: groups.size - problems.length };
}
