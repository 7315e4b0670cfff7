// lamb.ts: LAMB (You et al. 2020).
import { pow } from '../math/index.ts';
import { div, less, maximum, minimum, mul, sqrt, where } from '../ops/elementwise.ts';
import { UPDATE_LAMB } from '../ops/rules/index.ts';
import { update } from '../ops/update.ts';
import { checkNumber, checkOptions, type PerStep } from '../options.ts';
import { SQUARES } from './limits.ts';
import { checkBetas, defineOptimizer, descend, measuredOf, type Optimizer, turned } from './optimizer.ts';

export interface LAMBOptions {
  /** Learning rate, a number or a schedule. Default 1e-3. */
  readonly lr?: PerStep;
  /** Decay of the running means of gradients and of their squares. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the second mean. Default 1e-6. */
  readonly eps?: number;
  /** Added to the direction as weightDecay * p, before its norm is taken. Default 0.01. */
  readonly weightDecay?: number;
  /** The norm of a parameter counts as at least and at most this in the trust ratio (the paper's phi). Default [0, Infinity]. */
  readonly normBounds?: readonly [number, number];
}

/**
 * LAMB: the step of each tensor is lr times its norm, in Adam's direction. The trust ratio |p| / |direction| is 1 where either is 0.
 * Slots `exp_avg` and `exp_avg_sq`. As optax.lamb, and the paper's second version with its corrections of the start. Throws OptionError.
 */
export function lamb(options: LAMBOptions = {}): Optimizer {
  checkOptions('optim.lamb', options, ['lr', 'betas', 'eps', 'weightDecay', 'normBounds']);
  const [beta1, beta2] = checkBetas('optim.lamb', options.betas, [0.9, 0.999]);
  const eps = checkNumber('optim.lamb', 'eps', options.eps ?? 1e-6, { min: 0 });
  const weightDecay = checkNumber('optim.lamb', 'weightDecay', options.weightDecay ?? 0.01, { min: 0 });
  const { normBounds: [lower, upper] = [0, Number.POSITIVE_INFINITY] } = options;
  checkNumber('optim.lamb', 'normBounds[0]', lower, { min: 0 });
  checkNumber('optim.lamb', 'normBounds[1]', upper, { min: lower, infinite: true });
  return defineOptimizer({
    name: 'optim.lamb',
    eps,
    slots: (type) => ['exp_avg', 'exp_avg_sq'].map((name) => ({ name, type })),
    limit: SQUARES,
    lr: options.lr ?? 1e-3,
    build(group) {
      const hyper = group.column('', 7, (step, _, out) => {
        out[0] = 1 / (1 - pow(beta1, step + 1));
        out[1] = 1 - beta1;
        out[2] = beta2;
        out[3] = 1 - beta2;
        out[4] = 1 / Math.sqrt(1 - pow(beta2, step + 1));
        out[5] = eps;
        out[6] = weightDecay;
      });
      const made = update(UPDATE_LAMB, 0, { ...group, slots: turned(group.slots), hyper, finish: null });
      const [direction, parameter] = made.sums.map((x) => sqrt(x));
      const norm = minimum(maximum(parameter!, lower), upper);
      const ratio = where(mul(less(0, parameter!), less(0, direction!)), div(norm, direction!), 1);
      const params = descend(group, made.params, ratio, 'scaled', (_, lr, out) => {
        out[0] = lr;
        out[1] = 0;
      });
      return { params, slots: turned(made.slots), measured: measuredOf(made) };
    },
  });
}
