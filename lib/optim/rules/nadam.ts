// nadam.ts: NAdam (Dozat 2016).
import { pow } from '../../math/index.ts';
import { updateOp } from '../../ops/update/update.ts';
import { bool, number, options, optionsOnly, type PerStep } from '../../options/index.ts';
import { ascent, betas, decay, epsilon, type Maximize, rate } from '../fields.ts';
import { SQUARES } from '../limits.ts';
import { makeOptimizer, type Optimizer } from '../optimizer.ts';

/** Options of `optim.nadam`. */
export interface NAdamOptions extends Maximize {
  /** Learning rate, a number or a schedule. Default 2e-3. */
  readonly lr?: PerStep;
  /** Decay of the running means of gradients and of their squares. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the second mean. Default 1e-8. */
  readonly eps?: number;
  /** Weight decay: added to the gradient as weightDecay * p, after clipping; or decoupled, p shrinks by lr * weightDecay. Default 0. */
  readonly weightDecay?: number;
  /** Shrink p by lr * weightDecay, rather than add weightDecay * p to the gradient. Default false. */
  readonly decoupledWeightDecay?: boolean;
  /** How fast the momentum rises from half of betas[0] to all of it. Default 4e-3. */
  readonly momentumDecay?: number;
}

const readNadam = optionsOnly(
  'optim.nadam',
  options<NAdamOptions>()({
    lr: rate.default(2e-3),
    betas: betas.default([0.9, 0.999]),
    eps: epsilon.default(1e-8),
    weightDecay: decay.default(0),
    decoupledWeightDecay: bool.default(false),
    momentumDecay: number({ min: 0 }).default(4e-3),
    maximize: ascent,
  }),
);

/**
 * `ofGradient` and `ofMean` are the learning rate with the momentum of this step and of the next, corrected for the start. Variants: weight
 * decay as a term of the gradient, or decoupled (then `decay` is a factor). Kernel: rules/nadam.h.
 */
const NADAM = updateOp({
  name: 'update_nadam',
  slots: { l2: ['exp_avg', 'exp_avg_sq'], decoupled: ['exp_avg', 'exp_avg_sq'] },
  hyper: ['ofGradient', 'ofMean', 'oneMinusBeta1', 'beta2', 'oneMinusBeta2', 'inverseRoot', 'eps', 'decay'],
  rows: [
    {
      ofGradient: 0.05,
      ofMean: 0.1,
      oneMinusBeta1: 0.1,
      beta2: 0.9,
      oneMinusBeta2: 0.1,
      inverseRoot: 1.5,
      eps: 0.01,
      decay: 0.8,
    },
    { ofGradient: 0.1, ofMean: 0.02, oneMinusBeta1: 0.6, beta2: 0.5, oneMinusBeta2: 0.5, inverseRoot: 1, eps: 0.1, decay: 0 },
  ],
  flops: 16,
  step(variant, parameter, gradient, slots, h) {
    const decoupled = variant === 'decoupled';
    const g = decoupled ? gradient : gradient + h.decay * parameter;
    const p = decoupled ? parameter * h.decay : parameter;
    const m = slots[0]! + h.oneMinusBeta1 * (g - slots[0]!);
    const v = h.beta2 * slots[1]! + h.oneMinusBeta2 * g * g;
    slots[0] = m;
    slots[1] = v;
    return p - (h.ofGradient * g + h.ofMean * m) / (Math.sqrt(v) * h.inverseRoot + h.eps);
  },
});
const { at } = NADAM;

/**
 * NAdam (Dozat 2016): Adam with Nesterov's momentum. Slots `exp_avg` and `exp_avg_sq`. The product of momenta is f64;
 * PyTorch's is f32.
 * @throws OptionError
 * @see torch.optim.NAdam
 */
export function nadam(options: NAdamOptions = {}): Optimizer {
  const { lr, betas, eps, weightDecay, decoupledWeightDecay: decoupled, momentumDecay, maximize } = readNadam(arguments);
  const [beta1, beta2] = betas;
  const mu = (t: number): number => beta1 * (1 - 0.5 * pow(0.96, t * momentumDecay));
  const product = runningProduct(mu);
  return makeOptimizer({
    maximize,
    name: 'optim.nadam',
    op: NADAM,
    variant: decoupled ? 'decoupled' : 'l2',
    eps,
    limit: SQUARES,
    lr,
    hyper(step, lr, out) {
      const t = step + 1;
      const soFar = product(t);
      out[at.ofGradient] = (lr * (1 - mu(t))) / (1 - soFar);
      out[at.ofMean] = (lr * mu(t + 1)) / (1 - soFar * mu(t + 1));
      out[at.oneMinusBeta1] = 1 - beta1;
      out[at.beta2] = beta2;
      out[at.oneMinusBeta2] = 1 - beta2;
      out[at.inverseRoot] = 1 / Math.sqrt(1 - pow(beta2, t));
      out[at.eps] = eps;
      out[at.decay] = decoupled ? 1 - lr * weightDecay : weightDecay;
    },
  });
}

/** f(1) f(2) ... f(t) for factors below 1: from the last t that was asked for, or from the start. */
function runningProduct(f: (t: number) => number): (t: number) => number {
  let [at, value] = [0, 1];
  return (t) => {
    if (t < at) [at, value] = [0, 1];
    // Below this it is nothing beside 1, and stays so.
    while (at < t && value > 1e-300) value *= f(++at);
    return value;
  };
}
