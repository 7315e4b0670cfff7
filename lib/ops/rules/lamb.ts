// lamb.ts: the direction of LAMB, and the norms that its trust ratio is of. Kernel: rules/lamb.h.
import type { OpDef } from '../../ir/op.ts';
import { type UpdateAttrs, updateOp } from '../update/update.ts';

/** In place of the new parameter it gives the direction. Sums: squares of the direction, and of the parameter. */
export const UPDATE_LAMB: OpDef<UpdateAttrs> = updateOp({
  name: 'update_lamb',
  slots: [2],
  hyper: ['correction', 'oneMinusBeta1', 'beta2', 'oneMinusBeta2', 'inverseRoot', 'eps', 'weightDecay'],
  rows: [
    { correction: 1.5, oneMinusBeta1: 0.1, beta2: 0.9, oneMinusBeta2: 0.1, inverseRoot: 1.2, eps: 0.1, weightDecay: 0.3 },
    { correction: 1, oneMinusBeta1: 0.6, beta2: 0.5, oneMinusBeta2: 0.5, inverseRoot: 1, eps: 0.5, weightDecay: 0 },
  ],
  flops: 18,
  sums: 2,
  step(_variant, p, g, slots, h, _each, squared) {
    slots[0]! += h.oneMinusBeta1 * (g - slots[0]!);
    slots[1] = h.beta2 * slots[1]! + h.oneMinusBeta2 * g * g;
    const direction = h.weightDecay * p + (h.correction * slots[0]!) / (Math.sqrt(slots[1]!) * h.inverseRoot + h.eps);
    squared[0] = direction;
    squared[1] = p;
    return direction;
  },
});
