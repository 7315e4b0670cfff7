// acclip.ts: the update of ACClip. Kernel: rules/acclip.h.
import type { OpDef } from '../../ir/op.ts';
import { pow } from '../../math/index.ts';
import { type UpdateAttrs, updateOp } from '../update/update.ts';

/** Slots: the mean, and the mean of the powers alpha of abs. `decay` is the factor 1 - lr * weight decay. */
export const UPDATE_ACCLIP: OpDef<UpdateAttrs> = updateOp({
  name: 'update_acclip',
  slots: [2, 2],
  hyper: ['lr', 'oneMinusBeta1', 'beta2', 'oneMinusBeta2', 'eps', 'alpha', 'inverseAlpha', 'decay'],
  rows: [
    { lr: 0.1, oneMinusBeta1: 0.1, beta2: 0.9, oneMinusBeta2: 0.1, eps: 0.01, alpha: 2, inverseAlpha: 0.5, decay: 0.8 },
    { lr: 0.2, oneMinusBeta1: 0.6, beta2: 0.5, oneMinusBeta2: 0.5, eps: 0.1, alpha: 2, inverseAlpha: 0.5, decay: 1 },
  ],
  flops: 20,
  step(variant, p, g, slots, h) {
    const [alpha, inverse] = variant === ACCLIP_VARIANT.squares ? [2, 0.5] : [h.alpha, h.inverseAlpha];
    const m = slots[0]! + h.oneMinusBeta1 * (g - slots[0]!);
    const power = h.beta2 * slots[1]! + h.oneMinusBeta2 * pow(Math.abs(g), alpha);
    slots[0] = m;
    slots[1] = power;
    return p * h.decay - h.lr * Math.min(pow(power, inverse) / (Math.abs(m) + h.eps), 1) * m;
  },
});

/** Variants of UPDATE_ACCLIP: alpha is 2, or any number. */
export const ACCLIP_VARIANT = { squares: 0, powers: 1 } as const;
