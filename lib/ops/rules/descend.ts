// descend.ts: a step along a direction that another op made. Kernel: rules/descend.h.
import type { OpDef } from '../../ir/op.ts';
import { type UpdateAttrs, updateOp } from '../update/update.ts';

/** The gradient is a direction; each tensor has its own factor of lr. */
export const UPDATE_DESCEND: OpDef<UpdateAttrs> = updateOp({
  name: 'update_descend',
  slots: [0, 0],
  hyper: ['lr', 'weightDecay'],
  rows: [
    { lr: 0.1, weightDecay: 0.3 },
    { lr: 0.5, weightDecay: 0 },
  ],
  flops: 3,
  each: true,
  step(variant, p, g, _, h, by) {
    const size = h.lr * by;
    return p * (1 - (variant === DESCEND_VARIANT.scaled ? size : h.lr) * h.weightDecay) - size * g;
  },
});

/** Variants of UPDATE_DESCEND: weight decay goes with the step of the tensor, or with lr alone. */
export const DESCEND_VARIANT = { scaled: 0, fixed: 1 } as const;
