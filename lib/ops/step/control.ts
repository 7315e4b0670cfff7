// control.ts: ops that steer the run instead of computing tensors. Kernels: control.h.
import { DTypeError, NonFiniteError } from '../../errors.ts';
import type { Tensor } from '../../ir/graph.ts';
import type { OpDef } from '../../ir/op.ts';

/** Ends the run with status `nonFinite` when its first input is not 0. The second says which tensor is to blame. */
export const FAIL_IF: OpDef<Record<string, never>> = {
  name: 'fail_if',
  effect: true,
  infer(ins) {
    for (const t of ins) {
      if (t.dtype !== 'f64' || t.shape.length > 0)
        throw new DTypeError(`fail_if: expected f64 scalars, got ${t.dtype}[${t.shape}]`);
    }
    return [];
  },
  cost: () => ({ flops: 1, bytes: 16 }),
  ref(_, [flag, position]) {
    if (flag?.[0] !== 0) throw new NonFiniteError(`fail_if: tensor ${position?.[0]} is not finite`);
  },
  samples: () => [
    {
      ins: [
        { dtype: 'f64', shape: [] },
        { dtype: 'f64', shape: [] },
      ],
      attrs: {},
      fill: [
        [0, 0],
        [0, 0],
      ],
    },
  ],
};

/** End the run, before anything of this step is updated, when `flag` (f64 scalar) is not 0; `tensor` (f64 scalar) is the culprit's index. */
export function failIf(flag: Tensor, tensor: Tensor): void {
  flag.graph.add(FAIL_IF, [flag, tensor], {});
}
