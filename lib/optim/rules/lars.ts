// lars.ts: LARS (You, Gitman and Ginsburg 2017).
import { add, div, less, mul, sqrt, where } from '../../ops/elementwise/elementwise.ts';
import { statistic } from '../../ops/gradient/statistics.ts';
import { updateOp } from '../../ops/update/update.ts';
import { number, options, optionsOnly, type PerStep } from '../../options/index.ts';
import { ascent, decay, epsilon, type Maximize, rate } from '../fields.ts';
import { defineOptimizer, type HyperFill, type Optimizer, pass, slotsLike } from '../optimizer.ts';

/** Options of `optim.lars`. */
export interface LARSOptions extends Maximize {
  /** Learning rate of all layers, a number or a schedule. Default 1. */
  readonly lr?: PerStep;
  /** Decay of the running sum of steps. Default 0.9. */
  readonly momentum?: number;
  /** Added to the gradient as weightDecay * p, after clipping. Default 0. */
  readonly weightDecay?: number;
  /** What part of its norm a tensor may change by in a step with lr 1 (the paper's eta). Default 1e-3. */
  readonly trust?: number;
  /** Added to the denominator of the trust ratio. Default 0. */
  readonly eps?: number;
}

const readLars = optionsOnly(
  'optim.lars',
  options<LARSOptions>()({
    lr: rate.default(1),
    momentum: number({ min: 0 }).default(0.9),
    weightDecay: decay.default(0),
    trust: number({ min: 0 }).default(1e-3),
    eps: epsilon.default(0),
    maximize: ascent,
  }),
);

/** Each tensor has its trust ratio. Kernel: rules/lars.h. */
const LARS = updateOp({
  name: 'update_lars',
  slots: { lars: ['momentum_buffer'] },
  hyper: ['lr', 'momentum', 'weightDecay'],
  rows: [
    { lr: 0.1, momentum: 0.9, weightDecay: 0.3 },
    { lr: 0.5, momentum: 0, weightDecay: 0 },
  ],
  flops: 6,
  each: true,
  step(_, p, g, slots, h, trust) {
    slots[0] = h.momentum * slots[0]! + h.lr * trust * (g + h.weightDecay * p);
    return p - slots[0]!;
  },
});
const { at } = LARS;

/**
 * LARS: momentum SGD with a learning rate per tensor, lr * trust * |p| / (|g| + weightDecay * |p| + eps), which is lr
 * where |p| or the denominator is 0. Slot `momentum_buffer`, of steps. optax.lars divides by |g + weightDecay * p|.
 * @throws OptionError
 * @see You et al. 2017, Large Batch Training of Convolutional Networks
 */
export function lars(options: LARSOptions = {}): Optimizer {
  const { lr, momentum, weightDecay, trust, eps, maximize } = readLars(arguments);
  return defineOptimizer({
    maximize,
    name: 'optim.lars',
    slots: (type) => slotsLike(LARS, 'lars', type),
    lr,
    build(group) {
      const hyper: HyperFill = (_, lr, out) => {
        out[at.lr] = lr;
        out[at.momentum] = momentum;
        out[at.weightDecay] = weightDecay;
      };
      const g = sqrt(statistic(group.grads, { kind: 'sumSquares', stages: group.stages }).each);
      const p = sqrt(statistic(group.params, { kind: 'sumSquares' }).each);
      const denominator = add(add(g, mul(p, weightDecay)), eps);
      const ratio = where(mul(less(0, p), less(0, denominator)), div(mul(p, trust), denominator), 1);
      return pass(LARS, 'lars', group, hyper, { each: ratio });
    },
  });
}
