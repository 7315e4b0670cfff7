// acclip.ts: ACClip (Zhang et al. 2020, "Why are adaptive methods good for attention models?").
import { pow } from '../../math/index.ts';
import { updateOp } from '../../ops/update/update.ts';
import { number, options, optionsOnly, type PerStep } from '../../options/index.ts';
import { ascent, betas, decay, epsilon, type Maximize, rate } from '../fields.ts';
import { SQUARES } from '../limits.ts';
import { makeOptimizer, type Optimizer } from '../optimizer.ts';

/** Options of `optim.acclip`. */
export interface ACClipOptions extends Maximize {
  /** Learning rate, a number or a schedule. Default 1e-3. */
  readonly lr?: PerStep;
  /** Decay of the running means of gradients and of their powers. Default [0.9, 0.99]. */
  readonly betas?: readonly [number, number];
  /** Added to abs of the mean. Default 1e-5. */
  readonly eps?: number;
  /** Power of abs whose mean gives the bound, from 1 to 2. Default 2. */
  readonly alpha?: number;
  /** Shrinks p by lr * weightDecay in every step. Default 0. */
  readonly weightDecay?: number;
}

const readAcclip = optionsOnly(
  'optim.acclip',
  options<ACClipOptions>()({
    lr: rate.default(1e-3),
    betas: betas.default([0.9, 0.99]),
    eps: epsilon.default(1e-5),
    alpha: number({ min: 1, max: 2 }).default(2),
    weightDecay: decay.default(0),
    maximize: ascent,
  }),
);

/** ACClip. Variants: alpha is 2, or any number. `decay` is the factor 1 - lr * weight decay. Kernel: rules/acclip.h. */
const ACCLIP = updateOp({
  name: 'update_acclip',
  slots: { squares: ['exp_avg', 'exp_avg_pow'], powers: ['exp_avg', 'exp_avg_pow'] },
  hyper: ['lr', 'oneMinusBeta1', 'beta2', 'oneMinusBeta2', 'eps', 'alpha', 'inverseAlpha', 'decay'],
  rows: [
    { lr: 0.1, oneMinusBeta1: 0.1, beta2: 0.9, oneMinusBeta2: 0.1, eps: 0.01, alpha: 2, inverseAlpha: 0.5, decay: 0.8 },
    { lr: 0.2, oneMinusBeta1: 0.6, beta2: 0.5, oneMinusBeta2: 0.5, eps: 0.1, alpha: 2, inverseAlpha: 0.5, decay: 1 },
  ],
  flops: 20,
  step(variant, p, g, slots, h) {
    const [alpha, inverse] = variant === 'squares' ? [2, 0.5] : [h.alpha, h.inverseAlpha];
    const m = slots[0]! + h.oneMinusBeta1 * (g - slots[0]!);
    const power = h.beta2 * slots[1]! + h.oneMinusBeta2 * pow(Math.abs(g), alpha);
    slots[0] = m;
    slots[1] = power;
    return p * h.decay - h.lr * Math.min(pow(power, inverse) / (Math.abs(m) + h.eps), 1) * m;
  },
});
const { at } = ACCLIP;

/**
 * ACClip: momentum whose elements are clipped to what such elements have been. Slots `exp_avg` and `exp_avg_pow`.
 * @throws OptionError
 * @see Zhang et al. 2020, Why Are Adaptive Methods Good for Attention Models?
 */
export function acclip(options: ACClipOptions = {}): Optimizer {
  const { lr, betas, eps, alpha, weightDecay, maximize } = readAcclip(arguments);
  const [beta1, beta2] = betas;
  return makeOptimizer({
    maximize,
    rowwise: false,
    name: 'optim.acclip',
    op: ACCLIP,
    variant: alpha === 2 ? 'squares' : 'powers',
    limit: SQUARES,
    lr,
    hyper(_, lr, out) {
      out[at.lr] = lr;
      out[at.oneMinusBeta1] = 1 - beta1;
      out[at.beta2] = beta2;
      out[at.oneMinusBeta2] = 1 - beta2;
      out[at.eps] = eps;
      out[at.alpha] = alpha;
      out[at.inverseAlpha] = 1 / alpha;
      out[at.decay] = 1 - lr * weightDecay;
    },
  });
}
