// radam.ts: RAdam (Liu et al. 2019).
import { pow } from '../../math/index.ts';
import { updateOp } from '../../ops/update/update.ts';
import { bool, options, optionsOnly, type PerStep } from '../../options/index.ts';
import { ascent, betas, decay, epsilon, type Maximize, rate } from '../fields.ts';
import { SQUARES } from '../limits.ts';
import { makeOptimizer, type Optimizer } from '../optimizer.ts';

/** Options of `optim.radam`. */
export interface RAdamOptions extends Maximize {
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
    maximize: ascent,
  }),
);

/**
 * `adaptive` is 0 in the first steps, where the variance is not known well enough to divide by its root. Variants: weight decay as a term of
 * the gradient, or decoupled (then `decay` is a factor). Kernel: rules/radam.h.
 */
const RADAM = updateOp({
  name: 'update_radam',
  slots: { l2: ['exp_avg', 'exp_avg_sq'], decoupled: ['exp_avg', 'exp_avg_sq'] },
  hyper: ['stepSize', 'adaptive', 'oneMinusBeta1', 'beta2', 'oneMinusBeta2', 'eps', 'decay'],
  rows: [
    { stepSize: 0.1, adaptive: 1, oneMinusBeta1: 0.1, beta2: 0.9, oneMinusBeta2: 0.1, eps: 0.01, decay: 0.8 },
    { stepSize: 0.2, adaptive: 0, oneMinusBeta1: 0.6, beta2: 0.5, oneMinusBeta2: 0.5, eps: 0.1, decay: 0 },
  ],
  flops: 14,
  step(variant, parameter, gradient, slots, h) {
    const decoupled = variant === 'decoupled';
    const g = decoupled ? gradient : gradient + h.decay * parameter;
    const p = decoupled ? parameter * h.decay : parameter;
    const m = slots[0]! + h.oneMinusBeta1 * (g - slots[0]!);
    const v = h.beta2 * slots[1]! + h.oneMinusBeta2 * g * g;
    slots[0] = m;
    slots[1] = v;
    return p - h.stepSize * (h.adaptive !== 0 ? m / (Math.sqrt(v) + h.eps) : m);
  },
});
const { at } = RADAM;

/**
 * RAdam (Liu et al. 2019): Adam that corrects the variance of its first steps. Slots `exp_avg` and `exp_avg_sq`.
 * @throws OptionError
 * @see torch.optim.RAdam
 */
export function radam(options: RAdamOptions = {}): Optimizer {
  const { lr, betas, eps, weightDecay, decoupledWeightDecay: decoupled, maximize } = readRadam(arguments);
  const [beta1, beta2] = betas;
  const longest = 2 / (1 - beta2) - 1;
  return makeOptimizer({
    maximize,
    name: 'optim.radam',
    op: RADAM,
    variant: decoupled ? 'decoupled' : 'l2',
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
      out[at.stepSize] = (lr / (1 - pow(beta1, t))) * (adaptive ? Math.sqrt(correction * rectified) : 1);
      out[at.adaptive] = adaptive ? 1 : 0;
      out[at.oneMinusBeta1] = 1 - beta1;
      out[at.beta2] = beta2;
      out[at.oneMinusBeta2] = 1 - beta2;
      out[at.eps] = eps;
      out[at.decay] = decoupled ? 1 - lr * weightDecay : weightDecay;
    },
  });
}
