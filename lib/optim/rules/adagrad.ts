// adagrad.ts: Adagrad (Duchi, Hazan and Singer 2011).
import { UPDATE_ADAGRAD } from '../../ops/rules/index.ts';
import { number, options, optionsOnly, type PerStep } from '../../options/index.ts';
import { decay, epsilon, rate } from '../fields.ts';
import { LARGEST, SQUARES } from '../limits.ts';
import { makeOptimizer, type Optimizer } from '../optimizer.ts';

/** Options of `optim.adagrad`. */
export interface AdagradOptions {
  /** Learning rate, a number or a schedule. Default 1e-2. */
  readonly lr?: PerStep;
  /** The learning rate is divided by 1 + step * lrDecay. Default 0. */
  readonly lrDecay?: number;
  /** Added to the root of the sum. Default 1e-10. */
  readonly eps?: number;
  /** Added to the gradient as weightDecay * p, after clipping. Default 0. */
  readonly weightDecay?: number;
  /** First value of the sum. Default 0. */
  readonly initialAccumulatorValue?: number;
}

const readAdagrad = optionsOnly(
  'optim.adagrad',
  options<AdagradOptions>()({
    lr: rate.default(1e-2),
    lrDecay: number({ min: 0 }).default(0),
    eps: epsilon.default(1e-10),
    weightDecay: decay.default(0),
    initialAccumulatorValue: number({ min: 0, max: LARGEST }).default(0),
  }),
);

/**
 * Adagrad (Duchi et al. 2011): divides by the root of the sum of all squares. Slot `sum`.
 * @throws OptionError
 * @see torch.optim.Adagrad
 */
export function adagrad(options: AdagradOptions = {}): Optimizer {
  const { lr, lrDecay, eps, weightDecay, initialAccumulatorValue } = readAdagrad(arguments);
  return makeOptimizer({
    name: 'optim.adagrad',
    op: UPDATE_ADAGRAD,
    variant: 0,
    slots: [{ name: 'sum', init: initialAccumulatorValue }],
    eps,
    limit: SQUARES,
    lr,
    hyper(step, lr, out) {
      out[0] = lr / (1 + step * lrDecay);
      out[1] = eps;
      out[2] = weightDecay;
    },
  });
}
