// sgd.ts: the update of stochastic gradient descent. Kernel: rules/sgd.h.
import type { OpDef } from '../../ir/op.ts';
import { type UpdateAttrs, updateOp } from '../update/update.ts';

/** `first` is not 0 in the first step, where the momentum buffer becomes the gradient. */
export const UPDATE_SGD: OpDef<UpdateAttrs> = updateOp({
  name: 'update_sgd',
  slots: [0, 1, 1],
  hyper: ['lr', 'weightDecay', 'momentum', 'oneMinusDampening', 'first'],
  rows: [
    { lr: 0.1, weightDecay: 0.2, momentum: 0.9, oneMinusDampening: 0.7, first: 0 },
    { lr: 0.3, weightDecay: 0, momentum: 0.5, oneMinusDampening: 1, first: 1 },
  ],
  flops: 6,
  step(variant, p, gradient, slots, h) {
    let g = gradient + h.weightDecay * p;
    if (variant > 0) {
      const buffer = h.first !== 0 ? g : h.momentum * slots[0]! + h.oneMinusDampening * g;
      slots[0] = buffer;
      g = variant === SGD_VARIANT.nesterov ? g + h.momentum * buffer : buffer;
    }
    return p - h.lr * g;
  },
});

/** Variants of UPDATE_SGD. */
export const SGD_VARIANT = { plain: 0, momentum: 1, nesterov: 2 } as const;
