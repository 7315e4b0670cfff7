// novograd.ts: NovoGrad (Ginsburg et al. 2019).
import type { Tensor } from '../../ir/graph.ts';
import { add, div, minimum, mul, sqrt } from '../../ops/elementwise/elementwise.ts';
import { statistic } from '../../ops/gradient/statistics.ts';
import { concat } from '../../ops/shape/concat.ts';
import { reshape } from '../../ops/shape/shape.ts';
import { slice } from '../../ops/shape/slice.ts';
import { updateOp } from '../../ops/update/update.ts';
import { bool, options, optionsOnly, type PerStep } from '../../options/index.ts';
import { ascent, betas, decay, divisor, type Maximize, rate } from '../fields.ts';
import { LARGEST } from '../limits.ts';
import { defineOptimizer, type HyperFill, type Optimizer, pass, slotsLike } from '../optimizer.ts';

/** Options of `optim.novograd`. */
export interface NovoGradOptions extends Maximize {
  /** Learning rate, a number or a schedule. Default 1e-3. */
  readonly lr?: PerStep;
  /** Decay of the running sum of gradients, and of the running mean of the squares of their norms. Default [0.95, 0.98]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of that mean. Default 1e-8. */
  readonly eps?: number;
  /** Added as weightDecay * p to the gradient that is divided by its norm. Default 0. */
  readonly weightDecay?: number;
  /** A mean of gradients, rather than a sum: new ones count 1 - betas[0] times. Default false. */
  readonly gradAveraging?: boolean;
}

const readNovograd = optionsOnly(
  'optim.novograd',
  options<NovoGradOptions>()({
    lr: rate.default(1e-3),
    betas: betas.default([0.95, 0.98]),
    eps: divisor.default(1e-8),
    weightDecay: decay.default(0),
    gradAveraging: bool.default(false),
    maximize: ascent,
  }),
);

/** Each tensor has the factor of its gradient. Kernel: rules/novograd.h. */
const NOVOGRAD = updateOp({
  name: 'update_novograd',
  slots: { novograd: ['exp_avg'] },
  hyper: ['lr', 'momentum', 'ofGradient', 'weightDecay'],
  rows: [
    { lr: 0.1, momentum: 0.9, ofGradient: 0.5, weightDecay: 0.3 },
    { lr: 0.5, momentum: 0, ofGradient: 1, weightDecay: 0 },
  ],
  flops: 7,
  each: true,
  step(_, p, g, slots, h, by) {
    slots[0] = h.momentum * slots[0]! + h.ofGradient * (by * g + h.weightDecay * p);
    return p - h.lr * slots[0]!;
  },
});
const { at } = NOVOGRAD;

/**
 * NovoGrad: momentum of gradients that are divided by a running norm of their tensor. Slots `exp_avg`, and
 * `grads_ema`, one f64 number per tensor, which the first step begins.
 * @throws OptionError
 * @see Ginsburg et al. 2019, Stochastic Gradient Methods with Layer-wise Adaptive Moments for Training of Deep Networks
 * @see optax.novograd
 */
export function novograd(options: NovoGradOptions = {}): Optimizer {
  const { lr, betas, eps, weightDecay, gradAveraging, maximize } = readNovograd(arguments);
  const [beta1, beta2] = betas;
  return defineOptimizer({
    maximize,
    name: 'optim.novograd',
    eps,
    slots: (type) => [...slotsLike(NOVOGRAD, 'novograd', type), { name: 'grads_ema', type: { dtype: 'f64', shape: [] } }],
    lr,
    build(group) {
      const hyper: HyperFill = (step, lr, out) => {
        out[at.lr] = lr;
        out[at.momentum] = beta1;
        out[at.ofGradient] = gradAveraging && step > 0 ? 1 - beta1 : 1;
        out[at.weightDecay] = weightDecay;
      };
      const weights = group.column('squares', 2, (step, _, out) => {
        out[0] = step === 0 ? 0 : beta2;
        out[1] = step === 0 ? 1 : 1 - beta2;
      });
      const element = (x: Tensor, k: number): Tensor => slice(x, { axis: 0, start: k, end: k + 1 });
      const before = concat(group.slots.map(([, v]) => reshape(v!, [1])));
      const squares = statistic(group.grads, { kind: 'sumSquares', stages: group.stages }).each;
      const means = add(mul(before, element(weights, 0)), mul(squares, element(weights, 1)));
      const by = minimum(div(1, add(sqrt(means), eps)), LARGEST);
      const inner = { ...group, slots: group.slots.map(([m]) => [m!]) };
      const { params, slots, measured } = pass(NOVOGRAD, 'novograd', inner, hyper, { each: by });
      return { params, slots: slots.map(([m], t) => [m!, reshape(element(means, t), [])]), measured };
    },
  });
}
