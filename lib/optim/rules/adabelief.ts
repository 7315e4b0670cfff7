// adabelief.ts: AdaBelief (Zhuang et al. 2020).
import { pow } from '../../math/index.ts';
import { updateOp } from '../../ops/update/update.ts';
import { bool, options, optionsOnly, type PerStep } from '../../options/index.ts';
import { ascent, betas, decay, epsilon, type Maximize, rate } from '../fields.ts';
import { SQUARES } from '../limits.ts';
import { makeOptimizer, type Optimizer } from '../optimizer.ts';

/** Options of `optim.adabelief`. */
export interface AdaBeliefOptions extends Maximize {
  /** Learning rate, a number or a schedule. Default 1e-3. */
  readonly lr?: PerStep;
  /** Decay of the running mean of gradients, and of that of the squares of what they differ from it by. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the second mean in every step, and to its root. Default 1e-16. */
  readonly eps?: number;
  /** Weight decay: decoupled, p shrinks by lr * weightDecay; or added to the gradient as weightDecay * p, after clipping. Default 0. */
  readonly weightDecay?: number;
  /** Shrink p by lr * weightDecay, rather than add weightDecay * p to the gradient. Default true. */
  readonly decoupledWeightDecay?: boolean;
}

const readAdabelief = optionsOnly(
  'optim.adabelief',
  options<AdaBeliefOptions>()({
    lr: rate.default(1e-3),
    betas: betas.default([0.9, 0.999]),
    eps: epsilon.default(1e-16),
    weightDecay: decay.default(0),
    decoupledWeightDecay: bool.default(true),
    maximize: ascent,
  }),
);

/** Variants: weight decay as a term of the gradient, or decoupled (then `decay` is a factor). Kernel: rules/adabelief.h. */
const ADABELIEF = updateOp({
  name: 'update_adabelief',
  slots: { l2: ['exp_avg', 'exp_avg_var'], decoupled: ['exp_avg', 'exp_avg_var'] },
  hyper: ['stepSize', 'oneMinusBeta1', 'beta2', 'oneMinusBeta2', 'inverseRoot', 'eps', 'decay'],
  rows: [
    { stepSize: 0.1, oneMinusBeta1: 0.1, beta2: 0.9, oneMinusBeta2: 0.1, inverseRoot: 1.5, eps: 0.01, decay: 0.8 },
    { stepSize: 0.2, oneMinusBeta1: 0.6, beta2: 0.5, oneMinusBeta2: 0.5, inverseRoot: 1, eps: 0.1, decay: 0 },
  ],
  flops: 16,
  step(variant, parameter, gradient, slots, h) {
    const decoupled = variant === 'decoupled';
    const g = decoupled ? gradient : gradient + h.decay * parameter;
    const p = decoupled ? parameter * h.decay : parameter;
    const m = slots[0]! + h.oneMinusBeta1 * (g - slots[0]!);
    const v = h.beta2 * slots[1]! + h.oneMinusBeta2 * (g - m) * (g - m) + h.eps;
    slots[0] = m;
    slots[1] = v;
    return p - (h.stepSize * m) / (Math.sqrt(v) * h.inverseRoot + h.eps);
  },
});
const { at } = ADABELIEF;

/**
 * AdaBelief: Adam that divides by how far gradients are from their mean, rather than by how large they are: large
 * steps where they agree. Slots `exp_avg` and `exp_avg_var`. Without the rectified rate of the authors' code.
 * @throws OptionError
 * @see Zhuang et al. 2020, AdaBelief Optimizer: Adapting Stepsizes by the Belief in Observed Gradients
 * @see optax.adabelief
 */
export function adabelief(options: AdaBeliefOptions = {}): Optimizer {
  const { lr, betas, eps, weightDecay, decoupledWeightDecay: decoupled, maximize } = readAdabelief(arguments);
  const [beta1, beta2] = betas;
  return makeOptimizer({
    maximize,
    name: 'optim.adabelief',
    op: ADABELIEF,
    variant: decoupled ? 'decoupled' : 'l2',
    eps,
    limit: SQUARES,
    lr,
    hyper(step, lr, out) {
      const t = step + 1;
      out[at.stepSize] = lr / (1 - pow(beta1, t));
      out[at.oneMinusBeta1] = 1 - beta1;
      out[at.beta2] = beta2;
      out[at.oneMinusBeta2] = 1 - beta2;
      out[at.inverseRoot] = 1 / Math.sqrt(1 - pow(beta2, t));
      out[at.eps] = eps;
      out[at.decay] = decoupled ? 1 - lr * weightDecay : weightDecay;
    },
  });
}
