// adagrad.ts: the update of Adagrad. Kernel: rules/adagrad.h.
import type { OpDef } from '../../ir/op.ts';
import { type UpdateAttrs, updateOp } from '../update/update.ts';

/** Its slot is the sum of the squares of all gradients. */
export const UPDATE_ADAGRAD: OpDef<UpdateAttrs> = updateOp({
  name: 'update_adagrad',
  slots: [1],
  hyper: ['lr', 'eps', 'decay'],
  rows: [
    { lr: 0.1, eps: 0.01, decay: 0.3 },
    { lr: 0.2, eps: 0.1, decay: 0 },
  ],
  flops: 8,
  step(_, p, gradient, slots, h) {
    const g = gradient + h.decay * p;
    slots[0]! += g * g;
    return p - (h.lr * g) / (Math.sqrt(slots[0]!) + h.eps);
  },
});
