// adopt.ts: the update of ADOPT. Kernel: rules/adopt.h.
import type { OpDef } from '../../ir/op.ts';
import { type UpdateAttrs, updateOp } from '../update/update.ts';

/** The `first` step only begins the second slot. `limit` is the bound of the update clip. */
export const UPDATE_ADOPT: OpDef<UpdateAttrs> = updateOp({
  name: 'update_adopt',
  slots: [2, 2],
  hyper: ['lr', 'oneMinusBeta1', 'beta2', 'oneMinusBeta2', 'eps', 'limit', 'decay', 'first'],
  rows: [
    { lr: 0.1, oneMinusBeta1: 0.1, beta2: 0.9, oneMinusBeta2: 0.1, eps: 0.5, limit: 0.7, decay: 0.8, first: 0 },
    { lr: 0.1, oneMinusBeta1: 0.1, beta2: 0.9, oneMinusBeta2: 0.1, eps: 0.01, limit: 1, decay: 0.3, first: 1 },
    {
      lr: 0.2,
      oneMinusBeta1: 0.6,
      beta2: 0.5,
      oneMinusBeta2: 0.5,
      eps: 0.1,
      limit: Number.POSITIVE_INFINITY,
      decay: 0,
      first: 0,
    },
  ],
  flops: 14,
  step(variant, parameter, gradient, slots, h) {
    const decoupled = variant === ADOPT_VARIANT.decoupled;
    const g = decoupled ? gradient : gradient + h.decay * parameter;
    if (h.first !== 0) {
      slots[1] = g * g;
      return parameter;
    }
    const p = decoupled ? parameter * h.decay : parameter;
    const ratio = g / Math.max(Math.sqrt(slots[1]!), h.eps);
    slots[0]! += h.oneMinusBeta1 * (Math.max(-h.limit, Math.min(h.limit, ratio)) - slots[0]!);
    slots[1] = h.beta2 * slots[1]! + h.oneMinusBeta2 * g * g;
    return p - h.lr * slots[0]!;
  },
});

/** Variants of UPDATE_ADOPT: weight decay as a term of the gradient, or decoupled (then `decay` is a factor). */
export const ADOPT_VARIANT = { l2: 0, decoupled: 1 } as const;
