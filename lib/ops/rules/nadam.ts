// nadam.ts: the update of NAdam. Kernel: rules/nadam.h.
import type { OpDef } from '../../ir/op.ts';
import { type UpdateAttrs, updateOp } from '../update/update.ts';

/** `ofGradient` and `ofMean` are the learning rate with the momentum of this step and of the next, corrected for the start. */
export const UPDATE_NADAM: OpDef<UpdateAttrs> = updateOp({
  name: 'update_nadam',
  slots: [2, 2],
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
    const decoupled = variant === NADAM_VARIANT.decoupled;
    const g = decoupled ? gradient : gradient + h.decay * parameter;
    const p = decoupled ? parameter * h.decay : parameter;
    const m = slots[0]! + h.oneMinusBeta1 * (g - slots[0]!);
    const v = h.beta2 * slots[1]! + h.oneMinusBeta2 * g * g;
    slots[0] = m;
    slots[1] = v;
    return p - (h.ofGradient * g + h.ofMean * m) / (Math.sqrt(v) * h.inverseRoot + h.eps);
  },
});

/** Variants of UPDATE_NADAM: weight decay as a term of the gradient, or decoupled (then `decay` is a factor). */
export const NADAM_VARIANT = { l2: 0, decoupled: 1 } as const;
