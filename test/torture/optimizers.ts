// optimizers.ts: every optimizer with its options, and learning rates that change by a schedule.

import { REWRITTEN } from '../../bench/rewritten.ts';
import * as ops from '../../lib/ops/index.ts';
import { custom, type Optimizer, type PerStep } from '../../lib/optim/index.ts';
import { OPTIMIZERS, SEARCHES } from '../../lib/optim/list.ts';
import * as schedule from '../../lib/optim/schedules/schedule.ts';
import { drawOptions } from './drawn.ts';
import { given, type Random } from './random.ts';
import type { OptimizerSpec, Options } from './spec.ts';

/** Rules that are written with optim.custom, in one pass, and one that is no chain. */
const WRITTEN: Readonly<Record<string, (options: { readonly lr?: PerStep }) => Optimizer>> = {
  ...Object.fromEntries(
    Object.entries(REWRITTEN).map(([name, make]) => [`own ${name}`, ({ lr }: { lr?: PerStep }) => make(lr).own]),
  ),
  'own centered': ({ lr = 0.1 }) =>
    custom({
      lr,
      slots: ['m'],
      update(p, g, { m }, { lr }) {
        const next = ops.fma(m, 0.5, ops.sub(g, ops.mean(g)));
        return { p: ops.sub(p, ops.mul(lr, next)), slots: { m: next } };
      },
    }),
};
/** All that are drawn: searches go with no clip policy. */
export const MAKERS: Readonly<Record<string, (options: object) => Optimizer>> = { ...OPTIMIZERS, ...WRITTEN };

type Draw = (r: Random) => Options;

/** Options that must go together, or that do nothing in a few steps unless they are far from their defaults; undefined: left out. */
const OWN: Readonly<Record<string, Draw>> = {
  sgd(r) {
    const momentum = r.maybe(0.6, () => 0.9);
    const nesterov = momentum !== undefined && r.chance(0.5);
    return { momentum, nesterov, dampening: nesterov ? undefined : r.maybe(0.3, () => 0.1) };
  },
  adan: (r) => ({ betas: r.maybe(0.5, () => [0.5, 0.8, 0.9]) }),
  asgd: (r) => ({ t0: r.maybe(0.6, () => r.between(0, 2)) }),
  rprop: (r) => ({ etas: r.maybe(0.4, () => [0.25, 1.5]), stepSizes: r.maybe(0.4, () => [1e-3, 0.3]) }),
  spam: (r) => ({
    resetEvery: r.between(2, 4),
    warmup: r.between(1, 3),
    threshold: r.maybe(0.5, () => 2),
    clipAfter: undefined,
  }),
};

/** Options beside the learning rate. */
function drawn(r: Random, name: string): Options {
  if (WRITTEN[name]) return {};
  const own = OWN[name]?.(r) ?? {};
  return { ...drawOptions(r, `optim.${name}`, ['lr', ...Object.keys(own)]), ...given(own) };
}

const SCHEDULES: Readonly<Record<string, (r: Random) => readonly unknown[]>> = {
  cosine: (r) => [{ steps: r.between(1, 8) }],
  exponential: () => [{ gamma: 0.5 }],
  linear: (r) => [{ steps: r.between(1, 8) }],
  step: (r) => [{ size: r.between(1, 3) }],
};

export function drawOptimizer(r: Random, name: string): OptimizerSpec {
  const lr = r.pick([1e-3, 0.01, 0.1, 0.5]);
  const options = { lr, ...drawn(r, name) };
  if (!r.chance(0.25)) return { name, options };
  const schedule = r.pick(Object.keys(SCHEDULES));
  return { name, options, schedule: { name: schedule, args: SCHEDULES[schedule]!(r) } };
}

export function makeOptimizer({ name, options, schedule: of }: OptimizerSpec): Optimizer {
  const makers = schedule as unknown as Readonly<Record<string, (...args: readonly unknown[]) => schedule.Schedule>>;
  const make = MAKERS[name] ?? SEARCHES[name]!;
  return make(of ? { ...options, lr: makers[of.name]!(options.lr, ...of.args) } : options);
}

/** Changes each element by itself: so tables may be updated by rows. */
export const isRowwise = (name: string): boolean => MAKERS[name]!({}).rowwise;
