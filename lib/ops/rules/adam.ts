// adam.ts: the update of Adam and AdamW. Kernel: rules/adam.h.
import type { OpDef } from '../../ir/op.ts';
import { type UpdateAttrs, updateOp } from '../update.ts';

/** hyper: what Adam in rules/adam.h reads. `decay` is the weight decay of Adam, and the factor 1 - lr * weight decay of AdamW. */
export const UPDATE_ADAM: OpDef<UpdateAttrs> = updateOp({
  name: 'update_adam',
  slots: [2, 2],
  hyper: ['stepSize', 'oneMinusBeta1', 'beta2', 'oneMinusBeta2', 'inverseRoot', 'eps', 'decay'],
  flops: 14,
  step(variant, parameter, gradient, slots, h) {
    const [size, rest1, beta2, rest2, inverseRoot, eps, decay] = h as unknown as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    const g = variant === 0 ? gradient + decay * parameter : gradient;
    const p = variant === 0 ? parameter : parameter * decay;
    const m = (slots[0] as number) + rest1 * (g - (slots[0] as number));
    const v = beta2 * (slots[1] as number) + rest2 * g * g;
    slots[0] = m;
    slots[1] = v;
    return p - (size * m) / (Math.sqrt(v) * inverseRoot + eps);
  },
});
/** Variants of UPDATE_ADAM: weight decay as a term of the gradient, or decoupled. */
export const ADAM_VARIANT = { adam: 0, adamw: 1 } as const;
