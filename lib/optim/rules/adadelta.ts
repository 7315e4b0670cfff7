// adadelta.ts: Adadelta (Zeiler 2012).
import { updateOp } from '../../ops/update/update.ts';
import { number, options, optionsOnly, type PerStep } from '../../options/index.ts';
import { ascent, decay, epsilon, type Maximize, rate } from '../fields.ts';
import { SQUARES } from '../limits.ts';
import { makeOptimizer, type Optimizer } from '../optimizer.ts';

/** Options of `optim.adadelta`. */
export interface AdadeltaOptions extends Maximize {
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
    maximize: ascent,
  }),
);

/** Slots: the mean of squares of the gradients, and of the steps. Kernel: rules/adadelta.h. */
const ADADELTA = updateOp({
  name: 'update_adadelta',
  slots: { adadelta: ['square_avg', 'acc_delta'] },
  hyper: ['lr', 'rho', 'oneMinusRho', 'eps', 'decay'],
  rows: [
    { lr: 0.5, rho: 0.9, oneMinusRho: 0.1, eps: 0.01, decay: 0.3 },
    { lr: 1, rho: 0.5, oneMinusRho: 0.5, eps: 0.1, decay: 0 },
  ],
  flops: 16,
  step(_, p, gradient, slots, h) {
    const g = gradient + h.decay * p;
    const v = h.rho * slots[0]! + h.oneMinusRho * g * g;
    const delta = (Math.sqrt(slots[1]! + h.eps) / Math.sqrt(v + h.eps)) * g;
    slots[0] = v;
    slots[1] = h.rho * slots[1]! + h.oneMinusRho * delta * delta;
    return p - h.lr * delta;
  },
});
const { at } = ADADELTA;

/**
 * Adadelta (Zeiler 2012): steps as large as earlier ones, by running means of squares. Slots `square_avg` and
 * `acc_delta`.
 * @throws OptionError
 * @see torch.optim.Adadelta
 */
export function adadelta(options: AdadeltaOptions = {}): Optimizer {
  const { lr, rho, eps, weightDecay, maximize } = readAdadelta(arguments);
  return makeOptimizer({
    maximize,
    name: 'optim.adadelta',
    op: ADADELTA,
    variant: 'adadelta',
    limit: SQUARES,
    lr,
    hyper(_, lr, out) {
      out[at.lr] = lr;
      out[at.rho] = rho;
      out[at.oneMinusRho] = 1 - rho;
      out[at.eps] = eps;
      out[at.decay] = weightDecay;
    },
  });
}
