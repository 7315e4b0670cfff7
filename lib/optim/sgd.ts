// sgd.ts: stochastic gradient descent, with momentum as PyTorch has it.
import { OptionError } from '../errors.ts';
import { SGD_VARIANT, UPDATE_SGD } from '../ops/rules/index.ts';
import { checkBoolean, checkNumber, checkOptions, checkPerStep, type PerStep, show } from '../options.ts';
import { makeOptimizer, type Optimizer } from './optimizer.ts';

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

/** SGD. Slot `momentum_buffer`, if there is momentum. As torch.optim.SGD. Throws OptionError. */
export function sgd(options: SGDOptions = {}): Optimizer {
  checkOptions('optim.sgd', options, ['lr', 'momentum', 'dampening', 'weightDecay', 'nesterov']);
  const { momentum = 0 } = options;
  const momentumAt = checkPerStep('optim.sgd', 'momentum', momentum, { min: 0 });
  const dampening = checkNumber('optim.sgd', 'dampening', options.dampening ?? 0);
  const weightDecay = checkNumber('optim.sgd', 'weightDecay', options.weightDecay ?? 0, { min: 0 });
  const nesterov = checkBoolean('optim.sgd', 'nesterov', options.nesterov ?? false);
  if (nesterov && (momentum === 0 || dampening !== 0)) {
    throw new OptionError(
      `optim.sgd: option nesterov: expected momentum > 0 and dampening 0, got momentum ${show(momentum)} and dampening ${dampening}`,
      { momentum, dampening },
    );
  }
  const variant = momentum === 0 ? SGD_VARIANT.plain : nesterov ? SGD_VARIANT.nesterov : SGD_VARIANT.momentum;
  return makeOptimizer({
    name: 'optim.sgd',
    op: UPDATE_SGD,
    variant,
    slots: variant === SGD_VARIANT.plain ? [] : ['momentum_buffer'],
    lr: options.lr ?? 1e-3,
    hyper(step, lr, out) {
      out[0] = lr;
      out[1] = weightDecay;
      out[2] = momentumAt(step);
      out[3] = 1 - dampening;
      out[4] = step === 0 ? 1 : 0;
    },
  });
}
