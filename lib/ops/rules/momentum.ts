// momentum.ts: the direction of Muon before it is made orthogonal. Kernel: rules/momentum.h.
import type { OpDef } from '../../ir/op.ts';
import { type UpdateAttrs, updateOp } from '../update/update.ts';

/** In place of the new parameter it gives the direction. Slot: the running mean of the gradient. Sum: squares of the direction. */
export const UPDATE_MOMENTUM: OpDef<UpdateAttrs> = updateOp({
  name: 'update_momentum',
  slots: [1, 1],
  hyper: ['momentum', 'oneMinusMomentum'],
  rows: [
    { momentum: 0.95, oneMinusMomentum: 0.05 },
    { momentum: 0.25, oneMinusMomentum: 0.75 },
  ],
  flops: 6,
  sums: 1,
  step(variant, _p, g, slots, h, _each, squared) {
    slots[0]! += h.oneMinusMomentum * (g - slots[0]!);
    const direction = variant === MOMENTUM_VARIANT.nesterov ? g + h.momentum * (slots[0]! - g) : slots[0]!;
    squared[0] = direction;
    return direction;
  },
});

/** Variants of UPDATE_MOMENTUM. */
export const MOMENTUM_VARIANT = { plain: 0, nesterov: 1 } as const;
