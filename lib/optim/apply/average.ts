// average.ts: running means as updates: what takes the place of the gradient is the value to be averaged. Kernel: rules/ema.h.
import type { Tensor } from '../../ir/graph.ts';
import type { Finish } from '../../ops/update/finish.ts';
import { type UpdateOp, update, updateOp } from '../../ops/update/update.ts';

/** `weight`: how much of the new value enters. 1 copies it, 0 leaves the average alone. As torch.lerp. */
export const EMA: UpdateOp<'weight', 'ema'> = updateOp({
  name: 'update_ema',
  slots: { ema: [] },
  hyper: ['weight'],
  rows: [{ weight: 0.125 }, { weight: 0.75 }, { weight: 1 }, { weight: 0 }],
  flops: 2,
  step(_variant, average, value, _slots, { weight }) {
    return weight < 0.5 ? average + weight * (value - average) : value - (1 - weight) * (value - average);
  },
});

/** `values` enter running means of their own shapes: held back in a step that is skipped, and in place where the means are states. `weight`: f64 [1]. */
export function average(
  means: readonly Tensor[],
  values: readonly Tensor[],
  weight: Tensor,
  finish: Finish | null = null,
): readonly Tensor[] {
  return update(EMA, 'ema', { params: means, grads: values, slots: [], hyper: weight, stages: [], measure: false, finish })
    .params;
}
