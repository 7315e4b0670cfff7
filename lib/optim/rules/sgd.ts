// sgd.ts: stochastic gradient descent, with momentum as PyTorch has it.
import { OptionError } from '../../errors.ts';
import { SGD_VARIANT, UPDATE_SGD } from '../../ops/rules/index.ts';
import { bool, number, options, optionsOnly, type PerStep, perStep, show } from '../../options/index.ts';
import { decay, rate } from '../fields.ts';
import { makeOptimizer, type Optimizer } from '../optimizer.ts';

/** Options of `optim.sgd`. */
export interface SGDOptions {
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
  }),
);

/**
 * Stochastic gradient descent, with momentum if it is given. Slot `momentum_buffer`, if there is momentum.
 * @throws OptionError
 * @see torch.optim.SGD
 */
export function sgd(options: SGDOptions = {}): Optimizer {
  const { lr, momentum, dampening, weightDecay, nesterov } = readSgd(arguments);
  if (nesterov && (momentum.fixed === 0 || dampening !== 0)) {
    throw new OptionError(
      `optim.sgd: option nesterov: expected momentum > 0 and dampening 0, got momentum ${show(options.momentum ?? 0)} and dampening ${dampening}`,
      { momentum: options.momentum, dampening },
    );
  }
  const variant = momentum.fixed === 0 ? SGD_VARIANT.plain : nesterov ? SGD_VARIANT.nesterov : SGD_VARIANT.momentum;
  return makeOptimizer({
    name: 'optim.sgd',
    op: UPDATE_SGD,
    variant,
    slots: variant === SGD_VARIANT.plain ? [] : ['momentum_buffer'],
    lr,
    hyper(step, lr, out) {
      out[0] = lr;
      out[1] = weightDecay;
      out[2] = momentum(step);
      out[3] = 1 - dampening;
      out[4] = step === 0 ? 1 : 0;
    },
  });
}
