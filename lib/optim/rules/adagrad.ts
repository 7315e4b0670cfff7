// adagrad.ts: Adagrad (Duchi, Hazan and Singer 2011).
import { updateOp } from '../../ops/update/update.ts';
import { number, options, optionsOnly, type PerStep } from '../../options/index.ts';
import { ascent, decay, epsilon, type Maximize, rate } from '../fields.ts';
import { LARGEST, SQUARES } from '../limits.ts';
import { makeOptimizer, type Optimizer } from '../optimizer.ts';

/** Options of `optim.adagrad`. */
export interface AdagradOptions extends Maximize {
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
    maximize: ascent,
  }),
);

/** Its slot is the sum of the squares of all gradients. Kernel: rules/adagrad.h. */
const ADAGRAD = updateOp({
  name: 'update_adagrad',
  slots: { adagrad: ['sum'] },
  hyper: ['lr', 'eps', 'decay'],
  rows: [
    { lr: 0.1, eps: 0.01, decay: 0.3 },
    { lr: 0.2, eps: 0.1, decay: 0 },
  ],
  flops: 8,
  step(_, p, gradient, slots, h) {
    const g = gradient + h.decay * p;
    slots[0]! += g * g;
    return p - (h.lr * g) / (Math.sqrt(slots[0]!) + h.eps);
  },
});
const { at } = ADAGRAD;

/**
 * Adagrad (Duchi et al. 2011): divides by the root of the sum of all squares. Slot `sum`.
 * @throws OptionError
 * @see torch.optim.Adagrad
 */
export function adagrad(options: AdagradOptions = {}): Optimizer {
  const { lr, lrDecay, eps, weightDecay, initialAccumulatorValue, maximize } = readAdagrad(arguments);
  return makeOptimizer({
    maximize,
    name: 'optim.adagrad',
    op: ADAGRAD,
    variant: 'adagrad',
    init: { sum: initialAccumulatorValue },
    eps,
    limit: SQUARES,
    lr,
    hyper(step, lr, out) {
      out[at.lr] = lr / (1 + step * lrDecay);
      out[at.eps] = eps;
      out[at.decay] = weightDecay;
    },
  });
}
