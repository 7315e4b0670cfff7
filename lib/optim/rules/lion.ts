// lion.ts: Lion (Chen et al. 2023).
import { UPDATE_LION } from '../../ops/rules/index.ts';
import { options, optionsOnly, type PerStep } from '../../options/index.ts';
import { betas, decay, rate } from '../fields.ts';
import { makeOptimizer, type Optimizer } from '../optimizer.ts';

/** Options of `optim.lion`. */
export interface LionOptions {
  /** Learning rate, a number or a schedule. Default 1e-4. */
  readonly lr?: PerStep;
  /** Weight of the mean in the direction, and decay of the mean. Default [0.9, 0.99]. */
  readonly betas?: readonly [number, number];
  /** Shrinks p by lr * weightDecay in every step. Default 0. */
  readonly weightDecay?: number;
}

const readLion = optionsOnly(
  'optim.lion',
  options<LionOptions>()({ lr: rate.default(1e-4), betas: betas.default([0.9, 0.99]), weightDecay: decay.default(0) }),
);

/**
 * Lion: steps of one size, in the direction of the sign. Slot `exp_avg`.
 * @throws OptionError
 * @see Chen et al. 2023, Symbolic Discovery of Optimization Algorithms
 */
export function lion(options: LionOptions = {}): Optimizer {
  const { lr, betas, weightDecay } = readLion(arguments);
  const [beta1, beta2] = betas;
  return makeOptimizer({
    name: 'optim.lion',
    op: UPDATE_LION,
    variant: 0,
    slots: ['exp_avg'],
    lr,
    hyper(_, lr, out) {
      out[0] = lr;
      out[1] = beta1;
      out[2] = 1 - beta1;
      out[3] = beta2;
      out[4] = 1 - beta2;
      out[5] = 1 - lr * weightDecay;
    },
  });
}
