// lars.ts: the update of LARS. Kernel: rules/lars.h.
import type { OpDef } from '../../ir/op.ts';
import { type UpdateAttrs, updateOp } from '../update/update.ts';

/** Each tensor has its trust ratio. */
export const UPDATE_LARS: OpDef<UpdateAttrs> = updateOp({
  name: 'update_lars',
  slots: [1],
  hyper: ['lr', 'momentum', 'weightDecay'],
  rows: [
    { lr: 0.1, momentum: 0.9, weightDecay: 0.3 },
    { lr: 0.5, momentum: 0, weightDecay: 0 },
  ],
  flops: 6,
  each: true,
  step(_, p, g, slots, h, trust) {
    slots[0] = h.momentum * slots[0]! + h.lr * trust * (g + h.weightDecay * p);
    return p - slots[0]!;
  },
});
