// rmsprop.ts: RMSprop (Hinton 2012), centred (Graves 2013) and with momentum as PyTorch has it.
import { RMSPROP_VARIANT, UPDATE_RMSPROP } from '../ops/rules/index.ts';
import { checkBoolean, checkNumber, checkOptions, type PerStep } from '../options.ts';
import { SQUARES } from './limits.ts';
import { makeOptimizer, type Optimizer } from './optimizer.ts';

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

/**
 * RMSprop. Slots `square_avg`, `grad_avg` if centred, `momentum_buffer` if there is momentum. As torch.optim.RMSprop, whose root is NaN
 * where rounding takes the centred variance below 0; here it is 0. Throws OptionError.
 */
export function rmsprop(options: RMSpropOptions = {}): Optimizer {
  checkOptions('optim.rmsprop', options, ['lr', 'alpha', 'eps', 'weightDecay', 'momentum', 'centered']);
  const alpha = checkNumber('optim.rmsprop', 'alpha', options.alpha ?? 0.99, { min: 0, max: 1 });
  const eps = checkNumber('optim.rmsprop', 'eps', options.eps ?? 1e-8, { min: 0 });
  const weightDecay = checkNumber('optim.rmsprop', 'weightDecay', options.weightDecay ?? 0, { min: 0 });
  const momentum = checkNumber('optim.rmsprop', 'momentum', options.momentum ?? 0, { min: 0 });
  const centered = checkBoolean('optim.rmsprop', 'centered', options.centered ?? false);
  return makeOptimizer({
    name: 'optim.rmsprop',
    op: UPDATE_RMSPROP,
    variant: (centered ? RMSPROP_VARIANT.centered : 0) + (momentum > 0 ? RMSPROP_VARIANT.momentum : 0),
    slots: ['square_avg', ...(centered ? ['grad_avg'] : []), ...(momentum > 0 ? ['momentum_buffer'] : [])],
    eps,
    limit: SQUARES,
    lr: options.lr ?? 1e-2,
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
