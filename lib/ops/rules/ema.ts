// ema.ts: a moving average as an update: what takes the place of the gradient is the value to be averaged. Kernel: rules/ema.h.
import type { OpDef } from '../../ir/op.ts';
import { type UpdateAttrs, updateOp } from '../update/update.ts';

/** `weight`: how much of the new value enters. 1 copies it, 0 leaves the average alone. As torch.lerp. */
export const UPDATE_EMA: OpDef<UpdateAttrs> = updateOp({
  name: 'update_ema',
  slots: [0],
  hyper: ['weight'],
  rows: [{ weight: 0.125 }, { weight: 0.75 }, { weight: 1 }, { weight: 0 }],
  flops: 2,
  step(_variant, average, value, _slots, { weight }) {
    return weight < 0.5 ? average + weight * (value - average) : value - (1 - weight) * (value - average);
  },
});
