// sgd.ts: the update of stochastic gradient descent. Kernel: rules/sgd.h.
import type { OpDef } from '../../ir/op.ts';
import { type UpdateAttrs, updateOp } from '../update.ts';

/** hyper: what Sgd in rules/sgd.h reads. `first` is not 0 in the first step, where the momentum buffer becomes the gradient. */
export const UPDATE_SGD: OpDef<UpdateAttrs> = updateOp({
  name: 'update_sgd',
  slots: [0, 1, 1],
  hyper: ['lr', 'weightDecay', 'momentum', 'oneMinusDampening', 'first'],
  flops: 6,
  step(variant, p, gradient, slots, h) {
    const [lr, decay, momentum, damp, first] = h as unknown as [number, number, number, number, number];
    let g = gradient + decay * p;
    if (variant > 0) {
      const buffer = first !== 0 ? g : momentum * (slots[0] as number) + damp * g;
      slots[0] = buffer;
      g = variant === 2 ? g + momentum * buffer : buffer;
    }
    return p - lr * g;
  },
});
/** Variants of UPDATE_SGD. */
export const SGD_VARIANT = { plain: 0, momentum: 1, nesterov: 2 } as const;
