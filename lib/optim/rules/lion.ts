// lion.ts: Lion (Chen et al. 2023).
import { updateOp } from '../../ops/update/update.ts';
import { options, optionsOnly, type PerStep } from '../../options/index.ts';
import { ascent, betas, decay, type Maximize, rate } from '../fields.ts';
import { makeOptimizer, type Optimizer } from '../optimizer.ts';

/** Options of `optim.lion`. */
export interface LionOptions extends Maximize {
  /** Learning rate, a number or a schedule. Default 1e-4. */
  readonly lr?: PerStep;
  /** Weight of the mean in the direction, and decay of the mean. Default [0.9, 0.99]. */
  readonly betas?: readonly [number, number];
  /** Shrinks p by lr * weightDecay in every step. Default 0. */
  readonly weightDecay?: number;
}

const readLion = optionsOnly(
  'optim.lion',
  options<LionOptions>()({
    lr: rate.default(1e-4),
    betas: betas.default([0.9, 0.99]),
    weightDecay: decay.default(0),
    maximize: ascent,
  }),
);

/** `decay` is the factor 1 - lr * weight decay. Kernel: rules/lion.h. */
const LION = updateOp({
  name: 'update_lion',
  slots: { lion: ['exp_avg'] },
  hyper: ['lr', 'beta1', 'oneMinusBeta1', 'beta2', 'oneMinusBeta2', 'decay'],
  rows: [
    { lr: 0.1, beta1: 0.9, oneMinusBeta1: 0.1, beta2: 0.99, oneMinusBeta2: 0.01, decay: 0.8 },
    { lr: 0.2, beta1: 0.5, oneMinusBeta1: 0.5, beta2: 0.5, oneMinusBeta2: 0.5, decay: 1 },
  ],
  flops: 10,
  step(_, p, g, slots, h) {
    const m = slots[0]!;
    slots[0] = h.beta2 * m + h.oneMinusBeta2 * g;
    return p * h.decay - h.lr * Math.sign(h.beta1 * m + h.oneMinusBeta1 * g);
  },
});
const { at } = LION;

/**
 * Lion: steps of one size, in the direction of the sign. Slot `exp_avg`.
 * @throws OptionError
 * @see Chen et al. 2023, Symbolic Discovery of Optimization Algorithms
 */
export function lion(options: LionOptions = {}): Optimizer {
  const { lr, betas, weightDecay, maximize } = readLion(arguments);
  const [beta1, beta2] = betas;
  return makeOptimizer({
    maximize,
    name: 'optim.lion',
    op: LION,
    variant: 'lion',
    lr,
    hyper(_, lr, out) {
      out[at.lr] = lr;
      out[at.beta1] = beta1;
      out[at.oneMinusBeta1] = 1 - beta1;
      out[at.beta2] = beta2;
      out[at.oneMinusBeta2] = 1 - beta2;
      out[at.decay] = 1 - lr * weightDecay;
    },
  });
}
