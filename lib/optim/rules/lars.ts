// lars.ts: LARS (You, Gitman and Ginsburg 2017).
import { add, div, less, mul, sqrt, where } from '../../ops/elementwise/elementwise.ts';
import { statistic } from '../../ops/gradient/statistics.ts';
import { UPDATE_LARS } from '../../ops/rules/index.ts';
import { update } from '../../ops/update/update.ts';
import { number, options, optionsOnly, type PerStep } from '../../options/index.ts';
import { decay, epsilon, rate } from '../fields.ts';
import { defineOptimizer, measuredOf, type Optimizer, turned } from '../optimizer.ts';

/** Options of `optim.lars`. */
export interface LARSOptions {
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
  }),
);

/**
 * LARS: momentum SGD with a learning rate per tensor, lr * trust * |p| / (|g| + weightDecay * |p| + eps), which is lr
 * where |p| or the denominator is 0. Slot `momentum_buffer`, of steps. optax.lars divides by |g + weightDecay * p|.
 * @throws OptionError
 * @see You et al. 2017, Large Batch Training of Convolutional Networks
 */
export function lars(options: LARSOptions = {}): Optimizer {
  const { lr, momentum, weightDecay, trust, eps } = readLars(arguments);
  return defineOptimizer({
    name: 'optim.lars',
    slots: (type) => [{ name: 'momentum_buffer', type }],
    lr,
    build(group) {
      const hyper = group.column('', 3, (_, lr, out) => {
        out[0] = lr;
        out[1] = momentum;
        out[2] = weightDecay;
      });
      const g = sqrt(statistic(group.grads, { kind: 'sumSquares', stages: group.stages }).each);
      const p = sqrt(statistic(group.params, { kind: 'sumSquares' }).each);
      const denominator = add(add(g, mul(p, weightDecay)), eps);
      const ratio = where(mul(less(0, p), less(0, denominator)), div(mul(p, trust), denominator), 1);
      const updated = update(UPDATE_LARS, 0, { ...group, slots: turned(group.slots), hyper, each: ratio });
      return { params: updated.params, slots: turned(updated.slots), measured: measuredOf(updated) };
    },
  });
}
