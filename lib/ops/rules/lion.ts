// lion.ts: the update of Lion. Kernel: rules/lion.h.
import type { OpDef } from '../../ir/op.ts';
import { type UpdateAttrs, updateOp } from '../update/update.ts';

/** `decay` is the factor 1 - lr * weight decay. */
export const UPDATE_LION: OpDef<UpdateAttrs> = updateOp({
  name: 'update_lion',
  slots: [1],
  hyper: ['lr', 'beta1', 'oneMinusBeta1', 'beta2', 'oneMinusBeta2', 'decay'],
  rows: [
    { lr: 0.1, beta1: 0.9, oneMinusBeta1: 0.1, beta2: 0.99, oneMinusBeta2: 0.01, decay: 0.8 },
    { lr: 0.2, beta1: 0.5, oneMinusBeta1: 0.5, beta2: 0.5, oneMinusBeta2: 0.5, decay: 1 },
  ],
  flops: 10,
  step(_, p, g, slots, h) {
    const m = slots[0]!;
    slots[0] = h.beta2 * m + h.oneMinusBeta2 * g;
    return p * h.decay - h.lr * Math.sign(h.beta1 * m + h.oneMinusBeta1 * g);
  },
});
