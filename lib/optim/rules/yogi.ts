// yogi.ts: Yogi (Zaheer et al. 2018).
import { pow } from '../../math/index.ts';
import { updateOp } from '../../ops/update/update.ts';
import { bool, options, optionsOnly, type PerStep } from '../../options/index.ts';
import { ascent, betas, decay, epsilon, type Maximize, rate } from '../fields.ts';
import { SQUARES } from '../limits.ts';
import { makeOptimizer, type Optimizer } from '../optimizer.ts';

/** Options of `optim.yogi`. */
export interface YogiOptions extends Maximize {
  /** Learning rate, a number or a schedule. Default 1e-2. */
  readonly lr?: PerStep;
  /** Decay of the running mean of gradients, and how little of a square enters the second moment. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the second moment. Default 1e-3. */
  readonly eps?: number;
  /** What mean and second moment begin with. Default 1e-6. */
  readonly initialAccumulatorValue?: number;
  /** Weight decay: decoupled, p shrinks by lr * weightDecay; or added to the gradient as weightDecay * p, after clipping. Default 0. */
  readonly weightDecay?: number;
  /** Shrink p by lr * weightDecay, rather than add weightDecay * p to the gradient. Default true. */
  readonly decoupledWeightDecay?: boolean;
}

const readYogi = optionsOnly(
  'optim.yogi',
  options<YogiOptions>()({
    lr: rate.default(1e-2),
    betas: betas.default([0.9, 0.999]),
    eps: epsilon.default(1e-3),
    initialAccumulatorValue: epsilon.default(1e-6),
    weightDecay: decay.default(0),
    decoupledWeightDecay: bool.default(true),
    maximize: ascent,
  }),
);

/** Variants: weight decay as a term of the gradient, or decoupled (then `decay` is a factor). Kernel: rules/yogi.h. */
const YOGI = updateOp({
  name: 'update_yogi',
  slots: { l2: ['exp_avg', 'exp_avg_sq'], decoupled: ['exp_avg', 'exp_avg_sq'] },
  hyper: ['stepSize', 'oneMinusBeta1', 'oneMinusBeta2', 'inverseRoot', 'eps', 'decay'],
  rows: [
    { stepSize: 0.1, oneMinusBeta1: 0.1, oneMinusBeta2: 0.1, inverseRoot: 1.5, eps: 0.01, decay: 0.8 },
    { stepSize: 0.2, oneMinusBeta1: 0.6, oneMinusBeta2: 0.5, inverseRoot: 1, eps: 0.1, decay: 0 },
  ],
  flops: 16,
  step(variant, parameter, gradient, slots, h) {
    const decoupled = variant === 'decoupled';
    const g = decoupled ? gradient : gradient + h.decay * parameter;
    const p = decoupled ? parameter * h.decay : parameter;
    const m = slots[0]! + h.oneMinusBeta1 * (g - slots[0]!);
    const v = slots[1]! - h.oneMinusBeta2 * Math.sign(slots[1]! - g * g) * g * g;
    slots[0] = m;
    slots[1] = v;
    return p - (h.stepSize * m) / (Math.sqrt(v) * h.inverseRoot + h.eps);
  },
});
const { at } = YOGI;

/**
 * Yogi: Adam whose second moment moves by a part of the new square, not of its distance to it: after large gradients
 * it falls slowly, and the rate rises slowly. Slots `exp_avg` and `exp_avg_sq`.
 * @throws OptionError
 * @see Zaheer et al. 2018, Adaptive Methods for Nonconvex Optimization
 * @see optax.yogi
 */
export function yogi(options: YogiOptions = {}): Optimizer {
  const {
    lr,
    betas,
    eps,
    initialAccumulatorValue: initial,
    weightDecay,
    decoupledWeightDecay: decoupled,
    maximize,
  } = readYogi(arguments);
  const [beta1, beta2] = betas;
  return makeOptimizer({
    maximize,
    name: 'optim.yogi',
    op: YOGI,
    variant: decoupled ? 'decoupled' : 'l2',
    init: { exp_avg: initial, exp_avg_sq: initial },
    eps,
    limit: SQUARES,
    lr,
    hyper(step, lr, out) {
      const t = step + 1;
      out[at.stepSize] = lr / (1 - pow(beta1, t));
      out[at.oneMinusBeta1] = 1 - beta1;
      out[at.oneMinusBeta2] = 1 - beta2;
      out[at.inverseRoot] = 1 / Math.sqrt(1 - pow(beta2, t));
      out[at.eps] = eps;
      out[at.decay] = decoupled ? 1 - lr * weightDecay : weightDecay;
    },
  });
}
