// step.ts: whole training steps of a workload.

import type { Cell } from '../../lib/cli/bench/sample.ts';
import { Stepper } from '../../lib/cli/bench/stepper.ts';
import * as clip from '../../lib/clip/index.ts';
import type { Module } from '../../lib/nn/index.ts';
import { watchMemory } from '../memory.ts';
import { fillParameters, type Workload } from '../workload.ts';

export async function stepCell(name: string, threads: number): Promise<Cell> {
  const { WORKLOAD } = (await import(`../workloads/${name}.js`)) as { WORKLOAD: Workload<Module> };
  const stepper = (policy: clip.ClipPolicy): Stepper => {
    const { loss, optimizer } = WORKLOAD;
    const model = WORKLOAD.model();
    fillParameters(model, WORKLOAD.bounds);
    return new Stepper({ model, batch: WORKLOAD.batch(), loss, optimizer }, policy, threads);
  };
  const memory = watchMemory();
  const clipped = stepper(clip.globalNorm(1));
  const first = await clipped.first(3);
  const memory_mib = memory();
  let free: Stepper | undefined;
  return {
    info: { params: clipped.params, ...first, memory_mib },
    variants: {
      step: (seconds) => clipped.run(seconds),
      awaited: (seconds) => clipped.awaited(seconds),
      fit_each: (seconds) => clipped.fitEach(seconds),
      noclip(seconds) {
        free ??= stepper(clip.none({ measure: false }));
        return free.run(seconds);
      },
    },
  };
}
