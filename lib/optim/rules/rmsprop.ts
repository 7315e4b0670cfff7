// rmsprop.ts: RMSprop (Hinton 2012), centered (Graves 2013) and with momentum as PyTorch has it.
import { RMSPROP_VARIANT, UPDATE_RMSPROP } from '../../ops/rules/index.ts';
import { bool, number, options, optionsOnly, type PerStep } from '../../options/index.ts';
import { decay, epsilon, rate } from '../fields.ts';
import { SQUARES } from '../limits.ts';
import { makeOptimizer, type Optimizer } from '../optimizer.ts';

/** Options of `optim.rmsprop`. */
export interface RMSpropOptions {
  /** Learning rate, a number or a schedule. Default 1e-2. */
  readonly lr?: PerStep;
  /** Decay of the running mean of squares. Default 0.99. */
  readonly alpha?: number;
  /** Added to the root. Default 1e-8. */
  readonly eps?: number;
  /** Added to the gradient as weightDecay * p, after clipping. Default 0. */
  readonly weightDecay?: number;
  /** Of the steps. Default 0: none. */
  readonly momentum?: number;
  /** Divide by the deviation from the mean instead. Default false. */
  readonly centered?: boolean;
}

const readRmsprop = optionsOnly(
  'optim.rmsprop',
  options<RMSpropOptions>()({
    lr: rate.default(1e-2),
    alpha: number({ min: 0, max: 1 }).default(0.99),
    eps: epsilon.default(1e-8),
    weightDecay: decay.default(0),
    momentum: number({ min: 0 }).default(0),
    centered: bool.default(false),
  }),
);

/**
 * RMSprop: divides by the root of a running mean of squares. Slots `square_avg`, `grad_avg` if centered,
 * `momentum_buffer` if there is momentum. Where rounding takes the centered variance below 0 it is 0; PyTorch's root
 * is NaN there.
 * @throws OptionError
 * @see torch.optim.RMSprop
 */
export function rmsprop(options: RMSpropOptions = {}): Optimizer {
  const { lr, alpha, eps, weightDecay, momentum, centered } = readRmsprop(arguments);
  return makeOptimizer({
    name: 'optim.rmsprop',
    op: UPDATE_RMSPROP,
    variant: (centered ? RMSPROP_VARIANT.centered : 0) + (momentum > 0 ? RMSPROP_VARIANT.momentum : 0),
    slots: ['square_avg', ...(centered ? ['grad_avg'] : []), ...(momentum > 0 ? ['momentum_buffer'] : [])],
    eps,
    limit: SQUARES,
    lr,
    hyper(_, lr, out) {
      out[0] = lr;
      out[1] = alpha;
      out[2] = 1 - alpha;
      out[3] = eps;
      out[4] = weightDecay;
      out[5] = momentum;
    },
  });
}
