// radam.ts: the update of RAdam. Kernel: rules/radam.h.
import type { OpDef } from '../../ir/op.ts';
import { type UpdateAttrs, updateOp } from '../update/update.ts';

/** `adaptive` is 0 in the first steps, where the variance is not known well enough to divide by its root. */
export const UPDATE_RADAM: OpDef<UpdateAttrs> = updateOp({
  name: 'update_radam',
  slots: [2, 2],
  hyper: ['stepSize', 'adaptive', 'oneMinusBeta1', 'beta2', 'oneMinusBeta2', 'eps', 'decay'],
  rows: [
    { stepSize: 0.1, adaptive: 1, oneMinusBeta1: 0.1, beta2: 0.9, oneMinusBeta2: 0.1, eps: 0.01, decay: 0.8 },
    { stepSize: 0.2, adaptive: 0, oneMinusBeta1: 0.6, beta2: 0.5, oneMinusBeta2: 0.5, eps: 0.1, decay: 0 },
  ],
  flops: 14,
  step(variant, parameter, gradient, slots, h) {
    const decoupled = variant === RADAM_VARIANT.decoupled;
    const g = decoupled ? gradient : gradient + h.decay * parameter;
    const p = decoupled ? parameter * h.decay : parameter;
    const m = slots[0]! + h.oneMinusBeta1 * (g - slots[0]!);
    const v = h.beta2 * slots[1]! + h.oneMinusBeta2 * g * g;
    slots[0] = m;
    slots[1] = v;
    return p - h.stepSize * (h.adaptive !== 0 ? m / (Math.sqrt(v) + h.eps) : m);
  },
});

/** Variants of UPDATE_RADAM: weight decay as a term of the gradient, or decoupled (then `decay` is a factor). */
export const RADAM_VARIANT = { l2: 0, decoupled: 1 } as const;
