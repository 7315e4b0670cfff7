// adadelta.ts: Adadelta (Zeiler 2012).
import { UPDATE_ADADELTA } from '../ops/rules/index.ts';
import { checkNumber, checkOptions, type PerStep } from '../options.ts';
import { SQUARES } from './limits.ts';
import { makeOptimizer, type Optimizer } from './optimizer.ts';

export interface AdadeltaOptions {
  /** Learning rate, a number or a schedule. Default 1. */
  readonly lr?: PerStep;
  /** Decay of the running means of squares. Default 0.9. */
  readonly rho?: number;
  /** Added to both means, below the roots. Default 1e-6. */
  readonly eps?: number;
  /** Added to the gradient as weightDecay * p, after clipping. Default 0. */
  readonly weightDecay?: number;
}

/** Adadelta. Slots `square_avg` and `acc_delta`. As torch.optim.Adadelta. Throws OptionError. */
export function adadelta(options: AdadeltaOptions = {}): Optimizer {
  checkOptions('optim.adadelta', options, ['lr', 'rho', 'eps', 'weightDecay']);
  const rho = checkNumber('optim.adadelta', 'rho', options.rho ?? 0.9, { min: 0, max: 1 });
  const eps = checkNumber('optim.adadelta', 'eps', options.eps ?? 1e-6, { min: 0 });
  const weightDecay = checkNumber('optim.adadelta', 'weightDecay', options.weightDecay ?? 0, { min: 0 });
  return makeOptimizer({
    name: 'optim.adadelta',
    op: UPDATE_ADADELTA,
    variant: 0,
    slots: ['square_avg', 'acc_delta'],
    limit: SQUARES,
    lr: options.lr ?? 1,
    hyper(_, lr, out) {
      out[0] = lr;
      out[1] = rho;
      out[2] = 1 - rho;
      out[3] = eps;
      out[4] = weightDecay;
    },
  });
}
