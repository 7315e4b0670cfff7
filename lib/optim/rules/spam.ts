// spam.ts: SPAM, Spike-Aware Adam with Momentum reset (Huang et al. 2025), without its sparse slots.
import { cos, pow } from '../../math/index.ts';
import { updateOp } from '../../ops/update/update.ts';
import { options, optionsOnly, type PerStep, whole } from '../../options/index.ts';
import { ascent, betas, bound, decay, epsilon, type Maximize, rate } from '../fields.ts';
import { SQUARES } from '../limits.ts';
import { makeOptimizer, type Optimizer } from '../optimizer.ts';

/** Options of `optim.spam`. */
export interface SPAMOptions extends Maximize {
  /** Learning rate, a number or a schedule. Default 1e-3. */
  readonly lr?: PerStep;
  /** Decay of the running means of gradients and of their squares. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the second mean. Default 1e-6. */
  readonly eps?: number;
  /** Shrinks p by lr * weightDecay in every step. Default 0. */
  readonly weightDecay?: number;
  /** An element whose square is above threshold times the mean of squares is a spike, and is cut to that. Infinity: none. Default 5000. */
  readonly threshold?: number;
  /** Steps between two resets of both means to 0. Infinity: none. Default 500. */
  readonly resetEvery?: number;
  /** Steps over which the learning rate rises again after a reset, from 0.01 of it along a cosine. Default 150. */
  readonly warmup?: number;
  /** Steps after the start and after each reset in which nothing is cut. Default 20, as in the authors' code. */
  readonly clipAfter?: number;
}

const readSpam = optionsOnly(
  'optim.spam',
  options<SPAMOptions>()({
    lr: rate.default(1e-3),
    betas: betas.default([0.9, 0.999]),
    eps: epsilon.default(1e-6),
    weightDecay: decay.default(0),
    threshold: bound.default(5000),
    resetEvery: whole({ min: 1, infinite: true }).default(500),
    warmup: whole({ min: 0 }).default(150),
    clipAfter: whole({ min: 0 }).default(20),
    maximize: ascent,
  }),
);

/**
 * Elements with g^2 > theta v are cut to sqrt(theta v), where v is not 0; an infinite theta cuts none. `reset` is not 0 in a step that
 * begins with slots of 0. `decay` is the factor 1 - lr * weight decay. Kernel: rules/spam.h.
 */
const SPAM = updateOp({
  name: 'update_spam',
  slots: { spam: ['exp_avg', 'exp_avg_sq'] },
  hyper: ['stepSize', 'oneMinusBeta1', 'beta2', 'oneMinusBeta2', 'inverseRoot', 'eps', 'decay', 'theta', 'reset'],
  rows: [
    {
      stepSize: 0.1,
      oneMinusBeta1: 0.1,
      beta2: 0.9,
      oneMinusBeta2: 0.1,
      inverseRoot: 1.5,
      eps: 0.01,
      decay: 0.8,
      theta: 0.5,
      reset: 0,
    },
    {
      stepSize: 0.1,
      oneMinusBeta1: 0.1,
      beta2: 0.9,
      oneMinusBeta2: 0.1,
      inverseRoot: 1.5,
      eps: 0.01,
      decay: 0.8,
      theta: 0.5,
      reset: 1,
    },
    {
      stepSize: 0.1,
      oneMinusBeta1: 0.6,
      beta2: 0.5,
      oneMinusBeta2: 0.5,
      inverseRoot: 1,
      eps: 0.1,
      decay: 1,
      theta: Number.POSITIVE_INFINITY,
      reset: 0,
    },
  ],
  flops: 20,
  step(_, p, gradient, slots, h) {
    const m = h.reset !== 0 ? 0 : slots[0]!;
    const v = h.reset !== 0 ? 0 : slots[1]!;
    const spike = v > 0 && gradient * gradient > h.theta * v;
    const g = spike ? Math.sign(gradient) * Math.sqrt(h.theta * v) : gradient;
    slots[0] = m + h.oneMinusBeta1 * (g - m);
    slots[1] = h.beta2 * v + h.oneMinusBeta2 * g * g;
    return p * h.decay - (h.stepSize * slots[0]) / (Math.sqrt(slots[1]) * h.inverseRoot + h.eps);
  },
});
const { at } = SPAM;

/**
 * SPAM: Adam that cuts spikes of the gradient and forgets now and then. Slots `exp_avg` and `exp_avg_sq`. The
 * correction of the means' start counts from the last reset. Where the mean of squares is 0 nothing is cut: it would
 * stay 0.
 * @throws OptionError
 * @see Huang et al. 2025, SPAM: Spike-Aware Adam with Momentum Reset for Stable LLM Training
 */
export function spam(options: SPAMOptions = {}): Optimizer {
  const { lr, betas, eps, weightDecay, threshold, resetEvery, warmup, clipAfter, maximize } = readSpam(arguments);
  const [beta1, beta2] = betas;
  const cycle = Math.min(resetEvery, Number.MAX_SAFE_INTEGER);
  return makeOptimizer({
    maximize,
    rowwise: false,
    name: 'optim.spam',
    op: SPAM,
    variant: 'spam',
    eps,
    limit: SQUARES,
    lr,
    hyper(step, lr, out) {
      const since = step % cycle;
      const t = since + 1;
      const warming = step >= cycle && since < warmup;
      const rate = warming ? lr * (1 - 0.495 * (1 + cos((Math.PI * since) / (warmup + 1)))) : lr;
      out[at.stepSize] = rate / (1 - pow(beta1, t));
      out[at.oneMinusBeta1] = 1 - beta1;
      out[at.beta2] = beta2;
      out[at.oneMinusBeta2] = 1 - beta2;
      out[at.inverseRoot] = 1 / Math.sqrt(1 - pow(beta2, t));
      out[at.eps] = eps;
      out[at.decay] = 1 - lr * weightDecay;
      out[at.theta] = since >= clipAfter ? threshold : Number.POSITIVE_INFINITY;
      out[at.reset] = since === 0 ? 1 : 0;
    },
  });
}
