// lamb.ts: LAMB (You et al. 2020).
import { pow } from '../../math/index.ts';
import { div, less, maximum, minimum, mul, sqrt, where } from '../../ops/elementwise/elementwise.ts';
import { UPDATE_LAMB } from '../../ops/rules/index.ts';
import { update } from '../../ops/update/update.ts';
import { number, options, optionsOnly, type PerStep, pair } from '../../options/index.ts';
import { betas, decay, epsilon, rate } from '../fields.ts';
import { SQUARES } from '../limits.ts';
import { defineOptimizer, descend, measuredOf, type Optimizer, turned } from '../optimizer.ts';

/** Options of `optim.lamb`. */
export interface LAMBOptions {
  /** Learning rate, a number or a schedule. Default 1e-3. */
  readonly lr?: PerStep;
  /** Decay of the running means of gradients and of their squares. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the second mean. Default 1e-6. */
  readonly eps?: number;
  /** Added to the direction as weightDecay * p, before its norm is taken. Default 0.01. */
  readonly weightDecay?: number;
  /** The norm of a parameter counts as at least and at most this in the trust ratio (the paper's phi). Default [0, Infinity]. */
  readonly normBounds?: readonly [number, number];
}

const normBounds = pair(number({ min: 0 }), number({ min: 0, infinite: true })).map((bounds, place) => {
  if (bounds[0] > bounds[1]) throw place.item(1).wrong(`a number >= ${bounds[0]}`, bounds[1]);
  return bounds;
});
const readLamb = optionsOnly(
  'optim.lamb',
  options<LAMBOptions>()({
    lr: rate.default(1e-3),
    betas: betas.default([0.9, 0.999]),
    eps: epsilon.default(1e-6),
    weightDecay: decay.default(0.01),
    normBounds: normBounds.default([0, Number.POSITIVE_INFINITY]),
  }),
);

/**
 * LAMB: the step of each tensor is lr times its norm, in Adam's direction. The trust ratio |p| / |direction| is 1
 * where either is 0. Slots `exp_avg` and `exp_avg_sq`. The paper's second version, with its corrections of the start.
 * @throws OptionError
 * @see You et al. 2020, Large Batch Optimization for Deep Learning: Training BERT in 76 Minutes
 * @see optax.lamb
 */
export function lamb(options: LAMBOptions = {}): Optimizer {
  const { lr, betas, eps, weightDecay, normBounds } = readLamb(arguments);
  const [beta1, beta2] = betas;
  const [lower, upper] = normBounds;
  return defineOptimizer({
    name: 'optim.lamb',
    eps,
    slots: (type) => ['exp_avg', 'exp_avg_sq'].map((name) => ({ name, type })),
    limit: SQUARES,
    lr,
    build(group) {
      const hyper = group.column('', 7, (step, _, out) => {
        out[0] = 1 / (1 - pow(beta1, step + 1));
        out[1] = 1 - beta1;
        out[2] = beta2;
        out[3] = 1 - beta2;
        out[4] = 1 / Math.sqrt(1 - pow(beta2, step + 1));
        out[5] = eps;
        out[6] = weightDecay;
      });
      const made = update(UPDATE_LAMB, 0, { ...group, slots: turned(group.slots), hyper, finish: null });
      const [direction, parameter] = made.sums.map((x) => sqrt(x));
      const norm = minimum(maximum(parameter!, lower), upper);
      const ratio = where(mul(less(0, parameter!), less(0, direction!)), div(norm, direction!), 1);
      const params = descend(group, made.params, ratio, 'scaled', (_, lr, out) => {
        out[0] = lr;
        out[1] = 0;
      });
      return { params, slots: turned(made.slots), measured: measuredOf(made) };
    },
  });
}
