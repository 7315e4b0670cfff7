// adamax.ts: Adamax (Kingma and Ba 2014).
import { pow } from '../../math/index.ts';
import { updateOp } from '../../ops/update/update.ts';
import { options, optionsOnly, type PerStep } from '../../options/index.ts';
import { ascent, betas, decay, epsilon, type Maximize, rate } from '../fields.ts';
import { makeOptimizer, type Optimizer } from '../optimizer.ts';

/** Options of `optim.adamax`. */
export interface AdamaxOptions extends Maximize {
  /** Learning rate, a number or a schedule. Default 2e-3. */
  readonly lr?: PerStep;
  /** Decay of the running mean, and of the largest abs. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to abs before the largest is taken. Default 1e-8. */
  readonly eps?: number;
  /** Added to the gradient as weightDecay * p, after clipping. Default 0. */
  readonly weightDecay?: number;
}

const readAdamax = optionsOnly(
  'optim.adamax',
  options<AdamaxOptions>()({
    lr: rate.default(2e-3),
    betas: betas.default([0.9, 0.999]),
    eps: epsilon.default(1e-8),
    weightDecay: decay.default(0),
    maximize: ascent,
  }),
);

/** Slots: the mean, and the largest of the gradients, fading. Kernel: rules/adamax.h. */
const ADAMAX = updateOp({
  name: 'update_adamax',
  slots: { adamax: ['exp_avg', 'exp_inf'] },
  hyper: ['stepSize', 'oneMinusBeta1', 'beta2', 'eps', 'decay'],
  rows: [
    { stepSize: 0.1, oneMinusBeta1: 0.1, beta2: 0.9, eps: 0.01, decay: 0.3 },
    { stepSize: 0.2, oneMinusBeta1: 0.6, beta2: 0.5, eps: 0.1, decay: 0 },
  ],
  flops: 10,
  step(_, p, gradient, slots, h) {
    const g = gradient + h.decay * p;
    const m = slots[0]! + h.oneMinusBeta1 * (g - slots[0]!);
    const largest = Math.max(h.beta2 * slots[1]!, Math.abs(g) + h.eps);
    slots[0] = m;
    slots[1] = largest;
    return p - (h.stepSize * m) / largest;
  },
});
const { at } = ADAMAX;

/**
 * Adamax (Kingma and Ba 2014): Adam with a running maximum in place of the root. Slots `exp_avg` and `exp_inf`.
 * @throws OptionError
 * @see torch.optim.Adamax
 */
export function adamax(options: AdamaxOptions = {}): Optimizer {
  const { lr, betas, eps, weightDecay, maximize } = readAdamax(arguments);
  const [beta1, beta2] = betas;
  return makeOptimizer({
    maximize,
    name: 'optim.adamax',
    op: ADAMAX,
    variant: 'adamax',
    eps,
    lr,
    hyper(step, lr, out) {
      out[at.stepSize] = lr / (1 - pow(beta1, step + 1));
      out[at.oneMinusBeta1] = 1 - beta1;
      out[at.beta2] = beta2;
      out[at.eps] = eps;
      out[at.decay] = weightDecay;
    },
  });
}
