// adam.ts: the update of Adam and AdamW, with AMSGrad. Kernel: rules/adam.h.
import type { OpDef } from '../../ir/op.ts';
import { type UpdateAttrs, updateOp } from '../update/update.ts';

/** `decay` is the weight decay of Adam, and the factor 1 - lr * weight decay of AdamW. */
export const UPDATE_ADAM: OpDef<UpdateAttrs> = updateOp({
  name: 'update_adam',
  slots: [2, 2, 3, 3],
  hyper: ['stepSize', 'oneMinusBeta1', 'beta2', 'oneMinusBeta2', 'inverseRoot', 'eps', 'decay'],
  rows: [
    { stepSize: 0.1, oneMinusBeta1: 0.1, beta2: 0.9, oneMinusBeta2: 0.1, inverseRoot: 1.5, eps: 0.01, decay: 0.8 },
    { stepSize: 0.2, oneMinusBeta1: 0.6, beta2: 0.5, oneMinusBeta2: 0.5, inverseRoot: 1, eps: 0.1, decay: 0 },
  ],
  flops: 14,
  step(variant, parameter, gradient, slots, h) {
    const decoupled = variant === ADAM_VARIANT.adamw || variant === ADAM_VARIANT.adamwAmsgrad;
    const g = decoupled ? gradient : gradient + h.decay * parameter;
    const p = decoupled ? parameter * h.decay : parameter;
    const m = slots[0]! + h.oneMinusBeta1 * (g - slots[0]!);
    const v = h.beta2 * slots[1]! + h.oneMinusBeta2 * g * g;
    slots[0] = m;
    slots[1] = v;
    let largest = v;
    if (slots.length > 2) {
      largest = Math.max(slots[2]!, v);
      slots[2] = largest;
    }
    return p - (h.stepSize * m) / (Math.sqrt(largest) * h.inverseRoot + h.eps);
  },
});

/** Variants of UPDATE_ADAM: weight decay as a term of the gradient, or decoupled; each without and with AMSGrad. */
export const ADAM_VARIANT = { adam: 0, adamw: 1, adamAmsgrad: 2, adamwAmsgrad: 3 } as const;
