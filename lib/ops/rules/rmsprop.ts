// rmsprop.ts: the update of RMSprop, plain, centered and with momentum. Kernel: rules/rmsprop.h.
import type { OpDef } from '../../ir/op.ts';
import { type UpdateAttrs, updateOp } from '../update/update.ts';

/** Slots: the mean of squares; centered, the mean; with momentum, its buffer. */
export const UPDATE_RMSPROP: OpDef<UpdateAttrs> = updateOp({
  name: 'update_rmsprop',
  slots: [1, 2, 2, 3],
  hyper: ['lr', 'alpha', 'oneMinusAlpha', 'eps', 'decay', 'momentum'],
  rows: [
    { lr: 0.1, alpha: 0.9, oneMinusAlpha: 0.1, eps: 0.5, decay: 0.3, momentum: 0.9 },
    { lr: 0.2, alpha: 0.5, oneMinusAlpha: 0.5, eps: 1, decay: 0, momentum: 0.5 },
  ],
  flops: 14,
  // A variance near 0 is what two nearly equal numbers leave.
  tolerance: 1e-5,
  step(variant, p, gradient, slots, h) {
    const g = gradient + h.decay * p;
    const v = h.alpha * slots[0]! + h.oneMinusAlpha * g * g;
    slots[0] = v;
    let variance = v;
    if (variant & RMSPROP_VARIANT.centered) {
      const mean = slots[1]! + h.oneMinusAlpha * (g - slots[1]!);
      slots[1] = mean;
      variance = Math.max(0, v - mean * mean);
    }
    const direction = g / (Math.sqrt(variance) + h.eps);
    if (!(variant & RMSPROP_VARIANT.momentum)) return p - h.lr * direction;
    const last = slots.length - 1;
    slots[last] = h.momentum * slots[last]! + direction;
    return p - h.lr * slots[last]!;
  },
});

/** Variants of UPDATE_RMSPROP, to be added. */
export const RMSPROP_VARIANT = { plain: 0, centered: 1, momentum: 2 } as const;
