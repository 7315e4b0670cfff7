// header.ts: what a record holds about its run before the first step.
import type { ClipPolicy } from '../clip/clip.ts';
import type { State } from '../ir/graph.ts';
import type { Precision } from '../ir/op.ts';
import { version } from '../native/package.ts';
import { valuesOf } from '../nn/module/values.ts';
import type { ApplyGroup } from '../optim/apply/apply.ts';
import { reportsTwoNorm } from './decide.ts';
import type { RecordedParameter, RecordHeader } from './history.ts';

/** What a trainer knows of itself. */
export interface RunFacts {
  readonly policy: ClipPolicy;
  readonly groups: readonly ApplyGroup[];
  readonly seed: bigint;
  readonly threads: number;
  readonly batchSize: number;
  readonly accumulate: number;
  readonly precision: Precision;
  readonly perLayer: boolean;
}

/** @param reads the values of parameters may be read now */
export function headerOf({ policy, groups, seed, ...rest }: RunFacts, reads: boolean): RecordHeader {
  const parameters = groups.flatMap(({ params }, optimizer) =>
    params.map(({ name, state }) => ({ name, shape: state.type.shape, optimizer, ...(reads ? rmsOf(state) : {}) })),
  );
  const shapes = { names: parameters.map((p) => p.name), shapes: parameters.map((p) => p.shape) };
  return {
    library: version(),
    policy: policy.name,
    norm: reportsTwoNorm(policy, shapes) ? 2 : null,
    unbounded: policy.unboundedAtFirst ?? null,
    optimizers: groups.map(({ optimizer }) => {
      const { name, eps = null, momentum = null } = optimizer;
      // Asked as a method: an optimizer of one's own may be an object of a class.
      return { name, lr: optimizer.lr(0), eps, momentum };
    }),
    parameters,
    seed: String(seed),
    ...rest,
    events: true,
    ...(policy.auto && { auto: true }),
  };
}

/** Nothing for what has no values yet. */
function rmsOf(state: State): Pick<RecordedParameter, 'rms'> {
  const values = valuesOf(state);
  if (!values?.filled) return {};
  const { view } = values;
  let sum = 0;
  for (let i = 0; i < view.length; i++) sum += view[i]! * view[i]!;
  return view.length === 0 ? {} : { rms: Math.sqrt(sum / view.length) };
}
