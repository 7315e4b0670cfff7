// policies.ts: a policy or an optimizer, in steps of a workload or on tensors alone.
import { isTensors, PoliciesCells, tensorsOf } from '../../lib/cli/bench/policies.ts';
import type { StepTask } from '../../lib/cli/bench/stepper.ts';
import { POLICIES } from '../../lib/clip/list.ts';
import { apply } from '../../lib/optim/standalone/clipped.ts';
import { uniform } from '../../test/golden/runs/recipe.ts';
import type { Digest } from '../engine.ts';
import { fillParameters, loadWorkload } from '../workload.ts';
import type { Served } from './serve.ts';

/** The same in every engine: those of parameters begin with another seed (peers/worker.py). */
function values(what: 'parameter' | 'gradient', i: number, n: number): Float32Array {
  return uniform(what === 'parameter' ? 100_000 + i : i, n);
}

async function task(name: string): Promise<StepTask> {
  const WORKLOAD = await loadWorkload(name);
  const model = WORKLOAD.model();
  fillParameters(model, WORKLOAD.bounds);
  return { model, batch: WORKLOAD.batch(), loss: WORKLOAD.loss, optimizer: WORKLOAD.optimizer };
}

let cells: PoliciesCells | undefined;

export async function policiesCell(cell: string, threads: number): Promise<Served | string> {
  cells ??= new PoliciesCells(threads, { task, values });
  const opened = await cells.open(cell);
  const [kind, place, name] = cell.split('/') as [string, string, string];
  if (typeof opened === 'string' || kind !== 'policy' || !isTensors(place)) return opened;
  return { ...opened, digest: () => clipped(place, name) };
}

/** The gradients of a place as a policy leaves them. */
function clipped(place: string, name: string): Digest {
  const { shapes, params, grads } = tensorsOf(place, values);
  return apply(grads, POLICIES[name]!(), { params, shapes }).grads!.map(figures);
}

/** Norm, sum and largest absolute value. */
function figures(x: Float32Array): number[] {
  let [squares, sum, most] = [0, 0, 0];
  for (const v of x) {
    squares += v * v;
    sum += v;
    most = Math.max(most, Math.abs(v));
  }
  return [Math.sqrt(squares), sum, most];
}
