// lamb.ts: LAMB (You et al. 2020).
import { pow } from '../../math/index.ts';
import { div, less, maximum, minimum, mul, sqrt, where } from '../../ops/elementwise/elementwise.ts';
import { updateOp } from '../../ops/update/update.ts';
import { number, options, optionsOnly, type PerStep, pair } from '../../options/index.ts';
import { descend } from '../apply/descend.ts';
import { ascent, betas, decay, epsilon, type Maximize, rate } from '../fields.ts';
import { SQUARES } from '../limits.ts';
import { defineOptimizer, type HyperFill, type Optimizer, pass, slotsLike } from '../optimizer.ts';

/** Options of `optim.lamb`. */
export interface LAMBOptions extends Maximize {
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
    maximize: ascent,
  }),
);

/** In place of the new parameter it gives the direction. Sums: squares of the direction, and of the parameter. Kernel: rules/lamb.h. */
const LAMB = updateOp({
  name: 'update_lamb',
  slots: { lamb: ['exp_avg', 'exp_avg_sq'] },
  hyper: ['correction', 'oneMinusBeta1', 'beta2', 'oneMinusBeta2', 'inverseRoot', 'eps', 'weightDecay'],
  rows: [
    { correction: 1.5, oneMinusBeta1: 0.1, beta2: 0.9, oneMinusBeta2: 0.1, inverseRoot: 1.2, eps: 0.1, weightDecay: 0.3 },
    { correction: 1, oneMinusBeta1: 0.6, beta2: 0.5, oneMinusBeta2: 0.5, inverseRoot: 1, eps: 0.5, weightDecay: 0 },
  ],
  flops: 18,
  sums: 2,
  step(_variant, p, g, slots, h, _each, squared) {
    slots[0]! += h.oneMinusBeta1 * (g - slots[0]!);
    slots[1] = h.beta2 * slots[1]! + h.oneMinusBeta2 * g * g;
    const direction = h.weightDecay * p + (h.correction * slots[0]!) / (Math.sqrt(slots[1]!) * h.inverseRoot + h.eps);
    squared[0] = direction;
    squared[1] = p;
    return direction;
  },
});
const { at } = LAMB;

/**
 * LAMB: the step of each tensor is lr times its norm, in Adam's direction. The trust ratio |p| / |direction| is 1
 * where either is 0. Slots `exp_avg` and `exp_avg_sq`. The paper's second version, with its corrections of the start.
 * @throws OptionError
 * @see You et al. 2020, Large Batch Optimization for Deep Learning: Training BERT in 76 Minutes
 * @see optax.lamb
 */
export function lamb(options: LAMBOptions = {}): Optimizer {
  const { lr, betas, eps, weightDecay, normBounds, maximize } = readLamb(arguments);
  const [beta1, beta2] = betas;
  const [lower, upper] = normBounds;
  return defineOptimizer({
    maximize,
    name: 'optim.lamb',
    eps,
    slots: (type) => slotsLike(LAMB, 'lamb', type),
    limit: SQUARES,
    lr,
    build(group) {
      const hyper: HyperFill = (step, _, out) => {
        out[at.correction] = 1 / (1 - pow(beta1, step + 1));
        out[at.oneMinusBeta1] = 1 - beta1;
        out[at.beta2] = beta2;
        out[at.oneMinusBeta2] = 1 - beta2;
        out[at.inverseRoot] = 1 / Math.sqrt(1 - pow(beta2, step + 1));
        out[at.eps] = eps;
        out[at.weightDecay] = weightDecay;
      };
      const { params: directions, slots, sums, measured } = pass(LAMB, 'lamb', group, hyper, { finish: null });
      const [direction, parameter] = sums.map((x) => sqrt(x));
      const norm = minimum(maximum(parameter!, lower), upper);
      const ratio = where(mul(less(0, parameter!), less(0, direction!)), div(norm, direction!), 1);
      return { params: descend(group, directions, ratio, 'scaled'), slots, measured };
    },
  });
}
