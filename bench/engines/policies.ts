// policies.ts: a policy or an optimizer, in steps of a workload or on tensors by itself.
import { policiesCell as open } from '../../lib/cli/bench/policies.ts';
import type { Cell } from '../../lib/cli/bench/sample.ts';
import type { StepTask } from '../../lib/cli/bench/stepper.ts';
import { fillParameters, loadWorkload } from '../workload.ts';

export async function policiesCell(cell: string, threads: number): Promise<Cell | string> {
  return open(cell, threads, async (name): Promise<StepTask> => {
    const WORKLOAD = await loadWorkload(name);
    const model = WORKLOAD.model();
    fillParameters(model, WORKLOAD.bounds);
    return { model, batch: WORKLOAD.batch(), loss: WORKLOAD.loss, optimizer: WORKLOAD.optimizer };
  });
}
