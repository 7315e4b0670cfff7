// asgd.ts: averaged stochastic gradient descent (Polyak and Juditsky 1992).
import { pow } from '../../math/index.ts';
import { updateOp } from '../../ops/update/update.ts';
import { number, options, optionsOnly, type PerStep } from '../../options/index.ts';
import { ascent, decay, type Maximize, rate } from '../fields.ts';
import { makeOptimizer, type Optimizer } from '../optimizer.ts';

/** Options of `optim.asgd`. */
export interface ASGDOptions extends Maximize {
  /** Learning rate of the first step, a number or a schedule; step t takes lr / (1 + lambd lr (t - 1))^alpha. Default 1e-2. */
  readonly lr?: PerStep;
  /** Shrinks p by lambd times the rate of the step, and lets the rate fall. Default 1e-4. */
  readonly lambd?: number;
  /** How fast the rate falls. Default 0.75. */
  readonly alpha?: number;
  /** Steps before the average begins; until then it is the parameter. Default 1e6. */
  readonly t0?: number;
  /** Added to the gradient as weightDecay * p, after clipping. Default 0. */
  readonly weightDecay?: number;
}

const readAsgd = optionsOnly(
  'optim.asgd',
  options<ASGDOptions>()({
    lr: rate.default(1e-2),
    lambd: number({ min: 0 }).default(1e-4),
    alpha: number({ min: 0 }).default(0.75),
    t0: number({ min: 0 }).default(1e6),
    weightDecay: decay.default(0),
    maximize: ascent,
  }),
);

/** `eta` is the rate, `shrink` the factor 1 - lambd * eta, `mu` how much of the new parameter enters the average. Kernel: rules/asgd.h. */
const ASGD = updateOp({
  name: 'update_asgd',
  slots: { asgd: ['ax'] },
  hyper: ['eta', 'weightDecay', 'shrink', 'mu'],
  rows: [
    { eta: 0.1, weightDecay: 0.3, shrink: 0.9, mu: 1 },
    { eta: 0.3, weightDecay: 0, shrink: 1, mu: 0.25 },
    { eta: 0.2, weightDecay: 0.1, shrink: 0.5, mu: 0.75 },
  ],
  flops: 8,
  step(_, parameter, gradient, slots, h) {
    const p = parameter * h.shrink - h.eta * (gradient + h.weightDecay * parameter);
    slots[0]! += h.mu * (p - slots[0]!);
    return p;
  },
});
const { at } = ASGD;

/**
 * Averaged stochastic gradient descent: steps that become smaller, and from step `t0` on the mean of all parameters
 * so far, in slot `ax`. Nothing reads that mean, as in PyTorch: option `ema: { decay: 'mean', start }` of a trainer
 * keeps one that is evaluated and saved.
 * @throws OptionError
 * @see torch.optim.ASGD
 */
export function asgd(options: ASGDOptions = {}): Optimizer {
  const { lr, lambd, alpha, t0, weightDecay, maximize } = readAsgd(arguments);
  return makeOptimizer({
    maximize,
    rowwise: false,
    name: 'optim.asgd',
    op: ASGD,
    variant: 'asgd',
    momentum: 0,
    lr,
    hyper(step, lr, out) {
      const eta = lr / pow(1 + lambd * lr * step, alpha);
      out[at.eta] = eta;
      out[at.weightDecay] = weightDecay;
      out[at.shrink] = 1 - lambd * eta;
      out[at.mu] = 1 / Math.max(1, step - t0);
    },
  });
}
