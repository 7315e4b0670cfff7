// descend.ts: a step along a direction that another op made: the last part of optimizers that look at whole tensors. Kernel: rules/descend.h.
import type { Tensor } from '../../ir/graph.ts';
import { update, updateOp } from '../../ops/update/update.ts';
import type { GroupContext } from '../optimizer.ts';

/** The gradient is a direction; each tensor has its own factor of lr. Variants: weight decay goes with the step of the tensor, or with lr alone. */
const DESCEND = updateOp({
  name: 'update_descend',
  slots: { scaled: [], fixed: [] },
  hyper: ['lr', 'weightDecay'],
  rows: [
    { lr: 0.1, weightDecay: 0.3 },
    { lr: 0.5, weightDecay: 0 },
  ],
  flops: 3,
  each: true,
  step(variant, p, g, _, h, by) {
    const size = h.lr * by;
    return p * (1 - (variant === 'scaled' ? size : h.lr) * h.weightDecay) - size * g;
  },
});
const { at } = DESCEND;

interface Descent {
  /** Default: that of the step. */
  readonly lr?: (step: number, lr: number) => number;
  /** Default: none. */
  readonly weightDecay?: (step: number, lr: number) => number;
}

/** p - lr * by * direction for each tensor; decoupled weight decay goes with lr * by (`scaled`) or with lr alone (`fixed`). */
export function descend(
  group: GroupContext,
  directions: readonly Tensor[],
  by: Tensor,
  decay: 'scaled' | 'fixed',
  { lr: rate = (_, lr) => lr, weightDecay = () => 0 }: Descent = {},
): readonly Tensor[] {
  const { params, finish } = group;
  const hyper = group.column('descend', DESCEND.hyper.length, (step, lr, out) => {
    out[at.lr] = rate(step, lr);
    out[at.weightDecay] = weightDecay(step, lr);
  });
  const operands = { params, finish, grads: directions, slots: [], hyper, each: by, stages: [], measure: false } as const;
  return update(DESCEND, decay, operands).params;
}
