// stable-adam.ts: the direction of StableAdamW, and what its update clip is of. Kernel: rules/stable_adam.h.
import type { OpDef } from '../../ir/op.ts';
import { type UpdateAttrs, updateOp } from '../update/update.ts';

/** In place of the new parameter it gives the direction. Sum: squares of g / max(root, eps). */
export const UPDATE_STABLE_ADAM: OpDef<UpdateAttrs> = updateOp({
  name: 'update_stable_adam',
  slots: [2],
  hyper: ['ofGradient', 'beta2', 'oneMinusBeta2', 'eps'],
  rows: [
    { ofGradient: 0.1, beta2: 0.9, oneMinusBeta2: 0.1, eps: 0.1 },
    { ofGradient: 1, beta2: 0, oneMinusBeta2: 1, eps: 0.5 },
  ],
  flops: 16,
  sums: 1,
  step(_variant, _p, g, slots, h, _each, squared) {
    slots[0]! += h.ofGradient * (g - slots[0]!);
    slots[1] = h.beta2 * slots[1]! + h.oneMinusBeta2 * g * g;
    const root = Math.sqrt(slots[1]!);
    squared[0] = g === 0 ? 0 : g / Math.max(root, h.eps);
    return slots[0]! / (root + h.eps);
  },
});
