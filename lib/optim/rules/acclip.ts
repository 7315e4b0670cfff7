// acclip.ts: ACClip (Zhang et al. 2020, "Why are adaptive methods good for attention models?").
import { ACCLIP_VARIANT, UPDATE_ACCLIP } from '../../ops/rules/index.ts';
import { number, options, optionsOnly, type PerStep } from '../../options/index.ts';
import { betas, decay, epsilon, rate } from '../fields.ts';
import { SQUARES } from '../limits.ts';
import { makeOptimizer, type Optimizer } from '../optimizer.ts';

/** Options of `optim.acclip`. */
export interface ACClipOptions {
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
  }),
);

/**
 * ACClip: momentum whose elements are clipped to what such elements have been. Slots `exp_avg` and `exp_avg_pow`.
 * @throws OptionError
 * @see Zhang et al. 2020, Why Are Adaptive Methods Good for Attention Models?
 */
export function acclip(options: ACClipOptions = {}): Optimizer {
  const { lr, betas, eps, alpha, weightDecay } = readAcclip(arguments);
  const [beta1, beta2] = betas;
  return makeOptimizer({
    rowwise: false,
    name: 'optim.acclip',
    op: UPDATE_ACCLIP,
    variant: alpha === 2 ? ACCLIP_VARIANT.squares : ACCLIP_VARIANT.powers,
    slots: ['exp_avg', 'exp_avg_pow'],
    limit: SQUARES,
    lr,
    hyper(_, lr, out) {
      out[0] = lr;
      out[1] = 1 - beta1;
      out[2] = beta2;
      out[3] = 1 - beta2;
      out[4] = eps;
      out[5] = alpha;
      out[6] = 1 / alpha;
      out[7] = 1 - lr * weightDecay;
    },
  });
}
