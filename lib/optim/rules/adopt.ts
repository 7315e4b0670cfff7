// adopt.ts: ADOPT (Taniguchi et al. 2024).
import { pow } from '../../math/index.ts';
import { ADOPT_VARIANT, UPDATE_ADOPT } from '../../ops/rules/index.ts';
import { bool, options, optionsOnly, type PerStep, perStep } from '../../options/index.ts';
import { betas, decay, epsilon, rate } from '../fields.ts';
import { SQUARES } from '../limits.ts';
import { makeOptimizer, type Optimizer } from '../optimizer.ts';

/** Options of `optim.adopt`. */
export interface ADOPTOptions {
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
  }),
);

/**
 * ADOPT: Adam that divides by the squares of earlier gradients alone, and so converges for any betas. Its first step
 * changes no parameter. Slots `exp_avg` and `exp_avg_sq`.
 * @throws OptionError
 * @see Taniguchi et al. 2024, ADOPT: Modified Adam Can Converge with Any beta2 with the Optimal Rate
 */
export function adopt(options: ADOPTOptions = {}): Optimizer {
  const { lr, betas, eps, weightDecay, decoupledWeightDecay: decoupled, clip } = readAdopt(arguments);
  const [beta1, beta2] = betas;
  return makeOptimizer({
    rowwise: false,
    name: 'optim.adopt',
    op: UPDATE_ADOPT,
    variant: decoupled ? ADOPT_VARIANT.decoupled : ADOPT_VARIANT.l2,
    slots: ['exp_avg', 'exp_avg_sq'],
    eps,
    limit: SQUARES,
    lr,
    hyper(step, lr, out) {
      out[0] = lr;
      out[1] = 1 - beta1;
      out[2] = beta2;
      out[3] = 1 - beta2;
      out[4] = eps;
      out[5] = clip(step);
      out[6] = decoupled ? 1 - lr * weightDecay : weightDecay;
      out[7] = step === 0 ? 1 : 0;
    },
  });
}
