// rprop.ts: Rprop (Riedmiller and Braun 1993).
import { updateOp } from '../../ops/update/update.ts';
import { number, options, optionsOnly, type PerStep, pair } from '../../options/index.ts';
import { ascent, type Maximize, rate } from '../fields.ts';
import { LARGEST } from '../limits.ts';
import { makeOptimizer, type Optimizer } from '../optimizer.ts';

/** Options of `optim.rprop`. */
export interface RpropOptions extends Maximize {
  /** Size of the first step of each element. With a schedule, all steps are multiplied by what it has become of its first value. Default 1e-2. */
  readonly lr?: PerStep;
  /** What a size is multiplied by where the sign of the gradient has changed, and where it has not. Default [0.5, 1.2]. */
  readonly etas?: readonly [number, number];
  /** Least and largest size of a step. Default [1e-6, 50]. */
  readonly stepSizes?: readonly [number, number];
}

const size = number({ min: 0, max: LARGEST });
const readRprop = optionsOnly(
  'optim.rprop',
  options<RpropOptions>()({
    lr: rate.default(1e-2),
    etas: pair(number({ above: 0, below: 1 }), number({ above: 1 })).default([0.5, 1.2]),
    stepSizes: pair(size, size)
      .map((sizes, place) => {
        if (sizes[0] > sizes[1]) throw place.item(1).wrong(`a number >= ${sizes[0]}`, sizes[1]);
        return sizes;
      })
      .default([1e-6, 50]),
    maximize: ascent,
  }),
);

/** `initial` stands in for the second slot where `first` is not 0; `scale` is a factor of all steps. Kernel: rules/rprop.h. */
const RPROP = updateOp({
  name: 'update_rprop',
  slots: { rprop: ['prev', 'step_size'] },
  hyper: ['initial', 'scale', 'etaMinus', 'etaPlus', 'least', 'most', 'first'],
  rows: [
    { initial: 0.1, scale: 0.5, etaMinus: 0.5, etaPlus: 1.2, least: 0.3, most: 0.9, first: 0 },
    { initial: 0.1, scale: 1, etaMinus: 0.25, etaPlus: 2, least: 1e-6, most: 50, first: 1 },
  ],
  flops: 12,
  step(_, p, gradient, slots, h) {
    const [last, before] = h.first !== 0 ? [0, h.initial] : [slots[0]!, slots[1]!];
    const sign = Math.sign(gradient) * Math.sign(last);
    const by = sign > 0 ? h.etaPlus : sign < 0 ? h.etaMinus : 1;
    const g = sign < 0 ? 0 : gradient;
    slots[0] = g;
    slots[1] = Math.max(h.least, Math.min(h.most, before * by));
    return p - h.scale * Math.sign(g) * slots[1];
  },
});
const { at } = RPROP;

/**
 * Rprop: each element has a step size of its own, which grows while the sign of its gradient stays and shrinks where
 * it changes; how large the gradient is does not matter, so that a clip has no effect but on what is not finite. For
 * the gradient of all rows, not of batches. Slots `prev` and `step_size`.
 * @throws OptionError
 * @see torch.optim.Rprop
 */
export function rprop(options: RpropOptions = {}): Optimizer {
  const { lr, etas, stepSizes, maximize } = readRprop(arguments);
  return makeOptimizer({
    maximize,
    rowwise: false,
    name: 'optim.rprop',
    op: RPROP,
    variant: 'rprop',
    lr,
    hyper(step, now, out) {
      const initial = lr(0);
      out[at.initial] = initial;
      out[at.scale] = initial > 0 ? now / initial : Number(now > 0);
      out[at.etaMinus] = etas[0];
      out[at.etaPlus] = etas[1];
      out[at.least] = stepSizes[0];
      out[at.most] = stepSizes[1];
      out[at.first] = step === 0 ? 1 : 0;
    },
  });
}
