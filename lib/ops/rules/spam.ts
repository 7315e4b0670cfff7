// spam.ts: the update of SPAM. Kernel: rules/spam.h.
import type { OpDef } from '../../ir/op.ts';
import { type UpdateAttrs, updateOp } from '../update/update.ts';

/**
 * Elements with g^2 > theta v are cut to sqrt(theta v), where v is not 0; an infinite theta cuts none. `reset` is not 0 in a step that
 * begins with slots of 0. `decay` is the factor 1 - lr * weight decay.
 */
export const UPDATE_SPAM: OpDef<UpdateAttrs> = updateOp({
  name: 'update_spam',
  slots: [2],
  hyper: ['stepSize', 'oneMinusBeta1', 'beta2', 'oneMinusBeta2', 'inverseRoot', 'eps', 'decay', 'theta', 'reset'],
  rows: [
    {
      stepSize: 0.1,
      oneMinusBeta1: 0.1,
      beta2: 0.9,
      oneMinusBeta2: 0.1,
      inverseRoot: 1.5,
      eps: 0.01,
      decay: 0.8,
      theta: 0.5,
      reset: 0,
    },
    {
      stepSize: 0.1,
      oneMinusBeta1: 0.1,
      beta2: 0.9,
      oneMinusBeta2: 0.1,
      inverseRoot: 1.5,
      eps: 0.01,
      decay: 0.8,
      theta: 0.5,
      reset: 1,
    },
    {
      stepSize: 0.1,
      oneMinusBeta1: 0.6,
      beta2: 0.5,
      oneMinusBeta2: 0.5,
      inverseRoot: 1,
      eps: 0.1,
      decay: 1,
      theta: Number.POSITIVE_INFINITY,
      reset: 0,
    },
  ],
  flops: 20,
  step(_, p, gradient, slots, h) {
    const m = h.reset !== 0 ? 0 : slots[0]!;
    const v = h.reset !== 0 ? 0 : slots[1]!;
    const spike = v > 0 && gradient * gradient > h.theta * v;
    const g = spike ? Math.sign(gradient) * Math.sqrt(h.theta * v) : gradient;
    slots[0] = m + h.oneMinusBeta1 * (g - m);
    slots[1] = h.beta2 * v + h.oneMinusBeta2 * g * g;
    return p * h.decay - (h.stepSize * slots[0]) / (Math.sqrt(slots[1]) * h.inverseRoot + h.eps);
  },
});
