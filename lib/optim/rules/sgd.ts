// sgd.ts: stochastic gradient descent, with momentum as PyTorch has it.
import { OptionError } from '../../errors.ts';
import { updateOp } from '../../ops/update/update.ts';
import { bool, number, options, optionsOnly, type PerStep, perStep, show } from '../../options/index.ts';
import { ascent, decay, type Maximize, rate } from '../fields.ts';
import { makeOptimizer, type Optimizer } from '../optimizer.ts';

/** Options of `optim.sgd`. */
export interface SGDOptions extends Maximize {
  /** Learning rate, a number or a schedule. Default 1e-3. */
  readonly lr?: PerStep;
  /** A number or a schedule. Default 0: no momentum. */
  readonly momentum?: PerStep;
  /** Of the gradient as it enters the momentum buffer, from the second step on. Default 0. */
  readonly dampening?: number;
  /** Added to the gradient as weightDecay * p, after clipping. Default 0. */
  readonly weightDecay?: number;
  /** Nesterov momentum (Sutskever et al. 2013); needs momentum without dampening. Default false. */
  readonly nesterov?: boolean;
}

const readSgd = optionsOnly(
  'optim.sgd',
  options<SGDOptions>()({
    lr: rate.default(1e-3),
    momentum: perStep({ min: 0 }).default(0),
    dampening: number().default(0),
    weightDecay: decay.default(0),
    nesterov: bool.default(false),
    maximize: ascent,
  }),
);

/** `first` is not 0 in the first step, where the momentum buffer becomes the gradient. Kernel: rules/sgd.h. */
const SGD = updateOp({
  name: 'update_sgd',
  slots: { plain: [], momentum: ['momentum_buffer'], nesterov: ['momentum_buffer'] },
  hyper: ['lr', 'weightDecay', 'momentum', 'oneMinusDampening', 'first'],
  rows: [
    { lr: 0.1, weightDecay: 0.2, momentum: 0.9, oneMinusDampening: 0.7, first: 0 },
    { lr: 0.3, weightDecay: 0, momentum: 0.5, oneMinusDampening: 1, first: 1 },
  ],
  flops: 6,
  step(variant, p, gradient, slots, h) {
    let g = gradient + h.weightDecay * p;
    if (variant !== 'plain') {
      const buffer = h.first !== 0 ? g : h.momentum * slots[0]! + h.oneMinusDampening * g;
      slots[0] = buffer;
      g = variant === 'nesterov' ? g + h.momentum * buffer : buffer;
    }
    return p - h.lr * g;
  },
});
const { at } = SGD;

/**
 * Stochastic gradient descent, with momentum if it is given. Slot `momentum_buffer`, if there is momentum.
 * @throws OptionError
 * @see torch.optim.SGD
 */
export function sgd(options: SGDOptions = {}): Optimizer {
  const { lr, momentum, dampening, weightDecay, nesterov, maximize } = readSgd(arguments);
  if (nesterov && (momentum.fixed === 0 || dampening !== 0)) {
    throw new OptionError(
      `optim.sgd: option nesterov: expected momentum > 0 and dampening 0, got momentum ${show(options.momentum ?? 0)} and dampening ${dampening}`,
      { momentum: options.momentum, dampening },
    );
  }
  const variant = momentum.fixed === 0 ? 'plain' : nesterov ? 'nesterov' : 'momentum';
  return makeOptimizer({
    maximize,
    name: 'optim.sgd',
    op: SGD,
    variant,
    lr,
    ...(momentum.fixed === null ? {} : { momentum: momentum.fixed }),
    hyper(step, lr, out) {
      out[at.lr] = lr;
      out[at.weightDecay] = weightDecay;
      out[at.momentum] = momentum(step);
      out[at.oneMinusDampening] = 1 - dampening;
      out[at.first] = step === 0 ? 1 : 0;
    },
  });
}
