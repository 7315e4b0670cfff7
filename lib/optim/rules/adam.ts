// adam.ts: Adam (Kingma and Ba 2014) and AdamW (Loshchilov and Hutter 2017), with AMSGrad (Reddi, Kale and Kumar 2018).
import { pow } from '../../math/index.ts';
import { ADAM_VARIANT, UPDATE_ADAM } from '../../ops/rules/index.ts';
import { bool, options, optionsOnly, type PerStep, pair, perStep } from '../../options/index.ts';
import { decay, epsilon, momentum, rate } from '../fields.ts';
import { SQUARES } from '../limits.ts';
import { makeOptimizer, type Optimizer } from '../optimizer.ts';

/** Options of `optim.adam` and `optim.adamw`. */
export interface AdamOptions {
  /** Learning rate, a number or a schedule. Default 1e-3. */
  readonly lr?: PerStep;
  /** Decay of the running means of gradients, a number or a schedule, and of their squares. Default [0.9, 0.999]. */
  readonly betas?: readonly [PerStep, number];
  /** Added to the root of the second mean. Default 1e-8. */
  readonly eps?: number;
  /**
   * Adam adds weightDecay * p to the gradient, after clipping; AdamW shrinks p by lr * weightDecay. Default 0 of
   * Adam, 0.01 of AdamW.
   */
  readonly weightDecay?: number;
  /** Divide by the largest second mean so far. Default false. */
  readonly amsgrad?: boolean;
}

const fieldsOf = (weightDecay: number) =>
  options<AdamOptions>()({
    lr: rate.default(1e-3),
    betas: pair(perStep({ min: 0, below: 1 }), momentum).default([0.9, 0.999]),
    eps: epsilon.default(1e-8),
    weightDecay: decay.default(weightDecay),
    amsgrad: bool.default(false),
  });
const readAdam = optionsOnly('optim.adam', fieldsOf(0));
const readAdamw = optionsOnly('optim.adamw', fieldsOf(1e-2));

/**
 * Adam (Kingma and Ba 2014): a running mean of gradients over the root of one of squares. Slots `exp_avg`,
 * `exp_avg_sq`, with AMSGrad `max_exp_avg_sq`.
 * @throws OptionError
 * @see torch.optim.Adam
 */
export function adam(options: AdamOptions = {}): Optimizer {
  return make('optim.adam', false, readAdam(arguments));
}

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter 2017). Slots `exp_avg`, `exp_avg_sq`, with AMSGrad
 * `max_exp_avg_sq`.
 * @throws OptionError
 * @see torch.optim.AdamW
 */
export function adamw(options: AdamOptions = {}): Optimizer {
  return make('optim.adamw', true, readAdamw(arguments));
}

function make(name: string, decoupled: boolean, values: ReturnType<typeof readAdam>): Optimizer {
  const { lr, betas, eps, weightDecay, amsgrad } = values;
  const [beta1At, beta2] = betas;
  const plain = decoupled ? ADAM_VARIANT.adamw : ADAM_VARIANT.adam;
  const largest = decoupled ? ADAM_VARIANT.adamwAmsgrad : ADAM_VARIANT.adamAmsgrad;
  return makeOptimizer({
    name,
    op: UPDATE_ADAM,
    variant: amsgrad ? largest : plain,
    slots: ['exp_avg', 'exp_avg_sq', ...(amsgrad ? ['max_exp_avg_sq'] : [])],
    eps,
    limit: SQUARES,
    lr,
    hyper(step, lr, out) {
      const t = step + 1;
      const beta1 = beta1At(step);
      out[0] = lr / (1 - pow(beta1, t));
      out[1] = 1 - beta1;
      out[2] = beta2;
      out[3] = 1 - beta2;
      out[4] = 1 / Math.sqrt(1 - pow(beta2, t));
      out[5] = eps;
      out[6] = decoupled ? 1 - lr * weightDecay : weightDecay;
    },
  });
}
