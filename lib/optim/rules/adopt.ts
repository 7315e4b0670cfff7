// adopt.ts: ADOPT (Taniguchi et al. 2024).
import { pow } from '../../math/index.ts';
import { updateOp } from '../../ops/update/update.ts';
import { bool, options, optionsOnly, type PerStep, perStep } from '../../options/index.ts';
import { ascent, betas, decay, epsilon, type Maximize, rate } from '../fields.ts';
import { SQUARES } from '../limits.ts';
import { makeOptimizer, type Optimizer } from '../optimizer.ts';

/** Options of `optim.adopt`. */
export interface ADOPTOptions extends Maximize {
  /** Learning rate, a number or a schedule. Default 1e-3. */
  readonly lr?: PerStep;
  /** Decay of the running means of gradients and of their squares. Default [0.9, 0.9999]. */
  readonly betas?: readonly [number, number];
  /** Least value of the root of the second mean. Default 1e-6. */
  readonly eps?: number;
  /** Weight decay: added to the gradient as weightDecay * p, after clipping; or decoupled, p shrinks by lr * weightDecay. Default 0. */
  readonly weightDecay?: number;
  /** Shrink p by lr * weightDecay, rather than add weightDecay * p to the gradient. Default false. */
  readonly decoupledWeightDecay?: boolean;
  /** Bound of each element of gradient / root, before the mean. Default step^0.25, as in the authors' code; Infinity is none. */
  readonly clip?: PerStep;
}

const readAdopt = optionsOnly(
  'optim.adopt',
  options<ADOPTOptions>()({
    lr: rate.default(1e-3),
    betas: betas.default([0.9, 0.9999]),
    eps: epsilon.default(1e-6),
    weightDecay: decay.default(0),
    decoupledWeightDecay: bool.default(false),
    clip: perStep({ min: 0, infinite: true }).default((step) => pow(step, 0.25)),
    maximize: ascent,
  }),
);

/**
 * The `first` step only begins the second slot. `limit` is the bound of the update clip. Variants: weight decay as a term of the gradient, or
 * decoupled (then `decay` is a factor). Kernel: rules/adopt.h.
 */
const ADOPT = updateOp({
  name: 'update_adopt',
  slots: { l2: ['exp_avg', 'exp_avg_sq'], decoupled: ['exp_avg', 'exp_avg_sq'] },
  hyper: ['lr', 'oneMinusBeta1', 'beta2', 'oneMinusBeta2', 'eps', 'limit', 'decay', 'first'],
  rows: [
    { lr: 0.1, oneMinusBeta1: 0.1, beta2: 0.9, oneMinusBeta2: 0.1, eps: 0.5, limit: 0.7, decay: 0.8, first: 0 },
    { lr: 0.1, oneMinusBeta1: 0.1, beta2: 0.9, oneMinusBeta2: 0.1, eps: 0.01, limit: 1, decay: 0.3, first: 1 },
    {
      lr: 0.2,
      oneMinusBeta1: 0.6,
      beta2: 0.5,
      oneMinusBeta2: 0.5,
      eps: 0.1,
      limit: Number.POSITIVE_INFINITY,
      decay: 0,
      first: 0,
    },
  ],
  flops: 14,
  step(variant, parameter, gradient, slots, h) {
    const decoupled = variant === 'decoupled';
    const g = decoupled ? gradient : gradient + h.decay * parameter;
    if (h.first !== 0) {
      slots[1] = g * g;
      return parameter;
    }
    const p = decoupled ? parameter * h.decay : parameter;
    const ratio = g / Math.max(Math.sqrt(slots[1]!), h.eps);
    slots[0]! += h.oneMinusBeta1 * (Math.max(-h.limit, Math.min(h.limit, ratio)) - slots[0]!);
    slots[1] = h.beta2 * slots[1]! + h.oneMinusBeta2 * g * g;
    return p - h.lr * slots[0]!;
  },
});
const { at } = ADOPT;

/**
 * ADOPT: Adam that divides by the squares of earlier gradients alone, and so converges for any betas. Its first step
 * changes no parameter. Slots `exp_avg` and `exp_avg_sq`.
 * @throws OptionError
 * @see Taniguchi et al. 2024, ADOPT: Modified Adam Can Converge with Any beta2 with the Optimal Rate
 */
export function adopt(options: ADOPTOptions = {}): Optimizer {
  const { lr, betas, eps, weightDecay, decoupledWeightDecay: decoupled, clip, maximize } = readAdopt(arguments);
  const [beta1, beta2] = betas;
  return makeOptimizer({
    maximize,
    rowwise: false,
    name: 'optim.adopt',
    op: ADOPT,
    variant: decoupled ? 'decoupled' : 'l2',
    eps,
    limit: SQUARES,
    lr,
    hyper(step, lr, out) {
      out[at.lr] = lr;
      out[at.oneMinusBeta1] = 1 - beta1;
      out[at.beta2] = beta2;
      out[at.oneMinusBeta2] = 1 - beta2;
      out[at.eps] = eps;
      out[at.limit] = clip(step);
      out[at.decay] = decoupled ? 1 - lr * weightDecay : weightDecay;
      out[at.first] = step === 0 ? 1 : 0;
    },
  });
}
