// adagrad.ts: Adagrad (Duchi, Hazan and Singer 2011).
import { UPDATE_ADAGRAD } from '../ops/rules/index.ts';
import { checkNumber, checkOptions, type PerStep } from '../options.ts';
import { SQUARES } from './limits.ts';
import { makeOptimizer, type Optimizer } from './optimizer.ts';

export interface AdagradOptions {
  /** Learning rate, a number or a schedule. Default 1e-2. */
  readonly lr?: PerStep;
  /** The learning rate is divided by 1 + step * lrDecay. Default 0. */
  readonly lrDecay?: number;
  /** Added to the root of the sum. Default 1e-10. */
  readonly eps?: number;
  /** Added to the gradient as weightDecay * p, after clipping. Default 0. */
  readonly weightDecay?: number;
  /** First value of the sum. Default 0. */
  readonly initialAccumulator?: number;
}

/** Adagrad. Slot `sum`. As torch.optim.Adagrad. Throws OptionError. */
export function adagrad(options: AdagradOptions = {}): Optimizer {
  checkOptions('optim.adagrad', options, ['lr', 'lrDecay', 'eps', 'weightDecay', 'initialAccumulator']);
  const lrDecay = checkNumber('optim.adagrad', 'lrDecay', options.lrDecay ?? 0, { min: 0 });
  const eps = checkNumber('optim.adagrad', 'eps', options.eps ?? 1e-10, { min: 0 });
  const weightDecay = checkNumber('optim.adagrad', 'weightDecay', options.weightDecay ?? 0, { min: 0 });
  const initialAccumulator = checkNumber('optim.adagrad', 'initialAccumulator', options.initialAccumulator ?? 0, { min: 0 });
  return makeOptimizer({
    name: 'optim.adagrad',
    op: UPDATE_ADAGRAD,
    variant: 0,
    slots: [{ name: 'sum', init: initialAccumulator }],
    eps,
    limit: SQUARES,
    lr: options.lr ?? 1e-2,
    hyper(step, lr, out) {
      out[0] = lr / (1 + step * lrDecay);
      out[1] = eps;
      out[2] = weightDecay;
    },
  });
}
