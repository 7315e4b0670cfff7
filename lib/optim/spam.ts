// spam.ts: SPAM, Spike-Aware Adam with Momentum reset (Huang et al. 2025), without its sparse slots.
import { cos, pow } from '../math/index.ts';
import { UPDATE_SPAM } from '../ops/rules/index.ts';
import { checkNumber, checkOptions, type PerStep } from '../options.ts';
import { SQUARES } from './limits.ts';
import { checkBetas, makeOptimizer, type Optimizer } from './optimizer.ts';

export interface SPAMOptions {
  /** Learning rate, a number or a schedule. Default 1e-3. */
  readonly lr?: PerStep;
  /** Decay of the running means of gradients and of their squares. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the second mean. Default 1e-6. */
  readonly eps?: number;
  /** Shrinks p by lr * weightDecay in every step. Default 0. */
  readonly weightDecay?: number;
  /** An element whose square is above theta times the mean of squares is a spike, and is cut to that. Infinity: none. Default 5000. */
  readonly theta?: number;
  /** Steps between two resets of both means to 0. Infinity: none. Default 500. */
  readonly resetEvery?: number;
  /** Steps over which the learning rate rises again after a reset, from 0.01 of it along a cosine. Default 150. */
  readonly warmup?: number;
  /** Steps after the start and after each reset in which nothing is cut. Default 20, as in the authors' code. */
  readonly clipAfter?: number;
}

/**
 * SPAM: Adam that cuts spikes of the gradient and forgets now and then. Slots `exp_avg` and `exp_avg_sq`. The correction of the means'
 * start counts from the last reset. Where the mean of squares is 0 nothing is cut: it would stay 0. Throws OptionError.
 */
export function spam(options: SPAMOptions = {}): Optimizer {
  checkOptions('optim.spam', options, ['lr', 'betas', 'eps', 'weightDecay', 'theta', 'resetEvery', 'warmup', 'clipAfter']);
  const [beta1, beta2] = checkBetas('optim.spam', options.betas, [0.9, 0.999]);
  const eps = checkNumber('optim.spam', 'eps', options.eps ?? 1e-6, { min: 0 });
  const weightDecay = checkNumber('optim.spam', 'weightDecay', options.weightDecay ?? 0, { min: 0 });
  const theta = checkNumber('optim.spam', 'theta', options.theta ?? 5000, { above: 0, infinite: true });
  const warmup = checkNumber('optim.spam', 'warmup', options.warmup ?? 150, { min: 0, integer: true });
  const clipAfter = checkNumber('optim.spam', 'clipAfter', options.clipAfter ?? 20, { min: 0, integer: true });
  const every = options.resetEvery ?? 500;
  const resets = every !== Number.POSITIVE_INFINITY;
  const cycle = resets ? checkNumber('optim.spam', 'resetEvery', every, { min: 1, integer: true }) : Number.MAX_SAFE_INTEGER;
  return makeOptimizer({
    rowwise: false,
    name: 'optim.spam',
    op: UPDATE_SPAM,
    variant: 0,
    slots: ['exp_avg', 'exp_avg_sq'],
    eps,
    limit: SQUARES,
    lr: options.lr ?? 1e-3,
    hyper(step, lr, out) {
      const since = step % cycle;
      const t = since + 1;
      const warming = step >= cycle && since < warmup;
      const rate = warming ? lr * (1 - 0.495 * (1 + cos((Math.PI * since) / (warmup + 1)))) : lr;
      out[0] = rate / (1 - pow(beta1, t));
      out[1] = 1 - beta1;
      out[2] = beta2;
      out[3] = 1 - beta2;
      out[4] = 1 / Math.sqrt(1 - pow(beta2, t));
      out[5] = eps;
      out[6] = 1 - lr * weightDecay;
      out[7] = since >= clipAfter ? theta : Number.POSITIVE_INFINITY;
      out[8] = since === 0 ? 1 : 0;
    },
  });
}
