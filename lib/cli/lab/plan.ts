// plan.ts: what `gradclip lab` tries: the lists of the library, cut down by flags, or what a file says.
import { type PlannedWorkload, planned } from '../../lab/cell.ts';
import { type LabOptimizer, OPTIMIZERS } from '../../lab/line.ts';
import type { LabPlan } from '../../lab/plan.ts';
import { POLICIES, USUAL } from '../../lab/policies.ts';
import { WORKLOADS } from '../../lab/workloads/list.ts';
import { nearest, show } from '../../options/index.ts';
import { type Arguments, usage } from '../args.ts';

const SEEDS = 10;

/** @throws OptionError for a name that nothing has */
export async function readPlan(args: Arguments, cwd: string): Promise<LabPlan> {
  void cwd;
  const workloads: readonly PlannedWorkload[] = Array.from(WORKLOADS.values(), planned);
  return {
    workloads: picked(args, 'workloads', workloads, workloads),
    policies: picked(args, 'policies', [...POLICIES.values()], USUAL),
    optimizers: picked(
      args,
      'optimizers',
      OPTIMIZERS.filter((name) => name !== 'own').map((name) => ({ name })),
    ).map(({ name }): LabOptimizer => name),
    seeds: Array.from({ length: args.number('seeds') ?? SEEDS }, (_, i) => i),
  };
}

/** Those that a flag names, in the order of the list. */
function picked<T extends { readonly name: string }>(
  args: Arguments,
  flag: string,
  all: readonly T[],
  usual: readonly T[] = all,
): readonly T[] {
  const text = args.text(flag);
  if (text === undefined) return usual;
  const names = text.split(',');
  for (const name of names) {
    if (all.some((one) => one.name === name)) continue;
    const known = all.map((one) => one.name);
    const near = nearest(name, known);
    const hint = near === undefined ? `; there are ${known.join(', ')}` : `; did you mean ${near}?`;
    throw usage(args.command, `--${flag}: ${show(name)} is none of them${hint}`);
  }
  return all.filter((one) => names.includes(one.name));
}
