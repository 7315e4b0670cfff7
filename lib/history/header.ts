// header.ts: what a record holds about its run before the first step.
import type { ClipPolicy } from '../clip/clip.ts';
import { version } from '../native/package.ts';
import type { ApplyGroup } from '../optim/apply/apply.ts';
import { reportsTwoNorm } from './decide.ts';
import type { RecordHeader } from './history.ts';

/** What a trainer knows of itself. */
export interface RunFacts {
  readonly policy: ClipPolicy;
  readonly groups: readonly ApplyGroup[];
  readonly seed: bigint;
  readonly threads: number;
  readonly batchSize: number;
  readonly accumulate: number;
  readonly perLayer: boolean;
}

export function headerOf({ policy, groups, seed, ...rest }: RunFacts): RecordHeader {
  const parameters = groups.flatMap(({ params }, optimizer) =>
    params.map(({ name, state }) => ({ name, shape: state.type.shape, optimizer })),
  );
  const shapes = { names: parameters.map((p) => p.name), shapes: parameters.map((p) => p.shape) };
  return {
    library: version(),
    policy: policy.name,
    norm: reportsTwoNorm(policy, shapes) ? 2 : null,
    optimizers: groups.map(({ optimizer }) => ({ name: optimizer.name, lr: optimizer.lr(0), eps: optimizer.eps ?? null })),
    parameters,
    seed: String(seed),
    ...rest,
  };
}
