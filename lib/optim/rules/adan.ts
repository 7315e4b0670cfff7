// adan.ts: Adan (Xie et al. 2022).
import { pow } from '../../math/index.ts';
import { updateOp } from '../../ops/update/update.ts';
import { bool, options, optionsOnly, type PerStep, triple } from '../../options/index.ts';
import { ascent, decay, epsilon, type Maximize, momentum, rate } from '../fields.ts';
import { SQUARES } from '../limits.ts';
import { makeOptimizer, type Optimizer } from '../optimizer.ts';

/** Options of `optim.adan`. */
export interface AdanOptions extends Maximize {
  /** Learning rate, a number or a schedule. Default 1e-3. */
  readonly lr?: PerStep;
  /** Decay of the running means of gradients, of their differences, and of squares: 1 minus those of the paper. Default [0.98, 0.92, 0.99]. */
  readonly betas?: readonly [number, number, number];
  /** Added to the root of the mean of squares. Default 1e-8. */
  readonly eps?: number;
  /** Divides p by 1 + lr * weightDecay after the step; or shrinks it by lr * weightDecay before, with `noProx`. Default 0. */
  readonly weightDecay?: number;
  /** Decay weights before the step, as AdamW does, rather than by the paper's proximal step. Default false. */
  readonly noProx?: boolean;
}

const readAdan = optionsOnly(
  'optim.adan',
  options<AdanOptions>()({
    lr: rate.default(1e-3),
    betas: triple(momentum).default([0.98, 0.92, 0.99]),
    eps: epsilon.default(1e-8),
    weightDecay: decay.default(0),
    noProx: bool.default(false),
    maximize: ascent,
  }),
);

const SLOTS = ['exp_avg', 'exp_avg_diff', 'exp_avg_sq', 'pre_grad'] as const;

/**
 * `ofDiff` is the rate of the mean of differences, corrected for its start; `first` is not 0 in the first step, which has no difference.
 * Variants: weights decay after the step, or before it; `decay` is the factor. Kernel: rules/adan.h.
 */
const ADAN = updateOp({
  name: 'update_adan',
  slots: { proximal: SLOTS, decoupled: SLOTS },
  hyper: [
    ...(['stepSize', 'ofDiff', 'oneMinusBeta1', 'beta2', 'oneMinusBeta2'] as const),
    ...(['beta3', 'oneMinusBeta3', 'inverseRoot', 'eps', 'decay', 'first'] as const),
  ],
  rows: [
    {
      ...{ stepSize: 0.1, ofDiff: 0.05, oneMinusBeta1: 0.1, beta2: 0.8, oneMinusBeta2: 0.2, beta3: 0.9, oneMinusBeta3: 0.1 },
      ...{ inverseRoot: 1.5, eps: 0.01, decay: 0.8, first: 0 },
    },
    {
      ...{ stepSize: 0.2, ofDiff: 0.3, oneMinusBeta1: 0.6, beta2: 0.3, oneMinusBeta2: 0.7, beta3: 0.5, oneMinusBeta3: 0.5 },
      ...{ inverseRoot: 1, eps: 0.1, decay: 1, first: 1 },
    },
  ],
  flops: 22,
  step(variant, parameter, g, slots, h) {
    const diff = h.first !== 0 ? 0 : g - slots[3]!;
    const m = slots[0]! + h.oneMinusBeta1 * (g - slots[0]!);
    const d = slots[1]! + h.oneMinusBeta2 * (diff - slots[1]!);
    const ahead = g + h.beta2 * diff;
    const v = h.beta3 * slots[2]! + h.oneMinusBeta3 * ahead * ahead;
    slots[0] = m;
    slots[1] = d;
    slots[2] = v;
    slots[3] = g;
    const by = (h.stepSize * m + h.ofDiff * d) / (Math.sqrt(v) * h.inverseRoot + h.eps);
    return variant === 'decoupled' ? parameter * h.decay - by : (parameter - by) * h.decay;
  },
});
const { at } = ADAN;

/**
 * Adan: Adam with Nesterov's momentum by the differences of gradients that follow each other. Slots `exp_avg`,
 * `exp_avg_diff`, `exp_avg_sq` and `pre_grad`, the last gradient.
 * @throws OptionError
 * @see Xie et al. 2022, Adan: Adaptive Nesterov Momentum Algorithm for Faster Optimizing Deep Models
 */
export function adan(options: AdanOptions = {}): Optimizer {
  const { lr, betas, eps, weightDecay, noProx, maximize } = readAdan(arguments);
  const [beta1, beta2, beta3] = betas;
  return makeOptimizer({
    maximize,
    rowwise: false,
    name: 'optim.adan',
    op: ADAN,
    variant: noProx ? 'decoupled' : 'proximal',
    eps,
    limit: SQUARES / 4, // what is squared is up to three times as long
    lr,
    hyper(step, lr, out) {
      const t = step + 1;
      out[at.stepSize] = lr / (1 - pow(beta1, t));
      out[at.ofDiff] = (lr * beta2) / (1 - pow(beta2, t));
      out[at.oneMinusBeta1] = 1 - beta1;
      out[at.beta2] = beta2;
      out[at.oneMinusBeta2] = 1 - beta2;
      out[at.beta3] = beta3;
      out[at.oneMinusBeta3] = 1 - beta3;
      out[at.inverseRoot] = 1 / Math.sqrt(1 - pow(beta3, t));
      out[at.eps] = eps;
      out[at.decay] = noProx ? 1 - lr * weightDecay : 1 / (1 + lr * weightDecay);
      out[at.first] = step === 0 ? 1 : 0;
    },
  });
}
