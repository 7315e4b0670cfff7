// lion.ts: Lion (Chen et al. 2023).
import { UPDATE_LION } from '../ops/rules/index.ts';
import { checkNumber, checkOptions, type PerStep } from '../options.ts';
import { checkBetas, makeOptimizer, type Optimizer } from './optimizer.ts';

export interface LionOptions {
  /** Learning rate, a number or a schedule. Default 1e-4. */
  readonly lr?: PerStep;
  /** Weight of the mean in the direction, and decay of the mean. Default [0.9, 0.99]. */
  readonly betas?: readonly [number, number];
  /** Shrinks p by lr * weightDecay in every step. Default 0. */
  readonly weightDecay?: number;
}

/** Lion: steps of one size, in the direction of the sign. Slot `exp_avg`. As the authors' code. Throws OptionError. */
export function lion(options: LionOptions = {}): Optimizer {
  checkOptions('optim.lion', options, ['lr', 'betas', 'weightDecay']);
  const [beta1, beta2] = checkBetas('optim.lion', options.betas, [0.9, 0.99]);
  const weightDecay = checkNumber('optim.lion', 'weightDecay', options.weightDecay ?? 0, { min: 0 });
  return makeOptimizer({
    name: 'optim.lion',
    op: UPDATE_LION,
    variant: 0,
    slots: ['exp_avg'],
    lr: options.lr ?? 1e-4,
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
