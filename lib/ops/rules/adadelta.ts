// adadelta.ts: the update of Adadelta. Kernel: rules/adadelta.h.
import type { OpDef } from '../../ir/op.ts';
import { type UpdateAttrs, updateOp } from '../update/update.ts';

/** Slots: the mean of squares of the gradients, and of the steps. */
export const UPDATE_ADADELTA: OpDef<UpdateAttrs> = updateOp({
  name: 'update_adadelta',
  slots: [2],
  hyper: ['lr', 'rho', 'oneMinusRho', 'eps', 'decay'],
  rows: [
    { lr: 0.5, rho: 0.9, oneMinusRho: 0.1, eps: 0.01, decay: 0.3 },
    { lr: 1, rho: 0.5, oneMinusRho: 0.5, eps: 0.1, decay: 0 },
  ],
  flops: 16,
  step(_, p, gradient, slots, h) {
    const g = gradient + h.decay * p;
    const v = h.rho * slots[0]! + h.oneMinusRho * g * g;
    const delta = (Math.sqrt(slots[1]! + h.eps) / Math.sqrt(v + h.eps)) * g;
    slots[0] = v;
    slots[1] = h.rho * slots[1]! + h.oneMinusRho * delta * delta;
    return p - h.lr * delta;
  },
});
