// stable-adamw.ts: StableAdamW (Wortsman et al. 2023): AdamW with Adafactor's update clip.
import { pow } from '../../math/index.ts';
import { div, maximum, sqrt } from '../../ops/elementwise/elementwise.ts';
import { UPDATE_STABLE_ADAM } from '../../ops/rules/index.ts';
import { update } from '../../ops/update/update.ts';
import { options, optionsOnly, type PerStep } from '../../options/index.ts';
import { betas, bound, decay, epsilon, rate } from '../fields.ts';
import { SQUARES } from '../limits.ts';
import { defineOptimizer, descend, measuredOf, type Optimizer, perElement, turned } from '../optimizer.ts';

/** Options of `optim.stableAdamw`. */
export interface StableAdamWOptions {
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
  }),
);

/**
 * StableAdamW: AdamW with Adafactor's clip of the update, algorithm 2 of the paper. Slots `exp_avg` and `exp_avg_sq`.
 * @throws OptionError
 * @see Wortsman et al. 2023, Stable and Low-Precision Training for Large-Scale Vision-Language Models
 */
export function stableAdamw(options: StableAdamWOptions = {}): Optimizer {
  const { lr, betas, eps, weightDecay, clip } = readStableAdamw(arguments);
  const [beta1, beta2] = betas;
  return defineOptimizer({
    name: 'optim.stableAdamw',
    eps,
    slots: (type) => ['exp_avg', 'exp_avg_sq'].map((name) => ({ name, type })),
    limit: SQUARES,
    lr,
    build(group) {
      const hyper = group.column('', 4, (step, _, out) => {
        // The means with their correction of the start in them.
        const t = step + 1;
        out[0] = (1 - beta1) / (1 - pow(beta1, t));
        out[1] = (beta2 * (1 - pow(beta2, step))) / (1 - pow(beta2, t));
        out[2] = (1 - beta2) / (1 - pow(beta2, t));
        out[3] = eps;
      });
      const made = update(UPDATE_STABLE_ADAM, 0, { ...group, slots: turned(group.slots), hyper, finish: null });
      const rms = sqrt(perElement(group.params, made.sums[0]!));
      const by = div(1, maximum(div(rms, clip), 1));
      const params = descend(group, made.params, by, 'scaled', (_, lr, out) => {
        out[0] = lr;
        out[1] = weightDecay;
      });
      return { params, slots: turned(made.slots), measured: measuredOf(made) };
    },
  });
}
