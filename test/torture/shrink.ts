// shrink.ts: makes a program that fails smaller, as long as it fails in the same way.
import type { Failure, Lane } from './lane.ts';
import type { LayerSpec, ProgramSpec } from './spec.ts';
import { programOf } from './train.ts';

export interface Shrunk {
  readonly spec: ProgramSpec;
  readonly failure: Failure;
}

export async function shrink(lane: Lane, spec: ProgramSpec, failure: Failure): Promise<Shrunk> {
  let best: Shrunk = { spec, failure };
  for (let smaller = true; smaller; ) {
    smaller = false;
    for (const candidate of candidates(best.spec)) {
      if (!fits(candidate)) continue;
      const found = await lane.check(candidate, [best.failure.variant]);
      if (found?.kind !== best.failure.kind) continue;
      best = { spec: candidate, failure: found };
      smaller = true;
      break;
    }
  }
  return best;
}

function fits(spec: ProgramSpec): boolean {
  try {
    programOf(spec).options();
    return true;
  } catch {
    return false;
  }
}

function* candidates(spec: ProgramSpec): Generator<ProgramSpec> {
  for (const name of Object.keys(spec.around)) {
    const { [name]: _, ...around } = spec.around;
    yield { ...spec, around };
  }
  for (const layers of fewer(spec.layers)) yield { ...spec, layers };
  if (spec.policy.name !== 'none') yield { ...spec, policy: { name: 'none', args: [] } };
  for (const part of spec.policy.parts ?? []) yield { ...spec, policy: part };
  if (spec.optimizer.name !== 'sgd') yield { ...spec, optimizer: { name: 'sgd', options: { lr: 0.1 } } };
}

function* fewer(layers: readonly LayerSpec[]): Generator<LayerSpec[]> {
  for (const [i, layer] of layers.entries()) {
    const [before, after] = [layers.slice(0, i), layers.slice(i + 1)];
    yield [...before, ...after];
    if (layer.layers) yield [...before, ...layer.layers, ...after];
  }
}
