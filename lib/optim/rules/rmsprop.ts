// rmsprop.ts: RMSprop (Hinton 2012), centered (Graves 2013) and with momentum as PyTorch has it.
import { updateOp } from '../../ops/update/update.ts';
import { bool, number, options, optionsOnly, type PerStep } from '../../options/index.ts';
import { ascent, decay, epsilon, type Maximize, rate } from '../fields.ts';
import { SQUARES } from '../limits.ts';
import { makeOptimizer, type Optimizer } from '../optimizer.ts';

/** Options of `optim.rmsprop`. */
export interface RMSpropOptions extends Maximize {
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
    maximize: ascent,
  }),
);

/** Slots: the mean of squares; centered, the mean; with momentum, its buffer. Kernel: rules/rmsprop.h. */
const RMSPROP = updateOp({
  name: 'update_rmsprop',
  slots: {
    plain: ['square_avg'],
    centered: ['square_avg', 'grad_avg'],
    momentum: ['square_avg', 'momentum_buffer'],
    centeredMomentum: ['square_avg', 'grad_avg', 'momentum_buffer'],
  },
  hyper: ['lr', 'alpha', 'oneMinusAlpha', 'eps', 'decay', 'momentum'],
  rows: [
    { lr: 0.1, alpha: 0.9, oneMinusAlpha: 0.1, eps: 0.5, decay: 0.3, momentum: 0.9 },
    { lr: 0.2, alpha: 0.5, oneMinusAlpha: 0.5, eps: 1, decay: 0, momentum: 0.5 },
  ],
  flops: 14,
  // A variance near 0 is what two nearly equal numbers leave.
  tolerance: 1e-5,
  step(variant, p, gradient, slots, h) {
    const g = gradient + h.decay * p;
    const v = h.alpha * slots[0]! + h.oneMinusAlpha * g * g;
    slots[0] = v;
    let variance = v;
    if (variant === 'centered' || variant === 'centeredMomentum') {
      const mean = slots[1]! + h.oneMinusAlpha * (g - slots[1]!);
      slots[1] = mean;
      variance = Math.max(0, v - mean * mean);
    }
    const direction = g / (Math.sqrt(variance) + h.eps);
    if (variant === 'plain' || variant === 'centered') return p - h.lr * direction;
    const last = slots.length - 1;
    slots[last] = h.momentum * slots[last]! + direction;
    return p - h.lr * slots[last]!;
  },
});
const { at } = RMSPROP;

/**
 * RMSprop: divides by the root of a running mean of squares. Slots `square_avg`, `grad_avg` if centered,
 * `momentum_buffer` if there is momentum. Where rounding takes the centered variance below 0 it is 0; PyTorch's root
 * is NaN there.
 * @throws OptionError
 * @see torch.optim.RMSprop
 */
export function rmsprop(options: RMSpropOptions = {}): Optimizer {
  const { lr, alpha, eps, weightDecay, momentum, centered, maximize } = readRmsprop(arguments);
  return makeOptimizer({
    maximize,
    name: 'optim.rmsprop',
    op: RMSPROP,
    variant: momentum > 0 ? (centered ? 'centeredMomentum' : 'momentum') : centered ? 'centered' : 'plain',
    eps,
    limit: SQUARES,
    lr,
    hyper(_, lr, out) {
      out[at.lr] = lr;
      out[at.alpha] = alpha;
      out[at.oneMinusAlpha] = 1 - alpha;
      out[at.eps] = eps;
      out[at.decay] = weightDecay;
      out[at.momentum] = momentum;
    },
  });
}
