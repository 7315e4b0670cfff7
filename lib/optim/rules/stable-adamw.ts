// stable-adamw.ts: StableAdamW (Wortsman et al. 2023): AdamW with Adafactor's update clip.
import { pow } from '../../math/index.ts';
import { div, maximum, sqrt } from '../../ops/elementwise/elementwise.ts';
import { updateOp } from '../../ops/update/update.ts';
import { options, optionsOnly, type PerStep } from '../../options/index.ts';
import { descend } from '../apply/descend.ts';
import { ascent, betas, bound, decay, epsilon, type Maximize, rate } from '../fields.ts';
import { SQUARES } from '../limits.ts';
import { defineOptimizer, type HyperFill, type Optimizer, pass, perElement, slotsLike } from '../optimizer.ts';

/** Options of `optim.stableAdamw`. */
export interface StableAdamWOptions extends Maximize {
  /** Learning rate, a number or a schedule. Default 1e-3. */
  readonly lr?: PerStep;
  /** Decay of the running means of gradients and of their squares. Default [0.9, 0.99]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the second mean. Default 1e-6. */
  readonly eps?: number;
  /** Shrinks p by weightDecay times the learning rate of its tensor. Default 0.01. */
  readonly weightDecay?: number;
  /** A tensor whose root mean square of g^2 / max(v, eps^2) is above this takes a smaller step by as much. Infinity: none. Default 1. */
  readonly clip?: number;
}

const readStableAdamw = optionsOnly(
  'optim.stableAdamw',
  options<StableAdamWOptions>()({
    lr: rate.default(1e-3),
    betas: betas.default([0.9, 0.99]),
    eps: epsilon.default(1e-6),
    weightDecay: decay.default(0.01),
    clip: bound.default(1),
    maximize: ascent,
  }),
);

/** In place of the new parameter it gives the direction. Sum: squares of g / max(root, eps). Kernel: rules/stable_adam.h. */
const STABLE_ADAM = updateOp({
  name: 'update_stable_adam',
  slots: { stableAdam: ['exp_avg', 'exp_avg_sq'] },
  hyper: ['ofGradient', 'beta2', 'oneMinusBeta2', 'eps'],
  rows: [
    { ofGradient: 0.1, beta2: 0.9, oneMinusBeta2: 0.1, eps: 0.1 },
    { ofGradient: 1, beta2: 0, oneMinusBeta2: 1, eps: 0.5 },
  ],
  flops: 16,
  sums: 1,
  step(_variant, _p, g, slots, h, _each, squared) {
    slots[0]! += h.ofGradient * (g - slots[0]!);
    slots[1] = h.beta2 * slots[1]! + h.oneMinusBeta2 * g * g;
    const root = Math.sqrt(slots[1]!);
    squared[0] = g === 0 ? 0 : g / Math.max(root, h.eps);
    return slots[0]! / (root + h.eps);
  },
});
const { at } = STABLE_ADAM;

/**
 * StableAdamW: AdamW with Adafactor's clip of the update, algorithm 2 of the paper. Slots `exp_avg` and `exp_avg_sq`.
 * @throws OptionError
 * @see Wortsman et al. 2023, Stable and Low-Precision Training for Large-Scale Vision-Language Models
 */
export function stableAdamw(options: StableAdamWOptions = {}): Optimizer {
  const { lr, betas, eps, weightDecay, clip, maximize } = readStableAdamw(arguments);
  const [beta1, beta2] = betas;
  return defineOptimizer({
    maximize,
    name: 'optim.stableAdamw',
    eps,
    slots: (type) => slotsLike(STABLE_ADAM, 'stableAdam', type),
    limit: SQUARES,
    lr,
    build(group) {
      const hyper: HyperFill = (step, _, out) => {
        // The means with their correction of the start in them.
        const t = step + 1;
        out[at.ofGradient] = (1 - beta1) / (1 - pow(beta1, t));
        out[at.beta2] = (beta2 * (1 - pow(beta2, step))) / (1 - pow(beta2, t));
        out[at.oneMinusBeta2] = (1 - beta2) / (1 - pow(beta2, t));
        out[at.eps] = eps;
      };
      const { params: directions, slots, sums, measured } = pass(STABLE_ADAM, 'stableAdam', group, hyper, { finish: null });
      const rms = sqrt(perElement(group.params, sums[0]!));
      const by = div(1, maximum(div(rms, clip), 1));
      const params = descend(group, directions, by, 'scaled', { weightDecay: () => weightDecay });
      return { params, slots, measured };
    },
  });
}
