// radam.ts: RAdam (Liu et al. 2019).
import { pow } from '../../math/index.ts';
import { RADAM_VARIANT, UPDATE_RADAM } from '../../ops/rules/index.ts';
import { bool, options, optionsOnly, type PerStep } from '../../options/index.ts';
import { betas, decay, epsilon, rate } from '../fields.ts';
import { SQUARES } from '../limits.ts';
import { makeOptimizer, type Optimizer } from '../optimizer.ts';

/** Options of `optim.radam`. */
export interface RAdamOptions {
  /** Learning rate, a number or a schedule. Default 1e-3. */
  readonly lr?: PerStep;
  /** Decay of the running means of gradients and of their squares. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the second mean. Default 1e-8. */
  readonly eps?: number;
  /** Weight decay: added to the gradient as weightDecay * p, after clipping; or decoupled, p shrinks by lr * weightDecay. Default 0. */
  readonly weightDecay?: number;
  /** Shrink p by lr * weightDecay, rather than add weightDecay * p to the gradient. Default false. */
  readonly decoupledWeightDecay?: boolean;
}

const readRadam = optionsOnly(
  'optim.radam',
  options<RAdamOptions>()({
    lr: rate.default(1e-3),
    betas: betas.default([0.9, 0.999]),
    eps: epsilon.default(1e-8),
    weightDecay: decay.default(0),
    decoupledWeightDecay: bool.default(false),
  }),
);

/**
 * RAdam (Liu et al. 2019): Adam that corrects the variance of its first steps. Slots `exp_avg` and `exp_avg_sq`.
 * @throws OptionError
 * @see torch.optim.RAdam
 */
export function radam(options: RAdamOptions = {}): Optimizer {
  const { lr, betas, eps, weightDecay, decoupledWeightDecay: decoupled } = readRadam(arguments);
  const [beta1, beta2] = betas;
  const longest = 2 / (1 - beta2) - 1;
  return makeOptimizer({
    name: 'optim.radam',
    op: UPDATE_RADAM,
    variant: decoupled ? RADAM_VARIANT.decoupled : RADAM_VARIANT.l2,
    slots: ['exp_avg', 'exp_avg_sq'],
    eps,
    limit: SQUARES,
    lr,
    hyper(step, lr, out) {
      const t = step + 1;
      const correction = 1 - pow(beta2, t);
      // Length of the running mean of squares; below 5 its variance is not bounded.
      const length = longest - (2 * t * pow(beta2, t)) / correction;
      const adaptive = length > 5;
      const rectified = ((length - 4) * (length - 2) * longest) / ((longest - 4) * (longest - 2) * length);
      out[0] = (lr / (1 - pow(beta1, t))) * (adaptive ? Math.sqrt(correction * rectified) : 1);
      out[1] = adaptive ? 1 : 0;
      out[2] = 1 - beta1;
      out[3] = beta2;
      out[4] = 1 - beta2;
      out[5] = eps;
      out[6] = decoupled ? 1 - lr * weightDecay : weightDecay;
    },
  });
}
