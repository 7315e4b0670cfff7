// adamax.ts: Adamax (Kingma and Ba 2014).
import { pow } from '../../math/index.ts';
import { UPDATE_ADAMAX } from '../../ops/rules/index.ts';
import { options, optionsOnly, type PerStep } from '../../options/index.ts';
import { betas, decay, epsilon, rate } from '../fields.ts';
import { makeOptimizer, type Optimizer } from '../optimizer.ts';

/** Options of `optim.adamax`. */
export interface AdamaxOptions {
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
  }),
);

/**
 * Adamax (Kingma and Ba 2014): Adam with a running maximum in place of the root. Slots `exp_avg` and `exp_inf`.
 * @throws OptionError
 * @see torch.optim.Adamax
 */
export function adamax(options: AdamaxOptions = {}): Optimizer {
  const { lr, betas, eps, weightDecay } = readAdamax(arguments);
  const [beta1, beta2] = betas;
  return makeOptimizer({
    name: 'optim.adamax',
    op: UPDATE_ADAMAX,
    variant: 0,
    slots: ['exp_avg', 'exp_inf'],
    eps,
    lr,
    hyper(step, lr, out) {
      out[0] = lr / (1 - pow(beta1, step + 1));
      out[1] = 1 - beta1;
      out[2] = beta2;
      out[3] = eps;
      out[4] = weightDecay;
    },
  });
}
