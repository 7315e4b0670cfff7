// optimizers.ts: every optimizer with its options, and learning rates that change by a schedule.

import type { Optimizer } from '../../lib/optim/index.ts';
import { OPTIMIZERS as MAKERS } from '../../lib/optim/list.ts';
import * as schedule from '../../lib/optim/schedules/schedule.ts';
import { given, type Random } from './random.ts';
import type { OptimizerSpec, Options } from './spec.ts';

type Draw = (r: Random) => Options;

const decay = (r: Random): Options => given({ weightDecay: r.maybe(0.4, () => r.pick([0.01, 0.3])) });
const betas = (r: Random): Options => ({ ...decay(r), ...given({ betas: r.maybe(0.4, () => [0.5, 0.9] as const) }) });
const decoupled = (r: Random): Options => ({ ...betas(r), ...given({ decoupledWeightDecay: r.maybe(0.4, () => true) }) });
const flag = (r: Random, name: string): Options => (r.chance(0.5) ? { [name]: true } : {});

/** Options beside the learning rate. */
export const OPTIMIZERS: Readonly<Record<string, Draw>> = {
  acclip: (r) => ({ ...betas(r), ...given({ alpha: r.maybe(0.4, () => 1.5) }) }),
  adadelta: (r) => ({ ...decay(r), ...given({ rho: r.maybe(0.4, () => 0.5) }) }),
  adafactor: (r) => ({ ...decay(r), ...given({ clip: r.maybe(0.4, () => 0.1) }) }),
  adagrad: (r) => ({
    ...decay(r),
    ...given({ lrDecay: r.maybe(0.4, () => 0.1), initialAccumulatorValue: r.maybe(0.4, () => 0.5) }),
  }),
  adam: (r) => ({ ...betas(r), ...flag(r, 'amsgrad') }),
  adamax: betas,
  adamw: (r) => ({ ...betas(r), ...flag(r, 'amsgrad') }),
  adopt: decoupled,
  lamb: betas,
  lars: (r) => ({ ...decay(r), ...given({ momentum: r.maybe(0.5, () => 0.5) }) }),
  lion: betas,
  muon: (r) => ({
    ...decay(r),
    ...given({
      iterations: r.maybe(0.5, () => r.between(1, 3)),
      nesterov: r.maybe(0.4, () => false),
      adjustLr: r.maybe(0.4, () => 'matchRmsAdamw'),
    }),
  }),
  nadam: decoupled,
  radam: decoupled,
  rmsprop: (r) => ({ ...decay(r), ...flag(r, 'centered'), ...given({ momentum: r.maybe(0.5, () => 0.5) }) }),
  sgd(r) {
    const momentum = r.maybe(0.6, () => 0.9);
    return { ...decay(r), ...given({ momentum }), ...(momentum !== undefined ? flag(r, 'nesterov') : {}) };
  },
  spam: (r) => ({
    ...betas(r),
    resetEvery: r.between(2, 4),
    warmup: r.between(1, 3),
    ...given({ threshold: r.maybe(0.5, () => 2) }),
  }),
  stableAdamw: betas,
};

const SCHEDULES: Readonly<Record<string, (r: Random) => readonly unknown[]>> = {
  cosine: (r) => [{ steps: r.between(1, 8) }],
  exponential: () => [{ gamma: 0.5 }],
  linear: (r) => [{ steps: r.between(1, 8) }],
  step: (r) => [{ size: r.between(1, 3) }],
};

export function drawOptimizer(r: Random, name: string): OptimizerSpec {
  const lr = r.pick([1e-3, 0.01, 0.1, 0.5]);
  const options = { lr, ...OPTIMIZERS[name]!(r) };
  if (!r.chance(0.25)) return { name, options };
  const schedule = r.pick(Object.keys(SCHEDULES));
  return { name, options, schedule: { name: schedule, args: SCHEDULES[schedule]!(r) } };
}

export function makeOptimizer({ name, options, schedule: of }: OptimizerSpec): Optimizer {
  const makers = schedule as unknown as Readonly<Record<string, (...args: readonly unknown[]) => schedule.Schedule>>;
  return MAKERS[name]!(of ? { ...options, lr: makers[of.name]!(options.lr, ...of.args) } : options);
}

/** Changes each element by itself: so tables may be updated by rows. */
export const isRowwise = (name: string): boolean => MAKERS[name]!({}).rowwise;
