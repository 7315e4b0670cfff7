// adamax.ts: the update of Adamax. Kernel: rules/adamax.h.
import type { OpDef } from '../../ir/op.ts';
import { type UpdateAttrs, updateOp } from '../update/update.ts';

/** Slots: the mean, and the largest of the gradients, fading. */
export const UPDATE_ADAMAX: OpDef<UpdateAttrs> = updateOp({
  name: 'update_adamax',
  slots: [2],
  hyper: ['stepSize', 'oneMinusBeta1', 'beta2', 'eps', 'decay'],
  rows: [
    { stepSize: 0.1, oneMinusBeta1: 0.1, beta2: 0.9, eps: 0.01, decay: 0.3 },
    { stepSize: 0.2, oneMinusBeta1: 0.6, beta2: 0.5, eps: 0.1, decay: 0 },
  ],
  flops: 10,
  step(_, p, gradient, slots, h) {
    const g = gradient + h.decay * p;
    const m = slots[0]! + h.oneMinusBeta1 * (g - slots[0]!);
    const largest = Math.max(h.beta2 * slots[1]!, Math.abs(g) + h.eps);
    slots[0] = m;
    slots[1] = largest;
    return p - (h.stepSize * m) / largest;
  },
});
