// adadelta.ts: Adadelta (Zeiler 2012).
import { UPDATE_ADADELTA } from '../../ops/rules/index.ts';
import { number, options, optionsOnly, type PerStep } from '../../options/index.ts';
import { decay, epsilon, rate } from '../fields.ts';
import { SQUARES } from '../limits.ts';
import { makeOptimizer, type Optimizer } from '../optimizer.ts';

/** Options of `optim.adadelta`. */
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

const readAdadelta = optionsOnly(
  'optim.adadelta',
  options<AdadeltaOptions>()({
    lr: rate.default(1),
    rho: number({ min: 0, max: 1 }).default(0.9),
    eps: epsilon.default(1e-6),
    weightDecay: decay.default(0),
  }),
);

/**
 * Adadelta (Zeiler 2012): steps as large as earlier ones, by running means of squares. Slots `square_avg` and
 * `acc_delta`.
 * @throws OptionError
 * @see torch.optim.Adadelta
 */
export function adadelta(options: AdadeltaOptions = {}): Optimizer {
  const { lr, rho, eps, weightDecay } = readAdadelta(arguments);
  return makeOptimizer({
    name: 'optim.adadelta',
    op: UPDATE_ADADELTA,
    variant: 0,
    slots: ['square_avg', 'acc_delta'],
    limit: SQUARES,
    lr,
    hyper(_, lr, out) {
      out[0] = lr;
      out[1] = rho;
      out[2] = 1 - rho;
      out[3] = eps;
      out[4] = weightDecay;
    },
  });
}
